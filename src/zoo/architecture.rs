//! Which architecture a checkpoint is of, told by the names of its tensors.

use std::collections::HashMap;

use candle_core::Tensor;

use super::{SHOW_AND_TELL, SHOW_ATTEND_TELL, ZooError};
use crate::models::{
    DeepLabV3, DeepLabV3MobileNetV2, DeepLabV3Plus, Fcn, Fcn8s, LrAspp, Segmenter, Unet, UnetEfficientNetLite,
};
use crate::nn;

type Tensors = HashMap<String, Tensor>;
type Make = fn(Tensors) -> nn::Result<Box<dyn Segmenter>>;

/// An architecture as its checkpoints show it.
struct Architecture {
    /// As in `lucida forward --arch`.
    name: &'static str,
    /// Tensors that every such checkpoint has, and that together tell it from those that come before.
    keys: &'static [&'static str],
    /// How it is built, where it segments.
    segmenter: Option<Make>,
}

const fn architecture(name: &'static str, keys: &'static [&'static str], segmenter: Option<Make>) -> Architecture {
    Architecture { name, keys, segmenter }
}

fn make<N: Segmenter + 'static>(tensors: Tensors) -> nn::Result<Box<dyn Segmenter>> {
    Ok(Box::new(N::from_tensors(tensors)?))
}

/// Where one has all that another has, it comes after that.
const ARCHITECTURES: [Architecture; 22] = [
    architecture(
        "fcn-resnet50",
        &["backbone.conv1.weight", "backbone.layer3.0.conv3.weight", "classifier.0.weight", "classifier.4.weight"],
        Some(make::<Fcn>),
    ),
    architecture(
        "fcn-resnet101",
        &[
            "backbone.conv1.weight",
            "backbone.layer3.0.conv3.weight",
            "classifier.0.weight",
            "classifier.4.weight",
            "backbone.layer3.22.conv3.weight",
        ],
        Some(make::<Fcn>),
    ),
    architecture(
        "deeplabv3-resnet50",
        &[
            "backbone.conv1.weight",
            "backbone.layer3.0.conv3.weight",
            "classifier.0.project.0.weight",
            "classifier.4.weight",
        ],
        Some(make::<DeepLabV3>),
    ),
    architecture(
        "deeplabv3-resnet101",
        &[
            "backbone.conv1.weight",
            "backbone.layer3.0.conv3.weight",
            "classifier.0.project.0.weight",
            "classifier.4.weight",
            "backbone.layer3.22.conv3.weight",
        ],
        Some(make::<DeepLabV3>),
    ),
    architecture(
        "deeplabv3-mobilenet-v3-large",
        &[
            "backbone.0.0.weight",
            "backbone.1.block.0.0.weight",
            "backbone.16.0.weight",
            "classifier.0.project.0.weight",
            "classifier.4.weight",
        ],
        Some(make::<DeepLabV3>),
    ),
    architecture(
        "lraspp-mobilenet-v3-large",
        &[
            "backbone.0.0.weight",
            "backbone.1.block.0.0.weight",
            "backbone.16.0.weight",
            "classifier.cbr.0.weight",
            "classifier.low_classifier.weight",
        ],
        Some(make::<LrAspp>),
    ),
    architecture(
        "unet",
        &[
            "inc.double_conv.0.weight",
            "down4.maxpool_conv.1.double_conv.0.weight",
            "up4.conv.double_conv.0.weight",
            "outc.conv.weight",
        ],
        Some(make::<Unet>),
    ),
    architecture(
        "deeplabv3-mobilenet-v2-voc21",
        &["stem.weight", "block16.depthwise.weight", "aspp0.weight", "concat_projection.weight", "logits.weight"],
        Some(make::<DeepLabV3MobileNetV2>),
    ),
    architecture(
        "fcn-efficientnet-lite0",
        &[
            "encoder._conv_stem.weight",
            "encoder._blocks.15._project_conv.weight",
            "fc6.0.weight",
            "score_fr.weight",
            "score_pool3.weight",
        ],
        Some(make::<Fcn8s>),
    ),
    architecture(
        "unet-efficientnet-lite0",
        &[
            "encoder._conv_stem.weight",
            "encoder._blocks.15._project_conv.weight",
            "decoder.blocks.4.conv2.0.weight",
            "segmentation_head.0.weight",
        ],
        Some(make::<UnetEfficientNetLite>),
    ),
    architecture(
        "deeplabv3plus-efficientnet-lite0",
        &[
            "encoder._conv_stem.weight",
            "encoder._blocks.15._project_conv.weight",
            "decoder.aspp.0.project.0.weight",
            "decoder.block2.0.0.weight",
            "segmentation_head.0.weight",
        ],
        Some(make::<DeepLabV3Plus>),
    ),
    architecture("transformer-net", &["conv1.conv2d.weight", "in1.weight", "deconv3.conv2d.weight"], None),
    architecture("cyclegan-resnet", &["model.1.weight", "model.4.weight"], None),
    architecture(
        "pix2pix-unet",
        &["model.model.0.weight", "model.model.1.model.1.weight", "model.model.3.weight"],
        None,
    ),
    architecture("resnet101", &["conv1.weight", "layer1.0.conv3.weight", "layer4.0.conv3.weight"], None),
    architecture("mobilenet-v2", &["features.0.0.weight", "features.18.0.weight", "features.1.conv.0.0.weight"], None),
    architecture(
        "mobilenet-v3-large",
        &["features.0.0.weight", "features.16.0.weight", "features.1.block.0.0.weight"],
        None,
    ),
    architecture("vgg16", &["features.0.weight", "features.2.weight", "features.21.weight"], None),
    architecture(
        SHOW_ATTEND_TELL,
        &["attention.encoder_att.weight", "attention.full_att.weight", "decode_step.weight_ih", "f_beta.weight"],
        None,
    ),
    // Beside its encoder
    architecture(
        SHOW_ATTEND_TELL,
        &[
            "decoder.attention.encoder_att.weight",
            "decoder.attention.full_att.weight",
            "decoder.decode_step.weight_ih",
            "decoder.f_beta.weight",
        ],
        None,
    ),
    architecture(SHOW_AND_TELL, &["image_embedding.weight", "embedding.weight", "decode_step.weight_ih"], None),
    architecture(
        SHOW_AND_TELL,
        &["decoder.image_embedding.weight", "decoder.embedding.weight", "decoder.decode_step.weight_ih"],
        None,
    ),
];

/// The architecture that a checkpoint is of, named as in `lucida forward --arch`. A ResNet of bottleneck blocks is
/// `resnet101`, however deep; beneath a head it is called by its depth.
///
/// # Errors
/// [`ZooError::Unrecognised`] naming the first tensor that the most similar architecture has and the checkpoint has not.
pub fn recognise(tensors: &HashMap<String, Tensor>) -> Result<&'static str, ZooError> {
    Ok(recognised(tensors)?.name)
}

/// The network of a segmentation checkpoint, and its architecture as [`recognise`] names it.
///
/// # Errors
/// [`ZooError::Unrecognised`]; [`ZooError::NoSegmenter`] for a network that does something else;
/// [`ZooError::Incomplete`] naming the first tensor that is missing or misshapen.
pub fn segmenter(tensors: HashMap<String, Tensor>) -> Result<(&'static str, Box<dyn Segmenter>), ZooError> {
    let Architecture { name, segmenter, .. } = recognised(&tensors)?;
    let Some(make) = segmenter else {
        let known = ARCHITECTURES.iter().filter(|a| a.segmenter.is_some()).map(|a| a.name);
        return Err(ZooError::NoSegmenter { architecture: name, known: known.collect::<Vec<_>>().join(", ") });
    };
    let network = make(tensors).map_err(|source| ZooError::Incomplete { architecture: name, source })?;
    Ok((name, network))
}

fn recognised(tensors: &Tensors) -> Result<&'static Architecture, ZooError> {
    static ALL: &[Architecture] = &ARCHITECTURES;
    let missing = |a: &Architecture| a.keys.iter().find(|key| !tensors.contains_key(**key)).copied();
    if let Some(found) = ALL.iter().rfind(|a| missing(a).is_none()) {
        return Ok(found);
    }
    // The largest share of an architecture's keys; of equals the first.
    let share = |a: &Architecture| a.keys.iter().filter(|key| tensors.contains_key(**key)).count() * 60 / a.keys.len();
    let closest = ALL.iter().rev().max_by_key(|a| share(a)).map(|a| (a, missing(a).unwrap_or_default()));
    Err(match closest {
        Some((closest, missing)) if share(closest) > 0 => {
            ZooError::Unrecognised { architecture: closest.name, missing }
        }
        closest => ZooError::Unknown {
            example: tensors.keys().min().cloned().unwrap_or_default(),
            closest: closest.map_or("", |(a, _)| a.name),
            missing: closest.map_or("", |(_, missing)| missing),
            known: known(ALL),
        },
    })
}

/// Their names, each once.
fn known(all: &[Architecture]) -> String {
    let mut names: Vec<_> = all.iter().map(|a| a.name).collect();
    names.dedup();
    names.join(", ")
}
