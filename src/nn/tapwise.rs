//! Convolutions whose taps stand far apart (the larger atrous rates of Chen et al. 2017, arXiv 1706.05587), tap by tap.
//!
//! At rate 36 on a map of 64 x 64 most taps of most pixels lie beyond the edge, where there is nothing but zeros. So the
//! sum goes over the taps first and the channels second, and a tap that sees only zeros, for a whole row or a whole
//! strip, is left out.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::kernel::{self, BLOCK, Isa, STRIP, Strip, Sums, Taps};
use super::packed::{Input, Output, Packed};
use super::plan::{Columns, TASKS, strips};
use super::watch::CancelToken;

/// The smallest distance of taps, in pixels, that is far.
const FAR: usize = 8;
/// Floats between the rows of neighbouring channels, so that they do not compete for the same sets of a cache.
const GAP: usize = 16;
/// Rows of output in a task: weights come from memory, and each row they serve makes them cheaper. Neighbours, whose
/// input stands together: rows a dilation apart would share some of it, but were slower.
const ROWS: usize = 2;
/// Input channels taken in a turn, whose pixels and, for a block of outputs, weights stay in the second-level cache.
const AT_HAND: usize = 128;

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
    let (images, height) = (input.shape[0], out.size[0]);
    // Rows are gathered once for all channels, unless there are too few of them.
    let share = blocks.div_ceil(TASKS.div_ceil(images * height.div_ceil(ROWS)).min(blocks));
    let mut tasks = Vec::new();
    for image in 0..images {
        for y in (0..height).step_by(ROWS) {
            let rows = y..(y + ROWS).min(height);
            let parts = (0..blocks).step_by(share).map(|b| b..(b + share).min(blocks));
            tasks.extend(parts.map(|blocks| (image, rows.clone(), blocks)));
        }
    }
    let layout = Layout::new(packed, out.size[1]);
    let sums: Option<Vec<Vec<Sums>>> = tasks
        .par_iter()
        .map(|(image, rows, blocks)| {
            let go = !cancel.is_cancelled();
            go.then(|| layout.rows(packed, isa, input, *image, rows.clone(), blocks.clone(), out))
        })
        .collect();
    if let (Some(mut counted), Some(sums)) = (counted, &sums) {
        tasks.into_iter().zip(sums).for_each(|((image, _, blocks), sums)| counted(image, blocks, sums));
    }
    sums.is_some()
}

/// The input of a row of the output, `[tap row][channel][column]`.
struct Layout {
    row_len: usize,
    /// Where each channel of a turn stands.
    turns: Vec<Taps>,
}

/// A strip of one row, and the taps that see more than padding from it.
struct Piece {
    y: usize,
    start: usize,
    vectors: usize,
    /// Tap, and where its first pixel stands in the gathered rows.
    taps: Vec<(usize, usize)>,
}

impl Layout {
    fn new(packed: &Packed, width: usize) -> Layout {
        let row_len = width + (packed.shape[3] - 1) * packed.options.dilation + GAP;
        let mut turns = Vec::new();
        turns.resize_with(packed.shape[1].div_ceil(AT_HAND), Taps::default);
        (0..packed.shape[1]).for_each(|c| turns[c / AT_HAND].push(c % AT_HAND * row_len));
        Layout { row_len, turns }
    }

    /// Computes rows of some blocks of channels. Returns the channels' sums when they are counted.
    #[allow(clippy::too_many_arguments)]
    fn rows(
        &self,
        packed: &Packed,
        isa: Isa,
        input: &Input<'_>,
        image: usize,
        rows: Range<usize>,
        blocks: Range<usize>,
        out: &Output<'_>,
    ) -> Vec<Sums> {
        let [_, channels, height, width] = input.shape;
        let [_, _, kh, kw] = packed.shape;
        let dilation = packed.options.dilation;
        let range = packed.options.activation.range();
        let columns = Columns::new(packed, 0, 1, out.size[1] + (kw - 1) * dilation, width);
        let pass = &packed.passes[0];
        let blocks = &pass.blocks[blocks];
        let plane = AT_HAND.min(channels) * self.row_len;

        // The rows of input that there are, and the strips with what they see of them.
        let (mut sources, mut pieces) = (Vec::new(), Vec::new());
        for y in rows {
            let first = sources.len();
            let seen = (0..kh).filter_map(|k| Some((k, packed.source(y + k * dilation, height)?)));
            let (taps, found): (Vec<usize>, Vec<usize>) = seen.unzip();
            sources.extend(found);
            for (start, vectors) in strips(out.size[1], isa.lanes(), isa.vectors(BLOCK)) {
                let end = (start + vectors * isa.lanes()).min(out.size[1]);
                let across = |x: &usize| columns.any(start + x * dilation..end + x * dilation);
                let across: Vec<usize> = (0..kw).filter(across).collect();
                let at = |(i, tap): (usize, &usize)| {
                    let (base, tap) = ((first + i) * plane + start, *tap);
                    across.iter().map(move |x| (tap * kw + x, base + x * dilation)).collect::<Vec<_>>()
                };
                let taps = taps.iter().enumerate().flat_map(at).collect();
                pieces.push(Piece { y, start, vectors, taps });
            }
        }

        let mut sums = vec![[Sums::default(); BLOCK]; blocks.len()];
        SCRATCH.with_borrow_mut(|Scratch { gathered, buffers }| {
            gathered.resize((sources.len() * plane + STRIP).max(gathered.len()), 0.0);
            buffers.resize((blocks.len() * pieces.len()).max(buffers.len()), [0.0; BLOCK * STRIP]);
            for (turn, offsets) in self.turns.iter().enumerate() {
                let these = turn * AT_HAND..((turn + 1) * AT_HAND).min(channels);
                for (source, to) in sources.iter().zip(gathered.chunks_exact_mut(plane)) {
                    for (c, to) in these.clone().zip(to.chunks_exact_mut(self.row_len)) {
                        let from = image * channels + c;
                        let on_the_way = input.on_the_way.map(|o| o[from]);
                        columns.copy(isa, &input.data[(from * height + source) * width..][..width], to, on_the_way);
                    }
                }
                let of_blocks = blocks.iter().zip(buffers.chunks_exact_mut(pieces.len()));
                for (block, buffers) in of_blocks {
                    for (piece, buffer) in pieces.iter().zip(buffers) {
                        if piece.taps.is_empty() && turn == 0 {
                            buffer.fill(0.0);
                        }
                        for (i, (tap, at)) in piece.taps.iter().enumerate() {
                            let strip = Strip {
                                input: &gathered[*at..],
                                taps: offsets,
                                weights: &pass.weights[block.weights + (tap * channels + these.start) * block.len..],
                                block: block.len,
                                vectors: piece.vectors,
                            };
                            strip.accumulate(isa, turn + i > 0, buffer);
                        }
                    }
                }
            }
            let all = blocks.iter().zip(buffers.chunks_exact(pieces.len())).zip(&mut sums);
            for ((block, buffers), sums) in all {
                for (&Piece { y, start, vectors, .. }, buffer) in pieces.iter().zip(buffers) {
                    let n = (vectors * isa.lanes()).min(out.size[1] - start);
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
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { gathered: Vec::new(), buffers: Vec::new() }) };
}

/// What one task works on.
struct Scratch {
    gathered: Vec<f32>,
    /// Sums of each strip, `[block][strip]`.
    buffers: Vec<[f32; BLOCK * STRIP]>,
}
