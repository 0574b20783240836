//! The code that describes pictures.

use std::path::Path;
use std::sync::Arc;

use super::nets::{Key, Models};
use super::{CaptionDone, Gpu, NetOutcome};
use crate::app::caption_look::Asked;
use crate::app::captioned::{Maps, OnGpu, maps_of};
use crate::app::entry::PictureId;
use crate::gpu::{GpuError, ScalarTexture, attention};
use crate::imaging::Picture;
use crate::jobs::Desk;
use crate::nn::Precision;
use crate::tasks::TaskError;
use crate::tasks::caption::{Beside, CaptionModel, LOOKING, Outcome, Params, Seen};
use crate::zoo::{self, WordMap};

/// How many looks at pictures are kept, so that another beam or a forced word does not take another one; each is of some
/// megabytes.
const LOOKS: usize = 8;

/// A look at a picture: with which model, and how exactly.
type Look = (Key, PictureId, Precision);

/// The captioning models that were used last, and what they saw.
#[derive(Default)]
pub(super) struct Captioners {
    models: Models<CaptionModel>,
    seen: Vec<(Look, Arc<Seen>)>,
}

impl Captioners {
    pub(super) fn caption(
        &mut self,
        gpu: &Gpu,
        desk: &Desk<NetOutcome>,
        entry: PictureId,
        picture: &Picture,
        asked: &Asked,
    ) -> Result<NetOutcome, TaskError> {
        // What lies beside a checkpoint is a part of the model.
        let file = Some(Path::new(&asked.model)).filter(|file| file.is_file());
        let beside = [file.and_then(WordMap::beside), file.and_then(zoo::encoder_beside)].into_iter().flatten();
        let names: Vec<_> =
            std::iter::once(asked.model.clone()).chain(beside.map(|f| f.display().to_string())).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (key, model) = self.models.keyed(&names, || CaptionModel::named(&asked.model, &Beside::default()))?;
        model.check(&asked.params)?;
        let precision = asked.params.precision;
        let look = (key, entry, precision);
        let seen = match self.seen.iter().position(|(l, _)| *l == look) {
            Some(at) => self.seen.remove(at).1,
            None => Arc::new(desk.watched(|w| model.see(picture, precision, &w.part(0.0, LOOKING)))?),
        };
        self.seen.insert(0, (look, seen.clone()));
        self.seen.truncate(LOOKS);
        let mut told = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            desk.part(NetOutcome::Telling { entry, asked: asked.clone(), words });
        };
        let outcome =
            desk.watched(|w| model.caption_telling(&seen, &asked.params, &w.part(LOOKING, 0.97), &mut told))?;
        let greedy = Params { beam: 1, ..asked.params.clone() };
        let greedy = (outcome.beam > 1)
            .then(|| desk.watched(|w| model.caption(&seen, &greedy, &w.part(0.97, 1.0))))
            .transpose()?
            .map(Arc::new);
        // No room on the GPU is no reason to lose the sentence.
        let maps = gpu.as_ref().and_then(|gpu| upload(gpu, &outcome, greedy.as_deref()).ok());
        let outcome = Arc::new(outcome);
        Ok(NetOutcome::Captioned(Box::new(CaptionDone { entry, asked: asked.clone(), outcome, greedy, maps })))
    }
}

/// Puts all maps of a caption on the GPU; they are small.
pub(super) fn upload(
    (device, queue): &(wgpu::Device, wgpu::Queue),
    outcome: &Outcome,
    greedy: Option<&Outcome>,
) -> Result<Arc<Maps>, GpuError> {
    let [rows, columns] = outcome.grid.map(|side| side as u32);
    let Some(sentence) = outcome.sentences.first() else { return Ok(Arc::default()) };
    let on_gpu = |map: &[f32]| {
        let texture = Arc::new(ScalarTexture::upload(device, queue, [columns, rows], map)?);
        let (_, high) = attention::range(map, sentence, outcome.grid, attention::Scale::Each);
        Ok::<_, GpuError>(OnGpu { texture, high })
    };
    let maps = maps_of(outcome, greedy).into_iter().map(|(of, map)| Ok((of, on_gpu(&map)?)));
    maps.collect::<Result<Maps, GpuError>>().map(Arc::new)
}
