//! The graphics device is gone: nothing can be drawn any more, but nothing that was made may be lost.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::App;
use crate::gpu::composite;
use crate::imaging::{self, Format};

static DONE: AtomicBool = AtomicBool::new(false);

/// Saves the session and every result of the film strip, once, and says where.
pub fn run(app: &mut App) {
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    app.save_session();
    let home = app.start.session.as_ref().and_then(|p| p.parent()).map_or_else(std::env::temp_dir, Path::to_owned);
    let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let folder = home.join(format!("rescued-{stamp}"));
    let saved = results(app, &folder);
    eprintln!(
        "lucida: the graphics device was lost (a driver restart, or the computer slept). {} Start Lucida again; your pictures and settings are kept.",
        if saved > 0 { format!("{saved} results were saved to {}.", folder.display()) } else { String::new() }
    );
}

/// Writes every result, with the strength and colours in force, as PNG into `folder`. Returns how many were written.
pub fn results(app: &App, folder: &Path) -> usize {
    let mut saved = 0;
    for entry in &app.studio.entries {
        for (i, made) in entry.made.iter().enumerate() {
            let stem = Path::new(&entry.name).file_stem().unwrap_or_default().to_string_lossy();
            let style = made.params.mix.iter().map(|m| m.0.as_str()).collect::<Vec<_>>().join("+");
            let path: PathBuf = folder.join(format!("{stem}-{style}-{}.png", i + 1));
            let written = std::fs::create_dir_all(folder)
                .map_err(|e| e.to_string())
                .and_then(|()| {
                    composite::export(&entry.picture, &made.styled, app.session.look.blend()).map_err(|e| e.to_string())
                })
                .and_then(|p| imaging::encode(&p, Format::Png).map_err(|e| e.to_string()))
                .and_then(|bytes| imaging::save_bytes(&path, &bytes, false).map_err(|e| e.to_string()));
            match written {
                Ok(()) => saved += 1,
                Err(why) => eprintln!("lucida: {}: {why}", path.display()),
            }
        }
    }
    saved
}
