//! What flows between the layers of a network.

use std::ops::{Deref, Range};

use candle_core::{Storage, Tensor};

use super::Result;
use super::conv2d::on_cpu;
use super::instance_norm::apply;
use super::kernel::OnTheWay;
use super::packed::Input;
use super::pool::Buffer;

/// A feature map, `[batch, channels, height, width]`.
///
/// A normalisation may be pending: its values are then not yet what they mean, and whatever reads them next applies it
/// on the way, so that it never costs a trip through memory of its own.
#[derive(Debug)]
pub struct Features {
    pub(super) body: Body,
    pub(super) shape: [usize; 4],
    /// What each value has yet to go through, one per batch and channel; empty when nothing. Only for [`Body::Ours`].
    pub(super) pending: Vec<OnTheWay>,
}

#[derive(Debug)]
pub(super) enum Body {
    /// f32 on the processor, written by our own kernels.
    Ours(Buffer),
    /// Any device and type; when it is f32 on the processor it is contiguous, and our kernels read it where it lies.
    Candle(Tensor),
}

/// f32 values on the processor, read where they lie.
pub(super) enum Values<'a> {
    Ours(&'a [f32]),
    Candle(Box<dyn Deref<Target = Storage> + 'a>, Range<usize>),
}

impl Deref for Values<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match self {
            Values::Ours(values) => values,
            // Made by `Features::values` alone, for storages and ranges that are there.
            Values::Candle(storage, range) => match &***storage {
                Storage::Cpu(s) => s.as_slice::<f32>().ok().and_then(|s| s.get(range.clone())).unwrap_or_default(),
                _ => &[],
            },
        }
    }
}

/// Features without anything pending: the given ones where they are so already.
pub(super) enum Settled<'a> {
    Given(&'a Features),
    Made(Features),
}

impl Deref for Settled<'_> {
    type Target = Features;
    fn deref(&self) -> &Features {
        match self {
            Settled::Given(features) => features,
            Settled::Made(features) => features,
        }
    }
}

impl Features {
    /// `[batch, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    pub(super) fn of(tensor: Tensor) -> Result<Features> {
        let (b, c, h, w) = tensor.dims4()?;
        let tensor = if on_cpu(&tensor) { tensor.contiguous()? } else { tensor };
        Ok(Features { body: Body::Candle(tensor), shape: [b, c, h, w], pending: Vec::new() })
    }

    pub(super) fn ours(buffer: Buffer, shape: [usize; 4]) -> Features {
        Features { body: Body::Ours(buffer), shape, pending: Vec::new() }
    }

    /// Applies a pending normalisation now, in place: for a map that several layers read.
    pub fn settle(&mut self) {
        if let Body::Ours(values) = &mut self.body
            && !self.pending.is_empty()
        {
            apply(values, None, &self.pending);
            self.pending.clear();
        }
    }

    /// The values as candle knows them.
    ///
    /// # Errors
    /// [`Error::Candle`](super::Error::Candle) when out of memory.
    pub fn into_tensor(mut self) -> Result<Tensor> {
        self.settle();
        match self.body {
            Body::Ours(buffer) => Ok(Tensor::from_vec(buffer.into_vec(), &self.shape[..], &candle_core::Device::Cpu)?),
            Body::Candle(tensor) => Ok(tensor),
        }
    }

    /// The values in order, without a copy where our own kernels wrote them.
    ///
    /// # Errors
    /// [`Error::Candle`](super::Error::Candle) for other types than f32.
    pub fn into_vec(mut self) -> Result<Vec<f32>> {
        self.settle();
        match self.body {
            Body::Ours(buffer) => Ok(buffer.into_vec()),
            Body::Candle(tensor) => Ok(tensor.flatten_all()?.to_vec1()?),
        }
    }

    /// A copy of the values as candle knows them, to look at midway.
    ///
    /// # Errors
    /// [`Error::Candle`](super::Error::Candle) when out of memory.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.body {
            Body::Ours(buffer) => {
                let mut values = buffer.to_vec();
                if !self.pending.is_empty() {
                    apply(&mut values, None, &self.pending);
                }
                Ok(Tensor::from_vec(values, &self.shape[..], &candle_core::Device::Cpu)?)
            }
            Body::Candle(tensor) => Ok(tensor.clone()),
        }
    }

    /// What our kernels can read, anything pending left out; `None` for other devices and types.
    pub(super) fn values(&self) -> Option<Values<'_>> {
        match &self.body {
            Body::Ours(buffer) => Some(Values::Ours(buffer)),
            Body::Candle(tensor) if on_cpu(tensor) => {
                let (storage, layout) = tensor.storage_and_layout();
                let (from, to) = layout.contiguous_offsets()?;
                Some(Values::Candle(Box::new(storage), from..to))
            }
            Body::Candle(_) => None,
        }
    }

    /// For our kernels: its [`Features::values`], and what is pending.
    pub(super) fn input<'a>(&'a self, values: &'a [f32]) -> Input<'a> {
        Input { data: values, shape: self.shape, on_the_way: self.on_the_way(), panels: false }
    }

    pub(super) fn on_the_way(&self) -> Option<&[OnTheWay]> {
        (!self.pending.is_empty()).then_some(&self.pending[..])
    }
}
