//! The fully connected conditional random field of Kraehenbuehl and Koltun 2011 (arXiv 1210.5644), as DeepLab (Chen et al.
//! 2015, arXiv 1412.7062) sharpens labels with it: pixels near each other, and the more so those of one colour, would
//! rather have the same label. Mean-field inference, both Gaussian terms on a permutohedral lattice, Potts compatibility,
//! kernels normalised symmetrically.

use rayon::prelude::*;

use super::permutohedral::{GROUP, Lattice};
use super::watch::{CancelToken, Watch};
use super::{Error, Result};

/// How labels are refined. Distances are standard deviations of Gaussians, in pixels and in 8-bit colour values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crf {
    /// Rounds of mean-field inference; 0 leaves the probabilities as they are.
    pub iterations: usize,
    /// How much pixels near each other agree, whatever their colour; 0 leaves the term out.
    pub smoothness: f32,
    /// How near those are, in pixels.
    pub smoothness_reach: f32,
    /// How much pixels of like colour agree; 0 leaves the term out.
    pub appearance: f32,
    /// How near those are, in pixels.
    pub appearance_reach: f32,
    /// How like those are, in steps of 0..=255.
    pub appearance_colour: f32,
}

impl Default for Crf {
    /// In the middle of what DeepLab searched, for pictures of about 500 pixels.
    fn default() -> Crf {
        Crf {
            iterations: 10,
            smoothness: 3.0,
            smoothness_reach: 3.0,
            appearance: 5.0,
            appearance_reach: 60.0,
            appearance_colour: 5.0,
        }
    }
}

/// The least standard deviation in pixels or colour steps: below it neighbours no longer see each other anyway.
const LEAST: f32 = 0.1;

impl Crf {
    /// The probability of each class at each pixel of a picture, given the network's logits. About 80 + 12 `classes` bytes
    /// of memory go to each pixel, more where colours are many.
    ///
    /// # Shapes
    /// `logits` `[classes, height, width]`, `rgb` `[height, width, 3]` in sRGB; the result as `logits`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the lengths do not fit `[classes, height, width]`, a logit is not finite, or a weight or distance is
    /// no number from 0 (distances 0.1) on; [`Error::Cancelled`].
    pub fn refine(
        &self,
        logits: &[f32],
        rgb: &[u8],
        [classes, height, width]: [usize; 3],
        watch: &Watch<'_>,
    ) -> Result<Vec<f32>> {
        let pixels = height.saturating_mul(width);
        let fit = [(logits.len(), classes), (rgb.len(), 3)].iter().all(|(len, n)| pixels.checked_mul(*n) == Some(*len));
        if !fit || logits.is_empty() {
            return Err(Error::Shape(format!(
                "{} logits and {} colour values are not those of {classes} classes in a {width} x {height} picture",
                logits.len(),
                rgb.len()
            )));
        }
        if logits.iter().any(|v| !v.is_finite()) {
            return Err(Error::Shape("logits that are no finite numbers cannot be refined".into()));
        }
        let fits = |v: f32, least: f32| v.is_finite() && v >= least;
        let reaches = [self.smoothness_reach, self.appearance_reach, self.appearance_colour];
        if ![self.smoothness, self.appearance].iter().all(|v| fits(*v, 0.0)) || !reaches.iter().all(|v| fits(*v, LEAST))
        {
            return Err(Error::Shape(format!("no labels can be refined with {self:?}")));
        }
        let mut field = Field::new(logits, [classes, pixels]);
        let place = |i: usize, reach: f32| [(i % width) as f32 / reach, (i / width) as f32 / reach];
        let (near, alike);
        let mut terms: Vec<Term<'_>> = Vec::new();
        if self.iterations > 0 && self.smoothness > 0.0 {
            near = Lattice::new((0..pixels).map(|i| place(i, self.smoothness_reach)), watch)?;
            terms.push(Term::new(self.smoothness, pixels, &near, watch)?);
        }
        if self.iterations > 0 && self.appearance > 0.0 {
            let points = rgb.chunks_exact(3).enumerate().map(|(i, colour)| {
                let [x, y] = place(i, self.appearance_reach);
                let colour = |c: usize| f32::from(colour[c]) / self.appearance_colour;
                [x, y, colour(0), colour(1), colour(2)]
            });
            alike = Lattice::new(points, watch)?;
            terms.push(Term::new(self.appearance, pixels, &alike, watch)?);
        }
        for i in 0..self.iterations {
            watch.step(i as f32 / self.iterations as f32)?;
            field.iterate(&terms, watch.token())?;
        }
        watch.step(1.0)?;
        Ok(field.probabilities())
    }
}

/// A Gaussian over all pairs of pixels.
struct Term<'a> {
    weight: f32,
    /// For each pixel one over the root of its kernel's sum.
    norm: Vec<f32>,
    filter: Box<Filter<'a>>,
}

/// As [`Lattice::filter`], for lattices of any dimension.
type Filter<'a> =
    dyn Fn(&dyn Fn(usize) -> [f32; GROUP], &mut dyn FnMut(usize, [f32; GROUP]), &CancelToken) -> Result<()> + Sync + 'a;

impl<'a> Term<'a> {
    fn new<const D: usize>(weight: f32, pixels: usize, lattice: &'a Lattice<D>, watch: &Watch<'_>) -> Result<Term<'a>> {
        let mut norm = vec![0.0; pixels];
        let sum = |i: usize, sum: [f32; GROUP]| norm[i] = 1.0 / (sum[0] + 1e-20).sqrt();
        lattice.filter(|_| [1.0; GROUP], sum, watch.token())?;
        Ok(Term { weight, norm, filter: Box::new(|value, each, cancel| lattice.filter(value, each, cancel)) })
    }
}

/// What is believed of each pixel. Classes are dealt into groups of [`GROUP`], the last one filled up with impossible ones.
struct Field {
    classes: usize,
    /// For each group and pixel.
    logits: Vec<Vec<[f32; GROUP]>>,
    /// For each pixel and group.
    probabilities: Vec<[f32; GROUP]>,
}

impl Field {
    fn new(logits: &[f32], [classes, pixels]: [usize; 2]) -> Field {
        let group = |group: usize| {
            let value = |c: usize, i: usize| logits.get((group * GROUP + c) * pixels + i).copied();
            let of = |i: usize| std::array::from_fn(|c| value(c, i).unwrap_or(f32::NEG_INFINITY));
            (0..pixels).map(of).collect()
        };
        let logits: Vec<Vec<_>> = (0..classes.div_ceil(GROUP)).into_par_iter().map(group).collect();
        let mut field = Field { classes, probabilities: vec![[0.0; GROUP]; logits.len() * pixels], logits };
        field.probabilities = softmax(std::mem::take(&mut field.probabilities), &field.logits);
        field
    }

    /// One round: messages from all pixels, each term's by its kernel, added to the network's own logits.
    fn iterate(&mut self, terms: &[Term<'_>], cancel: &CancelToken) -> Result<()> {
        let groups = self.logits.len();
        let message = |group: usize| {
            let mut next = self.logits[group].clone();
            for Term { weight, norm, filter } in terms {
                let value = |i: usize| self.probabilities[i * groups + group].map(|q| q * norm[i]);
                let mut add = |i: usize, sum: [f32; GROUP]| {
                    next[i].iter_mut().zip(sum).for_each(|(to, v)| *to += weight * norm[i] * v);
                };
                filter(&value, &mut add, cancel)?;
            }
            Ok(next)
        };
        let next = (0..groups).into_par_iter().map(message).collect::<Result<Vec<_>>>()?;
        self.probabilities = softmax(std::mem::take(&mut self.probabilities), &next);
        Ok(())
    }

    /// `[classes, height, width]`.
    fn probabilities(&self) -> Vec<f32> {
        let groups = self.logits.len();
        let class = |class: usize| {
            let group = self.probabilities.iter().skip(class / GROUP).step_by(groups.max(1));
            group.map(move |values| values[class % GROUP])
        };
        (0..self.classes).flat_map(class).collect()
    }
}

/// What each pixel's logits in all groups come to, written over `to`.
fn softmax(mut to: Vec<[f32; GROUP]>, logits: &[Vec<[f32; GROUP]>]) -> Vec<[f32; GROUP]> {
    let groups = logits.len().max(1);
    to.par_chunks_exact_mut(groups).enumerate().with_min_len(1024).for_each(|(i, to)| {
        let own = || logits.iter().flat_map(|group| group[i]);
        let most = own().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = own().map(|v| (v - most).exp()).sum();
        for (to, group) in to.iter_mut().zip(logits) {
            *to = group[i].map(|v| (v - most).exp() / sum);
        }
    });
    to
}
