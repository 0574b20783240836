//! Numbers against references: our kernels against candle's, networks against the field's own outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use common::{doubles, noise, relative, shared};
use lucida::models::TransformerNet;
use lucida::models::transformer_net::Config;
use lucida::nn::{
    self, Activation, ChannelStatistics, Conv2d, Isa, Norm, Options, Padding, Pass, Pool, Precision, Statistics, Watch,
    reflection_pad,
};
use proptest::prelude::*;

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// The same convolution from candle's operations.
fn candle_conv(x: &Tensor, w: &Tensor, bias: &Tensor, o: Options) -> Tensor {
    let (_, _, h, wd) = x.dims4().unwrap();
    let x = if o.upsample { x.upsample_nearest2d(2 * h, 2 * wd).unwrap() } else { x.clone() };
    let y = match o.mode {
        Padding::Zero => x.conv2d(w, o.padding, o.stride, o.dilation, o.groups).unwrap(),
        Padding::Reflect => {
            reflection_pad(&x, o.padding).unwrap().conv2d(w, 0, o.stride, o.dilation, o.groups).unwrap()
        }
        Padding::Same => tensorflow_pad(&x, w, o).conv2d(w, 0, o.stride, o.dilation, o.groups).unwrap(),
    };
    let y = y.broadcast_add(&bias.reshape((1, (), 1, 1)).unwrap()).unwrap();
    activated(y, o.activation)
}

/// As TensorFlow's `SAME`, from its definition by the remainder of the size: what the last window lacks, the odd pixel behind.
fn tensorflow_pad(x: &Tensor, w: &Tensor, o: Options) -> Tensor {
    [2, 3].into_iter().fold(x.clone(), |x, axis| {
        let (n, kernel) = (x.dim(axis).unwrap(), (w.dim(axis).unwrap() - 1) * o.dilation + 1);
        let rest = if n % o.stride == 0 { o.stride } else { n % o.stride };
        let all = kernel.saturating_sub(rest);
        x.pad_with_zeros(axis, all / 2, all - all / 2).unwrap()
    })
}

fn modes() -> impl Strategy<Value = Padding> {
    prop_oneof![Just(Padding::Zero), Just(Padding::Reflect), Just(Padding::Same)]
}

fn activated(y: Tensor, activation: Activation) -> Tensor {
    match activation {
        Activation::None => y,
        Activation::Relu => y.relu().unwrap(),
        Activation::Relu6 => y.clamp(0.0, 6.0).unwrap(),
    }
}

#[derive(Debug, Clone)]
struct Case {
    batch: usize,
    ins: usize,
    outs: usize,
    kernel: [usize; 2],
    size: [usize; 2],
    options: Options,
}

fn cases() -> impl Strategy<Value = Case> {
    let channels = (1usize..=3, 1usize..=9, 1usize..=19, 1usize..=2);
    let window = (1usize..=5, 1usize..=5, 1usize..=3, 1usize..=3, 0usize..=4);
    let size = (1usize..=40, prop_oneof![1usize..=40, 90usize..=230]);
    let mixed = (channels, window, size, modes(), any::<bool>(), 0usize..3, any::<bool>()).prop_map(
        |((groups, ins, outs, batch), (kh, kw, stride, dilation, padding), size, mode, upsample, clamp, usual)| {
            // Half of the cases are what networks are made of, above all the phased upsampling one.
            let (kh, kw, dilation, padding) = if usual { (3, 3, 1, 1) } else { (kh, kw, dilation, padding) };
            let stride = if usual && upsample { 1 } else { stride };
            let kw = if mode == Padding::Same { kh } else { kw };
            let activation = [Activation::None, Activation::Relu, Activation::Relu6][clamp];
            let options = Options { stride, dilation, groups, padding, mode, upsample, activation };
            Case { batch, ins: ins * groups, outs: outs * groups, kernel: [kh, kw], size: size.into(), options }
        },
    );
    // 3x3 over many channels, where the method changes; padding need not be what keeps the size.
    let many = (1usize..=2, prop_oneof![9 => 8usize..=80, 1 => 250usize..=300], 8usize..=40);
    let rates = prop_oneof![1usize..=17, 8usize..=40];
    let many = (many, (rates, 0usize..=2), (1usize..=40, 1usize..=80), modes(), any::<bool>()).prop_map(
        |((batch, ins, outs), (dilation, padding), size, mode, relu)| {
            let activation = if relu { Activation::Relu } else { Activation::None };
            let options = Options { dilation, padding: padding * dilation, mode, activation, ..Options::default() };
            Case { batch, ins, outs, kernel: [3, 3], size: size.into(), options }
        },
    );
    let ones = (1usize..=2, 1usize..=40, 1usize..=40, 1usize..=3, (1usize..=60, 1usize..=60)).prop_map(
        |(batch, ins, outs, stride, size)| {
            let options = Options { stride, activation: Activation::Relu, ..Options::default() };
            Case { batch, ins, outs, kernel: [1, 1], size: size.into(), options }
        },
    );
    let depthwise = (
        (1usize..=2, 2usize..=9, 1usize..=5),
        (1usize..=3, 1usize..=3, 0usize..=4),
        (1usize..=40, 1usize..=230),
        modes(),
    );
    let depthwise = depthwise.prop_map(|((batch, channels, kernel), (stride, dilation, padding), size, mode)| {
        let options = Options { groups: channels, stride, dilation, padding, mode, ..Options::default() };
        Case { batch, ins: channels, outs: channels, kernel: [kernel; 2], size: size.into(), options }
    });
    prop_oneof![mixed, many, ones, depthwise].prop_filter("the kernel does not fit", |c| {
        let Options { dilation, padding, mode, upsample, .. } = c.options;
        c.size.iter().zip(c.kernel).all(|(n, k)| {
            let n = if upsample { 2 * n } else { *n };
            let fits = n + 2 * padding > (k - 1) * dilation;
            match mode {
                Padding::Zero => fits,
                Padding::Reflect => fits && padding < n,
                Padding::Same => true,
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolution_agrees_with_candle(case in cases(), seed in any::<u64>()) {
        let Case { batch, ins, outs, kernel: [kh, kw], size: [h, w], options } = case;
        let x = noise(&[batch, ins, h, w], seed);
        let weight = noise(&[outs, ins / options.groups, kh, kw], seed ^ 1);
        let bias = noise(&[outs], seed ^ 2);
        let expected = candle_conv(&x, &weight, &bias, options);
        for isa in Isa::available() {
            let conv = Conv2d::with_isa(&weight, Some(&bias), options, isa).unwrap();
            let got = conv.forward(&x, &Watch::silent()).unwrap();
            let off = relative(&got, &expected);
            prop_assert!(off < 1e-4, "{isa:?} is off by {off}");
        }
    }

    #[test]
    fn convolution_in_bf16_agrees_with_candle_over_rounded_factors(case in cases(), seed in any::<u64>()) {
        let Some(watch) = in_bf16() else { return Ok(()) };
        let Case { batch, ins, outs, kernel: [kh, kw], size: [h, w], options } = case;
        let x = noise(&[batch, ins, h, w], seed);
        let weight = noise(&[outs, ins / options.groups, kh, kw], seed ^ 1);
        let bias = noise(&[outs], seed ^ 2);
        let run = |x: &Tensor, weight: &Tensor, watch: &Watch<'_>| {
            Conv2d::new(weight, Some(&bias), options).unwrap().forward(x, watch).unwrap()
        };
        // What rounding leaves alone: weights of a sixteenth's grain, of which four, as doubling adds up, still fit. A
        // layer that stays f32 may have its own method's error.
        let (even, coarse) = (bf16(&x), ((&weight * 16.0).unwrap().round().unwrap() / 16.0).unwrap());
        let got = run(&even, &coarse, &watch);
        let off = relative(&got, &candle_conv(&even, &coarse, &bias, options));
        let stayed = values(&got) == values(&run(&even, &coarse, &Watch::silent()));
        prop_assert!(off < 1e-5 || stayed, "over rounded factors it is off by {off}");

        // Either factor of each product is off by at most 2^-8 of itself.
        let (zero, plain) = (bias.zeros_like().unwrap(), Options { activation: Activation::None, ..options });
        let sizes = candle_conv(&x.abs().unwrap(), &weight.abs().unwrap(), &zero, plain);
        let (got, want) = (doubles(&run(&x, &weight, &watch)), doubles(&candle_conv(&x, &weight, &bias, options)));
        for ((got, want), size) in got.iter().zip(&want).zip(doubles(&sizes)) {
            prop_assert!((got - want).abs() <= size * 1.002 / 128.0 + 1e-5, "{got} for {want}, the products' size being {size}");
        }
    }

    #[test]
    fn statistics_gathered_and_residuals_added_by_a_convolution_are_its_outputs(case in cases(), seed in any::<u64>()) {
        let Case { batch, ins, outs, kernel: [kh, kw], size: [h, w], options } = case;
        let x = noise(&[batch, ins, h, w], seed);
        let weight = noise(&[outs, ins / options.groups, kh, kw], seed ^ 1);
        let bias = noise(&[outs], seed ^ 2);
        let conv = Conv2d::new(&weight, Some(&bias), options).unwrap();
        let (pool, watch, mut gathered) = (Pool::default(), Watch::silent(), Vec::new());
        {
            let mut pass = Pass::new(&pool, &watch, 0.0).with_statistics(Statistics::Record(&mut gathered));
            let x = pass.enter(&x).unwrap();
            pass.conv_norm(&conv, &x, &Norm { scale: &vec![1.0; outs], shift: &vec![0.0; outs], relu: false }).unwrap();
        }
        let expected = ChannelStatistics::measure(&candle_conv(&x, &weight, &bias, options)).unwrap();
        let scale = expected.variance.iter().fold(1e-3f32, |m, v| m.max(*v));
        for (got, want) in gathered[0].mean.iter().zip(&expected.mean) {
            prop_assert!((got - want).abs() < 1e-3 * scale.sqrt(), "mean {got} for {want}");
        }
        for (got, want) in gathered[0].variance.iter().zip(&expected.variance) {
            prop_assert!((got - want).abs() < 1e-3 * scale, "variance {got} for {want}");
        }

        let plain = candle_conv(&x, &weight, &bias, Options { activation: Activation::None, ..options });
        let residual = noise(plain.dims(), seed ^ 3);
        let mut pass = Pass::new(&pool, &watch, 0.0);
        let (x, r) = (pass.enter(&x).unwrap(), pass.enter(&residual).unwrap());
        let got = pass.conv_add(&conv, &x, Some(&r)).unwrap().into_tensor().unwrap();
        let off = relative(&got, &activated((plain + residual).unwrap(), options.activation));
        prop_assert!(off < 1e-4, "with a residual it is off by {off}");
        // Features of our own memory, which the result takes the place of.
        let ours = pass.nearest(&r, [r.shape()[2], r.shape()[3]]).unwrap();
        let onto = pass.conv_onto(&conv, &x, ours).unwrap().into_tensor().unwrap();
        prop_assert_eq!(values(&onto), values(&got), "in the residual's place");
    }

    #[test]
    fn a_trunk_is_the_map_it_stands_for(
        (batch, ins, channels, outs) in (1usize..=2, 1usize..=20, 1usize..=30, 1usize..=20),
        (h, w) in (1usize..=30, prop_oneof![1usize..=30, 90usize..=130]),
        (kernel, stride) in (prop_oneof![3 => Just(1usize), 1 => Just(3)], prop_oneof![3 => Just(1usize), 1 => Just(2)]),
        bf16 in prop_oneof![4 => Just(false), 1 => Just(true)], seed in any::<u64>()
    ) {
        let relu = Options { activation: Activation::Relu, ..Options::default() };
        let conv = |outs, ins, kernel, options, seed| {
            let (weight, bias) = (noise(&[outs, ins, kernel, kernel], seed), noise(&[outs], seed ^ 1));
            (Conv2d::new(&weight, Some(&bias), options).unwrap(), move |x: &Tensor| candle_conv(x, &weight, &bias, options))
        };
        let (first, first_candle) = conv(channels, ins, 1, Options { stride, ..Options::default() }, seed);
        let (second, second_candle) = conv(channels, ins, 1, Options::default(), seed ^ 2);
        let (third, third_candle) = conv(outs, channels, kernel, Options { padding: kernel / 2, stride, ..relu }, seed ^ 4);
        let x = noise(&[batch, ins, h, w], seed ^ 6);
        let y = noise(&[batch, ins, h.div_ceil(stride), w.div_ceil(stride)], seed ^ 7);
        let watch = Watch::silent().with_precision(if bf16 { Precision::Bf16 } else { Precision::F32 });
        let pool = Pool::default();
        let mut pass = Pass::new(&pool, &watch, 0.0);
        let (ours, added) = (pass.enter(&x).unwrap(), pass.enter(&y).unwrap());
        let trunk = pass.conv_to_trunk(&first, &ours).unwrap();
        let trunk = pass.conv_onto_trunk(&second, &added, trunk).unwrap();
        let seen = pass.conv_from_trunk(&third, &trunk).unwrap().into_tensor().unwrap();
        let map = pass.planes(trunk).unwrap().into_tensor().unwrap();
        let expected = (first_candle(&x) + second_candle(&y)).unwrap();
        let most = if bf16 { 0.03 } else { 1e-4 };
        prop_assert!(relative(&map, &expected) < most, "the map is off by {}", relative(&map, &expected));
        let expected = third_candle(&expected);
        prop_assert!(relative(&seen, &expected) < most, "what is read of it is off by {}", relative(&seen, &expected));
    }

    #[test]
    fn an_inverted_residual_is_its_three_layers(
        (batch, ins, hidden, outs) in (1usize..=2, 1usize..=20, 1usize..=30, 1usize..=20),
        (h, w) in (1usize..=40, prop_oneof![1usize..=40, 90usize..=130]),
        (side, stride, dilation, padding) in
            (prop_oneof![5 => Just(3usize), 4 => Just(5), 1 => Just(4)], 1usize..=3, prop_oneof![4 => 1usize..=2, 1 => 3usize..=18], 0usize..=4),
        mode in modes(), expansion in prop_oneof![Just(0usize), Just(1), Just(3)],
        normalised in any::<bool>(), seed in any::<u64>()
    ) {
        // Far taps ask for padding that keeps the size.
        let padding = if dilation > 2 { side / 2 * dilation } else { padding };
        let first = expansion == 3; // which halves the map
        let least = if first { h.min(w).div_ceil(2) } else { h.min(w) };
        let fits = least + 2 * padding > (side - 1) * dilation;
        let reflects = padding.max(usize::from(first)) < least;
        prop_assume!(mode == Padding::Same || fits && (mode == Padding::Zero || reflects));
        let filter = Options { stride, dilation, padding, mode, ..Options::default() };
        let hidden = if expansion > 0 { hidden } else { ins };
        let off = inverted_residual_off_by([batch, ins, h, w], [expansion, hidden, side, outs], filter, normalised, seed);
        prop_assert!(off < 1e-4, "off by {off}");
    }

    #[test]
    fn instance_norm_agrees_with_double_precision(
        b in 1usize..=2, c in 1usize..=5, h in 1usize..=30, w in 1usize..=80,
        offset in -1000f64..1000.0, relu in any::<bool>(), add in any::<bool>(), seed in any::<u64>()
    ) {
        let x = (noise(&[b, c, h, w], seed) + offset).unwrap();
        let residual = noise(&[b, c, h, w], seed ^ 3);
        let (scale, shift) = (values(&noise(&[c], seed ^ 1)), values(&noise(&[c], seed ^ 2)));
        let got = nn::instance_norm(&x, &scale, &shift, relu, add.then_some(&residual), None, &Watch::silent()).unwrap();
        let (given, residual, n) = (values(&x), values(&residual), h * w);
        for (plane, got) in values(&got).chunks(n).enumerate() {
            let v: Vec<f64> = given[plane * n..][..n].iter().map(|v| f64::from(*v)).collect();
            let mean = v.iter().sum::<f64>() / n as f64;
            let variance = v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
            for (i, got) in got.iter().enumerate() {
                let y = (v[i] - mean) / (variance + 1e-5).sqrt() * f64::from(scale[plane % c]) + f64::from(shift[plane % c]);
                let y = if relu { y.max(0.0) } else { y };
                let y = if add { y + f64::from(residual[plane * n + i]) } else { y };
                // f32 values near 1000 are 6e-5 apart; with a variance near 0 nothing less than that can be told.
                let grain = (offset.abs() + 1.0) * 4e-7 / (variance + 1e-5).sqrt();
                prop_assert!((f64::from(*got) - y).abs() < 1e-4 + grain, "{got} for {y}");
            }
        }
    }
}

/// How far an inverted residual is from its three layers by candle, with whatever instructions the machine has. `expansion`
/// is the side of the expanding kernel, of stride 2 if it is 3; 0 for none.
fn inverted_residual_off_by(
    [batch, ins, h, w]: [usize; 4],
    [expansion, hidden, side, outs]: [usize; 4],
    filter: Options,
    normalised: bool,
    seed: u64,
) -> f64 {
    let relu6 = Options { activation: Activation::Relu6, ..Options::default() };
    let before = match expansion {
        3 => Options { stride: 2, padding: 1, mode: filter.mode, ..relu6 },
        _ => relu6,
    };
    let filter = Options { groups: hidden, activation: Activation::Relu6, ..filter };
    let layer = |shape: [usize; 4], at: u64| (noise(&shape, seed ^ at), noise(&[shape[0]], seed ^ at << 8));
    let expand = (expansion > 0).then(|| layer([hidden, ins, expansion, expansion], 1));
    let [depthwise, project] = [layer([hidden, 1, side, side], 2), layer([outs, hidden, 1, 1], 3)];
    let first = layer([ins, 2, 1, 1], 4);
    let x = noise(&[batch, 2, h, w], seed);

    let candle = |x: &Tensor, (weight, bias): &(Tensor, Tensor), o| candle_conv(x, weight, bias, o);
    let mut start = candle(&x, &first, Options::default());
    let ones = Norm { scale: &vec![1.0; ins], shift: &vec![0.5; ins], relu: true };
    if normalised {
        start = nn::instance_norm(&start, ones.scale, ones.shift, true, None, None, &Watch::silent()).unwrap();
    }
    let wide = expand.iter().fold(start.clone(), |x, layer| candle(&x, layer, before));
    let mut expected = candle(&candle(&wide, &depthwise, filter), &project, Options::default());
    let add = expected.dims() == start.dims();
    if add {
        expected = (expected + &start).unwrap();
    }

    let off = |isa: Isa| {
        let conv = |(weight, bias): &(Tensor, Tensor), o| Conv2d::with_isa(weight, Some(bias), o, isa).unwrap();
        let (expand, depthwise) = (expand.as_ref().map(|layer| conv(layer, before)), conv(&depthwise, filter));
        let (project, first) = (conv(&project, Options::default()), conv(&first, Options::default()));
        let (pool, watch) = (Pool::default(), Watch::silent());
        let mut pass = Pass::new(&pool, &watch, 0.0);
        let x = pass.enter(&x).unwrap();
        let x = if normalised { pass.conv_norm(&first, &x, &ones) } else { pass.conv(&first, &x) }.unwrap();
        let got = pass.inverted_residual(expand.as_ref(), &depthwise, &project, &x, add).unwrap();
        relative(&got.into_tensor().unwrap(), &expected)
    };
    Isa::available().into_iter().map(off).fold(0.0, f64::max)
}

#[test]
fn an_inverted_residual_of_a_large_map_is_its_three_layers() {
    for side in [3, 5] {
        for stride in [1, 2] {
            for expansion in [0, 1, 3] {
                let hidden = if expansion > 0 { 41 } else { 30 };
                let filter = Options { stride, padding: side / 2, ..Options::default() };
                // Some four stripes and more, so that each task has its own.
                let off = inverted_residual_off_by([1, 30, 1250, 90], [expansion, hidden, side, 9], filter, true, 7);
                assert!(off < 1e-4, "{side}, {stride}, {expansion}: off by {off}");
            }
        }
    }
}

/// A watch for passes in bf16, where the processor has it.
fn in_bf16() -> Option<Watch<'static>> {
    let watch = Precision::Bf16.is_available().then(|| Watch::silent().with_precision(Precision::Bf16));
    if watch.is_none() {
        eprintln!("SKIPPED: this processor has no AVX512-BF16");
    }
    watch
}

/// Rounded by candle.
fn bf16(x: &Tensor) -> Tensor {
    x.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap()
}

#[test]
fn factors_are_rounded_to_the_nearest_bf16_and_what_is_no_number_stays_none() {
    let Some(watch) = in_bf16() else { return };
    let odd = [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
    // Halfway to an even and to an odd neighbour, a bit to either side, and just below a power of two.
    let ties = [0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x3f80_7fff, 0x3fff_ffff, 0xbf81_8000].map(f32::from_bits);
    let mut all = values(&noise(&[1000], 1));
    all.extend(odd.iter().chain(&ties).chain(&[0.0, -0.0, 1e-30, -3e37]));
    let n = all.len();
    let expected = values(&bf16(&Tensor::new(&all[..], &Device::Cpu).unwrap()));
    let same = |got: &[f32], what: &str| {
        for ((got, want), given) in got.iter().zip(&expected).zip(&all) {
            assert!(got == want || got.is_nan() && want.is_nan(), "{what} {given} became {got}, not {want}");
        }
    };
    // One channel of three, each of the three in turn, passed on times 1, the others left out: 1x1 and direct.
    for channel in 0..3 {
        for stride in [1, 2] {
            let mut x = vec![0.5; 3 * n * stride];
            all.iter().enumerate().for_each(|(i, v)| x[channel * n * stride + i * stride] = *v);
            let x = Tensor::from_vec(x, (1, 3, 1, n * stride), &Device::Cpu).unwrap();
            let one: Vec<f32> = (0..3).map(|c| f32::from(c == channel)).collect();
            let weight = Tensor::from_vec(one, (1, 3, 1, 1), &Device::Cpu).unwrap();
            let conv = Conv2d::new(&weight, None, Options { stride, ..Options::default() }).unwrap();
            same(&values(&conv.forward(&x, &watch).unwrap()), "input");
        }
        let mut weight = vec![0.0; 3 * n];
        all.iter().enumerate().for_each(|(i, v)| weight[i * 3 + channel] = *v);
        let weight = Tensor::from_vec(weight, (n, 3, 1, 1), &Device::Cpu).unwrap();
        let conv = Conv2d::new(&weight, None, Options::default()).unwrap();
        let ones = Tensor::ones((1, 3, 1, 1), DType::F32, &Device::Cpu).unwrap();
        same(&values(&conv.forward(&ones, &watch).unwrap()), "weight");
    }
}

#[test]
fn impossible_convolutions_are_refused_in_words() {
    let weight = noise(&[4, 3, 9, 9], 1);
    let options = Options { padding: 4, mode: Padding::Reflect, ..Options::default() };
    let conv = Conv2d::new(&weight, None, options).unwrap();
    for shape in [[1, 3, 4, 20], [1, 2, 20, 20], [1, 3, 0, 20]] {
        let error = conv.forward(&noise(&shape, 1), &Watch::silent()).unwrap_err();
        assert!(matches!(error, nn::Error::Shape(_)), "{error}");
    }
    assert!(Conv2d::new(&weight, None, Options { groups: 3, ..options }).is_err());
    assert!(Conv2d::new(&weight, Some(&noise(&[5], 1)), options).is_err());
    let oblong = noise(&[4, 3, 9, 7], 1);
    assert!(Conv2d::new(&oblong, None, Options { mode: Padding::Same, ..options }).is_err());
}

#[test]
fn a_cancelled_convolution_stops() {
    let token = nn::CancelToken::default();
    let silence = |_: f32| {};
    let watch = Watch::new(token.clone(), &silence);
    let conv = Conv2d::new(&noise(&[64, 64, 3, 3], 1), None, Options::default()).unwrap();
    let x = noise(&[1, 64, 1024, 1024], 2);
    let began = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        token.cancel();
        std::time::Instant::now()
    });
    let result = conv.forward(&x, &watch);
    let late = began.join().unwrap().elapsed();
    assert!(matches!(result, Err(nn::Error::Cancelled)));
    println!("stopped {late:?} after it was cancelled");
}

// ------------------------------------------------------------------------------------------------- the style network

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    values(a).iter().zip(values(b)).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

#[test]
fn transformer_net_agrees_with_pytorch_examples() {
    let Some(folder) = shared("oracles") else { return };
    for name in ["fns_transformer", "fns_transformer_obsolete"] {
        // The second is in the container from before PyTorch 1.6, with running statistics that must not be used.
        let tensors = lucida::zoo::read_tensors(&folder.join(format!("{name}.pth"))).unwrap();
        let net = network(tensors);
        let io = lucida::zoo::read_tensors(&folder.join(format!("{name}.io.safetensors"))).unwrap();
        for suffix in ["", "_2"] {
            let Some(x) = io.get(&format!("input{suffix}")) else {
                continue;
            };
            let y = net.forward(x, &[1.0], Statistics::Compute, &Watch::silent()).unwrap();
            let off = largest_difference(&y, &io[&format!("output{suffix}")]);
            println!("{name}{suffix}: off by {off}");
            assert!(off <= 0.03, "{name}{suffix} is off by {off}");
        }
    }
}

fn network(tensors: HashMap<String, Tensor>) -> TransformerNet {
    let config = Config::from_tensors(&tensors).unwrap();
    TransformerNet::new(config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)).unwrap()
}

fn random_network(styles: usize) -> HashMap<String, Tensor> {
    TransformerNet::random(&Config { widths: [8, 12, 20], residuals: 5, styles: Some(styles) }).unwrap()
}

/// The same network written down from candle's operations, without any of our kernels.
fn slow_network(t: &HashMap<String, Tensor>, x: &Tensor, mix: &[f32]) -> Tensor {
    let conv = |name: &str, x: &Tensor, stride: usize, upsample: bool| {
        let (w, b) = (&t[&format!("{name}.conv2d.weight")], &t[&format!("{name}.conv2d.bias")]);
        let padding = w.dims()[2] / 2;
        candle_conv(x, w, b, Options { stride, padding, mode: Padding::Reflect, upsample, ..Options::default() })
    };
    let mix = Tensor::new(mix, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let norm = |name: &str, x: Tensor| {
        let row = |n: &str| mix.matmul(&t[&format!("{name}.{n}")]).unwrap().reshape((1, (), 1, 1)).unwrap();
        let mean = x.mean_keepdim((2, 3)).unwrap();
        let d = x.broadcast_sub(&mean).unwrap();
        let root = (d.sqr().unwrap().mean_keepdim((2, 3)).unwrap() + 1e-5).unwrap().sqrt().unwrap();
        let d = d.broadcast_div(&root).unwrap();
        d.broadcast_mul(&row("weight")).unwrap().broadcast_add(&row("bias")).unwrap()
    };
    let mut y = x.clone();
    for (i, stride) in [(1, 1), (2, 2), (3, 2)] {
        y = norm(&format!("in{i}"), conv(&format!("conv{i}"), &y, stride, false)).relu().unwrap();
    }
    for i in 1..=5 {
        let z = norm(&format!("res{i}.in1"), conv(&format!("res{i}.conv1"), &y, 1, false)).relu().unwrap();
        y = (y + norm(&format!("res{i}.in2"), conv(&format!("res{i}.conv2"), &z, 1, false))).unwrap();
    }
    y = norm("in4", conv("deconv1", &y, 1, true)).relu().unwrap();
    y = norm("in5", conv("deconv2", &y, 1, true)).relu().unwrap();
    conv("deconv3", &y, 1, false)
}

#[test]
fn the_fused_network_is_the_network() {
    let tensors = random_network(3);
    let net = network(tensors.clone());
    for (batch, h, w) in [(1, 64, 48), (2, 37, 90), (1, 5, 5), (1, 6, 131)] {
        let x = noise(&[batch, 3, h, w], 9).affine(127.0, 127.0).unwrap();
        for mix in [[1.0, 0.0, 0.0], [0.2, 0.5, 0.3]] {
            let mut record = Vec::new();
            let y = net.forward(&x, &mix, Statistics::Record(&mut record), &Watch::silent()).unwrap();
            let off = relative(&y, &slow_network(&tensors, &x, &mix));
            assert!(off < 1e-4, "{batch} x {h} x {w}: off by {off}");
            let again = net.forward(&x, &mix, Statistics::Replay(&record), &Watch::silent()).unwrap();
            assert!(relative(&again, &y) < 1e-5, "replayed statistics change the result");
        }
    }
    if let Some(watch) = in_bf16() {
        let (x, mix) = (noise(&[1, 3, 64, 48], 9).affine(127.0, 127.0).unwrap(), [0.2, 0.5, 0.3]);
        let y = net.forward(&x, &mix, Statistics::Compute, &watch).unwrap();
        let off = relative(&y, &slow_network(&tensors, &x, &mix));
        assert!(off > 1e-5 && off < 0.05, "in bf16 it is off by {off}");
    }
    let x = noise(&[1, 3, 16, 16], 1);
    assert!(net.forward(&x, &[1.0], Statistics::Compute, &Watch::silent()).is_err(), "a mix of the wrong length");
    let short = net.forward(&x, &[1.0, 0.0, 0.0], Statistics::Replay(&[]), &Watch::silent());
    assert!(short.is_err(), "statistics of another network");
    let tiny = noise(&[1, 3, 4, 16], 1);
    assert!(net.forward(&tiny, &[1.0, 0.0, 0.0], Statistics::Compute, &Watch::silent()).is_err());
}

/// `cargo test --test numbers passes -- --ignored --nocapture`: whole passes, times and memory.
#[test]
#[ignore = "prints times, asserts nothing"]
fn passes() {
    let painters = network(TransformerNet::random(&Config { styles: None, ..Config::johnson(16) }).unwrap());
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "512,1024,2048".to_owned());
    for n in sizes.split(',').map(|n| n.parse::<usize>().unwrap()) {
        let x = noise(&[1, 3, n, n], 2);
        let mut times: Vec<f64> = (0..if n > 1024 { 2 } else { 5 })
            .map(|_| {
                let began = std::time::Instant::now();
                painters.forward(&x, &[1.0], Statistics::Compute, &Watch::silent()).unwrap();
                began.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("width 16 @ {n}: {:.3} s at best, {:.3} s median", times[0], times[times.len() / 2]);
    }
    for n in sizes.split(',').map(|n| n.parse::<usize>().unwrap()) {
        println!("{:?}", lucida::tasks::bench("johnson", n, 2, 3, Precision::F32).unwrap());
    }
}
