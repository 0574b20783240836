//! What test programs share.
#![allow(dead_code)] // not every one of them uses all of it

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

/// A folder of references (`oracles`, `weights`), where this machine has it.
pub fn shared(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("LUCIDA_SHARED").map_or(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: there is no {}; set LUCIDA_SHARED", folder.display());
    None
}

/// Reproducible values in -1..1.
pub fn noise(shape: &[usize], seed: u64) -> Tensor {
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

/// All values in double precision.
pub fn doubles(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference over the largest expected magnitude; infinite when anything is no number.
pub fn relative(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.dims(), expected.dims());
    let (g, e) = (doubles(got), doubles(expected));
    let largest = e.iter().fold(1e-9f64, |m, v| m.max(v.abs()));
    let off = |(g, e): (&f64, &f64)| if g.is_finite() && e.is_finite() { (g - e).abs() } else { f64::INFINITY };
    g.iter().zip(&e).map(off).fold(0.0, f64::max) / largest
}
