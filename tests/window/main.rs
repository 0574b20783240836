//! The whole window, driven by role and label as a person (or a screen reader) would: drop, pick, slide, undo, export.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod caption;
mod caption_export;
mod caption_models;
mod segment;
mod translate;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use lucida::app::commands::Command;
use lucida::app::session::{CompareMode, Session, Task};
use lucida::app::words::Language;
use lucida::app::workers::NetJob;
use lucida::app::{App, Start};
use lucida::gpu::composite;
use lucida::imaging::{self, Format, Picture};
use lucida::nn::Precision;

type Window = Harness<'static, App>;

fn window(size: [f32; 2], start: Start) -> Window {
    let build = move |cc: &mut eframe::CreationContext<'static>| App::new(cc, start).unwrap();
    let mut h = Harness::builder().with_size(size).with_max_steps(64).wgpu().build_eframe(build);
    h.run_steps(2);
    h
}

/// Steps the window until `done`, as long as a slow machine may need.
fn until(h: &mut Window, what: &str, mut done: impl FnMut(&App) -> bool) {
    let end = Instant::now() + Duration::from_secs(180);
    while !done(h.state()) {
        assert!(
            Instant::now() < end,
            "waited in vain for: {what}; {:?}",
            h.state().notices.texts().collect::<Vec<_>>()
        );
        std::thread::sleep(Duration::from_millis(5));
        h.step();
    }
    h.run_steps(3);
}

fn idle(app: &App) -> bool {
    app.studio.stylizer.is_some()
        && app.studio.nets.is_idle()
        && app.studio.files.is_idle()
        && !app.studio.entries.is_empty()
}

fn settled(h: &mut Window) {
    until(h, "all jobs to end", idle);
    // A step later the app may ask for more: the gallery comes when the result is there.
    until(h, "all jobs to end", idle);
}

fn press(h: &mut Window, role: Role, name: &str) {
    h.get_by_role_and_label(role, name).click();
    h.run_steps(3);
}

/// Types a path into the export dialog.
fn name_file(h: &mut Window, path: &Path) {
    h.get_by_role_and_label(Role::TextInput, "File").focus();
    h.run_steps(1);
    h.key_press_modifiers(Modifiers::COMMAND, Key::A);
    h.get_by_role_and_label(Role::TextInput, "File").type_text(&path.display().to_string());
    h.run_steps(3);
}

/// Exports `what` to a file of the folder, and keeps a picture of the dialog.
fn export(h: &mut Window, home: &Home, what: &str, file: &str, shown: &str) -> PathBuf {
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(3);
    // The last: a view of the task may be called the same.
    h.get_all_by_role_and_label(Role::RadioButton, what).last().unwrap().click();
    h.run_steps(3);
    let path = home.path(file);
    name_file(h, &path);
    shot(h, shown);
    press(h, Role::Button, "Export");
    settled(h);
    path
}

/// Writes the window as it is drawn now to `window/NAME.png` in cargo's folder for tests, for people to look at.
fn shot(h: &mut Window, name: &str) -> image::RgbaImage {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("window");
    std::fs::create_dir_all(&folder).unwrap();
    let picture = h.render().unwrap();
    picture.save(folder.join(format!("{name}.png"))).unwrap();
    picture
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn start(&self, files: &[PathBuf]) -> Start {
        Start { files: files.to_vec(), session: Some(self.path("session.toml")) }
    }
    /// A photo-like picture: smooth colour with some structure.
    fn photo(&self, name: &str, width: u32, height: u32) -> PathBuf {
        let rgba = (0..height).flat_map(|y| {
            (0..width).flat_map(move |x| {
                let wave = ((x as f32 * 0.21).sin() * (y as f32 * 0.13).cos() * 60.0) as i32;
                [(x * 255 / width) as u8, (y * 255 / height) as u8, (128 + wave) as u8, 255]
            })
        });
        let p = Picture::from_rgba8(width, height, rgba.collect()).unwrap();
        let path = self.path(name);
        imaging::save_bytes(&path, &imaging::encode(&p, Format::Png).unwrap(), true).unwrap();
        path
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

fn drop_on(h: &mut Window, paths: &[PathBuf]) {
    h.input_mut().dropped_files = paths.iter().map(|p| Arc::new(Dropped(p.clone())) as _).collect();
    h.step();
}

#[test]
fn it_opens_with_a_sample_already_stylized() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[]));
    until(&mut h, "the sample, its style and the gallery", |a| {
        idle(a) && a.studio.current().is_some_and(|e| e.gallery.len() >= 8)
    });
    assert_eq!(h.state().studio.entries.len(), 1);
    assert_eq!(h.state().studio.current().unwrap().made.len(), 1);
    h.get_by_role_and_label(Role::Slider, "Strength");
    let picture = shot(&mut h, "first");
    // The canvas shows a picture: many colours, not the surround's one.
    let colours: std::collections::HashSet<_> = (200..700)
        .step_by(7)
        .flat_map(|x| (150..550).step_by(7).map(move |y| (x, y)))
        .map(|(x, y)| picture.get_pixel(x, y).0)
        .collect();
    assert!(colours.len() > 500, "{}", colours.len());
}

#[test]
fn a_person_drops_picks_slides_takes_back_and_exports() {
    let home = Home::new();
    let (a, b) = (home.photo("a.png", 120, 80), home.photo("b.png", 64, 96));
    let mut h = window([1280.0, 800.0], home.start(&[]));
    settled(&mut h);
    drop_on(&mut h, &[a.clone(), b]);
    until(&mut h, "both pictures", |s| s.studio.entries.len() == 3);
    settled(&mut h);
    assert_eq!(h.state().studio.current().unwrap().name, "a.png");

    // Another style is one click away, and its result joins the first.
    h.get_by_role_and_label(Role::RadioButton, "Auvers").click();
    h.run_steps(2);
    settled(&mut h);
    assert_eq!(h.state().studio.current().unwrap().made.len(), 2);
    assert_eq!(h.state().session.look.mix, [("van-gogh-auvers".to_owned(), 1.0)]);

    // The strength slider starts no inference and uploads nothing.
    let textures = |h: &mut Window| {
        let params = h.state().session.look.params();
        let (original, styled) = h.state_mut().studio.textures(&params);
        (original.expect("the photo is on the GPU"), styled.expect("the result is on the GPU"))
    };
    let (photo, styled) = textures(&mut h);
    let made = h.state().studio.current().unwrap().made.len();
    let slider = h.get_by_role_and_label(Role::Slider, "Strength").rect();
    h.drag_at(slider.right_center() - egui::vec2(6.0, 0.0));
    h.run_steps(2);
    for i in 1..=5 {
        h.hover_at(slider.right_center() - egui::vec2(6.0 + 20.0 * i as f32, 0.0));
        h.run_steps(1);
    }
    h.drop_at(slider.right_center() - egui::vec2(106.0, 0.0));
    h.run_steps(3);
    let strength = h.state().session.look.strength;
    assert!((0.3..0.9).contains(&strength), "{strength}");
    assert!(h.state().studio.nets.is_idle());
    assert_eq!(h.state().studio.current().unwrap().made.len(), made);
    let (photo_now, styled_now) = textures(&mut h);
    assert!(Arc::ptr_eq(&photo, &photo_now) && Arc::ptr_eq(&styled, &styled_now), "something was uploaded again");

    // The whole drag is one step back; and forth again.
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    assert_eq!(h.state().session.look.strength, 1.0);
    h.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    h.run_steps(3);
    assert_eq!(h.state().session.look.strength, strength);
    h.get_by_label("Keep the photo's colours").click();
    h.run_steps(3);
    assert!(h.state().session.look.keep_colours);

    // Export, exactly as seen.
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(3);
    let out = home.path("out.png");
    name_file(&mut h, &out);
    shot(&mut h, "export");
    h.get_by_role_and_label(Role::Button, "Export").click();
    h.run_steps(2);
    settled(&mut h);
    let e = h.state().studio.current().unwrap();
    let look = &h.state().session.look;
    assert!(look.keep_colours);
    let wanted =
        composite::export(&imaging::open(&a).unwrap(), &e.find(&look.params()).unwrap().styled, look.blend()).unwrap();
    assert_eq!(imaging::open(&out).unwrap(), wanted);
    assert!(h.state().notices.texts().any(|t| t.contains("out.png")));
}

#[test]
fn a_broken_download_is_told_and_its_camera_data_kept_or_left_out() {
    let home = Home::new();
    let exif = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x04\0\0\0Len\0\0\0\0\0".to_vec();
    let mut jpeg = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    image::ImageEncoder::set_exif_metadata(&mut encoder, exif.clone()).unwrap();
    encoder.encode_image(&image::open(home.photo("whole.png", 96, 64)).unwrap().to_rgb8()).unwrap();
    std::fs::write(home.path("half.jpg"), &jpeg[..jpeg.len() * 2 / 3]).unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[home.path("half.jpg")]));
    settled(&mut h);
    assert!(h.state().notices.texts().any(|t| t.contains("half.jpg ends early")));
    let mut saved = |name: &str, leave_out: bool| {
        h.key_press_modifiers(Modifiers::COMMAND, Key::E);
        h.run_steps(2);
        let out = home.path(name);
        name_file(&mut h, &out);
        if leave_out {
            h.get_by_label("Keep the camera data (EXIF)").click();
            h.run_steps(2);
        }
        shot(&mut h, "export-camera-data");
        h.get_by_role_and_label(Role::Button, "Export").click();
        h.run_steps(2);
        settled(&mut h);
        imaging::open(&out).unwrap().exif().map(<[u8]>::to_vec)
    };
    assert_eq!(saved("kept.png", false), Some(exif));
    assert_eq!(saved("bare.png", true), None);
}

#[test]
fn an_export_waits_for_its_result() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("big.png", 1600, 1200)]));
    until(&mut h, "the picture", |a| a.studio.current().is_some());
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(2);
    let out = home.path("out.png");
    name_file(&mut h, &out);
    h.get_by_label("The result is not finished yet. Saving waits for it.");
    h.get_by_role_and_label(Role::Button, "Export").click();
    h.run_steps(2);
    assert!(!h.state().seen().unwrap().has_result() && !out.exists(), "the job was too short to test this");
    until(&mut h, "the file", |a| a.notices.texts().any(|t| t.contains("out.png")));
    let e = h.state().studio.current().unwrap();
    assert_eq!(imaging::open(&out).unwrap().samples(), e.made[0].styled.samples());
}

#[test]
fn an_export_makes_what_was_cancelled_and_does_not_wait_for_what_was_cancelled_again() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("big.png", 1600, 1200)]));
    let cancel = |h: &mut Window| {
        until(h, "the job", |a| a.studio.nets.jobs().any(|j| matches!(j, NetJob::Style { .. })));
        h.state_mut().ask(Command::CancelAll);
        until(h, "the end of all jobs", |a| a.studio.nets.is_idle());
    };
    cancel(&mut h);
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(2);
    let out = home.path("out.png");
    name_file(&mut h, &out);
    for made in [false, true] {
        h.get_by_label("There is no result yet. Exporting makes it first.");
        h.get_by_role_and_label(Role::Button, "Export").click();
        h.run_steps(2);
        h.get_by_label("The result is not finished yet. Saving waits for it.");
        match made {
            false => cancel(&mut h),
            true => until(&mut h, "the file", |a| a.notices.texts().any(|t| t.contains("out.png"))),
        }
        h.run_steps(2);
        assert_eq!(out.exists(), made);
    }
}

#[test]
fn who_names_a_file_while_the_result_arrives_keeps_the_cursor() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("big.png", 1600, 1200)]));
    until(&mut h, "the picture", |a| a.studio.current().is_some());
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(2);
    h.get_by_label("The result is not finished yet. Saving waits for it.");
    until(&mut h, "the result", |a| a.seen().is_some_and(|seen| seen.has_result()));
    // By keyboard alone, from where the dialog put the cursor.
    let out = home.path("out.png");
    h.key_press_modifiers(Modifiers::COMMAND, Key::A);
    h.event(egui::Event::Text(out.display().to_string()));
    h.run_steps(2);
    h.key_press(Key::Enter);
    until(&mut h, "the file", |a| a.notices.texts().any(|t| t.contains("out.png")));
    assert!(out.exists());
}

#[test]
fn a_person_trades_exactness_for_speed_and_takes_it_back() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 120, 80)]));
    settled(&mut h);
    h.get_by_label("Faster, less exact arithmetic (bf16)").click();
    h.run_steps(3);
    settled(&mut h);
    let precisions = |h: &Window| -> Vec<Precision> {
        h.state().studio.current().unwrap().made.iter().map(|m| m.params.precision).collect()
    };
    if !Precision::Bf16.is_available() {
        eprintln!("SKIPPED: this processor has no AVX512-BF16; the control is greyed");
        assert_eq!((h.state().session.look.precision, precisions(&h)), (Precision::F32, vec![Precision::F32]));
        return;
    }
    // The picture is painted anew, and differently; the exact result stays in the strip and comes back.
    assert_eq!(precisions(&h), [Precision::Bf16, Precision::F32]);
    let made = &h.state().studio.current().unwrap().made;
    assert_ne!(made[0].styled, made[1].styled);
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    settled(&mut h);
    assert_eq!(h.state().session.look.precision, Precision::F32);
    assert_eq!(precisions(&h).len(), 2);
}

#[test]
fn a_bad_file_is_refused_in_one_sentence_and_costs_nothing() {
    let home = Home::new();
    let good = home.photo("good.png", 48, 40);
    std::fs::write(home.path("bad.jpg"), b"\xff\xd8\xff\xe0 this is no picture").unwrap();
    std::fs::create_dir(home.path("empty")).unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[good]));
    settled(&mut h);
    drop_on(&mut h, &[home.path("bad.jpg"), home.path("empty"), home.path("nowhere.png")]);
    until(&mut h, "three refusals", |a| a.notices.texts().count() == 3);
    assert_eq!(h.state().studio.entries.len(), 1);
    assert_eq!(h.state().studio.current().unwrap().made.len(), 1);
    shot(&mut h, "refused");
    // Those there is no room for are counted.
    drop_on(&mut h, &(1..=4).map(|i| home.path(&format!("nowhere{i}.png"))).collect::<Vec<_>>());
    until(&mut h, "the last refusal", |a| a.notices.texts().any(|t| t.contains("nowhere4.png")));
    h.run_steps(2);
    h.get_by_label("2 failures before these");
}

#[test]
fn a_job_is_cancelled_at_once_and_others_go_on() {
    let home = Home::new();
    let big = home.photo("big.png", 2600, 2000);
    let mut h = window([1280.0, 800.0], home.start(&[big]));
    until(&mut h, "the picture's own job", |a| {
        a.studio.nets.running().is_some_and(|r| r.done > 0.05 && matches!(*r.job, NetJob::Style { .. }))
    });
    // What can be had soon came first.
    let e = h.state().studio.current().unwrap();
    assert!(e.gallery.len() >= 8 && e.made.is_empty());
    // Another style is seen at once; the first is begun anew after it.
    h.get_by_role_and_label(Role::RadioButton, "Poppies").click();
    let style = |j: &NetJob| match j {
        NetJob::Style { params, .. } => params.mix[0].0.clone(),
        _ => String::new(),
    };
    until(&mut h, "the other style", |a| {
        a.studio.nets.running().is_some_and(|r| r.done > 0.05 && style(&r.job) == "hokusai-poppies")
    });
    assert_eq!(h.state().studio.nets.waiting().map(style).collect::<Vec<_>>(), ["hokusai-great-wave"]);
    let params = h.state().session.look.params();
    assert!(h.state_mut().studio.textures(&params).1.is_some(), "there is no preview");
    shot(&mut h, "busy");
    let running = h.state().studio.nets.running().unwrap().id;
    let began = Instant::now();
    h.key_press_modifiers(Modifiers::COMMAND, Key::Period);
    let mut reached = 0.0f32;
    until(&mut h, "the job to stop", |a| match a.studio.nets.running() {
        Some(r) if r.id == running => {
            reached = reached.max(r.done);
            false
        }
        _ => true,
    });
    println!("cancelled after {:?}, at {:.0} %", began.elapsed(), reached * 100.0);
    assert!(reached < 0.9, "it ran to its end");
    // The queued one runs on; stop it too, the window stays alive and empty-handed.
    h.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Period);
    until(&mut h, "nothing to run", |a| !a.studio.nets.jobs().any(|j| matches!(j, NetJob::Style { .. })));
    assert_eq!(h.state().studio.entries.len(), 1);
    press(&mut h, Role::Button, "Paint it");
    assert!(h.state().studio.nets.jobs().any(|j| matches!(j, NetJob::Style { .. })));
}

#[test]
fn a_folder_is_read_in_its_order_and_the_strip_follows_the_keys() {
    let home = Home::new();
    std::fs::create_dir(home.path("folder")).unwrap();
    (0..9).for_each(|i| drop(home.photo(&format!("folder/{i}.png"), 24, 24)));
    let mut h = window([1024.0, 700.0], home.start(&[]));
    settled(&mut h);
    drop_on(&mut h, &[home.path("folder"), home.photo("last.png", 24, 24)]);
    until(&mut h, "all of them", |a| a.studio.entries.len() == 11);
    let names: Vec<_> = h.state().studio.entries.iter().map(|e| e.name.clone()).collect();
    assert_eq!(names.join(" "), "dog.jpg 0.png 1.png 2.png 3.png 4.png 5.png 6.png 7.png 8.png last.png");
    // The first of them is shown, and only that one is worked on.
    assert_eq!(h.state().studio.current().unwrap().name, "0.png");
    settled(&mut h);
    assert_eq!(h.state().studio.entries.iter().filter(|e| !e.made.is_empty()).count(), 2);
    for _ in 0..9 {
        h.key_press(Key::PageDown);
        h.run_steps(2);
    }
    h.get_by_label("last.png");
    assert!(h.query_by_label("dog.jpg").is_none(), "the strip did not move");
}

#[test]
fn a_strip_without_room_says_so_and_keeps_what_it_has() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40)]));
    settled(&mut h);
    // For the picture that is there, its result, and one more.
    h.state_mut().studio.room = 3 * 40 * 40 * 4;
    drop_on(&mut h, &["b.png", "c.png", "d.png"].map(|name| home.photo(name, 40, 40)));
    until(&mut h, "the refusal", |a| a.notices.texts().any(|t| t.contains("no room for 2 more pictures")));
    settled(&mut h);
    assert_eq!(h.state().studio.entries.len(), 2);
    // The worker is one picture ahead: what fits still comes, and what was left out is told all the same.
    drop_on(&mut h, &[home.photo("large.png", 400, 40), home.photo("small.png", 2, 2), home.photo("last.png", 40, 40)]);
    until(&mut h, "the refusal", |a| a.notices.texts().any(|t| t.contains("no room for")) && a.studio.reading() == 0);
    settled(&mut h);
    assert!(h.state().notices.texts().any(|t| t.contains("no room for 2 more") || t.contains("no room for one more")));
}

#[test]
fn a_result_without_room_is_not_begun_and_says_so() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40), home.photo("b.png", 40, 40)]));
    settled(&mut h);
    // For both pictures, and what was made of the first: none is left.
    h.state_mut().studio.room = 3 * 40 * 40 * 4;
    h.state_mut().pick_style("bruegel-harvesters", false);
    until(&mut h, "the refusal", |a| a.notices.texts().any(|t| t.contains("this result was not begun")));
    settled(&mut h);
    assert_eq!(h.state().studio.entries.iter().map(|e| e.made.len()).sum::<usize>(), 1);
    // Nor of all; and nobody is told that every picture has it.
    h.state_mut().ask(Command::ApplyToAll);
    until(&mut h, "the refusal", |a| a.notices.texts().any(|t| t.contains("2 results were not begun")));
    assert!(!h.state().notices.texts().any(|t| t.contains("has this result already")));
    // What is taken out makes room for what is shown then, and cannot be put back any more.
    h.state_mut().ask(Command::RemovePicture);
    until(&mut h, "the result", |a| a.studio.entries.len() == 1 && a.studio.entries[0].made.len() == 1);
    h.run_steps(2);
    assert!(!h.state().can(Command::PutBack));
    assert!(h.query_by_label("Put the picture back").is_none());
}

#[test]
fn a_picture_that_was_taken_out_comes_back_with_its_results() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40), home.photo("b.png", 40, 40)]));
    settled(&mut h);
    let made = h.state().studio.entries[0].made.len();
    h.key_press_modifiers(Modifiers::COMMAND, Key::Backspace);
    h.run_steps(3);
    assert_eq!(h.state().studio.entries.len(), 1);
    settled(&mut h);
    press(&mut h, Role::Button, "Put the picture back");
    settled(&mut h);
    let e = h.state().studio.current().unwrap();
    assert_eq!((e.name.as_str(), e.made.len(), h.state().studio.position()), ("a.png", made, Some(0)));

    // Of two that were taken out the last comes back, and nothing offers the other.
    for _ in 0..2 {
        h.key_press_modifiers(Modifiers::COMMAND, Key::Backspace);
        h.run_steps(3);
    }
    press(&mut h, Role::Button, "Put the picture back");
    assert_eq!(h.state().studio.current().unwrap().name, "b.png");
    assert!(h.query_by_role_and_label(Role::Button, "Put the picture back").is_none());
}

#[test]
fn what_is_behind_a_dialog_stays_and_exports_end_before_the_window() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 1200, 900), home.photo("b.png", 40, 40)]));
    settled(&mut h);
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(3);
    let out = home.path("out.jpg");
    name_file(&mut h, &out);
    // The ending that was typed is the format, with what belongs to it.
    h.get_by_role_and_label(Role::Slider, "Quality").focus();
    for key in [Key::PageDown, Key::Num2] {
        h.key_press(key);
        h.run_steps(2);
    }
    drop_on(&mut h, &[home.photo("c.png", 40, 40)]);
    until(&mut h, "the third picture", |a| a.studio.entries.len() == 3);
    assert_eq!((h.state().studio.current().unwrap().name.as_str(), h.state().session.task), ("a.png", Task::Style));
    h.get_by_role_and_label(Role::Button, "Export").click();
    h.step();
    let told = |h: &Window, command| h.output().viewport_output[&egui::ViewportId::ROOT].commands.contains(&command);
    h.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default().events.push(egui::ViewportEvent::Close);
    h.step();
    assert!(told(&h, egui::ViewportCommand::CancelClose), "the window would close over an export");
    let end = Instant::now() + Duration::from_secs(60);
    while !told(&h, egui::ViewportCommand::Close) {
        assert!(Instant::now() < end, "the window stays open");
        h.step();
    }
    assert!(imaging::open(&out).is_ok());
}

#[test]
fn styles_are_mixed_by_weights() {
    let home = Home::new();
    let mut h = window([1280.0, 900.0], home.start(&[home.photo("a.png", 96, 64)]));
    settled(&mut h);
    h.get_by_label("Mix styles").click();
    h.run_steps(2);
    h.get_by_role_and_label(Role::RadioButton, "Harvesters").click();
    h.run_steps(3);
    settled(&mut h);
    let e = h.state().studio.current().unwrap();
    assert_eq!(e.made.len(), 2);
    assert_eq!(e.made[0].params.mix.len(), 2);
    assert_ne!(e.made[0].styled, e.made[1].styled);
    shot(&mut h, "mix");
}

#[test]
fn every_way_to_compare_and_zoom_draws() {
    let home = Home::new();
    let mut h = window([1024.0, 700.0], home.start(&[home.photo("a.png", 300, 200)]));
    settled(&mut h);
    let mut seen = Vec::new();
    for (key, mode) in [
        (Key::Q, CompareMode::Result),
        (Key::W, CompareMode::Split),
        (Key::E, CompareMode::SideBySide),
        (Key::D, CompareMode::Difference),
    ] {
        h.key_press(key);
        h.run_steps(3);
        assert_eq!(h.state().session.compare, mode);
        seen.push(shot(&mut h, &format!("compare-{mode:?}")));
    }
    assert!(seen.windows(2).all(|w| w[0] != w[1]), "two modes look the same");
    // Hold to see the original.
    h.key_press(Key::Q);
    h.run_steps(2);
    h.key_down(Key::Space);
    h.run_steps(2);
    assert_ne!(shot(&mut h, "held"), seen[0]);
    h.key_up(Key::Space);
    for key in [Key::Z, Key::Plus, Key::Plus, Key::Minus, Key::F] {
        h.key_press(key);
        h.run_steps(2);
    }
    h.get_by_label("Zoom to fit");
    // A window that leaves the canvas no room is only drawn badly.
    h.state_mut().session.compare = CompareMode::Split;
    for width in [380.0, 300.0, 40.0] {
        h.set_size(egui::vec2(width, 300.0));
        h.run_steps(3);
    }
}

#[test]
fn a_double_click_on_a_slider_is_its_default() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 30)]));
    settled(&mut h);
    let rail = h.get_by_role_and_label(Role::Slider, "Strength").rect().left_center() + egui::vec2(40.0, 0.0);
    h.hover_at(rail);
    h.run_steps(2);
    // In one step, for steps are longer than a double click.
    let button = |pressed| {
        let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
        egui::Event::PointerButton { pos: rail, button, pressed, modifiers }
    };
    h.state_mut().session.look.strength = 0.3;
    h.input_mut().events.extend([true, false, true, false].map(button));
    h.run_steps(3);
    assert_eq!(h.state().session.look.strength, 1.0);
}

#[test]
fn commands_are_found_by_name() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40)]));
    settled(&mut h);
    h.key_press_modifiers(Modifiers::COMMAND, Key::K);
    h.run_steps(3);
    h.get_by_role_and_label(Role::TextInput, "Type a command").type_text("light");
    h.run_steps(3);
    shot(&mut h, "palette");
    h.key_press(Key::Enter);
    h.run_steps(3);
    assert_eq!(h.state().session.theme, lucida::app::session::Theme::Light);
    shot(&mut h, "light");
}

#[test]
fn menus_show_commands_with_their_shortcuts() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40)]));
    settled(&mut h);
    h.get_by_label("View").click();
    h.run_steps(4);
    shot(&mut h, "menu");
    h.get_by_role_and_label(Role::MenuItem, "Compare side by side").click();
    h.run_steps(4);
    assert_eq!(h.state().session.compare, CompareMode::SideBySide);
    assert!(h.query_by_role_and_label(Role::MenuItem, "Compare side by side").is_none(), "the menu is closed");
    h.key_press(Key::F1);
    h.run_steps(4);
    h.get_by_label("Street in Auvers-sur-Oise, Vincent van Gogh (1890)");
    shot(&mut h, "about");
}

#[test]
fn the_session_is_there_again_in_the_chosen_language() {
    let home = Home::new();
    let (a, b) = (home.photo("하나.png", 60, 40), home.photo("b.png", 40, 60));
    {
        let mut h = window([1280.0, 800.0], home.start(&[a.clone(), b.clone()]));
        settled(&mut h);
        h.key_press(Key::PageDown);
        h.get_by_role_and_label(Role::RadioButton, "Ejiri").click();
        h.run_steps(3);
        h.key_press_modifiers(Modifiers::COMMAND, Key::K);
        h.run_steps(2);
        h.get_by_role_and_label(Role::TextInput, "Type a command").type_text("korean");
        h.run_steps(2);
        h.key_press(Key::Enter);
        settled(&mut h);
        eframe::App::on_exit(h.state_mut());
    }
    let saved = Session::load_quietly(&home.path("session.toml"));
    assert_eq!(saved.pictures, [a, b]);
    let mut h = window([1280.0, 800.0], home.start(&[]));
    until(&mut h, "both pictures", |s| s.studio.entries.len() == 2);
    settled(&mut h);
    assert_eq!(h.state().session.look.mix[0].0, "hokusai-ejiri");
    assert_eq!(h.state().studio.current().unwrap().name, "b.png");
    h.get_by_role_and_label(Role::Slider, "세기");
    shot(&mut h, "korean");
    // It can be left to the system again.
    assert_eq!(h.state().session.language, Some(Language::Ko));
    h.state_mut().ask(Command::LanguageSystem);
    h.run_steps(2);
    assert_eq!((h.state().session.language, h.state().words.language), (None, Language::of_system()));
}

#[test]
fn failures_are_told_in_the_language_of_the_window() {
    let home = Home::new();
    std::fs::write(home.path("session.toml"), "language = \"ko\"\n").unwrap();
    std::fs::write(home.path("phone.heic"), b"\0\0\0\x18ftypheic").unwrap();
    std::fs::write(home.path("empty.png"), b"").unwrap();
    std::fs::write(home.path("net.pth"), b"no checkpoint").unwrap();
    std::fs::create_dir(home.path("folder")).unwrap();
    home.photo("a.png", 96, 64);
    let files = ["a.png", "phone.heic", "empty.png", "net.pth", "folder", "gone.png"].map(|name| home.path(name));
    let mut h = window([1280.0, 800.0], home.start(&files));
    settled(&mut h);
    shot(&mut h, "korean-failures");
    let told: Vec<&str> = h.state().notices.texts().collect();
    for said in [
        "HEIC 사진은 열 수 없습니다",
        "파일이 비어 있음",
        "읽을 수 있는 체크포인트가 아닙니다",
        "이 폴더에는 사진이 없습니다",
        "그런 파일이나 폴더가 없습니다",
    ] {
        assert!(told.iter().any(|t| t.contains(said)), "{said}: {told:?}");
    }
}

#[test]
fn samples_come_back_too_and_the_picture_that_was_shown() {
    let home = Home::new();
    let names = |h: &Window| h.state().studio.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
    let before = {
        let mut h = window([1280.0, 800.0], home.start(&[]));
        settled(&mut h);
        drop_on(&mut h, &[home.photo("a.png", 60, 40), home.photo("b.png", 40, 60)]);
        until(&mut h, "both pictures", |s| s.studio.entries.len() == 3);
        settled(&mut h);
        eframe::App::on_exit(h.state_mut());
        names(&h)
    };
    let mut h = window([1280.0, 800.0], home.start(&[]));
    until(&mut h, "the first picture", |s| !s.studio.entries.is_empty());
    assert_eq!(h.state().studio.current().unwrap().name, "a.png");
    until(&mut h, "all pictures", |s| s.studio.entries.len() == 3);
    settled(&mut h);
    assert_eq!((names(&h), h.state().studio.current().unwrap().name.as_str()), (before, "a.png"));
    assert_eq!(h.state().studio.entries.iter().filter(|e| !e.made.is_empty()).count(), 1);
}

#[test]
fn pictures_whose_disk_is_away_come_back_with_it() {
    let home = Home::new();
    let names = |h: &Window| h.state().studio.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>().join(" ");
    std::fs::create_dir(home.path("disk")).unwrap();
    let (a, b) = (home.photo("a.png", 60, 40), home.photo("disk/b.png", 40, 60));
    let visit = |home: &Home, files: &[PathBuf], count: usize| {
        let mut h = window([1280.0, 800.0], home.start(files));
        until(&mut h, "the pictures", |s| s.studio.entries.len() == count);
        settled(&mut h);
        eframe::App::on_exit(h.state_mut());
        h
    };
    // One picture may be there twice.
    let h = visit(&home, &[b.clone(), a.clone(), b.clone(), a.clone()], 4);
    assert_eq!(names(&h), "b.png a.png b.png a.png");
    drop(h);
    std::fs::rename(home.path("disk"), home.path("drawer")).unwrap();
    let h = visit(&home, &[], 2);
    assert_eq!(names(&h), "a.png a.png");
    let told = |h: &Window| h.state().notices.texts().filter(|t| t.contains("folders of 2 pictures")).count();
    assert_eq!((told(&h), h.state().notices.texts().count()), (1, 1));
    drop(h);
    // It is told once.
    let h = visit(&home, &[], 2);
    assert_eq!(told(&h), 0);
    drop(h);
    std::fs::rename(home.path("drawer"), home.path("disk")).unwrap();
    let h = visit(&home, &[], 4);
    assert_eq!(names(&h), "b.png a.png b.png a.png");
}

#[test]
fn pictures_that_were_not_waited_for_come_back_the_next_time() {
    let home = Home::new();
    let names = |h: &Window| h.state().studio.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>().join(" ");
    let files: Vec<_> = (0..6).map(|i| home.photo(&format!("{i}.png"), 400, 300)).collect();
    let mut h = window([1280.0, 800.0], home.start(&files));
    until(&mut h, "the pictures", |s| s.studio.entries.len() == 6);
    let before = names(&h);
    eframe::App::on_exit(h.state_mut());
    drop(h);
    // One of them is gone for good.
    std::fs::remove_file(home.path("5.png")).unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[]));
    h.state_mut().ask(Command::CancelAll);
    until(&mut h, "the files", |a| a.studio.files.is_idle());
    assert!(h.state().studio.entries.len() < 5, "nothing was left to cancel");
    eframe::App::on_exit(h.state_mut());
    drop(h);
    let mut h = window([1280.0, 800.0], home.start(&[]));
    until(&mut h, "those that are left", |s| s.studio.entries.len() == 5);
    settled(&mut h);
    assert_eq!(names(&h), before.replace(" 5.png", ""));
}

#[test]
fn a_picture_that_is_opened_from_outside_joins_the_last_session() {
    let home = Home::new();
    let names = |h: &Window| h.state().studio.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>().join(" ");
    let [a, b, c] = ["a.png", "b.png", "c.png"].map(|name| home.photo(name, 60, 40));
    let visit = |files: &[PathBuf], count: usize, shown: &str| {
        let mut h = window([1280.0, 800.0], home.start(files));
        until(&mut h, "the pictures", |s| s.studio.entries.len() == count);
        settled(&mut h);
        assert_eq!(h.state().studio.current().unwrap().name, shown);
        eframe::App::on_exit(h.state_mut());
        names(&h)
    };
    visit(&[a.clone(), b], 2, "a.png");
    assert_eq!(visit(&[c], 3, "c.png"), "a.png b.png c.png");
    // One that is there already is only shown.
    assert_eq!(visit(&[a], 3, "a.png"), "a.png b.png c.png");
    assert_eq!(visit(&[], 3, "a.png"), "a.png b.png c.png");
    std::fs::create_dir(home.path("folder")).unwrap();
    home.photo("folder/d.png", 60, 40);
    for _ in 0..2 {
        assert_eq!(visit(&[home.path("folder")], 4, "d.png"), "a.png b.png c.png d.png");
    }
}

#[test]
fn pictures_that_were_taken_out_come_back_one_by_one() {
    let home = Home::new();
    let files: Vec<_> = (0..4).map(|i| home.photo(&format!("{i}.png"), 60, 40)).collect();
    let mut h = window([1280.0, 800.0], home.start(&files));
    until(&mut h, "the pictures", |s| s.studio.entries.len() == 4);
    settled(&mut h);
    let names = |h: &Window| h.state().studio.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>().join(" ");
    // Down for so many steps, and up.
    let press = |h: &mut Window, steps: usize| {
        let (key, modifiers) = (Key::Backspace, Modifiers::COMMAND);
        for pressed in std::iter::repeat_n(true, steps).chain([false]) {
            h.event(egui::Event::Key { key, physical_key: None, pressed, repeat: false, modifiers });
            h.run_steps(2);
        }
    };
    press(&mut h, 3);
    assert_eq!(names(&h), "1.png 2.png 3.png", "a key that is held down takes out one");
    press(&mut h, 1);
    assert_eq!(names(&h), "2.png 3.png");
    for expected in ["1.png 2.png 3.png", "0.png 1.png 2.png 3.png"] {
        h.state_mut().ask(Command::PutBack);
        h.run_steps(2);
        assert_eq!(names(&h), expected);
    }
    // Undoing right after it is putting back.
    press(&mut h, 1);
    h.state_mut().ask(Command::Undo);
    h.run_steps(2);
    assert_eq!(names(&h), "0.png 1.png 2.png 3.png");
}

#[test]
fn settings_that_cannot_be_read_are_left_as_they_are() {
    let home = Home::new();
    let settings = home.path("session.toml");
    std::fs::create_dir(&settings).unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 60, 40)]));
    settled(&mut h);
    assert!(h.state().notices.texts().any(|t| t.contains("changes will not be remembered")));
    h.state_mut().session.scale = 1.25;
    h.run_steps(3);
    eframe::App::on_exit(h.state_mut());
    assert!(settings.is_dir());
    assert!(!h.state().notices.texts().any(|t| t.contains("could not be saved")));
}

#[test]
fn broken_settings_are_told_and_set_aside() {
    let home = Home::new();
    std::fs::write(home.path("session.toml"), "theme = [not toml").unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[]));
    settled(&mut h);
    assert!(h.state().notices.texts().any(|t| t.contains("session.broken.toml")));
}

#[test]
fn an_empty_strip_is_an_invitation() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40)]));
    settled(&mut h);
    h.key_press_modifiers(Modifiers::COMMAND, Key::Backspace);
    h.run_steps(3);
    assert!(h.state().studio.entries.is_empty());
    h.get_by_label("Drop a picture here");
    shot(&mut h, "empty");
}

#[test]
fn every_result_is_exported_under_a_name_of_its_own() {
    let home = Home::new();
    for folder in ["other", "third"] {
        std::fs::create_dir(home.path(folder)).unwrap();
    }
    // A stem with a dot, as cameras and screenshots have them.
    let alike = [("a.v2.png", 40, 30), ("other/a.v2.png", 30, 40), ("third/a.v2.png", 36, 36), ("b.png", 32, 32)];
    let files = alike.map(|(name, width, height)| home.photo(name, width, height));
    let mut h = window([1280.0, 800.0], home.start(&files));
    settled(&mut h);
    h.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::A);
    h.run_steps(3);
    settled(&mut h);
    let folder = home.path("out");
    std::fs::create_dir(&folder).unwrap();
    lucida::app::panels::export::all(h.state_mut(), &folder);
    settled(&mut h);
    let written = imaging::pictures_in(&folder).unwrap();
    let name = |p: &std::path::PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
    let made = ["a.v2-2", "a.v2-3", "a.v2", "b"].map(|stem| format!("{stem}-hokusai-great-wave.png"));
    assert_eq!(written.iter().map(name).collect::<Vec<_>>(), made);
    let sizes: Vec<_> = written.iter().map(|p| imaging::open(p).unwrap().size()).collect();
    assert_eq!(sizes, [[30, 40], [36, 36], [40, 30], [32, 32]]);
}

#[test]
#[cfg(unix)]
fn exporting_all_says_what_the_format_loses_and_what_was_written() {
    let home = Home::new();
    let see_through = home.path("a.png");
    image::RgbaImage::from_pixel(24, 24, image::Rgba([200, 80, 40, 90])).save(&see_through).unwrap();
    // With all that is put after it, this name would be longer than a file's may be.
    let long = "가".repeat(80);
    let others = [home.photo(&format!("{long}.png"), 32, 32), home.photo("c.png", 32, 32)];
    let mut h = window([1280.0, 800.0], home.start(&[vec![see_through], others.into()].concat()));
    settled(&mut h);
    h.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::A);
    h.run_steps(3);
    settled(&mut h);
    h.state_mut().session.export.format = "jpg".into();
    let folder = home.path("out");
    std::fs::create_dir(&folder).unwrap();
    // A link to a place that is not there.
    std::os::unix::fs::symlink(home.path("gone/c.jpg"), folder.join("c-hokusai-great-wave.jpg")).unwrap();
    lucida::app::panels::export::all(h.state_mut(), &folder);
    settled(&mut h);
    let said: Vec<String> = h.state().notices.texts().map(Into::into).collect();
    for part in ["transparency or 16-bit depth is lost", "c-hokusai-great-wave.jpg", "2 files saved"] {
        assert!(said.iter().any(|text| text.contains(part)), "{part}: {said:?}");
    }
    let shortened = format!("{}-hokusai-great-wave.jpg", "가".repeat(40));
    assert!(folder.join(&shortened).exists(), "{shortened}");
}

#[test]
fn what_is_not_finished_is_not_copied_as_if_it_were() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40)]));
    settled(&mut h);
    h.state_mut().session.look.longer_side = Some(16);
    h.state_mut().ask(Command::CopyResult);
    h.step();
    assert!(h.state().notices.texts().any(|t| t.contains("nothing was copied")));
    settled(&mut h);
    h.state_mut().ask(Command::CopyResult);
    until(&mut h, "the copy", |a| a.notices.texts().any(|t| t.contains("Copied to")));
}

#[test]
fn where_rescued_results_lie_is_told_once() {
    let home = Home::new();
    std::fs::write(home.path("session.toml"), "rescued = '/somewhere/rescued-1'").unwrap();
    for told in [true, false] {
        let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 30)]));
        assert_eq!(h.state().notices.texts().any(|t| t.contains("/somewhere/rescued-1")), told);
        settled(&mut h);
        eframe::App::on_exit(h.state_mut());
    }
}

#[test]
fn a_width_that_was_dragged_is_kept() {
    let home = Home::new();
    let width = |h: &Harness<'_, App>| h.state().session.inspector_width;
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 30)]));
    settled(&mut h);
    assert_eq!(width(&h), 320.0);
    let edge = egui::pos2(1280.0 - 318.0, 300.0);
    h.hover_at(edge);
    h.run_steps(2);
    h.drag_at(edge);
    h.run_steps(2);
    h.hover_at(edge - egui::vec2(60.0, 0.0));
    h.run_steps(2);
    h.drop_at(edge - egui::vec2(60.0, 0.0));
    h.run_steps(2);
    let dragged = width(&h);
    assert!((370.0..390.0).contains(&dragged), "{dragged}");
    eframe::App::on_exit(h.state_mut());
    drop(h);
    let mut h = window([1280.0, 800.0], home.start(&[]));
    settled(&mut h);
    assert_eq!(width(&h), dragged);
}

#[test]
fn results_survive_a_lost_graphics_device() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 30)]));
    settled(&mut h);
    let folder = home.path("rescued");
    assert_eq!(lucida::app::rescue::results(h.state(), &folder), 1);
    let saved = imaging::open(&folder.join("01-a-hokusai-great-wave-1.png")).unwrap();
    assert_eq!(saved.size(), [40, 30]);
    assert_ne!(saved, imaging::open(&home.path("a.png")).unwrap());
}

#[test]
fn a_pasted_picture_is_kept_for_the_next_start() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 40, 40)]));
    settled(&mut h);
    let image = egui::ColorImage::filled([30, 20], egui::Color32::from_rgb(200, 30, 60));
    h.event(egui::Event::PasteImage(Arc::new(image)));
    h.step();
    until(&mut h, "the pasted picture", |a| a.studio.entries.len() == 2);
    settled(&mut h);
    let path = h.state().studio.current().unwrap().path.clone().unwrap();
    assert_eq!(imaging::open(&path).unwrap().size(), [30, 20]);
    // Its results do not go where the settings are.
    h.key_press_modifiers(Modifiers::COMMAND, Key::E);
    h.run_steps(3);
    let proposed = h.get_by_role_and_label(Role::TextInput, "File").value().unwrap();
    assert!(!proposed.starts_with(&*home.path("pasted").to_string_lossy()), "{proposed}");
}
