//! Lists of words, good and bad.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use lucida::zoo::{WordMap, ZooError};

fn read(json: &str) -> Result<WordMap, ZooError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("WORDMAP.json");
    std::fs::write(&path, json).unwrap();
    WordMap::open(&path)
}

#[test]
fn words_have_numbers() {
    let words = read(r#"{"dog": 1, "<unk>": 2, "<start>": 3, "<end>": 4, "<pad>": 0}"#).unwrap();
    assert_eq!((words.len(), words.start(), words.end()), (5, 3, 4));
    assert!(!words.is_empty());
    for (id, word) in ["<pad>", "dog", "<unk>", "<start>", "<end>"].into_iter().enumerate() {
        assert_eq!((words.word(id as u32), words.id(word)), (Some(word), Some(id as u32)));
    }
    assert_eq!((words.word(5), words.id("cat")), (None, None));
}

#[test]
fn long_words_of_any_script_are_words() {
    let word = "개".repeat(66);
    assert_eq!(read(&format!(r#"{{"{word}": 0, "<start>": 1, "<end>": 2}}"#)).unwrap().id(&word), Some(0));
}

#[test]
fn what_is_no_list_of_words_is_refused() {
    for (json, why) in [
        ("", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        (r#"{"a": "b"}"#, "no JSON object"),
        (r#"{"a": -1, "<start>": 1, "<end>": 2}"#, "no JSON object"),
        (r#"{"a": 4294967295, "<start>": 1, "<end>": 0}"#, "4294967295"),
        (r#"{"a": 1, "<start>": 1, "<end>": 0}"#, "same number"),
        (r#"{"a": 0, "<start>": 1}"#, "<end>"),
        (r#"{"a": 0, "<end>": 1}"#, "<start>"),
        ("{}", "<start>"),
        (r#"{"a\u001b[2J": 0, "<start>": 1, "<end>": 2}"#, r#"control characters in its word "a\u{1b}[2J""#),
        (r#"{"do\ng": 0, "<start>": 1, "<end>": 2}"#, r#"control characters in its word "do\ng""#),
        (
            &format!(r#"{{"{}": 0, "<start>": 1, "<end>": 2}}"#, "a".repeat(201)),
            r#"its word "aaaaaaaaaaaaaaaaaaaaaaaa"... has 201"#,
        ),
    ] {
        let error = read(json).unwrap_err();
        assert!(matches!(error, ZooError::WordMap { .. }) && error.to_string().contains(why), "{json}: {error}");
    }
    assert!(matches!(WordMap::open(Path::new("/no/such/file")), Err(ZooError::Read { .. })));
}

#[test]
fn the_list_beside_a_checkpoint_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, write) = (dir.path().join("BEST_coco.pth.tar"), |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, "{}").unwrap();
        path
    });
    assert_eq!(WordMap::beside(&checkpoint), None);
    write("other.json");
    write("WORDMAP.txt");
    assert_eq!(WordMap::beside(&checkpoint), None);
    let only = write("WORDMAP_coco_5_cap_per_img_5_min_word_freq.json");
    assert_eq!(WordMap::beside(&checkpoint), Some(only));
    write("WORDMAP_flickr8k_5_cap_per_img_5_min_word_freq.json");
    assert_eq!(WordMap::beside(&checkpoint), None, "which of the two?");
    let own = write("BEST_coco.WORDMAP.json");
    assert_eq!(WordMap::beside(&checkpoint), Some(own));
}

#[test]
fn weights_carry_their_words_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let write = |words: Option<&str>| {
        let tensors = [("x", Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap())];
        let metadata = words.map(|words| HashMap::from([("words".to_owned(), words.to_owned())]));
        safetensors::serialize_to_file(tensors, metadata, &path).unwrap();
    };
    write(Some("<pad>\n<start>\n<end>\nein\nhund"));
    let words = WordMap::of(&path).unwrap().unwrap();
    assert_eq!((words.len(), words.start(), words.end(), words.id("hund")), (5, 1, 2, Some(4)));
    write(words.metadata().get("words").map(String::as_str));
    assert_eq!(WordMap::of(&path).unwrap().unwrap(), words);

    for (bad, why) in [("<start>\n<end>\na\na", "\"a\" twice"), ("<start>\na", "<end>"), ("", "<start>")] {
        write(Some(bad));
        let error = WordMap::of(&path).unwrap_err();
        assert!(matches!(error, ZooError::Damaged { .. }) && error.to_string().contains(why), "{bad:?}: {error}");
    }
    // None of their own: those that lie beside
    write(None);
    assert_eq!(WordMap::of(&path).unwrap(), None);
    std::fs::write(dir.path().join("WORDMAP.json"), r#"{"<start>": 0, "<end>": 1}"#).unwrap();
    assert_eq!(WordMap::of(&path).unwrap().unwrap().len(), 2);
    // Nothing at all, and what only looks like a beginning
    for bytes in [&b""[..], b"1234567", &[255; 40], b"\x02\0\0\0\0\0\0\0{]"] {
        assert_eq!(WordMap::within(bytes, "x").unwrap(), None);
    }
}
