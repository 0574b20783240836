//! Random weights, for when only a network's speed or its plumbing matters.

use std::collections::HashMap;

use candle_core::{Result as CandleResult, Tensor};

use super::TransformerNet;
use super::transformer_net::Config;
use crate::nn::Result;

impl TransformerNet {
    /// Random weights of plausible size, the same for the same `cfg`.
    ///
    /// # Errors
    /// [`crate::nn::Error::Candle`] when out of memory.
    pub fn random(cfg: &Config) -> Result<HashMap<String, Tensor>> {
        let mut seed = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let mut tensors = HashMap::new();
        let mut put = |name: String, shape: &[usize], size: f32, middle: f32| -> CandleResult<()> {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| middle + size * next()).collect();
            tensors.insert(name, Tensor::from_vec(values, shape, &candle_core::Device::Cpu)?);
            Ok(())
        };
        let [a, b, c] = cfg.widths;
        let mut layers = vec![
            ("conv1".into(), "in1".into(), [a, 3, 9]),
            ("conv2".into(), "in2".into(), [b, a, 3]),
            ("conv3".into(), "in3".into(), [c, b, 3]),
        ];
        for i in 1..=cfg.residuals {
            layers.push((format!("res{i}.conv1"), format!("res{i}.in1"), [c, c, 3]));
            layers.push((format!("res{i}.conv2"), format!("res{i}.in2"), [c, c, 3]));
        }
        layers.push(("deconv1".into(), "in4".into(), [b, c, 3]));
        layers.push(("deconv2".into(), "in5".into(), [a, b, 3]));
        layers.push(("deconv3".into(), String::new(), [3, a, 9]));
        for (conv, norm, [out, ins, kernel]) in layers {
            let size = (3.0 / (ins * kernel * kernel) as f32).sqrt();
            put(format!("{conv}.conv2d.weight"), &[out, ins, kernel, kernel], size, 0.0)?;
            put(format!("{conv}.conv2d.bias"), &[out], 0.1, 0.0)?;
            if !norm.is_empty() {
                let shape = cfg.styles.map_or(vec![out], |s| vec![s, out]);
                put(format!("{norm}.weight"), &shape, 0.5, 1.0)?;
                put(format!("{norm}.bias"), &shape, 0.5, 0.0)?;
            }
        }
        Ok(tensors)
    }
}
