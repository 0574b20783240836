//! Which weights exist, their cards, and how they are read. A model is one folder in `assets/models`: release builds
//! carry its card and weights inside the program, debug builds read the weights from the source tree.

mod architecture;
mod archive;
mod captioner;
mod card;
mod checkpoint;
mod imported;
mod layout;
mod pickle;
mod state_dict;
mod two_way;
mod word_map;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use architecture::{judge, recognise, segmenter, task_of, translator};
pub use captioner::{Captioner, captioner, encoder_beside, image_encoder};
pub use card::{Card, LossRow, StyleCard, Task, Training};
pub use checkpoint::read_tensors;
pub use imported::{Import, Prepared, imported, imported_card_text, imported_model, prepare, remove};
pub use two_way::{TwoWay, check_generator, check_judge, goes_back, renamed};
pub use word_map::WordMap;

use candle_core::Tensor;

use crate::nn;

/// How [`recognise`] calls the decoder of Show, Attend and Tell, with its encoder or without.
pub const SHOW_ATTEND_TELL: &str = "show-attend-tell";
/// How [`recognise`] calls the same without attention.
pub const SHOW_AND_TELL: &str = "show-and-tell";

/// How the names of checkpoints end.
pub const CHECKPOINT_EXTENSIONS: [&str; 6] = ["safetensors", "pth", "pt", "tar", "bin", "ckpt"];

/// Whether a path is called like a checkpoint, and no folder.
pub fn is_checkpoint(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|e| CHECKPOINT_EXTENSIONS.contains(&e.as_str())) && !path.is_dir()
}

/// What can go wrong with weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// No model has this id.
    #[error("there is no model called {id:?}; known are {known}")]
    UnknownModel {
        /// As asked for.
        id: String,
        /// What could have been asked for, joined by commas.
        known: String,
    },
    /// A file could not be read.
    #[error("{} could not be read: {source}{}", path.display(), crate::imaging::advice("read", source))]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no checkpoint, or a damaged one.
    #[error("{name} is not a readable checkpoint: {reason}")]
    Damaged {
        /// The file's or the model's name.
        name: String,
        /// What the reader stumbled over.
        reason: String,
    },
    /// A checkpoint that resembles an architecture's but lacks what all of those have.
    #[error("the weights look most like {architecture}, but there is no tensor {missing:?}")]
    Unrecognised {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
        /// The first tensor that is missing.
        missing: &'static str,
    },
    /// A checkpoint that resembles nothing.
    #[error(
        "the weights (of {example:?}, for one) belong to no network that can be used here; {closest}, for one, has a tensor {missing:?}; known are {known}"
    )]
    Unknown {
        /// The name of one of its tensors.
        example: String,
        /// An architecture, as in `lucida forward --arch`.
        closest: &'static str,
        /// The first tensor that it would need.
        missing: &'static str,
        /// The architectures, joined by commas.
        known: String,
    },
    /// A checkpoint of a network that does something else.
    #[error("the weights are {architecture}'s, which does not segment pictures; what does is {known}")]
    NoSegmenter {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
        /// The architectures that would do, joined by commas.
        known: String,
    },
    /// A checkpoint of a network that no task runs one of.
    #[error("the weights are {architecture}'s, which no task runs a checkpoint of; what can be used is {known}")]
    NoTask {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
        /// The architectures that would do, joined by commas.
        known: String,
    },
    /// A checkpoint of another architecture than was asked for.
    #[error("the weights are not {wanted}'s: {why}")]
    OtherArchitecture {
        /// As asked for.
        wanted: &'static str,
        /// Which tensor is missing, or whose they are.
        why: String,
    },
    /// An architecture that does not exist.
    #[error("there is no architecture called {name:?}; known are {known}")]
    UnknownArchitecture {
        /// As asked for.
        name: String,
        /// All there are, joined by commas.
        known: String,
    },
    /// An id that is none.
    #[error("{id:?} is no id for a model; give it one of lower-case words joined by hyphens (--id)")]
    BadId {
        /// As asked for, or made of a file's name.
        id: String,
    },
    /// An id that another model has.
    #[error("there is a model called {id} already; choose another id (--id), or remove that model if it was added")]
    IdTaken {
        /// As asked for, or made of a file's name.
        id: String,
    },
    /// A checkpoint that was to join another, as its way back or its encoder, cannot be that.
    #[error("{}: {source}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ZooError>,
    },
    /// Generators both ways where one is wanted.
    #[error("it holds generators both ways; the way back (--back) joins one that goes one way with another")]
    BothWays,
    /// A model that nobody added.
    #[error("no model called {id:?} was added that could be removed; added were: {known}")]
    NotImported {
        /// As asked for.
        id: String,
        /// What could have been asked for, joined by commas.
        known: String,
    },
    /// Added models could not be kept.
    #[error("{} could not be written: {source}{}", path.display(), crate::imaging::advice("write", source))]
    Write {
        /// The model's folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nowhere to keep added models.
    #[error("this account has no folder for data; name one by the environment's LUCIDA_DATA")]
    NoFolder,
    /// A checkpoint of a network that does something else.
    #[error("the weights are {architecture}'s, which does not translate pictures; what does is {known}")]
    NoTranslator {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
        /// The architectures that would do, joined by commas.
        known: String,
    },
    /// As [`ZooError::NoSegmenter`].
    #[error("the weights are {architecture}'s, which does not describe pictures; what does is {known}")]
    NoCaptioner {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
        /// The architectures that would do, joined by commas.
        known: String,
    },
    /// A checkpoint of a network that does something else.
    #[error("the weights are {architecture}'s, which does not judge translations; what does is patch-gan")]
    NoJudge {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
    },
    /// A decoder without the encoder whose features it was trained on.
    #[error(
        "{name} holds a decoder alone: give the weights of its encoder too, or put them into the same folder; for a checkpoint of \"a PyTorch Tutorial to Image Captioning\" they are torchvision's resnet101"
    )]
    NoEncoder {
        /// The checkpoint.
        name: String,
    },
    /// A list of words that is none.
    #[error("{} cannot be used as a list of words: {reason}", path.display())]
    WordMap {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A captioning network without the list of its words.
    #[error(
        "{name} does not say which words its numbers stand for: give its WORDMAP_....json, or put it into the same folder"
    )]
    NoWordMap {
        /// The checkpoint.
        name: String,
    },
    /// A checkpoint of a known architecture of which no network could be built.
    #[error("the weights are {architecture}'s, but damaged or of another variant: {}", .source.reason())]
    Incomplete {
        /// As in `lucida forward --arch`.
        architecture: &'static str,
        /// Which tensor is missing or misshapen.
        source: nn::Error,
    },
}

/// A model that ships with the program.
struct Shipped {
    id: &'static str,
    card: &'static str,
    #[cfg(not(debug_assertions))]
    weights: &'static [u8],
}

macro_rules! shipped {
    ($($id:literal),+) => {
        &[$(Shipped {
            id: $id,
            card: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/", $id, "/card.toml")),
            #[cfg(not(debug_assertions))]
            weights: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/", $id, "/model.safetensors")),
        }),+]
    };
}

/// A new model is one folder and one entry here.
const SHIPPED: &[Shipped] = shipped![
    "style-painters",
    "deeplabv3plus-voc",
    "deeplabv3plus-camvid",
    "unet-camvid",
    "fcn-8s-camvid",
    "cyclegan-anime",
    "pix2pix-maps",
    "cyclegan-maps",
    "show-attend-tell-flickr8k",
    "show-tell-flickr8k"
];

/// Characters of a text out of a file that messages show.
const SHOWN: usize = 120;

/// How a message shows a text out of a file, which may be of any length.
fn clipped(text: &str) -> String {
    let cut = text.char_indices().nth(SHOWN);
    cut.map_or_else(|| text.to_owned(), |(at, _)| format!("{}...", &text[..at]))
}

impl ZooError {
    /// The same of another file than the one in question, whose name it tells.
    pub(crate) fn of_other(self, path: &Path) -> ZooError {
        match self {
            ZooError::Read { .. } | ZooError::Damaged { .. } => self, // they name it
            error => ZooError::Other { path: path.to_owned(), source: Box::new(error) },
        }
    }
}

/// The cards of all models at hand, in the order they are shown.
pub fn models() -> &'static [Card] {
    static MODELS: OnceLock<Vec<Card>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let read = |s: &Shipped| match Card::parse(s.card) {
            Ok(card) => Some(Card { bytes: weights_len(s), ..card }),
            Err(error) => {
                log::error!("the card of {} cannot be read and the model is left out: {error}", s.id);
                None
            }
        };
        SHIPPED.iter().filter_map(read).collect()
    })
}

/// The card of one model.
pub fn card(id: &str) -> Option<&'static Card> {
    models().iter().find(|c| c.id == id)
}

/// What the model of this id is for: one that ships, a form of one, or one that was added.
pub fn task_of_id(id: &str) -> Option<Task> {
    let of = |card: &Card| (card.id == id || card.forms.iter().any(|form| form == id)).then_some(card.task);
    models().iter().find_map(of).or_else(|| imported().iter().find_map(of))
}

/// The cards of the models for one task, in the order they are shown.
pub fn models_for(task: Task) -> impl Iterator<Item = &'static Card> {
    models().iter().filter(move |card| card.task == task)
}

/// The card of one model as it was written (TOML).
pub fn card_text(id: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|s| s.id == id).map(|s| s.card)
}

/// The weights of one model, safetensors.
///
/// # Errors
/// [`ZooError::UnknownModel`]; in debug builds also [`ZooError::Read`] when the source tree has no weights.
pub fn weights(id: &str) -> Result<Cow<'static, [u8]>, ZooError> {
    let known = || SHIPPED.iter().map(|s| s.id).collect::<Vec<_>>().join(", ");
    let shipped = SHIPPED.iter().find(|s| s.id == id);
    let shipped = shipped.ok_or_else(|| ZooError::UnknownModel { id: id.to_owned(), known: known() })?;
    weights_of(shipped)
}

/// The weights of one model as tensors by name, on the processor, in the types they are stored in.
///
/// # Errors
/// As [`weights`]; [`ZooError::Damaged`] when they are no safetensors.
pub fn tensors(id: &str) -> Result<HashMap<String, Tensor>, ZooError> {
    checkpoint::from_safetensors(&weights(id)?).map_err(|reason| ZooError::Damaged { name: id.to_owned(), reason })
}

#[cfg(not(debug_assertions))]
fn weights_of(shipped: &Shipped) -> Result<Cow<'static, [u8]>, ZooError> {
    Ok(Cow::Borrowed(shipped.weights))
}

#[cfg(not(debug_assertions))]
fn weights_len(shipped: &Shipped) -> u64 {
    shipped.weights.len() as u64
}

#[cfg(debug_assertions)]
fn weights_path(shipped: &Shipped) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "assets/models", shipped.id, "model.safetensors"].iter().collect()
}

#[cfg(debug_assertions)]
fn weights_of(shipped: &Shipped) -> Result<Cow<'static, [u8]>, ZooError> {
    let path = weights_path(shipped);
    std::fs::read(&path).map(Cow::Owned).map_err(|source| ZooError::Read { path, source })
}

#[cfg(debug_assertions)]
fn weights_len(shipped: &Shipped) -> u64 {
    std::fs::metadata(weights_path(shipped)).map_or(0, |m| m.len())
}

/// The paintings behind the styles: style id and a small JPEG, to show while (and beside what) a style is computed.
pub fn paintings() -> &'static [(&'static str, &'static [u8])] {
    macro_rules! paintings {
        ($($id:literal),* $(,)?) => {
            &[$(($id, include_bytes!(concat!("../../assets/styles/", $id, ".jpg")))),*]
        };
    }
    paintings![
        "hokusai-great-wave",
        "van-gogh-auvers",
        "kandinsky-composition-viii",
        "hiroshige-mackerel",
        "hokusai-poppies",
        "cassatt-summertime",
        "hokusai-ejiri",
        "arcimboldo-spring",
        "hiroshige-benzaiten-shrine",
        "bruegel-harvesters",
    ]
}
