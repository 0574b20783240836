//! EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946) as the eyes of a captioning network: features of stride 16, which
//! tell where, beside those of stride 32, which tell what. With [`Padding::Same`](crate::nn::Padding::Same) a feature lies
//! where its thing is; other padding moves the grid up to a cell away.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::Backbone;
use super::captioner::{Encoder, GRID};
use super::efficientnet_lite::{self, EfficientNetLite};
use super::segmenter::Normalisation;
use crate::nn::{Error, Features, Pass, Result};

/// How many standard deviations from its mean a feature may be; training cut it there too.
const FARTHEST: f32 = 12.0;

/// The network, ready to run.
#[derive(Debug)]
pub struct GridEfficientNetLite {
    network: EfficientNetLite,
    /// Of each feature over the training pictures, `[1, channels, 1, 1]`.
    mean: Tensor,
    std: Tensor,
}

impl GridEfficientNetLite {
    /// Builds the network from the tensors that [`EfficientNetLite::new`] names, `mean` and `std` `[channels]`.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for features in another number of
    /// sizes than five, or that do not vary.
    pub fn new(cfg: efficientnet_lite::Config, vb: VarBuilder<'_>) -> Result<GridEfficientNetLite> {
        let [.., fine, coarse] = cfg.channels()?;
        let of_channels = |name| vb.get(fine + coarse, name)?.reshape((1, (), 1, 1));
        let (mean, std) = (of_channels("mean")?, of_channels("std")?);
        if std.flatten_all()?.to_vec1::<f32>()?.iter().any(|std| std.is_nan() || *std <= 0.0) {
            return Err(Error::Shape("a feature with a standard deviation of 0 or less says nothing".into()));
        }
        Ok(GridEfficientNetLite { network: EfficientNetLite::new(cfg, vb)?, mean, std })
    }

    /// Whether a checkpoint is of such a network: one with its own statistics of features.
    pub fn is_of(tensors: &HashMap<String, Tensor>) -> bool {
        ["_conv_stem.weight", "mean", "std"].iter().all(|name| tensors.contains_key(*name))
    }
}

impl Encoder for GridEfficientNetLite {
    fn channels(&self) -> usize {
        self.mean.elem_count()
    }

    fn side(&self) -> usize {
        16 * GRID
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::EFFICIENTNET_LITE
    }

    fn grid(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        self.network.count(x.shape())?.check()?;
        let [.., fine, coarse] = self.network.levels(x, pass)?;
        let coarse = pass.bilinear(&coarse, [GRID, GRID], false)?;
        let fine = pass.bilinear(&fine, [GRID, GRID], false)?;
        let features = pass.concat(&[&fine, &coarse])?.into_tensor()?;
        let standard = features.broadcast_sub(&self.mean)?.broadcast_div(&self.std)?;
        pass.enter(&standard.clamp(-FARTHEST, FARTHEST)?)
    }

    fn work(&self, shape: [usize; 4]) -> Result<f64> {
        self.network.flops(shape)
    }
}
