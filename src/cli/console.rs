//! The two output streams, Ctrl+C, and saving so that neither harms the other.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Failure;
use crate::imaging::{self, ImagingError};
use crate::nn::CancelToken;

/// How long an interrupted command may take to stop by itself before the process ends. Networks look at their token
/// many times a second; reading a pipe or decoding a large picture cannot be stopped otherwise.
const GRACE: Duration = Duration::from_millis(400);

/// One run of a command: what Ctrl+C cancels, and the lock that lets a save in progress finish first.
pub(super) struct Session {
    cancel: CancelToken,
    saving: Arc<Mutex<()>>,
    /// Folders that were made for results, the inner ones first.
    made: Arc<Mutex<Vec<PathBuf>>>,
}

impl Session {
    /// Starts listening for Ctrl+C.
    pub(super) fn start() -> Session {
        let session = Session { cancel: CancelToken::default(), saving: Arc::default(), made: Arc::default() };
        let (cancel, saving, made) = (session.cancel.clone(), session.saving.clone(), session.made.clone());
        let listening = ctrlc::set_handler(move || {
            cancel.cancel();
            thread::sleep(GRACE);
            let _no_file_is_being_written = lock(&saving);
            // Only empty ones can be removed so.
            lock(&made).iter().for_each(|folder| drop(fs::remove_dir(folder)));
            // Whoever should hear it may not be listening.
            let saying = thread::spawn(|| say(Failure::Interrupted));
            for _ in 0..20 {
                if saying.is_finished() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            process::exit(i32::from(Failure::Interrupted.exit_status()));
        });
        if let Err(error) = listening {
            say(format_args!("Ctrl+C will not stop cleanly: {error}"));
        }
        session
    }

    /// The token that Ctrl+C sets.
    pub(super) fn token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Has these folders go, the inner ones first, when the command is interrupted before anything is in them.
    pub(super) fn made(&self, folders: &[PathBuf]) {
        lock(&self.made).extend_from_slice(folders);
    }

    /// Fails if Ctrl+C was pressed.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        Ok(())
    }

    /// Saves a whole file, or nothing if Ctrl+C came first.
    pub(super) fn save(&self, path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
        self.saving(|| save(path, bytes, force))?
    }

    /// Does `save`, which Ctrl+C does not interrupt, or nothing if that came first.
    pub(super) fn saving<R>(&self, save: impl FnOnce() -> R) -> Result<R, Failure> {
        let _saving = lock(&self.saving);
        self.check()?;
        Ok(save())
    }
}

/// Saves a whole file. What the place refuses it refuses all others, too.
pub(super) fn save(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    imaging::save_bytes(path, bytes, force).map_err(|error| match error {
        ImagingError::Exists { path } => exists(&path),
        ImagingError::Io { ref source, .. }
            if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem | StorageFull) =>
        {
            Failure::All(error.to_string())
        }
        other => Failure::Work(other.to_string()),
    })
}

/// The refusal to replace a file.
pub(super) fn exists(path: &Path) -> Failure {
    Failure::Work(format!("{} already exists; add --force to replace it, or choose another name", path.display()))
}

fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is guarded is ever half changed, so a panic elsewhere leaves nothing broken behind.
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads all of standard input, but no more than `most` bytes; `what` is to be piped into it ("a picture").
pub(super) fn read_stdin(most: u64, what: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
    read.map_err(|e| Failure::with("cannot read standard input", e))?;
    if bytes.is_empty() {
        return Err(Failure::Work(format!("standard input is empty; pipe {what} into it")));
    }
    Ok(bytes)
}

/// Says one line on standard error. Nobody may be listening there; that is no reason to fail.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "lucida: {}", plain(&line.to_string()));
}

/// Prints text and a line end on standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match write_all(&[text.trim_end().as_bytes(), b"\n"]) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Failure::All(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes a whole file to standard output; that nobody takes it is a failure here.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    write_all(&[bytes]).map_err(|e| Failure::with("cannot write to standard output", e))
}

fn write_all(parts: &[&[u8]]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for part in parts {
        out.write_all(part)?;
    }
    out.flush()
}

/// Prints one JSON value on standard output.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|e| Failure::Work(e.to_string()))?;
    // It is said once, at the end: nothing else comes that would fail as well.
    print(&text).map_err(|failure| match failure {
        Failure::All(why) => Failure::Work(why),
        other => other,
    })
}

/// A text on one line, and nothing in it that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
