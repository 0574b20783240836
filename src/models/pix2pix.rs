//! The U-Net generator of pix2pix (Isola et al. 2017, arXiv 1611.07004), as in junyanz/pytorch-CycleGAN-and-pix2pix: halved
//! by convolutions of size 4 until a pixel or so is left, doubled again by transposed ones, every size joined with that
//! of the way down.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::build::built;
use super::generator::{Builder, Generator, Layer, Normalisation, agreed, bias_of, check_levels, check_widths};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Pool, Result, Statistics, Watch};

/// The slope of LeakyReLU below 0, on the way down.
const SLOPE: f32 = 0.2;

/// Every convolution halves, or doubles.
const HALVES: Options = Options {
    stride: 2,
    dilation: 1,
    groups: 1,
    padding: 1,
    mode: crate::nn::Padding::Zero,
    upsample: false,
    activation: Activation::None,
};

/// The sizes and variants that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels in and out: 3 and 3 for pictures.
    pub channels: [usize; 2],
    /// Channels at each size on the way down, from half the picture's: 64, 128, 256, then 512 in the paper. As many on the
    /// way up.
    pub widths: Vec<usize>,
    /// After every convolution but the first, the innermost and the last.
    pub normalisation: Normalisation,
    /// Whether the convolutions before a norm have a bias.
    pub bias: bool,
}

impl Config {
    /// The paper's generator for square pictures of `2^halvings` pixels (or a multiple of that): 7 or 8.
    pub fn paper(halvings: usize) -> Config {
        let widths = (0..halvings).map(|i| 64 << i.min(3)).collect();
        Config { channels: [3, 3], widths, normalisation: Normalisation::Batch, bias: false }
    }

    /// Reads the sizes off a checkpoint's tensors. A batch norm is taken to run on its kept statistics; set
    /// [`Normalisation::InstanceAffine`] for the picture's own.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank, for more than ten sizes,
    /// and for no or more than 16384 channels.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let dims = |name: String| match tensors.get(&name).map(Tensor::dims) {
            Some([a, b, _, _]) => Ok([*a, *b]),
            Some(other) => Err(Error::Shape(format!("{name} should have four dimensions, not {other:?}"))),
            None => Err(Error::Shape(format!("this is no pix2pix U-Net's checkpoint, it has no {name}"))),
        };
        let [first, ins] = dims(format!("{}.0.weight", level(0)))?;
        let [_, outs] = dims(format!("{}.3.weight", level(0)))?;
        let mut widths = vec![first];
        // Down to the deepest that is there, so that one that is missing before it is named.
        let deepest = tensors.keys().filter(|name| name.starts_with("model.model.1.model."));
        let deepest = deepest.map(|name| 1 + name.matches(".3.model").count()).max().unwrap_or(1);
        for i in 1..=deepest {
            widths.push(dims(format!("{}.1.weight", level(i)))?[0]);
            check_levels(widths.len())?;
        }
        // The norm of the second size down; with two sizes that is the innermost, whose norm is that on the way up.
        let norm = if widths.len() > 2 { 2 } else { 4 };
        let bias = agreed(tensors, ["model.model.0.bias", &format!("{}.1.bias", level(1))])?;
        let normalisation = Normalisation::of(tensors, &format!("{}.{norm}", level(1)), bias)?;
        let config = Config { channels: [ins, outs], widths, normalisation, bias };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        check_levels(self.widths.len())?;
        check_widths(self.channels.iter().chain(&self.widths).copied())
    }

    /// What both sides of a picture are multiples of.
    pub fn multiple(&self) -> usize {
        1 << self.widths.len()
    }
}

/// The name of the modules at a size, the picture's half being 0: each holds the next.
fn level(i: usize) -> String {
    match i {
        0 => "model.model".to_owned(),
        _ => format!("model.model.1.model{}", ".3.model".repeat(i - 1)),
    }
}

/// The generator, ready to run.
#[derive(Debug)]
pub struct UnetGenerator {
    config: Config,
    first: Conv2d,
    down: Vec<Layer>,
    innermost: Conv2d,
    /// From the smallest size on.
    up: Vec<Layer>,
    last: Conv2d,
}

impl UnetGenerator {
    /// Builds the generator from tensors named as its nested modules have them (`model.model.0.weight`,
    /// `model.model.1.model.1.weight`, `model.model.1.model.3.model.1.weight`, ...).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for fewer than two or more than ten
    /// sizes, and for no or more than 16384 channels.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<UnetGenerator> {
        cfg.check()?;
        let (widths, [ins, outs]) = (&cfg.widths, cfg.channels);
        let &[.., before, deepest] = widths.as_slice() else {
            return Err(Error::Shape(format!("a U-Net generator of the widths {widths:?} cannot be")));
        };
        let (first, inner) = (widths[0], widths.len() - 1);
        let build = Builder { normalisation: cfg.normalisation, bias: cfg.bias, vb: vb.clone() };
        let outer = vb.pp(level(0));
        let bias = |vb: VarBuilder<'_>, len: usize| bias_of(&vb, len, cfg.bias);
        let at = |i: usize, place: usize| format!("{}.{place}", level(i));
        // In the file the first convolution has a bias only where those before norms do; the last one always has.
        let vb0 = outer.pp(0);
        let first = Conv2d::new(&vb0.get((first, ins, 4, 4), "weight")?, bias(vb0, first)?.as_ref(), HALVES)?;
        let down =
            (1..inner).map(|i| build.layer([&at(i, 1), &at(i, 2)], [widths[i], widths[i - 1], 4], HALVES, None, false));
        let down = down.collect::<Result<_>>()?;
        let vb1 = vb.pp(at(inner, 1));
        let options = Options { activation: Activation::Relu, ..HALVES };
        let innermost =
            Conv2d::new(&vb1.get((deepest, before, 4, 4), "weight")?, bias(vb1, deepest)?.as_ref(), options)?;
        let up = (1..=inner).rev().map(|i| {
            // All but the innermost see what they are joined with too.
            let (ins, conv) = if i == inner { (deepest, 3) } else { (2 * widths[i], 5) };
            build.layer([&at(i, conv), &at(i, conv + 1)], [widths[i - 1], ins, 4], HALVES, Some(0), true)
        });
        let up = up.collect::<Result<_>>()?;
        let vb3 = outer.pp(3);
        let weight = vb3.get((2 * widths[0], outs, 4, 4), "weight")?;
        let last = Conv2d::transposed(&weight, Some(&vb3.get(outs, "bias")?), HALVES, 0)?;
        Ok(UnetGenerator { first, down, innermost, up, last, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Translates `x`.
    ///
    /// # Shapes
    /// x `[batch, in, height, width]`, -1..1, both sides multiples of [`Config::multiple`]; the result
    /// `[batch, out, height, width]`, -1..1. Pictures of a batch do not see each other, whatever the norm.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture of another size or statistics of another network; [`Error::Cancelled`].
    pub fn forward(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>) -> Result<Tensor> {
        self.forward_with(x, statistics, watch, &Pool::default())
    }

    /// As [`UnetGenerator::forward`], with memory kept from pass to pass.
    ///
    /// # Errors
    /// As [`UnetGenerator::forward`].
    pub fn forward_with(
        &self,
        x: &Tensor,
        statistics: Statistics<'_>,
        watch: &Watch<'_>,
        pool: &Pool,
    ) -> Result<Tensor> {
        let (b, c, height, width) = x.dims4()?;
        let multiple = self.config.multiple();
        if height == 0 || width == 0 || height % multiple != 0 || width % multiple != 0 {
            return Err(Error::Shape(format!(
                "this network halves a picture {} times, so both sides must be multiples of {multiple}, not {width} x {height}",
                self.config.widths.len()
            )));
        }
        let total = self.flops([b, c, height, width])?;
        let mut pass = Pass::new(pool, watch, total).with_statistics(statistics);
        let x = pass.enter(x)?;
        // What is joined is also what goes on down: the ReLU after the joint does not tell a value from its leak.
        let x = pass.conv(&self.first, &x)?;
        let mut skips = vec![pass.leaky_relu(x, SLOPE)?];
        for layer in &self.down {
            let x = layer.run(&mut pass, last(&skips)?)?;
            skips.push(pass.leaky_relu(x, SLOPE)?);
        }
        let mut h = pass.conv(&self.innermost, last(&skips)?)?;
        for layer in &self.up {
            let y = layer.run(&mut pass, &h)?;
            let skip = skips.pop().ok_or_else(|| Error::Shape("there are more sizes up than down".into()))?;
            drop(h); // the joined map needs the room
            h = pass.concat(&[&skip, &y])?;
            h = pass.leaky_relu(h, 0.0)?;
        }
        let y = pass.conv(&self.last, &h)?;
        let y = pass.tanh(y)?;
        watch.step(1.0)?;
        y.into_tensor()
    }

    /// Multiply-adds of a pass over `[batch, in, height, width]`, times two.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small.
    pub fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        let mut tally = Tally::new(shape);
        tally.conv(&self.first)?;
        self.down.iter().try_for_each(|layer| tally.conv(&layer.conv))?;
        tally.conv(&self.innermost)?;
        for (i, layer) in self.up.iter().enumerate() {
            if i > 0 {
                tally.shape[1] *= 2; // joined
            }
            tally.conv(&layer.conv)?;
        }
        tally.shape[1] *= 2;
        tally.conv(&self.last)?;
        Ok(tally.flops)
    }
}

impl Generator for UnetGenerator {
    fn from_tensors(tensors: HashMap<String, Tensor>, own_statistics: bool) -> Result<UnetGenerator> {
        let config = Config::from_tensors(&tensors)?;
        let normalisation = config.normalisation.with(own_statistics);
        built(tensors, |vb| UnetGenerator::new(Config { normalisation, ..config }, vb))
    }

    fn channels(&self) -> [usize; 2] {
        self.config.channels
    }

    fn has_batch_norm(&self) -> bool {
        self.config.normalisation == Normalisation::Batch
    }

    fn measures(&self) -> bool {
        self.config.normalisation.measures()
    }

    fn multiple(&self) -> usize {
        self.config.multiple()
    }

    fn smallest(&self) -> usize {
        self.config.multiple()
    }

    fn reach(&self) -> Option<usize> {
        None // its innermost pixels see all there is
    }

    fn footprint(&self) -> usize {
        // At the size where that is most the joined map and its two parts, and what waits at larger ones to be joined;
        // beside them the picture, and what is left of smaller sizes.
        let mut waiting = 0;
        let sizes = self.config.widths.iter().enumerate().map(|(i, width)| {
            let part = width >> (2 * (i + 1));
            waiting += part;
            waiting + 3 * part
        });
        let most = sizes.max().unwrap_or(0);
        most + most / 8 + 4
    }

    fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        UnetGenerator::flops(self, shape)
    }

    fn forward_with(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> Result<Tensor> {
        UnetGenerator::forward_with(self, x, statistics, watch, pool)
    }
}

fn last(skips: &[Features]) -> Result<&Features> {
    skips.last().ok_or_else(|| Error::Shape("there is nothing to go down from".into()))
}
