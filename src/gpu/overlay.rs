//! The arithmetic of overlays, on the CPU: the twin of `shaders/overlay.wgsl`, and what an export is computed with; maps
//! of numbers have a twin of their own behind it. Everything works on sRGB-encoded values, as in
//! [`composite`](super::composite).

use super::composite::luma;
use super::labels::clearance;
use super::palette::ClassColours;
use crate::imaging::{ImagingError, Picture, export_mixed, faded};

pub use super::scalar::{Interpolation, ScalarMap, Tint, TintMode, export_scalar, tinted};
pub use crate::tasks::segment::NO_LABEL;

/// Width of a line along a class's border, in physical px; it lies inside the class.
pub const LINE: f32 = 2.0;

/// What the strength of all other classes is multiplied with while one is lit.
pub const LIT_REST: f32 = 0.4;

/// The opacity, and the brightness, of the line around a lit class.
pub const LIT_LINE: f32 = 0.9;

/// The strength with which a lit class is filled when only outlines are drawn, of the opacity.
pub const LIT_FILL: f32 = 0.5;

/// How bright the grey photo is under a map of disagreement.
pub const DISAGREEMENT_PHOTO: f32 = 0.5;

/// Width of a stripe of the map of disagreement, physical px along a row.
pub const STRIPE: f32 = 5.0;

/// Where a screen pixel is looked at: rotated so that upright, level and diagonal borders are all smooth. px from its middle.
const SAMPLES: [[f32; 2]; 4] = [[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]];

/// Where a line looks for another class: at its width, and half way for what is thinner. px.
const NEIGHBOURS: [[f32; 2]; 12] = [
    [-2.0, 0.0],
    [2.0, 0.0],
    [0.0, -2.0],
    [0.0, 2.0],
    [-1.414, -1.414],
    [1.414, -1.414],
    [-1.414, 1.414],
    [1.414, 1.414],
    [-1.0, 0.0],
    [1.0, 0.0],
    [0.0, -1.0],
    [0.0, 1.0],
];

/// What is drawn of the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlayMode {
    /// Their colours over the photo.
    #[default]
    Fill,
    /// Lines along their borders.
    Outlines,
    /// The photo where they are; the rest becomes transparent.
    CutOut,
}

impl OverlayMode {
    /// The opacity to begin with: colours let the photo through, a cut-out leaves nothing of the rest.
    pub fn usual_opacity(self) -> f32 {
        if self == Self::CutOut { 1.0 } else { 0.6 }
    }
}

/// How a label map is laid over its photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// 0 leaves the photo as it is, 1 covers it (or, cut out, hides the rest of it). Beyond, the nearest end; NaN as 0.
    pub opacity: f32,
    /// What is drawn.
    pub mode: OverlayMode,
    /// The colours, and which classes are shown.
    pub colours: ClassColours,
    /// A class to stand out, for instance the one under the pointer; one that is not shown has no effect.
    pub lit: Option<u8>,
}

/// A label per pixel, row by row from the top, laid over the original's whole area.
#[derive(Clone, Copy, Debug)]
pub struct LabelMap<'a> {
    /// Width and height.
    pub size: [u32; 2],
    /// `width * height` class ids.
    pub labels: &'a [u8],
}

/// Brought into 0..=1, NaN to 0.
pub(super) fn unit(v: f32) -> f32 {
    if v > 0.0 { v.min(1.0) } else { 0.0 }
}

pub(super) fn mix(a: [f32; 3], b: [f32; 3], k: f32) -> [f32; 3] {
    std::array::from_fn(|c| a[c] * (1.0 - k) + b[c] * k)
}

impl Overlay {
    /// Opacity brought into 0..=1.
    pub fn opacity(&self) -> f32 {
        unit(self.opacity)
    }

    /// The lit class, if it is shown.
    pub fn lit(&self) -> Option<u8> {
        self.lit.filter(|&class| self.colours.is_shown(class))
    }

    /// Of two classes that meet, the one of higher rank has the line. 0: not shown, and no line at all.
    fn rank(&self, label: u8) -> u32 {
        match label {
            _ if !self.colours.is_shown(label) => 0,
            _ if self.lit == Some(label) => 257,
            _ => u32::from(label) + 1,
        }
    }

    fn draws_lines(&self) -> bool {
        self.mode == OverlayMode::Outlines || self.lit().is_some()
    }

    /// How strongly what stands out is drawn: more than the opacity, but 0 and 1 where that is.
    fn strong(&self) -> f32 {
        let rest = 1.0 - self.opacity();
        1.0 - rest * rest
    }

    /// What a class keeps of its strength: less while another one is lit.
    fn kept(&self, label: u8) -> f32 {
        if self.lit().is_some_and(|lit| lit != label) { LIT_REST } else { 1.0 }
    }
}

/// One place of the photo under the overlay: its colour, sRGB-encoded 0..=1, and its alpha.
///
/// `is_edge`: it belongs to the line along its class's border.
pub fn overlay(original: [f32; 3], label: u8, is_edge: bool, o: &Overlay) -> ([f32; 3], f32) {
    let Some(colour) = o.colours.shown(label) else {
        return (original, if o.mode == OverlayMode::CutOut { 1.0 - o.opacity() } else { 1.0 });
    };
    let lit = o.lit() == Some(label);
    if lit && is_edge {
        return (mix(original, [1.0; 3], LIT_LINE), 1.0);
    }
    let strength = match o.mode {
        OverlayMode::CutOut => return (original, 1.0 - o.opacity() * (1.0 - o.kept(label))),
        OverlayMode::Fill if lit => o.strong(),
        OverlayMode::Fill => o.opacity() * o.kept(label),
        OverlayMode::Outlines if is_edge => o.strong() * o.kept(label),
        OverlayMode::Outlines if lit => o.opacity() * LIT_FILL,
        OverlayMode::Outlines => 0.0,
    };
    (mix(original, colour, strength), 1.0)
}

/// One place of the map of disagreement between two label maps, `screen` px from the pane's top left: the photo in grey
/// where they agree (or show nothing), stripes of both classes' colours where not.
pub fn disagreement(original: [f32; 3], [left, right]: [u8; 2], screen: [f32; 2], o: &Overlay) -> [f32; 3] {
    let grey = [luma(original) * DISAGREEMENT_PHOTO; 3];
    let seen = |label| if o.colours.is_shown(label) { label } else { NO_LABEL };
    if seen(left) == seen(right) {
        return grey;
    }
    // The eighth keeps the stripes' ends off the places that are looked at, where rounding would decide.
    let stripe = (screen[0] + screen[1] + 0.125) / (2.0 * STRIPE);
    let label = if stripe - stripe.floor() < 0.5 { left } else { right };
    let kept = if o.lit() == Some(left) { 1.0 } else { o.kept(right) };
    o.colours.shown(label).map_or(grey, |colour| mix(grey, colour, o.strong() * kept))
}

impl LabelMap<'_> {
    /// The label at a position in labels; beyond the edge, the last one.
    fn at(&self, position: [f32; 2]) -> u8 {
        let [x, y] = [0, 1].map(|i| (position[i].floor().max(0.0) as u32).min(self.size[i].saturating_sub(1)) as usize);
        self.labels.get(y * self.size[0] as usize + x).copied().unwrap_or(NO_LABEL)
    }

    fn is_edge(&self, position: [f32; 2], step: [f32; 2], o: &Overlay) -> bool {
        let own = o.rank(self.at(position));
        let neighbour = |n: [f32; 2]| self.at([position[0] + n[0] * step[0], position[1] + n[1] * step[1]]);
        own > 0 && NEIGHBOURS.iter().any(|&n| o.rank(neighbour(n)) < own)
    }
}

/// One screen pixel under the overlay: the mean of four places in it, so that borders are smooth (only its middle if
/// `crisp`, as the canvas does where it shows the pixel grid).
///
/// `at` is the screen pixel's middle in labels, `step` how many labels a screen pixel is wide and high.
pub fn overlaid(
    original: [f32; 3],
    map: LabelMap<'_>,
    at: [f32; 2],
    step: [f32; 2],
    crisp: bool,
    o: &Overlay,
) -> ([f32; 3], f32) {
    let lines = o.draws_lines();
    let sample = |place: [f32; 2]| {
        let position = [0, 1].map(|i| at[i] + place[i] * step[i]);
        overlay(original, map.at(position), lines && map.is_edge(position, step, o), o)
    };
    if crisp {
        return sample([0.0; 2]);
    }
    let samples = SAMPLES.map(sample);
    if samples.iter().all(|s| *s == samples[0]) {
        return samples[0];
    }
    let alpha = samples.iter().map(|s| s.1).sum::<f32>();
    let colour = |c| samples.iter().map(|s| s.0[c] * s.1).sum::<f32>() / alpha.max(1e-6);
    ([0, 1, 2].map(colour), alpha / 4.0)
}

/// One screen pixel of the map of disagreement between two label maps of one size, as [`overlaid`]; `screen` is the
/// pixel's middle in the pane, px.
pub fn disagreeing(
    original: [f32; 3],
    maps: [LabelMap<'_>; 2],
    at: [f32; 2],
    step: [f32; 2],
    screen: [f32; 2],
    crisp: bool,
    o: &Overlay,
) -> [f32; 3] {
    let sample = |place: [f32; 2]| {
        let position = [0, 1].map(|i| at[i] + place[i] * step[i]);
        let screen = [0, 1].map(|i| screen[i] + place[i]);
        disagreement(original, maps.map(|map| map.at(position)), screen, o)
    };
    if crisp {
        return sample([0.0; 2]);
    }
    let samples = SAMPLES.map(sample);
    std::array::from_fn(|c| samples.iter().map(|s| s[c]).sum::<f32>() / 4.0)
}

/// The photo under the overlay as the canvas shows it at 1:1: size, depth and colour profile of `original`. Cut out, what
/// is hidden becomes transparent, and what is wholly transparent holds no colours any more.
///
/// `labels`: one per pixel of the original, row by row.
///
/// # Errors
/// [`ImagingError::BadShape`] if there are not as many labels as pixels.
pub fn export(original: &Picture, labels: &[u8], o: &Overlay) -> Result<Picture, ImagingError> {
    let map = LabelMap { size: original.size(), labels };
    check(original.size(), labels.len())?;
    let width = map.size[0] as usize;
    let clear = o.draws_lines().then(|| clearance(map.size, labels));
    let pixel = |colour, i: usize| {
        // At 1:1 all places of a screen pixel have the same label, and lines look no further than three.
        if clear.as_ref().is_none_or(|clear| clear[i] >= 3) {
            return overlay(colour, labels[i], false, o);
        }
        let at = [i % width, i / width].map(|v| v as f32 + 0.5);
        overlaid(colour, map, at, [1.0; 2], false, o)
    };
    let mixed = export_mixed(original, |colour, i| pixel(colour, i).0, o.opacity() == 0.0 && o.lit().is_none())?;
    Ok(if o.mode == OverlayMode::CutOut { faded(&mixed, |i| pixel([0.0; 3], i).1) } else { mixed })
}

/// The map of disagreement between two label maps as the canvas shows it at 1:1: size, depth and colour profile of
/// `original`.
///
/// # Errors
/// As [`export`].
pub fn export_disagreement(original: &Picture, labels: [&[u8]; 2], o: &Overlay) -> Result<Picture, ImagingError> {
    let size = original.size();
    labels.iter().try_for_each(|labels| check(size, labels.len()))?;
    let maps = labels.map(|labels| LabelMap { size, labels });
    let width = size[0] as usize;
    let pixel = |colour, i: usize| {
        let at = [i % width, i / width].map(|v| v as f32 + 0.5);
        disagreeing(colour, maps, at, [1.0; 2], at, false, o)
    };
    export_mixed(original, pixel, false)
}

pub(super) fn check([width, height]: [u32; 2], samples: usize) -> Result<(), ImagingError> {
    let fits = width > 0 && height > 0 && u64::from(width) * u64::from(height) == samples as u64;
    if fits { Ok(()) } else { Err(ImagingError::BadShape { width, height, samples }) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gpu::palette;
    use crate::imaging::Samples;

    const PHOTO: [f32; 3] = [0.2, 0.5, 0.7];

    fn shown(mode: OverlayMode, opacity: f32) -> Overlay {
        let mut colours = ClassColours::new(&palette::categorical(4));
        colours.show(3, false);
        Overlay { opacity, mode, colours, lit: None }
    }

    fn photo(size: [u32; 2]) -> Picture {
        let samples = (0..size[0] * size[1] * 4).map(|i| if i % 4 == 3 { 60_000 } else { (i * 977 % 65_536) as u16 });
        Picture::from_rgba16(size[0], size[1], samples.collect()).unwrap()
    }

    #[test]
    fn what_is_not_shown_leaves_the_photo_as_it_is() {
        for mode in [OverlayMode::Fill, OverlayMode::Outlines] {
            for label in [3, 4, 200, NO_LABEL] {
                assert_eq!(overlay(PHOTO, label, true, &shown(mode, 0.8)), (PHOTO, 1.0));
            }
        }
        assert_eq!(overlay(PHOTO, 3, false, &shown(OverlayMode::CutOut, 0.75)), (PHOTO, 0.25));
        assert_eq!(overlay(PHOTO, 1, false, &shown(OverlayMode::CutOut, 0.75)), (PHOTO, 1.0));
    }

    #[test]
    fn opacity_goes_from_the_photo_to_the_colour() {
        let colour = shown(OverlayMode::Fill, 1.0).colours.shown(2).unwrap();
        assert_eq!(overlay(PHOTO, 2, false, &shown(OverlayMode::Fill, 1.0)).0, colour);
        for opacity in [0.0, -1.0, f32::NAN] {
            assert_eq!(overlay(PHOTO, 2, true, &shown(OverlayMode::Fill, opacity)).0, PHOTO);
            assert_eq!(overlay(PHOTO, 2, true, &shown(OverlayMode::Outlines, opacity)).0, PHOTO);
        }
    }

    #[test]
    fn a_lit_class_stands_out_and_a_hidden_one_does_not() {
        let far = |label, lit| {
            let (colour, _) = overlay(PHOTO, label, false, &Overlay { lit, ..shown(OverlayMode::Fill, 0.5) });
            (0..3).map(|c| (colour[c] - PHOTO[c]).abs()).sum::<f32>()
        };
        assert!(far(1, Some(1)) > far(1, None) && far(1, None) > far(1, Some(2)));
        assert_eq!(far(1, Some(3)), far(1, None));
    }

    #[test]
    fn an_export_keeps_depth_and_alpha_and_the_bits_it_does_not_touch() {
        let original = photo([9, 7]);
        let labels: Vec<u8> = (0..63).map(|i| if i % 9 < 4 { 1 } else { 3 }).collect();
        let Samples::Sixteen(before) = original.samples() else { panic!("16 bit") };
        for mode in [OverlayMode::Fill, OverlayMode::Outlines, OverlayMode::CutOut] {
            let exported = export(&original, &labels, &shown(mode, 1.0)).unwrap();
            let Samples::Sixteen(after) = exported.samples() else { panic!("16 bit") };
            for (i, (before, after)) in before.chunks(4).zip(after.chunks(4)).enumerate() {
                let (x, hidden) = (i % 9, i % 9 >= 4);
                match mode {
                    OverlayMode::CutOut if hidden => assert_eq!(after, [0; 4], "nothing of what was cut away"),
                    OverlayMode::Fill if !hidden => assert!(after[..3] != before[..3] && after[3] == 60_000),
                    OverlayMode::Outlines if x == 2 || x == 3 => assert_ne!(after, before, "a line of two"),
                    _ => assert_eq!(after, before, "{mode:?} at {i}"),
                }
            }
        }
        assert_eq!(export(&original, &labels, &shown(OverlayMode::CutOut, 0.0)).unwrap().samples(), original.samples());
    }

    #[test]
    fn maps_of_another_size_are_refused() {
        let original = photo([3, 2]);
        assert!(export(&original, &[0; 5], &shown(OverlayMode::Fill, 1.0)).is_err());
    }
}
