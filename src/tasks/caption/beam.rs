//! Beam search for captions, as in "a PyTorch Tutorial to Image Captioning": of all sentences one word longer the likeliest
//! few go on; one that ends leaves, and takes its place in the beam with it.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::tree::{Branch, Fate, Node, Tree};
use crate::models::{Context, Decoder, State};
use crate::nn::{Error, Watch};
use crate::tasks::TaskError;

/// How many next words every hypothesis remembers, chosen or not.
pub const NEXT_WORDS: usize = 5;

/// How sentences are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Hypotheses at a time, at least 1. 1 is the greedy choice of the likeliest word each time.
    pub beam: usize,
    /// Finished sentences are ranked by log-probability over length (in words, the end counted) to this power. 0 ranks by
    /// log-probability alone, as the tutorial does, and favours short ones; 1 by the mean over the words.
    pub length_norm: f32,
    /// Words after which the search gives up, the end counted, at least 1.
    pub most_words: usize,
}

impl Default for Search {
    /// The tutorial's: it goes on while 50 steps are not exceeded.
    fn default() -> Search {
        Search { beam: 5, length_norm: 0.0, most_words: 51 }
    }
}

/// The numbers of the words that begin and end a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Said before the first word.
    pub start: u32,
    /// Said after the last.
    pub end: u32,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Every hypothesis there was.
    pub tree: Tree,
    /// The finished sentences, the best first; if none ended in time, the unfinished ones.
    pub sentences: Vec<Branch>,
}

/// Hypotheses that may go on: their nodes, and the decoder's memory of all but their last words.
struct Beam {
    nodes: Vec<usize>,
    state: State,
}

impl Search {
    /// Whether a sentence has room for so many words to begin with, and one more.
    ///
    /// # Errors
    /// [`TaskError::LongPrefix`].
    pub fn check_prefix(&self, words: usize) -> Result<(), TaskError> {
        let most = self.most_words.saturating_sub(1);
        if words > most { Err(TaskError::LongPrefix { words, most }) } else { Ok(()) }
    }

    /// Looks for sentences about the picture of `context`, whose first words are `prefix`, from its state on (a batch of one,
    /// as [`Decoder::begin`] gives it). Stops between words when `watch` is cancelled. After every step `told` hears of the
    /// likeliest hypothesis that may go on.
    ///
    /// Candidates of equal log-probability rank by their parents' rank, then by the words' numbers.
    ///
    /// # Errors
    /// [`TaskError::Cancelled`], [`TaskError::NotFinite`] when the decoder gives what is no number,
    /// [`TaskError::Network`] for words it does not have, and that of [`Search::check_prefix`].
    pub fn run(
        &self,
        decoder: &dyn Decoder,
        (context, state): (&Context, State),
        marks: Marks,
        prefix: &[u32],
        watch: &Watch<'_>,
        told: &mut dyn FnMut(&Tree, usize),
    ) -> Result<Found, TaskError> {
        self.check_prefix(prefix.len())?;
        let mut tree = Tree::new(marks.start);
        let mut beam = Beam { nodes: vec![0], state };
        let mut ended = Vec::new();
        let mut places = self.beam.max(1);
        for i in 0..self.most_words.max(1) {
            watch.step(i as f32 / self.most_words.max(1) as f32)?;
            let words: Vec<u32> = beam.nodes.iter().map(|node| tree.nodes[*node].word).collect();
            let Said { log_probabilities, attention, state } = Said::by(decoder, &words, context, &beam.state)?;
            for (row, node) in beam.nodes.iter().enumerate() {
                let words = log_probabilities[row].iter().copied().enumerate();
                let next = largest(words, NEXT_WORDS).into_iter().map(|(word, p)| (word as u32, p)).collect();
                (tree.nodes[*node].next, tree.nodes[*node].fate) = (next, Fate::Dropped);
            }
            // Row, word
            let forced = prefix.get(i).copied();
            let chosen: Vec<(usize, usize)> = match forced {
                Some(word) => vec![(0, word as usize)],
                None => {
                    let score = |row: usize| tree.nodes[beam.nodes[row]].score;
                    let candidates = log_probabilities
                        .iter()
                        .enumerate()
                        .flat_map(|(row, p)| p.iter().enumerate().map(move |(word, p)| ((row, word), score(row) + p)));
                    largest(candidates, places).into_iter().map(|(candidate, _)| candidate).collect()
                }
            };
            let (mut nodes, mut rows) = (Vec::new(), Vec::new());
            for (row, word) in chosen {
                let (parent, id) = (beam.nodes[row], word as u32);
                let unheard = || Error::Shape(format!("word {id} is none of {}", decoder.vocabulary()));
                let log_prob = *log_probabilities[row].get(word).ok_or_else(unheard)?;
                let ends = id == marks.end;
                tree.nodes[parent].fate = Fate::Continued;
                tree.nodes.push(Node {
                    parent: Some(parent),
                    word: id,
                    log_prob,
                    score: tree.nodes[parent].score + log_prob,
                    attention: attention.as_ref().map(|rows| rows[row].clone()),
                    next: Vec::new(),
                    forced: forced.is_some(),
                    fate: if ends { Fate::Finished } else { Fate::Unfinished },
                });
                if ends {
                    ended.push(tree.nodes.len() - 1);
                    places -= 1;
                } else {
                    nodes.push(tree.nodes.len() - 1);
                    rows.push(row as u32);
                }
            }
            beam.nodes = nodes;
            let Some(first) = beam.nodes.first() else { break };
            told(&tree, *first);
            beam.state = state.select(&rows)?;
        }
        watch.step(1.0)?;
        let last = if ended.is_empty() { beam.nodes } else { ended };
        let mut sentences: Vec<Branch> = last.into_iter().map(|node| tree.branch(node, self.length_norm)).collect();
        sentences.sort_by(|a, b| b.rank.total_cmp(&a.rank)); // stable: of equals what ended first
        Ok(Found { tree, sentences })
    }
}

/// A decoder's step in plain numbers.
struct Said {
    /// One row per hypothesis.
    log_probabilities: Vec<Vec<f32>>,
    attention: Option<Vec<Arc<[f32]>>>,
    state: State,
}

impl Said {
    fn by(decoder: &dyn Decoder, words: &[u32], context: &Context, state: &State) -> Result<Said, TaskError> {
        let step = decoder.step(words, context, state)?;
        let rows = |t: &Tensor| t.to_dtype(DType::F32)?.to_vec2::<f32>();
        let log_probabilities = rows(&step.log_probabilities()?)?;
        let attention = step.alphas.as_ref().map(rows).transpose()?;
        if log_probabilities.iter().chain(attention.iter().flatten()).flatten().any(|p| !p.is_finite()) {
            return Err(TaskError::NotFinite);
        }
        let whole = |rows: usize| rows == words.len();
        if !whole(log_probabilities.len()) || !attention.as_ref().is_none_or(|a| whole(a.len())) {
            return Err(Error::Shape("the decoder lost some of its sentences".into()).into());
        }
        let attention = attention.map(|rows| rows.into_iter().map(Arc::from).collect());
        Ok(Said { log_probabilities, attention, state: step.state })
    }
}

/// The `count` of the largest values, the largest first, of equals those that come first.
fn largest<T>(values: impl Iterator<Item = (T, f32)>, count: usize) -> Vec<(T, f32)> {
    let mut best: Vec<(T, f32)> = Vec::with_capacity(count.min(1024) + 1);
    for (what, value) in values {
        if best.len() < count || best.last().is_some_and(|(_, least)| value > *least) {
            best.insert(best.partition_point(|(_, v)| *v >= value), (what, value));
            best.truncate(count);
        }
    }
    best
}
