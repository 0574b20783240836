//! Convolutions in which each channel has one kernel of its own (Howard et al. 2017, arXiv 1704.04861).
//!
//! There is nothing to sum over but the taps, so all that matters is how a channel is read. A band of it is copied
//! padded, dealt out into stride x stride pictures so that each tap reads neighbours, and then taken as one long row:
//! the few pixels between the rows are computed and forgotten, and a small map still fills whole strips.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::kernel::{BLOCK, Isa, STRIP, Strip, Sums, Taps};
use super::packed::{Input, Output, Packed};
use super::plan::{Columns, TASKS};
use super::team::Together;
use super::watch::CancelToken;

/// Floats of a band's padded copy: what leaves room in a first- and second-level cache for the rest.
const BAND: usize = 32 * 1024;

/// Whether this is such a convolution.
pub(super) fn is_one(packed: &Packed) -> bool {
    let [out, ins, ..] = packed.shape;
    ins == 1 && out > 1 && packed.options.groups == out && !packed.options.upsample
}

/// As [`Packed::run`], for what [`is_one`] accepts; calls `counted` with each image's blocks of channels
/// (of one channel each) and their sums. Returns `false` once cancelled.
pub(super) fn run(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    out: &Output<'_>,
    counted: Option<impl FnMut(usize, Range<usize>, &[Sums])>,
    cancel: &CancelToken,
) -> bool {
    let band = Band::new(packed, out.size);
    let [batch, channels, ..] = input.shape;
    let bands = out.size[0].div_ceil(band.rows);
    // Small maps are done many at a time.
    let tasks: Vec<_> = (0..batch * channels * bands).collect();
    let share = (tasks.len() / (4 * TASKS)).max(1);
    let sums: Option<Vec<Vec<Sums>>> = tasks
        .par_chunks(share)
        .every(|tasks| {
            SCRATCH.with_borrow_mut(|scratch| {
                let of = |task: &usize| {
                    let (plane, first) = (task / bands, task % bands * band.rows);
                    let rows = first..(first + band.rows).min(out.size[0]);
                    band.run(packed, isa, input, [plane / channels, plane % channels], rows, out, scratch)
                };
                (!cancel.is_cancelled()).then(|| tasks.iter().map(of).collect())
            })
        })
        .into_iter()
        .collect();
    if let (Some(mut counted), Some(sums)) = (counted, &sums) {
        for (task, sums) in sums.iter().flatten().enumerate() {
            let channel = task / bands % channels;
            counted(task / bands / channels, channel..channel + 1, std::slice::from_ref(sums));
        }
    }
    sums.is_some()
}

/// How channels are cut into bands and where a band's pixels stand.
struct Band {
    rows: usize,
    /// From a row to the next, and rows, of each of the dealt pictures.
    pitch: usize,
    height: usize,
    taps: Taps,
}

impl Band {
    fn new(packed: &Packed, size: [usize; 2]) -> Band {
        let Options { stride, dilation, .. } = packed.options;
        let [_, _, kh, kw] = packed.shape;
        let reach = [kh, kw].map(|k| (k - 1) * dilation / stride);
        let pitch = size[1] + reach[1];
        let rows = (BAND / (stride * stride * pitch)).saturating_sub(reach[0]).clamp(1, size[0]);
        let height = rows + reach[0];
        let mut taps = Taps::default();
        for (y, x) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y * dilation, x * dilation))) {
            let picture = y % stride * stride + x % stride;
            taps.push(picture * height * pitch + y / stride * pitch + x / stride);
        }
        Band { rows, pitch, height, taps }
    }

    #[allow(clippy::too_many_arguments)]
    fn run(
        &self,
        packed: &Packed,
        isa: Isa,
        input: &Input<'_>,
        [image, channel]: [usize; 2],
        rows: Range<usize>,
        out: &Output<'_>,
        Scratch { padded, sums: values }: &mut Scratch,
    ) -> Sums {
        let [_, channels, height, width] = input.shape;
        let stride = packed.options.stride;
        let plane = image * channels + channel;
        let source = &input.data[plane * height * width..][..height * width];
        let on_the_way = input.on_the_way.map(|o| o[plane]);
        let dealt = self.height * self.pitch;
        padded.resize((stride * stride * dealt + STRIP).max(padded.len()), 0.0);
        let needed = self.height - (self.rows - rows.len());
        for x in 0..stride {
            let columns = Columns::new(packed, x, stride, self.pitch, width);
            for y in 0..stride {
                let picture = &mut padded[(y * stride + x) * dealt..][..dealt];
                for (i, to) in picture.chunks_exact_mut(self.pitch).enumerate().take(needed) {
                    match packed.source((rows.start + i) * stride + y, height) {
                        Some(y) => columns.copy(isa, &source[y * width..][..width], to, on_the_way),
                        None => to.fill(0.0),
                    }
                }
            }
        }
        let columns = out.size[1];
        let count = (rows.len() - 1) * self.pitch + columns;
        values.resize((count + BLOCK * STRIP).max(values.len()), 0.0);
        let pass = &packed.passes[0];
        let weights = &pass.weights[pass.blocks[channel].weights..];
        let most = isa.lanes() * isa.vectors(1);
        for start in (0..count).step_by(most) {
            let strip =
                Strip { input: &padded[start..], taps: &self.taps, weights, block: 1, pixels: most.min(count - start) };
            if let Some(to) = values[start..].first_chunk_mut() {
                strip.accumulate(isa, false, to);
            }
        }
        let mut sums = Sums::default();
        for (i, y) in rows.enumerate() {
            let place = out.place(image, channel, y, 0);
            let (bias, range) = (packed.bias[channel], packed.options.activation.range());
            let values = &values[i * self.pitch..][..columns];
            let sums = out.counting.then_some(&mut sums);
            // SAFETY: no other task has this image, channel and row.
            unsafe { out.finish(isa, values, place, bias, range, sums) };
        }
        sums
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { padded: Vec::new(), sums: Vec::new() }) };
}

/// What one task works on.
struct Scratch {
    padded: Vec<f32>,
    sums: Vec<f32>,
}
