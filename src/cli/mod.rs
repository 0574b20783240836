//! The same work without a window, for batches, scripts and tests.
//!
//! Results go to files or standard output, everything said on the way to standard error. The exit status is 0 when all
//! is done, 1 when the work failed, 2 when the arguments are wrong, 130 when interrupted. No output file is ever left
//! half-written, and none is replaced without `--force`.

mod asked;
mod batch;
mod bench;
mod beside;
mod caption;
mod console;
mod files;
mod forward;
mod heatmaps;
mod models;
mod partners;
mod progress;
mod rows;
mod segment;
mod sheet;
mod style;
mod translate;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use console::Session;

use crate::gpu::Blend;
use crate::nn::Precision;
use crate::tasks::TaskError;
use crate::zoo::ZooError;

/// What was asked for: a window with some pictures, or one command.
#[derive(Debug, Parser)]
#[command(
    name = "lucida",
    version,
    about = "Lucida, a desktop vision studio",
    long_about = "Lucida, a desktop vision studio: drop a picture, pick a task, watch a neural network work.\n\n\
                  Without a command the window opens. The commands do the same work without one and need no GPU.",
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// Pictures or folders to open in the window
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The work to do instead of opening the window.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Work that needs no window.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Paint a picture in the manner of a painting
    Style(style::Arguments),
    /// Tell what each pixel of a picture shows
    Segment(segment::Arguments),
    /// Turn a picture into another kind of picture, and back
    Translate(translate::Arguments),
    /// Say what a picture shows, and where the network looked for each word
    Caption(caption::Arguments),
    /// List the models, show the card of one, add or remove one
    Models(models::Arguments),
    /// Time one forward pass of a network
    Bench(bench::Arguments),
    /// Run a checkpoint: tensor in, tensor out, nothing done before or after
    Forward(forward::Arguments),
}

/// How commands compute.
#[derive(Clone, Copy, Debug, Args)]
struct Arithmetic {
    /// What is multiplied: f32, or bf16, which is faster and rounds every factor to 8 significant bits; that needs a
    /// processor with AVX512-BF16
    #[arg(long, value_name = "f32|bf16", default_value = Precision::F32.name(), value_parser = precision)]
    precision: Precision,
}

/// A precision that this machine has. Falling back to f32 would go unnoticed in a script that counts on the speed.
fn precision(text: &str) -> Result<Precision, String> {
    let all = [Precision::F32, Precision::Bf16];
    let precision = all.into_iter().find(|p| p.name() == text).ok_or("there are f32 and bf16")?;
    match precision.is_available() {
        true => Ok(precision),
        false => Err("this processor lacks the instructions (AVX512-BF16); use f32".into()),
    }
}

/// How a result is laid over its photo.
#[derive(Clone, Copy, Debug, Args)]
struct Blending {
    /// How strong: 0 is the photo, 1 the whole result
    #[arg(long, value_name = "0..1", default_value = "1", allow_negative_numbers = true, value_parser = strength)]
    strength: f32,

    /// Keep the photo's colours, take only lightness from the result
    #[arg(long, alias = "keep-colors")]
    keep_colours: bool,
}

impl Blending {
    fn blend(self) -> Blend {
        Blend { strength: self.strength, keep_colours: self.keep_colours }
    }
}

fn strength(text: &str) -> Result<f32, String> {
    number(text, 0.0..=1.0, "a number from 0 (the photo) to 1 (the whole result) is needed, such as 0.8")
}

/// Reads a number within `range`; of anything else it is said what is `needed`.
fn number<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>, needed: &str) -> Result<T, String> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| needed.to_owned())
}

/// Why a command stopped early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The arguments ask for something that cannot be meant; exit status 2.
    #[error("{0}")]
    Arguments(String),
    /// The work failed; exit status 1.
    #[error("{}", without_backtrace(.0))]
    Work(String),
    /// The work failed, and so would that on all other pictures; exit status 1.
    #[error("{0}")]
    All(String),
    /// The person pressed Ctrl+C; exit status 130.
    #[error("interrupted; nothing unfinished was written")]
    Interrupted,
    /// Whoever read our text has read enough (`lucida models | head -1`); exit status 0, nothing to say.
    #[error("standard output was closed")]
    Closed,
}

impl Failure {
    /// The work failed because of `error`, met while working on `what` (a file's name).
    fn with(what: impl Display, error: impl Display) -> Failure {
        Failure::Work(format!("{what}: {error}"))
    }

    /// A name that later versions know.
    fn later(kind: &str, name: &str, present: &[&str]) -> Failure {
        let present = present.join(", ");
        Failure::Arguments(format!("the {kind} {name} is not yet in this version; there is {present}"))
    }

    /// Whether there is no sense in going on with other pictures.
    fn ends_all(&self) -> bool {
        matches!(self, Failure::All(_) | Failure::Interrupted | Failure::Closed)
    }

    fn exit_status(&self) -> u8 {
        match self {
            Failure::Arguments(_) => 2,
            Failure::Work(_) | Failure::All(_) => 1,
            Failure::Interrupted => 130,
            Failure::Closed => 0,
        }
    }
}

/// A message without the backtrace that candle adds to its own where RUST_BACKTRACE asks for one.
fn without_backtrace(message: &str) -> &str {
    message.split_once("\n   0: ").map_or(message, |(message, _)| message)
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Failure {
        match error {
            TaskError::Cancelled => Failure::Interrupted,
            TaskError::UnknownStyle { .. }
            | TaskError::UnknownNet { .. }
            | TaskError::UnknownWord { .. }
            | TaskError::LongPrefix { .. } => Failure::Arguments(error.to_string()),
            other => Failure::Work(other.to_string()),
        }
    }
}

impl From<ZooError> for Failure {
    fn from(error: ZooError) -> Failure {
        match error {
            ZooError::BadId { .. }
            | ZooError::IdTaken { .. }
            | ZooError::NotImported { .. }
            | ZooError::UnknownArchitecture { .. } => Failure::Arguments(error.to_string()),
            ZooError::NoEncoder { .. } => Failure::Arguments(format!("{error} (--encoder)")),
            ZooError::NoWordMap { .. } => Failure::Arguments(format!("{error} (--words)")),
            other => Failure::Work(other.to_string()),
        }
    }
}

/// Reads the process's arguments.
///
/// # Errors
/// The status to exit with when there is nothing left to do: help or version were printed (0), or the arguments are
/// wrong (2) and that has been said.
pub fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|answer| {
        // Fails only when nobody listens any more; then there is nobody to tell.
        let _ = answer.print();
        ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2))
    })
}

/// Runs one command to its end and returns the exit status; whatever went wrong has been said on standard error.
pub fn run(command: Command) -> ExitCode {
    let session = Session::start();
    let done = match command {
        Command::Style(arguments) => style::run(&arguments, &session),
        Command::Segment(arguments) => segment::run(&arguments, &session),
        Command::Translate(arguments) => translate::run(&arguments, &session),
        Command::Caption(arguments) => caption::run(&arguments, &session),
        Command::Models(arguments) => models::run(&arguments, &session),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Forward(arguments) => forward::run(&arguments, &session),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Closed) {
                console::say(&failure);
            }
            ExitCode::from(failure.exit_status())
        }
    }
}

/// Turns the end of the window's life into an exit status, and says on standard error what went wrong.
pub fn report<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(error);
            ExitCode::FAILURE
        }
    }
}
