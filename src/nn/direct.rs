//! Direct convolution over plain slices: which pixels a task gathers, in which order strips and blocks are computed.
//!
//! The output is cut into tiles. A task copies the input that its tile needs into a small buffer of its own that stays
//! in the second-level cache, and on that copy settles everything that would disturb the inner loop: padding (nothing
//! downstream knows of it), stride (columns are dealt out into phases, so that each tap reads neighbours), the previous
//! layer's normalisation and ReLU (never written back to memory), and a power-of-two distance between channels.
//! A nearest-neighbour doubling before a 3x3 kernel is never made: each of the four output phases is a 2x2 kernel on
//! the small input whose weights are sums of the given ones, 4/9 of the work.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::kernel::{self, BLOCK, Isa, OnTheWay, STRIP, Strip, Sums, Taps};
use super::packed::{Input, Output, Packed};
use super::plan::{Columns, Plan, Task, strips};
use super::team::Together;
use super::watch::CancelToken;

/// As [`Packed::run`], for any convolution; calls `counted` with each image's blocks of channels and their sums. Returns
/// `false` once cancelled.
pub(super) fn run(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    out: &Output<'_>,
    counted: Option<impl FnMut(usize, Range<usize>, &[Sums])>,
    cancel: &CancelToken,
) -> bool {
    let grid = if packed.phased { out.size.map(|n| n.div_ceil(2)) } else { out.size };
    let plan = Plan::new(packed, isa, grid);
    let tasks = plan.tasks(packed, input.shape[0], grid);
    let sums: Option<Vec<Vec<Sums>>> = tasks
        .par_iter()
        .every(|task| {
            let tile = |scratch: &mut _| tile(packed, isa, &plan, task, input, out, scratch);
            (!cancel.is_cancelled()).then(|| SCRATCHES.with_borrow_mut(tile))
        })
        .into_iter()
        .collect();
    if let (Some(mut counted), Some(sums)) = (counted, &sums) {
        tasks.into_iter().zip(sums).for_each(|(task, sums)| counted(task.image, task.blocks, sums));
    }
    sums.is_some()
}

/// One task: gathers, computes every block's strips, writes them. Returns each of its channels' sums, in order.
#[allow(clippy::too_many_arguments)]
fn tile(
    packed: &Packed,
    isa: Isa,
    plan: &Plan,
    task: &Task,
    input: &Input<'_>,
    out: &Output<'_>,
    scratch: &mut Vec<f32>,
) -> Vec<Sums> {
    let stride = packed.options.stride;
    let blocks = &packed.passes[0].blocks[task.blocks.clone()];
    let mut sums = vec![Sums::default(); if out.counting { blocks.iter().map(|b| b.len).sum() } else { 0 }];
    let rows = task.rows.len();
    // The padded rows the tile needs, once each, ascending; and where each of its rows' taps find theirs.
    let mut needed: Vec<usize> = (0..rows).flat_map(|r| plan.tap_rows.iter().map(move |t| r * stride + t)).collect();
    needed.sort_unstable();
    needed.dedup();
    let slot = |r: usize, tap_row: usize| needed.binary_search(&(r * stride + tap_row)).unwrap_or(0);
    let columns: Vec<Columns> = plan
        .column_phases
        .iter()
        .map(|p| {
            let n = task.columns.len() + plan.reach;
            Columns::new(packed, task.columns.start * stride + p, stride, n, input.shape[3])
        })
        .collect();
    let row_len = plan.row_len * columns.len();
    let channel_stride = needed.len() * row_len + 16; // 16: neighbouring channels never share all their cache sets
    let lanes = isa.lanes();
    let words = isa.words(packed.shape[1]);
    scratch.resize((words * channel_stride + STRIP).max(scratch.len()), 0.0);

    let range = packed.options.activation.range();
    let mut buffers = [[0.0f32; BLOCK * STRIP]; 2];
    let mut woven = [0.0f32; 2 * STRIP];
    let mut gathered = usize::MAX;
    let (mut taps, mut one_channel) = (Vec::new(), Vec::new());
    taps.resize_with(packed.passes.len(), Taps::default);
    let mut first_sum = 0;
    // Blocks of one group are neighbours; each group is gathered once.
    let mut from = 0;
    while from < blocks.len() {
        let group = blocks[from].group;
        let to = from + blocks[from..].iter().take_while(|b| b.group == group).count();
        if gathered != group {
            gather(packed, isa, plan, task, input, group, &needed, &columns, channel_stride, scratch);
            gathered = group;
        }
        for r in 0..rows {
            for (pass, taps) in packed.passes.iter().zip(&mut taps) {
                let at = |t: &[usize; 2]| {
                    let phase = plan.column_phases.binary_search(&(t[1] % stride)).unwrap_or(0);
                    slot(r, t[0]) * row_len + phase * plan.row_len + t[1] / stride
                };
                one_channel.clear();
                one_channel.extend(pass.taps.iter().map(at));
                taps.clear();
                for word in 0..words {
                    one_channel.iter().for_each(|at| taps.push(word * channel_stride + at));
                }
            }
            for (start, vectors) in strips(task.columns.len(), lanes, plan.vectors) {
                let n = (vectors * lanes).min(task.columns.len() - start);
                let mut sum = first_sum;
                for (b, block) in blocks.iter().enumerate().take(to).skip(from) {
                    let strip = |pass: usize| Strip {
                        input: &scratch[start..],
                        taps: &taps[pass],
                        weights: packed.weights(isa, pass, task.blocks.start + b),
                        block: block.len,
                        pixels: n,
                    };
                    if !out.counting && !packed.phased && strip(0).reach(isa) == n {
                        let place = out.place(task.image, block.first, task.rows.start + r, task.columns.start + start);
                        // SAFETY: no other task has this image, row, columns and channels.
                        let end = unsafe { out.end(place, [block.len, n], packed.biases(block.first), range) };
                        strip(0).finish(isa, &end);
                        continue;
                    }
                    let pairs = if packed.phased { 2 } else { 1 };
                    for pair in 0..pairs {
                        let y = if packed.phased { 2 * (task.rows.start + r) + pair } else { task.rows.start + r };
                        if y >= out.size[0] {
                            continue; // the last phase of a transposed convolution can lie beyond the edge
                        }
                        strip(pair * 2 % packed.passes.len()).accumulate(isa, false, &mut buffers[0]);
                        if packed.phased {
                            strip(pair * 2 + 1).accumulate(isa, false, &mut buffers[1]);
                        }
                        for c in 0..block.len {
                            let channel = block.first + c;
                            let x = task.columns.start + start;
                            let a = &buffers[0][c * STRIP..][..n];
                            let (values, x) = if packed.phased {
                                let b = &buffers[1][c * STRIP..][..n];
                                kernel::weave(isa, a, b, &mut woven[..2 * n]);
                                (&woven[..(2 * n).min(out.size[1] - 2 * x)], 2 * x)
                            } else {
                                (a, x)
                            };
                            let place = out.place(task.image, channel, y, x);
                            let sums = sums.get_mut(sum + c);
                            // SAFETY: no other task has this image, row, columns and channel.
                            unsafe { out.finish(isa, values, place, packed.bias[channel], range, sums) };
                        }
                    }
                    sum += block.len;
                }
            }
        }
        first_sum += blocks[from..to].iter().map(|b| b.len).sum::<usize>();
        from = to;
    }
    sums
}

/// Copies the tile's input of one group into `scratch`, `[word][needed row][phase][column]`: a word is a
/// channel, or two in bf16.
#[allow(clippy::too_many_arguments)]
fn gather(
    packed: &Packed,
    isa: Isa,
    plan: &Plan,
    task: &Task,
    input: &Input<'_>,
    group: usize,
    needed: &[usize],
    columns: &[Columns],
    channel_stride: usize,
    scratch: &mut [f32],
) {
    let [_, channels, height, width] = input.shape;
    let first_row = task.rows.start * packed.options.stride;
    let ins = packed.shape[1];
    let words = isa.words(ins);
    let copy = |c: usize, y: usize, columns: &Columns, to: &mut [f32]| {
        let plane = task.image * channels + group * ins + c;
        let row = &input.data[(plane * height + y) * width..][..width];
        columns.copy(isa, row, to, input.on_the_way.map(|o| o[plane]));
    };
    let mut two = vec![0.0; if words == ins { 0 } else { 2 * plan.row_len }];
    let half = two.len() / 2;
    let (a, b) = two.split_at_mut(half);
    for word in 0..words {
        for (slot, &row) in needed.iter().enumerate() {
            let to = &mut scratch[word * channel_stride + slot * plan.row_len * columns.len()..];
            let y = packed.source(first_row + row, height);
            for (columns, to) in columns.iter().zip(to.chunks_exact_mut(plan.row_len)) {
                match y {
                    Some(y) if words == ins => copy(word, y, columns, to),
                    Some(y) => {
                        copy(2 * word, y, columns, a);
                        if 2 * word + 1 < ins {
                            copy(2 * word + 1, y, columns, b);
                        } else {
                            b.fill(0.0);
                        }
                        kernel::pack_pairs(isa, [a, b], [OnTheWay::NOTHING; 2], to, plan.row_len, plan.row_len);
                    }
                    None => to.fill(0.0),
                }
            }
        }
    }
}

thread_local! {
    /// Gathered input, kept per thread so that a layer of thousands of tasks allocates nothing.
    static SCRATCHES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}
