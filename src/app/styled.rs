//! The results of the style task: how they are asked for, and what of them is on the canvas.

use std::sync::Arc;
use std::time::Instant;

use egui::TextureHandle;

use super::entry::{Entry, PictureId, Slot};
use super::request::Request;
use super::studio::Studio;
use super::workers::{NetJob, Pixels, Place, preview_pays};
use crate::gpu::PictureTexture;
use crate::imaging::Picture;
use crate::tasks::style::Params;

/// A finished result of one picture.
pub struct Made {
    /// What it was made with.
    pub params: Params,
    /// The result at full size.
    pub styled: Arc<Picture>,
    /// A small copy for the strip.
    pub thumb: TextureHandle,
    /// How long the network took.
    pub seconds: f64,
    pub(super) texture: Slot<PictureTexture>,
    pub(super) used: Instant,
}

impl Entry {
    /// The finished result with these parameters.
    pub fn find(&self, params: &Params) -> Option<&Made> {
        self.made.iter().find(|m| m.params == *params)
    }
}

impl Request for Params {
    fn job(&self, entry: PictureId, picture: Arc<Picture>) -> NetJob {
        NetJob::Style { entry, picture, params: self.clone() }
    }

    fn is_made(&self, e: &Entry) -> bool {
        e.find(self).is_some()
    }

    fn is_served_by(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Style { params, .. } if params == self)
    }

    // Of other styles a person may want both.
    fn replaces(&self, job: &NetJob) -> bool {
        matches!(job, NetJob::Style { params, .. } if params.mix.iter().map(|m| &m.0).eq(self.mix.iter().map(|m| &m.0)))
    }
}

/// Whether a job makes a mix that is all in this one, or has all of it: one that was passed on the way.
fn is_on_the_way(job: &NetJob, to: &Params) -> bool {
    let NetJob::Style { params, .. } = job else { return false };
    let [a, b] = [params, to].map(|p| p.mix.iter().map(|m| &m.0).collect::<Vec<_>>());
    let within = |a: &[&String], b: &[&String]| a.len() > 1 && a.iter().all(|id| b.contains(id));
    within(&a, &b) || within(&b, &a)
}

impl Studio {
    /// Asks for the style on the shown picture, unless it is there or runs, before all that waits. Where it takes a while, what
    /// can be had soon comes first: a preview, and the gallery.
    pub fn ask(&mut self, params: &Params) {
        let Some(e) = self.current() else { return };
        let (id, picture) = (e.id, e.picture.clone());
        if e.find(params).is_some() || self.runs(id, params) {
            return;
        }
        let replaced =
            |j: &NetJob| params.replaces(j) || is_on_the_way(j, params) || matches!(j, NetJob::Preview { .. });
        self.nets.drop_waiting(|j| j.entry() == Some(id) && replaced(j));
        let job = params.job(id, picture.clone());
        if !self.admits(&job) {
            return;
        }
        let mut jobs = Vec::new();
        if preview_pays(&picture, params) {
            jobs.push(NetJob::Preview { entry: id, picture: picture.clone(), params: params.clone() });
            jobs.extend(self.gallery_job(id));
        }
        jobs.push(job);
        jobs.extend(self.put_off(id, params));
        self.nets.push_all_before(jobs, |j| !matches!(j, NetJob::Load | NetJob::Meet { .. }));
    }

    /// Whether this style runs on a picture, and was not told to stop.
    fn runs(&self, id: PictureId, params: &Params) -> bool {
        let runs = self.nets.running().is_some_and(|r| r.job.entry() == Some(id) && params.is_served_by(&r.job));
        runs && self.requested(id, params)
    }

    /// Stops the style that runs on a picture, so that another one is seen at once. It is given back, to be begun anew, where a
    /// person may want both.
    fn put_off(&mut self, id: PictureId, another: &Params) -> Option<NetJob> {
        const NEARLY_DONE: f32 = 0.7;
        let r = self.nets.running().filter(|r| r.done < NEARLY_DONE)?;
        let NetJob::Style { picture, params, .. } = &*r.job else { return None };
        if !self.runs(id, params) {
            return None;
        }
        let (running, again) = (r.id, params.job(id, picture.clone()));
        self.nets.cancel(running);
        (!another.replaces(&again) && !is_on_the_way(&again, another)).then_some(again)
    }

    /// The textures to show for the shown picture: the original, and the best there is for `params` (the result, else a
    /// preview, else the newest older result). Asks for uploads that are missing.
    pub fn textures(&mut self, params: &Params) -> (Option<Arc<PictureTexture>>, Option<Arc<PictureTexture>>) {
        let Some(id) = self.selected else { return (None, None) };
        let Some(e) = self.entries.iter_mut().find(|e| e.id == id) else { return (None, None) };
        let preview = e.preview.as_ref().filter(|(p, _)| p == params).map(|(_, t)| t.clone());
        let exact = e.made.iter().position(|m| m.params == *params);
        let shown = exact.or(if preview.is_some() { None } else { (!e.made.is_empty()).then_some(0) });
        let mut result = preview;
        let mut upload = None;
        if let Some(m) = shown.and_then(|i| e.made.get_mut(i)) {
            m.used = Instant::now();
            match &m.texture {
                Slot::Ready(t) => result = Some(t.clone()),
                Slot::Refused => {}
                Slot::Missing => upload = Some((Place::Styled(m.params.clone()), Pixels::Picture(m.styled.clone()))),
            }
        }
        if let Some((place, pixels)) = upload {
            self.upload(id, place, pixels);
        }
        (self.original(), result)
    }

    /// Asks for the gallery of the shown picture, once, when the networks have nothing better to do.
    pub fn ask_gallery(&mut self) {
        if self.stylizer.is_some()
            && self.nets.is_idle()
            && let Some(job) = self.selected.and_then(|id| self.gallery_job(id))
        {
            self.nets.push(job);
        }
    }

    /// Drops what waits only to be looked at, previews and galleries, of pictures that are no longer shown.
    pub fn drop_unseen(&mut self) {
        let shown = self.selected;
        let unseen = |j: &NetJob| matches!(j, NetJob::Preview { .. } | NetJob::Gallery { .. }) && j.entry() != shown;
        let left: Vec<_> = self.nets.waiting().filter(|j| unseen(j)).filter_map(NetJob::entry).collect();
        if left.is_empty() {
            return;
        }
        self.nets.drop_waiting(unseen);
        self.entries.iter_mut().filter(|e| left.contains(&e.id)).for_each(|e| e.asked_gallery = false);
    }

    /// The job that makes a picture's gallery, once.
    fn gallery_job(&mut self, id: PictureId) -> Option<NetJob> {
        let e = self.entry(id).filter(|e| !e.asked_gallery)?;
        e.asked_gallery = true;
        Some(NetJob::Gallery { entry: id, picture: e.picture.clone() })
    }

    /// Lets what is missing of the shown picture's gallery be asked for again, after it was cancelled or failed.
    pub fn gallery_again(&mut self) {
        let styles = self.stylizer.as_ref().map_or(0, |s| s.styles().len());
        let Some(id) = self.selected else { return };
        let under_way = self.nets.jobs().any(|j| matches!(j, NetJob::Gallery { entry, .. } if *entry == id));
        if let Some(e) = self.entry(id) {
            e.asked_gallery = under_way || e.gallery.len() >= styles;
        }
    }
}
