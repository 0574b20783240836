//! Feature maps with a normalisation pending, and those that lie in a tensor: every operation sees what they mean.

use candle_core::{DType, Tensor};
use lucida::nn::{self, ChannelStatistics, Conv2d, Features, Norm, Options, Pass, Pool, Result, Statistics, Watch};

use super::{noise, relative};

const SCALE: [f32; 3] = [0.5, 1.5, -2.0];
const SHIFT: [f32; 3] = [0.1, -0.2, 0.3];

fn identity(dtype: DType) -> Conv2d {
    let eye = Tensor::eye(3, DType::F32, &candle_core::Device::Cpu).unwrap().reshape((3, 3, 1, 1)).unwrap();
    Conv2d::new(&eye.to_dtype(dtype).unwrap(), None, Options::default()).unwrap()
}

/// `x` normalised and clamped, as features with that pending, and as a tensor.
fn pending(pass: &mut Pass<'_>, x: &Tensor) -> (Features, Tensor) {
    let norm = Norm { scale: &SCALE, shift: &SHIFT, relu: true };
    let h = pass.enter(x).unwrap();
    let h = pass.conv_norm(&identity(x.dtype()), &h, &norm).unwrap();
    let plain = x.to_dtype(DType::F32).unwrap();
    (h, nn::instance_norm(&plain, &SCALE, &SHIFT, true, None, None, &Watch::silent()).unwrap())
}

#[test]
fn every_operation_sees_what_is_pending() {
    let (watch, pool) = (Watch::silent(), Pool::default());
    let kernel = noise(&[4, 3, 3, 3], 7);
    for dtype in [DType::F32, DType::F64] {
        let x = noise(&[2, 3, 9, 14], 1).to_dtype(dtype).unwrap();
        let conv = Conv2d::new(&kernel.to_dtype(dtype).unwrap(), None, Options::default()).unwrap();
        let mut pass = Pass::new(&pool, &watch, 0.0);
        // Once as a norm leaves it, once as a tensor of the same values, which nothing can be pending in.
        let (h, settled) = pending(&mut pass, &x);
        let plain = pass.enter(&settled.to_dtype(dtype).unwrap()).unwrap();
        let same = |name: &str, got: Result<Features>, expected: Result<Features>| {
            let off = relative(&got.unwrap().into_tensor().unwrap(), &expected.unwrap().into_tensor().unwrap());
            assert!(off < 1e-5, "{dtype:?} {name}: off by {off}");
        };
        same("max_pool", pass.max_pool(&h, 3, 2, 1), pass.max_pool(&plain, 3, 2, 1));
        same("bilinear", pass.bilinear(&h, [20, 17], false), pass.bilinear(&plain, [20, 17], false));
        same("mean", pass.mean(&h), pass.mean(&plain));
        same("concat", pass.concat(&[&h, &plain]), pass.concat(&[&plain, &h]));
        let (a, b) = (pass.conv(&conv, &h), pass.conv(&conv, &plain));
        same("conv", a, b);
        let one = identity(dtype);
        let (a, b) = (pass.conv_add(&one, &plain, Some(&h)), pass.conv_add(&one, &h, Some(&plain)));
        same("residual", a, b);
        assert!(relative(&h.to_tensor().unwrap(), &settled) < 1e-5, "{dtype:?} to_tensor");

        let twice = (&settled * 2.0).unwrap();
        let mut sum = pass.enter(&settled.to_dtype(dtype).unwrap()).unwrap();
        pass.add(&mut sum, &h).unwrap();
        assert!(relative(&sum.into_tensor().unwrap(), &twice) < 1e-5, "{dtype:?} adding what is pending");
        let (mut sum, _) = pending(&mut pass, &x);
        pass.add(&mut sum, &plain).unwrap();
        assert!(relative(&sum.into_tensor().unwrap(), &twice) < 1e-5, "{dtype:?} adding to what is pending");

        let mut now = h;
        now.settle();
        assert!(relative(&now.to_tensor().unwrap(), &settled) < 1e-5, "{dtype:?} settle");
        now.settle();
        assert!(relative(&now.into_tensor().unwrap(), &settled) < 1e-5, "{dtype:?} settle twice");
    }
}

#[test]
fn a_tensor_out_of_order_is_read_in_order() {
    let (watch, pool) = (Watch::silent(), Pool::default());
    let x = noise(&[1, 3, 8, 11], 3).transpose(2, 3).unwrap();
    assert!(!x.is_contiguous());
    let mut pass = Pass::new(&pool, &watch, 0.0);
    let h = pass.enter(&x).unwrap();
    assert_eq!(relative(&pass.conv(&identity(DType::F32), &h).unwrap().into_tensor().unwrap(), &x), 0.0);
    // A window into a larger tensor starts somewhere in its middle.
    let window = noise(&[3, 3, 8, 11], 4).narrow(0, 1, 1).unwrap();
    let h = pass.enter(&window).unwrap();
    assert_eq!(relative(&pass.conv(&identity(DType::F32), &h).unwrap().into_tensor().unwrap(), &window), 0.0);
}

#[test]
fn statistics_are_kept_and_replayed() {
    let (watch, pool) = (Watch::silent(), Pool::default());
    let (x, other) = (noise(&[1, 3, 9, 14], 1), noise(&[1, 3, 30, 20], 2));
    let norm = Norm { scale: &SCALE, shift: &SHIFT, relu: false };
    for dtype in [DType::F32, DType::F64] {
        let conv = identity(dtype);
        let run = |x: &Tensor, statistics: Statistics<'_>| {
            let mut pass = Pass::new(&pool, &watch, 0.0).with_statistics(statistics);
            let h = pass.enter(&x.to_dtype(dtype).unwrap())?;
            let h = pass.conv_norm(&conv, &h, &norm)?;
            pass.conv_norm(&conv, &h, &norm)?.into_tensor()
        };
        let mut kept = vec![ChannelStatistics::default(); 5];
        let y = run(&x, Statistics::Record(&mut kept)).unwrap();
        assert_eq!(kept.len(), 2, "what was there before is forgotten");
        assert!(relative(&run(&x, Statistics::Replay(&kept)).unwrap(), &y) < 1e-6);
        let replayed = run(&other, Statistics::Replay(&kept)).unwrap();
        assert!(relative(&replayed, &run(&other, Statistics::Compute).unwrap()) > 1e-3, "{dtype:?}: not its own");
        assert!(run(&x, Statistics::Replay(&kept[..1])).is_err(), "too few");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (watch, pool) = (Watch::silent(), Pool::default());
    let mut pass = Pass::new(&pool, &watch, 0.0);
    let h = pass.enter(&noise(&[1, 3, 4, 5], 1)).unwrap();
    let conv = identity(DType::F32);
    assert!(pass.conv_norm(&conv, &h, &Norm { scale: &SCALE[..2], shift: &SHIFT, relu: true }).is_err());
    let mut other = pass.enter(&noise(&[1, 3, 5, 5], 1)).unwrap();
    assert!(pass.add(&mut other, &h).is_err());
    let double = pass.enter(&noise(&[1, 3, 4, 5], 1).to_dtype(DType::F64).unwrap()).unwrap();
    assert!(pass.conv(&conv, &double).is_err(), "weights in f32, values in f64");
    assert!(pass.enter(&noise(&[3, 4, 5], 1)).is_err());
}
