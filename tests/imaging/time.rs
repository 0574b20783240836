//! How long things take.

use std::time::Instant;

use lucida::imaging::{Format, Picture, decode, encode, export_mixed};
use moxcms::ColorProfile;

use crate::{noise, with_profile};

/// `cargo test --test imaging -- --ignored --nocapture twelve`
#[test]
#[ignore = "prints times; nothing to check"]
fn twelve_megapixels_take() {
    let time = |what: &str, f: &mut dyn FnMut()| {
        let started = Instant::now();
        f();
        println!("{what}: {:.0?}", started.elapsed());
    };
    // Smooth with a little noise, as photos are.
    let grain = noise(4000 * 3000, 1);
    let rgba = (0..4000 * 3000usize).flat_map(|i| {
        let (x, y, g) = (i % 4000, i / 4000, usize::from(grain[i] >> 14));
        [(x / 16 + g) as u8, (y / 12 + g) as u8, ((x + y) / 28 + g) as u8, 255]
    });
    let photo = Picture::from_rgba8(4000, 3000, rgba.collect()).unwrap();
    let mut p3 = photo.clone();
    time("PNG with P3: encode and decode", &mut || {
        p3 = with_profile(&photo, &ColorProfile::new_display_p3());
    });
    for (name, picture) in [("sRGB", &photo), ("P3", &p3)] {
        time(&format!("{name} to_srgba8"), &mut || drop(picture.to_srgba8()));
        time(&format!("{name} to_planar_rgb"), &mut || drop(picture.to_planar_rgb()));
        time(&format!("{name} resized(1024)"), &mut || drop(picture.resized(1024)));
        time(&format!("{name} resized(256)"), &mut || drop(picture.resized(256)));
        let half = |c: [f32; 3], _| c.map(|v| v * 0.5 + 0.25);
        time(&format!("{name} export_mixed"), &mut || {
            drop(export_mixed(picture, half, false).unwrap());
        });
    }
    let small = photo.resized(1024);
    time("1024 enlarged to 4000 x 3000", &mut || drop(small.resized_to(4000, 3000)));
    for format in [Format::Png, Format::Jpeg { quality: 92 }, Format::WebP, Format::Tiff] {
        let mut file = Vec::new();
        time(&format!("encode {}", format.name()), &mut || {
            file = encode(&photo, format).unwrap();
        });
        println!("  {} KiB", file.len() / 1024);
        time(&format!("decode {}", format.name()), &mut || drop(decode(&file).unwrap()));
    }
}
