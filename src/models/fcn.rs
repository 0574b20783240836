//! The fully convolutional network of Long et al. 2015 (arXiv 1411.4038) as torchvision has it: a dilated ResNet, a head
//! of two convolutions, and a bilinear resize to the picture's size.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::Backbone;
use super::batch_norm::conv_norm;
use super::build::built;
use super::resnet::{self, ResNet};
use super::segmenter::{Segmenter, classifier};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// The sizes that a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What comes before the head.
    pub backbone: resnet::Config,
    /// Channels between the head's convolutions: 512, a quarter of the backbone's.
    pub channels: usize,
    /// Classes with the background: 21 for Pascal VOC.
    pub classes: usize,
}

impl Config {
    /// torchvision's network over this backbone, dilated.
    pub fn new(backbone: resnet::Config, classes: usize) -> Config {
        let backbone = backbone.dilated();
        Config { channels: backbone.out_channels() / 4, backbone, classes }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let backbone = resnet::Config::from_tensors(tensors, "backbone.")?.dilated();
        let [channels, classes] =
            ["classifier.0.weight", "classifier.4.weight"].map(|name| match tensors.get(name).map(Tensor::dims) {
                Some([out, _, _, _]) => Ok(*out),
                _ => Err(Error::Shape(format!("this is no FCN checkpoint, it has no convolution {name}"))),
            });
        Ok(Config { backbone, channels: channels?, classes: classes? })
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct Fcn {
    backbone: ResNet,
    head: [Conv2d; 2],
    config: Config,
}

impl Fcn {
    /// Builds the network from tensors named as in torchvision (`backbone.conv1.weight`, ... `classifier.0.weight`,
    /// `classifier.1.weight`, `classifier.4.weight`). The auxiliary head (`aux_classifier`) only helps training and is
    /// not looked at.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<Fcn> {
        let backbone = ResNet::new(cfg.backbone.clone(), vb.pp("backbone"))?;
        let vb = vb.pp("classifier");
        let first = Options { padding: 1, activation: Activation::Relu, ..Options::default() };
        let shape = [cfg.channels, cfg.backbone.out_channels(), 3, 3];
        let first = conv_norm(shape, &vb.pp(0), &vb.pp(1), first)?;
        let last = classifier([cfg.classes, cfg.channels], &vb.pp(4))?;
        Ok(Fcn { backbone, head: [first, last], config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for Fcn {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<Fcn> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| Fcn::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    /// An eighth as high and wide (rounded up).
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let x = self.backbone.features(x, pass)?;
        self.head.iter().try_fold(x, |x, conv| pass.conv(conv, &x))
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = self.backbone.count(shape)?;
        self.head.iter().try_for_each(|conv| tally.conv(conv))?;
        Ok(tally)
    }
}
