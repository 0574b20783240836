//! How a picture is translated and shown: what undo and redo go back and forth over in that task.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::gpu::{Blend, Tint};
use crate::nn::Precision;
use crate::tasks::translate::{Direction, LeftOut, Outcome, Params, TranslationModel, models};

/// The longer side that stands for the picture's own size, for results are never enlarged.
pub const OWN_SIZE: u32 = 65_535;

/// What is seen of a translation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslateView {
    /// The translated picture, and how it compares with the original.
    #[default]
    Result,
    /// There and back again, in panes.
    Cycle,
    /// What another model makes of the same picture, in panes.
    Beside,
}

/// Networks and how they are run: what makes one result another.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The networks.
    pub model: Model,
    /// The rest.
    pub params: Params,
}

/// The networks of a translation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model {
    /// A model's id, or the path of a checkpoint.
    pub id: String,
    /// The path of a checkpoint that was joined as the way back.
    pub back: Option<String>,
}

impl Model {
    /// Whether one of its networks is the model of this id, or the checkpoint at this path.
    pub fn uses(&self, network: &str) -> bool {
        self.id == network || self.back.as_deref() == Some(network)
    }
}

/// What is known of a model once it is loaded.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What its two kinds of pictures are called, in English.
    pub domains: [String; 2],
    /// The directions it has a generator for, the usual one first.
    pub directions: Vec<Direction>,
    /// Those for which it has a discriminator.
    pub judged: Vec<Direction>,
    /// Whether [`Params::own_statistics`] makes a difference.
    pub batch_norm: bool,
    /// The longer side its networks see unless told otherwise.
    pub longer_side: Option<u32>,
    /// See [`TranslationModel::left_out`].
    pub left_out: Option<Arc<LeftOut>>,
}

impl Facts {
    /// What a model tells of itself.
    pub fn of(model: &TranslationModel) -> Facts {
        let directions = model.directions().to_vec();
        Facts {
            domains: model.domains().map(str::to_owned),
            judged: directions.iter().copied().filter(|d| model.has_judge(*d)).collect(),
            directions,
            batch_norm: model.has_batch_norm(),
            longer_side: model.longer_side(),
            left_out: model.left_out().cloned(),
        }
    }

    /// Whether it goes both ways.
    pub fn goes_back(&self) -> bool {
        self.directions.len() > 1
    }
}

impl Asked {
    /// Whether what was made for this serves `wanted` too: the same, with as much beside the translation or more.
    pub fn covers(&self, wanted: &Asked) -> bool {
        let with = |params: &Params| Params { cycle: self.params.cycle, judged: self.params.judged, ..params.clone() };
        self.model == wanted.model
            && self.params == with(&wanted.params)
            && self.params.cycle >= wanted.params.cycle
            && self.params.judged >= wanted.params.judged
    }
}

/// A picture of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// G(X).
    Result,
    /// F(G(X)).
    Back,
    /// F(X).
    Same,
}

/// A map of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chart {
    /// |F(G(X)) - X|.
    Error,
    /// |F(X) - X|.
    SameError,
    /// What the discriminator says of each patch of G(X).
    Verdict,
}

impl Part {
    /// The picture, where it was made.
    pub fn of(self, outcome: &Outcome) -> Option<&std::sync::Arc<crate::imaging::Picture>> {
        match self {
            Part::Result => Some(&outcome.translated),
            Part::Back => outcome.cycle.as_ref().map(|c| &c.back),
            Part::Same => outcome.cycle.as_ref().map(|c| &c.same),
        }
    }
}

impl Chart {
    /// The map, where it was made.
    pub fn of(self, outcome: &Outcome) -> Option<&crate::tasks::translate::Map> {
        match self {
            Chart::Error => outcome.cycle.as_ref().map(|c| &c.error),
            Chart::SameError => outcome.cycle.as_ref().map(|c| &c.same_error),
            Chart::Verdict => outcome.verdict.as_ref(),
        }
    }

    /// The picture it lies over.
    pub fn part(self) -> Part {
        match self {
            Chart::Error => Part::Back,
            Chart::SameError => Part::Same,
            Chart::Verdict => Part::Result,
        }
    }

    /// How it is coloured.
    pub fn tint(self) -> Tint {
        match self {
            Chart::Error | Chart::SameError => Tint::ERROR,
            Chart::Verdict => Tint::SCORES,
        }
    }
}

/// The translation task's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TranslateLook {
    /// A model's id, or the path of a checkpoint; empty where there is none yet.
    pub model: String,
    /// The path of a checkpoint that was joined as the way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Which way, if the model goes that way; `None` is its usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// What is seen.
    pub view: TranslateView,
    /// The model beside it; `None` is another one that ships and knows the same kinds of pictures, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// See [`Params::longer_side`]; [`OWN_SIZE`] is the picture's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longer_side: Option<u32>,
    /// How exactly the networks compute.
    pub precision: Precision,
    /// See [`Params::own_statistics`].
    pub own_statistics: bool,
    /// 0 is the original, 1 the translation.
    pub strength: f32,
    /// Take only the result's luminance.
    pub keep_colours: bool,
    /// The cycle's error as a map, in a pane of its own.
    pub error: bool,
    /// The discriminator's scores as a map.
    pub judged: bool,
    /// The identity's pane.
    pub identity: bool,
}

impl Default for TranslateLook {
    fn default() -> Self {
        Self {
            model: models().first().map(|m| m.id.clone()).unwrap_or_default(),
            back: None,
            direction: None,
            view: TranslateView::default(),
            other: None,
            longer_side: None,
            precision: Precision::F32,
            own_statistics: false,
            strength: 1.0,
            keep_colours: false,
            error: true,
            judged: false,
            identity: false,
        }
    }
}

impl TranslateLook {
    /// The networks.
    pub fn networks(&self) -> Model {
        Model { id: self.model.clone(), back: self.back.clone() }
    }

    /// The networks beside, where there are some.
    pub fn networks_beside(&self) -> Option<Model> {
        let other = self.other.clone().filter(|other| *other != self.model).or_else(|| sibling(&self.model));
        (self.view == TranslateView::Beside).then_some(other).flatten().map(|id| Model { id, back: None })
    }

    /// The way that is gone, of those that the model has as far as it is known.
    pub fn way(&self, facts: Option<&Facts>) -> Direction {
        let able = facts.map_or(&[][..], |facts| &facts.directions);
        let chosen = self.direction.filter(|d| able.is_empty() || able.contains(d));
        chosen.or(able.first().copied()).unwrap_or_default()
    }

    /// What these networks, of which so much is known, are asked for to go this way.
    pub fn asked_of(&self, model: Model, direction: Direction, facts: Option<&Facts>) -> Asked {
        let cycle = self.view == TranslateView::Cycle;
        let params = Params {
            direction,
            cycle,
            judged: cycle && self.judged,
            // What makes no difference must not make another result.
            own_statistics: self.own_statistics && facts.is_none_or(|facts| facts.batch_norm),
            longer_side: self.longer_side,
            precision: self.precision,
        };
        Asked { model, params }
    }

    /// Goes back to the settings a result was made with. What is seen stays as it is.
    pub fn take_back(&mut self, asked: Asked) {
        let Params { direction, own_statistics, longer_side, precision, .. } = asked.params;
        (self.model, self.back) = (asked.model.id, asked.model.back);
        (self.direction, self.longer_side, self.precision) = (Some(direction), longer_side, precision);
        self.own_statistics = own_statistics;
    }

    /// As at first, but for the model; and what is seen stays, for it is where a person is, not how it looks.
    pub fn reset(&self) -> TranslateLook {
        let (model, back, direction, view) = (self.model.clone(), self.back.clone(), self.direction, self.view);
        TranslateLook { model, back, direction, view, ..TranslateLook::default() }
    }

    /// What the shader needs to know.
    pub fn blend(&self) -> Blend {
        Blend { strength: self.strength, keep_colours: self.keep_colours }
    }

    /// Brings numbers that a hand may have edited into their ranges.
    pub fn mend(&mut self) {
        let d = Self::default();
        self.strength = if self.strength.is_finite() { self.strength.clamp(0.0, 1.0) } else { d.strength };
        self.longer_side = self.longer_side.map(|side| side.clamp(16, OWN_SIZE));
        if self.model.is_empty() {
            self.model = d.model;
        }
    }
}

/// Another model that ships and translates between the same kinds of pictures.
fn sibling(id: &str) -> Option<String> {
    let all = models();
    let domains = &all.iter().find(|m| m.id == id)?.domains;
    all.iter().find(|m| m.id != id && m.domains == *domains).map(|m| m.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_with_more_serves_a_request_for_less() {
        let asked = |view, judged| {
            let look = TranslateLook { model: "m".into(), view, judged, ..TranslateLook::default() };
            look.asked_of(look.networks(), Direction::AToB, None)
        };
        let plain = asked(TranslateView::Result, true);
        let cycle = asked(TranslateView::Cycle, false);
        let judged = asked(TranslateView::Cycle, true);
        assert!(!plain.params.judged, "what is not seen is not computed");
        assert!(judged.covers(&cycle) && judged.covers(&plain) && cycle.covers(&plain));
        assert!(!plain.covers(&cycle) && !cycle.covers(&judged));
        let mut back = judged.clone();
        back.params.direction = Direction::BToA;
        assert!(!back.covers(&plain), "another way is another result");
        let other = Asked { model: Model { id: "n".into(), back: None }, ..judged };
        assert!(!other.covers(&plain));
    }

    #[test]
    fn statistics_are_asked_of_batch_norms_alone() {
        let look = TranslateLook { own_statistics: true, ..TranslateLook::default() };
        for batch_norm in [true, false] {
            let facts = Facts { batch_norm, ..facts(&[Direction::AToB]) };
            let asked = look.asked_of(look.networks(), Direction::AToB, Some(&facts));
            assert_eq!(asked.params.own_statistics, batch_norm);
        }
    }

    fn facts(directions: &[Direction]) -> Facts {
        Facts {
            domains: ["A".into(), "B".into()],
            directions: directions.to_vec(),
            judged: Vec::new(),
            batch_norm: false,
            longer_side: None,
            left_out: None,
        }
    }

    #[test]
    fn the_way_is_one_that_the_model_goes() {
        let mut look = TranslateLook::default();
        assert_eq!(look.way(Some(&facts(&[Direction::BToA, Direction::AToB]))), Direction::BToA);
        look.direction = Some(Direction::AToB);
        assert_eq!(look.way(Some(&facts(&[Direction::BToA, Direction::AToB]))), Direction::AToB);
        assert_eq!(look.way(Some(&facts(&[Direction::BToA]))), Direction::BToA);
        assert_eq!(look.way(None), Direction::AToB);
    }

    #[test]
    fn a_model_is_not_beside_itself() {
        let beside = |model: &str, other: Option<&str>| {
            let (model, other) = (model.to_owned(), other.map(str::to_owned));
            let look = TranslateLook { model, other, view: TranslateView::Beside, ..TranslateLook::default() };
            look.networks_beside().map(|m| m.id)
        };
        assert_eq!(beside("x", Some("y")).as_deref(), Some("y"));
        assert_eq!(beside("x", Some("x")), None);
        // Where the other was chosen as the model itself since, its sibling takes that place.
        for card in models() {
            assert_eq!(beside(&card.id, Some(&card.id)), sibling(&card.id), "{}", card.id);
        }
        assert_eq!(beside("pix2pix-maps", Some("pix2pix-maps")).as_deref(), Some("cyclegan-maps"));
    }

    #[test]
    fn edited_numbers_come_into_their_ranges() {
        let mut look = TranslateLook { strength: f32::NAN, longer_side: Some(1), ..TranslateLook::default() };
        look.mend();
        assert_eq!((look.strength, look.longer_side), (1.0, Some(16)));
    }
}
