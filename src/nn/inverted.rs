//! The inverted residual of Sandler et al. 2018 (arXiv 1801.04381) in one go: 1x1 expansion, 3x3 or 5x5 depthwise
//! convolution, 1x1 projection, and the input added. A network's first convolution, of stride 2, can take the place of
//! the expansion that the first of them lacks.
//!
//! The expanded map is the largest of its network and nobody else looks at it, so it is never made: a few of its
//! channels at a time are expanded for a stripe of the picture, already padded and dealt out as the depthwise kernel
//! wants to read them, and filtered while they are in the second-level cache. Of a large map each task has stripes of
//! its own, and what it filtered is still at hand when it is projected; of a small one tasks share what is in a stripe.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::{Options, Padding};
use super::kernel::{BLOCK, Isa, OnTheWay, Rows, STRIP, Strip, Taps};
use super::packed::{Input, Output, Packed, Residual};
use super::plan::{Columns, aligned};
use super::pointwise;
use super::team::Together;
use super::watch::CancelToken;
use super::{Conv2d, depthwise};

/// Floats of a stripe of a task's own. The last-level cache should have room for one of each core's; the second-level one
/// would for less than half, but then the rows that neighbouring stripes both see are too many to be expanded twice.
const OWN: usize = 352 * 1024;
/// Rows of such a stripe at least, for the same reason.
const OWN_ROWS: usize = 6;
/// Such stripes at least, so that a handful of cores end together.
const OWN_COUNT: usize = 4;
/// Floats of the filtered map in a stripe that tasks share, for which the last-level cache should have room.
const SHARED: usize = 512 * 1024;
/// Rows in such a stripe at least.
const SHARED_ROWS: usize = 16;

/// The three layers.
pub(super) struct Inverted<'a> {
    expand: Option<&'a Packed>,
    depthwise: &'a Packed,
    project: &'a Packed,
    isa: Isa,
}

impl<'a> Inverted<'a> {
    /// `None` when the layers are others, or not packed for the processor.
    pub(super) fn new(expand: Option<&'a Conv2d>, depthwise: &'a Conv2d, project: &'a Conv2d) -> Option<Inverted<'a>> {
        let (filter, isa) = depthwise.packed()?;
        let (project, _) = project.packed()?;
        let expand = match expand {
            Some(expand) => Some(expand.packed()?.0),
            None => None,
        };
        let fits = expand.is_none_or(|e| e.shape[0] == filter.shape[0] && (is_plain(e) || is_first(e, filter)))
            && depthwise::is_one(filter)
            && matches!(filter.shape, [.., 3, 3] | [.., 5, 5])
            && pointwise::is_one(project)
            && project.options.stride == 1
            && project.shape[1] == filter.shape[0];
        fits.then_some(Inverted { expand, depthwise: filter, project, isa })
    }

    /// Computes `out`; `wide` and `size` are the heights and widths of the expanded map and of the output, a residual is
    /// added. Returns `false`, and `out` unfinished, once cancelled.
    pub(super) fn run(
        &self,
        input: &Input<'_>,
        out: &mut [f32],
        wide: [usize; 2],
        size: [usize; 2],
        residual: Residual<'_>,
        cancel: &CancelToken,
    ) -> bool {
        let out = Output::new(out, self.project.shape[0], size, residual, false);
        let layout = Layout::new(self.depthwise, size[1], wide[1]);
        let (own, rows) = self.stripes(&layout, size);
        let stripes: Vec<_> = (0..input.shape[0])
            .flat_map(|image| (0..size[0]).step_by(rows).map(move |first| (image, first..(first + rows).min(size[0]))))
            .collect();
        let compute = |(image, rows): &(usize, Range<usize>)| {
            let stripe = Stripe::new(self, input, &layout, *image, rows.clone(), wide[0], size[1]);
            let (from, to) = (stripe.given(), stripe.filtered());
            let (mut packed, mut filtered) = PACKED.take();
            let given = aligned(&mut packed, from.len());
            let values = aligned(&mut filtered, to.len());
            stripe.pack(&from, given);
            stripe.filter((&from, given), (&to, values), cancel);
            let pixels = rows.start * size[1]..rows.end * size[1];
            pointwise::multiply(self.project, self.isa, values, to.apart, *image, pixels, &out, cancel);
            PACKED.set((packed, filtered));
        };
        match own {
            true => stripes.par_iter().each(compute),
            false => stripes.iter().for_each(compute),
        }
        !cancel.is_cancelled()
    }

    /// Whether each task has stripes of its own, and the rows of a stripe.
    fn stripes(&self, layout: &Layout, [height, columns]: [usize; 2]) -> (bool, usize) {
        let (hidden, stride) = (self.depthwise.shape[0], self.depthwise.options.stride);
        let given = self.expand.map_or(0, |e| e.shape[1] * e.options.stride.pow(2) * stride * layout.pitch);
        let fit = (OWN / (hidden * columns + given)).max(1);
        let count = height.div_ceil(fit).next_multiple_of(rayon::current_num_threads());
        let rows = height.div_ceil(count);
        if count >= OWN_COUNT && rows >= OWN_ROWS {
            return (true, rows);
        }
        let most = (SHARED / (hidden * columns)).max(SHARED_ROWS);
        (false, height.div_ceil(height.div_ceil(most))) // all of one height
    }
}

/// Whether this is a 1x1 convolution without a stride.
fn is_plain(expand: &Packed) -> bool {
    pointwise::is_one(expand) && expand.options.stride == 1
}

/// Whether this is a network's first convolution, 3x3 with a stride of 2, and `filter` puts at least one zero between
/// its rows: for what a tap sees behind the last pixel of each.
fn is_first(expand: &Packed, filter: &Packed) -> bool {
    let Options { stride, dilation, upsample, groups, .. } = expand.options;
    let Options { stride: step, mode, .. } = filter.options;
    expand.shape[2..] == [3, 3]
        && (stride, dilation, groups, upsample, expand.phased) == (2, 1, 1, false, false)
        && (step == 1 && mode != Padding::Reflect && filter.before(1) > 0)
}

/// Planes of floats, as the kernels read and write them.
struct Planes {
    count: usize,
    /// From a plane to the next one.
    apart: usize,
}

impl Planes {
    /// Planes of `len` floats, and behind each those that a strip may read or write. No power of two lies between two of
    /// them, for they would compete for the same few sets of the cache.
    fn new(count: usize, len: usize) -> Planes {
        Planes { count, apart: (len + STRIP).next_multiple_of(2 * STRIP) + 16 }
    }

    fn len(&self) -> usize {
        self.count * self.apart
    }
}

/// Some rows of an image's output.
struct Stripe<'a> {
    layers: &'a Inverted<'a>,
    input: &'a Input<'a>,
    layout: &'a Layout,
    image: usize,
    rows: Range<usize>,
    columns: usize,
    /// Of the expanded map.
    height: usize,
    /// Rows of the padded expanded map that these see; before the `real` ones are some that are padding, and behind them.
    seen: usize,
    before: usize,
    real: usize,
}

impl<'a> Stripe<'a> {
    fn new(
        layers: &'a Inverted<'a>,
        input: &'a Input<'a>,
        layout: &'a Layout,
        image: usize,
        rows: Range<usize>,
        height: usize,
        columns: usize,
    ) -> Stripe<'a> {
        let Options { stride, dilation, .. } = layers.depthwise.options;
        let seen = (rows.len() - 1) * stride + (layers.depthwise.shape[2] - 1) * dilation + 1;
        let mut stripe = Stripe { layers, input, layout, image, rows, columns, height, seen, before: 0, real: 0 };
        stripe.before = (0..seen).take_while(|i| stripe.source(*i).is_none()).count();
        stripe.real = (stripe.before..seen).take_while(|i| stripe.source(*i).is_some()).count();
        stripe
    }

    /// Which row of the expanded map stands at `i` of the seen ones.
    fn source(&self, i: usize) -> Option<usize> {
        let filter = self.layers.depthwise;
        filter.source(self.rows.start * filter.options.stride + i, self.height)
    }

    /// A row of the input, padded and dealt as the depthwise convolution reads it: the `i`-th of the real ones.
    fn row(&self, channel: usize, i: usize, to: &mut [f32]) {
        let [_, channels, height, width] = self.input.shape;
        let plane = self.image * channels + channel;
        let y = self.source(self.before + i).unwrap_or(0);
        let from = &self.input.data[(plane * height + y) * width..][..width];
        self.layout.copy(self.layers.isa, from, to, self.input.on_the_way.map(|o| o[plane]));
    }

    /// How what is to be expanded stands in memory: a plane for each channel, or, where the expansion has a stride, one for
    /// each of its rows' and columns' phases. Rows are as far from each other as the expanded ones, so that a strip goes on
    /// from one to the next. No planes, when there is no expansion.
    fn given(&self) -> Planes {
        let Some(expand) = self.layers.expand else { return Planes::new(0, 0) };
        let stride = expand.options.stride;
        let rows = self.real + (expand.shape[2] - 1) / stride;
        // And a row for what a tap reads behind the last one.
        Planes::new(self.input.shape[1] * stride * stride, (rows + 1) * self.layout.pitch)
    }

    /// Where the expansion's taps read in these planes.
    fn taps(&self, expand: &Packed, planes: &Planes) -> Taps {
        let stride = expand.options.stride;
        let mut taps = Taps::default();
        for channel in 0..expand.shape[1] {
            for [y, x] in &expand.passes[0].taps {
                let plane = (channel * stride + y % stride) * stride + x % stride;
                taps.push(plane * planes.apart + y / stride * self.layout.pitch + x / stride);
            }
        }
        taps
    }

    /// How the filtered map stands in memory.
    fn filtered(&self) -> Planes {
        Planes::new(self.layers.depthwise.shape[0], self.rows.len() * self.columns)
    }

    fn pack(&self, planes: &Planes, to: &mut [f32]) {
        let Some(expand) = self.layers.expand else { return };
        let each = expand.options.stride.pow(2) * planes.apart;
        to.par_chunks_mut(BLOCK * each).enumerate().each(|(g, to)| {
            for (c, to) in to.chunks_exact_mut(each).enumerate() {
                if is_plain(expand) {
                    let rows = to.chunks_exact_mut(self.layout.pitch).take(self.real);
                    rows.enumerate().for_each(|(i, to)| self.row(g * BLOCK + c, i, to));
                } else {
                    self.phases(expand, g * BLOCK + c, planes.apart, to);
                }
            }
        });
    }

    /// Deals a channel out into the phases of the expansion's stride: all that the real rows see.
    fn phases(&self, expand: &Packed, channel: usize, apart: usize, to: &mut [f32]) {
        let [_, channels, height, width] = self.input.shape;
        let (stride, &Layout { pitch, lead, .. }) = (expand.options.stride, self.layout);
        let columns: Vec<_> = (0..stride).map(|first| Columns::new(expand, first, stride, pitch, width)).collect();
        let plane = self.image * channels + channel;
        let way = self.input.on_the_way.map(|o| o[plane]);
        let first = self.source(self.before).unwrap_or(0) * stride;
        for i in 0..(self.real - 1) * stride + expand.shape[2] {
            let row = expand.source(first + i, height);
            let row = row.map(|y| &self.input.data[(plane * height + y) * width..][..width]);
            for (x, columns) in columns.iter().enumerate() {
                // From where the row's first pixel is expanded.
                let to = &mut to[(i % stride * stride + x) * apart + i / stride * pitch + lead..][..pitch];
                match row {
                    Some(row) => columns.copy(self.layers.isa, row, to, way),
                    None => to.fill(0.0),
                }
            }
        }
    }

    /// Expands and filters some channels at a time.
    fn filter(&self, (from, given): (&Planes, &[f32]), (to, filtered): (&Planes, &mut [f32]), cancel: &CancelToken) {
        let Inverted { depthwise, isa, .. } = *self.layers;
        let expand = self.layers.expand.map(|expand| (expand, self.taps(expand, from)));
        let padded = Planes::new(BLOCK, self.seen * self.layout.pitch + self.layout.shared);
        filtered.par_chunks_mut(BLOCK * to.apart).enumerate().each(|(g, filtered)| {
            if cancel.is_cancelled() {
                return;
            }
            WIDE.with_borrow_mut(|wide| {
                let wide = aligned(wide, padded.len());
                let first = g * BLOCK;
                if let Some((expand, taps)) = &expand {
                    self.expand(expand, first, (given, taps), (&padded, wide));
                }
                for (i, (wide, to)) in wide.chunks_mut(padded.apart).zip(filtered.chunks_mut(to.apart)).enumerate() {
                    if expand.is_none() {
                        let rows = wide[self.before * self.layout.pitch..].chunks_exact_mut(self.layout.pitch);
                        rows.take(self.real).enumerate().for_each(|(y, to)| self.row(first + i, y, to));
                    }
                    self.layout.pad(wide, self.before, self.real, self.seen);
                    match depthwise.shape[2] {
                        3 => self.rows::<3>(first + i, wide).convolve(isa, to),
                        _ => self.rows::<5>(first + i, wide).convolve(isa, to),
                    }
                }
            });
        });
    }

    /// What the depthwise kernel of channel `c` makes of its padded and dealt rows.
    fn rows<'b, const SIDE: usize>(&'b self, c: usize, wide: &'b [f32]) -> Rows<'b, SIDE> {
        let filter = self.layers.depthwise;
        let kernels = &filter.passes[0];
        let weights = &kernels.weights[kernels.blocks[c].weights..][..SIDE * SIDE];
        Rows {
            input: wide,
            taps: std::array::from_fn(|t| self.layout.taps[t]),
            down: filter.options.dilation * self.layout.pitch,
            weights: weights.as_chunks().0,
            bias: filter.bias[c],
            range: filter.options.activation.range(),
            step: filter.options.stride * self.layout.pitch,
            rows: self.rows.len(),
            columns: self.columns,
        }
    }

    /// Expands the channels from `first` on, as many as planes are `padded`, into the real rows of these.
    fn expand(
        &self,
        expand: &Packed,
        first: usize,
        (given, taps): (&[f32], &Taps),
        (padded, wide): (&Planes, &mut [f32]),
    ) {
        let (isa, pitch, unit) = (self.layers.isa, self.layout.pitch, pointwise::unit(self.layers.isa));
        let pass = &expand.passes[0];
        let channels = first..first + padded.count;
        for block in pass.blocks.iter().filter(|block| channels.contains(&block.first)) {
            let (bias, range) = (expand.biases(block.first), expand.options.activation.range());
            let wide = &mut wide[(block.first - first) * padded.apart + self.before * pitch..];
            for at in (0..self.real * pitch).step_by(unit) {
                let strip = Strip {
                    input: &given[at..],
                    taps,
                    weights: &pass.weights[block.weights..],
                    block: block.len,
                    pixels: unit.min(self.real * pitch - at),
                };
                strip.finish_apart(isa, bias, range, &mut wide[at..], padded.apart);
            }
        }
    }
}

/// How a padded row of the depthwise convolution's input is laid out: dealt into as many parts as its stride.
struct Layout {
    /// From a row to the next.
    pitch: usize,
    /// How many zeros a row begins with.
    lead: usize,
    /// How many zeros at a row's end are the next one's first.
    shared: usize,
    /// Each part's columns.
    parts: Vec<Columns>,
    /// Places of a row that are zeros.
    zeros: Vec<usize>,
    /// Where each tap of one of the kernel's rows reads, from the first one's place on.
    taps: Vec<usize>,
}

impl Layout {
    fn new(packed: &Packed, width_out: usize, width: usize) -> Layout {
        let Options { stride, dilation, .. } = packed.options;
        let [.., kw] = packed.shape;
        let reach = (kw - 1) * dilation;
        let lens: Vec<usize> = (0..stride.min(reach + 1)).map(|p| width_out + (reach - p) / stride).collect();
        let mut pitch: usize = lens.iter().sum();
        let places = lens.iter().enumerate().flat_map(|(p, n)| (0..*n).map(move |i| p + i * stride));
        let mut zeros: Vec<usize> =
            places.enumerate().filter(|(_, column)| packed.source(*column, width).is_none()).map(|(i, _)| i).collect();
        let mut parts: Vec<Columns> =
            lens.iter().enumerate().map(|(p, n)| Columns::new(packed, p, stride, *n, width)).collect();
        let lead = zeros.iter().enumerate().take_while(|(i, zero)| i == *zero).count();
        // Zeros at both ends: one row's last are the next one's first.
        let mut shared = 0;
        if stride == 1 {
            let last = zeros.iter().rev().zip((0..pitch).rev()).take_while(|(zero, i)| *zero == i).count();
            // Of a row of nothing but zeros one stays.
            shared = lead.min(last).min(pitch - 1);
            pitch -= shared;
            zeros.truncate(zeros.len() - shared);
            parts = vec![Columns::new(packed, 0, 1, pitch, width)];
        }
        let place = |x: usize| lens[..x % stride].iter().sum::<usize>() + x / stride;
        let taps = (0..kw).map(|t| place(t * dilation)).collect();
        Layout { pitch, lead, shared, parts, zeros, taps }
    }

    /// A row of the input, padded and dealt.
    fn copy(&self, isa: Isa, row: &[f32], mut to: &mut [f32], on_the_way: Option<OnTheWay>) {
        for part in &self.parts {
            let (own, rest) = to.split_at_mut(part.len());
            part.copy(isa, row, own, on_the_way);
            to = rest;
        }
    }

    /// Zeros for the padding of an expanded channel of `seen` rows, of which `real` ones from `before` on are not padding.
    fn pad(&self, wide: &mut [f32], before: usize, real: usize, seen: usize) {
        let (first, last) = (before * self.pitch, (before + real) * self.pitch);
        wide[..first].fill(0.0);
        for row in wide[first..last].chunks_exact_mut(self.pitch) {
            self.zeros.iter().for_each(|x| row[*x] = 0.0);
        }
        // And some more, for the last row has no next one to share zeros with.
        wide[last..seen * self.pitch + self.shared].fill(0.0);
    }
}

thread_local! {
    /// A packed stripe and its filtered map, kept by the thread that runs a network, and by each that has stripes of its own.
    static PACKED: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
    /// Some expanded channels, padded and dealt.
    static WIDE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}
