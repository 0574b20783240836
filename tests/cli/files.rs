//! Files in and out: pipes, folders, names, what is never replaced, and Ctrl+C.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::{DynamicImage, GenericImageView, RgbaImage};
use tempfile::TempDir;

use crate::*;

#[test]
fn pictures_come_and_go_through_pipes() {
    let dir = folder();
    let photo = fs::read(dir.path().join("photo.png")).unwrap();
    let through = |arguments: &str| pipe(dir.path(), arguments, &photo);
    let output = through(&format!("style - -o - --style {WAVE} --strength 0"));
    assert!(output.status.success(), "{}", stderr(&output));
    let png = image::load_from_memory_with_format(&output.stdout, image::ImageFormat::Png).unwrap();
    assert_eq!(png.to_rgb8(), open(dir.path(), "photo.png").to_rgb8());

    let output = through(&format!("style - -o - --style {WAVE} --format jpg --quality 40"));
    assert_eq!(image::guess_format(&output.stdout).unwrap(), image::ImageFormat::Jpeg);
    let output = through(&format!("style - -o out.webp --style {WAVE}"));
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    assert_eq!(open(dir.path(), "out.webp").dimensions(), (96, 64));

    assert!(fail(dir.path(), &format!("style - -o out2.png --style {WAVE}"), 1).contains("empty"));
    fail(dir.path(), &format!("style - - -o out --style {WAVE}"), 2);
    fail(dir.path(), &format!("style photo.png photo.png -o - --style {WAVE}"), 2);
}

#[test]
fn what_a_file_lacks_is_told_and_camera_data_is_kept_or_left_out() {
    let dir = folder();
    let mut jpeg = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    let exif = *b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x04\0\0\0Len\0\0\0\0\0";
    image::ImageEncoder::set_exif_metadata(&mut encoder, exif.to_vec()).unwrap();
    encoder.encode_image(&open(dir.path(), "photo.png").to_rgb8()).unwrap();
    fs::write(dir.path().join("half.jpg"), &jpeg[..jpeg.len() * 2 / 3]).unwrap();
    let made = |more: &str| {
        let told = run(dir.path(), &format!("style half.jpg --style {WAVE} --force {more}"));
        assert!(told.status.success(), "{}", stderr(&told));
        assert!(stderr(&told).contains("ends early"), "{}", stderr(&told));
        (told.stdout.is_empty(), stderr(&told).contains("cannot hold camera data"))
    };
    let kept = |name: &str| fs::read(dir.path().join(name)).unwrap().windows(exif.len()).any(|part| part == exif);
    for (name, holds) in [("out.png", true), ("out.jpg", true), ("out.webp", true), ("out.tiff", false)] {
        assert_eq!((made(&format!("-o {name}")), kept(name)), ((true, !holds), holds), "{name}");
        assert_eq!((made(&format!("-o {name} --no-exif")), kept(name)), ((true, false), false), "{name}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_crash() {
    let dir = folder();
    for arguments in ["style --list", "models", "models --json", "--help"] {
        let mut child = lucida(dir.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments}: {:?} {}", output.status, stderr(&output));
        assert_eq!(stderr(&output), "", "{arguments}");
    }
}

#[test]
fn in_a_folder_one_bad_file_fails_alone() {
    let dir = folder();
    let holiday = dir.path().join("holiday");
    fs::create_dir(&holiday).unwrap();
    picture(64, 48, false).save(holiday.join("a.png")).unwrap();
    DynamicImage::from(picture(48, 64, false)).to_rgb8().save(holiday.join("b.JPG")).unwrap();
    picture(32, 32, false).save(holiday.join("c.bmp")).unwrap();
    fs::write(holiday.join("broken.png"), b"no picture at all").unwrap();
    fs::write(holiday.join("notes.txt"), b"not meant as a picture").unwrap();

    let output = run(dir.path(), &format!("style holiday -o painted --style {WAVE} --json"));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("broken.png"), "{}", stderr(&output));
    assert_eq!(names(&dir.path().join("painted")), ["a.png", "b.JPG", "c.png"]);
    assert_eq!(open(dir.path(), "painted/b.JPG").dimensions(), (48, 64));
    let said = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(said["results"].as_array().unwrap().len(), 3);
    assert_eq!(said["failed"].as_array().unwrap().len(), 1);
    assert!(said["failed"][0]["file"].as_str().unwrap().ends_with("broken.png"));

    // Again: what is there stays, and is told before anything is computed.
    let before = fs::read(dir.path().join("painted/a.png")).unwrap();
    let again = fail(dir.path(), &format!("style holiday -o painted --style {AUVERS}"), 1);
    assert!(again.contains("a.png already exists"), "{again}");
    assert_eq!(fs::read(dir.path().join("painted/a.png")).unwrap(), before);
}

#[test]
fn two_inputs_of_one_name_become_two_files() {
    let dir = folder();
    fs::create_dir(dir.path().join("x")).unwrap();
    picture(40, 30, false).save(dir.path().join("x/photo.png")).unwrap();
    succeed(dir.path(), &format!("style photo.png x/photo.png -o out --style {WAVE}"));
    assert_eq!(names(&dir.path().join("out")), ["photo-2.png", "photo.png"]);
    fail(dir.path(), &format!("style photo.png x/photo.png -o photo.png --style {WAVE} --force"), 2);
}

#[test]
fn no_result_replaces_a_photo_that_another_is_made_of() {
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    for (name, width) in [("a/x.bmp", 40), ("a/x.png", 48), ("b/x.png", 56)] {
        fs::create_dir_all(p.join(name).parent().unwrap()).unwrap();
        picture(width, 32, false).save(p.join(name)).unwrap();
    }
    let widths = |folder: &str| -> Vec<(String, u32)> {
        let width = |name: String| (name.clone(), open(&p.join(folder), &name).width());
        names(&p.join(folder)).into_iter().map(width).collect()
    };
    let same = "--style identity --strength 0 --force";
    succeed(p, &format!("style a/x.png b/x.png -o ./b {same}"));
    assert_eq!(widths("b"), [("x-2.png".to_owned(), 48), ("x.png".to_owned(), 56)]);
    succeed(p, &format!("style a -o a {same}"));
    let expected = [("x-2.png", 40), ("x.bmp", 40), ("x.png", 48)];
    assert_eq!(widths("a"), expected.map(|(name, width)| (name.to_owned(), width)));

    #[cfg(unix)]
    {
        // Nor through a link.
        fs::create_dir(p.join("linked")).unwrap();
        std::os::unix::fs::symlink("../b/x.png", p.join("linked/x.png")).unwrap();
        succeed(p, &format!("style a/x.png b/x.png -o linked {same}"));
        assert_eq!(widths("linked"), [("x-2.png".to_owned(), 48), ("x.png".to_owned(), 56)]);
    }

    fs::copy(p.join("b/x.png"), p.join("b/x.png.labels.png")).unwrap();
    let photos = "segment b/x.png b/x.png.labels.png --model fcn-8s-camvid";
    let said = fail(p, &format!("{photos} -o out --mask b --force"), 1);
    assert!(said.contains("b/x.png.labels.png would replace another picture"), "{said}");
    assert_eq!(open(p, "b/x.png.labels.png"), open(p, "b/x.png"));
}

#[test]
fn who_can_keep_its_name_does() {
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    fs::create_dir(p.join("trip")).unwrap();
    picture(40, 32, false).save(p.join("trip/a.bmp")).unwrap();
    picture(48, 32, false).save(p.join("trip/a.png")).unwrap();
    succeed(p, "style trip -o out --style identity --strength 0");
    assert_eq!(names(&p.join("out")), ["a-2.png", "a.png"]);
    assert_eq!(open(p, "out/a.png").width(), 48);
}

#[test]
fn what_is_left_out_of_a_folder_is_told() {
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    fs::create_dir_all(p.join("trip/more")).unwrap();
    picture(40, 32, false).save(p.join("trip/a.png")).unwrap();
    for name in ["b.heic", "notes.txt", ".hidden.txt"] {
        fs::write(p.join("trip").join(name), "no picture").unwrap();
    }
    let output = run(p, "style trip -o out --style identity --strength 0");
    assert_eq!(output.status.code(), Some(0));
    let said = stderr(&output);
    assert!(said.contains("left out of trip: 2 other files (.heic, .txt) and 1 folder"), "{said}");
    // A link to nothing is called like a picture and fails like one.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("gone.png", p.join("trip/link.png")).unwrap();
        let said = fail(p, "style trip -o out2 --style identity --strength 0", 1);
        assert!(said.contains("link.png"), "{said}");
    }
}

#[test]
#[cfg(unix)]
fn odd_names_are_files_like_others_and_messages_stay_on_their_line() {
    use std::os::unix::ffi::OsStrExt;
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    fs::create_dir(p.join("trip")).unwrap();
    for name in [b"x\xfe.png", b"x\xff.png"] {
        picture(40, 32, false).save(p.join("trip").join(std::ffi::OsStr::from_bytes(name))).unwrap();
    }
    succeed(p, "segment trip -o out --mask masks --model fcn-32s-camvid");
    assert_eq!(fs::read_dir(p.join("masks")).unwrap().count(), 2);

    fs::write(p.join("bad\nline\x1b[31m.png"), "no picture").unwrap();
    let mut command = lucida(p, "style -o out3.png --style identity");
    let output = command.arg("bad\nline\x1b[31m.png").output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).lines().count()), (Some(1), 1));
    assert!(!stderr(&output).contains('\x1b'));
}

#[test]
fn a_single_picture_that_cannot_go_to_its_folder_fails_as_a_single_one() {
    let dir = folder();
    let said = fail(dir.path(), "style photo.png -o . --style identity --json", 1);
    assert!(said.contains("already exists") && said.lines().count() == 1, "{said}");
}

/// Where a file cannot be written although nothing is there: a link into a folder that does not exist.
#[cfg(unix)]
pub fn nowhere(folder: &std::path::Path, name: &str) {
    std::os::unix::fs::symlink("no/such/folder/file", folder.join(name)).unwrap();
}

#[test]
#[cfg(unix)]
fn of_a_picture_that_cannot_be_written_whole_nothing_is_left() {
    let dir = folder();
    let p = dir.path();
    nowhere(p, "labels.png");
    let command = "segment photo.png -o out.png --model fcn-32s-camvid --mask";
    fail(p, &format!("{command} labels.png"), 1);
    assert_eq!(names(p), ["labels.png", "photo.png"]);
    succeed(p, &format!("{command} mask.png"));

    // The folders that were made for it go, too.
    fs::write(p.join("bad.png"), "no picture").unwrap();
    fail(p, "segment bad.png -o new/inner/ --mask masks/ --model fcn-32s-camvid", 1);
    assert_eq!(names(p), ["bad.png", "labels.png", "mask.png", "out.png", "photo.png"]);
}

#[test]
fn of_several_pictures_the_one_that_failed_is_named() {
    let dir = folder();
    picture(16_400, 2, false).save(dir.path().join("wide.png")).unwrap();
    let said = fail(dir.path(), &format!("style photo.png wide.png -o out --format webp --style {WAVE}"), 1);
    assert!(said.contains("wide.png: WebP holds at most 16383"), "{said}");
}

#[test]
fn several_pictures_do_not_go_into_what_is_called_like_a_file() {
    let dir = folder();
    let p = dir.path();
    fs::copy(p.join("photo.png"), p.join("other.png")).unwrap();
    let style = format!("style photo.png other.png --style {WAVE} -o made.png");
    let said = fail(p, &style, 2);
    assert!(said.contains("looks like a file") && said.contains("made.png/"), "{said}");
    succeed(p, &format!("{style}/"));
    assert_eq!(names(&p.join("made.png")), ["other.png", "photo.png"]);
}

#[test]
fn who_stops_reading_is_still_told_by_the_status_what_failed() {
    let dir = folder();
    let p = dir.path();
    fs::write(p.join("bad.png"), "no picture").unwrap();
    let mut command = lucida(p, &format!("style bad.png photo.png -o made --style {WAVE} --json"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 of 2 pictures failed"), "{}", stderr(&output));
    // Folders that were made for nothing are not left when a later one cannot be made.
    fs::write(p.join("file"), "").unwrap();
    fail(p, "segment photo.png bad.png -o left/deep --mask file/masks", 1);
    assert!(!p.join("left").exists());
    // What explains a picture does not replace it.
    let before = fs::read(p.join("photo.png")).unwrap();
    let said = fail(p, "segment photo.png -o out.png --mask photo.png --force", 1);
    assert!(said.contains("would replace the picture itself"), "{said}");
    assert_eq!(fs::read(p.join("photo.png")).unwrap(), before);
}

#[test]
fn nothing_is_replaced_without_force() {
    let dir = folder();
    let photo = fs::read(dir.path().join("photo.png")).unwrap();
    let style = format!("style photo.png -o photo.png --style {WAVE}");
    assert!(fail(dir.path(), &style, 1).contains("--force"));
    assert_eq!(fs::read(dir.path().join("photo.png")).unwrap(), photo);
    succeed(dir.path(), &format!("{style} --force"));
    assert_ne!(fs::read(dir.path().join("photo.png")).unwrap(), photo);
    assert_eq!(names(dir.path()), ["photo.png"], "nothing is left beside it");
}

/// Presses Ctrl+C.
#[cfg(unix)]
fn press(child: &Child) {
    let kill = format!("kill -INT {}", child.id()); // the shell's own: small systems have no such program
    let kill = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(kill.success());
}

/// Presses Ctrl+C and returns how the program ended, and how long that took.
#[cfg(unix)]
pub fn interrupt(mut child: Child) -> (Option<i32>, Duration) {
    let pressed = Instant::now();
    press(&child);
    (child.wait().unwrap().code(), pressed.elapsed())
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_soon_and_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    // Noise, so that the file is larger than a pipe's buffer: once it is written, the program is listening.
    let mut seed = 1u32;
    let noise = RgbaImage::from_fn(3600, 2400, |_, _| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgba([(seed >> 24) as u8, (seed >> 16) as u8, 99, 255])
    });
    noise.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    let command = format!("style - -o out.png --style {WAVE}");
    let start = |bytes: &[u8]| {
        let mut child = lucida(dir.path(), &command).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(bytes).unwrap();
        (child, stdin)
    };

    // In the middle of the work.
    let (mut child, stdin) = start(&png);
    drop(stdin);
    std::thread::sleep(Duration::from_millis(300));
    let mut words = child.stderr.take().unwrap();
    let (status, took) = interrupt(child);
    let mut said = String::new();
    words.read_to_string(&mut said).unwrap();
    assert_eq!(status, Some(130), "{said}");
    println!("stopping took {took:?}");

    // While waiting for the rest of a picture that never comes.
    let (child, _stdin) = start(&png[..png.len() / 2]);
    let (status, took) = interrupt(child);
    assert_eq!(status, Some(130));
    println!("stopping took {took:?}");

    // That is said, and folders that were made go.
    let mut command = lucida(dir.path(), &command.replace("out.png", "made/"));
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&png[..png.len() / 2]).unwrap();
    press(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    assert_eq!(names(dir.path()), Vec::<String>::new());
    drop(stdin);

    // Where that picture's maker is stopped too, and so what is there of it ends.
    let (mut child, stdin) = start(&png[..png.len() / 2]);
    press(&child);
    std::thread::sleep(Duration::from_millis(50));
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(dir.path()), Vec::<String>::new());
}
