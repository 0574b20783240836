//! Writing and reading files: every bit back, alpha, depth, profiles, what a format would lose.

use std::io::Cursor;
use std::path::Path;

use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;
use lucida::imaging::{Format, ImagingError, Loss, Picture, Remark, Samples, decode, encode, export_mixed, open};
use moxcms::ColorProfile;
use proptest::prelude::*;

use crate::{bytes_of, exif, picture, with_profile};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn lossless_formats_bring_every_bit_back(
        width in 1u32..50, height in 1u32..50, seed in any::<u32>(),
        alpha in any::<bool>(), sixteen in any::<bool>(), profile in any::<bool>(),
    ) {
        let mut original = picture(width, height, seed, alpha, sixteen);
        if profile {
            original = with_profile(&original, &ColorProfile::new_adobe_rgb());
        }
        for format in [Format::Png, Format::Tiff, Format::WebP] {
            let again = decode(&encode(&original, format).unwrap()).unwrap();
            if format == Format::WebP && sixteen {
                let Samples::Sixteen(wide) = original.samples() else { unreachable!() };
                let exact: Vec<u8> =
                    wide.iter().map(|&v| (f64::from(v) * 255.0 / 65535.0).round() as u8).collect();
                prop_assert_eq!(again.samples(), &Samples::Eight(exact));
                prop_assert_eq!(again.profile().map(|p| p.icc()), original.profile().map(|p| p.icc()));
            } else {
                prop_assert_eq!(&again, &original, "{:?}", format);
            }
        }
    }
}

#[test]
fn every_format_writes_the_profile() {
    let p3 = with_profile(&picture(9, 7, 3, false, true), &ColorProfile::new_display_p3());
    assert_eq!(p3.colour_name(), "Display P3");
    for format in [Format::Png, Format::Jpeg { quality: 90 }, Format::WebP, Format::Tiff] {
        let again = decode(&encode(&p3, format).unwrap()).unwrap();
        assert_eq!(again.profile().unwrap().icc(), p3.profile().unwrap().icc(), "{format:?}");
        assert_eq!(again.colour_name(), "Display P3");
    }
    let plain = picture(9, 7, 3, false, false);
    for format in [Format::Png, Format::Jpeg { quality: 90 }, Format::WebP, Format::Tiff] {
        assert!(decode(&encode(&plain, format).unwrap()).unwrap().profile().is_none());
    }
}

#[test]
fn camera_data_goes_along_but_for_the_orientation() {
    let stored = picture(9, 7, 4, false, false);
    let (bytes, colour) = bytes_of(&stored);
    let rgb: Vec<u8> = bytes.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let mut file = Vec::new();
    let mut jpeg = JpegEncoder::new_with_quality(&mut file, 100);
    jpeg.set_exif_metadata(exif(6)).unwrap();
    jpeg.write_image(&rgb, 9, 7, image::ExtendedColorType::Rgb8).unwrap();
    let photo = decode(&file).unwrap();
    assert_eq!((photo.size(), photo.exif()), ([7, 9], Some(&*exif(1))));
    let made = export_mixed(&photo.resized(8), |[r, g, b], _| [1.0 - r, g, b], false).unwrap();
    for format in [Format::Png, Format::Jpeg { quality: 90 }, Format::WebP, Format::Tiff] {
        let again = decode(&encode(&made, format).unwrap()).unwrap();
        assert_eq!(again.size(), made.size(), "turned once, not twice");
        let kept = (format != Format::Tiff).then(|| exif(1));
        assert_eq!(again.exif(), kept.as_deref(), "{format:?}");
        assert_eq!(format.losses(&made).contains(&Loss::CameraData), kept.is_none(), "{format:?}");
        assert_eq!(decode(&encode(&made.without_exif(), format).unwrap()).unwrap().exif(), None);
    }
    // As long as a segment may be, and longer.
    let with_exif_of = |length: usize| {
        let mut png = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        let chunk = exif(1).into_iter().chain(std::iter::repeat(7)).take(length).collect();
        encoder.set_exif_metadata(chunk).unwrap();
        encoder.write_image(&bytes, 9, 7, colour).unwrap();
        decode(&png).unwrap()
    };
    let jpeg = Format::Jpeg { quality: 90 };
    for (length, fits) in [(65_527, true), (65_528, false)] {
        let photo = with_exif_of(length);
        assert_eq!(photo.exif().map(<[u8]>::len), Some(length));
        assert_eq!(jpeg.losses(&photo).contains(&Loss::CameraData), !fits);
        assert_eq!(decode(&encode(&photo, jpeg).unwrap()).unwrap().exif().is_some(), fits);
    }
}

#[test]
fn a_jpeg_without_its_end_is_opened_and_told() {
    let whole = encode(&picture(64, 48, 4, false, false), Format::Jpeg { quality: 90 }).unwrap();
    let remarks = |file: &[u8]| decode(file).unwrap().remarks().to_vec();
    assert_eq!(remarks(&whole), []);
    assert_eq!(remarks(&[&whole[..], b"and what others append"].concat()), []);
    for part in [2, 3] {
        assert_eq!(remarks(&whole[..whole.len() * part / 4]), [Remark::EndsEarly]);
    }
    assert_eq!(remarks(&whole[..whole.len() - 2]), [Remark::EndsEarly]);
}

#[test]
fn opaque_pictures_are_written_without_alpha_and_tiff_names_its_fourth_channel() {
    for sixteen in [false, true] {
        for alpha in [false, true] {
            let file = encode(&picture(8, 8, 5, alpha, sixteen), Format::Tiff).unwrap();
            let mut tiff = tiff::decoder::Decoder::new(Cursor::new(&file)).unwrap();
            let extra = tiff.find_tag_unsigned_vec::<u16>(tiff::tags::Tag::ExtraSamples).unwrap();
            assert_eq!(extra, alpha.then(|| vec![2]));
            let png = encode(&picture(8, 8, 5, alpha, sixteen), Format::Png).unwrap();
            assert_eq!(png[25], if alpha { 6 } else { 2 }, "PNG colour type");
            assert_eq!(png[24], if sixteen { 16 } else { 8 }, "PNG depth");
        }
    }
}

#[test]
fn jpeg_lays_transparency_over_white() {
    let rgba = [0, 0, 0, 0].repeat(64).into_iter().chain([0, 0, 0, 128].repeat(64)).collect();
    let file = encode(&Picture::from_rgba8(8, 16, rgba).unwrap(), Format::Jpeg { quality: 100 });
    let rgb = decode(&file.unwrap()).unwrap().to_srgba8();
    assert!(rgb[0] >= 253, "{}", rgb[0]);
    assert!(rgb[rgb.len() - 4].abs_diff(127) <= 2, "{}", rgb[rgb.len() - 4]);
}

#[test]
fn losses_are_told_before_writing() {
    let jpeg = Format::Jpeg { quality: 92 };
    let rich = picture(4, 4, 1, true, true);
    assert_eq!(jpeg.losses(&rich), [Loss::Alpha, Loss::SixteenBit, Loss::Detail]);
    assert_eq!(Format::WebP.losses(&rich), [Loss::SixteenBit]);
    assert_eq!(Format::Png.losses(&rich), []);
    assert_eq!(Format::Tiff.losses(&rich), []);
    let wide = picture(16_384, 1, 1, false, false);
    assert_eq!(Format::WebP.losses(&wide), [Loss::TooLarge { max: 16_383 }]);
    let error = encode(&wide, Format::WebP).unwrap_err();
    assert!(matches!(error, ImagingError::TooLarge { .. }) && error.to_string().contains("16383"));
    let tall = picture(1, 65_536, 1, false, false);
    assert!(matches!(encode(&tall, jpeg), Err(ImagingError::TooLarge { .. })));
}

#[test]
fn formats_go_by_name_only_for_writing() {
    let by = |name: &str| Format::from_path(Path::new(name));
    assert_eq!(by("a/B.PNG"), Some(Format::Png));
    assert_eq!(by("x.jpeg"), Some(Format::Jpeg { quality: 92 }));
    assert_eq!(by("x.TIF"), Some(Format::Tiff));
    assert_eq!(by("x.webp"), Some(Format::WebP));
    assert_eq!(by("x.gif"), None);
    assert_eq!(by("png"), None);
    for format in [Format::Png, Format::WebP, Format::Tiff, Format::Jpeg { quality: 7 }] {
        let json = serde_json::to_string(&format).unwrap();
        assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), format);
        assert!(by(&format!("x.{}", format.extension())).is_some());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really a png.jpg");
    std::fs::write(&path, encode(&picture(5, 4, 1, true, true), Format::Png).unwrap()).unwrap();
    assert_eq!(open(&path).unwrap(), picture(5, 4, 1, true, true));
}

#[test]
fn grey_palette_and_float_files_load() {
    let grey_alpha = image::GrayAlphaImage::from_raw(2, 1, vec![9, 255, 200, 40]).unwrap();
    let mut png = Cursor::new(Vec::new());
    grey_alpha.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let loaded = decode(png.get_ref()).unwrap();
    assert_eq!(*loaded.samples(), Samples::Eight(vec![9, 9, 9, 255, 200, 200, 200, 40]));

    let floats = [0.0f32, 0.5, 1.0, -3.0, 7.0, f32::NAN];
    let mut tiff = Cursor::new(Vec::new());
    tiff::encoder::TiffEncoder::new(&mut tiff)
        .unwrap()
        .write_image::<tiff::encoder::colortype::RGB32Float>(2, 1, &floats)
        .unwrap();
    let expected = vec![0, 32768, 65535, 65535, 0, 65535, 0, 65535];
    assert_eq!(*decode(tiff.get_ref()).unwrap().samples(), Samples::Sixteen(expected));

    let mut tiff = Cursor::new(Vec::new());
    tiff::encoder::TiffEncoder::new(&mut tiff)
        .unwrap()
        .write_image::<tiff::encoder::colortype::Gray32Float>(2, 1, &[0.25, 2.0])
        .unwrap();
    let loaded = decode(tiff.get_ref()).unwrap();
    let Samples::Sixteen(v) = loaded.samples() else { panic!("{loaded:?}") };
    assert_eq!((v[0], v[4]), (16384, 65535));

    let pbm = decode(b"P1\n3 1\n1 0 1\n").unwrap();
    assert_eq!(pbm.to_srgba8(), [0, 0, 0, 255, 255, 255, 255, 255, 0, 0, 0, 255]);
}

#[test]
fn premultiplied_tiff_becomes_straight() {
    use tiff::encoder::{TiffEncoder, colortype};
    let mut file = Cursor::new(Vec::new());
    let mut tiff = TiffEncoder::new(&mut file).unwrap();
    let mut page = tiff.new_image::<colortype::RGBA8>(2, 1).unwrap();
    page.encoder().write_tag(tiff::tags::Tag::ExtraSamples, &[1u16][..]).unwrap();
    page.write_data(&[100, 50, 0, 128, 0, 0, 0, 0]).unwrap();
    let loaded = decode(file.get_ref()).unwrap();
    assert_eq!(*loaded.samples(), Samples::Eight(vec![199, 100, 0, 128, 0, 0, 0, 0]));
}

#[test]
fn animations_give_their_first_frame() {
    let mut file = Vec::new();
    let mut gif = image::codecs::gif::GifEncoder::new(&mut file);
    for colour in [[200, 10, 10, 255], [10, 10, 200, 255]] {
        let frame = image::RgbaImage::from_pixel(6, 5, image::Rgba(colour));
        gif.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(gif);
    let first = decode(&file).unwrap();
    assert_eq!(first.size(), [6, 5]);
    assert_eq!(first.to_srgba8()[..4], [200, 10, 10, 255]);
    assert_eq!(first.remarks(), [Remark::MoreFrames]);
    let frames = [picture(6, 5, 1, true, false), picture(6, 5, 2, true, false)];
    let seconds = [0.5; 2].map(std::time::Duration::from_secs_f32);
    for (count, remarks) in [(1, &[][..]), (2, &[Remark::MoreFrames])] {
        let file = lucida::imaging::encode_apng(&frames[..count], &seconds[..count]).unwrap();
        assert_eq!(decode(&file).unwrap().remarks(), remarks);
        let file = lucida::imaging::encode_gif(&frames[..count], &seconds[..count]).unwrap();
        assert_eq!(decode(&file).unwrap().remarks(), remarks);
    }
    let mut pages = Cursor::new(Vec::new());
    let mut tiff = tiff::encoder::TiffEncoder::new(&mut pages).unwrap();
    for _ in 0..2 {
        tiff.write_image::<tiff::encoder::colortype::Gray8>(2, 1, &[1, 2]).unwrap();
    }
    assert_eq!(decode(pages.get_ref()).unwrap().remarks(), [Remark::MoreFrames]);
    // A smaller copy of the first is no page.
    let mut pages = Cursor::new(Vec::new());
    let mut tiff = tiff::encoder::TiffEncoder::new(&mut pages).unwrap();
    for kind in [0u32, 1] {
        let mut page = tiff.new_image::<tiff::encoder::colortype::Gray8>(2, 1).unwrap();
        page.encoder().write_tag(tiff::tags::Tag::NewSubfileType, kind).unwrap();
        page.write_data(&[1, 2]).unwrap();
    }
    assert_eq!(decode(pages.get_ref()).unwrap().remarks(), []);
}

#[test]
fn label_maps_are_as_small_as_they_are_flat() {
    let (w, h) = (600, 400);
    let labels: Vec<u8> = (0..w * h).map(|i| if i % w < 200 { 7 } else { 15 }).collect();
    let png = lucida::imaging::encode_labels(w, h, &labels).unwrap();
    assert!(png.len() < (w * h) as usize / 100, "{} bytes", png.len());
    let back = image::load_from_memory(&png).unwrap();
    assert_eq!(back.as_luma8().unwrap().as_raw(), &labels);
}
