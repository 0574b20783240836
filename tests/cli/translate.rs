//! `lucida translate`: translations and the way back, what is written beside them, checkpoints of one way, refusals.

use std::collections::HashMap;
use std::fs;

use candle_core::Tensor;
use image::{GenericImageView, RgbImage};
use lucida::gpu::Colormap;
use lucida::models::cyclegan::{Config, Normalisation};
use lucida::models::{ResnetGenerator, random};

use crate::*;

type Tensors = HashMap<String, Tensor>;

/// A small generator of CycleGAN's; its values depend on the name.
pub fn generator(name: &str) -> Tensors {
    let config = Config { width: 4, ..Config::paper(1) };
    random::tensors(|vb| ResnetGenerator::new(config, vb.pp(name))).unwrap()
}

/// A PatchGAN with instance norms, by the names of junyanz's code.
pub fn discriminator(name: &str) -> Tensors {
    let vb = random::weights().pp(name);
    let mut tensors = Tensors::new();
    for (at, outs, ins) in [(0, 4, 3), (2, 8, 4), (5, 16, 8), (8, 32, 16), (11, 1, 32)] {
        let name = |what: &str| format!("model.{at}.{what}");
        tensors.insert(name("weight"), vb.get((outs, ins, 4, 4), &name("weight")).unwrap());
        tensors.insert(name("bias"), vb.get(outs, &name("bias")).unwrap());
    }
    tensors.into_iter().map(|(key, tensor)| (format!("{name}.{key}"), tensor)).collect()
}

/// Under the names that they have in a file of their own.
pub fn bare(tensors: Tensors, network: &str) -> Tensors {
    let short = |(name, tensor): (String, Tensor)| (name[network.len() + 1..].to_owned(), tensor);
    tensors.into_iter().map(short).collect()
}

pub fn save(folder: &Path, name: &str, tensors: Tensors) {
    candle_core::safetensors::save(&tensors, folder.join(name)).unwrap();
}

/// A folder with `photo.png` and models as a person may have them: `both.safetensors` with both ways and discriminators, and
/// `one_net_G_A.pth` and `back.pth`, each of one way.
fn folder() -> TempDir {
    let dir = crate::folder();
    let both = ["netG_A", "netG_B"].map(generator).into_iter().chain(["netD_A", "netD_B"].map(discriminator));
    save(dir.path(), "both.safetensors", both.flatten().collect());
    for (file, name) in [("one_net_G_A.pth", "netG_A"), ("back.pth", "netG_B")] {
        save(dir.path(), file, bare(generator(name), name));
    }
    dir
}

fn rgb(folder: &Path, name: &str) -> RgbImage {
    open(folder, name).to_rgb8()
}

/// Mean absolute difference, 0..=1.
fn l1(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64 / 255.0
}

/// The largest difference, in levels.
fn most(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn there_and_back_again_with_numbers_that_fit_the_files() {
    let dir = folder();
    let p = dir.path();
    let out = succeed(
        p,
        "translate photo.png -o out.png --model both.safetensors --cycle back.png --error error.png \
         --identity same.png --patches patches.png --json",
    );
    let told = json(&out);
    assert_eq!((&told["width"], &told["height"], &told["direction"]), (&96.into(), &64.into(), &"a2b".into()));
    assert_eq!(told["model"], "both.safetensors");
    assert!(told["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(told["l1"], serde_json::Value::Null);

    let [photo, out, back, error, same, patches] =
        ["photo", "out", "back", "error", "same", "patches"].map(|name| rgb(p, &format!("{name}.png")));
    assert!(l1(&photo, &out) > 0.02, "the picture hardly changed");
    // Files are rounded to 8 bits, the numbers not.
    let near = |told: &serde_json::Value, files: f64| {
        let told = told.as_f64().unwrap();
        assert!(told > 0.01 && (told - files).abs() < 0.003, "{told} is told, {files} is in the files");
    };
    near(&told["cycle_error"], l1(&photo, &back));
    near(&told["identity_error"], l1(&photo, &same));
    assert!(told["patches"].as_f64().unwrap().is_finite());

    // The map has magma's colour of each pixel's error, and the lightest from 64 of 255 on.
    let mut seen = [0, 0];
    for ((photo, back), error) in photo.pixels().zip(back.pixels()).zip(error.pixels()) {
        let off: f32 = (0..3).map(|c| f32::from(photo[c].abs_diff(back[c]))).sum::<f32>() / 3.0;
        let nearest = [-1.0, 0.0, 1.0].map(|rounded| {
            let colour = Colormap::Magma.colour((off + rounded) / 64.0).map(|v| v * 255.0);
            (0..3).map(|c| (colour[c] - f32::from(error[c])).abs()).fold(0.0, f32::max)
        });
        assert!(nearest.into_iter().fold(f32::MAX, f32::min) < 12.0, "an error of {off} has the colour {error:?}");
        seen[usize::from(off >= 64.0)] += 1;
    }
    println!("{} pixels in the map's range, {} beyond", seen[0], seen[1]);

    // Under the scores lies the translation: without it what is left are viridis' colours.
    let table = Colormap::Viridis.table();
    for (out, patch) in out.pixels().zip(patches.pixels()) {
        let colour = [0, 1, 2].map(|c| (f32::from(patch[c]) - 0.4 * f32::from(out[c])) / 0.6);
        let off = |t: &[u8; 3]| (0..3).map(|c| (f32::from(t[c]) - colour[c]).abs()).fold(0.0, f32::max);
        assert!(table.iter().map(off).fold(f32::MAX, f32::min) < 5.0, "{colour:?} is not in the map");
    }

    // The other direction does to the photo what its identity picture shows, and brings the translation home.
    let said = json(&succeed(p, "translate photo.png -o b.png --model both.safetensors --direction b2a --json"));
    assert_eq!(said["direction"], "b2a");
    assert!(said.get("cycle_error").is_none() && said.get("patches").is_none(), "{said}");
    assert!(most(&rgb(p, "b.png"), &same) <= 1);
    succeed(p, "translate out.png -o home.png --model both.safetensors --direction b2a");
    let off = l1(&rgb(p, "home.png"), &back);
    assert!(off < 0.02 && off < l1(&rgb(p, "b.png"), &back), "the way back in two commands is off by {off}");
}

#[test]
fn strength_and_colours_are_the_photos_as_in_style() {
    let dir = folder();
    let p = dir.path();
    let original = picture(96, 64, true);
    original.save(p.join("clear.png")).unwrap();
    let command = "translate clear.png --model both.safetensors";
    for strength in ["0", "0.5", "1"] {
        succeed(p, &format!("{command} -o s{strength}.png --strength {strength}"));
    }
    let at = |name: &str| open(p, name).to_rgba8();
    let (none, half, all) = (at("s0.png"), at("s0.5.png"), at("s1.png"));
    assert_eq!(none, original, "strength 0 is the photo, bit for bit");
    assert_ne!(all, original);
    for ((none, half), all) in none.iter().zip(half.iter()).zip(all.iter()) {
        let mean = (f32::from(*none) + f32::from(*all)) / 2.0;
        assert!((f32::from(*half) - mean).abs() <= 1.0, "{half} is not the mean of {none} and {all}");
    }
    // The way back is of the translation itself.
    succeed(p, &format!("{command} -o t1.png --strength 0.3 --cycle c1.png"));
    succeed(p, &format!("{command} -o t2.png --keep-colours --cycle c2.png"));
    assert_eq!(at("c1.png"), at("c2.png"));
    assert_ne!(at("t1.png"), at("t2.png"));
    assert_ne!(at("t2.png"), all);
    // The networks' size shows in the result, not in its size.
    succeed(p, &format!("{command} -o small.png --size 32"));
    assert_eq!(open(p, "small.png").dimensions(), (96, 64));
    assert_ne!(at("small.png"), all);
}

#[test]
fn a_checkpoint_of_one_way_is_told_what_it_lacks_and_joined_with_the_other() {
    let dir = folder();
    let p = dir.path();
    let one = "translate photo.png -o out.png --model one_net_G_A.pth";
    assert!(fail(p, &format!("{one} --direction b2a"), 2).contains("--back"));
    for option in ["cycle", "error", "identity"] {
        let said = fail(p, &format!("{one} --{option} x.png"), 2);
        assert!(said.contains(&format!("--{option}")) && said.contains("--back"), "{said}");
    }
    assert!(fail(p, &format!("{one} --patches x.png"), 2).contains("discriminator"));
    assert_eq!(names(p), ["back.pth", "both.safetensors", "one_net_G_A.pth", "photo.png"]);

    // Joined, it is the model that has both.
    succeed(p, "translate photo.png -o out.png --model both.safetensors --cycle home.png");
    succeed(p, "translate photo.png -o out1.png --model one_net_G_A.pth --back back.pth --cycle home1.png");
    assert_eq!(rgb(p, "out.png"), rgb(p, "out1.png"));
    assert_eq!(rgb(p, "home.png"), rgb(p, "home1.png"));
    // The way back called as CycleGAN's code does is found by itself.
    fs::copy(p.join("back.pth"), p.join("one_net_G_B.pth")).unwrap();
    succeed(p, "translate photo.png -o out2.png --model one_net_G_A.pth --cycle home2.png");
    assert_eq!(rgb(p, "home.png"), rgb(p, "home2.png"));
    let twice = "translate photo.png -o out3.png --model both.safetensors --back back.pth";
    assert!(fail(p, twice, 2).contains("leave --back out"));
    let missing = "translate photo.png -o out3.png --model back.pth --back nowhere.pth";
    assert!(fail(p, missing, 1).contains("nowhere.pth"));
}

#[test]
fn own_statistics_are_pix2pix_without_eval() {
    let dir = folder();
    let p = dir.path();
    let output = run(p, "translate photo.png -o out.png --model one_net_G_A.pth --own-statistics");
    assert!(output.status.success() && stderr(&output).contains("no batch norms"), "{}", stderr(&output));
    assert!(
        json(&succeed(p, "translate photo.png -o none.png --model one_net_G_A.pth --json"))["statistics"].is_null()
    );
    let config = Config { width: 4, normalisation: Normalisation::Batch, bias: false, ..Config::paper(1) };
    save(p, "batch.pth", random::tensors(|vb| ResnetGenerator::new(config, vb)).unwrap());
    for (more, statistics, told) in [("", "kept", "kept in training"), ("--own-statistics", "own", "picture's own")] {
        let output = run(p, &format!("translate photo.png -o {statistics}-batch.png --model batch.pth --json {more}"));
        assert_eq!(json(&String::from_utf8_lossy(&output.stdout))["statistics"], statistics);
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    assert_ne!(rgb(p, "kept-batch.png"), rgb(p, "own-batch.png"));
    let Some(oracles) = shared("oracles") else { return };
    let oracle = oracles.join("pix2pix_unet128");
    let photo = format!("{}.input.png", oracle.display());
    let command = format!("translate {photo} --model {}.pth", oracle.display());
    succeed(p, &format!("{command} -o kept.png"));
    succeed(p, &format!("{command} -o own.png --own-statistics"));
    let io = lucida::zoo::read_tensors(&oracle.with_extension("io.safetensors")).unwrap();
    for (name, expected) in [("kept.png", "output"), ("own.png", "output_batchstats")] {
        let expected = io[expected].squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        let got = rgb(p, name);
        let off =
            got.iter().zip(&expected).map(|(got, e)| (f32::from(*got) / 127.5 - 1.0 - e).abs()).fold(0.0, f32::max);
        println!("{name} is off by {:.2} of 255", off * 127.5);
        assert!(off <= 1.0 / 127.5, "{name} is off by {off}");
    }
}

#[test]
fn the_distance_from_the_true_partner_is_told() {
    let dir = folder();
    let p = dir.path();
    let command = "translate photo.png --model both.safetensors --json";
    succeed(p, &format!("{command} -o out.png"));
    // From itself nothing, whatever strength it is laid over the photo with.
    let output = run(p, &format!("{command} -o half.png --strength 0.5 --truth out.png"));
    let told = json(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(told["l1"].as_f64(), Some(0.0));
    assert!(stderr(&output).contains("photo.png: L1 to the true partner 0.0000"), "{}", stderr(&output));
    let told = json(&succeed(p, &format!("{command} -o out2.png --truth photo.png")));
    let expected = l1(&rgb(p, "out.png"), &rgb(p, "photo.png"));
    assert!((told["l1"].as_f64().unwrap() - expected).abs() < 1e-6, "{told}, not {expected}");

    // Half a partner is told.
    let jpeg = p.join("whole.jpg");
    let whole = image::DynamicImage::from(picture(240, 160, false)).to_rgb8();
    whole.save(&jpeg).unwrap();
    let whole = fs::read(&jpeg).unwrap();
    fs::write(p.join("part.jpg"), &whole[..whole.len() * 9 / 10]).unwrap();
    let output = run(p, &format!("{command} -o out4.png --truth part.jpg"));
    assert!(stderr(&output).contains("part.jpg: warning: the file ends early"), "{}", stderr(&output));

    // What has another shape cannot be the partner.
    picture(60, 20, false).save(p.join("long.png")).unwrap();
    let said = fail(p, "translate photo.png -o out3.png --model both.safetensors --truth long.png", 1);
    assert!(said.contains("60 x 20 pixels, another shape than the picture's"), "{said}");
    assert!(!p.join("out3.png").exists());

    // In folders partners are found by their names; who has none fails alone.
    let [trip, truth] = ["trip", "truth"].map(|name| p.join(name));
    fs::create_dir(&trip).unwrap();
    fs::create_dir(&truth).unwrap();
    for name in ["a.png", "b.png", "c.png", "d.png"] {
        picture(40, 32, false).save(trip.join(name)).unwrap();
    }
    // Of another size, and the same shape.
    picture(20, 16, false).save(truth.join("a.webp")).unwrap();
    for name in ["b.png", "b.bmp", "d.bmp", "d.webp"] {
        picture(40, 32, false).save(truth.join(name)).unwrap();
    }
    let output = run(p, "translate trip -o made --model both.safetensors --truth truth --json");
    assert_eq!(output.status.code(), Some(1));
    let told = json(std::str::from_utf8(&output.stdout).unwrap());
    let results = told["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result["l1"].as_f64().unwrap() > 0.0), "{told}");
    let why = |i: usize| told["failed"][i]["error"].as_str().unwrap();
    assert!(why(0).contains("no picture called c") && why(1).contains("d.bmp and d.webp"), "{told}");
    assert_eq!(names(&p.join("made")), ["a.png", "b.png"]);
    // Nor is a partner ever replaced.
    let before = std::fs::read(truth.join("a.webp")).unwrap();
    let said = fail(p, "translate trip/a.png -o truth/a.webp --model both.safetensors --truth truth --force", 1);
    assert!(said.contains("a.webp is a true partner"), "{said}");
    assert_eq!(std::fs::read(truth.join("a.webp")).unwrap(), before);

    let alone = "translate trip/c.png -o c.png --model both.safetensors --truth";
    assert!(fail(p, &format!("{alone} truth"), 1).contains("no picture called c"));
    assert!(fail(p, &format!("{alone} nothing.png"), 1).contains("nothing.png"));
    assert!(fail(p, "translate trip -o more --model both.safetensors --truth photo.png", 2).contains("folder"));
    assert!(fail(p, "translate - -o c.png --model both.safetensors --truth truth", 2).contains("standard input"));
}

#[test]
fn of_a_folder_all_that_goes_beside_goes_into_folders() {
    let dir = folder();
    let p = dir.path();
    let trip = p.join("trip");
    fs::create_dir(&trip).unwrap();
    picture(40, 32, false).save(trip.join("a.png")).unwrap();
    DynamicImage::from(picture(7, 50, false)).to_rgb8().save(trip.join("b.jpg")).unwrap();
    fs::write(trip.join("c.png"), "no picture").unwrap();
    let command = "translate trip -o out --cycle more --error more --identity out --model both.safetensors --json";
    let output = run(p, command);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = json(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!((told["results"].as_array().unwrap().len(), told["failed"].as_array().unwrap().len()), (2, 1));
    assert!(told["results"][1]["cycle_error"].as_f64().unwrap() > 0.0);
    assert_eq!(names(&p.join("out")), ["a.png", "a.png.identity.png", "b.jpg", "b.jpg.identity.png"]);
    let more = ["a.png.cycle.png", "a.png.error.png", "b.jpg.cycle.png", "b.jpg.error.png"];
    assert_eq!(names(&p.join("more")), more);
    assert_eq!(open(p, "more/b.jpg.error.png").dimensions(), (7, 50));
    // Only what is not there yet is made: before any work the others are told.
    fs::remove_file(p.join("out/a.png")).unwrap();
    fs::remove_file(p.join("out/b.jpg")).unwrap();
    fs::remove_file(p.join("more/b.jpg.cycle.png")).unwrap();
    fs::remove_file(trip.join("c.png")).unwrap();
    let again = run(p, "translate trip -o out --cycle more --model both.safetensors --json");
    assert_eq!(again.status.code(), Some(1));
    let told = json(std::str::from_utf8(&again.stdout).unwrap());
    assert!(told["failed"][0]["error"].as_str().unwrap().contains("a.png.cycle.png already exists"), "{told}");
    assert!(told["results"][0]["output"].as_str().unwrap().ends_with("b.jpg"), "{told}");
    assert_eq!(names(&p.join("more")), more);
    assert!(!p.join("out/a.png").exists());
}

#[test]
fn wrong_arguments_and_weights_are_told_and_nothing_is_written() {
    let dir = folder();
    let p = dir.path();
    let before = names(p);
    let to = "translate photo.png -o o.png --model both.safetensors";
    assert!(fail(p, "translate photo.png -o o.png --model no-such", 2).contains("neither a model nor a file"));
    let said = fail(p, "translate photo.png -o o.png --model fcn-16s-camvid", 2);
    assert!(said.contains("a model of `lucida segment`") && said.contains("cyclegan-anime"), "{said}");
    assert!(fail(p, &format!("{to} --direction there"), 2).contains("a2b"));
    assert!(fail(p, &format!("{to} --strength 2"), 2).contains("0 (the photo)"));
    assert!(fail(p, &format!("{to} --cycle o.png"), 2).contains("same file"));
    assert!(fail(p, &format!("{to} --cycle c.png --error ./c.png"), 2).contains("same file"));
    let folder = p.file_name().unwrap().to_str().unwrap();
    assert!(fail(p, &format!("{to} --identity ../{folder}/o.png"), 2).contains("same file"));
    assert!(fail(p, &format!("{to} --cycle c.jpg"), 2).contains(".png"));
    assert!(fail(p, &format!("{to} --cycle no/such/c.png"), 1).contains("no/such"));
    assert!(fail(p, &format!("{to} --cycle photo.png"), 1).contains("the picture itself"));
    assert!(fail(p, &format!("{to} --size 3"), 2).contains("16..=65535"));
    assert!(fail(p, "translate photo.png -o - --json --model both.safetensors", 2).contains("standard output"));
    assert!(fail(p, "translate photo.png -o o.png --model nowhere/weights.pth", 1).contains("weights.pth"));
    assert!(fail(p, "translate nowhere.png -o o.png --model both.safetensors", 1).contains("nowhere.png"));
    // Networks that do something else.
    for model in ["style-painters", "unet-camvid"] {
        let other = format!("{}/assets/models/{model}/model.safetensors", env!("CARGO_MANIFEST_DIR"));
        let why = fail(p, &format!("translate photo.png -o o.png --model {other}"), 1);
        assert!(why.contains("does not translate"), "{why}");
        let why = fail(p, &format!("translate photo.png -o o.png --model back.pth --back {other}"), 1);
        assert!(why.contains("does not translate"), "{why}");
    }
    assert!(fail(p, "segment photo.png -o o.png --model back.pth", 1).contains("does not segment"));
    assert_eq!(names(p), before);
    let listed = succeed(p, "translate --list");
    let all = json(&succeed(p, "models --json"));
    let translating = all.as_array().unwrap().iter().filter(|model| model["task"] == "translate");
    let ids: Vec<&str> = translating.map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), ids);
}
