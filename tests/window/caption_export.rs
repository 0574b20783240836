//! What of captions becomes files: all that is seen of a sentence, and the sentences of all pictures.

use lucida::app::captioned::Step;
use lucida::app::commands::Command;
use lucida::app::product::Product;
use lucida::gpu::attention;

use crate::caption::{ATTENDS, PLAIN, begun, captioned, look, told};
use crate::*;

#[test]
fn what_is_seen_is_exported_in_all_its_forms() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    let original = imaging::open(&home.path("dog.jpg")).unwrap();
    let export = |h: &mut Window, what: &str, file: &str| {
        let path = export(h, &home, what, file, &format!("caption-export-{what}"));
        assert!(!h.state().notices.texts().any(|t| t.contains("cannot")), "{:?}", h.state().notices.texts().last());
        path
    };
    h.key_press(Key::Home);
    h.key_press(Key::ArrowRight);
    h.run_steps(2);
    let (told, drawing) = (told(&h), look(&h).drawing());
    let (sentence, grid) = (told.sentence().unwrap(), told.outcome.grid);
    let seen = imaging::open(&export(&mut h, "Picture", "seen.png")).unwrap();
    let map = told.values(Step::Word(1)).unwrap();
    let range = attention::range(&map, sentence, grid, drawing.scale);
    assert_eq!(seen.samples(), attention::map(&original, grid, &map, &drawing, range).unwrap().samples());
    assert_ne!(seen.samples(), original.samples());

    let sheet = imaging::open(&export(&mut h, "Contact sheet", "sheet.png")).unwrap();
    let wanted = attention::contact_sheet(&original, sentence, grid, &drawing).unwrap();
    assert_eq!(sheet.samples(), wanted.samples());

    for (what, file) in [("Animation (GIF)", "a.gif"), ("Animation (APNG)", "a.png")] {
        let bytes = std::fs::read(export(&mut h, what, file)).unwrap();
        let head: &[u8] = if file == "a.gif" { b"GIF89a" } else { b"\x89PNG" };
        assert!(bytes.starts_with(head), "{what}");
        assert!(file == "a.gif" || bytes.windows(4).any(|w| w == b"acTL"), "it moves");
    }

    export(&mut h, "Maps", "maps.png");
    let mut maps: Vec<_> = std::fs::read_dir(home.path("")).unwrap().flatten().map(|e| e.file_name()).collect();
    maps.retain(|name| name.to_string_lossy().starts_with("maps-"));
    assert_eq!(maps.len(), sentence.words.len() + 1);
    let files = Product::Maps(Arc::new(original.clone()), told.clone(), drawing).files(&home.path("maps.png"));
    assert!(files.iter().all(|file| maps.contains(&file.file_name().unwrap().to_owned())), "{files:?}");
    assert_eq!(imaging::open(&files[1]).unwrap().samples(), seen.samples());

    let json = std::fs::read_to_string(export(&mut h, "Numbers", "n.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["caption"], sentence.text());
    assert_eq!(json["words"].as_array().map(Vec::len), Some(sentence.words.len()));
    assert_eq!(json["words"][1]["attention"][13].as_array().map(Vec::len), Some(14));
    let npy = std::fs::read(export(&mut h, "Array", "n.npy")).unwrap();
    assert!(npy.starts_with(b"\x93NUMPY") && npy.len() >= sentence.words.len() * 196 * 4);
    let text = std::fs::read_to_string(export(&mut h, "Sentence", "s.txt")).unwrap();
    assert_eq!(text.trim_end(), sentence.text());
    let svg = std::fs::read_to_string(export(&mut h, "Beam tree", "beam.svg")).unwrap();
    assert_eq!(svg.matches("<rect").count(), told.outcome.tree.nodes.len() + 1);

    // The sentence as text, by a command.
    h.state_mut().ask(Command::CopySentence);
    h.run_steps(3);
    assert!(h.state().notices.texts().any(|t| t.contains("Copied")));
}

#[test]
fn every_picture_gets_its_caption() {
    let home = Home::new();
    let mut h = begun(&home, [1280.0, 800.0], "");
    drop_on(&mut h, &[home.photo("b.png", 1, 1), home.photo("c.png", 30, 400)]);
    until(&mut h, "the pictures", |a| idle(a) && a.studio.entries.len() == 3);
    captioned(&mut h);
    h.state_mut().session.caption.beam = 3;
    h.run_steps(3);
    captioned(&mut h);
    let missing = |a: &App| {
        let made = |e: &&lucida::app::entry::Entry| e.caption(&a.session.caption.asked(e.id)).is_none();
        a.studio.entries.iter().filter(made).count()
    };
    assert_eq!(missing(h.state()), 2);
    h.state_mut().ask(Command::ApplyToAll);
    h.run_steps(3);
    until(&mut h, "all captions", |a| idle(a) && missing(a) == 0);
    let folder = home.path("out");
    std::fs::create_dir(&folder).unwrap();
    lucida::app::panels::export::all(h.state_mut(), &folder);
    settled(&mut h);
    assert_eq!(imaging::pictures_in(&folder).unwrap().len(), 3);
    // Sentences are what is rescued of them.
    assert!(lucida::app::rescue::results(h.state(), &home.path("rescued")) >= 3);
    let rescued = home.path(&format!("rescued/02-b-{ATTENDS}-1.txt"));
    assert!(!std::fs::read_to_string(rescued).unwrap().trim_end().is_empty());
    // Without attention the sentence is what there is to save.
    h.state_mut().session.caption.model = PLAIN.into();
    h.run_steps(3);
    captioned(&mut h);
    lucida::app::panels::export::all(h.state_mut(), &folder);
    settled(&mut h);
    let told = h.state().told().unwrap().sentence().unwrap().text() + "\n";
    let stem = Path::new(&h.state().studio.current().unwrap().name).file_stem().unwrap().display().to_string();
    assert_eq!(std::fs::read_to_string(folder.join(format!("{stem}-{PLAIN}.txt"))).unwrap(), told);
    assert_eq!(imaging::pictures_in(&folder).unwrap().len(), 3);
}
