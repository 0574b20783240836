//! `lucida translate`: pictures as another kind of picture, and what the way back makes of them.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::asked::{self, Asked};
use super::batch::{Batch, Written};
use super::beside::{Beside, PNG, Wanted};
use super::console::{self, Session};
use super::files::{self, Job, Writing};
use super::partners::Partners;
use super::{Arithmetic, Blending, Failure};
use crate::gpu::overlay::{self, ScalarMap};
use crate::gpu::{Tint, composite};
use crate::imaging::{ImagingError, Picture};
use crate::tasks::translate::{Direction, Map, Outcome, Params, TranslationModel, check_partner, models};
use crate::zoo::Task;

/// The pictures, the model, and what of the translation is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lucida translate photo.jpg -o anime.png --model cyclegan-anime\n  \
    lucida translate photo.jpg -o anime.png --cycle back.png --error error.png --json\n  \
    lucida translate aerial/ -o maps/ --model pix2pix-maps --truth true-maps/\n  \
    lucida translate horse.jpg -o zebra.png --model latest_net_G_A.pth --back latest_net_G_B.pth")]
pub struct Arguments {
    /// Pictures or folders of pictures, but not the folders in those; - is standard input
    #[arg(value_name = "IN", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// Where the translation goes: a file whose ending tells the format, a folder, or - for standard output (PNG)
    #[arg(short, long, value_name = "OUT", required_unless_present = "list")]
    output: Option<PathBuf>,

    /// A model of `lucida models`, or a checkpoint of a generator as the code of CycleGAN, pix2pix or CUT writes it; beside
    /// ..._net_G_A.pth the way back is found by itself as ..._net_G_B.pth [default: the first of --list]
    #[arg(long, value_name = "ID|FILE")]
    model: Option<PathBuf>,

    /// The checkpoint of the way back, where the model has none
    #[arg(long, value_name = "FILE")]
    back: Option<PathBuf>,

    /// Which way: from the model's first kind of pictures to its second, or back [default: the model's usual one]
    #[arg(long, value_name = "a2b|b2a", value_parser = direction)]
    direction: Option<Direction>,

    /// Where the way back of the translation goes, F(G(X)), as PNG; of several photos, the folder of those. This and the
    /// next three are of the translation itself, whatever --strength and --keep-colours say
    #[arg(long, value_name = "RECONSTRUCTION.png")]
    cycle: Option<PathBuf>,

    /// Where the map of the cycle's error goes, |F(G(X)) - X|: black is none, the lightest 64 of 255 or more
    #[arg(long, value_name = "ERROR.png")]
    error: Option<PathBuf>,

    /// Where F(X) goes: what the way back makes of the photo, which is of its kind already and should stay as it is
    #[arg(long, value_name = "IDENTITY.png")]
    identity: Option<PathBuf>,

    /// Where the discriminator's scores go, laid over the translation: from violet, found made (0), to yellow, found real (1)
    #[arg(long, value_name = "PATCHES.png")]
    patches: Option<PathBuf>,

    /// The photo's true partner, or the folder of the photos' partners by their names without endings: the mean absolute
    /// difference (L1) of the translation from it, 0..1, is told
    #[arg(long, value_name = "FILE|FOLDER")]
    truth: Option<PathBuf>,

    #[command(flatten)]
    blending: Blending,

    /// Batch norms take the picture's own statistics, as pix2pix's test.py does without --eval, in place of those kept in
    /// training
    #[arg(long)]
    own_statistics: bool,

    /// Longer side in pixels at which the networks work; the result keeps the photo's size [default: what the model was
    /// made for; of a checkpoint the photo's]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=65_535))]
    size: Option<u32>,

    #[command(flatten)]
    arithmetic: Arithmetic,

    #[command(flatten)]
    writing: Writing,

    /// Print what was done as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// List the models' ids, one a line
    #[arg(long, exclusive = true)]
    list: bool,
}

/// What became of one picture. Differences are means over the picture, 0..=1 of sRGB-encoded values.
#[derive(Debug, Serialize)]
struct Done {
    model: String,
    direction: Direction,
    /// Which statistics batch norms ran on, "kept" or the picture's "own"; absent where there are no batch norms.
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<&'static str>,
    /// Pixels across and down of what was written.
    width: u32,
    height: u32,
    #[serde(flatten)]
    measured: Measured,
    /// Time in the networks, without reading and writing.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Measured {
    /// Mean of |F(G(X)) - X|.
    #[serde(skip_serializing_if = "Option::is_none")]
    cycle_error: Option<f64>,
    /// Mean of |F(X) - X|.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_error: Option<f64>,
    /// Mean score of the discriminator.
    #[serde(skip_serializing_if = "Option::is_none")]
    patches: Option<f64>,
    /// Mean absolute difference from the true partner.
    #[serde(skip_serializing_if = "Option::is_none")]
    l1: Option<f64>,
}

/// Runs `lucida translate`.
pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    if arguments.list {
        return console::print(&ids().join("\n"));
    }
    let Some(output) = &arguments.output else {
        return Err(Failure::Arguments("-o tells where the result goes".into()));
    };
    files::one_use_of_stdout(output, arguments.json)?;
    let mut plan = files::plan(&arguments.inputs, output, arguments.writing)?;
    let beside = Beside::new(arguments.wanted(), &mut plan, arguments.writing.force)?;
    let partners = Partners::new("--truth", arguments.truth.as_deref(), &mut plan, |job| {
        beside.of(&job.target).into_iter().flatten().collect()
    })?;
    let model = model(arguments.model.as_deref(), arguments.back.as_deref())?;
    let params = params(arguments, &model)?;
    let batch = Batch::new(session, &plan, arguments.json, arguments.writing.force);
    batch.run(plan, |job| one(arguments, &model, &params, &beside, &partners, &batch, job))
}

impl Arguments {
    /// What goes into files beside the translation's.
    fn wanted(&self) -> [Wanted<'_>; 4] {
        [
            Wanted { option: "--cycle", name: "cycle", endings: PNG, path: self.cycle.as_deref() },
            Wanted { option: "--error", name: "error", endings: PNG, path: self.error.as_deref() },
            Wanted { option: "--identity", name: "identity", endings: PNG, path: self.identity.as_deref() },
            Wanted { option: "--patches", name: "patches", endings: PNG, path: self.patches.as_deref() },
        ]
    }
}

/// The models that ship with the program, then those that were added.
fn ids() -> Vec<String> {
    let shipped = models().into_iter().map(|card| card.id.clone());
    shipped.chain(asked::imported(Task::Translate)).collect()
}

/// The model that was asked for.
fn model(model: Option<&Path>, back: Option<&Path>) -> Result<TranslationModel, Failure> {
    let model = match asked::asked(model, &ids(), "translation")? {
        Asked::Id(id) => TranslationModel::load(&id)?,
        Asked::File(path) => {
            // Whoever names the way back does not mean the one that lies beside.
            let load = if back.is_some() { TranslationModel::from_file_alone } else { TranslationModel::from_file };
            load(&path).map_err(|e| asked::unusable(&path, e))?
        }
    };
    if let Some(left_out) = model.left_out() {
        console::say(left_out);
    }
    let Some(back) = back else { return Ok(model) };
    if model.directions().len() > 1 {
        return Err(Failure::Arguments(format!("{} has its way back already; leave --back out", model.id())));
    }
    model.with_way_back(back).map_err(|e| asked::unusable(back, e))
}

/// What the model is asked for.
///
/// # Errors
/// What it lacks.
fn params(arguments: &Arguments, model: &TranslationModel) -> Result<Params, Failure> {
    let id = model.id();
    let named = |direction: Direction| {
        let [a, b] = model.domains();
        match direction {
            Direction::AToB => format!("from {a} to {b} (a2b)"),
            Direction::BToA => format!("from {b} to {a} (b2a)"),
        }
    };
    let usual = model.directions().first().copied().unwrap_or_default();
    let direction = arguments.direction.unwrap_or(usual);
    let has = |direction: Direction| model.directions().contains(&direction);
    if !has(direction) {
        return Err(Failure::Arguments(format!(
            "{id} translates only {}, not {}; give the checkpoint of that to --back",
            named(usual),
            named(direction)
        )));
    }
    let [cycle, error, identity, patches] = arguments.wanted();
    let returning = [cycle, error, identity].into_iter().find(|wanted| wanted.path.is_some());
    if let Some(wanted) = returning
        && !has(direction.reversed())
    {
        return Err(Failure::Arguments(format!(
            "{} needs the way back, but {id} translates only {}; give the other way's checkpoint to --back",
            wanted.option,
            named(direction)
        )));
    }
    if patches.path.is_some() && !model.has_judge(direction) {
        return Err(Failure::Arguments(format!(
            "--patches needs a discriminator, but {id} has none of what it makes {}; leave --patches out",
            named(direction)
        )));
    }
    match (model.has_batch_norm(), arguments.own_statistics) {
        (true, true) => console::say(format_args!("{id}'s batch norms take the picture's own statistics")),
        (true, false) => console::say(format_args!(
            "{id}'s batch norms take the statistics kept in training; --own-statistics takes the picture's own"
        )),
        (false, true) => console::say(format_args!("--own-statistics changes nothing: {id} has no batch norms")),
        (false, false) => {}
    }
    Ok(Params {
        direction,
        cycle: returning.is_some(),
        judged: patches.path.is_some(),
        own_statistics: arguments.own_statistics,
        longer_side: arguments.size,
        precision: arguments.arithmetic.precision,
    })
}

/// One picture, from its file to the translation's and all others'.
fn one(
    arguments: &Arguments,
    model: &TranslationModel,
    params: &Params,
    beside: &Beside<4>,
    partners: &Partners,
    batch: &Batch<'_>,
    job: &Job,
) -> Result<Done, Failure> {
    let original = arguments.writing.of(batch.open(&job.source)?);
    let partner = partners.of(&job.source)?.map(|partner| batch.open(&partner)).transpose()?;
    if let Some(partner) = &partner {
        check_partner(original.size(), partner.size()).map_err(|e| Failure::Work(e.to_string()))?;
    }
    batch.warn_of_losses(&original, job)?;
    let outcome = batch.watched(|watch| model.run(&original, params, watch))?;
    let picture = composite::export(&original, &outcome.translated, arguments.blending.blend()).map_err(unmade)?;
    let files = files_beside(&original, &outcome, beside.of(&job.target))?;
    batch.write(job, &picture, files, outcome.seconds)?;
    let cycle = outcome.cycle.as_ref();
    let measured = Measured {
        cycle_error: cycle.map(|cycle| cycle.error.mean),
        identity_error: cycle.map(|cycle| cycle.same_error.mean),
        patches: outcome.verdict.as_ref().map(|verdict| verdict.mean),
        l1: partner.map(|partner| Map::difference(&outcome.translated, &partner, &original).mean),
    };
    if let Some(line) = measured.line() {
        batch.tell(job, &line);
    }
    let [width, height] = picture.size();
    let statistics = model.has_batch_norm().then_some(if params.own_statistics { "own" } else { "kept" });
    let Outcome { model, direction, seconds, .. } = outcome;
    Ok(Done { model, direction, statistics, width, height, measured, seconds })
}

/// What goes beside the translation.
fn files_beside(original: &Picture, outcome: &Outcome, paths: [Option<PathBuf>; 4]) -> Result<Vec<Written>, Failure> {
    let [back, error, same, patches] = paths;
    let mut files = Vec::new();
    if let Some(cycle) = &outcome.cycle {
        if let Some(path) = back {
            files.push(Written::png(path, &cycle.back)?);
        }
        if let Some(path) = error {
            files.push(Written::png(path, &mapped(original, &cycle.error, &Tint::ERROR)?)?);
        }
        if let Some(path) = same {
            files.push(Written::png(path, &cycle.same)?);
        }
    }
    if let (Some(path), Some(verdict)) = (patches, &outcome.verdict) {
        files.push(Written::png(path, &mapped(&outcome.translated, verdict, &Tint::SCORES)?)?);
    }
    Ok(files)
}

fn mapped(picture: &Picture, map: &Map, tint: &Tint) -> Result<Picture, Failure> {
    overlay::export_scalar(picture, &ScalarMap { size: map.size, values: &map.values }, tint).map_err(unmade)
}

fn unmade(error: ImagingError) -> Failure {
    Failure::Work(error.to_string())
}

impl Measured {
    /// For people; `None` where nothing was measured.
    fn line(&self) -> Option<String> {
        let part = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.4}"));
        let parts = [
            part("cycle error", self.cycle_error),
            part("identity error", self.identity_error),
            part("the discriminator's mean score", self.patches),
            part("L1 to the true partner", self.l1),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { None } else { Some(parts.join(", ")) }
    }
}

fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "a2b" => Ok(Direction::AToB),
        "b2a" => Ok(Direction::BToA),
        _ => Err("there are a2b (from the model's first kind of pictures to its second) and b2a".into()),
    }
}
