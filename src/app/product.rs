//! What can be saved of a picture, and how it becomes files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compose::Composition;
use crate::gpu::{ClassColours, Overlay, OverlayMode, overlay};
use crate::imaging::{self, Format, ImagingError, Picture};
use crate::tasks::segment::{Outcome, Summary};

/// Something to save.
#[derive(Clone, Debug)]
pub enum Product {
    /// What is seen, as a picture.
    Picture(Composition, Format),
    /// The class of each pixel, as a grey PNG.
    Labels(Arc<Outcome>),
    /// The classes' areas, as JSON; with the names of the classes.
    Areas(Arc<Outcome>, Arc<[String]>),
    /// The picture where a class is, transparent elsewhere: a PNG for each of these classes, by label and name.
    CutOuts(Arc<Picture>, Arc<Outcome>, Vec<(u8, String)>),
}

impl Product {
    /// Writes the product to `path`, or of several files beside it, as [`Product::files`] names them.
    ///
    /// # Errors
    /// Those of encoding and of [`imaging::save_bytes`]. Where one of several files exists and may not be replaced, none is
    /// written.
    pub fn save(&self, path: &Path, replace: bool) -> Result<(), ImagingError> {
        let save = |bytes: Vec<u8>| imaging::save_bytes(path, &bytes, replace);
        match self {
            Product::Picture(composition, format) => save(imaging::encode(&composition.compose()?, *format)?),
            Product::Labels(outcome) => {
                let [width, height] = outcome.size;
                save(imaging::encode_labels(width, height, &outcome.labels)?)
            }
            Product::Areas(outcome, classes) => {
                let json = serde_json::to_vec_pretty(&Summary::new(outcome, classes));
                save(json.map_err(|e| ImagingError::Encode { format: "JSON", reason: e.to_string() })?)
            }
            Product::CutOuts(picture, outcome, classes) => {
                let files = self.files(path);
                if let Some(taken) = files.iter().find(|file| !replace && file.exists()) {
                    return Err(ImagingError::Exists { path: taken.clone() });
                }
                for ((class, _), file) in classes.iter().zip(files) {
                    let mut colours = ClassColours::new(&[]);
                    colours.show(*class, true);
                    let alone = Overlay { opacity: 1.0, mode: OverlayMode::CutOut, colours, lit: None };
                    let cut = overlay::export(picture, &outcome.labels, &alone)?;
                    imaging::save_bytes(&file, &imaging::encode(&cut, Format::Png)?, replace)?;
                }
                Ok(())
            }
        }
    }

    /// The files that [`Product::save`] writes: `path`, or of cut-outs `path` with each class's name before its ending.
    pub fn files(&self, path: &Path) -> Vec<PathBuf> {
        let Product::CutOuts(_, _, classes) = self else { return vec![path.to_owned()] };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        classes.iter().map(|(_, name)| path.with_file_name(format!("{stem}-{}.png", name.replace(' ', "-")))).collect()
    }
}
