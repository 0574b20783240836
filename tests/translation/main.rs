//! Picture-to-picture networks against references, and the layers they stand on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod cyclegan;
mod features;
mod limits;
mod patch_gan;
mod pix2pix;
mod transposed;

use common::{noise, relative, shared};
