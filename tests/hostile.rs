//! Hostile input: whatever the bytes, the answer is a picture or one clear sentence.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::shared;
use lucida::imaging::{Format, ImagingError, Limits, Picture, Samples, decode, decode_with, encode, open};
use proptest::prelude::*;

/// The collected files, where this machine has them.
fn collected() -> Option<PathBuf> {
    shared("oracles").map(|folder| folder.join("hostile"))
}

fn assert_clear(error: &ImagingError, name: &str) {
    let text = error.to_string();
    assert!(text.len() > 10 && text.len() < 300, "{name}: {text}");
    assert!(!text.contains('\n'), "{name}: {text}");
}

/// Mean over all pixels of the stored values, 0..=255: the oracle knows neither alpha nor profiles.
fn mean_rgb(picture: &Picture) -> [f64; 3] {
    let values: Vec<f64> = match picture.samples() {
        Samples::Eight(v) => v.iter().map(|&s| f64::from(s)).collect(),
        Samples::Sixteen(v) => v.iter().map(|&s| f64::from(s) / 257.0).collect(),
    };
    let mean = |c: usize| values.iter().skip(c).step_by(4).sum::<f64>() / picture.pixels() as f64;
    [mean(0), mean(1), mean(2)]
}

/// Peak resident memory of this process in MiB, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
fn every_collected_file_meets_its_expectation() {
    let Some(folder) = collected() else { return };
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let mut wrong = Vec::new();
    for entry in manifest["files"].as_array().unwrap() {
        let name = entry["file"].as_str().unwrap();
        let expectation = entry["expectation"].as_str().unwrap();
        let before = Instant::now();
        let result = open(&folder.join(name));
        if before.elapsed() > Duration::from_secs(20) {
            wrong.push(format!("{name}: took {:?}", before.elapsed()));
        }
        if std::env::var_os("LUCIDA_LIST").is_some() {
            let pillow = &entry["pillow_13_says"]["mean_rgb"];
            match &result {
                Ok(p) => eprintln!("{name}: {p:?} {:.1?} pillow {pillow}", mean_rgb(p)),
                Err(e) => eprintln!("{name}: {e}"),
            }
        }
        match &result {
            Err(e) => assert_clear(e, name),
            Ok(picture) => {
                if let Some(mean) = entry["mean_rgb_upright"].as_array() {
                    let tolerance = entry["mean_tolerance"].as_f64().unwrap();
                    let got = mean_rgb(picture);
                    for c in 0..3 {
                        if (got[c] - mean[c].as_f64().unwrap()).abs() > tolerance {
                            wrong.push(format!("{name}: mean {got:?}, expected {mean:?}"));
                        }
                    }
                }
            }
        }
        if let Some(size) = expectation.strip_prefix("loads ").and_then(|e| e.strip_suffix(" upright")) {
            match &result {
                Ok(p) if format!("{}x{}", p.width(), p.height()) == size => {}
                other => wrong.push(format!("{name}: expected {size}, got {other:?}")),
            }
        } else if expectation == "clear error" && result.is_ok() {
            wrong.push(format!("{name}: expected an error, got {result:?}"));
        }
    }
    if let Some(peak) = peak_mib().filter(|&peak| peak > 1024) {
        wrong.push(format!("peak memory {peak} MiB"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A small picture of noise and flat parts with alpha.
fn sample() -> Picture {
    let rgba = (0..40u32 * 30)
        .flat_map(|i| {
            let v = i.wrapping_mul(2_654_435_761) >> 24;
            [v as u8, (i / 40) as u8 * 8, 7, if i % 5 == 0 { 90 } else { 255 }]
        })
        .collect();
    Picture::from_rgba8(40, 30, rgba).unwrap()
}

fn encoded() -> Vec<Vec<u8>> {
    let formats = [Format::Png, Format::Jpeg { quality: 80 }, Format::WebP, Format::Tiff];
    let mut files: Vec<_> = formats.iter().map(|&f| encode(&sample(), f).unwrap()).collect();
    let rgba = image::RgbaImage::from_raw(40, 30, sample().to_srgba8()).unwrap();
    let rgba = image::DynamicImage::ImageRgba8(rgba);
    for format in [
        image::ImageFormat::Gif,
        image::ImageFormat::Bmp,
        image::ImageFormat::Ico,
        image::ImageFormat::Pnm,
        image::ImageFormat::Qoi,
    ] {
        let mut file = std::io::Cursor::new(Vec::new());
        let written = match format {
            // The decoder insists on alpha inside icons, and the encoder of PNM writes none.
            image::ImageFormat::Ico => rgba.clone(),
            _ => rgba.to_rgb8().into(),
        };
        written.write_to(&mut file, format).unwrap();
        files.push(file.into_inner());
    }
    files
}

#[test]
fn truncation_anywhere_is_survived() {
    for file in encoded() {
        assert_eq!(decode(&file).unwrap().size(), [40, 30]);
        for len in (0..file.len()).step_by(1 + file.len() / 97) {
            if let Err(e) = decode(&file[..len]) {
                assert_clear(&e, "truncated");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_anywhere_is_survived(
        which in 0usize..9,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        thread_local!(static FILES: Vec<Vec<u8>> = encoded());
        let mut file = FILES.with(|f| f[which].clone());
        for (at, byte) in damage {
            let len = file.len();
            file[at.index(len)] = byte;
        }
        match decode(&file) {
            Ok(picture) => { picture.to_srgba8(); }
            Err(e) => assert_clear(&e, "damaged"),
        }
    }

    #[test]
    fn noise_behind_a_signature_is_survived(
        which in 0usize..12,
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let signatures: [&[u8]; 12] = [
            b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x90\0\0\0WEBPVP8L",
            b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"BM", b"\0\0\x01\0", b"qoif", b"P6\n9 9\n", b"P7\n",
        ];
        let file = [signatures[which], &noise].concat();
        if let Err(e) = decode(&file) {
            assert_clear(&e, "noise");
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg()))
    })
}

/// A PNG header that declares a size, and almost no data.
fn huge_png(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let chunk = |name: &[u8], body: &[u8]| {
        let named = [name, body].concat();
        let mut out = (body.len() as u32).to_be_bytes().to_vec();
        out.extend(&named);
        out.extend(crc32(&named).to_be_bytes());
        out
    };
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, colour, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(chunk(b"IHDR", &header));
    file.extend(chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1]));
    file.extend(chunk(b"IEND", &[]));
    file
}

fn huge_bmp(width: i32, height: i32, bits: u16) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.extend([0; 8]);
    file.extend(54u32.to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend([0; 24]);
    file
}

fn huge_gif(width: u16, height: u16) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    file.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255, b',', 0, 0, 0, 0]);
    file.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    file.extend([0, 2, 2, 0x44, 1, 0, b';']);
    file
}

#[test]
fn huge_declarations_are_refused_before_memory_is_spent() {
    let before = peak_mib();
    let files = [
        huge_png(0x7fff_ffff, 0x7fff_ffff, 16, 6),
        huge_png(60_000, 60_000, 1, 0),
        huge_png(14_000, 14_000, 16, 6),
        huge_png(14_000, 14_000, 1, 3),
        huge_png(0, 10, 8, 2),
        huge_bmp(i32::MAX, i32::MAX, 32),
        huge_bmp(14_000, -14_000, 24),
        huge_gif(65_535, 65_535),
        huge_gif(14_000, 14_000),
        b"P6\n65000 65000\n255\nabc".to_vec(),
        b"P5\n14000 14000\n65535\nabc".to_vec(),
        b"P1\n99999999999 99999999999\n1".to_vec(),
        b"P7\nWIDTH 60000\nHEIGHT 3000\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n".to_vec(),
        b"qoif\0\0\xff\xff\0\0\xff\xff\x04\0".to_vec(),
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0".to_vec(),
    ];
    for (i, file) in files.iter().enumerate() {
        let started = Instant::now();
        let error = decode(file).expect_err(&format!("file {i} is no picture"));
        assert_clear(&error, &format!("file {i}"));
        assert!(started.elapsed() < Duration::from_secs(5), "file {i}");
    }
    if let (Some(before), Some(after)) = (before, peak_mib()) {
        assert!(after < before.max(700), "{before} MiB, then {after} MiB");
    }
}

#[test]
fn the_limits_hold() {
    let file = encode(&sample(), Format::Png).unwrap();
    let fits = Limits { max_side: 40, max_pixels: 1200, max_alloc: 1 << 20 };
    assert!(decode_with(&file, &fits).is_ok());
    for tight in
        [Limits { max_side: 39, ..fits }, Limits { max_pixels: 1199, ..fits }, Limits { max_alloc: 4000, ..fits }]
    {
        let result = decode_with(&file, &tight);
        assert!(matches!(result, Err(ImagingError::TooLarge { .. })), "{tight:?}: {result:?}");
    }
}

#[test]
fn what_is_no_picture_says_so() {
    for (bytes, says) in [
        (&b""[..], "empty"),
        (b"<!doctype html><html>404</html>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"just text", "this file"),
    ] {
        let error = decode(bytes).unwrap_err();
        assert_clear(&error, says);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn paths_that_are_no_files_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, ImagingError::NotAFile { .. }), "{error}");
    let error = open(&folder.path().join("gone.png")).unwrap_err();
    assert!(matches!(error, ImagingError::Io { .. }), "{error}");
    assert!(error.to_string().contains("gone.png"));
    #[cfg(unix)]
    {
        let error = open(std::path::Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, ImagingError::NotAFile { .. }), "{error}");
        let pipe = folder.path().join("pipe.png");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|s| s.success()) {
            let error = open(&pipe).unwrap_err();
            assert!(matches!(error, ImagingError::NotAFile { .. }), "{error}");
        }
        let long = folder.path().join("long.png");
        std::fs::File::create(&long).unwrap().set_len(3 << 30).unwrap();
        let error = open(&long).unwrap_err();
        assert!(matches!(error, ImagingError::TooLarge { .. }), "{error}");
    }
}

/// ICC data is untrusted too: a picture with a mangled profile opens, or fails cleanly.
#[test]
fn mangled_profiles_do_no_harm() {
    use image::ImageEncoder;
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    for seed in 0..300usize {
        let mut icc = icc.clone();
        for k in 0..1 + seed % 7 {
            let at = (seed * 7919 + k * 104_729) % icc.len();
            icc[at] = (seed * 31 + k * 17) as u8;
        }
        if seed % 3 == 0 {
            icc.truncate(seed * icc.len() / 300);
        }
        let mut file = Vec::new();
        let mut png = image::codecs::png::PngEncoder::new(&mut file);
        png.set_icc_profile(icc).unwrap();
        png.write_image(&[10, 200, 30, 255, 0, 90], 2, 1, image::ExtendedColorType::Rgb8).unwrap();
        match decode(&file) {
            Ok(picture) => {
                assert_eq!(picture.to_srgba8().len(), 8);
                encode(&picture, Format::Tiff).unwrap();
            }
            Err(e) => assert_clear(&e, "mangled profile"),
        }
    }
}

#[test]
#[ignore = "a longer hunt; run by hand"]
fn damage_to_the_collected_files_is_survived() {
    let Some(folder) = collected() else { return };
    let files: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_none_or(|e| e != "json"))
        .map(|p| (p.display().to_string(), std::fs::read(p).unwrap()))
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below.max(1)
    };
    let seconds = std::env::var("LUCIDA_HUNT").map_or(20, |s| s.parse().unwrap());
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        let (name, file) = &files[random(files.len())];
        let mut file = file.clone();
        for _ in 0..1 + random(8) {
            if !file.is_empty() {
                // Headers are where it hurts most.
                let reach = if random(2) == 0 { 400 } else { file.len() };
                let at = random(file.len().min(reach));
                file[at] = random(256) as u8;
            }
        }
        if random(4) == 0 {
            file.truncate(random(file.len()));
        }
        let one = Instant::now();
        if let Err(e) = decode(&file) {
            assert_clear(&e, name);
        }
        if one.elapsed() > Duration::from_secs(3) {
            std::fs::write(std::env::temp_dir().join("lucida-slow-picture"), &file).unwrap();
            panic!("{name} damaged takes {:?}", one.elapsed());
        }
        count += 1;
    }
    eprintln!("{count} damaged files, peak {:?} MiB", peak_mib());
}
