//! The results of the translation task, with what of them lies on the GPU, and what is known of its models.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use egui::TextureHandle;

use super::entry::{Entry, PictureId, Slot};
use super::partner::{Partner, Search};
use super::request::Request;
use super::studio::Studio;
use super::translate_look::{Asked, Chart, Facts, Model, Part};
use super::workers::{NetJob, Pixels, Place, Uploaded};
use crate::gpu::{PictureTexture, ScalarTexture};
use crate::imaging::Picture;
use crate::tasks::translate::{Direction, Outcome};

/// A finished translation of one picture.
pub struct Translated {
    /// What it was made with.
    pub asked: Asked,
    /// The pictures and maps.
    pub outcome: Arc<Outcome>,
    /// A small copy for the strip.
    pub thumb: TextureHandle,
    /// How far it is from its picture's true partner, 0..=1; `None` where that is not known (yet).
    pub l1: Option<f64>,
    pictures: HashMap<Part, Slot<PictureTexture>>,
    charts: HashMap<Chart, Slot<ScalarTexture>>,
    /// When it was looked at last.
    used: Option<Instant>,
}

impl Translated {
    pub(super) fn new(
        asked: Asked,
        outcome: Arc<Outcome>,
        thumb: TextureHandle,
        texture: Option<Arc<PictureTexture>>,
    ) -> Translated {
        let pictures = texture.into_iter().map(|t| (Part::Result, Slot::Ready(t))).collect();
        Translated { asked, outcome, thumb, l1: None, pictures, charts: HashMap::new(), used: None }
    }

    /// Takes in what came of an upload. What could not be uploaded is not tried again with every frame.
    pub(super) fn take_upload(&mut self, place: &Place, texture: Option<Uploaded>) {
        match (place, texture) {
            (Place::Translated(_, part), Some(Uploaded::Picture(t))) => {
                self.pictures.insert(*part, Slot::Ready(t));
            }
            (Place::Translated(_, part), _) => drop(self.pictures.insert(*part, Slot::Refused)),
            (Place::Chart(_, chart), Some(Uploaded::Map(t))) => drop(self.charts.insert(*chart, Slot::Ready(t))),
            (Place::Chart(_, chart), _) => drop(self.charts.insert(*chart, Slot::Refused)),
            _ => {}
        }
    }

    /// Gives the GPU's memory back.
    pub(super) fn forget_textures(&mut self) {
        self.pictures.clear();
        self.charts.clear();
    }

    /// Gives the memory of the way back. Where it is seen again, it is asked for again.
    fn forget_cycle(&mut self) {
        if self.outcome.cycle.is_some() {
            self.outcome = Arc::new(Outcome { cycle: None, ..(*self.outcome).clone() });
            self.asked.params.cycle = false;
            self.pictures.retain(|part, _| *part == Part::Result);
            self.charts.retain(|chart, _| chart.part() == Part::Result);
        }
    }
}

impl Entry {
    /// The finished translation that serves these settings.
    pub fn translation(&self, asked: &Asked) -> Option<&Translated> {
        self.translated.iter().find(|t| t.asked.covers(asked))
    }

    /// The same, or until it is there the newest one by the same model, else the newest of all, of the same direction.
    pub fn translation_so_far(&self, asked: &Asked) -> Option<&Translated> {
        let mut same_way = self.translated.iter().filter(|t| t.asked.params.direction == asked.params.direction);
        let by_model = || same_way.clone().find(|t| t.asked.model == asked.model);
        self.translation(asked).or_else(by_model).or_else(|| same_way.next())
    }

    /// As [`Entry::translation_so_far`], but by this model only: where results stand under their models' names.
    pub fn translation_by(&self, asked: &Asked) -> Option<&Translated> {
        self.translation_so_far(asked).filter(|t| t.asked.model == asked.model)
    }

    /// Its true partner, if it has one.
    pub fn partner(&self) -> Option<&Partner> {
        if let Search::Over(partner) = &self.partner { partner.as_ref() } else { None }
    }

    /// Takes in a new translation. Those that it has more than go; so do, of many tries of one model, the oldest, and the
    /// ways back of all but the newest two.
    pub(super) fn take_translation(&mut self, new: Translated) {
        const KEEP: usize = 12;
        self.translated.retain(|t| !new.asked.covers(&t.asked));
        self.translated.insert(0, new);
        let mut seen: HashMap<(Model, Direction), usize> = HashMap::new();
        self.translated.retain(|t| {
            let count = seen.entry((t.asked.model.clone(), t.asked.params.direction)).or_default();
            *count += 1;
            *count <= KEEP
        });
        self.translated.iter_mut().skip(2).for_each(Translated::forget_cycle);
    }

    /// Gives back the textures of all translations but those that are shown, of which there are at most two, and the newest
    /// two. They come back when they are looked at.
    pub(super) fn forget_old_translations(&mut self) {
        let mut used: Vec<_> = self.translated.iter().filter_map(|t| t.used).collect();
        used.sort();
        let since = used.into_iter().rev().nth(1);
        let old = self.translated.iter_mut().skip(2).filter(|t| t.used.is_none() || t.used < since);
        old.for_each(Translated::forget_textures);
    }
}

impl Request for Asked {
    fn job(&self, entry: PictureId, picture: Arc<Picture>) -> NetJob {
        NetJob::Translate { entry, picture, asked: self.clone() }
    }

    fn is_made(&self, e: &Entry) -> bool {
        e.translation(self).is_some()
    }

    fn is_served_by(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Translate { asked, .. } if asked.covers(self))
    }

    fn replaces(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Translate { asked, .. } if asked.model == self.model)
    }
}

impl Studio {
    /// What is known of a model. Asks for it to be loaded, once, where that is nothing.
    pub fn meet(&mut self, model: &Model) -> Option<&Facts> {
        if !self.met.contains_key(model) && !model.id.is_empty() {
            self.met.insert(model.clone(), None);
            self.nets.push_before(NetJob::Meet { model: model.clone() }, |_| true);
        }
        self.facts(model)
    }

    /// Whether a model is being loaded, or will be.
    pub fn meeting(&self, model: &Model) -> bool {
        self.nets.jobs().any(|j| matches!(j, NetJob::Meet { model: m } if m == model))
    }

    /// What is known of a model, if it was loaded.
    pub fn facts(&self, model: &Model) -> Option<&Facts> {
        self.met.get(model)?.as_ref()
    }

    /// Lets models be loaded again that could not be, or whose files may hold other weights by now.
    pub fn forget_models(&mut self, which: impl Fn(&Model) -> bool) {
        self.met.retain(|model, facts| facts.is_some() && !which(model));
    }

    /// A translation of the shown picture, now that it is looked at.
    fn looked_at(&mut self, asked: &Asked) -> Option<(PictureId, &Translated)> {
        let e = self.selected.and_then(|id| self.entry(id))?;
        let t = e.translated.iter_mut().find(|t| t.asked == *asked)?;
        t.used = Some(Instant::now());
        Some((e.id, t))
    }

    /// A picture of a translation of the shown picture; asks for the upload where it is not on the GPU.
    pub fn part_texture(&mut self, asked: &Asked, part: Part) -> Option<Arc<PictureTexture>> {
        let (id, t) = self.looked_at(asked)?;
        match t.pictures.get(&part) {
            Some(slot) => slot.ready(),
            None => {
                let pixels = Pixels::Picture(part.of(&t.outcome)?.clone());
                self.upload(id, Place::Translated(asked.clone(), part), pixels);
                None
            }
        }
    }

    /// As [`Studio::part_texture`], for a map.
    pub fn chart_texture(&mut self, asked: &Asked, chart: Chart) -> Option<Arc<ScalarTexture>> {
        let (id, t) = self.looked_at(asked)?;
        chart.of(&t.outcome)?;
        match t.charts.get(&chart) {
            Some(slot) => slot.ready(),
            None => {
                let pixels = Pixels::Translation(t.outcome.clone());
                self.upload(id, Place::Chart(asked.clone(), chart), pixels);
                None
            }
        }
    }
}
