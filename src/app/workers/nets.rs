//! The code that runs networks.

use std::path::Path;
use std::sync::Arc;

use super::captions::Captioners;
use super::{GALLERY, Gpu, NetJob, NetOutcome, PREVIEW_SIDE, SegmentDone, THUMB, TranslateDone, thumb_of, upload};
use crate::app::entry::PictureId;
use crate::app::segment_look::{self, SegmentLook};
use crate::app::translate_look::{self, Facts, Model};
use crate::gpu::{LabelTexture, overlay};
use crate::imaging::Picture;
use crate::jobs::{Desk, Failure};
use crate::nn::Watch;
use crate::tasks::TaskError;
use crate::tasks::segment::SegmentationModel;
use crate::tasks::style::{Params, Stylizer};
use crate::tasks::translate::TranslationModel;

pub(in crate::app) fn net_work(gpu: Gpu) -> impl FnMut(&NetJob, &Desk<NetOutcome>) -> Result<NetOutcome, Failure> {
    let mut stylizer: Option<Arc<Stylizer>> = None;
    let mut segmenters = Models::default();
    let mut translators = Models::default();
    let mut captioners = Captioners::default();
    let failed = |e: TaskError| match e {
        TaskError::Cancelled => Failure::Cancelled,
        other => Failure::of(other),
    };
    move |job, desk| {
        match job {
            NetJob::Segment { entry, picture, asked } => {
                segment(&mut segmenters, &gpu, desk, *entry, picture, asked).map_err(failed)
            }
            NetJob::Meet { model } => {
                // Met again, it was opened again: its file may be the same, but others lie beside it by now.
                translators.forget(&names(model));
                translator(&mut translators, model)
                    .map(|loaded| NetOutcome::Met { model: model.clone(), facts: Facts::of(&loaded) })
                    .map_err(failed)
            }
            NetJob::Translate { entry, picture, asked } => {
                translate(&mut translators, &gpu, desk, *entry, picture, asked).map_err(failed)
            }
            NetJob::Caption { entry, picture, asked } => {
                captioners.caption(&gpu, desk, *entry, picture, asked).map_err(failed)
            }
            NetJob::Load => painters(&mut stylizer).map(NetOutcome::Loaded).map_err(failed),
            NetJob::Preview { entry, picture, params } => {
                let model = painters(&mut stylizer).map_err(failed)?;
                let quick = Params { longer_side: None, ..params.clone() };
                let run = |w: &Watch| model.run(&picture.resized(PREVIEW_SIDE), &quick, w);
                let outcome = desk.watched(run).map_err(failed)?;
                let image = upload(&gpu, &outcome.styled).transpose()?;
                Ok(NetOutcome::Preview { entry: *entry, params: params.clone(), image })
            }
            NetJob::Style { entry, picture, params } => {
                let model = painters(&mut stylizer).map_err(failed)?;
                let (entry, params) = (*entry, params.clone());
                let outcome = desk.watched(|w| model.run(picture, &params, w)).map_err(failed)?;
                let thumb = thumb_of(&outcome.styled, THUMB);
                desk.check().map_err(|e| failed(e.into()))?;
                let texture = upload(&gpu, &outcome.styled);
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

/// The models of one task that were used last, the latest first.
pub(super) struct Models<M>(Vec<(Key, Arc<M>)>);

impl<M> Default for Models<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The ids or files of a model's networks, and of files when they were written last.
pub(super) type Key = Vec<(String, Option<std::time::SystemTime>)>;

impl<M> Models<M> {
    /// How many stay loaded: one and what it is compared with, and one more to go back to. Some are of 200 MB.
    const KEEP: usize = 3;

    fn get(&mut self, names: &[&str], load: impl FnOnce() -> Result<M, TaskError>) -> Result<Arc<M>, TaskError> {
        self.keyed(names, load).map(|(_, model)| model)
    }

    /// The same, with what tells these weights from others under the same names.
    pub(super) fn keyed(
        &mut self,
        names: &[&str],
        load: impl FnOnce() -> Result<M, TaskError>,
    ) -> Result<(Key, Arc<M>), TaskError> {
        let written = |name: &str| std::fs::metadata(name).and_then(|m| m.modified()).ok();
        let key: Key = names.iter().map(|name| ((*name).to_owned(), written(name))).collect();
        let found = match self.0.iter().position(|(k, _)| *k == key) {
            Some(at) => self.0.remove(at).1,
            None => Arc::new(load()?),
        };
        self.0.truncate(Self::KEEP - 1);
        self.0.insert(0, (key.clone(), found.clone()));
        Ok((key, found))
    }

    /// Lets a model be read anew.
    fn forget(&mut self, names: &[&str]) {
        self.0.retain(|(key, _)| !key.iter().map(|(name, _)| name).eq(names));
    }
}

fn segment(
    models: &mut Models<SegmentationModel>,
    gpu: &Gpu,
    desk: &Desk<NetOutcome>,
    entry: PictureId,
    picture: &Arc<Picture>,
    asked: &segment_look::Asked,
) -> Result<NetOutcome, TaskError> {
    let model = models.get(&[&asked.model], || SegmentationModel::named(&asked.model))?;
    let outcome = desk.watched(|w| model.run(picture, &asked.params, w))?;
    // The thumbnail is of all classes in their own colours, whatever is shown now.
    let look = SegmentLook::default().plain_overlay(model.classes());
    let small = picture.resized(THUMB);
    let labels = desk.watched(|w| outcome.scores.labels(small.size().map(|side| side as usize), w.token()))?;
    let thumb = thumb_of(&overlay::export(&small, &labels, &look)?, THUMB);
    desk.check()?;
    // No room on the GPU is no reason to lose the result: it can still be exported.
    let texture = gpu.as_ref().and_then(|(device, queue)| {
        LabelTexture::upload(device, queue, outcome.size, &outcome.labels).map(Arc::new).ok()
    });
    let classes = model.classes().into();
    let outcome = Arc::new(outcome);
    Ok(NetOutcome::Segmented(Box::new(SegmentDone { entry, asked: asked.clone(), outcome, classes, thumb, texture })))
}

fn names(model: &Model) -> Vec<&str> {
    std::iter::once(model.id.as_str()).chain(model.back.as_deref()).collect()
}

fn translator(models: &mut Models<TranslationModel>, model: &Model) -> Result<Arc<TranslationModel>, TaskError> {
    models.get(&names(model), || TranslationModel::named(&model.id, model.back.as_deref().map(Path::new)))
}

fn translate(
    models: &mut Models<TranslationModel>,
    gpu: &Gpu,
    desk: &Desk<NetOutcome>,
    entry: PictureId,
    picture: &Arc<Picture>,
    asked: &translate_look::Asked,
) -> Result<NetOutcome, TaskError> {
    let model = translator(models, &asked.model)?;
    let outcome = Arc::new(desk.watched(|w| model.run(picture, &asked.params, w))?);
    let thumb = thumb_of(&outcome.translated, THUMB);
    desk.check()?;
    // No room on the GPU is no reason to lose the result: it can still be exported.
    let texture = upload(gpu, &outcome.translated).and_then(Result::ok);
    Ok(NetOutcome::Translated(Box::new(TranslateDone { entry, asked: asked.clone(), outcome, thumb, texture })))
}
