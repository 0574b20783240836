//! The style task as a person meets it: any picture in, the same size out, mixes, progress, cancelling, hidden colours.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use lucida::imaging::Picture;
use lucida::models::TransformerNet;
use lucida::models::transformer_net::Config;
use lucida::nn::{CancelToken, Watch};
use lucida::tasks::{Params, Stylizer, TaskError};
use lucida::zoo::StyleCard;

fn weights() -> HashMap<String, candle_core::Tensor> {
    TransformerNet::random(&Config { widths: [8, 12, 20], residuals: 5, styles: Some(3) }).unwrap()
}

/// A stylizer over three random styles `a`, `b` and the identity.
fn stylizer() -> Stylizer {
    let names = HashMap::from([("styles".to_owned(), "a,b,identity".to_owned())]);
    let bytes = safetensors::serialize(&weights(), Some(names)).unwrap();
    let card = |id: &str| StyleCard { id: id.to_owned(), ..StyleCard::default() };
    Stylizer::from_bytes(&bytes, vec![card("a"), card("b")]).unwrap()
}

fn only(id: &str) -> Params {
    Params { mix: vec![(id.to_owned(), 1.0)], ..Params::default() }
}

fn photo(w: u32, h: u32) -> Picture {
    let pixel = |i: u32| [(i * 37 % 251) as u8, (i / 7 % 256) as u8, (i % 241) as u8, 255];
    Picture::from_rgba8(w, h, (0..w * h).flat_map(pixel).collect()).unwrap()
}

#[test]
fn any_size_comes_back_as_it_was() {
    let stylizer = stylizer();
    for (w, h) in [(1, 1), (3, 2), (1, 500), (500, 1), (17, 5), (64, 64), (101, 67)] {
        for longer_side in [None, Some(40)] {
            let params = Params { longer_side, ..only("a") };
            let outcome = stylizer.run(&photo(w, h), &params, &Watch::silent()).unwrap();
            assert_eq!(outcome.styled.size(), [w, h]);
            assert!(!outcome.styled.has_alpha());
        }
    }
    let deep = Picture::from_rgba16(20, 30, vec![40_000; 20 * 30 * 4]).unwrap();
    assert!(stylizer.run(&deep, &only("b"), &Watch::silent()).unwrap().styled.is_sixteen_bit());
}

/// A stylizer over one random style, the identity, and a palette for the style; `grain` as the weights name it.
fn with_palette(mean: [f32; 3], covariance: [f32; 9], grain: &str) -> Result<Stylizer, TaskError> {
    let mut tensors = TransformerNet::random(&Config { widths: [8, 12, 20], residuals: 5, styles: Some(2) }).unwrap();
    let tensor = |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
    tensors.insert("palettes.mean".into(), tensor(&mean, &[1, 3]));
    tensors.insert("palettes.covariance".into(), tensor(&covariance, &[1, 3, 3]));
    let names = [("styles", "a,identity"), ("grain", grain)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Stylizer::from_bytes(&safetensors::serialize(&tensors, Some(HashMap::from(names))).unwrap(), Vec::new())
}

const EVEN: [f32; 9] = [900.0, 0.0, 0.0, 0.0, 900.0, 0.0, 0.0, 0.0, 900.0];

#[test]
fn a_style_with_a_palette_minds_no_light_and_no_tint_of_the_photo() {
    let stylizer = with_palette([90.0, 120.0, 60.0], EVEN, "0").unwrap();
    let lit = |light: [u16; 3]| {
        let rgba = photo(60, 50).to_srgba8();
        let pixel = |p: &[u8]| [0, 1, 2, 3].map(|c| if c < 3 { (u16::from(p[c]) * light[c] / 8) as u8 } else { 255 });
        Picture::from_rgba8(60, 50, rgba.chunks_exact(4).flat_map(pixel).collect()).unwrap()
    };
    let apart = |id: &str| {
        let [a, b] = [[8, 8, 8], [5, 6, 4]]
            .map(|light| stylizer.run(&lit(light), &only(id), &Watch::silent()).unwrap().styled.to_srgba8());
        a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    };
    // The identity sees the photo as it is.
    let (styled, identity) = (apart("a"), apart("identity"));
    assert!(styled < 2.0 && identity > 3.0 * styled, "{styled} {identity}");
    // Half of each is between them, and a palette that means nothing is refused.
    let mix = vec![("a".to_owned(), 1.0), ("identity".to_owned(), 1.0)];
    stylizer.run(&lit([8; 3]), &Params { mix, ..Params::default() }, &Watch::silent()).unwrap();
    assert!(with_palette([f32::NAN; 3], [0.0; 9], "0").is_err());
}

#[test]
fn wide_tones_stay_those_of_the_recoloured_photo() {
    // Half dark, half light, and a palette of just these colours: there is nothing to recolour.
    let dark = |i: u32| i % 96 < 48;
    let pixel = |i: u32| if dark(i) { [40, 40, 40, 255] } else { [200, 200, 200, 255] };
    let photo = Picture::from_rgba8(96, 96, (0..96 * 96).flat_map(pixel).collect()).unwrap();
    let stylizer = with_palette([120.0; 3], [6400.0; 9], "0").unwrap();
    let styled = stylizer.run(&photo, &only("a"), &Watch::silent()).unwrap().styled.to_srgba8();
    let tones = |columns: std::ops::Range<usize>| {
        let within: Vec<&[u8]> =
            styled.chunks_exact(4).enumerate().filter(|(i, _)| columns.contains(&(i % 96))).map(|(_, p)| p).collect();
        [0, 1, 2].map(|c| within.iter().map(|p| f32::from(p[c])).sum::<f32>() / within.len() as f32)
    };
    // A network of random weights paints any tones.
    for (columns, tone) in [(8..32, 40.0), (64..88, 200.0)] {
        let painted = tones(columns);
        assert!(painted.iter().all(|painted| (painted - tone).abs() < 6.0), "{painted:?} for {tone}");
    }
}

#[test]
fn grain_is_shown_to_a_style_and_not_to_the_identity() {
    let plain = Picture::from_rgba8(40, 40, [120, 130, 140, 255].repeat(40 * 40)).unwrap();
    let [without, with] = ["0", "20"].map(|grain| with_palette([90.0, 120.0, 60.0], EVEN, grain).unwrap());
    let painted = |stylizer: &Stylizer, id| stylizer.run(&plain, &only(id), &Watch::silent()).unwrap().styled;
    assert_ne!(painted(&without, "a"), painted(&with, "a"));
    assert_eq!(painted(&without, "identity"), painted(&with, "identity"));
    assert!(with_palette([90.0; 3], EVEN, "coarse").is_err());
}

#[test]
fn a_mix_means_its_proportions() {
    let (stylizer, photo) = (stylizer(), photo(40, 30));
    let run = |mix: &[(&str, f32)]| {
        let mix = mix.iter().map(|(id, w)| ((*id).to_owned(), *w)).collect();
        stylizer.run(&photo, &Params { mix, ..Params::default() }, &Watch::silent()).map(|o| o.styled)
    };
    let half = run(&[("a", 1.0), ("b", 1.0)]).unwrap();
    assert_eq!(half, run(&[("a", 0.25), ("b", 0.5), ("a", 0.25)]).unwrap());
    assert_ne!(half, run(&[("a", 1.0)]).unwrap());
    assert!(matches!(run(&[]), Err(TaskError::EmptyMix)));
    assert!(matches!(run(&[("a", 0.0)]), Err(TaskError::EmptyMix)));
    assert!(matches!(run(&[("a", -1.0)]), Err(TaskError::BadWeight { .. })));
    assert!(matches!(run(&[("a", f32::NAN)]), Err(TaskError::BadWeight { .. })));
    let error = run(&[("identiti", 1.0)]).unwrap_err();
    assert!(matches!(&error, TaskError::UnknownStyle { known, .. } if known[0] == "identity"), "{error}");
}

#[test]
fn progress_rises_and_cancelling_stops() {
    let (stylizer, photo) = (stylizer(), photo(300, 200));
    let heard = std::cell::RefCell::new(Vec::new());
    let hear = |done: f32| heard.borrow_mut().push(done);
    stylizer.run(&photo, &only("a"), &Watch::new(CancelToken::default(), &hear)).unwrap();
    let heard = heard.into_inner();
    assert!(heard.len() > 10 && heard.is_sorted() && heard.last() == Some(&1.0), "{heard:?}");

    let token = CancelToken::default();
    let stop = |done: f32| {
        if done > 0.4 {
            token.cancel()
        }
    };
    let stopped = stylizer.run(&photo, &only("a"), &Watch::new(token.clone(), &stop));
    assert!(matches!(stopped, Err(TaskError::Cancelled)));
}

#[test]
fn transparent_colours_stay_hidden() {
    let with = |hidden: [u8; 3]| {
        let pixel = |i: u32| {
            if i % 40 < 20 { [200, 120, 40, 255] } else { [hidden[0], hidden[1], hidden[2], 0] }
        };
        Picture::from_rgba8(40, 30, (0..40 * 30).flat_map(pixel).collect()).unwrap()
    };
    let run = |p: &Picture| stylizer().run(p, &only("a"), &Watch::silent()).unwrap().styled;
    assert_eq!(run(&with([0, 255, 0])), run(&with([255, 0, 255])));
}

#[test]
fn the_card_and_the_weights_agree() {
    let card = lucida::zoo::card("style-painters").expect("the card parses");
    assert!(lucida::zoo::card_text(&card.id).unwrap().contains(&card.id));
    assert!(lucida::zoo::weights("no-such").is_err());
    let bytes = match lucida::zoo::weights(&card.id) {
        Ok(bytes) => bytes,
        Err(error) => return eprintln!("SKIPPED: {error}"),
    };
    assert_eq!(card.bytes, bytes.len() as u64);
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    assert_eq!(card.parameters, tensors.values().map(|t| t.elem_count() as u64).sum::<u64>());
    let began = std::time::Instant::now();
    let stylizer = Stylizer::load().unwrap();
    println!("loaded in {:?}", began.elapsed());
    assert_eq!(stylizer.styles(), card.styles, "a style of the card is not in the weights");
    stylizer.run(&photo(64, 64), &only("identity"), &Watch::silent()).unwrap();
}

/// `MEGAPIXELS=12 cargo test --release --test style large -- --ignored --nocapture`: time and memory of one large picture, and how late
/// it stops.
#[test]
#[ignore = "prints times, asserts nothing"]
fn large() {
    let megapixels: f64 = std::env::var("MEGAPIXELS").map_or(12.0, |m| m.parse().unwrap());
    let (w, h) = ((megapixels * 4e6 / 3.0).sqrt() as u32, (megapixels * 3e6 / 4.0).sqrt() as u32);
    let picture = photo(w, h);
    let stylizer = Stylizer::load().unwrap();
    let id = &stylizer.styles()[0].id;
    let run = |token| stylizer.run(&picture, &only(id), &Watch::new(token, &|_| {}));
    let seconds = run(CancelToken::default()).unwrap().seconds;
    common::print_lateness(seconds, |token| drop(run(token)));
}
