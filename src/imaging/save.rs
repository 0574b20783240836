//! Saving so that a reader, a crash or a power cut never meets half a file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::ImagingError;

/// Makes the folder at `path`, and those that it lies in, where they are not there.
///
/// # Errors
/// [`ImagingError::Io`] with the system's reason.
pub fn make_folder(path: &Path) -> Result<(), ImagingError> {
    fs::create_dir_all(path).map_err(|source| ImagingError::Io { action: "write", path: path.to_owned(), source })
}

/// Writes `bytes` to `path`: beside the target, synced, then renamed over it.
///
/// A symbolic link keeps pointing where it did and its target is written; a replaced file keeps
/// its permissions. On any error the old file, or none, is there and nothing else is left behind.
///
/// # Errors
/// [`ImagingError::Exists`] if the file exists and `replace` is false, [`ImagingError::NotAFile`]
/// for a folder, device or pipe, [`ImagingError::Io`] with the system's reason otherwise.
pub fn save_bytes(path: &Path, bytes: &[u8], replace: bool) -> Result<(), ImagingError> {
    let failed = |source| ImagingError::Io { action: "write", path: path.to_owned(), source };
    let exists = || ImagingError::Exists { path: path.to_owned() };
    let target = link_target(path).map_err(failed)?;
    let existing = match fs::metadata(&target) {
        Ok(existing) => Some(existing),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(failed(e)),
    };
    match &existing {
        Some(existing) if !existing.is_file() => {
            return Err(ImagingError::NotAFile { path: path.to_owned() });
        }
        Some(_) if !replace => return Err(exists()),
        _ => {}
    }

    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut beside = temporary(folder).map_err(|e| failed(reason(&e)))?;
    beside.write_all(bytes).map_err(failed)?;
    if let Some(existing) = existing {
        let kept = existing.permissions();
        beside.as_file().set_permissions(kept).map_err(failed)?;
    }
    beside.as_file().sync_all().map_err(failed)?;
    // A PersistError holds the temporary file, which removes itself when dropped.
    let renamed = if replace { beside.persist(&target) } else { beside.persist_noclobber(&target) };
    match renamed {
        Ok(_) => {}
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
        Err(e) => return Err(failed(e.error)),
    }
    sync_folder(folder);
    Ok(())
}

/// Where a chain of symbolic links ends; the last one may dangle, then [`save_bytes`] creates its target.
///
/// # Errors
/// A chain that does not end.
pub fn link_target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            // Not a link, or not there: what follows will tell.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The system's reason alone: tempfile adds the temporary file's path, which says nothing to anyone.
fn reason(error: &io::Error) -> io::Error {
    let text = error.to_string();
    io::Error::new(error.kind(), text.split(" at path ").next().unwrap_or_default())
}

fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lucida-").suffix(".part");
    // The default, 0600, would make exports private; the umask still applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Makes the rename itself durable. Best effort: not every file system can sync a folder, and the
/// file is complete either way.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Err(e) = fs::File::open(folder).and_then(|f| f.sync_all()) {
        log::debug!("cannot sync the folder {}: {e}", folder.display());
    }
    #[cfg(not(unix))]
    let _ = folder;
}
