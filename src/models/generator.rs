//! What the generators of junyanz/pytorch-CycleGAN-and-pix2pix share: what is asked of them, and convolutions with a norm
//! after them, of one of several kinds.

use std::collections::HashMap;
use std::fmt::Debug;

use candle_core::{DType, Tensor};
use candle_nn::{Init, VarBuilder};

use super::batch_norm;
use crate::nn::{Activation, Conv2d, EPS, Error, Features, Norm, Options, Pass, Pool, Result, Statistics, Watch};

/// Wider than any published one, and far from what could overflow.
const WIDEST: usize = 1 << 14;
/// More halvings than any published network has; pictures are padded to multiples of two to that power.
const MOST_LEVELS: usize = 10;

/// Checks channels in and out, and those between, before anything is made as large: a tensor of no values can have any shape.
///
/// # Errors
/// [`Error::Shape`] for none or more than 16384.
pub(super) fn check_widths(all: impl IntoIterator<Item = usize>) -> Result<()> {
    match all.into_iter().find(|width| !(1..=WIDEST).contains(width)) {
        Some(width) => Err(Error::Shape(format!("a layer cannot have {width} channels; 1 to {WIDEST} are allowed"))),
        None => Ok(()),
    }
}

/// Checks how often a picture is halved.
///
/// # Errors
/// [`Error::Shape`] for more than ten times.
pub(super) fn check_levels(levels: usize) -> Result<()> {
    match levels {
        0..=MOST_LEVELS => Ok(()),
        _ => Err(Error::Shape(format!("a network of more than {MOST_LEVELS} levels is too deep"))),
    }
}

/// A network that makes a picture of a picture, as large where the sides are multiples of [`Generator::multiple`].
pub trait Generator: Debug + Send + Sync {
    /// Builds the network from a checkpoint's tensors, whose sizes decide its own. With `own_statistics` batch norms take
    /// the picture's own statistics in place of the kept ones.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Candle`] naming the first tensor
    /// that is missing or misshapen; [`Error::Shape`] for sizes beyond any published ones.
    fn from_tensors(tensors: HashMap<String, Tensor>, own_statistics: bool) -> Result<Self>
    where
        Self: Sized;

    /// Channels in and out: 3 and 3 for RGB.
    fn channels(&self) -> [usize; 2];

    /// Whether it normalises by statistics kept in training.
    fn has_batch_norm(&self) -> bool;

    /// Whether it normalises by the picture's own statistics, which ask for all of the picture.
    fn measures(&self) -> bool;

    /// What both sides of a picture should be multiples of.
    fn multiple(&self) -> usize;

    /// The least height and width of a picture, in pixels: a multiple of [`Generator::multiple`].
    fn smallest(&self) -> usize;

    /// How many pixels away, at most, what decides a pixel lies, norms left aside; `None` when it can be anywhere.
    fn reach(&self) -> Option<usize>;

    /// About how many numbers a pass holds at a time for each pixel of the picture.
    fn footprint(&self) -> usize;

    /// Multiply-adds of a pass over `[batch, in, height, width]`, times two.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture too small.
    fn flops(&self, shape: [usize; 4]) -> Result<f64>;

    /// Translates `x`, with memory kept from pass to pass.
    ///
    /// # Shapes
    /// x `[batch, in, height, width]`, -1..1; the result `[batch, out, height, width]`, -1..1. Pictures of a batch do not
    /// see each other, whatever the norm.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture of another size or statistics of another network;
    /// [`Error::Cancelled`].
    fn forward_with(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> Result<Tensor>;
}

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
    /// As a batch norm whose statistics nobody measured: only scaled and shifted, in training and after. Colours and
    /// brightness pass unchanged by what else is in the picture. A batch norm that was never trained looks alike, but
    /// counts its batches.
    Fixed,
    /// Not at all: `--norm none`.
    None,
}

impl Normalisation {
    /// As the norm called `name` of a checkpoint shows it, by whether it has scales, and what its statistics are; and
    /// whether the convolution before it has a `bias`, as before every instance norm and without any norm none has.
    ///
    /// # Errors
    /// [`Error::Shape`] when it has no statistics but another norm of the file has, or a shift but no scale.
    pub(super) fn of(tensors: &HashMap<String, Tensor>, name: &str, bias: bool) -> Result<Normalisation> {
        let all = |name: &str, value: f32| {
            let values = tensors.get(name)?.to_dtype(DType::F32).and_then(|t| t.to_vec1::<f32>()).ok()?;
            Some(values.iter().all(|v| *v == value))
        };
        let has = |part: &str| tensors.contains_key(&format!("{name}.{part}"));
        if !has("running_mean") && tensors.keys().any(|other| other.ends_with(".running_mean")) {
            return Err(Error::Shape(format!("it has no {name}.running_mean")));
        }
        if !has("weight") && has("bias") {
            return Err(Error::Shape(format!("it has no {name}.weight")));
        }
        if !has("weight") {
            return Ok(if bias || has("running_mean") { Normalisation::Instance } else { Normalisation::None });
        }
        Ok(match (all(&format!("{name}.running_mean"), 0.0), all(&format!("{name}.running_var"), 1.0)) {
            (None, _) => Normalisation::InstanceAffine,
            (Some(true), Some(true)) if !has("num_batches_tracked") => Normalisation::Fixed,
            _ => Normalisation::Batch,
        })
    }

    /// Whether it is to the picture's own statistics.
    pub(super) fn measures(self) -> bool {
        matches!(self, Normalisation::Instance | Normalisation::InstanceAffine)
    }

    /// Of a batch norm the picture's own statistics, if they are wanted.
    pub(super) fn with(self, own_statistics: bool) -> Normalisation {
        match self {
            Normalisation::Batch if own_statistics => Normalisation::InstanceAffine,
            other => other,
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

/// Whether a checkpoint's convolutions before a norm have a bias, by two of them.
///
/// # Errors
/// [`Error::Shape`] naming the one that is missing where there is the other.
pub(super) fn agreed(tensors: &HashMap<String, Tensor>, [a, b]: [&str; 2]) -> Result<bool> {
    match [a, b].map(|name| tensors.contains_key(name)) {
        [true, false] => Err(Error::Shape(format!("it has no {b}"))),
        [false, true] => Err(Error::Shape(format!("it has no {a}"))),
        [both, _] => Ok(both),
    }
}

/// The bias, `[outs]`, of a convolution: where it is `wanted`, and where there is one. Those of upsampling often have one
/// in files whose other convolutions have none.
pub(super) fn bias_of(vb: &VarBuilder<'_>, outs: usize, wanted: bool) -> Result<Option<Tensor>> {
    Ok((wanted || vb.contains_tensor("bias")).then(|| vb.get(outs, "bias")).transpose()?)
}

/// Builds layers under the names of one file.
pub(super) struct Builder<'a> {
    pub(super) normalisation: Normalisation,
    /// Whether the convolutions before a norm need a bias.
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
        let mut bias = bias_of(&vb, outs, self.bias)?;
        let numbers = |name: &str, init: f64| {
            norm.get_with_hints(outs, name, Init::Const(init))?.to_dtype(DType::F32)?.to_vec1::<f32>()
        };
        let activation = if relu { Activation::Relu } else { Activation::None };
        let norm = match self.normalisation {
            Normalisation::None => {
                options.activation = activation;
                None
            }
            Normalisation::Instance => Some([vec![1.0; outs], vec![0.0; outs]]),
            Normalisation::InstanceAffine => Some([numbers("weight", 1.0)?, numbers("bias", 0.0)?]),
            Normalisation::Batch | Normalisation::Fixed => {
                let axis = usize::from(transposed.is_some());
                let [folded, shift] = batch_norm::fold(EPS, &weight, bias.as_ref(), axis, &norm)?;
                (weight, bias) = (folded, Some(shift));
                options.activation = activation;
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
