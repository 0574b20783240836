//! 3x3 convolutions whose taps stand far apart (the larger atrous rates of Chen et al. 2017, arXiv 1706.05587), by
//! minimal filtering over the residues of the rate.
//!
//! Pixels a rate apart see each other and nobody else, so the map falls into rate x rate small ones: at rate 36 on 64 x 64
//! they are 2 x 2 or smaller, and most taps lie in the padding. Each side is filtered by the shortest scheme for its
//! length: up to three pixels between zeros take 1, 3 and 5 multiplications, longer lines are cut into tiles of F(n, 3)
//! with n of 3, 4 or 6 (Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308). Neighbouring residues are neighbouring
//! pixels, so they are what the lanes of a vector hold, and nothing has to be shuffled.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::{Options, Padding};
use super::kernel::{BLOCK, Isa, STRIP, Strip, Sums, Taps};
use super::packed::{Block, Input, Output, Packed};
use super::plan::{Columns, TASKS, aligned, strips};
use super::team::Together;
use super::watch::CancelToken;
use filter::{Filter, LANES, MOST, Work, transform_back, transform_input, transform_weights};

mod filter;

/// The smallest distance of taps, in pixels, that is far.
const FAR: usize = 8;
/// Input channels whose transformed values stand together: what one task transforms.
const CHANNELS: usize = 16;
/// Floats of transformed input at once, and of products: both together have room in the last-level cache,
/// unless one line of a very wide map takes more.
const INPUT: usize = 1536 * 1024;
const PRODUCTS: usize = 3 * 1024 * 1024;
/// Floats of transformed weights a task has at hand: to stay in the second-level cache.
const WEIGHTS: usize = 64 * 1024;
/// Floats between what would else compete for the same sets of a cache.
const GAP: usize = 16;

/// Whether a convolution is done this way; then its weights are packed as `[tap][channel]` within a block.
pub(super) fn takes([_, ins, kh, kw]: [usize; 4], options: Options) -> bool {
    let Options { stride, groups, upsample, dilation, .. } = options;
    dilation >= FAR && ins >= CHANNELS && (kh, kw, stride, groups, upsample) == (3, 3, 1, 1, false)
}

/// As [`Packed::run`], for what [`takes`] accepts; calls `counted` with each image's blocks of channels and their sums.
/// Returns `false` once cancelled.
pub(super) fn run(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    out: &Output<'_>,
    mut counted: Option<impl FnMut(usize, Range<usize>, &[Sums])>,
    cancel: &CancelToken,
) -> bool {
    let [above, across] = [0, 1].map(|side| segments(packed.options, input.shape[2 + side], out.size[side]));
    let (mut values, mut products) = SHARED.take();
    for image in 0..input.shape[0] {
        for (rows, columns) in above.iter().flat_map(|rows| across.iter().map(move |columns| (rows, columns))) {
            let part = Part { packed, isa, rows, columns, image };
            // As many lines at a time as leave the products in the cache.
            let most = PRODUCTS / (part.positions() * packed.shape[0]).max(1) / columns.pixels();
            for first in (0..rows.pixels()).step_by(most.max(1)) {
                let lines = first..(first + most.max(1)).min(rows.pixels());
                let Some(sums) = part.run(input, lines, out, &mut values, &mut products, cancel) else {
                    SHARED.set((values, products));
                    return false;
                };
                if let Some(counted) = &mut counted {
                    sums.iter().enumerate().for_each(|(b, sums)| counted(image, b..b + 1, sums));
                }
            }
        }
    }
    SHARED.set((values, products));
    true
}

/// Neighbouring residues of one side whose lines of pixels are filtered alike.
struct Segment {
    first: usize,
    count: usize,
    /// Tiles that a line is cut into.
    tiles: usize,
    filter: Filter,
}

impl Segment {
    /// What stands for a pixel in the products: a tile of a residue.
    fn pixels(&self) -> usize {
        self.tiles * self.count
    }

    /// Where the output `o` of tile and residue `pixel` stands.
    fn output(&self, pixel: usize, o: usize, dilation: usize) -> usize {
        self.first + pixel % self.count + (pixel / self.count * self.filter.outputs + o) * dilation
    }
}

/// How one side of a map is filtered: `from` pixels in, `to` pixels out.
fn segments(options: Options, from: usize, to: usize) -> Vec<Segment> {
    let Options { dilation, mode, .. } = options;
    let alone = mode != Padding::Reflect && options.before(from, 3) == dilation && from == to;
    // The first residues' lines are one pixel longer than the others'.
    let (length, longer) = (to / dilation, to % dilation);
    let plan = |length: usize| {
        let tiled = [3, 4, 6].map(|n| (length.div_ceil(n), Filter::new(n)));
        let single = (1..=6).filter(|n| alone && length == *n).map(|n| (1, Filter::alone(n)));
        tiled.into_iter().chain(single).min_by_key(|(tiles, filter)| (tiles * filter.points, filter.seen))
    };
    let both = [(0, longer, plan(length + 1)), (longer, dilation - longer, plan(length))];
    let mut segments: Vec<Segment> = Vec::new();
    for (first, count, plan) in both {
        let Some((tiles, filter)) = plan.filter(|(tiles, _)| *tiles > 0 && count > 0) else { continue };
        match segments.last_mut() {
            // The same effort: then longer runs are better.
            Some(last) if last.tiles * last.filter.points == tiles * filter.points => last.count += count,
            _ => segments.push(Segment { first, count, tiles, filter }),
        }
    }
    segments
}

/// The pixels of one image whose rows and columns lie in two segments.
struct Part<'a> {
    packed: &'a Packed,
    isa: Isa,
    rows: &'a Segment,
    columns: &'a Segment,
    image: usize,
}

/// Where transformed values and products stand.
struct Layout {
    /// Pixels of all lines, and floats kept for them.
    pixels: usize,
    pitch: usize,
    /// Transformed input, `[bundle of channels][position][channel][pixel]`: floats of a position and of a bundle.
    position: usize,
    bundle: usize,
    /// Bundles at hand at once.
    bundles: usize,
    /// Blocks of output channels that share a task. Products are
    /// `[blocks][row of positions][block][column of positions][channel][pixel]`.
    together: usize,
}

impl Part<'_> {
    fn positions(&self) -> usize {
        self.rows.filter.points * self.columns.filter.points
    }

    fn layout(&self, lines: usize) -> Layout {
        let pixels = lines * self.columns.pixels();
        // An odd number of vectors, so that the channels of a strip do not compete for a few sets of the cache.
        let pitch = pixels.div_ceil(LANES) / 2 * 2 * LANES + LANES;
        let position = CHANNELS * pitch + GAP;
        let bundle = self.positions() * position;
        let all = self.packed.shape[1].div_ceil(CHANNELS);
        let bundles = all.div_ceil(all.div_ceil((INPUT / bundle).max(1)));
        let blocks = self.packed.passes[0].blocks.len();
        let at_hand = WEIGHTS / (self.columns.filter.points * bundles * CHANNELS * BLOCK);
        let tasks = TASKS.div_ceil(self.rows.filter.points);
        let together = at_hand.min(blocks / tasks).clamp(1, blocks);
        Layout { pixels, pitch, position, bundle, bundles, together }
    }

    /// Computes some of the rows' lines. Returns the sums of each block's channels, or `None` once cancelled.
    fn run(
        &self,
        input: &Input<'_>,
        lines: Range<usize>,
        out: &Output<'_>,
        values: &mut Vec<f32>,
        products: &mut Vec<f32>,
        cancel: &CancelToken,
    ) -> Option<Vec<[Sums; BLOCK]>> {
        let layout = self.layout(lines.len());
        let channels = self.packed.shape[1];
        let blocks = &self.packed.passes[0].blocks;
        let row = layout.together * self.columns.filter.points * BLOCK * layout.pitch;
        let group = self.rows.filter.points * row;
        let products = aligned(products, blocks.len().div_ceil(layout.together) * group);
        let values = aligned(values, layout.bundles * layout.bundle + STRIP);
        let at_hand = layout.bundles * CHANNELS;
        for first in (0..channels).step_by(at_hand) {
            let turn = first..(first + at_hand).min(channels);
            values.par_chunks_exact_mut(layout.bundle).enumerate().each(|(i, to)| {
                let bundle = (turn.start + i * CHANNELS).min(turn.end)..(turn.start + (i + 1) * CHANNELS).min(turn.end);
                if !cancel.is_cancelled() {
                    self.gather(input, lines.clone(), bundle, &layout, to);
                }
            });
            products.par_chunks_exact_mut(row).enumerate().each(|(task, to)| {
                if !cancel.is_cancelled() {
                    let (group, y) = (task / self.rows.filter.points, task % self.rows.filter.points);
                    let blocks = blocks.chunks(layout.together).nth(group).unwrap_or_default();
                    self.product(values, turn.clone(), blocks, y, &layout, to);
                }
            });
        }
        let sums = blocks.par_iter().enumerate().every(|(b, block)| {
            let own = &products[b / layout.together * group..][..group];
            let first = b % layout.together * (row / layout.together);
            (!cancel.is_cancelled()).then(|| self.write(block, &own[first..], row, lines.clone(), &layout, out))
        });
        sums.into_iter().collect()
    }

    /// Transforms the input that some lines see, of a bundle of channels.
    fn gather(&self, input: &Input<'_>, lines: Range<usize>, channels: Range<usize>, layout: &Layout, to: &mut [f32]) {
        let [_, all, height, width] = input.shape;
        let dilation = self.packed.options.dilation;
        let Segment { first, count, tiles, filter } = self.columns;
        let reach = ((tiles - 1) * filter.outputs + filter.seen - 1) * dilation + count.next_multiple_of(LANES);
        let columns = Columns::new(self.packed, first + filter.first * dilation, 1, reach, width);
        let mut work = Work::default();
        SCRATCH.with_borrow_mut(|seen| {
            seen.resize((MOST * reach).max(seen.len()), 0.0);
            for (i, channel) in channels.enumerate() {
                let plane = self.image * all + channel;
                let source = &input.data[plane * height * width..][..height * width];
                let on_the_way = input.on_the_way.map(|o| o[plane]);
                for (at, line) in lines.clone().enumerate() {
                    for (s, row) in seen.chunks_exact_mut(reach).enumerate().take(self.rows.filter.seen) {
                        let y = self.rows.output(line, self.rows.filter.first + s, dilation);
                        match self.packed.source(y, height) {
                            Some(y) => columns.copy(self.isa, &source[y * width..][..width], row, on_the_way),
                            None => row.fill(0.0),
                        }
                    }
                    let to = &mut to[i * layout.pitch + at * self.columns.pixels()..];
                    for tile in 0..*tiles {
                        let seen = &seen[tile * filter.outputs * dilation..];
                        let to = &mut to[tile * count..];
                        let both = [&self.rows.filter, filter];
                        transform_input(
                            self.isa,
                            seen,
                            [reach, dilation],
                            both,
                            *count,
                            to,
                            layout.position,
                            &mut work,
                        );
                    }
                }
            }
        });
    }

    /// Adds up, for some blocks of channels and one row of positions, what the channels of a `turn` contribute.
    fn product(&self, values: &[f32], turn: Range<usize>, blocks: &[Block], y: usize, layout: &Layout, to: &mut [f32]) {
        let points = self.columns.filter.points;
        let pass = &self.packed.passes[0];
        let apart = turn.len() * BLOCK + GAP;
        let mut taps = Taps::default();
        (0..turn.len()).for_each(|c| taps.push(c / CHANNELS * layout.bundle + c % CHANNELS * layout.pitch));
        SCRATCH.with_borrow_mut(|weights| {
            let len = blocks.len() * points * apart;
            weights.resize((len + 3 * turn.len() * BLOCK).max(weights.len()), 0.0);
            let (weights, columns) = weights.split_at_mut(len);
            for (block, to) in blocks.iter().zip(weights.chunks_exact_mut(points * apart)) {
                let given = &pass.weights[block.weights + turn.start * block.len..];
                let (tap, n) = (self.packed.shape[1] * block.len, turn.len() * block.len);
                let (side, across) = (self.rows.filter.taps[y], &self.columns.filter);
                transform_weights(self.isa, given, tap, n, side, across, &mut columns[..3 * n], to, apart);
            }
            for x in 0..points {
                let position = &values[(y * points + x) * layout.position..];
                for (start, vectors) in strips(layout.pixels, self.isa.lanes(), self.isa.vectors(BLOCK)) {
                    for (b, block) in blocks.iter().enumerate() {
                        let strip = Strip {
                            input: &position[start..],
                            taps: &taps,
                            weights: &weights[(b * points + x) * apart..],
                            block: block.len,
                            pixels: (vectors * self.isa.lanes()).min(layout.pixels - start),
                        };
                        let to = &mut to[(b * points + x) * BLOCK * layout.pitch + start..];
                        strip.accumulate_apart(self.isa, turn.start > 0, to, layout.pitch);
                    }
                }
            }
        });
    }

    /// Transforms the products of one block of channels back and writes them; `row` floats lie between rows of positions.
    fn write(
        &self,
        block: &Block,
        products: &[f32],
        row: usize,
        lines: Range<usize>,
        layout: &Layout,
        out: &Output<'_>,
    ) -> [Sums; BLOCK] {
        let (options, filters) = (self.packed.options, [&self.rows.filter, &self.columns.filter]);
        let mut sums = [Sums::default(); BLOCK];
        let mut work = Work::default();
        SCRATCH.with_borrow_mut(|pixels| {
            pixels.resize((filters[0].outputs * filters[1].outputs * layout.pitch).max(pixels.len()), 0.0);
            for (c, sums) in sums.iter_mut().enumerate().take(block.len) {
                let from = &products[c * layout.pitch..];
                transform_back(self.isa, from, [row, BLOCK * layout.pitch], filters, layout.pitch, pixels, &mut work);
                for (values, i) in pixels.chunks_exact(layout.pitch).zip(0..filters[0].outputs * filters[1].outputs) {
                    let (o_y, o_x) = (i / filters[1].outputs, i % filters[1].outputs);
                    let runs = values.chunks_exact(self.columns.count).take(layout.pixels / self.columns.count);
                    for (run, values) in runs.enumerate() {
                        let (line, tile) = (lines.start + run / self.columns.tiles, run % self.columns.tiles);
                        let y = self.rows.output(line, o_y, options.dilation);
                        let x = self.columns.output(tile * self.columns.count, o_x, options.dilation);
                        if y >= out.size[0] || x >= out.size[1] {
                            continue;
                        }
                        let n = self.columns.count.min(out.size[1] - x);
                        let place = out.place(self.image, block.first + c, y, x);
                        let (bias, range) = (self.packed.bias[block.first + c], options.activation.range());
                        let sums = out.counting.then_some(&mut *sums);
                        // SAFETY: no other task has this image, row, columns and channel.
                        unsafe { out.finish(self.isa, &values[..n], place, bias, range, sums) };
                    }
                }
            }
        });
        sums
    }
}

thread_local! {
    /// Transformed input and products, kept by the thread that runs a network.
    static SHARED: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
    /// What one task works on.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}
