//! What flows between the layers of a network, and the pass that carries it: memory that layers hand to each other,
//! progress, cancellation, and one set of operations for the processor (ours) and other devices (candle's).

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use super::conv2d::{Conv2d, on_cpu, with_slice};
use super::direct::Input;
use super::watch::Watch;
use super::{Error, Result, resample};

/// Memory that layers are done with, for later layers and for the next pass: fresh pages cost as much time as writing
/// them, and a big picture needs hundreds of megabytes of them. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<f32>>>>);

impl Pool {
    /// `len` floats of any content: the smallest spare buffer that fits without wasting half of it, else a new one.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |b: &Vec<f32>| b.capacity() >= len && b.capacity() / 2 <= len;
        let best = spare.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.capacity()).map(|(i, _)| i);
        let mut data = match best {
            Some(i) => spare.swap_remove(i),
            None => Vec::new(),
        };
        if data.capacity() < len {
            // Nothing fits: what lies about is of another stage of the network. Let go of as much as is asked for.
            let mut freed = 0;
            while freed < len && !spare.is_empty() {
                freed += spare.remove(0).capacity();
            }
            data = vec![0.0; len];
        }
        data.resize(len, 0.0);
        Buffer { data, pool: self.clone() }
    }
}

/// Floats that go back to their pool when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    data: Vec<f32>,
    pool: Pool,
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        if data.capacity() > 0 {
            self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(data);
        }
    }
}

/// A feature map, `[batch, channels, height, width]`.
#[derive(Debug)]
pub struct Features {
    body: Body,
    shape: [usize; 4],
}

#[derive(Debug)]
enum Body {
    /// f32 on the processor.
    Ours(Buffer),
    /// Any other device or type.
    Candle(Tensor),
}

impl Features {
    /// `[batch, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    fn of(tensor: Tensor) -> Result<Features> {
        let (b, c, h, w) = tensor.dims4()?;
        Ok(Features { body: Body::Candle(tensor), shape: [b, c, h, w] })
    }

    /// The values as candle knows them.
    ///
    /// # Errors
    /// [`Error::Candle`] when out of memory.
    pub fn into_tensor(self) -> Result<Tensor> {
        match self.body {
            Body::Ours(mut buffer) => {
                let data = std::mem::take(&mut buffer.data);
                Ok(Tensor::from_vec(data, &self.shape[..], &candle_core::Device::Cpu)?)
            }
            Body::Candle(tensor) => Ok(tensor),
        }
    }

    /// A copy of the values as candle knows them, to look at midway.
    ///
    /// # Errors
    /// [`Error::Candle`] when out of memory.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.body {
            Body::Ours(buffer) => Ok(Tensor::from_slice(buffer, &self.shape[..], &candle_core::Device::Cpu)?),
            Body::Candle(tensor) => Ok(tensor.clone()),
        }
    }
}

/// One picture's (or batch's) way through a network.
pub struct Pass<'a> {
    pool: Pool,
    watch: &'a Watch<'a>,
    done: f64,
    total: f64,
}

impl<'a> Pass<'a> {
    /// `total` multiply-adds times two ([`Conv2d::flops`]) are ahead: what progress is measured against. 0 reports none.
    pub fn new(pool: &Pool, watch: &'a Watch<'a>, total: f64) -> Pass<'a> {
        Pass { pool: pool.clone(), watch, done: 0.0, total }
    }

    /// Takes a tensor in.
    ///
    /// # Errors
    /// [`Error::Shape`] when it does not have four dimensions.
    pub fn enter(&self, x: &Tensor) -> Result<Features> {
        if !on_cpu(x) {
            return Features::of(x.clone());
        }
        let (b, c, h, w) = x.dims4()?;
        let mut data = self.pool.take(b * c * h * w);
        with_slice(&x.contiguous()?, |values| {
            data.copy_from_slice(values);
            Ok(())
        })?;
        Ok(Features { body: Body::Ours(data), shape: [b, c, h, w] })
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
        self.watch.check()?;
        let [height, width] = conv.output_size(x.shape)?;
        let shape = [x.shape[0], conv.out_channels(), height, width];
        if let Some(r) = residual
            && r.shape != shape
        {
            return Err(Error::Shape(format!("a residual of {:?} does not fit {shape:?}", r.shape)));
        }
        let out = match &x.body {
            Body::Ours(data) if conv.is_packed() => {
                let mut out = self.pool.take(shape.iter().product());
                let residual = match residual.map(|r| &r.body) {
                    Some(Body::Ours(r)) => Some(&**r),
                    Some(Body::Candle(_)) => return Err(apart()),
                    None => None,
                };
                conv.run(&Input { data, shape: x.shape, on_the_way: None }, &mut out, residual, None, self.watch)?;
                Features { body: Body::Ours(out), shape }
            }
            Body::Candle(tensor) => {
                let residual = match residual.map(|r| &r.body) {
                    Some(Body::Candle(r)) => Some(r),
                    Some(Body::Ours(_)) => return Err(apart()),
                    None => None,
                };
                Features::of(conv.forward_add(tensor, residual, self.watch)?)?
            }
            Body::Ours(_) => return Err(apart()),
        };
        self.done += conv.flops(x.shape);
        if self.total > 0.0 {
            self.watch.step((self.done / self.total) as f32)?;
        }
        Ok(out)
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
        match &x.body {
            Body::Ours(data) => {
                let mut out = self.pool.take(b * c * height * width);
                resample::max_pool(data, [h, w], &mut out, [height, width], [kernel, stride, padding]);
                Ok(Features { body: Body::Ours(out), shape: [b, c, height, width] })
            }
            Body::Candle(t) => {
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
    pub fn bilinear(&self, x: &Features, [height, width]: [usize; 2], align_corners: bool) -> Result<Features> {
        let [b, c, h, w] = x.shape;
        if [h, w, height, width].contains(&0) {
            return Err(Error::Shape(format!("a {w} x {h} map cannot become {width} x {height}")));
        }
        match &x.body {
            Body::Ours(data) => {
                let mut out = self.pool.take(b * c * height * width);
                resample::bilinear(data, [h, w], &mut out, [height, width], align_corners);
                Ok(Features { body: Body::Ours(out), shape: [b, c, height, width] })
            }
            // candle forgets where a tensor begins when there is nothing to resize.
            Body::Candle(t) if [h, w] == [height, width] => Features::of(t.clone()),
            Body::Candle(t) => Features::of(t.upsample_bilinear2d(height, width, align_corners)?),
        }
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
    pub fn average_pool(&self, x: &Features, [height, width]: [usize; 2]) -> Result<Features> {
        let [b, c, h, w] = x.shape;
        if [h, w, height, width].contains(&0) {
            return Err(Error::Shape(format!("a {w} x {h} map cannot be averaged to {width} x {height}")));
        }
        match &x.body {
            Body::Ours(data) => {
                let mut out = self.pool.take(b * c * height * width);
                resample::average_pool(data, [h, w], &mut out, [height, width]);
                Ok(Features { body: Body::Ours(out), shape: [b, c, height, width] })
            }
            Body::Candle(t) => {
                let mut t = t.clone();
                for (dim, from, to) in [(2, h, height), (3, w, width)] {
                    let means = resample::windows(from, to).map(|r| t.narrow(dim, r.start, r.len())?.mean_keepdim(dim));
                    t = Tensor::cat(&means.collect::<candle_core::Result<Vec<_>>>()?, dim)?;
                }
                Features::of(t)
            }
        }
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
        if let Some(tensors) = maps.iter().map(|m| m.tensor()).collect::<Option<Vec<_>>>() {
            return Features::of(Tensor::cat(&tensors, 1)?);
        }
        let mut out = self.pool.take(b * channels * h * w);
        let mut at = 0;
        for image in 0..b {
            for map in maps {
                let Body::Ours(data) = &map.body else { return Err(apart()) };
                let len = map.shape[1] * h * w;
                out[at..at + len].copy_from_slice(&data[image * len..][..len]);
                at += len;
            }
        }
        Ok(Features { body: Body::Ours(out), shape: [b, channels, h, w] })
    }
}

impl Features {
    fn tensor(&self) -> Option<&Tensor> {
        match &self.body {
            Body::Candle(t) => Some(t),
            Body::Ours(_) => None,
        }
    }
}

fn apart() -> Error {
    Error::Shape("the weights and their input are on different devices".into())
}
