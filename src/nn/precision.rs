//! How exactly convolutions multiply.

use serde::{Deserialize, Serialize};

use super::kernel::Isa;

/// What a convolution's inputs and weights are rounded to before they are multiplied. Sums, biases, residuals, norms and
/// every map between two layers are f32 in either case.
///
/// Chosen for a pass by [`Watch::with_precision`](super::Watch::with_precision); off the processor it changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To bfloat16, f32's range with 8 significant bits (Kalamkar et al. 2019, arXiv 1905.12322), two products a lane and
    /// instruction. A factor is off by at most 2^-8 of itself and so a product by 2^-7; in a sum of many these mostly
    /// cancel. Denormal numbers count as 0.
    ///
    /// Needs AVX512-BF16 (AMD from Zen 4 on, Intel's servers from Cooper Lake on); elsewhere passes are computed in f32. So
    /// are, anywhere, the layers that would not gain: depthwise ones, inverted residuals in one pass, 3x3 ones that
    /// Winograd's method takes, and those whose taps stand far apart.
    Bf16,
}

impl Precision {
    /// Whether this machine has the instructions.
    pub fn is_available(self) -> bool {
        self == Precision::F32 || Isa::best().at(self) == Isa::Avx512Bf16
    }

    /// As it is written on the command line: "f32", "bf16".
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }
}
