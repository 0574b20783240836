//! The models that ship, with their own weights.

use std::path::Path;

use lucida::imaging;
use lucida::nn::{Precision, Watch};
use lucida::tasks::caption::{self, Beside, CaptionModel, Params};
use lucida::tasks::segment::{self, SegmentationModel};

#[test]
fn the_shipped_models_describe_a_photo() {
    let photo = imaging::open(Path::new("assets/samples/red-panda.jpg")).unwrap();
    for card in caption::models() {
        let model = CaptionModel::load(&card.id).unwrap();
        assert_eq!(model.attends(), card.architecture == "show-attend-tell");
        let seen = model.see(&photo, Precision::F32, &Watch::silent()).unwrap();
        let mut told = Vec::new();
        let outcome = model
            .caption_telling(&seen, &Params::default(), &Watch::silent(), &mut |words| told.push(words.join(" ")))
            .unwrap();
        let best = &outcome.sentences[0];
        let said = || best.words.iter().chain(&best.end);
        assert!(said().count() > 0 && said().all(|word| word.attention.is_some() == model.attends()));
        let sum: f32 = said().map(|word| word.log_prob).sum();
        assert!((sum - best.log_prob).abs() < 1e-3, "{sum} and {}", best.log_prob);
        assert!(told.len() >= best.words.len() && told.iter().zip(1..).all(|(t, n)| t.split(' ').count() == n));
        assert_eq!(CaptionModel::named(&card.id, &Beside::default()).unwrap().words().len(), model.words().len());
    }
    assert!(CaptionModel::load("unet-camvid").unwrap_err().to_string().contains("show-attend-tell-flickr8k"));
}

/// The share of a map of 14 x 14 that lies in the region moved by so many cells right and down, over the region's area.
fn share(map: &[f32], region: &[f32], by: isize) -> f32 {
    let place = |x: usize| (0..14).contains(&(x as isize - by)).then(|| (x as isize - by) as usize);
    let at = |i: usize| place(i / 14).zip(place(i % 14)).map_or(0.0, |(y, x)| region[y * 14 + x]);
    let mean = region.iter().sum::<f32>() / 196.0;
    map.iter().enumerate().map(|(i, a)| a * at(i)).sum::<f32>() / mean
}

#[test]
fn attention_lies_on_what_is_said() {
    let photo = imaging::open(Path::new("assets/samples/dog.jpg")).unwrap();
    let watch = Watch::silent();
    let found = SegmentationModel::load("deeplabv3plus-voc").unwrap();
    let found = found.run(&photo, &segment::Params::default(), &watch).unwrap();
    let dog = u8::try_from(segment::models()[0].card.classes.iter().position(|c| c == "dog").unwrap()).unwrap();
    let [width, height] = found.size.map(|n| n as usize);
    let mut region = [0f32; 196];
    for (i, _) in found.labels.iter().enumerate().filter(|(_, label)| **label == dog) {
        region[i / width * 14 / height * 14 + i % width * 14 / width] += (196.0 / (width * height) as f64) as f32;
    }
    let params = Params { prefix: vec!["a".into(), "dog".into()], ..Params::default() };
    let said = CaptionModel::load("show-attend-tell-flickr8k").unwrap().run(&photo, &params, &watch).unwrap();
    let word = &said.sentences[0].words[1];
    let [here, before, after] = [0, -2, 2].map(|by| share(word.attention.as_ref().unwrap(), &region, by));
    println!("{here} times the area's share; two cells up and left {before}, down and right {after}");
    assert!(here > 1.5 && here > before && here > after);
}
