//! Transposed convolution, the gradient of a convolution with respect to its input (Dumoulin and Visin 2016, arXiv
//! 1603.07285), as PyTorch's `ConvTranspose2d`.
//!
//! With stride 2 every output pixel of one phase (even or odd row, even or odd column) sees the same few taps of a small
//! neighbourhood of the input: four ordinary convolutions whose outputs are woven together, and no zeros are multiplied.

use candle_core::Tensor;

use super::conv2d::{Body, Conv2d, Options, Padding, on_cpu};
use super::kernel::Isa;
use super::packed::{Packed, Pass, padded};
use super::{Error, Result};

impl Conv2d {
    /// A transposed convolution. Of `options`, `padding` pixels are cut off each side of the output, to whose bottom and
    /// right `output_padding` (less than the stride) are added; `mode` and `upsample` must be as by default.
    ///
    /// On the processor stride 2 is ours and other strides are candle's.
    ///
    /// # Shapes
    /// Weight `[in, out / groups, kernel height, kernel width]`, bias `[out]`, input `[batch, in, height, width]`, output
    /// `[batch, out, (height - 1) stride - 2 padding + dilation (kernel height - 1) + output_padding + 1, ...]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when weight, bias and options contradict each other.
    pub fn transposed(
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: Options,
        output_padding: usize,
    ) -> Result<Conv2d> {
        Conv2d::transposed_with_isa(weight, bias, options, output_padding, Isa::best())
    }

    /// As [`Conv2d::transposed`] for a given instruction set (one of [`Isa::available`]): so that tests reach them all.
    ///
    /// # Errors
    /// [`Error::Shape`] as above, or when this machine lacks `isa`.
    pub fn transposed_with_isa(
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: Options,
        output_padding: usize,
        isa: Isa,
    ) -> Result<Conv2d> {
        let (ins, per_group, kh, kw) = weight.dims4()?;
        let Options { stride, dilation, groups, mode, upsample, .. } = options;
        let empty = [ins, per_group, kh, kw, stride, dilation, groups].contains(&0);
        let plain = mode == Padding::Zero && !upsample && output_padding < stride.max(dilation);
        if empty || ins % groups != 0 || !plain {
            return Err(Error::Shape(format!(
                "a transposed convolution of weight {:?} cannot have {options:?} and output padding {output_padding}",
                weight.dims()
            )));
        }
        let shape = [per_group * groups, ins / groups, kh, kw];
        if let Some(bias) = bias
            && bias.dims() != [shape[0]]
        {
            return Err(Error::Shape(format!("a bias of {:?} does not fit {} output channels", bias.dims(), shape[0])));
        }
        if !Isa::available().contains(&isa) {
            return Err(Error::Shape(format!("this machine has no {isa:?} instructions")));
        }
        let body = if on_cpu(weight) && (stride, dilation) == (2, 1) {
            let flat = weight.flatten_all()?.to_vec1::<f32>()?;
            let bias = bias.map(|b| b.to_vec1::<f32>()).transpose()?.unwrap_or_default();
            Body::Packed(Packed::transposed(&flat, shape, &bias, options), isa)
        } else {
            Body::Candle { weight: weight.clone(), bias: bias.cloned() }
        };
        Ok(Conv2d { body, options, shape, transposed: Some(output_padding) })
    }
}

/// `[height, width]` of a transposed convolution's output.
pub(super) fn output_size(
    [height, width]: [usize; 2],
    [_, _, kh, kw]: [usize; 4],
    Options { stride, dilation, padding, .. }: Options,
    output_padding: usize,
) -> Result<[usize; 2]> {
    let side = |n: usize, k: usize| {
        let full = n.checked_sub(1)? * stride + (k - 1) * dilation + output_padding + 1;
        full.checked_sub(2 * padding).filter(|n| *n > 0)
    };
    match (side(height, kh), side(width, kw)) {
        (Some(h), Some(w)) => Ok([h, w]),
        _ => Err(Error::Shape(format!(
            "nothing is left of a {width} x {height} picture once {padding} pixels are cut off each side"
        ))),
    }
}

/// The same by candle's operations, activation left out.
pub(super) fn candle(x: &Tensor, weight: &Tensor, options: Options, output_padding: usize) -> Result<Tensor> {
    let Options { stride, dilation, groups, padding, .. } = options;
    let parts = x.chunk(groups, 1)?.into_iter().zip(weight.chunk(groups, 0)?);
    let parts: Vec<Tensor> = parts
        .map(|(x, w)| x.contiguous()?.conv_transpose2d(&w.contiguous()?, padding, output_padding, stride, dilation))
        .collect::<candle_core::Result<_>>()?;
    Ok(Tensor::cat(&parts, 1)?)
}

impl Packed {
    /// `weight` is `[in, out / groups, kernel height, kernel width]`; `shape` is `[out, in / groups, ...]`.
    fn transposed(weight: &[f32], shape: [usize; 4], bias: &[f32], options: Options) -> Packed {
        let [out, ins, kh, kw] = shape;
        let per_group = out / options.groups;
        // Output pixel 2j + phase sees tap k of input pixel j + offset where 2 (j + offset) + k - padding = 2j + phase.
        let seen = |phase: usize, kernel: usize| -> Vec<(usize, isize)> {
            let from = (phase + options.padding) as isize;
            let offsets = (0..kernel).map(|k| (k, from - k as isize));
            offsets.filter(|(_, twice)| twice % 2 == 0).map(|(k, twice)| (k, twice / 2)).collect()
        };
        let lowest = [kh, kw].iter().flat_map(|k| seen(0, *k).into_iter().chain(seen(1, *k))).map(|s| s.1).min();
        let padding = lowest.map_or(0, |l| (-l).max(0));
        // As for the doubling convolution: each phase has stride 1 over the small input.
        let inner = Options { stride: 1, padding: padding as usize, upsample: true, ..options };
        let phase = |[y, x]: [usize; 2]| {
            let (rows, columns) = (seen(y, kh), seen(x, kw));
            let pairs: Vec<_> = rows.iter().flat_map(|r| columns.iter().map(move |c| (*r, *c))).collect();
            let taps = pairs.iter().map(|(r, c)| [(r.1 + padding) as usize, (c.1 + padding) as usize]).collect();
            let mut own = Vec::with_capacity(out * ins * pairs.len());
            for o in 0..out {
                for i in 0..ins {
                    let kernel = ((o / per_group * ins + i) * per_group + o % per_group) * kh * kw;
                    own.extend(pairs.iter().map(|((ky, _), (kx, _))| weight[kernel + ky * kw + kx]));
                }
            }
            Pass::new(taps, &own, shape, inner)
        };
        let passes = [[0, 0], [0, 1], [1, 0], [1, 1]].map(phase).into();
        Packed { shape, options: inner, bias: padded(bias, out), phased: true, passes }
    }
}
