//! What comes out: size, format, transparency, depth, strength, colours, mixes, sheets.

use image::{DynamicImage, GenericImageView};

use crate::*;

#[test]
fn a_photo_becomes_a_painting_of_the_same_size() {
    let dir = folder();
    let said = succeed(dir.path(), &format!("style photo.png -o out.png --style {WAVE}"));
    assert_eq!(said, "", "standard output is for what was asked for");
    let (photo, out) = (open(dir.path(), "photo.png"), open(dir.path(), "out.png"));
    assert_eq!(out.dimensions(), (96, 64));
    assert!(mean_difference(&photo, &out) > 4.0, "the picture hardly changed");
}

#[test]
fn every_format_that_can_be_written_can_be_read_again() {
    let dir = folder();
    for ending in ["png", "jpg", "jpeg", "webp", "tif", "tiff"] {
        succeed(dir.path(), &format!("style photo.png -o out.{ending} --style {WAVE} --size 48"));
        assert_eq!(open(dir.path(), &format!("out.{ending}")).dimensions(), (96, 64), "{ending}");
    }
}

#[test]
fn transparency_is_kept_and_its_loss_is_told() {
    let dir = folder();
    let original = picture(96, 64, true);
    original.save(dir.path().join("clear.png")).unwrap();
    succeed(dir.path(), &format!("style clear.png -o out.png --style {WAVE}"));
    let out = open(dir.path(), "out.png").to_rgba8();
    assert!(out.pixels().zip(original.pixels()).all(|(a, b)| a[3] == b[3]));
    assert_ne!(out, original);

    let output = run(dir.path(), &format!("style clear.png -o out.jpg --style {WAVE}"));
    assert!(output.status.success());
    assert!(stderr(&output).contains("transparency"), "{}", stderr(&output));
}

#[test]
fn sixteen_bits_are_kept_where_the_format_holds_them() {
    let dir = folder();
    let deep = image::ImageBuffer::from_fn(40, 30, |x, y| {
        image::Rgb([(x * 1500 + 77) as u16, (y * 2000 + 33) as u16, 30_001u16])
    });
    deep.save(dir.path().join("deep.png")).unwrap();
    succeed(dir.path(), &format!("style deep.png -o out.png --style {WAVE} --strength 0.5"));
    assert!(matches!(open(dir.path(), "out.png"), DynamicImage::ImageRgb16(_)));
    succeed(dir.path(), &format!("style deep.png -o same.tiff --style {WAVE} --strength 0"));
    assert_eq!(open(dir.path(), "same.tiff").to_rgb16(), deep);
    let output = run(dir.path(), &format!("style deep.png -o out.jpg --style {WAVE}"));
    assert!(output.status.success() && stderr(&output).contains("16-bit"), "{}", stderr(&output));
}

#[test]
fn strength_runs_evenly_from_the_photo_to_the_painting() {
    let dir = folder();
    let original = picture(96, 64, true);
    original.save(dir.path().join("clear.png")).unwrap();
    for strength in ["0", "0.5", "1"] {
        succeed(dir.path(), &format!("style clear.png -o s{strength}.png --style {WAVE} --strength {strength}"));
    }
    let at = |name: &str| open(dir.path(), name).to_rgba8();
    let (none, half, all) = (at("s0.png"), at("s0.5.png"), at("s1.png"));
    assert_eq!(none, original, "strength 0 is the photo, bit for bit");
    for ((none, half), all) in none.iter().zip(half.iter()).zip(all.iter()) {
        let mean = (f32::from(*none) + f32::from(*all)) / 2.0;
        assert!((f32::from(*half) - mean).abs() <= 1.0, "{half} is not the mean of {none} and {all}");
    }
}

#[test]
fn keeping_colours_changes_the_lightness_only() {
    let dir = folder();
    succeed(dir.path(), &format!("style photo.png -o out.png --style {AUVERS} --keep-colours --strength 0.5"));
    let (photo, out) = (open(dir.path(), "photo.png").to_rgb8(), open(dir.path(), "out.png").to_rgb8());
    assert_ne!(photo, out);
    let mut compared = 0;
    for (before, after) in photo.pixels().zip(out.pixels()) {
        let shift: Vec<i32> = (0..3).map(|c| i32::from(after[c]) - i32::from(before[c])).collect();
        // Where a full-strength target would leave 0..=255 a channel stops there, and the shift is no longer common.
        let clipped = (0..3).any(|c| !(4..252).contains(&(i32::from(before[c]) + 2 * shift[c])));
        if !clipped {
            compared += 1;
            let spread = shift.iter().max().unwrap() - shift.iter().min().unwrap();
            assert!(spread <= 1, "{before:?} became {after:?}");
        }
    }
    assert!(compared > 1000, "only {compared} pixels were not clipped");
}

#[test]
fn styles_mix_by_weight() {
    let dir = folder();
    for (name, style) in [
        ("a", WAVE.to_owned()),
        ("b", AUVERS.to_owned()),
        ("ab", format!("{WAVE},{AUVERS}")),
        ("weak", format!("{WAVE},identity")),
        ("only-a", format!("{WAVE},{AUVERS} --weights 2,0")),
    ] {
        succeed(dir.path(), &format!("style photo.png -o {name}.png --style {style}"));
    }
    let at = |name: &str| open(dir.path(), &format!("{name}.png"));
    assert!(mean_difference(&at("a"), &at("b")) > 2.0);
    assert!(mean_difference(&at("a"), &at("ab")) > 1.0);
    assert!(mean_difference(&at("b"), &at("ab")) > 1.0);
    assert_eq!(at("a"), at("only-a"), "weights count in proportion");
    let photo = open(dir.path(), "photo.png");
    let (whole, weak) = (mean_difference(&at("a"), &photo), mean_difference(&at("weak"), &photo));
    assert!(weak < whole, "mixed with the identity the style is weaker: {weak} < {whole}");
}

#[test]
fn the_list_has_one_id_a_line_and_each_works() {
    let dir = folder();
    let list = succeed(dir.path(), "style --list");
    let ids: Vec<&str> = list.lines().collect();
    assert!(ids.len() >= 8, "{ids:?}");
    let plain = |id: &&str| id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    assert!(ids.iter().all(plain), "{ids:?}");
    for id in ids {
        succeed(dir.path(), &format!("style photo.png -o {id}.png --style {id} --size 32"));
    }
}

#[test]
fn a_sheet_shows_the_photo_and_every_style() {
    let dir = folder();
    let styles = succeed(dir.path(), "style --list").lines().count() as u64;
    let said = json(&succeed(dir.path(), "style photo.png -o sheet.png --sheet --json"));
    let sheet = open(dir.path(), "sheet.png");
    assert_eq!(said["width"], sheet.width());
    assert_eq!(said["height"], sheet.height());
    assert!(u64::from(sheet.width()) * u64::from(sheet.height()) > (styles + 1) * 96 * 64);
    // The photo lies in the first cell, untouched.
    let photo = open(dir.path(), "photo.png").to_rgb8();
    let first = sheet.crop_imm(16, 16, 96, 64).to_rgb8();
    assert_eq!(first, photo);
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let dir = folder();
    let said = json(&succeed(dir.path(), &format!("style photo.png -o out.png --style {WAVE} --json")));
    assert_eq!((&said["width"], &said["height"]), (&96.into(), &64.into()));
    assert!(said["model"].is_string() && said["seconds"].as_f64().unwrap() >= 0.0);

    let refused = fail(dir.path(), &format!("style photo.png -o - --style {WAVE} --json"), 2);
    assert!(refused.contains("--json"), "{refused}");
}
