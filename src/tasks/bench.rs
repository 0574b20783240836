//! Networks without pictures: how fast one runs, and one's bare output for those who port models.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::Serialize;

use super::TaskError;
use crate::models::{ResnetGenerator, TransformerNet, cyclegan, random, transformer_net};
use crate::nn::{self, Pool, Statistics, Watch};
use crate::zoo;

/// The networks that [`bench()`] knows.
pub const NETS: &[&str] = &["johnson", "cyclegan-resnet9"];
/// The architectures that [`forward`] knows.
const ARCHITECTURES: &[&str] = &["transformer-net", "cyclegan-resnet"];

/// One forward pass.
type Run = Box<dyn Fn(&Tensor, &Pool) -> nn::Result<Tensor> + Send + Sync>;

/// What [`bench()`] measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bench {
    /// The network.
    pub net: String,
    /// Height and width of its input in pixels.
    pub size: usize,
    /// Threads it ran on.
    pub threads: usize,
    /// Median seconds of a forward pass.
    pub median_s: f64,
    /// Passes timed, one more before them not counted.
    pub runs: usize,
    /// The process's largest resident set so far in MiB; 0 where the system does not tell.
    pub peak_rss_mb: u64,
}

/// Times the forward pass of `net` with random weights over a `size` x `size` picture.
///
/// # Errors
/// [`TaskError::UnknownNet`], [`TaskError::Threads`], and [`TaskError::Network`] for a size too small.
pub fn bench(net: &str, size: usize, threads: usize, runs: usize) -> Result<Bench, TaskError> {
    let run: Run = match net {
        "johnson" => {
            let net = TransformerNet::new(transformer_net::Config::johnson(32), random::weights())?;
            Box::new(move |x, pool| net.forward_with(x, &[1.0], Statistics::Compute, &Watch::silent(), pool))
        }
        "cyclegan-resnet9" => {
            let net = ResnetGenerator::new(cyclegan::Config::paper(9), random::weights())?;
            Box::new(move |x, pool| net.forward_with(x, Statistics::Compute, &Watch::silent(), pool))
        }
        _ => return Err(TaskError::UnknownNet { net: net.to_owned(), known: NETS.join(", ") }),
    };
    let values: Vec<f32> = (0..3 * size * size).map(|i| (i * 7919 % 256) as f32).collect();
    let x = Tensor::from_vec(values, (1, 3, size, size), &Device::Cpu)?;
    let team = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
    let team = team.map_err(|e| TaskError::Threads(e.to_string()))?;
    let runs = runs.max(1);
    let pool = Pool::default();
    let mut seconds = Vec::with_capacity(runs + 1);
    for _ in 0..=runs {
        let began = Instant::now();
        team.install(|| run(&x, &pool))?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let timed = &mut seconds[1..];
    timed.sort_by(f64::total_cmp);
    let median_s = (timed[(runs - 1) / 2] + timed[runs / 2]) / 2.0;
    Ok(Bench { net: net.to_owned(), size, threads: threads.max(1), median_s, runs, peak_rss_mb: peak_rss_mb() })
}

fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}

/// Runs the network of `arch` with the checkpoint `weights` on the tensor `input` of the safetensors file at `input`,
/// without any pre- or post-processing. Returns its outputs by name; the main one is `output`.
///
/// A network with several styles gives the one its first row holds. A generator with batch norms also gives
/// `output_batchstats`, normalised by the picture's own statistics: pix2pix's `test.py` without `--eval`.
///
/// # Errors
/// [`TaskError::UnknownNet`], [`TaskError::Zoo`] for an unreadable file, [`TaskError::Tensors`] for one without `input`,
/// [`TaskError::Network`] when weights and input do not fit.
pub fn forward(arch: &str, weights: &Path, input: &Path) -> Result<HashMap<String, Tensor>, TaskError> {
    if !ARCHITECTURES.contains(&arch) {
        return Err(TaskError::UnknownNet { net: arch.to_owned(), known: ARCHITECTURES.join(", ") });
    }
    let tensors = zoo::read_tensors(weights)?;
    let x = zoo::read_tensors(input)?.remove("input").ok_or_else(|| TaskError::Tensors {
        name: input.display().to_string(),
        reason: "it holds no tensor called \"input\"".to_owned(),
    })?;
    let x = x.to_dtype(DType::F32)?;
    let outputs = if arch == "cyclegan-resnet" { cyclegan(tensors, &x) } else { transformer_net(tensors, &x) }?;
    Ok(outputs.into_iter().map(|(name, t)| (name.to_owned(), t)).collect())
}

/// Tensors by name.
type Tensors = HashMap<String, Tensor>;

fn builder(tensors: Tensors) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

fn transformer_net(tensors: Tensors, x: &Tensor) -> nn::Result<Vec<(&'static str, Tensor)>> {
    let config = transformer_net::Config::from_tensors(&tensors)?;
    let mut mix = vec![0.0; config.styles.unwrap_or(1)];
    if let Some(first) = mix.first_mut() {
        *first = 1.0;
    }
    let net = TransformerNet::new(config, builder(tensors))?;
    Ok(vec![("output", net.forward(x, &mix, Statistics::Compute, &Watch::silent())?)])
}

fn cyclegan(tensors: Tensors, x: &Tensor) -> nn::Result<Vec<(&'static str, Tensor)>> {
    let config = cyclegan::Config::from_tensors(&tensors)?;
    let vb = builder(tensors);
    let run = |config| ResnetGenerator::new(config, vb.clone())?.forward(x, Statistics::Compute, &Watch::silent());
    let mut outputs = vec![("output", run(config.clone())?)];
    if config.normalisation == cyclegan::Normalisation::Batch {
        let own = cyclegan::Config { normalisation: cyclegan::Normalisation::InstanceAffine, ..config };
        outputs.push(("output_batchstats", run(own)?));
    }
    Ok(outputs)
}
