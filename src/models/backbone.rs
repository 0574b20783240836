//! What classification networks have in common, and what segmentation networks stand on.

use std::fmt::Debug;

use candle_core::Tensor;

use super::tally::Tally;
use crate::nn::{Conv2d, Features, Pass, Pool, Result, Watch};

/// A network that turns a picture into features, with or without a classifier over them.
pub trait Backbone: Debug + Send + Sync {
    /// The last features of `x`, `[batch, 3, height, width]`, on the way through a larger network.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn features(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features>;

    /// The classifier over [`Backbone::features`]: logits `[batch, classes, 1, 1]`, or `None` without a classifier.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn logits(&self, features: &Features, pass: &mut Pass<'_>) -> Result<Option<Features>>;

    /// The shape of [`Backbone::features`] over `[batch, 3, height, width]`, and the work that leads to them.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn count(&self, shape: [usize; 4]) -> Result<Tally>;

    /// Multiply-adds of [`Backbone::features`] over `[batch, 3, height, width]`, times two.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        Ok(self.count(shape)?.flops)
    }

    /// The last features of `x`.
    ///
    /// # Shapes
    /// x `[batch, 3, height, width]`, RGB normalised as the network was trained: by ImageNet's mean and standard deviation
    /// but for [`EfficientNetLite`](super::EfficientNetLite), which has
    /// [`Normalisation::EFFICIENTNET_LITE`](super::Normalisation::EFFICIENTNET_LITE); the result
    /// `[batch, channels, ceil(height / stride), ceil(width / stride)]` with the network's output stride, 32 unless some
    /// of its stages are dilated.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::nn::Error::Shape) for another number of channels or an empty picture;
    /// [`Error::Cancelled`](crate::nn::Error::Cancelled).
    fn forward(&self, x: &Tensor, pool: &Pool, watch: &Watch<'_>) -> Result<Tensor> {
        let mut pass = Pass::new(pool, watch, self.flops(x.dims4()?.into())?);
        let x = pass.enter(x)?;
        self.features(x, &mut pass)?.into_tensor()
    }
}

/// A linear classifier over the mean of the features.
pub(super) fn classify(classifier: &Conv2d, features: &Features, pass: &mut Pass<'_>) -> Result<Features> {
    let mean = pass.mean(features)?;
    pass.conv(classifier, &mean)
}
