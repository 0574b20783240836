//! U-Net (Ronneberger et al. 2015, arXiv 1505.04597) as in milesial/Pytorch-UNet: with padding and batch norms, so that
//! it answers for every pixel, growing again by transposed convolutions or bilinearly.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::batch_norm::conv_norm;
use super::build::built;
use super::segmenter::{Normalisation, Segmenter, classifier};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// How often the picture is halved.
const DEPTH: usize = 4;

/// The sizes that a checkpoint decides. Of each pair of 3x3 convolutions the channels that leave the first and the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels of the pictures: 3 for RGB.
    pub channels: usize,
    /// On the way down, at each size: 64, 128, 256, 512, 1024 in the paper (512 with `bilinear`).
    pub down: [[usize; 2]; DEPTH + 1],
    /// On the way up, from the smallest size on.
    pub up: [[usize; 2]; DEPTH],
    /// Whether it grows bilinearly rather than by transposed convolutions.
    pub bilinear: bool,
    /// What leaves those: half of the channels, in checkpoints of before April 2020 all. 0 where
    /// there are none.
    pub grown: [usize; DEPTH],
    /// Classes with the background.
    pub classes: usize,
}

impl Config {
    /// The original's network, `width` channels at the picture's own size: 64 in the paper.
    pub fn new(width: usize, bilinear: bool, classes: usize) -> Config {
        let half = if bilinear { 2 } else { 1 };
        let mut down = [1, 2, 4, 8, 16].map(|n| [n * width; 2]);
        down[DEPTH] = down[DEPTH].map(|n| n / half);
        // Bilinearly grown maps keep their channels, so the first convolution after them halves in two steps.
        let up = [8, 4, 2, 1].map(|n| {
            let out = if n == 1 { width } else { n * width / half };
            [if bilinear { n * width } else { out }, out]
        });
        let grown = [8, 4, 2, 1].map(|n| if bilinear { 0 } else { n * width });
        Config { channels: 3, down, up, bilinear, grown, classes }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let dims = |name: String| match tensors.get(&name).map(Tensor::dims) {
            Some([out, ins, _, _]) => Ok([*out, *ins]),
            _ => {
                Err(Error::Shape(format!("this is no U-Net checkpoint of Pytorch-UNet, it has no convolution {name}")))
            }
        };
        let pair = |name: &str| {
            Ok::<_, Error>([0, 3].map(|i| dims(format!("{name}.double_conv.{i}.weight"))))
                .and_then(|[first, second]| Ok([first?[0], second?[0]]))
        };
        let transposed =
            (1..5).any(|i| ["weight", "bias"].iter().any(|t| tensors.contains_key(&format!("up{i}.up.{t}"))));
        let mut config = Config::new(1, !transposed, 1);
        config.channels = dims("inc.double_conv.0.weight".into())?[1];
        for (i, widths) in config.down.iter_mut().enumerate() {
            *widths = pair(&down_name(i))?;
        }
        for (i, widths) in config.up.iter_mut().enumerate() {
            *widths = pair(&format!("up{}.conv", i + 1))?;
        }
        for (i, grown) in config.grown.iter_mut().enumerate() {
            // One that is missing is named when it is needed.
            *grown = dims(format!("up{}.up.weight", i + 1)).map_or(0, |[_, outs]| outs);
        }
        config.classes = dims("outc.conv.weight".into())?[0];
        Ok(config)
    }
}

fn down_name(i: usize) -> String {
    if i == 0 { "inc".into() } else { format!("down{i}.maxpool_conv.1") }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct Unet {
    down: Vec<[Conv2d; 2]>,
    up: Vec<Up>,
    last: Conv2d,
    config: Config,
}

/// Twice the size, and what was there at that size on the way down.
#[derive(Debug)]
struct Up {
    /// `None` to grow bilinearly.
    transposed: Option<Conv2d>,
    convs: [Conv2d; 2],
}

/// Two 3x3 convolutions from `ins` channels, each with its batch norm and ReLU.
fn double_conv(ins: usize, [mid, out]: [usize; 2], vb: &VarBuilder<'_>) -> Result<[Conv2d; 2]> {
    let vb = vb.pp("double_conv");
    let same = Options { padding: 1, activation: Activation::Relu, ..Options::default() };
    let first = conv_norm([mid, ins, 3, 3], &vb.pp(0), &vb.pp(1), same)?;
    Ok([first, conv_norm([out, mid, 3, 3], &vb.pp(3), &vb.pp(4), same)?])
}

impl Up {
    /// `ins` channels from below, of which a transposed convolution makes `grown`, `beside` from the way down.
    fn new(grown: Option<usize>, [ins, beside]: [usize; 2], widths: [usize; 2], vb: &VarBuilder<'_>) -> Result<Up> {
        let transposed = |grown: usize| {
            let vb = vb.pp("up");
            let (weight, bias) = (vb.get((ins, grown, 2, 2), "weight")?, vb.get(grown, "bias")?);
            Conv2d::transposed(&weight, Some(&bias), Options { stride: 2, ..Options::default() }, 0)
        };
        let transposed = grown.map(transposed).transpose()?;
        let ins = grown.unwrap_or(ins).saturating_add(beside);
        Ok(Up { transposed, convs: double_conv(ins, widths, &vb.pp("conv"))? })
    }

    fn run(&self, x: Features, beside: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [_, _, h, w] = x.shape();
        let mut grown = match &self.transposed {
            Some(conv) => pass.conv(conv, &x)?,
            None => pass.bilinear(&x, [2 * h, 2 * w], true)?,
        };
        drop(x);
        // Halving rounds down, so of an odd side one row or column is lacking: it comes last.
        let [_, _, height, width] = beside.shape();
        let [below, right] = [height.saturating_sub(2 * h), width.saturating_sub(2 * w)];
        if below + right > 0 {
            grown = pass.pad(&grown, [0, below, 0, right])?;
        }
        let both = pass.concat(&[&beside, &grown])?;
        drop((beside, grown));
        both_of(&self.convs, both, pass)
    }

    fn count(&self, tally: &mut Tally, beside: [usize; 4]) -> Result<()> {
        let grown = match &self.transposed {
            Some(conv) => {
                tally.conv(conv)?;
                tally.shape[1]
            }
            None => tally.shape[1],
        };
        let [batch, channels, height, width] = beside;
        tally.release(beside);
        tally.join([batch, channels + grown, height, width]);
        self.convs.iter().try_for_each(|conv| tally.conv(conv))
    }
}

fn both_of(convs: &[Conv2d; 2], x: Features, pass: &mut Pass<'_>) -> Result<Features> {
    convs.iter().try_fold(x, |x, conv| pass.conv(conv, &x))
}

impl Unet {
    /// Builds the network from tensors named as in Pytorch-UNet (`inc.double_conv.0.weight`,
    /// `down1.maxpool_conv.1.double_conv.0.weight`, ... `up1.up.weight`, `up1.conv.double_conv.0.weight`, ...
    /// `outc.conv.weight`).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<Unet> {
        let mut down = Vec::with_capacity(cfg.down.len());
        let mut ins = cfg.channels;
        for (i, widths) in cfg.down.iter().enumerate() {
            down.push(double_conv(ins, *widths, &vb.pp(down_name(i)))?);
            ins = widths[1];
        }
        let mut up = Vec::with_capacity(cfg.up.len());
        for (i, (widths, beside)) in cfg.up.iter().zip(cfg.down.iter().rev().skip(1)).enumerate() {
            let grown = cfg.grown.get(i).copied().filter(|_| !cfg.bilinear);
            up.push(Up::new(grown, [ins, beside[1]], *widths, &vb.pp(format!("up{}", i + 1)))?);
            ins = widths[1];
        }
        let last = classifier([cfg.classes, ins], &vb.pp("outc.conv"))?;
        Ok(Unet { down, up, last, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for Unet {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<Unet> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| Unet::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    fn channels(&self) -> usize {
        self.config.channels
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::NONE
    }

    fn smallest(&self) -> usize {
        1 << DEPTH
    }

    /// At the picture's own size.
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let mut beside = Vec::with_capacity(DEPTH);
        let mut x = x;
        for (i, convs) in self.down.iter().enumerate() {
            if i > 0 {
                let small = pass.max_pool(&x, 2, 2, 0)?;
                beside.push(std::mem::replace(&mut x, small));
            }
            x = both_of(convs, x, pass)?;
        }
        for up in &self.up {
            let Some(beside) = beside.pop() else { break }; // as many as there are steps up
            x = up.run(x, beside, pass)?;
        }
        pass.conv(&self.last, &x)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = Tally::new(shape);
        let mut beside = Vec::with_capacity(DEPTH);
        for (i, convs) in self.down.iter().enumerate() {
            if i > 0 {
                beside.push(tally.shape);
                tally.keep(tally.shape);
                let [.., height, width] = &mut tally.shape;
                (*height, *width) = (*height / 2, *width / 2);
            }
            convs.iter().try_for_each(|conv| tally.conv(conv))?;
        }
        for (up, beside) in self.up.iter().zip(beside.into_iter().rev()) {
            up.count(&mut tally, beside)?;
        }
        tally.conv(&self.last)?;
        Ok(tally)
    }
}
