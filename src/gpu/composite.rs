//! The arithmetic of the canvas, on the CPU: the twin of `shaders/composite.wgsl`, and what an export is computed with.
//!
//! Everything here works on sRGB-*encoded* values (0..=1), not on linear light: that is what a picture file holds and
//! what the person saw, so screen and export agree by construction. `tests/gpu/` holds shader and twin together;
//! whoever changes a constant or the order of operations changes both files.

use std::borrow::Cow;

use crate::imaging::{ImagingError, Picture, Samples, export_mixed};

/// ITU-R BT.601 luma weights (red, green, blue), applied to sRGB-encoded values.
pub const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// How much [`difference`] is amplified: half the range already shows as full white, so small changes can be seen.
pub const DIFFERENCE_GAIN: f32 = 2.0;

/// The two greys of the board behind transparent pixels, sRGB-encoded 0..=1; the first lies at the top left.
pub const CHECKER: [f32; 2] = [0.32, 0.44];

/// How a result is laid over its original.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blend {
    /// 0 shows the original, 1 the whole result. Values outside 0..=1 (and NaN) count as the nearest end (NaN as 0).
    pub strength: f32,
    /// Keep the original's colours and take only the lightness (luma) of the result.
    pub keep_colours: bool,
}

impl Default for Blend {
    fn default() -> Self {
        Self { strength: 1.0, keep_colours: false }
    }
}

impl Blend {
    /// Strength brought into 0..=1.
    pub fn strength(self) -> f32 {
        // Not only `clamp`: that would let NaN through to the shader.
        if self.strength > 0.0 { self.strength.min(1.0) } else { 0.0 }
    }

    /// True when the blend leaves the original as it is, whatever the result.
    pub fn is_identity(self) -> bool {
        self.strength() == 0.0
    }
}

/// Luma of an sRGB-encoded colour, ITU-R BT.601, 0..=1.
pub fn luma(c: [f32; 3]) -> f32 {
    c[0] * LUMA[0] + c[1] * LUMA[1] + c[2] * LUMA[2]
}

/// One pixel of `result` laid over `original`; all values sRGB-encoded, 0..=1.
///
/// With `keep_colours` the target is the original shifted by the difference in luma and clamped to 0..=1 (its chroma
/// stays); then original and target are mixed linearly by the strength. Exactly `original` at strength 0.
pub fn blend(original: [f32; 3], result: [f32; 3], b: Blend) -> [f32; 3] {
    let strength = b.strength();
    let shift = luma(result) - luma(original);
    std::array::from_fn(|c| {
        let target = if b.keep_colours { (original[c] + shift).clamp(0.0, 1.0) } else { result[c] };
        // This form, unlike `o + (t - o) * s`, is exact at both ends.
        original[c] * (1.0 - strength) + target * strength
    })
}

/// How far `mixed` is from `original`, per channel, times [`DIFFERENCE_GAIN`], 0..=1.
pub fn difference(original: [f32; 3], mixed: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|c| ((original[c] - mixed[c]).abs() * DIFFERENCE_GAIN).min(1.0))
}

/// A straight-alpha colour laid over the board behind it: what reaches the screen.
///
/// `screen` is the pixel's place in the canvas (physical px, whole numbers), `square` the side of a board's square in px.
pub fn over_checker(colour: [f32; 3], alpha: f32, screen: [u32; 2], square: u32) -> [f32; 3] {
    let square = square.max(1);
    let board = CHECKER[((screen[0] / square + screen[1] / square) % 2) as usize];
    colour.map(|c| board * (1.0 - alpha) + c * alpha)
}

/// The picture as the canvas shows it under `b`: size, depth, alpha and colour profile of `original`.
///
/// Where the blend changes nothing the original's bits stay; at strength 0 the export *is* the original. A `result` of
/// another size is laid over the original's whole area, as on the canvas.
///
/// # Errors
/// Those of [`export_mixed`].
pub fn export(original: &Picture, result: &Picture, b: Blend) -> Result<Picture, ImagingError> {
    if b.is_identity() {
        return export_mixed(original, |colour, _| colour, true);
    }
    let result = if result.size() == original.size() {
        Cow::Borrowed(result)
    } else {
        Cow::Owned(result.resized_to(original.width(), original.height()))
    };
    match (result.profile(), result.samples()) {
        // What tasks make: read in place, for at 100 megapixels a copy in floats is a gigabyte.
        (None, Samples::Eight(v)) => {
            let unit = |i: usize| f32::from(v[i]) / 255.0;
            let at = |i| [unit(4 * i), unit(4 * i + 1), unit(4 * i + 2)];
            export_mixed(original, |colour, i| blend(colour, at(i), b), false)
        }
        (None, Samples::Sixteen(v)) => {
            let unit = |i: usize| f32::from(v[i]) / 65_535.0;
            let at = |i| [unit(4 * i), unit(4 * i + 1), unit(4 * i + 2)];
            export_mixed(original, |colour, i| blend(colour, at(i), b), false)
        }
        (Some(_), _) => {
            let mut row = Vec::new();
            let mut colours = Vec::with_capacity(result.pixels() as usize);
            for y in 0..result.height() {
                result.srgb_row(y, &mut row);
                colours.extend(row.iter().map(|&[r, g, b, _]| [r, g, b]));
            }
            export_mixed(original, |colour, i| blend(colour, colours[i], b), false)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn colour() -> impl Strategy<Value = [f32; 3]> {
        prop::array::uniform3(0.0f32..=1.0)
    }

    proptest! {
        #[test]
        fn strength_zero_is_the_original_and_one_the_result(o in colour(), r in colour(), keep_colours: bool) {
            prop_assert_eq!(blend(o, r, Blend { strength: 0.0, keep_colours }), o);
            prop_assert_eq!(blend(o, r, Blend::default()), r);
        }

        #[test]
        fn values_stay_in_range(o in colour(), r in colour(), strength in -1.0f32..2.0, keep_colours: bool) {
            let mixed = blend(o, r, Blend { strength, keep_colours });
            prop_assert!(mixed.iter().all(|v| (-1e-6..=1.000_001).contains(v)));
            prop_assert!(difference(o, mixed).iter().all(|v| (0.0..=1.0).contains(v)));
        }

        #[test]
        fn keeping_colours_takes_the_lightness_and_leaves_the_chroma(
            o in prop::array::uniform3(0.4f32..=0.6),
            r in prop::array::uniform3(0.3f32..=0.7),
        ) {
            let mixed = blend(o, r, Blend { strength: 1.0, keep_colours: true });
            prop_assert!((luma(mixed) - luma(r)).abs() < 1e-5);
            prop_assert!(((mixed[0] - mixed[1]) - (o[0] - o[1])).abs() < 1e-5);
            prop_assert!(((mixed[2] - mixed[1]) - (o[2] - o[1])).abs() < 1e-5);
        }
    }

    #[test]
    fn a_strength_that_is_no_number_shows_the_original() {
        let o = [0.1, 0.2, 0.3];
        assert_eq!(blend(o, [0.9; 3], Blend { strength: f32::NAN, keep_colours: false }), o);
    }

    #[test]
    fn the_board_starts_with_its_first_grey() {
        assert_eq!(over_checker([1.0; 3], 0.0, [7, 7], 8), [CHECKER[0]; 3]);
        assert_eq!(over_checker([1.0; 3], 0.0, [8, 7], 8), [CHECKER[1]; 3]);
        assert_eq!(over_checker([1.0; 3], 1.0, [8, 7], 8), [1.0; 3]);
    }

    fn noise(size: [u32; 2], seed: u32) -> Picture {
        let bytes = (0..size[0] * size[1] * 4).map(|i| (i.wrapping_mul(2_654_435_761) ^ seed) as u8);
        Picture::from_rgba8(size[0], size[1], bytes.collect()).unwrap()
    }

    #[test]
    fn an_export_holds_what_the_twin_computes() {
        let (original, result) = (noise([7, 5], 1), noise([7, 5], 99));
        let b = Blend { strength: 0.7, keep_colours: true };
        let exported = export(&original, &result, b).unwrap().to_srgba8();
        let (o, r) = (original.to_srgba8(), result.to_srgba8());
        let unit = |p: &[u8]| [0, 1, 2].map(|c| f32::from(p[c]) / 255.0);
        for ((o, r), e) in o.chunks(4).zip(r.chunks(4)).zip(exported.chunks(4)) {
            let expected = blend(unit(o), unit(r), b).map(|v| (v * 255.0).round() as u8);
            assert_eq!((&e[..3], e[3]), (&expected[..], o[3]));
        }
    }

    #[test]
    fn an_export_at_strength_zero_is_the_original() {
        let (original, result) = (noise([6, 4], 3), noise([6, 4], 4));
        for keep_colours in [false, true] {
            let b = Blend { strength: 0.0, keep_colours };
            assert_eq!(export(&original, &result, b).unwrap(), original);
        }
    }

    #[test]
    fn an_export_keeps_size_and_depth_of_the_original() {
        let deep: Vec<u16> = (0..8 * 6 * 4).map(|i| i * 331).collect();
        let original = Picture::from_rgba16(8, 6, deep).unwrap();
        let grey = Picture::from_rgba8(2, 2, [128, 128, 128, 255].repeat(4)).unwrap();
        let exported = export(&original, &grey, Blend::default()).unwrap();
        assert!(exported.is_sixteen_bit() && exported.size() == [8, 6]);
        let mut row = Vec::new();
        exported.srgb_row(3, &mut row);
        assert!(row.iter().all(|p| (p[0] - 128.0 / 255.0).abs() < 1e-4), "{row:?}");
    }
}
