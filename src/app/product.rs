//! What can be saved of a picture, and how it becomes files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::captioned::{Step, Told};
use super::compose::Composition;
use super::panes::attended;
use crate::gpu::attention::{self, AttentionError, Look};
use crate::gpu::{ClassColours, Overlay, OverlayMode, overlay};
use crate::imaging::{self, Format, ImagingError, Picture};
use crate::tasks::caption;
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
    /// A sentence being said, at so many words per second, as an animation.
    Animation(Arc<Picture>, Told, Look, f32, Motion),
    /// The picture under each map of a sentence: a PNG for each word, and one for the sum.
    Maps(Arc<Picture>, Told, Look),
    /// A sentence with its maps as JSON.
    Numbers(Told),
    /// The maps alone, `[words, rows, columns]`, as NPY.
    Values(Told),
    /// A text: a sentence, or a drawing.
    Text(String),
}

/// The format of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// 256 colours a picture.
    Gif,
    /// All colours.
    Apng,
}

impl Product {
    /// A sentence as a line of text, where there is one.
    pub fn sentence(told: &Told) -> Option<Product> {
        Some(Product::Text(told.sentence()?.text() + "\n"))
    }

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
                    imaging::save_bytes(&file, &imaging::encode(&cut.without_exif(), Format::Png)?, replace)?;
                }
                Ok(())
            }
            Product::Animation(picture, told, look, speed, motion) => {
                let sentence = told.sentence().ok_or_else(|| missing("animation"))?;
                let made = attention::animation(picture, sentence, told.outcome.grid, look, *speed);
                let made = made.map_err(|e| match e {
                    AttentionError::Imaging(e) => e,
                    other => ImagingError::Encode { format: "animation", reason: other.to_string() },
                })?;
                save(match motion {
                    Motion::Gif => imaging::encode_gif(&made.frames, &made.delays)?,
                    Motion::Apng => imaging::encode_apng(&made.frames, &made.delays)?,
                })
            }
            Product::Maps(picture, told, look) => {
                let files = self.files(path);
                if let Some(taken) = files.iter().find(|file| !replace && file.exists()) {
                    return Err(ImagingError::Exists { path: taken.clone() });
                }
                for (step, file) in steps(told).zip(files) {
                    let map = attended(picture, told, step, look)?;
                    imaging::save_bytes(&file, &imaging::encode(&map.without_exif(), Format::Png)?, replace)?;
                }
                Ok(())
            }
            Product::Numbers(told) => {
                // The sentence that is shown, not the best one.
                let sentences = told.sentence().into_iter().cloned().collect();
                let outcome = caption::Outcome { sentences, ..(*told.outcome).clone() };
                let json = serde_json::to_vec_pretty(&caption::Summary::new(&outcome));
                save(json.map_err(|e| ImagingError::Encode { format: "JSON", reason: e.to_string() })?)
            }
            Product::Values(told) => {
                let maps = told.sentence().and_then(|s| s.attention_maps(told.outcome.grid));
                let (shape, values) = maps.ok_or_else(|| missing("NPY"))?;
                save(imaging::encode_npy(&shape, &values)?)
            }
            Product::Text(text) => save(text.clone().into_bytes()),
        }
    }

    /// The same without the camera data of the picture it is made of, which only [`Product::Picture`] has.
    pub fn without_exif(mut self) -> Product {
        if let Product::Picture(Composition { original, .. }, _) = &mut self {
            *original = Arc::new(original.without_exif());
        }
        self
    }

    /// The files that [`Product::save`] writes: `path`, or of several files `path` with each one's name before its ending.
    pub fn files(&self, path: &Path) -> Vec<PathBuf> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = |name: String| path.with_file_name(format!("{stem}-{name}.png"));
        match self {
            Product::CutOuts(_, _, classes) => classes.iter().map(|(_, name)| file(name.replace(' ', "-"))).collect(),
            Product::Maps(_, told, _) => steps(told)
                .map(|step| match step {
                    Step::Word(at) => {
                        let word = told.word(at).map(|word| word.text.as_str()).unwrap_or_default();
                        file(attention::map_name(at + 1, word))
                    }
                    _ => file("sum".to_owned()),
                })
                .collect(),
            _ => vec![path.to_owned()],
        }
    }
}

/// The maps of a sentence: its words', and their sum.
fn steps(told: &Told) -> impl Iterator<Item = Step> {
    let words = told.sentence().map_or(0, |s| s.words.len());
    (0..words).map(Step::Word).chain([Step::Sum])
}

fn missing(format: &'static str) -> ImagingError {
    ImagingError::Encode { format, reason: "there is no sentence with attention".to_owned() }
}
