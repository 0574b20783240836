//! The networks that are written over `nn::Pass`, its operations, and what refines their labels, against references.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod architectures;
mod captioners;
mod checkpoints;
#[path = "../common/mod.rs"]
mod common;
mod crf;
mod efficientnet_lite;
mod layers;
mod segmentation;
mod torchvision;

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use common::{doubles as values, relative};

/// Reproducible values in -2..2.
fn noise(shape: [usize; 4], seed: u64) -> Tensor {
    (common::noise(&shape, seed) * 2.0).unwrap()
}

/// A folder of references, where this machine has it.
fn shared(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("LUCIDA_SHARED").map_or(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: there is no {}; set LUCIDA_SHARED", folder.display());
    None
}

fn doubled(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}
