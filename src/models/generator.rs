//! What the generators of junyanz/pytorch-CycleGAN-and-pix2pix share: convolutions with a norm after them, of one of three
//! kinds.

use candle_core::DType;
use candle_nn::{Init, VarBuilder};

use super::batch_norm;
use crate::nn::{Activation, Conv2d, EPS, Features, Norm, Options, Pass, Result};

/// How a generator normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// To the picture's own statistics, without scale and shift. Running statistics, which files from before PyTorch 0.4
    /// have, are not looked at: they never were.
    Instance,
    /// To the picture's own statistics, then scaled and shifted. Also what a batch norm does to a batch of one outside
    /// `eval`: pix2pix's `test.py` without `--eval`.
    InstanceAffine,
    /// To the statistics kept in training, then scaled and shifted (Ioffe and Szegedy 2015, arXiv 1502.03167): all of it
    /// goes into the convolutions' weights.
    Batch,
}

impl Normalisation {
    /// As a checkpoint shows it, by whether its norms have scales, and running means.
    pub(super) fn of(scale: bool, running_mean: bool) -> Normalisation {
        match (scale, running_mean) {
            (false, _) => Normalisation::Instance,
            (true, false) => Normalisation::InstanceAffine,
            (true, true) => Normalisation::Batch,
        }
    }
}

/// A convolution and its norm's scale and shift, `[channels]` each; `None` when the convolution does all of it.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) conv: Conv2d,
    pub(super) norm: Option<[Vec<f32>; 2]>,
    relu: bool,
}

impl Layer {
    pub(super) fn run(&self, pass: &mut Pass<'_>, x: &Features) -> Result<Features> {
        match &self.norm {
            Some([scale, shift]) => pass.conv_norm(&self.conv, x, &Norm { scale, shift, relu: self.relu }),
            None => pass.conv(&self.conv, x),
        }
    }
}

/// Builds layers under the names of one file.
pub(super) struct Builder<'a> {
    pub(super) normalisation: Normalisation,
    /// Whether the convolutions before a norm have a bias.
    pub(super) bias: bool,
    pub(super) vb: VarBuilder<'a>,
}

impl Builder<'_> {
    /// The convolution `conv` from `ins` to `outs` channels with the norm `norm` after it; a transposed one, to whose
    /// output so many pixels are added, with `transposed`.
    pub(super) fn layer(
        &self,
        [conv, norm]: [&str; 2],
        [outs, ins, kernel]: [usize; 3],
        mut options: Options,
        transposed: Option<usize>,
        relu: bool,
    ) -> Result<Layer> {
        let (vb, norm) = (self.vb.pp(conv), self.vb.pp(norm));
        let shape = if transposed.is_some() { [ins, outs, kernel, kernel] } else { [outs, ins, kernel, kernel] };
        let mut weight = vb.get(&shape[..], "weight")?;
        let mut bias = if self.bias { Some(vb.get(outs, "bias")?) } else { None };
        let numbers = |name: &str, init: f64| {
            norm.get_with_hints(outs, name, Init::Const(init))?.to_dtype(DType::F32)?.to_vec1::<f32>()
        };
        let norm = match self.normalisation {
            Normalisation::Instance => Some([vec![1.0; outs], vec![0.0; outs]]),
            Normalisation::InstanceAffine => Some([numbers("weight", 1.0)?, numbers("bias", 0.0)?]),
            Normalisation::Batch => {
                let axis = usize::from(transposed.is_some());
                let [folded, shift] = batch_norm::fold(EPS, &weight, bias.as_ref(), axis, &norm)?;
                (weight, bias) = (folded, Some(shift));
                options.activation = if relu { Activation::Relu } else { Activation::None };
                None
            }
        };
        let conv = match transposed {
            Some(added) => Conv2d::transposed(&weight, bias.as_ref(), options, added)?,
            None => Conv2d::new(&weight, bias.as_ref(), options)?,
        };
        Ok(Layer { conv, norm, relu })
    }
}
