//! The caption task in the window: words as buttons, their maps, the beam's tree, forced words, two sentences.

use egui_kittest::kittest::NodeT;
use lucida::app::caption_look::{Asked, CaptionLook, CaptionView};
use lucida::app::captioned::{Pick, Step, Told};
use lucida::app::commands::Command;
use lucida::app::session::Task;
use lucida::gpu::attention;
use lucida::tasks::caption::Fate;

use crate::*;

pub const ATTENDS: &str = "show-attend-tell-flickr8k";
pub const PLAIN: &str = "show-tell-flickr8k";

pub fn look(h: &Window) -> &CaptionLook {
    &h.state().session.caption
}

pub fn asked(h: &Window) -> Asked {
    h.state().caption_asked().expect("there is a model")
}

pub fn told(h: &Window) -> Told {
    h.state().told().expect("there is a sentence")
}

fn count(h: &Window) -> usize {
    h.state().studio.current().unwrap().captioned.len()
}

/// Steps until all that is asked for is there, and all of its words have appeared.
pub fn captioned(h: &mut Window) {
    until(h, "the caption", |a| {
        let wanted = [a.caption_asked(), a.caption_beside()];
        idle(a) && a.studio.current().is_some_and(|e| wanted.iter().flatten().all(|w| e.caption(w).is_some()))
    });
    until(h, "all jobs to end", idle);
}

/// The task with a photo.
pub fn begun(home: &Home, size: [f32; 2], photo: &str) -> Window {
    let path = home.path("dog.jpg");
    match photo {
        "" => drop(std::fs::rename(home.photo("p.png", 240, 180), &path)),
        sample => _ = std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(sample), &path).unwrap(),
    }
    std::fs::write(home.path("session.toml"), "task = 'caption'\nstill = true\n").unwrap();
    let mut h = window(size, home.start(&[path]));
    captioned(&mut h);
    h
}

/// The names of the buttons of a sentence's words.
fn names(h: &Window, told: &Told) -> Vec<String> {
    let sentence = told.sentence().unwrap();
    let share = |log_prob: f32| lucida::app::tasks::caption::percents(log_prob.exp());
    let word = |(i, word): (usize, &lucida::tasks::caption::Word)| {
        let text = h.state().words.said(&word.text);
        format!("Word {} of {}: {text}, {}", i + 1, sentence.words.len(), share(word.log_prob))
    };
    sentence.words.iter().enumerate().map(word).collect()
}

fn next_words(h: &Window, role: Role) -> usize {
    h.query_all_by_label_contains("Next word: ").filter(|n| n.accesskit_node().role() == role).count()
}

/// The colours of the canvas' part with the picture, as it is drawn now.
fn canvas(h: &mut Window, name: &str) -> image::RgbaImage {
    let picture = shot(h, name);
    image::imageops::crop_imm(&picture, 300, 120, 560, 300).to_image()
}

#[test]
fn words_are_buttons_that_show_where_the_network_looked() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "assets/samples/red-panda.jpg");
    assert_eq!((h.state().session.task, look(&h).model.as_str(), count(&h)), (Task::Caption, ATTENDS, 1));
    let told = told(&h);
    let words = told.sentence().unwrap().words.len();
    assert!(told.attends() && words > 2, "{:?}", told.sentence().unwrap().text());
    let names = names(&h, &told);
    for name in &names {
        let r = h.get_by_role_and_label(Role::Button, name);
        let gaze = r.accesskit_node().description().unwrap_or_default();
        assert!(gaze.starts_with("looks "), "{name}: {gaze:?}");
    }
    h.get_by_label_contains("End of the sentence, ");
    // It begins with the word for which the network looked at the least of the picture.
    let first = told.sharpest();
    assert!(matches!(first, Step::Word(at) if at < words));
    assert_eq!(h.state().reading.seen(), first);
    let shown = canvas(&mut h, "caption-picture");
    // The legend ends where the colours do.
    let (of, grid) = (told.map(first).unwrap(), told.outcome.grid);
    for scale in [attention::Scale::Common, attention::Scale::Each] {
        h.state_mut().session.caption.common_scale = scale == attention::Scale::Common;
        h.run_steps(2);
        let range = attention::range(&told.values(first).unwrap(), told.sentence().unwrap(), grid, scale);
        let asked = asked(&h);
        let maps = h.state_mut().studio.attention_maps(&asked).expect("they are drawn");
        assert_eq!(told.range(&maps, of, scale), Some(range));
        let high = lucida::app::tasks::caption::percents(range.1);
        assert!(h.query_all_by_role_and_label(Role::Label, &high).count() > 0, "{high}");
    }

    // Under the pointer a word shows its map at once, and lets go of it after; a click pins it.
    let other = if first == Step::Word(1) { 2 } else { 1 };
    let place = h.get_by_role_and_label(Role::Button, &names[other]).rect().center();
    h.hover_at(place);
    h.run_steps(2);
    assert_eq!((h.state().reading.seen(), h.state().reading.step), (Step::Word(other), first));
    let hovered = canvas(&mut h, "caption-hovered");
    assert_ne!(hovered, shown, "another word has another map");
    h.hover_at(egui::pos2(500.0, 60.0));
    h.run_steps(2);
    assert_eq!(h.state().reading.seen(), first);
    press(&mut h, Role::Button, &names[other]);
    h.hover_at(egui::pos2(500.0, 60.0));
    h.run_steps(2);
    assert_eq!(h.state().reading.seen(), Step::Word(other));
    assert_eq!(canvas(&mut h, "caption-pinned"), hovered);
    press(&mut h, Role::Button, &names[other]);
    assert_eq!(h.state().reading.step, Step::Nothing, "the same again lets go of it");

    // Keys step, to the end and no further.
    for (key, step) in [
        (Key::Home, 0),
        (Key::ArrowRight, 1),
        (Key::ArrowRight, 2),
        (Key::ArrowLeft, 1),
        (Key::End, words),
        (Key::ArrowRight, words),
        (Key::Home, 0),
        (Key::ArrowLeft, 0),
    ] {
        h.key_press(key);
        h.run_steps(2);
        assert_eq!(h.state().reading.step, Step::Word(step), "{key:?}");
    }
    // With the keyboard on a word they go from button to button.
    h.get_by_role_and_label(Role::Button, &names[0]).focus();
    h.run_steps(3);
    h.key_press(Key::ArrowRight);
    h.run_steps(3);
    assert_eq!(h.state().reading.step, Step::Word(1));
    assert!(h.get_by_role_and_label(Role::Button, &names[1]).accesskit_node().is_focused());

    // Of another control they are its own.
    let beam = look(&h).beam;
    h.get_by_role_and_label(Role::Slider, "Words per second").focus();
    h.run_steps(3);
    h.key_press(Key::ArrowRight);
    h.run_steps(3);
    assert_eq!((h.state().reading.step, look(&h).speed, look(&h).beam), (Step::Word(1), 2.5, beam));
    // The same in numbers.
    h.get_by_role_and_label(Role::SpinButton, "Words per second").focus();
    h.run_steps(3);
    h.get_by_role_and_label(Role::SpinButton, "Words per second").type_text("4");
    h.key_press(Key::Enter);
    h.run_steps(3);
    assert_eq!((h.state().reading.step, look(&h).speed), (Step::Word(1), 4.0));

    // The sum of all maps, in which 1 is once.
    press(&mut h, Role::Button, "Sum");
    assert_eq!(h.state().reading.step, Step::Sum);
    h.get_by_label("Did it look everywhere?");
    let sum = told.sentence().unwrap().attention_sum().unwrap();
    let steps = told.steps() as f32;
    assert!((sum.iter().sum::<f32>() - steps).abs() < 1e-3 * steps);
    canvas(&mut h, "caption-sum");

    // Nothing of this computes, and nothing of it is undone.
    assert!(h.state().studio.nets.is_idle() && count(&h) == 1);
}

#[test]
fn the_words_play_in_a_loop() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    let steps = told(&h).steps();
    h.key_press(Key::Home);
    h.run_steps(2);
    press(&mut h, Role::Button, "Play the words");
    assert!(h.state().reading.plays());
    let mut seen = std::collections::BTreeSet::new();
    // A step of the window is a quarter of a second, and a word half of one.
    for _ in 0..steps * 2 + 6 {
        h.step();
        if let Step::Word(at) = h.state().reading.seen() {
            seen.insert(at);
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), (0..steps).collect::<Vec<_>>());
    shot(&mut h, "caption-playing");
    h.key_press(Key::P);
    h.run_steps(2);
    assert!(!h.state().reading.plays());
    let at = h.state().reading.step;
    h.run_steps(8);
    assert_eq!(h.state().reading.step, at);
    press(&mut h, Role::Button, "Play the words");
    h.key_press(Key::ArrowRight);
    h.run_steps(3);
    assert!(!h.state().reading.plays(), "who steps by hand wants no playing");
}

#[test]
fn every_sentence_of_the_beam_has_its_own_maps() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 900.0], "");
    let c = h.state().caption_now().unwrap();
    let (beam, greedy) = (c.outcome.clone(), c.greedy.clone().expect("a beam of 5 is not greedy"));
    assert_eq!((beam.beam, greedy.beam, beam.sentences.len() > 1), (5, 1, true));
    for (i, s) in beam.sentences.iter().enumerate() {
        let name = format!("Sentence {}: {}", i + 1, h.state().words.sentence(s));
        press(&mut h, Role::RadioButton, &name);
        assert_eq!(h.state().reading.pick, Pick { greedy: false, sentence: i });
        assert_eq!(told(&h).sentence(), Some(s));
        let at = if let Step::Word(at) = h.state().reading.step { at } else { panic!("a word is shown") };
        let map = told(&h).values(Step::Word(at)).unwrap();
        assert_eq!(Some(&map), s.words[at].attention.as_ref());
    }
    let name = format!("Greedy sentence: {}", h.state().words.sentence(&greedy.sentences[0]));
    press(&mut h, Role::RadioButton, &name);
    assert_eq!(told(&h).sentence(), Some(&greedy.sentences[0]));
    assert!(h.state().studio.nets.is_idle(), "nothing of this computes");
    shot(&mut h, "caption-greedy");

    // A beam of one is the greedy search, and is asked for when the slider is let go.
    h.state_mut().session.caption.beam = 1;
    h.run_steps(3);
    captioned(&mut h);
    let c = h.state().caption_now().unwrap();
    assert!(c.greedy.is_none() && count(&h) == 2);
    assert_eq!(c.outcome.sentences, greedy.sentences);
    // The strip has both; the first comes back without being computed.
    let text = format!("{}, Show, Attend and Tell · beam 5", h.state().words.sentence(&beam.sentences[0]));
    press(&mut h, Role::ListBoxOption, &text);
    assert_eq!(look(&h).beam, 5);
    assert!(Arc::ptr_eq(&h.state().caption_now().unwrap().outcome, &beam));
    // So does undoing.
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    assert_eq!(look(&h).beam, 1);
    assert!(h.state().studio.nets.is_idle());
}

#[test]
fn a_word_is_forced_and_let_go_of_again() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 900.0], "");
    let free = told(&h);
    h.key_press(Key::Home);
    h.key_press(Key::ArrowRight);
    h.run_steps(3);
    let before = free.before(1).unwrap();
    let next = &free.outcome.tree.nodes[before].next;
    assert_eq!(next.len(), 5);
    let said = free.sentence().unwrap().words[1].text.clone();
    let words = &free.outcome.words;
    let choice = |(word, log_prob): &(u32, f32)| (words.word(*word).unwrap().to_owned(), log_prob.exp());
    let (word, p) = next.iter().map(choice).find(|(word, _)| *word != said && !word.starts_with('<')).unwrap();
    let share = lucida::app::tasks::caption::percents(p);
    press(&mut h, Role::Button, &format!("Next word: {word}, {share}"));
    captioned(&mut h);
    let first = free.sentence().unwrap().words[0].text.clone();
    assert_eq!(asked(&h).params.prefix, [first.clone(), word.clone()]);
    let forced = told(&h);
    assert_eq!(forced.sentence().unwrap().words[1].text, word);
    assert!(forced.outcome.tree.nodes[forced.word(1).unwrap().node].forced);
    assert_eq!(h.state().reading.step, Step::Word(1), "the forced word is shown");
    h.get_by_role_and_label(Role::Button, &format!("Forced word: {word}"));
    shot(&mut h, "caption-forced");

    // Another picture's sentence is free.
    drop_on(&mut h, &[home.photo("b.png", 64, 64)]);
    until(&mut h, "the picture", |a| idle(a) && a.studio.current().is_some_and(|e| e.name == "b.png"));
    captioned(&mut h);
    assert!(asked(&h).params.prefix.is_empty() && !h.state().is_forced());
    h.key_press(Key::PageUp);
    h.run_steps(3);
    assert_eq!(asked(&h).params.prefix.len(), 2);

    // Fewer forced words, none, and back by undoing.
    press(&mut h, Role::Button, &format!("Forced word: {word}"));
    captioned(&mut h);
    assert_eq!(asked(&h).params.prefix, [first]);
    press(&mut h, Role::Button, "Clear forced words");
    assert_eq!(told(&h).sentence(), free.sentence());
    assert!(h.state().studio.nets.is_idle(), "the free sentence was there");
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    h.run_steps(3);
    captioned(&mut h);
    assert_eq!(told(&h).sentence(), forced.sentence());
}

#[test]
fn the_beam_is_seen_as_a_tree() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    press(&mut h, Role::RadioButton, "Beam");
    let free = told(&h);
    let tree = &free.outcome.tree;
    let dropped = tree.nodes.iter().filter(|n| n.fate == Fate::Dropped).count();
    let finished = free.outcome.sentences.iter().filter(|s| s.end.is_some()).count();
    h.get_by_role_and_label(Role::Label, &format!("Beam 5: {finished} finished, {dropped} dropped"));
    shot(&mut h, "caption-beam");

    // A click on a hypothesis that lived chooses the best sentence through it.
    let last = free.outcome.sentences.len() - 1;
    let end = free.outcome.sentences[last].end.as_ref().expect("it ended").node;
    let catalogue = lucida::app::words::Words::new(lucida::app::words::Language::En);
    let name = |node: usize, fate: &str| {
        let words: Vec<_> = free.words_to(node).iter().map(|word| catalogue.said(word)).collect();
        let words = words.join(" ");
        let share = lucida::app::tasks::caption::percents(tree.nodes[node].log_prob.exp());
        let depth = |n: usize| tree.branch(n, 0.0).nodes.len();
        let better = |n: &usize| depth(*n) == depth(node) && tree.nodes[*n].score > tree.nodes[node].score;
        let rank = 1 + (0..tree.nodes.len()).filter(better).count();
        format!("{words}, {share}, rank {rank}, {fate}")
    };
    h.get_by_role_and_label(Role::Button, &name(end, "a finished sentence")).click_accesskit();
    h.run_steps(3);
    assert_eq!(h.state().reading.pick, Pick { greedy: false, sentence: last });
    shot(&mut h, "caption-beam-other");

    // The wheel comes closer, and dragging moves.
    let canvas = h.get_by_role_and_label(Role::Canvas, "Canvas with dog.jpg").rect();
    let before = shot(&mut h, "caption-beam-before");
    h.hover_at(canvas.center_top() + egui::vec2(0.0, 40.0));
    h.key_press(Key::Plus);
    h.key_press(Key::Plus);
    h.run_steps(3);
    assert_ne!(shot(&mut h, "caption-beam-near"), before);
    // What the keyboard comes to is brought into view.
    let start = free.outcome.sentences[last].words[0].node;
    for name in [name(start, "went on"), name(end, "a finished sentence")] {
        h.get_by_role_and_label(Role::Button, &name).focus();
        h.run_steps(4);
        let chip = h.get_by_role_and_label(Role::Button, &name);
        assert!(chip.accesskit_node().is_focused() && canvas.contains_rect(chip.rect()), "{name}: {:?}", chip.rect());
    }
    h.key_press(Key::F);
    h.run_steps(3);

    // What was dropped is forced, and lives.
    let node = tree
        .nodes
        .iter()
        .position(|n| n.fate == Fate::Dropped && !free.outcome.words.word(n.word).unwrap().starts_with('<'));
    let node = node.expect("a beam of 5 drops something");
    h.get_by_role_and_label(Role::Button, &name(node, "dropped: others were likelier")).click_accesskit();
    h.run_steps(3);
    captioned(&mut h);
    assert_eq!(asked(&h).params.prefix, free.words_to(node));
    assert!(told(&h).sentence().unwrap().text().starts_with(&free.words_to(node).join(" ")));
    shot(&mut h, "caption-beam-forced");
}

#[test]
fn all_words_are_on_one_sheet_and_two_sentences_beside_each_other() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "assets/samples/red-panda.jpg");
    press(&mut h, Role::RadioButton, "Words");
    let names = names(&h, &told(&h));
    shot(&mut h, "caption-words");
    for name in &names {
        h.get_by_role_and_label(Role::Button, &format!("Map of {name}"));
    }
    press(&mut h, Role::Button, &format!("Map of {}", names[1]));
    assert_eq!((look(&h).view, h.state().reading.step), (CaptionView::Picture, Step::Word(1)));

    // Without attention beside with it: the other model is run when it is to be seen.
    assert_eq!(count(&h), 1);
    press(&mut h, Role::RadioButton, "Beside");
    captioned(&mut h);
    assert_eq!(count(&h), 2);
    let other = h.state().caption_beside().unwrap();
    assert_eq!(other.model, PLAIN);
    let c = h.state().studio.current().unwrap().caption(&other).unwrap().told(Pick::default());
    assert!(!c.attends() && c.sharpest() == Step::Nothing && c.values(Step::Word(0)).is_none());
    shot(&mut h, "caption-beside");
    // Or greedy beside beam, which is there already.
    h.state_mut().session.caption.against = lucida::app::caption_look::Against::Greedy;
    h.run_steps(3);
    assert!(h.state().studio.nets.is_idle());
    shot(&mut h, "caption-beside-greedy");
    // An older sentence that stands for one to come is under its own model's name.
    let [name, other_name] = [PLAIN, "/nowhere/other.pt"].map(|model| h.state().model_name(model));
    h.state_mut().session.caption.model = "/nowhere/other.pt".to_owned();
    h.run_steps(2);
    let titled = |h: &Window, name: &str| h.query_all_by_label_contains(&format!("{name}   ")).count();
    assert_eq!((titled(&h, &name), titled(&h, &other_name)), (1, 0));
    until(&mut h, "its failure", idle);
    // Its words are no choice for another model.
    assert_eq!(next_words(&h, Role::Button), 0);
    assert!(next_words(&h, Role::Label) > 1);
    h.state_mut().session.caption.model = ATTENDS.to_owned();
    h.run_steps(2);
    assert!(next_words(&h, Role::Button) > 1);

    // Alone, it has no maps, and says so; it has words all the same.
    h.state_mut().session.caption.model = PLAIN.to_owned();
    h.state_mut().session.caption.view = CaptionView::Words;
    h.run_steps(3);
    captioned(&mut h);
    h.get_by_label("This model has no attention: it looks at the whole picture once, before the first word.");
    assert!(h.get_by_role_and_label(Role::Button, "Sum").accesskit_node().is_disabled());
    h.get_by_label_contains("Word 1 of ");
    shot(&mut h, "caption-without-attention");
}

#[test]
fn it_fits_a_small_window_in_both_themes_and_languages() {
    let home = Home::new();
    let mut h = begun(&home, [1024.0, 700.0], "assets/samples/red-panda.jpg");
    let views = [
        (CaptionView::Picture, "picture"),
        (CaptionView::Words, "words"),
        (CaptionView::Beam, "beam"),
        (CaptionView::Beside, "beside"),
    ];
    let mut seen = Vec::new();
    for (command, name) in
        [(Command::ThemeDark, "dark"), (Command::ThemeLight, "light"), (Command::LanguageKorean, "korean")]
    {
        h.state_mut().ask(command);
        for (view, which) in views {
            h.state_mut().session.caption.view = view;
            h.run_steps(3);
            captioned(&mut h);
            seen.push(shot(&mut h, &format!("caption-small-{name}-{which}")));
        }
    }
    assert!((1..seen.len()).all(|i| seen[..i].iter().all(|other| *other != seen[i])));
    h.get_by_role_and_label(Role::Button, "합");
    h.state_mut().session.caption.view = CaptionView::Picture;
    h.run_steps(3);
    let count = told(&h).sentence().unwrap().words.len();
    h.get_by_label_contains(&format!("단어 {count}개 중 1번"));
}
