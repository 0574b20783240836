//! 3x3 convolutions of stride 1 by minimal filtering, F(4x4, 3x3) (Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308).
//!
//! A tile of 4x4 outputs is worked out from 6x6 inputs with 36 multiplications per pair of channels where the definition
//! takes 144: input and weights are transformed, multiplied position by position (each position is a matrix product over
//! the channels, by the kernels of the direct convolution) and the products transformed back. A dilated convolution is
//! dilation x dilation ordinary ones, each over the pixels of one residue.
//!
//! Inputs are transformed for a stripe of tiles at a time, small enough to stay in the last-level cache. Weights are
//! transformed anew for each stripe, in the cache: that costs a few percent of the time, while kept ones would hold four
//! times the memory and have to be read from it.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::kernel::{self, BLOCK, Isa, STRIP, Strip, Sums, Taps};
use super::packed::{Block, Input, Output, Packed};
use super::plan::{Columns, TASKS, aligned};
use super::team::Together;
use super::watch::CancelToken;
use transforms::{deal_lines, transform_back, transform_input, transform_weights};

mod transforms;

/// Outputs and inputs of a tile along one side, and positions of a transformed tile.
const TILE: usize = 4;
const SEEN: usize = TILE + 2;
const POSITIONS: usize = SEEN * SEEN;
/// Floats of transformed input in a stripe, for which the last-level cache should have room.
const STRIPE: usize = 2 * 1024 * 1024;
/// Channels whose transformed values stand together, so that the products read long runs.
const CHANNELS: usize = 32;
/// Input channels whose transformed weights are at hand at once for a block of output channels: 288 KiB, to stay in the
/// second-level cache.
const AT_HAND: usize = 256;
/// Blocks of tiles multiplied in turn with the same position's weights, while these are in the first-level cache.
const TOGETHER: usize = 2;
/// More input channels than this are too many for a block of tiles to stay in the last-level cache.
const MANY: usize = 1024;
/// Floats left between positions, so that they do not compete for the same few sets of the cache, and room for what a
/// vector holds beyond the last tile.
const GAP: usize = LANES;
/// Tiles worked on at once in the transforms.
const LANES: usize = 16;

/// Longest line of input that a block of tiles sees, and the longest of its four interleaved parts.
const LINE: usize = TILE * PART;
const PART: usize = STRIP + LANES;

type Lane = [f32; LANES];
/// Six lines, each dealt out into its four parts.
type Parts = [[[f32; PART]; TILE]; SEEN];

/// Neighbouring tiles of one row of tiles, and where in their block they stand.
struct Piece {
    /// First row and column of the padded input that they see; also their first output.
    corner: [usize; 2],
    /// Rows of output, `dilation` apart, and columns next to each other.
    size: [usize; 2],
    tiles: usize,
    at: usize,
}

/// Whether this is a convolution that the method takes, and is worth it for an output of `size`.
pub(super) fn pays(packed: &Packed, isa: Isa, [height, width]: [usize; 2]) -> bool {
    let [out, ins, kh, kw] = packed.shape;
    let Options { stride, groups, upsample, dilation, .. } = packed.options;
    if (kh, kw, stride, groups, upsample) != (3, 3, 1, 1, false) || ins < 8 || out < 8 || dilation > isa.lanes() {
        return false;
    }
    let rows: usize = residues(height, dilation).map(|(_, n)| n.div_ceil(TILE)).sum();
    let along = width.div_ceil(TILE * dilation) * dilation;
    // Multiply-adds of either way; the transforms of sixteen tiles take as long as some ten thousand of them.
    let transforms = 10_000 * (ins * along.div_ceil(LANES) + out * along / LANES);
    rows * (along * POSITIONS * ins * out + transforms) < height * width * 9 * ins * out
}

/// First row and number of rows of each residue.
fn residues(n: usize, dilation: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..dilation.min(n)).map(move |r| (r, (n - r).div_ceil(dilation)))
}

/// As [`Packed::run`], for what [`pays`] accepts; calls `counted` with each image's blocks of channels and their sums.
/// Returns `false` once cancelled.
pub(super) fn run(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    out: &Output<'_>,
    mut counted: Option<impl FnMut(usize, Range<usize>, &[Sums])>,
    cancel: &CancelToken,
) -> bool {
    let layout = Layout::new(packed.shape[1], isa);
    let blocks = tile_blocks(packed.options.dilation, out.size, layout.unit);
    let mut values = TRANSFORMED.take();
    let mut whole = true;
    for image in 0..input.shape[0] {
        for stripe in blocks.chunks((STRIPE / layout.block).max(1)) {
            let len = stripe.len() * layout.block;
            let values = aligned(&mut values, len);
            values.par_chunks_exact_mut(layout.chunk).enumerate().each(|(i, to)| {
                let per_block = layout.block / layout.chunk;
                if !cancel.is_cancelled() {
                    layout.gather(packed, input, image, &stripe[i / per_block], i % per_block * CHANNELS, to);
                }
            });
            let tasks = tasks(packed.passes[0].blocks.len(), stripe.len(), layout.together);
            let sums: Vec<_> = tasks.par_iter().every(|(weights, tiles)| {
                let tiles = tiles.clone().map(|t| (&stripe[t][..], &values[t * layout.block..][..layout.block]));
                let go = !cancel.is_cancelled();
                go.then(|| layout.products(packed, image, weights.clone(), &tiles.collect::<Vec<_>>(), out))
            });
            whole &= sums.iter().all(Option::is_some);
            if let Some(counted) = &mut counted {
                tasks.into_iter().zip(sums.iter().flatten()).for_each(|((w, _), s)| counted(image, w, s));
            }
        }
    }
    TRANSFORMED.set(values);
    whole
}

/// How many tiles there are in a block.
fn tiles(pieces: &[Piece]) -> usize {
    pieces.last().map_or(0, |p| p.at + p.tiles)
}

/// All tiles of a picture in blocks of at most `unit`.
fn tile_blocks(dilation: usize, [height, width]: [usize; 2], unit: usize) -> Vec<Vec<Piece>> {
    let (mut blocks, mut block, mut at) = (Vec::new(), Vec::new(), 0);
    // The residues of a row stay together: neighbouring tiles see neighbouring pixels.
    let along = width.div_ceil(TILE * dilation) * dilation;
    for (row, rows) in residues(height, dilation) {
        for y in (0..rows).step_by(TILE) {
            let mut x = 0;
            while x < along {
                let tiles = (along - x).min((unit - at) / dilation * dilation);
                if tiles == 0 {
                    blocks.push(std::mem::take(&mut block));
                    at = 0;
                    continue;
                }
                let size = [(rows - y).min(TILE), (width - x * TILE).min(tiles * TILE)];
                block.push(Piece { corner: [row + y * dilation, x * TILE], size, tiles, at });
                (x, at) = (x + tiles, at + tiles);
            }
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}

/// Blocks of channels and of tiles to be multiplied by one task: few channels, for which weights must be transformed,
/// and many tiles, unless there would be too few tasks.
fn tasks(weights: usize, tiles: usize, together: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let share = tiles.div_ceil(TASKS.div_ceil(weights.div_ceil(together)).min(tiles)).max(1);
    let of = move |w: usize| {
        (0..tiles).step_by(share).map(move |t| (w..(w + together).min(weights), t..(t + share).min(tiles)))
    };
    (0..weights).step_by(together).flat_map(of).collect()
}

/// Where transformed values stand: `[chunk of channels][position][channel][tile]` for each block of tiles.
struct Layout {
    isa: Isa,
    channels: usize,
    /// Tiles in a block.
    unit: usize,
    /// Floats of a chunk, and of a block.
    chunk: usize,
    block: usize,
    /// Input channels whose weights are transformed at once, and blocks of output channels.
    at_hand: usize,
    together: usize,
    /// Within a block of tiles, and within one of so few that each channel's would have a line of the cache for itself.
    full: Within,
    few: Within,
}

/// Where transformed values stand within a block.
struct Within {
    /// Floats from a channel to the next, and from a position to the next.
    unit: usize,
    stride: usize,
    /// Where each channel stands, for each turn of [`Layout::at_hand`] channels from its own first chunk on.
    turns: Vec<Taps>,
}

impl Layout {
    fn new(channels: usize, isa: Isa) -> Layout {
        let unit = isa.lanes() * isa.vectors(BLOCK);
        let stride = |unit| channels.min(CHANNELS) * unit + GAP;
        let chunk = POSITIONS * stride(unit);
        // A block of very many channels does not stay in any cache: take what can stay, for several blocks of outputs.
        let together = if channels > MANY { 4 } else { 1 };
        let at_hand = AT_HAND / together;
        let within = |unit| {
            let mut turns = Vec::new();
            turns.resize_with(channels.div_ceil(at_hand), Taps::default);
            (0..channels).for_each(|c| turns[c / at_hand].push(c % at_hand / CHANNELS * chunk + c % CHANNELS * unit));
            Within { unit, stride: stride(unit), turns }
        };
        let block = channels.div_ceil(CHANNELS) * chunk;
        Layout { isa, channels, unit, chunk, block, at_hand, together, full: within(unit), few: within(kernel::FEW) }
    }

    fn within(&self, tiles: usize) -> &Within {
        if tiles <= self.few.unit { &self.few } else { &self.full }
    }

    /// Transforms a block of tiles of a chunk of channels, from `first` on.
    fn gather(&self, packed: &Packed, input: &Input<'_>, image: usize, pieces: &[Piece], first: usize, to: &mut [f32]) {
        let [_, channels, height, width] = input.shape;
        let dilation = packed.options.dilation;
        let columns = |p: &Piece| Columns::new(packed, p.corner[1], 1, p.tiles * TILE + 2 * dilation, width);
        let columns: Vec<Columns> = pieces.iter().map(columns).collect();
        let Within { unit, stride, .. } = *self.within(tiles(pieces));
        // Pieces of a narrow map stand beside each other in a vector, with what their last tiles see beyond them.
        let longest = pieces.iter().map(|p| p.tiles + dilation).max().unwrap_or(0);
        let apart = if longest > LANES / 2 { LANES } else { longest.next_power_of_two().max(LANES / 4) };
        let mut lines = [[0.0; LINE]; SEEN];
        let mut parts = [[[0.0; PART]; TILE]; SEEN];
        for (i, channel) in (first..(first + CHANNELS).min(channels)).enumerate() {
            let plane = image * channels + channel;
            let on_the_way = input.on_the_way.map(|o| o[plane]);
            let source = &input.data[plane * height * width..][..height * width];
            let abreast = LANES / apart;
            for (pieces, columns) in pieces.chunks(abreast).zip(columns.chunks(abreast)) {
                for (at, (piece, columns)) in pieces.iter().zip(columns).enumerate() {
                    for (j, line) in lines.iter_mut().enumerate() {
                        match packed.source(piece.corner[0] + j * dilation, height) {
                            Some(y) => columns.copy(self.isa, &source[y * width..][..width], line, on_the_way),
                            None => line.fill(0.0),
                        }
                    }
                    deal_lines(self.isa, &lines, piece.tiles, dilation, &mut parts, at * apart);
                }
                // What this leaves behind its last piece the next channel overwrites, or it lies in the gap.
                transform_input(self.isa, &parts, pieces, apart, dilation, &mut to[i * unit..], stride);
            }
        }
    }

    /// Multiplies blocks of output channels with blocks of tiles, transforms the products back and writes them. Returns
    /// the channels' sums when they are counted.
    fn products(
        &self,
        packed: &Packed,
        image: usize,
        weights: Range<usize>,
        of: &[(&[Piece], &[f32])],
        out: &Output<'_>,
    ) -> Vec<Sums> {
        let pass = &packed.passes[0];
        let blocks = &pass.blocks[weights];
        let mut sums = vec![[Sums::default(); BLOCK]; blocks.len()];
        SCRATCH.with_borrow_mut(|Scratch { weights, products }| {
            // Where the channels come in several turns, each block of tiles keeps its products from turn to turn.
            let last = self.full.turns.len() - 1;
            let kept = if last > 0 { of.len() } else { TOGETHER };
            products.resize((kept * blocks.len() * POSITIONS).max(products.len()), Product::default());
            for turn in 0..=last {
                let first = turn * self.at_hand;
                let channels = (self.channels - first).min(self.at_hand);
                let apart = channels * BLOCK + GAP;
                weights.resize((blocks.len() * POSITIONS * apart).max(weights.len()), 0.0);
                for (block, to) in blocks.iter().zip(weights.chunks_exact_mut(POSITIONS * apart)) {
                    let given = &pass.weights[block.weights + 9 * first * block.len..][..9 * channels * block.len];
                    transform_weights(self.isa, given, block.len, to, apart);
                }
                let one = blocks.len() * POSITIONS;
                for (i, of) in of.chunks(TOGETHER).enumerate() {
                    let products = &mut products[if last > 0 { i * TOGETHER * one } else { 0 }..];
                    self.multiply(blocks, (weights, apart), turn, of, products);
                    if turn < last {
                        continue;
                    }
                    for ((pieces, _), products) in of.iter().zip(products.chunks_exact(one)) {
                        let all = blocks.iter().zip(products.chunks_exact(POSITIONS)).zip(&mut sums);
                        for ((block, products), sums) in all {
                            self.write(packed, image, block, pieces, products, out, sums);
                        }
                    }
                }
            }
        });
        let counted = blocks.iter().zip(&sums).filter(|_| out.counting);
        counted.flat_map(|(block, sums)| &sums[..block.len]).copied().collect()
    }

    /// Adds to the products of some blocks of tiles what a turn's channels contribute; weights stand `apart` from position to
    /// position.
    fn multiply(
        &self,
        blocks: &[Block],
        (weights, apart): (&[f32], usize),
        turn: usize,
        of: &[(&[Piece], &[f32])],
        products: &mut [Product],
    ) {
        let first = turn * self.at_hand / CHANNELS * self.chunk;
        for position in 0..POSITIONS {
            for (b, block) in blocks.iter().enumerate() {
                let at = b * POSITIONS + position;
                for ((pieces, values), products) in of.iter().zip(products.chunks_exact_mut(blocks.len() * POSITIONS)) {
                    let pixels = tiles(pieces);
                    let Within { stride, turns, .. } = self.within(pixels);
                    let strip = Strip {
                        input: &values[first + position * stride..],
                        taps: &turns[turn],
                        weights: &weights[at * apart..],
                        block: block.len,
                        pixels,
                    };
                    strip.accumulate(self.isa, turn > 0, &mut products[at].values);
                }
            }
        }
    }

    /// Transforms the products of one block of channels back and writes them.
    #[allow(clippy::too_many_arguments)]
    fn write(
        &self,
        packed: &Packed,
        image: usize,
        block: &Block,
        pieces: &[Piece],
        products: &[Product],
        out: &Output<'_>,
        sums: &mut [Sums; BLOCK],
    ) {
        let dilation = packed.options.dilation;
        let range = packed.options.activation.range();
        let count = tiles(pieces);
        let mut woven = [[0.0; TILE * STRIP]; TILE];
        for (c, sums) in sums.iter_mut().enumerate().take(block.len) {
            let channel = block.first + c;
            transform_back(self.isa, products, c, count, dilation, &mut woven);
            for piece in pieces {
                for (r, woven) in woven.iter().enumerate().take(piece.size[0]) {
                    let values = &woven[piece.at * TILE..][..piece.size[1]];
                    let place = out.place(image, channel, piece.corner[0] + r * dilation, piece.corner[1]);
                    let sums = out.counting.then_some(&mut *sums);
                    // SAFETY: no other task has this image, row, columns and channel.
                    unsafe { out.finish(self.isa, values, place, packed.bias[channel], range, sums) };
                }
            }
        }
    }
}

thread_local! {
    /// Transformed input, kept by the thread that runs a network.
    static TRANSFORMED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { weights: Vec::new(), products: Vec::new() }) };
}

/// What one task works on.
struct Scratch {
    /// `[position][channel][output channel]`.
    weights: Vec<f32>,
    /// `[position][output channel][tile]`.
    products: Vec<Product>,
}

/// What one position of a block of tiles comes to.
#[derive(Clone)]
struct Product {
    values: [f32; BLOCK * STRIP],
    _gap: [f32; GAP],
}

impl Default for Product {
    fn default() -> Product {
        Product { values: [0.0; BLOCK * STRIP], _gap: [0.0; GAP] }
    }
}
