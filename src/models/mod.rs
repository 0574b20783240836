//! Architectures, one file per paper, named as the field names them.

mod backbone;
mod batch_norm;
pub mod cyclegan;
pub mod deeplabv3;
pub mod deeplabv3_mobilenet_v2;
pub mod fcn;
pub mod lraspp;
pub mod mobilenet_v2;
pub mod mobilenet_v3;
pub mod random;
pub mod resnet;
mod segmenter;
mod tally;
pub mod transformer_net;
pub mod unet;
pub mod vgg;

pub use crate::nn::Statistics;
pub use backbone::Backbone;
pub use cyclegan::ResnetGenerator;
pub use deeplabv3::DeepLabV3;
pub use deeplabv3_mobilenet_v2::DeepLabV3MobileNetV2;
pub use fcn::Fcn;
pub use lraspp::LrAspp;
pub use mobilenet_v2::MobileNetV2;
pub use mobilenet_v3::MobileNetV3;
pub use resnet::ResNet;
pub use segmenter::{Normalisation, Segmenter};
pub use tally::Tally;
pub use transformer_net::TransformerNet;
pub use unet::Unet;
pub use vgg::Vgg16;
