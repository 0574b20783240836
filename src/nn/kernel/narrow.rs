//! The few pixels that are left of a row of strips: lanes are output channels here, not pixels.
//!
//! A vector of sixteen pixels of which one is wanted takes the time of sixteen: the last of the 49 tiles of a 28 x 28 map
//! took half the time of the other 48.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_mm256_add_ps, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps};

use super::{BLOCK, End, Isa, Strip};
#[cfg(target_arch = "x86_64")]
use super::{at_least, at_most, near, put};

/// Most pixels for which this pays.
pub(in crate::nn) const FEW: usize = 4;

/// Whether this is the way to compute a strip.
pub(super) fn takes(strip: &Strip<'_>, isa: Isa) -> bool {
    cfg!(target_arch = "x86_64")
        && strip.block == BLOCK
        && strip.pixels <= FEW
        && matches!(isa, Isa::Avx2 | Isa::Avx512)
}

/// Computes exactly the strip's pixels and sends them where `end` says.
///
/// # Safety
/// The strip is one that this [`takes`], and what [`Strip::finish`] asserts holds.
pub(super) unsafe fn finish(strip: &Strip<'_>, end: &End) {
    // SAFETY: the caller's promise; a strip is only taken on processors that have AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        match strip.pixels {
            1 => columns::<1, 4>(strip, end),
            2 => columns::<2, 4>(strip, end),
            3 => columns::<3, 2>(strip, end),
            _ => columns::<4, 2>(strip, end),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (strip, end);
}

/// Every `TURNS`-th tap is added up for itself, so that additions need not wait for each other.
///
/// # Safety
/// As for [`finish`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[allow(clippy::needless_range_loop)] // index loops over constants unroll into registers
unsafe fn columns<const N: usize, const TURNS: usize>(strip: &Strip<'_>, end: &End) {
    // SAFETY: see `Strip::finish`, which checked every offset that is read, and `End`, whose maker vouched for the others.
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); N]; TURNS];
        let mut weight = strip.weights.as_ptr();
        let (turns, last) = strip.taps.as_slice().as_chunks::<TURNS>();
        for taps in turns {
            for turn in 0..TURNS {
                let at = strip.input.as_ptr().add(taps[turn] as usize);
                let w = near(weight.add(turn * BLOCK));
                for x in 0..N {
                    sums[turn][x] = _mm256_fmadd_ps(w, _mm256_set1_ps(*at.add(x)), sums[turn][x]);
                }
            }
            weight = weight.add(TURNS * BLOCK);
        }
        for &tap in last {
            let at = strip.input.as_ptr().add(tap as usize);
            for x in 0..N {
                sums[0][x] = _mm256_fmadd_ps(near(weight), _mm256_set1_ps(*at.add(x)), sums[0][x]);
            }
            weight = weight.add(BLOCK);
        }
        for x in 0..N {
            let mut sum = sums[0][x];
            for turn in 1..TURNS {
                sum = _mm256_add_ps(sum, sums[turn][x]);
            }
            let mut values = [0.0; BLOCK];
            // The bias after the sums, as in `Strip::accumulate` and `finish` one after the other, to the last bit.
            put(values.as_mut_ptr(), _mm256_add_ps(sum, near(end.bias.as_ptr())));
            for (c, value) in values.into_iter().enumerate() {
                let at = c * end.stride + x;
                let more = if end.residual.is_null() { 0.0 } else { *end.residual.add(at) };
                *end.out.add(at) = at_most(at_least(value + more, end.range[0]), end.range[1]);
            }
        }
    }
}
