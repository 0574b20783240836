//! How fast a network runs.

use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::TaskError;
use crate::models::{
    Backbone, DeepLabV3, Fcn, MobileNetV2, ResNet, ResnetGenerator, Segmenter, TransformerNet, cyclegan, deeplabv3,
    fcn, mobilenet_v2, random, resnet, transformer_net,
};
use crate::nn::{self, Pool, Precision, Statistics, Watch};

/// One forward pass; memory is kept from pass to pass.
type Run = Box<dyn FnMut(&Tensor, &Watch<'_>) -> nn::Result<Tensor> + Send>;
type Make = fn() -> nn::Result<Run>;

/// Each network and how it is made, with random weights; a new one is one entry.
const ENTRIES: [(&str, Make); 6] = [
    ("johnson", || {
        let net = TransformerNet::new(transformer_net::Config::johnson(32), random::weights())?;
        let pool = Pool::default();
        Ok(Box::new(move |x, watch| net.forward_with(x, &[1.0], Statistics::Compute, watch, &pool)))
    }),
    ("cyclegan-resnet9", || {
        let net = ResnetGenerator::new(cyclegan::Config::paper(9), random::weights())?;
        let pool = Pool::default();
        Ok(Box::new(move |x, watch| net.forward_with(x, Statistics::Compute, watch, &pool)))
    }),
    ("mobilenet-v2", || backbone(MobileNetV2::new(mobilenet_v2::Config::paper(), random::weights())?)),
    ("resnet101", || backbone(ResNet::new(resnet::Config::resnet101(), random::weights())?)),
    ("deeplabv3-resnet50", || {
        segmenter(DeepLabV3::new(deeplabv3::Config::new(resnet::Config::resnet50(), 21), random::weights())?)
    }),
    ("fcn-resnet50", || segmenter(Fcn::new(fcn::Config::new(resnet::Config::resnet50(), 21), random::weights())?)),
];

fn backbone(net: impl Backbone + 'static) -> nn::Result<Run> {
    let pool = Pool::default();
    Ok(Box::new(move |x, watch| net.forward(x, &pool, watch)))
}

fn segmenter(net: impl Segmenter + 'static) -> nn::Result<Run> {
    let pool = Pool::default();
    Ok(Box::new(move |x, watch| net.forward(x, &pool, watch)))
}

/// The networks that [`bench()`] knows.
pub const NETS: &[&str] = &{
    let mut names = [""; ENTRIES.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = ENTRIES[i].0;
        i += 1;
    }
    names
};

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
    /// How exactly it computed, and by how much the result differs from the one in f32, at most, as a share of that
    /// one's largest value. Left out for f32.
    #[serde(flatten)]
    pub rounding: Option<Rounding>,
}

/// What a precision below f32 cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rounding {
    /// The precision.
    pub precision: Precision,
    /// Largest difference over the largest value.
    pub error: f32,
}

/// Times the forward pass of `net` with random weights over a `size` x `size` picture.
///
/// # Errors
/// [`TaskError::UnknownNet`], [`TaskError::Threads`], and [`TaskError::Network`] for a size too small.
pub fn bench(net: &str, size: usize, threads: usize, runs: usize, precision: Precision) -> Result<Bench, TaskError> {
    let unknown = || TaskError::UnknownNet { net: net.to_owned(), known: NETS.join(", ") };
    let (_, make) = ENTRIES.iter().find(|(name, _)| *name == net).ok_or_else(unknown)?;
    let run = make()?;
    let values: Vec<f32> = (0..3 * size * size).map(|i| (i * 7919 % 256) as f32).collect();
    let x = Tensor::from_vec(values, (1, 3, size, size), &Device::Cpu)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
    let pool = pool.map_err(|e| TaskError::Threads(e.to_string()))?;
    let runs = runs.max(1);
    // All passes on one of these threads, as those of a job are on one: none is handed over.
    let (median_s, peak_rss_mb, rounding) = pool.install(|| time(run, &x, runs, precision))?;
    Ok(Bench { net: net.to_owned(), size, threads: threads.max(1), median_s, runs, peak_rss_mb, rounding })
}

/// The median seconds of `runs` passes after one more, the memory they took, and what they cost in exactness.
fn time(mut run: Run, x: &Tensor, runs: usize, precision: Precision) -> nn::Result<(f64, u64, Option<Rounding>)> {
    let mut pass = |precision| run(x, &Watch::silent().with_precision(precision));
    let (mut seconds, mut result) = (Vec::new(), None);
    for _ in 0..=runs {
        let began = Instant::now();
        result = Some(pass(precision)?);
        seconds.push(began.elapsed().as_secs_f64());
    }
    let timed = &mut seconds[1..];
    timed.sort_by(f64::total_cmp);
    let median_s = (timed[(runs - 1) / 2] + timed[runs / 2]) / 2.0;
    let peak_rss_mb = peak_rss_mb();
    let rounding = match result {
        Some(rounded) if precision != Precision::F32 => {
            let exact = pass(Precision::F32)?;
            let largest = |t: Tensor| t.abs()?.max_all()?.to_scalar::<f32>();
            Some(Rounding { precision, error: largest((rounded - &exact)?)? / largest(exact)? })
        }
        _ => None,
    };
    Ok((median_s, peak_rss_mb, rounding))
}

fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}
