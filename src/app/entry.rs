//! A picture of the film strip: its pixels, what the tasks made of it, and what of that is on the GPU.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use egui::TextureHandle;

use super::caption_look;
use super::captioned::Captioned;
use super::opening::{SAMPLE, sample};
use super::partner::Search;
use super::segmented::Segmented;
use super::styled::Made;
use super::translated::Translated;
use super::workers::{Place, Uploaded};
use crate::gpu::PictureTexture;
use crate::imaging::Picture;
use crate::tasks::style::Params;

/// Names a picture of the strip for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureId(pub(super) u64);

/// Pixels on the GPU, or not.
pub(super) enum Slot<T> {
    Missing,
    Ready(Arc<T>),
    Refused,
}

impl<T> Slot<T> {
    /// What is there.
    pub(super) fn ready(&self) -> Option<Arc<T>> {
        if let Slot::Ready(t) = self { Some(t.clone()) } else { None }
    }
}

/// A picture of the strip.
pub struct Entry {
    /// Its name for this run.
    pub id: PictureId,
    /// What the strip calls it.
    pub name: String,
    /// Where it came from, when it came from a file.
    pub path: Option<PathBuf>,
    /// The pixels.
    pub picture: Arc<Picture>,
    /// A small copy for the strip.
    pub thumb: TextureHandle,
    /// Results, newest first. Never dropped by a later failure.
    pub made: Vec<Made>,
    /// Segmentations, newest first. Never dropped by a later failure.
    pub segmented: Vec<Segmented>,
    /// Translations, newest first. Never dropped by a later failure.
    pub translated: Vec<Translated>,
    /// Captions, newest first. Never dropped by a later failure.
    pub captioned: Vec<Captioned>,
    /// Sentences that are being said.
    pub(super) telling: Vec<(caption_look::Asked, Vec<String>)>,
    pub(super) partner: Search,
    /// What each style makes of this picture, by style id.
    pub gallery: HashMap<String, TextureHandle>,
    pub(super) texture: Slot<PictureTexture>,
    /// When it was on the canvas last.
    pub(super) shown: Instant,
    pub(super) preview: Option<(Params, Arc<PictureTexture>)>,
    pub(super) asked_gallery: bool,
}

impl Entry {
    /// A picture that nothing was made of yet.
    pub(super) fn new(
        id: PictureId,
        name: String,
        path: Option<PathBuf>,
        picture: Arc<Picture>,
        thumb: TextureHandle,
    ) -> Entry {
        Entry {
            id,
            name,
            path,
            picture,
            thumb,
            made: Vec::new(),
            segmented: Vec::new(),
            translated: Vec::new(),
            captioned: Vec::new(),
            telling: Vec::new(),
            partner: Search::default(),
            gallery: HashMap::new(),
            texture: Slot::Missing,
            shown: Instant::now(),
            preview: None,
            asked_gallery: false,
        }
    }

    pub(super) fn take_upload(&mut self, place: &Place, texture: Option<Uploaded>) {
        match (place, texture) {
            (Place::Original, Some(Uploaded::Picture(t))) => self.texture = Slot::Ready(t),
            (Place::Original, _) => self.texture = Slot::Refused,
            (Place::Styled(params), texture) => {
                if let Some(m) = self.made.iter_mut().find(|m| m.params == *params) {
                    // What could not be uploaded is not tried again with every frame.
                    m.texture = if let Some(Uploaded::Picture(t)) = texture { Slot::Ready(t) } else { Slot::Refused };
                }
            }
            (Place::Labels(asked) | Place::Map(asked, _), texture) => {
                if let Some(s) = self.segmented.iter_mut().find(|s| s.asked == *asked) {
                    s.take_upload(place, texture);
                }
            }
            (Place::Translated(asked, _) | Place::Chart(asked, _), texture) => {
                if let Some(t) = self.translated.iter_mut().find(|t| t.asked == *asked) {
                    t.take_upload(place, texture);
                }
            }
            (Place::Attention(asked), texture) => {
                if let Some(c) = self.captioned.iter_mut().find(|c| c.asked == *asked) {
                    c.take_upload(texture);
                }
            }
            (Place::Partner(path), texture) => {
                // Another may have been chosen meanwhile.
                if let Search::Over(Some(partner)) = &mut self.partner
                    && partner.path == *path
                {
                    partner.texture =
                        if let Some(Uploaded::Picture(t)) = texture { Slot::Ready(t) } else { Slot::Refused };
                }
            }
        }
    }

    /// Memory that the picture and what was made of it take; maps and thumbnails, which are small beside them, left out.
    pub(super) fn bytes(&self) -> u64 {
        let made: u64 = self.made.iter().map(|made| made.styled.bytes()).sum();
        let segmented: u64 = self.segmented.iter().map(Segmented::bytes).sum();
        let translated = self.translated.iter().map(|t| &t.outcome);
        let translated: u64 = translated
            .map(|t| t.translated.bytes() + t.cycle.iter().map(|c| c.back.bytes() + c.same.bytes()).sum::<u64>())
            .sum();
        self.picture.bytes() + made + segmented + translated
    }

    /// Gives back what textures it has but those of the picture and of styled results.
    pub(super) fn forget_textures(&mut self) {
        self.preview = None;
        self.segmented.iter_mut().for_each(Segmented::forget_textures);
        self.translated.iter_mut().for_each(Translated::forget_textures);
        self.captioned.iter_mut().for_each(Captioned::forget_textures);
        if let Search::Over(Some(partner)) = &mut self.partner {
            partner.texture = Slot::Missing;
        }
    }

    /// What a session remembers it by: its file, or which sample it is.
    pub fn kept(&self) -> Option<PathBuf> {
        let sample = || sample(&self.name).map(|_| format!("{}{}", SAMPLE, self.name).into());
        self.path.clone().or_else(sample)
    }
}
