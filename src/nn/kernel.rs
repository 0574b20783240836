//! The innermost loops, once per instruction set, chosen at run time.
//!
//! A convolution here is direct: for a strip of neighbouring output pixels and a block of output channels all sums stay
//! in registers while the input channels and taps go by. One strip costs, per tap, a few unaligned loads of input, one
//! broadcast weight per channel and channels x vectors multiply-adds, so the multipliers are what it waits for.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

mod four;
mod isa;
mod narrow;
mod pairs;
mod rows;
#[cfg(target_arch = "x86_64")]
mod sixteen;

pub use isa::Isa;
pub(super) use narrow::FEW;
pub(super) use pairs::{pack_pairs, pair_weights};
pub(super) use rows::Rows;

/// Most output channels in one block.
pub(super) const BLOCK: usize = 8;
/// Most pixels in one strip: 6 vectors of 16.
pub(super) const STRIP: usize = 96;

/// Places to read from, which know the furthest of them.
#[derive(Debug, Default)]
pub(super) struct Taps {
    /// And some more behind the last, which are only asked for: kernels look [`AHEAD`].
    at: Vec<u32>,
    len: usize,
    last: u32,
}

/// How many taps before they are read the caches are asked for them: planes far from each other no processor foresees.
const AHEAD: usize = 8;

impl Taps {
    pub(super) fn clear(&mut self) {
        (self.len, self.last) = (0, 0);
        self.at.clear();
    }

    pub(super) fn push(&mut self, at: usize) {
        // A task's gathered input is a few hundred thousand floats; more than 4 G of them could not be allocated.
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.last = self.last.max(at);
        self.at.resize(self.len + 1 + AHEAD, 0);
        self.at[self.len] = at;
        self.len += 1;
    }

    fn as_slice(&self) -> &[u32] {
        &self.at[..self.len]
    }
}

/// One strip's work: `out[c][x] = sum over channels and taps of weight[channel][tap][c] * input[channel][taps[tap] + x]`.
pub(super) struct Strip<'a> {
    /// Gathered input, from the strip's first pixel on.
    pub input: &'a [f32],
    /// Where each tap of each channel reads: `[channel][tap]`.
    pub taps: &'a Taps,
    /// `[channel][tap][block]`.
    pub weights: &'a [f32],
    /// Output channels in the block: 1, 2, 3, 4 or 8.
    pub block: usize,
    /// Pixels to compute, at most [`Isa::vectors`] full; what else the last vector holds may be computed with them.
    pub pixels: usize,
}

/// What becomes of a strip's sums: `clamp(sum + bias + residual)`, channel by channel.
pub(super) struct End {
    /// The first channel's first pixel, and the way to the next channel.
    out: *mut f32,
    stride: usize,
    /// Laid out as `out`; null for none.
    residual: *const f32,
    bias: [f32; BLOCK],
    range: [f32; 2],
}

impl End {
    /// Straight to the picture.
    ///
    /// # Safety
    /// For each channel of the strip's block, from `out` on `stride` apart, the strip's pixels can be written and nobody
    /// else looks at them; from `residual` on, unless it is null, they can be read.
    pub(super) unsafe fn picture(
        out: *mut f32,
        stride: usize,
        residual: *const f32,
        bias: [f32; BLOCK],
        range: [f32; 2],
    ) -> End {
        End { out, stride, residual, bias, range }
    }

    fn buffer(out: *mut f32, add: bool) -> End {
        let residual = if add { out.cast_const() } else { std::ptr::null() };
        let range = [f32::NEG_INFINITY, f32::INFINITY];
        End { out, stride: STRIP, residual, bias: [0.0; BLOCK], range }
    }
}

impl Strip<'_> {
    /// Puts the sums into the first pixels of `out[c * STRIP..]` for each channel of the block, or with `add` adds them to
    /// what is there.
    pub(super) fn accumulate(&self, isa: Isa, add: bool, out: &mut [f32; BLOCK * STRIP]) {
        self.compute(isa, &End::buffer(out.as_mut_ptr(), add));
    }

    /// As [`Strip::accumulate`], with the block's channels `apart` floats from each other in `out`.
    pub(super) fn accumulate_apart(&self, isa: Isa, add: bool, out: &mut [f32], apart: usize) {
        assert!((self.block - 1) * apart + self.reach(isa) <= out.len());
        self.finish(isa, &End { stride: apart, ..End::buffer(out.as_mut_ptr(), add) });
    }

    /// The same with a bias per channel added and the result clamped to `range`.
    pub(super) fn finish_apart(&self, isa: Isa, bias: &[f32], range: [f32; 2], out: &mut [f32], apart: usize) {
        assert!((self.block - 1) * apart + self.reach(isa) <= out.len());
        let mut all = [0.0; BLOCK];
        all[..bias.len()].copy_from_slice(bias);
        self.compute(isa, &End { stride: apart, bias: all, range, ..End::buffer(out.as_mut_ptr(), false) });
    }

    /// Pixels that are written, those beyond the strip's own included.
    pub(super) fn reach(&self, isa: Isa) -> usize {
        if narrow::takes(self, isa) { self.pixels } else { self.pixels.next_multiple_of(isa.lanes()) }
    }

    /// Asks for the lines that the sums will be stored to: the caches have the time of a strip to find them.
    fn announce(&self, end: &End) {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = end;
        #[cfg(target_arch = "x86_64")]
        for c in 0..self.block {
            for x in (0..self.pixels + 15).step_by(16) {
                // SAFETY: an address that is only asked for may be any.
                unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T0 }>(end.out.wrapping_add(c * end.stride + x).cast()) };
            }
        }
    }

    /// Computes the strip and sends it where `end` says.
    pub(super) fn finish(&self, isa: Isa, end: &End) {
        self.announce(end);
        self.compute(isa, end);
    }

    /// As [`Strip::finish`], where `end` is in the first-level cache.
    fn compute(&self, isa: Isa, end: &End) {
        // The kernels read without looking: everything they will touch is checked here, once per strip.
        let vectors = self.pixels.div_ceil(isa.lanes());
        assert!(vectors >= 1 && vectors <= isa.vectors(self.block));
        assert!(self.taps.last as usize + vectors * isa.lanes() <= self.input.len());
        assert!(self.taps.len * self.block <= self.weights.len());
        if narrow::takes(self, isa) {
            // SAFETY: asked for and asserted right here; `end` as for the kernels below.
            return unsafe { narrow::finish(self, end) };
        }
        macro_rules! pick {
            ($kernel:ident: $($block:literal x $($vectors:literal)+),+) => {
                match (self.block, vectors) {
                    // SAFETY: the assertions above bound every read, what `end` promises every write (for a buffer
                    // block <= BLOCK and reach <= STRIP); an `Isa` other than Plain is only ever made by `available` and
                    // `at`, which asked the processor.
                    $($(($block, $vectors) => unsafe { $kernel::<$block, $vectors>(self, 0, end) },)+)+
                    _ => unreachable!("no kernel for {} channels x {vectors} vectors", self.block),
                }
            };
            // Sixteen registers hold a block of 8 only with one vector: two halves of 4.
            ($kernel:ident halved: $($vectors:literal)+) => {
                match vectors {
                    // SAFETY: as above.
                    $($vectors => unsafe {
                        $kernel::<4, $vectors>(self, 0, end);
                        $kernel::<4, $vectors>(self, 4, end);
                    },)+
                    _ => unreachable!("no kernel for {} channels x {vectors} vectors", self.block),
                }
            };
        }
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                pick!(avx512: 8 x 1 2 3, 4 x 1 2 3 4 5 6, 3 x 1 2 3 4 5 6, 2 x 1 2 3 4 5 6, 1 x 1 2 3 4 5 6);
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => {
                pick!(avx512_bf16: 8 x 1 2 3, 4 x 1 2 3 4 5 6, 3 x 1 2 3 4 5 6, 2 x 1 2 3 4 5 6, 1 x 1 2 3 4 5 6);
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if self.block == 8 && vectors > 1 => pick!(avx2 halved: 2 3),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => pick!(avx2: 8 x 1, 4 x 1 2 3, 3 x 1 2 3, 2 x 1 2 3 4, 1 x 1 2 3 4),
            _ if self.block == 8 => pick!(plain halved: 1 2),
            _ => pick!(plain: 4 x 1 2, 3 x 1 2 3, 2 x 1 2 3 4, 1 x 1 2 3 4),
        }
    }
}

/// A vector at any address. Reading through it stays one instruction where `loadu` and `read_unaligned` drag a check of
/// their arguments into the innermost loop of every build with debug assertions.
#[repr(C, packed)]
struct Near<T>(T);

/// # Safety
/// A `T` of floats can be read at `at`.
#[inline(always)]
unsafe fn near<T: Copy>(at: *const f32) -> T {
    // SAFETY: the caller's promise; packed, so no alignment is asked for.
    unsafe { (*at.cast::<Near<T>>()).0 }
}

/// # Safety
/// A `T` of floats can be written at `at`.
#[inline(always)]
unsafe fn put<T: Copy>(at: *mut f32, v: T) {
    // SAFETY: as in `near`.
    unsafe { (*at.cast::<Near<T>>()).0 = v }
}

macro_rules! kernel {
    ($(#[$feature:meta])* $name:ident, lanes $lanes:literal, zero $zero:expr, load $load:path, splat $splat:path,
     fma $fma:path, add $add:path, max $max:path, min $min:path, store $store:path $(, full $full:path)?) => {
        /// `first` is the first of the block's channels that this call computes; `full` makes the sums that the compiler
        /// would not keep in registers.
        ///
        /// # Safety
        /// The processor has the instructions; the bounds asserted in [`Strip::accumulate`] hold.
        $(#[$feature])*
        #[allow(unused_unsafe, clippy::needless_range_loop)] // index loops over constants unroll into registers
        unsafe fn $name<const C: usize, const V: usize>(strip: &Strip<'_>, first: usize, end: &End) {
            // SAFETY: see `Strip::accumulate`, which checked every offset used here.
            unsafe {
                let mut sums = [[$zero; V]; C];
                let mut weight = strip.weights.as_ptr().add(first);
                $(if C == sixteen::CHANNELS && V == sixteen::VECTORS {
                    *(&raw mut sums).cast() = $full(strip, first);
                } else)? {
                    // One flat loop: an outer one over channels makes the compiler move all sums to memory and back.
                    for &tap in strip.taps.as_slice() {
                        let at = strip.input.as_ptr().add(tap as usize);
                        let mut x = [$zero; V];
                        for v in 0..V {
                            x[v] = $load(at.add(v * $lanes));
                        }
                        for c in 0..C {
                            let w = $splat(*weight.add(c));
                            for v in 0..V {
                                sums[c][v] = $fma(w, x[v], sums[c][v]);
                            }
                        }
                        weight = weight.add(strip.block);
                    }
                }
                let (low, high) = ($splat(end.range[0]), $splat(end.range[1]));
                for c in 0..C {
                    let bias = $splat(end.bias[first + c]);
                    for v in 0..V {
                        let at = (first + c) * end.stride + v * $lanes;
                        let mut value = $add(sums[c][v], bias);
                        if !end.residual.is_null() {
                            value = $add(value, $load(end.residual.add(at)));
                        }
                        // Of two operands of which one is no number these give the second.
                        $store(end.out.add(at), $min(high, $max(low, value)));
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernel!(#[target_feature(enable = "avx512f")] avx512, lanes 16, zero x86::_mm512_setzero_ps(),
    load near, splat x86::_mm512_set1_ps, fma x86::_mm512_fmadd_ps, add x86::_mm512_add_ps, max x86::_mm512_max_ps,
    min x86::_mm512_min_ps, store put);
#[cfg(target_arch = "x86_64")]
kernel!(#[target_feature(enable = "avx512f,avx512bf16")] avx512_bf16, lanes 16, zero x86::_mm512_setzero_ps(),
    load near, splat x86::_mm512_set1_ps, fma pairs::dot, add x86::_mm512_add_ps, max x86::_mm512_max_ps,
    min x86::_mm512_min_ps, store put);
#[cfg(target_arch = "x86_64")]
kernel!(#[target_feature(enable = "avx2,fma")] avx2, lanes 8, zero x86::_mm256_setzero_ps(),
    load near, splat x86::_mm256_set1_ps, fma x86::_mm256_fmadd_ps, add x86::_mm256_add_ps, max x86::_mm256_max_ps,
    min x86::_mm256_min_ps, store put, full sixteen::sums);
kernel!(plain, lanes 4, zero four::zero(), load near, splat four::splat, fma four::fma, add four::add, max four::max,
    min four::min, store put);

/// Running sums of a channel's outputs about a `shift` near their mean, so that the squares do not cancel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub count: f64,
    pub shift: f32,
    pub sum: f64,
    pub squares: f64,
}

/// Defines a function once per instruction set from one body that the compiler vectorises for each, and its dispatcher.
macro_rules! for_each_isa {
    ($(#[$doc:meta])* $name:ident, $body:ident ( $($arg:ident : $type:ty),* )) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub(in crate::nn) fn $name(isa: Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512($($arg: $type),*) {
                $body($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $type),*) {
                $body($($arg),*)
            }
            match isa {
                // SAFETY: safe code throughout; an `Isa` other than Plain means the processor has the instructions.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 | Isa::Avx512Bf16 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => $body($($arg),*),
            }
        }
    };
}

pub(super) use for_each_isa;

/// `max` as the processors have it: one instruction, and a NaN stays one instead of hiding as the floor.
#[inline(always)]
fn at_least(v: f32, floor: f32) -> f32 {
    if v < floor { floor } else { v }
}

/// `min` in the same way.
#[inline(always)]
fn at_most(v: f32, ceiling: f32) -> f32 {
    if v > ceiling { ceiling } else { v }
}

for_each_isa!(
    /// Writes a strip's sums plus bias and residual to their place in the output, clamped to `range`, and counts them.
    finish, finish_body(
        strip: &[f32], out: &mut [f32], bias: f32, residual: Option<&[f32]>, range: [f32; 2], sums: Option<&mut Sums>
    )
);

#[inline(always)]
fn finish_body(
    strip: &[f32],
    out: &mut [f32],
    bias: f32,
    residual: Option<&[f32]>,
    [low, high]: [f32; 2],
    sums: Option<&mut Sums>,
) {
    match residual {
        None => {
            for (o, s) in out.iter_mut().zip(strip) {
                *o = at_most(at_least(s + bias, low), high);
            }
        }
        Some(residual) => {
            for ((o, s), r) in out.iter_mut().zip(strip).zip(residual) {
                *o = at_most(at_least(s + bias + r, low), high);
            }
        }
    }
    let Some(sums) = sums else { return };
    if sums.count == 0.0 {
        sums.shift = out.iter().sum::<f32>() / out.len().max(1) as f32;
    }
    moments(out, sums);
}

/// Adds `values` to the sums, sixteen at a time.
#[inline(always)]
fn moments(values: &[f32], sums: &mut Sums) {
    let (mut s, mut q) = ([0.0f32; 16], [0.0f32; 16]);
    let (whole, rest) = values.as_chunks::<16>();
    for v in whole {
        for i in 0..16 {
            let d = v[i] - sums.shift;
            s[i] += d;
            q[i] += d * d;
        }
    }
    for (i, v) in rest.iter().enumerate() {
        let d = v - sums.shift;
        s[i] += d;
        q[i] += d * d;
    }
    sums.count += values.len() as f64;
    sums.sum += f64::from(s.iter().sum::<f32>());
    sums.squares += f64::from(q.iter().sum::<f32>());
}

/// What happens to an input value on its way in: `value * scale + shift`, then optionally clamped below at 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnTheWay {
    pub scale: f32,
    pub shift: f32,
    pub relu: bool,
}

impl OnTheWay {
    /// Nothing.
    pub(crate) const NOTHING: OnTheWay = OnTheWay { scale: 1.0, shift: 0.0, relu: false };

    /// One value's way in.
    #[inline(always)]
    pub(crate) fn apply(self, v: f32) -> f32 {
        at_least(v * self.scale + self.shift, if self.relu { 0.0 } else { f32::NEG_INFINITY })
    }
}

for_each_isa!(
    /// `to = a[0], b[0], a[1], b[1] ...`
    weave, weave_body(a: &[f32], b: &[f32], to: &mut [f32])
);

#[inline(always)]
fn weave_body(a: &[f32], b: &[f32], to: &mut [f32]) {
    for ((t, a), b) in to.chunks_exact_mut(2).zip(a).zip(b) {
        t[0] = *a;
        t[1] = *b;
    }
}

for_each_isa!(
    /// Copies every `step`-th value of `from` (starting with its first) to `to`, changed as `on_the_way` says.
    gather, gather_body(from: &[f32], step: usize, to: &mut [f32], on_the_way: Option<OnTheWay>)
);

#[inline(always)]
fn gather_body(from: &[f32], step: usize, to: &mut [f32], on_the_way: Option<OnTheWay>) {
    match (step, on_the_way) {
        (1, None) => to.copy_from_slice(&from[..to.len()]),
        (2, None) => halve(from, to, |v| v),
        (_, None) => {
            for (t, f) in to.iter_mut().zip(from.iter().step_by(step)) {
                *t = *f;
            }
        }
        (1, Some(OnTheWay { scale, shift, relu })) => {
            let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
            for (t, f) in to.iter_mut().zip(from) {
                *t = at_least(f * scale + shift, floor);
            }
        }
        (2, Some(OnTheWay { scale, shift, relu })) => {
            let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
            halve(from, to, |v| at_least(v * scale + shift, floor));
        }
        (_, Some(OnTheWay { scale, shift, relu })) => {
            let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
            for (t, f) in to.iter_mut().zip(from.iter().step_by(step)) {
                *t = at_least(f * scale + shift, floor);
            }
        }
    }
}

/// Every second value; in pairs, which the compiler makes vectors of.
#[inline(always)]
fn halve(from: &[f32], to: &mut [f32], way: impl Fn(f32) -> f32) {
    let (pairs, last) = from.as_chunks::<2>();
    for (t, f) in to.iter_mut().zip(pairs) {
        *t = way(f[0]);
    }
    if let (Some(to), Some(last)) = (to.get_mut(pairs.len()), last.first()) {
        *to = way(*last);
    }
}

for_each_isa!(
    /// `to += from * scale + shift`, the addend clamped below at 0 with `relu`.
    affine_add, affine_add_body(to: &mut [f32], from: &[f32], on_the_way: OnTheWay)
);

#[inline(always)]
fn affine_add_body(to: &mut [f32], from: &[f32], OnTheWay { scale, shift, relu }: OnTheWay) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    for (t, f) in to.iter_mut().zip(from) {
        *t += at_least(f * scale + shift, floor);
    }
}

for_each_isa!(
    /// Applies [`OnTheWay`] in place.
    affine_in_place, affine_in_place_body(values: &mut [f32], on_the_way: OnTheWay)
);

#[inline(always)]
fn affine_in_place_body(values: &mut [f32], OnTheWay { scale, shift, relu }: OnTheWay) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    for v in values {
        *v = at_least(*v * scale + shift, floor);
    }
}

for_each_isa!(
    /// Adds `values` to the sums; the first values ever added fix the shift.
    count, count_body(values: &[f32], sums: &mut Sums)
);

#[inline(always)]
fn count_body(values: &[f32], sums: &mut Sums) {
    for part in values.chunks(1024) {
        if sums.count == 0.0 {
            sums.shift = part.iter().sum::<f32>() / part.len() as f32;
        }
        moments(part, sums);
    }
}
