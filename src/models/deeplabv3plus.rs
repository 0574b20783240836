//! DeepLabV3+ (Chen et al. 2018, arXiv 1802.02611) over EfficientNet-Lite0, its decoder as in the Python package
//! `segmentation_models_pytorch`: an atrous encoder, atrous spatial pyramid pooling of separable convolutions, and a
//! decoder that sharpens what comes out by the features at a quarter of the picture's size.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::batch_norm::conv_norm;
use super::build::built;
use super::efficientnet_lite::{self, EfficientNetLite};
use super::segmenter::{Normalisation, Segmenter, classifier};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What comes before the pyramid, atrous.
    pub encoder: efficientnet_lite::Config,
    /// Channels of each branch of the pyramid and of what follows: 128 here, 256 in the paper.
    pub channels: usize,
    /// Channels that the features of a quarter of the picture's size are made narrower to: 48.
    pub low: usize,
    /// Classes with the background: 21 for Pascal VOC.
    pub classes: usize,
    /// Pixels between the taps of each atrous branch: 6, 12, 18 for an output stride of 16. No tensor tells.
    pub atrous_rates: [usize; 3],
}

impl Config {
    /// The network over this encoder, made atrous.
    pub fn new(encoder: efficientnet_lite::Config, classes: usize) -> Config {
        Config { encoder: encoder.atrous(), channels: 128, low: 48, classes, atrous_rates: [6, 12, 18] }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let encoder = efficientnet_lite::Config::from_tensors(tensors, "encoder.")?;
        let [channels, low, classes] =
            ["decoder.aspp.0.project.0.weight", "decoder.block1.0.weight", "segmentation_head.0.weight"].map(|name| {
                match tensors.get(name).map(Tensor::dims) {
                    Some([out, _, _, _]) => Ok(*out),
                    _ => Err(Error::Shape(format!("this is no DeepLabV3+ checkpoint, it has no convolution {name}"))),
                }
            });
        Ok(Config { channels: channels?, low: low?, ..Config::new(encoder, classes?) })
    }
}

/// A kernel for each channel and a 1x1 convolution, with nothing between them (Howard et al. 2017, arXiv 1704.04861).
#[derive(Debug)]
struct Separable {
    depthwise: Conv2d,
    pointwise: Conv2d,
}

impl Separable {
    /// From `ins` to `out` channels, with the batch norm `norm` and a ReLU behind.
    fn new([out, ins]: [usize; 2], rate: usize, vb: &VarBuilder<'_>, norm: &VarBuilder<'_>) -> Result<Separable> {
        let filter = Options { padding: rate, dilation: rate, groups: ins, ..Options::default() };
        let relu = Options { activation: Activation::Relu, ..Options::default() };
        Ok(Separable {
            depthwise: Conv2d::new(&vb.get((ins, 1, 3, 3), "0.weight")?, None, filter)?,
            pointwise: conv_norm([out, ins, 1, 1], &vb.pp(1), norm, relu)?,
        })
    }

    fn run(&self, x: &Features, pass: &mut Pass<'_>) -> Result<Features> {
        pass.inverted_residual(None, &self.depthwise, &self.pointwise, x, false)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        tally.conv(&self.depthwise)?;
        tally.conv(&self.pointwise)
    }
}

/// Atrous spatial pyramid pooling.
#[derive(Debug)]
struct Pyramid {
    one: Conv2d,
    branches: [Separable; 3],
    /// Over the mean of the whole picture.
    pooled: Conv2d,
    project: Conv2d,
}

impl Pyramid {
    fn new(cfg: &Config, ins: usize, vb: &VarBuilder<'_>) -> Result<Pyramid> {
        let out = cfg.channels;
        let relu = Options { activation: Activation::Relu, ..Options::default() };
        let one = |vb: VarBuilder<'_>, at: usize, ins| conv_norm([out, ins, 1, 1], &vb.pp(at), &vb.pp(at + 1), relu);
        let branch = |i: usize| {
            let vb = vb.pp("convs").pp(i + 1);
            Separable::new([out, ins], cfg.atrous_rates[i], &vb.pp(0), &vb.pp(1))
        };
        Ok(Pyramid {
            one: one(vb.pp("convs.0"), 0, ins)?,
            branches: [branch(0)?, branch(1)?, branch(2)?],
            pooled: one(vb.pp("convs.4"), 1, ins)?,
            project: one(vb.pp("project"), 0, out.saturating_mul(5))?,
        })
    }

    fn run(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [.., height, width] = x.shape();
        let mut maps = vec![pass.conv(&self.one, &x)?];
        for branch in &self.branches {
            maps.push(branch.run(&x, pass)?);
        }
        let mean = pass.mean(&x)?;
        drop(x);
        let mean = pass.conv(&self.pooled, &mean)?;
        maps.push(pass.nearest(&mean, [height, width])?);
        let all = pass.concat(&maps.iter().collect::<Vec<_>>())?;
        drop(maps);
        pass.conv(&self.project, &all)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        let [batch, channels, height, width] = tally.shape;
        tally.flops += self.one.flops(tally.shape) + self.pooled.flops([batch, channels, 1, 1]);
        for branch in &self.branches {
            let mut aside = *tally;
            branch.count(&mut aside)?;
            tally.flops = aside.flops;
        }
        tally.join([batch, 5 * self.project.out_channels(), height, width]);
        tally.conv(&self.project)
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct DeepLabV3Plus {
    encoder: EfficientNetLite,
    pyramid: Pyramid,
    /// Over the pyramid.
    high: Separable,
    /// Over the features of a quarter of the picture's size.
    low: Conv2d,
    /// Over both.
    both: Separable,
    last: Conv2d,
    config: Config,
}

impl DeepLabV3Plus {
    /// Builds the network from the tensors `encoder._conv_stem.weight`, ... (see [`EfficientNetLite::new`]),
    /// `decoder.aspp.0.convs.0.0.weight`, `decoder.aspp.0.convs.1.0.0.weight`, ... `decoder.aspp.0.project.0.weight`,
    /// `decoder.aspp.1.0.weight`, `decoder.block1.0.weight`, `decoder.block2.0.0.weight`, `segmentation_head.0.weight`.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a size of 0.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<DeepLabV3Plus> {
        let encoder = EfficientNetLite::new(cfg.encoder.clone(), vb.pp("encoder"))?;
        let [_, quarter, _, _, last] = cfg.encoder.channels()?;
        let (channels, decoder) = (cfg.channels, vb.pp("decoder"));
        let relu = Options { activation: Activation::Relu, ..Options::default() };
        let (aspp, block1, block2) = (decoder.pp("aspp"), decoder.pp("block1"), decoder.pp("block2"));
        Ok(DeepLabV3Plus {
            encoder,
            pyramid: Pyramid::new(&cfg, last, &aspp.pp(0))?,
            high: Separable::new([channels; 2], 1, &aspp.pp(1), &aspp.pp(2))?,
            low: conv_norm([cfg.low, quarter, 1, 1], &block1.pp(0), &block1.pp(1), relu)?,
            both: Separable::new([channels, channels.saturating_add(cfg.low)], 1, &block2.pp(0), &block2.pp(1))?,
            last: classifier([cfg.classes, channels], &vb.pp("segmentation_head.0"))?,
            config: cfg,
        })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for DeepLabV3Plus {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<DeepLabV3Plus> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| DeepLabV3Plus::new(config, vb))
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

    /// A quarter as high and wide (rounded up).
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [_, quarter, _, _, last] = self.encoder.levels(x, pass)?;
        let [.., height, width] = quarter.shape();
        let x = self.pyramid.run(last, pass)?;
        let x = self.high.run(&x, pass)?;
        let high = pass.bilinear(&x, [height, width], false)?;
        let low = pass.conv(&self.low, &quarter)?;
        drop((x, quarter));
        let both = pass.concat(&[&high, &low])?;
        drop((high, low));
        let x = self.both.run(&both, pass)?;
        pass.conv(&self.last, &x)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let (mut tally, [_, quarter, ..]) = self.encoder.count_levels(shape)?;
        self.pyramid.count(&mut tally)?;
        self.high.count(&mut tally)?;
        tally.flops += self.low.flops(quarter);
        let [batch, _, height, width] = quarter;
        tally.join([batch, self.config.channels + self.config.low, height, width]);
        self.both.count(&mut tally)?;
        tally.conv(&self.last)?;
        Ok(tally)
    }
}
