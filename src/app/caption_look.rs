//! How a picture is described and how that is shown: what undo and redo go back and forth over in that task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::PictureId;
use crate::gpu::Colormap;
use crate::gpu::attention;
use crate::gpu::overlay::TintMode;
use crate::nn::Precision;
use crate::tasks::caption::{Params, models};

/// What is seen of a caption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptionView {
    /// The picture, and where the network looked for one word.
    #[default]
    Picture,
    /// The same for all words, on one sheet.
    Words,
    /// How the sentence was found: the hypotheses of the beam.
    Beam,
    /// Another sentence about the same picture beside it.
    Beside,
}

/// What a sentence stands beside in [`CaptionView::Beside`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The other model that ships: the one without attention beside the one with it.
    #[default]
    Sibling,
    /// The same model's greedy sentence.
    Greedy,
    /// The model of this id, or the checkpoint at this path.
    Model(String),
}

/// A network and how it is run: what makes one caption another.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// A model's id, or the path of a checkpoint.
    pub model: String,
    /// The rest.
    pub params: Params,
}

/// The caption task's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptionLook {
    /// A model's id, or the path of a checkpoint; empty where there is none.
    pub model: String,
    /// What is seen.
    pub view: CaptionView,
    /// What the sentence stands beside.
    pub against: Against,
    /// See [`Params::beam`].
    pub beam: usize,
    /// See [`Params::length_norm`].
    pub length_norm: Option<f32>,
    /// See [`Params::prefix`]; of each picture its own, for as long as the program runs.
    #[serde(skip)]
    pub forced: BTreeMap<PictureId, Vec<String>>,
    /// How exactly the encoder computes.
    pub precision: Precision,
    /// 0 is the photo, 1 the full map.
    pub opacity: f32,
    /// The map's colours.
    pub colormap: Colormap,
    /// Instead of colours: the photo where the network looked, dimmed elsewhere.
    pub spotlight: bool,
    /// One scale for all words of a sentence, or each word its own.
    pub common_scale: bool,
    /// How fast the words are played, words per second.
    pub speed: f32,
}

impl Default for CaptionLook {
    fn default() -> Self {
        let Params { beam, length_norm, precision, .. } = Params::default();
        let attention::Look { opacity, colormap, mode, scale } = attention::Look::default();
        Self {
            model: models().first().map(|card| card.id.clone()).unwrap_or_default(),
            view: CaptionView::default(),
            against: Against::default(),
            beam,
            length_norm,
            forced: BTreeMap::new(),
            precision,
            opacity,
            colormap,
            spotlight: mode == TintMode::Spotlight,
            common_scale: scale == attention::Scale::Common,
            speed: 2.0,
        }
    }
}

impl CaptionLook {
    /// How fast words can be played, words per second.
    pub const SPEEDS: std::ops::RangeInclusive<f32> = 0.5..=6.0;

    /// What the network needs to know to describe a picture.
    pub fn asked(&self, id: PictureId) -> Asked {
        self.asked_of(self.model.clone(), id)
    }

    /// The same of the model whose sentence stands beside it, where one is seen.
    pub fn asked_beside(&self, id: PictureId) -> Option<Asked> {
        let beside = self.view == CaptionView::Beside;
        Some(self.asked_of(self.other().filter(|_| beside)?, id))
    }

    fn asked_of(&self, model: String, id: PictureId) -> Asked {
        let prefix = self.forced.get(&id).cloned().unwrap_or_default();
        let (beam, length_norm, precision) = (self.beam, self.length_norm, self.precision);
        Asked { model, params: Params { beam, length_norm, prefix, precision } }
    }

    /// The model whose sentence would stand beside; `None` where that is greedy's, or there is no other.
    pub fn other(&self) -> Option<String> {
        match &self.against {
            Against::Greedy => None,
            Against::Model(model) if *model != self.model => Some(model.clone()),
            _ => models().into_iter().map(|card| card.id.clone()).find(|id| *id != self.model),
        }
    }

    /// How maps are drawn.
    pub fn drawing(&self) -> attention::Look {
        attention::Look {
            opacity: self.opacity,
            colormap: self.colormap,
            mode: if self.spotlight { TintMode::Spotlight } else { TintMode::Colours },
            scale: if self.common_scale { attention::Scale::Common } else { attention::Scale::Each },
        }
    }

    /// Goes back to the settings that a picture was described with.
    pub fn take_back(&mut self, id: PictureId, asked: Asked) {
        let Params { beam, length_norm, prefix, precision } = asked.params;
        self.choose(asked.model);
        (self.beam, self.length_norm, self.precision) = (beam, length_norm, precision);
        self.force(id, prefix);
    }

    /// Chooses a model. Another one has other words than those that sentences were to begin with.
    pub fn choose(&mut self, model: String) {
        if model != self.model {
            (self.model, self.forced) = (model, BTreeMap::new());
        }
    }

    /// Has a picture's sentence begin with these words.
    pub fn force(&mut self, id: PictureId, words: Vec<String>) {
        match words.is_empty() {
            true => self.forced.remove(&id),
            false => self.forced.insert(id, words),
        };
    }

    /// As at first, but for the model and the words of each picture; and what is seen stays, for it is where a person is,
    /// not how it looks.
    pub fn reset(&self) -> CaptionLook {
        let (model, forced) = (self.model.clone(), self.forced.clone());
        CaptionLook { model, forced, view: self.view, ..CaptionLook::default() }
    }

    /// Brings numbers that a hand may have edited into their ranges.
    pub fn mend(&mut self) {
        let d = Self::default();
        let sane = |v: f32, low: f32, high: f32, or: f32| if v.is_finite() { v.clamp(low, high) } else { or };
        self.beam = self.beam.clamp(*Params::BEAM.start(), *Params::BEAM.end());
        self.length_norm = self.length_norm.filter(|power| Params::LENGTH_NORM.contains(power));
        self.opacity = sane(self.opacity, 0.0, 1.0, d.opacity);
        self.speed = sane(self.speed, *Self::SPEEDS.start(), *Self::SPEEDS.end(), d.speed);
        if self.model.is_empty() {
            self.model = d.model;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edited_numbers_come_into_their_ranges() {
        let look = CaptionLook {
            beam: 99,
            length_norm: Some(f32::NAN),
            opacity: -3.0,
            speed: f32::INFINITY,
            ..Default::default()
        };
        let mut mended = look;
        mended.mend();
        let d = CaptionLook::default();
        assert_eq!((mended.beam, mended.length_norm, mended.opacity, mended.speed), (10, d.length_norm, 0.0, d.speed));
    }

    #[test]
    fn a_model_is_not_beside_itself() {
        let look = |model: &str, against| CaptionLook { model: model.into(), against, ..CaptionLook::default() };
        assert_eq!(look("x", Against::Model("y".into())).other().as_deref(), Some("y"));
        assert_eq!(look("x", Against::Greedy).other(), None);
        for card in models() {
            let itself = look(&card.id, Against::Model(card.id.clone())).other();
            assert!(itself.is_some_and(|other| other != card.id), "{}", card.id);
        }
    }

    #[test]
    fn every_setting_is_remembered_but_the_words_of_pictures() {
        let look = CaptionLook { against: Against::Model("m".into()), beam: 3, spotlight: true, ..Default::default() };
        let text = toml::to_string_pretty(&look).unwrap_or_default();
        assert_eq!(toml::from_str::<CaptionLook>(&text), Ok(look));
    }
}
