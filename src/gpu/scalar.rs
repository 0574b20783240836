//! The arithmetic of maps of numbers over a photo, on the CPU: the twin of `shaders/scalar.wgsl`, and what an export is
//! computed with. Everything works on sRGB-encoded values, as in [`composite`](super::composite).

use super::colormap::Colormap;
use super::overlay::{check, mix, unit};
use crate::imaging::{ImagingError, Picture, export_mixed};

/// What a value does to the photo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TintMode {
    /// It lays a colour over it.
    #[default]
    Colours,
    /// It lights it: the photo as it is where the map is highest, darker the lower it is. Light is in proportion to the
    /// map, sRGB-encoded values to its square root.
    Spotlight,
}

impl TintMode {
    /// The opacity to begin with: colours let the photo through, and a spotlight leaves a glimmer of the rest.
    pub fn usual_opacity(self) -> f32 {
        if self == Self::Spotlight { 0.9 } else { 0.7 }
    }
}

/// How a map is read between its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// Bilinearly: true at the pixels' middles, with creases along their rows and columns where it is much enlarged.
    #[default]
    Linear,
    /// By the uniform cubic B-spline: smooth however much it is enlarged, never beyond the values around, but no longer
    /// true at the middles, for it levels peaks.
    CubicBSpline,
}

/// How a scalar map is laid over its photo: a value of `low..=high` has the position 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tint {
    /// 0 leaves the photo as it is, 1 covers it (or, of a spotlight, blackens what is lowest). Beyond, the nearest end;
    /// NaN as 0.
    pub opacity: f32,
    /// The colours; a spotlight has none.
    pub colormap: Colormap,
    /// The value with the first colour.
    pub low: f32,
    /// The value with the last colour; at or below `low`, every value above `low` has it.
    pub high: f32,
    /// What a value does to the photo.
    pub mode: TintMode,
    /// Colours are laid on in proportion to the position, so that the photo is left as it is where the map is lowest.
    pub fades: bool,
    /// How the map is read between its pixels.
    pub interpolation: Interpolation,
}

/// A number per pixel, row by row from the top, laid over the original's whole area.
#[derive(Clone, Copy, Debug)]
pub struct ScalarMap<'a> {
    /// Width and height.
    pub size: [u32; 2],
    /// `width * height` values.
    pub values: &'a [f32],
}

impl Default for Tint {
    /// Viridis from 0 to 1, covering the photo.
    fn default() -> Tint {
        Tint { opacity: 1.0, ..Tint::SCORES }
    }
}

impl Tint {
    /// Maps of absolute differences, 0..=1: black is none. All share one scale, so that they can be compared; beyond 64 of
    /// 255 all are alike, which is rare, for grey differs from everything by at most 0.5. Nothing shines through, so that
    /// the colours are those of the scale.
    pub const ERROR: Tint = Tint { opacity: 1.0, colormap: Colormap::Magma, high: 64.0 / 255.0, ..Tint::SCORES };

    /// Maps of a discriminator's scores, over what it judges: from violet, found made (0), to yellow, found real (1).
    pub const SCORES: Tint = Tint {
        opacity: 0.6,
        colormap: Colormap::Viridis,
        low: 0.0,
        high: 1.0,
        mode: TintMode::Colours,
        fades: false,
        interpolation: Interpolation::Linear,
    };

    /// Opacity brought into 0..=1.
    pub fn opacity(&self) -> f32 {
        unit(self.opacity)
    }

    /// [`Self::low`], and what a value less it is multiplied with to be a position; both finite.
    pub(super) fn range(&self) -> [f32; 2] {
        let low = if self.low.is_finite() { self.low } else { 0.0 };
        [low, 1.0 / (self.high - low).max(1e-6)]
    }

    /// A value's position in the range, 0..=1.
    pub fn position(&self, value: f32) -> f32 {
        let [low, scale] = self.range();
        unit((value - low) * scale)
    }
}

/// One pixel of the photo under a value of the map; sRGB-encoded, 0..=1.
pub fn tinted(original: [f32; 3], value: f32, tint: &Tint) -> [f32; 3] {
    let position = tint.position(value);
    match tint.mode {
        TintMode::Colours => {
            let strength = tint.opacity() * if tint.fades { position } else { 1.0 };
            mix(original, tint.colormap.colour(position), strength)
        }
        TintMode::Spotlight => {
            let light = 1.0 - tint.opacity() * (1.0 - position.sqrt());
            original.map(|c| c * light)
        }
    }
}

/// The photo under the tinted map as the canvas shows it at 1:1: size, depth, alpha and colour profile of `original`.
///
/// # Errors
/// [`ImagingError::BadShape`] if the map's values do not fit its size.
pub fn export_scalar(original: &Picture, map: &ScalarMap<'_>, tint: &Tint) -> Result<Picture, ImagingError> {
    check(map.size, map.values.len())?;
    let width = original.width() as usize;
    let ratio = [0, 1].map(|i| map.size[i] as f32 / original.size()[i] as f32);
    let pixel = |colour, i: usize| {
        let [x, y] = [i % width, i / width].map(|v| v as f32 + 0.5);
        tinted(colour, map.read([x * ratio[0], y * ratio[1]], tint.interpolation), tint)
    };
    export_mixed(original, pixel, tint.opacity() == 0.0)
}

impl ScalarMap<'_> {
    /// The value at a position in pixels of the map; beyond the edge it goes on.
    pub fn read(&self, position: [f32; 2], interpolation: Interpolation) -> f32 {
        match interpolation {
            Interpolation::Linear => self.linear(position),
            Interpolation::CubicBSpline => self.cubic(position),
        }
    }

    fn value(&self, x: usize, y: usize) -> f32 {
        self.values.get(y * self.size[0] as usize + x).copied().unwrap_or(0.0)
    }

    fn linear(&self, position: [f32; 2]) -> f32 {
        let axis = |i: usize| {
            let last = self.size[i].saturating_sub(1);
            let p = (position[i] - 0.5).clamp(0.0, last as f32);
            let below = p.floor();
            (below as usize, (below as u32 + 1).min(last) as usize, p - below)
        };
        let ((x0, x1, fx), (y0, y1, fy)) = (axis(0), axis(1));
        let row = |y| self.value(x0, y) * (1.0 - fx) + self.value(x1, y) * fx;
        row(y0) * (1.0 - fy) + row(y1) * fy
    }

    /// The sum of the four by four values around, each by its weight.
    fn cubic(&self, position: [f32; 2]) -> f32 {
        let [columns, rows] = [0, 1].map(|i| taps(position[i], self.size[i]));
        rows.iter().map(|&(wy, y)| wy * columns.iter().map(|&(wx, x)| wx * self.value(x, y)).sum::<f32>()).sum()
    }

    /// The highest value that the cubic B-spline has at the pixels' middles, borders and half way between: at most 2 % below
    /// the highest of all. Of no values 0.
    pub(super) fn highest(&self) -> f32 {
        const PLACES: u32 = 4;
        let places = |i: usize| (0..=self.size[i] * PLACES).map(move |n| taps(n as f32 / PLACES as f32, self.size[i]));
        // First along the rows, then down the columns.
        let line = |y: usize| places(0).map(move |columns| columns.iter().map(|&(w, x)| w * self.value(x, y)).sum());
        let lines: Vec<Vec<f32>> = (0..self.size[1] as usize).map(|y| line(y).collect()).collect();
        let at = |rows: &[(f32, usize); 4], x: usize| rows.iter().map(|&(w, y)| w * lines[y][x]).sum::<f32>();
        let columns = lines.first().map_or(0, Vec::len);
        places(1)
            .flat_map(|rows| (0..columns).map(move |x| (rows, x)))
            .map(|(rows, x)| at(&rows, x))
            .fold(0.0, f32::max)
    }
}

/// The four pixels of `side` around a position in pixels and their weights; beyond the edge the last one goes on.
fn taps(position: f32, side: u32) -> [(f32, usize); 4] {
    let last = side.saturating_sub(1) as f32;
    let p = position.clamp(0.0, last + 1.0) - 0.5;
    let below = p.floor();
    let weights = spline(p - below);
    [0, 1, 2, 3].map(|i| (weights[i], (below + i as f32 - 1.0).clamp(0.0, last) as usize))
}

/// The uniform cubic B-spline's weights of the four pixels around a place, which is `f` from the second to the third:
/// none negative, of sum 1 (de Boor 1978, A Practical Guide to Splines).
fn spline(f: f32) -> [f32; 4] {
    let r = 1.0 - f;
    [r * r * r, 4.0 - 3.0 * f * f * (2.0 - f), 4.0 - 3.0 * r * r * (2.0 - r), f * f * f].map(|w| w / 6.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tint_without_a_range_is_a_step() {
        let tint = Tint { colormap: Colormap::Grey, low: 0.5, high: 0.5, ..Tint::default() };
        assert_eq!((tint.position(0.4), tint.position(0.6)), (0.0, 1.0));
        for broken in [f32::NAN, f32::INFINITY] {
            let tint = Tint { low: broken, high: broken, ..tint };
            assert!((0.0..=1.0).contains(&tint.position(0.5)));
        }
    }

    #[test]
    fn maps_of_another_size_are_refused() {
        let original = Picture::from_rgba8(3, 2, vec![9; 24]).unwrap();
        for (size, values) in [([2, 2], 3), ([0, 0], 0)] {
            assert!(
                export_scalar(&original, &ScalarMap { size, values: &vec![0.0; values] }, &Tint::default()).is_err()
            );
        }
    }

    #[test]
    fn a_spotlight_lights_what_is_high_and_darkens_the_rest() {
        let photo = [0.2, 0.5, 0.8];
        let at = |value, opacity| tinted(photo, value, &Tint { opacity, mode: TintMode::Spotlight, ..Tint::default() });
        assert_eq!((at(1.0, 1.0), at(0.0, 0.0), at(7.0, 0.7)), (photo, photo, photo));
        assert_eq!((at(0.0, 1.0), at(0.5, 1.0)), ([0.0; 3], photo.map(|c| c * 0.5f32.sqrt())));
        assert_eq!(at(f32::NAN, 0.75), photo.map(|c| c * 0.25));
    }

    #[test]
    fn colours_that_fade_leave_the_photo_where_the_map_is_lowest() {
        let photo = [0.2, 0.5, 0.8];
        let fading = Tint { fades: true, colormap: Colormap::Grey, opacity: 0.5, ..Tint::default() };
        assert_eq!(tinted(photo, 0.0, &fading), photo);
        assert_eq!(tinted(photo, 1.0, &fading), tinted(photo, 1.0, &Tint { fades: false, ..fading }));
        assert_eq!(tinted(photo, 0.5, &fading), photo.map(|c| c * 0.75 + 0.125));
    }

    proptest! {
        #[test]
        fn the_spline_is_that_of_its_definition(f in 0.0f32..1.0) {
            // The third power of the distance, cut off below 0, differenced four times (Cox and de Boor).
            let cut = |x: f64| x.max(0.0).powi(3);
            let basis = |x: f64| {
                [1.0, -4.0, 6.0, -4.0, 1.0].iter().enumerate().map(|(k, c)| c * cut(x - k as f64)).sum::<f64>() / 6.0
            };
            for (i, w) in spline(f).into_iter().enumerate() {
                // The i-th of four knots lies 3 - i knots behind the place.
                let expected = basis(f64::from(f) + 3.0 - i as f64);
                prop_assert!((f64::from(w) - expected).abs() < 1e-6, "{i}: {w}, not {expected}");
            }
        }

        #[test]
        fn a_map_read_smoothly_stays_in_its_range_and_has_no_creases(
            values in prop::collection::vec(-3.0f32..5.0, 20), x in -1.0f32..7.0, y in -1.0f32..6.0,
        ) {
            let map = ScalarMap { size: [5, 4], values: &values };
            let read = |x, y| map.read([x, y], Interpolation::CubicBSpline);
            let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            let value = read(x, y);
            prop_assert!((low - 1e-5..=high + 1e-5).contains(&value));
            let drawn = map.highest();
            prop_assert!(value <= drawn.max(0.0) + 0.05 * (high - low) && drawn <= high.max(0.0) + 1e-5);
            // Its slope along x changes no faster than its second derivative allows: at most four times the range.
            let slope = |x: f32| (read(x + 0.01, y) - read(x - 0.01, y)) / 0.02;
            prop_assume!(x > 0.1 && x < 4.9);
            prop_assert!((slope(x + 0.02) - slope(x - 0.02)).abs() <= (high - low) * 4.0 * 0.04 + 0.02);
        }
    }
}
