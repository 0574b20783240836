//! What a picture goes through between two files: orientation, colour, alpha, depth, size, saving.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod animation;
mod colour;
mod formats;
mod orientation;
mod saving;
mod size;
mod time;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use lucida::imaging::{Picture, Samples, decode};
use moxcms::ColorProfile;

/// Deterministic noise.
fn noise(len: usize, seed: u32) -> Vec<u16> {
    let mut state = seed | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u16
    };
    (0..len).map(step).collect()
}

fn picture(width: u32, height: u32, seed: u32, alpha: bool, sixteen: bool) -> Picture {
    let mut rgba = noise((width * height * 4) as usize, seed);
    if !alpha {
        rgba.iter_mut().skip(3).step_by(4).for_each(|a| *a = 65535);
    }
    if sixteen {
        Picture::from_rgba16(width, height, rgba).unwrap()
    } else {
        let rgba = rgba.iter().map(|v| (v >> 8) as u8).collect();
        Picture::from_rgba8(width, height, rgba).unwrap()
    }
}

fn bytes_of(picture: &Picture) -> (Vec<u8>, ExtendedColorType) {
    match picture.samples() {
        Samples::Eight(v) => (v.clone(), ExtendedColorType::Rgba8),
        Samples::Sixteen(v) => (v.iter().flat_map(|s| s.to_ne_bytes()).collect(), ExtendedColorType::Rgba16),
    }
}

/// The picture with an ICC profile, by way of a PNG.
fn with_profile(picture: &Picture, profile: &ColorProfile) -> Picture {
    let (bytes, colour) = bytes_of(picture);
    let mut file = Vec::new();
    let mut png = PngEncoder::new(&mut file);
    png.set_icc_profile(profile.encode().unwrap()).unwrap();
    png.write_image(&bytes, picture.width(), picture.height(), colour).unwrap();
    decode(&file).unwrap()
}

/// EXIF with nothing but an orientation, little-endian.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}
