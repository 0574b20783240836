//! Segmentation networks from the field's own checkpoints, and how those are told apart.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use lucida::models::{
    DeepLabV3, DeepLabV3MobileNetV2, DeepLabV3Plus, Fcn, Fcn8s, LrAspp, MobileNetV3, Normalisation, ResNet, Segmenter,
    Unet, UnetEfficientNetLite, Vgg16, deeplabv3, deeplabv3_mobilenet_v2, fcn, lraspp, mobilenet_v3, random, resnet,
    unet, vgg,
};
use lucida::nn::{Error, Pass, Pool, Watch};
use lucida::zoo::{self, ZooError};

use crate::architectures::{largest, named_noise, samples_off};
use crate::efficientnet_lite::{small_deeplab, small_fcn, small_unet};
use crate::{noise, relative, shared, values};

type Tensors = HashMap<String, Tensor>;

fn run(net: &dyn Segmenter, x: &Tensor) -> Tensor {
    net.forward(x, &Pool::default(), &Watch::silent()).unwrap()
}

#[test]
fn unet_agrees_with_pytorch_unet() {
    let Some(folder) = shared("oracles") else { return };
    // Of the two containers of `torch.save`, with weights that lie channels last; even and odd pictures.
    for name in ["unet_bilinear_b4", "unet_transposed_b4"] {
        let tensors = zoo::read_tensors(&folder.join(format!("{name}.pth"))).unwrap();
        let (architecture, net) = zoo::segmenter(tensors).unwrap();
        assert_eq!((architecture, net.classes(), net.channels(), net.smallest()), ("unet", 4, 3, 16));
        assert_eq!(net.normalisation(), Normalisation::NONE);
        let io = zoo::read_tensors(&folder.join(format!("{name}.io.safetensors"))).unwrap();
        for suffix in ["", "_2"] {
            let got = run(&*net, &io[&format!("input{suffix}")]);
            let off = relative(&got, &io[&format!("output{suffix}")]);
            println!("{name}{suffix} {:?}: off by {off:.1e}", got.dims());
            assert!(off < 1e-3, "{name}{suffix} is off by {off}");
            let (labels, expected) = (values(&got.argmax(1).unwrap()), values(&io[&format!("argmax{suffix}")]));
            let others = labels.iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert!(others * 1000 <= labels.len(), "{name}{suffix} labels {others} pixels otherwise");
        }
    }
}

/// The numbers are PyTorch's in double precision, of a network written down from the weights' description alone; on
/// photographs of a person, a cat and a motorbike it finds just those.
#[test]
fn the_teacher_of_everyday_things_gives_its_values() {
    let Some(folder) = shared("weights") else { return };
    let tensors = zoo::read_tensors(&folder.join("deeplabv3_mobilenetv2_voc21.safetensors")).unwrap();
    let (architecture, net) = zoo::segmenter(tensors).unwrap();
    assert_eq!((architecture, net.classes(), net.smallest()), ("deeplabv3-mobilenet-v2-voc21", 21, 1));
    assert_eq!(net.normalisation(), Normalisation::SIGNED);
    // Where TensorFlow pads both sides alike, and where it does not.
    for (shape, expected_largest, expected) in [
        (
            [2, 3, 45, 67],
            31.393498,
            [22.808659, 17.010834, 18.796007, 1.6869256, 2.2056552, 13.060482, 1.7009991, -0.39953168],
        ),
        (
            [1, 3, 64, 94],
            21.857435,
            [20.011025, 0.88089123, 15.741263, 11.62019, 6.0990881, 1.7934029, 4.5033306, 4.9153096],
        ),
    ] {
        let got = values(&run(&*net, &named_noise("input", shape, 1.0)));
        let off = samples_off(&got, &expected) / expected_largest;
        println!("deeplabv3-mobilenet-v2-voc21 of {shape:?}: off by {off:.1e}");
        assert!(off < 1e-4 && (largest(&got) / expected_largest - 1.0).abs() < 1e-4, "{shape:?} is off by {off}");
    }
}

fn small() -> resnet::Config {
    resnet::Config { blocks: [1, 1, 2, 1], ..resnet::Config::resnet50().of_width(4) }
}

/// A checkpoint of each segmentation architecture, small, with its classes.
fn checkpoints() -> Vec<(&'static str, usize, Tensors)> {
    let deep = || resnet::Config { blocks: [1, 1, 23, 1], ..small() };
    let large = mobilenet_v3::Config::large;
    let fcn = |backbone, classes| random::tensors(|vb| Fcn::new(fcn::Config::new(backbone, classes), vb)).unwrap();
    let deeplab = |cfg: deeplabv3::Config| random::tensors(|vb| DeepLabV3::new(cfg, vb)).unwrap();
    let unet = |bilinear| random::tensors(|vb| Unet::new(unet::Config::new(4, bilinear, 3), vb)).unwrap();
    let narrow = |backbone| deeplabv3::Config { channels: 8, ..deeplabv3::Config::new(backbone, 6) };
    let lraspp = random::tensors(|vb| LrAspp::new(lraspp::Config::new(large(), 8), vb)).unwrap();
    let voc = deeplabv3_mobilenet_v2::Config::new(9);
    let voc = random::tensors(|vb| DeepLabV3MobileNetV2::new(voc, vb)).unwrap();
    vec![
        ("fcn-resnet50", 4, fcn(small(), 4)),
        ("fcn-resnet101", 5, fcn(deep(), 5)),
        ("deeplabv3-resnet50", 6, deeplab(narrow(small()))),
        ("deeplabv3-resnet101", 6, deeplab(narrow(deep()))),
        ("deeplabv3-mobilenet-v3-large", 7, deeplab(deeplabv3::Config::new(large(), 7))),
        ("lraspp-mobilenet-v3-large", 8, lraspp),
        ("deeplabv3-mobilenet-v2-voc21", 9, voc),
        ("fcn-efficientnet-lite0", 4, random::tensors(|vb| Fcn8s::new(small_fcn(4), vb)).unwrap()),
        ("unet-efficientnet-lite0", 5, random::tensors(|vb| UnetEfficientNetLite::new(small_unet(5), vb)).unwrap()),
        (
            "deeplabv3plus-efficientnet-lite0",
            6,
            random::tensors(|vb| DeepLabV3Plus::new(small_deeplab(6), vb)).unwrap(),
        ),
        ("unet", 3, unet(true)),
        ("unet", 3, unet(false)),
    ]
}

#[test]
fn a_checkpoints_architecture_is_told_by_its_tensors() {
    for (architecture, classes, mut tensors) in checkpoints() {
        // What training leaves behind is in nobody's way.
        tensors.insert("aux_classifier.4.weight".into(), noise([2, 2, 1, 1], 1));
        assert_eq!(zoo::recognise(&tensors).unwrap(), architecture);
        let (found, net) = zoo::segmenter(tensors).unwrap();
        assert_eq!((found, net.classes()), (architecture, classes));
        let got = run(&*net, &noise([1, 3, 18, 35], 2));
        assert_eq!(got.dims(), [1, classes, 18, 35], "{architecture}");
    }
    let classifier = |classes| resnet::Config { classes, ..small() };
    let others = [
        ("resnet101", random::tensors(|vb| ResNet::new(classifier(Some(4)), vb))),
        ("mobilenet-v3-large", random::tensors(|vb| MobileNetV3::new(mobilenet_v3::Config::large(), vb))),
        ("vgg16", random::tensors(|vb| Vgg16::new(&vgg::Config::paper(), vb))),
    ];
    for (architecture, tensors) in others {
        let tensors = tensors.unwrap();
        assert_eq!(zoo::recognise(&tensors).unwrap(), architecture);
        let said = zoo::segmenter(tensors).unwrap_err();
        assert!(matches!(said, ZooError::NoSegmenter { .. }) && said.to_string().contains(architecture), "{said}");
    }
}

#[test]
fn a_wrong_checkpoint_is_told_by_the_first_tensor_it_lacks() {
    // What an architecture is told by, and what only building it needs.
    for (architecture, _, whole) in checkpoints() {
        let mut names: Vec<&String> = whole.keys().filter(|name| name.ends_with(".weight")).collect();
        names.sort();
        for name in names.into_iter().step_by(3) {
            let mut tensors = whole.clone();
            tensors.remove(name);
            match zoo::segmenter(tensors) {
                Err(said) => assert!(said.to_string().contains(name.as_str()), "{architecture}: {said}"),
                Ok((found, _)) => panic!("without {name} {architecture} passes for {found}"),
            }
        }
    }
    let stranger: Tensors = [("encoder.embed.weight".to_owned(), noise([1, 1, 2, 2], 1))].into();
    let said = zoo::segmenter(stranger).unwrap_err();
    assert!(matches!(said, ZooError::Unknown { .. }));
    let said = said.to_string();
    for part in ["encoder.embed.weight", "backbone.conv1.weight", "lraspp-mobilenet-v3-large"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(matches!(zoo::segmenter(Tensors::new()), Err(ZooError::Unknown { .. })));

    let (_, _, mut tensors) = checkpoints().remove(0);
    tensors.insert("classifier.4.bias".into(), noise([1, 1, 2, 2], 1));
    let said = zoo::segmenter(tensors).unwrap_err();
    assert!(matches!(said, ZooError::Incomplete { architecture: "fcn-resnet50", .. }));
    assert!(said.to_string().contains("classifier.4.bias"), "{said}");
}

#[test]
fn coarse_logits_grow_as_the_network_says() {
    for (architecture, classes, tensors) in checkpoints() {
        let (_, net) = zoo::segmenter(tensors).unwrap();
        let x = noise([2, 3, 40, 66], 3);
        let (pool, watch) = (Pool::default(), Watch::silent());
        let mut pass = Pass::new(&pool, &watch, 0.0);
        let coarse = net.logits(pass.enter(&x).unwrap(), &mut pass).unwrap();
        let stride = match architecture {
            "unet" | "unet-efficientnet-lite0" => 1,
            "deeplabv3plus-efficientnet-lite0" => 4,
            _ if architecture.starts_with("deeplabv3-mobilenet") => 16,
            _ => 8,
        };
        assert_eq!(coarse.shape(), [2, classes, 40usize.div_ceil(stride), 66usize.div_ceil(stride)], "{architecture}");
        let grown = pass.bilinear(&coarse, [40, 66], net.align_corners()).unwrap().into_tensor().unwrap();
        assert!(relative(&run(&*net, &x), &grown) < 1e-6, "{architecture}");
        // Of a network of several forms these are the last.
        let all = net.all_logits(pass.enter(&x).unwrap(), &mut pass).unwrap();
        assert_eq!(all.len(), net.forms().len().max(1), "{architecture}");
        let last = all.into_iter().next_back().unwrap().into_tensor().unwrap();
        assert!(relative(&last, &coarse.into_tensor().unwrap()) < 1e-6, "{architecture}");
    }
}

#[test]
fn memory_is_counted_where_most_is_held() {
    let net = Unet::new(unet::Config::new(8, true, 3), random::weights()).unwrap();
    // Where the way up joins the picture's own size: both parts, and the whole.
    assert_eq!(net.count([1, 3, 64, 64]).unwrap().most, f64::from(4 * 8 * 64 * 64));
    let wide = Unet::new(unet::Config { down: [[3000, 8]; 5], ..net.config().clone() }, random::weights()).unwrap();
    assert!(wide.count([1, 3, 64, 64]).unwrap().check().is_ok());
    let refused = wide.count([1, 3, 512, 512]).unwrap().check().unwrap_err();
    assert!(refused.to_string().contains("too wide"), "{refused}");
}

#[test]
fn a_picture_too_small_is_told_what_it_lacks() {
    for (architecture, _, tensors) in checkpoints() {
        let (_, net) = zoo::segmenter(tensors).unwrap();
        let least = net.smallest();
        for (height, width) in [(least - 1, least + 3), (least + 3, least - 1)] {
            let x = Tensor::zeros((1, 3, height, width), DType::F32, &Device::Cpu).unwrap();
            let said = net.forward(&x, &Pool::default(), &Watch::silent()).unwrap_err();
            assert!(matches!(said, Error::Shape(_)), "{architecture}");
            for part in [format!("{width} x {height}"), format!("needs {least} pixels")] {
                assert!(said.to_string().contains(&part), "{architecture}: {said}");
            }
        }
        let x = Tensor::zeros((1, 3, least, least), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(run(&*net, &x).dims()[2..], [least; 2], "{architecture}");
    }
}

#[test]
fn a_misshapen_checkpoint_is_refused() {
    for (architecture, _, whole) in checkpoints() {
        let mut names: Vec<&String> = whole.keys().collect();
        names.sort();
        for (i, name) in names.into_iter().enumerate().step_by(13) {
            let shapes: [&[usize]; 5] = [&[], &[7], &[0, 1, 1, 1], &[1, 2, 9, 9], &[1 << 20, 1, 1, 1]];
            let shape = shapes[i / 13 % shapes.len()];
            let mut tensors = whole.clone();
            tensors.insert(name.clone(), Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap());
            let said = zoo::segmenter(tensors);
            assert!(
                matches!(said, Err(ZooError::Incomplete { .. })),
                "{architecture} whose {name} is {shape:?} becomes {said:?}"
            );
        }
    }
}

#[test]
fn a_unet_of_before_its_norms_took_the_biases_over_is_the_same_network() {
    let (_, _, plain) = checkpoints().pop().unwrap();
    let mut biased = plain.clone();
    for (conv, norm) in [(0, 1), (3, 4)] {
        let name = format!("down2.maxpool_conv.1.double_conv.{norm}.running_mean");
        let bias = noise([1, 1, 1, plain[&name].elem_count()], 5).flatten_all().unwrap();
        biased.insert(name.clone(), (&plain[&name] + &bias).unwrap());
        biased.insert(format!("down2.maxpool_conv.1.double_conv.{conv}.bias"), bias);
    }
    let x = noise([1, 3, 33, 47], 4);
    let [plain, biased] = [plain, biased].map(|tensors| run(&*zoo::segmenter(tensors).unwrap().1, &x));
    assert!(relative(&biased, &plain) < 1e-5);
}
