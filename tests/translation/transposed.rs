//! Transposed convolutions against candle's.

use candle_core::{DType, Tensor};
use lucida::nn::{self, Activation, Conv2d, Isa, Norm, Options, Padding, Pass, Pool, Precision, Watch};
use proptest::prelude::*;

use super::{noise, relative};

#[derive(Debug, Clone)]
struct Case {
    batch: usize,
    ins: usize,
    outs: usize,
    kernel: [usize; 2],
    size: [usize; 2],
    options: Options,
    output_padding: usize,
}

impl Case {
    fn weight(&self, seed: u64) -> Tensor {
        noise(&[self.ins, self.outs / self.options.groups, self.kernel[0], self.kernel[1]], seed)
    }

    /// The same from candle's operations.
    fn candle(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
        let Options { stride, dilation, groups, padding, activation, .. } = self.options;
        let per_group = self.ins / groups;
        let part = |g: usize| {
            let x = x.narrow(1, g * per_group, per_group).unwrap().contiguous().unwrap();
            let w = weight.narrow(0, g * per_group, per_group).unwrap().contiguous().unwrap();
            x.conv_transpose2d(&w, padding, self.output_padding, stride, dilation).unwrap()
        };
        let y = Tensor::cat(&(0..groups).map(part).collect::<Vec<_>>(), 1).unwrap();
        let y = y.broadcast_add(&bias.reshape((1, (), 1, 1)).unwrap()).unwrap();
        match activation {
            Activation::Relu => y.relu().unwrap(),
            Activation::Relu6 => y.clamp(0.0, 6.0).unwrap(),
            _ => y,
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let channels = (1usize..=3, 1usize..=9, 1usize..=19, 1usize..=2);
    let window = (1usize..=6, 1usize..=6, 0usize..=4, 0usize..=1);
    let size = (1usize..=30, prop_oneof![1usize..=30, 50usize..=100]);
    let kind = (0usize..6, 1usize..=3, 1usize..=2, 0usize..3);
    (channels, window, size, kind).prop_filter_map(
        "nothing is left of the output",
        |((groups, ins, outs, batch), (kh, kw, padding, extra), (h, w), (kind, stride, dilation, activation))| {
            // Half of the cases are what networks are made of; few have the strides that are left to candle.
            let (kh, kw, padding, output_padding) = match kind {
                0 => (3, 3, 1, 1), // CycleGAN
                1 => (4, 4, 1, 0), // pix2pix
                2 => (2, 2, 0, 0), // U-Net
                _ => (kh, kw, padding, extra),
            };
            let (stride, dilation) = if kind == 5 { (stride, dilation) } else { (2, 1) };
            let activation = [Activation::None, Activation::Relu, Activation::Relu6][activation];
            let options = Options { stride, dilation, groups, padding, activation, ..Options::default() };
            let left = |n: usize, k: usize| (n - 1) * stride + (k - 1) * dilation + output_padding + 1 > 2 * padding;
            let valid = output_padding < stride.max(dilation) && left(h, kh) && left(w, kw);
            let (ins, outs) = (ins * groups, outs * groups);
            valid.then_some(Case { batch, ins, outs, kernel: [kh, kw], size: [h, w], options, output_padding })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_candle(case in cases(), seed in any::<u64>()) {
        let x = noise(&[case.batch, case.ins, case.size[0], case.size[1]], seed);
        let (weight, bias) = (case.weight(seed ^ 1), noise(&[case.outs], seed ^ 2));
        let expected = case.candle(&x, &weight, &bias);
        for isa in Isa::available() {
            let conv = Conv2d::transposed_with_isa(&weight, Some(&bias), case.options, case.output_padding, isa).unwrap();
            prop_assert_eq!(conv.output_size(x.dims4().unwrap().into()).unwrap().to_vec(), expected.dims()[2..].to_vec());
            let off = relative(&conv.forward(&x, &Watch::silent()).unwrap(), &expected);
            prop_assert!(off < 1e-4, "{isa:?} is off by {off}");
        }
        if Precision::Bf16.is_available() {
            let rounded = |t: &Tensor| t.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
            let (x, weight) = (rounded(&x), rounded(&weight));
            let conv = Conv2d::transposed(&weight, Some(&bias), case.options, case.output_padding).unwrap();
            let got = conv.forward(&x, &Watch::silent().with_precision(Precision::Bf16)).unwrap();
            let off = relative(&got, &case.candle(&x, &weight, &bias));
            prop_assert!(off < 1e-5, "in bf16 over rounded factors it is off by {off}");
        } else {
            eprintln!("SKIPPED: this processor has no AVX512-BF16");
        }
    }

    #[test]
    fn reads_and_leaves_pending_norms(case in cases(), seed in any::<u64>()) {
        // norm(transposed(relu(norm(x)))), every norm over what was written on the way.
        let watch = Watch::silent();
        let x = noise(&[case.batch, case.ins, case.size[0], case.size[1]], seed);
        let eye: Vec<f32> = (0..case.ins * case.ins).map(|i| if i % (case.ins + 1) == 0 { 1.0 } else { 0.0 }).collect();
        let eye = Tensor::from_vec(eye, (case.ins, case.ins, 1, 1), x.device()).unwrap();
        let same = Conv2d::new(&eye, None, Options::default()).unwrap();
        let (weight, bias) = (case.weight(seed ^ 1), noise(&[case.outs], seed ^ 2));
        let case = Case { options: Options { activation: Activation::None, ..case.options }, ..case };
        let conv = Conv2d::transposed(&weight, Some(&bias), case.options, case.output_padding).unwrap();
        let numbers = |n: usize, from: f32| -> Vec<f32> { (0..n).map(|i| from + i as f32 * 0.1).collect() };
        let (scale, shift, last, end) =
            (numbers(case.ins, 0.5), numbers(case.ins, -0.3), numbers(case.outs, 0.2), numbers(case.outs, -0.1));

        let pool = Pool::default();
        let mut pass = Pass::new(&pool, &watch, 0.0);
        let h = pass.enter(&x).unwrap();
        let h = pass.conv_norm(&same, &h, &Norm { scale: &scale, shift: &shift, relu: true }).unwrap();
        let h = pass.conv_norm(&conv, &h, &Norm { scale: &last, shift: &end, relu: false }).unwrap();
        let got = h.to_tensor().unwrap();

        let y = nn::instance_norm(&x, &scale, &shift, true, None, None, &watch).unwrap();
        let y = case.candle(&y, &weight, &bias);
        // Where a channel hardly varies, a norm makes noise as large as values.
        let statistics = nn::ChannelStatistics::measure(&y).unwrap();
        let least = statistics.variance.iter().fold(f32::INFINITY, |m, v| m.min(*v));
        prop_assume!(least > 1e-2);
        let expected = nn::instance_norm(&y, &last, &end, false, None, None, &watch).unwrap();
        let off = relative(&got, &expected);
        prop_assert!(off < 1e-4, "off by {off}");
    }
}

#[test]
fn impossible_ones_are_refused_in_words() {
    let weight = noise(&[4, 3, 3, 3], 1);
    let options = Options { stride: 2, padding: 1, ..Options::default() };
    for (wrong, output_padding) in [
        (options, 2),
        (Options { groups: 3, ..options }, 1),
        (Options { mode: Padding::Reflect, ..options }, 1),
        (Options { upsample: true, ..options }, 1),
        (Options { stride: 0, ..options }, 0),
    ] {
        let error = Conv2d::transposed(&weight, None, wrong, output_padding).unwrap_err();
        assert!(matches!(error, nn::Error::Shape(_)), "{error}");
    }
    assert!(Conv2d::transposed(&weight, Some(&noise(&[4], 1)), options, 1).is_err());
    let conv = Conv2d::transposed(&weight, None, Options { padding: 3, ..options }, 0).unwrap();
    for shape in [[1, 4, 2, 9], [1, 3, 9, 9], [1, 4, 0, 9]] {
        assert!(conv.forward(&noise(&shape, 1), &Watch::silent()).is_err(), "{shape:?}");
    }
}

/// `cargo test --test translation speed -- --ignored --nocapture`: what networks are made of, against candle.
#[test]
#[ignore = "prints times, asserts nothing"]
fn speed() {
    for (ins, outs, n, k, padding, output_padding) in [
        (256, 128, 64, 3, 1, 1),
        (128, 64, 128, 3, 1, 1),
        (512, 512, 16, 4, 1, 0),
        (128, 64, 64, 4, 1, 0),
        (256, 128, 64, 2, 0, 0),
    ] {
        let options = Options { stride: 2, padding, ..Options::default() };
        let (weight, x) = (noise(&[ins, outs, k, k], 1), noise(&[1, ins, n, n], 2));
        let began = std::time::Instant::now();
        x.conv_transpose2d(&weight, padding, output_padding, 2, 1).unwrap();
        println!("{k}x{k} {ins}->{outs} @ {n}: candle {:7.1} ms", began.elapsed().as_secs_f64() * 1e3);
        for isa in Isa::available() {
            let conv = Conv2d::transposed_with_isa(&weight, None, options, output_padding, isa).unwrap();
            let mut times: Vec<f64> = (0..7)
                .map(|_| {
                    let began = std::time::Instant::now();
                    conv.forward(&x, &Watch::silent()).unwrap();
                    began.elapsed().as_secs_f64()
                })
                .collect();
            times.sort_by(f64::total_cmp);
            println!(
                "  {isa:7?} {:7.1} ms {:6.1} GFLOP/s",
                times[0] * 1e3,
                conv.flops([1, ins, n, n]) / times[0] / 1e9
            );
        }
    }
}
