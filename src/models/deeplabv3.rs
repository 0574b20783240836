//! DeepLabV3 (Chen et al. 2017, arXiv 1706.05587) as torchvision has it: a dilated ResNet or MobileNetV3, atrous spatial
//! pyramid pooling with the whole picture's mean as one of its branches, and a bilinear resize to the picture's size.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::Backbone;
use super::batch_norm::conv_norm;
use super::build::built;
use super::mobilenet_v3::{self, MobileNetV3};
use super::resnet::{self, ResNet};
use super::segmenter::{Segmenter, classifier};
use super::tally::Tally;
use crate::nn::{Activation, Conv2d, Error, Features, Options, Pass, Result};

/// What comes before the pyramid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trunk {
    /// Features at an eighth of the picture's size.
    ResNet(resnet::Config),
    /// Features at a sixteenth.
    MobileNetV3(mobilenet_v3::Config),
}

impl From<resnet::Config> for Trunk {
    fn from(config: resnet::Config) -> Trunk {
        Trunk::ResNet(config.dilated())
    }
}

impl From<mobilenet_v3::Config> for Trunk {
    fn from(config: mobilenet_v3::Config) -> Trunk {
        Trunk::MobileNetV3(config.dilated())
    }
}

impl Trunk {
    fn out_channels(&self) -> usize {
        match self {
            Trunk::ResNet(config) => config.out_channels(),
            Trunk::MobileNetV3(config) => config.last,
        }
    }

    fn build(&self, vb: VarBuilder<'_>) -> Result<Box<dyn Backbone>> {
        Ok(match self {
            Trunk::ResNet(config) => Box::new(ResNet::new(config.clone(), vb)?),
            Trunk::MobileNetV3(config) => Box::new(MobileNetV3::of_features(config.clone(), vb)?),
        })
    }
}

/// The sizes that a checkpoint decides, and what it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What comes before the pyramid, dilated.
    pub backbone: Trunk,
    /// Channels of each branch of the pyramid and of what follows: 256.
    pub channels: usize,
    /// Classes with the background: 21 for Pascal VOC.
    pub classes: usize,
    /// Pixels between the taps of each atrous branch: 12, 24, 36 for an output stride of 8. No tensor tells.
    pub atrous_rates: [usize; 3],
}

impl Config {
    /// torchvision's network over this backbone, dilated.
    pub fn new(backbone: impl Into<Trunk>, classes: usize) -> Config {
        Config { backbone: backbone.into(), channels: 256, classes, atrous_rates: [12, 24, 36] }
    }

    /// Reads the sizes off a checkpoint's tensors.
    ///
    /// # Errors
    /// [`Error::Shape`] when a tensor that every such checkpoint has is missing or of another rank.
    pub fn from_tensors(tensors: &HashMap<String, Tensor>) -> Result<Config> {
        let backbone = if tensors.contains_key("backbone.0.0.weight") {
            Trunk::from(mobilenet_v3::Config::from_tensors(tensors, "backbone.")?)
        } else {
            Trunk::from(resnet::Config::from_tensors(tensors, "backbone.")?)
        };
        let [channels, classes] = ["classifier.0.project.0.weight", "classifier.4.weight"].map(|name| {
            match tensors.get(name).map(Tensor::dims) {
                Some([out, _, _, _]) => Ok(*out),
                _ => Err(Error::Shape(format!("this is no DeepLabV3 checkpoint, it has no convolution {name}"))),
            }
        });
        Ok(Config { channels: channels?, ..Config::new(backbone, classes?) })
    }
}

/// The network, ready to run.
#[derive(Debug)]
pub struct DeepLabV3 {
    backbone: Box<dyn Backbone>,
    pyramid: Pyramid,
    head: [Conv2d; 2],
    config: Config,
}

/// Atrous spatial pyramid pooling.
#[derive(Debug)]
struct Pyramid {
    /// 1x1, then 3x3 at each rate.
    branches: [Conv2d; 4],
    /// Over the mean of the whole picture.
    pooled: Conv2d,
    project: Conv2d,
}

impl Pyramid {
    fn new(cfg: &Config, vb: &VarBuilder<'_>) -> Result<Pyramid> {
        let (ins, out) = (cfg.backbone.out_channels(), cfg.channels);
        let one = Options { activation: Activation::Relu, ..Options::default() };
        let branch = |i: usize| {
            let vb = vb.pp("convs").pp(i);
            match i {
                0 => conv_norm([out, ins, 1, 1], &vb.pp(0), &vb.pp(1), one),
                _ => {
                    let rate = cfg.atrous_rates[i - 1];
                    let options = Options { padding: rate, dilation: rate, ..one };
                    conv_norm([out, ins, 3, 3], &vb.pp(0), &vb.pp(1), options)
                }
            }
        };
        let pooled = vb.pp("convs").pp(4);
        let project = vb.pp("project");
        Ok(Pyramid {
            branches: [branch(0)?, branch(1)?, branch(2)?, branch(3)?],
            pooled: conv_norm([out, ins, 1, 1], &pooled.pp(1), &pooled.pp(2), one)?,
            project: conv_norm([out, out.saturating_mul(5), 1, 1], &project.pp(0), &project.pp(1), one)?,
        })
    }

    fn run(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let [.., height, width] = x.shape();
        let mut maps = self.branches.iter().map(|conv| pass.conv(conv, &x)).collect::<Result<Vec<_>>>()?;
        let mean = pass.mean(&x)?;
        drop(x);
        let mean = pass.conv(&self.pooled, &mean)?;
        maps.push(pass.bilinear(&mean, [height, width], false)?);
        let all = pass.concat(&maps.iter().collect::<Vec<_>>())?;
        drop(maps);
        pass.conv(&self.project, &all)
    }

    fn count(&self, tally: &mut Tally) -> Result<()> {
        let [batch, channels, height, width] = tally.shape;
        for conv in &self.branches {
            tally.flops += conv.flops(tally.shape);
        }
        tally.flops += self.pooled.flops([batch, channels, 1, 1]);
        tally.join([batch, 5 * self.project.out_channels(), height, width]);
        tally.conv(&self.project)
    }
}

impl DeepLabV3 {
    /// Builds the network from tensors named as in torchvision (`backbone.conv1.weight` or `backbone.0.0.weight`, ...
    /// `classifier.0.convs.0.0.weight`, `classifier.0.project.0.weight`, `classifier.1.weight`, `classifier.4.weight`).
    /// The auxiliary head (`aux_classifier`) only helps training and is not looked at.
    ///
    /// # Errors
    /// [`Error::Candle`] naming a tensor that is missing or misshapen.
    pub fn new(cfg: Config, vb: VarBuilder<'_>) -> Result<DeepLabV3> {
        let backbone = cfg.backbone.build(vb.pp("backbone"))?;
        let vb = vb.pp("classifier");
        let pyramid = Pyramid::new(&cfg, &vb.pp(0))?;
        let same = Options { padding: 1, activation: Activation::Relu, ..Options::default() };
        let first = conv_norm([cfg.channels, cfg.channels, 3, 3], &vb.pp(1), &vb.pp(2), same)?;
        let last = classifier([cfg.classes, cfg.channels], &vb.pp(4))?;
        Ok(DeepLabV3 { backbone, pyramid, head: [first, last], config: cfg })
    }

    /// The sizes it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Segmenter for DeepLabV3 {
    fn from_tensors(tensors: HashMap<String, Tensor>) -> Result<DeepLabV3> {
        let config = Config::from_tensors(&tensors)?;
        built(tensors, |vb| DeepLabV3::new(config, vb))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    /// As high and wide as the backbone's features: an eighth with a ResNet, a sixteenth with a MobileNetV3 (rounded up).
    fn logits(&self, x: Features, pass: &mut Pass<'_>) -> Result<Features> {
        let x = self.backbone.features(x, pass)?;
        let x = self.pyramid.run(x, pass)?;
        self.head.iter().try_fold(x, |x, conv| pass.conv(conv, &x))
    }

    fn count(&self, shape: [usize; 4]) -> Result<Tally> {
        let mut tally = self.backbone.count(shape)?;
        self.pyramid.count(&mut tally)?;
        self.head.iter().try_for_each(|conv| tally.conv(conv))?;
        Ok(tally)
    }
}
