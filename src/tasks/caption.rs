//! Captions: a sentence about a picture, said word by word, and where the network looked for each word.

pub mod beam;
mod tree;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::TaskError;
use crate::imaging::Picture;
use crate::models::{Context, Decoder, Encoder, GRID, State};
use crate::nn::{Error, Pool, Precision, Watch};
use crate::zoo::{self, WordMap, ZooError};

pub use beam::{NEXT_WORDS, Search};
pub use tree::{Branch, Fate, Node, Tree};

/// The encoder's share of the time, about.
const LOOKING: f32 = 0.8;

/// What a person chose, but for the model. Values out of range count as the nearest in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// Hypotheses at a time, of [`Params::BEAM`]; 1 is greedy.
    pub beam: usize,
    /// As [`Search::length_norm`], of [`Params::LENGTH_NORM`].
    pub length_norm: f32,
    /// Words that the sentence has to begin with; from there it goes on by itself.
    pub prefix: Vec<String>,
    /// How exactly the encoder computes. The decoder computes in f32.
    pub precision: Precision,
}

impl Default for Params {
    fn default() -> Params {
        Params { beam: 5, length_norm: 0.0, prefix: Vec::new(), precision: Precision::F32 }
    }
}

impl Params {
    /// The range of [`Params::beam`].
    pub const BEAM: RangeInclusive<usize> = 1..=10;
    /// The range of [`Params::length_norm`].
    pub const LENGTH_NORM: RangeInclusive<f32> = 0.0..=1.0;

    /// The search that they ask for.
    fn search(&self) -> Search {
        let beam = self.beam.clamp(*Params::BEAM.start(), *Params::BEAM.end());
        // NaN becomes 0.
        let length_norm = self.length_norm.max(*Params::LENGTH_NORM.start()).min(*Params::LENGTH_NORM.end());
        Search { beam, length_norm, ..Search::default() }
    }
}

/// A picture as a captioning model sees it, so that it need not look again for another beam or another word.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Rows and columns of the grid that words attend to.
    pub grid: [usize; 2],
    /// Width and height of the picture, pixels.
    pub size: [u32; 2],
    /// Time in the encoder.
    pub seconds: f64,
    context: Context,
    state: State,
}

/// What was said about a picture.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The file's name of the model.
    pub model: String,
    /// Width and height of the picture, pixels.
    pub size: [u32; 2],
    /// Hypotheses at a time, as it was done.
    pub beam: usize,
    /// The finished sentences, the best first, at least one and at most [`Outcome::beam`]; if none came to an end, the
    /// unfinished ones.
    pub sentences: Vec<Sentence>,
    /// How they were found. The words' texts are in [`Outcome::words`].
    pub tree: Tree,
    /// All words of the model, by number.
    pub words: Arc<WordMap>,
    /// Rows and columns of the grid that words attend to.
    pub grid: [usize; 2],
    /// Time in the encoder and the decoder.
    pub seconds: f64,
}

/// One of the sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// Its words, without the marks for beginning and end.
    pub words: Vec<Word>,
    /// The mark that ended it; `None` when nothing did.
    pub end: Option<Word>,
    /// The natural logarithm of its probability, the end's included.
    pub log_prob: f32,
    /// That with the length made up for: what sentences are ranked by.
    pub rank: f32,
}

/// A word that was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// What was said.
    pub text: String,
    /// The natural logarithm of its probability after the words before it.
    pub log_prob: f32,
    /// Where the network looked: a number for each pixel of [`Outcome::grid`], row by row, of sum 1. `None` of a network
    /// without attention.
    pub attention: Option<Arc<[f32]>>,
    /// Its number in [`Outcome::tree`].
    pub node: usize,
}

impl Sentence {
    /// The words with spaces between them.
    pub fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The attention summed over all words and the end: 1 wherever the network looked as often as the doubly stochastic
    /// term of the paper (Xu et al. 2015, section 4.2.1) wants it to.
    pub fn attention_sum(&self) -> Option<Vec<f32>> {
        let mut maps = self.words.iter().chain(&self.end).filter_map(|word| word.attention.as_deref());
        let mut sum = maps.next()?.to_vec();
        for map in maps {
            sum.iter_mut().zip(map).for_each(|(sum, a)| *sum += a);
        }
        Some(sum)
    }
}

/// What was said, in words and numbers: what is written as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The best sentence.
    pub caption: String,
    /// The natural logarithm of its probability.
    pub log_prob: f32,
    /// Its words.
    pub words: Vec<WordSaid>,
    /// As [`Outcome::beam`].
    pub beam: usize,
    /// As [`Outcome::seconds`].
    pub seconds: f64,
}

/// A word of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WordSaid {
    /// What was said.
    pub word: String,
    /// The natural logarithm of its probability after the words before it.
    pub log_prob: f32,
    /// The grid, row by row; left out of a network without attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Vec<Vec<f32>>>,
}

impl Summary {
    /// Of an outcome's best sentence.
    pub fn new(outcome: &Outcome) -> Summary {
        let columns = outcome.grid[1].max(1);
        let rows = |map: &Arc<[f32]>| map.chunks(columns).map(<[f32]>::to_vec).collect();
        let said = |word: &Word| WordSaid {
            word: word.text.clone(),
            log_prob: word.log_prob,
            attention: word.attention.as_ref().map(rows),
        };
        let best = outcome.sentences.first();
        Summary {
            caption: best.map(Sentence::text).unwrap_or_default(),
            log_prob: best.map_or(0.0, |best| best.log_prob),
            words: best.iter().flat_map(|best| &best.words).map(said).collect(),
            beam: outcome.beam,
            seconds: outcome.seconds,
        }
    }
}

/// An encoder, a decoder and its words, loaded. Shared between threads freely; each run has its own memory.
#[derive(Debug)]
pub struct CaptionModel {
    id: String,
    architecture: &'static str,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    words: Arc<WordMap>,
}

impl CaptionModel {
    /// Loads a checkpoint of "a PyTorch Tutorial to Image Captioning", or one without attention as
    /// [`ShowAndTell`](crate::models::ShowAndTell) names it: the decoder, with its encoder or with `encoder` for a file of
    /// its own (torchvision's ResNet). The words are in the JSON file `word_map`, or in the one [`WordMap::beside`] finds.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for files that cannot be read or are of something else, and for an encoder or words that are
    /// missing; [`TaskError::Network`] for an encoder or words that do not fit the decoder.
    pub fn from_file(path: &Path, word_map: Option<&Path>, encoder: Option<&Path>) -> Result<CaptionModel, TaskError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let zoo::Captioner { architecture, decoder, encoder: own } = zoo::captioner(zoo::read_tensors(path)?)?;
        let encoder = match (encoder, own) {
            (Some(file), _) => zoo::image_encoder(zoo::read_tensors(file)?)?,
            (None, Some(own)) => own,
            (None, None) => return Err(ZooError::NoEncoder { name }.into()),
        };
        let beside = || WordMap::beside(path).ok_or_else(|| ZooError::NoWordMap { name: name.clone() });
        let words = WordMap::open(&word_map.map_or_else(beside, |file| Ok(file.to_owned()))?)?;
        if words.len() != decoder.vocabulary() {
            let known = decoder.vocabulary();
            return Err(Error::Shape(format!("{} words are listed, the decoder has {known}", words.len())).into());
        }
        if encoder.channels() != decoder.encoder_dim() {
            let (gives, wants) = (encoder.channels(), decoder.encoder_dim());
            return Err(Error::Shape(format!("the encoder gives {gives} channels, the decoder wants {wants}")).into());
        }
        Ok(CaptionModel { id: name, architecture, encoder, decoder, words: Arc::new(words) })
    }

    /// Its file's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As [`zoo::recognise`] names it.
    pub fn architecture(&self) -> &'static str {
        self.architecture
    }

    /// The words it knows.
    pub fn words(&self) -> &WordMap {
        &self.words
    }

    /// Looks at `picture`, squeezed to the square that the encoder sees; the longest part of a caption by far.
    ///
    /// # Errors
    /// As [`CaptionModel::run`].
    pub fn see(&self, picture: &Picture, precision: Precision, watch: &Watch<'_>) -> Result<Seen, TaskError> {
        let began = Instant::now();
        let watch = &watch.part(0.0, 1.0).with_precision(precision);
        watch.step(0.0)?;
        let side = self.encoder.side();
        let mut planes = picture.resized_to(side as u32, side as u32).to_planar_rgb();
        self.encoder.normalisation().apply(&mut planes, side * side);
        let x = Tensor::from_vec(planes, (1, 3, side, side), &Device::Cpu)?;
        let features = self.encoder.forward(&x, &Pool::default(), watch)?;
        let (context, state) = self.decoder.begin(&features.reshape((GRID * GRID, ()))?)?;
        watch.step(1.0)?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Seen { grid: [GRID, GRID], size: picture.size(), seconds, context, state })
    }

    /// Says what this model saw in a picture.
    ///
    /// # Errors
    /// As [`CaptionModel::run`].
    pub fn caption(&self, seen: &Seen, params: &Params, watch: &Watch<'_>) -> Result<Outcome, TaskError> {
        let began = Instant::now();
        let number = |word: &String| self.words.id(word).ok_or_else(|| TaskError::UnknownWord { word: word.clone() });
        let prefix = params.prefix.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let search = params.search();
        let marks = beam::Marks { start: self.words.start(), end: self.words.end() };
        let found = search.run(&*self.decoder, &seen.context, seen.state.clone(), marks, &prefix, watch)?;
        let sentences = found.sentences.iter().map(|branch| self.sentence(branch, &found.tree)).collect();
        Ok(Outcome {
            model: self.id.clone(),
            size: seen.size,
            beam: search.beam,
            sentences,
            tree: found.tree,
            words: self.words.clone(),
            grid: seen.grid,
            seconds: seen.seconds + began.elapsed().as_secs_f64(),
        })
    }

    /// Looks at `picture` and says what it saw.
    ///
    /// # Errors
    /// [`TaskError::Cancelled`] within a layer or a word of being cancelled, [`TaskError::UnknownWord`] for a first word
    /// that is none of the model's, [`TaskError::NotFinite`] for probabilities that are no numbers,
    /// [`TaskError::Network`] for what fails below.
    pub fn run(&self, picture: &Picture, params: &Params, watch: &Watch<'_>) -> Result<Outcome, TaskError> {
        let seen = self.see(picture, params.precision, &watch.part(0.0, LOOKING))?;
        self.caption(&seen, params, &watch.part(LOOKING, 1.0))
    }

    fn sentence(&self, branch: &Branch, tree: &Tree) -> Sentence {
        let word = |node: &usize| {
            let Node { word, log_prob, attention, .. } = tree.nodes.get(*node)?;
            let text = self.words.word(*word)?.to_owned();
            Some(Word { text, log_prob: *log_prob, attention: attention.clone(), node: *node })
        };
        let mut words: Vec<Word> = branch.nodes.iter().filter_map(word).collect();
        let end = if branch.ended { words.pop() } else { None };
        Sentence { words, end, log_prob: branch.score, rank: branch.rank }
    }
}
