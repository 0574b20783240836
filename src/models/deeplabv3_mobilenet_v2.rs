//! DeepLabV3 over MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, section 6.3) as TensorFlow DeepLab's
//! `mobilenetv2_coco_voc_trainaug` has it: an output stride of 16, and of the pyramid only the 1x1 convolution and the
//! whole picture's mean. Batch norms are folded into the convolutions already.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::build::built;
use super::mobilenet_v2::{self, Block};
use super::segmenter::{Normalisation, Segmenter};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The inverted residual whose stride gives way to dilation in all that come after it.
const UNSTRIDED: usize = 13;

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels of the first convolution: 32.
    pub first: usize,
    /// The inverted residuals in order.
    pub blocks: Vec<Block>,
    /// Channels of each branch of the pyramid and of what follows: 256.
    pub channels: usize,
    /// Classes with the background: 21 for Pascal VOC.
    pub classes: usize,
}

impl Config {
    /// The original's network.
    pub fn new(classes: usize) -> Config {
        let mobilenet_v2::Config { first, mut blocks, .. } = mobilenet_v2::Config::paper();
        blocks.iter_mut().skip(UNSTRIDED).for_each(|block| block.stride = 1);
        Config { first, blocks, channels: 256, classes }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let out = |name: String| match tensors.get(&name).map(Tensor::dims) {
            Some([out, _, _, _]) => Ok(*out),
            _ => Err(Error::Shape(format!(
                "this is no DeepLabV3 checkpoint over a folded MobileNetV2, it has no convolution {name}"
            ))),
        };
        let mut config = Config::new(out("logits.weight".into())?);
        config.first = out("stem.weight".into())?;
        for (i, block) in config.blocks.iter_mut().enumerate() {
            block.hidden = out(format!("block{i}.depthwise.weight"))?;
            block.out = out(format!("block{i}.project.weight"))?;
        }
        config.channels = out("concat_projection.weight".into())?;
        Ok(config)
    }
}

/// A convolution with TensorFlow's padding `SAME`: as many windows as strides fit, the odd pixel of padding last.
#[derive(Debug)]
struct Same {
    conv: Conv2d,
    /// From the first to the last pixel that a window sees.
    reach: usize,
    stride: usize,
}

impl Same {
    fn new(shape: [usize; 4], options: Options, vb: &VarBuilder<'_>) -> Result<Same> {
        let (weight, bias) = (vb.get(&shape[..], "weight")?, vb.get(shape[0], "bias")?);
        let reach = shape[2].saturating_sub(1) * options.dilation;
        // Stride 1 asks for the same on both sides, which the convolution does by itself.
        let padding = if options.stride == 1 { reach / 2 } else { 0 };
        let conv = Conv2d::new(&weight, Some(&bias), Options { padding, ..options })?;
        Ok(Same { conv, reach, stride: options.stride })
    }

    /// Rows and columns to add.
    fn around(&self, [_, _, height, width]: [usize; 4]) -> [usize; 4] {
        let side = |n: usize| match (self.stride, n) {
            (1, _) | (_, 0) => [0; 2],
            _ => {
                let total = ((n.div_ceil(self.stride) - 1) * self.stride + self.reach + 1).saturating_sub(n);
                [total / 2, total - total / 2]
            }
        };
        let ([above, below], [left, right]) = (side(height), side(width));
        [above, below, left, right]
    }

    fn run(&self, x: &Features, pass: &mut Pass<'_>) -> Result<Features> {
        match self.around(x.shape()) {
            [0, 0, 0, 0] => pass.conv(&self.conv, x),
            around => {
                let padded = pass.pad(x, around)?;
                pass.conv(&self.conv, &padded)
            }
        }
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        let [above, below, left, right] = self.around(tally.shape);
        tally.shape[2] += above + below;
        tally.shape[3] += left + right;
        tally.conv(&self.conv)
    }
}

/// Expand, filter each channel by itself, project; and the input added where the shapes allow it.
#[derive(Debug)]
struct InvertedResidual {
    expand: Option<Conv2d>,
    depthwise: Same,
    project: Conv2d,
    residual: bool,
}

impl InvertedResidual {
    fn new(ins: usize, block: Block, dilation: usize, vb: &VarBuilder<'_>) -> Result<InvertedResidual> {
        let Block { hidden, out, stride } = block;
        let relu6 = Options { activation: Activation::Relu6, ..Options::default() };
        let expand = (hidden != ins).then(|| one([hidden, ins], Activation::Relu6, &vb.pp("expand")));
        let filter = Options { stride, dilation, groups: hidden, ..relu6 };
        Ok(InvertedResidual {
            expand: expand.transpose()?,
            depthwise: Same::new([hidden, 1, 3, 3], filter, &vb.pp("depthwise"))?,
            project: one([out, hidden], Activation::None, &vb.pp("project"))?,
            residual: stride == 1 && ins == out,
        })
    }

    fn run(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let expand = self.expand.as_ref();
        if self.depthwise.around(x.shape()) == [0; 4] {
            return pass.inverted_residual(expand, &self.depthwise.conv, &self.project, &x, self.residual);
        }
        let hidden = match expand {
            Some(conv) => {
                let wide = pass.conv(conv, &x)?;
                self.depthwise.run(&wide, pass)?
            }
            None => self.depthwise.run(&x, pass)?,
        };
        pass.conv_add(&self.project, &hidden, self.residual.then_some(&x))
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        self.expand.iter().try_for_each(|conv| tally.conv(conv))?;
        self.depthwise.count(tally)?;
        tally.conv(&self.project)
    }
}

/// A 1x1 convolution with a bias.
fn one([out, ins]: [usize; 2], activation: Activation, vb: &VarBuilder<'_>) -> Result<Conv2d> {
    let (weight, bias) = (vb.get((out, ins, 1, 1), "weight")?, vb.get(out, "bias")?);
    Conv2d::new(&weight, Some(&bias), Options { activation, ..Options::default() })
}

/// The network, ready to run.
#[derive(Debug)]
pub struct DeepLabV3MobileNetV2 {
    first: Same,
    blocks: Vec<InvertedResidual>,
    pooled: Conv2d,
    branch: Conv2d,
    project: Conv2d,
    last: Conv2d,
    config: Config,
}

impl DeepLabV3MobileNetV2 {
    /// Builds the network from tensors named `stem.weight`, `block0.depthwise.weight`, `block0.project.weight`,
    /// `block1.expand.weight`, ... `image_pooling.weight`, `aspp0.weight`, `concat_projection.weight`, `logits.weight`,
    /// each with its `bias`.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a size or stride of 0.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<DeepLabV3MobileNetV2> {
        let relu6 = Options { activation: Activation::Relu6, ..Options::default() };
        let first = Same::new([cfg.first, 3, 3, 3], Options { stride: 2, ..relu6 }, &vb.pp("stem"))?;
        let mut ins = cfg.first;
        let mut blocks = Vec::with_capacity(cfg.blocks.len());
        for (i, block) in cfg.blocks.iter().enumerate() {
            let dilation = if i > UNSTRIDED { 2 } else { 1 };
            blocks.push(InvertedResidual::new(ins, *block, dilation, &vb.pp(format!("block{i}")))?);
            ins = block.out;
        }
        let layer = |name: &str, shape, activation| one(shape, activation, &vb.pp(name));
        Ok(DeepLabV3MobileNetV2 {
            first,
            blocks,
            pooled: layer("image_pooling", [cfg.channels, ins], Activation::Relu)?,
            branch: layer("aspp0", [cfg.channels, ins], Activation::Relu)?,
            project: layer("concat_projection", [cfg.channels, cfg.channels.saturating_mul(2)], Activation::Relu)?,
            last: layer("logits", [cfg.classes, cfg.channels], Activation::None)?,
            config: cfg,
        })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for DeepLabV3MobileNetV2 {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<DeepLabV3MobileNetV2> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| DeepLabV3MobileNetV2::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::SIGNED
    }

    fn align_corners(&self) -> bool {
        true
    }

    /// A sixteenth as high and wide (rounded up). It was trained at 513 x 513 pixels.
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let x = self.first.run(&x, pass)?;
        let x = self.blocks.iter().try_fold(x, |x, block| block.run(x, pass))?;
        let [.., height, width] = x.shape();
        let mean = pass.mean(&x)?;
        let mean = pass.conv(&self.pooled, &mean)?;
        let mean = pass.bilinear(&mean, [height, width], true)?;
        let branch = pass.conv(&self.branch, &x)?;
        drop(x);
        let both = pass.concat(&[&mean, &branch])?;
        drop((mean, branch));
        let x = pass.conv(&self.project, &both)?;
        pass.conv(&self.last, &x)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = Tally::new(shape);
        self.first.count(&mut tally)?;
        self.blocks.iter().try_for_each(|block| block.count(&mut tally))?;
        let [batch, channels, height, width] = tally.shape;
        tally.flops += self.pooled.flops([batch, channels, 1, 1]);
        tally.conv(&self.branch)?;
        tally.join([batch, 2 * self.config.channels, height, width]);
        tally.conv(&self.project)?;
        tally.conv(&self.last)?;
        Ok(tally)
    }
}
