//! The inverted residual of Sandler et al. 2018 (arXiv 1801.04381) in one go: 1x1 expansion, 3x3 or 5x5 depthwise
//! convolution, 1x1 projection, and the input added.
//!
//! The expanded map is the largest of its network and nobody else looks at it, so it is never made: a few of its
//! channels at a time are expanded for a stripe of the picture, already padded and dealt out as the depthwise kernel
//! wants to read them, and filtered while they are in the second-level cache.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::kernel::{BLOCK, Isa, OnTheWay, Rows, STRIP, Strip, Taps};
use super::packed::{Input, Output, Packed, Residual};
use super::plan::{Columns, aligned};
use super::pointwise::{self, Panels};
use super::team::Together;
use super::watch::CancelToken;
use super::{Conv2d, depthwise};

/// Floats of the filtered map in a stripe, for which the last-level cache should have room.
const STRIPE: usize = 512 * 1024;
/// Rows in a stripe at least: what neighbouring stripes both see is expanded twice.
const ROWS: usize = 16;

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
        let fits = expand
            .is_none_or(|e| pointwise::is_one(e) && e.options.stride == 1 && e.shape[0] == filter.shape[0])
            && depthwise::is_one(filter)
            && matches!(filter.shape, [.., 3, 3] | [.., 5, 5])
            && pointwise::is_one(project)
            && project.options.stride == 1
            && project.shape[1] == filter.shape[0];
        fits.then_some(Inverted { expand, depthwise: filter, project, isa })
    }

    /// Computes `out`; `size` is its height and width, a residual is added. Returns `false`, and `out`
    /// unfinished, once cancelled.
    pub(super) fn run(
        &self,
        input: &Input<'_>,
        out: &mut [f32],
        size: [usize; 2],
        residual: Residual<'_>,
        cancel: &CancelToken,
    ) -> bool {
        let out = Output::new(out, self.project.shape[0], size, residual, false);
        let layout = Layout::new(self.depthwise, size[1], input.shape[3]);
        let most = (STRIPE / (self.depthwise.shape[0] * size[1])).max(ROWS);
        let most = size[0].div_ceil(size[0].div_ceil(most)); // stripes of one height
        let (mut given, mut filtered) = SHARED.take();
        for image in 0..input.shape[0] {
            for first in (0..size[0]).step_by(most) {
                let rows = first..(first + most).min(size[0]);
                let stripe = Stripe::new(self, input, &layout, image, rows.clone(), size[1]);
                let (from, to) = (stripe.given(), stripe.filtered());
                let given = aligned(&mut given, from.len() + STRIP);
                let filtered = aligned(&mut filtered, to.len() + STRIP);
                stripe.pack(&from, given);
                stripe.filter((&from, given), (&to, filtered), cancel);
                let pixels = rows.start * size[1]..rows.end * size[1];
                pointwise::multiply(self.project, self.isa, filtered, &to, image, pixels, &out, cancel);
            }
        }
        SHARED.set((given, filtered));
        !cancel.is_cancelled()
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
    /// Rows of the padded input that these see; before the `real` ones are some that are padding, and behind them.
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
        columns: usize,
    ) -> Stripe<'a> {
        let Options { stride, dilation, .. } = layers.depthwise.options;
        let seen = (rows.len() - 1) * stride + (layers.depthwise.shape[2] - 1) * dilation + 1;
        let mut stripe = Stripe { layers, input, layout, image, rows, columns, seen, before: 0, real: 0 };
        stripe.before = (0..seen).take_while(|i| stripe.source(*i).is_none()).count();
        stripe.real = (stripe.before..seen).take_while(|i| stripe.source(*i).is_some()).count();
        stripe
    }

    /// Which row of the input stands at `i` of the seen ones.
    fn source(&self, i: usize) -> Option<usize> {
        let filter = self.layers.depthwise;
        filter.source(self.rows.start * filter.options.stride + i, self.input.shape[2])
    }

    /// A row of the input, padded and dealt: the `i`-th of the real ones.
    fn row(&self, channel: usize, i: usize, to: &mut [f32]) {
        let [_, channels, height, width] = self.input.shape;
        let plane = self.image * channels + channel;
        let y = self.source(self.before + i).unwrap_or(0);
        let from = &self.input.data[(plane * height + y) * width..][..width];
        self.layout.copy(self.layers.isa, from, to, self.input.on_the_way.map(|o| o[plane]));
    }

    /// Channels that are filtered together.
    fn groups(&self) -> Vec<Range<usize>> {
        let hidden = self.layers.depthwise.shape[0];
        match self.layers.expand {
            Some(expand) => expand.passes[0].blocks.iter().map(|b| b.first..b.first + b.len).collect(),
            None => (0..hidden).step_by(BLOCK).map(|c| c..(c + BLOCK).min(hidden)).collect(),
        }
    }

    /// How what is to be expanded stands in panels: all real rows, with their padding. Nothing, when there is no expansion.
    fn given(&self) -> Panels {
        let channels = if self.layers.expand.is_some() { self.input.shape[1] } else { 0 };
        let groups = (0..channels).step_by(BLOCK).map(|c| (channels - c).min(BLOCK));
        Panels::new(pointwise::unit(self.layers.isa), self.real * self.layout.pitch, groups)
    }

    /// How the filtered map stands in panels.
    fn filtered(&self) -> Panels {
        Panels::new(
            pointwise::unit(self.layers.isa),
            self.rows.len() * self.columns,
            self.groups().iter().map(Range::len),
        )
    }

    fn pack(&self, panels: &Panels, to: &mut [f32]) {
        let len = self.real * self.layout.pitch;
        to.par_chunks_exact_mut(panels.group()).enumerate().each(|(g, to)| {
            SCRATCH.with_borrow_mut(|Scratch { flat, .. }| {
                flat.resize(len.max(flat.len()), 0.0);
                for c in 0..panels.channels(g) {
                    let rows = flat[..len].chunks_exact_mut(self.layout.pitch).enumerate();
                    rows.for_each(|(i, to)| self.row(g * BLOCK + c, i, to));
                    panels.deal(self.layers.isa, &flat[..len], c, to);
                }
            });
        });
    }

    /// Expands and filters group by group.
    fn filter(&self, (from, given): (&Panels, &[f32]), (to, filtered): (&Panels, &mut [f32]), cancel: &CancelToken) {
        let Inverted { depthwise, isa, .. } = *self.layers;
        let pixels = self.rows.len() * self.columns;
        let taps = from.taps();
        // From a channel to the next: what a strip may write or read behind it, and no power of two.
        let apart = (self.seen * self.layout.pitch + self.layout.shared + STRIP).next_multiple_of(2 * STRIP) + 16;
        let groups = self.groups();
        filtered.par_chunks_exact_mut(to.group()).zip(&groups).enumerate().each(|(g, (filtered, channels))| {
            if cancel.is_cancelled() {
                return;
            }
            SCRATCH.with_borrow_mut(|Scratch { wide, flat }| {
                wide.resize((BLOCK * apart).max(wide.len()), 0.0);
                flat.resize((pixels + STRIP).max(flat.len()), 0.0);
                match self.layers.expand {
                    Some(expand) => self.expand(expand, g, (from, given), &taps, wide, apart),
                    None => {
                        for (c, wide) in channels.clone().zip(wide.chunks_exact_mut(apart)) {
                            let rows = wide[self.before * self.layout.pitch..].chunks_exact_mut(self.layout.pitch);
                            rows.enumerate().take(self.real).for_each(|(i, to)| self.row(c, i, to));
                        }
                    }
                }
                for (i, (c, wide)) in channels.clone().zip(wide.chunks_exact_mut(apart)).enumerate() {
                    self.layout.pad(wide, self.before, self.real, self.seen);
                    match depthwise.shape[2] {
                        3 => self.rows::<9>(c, wide).convolve(isa, flat),
                        _ => self.rows::<25>(c, wide).convolve(isa, flat),
                    }
                    to.deal(isa, &flat[..pixels], i, filtered);
                }
            });
        });
    }

    /// What the depthwise kernel of channel `c` makes of its padded and dealt rows.
    fn rows<'b, const TAPS: usize>(&self, c: usize, wide: &'b [f32]) -> Rows<'b, TAPS> {
        let filter = self.layers.depthwise;
        let kernels = &filter.passes[0];
        Rows {
            input: wide,
            taps: std::array::from_fn(|t| self.layout.taps[t]),
            weights: std::array::from_fn(|t| kernels.weights[kernels.blocks[c].weights + t]),
            bias: filter.bias[c],
            range: filter.options.activation.range(),
            step: filter.options.stride * self.layout.pitch,
            rows: self.rows.len(),
            columns: self.columns,
        }
    }

    /// Expands one block of channels, which come to stand `apart` in `wide`.
    fn expand(
        &self,
        expand: &Packed,
        block: usize,
        (from, given): (&Panels, &[f32]),
        taps: &Taps,
        wide: &mut [f32],
        apart: usize,
    ) {
        let (isa, pitch, unit) = (self.layers.isa, self.layout.pitch, pointwise::unit(self.layers.isa));
        let pass = &expand.passes[0];
        let block = &pass.blocks[block];
        let (bias, range) = (&expand.bias[block.first..][..block.len], expand.options.activation.range());
        for (panel, at) in (0..self.real * pitch).step_by(unit).enumerate() {
            let strip = Strip {
                input: &given[panel * from.panel()..],
                taps,
                weights: &pass.weights[block.weights..],
                block: block.len,
                pixels: unit.min(self.real * pitch - at),
            };
            strip.finish_apart(isa, bias, range, &mut wide[self.before * pitch + at..], apart);
        }
    }
}

/// How a padded row of the depthwise convolution's input is laid out: dealt into as many parts as its stride.
struct Layout {
    /// From a row to the next.
    pitch: usize,
    /// How many zeros at a row's end are the next one's first.
    shared: usize,
    /// Each part's columns.
    parts: Vec<Columns>,
    /// Places of a row that are zeros.
    zeros: Vec<usize>,
    /// Where each tap reads, from the first one's place on.
    taps: Vec<usize>,
}

impl Layout {
    fn new(packed: &Packed, width_out: usize, width: usize) -> Layout {
        let Options { stride, dilation, .. } = packed.options;
        let [.., kh, kw] = packed.shape;
        let reach = (kw - 1) * dilation;
        let lens: Vec<usize> = (0..stride.min(reach + 1)).map(|p| width_out + (reach - p) / stride).collect();
        let mut pitch: usize = lens.iter().sum();
        let places = lens.iter().enumerate().flat_map(|(p, n)| (0..*n).map(move |i| p + i * stride));
        let mut zeros: Vec<usize> =
            places.enumerate().filter(|(_, column)| packed.source(*column, width).is_none()).map(|(i, _)| i).collect();
        let mut parts: Vec<Columns> =
            lens.iter().enumerate().map(|(p, n)| Columns::new(packed, p, stride, *n, width)).collect();
        // Zeros at both ends: one row's last are the next one's first.
        let mut shared = 0;
        if stride == 1 {
            let first = zeros.iter().enumerate().take_while(|(i, zero)| i == *zero).count();
            let last = zeros.iter().rev().zip((0..pitch).rev()).take_while(|(zero, i)| *zero == i).count();
            // Of a row of nothing but zeros one stays.
            shared = first.min(last).min(pitch - 1);
            pitch -= shared;
            zeros.truncate(zeros.len() - shared);
            parts = vec![Columns::new(packed, 0, 1, pitch, width)];
        }
        let place = |y: usize, x: usize| y * pitch + lens[..x % stride].iter().sum::<usize>() + x / stride;
        let taps = (0..kh * kw).map(|t| place(t / kw * dilation, t % kw * dilation)).collect();
        Layout { pitch, shared, parts, zeros, taps }
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
    /// The packed stripe and its filtered map, kept by the thread that runs a network.
    static SHARED: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { wide: Vec::new(), flat: Vec::new() }) };
}

/// What one task works on.
struct Scratch {
    /// Expanded channels, padded and dealt.
    wide: Vec<f32>,
    /// One channel's rows without padding between them.
    flat: Vec<f32>,
}
