//! `lucida segment`: what each pixel of a picture shows, laid over it, as labels, and in numbers.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::asked::{self, Asked};
use super::batch::{Batch, Written};
use super::beside::{Beside, PNG, Wanted};
use super::console::{self, Session};
use super::files::{self, Job, Writing};
use super::{Arithmetic, Failure, number};
use crate::gpu::{ClassColours, Overlay, OverlayMode, overlay};
use crate::imaging::{self, Format};
use crate::tasks::segment::{Params, Refine, SegmentationModel, Summary, models};
use crate::zoo::Task;

/// The pictures, the model, and how the result is drawn.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lucida segment photo.jpg -o overlay.png\n  \
    lucida segment street.png -o overlay.png --model unet-camvid --mask labels.png --json\n  \
    lucida segment photo.jpg -o cat.png --mode cut-out --refine crf\n  \
    lucida segment photo.jpg -o overlay.png --model fcn_resnet50_coco.pth")]
pub struct Arguments {
    /// Pictures or folders of pictures, but not the folders in those; - is standard input
    #[arg(value_name = "IN", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// Where the overlay goes: a file whose ending tells the format, a folder, or - for standard output (PNG)
    #[arg(short, long, value_name = "OVERLAY", required_unless_present = "list")]
    output: Option<PathBuf>,

    /// A model of `lucida models`, or a checkpoint: torchvision's FCN, DeepLabV3 or LR-ASPP, a U-Net of Pytorch-UNet
    /// [default: the first of --list]
    #[arg(long, value_name = "ID|FILE")]
    model: Option<PathBuf>,

    /// How strongly the classes' colours cover the photo, or a cut-out hides the rest of it [default: 0.6; cut out: 1]
    #[arg(long, value_name = "0..1", allow_negative_numbers = true, value_parser = opacity)]
    opacity: Option<f32>,

    /// How the classes are shown
    #[arg(long, value_enum, default_value = "fill")]
    mode: Mode,

    /// Where the class of each pixel goes: a single-channel 8-bit PNG of indices (255 = no label) at the photo's size;
    /// of several photos, the folder of those
    #[arg(long, value_name = "LABELS.png")]
    mask: Option<PathBuf>,

    /// Let the labels follow the photo's edges (a dense CRF, Kraehenbuehl and Koltun 2011)
    #[arg(long, value_name = "crf", value_enum)]
    refine: Option<Refinement>,

    /// The network sees as many pixels as a 4:3 photo of this longer side has: more finds smaller things
    /// [default: what the model was made for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=3000))]
    size: Option<u32>,

    /// Whether the network sees the mirror image too, and the mean of both answers counts: somewhat better, in twice the
    /// time [default: what measured best, as the model's card says]
    #[arg(long, value_name = "on|off", value_parser = PossibleValuesParser::new(["on", "off"]).map(|v| v == "on"))]
    mirror: Option<bool>,

    #[command(flatten)]
    arithmetic: Arithmetic,

    #[command(flatten)]
    writing: Writing,

    /// Print what was found as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// List the models' ids, one a line
    #[arg(long, exclusive = true)]
    list: bool,
}

/// As [`OverlayMode`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// The classes' colours over the photo
    Fill,
    /// Lines around them
    Outlines,
    /// The photo where a class is (the background is none), nothing elsewhere
    CutOut,
}

/// Ways to refine labels.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Refinement {
    /// A dense conditional random field
    Crf,
}

/// Runs `lucida segment`.
pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    if arguments.list {
        return console::print(&ids().join("\n"));
    }
    let Some(output) = &arguments.output else {
        return Err(Failure::Arguments("-o tells where the result goes".into()));
    };
    files::one_use_of_stdout(output, arguments.json)?;
    let mut plan = files::plan(&arguments.inputs, output, arguments.writing)?;
    let mask = Wanted { option: "--mask", name: "labels", endings: PNG, path: arguments.mask.as_deref() };
    let beside = Beside::new([mask], &mut plan, arguments.writing.force)?;
    let model = model(arguments.model.as_deref())?;
    let params = Params {
        longer_side: arguments.size,
        twice: arguments.mirror,
        refine: arguments.refine.map(|Refinement::Crf| Refine::default()),
        precision: arguments.arithmetic.precision,
    };
    let batch = Batch::new(session, &plan, arguments.json, arguments.writing.force);
    batch.run(plan, |job| one(arguments, &model, &params, &beside, &batch, job))
}

/// The models that ship with the program, then those that were added.
fn ids() -> Vec<String> {
    let shipped = models().into_iter().map(|m| m.id.to_owned());
    shipped.chain(asked::imported(Task::Segment)).collect()
}

/// The model that was asked for.
fn model(model: Option<&Path>) -> Result<SegmentationModel, Failure> {
    match asked::asked(model, &ids(), "segmentation")? {
        Asked::Id(id) => Ok(SegmentationModel::load(&id)?),
        Asked::File(path) => SegmentationModel::from_file(&path).map_err(|e| asked::unusable(&path, e)),
    }
}

/// One picture, from its file to its overlay's and its labels' files.
fn one(
    arguments: &Arguments,
    model: &SegmentationModel,
    params: &Params,
    beside: &Beside<1>,
    batch: &Batch<'_>,
    job: &Job,
) -> Result<Summary, Failure> {
    let original = arguments.writing.of(batch.open(&job.source)?);
    batch.warn_of_losses(&original, job)?;
    if matches!(arguments.mode, Mode::CutOut) && matches!(job.format, Format::Jpeg { .. }) {
        batch.warn(job, "cannot hold what is cut away (laid over white); use PNG or WebP");
    }
    let outcome = batch.watched(|watch| model.run(&original, params, watch))?;
    let mode = match arguments.mode {
        Mode::Fill => OverlayMode::Fill,
        Mode::Outlines => OverlayMode::Outlines,
        Mode::CutOut => OverlayMode::CutOut,
    };
    let opacity = arguments.opacity.unwrap_or(mode.usual_opacity());
    let overlay = Overlay { opacity, mode, colours: ClassColours::of(model.classes()), lit: None };
    let picture = overlay::export(&original, &outcome.labels, &overlay).map_err(|e| Failure::Work(e.to_string()))?;
    let mut files = Vec::new();
    let [mask] = beside.of(&job.target);
    if let Some(path) = mask {
        let [width, height] = outcome.size;
        let labels = imaging::encode_labels(width, height, &outcome.labels);
        let bytes = labels.map_err(|e| Failure::with(path.display(), e))?;
        files.push(Written { path, bytes });
    }
    batch.write(job, &picture, files, outcome.seconds)?;
    Ok(Summary::new(&outcome, model.classes()))
}

fn opacity(text: &str) -> Result<f32, String> {
    number(
        text,
        0.0..=1.0,
        "a number from 0 (the photo) to 1 (nothing but the classes' colours) is needed, such as 0.6",
    )
}
