//! Shapes and resizing.

use std::sync::atomic::{AtomicUsize, Ordering};

use lucida::imaging::{Picture, Samples, grey, mirror, picture_from_planar_rgb};
use moxcms::ColorProfile;

use crate::{picture, with_profile};

#[test]
fn shapes_are_checked() {
    assert!(Picture::from_rgba8(2, 2, vec![0; 15]).is_err());
    assert!(Picture::from_rgba8(0, 2, vec![]).is_err());
    assert!(Picture::from_rgba16(u32::MAX, u32::MAX, vec![]).is_err());
    assert!(picture_from_planar_rgb(2, 2, &[0.0; 11], false).is_err());
    let error = Picture::from_rgba8(2, 2, vec![0; 15]).unwrap_err();
    assert_eq!(error.to_string(), "15 samples do not make a picture of 2 x 2 pixels");
}

#[test]
fn resizing_keeps_proportion_depth_and_profile() {
    let wide = with_profile(&picture(300, 100, 2, true, true), &ColorProfile::new_display_p3());
    let small = wide.resized(30);
    assert_eq!(small.size(), [30, 10]);
    assert!(small.is_sixteen_bit());
    assert_eq!(small.profile().unwrap().icc(), wide.profile().unwrap().icc());
    assert_eq!(wide.resized(300), wide);
    assert_eq!(wide.resized(5000), wide);
    assert_eq!(wide.resized(1).size(), [1, 1]);
    assert_eq!(wide.resized(0).size(), [1, 1]);
    assert_eq!(wide.resized_to(7, 900).size(), [7, 900]);
    assert_eq!(picture(1, 999, 2, true, true).resized(10).size(), [1, 10]);
    assert!(wide.resized_to_while(30, 10, &|| false).is_none());
    let (asked, large) = (AtomicUsize::new(0), picture(3000, 2000, 1, true, false));
    let wanted = || asked.fetch_add(1, Ordering::Relaxed) < 20;
    assert!(large.resized_to_while(1500, 1000, &wanted).is_none(), "given up midway");
    assert!(asked.into_inner() > 20);
}

#[test]
fn resizing_matches_a_plain_two_dimensional_lanczos() {
    let kernel = |x: f64| {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { x.sin() / x };
        let pi = std::f64::consts::PI;
        if x.abs() < 3.0 { sinc(x * pi) * sinc(x * pi / 3.0) } else { 0.0 }
    };
    let original = picture(41, 29, 11, false, true);
    let Samples::Sixteen(source) = original.samples() else { unreachable!() };
    for (w, h) in [(13u32, 10u32), (41, 7), (60, 50)] {
        let resized = original.resized_to(w, h);
        let Samples::Sixteen(got) = resized.samples() else { unreachable!() };
        let (sx, sy) = (41.0 / f64::from(w), 29.0 / f64::from(h));
        for (i, got) in got.chunks_exact(4).enumerate() {
            let (cx, cy) = ((i as u32 % w) as f64 + 0.5, (i as u32 / w) as f64 + 0.5);
            let (mut sum, mut total) = ([0.0; 3], 0.0);
            for (j, p) in source.chunks_exact(4).enumerate() {
                let x = ((j % 41) as f64 + 0.5 - cx * sx) / sx.max(1.0);
                let y = ((j / 41) as f64 + 0.5 - cy * sy) / sy.max(1.0);
                let weight = kernel(x) * kernel(y);
                total += weight;
                (0..3).for_each(|c| sum[c] += weight * f64::from(p[c]));
            }
            for c in 0..3 {
                let wanted = (sum[c] / total).clamp(0.0, 65535.0);
                assert!((f64::from(got[c]) - wanted).abs() < 2.0, "{w} x {h}: {got:?} {wanted}");
            }
        }
    }
}

#[test]
fn no_fringe_at_alpha_edges() {
    // An orange disc on transparency that hides black: every visible pixel must stay orange.
    for sixteen in [false, true] {
        let rgba = (0..200 * 200).flat_map(|i| {
            let (x, y) = (i % 200 - 100, i / 200 - 100);
            if x * x + y * y < 80 * 80 { [240, 120, 20, 255] } else { [0, 0, 0, 0] }
        });
        let disc = if sixteen {
            Picture::from_rgba16(200, 200, rgba.map(|v| v * 257).collect()).unwrap()
        } else {
            Picture::from_rgba8(200, 200, rgba.map(|v| v as u8).collect()).unwrap()
        };
        for size in [17, 64, 150, 333] {
            for p in disc.resized_to(size, size).to_srgba8().chunks_exact(4) {
                let orange = [240u8, 120, 20].iter().zip(p).all(|(a, b)| a.abs_diff(*b) <= 2);
                assert!(p[3] == 0 || orange, "{size}: {p:?}");
            }
        }
    }
}

#[test]
fn a_window_sees_the_picture_mirrored_beyond_its_edges() {
    let pixels = |p: &Picture| p.to_srgba8().chunks(4).map(|p| p[0]).collect::<Vec<_>>();
    let rgba = (0..6u8).flat_map(|i| [i, i, i, 255]).collect();
    let p = Picture::from_rgba8(3, 2, rgba).unwrap(); // 0 1 2 / 3 4 5
    assert_eq!(pixels(&p.window([1, 0], [2, 2])), [1, 2, 4, 5]);
    assert_eq!(pixels(&p.window([-2, -1], [6, 2])), [5, 4, 3, 4, 5, 4, 2, 1, 0, 1, 2, 1]);
    let framed = p.window([-40; 2], [83, 82]);
    assert_eq!(framed.window([40; 2], [3, 2]), p);
    let dot = Picture::from_rgba8(1, 1, vec![7, 7, 7, 255]).unwrap();
    assert_eq!(pixels(&dot.window([-1, -1], [3, 2])), [7; 6]);
}

#[test]
fn mirroring_goes_to_and_fro() {
    let seen: Vec<usize> = (-3..9).map(|i| mirror(i, 3)).collect();
    assert_eq!(seen, [1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0]);
    assert_eq!(mirror(7, 1), 0);
}

#[test]
fn grey_is_what_pil_makes_of_a_colour() {
    let of_pil = [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([10, 20, 30], 18), ([200, 101, 3], 119)];
    for (colour, expected) in of_pil {
        assert_eq!((grey(colour.map(|v| v as f32 / 255.0)) * 255.0).round() as u8, expected, "{colour:?}");
    }
}
