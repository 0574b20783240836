//! How a segmentation is made and shown: what undo and redo go back and forth over in that task.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compose::Map;
use super::segmented::Segmented;
use crate::gpu::{ClassColours, Colormap, Overlay, OverlayMode, Tint};
use crate::nn::Precision;
use crate::tasks::segment::{MAX_CLASSES, Params, Refine, models};

/// What is laid over the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Each pixel's likeliest class.
    #[default]
    Classes,
    /// How likely one class is.
    Probability,
    /// How undecided the network is.
    Uncertainty,
}

/// A network and how it is run: what makes one result another.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// A model's id, or the path of a checkpoint.
    pub model: String,
    /// The rest.
    pub params: Params,
}

/// The segmentation task's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentLook {
    /// A model's id, or the path of a checkpoint.
    pub model: String,
    /// A second one to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// See [`Params::longer_side`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longer_side: Option<u32>,
    /// See [`Params::twice`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twice: Option<bool>,
    /// How exactly the network computes.
    pub precision: Precision,
    /// Whether labels follow the picture's edges.
    pub refined: bool,
    /// 0 is the photo, 1 nothing but the classes' colours.
    pub opacity: f32,
    /// Fill, outlines or cut-out.
    pub mode: OverlayMode,
    /// What is shown.
    pub shown: Shown,
    /// Of probabilities and uncertainty.
    pub colormap: Colormap,
    /// The class that was clicked, by its name: lit, and the one whose probability is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Names of regions on the canvas.
    pub names: bool,
    /// The legend on the canvas.
    pub legend: bool,
    /// The names of classes that are not shown.
    pub hidden: BTreeSet<String>,
    /// How labels follow the edges.
    pub refine: Refine,
    /// Colours that were chosen by hand, by the class's name.
    pub colours: BTreeMap<String, [u8; 3]>,
}

impl Default for SegmentLook {
    fn default() -> Self {
        Self {
            model: models().first().map(|m| m.id.to_owned()).unwrap_or_default(),
            other: None,
            longer_side: None,
            twice: None,
            precision: Precision::F32,
            refined: false,
            opacity: OverlayMode::Fill.usual_opacity(),
            mode: OverlayMode::Fill,
            shown: Shown::Classes,
            colormap: Colormap::Viridis,
            class: None,
            names: true,
            legend: false,
            hidden: ["background".to_owned()].into(),
            refine: Refine::default(),
            colours: BTreeMap::new(),
        }
    }
}

/// Whether a model sees the mirror image too where a person does not choose.
pub fn usually_twice(model: &str) -> bool {
    models().iter().find(|m| m.id == model).is_some_and(|m| m.card.looks_twice)
}

impl SegmentLook {
    /// What the network needs to know.
    pub fn asked(&self) -> Asked {
        self.asked_of(&self.model)
    }

    /// The same of the model that is compared with.
    pub fn asked_other(&self) -> Option<Asked> {
        self.other.as_ref().filter(|other| **other != self.model).map(|other| self.asked_of(other))
    }

    fn asked_of(&self, model: &str) -> Asked {
        let refine = self.refined.then_some(self.refine);
        // What a model does by itself is not asked for: a result is found by what was.
        let twice = self.twice.filter(|twice| *twice != usually_twice(model));
        let params = Params { longer_side: self.longer_side, twice, refine, precision: self.precision };
        Asked { model: model.to_owned(), params }
    }

    /// As at first, but for the model.
    pub fn reset(&self) -> SegmentLook {
        SegmentLook { model: self.model.clone(), ..SegmentLook::default() }
    }

    /// Goes back to the settings a result was made with.
    pub fn take_back(&mut self, asked: Asked) {
        let Params { longer_side, twice, refine, precision } = asked.params;
        (self.model, self.longer_side, self.twice, self.precision) = (asked.model, longer_side, twice, precision);
        self.refined = refine.is_some();
        self.refine = refine.unwrap_or(self.refine);
    }

    /// The colours of a model's classes, and which of them are shown.
    pub fn class_colours(&self, classes: &[String]) -> ClassColours {
        let mut colours = ClassColours::of(classes);
        for (class, name) in classes.iter().enumerate().take(MAX_CLASSES) {
            if let Some(chosen) = self.colours.get(name) {
                colours.set_colour(class as u8, *chosen);
            }
            colours.show(class as u8, self.shows(name));
        }
        colours
    }

    /// Whether a class is shown.
    pub fn shows(&self, name: &str) -> bool {
        !self.hidden.contains(name)
    }

    /// What the shader needs to know to show a segmentation; `hovered` is the class under the pointer.
    pub fn overlay(&self, s: &Segmented, hovered: Option<u8>) -> Overlay {
        // A class that was clicked on another picture, and is not in this one, dims nothing.
        let present = |class: &u8| s.outcome.areas.iter().any(|a| a.class == *class);
        Overlay { lit: hovered.or(self.lit(&s.classes).filter(present)), ..self.plain_overlay(&s.classes) }
    }

    /// The same with no class lit: what is written to files.
    pub fn plain_overlay(&self, classes: &[String]) -> Overlay {
        let opacity = if self.mode == OverlayMode::CutOut { self.mode.usual_opacity() } else { self.opacity };
        Overlay { opacity, mode: self.mode, colours: self.class_colours(classes), lit: None }
    }

    /// The place of the clicked class among `classes`.
    pub fn lit(&self, classes: &[String]) -> Option<u8> {
        let name = self.class.as_ref()?;
        classes.iter().position(|class| class == name).and_then(|class| u8::try_from(class).ok())
    }

    /// The map of a segmentation that is shown, where it is one: of the clicked class, or else of the largest shown one.
    pub fn map(&self, s: &Segmented) -> Option<Map> {
        match self.shown {
            Shown::Classes => None,
            Shown::Probability => {
                let class = self.lit(&s.classes).or_else(|| s.main_class(|name| self.shows(name)))?;
                Some(Map::Probability(class))
            }
            Shown::Uncertainty => Some(Map::Entropy),
        }
    }

    /// How probabilities and uncertainty are coloured.
    pub fn tint(&self) -> Tint {
        Tint { opacity: self.opacity, colormap: self.colormap, ..Tint::default() }
    }

    /// Brings numbers that a hand may have edited into their ranges.
    pub fn mend(&mut self) {
        let d = Self::default();
        self.opacity = if self.opacity.is_finite() { self.opacity.clamp(0.0, 1.0) } else { d.opacity };
        self.longer_side = self.longer_side.map(|side| side.clamp(16, 3000));
        self.refine = self.refine.clamped();
        if self.model.is_empty() {
            self.model = d.model;
        }
    }
}
