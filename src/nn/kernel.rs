//! The innermost loops, once per instruction set, chosen at run time.
//!
//! A convolution here is direct: for a strip of neighbouring output pixels and a block of output channels all sums stay
//! in registers while the input channels and taps go by. One strip costs, per tap, a few unaligned loads of input, one
//! broadcast weight per channel and channels x vectors multiply-adds, so the multipliers are what it waits for.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

mod four;
mod isa;
mod loops;
mod narrow;
mod pairs;
mod rows;
#[cfg(target_arch = "x86_64")]
mod sixteen;

pub use isa::Isa;
pub(super) use isa::for_each_isa;
pub(crate) use loops::OnTheWay;
pub(super) use loops::{Sums, affine_add, affine_in_place, count, finish, gather, weave};
use loops::{at_least, at_most};
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
    last: u32,
}

/// How many taps before they are read the caches are asked for them: planes far from each other no processor foresees.
const AHEAD: usize = 8;

impl Taps {
    pub(super) fn clear(&mut self) {
        self.at.clear();
        self.last = 0;
    }

    pub(super) fn push(&mut self, at: usize) {
        // A task's gathered input is a few hundred thousand floats; more than 4 G of them could not be allocated.
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.last = self.last.max(at);
        let len = self.len();
        self.at.resize(len + 1 + AHEAD, 0);
        self.at[len] = at;
    }

    fn len(&self) -> usize {
        self.at.len().saturating_sub(AHEAD)
    }

    fn as_slice(&self) -> &[u32] {
        &self.at[..self.len()]
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
    pub(super) fn finish_apart(&self, isa: Isa, bias: [f32; BLOCK], range: [f32; 2], out: &mut [f32], apart: usize) {
        assert!((self.block - 1) * apart + self.reach(isa) <= out.len());
        self.compute(isa, &End { stride: apart, bias, range, ..End::buffer(out.as_mut_ptr(), false) });
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
        assert!(self.taps.len() * self.block <= self.weights.len());
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
