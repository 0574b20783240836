//! Convolutions whose taps stand far apart (the larger atrous rates of Chen et al. 2017, arXiv 1706.05587), tap by tap.
//!
//! At rate 36 on a map of 64 x 64 most taps of most pixels lie beyond the edge, where there is nothing but zeros. So the
//! sum goes over the taps first and the channels second, and a tap that sees only zeros, for a whole row or a whole
//! strip, is left out.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::direct::{Input, Output, Packed};
use super::kernel::{self, BLOCK, Isa, STRIP, Strip, Sums, Taps};
use super::plan::{Columns, TASKS, strips};
use super::watch::CancelToken;

/// The smallest distance of taps, in pixels, that is far.
const FAR: usize = 8;
/// Floats between the rows of neighbouring channels, so that they do not compete for the same sets of a cache.
const GAP: usize = 16;

/// Whether a convolution is done this way; then its weights are packed as `[tap][channel]` within a block.
pub(super) fn takes([_, ins, kh, kw]: [usize; 4], options: Options) -> bool {
    let Options { stride, groups, upsample, dilation, .. } = options;
    dilation >= FAR && ins >= 16 && kh * kw > 1 && (stride, groups, upsample) == (1, 1, false)
}

/// As [`Packed::run`], for what [`takes`] accepts; calls `counted` with each image's blocks of channels and their sums.
/// Returns `false` once cancelled.
pub(super) fn run(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    out: &Output<'_>,
    counted: Option<impl FnMut(usize, Range<usize>, &[Sums])>,
    cancel: &CancelToken,
) -> bool {
    let blocks = packed.passes[0].blocks.len();
    let images = input.shape[0];
    // A row is gathered once for all channels, unless there are too few rows.
    let share = blocks.div_ceil(TASKS.div_ceil(images * out.size[0]).min(blocks));
    let rows = (0..images).flat_map(|image| (0..out.size[0]).map(move |y| (image, y)));
    let tasks: Vec<_> = rows
        .flat_map(|(image, y)| (0..blocks).step_by(share).map(move |b| (image, y, b..(b + share).min(blocks))))
        .collect();
    let layout = Layout::new(packed, out.size[1]);
    let sums: Option<Vec<Vec<Sums>>> = tasks
        .par_iter()
        .map(|(image, y, blocks)| {
            (!cancel.is_cancelled()).then(|| layout.row(packed, isa, input, *image, *y, blocks.clone(), out))
        })
        .collect();
    if let (Some(mut counted), Some(sums)) = (counted, &sums) {
        tasks.into_iter().zip(sums).for_each(|((image, _, blocks), sums)| counted(image, blocks, sums));
    }
    sums.is_some()
}

/// A row's input, `[tap row][channel][column]`.
struct Layout {
    row_len: usize,
    channels: Taps,
}

impl Layout {
    fn new(packed: &Packed, width: usize) -> Layout {
        let row_len = width + (packed.shape[3] - 1) * packed.options.dilation + GAP;
        let mut channels = Taps::default();
        (0..packed.shape[1]).for_each(|c| channels.push(c * row_len));
        Layout { row_len, channels }
    }

    #[allow(clippy::too_many_arguments)]
    fn row(
        &self,
        packed: &Packed,
        isa: Isa,
        input: &Input<'_>,
        image: usize,
        y: usize,
        blocks: Range<usize>,
        out: &Output<'_>,
    ) -> Vec<Sums> {
        let [_, channels, height, width] = input.shape;
        let [_, _, kh, kw] = packed.shape;
        let dilation = packed.options.dilation;
        let range = packed.options.activation.range();
        let plane = channels * self.row_len;
        let columns = Columns::new(packed, 0, 1, out.size[1] + (kw - 1) * dilation, width);
        let pass = &packed.passes[0];
        let blocks = &pass.blocks[blocks];
        let mut sums = vec![[Sums::default(); BLOCK]; blocks.len()];
        let mut buffer = [0.0; BLOCK * STRIP];
        SCRATCH.with_borrow_mut(|gathered| {
            gathered.resize((kh * plane + STRIP).max(gathered.len()), 0.0);
            let mut rows = Vec::new();
            for tap_row in 0..kh {
                let Some(source) = packed.source(y + tap_row * dilation, height) else { continue };
                rows.push(tap_row);
                for (c, to) in gathered[tap_row * plane..][..plane].chunks_exact_mut(self.row_len).enumerate() {
                    let from = image * channels + c;
                    let on_the_way = input.on_the_way.map(|o| o[from]);
                    columns.copy(isa, &input.data[(from * height + source) * width..][..width], to, on_the_way);
                }
            }
            for (start, vectors) in strips(out.size[1], isa.lanes(), isa.vectors(BLOCK)) {
                let n = (vectors * isa.lanes()).min(out.size[1] - start);
                let seen = |x: &usize| columns.any(start + x * dilation..start + x * dilation + n);
                let across: Vec<usize> = (0..kw).filter(seen).collect();
                for (block, sums) in blocks.iter().zip(&mut sums) {
                    let mut some = false;
                    for (tap_row, tap_column) in rows.iter().flat_map(|y| across.iter().map(move |x| (y, x))) {
                        let tap = tap_row * kw + tap_column;
                        let strip = Strip {
                            input: &gathered[tap_row * plane + start + tap_column * dilation..],
                            taps: &self.channels,
                            weights: &pass.weights[block.weights + tap * channels * block.len..],
                            block: block.len,
                            vectors,
                        };
                        strip.accumulate(isa, some, &mut buffer);
                        some = true;
                    }
                    if !some {
                        buffer.fill(0.0);
                    }
                    for (c, sums) in sums.iter_mut().enumerate().take(block.len) {
                        let channel = block.first + c;
                        let place = out.place(image, channel, y, start);
                        // SAFETY: no other task has this image, row and channel.
                        let row = unsafe { out.row(place, n) };
                        let sums = out.counting.then_some(sums);
                        let (values, residual) = (&buffer[c * STRIP..][..n], out.residual_row(place, n));
                        kernel::finish(isa, values, row, packed.bias[channel], residual, range, sums);
                    }
                }
            }
        });
        let counted = blocks.iter().zip(&sums).filter(|_| out.counting);
        counted.flat_map(|(block, sums)| &sums[..block.len]).copied().collect()
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}
