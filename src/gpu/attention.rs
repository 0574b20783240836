//! Where a captioning network looked for each word, drawn over the photo: one word's map, a contact sheet of all words as in
//! the paper's figures (Xu et al. 2015, figures 2 to 5), and the sentence being said as an animation.
//!
//! The network sees the picture squeezed to a square, so that its grid lies over the whole of it whatever its shape. Its
//! few cells are read by the cubic B-spline ([`Interpolation::CubicBSpline`]), here as on the canvas.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::colormap::Colormap;
use super::lettering::Lettering;
use super::page::{INK, Page};
use super::scalar::{Interpolation, ScalarMap, Tint, TintMode, export_scalar};
use super::sheet::{self, Sheet};
use crate::imaging::{ImagingError, Picture};
use crate::tasks::caption::{Sentence, Word};
use crate::tasks::percent;

/// Longer side of the pictures of [`contact_sheet`], pixels.
pub const CELL: u32 = 480;
/// Longer side of the photo in [`animation`], pixels.
pub const FRAME: u32 = 640;
/// How long the last picture of an animation stays.
pub const STAYS: Duration = Duration::from_secs(2);
/// Words per second an animation can have.
pub const PACES: RangeInclusive<f32> = 0.1..=25.0;

/// Smaller photos are enlarged to this longer side, so that there is room for maps and words: in a sheet and in an animation.
const LEAST_CELL: u32 = 240;
const LEAST_FRAME: u32 = 480;
/// Width that words have in a sheet even below narrow photos; in an animation it is [`LEAST_FRAME`].
const LEAST_WIDTH: u32 = 120;
/// Sizes of the sentence of an animation, of which the first that needs at most [`LINES`] is taken.
const SIZES: [f32; 6] = [24.0, 22.0, 20.0, 18.0, 16.0, 14.0];
const LINES: usize = 3;
/// Space around the sentence, and between its lines in parts of their size.
const MARGIN: u32 = 14;
const LEADING: f32 = 1.35;
/// Words that are still to come; and the word being said: the accent colour of the dark window.
const TO_COME: [u8; 3] = [104, 104, 104];
const ACCENT: [u8; 3] = [240, 160, 75];

/// Why attention cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttentionError {
    /// The sentence is of a model that looks at the picture as a whole.
    #[error("this sentence comes without attention maps; let a model with attention describe the picture")]
    NoAttention,
    /// Maps that do not fit their grid, or a sheet beyond memory.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
}

/// Which maps share their range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// None: each word's map goes up to its own highest value.
    #[default]
    Each,
    /// All of a sentence, so that words can be compared: it shows for which the network looked at one place, and for which
    /// everywhere.
    Common,
}

/// How maps of attention are laid over the photo.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// As [`Tint::opacity`].
    pub opacity: f32,
    /// As [`Tint::colormap`].
    pub colormap: Colormap,
    /// As [`Tint::mode`]; colours fade towards what is looked at least.
    pub mode: TintMode,
    /// Which maps share their range.
    pub scale: Scale,
}

impl Default for Look {
    /// Colours, which show on dark photos too; the paper's figures are spotlights.
    fn default() -> Look {
        let mode = TintMode::Colours;
        Look { opacity: mode.usual_opacity(), colormap: Colormap::Viridis, mode, scale: Scale::Each }
    }
}

impl Look {
    /// The same for the canvas and for [`export_scalar`], with values of a [`range`] or of [`sum_range`].
    pub fn tint(&self, (low, high): (f32, f32)) -> Tint {
        Tint {
            opacity: self.opacity,
            colormap: self.colormap,
            low,
            high,
            mode: self.mode,
            fades: true,
            interpolation: Interpolation::CubicBSpline,
        }
    }
}

/// The values of position 0 and 1 for the map of a word of `sentence`: from 0 to the highest value that is drawn, which the
/// spline makes less than that of the grid's pixels.
///
/// `map` has a value per pixel of `grid` (rows and columns), row by row.
pub fn range(map: &[f32], sentence: &Sentence, grid: [usize; 2], scale: Scale) -> (f32, f32) {
    let high = match scale {
        Scale::Each => scalar(map, grid).highest(),
        Scale::Common => maps(sentence).flatten().map(|map| scalar(map, grid).highest()).fold(0.0, f32::max),
    };
    (0.0, high)
}

/// The same for [`Sentence::attention_sum`]: half way is an even look, what every place had if none were preferred.
pub fn sum_range(sentence: &Sentence, [rows, columns]: [usize; 2]) -> (f32, f32) {
    let maps = sentence.words.len() + usize::from(sentence.end.is_some());
    (0.0, 2.0 * maps as f32 / (rows * columns).max(1) as f32)
}

fn scalar(values: &[f32], [rows, columns]: [usize; 2]) -> ScalarMap<'_> {
    ScalarMap { size: [columns, rows].map(|side| u32::try_from(side).unwrap_or(u32::MAX)), values }
}

/// The maps of a sentence's words.
fn maps(sentence: &Sentence) -> impl Iterator<Item = Option<&[f32]>> {
    sentence.words.iter().map(|word| word.attention.as_deref())
}

/// One map over the photo as the canvas shows it at 1:1: size, depth, alpha and colour profile of `original`.
///
/// `values`: one per pixel of `grid` (rows and columns), row by row. `range`: of [`range`](range()) or [`sum_range`].
///
/// # Errors
/// [`ImagingError::BadShape`] if the values do not fit the grid.
pub fn map(
    original: &Picture,
    grid: [usize; 2],
    values: &[f32],
    look: &Look,
    range: (f32, f32),
) -> Result<Picture, ImagingError> {
    export_scalar(original, &scalar(values, grid), &look.tint(range))
}

/// The photo with the whole sentence below it, then a picture for each word with the word and its probability; their longer
/// side has [`CELL`] pixels at most.
///
/// # Errors
/// [`AttentionError::NoAttention`], or [`AttentionError::Imaging`] for maps that do not fit `grid` (rows and columns).
pub fn contact_sheet(
    original: &Picture,
    sentence: &Sentence,
    grid: [usize; 2],
    look: &Look,
) -> Result<Picture, AttentionError> {
    contact_sheet_of(original, sentence, grid, look, CELL)
}

/// As [`contact_sheet`], of pictures with another longer side; of photos smaller than that it is the photo's own.
///
/// # Errors
/// As [`contact_sheet`], and [`ImagingError::TooLarge`] beyond 400 megapixels.
pub fn contact_sheet_of(
    original: &Picture,
    sentence: &Sentence,
    grid: [usize; 2],
    look: &Look,
    longer_side: u32,
) -> Result<Picture, AttentionError> {
    let words = attended(sentence)?;
    let photo = fitted(original, longer_side, LEAST_CELL);
    let [width, height] = photo.size();
    let scale = (width.max(height) as f32 / CELL as f32).max(1.0);
    let cell = [width.max((LEAST_WIDTH as f32 * scale) as u32), height];
    let cells = words.len() + 1;
    let columns = sheet::columns(cell, scale, cells);
    let text = sentence.text();
    let mut sheet = Sheet::for_text(cell, scale, cells, columns, &text)?;
    sheet.paste_text(0, &photo, &text);
    for (index, (word, values)) in words.into_iter().enumerate() {
        let range = range(values, sentence, grid, look.scale);
        let seen = map(&photo, grid, values, look, range)?;
        sheet.paste(index + 1, &seen, &word.text, &percent(f64::from(word.log_prob.exp())));
    }
    Ok(sheet.finish()?)
}

/// The words with their maps.
fn attended(sentence: &Sentence) -> Result<Vec<(&Word, &[f32])>, AttentionError> {
    let with_map = |(word, map): (_, Option<_>)| map.map(|map| (word, map));
    sentence.words.iter().zip(maps(sentence)).map(with_map).collect::<Option<_>>().ok_or(AttentionError::NoAttention)
}

/// The photo with its longer side as it is asked for, or its own where that is shorter, but no shorter than `least`.
fn fitted(original: &Picture, longer_side: u32, least: u32) -> Picture {
    let [width, height] = original.size();
    let longer = width.max(height);
    if longer >= least {
        return original.resized(longer_side.max(least));
    }
    let [width, height] = [width, height].map(|side| (side as f32 * least as f32 / longer as f32).round() as u32);
    original.resized_to(width, height)
}

/// What the map of word `number` (from 1) is called in a file's name: `02-dog`. Of the word stays what every system takes
/// there, so other people's words cannot lead to other folders.
pub fn map_name(number: usize, word: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "'_-".contains(c) { c } else { '_' };
    let word: String = word.chars().map(kept).take(40).collect();
    format!("{number:02}-{word}")
}

/// A sentence being said: opaque pictures of one size, and how long each stays.
#[derive(Clone, Debug)]
pub struct Animation {
    /// The pictures, at least one.
    pub frames: Vec<Picture>,
    /// As many durations.
    pub delays: Vec<Duration>,
}

/// A picture for each word, with its map over the photo and the sentence below: what was said in ink, the word in the accent
/// colour, what is to come faint. At the end the bare photo with the whole sentence, for [`STAYS`]. The photo's longer
/// side has [`FRAME`] pixels at most.
///
/// Of a sentence without attention all pictures show the bare photo. `words_per_second` is brought into [`PACES`]; what is
/// no number is 2.
///
/// # Errors
/// [`AttentionError::Imaging`] for maps that do not fit `grid` (rows and columns).
pub fn animation(
    original: &Picture,
    sentence: &Sentence,
    grid: [usize; 2],
    look: &Look,
    words_per_second: f32,
) -> Result<Animation, AttentionError> {
    let pace = if words_per_second.is_nan() { 2.0 } else { words_per_second.clamp(*PACES.start(), *PACES.end()) };
    let photo = fitted(original, FRAME, LEAST_FRAME);
    let mut lettering = Lettering::new();
    let subtitle = Subtitle::new(&mut lettering, sentence, photo.width().max(LEAST_FRAME));
    let mut made = Animation { frames: Vec::new(), delays: Vec::new() };
    for (number, word) in sentence.words.iter().enumerate() {
        let seen = match &word.attention {
            Some(values) => map(&photo, grid, values, look, range(values, sentence, grid, look.scale))?,
            None => photo.clone(),
        };
        made.frames.push(subtitle.below(&seen, sentence, Some(number), &mut lettering)?);
        made.delays.push(Duration::from_millis((1000.0 / pace).round() as u64));
    }
    made.frames.push(subtitle.below(&photo, sentence, None, &mut lettering)?);
    made.delays.push(STAYS);
    Ok(made)
}

/// How a sentence is set below pictures of a width.
struct Subtitle {
    width: u32,
    size: f32,
    lines: Vec<Range<usize>>,
}

impl Subtitle {
    fn new(lettering: &mut Lettering, sentence: &Sentence, width: u32) -> Subtitle {
        let mut set = Subtitle { width, size: 0.0, lines: Vec::new() };
        for size in SIZES {
            let words = sentence.words.iter().map(|word| word.text.as_str());
            (set.size, set.lines) = (size, lettering.wrapped(words, size, width - 2 * MARGIN));
            if set.lines.len() <= LINES {
                break;
            }
        }
        set
    }

    fn line_height(&self) -> u32 {
        (self.size * LEADING) as u32
    }

    /// A frame: the picture, and the sentence while its word `now` is said; `None` is the end.
    fn below(
        &self,
        picture: &Picture,
        sentence: &Sentence,
        now: Option<usize>,
        lettering: &mut Lettering,
    ) -> Result<Picture, ImagingError> {
        let height = self.lines.len().max(1) as u32 * self.line_height();
        let mut page = Page::new([self.width, picture.height() + height + 2 * MARGIN]);
        page.paste(picture, [(self.width - picture.width()) / 2, 0]);
        let space = lettering.space(self.size);
        let mut top = picture.height() + MARGIN;
        for line in &self.lines {
            let words: Vec<_> = line.clone().filter_map(|n| Some((n, sentence.words.get(n)?))).collect();
            let widths: Vec<f32> = words.iter().map(|(_, word)| lettering.width(&word.text, self.size)).collect();
            let whole = widths.iter().sum::<f32>() + space * words.len().saturating_sub(1) as f32;
            let mut left = ((self.width as f32 - whole) / 2.0).max(MARGIN as f32);
            for ((number, word), width) in words.into_iter().zip(widths) {
                let ink = match now {
                    Some(now) if number == now => ACCENT,
                    Some(now) if number > now => TO_COME,
                    _ => INK,
                };
                let most = self.width.saturating_sub(left as u32 + MARGIN);
                page.write(lettering, &word.text, self.size, most, [left.round() as u32, top], ink);
                left += width + space;
            }
            top += self.line_height();
        }
        page.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_names_of_files() {
        for (word, expected) in [
            ("dog", "07-dog"),
            ("<unk>", "07-_unk_"),
            ("../../etc/passwd", "07-______etc_passwd"),
            ("a\\b:c\n\0", "07-a_b_c__"),
            ("t-shirt", "07-t-shirt"),
            ("개", "07-개"),
            ("", "07-"),
        ] {
            assert_eq!(map_name(7, word), expected);
        }
        assert!(map_name(51, &"𝔸".repeat(500)).len() < 180, "room for a file's own name");
    }
}
