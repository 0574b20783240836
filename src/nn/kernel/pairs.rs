//! bf16 in pairs: a 32-bit word holds the values of two neighbouring input channels, the earlier one in its low half, so
//! that one instruction multiplies and sums two channels. The words lie in slices of f32, whose places, vectors and
//! broadcasts are theirs too; nothing but [`dot`] computes with them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};

use super::{Isa, OnTheWay, for_each_isa};

/// `sum + w[0] * x[0] + w[1] * x[1]`, lane by lane.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
pub(super) fn dot(w: __m512, x: __m512, sum: __m512) -> __m512 {
    // SAFETY: 512 bits, any of which may be set, in either type.
    let [w, x] = [w, x].map(|v| unsafe { std::mem::transmute::<__m512, __m512bh>(v) });
    _mm512_dpbf16_ps(sum, w, x)
}

/// The nearest bf16 as the upper half of a word, of two equally near ones the even, as `vcvtneps2bf16` has it; what is no
/// number stays none.
#[inline(always)]
fn rounded(v: f32) -> u32 {
    let bits = v.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (if v.is_nan() { bits | 0x0040_0000 } else { up }) & 0xffff_0000
}

#[inline(always)]
fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(rounded(low) >> 16 | rounded(high))
}

for_each_isa!(
    /// Deals the pixels of two channels, paired, out into panels of `unit` pixels that are `apart` words from each other.
    pack_pairs, pack_pairs_body(from: [&[f32]; 2], ways: [OnTheWay; 2], to: &mut [f32], unit: usize, apart: usize)
);

#[inline(always)]
fn pack_pairs_body([low, high]: [&[f32]; 2], ways: [OnTheWay; 2], to: &mut [f32], unit: usize, apart: usize) {
    for ((low, high), to) in low.chunks(unit).zip(high.chunks(unit)).zip(to.chunks_mut(apart)) {
        for ((low, high), to) in low.iter().zip(high).zip(to) {
            *to = pair(ways[0].apply(*low), ways[1].apply(*high));
        }
    }
}

/// Weights `[channel][run]` as `[pair of channels][run]`; a last channel without a partner is paired with zeros.
pub(in crate::nn) fn pair_weights(weights: &[f32], run: usize, to: &mut Vec<f32>) {
    // A phase of a small transposed kernel may have no tap at all.
    for two in weights.chunks(2 * run.max(1)) {
        let (low, high) = two.split_at(run);
        to.extend(low.iter().enumerate().map(|(i, low)| pair(*low, high.get(i).copied().unwrap_or(0.0))));
    }
}
