//! The translation task in the window: both ways, the cycle, two models beside each other, joined and wrong checkpoints.

use std::collections::HashMap;

use candle_core::Tensor;
use lucida::app::commands::Command;
use lucida::app::panes::Shows;
use lucida::app::session::Task;
use lucida::app::translate_look::{Asked, Chart, Part, TranslateLook, TranslateView};
use lucida::app::translated::Translated;
use lucida::gpu::overlay::{ScalarMap, export_scalar};
use lucida::models::{PatchGan, ResnetGenerator, UnetGenerator, cyclegan, patch_gan, pix2pix, random};
use lucida::tasks::translate::{Direction, Map};

use crate::*;

type Tensors = HashMap<String, Tensor>;

fn generator(name: &str) -> Tensors {
    let config = cyclegan::Config { width: 4, ..cyclegan::Config::paper(1) };
    random::tensors(|vb| ResnetGenerator::new(config, if name.is_empty() { vb } else { vb.pp(name) })).unwrap()
}

fn judge(name: &str) -> Tensors {
    random::tensors(|vb| PatchGan::new(patch_gan::Config::paper(3, 4), vb.pp(name))).unwrap()
}

impl Home {
    fn checkpoint(&self, name: &str, networks: impl IntoIterator<Item = Tensors>) -> PathBuf {
        let tensors: Tensors = networks.into_iter().flatten().collect();
        let path = self.path(name);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    }

    /// Generators both ways, and their discriminators.
    fn two_way(&self, name: &str) -> PathBuf {
        self.checkpoint(name, [generator("netG_A"), generator("netG_B"), judge("netD_A"), judge("netD_B")])
    }
}

fn look(h: &Window) -> &TranslateLook {
    &h.state().session.translate
}

fn asked(h: &Window) -> Asked {
    h.state().translation_asked().expect("there is a model")
}

/// The finished translation that is shown.
fn shown(h: &Window) -> &Translated {
    h.state().studio.current().unwrap().translation(&asked(h)).expect("it is there")
}

fn count(h: &Window) -> usize {
    h.state().studio.current().unwrap().translated.len()
}

fn translated(h: &mut Window) {
    until(h, "the translation", |a| {
        let wanted = [a.translation_asked(), a.translation_beside()];
        idle(a) && a.studio.current().is_some_and(|e| wanted.iter().flatten().all(|w| e.translation(w).is_some()))
    });
    until(h, "all jobs to end", idle);
}

fn open(h: &mut Window, checkpoint: &Path) {
    drop_on(h, &[checkpoint.to_owned()]);
    let name = checkpoint.display().to_string();
    until(h, "the checkpoint", |a| a.session.translate.model == name);
}

/// The task with a checkpoint that goes both ways, on a photo.
fn begun(home: &Home, size: [f32; 2]) -> Window {
    let mut h = window(size, home.start(&[home.photo("a.png", 160, 120)]));
    settled(&mut h);
    open(&mut h, &home.two_way("both.safetensors"));
    translated(&mut h);
    h
}

#[test]
fn a_person_opens_a_checkpoint_and_translates_both_ways() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0]);
    assert_eq!(h.state().session.task, Task::Translate);
    let made = h.state().studio.current().unwrap().made.len();
    let first = shown(&h).outcome.clone();
    assert_eq!((first.direction, first.cycle.is_some(), first.verdict.is_some()), (Direction::AToB, false, false));
    shot(&mut h, "translate");

    press(&mut h, Role::RadioButton, "B → A");
    translated(&mut h);
    assert_eq!((shown(&h).outcome.direction, count(&h)), (Direction::BToA, 2));
    assert_ne!(shown(&h).outcome.translated, first.translated);

    // Strength and colours are uniforms: nothing is computed, nothing is uploaded.
    let texture = |h: &mut Window| {
        let asked = shown(h).asked.clone();
        h.state_mut().studio.part_texture(&asked, Part::Result).expect("it is on the GPU")
    };
    let before = texture(&mut h);
    let slider = h.get_by_role_and_label(Role::Slider, "Strength").rect();
    h.drag_at(slider.right_center() - egui::vec2(6.0, 0.0));
    h.run_steps(2);
    h.hover_at(slider.center());
    h.run_steps(2);
    h.drop_at(slider.center());
    h.run_steps(3);
    assert!((0.2..0.9).contains(&look(&h).strength), "{}", look(&h).strength);
    press(&mut h, Role::CheckBox, "Keep the photo's colours");
    assert!(look(&h).keep_colours && h.state().studio.nets.is_idle());
    assert!(Arc::ptr_eq(&texture(&mut h), &before), "it was uploaded again");

    // Back over the colours, the strength, and the direction; the first result is still there.
    for _ in 0..3 {
        h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        h.run_steps(3);
    }
    assert_eq!((look(&h).strength, look(&h).keep_colours), (1.0, false));
    assert!(Arc::ptr_eq(&shown(&h).outcome, &first));
    let strip: Vec<_> = h.get_all_by_role_and_label(Role::ListBoxOption, "both.safetensors · B → A").collect();
    strip[0].click();
    h.run_steps(3);
    assert_eq!((shown(&h).outcome.direction, count(&h)), (Direction::BToA, 2));
    h.key_press(Key::Num1);
    h.run_steps(3);
    h.key_press(Key::Num3);
    h.run_steps(3);
    assert_eq!(h.state().session.task, Task::Translate);
    assert_eq!(h.state().studio.current().unwrap().made.len(), made, "no style was painted meanwhile");

    eframe::App::on_exit(h.state_mut());
    let saved = Session::load_quietly(&home.path("session.toml"));
    assert_eq!((saved.task, &saved.translate, saved.generators.len()), (Task::Translate, look(&h), 1));
    drop(h);
    let mut h = window([1280.0, 800.0], home.start(&[]));
    translated(&mut h);
    assert_eq!((h.state().session.task, asked(&h).params.direction), (Task::Translate, Direction::BToA));
}

#[test]
fn the_cycle_is_seen_in_panes_and_measured() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0]);
    press(&mut h, Role::RadioButton, "Cycle");
    translated(&mut h);
    let outcome = shown(&h).outcome.clone();
    let cycle = outcome.cycle.as_ref().expect("the way back was asked for");
    assert_eq!((outcome.verdict.is_some(), count(&h)), (false, 1), "only what is seen is computed, and once");
    let error = format!("|F(G(X)) − X|, error {:.1} of 255", cycle.error.mean * 255.0);
    for name in ["X · A", "G(X) · as B", "F(G(X)) · A again", &error] {
        h.get_by_role_and_label(Role::Label, name);
    }
    // Other tasks have a canvas of their own.
    h.key_press(Key::Num2);
    until(&mut h, "another task's result", idle);
    assert!(h.query_by_role_and_label(Role::Label, "X · A").is_none());
    h.key_press(Key::Num3);
    until(&mut h, "the panes", idle);
    assert!(h.query_by_label_contains("F(X)").is_none());
    let mut shots = vec![shot(&mut h, "translate-cycle")];

    // Maps of what is there already, and another pane, cost no inference.
    press(&mut h, Role::CheckBox, "Where it did not come home");
    until(&mut h, "three panes", idle);
    let error = format!("F(G(X)) · A again, error {:.1} of 255", cycle.error.mean * 255.0);
    h.get_by_role_and_label(Role::Label, &error);
    shots.push(shot(&mut h, "translate-cycle-plain"));
    press(&mut h, Role::CheckBox, "Where it did not come home");
    press(&mut h, Role::CheckBox, "Identity");
    until(&mut h, "the panes", idle);
    let same = format!("|F(X) − X|, error {:.1} of 255", cycle.same_error.mean * 255.0);
    for name in ["F(X) · identity", &same] {
        h.get_by_role_and_label(Role::Label, name);
    }
    shots.push(shot(&mut h, "translate-cycle-identity"));
    assert!(Arc::ptr_eq(&shown(&h).outcome, &outcome), "nothing was computed again");

    // The discriminator was not asked yet.
    press(&mut h, Role::CheckBox, "Which patches look real or fake");
    translated(&mut h);
    let mean = shown(&h).outcome.verdict.as_ref().expect("it was asked").mean;
    h.get_by_role_and_label(Role::Label, &format!("G(X) · as B, score {mean:.2} (real 1, made 0)"));
    assert_eq!(count(&h), 1, "one result serves all");
    shots.push(shot(&mut h, "translate-cycle-patches"));
    press(&mut h, Role::CheckBox, "Which patches look real or fake");
    assert!(h.state().studio.nets.is_idle());

    // One place in all panes, and one view.
    let canvas = h.get_by_role_and_label(Role::Canvas, "Canvas with a.png").rect();
    h.hover_at(canvas.left_top() + egui::vec2(canvas.width() * 0.25, canvas.height() * 0.25));
    h.run_steps(3);
    shots.push(shot(&mut h, "translate-cycle-hover"));
    h.key_press(Key::Z);
    h.key_press(Key::Plus);
    h.key_press(Key::Plus);
    h.run_steps(3);
    shots.push(shot(&mut h, "translate-cycle-near"));
    h.key_down(Key::L);
    h.run_steps(2);
    shots.push(shot(&mut h, "translate-cycle-loupe"));
    h.key_up(Key::L);
    for (i, a) in shots.iter().enumerate() {
        assert!(shots[..i].iter().all(|b| a != b), "picture {i} shows nothing new");
    }

    // The way of the comparing keys is that of the result alone, and of less than is there.
    let all = shown(&h).outcome.clone();
    h.key_press(Key::W);
    h.run_steps(3);
    assert_eq!((look(&h).view, h.state().session.compare), (TranslateView::Result, CompareMode::Split));
    assert!(h.state().studio.nets.is_idle() && Arc::ptr_eq(&shown(&h).outcome, &all));
    assert_eq!(count(&h), 1);

    // The other way around it has other letters.
    press(&mut h, Role::RadioButton, "B → A");
    press(&mut h, Role::RadioButton, "Cycle");
    translated(&mut h);
    h.get_by_label_contains("G(F(Y)) · B again");
}

#[test]
fn two_models_stand_beside_each_other_and_the_truth() {
    let home = Home::new();
    for folder in ["aerial", "map"] {
        std::fs::create_dir(home.path(folder)).unwrap();
    }
    let (photo, map) = (home.photo("aerial/7.png", 96, 96), home.photo("map/7.png", 48, 48));
    let mut h = window([1280.0, 800.0], home.start(&[photo]));
    settled(&mut h);
    // Another network, for random weights hang on their names alone.
    let config = cyclegan::Config { width: 4, ..cyclegan::Config::paper(2) };
    let deeper = random::tensors(|vb| ResnetGenerator::new(config, vb)).unwrap();
    let second = home.checkpoint("second.safetensors", [deeper]);
    open(&mut h, &second);
    open(&mut h, &home.two_way("first.safetensors"));
    h.state_mut().session.translate.other = Some(second.display().to_string());
    press(&mut h, Role::RadioButton, "Beside");
    translated(&mut h);
    until(&mut h, "the distances", |a| {
        idle(a) && a.studio.current().is_some_and(|e| e.translated.iter().all(|t| t.l1.is_some()))
    });
    assert_eq!(count(&h), 2);
    let partner = h.state().studio.partner().expect("it lies in the folder beside");
    assert_eq!((&partner.path, partner.picture.size()), (&map, [96, 96]));
    let photo = &h.state().studio.current().unwrap().picture;
    let wanted = Map::difference(&shown(&h).outcome.translated, &partner.picture, photo).mean;
    let distances: Vec<_> = h.state().studio.current().unwrap().translated.iter().map(|t| t.l1).collect();
    assert_ne!(distances[0], distances[1]);
    let note = format!("first.safetensors, L1 {:.1} of 255", wanted * 255.0);
    for name in ["X · A", &note, "True partner, 7.png"] {
        h.get_by_role_and_label(Role::Label, name);
    }
    shot(&mut h, "translate-beside");

    // Another partner is another distance.
    let before = shown(&h).l1;
    let other = Picture::from_rgba8(40, 40, [255; 40 * 40 * 4].to_vec()).unwrap();
    let path = home.path("white.png");
    imaging::save_bytes(&path, &imaging::encode(&other, Format::Png).unwrap(), true).unwrap();
    let id = h.state().studio.selected.unwrap();
    h.state_mut().studio.choose_partner(id, path);
    until(&mut h, "the other distance", |a| {
        let asked = a.translation_asked().unwrap();
        idle(a) && a.studio.current().unwrap().translation(&asked).unwrap().l1.is_some_and(|l1| Some(l1) != before)
    });
    // What is no picture leaves it as it is.
    h.state_mut().studio.choose_partner(id, home.path("nowhere.png"));
    until(&mut h, "a refusal", |a| a.notices.texts().any(|t| t.contains("nowhere.png")));
    assert!(h.state().studio.partner().unwrap().path.ends_with("white.png"));

    // A partner is of the picture that it was chosen for, whatever is shown by then; and all pictures get both results.
    drop_on(&mut h, &[home.photo("b.png", 64, 64)]);
    until(&mut h, "the picture", |a| idle(a) && a.studio.current().is_some_and(|e| e.name == "b.png"));
    translated(&mut h);
    h.state_mut().studio.choose_partner(id, home.path("map/7.png"));
    until(&mut h, "the first partner again", |a| a.studio.entries[0].partner().is_some_and(|p| p.path == map));
    assert!(h.state().studio.partner().is_none());
    h.state_mut().session.translate.longer_side = Some(48);
    h.run_steps(3);
    translated(&mut h);
    let both = |a: &App| [a.translation_asked().unwrap(), a.translation_beside().unwrap()];
    let has = |a: &App, i: usize| both(a).iter().all(|asked| a.studio.entries[i].translation(asked).is_some());
    assert!(has(h.state(), 1) && !has(h.state(), 0));
    h.state_mut().ask(Command::ApplyToAll);
    h.run_steps(3);
    until(&mut h, "all of both models", |a| idle(a) && has(a, 0));

    // The next start has the partner that was chosen last.
    h.state_mut().studio.choose_partner(id, home.path("white.png"));
    until(&mut h, "the white one", |a| a.studio.entries[0].partner().is_some_and(|p| p.path.ends_with("white.png")));
    h.state_mut().studio.selected = Some(id);
    h.run_steps(3);
    eframe::App::on_exit(h.state_mut());
    drop(h);
    let mut h = window([1280.0, 800.0], home.start(&[]));
    until(&mut h, "the white one again", |a| a.studio.partner().is_some_and(|p| p.path.ends_with("white.png")));
}

#[test]
fn results_of_batch_norms_say_which_statistics_they_took() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0]);
    h.state_mut().session.translate.own_statistics = true;
    h.run_steps(3);
    assert!(!asked(&h).params.own_statistics, "instance norms always take the picture's own");
    assert_eq!(h.state().statistics(&asked(&h)), None);
    let config = pix2pix::Config { widths: vec![4; 5], ..pix2pix::Config::paper(5) };
    let unet = random::tensors(|vb| UnetGenerator::new(config, vb)).unwrap();
    open(&mut h, &home.checkpoint("unet.safetensors", [unet]));
    translated(&mut h);
    press(&mut h, Role::RadioButton, "Cycle");
    translated(&mut h);
    h.get_by_role_and_label(Role::Label, "G(X) · as B, own statistics");
    press(&mut h, Role::CheckBox, "The picture's own statistics");
    translated(&mut h);
    h.get_by_role_and_label(Role::Label, "G(X) · as B, kept statistics");
}

#[test]
fn a_checkpoint_opened_again_is_read_with_what_lies_beside_it_now() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 80, 60)]));
    settled(&mut h);
    let there = home.checkpoint("latest_net_G_A.safetensors", [generator("")]);
    open(&mut h, &there);
    translated(&mut h);
    let goes_back = |a: &App| a.studio.facts(&a.session.translate.networks()).is_some_and(|facts| facts.goes_back());
    assert!(!goes_back(h.state()));
    home.checkpoint("latest_net_G_B.safetensors", [generator("")]);
    drop_on(&mut h, &[there]);
    until(&mut h, "the way back", goes_back);
    press(&mut h, Role::RadioButton, "Cycle");
    translated(&mut h);
    assert!(shown(&h).outcome.cycle.is_some());

    // Of many cycles the newest two are kept whole; an older one is made again when it is seen again.
    for side in [48, 32] {
        h.state_mut().session.translate.longer_side = Some(side);
        h.run_steps(3);
        translated(&mut h);
    }
    let whole = |h: &Window| {
        let all = &h.state().studio.current().unwrap().translated;
        all.iter().map(|t| t.outcome.cycle.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(whole(&h), [true, true, false]);
    h.state_mut().session.translate.longer_side = None;
    h.run_steps(3);
    translated(&mut h);
    assert_eq!(whole(&h), [true, true, false]);
    assert!(shown(&h).outcome.cycle.is_some());
}

#[test]
fn two_checkpoints_are_joined_into_a_cycle() {
    let home = Home::new();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 80, 60)]));
    settled(&mut h);
    open(&mut h, &home.checkpoint("there.safetensors", [generator("")]));
    translated(&mut h);
    // The way back is not there, and says so.
    h.get_by_role_and_label(Role::RadioButton, "B → A").click();
    h.run_steps(3);
    assert_eq!(asked(&h).params.direction, Direction::AToB);
    press(&mut h, Role::RadioButton, "Cycle");
    translated(&mut h);
    assert!(shown(&h).outcome.cycle.is_none());
    shot(&mut h, "translate-one-way");
    h.get_by_role_and_label(Role::Button, "Join the way back…");
    let back = home.checkpoint("back.safetensors", [generator("")]);
    let there = look(&h).networks();
    h.state_mut().join_way_back(there, back);
    h.run_steps(3);
    translated(&mut h);
    assert!(shown(&h).outcome.cycle.is_some());
    h.get_by_label("Way back: back.safetensors");
    shot(&mut h, "translate-joined");
    press(&mut h, Role::RadioButton, "B → A");
    translated(&mut h);
    assert_eq!(shown(&h).outcome.direction, Direction::BToA);
    // Taken off again, what is left is what it was.
    h.get_by_label("Take the way back off again").click();
    h.run_steps(3);
    translated(&mut h);
    assert_eq!((look(&h).back.is_none(), asked(&h).params.direction), (true, Direction::AToB));
}

#[test]
fn what_is_seen_is_exported_and_its_parts_too() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0]);
    let original = imaging::open(&home.path("a.png")).unwrap();
    let export = |h: &mut Window, what: &str, file: &str| {
        imaging::open(&export(h, &home, what, file, &format!("translate-export-{what}"))).unwrap()
    };
    h.state_mut().session.translate.strength = 0.5;
    h.run_steps(2);
    let half = export(&mut h, "Picture", "half.png");
    let wanted = composite::export(&original, &shown(&h).outcome.translated, look(&h).blend()).unwrap();
    assert_eq!(half, wanted);

    press(&mut h, Role::RadioButton, "Cycle");
    press(&mut h, Role::CheckBox, "Which patches look real or fake");
    translated(&mut h);
    let sheet = export(&mut h, "Picture", "sheet.png");
    let back = export(&mut h, "Way back", "back.png");
    let identity = export(&mut h, "Identity", "identity.png");
    let maps = [("Error map", Chart::Error), ("Patch scores", Chart::Verdict)].map(|(what, chart)| {
        let written = export(&mut h, what, &format!("{what}.png"));
        (chart, written)
    });
    let outcome = shown(&h).outcome.clone();
    let cycle = outcome.cycle.as_ref().unwrap();
    assert_eq!((back.samples(), identity.samples()), (cycle.back.samples(), cycle.same.samples()));
    for (chart, written) in maps {
        let map = chart.of(&outcome).unwrap();
        let under = chart.part().of(&outcome).unwrap();
        let wanted = export_scalar(under, &ScalarMap { size: map.size, values: &map.values }, &chart.tint()).unwrap();
        assert_eq!(written.samples(), wanted.samples(), "{chart:?}");
    }
    // Four pictures of 160 x 120, each whole, two in a row.
    assert_eq!(sheet.size(), [2 * 160 + 3 * 16, 2 * (120 + 44 + 16) + 16]);
    let line = |picture: &Picture, y: u32, from: u32| {
        let mut row = Vec::new();
        picture.srgb_row(y, &mut row);
        row[from as usize..from as usize + 160].to_vec()
    };
    for y in [0, 60, 119] {
        assert_eq!(line(&sheet, 16 + y, 16), line(&original, y, 0));
        assert_eq!(line(&sheet, 16 + (120 + 44 + 16) + y, 16), line(&cycle.back, y, 0));
    }
}

#[test]
fn checkpoints_go_to_the_task_they_are_for_and_wrong_ones_nowhere() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0]);
    let before = look(&h).clone();
    let wrong = home.path("wrong.pth");
    std::fs::write(&wrong, "no weights").unwrap();
    drop_on(&mut h, &[wrong]);
    until(&mut h, "a refusal", |a| a.notices.texts().any(|t| t.contains("wrong.pth")));
    let alone =
        home.checkpoint("alone.safetensors", [judge("x").into_iter().map(|(k, t)| (k[2..].to_owned(), t)).collect()]);
    drop_on(&mut h, &[alone]);
    until(&mut h, "another", |a| a.notices.texts().any(|t| t.contains("patch-gan")));
    h.get_by_label("alone.safetensors");
    assert_eq!((look(&h), h.state().session.task), (&before, Task::Translate));
    // The way back of a joined pair is read when it is joined.
    open(&mut h, &home.checkpoint("there.safetensors", [generator("")]));
    translated(&mut h);
    let there = look(&h).networks();
    h.state_mut().join_way_back(there, home.path("a.png"));
    until(&mut h, "a refusal of the way back", |a| a.notices.texts().any(|t| t.contains("a.png")));
    shot(&mut h, "translate-refused");
    press(&mut h, Role::Button, "Translate this picture");
    until(&mut h, "the same again", idle);
    h.get_by_label("Take the way back off again").click();
    translated(&mut h);

    let config = lucida::models::unet::Config::new(4, true, 3);
    let unet = random::tensors(|vb| lucida::models::Unet::new(config, vb)).unwrap();
    drop_on(&mut h, &[home.checkpoint("unet.safetensors", [unet])]);
    until(&mut h, "the segmentation task", |a| a.session.task == Task::Segment);
    assert!(h.state().session.segment.model.ends_with("unet.safetensors"));
    assert!(look(&h).model.ends_with("there.safetensors"));
}

#[test]
fn a_cancelled_translation_waits_to_be_asked_for_again() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0]);
    drop_on(&mut h, &[home.photo("large.png", 1800, 1400)]);
    until(&mut h, "a translation under way", |a| {
        a.studio
            .nets
            .running()
            .is_some_and(|r| r.done > 0.05 && matches!(&*r.job, lucida::app::workers::NetJob::Translate { .. }))
    });
    h.key_press_modifiers(Modifiers::COMMAND, Key::Period);
    until(&mut h, "nothing to run", idle);
    assert_eq!(count(&h), 0);
    // In panes nothing goes on waiting for what was given up, and half a sheet is not exported.
    press(&mut h, Role::RadioButton, "Cycle");
    until(&mut h, "a cycle under way", |a| a.studio.nets.running().is_some_and(|r| r.done > 0.01));
    let shows = |h: &Window| -> Vec<Shows> {
        let panes = h.state().panes(h.state().studio.current().unwrap(), false);
        panes.into_iter().map(|pane| pane.shows).collect()
    };
    assert_eq!(shows(&h), [Shows::Original, Shows::Waiting, Shows::Waiting, Shows::Waiting]);
    h.key_press_modifiers(Modifiers::COMMAND, Key::Period);
    until(&mut h, "nothing to run", idle);
    let missing = Shows::Missing("This picture is not translated.".into());
    assert_eq!(shows(&h), [Shows::Original, missing.clone(), missing.clone(), missing]);
    assert!(!h.state().seen().unwrap().has_result());
    shot(&mut h, "translate-cancelled");
    // Smaller, it is soon done; other settings ask for it by themselves.
    h.state_mut().session.translate.longer_side = Some(64);
    h.run_steps(3);
    translated(&mut h);
    assert!(h.state().seen().unwrap().has_result());
    h.state_mut().session.translate.view = TranslateView::Result;
    h.state_mut().session.translate.longer_side = None;
    h.run_steps(3);
    until(&mut h, "a translation under way", |a| a.studio.nets.running().is_some_and(|r| r.done > 0.02));
    h.key_press_modifiers(Modifiers::COMMAND, Key::Period);
    h.run_steps(2);
    // At once: what was stopped may still be at it.
    press(&mut h, Role::Button, "Translate this picture");
    translated(&mut h);
    assert_eq!(shown(&h).asked.params.longer_side, None);
}

#[test]
fn it_fits_a_small_window_in_both_themes_and_languages() {
    let home = Home::new();
    let mut h = begun(&home, [1024.0, 700.0]);
    press(&mut h, Role::RadioButton, "Cycle");
    for name in ["Which patches look real or fake", "Identity"] {
        press(&mut h, Role::CheckBox, name);
    }
    translated(&mut h);
    let dark = shot(&mut h, "translate-small");
    h.state_mut().ask(lucida::app::commands::Command::ThemeLight);
    h.run_steps(3);
    assert_ne!(shot(&mut h, "translate-small-light"), dark);
    h.state_mut().ask(lucida::app::commands::Command::LanguageKorean);
    h.run_steps(3);
    translated(&mut h);
    h.get_by_role_and_label(Role::RadioButton, "순환");
    shot(&mut h, "translate-korean");
}
