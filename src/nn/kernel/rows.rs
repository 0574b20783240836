//! Rows of one channel under a kernel of its own, which is bound by loads: one per tap for each vector of outputs.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

use super::{Isa, four, near, put};

/// Rows of one channel under a kernel of its own:
/// `out[row][x] = clamp(bias + sum over taps of weights[tap] * input[row * step + taps[tap] + x])`.
pub(in crate::nn) struct Rows<'a, const TAPS: usize> {
    pub input: &'a [f32],
    pub taps: [usize; TAPS],
    pub weights: [f32; TAPS],
    pub bias: f32,
    pub range: [f32; 2],
    /// From one row's input to the next one's.
    pub step: usize,
    pub rows: usize,
    pub columns: usize,
}

impl<const TAPS: usize> Rows<'_, TAPS> {
    /// Puts the rows one behind the other into `out`. Up to a vector behind the last one is overwritten.
    pub(in crate::nn) fn convolve(&self, isa: Isa, out: &mut [f32]) {
        // As in `Strip::finish`: what the kernel will touch is checked here, once.
        let (last, reach) = (self.rows.saturating_sub(1), self.columns.next_multiple_of(isa.lanes()));
        assert!(self.taps.iter().all(|tap| last * self.step + tap + reach <= self.input.len()));
        assert!(last * self.columns + reach <= out.len());
        match isa {
            // SAFETY: the assertions above bound every read and write; an `Isa` other than Plain is only ever made by
            // `available`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512_rows(self, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2_rows(self, out) },
            // SAFETY: as above.
            _ => unsafe { plain_rows(self, out) },
        }
    }
}

macro_rules! rows_kernel {
    ($(#[$feature:meta])* $name:ident, lanes $lanes:literal, splat $splat:path, fma $fma:path, max $max:path,
     min $min:path) => {
        /// # Safety
        /// The processor has the instructions; the bounds asserted in [`Rows::convolve`] hold.
        $(#[$feature])*
        #[allow(unused_unsafe)]
        unsafe fn $name<const TAPS: usize>(rows: &Rows<'_, TAPS>, out: &mut [f32]) {
            // SAFETY: see `Rows::convolve`, which checked every offset used here.
            unsafe {
                let weights = rows.weights.map(|w| $splat(w));
                let (bias, low, high) = ($splat(rows.bias), $splat(rows.range[0]), $splat(rows.range[1]));
                for r in 0..rows.rows {
                    let from = rows.input.as_ptr().add(r * rows.step);
                    let to = out.as_mut_ptr().add(r * rows.columns);
                    for x in (0..rows.columns).step_by(2 * $lanes) {
                        let at = from.add(x);
                        let mut sum = bias;
                        // Two at a time, so that one's sum need not wait for itself.
                        if x + $lanes < rows.columns {
                            let mut other = bias;
                            for t in 0..TAPS {
                                let at = at.add(rows.taps[t]);
                                sum = $fma(weights[t], near(at), sum);
                                other = $fma(weights[t], near(at.add($lanes)), other);
                            }
                            put(to.add(x), $min(high, $max(low, sum)));
                            put(to.add(x + $lanes), $min(high, $max(low, other)));
                        } else {
                            for t in 0..TAPS {
                                sum = $fma(weights[t], near(at.add(rows.taps[t])), sum);
                            }
                            // What a last vector writes behind its row, the next row overwrites.
                            put(to.add(x), $min(high, $max(low, sum)));
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
rows_kernel!(#[target_feature(enable = "avx512f")] avx512_rows, lanes 16, splat x86::_mm512_set1_ps,
    fma x86::_mm512_fmadd_ps, max x86::_mm512_max_ps, min x86::_mm512_min_ps);
#[cfg(target_arch = "x86_64")]
rows_kernel!(#[target_feature(enable = "avx2,fma")] avx2_rows, lanes 8, splat x86::_mm256_set1_ps,
    fma x86::_mm256_fmadd_ps, max x86::_mm256_max_ps, min x86::_mm256_min_ps);
rows_kernel!(plain_rows, lanes 4, splat four::splat, fma four::fma, max four::max, min four::min);
