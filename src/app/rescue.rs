//! The graphics device is gone: nothing can be drawn any more, but nothing that was made may be lost.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::App;
use super::compose::{Composition, Over};
use super::entry::Entry;
use super::panels::export::{as_wished, mix_stem, stem};
use super::product::Product;
use crate::imaging::{self, Format};

static DONE: AtomicBool = AtomicBool::new(false);

/// Saves the session and every result of the film strip, once, and says where.
pub fn run(app: &mut App) {
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    app.save_session(); // whatever comes of the results
    let home = app.start.session.as_ref().and_then(|p| p.parent()).map_or_else(std::env::temp_dir, Path::to_owned);
    let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let folder = home.join(format!("rescued-{stamp}"));
    let saved = results(app, &folder);
    if saved > 0 {
        // Who started the program from a menu reads it at the next start.
        app.session.rescued = Some(folder.clone());
        app.save_session();
    }
    eprintln!(
        "lucida: the graphics device was lost (a driver restart, or the computer slept). {} Start Lucida again; your pictures and settings are kept.",
        if saved > 0 { format!("{saved} results were saved to {}.", folder.display()) } else { String::new() }
    );
}

/// Writes every result, with the settings in force, as PNG (of captions the sentence) into `folder`; their names begin with
/// their picture's place in the strip, for two pictures may share theirs. Returns how many were written.
pub fn results(app: &App, folder: &Path) -> usize {
    let mut saved = 0;
    let mut write = |name: String, product: Product| {
        let (path, product) = (folder.join(name), as_wished(app, product));
        match imaging::make_folder(folder).and_then(|()| product.save(&path, false)) {
            Ok(()) => saved += 1,
            Err(why) => eprintln!("lucida: {}: {why}", path.display()),
        }
    };
    for (place, entry) in app.studio.entries.iter().enumerate() {
        let mut save = |name: String, entry: &Entry, over: Over| {
            let composition = Composition { original: entry.picture.clone(), over };
            write(name, Product::Picture(composition, Format::Png));
        };
        let stem = format!("{:02}-{}", place + 1, stem(&entry.name));
        for (i, made) in entry.made.iter().enumerate() {
            let style = mix_stem(&made.params.mix);
            let over = Over::Picture(made.styled.clone(), app.session.look.blend());
            save(format!("{stem}-{style}-{}.png", i + 1), entry, over);
        }
        for (i, s) in entry.segmented.iter().enumerate() {
            let over = Over::Labels(s.outcome.clone(), app.session.segment.plain_overlay(&s.classes));
            save(format!("{stem}-{}-{}.png", s.outcome.model, i + 1), entry, over);
        }
        for (i, t) in entry.translated.iter().enumerate() {
            let over = Over::Picture(t.outcome.translated.clone(), app.session.translate.blend());
            save(format!("{stem}-{}-{}.png", t.outcome.model, i + 1), entry, over);
        }
        for (i, c) in entry.captioned.iter().enumerate() {
            let sentence = Product::sentence(&c.told(Default::default()));
            sentence.into_iter().for_each(|text| write(format!("{stem}-{}-{}.txt", c.outcome.model, i + 1), text));
        }
    }
    saved
}
