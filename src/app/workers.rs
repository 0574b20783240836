//! What the two workers of the window are asked, what they answer, and the code that runs on their threads.

mod captions;
mod files;
mod nets;

use std::path::PathBuf;
use std::sync::Arc;

use egui::ColorImage;

use super::caption_look;
use super::captioned::Maps;
use super::compose::{Composition, Map};
use super::entry::PictureId;
use super::partner::{Found, Source};
use super::product::Product;
use super::segment_look::Asked;
use super::translate_look::{self, Chart, Facts, Model, Part};
use crate::gpu::{LabelTexture, PictureTexture, ScalarTexture};
use crate::imaging::Picture;
use crate::jobs::{Failure, Trouble};
use crate::tasks::caption;
use crate::tasks::segment::Outcome;
use crate::tasks::style::{Params, Stylizer};
use crate::tasks::translate;
use crate::zoo;

pub(super) use files::file_work;
pub(super) use nets::net_work;

/// The longer side of thumbnails, in pixels.
const THUMB: u32 = 192;
/// The longer side of a gallery sample: what a style makes of the current picture.
const GALLERY: u32 = 224;
/// Above this many pixels a style is first shown on a copy of [`PREVIEW_SIDE`].
const PREVIEW_ABOVE: u64 = 700_000;
const PREVIEW_SIDE: u32 = 512;

/// Whether a preview is worth its small cost: only where the person would otherwise wait.
pub(super) fn preview_pays(picture: &Picture, params: &Params) -> bool {
    let work_size = params.longer_side.unwrap_or(u32::MAX).min(picture.width().max(picture.height()));
    picture.pixels() > PREVIEW_ABOVE && work_size > PREVIEW_SIDE
}

/// What a network job is asked to do.
#[allow(missing_docs)] // the fields say it
pub enum NetJob {
    /// Load the model.
    Load,
    /// Run the style on a small copy, to have something to look at meanwhile.
    Preview { entry: PictureId, picture: Arc<Picture>, params: Params },
    /// Run the style at full size.
    Style { entry: PictureId, picture: Arc<Picture>, params: Params },
    /// Small samples of all styles.
    Gallery { entry: PictureId, picture: Arc<Picture> },
    /// Tell the classes of a picture's pixels.
    Segment { entry: PictureId, picture: Arc<Picture>, asked: Asked },
    /// Load a translation model, to see what it can do.
    Meet { model: Model },
    /// Translate.
    Translate { entry: PictureId, picture: Arc<Picture>, asked: translate_look::Asked },
    /// Say what is in a picture.
    Caption { entry: PictureId, picture: Arc<Picture>, asked: caption_look::Asked },
}

impl NetJob {
    /// The picture it is for.
    pub fn entry(&self) -> Option<PictureId> {
        match self {
            NetJob::Load | NetJob::Meet { .. } => None,
            NetJob::Preview { entry, .. }
            | NetJob::Style { entry, .. }
            | NetJob::Gallery { entry, .. }
            | NetJob::Segment { entry, .. }
            | NetJob::Translate { entry, .. }
            | NetJob::Caption { entry, .. } => Some(*entry),
        }
    }

    /// What its result will take of memory, counted as for the strip.
    pub fn bytes(&self) -> u64 {
        match self {
            NetJob::Style { picture, .. } => picture.bytes(),
            NetJob::Segment { picture, .. } => picture.pixels(),
            NetJob::Translate { picture, asked, .. } => picture.bytes() * if asked.params.cycle { 3 } else { 1 },
            NetJob::Load
            | NetJob::Preview { .. }
            | NetJob::Gallery { .. }
            | NetJob::Meet { .. }
            | NetJob::Caption { .. } => 0,
        }
    }

    /// Whether it runs or loads the model of this id, or the checkpoint at this path.
    pub fn uses(&self, model: &str) -> bool {
        match self {
            NetJob::Load | NetJob::Preview { .. } | NetJob::Style { .. } | NetJob::Gallery { .. } => false,
            NetJob::Segment { asked, .. } => asked.model == model,
            NetJob::Meet { model: loaded } => loaded.uses(model),
            NetJob::Translate { asked, .. } => asked.model.uses(model),
            NetJob::Caption { asked, .. } => asked.model == model,
        }
    }
}

/// What a network job gives back.
#[allow(missing_docs)] // the fields say it
pub enum NetOutcome {
    /// The style model is loaded.
    Loaded(Arc<Stylizer>),
    /// A quick small result, until the full one is there; nothing, where it cannot be on the GPU.
    Preview { entry: PictureId, params: Params, image: Option<Arc<PictureTexture>> },
    /// The full result.
    Styled {
        entry: PictureId,
        params: Params,
        styled: Arc<Picture>,
        thumb: ColorImage,
        texture: Option<Arc<PictureTexture>>,
        seconds: f64,
    },
    /// One style's sample.
    Sample { entry: PictureId, style: String, image: ColorImage },
    /// The gallery is complete.
    GalleryDone,
    /// The classes of a picture's pixels.
    Segmented(Box<SegmentDone>),
    /// A translation model was loaded.
    Met { model: Model, facts: Facts },
    /// The translated picture, and what was asked for beside it.
    Translated(Box<TranslateDone>),
    /// How the likeliest sentence goes so far.
    Telling { entry: PictureId, asked: caption_look::Asked, words: Vec<String> },
    /// The sentences.
    Captioned(Box<CaptionDone>),
}

/// A finished segmentation, on its way to the window.
#[allow(missing_docs)] // the fields say it
pub struct SegmentDone {
    pub entry: PictureId,
    pub asked: Asked,
    pub outcome: Arc<Outcome>,
    /// The names of the classes.
    pub classes: Arc<[String]>,
    pub thumb: ColorImage,
    pub texture: Option<Arc<LabelTexture>>,
}

/// A finished translation, on its way to the window.
#[allow(missing_docs)] // the fields say it
pub struct TranslateDone {
    pub entry: PictureId,
    pub asked: translate_look::Asked,
    pub outcome: Arc<translate::Outcome>,
    pub thumb: ColorImage,
    pub texture: Option<Arc<PictureTexture>>,
}

/// A finished caption, on its way to the window.
#[allow(missing_docs)] // the fields say it
pub struct CaptionDone {
    pub entry: PictureId,
    pub asked: caption_look::Asked,
    pub outcome: Arc<caption::Outcome>,
    /// What the greedy search says, where that is another one.
    pub greedy: Option<Arc<caption::Outcome>>,
    pub maps: Option<Arc<Maps>>,
}

/// What a file job is asked to do.
#[allow(missing_docs)] // the fields say it
pub enum FileJob {
    /// Tell which pictures these are, some left out; folders stand for those in them.
    List { paths: Vec<PathBuf>, but: Vec<PathBuf> },
    /// Read a picture.
    Open(PathBuf),
    /// Take over pixels that have no file, and keep them in one, so that the next start still has them.
    Keep { name: String, picture: Arc<Picture>, folder: Option<PathBuf> },
    /// A picture that comes with Lucida.
    Sample { name: &'static str, bytes: &'static [u8] },
    /// The paintings behind the styles, as small pictures.
    Paintings,
    /// Put pixels on the GPU.
    Upload { entry: PictureId, place: Place, pixels: Pixels },
    /// Compose and save.
    Export { product: Product, path: PathBuf, replace: bool },
    /// Compose for the clipboard.
    Copy(Composition),
    /// Tell what a checkpoint is for.
    Recognise(PathBuf),
    /// Read the true partner of a picture, which has this size.
    Partner { entry: PictureId, source: Source, size: [u32; 2] },
    /// Tell how far a translation is from its picture's partner, which comes with its path.
    Compare {
        entry: PictureId,
        asked: translate_look::Asked,
        photo: Arc<Picture>,
        result: Arc<Picture>,
        partner: (PathBuf, Arc<Picture>),
    },
}

/// What a texture is for.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the fields say it
pub enum Place {
    Original,
    Styled(Params),
    Labels(Asked),
    Map(Asked, Map),
    Translated(translate_look::Asked, Part),
    Chart(translate_look::Asked, Chart),
    /// All maps of a caption.
    Attention(caption_look::Asked),
    /// The true partner that was read from this file.
    Partner(PathBuf),
}

/// What a texture is made of.
#[allow(missing_docs)] // the fields say it
pub enum Pixels {
    Picture(Arc<Picture>),
    Segmentation(Arc<Outcome>),
    Translation(Arc<translate::Outcome>),
    /// What was said, and what the greedy search says.
    Caption(Arc<caption::Outcome>, Option<Arc<caption::Outcome>>),
}

/// A texture that was made.
#[allow(missing_docs)] // the fields say it
pub enum Uploaded {
    Picture(Arc<PictureTexture>),
    Labels(Arc<LabelTexture>),
    Map(Arc<ScalarTexture>),
    Maps(Arc<Maps>),
}

/// What a file job gives back.
#[allow(missing_docs)] // the fields say it
pub enum FileOutcome {
    /// A picture was read.
    Opened { name: String, path: Option<PathBuf>, picture: Arc<Picture>, thumb: ColorImage },
    /// The pictures there are to read.
    Listed(Vec<PathBuf>),
    /// So many files and folders of a folder are no pictures that can be read.
    LeftOut { folder: PathBuf, count: usize },
    /// This one could not be read; the others go on.
    Refused {
        path: PathBuf,
        name: String,
        why: Trouble,
        /// Its folder is not there: its disk may only be away.
        away: bool,
    },
    /// All paintings were read.
    Read,
    /// A painting, by the id of its style.
    Painting(String, ColorImage),
    /// Pixels are on the GPU, or why they are not (nothing, where there is no GPU).
    Uploaded { entry: PictureId, place: Place, texture: Result<Uploaded, Option<Trouble>> },
    /// These files are written.
    Saved(Vec<PathBuf>),
    /// For the clipboard.
    Composed(ColorImage),
    /// What a checkpoint is for.
    Recognised { path: PathBuf, task: zoo::Task },
    /// A picture's true partner, if there is one.
    Partner { entry: PictureId, found: Option<Found> },
    /// How far a translation is from its picture's partner, 0..=1, and which that was.
    Compared { entry: PictureId, asked: translate_look::Asked, path: PathBuf, l1: f64 },
}

/// Where textures are made, when there is a GPU.
pub type Gpu = Option<(wgpu::Device, wgpu::Queue)>;

fn thumb_of(picture: &Picture, side: u32) -> ColorImage {
    let small = picture.resized(side);
    ColorImage::from_rgba_unmultiplied([small.width() as usize, small.height() as usize], &small.to_srgba8())
}

fn upload(gpu: &Gpu, picture: &Picture) -> Option<Result<Arc<PictureTexture>, Failure>> {
    let (device, queue) = gpu.as_ref()?;
    Some(PictureTexture::upload(device, queue, picture.size(), &picture.to_srgba8()).map(Arc::new).map_err(Failure::of))
}
