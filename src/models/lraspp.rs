//! Lite R-ASPP (Howard et al. 2019, arXiv 1905.02244, section 6.4) as torchvision has it: a dilated MobileNetV3-Large
//! whose last features, weighed by the whole picture's mean, meet those of an output stride of 8.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::Backbone;
use super::batch_norm::conv_norm;
use super::build::built;
use super::mobilenet_v3::{self, MobileNetV3};
use super::segmenter::{Segmenter, classifier};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The sizes that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What comes before the head.
    pub backbone: mobilenet_v3::Config,
    /// Channels between the head's convolutions: 128.
    pub channels: usize,
    /// Classes with the background: 21 for Pascal VOC.
    pub classes: usize,
}

impl Config {
    /// torchvision's network over this backbone, dilated.
    pub fn new(backbone: mobilenet_v3::Config, classes: usize) -> Config {
        Config { backbone: backbone.dilated(), channels: 128, classes }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let backbone = mobilenet_v3::Config::from_tensors(tensors, "backbone.")?;
        let [channels, classes] = ["classifier.cbr.0.weight", "classifier.low_classifier.weight"].map(|name| {
            match tensors.get(name).map(Tensor::dims) {
                Some([out, _, _, _]) => Ok(*out),
                _ => Err(Error::Shape(format!("this is no LR-ASPP checkpoint, it has no convolution {name}"))),
            }
        });
        Ok(Config { channels: channels?, ..Config::new(backbone, classes?) })
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct LrAspp {
    backbone: MobileNetV3,
    /// The last features, made narrower.
    narrow: Conv2d,
    /// Over the mean of the whole picture.
    scale: Conv2d,
    /// Over the features of an output stride of 8.
    low: Conv2d,
    /// Over the narrow ones.
    high: Conv2d,
    config: Config,
}

impl LrAspp {
    /// Builds the network from tensors named as in torchvision (`backbone.0.0.weight`, ... `classifier.cbr.0.weight`,
    /// `classifier.scale.1.weight`, `classifier.low_classifier.weight`, `classifier.high_classifier.weight`).
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<LrAspp> {
        let backbone = MobileNetV3::of_features(cfg.backbone.clone(), vb.pp("backbone"))?;
        let vb = vb.pp("classifier");
        let (out, ins, plain) = (cfg.channels, cfg.backbone.last, Options::default());
        let relu = Options { activation: Activation::Relu, ..plain };
        let cbr = vb.pp("cbr");
        let narrow = conv_norm([out, ins, 1, 1], &cbr.pp(0), &cbr.pp(1), relu)?;
        let scale = Conv2d::new(&vb.get((out, ins, 1, 1), "scale.1.weight")?, None, plain)?;
        let low = cfg.backbone.channels(cfg.backbone.low());
        let low = classifier([cfg.classes, low], &vb.pp("low_classifier"))?;
        let high = classifier([cfg.classes, out], &vb.pp("high_classifier"))?;
        Ok(LrAspp { backbone, narrow, scale, low, high, config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for LrAspp {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<LrAspp> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| LrAspp::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    /// An eighth as high and wide (rounded up).
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [low, high] = self.backbone.low_and_high(x, pass)?;
        let mean = pass.mean(&high)?;
        let gate = pass.conv(&self.scale, &mean)?;
        let gate = pass.sigmoid(gate)?;
        let narrow = pass.conv(&self.narrow, &high)?;
        drop(high);
        let narrow = pass.gate(narrow, &gate)?;
        // torchvision resizes before it classifies; of a 1x1 convolution that is the same, and more work.
        let coarse = pass.conv(&self.high, &narrow)?;
        let [_, _, height, width] = low.shape();
        let fine = pass.bilinear(&coarse, [height, width], false)?;
        pass.conv_onto(&self.low, &low, fine)
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = self.backbone.count(shape)?;
        let [batch, channels, ..] = tally.shape;
        tally.flops += self.scale.flops([batch, channels, 1, 1]);
        tally.conv(&self.narrow)?;
        tally.conv(&self.high)?;
        tally.flops += self.low.flops(self.backbone.low_shape(shape)?);
        Ok(tally)
    }
}
