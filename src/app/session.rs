//! What is remembered between two starts: settings, layout, and which pictures were open.
//!
//! One TOML file. It never fails to load: a value that cannot be read is replaced by its default and told; a file
//! that cannot be parsed at all is set aside under another name, so that nothing a person wrote by hand is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::caption_look::{Against, CaptionLook};
use super::segment_look::SegmentLook;
use super::translate_look::TranslateLook;
use super::words::Language;
use crate::gpu::composite::Blend;
use crate::imaging::{self, ImagingError};
use crate::jobs::Trouble;
use crate::nn::Precision;
use crate::tasks::style::{self, Params};
use crate::zoo;

/// How the style is applied: what undo and redo go back and forth over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// Style ids and their weights (above 0); at least one.
    pub mix: Vec<(String, f32)>,
    /// 0 is the original, 1 the full style.
    pub strength: f32,
    /// Take only the result's luminance.
    pub keep_colours: bool,
    /// The longer side the network works at, in pixels; `None` is the picture's own.
    pub longer_side: Option<u32>,
    /// How exactly the network computes.
    pub precision: Precision,
}

impl Default for Look {
    fn default() -> Self {
        let mix = vec![("hokusai-great-wave".into(), 1.0)];
        Self { mix, strength: 1.0, keep_colours: false, longer_side: None, precision: Precision::F32 }
    }
}

impl Look {
    /// What the network needs to know.
    pub fn params(&self) -> Params {
        Params { mix: self.mix.clone(), longer_side: self.longer_side, precision: self.precision }
    }

    /// As at first, but for the style, of a mix the first one: what is reset is what the sliders do to it.
    pub fn reset(&self) -> Look {
        let usual = Look::default();
        let mix = self.mix.first().map_or(usual.mix, |(id, _)| vec![(id.clone(), 1.0)]);
        Look { mix, ..Look::default() }
    }

    /// What the shader needs to know.
    pub fn blend(&self) -> Blend {
        Blend { strength: self.strength, keep_colours: self.keep_colours }
    }
}

/// The settings of all tasks.
pub type Looks = (Look, SegmentLook, TranslateLook, CaptionLook);

/// The theme, as chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Theme {
    System,
    #[default]
    Dark,
    Light,
}

/// What a person does with a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Task {
    #[default]
    Style,
    Segment,
    Translate,
    Caption,
}

/// How original and result are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum CompareMode {
    #[default]
    Result,
    Split,
    SideBySide,
    Difference,
}

/// How pictures are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// "png", "jpg", "webp" or "tiff".
    pub format: String,
    /// JPEG quality, 1..=100.
    pub quality: u8,
    /// Whether the camera data (EXIF) goes along.
    pub camera_data: bool,
    /// Where the last one went.
    pub folder: Option<PathBuf>,
}

impl Default for Export {
    fn default() -> Self {
        Self { format: "png".into(), quality: imaging::Format::QUALITY, camera_data: true, folder: None }
    }
}

/// Everything that is remembered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Session {
    pub theme: Theme,
    /// `None` follows the system.
    pub language: Option<Language>,
    /// 0.75..=2.5
    pub scale: f32,
    /// No animation.
    pub still: bool,
    pub inspector: bool,
    /// Of the inspector, in points.
    pub inspector_width: f32,
    pub strip: bool,
    /// Inner size of the window in points.
    pub window: [f32; 2],
    pub compare: CompareMode,
    /// Where the split line stands, 0..=1.
    pub split: f32,
    pub task: Task,
    pub look: Look,
    pub segment: SegmentLook,
    pub translate: TranslateLook,
    pub caption: CaptionLook,
    /// Checkpoints of segmentation that were opened, the newest first.
    pub checkpoints: Vec<PathBuf>,
    /// The same of translation.
    pub generators: Vec<PathBuf>,
    /// The same of captioning.
    pub captioners: Vec<PathBuf>,
    pub export: Export,
    pub pictures: Vec<PathBuf>,
    /// Those of them whose folders were not there, which was told.
    pub away: Vec<PathBuf>,
    /// Pictures, and the true partners that were chosen for them.
    pub partners: Vec<[PathBuf; 2]>,
    pub selected: usize,
    /// Where results lie that were saved when the graphics device was lost, until it is told.
    pub rescued: Option<PathBuf>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            language: None,
            scale: 1.0,
            still: false,
            inspector: true,
            inspector_width: 320.0,
            strip: true,
            // On a screen of 1280 x 800 the title bar and the system's own bars take their part.
            window: [1240.0, 720.0],
            compare: CompareMode::default(),
            split: 0.5,
            task: Task::default(),
            look: Look::default(),
            segment: SegmentLook::default(),
            translate: TranslateLook::default(),
            caption: CaptionLook::default(),
            checkpoints: Vec::new(),
            generators: Vec::new(),
            captioners: Vec::new(),
            export: Export::default(),
            pictures: Vec::new(),
            away: Vec::new(),
            partners: Vec::new(),
            selected: 0,
            rescued: None,
        }
    }
}

impl Session {
    /// Reads a session from text; what cannot be read is named in the second part.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), toml::de::Error> {
        let mut table: toml::Table = text.parse()?;
        let mut bad = Vec::new();
        let d = Self::default();
        fn take<T: DeserializeOwned>(t: &mut toml::Table, key: &str, or: T, bad: &mut Vec<String>) -> T {
            match t.remove(key).map(T::deserialize) {
                None => or,
                Some(Ok(v)) => v,
                Some(Err(_)) => {
                    bad.push(key.to_owned());
                    or
                }
            }
        }
        let mut s = Self {
            theme: take(&mut table, "theme", d.theme, &mut bad),
            language: take(&mut table, "language", None, &mut bad),
            scale: take(&mut table, "scale", d.scale, &mut bad),
            still: take(&mut table, "still", d.still, &mut bad),
            inspector: take(&mut table, "inspector", d.inspector, &mut bad),
            inspector_width: take(&mut table, "inspector_width", d.inspector_width, &mut bad),
            strip: take(&mut table, "strip", d.strip, &mut bad),
            window: take(&mut table, "window", d.window, &mut bad),
            compare: take(&mut table, "compare", d.compare, &mut bad),
            split: take(&mut table, "split", d.split, &mut bad),
            task: take(&mut table, "task", d.task, &mut bad),
            look: take(&mut table, "look", d.look.clone(), &mut bad),
            segment: take(&mut table, "segment", d.segment, &mut bad),
            translate: take(&mut table, "translate", d.translate, &mut bad),
            caption: take(&mut table, "caption", d.caption, &mut bad),
            checkpoints: take(&mut table, "checkpoints", d.checkpoints, &mut bad),
            generators: take(&mut table, "generators", d.generators, &mut bad),
            captioners: take(&mut table, "captioners", d.captioners, &mut bad),
            export: take(&mut table, "export", d.export.clone(), &mut bad),
            pictures: take(&mut table, "pictures", d.pictures, &mut bad),
            away: take(&mut table, "away", d.away, &mut bad),
            partners: take(&mut table, "partners", d.partners, &mut bad),
            selected: take(&mut table, "selected", d.selected, &mut bad),
            rescued: take(&mut table, "rescued", None, &mut bad),
        };
        // Hand-edited numbers may be anything.
        let sane = |v: f32, low: f32, high: f32, or: f32| if v.is_finite() { v.clamp(low, high) } else { or };
        s.scale = sane(s.scale, 0.75, 2.5, 1.0);
        s.inspector_width = sane(s.inspector_width, 272.0, 440.0, 320.0);
        s.split = sane(s.split, 0.0, 1.0, 0.5);
        s.window = s.window.map(|v| sane(v, 480.0, 8192.0, 800.0));
        s.export.quality = s.export.quality.clamp(1, 100);
        s.look.strength = sane(s.look.strength, 0.0, 1.0, 1.0);
        s.look.mix.retain(|(_, w)| w.is_finite() && *w > 0.0);
        let known = zoo::card(style::MODEL).map_or(&[][..], |card| &card.styles);
        let named = s.look.mix.len();
        s.look.mix.retain(|(id, _)| id == style::IDENTITY || known.iter().any(|style| style.id == *id));
        if s.look.mix.len() < named {
            bad.push("look.mix".to_owned());
        }
        if s.look.mix.is_empty() {
            s.look.mix = d.look.mix;
        }
        s.segment.mend();
        s.translate.mend();
        s.caption.mend();
        s.forget_removed(&mut bad);
        Ok((s, bad))
    }

    /// Goes back to what ships where a model was chosen that is no longer there; its key goes to `bad`. The path of a
    /// checkpoint stays, for its disk may only be away.
    fn forget_removed(&mut self, bad: &mut Vec<String>) {
        let d = Self::default();
        let is_there = |model: &str, task| {
            let path = Path::new(model);
            path.components().count() > 1 || path.exists() || zoo::task_of_id(model) == Some(task)
        };
        let chosen = [
            ("segment.model", &mut self.segment.model, d.segment.model, zoo::Task::Segment),
            ("translate.model", &mut self.translate.model, d.translate.model, zoo::Task::Translate),
            ("caption.model", &mut self.caption.model, d.caption.model, zoo::Task::Caption),
        ];
        for (key, model, usual, task) in chosen {
            if !is_there(model, task) {
                bad.push(key.to_owned());
                *model = usual;
            }
        }
        if matches!(&self.caption.against, Against::Model(model) if !is_there(model, zoo::Task::Caption)) {
            self.caption.against = Against::default();
        }
        self.segment.other.take_if(|model| !is_there(model, zoo::Task::Segment));
        self.translate.other.take_if(|model| !is_there(model, zoo::Task::Translate));
        self.translate.back.take_if(|model| !is_there(model, zoo::Task::Translate));
    }

    /// What undo and redo go back and forth over.
    pub fn looks(&self) -> Looks {
        (self.look.clone(), self.segment.clone(), self.translate.clone(), self.caption.clone())
    }

    /// Goes back (or forth) to settings; where another task's have changed, that task is shown, for what is undone unseen
    /// is lost.
    pub fn take_looks(&mut self, (look, segment, translate, caption): Looks) {
        let changed = [
            (look != self.look, Task::Style),
            (segment != self.segment, Task::Segment),
            (translate != self.translate, Task::Translate),
            (caption != self.caption, Task::Caption),
        ];
        let mut changed = changed.into_iter().filter(|(changed, _)| *changed);
        if let (Some((_, task)), None) = (changed.next(), changed.next()) {
            self.task = task;
        }
        (self.look, self.segment, self.translate, self.caption) = (look, segment, translate, caption);
    }

    /// Loads the session from its file; a missing file is a first start. The second part are warnings: the names of
    /// values that could not be read, or the one name the whole file was set aside under.
    pub fn load(path: &Path) -> (Self, Option<Warning>) {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return (Self::default(), None),
            Err(source) => {
                let why = ImagingError::Io { action: "read", path: path.to_owned(), source };
                return (Self::default(), Some(Warning::Unreadable(Arc::new(why))));
            }
        };
        match Self::parse(&text) {
            Ok((s, bad)) if bad.is_empty() => (s, None),
            Ok((s, bad)) => (s, Some(Warning::Values(bad.join(", ")))),
            Err(_) => {
                let aside = path.with_extension("broken.toml");
                let _ = std::fs::rename(path, &aside);
                (Self::default(), Some(Warning::SetAside(aside.display().to_string())))
            }
        }
    }

    /// Loads the session without setting anything aside, for what is needed before there is a window.
    pub fn load_quietly(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text).map_or_else(|_| Self::default(), |(s, _)| s)
    }

    /// Without the paths that no text can hold: those are forgotten, and nothing else.
    fn writable(&self) -> Session {
        let text = |path: &PathBuf| path.to_str().is_some();
        let mut s = self.clone();
        s.selected = s.pictures.iter().take(s.selected).filter(|path| text(path)).count();
        for paths in [&mut s.pictures, &mut s.away, &mut s.checkpoints, &mut s.generators, &mut s.captioners] {
            paths.retain(text);
        }
        s.partners.retain(|pair| pair.iter().all(text));
        s.export.folder.take_if(|path| !text(path));
        s.rescued.take_if(|path| !text(path));
        s
    }

    /// Saves the session: written beside, synced, renamed.
    ///
    /// # Errors
    /// What the system refused, an [`ImagingError`] mostly.
    pub fn save(&self, path: &Path) -> Result<(), Trouble> {
        let text = toml::to_string_pretty(&self.writable()).map_err(|e| Arc::new(e) as Trouble)?;
        let refused = |e: ImagingError| Arc::new(e) as Trouble;
        if let Some(folder) = path.parent() {
            imaging::make_folder(folder).map_err(refused)?;
        }
        imaging::save_bytes(path, text.as_bytes(), true).map_err(refused)
    }
}

/// What was wrong with a session file.
#[derive(Clone, Debug)]
pub enum Warning {
    /// These values had to be replaced by their defaults.
    Values(String),
    /// The whole file was no TOML; it now lies here.
    SetAside(String),
    /// The system would not let us read it; it must not be written over.
    Unreadable(Trouble),
}

/// Where the session lives: the platform's folder for settings.
pub fn default_path() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "lucida")?.config_dir().join("session.toml"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_comes_back_as_it_was() {
        let s = Session {
            pictures: vec!["/a b/ü.jpg".into()],
            partners: vec![["/a b/ü.jpg".into(), "/maps/ü.png".into()]],
            scale: 1.25,
            language: Some(Language::Ko),
            ..Session::default()
        };
        let text = toml::to_string_pretty(&s).unwrap();
        assert_eq!(Session::parse(&text).unwrap(), (s, vec![]));
    }

    #[test]
    fn broken_values_cost_only_themselves() {
        let text = "theme = 'mauve'\nscale = 1.5\nlook = { strength = 'much' }\nsplit = nan\nunknown = 1\n";
        let (s, bad) = Session::parse(text).unwrap();
        assert_eq!(bad, ["theme", "look"]);
        assert_eq!((s.scale, s.split, s.look), (1.5, 0.5, Look::default()));
    }

    #[test]
    fn what_was_removed_meanwhile_is_told_and_replaced() {
        let text = "look = { mix = [['monet', 1.0]] }\nsegment = { model = 'gone', other = 'gone-too' }\n\
                    translate = { model = 'fcn-16s-camvid' }\ncaption = { model = '/mnt/away/caption.pth' }\n";
        let (s, bad) = Session::parse(text).unwrap();
        assert_eq!(bad, ["look.mix", "segment.model", "translate.model"]);
        assert_eq!((s.look, s.segment), (Look::default(), SegmentLook::default()));
        assert_eq!(s.translate.model, TranslateLook::default().model);
        assert_eq!(s.caption.model, "/mnt/away/caption.pth");
        let form = Session::parse("segment = { model = 'fcn-16s-camvid' }").unwrap();
        assert_eq!((form.0.segment.model.as_str(), form.1.len()), ("fcn-16s-camvid", 0));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_no_text_can_hold_costs_only_its_picture() {
        use std::os::unix::ffi::OsStrExt;
        let odd = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
        let export = Export { folder: Some(odd.clone()), ..Export::default() };
        let pictures = vec!["a.png".into(), odd, "b.png".into()];
        let s = Session { pictures, selected: 2, scale: 1.5, export, ..Session::default() };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.toml");
        s.save(&path).unwrap();
        let (back, warning) = Session::load(&path);
        assert!(warning.is_none());
        assert_eq!((back.scale, back.selected), (1.5, 1));
        assert_eq!(back.pictures, [PathBuf::from("a.png"), "b.png".into()]);
    }

    #[test]
    fn a_file_that_is_no_toml_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.toml");
        std::fs::write(&path, b"\xff\xfe{{{ not toml").unwrap();
        let (s, warning) = Session::load(&path);
        assert_eq!(s, Session::default());
        assert!(matches!(warning, Some(Warning::SetAside(_))));
        assert!(!path.exists() && dir.path().join("session.broken.toml").exists());
    }
}
