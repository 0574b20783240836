//! Architectures, one file per paper, named as the field names them.

mod batch_norm;
mod buffers;
pub mod deeplabv3;
pub mod fcn;
pub mod mobilenet_v2;
pub mod random;
pub mod resnet;
mod tally;
pub mod transformer_net;

pub use buffers::Buffers;
pub use deeplabv3::DeepLabV3;
pub use fcn::Fcn;
pub use mobilenet_v2::MobileNetV2;
pub use resnet::ResNet;
pub use transformer_net::{Statistics, TransformerNet};
