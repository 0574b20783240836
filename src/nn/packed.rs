//! A convolution's weights laid out for the kernels, and the choice of the method that computes it.

use std::ops::Range;
use std::sync::OnceLock;

use super::conv2d::{Options, Padding};
use super::kernel::{self, BLOCK, End, Isa, OnTheWay, STRIP, Sums, pair_weights};
use super::watch::Watch;
use super::{atrous, depthwise, direct, pointwise, winograd};

/// A convolution's input: `[batch, channels, height, width]`, and what each value goes through when it is read.
pub(crate) struct Input<'a> {
    pub data: &'a [f32],
    pub shape: [usize; 4],
    /// One per batch and channel.
    pub on_the_way: Option<&'a [OnTheWay]>,
    /// Whether each picture's data stands `[panel][channel][pixel]`, panels as wide as a strip: for 1x1 convolutions.
    pub panels: bool,
}

/// Weights laid out for the kernels, with everything about the layer that does not depend on its input.
#[derive(Debug)]
pub(super) struct Packed {
    /// `[out, in / groups, kernel height, kernel width]` as given.
    pub shape: [usize; 4],
    pub options: Options,
    /// And [`BLOCK`] zeros.
    pub(super) bias: Vec<f32>,
    pub(super) phased: bool,
    pub(super) passes: Vec<Pass>,
}

/// One kernel over the gathered rows: the whole of an ordinary convolution, or one output phase of an upsampling or
/// transposed one.
#[derive(Debug)]
pub(super) struct Pass {
    /// Row and column of each tap in padded input pixels.
    pub(super) taps: Vec<[usize; 2]>,
    pub(super) blocks: Vec<Block>,
    pub(super) weights: Vec<f32>,
    /// The same as `[pair of in][tap][len]`, from the first bf16 run on.
    pairs: OnceLock<Vec<f32>>,
}

/// Neighbouring output channels computed together; `weights` is where their `[in][tap][len]` begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) group: usize,
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) weights: usize,
}

/// The biases of `out` channels, none or all given, and [`BLOCK`] zeros.
pub(super) fn padded(bias: &[f32], out: usize) -> Vec<f32> {
    let mut all = Vec::with_capacity(out + BLOCK);
    all.extend_from_slice(bias);
    all.resize(out + BLOCK, 0.0);
    all
}

impl Packed {
    /// `weight` is `[out, in / groups, kernel height, kernel width]`; `bias` is empty or `[out]`.
    pub fn new(weight: &[f32], shape: [usize; 4], bias: &[f32], options: Options) -> Packed {
        let [out, _, kh, kw] = shape;
        let phased = options.upsample && [kh, kw, options.padding, options.stride, options.dilation] == [3, 3, 1, 1, 1];
        let passes = if phased {
            [[0, 0], [0, 1], [1, 0], [1, 1]].map(|phase| Pass::of_phase(phase, weight, shape, options)).into()
        } else {
            let taps = (0..kh).flat_map(|y| (0..kw).map(move |x| [y * options.dilation, x * options.dilation]));
            let taps: Vec<_> = taps.collect();
            let ordered;
            let weight = if atrous::takes(shape, options) {
                let of = |kernels: &[f32]| -> Vec<f32> {
                    (0..taps.len()).flat_map(|t| kernels.iter().skip(t).step_by(taps.len()).copied()).collect()
                };
                ordered = weight.chunks_exact(shape[1] * taps.len()).flat_map(of).collect::<Vec<_>>();
                &ordered
            } else {
                weight
            };
            vec![Pass::new(taps, weight, shape, options)]
        };
        Packed { shape, options, bias: padded(bias, out), phased, passes }
    }

    /// The biases of the block whose `first` channel this is, and some more where it has fewer than [`BLOCK`].
    pub(super) fn biases(&self, first: usize) -> [f32; BLOCK] {
        std::array::from_fn(|c| self.bias[first + c])
    }

    /// Computes `out`, `[batch, out, height, width]` for `size` = `[height, width]`. With `sums` (empty before) each batch
    /// and channel's output is summed up on the way. Returns `false`, and `out` unfinished, once cancelled.
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &self,
        isa: Isa,
        input: &Input<'_>,
        out: &mut [f32],
        size: [usize; 2],
        residual: Residual<'_>,
        sums: Option<&mut Vec<Moments>>,
        watch: &Watch<'_>,
    ) -> bool {
        let (batch, cancel) = (input.shape[0], watch.token());
        // A single channel has no partner.
        let rounding = if self.shape[1] > 1 { isa.at(watch.precision()) } else { isa };
        assert_eq!(out.len(), batch * self.shape[0] * size[0] * size[1]);
        let out = Output::new(out, self.shape[0], size, residual, sums.is_some());
        let counted = sums.map(|sums| {
            sums.clear();
            sums.resize(batch * self.shape[0], Moments::default());
            |image: usize, blocks: Range<usize>, parts: &[Sums]| self.merge(sums, image, blocks, parts)
        });
        if depthwise::is_one(self) {
            depthwise::run(self, isa, input, &out, counted, cancel)
        } else if pointwise::is_one(self) {
            pointwise::run(self, rounding, input, &out, counted, cancel)
        } else if atrous::takes(self.shape, self.options) {
            atrous::run(self, isa, input, &out, counted, cancel)
        } else if winograd::pays(self, isa, size) {
            winograd::run(self, isa, input, &out, counted, cancel)
        } else {
            direct::run(self, rounding, input, &out, counted, cancel)
        }
    }

    /// The weights of a block, from which on those of all later blocks follow, as the kernels of `isa` want them.
    pub(super) fn weights(&self, isa: Isa, pass: usize, block: usize) -> &[f32] {
        let pass = &self.passes[pass];
        let first = pass.blocks[block].weights;
        if isa != Isa::Avx512Bf16 {
            return &pass.weights[first..];
        }
        let [ins, taps] = [self.shape[1], pass.taps.len()];
        let pairs = pass.pairs.get_or_init(|| {
            let mut pairs = Vec::with_capacity(pass.weights.len() / ins * isa.words(ins));
            for block in &pass.blocks {
                pair_weights(&pass.weights[block.weights..][..ins * taps * block.len], taps * block.len, &mut pairs);
            }
            pairs
        });
        &pairs[first / ins * isa.words(ins)..]
    }

    /// Adds what a task counted of the channels of `blocks`.
    fn merge(&self, sums: &mut [Moments], image: usize, blocks: Range<usize>, parts: &[Sums]) {
        let channels = self.passes[0].blocks[blocks].iter().flat_map(|b| b.first..b.first + b.len);
        channels.zip(parts).for_each(|(c, s)| sums[image * self.shape[0] + c].merge(s));
    }

    /// Pixels of padding before `n` rows or columns of the input.
    pub(super) fn before(&self, n: usize) -> usize {
        let n = if self.options.upsample { 2 * n } else { n };
        // A kernel that is not square has the same padding on all sides.
        self.options.before(n, self.shape[2])
    }

    /// Which row or column of the input stands at `at` of the padded (and doubled) one; `None` is a padding zero.
    pub(super) fn source(&self, at: usize, n: usize) -> Option<usize> {
        let Options { upsample, mode, .. } = self.options;
        let at = at as isize - self.before(n) as isize;
        if self.phased {
            // In the doubled picture a reflection by one pixel shows the edge pixel's own twin.
            return match mode {
                Padding::Reflect => Some(at.clamp(0, n as isize - 1) as usize),
                Padding::Zero | Padding::Same => (0..n as isize).contains(&at).then_some(at as usize),
            };
        }
        let full = if upsample { 2 * n } else { n } as isize;
        let at = match mode {
            Padding::Zero | Padding::Same => at,
            Padding::Reflect if at < 0 => -at,
            Padding::Reflect if at >= full => 2 * (full - 1) - at,
            Padding::Reflect => at,
        };
        // Beyond the reflection lie only pixels that a ragged strip computes and nobody keeps.
        (0..full).contains(&at).then_some(if upsample { at as usize / 2 } else { at as usize })
    }
}

impl Pass {
    pub(super) fn new(taps: Vec<[usize; 2]>, weight: &[f32], shape: [usize; 4], options: Options) -> Pass {
        let [out, ins, ..] = shape;
        let per_group = out / options.groups;
        let (mut blocks, mut weights) = (Vec::new(), Vec::with_capacity(weight.len()));
        for group in 0..options.groups {
            let mut at = 0;
            while at < per_group {
                let len = match per_group - at {
                    BLOCK.. => BLOCK,
                    4.. => 4,
                    left => left,
                };
                let first = group * per_group + at;
                blocks.push(Block { group, first, len, weights: weights.len() });
                for i in 0..ins * taps.len() {
                    weights.extend((first..first + len).map(|o| weight[o * ins * taps.len() + i]));
                }
                at += len;
            }
        }
        Pass { taps, blocks, weights, pairs: OnceLock::new() }
    }

    /// Output pixel 2j + phase of the doubled picture sees, of three neighbours, two twins: their weights add up.
    fn of_phase(phase: [usize; 2], weight: &[f32], shape: [usize; 4], options: Options) -> Pass {
        let [out, ins, ..] = shape;
        // Phase 0 sees pixels j-1, j, j; phase 1 sees j, j, j+1.
        let side = |phase: usize, tap: usize| {
            if phase == 0 { usize::from(tap > 0) } else { usize::from(tap > 1) }
        };
        let mut summed = vec![0.0; out * ins * 4];
        for (kernel, to) in weight.chunks_exact(9).zip(summed.chunks_exact_mut(4)) {
            for (i, w) in kernel.iter().enumerate() {
                to[side(phase[0], i / 3) * 2 + side(phase[1], i % 3)] += w;
            }
        }
        let taps = [[0, 0], [0, 1], [1, 0], [1, 1]].map(|[y, x]| [y + phase[0], x + phase[1]]).to_vec();
        Pass::new(taps, &summed, shape, options)
    }
}

/// What is added to the sums, as many values as the output has.
#[derive(Clone, Copy)]
pub(crate) enum Residual<'a> {
    None,
    From(&'a [f32]),
    /// What stands in the output's place: no memory of its own, and none that is first read to be overwritten.
    InPlace,
}

/// The output that all tasks write into, each its own pixels.
pub(super) struct Output<'a> {
    /// Lent for `'a`.
    data: *mut f32,
    len: usize,
    channels: usize,
    pub(super) size: [usize; 2],
    /// Pixels of a panel, where they stand `[batch][panel][channel][pixel]`.
    unit: Option<usize>,
    residual: Residual<'a>,
    /// Whether what is written is to be counted.
    pub(super) counting: bool,
}

// SAFETY: tasks are cut so that no two of them share an output pixel; see `Plan::tasks` and `winograd::tile_blocks`.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    /// `out` is `[batch, channels, height, width]` for `size` = `[height, width]`.
    pub(super) fn new(
        out: &'a mut [f32],
        channels: usize,
        size: [usize; 2],
        residual: Residual<'a>,
        counting: bool,
    ) -> Output<'a> {
        assert!(!matches!(residual, Residual::From(values) if values.len() != out.len()));
        Output { data: out.as_mut_ptr(), len: out.len(), channels, size, unit: None, residual, counting }
    }

    /// The same for `[batch][panel][channel][pixel]`, panels of `unit` pixels.
    pub(super) fn in_panels(self, unit: usize) -> Output<'a> {
        Output { unit: Some(unit), ..self }
    }

    /// Where a pixel stands.
    pub(super) fn place(&self, image: usize, channel: usize, y: usize, x: usize) -> usize {
        assert!(channel < self.channels && y < self.size[0] && x < self.size[1]);
        match self.unit {
            None => ((image * self.channels + channel) * self.size[0] + y) * self.size[1] + x,
            Some(unit) => {
                let (panels, pixel) = ((self.size[0] * self.size[1]).div_ceil(unit), y * self.size[1] + x);
                ((image * panels + pixel / unit) * self.channels + channel) * unit + pixel % unit
            }
        }
    }

    /// Floats from a channel to the next one.
    pub(super) fn stride(&self) -> usize {
        self.unit.unwrap_or(self.size[0] * self.size[1])
    }

    /// For a strip to end in `n` pixels of a row, in so many `channels`.
    ///
    /// # Safety
    /// No one else holds any of these pixels.
    pub(super) unsafe fn end(
        &self,
        place: usize,
        [channels, n]: [usize; 2],
        bias: [f32; BLOCK],
        range: [f32; 2],
    ) -> End {
        let stride = self.stride();
        assert!(place + (channels - 1) * stride + n <= self.len);
        // SAFETY: in bounds by the assertion (a residual has the output's length); unshared by the caller's promise.
        unsafe {
            let out = self.data.add(place);
            let residual = match self.residual {
                Residual::None => std::ptr::null(),
                Residual::From(values) => values[place..].as_ptr(),
                Residual::InPlace => out.cast_const(),
            };
            End::picture(out, stride, residual, bias, range)
        }
    }

    /// Writes a strip's sums plus bias and residual to their place in a row, clamped to `range`, and counts them.
    ///
    /// # Safety
    /// No one else holds any of these pixels.
    pub(super) unsafe fn finish(
        &self,
        isa: Isa,
        strip: &[f32],
        place: usize,
        bias: f32,
        range: [f32; 2],
        mut sums: Option<&mut Sums>,
    ) {
        assert!(place + strip.len() <= self.len);
        // SAFETY: in bounds by the assertion; unshared by the caller's promise.
        let row = unsafe { std::slice::from_raw_parts_mut(self.data.add(place), strip.len()) };
        match self.residual {
            Residual::None => kernel::finish(isa, strip, row, bias, None, range, sums),
            Residual::From(values) => {
                kernel::finish(isa, strip, row, bias, Some(&values[place..place + strip.len()]), range, sums);
            }
            Residual::InPlace => {
                let mut before = [0.0; STRIP];
                for (strip, row) in strip.chunks(STRIP).zip(row.chunks_mut(STRIP)) {
                    let before = &mut before[..row.len()];
                    before.copy_from_slice(row);
                    kernel::finish(isa, strip, row, bias, Some(before), range, sums.as_deref_mut());
                }
            }
        }
    }
}

/// Count, mean and sum of squared differences from the mean; merged after Chan et al. 1979.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Moments {
    pub(super) fn merge(&mut self, s: &Sums) {
        if s.count == 0.0 {
            return;
        }
        let off = s.sum / s.count;
        let (mean, squares) = (f64::from(s.shift) + off, (s.squares - s.sum * off).max(0.0));
        let count = self.count + s.count;
        let delta = mean - self.mean;
        self.mean += delta * s.count / count;
        self.squares += squares + delta * delta * self.count * s.count / count;
        self.count = count;
    }
}
