//! Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167) as a trained network has it: a scale and a shift per
//! channel that the convolution before it takes into its own weight and bias.

use candle_core::DType;
use candle_nn::{Init, VarBuilder};

use crate::nn::{Conv2d, Options, Result};

/// What PyTorch adds to a variance unless told otherwise.
const EPS: f64 = 1e-5;

/// The convolution `conv` (`weight` of `shape`, `[out, in / groups, kernel height, kernel width]`, and `bias` where there
/// is one) with the batch norm `norm` after it (`weight`, `bias`, `running_mean`, `running_var`), as one convolution.
///
/// # Errors
/// [`crate::nn::Error::Candle`] naming a tensor that is missing or misshapen, [`crate::nn::Error::Shape`] as for
/// [`Conv2d::new`].
pub(super) fn conv_norm(
    shape: [usize; 4],
    conv: &VarBuilder<'_>,
    norm: &VarBuilder<'_>,
    options: Options,
) -> Result<Conv2d> {
    let out = shape[0];
    let row = |vb: &VarBuilder<'_>, name: &str| vb.get(out, name)?.to_dtype(DType::F64);
    let one = |name: &str| norm.get_with_hints(out, name, Init::Const(1.0))?.to_dtype(DType::F64);
    let root = (one("running_var")? + EPS)?.sqrt()?;
    let scale = (one("weight")? / root)?;
    let mean = row(norm, "running_mean")?;
    let mean = if conv.contains_tensor("bias") { (mean - row(conv, "bias")?)? } else { mean };
    let bias = (row(norm, "bias")? - (mean * &scale)?)?;
    let weight = conv.get(&shape[..], "weight")?;
    let weight = weight.broadcast_mul(&scale.to_dtype(weight.dtype())?.reshape((out, 1, 1, 1))?)?;
    Conv2d::new(&weight, Some(&bias.to_dtype(weight.dtype())?), options)
}
