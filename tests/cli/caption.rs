//! `lucida caption` of one picture: its sentence, where the network looked, checkpoints, refusals.

use std::fs;
use std::io::{Cursor, Write};

use candle_core::{DType, Device, Tensor};
use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use lucida::zoo::read_tensors;
use serde_json::Value;

use crate::*;

pub const ATTENDS: &str = "show-attend-tell-flickr8k";
pub const TELLS: &str = "show-tell-flickr8k";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The values of a word's map, row by row.
fn attention(word: &Value) -> Vec<f64> {
    let rows = word["attention"].as_array().unwrap();
    assert!(rows.len() == 14 && rows.iter().all(|row| row.as_array().unwrap().len() == 14));
    rows.iter().flat_map(|row| row.as_array().unwrap()).map(number).collect()
}

/// What holds of every sentence, whatever it says.
pub fn check(said: &Value, beam: u64) {
    let words = said["words"].as_array().unwrap();
    let texts: Vec<_> = words.iter().map(|word| word["word"].as_str().unwrap()).collect();
    assert!(!texts.is_empty());
    assert_eq!(said["caption"], texts.join(" "));
    let end = said["end_log_prob"].as_f64().unwrap_or(0.0);
    let sum = words.iter().map(|word| number(&word["log_prob"])).sum::<f64>() + end;
    assert!((sum - number(&said["log_prob"])).abs() < 1e-4, "{sum} and {}", said["log_prob"]);
    assert_eq!(said["beam"], beam);
    assert!(number(&said["seconds"]) > 0.0);
    let sentences = said["sentences"].as_array().unwrap();
    assert!((1..=beam as usize).contains(&sentences.len()));
    assert_eq!((&sentences[0]["caption"], &sentences[0]["log_prob"]), (&said["caption"], &said["log_prob"]));
    // The best first: by log-probability over the length, the end included, to the power of the length norm.
    let rank = |sentence: &Value| {
        let ends = usize::from(said["end_log_prob"].is_number());
        let length = sentence["caption"].as_str().unwrap().split(' ').count() + ends;
        number(&sentence["log_prob"]) / (length as f64).powf(number(&said["length_norm"]))
    };
    assert!(sentences.is_sorted_by(|a, b| rank(a) >= rank(b) - 1e-4));
}

#[test]
fn a_photo_becomes_a_sentence_and_numbers() {
    let dir = folder();
    let p = dir.path();
    let sentence = succeed(p, "caption photo.png");
    assert_eq!(sentence.lines().count(), 1);
    let text = succeed(p, "caption photo.png --json");
    // The contract's keys, in its order, then more.
    let mut rest = text.strip_prefix("{\"caption\":").unwrap();
    for key in [",\"log_prob\":", ",\"words\":[{\"word\":", "],\"beam\":5,\"seconds\":"] {
        rest = rest.split_once(key).unwrap_or_else(|| panic!("{key} is not where it should be")).1;
    }
    let said = json(&text);
    check(&said, 5);
    assert_eq!((said["caption"].as_str(), &said["model"]), (Some(sentence.trim_end()), &ATTENDS.into()));
    for word in said["words"].as_array().unwrap() {
        let map = attention(word);
        assert!((map.iter().sum::<f64>() - 1.0).abs() < 1e-4 && map.iter().all(|a| *a >= 0.0));
    }

    let short = succeed(p, "caption photo.png --json --no-attention");
    assert!(!short.contains("attention\"") && short.len() * 4 < text.len(), "{short}");
    assert_eq!(json(&short)["caption"], said["caption"]);
    let greedy = json(&succeed(p, "caption photo.png --json --beam 1"));
    check(&greedy, 1);
    let normed = json(&succeed(p, "caption photo.png --json --length-norm 0.7"));
    assert!((number(&normed["length_norm"]) - 0.7).abs() < 1e-6);
    let own = f64::from(lucida::tasks::caption::own_length_norm(ATTENDS));
    assert!((number(&said["length_norm"]) - own).abs() < 1e-6 && own > 0.0, "{}", said["length_norm"]);
    assert_eq!(names(p), ["photo.png"], "nothing is written unless asked for");

    let mut piped = lucida(p, "caption -").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(&fs::read(p.join("photo.png")).unwrap()).unwrap();
    assert_eq!(String::from_utf8(piped.wait_with_output().unwrap().stdout).unwrap(), sentence);
}

#[test]
fn a_sentence_begins_as_it_is_told_to() {
    let dir = folder();
    let p = dir.path();
    let output = lucida(p, "caption photo.png --start").arg("A  black Dog").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("a black dog"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let long = lucida(p, "caption missing.png --start").arg("a ".repeat(51)).output().unwrap();
    assert!(long.status.code() == Some(2) && stderr(&long).contains("50 words"), "{}", stderr(&long));
    for start in ["quixotically", "<end>", "<pad>"] {
        let refused = fail(p, &format!("caption photo.png --start {start}"), 2);
        assert!(refused.contains(&format!("{start:?}")), "{refused}");
    }
}

#[test]
fn where_it_looked_is_drawn_and_written_as_numbers() {
    let dir = folder();
    let p = dir.path();
    let drawn = "caption photo.png --heatmaps maps --sheet sheet.png --animation said.gif --numbers said.npy --json";
    let said = json(&succeed(p, drawn));
    let words: Vec<_> = said["words"].as_array().unwrap().iter().map(|w| w["word"].as_str().unwrap()).collect();
    let maps: Vec<_> = words
        .iter()
        .enumerate()
        .map(|(i, word)| format!("{:02}-{}.png", i + 1, word.replace(['<', '>'], "_")))
        .collect();
    assert_eq!(names(&p.join("maps")), [&maps[..], &["sum.png".to_owned()]].concat());
    let photo = open(p, "photo.png");
    for map in maps.iter().chain([&"sum.png".to_owned()]) {
        let map = open(&p.join("maps"), map);
        assert_eq!((map.width(), map.height()), (96, 64));
        assert!(mean_difference(&map, &photo) > 0.0);
    }
    // As many pictures as words and the photo, in rows.
    let sheet = open(p, "sheet.png");
    assert!(sheet.width() as usize * sheet.height() as usize > (words.len() + 1) * 96 * 64);

    let frames = |bytes: &[u8]| match image::guess_format(bytes).unwrap() {
        image::ImageFormat::Gif => GifDecoder::new(Cursor::new(bytes)).unwrap().into_frames().collect_frames().unwrap(),
        image::ImageFormat::Png => {
            PngDecoder::new(Cursor::new(bytes)).unwrap().apng().unwrap().into_frames().collect_frames().unwrap()
        }
        other => panic!("{other:?} is no animation"),
    };
    let gif = frames(&fs::read(p.join("said.gif")).unwrap());
    assert_eq!(gif.len(), words.len() + 1);
    succeed(p, "caption photo.png --animation said.png --speed 4");
    let png = frames(&fs::read(p.join("said.png")).unwrap());
    assert_eq!(png.len(), words.len() + 1);
    let delay = |frame: &image::Frame| std::time::Duration::from(frame.delay()).as_millis();
    assert_eq!((delay(&gif[0]), delay(&png[0])), (500, 250));

    let numbers = Tensor::read_npy(p.join("said.npy")).unwrap();
    assert_eq!((numbers.dims(), numbers.dtype()), (&[words.len(), 14, 14][..], DType::F32));
    let numbers: Vec<f32> = numbers.flatten_all().unwrap().to_vec1().unwrap();
    let told: Vec<f64> = said["words"].as_array().unwrap().iter().flat_map(attention).collect();
    assert!(numbers.iter().zip(&told).all(|(n, t)| (f64::from(*n) - t).abs() < 1e-7));

    // Other ways to draw.
    succeed(p, "caption photo.png --heatmaps none --opacity 0");
    assert_eq!(open(&p.join("none"), &maps[0]).to_rgb8(), photo.to_rgb8());
    succeed(p, "caption photo.png --heatmaps magma --colormap magma");
    succeed(p, "caption photo.png --heatmaps common --colormap magma --scale common");
    let first = |folder: &str| open(&p.join(folder), &maps[0]);
    assert!(mean_difference(&first("magma"), &first("maps")) > 1.0);
    succeed(p, "caption photo.png --heatmaps dark --mode spotlight");
    let brightness = |picture: &DynamicImage| picture.to_rgb8().iter().map(|v| u64::from(*v)).sum::<u64>();
    assert!(brightness(&first("dark")) < brightness(&photo), "what is not looked at is dimmed");
    let summed =
        |folder: &str| maps.iter().map(|map| mean_difference(&open(&p.join(folder), map), &photo)).sum::<f32>();
    assert!(summed("common") < summed("magma"), "what is looked at less is coloured less");
}

#[test]
fn nothing_is_replaced_and_what_stays_is_told() {
    let dir = folder();
    let p = dir.path();
    fs::create_dir(p.join("maps")).unwrap();
    fs::write(p.join("maps/99-zebra.png"), "of before").unwrap();
    fs::write(p.join("maps/notes.txt"), "mine").unwrap();
    for (option, there) in [
        ("--heatmaps maps", "99-zebra.png"),
        ("--sheet photo.png", "photo.png"),
        ("--animation photo.png", "photo.png"),
        ("-o kept.csv", "kept.csv"),
    ] {
        fs::write(p.join("kept.csv"), "mine").unwrap();
        let said = fail(p, &format!("caption photo.png {option}"), 1);
        let why = if there == "photo.png" { "the picture itself" } else { "--force" };
        assert!(said.contains(there) && said.contains(why), "{said}");
    }
    assert_eq!(names(&p.join("maps")), ["99-zebra.png", "notes.txt"]);
    assert_eq!(fs::read(p.join("kept.csv")).unwrap(), b"mine");
    let output = run(p, "caption photo.png --heatmaps maps --force");
    assert!(output.status.success() && stderr(&output).contains("99-zebra.png"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("notes.txt"));
    assert_eq!(fs::read(p.join("maps/99-zebra.png")).unwrap(), b"of before");
}

#[test]
#[cfg(unix)]
fn of_a_caption_that_cannot_be_written_whole_nothing_is_left() {
    let dir = folder();
    let p = dir.path();
    crate::files::nowhere(p, "said.npy");
    fail(p, "caption photo.png --sheet sheet.png --heatmaps maps --numbers said.npy", 1);
    assert_eq!(names(p), ["photo.png", "said.npy"]);

    // Photos lie where the folders of their maps would be: told before the network runs.
    fs::create_dir(p.join("trip")).unwrap();
    for name in ["a.png", "b.png"] {
        fs::copy(p.join("photo.png"), p.join("trip").join(name)).unwrap();
    }
    let said = fail(p, "caption trip --heatmaps trip --sheet sheets", 1);
    assert!(said.contains("needs a folder, which trip/a.png is not"), "{said}");
    assert!(!p.join("sheets").exists());
}

#[test]
fn without_attention_there_is_a_sentence_alone() {
    let dir = folder();
    let p = dir.path();
    let text = succeed(p, &format!("caption photo.png --model {TELLS} --json"));
    check(&json(&text), 5);
    assert!(!text.contains("attention\":"));
    succeed(p, &format!("caption photo.png --model {TELLS} --animation said.gif"));
    for option in ["--heatmaps maps", "--sheet sheet.png", "--numbers said.npy"] {
        let said = fail(p, &format!("caption photo.png --model {TELLS} {option}"), 2);
        assert!(said.contains("needs attention") && said.contains(TELLS), "{said}");
    }
    assert_eq!(names(p), ["photo.png", "said.gif"]);
}

#[test]
fn wrong_arguments_are_told() {
    let dir = folder();
    let p = dir.path();
    fs::write(p.join("weights.pth"), "no weights").unwrap();
    for (arguments, help) in [
        ("", "<IN>"),
        ("photo.png --beam 0", "from 1"),
        ("photo.png --beam 11", "to 10"),
        ("photo.png --length-norm NaN", "from 0"),
        ("photo.png --speed 0 --animation a.gif", "0.1"),
        ("photo.png --speed 3", "--animation"),
        ("photo.png --opacity 0.5", "--heatmaps"),
        ("photo.png --opacity 2 --sheet s.png", "from 0"),
        ("photo.png --colormap jet --sheet s.png", "viridis, magma"),
        ("photo.png --colormap magma --mode spotlight --sheet s.png", "no colours"),
        ("photo.png --animation said.webp", ".gif or .png"),
        ("photo.png --sheet s.jpg", "written as PNG"),
        ("photo.png --numbers n.txt", ".npy"),
        ("photo.png --sheet a.png --animation a.png", "same file"),
        ("photo.png --sheet maps/sum.png --heatmaps maps", "--heatmaps would write"),
        ("photo.png --heatmaps weights.pth", "needs a folder"),
        ("photo.png -o out.txt", ".jsonl or .csv"),
        ("photo.png --resume", "--output"),
        ("photo.png -o - --resume", "--resume"),
        ("photo.png -o - --json", "standard output"),
        ("photo.png --model no-such", ATTENDS),
        ("photo.png --words WORDMAP.json", "--model"),
        ("photo.png --model show-attend-tell-flickr8k --words WORDMAP.json", "leave --words"),
    ] {
        fs::create_dir_all(p.join("maps")).unwrap();
        let said = fail(p, &format!("caption {arguments}"), 2);
        assert!(said.contains(help), "lucida caption {arguments} says: {said}");
    }
    for (arguments, help) in [
        ("missing.png", "missing.png"),
        ("photo.png --model weights.pth", "weights.pth is not a readable checkpoint"),
        ("photo.png --model no/such.pth", "no/such.pth could not be read"),
        ("photo.png -o no/such/folder.csv", "no/such"),
    ] {
        let said = fail(p, &format!("caption {arguments}"), 1);
        assert!(said.contains(help), "lucida caption {arguments} says: {said}");
    }
    let painters = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/unet-camvid/model.safetensors");
    assert!(fail(p, &format!("caption photo.png --model {painters}"), 1).contains("does not describe"));
    assert_eq!(names(p), ["maps", "photo.png", "weights.pth"]);
    assert_eq!(names(&p.join("maps")), Vec::<String>::new());
    assert_eq!(succeed(p, "caption --list").lines().collect::<Vec<_>>(), [ATTENDS, TELLS]);
}

/// The words of "a PyTorch Tutorial to Image Captioning", where its network looked, and files by any name.
#[test]
fn a_tutorials_checkpoint_says_what_its_own_code_says() {
    let Some(oracles) = shared("oracles") else { return };
    let dir = folder();
    let p = dir.path();
    for (from, to) in [
        ("caption_BEST_checkpoint.pth.tar", "best.pth.tar"),
        ("caption_decoder.pth", "decoder.pth"),
        ("caption_decoder.WORDMAP.json", "words.json"),
        ("caption_BEST.input.png", "input.png"),
    ] {
        fs::copy(oracles.join(from), p.join(to)).unwrap();
    }
    let io = read_tensors(&oracles.join("caption_BEST_checkpoint.io.safetensors")).unwrap();
    let expected = fs::read(oracles.join("caption_BEST_checkpoint.json")).unwrap();
    let expected = &serde_json::from_slice::<Value>(&expected).unwrap()["results"];
    let mut largest = 0.0f64;
    for (name, beam) in [("greedy", 1), ("beam3", 3), ("beam5", 5)] {
        let said =
            succeed(p, &format!("caption input.png --model best.pth.tar --words words.json --beam {beam} --json"));
        let said = json(&said);
        check(&said, beam);
        assert_eq!(said["model"], "best.pth.tar");
        assert_eq!(format!("<start> {} <end>", said["caption"].as_str().unwrap()), expected[name]["words"]);
        let score = &expected[name]["finished"].as_array().unwrap();
        let score = score.iter().map(|s| number(&s["score"])).fold(f64::MIN, f64::max);
        assert!((number(&said["log_prob"]) - score).abs() < 1e-3);
        let alphas = io[&format!("{name}_alphas")].to_device(&Device::Cpu).unwrap().flatten_from(1).unwrap();
        let alphas = alphas.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
        for (word, alphas) in said["words"].as_array().unwrap().iter().zip(&alphas[1..]) {
            let off = attention(word).iter().zip(alphas).map(|(got, a)| (got - a).abs()).fold(0.0, f64::max);
            largest = largest.max(off);
        }
    }
    assert!(largest < 1e-3, "attention is off by {largest}");
    println!("attention off by {largest:.1e}");

    let best = "caption input.png --model best.pth.tar";
    assert!(fail(p, best, 2).contains("(--words)"), "there is no WORDMAP beside");
    let alone = fail(p, "caption input.png --model decoder.pth --words words.json", 2);
    assert!(alone.contains("resnet101") && alone.contains("(--encoder)"), "{alone}");
    fs::write(p.join("two.json"), r#"{"<start>": 0, "<end>": 1}"#).unwrap();
    assert!(fail(p, &format!("{best} --words two.json"), 1).contains("2 words are listed, the decoder has 60"));
    assert!(fail(p, &format!("{best} --words input.png"), 1).contains("input.png cannot be used as a list of words"));
    succeed(p, "caption input.png --model decoder.pth --words words.json --encoder best.pth.tar");
    // The window finds it there too.
    fs::copy(p.join("best.pth.tar"), p.join("encoder.pth.tar")).unwrap();
    succeed(p, "caption input.png --model decoder.pth --words words.json");
    assert_eq!(succeed(p, "models add decoder.pth --words words.json"), "decoder\n");
    succeed(p, "models remove decoder");
    fs::rename(p.join("words.json"), p.join("best_WORDMAP.json")).unwrap();
    let said = succeed(p, &format!("{best} --start building"));
    assert!(said.starts_with("building "), "{said}");
}
