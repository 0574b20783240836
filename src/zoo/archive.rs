//! The two containers that `torch.save` writes: an archive since PyTorch 1.6, a stream of pickles and raw storages before.
//! Either is a pickle that says which storages tensors lie in, and those storages.

use std::collections::HashMap;

use rawzip::{CompressionMethod, Error, ErrorKind, ZipArchive};

use super::clipped;
use super::layout::{MAX_KEY, Storage};
use super::pickle::{Pickle, Reason, Value};

/// How a legacy stream counts itself out, and what its first pickle holds: 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// What came out of `torch.save`.
pub(super) struct Saved<'a> {
    pub(super) pickle: Pickle<'a>,
    pub(super) storages: Storages<'a>,
}

/// The bytes of storages by key.
pub(super) enum Storages<'a> {
    Archive(Archive<'a>),
    Stream(HashMap<&'a [u8], &'a [u8]>),
}

impl<'a> Storages<'a> {
    /// The bytes of the storage `key`, little-endian, checked against a checksum where there is one.
    pub(super) fn get(&self, key: &[u8]) -> Reason<&'a [u8]> {
        let name = String::from_utf8_lossy(key);
        let bytes = match self {
            Storages::Stream(storages) => storages.get(key).copied(),
            // Keys that are no UTF-8 would be one name, and its record looked through for each.
            Storages::Archive(_)
                if name.is_empty()
                    || name.contains(['/', '\\', char::REPLACEMENT_CHARACTER])
                    || name.contains("..") =>
            {
                return Err(format!("it names a storage {:?}, which cannot be", clipped(&name)));
            }
            Storages::Archive(archive) => archive.record(&format!("data/{name}"))?,
        };
        bytes.ok_or_else(|| format!("its storage {:?} is missing", clipped(&name)))
    }
}

/// The records of a zip archive with one folder at its root.
pub(super) struct Archive<'a> {
    records: HashMap<Vec<u8>, Record<'a>>,
    /// The folder with its slash, or nothing.
    root: String,
}

struct Record<'a> {
    method: CompressionMethod,
    crc: u32,
    /// `None` when it should lie where the file has nothing.
    bytes: Option<&'a [u8]>,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Reason<Archive<'a>> {
        let damaged = |e: Error| match e.kind() {
            ErrorKind::MissingEndOfCentralDirectory | ErrorKind::Eof => {
                "it is cut short: the list of records that ends an archive is missing".to_owned()
            }
            _ => format!("its archive is damaged: {e}"),
        };
        let zip = ZipArchive::from_slice(bytes).map_err(damaged)?;
        let mut records = HashMap::new();
        let mut root = None;
        let mut spare = bytes.len();
        for entry in zip.entries() {
            let entry = entry.map_err(damaged)?;
            let place = zip.get_entry(entry.wayfinder()).ok().map(|e| e.compressed_data_range());
            let place = place.and_then(|(from, to)| Some(usize::try_from(from).ok()?..usize::try_from(to).ok()?));
            let bytes = place.and_then(|place| bytes.get(place));
            // Each is looked through in full, so none may lie in another.
            let rest = spare.checked_sub(bytes.map_or(0, <[u8]>::len));
            spare = rest.ok_or("its archive is damaged: its records lie in one another")?;
            let name = entry.file_path().as_bytes().to_vec();
            let folder = name
                .strip_suffix(b"data.pkl")
                .filter(|f| f.is_empty() || f.iter().position(|b| *b == b'/') == Some(f.len() - 1));
            if let (None, Some(folder)) = (&root, folder) {
                root = Some(String::from_utf8_lossy(folder).into_owned());
            }
            records.insert(name, Record { method: entry.compression_method(), crc: entry.crc32(), bytes });
        }
        let root = root.ok_or("it is an archive but has no data.pkl, which tells the tensors' names")?;
        let archive = Archive { records, root };
        if archive.find("constants.pkl").is_some() {
            return Err("it is a TorchScript program; save the module's state_dict() with torch.save".into());
        }
        Ok(archive)
    }

    fn find(&self, name: &str) -> Option<&Record<'a>> {
        self.records.get(format!("{}{name}", self.root).as_bytes())
    }

    /// The bytes of a record, checked against their checksum.
    fn record(&self, name: &str) -> Reason<Option<&'a [u8]>> {
        let Some(record) = self.find(name) else { return Ok(None) };
        if record.method != CompressionMethod::STORE {
            return Err(format!("its record {name} is compressed, which torch.save never does: pack it anew without"));
        }
        let bytes = record.bytes.ok_or_else(|| format!("its record {name} is cut short"))?;
        // PyTorch writes none (0) where it was told not to.
        if record.crc != 0 && rawzip::crc32(bytes) != record.crc {
            return Err(format!("its record {name} does not fit its checksum: it was damaged after it was written"));
        }
        Ok(Some(bytes))
    }
}

/// Opens the archive that `bytes` are.
pub(super) fn archive(bytes: &[u8]) -> Reason<Saved<'_>> {
    let archive = Archive::open(bytes)?;
    let pickle = archive.record("data.pkl")?.ok_or("it has no data.pkl")?;
    if archive.record("byteorder")? == Some(b"big") {
        return Err("its numbers are big-endian".into());
    }
    Ok(Saved { pickle: Pickle::read(pickle)?, storages: Storages::Archive(archive) })
}

/// Opens the legacy stream that `bytes` are: magic number, protocol and system, the object and the storages' keys, a
/// pickle each; then each storage: its length, eight bytes, and its values.
pub(super) fn stream(bytes: &[u8]) -> Reason<Saved<'_>> {
    let mut at = 0;
    let mut next = |held: usize| {
        let pickle = Pickle::read_beside(&bytes[at..], held)?;
        at += pickle.len;
        Ok::<_, String>(pickle)
    };
    // One after another, for any of them may be large.
    if !matches!(next(0)?.root, Value::Long(long) if long == MAGIC) {
        return Err("it is a pickle, but not one that torch.save wrote".into());
    }
    drop(next(0)?); // the protocol
    let system = next(0)?;
    if matches!(system.get(system.root, "little_endian"), Some(Value::Bool(false))) {
        return Err("its numbers are big-endian".into());
    }
    drop(system);
    let pickle = next(0)?;
    let keys = next(pickle.values)?;
    // A storage's record does not tell its type: the object does.
    let told: HashMap<_, _> = Storage::all(&pickle).map(|s| (s.key, s)).collect();
    let mut storages = HashMap::new();
    for key in keys.list(keys.root).ok_or("it has no list of storages")? {
        let key = if let Value::Text(key) = *key { Some(key).filter(|key| key.len() <= MAX_KEY) } else { None };
        let key = key.ok_or("a storage in its list has no name, or an endless one")?;
        let name = String::from_utf8_lossy(key);
        let cut = || format!("it is cut short: its storage {name:?} is not all there");
        let storage = told.get(key).ok_or_else(|| format!("no tensor says what type its storage {name:?} has"))?;
        let (count, rest) = bytes[at..].split_first_chunk().ok_or_else(cut)?;
        let len = usize::try_from(u64::from_le_bytes(*count)).ok();
        let len = len.and_then(|n| n.checked_mul(storage.element_size().ok()?));
        let values = len.and_then(|len| rest.get(..len)).ok_or_else(cut)?;
        at += count.len() + values.len();
        storages.insert(key, values);
    }
    Ok(Saved { pickle, storages: Storages::Stream(storages) })
}
