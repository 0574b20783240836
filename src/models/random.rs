//! Random weights, for when only a network's speed or its plumbing matters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result as CandleResult, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::{TransformerNet, transformer_net};
use crate::nn::Result;

/// Has every tensor that is asked for, of plausible size: made when it is asked for and not kept, so that building a
/// network from it takes the memory of the network alone.
///
/// A `weight` of `[out, in, ...]` gives an output about as large as its input, half of which a ReLU drops; what is asked
/// for with the hint that it is 1 (norms' scales, variances) is 0.5..1.5, everything else within 0.1 of 0. The values
/// depend on the tensor's full name alone. What may be missing is.
pub fn weights() -> VarBuilder<'static> {
    builder(None)
}

/// The tensors, by name, that `build` asks [`weights`] for.
///
/// # Errors
/// What `build` returns.
pub fn tensors<T>(build: impl FnOnce(VarBuilder<'static>) -> Result<T>) -> Result<HashMap<String, Tensor>> {
    let seen = Seen::default();
    build(builder(Some(seen.clone())))?;
    let tensors = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(tensors)
}

impl TransformerNet {
    /// [`weights`] for this network, by name.
    ///
    /// # Errors
    /// [`crate::nn::Error::Candle`] when out of memory.
    pub fn random(cfg: &transformer_net::Config) -> Result<HashMap<String, Tensor>> {
        tensors(|vb| TransformerNet::new(cfg.clone(), vb))
    }
}

/// `len` values within `size` of `middle`: SplitMix64 (Steele et al. 2014) in counter mode, seeded by FNV-1a of the name.
fn noise(name: &str, len: usize, size: f32, middle: f32) -> Vec<f32> {
    let hash = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, hash);
    let value = |i: u64| {
        let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        middle + size * ((z >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    (0..len as u64).map(value).collect()
}

type Seen = Arc<Mutex<HashMap<String, Tensor>>>;

struct Random(Option<Seen>);

fn builder(seen: Option<Seen>) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Random(seen)), DType::F32, Device::Cpu)
}

impl SimpleBackend for Random {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> CandleResult<Tensor> {
        let (size, middle) = match (init, shape.dims()) {
            (Init::Const(1.0), _) => (0.5, 1.0),
            (_, [_, window @ ..]) if name.ends_with("weight") => {
                ((4.8 / window.iter().product::<usize>() as f32).sqrt(), 0.0)
            }
            _ => (0.1, 0.0),
        };
        let tensor = Tensor::from_vec(noise(name, shape.elem_count(), size, middle), shape, device)?;
        if let Some(seen) = &self.0 {
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), tensor.clone());
        }
        tensor.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> CandleResult<Tensor> {
        candle_core::bail!("random weights need a shape to be {name}")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}
