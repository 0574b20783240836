//! The words of a captioning network and their numbers: the `WORDMAP_*.json` that "a PyTorch Tutorial to Image Captioning"
//! writes beside its data, `{"a": 1, "dog": 2, ..., "<unk>": 57, "<start>": 58, "<end>": 59, "<pad>": 0}`, or what
//! Lucida's own weights carry with them: the words in the order of their numbers, one a line, as `words` in the
//! `__metadata__` of safetensors.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::checkpoint::opened;
use super::pickle::Reason;
use super::{ZooError, clipped};

/// Larger files are no lists of words.
const MAX_BYTES: u64 = 64 << 20;

/// Longer words, in bytes, are none.
const LONGEST: usize = 200;

/// The mark that a sentence begins with.
const START: &str = "<start>";
/// The mark that ends it.
const END: &str = "<end>";

/// Under which name safetensors carry them.
const METADATA: &str = "words";

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
        let (file, _) = opened(path)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unread)?;
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
            .map_err(|e| format!("it is no JSON object of words and their numbers: {}", clipped(&e.to_string())))?;
        WordMap::numbered(ids)
    }

    fn numbered(ids: HashMap<String, u32>) -> Reason<WordMap> {
        let mut words = vec![None; ids.len()];
        for (word, id) in &ids {
            if word.len() > LONGEST {
                let (word, bytes) = (shortened(word), word.len());
                return Err(format!("its word {word} has {bytes} bytes, which is more than {LONGEST}"));
            }
            if word.contains(char::is_control) {
                return Err(format!("there are control characters in its word {}", shortened(word)));
            }
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

    /// The words that weights in the format safetensors carry with them; `None` where they carry none.
    ///
    /// # Errors
    /// [`ZooError::Damaged`] for words that cannot be used, of the file or model `name`.
    pub fn within(weights: impl Read, name: &str) -> Result<Option<WordMap>, ZooError> {
        #[derive(Deserialize)]
        struct Header {
            __metadata__: HashMap<String, String>,
        }
        let Some(json) = header(weights) else { return Ok(None) };
        let Ok(Header { __metadata__: metadata }) = serde_json::from_slice(&json) else { return Ok(None) };
        let Some(words) = metadata.get(METADATA) else { return Ok(None) };
        let damaged = |reason| ZooError::Damaged { name: name.to_owned(), reason };
        let mut ids = HashMap::new();
        for (id, word) in (0..).zip(words.lines()) {
            if ids.insert(word.to_owned(), id).is_some() {
                return Err(damaged(format!("it lists the word {} twice", shortened(word))));
            }
        }
        WordMap::numbered(ids).map(Some).map_err(damaged)
    }

    /// The words of the checkpoint at `path`: those that it carries with it, or else those of the file that
    /// [`WordMap::beside`] finds; `None` where there is neither.
    ///
    /// # Errors
    /// [`ZooError::Read`], and those of [`WordMap::within`] and [`WordMap::open`].
    pub fn of(path: &Path) -> Result<Option<WordMap>, ZooError> {
        if let Some(words) = WordMap::within(opened(path)?.0, &path.display().to_string())? {
            return Ok(Some(words));
        }
        WordMap::beside(path).map(|file| WordMap::open(&file)).transpose()
    }

    /// What safetensors have to carry with them for [`WordMap::within`] to find these words.
    pub fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([(METADATA.to_owned(), self.words.join("\n"))])
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

/// How a message shows a word, which may be anything.
fn shortened(word: &str) -> String {
    let (short, more) = word.char_indices().nth(24).map_or((word, ""), |(at, _)| (&word[..at], "..."));
    format!("{short:?}{more}")
}

/// The list of tensors that safetensors begin with, JSON; `None` of what is something else.
fn header(mut weights: impl Read) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    weights.read_exact(&mut length).ok()?;
    let length = Some(u64::from_le_bytes(length)).filter(|length| *length <= MAX_BYTES)?;
    let mut json = Vec::new();
    weights.take(length).read_to_end(&mut json).ok()?;
    json.starts_with(b"{").then_some(json)
}
