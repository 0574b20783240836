//! Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167) as a trained network has it: a scale and a shift per
//! channel that the convolution before it takes into its own weight and bias.

use candle_core::{DType, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::nn::{Conv2d, EPS, Options, Result};

/// The weight and bias of a convolution (`axis` of the weight counts its output channels) that does the work of the batch
/// norm `norm` after it (`weight`, `bias`, `running_mean`, `running_var`) too; `eps` is added to the variance.
///
/// # Errors
/// [`crate::nn::Error::Candle`] naming a tensor that is missing or misshapen.
pub(super) fn fold(
    eps: f64,
    weight: &Tensor,
    bias: Option<&Tensor>,
    axis: usize,
    norm: &VarBuilder<'_>,
) -> Result<[Tensor; 2]> {
    let (out, dtype) = (weight.dim(axis)?, weight.dtype());
    let row = |name: &str| norm.get(out, name)?.to_dtype(DType::F64);
    let one = |name: &str| norm.get_with_hints(out, name, Init::Const(1.0))?.to_dtype(DType::F64);
    let root = (one("running_var")? + eps)?.sqrt()?;
    let scale = (one("weight")? / root)?;
    let mut mean = row("running_mean")?;
    if let Some(bias) = bias {
        mean = (mean - bias.to_dtype(DType::F64)?)?;
    }
    let bias = (row("bias")? - (mean * &scale)?)?.to_dtype(dtype)?;
    let mut along = vec![1; weight.rank()];
    along[axis] = out;
    Ok([weight.broadcast_mul(&scale.to_dtype(dtype)?.reshape(along)?)?, bias])
}

/// The convolution `conv` (`weight` of `shape`, `[out, in / groups, kernel height, kernel width]`, and `bias` where there
/// is one) with the batch norm `norm` after it, as one convolution.
///
/// # Errors
/// As [`fold`]; [`crate::nn::Error::Shape`] as for [`Conv2d::new`].
pub(super) fn conv_norm(
    shape: [usize; 4],
    conv: &VarBuilder<'_>,
    norm: &VarBuilder<'_>,
    options: Options,
) -> Result<Conv2d> {
    conv_norm_with(EPS, shape, conv, norm, options)
}

/// As [`conv_norm`] with another number than 1e-5 added to the variance.
///
/// # Errors
/// As [`conv_norm`].
pub(super) fn conv_norm_with(
    eps: f64,
    shape: [usize; 4],
    conv: &VarBuilder<'_>,
    norm: &VarBuilder<'_>,
    options: Options,
) -> Result<Conv2d> {
    let weight = conv.get(&shape[..], "weight")?;
    let bias = if conv.contains_tensor("bias") { Some(conv.get(shape[0], "bias")?) } else { None };
    let [weight, bias] = fold(eps, &weight, bias.as_ref(), 0, norm)?;
    Conv2d::new(&weight, Some(&bias), options)
}
