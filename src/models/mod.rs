//! Architectures, one file per paper, named as the field names them.

mod random;
pub mod transformer_net;

pub use crate::nn::Statistics;
pub use transformer_net::TransformerNet;
