//! Labels that follow a picture's edges: the conditional random field as a person sets it, over what a network said.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Scores;
use crate::imaging::Picture;
use crate::nn::{self, Crf, Watch};

/// What refinement holds for each pixel of what the network sees, in numbers: some of each class, and some beside them.
pub(super) const REFINED: [usize; 2] = [6, 20];

/// How labels are refined: [`Crf`] as a person sets it. Values out of range count as the nearest in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refine {
    /// Rounds of mean-field inference, of [`Refine::ITERATIONS`].
    pub iterations: usize,
    /// How far pixels of like colour agree, in hundredths of the picture's longer side, of [`Refine::REACH`].
    pub reach: f32,
    /// How like they are, in steps of 0..=255, of [`Refine::COLOUR`].
    pub colour: f32,
    /// How far any two pixels agree, in pixels of what the network sees, of [`Refine::SMOOTHNESS`].
    pub smoothness: f32,
}

impl Default for Refine {
    fn default() -> Refine {
        Refine { iterations: 5, reach: 10.0, colour: 8.0, smoothness: 3.0 }
    }
}

impl Refine {
    /// The range of [`Refine::iterations`].
    pub const ITERATIONS: RangeInclusive<usize> = 1..=20;
    /// The range of [`Refine::reach`].
    pub const REACH: RangeInclusive<f32> = 0.5..=40.0;
    /// The range of [`Refine::colour`].
    pub const COLOUR: RangeInclusive<f32> = 1.0..=60.0;
    /// The range of [`Refine::smoothness`].
    pub const SMOOTHNESS: RangeInclusive<f32> = 0.5..=10.0;

    /// With every value in its range; what is no number becomes the default.
    pub fn clamped(self) -> Refine {
        let clamp = |v: f32, range: RangeInclusive<f32>, or: f32| {
            if v.is_finite() { v.clamp(*range.start(), *range.end()) } else { or }
        };
        let d = Refine::default();
        Refine {
            iterations: self.iterations.clamp(*Self::ITERATIONS.start(), *Self::ITERATIONS.end()),
            reach: clamp(self.reach, Self::REACH, d.reach),
            colour: clamp(self.colour, Self::COLOUR, d.colour),
            smoothness: clamp(self.smoothness, Self::SMOOTHNESS, d.smoothness),
        }
    }

    /// For a picture of this longer side.
    fn crf(self, longer_side: usize) -> Crf {
        let Refine { iterations, reach, colour, smoothness } = self.clamped();
        Crf {
            iterations,
            smoothness_reach: smoothness,
            appearance_reach: (reach / 100.0 * longer_side as f32).max(1.0),
            appearance_colour: colour,
            ..Crf::default()
        }
    }
}

/// How likely a class must at most be anywhere for the refinement to leave it out, which makes that so much faster. With
/// many classes it is half of what each has of an undecided network, so that what is likeliest somewhere always stays.
const ABSENT: f32 = 0.02;

/// Scores at the size of `seen` that follow its edges.
pub(super) fn refined(scores: &Scores, seen: &Picture, refine: &Refine, watch: &Watch<'_>) -> nn::Result<Scores> {
    let size = seen.size().map(|side| side as usize);
    let (classes, plane) = (scores.classes(), size[0] * size[1]);
    let absent = ABSENT.min(0.5 / classes as f32);
    let peaks = scores.peaks(watch.token())?;
    let present: Vec<usize> = (0..classes).filter(|class| peaks[*class] > absent).collect();
    let kept = scores.resized(&present, size);
    let rgb: Vec<u8> = seen.to_srgba8().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    let crf = refine.crf(size[0].max(size[1]));
    let probabilities = crf.refine(&kept, &rgb, [present.len(), size[1], size[0]], watch)?;
    drop(kept);
    // Back to logits; what was left out is as good as impossible.
    const LEAST: f32 = 1e-9;
    let mut out = vec![LEAST.ln(); classes * plane];
    for (probabilities, class) in probabilities.chunks_exact(plane).zip(present) {
        for (out, p) in out[class * plane..].iter_mut().zip(probabilities) {
            *out = p.max(LEAST).ln();
        }
    }
    Scores::new(out, [classes, size[1], size[0]], false)
}
