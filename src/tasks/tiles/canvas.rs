//! Where a network's results are put together.

use std::ops::Range;

use rayon::prelude::*;

use crate::imaging::{ImagingError, Picture};
use crate::tasks::TaskError;

/// Opaque RGBA of the picture's size and depth.
pub(in crate::tasks) struct Canvas {
    size: [u32; 2],
    samples: Depth,
}

pub(super) enum Depth {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

/// A tile's own pixels.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub y: Range<usize>,
    pub x: Range<usize>,
}

impl Part {
    /// With its overlap, cut off at the picture's edges.
    pub fn widened(&self, by: usize, height: usize, width: usize) -> Part {
        let wide = |r: &Range<usize>, n: usize| r.start.saturating_sub(by)..(r.end + by).min(n);
        Part { y: wide(&self.y, height), x: wide(&self.x, width) }
    }

    /// Of a tensor that holds it.
    pub fn shape(&self, channels: usize) -> [usize; 4] {
        [1, channels, self.y.len(), self.x.len()]
    }
}

/// What a network made of a part: `[channels, rows, columns]`, grey or RGB.
pub(super) struct Made<'a> {
    pub values: &'a [f32],
    /// Its channels, rows and columns.
    pub shape: [usize; 3],
    /// The row and the column of the picture where it begins.
    pub corner: [usize; 2],
    /// The values of black and of white.
    pub range: [f32; 2],
}

impl Canvas {
    pub fn new(size: [u32; 2], sixteen_bit: bool) -> Canvas {
        let n = size[0] as usize * size[1] as usize * 4;
        let samples = if sixteen_bit { Depth::Sixteen(vec![u16::MAX; n]) } else { Depth::Eight(vec![u8::MAX; n]) };
        Canvas { size, samples }
    }

    /// Width and height.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// The colours of a row, 0..=255.
    pub fn row(&self, y: usize) -> impl Iterator<Item = [f32; 3]> {
        let width = self.size[0] as usize;
        (y * width..(y + 1) * width).map(|pixel| {
            [0, 1, 2].map(|c| match &self.samples {
                Depth::Eight(v) => f32::from(v[4 * pixel + c]),
                Depth::Sixteen(v) => f32::from(v[4 * pixel + c]) / 257.0,
            })
        })
    }

    /// Takes from the red, green and blue of each row's pixels so much, of 0..=255, as `by` writes down for that row.
    pub fn lower(&mut self, by: impl Fn(usize, &mut [[f32; 3]]) + Sync) {
        let width = self.size[0] as usize;
        match &mut self.samples {
            Depth::Eight(v) => lower(v, width, 1.0, by, |v| v.round() as u8),
            Depth::Sixteen(v) => lower(v, width, 257.0, by, |v| v.round() as u16),
        }
    }

    pub fn into_picture(self) -> Result<Picture, ImagingError> {
        match self.samples {
            Depth::Eight(v) => Picture::from_rgba8(self.size[0], self.size[1], v),
            Depth::Sixteen(v) => Picture::from_rgba16(self.size[0], self.size[1], v),
        }
    }

    #[cfg(test)]
    pub(super) fn into_samples(self) -> Depth {
        self.samples
    }

    /// Puts what of `made` lies in `part`.
    pub(super) fn put(&mut self, made: &Made<'_>, part: &Part) -> Result<(), TaskError> {
        let width = self.size[0] as usize;
        let rows = part.y.start..part.y.end.min(self.size[1] as usize);
        let columns = part.x.start..part.x.end.min(width);
        if rows.is_empty() || columns.is_empty() {
            return Ok(());
        }
        let [channels, made_rows, made_columns] = made.shape;
        let plane = if channels == 1 { 0 } else { made_rows * made_columns };
        let [black, white] = made.range;
        let scale = 255.0 / (white - black);
        let value = |c: usize, y: usize, x: usize| {
            let v = made.values[c * plane + (y - made.corner[0]) * made_columns + x - made.corner[1]];
            (v - black) * scale
        };
        let range = rows.start * width * 4..rows.end * width * 4;
        let sound = match &mut self.samples {
            Depth::Eight(v) => v[range].par_chunks_mut(width * 4).enumerate().all(|(i, row)| {
                columns.clone().all(|x| {
                    (0..3).all(|c| {
                        let v = value(c, rows.start + i, x);
                        row[x * 4 + c] = v.round().clamp(0.0, 255.0) as u8;
                        v.is_finite()
                    })
                })
            }),
            Depth::Sixteen(v) => v[range].par_chunks_mut(width * 4).enumerate().all(|(i, row)| {
                columns.clone().all(|x| {
                    (0..3).all(|c| {
                        let v = value(c, rows.start + i, x);
                        row[x * 4 + c] = (v * 257.0).round().clamp(0.0, 65535.0) as u16;
                        v.is_finite()
                    })
                })
            }),
        };
        if sound { Ok(()) } else { Err(TaskError::NotFinite) }
    }
}

/// [`Canvas::lower`] for samples of one kind: `scale` is what 1 of 255 is to them, `back` rounds to them, cut off at their ends.
fn lower<T: Copy + Into<f32> + Send>(
    samples: &mut [T],
    width: usize,
    scale: f32,
    by: impl Fn(usize, &mut [[f32; 3]]) + Sync,
    back: impl Fn(f32) -> T + Sync,
) {
    let rows = samples.par_chunks_mut((4 * width).max(1)).enumerate();
    rows.for_each_init(
        || vec![[0.0; 3]; width],
        |off, (y, row)| {
            by(y, off);
            for (pixel, off) in row.as_chunks_mut::<4>().0.iter_mut().zip(off) {
                for (value, off) in pixel.iter_mut().zip(off) {
                    *value = back((*value).into() - scale * *off);
                }
            }
        },
    );
}
