//! ResNet with bottleneck blocks (He et al. 2016, arXiv 1512.03385) in the layout of torchvision's `resnet50` and
//! `resnet101`: the stride sits on the 3x3 convolution ("v1.5"), and a stage's stride can give way to dilation (Chen et
//! al. 2017, arXiv 1706.05587), as in torchvision's segmentation networks.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::{Backbone, classify};
use super::batch_norm::conv_norm;
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result, Trunk};

/// Channels that leave a block, for each that its 3x3 convolution has.
const EXPANSION: usize = 4;
/// More blocks of a stage than any published one has.
const MOST_BLOCKS: usize = 1000;
/// Wider than any published one; far from what could overflow.
const WIDEST: usize = 1 << 17;

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Blocks of each stage: 3, 4, 6, 3 or 3, 4, 23, 3.
    pub blocks: [usize; 4],
    /// Channels of the first convolution: 64.
    pub stem: usize,
    /// Channels of each stage's 3x3 convolutions: 64, 128, 256, 512.
    pub planes: [usize; 4],
    /// For the second, third and fourth stage: whether its stride gives way to dilation. No tensor tells.
    pub replace_stride_with_dilation: [bool; 3],
    /// Outputs of the classifier `fc`; `None` leaves it out.
    pub classes: Option<usize>,
}

impl Config {
    /// The paper's network of 50 layers, without its classifier.
    pub fn resnet50() -> Config {
        let paper = Config {
            blocks: [3, 4, 6, 3],
            stem: 0,
            planes: [0; 4],
            replace_stride_with_dilation: [false; 3],
            classes: None,
        };
        paper.of_width(64)
    }

    /// The paper's network of 101 layers, without its classifier.
    pub fn resnet101() -> Config {
        Config { blocks: [3, 4, 23, 3], ..Config::resnet50() }
    }

    /// The same `width` channels wide at first, doubled with each stage after the first; the paper's are 64 wide.
    pub fn of_width(self, width: usize) -> Config {
        Config { stem: width, planes: [1, 2, 4, 8].map(|n| width.saturating_mul(n)), ..self }
    }

    /// An output stride of 8 instead of 32, as segmentation networks want it: the last two stages dilate. They end in
    /// features, not in a classifier.
    pub fn dilated(self) -> Config {
        Config { replace_stride_with_dilation: [false, true, true], classes: None, ..self }
    }

    /// Reads the sizes off a checkpoint's tensors whose names begin with `prefix` (empty, or ending in a dot).
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>, prefix: &str) -> Result<Config> {
        let dims = |name: &str| tensors.get(&format!("{prefix}{name}")).map(Tensor::dims);
        let Some(&[stem, _, _, _]) = dims("conv1.weight") else {
            return Err(Error::Shape(format!("this is no ResNet checkpoint, it has no {prefix}conv1.weight")));
        };
        // As many as anything is there of, so that what is missing of one is missed later.
        let blocks = [1, 2, 3, 4].map(|stage| {
            let stage = format!("{prefix}layer{stage}.");
            let number = |name: &String| name.strip_prefix(&stage)?.split_once('.')?.0.parse::<usize>().ok();
            tensors.keys().filter_map(number).filter(|i| *i < MOST_BLOCKS).max().map_or(0, |last| last + 1)
        });
        let bottlenecks = (1..5).any(|stage| dims(&format!("layer{stage}.0.conv3.weight")).is_some());
        if blocks.contains(&0) || !bottlenecks {
            return Err(Error::Shape("this is no ResNet of four stages of bottleneck blocks (50, 101, 152)".into()));
        }
        let first = |stage: usize| dims(&format!("layer{stage}.0.conv1.weight")).and_then(|d| d.first().copied());
        // A stage whose first tensor is missing is as wide as its like, so that it is this tensor that is missed later.
        let planes = [1, 2, 3, 4].map(|i| first(i).unwrap_or(stem.saturating_mul(1 << (i - 1))));
        check_widths(stem, planes)?;
        let classes = dims("fc.weight").and_then(|d| d.first().copied());
        Ok(Config { blocks, stem, planes, replace_stride_with_dilation: [false; 3], classes })
    }

    /// Channels of the features that leave the last stage: 2048.
    pub fn out_channels(&self) -> usize {
        self.planes[3].saturating_mul(EXPANSION)
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct ResNet {
    stem: Conv2d,
    stages: [Vec<Bottleneck>; 4],
    classifier: Option<Conv2d>,
    config: Config,
}

/// 1x1, 3x3, 1x1, and the input added before the last ReLU.
#[derive(Debug)]
struct Bottleneck {
    reduce: Conv2d,
    middle: Conv2d,
    expand: Conv2d,
    /// Where the input has another shape than the output.
    downsample: Option<Conv2d>,
}

impl Bottleneck {
    /// `ins` channels in, `4 width` out; [`Options`] are those of the 3x3 convolution but for its padding.
    fn new(ins: usize, width: usize, downsample: bool, middle: Options, vb: &VarBuilder<'_>) -> Result<Bottleneck> {
        let out = EXPANSION * width;
        let one = Options { activation: Activation::Relu, ..Options::default() };
        let strided = Options { stride: middle.stride, ..Options::default() };
        let middle = Options { padding: middle.dilation, activation: Activation::Relu, ..middle };
        let layer = |i: usize, shape: [usize; 4], options| {
            conv_norm(shape, &vb.pp(format!("conv{i}")), &vb.pp(format!("bn{i}")), options)
        };
        let project = |vb: VarBuilder<'_>| conv_norm([out, ins, 1, 1], &vb.pp(0), &vb.pp(1), strided);
        Ok(Bottleneck {
            reduce: layer(1, [width, ins, 1, 1], one)?,
            middle: layer(2, [width, width, 3, 3], middle)?,
            expand: layer(3, [out, width, 1, 1], one)?,
            downsample: downsample.then(|| project(vb.pp("downsample"))).transpose()?,
        })
    }

    fn run(&self, mut x: Trunk, pass: &mut Pass<'_>) -> Result<Trunk> {
        // Assigned anew, not shadowed, so that each map's memory is free for the next.
        let mut y = pass.conv_from_trunk(&self.reduce, &x)?;
        y = pass.conv(&self.middle, &y)?;
        if let Some(conv) = &self.downsample {
            let planes = pass.planes(x)?;
            x = pass.conv_to_trunk(conv, &planes)?;
        }
        pass.conv_onto_trunk(&self.expand, &y, x)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        let mut added = *tally;
        if let Some(conv) = &self.downsample {
            added.conv(conv)?;
            (tally.flops, tally.most) = (added.flops, added.most);
        }
        tally.conv(&self.reduce)?;
        tally.keep(added.shape);
        tally.conv(&self.middle)?;
        tally.release(added.shape); // the result takes its place
        tally.conv(&self.expand)?;
        Ok(())
    }
}

impl ResNet {
    /// Builds the network from tensors named as in torchvision (`conv1.weight`, `bn1.running_mean`,
    /// `layer1.0.conv1.weight`, `layer1.0.downsample.0.weight`, ... `fc.bias`).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a width of 0 or too many.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<ResNet> {
        check_widths(cfg.stem, cfg.planes)?;
        let first = Options { stride: 2, padding: 3, activation: Activation::Relu, ..Options::default() };
        let stem = conv_norm([cfg.stem, 3, 7, 7], &vb.pp("conv1"), &vb.pp("bn1"), first)?;
        let (mut ins, mut dilation) = (cfg.stem, 1);
        let mut stage = |i: usize| -> Result<Vec<Bottleneck>> {
            let (vb, width) = (vb.pp(format!("layer{}", i + 1)), cfg.planes[i]);
            let replace = i > 0 && cfg.replace_stride_with_dilation[i - 1];
            let stride = if i == 0 || replace { 1 } else { 2 };
            let mut blocks = Vec::with_capacity(cfg.blocks[i]);
            for block in 0..cfg.blocks[i] {
                // A stage's first block still looks with the rate of the stage before.
                let options = match block {
                    0 => Options { stride, dilation, ..Options::default() },
                    _ => Options { dilation, ..Options::default() },
                };
                let downsample = block == 0 && (stride != 1 || ins != EXPANSION * width);
                blocks.push(Bottleneck::new(ins, width, downsample, options, &vb.pp(block))?);
                ins = EXPANSION * width;
                if block == 0 && replace {
                    dilation *= 2;
                }
            }
            Ok(blocks)
        };
        let stages = [stage(0)?, stage(1)?, stage(2)?, stage(3)?];
        let classifier = cfg.classes.map(|n| linear(n, cfg.out_channels(), &vb.pp("fc"))).transpose()?;
        Ok(ResNet { stem, stages, classifier, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The first convolution and the pooling: `[batch, 64, ceil(height / 4), ceil(width / 4)]`.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn stem(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let y = pass.conv(&self.stem, &x)?;
        pass.max_pool(&y, 3, 2, 1)
    }

    /// `layer{i + 1}` over what came before it; no stage beyond the fourth does anything.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn stage(&self, i: usize, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let mut blocks = self.stages.get(i).into_iter().flatten();
        let trunk = blocks.try_fold(Trunk::from(x), |x, block| block.run(x, pass))?;
        pass.planes(trunk)
    }
}

impl Backbone for ResNet {
    fn features(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let mut x = self.stem(x, pass)?;
        for i in 0..self.stages.len() {
            x = self.stage(i, x, pass)?;
        }
        Ok(x)
    }

    fn logits(&self, features: &Features, pass: &mut Pass<'_>) -> Result<Option<Features>> {
        self.classifier.as_ref().map(|conv| classify(conv, features, pass)).transpose()
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = Tally::new(shape);
        tally.conv(&self.stem)?;
        let [.., height, width] = &mut tally.shape;
        (*height, *width) = (height.div_ceil(2), width.div_ceil(2)); // the pooling
        self.stages.iter().flatten().try_for_each(|block| block.count(&mut tally))?;
        Ok(tally)
    }
}

fn check_widths(stem: usize, planes: [usize; 4]) -> Result<()> {
    match planes.into_iter().chain([stem]).find(|width| !(1..=WIDEST).contains(width)) {
        Some(width) => Err(Error::Shape(format!("a ResNet cannot be {width} channels wide"))),
        None => Ok(()),
    }
}

/// A fully connected layer over `[batch, ins, 1, 1]`.
pub(super) fn linear(out: usize, ins: usize, vb: &VarBuilder<'_>) -> Result<Conv2d> {
    let (weight, bias) = (vb.get((out, ins), "weight")?, vb.get(out, "bias")?);
    Conv2d::new(&weight.reshape((out, ins, 1, 1))?, Some(&bias), Options::default())
}
