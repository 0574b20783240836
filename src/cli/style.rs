//! `lucida style`: pictures in, painted pictures out.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::batch::Batch;
use super::console::{self, Session};
use super::files::{self, Job, Writing};
use super::{Arithmetic, Blending, Failure, sheet};
use crate::gpu;
use crate::tasks::{IDENTITY, Params, Stylizer};

/// The pictures, the styles, and how to write the result.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lucida style photo.jpg -o wave.png --style hokusai-great-wave --strength 0.8\n  \
    lucida style photo.jpg -o mix.jpg --style hokusai-poppies,van-gogh-auvers --weights 0.7,0.3\n  \
    lucida style holiday/ -o painted/ --style hiroshige-mackerel\n  \
    lucida style photo.jpg -o sheet.jpg --sheet")]
pub struct Arguments {
    /// Pictures or folders of pictures, but not the folders in those; - is standard input
    #[arg(value_name = "IN", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// Where the result goes: a file whose ending tells the format, a folder, or - for standard output (PNG)
    #[arg(short, long, value_name = "OUT", required_unless_present = "list")]
    output: Option<PathBuf>,

    /// One style, or several to mix; see --list ("identity" is the network's attempt to change nothing)
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

    #[command(flatten)]
    blending: Blending,

    /// Longer side in pixels at which the network works: smaller is faster and the brush wider; the result keeps the
    /// photo's size [default: 1024]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=65_535))]
    size: Option<u32>,

    #[command(flatten)]
    arithmetic: Arithmetic,

    #[command(flatten)]
    writing: Writing,

    /// Print what was done as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Every style on one contact sheet, the photo first; --size is then the longer side of each picture on it
    /// [default: 480]
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
    files::one_use_of_stdout(output, arguments.json)?;
    let plan = files::plan(&arguments.inputs, output, arguments.writing)?;
    let batch = Batch::new(session, &plan, arguments.json, arguments.writing.force);
    batch.run(plan, |job| one(arguments, &stylizer, &params, &batch, job))
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

/// One picture, from its file to its result's file.
fn one(
    arguments: &Arguments,
    stylizer: &Stylizer,
    params: &Params,
    batch: &Batch<'_>,
    job: &Job,
) -> Result<Done, Failure> {
    let original = arguments.writing.of(batch.open(&job.source)?);
    // A sheet is a new picture, 8-bit and opaque.
    if !arguments.sheet {
        batch.warn_of_losses(&original, job)?;
    }
    let blend = arguments.blending.blend();
    let (picture, model, seconds) = batch.watched(|watch| match arguments.sheet {
        true => sheet::render(stylizer, &original, params, blend, watch),
        false => {
            let outcome = stylizer.run(&original, params, watch)?;
            let picture = gpu::composite::export(&original, &outcome.styled, blend);
            Ok((picture.map_err(|e| Failure::Work(e.to_string()))?, outcome.model, outcome.seconds))
        }
    })?;
    batch.write(job, &picture, Vec::new(), seconds)?;
    Ok(Done { model, width: picture.width(), height: picture.height(), seconds })
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if share.is_finite() && share >= 0.0 => Ok(share),
        _ => Err("a number of 0 or more is needed, such as 0.7".into()),
    }
}
