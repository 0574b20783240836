//! VGG-16 (Simonyan and Zisserman 2015, arXiv 1409.1556), configuration D without batch norms, as in torchvision: its
//! first ten convolutions, whose features perceptual losses compare (Johnson et al. 2016, arXiv 1603.08155).

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Pool, Result, Watch};

/// Each stage's convolutions, as numbered in `features`; between stages the picture is halved.
const STAGES: [&[usize]; 4] = [&[0, 2], &[5, 7], &[10, 12, 14], &[17, 19, 21]];

/// The features that [`Vgg16::forward`] gives, in order.
pub const TAPS: [&str; 4] = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"];

/// The channels that each convolution gives, stage by stage; the first takes 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// 64 twice, 128 twice, 256 and 512 three times in the paper.
    pub widths: [Vec<usize>; 4],
}

impl Config {
    /// The paper's.
    pub fn paper() -> Config {
        Config { widths: [vec![64; 2], vec![128; 2], vec![256; 3], vec![512; 3]] }
    }

    /// Reads the sizes off a checkpoint's tensors. What comes after is not looked at.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let mut config = Config::paper();
        for (widths, places) in config.widths.iter_mut().zip(STAGES) {
            for (width, at) in widths.iter_mut().zip(places) {
                let name = format!("features.{at}.weight");
                *width = match tensors.get(&name).map(Tensor::dims) {
                    Some([out, _, _, _]) => *out,
                    _ => {
                        return Err(Error::Shape(format!(
                            "this is no VGG-16 checkpoint, it has no convolution {name}"
                        )));
                    }
                };
            }
        }
        Ok(config)
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct Vgg16 {
    stages: Vec<Vec<Conv2d>>,
}

impl Vgg16 {
    /// Builds the network from tensors named as in torchvision (`features.0.weight`, ... `features.21.bias`).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for a width of 0.
    pub fn new(cfg: &Config, vb: VarBuilder<'_>) -> Result<Vgg16> {
        let same = Options { padding: 1, activation: Activation::Relu, ..Options::default() };
        let mut ins = 3;
        let mut stages = Vec::with_capacity(STAGES.len());
        for (widths, places) in cfg.widths.iter().zip(STAGES) {
            let mut convs = Vec::with_capacity(widths.len());
            for (out, at) in widths.iter().zip(places) {
                let vb = vb.pp("features").pp(at);
                convs.push(Conv2d::new(&vb.get((*out, ins, 3, 3), "weight")?, Some(&vb.get(*out, "bias")?), same)?);
                ins = *out;
            }
            stages.push(convs);
        }
        Ok(Vgg16 { stages })
    }

    /// The features of `x` after each stage: those of [`TAPS`].
    ///
    /// # Shapes
    /// x `[batch, 3, height, width]`, RGB normalised by ImageNet's mean and standard deviation, both sides at least 8;
    /// the results `[batch, 64, height, width]`, `[batch, 128, floor(height / 2), ...]` and so on.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of channels or a picture too small; [`Error::Cancelled`].
    pub fn forward(&self, x: &Tensor, pool: &Pool, watch: &Watch<'_>) -> Result<Vec<Tensor>> {
        let mut pass = Pass::new(pool, watch, self.flops(x.dims4()?.into())?);
        let entered = pass.enter(x)?;
        let mut taps: Vec<Features> = Vec::with_capacity(self.stages.len());
        for convs in &self.stages {
            let small = taps.last().map(|last| pass.max_pool(last, 2, 2, 0)).transpose()?;
            let mut y: Option<Features> = None;
            for conv in convs {
                let x = y.as_ref().or(small.as_ref()).unwrap_or(&entered);
                y = Some(pass.conv(conv, x)?);
            }
            taps.extend(y);
        }
        taps.into_iter().map(Features::into_tensor).collect()
    }

    /// Multiply-adds of a pass over `[batch, 3, height, width]`, times two.
    ///
    /// # Errors
    /// As [`Vgg16::forward`].
    pub fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        let mut tally = Tally::new(shape);
        for (i, convs) in self.stages.iter().enumerate() {
            if i > 0 {
                let [.., height, width] = &mut tally.shape;
                (*height, *width) = (*height / 2, *width / 2);
            }
            convs.iter().try_for_each(|conv| tally.conv(conv))?;
        }
        Ok(tally.flops)
    }
}
