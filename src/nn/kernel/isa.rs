//! Which of the kernels this machine can run.

use std::sync::OnceLock;

use crate::nn::precision::Precision;

/// The instruction sets a kernel exists for, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every machine has; the compiler picks its own vectors.
    Plain,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512F.
    Avx512,
    /// x86-64 with AVX512-BF16, over pairs of channels: what [`Precision::Bf16`] turns the former into.
    Avx512Bf16,
}

impl Isa {
    /// The fastest this machine has.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::available().last().copied().unwrap_or(Isa::Plain))
    }

    /// All for f32 that this machine has, slowest first; never empty.
    pub fn available() -> Vec<Isa> {
        #[allow(unused_mut)]
        let mut all = vec![Isa::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                all.push(Isa::Avx2);
            }
            if avx2 && is_x86_feature_detected!("avx512f") {
                all.push(Isa::Avx512);
            }
        }
        all
    }

    /// The one to use instead where weights and input may be rounded to `precision`.
    pub(in crate::nn) fn at(self, precision: Precision) -> Isa {
        #[cfg(target_arch = "x86_64")]
        if (self, precision) == (Isa::Avx512, Precision::Bf16) && is_x86_feature_detected!("avx512bf16") {
            return Isa::Avx512Bf16;
        }
        let _ = precision;
        self
    }

    /// The 32-bit words that one pixel's `channels` fill.
    pub(in crate::nn) fn words(self, channels: usize) -> usize {
        if self == Isa::Avx512Bf16 { channels.div_ceil(2) } else { channels }
    }

    /// Pixels in one vector.
    pub(in crate::nn) fn lanes(self) -> usize {
        match self {
            Isa::Plain => 4,
            Isa::Avx2 => 8,
            Isa::Avx512 | Isa::Avx512Bf16 => 16,
        }
    }

    /// Vectors per strip that fill the registers for a block of `channels` output channels.
    pub(in crate::nn) fn vectors(self, channels: usize) -> usize {
        match (self, channels) {
            (Isa::Avx512 | Isa::Avx512Bf16, 5..) | (Isa::Avx2, 3..) | (Isa::Plain, 3) => 3,
            (Isa::Avx512 | Isa::Avx512Bf16, _) => 6,
            // 4 x 3 sums, 3 inputs and a weight would be sixteen exactly, and the compiler spills one of them: see `sixteen`.
            (Isa::Plain, 4..) => 2,
            (Isa::Plain | Isa::Avx2, _) => 4,
        }
    }
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

pub(in crate::nn) use for_each_isa;
