//! Captions: a sentence about a picture, said word by word, and where the network looked for each word.

pub mod beam;
mod tree;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::TaskError;
use crate::imaging::Picture;
use crate::models::{Context, Decoder, Encoder, GRID, State};
use crate::nn::{Pool, Precision, Watch};
use crate::zoo::{self, Card, WordMap, ZooError};

pub use beam::{NEXT_WORDS, Search};
pub use tree::{Branch, Fate, Node, Tree};

/// The encoder's share of the time, about.
pub const LOOKING: f32 = 0.8;

/// What a person chose, but for the model. Values out of range count as the nearest in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// Hypotheses at a time, of [`Params::BEAM`]; 1 is greedy.
    pub beam: usize,
    /// As [`Search::length_norm`], of [`Params::LENGTH_NORM`]; without one, the model's own.
    pub length_norm: Option<f32>,
    /// Words that the sentence has to begin with; from there it goes on by itself.
    pub prefix: Vec<String>,
    /// How exactly the encoder computes. The decoder computes in f32.
    pub precision: Precision,
}

impl Default for Params {
    fn default() -> Params {
        Params { beam: 5, length_norm: None, prefix: Vec::new(), precision: Precision::F32 }
    }
}

impl Params {
    /// The range of [`Params::beam`].
    pub const BEAM: RangeInclusive<usize> = 1..=10;
    /// The range of [`Params::length_norm`].
    pub const LENGTH_NORM: RangeInclusive<f32> = 0.0..=1.0;

    /// The search that they ask for, of a model whose own [`Params::length_norm`] is `own`.
    fn search(&self, own: f32) -> Search {
        let beam = self.beam.clamp(*Params::BEAM.start(), *Params::BEAM.end());
        // NaN becomes 0.
        let length_norm =
            self.length_norm.unwrap_or(own).max(*Params::LENGTH_NORM.start()).min(*Params::LENGTH_NORM.end());
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
    /// The model's id, or its file's name.
    pub model: String,
    /// Width and height of the picture, pixels.
    pub size: [u32; 2],
    /// Hypotheses at a time, as it was done.
    pub beam: usize,
    /// The power of their length that sentences were ranked by.
    pub length_norm: f32,
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

    /// The maps of all words, one after another, as `[words, rows, columns]` of `grid` (rows and columns); `None` of a
    /// network without attention.
    pub fn attention_maps(&self, grid: [usize; 2]) -> Option<([usize; 3], Vec<f32>)> {
        let maps: Vec<&[f32]> = self.words.iter().map(|word| word.attention.as_deref()).collect::<Option<_>>()?;
        Some(([maps.len(), grid[0], grid[1]], maps.concat()))
    }

    /// The attention summed over all words and the end. The doubly stochastic term of the paper (Xu et al. 2015, section
    /// 4.2.1) wants 1 everywhere, which so few words cannot give to so many places: it asks for an even look.
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

/// The models that ship with the program, in the order they are shown; the first is what a person begins with.
pub fn models() -> Vec<&'static Card> {
    zoo::models_for(zoo::Task::Caption).collect()
}

/// The [`Params::length_norm`] of a model that ships with the program; 0 of any other.
pub fn own_length_norm(model: &str) -> f32 {
    zoo::card(model).map_or(0.0, |card| card.length_norm)
}

/// The files of a checkpoint beside its decoder, where they are not found by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// The words, a `WORDMAP_*.json`.
    pub words: Option<PathBuf>,
    /// The encoder's weights: torchvision's ResNet.
    pub encoder: Option<PathBuf>,
}

/// An encoder, a decoder and its words, loaded. Shared between threads freely; each run has its own memory.
#[derive(Debug)]
pub struct CaptionModel {
    id: String,
    architecture: &'static str,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    words: Arc<WordMap>,
    length_norm: f32,
}

impl CaptionModel {
    /// Loads the model of this id, or the checkpoint at this path.
    ///
    /// # Errors
    /// As [`CaptionModel::load`] and [`CaptionModel::from_file`].
    pub fn named(model: &str, beside: &Beside) -> Result<CaptionModel, TaskError> {
        let known = models().iter().any(|card| card.id == model) || zoo::imported_model(model).is_some();
        if known { CaptionModel::load(model) } else { CaptionModel::from_file(Path::new(model), beside) }
    }

    /// Loads a model that ships with the program, or was added to it, by its id.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for an unknown id, or weights that are missing or damaged.
    pub fn load(id: &str) -> Result<CaptionModel, TaskError> {
        if let Some((card, weights)) = zoo::imported_model(id) {
            return Ok(CaptionModel { id: card.id, ..CaptionModel::from_file(&weights, &Beside::default())? });
        }
        let all = models();
        let card = all.iter().find(|card| card.id == id).ok_or_else(|| ZooError::UnknownModel {
            id: id.to_owned(),
            known: all.iter().map(|card| card.id.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let name = || id.to_owned();
        let words = WordMap::within(&*zoo::weights(id)?, id)?.ok_or_else(|| ZooError::NoWordMap { name: name() })?;
        let mut network = zoo::captioner(zoo::tensors(id)?)?;
        if let Some(other) = &card.encoder {
            network.encoder = zoo::captioner(zoo::tensors(other)?)?.encoder;
        }
        Ok(CaptionModel { length_norm: own_length_norm(id), ..CaptionModel::new(name(), network, words)? })
    }

    /// Loads a checkpoint of "a PyTorch Tutorial to Image Captioning", one without attention as
    /// [`ShowAndTell`](crate::models::ShowAndTell) names it, or one of Lucida's own: the decoder, with its encoder or with one
    /// in a file of its own (torchvision's ResNet), which `beside` names or [`zoo::encoder_beside`] finds. The words are in
    /// the file that `beside` names, or in the weights' own, or in the one [`WordMap::beside`] finds.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for files that cannot be read or are of something else, and for an encoder or words that are
    /// missing; [`TaskError::Network`] for an encoder or words that do not fit the decoder.
    pub fn from_file(path: &Path, beside: &Beside) -> Result<CaptionModel, TaskError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut network = zoo::captioner(zoo::read_tensors(path)?)?;
        let found = if network.encoder.is_none() { zoo::encoder_beside(path) } else { None };
        if let Some(file) = beside.encoder.as_ref().or(found.as_ref()) {
            let encoder = zoo::read_tensors(file).and_then(zoo::image_encoder);
            network.encoder = Some(encoder.map_err(|error| error.of_other(file))?);
        }
        let words = match &beside.words {
            Some(file) => WordMap::open(file)?,
            None => WordMap::of(path)?.ok_or_else(|| ZooError::NoWordMap { name: name.clone() })?,
        };
        CaptionModel::new(name, network, words)
    }

    fn new(id: String, network: zoo::Captioner, words: WordMap) -> Result<CaptionModel, TaskError> {
        network.check(&words)?;
        let zoo::Captioner { architecture, decoder, encoder } = network;
        let encoder = encoder.ok_or_else(|| ZooError::NoEncoder { name: id.clone() })?;
        Ok(CaptionModel { id, architecture, encoder, decoder, words: Arc::new(words), length_norm: 0.0 })
    }

    /// Its id, or its file's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As [`zoo::recognise`] names it.
    pub fn architecture(&self) -> &'static str {
        self.architecture
    }

    /// Whether it looks at the picture anew for each word.
    pub fn attends(&self) -> bool {
        self.architecture != zoo::SHOW_AND_TELL
    }

    /// The words it knows.
    pub fn words(&self) -> &WordMap {
        &self.words
    }

    /// The length norm of a search with these parameters.
    pub fn length_norm(&self, params: &Params) -> f32 {
        params.search(self.length_norm).length_norm
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
        let mut planes = super::scaled(picture, [side as u32; 2], watch)?.to_planar_rgb();
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
        self.caption_telling(seen, params, watch, &mut |_| {})
    }

    /// The same; after every word `told` hears how the likeliest unfinished sentence goes so far.
    ///
    /// # Errors
    /// As [`CaptionModel::run`].
    pub fn caption_telling(
        &self,
        seen: &Seen,
        params: &Params,
        watch: &Watch<'_>,
        told: &mut dyn FnMut(&[&str]),
    ) -> Result<Outcome, TaskError> {
        let began = Instant::now();
        let (search, prefix) = self.asked(params)?;
        let marks = beam::Marks { start: self.words.start(), end: self.words.end() };
        let mut told = |tree: &Tree, node: usize| {
            let said =
                tree.branch(node, 0.0).nodes.into_iter().filter_map(|node| self.words.word(tree.nodes[node].word));
            told(&said.collect::<Vec<_>>());
        };
        let found =
            search.run(&*self.decoder, (&seen.context, seen.state.clone()), marks, &prefix, watch, &mut told)?;
        let sentences = found.sentences.iter().map(|branch| self.sentence(branch, &found.tree)).collect();
        Ok(Outcome {
            model: self.id.clone(),
            size: seen.size,
            beam: search.beam,
            length_norm: search.length_norm,
            sentences,
            tree: found.tree,
            words: self.words.clone(),
            grid: seen.grid,
            seconds: seen.seconds + began.elapsed().as_secs_f64(),
        })
    }

    /// Whether this model can do what is asked for, before any work.
    ///
    /// # Errors
    /// [`TaskError::UnknownWord`] for a first word that is none of the model's, [`TaskError::LongPrefix`] for too many.
    pub fn check(&self, params: &Params) -> Result<(), TaskError> {
        self.asked(params).map(|_| ())
    }

    /// The search and its first words.
    fn asked(&self, params: &Params) -> Result<(Search, Vec<u32>), TaskError> {
        let search = params.search(self.length_norm);
        search.check_prefix(params.prefix.len())?;
        let number = |word: &String| self.words.id(word).ok_or_else(|| TaskError::UnknownWord { word: word.clone() });
        Ok((search, params.prefix.iter().map(number).collect::<Result<_, _>>()?))
    }

    /// Looks at `picture` and says what it saw.
    ///
    /// # Errors
    /// Those of [`CaptionModel::check`], [`TaskError::Cancelled`] within a layer or a word of being cancelled,
    /// [`TaskError::NotFinite`] for probabilities that are no numbers, [`TaskError::Network`] for what fails below.
    pub fn run(&self, picture: &Picture, params: &Params, watch: &Watch<'_>) -> Result<Outcome, TaskError> {
        self.check(params)?;
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
