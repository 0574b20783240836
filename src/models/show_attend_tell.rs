//! "Show, Attend and Tell" (Xu et al. 2015, arXiv 1502.03044) with soft attention, the decoder in the layout of sgrvinod's
//! "a PyTorch Tutorial to Image Captioning".

use std::collections::HashMap;

use candle_core::{D, DType, Tensor};
use candle_nn::{VarBuilder, ops};

use super::captioner::{self, Annotations, Context, Decoder, Linear, LstmCell, State, Step, sides};
use crate::nn::{Error, Result};

/// The sizes that a checkpoint decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Numbers of an annotation vector: 2048.
    pub encoder_dim: usize,
    /// Numbers that the attention compares: 512.
    pub attention_dim: usize,
    /// Numbers that stand for a word: 512.
    pub embed_dim: usize,
    /// The LSTM's outputs: 512.
    pub decoder_dim: usize,
    /// Words.
    pub vocabulary: usize,
}

impl Config {
    /// Reads the sizes off a checkpoint's tensors whose names begin with `prefix` (empty, or ending in a dot).
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>, prefix: &str) -> Result<Config> {
        let sides = |name: &str| {
            let dims = tensors.get(&format!("{prefix}{name}")).map(Tensor::dims);
            sides(dims, "Show, Attend and Tell", name)
        };
        let [attention_dim, encoder_dim] = sides("attention.encoder_att.weight")?;
        let [vocabulary, embed_dim] = sides("embedding.weight")?;
        let [_, decoder_dim] = sides("decode_step.weight_hh")?;
        Ok(Config { encoder_dim, attention_dim, embed_dim, decoder_dim, vocabulary })
    }
}

/// The decoder, ready to run.
#[derive(Debug)]
pub struct ShowAttendTell {
    encoder_att: Linear,
    decoder_att: Linear,
    /// `[attention_dim, 1]`.
    full_att: Tensor,
    full_att_bias: Tensor,
    embedding: Tensor,
    decode_step: LstmCell,
    init_h: Linear,
    init_c: Linear,
    f_beta: Linear,
    fc: Linear,
    config: Config,
    dtype: DType,
}

impl ShowAttendTell {
    /// Builds the decoder from tensors named as in the tutorial (`attention.encoder_att.weight`, `embedding.weight`,
    /// `decode_step.weight_ih`, `init_h.weight`, `f_beta.weight`, `fc.weight`, ...).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<ShowAttendTell> {
        let Config { encoder_dim, attention_dim, embed_dim, decoder_dim, vocabulary } = cfg;
        let attention = vb.pp("attention");
        Ok(ShowAttendTell {
            encoder_att: Linear::new(encoder_dim, attention_dim, attention.pp("encoder_att"))?,
            decoder_att: Linear::new(decoder_dim, attention_dim, attention.pp("decoder_att"))?,
            full_att: attention.get((1, attention_dim), "full_att.weight")?.t()?.contiguous()?,
            full_att_bias: attention.get(1, "full_att.bias")?,
            embedding: vb.get((vocabulary, embed_dim), "embedding.weight")?,
            decode_step: LstmCell::new(embed_dim + encoder_dim, decoder_dim, vb.pp("decode_step"))?,
            init_h: Linear::new(encoder_dim, decoder_dim, vb.pp("init_h"))?,
            init_c: Linear::new(encoder_dim, decoder_dim, vb.pp("init_c"))?,
            f_beta: Linear::new(decoder_dim, encoder_dim, vb.pp("f_beta"))?,
            fc: Linear::new(decoder_dim, vocabulary, vb.pp("fc"))?,
            config: cfg,
            dtype: vb.dtype(),
        })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where to look with the state `h`, `[batch, decoder_dim]`: `[batch, pixels]`, each row of sum 1.
    fn attend(&self, annotations: &Annotations, h: &Tensor) -> Result<Tensor> {
        let asked = self.decoder_att.forward(h)?.unsqueeze(1)?;
        let compared = annotations.projected.unsqueeze(0)?.broadcast_add(&asked)?.relu()?;
        let (batch, pixels, dim) = compared.dims3()?;
        let scores = compared.reshape((batch * pixels, dim))?.matmul(&self.full_att)?.reshape((batch, pixels))?;
        let scores = scores.broadcast_add(&self.full_att_bias)?;
        Ok(ops::softmax(&scores, D::Minus1)?)
    }
}

impl Decoder for ShowAttendTell {
    fn vocabulary(&self) -> usize {
        self.config.vocabulary
    }

    fn encoder_dim(&self) -> usize {
        self.config.encoder_dim
    }

    fn begin(&self, features: &Tensor) -> Result<(Context, State)> {
        let features = captioner::checked(features, self.config.encoder_dim, self.dtype)?;
        let projected = self.encoder_att.forward(&features)?;
        let mean = features.mean_keepdim(0)?;
        let state = State { h: self.init_h.forward(&mean)?, c: self.init_c.forward(&mean)? };
        Ok((Context { annotations: Some(Annotations { features, projected }) }, state))
    }

    /// Attention comes before the LSTM's step, from the state that the words before left.
    fn step(&self, words: &[u32], context: &Context, state: &State) -> Result<Step> {
        let Some(annotations) = &context.annotations else {
            return Err(Error::Shape("this decoder attends to a picture, and was shown none".into()));
        };
        let embedded = captioner::embedded(words, &self.embedding, state)?;
        let alphas = self.attend(annotations, &state.h)?;
        let gate = ops::sigmoid(&self.f_beta.forward(&state.h)?)?;
        let seen = (gate * alphas.matmul(&annotations.features)?)?;
        let state = self.decode_step.step(&Tensor::cat(&[embedded, seen], 1)?, state)?;
        Ok(Step { logits: self.fc.forward(&state.h)?, alphas: Some(alphas), state })
    }
}
