//! The segmentation task as a person meets it: any picture in, a class for each pixel out, areas that add up, edges that
//! are followed, checkpoints that are told apart.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::Tensor;
use lucida::imaging::{Picture, Samples};
use lucida::models::{Unet, random, unet};
use lucida::nn::{CancelToken, Watch};
use lucida::tasks::TaskError;
use lucida::tasks::segment::{CAMVID, NO_LABEL, Params, Refine, SegmentationModel, Summary, VOC, models};
use tempfile::TempDir;

fn photo(w: u32, h: u32) -> Picture {
    let pixel = |i: u32| {
        let (x, y) = (i % w, i / w);
        let wave = (128.0 + 90.0 * (f64::from(x) * 0.05).sin() * (f64::from(y) * 0.03).cos()) as u8;
        [(x * 255 / w) as u8, wave, (y * 255 / h) as u8, 255]
    };
    Picture::from_rgba8(w, h, (0..w * h).flat_map(pixel).collect()).unwrap()
}

/// A file with the weights of a small random U-Net of so many classes.
fn checkpoint(folder: &TempDir, classes: usize, change: impl FnOnce(&mut HashMap<String, Tensor>)) -> PathBuf {
    let config = unet::Config::new(4, true, classes);
    let mut tensors = random::tensors(|vb| Unet::new(config, vb)).unwrap();
    change(&mut tensors);
    let path = folder.path().join(format!("unet-{classes}.safetensors"));
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

fn model(classes: usize) -> SegmentationModel {
    let folder = TempDir::new().unwrap();
    SegmentationModel::from_file(&checkpoint(&folder, classes, |_| {})).unwrap()
}

#[test]
fn every_pixel_of_any_picture_gets_a_class() {
    let model = model(5);
    assert_eq!((model.id(), model.classes().len()), ("unet-5.safetensors", 5));
    for (w, h) in [(1, 1), (3, 2), (1, 500), (4000, 40), (17, 5), (640, 480), (101, 67)] {
        let outcome = model.run(&photo(w, h), &Params::default(), &Watch::silent()).unwrap();
        assert_eq!((outcome.size, outcome.labels.len()), ([w, h], (w * h) as usize));
        assert!(outcome.labels.iter().all(|label| *label < 5), "{w} x {h}");
        let told: u64 = outcome.areas.iter().map(|a| a.pixels).sum();
        assert_eq!(told, u64::from(w * h));
        assert!(outcome.areas.is_sorted_by_key(|a| std::cmp::Reverse(a.pixels)));
        for area in &outcome.areas {
            let counted = outcome.labels.iter().filter(|label| **label == area.class).count() as u64;
            assert_eq!(counted, area.pixels);
            assert!(area.anchor.iter().all(|v| (0.0..=1.0).contains(v)), "{area:?}");
        }
        let summary = Summary::new(&outcome, model.classes());
        assert_eq!((summary.width, summary.height, summary.classes.len()), (w, h, outcome.areas.len()));
    }
}

/// Seen twice, a picture and its mirror image are the same to a network; seen once they are not.
#[test]
fn looking_twice_leaves_no_left_and_right() {
    let model = model(4);
    let picture = photo(96, 64);
    let Samples::Eight(rgba) = picture.samples() else { panic!("8 bits in, 8 bits out") };
    let mirrored = rgba.chunks_exact(96 * 4).flat_map(|row| row.rchunks_exact(4).flatten()).copied().collect();
    let mirrored = Picture::from_rgba8(96, 64, mirrored).unwrap();
    let probabilities = |picture: &Picture, twice: bool| {
        let params = Params { longer_side: Some(96), twice: Some(twice), ..Params::default() };
        model.run(picture, &params, &Watch::silent()).unwrap().scores.probability(1, [96, 64])
    };
    let apart = |twice: bool| {
        let (a, b) = (probabilities(&picture, twice), probabilities(&mirrored, twice));
        let back = b.chunks_exact(96).flat_map(|row| row.iter().rev());
        a.iter().zip(back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let [once, twice] = [false, true].map(apart);
    assert!(twice < 1e-5 && once > 100.0 * twice, "{once} once, {twice} twice");
    // A checkpoint that says nothing of it is asked once.
    let scores = |twice| model.run(&picture, &Params { twice, ..Params::default() }, &Watch::silent()).unwrap().scores;
    assert_eq!(scores(None), scores(Some(false)));
}

#[test]
fn what_is_told_of_a_place_is_its_label() {
    let model = model(5);
    let outcome = model.run(&photo(300, 200), &Params::default(), &Watch::silent()).unwrap();
    for i in (0..300 * 200).step_by(997) {
        let at = [((i % 300) as f32 + 0.5) / 300.0, ((i / 300) as f32 + 0.5) / 200.0];
        let probabilities = outcome.scores.at(at);
        let most = probabilities.iter().copied().fold(0.0, f32::max);
        assert!(probabilities[usize::from(outcome.labels[i])] > most - 1e-4);
    }
}

#[test]
fn what_nobody_can_see_has_no_label() {
    let pixel = |i: u32| if i % 90 < 30 { [255, 0, 0, 0] } else { [40, 90, 160, 255] };
    let picture = Picture::from_rgba8(90, 60, (0..90 * 60).flat_map(pixel).collect()).unwrap();
    let outcome = model(3).run(&picture, &Params::default(), &Watch::silent()).unwrap();
    for (i, label) in outcome.labels.iter().enumerate() {
        assert_eq!(*label == NO_LABEL, i % 90 < 30);
    }
    assert!((outcome.areas.iter().map(|a| a.share).sum::<f64>() - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn one_class_is_told_from_the_background_and_grey_networks_see_grey() {
    let folder = TempDir::new().unwrap();
    let one = SegmentationModel::from_file(&checkpoint(&folder, 1, |_| {})).unwrap();
    assert_eq!(one.classes(), ["background", "foreground"]);
    let outcome = one.run(&photo(64, 48), &Params::default(), &Watch::silent()).unwrap();
    assert!(outcome.labels.iter().all(|label| *label < 2));

    let config = unet::Config { channels: 1, ..unet::Config::new(4, true, 2) };
    let tensors = random::tensors(|vb| Unet::new(config, vb)).unwrap();
    let path = folder.path().join("grey.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let grey = SegmentationModel::from_file(&path).unwrap();
    // Colours of one lightness are the same to it.
    let plain = |rgb: [u8; 3]| {
        let rgba = [rgb[0], rgb[1], rgb[2], 255].repeat(64 * 48);
        grey.run(&Picture::from_rgba8(64, 48, rgba).unwrap(), &Params::default(), &Watch::silent()).unwrap().scores
    };
    let [a, b] = [plain([100, 100, 100]).at([0.5, 0.5]), plain([0, 151, 100]).at([0.5, 0.5])];
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.02), "{a:?} {b:?}");
}

/// How much the picture's lightness (0..=255) changes, on the mean, where the label does, along the rows.
fn contrast_at_borders(picture: &Picture, labels: &[u8]) -> f64 {
    let (rgba, width) = (picture.to_srgba8(), picture.width() as usize);
    let grey = |i: usize| (0..3).map(|c| f64::from(rgba[4 * i + c])).sum::<f64>() / 3.0;
    let border = |i: &usize| !i.is_multiple_of(width) && labels[*i] != labels[i - 1];
    let steps: Vec<f64> = (0..labels.len()).filter(border).map(|i| (grey(i) - grey(i - 1)).abs()).collect();
    steps.iter().sum::<f64>() / steps.len() as f64
}

#[test]
fn refined_labels_follow_the_edges() {
    let photo = lucida::imaging::decode(include_bytes!("../assets/samples/castle.jpg")).unwrap().resized(480);
    let model = SegmentationModel::named("unet-camvid").unwrap();
    let run = |refine| {
        let params = Params { refine, ..Params::default() };
        model.run(&photo, &params, &Watch::silent()).unwrap().labels
    };
    let (plain, refined) = (run(None), run(Some(Refine::default())));
    let [before, after] = [&plain, &refined].map(|labels| contrast_at_borders(&photo, labels));
    assert!(after > before, "the contrast at borders was {before:.1} and is {after:.1}");
    let changed = plain.iter().zip(&refined).filter(|(a, b)| a != b).count();
    assert!(changed * 4 < plain.len(), "{changed} of {} labels changed", plain.len());
    // Settings out of range are brought into it.
    let wild = Refine { iterations: usize::MAX, reach: f32::NAN, colour: -3.0, smoothness: 1e9 };
    let tiny = photo.resized(24);
    model.run(&tiny, &Params { refine: Some(wild), ..Params::default() }, &Watch::silent()).unwrap();
}

#[test]
fn progress_rises_and_cancelling_stops() {
    let (model, photo) = (model(5), photo(600, 400));
    let params = Params { refine: Some(Refine::default()), ..Params::default() };
    let heard = RefCell::new(Vec::new());
    let hear = |done: f32| heard.borrow_mut().push(done);
    model.run(&photo, &params, &Watch::new(CancelToken::default(), &hear)).unwrap();
    let heard = heard.into_inner();
    assert!(heard.len() > 10 && heard.is_sorted() && heard.last() == Some(&1.0), "{heard:?}");
    for at in [0.1, 0.5, 0.9] {
        let (token, reached) = (CancelToken::default(), Cell::new(0.0));
        let stop = |done: f32| {
            reached.set(done);
            if done > at {
                token.cancel()
            }
        };
        let stopped = model.run(&photo, &params, &Watch::new(token.clone(), &stop));
        assert!(matches!(stopped, Err(TaskError::Cancelled)), "at {at} it ran on to {}", reached.get());
    }
}

#[test]
fn a_wrong_checkpoint_is_refused_by_what_it_lacks() {
    let folder = TempDir::new().unwrap();
    let said = |path: &PathBuf| SegmentationModel::from_file(path).unwrap_err().to_string();
    let lacking = checkpoint(&folder, 3, |t| drop(t.remove("up4.conv.double_conv.0.weight")));
    assert!(said(&lacking).contains("up4.conv.double_conv.0.weight"), "{}", said(&lacking));
    let deeper = checkpoint(&folder, 4, |t| drop(t.remove("down2.maxpool_conv.1.double_conv.4.bias")));
    assert!(said(&deeper).contains("down2.maxpool_conv.1.double_conv.4.bias"), "{}", said(&deeper));
    let no_checkpoint = folder.path().join("x.pth");
    std::fs::write(&no_checkpoint, "not weights").unwrap();
    assert!(said(&no_checkpoint).contains("x.pth"));
    assert!(said(&folder.path().join("nowhere.pth")).contains("nowhere.pth"));
    let attentive = checkpoint(&folder, 5, |t| {
        t.insert("up1.conv.se.fc1.weight".into(), t["outc.conv.bias"].clone());
    });
    assert!(said(&attentive).contains("it also has up1.conv.se.fc1.weight"), "{}", said(&attentive));
    let broken = checkpoint(&folder, 6, |t| {
        let bias = &t["outc.conv.bias"];
        t.insert("outc.conv.bias".into(), (bias * f64::NAN).unwrap());
    });
    let model = SegmentationModel::from_file(&broken).unwrap();
    assert!(matches!(model.run(&photo(30, 20), &Params::default(), &Watch::silent()), Err(TaskError::NotFinite)));
}

#[test]
fn the_models_that_ship_run_and_agree_with_their_cards() {
    let ids: Vec<&str> = models().iter().map(|m| m.id).collect();
    let wanted = [
        "deeplabv3plus-voc",
        "deeplabv3plus-camvid",
        "unet-camvid",
        "fcn-8s-camvid",
        "fcn-16s-camvid",
        "fcn-32s-camvid",
    ];
    assert_eq!(ids, wanted);
    let picture = photo(160, 121);
    let mut streets = Vec::new();
    for choice in models() {
        assert!(!choice.card.licence.is_empty() && choice.card.source.contains("recipe"), "{}", choice.id);
        let bytes = lucida::zoo::weights(&choice.card.id).unwrap();
        assert_eq!(choice.card.bytes, bytes.len() as u64);
        let tensors = lucida::zoo::tensors(&choice.card.id).unwrap();
        assert_eq!(choice.card.parameters, parameters(&tensors), "{}", choice.id);
        let model = SegmentationModel::named(choice.id).unwrap();
        let data: &[&str] = if choice.id.ends_with("-voc") { &VOC } else { &CAMVID };
        assert_eq!(model.classes(), data);
        for (w, h) in [(1, 1), (400, 4), (33, 65)] {
            let labels = model.run(&photo(w, h), &Params::default(), &Watch::silent()).unwrap().labels;
            assert!(labels.iter().all(|label| usize::from(*label) < data.len()), "{} of {w} x {h}", choice.id);
        }
        let outcome = model.run(&picture, &Params::default(), &Watch::silent()).unwrap();
        assert_eq!(outcome.model, choice.id);
        if choice.card.id == "fcn-8s-camvid" {
            streets.push(outcome.scores);
        }
    }
    // The forms of FCN have scores at an eighth, a sixteenth and a thirty-second of the size.
    let sizes: Vec<_> = streets.iter().map(|s| s.size()[0]).collect();
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
    assert!(matches!(SegmentationModel::load("no-such"), Err(TaskError::Zoo(_))));
}

/// A picture with nothing in it is background, and one of a red panda mostly an animal.
#[test]
fn everyday_things_are_found_where_they_are_and_nowhere_else() {
    let model = SegmentationModel::load("deeplabv3plus-voc").unwrap();
    let share = |picture: &Picture, of: &[&str]| {
        let outcome = model.run(picture, &Params::default(), &Watch::silent()).unwrap();
        let summary = Summary::new(&outcome, model.classes());
        summary.classes.iter().filter(|c| of.contains(&c.name.as_str())).map(|c| c.share).sum::<f64>()
    };
    let sky = |i: u32| [170 + (i / 320 / 4) as u8, 210, 235, 255];
    let [white, grey] = [[255; 4], [127, 127, 127, 255]].map(|colour| colour.repeat(320 * 240));
    for nothing in [(0..320 * 240).flat_map(sky).collect(), white, grey] {
        let picture = Picture::from_rgba8(320, 240, nothing).unwrap();
        assert!(share(&picture, &["background"]) > 0.98);
    }
    let panda = lucida::imaging::decode(include_bytes!("../assets/samples/red-panda.jpg")).unwrap();
    let animal = share(&panda, &["bird", "cat", "cow", "dog", "horse", "sheep"]);
    assert!(animal > 0.25, "{animal} of the picture is an animal");
}

/// Trainable numbers: all but the norms' statistics.
fn parameters(tensors: &HashMap<String, Tensor>) -> u64 {
    let trained = |name: &&String| !name.contains("running_") && !name.contains("num_batches");
    tensors.iter().filter(|(name, _)| trained(name)).map(|(_, t)| t.elem_count() as u64).sum()
}

/// `MEGAPIXELS=12 MODEL=id-or-file cargo test --release --test segment large -- --ignored --nocapture`: time and memory with the CRF,
/// and how late it stops.
#[test]
#[ignore = "prints times, asserts nothing"]
fn large() {
    let megapixels: f64 = std::env::var("MEGAPIXELS").map_or(12.0, |m| m.parse().unwrap());
    let photo = photo((megapixels * 4e6 / 3.0).sqrt() as u32, (megapixels * 3e6 / 4.0).sqrt() as u32);
    let model = SegmentationModel::named(&std::env::var("MODEL").unwrap()).unwrap();
    let params = Params { refine: Some(Refine::default()), ..Params::default() };
    let run = |token| model.run(&photo, &params, &Watch::new(token, &|_| {}));
    let seconds = run(CancelToken::default()).unwrap().seconds;
    common::print_lateness(seconds, |token| drop(run(token)));
}
