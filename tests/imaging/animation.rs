//! Animations, and numbers beside pictures: written, and read again by other code.

use std::io::Cursor;
use std::time::Duration;

use candle_core::Tensor;
use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use lucida::imaging::{ImagingError, Picture, encode_apng, encode_gif, encode_npy};

use super::picture;

/// Smooth colours, another hue in each.
fn frames(width: u32, height: u32, alpha: bool) -> Vec<Picture> {
    let pixel = |i: u32, n: u32| {
        let (x, y) = (i % width * 255 / width, i / width * 255 / height);
        let a = if alpha && i.is_multiple_of(7) { 0 } else { 255 };
        [(x as u8).wrapping_add(n as u8 * 60), y as u8, 40 * n as u8, a]
    };
    let frame = |n| (0..width * height).flat_map(|i| pixel(i, n)).collect();
    (0..4).map(|n| Picture::from_rgba8(width, height, frame(n)).unwrap()).collect()
}

fn delays() -> Vec<Duration> {
    [500, 40, 333, 2000].map(Duration::from_millis).to_vec()
}

fn milliseconds(frame: &image::Frame) -> u32 {
    let (n, d) = frame.delay().numer_denom_ms();
    (f64::from(n) / f64::from(d)).round() as u32
}

#[test]
fn a_gif_shows_the_pictures_in_their_time_and_loops() {
    for (width, height) in [(90, 60), (1, 1), (3, 200)] {
        let frames = frames(width, height, false);
        let file = encode_gif(&frames, &delays()).unwrap();
        // The extension that makes it loop (Netscape's), without end.
        let looping = b"NETSCAPE2.0\x03\x01\x00\x00\x00";
        assert!(file.windows(looping.len()).any(|w| w == looping), "loops");
        let read = GifDecoder::new(Cursor::new(file)).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(read.iter().map(milliseconds).collect::<Vec<_>>(), [500, 40, 330, 2000]);
        for (read, frame) in read.iter().zip(&frames) {
            let (read, frame) = (read.buffer().as_raw(), frame.to_srgba8());
            assert_eq!(read.len(), frame.len());
            let off: u64 = read.iter().zip(&frame).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(off <= 3 * read.len() as u64, "{} of 255 in the mean", off as f64 / read.len() as f64);
        }
    }
}

#[test]
fn a_gif_is_transparent_where_the_picture_is() {
    let frames = frames(70, 50, true);
    let file = encode_gif(&frames, &delays()).unwrap();
    let read = GifDecoder::new(Cursor::new(file)).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(read.len(), 4);
    for (read, frame) in read.iter().zip(&frames) {
        let frame = frame.to_srgba8();
        assert!(read.buffer().pixels().zip(frame.chunks(4)).all(|(a, b)| a.0[3] == b[3]));
    }
}

#[test]
fn an_apng_holds_every_pixel() {
    for alpha in [false, true] {
        let (mut frames, mut delays) = (frames(61, 33, alpha), delays());
        delays[3] = Duration::from_secs(1000);
        // 16 bit become 8.
        frames[1] = picture(61, 33, 5, false, true);
        let file = encode_apng(&frames, &delays).unwrap();
        let decoder = PngDecoder::new(Cursor::new(&file)).unwrap();
        assert!(decoder.is_apng().unwrap());
        let read = decoder.apng().unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(read.iter().map(milliseconds).collect::<Vec<_>>(), [500, 40, 333, 65_535]);
        for (read, frame) in read.iter().zip(&frames) {
            let shown = frame.to_srgba8();
            let same = |(a, b): (&[u8], &[u8])| a[3] == b[3] && (a[3] == 0 || a == b);
            assert!(read.buffer().as_raw().chunks(4).zip(shown.chunks(4)).all(same));
        }
        // Readers that know no animations see the first.
        let still = image::load_from_memory(&file).unwrap().into_rgba8();
        assert!(still.pixels().zip(frames[0].to_srgba8().chunks(4)).all(|(a, b)| a.0 == b));
    }
}

#[test]
fn what_is_no_animation_is_refused() {
    let (frames, delays) = (frames(4, 4, false), delays());
    let other = picture(5, 4, 1, false, false);
    for encode in [encode_gif, encode_apng] {
        for (frames, delays) in [
            (vec![], vec![]),
            (frames.clone(), delays[..3].to_vec()),
            ([&frames[..3], std::slice::from_ref(&other)].concat(), delays.clone()),
        ] {
            let refused = encode(&frames, &delays).unwrap_err();
            assert!(matches!(refused, ImagingError::Encode { .. }), "{refused}");
        }
    }
    let wide = Picture::from_rgba8(65_536, 1, vec![0; 65_536 * 4]).unwrap();
    assert!(encode_gif(&[wide], &delays[..1]).is_err());
}

#[test]
fn arrays_are_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps.npy");
    for shape in [vec![3, 14, 14], vec![5], vec![2, 3], vec![1, 1, 1, 1]] {
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| (i as f32 * 0.37).sin() / 3.0).collect();
        let file = encode_npy(&shape, &values).unwrap();
        assert!((file.len() - values.len() * 4).is_multiple_of(64), "values begin at a multiple of 64");
        std::fs::write(&path, file).unwrap();
        let read = Tensor::read_npy(&path).unwrap();
        assert_eq!(read.dims(), shape);
        assert_eq!(read.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values);
    }
    for (shape, values) in [(vec![2, 2], 3), (vec![usize::MAX, 2], 0), (vec![], 0)] {
        assert!(encode_npy(&shape, &vec![0.0; values]).is_err(), "{shape:?}");
    }
    assert!(encode_npy(&[0, 14, 14], &[]).is_ok());
}
