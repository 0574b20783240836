//! What a network says of every place of a picture, kept at the network's own resolution, and what is read off it.

use std::ops::Range;

use rayon::prelude::*;

use crate::nn::{self, CancelToken};

/// The label of a pixel that no class was given to.
pub const NO_LABEL: u8 = 255;

/// The most classes that labels of eight bits can tell apart, [`NO_LABEL`] being one.
pub const MAX_CLASSES: usize = NO_LABEL as usize;

/// Rows that one task walks through: enough of them for their source rows to be shared.
const BAND: usize = 16;

/// Logits of each class over the whole picture, `[classes, height, width]` at a resolution of their own; between their
/// places they are interpolated bilinearly, as the networks' papers do.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    logits: Vec<f32>,
    shape: [usize; 3],
    align_corners: bool,
}

/// Where a row (column) of the picture lies between two of the scores'.
#[derive(Clone, Copy)]
struct Between {
    low: usize,
    high: usize,
    /// 0..=1 from low to high.
    share: f32,
}

impl Scores {
    /// Memory that they take.
    pub fn bytes(&self) -> u64 {
        size_of_val(&*self.logits) as u64
    }

    /// Takes logits in, `align_corners` telling whether the outermost of them lie on the picture's outermost pixels'
    /// centres (or whether scores and picture share their borders).
    ///
    /// # Errors
    /// [`nn::Error::Shape`] when there are no logits, not as many as `[classes, height, width]` says, or more classes than
    /// [`MAX_CLASSES`].
    pub fn new(logits: Vec<f32>, shape: [usize; 3], align_corners: bool) -> nn::Result<Scores> {
        let [classes, height, width] = shape;
        let fit = classes.checked_mul(height).and_then(|n| n.checked_mul(width)) == Some(logits.len());
        if !fit || logits.is_empty() || classes > MAX_CLASSES {
            let count = logits.len();
            return Err(nn::Error::Shape(format!("{count} scores are not those of 1 to 255 classes in {shape:?}")));
        }
        Ok(Scores { logits, shape, align_corners })
    }

    /// The mean of these logits and those of the picture's mirror image, mirrored back.
    ///
    /// # Panics
    /// If they are not of one shape.
    pub(super) fn with_mirrored(mut self, mirrored: &Scores) -> Scores {
        assert_eq!(self.shape, mirrored.shape, "scores of a picture and of its mirror image");
        let width = self.shape[2];
        self.logits.par_chunks_exact_mut(width).zip(mirrored.logits.par_chunks_exact(width)).for_each(
            |(row, other)| {
                row.iter_mut().zip(other.iter().rev()).for_each(|(a, b)| *a = (*a + b) / 2.0);
            },
        );
        self
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.shape[0]
    }

    /// Width and height of the scores themselves.
    pub fn size(&self) -> [usize; 2] {
        [self.shape[2], self.shape[1]]
    }

    /// Whether every score is a finite number.
    pub(super) fn is_finite(&self) -> bool {
        self.logits.par_iter().all(|v| v.is_finite())
    }

    /// The probability of each class (softmax) at a place of the picture, 0..=1 from its left to its right and from its
    /// top to its bottom. They sum to 1.
    pub fn at(&self, [x, y]: [f32; 2]) -> Vec<f32> {
        let [_, height, width] = self.shape;
        let place = |at: f32, side: usize| {
            let at = if at.is_finite() { at.clamp(0.0, 1.0) } else { 0.0 };
            // A picture of so many pixels that its outermost centres lie on its border.
            let aligned = self.align_corners;
            let source = if aligned { at * (side - 1) as f32 } else { at * side as f32 - 0.5 };
            between(source, side)
        };
        let (column, row) = (place(x, width), place(y, height));
        let mut values: Vec<f32> = (0..self.classes()).map(|class| self.value(class, row, column)).collect();
        softmax(&mut values);
        values
    }

    /// The likeliest class of each pixel of a picture of `size` (width and height); of equals the first.
    ///
    /// # Errors
    /// [`nn::Error::Cancelled`].
    pub fn labels(&self, size: [usize; 2], cancel: &CancelToken) -> nn::Result<Vec<u8>> {
        let [width, height] = size;
        let [_, rows, columns] = self.shape;
        let best = self.best();
        let (across, down) = (self.axis(width, columns), self.axis(height, rows));
        // Runs of the picture's columns between the same two columns of scores.
        let runs = runs(&across);
        let mut labels = vec![NO_LABEL; width * height];
        labels.par_chunks_mut(width * BAND).enumerate().try_for_each(|(band, labels)| {
            if cancel.is_cancelled() {
                return Err(nn::Error::Cancelled);
            }
            for (labels, row) in labels.chunks_exact_mut(width).zip(&down[band * BAND..]) {
                for run in &runs {
                    let Between { low, high, .. } = across[run.start];
                    let corners = [(row.low, low), (row.low, high), (row.high, low), (row.high, high)];
                    let [first, others @ ..] = corners.map(|(y, x)| best[y * columns + x]);
                    // What is largest at all four corners is so between them too: each value there is the same mean of
                    // its four. Only along borders is there something to compute.
                    if others == [first; 3] {
                        labels[run.clone()].fill(first);
                        continue;
                    }
                    for (label, column) in labels[run.clone()].iter_mut().zip(&across[run.clone()]) {
                        let value = |class| self.value(class, *row, *column);
                        *label = argmax((0..self.classes()).map(value));
                    }
                }
            }
            Ok(())
        })?;
        Ok(labels)
    }

    /// The probability of one class at each pixel of a picture of `size` (width and height), 0..=1; all 0 for a class
    /// that is not there.
    pub fn probability(&self, class: usize, size: [usize; 2]) -> Vec<f32> {
        self.each(size, |values| {
            softmax(values);
            values.get(class).copied().unwrap_or(0.0)
        })
    }

    /// How undecided the network is at each pixel of a picture of `size` (width and height): the entropy of its
    /// probabilities over that of as many equal ones (Shannon 1948), 0 (sure) ..= 1 (each class as likely as any).
    pub fn entropy(&self, size: [usize; 2]) -> Vec<f32> {
        let most = (self.classes() as f32).ln().max(f32::MIN_POSITIVE);
        self.each(size, |values| {
            softmax(values);
            let sum: f32 = values.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
            (sum / most).clamp(0.0, 1.0)
        })
    }

    /// How likely each class is where it is likeliest.
    ///
    /// # Errors
    /// [`nn::Error::Cancelled`].
    pub(super) fn peaks(&self, cancel: &CancelToken) -> nn::Result<Vec<f32>> {
        let [classes, height, width] = self.shape;
        let plane = height * width;
        let larger = |mut a: Vec<f32>, b: &[f32]| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = a.max(*b));
            a
        };
        (0..height)
            .into_par_iter()
            .map(|y| {
                if cancel.is_cancelled() {
                    return Err(nn::Error::Cancelled);
                }
                let (mut peaks, mut values) = (vec![0.0; classes], vec![0.0; classes]);
                for i in y * width..(y + 1) * width {
                    values.iter_mut().enumerate().for_each(|(class, v)| *v = self.logits[class * plane + i]);
                    softmax(&mut values);
                    peaks = larger(peaks, &values);
                }
                Ok(peaks)
            })
            .try_reduce(|| vec![0.0; classes], |a, b| Ok(larger(a, &b)))
    }

    /// The logits of these classes for a picture of `size` (width and height), `[classes, height, width]`.
    pub(super) fn resized(&self, classes: &[usize], size: [usize; 2]) -> Vec<f32> {
        let [width, height] = size;
        let [_, rows, columns] = self.shape;
        let (across, down) = (self.axis(width, columns), self.axis(height, rows));
        let mut out = vec![0.0; classes.len() * width * height];
        out.par_chunks_mut(width).enumerate().for_each(|(i, out)| {
            let (class, row) = (classes[i / height], down[i % height]);
            for (out, column) in out.iter_mut().zip(&across) {
                *out = self.value(class, row, *column);
            }
        });
        out
    }

    /// What `of` makes of the logits at each pixel.
    fn each(&self, [width, height]: [usize; 2], of: impl Fn(&mut [f32]) -> f32 + Sync) -> Vec<f32> {
        let [classes, rows, columns] = self.shape;
        let (across, down) = (self.axis(width, columns), self.axis(height, rows));
        let mut out = vec![0.0; width * height];
        out.par_chunks_mut(width).zip(&down).for_each_init(
            || vec![0.0; classes],
            |values, (out, row)| {
                for (out, column) in out.iter_mut().zip(&across) {
                    for (class, value) in values.iter_mut().enumerate() {
                        *value = self.value(class, *row, *column);
                    }
                    *out = of(values);
                }
            },
        );
        out
    }

    /// The likeliest class at each of the scores' own places.
    fn best(&self) -> Vec<u8> {
        let [classes, height, width] = self.shape;
        let plane = height * width;
        (0..plane).into_par_iter().map(|i| argmax((0..classes).map(|class| self.logits[class * plane + i]))).collect()
    }

    fn value(&self, class: usize, row: Between, column: Between) -> f32 {
        let [_, height, width] = self.shape;
        let plane = &self.logits[class * height * width..];
        let line = |y: usize| {
            let [a, b] = [column.low, column.high].map(|x| plane[y * width + x]);
            a + (b - a) * column.share
        };
        let (above, below) = (line(row.low), line(row.high));
        above + (below - above) * row.share
    }

    /// Where each of a picture's `to` rows (columns) lies among the scores' `from`.
    fn axis(&self, to: usize, from: usize) -> Vec<Between> {
        let place = |i: usize| match self.align_corners {
            true if to == 1 => 0.0,
            true => i as f64 * (from - 1) as f64 / (to - 1) as f64,
            false => (i as f64 + 0.5) * from as f64 / to as f64 - 0.5,
        };
        (0..to).map(|i| between(place(i) as f32, from)).collect()
    }
}

fn between(place: f32, side: usize) -> Between {
    let place = place.clamp(0.0, (side - 1) as f32);
    let low = place as usize;
    Between { low, high: (low + 1).min(side - 1), share: place - low as f32 }
}

fn runs(across: &[Between]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (x, column) in across.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if across[run.start].low == column.low => run.end = x + 1,
            _ => runs.push(x..x + 1),
        }
    }
    runs
}

fn argmax(values: impl Iterator<Item = f32>) -> u8 {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, value) in values.enumerate() {
        if value > best.1 {
            best = (class, value);
        }
    }
    best.0 as u8
}

fn softmax(values: &mut [f32]) {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = (*value - most).exp();
        sum += *value;
    }
    values.iter_mut().for_each(|value| *value /= sum);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scores() -> impl Strategy<Value = Scores> {
        (1usize..5, 1usize..6, 1usize..6, any::<bool>()).prop_flat_map(|(classes, h, w, align)| {
            prop::collection::vec(-4.0f32..4.0, classes * h * w)
                .prop_map(move |logits| Scores::new(logits, [classes, h, w], align).unwrap())
        })
    }

    proptest! {
        /// The short cut through whole cells gives what every pixel for itself would.
        #[test]
        fn labels_are_the_largest_of_the_interpolated_logits(s in scores(), w in 1usize..40, h in 1usize..40) {
            let labels = s.labels([w, h], &CancelToken::default()).unwrap();
            let logits = s.resized(&(0..s.classes()).collect::<Vec<_>>(), [w, h]);
            for (i, label) in labels.iter().enumerate() {
                // And what is told of the middle of that pixel; with aligned corners only those lie where it is asked.
                let corner = |at: usize, side: usize| at == 0 || at == side - 1;
                let (x, y) = (i % w, i / w);
                if !s.align_corners || (corner(x, w) && corner(y, h)) {
                    let place = |at: usize, side: usize| match s.align_corners {
                        true => if at == 0 { 0.0 } else { 1.0 },
                        false => (at as f32 + 0.5) / side as f32,
                    };
                    let told = s.at([place(x, w), place(y, h)]);
                    let most = told.iter().copied().fold(0.0, f32::max);
                    prop_assert!(told[usize::from(*label)] > most - 1e-4);
                }
                let values: Vec<f32> = (0..s.classes()).map(|c| logits[c * w * h + i]).collect();
                let most = values.iter().copied().fold(f32::MIN, f32::max);
                prop_assert!(values[usize::from(*label)] > most - 1e-5);
            }
        }

        #[test]
        fn probabilities_sum_to_one_and_entropy_is_between_nothing_and_all(s in scores(), x in 0.0f32..1.0) {
            let sum: f32 = s.at([x, 1.0 - x]).iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-5);
            prop_assert!(s.entropy([7, 3]).iter().all(|v| (0.0..=1.0).contains(v)));
            let peaks = s.peaks(&CancelToken::default()).unwrap();
            for (class, peak) in peaks.iter().enumerate() {
                let most = s.probability(class, s.size()).into_iter().fold(0.0, f32::max);
                prop_assert!((peak - most).abs() < 1e-5);
            }
            let planes: Vec<_> = (0..s.classes()).map(|c| s.probability(c, [5, 4])).collect();
            for i in 0..20 {
                let sum: f32 = planes.iter().map(|p| p[i]).sum();
                prop_assert!((sum - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn scores_of_the_pictures_size_are_kept() {
        let s = Scores::new((0..24).map(|v| v as f32).collect(), [2, 3, 4], false).unwrap();
        assert_eq!(s.resized(&[0, 1], [4, 3]), (0..24).map(|v| v as f32).collect::<Vec<_>>());
        assert_eq!(s.resized(&[1], [4, 3]), (12..24).map(|v| v as f32).collect::<Vec<_>>());
        assert_eq!(s.labels([4, 3], &CancelToken::default()).unwrap(), [1; 12]);
    }

    #[test]
    fn a_network_that_knows_nothing_is_as_undecided_as_can_be() {
        let s = Scores::new(vec![0.5; 3 * 4], [3, 2, 2], true).unwrap();
        assert!(s.entropy([3, 3]).iter().all(|v| (v - 1.0).abs() < 1e-6));
        let sure = Scores::new(vec![0.0, 90.0], [2, 1, 1], true).unwrap();
        assert!(sure.entropy([1, 1])[0] < 1e-6);
        assert!(sure.at([f32::NAN, 7.0])[1] > 0.999);
    }

    #[test]
    fn what_is_no_map_of_scores_is_refused() {
        for (count, shape) in [(0, [0, 1, 1]), (5, [2, 1, 2]), (300, [300, 1, 1]), (4, [usize::MAX, 2, 2])] {
            assert!(Scores::new(vec![0.0; count], shape, false).is_err(), "{shape:?}");
        }
    }
}
