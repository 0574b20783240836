//! The words of a captioning network and their numbers: the `WORDMAP_*.json` that "a PyTorch Tutorial to Image Captioning"
//! writes beside its data, `{"a": 1, "dog": 2, ..., "<unk>": 57, "<start>": 58, "<end>": 59, "<pad>": 0}`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::ZooError;
use super::pickle::Reason;

/// Larger files are no lists of words.
const MAX_BYTES: u64 = 64 << 20;

/// The mark that a sentence begins with.
const START: &str = "<start>";
/// The mark that ends it.
const END: &str = "<end>";

/// Words and their numbers, which go from 0 without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordMap {
    words: Vec<String>,
    ids: HashMap<String, u32>,
    start: u32,
    end: u32,
}

impl WordMap {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ZooError::Read`] for a file that cannot be read, [`ZooError::WordMap`] for one that is no word map.
    pub fn open(path: &Path) -> Result<WordMap, ZooError> {
        let unread = |source| ZooError::Read { path: path.to_owned(), source };
        let unusable = |reason| ZooError::WordMap { path: path.to_owned(), reason };
        let mut bytes = Vec::new();
        File::open(path).map_err(unread)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(unusable("it is far too large to be a list of words".into()));
        }
        WordMap::from_json(&bytes).map_err(unusable)
    }

    /// Reads a word map: one JSON object of words and their numbers.
    ///
    /// # Errors
    /// Why it is none, to follow "... cannot be used as a list of words: ".
    fn from_json(json: &[u8]) -> Reason<WordMap> {
        let ids: HashMap<String, u32> = serde_json::from_slice(json)
            .map_err(|e| format!("it is no JSON object of words and their numbers: {e}"))?;
        let mut words = vec![None; ids.len()];
        for (word, id) in &ids {
            match words.get_mut(*id as usize) {
                Some(place @ None) => *place = Some(word.clone()),
                Some(Some(other)) => return Err(format!("its words {other:?} and {word:?} have the same number")),
                None => return Err(format!("of its {} words {word:?} has the number {id}", ids.len())),
            }
        }
        let mark = |mark: &str| ids.get(mark).copied().ok_or_else(|| format!("it has no word {mark:?}"));
        let (start, end) = (mark(START)?, mark(END)?);
        Ok(WordMap { words: words.into_iter().flatten().collect(), ids, start, end })
    }

    /// The word map that lies beside `checkpoint`, as the tutorial names it: the one called after the checkpoint, or the
    /// only one in its folder.
    pub fn beside(checkpoint: &Path) -> Option<PathBuf> {
        let name = checkpoint.file_name()?.to_string_lossy();
        let mut found = Vec::new();
        let folder = checkpoint.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for entry in folder.read_dir().ok()?.flatten() {
            let entry_name = entry.file_name().to_string_lossy().into_owned();
            if let Some((before, _)) = entry_name.split_once("WORDMAP").filter(|(_, after)| after.ends_with(".json")) {
                if !before.is_empty() && name.starts_with(before) {
                    return Some(entry.path());
                }
                found.push(entry.path());
            }
        }
        if found.len() == 1 { found.pop() } else { None }
    }

    /// How many words there are, marks among them.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Never: the marks for beginning and end are there.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The word of a number.
    pub fn word(&self, id: u32) -> Option<&str> {
        self.words.get(id as usize).map(String::as_str)
    }

    /// The number of a word.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// The number of the mark that sentences begin with, `<start>`.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The number of the mark that ends them, `<end>`.
    pub fn end(&self) -> u32 {
        self.end
    }
}
