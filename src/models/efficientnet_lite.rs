//! EfficientNet-Lite0, the variant of EfficientNet (Tan and Le 2019, arXiv 1905.11946) for small devices: inverted
//! residuals with 3x3 and 5x5 kernels and ReLU6, without squeeze-and-excitation. It ends in features, not in a classifier;
//! also atrous, as DeepLab has its encoders.
//!
//! Strides are padded as TensorFlow's weights learnt it, or alike on both sides, for weights trained further so:
//! [`Config::padding`].

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::Backbone;
use super::batch_norm::conv_norm_with;
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Padding, Pass, Result};

/// The paper's table 1: kernel, stride of the first, expansion, channels, blocks.
const LITE0: [[usize; 5]; 7] = [
    [3, 1, 1, 16, 1],
    [3, 2, 6, 24, 2],
    [5, 2, 6, 40, 2],
    [3, 2, 6, 80, 3],
    [5, 1, 6, 112, 3],
    [5, 2, 6, 192, 4],
    [3, 1, 6, 320, 1],
];

/// Added to the variance in every batch norm, unlike PyTorch's usual 1e-5.
const EPS: f64 = 1e-3;

/// How many sizes its features come in: a half of the picture's, a quarter, ... a thirty-second.
pub const LEVELS: usize = 5;

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels of the first convolution: 32.
    pub first: usize,
    /// The inverted residuals in order. Four of them have a stride, of 2.
    pub blocks: Vec<Block>,
    /// Whether the last of the strides gives way to dilation in the blocks after it, so that the last features come at a
    /// sixteenth of the picture's size. No tensor tells: the weights are the same, and so is every second feature.
    pub atrous: bool,
    /// What stands around a map that a stride goes over: [`Padding::Same`], as TensorFlow's weights have learnt, or
    /// [`Padding::Zero`], half a kernel's on each side. The sizes are the same; a tensor `same_padding`, of any value, tells.
    pub padding: Padding,
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
    /// Of the depthwise convolution. No tensor tells.
    pub stride: usize,
}

impl Config {
    /// EfficientNet-Lite0.
    pub fn lite0() -> Config {
        let mut ins = 32;
        let mut blocks = Vec::new();
        for [kernel, stride, expansion, out, count] in LITE0 {
            for i in 0..count {
                blocks.push(Block { hidden: expansion * ins, out, kernel, stride: if i == 0 { stride } else { 1 } });
                ins = out;
            }
        }
        Config { first: 32, blocks, atrous: false, padding: Padding::Zero }
    }

    /// The same with the last features at a sixteenth of the picture's size.
    #[must_use]
    pub fn atrous(self) -> Config {
        Config { atrous: true, ..self }
    }

    /// Reads the sizes off a checkpoint's tensors whose names begin with `prefix` (empty, or ending in a dot): any width
    /// of EfficientNet-Lite0.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>, prefix: &str) -> Result<Config> {
        let out = |name: String| match tensors.get(&format!("{prefix}{name}")).map(Tensor::dims) {
            Some([out, _, _, _]) => Ok(*out),
            _ => Err(Error::Shape(format!(
                "this is no EfficientNet-Lite0 checkpoint, it has no convolution {prefix}{name}"
            ))),
        };
        let mut config = Config::lite0();
        config.first = out("_conv_stem.weight".into())?;
        if tensors.contains_key(&format!("{prefix}same_padding")) {
            config.padding = Padding::Same;
        }
        for (i, block) in config.blocks.iter_mut().enumerate() {
            block.hidden = out(format!("_blocks.{i}._depthwise_conv.weight"))?;
            block.out = out(format!("_blocks.{i}._project_conv.weight"))?;
        }
        Ok(config)
    }

    /// Channels of the features at each size, the finest first: 16, 24, 40, 112, 320.
    ///
    /// # Errors
    /// [`Error::Shape`] when the blocks come in another number of sizes.
    pub fn channels(&self) -> Result<[usize; LEVELS]> {
        Ok(self.taps()?.map(|i| self.blocks[i].out))
    }

    /// Which block each level's features leave: the last before a stride, and the very last.
    fn taps(&self) -> Result<[usize; LEVELS]> {
        let strided = self.blocks.iter().enumerate().filter(|(_, block)| block.stride > 1);
        let before: Option<Vec<usize>> = strided.map(|(i, _)| i.checked_sub(1)).collect();
        let all = before.into_iter().flatten().chain(self.blocks.len().checked_sub(1)).collect::<Vec<_>>();
        all.try_into().map_err(|all: Vec<usize>| {
            Error::Shape(format!("an EfficientNet-Lite has features of {LEVELS} sizes, this one of {}", all.len()))
        })
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct EfficientNetLite {
    /// `None` where the first block, which has nothing of its own to expand by, has it: one pass makes both.
    first: Option<Conv2d>,
    blocks: Vec<InvertedResidual>,
    taps: [usize; LEVELS],
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
    fn new(
        ins: usize,
        block: Block,
        [stride, dilation]: [usize; 2],
        mode: Padding,
        vb: &VarBuilder<'_>,
    ) -> Result<InvertedResidual> {
        let Block { hidden, out, kernel, .. } = block;
        let relu6 = Options { activation: Activation::Relu6, ..Options::default() };
        let layer =
            |shape, conv: &str, norm: &str, options| conv_norm_with(EPS, shape, &vb.pp(conv), &vb.pp(norm), options);
        let padding = kernel / 2 * dilation;
        let filter = Options { stride, dilation, groups: hidden, padding, mode, ..relu6 };
        let expand = (hidden != ins).then(|| layer([hidden, ins, 1, 1], "_expand_conv", "_bn0", relu6));
        Ok(InvertedResidual {
            expand: expand.transpose()?,
            depthwise: layer([hidden, 1, kernel, kernel], "_depthwise_conv", "_bn1", filter)?,
            project: layer([out, hidden, 1, 1], "_project_conv", "_bn2", Options::default())?,
            residual: block.stride == 1 && ins == out,
        })
    }

    fn run(&self, x: &Features, pass: &mut Pass<'_>) -> Result<Features> {
        pass.inverted_residual(self.expand.as_ref(), &self.depthwise, &self.project, x, self.residual)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        self.expand.iter().chain([&self.depthwise, &self.project]).try_for_each(|conv| tally.conv(conv))
    }
}

impl EfficientNetLite {
    /// Builds the network from tensors named as in the Python package `efficientnet-lite-pytorch` (`_conv_stem.weight`,
    /// `_bn0.running_mean`, `_blocks.0._depthwise_conv.weight`, `_blocks.0._bn1.weight`, `_blocks.0._project_conv.weight`,
    /// `_blocks.1._expand_conv.weight`, ...). Its last convolution and classifier (`_conv_head`, `_fc`) are not looked at.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a size or stride of 0, or
    /// features in another number of sizes than five.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<EfficientNetLite> {
        let taps = cfg.taps()?;
        let mode = cfg.padding;
        let halving = Options { stride: 2, padding: 1, mode, activation: Activation::Relu6, ..Options::default() };
        let first = conv_norm_with(EPS, [cfg.first, 3, 3, 3], &vb.pp("_conv_stem"), &vb.pp("_bn0"), halving)?;
        let mut first = Some(first);
        // The last stride's own kernel reads a finer map as it is; what comes after sees the holes.
        let unstrided = if cfg.atrous { cfg.blocks.iter().rposition(|block| block.stride > 1) } else { None };
        let mut ins = cfg.first;
        let mut blocks = Vec::with_capacity(cfg.blocks.len());
        for (i, block) in cfg.blocks.iter().enumerate() {
            let step = match unstrided {
                Some(at) if i == at => [1, 1],
                Some(at) if i > at => [block.stride, 2],
                _ => [block.stride, 1],
            };
            blocks.push(InvertedResidual::new(ins, *block, step, mode, &vb.pp("_blocks").pp(i))?);
            ins = block.out;
        }
        if let Some(block) = blocks.first_mut().filter(|block| block.expand.is_none() && !block.residual) {
            block.expand = first.take();
        }
        Ok(EfficientNetLite { first, blocks, taps, config: cfg })
    }

    /// As [`Segmenter::suited`](super::Segmenter::suited) has it: with [`Padding::Same`] the nearest multiple of the last features' distance.
    /// What is less than half of it has none.
    pub fn suited(&self, side: usize) -> usize {
        let apart = if self.config.atrous { 1 << (LEVELS - 1) } else { 1 << LEVELS };
        match self.config.padding {
            Padding::Same if side >= apart / 2 => (side + apart / 2) / apart * apart,
            _ => side,
        }
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The features at each size, the finest first: a half of the picture's height and width (rounded up), a quarter, an
    /// eighth, a sixteenth, and a thirty-second, or with an atrous configuration once more a sixteenth.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn levels(&self, x: Features, pass: &mut Pass<'_>) -> Result<[Features; LEVELS]> {
        let mut x = self.first.iter().try_fold(x, |x, conv| pass.conv(conv, &x))?;
        let mut levels = Vec::with_capacity(LEVELS);
        for (i, block) in self.blocks.iter().enumerate() {
            let y = block.run(&x, pass)?;
            let before = std::mem::replace(&mut x, y);
            if i.checked_sub(1).is_some_and(|i| self.taps.contains(&i)) {
                levels.push(before);
            }
        }
        levels.push(x);
        // As many as there are taps.
        levels.try_into().map_err(|_| Error::Shape("features of too few sizes".into()))
    }

    /// The work that leads to [`EfficientNetLite::levels`] over `[batch, 3, height, width]`, which wait, and their shapes.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn count_levels(&self, shape: [usize; 4]) -> Result<(Tally, [[usize; 4]; LEVELS])> {
        let mut tally = Tally::new(shape);
        self.first.iter().try_for_each(|conv| tally.conv(conv))?;
        let mut shapes = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            block.count(&mut tally)?;
            shapes.push(tally.shape);
            if self.taps.contains(&i) {
                tally.keep(tally.shape);
            }
        }
        Ok((tally, self.taps.map(|i| shapes[i])))
    }
}

impl Backbone for EfficientNetLite {
    fn features(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let x = self.first.iter().try_fold(x, |x, conv| pass.conv(conv, &x))?;
        self.blocks.iter().try_fold(x, |x, block| block.run(&x, pass))
    }

    fn logits(&self, _: &Features, _: &mut Pass<'_>) -> Result<Option<Features>> {
        Ok(None)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = Tally::new(shape);
        self.first.iter().try_for_each(|conv| tally.conv(conv))?;
        self.blocks.iter().try_for_each(|block| block.count(&mut tally))?;
        Ok(tally)
    }
}
