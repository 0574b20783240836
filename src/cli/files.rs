//! Which file becomes which: decided, and refused where it must be, before any work starts.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Failure, beside, console};
use crate::imaging::{self, Format, Listing, Loss, Picture};

/// A file format by name, where no file name says it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormatName {
    /// Lossless, 8 or 16 bit, alpha
    Png,
    /// Lossy, 8 bit, opaque
    #[value(alias = "jpg")]
    Jpeg,
    /// Lossless, 8 bit, alpha
    Webp,
    /// Lossless, 8 or 16 bit, alpha
    #[value(alias = "tif")]
    Tiff,
}

/// Where a picture comes from.
#[derive(Debug)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
}

impl Source {
    fn new(path: &Path) -> Source {
        match path.to_str() {
            Some("-") => Source::Stdin,
            _ => Source::File(path.to_owned()),
        }
    }

    /// The whole path as a person would write it.
    pub(super) fn path(&self) -> String {
        match self {
            Source::Stdin => "-".to_owned(),
            Source::File(path) => path.display().to_string(),
        }
    }

    /// The name without its folder, for the progress bar.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Stdin => "standard input".to_owned(),
            Source::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        }
    }

    /// What results are called after.
    fn file_name(&self) -> &Path {
        match self {
            Source::Stdin => Path::new("stdin"),
            Source::File(path) => path,
        }
    }

    /// Reads and decodes the picture.
    pub(super) fn open(&self) -> Result<Picture, Failure> {
        match self {
            Source::Stdin => {
                // One byte more than any file may have, so that the decoder sees that it is too much.
                let bytes = console::read_stdin(imaging::MAX_FILE + 1, "a picture")?;
                imaging::decode(&bytes).map_err(|e| Failure::with("standard input", e))
            }
            Source::File(path) => imaging::open(path).map_err(|error| match error {
                // These name the path themselves.
                imaging::ImagingError::Io { .. } | imaging::ImagingError::NotAFile { .. } => {
                    Failure::Work(error.to_string())
                }
                other => Failure::with(path.display(), other),
            }),
        }
    }
}

/// Where a picture goes.
#[derive(Debug)]
pub(super) enum Target {
    Stdout,
    File(PathBuf),
    /// Nowhere: no picture is made of it. What is written about it is called this, as nothing else of its plan is.
    Unwritten(OsString),
}

impl Target {
    /// The path as a person would write it.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Target::Stdout => Some("-".to_owned()),
            Target::File(path) => Some(path.display().to_string()),
            Target::Unwritten(_) => None,
        }
    }
}

/// One picture's way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) target: Target,
    pub(super) format: Format,
}

/// Everything one command will read and write.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    /// Several pictures were asked for, so one may fail alone.
    pub(super) many: bool,
    /// Folders that results go to; they are made when the work begins.
    pub(super) folders: Vec<PathBuf>,
    /// What already cannot be done: the file, and why.
    pub(super) refused: Vec<(String, Failure)>,
}

/// How to write.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Writing {
    /// JPEG quality [default: 92]
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(super) quality: Option<u8>,

    /// Format for standard output and folders [default: PNG; in a folder the photo's own, where that can be written]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(super) format: Option<FormatName>,

    /// Leave out the camera data (EXIF: time, place, device), which otherwise goes from PNG, JPEG and WebP into those
    #[arg(long)]
    pub(super) no_exif: bool,

    /// Replace files that exist
    #[arg(long)]
    pub(super) force: bool,
}

impl Writing {
    /// What of `picture` may be written.
    pub(super) fn of(&self, picture: Picture) -> Picture {
        if self.no_exif { picture.without_exif() } else { picture }
    }
}

/// Refuses to mix a picture and a report on standard output.
pub(super) fn one_use_of_stdout(output: &Path, json: bool) -> Result<(), Failure> {
    if json && output.as_os_str() == "-" {
        let why = "--json and -o - would both write to standard output; give a file to -o";
        return Err(Failure::Arguments(why.into()));
    }
    Ok(())
}

/// Decides which input becomes which output.
///
/// One input goes to the file `output`, or into it if it is a folder; several inputs, or a folder of them, go into the
/// folder `output`, which need not exist. No result replaces a picture that another one is made of. `-` stands for
/// standard input and output.
///
/// # Errors
/// Arguments that contradict each other, an ending that no format has, a single input that is missing, a single output
/// that exists or has no folder. What concerns only one of several inputs is told in [`Plan::refused`] instead.
pub(super) fn plan(inputs: &[PathBuf], output: &Path, writing: Writing) -> Result<Plan, Failure> {
    let mut plan = Plan::of(inputs)?;
    // One of several that is missing fails alone.
    if let [input] = inputs
        && input.as_os_str() != "-"
    {
        fs::metadata(input).map_err(|e| {
            Failure::Work(format!("cannot read {}: {e}{}", input.display(), imaging::advice("read", &e)))
        })?;
    }
    if output.as_os_str() == "-" {
        let [input] = inputs else {
            return Err(Failure::Arguments("only one picture fits on standard output; give a folder to -o".into()));
        };
        if input.is_dir() {
            return Err(Failure::Arguments(
                "a folder of pictures does not fit on standard output; give a folder to -o".into(),
            ));
        }
        plan.jobs.push(Job {
            source: Source::new(input),
            target: Target::Stdout,
            format: with_quality(writing.format.map_or(Format::Png, FormatName::format), writing.quality),
        });
        return Ok(plan);
    }
    let into_folder = plan.many || output.is_dir() || ends_with_separator(output);
    if !into_folder {
        let [input] = inputs else {
            return Err(Failure::Arguments("no picture was given".into()));
        };
        plan.jobs.push(single(Source::new(input), output, writing)?);
        return Ok(plan);
    }

    if !output.exists() && !ends_with_separator(output) && Format::from_path(output).is_some() {
        return Err(Failure::Arguments(format!(
            "several pictures need a folder to go to, but {0} looks like a file; if a folder is meant, write {0}/",
            output.display()
        )));
    }
    if output.exists() && !output.is_dir() {
        return Err(Failure::Arguments(format!(
            "several pictures need a folder to go to, but {} is a file",
            output.display()
        )));
    }
    plan.folders.push(output.to_owned());
    let sources = listed(inputs, &mut plan.refused);
    let readers = readers(&sources);
    let (mut taken, mut names) = (HashSet::new(), HashMap::new());
    // Who can keep a name has it before another that would only come to it by a change of ending.
    let (keeping, changing): (Vec<_>, Vec<_>) =
        sources.iter().enumerate().partition(|(_, source)| keeps_name(source, writing));
    for (index, source) in keeping.into_iter().chain(changing) {
        let is_free = |name: &OsStr| {
            let reader = readers.get(&beside::written(&output.join(name)));
            reader.is_none_or(|reader| *reader == index) && taken.insert(name.to_owned())
        };
        names.insert(index, name_in_folder(source, writing, is_free));
    }
    for (index, source) in sources.into_iter().enumerate() {
        let Some((name, format)) = names.remove(&index) else { continue };
        let target = output.join(name);
        match check_free(&target, writing.force) {
            Ok(()) => plan.jobs.push(Job { source, target: Target::File(target), format }),
            Err(failure) if !plan.many => return Err(failure),
            Err(failure) => plan.refused.push((source.path(), failure)),
        }
    }
    Ok(plan)
}

/// As [`plan`], where no picture is made of another.
///
/// # Errors
/// As [`plan`].
pub(super) fn plan_unwritten(inputs: &[PathBuf]) -> Result<Plan, Failure> {
    let mut plan = Plan::of(inputs)?;
    let mut taken = HashSet::new();
    for source in listed(inputs, &mut plan.refused) {
        // The whole name: folders are called so too, and a stem can be `..`.
        let ending = source.file_name().extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        let name = untaken(&source, &ending.unwrap_or_default(), |name| taken.insert(name.to_owned()));
        plan.jobs.push(Job { source, target: Target::Unwritten(name), format: Format::Png });
    }
    Ok(plan)
}

impl Plan {
    /// Nothing to do yet with `inputs`.
    fn of(inputs: &[PathBuf]) -> Result<Plan, Failure> {
        if inputs.iter().filter(|i| i.as_os_str() == "-").count() > 1 {
            return Err(Failure::Arguments("standard input (-) can be read only once".into()));
        }
        let many = inputs.len() > 1 || inputs.iter().any(|i| i.is_dir());
        Ok(Plan { jobs: Vec::new(), many, folders: Vec::new(), refused: Vec::new() })
    }

    /// Makes the folders, if anything will go into them; returns those that were not there, the inner ones first.
    pub(super) fn make_folders(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut made = Vec::new();
        if self.jobs.is_empty() {
            return Ok(made);
        }
        for folder in &self.folders {
            let new = folder.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned);
            made.splice(0..0, new.collect::<Vec<_>>());
            imaging::make_folder(folder).map_err(|e| {
                made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
                Failure::Work(e.to_string())
            })?;
        }
        Ok(made)
    }
}

/// The files that are read, each with the place of its reader among the sources: of several the last, which may replace it.
pub(super) fn readers<'a>(sources: impl IntoIterator<Item = &'a Source>) -> HashMap<PathBuf, usize> {
    let file = |(index, source): (usize, &Source)| match source {
        Source::Stdin => None,
        Source::File(path) => Some((beside::written(path), index)),
    };
    sources.into_iter().enumerate().filter_map(file).collect()
}

/// The pictures, those of folders by name; what cannot be listed is `refused`, and what else lies in a folder is told.
fn listed(inputs: &[PathBuf], refused: &mut Vec<(String, Failure)>) -> Vec<Source> {
    let mut sources = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            sources.push(Source::new(input));
            continue;
        }
        match Listing::of(input) {
            Err(error) => refused.push((input.display().to_string(), Failure::Work(error.to_string()))),
            Ok(listing) => {
                if let Some(line) = left_out(input, &listing) {
                    console::say(line);
                }
                if listing.pictures.is_empty() {
                    let why = format!("there is no picture in the folder {}", input.display());
                    refused.push((input.display().to_string(), Failure::Work(why)));
                }
                sources.extend(listing.pictures.into_iter().map(Source::File));
            }
        }
    }
    sources
}

/// What of a folder is not worked on: other files by their endings, and the folders in it.
fn left_out(folder: &Path, listing: &Listing) -> Option<String> {
    let count = |number: usize, one: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        many => Some(format!("{many} {one}s")),
    };
    let mut endings: Vec<_> =
        listing.others.iter().filter_map(|path| Some(path.extension()?.to_string_lossy())).collect();
    endings.sort();
    endings.dedup();
    let endings: Vec<String> = endings.iter().take(4).map(|ending| format!(".{ending}")).collect();
    let files = count(listing.others.len(), "other file").map(|files| match &*endings {
        [] => files,
        endings => format!("{files} ({})", endings.join(", ")),
    });
    let parts: Vec<String> = files.into_iter().chain(count(listing.folders, "folder")).collect();
    if parts.is_empty() {
        return None;
    }
    Some(format!("left out of {}: {}", folder.display(), parts.join(" and ")))
}

fn single(source: Source, output: &Path, writing: Writing) -> Result<Job, Failure> {
    let Some(format) = Format::from_path(output) else {
        return Err(Failure::Arguments(format!(
            "{}: the ending tells the format; use .png, .jpg, .jpeg, .webp, .tif or .tiff",
            output.display()
        )));
    };
    let asked = writing.format.map(FormatName::format);
    if let Some(asked) = asked
        && asked.name() != format.name()
    {
        return Err(Failure::Arguments(format!(
            "{} would be {} by its ending, but --format says {}",
            output.display(),
            format.name(),
            asked.name()
        )));
    }
    check_target(output, writing.force)?;
    Ok(Job { source, target: Target::File(output.to_owned()), format: with_quality(format, writing.quality) })
}

/// Refuses a file that exists (unless `force`) or whose folder does not.
pub(super) fn check_target(output: &Path, force: bool) -> Result<(), Failure> {
    check_free(output, force)?;
    check_folder(output)
}

/// Refuses a folder, and a file that exists (unless `force`).
pub(super) fn check_free(output: &Path, force: bool) -> Result<(), Failure> {
    if output.is_dir() {
        return Err(Failure::Arguments(format!("{} is a folder; give the name of a file", output.display())));
    }
    if output.exists() && !force {
        return Err(console::exists(output));
    }
    Ok(())
}

/// Refuses a file whose folder does not exist.
pub(super) fn check_folder(output: &Path) -> Result<(), Failure> {
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Failure::Work(format!("the folder {} does not exist; create it first", folder.display())))
        }
        _ => Ok(()),
    }
}

/// A name for `source` in the output folder that is free: its own where its format can be written, else its stem as PNG,
/// with a number where two inputs share a name.
fn name_in_folder(source: &Source, writing: Writing, is_free: impl FnMut(&OsStr) -> bool) -> (OsString, Format) {
    let path = source.file_name();
    let format = writing.format.map(FormatName::format).or(Format::from_path(path)).unwrap_or(Format::Png);
    let extension = match path.extension().and_then(|extension| extension.to_str()) {
        Some(extension) if keeps_name(source, writing) => extension,
        _ => format.extension(),
    };
    (untaken(source, &format!(".{extension}"), is_free), with_quality(format, writing.quality))
}

/// Whether its result can have the name of `source`.
fn keeps_name(source: &Source, writing: Writing) -> bool {
    let asked = writing.format.map(FormatName::format);
    Format::from_path(source.file_name()).is_some_and(|own| asked.is_none_or(|asked| asked.name() == own.name()))
}

/// The stem of `source` with `ending`, with a number where that is not free.
fn untaken(source: &Source, ending: &str, mut is_free: impl FnMut(&OsStr) -> bool) -> OsString {
    let stem = source.file_name().file_stem().unwrap_or("picture".as_ref());
    let mut name = OsString::new();
    for number in 1.. {
        name = stem.to_owned();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.push(ending);
        if is_free(&name) {
            break;
        }
    }
    name
}

fn with_quality(format: Format, quality: Option<u8>) -> Format {
    match (format, quality) {
        (Format::Jpeg { .. }, Some(quality)) => Format::Jpeg { quality },
        _ => format,
    }
}

/// Whether a path can only be a folder's.
pub(super) fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(char::from(*b)))
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            FormatName::Png => Format::Png,
            FormatName::Jpeg => Format::Jpeg { quality: Format::QUALITY },
            FormatName::Webp => Format::WebP,
            FormatName::Tiff => Format::Tiff,
        }
    }
}

/// What writing `picture` as `format` would lose, told before the work; loss of detail is what JPEG is for.
///
/// # Errors
/// A format that cannot hold the picture at all.
pub(super) fn losses(picture: &Picture, format: Format) -> Result<Vec<&'static str>, Failure> {
    let mut lost = Vec::new();
    for loss in format.losses(picture) {
        match loss {
            Loss::Alpha => lost.push("transparency (laid over white)"),
            Loss::SixteenBit => lost.push("16-bit depth (rounded to 8)"),
            Loss::CameraData if matches!(format, Format::Tiff) => {
                lost.push("camera data (EXIF), as Lucida writes it; use PNG, JPEG or WebP to keep that");
            }
            Loss::CameraData => lost.push("camera data (EXIF)"),
            Loss::Detail => {}
            Loss::TooLarge { max } => {
                return Err(Failure::Work(format!(
                    "{} holds at most {max} pixels a side and the picture is {} x {}; use PNG or TIFF",
                    format.name(),
                    picture.width(),
                    picture.height()
                )));
            }
        }
    }
    Ok(lost)
}
