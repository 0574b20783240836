//! Numbers for each place of a picture.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::imaging::Picture;

/// The most values that a map has.
const MOST: u64 = 1_000_000;

/// A number for each place of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Width and height: the picture's, or the same shape with at most a million values.
    pub size: [u32; 2],
    /// From the top, row by row.
    pub values: Vec<f32>,
    /// Over the whole picture at its own size.
    pub mean: f64,
}

impl Map {
    /// The absolute difference of two pictures in sRGB-encoded values 0..=1, mean over red, green and blue: its mean is the
    /// L1 distance of the papers, halved (theirs go from -1 to 1). `b` and `photo` are brought to `a`'s size; a pixel counts
    /// as far as `photo` is opaque there, so that what nobody can see neither adds to the mean nor thins it.
    pub fn difference(a: &Picture, b: &Picture, photo: &Picture) -> Map {
        let [width, height] = a.size();
        let b = &b.resized_to(width, height);
        let photo =
            if photo.size() == a.size() { Cow::Borrowed(photo) } else { Cow::Owned(photo.resized_to(width, height)) };
        let size = shape(a.size());
        let [columns, rows] = size.map(|side| side as usize);
        let (width, height) = (width as usize, height as usize);
        // What of the picture's rows or columns a row or column of the map is the mean of.
        let covered = |i: usize, from: usize, to: usize| (i * from).div_ceil(to)..((i + 1) * from).div_ceil(to);
        let mut values = vec![0.0f32; columns * rows];
        let sums = values.par_chunks_mut(columns.max(1)).enumerate().map_init(
            || (Vec::new(), Vec::new(), Vec::new(), Vec::new()),
            |(of_a, of_b, of_photo, sums), (row, values)| {
                let lines = covered(row, height, rows);
                sums.clear();
                sums.resize(width, [0.0f64; 2]);
                for y in lines.clone() {
                    a.srgb_row(y as u32, of_a);
                    b.srgb_row(y as u32, of_b);
                    photo.srgb_row(y as u32, of_photo);
                    for (((sum, a), b), photo) in sums.iter_mut().zip(&*of_a).zip(&*of_b).zip(&*of_photo) {
                        let apart = (0..3).map(|c| f64::from((a[c] - b[c]).abs())).sum::<f64>() / 3.0;
                        let opaque = f64::from(photo[3]);
                        *sum = [sum[0] + apart * opaque, sum[1] + opaque];
                    }
                }
                for (column, value) in values.iter_mut().enumerate() {
                    *value = mean(&sums[covered(column, width, columns)]) as f32;
                }
                total(sums)
            },
        );
        // Each row by itself and then in their order: so that the last digit does not depend on the threads.
        let sums: Vec<[f64; 2]> = sums.collect();
        Map { size, values, mean: mean(&sums) }
    }

    /// What a PatchGAN said of the `scores.len()` patches of a picture of the size `seen`, in `columns`, whose middles are
    /// `spacing` pixels apart, the first one and a half from the edge: interpolated between the middles, continued beyond
    /// them, in the shape of a picture of the size `whole`.
    pub(super) fn of_patches(scores: &[f32], columns: usize, spacing: usize, seen: [u32; 2], whole: [u32; 2]) -> Map {
        let size = shape(whole);
        let (columns, rows) = (columns.max(1), scores.len() / columns.max(1));
        // The two patches that a row or column of the map lies between, and how near the second.
        let places = |axis: usize, count: usize| -> Vec<(usize, usize, f32)> {
            let place = |i: u32| {
                let at = (f64::from(i) + 0.5) / f64::from(size[axis]) * f64::from(seen[axis]);
                let at = (at / spacing.max(1) as f64 - 1.5).clamp(0.0, count.saturating_sub(1) as f64);
                (at as usize, (at as usize + 1).min(count.saturating_sub(1)), at.fract() as f32)
            };
            (0..size[axis]).map(place).collect()
        };
        let across = places(0, columns);
        let score = |row: usize, column: usize| scores.get(row * columns + column).copied().unwrap_or_default();
        let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let row = |&(above, below, down): &(usize, usize, f32)| {
            let along = |row: usize| {
                across.iter().map(move |&(left, right, share)| between(score(row, left), score(row, right), share))
            };
            along(above).zip(along(below)).map(move |(a, b)| between(a, b, down)).collect::<Vec<f32>>()
        };
        let values: Vec<f32> = places(1, rows).iter().flat_map(row).collect();
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64;
        Map { size, values, mean }
    }
}

/// All weighted values together, and all weights.
fn total(sums: &[[f64; 2]]) -> [f64; 2] {
    sums.iter().fold([0.0; 2], |[value, weight], part| [value + part[0], weight + part[1]])
}

/// The mean of weighted values; 0 where nothing has any weight.
fn mean(sums: &[[f64; 2]]) -> f64 {
    let [value, weight] = total(sums);
    if weight > 0.0 { value / weight } else { 0.0 }
}

/// Of a map of a picture of this width and height.
fn shape([width, height]: [u32; 2]) -> [u32; 2] {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= MOST {
        return [width, height];
    }
    let scale = (MOST as f64 / pixels as f64).sqrt();
    let side = |n: u32| ((f64::from(n) * scale) as u32).max(1);
    // What is thinner than a pixel of the map is a line.
    let [across, down] = [side(width), side(height)];
    let most = |other: u32| (MOST / u64::from(other)) as u32;
    if across < down { [across, down.min(most(across))] } else { [across.min(most(down)), down] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_keep_the_shape_and_stay_small() {
        for (size, expected) in [
            ([1000, 1000], [1000, 1000]),
            ([1, 1], [1, 1]),
            ([4000, 3000], [1154, 866]),
            ([1, 4_000_000], [1, 1_000_000]),
            ([4_000_000, 3], [1_000_000, 1]),
        ] {
            assert_eq!(shape(size), expected);
        }
    }

    #[test]
    fn scores_lie_where_their_patches_do() {
        // Two patches across and two down: their middles are 12 and 20 pixels from the edge.
        let map = Map::of_patches(&[0.0, 1.0, 2.0, 3.0], 2, 8, [32, 32], [32, 32]);
        let at = |x: usize, y: usize| map.values[y * 32 + x];
        assert_eq!((at(0, 0), at(31, 0), at(0, 31), at(31, 31)), (0.0, 1.0, 2.0, 3.0));
        assert_eq!((at(11, 0), at(12, 0), at(19, 0), at(20, 0)), (0.0, 0.0625, 0.9375, 1.0));
        assert!((map.mean - 1.5).abs() < 1e-6);
        // The same over a picture twice as large.
        let large = Map::of_patches(&[0.0, 1.0, 2.0, 3.0], 2, 8, [32, 32], [64, 64]);
        assert!((large.values[23] - 0.0).abs() < 1e-6 && (large.values[32] - 0.53125).abs() < 1e-6);
    }
}
