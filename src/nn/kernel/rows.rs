//! Rows of one channel under a kernel of its own, which is bound by loads: one per tap for each vector of outputs, unless
//! rows below each other are computed together.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

use super::{Isa, four, near, put};

/// Rows of one channel under a kernel of its own, `SIDE` high and wide:
/// `out[row][x] = clamp(bias + sum over y and t of weights[y][t] * input[row * step + y * down + taps[t] + x])`.
pub(in crate::nn) struct Rows<'a, const SIDE: usize> {
    pub input: &'a [f32],
    /// Where the taps of one of the kernel's rows read, and how far it is to the next row's.
    pub taps: [usize; SIDE],
    pub down: usize,
    pub weights: &'a [[f32; SIDE]],
    pub bias: f32,
    pub range: [f32; 2],
    /// From one row's input to the next one's.
    pub step: usize,
    pub rows: usize,
    pub columns: usize,
}

impl<const SIDE: usize> Rows<'_, SIDE> {
    /// Puts the rows one behind the other into `out`. Up to a vector behind the last one is overwritten.
    pub(in crate::nn) fn convolve(&self, isa: Isa, out: &mut [f32]) {
        // As in `Strip::finish`: what the kernel will touch is checked here, once.
        let (last, reach) = (self.rows.saturating_sub(1), self.columns.next_multiple_of(isa.lanes()));
        let bottom = last * self.step + (SIDE - 1) * self.down;
        assert!(self.weights.len() == SIDE);
        assert!(self.taps.iter().all(|tap| bottom + tap + reach <= self.input.len()));
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

    /// Rows computed together: [`TALL`] as long as an input row seen by one is the next tap's of the one before.
    fn together(&self) -> usize {
        if self.down == self.step { self.rows / TALL * TALL } else { 0 }
    }
}

/// Rows whose sums are kept at once, so that what they all see is loaded once.
const TALL: usize = 4;

/// A place that the compiler knows nothing about: it would keep one for each row and tap, more than there are registers.
#[inline(always)]
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
#[allow(clippy::pointers_in_nomem_asm_block)] // nothing is read there
fn opaque(mut at: *const f32) -> *const f32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: there is no instruction.
    unsafe {
        std::arch::asm!("/* {0} */", inlateout(reg) at, options(pure, nomem, nostack, preserves_flags));
    }
    at
}

// `most` vectors of a row are computed at once, beside those below: sums and weights should fit the registers.
macro_rules! rows_kernel {
    ($(#[$feature:meta])* $name:ident, lanes $lanes:literal, most $most:literal, splat $splat:path, fma $fma:path,
     max $max:path, min $min:path) => {
        /// # Safety
        /// The processor has the instructions; the bounds asserted in [`Rows::convolve`] hold.
        $(#[$feature])*
        #[allow(unused_unsafe, clippy::needless_range_loop)] // index loops over constants unroll into registers
        unsafe fn $name<const SIDE: usize>(rows: &Rows<'_, SIDE>, out: &mut [f32]) {
            // SAFETY: see `Rows::convolve`, which checked every offset used here.
            unsafe {
                let mut weights = [[$splat(0.0); SIDE]; SIDE];
                for y in 0..SIDE {
                    for t in 0..SIDE {
                        weights[y][t] = $splat(rows.weights[y][t]);
                    }
                }
                let (bias, low, high) = ($splat(rows.bias), $splat(rows.range[0]), $splat(rows.range[1]));
                // `wide` vectors of `tall` rows: of the input's row i, the sum of row i - y sees the kernel's row y.
                macro_rules! block {
                    ($tall:tt x $wide:literal, $r:expr, $x:expr) => {
                        let mut from = rows.input.as_ptr().add($r * rows.step + $x);
                        let mut sums = [[bias; $wide]; $tall];
                        for i in 0..$tall + SIDE - 1 {
                            for t in 0..SIDE {
                                let seen: [_; $wide] =
                                    std::array::from_fn(|v| near(from.add(rows.taps[t] + v * $lanes)));
                                for y in 0..SIDE {
                                    if y <= i && i < y + $tall {
                                        for v in 0..$wide {
                                            sums[i - y][v] = $fma(weights[y][t], seen[v], sums[i - y][v]);
                                        }
                                    }
                                }
                            }
                            from = opaque(from.wrapping_add(rows.down));
                        }
                        // What a last vector writes behind its row, the next row overwrites.
                        for (i, row) in sums.iter().enumerate() {
                            let to = out.as_mut_ptr().add(($r + i) * rows.columns + $x);
                            for v in 0..$wide {
                                put(to.add(v * $lanes), $min(high, $max(low, row[v])));
                            }
                        }
                    };
                }
                macro_rules! blocks {
                    ($tall:tt, $r:expr) => {
                        // From the last columns to the first, which overwrite what was written behind the row before. Of a
                        // lone row two vectors at a time, so that one's sum need not wait for itself.
                        let vectors = if $tall == 1 { 2 } else { $most };
                        for x in (0..rows.columns).step_by(vectors * $lanes).rev() {
                            if vectors == 2 && x + $lanes < rows.columns {
                                block!($tall x 2, $r, x);
                            } else {
                                block!($tall x 1, $r, x);
                            }
                        }
                    };
                }
                let together = rows.together();
                for r in (0..together).step_by(TALL) {
                    blocks!(TALL, r);
                }
                for r in together..rows.rows {
                    blocks!(1, r);
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
rows_kernel!(#[target_feature(enable = "avx512f")] avx512_rows, lanes 16, most 2, splat x86::_mm512_set1_ps,
    fma x86::_mm512_fmadd_ps, max x86::_mm512_max_ps, min x86::_mm512_min_ps);
#[cfg(target_arch = "x86_64")]
rows_kernel!(#[target_feature(enable = "avx2,fma")] avx2_rows, lanes 8, most 1, splat x86::_mm256_set1_ps,
    fma x86::_mm256_fmadd_ps, max x86::_mm256_max_ps, min x86::_mm256_min_ps);
rows_kernel!(plain_rows, lanes 4, most 1, splat four::splat, fma four::fma, max four::max, min four::min);
