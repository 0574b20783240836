//! The discriminator of pix2pix and CycleGAN (PatchGAN; Isola et al. 2017, arXiv 1611.07004), as in
//! junyanz/pytorch-CycleGAN-and-pix2pix: it says of each patch, 70 x 70 pixels in the papers, how real it looks.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::build::built;
use super::generator::{Builder, Layer, Normalisation, agreed, check_levels, check_widths};
use super::tally::Tally;
use crate::nn::{Conv2d, Error, Options, Pass, Pool, Result, Watch};

/// The slope of LeakyReLU below 0.
const SLOPE: f32 = 0.2;

/// The sizes and variants that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels in: 3 for pictures (CycleGAN), 6 for pictures with what they were made of before them (pix2pix).
    pub channels: usize,
    /// Channels after each layer but the last: 64, 128, 256, 512 in the papers. All but the last of these halve.
    pub widths: Vec<usize>,
    /// After every convolution but the first and the last.
    pub normalisation: Normalisation,
    /// Whether the convolutions before a norm have a bias. The others have.
    pub bias: bool,
}

impl Config {
    /// The papers' 70 x 70 PatchGAN, its first layer `width` channels wide.
    pub fn paper(channels: usize, width: usize) -> Config {
        let widths = [1, 2, 4, 8].map(|times| times * width).to_vec();
        Config { channels, widths, normalisation: Normalisation::Instance, bias: true }
    }

    /// Reads the sizes off a checkpoint's tensors. A batch norm is taken to run on its kept statistics.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank, for more than ten layers
    /// but the last, and for no or more than 16384 channels.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let dims = |at: usize| {
            let name = format!("model.{at}.weight");
            match tensors.get(&name).map(Tensor::dims) {
                Some([outs, ins, _, _]) => Ok([*outs, *ins]),
                Some(other) => Err(Error::Shape(format!("{name} should have four dimensions, not {other:?}"))),
                None => Err(Error::Shape(format!("this is no PatchGAN's checkpoint, it has no {name}"))),
            }
        };
        let has = |name: &str| tensors.contains_key(name);
        let [first, channels] = dims(0)?;
        // The last convolution follows those with a norm; one that is missing before it is named when it is asked for.
        let at = |name: &String| name.strip_prefix("model.")?.strip_suffix(".weight")?.parse::<u16>().ok();
        let last = tensors.keys().filter_map(at).max().map_or(0, usize::from);
        let normed = last.saturating_sub(place(0)) / 3;
        let mut widths = vec![first];
        for i in 0..normed.max(1) {
            widths.push(dims(place(i))?[0]);
        }
        dims(place(normed.max(1)))?;
        let bias = if normed > 1 { agreed(tensors, ["model.2.bias", "model.5.bias"])? } else { has("model.2.bias") };
        let normalisation = Normalisation::of(tensors, "model.3", bias)?;
        let config = Config { channels, widths, normalisation, bias };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        check_levels(self.widths.len())?;
        check_widths(self.widths.iter().copied().chain([self.channels]))
    }
}

/// Where the convolution of a layer with a norm stands in the checkpoint's list of modules; the last one follows them.
fn place(layer: usize) -> usize {
    2 + 3 * layer
}

/// The discriminator, ready to run.
#[derive(Debug)]
pub struct PatchGan {
    config: Config,
    first: Conv2d,
    normed: Vec<Layer>,
    last: Conv2d,
}

impl PatchGan {
    /// Builds the discriminator from tensors named as its module list has them (`model.0.weight`, `model.2.weight`,
    /// `model.5.weight`, ...).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for fewer than two or more than ten
    /// layers but the last, and for no or more than 16384 channels.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<PatchGan> {
        cfg.check()?;
        let &[first, .., deepest] = cfg.widths.as_slice() else {
            return Err(Error::Shape(format!("a PatchGAN of the widths {:?} cannot be", cfg.widths)));
        };
        let options = |stride: usize| Options { stride, padding: 1, ..Options::default() };
        let plain = |at: usize, [outs, ins]: [usize; 2], stride: usize| -> Result<Conv2d> {
            let vb = vb.pp(format!("model.{at}"));
            Conv2d::new(&vb.get((outs, ins, 4, 4), "weight")?, Some(&vb.get(outs, "bias")?), options(stride))
        };
        let build = Builder { normalisation: cfg.normalisation, bias: cfg.bias, vb: vb.clone() };
        let layers = cfg.widths.len() - 1;
        let normed = cfg.widths.windows(2).enumerate().map(|(i, widths)| {
            let names = [place(i), place(i) + 1].map(|at| format!("model.{at}"));
            let stride = if i + 1 < layers { 2 } else { 1 };
            build.layer([&names[0], &names[1]], [widths[1], widths[0], 4], options(stride), None, false)
        });
        let normed = normed.collect::<Result<_>>()?;
        let (first, last) = (plain(0, [first, cfg.channels], 2)?, plain(place(layers), [1, deepest], 1)?);
        Ok(PatchGan { first, normed, last, config: cfg })
    }

    /// Builds the discriminator from a checkpoint's tensors, whose sizes decide its own.
    ///
    /// # Errors
    /// As [`Config::from_tensors`] and [`PatchGan::new`].
    pub fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<PatchGan> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| PatchGan::new(config, vb))
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Pixels from one patch's middle to the next one's: 8 in the papers. The middle of patch j, counted from 0, lies
    /// `spacing (j + 1.5)` pixels from the picture's edge, whichever size a patch has.
    pub fn spacing(&self) -> usize {
        1 << (self.config.widths.len() - 1)
    }

    /// The least height and width of a picture, in pixels.
    pub fn smallest(&self) -> usize {
        3 * self.spacing()
    }

    /// About how many numbers a pass holds at a time for each pixel of the picture: a layer's in and out.
    pub fn footprint(&self) -> usize {
        let widths = &self.config.widths;
        // All layers but the last of these halve both sides.
        let halvings = |layer: usize| (layer + 1).min(widths.len() - 1);
        let of = |layer: usize, width: usize| (width >> (2 * halvings(layer)).min(63)) + 1;
        let layers = widths.windows(2).enumerate().map(|(i, pair)| of(i, pair[0]) + of(i + 1, pair[1]));
        self.config.channels + layers.max().unwrap_or(0)
    }

    /// How real each patch of `x` looks: 1 is what real ones should get, 0 what made ones should.
    ///
    /// # Shapes
    /// x `[batch, channels, height, width]`, -1..1; the result
    /// `[batch, 1, floor(height / spacing) - 2, floor(width / spacing) - 2]`. Pictures of a batch do not see each other,
    /// whatever the norm.
    ///
    /// # Errors
    /// [`Error::Shape`] for other channels or a picture smaller than [`PatchGan::smallest`]; [`Error::Cancelled`].
    pub fn forward(&self, x: &Tensor, watch: &Watch<'_>, pool: &Pool) -> Result<Tensor> {
        let mut pass = Pass::new(pool, watch, self.flops(x.dims4()?.into())?);
        let x = pass.enter(x)?;
        let h = pass.conv(&self.first, &x)?;
        let mut h = pass.leaky_relu(h, SLOPE)?;
        for layer in &self.normed {
            let y = layer.run(&mut pass, &h)?;
            h = pass.leaky_relu(y, SLOPE)?;
        }
        let y = pass.conv(&self.last, &h)?;
        watch.step(1.0)?;
        y.into_tensor()
    }

    /// Multiply-adds of a pass over `[batch, channels, height, width]`, times two.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small.
    pub fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        let mut tally = Tally::new(shape);
        tally.conv(&self.first)?;
        self.normed.iter().try_for_each(|layer| tally.conv(&layer.conv))?;
        tally.conv(&self.last)?;
        Ok(tally.flops)
    }
}
