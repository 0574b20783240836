//! The hypotheses of a beam search, those that went on and those that did not.

use std::sync::Arc;

use serde::Serialize;

/// All hypotheses of a search. Each is one word longer than its parent, which comes before it; the first is the mark that
/// every sentence begins with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tree {
    /// In the order they were made: by length, and the likelier first.
    pub nodes: Vec<Node>,
}

/// The beginning of a sentence, by its last word.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// The words before, by number in [`Tree::nodes`]; `None` of the first.
    pub parent: Option<usize>,
    /// Its last word's number.
    pub word: u32,
    /// The natural logarithm of that word's probability after those before it.
    pub log_prob: f32,
    /// The sum of those of all its words.
    pub score: f32,
    /// Where the decoder looked when it said the word, a number for each pixel of the grid, of sum 1. `None` of the first
    /// node, and of decoders without attention.
    #[serde(skip)]
    pub attention: Option<Arc<[f32]>>,
    /// The likeliest next words, at most [`NEXT_WORDS`](super::NEXT_WORDS), and the logarithms of their probabilities;
    /// empty where nobody asked what comes next.
    pub next: Vec<(u32, f32)>,
    /// Whether the word was not chosen but given.
    pub forced: bool,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Sentences that begin with it were kept.
    Continued,
    /// Others were likelier than all that begin with it.
    Dropped,
    /// It is a whole sentence: its word is the end.
    Finished,
    /// The search ended before it did.
    Unfinished,
}

/// One sentence through a tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Branch {
    /// The nodes of its words in order, the end among them where it ended, the beginning not.
    pub nodes: Vec<usize>,
    /// The sum of its words' log-probabilities.
    pub score: f32,
    /// The score with the length made up for, by which sentences are compared.
    pub rank: f32,
    /// Whether it came to its end.
    pub ended: bool,
}

impl Tree {
    pub(super) fn new(start: u32) -> Tree {
        let root = Node {
            parent: None,
            word: start,
            log_prob: 0.0,
            score: 0.0,
            attention: None,
            next: Vec::new(),
            forced: true,
            fate: Fate::Unfinished,
        };
        Tree { nodes: vec![root] }
    }

    /// The sentence that ends with `node`; its score is divided by its length to the power `length_norm`. Empty for a node
    /// that is not there.
    pub fn branch(&self, node: usize, length_norm: f32) -> Branch {
        let mut nodes = Vec::new();
        let mut at = self.nodes.get(node).map(|_| node);
        while let Some((here, Node { parent: Some(parent), .. })) = at.and_then(|at| Some((at, self.nodes.get(at)?))) {
            nodes.push(here);
            at = Some(*parent).filter(|parent| *parent < here);
        }
        nodes.reverse();
        let last = self.nodes.get(node);
        let score = last.map_or(0.0, |last| last.score);
        let rank = score / (nodes.len().max(1) as f32).powf(length_norm);
        Branch { nodes, score, rank, ended: last.is_some_and(|last| last.fate == Fate::Finished) }
    }

    /// The nodes whose parent is `node`, the likelier first.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        self.nodes.iter().enumerate().filter(move |(_, child)| child.parent == Some(node)).map(|(i, _)| i)
    }
}
