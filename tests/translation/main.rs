//! Picture-to-picture networks against references, and the layers they stand on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cyclegan;
mod features;
mod transposed;

use candle_core::{DType, Device, Tensor};

/// Reproducible values in -1..1.
fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference over the largest expected magnitude.
fn relative(got: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(got.dims(), expected.dims());
    let (g, e) = (values(got), values(expected));
    let largest = e.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    assert!(g.iter().all(|v| v.is_finite()), "a value is no number");
    g.iter().zip(&e).fold(0.0f32, |m, (g, e)| m.max((g - e).abs())) / largest
}
