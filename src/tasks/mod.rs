//! What a person picks: parameters and a picture in, a typed outcome out. No windows here, and no files but weights.

mod bench;
pub mod caption;
mod forward;
pub mod segment;
pub mod style;
mod tiles;
pub mod translate;

pub use bench::{Bench, NETS, Rounding, bench};
pub use forward::{ARCHITECTURES, forward};
pub use style::{IDENTITY, MODEL, Outcome, Params, Stylizer};

use crate::imaging::{ImagingError, Picture};
use crate::nn::{self, Watch};
use crate::zoo::ZooError;

/// A share or a probability (0 to 1) in percent, as short as tells it.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p >= 9.95 => format!("{p:.0} %"),
        p if p >= 0.05 => format!("{p:.1} %"),
        _ => "< 0.1 %".to_owned(),
    }
}

/// Why a task did not end in an outcome. Each reads as one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It was asked to stop.
    #[error("the task was cancelled")]
    Cancelled,
    /// A true partner that cannot be of the picture.
    #[error(
        "the true partner has {} x {} pixels, another shape than the picture's {} x {}",
        partner[0], partner[1], photo[0], photo[1]
    )]
    PartnerShape {
        /// Width and height of the picture.
        photo: [u32; 2],
        /// Those of what was given as its partner.
        partner: [u32; 2],
    },
    /// A style that the model does not have.
    #[error("there is no style called {id:?}; known are {}", known.join(", "))]
    UnknownStyle {
        /// As asked for.
        id: String,
        /// All there are, those that look most like it first.
        known: Vec<String>,
    },
    /// No style was given, or all with weight 0.
    #[error("no style is chosen: give at least one a weight above 0")]
    EmptyMix,
    /// A weight that means nothing.
    #[error("the weight of {id} is {weight}, but weights must be 0 or more")]
    BadWeight {
        /// Its style.
        id: String,
        /// As given.
        weight: f32,
    },
    /// A direction of translation that the model has no generator for.
    #[error("{model} translates one way only, not from {from} to {to}; join the checkpoint of the way back to it")]
    OneWay {
        /// Its id or file name.
        model: String,
        /// What was to be translated.
        from: String,
        /// Into what.
        to: String,
    },
    /// A way back for a model that has one.
    #[error("{model} translates both ways already; it needs no checkpoint of the way back")]
    TwoWay {
        /// Its id or file name.
        model: String,
    },
    /// A word that the model does not know.
    #[error("the model does not know the word {word:?}; the words it knows are those of its captions, in lower case")]
    UnknownWord {
        /// As asked for.
        word: String,
    },
    /// So many first words that no room is left for the model's own.
    #[error("a sentence has room for {most} words to begin with, not {words}")]
    LongPrefix {
        /// How many were given.
        words: usize,
        /// How many may be.
        most: usize,
    },
    /// The network produced something that is no number.
    #[error("the network's result is not a picture; its weights are probably damaged")]
    NotFinite,
    /// A name that no benchmark has.
    #[error("there is no network called {net:?} to run; known are {known}")]
    UnknownNet {
        /// As asked for.
        net: String,
        /// All there are, joined by commas.
        known: String,
    },
    /// A tensor file that could not be used.
    #[error("{name} could not be used: {reason}")]
    Tensors {
        /// The file.
        name: String,
        /// Why.
        reason: String,
    },
    /// The threads could not be started.
    #[error("the threads could not be started: {0}")]
    Threads(String),
    /// The weights could not be had.
    #[error(transparent)]
    Zoo(#[from] ZooError),
    /// The picture could not be made.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
    /// The network could not run.
    #[error(transparent)]
    Network(nn::Error),
}

/// `picture` scaled to `[width, height]`, unless the work is cancelled meanwhile.
fn scaled(picture: &Picture, [width, height]: [u32; 2], watch: &Watch<'_>) -> Result<Picture, TaskError> {
    let token = watch.token();
    picture.resized_to_while(width, height, &|| !token.is_cancelled()).ok_or(TaskError::Cancelled)
}

impl From<nn::Error> for TaskError {
    fn from(error: nn::Error) -> Self {
        match error {
            nn::Error::Cancelled => TaskError::Cancelled,
            other => TaskError::Network(other),
        }
    }
}

impl From<candle_core::Error> for TaskError {
    fn from(error: candle_core::Error) -> Self {
        TaskError::Network(error.into())
    }
}
