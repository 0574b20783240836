//! Instance normalisation (Ulyanov et al. 2016, arXiv 1607.08022), conditional on a style by being given its scale and
//! shift (Dumoulin et al. 2017, arXiv 1610.07629).
//!
//! Each channel of each picture is brought to mean 0 and variance 1 (biased, `eps` 1e-5), then scaled and shifted. The
//! whole is one multiply-add per value, so it is worked out per channel and applied where the values are read anyway.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::conv2d::{on_cpu, with_slice};
use super::kernel::{self, Isa, OnTheWay, Sums};
use super::packed::Moments;
use super::team::Together;
use super::watch::Watch;
use super::{Error, Result};

/// Added to the variance before its root is taken, as in PyTorch.
pub const EPS: f64 = 1e-5;

/// Mean and biased variance of each channel of each picture of a batch, `[batch * channels]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelStatistics {
    /// Means.
    pub mean: Vec<f32>,
    /// Variances, divided by the count.
    pub variance: Vec<f32>,
}

impl ChannelStatistics {
    pub(crate) fn of(moments: &[Moments]) -> ChannelStatistics {
        let variance = |m: &Moments| {
            if m.count > 0.0 { m.squares / m.count } else { 0.0 }
        };
        ChannelStatistics {
            mean: moments.iter().map(|m| m.mean as f32).collect(),
            variance: moments.iter().map(|m| variance(m) as f32).collect(),
        }
    }

    /// Measures `x`, `[batch, channels, height, width]`, f32 on the processor.
    ///
    /// # Errors
    /// [`Error::Shape`] for any other tensor.
    pub fn measure(x: &Tensor) -> Result<ChannelStatistics> {
        let (b, c, h, w) = x.dims4()?;
        if !on_cpu(x) || h * w == 0 {
            return Err(Error::Shape(format!("statistics need f32 values on the processor, not {:?}", x.dims())));
        }
        with_slice(&x.contiguous()?, |values| Ok(ChannelStatistics::of(&measured(values, b * c))))
    }

    /// Of channels that are constant but for rounding: a variance without end leaves the norm's shift alone.
    pub(super) fn constant(self) -> ChannelStatistics {
        let variance = vec![f32::INFINITY; self.variance.len()];
        ChannelStatistics { variance, ..self }
    }

    /// As [`ChannelStatistics::measure`] by candle's operations, on any device and in any type.
    pub(super) fn of_tensor(x: &Tensor) -> Result<ChannelStatistics> {
        let mean = x.mean_keepdim((2, 3))?;
        let variance = x.broadcast_sub(&mean)?.sqr()?.mean((2, 3))?;
        let flat = |t: Tensor| t.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>();
        Ok(ChannelStatistics { mean: flat(mean)?, variance: flat(variance)? })
    }

    /// What each value goes through, per picture and channel; `scale` and `shift` are `[channels]`.
    pub(crate) fn ways(&self, scale: &[f32], shift: &[f32], relu: bool) -> Vec<OnTheWay> {
        let channels = scale.len().max(1);
        let both = self.mean.iter().zip(&self.variance).enumerate();
        both.map(|(i, (mean, variance))| {
            let factor = f64::from(scale[i % channels]) / (f64::from(*variance) + EPS).sqrt();
            let shift = f64::from(shift[i % channels]) - f64::from(*mean) * factor;
            OnTheWay { scale: factor as f32, shift: shift as f32, relu }
        })
        .collect()
    }
}

/// Whether each channel of each picture of `x`, `[batch, channels, height, width]`, has one value.
///
/// # Errors
/// [`Error::Candle`].
pub fn is_flat(x: &Tensor) -> Result<bool> {
    let (b, c, h, w) = x.dims4()?;
    if !on_cpu(x) || h * w == 0 {
        return Ok(false);
    }
    let flat = |plane: &[f32]| plane.iter().all(|value| Some(value) == plane.first());
    with_slice(&x.contiguous()?, |values| Ok(b * c > 0 && values.chunks(h * w).all(flat)))
}

/// Where the means and variances of a network's norms come from. One [`ChannelStatistics`] per norm, in the order of the
/// pass.
pub enum Statistics<'a> {
    /// From the picture itself.
    Compute,
    /// From the picture itself, and kept for a later replay.
    Record(&'a mut Vec<ChannelStatistics>),
    /// From an earlier pass: makes the network a function of its receptive field only, so that tiles meet without seams.
    Replay(&'a [ChannelStatistics]),
}

/// What follows once a channel has mean 0 and variance 1: `value * scale + shift`, then perhaps a ReLU.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// `[channels]`.
    pub scale: &'a [f32],
    /// `[channels]`.
    pub shift: &'a [f32],
    /// Whether a ReLU comes last.
    pub relu: bool,
}

impl Norm<'_> {
    /// By candle's operations, on any device and in any type.
    pub(super) fn of(&self, x: &Tensor, statistics: &ChannelStatistics) -> Result<Tensor> {
        let (b, c, _, _) = x.dims4()?;
        let column = |values: &[f32], n: usize| -> Result<Tensor> {
            Ok(Tensor::from_slice(values, (n, c, 1, 1), x.device())?.to_dtype(x.dtype())?)
        };
        let root: Vec<f32> = statistics.variance.iter().map(|v| (f64::from(*v) + EPS).sqrt() as f32).collect();
        let y = x.broadcast_sub(&column(&statistics.mean, b)?)?.broadcast_div(&column(&root, b)?)?;
        let y = y.broadcast_mul(&column(self.scale, 1)?)?.broadcast_add(&column(self.shift, 1)?)?;
        Ok(if self.relu { y.relu()? } else { y })
    }
}

/// Instance normalisation of `x`, `[batch, channels, height, width]`, optionally followed by a ReLU and then by adding
/// `residual` (of x's shape). `scale` and `shift` are `[channels]`; `statistics`, if given, are used in place of x's own.
///
/// # Errors
/// [`Error::Shape`] when the shapes disagree or x is not f32 on the processor; [`Error::Cancelled`].
pub fn instance_norm(
    x: &Tensor,
    scale: &[f32],
    shift: &[f32],
    relu: bool,
    residual: Option<&Tensor>,
    statistics: Option<&ChannelStatistics>,
    watch: &Watch<'_>,
) -> Result<Tensor> {
    watch.check()?;
    let (b, c, h, w) = x.dims4()?;
    let own;
    let statistics = match statistics {
        Some(s) => s,
        None => {
            own = ChannelStatistics::measure(x)?;
            &own
        }
    };
    if scale.len() != c || shift.len() != c || statistics.mean.len() != b * c || statistics.variance.len() != b * c {
        return Err(Error::Shape(format!("a norm of {} channels was given {c}", scale.len())));
    }
    let ways = statistics.ways(scale, shift, relu);
    let out = match residual {
        Some(r) if r.dims() == x.dims() && on_cpu(r) => {
            let mut out = r.flatten_all()?.to_vec1::<f32>()?;
            with_slice(&x.contiguous()?, |x| {
                apply(&mut out, Some(x), &ways);
                Ok(())
            })?;
            out
        }
        Some(r) => {
            return Err(Error::Shape(format!("a residual of {:?} does not fit {:?}", r.dims(), x.dims())));
        }
        None => {
            let mut out = x.flatten_all()?.to_vec1::<f32>()?;
            apply(&mut out, None, &ways);
            out
        }
    };
    Ok(Tensor::from_vec(out, (b, c, h, w), x.device())?)
}

/// Pixels handed to a thread at a time.
const PART: usize = 32 * 1024;

/// In place: `values = way(values)`, or with `from` (a residual block's end) `values += way(from)`.
pub(crate) fn apply(values: &mut [f32], from: Option<&[f32]>, ways: &[OnTheWay]) {
    let plane = values.len() / ways.len().max(1);
    if plane == 0 {
        return;
    }
    let isa = Isa::best();
    values.par_chunks_mut(plane).enumerate().zip(ways).each(|((i, values), way)| {
        values.par_chunks_mut(PART).enumerate().each(|(j, values)| match from {
            Some(from) => kernel::affine_add(isa, values, &from[i * plane + j * PART..], *way),
            None => kernel::affine_in_place(isa, values, *way),
        });
    });
}

fn measured(values: &[f32], planes: usize) -> Vec<Moments> {
    let isa = Isa::best();
    let plane = (values.len() / planes.max(1)).max(1);
    let of = |values: &[f32]| {
        let parts: Vec<Sums> = values.par_chunks(PART).every(|part| {
            let mut sums = Sums::default();
            kernel::count(isa, part, &mut sums);
            sums
        });
        let mut all = Moments::default();
        parts.iter().for_each(|s| all.merge(s));
        all
    };
    values.par_chunks(plane).every(of)
}
