//! The sums of four channels over three vectors of pixels, which with three inputs and a weight fill the sixteen registers
//! of AVX2 exactly. The compiler, given the same loop, asks for a seventeenth and spends more time on the stack than on
//! sums; with the eight sums that it manages, each multiply-add waits for the one before.

use std::arch::asm;
use std::arch::x86_64::{__m256, _mm256_setzero_ps};

use super::{AHEAD, Strip};

/// Output channels.
pub(super) const CHANNELS: usize = 4;
/// Vectors of pixels.
pub(super) const VECTORS: usize = 3;

/// The sums of a strip of [`VECTORS`] vectors for [`CHANNELS`] channels from the `first` of its block on.
///
/// # Safety
/// What [`Strip::finish`] asserts holds, and the block has these channels.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn sums(strip: &Strip<'_>, first: usize) -> [[__m256; VECTORS]; CHANNELS] {
    let zero = _mm256_setzero_ps();
    let [mut a0, mut a1, mut a2, mut b0, mut b1, mut b2, mut c0, mut c1, mut c2, mut d0, mut d1, mut d2] = [zero; 12];
    let (taps, len) = (strip.taps.at.as_ptr(), strip.taps.len());
    if len > 0 {
        // SAFETY: reads the taps and the `AHEAD` that stand behind them, and for each tap the input and weights that the
        // assertions are about.
        unsafe {
            asm!(
                "2:",
                "mov {at:e}, dword ptr [{tap}]",
                "vmovups {x0}, [{input} + {at} * 4]",
                "vmovups {x1}, [{input} + {at} * 4 + 32]",
                "vmovups {x2}, [{input} + {at} * 4 + 64]",
                "mov {at:e}, dword ptr [{tap} + {ahead}]",
                "prefetcht0 [{input} + {at} * 4]",
                "prefetcht0 [{input} + {at} * 4 + 64]",
                "vbroadcastss {w}, [{weight}]",
                "vfmadd231ps {a0}, {w}, {x0}",
                "vfmadd231ps {a1}, {w}, {x1}",
                "vfmadd231ps {a2}, {w}, {x2}",
                "vbroadcastss {w}, [{weight} + 4]",
                "vfmadd231ps {b0}, {w}, {x0}",
                "vfmadd231ps {b1}, {w}, {x1}",
                "vfmadd231ps {b2}, {w}, {x2}",
                "vbroadcastss {w}, [{weight} + 8]",
                "vfmadd231ps {c0}, {w}, {x0}",
                "vfmadd231ps {c1}, {w}, {x1}",
                "vfmadd231ps {c2}, {w}, {x2}",
                "vbroadcastss {w}, [{weight} + 12]",
                "vfmadd231ps {d0}, {w}, {x0}",
                "vfmadd231ps {d1}, {w}, {x1}",
                "vfmadd231ps {d2}, {w}, {x2}",
                "add {tap}, 4",
                "add {weight}, {block}",
                "cmp {tap}, {end}",
                "jb 2b",
                ahead = const AHEAD * size_of::<u32>(),
                tap = inout(reg) taps => _,
                end = in(reg) taps.add(len),
                input = in(reg) strip.input.as_ptr(),
                weight = inout(reg) strip.weights.as_ptr().add(first) => _,
                block = in(reg) strip.block * size_of::<f32>(),
                at = out(reg) _,
                x0 = out(ymm_reg) _, x1 = out(ymm_reg) _, x2 = out(ymm_reg) _, w = out(ymm_reg) _,
                a0 = inout(ymm_reg) a0, a1 = inout(ymm_reg) a1, a2 = inout(ymm_reg) a2,
                b0 = inout(ymm_reg) b0, b1 = inout(ymm_reg) b1, b2 = inout(ymm_reg) b2,
                c0 = inout(ymm_reg) c0, c1 = inout(ymm_reg) c1, c2 = inout(ymm_reg) c2,
                d0 = inout(ymm_reg) d0, d1 = inout(ymm_reg) d1, d2 = inout(ymm_reg) d2,
                options(nostack, readonly),
            );
        }
    }
    [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2], [d0, d1, d2]]
}
