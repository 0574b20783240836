//! The command line, used as a person or a script would: the real program, real files, real pipes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod added;
mod caption;
mod captions;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod painting;
mod segment;
mod tools;
mod translate;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::shared;
use image::{DynamicImage, RgbaImage};
use tempfile::TempDir;

const WAVE: &str = "hokusai-great-wave";
const AUVERS: &str = "van-gogh-auvers";

/// A command in `folder`, its arguments split at blanks. Models that whoever runs the tests may have added are not at hand:
/// they would be kept in the folder's `data`.
fn lucida(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucida"));
    command.current_dir(folder).args(arguments.split_whitespace()).stdin(Stdio::null());
    command.env("LUCIDA_DATA", folder.join("data"));
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    lucida(folder, arguments).output().unwrap()
}

/// Runs with `input` on standard input.
fn pipe(folder: &Path, arguments: &str, input: &[u8]) -> Output {
    let mut command = lucida(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs what must succeed and returns its standard output.
fn succeed(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "lucida {arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs what must fail with `status`, say nothing on standard output, and returns what it says instead.
fn fail(folder: &Path, arguments: &str, status: i32) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(status), "lucida {arguments}: {}", stderr(&output));
    assert_eq!(output.stdout, b"", "lucida {arguments} wrote to standard output");
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    stderr(&output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(text: &str) -> serde_json::Value {
    assert_eq!(text.trim_end().lines().count(), 1, "one object and nothing else: {text}");
    serde_json::from_str(text).unwrap()
}

/// A soft picture in mid-tones, so that nothing is clipped; the left half fades to transparent if asked.
fn picture(width: u32, height: u32, alpha: bool) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let wave = |f: f32| (128.0 + 50.0 * (f * (x as f32 + 2.0 * y as f32) / 20.0).sin()) as u8;
        let a = if alpha { (x * 2 * 255 / width).min(255) as u8 } else { 255 };
        image::Rgba([wave(1.0), wave(1.7), wave(0.6), a])
    })
}

/// A folder with `photo.png`, 96 x 64.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    picture(96, 64, false).save(folder.path().join("photo.png")).unwrap();
    folder
}

fn open(folder: &Path, name: &str) -> DynamicImage {
    image::open(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mean_difference(a: &DynamicImage, b: &DynamicImage) -> f32 {
    let (a, b) = (a.to_rgb8(), b.to_rgb8());
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f32 / a.len() as f32
}
