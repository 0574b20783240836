//! Checkpoints of "a PyTorch Tutorial to Image Captioning" and what its `caption.py` said with them.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use lucida::imaging::Picture;
use lucida::nn::{CancelToken, Precision, Watch};
use lucida::tasks::caption::{Beside, CaptionModel, Params, Summary};
use lucida::tasks::{TaskError, forward};
use lucida::zoo::{ZooError, read_tensors};

use crate::common::{doubles, relative, shared};

fn ids(t: &Tensor) -> Vec<i64> {
    t.to_vec1().unwrap()
}

fn off_by(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.dims(), expected.dims());
    doubles(got).iter().zip(doubles(expected)).map(|(g, e)| (g - e).abs()).fold(0.0, f64::max)
}

/// All outputs of the reference, by their names.
fn compare(name: &str, got: &HashMap<String, Tensor>, expected: &HashMap<String, Tensor>) {
    for output in ["greedy_seq", "beam3_seq", "beam5_seq", "output"] {
        assert_eq!(ids(&got[output]), ids(&expected[output]), "{name} {output}");
    }
    let mut said = format!("{name}:");
    for (output, most) in [
        ("greedy_alphas", 1e-4),
        ("beam3_alphas", 1e-4),
        ("beam5_alphas", 1e-4),
        ("teacher_alphas", 1e-4),
        ("teacher_logits", 1e-4),
        ("h0", 1e-4),
        ("c0", 1e-4),
        ("encoder_out", 1e-4),
    ] {
        let Some(expected) = expected.get(output) else { continue };
        let off = off_by(&got[output], expected);
        said += &format!(" {output} {off:.1e}");
        assert!(off < most, "{name} {output} is off by {off}");
    }
    println!("{said}");
}

#[test]
fn the_decoder_says_and_sees_what_the_tutorials_does() {
    let Some(folder) = shared("oracles") else { return };
    let (weights, io) = (folder.join("caption_decoder.pth"), folder.join("caption_decoder.io.safetensors"));
    let got = forward("show-attend-tell", &weights, &io, Precision::F32).unwrap();
    compare("decoder", &got, &read_tensors(&io).unwrap());
    for map in got["beam5_alphas"].flatten_from(1).unwrap().to_vec2::<f32>().unwrap().iter().skip(1) {
        assert!((map.iter().sum::<f32>() - 1.0).abs() < 1e-5, "attention sums to 1");
    }
}

#[test]
fn a_best_checkpoint_is_encoder_and_decoder() {
    let Some(folder) = shared("oracles") else { return };
    let io = folder.join("caption_BEST_checkpoint.io.safetensors");
    let expected = read_tensors(&io).unwrap();
    for file in ["caption_BEST_checkpoint.pth.tar", "caption_BEST_checkpoint_legacy.pth.tar"] {
        let got = forward("show-attend-tell", &folder.join(file), &io, Precision::F32).unwrap();
        compare(file, &got, &expected);
    }
    // The encoder's output given, and a normalised picture.
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    let weights = folder.join("caption_BEST_checkpoint.pth.tar");
    expected["encoder_out"].save_safetensors("input", &input).unwrap();
    compare("from encoder_out", &forward("show-attend-tell", &weights, &input, Precision::F32).unwrap(), &expected);

    let picture = (expected["input"].to_dtype(DType::F32).unwrap() / 255.0).unwrap();
    let row = |v: [f32; 3]| Tensor::new(&v, picture.device()).unwrap().reshape((3, 1, 1)).unwrap();
    let picture = picture.broadcast_sub(&row([0.485, 0.456, 0.406])).unwrap();
    let picture = picture.broadcast_div(&row([0.229, 0.224, 0.225])).unwrap().unsqueeze(0).unwrap();
    let rows = &expected["image_normalised_rows_0_8"];
    assert!(relative(&picture.narrow(2, 0, 8).unwrap(), rows) < 1e-6);
    picture.save_safetensors("input", &input).unwrap();
    compare("normalised", &forward("show-attend-tell", &weights, &input, Precision::F32).unwrap(), &expected);
}

#[test]
fn a_picture_gets_the_tutorials_captions() {
    let Some(folder) = shared("oracles") else { return };
    let model = CaptionModel::from_file(&folder.join("caption_BEST_checkpoint.pth.tar"), &Beside::default()).unwrap();
    assert_eq!((model.id(), model.architecture()), ("caption_BEST_checkpoint.pth.tar", "show-attend-tell"));
    let io = read_tensors(&folder.join("caption_BEST_checkpoint.io.safetensors")).unwrap();
    let pixels = io["input"].permute((1, 2, 0)).unwrap().contiguous().unwrap().flatten_all().unwrap();
    let rgba = pixels.to_vec1::<u8>().unwrap().chunks(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let picture = Picture::from_rgba8(256, 256, rgba).unwrap();
    let seen = model.see(&picture, Precision::F32, &Watch::silent()).unwrap();

    let json = std::fs::read(folder.join("caption_BEST_checkpoint.json")).unwrap();
    let results = &serde_json::from_slice::<serde_json::Value>(&json).unwrap()["results"];
    let mut largest = 0f64;
    for (name, beam) in [("greedy", 1), ("beam3", 3), ("beam5", 5)] {
        let params = Params { beam, ..Params::default() };
        let outcome = model.caption(&seen, &params, &Watch::silent()).unwrap();
        let finished = results[name]["finished"].as_array().unwrap();
        assert_eq!(outcome.sentences.len(), finished.len());
        // Every finished sentence, by its words.
        for expected in finished {
            let seq: Vec<u32> =
                expected["seq"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
            let text = seq[1..seq.len() - 1].iter().map(|id| model.words().word(*id).unwrap()).collect::<Vec<_>>();
            let text = text.join(" ");
            let sentence = outcome.sentences.iter().find(|s| s.text() == text).expect("found too");
            largest = largest.max((f64::from(sentence.log_prob) - expected["score"].as_f64().unwrap()).abs());
            assert_eq!(sentence.end.as_ref().map(|end| end.text.as_str()), Some("<end>"));
            let sum: f32 = sentence.words.iter().chain(&sentence.end).map(|word| word.log_prob).sum();
            assert!((sum - sentence.log_prob).abs() < 1e-4);
        }
        assert!(largest < 1e-3, "{name}: log-probabilities are off by {largest}");
        let best = &outcome.sentences[0];
        assert_eq!(format!("<start> {} <end>", best.text()), results[name]["words"].as_str().unwrap());
        assert!(outcome.sentences.is_sorted_by(|a, b| a.log_prob >= b.log_prob));
        // Where it looked, sentence by sentence and summed.
        let alphas = io[&format!("{name}_alphas")].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let mut sum = vec![0.0; alphas[0].len()];
        for (word, expected) in best.words.iter().chain(&best.end).zip(&alphas[1..]) {
            let off = word.attention.as_ref().unwrap().iter().zip(expected).map(|(g, e)| (g - e).abs());
            assert!(off.fold(0.0, f32::max) < 1e-4, "{name}: {}", word.text);
            sum.iter_mut().zip(expected).for_each(|(s, e)| *s += e);
        }
        let got = best.attention_sum().unwrap();
        assert!(got.iter().zip(&sum).all(|(g, e)| (g - e).abs() < 1e-3));

        let summary = serde_json::to_value(Summary::new(&outcome)).unwrap();
        assert_eq!(summary["caption"], best.text());
        assert_eq!((&summary["beam"], summary["words"].as_array().unwrap().len()), (&beam.into(), best.words.len()));
        let rows = summary["words"][0]["attention"].as_array().unwrap();
        assert!(rows.len() == 14 && rows.iter().all(|row| row.as_array().unwrap().len() == 14));
    }
    println!("log-probabilities off by {largest:.1e}");

    // Go on from another word.
    let prefix = ["building", "man"].map(str::to_owned).to_vec();
    let outcome = model.caption(&seen, &Params { prefix, ..Params::default() }, &Watch::silent()).unwrap();
    assert!(outcome.sentences.iter().all(|sentence| sentence.text().starts_with("building man ")));
    let prefix = vec!["zebra".to_owned()];
    let unknown = model.caption(&seen, &Params { prefix, ..Params::default() }, &Watch::silent());
    assert!(matches!(unknown, Err(TaskError::UnknownWord { word }) if word == "zebra"));

    let token = CancelToken::default();
    token.cancel();
    let cancelled = model.run(&picture, &Params::default(), &Watch::new(token, &|_| {}));
    assert!(matches!(cancelled, Err(TaskError::Cancelled)));
}

#[test]
fn what_is_missing_or_does_not_fit_is_told() {
    let Some(folder) = shared("oracles") else { return };
    let load = |path: &Path| CaptionModel::from_file(path, &Beside::default()).unwrap_err();
    let best = folder.join("caption_BEST_checkpoint.pth.tar");
    let decoder = folder.join("caption_decoder.pth");
    let lonely = tempfile::tempdir().unwrap();
    std::fs::copy(&decoder, lonely.path().join("decoder.pth")).unwrap();
    std::fs::copy(folder.join("caption_decoder.WORDMAP.json"), lonely.path().join("WORDMAP.json")).unwrap();
    let alone = load(&lonely.path().join("decoder.pth"));
    assert!(matches!(alone, TaskError::Zoo(ZooError::NoEncoder { .. })), "{alone}");
    assert!(alone.to_string().contains("resnet101"));
    // The encoder of another file, and not the decoder of another task
    let model = CaptionModel::from_file(&decoder, &Beside { encoder: Some(best.clone()), words: None }).unwrap();
    assert_eq!(model.words().len(), 60);
    let error = load(&folder.join("unet_bilinear_b4.pth"));
    assert!(matches!(error, TaskError::Zoo(ZooError::NoCaptioner { architecture: "unet", .. })), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("BEST_checkpoint.pth.tar");
    std::fs::copy(&best, &copy).unwrap();
    let error = load(&copy);
    assert!(matches!(error, TaskError::Zoo(ZooError::NoWordMap { .. })), "{error}");
    let words = dir.path().join("WORDMAP_two.json");
    std::fs::write(&words, r#"{"<start>": 0, "<end>": 1}"#).unwrap();
    let error = load(&copy);
    assert!(error.to_string().contains("2 words are listed, the decoder has 60"), "{error}");
    let words = Some(folder.join("caption_decoder.WORDMAP.json"));
    CaptionModel::from_file(&copy, &Beside { words, encoder: None }).unwrap();
}
