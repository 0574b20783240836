//! A photo in the colours of a painting.
//!
//! What a photo's colours are as a whole no convolution can see; so the network is shown a photo that has the painting's
//! already, and adds the strokes.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use nalgebra::{Matrix3, Vector3};

use crate::imaging::Picture;
use crate::nn;

/// Longer side of the copy that a photo's colours are taken from.
const SEEN: u32 = 512;
/// Added to a photo's variances: what is nearly of one colour is not torn apart.
const LEAST: f64 = 200.0;

/// Mean and covariance of colours, RGB of 0..=255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Palette {
    pub mean: Vector3<f64>,
    pub covariance: Matrix3<f64>,
}

impl Palette {
    /// Those that a checkpoint holds, if it does.
    pub fn all(tensors: &HashMap<String, Tensor>) -> nn::Result<Vec<Palette>> {
        let [Some(mean), Some(covariance)] =
            ["mean", "covariance"].map(|name| tensors.get(&format!("palettes.{name}")))
        else {
            return Ok(Vec::new());
        };
        let values = |t: &Tensor| t.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
        let (mean, covariance) = (values(mean)?, values(covariance)?);
        let finite = mean.iter().chain(&covariance).all(|v| v.is_finite());
        if mean.len() * 3 != covariance.len() || mean.len() % 3 != 0 || !finite {
            return Err(nn::Error::Shape("palettes are of three means and nine covariances each".into()));
        }
        let both = mean.chunks_exact(3).zip(covariance.chunks_exact(9));
        let palette = |(mean, covariance)| Palette {
            mean: Vector3::from_row_slice(mean),
            covariance: Matrix3::from_row_slice(covariance),
        };
        Ok(both.map(palette).collect())
    }

    /// Of what can be seen of a picture; `None` if nothing can.
    pub fn of(picture: &Picture) -> Option<Palette> {
        let rgba = picture.resized(SEEN).to_srgba8();
        let seen = || rgba.chunks_exact(4).filter(|p| p[3] > 0).map(|p| Vector3::new(p[0], p[1], p[2]).cast::<f64>());
        let count = seen().count() as f64;
        if count == 0.0 {
            return None;
        }
        let mean = seen().sum::<Vector3<f64>>() / count;
        let covariance = seen().map(|p| (p - mean) * (p - mean).transpose()).sum::<Matrix3<f64>>() / count;
        Some(Palette { mean, covariance })
    }

    /// The map that gives what has these colours those of `wanted` and moves them the least: the linear Monge-Kantorovich
    /// map of Pitie and Kokaram 2007.
    fn to(&self, wanted: &Palette) -> Recolouring {
        let own = root(self.covariance + Matrix3::identity() * LEAST);
        // Its variances are LEAST or more.
        let inverse = own.try_inverse().unwrap_or_default();
        let matrix = inverse * root(own * wanted.covariance * own) * inverse;
        Recolouring { matrix, shift: wanted.mean - matrix * self.mean }
    }
}

/// The square root of a symmetric matrix without negative eigenvalues.
fn root(m: Matrix3<f64>) -> Matrix3<f64> {
    let eigen = m.symmetric_eigen();
    let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    eigen.eigenvectors * Matrix3::from_diagonal(&roots) * eigen.eigenvectors.transpose()
}

/// `matrix * colour + shift`, cut to 0..=255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recolouring {
    matrix: Matrix3<f64>,
    shift: Vector3<f64>,
}

impl Recolouring {
    const NOTHING: Recolouring = Recolouring {
        matrix: Matrix3::new(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        shift: Vector3::new(0.0, 0.0, 0.0),
    };

    /// From a photo's colours towards those of some palettes, each by its share; `None` leaves its share as it is.
    pub fn mixed<'a>(own: &Palette, wanted: impl Iterator<Item = (f32, Option<&'a Palette>)>) -> Recolouring {
        let mut sum = Recolouring { matrix: Matrix3::zeros(), shift: Vector3::zeros() };
        for (share, palette) in wanted {
            let one = palette.map_or(Recolouring::NOTHING, |wanted| own.to(wanted));
            sum.matrix += one.matrix * f64::from(share);
            sum.shift += one.shift * f64::from(share);
        }
        sum
    }

    /// Recolours `[3, pixels]` of 0..=255.
    pub fn apply(&self, planar: &mut [f32]) {
        let (matrix, shift) = (self.matrix.cast::<f32>(), self.shift.cast::<f32>());
        let (red, others) = planar.split_at_mut(planar.len() / 3);
        let (green, blue) = others.split_at_mut(red.len());
        for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
            let made = matrix * Vector3::new(*red, *green, *blue) + shift;
            [*red, *green, *blue] = [made.x, made.y, made.z].map(|v| v.clamp(0.0, 255.0));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn picture(colours: impl Fn(u32) -> [u8; 3]) -> Picture {
        let rgba = (0..64 * 64).flat_map(|i| {
            let [r, g, b] = colours(i);
            [r, g, b, 255]
        });
        Picture::from_rgba8(64, 64, rgba.collect()).unwrap()
    }

    fn noise(seed: u32, i: u32) -> u8 {
        ((i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 24) as u8
    }

    #[test]
    fn a_recoloured_picture_has_the_colours_that_were_wanted() {
        let photo = picture(|i| [noise(1, i) / 2, noise(2, i) / 3 + 40, noise(1, i) / 4 + noise(3, i) / 4]);
        let (mean, spread) =
            (Vector3::new(120.0, 130.0, 110.0), Matrix3::new(900., 300., 0., 300., 800., 200., 0., 200., 700.));
        let own = Palette::of(&photo).unwrap();
        let wanted = Palette { mean, covariance: spread };
        let planar: Vec<f32> = (0..3)
            .flat_map(|c| photo.to_srgba8().chunks_exact(4).map(|p| f32::from(p[c])).collect::<Vec<_>>())
            .collect();
        let mut made = planar.clone();
        Recolouring::mixed(&own, [(1.0, Some(&wanted))].into_iter()).apply(&mut made);
        let made = picture(|i| [0, 1, 2].map(|c| made[c * 64 * 64 + i as usize].round() as u8));
        let made = Palette::of(&made).unwrap();
        assert!((made.mean - wanted.mean).abs().max() < 1.0, "{made:?}");
        // Less by what is added to the photo's own variances.
        let narrower = (made.covariance - wanted.covariance).abs().max();
        assert!(narrower < 250.0 && made.covariance.trace() < wanted.covariance.trace(), "{made:?}");
        let mut same = planar.clone();
        Recolouring::mixed(&own, [(0.25, None), (0.75, None)].into_iter()).apply(&mut same);
        assert!(same.iter().zip(&planar).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn pictures_of_one_colour_or_of_nothing_have_finite_maps() {
        let wanted = Palette { mean: Vector3::repeat(100.0), covariance: Matrix3::identity() * 3000.0 };
        let flat = Palette::of(&picture(|_| [9, 9, 9])).unwrap();
        let mut made = [9.0; 3];
        Recolouring::mixed(&flat, [(1.0, Some(&wanted))].into_iter()).apply(&mut made);
        assert!(made.iter().all(|v| (v - 100.0).abs() < 1e-3), "{made:?}");
        assert_eq!(Palette::of(&Picture::from_rgba8(2, 1, vec![0; 8]).unwrap()), None);
    }
}
