//! What semantic segmentation networks have in common.

use std::collections::HashMap;
use std::fmt::Debug;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::tally::Tally;
use crate::nn::{Conv2d, Error, Features, Options, Pass, Pool, Result, Watch};

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
    /// To about -1..=1, as EfficientNet-Lite is trained: 127 and 128 of 255, rounded.
    pub const EFFICIENTNET_LITE: Normalisation = Normalisation { mean: [0.498; 3], deviation: [0.502; 3] };

    /// Does so to `planes`: as many channels as there are, of `plane` values each, red first.
    pub fn apply(&self, planes: &mut [f32], plane: usize) {
        for (plane, (mean, deviation)) in planes.chunks_mut(plane.max(1)).zip(self.mean.iter().zip(self.deviation)) {
            plane.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
        }
    }
}

/// A network that tells for each pixel of a picture how much it looks like each class.
pub trait Segmenter: Debug + Send + Sync {
    /// Builds the network from a checkpoint's tensors, whose sizes decide its own.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Candle`] naming the first tensor that is missing or misshapen.
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

    /// The height or width near `side` that suits it best, if there is one: where strides are padded on one side, features
    /// stand where the logits' resizing takes them to be only over sizes that all strides divide.
    fn suited(&self, side: usize) -> usize {
        side
    }

    /// Whether [`Segmenter::logits`] reach the picture's size with the corner pixels' centres, not the picture's corners,
    /// staying where they are.
    fn align_corners(&self) -> bool {
        false
    }

    /// What the logits of [`Segmenter::all_logits`] are called, in their order; empty for a network that has but one form.
    fn forms(&self) -> &'static [&'static str] {
        &[]
    }

    /// As [`Segmenter::forward`], but at the network's own resolution, an eighth of the picture's, say: what is
    /// resized bilinearly to the picture's size.
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features>;

    /// The logits of every form of the network from one pass, the coarsest first and [`Segmenter::logits`] last; each is
    /// resized bilinearly to the picture's size.
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    fn all_logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Vec<Features>> {
        Ok(vec![self.logits(x, pass)?])
    }

    /// The work and the memory of a pass over `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    fn count(&self, shape: [usize; 4]) -> Result<Tally>;

    /// Multiply-adds of a pass over `[batch, channels, height, width]`, times two.
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        Ok(self.count(shape)?.flops)
    }

    /// How much each pixel of `x` looks like each class.
    ///
    /// # Shapes
    /// x `[batch, channels, height, width]`, as [`Segmenter::normalisation`] leaves it; the result logits
    /// `[batch, classes, height, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of channels or a picture smaller than [`Segmenter::smallest`];
    /// [`Error::Cancelled`].
    fn forward(&self, x: &Tensor, pool: &Pool, watch: &Watch<'_>) -> Result<Tensor> {
        let shape: [usize; 4] = x.dims4()?.into();
        let ([_, _, h, w], least) = (shape, self.smallest());
        if h.min(w) < least {
            return Err(Error::Shape(format!(
                "a {w} x {h} picture is too small: this network needs {least} pixels each way"
            )));
        }
        let mut pass = Pass::new(pool, watch, self.flops(shape)?);
        let x = pass.enter(x)?;
        let y = self.logits(x, &mut pass)?;
        if y.shape()[2..] == [h, w] {
            return y.into_tensor();
        }
        pass.bilinear(&y, [h, w], self.align_corners())?.into_tensor()
    }
}

/// The 1x1 convolution `weight`, `[classes, ins, 1, 1]`, and `bias` that the logits leave.
pub(super) fn classifier([classes, ins]: [usize; 2], vb: &VarBuilder<'_>) -> Result<Conv2d> {
    let (weight, bias) = (vb.get((classes, ins, 1, 1), "weight")?, vb.get(classes, "bias")?);
    Conv2d::new(&weight, Some(&bias), Options::default())
}
