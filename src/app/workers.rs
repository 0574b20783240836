//! What the two workers of the window are asked, what they answer, and the code that runs on their threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::ColorImage;

use super::compose::{Composition, Map};
use super::product::Product;
use super::segment_look::{Asked, SegmentLook};
use super::studio::PictureId;
use crate::gpu::{GpuError, LabelTexture, PictureTexture, ScalarTexture, overlay};
use crate::imaging::{self, Format, Picture};
use crate::jobs::{Desk, Failure};
use crate::nn::Watch;
use crate::tasks::TaskError;
use crate::tasks::segment::{Outcome, SegmentationModel};
use crate::tasks::style::{Params, Stylizer};

/// The longer side of thumbnails, in pixels.
const THUMB: u32 = 192;
/// The longer side of a gallery sample: what a style makes of the current picture.
const GALLERY: u32 = 224;
/// Above this many pixels a job first shows a preview at [`PREVIEW_SIDE`].
const PREVIEW_ABOVE: u64 = 700_000;
const PREVIEW_SIDE: u32 = 512;

/// What a network job is asked to do.
#[allow(missing_docs)] // the fields say it
pub enum NetJob {
    /// Load the model.
    Load,
    /// Run the style at full size.
    Style { entry: PictureId, picture: Arc<Picture>, params: Params },
    /// Small samples of all styles.
    Gallery { entry: PictureId, picture: Arc<Picture> },
    /// Tell the classes of a picture's pixels.
    Segment { entry: PictureId, picture: Arc<Picture>, asked: Asked },
}

impl NetJob {
    /// The picture it is for.
    pub fn entry(&self) -> Option<PictureId> {
        match self {
            NetJob::Load => None,
            NetJob::Style { entry, .. } | NetJob::Gallery { entry, .. } | NetJob::Segment { entry, .. } => Some(*entry),
        }
    }
}

/// What a network job gives back.
#[allow(missing_docs)] // the fields say it
pub enum NetOutcome {
    /// The styles the model has, by id, with their titles.
    Loaded(Arc<Stylizer>),
    /// A quick small result, until the full one is there.
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

/// What a file job is asked to do.
#[allow(missing_docs)] // the fields say it
pub enum FileJob {
    /// Read these files; folders stand for the pictures in them.
    Open(Vec<PathBuf>),
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
}

/// What a texture is for.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the fields say it
pub enum Place {
    Original,
    Styled(Params),
    Labels(Asked),
    Map(Asked, Map),
}

/// What a texture is made of.
#[allow(missing_docs)] // the fields say it
pub enum Pixels {
    Picture(Arc<Picture>),
    Segmentation(Arc<Outcome>),
}

/// A texture that was made.
#[allow(missing_docs)] // the fields say it
pub enum Uploaded {
    Picture(Arc<PictureTexture>),
    Labels(Arc<LabelTexture>),
    Map(Arc<ScalarTexture>),
}

/// What a file job gives back.
#[allow(missing_docs)] // the fields say it
pub enum FileOutcome {
    /// A picture was read.
    Opened { name: String, path: Option<PathBuf>, picture: Arc<Picture>, thumb: ColorImage },
    /// This one could not be read; the others go on.
    Refused { name: String, why: String },
    /// All files of the job were seen to.
    Read,
    /// A painting, by the id of its style.
    Painting(String, ColorImage),
    /// Pixels are on the GPU, or why they are not (nothing, where there is no GPU).
    Uploaded { entry: PictureId, place: Place, texture: Result<Uploaded, String> },
    /// These files are written.
    Saved(Vec<PathBuf>),
    /// For the clipboard.
    Composed(ColorImage),
}

/// Where textures are made, when there is a GPU.
pub type Gpu = Option<(wgpu::Device, wgpu::Queue)>;

fn thumb_of(picture: &Picture, side: u32) -> ColorImage {
    let small = picture.resized(side);
    ColorImage::from_rgba_unmultiplied([small.width() as usize, small.height() as usize], &small.to_srgba8())
}

fn upload(gpu: &Gpu, picture: &Picture) -> Option<Result<Arc<PictureTexture>, Failure>> {
    let (device, queue) = gpu.as_ref()?;
    Some(
        PictureTexture::upload(device, queue, picture.size(), &picture.to_srgba8())
            .map(Arc::new)
            .map_err(|e| Failure::Failed(e.to_string())),
    )
}

pub(super) fn net_work(gpu: Gpu) -> impl FnMut(&NetJob, &Desk<NetOutcome>) -> Result<NetOutcome, Failure> {
    let mut stylizer: Option<Arc<Stylizer>> = None;
    let mut segmenters = Segmenters::default();
    let failed = |e: TaskError| match e {
        TaskError::Cancelled => Failure::Cancelled,
        other => Failure::Failed(other.to_string()),
    };
    move |job, desk| {
        match job {
            NetJob::Segment { entry, picture, asked } => {
                segment(&mut segmenters, &gpu, desk, *entry, picture, asked).map_err(failed)
            }
            NetJob::Load => painters(&mut stylizer).map(NetOutcome::Loaded).map_err(failed),
            NetJob::Style { entry, picture, params } => {
                let model = painters(&mut stylizer).map_err(failed)?;
                let (entry, params) = (*entry, params.clone());
                // The preview is worth its small cost only where the person would otherwise wait.
                let work_size = params.longer_side.unwrap_or(u32::MAX).min(picture.width().max(picture.height()));
                if picture.pixels() > PREVIEW_ABOVE && work_size > PREVIEW_SIDE {
                    let small = picture.resized(PREVIEW_SIDE);
                    let quick = Params { longer_side: None, ..params.clone() };
                    let outcome = desk.watched(|w| model.run(&small, &quick, &w.part(0.0, 0.02))).map_err(failed)?;
                    let image = upload(&gpu, &outcome.styled).transpose()?;
                    desk.part(NetOutcome::Preview { entry, params: params.clone(), image });
                }
                let outcome = desk.watched(|w| model.run(picture, &params, &w.part(0.02, 1.0))).map_err(failed)?;
                let (thumb, texture) = (thumb_of(&outcome.styled, THUMB), upload(&gpu, &outcome.styled));
                Ok(NetOutcome::Styled {
                    entry,
                    params,
                    thumb,
                    // No room on the GPU is no reason to lose the result: it can still be exported.
                    texture: texture.and_then(Result::ok),
                    styled: Arc::new(outcome.styled),
                    seconds: outcome.seconds,
                })
            }
            NetJob::Gallery { entry, picture } => {
                let model = painters(&mut stylizer).map_err(failed)?;
                let small = picture.resized(GALLERY);
                let styles = model.styles();
                for (i, style) in styles.iter().enumerate() {
                    let params = Params { mix: vec![(style.id.clone(), 1.0)], ..Params::default() };
                    let (from, to) = (i as f32 / styles.len() as f32, (i + 1) as f32 / styles.len() as f32);
                    let run = |w: &Watch| model.run(&small, &params, &w.part(from, to));
                    let outcome = desk.watched(run).map_err(failed)?;
                    desk.part(NetOutcome::Sample {
                        entry: *entry,
                        style: style.id.clone(),
                        image: thumb_of(&outcome.styled, GALLERY),
                    });
                }
                Ok(NetOutcome::GalleryDone)
            }
        }
    }
}

/// The style model, loaded when it is first needed.
fn painters(loaded: &mut Option<Arc<Stylizer>>) -> Result<Arc<Stylizer>, TaskError> {
    match loaded {
        Some(model) => Ok(model.clone()),
        None => Ok(loaded.insert(Arc::new(Stylizer::load()?)).clone()),
    }
}

/// The segmentation models used last, the latest first.
#[derive(Default)]
struct Segmenters(Vec<(Key, Arc<SegmentationModel>)>);

/// A model, and of a checkpoint when its file was written last.
type Key = (String, Option<std::time::SystemTime>);

impl Segmenters {
    /// How many stay loaded: one and what it is compared with, and one more to go back to. Some are of 200 MB.
    const KEEP: usize = 3;

    fn get(&mut self, model: &str) -> Result<Arc<SegmentationModel>, TaskError> {
        let written = std::fs::metadata(model).and_then(|m| m.modified()).ok();
        let key = (model.to_owned(), written);
        let found = match self.0.iter().position(|(k, _)| *k == key) {
            Some(at) => self.0.remove(at).1,
            None => Arc::new(SegmentationModel::named(model)?),
        };
        self.0.truncate(Self::KEEP - 1);
        self.0.insert(0, (key, found.clone()));
        Ok(found)
    }
}

fn segment(
    models: &mut Segmenters,
    gpu: &Gpu,
    desk: &Desk<NetOutcome>,
    entry: PictureId,
    picture: &Arc<Picture>,
    asked: &Asked,
) -> Result<NetOutcome, TaskError> {
    let model = models.get(&asked.model)?;
    let outcome = desk.watched(|w| model.run(picture, &asked.params, w))?;
    // The thumbnail is of all classes in their own colours, whatever is shown now.
    let look = SegmentLook::default().plain_overlay(model.classes());
    let small = picture.resized(THUMB);
    let labels = desk.watched(|w| outcome.scores.labels(small.size().map(|side| side as usize), w.token()))?;
    let thumb = thumb_of(&overlay::export(&small, &labels, &look)?, THUMB);
    // No room on the GPU is no reason to lose the result: it can still be exported.
    let texture = gpu.as_ref().and_then(|(device, queue)| {
        LabelTexture::upload(device, queue, outcome.size, &outcome.labels).map(Arc::new).ok()
    });
    let classes = model.classes().into();
    let outcome = Arc::new(outcome);
    Ok(NetOutcome::Segmented(Box::new(SegmentDone { entry, asked: asked.clone(), outcome, classes, thumb, texture })))
}

pub(super) fn file_work(gpu: Gpu) -> impl FnMut(&FileJob, &Desk<FileOutcome>) -> Result<FileOutcome, Failure> {
    move |job, desk| {
        let failed = |e: imaging::ImagingError| Failure::Failed(e.to_string());
        match job {
            FileJob::Open(paths) => {
                for path in paths {
                    open_into(desk, path);
                }
                Ok(FileOutcome::Read)
            }
            FileJob::Keep { name, picture, folder } => {
                let path = folder.as_ref().map(|f| f.join(format!("{name}.png")));
                if let Some(path) = &path {
                    // Without a place to keep it the picture is still shown; only the next start will not have it.
                    let kept = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
                        .map_err(|e| e.to_string())
                        .and_then(|()| imaging::encode(picture, Format::Png).map_err(|e| e.to_string()))
                        .and_then(|bytes| imaging::save_bytes(path, &bytes, true).map_err(|e| e.to_string()));
                    if let Err(why) = kept {
                        log::warn!("a pasted picture could not be kept: {why}");
                    }
                }
                let path = path.filter(|p| p.exists());
                Ok(FileOutcome::Opened {
                    thumb: thumb_of(picture, THUMB),
                    name: name.clone(),
                    path,
                    picture: picture.clone(),
                })
            }
            FileJob::Sample { name, bytes } => {
                let picture = imaging::decode(bytes).map_err(failed)?;
                Ok(FileOutcome::Opened {
                    thumb: thumb_of(&picture, THUMB),
                    name: (*name).into(),
                    path: None,
                    picture: Arc::new(picture),
                })
            }
            FileJob::Paintings => {
                for (style, bytes) in crate::zoo::paintings() {
                    let picture = imaging::decode(bytes).map_err(failed)?;
                    desk.part(FileOutcome::Painting((*style).to_owned(), thumb_of(&picture, GALLERY)));
                }
                Ok(FileOutcome::Read)
            }
            FileJob::Upload { entry, place, pixels } => {
                let texture = match &gpu {
                    Some(gpu) => place.texture(gpu, pixels).map_err(|e| e.to_string()),
                    None => Err(String::new()),
                };
                Ok(FileOutcome::Uploaded { entry: *entry, place: place.clone(), texture })
            }
            FileJob::Export { product, path, replace } => {
                product.save(path, *replace).map(|()| FileOutcome::Saved(product.files(path))).map_err(failed)
            }
            FileJob::Copy(composition) => {
                let p = composition.compose().map_err(failed)?;
                let size = [p.width() as usize, p.height() as usize];
                Ok(FileOutcome::Composed(ColorImage::from_rgba_unmultiplied(size, &p.to_srgba8())))
            }
        }
    }
}

impl Place {
    fn texture(&self, (device, queue): &(wgpu::Device, wgpu::Queue), pixels: &Pixels) -> Result<Uploaded, GpuError> {
        match (self, pixels) {
            (Place::Map(_, map), Pixels::Segmentation(outcome)) => {
                let (size, values) = map.values(outcome);
                ScalarTexture::upload(device, queue, size, &values).map(|t| Uploaded::Map(Arc::new(t)))
            }
            (_, Pixels::Segmentation(outcome)) => LabelTexture::upload(device, queue, outcome.size, &outcome.labels)
                .map(|t| Uploaded::Labels(Arc::new(t))),
            (_, Pixels::Picture(picture)) => {
                PictureTexture::upload(device, queue, picture.size(), &picture.to_srgba8())
                    .map(|t| Uploaded::Picture(Arc::new(t)))
            }
        }
    }
}

fn open_into(desk: &Desk<FileOutcome>, path: &Path) {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    if path.is_dir() {
        match imaging::pictures_in(path) {
            Ok(inside) if inside.is_empty() => {
                desk.part(FileOutcome::Refused { name, why: "There are no pictures in this folder.".into() });
            }
            Ok(inside) => inside.iter().for_each(|p| open_into(desk, p)),
            Err(e) => desk.part(FileOutcome::Refused { name, why: e.to_string() }),
        }
        return;
    }
    desk.part(match imaging::open(path) {
        Ok(picture) => FileOutcome::Opened {
            thumb: thumb_of(&picture, THUMB),
            name,
            path: Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            picture: Arc::new(picture),
        },
        Err(e) => FileOutcome::Refused { name, why: e.to_string() },
    });
}
