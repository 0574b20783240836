//! Style transfer: a photo painted in a mix of the styles that one network knows.

mod grain;
mod palette;
mod tones;

use std::collections::HashMap;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::tiles::{self, Canvas, Frame, Painter, Source, Tiling};
use super::{TaskError, scaled};
use crate::imaging::{Picture, scaled_size};
use crate::models::TransformerNet;
use crate::models::transformer_net::Config;
use crate::nn::{self, Pool, Precision, Statistics, Watch};
use crate::zoo::{self, Card, StyleCard};
use palette::{Palette, Recolouring};

/// The id of the model behind the task.
pub const MODEL: &str = "style-painters";
/// The style that gives the photo back; mixing towards it weakens the others.
pub const IDENTITY: &str = "identity";

/// The longer side that pictures are painted at unless told otherwise. Strokes are as wide as those of the paintings the
/// network learnt from, which had 512 pixels: over a photo of 12 megapixels nobody would see them.
pub const USUAL_SIDE: u32 = 1024;

/// What a person chose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// Style ids (or [`IDENTITY`]) and their weights, 0 or more; they are scaled to sum 1.
    pub mix: Vec<(String, f32)>,
    /// The network works on the picture scaled down to this longer side: smaller is faster and makes broader strokes. The
    /// result has the picture's own size in any case. `None` is [`USUAL_SIDE`].
    #[serde(default)]
    pub longer_side: Option<u32>,
    /// How exactly the network computes.
    #[serde(default)]
    pub precision: Precision,
}

/// A stylised picture.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// As large as the input, opaque, sRGB; 16-bit if the input was.
    pub styled: Picture,
    /// The id of the model.
    pub model: String,
    /// How long it took.
    pub seconds: f64,
}

/// When and how large pictures are cut. The overlap is no less than the receptive field's radius: 4 + 1 at full size, 2 at
/// half, 4 x 10 at a quarter, then 2, 1 and 4 on the way up, and 3 for the grid of 4.
const TILING: Tiling = Tiling { whole: 4_300_000, overview: 1 << 20, core: 1024, overlap: 64 };

/// The network painting one mix of its styles.
struct Mixed<'a> {
    net: &'a TransformerNet,
    mix: &'a [f32],
    /// What the picture goes through before.
    recolouring: Option<Recolouring>,
    /// Of 0..=255.
    grain: f32,
}

impl Painter for Mixed<'_> {
    fn frame(&self) -> Frame {
        // It mirrors four pixels at its edges and again at a quarter of the size: a picture needs this many.
        Frame { channels: 3, range: [0.0, 255.0], multiple: 1, smallest: 16 }
    }

    fn flops(&self, shape: [usize; 4]) -> nn::Result<f64> {
        self.net.flops(shape)
    }

    fn prepare(&self, planar: &mut [f32], shape: [usize; 4], corner: [usize; 2]) {
        if let Some(recolouring) = self.recolouring {
            recolouring.apply(planar);
        }
        if self.grain > 0.0 {
            grain::apply(planar, shape, corner, self.grain);
        }
    }

    fn paint(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> nn::Result<Tensor> {
        self.net.forward_with(x, self.mix, statistics, watch, pool)
    }
}

/// The style model, loaded. Shared between threads freely; each run has its own memory.
pub struct Stylizer {
    net: TransformerNet,
    styles: Vec<StyleCard>,
    /// The ids of the norms' rows, in their order.
    rows: Vec<String>,
    /// The colours of the paintings of the first rows; the others leave a photo its own.
    palettes: Vec<Palette>,
    /// How much grain it was trained with, of 0..=255; the identity with none.
    grain: f32,
}

impl Stylizer {
    /// Loads the model that ships with the program (some ten milliseconds).
    ///
    /// # Errors
    /// [`TaskError::Zoo`] when weights or card are missing or damaged, [`TaskError::Network`] when they contradict.
    pub fn load() -> Result<Stylizer, TaskError> {
        let styles = zoo::card(MODEL).map(|card: &Card| card.styles.clone()).unwrap_or_default();
        Stylizer::from_bytes(&zoo::weights(MODEL)?, styles)
    }

    /// As [`Stylizer::load`] from given safetensors. The metadata entry `styles` names the rows of the norms, joined by
    /// commas; without it they are `styles` and then the identity. The tensors `palettes.mean` `[n, 3]` and
    /// `palettes.covariance` `[n, 3, 3]`, where there are such, hold the colours (RGB of 0..=255) that a photo is given
    /// before the network sees it in one of the first `n` styles. `grain`, where there is such an entry, is how much of that
    /// the network was shown in training.
    ///
    /// # Errors
    /// As [`Stylizer::load`].
    pub fn from_bytes(bytes: &[u8], styles: Vec<StyleCard>) -> Result<Stylizer, TaskError> {
        let damaged = |reason: String| zoo::ZooError::Damaged { name: MODEL.to_owned(), reason };
        let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let told = |key: &str| header.metadata().as_ref().and_then(|m| m.get(key));
        let named: Option<Vec<String>> = told("styles").map(|s| s.split(',').map(str::to_owned).collect());
        let grain = told("grain").map_or(Ok(0.0), |g| g.parse::<f32>());
        let grain = grain
            .ok()
            .filter(|g| (0.0..=255.0).contains(g))
            .ok_or_else(|| damaged("its grain is no number from 0 to 255".into()))?;
        let from_card = || styles.iter().map(|s| s.id.clone()).chain([IDENTITY.to_owned()]).collect();
        let rows: Vec<String> = named.unwrap_or_else(from_card);
        let tensors: HashMap<_, _> = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        let config = Config::from_tensors(&tensors)?;
        if config.styles.unwrap_or(1) != rows.len() {
            let found = config.styles.unwrap_or(1);
            return Err(damaged(format!("it has {found} styles but names {}", rows.len())).into());
        }
        // A gallery shows what the network has, in the card's order and words.
        let styles = styles.into_iter().filter(|s| rows.contains(&s.id)).collect();
        let palettes = Palette::all(&tensors)?;
        if palettes.len() > rows.len() {
            return Err(damaged(format!("it has {} styles but {} palettes", rows.len(), palettes.len())).into());
        }
        let net = TransformerNet::new(config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
        Ok(Stylizer { net, styles, rows, palettes, grain })
    }

    /// The styles a person can choose from, the identity left out.
    pub fn styles(&self) -> &[StyleCard] {
        &self.styles
    }

    /// Stylises `picture`. Pictures above some 4 megapixels go through the network in tiles, with norms measured once on
    /// a smaller copy of the whole, so that memory stays bounded and no seams show.
    ///
    /// # Errors
    /// [`TaskError::UnknownStyle`], [`TaskError::EmptyMix`] and [`TaskError::BadWeight`] for parameters that mean
    /// nothing, [`TaskError::Cancelled`] within 0.3 s of being cancelled, [`TaskError::NotFinite`] in place of a black
    /// picture, [`TaskError::Imaging`] and [`TaskError::Network`] for what fails below.
    pub fn run(&self, picture: &Picture, params: &Params, watch: &Watch<'_>) -> Result<Outcome, TaskError> {
        let began = Instant::now();
        let mix = self.mix(&params.mix)?;
        let watch = &watch.part(0.0, 1.0).with_precision(params.precision);
        watch.step(0.0)?;
        let side = params.longer_side.unwrap_or(USUAL_SIDE).max(1);
        let worked_on = &scaled(picture, scaled_size(picture.size(), side), watch)?;
        let mut canvas = Canvas::new(worked_on.size(), picture.is_sixteen_bit());
        let same: f32 = self.rows.iter().zip(&mix).filter(|(row, _)| *row == IDENTITY).map(|(_, share)| share).sum();
        let (recolouring, grain) = (self.recolouring(worked_on, &mix), self.grain * (1.0 - same));
        let painter = Mixed { net: &self.net, mix: &mix, recolouring, grain };
        let source = Source::new(worked_on, painter.frame());
        tiles::paint(&painter, &source, &TILING, &mut canvas, watch, &Pool::default())?;
        if let Some(recolouring) = &recolouring {
            tones::hold(&mut canvas, &source, recolouring, watch)?;
        }
        let styled = scaled(&canvas.into_picture()?, picture.size(), watch)?;
        watch.step(1.0)?;
        Ok(Outcome { styled, model: MODEL.to_owned(), seconds: began.elapsed().as_secs_f64() })
    }

    /// What `picture` goes through before a network of palettes sees it.
    fn recolouring(&self, picture: &Picture, mix: &[f32]) -> Option<Recolouring> {
        if self.palettes.is_empty() {
            return None;
        }
        let shown = mix.iter().enumerate().filter(|(_, share)| **share > 0.0);
        let shares = shown.map(|(row, share)| (*share, self.palettes.get(row)));
        Some(Recolouring::mixed(&Palette::of(picture)?, shares))
    }

    /// One weight per row of the norms, summing to 1.
    fn mix(&self, wanted: &[(String, f32)]) -> Result<Vec<f32>, TaskError> {
        let mut mix = vec![0.0; self.rows.len()];
        for (id, weight) in wanted {
            let Some(row) = self.rows.iter().position(|r| r == id) else {
                let mut known = self.rows.clone();
                known.sort_by_cached_key(|k| distance(id, k));
                return Err(TaskError::UnknownStyle { id: id.clone(), known });
            };
            if !weight.is_finite() || *weight < 0.0 {
                return Err(TaskError::BadWeight { id: id.clone(), weight: *weight });
            }
            mix[row] += f64::from(*weight);
        }
        let sum: f64 = mix.iter().sum();
        if sum <= 0.0 {
            return Err(TaskError::EmptyMix);
        }
        Ok(mix.iter().map(|w| (w / sum) as f32).collect())
    }
}

/// How unlike two ids are: edits from one to the other (Levenshtein 1966), less when one holds the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let edits = strsim::levenshtein(&a, &b);
    if !a.is_empty() && b.contains(&a) { edits / 8 } else { edits }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn the_likeliest_style_is_named_first() {
        let ids = ["hokusai-great-wave", "hokusai-poppies", "van-gogh-auvers", "identity"];
        for (typed, meant) in [("hokusai-grate-wave", 0), ("poppies", 1), ("vangogh-auvers", 2), ("Identiy", 3)] {
            let nearest = ids.iter().min_by_key(|id| distance(typed, id));
            assert_eq!(nearest, Some(&ids[meant]), "{typed}");
        }
    }
}
