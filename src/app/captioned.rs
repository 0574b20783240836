//! The results of the caption task, with what of them lies on the GPU.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::caption_look::Asked;
use super::entry::{Entry, PictureId, Slot};
use super::request::Request;
use super::studio::Studio;
use super::workers::{NetJob, Pixels, Place, Uploaded};
use crate::gpu::attention;
use crate::gpu::{Over, ScalarTexture};
use crate::imaging::Picture;
use crate::tasks::caption::{Fate, Outcome, Sentence, Word};

/// A sentence of a caption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pick {
    /// Not the beam's, but that of the greedy search.
    pub greedy: bool,
    /// Its place among those that were found.
    pub sentence: usize,
}

/// Which map of a sentence is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Step {
    /// None: the picture alone.
    #[default]
    Nothing,
    /// That of a word; the end of the sentence counts as one.
    Word(usize),
    /// The sum of all.
    Sum,
}

/// A map of a caption, by what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapOf {
    /// All words after a node of a search's tree: the network looks before it knows what it will say.
    After {
        /// Of the greedy search's tree.
        greedy: bool,
        /// The node.
        node: usize,
    },
    /// A sentence as a whole.
    Sum(Pick),
}

/// The maps of a caption on the GPU.
pub type Maps = HashMap<MapOf, OnGpu>;

/// A map on the GPU.
#[derive(Clone, Debug)]
pub struct OnGpu {
    /// Its values.
    pub texture: Arc<ScalarTexture>,
    /// The highest of them, as they are drawn.
    pub high: f32,
}

/// A finished caption of one picture.
pub struct Captioned {
    /// What it was made with.
    pub asked: Asked,
    /// What was said, and how it was found.
    pub outcome: Arc<Outcome>,
    /// What the greedy search says; `None` where that is the outcome itself.
    pub greedy: Option<Arc<Outcome>>,
    /// When it came.
    pub came: Instant,
    maps: Slot<Maps>,
}

/// A sentence, and the search that found it: what is drawn on the screen and into files.
#[derive(Clone, Debug)]
pub struct Told {
    /// The search.
    pub outcome: Arc<Outcome>,
    /// Which of its sentences.
    pub pick: Pick,
}

impl Told {
    /// The sentence.
    pub fn sentence(&self) -> Option<&Sentence> {
        self.outcome.sentences.get(self.pick.sentence)
    }

    /// How many words it has, its end among them.
    pub fn steps(&self) -> usize {
        self.sentence().map_or(0, |s| s.words.len() + usize::from(s.end.is_some()))
    }

    /// A word; after the last, the end.
    pub fn word(&self, at: usize) -> Option<&Word> {
        let s = self.sentence()?;
        s.words.get(at).or(s.end.as_ref().filter(|_| at == s.words.len()))
    }

    /// Whether a word is the mark for the end.
    pub fn is_end(&self, at: usize) -> bool {
        self.sentence().is_some_and(|s| at >= s.words.len())
    }

    /// Whether the network looked anew for each word.
    pub fn attends(&self) -> bool {
        self.word(0).is_some_and(|word| word.attention.is_some())
    }

    /// The node of the search's tree after which a word was said.
    pub fn before(&self, at: usize) -> Option<usize> {
        self.outcome.tree.nodes.get(self.word(at)?.node)?.parent
    }

    /// How a map of the search is laid over the picture.
    pub fn over(&self, maps: &Maps, of: MapOf, look: &attention::Look) -> Option<Over> {
        let tint = look.tint(self.range(maps, of, look.scale)?);
        Some(Over::Scalar { map: maps.get(&of)?.texture.clone(), tint })
    }

    /// The values of the first and of the last colour of a map of the search; what is common is common to this sentence.
    pub fn range(&self, maps: &Maps, of: MapOf, scale: attention::Scale) -> Option<(f32, f32)> {
        Some(match (of, scale) {
            (MapOf::Sum(_), _) => attention::sum_range(self.sentence()?, self.outcome.grid),
            (_, attention::Scale::Each) => (0.0, maps.get(&of)?.high),
            (_, attention::Scale::Common) => {
                let words = 0..self.sentence().map_or(0, |s| s.words.len());
                let highs = words.filter_map(|at| maps.get(&self.map(Step::Word(at))?)).map(|map| map.high);
                (0.0, highs.fold(0.0, f32::max))
            }
        })
    }

    /// The name of a map.
    pub fn map(&self, step: Step) -> Option<MapOf> {
        match step {
            Step::Nothing => None,
            Step::Word(at) => Some(MapOf::After { greedy: self.pick.greedy, node: self.before(at)? }),
            Step::Sum => Some(MapOf::Sum(self.pick)),
        }
        .filter(|_| self.attends())
    }

    /// A map's values, row by row.
    pub fn values(&self, step: Step) -> Option<Arc<[f32]>> {
        match step {
            Step::Nothing => None,
            Step::Word(at) => self.word(at)?.attention.clone(),
            Step::Sum => self.sentence()?.attention_sum().map(Arc::from),
        }
    }

    /// The word for which the network looked at the smallest part of the picture: what is worth seeing first. Words that
    /// name nothing stand back: the first of a sentence is nearly always "a", with the sharpest map of all.
    pub fn sharpest(&self) -> Step {
        const NAMELESS: [&str; 14] =
            ["a", "an", "and", "are", "at", "in", "is", "its", "of", "on", "the", "to", "while", "with"];
        let names = |at: usize| self.sentence().is_some_and(|s| !NAMELESS.contains(&&*s.words[at].text));
        let peak = |at: usize| {
            let map = self.word(at)?.attention.as_ref()?;
            map.iter().copied().max_by(f32::total_cmp)
        };
        let words = 0..self.sentence().map_or(0, |s| s.words.len());
        let peaks = words.filter_map(|at| Some((at, peak(at)?)));
        peaks
            .max_by(|a, b| (names(a.0), a.1).partial_cmp(&(names(b.0), b.1)).unwrap_or(Ordering::Equal))
            .map_or(Step::Nothing, |(at, _)| Step::Word(at))
    }

    /// The words of the tree's node and all before it.
    pub fn words_to(&self, node: usize) -> Vec<String> {
        let branch = self.outcome.tree.branch(node, 0.0);
        let word = |node: &usize| self.outcome.words.word(self.outcome.tree.nodes.get(*node)?.word);
        branch.nodes.iter().filter_map(word).map(str::to_owned).collect()
    }

    /// The best of the search's sentences that go through a node.
    pub fn through(&self, node: usize) -> Option<usize> {
        let goes = |s: &Sentence| s.words.iter().chain(&s.end).any(|word| word.node == node);
        self.outcome.sentences.iter().position(goes)
    }
}

/// The part of the picture that a map is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaze {
    /// No part more than others.
    AllOver,
    /// A third of its width, from the left, and one of its height, from the top.
    At([usize; 2]),
}

impl Gaze {
    /// Of a map of rows of `columns` values.
    pub fn of(map: &[f32], columns: usize) -> Gaze {
        let (columns, total) = (columns.max(1), map.iter().sum::<f32>().max(f32::MIN_POSITIVE));
        let rows = map.len().div_ceil(columns).max(1);
        let entropy: f32 = map.iter().map(|v| v / total).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
        // As much as if nine tenths of the places had been looked at alike.
        if entropy >= (0.9 * map.len() as f32).max(1.0).ln() {
            return Gaze::AllOver;
        }
        let mean = |place: &dyn Fn(usize) -> usize, count: usize| {
            let sum: f32 = map.iter().enumerate().map(|(i, v)| v / total * (place(i) as f32 + 0.5)).sum();
            ((sum / count as f32 * 3.0) as usize).min(2)
        };
        Gaze::At([mean(&|i| i % columns, columns), mean(&|i| i / columns, rows)])
    }

    /// The key of its words.
    pub fn key(self) -> &'static str {
        match self {
            Gaze::AllOver => "gaze-all-over",
            Gaze::At([column, row]) => {
                const KEYS: [[&str; 3]; 3] = [
                    ["gaze-upper-left", "gaze-top", "gaze-upper-right"],
                    ["gaze-left", "gaze-middle", "gaze-right"],
                    ["gaze-lower-left", "gaze-bottom", "gaze-lower-right"],
                ];
                KEYS[row.min(2)][column.min(2)]
            }
        }
    }
}

impl Captioned {
    pub(super) fn new(
        asked: Asked,
        outcome: Arc<Outcome>,
        greedy: Option<Arc<Outcome>>,
        maps: Option<Arc<Maps>>,
    ) -> Captioned {
        Captioned { asked, outcome, greedy, came: Instant::now(), maps: maps.map_or(Slot::Missing, Slot::Ready) }
    }

    /// One of its sentences; where there is no such, the best.
    pub fn told(&self, pick: Pick) -> Told {
        let outcome = self.greedy.as_ref().filter(|_| pick.greedy);
        let pick = Pick { greedy: outcome.is_some(), ..pick };
        let outcome = outcome.unwrap_or(&self.outcome).clone();
        let sentence = if pick.sentence < outcome.sentences.len() { pick.sentence } else { 0 };
        Told { outcome, pick: Pick { sentence, ..pick } }
    }

    /// What the greedy search says.
    pub fn greedy(&self) -> Told {
        self.told(Pick { greedy: true, sentence: 0 })
    }

    /// Takes in what came of an upload. What could not be uploaded is not tried again with every frame.
    pub(super) fn take_upload(&mut self, texture: Option<Uploaded>) {
        self.maps = if let Some(Uploaded::Maps(maps)) = texture { Slot::Ready(maps) } else { Slot::Refused };
    }

    /// Gives the GPU's memory back.
    pub(super) fn forget_textures(&mut self) {
        self.maps = Slot::Missing;
    }
}

/// Every map of the searches, with its name.
pub fn maps_of(outcome: &Outcome, greedy: Option<&Outcome>) -> Vec<(MapOf, Arc<[f32]>)> {
    let mut all = Vec::new();
    for (outcome, greedy) in [(Some(outcome), false), (greedy, true)] {
        let Some(outcome) = outcome else { continue };
        let mut seen = std::collections::HashSet::new();
        for node in &outcome.tree.nodes {
            // All words after a node have one map.
            if let (Some(parent), Some(map)) = (node.parent, &node.attention)
                && seen.insert(parent)
            {
                all.push((MapOf::After { greedy, node: parent }, map.clone()));
            }
        }
        for (sentence, said) in outcome.sentences.iter().enumerate() {
            all.extend(said.attention_sum().map(|sum| (MapOf::Sum(Pick { greedy, sentence }), sum.into())));
        }
    }
    all
}

/// How many of a search's hypotheses became what, for those who cannot see its tree.
pub fn fates(outcome: &Outcome) -> (usize, usize) {
    let count = |fate: Fate| outcome.tree.nodes.iter().filter(|node| node.fate == fate).count();
    (count(Fate::Finished), count(Fate::Dropped))
}

impl Entry {
    /// The finished caption of these settings.
    pub fn caption(&self, asked: &Asked) -> Option<&Captioned> {
        self.captioned.iter().find(|c| c.asked == *asked)
    }

    /// The same, or until it is there the newest one by the same model, else the newest of all.
    pub fn caption_so_far(&self, asked: &Asked) -> Option<&Captioned> {
        let by_model = || self.captioned.iter().find(|c| c.asked.model == asked.model);
        self.caption(asked).or_else(by_model).or(self.captioned.first())
    }

    /// Takes in a new caption; of many tries of one model the oldest go.
    pub(super) fn take_caption(&mut self, new: Captioned) {
        const KEEP: usize = 12;
        self.telling.retain(|(asked, _)| *asked != new.asked);
        self.captioned.retain(|c| c.asked != new.asked);
        self.captioned.insert(0, new);
        let mut seen: HashMap<String, usize> = HashMap::new();
        self.captioned.retain(|c| {
            let count = seen.entry(c.asked.model.clone()).or_default();
            *count += 1;
            *count <= KEEP
        });
        // Their maps come back when they are looked at.
        self.captioned.iter_mut().skip(6).for_each(Captioned::forget_textures);
    }

    /// What of a sentence is said so far, while it is being said.
    pub fn telling(&self, asked: &Asked) -> Option<&[String]> {
        self.telling.iter().find(|(a, _)| a == asked).map(|(_, words)| &words[..])
    }

    pub(super) fn take_telling(&mut self, asked: Asked, words: Vec<String>) {
        match self.telling.iter_mut().find(|(a, _)| *a == asked) {
            Some((_, said)) => *said = words,
            None => {
                // What was cancelled leaves its beginning.
                self.telling.truncate(1);
                self.telling.insert(0, (asked, words));
            }
        }
    }
}

impl Request for Asked {
    fn job(&self, entry: PictureId, picture: Arc<Picture>) -> NetJob {
        NetJob::Caption { entry, picture, asked: self.clone() }
    }

    fn is_made(&self, e: &Entry) -> bool {
        e.caption(self).is_some()
    }

    fn is_served_by(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Caption { asked, .. } if asked == self)
    }

    fn replaces(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Caption { asked, .. } if asked.model == self.model)
    }
}

impl Studio {
    /// The maps of a caption of the shown picture; asks for the upload where they are not on the GPU.
    pub fn attention_maps(&mut self, asked: &Asked) -> Option<Arc<Maps>> {
        let e = self.current()?;
        let c = e.caption(asked)?;
        if matches!(c.maps, Slot::Missing) {
            let (id, pixels) = (e.id, Pixels::Caption(c.outcome.clone(), c.greedy.clone()));
            self.upload(id, Place::Attention(asked.clone()), pixels);
            return None;
        }
        c.maps.ready()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_gaze_is_told_by_thirds() {
        let mut map = vec![0.0; 36];
        let at = |map: &[f32]| Gaze::of(map, 6);
        map[0] = 1.0;
        assert_eq!((at(&map), at(&map).key()), (Gaze::At([0, 0]), "gaze-upper-left"));
        map[0] = 0.0;
        map[35] = 0.7;
        assert_eq!(at(&map).key(), "gaze-lower-right");
        map[30] = 0.7;
        assert_eq!(at(&map).key(), "gaze-bottom");
        assert_eq!(at(&[1.0 / 36.0; 36]), Gaze::AllOver);
        // Nothing to look at is no reason to panic.
        for (map, columns) in [(&[][..], 0), (&[0.0][..], 3), (&[f32::NAN; 4][..], 2)] {
            Gaze::of(map, columns);
        }
    }
}
