//! What a task is asked to make of a picture: when it is queued, and what it takes the place of.

use std::mem::discriminant;
use std::sync::Arc;

use super::entry::{Entry, PictureId};
use super::studio::Studio;
use super::workers::NetJob;
use crate::imaging::Picture;

/// The settings of a task's result.
pub trait Request {
    /// The job that makes the result.
    fn job(&self, entry: PictureId, picture: Arc<Picture>) -> NetJob;

    /// Whether the picture has the result.
    fn is_made(&self, e: &Entry) -> bool;

    /// Whether a job of the same picture makes the result.
    fn is_served_by(&self, job: &NetJob) -> bool;

    /// Whether a waiting job of the same picture is for settings that were changed into these.
    fn replaces(&self, job: &NetJob) -> bool;
}

impl Studio {
    /// Asks for a result of the shown picture, unless it is there or under way. What is looked at comes before what other
    /// pictures, and other tasks, wait for.
    pub fn request(&mut self, request: &impl Request) {
        let Some((id, picture)) = self.current().map(|e| (e.id, e.picture.clone())) else { return };
        // Where it waits already, as one of many, its turn comes now.
        self.nets.drop_waiting(|j| j.entry() == Some(id) && request.is_served_by(j));
        let kind = discriminant(&request.job(id, picture.clone()));
        self.queue(id, picture, request, |j| j.entry() != Some(id) || discriminant(j) != kind);
    }

    /// Asks for a result of a picture of the strip, after what other pictures wait for. False where it is there or under way.
    pub fn request_of(&mut self, id: PictureId, request: &impl Request) -> bool {
        let picture = self.entry(id).map(|e| e.picture.clone());
        picture.is_some_and(|p| self.queue(id, p, request, |j| matches!(j, NetJob::Gallery { .. })))
    }

    /// Asks for results of every picture of the strip, for each those that `wanted` tells. Returns for how many pictures
    /// that makes jobs.
    pub fn request_all<R: Request>(&mut self, wanted: impl Fn(PictureId) -> Vec<R>) -> usize {
        let all: Vec<_> = self.entries.iter().map(|e| e.id).collect();
        // Each one of a picture is asked for, also after one that is under way.
        all.into_iter().filter(|id| wanted(*id).iter().filter(|r| self.request_of(*id, *r)).count() > 0).count()
    }

    /// Whether a job that makes this result of a picture runs or waits.
    pub fn requested(&self, id: PictureId, request: &impl Request) -> bool {
        self.nets.jobs().any(|j| j.entry() == Some(id) && request.is_served_by(j))
    }

    /// Whether something runs or waits for the shown picture, or a model is loaded for it.
    pub fn works_on_shown(&self) -> bool {
        self.nets.jobs().any(|j| j.entry().is_none_or(|id| Some(id) == self.selected))
    }

    /// Stops the running job where settings that are `wanted` of the same picture now took the place of its own.
    pub fn give_up(&mut self, wanted: &[(PictureId, impl Request)]) {
        let stale = |job: &NetJob| {
            let mut of_it = wanted.iter().filter(|(id, _)| job.entry() == Some(*id)).map(|(_, request)| request);
            of_it.clone().any(|request| request.replaces(job)) && !of_it.any(|request| request.is_served_by(job))
        };
        if let Some(id) = self.nets.running().filter(|r| stale(&r.job)).map(|r| r.id) {
            self.nets.cancel(id);
        }
    }

    /// A checkpoint may hold other weights by now: nothing is made with the old ones any more.
    pub fn outdate(&mut self, model: &str) {
        self.nets.drop_waiting(|job| job.uses(model));
        if let Some(id) = self.nets.running().filter(|r| r.job.uses(model)).map(|r| r.id) {
            self.nets.cancel(id);
            self.outdated = Some(id);
        }
    }

    /// `before` tells which waiting jobs it goes before. Those that load models stay first: they have to be loaded in any
    /// case, and what they can do is wanted soon.
    fn queue(
        &mut self,
        id: PictureId,
        picture: Arc<Picture>,
        request: &impl Request,
        before: impl Fn(&NetJob) -> bool,
    ) -> bool {
        if self.requested(id, request) || self.entry(id).is_none_or(|e| request.is_made(e)) {
            return false;
        }
        self.nets.drop_waiting(|j| j.entry() == Some(id) && request.replaces(j));
        let job = request.job(id, picture);
        if !self.admits(&job) {
            return false;
        }
        self.nets.push_before(job, |j| !matches!(j, NetJob::Load | NetJob::Meet { .. }) && before(j));
        true
    }
}
