//! Times of single layers: `cargo bench --bench kernels`, or `-- '3x3.*Avx512'` for some of them. "Items" are
//! floating-point operations as [`Conv2d::flops`] counts them, whatever a kernel saves. `cargo test` does not run this.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

use std::fmt;

use common::noise;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use lucida::nn::{Conv2d, Isa, Options, Padding, Pass, Pool, Precision, Watch};

#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    ins: usize,
    outs: usize,
    kernel: usize,
    /// Height and width of the input.
    size: usize,
    options: Options,
}

/// A layer on one instruction set, in one precision.
#[derive(Clone, Copy)]
struct Case(Layer, Isa, Precision);

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case(Layer { name, ins, outs, kernel, size, .. }, isa, precision) = self;
        write!(f, "{kernel}x{kernel} {ins}-{outs} @{size} {name} {isa:?} {}", precision.name())
    }
}

/// Layers of the networks that Lucida runs, at the sizes they run them.
fn cases() -> Vec<Case> {
    let plain = Options::default();
    let same = Options { padding: 1, ..plain };
    let reflect = Options { mode: Padding::Reflect, ..same };
    let nine = Options { padding: 4, ..reflect };
    let atrous = |rate: usize| Options { padding: rate, dilation: rate, ..plain };
    let layer = |name, ins, outs, kernel, size, options| Layer { name, ins, outs, kernel, size, options };
    let layers = [
        layer("first of style", 3, 16, 9, 512, nine),
        layer("last of style", 16, 3, 9, 512, nine),
        layer("halving", 32, 64, 3, 256, Options { stride: 2, ..reflect }),
        layer("doubling", 64, 32, 3, 128, Options { upsample: true, ..reflect }),
        layer("first of ResNet", 3, 64, 7, 448, Options { stride: 2, padding: 3, ..plain }),
        layer("", 64, 64, 3, 128, reflect),
        layer("", 128, 128, 3, 128, reflect),
        layer("", 256, 256, 3, 64, same),
        layer("", 256, 256, 3, 28, same),
        layer("", 512, 512, 3, 14, same),
        layer("atrous 2", 256, 256, 3, 64, atrous(2)),
        layer("atrous 4", 512, 512, 3, 64, atrous(4)),
        layer("atrous 12", 2048, 256, 3, 64, atrous(12)),
        layer("atrous 24", 2048, 256, 3, 64, atrous(24)),
        layer("atrous 36", 2048, 256, 3, 64, atrous(36)),
        layer("", 2048, 512, 3, 64, same),
        layer("", 256, 64, 1, 112, plain),
        layer("", 64, 256, 1, 112, plain),
        layer("", 1024, 256, 1, 28, plain),
        layer("", 2048, 512, 1, 14, plain),
        layer("", 512, 2048, 1, 64, plain),
        layer("", 2048, 256, 1, 64, plain),
        layer("halving", 256, 512, 1, 112, Options { stride: 2, ..plain }),
        layer("of MobileNet", 96, 24, 1, 112, plain),
        layer("of MobileNet", 24, 144, 1, 112, plain),
        layer("depthwise", 144, 144, 3, 112, Options { groups: 144, ..same }),
        layer("depthwise halving", 96, 96, 3, 224, Options { groups: 96, stride: 2, ..same }),
        layer("depthwise", 960, 960, 3, 14, Options { groups: 960, ..same }),
    ];
    let mut ways: Vec<_> = Isa::available().into_iter().map(|isa| (isa, Precision::F32)).collect();
    if Precision::Bf16.is_available() {
        ways.push((Isa::best(), Precision::Bf16));
    }
    layers.iter().flat_map(|l| ways.iter().map(|(isa, precision)| Case(*l, *isa, *precision))).collect()
}

#[divan::bench(args = cases(), sample_count = 15, sample_size = 1)]
fn conv2d(bencher: Bencher<'_, '_>, Case(layer, isa, precision): Case) {
    let Layer { ins, outs, kernel, size, options, .. } = layer;
    let weight = noise(&[outs, ins / options.groups, kernel, kernel], 1);
    let conv = Conv2d::with_isa(&weight, None, options, isa).unwrap();
    let (pool, watch) = (Pool::default(), Watch::silent().with_precision(precision));
    let mut pass = Pass::new(&pool, &watch, 0.0);
    let x = pass.enter(&noise(&[1, ins, size, size], 2)).unwrap();
    pass.conv(&conv, &x).unwrap();
    bencher
        .counter(ItemsCount::new(conv.flops(x.shape()) as u64))
        .bench_local(|| drop(black_box(pass.conv(&conv, &x).unwrap())));
}

fn main() {
    divan::main();
}
