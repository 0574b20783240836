//! Writing several pictures as one animation that loops.

use std::time::Duration;

use quantette::deps::palette::Srgb;
use quantette::{ImageRef, PaletteSize, Pipeline};
use rayon::prelude::*;

use super::{ImagingError, Picture};

/// Encodes pictures of one size as a GIF that loops, each with a palette of its own of at most 256 colours; `delays`, one
/// for each, are rounded to hundredths of a second. Transparency is all or nothing.
///
/// # Errors
/// [`ImagingError::Encode`] for pictures of several sizes or with sides beyond 65 535, for none at all, and where delays are
/// missing.
pub fn encode_gif(frames: &[Picture], delays: &[Duration]) -> Result<Vec<u8>, ImagingError> {
    let [width, height] = common_size("GIF", frames, delays)?;
    let refused = |reason: String| ImagingError::Encode { format: "GIF", reason };
    let side = |side| u16::try_from(side).map_err(|_| refused(format!("it holds 65535 pixels a side, not {side}")));
    let (width, height) = (side(width)?, side(height)?);
    let paletted = |(picture, delay): (&Picture, &Duration)| {
        let rgba = picture.to_srgba8();
        let pixels = rgba.as_chunks::<4>().0;
        // The last colour is none.
        let clear = pixels.iter().any(|p| p[3] < 128);
        // What cannot be seen needs no colour of its own.
        let hidden = pixels.iter().find(|p| p[3] >= 128).copied().unwrap_or_default();
        let seen = pixels.iter().map(|p| if p[3] >= 128 { *p } else { hidden });
        let seen: Vec<Srgb<u8>> = seen.map(|[r, g, b, _]| Srgb::new(r, g, b)).collect();
        let image = ImageRef::new(picture.width(), picture.height(), &seen).map_err(|e| refused(e.to_string()))?;
        let size = if clear { PaletteSize::from_u16_clamped(255) } else { PaletteSize::MAX };
        // Dots that change with every frame would flicker.
        let pipeline = Pipeline::new().palette_size(size).ditherer(None);
        let (palette, mut indices) = pipeline.input_image(image).output_srgb8_indexed_image().into_parts();
        let mut palette: Vec<u8> = palette.into_iter().flat_map(|c| [c.red, c.green, c.blue]).collect();
        let transparent = clear.then_some((palette.len() / 3) as u8);
        if let Some(transparent) = transparent {
            palette.extend([0; 3]);
            let hidden = indices.iter_mut().zip(pixels).filter(|(_, p)| p[3] < 128);
            hidden.for_each(|(index, _)| *index = transparent);
        }
        let mut frame = gif::Frame::from_palette_pixels(width, height, indices, palette, transparent);
        frame.delay = u16::try_from((delay.as_millis() + 5) / 10).unwrap_or(u16::MAX);
        frame.dispose = gif::DisposalMethod::Background;
        Ok(frame)
    };
    let paletted: Vec<gif::Frame<'_>> = frames.par_iter().zip(delays).map(paletted).collect::<Result<_, _>>()?;
    let mut file = Vec::new();
    let mut write = || {
        let mut encoder = gif::Encoder::new(&mut file, width, height, &[])?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        paletted.iter().try_for_each(|frame| encoder.write_frame(frame))
    };
    let written: Result<(), gif::EncodingError> = write();
    written.map_err(|e| refused(e.to_string()))?;
    Ok(file)
}

/// Encodes pictures of one size as an APNG that loops, with all their colours; `delays`, one for each, in milliseconds and
/// at most 65 seconds. What does not know animations shows the first picture.
///
/// # Errors
/// [`ImagingError::Encode`] for pictures of several sizes, for none at all, and where delays are missing.
pub fn encode_apng(frames: &[Picture], delays: &[Duration]) -> Result<Vec<u8>, ImagingError> {
    let [width, height] = common_size("APNG", frames, delays)?;
    let refused = |e: png::EncodingError| ImagingError::Encode { format: "APNG", reason: e.to_string() };
    let alpha = frames.iter().any(Picture::has_alpha);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(if alpha { png::ColorType::Rgba } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    // As pictures are.
    encoder.set_deflate_compression(png::DeflateCompression::Level(2));
    encoder.set_filter(png::Filter::Adaptive);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    encoder.set_animated(u32::try_from(frames.len()).unwrap_or(u32::MAX), 0).map_err(refused)?;
    let mut writer = encoder.write_header().map_err(refused)?;
    for (picture, delay) in frames.iter().zip(delays) {
        let milliseconds = u16::try_from(delay.as_millis()).unwrap_or(u16::MAX);
        writer.set_frame_delay(milliseconds, 1000).map_err(refused)?;
        let mut pixels = picture.to_srgba8();
        if !alpha {
            pixels = pixels.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        }
        writer.write_image_data(&pixels).map_err(refused)?;
    }
    writer.finish().map_err(refused)?;
    Ok(file)
}

/// The size that all have.
fn common_size(format: &'static str, frames: &[Picture], delays: &[Duration]) -> Result<[u32; 2], ImagingError> {
    let refused = |reason: String| Err(ImagingError::Encode { format, reason });
    let Some(first) = frames.first().map(Picture::size) else {
        return refused("it has no pictures".to_owned());
    };
    if let Some(other) = frames.iter().map(Picture::size).find(|size| *size != first) {
        let [[w, h], [w2, h2]] = [first, other];
        return refused(format!("its pictures differ in size, {w} x {h} and {w2} x {h2} pixels"));
    }
    if delays.len() != frames.len() {
        return refused(format!("it has {} pictures but {} delays", frames.len(), delays.len()));
    }
    Ok(first)
}
