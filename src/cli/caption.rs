//! `lucida caption`: what a picture shows in a sentence, and where the network looked for each word.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use serde::Serialize;

use super::asked::{self, Asked};
use super::batch::{Batch, Written};
use super::beside::{Beside, PNG, Wanted};
use super::console::{self, Session, plain};
use super::files::{self, Job};
use super::heatmaps::{self, Heatmaps};
use super::rows::{Made, Rows};
use super::{Arithmetic, Failure, number};
use crate::gpu::attention::{self, Look, Scale};
use crate::gpu::{Colormap, TintMode};
use crate::imaging::{self, Picture};
use crate::nn::Precision;
use crate::tasks::TaskError;
use crate::tasks::caption::{self, CaptionModel, Outcome, Params, Sentence, Summary, models};
use crate::zoo::Task;

/// The pictures, the model, how sentences are looked for, and what of them is written.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("drawn").args(["heatmaps", "sheet", "animation"]).multiple(true),
    after_help = "Examples:\n  \
    lucida caption photo.jpg\n  \
    lucida caption photo.jpg --beam 3 --heatmaps maps/ --sheet sheet.png --json\n  \
    lucida caption photo.jpg --start \"two dogs\" --animation said.gif --speed 3\n  \
    lucida caption holiday/ -o captions.csv --resume\n  \
    lucida caption photo.jpg --model BEST_checkpoint.pth.tar --words WORDMAP.json"
)]
pub struct Arguments {
    /// Pictures or folders of pictures, but not the folders in those; - is standard input
    #[arg(value_name = "IN", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// Where a row for each picture goes as soon as it is made, by the ending: .jsonl for JSON lines, each the object of
    /// --json with "file" first, .csv for the columns file, caption, log_prob, beam and model, where ' stands before what a
    /// spreadsheet would take for a formula; - for JSON lines on standard output [default: the sentences on standard
    /// output, of several pictures each after its file and a tab]
    #[arg(short, long, value_name = "OUT.jsonl|OUT.csv")]
    output: Option<PathBuf>,

    /// Go on with the file of -o where it ends, from the folder where it was begun, an unfinished row cut off; pictures
    /// that have a row are left out. What was asked for has to be the same; .csv does not tell --length-norm, --precision
    /// and whether there was a --start. Of the next picture there may be files already, which --force replaces
    #[arg(long, requires = "output")]
    resume: bool,

    /// A model of `lucida models`, or a checkpoint: the decoder of "a PyTorch Tutorial to Image Captioning", its
    /// BEST_checkpoint, or a model of Lucida's own [default: the first of --list]
    #[arg(long, value_name = "ID|FILE")]
    model: Option<PathBuf>,

    /// The words of a checkpoint [default: the WORDMAP_....json beside it]
    #[arg(long, value_name = "WORDMAP.json", requires = "model")]
    words: Option<PathBuf>,

    /// The encoder of a checkpoint that holds a decoder alone: torchvision's resnet101 [default: the checkpoint beside it
    /// with encoder in its name, or else resnet at its beginning]
    #[arg(long, value_name = "FILE", requires = "model")]
    encoder: Option<PathBuf>,

    /// How many sentences are followed at a time, 1 to 10; 1 takes the likeliest word each time
    #[arg(long, value_name = "K", default_value_t = Params::default().beam, value_parser = beam)]
    beam: usize,

    /// Rank finished sentences by their log-probability over their length to this power: 0 favours short ones, 1 takes
    /// the mean over the words [default: what measured best for the model; 0 for a checkpoint]
    #[arg(long, value_name = "0..1", allow_negative_numbers = true, value_parser = length_norm)]
    length_norm: Option<f32>,

    /// Words that the sentence begins with
    #[arg(long, value_name = "\"A DOG\"")]
    start: Option<String>,

    /// The folder for a picture per word of where the network looked, 01-a.png, 02-dog.png and so on, and sum.png of all
    /// words together (did it look everywhere?); of several photos, that for their folders
    #[arg(long, value_name = "DIR")]
    heatmaps: Option<PathBuf>,

    /// Where the contact sheet goes: the photo, and the same for each word; of several photos, the folder of those
    #[arg(long, value_name = "SHEET.png")]
    sheet: Option<PathBuf>,

    /// Where the sentence goes as it is being said, as GIF or animated PNG; of several photos, the folder of GIFs
    #[arg(long, value_name = "FILE.gif|FILE.png")]
    animation: Option<PathBuf>,

    /// Words per second of the animation
    #[arg(long, value_name = "0.1..25", default_value = "2", allow_negative_numbers = true, value_parser = speed, requires = "animation")]
    speed: f32,

    /// How the pictures show where the network looked
    #[arg(long, value_enum, default_value = "colours", requires = "drawn")]
    mode: Mode,

    /// How strongly they do that: 0 is the photo [default: 0.7; of a spotlight 0.9]
    #[arg(long, value_name = "0..1", allow_negative_numbers = true, value_parser = opacity, requires = "drawn")]
    opacity: Option<f32>,

    /// The colours of --mode colours: viridis, magma, cividis, turbo or grey [default: viridis]
    #[arg(long, value_name = "NAME", value_parser = colormap, requires = "drawn")]
    colormap: Option<Colormap>,

    /// Which pictures share their range
    #[arg(long, value_enum, default_value = "each", requires = "drawn")]
    scale: Range,

    /// Where the attention goes as numbers: NumPy's format, f32, [words, 14, 14], each map of sum 1; of several photos,
    /// the folder of those
    #[arg(long, value_name = "FILE.npy")]
    numbers: Option<PathBuf>,

    #[command(flatten)]
    arithmetic: Arithmetic,

    /// Replace files that exist. The rows of a file of -o that exists gather in a file beside it, OUT.part.csv, which
    /// replaces it at the end; after an interruption both are there, and the latter can be resumed
    #[arg(long)]
    force: bool,

    /// Print what was said as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Leave the attention, some 2 kB a word, out of JSON
    #[arg(long)]
    no_attention: bool,

    /// List the models' ids, one a line
    #[arg(long, exclusive = true)]
    list: bool,
}

/// As [`TintMode`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Colours over the photo where the network looked
    Colours,
    /// The photo, darker where it did not look
    Spotlight,
}

/// As [`Scale`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Range {
    /// None: each goes up to its own highest value
    Each,
    /// All of a sentence
    Common,
}

/// What was said about one picture.
#[derive(Debug, Serialize)]
struct Said {
    #[serde(flatten)]
    summary: Summary,
    /// The natural logarithm of the probability that the sentence ends here; absent where nothing ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_log_prob: Option<f32>,
    model: String,
    length_norm: f32,
    /// The words it had to begin with.
    start: String,
    precision: Precision,
    /// All sentences of the beam, the best first.
    sentences: Vec<Finished>,
}

#[derive(Debug, Serialize)]
struct Finished {
    caption: String,
    log_prob: f32,
}

/// A line of JSON lines.
#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    said: &'a Said,
}

/// What becomes of sentences.
enum Sentences {
    /// They are printed, if JSON is not.
    Printed,
    JsonLines,
    Kept(Box<Rows>),
}

/// What all pictures share.
struct Work<'a> {
    arguments: &'a Arguments,
    model: CaptionModel,
    params: Params,
    look: Look,
    many: bool,
    sentences: Sentences,
    beside: Beside<3>,
    heatmaps: Option<Heatmaps>,
}

/// Runs `lucida caption`.
pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    if arguments.list {
        return console::print(&ids().join("\n"));
    }
    if let Some(output) = &arguments.output {
        files::one_use_of_stdout(output, arguments.json)?;
    }
    let look = arguments.look()?;
    let mut plan = files::plan_unwritten(&arguments.inputs)?;
    let model = model(arguments)?;
    let params = params(arguments, &model)?;
    let sentences = sentences(arguments, &model, &params)?;
    if let Sentences::Kept(rows) = &sentences {
        let all = plan.jobs.len();
        plan.jobs.retain(|job| !rows.has(&job.source));
        if plan.jobs.len() < all {
            console::say(format_args!("{} of {all} pictures have a row already", all - plan.jobs.len()));
        }
    }
    let beside = Beside::new(arguments.wanted(), &mut plan, arguments.force)?;
    let heatmaps = arguments.heatmaps.as_deref();
    let heatmaps = heatmaps.map(|folder| Heatmaps::new(folder, &mut plan, arguments.force)).transpose()?;
    if let Some(heatmaps) = &heatmaps {
        plan.jobs.iter().try_for_each(|job| heatmaps.check(job, &beside.of(&job.target)))?;
    }
    let work = Work { arguments, model, params, look, many: plan.many, sentences, beside, heatmaps };
    let batch = Batch::new(session, &plan, arguments.json, arguments.force);
    let done = batch.run(plan, |job| work.one(&batch, job));
    match &work.sentences {
        Sentences::Kept(rows) => rows.finish(done),
        _ => done,
    }
}

impl Arguments {
    /// What goes into files of its own.
    fn wanted(&self) -> [Wanted<'_>; 3] {
        let (sheet, animation, numbers) = (self.sheet.as_deref(), self.animation.as_deref(), self.numbers.as_deref());
        [
            Wanted { option: "--sheet", name: "sheet", endings: PNG, path: sheet },
            Wanted { option: "--animation", name: "animation", endings: &["gif", "png", "apng"], path: animation },
            Wanted { option: "--numbers", name: "attention", endings: &["npy"], path: numbers },
        ]
    }

    /// How attention is drawn.
    fn look(&self) -> Result<Look, Failure> {
        let mode = match self.mode {
            Mode::Spotlight if self.colormap.is_some() => {
                return Err(Failure::Arguments("--mode spotlight has no colours; leave --colormap out".into()));
            }
            Mode::Spotlight => TintMode::Spotlight,
            Mode::Colours => TintMode::Colours,
        };
        let scale = match self.scale {
            Range::Each => Scale::Each,
            Range::Common => Scale::Common,
        };
        let opacity = self.opacity.unwrap_or(mode.usual_opacity());
        Ok(Look { opacity, colormap: self.colormap.unwrap_or_default(), mode, scale })
    }
}

/// The models that ship with the program, then those that were added.
fn ids() -> Vec<String> {
    let shipped = models().into_iter().map(|card| card.id.clone());
    shipped.chain(asked::imported(Task::Caption)).collect()
}

/// The model that was asked for.
fn model(arguments: &Arguments) -> Result<CaptionModel, Failure> {
    let beside = caption::Beside { words: arguments.words.clone(), encoder: arguments.encoder.clone() };
    match asked::asked(arguments.model.as_deref(), &ids(), "captioning")? {
        Asked::Id(id) if beside != caption::Beside::default() => {
            Err(Failure::Arguments(format!("{id} has its words and its encoder; leave --words and --encoder out")))
        }
        Asked::Id(id) => Ok(CaptionModel::load(&id)?),
        Asked::File(path) => CaptionModel::from_file(&path, &beside).map_err(|e| asked::unusable(&path, e)),
    }
}

/// What the model is asked for.
///
/// # Errors
/// Words that it does not know, or too many of them, and attention where it has none.
fn params(arguments: &Arguments, model: &CaptionModel) -> Result<Params, Failure> {
    let needing = [
        ("--heatmaps", arguments.heatmaps.is_some()),
        ("--sheet", arguments.sheet.is_some()),
        ("--numbers", arguments.numbers.is_some()),
    ];
    if let Some((option, _)) = needing.into_iter().find(|(_, asked)| *asked && !model.attends()) {
        let id = model.id();
        return Err(Failure::Arguments(format!(
            "{option} needs attention, but {id} looks at the picture as a whole; choose another model or leave {option} out"
        )));
    }
    let words = model.words();
    let is_mark = |word: &str| word.starts_with('<') && word.ends_with('>');
    let known = |word: &str| words.id(word).is_some() && !is_mark(word);
    let first = |word: &str| {
        let as_written = [word.to_owned(), word.to_lowercase()].into_iter().find(|word| known(word));
        as_written.ok_or_else(|| TaskError::UnknownWord { word: word.to_owned() })
    };
    let prefix = arguments.start.iter().flat_map(|start| start.split_whitespace()).map(first);
    let params = Params {
        beam: arguments.beam,
        length_norm: arguments.length_norm,
        prefix: prefix.collect::<Result<_, _>>()?,
        precision: arguments.arithmetic.precision,
    };
    model.check(&params)?;
    Ok(params)
}

/// Where sentences go.
fn sentences(arguments: &Arguments, model: &CaptionModel, params: &Params) -> Result<Sentences, Failure> {
    match &arguments.output {
        None => Ok(Sentences::Printed),
        Some(output) if output.as_os_str() == "-" => match arguments.resume {
            true => Err(Failure::Arguments("--resume needs a file to go on with; give one to -o".into())),
            false => Ok(Sentences::JsonLines),
        },
        Some(output) => {
            let made = Made {
                model: model.id().to_owned(),
                beam: params.beam,
                length_norm: model.length_norm(params),
                start: params.prefix.join(" "),
                precision: params.precision,
            };
            Ok(Sentences::Kept(Box::new(Rows::new(output, made, arguments.resume, arguments.force)?)))
        }
    }
}

impl Work<'_> {
    /// One picture, from its file to its sentence.
    fn one(&self, batch: &Batch<'_>, job: &Job) -> Result<Said, Failure> {
        let original = batch.open(&job.source)?;
        let outcome = batch.watched(|watch| self.model.run(&original, &self.params, watch))?;
        let Some(best) = outcome.sentences.first() else { return Err(Failure::Work("nothing was said".into())) };
        if best.end.is_none() {
            batch.tell(job, "the sentence did not come to an end");
        }
        let mut files = self.files_beside(&original, &outcome, best, job)?;
        let mut older = Vec::new();
        if let Some(heatmaps) = &self.heatmaps {
            let folder = heatmaps.of(job);
            let maps = self.maps(&folder, &original, &outcome, best)?;
            older = heatmaps::maps_in(&folder);
            older.retain(|older| maps.iter().all(|map| map.path != *older));
            files.extend(maps);
            imaging::make_folder(&folder).map_err(|e| Failure::Work(e.to_string()))?;
            // Only an empty folder can be removed so.
            batch.save(files).inspect_err(|_| drop(fs::remove_dir(folder)))?;
        } else {
            batch.save(files)?;
        }
        if let [map, ..] = &older[..] {
            let (count, map) = (older.len(), map.display());
            batch.tell(job, &format!("{count} maps of an earlier sentence are still there, such as {map}"));
        }
        let said = Said::new(&outcome, best, &self.params, !self.arguments.no_attention);
        let (file, caption) = (job.source.path(), best.text());
        match &self.sentences {
            Sentences::Printed if self.arguments.json => {}
            Sentences::Printed if self.many => {
                self.heard(batch.print(&format!("{}\t{}", plain(&file), plain(&caption))))?;
            }
            Sentences::Printed => self.heard(batch.print(&plain(&caption)))?,
            Sentences::JsonLines => {
                let line = serde_json::to_string(&Line { file: &file, said: &said });
                self.heard(batch.print(&line.map_err(|e| Failure::Work(e.to_string()))?))?;
            }
            Sentences::Kept(rows) => {
                let line = Line { file: &file, said: &said };
                batch.saving(|| rows.add(&file, &caption, best.log_prob, &line))??;
                batch.whisper(format_args!("{}: {}", plain(&file), plain(&caption)));
            }
        }
        Ok(said)
    }

    /// That nobody reads the sentences any more does not matter where files were asked for, too.
    fn heard(&self, printed: Result<(), Failure>) -> Result<(), Failure> {
        let a = self.arguments;
        let files = self.heatmaps.is_some() || a.sheet.is_some() || a.animation.is_some() || a.numbers.is_some();
        printed.or_else(|failure| if files && matches!(failure, Failure::Closed) { Ok(()) } else { Err(failure) })
    }

    /// What goes into files of its own.
    fn files_beside(
        &self,
        original: &Picture,
        outcome: &Outcome,
        best: &Sentence,
        job: &Job,
    ) -> Result<Vec<Written>, Failure> {
        let [sheet, animation, numbers] = self.beside.of(&job.target);
        let mut files = Vec::new();
        if let Some(path) = sheet {
            let sheet = attention::contact_sheet(original, best, outcome.grid, &self.look).map_err(unmade)?;
            files.push(Written::png(path, &sheet)?);
        }
        if let Some(path) = animation {
            let made = attention::animation(original, best, outcome.grid, &self.look, self.arguments.speed);
            let made = made.map_err(unmade)?;
            let is_gif = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gif"));
            let encode = if is_gif { imaging::encode_gif } else { imaging::encode_apng };
            let bytes = encode(&made.frames, &made.delays).map_err(|e| Failure::with(path.display(), e))?;
            files.push(Written { path, bytes });
        }
        if let (Some(path), Some((shape, values))) = (numbers, best.attention_maps(outcome.grid)) {
            files.push(Written { path, bytes: imaging::encode_npy(&shape, &values).map_err(unmade)? });
        }
        Ok(files)
    }

    /// A picture for each word, and that of all together, for a folder.
    fn maps(
        &self,
        folder: &Path,
        original: &Picture,
        outcome: &Outcome,
        best: &Sentence,
    ) -> Result<Vec<Written>, Failure> {
        let map = |name: String, values: &[f32], range: (f32, f32)| {
            let map = attention::map(original, outcome.grid, values, &self.look, range).map_err(unmade)?;
            Written::png(folder.join(name), &map)
        };
        let mut files = Vec::new();
        for (number, word) in (1..).zip(&best.words) {
            let Some(values) = word.attention.as_deref() else { continue };
            let range = attention::range(values, best, outcome.grid, self.look.scale);
            files.push(map(format!("{}.png", attention::map_name(number, &word.text)), values, range)?);
        }
        if let Some(sum) = best.attention_sum() {
            files.push(map(heatmaps::SUM.to_owned(), &sum, attention::sum_range(best, outcome.grid))?);
        }
        Ok(files)
    }
}

impl Said {
    fn new(outcome: &Outcome, best: &Sentence, params: &Params, attention: bool) -> Said {
        let mut summary = Summary::new(outcome);
        if !attention {
            summary.words.iter_mut().for_each(|word| word.attention = None);
        }
        let finished = |sentence: &Sentence| Finished { caption: sentence.text(), log_prob: sentence.log_prob };
        Said {
            summary,
            end_log_prob: best.end.as_ref().map(|end| end.log_prob),
            model: outcome.model.clone(),
            length_norm: outcome.length_norm,
            start: params.prefix.join(" "),
            precision: params.precision,
            sentences: outcome.sentences.iter().map(finished).collect(),
        }
    }
}

fn unmade(error: impl Display) -> Failure {
    Failure::Work(error.to_string())
}

fn beam(text: &str) -> Result<usize, String> {
    number(text, Params::BEAM, "a number from 1 (the likeliest word each time) to 10 is needed, such as 5")
}

fn length_norm(text: &str) -> Result<f32, String> {
    let needed = "a number from 0 (short sentences are favoured) to 1 (the mean over the words) is needed";
    number(text, Params::LENGTH_NORM, needed)
}

fn speed(text: &str) -> Result<f32, String> {
    number(text, attention::PACES, "words per second from 0.1 to 25 are needed, such as 2")
}

fn opacity(text: &str) -> Result<f32, String> {
    number(text, 0.0..=1.0, "a number from 0 (the photo) to 1 (nothing else is seen) is needed, such as 0.8")
}

fn colormap(text: &str) -> Result<Colormap, String> {
    let found = Colormap::ALL.into_iter().find(|map| map.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("there are {}", Colormap::ALL.map(|map| map.name().to_lowercase()).join(", ")))
}
