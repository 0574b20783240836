//! Architectures, one file per paper, named as the field names them.

mod batch_norm;
pub mod cyclegan;
pub mod deeplabv3;
pub mod fcn;
pub mod mobilenet_v2;
pub mod random;
pub mod resnet;
mod tally;
pub mod transformer_net;

pub use crate::nn::Statistics;
pub use cyclegan::ResnetGenerator;
pub use deeplabv3::DeepLabV3;
pub use fcn::Fcn;
pub use mobilenet_v2::MobileNetV2;
pub use resnet::ResNet;
pub use transformer_net::TransformerNet;
