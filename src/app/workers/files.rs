//! The code that reads and writes files, and prepares textures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::ColorImage;

use super::captions;
use super::{FileJob, FileOutcome, GALLERY, Gpu, Pixels, Place, THUMB, Uploaded, thumb_of};
use crate::app::trouble::NoPictures;
use crate::gpu::{GpuError, LabelTexture, PictureTexture, ScalarTexture};
use crate::imaging::{self, Format, ImagingError, Listing, Picture};
use crate::jobs::{Desk, Failure, Trouble};
use crate::tasks::translate::Map;
use crate::zoo::{self, WordMap, ZooError};

pub(in crate::app) fn file_work(gpu: Gpu) -> impl FnMut(&FileJob, &Desk<FileOutcome>) -> Result<FileOutcome, Failure> {
    move |job, desk| {
        match job {
            FileJob::List { paths, but } => {
                let mut listed = listed(desk, paths);
                listed.retain(|path| std::path::absolute(path).map_or(true, |path| !but.contains(&path)));
                Ok(FileOutcome::Listed(listed))
            }
            FileJob::Open(path) => Ok(match imaging::open(path) {
                Ok(picture) => FileOutcome::Opened {
                    thumb: thumb_of(&picture, THUMB),
                    name: name_of(path),
                    path: Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
                    picture: Arc::new(picture),
                },
                Err(e) => FileOutcome::refused(path, Arc::new(e)),
            }),
            FileJob::Keep { name, picture, folder } => {
                let path = folder.as_ref().map(|f| f.join(format!("{name}.png")));
                if let Some(path) = &path {
                    // Without a place to keep it the picture is still shown; only the next start will not have it.
                    if let Err(why) = kept(picture, path) {
                        desk.part(FileOutcome::refused(path, Arc::new(why)));
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
                let picture = imaging::decode(bytes).map_err(Failure::of)?;
                Ok(FileOutcome::Opened {
                    thumb: thumb_of(&picture, THUMB),
                    name: (*name).into(),
                    path: None,
                    picture: Arc::new(picture),
                })
            }
            FileJob::Paintings => {
                for (style, bytes) in crate::zoo::paintings() {
                    let picture = imaging::decode(bytes).map_err(Failure::of)?;
                    desk.part(FileOutcome::Painting((*style).to_owned(), thumb_of(&picture, GALLERY)));
                }
                Ok(FileOutcome::Read)
            }
            FileJob::Recognise(path) => Ok(match recognised(path) {
                Ok(task) => FileOutcome::Recognised { path: path.clone(), task },
                Err(e) => FileOutcome::refused(path, Arc::new(e)),
            }),
            FileJob::Partner { entry, source, size } => {
                let found = source.read(*size).unwrap_or_else(|(path, why)| {
                    desk.part(FileOutcome::refused(&path, why));
                    None
                });
                Ok(FileOutcome::Partner { entry: *entry, found })
            }
            FileJob::Compare { entry, asked, photo, result, partner: (path, partner) } => Ok(FileOutcome::Compared {
                entry: *entry,
                asked: asked.clone(),
                path: path.clone(),
                l1: Map::difference(result, partner, photo).mean,
            }),
            FileJob::Upload { entry, place, pixels } => {
                let texture = match &gpu {
                    Some(gpu) => place.texture(gpu, pixels).map_err(|e| Some(Arc::new(e) as Trouble)),
                    None => Err(None),
                };
                Ok(FileOutcome::Uploaded { entry: *entry, place: place.clone(), texture })
            }
            FileJob::Export { product, path, replace } => {
                product.save(path, *replace).map(|()| FileOutcome::Saved(product.files(path))).map_err(Failure::of)
            }
            FileJob::Copy(composition) => {
                let p = composition.compose().map_err(Failure::of)?;
                let size = [p.width() as usize, p.height() as usize];
                Ok(FileOutcome::Composed(ColorImage::from_rgba_unmultiplied(size, &p.to_srgba8())))
            }
        }
    }
}

impl Place {
    fn texture(&self, gpu: &(wgpu::Device, wgpu::Queue), pixels: &Pixels) -> Result<Uploaded, GpuError> {
        let (device, queue) = gpu;
        match (self, pixels) {
            (_, Pixels::Caption(outcome, greedy)) => {
                captions::upload(gpu, outcome, greedy.as_deref()).map(Uploaded::Maps)
            }
            (Place::Map(_, map), Pixels::Segmentation(outcome)) => {
                let (size, values) = map.values(outcome);
                ScalarTexture::upload(device, queue, size, &values).map(|t| Uploaded::Map(Arc::new(t)))
            }
            (place, Pixels::Translation(outcome)) => {
                // Its pictures come as pictures.
                let chart = if let Place::Chart(_, chart) = place { chart.of(outcome) } else { None };
                let map = chart.ok_or(GpuError::MapShape { size: [0; 2], values: 0 })?;
                ScalarTexture::upload(device, queue, map.size, &map.values).map(|t| Uploaded::Map(Arc::new(t)))
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

impl FileOutcome {
    fn refused(path: &Path, why: Trouble) -> FileOutcome {
        let away = path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        FileOutcome::Refused { path: path.to_owned(), name: name_of(path), why, away }
    }
}

/// Writes a pasted picture to `path`, with its folder.
fn kept(picture: &Picture, path: &Path) -> Result<(), ImagingError> {
    imaging::make_folder(path.parent().unwrap_or(Path::new(".")))?;
    imaging::save_bytes(path, &imaging::encode(picture, Format::Png)?, false)
}

/// The pictures that `paths` stand for.
fn listed(desk: &Desk<FileOutcome>, paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        let refused = |why: Trouble| desk.part(FileOutcome::refused(path, why));
        match path.is_dir().then(|| Listing::of(path)) {
            None => all.push(path.clone()),
            Some(Ok(inside)) if inside.pictures.is_empty() => refused(Arc::new(NoPictures)),
            Some(Ok(inside)) => {
                let count = inside.others.len() + inside.folders;
                if count > 0 {
                    desk.part(FileOutcome::LeftOut { folder: path.clone(), count });
                }
                all.extend(inside.pictures);
            }
            Some(Err(e)) => refused(Arc::new(e)),
        }
    }
    all
}

/// The task that a checkpoint is for. One of captions needs what lies beside it.
fn recognised(path: &Path) -> Result<zoo::Task, ZooError> {
    let tensors = zoo::read_tensors(path)?;
    let task = zoo::task_of(&tensors)?;
    if task == zoo::Task::Caption {
        let name = || name_of(path);
        if WordMap::of(path)?.is_none() {
            return Err(ZooError::NoWordMap { name: name() });
        }
        if !tensors.keys().any(|key| key.starts_with("encoder.")) && zoo::encoder_beside(path).is_none() {
            return Err(ZooError::NoEncoder { name: name() });
        }
    }
    Ok(task)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
