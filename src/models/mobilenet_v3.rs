//! MobileNetV3-Large (Howard et al. 2019, arXiv 1905.02244): inverted residuals with squeeze-and-excitation (Hu et al.
//! 2018, arXiv 1709.01507) and the hard swish, as in torchvision; also dilated, as its segmentation networks have it.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::Backbone;
use super::batch_norm::conv_norm_with;
use super::resnet::linear;
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The paper's table 1: kernel, expanded channels, channels that leave, squeezed?, hard swish?, stride.
const LARGE: [(usize, usize, usize, bool, bool, usize); 15] = [
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2),
    (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2),
    (5, 120, 40, true, false, 1),
    (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2),
    (3, 200, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1),
    (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2),
    (5, 960, 160, true, true, 1),
    (5, 960, 160, true, true, 1),
];

/// Added to the variance in every batch norm, unlike PyTorch's usual 1e-5.
const EPS: f64 = 1e-3;

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels of the first convolution: 16.
    pub first: usize,
    /// The inverted residuals in order.
    pub blocks: Vec<Block>,
    /// Channels of the last convolution: 960.
    pub last: usize,
    /// Channels of the classifier's hidden layer, 1280, and its outputs; `None` leaves it out.
    pub classifier: Option<[usize; 2]>,
}

/// One inverted residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Channels between; as many as come in leaves the expanding convolution out.
    pub hidden: usize,
    /// Channels that leave.
    pub out: usize,
    /// Height and width of the depthwise convolution: 3 or 5.
    pub kernel: usize,
    /// Channels that squeeze-and-excitation squeezes to; `None` leaves it out.
    pub squeeze: Option<usize>,
    /// The hard swish instead of the ReLU. No tensor tells.
    pub hard_swish: bool,
    /// Of the depthwise convolution. No tensor tells.
    pub stride: usize,
    /// Above 1 it takes the stride's place. No tensor tells.
    pub dilation: usize,
}

impl Config {
    /// The paper's large network at width 1, without its classifier.
    pub fn large() -> Config {
        let block = |(kernel, hidden, out, squeezed, hard_swish, stride): (usize, usize, usize, bool, bool, usize)| {
            // A quarter, to the nearest multiple of 8, or the next one if that takes more than a tenth away.
            let nearest = (hidden / 4 + 4) / 8 * 8;
            let squeeze = squeezed.then_some(if 10 * nearest < 9 * (hidden / 4) { nearest + 8 } else { nearest });
            Block { hidden, out, kernel, squeeze, hard_swish, stride, dilation: 1 }
        };
        Config { first: 16, blocks: LARGE.map(block).to_vec(), last: 960, classifier: None }
    }

    /// An output stride of 16 instead of 32, as segmentation networks want it: from the last block with a stride on,
    /// blocks dilate. They end in features, not in a classifier.
    pub fn dilated(mut self) -> Config {
        let from = self.blocks.iter().rposition(|block| block.stride > 1).unwrap_or(0);
        self.blocks.iter_mut().skip(from).for_each(|block| block.dilation = 2);
        Config { classifier: None, ..self }
    }

    /// Reads the sizes off a checkpoint's tensors: any width of the large network. `prefix` (empty, or ending in a dot)
    /// is what stands before the numbers of the layers: `features.`, or `backbone.` in a segmentation network.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>, prefix: &str) -> Result<Config> {
        let dims = |name: String| match tensors.get(&format!("{prefix}{name}")).map(Tensor::dims) {
            Some([out, _, kernel, _]) => Ok([*out, *kernel]),
            _ => Err(Error::Shape(format!(
                "this is no MobileNetV3-Large checkpoint, it has no convolution {prefix}{name}"
            ))),
        };
        let mut config = Config::large();
        config.first = dims("0.0.weight".into())?[0];
        for (i, block) in config.blocks.iter_mut().enumerate() {
            // Only the very first has nothing to expand.
            let depthwise = usize::from(i > 0);
            [block.hidden, block.kernel] = dims(format!("{}.block.{depthwise}.0.weight", i + 1))?;
            let mut project = depthwise + 1;
            if block.squeeze.is_some() {
                block.squeeze = Some(dims(format!("{}.block.{project}.fc1.weight", i + 1))?[0]);
                project += 1;
            }
            block.out = dims(format!("{}.block.{project}.0.weight", i + 1))?[0];
        }
        config.last = dims(format!("{}.0.weight", config.blocks.len() + 1))?[0];
        let row = |name: &str| tensors.get(name).and_then(|t| t.dims().first().copied());
        config.classifier = match (prefix, row("classifier.0.weight"), row("classifier.3.weight")) {
            ("features.", Some(hidden), Some(classes)) => Some([hidden, classes]),
            _ => None,
        };
        Ok(config)
    }

    /// Which layer's features segmentation networks take beside the last: those of an output stride of 8.
    pub(super) fn low(&self) -> usize {
        let mut strided = self.blocks.iter().enumerate().rev().filter(|(_, block)| block.stride > 1);
        strided.nth(2).map_or(0, |(i, _)| i + 1)
    }

    /// Channels that leave the first convolution (0) or an inverted residual (from 1 on).
    pub(super) fn channels(&self, layer: usize) -> usize {
        layer.checked_sub(1).and_then(|i| self.blocks.get(i)).map_or(self.first, |block| block.out)
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct MobileNetV3 {
    first: Conv2d,
    blocks: Vec<InvertedResidual>,
    last: Conv2d,
    classifier: Option<[Conv2d; 2]>,
    config: Config,
}

/// Expand, filter each channel by itself, weigh the channels, project; and the input added where the shapes allow it.
#[derive(Debug)]
struct InvertedResidual {
    expand: Option<Conv2d>,
    depthwise: Conv2d,
    squeeze: Option<SqueezeExcitation>,
    project: Conv2d,
    residual: bool,
    hard_swish: bool,
}

/// Weighs each channel by what all of them are on average.
#[derive(Debug)]
struct SqueezeExcitation {
    squeeze: Conv2d,
    excite: Conv2d,
}

impl SqueezeExcitation {
    fn new(channels: usize, squeezed: usize, vb: &VarBuilder<'_>) -> Result<SqueezeExcitation> {
        let layer = |name: &str, [out, ins]: [usize; 2], activation| {
            let vb = vb.pp(name);
            let (weight, bias) = (vb.get((out, ins, 1, 1), "weight")?, vb.get(out, "bias")?);
            Conv2d::new(&weight, Some(&bias), Options { activation, ..Options::default() })
        };
        Ok(SqueezeExcitation {
            squeeze: layer("fc1", [squeezed, channels], Activation::Relu)?,
            excite: layer("fc2", [channels, squeezed], Activation::None)?,
        })
    }

    fn run(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let mean = pass.mean(&x)?;
        let squeezed = pass.conv(&self.squeeze, &mean)?;
        let excited = pass.conv(&self.excite, &squeezed)?;
        let gate = pass.hard_sigmoid(excited)?;
        pass.gate(x, &gate)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        let [batch, channels, ..] = tally.shape;
        let mut aside = Tally { shape: [batch, channels, 1, 1], ..*tally };
        aside.conv(&self.squeeze)?;
        aside.conv(&self.excite)?;
        tally.flops = aside.flops;
        Ok(())
    }
}

impl InvertedResidual {
    fn new(ins: usize, block: Block, vb: &VarBuilder<'_>) -> Result<InvertedResidual> {
        let Block { hidden, out, kernel, squeeze, hard_swish, stride, dilation } = block;
        let activation = if hard_swish { Activation::None } else { Activation::Relu };
        let one = Options { activation, ..Options::default() };
        let mut at = 0;
        let mut layer = |shape: [usize; 4], options: Options| {
            let vb = vb.pp(at);
            at += 1;
            conv_norm_with(EPS, shape, &vb.pp(0), &vb.pp(1), options)
        };
        let expand = (hidden != ins).then(|| layer([hidden, ins, 1, 1], one)).transpose()?;
        let filter = Options {
            stride: if dilation > 1 { 1 } else { stride },
            dilation,
            groups: hidden,
            padding: kernel.saturating_sub(1) / 2 * dilation,
            ..one
        };
        let depthwise = layer([hidden, 1, kernel, kernel], filter)?;
        let squeeze = squeeze.map(|squeezed| SqueezeExcitation::new(hidden, squeezed, &vb.pp(at))).transpose()?;
        let project = vb.pp(at + usize::from(squeeze.is_some()));
        Ok(InvertedResidual {
            expand,
            depthwise,
            squeeze,
            project: conv_norm_with(EPS, [out, hidden, 1, 1], &project.pp(0), &project.pp(1), Options::default())?,
            residual: stride == 1 && ins == out,
            hard_swish,
        })
    }

    fn run(&self, x: &Features, pass: &mut Pass<'_>) -> Result<Features> {
        let mut hidden = match &self.expand {
            Some(conv) => {
                let wide = self.filtered(conv, x, pass)?;
                self.filtered(&self.depthwise, &wide, pass)?
            }
            None => self.filtered(&self.depthwise, x, pass)?,
        };
        if let Some(squeeze) = &self.squeeze {
            hidden = squeeze.run(hidden, pass)?;
        }
        pass.conv_add(&self.project, &hidden, self.residual.then_some(x))
    }

    /// `conv` and the activation.
    fn filtered(&self, conv: &Conv2d, x: &Features, pass: &mut Pass<'_>) -> Result<Features> {
        let y = pass.conv(conv, x)?;
        if self.hard_swish { pass.hard_swish(y) } else { Ok(y) }
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        self.expand.iter().chain([&self.depthwise]).try_for_each(|conv| tally.conv(conv))?;
        if let Some(squeeze) = &self.squeeze {
            squeeze.count(tally)?;
        }
        tally.conv(&self.project)
    }
}

impl MobileNetV3 {
    /// Builds the network from tensors named as in torchvision (`features.0.0.weight`, `features.0.1.running_mean`,
    /// `features.1.block.0.0.weight`, ... `features.16.0.weight`, `classifier.0.weight`, `classifier.3.weight`).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a size or stride of 0.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<MobileNetV3> {
        let hidden = |[hidden, classes]: [usize; 2]| {
            let vb = vb.pp("classifier");
            Ok::<_, Error>([linear(hidden, cfg.last, &vb.pp(0))?, linear(classes, hidden, &vb.pp(3))?])
        };
        let classifier = cfg.classifier.map(hidden).transpose()?;
        Ok(MobileNetV3 { classifier, ..MobileNetV3::of_features(cfg, vb.pp("features"))? })
    }

    /// The same without a classifier and without `features.` before the layers' numbers, as in torchvision's segmentation
    /// networks (`backbone.0.0.weight`, ...).
    ///
    /// # Errors
    /// As [`MobileNetV3::new`].
    pub fn of_features(cfg: Config, vb: VarBuilder<'_>) -> Result<MobileNetV3> {
        let ends = |i: usize, shape: [usize; 4], options| {
            let vb = vb.pp(i);
            conv_norm_with(EPS, shape, &vb.pp(0), &vb.pp(1), options)
        };
        let first = ends(0, [cfg.first, 3, 3, 3], Options { stride: 2, padding: 1, ..Options::default() })?;
        let mut blocks = Vec::with_capacity(cfg.blocks.len());
        for (i, block) in cfg.blocks.iter().enumerate() {
            blocks.push(InvertedResidual::new(cfg.channels(i), *block, &vb.pp(i + 1).pp("block"))?);
        }
        let ins = cfg.channels(cfg.blocks.len());
        let last = ends(cfg.blocks.len() + 1, [cfg.last, ins, 1, 1], Options::default())?;
        Ok(MobileNetV3 { first, blocks, last, classifier: None, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The features of an output stride of 8 before those of [`Backbone::features`].
    pub(super) fn low_and_high(&self, x: Features, pass: &mut Pass<'_>) -> Result<[Features; 2]> {
        let (mut x, low) = (self.run(0, x, pass)?, self.config.low());
        for i in 1..=low {
            x = self.run(i, x, pass)?;
        }
        let Some(after) = self.blocks.get(low) else {
            return Err(Error::Shape("a network without blocks after its low features".into()));
        };
        let mut high = after.run(&x, pass)?;
        for i in low + 2..=self.blocks.len() + 1 {
            high = self.run(i, high, pass)?;
        }
        Ok([x, high])
    }

    /// Layer `i` of `features`.
    fn run(&self, i: usize, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let conv = match i.checked_sub(1) {
            None => &self.first,
            Some(i) => match self.blocks.get(i) {
                Some(block) => return block.run(&x, pass),
                None => &self.last,
            },
        };
        let y = pass.conv(conv, &x)?;
        drop(x);
        pass.hard_swish(y)
    }

    /// The shape of the low features over `[batch, 3, height, width]`.
    pub(super) fn low_shape(&self, shape: [usize; 4]) -> Result<[usize; 4]> {
        let mut tally = Tally::new(shape);
        tally.conv(&self.first)?;
        self.blocks.iter().take(self.config.low()).try_for_each(|block| block.count(&mut tally))?;
        Ok(tally.shape)
    }
}

impl Backbone for MobileNetV3 {
    fn features(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        (0..self.blocks.len() + 2).try_fold(x, |x, i| self.run(i, x, pass))
    }

    fn logits(&self, features: &Features, pass: &mut Pass<'_>) -> Result<Option<Features>> {
        let Some([hidden, last]) = &self.classifier else {
            return Ok(None);
        };
        let mean = pass.mean(features)?;
        let hidden = pass.conv(hidden, &mean)?;
        let hidden = pass.hard_swish(hidden)?;
        pass.conv(last, &hidden).map(Some)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = Tally::new(shape);
        tally.conv(&self.first)?;
        self.blocks.iter().try_for_each(|block| block.count(&mut tally))?;
        tally.conv(&self.last)?;
        Ok(tally)
    }
}
