//! Two-dimensional convolution on the processor, several times faster than candle's own, and candle's elsewhere.

use candle_core::{DType, Device, Storage, Tensor};

use super::kernel::Isa;
use super::packed::{Input, Moments, Packed, Residual};
use super::watch::Watch;
use super::{Error, Result, transpose};

/// What stands beyond the picture's edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Zeros.
    #[default]
    Zero,
    /// The picture mirrored, its edge pixel not repeated (PyTorch's `ReflectionPad2d`).
    Reflect,
    /// Zeros, as many as make the output the input's size over the stride, rounded up; of an odd number the larger half
    /// stands right and below (TensorFlow's `SAME`). For square kernels.
    Same,
}

/// What an output value goes through last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(v, 0)`.
    Relu,
    /// `min(max(v, 0), 6)` (Sandler et al. 2018).
    Relu6,
}

impl Activation {
    /// The lowest and the highest value that leaves.
    pub(super) fn range(self) -> [f32; 2] {
        match self {
            Activation::None => [f32::NEG_INFINITY, f32::INFINITY],
            Activation::Relu => [0.0, f32::INFINITY],
            Activation::Relu6 => [0.0, 6.0],
        }
    }

    /// Applied to a tensor on any device.
    pub(super) fn of(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::None => x.clone(),
            Activation::Relu => x.relu()?,
            Activation::Relu6 => x.clamp(0.0, 6.0)?,
        })
    }
}

/// Everything about a convolution but its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Pixels from one output pixel's window to the next one's.
    pub stride: usize,
    /// Pixels from one tap to the next (the atrous rate).
    pub dilation: usize,
    /// Groups of channels that do not see each other; as many as channels makes it depthwise.
    pub groups: usize,
    /// Pixels added on each of the four sides, after any doubling. Not looked at with [`Padding::Same`].
    pub padding: usize,
    /// What they are.
    pub mode: Padding,
    /// Doubles the input's height and width first, each pixel becoming four (nearest neighbour).
    pub upsample: bool,
    /// Applied to the output, after the residual where there is one.
    pub activation: Activation,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            stride: 1,
            dilation: 1,
            groups: 1,
            padding: 0,
            mode: Padding::Zero,
            upsample: false,
            activation: Activation::None,
        }
    }
}

impl Options {
    /// Pixels added on both sides together of `n` (doubled) ones.
    fn added(&self, n: usize, kernel: usize) -> usize {
        let reach = (kernel - 1) * self.dilation;
        match self.mode {
            Padding::Zero | Padding::Reflect => 2 * self.padding,
            Padding::Same => ((n.div_ceil(self.stride).max(1) - 1) * self.stride + reach + 1).saturating_sub(n),
        }
    }

    /// Those of them that stand left or above.
    pub(super) fn before(&self, n: usize, kernel: usize) -> usize {
        self.added(n, kernel) / 2
    }
}

/// A convolution ready to run: weights packed once; padding, doubling, bias, a residual and activation folded in.
/// Also the transposed one: [`Conv2d::transposed`], whose shapes are given there.
///
/// # Shapes
/// Weight `[out, in / groups, kernel height, kernel width]`, bias `[out]`, input `[batch, in, height, width]`,
/// output `[batch, out, (height + 2 padding - dilation (kernel - 1) - 1) / stride + 1, ...]`, or with [`Padding::Same`]
/// `[batch, out, height / stride rounded up, ...]`, height doubled first with `upsample`.
#[derive(Debug)]
pub struct Conv2d {
    pub(super) body: Body,
    pub(super) options: Options,
    /// `[out, in / groups, kernel height, kernel width]`.
    pub(super) shape: [usize; 4],
    /// The output padding of a transposed convolution.
    pub(super) transposed: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Body {
    /// f32 on the processor: ours.
    Packed(Packed, Isa),
    /// Any other device or type: candle's, with the rest made of candle's operations.
    Candle { weight: Tensor, bias: Option<Tensor> },
}

impl Conv2d {
    /// Packs `weight` for the fastest instruction set of this machine.
    ///
    /// # Errors
    /// [`Error::Shape`] when weight, bias and options contradict each other.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, options: Options) -> Result<Conv2d> {
        Conv2d::with_isa(weight, bias, options, Isa::best())
    }

    /// As [`Conv2d::new`] for a given instruction set (one of [`Isa::available`]): so that tests reach them all.
    ///
    /// # Errors
    /// [`Error::Shape`] as above, or when this machine lacks `isa`.
    pub fn with_isa(weight: &Tensor, bias: Option<&Tensor>, options: Options, isa: Isa) -> Result<Conv2d> {
        let (out, ins, kh, kw) = weight.dims4()?;
        let Options { stride, dilation, groups, mode, .. } = options;
        let lopsided = mode == Padding::Same && kh != kw;
        if [out, ins, kh, kw, stride, dilation, groups].contains(&0) || out % groups != 0 || lopsided {
            return Err(Error::Shape(format!(
                "a convolution of weight {:?} cannot have stride {stride}, dilation {dilation}, {groups} groups and \
                 {mode:?} padding",
                weight.dims()
            )));
        }
        if let Some(bias) = bias
            && bias.dims() != [out]
        {
            return Err(Error::Shape(format!("a bias of {:?} does not fit {out} output channels", bias.dims())));
        }
        if !Isa::available().contains(&isa) {
            return Err(Error::Shape(format!("this machine has no {isa:?} instructions")));
        }
        let shape = [out, ins, kh, kw];
        let body = if on_cpu(weight) {
            let flat = weight.flatten_all()?.to_vec1::<f32>()?;
            let bias = bias.map(|b| b.to_vec1::<f32>()).transpose()?.unwrap_or_default();
            Body::Packed(Packed::new(&flat, shape, &bias, options), isa)
        } else {
            Body::Candle { weight: weight.clone(), bias: bias.cloned() }
        };
        Ok(Conv2d { body, options, shape, transposed: None })
    }

    /// Convolves `x`, `[batch, in, height, width]`, on its own device.
    ///
    /// # Errors
    /// [`Error::Shape`] when the channels differ, the kernel does not fit or a reflection reaches over the far edge;
    /// [`Error::Cancelled`] soon (some ten milliseconds) after the watch's token is cancelled.
    pub fn forward(&self, x: &Tensor, watch: &Watch<'_>) -> Result<Tensor> {
        watch.check()?;
        match &self.body {
            Body::Packed(..) if on_cpu(x) => {
                let x = x.contiguous()?;
                let shape = x.dims4()?;
                let shape = [shape.0, shape.1, shape.2, shape.3];
                let [height, width] = self.output_size(shape)?;
                let mut out = vec![0.0; shape[0] * self.shape[0] * height * width];
                with_slice(&x, |data| {
                    self.run(
                        &Input { data, shape, on_the_way: None, panels: false },
                        &mut out,
                        Residual::None,
                        None,
                        watch,
                    )
                })?;
                Ok(Tensor::from_vec(out, (shape[0], self.shape[0], height, width), x.device())?)
            }
            Body::Packed(..) => Err(Error::Shape("the weights are on the processor but the input is not".into())),
            Body::Candle { .. } => self.forward_add(x, None, watch),
        }
    }

    /// As [`Conv2d::forward`] by candle's operations, with `residual` added before the activation.
    pub(super) fn forward_add(&self, x: &Tensor, residual: Option<&Tensor>, watch: &Watch<'_>) -> Result<Tensor> {
        watch.check()?;
        let Body::Candle { weight, bias } = &self.body else {
            return Err(Error::Shape("the weights are on the processor but the input is not".into()));
        };
        let y = self.candle(x, weight, bias.as_ref())?;
        self.options.activation.of(&match residual {
            Some(residual) => (y + residual)?,
            None => y,
        })
    }

    /// The weights as packed for the processor, and the instructions they are for.
    pub(super) fn packed(&self) -> Option<(&Packed, Isa)> {
        match &self.body {
            Body::Packed(packed, isa) => Some((packed, *isa)),
            Body::Candle { .. } => None,
        }
    }

    /// Whether [`Conv2d::run`] may be called: the weights are packed for the processor.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.body, Body::Packed(..))
    }

    /// Output channels.
    pub fn out_channels(&self) -> usize {
        self.shape[0]
    }

    /// `[height, width]` that an input of `[batch, in, height, width]` leads to.
    ///
    /// # Errors
    /// [`Error::Shape`] as for [`Conv2d::forward`].
    pub fn output_size(&self, [_, channels, height, width]: [usize; 4]) -> Result<[usize; 2]> {
        let wanted = self.shape[1] * self.options.groups;
        if channels != wanted {
            return Err(Error::Shape(format!("a convolution over {wanted} channels was given {channels}")));
        }
        if let Some(output_padding) = self.transposed {
            return transpose::output_size([height, width], self.shape, self.options, output_padding);
        }
        let Options { stride, dilation, padding, upsample, mode, .. } = self.options;
        let side = |n: usize, k: usize| {
            let n = if upsample { 2 * n } else { n };
            let reach = (k - 1) * dilation;
            let far = mode == Padding::Reflect && padding >= n;
            let full = n + self.options.added(n, k);
            (n > 0 && !far).then(|| full.checked_sub(reach + 1).map(|v| v / stride + 1)).flatten()
        };
        match (side(height, self.shape[2]), side(width, self.shape[3])) {
            (Some(h), Some(w)) => Ok([h, w]),
            _ => Err(Error::Shape(format!(
                "a {width} x {height} picture is too small for a {} x {} kernel with {padding} pixels of padding",
                self.shape[3], self.shape[2]
            ))),
        }
    }

    /// Multiply-adds for an input of this shape, times two: what progress is measured in. Nothing is deducted for
    /// what the kernels save.
    pub fn flops(&self, shape: [usize; 4]) -> f64 {
        let Ok([h, w]) = self.output_size(shape) else {
            return 0.0;
        };
        let pixels = if self.transposed.is_some() { shape[2] * shape[3] } else { h * w };
        2.0 * (shape[0] * pixels) as f64 * self.shape.iter().product::<usize>() as f64
    }

    /// The work itself, slice to slice; `out` holds `[batch, out, height, width]` of [`Conv2d::output_size`], `residual`
    /// is added before the activation.
    pub(crate) fn run(
        &self,
        input: &Input<'_>,
        out: &mut [f32],
        residual: Residual<'_>,
        moments: Option<&mut Vec<Moments>>,
        watch: &Watch<'_>,
    ) -> Result<()> {
        let size = self.output_size(input.shape)?;
        let Body::Packed(packed, isa) = &self.body else {
            return Err(Error::Shape("the weights are not packed for the processor".into()));
        };
        if packed.run(*isa, input, out, size, residual, moments, watch) { Ok(()) } else { Err(Error::Cancelled) }
    }

    fn candle(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        self.output_size([b, c, h, w])?;
        let Options { stride, dilation, groups, padding, mode, upsample, .. } = self.options;
        let x = if upsample { x.upsample_nearest2d(2 * h, 2 * w)? } else { x.clone() };
        let y = match mode {
            _ if let Some(extra) = self.transposed => transpose::candle(&x, weight, self.options, extra)?,
            Padding::Zero => x.conv2d(weight, padding, stride, dilation, groups)?,
            Padding::Reflect => reflection_pad(&x, padding)?.conv2d(weight, 0, stride, dilation, groups)?,
            Padding::Same => same_pad(&x, self.shape[2], self.options)?.conv2d(weight, 0, stride, dilation, groups)?,
        };
        Ok(match bias {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?,
            None => y,
        })
    }
}

/// Mirrors `padding` pixels onto each side of `x`, `[batch, channels, height, width]`, on any device.
///
/// # Errors
/// [`Error::Shape`] when `padding` is not less than both sides.
pub fn reflection_pad(x: &Tensor, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if padding == 0 {
        return Ok(x.clone());
    }
    if padding >= h.min(w) {
        return Err(Error::Shape(format!("a {w} x {h} picture cannot be mirrored by {padding} pixels")));
    }
    let index = |n: usize| -> Result<Tensor> {
        let (n, p) = (n as i64, padding as i64);
        let mirrored = |i: i64| {
            if i < 0 {
                -i
            } else if i >= n {
                2 * (n - 1) - i
            } else {
                i
            }
        };
        let index: Vec<u32> = (-p..n + p).map(|i| mirrored(i) as u32).collect();
        Ok(Tensor::new(index, x.device())?)
    };
    Ok(x.index_select(&index(h)?, 2)?.index_select(&index(w)?, 3)?)
}

/// Zeros around `x`, as [`Padding::Same`] has them.
fn same_pad(x: &Tensor, kernel: usize, options: Options) -> Result<Tensor> {
    [2, 3].into_iter().try_fold(x.clone(), |x, axis| {
        let n = x.dim(axis)?;
        let before = options.before(n, kernel);
        Ok(x.pad_with_zeros(axis, before, options.added(n, kernel) - before)?)
    })
}

/// Whether our own kernels can take this tensor.
pub(crate) fn on_cpu(x: &Tensor) -> bool {
    matches!(x.device(), Device::Cpu) && x.dtype() == DType::F32
}

/// Lends the values of a contiguous f32 tensor on the processor.
pub(crate) fn with_slice<T>(x: &Tensor, f: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = x.storage_and_layout();
    let not_plain = || Error::Shape("a contiguous f32 tensor on the processor was expected".into());
    let Storage::Cpu(storage) = &*storage else {
        return Err(not_plain());
    };
    let (from, to) = layout.contiguous_offsets().ok_or_else(not_plain)?;
    f(&storage.as_slice::<f32>()?[from..to])
}
