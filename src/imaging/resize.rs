//! Resampling: separable Lanczos (a = 3) with the support widened when shrinking, on premultiplied
//! values, so that no colour hidden under transparency shows at an edge.
//!
//! Written out rather than taken from a crate: `image`'s works on straight alpha and one core, and
//! premultiplying 8-bit samples beforehand loses colour where alpha is low; here it stays in f32.

use rayon::prelude::*;

use super::picture::Sample;

/// Output rows per parallel task: few enough to balance, enough that the input rows which
/// neighbouring tasks both need (6 x the scale) are a small share.
const BAND: usize = 48;

/// The input range and weights (sum 1) of one output row or column.
struct Taps {
    start: usize,
    weights: Vec<f32>,
}

/// Resizes interleaved RGBA with straight alpha. Sizes are `[width, height]`, none zero. Given up once it is no longer `wanted`.
pub(super) fn lanczos<T: Sample>(
    rgba: &[T],
    from: [u32; 2],
    to: [u32; 2],
    wanted: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<T>> {
    let (width, out_width) = (from[0] as usize, to[0] as usize);
    let columns = taps(width, out_width);
    let rows = taps(from[1] as usize, to[1] as usize);
    let (pixels, _) = rgba.as_chunks::<4>();
    let mut out = vec![T::default(); out_width * rows.len() * 4];
    out.par_chunks_mut(out_width * 4 * BAND).zip(rows.par_chunks(BAND)).try_for_each(|(out, rows)| {
        if !wanted() {
            return None;
        }
        let start = rows.iter().map(|r| r.start).min().unwrap_or(0);
        let end = rows.iter().map(|r| r.start + r.weights.len()).max();
        let mut line = Vec::with_capacity(width);
        let mut strip = Vec::new();
        for y in start..end.unwrap_or(start) {
            line.clear();
            line.extend(pixels[y * width..(y + 1) * width].iter().map(premultiplied));
            strip.extend(columns.iter().map(|c| weighted(c, &line)));
        }
        let mut sum = vec![[0.0; 4]; out_width];
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(out_width * 4)) {
            sum.fill([0.0; 4]);
            let lines = strip[(row.start - start) * out_width..].chunks_exact(out_width);
            for (weight, line) in row.weights.iter().zip(lines) {
                for (sum, p) in sum.iter_mut().zip(line) {
                    for c in 0..4 {
                        sum[c] += p[c] * weight;
                    }
                }
            }
            for (pixel, sum) in out.as_chunks_mut::<4>().0.iter_mut().zip(&sum) {
                *pixel = straight(sum);
            }
        }
        Some(())
    })?;
    Some(out)
}

fn weighted(taps: &Taps, line: &[[f32; 4]]) -> [f32; 4] {
    let mut sum = [0.0; 4];
    for (weight, p) in taps.weights.iter().zip(&line[taps.start..]) {
        for c in 0..4 {
            sum[c] += p[c] * weight;
        }
    }
    sum
}

fn premultiplied<T: Sample>(pixel: &[T; 4]) -> [f32; 4] {
    let [r, g, b, a] = pixel.map(T::unit);
    [r * a, g * a, b * a, a]
}

fn straight<T: Sample>(p: &[f32; 4]) -> [T; 4] {
    let a = p[3].min(1.0);
    if a <= 0.0 {
        return [T::default(); 4];
    }
    // Divide by the unclamped sum: ringing in alpha and colour cancels.
    [p[0] / p[3], p[1] / p[3], p[2] / p[3], a].map(T::from_unit)
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    const LOBES: f64 = 3.0;
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let start = (centre - LOBES * stretch).floor().max(0.0) as usize;
            let end = ((centre + LOBES * stretch).ceil() as usize).min(from);
            let value = |j: usize| kernel((j as f64 + 0.5 - centre) / stretch, LOBES);
            let total: f64 = (start..end).map(value).sum();
            Taps { start, weights: (start..end).map(|j| (value(j) / total) as f32).collect() }
        })
        .collect()
}

fn kernel(x: f64, lobes: f64) -> f64 {
    if x.abs() >= lobes {
        return 0.0;
    }
    let sinc = |x: f64| {
        let x = x * std::f64::consts::PI;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    sinc(x) * sinc(x / lobes)
}
