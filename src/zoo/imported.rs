//! Models that a person added: folders like those of `assets/models` (`card.toml` and `model.safetensors`), in `models` of
//! the platform's folder for data, or of the one that the environment's `LUCIDA_DATA` names.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::Tensor;
use serde::Serialize;

use super::two_way::{GENERATORS, JUDGES};
use super::{
    Card, Task, TwoWay, WordMap, ZooError, captioner, check_generator, check_judge, encoder_beside, goes_back,
    image_encoder, judge, models, read_tensors, recognise, segmenter, task_of, translator,
};

const CARD: &str = "card.toml";
const WEIGHTS: &str = "model.safetensors";

/// What the names of a captioning checkpoint's encoder begin with.
const ENCODER: &str = "encoder.";

/// What a folder's name begins with while it is being written or removed.
const UNFINISHED: &str = ".lucida-";
/// When such a folder is nobody's any more. Writing takes seconds.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A card as it is written: what is known of a file, and no more.
#[derive(Serialize)]
struct NewCard<'a> {
    id: &'a str,
    name: &'a str,
    task: Task,
    architecture: &'a str,
    parameters: u64,
    licence: &'a str,
    source: String,
}

/// The cards of the models that were added, by id. Read anew each time; what cannot be read is left out.
pub fn imported() -> Vec<Card> {
    let Ok(folder) = folder() else { return Vec::new() };
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut ids: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    ids.sort();
    ids.into_iter().filter(|id| is_id(id) && !is_reserved(id)).filter_map(|id| read(&folder.join(&id), &id)).collect()
}

/// The card of one model that was added, and the file of its weights.
pub fn imported_model(id: &str) -> Option<(Card, PathBuf)> {
    let card = imported().into_iter().find(|card| card.id == id)?;
    Some((card, folder().ok()?.join(id).join(WEIGHTS)))
}

/// The card of one model that was added, as it is written (TOML).
pub fn imported_card_text(id: &str) -> Option<String> {
    let (_, weights) = imported_model(id)?;
    fs::read_to_string(weights.with_file_name(CARD)).ok()
}

fn read(folder: &Path, id: &str) -> Option<Card> {
    let left_out = |why: &dyn std::fmt::Display| log::warn!("{} is left out: {why}", folder.display());
    let text = fs::read_to_string(folder.join(CARD)).inspect_err(|e| left_out(e)).ok()?;
    let card = Card::parse(&text).inspect_err(|e| left_out(e)).ok()?;
    let bytes = fs::metadata(folder.join(WEIGHTS)).inspect_err(|e| left_out(e)).ok()?.len();
    if card.id != id {
        left_out(&format_args!("its card is of {:?}", card.id));
        return None;
    }
    Some(Card { bytes, ..card })
}

/// What is to be added.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The checkpoint.
    pub path: &'a Path,
    /// Of a generator, the checkpoint of the way back.
    pub back: Option<&'a Path>,
    /// Of a captioning decoder, the list of its words; else it is looked for as by [`WordMap::of`].
    pub words: Option<&'a Path>,
    /// Of a captioning decoder, the weights of its encoder; else they have to be in the checkpoint.
    pub encoder: Option<&'a Path>,
    /// What it is to be called by; else its file's name decides.
    pub id: Option<&'a str>,
    /// What the weights must be of.
    pub architecture: Option<&'a str>,
}

/// A checkpoint that can be added.
#[derive(Debug)]
pub struct Prepared {
    id: String,
    folder: PathBuf,
    card: String,
    weights: Vec<u8>,
}

/// Reads and tries what is to be added; nothing is written yet.
///
/// # Errors
/// Those of [`read_tensors`] and of [`segmenter`], [`translator`], [`judge`] or [`captioner()`]; [`ZooError::Damaged`] for one
/// whose tensors are far larger than its file; [`ZooError::NoTask`] for a network that no task runs a checkpoint of;
/// [`ZooError::OtherArchitecture`]; [`ZooError::BadId`] and [`ZooError::IdTaken`]; with a way back
/// [`ZooError::NoTranslator`] and [`ZooError::BothWays`] for anything but a generator of one way; for a captioning decoder
/// [`ZooError::NoEncoder`], [`ZooError::NoWordMap`] and those of [`WordMap::of`]; what is wrong with a second checkpoint as
/// [`ZooError::Other`].
pub fn prepare(import: &Import<'_>) -> Result<Prepared, ZooError> {
    let Import { path, back, words, encoder, id, architecture } = *import;
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let file: String = file.chars().filter(|c| !c.is_control()).collect();
    let id = id.map_or_else(|| id_of(path), str::to_owned);
    if !is_id(&id) {
        return Err(ZooError::BadId { id });
    }
    let folder = folder()?;
    if is_reserved(&id) || fs::symlink_metadata(folder.join(&id)).is_ok() {
        return Err(ZooError::IdTaken { id });
    }
    let mut tensors = read_bounded(path)?;
    if let Some(wanted) = architecture {
        super::architecture::check(&tensors, wanted)?;
    }
    if let Some(back) = back {
        tensors = with_way_back(path, tensors, back)?;
    } else if goes_back(path) && TwoWay::prefix(&tensors).is_none() && task_of(&tensors)? == Task::Translate {
        // The file's name is lost, and what names no networks goes from A to B.
        tensors = named(tensors, GENERATORS[1]).collect();
    }
    let is_captioner = words.is_some() || encoder.is_some() || task_of(&tensors)? == Task::Caption;
    let words = if is_captioner {
        let is_alone =
            matches!(task_of(&tensors), Ok(Task::Caption)) && !tensors.keys().any(|n| n.starts_with(ENCODER));
        let found = if is_alone { encoder_beside(path) } else { None };
        tensors = with_encoder(tensors, encoder.or(found.as_deref()))?;
        Some(words_of(path, words, &tensors)?)
    } else {
        None
    };
    let (architecture, task) = usable(&tensors)?;
    let new = NewCard {
        id: &id,
        name: &id,
        task,
        architecture,
        parameters: parameters(&tensors),
        licence: "Unknown: as its author says",
        source: format!("Imported from {file}"),
    };
    let unwritten = |error| ZooError::Write { path: folder.join(&id), source: std::io::Error::other(error) };
    let card = toml::to_string(&new).map_err(|e| unwritten(e.to_string()))?;
    let weights =
        safetensors::serialize(&tensors, words.map(|words| words.metadata())).map_err(|e| unwritten(e.to_string()))?;
    Ok(Prepared { id, folder, card, weights })
}

impl Prepared {
    /// Adds it. The whole of it is there afterwards, or nothing.
    ///
    /// # Errors
    /// [`ZooError::Write`].
    pub fn write(&self) -> Result<Card, ZooError> {
        let place = self.folder.join(&self.id);
        let unwritten = |source| ZooError::Write { path: place.clone(), source };
        sweep(&self.folder, ABANDONED);
        let files = [(CARD, self.card.as_bytes()), (WEIGHTS, &self.weights[..])];
        write(&self.folder, &place, files).map_err(unwritten)?;
        read(&place, &self.id).ok_or_else(|| unwritten(std::io::Error::other("what was written cannot be read")))
    }
}

/// Whether a model that comes with the program has this id, or one of its forms.
fn is_reserved(id: &str) -> bool {
    models().iter().any(|card| card.id == id || card.forms.iter().any(|form| form == id))
}

/// The tensors of a checkpoint, each of which is going to be written by itself: names that share numbers are no shorter for
/// that, so a small file could ask for much.
fn read_bounded(path: &Path) -> Result<HashMap<String, Tensor>, ZooError> {
    let tensors = read_tensors(path)?;
    let file = fs::metadata(path).map_err(|source| ZooError::Read { path: path.to_owned(), source })?.len();
    let bytes = |tensor: &Tensor| (tensor.elem_count() as u64).saturating_mul(tensor.dtype().size_in_bytes() as u64);
    let all = tensors.values().map(bytes).fold(0, u64::saturating_add);
    if all > file.saturating_mul(4).saturating_add(1 << 20) {
        let [all, file] = [all, file].map(|bytes| bytes as f64 / 1e6);
        let reason = format!("its tensors take {all:.1} MB, far more than the file's {file:.1} MB");
        return Err(ZooError::Damaged { name: path.display().to_string(), reason });
    }
    Ok(tensors)
}

/// One generator in a file of its own, or under its name, and its discriminator if it has one.
struct OneWay {
    /// 0 for from A to B, 1 for back.
    at: usize,
    generator: HashMap<String, Tensor>,
    judge: Option<HashMap<String, Tensor>>,
}

impl OneWay {
    fn of(tensors: HashMap<String, Tensor>, path: &Path) -> Result<OneWay, ZooError> {
        let TwoWay { named, generators, judges } = TwoWay::of(tensors);
        let (at, generator, judge) = match (generators, judges) {
            ([Some(a), None], [judge, _]) => (usize::from(!named && goes_back(path)), a, judge),
            ([None, Some(b)], [_, judge]) => (1, b, judge),
            _ => return Err(ZooError::BothWays),
        };
        translator(generator.clone(), false)?;
        Ok(OneWay { at, generator, judge })
    }

    /// As [`TwoWay`] takes it apart, going from A to B (0) or back (1).
    fn named(self, at: usize) -> impl Iterator<Item = (String, Tensor)> {
        let judge = self.judge.into_iter().flat_map(move |judge| named(judge, JUDGES[at]));
        named(self.generator, GENERATORS[at]).chain(judge)
    }
}

/// The generator of `path` and that of the file `back`, which goes the other way, as one checkpoint.
fn with_way_back(
    path: &Path,
    tensors: HashMap<String, Tensor>,
    back: &Path,
) -> Result<HashMap<String, Tensor>, ZooError> {
    let there = OneWay::of(tensors, path)?;
    let other = read_bounded(back).and_then(|tensors| OneWay::of(tensors, back));
    let other = other.map_err(|error| error.of_other(back))?;
    let at = there.at;
    Ok(there.named(at).chain(other.named(1 - at)).collect())
}

/// A captioning checkpoint with the encoder in the file `encoder`, if there is one, in place of its own.
fn with_encoder(tensors: HashMap<String, Tensor>, encoder: Option<&Path>) -> Result<HashMap<String, Tensor>, ZooError> {
    let Some(path) = encoder else { return Ok(tensors) };
    let other = |error: ZooError| error.of_other(path);
    let mut all = read_bounded(path).map_err(other)?;
    image_encoder(all.clone()).map_err(other)?;
    if all.keys().any(|name| name.starts_with(ENCODER)) {
        all.retain(|name, _| name.starts_with(ENCODER)); // beside its own decoder
    } else {
        all.retain(|name, _| !name.starts_with("fc.")); // ImageNet's classifier
    }
    let bare = |name: String| name.strip_prefix(ENCODER).map(str::to_owned).unwrap_or(name);
    let decoder = tensors.into_iter().filter(|(name, _)| !name.starts_with(ENCODER));
    Ok(decoder.chain(all.into_iter().map(|(name, tensor)| (format!("{ENCODER}{}", bare(name)), tensor))).collect())
}

/// The words of the captioning checkpoint at `path`, in the file `words` or where it has them itself. All that the task
/// would build is built, so that what is kept can be used.
fn words_of(path: &Path, words: Option<&Path>, tensors: &HashMap<String, Tensor>) -> Result<WordMap, ZooError> {
    let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let network = captioner(tensors.clone())?;
    if network.encoder.is_none() {
        return Err(ZooError::NoEncoder { name: name() });
    }
    let words = match words {
        Some(file) => WordMap::open(file)?,
        None => WordMap::of(path)?.ok_or_else(|| ZooError::NoWordMap { name: name() })?,
    };
    network.check(&words).map_err(|source| ZooError::Incomplete { architecture: network.architecture, source })?;
    Ok(words)
}

fn named(tensors: HashMap<String, Tensor>, network: &str) -> impl Iterator<Item = (String, Tensor)> {
    tensors.into_iter().map(move |(name, tensor)| (format!("{network}{name}"), tensor))
}

/// Removes what was left unfinished that long ago: a process that was killed, or a power cut. What is younger may be another
/// process's that is still at it. That some of it stays is no reason to fail.
fn sweep(folder: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let is_old = modified.and_then(|at| at.elapsed().ok()).is_some_and(|elapsed| elapsed >= age);
        if is_unfinished
            && is_old
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            log::warn!("{} is unfinished and cannot be removed: {error}", entry.path().display());
        }
    }
}

/// All files in a folder of their own beside `place`, which then becomes it.
fn write(folder: &Path, place: &Path, files: [(&str, &[u8]); 2]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let beside = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(folder)?;
    for (name, bytes) in files {
        let mut file = fs::File::create(beside.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    fs::rename(beside.path(), place)?;
    // It has another name now; nothing is there to be removed.
    let _ = beside.keep();
    Ok(())
}

/// Removes a model that was added.
///
/// # Errors
/// [`ZooError::NotImported`] for a model that comes with the program, or none; [`ZooError::Write`].
pub fn remove(id: &str) -> Result<(), ZooError> {
    let folder = folder()?;
    let place = folder.join(id);
    // Also one whose card cannot be read, or whose id the program has taken since.
    if !is_id(id) || fs::symlink_metadata(&place).is_err() {
        let known = imported().into_iter().map(|card| card.id).collect::<Vec<_>>();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(ZooError::NotImported { id: id.to_owned(), known });
    }
    // First out of sight, so that nobody meets half of it. A link goes, what it points to stays.
    let removed = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&folder).and_then(|gone| {
        fs::rename(&place, gone.path().join(id))?;
        gone.close()
    });
    removed.map_err(|source| ZooError::Write { path: place, source })
}

/// Where they are.
fn folder() -> Result<PathBuf, ZooError> {
    let asked = std::env::var_os("LUCIDA_DATA").filter(|asked| !asked.is_empty()).map(PathBuf::from);
    let usual = || Some(directories::ProjectDirs::from("", "", "lucida")?.data_dir().to_owned());
    Ok(asked.or_else(usual).ok_or(ZooError::NoFolder)?.join("models"))
}

/// The task of a checkpoint and its network's architecture. All that a task would build is built once, so that what is kept
/// can be used.
fn usable(tensors: &HashMap<String, Tensor>) -> Result<(&'static str, Task), ZooError> {
    let task = task_of(tensors)?;
    match task {
        Task::Segment => return Ok((segmenter(tensors.clone())?.0, task)),
        Task::Caption => return Ok((recognise(tensors)?, task)), // built where its words were looked for
        _ => {}
    }
    let mut architecture = recognise(tensors)?;
    let TwoWay { generators, judges, .. } = TwoWay::of(tensors.clone());
    for (generator, judged) in generators.into_iter().zip(judges) {
        let Some(generator) = generator else { continue };
        let (name, generator) = translator(generator, false)?;
        architecture = name;
        let misfit = |source| ZooError::Incomplete { architecture: name, source };
        check_generator(generator.channels()).map_err(misfit)?;
        if let Some(judged) = judged {
            check_judge(generator.channels(), judge(judged)?.config().channels).map_err(misfit)?;
        }
    }
    Ok((architecture, task))
}

/// Trainable numbers: neither norms' running statistics nor blurs are.
fn parameters(tensors: &HashMap<String, Tensor>) -> u64 {
    let kept = [".running_mean", ".running_var", ".num_batches_tracked", ".filt"];
    let trained = tensors.iter().filter(|(name, _)| !kept.iter().any(|end| name.ends_with(end)));
    trained.map(|(_, tensor)| tensor.elem_count() as u64).sum()
}

/// Lower-case words (letters and digits of ASCII), joined by single hyphens.
fn is_id(id: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    id.len() <= 100 && id.split('-').all(word)
}

/// An id of a file's name; empty if that has no letters and digits.
fn id_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    // `.pth.tar` has two endings.
    let stem = stem.strip_suffix(".pth").unwrap_or(&stem);
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_abandoned_is_removed() {
        let folder = tempfile::TempDir::new().unwrap();
        let [old, kept] = [".lucida-a1b2", "horses"].map(|name| folder.path().join(name));
        for one in [&old, &kept] {
            fs::create_dir(one).unwrap();
            fs::write(one.join(WEIGHTS), "...").unwrap();
        }
        sweep(folder.path(), ABANDONED);
        assert!(old.exists(), "it may be another process's");
        sweep(folder.path(), Duration::ZERO);
        assert!(!old.exists() && kept.exists());
    }

    #[test]
    fn ids_are_made_of_names() {
        for (name, id) in [
            ("a/latest_net_G_A.pth", "latest-net-g-a"),
            ("FCN ResNet50 (coco).pth.tar", "fcn-resnet50-coco"),
            ("horse2zebra", "horse2zebra"),
            ("고양이.pth", ""),
            ("--.pth", ""),
        ] {
            assert_eq!(id_of(Path::new(name)), id);
            assert_eq!(is_id(id), !id.is_empty());
        }
        assert!(!is_id("a--b") && !is_id("-a") && !is_id("A") && !is_id("../a") && !is_id("a b"));
    }
}
