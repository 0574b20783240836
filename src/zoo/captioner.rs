//! Networks that describe pictures, out of the checkpoints they come in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::architecture::recognise;
use super::{SHOW_AND_TELL, SHOW_ATTEND_TELL, WordMap, ZooError, is_checkpoint};
use crate::models::{
    Decoder, Encoder, GridEfficientNetLite, ResNet, ShowAndTell, ShowAttendTell, efficientnet_lite, resnet,
    show_and_tell, show_attend_tell,
};
use crate::nn;

type Tensors = HashMap<String, Tensor>;

/// What a captioning checkpoint holds.
#[derive(Debug)]
pub struct Captioner {
    /// As [`recognise`] names it.
    pub architecture: &'static str,
    /// What says the words.
    pub decoder: Box<dyn Decoder>,
    /// What looks at the picture, where the checkpoint has it too.
    pub encoder: Option<Box<dyn Encoder>>,
}

impl Captioner {
    /// Whether its parts and `words` fit together.
    ///
    /// # Errors
    /// [`nn::Error::Shape`] for words that are not as many as the decoder has, and for an encoder whose annotation vectors
    /// are not as long as the decoder's.
    pub fn check(&self, words: &WordMap) -> nn::Result<()> {
        let (listed, known) = (words.len(), self.decoder.vocabulary());
        if listed != known {
            return Err(nn::Error::Shape(format!("{listed} words are listed, the decoder has {known}")));
        }
        let wants = self.decoder.encoder_dim();
        match self.encoder.as_ref().map(|encoder| encoder.channels()) {
            Some(gives) if gives != wants => {
                Err(nn::Error::Shape(format!("the encoder gives {gives} channels, the decoder wants {wants}")))
            }
            _ => Ok(()),
        }
    }
}

/// The network of a captioning checkpoint: the tutorial's decoder as a state dict of its own, or its `BEST_checkpoint`,
/// whose decoder and encoder are modules pickled whole (read like any other checkpoint: nothing in it is run).
///
/// # Errors
/// [`ZooError::Unrecognised`]; [`ZooError::NoCaptioner`] for a network that does something else; [`ZooError::Incomplete`]
/// naming the first tensor that is missing or misshapen.
pub fn captioner(tensors: Tensors) -> Result<Captioner, ZooError> {
    let architecture = recognise(&tensors)?;
    if ![SHOW_ATTEND_TELL, SHOW_AND_TELL].contains(&architecture) {
        let known = [SHOW_ATTEND_TELL, SHOW_AND_TELL].join(", ");
        return Err(ZooError::NoCaptioner { architecture, known });
    }
    let incomplete = |source| ZooError::Incomplete { architecture, source };
    let (encoder, others): (Tensors, Tensors) = tensors.into_iter().partition(|(name, _)| name.starts_with("encoder."));
    let prefix = if others.keys().any(|name| name.starts_with("decoder.")) { "decoder." } else { "" };
    let decoder: nn::Result<Box<dyn Decoder>> = match architecture {
        SHOW_AND_TELL => show_and_tell::Config::from_tensors(&others, prefix)
            .and_then(|config| Ok(Box::new(ShowAndTell::new(config, builder(others, prefix))?) as _)),
        _ => show_attend_tell::Config::from_tensors(&others, prefix)
            .and_then(|config| Ok(Box::new(ShowAttendTell::new(config, builder(others, prefix))?) as _)),
    };
    let encoder = if encoder.is_empty() { None } else { Some(image_encoder(encoder)?) };
    Ok(Captioner { architecture, decoder: decoder.map_err(incomplete)?, encoder })
}

/// The encoder that a checkpoint holds: [`GridEfficientNetLite`]; torchvision's ResNet, or the same as the tutorial's
/// `Encoder` has it, its layers numbered in a `Sequential` (`encoder.resnet.0.weight`,
/// `encoder.resnet.4.0.conv1.weight`).
///
/// # Errors
/// [`ZooError::Incomplete`] naming the first tensor that is missing or misshapen.
pub fn image_encoder(tensors: Tensors) -> Result<Box<dyn Encoder>, ZooError> {
    const LAYERS: [(&str, &str); 6] =
        [("0.", "conv1."), ("1.", "bn1."), ("4.", "layer1."), ("5.", "layer2."), ("6.", "layer3."), ("7.", "layer4.")];
    let named = |name: String| {
        let bare = name.strip_prefix("encoder.").unwrap_or(&name);
        let bare = bare.strip_prefix("resnet.").unwrap_or(bare);
        let layer =
            LAYERS.into_iter().find_map(|(number, layer)| Some(format!("{layer}{}", bare.strip_prefix(number)?)));
        layer.unwrap_or_else(|| bare.to_owned())
    };
    let tensors: Tensors = tensors.into_iter().map(|(name, t)| (named(name), t)).collect();
    if GridEfficientNetLite::is_of(&tensors) {
        let build = efficientnet_lite::Config::from_tensors(&tensors, "")
            .and_then(|config| GridEfficientNetLite::new(config, builder(tensors, "")));
        let incomplete = |source| ZooError::Incomplete { architecture: "efficientnet-lite0", source };
        return Ok(Box::new(build.map_err(incomplete)?));
    }
    let build = || {
        // Features are wanted, whether or not a classifier was saved beside them.
        let config = resnet::Config { classes: None, ..resnet::Config::from_tensors(&tensors, "")? };
        ResNet::new(config, builder(tensors.clone(), ""))
    };
    match build() {
        Ok(encoder) => Ok(Box::new(encoder)),
        Err(source) => Err(ZooError::Incomplete { architecture: "resnet101", source }),
    }
}

/// The file beside a checkpoint without an encoder that has the encoder's weights: the one with `encoder` in its name, or
/// else the one that begins with `resnet`, as torchvision's `resnet101-....pth` does.
pub fn encoder_beside(checkpoint: &Path) -> Option<PathBuf> {
    let folder = checkpoint.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files: Vec<_> = folder.read_dir().ok()?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.file_name() != checkpoint.file_name() && is_checkpoint(file));
    files.sort();
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let called = files.iter().find(|file| name(file).contains("encoder"));
    called.or_else(|| files.iter().find(|file| name(file).starts_with("resnet"))).cloned()
}

fn builder(tensors: Tensors, prefix: &str) -> VarBuilder<'static> {
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    match prefix.strip_suffix('.') {
        Some(prefix) => vb.pp(prefix),
        None => vb,
    }
}
