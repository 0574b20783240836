//! Turning pictures upright.

use image::metadata::Orientation;
use rayon::prelude::*;

use super::Samples;
use super::picture::Sample;

/// Applies an EXIF orientation to RGBA samples; returns them with the upright width and height.
pub(super) fn upright(samples: Samples, [width, height]: [u32; 2], orientation: Orientation) -> (Samples, [u32; 2]) {
    if orientation == Orientation::NoTransforms {
        return (samples, [width, height]);
    }
    let turned = match samples {
        Samples::Eight(v) => Samples::Eight(turn(&v, [width, height], orientation)),
        Samples::Sixteen(v) => Samples::Sixteen(turn(&v, [width, height], orientation)),
    };
    let size = if is_sideways(orientation) { [height, width] } else { [width, height] };
    (turned, size)
}

/// Whether width and height change places.
fn is_sideways(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Pixel (x, y) of the upright picture lies at `first + x * right + y * down` in the stored one.
fn turn<T: Sample>(rgba: &[T], [width, height]: [u32; 2], orientation: Orientation) -> Vec<T> {
    let (w, h) = (width as isize, height as isize);
    let (first, right, down) = match orientation {
        Orientation::NoTransforms => (0, 1, w),
        Orientation::FlipHorizontal => (w - 1, -1, w),
        Orientation::Rotate180 => (h * w - 1, -1, -w),
        Orientation::FlipVertical => ((h - 1) * w, 1, -w),
        Orientation::Rotate90FlipH => (0, w, 1),
        Orientation::Rotate90 => ((h - 1) * w, -w, 1),
        Orientation::Rotate270FlipH => (h * w - 1, -w, -1),
        Orientation::Rotate270 => (w - 1, w, -1),
    };
    let out_width = if is_sideways(orientation) { h } else { w } as usize;
    let (pixels, _) = rgba.as_chunks::<4>();
    let mut out = vec![T::default(); rgba.len()];
    out.par_chunks_mut(out_width * 4).enumerate().for_each(|(y, row)| {
        let start = first + y as isize * down;
        for (x, pixel) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *pixel = pixels[(start + x as isize * right) as usize];
        }
    });
    out
}
