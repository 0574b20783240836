//! How pictures come into the strip: opened, dropped, pasted, and those of the last session.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use egui::Event as Input;
use egui::text_selection::LabelSelectionState;

use super::commands::Command as C;
use super::entry::PictureId;
use super::notices::Kind;
use super::workers::FileJob;
use super::{App, dialogs, panels};
use crate::imaging::{Picture, Remark};

/// The pictures that come with Lucida, first the one the window opens with.
pub(super) const SAMPLES: [(&str, &[u8]); 5] = [
    ("dog.jpg", include_bytes!("../../assets/samples/dog.jpg")),
    ("castle.jpg", include_bytes!("../../assets/samples/castle.jpg")),
    ("red-panda.jpg", include_bytes!("../../assets/samples/red-panda.jpg")),
    ("coffee.jpg", include_bytes!("../../assets/samples/coffee.jpg")),
    ("town-map.png", include_bytes!("../../assets/samples/town-map.png")),
];

/// How a session calls a sample: this and its name.
pub(super) const SAMPLE: &str = "sample:";

/// A picture that comes with Lucida, by its name.
pub(super) fn sample(name: &str) -> Option<(&'static str, &'static [u8])> {
    SAMPLES.into_iter().find(|(known, _)| *known == name)
}

/// The pictures of the last session, while they are read.
#[derive(Default)]
pub(super) struct Restore {
    /// The places in the strip of those still to come, by their paths; one path may stand in several.
    expected: HashMap<PathBuf, VecDeque<usize>>,
    /// The places of those that came.
    places: HashMap<PictureId, usize>,
}

/// A picture of the last session that is not in the strip, but not forgotten.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Absent {
    /// In the strip.
    place: usize,
    path: PathBuf,
    /// Its folder was not there. Otherwise it was only not waited for.
    away: bool,
}

impl Restore {
    /// The place of one that comes, if it belongs to the session.
    fn claim(&mut self, path: &Path) -> Option<usize> {
        self.expected.get_mut(path)?.pop_front()
    }
}

impl App {
    /// Reads pictures and folders into the strip; a checkpoint becomes the model of the task it is for, the last of several.
    pub fn open(&mut self, paths: Vec<PathBuf>) {
        let (checkpoints, paths): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| dialogs::is_checkpoint(path));
        for path in checkpoints {
            self.studio.file(FileJob::Recognise(std::path::absolute(&path).unwrap_or(path)));
        }
        if !paths.is_empty() {
            self.list(paths, Vec::new());
        }
    }

    /// Reads pictures and those in folders into the strip, but for some that are there.
    fn list(&mut self, paths: Vec<PathBuf>, but: Vec<PathBuf>) {
        self.show_next = true;
        self.studio.files.push(FileJob::List { paths, but });
    }

    pub(super) fn open_samples(&mut self, count: usize) {
        self.show_next = true;
        for (name, bytes) in SAMPLES.into_iter().take(count) {
            self.studio.files.push(FileJob::Sample { name, bytes });
        }
    }

    /// Opens what the window begins with: the files it was started with, which are shown, and the last session's pictures, or
    /// a sample.
    pub(super) fn begin(&mut self) {
        let (given, remembered) = (self.start.files.clone(), !self.session.pictures.is_empty());
        let (pictures, others): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|path| path.is_file() && !dialogs::is_checkpoint(path));
        let (folders, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|path| path.is_dir());
        for path in pictures {
            let path = std::path::absolute(&path).unwrap_or(path);
            match self.session.pictures.iter().position(|known| *known == path) {
                Some(place) => self.session.selected = place,
                None => {
                    // Before the session's: it is what somebody wants to see now.
                    self.show_next = true;
                    self.studio.files.push(FileJob::Open(path));
                }
            }
        }
        if !folders.is_empty() {
            self.list(folders, self.session.pictures.clone());
        }
        self.open(others);
        if remembered {
            self.reopen();
        } else if !self.start.has_pictures() {
            self.open_samples(1);
        }
    }

    /// Reads the pictures of the last session, the one that was shown first.
    pub(super) fn reopen(&mut self) {
        let pictures = &self.session.pictures;
        let (shown, others): (Vec<_>, Vec<_>) =
            (0..).zip(pictures).partition(|(place, _)| *place == self.session.selected);
        let mut restore = Restore::default();
        for (place, path) in shown.into_iter().chain(others) {
            restore.expected.entry(path.clone()).or_default().push_back(place);
            let sample = path.to_str().and_then(|p| sample(p.strip_prefix(SAMPLE)?));
            self.studio.files.push(match sample {
                Some((name, bytes)) => FileJob::Sample { name, bytes },
                None => FileJob::Open(path.clone()),
            });
        }
        self.restore = Some(restore);
    }

    /// Whether a picture that cannot be read is one of the last session's, whose folder is `away`: it is kept in mind.
    pub(super) fn is_missed(&mut self, path: &Path, away: bool) -> bool {
        let place = self.restore.as_mut().and_then(|restore| restore.claim(path)).filter(|_| away);
        self.absent.extend(place.map(|place| Absent { place, path: path.to_owned(), away }));
        place.is_some()
    }

    /// All pictures of the last session were read, or could not be, or are not to be read this time.
    pub(super) fn end_restoring(&mut self) {
        let Some(Restore { expected, .. }) = self.restore.take() else { return };
        self.reveal_selected = true;
        let count = self.absent.iter().filter(|absent| !self.session.away.contains(&absent.path)).count();
        if count > 0 {
            self.notices.tell(Kind::Warning, self.words.with("pictures-away", [("count", count)]), None);
        }
        // What was cancelled, or found no room, comes back the next time.
        let known = self.absent.len();
        for (path, places) in expected {
            let absent = |place| Absent { place, path: path.clone(), away: false };
            self.absent.extend(places.into_iter().map(absent));
        }
        let cancelled = self.absent.len() > known;
        self.absent.sort();
        if self.studio.entries.is_empty() && !cancelled {
            self.open_samples(1);
        }
    }

    /// Puts the strip's pictures, and among them those that are away, where the session remembers them.
    pub(super) fn note_pictures(&mut self) {
        let here = self.studio.entries.iter().filter_map(|e| Some((Some(e.id), e.kept()?)));
        let mut pictures: Vec<_> = here.collect();
        self.absent.retain(|absent| pictures.iter().all(|(_, here)| *here != absent.path));
        for Absent { place, path, .. } in &self.absent {
            pictures.insert((*place).min(pictures.len()), (None, path.clone()));
        }
        let (ids, pictures): (Vec<_>, Vec<_>) = pictures.into_iter().unzip();
        let out: Vec<_> = self.studio.removed.iter().filter_map(|r| r.entry.path.as_ref()).collect();
        self.session.partners.retain(|[of, _]| pictures.contains(of) || out.contains(&of));
        self.session.pictures = pictures;
        let away = self.absent.iter().filter(|absent| absent.away);
        self.session.away = away.map(|absent| absent.path.clone()).collect();
        let shown = self.studio.selected.and_then(|shown| ids.iter().position(|id| *id == Some(shown)));
        self.session.selected = shown.unwrap_or(0);
    }

    /// A picture joined the strip.
    pub(super) fn take_picture(&mut self, id: PictureId) {
        let path = self.studio.entry(id).and_then(|e| e.kept());
        let mut restored = false;
        let remarks = self.studio.entry(id).map(|e| (e.name.clone(), e.picture.remarks().to_vec()));
        if let Some(restore) = &mut self.restore {
            let place = path.and_then(|path| restore.claim(&path));
            restored = place.is_some();
            restore.places.extend(place.map(|place| (id, place)));
            self.studio.entries.sort_by_key(|e| restore.places.get(&e.id).copied().unwrap_or(usize::MAX));
        }
        // Who opened it before has been told.
        let (name, remarks) = remarks.filter(|_| !restored).unwrap_or_default();
        self.tell_remarks(&name, &remarks);
        // What a dialog is about stays in view.
        let show_next = self.show_next && !restored && !self.in_dialog();
        if show_next || self.studio.selected.is_none() {
            self.studio.selected = Some(id);
            self.reveal_selected = true;
        }
        self.show_next &= restored;
    }

    /// Says what is to be said of a picture's file.
    pub(super) fn tell_remarks(&mut self, name: &str, remarks: &[Remark]) {
        for remark in remarks {
            let text = match remark {
                Remark::EndsEarly => self.words.with("ends-early", [("name", name)]),
                // Of a folder of animations once.
                Remark::MoreFrames => self.words.get("more-frames"),
            };
            self.notices.tell(Kind::Warning, text, None);
        }
    }

    /// Files dropped on the window, and pictures or paths pasted into it.
    pub(super) fn take_input(&mut self, ctx: &egui::Context) {
        let dropped: Vec<_> = ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        self.open(dropped);
        if ctx.text_edit_focused() || self.in_dialog() {
            return;
        }
        let events = ctx.input(|i| i.events.clone());
        for event in events {
            match event {
                Input::PasteImage(image) => self.paste(&image),
                Input::Paste(text) => {
                    let paths: Vec<PathBuf> = text.lines().map(panels::open_path::path_of).collect();
                    if !paths.is_empty() && paths.iter().all(|p| p.exists()) {
                        self.open(paths);
                    } else {
                        self.notices.tell(Kind::Warning, self.words.get("paste-nothing"), Some(C::Open));
                    }
                }
                // Selected text, of a message say, is what is meant then.
                Input::Copy if !ctx.plugin::<LabelSelectionState>().lock().has_selection() => self.ask(C::CopyResult),
                _ => {}
            }
        }
    }

    fn paste(&mut self, image: &egui::ColorImage) {
        let [w, h] = image.size.map(|v| v as u32);
        let rgba = image.pixels.iter().flat_map(|p| p.to_srgba_unmultiplied()).collect();
        match Picture::from_rgba8(w, h, rgba) {
            Ok(picture) => {
                let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
                let folder = self.start.pasted();
                self.show_next = true;
                self.studio.file(FileJob::Keep { name: format!("pasted-{stamp}"), picture: Arc::new(picture), folder });
            }
            Err(e) => self.notices.tell(Kind::Failure, self.words.trouble(&e), None),
        }
    }
}
