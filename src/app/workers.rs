//! What the two workers of the window are asked, what they answer, and the code that runs on their threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::ColorImage;

use super::session::Look;
use super::studio::PictureId;
use crate::gpu::PictureTexture;
use crate::imaging::{self, Format, Picture};
use crate::jobs::{Desk, Failure};
use crate::nn::Watch;
use crate::tasks::TaskError;
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
    Upload { entry: PictureId, made: Option<Params>, picture: Arc<Picture> },
    /// Compose and save.
    Export {
        original: Arc<Picture>,
        styled: Option<Arc<Picture>>,
        look: Look,
        path: PathBuf,
        format: Format,
        replace: bool,
    },
    /// Compose for the clipboard.
    Copy { original: Arc<Picture>, styled: Option<Arc<Picture>>, look: Look },
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
    Uploaded { entry: PictureId, made: Option<Params>, texture: Result<Arc<PictureTexture>, String> },
    /// The file is written.
    Saved(PathBuf),
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
    let failed = |e: TaskError| match e {
        TaskError::Cancelled => Failure::Cancelled,
        other => Failure::Failed(other.to_string()),
    };
    move |job, desk| {
        let model = match &stylizer {
            Some(s) => s.clone(),
            None => stylizer.insert(Arc::new(Stylizer::load().map_err(failed)?)).clone(),
        };
        match job {
            NetJob::Load => Ok(NetOutcome::Loaded(model)),
            NetJob::Style { entry, picture, params } => {
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
            FileJob::Upload { entry, made, picture } => {
                let texture = upload(&gpu, picture).map(|t| t.map_err(|e| e.to_string()));
                Ok(FileOutcome::Uploaded {
                    entry: *entry,
                    made: made.clone(),
                    texture: texture.unwrap_or(Err(String::new())),
                })
            }
            FileJob::Export { original, styled, look, path, format, replace } => {
                let picture = compose(original, styled.as_deref(), look).map_err(failed)?;
                let bytes = imaging::encode(&picture, *format).map_err(failed)?;
                imaging::save_bytes(path, &bytes, *replace).map_err(failed)?;
                Ok(FileOutcome::Saved(path.clone()))
            }
            FileJob::Copy { original, styled, look } => {
                let p = compose(original, styled.as_deref(), look).map_err(failed)?;
                let size = [p.width() as usize, p.height() as usize];
                Ok(FileOutcome::Composed(ColorImage::from_rgba_unmultiplied(size, &p.to_srgba8())))
            }
        }
    }
}

fn compose(original: &Picture, styled: Option<&Picture>, look: &Look) -> Result<Picture, imaging::ImagingError> {
    match styled {
        Some(styled) => crate::gpu::composite::export(original, styled, look.blend()),
        None => Ok(original.clone()),
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
