//! What went wrong, in the window's language.
//!
//! Errors say what they are in English, for the command line and an English window. The other catalogues have a message for
//! each under `error-…`, with its fields as arguments. Details stay as they are, in brackets: what libraries and drivers say, and
//! which part of a checkpoint does not fit.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::words::{Language, Words};
use crate::gpu::GpuError;
use crate::imaging::{Advice, Damage, Excess, ImagingError, Kind, advice};
use crate::jobs::Broken;
use crate::nn;
use crate::tasks::TaskError;
use crate::tasks::translate::LeftOut;
use crate::zoo::ZooError;

/// A folder was to be opened in which there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There are no pictures in this folder.")]
pub struct NoPictures;

impl Words {
    /// What went wrong, for a person.
    pub fn trouble(&self, error: &(dyn Error + 'static)) -> String {
        if self.language == Language::En {
            return error.to_string();
        }
        if let Some(e) = error.downcast_ref() {
            self.task(e)
        } else if let Some(e) = error.downcast_ref() {
            self.imaging(e)
        } else if let Some(e) = error.downcast_ref() {
            self.zoo(e)
        } else if let Some(e) = error.downcast_ref() {
            self.gpu(e)
        } else if let Some(e) = error.downcast_ref() {
            self.network(e)
        } else if let Some(LeftOut { path, why }) = error.downcast_ref() {
            self.with("error-left-out", [("path", shown(path)), ("why", self.task(why))])
        } else if let Some(Broken { what }) = error.downcast_ref() {
            self.with("error-broken", [("what", what.as_str())])
        } else if let Some(NoPictures) = error.downcast_ref() {
            self.get("error-no-pictures")
        } else {
            error.to_string()
        }
    }

    fn task(&self, error: &TaskError) -> String {
        match error {
            TaskError::Zoo(e) => self.zoo(e),
            TaskError::Imaging(e) => self.imaging(e),
            TaskError::Network(e) => self.network(e),
            TaskError::Cancelled => self.get("error-cancelled"),
            TaskError::PartnerShape { photo, partner } => {
                let [photo, partner] = [photo, partner].map(|[w, h]| format!("{w} × {h}"));
                self.with("error-partner-shape", [("photo", photo), ("partner", partner)])
            }
            TaskError::UnknownStyle { id, known } => {
                self.with("error-unknown-style", [("id", id.clone()), ("known", known.join(", "))])
            }
            TaskError::EmptyMix => self.get("error-empty-mix"),
            TaskError::BadWeight { id, weight } => {
                self.with("error-bad-weight", [("id", id.clone()), ("weight", weight.to_string())])
            }
            TaskError::OneWay { model, from, to } => {
                let [from, to] = [from, to].map(|domain| self.domain(domain));
                self.with("error-one-way", [("model", model), ("from", &from), ("to", &to)])
            }
            TaskError::TwoWay { model } => self.with("error-two-way", [("model", model)]),
            TaskError::UnknownWord { word } => self.with("error-unknown-word", [("word", word)]),
            TaskError::LongPrefix { words, most } => {
                self.with("error-long-prefix", [("words", *words), ("most", *most)])
            }
            TaskError::NotFinite => self.get("error-not-finite"),
            TaskError::UnknownNet { net, known } => self.with("error-unknown", [("id", net), ("known", known)]),
            TaskError::Tensors { name, reason } => self.with("error-unusable", [("name", name), ("why", reason)]),
            TaskError::Threads(why) => self.with("error-threads", [("why", why)]),
        }
    }

    fn imaging(&self, error: &ImagingError) -> String {
        match error {
            ImagingError::Io { action, path, source } => self.system(action, path, source),
            ImagingError::NotAFile { path } => self.with("error-not-a-file", [("path", shown(path))]),
            ImagingError::Exists { path } => self.with("error-exists", [("path", shown(path))]),
            ImagingError::Unsupported { what } => self.with("error-unsupported", [("what", self.kind(what))]),
            ImagingError::Damaged { reason } => self.with("error-damaged", [("why", self.damage(reason))]),
            ImagingError::TooLarge { reason } => self.with("error-too-large", [("why", self.excess(reason))]),
            ImagingError::BadShape { width, height, samples } => {
                let samples = samples.to_string();
                self.with("error-bad-shape", [("samples", samples), ("size", format!("{width} × {height}"))])
            }
            ImagingError::Encode { format, reason } => {
                self.with("error-encode", [("format", *format), ("why", reason.as_str())])
            }
        }
    }

    /// What the operating system refused, and what to do.
    fn system(&self, action: &str, path: &Path, refused: &io::Error) -> String {
        let key = match action {
            "write" => "error-write",
            "list" => "error-list",
            _ => "error-read",
        };
        let why = match refused.kind() {
            ErrorKind::NotFound => self.get("error-not-found"),
            ErrorKind::PermissionDenied => self.get("error-permission"),
            ErrorKind::ReadOnlyFilesystem => self.get("error-read-only"),
            ErrorKind::StorageFull => self.get("error-storage-full"),
            _ => refused.to_string(),
        };
        let said = self.with(key, [("path", shown(path)), ("why", why)]);
        let advice = match advice(action, refused) {
            Advice::OtherFolder => "error-other-folder",
            Advice::FreeSpace => "error-free-space",
            Advice::AllowReading => "error-allow-reading",
            Advice::CheckName => "error-check-name",
            Advice::None => return said,
        };
        format!("{said} {}", self.get(advice))
    }

    fn kind(&self, kind: &Kind) -> String {
        self.get(match kind {
            Kind::Avif => "error-kind-avif",
            Kind::Heic => "error-kind-heic",
            Kind::Video => "error-kind-video",
            Kind::JpegXl => "error-kind-jpeg-xl",
            Kind::Photoshop => "error-kind-photoshop",
            Kind::Pdf => "error-kind-pdf",
            Kind::Svg => "error-kind-svg",
            Kind::WebPage => "error-kind-web-page",
            Kind::Variant(format) => return self.with("error-kind-variant", [("format", format)]),
            Kind::Picture => "error-kind-picture",
            Kind::Unknown => "error-kind-unknown",
        })
    }

    fn damage(&self, damage: &Damage) -> String {
        match damage {
            Damage::Empty => self.get("error-empty-file"),
            Damage::NoPixels => self.get("error-no-pixels"),
            Damage::Hollow { width, height, bytes } => {
                self.with("error-hollow", [("size", format!("{width} × {height}")), ("bytes", bytes.to_string())])
            }
            Damage::Contradiction => self.get("error-contradiction"),
            Damage::EndsEarly => self.get("error-ends-early"),
            Damage::Told(why) => why.clone(),
        }
    }

    fn excess(&self, excess: &Excess) -> String {
        let sized = |key: &str, [width, height]: [u32; 2], most: u64| {
            self.with(key, [("size", format!("{width} × {height}")), ("most", most.to_string())])
        };
        match *excess {
            Excess::Side { width, height, most } => sized("error-side", [width, height], most.into()),
            Excess::Pixels { width, height, most } => sized("error-pixels", [width, height], most),
            Excess::Samples { width, height, most } => sized("error-samples", [width, height], most),
            Excess::File { most } => self.with("error-long-file", [("most", most.to_string())]),
            Excess::Memory { wanted } => self.with("error-memory", [("wanted", wanted.to_string())]),
            Excess::DecoderSide => self.get("error-decoder-side"),
            Excess::DecoderMemory => self.get("error-decoder-memory"),
            Excess::Format { format, width, height, most } => {
                let (size, most) = (format!("{width} × {height}"), most.to_string());
                self.with("error-format-side", [("format", format.to_owned()), ("size", size), ("most", most)])
            }
            Excess::Sheet { cells, width, height, most } => {
                let (size, most) = (format!("{width} × {height}"), most.to_string());
                self.with("error-sheet", [("cells", cells.to_string()), ("size", size), ("most", most)])
            }
        }
    }

    fn zoo(&self, error: &ZooError) -> String {
        match error {
            ZooError::UnknownModel { id, known } | ZooError::UnknownArchitecture { name: id, known } => {
                self.with("error-unknown", [("id", id), ("known", known)])
            }
            ZooError::Read { path, source } => self.system("read", path, source),
            ZooError::Write { path, source } => self.system("write", path, source),
            ZooError::Damaged { name, reason } => self.with("error-checkpoint", [("name", name), ("why", reason)]),
            ZooError::Unrecognised { architecture, missing } => {
                self.with("error-unrecognised", [("architecture", *architecture), ("missing", missing)])
            }
            ZooError::Unknown { example, closest, missing, known } => self.with(
                "error-unknown-weights",
                [("example", example.as_str()), ("closest", closest), ("missing", missing), ("known", known)],
            ),
            ZooError::NoSegmenter { architecture, known } => {
                self.with("error-no-segmenter", [("architecture", *architecture), ("known", known)])
            }
            ZooError::NoTranslator { architecture, known } => {
                self.with("error-no-translator", [("architecture", *architecture), ("known", known)])
            }
            ZooError::NoCaptioner { architecture, known } => {
                self.with("error-no-captioner", [("architecture", *architecture), ("known", known)])
            }
            ZooError::NoTask { architecture, known } => {
                self.with("error-no-task", [("architecture", *architecture), ("known", known)])
            }
            ZooError::NoJudge { architecture } => self.with("error-no-judge", [("architecture", *architecture)]),
            ZooError::OtherArchitecture { wanted, why } => {
                self.with("error-other-architecture", [("wanted", *wanted), ("why", why)])
            }
            ZooError::Incomplete { architecture, source } => {
                let why = source.reason();
                self.with("error-incomplete", [("architecture", (*architecture).to_owned()), ("why", why)])
            }
            ZooError::Other { path, source } => format!("{}: {}", path.display(), self.zoo(source)),
            ZooError::BothWays => self.get("error-both-ways"),
            ZooError::NoEncoder { name } => self.with("error-no-encoder", [("name", name)]),
            ZooError::NoWordMap { name } => self.with("error-no-word-map", [("name", name)]),
            ZooError::WordMap { path, reason } => {
                self.with("error-word-map", [("path", shown(path)), ("why", reason.clone())])
            }
            // Only the commands that add and remove models ask for these.
            ZooError::BadId { .. } | ZooError::IdTaken { .. } | ZooError::NotImported { .. } | ZooError::NoFolder => {
                error.to_string()
            }
        }
    }

    fn network(&self, error: &nn::Error) -> String {
        match error {
            nn::Error::Cancelled => self.get("error-cancelled"),
            nn::Error::Shape(why) => self.with("error-shape", [("why", why)]),
            nn::Error::Candle(why) => self.with("error-tensors", [("why", why.to_string())]),
        }
    }

    fn gpu(&self, error: &GpuError) -> String {
        match error {
            GpuError::NoAdapter { reason } => self.with("error-no-adapter", [("why", reason)]),
            GpuError::NoDevice { reason } => self.with("error-no-device", [("why", reason)]),
            GpuError::OutOfMemory { needed } => {
                self.with("error-graphics-memory", [("megabytes", needed.div_ceil(1_000_000).to_string())])
            }
            GpuError::Shape { size: [width, height], bytes: samples }
            | GpuError::MapShape { size: [width, height], values: samples } => {
                let size = format!("{width} × {height}");
                self.with("error-bad-shape", [("samples", samples.to_string()), ("size", size)])
            }
            GpuError::MemoryFull => self.get("error-graphics-memory-full"),
            GpuError::Lost { reason } => self.with("error-device-lost", [("why", reason)]),
            GpuError::Refused { reason } => self.with("error-driver", [("why", reason)]),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_catalogue_but_the_english_one_has_every_error_and_no_other() {
        let quoted = |text: &str| -> BTreeSet<String> {
            let keys = text.split('"').filter(|t| t.starts_with("error-") && !t.contains(char::is_whitespace));
            keys.map(str::to_owned).collect()
        };
        let source = include_str!("trouble.rs").split("#[cfg(test)]").next().unwrap();
        for language in Language::ALL.into_iter().filter(|l| *l != Language::En) {
            let had = language.source().lines().filter_map(|l| l.split_once(" =")).map(|(key, _)| key.to_owned());
            let had: BTreeSet<String> = had.filter(|key| key.starts_with("error-")).collect();
            assert_eq!(had, quoted(source), "{}", language.name());
        }
    }

    #[test]
    fn errors_are_told_in_the_language_with_what_they_hold() {
        let [en, ko] = [Language::En, Language::Ko].map(Words::new);
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        let samples: [(Box<dyn Error>, &[&str]); 7] = [
            (Box::new(ImagingError::Unsupported { what: Kind::Heic }), &["HEIC", "PNG"]),
            (
                Box::new(ImagingError::Io { action: "write", path: "/a/b.png".into(), source: denied() }),
                &["/a/b.png", "다른 폴더"],
            ),
            (
                Box::new(TaskError::from(ImagingError::TooLarge {
                    reason: Excess::Pixels { width: 70_000, height: 4000, most: 200 },
                })),
                &["70000 × 4000", "200"],
            ),
            (
                Box::new(TaskError::from(ZooError::Unrecognised { architecture: "unet", missing: "a.b" })),
                &["unet", "a.b"],
            ),
            (Box::new(TaskError::from(nn::Error::Shape("3 for 4".into()))), &["3 for 4"]),
            (Box::new(GpuError::OutOfMemory { needed: 2_000_001 }), &["3 MB"]),
            (Box::new(Broken { what: "index 3".into() }), &["index 3"]),
        ];
        for (error, holds) in &samples {
            assert_eq!(en.trouble(&**error), error.to_string());
            let told = ko.trouble(&**error);
            assert!(told.chars().any(|c| ('가'..='힣').contains(&c)), "{told}");
            assert!(holds.iter().all(|part| told.contains(part)), "{told}");
        }
    }
}
