//! EfficientNet-Lite0 and the segmentation networks over it.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::{
    Backbone, DeepLabV3Plus, EfficientNetLite, Fcn8s, Segmenter, UnetEfficientNetLite, deeplabv3plus,
    efficientnet_lite, fcn8s, random, unet_efficientnet_lite,
};
use lucida::nn::{Error, Padding, Pass, Pool, Result, Watch};

use crate::architectures::{largest, named_noise, samples_off};
use crate::{noise, relative, values};

/// No two layers as wide as each other where that can be told.
pub fn small() -> efficientnet_lite::Config {
    let mut config = efficientnet_lite::Config { first: 6, ..efficientnet_lite::Config::lite0() };
    for (i, block) in config.blocks.iter_mut().enumerate() {
        (block.hidden, block.out) = (if i == 0 { 6 } else { 7 + i }, 4 + i / 3);
    }
    config
}

pub fn small_fcn(classes: usize) -> fcn8s::Config {
    fcn8s::Config { channels: 9, ..fcn8s::Config::new(small(), classes) }
}

pub fn small_unet(classes: usize) -> unet_efficientnet_lite::Config {
    let up = [[13, 12], [11, 10], [9, 8], [7, 6], [5, 4]];
    unet_efficientnet_lite::Config { up, ..unet_efficientnet_lite::Config::new(small(), classes) }
}

pub fn small_deeplab(classes: usize) -> deeplabv3plus::Config {
    deeplabv3plus::Config { channels: 12, low: 5, ..deeplabv3plus::Config::new(small(), classes) }
}

fn lite0() -> efficientnet_lite::Config {
    efficientnet_lite::Config::lite0()
}

fn weights(tensors: &HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu)
}

/// The networks written down in PyTorch from the weights' description alone, and for TensorFlow's padding the package
/// `efficientnet-lite-pytorch` 0.1 itself, in double precision, their state dicts filled with the values of
/// [`random::weights`].
#[test]
fn the_networks_give_pytorchs_values() {
    let (pool, watch) = (Pool::default(), Watch::silent());
    let x = named_noise("input", [2, 3, 45, 67], 2.0);
    let encoder = |config| {
        let net = EfficientNetLite::new(config, random::weights()).unwrap();
        net.forward(&x, &pool, &watch).unwrap()
    };
    let fcn = Fcn8s::new(fcn8s::Config::new(lite0(), 5), random::weights()).unwrap();
    let mut pass = Pass::new(&pool, &watch, 0.0);
    let scores = fcn.all_logits(pass.enter(&x).unwrap(), &mut pass).unwrap();
    let mut forms = scores.iter().map(|s| pass.bilinear(s, [45, 67], false).unwrap().into_tensor().unwrap());
    assert_eq!(fcn.forms(), ["FCN-32s", "FCN-16s", "FCN-8s"]);
    let mut form = || forms.next().unwrap();
    let unet = UnetEfficientNetLite::new(unet_efficientnet_lite::Config::new(lite0(), 5), random::weights()).unwrap();
    let deeplab = DeepLabV3Plus::new(deeplabv3plus::Config::new(lite0(), 5), random::weights()).unwrap();
    for (name, got, shape, expected_largest, expected) in [
        (
            "efficientnet-lite0",
            encoder(lite0()),
            [2, 320, 2, 3],
            9.5464282,
            [-0.098268524, 2.0764201, 1.5942769, 1.4235086, 1.145573, 0.24107784, 2.4062189, -1.1635691],
        ),
        (
            "efficientnet-lite0, TensorFlow's padding",
            encoder(efficientnet_lite::Config { padding: Padding::Same, ..lite0() }),
            [2, 320, 2, 3],
            8.7741257,
            [-0.91096858, 1.5971243, 0.48190021, 4.3378671, 1.1099656, 1.220534, 1.5875098, 1.5763875],
        ),
        (
            "efficientnet-lite0, atrous",
            encoder(lite0().atrous()),
            [2, 320, 3, 5],
            9.5464282,
            [-0.098268524, 1.2885215, 1.5942769, 1.81442, 1.145573, 1.1827886, -0.22567957, -1.1635691],
        ),
        (
            "fcn-32s",
            form(),
            [2, 5, 45, 67],
            5.7696451,
            [-0.70599781, 1.4743638, 1.701858, -3.8002125, -1.3831893, 5.2086882, -0.35848442, -2.7472488],
        ),
        (
            "fcn-16s",
            form(),
            [2, 5, 45, 67],
            11.728606,
            [-2.0539276, 4.3127831, 0.46895327, 1.365661, -4.6938432, 2.0656202, -3.131858, -2.7387073],
        ),
        (
            "fcn-8s",
            fcn.forward(&x, &pool, &watch).unwrap(),
            [2, 5, 45, 67],
            11.945892,
            [-0.17068105, 1.4416168, -3.5694833, 2.5026459, -1.6943653, -3.1795477, -7.2665939, 1.7016424],
        ),
        (
            "unet",
            unet.forward(&x, &pool, &watch).unwrap(),
            [2, 5, 45, 67],
            6.1653228,
            [0.20213032, 0.069928734, 1.0988569, -0.86391401, 0.35633176, -0.86052077, 3.2849322, -0.01942463],
        ),
        (
            "deeplabv3+",
            deeplab.forward(&x, &pool, &watch).unwrap(),
            [2, 5, 45, 67],
            3.5016858,
            [-0.91830674, 0.16047366, -1.0780116, 1.2395782, -1.0128015, -1.3287103, 0.16821742, -0.26798158],
        ),
    ] {
        assert_eq!(got.dims(), shape, "{name}");
        let got = values(&got);
        let (off, magnitude) = (samples_off(&got, &expected) / expected_largest, largest(&got));
        println!("{name}: off by {off:.1e}, largest {magnitude} for {expected_largest}");
        assert!(off < 1e-4 && (magnitude / expected_largest - 1.0).abs() < 1e-4, "{name} is off by {off}");
    }
    assert!(relative(&form(), &fcn.forward(&x, &pool, &watch).unwrap()) < 1e-6, "the last form is the usual one");
}

#[test]
fn every_second_atrous_feature_is_the_strided_networks() {
    let (pool, watch) = (Pool::default(), Watch::silent());
    let tensors = random::tensors(|vb| EfficientNetLite::new(lite0(), vb)).unwrap();
    let strided = EfficientNetLite::new(lite0(), weights(&tensors)).unwrap();
    let atrous = EfficientNetLite::new(lite0().atrous(), weights(&tensors)).unwrap();
    for (height, width) in [(1, 1), (2, 33), (64, 96), (75, 101), (49, 17)] {
        let x = noise([1, 3, height, width], 3);
        let mut pass = Pass::new(&pool, &watch, 0.0);
        let mut levels = |net: &EfficientNetLite| {
            let levels = net.levels(pass.enter(&x).unwrap(), &mut pass).unwrap();
            let (tally, shapes) = net.count_levels([1, 3, height, width]).unwrap();
            assert_eq!(levels.each_ref().map(|level| level.shape()), shapes);
            assert_eq!(tally.flops, net.flops([1, 3, height, width]).unwrap());
            levels.map(|level| level.into_tensor().unwrap())
        };
        let (strided, atrous) = (levels(&strided), levels(&atrous));
        for (level, (strided, atrous)) in strided.iter().zip(&atrous).enumerate() {
            let size = |stride: usize| [height.div_ceil(stride), width.div_ceil(stride)];
            assert_eq!(strided.dims()[2..], size(2 << level));
            assert_eq!(atrous.dims()[2..], size(2 << level.min(3)));
            let even = |n: usize, dim: usize, t: Tensor| {
                let index: Vec<u32> = (0..n as u32).step_by(if level == 4 { 2 } else { 1 }).collect();
                t.index_select(&Tensor::new(index, &Device::Cpu).unwrap(), dim).unwrap()
            };
            let [rows, columns] = size(2 << level.min(3));
            let off = relative(&even(columns, 3, even(rows, 2, atrous.clone())), strided);
            println!("{height} x {width}, level {level}: off by {off:.1e}");
            assert!(off < 1e-5, "{height} x {width}, level {level} is off by {off}");
        }
    }
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let mut tensors = random::tensors(|vb| EfficientNetLite::new(small(), vb.pp("trunk"))).unwrap();
    assert_eq!(efficientnet_lite::Config::from_tensors(&tensors, "trunk.").unwrap(), small());
    tensors.insert("trunk.same_padding".into(), noise([1, 1, 1, 1], 1));
    let same = efficientnet_lite::Config { padding: Padding::Same, ..small() };
    assert_eq!(efficientnet_lite::Config::from_tensors(&tensors, "trunk.").unwrap(), same);
    assert!(matches!(efficientnet_lite::Config::from_tensors(&tensors, ""), Err(Error::Shape(_))));
    let net = EfficientNetLite::new(same.clone(), weights(&tensors).pp("trunk")).unwrap();
    assert_eq!(net.config(), &same);

    let tensors = random::tensors(|vb| Fcn8s::new(small_fcn(4), vb)).unwrap();
    assert_eq!(fcn8s::Config::from_tensors(&tensors).unwrap(), small_fcn(4));
    assert!(matches!(unet_efficientnet_lite::Config::from_tensors(&tensors), Err(Error::Shape(_))));
    let tensors = random::tensors(|vb| UnetEfficientNetLite::new(small_unet(4), vb)).unwrap();
    assert_eq!(unet_efficientnet_lite::Config::from_tensors(&tensors).unwrap(), small_unet(4));
    assert!(matches!(deeplabv3plus::Config::from_tensors(&tensors), Err(Error::Shape(_))));
    let tensors = random::tensors(|vb| DeepLabV3Plus::new(small_deeplab(4), vb)).unwrap();
    assert_eq!(deeplabv3plus::Config::from_tensors(&tensors).unwrap(), small_deeplab(4));
    assert!(matches!(fcn8s::Config::from_tensors(&tensors), Err(Error::Shape(_))));
}

#[test]
fn an_encoder_of_other_levels_is_refused() {
    let strides = |at: &[usize]| {
        let mut config = small();
        config.blocks.iter_mut().enumerate().for_each(|(i, block)| block.stride = 1 + usize::from(at.contains(&i)));
        EfficientNetLite::new(config, random::weights()).map(|net| net.config().channels().unwrap())
    };
    assert_eq!(strides(&[1, 2, 3, 4]).unwrap(), [4, 4, 4, 5, 9]);
    for at in [&[][..], &[1, 3, 5], &[0, 1, 3, 5], &[1, 3, 5, 7, 9]] {
        assert!(matches!(strides(at), Err(Error::Shape(_))), "{at:?}");
    }
    let none = efficientnet_lite::Config { blocks: Vec::new(), ..small() };
    assert!(matches!(EfficientNetLite::new(none, random::weights()), Err(Error::Shape(_))));
}

#[test]
fn the_work_is_the_definitions() {
    // Multiply-adds and parameters counted in PyTorch; EfficientNet-Lite0 is known to have 4 652 008 with its head.
    fn parameters<T>(build: impl FnOnce(VarBuilder<'static>) -> Result<T>) -> usize {
        let tensors = random::tensors(build).unwrap();
        tensors.iter().filter(|(name, _)| !name.contains("running_")).map(|(_, t)| t.elem_count()).sum()
    }
    let head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000;
    assert_eq!(parameters(|vb| EfficientNetLite::new(lite0(), vb)) + head, 4_652_008);
    let (unet, deeplab) = (unet_efficientnet_lite::Config::new(lite0(), 11), deeplabv3plus::Config::new(lite0(), 21));
    let fcn = Fcn8s::new(fcn8s::Config::new(lite0(), 11), random::weights()).unwrap();
    assert_eq!(parameters(|vb| Fcn8s::new(fcn.config().clone(), vb)), 3_701_161);
    assert_eq!(parameters(|vb| UnetEfficientNetLite::new(unet.clone(), vb)), 4_468_859);
    assert_eq!(parameters(|vb| DeepLabV3Plus::new(deeplab.clone(), vb)), 3_301_861);

    let encoder = |config| EfficientNetLite::new(config, random::weights()).unwrap();
    let unet = UnetEfficientNetLite::new(unet, random::weights()).unwrap();
    let deeplab = DeepLabV3Plus::new(deeplab, random::weights()).unwrap();
    for (shape, expected) in [
        ([1, 3, 224, 224], [363_837_152.0, 681_286_592.0, 400_688_288.0, 1_960_638_176.0, 822_284_480.0]),
        ([1, 3, 75, 101], [69_602_448.0, 119_271_408.0, 78_583_920.0, 323_408_352.0, 142_638_416.0]),
    ] {
        let flops = [
            encoder(lite0()).flops(shape),
            encoder(lite0().atrous()).flops(shape),
            fcn.flops(shape),
            unet.flops(shape),
            deeplab.flops(shape),
        ];
        assert_eq!(flops.map(|flops| flops.unwrap() / 2.0), expected, "{shape:?}");
    }
}
