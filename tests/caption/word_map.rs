//! Lists of words, good and bad.

use std::path::Path;

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
