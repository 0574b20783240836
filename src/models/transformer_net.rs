//! The image transformation network of Johnson et al. 2016 (arXiv 1603.08155) with instance normalisation (Ulyanov et
//! al. 2016) and an upsample-and-convolve decoder, as in pytorch/examples `fast_neural_style`; also with the conditional
//! normalisation of Dumoulin et al. 2017 (arXiv 1610.07629), where styles share all convolutions and each has its own row
//! of every norm's scale and shift, so that rows can be mixed.

use std::collections::HashMap;

use candle_core::{DType, Result as CandleResult, Tensor};
use candle_nn::{Init, VarBuilder};

use super::tally::Tally;
use crate::nn::{Conv2d, Error, Features, Norm, Options, Padding, Pass, Pool, Result, Statistics, Watch, is_flat};

/// The sizes that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels after `conv1`, `conv2` and `conv3`: 32, 64, 128 in the paper.
    pub widths: [usize; 3],
    /// Residual blocks: 5 in the paper.
    pub residuals: usize,
    /// Rows of each norm's `[styles, channels]`; `None` for plain norms of `[channels]`.
    pub styles: Option<usize>,
}

impl Config {
    /// The paper's network with its first layer `width` channels wide.
    pub fn johnson(width: usize) -> Config {
        Config { widths: [width, 2 * width, 4 * width], residuals: 5, styles: None }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let dims = |name: &str| {
            let missing = || Error::Shape(format!("this is no transformer-net checkpoint, it has no {name}"));
            tensors.get(name).map(Tensor::dims).ok_or_else(missing)
        };
        let width = |name: &str| match dims(name)? {
            [out, _, _, _] => Ok(*out),
            other => Err(Error::Shape(format!("{name} should have four dimensions, not {other:?}"))),
        };
        let styles = match dims("in1.weight")? {
            [_] => None,
            [styles, _] => Some(*styles),
            other => {
                return Err(Error::Shape(format!("in1.weight should have one or two dimensions, not {other:?}")));
            }
        };
        // Up to the last one that is there, so that one that is missing before it is named when it is asked for.
        let number = |name: &String| name.strip_prefix("res")?.split_once('.')?.0.parse::<u16>().ok();
        let residuals = tensors.keys().filter_map(number).max().map_or(0, usize::from);
        let widths = [width("conv1.conv2d.weight")?, width("conv2.conv2d.weight")?, width("conv3.conv2d.weight")?];
        Ok(Config { widths, residuals, styles })
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct TransformerNet {
    config: Config,
    down: Vec<Layer>,
    residuals: Vec<[Layer; 2]>,
    up: Vec<Layer>,
    last: Conv2d,
}

#[derive(Debug)]
struct Layer {
    conv: Conv2d,
    norm: Rows,
}

impl Layer {
    fn run(&self, pass: &mut Pass<'_>, x: &Features, mix: &[f32], relu: bool) -> Result<Features> {
        let (scale, shift) = (Rows::mixed(&self.norm.scale, mix), Rows::mixed(&self.norm.shift, mix));
        pass.conv_norm(&self.conv, x, &Norm { scale: &scale, shift: &shift, relu })
    }
}

/// A norm's `[styles][channels]`, one row when unconditional.
#[derive(Debug)]
struct Rows {
    scale: Vec<Vec<f32>>,
    shift: Vec<Vec<f32>>,
}

impl Rows {
    fn new(cfg: &Config, channels: usize, vb: VarBuilder<'_>) -> CandleResult<Rows> {
        let get = |shape: &[usize], name: &str, usual: f64| {
            vb.get_with_hints(shape, name, Init::Const(usual))?.to_dtype(DType::F32)
        };
        let rows = |name: &str, usual: f64| match cfg.styles {
            Some(styles) => get(&[styles, channels], name, usual)?.to_vec2::<f32>(),
            None => Ok(vec![get(&[channels], name, usual)?.to_vec1::<f32>()?]),
        };
        Ok(Rows { scale: rows("weight", 1.0)?, shift: rows("bias", 0.0)? })
    }

    fn mixed(rows: &[Vec<f32>], mix: &[f32]) -> Vec<f32> {
        let channels = rows.first().map_or(0, Vec::len);
        (0..channels).map(|c| rows.iter().zip(mix).map(|(row, w)| row[c] * w).sum()).collect()
    }
}

fn conv(vb: &VarBuilder<'_>, name: &str, [out, ins, kernel]: [usize; 3], options: Options) -> Result<Conv2d> {
    let vb = vb.pp(name).pp("conv2d");
    let (weight, bias) = (vb.get((out, ins, kernel, kernel), "weight")?, vb.get(out, "bias")?);
    let options = Options { padding: kernel / 2, mode: Padding::Reflect, ..options };
    Conv2d::new(&weight, Some(&bias), options)
}

impl TransformerNet {
    /// Builds the network from tensors named as in pytorch/examples (`conv1.conv2d.weight`, `in1.weight`,
    /// `res1.conv1.conv2d.weight`, ... `deconv3.conv2d.bias`). Others, such as the `running_mean` of checkpoints older
    /// than PyTorch 0.4, are not looked at: the norms always took the picture's own statistics.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<TransformerNet> {
        let [a, b, c] = cfg.widths;
        let (same, half) = (Options::default(), Options { stride: 2, ..Options::default() });
        let double = Options { upsample: true, ..same };
        let layer = |vb: &VarBuilder<'_>, name: &str, norm: &str, shape: [usize; 3], options| -> Result<Layer> {
            Ok(Layer { conv: conv(vb, name, shape, options)?, norm: Rows::new(&cfg, shape[0], vb.pp(norm))? })
        };
        let down = vec![
            layer(&vb, "conv1", "in1", [a, 3, 9], same)?,
            layer(&vb, "conv2", "in2", [b, a, 3], half)?,
            layer(&vb, "conv3", "in3", [c, b, 3], half)?,
        ];
        let residual = |i: usize| -> Result<[Layer; 2]> {
            let vb = vb.pp(format!("res{i}"));
            Ok([layer(&vb, "conv1", "in1", [c, c, 3], same)?, layer(&vb, "conv2", "in2", [c, c, 3], same)?])
        };
        let residuals = (1..=cfg.residuals).map(residual).collect::<Result<_>>()?;
        let up =
            vec![layer(&vb, "deconv1", "in4", [b, c, 3], double)?, layer(&vb, "deconv2", "in5", [a, b, 3], double)?];
        let last = conv(&vb, "deconv3", [3, a, 9], same)?;
        Ok(TransformerNet { down, residuals, up, last, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Stylises `x`.
    ///
    /// # Shapes
    /// x `[batch, 3, height, width]`, RGB 0..255, both sides at least 5; `mix` one weight per style (`[1.0]` for a plain
    /// network), used as given; the result `[batch, 3, 4 ceil(ceil(height / 2) / 2), ...]`, not clamped.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small or a mix or statistics of another length; [`Error::Cancelled`].
    pub fn forward(&self, x: &Tensor, mix: &[f32], statistics: Statistics<'_>, watch: &Watch<'_>) -> Result<Tensor> {
        self.forward_with(x, mix, statistics, watch, &Pool::default())
    }

    /// As [`TransformerNet::forward`], with memory kept from pass to pass.
    ///
    /// # Errors
    /// As [`TransformerNet::forward`].
    pub fn forward_with(
        &self,
        x: &Tensor,
        mix: &[f32],
        statistics: Statistics<'_>,
        watch: &Watch<'_>,
        pool: &Pool,
    ) -> Result<Tensor> {
        let rows = self.config.styles.unwrap_or(1);
        if mix.len() != rows {
            return Err(Error::Shape(format!("the network has {rows} styles but the mix has {} weights", mix.len())));
        }
        let (b, c, h, w) = x.dims4()?;
        let pass = Pass::new(pool, watch, self.flops([b, c, h, w])?).with_statistics(statistics);
        let mut pass = pass.with_flat(is_flat(x)?);
        let mut h = pass.enter(x)?;
        for layer in &self.down {
            h = layer.run(&mut pass, &h, mix, true)?;
        }
        h.settle(); // the residual additions need the values themselves
        for [first, second] in &self.residuals {
            let y = first.run(&mut pass, &h, mix, true)?;
            let y = second.run(&mut pass, &y, mix, false)?;
            pass.add(&mut h, &y)?;
        }
        for layer in &self.up {
            h = layer.run(&mut pass, &h, mix, true)?;
        }
        let out = pass.conv(&self.last, &h)?;
        watch.step(1.0)?;
        out.into_tensor()
    }

    /// Multiply-adds of a pass over `[batch, 3, height, width]`, times two.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small.
    pub fn flops(&self, shape: [usize; 4]) -> Result<f64> {
        let mut tally = Tally::new(shape);
        let layers = self.down.iter().chain(self.residuals.iter().flatten()).chain(&self.up);
        layers.map(|layer| &layer.conv).chain([&self.last]).try_for_each(|conv| tally.conv(conv))?;
        Ok(tally.flops)
    }
}
