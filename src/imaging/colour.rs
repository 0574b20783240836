//! ICC profiles (ICC.1:2022), read and applied by `moxcms`.

use std::fmt;
use std::sync::Arc;

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ProfileText, RenderingIntent, Transform16BitExecutor, TransformOptions,
};

use super::Samples;
use super::picture::Sample;

/// An RGB colour profile that converts to sRGB and back.
pub struct Profile {
    icc: Vec<u8>,
    name: String,
    is_srgb: bool,
    to_srgb: Arc<Transform16BitExecutor>,
    from_srgb: Arc<Transform16BitExecutor>,
}

/// What an embedded profile means for the picture it came with.
pub(super) enum Embedded {
    /// Keep the samples as they are, with this profile.
    Keep(Profile),
    /// No way back into this profile (grey, or a scanner's table): convert once, then it is sRGB.
    Convert(OneWay),
    /// Unreadable, or for another kind of data (CMYK that the decoder already made RGB).
    Ignore,
}

/// A conversion to sRGB only.
pub(super) struct OneWay {
    transform: Arc<Transform16BitExecutor>,
    grey: bool,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Profile({}, {} bytes)", self.name, self.icc.len())
    }
}

impl Profile {
    /// The ICC data as it stood in the file.
    pub fn icc(&self) -> &[u8] {
        &self.icc
    }

    /// The profile's own description, shortened: "Display P3", "Adobe RGB (1998)".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it differs from sRGB nowhere by more than 1/255.
    pub fn is_srgb(&self) -> bool {
        self.is_srgb
    }

    /// RGBA in this profile to RGBA in sRGB; alpha is carried over.
    pub(super) fn own_to_srgb(&self, own: &[u16], srgb: &mut Vec<u16>) {
        apply(&self.to_srgb, own, srgb);
    }

    /// RGBA in sRGB to RGBA in this profile; alpha is carried over.
    pub(super) fn srgb_to_own(&self, srgb: &[u16], own: &mut Vec<u16>) {
        apply(&self.from_srgb, srgb, own);
    }
}

impl OneWay {
    /// Converts RGBA samples in place.
    pub(super) fn apply(&self, samples: &mut Samples) {
        match samples {
            Samples::Eight(v) => self.apply_to(v),
            Samples::Sixteen(v) => self.apply_to(v),
        }
    }

    fn apply_to<T: Sample>(&self, rgba: &mut [T]) {
        let (mut own, mut srgb) = (Vec::new(), Vec::new());
        for part in rgba.chunks_mut(4 * 4096) {
            own.clear();
            if self.grey {
                let (pixels, _) = part.as_chunks::<4>();
                own.extend(pixels.iter().flat_map(|p| [p[0].widen(), p[3].widen()]));
                srgb.resize(part.len(), 0);
                if self.transform.transform(&own, &mut srgb).is_err() {
                    return;
                }
            } else {
                own.extend(part.iter().map(|s| s.widen()));
                apply(&self.transform, &own, &mut srgb);
            }
            for (to, &from) in part.iter_mut().zip(&srgb) {
                *to = T::narrow(from);
            }
        }
    }
}

/// RGBA to RGBA. The executor fails on unequal lengths only; then the values pass unconverted.
fn apply(transform: &Arc<Transform16BitExecutor>, from: &[u16], to: &mut Vec<u16>) {
    to.clear();
    to.resize(from.len(), 0);
    if transform.transform(from, to).is_err() {
        to.copy_from_slice(from);
    }
}

/// Decides what to do with an embedded profile. `grey`: the file's samples have one colour channel.
///
/// May panic on malicious profiles: call it where panics are caught.
pub(super) fn embedded(icc: Vec<u8>, grey: bool) -> Embedded {
    let Ok(profile) = ColorProfile::new_from_slice(&icc) else {
        return Embedded::Ignore;
    };
    let srgb = ColorProfile::new_srgb();
    match profile.color_space {
        DataColorSpace::Gray if grey => match transform(&profile, Layout::GrayAlpha, &srgb, Layout::Rgba) {
            Some(transform) => Embedded::Convert(OneWay { transform, grey }),
            None => Embedded::Ignore,
        },
        DataColorSpace::Rgb => {
            let Some(to_srgb) = transform(&profile, Layout::Rgba, &srgb, Layout::Rgba) else {
                return Embedded::Ignore;
            };
            match transform(&srgb, Layout::Rgba, &profile, Layout::Rgba) {
                Some(from_srgb) => Embedded::Keep(Profile {
                    name: name(&profile),
                    is_srgb: is_identity(&to_srgb),
                    icc,
                    to_srgb,
                    from_srgb,
                }),
                None => Embedded::Convert(OneWay { transform: to_srgb, grey: false }),
            }
        }
        _ => Embedded::Ignore,
    }
}

/// Sixteen bit in floating point: the fixed-point path has 13 bits, too few for 16-bit pictures.
/// Relative colorimetric keeps in-gamut colours exact; table profiles may have perceptual only.
fn transform(
    from: &ColorProfile,
    from_layout: Layout,
    to: &ColorProfile,
    to_layout: Layout,
) -> Option<Arc<Transform16BitExecutor>> {
    let intents = [RenderingIntent::RelativeColorimetric, RenderingIntent::Perceptual];
    intents.into_iter().find_map(|rendering_intent| {
        let options = TransformOptions { rendering_intent, prefer_fixed_point: false, ..TransformOptions::default() };
        from.create_transform_16bit(from_layout, to, to_layout, options).ok()
    })
}

/// Whether a grid of colours comes out as it went in, within 1/255.
fn is_identity(transform: &Arc<Transform16BitExecutor>) -> bool {
    const STEPS: u16 = 16;
    let level = |i: u16| i * (u16::MAX / (STEPS - 1));
    let mut grid = Vec::new();
    for r in 0..STEPS {
        for g in 0..STEPS {
            for b in 0..STEPS {
                grid.extend([level(r), level(g), level(b), u16::MAX]);
            }
        }
    }
    let mut out = vec![0; grid.len()];
    transform.transform(&grid, &mut out).is_ok() && grid.iter().zip(&out).all(|(a, b)| a.abs_diff(*b) <= 257)
}

/// The profile's description in English, as one short line.
fn name(profile: &ColorProfile) -> String {
    let text = match &profile.description {
        Some(ProfileText::PlainString(text)) => text.as_str(),
        Some(ProfileText::Localizable(all)) => {
            all.iter().find(|l| l.language == "en").or(all.first()).map_or("", |l| l.value.as_str())
        }
        Some(ProfileText::Description(d)) => d.ascii_string.as_str(),
        None => "",
    };
    let line: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    match line.trim() {
        "" => "ICC profile".to_owned(),
        line => line.to_owned(),
    }
}
