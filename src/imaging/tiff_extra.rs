//! TIFF 6.0 beyond what `image` reads: grey with alpha, grey of 2 or 4 bits, YCbCr as JPEG in TIFF
//! has it, half and single floats, alpha stored premultiplied, profiles larger than the picture.

use std::io::Cursor;

use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::decode::{Limits, Raw, brief, damaged, from_floats, spread, zeroed};
use super::picture::Sample;
use super::{Damage, Excess, ImagingError, Kind, Samples};

/// Value of the ExtraSamples tag for premultiplied ("associated") alpha.
const ASSOCIATED: u16 = 1;

/// Longest profile that is read, in bytes: printer profiles with large tables have a few MB.
const MAX_ICC: u64 = 10 << 20;

/// The first page's ICC profile. `image` loses it where profile bytes x 32 exceed the picture's.
pub(super) fn icc(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    let mut page = decoder.image_ifd();
    let len = page.find_entry(Tag::IccProfile)?.count();
    let mut icc = zeroed(usize::try_from(len).ok().filter(|_| len <= MAX_ICC)?).ok()?;
    page.find_tag_bytes(Tag::IccProfile, &mut icc, 0).ok()?;
    Some(icc)
}

/// Whether the first page says that its colours are premultiplied by its alpha.
pub(super) fn is_premultiplied(bytes: &[u8]) -> bool {
    Decoder::new(Cursor::new(bytes))
        .and_then(|mut d| d.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples))
        .is_ok_and(|extra| extra.is_some_and(|e| e.first() == Some(&ASSOCIATED)))
}

/// Makes premultiplied RGBA straight, in place.
pub(super) fn unpremultiply(samples: &mut Samples) {
    fn divide<T: Sample>(rgba: &mut [T]) {
        for pixel in rgba.as_chunks_mut::<4>().0 {
            let a = pixel[3].unit();
            if a > 0.0 && a < 1.0 {
                for c in &mut pixel[..3] {
                    *c = T::from_unit(c.unit() / a);
                }
            }
        }
    }
    match samples {
        Samples::Eight(v) => divide(v),
        Samples::Sixteen(v) => divide(v),
    }
}

fn failed(error: TiffError) -> ImagingError {
    match error {
        TiffError::UnsupportedError(e) => {
            log::debug!("unsupported TIFF: {e}");
            ImagingError::Unsupported { what: Kind::Variant("TIFF".to_owned()) }
        }
        TiffError::IoError(_) => too_short(),
        TiffError::LimitsExceeded | TiffError::IntSizeError => ImagingError::TooLarge { reason: Excess::DecoderMemory },
        other => damaged(Damage::Told(brief(&other.to_string()))),
    }
}

/// Reads the first page; `None` if it is of a kind that is not read here either.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Raw>, ImagingError> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions().map_err(failed)?;
    let Ok(colour_type) = decoder.colortype() else {
        return Ok(None);
    };
    let (bits, channels) = match colour_type {
        ColorType::Gray(bits) => (bits, 1),
        ColorType::GrayA(bits) => (bits, 2),
        ColorType::Multiband { bit_depth, num_samples: 2 } => (bit_depth, 2),
        ColorType::RGB(bits) => (bits, 3),
        ColorType::YCbCr(8) => (8, 3),
        ColorType::RGBA(bits) => (bits, 4),
        _ => return Ok(None),
    };
    limits.check([width, height], 4, u64::from(bits) * channels as u64, bytes.len())?;
    let mut buffers = TiffLimits::default();
    buffers.decoding_buffer_size = usize::try_from(limits.max_alloc).unwrap_or(usize::MAX);
    buffers.intermediate_buffer_size = buffers.decoding_buffer_size;
    let mut decoder = decoder.with_limits(buffers);

    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation);
    let orientation = orientation.ok().flatten().and_then(Orientation::from_exif);
    let data = decoder.read_image().map_err(failed)?;
    let stored = width as usize * height as usize * channels;
    let Some(mut samples) = to_rgba(data, bits, channels, width as usize, stored)? else {
        return Ok(None);
    };
    if let (ColorType::YCbCr(_), Samples::Eight(v)) = (colour_type, &mut samples) {
        v.as_chunks_mut::<4>().0.iter_mut().for_each(from_ycbcr);
    }
    if is_premultiplied(bytes) {
        unpremultiply(&mut samples);
    }
    Ok(Some(Raw {
        samples,
        size: [width, height],
        grey: channels < 3,
        icc: icc(bytes),
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        exif: None,
    }))
}

fn to_rgba(
    data: DecodingResult,
    bits: u8,
    channels: usize,
    width: usize,
    stored: usize,
) -> Result<Option<Samples>, ImagingError> {
    fn whole<T: Sample>(values: &[T], channels: usize, stored: usize) -> Result<Vec<T>, ImagingError> {
        let mut rgba = zeroed::<T>(stored / channels * 4)?;
        let values = values.get(..stored).ok_or_else(too_short)?;
        rgba[..stored].copy_from_slice(values);
        spread(&mut rgba, channels);
        Ok(rgba)
    }
    let floats = |values: Vec<f32>| from_floats(values.get(..stored).ok_or_else(too_short)?, channels);
    Ok(Some(match data {
        DecodingResult::U8(v) if bits == 8 => Samples::Eight(whole(&v, channels, stored)?),
        DecodingResult::U8(v) if channels == 1 && matches!(bits, 2 | 4) => {
            Samples::Eight(whole(&unpacked(&v, bits, width), 1, stored)?)
        }
        DecodingResult::U16(v) if bits == 16 => Samples::Sixteen(whole(&v, channels, stored)?),
        DecodingResult::F16(v) => floats(v.into_iter().map(f32::from).collect())?,
        DecodingResult::F32(v) => floats(v)?,
        DecodingResult::F64(v) => floats(v.into_iter().map(|x| x as f32).collect())?,
        _ => return Ok(None),
    }))
}

/// Full-range BT.601, as JFIF defines it.
fn from_ycbcr(pixel: &mut [u8; 4]) {
    let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    pixel[..3].copy_from_slice(&rgb.map(|v| u8::from_unit(v / 255.0)));
}

fn too_short() -> ImagingError {
    damaged(Damage::EndsEarly)
}

/// Rows of 2- or 4-bit grey, each padded to a byte, to 0..=255.
fn unpacked(packed: &[u8], bits: u8, width: usize) -> Vec<u8> {
    let per_byte = usize::from(8 / bits);
    let mask = (1u8 << bits) - 1;
    packed
        .chunks(width.div_ceil(per_byte))
        .flat_map(|row| {
            (0..width.min(row.len() * per_byte)).map(move |x| {
                let shift = 8 - bits * (x % per_byte + 1) as u8;
                (row[x / per_byte] >> shift & mask) * (255 / mask)
            })
        })
        .collect()
}
