//! Profiles, transparency towards networks, and mixing results back.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use lucida::imaging::{Format, Picture, decode, encode, export_mixed, picture_from_planar_rgb};
use moxcms::ColorProfile;
use proptest::prelude::*;

use crate::{picture, with_profile};

#[test]
fn profiles_are_applied_on_the_way_to_the_screen() {
    // Reference values: Display P3 and Adobe RGB (1998) to sRGB by their published matrices.
    let colours = vec![255, 0, 0, 255, 128, 128, 128, 255, 100, 150, 200, 255, 40, 60, 30, 77];
    let plain = Picture::from_rgba8(4, 1, colours.clone()).unwrap();
    assert_eq!(plain.to_srgba8(), colours);
    let p3 = with_profile(&plain, &ColorProfile::new_display_p3()).to_srgba8();
    let adobe = with_profile(&plain, &ColorProfile::new_adobe_rgb()).to_srgba8();
    let near = |got: &[u8], expected: [u8; 4]| {
        let worst = got.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst <= Some(1), "{got:?}, expected {expected:?}");
    };
    near(&p3[..4], [255, 0, 0, 255]);
    near(&p3[4..8], [128, 128, 128, 255]);
    near(&p3[8..12], [84, 152, 205, 255]);
    near(&p3[12..], [34, 61, 26, 77]);
    near(&adobe[4..8], [129, 129, 129, 255]);
    near(&adobe[8..12], [66, 151, 203, 255]);
    near(&adobe[12..], [21, 57, 21, 77]);
}

#[test]
fn an_srgb_profile_costs_nothing_and_is_still_written() {
    let plain = picture(8, 8, 9, false, false);
    let tagged = with_profile(&plain, &ColorProfile::new_srgb());
    assert!(tagged.profile().unwrap().is_srgb());
    assert_eq!(tagged.colour_name(), "sRGB");
    assert_eq!(tagged.to_srgba8(), plain.to_srgba8());
    let again = decode(&encode(&tagged, Format::Png).unwrap()).unwrap();
    assert_eq!(again, tagged);
}

#[test]
fn grey_profiles_are_converted_and_foreign_ones_ignored() {
    let grey_png = |profile: ColorProfile| {
        let mut file = Vec::new();
        let mut png = PngEncoder::new(&mut file);
        png.set_icc_profile(profile.encode().unwrap()).unwrap();
        png.write_image(&[0, 60, 128, 255], 4, 1, ExtendedColorType::L8).unwrap();
        decode(&file).unwrap()
    };
    let linear = grey_png(ColorProfile::new_gray_with_gamma(1.0));
    assert!(linear.profile().is_none());
    let values: Vec<u8> = linear.to_srgba8().chunks(4).map(|p| p[0]).collect();
    for (got, expected) in values.iter().zip([0u8, 133, 188, 255]) {
        assert!(got.abs_diff(expected) <= 1, "{values:?}");
    }
    let plain = picture(3, 3, 4, false, false);
    let foreign = with_profile(&plain, &ColorProfile::new_gray_with_gamma(1.8));
    assert_eq!(foreign, plain);
}

#[test]
fn networks_never_see_hidden_colours() {
    // Bright green hides under alpha 0 beside opaque and half-transparent red.
    let rgba = vec![200, 0, 0, 255, 0, 255, 0, 0, 200, 0, 0, 128];
    let planes = Picture::from_rgba8(3, 1, rgba).unwrap().to_planar_rgb();
    let red = 200.0 / 255.0;
    for (value, expected) in planes.iter().zip([red, red, red, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]) {
        assert!((value - expected).abs() < 1e-6, "{planes:?}");
    }
    let nothing = Picture::from_rgba8(1, 1, vec![9, 9, 9, 0]).unwrap();
    assert_eq!(nothing.to_planar_rgb(), [0.5; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn planes_and_back_are_exact(
        width in 1u32..20, height in 1u32..20, seed in any::<u32>(), sixteen in any::<bool>(),
    ) {
        let original = picture(width, height, seed, false, sixteen);
        let again = picture_from_planar_rgb(width, height, &original.to_planar_rgb(), sixteen);
        prop_assert_eq!(again.unwrap(), original);
    }

    #[test]
    fn what_mixing_leaves_alone_keeps_its_bits(
        width in 1u32..20, height in 1u32..20, seed in any::<u32>(),
        alpha in any::<bool>(), sixteen in any::<bool>(), space in 0..3,
    ) {
        let mut original = picture(width, height, seed, alpha, sixteen);
        match space {
            1 => original = with_profile(&original, &ColorProfile::new_display_p3()),
            2 => original = with_profile(&original, &ColorProfile::new_adobe_rgb()),
            _ => {}
        }
        prop_assert_eq!(&export_mixed(&original, |c, _| c, false).unwrap(), &original);
        prop_assert_eq!(&export_mixed(&original, |_, _| [0.0; 3], true).unwrap(), &original);

        // Every other pixel turns grey: those show that grey, the rest keeps its bits.
        let grey = |c, i| if i % 2 == 0 { [0.5; 3] } else { c };
        let mixed = export_mixed(&original, grey, false).unwrap();
        prop_assert_eq!(mixed.has_alpha(), original.has_alpha());
        prop_assert_eq!(mixed.profile().map(|p| p.icc()), original.profile().map(|p| p.icc()));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for y in 0..height {
            original.srgb_row(y, &mut before);
            mixed.srgb_row(y, &mut after);
            for x in 0..width {
                let (a, b) = (before[x as usize], after[x as usize]);
                prop_assert_eq!(a[3], b[3]);
                if (y * width + x) % 2 == 1 {
                    prop_assert_eq!(a, b);
                } else {
                    let limit = if sixteen { 0.001 } else { 0.6 / 255.0 };
                    prop_assert!(b[..3].iter().all(|v| (v - 0.5).abs() < limit), "{:?}", b);
                }
            }
        }
    }

    #[test]
    fn mixing_lands_where_it_aims_in_every_profile(
        seed in any::<u32>(), sixteen in any::<bool>(), space in 0..3,
    ) {
        let mut original = picture(16, 16, seed, false, sixteen);
        match space {
            1 => original = with_profile(&original, &ColorProfile::new_display_p3()),
            2 => original = with_profile(&original, &ColorProfile::new_adobe_rgb()),
            _ => {}
        }
        let target = picture(16, 16, !seed, false, true);
        let planes = target.to_planar_rgb();
        let aim = |_, i: usize| [planes[i], planes[256 + i], planes[512 + i]];
        let mixed = export_mixed(&original, aim, false).unwrap().to_planar_rgb();
        // Half an 8-bit step of one bright channel in a wide profile is several steps of a dark channel in sRGB, and how many
        // depends on how dark. In light it is at most (1.40 + 0.40) x 2.2 / 510, of red in Adobe RGB, and a little for rounding.
        let light = |v: f32| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
        for (&got, &wanted) in mixed.iter().zip(&planes) {
            let (off, limit) = match (sixteen, space) {
                (true, _) => (got - wanted, 0.004),
                (false, 0) => (got - wanted, 0.002),
                _ => (light(got) - light(wanted), 0.009),
            };
            prop_assert!(off.abs() <= limit, "{} for {}", got, wanted);
        }
    }
}

#[test]
fn out_of_range_mixes_are_clamped() {
    let original = picture(2, 1, 7, false, false);
    let mixed = export_mixed(&original, |_, _| [7.0, -1.0, f32::NAN], false).unwrap();
    assert_eq!(mixed.to_srgba8()[..4], [255, 0, 0, 255]);
    let planar = [2.0, f32::NAN, -1.0];
    let opaque = picture_from_planar_rgb(1, 1, &planar, false).unwrap();
    assert_eq!(opaque.to_srgba8(), [255, 0, 0, 255]);
}
