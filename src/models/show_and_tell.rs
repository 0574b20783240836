//! "Show and Tell" (Vinyals et al. 2015, arXiv 1411.4555): the picture is the LSTM's first input, as if it were a word, and
//! is not looked at again. What [`ShowAttendTell`](super::ShowAttendTell) is without its attention; the tensors' names are
//! Lucida's own.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::captioner::{self, Context, Decoder, Linear, LstmCell, State, Step, sides};
use crate::nn::Result;

/// The sizes that a checkpoint decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Numbers of an annotation vector, of which the mean over the picture is seen.
    pub encoder_dim: usize,
    /// Numbers that stand for a word, or the picture: 512.
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
    /// [`Error::Shape`](crate::nn::Error::Shape) when a tensor that every such checkpoint has is missing or of another
    /// rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>, prefix: &str) -> Result<Config> {
        let sides = |name: &str| {
            let dims = tensors.get(&format!("{prefix}{name}")).map(Tensor::dims);
            sides(dims, "Show and Tell", name)
        };
        let [_, encoder_dim] = sides("image_embedding.weight")?;
        let [vocabulary, embed_dim] = sides("embedding.weight")?;
        let [_, decoder_dim] = sides("decode_step.weight_hh")?;
        Ok(Config { encoder_dim, embed_dim, decoder_dim, vocabulary })
    }
}

/// The decoder, ready to run.
#[derive(Debug)]
pub struct ShowAndTell {
    image_embedding: Linear,
    embedding: Tensor,
    decode_step: LstmCell,
    fc: Linear,
    config: Config,
    dtype: DType,
}

impl ShowAndTell {
    /// Builds the decoder from `image_embedding.weight` `[embed_dim, encoder_dim]` with its bias, and `embedding.weight`,
    /// `decode_step.*` and `fc.*` as [`ShowAttendTell`](super::ShowAttendTell) names them.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::nn::Error::Candle) naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<ShowAndTell> {
        let Config { encoder_dim, embed_dim, decoder_dim, vocabulary } = cfg;
        Ok(ShowAndTell {
            image_embedding: Linear::new(encoder_dim, embed_dim, vb.pp("image_embedding"))?,
            embedding: vb.get((vocabulary, embed_dim), "embedding.weight")?,
            decode_step: LstmCell::new(embed_dim, decoder_dim, vb.pp("decode_step"))?,
            fc: Linear::new(decoder_dim, vocabulary, vb.pp("fc"))?,
            config: cfg,
            dtype: vb.dtype(),
        })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Decoder for ShowAndTell {
    fn vocabulary(&self) -> usize {
        self.config.vocabulary
    }

    fn encoder_dim(&self) -> usize {
        self.config.encoder_dim
    }

    fn begin(&self, features: &Tensor) -> Result<(Context, State)> {
        let mean = captioner::checked(features, self.config.encoder_dim, self.dtype)?.mean_keepdim(0)?;
        let zeros = Tensor::zeros((1, self.config.decoder_dim), self.dtype, mean.device())?;
        let zeros = State { h: zeros.clone(), c: zeros };
        let state = self.decode_step.step(&self.image_embedding.forward(&mean)?, &zeros)?;
        Ok((Context::default(), state))
    }

    fn step(&self, words: &[u32], _: &Context, state: &State) -> Result<Step> {
        let state = self.decode_step.step(&captioner::embedded(words, &self.embedding, state)?, state)?;
        Ok(Step { logits: self.fc.forward(&state.h)?, alphas: None, state })
    }
}
