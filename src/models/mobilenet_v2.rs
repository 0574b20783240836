//! MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381): inverted residuals with linear bottlenecks, as in torchvision.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::{Backbone, classify};
use super::batch_norm::conv_norm;
use super::resnet::linear;
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The paper's table 2: expansion, channels, blocks, stride of the first.
const PAPER: [[usize; 4]; 7] =
    [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels of the first convolution: 32.
    pub first: usize,
    /// The inverted residuals in order.
    pub blocks: Vec<Block>,
    /// Channels of the last convolution: 1280.
    pub last: usize,
    /// Outputs of the classifier; `None` leaves it out.
    pub classes: Option<usize>,
}

/// One inverted residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Channels between; as many as come in leaves the expanding convolution out.
    pub hidden: usize,
    /// Channels that leave.
    pub out: usize,
    /// Of the depthwise convolution. No tensor tells.
    pub stride: usize,
}

impl Config {
    /// The paper's network at width 1, without its classifier.
    pub fn paper() -> Config {
        let mut ins = 32;
        let mut blocks = Vec::new();
        for [expansion, out, count, stride] in PAPER {
            for i in 0..count {
                blocks.push(Block { hidden: expansion * ins, out, stride: if i == 0 { stride } else { 1 } });
                ins = out;
            }
        }
        Config { first: 32, blocks, last: 1280, classes: None }
    }

    /// Reads the sizes off a checkpoint's tensors whose names begin with `prefix` (empty, or ending in a dot): any width
    /// of the paper's network.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>, prefix: &str) -> Result<Config> {
        let out = |name: String| match tensors.get(&format!("{prefix}{name}")).map(Tensor::dims) {
            Some([out, _, _, _]) => Ok(*out),
            _ => Err(Error::Shape(format!("this is no MobileNetV2 checkpoint, it has no convolution {prefix}{name}"))),
        };
        let mut config = Config::paper();
        config.first = out("features.0.0.weight".into())?;
        for (i, block) in config.blocks.iter_mut().enumerate() {
            block.hidden = out(format!("features.{}.conv.0.0.weight", i + 1))?;
            // Only the very first has nothing to expand.
            let project = if i == 0 { 1 } else { 2 };
            block.out = out(format!("features.{}.conv.{project}.weight", i + 1))?;
        }
        config.last = out(format!("features.{}.0.weight", config.blocks.len() + 1))?;
        config.classes = tensors.get(&format!("{prefix}classifier.1.weight")).and_then(|t| t.dims().first().copied());
        Ok(config)
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct MobileNetV2 {
    /// `None` where the first block, which has nothing of its own to expand by, has it: one pass makes both.
    first: Option<Conv2d>,
    blocks: Vec<InvertedResidual>,
    last: Conv2d,
    classifier: Option<Conv2d>,
    config: Config,
}

/// Expand, filter each channel by itself, project; and the input added where the shapes allow it.
#[derive(Debug)]
struct InvertedResidual {
    expand: Option<Conv2d>,
    depthwise: Conv2d,
    project: Conv2d,
    residual: bool,
}

impl InvertedResidual {
    fn new(ins: usize, block: Block, vb: &VarBuilder<'_>) -> Result<InvertedResidual> {
        let Block { hidden, out, stride } = block;
        let one = Options { activation: Activation::Relu6, ..Options::default() };
        let expand = (hidden != ins).then(|| conv_norm([hidden, ins, 1, 1], &vb.pp("0.0"), &vb.pp("0.1"), one));
        let at = usize::from(expand.is_some());
        let filter = Options { stride, padding: 1, groups: hidden, ..one };
        let depthwise = vb.pp(at);
        let linear = Options::default();
        Ok(InvertedResidual {
            expand: expand.transpose()?,
            depthwise: conv_norm([hidden, 1, 3, 3], &depthwise.pp(0), &depthwise.pp(1), filter)?,
            project: conv_norm([out, hidden, 1, 1], &vb.pp(at + 1), &vb.pp(at + 2), linear)?,
            residual: stride == 1 && ins == out,
        })
    }

    fn run(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        pass.inverted_residual(self.expand.as_ref(), &self.depthwise, &self.project, &x, self.residual)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        self.expand.iter().chain([&self.depthwise, &self.project]).try_for_each(|conv| tally.conv(conv))
    }
}

impl MobileNetV2 {
    /// Builds the network from tensors named as in torchvision (`features.0.0.weight`, `features.0.1.running_mean`,
    /// `features.1.conv.0.0.weight`, ... `features.18.0.weight`, `classifier.1.weight`).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a size or stride of 0.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<MobileNetV2> {
        let features = vb.pp("features");
        let one = Options { activation: Activation::Relu6, ..Options::default() };
        let ends = |i: usize, shape: [usize; 4], options| {
            let vb = features.pp(i);
            conv_norm(shape, &vb.pp(0), &vb.pp(1), options)
        };
        let mut first = Some(ends(0, [cfg.first, 3, 3, 3], Options { stride: 2, padding: 1, ..one })?);
        let mut ins = cfg.first;
        let mut blocks = Vec::with_capacity(cfg.blocks.len());
        for (i, block) in cfg.blocks.iter().enumerate() {
            blocks.push(InvertedResidual::new(ins, *block, &features.pp(i + 1).pp("conv"))?);
            ins = block.out;
        }
        if let Some(block) = blocks.first_mut().filter(|block| block.expand.is_none() && !block.residual) {
            block.expand = first.take();
        }
        let last = ends(cfg.blocks.len() + 1, [cfg.last, ins, 1, 1], one)?;
        let classifier = cfg.classes.map(|n| linear(n, cfg.last, &vb.pp("classifier").pp(1))).transpose()?;
        Ok(MobileNetV2 { first, blocks, last, classifier, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Backbone for MobileNetV2 {
    fn features(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let mut x = self.first.iter().try_fold(x, |x, conv| pass.conv(conv, &x))?;
        for block in &self.blocks {
            x = block.run(x, pass)?;
        }
        pass.conv(&self.last, &x)
    }

    fn logits(&self, features: &Features, pass: &mut Pass<'_>) -> Result<Option<Features>> {
        self.classifier.as_ref().map(|conv| classify(conv, features, pass)).transpose()
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = Tally::new(shape);
        self.first.iter().try_for_each(|conv| tally.conv(conv))?;
        self.blocks.iter().try_for_each(|block| block.count(&mut tally))?;
        tally.conv(&self.last)?;
        Ok(tally)
    }
}
