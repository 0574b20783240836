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

use candle_core::{DType, Tensor};
use common::{doubles as values, relative, shared};

/// Reproducible values in -2..2.
fn noise(shape: [usize; 4], seed: u64) -> Tensor {
    (common::noise(&shape, seed) * 2.0).unwrap()
}

fn doubled(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}
