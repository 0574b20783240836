//! Captions: beam search against a search over all sentences, checkpoints of "a PyTorch Tutorial to Image Captioning"
//! against what its own code said, and hostile word maps.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod model;
mod search;
mod shipped;
mod tutorial;
mod word_map;
