//! From a file's bytes to an upright [`Picture`], whatever the bytes are.

use std::cell::Cell;
use std::error::Error;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Once};

use image::codecs::webp::WebPDecoder;
use image::error::{ImageError, ImageFormatHint, LimitErrorKind};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};
use tiff::tags::Tag;

use super::colour::{self, Embedded};
use super::picture::Sample;
use super::{Damage, Excess, ImagingError, Kind, Picture, Samples, exif, extension, orient, tiff_extra};

/// Longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// Above this many decoded bytes a file must not be smaller than the pixels as it stores them by more than
/// [`MAX_RATIO`]. Below it even a picture that is all made up fits into a few hundred MB.
const SUSPICIOUS_BYTES: u64 = 384 << 20;

/// Deflate makes at best 1 byte of 1032: so flat a label map can be.
const MAX_RATIO: u64 = 1032;

/// What a picture may ask for before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest side in pixels.
    pub max_side: u32,
    /// Most pixels in all.
    pub max_pixels: u64,
    /// Most bytes for the decoded samples, and for a decoder's own buffers.
    pub max_alloc: u64,
}

/// What a person should know of a file that was opened all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A JPEG without its end: of a broken download, say. What is missing is grey, or of a progressive one coarse.
    EndsEarly,
    /// It has further frames or pages; the first was opened.
    MoreFrames,
}

impl Default for Limits {
    /// 65 535 pixels a side, 200 megapixels, 2 GiB.
    fn default() -> Limits {
        Limits { max_side: 65_535, max_pixels: 200_000_000, max_alloc: 2 << 30 }
    }
}

impl Limits {
    /// Checks a declared size against the limits and against the file that declares it, whose pixels take `stored` bits each.
    pub(super) fn check(
        &self,
        [width, height]: [u32; 2],
        bytes_per_sample: u64,
        stored: u64,
        file_len: usize,
    ) -> Result<(), ImagingError> {
        let pixels = u64::from(width) * u64::from(height);
        let too_large = |reason| Err(ImagingError::TooLarge { reason });
        if pixels == 0 {
            return Err(damaged(Damage::NoPixels));
        }
        if width.max(height) > self.max_side {
            return too_large(Excess::Side { width, height, most: self.max_side });
        }
        if pixels > self.max_pixels {
            return too_large(Excess::Pixels { width, height, most: self.max_pixels / 1_000_000 });
        }
        let decoded = pixels.saturating_mul(4 * bytes_per_sample);
        if decoded > self.max_alloc {
            return too_large(Excess::Samples { width, height, most: self.max_alloc >> 20 });
        }
        if decoded > SUSPICIOUS_BYTES && pixels.saturating_mul(stored) / 8 / MAX_RATIO > file_len as u64 {
            return Err(damaged(Damage::Hollow { width, height, bytes: file_len }));
        }
        Ok(())
    }
}

/// Reads the picture at `path`, by its content, upright; the first frame of an animation.
///
/// # Errors
/// [`ImagingError::Io`], [`ImagingError::NotAFile`], or as [`decode`].
pub fn open(path: &Path) -> Result<Picture, ImagingError> {
    let failed = |source| ImagingError::Io { action: "read", path: path.to_owned(), source };
    // Before opening: opening a pipe would wait for its writer.
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(ImagingError::NotAFile { path: path.to_owned() });
    }
    if metadata.len() > MAX_FILE {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // The file may grow while it is read.
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    // TGA has no signature: only here the name counts, and only if nothing else fits.
    let format = match image::guess_format(&bytes) {
        Ok(format) => Some(format),
        Err(_) if extension(path).as_deref() == Some("tga") => Some(ImageFormat::Tga),
        Err(_) => None,
    };
    decode_as(&bytes, format, &Limits::default())
}

/// Decodes a picture held in memory, going by its content.
///
/// # Errors
/// [`ImagingError::Unsupported`] if it is none that can be read, [`ImagingError::Damaged`] if it
/// is broken, [`ImagingError::TooLarge`] if it is over the default [`Limits`].
pub fn decode(bytes: &[u8]) -> Result<Picture, ImagingError> {
    decode_with(bytes, &Limits::default())
}

/// [`decode`] with other limits.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Picture, ImagingError> {
    decode_as(bytes, image::guess_format(bytes).ok(), limits)
}

fn decode_as(bytes: &[u8], format: Option<ImageFormat>, limits: &Limits) -> Result<Picture, ImagingError> {
    if bytes.is_empty() {
        return Err(damaged(Damage::Empty));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_long());
    }
    let format =
        format.filter(ImageFormat::reading_enabled).ok_or_else(|| ImagingError::Unsupported { what: kind(bytes) })?;
    guarded(|| {
        let raw = match read(bytes, format, limits) {
            Err(ImagingError::Unsupported { what }) if format == ImageFormat::Tiff => {
                tiff_extra::read(bytes, limits)?.ok_or(ImagingError::Unsupported { what })?
            }
            other => other?,
        };
        Ok(raw.into_picture())
    })
    // What fails only here is no reason to refuse the picture.
    .map(|picture| picture.with_remarks(guarded(|| Ok(remarks(bytes, format))).unwrap_or_default()))
}

/// A decoded picture as the file stores it.
pub(super) struct Raw {
    /// RGBA.
    pub samples: Samples,
    /// Width and height before turning.
    pub size: [u32; 2],
    /// Whether the file has one colour channel.
    pub grey: bool,
    /// Embedded profile.
    pub icc: Option<Vec<u8>>,
    /// How to turn it.
    pub orientation: Orientation,
    /// Camera data, as in the file.
    pub exif: Option<Vec<u8>>,
}

impl Raw {
    fn into_picture(mut self) -> Picture {
        let profile = match self.icc.map(|icc| colour::embedded(icc, self.grey)) {
            Some(Embedded::Keep(profile)) => Some(Arc::new(profile)),
            Some(Embedded::Convert(one_way)) => {
                one_way.apply(&mut self.samples);
                None
            }
            Some(Embedded::Ignore) | None => None,
        };
        let (samples, [width, height]) = orient::upright(self.samples, self.size, self.orientation);
        Picture::assemble(width, height, samples, profile).with_exif(self.exif.and_then(exif::kept))
    }
}

fn remarks(bytes: &[u8], format: ImageFormat) -> Vec<Remark> {
    let ends_early = format == ImageFormat::Jpeg && jpeg_ends_early(bytes);
    let more = has_more_frames(bytes, format);
    [ends_early.then_some(Remark::EndsEarly), more.then_some(Remark::MoreFrames)].into_iter().flatten().collect()
}

/// Whether a JPEG has no end-of-image marker after its first scan (ITU-T T.81, annex B). Decoders fill up what is missing.
fn jpeg_ends_early(bytes: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    let (mut at, mut scanned) = (2, false);
    loop {
        // Within a scan 0xff is followed by 0 or a restart marker; elsewhere it begins a segment, or fills.
        let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == 0xff)) else { return true };
        at += found + 1;
        match bytes.get(at) {
            None => return true,
            Some(&END) => return !scanned,
            Some(0 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(0xff) => {}
            Some(&marker) => {
                let Some(length) = bytes.get(at + 1..at + 3) else { return true };
                scanned |= marker == SCAN;
                at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
}

/// Whether there are pictures behind the first; no where that cannot be told.
fn has_more_frames(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Gif => {
            let mut options = gif::DecodeOptions::new();
            options.skip_frame_decoding(true);
            let Ok(mut gif) = options.read_info(bytes) else { return false };
            (0..2).all(|_| matches!(gif.next_frame_info(), Ok(Some(_))))
        }
        ImageFormat::Png => {
            let png = png::Decoder::new(Cursor::new(bytes)).read_info();
            png.is_ok_and(|png| png.info().animation_control.is_some_and(|animation| animation.num_frames > 1))
        }
        ImageFormat::WebP => WebPDecoder::new(Cursor::new(bytes)).is_ok_and(|webp| webp.has_animation()),
        ImageFormat::Tiff => {
            let Ok(mut tiff) = tiff::decoder::Decoder::new(Cursor::new(bytes)) else { return false };
            // Smaller copies of the first and masks are no pages.
            let kind = |tiff: &mut tiff::decoder::Decoder<_>| tiff.find_tag_unsigned(Tag::NewSubfileType).ok();
            tiff.more_images()
                && tiff.next_image().is_ok()
                && kind(&mut tiff).is_some_and(|k| k.unwrap_or(0u32) & 5 == 0)
        }
        _ => false,
    }
}

fn read(bytes: &[u8], format: ImageFormat, limits: &Limits) -> Result<Raw, ImagingError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder_limits = image::Limits::default();
    decoder_limits.max_image_width = Some(limits.max_side);
    decoder_limits.max_image_height = Some(limits.max_side);
    decoder_limits.max_alloc = Some(limits.max_alloc);
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(from_image)?;

    let (width, height) = decoder.dimensions();
    let size = [width, height];
    let colour_type = decoder.color_type();
    let bytes_per_sample = colour_type.bytes_per_pixel() / colour_type.channel_count();
    let stored = stored_bits(bytes, format).unwrap_or(decoder.original_color_type().bits_per_pixel().into());
    limits.check(size, u64::from(bytes_per_sample), stored, bytes.len())?;

    // Broken metadata is no reason to refuse a picture.
    let icc = match format {
        ImageFormat::Tiff => tiff_extra::icc(bytes),
        _ => decoder.icc_profile().ok().flatten(),
    };
    let exif = decoder.exif_metadata().ok().flatten().map(exif::bare);
    let orientation = match &exif {
        Some(chunk) => Orientation::from_exif_chunk(chunk),
        None => decoder.orientation().ok(),
    };
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let mut samples = read_samples(decoder, colour_type, width as usize * height as usize)?;
    if format == ImageFormat::Tiff && tiff_extra::is_premultiplied(bytes) {
        tiff_extra::unpremultiply(&mut samples);
    }
    Ok(Raw { samples, size, grey: !colour_type.has_color(), icc, orientation, exif })
}

fn read_samples(decoder: impl ImageDecoder, colour_type: ColorType, pixels: usize) -> Result<Samples, ImagingError> {
    let channels = usize::from(colour_type.channel_count());
    let stored = pixels * channels;
    match colour_type {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => {
            let mut rgba = zeroed::<u8>(pixels * 4)?;
            decoder.read_image(&mut rgba[..stored]).map_err(from_image)?;
            spread(&mut rgba, channels);
            Ok(Samples::Eight(rgba))
        }
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            let mut rgba = zeroed::<u16>(pixels * 4)?;
            let buffer = bytemuck::cast_slice_mut(&mut rgba[..stored]);
            decoder.read_image(buffer).map_err(from_image)?;
            spread(&mut rgba, channels);
            Ok(Samples::Sixteen(rgba))
        }
        ColorType::Rgb32F | ColorType::Rgba32F => {
            let mut values = zeroed::<f32>(stored)?;
            let buffer = bytemuck::cast_slice_mut(&mut values);
            decoder.read_image(buffer).map_err(from_image)?;
            from_floats(&values, channels)
        }
        _ => Err(ImagingError::Unsupported { what: Kind::Picture }),
    }
}

/// Grey, grey + alpha, RGB or RGBA (1 to 4 channels), 0..=1, clamped, to RGBA of 16 bit.
pub(super) fn from_floats(values: &[f32], channels: usize) -> Result<Samples, ImagingError> {
    let mut rgba = zeroed::<u16>(values.len() / channels * 4)?;
    for (to, &from) in rgba.iter_mut().zip(values) {
        *to = u16::from_unit(from);
    }
    spread(&mut rgba, channels);
    Ok(Samples::Sixteen(rgba))
}

/// Spreads pixels of 1 to 4 channels, packed at the front, to RGBA over the whole buffer. From the
/// back, in place: a large picture must not need its memory twice.
pub(super) fn spread<T: Sample>(buffer: &mut [T], channels: usize) {
    if channels == 4 {
        return;
    }
    for i in (0..buffer.len() / 4).rev() {
        let at = |c: usize| buffer[i * channels + c];
        let pixel = match channels {
            1 => [at(0), at(0), at(0), T::MAX],
            2 => [at(0), at(0), at(0), at(1)],
            _ => [at(0), at(1), at(2), T::MAX],
        };
        buffer[i * 4..i * 4 + 4].copy_from_slice(&pixel);
    }
}

/// A zeroed buffer, or an error where `vec!` would end the process. Asking twice keeps the
/// pages untouched until they are written, so a picture that lies about its size costs nothing.
pub(super) fn zeroed<T: Copy + Default>(len: usize) -> Result<Vec<T>, ImagingError> {
    let mut probe = Vec::<T>::new();
    probe
        .try_reserve_exact(len)
        .map_err(|_| ImagingError::TooLarge { reason: Excess::Memory { wanted: (len * size_of::<T>()) >> 20 } })?;
    drop(probe);
    Ok(vec![T::default(); len])
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder over untrusted bytes; its panic becomes [`ImagingError::Damaged`], without the
/// message on standard error that would look like a crash of Lucida.
fn guarded<T>(decode: impl FnOnce() -> Result<T, ImagingError>) -> Result<T, ImagingError> {
    static QUIET_HOOK: Once = Once::new();
    QUIET_HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                log::debug!("a decoder panicked: {info}");
            } else {
                previous(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(outer);
    result.unwrap_or_else(|_| Err(damaged(Damage::Contradiction)))
}

/// Puts the decoders' many errors into the few that matter to a person.
fn from_image(error: ImageError) -> ImagingError {
    match error {
        ImageError::Unsupported(e) => {
            log::debug!("unsupported: {e}");
            let format = match e.format_hint() {
                ImageFormatHint::Exact(format) => format.extensions_str().first(),
                _ => None,
            };
            let what = format.map_or(Kind::Picture, |f| Kind::Variant(f.to_uppercase()));
            ImagingError::Unsupported { what }
        }
        ImageError::Limits(e) => ImagingError::TooLarge {
            reason: match e.kind() {
                LimitErrorKind::DimensionError => Excess::DecoderSide,
                _ => Excess::DecoderMemory,
            },
        },
        ImageError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => damaged(Damage::EndsEarly),
        // The source says what is wrong; the error itself only that something is.
        ImageError::Decoding(e) => told(&e.source().map_or_else(|| e.to_string(), ToString::to_string)),
        other => told(&other.to_string()),
    }
}

/// The bits that a pixel takes before it is compressed, where the decoder tells only what it makes of it.
fn stored_bits(bytes: &[u8], format: ImageFormat) -> Option<u64> {
    match format {
        // Depth and colour type of the header (PNG specification, 11.2.2); a palette's pixels are one number.
        ImageFormat::Png => {
            let channels = match bytes.get(25)? {
                2 => 3,
                4 => 2,
                6 => 4,
                _ => 1,
            };
            Some(u64::from(*bytes.get(24)?) * channels)
        }
        ImageFormat::Gif => Some(8),
        _ => None,
    }
}

/// What a decoder says, as far as it is said for people.
fn told(message: &str) -> ImagingError {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["image too large"]) {
        ImagingError::TooLarge { reason: Excess::DecoderSide }
    } else if says(&["not enough bytes", "unexpected end", "unexpected eof", "truncated"]) {
        damaged(Damage::EndsEarly)
    } else if says(&["{", "::"]) {
        log::debug!("damaged: {message}");
        damaged(Damage::Contradiction)
    } else {
        damaged(Damage::Told(brief(message)))
    }
}

fn too_long() -> ImagingError {
    ImagingError::TooLarge { reason: Excess::File { most: MAX_FILE >> 20 } }
}

pub(super) fn damaged(reason: Damage) -> ImagingError {
    ImagingError::Damaged { reason }
}

/// A decoder's message cut to one short line.
pub(super) fn brief(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim();
    line.trim_matches(['.', '"']).chars().take(160).collect()
}

/// What unreadable content seems to be, by its first bytes.
fn kind(bytes: &[u8]) -> Kind {
    let text = bytes.trim_ascii_start();
    let brand = bytes.get(4..12).unwrap_or_default();
    match bytes {
        _ if brand.starts_with(b"ftypavi") => Kind::Avif,
        _ if matches!(brand, b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftypheim") => Kind::Heic,
        _ if brand.starts_with(b"ftyp") => Kind::Video,
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', ..] => Kind::JpegXl,
        [b'8', b'B', b'P', b'S', ..] => Kind::Photoshop,
        [b'%', b'P', b'D', b'F', ..] => Kind::Pdf,
        _ if text.starts_with(b"<svg") || text.starts_with(b"<?xml") => Kind::Svg,
        _ if text.starts_with(b"<") => Kind::WebPage,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_may_be_as_small_as_deflate_makes_them() {
        let check = |stored: u64, file: usize| Limits::default().check([12_000, 9_000], 1, stored, file);
        // 108 megapixels: as a bit each, as grey or labels, as RGB.
        for (stored, least) in [(1, 13_081), (8, 104_651), (24, 313_953)] {
            assert!(check(stored, least).is_ok(), "{stored}");
            assert!(check(stored, least - 20).is_err(), "{stored}");
        }
    }

    #[test]
    fn a_palette_takes_its_numbers_only() {
        for (colour, bits) in [(png::ColorType::Indexed, 8), (png::ColorType::Grayscale, 8), (png::ColorType::Rgb, 24)]
        {
            let mut file = Vec::new();
            let mut encoder = png::Encoder::new(&mut file, 2, 1);
            encoder.set_color(colour);
            encoder.set_palette([0, 0, 0, 9, 9, 9].as_slice());
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&vec![0; 2 * bits / 8]).unwrap();
            writer.finish().unwrap();
            assert_eq!(stored_bits(&file, ImageFormat::Png), Some(bits as u64), "{colour:?}");
        }
    }

    #[test]
    fn decoders_are_not_quoted_in_their_own_language() {
        let said = |message: &str| told(message).to_string();
        assert!(
            said("Image too large (one of (3000000, 2) > soft limit of 65535)")
                .contains("one side has too many pixels")
        );
        assert!(said("I/O errors Not enough bytes, expected 162 but found 132").contains("ends too early"));
        assert!(!said("ChunkType { type: R, critical: true }").contains('{'));
        assert!(said("invalid Huffman table").contains("invalid Huffman table"));
    }
}
