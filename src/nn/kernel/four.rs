//! Four floats at a time by what the target always has; arrays alone the compiler does not always turn into vectors.

#[cfg(target_arch = "x86_64")]
mod target {
    use std::arch::x86_64::{__m128, _mm_add_ps, _mm_max_ps, _mm_min_ps, _mm_mul_ps, _mm_set1_ps, _mm_setzero_ps};
    pub type Four = __m128;
    #[inline(always)]
    pub fn zero() -> Four {
        // SAFETY: SSE is part of x86-64.
        unsafe { _mm_setzero_ps() }
    }
    #[inline(always)]
    pub fn splat(w: f32) -> Four {
        // SAFETY: as above.
        unsafe { _mm_set1_ps(w) }
    }
    #[inline(always)]
    pub fn fma(a: Four, b: Four, sum: Four) -> Four {
        // SAFETY: as above.
        unsafe { _mm_add_ps(_mm_mul_ps(a, b), sum) }
    }
    #[inline(always)]
    pub fn add(a: Four, b: Four) -> Four {
        // SAFETY: as above.
        unsafe { _mm_add_ps(a, b) }
    }
    #[inline(always)]
    pub fn max(a: Four, b: Four) -> Four {
        // SAFETY: as above.
        unsafe { _mm_max_ps(a, b) }
    }
    #[inline(always)]
    pub fn min(a: Four, b: Four) -> Four {
        // SAFETY: as above.
        unsafe { _mm_min_ps(a, b) }
    }
}
#[cfg(target_arch = "aarch64")]
mod target {
    use std::arch::aarch64::{float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_f32, vmaxq_f32, vminq_f32};
    pub type Four = float32x4_t;
    #[inline(always)]
    pub fn zero() -> Four {
        splat(0.0)
    }
    #[inline(always)]
    pub fn splat(w: f32) -> Four {
        // SAFETY: every target of Rust's for AArch64 with floats has NEON.
        unsafe { vdupq_n_f32(w) }
    }
    #[inline(always)]
    pub fn fma(a: Four, b: Four, sum: Four) -> Four {
        // SAFETY: as above.
        unsafe { vfmaq_f32(sum, a, b) }
    }
    #[inline(always)]
    pub fn add(a: Four, b: Four) -> Four {
        // SAFETY: as above.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    pub fn max(a: Four, b: Four) -> Four {
        // SAFETY: as above.
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    pub fn min(a: Four, b: Four) -> Four {
        // SAFETY: as above.
        unsafe { vminq_f32(a, b) }
    }
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod target {
    pub type Four = [f32; 4];
    #[inline(always)]
    pub fn zero() -> Four {
        [0.0; 4]
    }
    #[inline(always)]
    pub fn splat(w: f32) -> Four {
        [w; 4]
    }
    #[inline(always)]
    pub fn fma(a: Four, b: Four, sum: Four) -> Four {
        [0, 1, 2, 3].map(|i| a[i] * b[i] + sum[i])
    }
    #[inline(always)]
    pub fn add(a: Four, b: Four) -> Four {
        [0, 1, 2, 3].map(|i| a[i] + b[i])
    }
    #[inline(always)]
    pub fn max(a: Four, b: Four) -> Four {
        [0, 1, 2, 3].map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    pub fn min(a: Four, b: Four) -> Four {
        [0, 1, 2, 3].map(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
}
pub use target::{add, fma, max, min, splat, zero};
