//! `lucida bench`: how long one forward pass takes, and how much memory.

use clap::Args;

use super::{Arithmetic, Failure, console};
use crate::tasks;

/// Which network, how large, how often.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The network: johnson, cyclegan-resnet9, mobilenet-v2, resnet101, deeplabv3-resnet50 or fcn-resnet50
    #[arg(value_name = "NET")]
    net: String,

    /// Side of the square input in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(16..=8192))]
    size: u32,

    /// Threads to compute with [default: one per processor core]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Passes to time, after one that is not counted
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,

    #[command(flatten)]
    arithmetic: Arithmetic,

    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `lucida bench`.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let net = arguments.net.as_str();
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads = arguments.threads.map_or_else(cores, |threads| threads as usize);
    let precision = arguments.arithmetic.precision;
    let timed = tasks::bench(net, arguments.size as usize, threads, arguments.runs as usize, precision)?;
    if arguments.json {
        return console::print_json(&timed);
    }
    let rounding = timed
        .rounding
        .map(|r| format!(", {} off by {:.2} % of the largest value", r.precision.name(), r.error * 100.0));
    console::print(&format!(
        "{net} at {size} x {size}, {threads} threads: {:.3} s (median of {}), {} MB at most{}",
        timed.median_s,
        timed.runs,
        timed.peak_rss_mb,
        rounding.unwrap_or_default(),
        size = timed.size,
    ))
}
