//! Pictures in and out of files: decode, orientation, colour, alpha, resize, save safely.
//!
//! A [`Picture`] keeps the samples exactly as the file encodes them (8 or 16 bit, straight alpha,
//! the file's own ICC profile) and converts on request: [`Picture::to_srgba8`] for the screen,
//! [`Picture::to_planar_rgb`] for networks. [`export_mixed`] is the way back, and leaves every
//! pixel that did not change bit for bit as it was. Whatever a file holds, the answer is a picture
//! or an [`ImagingError`]: never a panic, a hang or unbounded memory. Several pictures make an
//! animation: [`encode_gif`] and [`encode_apng`]. Numbers that belong to a picture: [`encode_npy`].

mod animate;
mod colour;
mod decode;
mod encode;
mod error;
mod exif;
mod mix;
mod npy;
mod orient;
mod picture;
mod resize;
mod save;
mod tiff_extra;

use std::path::{Path, PathBuf};

pub use animate::{encode_apng, encode_gif};
pub use colour::Profile;
pub use decode::{Limits, MAX_FILE, Remark, decode, decode_with, open};
pub use encode::{Format, Loss, encode, encode_labels};
pub use error::{Advice, Damage, Excess, ImagingError, Kind, advice};
pub use mix::{export_mixed, faded, picture_from_planar_rgb};
pub use npy::encode_npy;
pub use picture::{Picture, Samples, grey, mirror, scaled_size};
pub use save::{link_target, make_folder, save_bytes};

/// Extensions (lower case) that [`is_picture_name`] accepts.
pub const EXTENSIONS: [&str; 20] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "gif", "bmp", "dib", "ico", "pbm", "pgm",
    "ppm", "pnm", "pam", "qoi", "tga",
];

/// Whether the name ends like a picture's; for listing folders only, [`decode()`] goes by content.
pub fn is_picture_name(path: &Path) -> bool {
    extension(path).is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

/// What lies directly inside a folder; hidden files are nowhere in it.
#[derive(Debug, Default)]
pub struct Listing {
    /// What is called like a picture, by name.
    pub pictures: Vec<PathBuf>,
    /// Other files, by name.
    pub others: Vec<PathBuf>,
    /// How many folders there are.
    pub folders: usize,
}

impl Listing {
    /// Lists `folder`.
    ///
    /// # Errors
    /// [`ImagingError::Io`] if it cannot be listed.
    pub fn of(folder: &Path) -> Result<Listing, ImagingError> {
        let failed = |source| ImagingError::Io { action: "list", path: folder.to_owned(), source };
        let mut listing = Listing::default();
        for entry in folder.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match path.is_dir() {
                true => listing.folders += 1,
                // A link to nothing too: opening it tells what is wrong.
                false if is_picture_name(&path) => listing.pictures.push(path),
                false => listing.others.push(path),
            }
        }
        listing.pictures.sort();
        listing.others.sort();
        Ok(listing)
    }
}

/// The pictures directly inside `folder`, sorted by name; hidden files are skipped.
///
/// # Errors
/// [`ImagingError::Io`] if the folder cannot be listed.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, ImagingError> {
    Ok(Listing::of(folder)?.pictures)
}

/// The extension in lower case.
fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}
