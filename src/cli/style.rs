//! `lucida style`: pictures in, painted pictures out.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::console::{self, Session};
use super::files::{self, FormatName, Job, Target, Writing};
use super::progress::Progress;
use super::{Arithmetic, Failure, sheet};
use crate::gpu::{self, Blend};
use crate::imaging::{self, Picture};
use crate::nn::Watch;
use crate::tasks::{IDENTITY, Params, Stylizer};

/// The pictures, the styles, and how to write the result.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lucida style photo.jpg -o wave.png --style hokusai-great-wave --strength 0.8\n  \
    lucida style photo.jpg -o mix.jpg --style hokusai-poppies,van-gogh-auvers --weights 0.7,0.3\n  \
    lucida style holiday/ -o painted/ --style hiroshige-mackerel\n  \
    lucida style photo.jpg -o sheet.jpg --sheet")]
pub struct Arguments {
    /// Pictures or folders of pictures; - is standard input
    #[arg(value_name = "IN", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// Where the result goes: a file whose ending tells the format, a folder, or - for standard output (PNG)
    #[arg(short, long, value_name = "OUT", required_unless_present = "list")]
    output: Option<PathBuf>,

    /// One style, or several to mix; see --list ("identity" changes nothing)
    #[arg(
        long,
        value_name = "ID[,ID...]",
        value_delimiter = ',',
        required_unless_present_any = ["list", "sheet"]
    )]
    style: Vec<String>,

    /// How much of each style, in the same order [default: equal parts]
    #[arg(long, value_name = "A[,B...]", value_delimiter = ',', allow_negative_numbers = true, value_parser = share, requires = "style")]
    weights: Vec<f32>,

    /// How strong: 0 is the photo, 1 the whole style
    #[arg(long, value_name = "0..1", default_value = "1", allow_negative_numbers = true, value_parser = strength)]
    strength: f32,

    /// Keep the photo's colours, take only lightness from the style
    #[arg(long, alias = "keep-colors")]
    keep_colours: bool,

    /// Longer side in pixels at which the network works: smaller is faster and the brush wider; the result keeps the
    /// photo's size [default: the photo's]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=65_535))]
    size: Option<u32>,

    #[command(flatten)]
    arithmetic: Arithmetic,

    /// JPEG quality
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,

    /// Format for standard output and folders
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<FormatName>,

    /// Replace files that exist
    #[arg(long)]
    force: bool,

    /// Print what was done as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Every style on one contact sheet, the photo first; --size is then the longer side of each picture on it
    #[arg(long, conflicts_with = "style")]
    sheet: bool,

    /// List the style ids, one a line
    #[arg(long, exclusive = true)]
    list: bool,
}

/// What became of one picture.
#[derive(Debug, Serialize)]
struct Done {
    model: String,
    /// Pixels across and down of what was written.
    width: u32,
    height: u32,
    /// Time in the network, without reading and writing.
    seconds: f64,
}

/// One picture of several.
#[derive(Debug, Serialize)]
struct DoneFile {
    file: String,
    output: String,
    #[serde(flatten)]
    done: Done,
}

#[derive(Debug, Serialize)]
struct FailedFile {
    file: String,
    error: String,
}

/// What became of several pictures.
#[derive(Debug, Default, Serialize)]
struct Report {
    results: Vec<DoneFile>,
    failed: Vec<FailedFile>,
}

/// Runs `lucida style`.
pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let stylizer = Stylizer::load()?;
    let ids: Vec<&str> = stylizer.styles().iter().map(|style| style.id.as_str()).collect();
    if arguments.list {
        return console::print(&ids.join("\n"));
    }
    let params = params(arguments, &ids)?;
    let Some(output) = &arguments.output else {
        return Err(Failure::Arguments("-o tells where the result goes".into()));
    };
    if arguments.json && output.as_os_str() == "-" {
        return Err(Failure::Arguments(
            "--json and -o - would both write to standard output; give a file to -o".into(),
        ));
    }
    let writing = Writing { format: arguments.format, quality: arguments.quality, force: arguments.force };
    let plan = files::plan(&arguments.inputs, output, writing)?;
    let work = Work { arguments, session, stylizer, params, progress: Progress::new(plan.jobs.len()) };
    if plan.many {
        return work.all(plan.refused, &plan.jobs);
    }
    for job in &plan.jobs {
        let done = work.one(0, job);
        work.progress.finish();
        let done = done?;
        if arguments.json {
            console::print_json(&done)?;
        }
    }
    Ok(())
}

/// What the network is asked for; `known` are the ids it has beside the identity.
fn params(arguments: &Arguments, known: &[&str]) -> Result<Params, Failure> {
    for id in &arguments.style {
        if id != IDENTITY && !known.contains(&id.as_str()) {
            return Err(Failure::Arguments(format!(
                "there is no style '{id}'; the styles are {}, {IDENTITY}",
                known.join(", ")
            )));
        }
    }
    let (styles, weights) = (&arguments.style, &arguments.weights);
    if !weights.is_empty() && weights.len() != styles.len() {
        return Err(Failure::Arguments(format!(
            "--weights needs one number for each style, but there are {} for {}",
            weights.len(),
            styles.len()
        )));
    }
    if !weights.is_empty() && weights.iter().sum::<f32>() <= 0.0 {
        return Err(Failure::Arguments("--weights are all 0; give at least one style some weight".into()));
    }
    let weight = |i: usize| weights.get(i).copied().unwrap_or(1.0);
    Ok(Params {
        mix: styles.iter().enumerate().map(|(i, id)| (id.clone(), weight(i))).collect(),
        longer_side: arguments.size,
        precision: arguments.arithmetic.precision,
    })
}

/// Everything that stays the same from picture to picture.
struct Work<'a> {
    arguments: &'a Arguments,
    session: &'a Session,
    stylizer: Stylizer,
    params: Params,
    progress: Progress,
}

impl Work<'_> {
    /// Several pictures: one that fails is told, and the rest go on.
    fn all(&self, refused: Vec<(String, Failure)>, jobs: &[Job]) -> Result<(), Failure> {
        let mut report = Report::default();
        let fail = |report: &mut Report, file: String, failure: Failure| {
            self.progress.say(&failure);
            report.failed.push(FailedFile { file, error: failure.to_string() });
        };
        for (file, failure) in refused {
            fail(&mut report, file, failure);
        }
        let mut interrupted = false;
        for (index, job) in jobs.iter().enumerate() {
            match self.one(index, job) {
                Ok(done) => report.results.push(DoneFile {
                    file: job.source.path(),
                    output: match &job.target {
                        Target::Stdout => "-".to_owned(),
                        Target::File(path) => path.display().to_string(),
                    },
                    done,
                }),
                Err(Failure::Interrupted) => {
                    interrupted = true;
                    break;
                }
                Err(failure) => fail(&mut report, job.source.path(), failure),
            }
        }
        self.progress.finish();
        if self.arguments.json {
            console::print_json(&report)?;
        }
        match report.failed.len() {
            _ if interrupted => Err(Failure::Interrupted),
            0 => Ok(()),
            failed => Err(Failure::Work(format!(
                "{failed} of {} pictures failed; {} done",
                failed + report.results.len(),
                report.results.len()
            ))),
        }
    }

    /// One picture, from its file to its result's file.
    fn one(&self, index: usize, job: &Job) -> Result<Done, Failure> {
        self.session.check()?;
        self.progress.begin(index, &job.source.name());
        let original = job.source.open()?;
        self.session.check()?;
        let lost = match self.arguments.sheet {
            true => Vec::new(), // a sheet is a new picture, 8-bit and opaque
            false => files::losses(&original, job.format)?,
        };
        if !lost.is_empty() {
            self.progress.say(format_args!(
                "warning: {}: {} cannot hold {}",
                job.source.path(),
                job.format.name(),
                lost.join(" and ")
            ));
        }
        let report = |share: f32| self.progress.at(share);
        let watch = Watch::new(self.session.token(), &report);
        let (picture, model, seconds) = match self.arguments.sheet {
            true => sheet::render(&self.stylizer, &original, &self.params, self.blend(), &watch)?,
            false => self.style(&original, &watch)?,
        };
        let bytes = imaging::encode(&picture, job.format).map_err(|e| Failure::with(job.source.path(), e))?;
        self.session.check()?;
        match &job.target {
            Target::Stdout => console::print_bytes(&bytes)?,
            Target::File(path) => {
                self.session.save(path, &bytes, self.arguments.force)?;
                self.progress.whisper(format_args!(
                    "{} ({} x {}, {seconds:.1} s)",
                    path.display(),
                    picture.width(),
                    picture.height()
                ));
            }
        }
        Ok(Done { model, width: picture.width(), height: picture.height(), seconds })
    }

    fn style(&self, original: &Picture, watch: &Watch) -> Result<(Picture, String, f64), Failure> {
        let outcome = self.stylizer.run(original, &self.params, watch)?;
        let picture = gpu::composite::export(original, &outcome.styled, self.blend())
            .map_err(|e| Failure::Work(e.to_string()))?;
        Ok((picture, outcome.model, outcome.seconds))
    }

    fn blend(&self) -> Blend {
        Blend { strength: self.arguments.strength, keep_colours: self.arguments.keep_colours }
    }
}

fn strength(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(strength) if (0.0..=1.0).contains(&strength) => Ok(strength),
        _ => Err("a number from 0 (the photo) to 1 (the whole style) is needed, such as 0.8".into()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if share.is_finite() && share >= 0.0 => Ok(share),
        _ => Err("a number of 0 or more is needed, such as 0.7".into()),
    }
}
