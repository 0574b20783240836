//! The layers and kernels that candle lacks or is slow at: a convolution with everything around it folded in, instance
//! normalisation, a conditional random field, and the thread between a long computation and whoever waits for it.

mod atrous;
mod conv2d;
mod crf;
mod depthwise;
mod direct;
mod features;
mod instance_norm;
mod inverted;
mod kernel;
mod packed;
mod pass;
mod permutohedral;
mod plan;
mod pointwise;
mod pool;
mod precision;
mod resample;
mod team;
mod transpose;
mod watch;
mod winograd;

pub(crate) use conv2d::with_slice;
pub use conv2d::{Activation, Conv2d, Options, Padding, reflection_pad};
pub use crf::Crf;
pub use features::Features;
pub use instance_norm::{ChannelStatistics, EPS, Norm, Statistics, instance_norm, is_flat};
pub use kernel::Isa;
pub use pass::{Pass, Trunk};
pub use pool::Pool;
pub use precision::Precision;
pub use watch::{CancelToken, Watch};

/// What can go wrong in a forward pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The watch's token was cancelled; nothing was produced.
    #[error("the computation was cancelled")]
    Cancelled,
    /// Shapes, types or devices that do not belong together.
    #[error("the network cannot be run: {0}")]
    Shape(String),
    /// A failure inside candle.
    #[error("the tensor library failed: {0}")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// The same about a checkpoint, where there is no input yet and the library is asked for tensors only.
    pub fn reason(&self) -> String {
        match self {
            Error::Cancelled => self.to_string(),
            Error::Shape(why) => why.clone(),
            Error::Candle(why) => why.to_string(),
        }
    }
}

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
