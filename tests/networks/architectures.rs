//! Whole networks: our kernels in single precision against candle's operations in double precision, and both against
//! numbers that torchvision computed.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::{
    Backbone, DeepLabV3, DeepLabV3MobileNetV2, DeepLabV3Plus, EfficientNetLite, Fcn, Fcn8s, LrAspp, MobileNetV2,
    MobileNetV3, ResNet, Segmenter, Unet, UnetEfficientNetLite, Vgg16, deeplabv3, deeplabv3_mobilenet_v2, fcn, lraspp,
    mobilenet_v2, mobilenet_v3, random, resnet, unet, vgg,
};
use lucida::nn::{CancelToken, Error, Pass, Pool, Result, Watch};

use crate::{doubled, efficientnet_lite as efficient, noise, relative, values};

type Net = Box<dyn Fn(&Tensor, &Pool, &Watch<'_>) -> Result<Tensor>>;
type Make = Box<dyn Fn(VarBuilder<'static>) -> Result<Net>>;

/// Four stages of which none is like another.
fn small_backbone(width: usize) -> resnet::Config {
    resnet::Config { blocks: [2, 1, 3, 2], ..resnet::Config::resnet50().of_width(width) }
}

fn small_mobilenet() -> mobilenet_v2::Config {
    let block = |hidden, out, stride| mobilenet_v2::Block { hidden, out, stride };
    let blocks = vec![block(6, 5, 1), block(20, 7, 2), block(28, 7, 1), block(28, 9, 1), block(54, 9, 2)];
    mobilenet_v2::Config { first: 6, blocks, last: 24, classes: None }
}

fn small_mobilenet_v3() -> mobilenet_v3::Config {
    let mut config = mobilenet_v3::Config { first: 6, last: 24, ..mobilenet_v3::Config::large() };
    for (i, block) in config.blocks.iter_mut().enumerate() {
        (block.hidden, block.out) = (if i == 0 { 6 } else { 7 + i }, 4 + i / 2);
        block.squeeze = block.squeeze.map(|_| 3 + i % 3);
    }
    config
}

fn small_voc21() -> deeplabv3_mobilenet_v2::Config {
    let mut config = deeplabv3_mobilenet_v2::Config { first: 6, channels: 9, ..deeplabv3_mobilenet_v2::Config::new(5) };
    for (i, block) in config.blocks.iter_mut().enumerate() {
        (block.hidden, block.out) = (if i == 0 { 6 } else { 7 + i }, 4 + i / 3);
    }
    config
}

/// A network by its constructor.
fn backbone<C: Clone + 'static, N: Backbone + 'static>(
    config: C,
    new: impl Fn(C, VarBuilder<'_>) -> Result<N> + 'static,
) -> Make {
    Box::new(move |vb| {
        let net = new(config.clone(), vb)?;
        Ok(Box::new(move |x, pool, watch| net.forward(x, pool, watch)))
    })
}

fn segmenter<C: Clone + 'static, N: Segmenter + 'static>(
    config: C,
    new: impl Fn(C, VarBuilder<'_>) -> Result<N> + 'static,
) -> Make {
    Box::new(move |vb| {
        let net = new(config.clone(), vb)?;
        Ok(Box::new(move |x, pool, watch| net.forward(x, pool, watch)))
    })
}

/// The features after one of VGG's stages.
fn vgg16(stage: usize) -> Make {
    Box::new(move |vb| {
        let net = Vgg16::new(&vgg::Config::paper(), vb)?;
        Ok(Box::new(move |x, pool, watch| Ok(net.forward(x, pool, watch)?.remove(stage))))
    })
}

/// With the least height and width that they take.
fn small_networks() -> Vec<(&'static str, usize, Make)> {
    let atrous =
        |atrous_rates| deeplabv3::Config { channels: 12, atrous_rates, ..deeplabv3::Config::new(small_backbone(6), 5) };
    let dilated = resnet::Config { replace_stride_with_dilation: [false, false, true], ..small_backbone(5) };
    let light = deeplabv3::Config { channels: 12, ..deeplabv3::Config::new(small_mobilenet_v3(), 5) };
    let lraspp = lraspp::Config { channels: 7, ..lraspp::Config::new(small_mobilenet_v3(), 5) };
    let unet = |bilinear| segmenter(unet::Config::new(6, bilinear, 4), Unet::new);
    vec![
        ("resnet", 1, backbone(small_backbone(8), ResNet::new)),
        ("resnet, one stage dilated", 1, backbone(dilated, ResNet::new)),
        ("resnet, dilated", 1, backbone(small_backbone(8).dilated(), ResNet::new)),
        ("mobilenet-v2", 1, backbone(small_mobilenet(), MobileNetV2::new)),
        ("mobilenet-v3-large", 1, backbone(small_mobilenet_v3(), MobileNetV3::new)),
        ("fcn", 1, segmenter(fcn::Config::new(small_backbone(6), 5), Fcn::new)),
        ("deeplabv3", 1, segmenter(atrous([12, 24, 36]), DeepLabV3::new)),
        ("deeplabv3, closer taps", 1, segmenter(atrous([1, 2, 3]), DeepLabV3::new)),
        ("deeplabv3 over mobilenet-v3", 1, segmenter(light, DeepLabV3::new)),
        ("deeplabv3 over mobilenet-v2", 1, segmenter(small_voc21(), DeepLabV3MobileNetV2::new)),
        ("lraspp", 1, segmenter(lraspp, LrAspp::new)),
        ("unet", 16, unet(false)),
        ("unet, bilinear", 16, unet(true)),
        ("efficientnet-lite", 1, backbone(efficient::small(), EfficientNetLite::new)),
        ("efficientnet-lite, atrous", 1, backbone(efficient::small().atrous(), EfficientNetLite::new)),
        ("fcn-8s over efficientnet-lite", 1, segmenter(efficient::small_fcn(5), Fcn8s::new)),
        ("unet over efficientnet-lite", 1, segmenter(efficient::small_unet(5), UnetEfficientNetLite::new)),
        ("deeplabv3+ over efficientnet-lite", 1, segmenter(efficient::small_deeplab(5), DeepLabV3Plus::new)),
    ]
}

fn weights(tensors: &HashMap<String, Tensor>, dtype: DType) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors.clone(), dtype, &Device::Cpu)
}

#[test]
fn our_kernels_agree_with_candles_in_double_precision() {
    for (name, least, make) in small_networks() {
        let tensors = random::tensors(&make).unwrap();
        let fast = make(weights(&tensors, DType::F32)).unwrap();
        let slow = make(weights(&tensors, DType::F64)).unwrap();
        // Shared, so that later passes meet memory that earlier ones left behind.
        let pool = Pool::default();
        for (i, shape) in [[1, 3, 64, 96], [2, 3, 97, 61], [1, 3, 1, 1], [2, 3, 33, 130]].into_iter().enumerate() {
            let shape = [shape[0], shape[1], shape[2].max(least), shape[3].max(least)];
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
pub fn named_noise(name: &str, shape: [usize; 4], size: f32) -> Tensor {
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

/// How far eight of the values, at equal distances, the first and the last among them, are from those expected.
pub fn samples_off(got: &[f64], expected: &[f64; 8]) -> f64 {
    (0..8).map(|i| (got[i * (got.len() - 1) / 7] - expected[i]).abs()).fold(0.0, f64::max)
}

/// The largest magnitude.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Name, network, output shape, largest magnitude, samples.
type Row = (&'static str, Make, [usize; 4], f64, [f64; 8]);

/// torchvision 0.29's networks, and Pytorch-UNet's and TensorFlow DeepLab's written down again in PyTorch, in double
/// precision, their state dicts filled with the values of [`random::weights`], over
/// the input below: the shape of the output, its largest magnitude, and eight of its values at equal distances, the
/// first and the last among them.
#[test]
fn the_architectures_are_the_fields() {
    let resnet50 = || resnet::Config::resnet50();
    let large = mobilenet_v3::Config::large;
    let rows: Vec<Row> = vec![
        (
            "resnet101",
            backbone(resnet::Config::resnet101(), ResNet::new),
            [2, 2048, 2, 3],
            319436.93,
            [50275.532, 11120.211, 55915.068, 11098.569, 17964.412, 15850.019, 18113.55, 0.0],
        ),
        (
            "mobilenet-v2",
            backbone(mobilenet_v2::Config::paper(), MobileNetV2::new),
            [2, 1280, 2, 3],
            6.0,
            [0.1529069, 1.4726885, 0.0, 0.20826343, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "mobilenet-v3-large",
            backbone(large(), MobileNetV3::new),
            [2, 960, 2, 3],
            7.7510152,
            [0.99889671, -0.18400603, 0.072537661, -0.0078630946, -0.20280448, -0.33108648, 0.26763393, -0.18623435],
        ),
        (
            "fcn-resnet50",
            segmenter(fcn::Config::new(resnet50(), 5), Fcn::new),
            [2, 5, 45, 67],
            618.74563,
            [-24.531284, -484.56308, -66.146658, 107.49874, 445.35769, 44.459178, -287.16895, 7.0612076],
        ),
        (
            "deeplabv3-resnet50",
            segmenter(deeplabv3::Config::new(resnet50(), 5), DeepLabV3::new),
            [2, 5, 45, 67],
            303.14588,
            [79.398594, 80.251628, -5.0441168, 184.98124, -47.781231, 59.860428, 85.54906, 78.688623],
        ),
        (
            "deeplabv3-mobilenet-v3-large",
            segmenter(deeplabv3::Config::new(large(), 5), DeepLabV3::new),
            [2, 5, 45, 67],
            2.0444235,
            [0.38837026, 0.499731, 0.32273351, 0.44625724, 0.21255106, 0.49843825, 1.6641464, 0.9838943],
        ),
        (
            "lraspp-mobilenet-v3-large",
            segmenter(lraspp::Config::new(large(), 5), LrAspp::new),
            [2, 5, 45, 67],
            15.170999,
            [-0.68562865, -0.18126994, 5.9490383, -3.701594, -0.98648631, 5.1031106, 5.1017066, 3.6643544],
        ),
        (
            "unet, bilinear",
            segmenter(unet::Config::new(16, true, 5), Unet::new),
            [2, 5, 45, 67],
            7.1908177,
            [0.54183891, -1.8349433, -3.5882394, 4.3692413, 1.2281028, -3.306005, -3.3661192, 1.5643833],
        ),
        (
            "unet",
            segmenter(unet::Config::new(16, false, 5), Unet::new),
            [2, 5, 45, 67],
            5.5913104,
            [0.28259289, -1.6806652, -1.2481581, 1.6895905, 0.086955749, -1.3967836, 0.16576033, 0.23754415],
        ),
        (
            "deeplabv3-mobilenet-v2",
            segmenter(deeplabv3_mobilenet_v2::Config::new(5), DeepLabV3MobileNetV2::new),
            [2, 5, 45, 67],
            3.7086763,
            [-2.153299, 0.65885564, 1.0371923, -0.64017882, -1.6455226, -0.44522178, -2.1289581, -0.87071707],
        ),
        (
            "vgg16 relu2_2",
            vgg16(1),
            [2, 128, 22, 33],
            6.0587895,
            [0.05023351, 3.3162101, 0.0, 0.067877955, 1.476066, 0.0, 0.0, 0.21458074],
        ),
        (
            "vgg16 relu4_3",
            vgg16(3),
            [2, 512, 5, 8],
            3.8428528,
            [0.0, 0.0, 0.8887839, 1.0003096, 0.0, 2.1868953, 1.4909784, 0.0],
        ),
    ];
    let x = named_noise("input", [2, 3, 45, 67], 2.0);
    for (name, make, shape, expected_largest, expected) in rows {
        let got = make(random::weights()).unwrap()(&x, &Pool::default(), &Watch::silent()).unwrap();
        assert_eq!(got.dims(), shape, "{name}");
        let got = values(&got);
        let (off, magnitude) = (samples_off(&got, &expected) / expected_largest, largest(&got));
        println!("{name}: off by {off:.1e}, largest {magnitude} for {expected_largest}");
        assert!(off < 1e-4 && (magnitude / expected_largest - 1.0).abs() < 1e-4, "{name} is off by {off}");
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

    let config = mobilenet_v3::Config { classifier: Some([1280, 10]), ..mobilenet_v3::Config::large() };
    let net = MobileNetV3::new(config, random::weights()).unwrap();
    let features = net.features(pass.enter(&x).unwrap(), &mut pass).unwrap();
    let large = net.logits(&features, &mut pass).unwrap().unwrap().into_tensor().unwrap();

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
            "mobilenet-v3-large",
            large,
            0.55513181,
            [0.42186075, -0.26451261, 0.12185649, 0.45297686, 0.42313213, 0.38382139, 0.55513181, 0.1335268],
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

    let config = deeplabv3::Config { channels: 9, ..deeplabv3::Config::new(small_mobilenet_v3(), 6) };
    let tensors = random::tensors(|vb| DeepLabV3::new(config.clone(), vb)).unwrap();
    assert_eq!(deeplabv3::Config::from_tensors(&tensors).unwrap(), config);
    assert!(matches!(lraspp::Config::from_tensors(&tensors), Err(Error::Shape(_))));

    let config = lraspp::Config { channels: 7, ..lraspp::Config::new(small_mobilenet_v3(), 6) };
    let tensors = random::tensors(|vb| LrAspp::new(config.clone(), vb)).unwrap();
    assert_eq!(lraspp::Config::from_tensors(&tensors).unwrap(), config);

    let config = mobilenet_v3::Config { classifier: Some([11, 3]), ..small_mobilenet_v3() };
    let mut tensors = random::tensors(|vb| MobileNetV3::new(config.clone(), vb)).unwrap();
    assert_eq!(mobilenet_v3::Config::from_tensors(&tensors, "features.").unwrap(), config);
    tensors.remove("features.5.block.2.fc1.weight");
    assert!(matches!(mobilenet_v3::Config::from_tensors(&tensors, "features."), Err(Error::Shape(_))));

    let config = small_voc21();
    let tensors = random::tensors(|vb| DeepLabV3MobileNetV2::new(config.clone(), vb)).unwrap();
    assert_eq!(deeplabv3_mobilenet_v2::Config::from_tensors(&tensors).unwrap(), config);

    for bilinear in [false, true] {
        let mut config = unet::Config { channels: 2, ..unet::Config::new(6, bilinear, 3) };
        config.down[1] = [5, 7];
        config.up[2] = [9, 8];
        let tensors = random::tensors(|vb| Unet::new(config.clone(), vb)).unwrap();
        assert_eq!(unet::Config::from_tensors(&tensors).unwrap(), config);
    }

    let mut config = vgg::Config::paper();
    config.widths.iter_mut().enumerate().for_each(|(i, widths)| widths.fill(4 + i));
    let tensors = random::tensors(|vb| Vgg16::new(&config, vb)).unwrap();
    assert_eq!(vgg::Config::from_tensors(&tensors).unwrap(), config);

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
    let net = MobileNetV3::new(mobilenet_v3::Config::large(), random::weights()).unwrap();
    let classifier = (960.0 * 1280.0 + 1280.0 * 1000.0) / 1e9;
    assert!((billions(net.flops([1, 3, 224, 224])) + classifier - 0.217).abs() < 1e-3);
    let lraspp = LrAspp::new(lraspp::Config::new(mobilenet_v3::Config::large(), 21), random::weights()).unwrap();
    // Ours classifies before it resizes: of 128 channels at a sixteenth of the picture, not at an eighth.
    let spared = 128.0 * 21.0 * (65.0 * 65.0 - 33.0 * 33.0) / 1e9;
    assert!((billions(lraspp.flops([1, 3, 520, 520])) + spared - 2.086).abs() < 1e-3);
    let fcn = Fcn::new(fcn::Config::new(resnet::Config::resnet50(), 21), random::weights()).unwrap();
    let deeplab = DeepLabV3::new(deeplabv3::Config::new(resnet::Config::resnet50(), 21), random::weights()).unwrap();
    // Their documented work counts the auxiliary head: 1024 -> 256 -> 21 channels over an eighth of the picture.
    let auxiliary = 65.0 * 65.0 * (1024.0 * 256.0 * 9.0 + 256.0 * 21.0) / 1e9;
    assert!((billions(fcn.flops([1, 3, 520, 520])) + auxiliary - 152.717).abs() < 1e-3);
    assert!((billions(deeplab.flops([1, 3, 520, 520])) + auxiliary - 178.722).abs() < 1e-3);

    let parameters = |tensors: Result<HashMap<String, Tensor>>| {
        let trained = tensors.unwrap().into_iter().filter(|(name, _)| !name.contains("running_"));
        trained.map(|(_, t)| t.elem_count()).sum::<usize>()
    };
    let fcn = fcn::Config::new(resnet::Config::resnet50(), 21);
    assert_eq!(parameters(random::tensors(|vb| Fcn::new(fcn, vb))), 32_957_013);
    let lraspp = lraspp::Config::new(mobilenet_v3::Config::large(), 21);
    assert_eq!(parameters(random::tensors(|vb| LrAspp::new(lraspp, vb))), 3_221_538);
    let light = deeplabv3::Config::new(mobilenet_v3::Config::large(), 21);
    // The auxiliary head again: 40 -> 10 -> 21 channels.
    let auxiliary = 65.0 * 65.0 * (40.0 * 10.0 * 9.0 + 10.0 * 21.0) / 1e9;
    let net = DeepLabV3::new(light.clone(), random::weights()).unwrap();
    assert!((billions(net.flops([1, 3, 520, 520])) + auxiliary - 10.452).abs() < 1e-3);
    assert_eq!(parameters(random::tensors(|vb| DeepLabV3::new(light, vb))), 11_029_328 - 3_851);
}

#[test]
fn progress_reaches_its_end_and_a_pass_can_be_cancelled() {
    for (name, _, make) in small_networks() {
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
    for (name, least, make) in small_networks() {
        let net = make(random::weights()).unwrap();
        for shape in [[1, 4, 32, 32], [1, 3, 0, 32], [1, 3, 32, least - 1]] {
            let x = Tensor::zeros(&shape[..], DType::F32, &Device::Cpu).unwrap();
            let refused = net(&x, &Pool::default(), &Watch::silent());
            assert!(matches!(refused, Err(Error::Shape(_))), "{name} of {shape:?}");
        }
    }
}
