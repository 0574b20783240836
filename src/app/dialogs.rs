//! The system's file dialogs, asked on a thread of their own so that the window goes on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::entry::PictureId;
use super::translate_look::Model;
pub use crate::zoo::{CHECKPOINT_EXTENSIONS, is_checkpoint};

/// What a dialog was opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Pictures to open.
    Pictures,
    /// A folder of pictures to open.
    Folder,
    /// A network's weights to open.
    Checkpoint,
    /// The weights of the way back of these networks.
    WayBack(Model),
    /// The true partner of this picture.
    Partner(PictureId),
    /// A folder to save every result in.
    ExportFolder,
    /// Where to save; the proposed folder and file name.
    Save(Option<PathBuf>, String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The chosen files or folders; open them.
    Open(Vec<PathBuf>),
    /// The chosen weights of the way back, and of which networks.
    WayBack(Model, PathBuf),
    /// The chosen partner, and whose it is.
    Partner(PictureId, PathBuf),
    /// The chosen place to save.
    Save(PathBuf),
    /// The folder to save every result in.
    ExportAll(PathBuf),
    /// The person closed the dialog.
    Cancelled,
    /// There is no dialog on this system: it "closed" before anybody could have seen it.
    Unavailable(Ask),
}

/// The dialog that may be open.
pub struct Dialogs {
    sender: Sender<Answer>,
    answers: Receiver<Answer>,
    open: bool,
}

impl Default for Dialogs {
    fn default() -> Self {
        let (sender, answers) = bounded(4);
        Self { sender, answers, open: false }
    }
}

impl Dialogs {
    /// Opens a dialog, unless one is open.
    pub fn ask(&mut self, ctx: &egui::Context, ask: Ask, title: String, files: String) {
        if self.open {
            return;
        }
        let dialog = rfd::AsyncFileDialog::new().set_title(title);
        // The future is made here, on the main thread, as macOS wants it; it is only waited for over there.
        type Picked = std::pin::Pin<Box<dyn Future<Output = Option<Answer>> + Send>>;
        let future: Picked = match &ask {
            Ask::Pictures => {
                let f = dialog.add_filter(files, &crate::imaging::EXTENSIONS).pick_files();
                Box::pin(async { f.await.map(|l| Answer::Open(l.iter().map(|h| h.path().to_owned()).collect())) })
            }
            Ask::Checkpoint => {
                let f = dialog.add_filter(files, &CHECKPOINT_EXTENSIONS).pick_file();
                Box::pin(async { f.await.map(|h| Answer::Open(vec![h.path().to_owned()])) })
            }
            Ask::WayBack(model) => {
                let (f, model) = (dialog.add_filter(files, &CHECKPOINT_EXTENSIONS).pick_file(), model.clone());
                Box::pin(async { f.await.map(|h| Answer::WayBack(model, h.path().to_owned())) })
            }
            Ask::Partner(id) => {
                let (f, id) = (dialog.add_filter(files, &crate::imaging::EXTENSIONS).pick_file(), *id);
                Box::pin(async move { f.await.map(|h| Answer::Partner(id, h.path().to_owned())) })
            }
            Ask::Folder => {
                let f = dialog.pick_folders();
                Box::pin(async { f.await.map(|l| Answer::Open(l.iter().map(|h| h.path().to_owned()).collect())) })
            }
            Ask::ExportFolder => {
                let f = dialog.pick_folder();
                Box::pin(async { f.await.map(|h| Answer::ExportAll(h.path().to_owned())) })
            }
            Ask::Save(folder, name) => {
                let dialog = dialog.set_file_name(name);
                let f = match folder {
                    Some(folder) => dialog.set_directory(folder),
                    None => dialog,
                }
                .save_file();
                Box::pin(async { f.await.map(|h| Answer::Save(h.path().to_owned())) })
            }
        };
        let (sender, ctx) = (self.sender.clone(), ctx.clone());
        let spawned = std::thread::Builder::new().name("lucida-dialog".into()).spawn(move || {
            let began = Instant::now();
            let answer = pollster::block_on(future).unwrap_or_else(|| {
                // Without a portal and without zenity rfd says "cancelled", at once.
                if began.elapsed() < Duration::from_millis(400) { Answer::Unavailable(ask) } else { Answer::Cancelled }
            });
            let _ = sender.send(answer);
            ctx.request_repaint();
        });
        self.open = spawned.is_ok();
    }

    /// The answer, once there is one.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.open = false;
        Some(answer)
    }
}
