//! What semantic segmentation networks have in common.

use std::collections::HashMap;
use std::fmt::Debug;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use crate::nn::{Features, Pass, Pool, Result, Watch};

/// What a picture's values, 0..=1 and sRGB-encoded, go through before the network: `(value - mean) / deviation` of each of
/// red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// Taken away first.
    pub mean: [f32; 3],
    /// Divided by then.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// Nothing: 0..=1 stays as it is.
    pub const NONE: Normalisation = Normalisation { mean: [0.0; 3], deviation: [1.0; 3] };
    /// To -1..=1.
    pub const SIGNED: Normalisation = Normalisation { mean: [0.5; 3], deviation: [0.5; 3] };
    /// By ImageNet's mean and standard deviation, as torchvision's networks are trained.
    pub const IMAGENET: Normalisation = Normalisation { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
}

/// A network that tells for each pixel of a picture how much it looks like each class.
pub trait Segmenter: Debug + Send + Sync {
    /// Builds the network from a checkpoint's tensors, whose sizes decide its own.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::nn::Error::Shape) or [`Error::Candle`](crate::nn::Error::Candle) naming the first tensor
    /// that is missing or misshapen.
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<Self>
    where
        Self: Sized;

    /// Classes, with the background where there is one. A network of one class tells by the logit's sign.
    fn classes(&self) -> usize;

    /// Channels of its pictures: 3 for RGB.
    fn channels(&self) -> usize {
        3
    }

    /// How pictures are prepared for it.
    fn normalisation(&self) -> Normalisation {
        Normalisation::IMAGENET
    }

    /// The least height and width of a picture, in pixels.
    fn smallest(&self) -> usize {
        1
    }

    /// Whether [`Segmenter::logits`] reach the picture's size with the corner pixels' centres, not the picture's corners,
    /// staying where they are.
    fn align_corners(&self) -> bool {
        false
    }

    /// As [`Segmenter::forward`], but at the network's own resolution, an eighth of the picture's, say: what is
    /// resized bilinearly to the picture's size.
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features>;

    /// Multiply-adds of a pass over `[batch, channels, height, width]`, times two.
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    fn flops(&self, shape: [usize; 4]) -> Result<f64>;

    /// How much each pixel of `x` looks like each class.
    ///
    /// # Shapes
    /// x `[batch, channels, height, width]`, as [`Segmenter::normalisation`] leaves it; the result logits
    /// `[batch, classes, height, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::nn::Error::Shape) for another number of channels or a picture smaller than
    /// [`Segmenter::smallest`]; [`Error::Cancelled`](crate::nn::Error::Cancelled).
    fn forward(&self, x: &Tensor, pool: &Pool, watch: &Watch<'_>) -> Result<Tensor> {
        let shape: [usize; 4] = x.dims4()?.into();
        let mut pass = Pass::new(pool, watch, self.flops(shape)?);
        let x = pass.enter(x)?;
        let y = self.logits(x, &mut pass)?;
        let [_, _, height, width] = shape;
        if y.shape()[2..] == [height, width] {
            return y.into_tensor();
        }
        pass.bilinear(&y, [height, width], self.align_corners())?.into_tensor()
    }
}

/// A checkpoint's tensors, in single precision on the processor, for a network to be built from.
pub(super) fn builder(tensors: HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}
