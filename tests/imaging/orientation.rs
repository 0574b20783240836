//! EXIF orientation, in every format that can carry one.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use lucida::imaging::{Picture, Samples, decode};
use proptest::prelude::*;

use crate::{bytes_of, exif, picture};

/// Where the upright pixel (x, y) lies in a stored picture of `w` x `h` (EXIF 2.3, 4.6.4 A).
fn stored_at(orientation: u8, x: u32, y: u32, w: u32, h: u32) -> (u32, u32) {
    match orientation {
        1 => (x, y),
        2 => (w - 1 - x, y),
        3 => (w - 1 - x, h - 1 - y),
        4 => (x, h - 1 - y),
        5 => (y, x),
        6 => (y, h - 1 - x),
        7 => (w - 1 - y, h - 1 - x),
        _ => (w - 1 - y, x),
    }
}

fn turned(stored: &Picture, orientation: u8) -> Picture {
    let (w, h) = (stored.width(), stored.height());
    let (uw, uh) = if orientation >= 5 { (h, w) } else { (w, h) };
    let index = |x, y| {
        let (sx, sy) = stored_at(orientation, x, y, w, h);
        ((sy * w + sx) * 4) as usize
    };
    let all = || (0..uh).flat_map(|y| (0..uw).map(move |x| (x, y)));
    match stored.samples() {
        Samples::Eight(v) => {
            let rgba = all().flat_map(|(x, y)| v[index(x, y)..][..4].to_vec());
            Picture::from_rgba8(uw, uh, rgba.collect()).unwrap()
        }
        Samples::Sixteen(v) => {
            let rgba = all().flat_map(|(x, y)| v[index(x, y)..][..4].to_vec());
            Picture::from_rgba16(uw, uh, rgba.collect()).unwrap()
        }
    }
}

fn tiff_with_orientation(picture: &Picture, orientation: u8) -> Vec<u8> {
    use tiff::encoder::{TiffEncoder, colortype};
    let mut file = Cursor::new(Vec::new());
    let mut tiff = TiffEncoder::new(&mut file).unwrap();
    let (w, h) = (picture.width(), picture.height());
    let tag = tiff::tags::Tag::Orientation;
    match picture.samples() {
        Samples::Eight(v) => {
            let mut page = tiff.new_image::<colortype::RGBA8>(w, h).unwrap();
            page.encoder().write_tag(tag, u16::from(orientation)).unwrap();
            page.write_data(v).unwrap();
        }
        Samples::Sixteen(v) => {
            let mut page = tiff.new_image::<colortype::RGBA16>(w, h).unwrap();
            page.encoder().write_tag(tag, u16::from(orientation)).unwrap();
            page.write_data(v).unwrap();
        }
    }
    file.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_orientation_comes_upright(
        width in 1u32..14, height in 1u32..14, seed in any::<u32>(), sixteen in any::<bool>(),
    ) {
        let stored = picture(width, height, seed, true, sixteen);
        let (bytes, colour) = bytes_of(&stored);
        for orientation in 1..=8 {
            let expected = turned(&stored, orientation);
            let mut png = Vec::new();
            let mut encoder = PngEncoder::new(&mut png);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            encoder.write_image(&bytes, width, height, colour).unwrap();
            prop_assert_eq!(&decode(&png).unwrap(), &expected, "PNG {}", orientation);
            let tiff = tiff_with_orientation(&stored, orientation);
            prop_assert_eq!(&decode(&tiff).unwrap(), &expected, "TIFF {}", orientation);
            if !sixteen {
                let mut webp = Vec::new();
                let mut encoder = WebPEncoder::new_lossless(&mut webp);
                // Some programs write JPEG's prefix there, too.
                let prefix = if seed % 2 == 0 { &b"Exif\0\0"[..] } else { b"" };
                encoder.set_exif_metadata([prefix, &exif(orientation)].concat()).unwrap();
                encoder.write_image(&bytes, width, height, colour).unwrap();
                prop_assert_eq!(&decode(&webp).unwrap(), &expected, "WebP {}", orientation);
            }
        }
    }
}

#[test]
fn jpeg_orientations_come_upright() {
    // Four flat quadrants survive JPEG; one is enough to tell all eight apart by its neighbours.
    let (w, h) = (32u32, 16u32);
    let rgb: Vec<u8> = (0..w * h)
        .flat_map(|i| match (i % w < w / 2, i / w < h / 2) {
            (true, true) => [250, 10, 10],
            (false, true) => [10, 250, 10],
            (true, false) => [10, 10, 250],
            (false, false) => [240, 240, 10],
        })
        .collect();
    let rgba = rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let stored = Picture::from_rgba8(w, h, rgba).unwrap();
    for orientation in 1..=8 {
        let mut file = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut file, 95);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&rgb, w, h, ExtendedColorType::Rgb8).unwrap();
        let upright = decode(&file).unwrap();
        let expected = turned(&stored, orientation);
        assert_eq!(upright.size(), expected.size(), "{orientation}");
        let worst = upright.to_srgba8().iter().zip(expected.to_srgba8()).map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst < Some(24), "{orientation}: {worst:?}");
    }
}
