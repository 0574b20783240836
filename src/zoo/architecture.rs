//! Which architecture a checkpoint is of, told by the names of its tensors.

use std::collections::HashMap;

use candle_core::Tensor;

use super::two_way::TwoWay;
use super::{SHOW_AND_TELL, SHOW_ATTEND_TELL, Task, ZooError, clipped};
use crate::models::{
    DeepLabV3, DeepLabV3MobileNetV2, DeepLabV3Plus, Fcn, Fcn8s, Generator, LrAspp, PatchGan, ResnetGenerator,
    Segmenter, Unet, UnetEfficientNetLite, UnetGenerator,
};
use crate::nn;

type Tensors = HashMap<String, Tensor>;

/// An architecture as its checkpoints show it.
struct Architecture {
    /// As in `lucida forward --arch`.
    name: &'static str,
    /// Tensors that every such checkpoint has, and that together tell it from those that come before.
    keys: &'static [&'static str],
    purpose: Purpose,
}

/// What a network does, and how it is built for that.
enum Purpose {
    Segments(fn(Tensors) -> nn::Result<Box<dyn Segmenter>>),
    /// With the picture's own statistics in batch norms, if wanted.
    Translates(fn(Tensors, bool) -> nn::Result<Box<dyn Generator>>),
    /// It judges translations.
    Judges,
    /// It describes pictures.
    Describes,
    Other,
}

const fn architecture(name: &'static str, keys: &'static [&'static str], purpose: Purpose) -> Architecture {
    Architecture { name, keys, purpose }
}

const fn segments<N: Segmenter + 'static>() -> Purpose {
    Purpose::Segments(|tensors| Ok(Box::new(N::from_tensors(tensors)?)))
}

const fn translates<N: Generator + 'static>() -> Purpose {
    Purpose::Translates(|tensors, own_statistics| Ok(Box::new(N::from_tensors(tensors, own_statistics)?)))
}

/// Where one has all that another has, it comes after that.
const ARCHITECTURES: [Architecture; 23] = [
    architecture(
        "fcn-resnet50",
        &["backbone.conv1.weight", "backbone.layer3.0.conv3.weight", "classifier.0.weight", "classifier.4.weight"],
        segments::<Fcn>(),
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
        segments::<Fcn>(),
    ),
    architecture(
        "deeplabv3-resnet50",
        &[
            "backbone.conv1.weight",
            "backbone.layer3.0.conv3.weight",
            "classifier.0.project.0.weight",
            "classifier.4.weight",
        ],
        segments::<DeepLabV3>(),
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
        segments::<DeepLabV3>(),
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
        segments::<DeepLabV3>(),
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
        segments::<LrAspp>(),
    ),
    architecture(
        "unet",
        &[
            "inc.double_conv.0.weight",
            "down4.maxpool_conv.1.double_conv.0.weight",
            "up4.conv.double_conv.0.weight",
            "outc.conv.weight",
        ],
        segments::<Unet>(),
    ),
    architecture(
        "deeplabv3-mobilenet-v2-voc21",
        &["stem.weight", "block16.depthwise.weight", "aspp0.weight", "concat_projection.weight", "logits.weight"],
        segments::<DeepLabV3MobileNetV2>(),
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
        segments::<Fcn8s>(),
    ),
    architecture(
        "unet-efficientnet-lite0",
        &[
            "encoder._conv_stem.weight",
            "encoder._blocks.15._project_conv.weight",
            "decoder.blocks.4.conv2.0.weight",
            "segmentation_head.0.weight",
        ],
        segments::<UnetEfficientNetLite>(),
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
        segments::<DeepLabV3Plus>(),
    ),
    architecture("transformer-net", &["conv1.conv2d.weight", "in1.weight", "deconv3.conv2d.weight"], Purpose::Other),
    architecture("patch-gan", &["model.0.weight", "model.2.weight", "model.5.weight"], Purpose::Judges),
    architecture("cyclegan-resnet", &["model.1.weight", "model.4.weight"], translates::<ResnetGenerator>()),
    architecture(
        "pix2pix-unet",
        &["model.model.0.weight", "model.model.1.model.1.weight", "model.model.3.weight"],
        translates::<UnetGenerator>(),
    ),
    architecture("resnet101", &["conv1.weight", "layer1.0.conv3.weight", "layer4.0.conv3.weight"], Purpose::Other),
    architecture(
        "mobilenet-v2",
        &["features.0.0.weight", "features.18.0.weight", "features.1.conv.0.0.weight"],
        Purpose::Other,
    ),
    architecture(
        "mobilenet-v3-large",
        &["features.0.0.weight", "features.16.0.weight", "features.1.block.0.0.weight"],
        Purpose::Other,
    ),
    architecture("vgg16", &["features.0.weight", "features.2.weight", "features.21.weight"], Purpose::Other),
    architecture(
        SHOW_ATTEND_TELL,
        &["attention.encoder_att.weight", "attention.full_att.weight", "decode_step.weight_ih", "f_beta.weight"],
        Purpose::Describes,
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
        Purpose::Describes,
    ),
    architecture(
        SHOW_AND_TELL,
        &["image_embedding.weight", "embedding.weight", "decode_step.weight_ih"],
        Purpose::Describes,
    ),
    architecture(
        SHOW_AND_TELL,
        &["decoder.image_embedding.weight", "decoder.embedding.weight", "decoder.decode_step.weight_ih"],
        Purpose::Describes,
    ),
];

/// The architecture that a checkpoint is of, named as in `lucida forward --arch`. A ResNet of bottleneck blocks is
/// `resnet101`, however deep; beneath a head it is called by its depth. Of one with generators both ways it is theirs.
///
/// # Errors
/// [`ZooError::Unrecognised`] naming the first tensor that the most similar architecture has and the checkpoint has not.
pub fn recognise(tensors: &HashMap<String, Tensor>) -> Result<&'static str, ZooError> {
    Ok(recognised(tensors)?.name)
}

/// Whether a checkpoint is of the architecture called `wanted`.
///
/// # Errors
/// [`ZooError::OtherArchitecture`], naming the first tensor that is missing or whose the weights are;
/// [`ZooError::UnknownArchitecture`].
pub(super) fn check(tensors: &Tensors, wanted: &str) -> Result<(), ZooError> {
    static ALL: &[Architecture] = &ARCHITECTURES;
    let Some(architecture) = ALL.iter().find(|a| a.name == wanted) else {
        return Err(ZooError::UnknownArchitecture { name: wanted.to_owned(), known: known(|_| true) });
    };
    let prefix = TwoWay::prefix(tensors).unwrap_or_default();
    let missing = architecture.keys.iter().find(|key| !tensors.contains_key(&format!("{prefix}{key}")));
    let why = match missing {
        Some(missing) => format!("there is no tensor {missing:?}"),
        None => match recognise(tensors)? {
            found if found == architecture.name => return Ok(()),
            found => format!("they are {found}'s"),
        },
    };
    Err(ZooError::OtherArchitecture { wanted: architecture.name, why })
}

/// The task that a checkpoint's network is for.
///
/// # Errors
/// As [`recognise`]; [`ZooError::NoTask`] for a network that no task runs a checkpoint of.
pub fn task_of(tensors: &HashMap<String, Tensor>) -> Result<Task, ZooError> {
    let Architecture { name, purpose, .. } = recognised(tensors)?;
    match purpose {
        Purpose::Segments(_) => Ok(Task::Segment),
        Purpose::Translates(_) => Ok(Task::Translate),
        Purpose::Describes => Ok(Task::Caption),
        _ => Err(ZooError::NoTask {
            architecture: name,
            known: known(|purpose| {
                matches!(purpose, Purpose::Segments(_) | Purpose::Translates(_) | Purpose::Describes)
            }),
        }),
    }
}

/// The network of a segmentation checkpoint, and its architecture as [`recognise`] names it.
///
/// # Errors
/// [`ZooError::Unrecognised`]; [`ZooError::NoSegmenter`] for a network that does something else;
/// [`ZooError::Incomplete`] naming the first tensor that is missing or misshapen.
pub fn segmenter(tensors: HashMap<String, Tensor>) -> Result<(&'static str, Box<dyn Segmenter>), ZooError> {
    let Architecture { name, purpose, .. } = recognised(&tensors)?;
    let Purpose::Segments(make) = purpose else {
        let known = known(|purpose| matches!(purpose, Purpose::Segments(_)));
        return Err(ZooError::NoSegmenter { architecture: name, known });
    };
    let network = make(tensors).map_err(|source| ZooError::Incomplete { architecture: name, source })?;
    Ok((name, network))
}

/// The generator of a checkpoint that has but one, and its architecture as [`recognise`] names it. With `own_statistics`
/// batch norms take the picture's own statistics in place of those kept in training: what pix2pix's `test.py` does without
/// `--eval`. A checkpoint with generators both ways is taken apart by [`TwoWay::of`] before.
///
/// # Errors
/// [`ZooError::Unrecognised`]; [`ZooError::NoTranslator`] for a network that does something else;
/// [`ZooError::Incomplete`] naming the first tensor that is missing or misshapen.
pub fn translator(
    tensors: HashMap<String, Tensor>,
    own_statistics: bool,
) -> Result<(&'static str, Box<dyn Generator>), ZooError> {
    let Architecture { name, purpose, .. } = recognised(&tensors)?;
    let Purpose::Translates(make) = purpose else {
        let known = known(|purpose| matches!(purpose, Purpose::Translates(_)));
        return Err(ZooError::NoTranslator { architecture: name, known });
    };
    let network =
        make(tensors, own_statistics).map_err(|source| ZooError::Incomplete { architecture: name, source })?;
    Ok((name, network))
}

/// The discriminator of a checkpoint that has but one.
///
/// # Errors
/// As [`translator`].
pub fn judge(tensors: HashMap<String, Tensor>) -> Result<PatchGan, ZooError> {
    let Architecture { name, purpose, .. } = recognised(&tensors)?;
    if !matches!(purpose, Purpose::Judges) {
        return Err(ZooError::NoJudge { architecture: name });
    }
    PatchGan::from_tensors(tensors).map_err(|source| ZooError::Incomplete { architecture: name, source })
}

/// The names of the architectures of a use, joined by commas.
fn known(of: impl Fn(&Purpose) -> bool) -> String {
    let mut known: Vec<_> = ARCHITECTURES.iter().filter(|a| of(&a.purpose)).map(|a| a.name).collect();
    known.dedup(); // with and without prefixes
    known.join(", ")
}

fn recognised(tensors: &Tensors) -> Result<&'static Architecture, ZooError> {
    static ALL: &[Architecture] = &ARCHITECTURES;
    let prefix = TwoWay::prefix(tensors).unwrap_or_default();
    let has = |key: &str| tensors.contains_key(&format!("{prefix}{key}"));
    let missing = |a: &Architecture| a.keys.iter().find(|key| !has(key)).copied();
    if let Some(found) = ALL.iter().rfind(|a| missing(a).is_none()) {
        return Ok(found);
    }
    // The largest share of an architecture's keys; of equals the first.
    let share = |a: &Architecture| a.keys.iter().filter(|key| has(key)).count() * 60 / a.keys.len();
    let closest = ALL.iter().rev().max_by_key(|a| share(a)).map(|a| (a, missing(a).unwrap_or_default()));
    Err(match closest {
        Some((closest, missing)) if share(closest) > 0 => {
            ZooError::Unrecognised { architecture: closest.name, missing }
        }
        closest => ZooError::Unknown {
            example: tensors.keys().min().map(|name| clipped(name)).unwrap_or_default(),
            closest: closest.map_or("", |(a, _)| a.name),
            missing: closest.map_or("", |(_, missing)| missing),
            known: known(|_| true),
        },
    })
}
