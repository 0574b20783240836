//! Whole networks: our kernels in single precision against candle's operations in double precision, and both against
//! numbers that torchvision computed.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::{DeepLabV3, Fcn, MobileNetV2, ResNet, deeplabv3, fcn, mobilenet_v2, random, resnet};
use lucida::nn::{CancelToken, Error, Pass, Pool, Result, Watch};

use crate::{doubled, noise, relative, values};

type Net = Box<dyn Fn(&Tensor, &Pool, &Watch<'_>) -> Result<Tensor>>;
type Make = Box<dyn Fn(VarBuilder<'static>) -> Result<Net>>;

/// Four stages of which none is like another.
fn small_backbone(width: usize) -> resnet::Config {
    resnet::Config { blocks: [2, 1, 3, 2], width, ..resnet::Config::resnet50() }
}

fn small_mobilenet() -> mobilenet_v2::Config {
    let block = |hidden, out, stride| mobilenet_v2::Block { hidden, out, stride };
    let blocks = vec![block(6, 5, 1), block(20, 7, 2), block(28, 7, 1), block(28, 9, 1), block(54, 9, 2)];
    mobilenet_v2::Config { first: 6, blocks, last: 24, classes: None }
}

fn resnet(config: resnet::Config) -> Make {
    Box::new(move |vb| {
        let net = ResNet::new(config.clone(), vb)?;
        Ok(Box::new(move |x, pool, watch| net.forward(x, pool, watch)))
    })
}

fn mobilenet(config: mobilenet_v2::Config) -> Make {
    Box::new(move |vb| {
        let net = MobileNetV2::new(config.clone(), vb)?;
        Ok(Box::new(move |x, pool, watch| net.forward(x, pool, watch)))
    })
}

fn fcn(config: fcn::Config) -> Make {
    Box::new(move |vb| {
        let net = Fcn::new(config.clone(), vb)?;
        Ok(Box::new(move |x, pool, watch| net.forward(x, pool, watch)))
    })
}

fn deeplabv3(config: deeplabv3::Config) -> Make {
    Box::new(move |vb| {
        let net = DeepLabV3::new(config.clone(), vb)?;
        Ok(Box::new(move |x, pool, watch| net.forward(x, pool, watch)))
    })
}

fn small_networks() -> Vec<(&'static str, Make)> {
    let atrous =
        |atrous_rates| deeplabv3::Config { channels: 12, atrous_rates, ..deeplabv3::Config::new(small_backbone(6), 5) };
    vec![
        ("resnet", resnet(small_backbone(8))),
        (
            "resnet, one stage dilated",
            resnet(resnet::Config { replace_stride_with_dilation: [false, false, true], ..small_backbone(5) }),
        ),
        ("resnet, dilated", resnet(small_backbone(8).dilated())),
        ("mobilenet-v2", mobilenet(small_mobilenet())),
        ("fcn", fcn(fcn::Config::new(small_backbone(6), 5))),
        ("deeplabv3", deeplabv3(atrous([12, 24, 36]))),
        ("deeplabv3, closer taps", deeplabv3(atrous([1, 2, 3]))),
    ]
}

fn weights(tensors: &HashMap<String, Tensor>, dtype: DType) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors.clone(), dtype, &Device::Cpu)
}

#[test]
fn our_kernels_agree_with_candles_in_double_precision() {
    for (name, make) in small_networks() {
        let tensors = random::tensors(&make).unwrap();
        let fast = make(weights(&tensors, DType::F32)).unwrap();
        let slow = make(weights(&tensors, DType::F64)).unwrap();
        // Shared, so that later passes meet memory that earlier ones left behind.
        let pool = Pool::default();
        for (i, shape) in [[1, 3, 64, 96], [2, 3, 97, 61], [1, 3, 1, 1], [2, 3, 33, 130]].into_iter().enumerate() {
            let x = noise(shape, i as u64 + 1);
            let got = fast(&x, &pool, &Watch::silent()).unwrap();
            let expected = slow(&doubled(&x), &Pool::default(), &Watch::silent()).unwrap();
            assert_eq!(expected.dtype(), DType::F64);
            let off = relative(&got, &expected);
            println!("{name} of {shape:?} -> {:?}: off by {off:.1e}", got.dims());
            assert!(off < 1e-4, "{name} of {shape:?} is off by {off}");
        }
    }
}

/// SplitMix64 in counter mode behind FNV-1a of `name`, as in `random`; written down again so that the numbers below
/// stand for something.
fn named_noise(name: &str, shape: [usize; 4], size: f32) -> Tensor {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    let value = |i: usize| {
        let mut z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        size * ((z >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    Tensor::from_vec((0..shape.iter().product()).map(value).collect(), &shape[..], &Device::Cpu).unwrap()
}

/// Name, network, output shape, largest magnitude, samples.
type Row = (&'static str, Make, [usize; 4], f64, [f64; 8]);

/// torchvision 0.29's networks in double precision, their state dicts filled with the values of [`random::weights`], over
/// the input below: the shape of the output, its largest magnitude, and eight of its values at equal distances, the
/// first and the last among them.
#[test]
fn the_architectures_are_torchvisions() {
    let backbone = resnet::Config::resnet50;
    let rows: [Row; 4] = [
        (
            "resnet101",
            resnet(resnet::Config::resnet101()),
            [2, 2048, 2, 3],
            319436.93,
            [50275.532, 11120.211, 55915.068, 11098.569, 17964.412, 15850.019, 18113.55, 0.0],
        ),
        (
            "mobilenet-v2",
            mobilenet(mobilenet_v2::Config::paper()),
            [2, 1280, 2, 3],
            6.0,
            [0.1529069, 1.4726885, 0.0, 0.20826343, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "fcn-resnet50",
            fcn(fcn::Config::new(backbone(), 5)),
            [2, 5, 45, 67],
            618.74563,
            [-24.531284, -484.56308, -66.146658, 107.49874, 445.35769, 44.459178, -287.16895, 7.0612076],
        ),
        (
            "deeplabv3-resnet50",
            deeplabv3(deeplabv3::Config::new(backbone(), 5)),
            [2, 5, 45, 67],
            303.14588,
            [79.398594, 80.251628, -5.0441168, 184.98124, -47.781231, 59.860428, 85.54906, 78.688623],
        ),
    ];
    let x = named_noise("input", [2, 3, 45, 67], 2.0);
    for (name, make, shape, largest, expected) in rows {
        let got = make(random::weights()).unwrap()(&x, &Pool::default(), &Watch::silent()).unwrap();
        assert_eq!(got.dims(), shape, "{name}");
        let got = values(&got);
        let off = (0..8).map(|i| (got[i * (got.len() - 1) / 7] - expected[i]).abs()).fold(0.0, f64::max) / largest;
        let magnitude = got.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        println!("{name}: off by {off:.1e}, largest {magnitude} for {largest}");
        assert!(off < 1e-4 && (magnitude / largest - 1.0).abs() < 1e-4, "{name} is off by {off}");
    }
}

#[test]
fn classifiers_are_torchvisions() {
    let x = named_noise("input", [2, 3, 45, 67], 2.0);
    let (pool, watch) = (Pool::default(), Watch::silent());
    let mut pass = Pass::new(&pool, &watch, 0.0);

    let config = mobilenet_v2::Config { classes: Some(10), ..mobilenet_v2::Config::paper() };
    let net = MobileNetV2::new(config, random::weights()).unwrap();
    let features = net.features(pass.enter(&x).unwrap(), &mut pass).unwrap();
    let mobilenet = net.logits(&features, &mut pass).unwrap().unwrap().into_tensor().unwrap();

    let config = resnet::Config { classes: Some(10), ..resnet::Config::resnet101() };
    let net = ResNet::new(config, random::weights()).unwrap();
    let features = net.features(pass.enter(&x).unwrap(), &mut pass).unwrap();
    let resnet = net.logits(&features, &mut pass).unwrap().unwrap().into_tensor().unwrap();

    let none = ResNet::new(small_backbone(4), random::weights()).unwrap();
    assert!(none.logits(&features, &mut pass).unwrap().is_none());
    for (name, got, largest, expected) in [
        (
            "mobilenet-v2",
            mobilenet,
            4.2511434,
            [-1.7337755, -0.53108424, 1.8281356, 1.8541683, -1.5740996, -1.2981013, -3.8732063, 0.6305548],
        ),
        (
            "resnet101",
            resnet,
            90854.379,
            [-22852.097, 57119.88, 55724.521, 83912.594, -23003.13, -14650.803, -12356.444, -64575.95],
        ),
    ] {
        assert_eq!(got.dims(), [2, 10, 1, 1]);
        let got = values(&got);
        for (i, e) in expected.iter().enumerate() {
            let off = (got[i * 19 / 7] - e).abs() / largest;
            assert!(off < 1e-4, "{name} is off by {off}");
        }
    }
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let config = resnet::Config { classes: Some(3), ..small_backbone(4) };
    let mut tensors = random::tensors(|vb| ResNet::new(config.clone(), vb.pp("trunk"))).unwrap();
    assert_eq!(resnet::Config::from_tensors(&tensors, "trunk.").unwrap(), config);
    assert!(matches!(resnet::Config::from_tensors(&tensors, ""), Err(Error::Shape(_))));
    tensors.retain(|name, _| !name.starts_with("trunk.layer3"));
    assert!(matches!(resnet::Config::from_tensors(&tensors, "trunk."), Err(Error::Shape(_))));

    let config = fcn::Config { channels: 7, ..fcn::Config::new(small_backbone(4), 6) };
    let tensors = random::tensors(|vb| Fcn::new(config.clone(), vb)).unwrap();
    assert_eq!(fcn::Config::from_tensors(&tensors).unwrap(), config);
    assert!(matches!(deeplabv3::Config::from_tensors(&tensors), Err(Error::Shape(_))));

    let config = deeplabv3::Config { channels: 9, ..deeplabv3::Config::new(small_backbone(4), 6) };
    let tensors = random::tensors(|vb| DeepLabV3::new(config.clone(), vb)).unwrap();
    assert_eq!(deeplabv3::Config::from_tensors(&tensors).unwrap(), config);

    let mut config = mobilenet_v2::Config { first: 8, last: 40, classes: Some(3), ..mobilenet_v2::Config::paper() };
    for (i, block) in config.blocks.iter_mut().enumerate() {
        (block.hidden, block.out) = (if i == 0 { 8 } else { 16 + i }, 6 + i / 2);
    }
    let mut tensors = random::tensors(|vb| MobileNetV2::new(config.clone(), vb)).unwrap();
    assert_eq!(mobilenet_v2::Config::from_tensors(&tensors, "").unwrap(), config);
    tensors.remove("features.9.conv.2.weight");
    assert!(matches!(mobilenet_v2::Config::from_tensors(&tensors, ""), Err(Error::Shape(_))));
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let config = deeplabv3::Config { channels: 9, ..deeplabv3::Config::new(small_backbone(4), 6) };
    let whole = random::tensors(|vb| DeepLabV3::new(config.clone(), vb)).unwrap();
    for name in
        ["backbone.layer3.1.bn2.running_var", "classifier.0.convs.4.1.weight", "backbone.layer1.0.downsample.0.weight"]
    {
        let mut tensors = whole.clone();
        tensors.remove(name);
        let said = DeepLabV3::new(config.clone(), weights(&tensors, DType::F32)).unwrap_err().to_string();
        assert!(said.contains(name), "{said}");
        tensors.insert(name.to_owned(), Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap());
        let said = DeepLabV3::new(config.clone(), weights(&tensors, DType::F32)).unwrap_err().to_string();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn the_work_is_torchvisions() {
    // The multiply-adds (in 1e9) and parameters that torchvision's documentation gives, without the classifiers.
    let billions = |flops: Result<f64>| flops.unwrap() / 2e9;
    let net = ResNet::new(resnet::Config::resnet50(), random::weights()).unwrap();
    assert!((billions(net.flops([1, 3, 224, 224])) - (4.089 - 0.00205)).abs() < 1e-3);
    let net = ResNet::new(resnet::Config::resnet101(), random::weights()).unwrap();
    assert!((billions(net.flops([1, 3, 224, 224])) - (7.801 - 0.00205)).abs() < 1e-3);
    let net = MobileNetV2::new(mobilenet_v2::Config::paper(), random::weights()).unwrap();
    assert!((billions(net.flops([1, 3, 224, 224])) - (0.301 - 0.00128)).abs() < 1e-3);
    let fcn = Fcn::new(fcn::Config::new(resnet::Config::resnet50(), 21), random::weights()).unwrap();
    let deeplab = DeepLabV3::new(deeplabv3::Config::new(resnet::Config::resnet50(), 21), random::weights()).unwrap();
    // Their documented work counts the auxiliary head: 1024 -> 256 -> 21 channels over an eighth of the picture.
    let auxiliary = 65.0 * 65.0 * (1024.0 * 256.0 * 9.0 + 256.0 * 21.0) / 1e9;
    assert!((billions(fcn.flops([1, 3, 520, 520])) + auxiliary - 152.717).abs() < 1e-3);
    assert!((billions(deeplab.flops([1, 3, 520, 520])) + auxiliary - 178.722).abs() < 1e-3);

    let tensors = random::tensors(|vb| Fcn::new(fcn::Config::new(resnet::Config::resnet50(), 21), vb)).unwrap();
    let parameters = tensors.iter().filter(|(name, _)| !name.contains("running_")).map(|(_, t)| t.elem_count());
    assert_eq!(parameters.sum::<usize>(), 32_957_013);
}

#[test]
fn progress_reaches_its_end_and_a_pass_can_be_cancelled() {
    for (name, make) in small_networks() {
        let net = make(random::weights()).unwrap();
        let x = noise([2, 3, 40, 56], 1);
        let heard = RefCell::new(Vec::new());
        let listen = |done: f32| heard.borrow_mut().push(done);
        net(&x, &Pool::default(), &Watch::new(CancelToken::default(), &listen)).unwrap();
        let heard = heard.into_inner();
        assert!(heard.is_sorted() && heard.len() > 4, "{name}: {heard:?}");
        assert!((heard.last().unwrap() - 1.0).abs() < 1e-6, "{name} ends at {:?}", heard.last());

        let token = CancelToken::default();
        let listen = |done: f32| {
            assert!(done < 0.9, "{name} went on after it was cancelled");
            if done > 0.3 {
                token.cancel();
            }
        };
        let stopped = net(&x, &Pool::default(), &Watch::new(token.clone(), &listen));
        assert!(matches!(stopped, Err(Error::Cancelled)), "{name}");
    }
}

#[test]
fn a_picture_that_does_not_fit_is_refused() {
    for (name, make) in small_networks() {
        let net = make(random::weights()).unwrap();
        for shape in [[1, 4, 32, 32], [1, 3, 0, 32]] {
            let x = Tensor::zeros(&shape[..], DType::F32, &Device::Cpu).unwrap();
            let refused = net(&x, &Pool::default(), &Watch::silent());
            assert!(matches!(refused, Err(Error::Shape(_))), "{name} of {shape:?}");
        }
    }
}
