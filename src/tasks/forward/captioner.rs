//! A captioning network's outputs, named as the references of "a PyTorch Tutorial to Image Captioning" name them.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use crate::models::{Context, Decoder, Encoder, State};
use crate::nn::{Error, Pool, Watch};
use crate::tasks::TaskError;
use crate::tasks::caption::beam::{Marks, Search};
use crate::zoo::{self, Captioner};

type Outputs = Vec<(&'static str, Tensor)>;

/// Each beam and what its best sentence and attention are called.
const BEAMS: [(usize, &str, &str); 3] =
    [(1, "greedy_seq", "greedy_alphas"), (3, "beam3_seq", "beam3_alphas"), (5, "beam5_seq", "beam5_alphas")];

/// Runs the checkpoint over `x`: the encoder's output `[1, height, width, encoder_dim]`; or, where it has an encoder, a
/// normalised picture `[1, 3, height, width]` or one of 0..=255, `[3, height, width]`.
///
/// The last two words are the marks for the beginning and the end, as in every word map that the tutorial makes.
pub(super) fn run(tensors: HashMap<String, Tensor>, x: &Tensor, watch: &Watch<'_>) -> Result<Outputs, TaskError> {
    let Captioner { decoder, encoder, .. } = zoo::captioner(tensors)?;
    let mut outputs = Outputs::new();
    let features = match (x.dims(), encoder) {
        (&[3, _, _], Some(encoder)) => {
            let mut planes = x.affine(1.0 / 255.0, 0.0)?.flatten_all()?.to_vec1::<f32>()?;
            let plane = planes.len() / 3;
            encoder.normalisation().apply(&mut planes, plane);
            let x = Tensor::from_vec(planes, x.dims(), &Device::Cpu)?.unsqueeze(0)?;
            grid(&*encoder, &x, watch)?
        }
        (&[_, 3, _, _], Some(encoder)) => grid(&*encoder, x, watch)?,
        _ => x.clone(),
    };
    let (batch, rows, columns, dim) = features.dims4()?;
    if batch != 1 {
        return Err(Error::Shape(format!("one picture at a time is described, not {batch}")).into());
    }
    let (context, state) = decoder.begin(&features.reshape((rows * columns, dim))?)?;
    outputs.extend([("encoder_out", features), ("h0", state.h.clone()), ("c0", state.c.clone())]);
    let vocabulary = decoder.vocabulary() as u32;
    let marks = Marks { start: vocabulary.saturating_sub(2), end: vocabulary.saturating_sub(1) };
    for (beam, seq, alphas) in BEAMS {
        let search = Search { beam, ..Search::default() };
        let found = search.run(&*decoder, (&context, state.clone()), marks, &[], watch, &mut |_, _| {})?;
        let Some(best) = found.sentences.first() else { continue };
        let nodes = best.nodes.iter().filter_map(|node| found.tree.nodes.get(*node));
        // The beginning counts as a word that was said while looking everywhere.
        let (mut words, mut looked) = (vec![marks.start], vec![1f32; rows * columns]);
        for node in nodes {
            words.push(node.word);
            looked.extend(node.attention.iter().flat_map(|map| map.iter()));
        }
        let (count, sequence) = (words.len(), words.iter().map(|word| i64::from(*word)).collect::<Vec<_>>());
        let sequence = Tensor::from_vec(sequence, count, &Device::Cpu)?;
        outputs.push((seq, sequence.clone()));
        if looked.len() == count * rows * columns {
            outputs.push((alphas, Tensor::from_vec(looked, (count, rows, columns), &Device::Cpu)?));
        }
        if Some(&(beam, seq, alphas)) == BEAMS.last() {
            outputs.push(("output", sequence));
            outputs.extend(teacher(&*decoder, &words, &context, &state)?);
        }
    }
    Ok(outputs)
}

fn grid(encoder: &dyn Encoder, x: &Tensor, watch: &Watch<'_>) -> Result<Tensor, TaskError> {
    Ok(encoder.forward(x, &Pool::default(), watch)?)
}

/// What the decoder would have said after each of `words` but the last, had it been told them: logits `[1, words - 1,
/// vocabulary]`, and where it looked, `[1, words - 1, pixels]`.
fn teacher(decoder: &dyn Decoder, words: &[u32], context: &Context, state: &State) -> Result<Outputs, TaskError> {
    let (mut state, mut logits, mut alphas) = (state.clone(), Vec::new(), Vec::new());
    for word in words.iter().take(words.len().saturating_sub(1)) {
        let step = decoder.step(&[*word], context, &state)?;
        state = step.state;
        logits.push(step.logits);
        alphas.extend(step.alphas);
    }
    let mut outputs = Outputs::new();
    for (name, rows) in [("teacher_logits", logits), ("teacher_alphas", alphas)] {
        if !rows.is_empty() {
            outputs.push((name, Tensor::stack(&rows, 1)?.to_dtype(DType::F32)?));
        }
    }
    Ok(outputs)
}
