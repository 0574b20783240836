//! The fully convolutional network of Long et al. 2015 (arXiv 1411.4038) with its skips, FCN-32s, FCN-16s and FCN-8s in
//! one, over EfficientNet-Lite0 in VGG's place: each class's scores at a thirty-second of the picture's size, refined by
//! those at a sixteenth and at an eighth.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::batch_norm::conv_norm;
use super::build::built;
use super::efficientnet_lite::{self, EfficientNetLite};
use super::segmenter::{Normalisation, Segmenter, classifier};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The sizes that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What comes before the scores.
    pub encoder: efficientnet_lite::Config,
    /// Channels that the coarsest scores are made of: 256.
    pub channels: usize,
    /// Classes with the background: 11 for CamVid.
    pub classes: usize,
}

impl Config {
    /// The network over this encoder.
    pub fn new(encoder: efficientnet_lite::Config, classes: usize) -> Config {
        Config { encoder, channels: 256, classes }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let encoder = efficientnet_lite::Config::from_tensors(tensors, "encoder.")?;
        let [channels, classes] =
            ["fc6.0.weight", "score_fr.weight"].map(|name| match tensors.get(name).map(Tensor::dims) {
                Some([out, _, _, _]) => Ok(*out),
                _ => Err(Error::Shape(format!("this is no FCN-8s checkpoint, it has no convolution {name}"))),
            });
        Ok(Config { encoder, channels: channels?, classes: classes? })
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct Fcn8s {
    encoder: EfficientNetLite,
    fc6: Conv2d,
    /// Over what `fc6` makes of the coarsest features, then over the features of a sixteenth and of an eighth.
    scores: [Conv2d; 3],
    config: Config,
}

impl Fcn8s {
    /// Builds the network from the tensors `encoder._conv_stem.weight`, ... (see [`EfficientNetLite::new`]),
    /// `fc6.0.weight`, `fc6.1.running_mean`, ... `score_fr.weight`, `score_pool4.weight`, `score_pool3.weight` and their
    /// biases.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<Fcn8s> {
        let encoder = EfficientNetLite::new(cfg.encoder.clone(), vb.pp("encoder"))?;
        let [_, _, eighth, sixteenth, last] = cfg.encoder.channels()?;
        let same = Options { padding: 1, activation: Activation::Relu, ..Options::default() };
        let fc6 = vb.pp("fc6");
        let fc6 = conv_norm([cfg.channels, last, 3, 3], &fc6.pp(0), &fc6.pp(1), same)?;
        let score = |name: &str, ins| classifier([cfg.classes, ins], &vb.pp(name));
        let scores =
            [score("score_fr", cfg.channels)?, score("score_pool4", sixteenth)?, score("score_pool3", eighth)?];
        Ok(Fcn8s { encoder, fc6, scores, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The scores of FCN-32s, FCN-16s and FCN-8s: a thirty-second, a sixteenth and an eighth as high and wide as the
    /// picture (rounded up).
    ///
    /// # Errors
    /// As [`Segmenter::forward`].
    pub fn scores(&self, x: Features, pass: &mut Pass<'_>) -> Result<[Features; 3]> {
        let [_, _, eighth, sixteenth, last] = self.encoder.levels(x, pass)?;
        let [fr, pool4, pool3] = &self.scores;
        let fc6 = pass.conv(&self.fc6, &last)?;
        let fcn32s = pass.conv(fr, &fc6)?;
        let fcn16s = refine(&fcn32s, pool4, &sixteenth, pass)?;
        let fcn8s = refine(&fcn16s, pool3, &eighth, pass)?;
        Ok([fcn32s, fcn16s, fcn8s])
    }
}

/// `scores` resized to a finer map's size, and the scores of that map added.
fn refine(scores: &Features, score: &Conv2d, finer: &Features, pass: &mut Pass<'_>) -> Result<Features> {
    let [.., height, width] = finer.shape();
    let grown = pass.bilinear(scores, [height, width], false)?;
    pass.conv_onto(score, finer, grown)
}

impl Segmenter for Fcn8s {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<Fcn8s> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| Fcn8s::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::EFFICIENTNET_LITE
    }

    fn suited(&self, side: usize) -> usize {
        self.encoder.suited(side)
    }

    fn forms(&self) -> &'static [&'static str] {
        &["FCN-32s", "FCN-16s", "FCN-8s"]
    }

    /// FCN-8s: an eighth as high and wide (rounded up).
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [_, _, fcn8s] = self.scores(x, pass)?;
        Ok(fcn8s)
    }

    fn all_logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Vec<Features>> {
        Ok(self.scores(x, pass)?.into())
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let (mut tally, [_, _, eighth, sixteenth, _]) = self.encoder.count_levels(shape)?;
        let [fr, pool4, pool3] = &self.scores;
        tally.conv(&self.fc6)?;
        tally.conv(fr)?;
        tally.flops += pool4.flops(sixteenth) + pool3.flops(eighth);
        Ok(tally)
    }
}
