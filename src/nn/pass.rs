//! The pass that carries features through a network: memory that layers hand to each other, progress, cancellation, and
//! one set of operations for the processor (ours) and other devices (candle's).

mod elementwise;
mod trunk;

use candle_core::Tensor;
use rayon::prelude::*;

use super::conv2d::Conv2d;
use super::features::{Body, Features, Settled};
use super::instance_norm::{ChannelStatistics, Norm, Statistics, apply};
use super::inverted::Inverted;
use super::kernel::OnTheWay;
use super::packed::Residual;
use super::pool::{Buffer, Pool};
use super::team::{Team, Together};
use super::watch::Watch;
use super::{Error, Result, resample};

pub use trunk::Trunk;

/// One picture's (or batch's) way through a network.
pub struct Pass<'a> {
    pool: Pool,
    watch: &'a Watch<'a>,
    statistics: Statistics<'a>,
    flat: bool,
    norms: usize,
    done: f64,
    total: f64,
    _team: Team,
}

impl<'a> Pass<'a> {
    /// `total` multiply-adds times two ([`Conv2d::flops`]) are ahead: what progress is measured against. 0 reports none.
    /// Norms take the picture's own statistics.
    pub fn new(pool: &Pool, watch: &'a Watch<'a>, total: f64) -> Pass<'a> {
        Pass {
            pool: pool.clone(),
            watch,
            statistics: Statistics::Compute,
            flat: false,
            norms: 0,
            done: 0.0,
            total,
            _team: Team::call(),
        }
    }

    /// The same with the norms' means and variances from elsewhere, or kept.
    #[must_use]
    pub fn with_statistics(self, mut statistics: Statistics<'a>) -> Pass<'a> {
        if let Statistics::Record(into) = &mut statistics {
            into.clear();
        }
        Pass { statistics, ..self }
    }

    /// The same for a picture of one colour, if it is `flat`, in a network that pads by the picture itself: every channel is
    /// constant then, and each norm gives its shift. A norm would bring what convolutions round to variance 1.
    #[must_use]
    pub fn with_flat(self, flat: bool) -> Pass<'a> {
        Pass { flat, ..self }
    }

    /// Takes a tensor in, without a copy where it lies in order.
    ///
    /// # Errors
    /// [`Error::Shape`] when it does not have four dimensions.
    pub fn enter(&self, x: &Tensor) -> Result<Features> {
        Features::of(x.clone())
    }

    /// Convolves `x`.
    ///
    /// # Errors
    /// As [`Conv2d::forward`].
    pub fn conv(&mut self, conv: &Conv2d, x: &Features) -> Result<Features> {
        self.conv_add(conv, x, None)
    }

    /// Convolves `x` and adds `residual`, of the output's shape, before the activation.
    ///
    /// # Errors
    /// As [`Conv2d::forward`]; also when the residual has another shape.
    pub fn conv_add(&mut self, conv: &Conv2d, x: &Features, residual: Option<&Features>) -> Result<Features> {
        let [height, width] = conv.output_size(x.shape)?;
        let shape = [x.shape[0], conv.out_channels(), height, width];
        if let Some(r) = residual
            && r.shape != shape
        {
            return Err(Error::Shape(format!("a residual of {:?} does not fit {shape:?}", r.shape)));
        }
        if !conv.is_packed() {
            return self.forward_add(conv, x, residual);
        }
        let residual = residual.map(|r| self.settled(r));
        let values = residual.as_ref().map(|r| r.values().ok_or_else(apart)).transpose()?;
        let out = self.pool.take(shape.iter().product());
        self.conv_into(conv, x, out, values.as_deref().map_or(Residual::None, Residual::From))
    }

    /// As [`Pass::conv_add`] with a residual that nobody else needs: the result takes its place in memory.
    ///
    /// # Errors
    /// As [`Pass::conv_add`].
    pub fn conv_onto(&mut self, conv: &Conv2d, x: &Features, mut residual: Features) -> Result<Features> {
        let [height, width] = conv.output_size(x.shape)?;
        let fits = residual.shape == [x.shape[0], conv.out_channels(), height, width];
        residual.settle();
        match residual.body {
            Body::Ours(out) if conv.is_packed() && fits => self.conv_into(conv, x, out, Residual::InPlace),
            body => self.conv_add(conv, x, Some(&Features { body, ..residual })),
        }
    }

    /// By our own kernels.
    fn conv_into(&mut self, conv: &Conv2d, x: &Features, mut out: Buffer, residual: Residual<'_>) -> Result<Features> {
        self.watch.check()?;
        let [height, width] = conv.output_size(x.shape)?;
        let data = x.values().ok_or_else(apart)?;
        let input = x.input(&data);
        conv.run(&input, &mut out, residual, None, self.watch)?;
        self.step(conv.flops(x.shape))?;
        Ok(Features::ours(out, [x.shape[0], conv.out_channels(), height, width]))
    }

    /// By candle's operations.
    fn forward_add(&mut self, conv: &Conv2d, x: &Features, residual: Option<&Features>) -> Result<Features> {
        let residual = residual.map(Features::to_tensor).transpose()?;
        let out = Features::of(conv.forward_add(&x.to_tensor()?, residual.as_ref(), self.watch)?)?;
        self.step(conv.flops(x.shape))?;
        Ok(out)
    }

    /// Expands `x`, convolves each channel by itself, projects, and with `add` adds `x`: the inverted residual of Sandler
    /// et al. 2018 (arXiv 1801.04381). With our own kernels and a depthwise convolution of 3x3 or 5x5 the expanded map is
    /// never made. `expand` may also be a network's first convolution, in front of a first block that expands nothing.
    ///
    /// # Errors
    /// As [`Conv2d::forward`]; also when the result, with `add`, has another shape than `x`.
    pub fn inverted_residual(
        &mut self,
        expand: Option<&Conv2d>,
        depthwise: &Conv2d,
        project: &Conv2d,
        x: &Features,
        add: bool,
    ) -> Result<Features> {
        let [batch, channels, height, width] = x.shape;
        let wide = expand.map_or(Ok([height, width]), |e| e.output_size(x.shape))?;
        let hidden = [batch, expand.map_or(channels, Conv2d::out_channels), wide[0], wide[1]];
        let fused = Inverted::new(expand, depthwise, project).zip(x.values());
        let Some((fused, data)) = fused else {
            let wide = match expand {
                Some(expand) => &self.conv(expand, x)?,
                None => x,
            };
            let filtered = self.conv(depthwise, wide)?;
            return self.conv_add(project, &filtered, add.then_some(x));
        };
        self.watch.check()?;
        let size = depthwise.output_size(hidden)?;
        let filtered = [batch, depthwise.out_channels(), size[0], size[1]];
        project.output_size(filtered)?;
        let shape = [batch, project.out_channels(), size[0], size[1]];
        if add && shape != x.shape {
            return Err(Error::Shape(format!("a residual of {:?} does not fit {shape:?}", x.shape)));
        }
        let residual = add.then(|| self.settled(x));
        let residual = residual.as_ref().map(|r| r.values().ok_or_else(apart)).transpose()?;
        let residual = residual.as_deref().map_or(Residual::None, Residual::From);
        let mut out = self.pool.take(shape.iter().product());
        let input = x.input(&data);
        if !fused.run(&input, &mut out, wide, size, residual, self.watch.token()) {
            return Err(Error::Cancelled);
        }
        let layers = expand.map(|e| e.flops(x.shape)).into_iter();
        self.step(layers.chain([depthwise.flops(hidden), project.flops(filtered)]).sum())?;
        Ok(Features::ours(out, shape))
    }

    /// Convolves `x` and normalises the result per picture and channel. With our own kernels the statistics are gathered
    /// while the output is written, and applying them is left to whatever reads it.
    ///
    /// # Errors
    /// As [`Conv2d::forward`]; [`Error::Shape`] also when scale, shift or replayed statistics are of another length.
    pub fn conv_norm(&mut self, conv: &Conv2d, x: &Features, norm: &Norm<'_>) -> Result<Features> {
        self.watch.check()?;
        let channels = conv.out_channels();
        if norm.scale.len() != channels || norm.shift.len() != channels {
            return Err(Error::Shape(format!("a norm of {} channels was given {channels}", norm.scale.len())));
        }
        let [height, width] = conv.output_size(x.shape)?;
        let shape = [x.shape[0], channels, height, width];
        let out = if conv.is_packed() {
            let data = x.values().ok_or_else(apart)?;
            let mut out = self.pool.take(shape.iter().product());
            let mut moments = (!matches!(self.statistics, Statistics::Replay(_))).then(Vec::new);
            let input = x.input(&data);
            conv.run(&input, &mut out, Residual::None, moments.as_mut(), self.watch)?;
            let statistics = self.resolve(moments.map(|m| ChannelStatistics::of(&m)), shape[0] * channels)?;
            Features { body: Body::Ours(out), shape, pending: statistics.ways(norm.scale, norm.shift, norm.relu) }
        } else {
            let y = conv.forward_add(&x.to_tensor()?, None, self.watch)?;
            let own = match self.statistics {
                Statistics::Replay(_) => None,
                _ => Some(ChannelStatistics::of_tensor(&y)?),
            };
            let statistics = self.resolve(own, shape[0] * channels)?;
            Features::of(norm.of(&y, &statistics)?)?
        };
        self.step(conv.flops(x.shape))?;
        Ok(out)
    }

    /// The statistics to use for the next norm, of `len` channels, given its own unless they are replayed.
    fn resolve(&mut self, own: Option<ChannelStatistics>, len: usize) -> Result<ChannelStatistics> {
        let index = self.norms;
        self.norms += 1;
        let own = if self.flat { own.map(ChannelStatistics::constant) } else { own };
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
        if self.total > 0.0 {
            self.watch.step((self.done / self.total) as f32)?;
        }
        Ok(())
    }

    /// `h += y`, in place.
    ///
    /// # Errors
    /// [`Error::Shape`] when their shapes differ; [`Error::Candle`].
    pub fn add(&self, h: &mut Features, y: &Features) -> Result<()> {
        if h.shape != y.shape {
            return Err(Error::Shape(format!("maps of {:?} and {:?} cannot be added", h.shape, y.shape)));
        }
        h.settle();
        if let Body::Candle(t) = &h.body {
            let Some(values) = h.values() else {
                let Body::Candle(y) = &y.body else { return Err(apart()) };
                *h = Features::of((t + y)?)?;
                return Ok(());
            };
            let mut own = self.pool.take(values.len());
            own.copy_from_slice(&values);
            drop(values);
            h.body = Body::Ours(own);
        }
        let (Body::Ours(to), Some(from)) = (&mut h.body, y.values()) else { return Err(apart()) };
        let planes = y.shape[0] * y.shape[1];
        match y.on_the_way() {
            Some(ways) => apply(to, Some(&from), ways),
            None => apply(to, Some(&from), &vec![OnTheWay::NOTHING; planes]),
        }
        Ok(())
    }

    /// Each channel of each picture times one number, `[batch, channels, 1, 1]`: what squeeze-and-excitation does (Hu et
    /// al. 2018, arXiv 1709.01507). With our own kernels it is left to whatever reads the channels next.
    ///
    /// # Errors
    /// [`Error::Shape`] when the numbers are not one per channel; [`Error::Candle`].
    pub fn gate(&self, mut x: Features, gate: &Features) -> Result<Features> {
        let [batch, channels, ..] = x.shape;
        if gate.shape != [batch, channels, 1, 1] {
            return Err(Error::Shape(format!("a gate of {:?} does not fit maps of {:?}", gate.shape, x.shape)));
        }
        x.settle();
        let gate = self.settled(gate);
        match (&x.body, gate.values()) {
            (Body::Ours(_), Some(scales)) => {
                x.pending = scales.iter().map(|scale| OnTheWay { scale: *scale, shift: 0.0, relu: false }).collect();
                Ok(x)
            }
            _ => Features::of(x.to_tensor()?.broadcast_mul(&gate.to_tensor()?)?),
        }
    }

    /// Zeros around each channel: this many rows above and below, columns left and right. For paddings that
    /// [`Options`](super::Options) has not.
    ///
    /// # Errors
    /// [`Error::Candle`].
    pub fn pad(&self, x: &Features, [above, below, left, right]: [usize; 4]) -> Result<Features> {
        let [b, c, h, w] = x.shape;
        let x = self.settled(x);
        let Some(data) = x.values() else {
            return Features::of(x.to_tensor()?.pad_with_zeros(2, above, below)?.pad_with_zeros(3, left, right)?);
        };
        let [height, width] = [above + h + below, left + w + right];
        let mut out = self.pool.take(b * c * height * width);
        resample::pad(&data, [h, w], &mut out, [height, width], [above, left]);
        Ok(Features::ours(out, [b, c, height, width]))
    }

    /// `x` with nothing pending, copied only if something is.
    fn settled<'x>(&self, x: &'x Features) -> Settled<'x> {
        match &x.body {
            Body::Ours(values) if !x.pending.is_empty() => {
                let mut out = self.pool.take(values.len());
                out.copy_from_slice(values);
                apply(&mut out, None, &x.pending);
                Settled::Made(Features::ours(out, x.shape))
            }
            _ => Settled::Given(x),
        }
    }

    /// The largest of each `kernel` x `kernel` window; beyond the edge there is nothing to choose from.
    ///
    /// # Errors
    /// [`Error::Shape`] when no window fits or one could miss the map altogether.
    pub fn max_pool(&self, x: &Features, kernel: usize, stride: usize, padding: usize) -> Result<Features> {
        let [b, c, h, w] = x.shape;
        let side = |n: usize| (n + 2 * padding).checked_sub(kernel).and_then(|v| v.checked_div(stride)).map(|v| v + 1);
        let fits = kernel > 0 && 2 * padding <= kernel && h > 0 && w > 0;
        let (Some(height), Some(width), true) = (side(h), side(w), fits) else {
            return Err(Error::Shape(format!(
                "a {w} x {h} map cannot be pooled in windows of {kernel}, {stride} apart, with {padding} of padding"
            )));
        };
        let x = self.settled(x);
        match x.values() {
            Some(data) => {
                let mut out = self.pool.take(b * c * height * width);
                resample::max_pool(&data, [h, w], &mut out, [height, width], [kernel, stride, padding]);
                Ok(Features::ours(out, [b, c, height, width]))
            }
            None => {
                let t = x.to_tensor()?;
                // Far below anything a network makes, so that it never wins.
                let low = t.zeros_like()?.affine(0.0, -1e30)?;
                let ring = t.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
                let inside = t.ones_like()?.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
                let low = low.narrow(2, 0, 1)?.narrow(3, 0, 1)?.broadcast_as(ring.shape())?.contiguous()?;
                let t = inside.gt(&inside.zeros_like()?)?.where_cond(&ring, &low)?;
                Features::of(t.max_pool2d_with_stride(kernel, stride)?)
            }
        }
    }

    /// Resizes each channel to `[height, width]` bilinearly, as PyTorch's `interpolate`: with `align_corners` the corner
    /// pixels' centres stay where they are, without it the corners of the picture do.
    ///
    /// # Errors
    /// [`Error::Shape`] for an empty side; [`Error::Candle`].
    pub fn bilinear(&self, x: &Features, to: [usize; 2], align_corners: bool) -> Result<Features> {
        let ours = |data: &[f32], from, out: &mut [f32]| {
            resample::bilinear(data, from, out, to, align_corners, self.watch.token());
        };
        self.resampled(x, to, ours, |t, from| match from == to {
            // candle forgets where a tensor begins when there is nothing to resize.
            true => Ok(t),
            false => Ok(t.upsample_bilinear2d(to[0], to[1], align_corners)?),
        })
    }

    /// Each channel resized to `[height, width]`: by `ours` from values and their height and width, or by `candle`.
    fn resampled(
        &self,
        x: &Features,
        [height, width]: [usize; 2],
        ours: impl FnOnce(&[f32], [usize; 2], &mut [f32]),
        candle: impl FnOnce(Tensor, [usize; 2]) -> Result<Tensor>,
    ) -> Result<Features> {
        let [b, c, h, w] = x.shape;
        if [h, w, height, width].contains(&0) {
            return Err(Error::Shape(format!("a {w} x {h} map cannot become {width} x {height}")));
        }
        let x = self.settled(x);
        match x.values() {
            Some(data) => {
                let mut out = self.pool.take(b * c * height * width);
                ours(&data, [h, w], &mut out);
                self.watch.check()?;
                Ok(Features::ours(out, [b, c, height, width]))
            }
            None => Features::of(candle(x.to_tensor()?, [h, w])?),
        }
    }

    /// Resizes each channel to `[height, width]` by the pixel that each new one lies in, as PyTorch's `interpolate` does
    /// unless told otherwise.
    ///
    /// # Errors
    /// [`Error::Shape`] for an empty side; [`Error::Candle`].
    pub fn nearest(&self, x: &Features, to: [usize; 2]) -> Result<Features> {
        let ours = |data: &[f32], from, out: &mut [f32]| resample::nearest(data, from, out, to);
        self.resampled(x, to, ours, |t, _| Ok(t.upsample_nearest2d(to[0], to[1])?))
    }

    /// The mean of each channel, `[batch, channels, 1, 1]`.
    ///
    /// # Errors
    /// As [`Pass::average_pool`].
    pub fn mean(&self, x: &Features) -> Result<Features> {
        self.average_pool(x, [1, 1])
    }

    /// The means of `height` x `width` windows that cover each channel as evenly as whole pixels allow, as PyTorch's
    /// `adaptive_avg_pool2d`: window i of n reaches from pixel floor(i side / n) to ceil((i + 1) side / n).
    ///
    /// # Errors
    /// [`Error::Shape`] for an empty side; [`Error::Candle`].
    pub fn average_pool(&self, x: &Features, to: [usize; 2]) -> Result<Features> {
        let ours = |data: &[f32], from, out: &mut [f32]| resample::average_pool(data, from, out, to);
        self.resampled(x, to, ours, |mut t, [h, w]| {
            for (dim, from, to) in [(2, h, to[0]), (3, w, to[1])] {
                let means = resample::windows(from, to).map(|r| t.narrow(dim, r.start, r.len())?.mean_keepdim(dim));
                t = Tensor::cat(&means.collect::<candle_core::Result<Vec<_>>>()?, dim)?;
            }
            Ok(t)
        })
    }

    /// All maps of one size one after another along the channels.
    ///
    /// # Errors
    /// [`Error::Shape`] when sizes or batches differ, or there are none.
    pub fn concat(&self, maps: &[&Features]) -> Result<Features> {
        let Some([b, _, h, w]) = maps.first().map(|m| m.shape) else {
            return Err(Error::Shape("there is nothing to concatenate".into()));
        };
        if maps.iter().any(|m| [m.shape[0], m.shape[2], m.shape[3]] != [b, h, w]) {
            return Err(Error::Shape("maps of different sizes cannot be concatenated".into()));
        }
        let channels = maps.iter().map(|m| m.shape[1]).sum();
        let Some(values) = maps.iter().map(|m| m.values()).collect::<Option<Vec<_>>>() else {
            let maps: Vec<Settled<'_>> = maps.iter().map(|m| self.settled(m)).collect();
            let tensors = maps.iter().map(|m| m.to_tensor()).collect::<Result<Vec<_>>>()?;
            return Features::of(Tensor::cat(&tensors, 1)?);
        };
        // Each plane, and what it has yet to go through.
        let mut planes = Vec::with_capacity(b * channels);
        for image in 0..b {
            for (map, data) in maps.iter().zip(&values) {
                planes.extend((image * map.shape[1]..(image + 1) * map.shape[1]).map(|i| {
                    let way = map.on_the_way().map(|ways| ways[i]);
                    (&data[i * h * w..(i + 1) * h * w], way)
                }));
            }
        }
        let mut out = self.pool.take(b * channels * h * w);
        let token = self.watch.token();
        out.par_chunks_mut((h * w).max(1)).zip(planes).each(|(to, (from, way))| {
            if token.is_cancelled() {
                return;
            }
            to.copy_from_slice(from);
            if let Some(way) = way {
                apply(to, None, &[way]);
            }
        });
        self.watch.check()?;
        Ok(Features::ours(out, [b, channels, h, w]))
    }
}

fn apart() -> Error {
    Error::Shape("the weights and their input are on different devices".into())
}
