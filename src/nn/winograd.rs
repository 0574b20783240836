//! 3x3 convolutions of stride 1 by minimal filtering, F(4x4, 3x3) (Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308).
//!
//! A tile of 4x4 outputs is worked out from 6x6 inputs with 36 multiplications per pair of channels where the definition
//! takes 144: input and weights are transformed, multiplied position by position (each position is a matrix product over
//! the channels, by the kernels of the direct convolution) and the products transformed back. A dilated convolution is
//! dilation x dilation ordinary ones, each over the pixels of one residue.
//!
//! Inputs are transformed for a stripe of tiles at a time, small enough to stay in the last-level cache. Weights are
//! transformed anew for each stripe, in the cache: that costs a few percent of the products, while reading transformed
//! weights (four times as many) from memory would take longer and hold four times the memory.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::direct::{Input, Output, Packed};
use super::kernel::{self, BLOCK, Isa, STRIP, Strip, Sums, Taps, for_each_isa};
use super::plan::{Columns, TASKS};
use super::watch::CancelToken;

/// Outputs and inputs of a tile along one side, and positions of a transformed tile.
const TILE: usize = 4;
const SEEN: usize = TILE + 2;
const POSITIONS: usize = SEEN * SEEN;
/// Floats of transformed input in a stripe, for which the last-level cache should have room.
const STRIPE: usize = 2 * 1024 * 1024;
/// Channels whose transformed values stand together, so that the products read long runs.
const CHANNELS: usize = 32;
/// Channels whose transformed weights are at hand at once: with eight output channels 288 KiB, to stay in the
/// second-level cache.
const AT_HAND: usize = 256;
/// Floats left between positions, so that they do not compete for the same few sets of the cache.
const GAP: usize = 16;
/// Tiles worked on at once in the transforms.
const LANES: usize = 16;

/// Longest line of input that a block of tiles sees, and the longest of its four interleaved parts.
const LINE: usize = TILE * PART;
const PART: usize = STRIP + LANES;

type Lane = [f32; LANES];

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
    let unit = isa.lanes() * isa.vectors(BLOCK);
    let blocks = tile_blocks(packed.options.dilation, out.size, unit);
    let channels = packed.shape[1];
    let chunk = POSITIONS * (channels.min(CHANNELS) * unit + GAP);
    let block_len = channels.div_ceil(CHANNELS) * chunk;
    let mut taps = Vec::new();
    taps.resize_with(channels.div_ceil(AT_HAND), Taps::default);
    (0..channels).for_each(|c| taps[c / AT_HAND].push(c % AT_HAND / CHANNELS * chunk + c % CHANNELS * unit));

    let mut values = TRANSFORMED.take();
    let mut whole = true;
    for image in 0..input.shape[0] {
        for stripe in blocks.chunks((STRIPE / block_len).max(1)) {
            values.resize((stripe.len() * block_len).max(values.len()), 0.0);
            values[..stripe.len() * block_len].par_chunks_exact_mut(chunk).enumerate().for_each(|(i, to)| {
                let (block, first) = (i / (block_len / chunk), i % (block_len / chunk) * CHANNELS);
                let these = first..(first + CHANNELS).min(channels);
                if !cancel.is_cancelled() {
                    gather(packed, isa, input, image, &stripe[block], these, to, unit);
                }
            });
            let tasks = tasks(packed.passes[0].blocks.len(), stripe.len());
            let sums: Vec<_> = tasks
                .par_iter()
                .map(|(weights, tiles)| {
                    let tiles = tiles.clone().map(|t| (&stripe[t][..], &values[t * block_len..][..block_len]));
                    let go = !cancel.is_cancelled();
                    go.then(|| products(packed, isa, image, weights.clone(), tiles, &taps, out))
                })
                .collect();
            whole &= sums.iter().all(Option::is_some);
            if let Some(counted) = &mut counted {
                tasks.into_iter().zip(sums.iter().flatten()).for_each(|((w, _), s)| counted(image, w, s));
            }
        }
    }
    TRANSFORMED.set(values);
    whole
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
fn tasks(weights: usize, tiles: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let share = tiles.div_ceil(TASKS.div_ceil(weights).min(tiles)).max(1);
    let of = move |w: usize| (0..tiles).step_by(share).map(move |t| (w..w + 1, t..(t + share).min(tiles)));
    (0..weights).flat_map(of).collect()
}

/// Writes the transformed `channels` of a block of tiles to `to`, `[position][channel][tile]`.
#[allow(clippy::too_many_arguments)]
fn gather(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    image: usize,
    pieces: &[Piece],
    channels: Range<usize>,
    to: &mut [f32],
    unit: usize,
) {
    let [_, all, height, width] = input.shape;
    let dilation = packed.options.dilation;
    let columns = |p: &Piece| Columns::new(packed, p.corner[1], 1, p.tiles * TILE + 2 * dilation, width);
    let columns: Vec<Columns> = pieces.iter().map(columns).collect();
    let mut lines = [[0.0; LINE]; SEEN];
    let mut parts = [[[0.0; PART]; TILE]; SEEN];
    let stride = to.len() / POSITIONS;
    for (i, channel) in channels.enumerate() {
        let plane = image * all + channel;
        let on_the_way = input.on_the_way.map(|o| o[plane]);
        let source = &input.data[plane * height * width..][..height * width];
        for (piece, columns) in pieces.iter().zip(&columns) {
            for (j, line) in lines.iter_mut().enumerate() {
                match packed.source(piece.corner[0] + j * dilation, height) {
                    Some(y) => columns.copy(isa, &source[y * width..][..width], line, on_the_way),
                    None => line.fill(0.0),
                }
            }
            let room = unit - piece.at;
            let to = &mut to[i * unit + piece.at..];
            transform_input(isa, &lines, &mut parts, piece.tiles, dilation, to, stride, room);
        }
    }
}

/// Multiplies a block of output channels with blocks of tiles, transforms the products back and writes them. Returns the
/// channels' sums when they are counted.
#[allow(clippy::too_many_arguments)]
fn products<'a>(
    packed: &Packed,
    isa: Isa,
    image: usize,
    weights: Range<usize>,
    tiles: impl ExactSizeIterator<Item = (&'a [Piece], &'a [f32])> + Clone,
    taps: &[Taps],
    out: &Output<'_>,
) -> Vec<Sums> {
    let channels = packed.shape[1];
    let pass = &packed.passes[0];
    let dilation = packed.options.dilation;
    let range = packed.options.activation.range();
    let stride = channels.min(CHANNELS) * (isa.lanes() * isa.vectors(BLOCK)) + GAP;
    let chunk = POSITIONS * stride;
    let turns = taps.len();
    let mut all = Vec::new();
    let mut woven = [[0.0; TILE * STRIP]; TILE];
    SCRATCH.with_borrow_mut(|Scratch { weights: transformed, products }| {
        // Where the channels come in several turns, each block of tiles keeps its sums from turn to turn.
        let kept = if taps.len() > 1 { tiles.len() } else { 1 };
        products.resize(kept * POSITIONS, Product { values: [0.0; BLOCK * STRIP], _gap: [0.0; GAP] });
        for block in &pass.blocks[weights] {
            let len = block.len;
            let mut sums = [Sums::default(); BLOCK];
            for (turn, taps) in taps.iter().enumerate() {
                let first = turn * AT_HAND;
                let these = (channels - first).min(AT_HAND);
                let apart = these * len + GAP;
                transformed.resize(POSITIONS * apart, 0.0);
                let given = &pass.weights[block.weights + 9 * first * len..][..9 * these * len];
                transform_weights(isa, given, len, transformed, apart);
                for (t, (pieces, values)) in tiles.clone().enumerate() {
                    let products = &mut products[t % kept * POSITIONS..][..POSITIONS];
                    let values = &values[first / CHANNELS * chunk..];
                    let count = pieces.last().map_or(0, |p| p.at + p.tiles);
                    for (position, product) in products.iter_mut().enumerate() {
                        let strip = Strip {
                            input: &values[position * stride..],
                            taps,
                            weights: &transformed[position * apart..],
                            block: len,
                            vectors: count.div_ceil(isa.lanes()),
                        };
                        strip.accumulate(isa, turn > 0, &mut product.values);
                    }
                    if turn + 1 < turns {
                        continue;
                    }
                    for (c, sums) in sums.iter_mut().enumerate().take(len) {
                        let channel = block.first + c;
                        transform_back(isa, products, c, count, dilation, &mut woven);
                        for piece in pieces {
                            for (r, woven) in woven.iter().enumerate().take(piece.size[0]) {
                                let values = &woven[piece.at * TILE..][..piece.size[1]];
                                let place = out.place(image, channel, piece.corner[0] + r * dilation, piece.corner[1]);
                                // SAFETY: no other task has this image, row, columns and channel.
                                let row = unsafe { out.row(place, values.len()) };
                                let residual = out.residual_row(place, values.len());
                                let sums = out.counting.then_some(&mut *sums);
                                kernel::finish(isa, values, row, packed.bias[channel], residual, range, sums);
                            }
                        }
                    }
                }
            }
            if out.counting {
                all.extend(&sums[..len]);
            }
        }
    });
    all
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
pub(super) struct Product {
    values: [f32; BLOCK * STRIP],
    _gap: [f32; GAP],
}

for_each_isa!(
    /// Transforms `tiles` tiles that stand side by side in six lines; tile t's value for each position goes to
    /// `to[position * stride + t]`, and up to `room` values there may be overwritten.
    transform_input, transform_input_body(
        lines: &[[f32; LINE]; SEEN], parts: &mut [[[f32; PART]; TILE]; SEEN], tiles: usize, dilation: usize,
        to: &mut [f32], stride: usize, room: usize
    )
);

#[inline(always)]
fn transform_input_body(
    lines: &[[f32; LINE]; SEEN],
    parts: &mut [[[f32; PART]; TILE]; SEEN],
    tiles: usize,
    dilation: usize,
    to: &mut [f32],
    stride: usize,
    room: usize,
) {
    for (line, parts) in lines.iter().zip(parts.iter_mut()) {
        match dilation {
            1 => deal::<1>(line, tiles + 1, parts),
            2 => deal::<2>(line, tiles + 2, parts),
            4 => deal::<4>(line, tiles + 4, parts),
            _ => {
                let groups = line.chunks_exact(TILE * dilation).take(tiles / dilation + 1);
                for (i, group) in groups.enumerate() {
                    for (part, from) in parts.iter_mut().zip(group.chunks_exact(dilation)) {
                        part[i * dilation..][..dilation].copy_from_slice(from);
                    }
                }
            }
        }
    }
    for t in (0..tiles).step_by(LANES) {
        let mut half = [[[0.0; LANES]; SEEN]; SEEN];
        for x in 0..SEEN {
            let mut column = [[0.0; LANES]; SEEN];
            for (column, parts) in column.iter_mut().zip(parts.iter()) {
                column.copy_from_slice(&parts[x % TILE][t + x / TILE * dilation..][..LANES]);
            }
            for (half, v) in half.iter_mut().zip(seen(&column)) {
                half[x] = v;
            }
        }
        for (y, row) in half.iter().enumerate() {
            for (x, v) in seen(row).iter().enumerate() {
                let to = &mut to[(y * SEEN + x) * stride + t..];
                match room - t {
                    LANES.. => to[..LANES].copy_from_slice(v),
                    few => to[..few].copy_from_slice(&v[..few]),
                }
            }
        }
    }
}

/// Deals a line out into what stands first, second, third and fourth in each group of four times `D`, up to the group
/// that `count` lies in.
#[inline(always)]
fn deal<const D: usize>(line: &[f32; LINE], count: usize, parts: &mut [[f32; PART]; TILE]) {
    let [a, b, c, d] = parts.each_mut().map(|p| p.as_chunks_mut::<D>().0);
    let groups = line.as_chunks::<D>().0.as_chunks::<TILE>().0;
    for ((((a, b), c), d), group) in a.iter_mut().zip(b).zip(c).zip(d).zip(groups).take(count.div_ceil(D)) {
        [*a, *b, *c, *d] = *group;
    }
}

/// The inverse of [`deal`], of [`LANES`] values each.
#[inline(always)]
fn weave<const D: usize>([a, b, c, d]: &[Lane; TILE], line: &mut [f32]) {
    let [a, b, c, d] = [a, b, c, d].map(|p| p.as_chunks::<D>().0);
    let groups = line.as_chunks_mut::<D>().0.as_chunks_mut::<TILE>().0;
    for ((((a, b), c), d), group) in a.iter().zip(b).zip(c).zip(d).zip(groups) {
        *group = [*a, *b, *c, *d];
    }
}

/// `B^T d`: six inputs along one side.
#[inline(always)]
fn seen(d: &[Lane; SEEN]) -> [Lane; SEEN] {
    let mut v = [[0.0; LANES]; SEEN];
    for i in 0..LANES {
        let even = d[4][i] - 4.0 * d[2][i];
        let odd = d[3][i] - 4.0 * d[1][i];
        let near = d[4][i] - d[2][i];
        let far = 2.0 * (d[3][i] - d[1][i]);
        v[0][i] = 4.0 * d[0][i] - 5.0 * d[2][i] + d[4][i];
        v[1][i] = even + odd;
        v[2][i] = even - odd;
        v[3][i] = near + far;
        v[4][i] = near - far;
        v[5][i] = 4.0 * d[1][i] - 5.0 * d[3][i] + d[5][i];
    }
    v
}

for_each_isa!(
    /// `[channel][tap][len]` to `[position][channel][len]`, positions `apart` from each other: `G g G^T` of each kernel.
    transform_weights, transform_weights_body(from: &[f32], len: usize, to: &mut [f32], apart: usize)
);

#[inline(always)]
fn transform_weights_body(from: &[f32], len: usize, to: &mut [f32], apart: usize) {
    match len {
        8 => transform_weights_of::<8>(from, to, apart),
        4 => transform_weights_of::<4>(from, to, apart),
        3 => transform_weights_of::<3>(from, to, apart),
        2 => transform_weights_of::<2>(from, to, apart),
        _ => transform_weights_of::<1>(from, to, apart),
    }
}

#[inline(always)]
fn transform_weights_of<const L: usize>(from: &[f32], to: &mut [f32], apart: usize) {
    let (taps, _) = from.as_chunks::<L>();
    for (c, taps) in taps.chunks_exact(9).enumerate() {
        let mut half = [[[0.0; L]; 3]; SEEN];
        for x in 0..3 {
            for (half, v) in half.iter_mut().zip(kernel_side([&taps[x], &taps[3 + x], &taps[6 + x]])) {
                half[x] = v;
            }
        }
        for (y, [a, b, d]) in half.iter().enumerate() {
            for (x, v) in kernel_side([a, b, d]).into_iter().enumerate() {
                to[(y * SEEN + x) * apart + c * L..][..L].copy_from_slice(&v);
            }
        }
    }
}

/// `G g`: three weights along one side.
#[inline(always)]
fn kernel_side<const L: usize>([a, b, c]: [&[f32; L]; 3]) -> [[f32; L]; SEEN] {
    let mut u = [[0.0; L]; SEEN];
    for i in 0..L {
        let (outer, middle) = ((a[i] + c[i]) * (-1.0 / 6.0), b[i] * (-1.0 / 6.0));
        let (far, side) = (a[i] * (1.0 / 24.0) + c[i] * (1.0 / 6.0), b[i] * (1.0 / 12.0));
        u[0][i] = a[i] * 0.25;
        u[1][i] = outer + middle;
        u[2][i] = outer - middle;
        u[3][i] = far + side;
        u[4][i] = far - side;
        u[5][i] = c[i];
    }
    u
}

for_each_isa!(
    /// Channel `c` of the products, `A^T m A`: `tiles` tiles of 4x4 outputs, as four rows.
    transform_back, transform_back_body(
        products: &[Product], c: usize, tiles: usize, dilation: usize, rows: &mut [[f32; TILE * STRIP]; TILE]
    )
);

#[inline(always)]
fn transform_back_body(
    products: &[Product],
    c: usize,
    tiles: usize,
    dilation: usize,
    rows: &mut [[f32; TILE * STRIP]; TILE],
) {
    for t in (0..tiles).step_by(LANES) {
        let mut half = [[[0.0; LANES]; SEEN]; TILE];
        for x in 0..SEEN {
            let mut column = [[0.0; LANES]; SEEN];
            for (y, column) in column.iter_mut().enumerate() {
                column.copy_from_slice(&products[y * SEEN + x].values[c * STRIP + t..][..LANES]);
            }
            for (half, v) in half.iter_mut().zip(back(&column)) {
                half[x] = v;
            }
        }
        for (half, row) in half.iter().zip(rows.iter_mut()) {
            let outputs = back(half);
            match dilation {
                1 => weave::<1>(&outputs, &mut row[t * TILE..]),
                2 => weave::<2>(&outputs, &mut row[t * TILE..]),
                4 => weave::<4>(&outputs, &mut row[t * TILE..]),
                _ => {
                    for i in 0..LANES {
                        let (group, r) = ((t + i) / dilation, (t + i) % dilation);
                        for (x, values) in outputs.iter().enumerate() {
                            row[(group * TILE + x) * dilation + r] = values[i];
                        }
                    }
                }
            }
        }
    }
}

/// `A^T m`: four outputs along one side.
#[inline(always)]
fn back(m: &[Lane; SEEN]) -> [Lane; TILE] {
    let mut y = [[0.0; LANES]; TILE];
    for i in 0..LANES {
        let (near, near_odd) = (m[1][i] + m[2][i], m[1][i] - m[2][i]);
        let (far, far_odd) = (m[3][i] + m[4][i], m[3][i] - m[4][i]);
        y[0][i] = m[0][i] + near + far;
        y[1][i] = near_odd + 2.0 * far_odd;
        y[2][i] = near + 4.0 * far;
        y[3][i] = near_odd + 8.0 * far_odd + m[5][i];
    }
    y
}
