//! Beam search over a language small enough to say everything in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use lucida::models::{Context, Decoder, State, Step};
use lucida::nn::{CancelToken, Error, Result, Watch};
use lucida::tasks::TaskError;
use lucida::tasks::caption::beam::{Found, Marks, NEXT_WORDS, Search};
use lucida::tasks::caption::{Branch, Fate};
use proptest::prelude::*;

/// Each word's logit, and where it looks, come from all the words before. The state is those words, so that a state that
/// lands on the wrong hypothesis changes everything after it.
#[derive(Debug)]
struct Parrot {
    vocabulary: usize,
    seed: u64,
    /// It cannot end a sentence before so many words.
    shortest: usize,
    steps: AtomicUsize,
    cancels: Option<(usize, CancelToken)>,
    broken: bool,
}

const PIXELS: usize = 3;
const MEMORY: usize = 64;

impl Parrot {
    fn new(vocabulary: usize, seed: u64) -> Parrot {
        Parrot { vocabulary, seed, shortest: 0, steps: AtomicUsize::new(0), cancels: None, broken: false }
    }

    fn marks(&self) -> Marks {
        Marks { start: self.vocabulary as u32 - 2, end: self.vocabulary as u32 - 1 }
    }

    /// -2..2, from what was said and what is asked.
    fn number(&self, said: &[u32], asked: u64) -> f32 {
        let mix = |z: u64, v: u64| {
            let z = (z ^ v).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (z ^ (z >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB)
        };
        let z = said.iter().fold(mix(self.seed, 1), |z, word| mix(z, u64::from(*word) + 2));
        let z = mix(z, asked + 1000);
        4.0 * ((z >> 40) as f32 / (1u64 << 24) as f32) - 2.0
    }

    fn logits(&self, said: &[u32]) -> Vec<f32> {
        let logit = |word: usize| match word as u32 == self.marks().end && said.len() <= self.shortest {
            true => -60.0,
            false => self.number(said, word as u64),
        };
        (0..self.vocabulary).map(logit).collect()
    }

    /// In double precision, as [`Step::log_probabilities`] has them in single.
    fn log_probabilities(&self, said: &[u32]) -> Vec<f64> {
        let logits: Vec<f64> = self.logits(said).into_iter().map(f64::from).collect();
        let sum: f64 = logits.iter().map(|v| v.exp()).sum();
        logits.iter().map(|v| v - sum.ln()).collect()
    }

    fn attention(&self, said: &[u32]) -> Vec<f32> {
        (0..PIXELS as u64).map(|pixel| self.number(said, 5000 + pixel)).collect()
    }

    fn find(&self, search: Search, prefix: &[u32], watch: &Watch<'_>) -> Result<Found, TaskError> {
        let (context, state) = self.begin(&Tensor::zeros((1, 1), candle_core::DType::F32, &Device::Cpu)?)?;
        search.run(self, (&context, state), self.marks(), prefix, watch, &mut |_, _| {})
    }
}

impl Decoder for Parrot {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn encoder_dim(&self) -> usize {
        1
    }

    fn begin(&self, _: &Tensor) -> Result<(Context, State)> {
        // How many words, and which.
        let h = Tensor::zeros((1, MEMORY), candle_core::DType::F32, &Device::Cpu)?;
        Ok((Context::default(), State { c: h.clone(), h }))
    }

    fn step(&self, words: &[u32], _: &Context, state: &State) -> Result<Step> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((at, token)) = &self.cancels
            && step == *at
        {
            token.cancel();
        }
        let mut memory: Vec<Vec<f32>> = state.h.to_vec2()?;
        assert_eq!((memory.len(), &memory), (words.len(), &state.c.to_vec2()?), "as many states as words");
        let (mut logits, mut alphas) = (Vec::new(), Vec::new());
        for (row, word) in memory.iter_mut().zip(words) {
            let len = row[0] as usize + 1;
            (row[0], row[len]) = (len as f32, *word as f32);
            let said: Vec<u32> = row[1..=len].iter().map(|word| *word as u32).collect();
            logits.push(self.logits(&said));
            alphas.push(self.attention(&said));
        }
        if self.broken && step > 2 {
            logits[0][0] = f32::NAN;
        }
        let tensor = |rows: Vec<Vec<f32>>| Tensor::new(rows, &Device::Cpu);
        let h = tensor(memory)?;
        Ok(Step { logits: tensor(logits)?, alphas: Some(tensor(alphas)?), state: State { c: h.clone(), h } })
    }
}

type Sentences = BTreeMap<Vec<u32>, f64>;

/// The definition: of all sentences one word longer than those kept, the likeliest `places` are kept; those that end take
/// their places away. Every sentence is scored from its first word, with no state carried along. Gives what was kept in
/// each round, and what ended.
fn by_definition(parrot: &Parrot, search: Search, prefix: &[u32]) -> (Vec<Sentences>, Sentences) {
    let Marks { start, end } = parrot.marks();
    let score = |words: &[u32]| -> f64 {
        let said: Vec<u32> = [start].into_iter().chain(words.iter().copied()).collect();
        (1..said.len()).map(|n| parrot.log_probabilities(&said[..n])[said[n] as usize]).sum()
    };
    let (mut kept, mut ended) = (vec![Sentences::from([(vec![], 0.0)])], Sentences::new());
    let mut places = search.beam;
    for i in 0..search.most_words {
        let alive = kept.last().unwrap().keys().filter(|words| words.last() != Some(&end)).cloned();
        let longer = |words: Vec<u32>| {
            let all = (0..parrot.vocabulary as u32).filter(|word| prefix.get(i).is_none_or(|p| p == word));
            all.map(move |word| [&words[..], &[word]].concat()).collect::<Vec<_>>()
        };
        let mut candidates: Vec<(f64, Vec<u32>)> = alive.flat_map(longer).map(|words| (score(&words), words)).collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        candidates.truncate(if i < prefix.len() { 1 } else { places });
        if candidates.is_empty() {
            break;
        }
        let (done, _): (Vec<_>, Vec<_>) = candidates.iter().cloned().partition(|(_, words)| words.last() == Some(&end));
        places -= done.len();
        ended.extend(done.into_iter().map(|(score, words)| (words, score)));
        kept.push(candidates.into_iter().map(|(score, words)| (words, score)).collect());
    }
    (kept, ended)
}

fn words(found: &Found, branch: &Branch) -> Vec<u32> {
    branch.nodes.iter().map(|node| found.tree.nodes[*node].word).collect()
}

fn check(parrot: &Parrot, search: Search, prefix: &[u32]) {
    let Marks { start, end } = parrot.marks();
    let found = parrot.find(search, prefix, &Watch::silent()).unwrap();
    let (kept, ended) = by_definition(parrot, search, prefix);

    // Every hypothesis there was, and no other.
    assert_eq!(found.tree.nodes.len(), kept.iter().map(Sentences::len).sum::<usize>());
    for (i, node) in found.tree.nodes.iter().enumerate() {
        let branch = found.tree.branch(i, 0.0);
        let sentence = words(&found, &branch);
        let score = kept[sentence.len()].get(&sentence).expect("kept by definition too");
        assert!((f64::from(node.score) - score).abs() < 1e-4, "{sentence:?}: {} is not {score}", node.score);
        let said: Vec<u32> = [start].into_iter().chain(sentence.iter().copied()).collect();
        let expected = parrot.log_probabilities(&said[..said.len() - 1]);
        if !sentence.is_empty() {
            assert!((f64::from(node.log_prob) - expected[node.word as usize]).abs() < 1e-5);
            let looked = parrot.attention(&said[..said.len() - 1]);
            assert_eq!(node.attention.as_deref(), Some(&looked[..]), "where {sentence:?} looked for its last word");
        }
        assert_eq!(node.forced, sentence.len() <= prefix.len());
        let begins = |longer: &Sentences| longer.keys().any(|l| l[..sentence.len()] == sentence);
        let fate = match kept.get(sentence.len() + 1) {
            _ if sentence.last() == Some(&end) => Fate::Finished,
            Some(longer) if begins(longer) => Fate::Continued,
            Some(_) => Fate::Dropped,
            None if sentence.len() == search.most_words => Fate::Unfinished,
            None => unreachable!("nobody was left"),
        };
        assert_eq!(node.fate, fate, "{sentence:?}");
        // What could have been said next
        let mut expected: Vec<(u32, f64)> = (0..).zip(parrot.log_probabilities(&said)).collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        expected.truncate(if [Fate::Continued, Fate::Dropped].contains(&fate) { NEXT_WORDS } else { 0 });
        assert_eq!(node.next.len(), expected.len());
        for (got, expected) in node.next.iter().zip(expected) {
            assert!(got.0 == expected.0 && (f64::from(got.1) - expected.1).abs() < 1e-5);
        }
        let children: Vec<usize> = found.tree.children(i).collect();
        assert!(children.iter().all(|child| found.tree.nodes[*child].parent == Some(i)));
        assert!(children.is_sorted_by(|a, b| found.tree.nodes[*a].score >= found.tree.nodes[*b].score));
        assert_eq!(children.is_empty(), fate != Fate::Continued);
    }

    // The sentences, ranked.
    let last = || kept.last().unwrap().clone();
    let unfinished = ended.is_empty();
    let expected = if unfinished { last() } else { ended };
    assert_eq!(found.sentences.len(), expected.len());
    for branch in &found.sentences {
        let sentence = words(&found, branch);
        let score = expected.get(&sentence).expect("one of them");
        let rank = score / (sentence.len() as f64).powf(f64::from(search.length_norm));
        assert!((f64::from(branch.score) - score).abs() < 1e-4 && (f64::from(branch.rank) - rank).abs() < 1e-4);
        assert_eq!(branch.ended, !unfinished);
    }
    assert!(found.sentences.is_sorted_by(|a, b| a.rank >= b.rank));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_beam_is_what_its_definition_says(
        vocabulary in 2usize..8, seed: u64, beam in 1usize..=10, most_words in 1usize..=7, shortest in 0usize..5,
        length_norm in 0f32..=1.0, prefix in proptest::collection::vec(0u32..64, 0..4),
    ) {
        let parrot = Parrot { shortest, ..Parrot::new(vocabulary, seed) };
        let prefix: Vec<u32> = prefix.into_iter().map(|word| word % vocabulary as u32).collect();
        let until = prefix.iter().position(|word| *word == parrot.marks().end).map_or(prefix.len(), |at| at + 1);
        check(&parrot, Search { beam, length_norm, most_words }, &prefix[..until.min(most_words - 1)]);
    }

    #[test]
    fn a_wide_beam_finds_the_best_sentence_there_is(
        vocabulary in 2usize..5, seed: u64, most_words in 1usize..=5, length_norm in 0f32..=1.0,
    ) {
        let parrot = Parrot::new(vocabulary, seed);
        let Marks { start, end } = parrot.marks();
        // All sentences.
        let (mut best, mut open) = ((f64::NEG_INFINITY, vec![]), vec![(0.0, vec![start])]);
        for len in 1..=most_words {
            let mut longer = Vec::new();
            for (score, said) in open {
                for (word, p) in (0..).zip(parrot.log_probabilities(&said)) {
                    let said = [&said[..], &[word]].concat();
                    let rank = (score + p) / (len as f64).powf(f64::from(length_norm));
                    match word == end {
                        true if rank > best.0 => best = (rank, said),
                        true => {}
                        false => longer.push((score + p, said)),
                    }
                }
            }
            open = longer;
        }
        let wide = Search { beam: 5000, length_norm, most_words };
        let found = parrot.find(wide, &[], &Watch::silent()).unwrap();
        prop_assert_eq!(words(&found, &found.sentences[0]), best.1[1..].to_vec());
    }
}

#[test]
fn a_beam_of_one_takes_the_likeliest_word_each_time() {
    for seed in 0..20 {
        let parrot = Parrot { shortest: 4, ..Parrot::new(9, seed) };
        let found = parrot.find(Search { beam: 1, ..Search::default() }, &[], &Watch::silent()).unwrap();
        let mut said = vec![parrot.marks().start];
        while said.len() <= 51 && said.last() != Some(&parrot.marks().end) {
            let p = parrot.log_probabilities(&said);
            said.push((0..9).max_by(|a, b| p[*a as usize].total_cmp(&p[*b as usize])).unwrap());
        }
        assert_eq!(words(&found, &found.sentences[0]), said[1..]);
        assert_eq!(found.sentences.len(), 1);
    }
}

#[test]
fn a_sentence_that_never_ends_is_told_unfinished() {
    let parrot = Parrot { shortest: 1000, ..Parrot::new(5, 3) };
    let found = parrot.find(Search { beam: 3, ..Search::default() }, &[], &Watch::silent()).unwrap();
    assert_eq!(found.sentences.len(), 3);
    for branch in &found.sentences {
        assert!(!branch.ended);
        assert_eq!(branch.nodes.len(), 51, "the tutorial's steps");
        assert_eq!(found.tree.nodes[*branch.nodes.last().unwrap()].fate, Fate::Unfinished);
    }
}

#[test]
fn it_stops_between_words() {
    for at in [1, 2, 5] {
        let token = CancelToken::default();
        let parrot = Parrot { shortest: 50, cancels: Some((at, token.clone())), ..Parrot::new(6, 1) };
        let shares = std::cell::RefCell::new(Vec::new());
        let report = |share: f32| shares.borrow_mut().push(share);
        let result = parrot.find(Search::default(), &[], &Watch::new(token, &report));
        assert!(matches!(result, Err(TaskError::Cancelled)));
        assert_eq!(parrot.steps.load(Ordering::Relaxed), at, "no word after the one it was cancelled at");
        assert!(shares.borrow().is_sorted() && shares.borrow().len() == at + 1);
    }
}

#[test]
fn nonsense_is_refused() {
    let parrot = Parrot::new(6, 1);
    for prefix in [&[6][..], &[0, u32::MAX]] {
        let result = parrot.find(Search::default(), prefix, &Watch::silent());
        assert!(matches!(result, Err(TaskError::Network(Error::Shape(_)))), "word {prefix:?} is not there");
    }
    let broken = Parrot { broken: true, shortest: 9, ..Parrot::new(6, 1) };
    assert!(matches!(broken.find(Search::default(), &[], &Watch::silent()), Err(TaskError::NotFinite)));
    for (first, says) in [(50, true), (51, false), (200, false)] {
        let parrot = Parrot::new(6, 1);
        let result = parrot.find(Search::default(), &vec![0; first], &Watch::silent());
        match result {
            Ok(found) => assert!(says && words(&found, &found.sentences[0]).len() == 51),
            Err(error) => {
                assert!(!says && matches!(error, TaskError::LongPrefix { words, most: 50 } if words == first));
                assert_eq!(parrot.steps.load(Ordering::Relaxed), 0, "before any work");
            }
        }
    }
    let nothing = Search { beam: 0, length_norm: 0.0, most_words: 0 };
    assert_eq!(parrot.find(nothing, &[], &Watch::silent()).unwrap().sentences.len(), 1, "counts as one word");
}
