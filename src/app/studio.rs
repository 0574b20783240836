//! What the window works on: the pictures of the film strip, their results, and the two workers behind them.
//!
//! One worker runs networks, the other reads and writes files and prepares textures, so that a picture dropped during
//! a long job appears at once. Nothing here draws.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use egui::{ColorImage, TextureOptions};

use super::captioned::Captioned;
use super::entry::{Entry, PictureId, Slot};
use super::segmented::Segmented;
use super::session::Looks;
use super::styled::Made;
use super::translate_look::{Facts, Model};
use super::translated::Translated;
use super::workers::{FileJob, FileOutcome, Gpu, NetJob, NetOutcome, Pixels, Place, file_work, net_work};
use crate::gpu::PictureTexture;
use crate::imaging::Remark;
use crate::jobs::{Event, Failure, JobId, Trouble, Worker};
use crate::tasks::style::Stylizer;
use crate::zoo;

/// What a strip's pictures and their results may take of memory, in bytes, where the machine has less: with more the system
/// might end the program, and with it every result.
const LEAST_ROOM: u64 = 2 << 30;

/// Half of the machine's memory; the networks need some, too.
fn room() -> u64 {
    let Ok(mut machine) = sysinfo::System::new() else { return LEAST_ROOM };
    machine.refresh_memory();
    let all = machine.total_memory();
    let ours = machine.cgroup_limits().map_or(all, |limits| limits.total_memory.min(all));
    (ours / 2).max(LEAST_ROOM)
}

/// A picture that was taken out of the strip.
pub(super) struct Removed {
    /// Its place in the strip.
    at: usize,
    pub(super) entry: Entry,
    /// The settings then.
    pub(super) looks: Looks,
}

/// The strip and the workers.
pub struct Studio {
    /// The pictures, in strip order.
    pub entries: Vec<Entry>,
    /// The shown picture.
    pub selected: Option<PictureId>,
    /// The network worker.
    pub nets: Worker<NetJob, NetOutcome>,
    /// The file worker.
    pub files: Worker<FileJob, FileOutcome>,
    /// The model, once it is loaded.
    pub stylizer: Option<Arc<Stylizer>>,
    /// What is known of the translation models that were asked for; nothing yet of those still to be loaded.
    pub(super) met: HashMap<Model, Option<Facts>>,
    /// The job that ran when its model's file was opened again: what still comes of it is of other weights.
    pub(super) outdated: Option<JobId>,
    /// How many bytes of pictures and results there is room for.
    pub room: u64,
    /// How many results were not begun, for want of room.
    pub(super) no_room: usize,
    /// The pictures that were taken out, the last one last.
    pub(super) removed: Vec<Removed>,
    next: u64,
}

/// Something the person should be told.
#[allow(missing_docs)] // the fields say it
pub enum News {
    /// A picture joined the strip.
    Joined(PictureId),
    /// A file could not be read.
    Refused { path: PathBuf, name: String, why: Trouble, away: bool },
    /// There is no room for this many pictures.
    NoRoom(usize),
    /// A network job failed, of the picture of this name.
    Failed { name: Option<String>, why: Trouble },
    /// Files were written.
    Saved(Vec<PathBuf>),
    /// A file job failed; whether it was to write a file.
    FileFailed { why: Trouble, export: bool },
    /// Pixels for the clipboard.
    Copied(ColorImage),
    /// A style's painting.
    Painting(String, ColorImage),
    /// A folder, and how much of it is no picture.
    LeftOut(PathBuf, usize),
    /// A picture has a true partner; the picture's file, where somebody chose the partner for it.
    Paired { chosen_for: Option<PathBuf>, partner: PathBuf, remarks: Vec<Remark> },
    /// A checkpoint, and what it is for.
    Recognised(PathBuf, zoo::Task),
}

impl Studio {
    /// Starts the workers and the loading of the model.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn start(ctx: &egui::Context, gpu: Gpu) -> std::io::Result<Self> {
        let wake = |ctx: &egui::Context| {
            let ctx = ctx.clone();
            move || ctx.request_repaint()
        };
        let mut nets = Worker::start("lucida-networks", wake(ctx), net_work(gpu.clone()))?;
        nets.push(NetJob::Load);
        Ok(Self {
            entries: Vec::new(),
            selected: None,
            nets,
            files: Worker::start("lucida-files", wake(ctx), file_work(gpu))?,
            stylizer: None,
            met: HashMap::new(),
            outdated: None,
            room: room(),
            no_room: 0,
            removed: Vec::new(),
            next: 0,
        })
    }

    /// The shown picture.
    pub fn current(&self) -> Option<&Entry> {
        self.entries.iter().find(|e| Some(e.id) == self.selected)
    }

    /// The place of the shown picture in the strip.
    pub fn position(&self) -> Option<usize> {
        self.entries.iter().position(|e| Some(e.id) == self.selected)
    }

    pub(super) fn entry(&mut self, id: PictureId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.id == id)
    }

    /// Whether there is room for so many bytes more, beside the strip and the results to come. Where they need it, the room of
    /// pictures that were taken out is theirs, the first one's first: those can no longer be put back.
    fn make_room(&mut self, bytes: u64) -> bool {
        let held: u64 = self.entries.iter().map(Entry::bytes).sum();
        let wanted = held + self.nets.jobs().map(NetJob::bytes).sum::<u64>() + bytes;
        let fits = wanted <= self.room;
        while fits && wanted + self.removed.iter().map(|r| r.entry.bytes()).sum::<u64>() > self.room {
            self.removed.remove(0);
        }
        fits
    }

    /// Whether there is room for the result of a job; those that there is none for are counted.
    pub(super) fn admits(&mut self, job: &NetJob) -> bool {
        let fits = self.make_room(job.bytes());
        self.no_room += usize::from(!fits);
        fits
    }

    /// How many pictures are still to be read.
    pub fn reading(&self) -> usize {
        self.files.jobs().filter(|j| matches!(j, FileJob::Open(_))).count()
    }

    /// How many exports are still to be written.
    pub fn writing(&self) -> usize {
        self.files.jobs().filter(|j| matches!(j, FileJob::Export { .. })).count()
    }

    /// The same and pasted pictures, which are nowhere else.
    pub(super) fn unwritten(&self) -> usize {
        self.files.jobs().filter(|j| matches!(j, FileJob::Export { .. } | FileJob::Keep { .. })).count()
    }

    /// Has the file worker do this before it reads what pictures it still has to read.
    pub(super) fn file(&mut self, job: FileJob) {
        self.files.push_before(job, |j| matches!(j, FileJob::Open(_)));
    }

    /// Takes the shown picture out of the strip, to be put back as long as there is room; its neighbour is shown instead. Gives
    /// its name.
    pub fn remove_selected(&mut self, looks: Looks) -> Option<String> {
        let at = self.position()?;
        let mut gone = self.entries.remove(at);
        gone.forget_textures();
        gone.texture = Slot::Missing;
        gone.made.iter_mut().for_each(|made| made.texture = Slot::Missing);
        self.nets.drop_waiting(|j| j.entry() == Some(gone.id));
        if let Some(id) = self.nets.running().filter(|r| r.job.entry() == Some(gone.id)).map(|r| r.id) {
            self.nets.cancel(id);
        }
        self.selected = self.entries.get(at.min(self.entries.len().saturating_sub(1))).map(|e| e.id);
        let name = gone.name.clone();
        self.removed.push(Removed { at, entry: gone, looks });
        Some(name)
    }

    /// Puts the picture that was taken out last where it was, with all its results, and shows it.
    pub fn put_back(&mut self) {
        let Some(Removed { at, entry, .. }) = self.removed.pop() else { return };
        self.selected = Some(entry.id);
        self.entries.insert(at.min(self.entries.len()), entry);
    }

    /// The texture of the shown picture itself; asks for it where it is missing.
    pub fn original(&mut self) -> Option<Arc<PictureTexture>> {
        let e = self.current()?;
        if matches!(e.texture, Slot::Missing) {
            let (id, picture) = (e.id, e.picture.clone());
            self.upload(id, Place::Original, Pixels::Picture(picture));
            return None;
        }
        e.texture.ready()
    }

    /// Asks for an upload, unless it is under way.
    pub(super) fn upload(&mut self, entry: PictureId, place: Place, pixels: Pixels) {
        let same = |j: &FileJob| matches!(j, FileJob::Upload { entry: e, place: p, .. } if *e == entry && *p == place);
        if !self.files.jobs().any(same) {
            // What is looked at comes before what is still to be read.
            self.files.push_before(FileJob::Upload { entry, place, pixels }, |_| true);
        }
    }

    /// Takes in what the workers did. Never blocks.
    pub fn drain(&mut self, ctx: &egui::Context) -> Vec<News> {
        let mut news = Vec::new();
        for event in self.nets.drain() {
            match event {
                Event::Part(id, _) | Event::Ended(id, ..) if Some(id) == self.outdated => {}
                Event::Part(_, o) | Event::Ended(_, _, Ok(o)) => self.take_net(ctx, o),
                Event::Ended(_, _, Err(Failure::Cancelled)) => {}
                Event::Ended(_, job, Err(Failure::Failed(why))) => {
                    let name = job.entry().and_then(|id| self.entry(id)).map(|e| e.name.clone());
                    news.push(News::Failed { name, why });
                }
            }
        }
        for event in self.files.drain() {
            match event {
                Event::Part(_, o) | Event::Ended(_, _, Ok(o)) => news.extend(self.take_file(ctx, o)),
                Event::Ended(_, _, Err(Failure::Cancelled)) => {}
                Event::Ended(_, job, Err(Failure::Failed(why))) => {
                    let export = matches!(*job, FileJob::Export { .. });
                    news.push(News::FileFailed { why, export });
                }
            }
        }
        self.forget_old_textures();
        news
    }

    fn take_net(&mut self, ctx: &egui::Context, outcome: NetOutcome) {
        match outcome {
            NetOutcome::Loaded(s) => self.stylizer = Some(s),
            NetOutcome::Preview { entry, params, image } => {
                if let (Some(e), Some(t)) = (self.entry(entry), image) {
                    e.preview = Some((params, t));
                }
            }
            NetOutcome::Styled { entry, params, styled, thumb, texture, seconds } => {
                if let Some(e) = self.entry(entry) {
                    let thumb = ctx.load_texture("result", thumb, TextureOptions::LINEAR);
                    e.preview = None;
                    let texture = texture.map_or(Slot::Missing, Slot::Ready);
                    e.made.insert(0, Made { params, styled, thumb, seconds, texture, used: Instant::now() });
                }
            }
            NetOutcome::Sample { entry, style, image } => {
                if let Some(e) = self.entry(entry) {
                    e.gallery.insert(style, ctx.load_texture("sample", image, TextureOptions::LINEAR));
                }
            }
            NetOutcome::GalleryDone => {}
            NetOutcome::Segmented(done) => {
                if let Some(e) = self.entry(done.entry) {
                    let thumb = ctx.load_texture("segmented", done.thumb, TextureOptions::LINEAR);
                    e.segmented.insert(0, Segmented::new(done.asked, done.outcome, done.classes, thumb, done.texture));
                    e.forget_old_tries();
                }
            }
            NetOutcome::Met { model, facts } => {
                self.met.insert(model, Some(facts));
            }
            NetOutcome::Translated(done) => {
                if let Some(e) = self.entry(done.entry) {
                    let thumb = ctx.load_texture("translated", done.thumb, TextureOptions::LINEAR);
                    e.take_translation(Translated::new(done.asked, done.outcome, thumb, done.texture));
                }
            }
            NetOutcome::Telling { entry, asked, words } => {
                if let Some(e) = self.entry(entry) {
                    e.take_telling(asked, words);
                }
            }
            NetOutcome::Captioned(done) => {
                if let Some(e) = self.entry(done.entry) {
                    e.take_caption(Captioned::new(done.asked, done.outcome, done.greedy, done.maps));
                }
            }
        }
    }

    fn take_file(&mut self, ctx: &egui::Context, outcome: FileOutcome) -> Option<News> {
        match outcome {
            FileOutcome::Opened { name, path, picture, thumb } => {
                if !self.make_room(picture.bytes()) && !self.entries.is_empty() {
                    let left = self.files.waiting().filter(|j| matches!(j, FileJob::Open(_))).count();
                    self.files.drop_waiting(|j| matches!(j, FileJob::Open(_)));
                    return Some(News::NoRoom(left + 1));
                }
                self.next += 1;
                let id = PictureId(self.next);
                let thumb = ctx.load_texture("thumb", thumb, TextureOptions::LINEAR);
                self.entries.push(Entry::new(id, name, path, picture, thumb));
                Some(News::Joined(id))
            }
            FileOutcome::Listed(paths) => {
                // One job for each, so that what is looked at need not wait for all of them.
                for path in paths {
                    self.files.push(FileJob::Open(path));
                }
                None
            }
            FileOutcome::Refused { path, name, why, away } => Some(News::Refused { path, name, why, away }),
            FileOutcome::Read => None,
            FileOutcome::Painting(style, image) => Some(News::Painting(style, image)),
            FileOutcome::Uploaded { entry, place, texture } => {
                let (texture, why) = match texture {
                    Ok(texture) => (Some(texture), None),
                    Err(why) => (None, why),
                };
                if let Some(e) = self.entry(entry) {
                    e.take_upload(&place, texture);
                }
                why.map(|why| News::FileFailed { why, export: false })
            }
            FileOutcome::Saved(path) => Some(News::Saved(path)),
            FileOutcome::Composed(image) => Some(News::Copied(image)),
            FileOutcome::Recognised { path, task } => Some(News::Recognised(path, task)),
            FileOutcome::LeftOut { folder, count } => Some(News::LeftOut(folder, count)),
            FileOutcome::Partner { entry, found } => self.take_partner(entry, found),
            FileOutcome::Compared { entry, asked, path, l1 } => {
                self.take_comparison(entry, &asked, &path, l1);
                None
            }
        }
    }

    /// Textures cost GPU memory; those of pictures that are not shown go, but for the originals and results that were seen last.
    fn forget_old_textures(&mut self) {
        const KEEP: usize = 6;
        let shown = self.selected;
        if let Some(e) = shown.and_then(|id| self.entry(id)) {
            e.shown = Instant::now();
            e.forget_old_translations();
        }
        let mut held: Vec<_> = self.entries.iter_mut().filter(|e| matches!(e.texture, Slot::Ready(_))).collect();
        held.sort_by_key(|e| std::cmp::Reverse(e.shown));
        held.into_iter().skip(KEEP).for_each(|e| e.texture = Slot::Missing);
        for e in self.entries.iter_mut().filter(|e| Some(e.id) != shown) {
            e.forget_textures();
        }
        let mut held: Vec<_> =
            self.entries.iter_mut().flat_map(|e| &mut e.made).filter(|m| matches!(m.texture, Slot::Ready(_))).collect();
        held.sort_by_key(|m| std::cmp::Reverse(m.used));
        for m in held.into_iter().skip(KEEP) {
            m.texture = Slot::Missing;
        }
    }
}
