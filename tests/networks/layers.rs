//! The operations of `nn::Pass` on both of its paths against plain loops in double precision.

use candle_core::{Device, Tensor};
use lucida::nn::{Activation, Conv2d, Error, Features, Options, Pass, Pool, Result, Watch};
use proptest::prelude::*;

use crate::{doubled, noise, relative, values};

/// Each channel of `x` through `f`, which makes `to` (`[height, width]`) out of `from`.
fn each_plane(x: &Tensor, to: [usize; 2], f: impl Fn(&dyn Fn(usize, usize) -> f64, usize, usize) -> f64) -> Tensor {
    let (b, c, h, w) = x.dims4().unwrap();
    let v = values(x);
    let mut out = Vec::new();
    for plane in 0..b * c {
        let at = |y: usize, x: usize| v[(plane * h + y) * w + x];
        for y in 0..to[0] {
            out.extend((0..to[1]).map(|x| f(&at, y, x)));
        }
    }
    Tensor::from_vec(out, (b, c, to[0], to[1]), &Device::Cpu).unwrap()
}

/// What `op` makes of `x` by our kernels in single precision and by candle in double.
fn both(x: &Tensor, op: impl Fn(&Pass<'_>, &Features) -> Result<Features>) -> [Result<Tensor>; 2] {
    let (pool, watch) = (Pool::default(), Watch::silent());
    // What the pool hands out must not matter: here it is anything but zeros.
    let stale = Pass::new(&pool, &watch, 0.0);
    for n in [1, 3, 8] {
        let x = (x.zeros_like().unwrap() + 1e9).unwrap();
        let x = stale.enter(&x.repeat((n, 1, 1, 1)).unwrap()).unwrap();
        drop(x);
    }
    [x.clone(), doubled(x)].map(|x| {
        let pass = Pass::new(&pool, &watch, 0.0);
        op(&pass, &pass.enter(&x)?)?.into_tensor()
    })
}

fn agree(x: &Tensor, expected: &Tensor, op: impl Fn(&Pass<'_>, &Features) -> Result<Features>) {
    for (got, path) in both(x, op).into_iter().zip(["ours", "candle's"]) {
        let off = relative(&got.unwrap(), expected);
        assert!(off < 1e-6, "{path} is off by {off}");
    }
}

/// Sides as small as 1, odd ones, and some wider than a vector register.
fn sides() -> impl Strategy<Value = [usize; 2]> {
    let side = || prop_oneof![Just(1usize), 1usize..=9, 10usize..=70];
    (side(), side()).prop_map(|(h, w)| [h, w])
}

fn bilinear(x: &Tensor, to: [usize; 2], align_corners: bool) -> Tensor {
    let (_, _, h, w) = x.dims4().unwrap();
    // PyTorch's definition, straight from its documentation.
    let place = |i: usize, from: usize, to: usize| {
        let at = if align_corners {
            if to == 1 { 0.0 } else { i as f64 * (from as f64 - 1.0) / (to as f64 - 1.0) }
        } else {
            ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
        };
        let first = (at.floor() as usize).min(from - 1);
        (first, (first + 1).min(from - 1), at - first as f64)
    };
    each_plane(x, to, |at, y, x| {
        let ((top, bottom, v), (left, right, u)) = (place(y, h, to[0]), place(x, w, to[1]));
        (at(top, left) * (1.0 - u) + at(top, right) * u) * (1.0 - v)
            + (at(bottom, left) * (1.0 - u) + at(bottom, right) * u) * v
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bilinear_is_pytorchs(from in sides(), to in sides(), b in 1usize..=2, align in any::<bool>(), seed in any::<u64>()) {
        let x = noise([b, 3, from[0], from[1]], seed);
        agree(&x, &bilinear(&x, to, align), |pass, x| pass.bilinear(x, to, align));
    }

    #[test]
    fn nearest_is_pytorchs(from in sides(), to in sides(), b in 1usize..=2, seed in any::<u64>()) {
        let x = noise([b, 3, from[0], from[1]], seed);
        // A hair more, so that whole numbers are not missed by rounding.
        let place = |i: usize, from: usize, to: usize| (i as f64 * (from as f64 / to as f64) + 1e-9).floor() as usize;
        let expected = each_plane(&x, to, |at, y, x| at(place(y, from[0], to[0]), place(x, from[1], to[1])));
        let [ours, _] = both(&x, |pass, x| pass.nearest(x, to));
        prop_assert_eq!(values(&ours.unwrap()), values(&expected));
    }

    #[test]
    fn max_pool_takes_the_largest(
        [h, w] in sides(), b in 1usize..=2, kernel in 1usize..=4, stride in 1usize..=3, pad in any::<bool>(), seed in any::<u64>()
    ) {
        let padding = if pad { kernel / 2 } else { 0 };
        // Below zero altogether, so that padding with zeros would win.
        let x = (noise([b, 2, h, w], seed) - 5.0).unwrap();
        let side = |n: usize| (n + 2 * padding).checked_sub(kernel).map(|v| v / stride + 1);
        let (Some(height), Some(width)) = (side(h), side(w)) else {
            for refused in both(&x, |pass, x| pass.max_pool(x, kernel, stride, padding)) {
                prop_assert!(matches!(refused, Err(Error::Shape(_))));
            }
            return Ok(());
        };
        let window = |i: usize, n: usize| {
            (0..kernel).filter_map(move |k| (i * stride + k).checked_sub(padding)).filter(move |v| *v < n)
        };
        let expected = each_plane(&x, [height, width], |at, y, x| {
            window(y, h).flat_map(|y| window(x, w).map(move |x| at(y, x))).fold(f64::NEG_INFINITY, f64::max)
        });
        agree(&x, &expected, |pass, x| pass.max_pool(x, kernel, stride, padding));
    }

    #[test]
    fn average_pool_is_pytorchs([h, w] in sides(), to in sides(), b in 1usize..=2, seed in any::<u64>()) {
        let x = noise([b, 3, h, w], seed);
        let window = |i: usize, from: usize, to: usize| {
            (i as f64 * from as f64 / to as f64).floor() as usize
                ..((i + 1) as f64 * from as f64 / to as f64 - 1e-9).ceil() as usize
        };
        let expected = each_plane(&x, to, |at, y, x| {
            let (rows, columns) = (window(y, h, to[0]), window(x, w, to[1]));
            let n = (rows.len() * columns.len()) as f64;
            rows.flat_map(|y| columns.clone().map(move |x| at(y, x))).sum::<f64>() / n
        });
        agree(&x, &expected, |pass, x| pass.average_pool(x, to));
        let mean = each_plane(&x, [1, 1], |at, _, _| {
            (0..h).flat_map(|y| (0..w).map(move |x| at(y, x))).sum::<f64>() / (h * w) as f64
        });
        agree(&x, &mean, |pass, x| pass.mean(x));
    }

    #[test]
    fn concatenation_keeps_each_picture_together([h, w] in sides(), b in 1usize..=3, c in 1usize..=4, seed in any::<u64>()) {
        let (x, y) = (noise([b, c, h, w], seed), noise([b, 3, h, w], seed ^ 1));
        let expected = Tensor::cat(&[&x, &y, &x], 1).unwrap();
        agree(&x, &expected, |pass, x| {
            let ours = x.to_tensor()?.dtype();
            let y = pass.enter(&y.to_dtype(ours)?)?;
            pass.concat(&[x, &y, x])
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pointwise_functions_are_their_definitions([h, w] in sides(), b in 1usize..=2, seed in any::<u64>()) {
        // Wide enough for every branch of the hard ones.
        let x = (noise([b, 3, h, w], seed) * 3.0).unwrap();
        let hard = |v: f64| (v + 3.0).clamp(0.0, 6.0) / 6.0;
        type Op = fn(&Pass<'_>, Features) -> Result<Features>;
        let functions: [(Op, &dyn Fn(f64) -> f64); 4] = [
            (|p, x| p.tanh(x), &f64::tanh),
            (|p, x| p.sigmoid(x), &|v| 1.0 / (1.0 + (-v).exp())),
            (|p, x| p.hard_sigmoid(x), &hard),
            (|p, x| p.hard_swish(x), &|v| v * hard(v)),
        ];
        for (op, expected) in functions {
            let expected = each_plane(&x, [h, w], |at, y, x| expected(at(y, x)));
            // As it is entered, and as our own layers hand it on.
            agree(&x, &expected, |pass, x| op(pass, pass.enter(&x.to_tensor()?)?));
            agree(&x, &expected, |pass, x| op(pass, pass.concat(&[x])?));
        }
    }

    #[test]
    fn gates_scale_channels_and_padding_surrounds_them(
        [h, w] in sides(), b in 1usize..=2, around in [0usize..=3, 0..=3, 0..=3, 0..=3], seed in any::<u64>()
    ) {
        let (x, gate) = (noise([b, 3, h, w], seed), noise([b, 3, 1, 1], seed ^ 1));
        let gated = x.broadcast_mul(&gate).unwrap();
        let [above, below, left, right] = around;
        let expected = gated.pad_with_zeros(2, above, below).unwrap().pad_with_zeros(3, left, right).unwrap();
        let ours = |pass: &Pass<'_>, x: &Features, own: bool| {
            let gate = pass.enter(&gate.to_dtype(x.to_tensor()?.dtype())?)?;
            let x = if own { pass.concat(&[x])? } else { pass.enter(&x.to_tensor()?)? };
            pass.gate(x, &gate)
        };
        for own in [false, true] {
            agree(&x, &expected, |pass, x| pass.pad(&ours(pass, x, own)?, around));
            // One gate may be pending when the next comes.
            agree(&x, &gated.broadcast_mul(&gate).unwrap(), |pass, x| {
                let gate = pass.enter(&gate.to_dtype(x.to_tensor()?.dtype())?)?;
                pass.gate(ours(pass, x, own)?, &gate)
            });
            // A gate that is pending reaches a convolution.
            let weight = noise([4, 3, 3, 3], seed ^ 2);
            let filtered = doubled(&gated).conv2d(&doubled(&weight), 1, 1, 1, 1).unwrap();
            agree(&x, &filtered, |pass, x| {
                let weight = weight.to_dtype(x.to_tensor()?.dtype())?;
                let conv = Conv2d::new(&weight, None, Options { padding: 1, ..Options::default() })?;
                let (pool, watch) = (Pool::default(), Watch::silent());
                Pass::new(&pool, &watch, 0.0).conv(&conv, &ours(pass, x, own)?)
            });
        }
    }
}

#[test]
fn a_residual_is_added_before_the_activation() {
    for (activation, [low, high]) in
        [(Activation::None, [-1e9, 1e9]), (Activation::Relu, [0.0, 1e9]), (Activation::Relu6, [0.0, 6.0])]
    {
        // 1x1, 3x3 and depthwise, over a picture of two strips and a bit.
        for (ins, kernel, groups) in [(6, 1, 1), (6, 3, 1), (5, 3, 5)] {
            let (x, weight) = (noise([2, ins, 7, 75], 1), noise([5, ins / groups, kernel, kernel], 2));
            let residual = (noise([2, 5, 7, 75], 3) * 4.0).unwrap();
            let options = Options { padding: kernel / 2, groups, activation, ..Options::default() };
            let plain = doubled(&x).conv2d(&doubled(&weight), kernel / 2, 1, 1, groups).unwrap();
            let expected = (plain + doubled(&residual)).unwrap().clamp(low, high).unwrap();
            agree(&x, &expected, |pass, x| {
                let dtype = x.to_tensor()?.dtype();
                let conv = Conv2d::new(&weight.to_dtype(dtype)?, None, options)?;
                let residual = pass.enter(&residual.to_dtype(dtype)?)?;
                let silent = Watch::silent();
                Pass::new(&Pool::default(), &silent, 0.0).conv_add(&conv, x, Some(&residual))
            });
            agree(&x, &expected, |pass, x| {
                let dtype = x.to_tensor()?.dtype();
                let conv = Conv2d::new(&weight.to_dtype(dtype)?, None, options)?;
                let silent = Watch::silent();
                let residual = pass.nearest(&pass.enter(&residual.to_dtype(dtype)?)?, [7, 75])?;
                Pass::new(&Pool::default(), &silent, 0.0).conv_onto(&conv, x, residual)
            });
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    type Op = fn(&Pass<'_>, &Features) -> Result<Features>;
    let refused: [(&str, Op); 12] = [
        ("no window", |p, x| p.max_pool(x, 0, 1, 0)),
        ("no stride", |p, x| p.max_pool(x, 2, 0, 0)),
        ("padding wider than half a window", |p, x| p.max_pool(x, 3, 1, 2)),
        ("a window wider than the map", |p, x| p.max_pool(x, 9, 1, 0)),
        ("no pixels to resize to", |p, x| p.bilinear(x, [0, 4], false)),
        ("no pixels to resize to, the nearest", |p, x| p.nearest(x, [4, 0])),
        ("no pixels to average to", |p, x| p.average_pool(x, [4, 0])),
        ("a gate of another shape", |p, x| p.gate(p.enter(&x.to_tensor()?)?, x)),
        ("nothing to concatenate", |p, _| p.concat(&[])),
        ("other sizes", |p, x| p.concat(&[x, &p.mean(x)?])),
        ("a residual of another size", |p, x| {
            let watch = Watch::silent();
            let weight = Tensor::ones((1, 2, 1, 1), x.to_tensor()?.dtype(), &Device::Cpu)?;
            let conv = Conv2d::new(&weight, None, Options::default())?;
            Pass::new(&Pool::default(), &watch, 0.0).conv_add(&conv, x, Some(&p.mean(x)?))
        }),
        ("to be written over one of another size", |p, x| {
            let watch = Watch::silent();
            let weight = Tensor::ones((1, 2, 1, 1), x.to_tensor()?.dtype(), &Device::Cpu)?;
            let conv = Conv2d::new(&weight, None, Options::default())?;
            Pass::new(&Pool::default(), &watch, 0.0).conv_onto(&conv, x, p.mean(x)?)
        }),
    ];
    for (what, op) in refused {
        for result in both(&noise([1, 2, 5, 6], 1), op) {
            assert!(matches!(result, Err(Error::Shape(_))), "{what}");
        }
    }
}
