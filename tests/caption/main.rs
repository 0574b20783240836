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

use std::path::{Path, PathBuf};

/// The folder of reference files, where this machine has it.
fn oracles() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("LUCIDA_SHARED").map_or(beside, PathBuf::from).join("oracles");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: there is no {}; set LUCIDA_SHARED", folder.display());
    None
}
