//! What networks that describe pictures have in common: an encoder that turns a picture into a grid of annotation vectors,
//! and a decoder that says one word after another.

use std::fmt::Debug;

use candle_core::{D, DType, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::sigmoid;

use super::{Backbone, Normalisation, ResNet};
use crate::nn::{Conv2d, Error, Features, Options, Pass, Pool, Result, Watch};

/// Rows and columns of the grid that a decoder attends to, as in the paper (Xu et al. 2015, arXiv 1502.03044).
pub const GRID: usize = 14;

/// No layer of a decoder is this wide.
const WIDEST: usize = 1 << 24;

/// A network that turns a picture into a [`GRID`] x [`GRID`] grid of annotation vectors, the paper's a.
pub trait Encoder: Debug + Send + Sync {
    /// Numbers of one annotation vector: 2048 of a ResNet.
    fn channels(&self) -> usize;

    /// The height and width in pixels that pictures are brought to, whatever their shape.
    fn side(&self) -> usize {
        256
    }

    /// How pictures are prepared for it.
    fn normalisation(&self) -> Normalisation {
        Normalisation::IMAGENET
    }

    /// The grid over `x`, `[batch, 3, height, width]`: `[batch, channels, 14, 14]`.
    ///
    /// # Errors
    /// As [`Encoder::forward`].
    fn grid(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features>;

    /// Multiply-adds of a pass over `[batch, 3, height, width]`, times two.
    ///
    /// # Errors
    /// As [`Encoder::forward`].
    fn work(&self, shape: [usize; 4]) -> Result<f64>;

    /// The annotation vectors of `x`.
    ///
    /// # Shapes
    /// x `[batch, 3, height, width]`, as [`Encoder::normalisation`] leaves it; the result `[batch, 14, 14, channels]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of channels, [`Error::Cancelled`], [`Error::Candle`].
    fn forward(&self, x: &Tensor, pool: &Pool, watch: &Watch<'_>) -> Result<Tensor> {
        let mut pass = Pass::new(pool, watch, self.work(x.dims4()?.into())?);
        let x = pass.enter(x)?;
        Ok(self.grid(x, &mut pass)?.into_tensor()?.permute((0, 2, 3, 1))?.contiguous()?)
    }
}

/// As in "a PyTorch Tutorial to Image Captioning": the last stage, averaged in windows that overlap where it is coarser
/// than the grid.
impl Encoder for ResNet {
    fn channels(&self) -> usize {
        self.config().out_channels()
    }

    fn grid(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        self.count(x.shape())?.check()?;
        let x = self.features(x, pass)?;
        pass.average_pool(&x, [GRID, GRID])
    }

    fn work(&self, shape: [usize; 4]) -> Result<f64> {
        self.flops(shape)
    }
}

/// A network that says one word after another about a picture.
pub trait Decoder: Debug + Send + Sync {
    /// Words it knows, the marks for the beginning and the end among them.
    fn vocabulary(&self) -> usize;

    /// Numbers of one annotation vector.
    fn encoder_dim(&self) -> usize;

    /// Looks at a picture for the first time: what stays the same from word to word, computed once, and the state before
    /// the first word, a batch of one.
    ///
    /// # Shapes
    /// features `[pixels, encoder_dim]`, the grid row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] for features of another shape, [`Error::Candle`].
    fn begin(&self, features: &Tensor) -> Result<(Context, State)>;

    /// What may come after the last of `words`, one for each sentence of a batch with its row of `state`.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not as many words as rows, [`Error::Candle`] for a word beyond the vocabulary.
    fn step(&self, words: &[u32], context: &Context, state: &State) -> Result<Step>;
}

/// What a decoder knows of a picture; of [`Context::default`] nothing.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub(super) annotations: Option<Annotations>,
}

/// What attention looks at.
#[derive(Clone, Debug)]
pub(super) struct Annotations {
    /// `[pixels, encoder_dim]`.
    pub(super) features: Tensor,
    /// Them seen by the attention, `[pixels, attention_dim]`.
    pub(super) projected: Tensor,
}

/// The memory of a batch of unfinished sentences.
#[derive(Clone, Debug)]
pub struct State {
    /// The LSTM's output, `[batch, decoder_dim]`.
    pub h: Tensor,
    /// Its cell, `[batch, decoder_dim]`.
    pub c: Tensor,
}

impl State {
    /// The rows of this one at `rows`, in that order; a row may come several times.
    ///
    /// # Errors
    /// [`Error::Candle`] for a row that is not there.
    pub fn select(&self, rows: &[u32]) -> Result<State> {
        let rows = Tensor::new(rows, self.h.device())?;
        Ok(State { h: self.h.index_select(&rows, 0)?, c: self.c.index_select(&rows, 0)? })
    }
}

/// One word further.
#[derive(Clone, Debug)]
pub struct Step {
    /// How likely each next word is, before the softmax: `[batch, vocabulary]`.
    pub logits: Tensor,
    /// Where the decoder looked, `[batch, pixels]`, each row of sum 1; `None` of one without attention.
    pub alphas: Option<Tensor>,
    /// The state with the words said.
    pub state: State,
}

impl Step {
    /// The natural logarithm of each next word's probability, `[batch, vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Candle`].
    pub fn log_probabilities(&self) -> Result<Tensor> {
        Ok(candle_nn::ops::log_softmax(&self.logits, D::Minus1)?)
    }
}

/// A fully connected layer over the rows of a batch.
///
/// It is a convolution of one pixel per row: candle's product of a few rows with a large matrix packs the matrix anew each
/// time, which takes four times as long.
#[derive(Debug)]
pub(super) struct Linear(Conv2d);

impl Linear {
    /// From `weight` `[outs, ins]` and `bias`.
    pub(super) fn new(ins: usize, outs: usize, vb: VarBuilder<'_>) -> Result<Linear> {
        Linear::of(&vb.get((outs, ins), "weight")?, &vb.get(outs, "bias")?)
    }

    fn of(weight: &Tensor, bias: &Tensor) -> Result<Linear> {
        let (outs, ins) = weight.dims2()?;
        Ok(Linear(Conv2d::new(&weight.reshape((outs, ins, 1, 1))?, Some(bias), Options::default())?))
    }

    /// `[rows, outs]` of x `[rows, ins]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, ins) = x.dims2()?;
        let y = self.0.forward(&x.t()?.contiguous()?.reshape((1, ins, 1, rows))?, &Watch::silent())?;
        Ok(y.reshape(((), rows))?.t()?.contiguous()?)
    }
}

/// PyTorch's `LSTMCell`: a long short-term memory (Hochreiter and Schmidhuber 1997) with forget gates.
#[derive(Debug)]
pub(super) struct LstmCell {
    /// From input and last output to the gates i, f, g, o.
    gates: Linear,
}

impl LstmCell {
    /// From `weight_ih` `[4 hidden, ins]`, `weight_hh` `[4 hidden, hidden]` and the biases `bias_ih` and `bias_hh`.
    pub(super) fn new(ins: usize, hidden: usize, vb: VarBuilder<'_>) -> Result<LstmCell> {
        let weights = [vb.get((4 * hidden, ins), "weight_ih")?, vb.get((4 * hidden, hidden), "weight_hh")?];
        let bias = (vb.get(4 * hidden, "bias_ih")? + vb.get(4 * hidden, "bias_hh")?)?;
        Ok(LstmCell { gates: Linear::of(&Tensor::cat(&weights, 1)?, &bias)? })
    }

    /// The next state, from x `[batch, ins]`.
    pub(super) fn step(&self, x: &Tensor, state: &State) -> Result<State> {
        let gates = self.gates.forward(&Tensor::cat(&[x, &state.h], 1)?)?.chunk(4, 1)?;
        let [i, f, g, o] = &gates[..] else { return Err(Error::Shape("an LSTM has four gates".into())) };
        let c = ((sigmoid(f)? * &state.c)? + (sigmoid(i)? * g.tanh()?)?)?;
        Ok(State { h: (sigmoid(o)? * c.tanh()?)?, c })
    }
}

/// The vectors that stand for `words`, `[batch, embed_dim]`, one for each row of `state`.
pub(super) fn embedded(words: &[u32], embedding: &Tensor, state: &State) -> Result<Tensor> {
    let (rows, vocabulary) = (state.h.dim(0)?, embedding.dim(0)?);
    if words.len() != rows {
        return Err(Error::Shape(format!("{} words do not go with {rows} sentences", words.len())));
    }
    if let Some(word) = words.iter().find(|word| **word as usize >= vocabulary) {
        return Err(Error::Shape(format!("word {word} is none of {vocabulary}")));
    }
    Ok(embedding.index_select(&Tensor::new(words, embedding.device())?, 0)?)
}

/// `[pixels, encoder_dim]` with a pixel at least, in the decoder's own type.
pub(super) fn checked(features: &Tensor, encoder_dim: usize, dtype: DType) -> Result<Tensor> {
    match features.dims() {
        [pixels, dim] if *pixels > 0 && *dim == encoder_dim => Ok(features.to_dtype(dtype)?.contiguous()?),
        dims => Err(Error::Shape(format!("features of {dims:?} are not [pixels, {encoder_dim}]"))),
    }
}

/// The sides of a decoder's matrix `name`, `[outs, ins]`.
pub(super) fn sides(dims: Option<&[usize]>, kind: &str, name: &str) -> Result<[usize; 2]> {
    match dims {
        Some(&[outs @ 1..WIDEST, ins @ 1..WIDEST]) => Ok([outs, ins]),
        Some(dims) => Err(Error::Shape(format!("{name} of {dims:?} is no matrix that a {kind} decoder has"))),
        None => Err(Error::Shape(format!("this is no {kind} decoder, it has no {name}"))),
    }
}
