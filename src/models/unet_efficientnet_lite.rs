//! U-Net (Ronneberger et al. 2015, arXiv 1505.04597) over EfficientNet-Lite0, its decoder as in the Python package
//! `segmentation_models_pytorch`: growing by the nearest neighbour, with padding and batch norms.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::batch_norm::conv_norm;
use super::build::built;
use super::efficientnet_lite::{self, EfficientNetLite, LEVELS};
use super::segmenter::{Normalisation, Segmenter};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The sizes that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The way down.
    pub encoder: efficientnet_lite::Config,
    /// On the way up, from the smallest size on, the channels that leave the first and the second of each pair of 3x3
    /// convolutions: 192, 96, 64, 32, 16.
    pub up: [[usize; 2]; LEVELS],
    /// Classes with the background: 11 for CamVid.
    pub classes: usize,
}

impl Config {
    /// The network over this encoder.
    pub fn new(encoder: efficientnet_lite::Config, classes: usize) -> Config {
        Config { encoder, up: [192, 96, 64, 32, 16].map(|n| [n; 2]), classes }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let out = |name: &str| match tensors.get(name).map(Tensor::dims) {
            Some([out, _, _, _]) => Ok(*out),
            _ => {
                Err(Error::Shape(format!("this is no U-Net checkpoint over an encoder, it has no convolution {name}")))
            }
        };
        let encoder = efficientnet_lite::Config::from_tensors(tensors, "encoder.")?;
        let mut config = Config::new(encoder, out("segmentation_head.0.weight")?);
        for (i, [first, second]) in config.up.iter_mut().enumerate() {
            *first = out(&format!("decoder.blocks.{i}.conv1.0.weight"))?;
            *second = out(&format!("decoder.blocks.{i}.conv2.0.weight"))?;
        }
        Ok(config)
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct UnetEfficientNetLite {
    encoder: EfficientNetLite,
    up: Vec<[Conv2d; 2]>,
    last: Conv2d,
    config: Config,
}

impl UnetEfficientNetLite {
    /// Builds the network from the tensors `encoder._conv_stem.weight`, ... (see [`EfficientNetLite::new`]),
    /// `decoder.blocks.0.conv1.0.weight`, `decoder.blocks.0.conv1.1.running_mean`, ... `segmentation_head.0.weight`.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<UnetEfficientNetLite> {
        let encoder = EfficientNetLite::new(cfg.encoder.clone(), vb.pp("encoder"))?;
        let [half, quarter, eighth, sixteenth, last] = cfg.encoder.channels()?;
        let same = Options { padding: 1, activation: Activation::Relu, ..Options::default() };
        let mut ins = last;
        let mut up = Vec::with_capacity(cfg.up.len());
        // At the picture's own size there is nothing to add.
        for (i, ([first, second], beside)) in cfg.up.iter().zip([sixteenth, eighth, quarter, half, 0]).enumerate() {
            let vb = vb.pp("decoder.blocks").pp(i);
            let conv = |name: &str, [out, ins]: [usize; 2]| {
                conv_norm([out, ins, 3, 3], &vb.pp(name).pp(0), &vb.pp(name).pp(1), same)
            };
            up.push([conv("conv1", [*first, ins.saturating_add(beside)])?, conv("conv2", [*second, *first])?]);
            ins = *second;
        }
        let vb = vb.pp("segmentation_head.0");
        let (weight, bias) = (vb.get((cfg.classes, ins, 3, 3), "weight")?, vb.get(cfg.classes, "bias")?);
        let last = Conv2d::new(&weight, Some(&bias), Options { padding: 1, ..Options::default() })?;
        Ok(UnetEfficientNetLite { encoder, up, last, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for UnetEfficientNetLite {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<UnetEfficientNetLite> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| UnetEfficientNetLite::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::EFFICIENTNET_LITE
    }

    fn suited(&self, side: usize) -> usize {
        self.encoder.suited(side)
    }

    /// At the picture's own size.
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [.., height, width] = x.shape();
        let [half, quarter, eighth, sixteenth, last] = self.encoder.levels(x, pass)?;
        let beside = [Some(sixteenth), Some(eighth), Some(quarter), Some(half), None];
        let x = self.up.iter().zip(beside).try_fold(last, |x, ([first, second], beside)| {
            let both = match beside {
                Some(beside) => {
                    let [.., height, width] = beside.shape();
                    let grown = pass.nearest(&x, [height, width])?;
                    drop(x);
                    pass.concat(&[&grown, &beside])?
                }
                None => pass.nearest(&x, [height, width])?,
            };
            let x = pass.conv(first, &both)?;
            drop(both);
            pass.conv(second, &x)
        })?;
        pass.conv(&self.last, &x)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let (mut tally, [half, quarter, eighth, sixteenth, _]) = self.encoder.count_levels(shape)?;
        let [batch, _, height, width] = shape;
        let beside = [sixteenth, eighth, quarter, half, [batch, 0, height, width]];
        for (convs, beside) in self.up.iter().zip(beside) {
            let [batch, channels, height, width] = beside;
            tally.release(beside);
            tally.join([batch, tally.shape[1] + channels, height, width]);
            convs.iter().try_for_each(|conv| tally.conv(conv))?;
        }
        tally.conv(&self.last)?;
        Ok(tally)
    }
}
