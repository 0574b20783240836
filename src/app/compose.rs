//! What is seen, as a picture: for export, for the clipboard, and to rescue. The canvas shows the same by shaders.

use std::sync::Arc;

use super::App;
use super::caption_look::CaptionView;
use super::captioned::{Step, Told};
use super::entry::Entry;
use super::panes::{self, Panes};
use super::session::{CompareMode, Task};
use super::translate_look::{Chart, TranslateView};
use crate::gpu::attention::{self, AttentionError};
use crate::gpu::overlay::{self, ScalarMap};
use crate::gpu::{Blend, Overlay, Tint, composite};
use crate::imaging::{Format, ImagingError, Loss, Picture};
use crate::tasks::segment::Outcome;
use crate::tasks::translate;

/// An original, and what is laid over it.
#[derive(Clone, Debug)]
pub struct Composition {
    /// The picture as it came.
    pub original: Arc<Picture>,
    /// What is laid over it.
    pub over: Over,
}

/// What is laid over a picture.
#[derive(Clone, Debug)]
pub enum Over {
    /// Nothing: there is no result yet.
    Nothing,
    /// What a task made of it.
    Picture(Arc<Picture>, Blend),
    /// The classes of a segmentation.
    Labels(Arc<Outcome>, Overlay),
    /// Where a segmentation and another one, which is the second, call places something else.
    Disagreement([Arc<Outcome>; 2], Overlay),
    /// A map read off a segmentation's scores: of this kind, and for a probability of this class.
    Map(Arc<Outcome>, Map, Tint),
    /// A map of a translation.
    Chart(Arc<translate::Outcome>, Chart),
    /// Where a captioning network looked.
    Attention(Told, Step, attention::Look),
    /// Not over it, but beside it: the panes of a view.
    Panes(Panes),
    /// A contact sheet of a sentence's words.
    Words(Told, attention::Look),
}

/// Which map is read off a segmentation's scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Map {
    /// The probability of a class.
    Probability(u8),
    /// The entropy of all.
    Entropy,
}

impl Map {
    /// Its values, 0..=1, from the top, and their size: the picture's, or of a large one the same shape at a megapixel.
    pub fn values(self, outcome: &Outcome) -> ([u32; 2], Vec<f32>) {
        /// The most pixels of a map: interpolating beyond adds nothing to see.
        const MOST: f64 = 1e6;
        let [width, height] = outcome.size.map(f64::from);
        let scale = (MOST / (width * height)).sqrt().min(1.0);
        let size = [width, height].map(|side| ((side * scale).round() as usize).max(1));
        let values = match self {
            Map::Probability(class) => outcome.scores.probability(usize::from(class), size),
            Map::Entropy => outcome.scores.entropy(size),
        };
        (size.map(|side| side as u32), values)
    }
}

impl Composition {
    /// The picture as it is seen, at the original's size; of several panes each at that size.
    ///
    /// # Errors
    /// Those of [`composite::export`], [`overlay::export`] and [`Panes::compose`].
    pub fn compose(&self) -> Result<Picture, ImagingError> {
        match &self.over {
            Over::Nothing => Ok((*self.original).clone()),
            Over::Picture(result, blend) => composite::export(&self.original, result, *blend),
            Over::Labels(outcome, overlay) => overlay::export(&self.original, &outcome.labels, overlay),
            Over::Disagreement([outcome, other], overlay) => {
                overlay::export_disagreement(&self.original, [&other.labels, &outcome.labels], overlay)
            }
            Over::Map(outcome, map, tint) => {
                let (size, values) = map.values(outcome);
                overlay::export_scalar(&self.original, &ScalarMap { size, values: &values }, tint)
            }
            Over::Chart(outcome, chart) => panes::tinted(&self.original, outcome, *chart),
            Over::Attention(told, step, look) => panes::attended(&self.original, told, *step, look),
            Over::Panes(panes) => panes.compose(self.original.size()),
            Over::Words(told, look) => contact_sheet(&self.original, told, look),
        }
    }

    /// Width and height of the picture as it is seen; `None` where that is not known before it is composed.
    pub fn size(&self) -> Option<[u32; 2]> {
        match &self.over {
            Over::Panes(panes) => Some(panes.size(self.original.size())),
            Over::Words(..) => None,
            _ => Some(self.original.size()),
        }
    }

    /// What a format would lose of it.
    pub fn losses(&self, format: Format) -> Vec<Loss> {
        match &self.over {
            // Sheets are opaque and have 8 bits.
            Over::Panes(_) | Over::Words(..) => format.losses_of(self.size().unwrap_or([1; 2]), false, false),
            _ => format.losses(&self.original),
        }
    }

    /// Whether camera data goes along: not into sheets, which are new pictures.
    pub fn has_camera_data(&self) -> bool {
        !matches!(self.over, Over::Panes(_) | Over::Words(..)) && self.original.exif().is_some()
    }

    /// Whether there is a result to see.
    pub fn has_result(&self) -> bool {
        !matches!(self.over, Over::Nothing)
    }
}

/// The words of a sentence with their maps, on one sheet.
fn contact_sheet(original: &Picture, told: &Told, look: &attention::Look) -> Result<Picture, ImagingError> {
    let refused = |reason: String| ImagingError::Encode { format: "a contact sheet", reason };
    let sentence = told.sentence().ok_or_else(|| refused("there is no sentence".into()))?;
    attention::contact_sheet(original, sentence, told.outcome.grid, look).map_err(|e| match e {
        AttentionError::Imaging(e) => e,
        other => refused(other.to_string()),
    })
}

impl App {
    /// What is on the canvas, for export and copy.
    pub fn seen(&self) -> Option<Composition> {
        self.studio.current().map(|e| self.seen_of(e))
    }

    /// What would be on the canvas of a picture of the strip.
    pub fn seen_of(&self, e: &Entry) -> Composition {
        let over = match self.session.task {
            Task::Style => match e.find(&self.session.look.params()) {
                Some(made) => Over::Picture(made.styled.clone(), self.session.look.blend()),
                None => Over::Nothing,
            },
            Task::Segment => self.segmentation_of(e),
            Task::Translate => self.translation_of(e).unwrap_or(Over::Nothing),
            Task::Caption => self.attention_of(e).unwrap_or(Over::Nothing),
        };
        Composition { original: e.picture.clone(), over }
    }

    /// Of a caption what its view shows; the drawing of the beam is no picture, but the picture stands in it.
    fn attention_of(&self, e: &Entry) -> Option<Over> {
        let (look, shown) = (&self.session.caption, Some(e.id) == self.studio.selected);
        let c = e.caption(&look.asked(e.id))?;
        // Of other pictures than the shown one nobody chose a sentence or a word.
        let told = c.told(if shown { self.reading.pick } else { Default::default() });
        let step = if shown { self.reading.step } else { told.sharpest() };
        match look.view {
            CaptionView::Words if told.attends() => Some(Over::Words(told, look.drawing())),
            CaptionView::Beside => self.sentences(e, told, step).map(Over::Panes),
            _ => Some(Over::Attention(told, step, look.drawing())),
        }
    }

    fn translation_of(&self, e: &Entry) -> Option<Over> {
        let look = &self.session.translate;
        if look.view != TranslateView::Result {
            return self.sheet(e).map(Over::Panes);
        }
        let t = e.translation(&self.translation_asked()?)?;
        Some(Over::Picture(t.outcome.translated.clone(), look.blend()))
    }

    fn segmentation_of(&self, e: &Entry) -> Over {
        let look = &self.session.segment;
        let Some(s) = e.segmentation(&look.asked()) else { return Over::Nothing };
        let compared = self.session.compare == CompareMode::Difference;
        let other = look.asked_other().filter(|_| compared).and_then(|other| e.segmentation_against(s, &other));
        match (look.map(s), other) {
            (Some(map), _) => Over::Map(s.outcome.clone(), map, look.tint()),
            (None, Some(other)) => {
                let both = [s.outcome.clone(), other.outcome.clone()];
                Over::Disagreement(both, look.plain_overlay(&s.classes))
            }
            (None, None) => Over::Labels(s.outcome.clone(), look.plain_overlay(&s.classes)),
        }
    }
}
