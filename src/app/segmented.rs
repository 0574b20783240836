//! The results of the segmentation task, with what of them lies on the GPU.

use std::collections::HashMap;
use std::sync::Arc;

use egui::TextureHandle;

use super::compose::Map;
use super::entry::{Entry, PictureId, Slot};
use super::request::Request;
use super::segment_look::Asked;
use super::studio::Studio;
use super::workers::{NetJob, Pixels, Place, Uploaded};
use crate::gpu::{LabelTexture, ScalarTexture};
use crate::imaging::Picture;
use crate::tasks::segment::{NO_LABEL, Outcome};

/// A finished segmentation of one picture.
pub struct Segmented {
    /// What it was made with.
    pub asked: Asked,
    /// Labels, areas and scores.
    pub outcome: Arc<Outcome>,
    /// The names of the classes, by their labels.
    pub classes: Arc<[String]>,
    /// A small copy for the strip.
    pub thumb: TextureHandle,
    labels: Slot<LabelTexture>,
    maps: HashMap<Map, Slot<ScalarTexture>>,
}

impl Segmented {
    pub(super) fn new(
        asked: Asked,
        outcome: Arc<Outcome>,
        classes: Arc<[String]>,
        thumb: TextureHandle,
        labels: Option<Arc<LabelTexture>>,
    ) -> Segmented {
        let labels = labels.map_or(Slot::Missing, Slot::Ready);
        Segmented { asked, outcome, classes, thumb, labels, maps: HashMap::new() }
    }

    /// Takes in what came of an upload. What could not be uploaded is not tried again with every frame.
    pub(super) fn take_upload(&mut self, place: &Place, texture: Option<Uploaded>) {
        match (place, texture) {
            (Place::Map(_, map), Some(Uploaded::Map(t))) => drop(self.maps.insert(*map, Slot::Ready(t))),
            (Place::Map(_, map), _) => drop(self.maps.insert(*map, Slot::Refused)),
            (_, Some(Uploaded::Labels(t))) => self.labels = Slot::Ready(t),
            _ => self.labels = Slot::Refused,
        }
    }

    /// Memory that it takes, but for what is small beside the picture.
    pub(super) fn bytes(&self) -> u64 {
        self.outcome.labels.len() as u64 + self.outcome.scores.bytes()
    }

    /// Gives the GPU's memory back.
    pub(super) fn forget_textures(&mut self) {
        self.labels = Slot::Missing;
        self.maps.clear();
    }

    /// The class of the pixel at a place of the picture, 0..=1 from its left and its top; `None` where there is none.
    pub fn label_at(&self, [x, y]: [f32; 2]) -> Option<u8> {
        let [width, height] = self.outcome.size;
        let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
        let [column, row] = [(x * width as f32) as usize, (y * height as f32) as usize];
        let label = inside.then(|| self.outcome.labels.get(row * width as usize + column).copied()).flatten()?;
        (label != NO_LABEL).then_some(label)
    }

    /// The class that is most of the picture among those that `shown` holds for; else the largest.
    pub fn main_class(&self, shown: impl Fn(&str) -> bool) -> Option<u8> {
        let areas = &self.outcome.areas;
        let named = |class: u8| self.classes.get(usize::from(class)).is_some_and(|name| shown(name));
        areas.iter().find(|a| named(a.class)).or(areas.first()).map(|a| a.class)
    }
}

impl Entry {
    /// The finished segmentation of these settings.
    pub fn segmentation(&self, asked: &Asked) -> Option<&Segmented> {
        self.segmented.iter().find(|s| s.asked == *asked)
    }

    /// The same, or until it is there the newest one by the same model, else the newest of all.
    pub fn segmentation_so_far(&self, asked: &Asked) -> Option<&Segmented> {
        let by_model = || self.segmented.iter().find(|s| s.asked.model == asked.model);
        self.segmentation(asked).or_else(by_model).or(self.segmented.first())
    }

    /// What another model made of the picture, to be compared with `s`: only where both tell the same classes apart.
    pub fn segmentation_against(&self, s: &Segmented, other: &Asked) -> Option<&Segmented> {
        let of_model = || self.segmented.iter().find(|o| o.asked.model == other.model);
        self.segmentation(other).or_else(of_model).filter(|o| o.classes == s.classes)
    }

    /// Of many tries of one model, as dragging a slider of the refinement leaves them, the oldest go: refined scores are
    /// those of every class at each pixel that the network saw.
    pub(super) fn forget_old_tries(&mut self) {
        const LEAST: usize = 2;
        const MOST: usize = 8;
        const BYTES: u64 = 256 << 20;
        let mut seen: HashMap<String, (usize, u64)> = HashMap::new();
        self.segmented.retain(|s| {
            let (count, bytes) = seen.entry(s.asked.model.clone()).or_default();
            (*count, *bytes) = (*count + 1, *bytes + s.bytes());
            *count <= LEAST || (*count <= MOST && *bytes <= BYTES)
        });
        // Their textures come back when they are looked at.
        self.segmented.iter_mut().skip(4).for_each(Segmented::forget_textures);
    }
}

impl Request for Asked {
    fn job(&self, entry: PictureId, picture: Arc<Picture>) -> NetJob {
        NetJob::Segment { entry, picture, asked: self.clone() }
    }

    fn is_made(&self, e: &Entry) -> bool {
        e.segmentation(self).is_some()
    }

    fn is_served_by(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Segment { asked, .. } if asked == self)
    }

    fn replaces(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Segment { asked, .. } if asked.model == self.model)
    }
}

impl Studio {
    /// The labels of a segmentation of the shown picture; asks for the upload where they are not on the GPU.
    pub fn label_texture(&mut self, asked: &Asked) -> Option<Arc<LabelTexture>> {
        let e = self.current()?;
        let s = e.segmentation(asked)?;
        if matches!(s.labels, Slot::Missing) {
            let (id, pixels) = (e.id, Pixels::Segmentation(s.outcome.clone()));
            self.upload(id, Place::Labels(asked.clone()), pixels);
            return None;
        }
        s.labels.ready()
    }

    /// As [`Studio::label_texture`], for a map read off the scores.
    pub fn map_texture(&mut self, asked: &Asked, map: Map) -> Option<Arc<ScalarTexture>> {
        let e = self.current()?;
        let s = e.segmentation(asked)?;
        match s.maps.get(&map) {
            Some(slot) => slot.ready(),
            None => {
                let (id, pixels) = (e.id, Pixels::Segmentation(s.outcome.clone()));
                self.upload(id, Place::Map(asked.clone(), map), pixels);
                None
            }
        }
    }
}
