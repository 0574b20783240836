//! `lucida segment`: overlays, labels, numbers, checkpoints, refusals.

use std::fs;

use image::GenericImageView;

use crate::*;

/// Reads a PNG's own colour type and its samples.
fn labels(folder: &Path, name: &str) -> (u32, u32, Vec<u8>) {
    let DynamicImage::ImageLuma8(grey) = open(folder, name) else { panic!("{name} is no grey 8-bit picture") };
    (grey.width(), grey.height(), grey.into_raw())
}

#[test]
fn a_photo_becomes_an_overlay_labels_and_numbers() {
    let dir = folder();
    let out =
        succeed(dir.path(), "segment photo.png -o out.png --model unet-camvid --mask labels.png --opacity 1 --json");
    let told = json(&out);
    assert_eq!((&told["model"], &told["width"], &told["height"]), (&"unet-camvid".into(), &96.into(), &64.into()));
    assert!(told["seconds"].as_f64().unwrap() > 0.0);
    let (width, height, labels) = labels(dir.path(), "labels.png");
    assert_eq!((width, height), (96, 64));
    let classes = told["classes"].as_array().unwrap();
    let mut pixels = 0;
    for class in classes {
        let id = class["id"].as_u64().unwrap() as u8;
        let count = labels.iter().filter(|label| **label == id).count() as u64;
        assert_eq!(class["pixels"].as_u64().unwrap(), count);
        assert!((class["share"].as_f64().unwrap() - count as f64 / 6144.0).abs() < 1e-9);
        assert!(lucida::tasks::segment::CAMVID.contains(&class["name"].as_str().unwrap()));
        pixels += count;
    }
    assert_eq!(pixels, 96 * 64);
    // At full opacity every pixel away from borders has its class's colour and nothing else.
    let overlay = open(dir.path(), "out.png").to_rgb8();
    let colours = lucida::gpu::palette::camvid();
    let mut inside = 0;
    for (x, y) in (1..63).flat_map(|y| (1..95).map(move |x| (x, y))) {
        let at = |x: u32, y: u32| labels[(y * 96 + x) as usize];
        if (0..9).all(|i| at(x - 1 + i % 3, y - 1 + i / 3) == at(x, y)) {
            assert_eq!(overlay.get_pixel(x, y).0, colours[usize::from(at(x, y))], "at {x}, {y}");
            inside += 1;
        }
    }
    assert!(inside > 1000, "{inside} pixels away from borders");
    assert_eq!(names(dir.path()), ["labels.png", "out.png", "photo.png"]);
}

#[test]
fn opacity_nothing_is_the_photo_and_a_cut_out_is_transparent() {
    let dir = folder();
    succeed(dir.path(), "segment photo.png -o same.png --model fcn-8s-camvid --opacity 0");
    assert_eq!(open(dir.path(), "same.png").to_rgba8(), open(dir.path(), "photo.png").to_rgba8());
    // What is background is cut away, and what is not stays as it was; in between is a pixel's width of both.
    let panda = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/samples/red-panda.jpg");
    image::open(panda).unwrap().thumbnail(320, 240).save(dir.path().join("panda.png")).unwrap();
    succeed(dir.path(), "segment panda.png -o cut.png --mode cut-out --mask labels.png");
    let (cut, photo) = (open(dir.path(), "cut.png").to_rgba8(), open(dir.path(), "panda.png").to_rgba8());
    let (width, height, labels) = labels(dir.path(), "labels.png");
    let at = |x: u32, y: u32| labels[(y * width + x) as usize];
    let [mut away, mut kept] = [0, 0];
    for (x, y) in (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (x, y))) {
        let around = (0..9).map(|i| at(x - 1 + i % 3, y - 1 + i / 3));
        match around.filter(|label| *label != 0).count() {
            0 => {
                assert_eq!(cut.get_pixel(x, y)[3], 0);
                away += 1;
            }
            9 => {
                assert_eq!(cut.get_pixel(x, y), photo.get_pixel(x, y));
                kept += 1;
            }
            _ => {}
        }
    }
    assert!(away > 1000 && kept > 1000, "{away} pixels away, {kept} kept: the panda fills half of its picture");
    // JPEG has no transparency, which is told.
    let jpeg = run(dir.path(), "segment panda.png -o cut.jpg --mode cut-out");
    assert!(jpeg.status.success() && stderr(&jpeg).contains("cut away"), "{}", stderr(&jpeg));
}

#[test]
fn options_change_labels_and_bf16_hardly_any() {
    let dir = folder();
    let child = |name: &str, more: &str| {
        succeed(dir.path(), &format!("segment photo.png -o {name}.png --model unet-camvid --mask {name}-l.png {more}"));
        labels(dir.path(), &format!("{name}-l.png")).2
    };
    let (plain, again, refined) = (child("a", ""), child("b", ""), child("c", "--refine crf"));
    assert_eq!(plain, again);
    let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    assert!(differ(&plain, &refined) > 0);
    let larger = child("d", "--size 240");
    assert!(differ(&plain, &larger) > 0);
    // The mirror image counts too where nothing else is said, as the card says.
    assert_eq!(plain, child("f", "--mirror on"));
    assert!(differ(&plain, &child("g", "--mirror off")) > 0);
    if lucida::nn::Precision::Bf16.is_available() {
        let rounded = child("e", "--precision bf16");
        assert!(differ(&plain, &rounded) * 20 < plain.len());
    }
}

#[test]
fn a_folder_gives_overlays_and_labels_and_one_bad_file_fails_alone() {
    let dir = folder();
    let trip = dir.path().join("trip");
    fs::create_dir(&trip).unwrap();
    picture(64, 48, false).save(trip.join("a.png")).unwrap();
    picture(48, 64, false).save(trip.join("b.png")).unwrap();
    fs::write(trip.join("c.jpg"), "no picture").unwrap();
    let output = run(dir.path(), "segment trip -o out --mask masks --model fcn-8s-camvid --json");
    assert_eq!(output.status.code(), Some(1));
    let told = json(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!((told["results"].as_array().unwrap().len(), told["failed"].as_array().unwrap().len()), (2, 1));
    assert_eq!(names(&dir.path().join("out")), ["a.png", "b.png"]);
    assert_eq!(names(&dir.path().join("masks")), ["a.png.labels.png", "b.png.labels.png"]);
    assert_eq!(open(dir.path(), "masks/b.png.labels.png").dimensions(), (48, 64));
    // Two pictures that differ in their endings alone have labels of their own.
    picture(40, 30, false).save(trip.join("a.webp")).unwrap();
    succeed(dir.path(), "segment trip/a.png trip/a.webp -o twice --mask twice --model fcn-8s-camvid");
    assert_eq!(names(&dir.path().join("twice")), ["a.png", "a.png.labels.png", "a.webp", "a.webp.labels.png"]);
}

#[test]
fn wrong_arguments_and_weights_are_told_and_nothing_is_written() {
    let dir = folder();
    let p = dir.path();
    assert!(fail(p, "segment photo.png -o o.png --model no-such", 2).contains("unet-camvid"));
    assert!(fail(p, "segment photo.png -o o.png --opacity 2", 2).contains("0 (the photo)"));
    assert!(fail(p, "segment photo.png -o o.png --mask o.png", 2).contains("same file"));
    fs::create_dir(p.join("into")).unwrap();
    assert!(fail(p, "segment photo.png -o into --mask into/photo.png --force", 2).contains("same file"));
    fs::remove_dir(p.join("into")).unwrap();
    assert!(fail(p, "segment photo.png -o o.png --mask m.jpg", 2).contains(".png"));
    assert!(fail(p, "segment photo.png -o - --json", 2).contains("standard output"));
    assert!(fail(p, "segment photo.png -o o.png --refine nicely", 2).contains("crf"));
    fs::write(p.join("weights.pth"), "no weights").unwrap();
    assert!(fail(p, "segment photo.png -o o.png --model weights.pth", 1).contains("weights.pth"));
    let said = fail(p, "segment photo.png -o o.png --model nowhere/weights.pth", 1);
    assert_eq!(said.matches("weights.pth").count(), 1, "{said}");
    assert!(fail(p, "segment photo.png photo.png -o all --mask masks --model no-such", 2).contains("unet-camvid"));
    // A network that does something else.
    let painters = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/style-painters/model.safetensors");
    let why = fail(p, &format!("segment photo.png -o o.png --model {painters}"), 1);
    assert!(why.contains("does not segment"), "{why}");
    fs::write(p.join("m.png"), "mine").unwrap();
    assert!(fail(p, "segment photo.png -o o.png --mask m.png", 1).contains("--force"));
    assert_eq!(fs::read(p.join("m.png")).unwrap(), b"mine");
    assert_eq!(names(p), ["m.png", "photo.png", "weights.pth"]);
    assert!(succeed(p, "segment --list").lines().any(|line| line == "fcn-32s-camvid"));
}
