//! Architectures, one file per paper, named as the field names them.

pub mod cyclegan;
pub mod random;
pub mod transformer_net;

pub use crate::nn::Statistics;
pub use cyclegan::ResnetGenerator;
pub use transformer_net::TransformerNet;
