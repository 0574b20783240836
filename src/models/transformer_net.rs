//! The image transformation network of Johnson et al. 2016 (arXiv 1603.08155) with instance normalisation (Ulyanov et
//! al. 2016) and an upsample-and-convolve decoder, as in pytorch/examples `fast_neural_style`; also with the conditional
//! normalisation of Dumoulin et al. 2017 (arXiv 1610.07629), where styles share all convolutions and each has its own row
//! of every norm's scale and shift, so that rows can be mixed.

use std::collections::HashMap;

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{Init, VarBuilder};

use super::Buffers;
use crate::nn::{
    ChannelStatistics, Conv2d, EPS, Error, Input, OnTheWay, Options, Padding, Result, Watch, apply, on_cpu, with_slice,
};

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
        let residuals = (1..).take_while(|i| tensors.contains_key(&format!("res{i}.conv1.conv2d.weight"))).count();
        let widths = [width("conv1.conv2d.weight")?, width("conv2.conv2d.weight")?, width("conv3.conv2d.weight")?];
        Ok(Config { widths, residuals, styles })
    }
}

/// Where the means and variances of the norms come from. One [`ChannelStatistics`] per norm, in the order of the pass.
pub enum Statistics<'a> {
    /// From the picture itself.
    Compute,
    /// From the picture itself, and kept for a later replay.
    Record(&'a mut Vec<ChannelStatistics>),
    /// From an earlier pass: makes the network a function of its receptive field only, so that tiles meet without seams.
    Replay(&'a [ChannelStatistics]),
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
    norm: Norm,
}

/// `[styles][channels]`, one row when unconditional.
#[derive(Debug)]
struct Norm {
    scale: Vec<Vec<f32>>,
    shift: Vec<Vec<f32>>,
}

impl Norm {
    fn new(cfg: &Config, channels: usize, vb: VarBuilder<'_>) -> CandleResult<Norm> {
        let rows = |name: &str, usual: f64| match cfg.styles {
            Some(styles) => vb.get_with_hints((styles, channels), name, Init::Const(usual))?.to_vec2::<f32>(),
            None => Ok(vec![vb.get_with_hints(channels, name, Init::Const(usual))?.to_vec1::<f32>()?]),
        };
        Ok(Norm { scale: rows("weight", 1.0)?, shift: rows("bias", 0.0)? })
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
            Ok(Layer { conv: conv(vb, name, shape, options)?, norm: Norm::new(&cfg, shape[0], vb.pp(norm))? })
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
        self.forward_with(x, mix, statistics, watch, &mut Buffers::default())
    }

    /// As [`TransformerNet::forward`], with memory kept from pass to pass.
    ///
    /// # Errors
    /// As [`TransformerNet::forward`].
    pub fn forward_with(
        &self,
        x: &Tensor,
        mix: &[f32],
        mut statistics: Statistics<'_>,
        watch: &Watch<'_>,
        buffers: &mut Buffers,
    ) -> Result<Tensor> {
        let rows = self.config.styles.unwrap_or(1);
        if mix.len() != rows {
            return Err(Error::Shape(format!("the network has {rows} styles but the mix has {} weights", mix.len())));
        }
        if let Statistics::Record(into) = &mut statistics {
            into.clear();
        }
        let (b, c, h, w) = x.dims4()?;
        let shape = [b, c, h, w];
        let mut pass = Pass { mix, statistics, watch, norms: 0, done: 0.0, total: self.flops(shape)?, buffers };
        if on_cpu(x) && self.last.is_packed() { self.fast(x, shape, &mut pass) } else { self.plain(x, &mut pass) }
    }

    /// Multiply-adds of a pass over `[batch, 3, height, width]`, times two.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small.
    pub fn flops(&self, mut shape: [usize; 4]) -> Result<f64> {
        let mut total = 0.0;
        let convs = self.down.iter().chain(self.residuals.iter().flatten()).chain(&self.up).map(|l| &l.conv);
        for conv in convs.chain([&self.last]) {
            let [h, w] = conv.output_size(shape)?;
            total += conv.flops(shape);
            shape = [shape[0], conv.out_channels(), h, w];
        }
        Ok(total)
    }

    /// Our kernels: a norm is never written to memory but applied where the next layer reads.
    fn fast(&self, x: &Tensor, shape: [usize; 4], pass: &mut Pass<'_>) -> Result<Tensor> {
        let x = x.contiguous()?;
        let mut h = with_slice(&x, |data| pass.layer(&self.down[0], data, shape, None, true))?;
        for layer in &self.down[1..] {
            h = pass.next(layer, h, true)?;
        }
        h.settle(); // the residual additions need the values themselves
        for [first, second] in &self.residuals {
            let y = pass.layer(first, &h.data, h.shape, None, true)?;
            let y = pass.next(second, y, false)?;
            apply(&mut h.data, Some(&y.data), &y.ways);
            pass.buffers.give(y.data);
        }
        for layer in &self.up {
            h = pass.next(layer, h, true)?;
        }
        let [height, width] = self.last.output_size(h.shape)?;
        let ways = h.way();
        let mut out = pass.buffers.take(shape[0] * 3 * height * width);
        let input = Input { data: &h.data, shape: h.shape, on_the_way: ways };
        self.last.run(&input, &mut out, None, None, pass.watch)?;
        pass.buffers.give(h.data);
        pass.watch.step(1.0)?;
        Ok(Tensor::from_vec(out, (shape[0], 3, height, width), x.device())?)
    }

    /// candle's operations, for other devices and types.
    fn plain(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        let mut h = x.clone();
        for layer in &self.down {
            h = pass.plain(layer, &h, true)?;
        }
        for [first, second] in &self.residuals {
            let y = pass.plain(first, &h, true)?;
            h = (h + pass.plain(second, &y, false)?)?;
        }
        for layer in &self.up {
            h = pass.plain(layer, &h, true)?;
        }
        let out = self.last.forward(&h, pass.watch)?;
        pass.watch.step(1.0)?;
        Ok(out)
    }
}

/// One picture's way through the network.
struct Pass<'a> {
    mix: &'a [f32],
    statistics: Statistics<'a>,
    watch: &'a Watch<'a>,
    norms: usize,
    done: f64,
    total: f64,
    buffers: &'a mut Buffers,
}

/// A convolution's output, `[batch, channels, height, width]`, and the norm and ReLU that are still to be applied to it
/// (none when empty).
struct Feature {
    data: Vec<f32>,
    shape: [usize; 4],
    ways: Vec<OnTheWay>,
}

impl Feature {
    fn way(&self) -> Option<&[OnTheWay]> {
        (!self.ways.is_empty()).then_some(&self.ways[..])
    }

    fn settle(&mut self) {
        if !self.ways.is_empty() {
            apply(&mut self.data, None, &self.ways);
            self.ways.clear();
        }
    }
}

impl Pass<'_> {
    /// Runs a layer over a feature that is not needed afterwards.
    fn next(&mut self, layer: &Layer, x: Feature, relu: bool) -> Result<Feature> {
        let y = self.layer(layer, &x.data, x.shape, x.way(), relu);
        self.buffers.give(x.data);
        y
    }

    fn layer(
        &mut self,
        Layer { conv, norm }: &Layer,
        data: &[f32],
        shape: [usize; 4],
        on_the_way: Option<&[OnTheWay]>,
        relu: bool,
    ) -> Result<Feature> {
        let [height, width] = conv.output_size(shape)?;
        let channels = conv.out_channels();
        let mut out = self.buffers.take(shape[0] * channels * height * width);
        let mut moments = (!matches!(self.statistics, Statistics::Replay(_))).then(Vec::new);
        conv.run(&Input { data, shape, on_the_way }, &mut out, None, moments.as_mut(), self.watch)?;
        let own = moments.map(|m| ChannelStatistics::of(&m));
        let statistics = self.resolve(own, shape[0] * channels)?;
        let ways = statistics.ways(&Norm::mixed(&norm.scale, self.mix), &Norm::mixed(&norm.shift, self.mix), relu);
        self.step(conv.flops(shape))?;
        Ok(Feature { data: out, shape: [shape[0], channels, height, width], ways })
    }

    /// The statistics to use for the next norm, of `len` channels, given its own unless they are replayed.
    fn resolve(&mut self, own: Option<ChannelStatistics>, len: usize) -> Result<ChannelStatistics> {
        let index = self.norms;
        self.norms += 1;
        let statistics = match (&mut self.statistics, own) {
            (Statistics::Replay(given), _) => given.get(index).cloned(),
            (Statistics::Record(into), Some(own)) => {
                into.push(own.clone());
                Some(own)
            }
            (_, own) => own,
        };
        statistics
            .filter(|s| s.mean.len() == len && s.variance.len() == len)
            .ok_or_else(|| Error::Shape("the replayed statistics are of another network".into()))
    }

    fn step(&mut self, flops: f64) -> Result<()> {
        self.done += flops;
        self.watch.step((self.done / self.total.max(1.0)) as f32)
    }

    fn plain(&mut self, layer: &Layer, x: &Tensor, relu: bool) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let x = layer.conv.forward(x, self.watch)?;
        let channels = layer.conv.out_channels();
        let own = match self.statistics {
            Statistics::Replay(_) => None,
            _ => {
                let mean = x.mean_keepdim((2, 3))?;
                let variance = x.broadcast_sub(&mean)?.sqr()?.mean((2, 3))?;
                let flat = |t: Tensor| t.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>();
                Some(ChannelStatistics { mean: flat(mean)?, variance: flat(variance)? })
            }
        };
        let s = self.resolve(own, b * channels)?;
        let (scale, shift) = (Norm::mixed(&layer.norm.scale, self.mix), Norm::mixed(&layer.norm.shift, self.mix));
        let column = |values: Vec<f32>, n: usize| -> Result<Tensor> {
            Ok(Tensor::from_vec(values, (n, channels, 1, 1), x.device())?.to_dtype(x.dtype())?)
        };
        let root = s.variance.iter().map(|v| (f64::from(*v) + EPS).sqrt() as f32).collect();
        let y = x.broadcast_sub(&column(s.mean, b)?)?.broadcast_div(&column(root, b)?)?;
        let y = y.broadcast_mul(&column(scale, 1)?)?.broadcast_add(&column(shift, 1)?)?;
        self.step(layer.conv.flops([b, c, h, w]))?;
        Ok(if relu { y.relu()? } else { y })
    }
}
