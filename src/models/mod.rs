//! Architectures, one file per paper, named as the field names them.

mod buffers;
mod random;
pub mod transformer_net;

pub use buffers::Buffers;
pub use transformer_net::{Statistics, TransformerNet};
