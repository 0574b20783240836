//! What is seen, as a picture: for export, for the clipboard, and to rescue. The canvas shows the same by shaders.

use std::sync::Arc;

use super::App;
use super::panes::{self, Panes};
use super::session::Task;
use super::studio::Entry;
use super::translate_look::{Chart, TranslateView};
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
    /// A map read off a segmentation's scores: of this kind, and for a probability of this class.
    Map(Arc<Outcome>, Map, Tint),
    /// A map of a translation.
    Chart(Arc<translate::Outcome>, Chart),
    /// Not over it, but beside it: the panes of a view.
    Panes(Panes),
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
            Over::Map(outcome, map, tint) => {
                let (size, values) = map.values(outcome);
                overlay::export_scalar(&self.original, &ScalarMap { size, values: &values }, tint)
            }
            Over::Chart(outcome, chart) => panes::tinted(&self.original, outcome, *chart),
            Over::Panes(panes) => panes.compose(self.original.size()),
        }
    }

    /// Width and height of the picture as it is seen.
    pub fn size(&self) -> [u32; 2] {
        match &self.over {
            Over::Panes(panes) => panes.size(self.original.size()),
            _ => self.original.size(),
        }
    }

    /// What a format would lose of it.
    pub fn losses(&self, format: Format) -> Vec<Loss> {
        match &self.over {
            // Sheets are opaque and have 8 bits.
            Over::Panes(_) => format.losses_of(self.size(), false, false),
            _ => format.losses(&self.original),
        }
    }

    /// Whether there is a result to see.
    pub fn has_result(&self) -> bool {
        !matches!(self.over, Over::Nothing)
    }
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
        };
        Composition { original: e.picture.clone(), over }
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
        match look.map(s) {
            Some(map) => Over::Map(s.outcome.clone(), map, look.tint()),
            None => Over::Labels(s.outcome.clone(), look.plain_overlay(&s.classes)),
        }
    }
}
