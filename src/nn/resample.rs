//! Pooling, resizing and padding of feature maps, `[planes, height, width]`, one plane per task.

use rayon::prelude::*;

use super::team::Together;
use super::watch::CancelToken;

/// The largest of each window of `[kernel, stride, padding]`; what lies beyond the edge is not looked at.
pub(super) fn max_pool(
    from: &[f32],
    [h, w]: [usize; 2],
    to: &mut [f32],
    [height, width]: [usize; 2],
    [kernel, stride, padding]: [usize; 3],
) {
    let window = |at: usize, n: usize| {
        (at * stride).saturating_sub(padding)..(at * stride + kernel).saturating_sub(padding).min(n)
    };
    let planes = from.par_chunks_exact((h * w).max(1)).zip(to.par_chunks_exact_mut((height * width).max(1)));
    planes.each(|(from, to)| {
        let mut tallest = vec![0.0; w];
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            tallest.fill(f32::NEG_INFINITY);
            for row in window(y, h) {
                for (t, f) in tallest.iter_mut().zip(&from[row * w..][..w]) {
                    *t = if *f > *t { *f } else { *t };
                }
            }
            for (x, to) in to.iter_mut().enumerate() {
                let seen = &tallest[window(x, w)];
                *to = seen.iter().fold(f32::NEG_INFINITY, |m, v| if *v > m { *v } else { m });
            }
        }
    });
}

/// The means of `height` x `width` windows that cover the map evenly.
pub(super) fn average_pool(from: &[f32], [h, w]: [usize; 2], to: &mut [f32], [height, width]: [usize; 2]) {
    let planes = from.par_chunks_exact((h * w).max(1)).zip(to.par_chunks_exact_mut((height * width).max(1)));
    planes.each(|(from, to)| {
        for (rows, to) in windows(h, height).zip(to.chunks_exact_mut(width)) {
            for (columns, to) in windows(w, width).zip(to) {
                let row = |y: usize| from[y * w..][columns.clone()].iter().map(|v| f64::from(*v)).sum::<f64>();
                let sum: f64 = rows.clone().map(row).sum();
                *to = (sum / (rows.len() * columns.len()) as f64) as f32;
            }
        }
    });
}

/// The `to` windows that cover `from` pixels, neighbours sharing a pixel where they do not divide evenly.
pub(super) fn windows(from: usize, to: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..to).map(move |i| i * from / to..((i + 1) * from).div_ceil(to))
}

/// Zeros around the map, whose first pixel comes to stand at row `above` and column `left`.
pub(super) fn pad(
    from: &[f32],
    [h, w]: [usize; 2],
    to: &mut [f32],
    [height, width]: [usize; 2],
    [above, left]: [usize; 2],
) {
    let planes = from.par_chunks_exact((h * w).max(1)).zip(to.par_chunks_exact_mut((height * width).max(1)));
    planes.each(|(from, to)| {
        to.fill(0.0);
        for (from, to) in from.chunks_exact(w).zip(to.chunks_exact_mut(width).skip(above)) {
            to[left..left + w].copy_from_slice(from);
        }
    });
}

/// The pixel that each new one lies in, as PyTorch's `interpolate`: of `from` pixels the one at `i * from / to`, rounded
/// down.
pub(super) fn nearest(from: &[f32], [h, w]: [usize; 2], to: &mut [f32], [height, width]: [usize; 2]) {
    let columns: Vec<usize> = (0..width).map(|x| x * w / width).collect();
    let planes = from.par_chunks_exact((h * w).max(1)).zip(to.par_chunks_exact_mut((height * width).max(1)));
    planes.each(|(from, to)| {
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            let row = &from[y * h / height * w..][..w];
            to.iter_mut().zip(&columns).for_each(|(to, x)| *to = row[*x]);
        }
    });
}

/// Bilinear, as PyTorch's `interpolate` with and without `align_corners`. Once cancelled, planes are left as they are.
pub(super) fn bilinear(
    from: &[f32],
    [h, w]: [usize; 2],
    to: &mut [f32],
    [height, width]: [usize; 2],
    align_corners: bool,
    token: &CancelToken,
) {
    let columns = places(w, width, align_corners);
    let rows = places(h, height, align_corners);
    let planes = from.par_chunks_exact((h * w).max(1)).zip(to.par_chunks_exact_mut((height * width).max(1)));
    planes.each(|(from, to)| {
        if token.is_cancelled() {
            return;
        }
        let mut between = vec![0.0; w];
        for ((first, second, share), to) in rows.iter().zip(to.chunks_exact_mut(width)) {
            let (a, b) = (&from[first * w..][..w], &from[second * w..][..w]);
            for ((m, a), b) in between.iter_mut().zip(a).zip(b) {
                *m = a + (b - a) * share;
            }
            for ((first, second, share), to) in columns.iter().zip(to) {
                *to = between[*first] + (between[*second] - between[*first]) * share;
            }
        }
    });
}

/// For each of `to` places the two of `from` it lies between, and how near the second.
fn places(from: usize, to: usize, align_corners: bool) -> Vec<(usize, usize, f32)> {
    let at = |i: usize| match align_corners {
        true if to > 1 => i as f64 * (from - 1) as f64 / (to - 1) as f64,
        true => 0.0,
        false => ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0),
    };
    let place = |i: usize| {
        let first = (at(i) as usize).min(from - 1);
        (first, (first + 1).min(from - 1), (at(i) - first as f64) as f32)
    };
    (0..to).map(place).collect()
}
