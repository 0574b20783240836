//! What a model is, where it comes from and on which terms: `card.toml` beside its weights.

use serde::{Deserialize, Serialize};

/// A model's card. Keys that this version does not know are ignored, so that newer cards still load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Lower-case words joined by hyphens; the folder's name.
    pub id: String,
    /// What a person reads.
    pub name: String,
    /// What it does.
    pub task: Task,
    /// The architecture's name as in `lucida forward --arch`.
    pub architecture: String,
    /// Trainable numbers.
    pub parameters: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Who made them and how.
    pub source: String,
    /// A few sentences.
    #[serde(default)]
    pub description: String,
    /// Size of the weights in bytes; filled in from the file.
    #[serde(default)]
    pub bytes: u64,
    /// How it was trained.
    #[serde(default)]
    pub training: Training,
    /// Its styles, for [`Task::Style`], in the order of the rows of its norms (the identity, last, is not one of them).
    #[serde(default)]
    pub styles: Vec<StyleCard>,
    /// Its classes, for [`Task::Segment`], in the order of their labels.
    #[serde(default)]
    pub classes: Vec<String>,
    /// For [`Task::Segment`] the ids under which the network's coarser forms run, from the coarsest: FCN-32s and FCN-16s of
    /// an FCN-8s.
    #[serde(default)]
    pub forms: Vec<String>,
    /// For [`Task::Segment`] the longer side, in pixels, of a 4:3 picture of the size it works best at; for
    /// [`Task::Translate`] that of the picture as the networks see it.
    #[serde(default)]
    pub longer_side: Option<u32>,
    /// For [`Task::Segment`] whether the network is shown the mirror image too, where a person does not choose. Not looked at
    /// for models that a person added.
    #[serde(default)]
    pub looks_twice: bool,
    /// For [`Task::Translate`] how far the picture is mirrored outwards before the networks see it, in pixels as they do.
    #[serde(default)]
    pub margin: u32,
    /// For [`Task::Translate`] what its two kinds of pictures are called: A, then B.
    #[serde(default)]
    pub domains: Vec<String>,
    /// For [`Task::Caption`] the id of the model whose encoder it looks through, where it has none of its own.
    #[serde(default)]
    pub encoder: Option<String>,
    /// For [`Task::Caption`] the power of its length, 0..=1, that a sentence's log-probability is divided by where a person
    /// does not choose another: the one that measured best. Not looked at for models that a person added.
    #[serde(default)]
    pub length_norm: f32,
}

/// The tasks that models are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Task {
    /// Style transfer.
    Style,
    /// Semantic segmentation.
    Segment,
    /// Image-to-image translation.
    Translate,
    /// Captions.
    Caption,
}

/// How a model was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Training {
    /// Optimiser steps of the weights that ship.
    pub steps: u64,
    /// Pictures per step.
    pub batch: u64,
    /// What it was trained on.
    pub data: String,
    /// The terms of that data.
    pub data_terms: String,
    /// The loss, in words and weights.
    pub loss: String,
    /// Its course.
    pub losses: Vec<LossRow>,
}

/// The losses around one step, means over the styles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LossRow {
    /// Steps so far.
    pub step: u64,
    /// Style reconstruction.
    pub style: f64,
    /// Feature reconstruction.
    pub content: f64,
    /// Total variation.
    pub tv: f64,
    /// Mean absolute difference of the tones, levels of 255.
    pub tone: f64,
}

/// One style and the painting it was learnt from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StyleCard {
    /// Lower-case words joined by hyphens.
    pub id: String,
    /// The painting's title.
    pub title: String,
    /// Who painted it.
    pub artist: String,
    /// When, as text: dates of paintings are often "c. 1831".
    #[serde(default)]
    pub year: String,
    /// Licence of the reproduction.
    #[serde(default)]
    pub licence: String,
    /// Style loss on held-out photos over that of 300 steps of direct optimisation (Gatys et al. 2016).
    #[serde(default)]
    pub style_ratio: Option<f64>,
    /// The same for the content loss.
    #[serde(default)]
    pub content_ratio: Option<f64>,
}

impl Card {
    /// Reads a card.
    ///
    /// # Errors
    /// What TOML or a missing key makes impossible, with its line.
    pub fn parse(text: &str) -> Result<Card, toml::de::Error> {
        toml::from_str(text)
    }
}
