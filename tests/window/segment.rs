//! The segmentation task in the window: pick, slide, hide, light up, compare, refine, export, wrong weights.

use lucida::app::segment_look::{SegmentLook, Shown};
use lucida::app::segmented::Segmented;
use lucida::app::session::Task;
use lucida::gpu::{OverlayMode, overlay};
use lucida::tasks::segment::NO_LABEL;

use crate::*;

fn look(h: &Window) -> &SegmentLook {
    &h.state().session.segment
}

/// The finished segmentation that is shown.
fn shown(h: &Window) -> &Segmented {
    h.state().studio.current().unwrap().segmentation(&look(h).asked()).expect("it is there")
}

fn segmented(h: &mut Window) {
    until(h, "the segmentation", |a| {
        let asked = a.session.segment.asked();
        idle(a) && a.studio.current().is_some_and(|e| e.segmentation(&asked).is_some())
    });
    until(h, "all jobs to end", idle);
}

/// The segmentation task with the streets' U-Net, which gives every pixel a class.
fn streets(home: &Home, size: [f32; 2]) -> Window {
    let mut h = window(size, home.start(&[home.photo("a.png", 160, 120)]));
    settled(&mut h);
    h.get_by_role_and_label(Role::Button, "Segment").click();
    h.run_steps(2);
    h.state_mut().session.segment.model = "unet-camvid".into();
    h.run_steps(2);
    segmented(&mut h);
    h
}

#[test]
fn a_person_picks_the_task_and_plays_with_the_overlay() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 160, 120)]));
    settled(&mut h);
    h.key_press(Key::Num2);
    h.run_steps(3);
    segmented(&mut h);
    assert_eq!((h.state().session.task, look(&h).model.as_str()), (Task::Segment, "deeplabv3plus-voc"));
    let styled = h.state().studio.current().unwrap().made.len();
    h.state_mut().session.segment.model = "unet-camvid".into();
    h.run_steps(3);
    segmented(&mut h);
    shot(&mut h, "segment");
    let areas = shown(&h).outcome.areas.clone();
    assert!(!areas.is_empty());

    // Opacity, modes and classes are uniforms: nothing is computed, nothing is uploaded.
    let texture = |h: &mut Window| {
        let asked = look(h).asked();
        h.state_mut().studio.label_texture(&asked).expect("it is on the GPU")
    };
    let before = texture(&mut h);
    let slider = h.get_by_role_and_label(Role::Slider, "Opacity").rect();
    let first = shot(&mut h, "segment-first");
    h.drag_at(slider.center());
    h.run_steps(2);
    h.hover_at(slider.left_center() + egui::vec2(30.0, 0.0));
    h.run_steps(2);
    h.drop_at(slider.left_center() + egui::vec2(30.0, 0.0));
    h.run_steps(3);
    assert!(look(&h).opacity < 0.3, "{}", look(&h).opacity);
    assert_ne!(shot(&mut h, "segment-faint"), first);
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    assert_eq!(look(&h).opacity, SegmentLook::default().opacity, "the drag is one step");
    let mut seen = Vec::new();
    for (name, mode) in
        [("Fill", OverlayMode::Fill), ("Outlines", OverlayMode::Outlines), ("Cut-out", OverlayMode::CutOut)]
    {
        h.get_by_role_and_label(Role::RadioButton, name).click();
        h.run_steps(3);
        assert_eq!(look(&h).mode, mode);
        seen.push(shot(&mut h, &format!("segment-{name}")));
    }
    assert!(seen.windows(2).all(|w| w[0] != w[1]), "two modes look the same");
    h.get_by_role_and_label(Role::RadioButton, "Fill").click();
    let name = shown(&h).classes[usize::from(areas[0].class)].clone();
    h.get_by_label(&format!("Hide {name}")).click();
    h.run_steps(3);
    assert!(!look(&h).shows(&name));
    h.get_by_label(&format!("Show {name}")).click();
    h.run_steps(3);
    h.get_by_label(&format!("Show {name} alone")).click();
    h.run_steps(3);
    assert!(look(&h).shows(&name) && look(&h).hidden.len() >= 10);
    h.get_by_label("Show all classes").click();
    h.run_steps(3);
    assert!(look(&h).hidden.iter().all(|n| n == "background"));
    h.get_by_role_and_label(Role::ListBoxOption, &name).click();
    h.run_steps(3);
    assert_eq!(look(&h).class.as_ref(), Some(&name));
    assert!(h.state().studio.nets.is_idle());
    assert!(Arc::ptr_eq(&texture(&mut h), &before), "it was uploaded again");
    assert_eq!(h.state().studio.current().unwrap().made.len(), styled, "no style was painted meanwhile");

    // The maps come from the same scores, without another pass.
    for (name, what) in [("Probability", Shown::Probability), ("Doubt", Shown::Uncertainty)] {
        h.get_by_role_and_label(Role::RadioButton, name).click();
        h.run_steps(3);
        until(&mut h, "the map", idle);
        assert_eq!(look(&h).shown, what);
        shot(&mut h, &format!("segment-{name}"));
    }
    assert_eq!(h.state().studio.current().unwrap().segmented.len(), 2);
}

#[test]
fn the_pointer_tells_the_class_and_a_click_chooses_it() {
    let home = Home::new();
    let mut h = streets(&home, [1280.0, 800.0]);
    let canvas = h.get_by_role_and_label(Role::Canvas, "Canvas with a.png").rect();
    let plain = shot(&mut h, "segment-plain");
    h.hover_at(canvas.center());
    h.run_steps(3);
    assert_ne!(shot(&mut h, "segment-hover"), plain, "its pixels are lit and its name is told");
    let middle = shown(&h).label_at([0.5, 0.5]).unwrap();
    let name = shown(&h).classes[usize::from(middle)].clone();
    h.drag_at(canvas.center());
    h.run_steps(1);
    h.drop_at(canvas.center());
    h.run_steps(3);
    assert_eq!(look(&h).class.as_ref(), Some(&name));
    h.run_steps(40); // not a double click
    std::thread::sleep(Duration::from_millis(500));
    h.drag_at(canvas.center());
    h.run_steps(1);
    h.drop_at(canvas.center());
    h.run_steps(3);
    assert_eq!(look(&h).class, None);
}

#[test]
fn two_models_are_compared() {
    let home = Home::new();
    let mut h = streets(&home, [1280.0, 800.0]);
    let modes = [(Key::W, CompareMode::Split), (Key::E, CompareMode::SideBySide), (Key::D, CompareMode::Difference)];
    let mut alone = Vec::new();
    for (key, mode) in modes {
        h.key_press(key);
        h.run_steps(3);
        alone.push(shot(&mut h, &format!("segment-alone-{mode:?}")));
    }
    h.state_mut().session.segment.other = Some("fcn-32s-camvid".into());
    let mut seen = Vec::new();
    for (key, mode) in modes {
        h.key_press(key);
        h.run_steps(3);
        until(&mut h, "the other model", |a| {
            let other = a.session.segment.asked_other().unwrap();
            idle(a) && a.studio.current().is_some_and(|e| e.segmentation(&other).is_some())
        });
        assert_eq!(h.state().session.compare, mode);
        seen.push(shot(&mut h, &format!("segment-against-{mode:?}")));
    }
    assert!(seen.iter().zip(&alone).all(|(with, without)| with != without), "the other model is not shown");
    // How much they disagree on is told, and what is exported is what is seen: grey where they agree, stripes where not.
    h.get_by_role_and_label(Role::Canvas, "Canvas with a.png");
    let e = h.state().studio.current().unwrap();
    let other = e.segmentation(&look(&h).asked_other().unwrap()).unwrap().outcome.clone();
    let (labels, seen) = (shown(&h).outcome.labels.clone(), h.state().seen().unwrap().compose().unwrap());
    let differs: Vec<bool> = labels.iter().zip(&other.labels).map(|(a, b)| a != b).collect();
    assert!(differs.contains(&true) && differs.contains(&false));
    for (pixel, differs) in seen.to_srgba8().chunks_exact(4).zip(&differs) {
        let grey = pixel[0].abs_diff(pixel[1]) <= 1 && pixel[1].abs_diff(pixel[2]) <= 1;
        assert!(grey || *differs, "{pixel:?} where they agree");
    }
    let coloured =
        seen.to_srgba8().chunks_exact(4).filter(|p| p[0].abs_diff(p[1]) > 8 || p[1].abs_diff(p[2]) > 8).count();
    assert!(coloured * 2 > differs.iter().filter(|d| **d).count(), "the stripes are missing");

    // Maps of one class or of doubt are one model's, and have no difference from a photo.
    h.state_mut().session.segment.shown = Shown::Uncertainty;
    settled(&mut h);
    // The picture, without the bar that shows which way of comparing is chosen.
    let canvas = h.get_by_role_and_label(Role::Canvas, "Canvas with a.png").rect();
    let [x, y, width, height] = [canvas.left(), canvas.top(), canvas.width(), canvas.height() * 0.8].map(|v| v as u32);
    let picture = |shot: &image::RgbaImage| image::imageops::crop_imm(shot, x, y, width, height).to_image();
    let doubt = shot(&mut h, "segment-doubt-difference");
    h.state_mut().session.compare = CompareMode::Result;
    h.run_steps(3);
    let result = shot(&mut h, "segment-doubt-result");
    assert!(picture(&result) == picture(&doubt), "a difference from the photo is drawn");
    h.state_mut().session.segment.shown = Shown::Classes;
    settled(&mut h);
    assert_eq!(h.state().studio.current().unwrap().segmented.len(), 3, "the default's, the U-Net's and the FCN's");
    // What is reset is how it looks; the model stays, and nothing is left to reset.
    let command = lucida::app::commands::Command::ResetLook;
    let model = look(&h).model.clone();
    assert!(h.state().can(command));
    h.state_mut().ask(command);
    h.run_steps(2);
    assert_eq!((look(&h).model.as_str(), h.state().can(command)), (model.as_str(), false));

    // Against itself no model is compared, nor against one of other classes.
    for model in ["fcn-32s-camvid", "deeplabv3plus-voc"] {
        let chosen = &mut h.state_mut().session.segment;
        (chosen.model, chosen.other) = (model.into(), Some("fcn-32s-camvid".into()));
        h.run_steps(3);
        assert_eq!(look(&h).other, None, "{model}");
        settled(&mut h);
    }
}

#[test]
fn what_is_looked_at_comes_first() {
    let home = Home::new();
    let photos: Vec<_> = (0..6).map(|i| home.photo(&format!("{i}.png"), 320, 240)).collect();
    let mut h = window([1280.0, 800.0], home.start(&photos));
    until(&mut h, "all of them", |a| a.studio.entries.len() == 6);
    settled(&mut h);
    h.key_press(Key::Num2);
    settled(&mut h);
    h.state_mut().ask(lucida::app::commands::Command::ApplyToAll);
    h.step();
    let last = h.state().studio.entries[5].id;
    h.state_mut().studio.selected = Some(last);
    h.step();
    let next = h.state().studio.nets.waiting().next().and_then(NetJob::entry);
    let now = h.state().studio.nets.running().and_then(|r| r.job.entry());
    assert!([next, now].contains(&Some(last)), "it waits behind the others");
    settled(&mut h);
}

#[test]
fn labels_follow_the_edges_when_asked() {
    let home = Home::new();
    let mut h = streets(&home, [1280.0, 900.0]);
    let plain = shown(&h).outcome.labels.clone();
    h.get_by_label("Follow the picture's edges (CRF)").click();
    h.run_steps(3);
    segmented(&mut h);
    assert!(look(&h).refined);
    assert_ne!(shown(&h).outcome.labels, plain);
    shot(&mut h, "segment-crf");
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    assert_eq!(shown(&h).outcome.labels, plain, "the first result is still there");
}

#[test]
fn the_mirror_image_counts_unless_a_person_says_otherwise() {
    let home = Home::new();
    let mut h = streets(&home, [1280.0, 1400.0]);
    let twice = shown(&h).outcome.labels.clone();
    h.get_by_label("Look twice (mirror image too)").click();
    h.run_steps(3);
    segmented(&mut h);
    assert_eq!(look(&h).twice, Some(false));
    assert_ne!(shown(&h).outcome.labels, twice);
    let kept = h.state().studio.current().unwrap().segmented.len();
    h.get_by_label("Look twice (mirror image too)").click();
    h.run_steps(3);
    settled(&mut h);
    assert_eq!(shown(&h).outcome.labels, twice, "the first result is still there");
    assert_eq!(h.state().studio.current().unwrap().segmented.len(), kept, "nothing was worked out again");
}

#[test]
fn every_product_is_exported() {
    let home = Home::new();
    let mut h = streets(&home, [1280.0, 800.0]);
    let export =
        |h: &mut Window, what: &str, file: &str| export(h, &home, what, file, &format!("segment-export-{what}"));
    let picture = export(&mut h, "Picture", "overlay.png");
    let labels = export(&mut h, "Labels", "labels.png");
    let areas = export(&mut h, "Areas", "areas.json");
    let cuts = export(&mut h, "Cut-outs", "cut.png");

    let s = shown(&h);
    let original = imaging::open(&home.path("a.png")).unwrap();
    let wanted = overlay::export(&original, &s.outcome.labels, &look(&h).plain_overlay(&s.classes)).unwrap();
    assert_eq!(imaging::open(&picture).unwrap(), wanted);
    let image::DynamicImage::ImageLuma8(grey) = image::open(labels).unwrap() else { panic!("labels are not grey") };
    assert_eq!(grey.into_raw(), s.outcome.labels);
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(areas).unwrap()).unwrap();
    assert_eq!(told["classes"].as_array().unwrap().len(), s.outcome.areas.len());
    for area in &s.outcome.areas {
        let name = &s.classes[usize::from(area.class)];
        let cut = imaging::open(&cuts.with_file_name(format!("cut-{name}.png"))).unwrap();
        let alpha: Vec<u8> = cut.to_srgba8().chunks_exact(4).map(|p| p[3]).collect();
        let solid = alpha.iter().zip(&s.outcome.labels).filter(|(a, label)| **a == 255 && **label != area.class);
        assert_eq!(solid.count(), 0, "{name} holds pixels of another class");
        let kept = alpha.iter().zip(&s.outcome.labels).filter(|(a, label)| **a > 127 && **label == area.class).count();
        assert!(kept as u64 * 2 > area.pixels, "{name} keeps {kept} of {} pixels", area.pixels);
    }
    assert!(s.outcome.labels.iter().all(|label| *label != NO_LABEL));
}

#[test]
fn a_wrong_checkpoint_is_told_and_a_right_one_used() {
    let home = Home::new();
    let mut h = streets(&home, [1280.0, 800.0]);
    let wrong = home.path("wrong.pth");
    std::fs::write(&wrong, "no weights").unwrap();
    drop_on(&mut h, &[wrong]);
    until(&mut h, "a refusal", |a| a.notices.texts().any(|t| t.contains("wrong.pth")));
    assert_eq!(look(&h).model, "unet-camvid");
    shot(&mut h, "segment-refused");
    assert_eq!(h.state().studio.entries.len(), 1, "a checkpoint is no picture");
    assert_eq!(h.state().studio.current().unwrap().segmented.len(), 2, "what was there stays");

    let config = lucida::models::unet::Config::new(4, true, 3);
    let tensors = lucida::models::random::tensors(|vb| lucida::models::Unet::new(config, vb)).unwrap();
    let right = home.path("mine.safetensors");
    candle_core::safetensors::save(&tensors, &right).unwrap();
    drop_on(&mut h, &[right]);
    until(&mut h, "the checkpoint", |a| a.session.segment.model.contains("mine.safetensors"));
    segmented(&mut h);
    assert_eq!(shown(&h).classes.len(), 3);
    eframe::App::on_exit(h.state_mut());
    let saved = Session::load_quietly(&home.path("session.toml"));
    assert_eq!((saved.task, saved.checkpoints.len()), (Task::Segment, 1), "what is no checkpoint is not remembered");
}

#[test]
fn what_fails_for_many_pictures_is_told_once_with_their_names() {
    let home = Home::new();
    let photos: Vec<_> = (0..5).map(|i| home.photo(&format!("{i}.png"), 32, 24)).collect();
    let mut h = window([1280.0, 800.0], home.start(&photos));
    until(&mut h, "all of them", |a| a.studio.entries.len() == 5);
    let config = lucida::models::unet::Config::new(4, true, 3);
    let mut tensors = lucida::models::random::tensors(|vb| lucida::models::Unet::new(config, vb)).unwrap();
    let bias = (&tensors["outc.conv.bias"] * f64::NAN).unwrap();
    tensors.insert("outc.conv.bias".into(), bias);
    let broken = home.path("broken.safetensors");
    candle_core::safetensors::save(&tensors, &broken).unwrap();
    drop_on(&mut h, &[broken]);
    until(&mut h, "the checkpoint", |a| a.session.segment.model.contains("broken.safetensors"));
    settled(&mut h);
    h.state_mut().ask(Command::ApplyToAll);
    settled(&mut h);
    let failures = h.state().notices.texts().filter(|t| t.contains("did not work")).count();
    assert_eq!(failures, 1, "{:?}", h.state().notices.texts().collect::<Vec<_>>());
    h.get_by_label_contains("and 2 more");
    shot(&mut h, "segment-many-failed");
}

#[test]
fn where_nothing_is_found_another_model_is_offered() {
    let home = Home::new();
    let plain = Picture::from_rgba8(160, 120, [250, 250, 252, 255].repeat(160 * 120)).unwrap();
    let path = home.path("plain.png");
    imaging::save_bytes(&path, &imaging::encode(&plain, Format::Png).unwrap(), true).unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[path]));
    settled(&mut h);
    h.key_press(Key::Num2);
    h.run_steps(3);
    segmented(&mut h);
    assert!(shown(&h).outcome.areas.iter().all(|a| a.class == 0), "{:?}", shown(&h).outcome.areas);
    h.get_by_label("Try Streets · U-Net").click();
    h.run_steps(3);
    segmented(&mut h);
    assert_eq!(look(&h).model, "unet-camvid");
}
