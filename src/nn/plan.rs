//! How a layer is cut into tiles, and where the columns of a tile's gathered rows come from.

use super::kernel::{self, Isa, OnTheWay};
use super::packed::Packed;

/// Floats of gathered input a task may hold: half of a usual second-level cache.
const SCRATCH: usize = 112 * 1024;
/// Tasks to cut a layer into, so that a handful of cores end together. Not the real number of threads: how sums are
/// split, and so the last bits of a result, must not depend on the machine's cores.
pub(super) const TASKS: usize = 24;

/// How a layer is cut: tile size and the shape of a gathered row.
pub(super) struct Plan {
    pub(super) tile: [usize; 2],
    pub(super) vectors: usize,
    /// Distinct rows and column phases that the taps touch, ascending.
    pub(super) tap_rows: Vec<usize>,
    pub(super) column_phases: Vec<usize>,
    /// Floats of one phase of one gathered row.
    pub(super) row_len: usize,
    /// Columns of a row that may be read, from the tile's first.
    pub(super) reach: usize,
}

impl Plan {
    pub(super) fn new(packed: &Packed, isa: Isa, grid: [usize; 2]) -> Plan {
        let stride = packed.options.stride;
        let taps = || packed.passes.iter().flat_map(|p| p.taps.iter());
        let distinct = |values: Vec<usize>| {
            let mut v = values;
            v.sort_unstable();
            v.dedup();
            v
        };
        let tap_rows = distinct(taps().map(|t| t[0]).collect());
        let column_phases = distinct(taps().map(|t| t[1] % stride).collect());
        let reach = taps().map(|t| t[1] / stride).max().unwrap_or(0);
        let widest = packed.passes[0].blocks.iter().map(|b| b.len).max().unwrap_or(1);
        let (lanes, vectors) = (isa.lanes(), isa.vectors(widest));
        let unit = lanes * vectors;
        let row_len = |w: usize| w.next_multiple_of(lanes) + reach;
        let gathered_rows = |rows: usize| {
            let span = tap_rows.last().map_or(0, |l| l + 1);
            ((rows - 1) * stride + span).min(rows * tap_rows.len())
        };
        let floats =
            |t: [usize; 2]| isa.words(packed.shape[1]) * gathered_rows(t[0]) * row_len(t[1]) * column_phases.len();
        let halve = |w: usize| (w / 2).next_multiple_of(unit);
        let mut tile = [grid[0].clamp(1, 16), grid[1].max(1)];
        while floats(tile) > SCRATCH {
            if tile[0] > 8 || (tile[0] > 1 && tile[1] <= 2 * unit) {
                tile[0] = tile[0].div_ceil(2);
            } else if tile[1] > 2 * unit {
                tile[1] = halve(tile[1]);
            } else {
                break;
            }
        }
        while grid[0].div_ceil(tile[0]) * grid[1].div_ceil(tile[1]) < TASKS && tile[0] > 2 {
            tile[0] = tile[0].div_ceil(2);
        }
        Plan { vectors, row_len: row_len(tile[1]), tile, tap_rows, column_phases, reach }
    }

    pub(super) fn tasks(&self, packed: &Packed, batch: usize, grid: [usize; 2]) -> Vec<Task> {
        let tiles = batch * grid[0].div_ceil(self.tile[0]) * grid[1].div_ceil(self.tile[1]);
        // A small picture with many channels has few tiles: then its channels are spread as well.
        let blocks = packed.passes[0].blocks.len();
        let share = blocks.div_ceil(TASKS.div_ceil(tiles.max(1)).min(blocks)).max(1);
        let mut tasks = Vec::new();
        for image in 0..batch {
            for y in (0..grid[0]).step_by(self.tile[0]) {
                for x in (0..grid[1]).step_by(self.tile[1]) {
                    for b in (0..blocks).step_by(share) {
                        tasks.push(Task {
                            image,
                            rows: y..(y + self.tile[0]).min(grid[0]),
                            columns: x..(x + self.tile[1]).min(grid[1]),
                            blocks: b..(b + share).min(blocks),
                        });
                    }
                }
            }
        }
        tasks
    }
}

/// A tile of the output (of the input, when phased) and the blocks of channels to compute for it.
pub(super) struct Task {
    pub(super) image: usize,
    pub(super) rows: std::ops::Range<usize>,
    pub(super) columns: std::ops::Range<usize>,
    pub(super) blocks: std::ops::Range<usize>,
}

/// Where the columns of one phase of a gathered row come from.
pub(super) struct Columns {
    /// Source column of each one before the run and after it; `None` is a padding zero.
    before: Vec<Option<usize>>,
    after: Vec<Option<usize>>,
    /// The stretch that is every `step`-th column in order, and the source of its first.
    run: std::ops::Range<usize>,
    first: usize,
    step: usize,
}

impl Columns {
    /// `n` columns of the padded input, from `start` on every `step`-th.
    pub(super) fn new(packed: &Packed, start: usize, step: usize, n: usize, width: usize) -> Columns {
        let (padding, upsample) = (packed.before(width), packed.options.upsample);
        let reached = |column: usize| column.saturating_sub(start).div_ceil(step).min(n);
        let run = if upsample && !packed.phased { 0..0 } else { reached(padding)..reached(padding + width) };
        let source = |i: usize| packed.source(start + i * step, width);
        Columns {
            before: (0..run.start).map(source).collect(),
            after: (run.end..n).map(source).collect(),
            first: (start + run.start * step).saturating_sub(padding),
            run,
            step,
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.run.end + self.after.len()
    }

    /// Fills `to` from a row of the input.
    pub(super) fn copy(&self, isa: Isa, row: &[f32], to: &mut [f32], on_the_way: Option<OnTheWay>) {
        let value = |x: &Option<usize>| x.map_or(0.0, |x| on_the_way.map_or(row[x], |o| o.apply(row[x])));
        to.iter_mut().zip(&self.before).for_each(|(to, x)| *to = value(x));
        to[self.run.end..].iter_mut().zip(&self.after).for_each(|(to, x)| *to = value(x));
        let (from, to) = (&row[self.first.min(row.len())..], &mut to[self.run.clone()]);
        match (self.step, on_the_way) {
            // Most often; without the way to the processor's own copy, for a short row is copied as fast as that is found.
            (1, None) => to.copy_from_slice(&from[..to.len()]),
            _ if to.is_empty() => {}
            (step, way) => kernel::gather(isa, from, step, to, way),
        }
    }
}

/// The first `len` of `values`, grown where needed, that begin with a line of the cache: a vector that lies across two
/// lines takes two loads.
pub(super) fn aligned(values: &mut Vec<f32>, len: usize) -> &mut [f32] {
    const LINE: usize = 64;
    if values.len() < len + LINE / size_of::<f32>() {
        values.resize(len + LINE / size_of::<f32>(), 0.0);
    }
    let first = values.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
    &mut values[first..first + len]
}

/// The strips that `n` pixels are computed in, as `(first pixel, vectors)`, of nearly equal width.
pub(super) fn strips(n: usize, lanes: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let vectors = n.div_ceil(lanes);
    let count = vectors.div_ceil(most).max(1);
    (0..count).map(move |i| {
        let (from, to) = (i * vectors / count, (i + 1) * vectors / count);
        (from * lanes, to - from)
    })
}
