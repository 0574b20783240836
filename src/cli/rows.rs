//! A file with a row for each picture, written row by row, so that what was interrupted can be resumed: JSON lines or CSV.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{self, Source};
use super::{Failure, beside, console};
use crate::imaging;
use crate::nn::Precision;

/// The columns of a CSV file.
const COLUMNS: [&str; 5] = ["file", "caption", "log_prob", "beam", "model"];

/// What a spreadsheet takes a cell for a formula by, and what it skips before that (OWASP, "CSV Injection").
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// What every row of a file has to agree on.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) model: String,
    pub(super) beam: usize,
    pub(super) length_norm: f32,
    /// The words that sentences begin with, spaces between them.
    pub(super) start: String,
    pub(super) precision: Precision,
}

/// What is read of a row; the last three stand in JSON alone.
#[derive(Debug, Deserialize)]
struct Row {
    file: String,
    caption: String,
    /// A row that lacks it is none of ours.
    #[serde(rename = "log_prob")]
    _log_prob: f32,
    beam: usize,
    model: String,
    length_norm: Option<f32>,
    start: Option<String>,
    precision: Option<Precision>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    JsonLines,
    Csv,
}

/// The file.
#[derive(Debug)]
pub(super) struct Rows {
    path: PathBuf,
    /// The file that is replaced at the end by that at `path`.
    replaces: Option<PathBuf>,
    kind: Kind,
    made: Made,
    /// Bytes of whole rows to go on after.
    kept: u64,
    /// Bytes of the file when it was read, `None` when there was none. It is opened for the first row.
    found: Option<u64>,
    /// Whether the last of the rows lacks its line end.
    open_ended: bool,
    /// The pictures that have a row, by their whole paths.
    done: HashSet<PathBuf>,
    open: RefCell<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Where the next row begins.
    end: u64,
}

impl Rows {
    /// Looks at the file at `path`. If it is resumed its rows are kept, and what an interruption left of another one is
    /// not. If it is replaced (`force`) the new rows gather beside it, until they are all there. Nothing is written yet.
    ///
    /// # Errors
    /// An ending that is neither's; a file that exists, unless `force` or `resume`; one to be resumed that is something
    /// else, or was not `made` so, or elsewhere; one to be replaced beside which rows are left of another time.
    pub(super) fn new(path: &Path, made: Made, resume: bool, force: bool) -> Result<Rows, Failure> {
        let Some(kind) = Kind::of(path) else {
            let why = format!("{}: captions are written as JSON lines or CSV; use .jsonl or .csv", path.display());
            return Err(Failure::Arguments(why));
        };
        files::check_target(path, true)?;
        let shown = path.display();
        if path.exists() && !path.is_file() {
            return Err(Failure::Work(format!("{shown} is not a file; choose another name")));
        }
        if path.exists() && !force && !resume {
            let why = format!("{shown} already exists; add --resume to go on with it, or --force to replace it");
            return Err(Failure::Work(why));
        }
        let unread = |error| Failure::with(format_args!("cannot read {}", path.display()), error);
        let mut rows = Rows {
            path: path.to_owned(),
            replaces: None,
            kind,
            made,
            kept: 0,
            found: None,
            open_ended: false,
            done: HashSet::new(),
            open: RefCell::default(),
        };
        if path.exists() && !resume {
            let old = path.canonicalize().map_err(unread)?; // links stay, what they point to is replaced
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            rows.path = old.with_extension(format!("part.{ending}"));
            if rows.path.exists() {
                let part = rows.path.display();
                return Err(Failure::Work(format!(
                    "{part} has the rows of a run that did not come to its end; go on with that by -o and --resume, or remove it"
                )));
            }
            rows.replaces = Some(old);
        } else if path.exists() {
            let file = File::open(path).map_err(unread)?;
            rows.found = Some(file.metadata().map_err(unread)?.len());
            let mut reader = BufReader::new(file);
            match kind {
                Kind::JsonLines => rows.read_json_lines(&mut reader)?,
                Kind::Csv => rows.read_csv(&mut reader)?,
            }
        }
        Ok(rows)
    }

    /// Whether a row of this picture was there.
    pub(super) fn has(&self, source: &Source) -> bool {
        match source {
            Source::Stdin => false, // always another one
            // As rows have it: a name may hold what no text can.
            Source::File(_) => self.done.contains(&beside::whole(Path::new(&source.path()))),
        }
    }

    /// Adds the row of one picture; of JSON lines that is `full`, which says more. All of it is there afterwards, or
    /// nothing.
    ///
    /// # Errors
    /// What happens to this row would happen to all.
    pub(super) fn add(&self, file: &str, caption: &str, log_prob: f32, full: &impl Serialize) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::All(format!("{}: {error}", self.path.display()));
        let mut bytes = match self.kind {
            Kind::JsonLines => serde_json::to_vec(full).map_err(|e| failed(&e))?,
            Kind::Csv => {
                let [file, caption, model] = [file, caption, &self.made.model].map(guarded);
                let (log_prob, beam) = (log_prob.to_string(), self.made.beam.to_string());
                record([&file, &caption, &log_prob, &beam, &model]).map_err(|e| failed(&e))?
            }
        };
        bytes.push(b'\n');
        let mut open = self.open.borrow_mut();
        if open.is_none() {
            *open = Some(self.open().map_err(|e| {
                let path = self.path.display();
                Failure::All(format!("cannot write {path}: {e}{}", imaging::advice("write", &e)))
            })?);
        }
        let Some(Open { file, end }) = open.as_mut() else { return Ok(()) };
        if let Err(error) = file.write_all(&bytes) {
            // As much of it as is there is no row.
            let undone = file.set_len(*end).and_then(|()| file.seek(SeekFrom::Start(*end)));
            undone.inspect_err(|e| log::warn!("{}: {e}", self.path.display())).ok();
            return Err(failed(&error));
        }
        *end += bytes.len() as u64;
        Ok(())
    }

    /// Ends the work, of which this was `done`. What was added last is made to outlive a power cut; it replaces what it is
    /// to replace unless the work was broken off.
    pub(super) fn finish(&self, done: Result<(), Failure>) -> Result<(), Failure> {
        let Some(Open { file, .. }) = self.open.take() else { return done };
        let synced = file.sync_all().map_err(|e| Failure::with(self.path.display(), e));
        drop(file);
        let Some(old) = &self.replaces else { return done.and(synced) };
        let (part, shown) = (self.path.display(), old.display());
        if synced.is_err() || done.as_ref().is_err_and(Failure::ends_all) {
            console::say(format_args!("{shown} is as it was; the rows that were made are in {part}"));
            return done.and(synced);
        }
        let failed = |e| Failure::with(format_args!("{shown} cannot be replaced, the rows are in {part}"), e);
        done.and(fs::rename(&self.path, old).map_err(failed))
    }

    /// The file with the rows that are kept and nothing after them.
    fn open(&self) -> io::Result<Open> {
        let changed = || io::Error::other("another program has written to it meanwhile; run this again with --resume");
        let mut options = OpenOptions::new();
        options.write(true);
        let mut file = match self.found {
            Some(_) => options.open(&self.path)?,
            None => options.create_new(true).open(&self.path)?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another run is writing to it")),
            Err(TryLockError::Error(e)) => log::debug!("{} cannot be locked: {e}", self.path.display()),
            Ok(()) => {}
        }
        if file.metadata()?.len() != self.found.unwrap_or(0) {
            return Err(changed());
        }
        if let Some(old) = &self.replaces {
            file.set_permissions(fs::metadata(old)?.permissions())?;
        }
        file.set_len(self.kept)?;
        file.seek(SeekFrom::Start(self.kept))?;
        let mut start = Vec::new();
        if self.open_ended {
            start.push(b'\n');
        }
        if self.kind == Kind::Csv && self.kept == 0 {
            start = record(COLUMNS)?;
            start.push(b'\n');
        }
        file.write_all(&start)?;
        Ok(Open { file, end: self.kept + start.len() as u64 })
    }

    fn read_json_lines(&mut self, reader: &mut impl BufRead) -> Result<(), Failure> {
        let begins = br#"{"file":"#;
        // Whatever it is: only a value of any kind tells reliably that its end is missing.
        let is_torn = |line: &[u8]| {
            (line.starts_with(begins) || begins.starts_with(line))
                && serde_json::from_slice::<serde_json::Value>(line).is_err_and(|error| error.is_eof())
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = reader.read_until(b'\n', &mut line);
            let bytes = read.map_err(|e| Failure::with(format_args!("cannot read {}", self.path.display()), e))?;
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<Row>(&line) {
                _ if bytes == 0 => break,
                Ok(row) => self.keep(row, number)?,
                Err(_) if whole && line.trim_ascii().is_empty() => {}
                Err(_) if !whole && is_torn(&line) => break,
                Err(error) => return Err(self.alien(&format!("line {number} is no row of captions ({error})"))),
            }
            self.kept += bytes as u64;
            self.open_ended = !whole;
        }
        Ok(())
    }

    fn read_csv(&mut self, reader: &mut impl BufRead) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|e| Failure::with(format_args!("cannot read {}", self.path.display()), e))?;
        // Lines end where they are not within quotes. A last one without its end may look whole and not be it.
        let (mut quoted, mut end) = (false, 0);
        for (at, byte) in bytes.iter().enumerate() {
            quoted ^= *byte == b'"';
            if *byte == b'\n' && !quoted {
                end = at + 1;
            }
        }
        let (rows, torn) = bytes.split_at(end);
        let columns = COLUMNS.join(",");
        if rows.is_empty() {
            let is_start = columns.as_bytes().starts_with(torn);
            return if is_start { Ok(()) } else { Err(self.alien("it does not begin with their columns")) };
        }
        let mut reader = csv::Reader::from_reader(rows);
        if *reader.headers().map_err(|e| self.alien(&e.to_string()))? != COLUMNS[..] {
            return Err(self.alien(&format!("its columns are not {columns}")));
        }
        for (number, row) in (2..).zip(reader.deserialize()) {
            let mut row: Row = row.map_err(|e| self.alien(&e.to_string()))?;
            for text in [&mut row.file, &mut row.caption, &mut row.model] {
                *text = unguarded(text).to_owned();
            }
            self.keep(row, number)?;
        }
        self.kept = end as u64;
        Ok(())
    }

    /// A row that was there.
    fn keep(&mut self, row: Row, number: usize) -> Result<(), Failure> {
        if let Some(how) = self.made.differs(&row) {
            let path = self.path.display();
            let why = format!("{path} cannot be resumed so: row {number} {how}; choose another file");
            return Err(Failure::Arguments(why));
        }
        if row.file == "-" {
            return Ok(());
        }
        let file = Path::new(&row.file);
        let is_exact = !row.file.contains(char::REPLACEMENT_CHARACTER);
        if file.is_relative() && is_exact && !file.exists() {
            let (path, file) = (self.path.display(), file.display());
            return Err(Failure::Arguments(format!(
                "{path} cannot be resumed from here: {file} of row {number} is not found; go to the folder where the rows were made, or take the row out"
            )));
        }
        self.done.insert(beside::whole(file));
        Ok(())
    }

    /// The refusal to go on with what was not written here.
    fn alien(&self, why: &str) -> Failure {
        Failure::Work(format!("{} cannot be resumed: {why}; choose another file", self.path.display()))
    }
}

impl Made {
    /// How a row was made otherwise, as far as it tells.
    fn differs(&self, row: &Row) -> Option<String> {
        let Made { model, beam, length_norm, start, precision } = self;
        let begins =
            row.caption.strip_prefix(start.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let (option, was, is) = if row.model != *model {
            ("--model", row.model.clone(), model.clone())
        } else if row.beam != *beam {
            ("--beam", row.beam.to_string(), beam.to_string())
        } else if let Some(was) = row.length_norm.filter(|was| was != length_norm) {
            ("--length-norm", was.to_string(), length_norm.to_string())
        } else if let Some(was) = row.start.as_ref().filter(|was| *was != start) {
            ("--start", format!("{was:?}"), format!("{start:?}"))
        } else if let Some(was) = row.precision.filter(|was| was != precision) {
            ("--precision", was.name().to_owned(), precision.name().to_owned())
        } else if !start.is_empty() && !begins {
            return Some(format!("does not begin with {start:?}"));
        } else {
            return None;
        };
        Some(format!("was made with {option} {was}, not {option} {is}"))
    }
}

impl Kind {
    fn of(path: &Path) -> Option<Kind> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" => Some(Kind::JsonLines),
            "csv" => Some(Kind::Csv),
            _ => None,
        }
    }
}

/// A line of CSV without its end, quoted where it has to be (RFC 4180).
fn record<const N: usize>(fields: [&str; N]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(fields)?;
    let mut line = writer.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
    line.pop();
    Ok(line)
}

/// A text for a cell, with an apostrophe before what would be a formula. [`unguarded`] takes that away and nothing else.
fn guarded(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// What [`guarded`] was given.
fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(text)
}

/// Whether it is one but for apostrophes before it. A sign alone is none: standard input is called so.
fn is_formula(text: &str) -> bool {
    let bare = text.trim_start_matches('\'');
    bare.starts_with(FORMULA) && bare != "-"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, cell) in [
            ("a dog", "a dog"),
            ("=1+1", "'=1+1"),
            ("-x.png", "'-x.png"),
            ("+a", "'+a"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1", "'＝1"),
            ("-", "-"),
            ("'-", "'-"),
            ("'=1", "''=1"),
            ("'tis", "'tis"),
            ("", ""),
        ] {
            assert_eq!((guarded(text).as_str(), unguarded(cell)), (cell, text));
        }
    }
}
