//! The picture in memory, and its conversions for the screen and for networks.

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;

use super::{ImagingError, Profile, Remark, resize};

/// RGB in 0..=1 as grey: PIL's `convert("L")`, the luma of ITU-R BT.601 in 8 bits, which is what networks of one channel
/// were trained on.
pub fn grey([r, g, b]: [f32; 3]) -> f32 {
    let [r, g, b] = [r, g, b].map(|v| u32::from(u8::from_unit(v)));
    ((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16) as f32 / 255.0
}

/// Place `i` of a row of `n` pixels continued to and fro in both directions.
pub fn mirror(i: i64, n: usize) -> usize {
    let period = (2 * n).saturating_sub(2).max(1);
    let i = i.rem_euclid(period as i64) as usize;
    if i < n { i } else { period - i }
}

/// Width and height in pixels of a picture of `size` scaled so that the longer side has `longer_side`, never enlarged.
pub fn scaled_size(size: [u32; 2], longer_side: u32) -> [u32; 2] {
    let longer = size[0].max(size[1]);
    if longer_side >= longer {
        return size;
    }
    let exact = |side: u32| f64::from(side) * f64::from(longer_side) / f64::from(longer);
    size.map(|side| (exact(side).round() as u32).max(1))
}

/// RGBA, interleaved, rows from the top, straight (not premultiplied) alpha.
#[derive(Clone, PartialEq, Eq)]
pub enum Samples {
    /// 0..=255.
    Eight(Vec<u8>),
    /// 0..=65535.
    Sixteen(Vec<u16>),
}

/// One sample: what resizing and mixing need to know about `u8` and `u16`.
pub(super) trait Sample: Copy + Default + PartialEq + Send + Sync {
    /// The value of full intensity.
    const MAX: Self;
    /// 0..=1.
    fn unit(self) -> f32;
    /// Rounds; values outside 0..=1 are clamped, NaN becomes 0.
    fn from_unit(value: f32) -> Self;
    /// Scales to 0..=65535, exactly.
    fn widen(self) -> u16;
    /// The nearest value to one on 0..=65535.
    fn narrow(value: u16) -> Self;
}

impl Sample for u8 {
    const MAX: u8 = u8::MAX;
    fn unit(self) -> f32 {
        f32::from(self) / 255.0
    }
    fn from_unit(value: f32) -> u8 {
        (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
    }
    fn widen(self) -> u16 {
        u16::from(self) * 257
    }
    fn narrow(value: u16) -> u8 {
        ((u32::from(value) + 128) / 257) as u8
    }
}

impl Sample for u16 {
    const MAX: u16 = u16::MAX;
    fn unit(self) -> f32 {
        f32::from(self) / 65535.0
    }
    fn from_unit(value: f32) -> u16 {
        (value.clamp(0.0, 1.0) * 65535.0 + 0.5) as u16
    }
    fn widen(self) -> u16 {
        self
    }
    fn narrow(value: u16) -> u16 {
        value
    }
}

/// A picture, upright, in the encoding of its own ICC profile (none means sRGB).
///
/// Cloning is cheap: the samples are shared.
#[derive(Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    samples: Arc<Samples>,
    has_alpha: bool,
    profile: Option<Arc<Profile>>,
    exif: Option<Arc<[u8]>>,
    remarks: Vec<Remark>,
}

impl PartialEq for Picture {
    /// Same size, depth, samples and profile bytes.
    fn eq(&self, other: &Picture) -> bool {
        self.size() == other.size()
            && self.profile.as_ref().map(|p| p.icc()) == other.profile.as_ref().map(|p| p.icc())
            && (Arc::ptr_eq(&self.samples, &other.samples) || self.samples == other.samples)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Picture({} x {}, {} bit{}, {})",
            self.width,
            self.height,
            if self.is_sixteen_bit() { 16 } else { 8 },
            if self.has_alpha { ", alpha" } else { "" },
            self.colour_name(),
        )
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Samples::Eight(v) => write!(f, "Eight({} samples)", v.len()),
            Samples::Sixteen(v) => write!(f, "Sixteen({} samples)", v.len()),
        }
    }
}

impl Picture {
    /// An sRGB picture from `width * height * 4` samples of 0..=255, RGBA, straight alpha.
    ///
    /// # Errors
    /// [`ImagingError::BadShape`] if the number of samples does not fit or the size is zero.
    pub fn from_rgba8(width: u32, height: u32, rgba: Vec<u8>) -> Result<Picture, ImagingError> {
        check_shape(width, height, 4, rgba.len())?;
        Ok(Picture::assemble(width, height, Samples::Eight(rgba), None))
    }

    /// An sRGB picture from `width * height * 4` samples of 0..=65535, RGBA, straight alpha.
    ///
    /// # Errors
    /// [`ImagingError::BadShape`] if the number of samples does not fit or the size is zero.
    pub fn from_rgba16(width: u32, height: u32, rgba: Vec<u16>) -> Result<Picture, ImagingError> {
        check_shape(width, height, 4, rgba.len())?;
        let samples = Samples::Sixteen(rgba);
        Ok(Picture::assemble(width, height, samples, None))
    }

    /// Shape already checked by the caller.
    pub(super) fn assemble(width: u32, height: u32, samples: Samples, profile: Option<Arc<Profile>>) -> Picture {
        let has_alpha = match &samples {
            Samples::Eight(v) => any_transparent(v),
            Samples::Sixteen(v) => any_transparent(v),
        };
        let (exif, remarks) = (None, Vec::new());
        Picture { width, height, samples: Arc::new(samples), has_alpha, profile, exif, remarks }
    }

    /// The same picture out of a file that tells of its camera.
    pub(super) fn with_exif(self, exif: Option<Vec<u8>>) -> Picture {
        Picture { exif: exif.map(Arc::from), ..self }
    }

    /// The same picture out of a file of which there is something to say.
    pub(super) fn with_remarks(self, remarks: Vec<Remark>) -> Picture {
        Picture { remarks, ..self }
    }

    /// Made of this one: with other samples, but with its profile and camera data.
    fn derived(&self, [width, height]: [u32; 2], samples: Samples) -> Picture {
        Picture { exif: self.exif.clone(), ..Picture::assemble(width, height, samples, self.profile.clone()) }
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// How many pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// What its pixels take of memory.
    pub fn bytes(&self) -> u64 {
        match &*self.samples {
            Samples::Eight(samples) => samples.len() as u64,
            Samples::Sixteen(samples) => 2 * samples.len() as u64,
        }
    }

    /// Whether any pixel is less than opaque.
    pub fn has_alpha(&self) -> bool {
        self.has_alpha
    }

    /// Whether the samples are 16-bit.
    pub fn is_sixteen_bit(&self) -> bool {
        matches!(*self.samples, Samples::Sixteen(_))
    }

    /// The embedded colour profile; `None` means sRGB.
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// Camera data: an EXIF chunk, as [`encode`](super::encode()) writes it. Its orientation is none and it has no thumbnail.
    pub fn exif(&self) -> Option<&[u8]> {
        self.exif.as_deref()
    }

    /// The same picture without camera data, which may tell where somebody lives.
    pub fn without_exif(&self) -> Picture {
        Picture { exif: None, ..self.clone() }
    }

    /// What a person should know of the file that it was opened from.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The samples in the picture's own encoding.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The colour space's name for the status bar: "sRGB", "Display P3", ...
    pub fn colour_name(&self) -> &str {
        self.conversion().map_or("sRGB", Profile::name)
    }

    /// The profile, if it differs from sRGB so that values must be converted.
    pub(super) fn conversion(&self) -> Option<&Profile> {
        self.profile().filter(|p| !p.is_srgb())
    }

    /// The same size, profile and camera data with other samples.
    pub(super) fn with_samples(&self, samples: Samples) -> Picture {
        self.derived(self.size(), samples)
    }

    /// For the screen: sRGB by way of the ICC profile, RGBA, straight alpha, 8 bit.
    pub fn to_srgba8(&self) -> Vec<u8> {
        let Some(profile) = self.conversion() else {
            return match &*self.samples {
                Samples::Eight(v) => v.clone(),
                Samples::Sixteen(v) => v.par_iter().map(|&s| u8::narrow(s)).collect(),
            };
        };
        let row_len = self.width as usize * 4;
        let mut out = vec![0; row_len * self.height as usize];
        out.par_chunks_mut(row_len).enumerate().for_each_init(
            || (Vec::new(), Vec::new()),
            |(own, srgb), (y, row)| {
                self.row16(y, own);
                profile.own_to_srgb(own, srgb);
                for (to, &from) in row.iter_mut().zip(&*srgb) {
                    *to = u8::narrow(from);
                }
            },
        );
        out
    }

    /// For networks: `[3, height, width]`, sRGB-encoded, 0..=1.
    ///
    /// Transparent pixels are laid over the picture's own alpha-weighted mean colour, so neither
    /// colours hidden under alpha 0 nor a foreign background can bleed into a result.
    pub fn to_planar_rgb(&self) -> Vec<f32> {
        let (width, plane) = (self.width as usize, self.pixels() as usize);
        let ground = if self.has_alpha { self.mean_colour() } else { [0.0; 3] };
        let mut out = vec![0.0; plane * 3];
        let (red, rest) = out.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        red.par_chunks_mut(width)
            .zip(green.par_chunks_mut(width))
            .zip(blue.par_chunks_mut(width))
            .enumerate()
            .for_each_init(Vec::new, |row, (y, ((r, g), b))| {
                self.srgb_row(y as u32, row);
                for (x, p) in row.iter().enumerate() {
                    let over = |c: usize| ground[c] + (p[c] - ground[c]) * p[3];
                    (r[x], g[x], b[x]) = if p[3] == 1.0 { (p[0], p[1], p[2]) } else { (over(0), over(1), over(2)) };
                }
            });
        out
    }

    /// The alpha-weighted mean in sRGB, 0..=1; middle grey where nothing is visible.
    fn mean_colour(&self) -> [f32; 3] {
        let sums = (0..self.height)
            .into_par_iter()
            .map_init(Vec::new, |row, y| {
                self.srgb_row(y, row);
                row.iter().fold([0.0f64; 4], |mut sum, p| {
                    let a = f64::from(p[3]);
                    for c in 0..3 {
                        sum[c] += f64::from(p[c]) * a;
                    }
                    sum[3] += a;
                    sum
                })
            })
            .reduce(|| [0.0; 4], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]);
        if sums[3] > 0.0 { [0, 1, 2].map(|c| (sums[c] / sums[3]) as f32) } else { [0.5; 3] }
    }

    /// Row `y` as sRGB-encoded RGBA, 0..=1, straight alpha; empty below the last row.
    pub fn srgb_row(&self, y: u32, out: &mut Vec<[f32; 4]>) {
        fn unit<T: Sample>(samples: &[T], out: &mut Vec<[f32; 4]>) {
            let (pixels, _) = samples.as_chunks::<4>();
            out.extend(pixels.iter().map(|p| p.map(T::unit)));
        }
        out.clear();
        if y >= self.height {
            return;
        }
        let row_len = self.width as usize * 4;
        let range = y as usize * row_len..(y as usize + 1) * row_len;
        match (self.conversion(), &*self.samples) {
            (None, Samples::Eight(v)) => unit(&v[range], out),
            (None, Samples::Sixteen(v)) => unit(&v[range], out),
            (Some(profile), _) => {
                let (mut own, mut srgb) = (Vec::new(), Vec::new());
                self.row16(y as usize, &mut own);
                profile.own_to_srgb(&own, &mut srgb);
                unit(&srgb, out);
            }
        }
    }

    /// Row `y` in the picture's own encoding, widened to 16 bit.
    fn row16(&self, y: usize, out: &mut Vec<u16>) {
        let row_len = self.width as usize * 4;
        let range = y * row_len..(y + 1) * row_len;
        out.clear();
        match &*self.samples {
            Samples::Eight(v) => out.extend(v[range].iter().map(|s| s.widen())),
            Samples::Sixteen(v) => out.extend_from_slice(&v[range]),
        }
    }

    /// The part of `size` (width and height) whose upper left corner lies at `at`; what lies beyond the picture is the
    /// picture mirrored, without its edge twice.
    pub fn window(&self, at: [i32; 2], size: [u32; 2]) -> Picture {
        fn cut<T: Sample>(samples: &[T], row: usize, columns: &[usize], rows: &[usize]) -> Vec<T> {
            let pixel = |y: usize, x: usize| &samples[y * row + 4 * x..y * row + 4 * x + 4];
            rows.iter().flat_map(|y| columns.iter().flat_map(move |x| pixel(*y, *x))).copied().collect()
        }
        let places = |from: i32, count: u32, n: u32| -> Vec<usize> {
            (0..i64::from(count)).map(|i| mirror(i64::from(from) + i, n as usize)).collect()
        };
        let (columns, rows) = (places(at[0], size[0], self.width), places(at[1], size[1], self.height));
        let row = self.width as usize * 4;
        let samples = match &*self.samples {
            Samples::Eight(v) => Samples::Eight(cut(v, row, &columns, &rows)),
            Samples::Sixteen(v) => Samples::Sixteen(cut(v, row, &columns, &rows)),
        };
        self.derived(size, samples)
    }

    /// Scaled so that the longer side has `longer_side` pixels; never enlarged.
    ///
    /// Lanczos on premultiplied values, in the picture's own encoding; depth and profile stay.
    pub fn resized(&self, longer_side: u32) -> Picture {
        let [width, height] = scaled_size(self.size(), longer_side);
        self.resized_to(width, height)
    }

    /// Scaled to exactly `width` x `height` pixels (at least 1 x 1), smaller or larger.
    pub fn resized_to(&self, width: u32, height: u32) -> Picture {
        // Always wanted, so there is always a result.
        self.resized_to_while(width, height, &|| true).unwrap_or_else(|| self.clone())
    }

    /// The same, given up as soon as it is no longer `wanted`: `None`. A hundred megapixels take seconds.
    pub fn resized_to_while(&self, width: u32, height: u32, wanted: &(dyn Fn() -> bool + Sync)) -> Option<Picture> {
        let (width, height) = (width.max(1), height.max(1));
        if [width, height] == self.size() {
            return Some(self.clone());
        }
        let (from, to) = (self.size(), [width, height]);
        let samples = match &*self.samples {
            Samples::Eight(v) => Samples::Eight(resize::lanczos(v, from, to, wanted)?),
            Samples::Sixteen(v) => Samples::Sixteen(resize::lanczos(v, from, to, wanted)?),
        };
        Some(self.derived([width, height], samples))
    }
}

/// Whether `samples` values are `channels` per pixel of a non-empty picture.
pub(super) fn check_shape(width: u32, height: u32, channels: u64, samples: usize) -> Result<(), ImagingError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > 0 && pixels.checked_mul(channels) == Some(samples as u64) {
        return Ok(());
    }
    Err(ImagingError::BadShape { width, height, samples })
}

fn any_transparent<T: Sample>(rgba: &[T]) -> bool {
    let (pixels, _) = rgba.as_chunks::<4>();
    pixels.par_chunks(1 << 16).any(|part| part.iter().any(|p| p[3] != T::MAX))
}
