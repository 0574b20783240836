//! From results back to pictures: mixing into an original, and planes from a network.

use rayon::prelude::*;

use super::picture::{Sample, check_shape};
use super::{ImagingError, Picture, Samples};

/// Maps every pixel's colour through `mix` and keeps everything else of `original`: size, depth,
/// alpha, profile and camera data.
///
/// `mix` gets a colour sRGB-encoded, 0..=1, and the pixel's index (row by row from the top); it
/// returns a colour in the same encoding, which is converted back into the picture's own profile.
/// A pixel that `mix` returns unchanged keeps its bits exactly; with `identity` all do.
///
/// # Errors
/// None today; the signature leaves room for pictures that do not fit into memory.
pub fn export_mixed(
    original: &Picture,
    mix: impl Fn([f32; 3], usize) -> [f32; 3] + Sync,
    identity: bool,
) -> Result<Picture, ImagingError> {
    if identity {
        return Ok(original.clone());
    }
    Ok(original.with_samples(match original.samples() {
        Samples::Eight(v) => Samples::Eight(mixed(original, v, mix)),
        Samples::Sixteen(v) => Samples::Sixteen(mixed(original, v, mix)),
    }))
}

fn mixed<T: Sample>(original: &Picture, samples: &[T], mix: impl Fn([f32; 3], usize) -> [f32; 3] + Sync) -> Vec<T> {
    let width = original.width() as usize;
    let mut out = samples.to_vec();
    out.par_chunks_mut(width * 4).enumerate().for_each_init(
        || (Vec::new(), Vec::new(), Vec::new(), Vec::new()),
        |(srgb, places, changed, own), (y, row)| {
            original.srgb_row(y as u32, srgb);
            places.clear();
            changed.clear();
            let (pixels, _) = row.as_chunks_mut::<4>();
            for (x, (pixel, &[r, g, b, _])) in pixels.iter_mut().zip(&*srgb).enumerate() {
                let before = [r, g, b];
                let after = mix(before, y * width + x);
                if after == before {
                    continue;
                }
                if original.conversion().is_some() {
                    places.push(x);
                    changed.extend(after.map(u16::from_unit));
                    changed.push(u16::MAX);
                } else {
                    pixel[..3].copy_from_slice(&after.map(T::from_unit));
                }
            }
            if let Some(profile) = original.conversion() {
                profile.srgb_to_own(changed, own);
                for (&x, colour) in places.iter().zip(own.as_chunks::<4>().0) {
                    for c in 0..3 {
                        pixels[x][c] = T::narrow(colour[c]);
                    }
                }
            }
        },
    );
    out
}

/// The picture with every pixel's alpha multiplied by `keep` of its index (row by row from the top), 0..=1.
///
/// Where that is 0 the colours become 0 too: what somebody cut away does not belong into the file.
pub fn faded(picture: &Picture, keep: impl Fn(usize) -> f32 + Sync) -> Picture {
    fn with_alpha<T: Sample>(samples: &[T], width: usize, keep: impl Fn(usize) -> f32 + Sync) -> Vec<T> {
        let mut out = samples.to_vec();
        out.par_chunks_mut(width * 4).enumerate().for_each(|(y, row)| {
            for (x, pixel) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let kept = keep(y * width + x);
                if kept <= 0.0 {
                    *pixel = [T::default(); 4];
                } else if kept < 1.0 {
                    pixel[3] = T::from_unit(pixel[3].unit() * kept);
                }
            }
        });
        out
    }
    let width = picture.width() as usize;
    picture.with_samples(match picture.samples() {
        Samples::Eight(v) => Samples::Eight(with_alpha(v, width, keep)),
        Samples::Sixteen(v) => Samples::Sixteen(with_alpha(v, width, keep)),
    })
}

/// An opaque sRGB picture from `[3, height, width]`, sRGB-encoded; values are clamped to 0..=1.
///
/// # Errors
/// [`ImagingError::BadShape`] if the number of values does not fit or the size is zero.
pub fn picture_from_planar_rgb(
    width: u32,
    height: u32,
    planar: &[f32],
    sixteen_bit: bool,
) -> Result<Picture, ImagingError> {
    fn interleaved<T: Sample>(planar: &[f32]) -> Vec<T> {
        let plane = planar.len() / 3;
        let mut out = vec![T::MAX; plane * 4];
        out.par_chunks_mut(4 * 8192).enumerate().for_each(|(i, part)| {
            for (k, pixel) in part.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                for c in 0..3 {
                    pixel[c] = T::from_unit(planar[c * plane + i * 8192 + k]);
                }
            }
        });
        out
    }
    check_shape(width, height, 3, planar.len())?;
    let samples = if sixteen_bit { Samples::Sixteen(interleaved(planar)) } else { Samples::Eight(interleaved(planar)) };
    Ok(Picture::assemble(width, height, samples, None))
}
