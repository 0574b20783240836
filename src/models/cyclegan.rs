//! The ResNet generator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593; the network is Johnson et al.'s with transposed
//! convolutions), as in junyanz/pytorch-CycleGAN-and-pix2pix, whose pix2pix can use it too; also as in
//! taesungp/contrastive-unpaired-translation (CUT, Park et al. 2020, arXiv 2007.15651), where blurring before every second
//! pixel is dropped and bilinear upsampling keep shifts from showing (Zhang 2019, arXiv 1904.11486); and with the other
//! upsampling that the first repository's authors recommend against checkerboards (its issue 190; Odena et al. 2016).

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::build::built;
pub use super::generator::Normalisation;
use super::generator::{Builder, Generator, Layer, agreed, check_widths};
use super::tally::Tally;
use crate::nn::{Conv2d, Error, Options, Padding, Pass, Pool, Result, Statistics, Watch};

/// The sizes and variants that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels in and out: 3 and 3 for pictures.
    pub channels: [usize; 2],
    /// Channels after the first layer, `ngf`: 64 in the paper. Twice as many at half the size, four times at a quarter.
    pub width: usize,
    /// Residual blocks: 6 for 128 x 128 training pictures in the paper, 9 for larger ones.
    pub blocks: usize,
    /// After every convolution but the last.
    pub normalisation: Normalisation,
    /// Whether the convolutions before a norm have a bias.
    pub bias: bool,
    /// Whether blocks were trained with dropout: it does nothing now, but moves their second layer's name.
    pub dropout: bool,
    /// Whether blocks pad by zeros: `padding_type='zero'`. Otherwise by reflection; one that repeats the edge
    /// (`'replicate'`) cannot be told from that by its file.
    pub zero_padded: bool,
    /// Whether CUT's blur comes before each halving.
    pub blurred: bool,
    /// How pictures double.
    pub up: Up,
}

/// How pictures double their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Up {
    /// By transposed convolutions of stride 2, as in the paper.
    Transposed,
    /// CUT's: bilinearly, by a kernel that the file holds, then a convolution padded by zeros.
    Antialiased,
    /// `nn.Upsample`, of which files hold nothing, and a convolution padded by zeros. Taken to be bilinear.
    Resized,
    /// The same with reflection padding before the convolution: what issue 190 proposes.
    ResizedReflect,
}

impl Up {
    /// Modules before the convolution: of upsampling, of padding.
    fn before(self) -> usize {
        match self {
            Up::Transposed => 0,
            Up::Antialiased | Up::Resized => 1,
            Up::ResizedReflect => 2,
        }
    }
}

impl Config {
    /// The paper's generator for photographs with `blocks` residual blocks.
    pub fn paper(blocks: usize) -> Config {
        Config {
            channels: [3, 3],
            width: 64,
            blocks,
            normalisation: Normalisation::Instance,
            bias: true,
            dropout: false,
            zero_padded: false,
            blurred: false,
            up: Up::Transposed,
        }
    }

    /// Reads the sizes off a checkpoint's tensors. A batch norm is taken to run on its kept statistics; set
    /// [`Normalisation::InstanceAffine`] for the picture's own.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank, when its blur is not
    /// CUT's, or for no or more than 16384 channels.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let dims = |name: &str| match tensors.get(name).map(Tensor::dims) {
            Some([a, b, _, _]) => Ok([*a, *b]),
            Some(other) => Err(Error::Shape(format!("{name} should have four dimensions, not {other:?}"))),
            None => Err(Error::Shape(format!("this is no ResNet generator's checkpoint, it has no {name}"))),
        };
        let has = |name: &str| tensors.contains_key(name);
        let [width, ins] = dims("model.1.weight")?;
        let bias = agreed(tensors, ["model.1.bias", "model.4.bias"])?;
        let normalisation = Normalisation::of(tensors, "model.2", bias)?;
        let mut config = Config {
            channels: [ins, 3],
            width,
            blocks: 0,
            normalisation,
            bias,
            dropout: false,
            zero_padded: false,
            blurred: has("model.7.filt"),
            up: Up::Transposed,
        };
        let first = config.places().blocks;
        // The last one that is there, so that one that is missing before it is named when it is asked for.
        let block = |name: &String| name.strip_prefix("model.")?.split_once(".conv_block.")?.0.parse::<u16>().ok();
        let last_block = tensors.keys().filter_map(block).max().map(usize::from);
        let convolution = |i: usize, at: usize| dims(&format!("model.{i}.conv_block.{at}.weight")).is_ok();
        config.zero_padded = convolution(first, 0);
        let [_, second] = config.in_block();
        config.dropout = convolution(first, second + 1);
        config.blocks = last_block.map_or(0, |last| (last + 1).saturating_sub(first));
        let next = first + config.blocks;
        config.up = match [0, 1].map(|i| has(&format!("model.{}.weight", next + i))) {
            _ if has(&format!("model.{next}.filt")) => Up::Antialiased,
            [true, _] => Up::Transposed,
            [_, true] => Up::Resized,
            _ if has(&format!("model.{}.weight", next + 2)) => Up::ResizedReflect,
            _ => Up::Transposed,
        };
        let places = config.places();
        config.channels[1] = dims(&format!("model.{}.weight", places.last))?[0];
        let antialiased = config.up == Up::Antialiased;
        let blurs = places.down.iter().filter(|_| config.blurred).map(|at| (at + 3, [1.0, 2.0, 1.0].as_slice()));
        let ups = places.up.iter().filter(|_| antialiased).map(|at| (at - 1, [1.0, 3.0, 3.0, 1.0].as_slice()));
        for (at, taps) in blurs.chain(ups) {
            let name = format!("model.{at}.filt");
            if !tensors.get(&name).is_some_and(|filt| is_binomial(filt, taps)) {
                return Err(Error::Shape(format!("{name} should be a blur of {taps:?} both ways")));
            }
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        check_widths(self.channels.into_iter().chain([self.width]))
    }

    /// Where layers stand in the checkpoint's list of modules.
    fn places(&self) -> Places {
        let up = self.up.before();
        let halve = 3 + usize::from(self.blurred); // convolution, norm, ReLU and perhaps a blur
        let blocks = 4 + 2 * halve;
        let double = 3 + up; // perhaps upsampling and padding, then convolution, norm, ReLU
        let first = blocks + self.blocks;
        let up = [first + up, first + double + up];
        Places { down: [4, 4 + halve], blocks, up, last: first + 2 * double + 1 }
    }

    /// Where the two convolutions stand in a block's list of modules.
    fn in_block(&self) -> [usize; 2] {
        let dropout = usize::from(self.dropout);
        if self.zero_padded { [0, 3 + dropout] } else { [1, 5 + dropout] }
    }
}

/// Indices of convolutions (of the first block, for blocks).
struct Places {
    down: [usize; 2],
    blocks: usize,
    up: [usize; 2],
    last: usize,
}

/// Whether each channel of `filt` is the outer product of `taps` with themselves over 16.
fn is_binomial(filt: &Tensor, taps: &[f32]) -> bool {
    let one = |kernel: &[f32]| {
        let expected = taps.iter().flat_map(|a| taps.iter().map(move |b| a * b / 16.0));
        kernel.len() == taps.len() * taps.len() && kernel.iter().zip(expected).all(|(k, e)| (k - e).abs() < 1e-4)
    };
    let flat = filt.to_dtype(DType::F32).and_then(|f| f.flatten_from(1)?.to_vec2::<f32>());
    filt.rank() == 4 && flat.is_ok_and(|channels| channels.iter().all(|kernel| one(kernel)))
}

/// The generator, ready to run.
#[derive(Debug)]
pub struct ResnetGenerator {
    config: Config,
    first: Layer,
    down: Vec<Down>,
    blocks: Vec<[Layer; 2]>,
    up: Vec<Layer>,
    last: Conv2d,
}

/// Half the size: by the convolution's stride, or by a blur's.
#[derive(Debug)]
struct Down {
    layer: Layer,
    blur: Option<Conv2d>,
}

/// Every second pixel of a picture blurred by 1, 2, 1.
fn blur(channels: usize, vb: &VarBuilder<'_>) -> Result<Conv2d> {
    let kernel: Vec<f32> = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|v: f32| v / 16.0).to_vec();
    let weight = Tensor::from_vec(kernel, (1, 1, 3, 3), vb.device())?.to_dtype(vb.dtype())?;
    let weight = weight.repeat((channels, 1, 1, 1))?;
    let options = Options { stride: 2, padding: 1, mode: Padding::Reflect, groups: channels, ..Options::default() };
    Conv2d::new(&weight, None, options)
}

impl ResnetGenerator {
    /// Builds the generator from tensors named as its module list has them (`model.1.weight`,
    /// `model.10.conv_block.1.weight`, ...).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen; [`Error::Shape`] for no or more than 16384 channels.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<ResnetGenerator> {
        cfg.check()?;
        let cfg = &cfg;
        let [ins, outs] = cfg.channels;
        let [a, b, c] = [cfg.width, 2 * cfg.width, 4 * cfg.width];
        let places = cfg.places();
        let build = Builder { normalisation: cfg.normalisation, bias: cfg.bias, vb: vb.clone() };
        let reflect = |padding: usize| Options { padding, mode: Padding::Reflect, ..Options::default() };
        let zero = |stride: usize| Options { stride, padding: 1, ..Options::default() };
        let plain = |at: usize, shape: [usize; 3], options: Options, transposed: bool| {
            // A transposed convolution of size 3 cuts one pixel off and adds one, to double exactly.
            let names = [at, at + 1].map(|at| format!("model.{at}"));
            build.layer([&names[0], &names[1]], shape, options, transposed.then_some(1), true)
        };
        let first = plain(1, [a, ins, 7], reflect(3), false)?;
        let mut down = Vec::new();
        for (at, [outs, ins]) in places.down.into_iter().zip([[b, a], [c, b]]) {
            let layer = plain(at, [outs, ins, 3], zero(if cfg.blurred { 1 } else { 2 }), false)?;
            let blur = if cfg.blurred { Some(blur(outs, &vb)?) } else { None };
            down.push(Down { layer, blur });
        }
        let padded = if cfg.zero_padded { zero(1) } else { reflect(1) };
        let block = |i: usize| -> Result<[Layer; 2]> {
            let layer = |at: usize, relu: bool| {
                let name = |at: usize| format!("model.{}.conv_block.{at}", places.blocks + i);
                build.layer([&name(at), &name(at + 1)], [c, c, 3], padded, None, relu)
            };
            let [first, second] = cfg.in_block();
            Ok([layer(first, true)?, layer(second, false)?])
        };
        let blocks = (0..cfg.blocks).map(block).collect::<Result<_>>()?;
        let mut up = Vec::new();
        for (at, [outs, ins]) in places.up.into_iter().zip([[b, c], [a, b]]) {
            let (options, transposed) = match cfg.up {
                Up::Transposed => (zero(2), true),
                Up::Antialiased | Up::Resized => (zero(1), false),
                Up::ResizedReflect => (reflect(1), false),
            };
            up.push(plain(at, [outs, ins, 3], options, transposed)?);
        }
        let vb = vb.pp(format!("model.{}", places.last));
        let last = Conv2d::new(&vb.get((outs, a, 7, 7), "weight")?, Some(&vb.get(outs, "bias")?), reflect(3))?;
        Ok(ResnetGenerator { first, down, blocks, up, last, config: cfg.clone() })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Translates `x`.
    ///
    /// # Shapes
    /// x `[batch, 3, height, width]`, RGB -1..1, both sides at least 5; the result
    /// `[batch, 3, 4 ceil(ceil(height / 2) / 2), ...]`, -1..1. Pictures of a batch do not see each other, whatever the norm.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small or statistics of another network; [`Error::Cancelled`].
    pub fn forward(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>) -> Result<Tensor> {
        self.forward_with(x, statistics, watch, &Pool::default())
    }

    /// As [`ResnetGenerator::forward`], with memory kept from pass to pass.
    ///
    /// # Errors
    /// As [`ResnetGenerator::forward`].
    pub fn forward_with(
        &self,
        x: &Tensor,
        statistics: Statistics<'_>,
        watch: &Watch<'_>,
        pool: &Pool,
    ) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let mut pass = Pass::new(pool, watch, self.flops([b, c, h, w])?).with_statistics(statistics);
        let x = pass.enter(x)?;
        let mut h = self.first.run(&mut pass, &x)?;
        for Down { layer, blur } in &self.down {
            h = layer.run(&mut pass, &h)?;
            if let Some(blur) = blur {
                h = pass.conv(blur, &h)?;
            }
        }
        h.settle(); // the residual additions need the values themselves
        for [first, second] in &self.blocks {
            let y = first.run(&mut pass, &h)?;
            if second.norm.is_some() {
                let y = second.run(&mut pass, &y)?;
                pass.add(&mut h, &y)?;
            } else {
                h = pass.conv_onto(&second.conv, &y, h)?;
            }
        }
        for layer in &self.up {
            if self.config.up != Up::Transposed {
                // CUT's transposed convolution by 1, 3, 3, 1 of a picture whose edge pixels are repeated is just this.
                h.settle();
                let [_, _, height, width] = h.shape();
                h = pass.bilinear(&h, [2 * height, 2 * width], false)?;
            }
            h = layer.run(&mut pass, &h)?;
        }
        h = pass.conv(&self.last, &h)?;
        h = pass.tanh(h)?;
        watch.step(1.0)?;
        h.into_tensor()
    }

    /// Multiply-adds of a pass over `[batch, 3, height, width]`, times two.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small.
    pub fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        let mut tally = Tally::new(shape);
        tally.conv(&self.first.conv)?;
        for Down { layer, blur } in &self.down {
            [Some(&layer.conv), blur.as_ref()].into_iter().flatten().try_for_each(|conv| tally.conv(conv))?;
        }
        self.blocks.iter().flatten().try_for_each(|layer| tally.conv(&layer.conv))?;
        for layer in &self.up {
            if self.config.up != Up::Transposed {
                let [_, _, height, width] = &mut tally.shape;
                (*height, *width) = (2 * *height, 2 * *width);
            }
            tally.conv(&layer.conv)?;
        }
        tally.conv(&self.last)?;
        Ok(tally.flops)
    }
}

impl Generator for ResnetGenerator {
    fn from_tensors(tensors: HashMap<String, Tensor>, own_statistics: bool) -> Result<ResnetGenerator> {
        let config = Config::from_tensors(&tensors)?;
        let normalisation = config.normalisation.with(own_statistics);
        built(tensors, |vb| ResnetGenerator::new(Config { normalisation, ..config }, vb))
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
        4
    }

    fn smallest(&self) -> usize {
        8
    }

    fn reach(&self) -> Option<usize> {
        let [blurred, smooth] = [self.config.blurred, self.config.up != Up::Transposed].map(usize::from);
        // Two layers of 7 and on the way down one of 3 at full size, one of 3 at half, blocks at a quarter, on the way up one
        // from a quarter and one from half; and where on the grid of 4 the pixel lies.
        Some(2 * 3 + 1 + 2 + 2 * 4 * self.config.blocks + 4 + 2 + 3 * blurred + 3 * smooth + 3)
    }

    fn footprint(&self) -> usize {
        // Upsampled bilinearly, twice the first layer's channels are there at full size, and so are its own.
        let [wide, narrow] = [7 * self.config.width / 2, 2 * self.config.width];
        if !self.config.blurred && self.config.up == Up::Transposed { narrow + 6 } else { wide + 6 }
    }

    fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        ResnetGenerator::flops(self, shape)
    }

    fn forward_with(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> Result<Tensor> {
        ResnetGenerator::forward_with(self, x, statistics, watch, pool)
    }
}
