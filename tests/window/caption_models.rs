//! The caption task's models in the window: what lies beside checkpoints, sentences that grow, files that are replaced,
//! models that fail, and words that are forced on one of them.

use lucida::app::caption_look::Asked;
use lucida::app::commands::Command;
use lucida::app::session::Task;
use lucida::app::workers::NetJob;

use crate::caption::{ATTENDS, PLAIN, asked, begun, captioned, look, told};
use crate::*;

/// Decoder, encoder and words of a model with random weights, which does not come to an end soon. `wide` scales its size.
fn checkpoint(home: &Home, folder: &str, encoder: bool, words: bool, wide: usize) -> PathBuf {
    use lucida::models::{ResNet, ShowAttendTell, random, resnet, show_attend_tell};
    let folder = home.path(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let resnet = resnet::Config { blocks: [1, 1, 1, 1], ..resnet::Config::resnet50().of_width(2) };
    let looks = random::tensors(|vb| ResNet::new(resnet, vb)).unwrap();
    let vocabulary = 20 * wide;
    let config = show_attend_tell::Config {
        encoder_dim: 64,
        attention_dim: 8 * wide.min(16),
        embed_dim: 8 * wide.min(16),
        decoder_dim: 8 * wide.min(64),
        vocabulary,
    };
    let says = random::tensors(|vb| ShowAttendTell::new(config, vb)).unwrap();
    let named = |part: &'static str| move |(name, t): (String, candle_core::Tensor)| (format!("{part}.{name}"), t);
    let mut all: std::collections::HashMap<_, _> = says.into_iter().map(named("decoder")).collect();
    match encoder {
        true => all.extend(looks.into_iter().map(named("encoder"))),
        false => candle_core::safetensors::save(&looks, folder.join("resnet101.safetensors")).unwrap(),
    }
    let path = folder.join("tutorial.safetensors");
    candle_core::safetensors::save(&all, &path).unwrap();
    if words {
        let list: Vec<_> = (0..vocabulary - 2).map(|i| format!("\"w{i}\": {i}")).collect();
        let (start, end) = (vocabulary - 2, vocabulary - 1);
        let json = format!("{{{}, \"<start>\": {start}, \"<end>\": {end}}}", list.join(", "));
        std::fs::write(folder.join("WORDMAP_test.json"), json).unwrap();
    }
    path
}

#[test]
fn checkpoints_go_to_the_task_with_what_lies_beside_them() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    h.key_press(Key::Num1);
    h.run_steps(3);
    // Words and an encoder are needed; what lacks them changes nothing, and says what to do.
    let before = look(&h).model.clone();
    let wordless = checkpoint(&home, "wordless", true, false, 1);
    drop_on(&mut h, &[wordless]);
    until(&mut h, "a refusal", |a| a.notices.texts().any(|t| t.contains("WORDMAP") && t.contains("same folder")));
    let blind = checkpoint(&home, "blind", false, true, 1);
    std::fs::remove_file(home.path("blind/resnet101.safetensors")).unwrap();
    drop_on(&mut h, &[blind]);
    until(&mut h, "another", |a| a.notices.texts().any(|t| t.contains("encoder") && t.contains("same folder")));
    assert_eq!((h.state().session.task, &look(&h).model), (Task::Style, &before));

    for (folder, encoder) in [("whole", true), ("apart", false)] {
        let path = checkpoint(&home, folder, encoder, true, 1);
        drop_on(&mut h, std::slice::from_ref(&path));
        let name = path.display().to_string();
        until(&mut h, "the checkpoint", |a| a.session.caption.model == name);
        captioned(&mut h);
        assert_eq!(h.state().session.task, Task::Caption);
        assert!(told(&h).sentence().unwrap().words.iter().all(|word| word.text.starts_with('w')));
    }
    shot(&mut h, "caption-checkpoint");
    eframe::App::on_exit(h.state_mut());
    let saved = Session::load_quietly(&home.path("session.toml"));
    assert_eq!((saved.task, saved.captioners.len(), &saved.caption.model), (Task::Caption, 2, &look(&h).model));
}

#[test]
fn a_sentence_grows_is_cancelled_between_words_and_asked_for_again() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    h.state_mut().session.caption.beam = 10;
    h.run_steps(2);
    captioned(&mut h);
    let path = checkpoint(&home, "slow", true, true, 600);
    drop_on(&mut h, std::slice::from_ref(&path));
    let growing = |a: &App| {
        let asked = a.caption_asked().unwrap();
        a.studio.current().unwrap().telling(&asked).is_some_and(|words| words.len() > 2)
    };
    until(&mut h, "some words", |a| a.session.caption.model == path.display().to_string() && growing(a));
    shot(&mut h, "caption-growing");
    h.key_press_modifiers(Modifiers::COMMAND, Key::Period);
    until(&mut h, "nothing to run", idle);
    let asked = asked(&h);
    assert!(h.state().studio.current().unwrap().caption(&asked).is_none(), "it ran to its end");
    // The older sentence is still there; this one is made when it is asked for again.
    assert!(h.state().told().is_some());
    shot(&mut h, "caption-cancelled");
    press(&mut h, Role::Button, "Caption this picture");
    assert!(h.state().studio.nets.jobs().any(|j| matches!(j, NetJob::Caption { .. })));

    // Another one asked for while it runs waits, and both come.
    h.state_mut().session.caption.beam = 2;
    h.run_steps(3);
    let jobs = h.state().studio.nets.jobs().filter(|j| matches!(j, NetJob::Caption { .. })).count();
    assert_eq!(jobs, 2);
    captioned(&mut h);
    let made = &h.state().studio.current().unwrap().captioned;
    assert_eq!(made.iter().map(|c| c.outcome.beam).take(2).collect::<Vec<_>>(), [2, 10]);
}

#[test]
fn a_checkpoint_replaced_while_it_runs_speaks_with_its_new_weights() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    h.state_mut().session.caption.beam = 10;
    h.run_steps(2);
    captioned(&mut h);
    let path = checkpoint(&home, "replaced", true, true, 600);
    drop_on(&mut h, std::slice::from_ref(&path));
    let name = path.display().to_string();
    until(&mut h, "some words", |a| {
        let telling = |asked| a.studio.current().unwrap().telling(&asked).is_some();
        a.session.caption.model == name && a.caption_asked().is_some_and(telling)
    });
    // Not into the file that is being read.
    std::fs::remove_file(&path).unwrap();
    checkpoint(&home, "replaced", true, true, 1);
    let words = path.with_file_name("WORDMAP_test.json");
    let others = std::fs::read_to_string(&words).unwrap().replace("\"w", "\"v");
    std::fs::write(&words, others).unwrap();
    drop_on(&mut h, std::slice::from_ref(&path));
    settled(&mut h);
    captioned(&mut h);
    let text = told(&h).sentence().unwrap().text();
    assert!(text.starts_with('v'), "{text}");
    let of_file = h.state().studio.current().unwrap().captioned.iter().filter(|c| c.asked.model == name).count();
    assert_eq!(of_file, 1);
}

#[test]
fn a_tree_that_will_not_come_is_not_waited_for() {
    let home = Home::new();
    let text = "task = 'caption'\nstill = true\n[caption]\nmodel = '/nowhere/other.pt'\nview = 'beam'\n";
    std::fs::write(home.path("session.toml"), text).unwrap();
    let mut h = window([1280.0, 800.0], home.start(&[home.photo("a.png", 64, 48)]));
    until(&mut h, "the failure", |a| idle(a) && a.notices.texts().count() > 0);
    let canvas = h.get_by_role_and_label(Role::Canvas, "Canvas with a.png").rect();
    let none: Vec<_> = h.query_all_by_role_and_label(Role::Label, "This picture has no caption.").collect();
    assert!(none.iter().any(|label| canvas.contains_rect(label.rect())), "{}", none.len());
    assert!(h.query_all_by_role(Role::ProgressIndicator).all(|spinner| !canvas.contains_rect(spinner.rect())));
}

#[test]
fn what_is_forced_belongs_to_one_picture_and_one_model() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    drop_on(&mut h, &[home.photo("b.png", 64, 64)]);
    until(&mut h, "the picture", |a| idle(a) && a.studio.entries.len() == 2);
    captioned(&mut h);
    let [a, b] = [0, 1].map(|i| h.state().studio.entries[i].id);
    let show = |h: &mut Window, id| {
        h.state_mut().studio.selected = Some(id);
        h.run_steps(3);
    };
    let first = |h: &Window| told(h).sharpest();
    // No sentence has that many words, and no model these.
    show(&mut h, a);
    h.state_mut().force(vec!["nosuchword".to_owned(); 60]);
    h.step();
    show(&mut h, b);
    assert_eq!(h.state().reading.step, first(&h), "b was not asked to show that word");
    show(&mut h, a);
    until(&mut h, "its failure", idle);
    assert!(h.state().studio.current().unwrap().caption(&asked(&h)).is_none() && h.state().is_forced());
    // Another sentence that comes later is not the one that was to be seen so.
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    assert!(!h.state().is_forced());
    h.state_mut().session.caption.beam = 2;
    h.run_steps(3);
    captioned(&mut h);
    assert_eq!(h.state().reading.step, first(&h));

    // Going back to the look of a picture leaves forced words, unless its model is another one.
    let word = told(&h).sentence().unwrap().words[0].text.clone();
    h.state_mut().force(vec![word]);
    h.run_steps(3);
    captioned(&mut h);
    h.state_mut().session.caption.opacity = 0.1;
    h.state_mut().ask(Command::ResetLook);
    h.run_steps(3);
    assert!(look(&h).opacity > 0.1 && h.state().is_forced());
    // Elsewhere nothing of it can be done.
    let mine = [Command::PlayWords, Command::CopySentence, Command::FreeWords];
    assert!(mine.iter().all(|c| h.state().can(*c)));
    h.state_mut().session.task = Task::Segment;
    assert!(!mine.iter().any(|c| h.state().can(*c)));
    h.state_mut().session.task = Task::Caption;
    for (model, forced) in [(ATTENDS, true), (PLAIN, false)] {
        let older = Asked { model: model.to_owned(), ..look(&h).asked(b) };
        h.state_mut().session.caption.take_back(b, older);
        assert_eq!(look(&h).forced.contains_key(&a), forced, "{model}");
    }
}
