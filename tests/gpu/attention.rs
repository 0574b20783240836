//! Attention over a photo: on the canvas and exported, as a contact sheet and as an animation.

use super::*;
use lucida::gpu::attention::{
    self, Animation, AttentionError, FRAME, Look, STAYS, Scale, animation, contact_sheet, contact_sheet_of, range,
    sum_range,
};
use lucida::imaging::{ImagingError, Picture};
use lucida::tasks::caption::{Sentence, Word};
use std::path::Path;
use std::time::Duration;

const GRID: [usize; 2] = [14, 14];

/// A map of sum 1 with most around a place, 0..=1 of the picture.
fn near([x, y]: [f32; 2], wide: f32) -> Arc<[f32]> {
    let weight = |i: usize| {
        let [dx, dy] = [(i % 14) as f32 / 13.0 - x, (i / 14) as f32 / 13.0 - y];
        (-(dx * dx + dy * dy) / (2.0 * wide * wide)).exp()
    };
    let sum: f32 = (0..196).map(weight).sum();
    (0..196).map(|i| weight(i) / sum).collect()
}

/// A sentence that looks along a curve, at first closely.
fn said(text: &str, attends: bool) -> Sentence {
    let count = text.split(' ').count() as f32;
    let word = |(n, text): (usize, &str)| {
        let t = n as f32 / count;
        let map = near([0.1 + 0.8 * t, 0.5 + 0.4 * (t * 9.0).sin()], 0.06 + 0.2 * t);
        Word { text: text.to_owned(), log_prob: -0.3 - t, attention: attends.then_some(map), node: n + 1 }
    };
    Sentence { words: text.split(' ').enumerate().map(word).collect(), end: None, log_prob: -3.0, rank: -3.0 }
}

fn photo(size: [u32; 2]) -> Picture {
    Picture::from_rgba8(size[0], size[1], Random(41).picture(size, opaque)).unwrap()
}

fn image_of(picture: &Picture) -> image::RgbaImage {
    image::RgbaImage::from_raw(picture.width(), picture.height(), picture.to_srgba8()).unwrap()
}

fn part(of: &Picture, [left, top]: [u32; 2], [width, height]: [u32; 2]) -> image::RgbaImage {
    image::imageops::crop_imm(&image_of(of), left, top, width, height).to_image()
}

fn map_of(word: &Word) -> &[f32] {
    word.attention.as_deref().unwrap()
}

#[test]
fn what_is_exported_is_what_the_canvas_shows() {
    let Some(gpu) = gpu() else { return };
    let sentence = said("a dog runs", true);
    for size in [[200, 131], [77, 300]] {
        let picture = photo(size);
        let original = upload(&gpu, size, &picture.to_srgba8());
        for mode in [TintMode::Spotlight, TintMode::Colours] {
            for scale in [Scale::Each, Scale::Common] {
                let look = Look { mode, scale, ..Look::default() };
                for word in &sentence.words {
                    let range = range(map_of(word), &sentence, GRID, scale);
                    let map = upload_values(&gpu, [14, 14], map_of(word));
                    let over = Over::Scalar { map, tint: look.tint(range) };
                    let shown = render(&gpu, &Scene { over, ..scene(&original, None) }, size);
                    let exported = attention::map(&picture, GRID, map_of(word), &look, range).unwrap();
                    let off = apart(&shown, &image_of(&exported));
                    assert!(off <= 1, "{off}/255 of {} at {size:?} with {look:?}", word.text);
                }
            }
        }
    }
}

#[test]
fn a_range_ends_at_the_highest_value_that_is_drawn() {
    let mut sentence = said("here there everywhere", true);
    sentence.words[2].attention = Some(vec![1.0 / 196.0; 196].into());
    let of = |word: usize, scale| range(map_of(&sentence.words[word]), &sentence, GRID, scale);
    // A white photo in the light shows where position 1 is reached: somewhere, and not where the map is low.
    let white = Picture::from_rgba8(280, 280, vec![255; 280 * 280 * 4]).unwrap();
    let look = Look { mode: TintMode::Spotlight, opacity: 1.0, ..Look::default() };
    for word in 0..2 {
        let (low, high) = of(word, Scale::Each);
        let map = map_of(&sentence.words[word]);
        assert!(low == 0.0 && high < map.iter().copied().fold(0.0, f32::max));
        let lit = image_of(&attention::map(&white, GRID, map, &look, (low, high)).unwrap());
        let full = lit.pixels().filter(|p| p.0[0] == 255).count();
        assert!((1..2000).contains(&full), "{full} pixels at the top");
    }
    assert!((of(2, Scale::Each).1 - 1.0 / 196.0).abs() < 1e-6);
    assert_eq!(of(2, Scale::Common), of(0, Scale::Each), "the first looks most closely");
    assert_eq!(of(1, Scale::Common), of(0, Scale::Each));
    // An even look is half way.
    let sum = sentence.attention_sum().unwrap();
    let (low, high) = sum_range(&sentence, GRID);
    assert!(low == 0.0 && (high / 2.0 - sum.iter().sum::<f32>() / sum.len() as f32).abs() < 1e-6);
}

#[test]
fn a_contact_sheet_has_the_photo_and_every_word() {
    let sentence = said("a brown dog runs over the snow", true);
    let picture = photo([480, 320]);
    let look = Look { scale: Scale::Common, ..Look::default() };
    let sheet = contact_sheet(&picture, &sentence, GRID, &look).unwrap();
    // Eight cells of 480 x (320 + 44) with gaps of 16.
    assert_eq!(sheet.size(), [3 * 496 + 16, 3 * 380 + 16]);
    assert_eq!(part(&sheet, [16, 16], [480, 320]), image_of(&picture));
    for (cell, word) in (1..).zip(&sentence.words) {
        let range = range(map_of(word), &sentence, GRID, Scale::Common);
        let seen = attention::map(&picture, GRID, map_of(word), &look, range).unwrap();
        let place = [16 + cell % 3 * 496, 16 + cell / 3 * 380];
        assert_eq!(part(&sheet, place, [480, 320]), image_of(&seen), "{}", word.text);
        let label = part(&sheet, [place[0], place[1] + 320], [480, 44]);
        let ink = |rows: std::ops::Range<u32>| {
            label.enumerate_pixels().filter(|(_, y, p)| rows.contains(y) && p.0[0] > 100).count()
        };
        assert!(ink(0..24) > 5 && ink(24..44) > 5, "the word and its probability");
    }
}

#[test]
fn sheets_fit_every_photo_and_every_length() {
    for size in [[1, 1], [3, 2000], [2000, 3], [300, 900], [4000, 500], [1200, 900]] {
        let picture = photo(size);
        for words in [1, 2, 12, 50] {
            let sentence = said(&vec!["frisbee"; words].join(" "), true);
            let sheet = contact_sheet(&picture, &sentence, GRID, &Look::default()).unwrap();
            let [width, height] = sheet.size();
            // No smaller than its pictures, and not much larger.
            let fits = width >= 120 && height >= 44 && width <= 8 * 500 && height <= 8 * 900;
            assert!(fits, "{size:?}, {words} words: {width} x {height}");
        }
    }
    let sentence = said("one two", true);
    let large = contact_sheet_of(&photo([1200, 900]), &sentence, GRID, &Look::default(), 960).unwrap();
    assert_eq!(part(&large, [32, 32], [960, 720]), image_of(&photo([1200, 900]).resized(960)));
}

#[test]
fn without_attention_there_are_no_maps_but_there_are_words() {
    let sentence = said("a dog runs", false);
    let picture = photo([300, 200]);
    let refused = contact_sheet(&picture, &sentence, GRID, &Look::default()).unwrap_err();
    assert!(matches!(refused, AttentionError::NoAttention) && refused.to_string().contains("attention"));
    let Animation { frames, .. } = animation(&picture, &sentence, GRID, &Look::default(), 2.0).unwrap();
    assert_eq!(frames.len(), 4);
    for frame in &frames {
        assert_eq!(part(frame, [0, 0], [480, 320]), image_of(&picture.resized_to(480, 320)));
    }
    assert_ne!(frames[0], frames[1], "another word is lit");
    // Maps of another size are refused, not drawn wrongly.
    let sentence = said("a dog runs", true);
    for refused in [
        contact_sheet(&picture, &sentence, [7, 14], &Look::default()).unwrap_err(),
        animation(&picture, &sentence, [15, 14], &Look::default(), 2.0).unwrap_err(),
    ] {
        assert!(matches!(refused, AttentionError::Imaging(ImagingError::BadShape { .. })), "{refused}");
    }
}

#[test]
fn an_animation_says_the_sentence_word_by_word() {
    let long = vec!["skateboarder"; 50].join(" ");
    for (text, size) in [("a brown dog runs over the snow", [500, 300]), (&long, [640, 200]), (&long, [90, 700])] {
        let sentence = said(text, true);
        let (picture, look) = (photo(size), Look::default());
        let Animation { frames, delays } = animation(&picture, &sentence, GRID, &look, 4.0).unwrap();
        let count = sentence.words.len();
        assert_eq!(delays, [vec![Duration::from_millis(250); count], vec![STAYS]].concat());
        assert_eq!(frames.len(), count + 1);
        let [width, height] = frames[0].size();
        assert!(frames.iter().all(|frame| frame.size() == [width, height] && !frame.has_alpha()));
        let shown = picture.resized(FRAME);
        let place = [(width - shown.width()) / 2, 0];
        let at = |n: usize| part(&frames[n], place, shown.size());
        for (n, word) in sentence.words.iter().enumerate() {
            let range = range(map_of(word), &sentence, GRID, Scale::Each);
            assert_eq!(at(n), image_of(&attention::map(&shown, GRID, map_of(word), &look, range).unwrap()));
        }
        assert_eq!(at(count), image_of(&shown), "the bare photo at last");
        // The word in the accent colour goes on to the right or to a line below; at the end there is none.
        let accent = |frame: &Picture| {
            let below = part(frame, [0, shown.height()], [width, height - shown.height()]);
            let lit = below.enumerate_pixels().filter(|(_, _, p)| p.0[0].abs_diff(p.0[2]) > 60);
            let (n, x, y) = lit.fold((0, 0, 0), |(n, sx, sy), (x, y, _)| (n + 1, sx + x, sy + y));
            (n > 0).then(|| (n, x / n, y / n))
        };
        assert_eq!(accent(&frames[count]), None);
        let lit: Vec<_> = frames[..count].iter().map(|frame| accent(frame).expect("a word is lit")).collect();
        for pair in lit.windows(2) {
            let ((_, x, y), (_, to_x, to_y)) = (pair[0], pair[1]);
            assert!(to_x > x + 3 && to_y.abs_diff(y) < 8 || to_y > y + 8, "{pair:?}");
        }
    }
}

#[test]
fn the_numbers_are_all_words_maps_one_after_another() {
    let sentence = said("a dog runs", true);
    let (shape, values) = sentence.attention_maps(GRID).unwrap();
    assert_eq!((shape, values.len()), ([3, 14, 14], 3 * 196));
    for (values, word) in values.chunks(196).zip(&sentence.words) {
        assert_eq!(values, map_of(word));
    }
    assert_eq!(said("a dog runs", false).attention_maps(GRID), None);
}

#[test]
fn any_pace_makes_an_animation() {
    let (sentence, picture) = (said("a dog", true), photo([20, 10]));
    for (pace, first) in [(f32::NAN, 500), (0.0, 10_000), (-1.0, 10_000), (f32::INFINITY, 40), (25.0, 40), (5.0, 200)] {
        let made = animation(&picture, &sentence, GRID, &Look::default(), pace).unwrap();
        assert_eq!((made.frames.len(), made.delays[0].as_millis()), (3, first), "{pace}");
    }
    let nothing = Sentence { words: Vec::new(), ..sentence };
    assert_eq!(animation(&picture, &nothing, GRID, &Look::default(), 1.0).unwrap().delays, [STAYS]);
}

/// A sheet and an animation of each mode in `target/tmp`, for people to look at.
#[test]
fn every_look_can_be_looked_at() {
    let (size, photo, _) = showcase::street();
    let picture = Picture::from_rgba8(size[0], size[1], photo).unwrap();
    let sentence = said("a street with a car that waits behind two people on the crossing", true);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut sheets = Vec::new();
    for (name, mode, scale) in [
        ("spotlight", TintMode::Spotlight, Scale::Each),
        ("colours", TintMode::Colours, Scale::Each),
        ("common", TintMode::Spotlight, Scale::Common),
    ] {
        let look = Look { mode, scale, ..Look::default() };
        let sheet = contact_sheet(&picture, &sentence, GRID, &look).unwrap();
        image_of(&sheet).save(folder.join(format!("attention-{name}.png"))).unwrap();
        assert!(!sheets.contains(&sheet), "{name} looks like another one");
        sheets.push(sheet);
    }
    let Animation { frames, delays } = animation(&picture, &sentence, GRID, &Look::default(), 2.0).unwrap();
    for (name, file) in [
        ("attention.gif", lucida::imaging::encode_gif(&frames[..4], &delays[..4]).unwrap()),
        ("attention.png", lucida::imaging::encode_apng(&frames, &delays).unwrap()),
    ] {
        std::fs::write(folder.join(name), file).unwrap();
    }
}
