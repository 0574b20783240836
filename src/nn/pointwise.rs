//! 1x1 convolutions: a matrix product of weights and pixels.
//!
//! Pixels are packed once into panels as wide as a strip, `[channel][pixel]`, so that a panel is read front to back from
//! the cache by every block of output channels: some panels at a time by the task that multiplies them, or, where there
//! are so few that tasks share them, all at once beforehand. A stride leaves pixels out while packing.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rayon::prelude::*;

use super::conv2d::Options;
use super::kernel::{self, BLOCK, Isa, OnTheWay, STRIP, Strip, Sums, Taps, for_each_isa};
use super::packed::{Input, Output, Packed};
use super::plan::{TASKS, aligned};
use super::team::Together;
use super::watch::CancelToken;

/// Floats of packed pixels that one thread works on at once, for which a part of the second-level cache should have room.
const AT_HAND: usize = 96 * 1024;
/// Panels packed by a task at least: neighbouring pixels of a channel are read together.
const TOGETHER: usize = 8;
/// The partner of a last channel that has none.
const ZEROS: [f32; TOGETHER * STRIP] = [0.0; TOGETHER * STRIP];

/// Whether this is a 1x1 convolution in one group.
pub(super) fn is_one(packed: &Packed) -> bool {
    let Options { padding, upsample, groups, .. } = packed.options;
    packed.shape[2..] == [1, 1] && (padding, upsample, groups) == (0, false, 1)
}

/// Pixels of a panel.
pub(super) fn unit(isa: Isa) -> usize {
    isa.lanes() * isa.vectors(BLOCK)
}

/// Whether a map of `size` has so few panels that tasks share them.
pub(super) fn shares(size: [usize; 2], isa: Isa) -> bool {
    (size[0] * size[1]).div_ceil(unit(isa)) < TASKS
}

/// Pixels of a map of `size` in whole panels.
pub(super) fn padded(size: [usize; 2], isa: Isa) -> usize {
    (size[0] * size[1]).next_multiple_of(unit(isa))
}

/// As [`Packed::run`], for what [`is_one`] accepts; calls `counted` with each image's blocks of channels and their sums.
/// Returns `false` once cancelled.
pub(super) fn run(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    out: &Output<'_>,
    mut counted: Option<impl FnMut(usize, Range<usize>, &[Sums])>,
    cancel: &CancelToken,
) -> bool {
    let pixels = out.size[0] * out.size[1];
    let unit = unit(isa);
    let words = isa.words(input.shape[1]);
    let (panel, panels) = (words * unit, pixels.div_ceil(unit));
    let mut taps = Taps::default();
    (0..words).for_each(|c| taps.push(c * unit));
    let tasks = tasks(packed.passes[0].blocks.len(), panels);
    let pixels = |panels: Range<usize>| panels.start * unit..pixels.min(panels.end * unit);
    let few = (AT_HAND / panel).clamp(1, TOGETHER);
    // With all channels of the output to itself a task packs its own pixels, and finds them in the cache.
    let own = !input.panels && panels >= TASKS;
    let shares = !input.panels && !own;
    let mut shared = PACKED.take();
    let mut whole = true;
    for image in 0..input.shape[0] {
        let shared = aligned(&mut shared, if shares { panels * panel } else { 0 });
        shared.par_chunks_mut(TOGETHER * panel).enumerate().each(|(i, to)| {
            fill(packed, isa, input, image, pixels(i * TOGETHER..panels.min((i + 1) * TOGETHER)), out.size[1], to);
        });
        let multiply = |blocks: &Range<usize>, mine: &Range<usize>, here: &mut [f32]| -> Option<Vec<Vec<Sums>>> {
            let each = mine.clone().step_by(few).map(|first| {
                if cancel.is_cancelled() {
                    return None;
                }
                let pixels = pixels(first..mine.end.min(first + few));
                let values = if own {
                    fill(packed, isa, input, image, pixels.clone(), out.size[1], here);
                    &*here
                } else if shares {
                    &shared[first * panel..]
                } else {
                    &input.data[(image * panels + first) * panel..]
                };
                Some(product(packed, isa, values, [panel, unit], &taps, image, blocks.clone(), pixels, out))
            });
            each.collect()
        };
        let work = |(blocks, mine): &(Range<usize>, Range<usize>)| {
            OWN.with_borrow_mut(|here| multiply(blocks, mine, aligned(here, if own { few * panel } else { 0 })))
        };
        let sums: Vec<_> = tasks.par_iter().every(work);
        whole &= sums.iter().all(Option::is_some);
        if let Some(counted) = &mut counted {
            let all = tasks.iter().zip(sums.iter().flatten());
            all.for_each(|((b, _), sums)| sums.iter().for_each(|s| counted(image, b.clone(), s)));
        }
    }
    PACKED.set(shared);
    whole
}

/// Packs what some `pixels` of the output see into panels; its rows are `columns` long.
fn fill(
    packed: &Packed,
    isa: Isa,
    input: &Input<'_>,
    image: usize,
    pixels: Range<usize>,
    columns: usize,
    to: &mut [f32],
) {
    let [_, channels, height, width] = input.shape;
    let (words, unit) = (isa.words(channels), unit(isa));
    let panel = words * unit;
    let source = |channel: usize| {
        let plane = image * channels + channel;
        (&input.data[plane * height * width..][..height * width], input.on_the_way.map(|o| o[plane]))
    };
    let seen = Seen { width, stride: packed.options.stride, columns, pixels };
    let [mut first, mut second] = [[0.0; TOGETHER * STRIP]; 2];
    for word in 0..words {
        let to = &mut to[word * unit..];
        if words == channels {
            let (plane, way) = source(word);
            pack(isa, seen.of(isa, plane, &mut first), to, unit, panel, way);
            continue;
        }
        let (a, way) = source(2 * word);
        let a = seen.of(isa, a, &mut first);
        let (b, other) = if 2 * word + 1 < channels {
            let (b, way) = source(2 * word + 1);
            (seen.of(isa, b, &mut second), way)
        } else {
            (&ZEROS[..a.len()], None)
        };
        let ways = [way, other].map(|w| w.unwrap_or(OnTheWay::NOTHING));
        kernel::pack_pairs(isa, [a, b], ways, to, unit, panel);
    }
}

/// Which pixels of a plane some pixels of the output see.
struct Seen {
    /// Of the input's rows.
    width: usize,
    stride: usize,
    /// Of the output's rows.
    columns: usize,
    pixels: Range<usize>,
}

impl Seen {
    /// Those of one plane; `picked` is room for them where they do not stand side by side.
    fn of<'a>(&self, isa: Isa, plane: &'a [f32], picked: &'a mut [f32; TOGETHER * STRIP]) -> &'a [f32] {
        if self.stride == 1 {
            return &plane[self.pixels.clone()];
        }
        let picked = &mut picked[..self.pixels.len()];
        let mut at = 0;
        while at < picked.len() {
            let (y, x) = ((self.pixels.start + at) / self.columns, (self.pixels.start + at) % self.columns);
            let n = (self.columns - x).min(picked.len() - at);
            let from = &plane[(y * self.width + x) * self.stride..];
            kernel::gather(isa, from, self.stride, &mut picked[at..at + n], None);
            at += n;
        }
        picked
    }
}

/// The convolution of what is packed already, each channel's pixels side by side and `apart` floats from the next
/// channel's: the pixels of a `stripe` of one image. Leaves them unfinished once cancelled.
#[allow(clippy::too_many_arguments)]
pub(super) fn multiply(
    packed: &Packed,
    isa: Isa,
    values: &[f32],
    apart: usize,
    image: usize,
    stripe: Range<usize>,
    out: &Output<'_>,
    cancel: &CancelToken,
) {
    let unit = unit(isa);
    let mut taps = Taps::default();
    (0..packed.shape[1]).for_each(|c| taps.push(c * apart));
    tasks(packed.passes[0].blocks.len(), stripe.len().div_ceil(unit)).into_par_iter().each(|(blocks, panels)| {
        let pixels = stripe.start + panels.start * unit..stripe.end.min(stripe.start + panels.end * unit);
        let values = &values[panels.start * unit..];
        if !cancel.is_cancelled() {
            product(packed, isa, values, [unit, unit], &taps, image, blocks, pixels, out);
        }
    });
}

/// Blocks of channels and panels for one task: all blocks, as long as there are panels enough.
fn tasks(blocks: usize, panels: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let (tall, wide) = (panels.div_ceil(TASKS), blocks.div_ceil(TASKS.div_ceil(panels).min(blocks)));
    let of =
        move |p: usize| (0..blocks).step_by(wide).map(move |b| (b..(b + wide).min(blocks), p..(p + tall).min(panels)));
    (0..panels).step_by(tall).flat_map(of).collect()
}

/// Multiplies panels of `unit` pixels, `apart` from each other, whose pixels are `pixels`, by some
/// blocks of weights. Returns the channels' sums when they are counted.
#[allow(clippy::too_many_arguments)]
fn product(
    packed: &Packed,
    isa: Isa,
    panels: &[f32],
    [apart, unit]: [usize; 2],
    taps: &Taps,
    image: usize,
    blocks: Range<usize>,
    pixels: Range<usize>,
    out: &Output<'_>,
) -> Vec<Sums> {
    let first = blocks.start;
    let blocks = &packed.passes[0].blocks[blocks];
    let range = packed.options.activation.range();
    let mut sums = vec![[Sums::default(); BLOCK]; if out.counting { blocks.len() } else { 0 }];
    let mut buffer = [0.0; BLOCK * STRIP];
    for (b, block) in blocks.iter().enumerate() {
        let (bias, weights) = (packed.biases(block.first), packed.weights(isa, 0, first + b));
        for (i, x) in pixels.clone().step_by(unit).enumerate() {
            let panel = &panels[i * apart..];
            let n = unit.min(pixels.end - x);
            let strip = Strip { input: panel, taps, weights, block: block.len, pixels: n };
            let place = out.place(image, block.first, x / out.size[1], x % out.size[1]);
            if strip.reach(isa) == n && !out.counting {
                // SAFETY: no other task has this image, these pixels and channels.
                let end = unsafe { out.end(place, [block.len, n], bias, range) };
                strip.finish(isa, &end);
                continue;
            }
            strip.accumulate(isa, false, &mut buffer);
            for (c, bias) in bias[..block.len].iter().enumerate() {
                let place = place + c * out.stride();
                let sums = sums.get_mut(b).map(|s| &mut s[c]);
                // SAFETY: as above.
                unsafe { out.finish(isa, &buffer[c * STRIP..][..n], place, *bias, range, sums) };
            }
        }
    }
    blocks.iter().zip(&sums).flat_map(|(block, sums)| &sums[..block.len]).copied().collect()
}

thread_local! {
    /// Packed pixels, kept by the thread that runs a network, and by each that packs its own.
    static PACKED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    static OWN: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

for_each_isa!(
    /// Deals the pixels of one channel out into panels that are `apart` floats from each other.
    pack, pack_body(from: &[f32], to: &mut [f32], unit: usize, apart: usize, on_the_way: Option<OnTheWay>)
);

#[inline(always)]
fn pack_body(from: &[f32], to: &mut [f32], unit: usize, apart: usize, on_the_way: Option<OnTheWay>) {
    let panels = from.chunks(unit).zip(to.chunks_mut(apart));
    match (on_the_way, unit) {
        (Some(way), _) => {
            panels.for_each(|(from, to)| to.iter_mut().zip(from).for_each(|(to, from)| *to = way.apply(*from)));
        }
        // A known length is copied on the spot; calling memcpy for each would take longer than the copy.
        (None, 48) => panels.for_each(|(from, to)| copy::<48>(from, to)),
        (None, 24) => panels.for_each(|(from, to)| copy::<24>(from, to)),
        (None, 16) => panels.for_each(|(from, to)| copy::<16>(from, to)),
        (None, _) => panels.for_each(|(from, to)| copy::<8>(from, to)),
    }
}

/// Copies, fast where there are `N`.
#[inline(always)]
fn copy<const N: usize>(from: &[f32], to: &mut [f32]) {
    match (<&[f32; N]>::try_from(from), to.first_chunk_mut::<N>()) {
        (Ok(from), Some(to)) => *to = *from,
        _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
}
