//! What test programs share.
#![allow(dead_code)] // not every one of them uses all of it

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use lucida::nn::CancelToken;

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

/// Prints, for a run that takes so many seconds, how late it stops when it is cancelled, and the most memory so far: for tests
/// that are run by hand.
pub fn print_lateness(seconds: f64, run: impl Fn(CancelToken)) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{seconds:.2} s, {peak}");
    const MOMENTS: u32 = 12;
    let late = (1..=MOMENTS).map(|moment| {
        let token = CancelToken::default();
        let later = token.clone();
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs_f64(seconds) * moment / (MOMENTS + 1));
            later.cancel();
            Instant::now()
        });
        run(token);
        timer.join().unwrap().elapsed().as_millis()
    });
    println!("cancelled at {MOMENTS} moments, late by {:?} ms", late.collect::<Vec<_>>());
}
