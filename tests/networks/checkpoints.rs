//! Checkpoint files as `lucida forward` takes them.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::cyclegan::Normalisation;
use lucida::models::pix2pix::{self, UnetGenerator};
use lucida::models::transformer_net::{self, TransformerNet};
use lucida::models::{
    Fcn, MobileNetV2, PatchGan, ResNet, Segmenter, Unet, fcn, mobilenet_v2, patch_gan, random, resnet, unet,
};
use lucida::nn::{Pool, Precision, Watch};
use lucida::tasks::{TaskError, forward};

use crate::{noise, relative};

fn small_backbone() -> resnet::Config {
    resnet::Config { blocks: [1, 2, 1, 1], ..resnet::Config::resnet50().of_width(4) }
}

fn run(arch: &str, weights: &HashMap<String, Tensor>, x: &Tensor) -> Result<HashMap<String, Tensor>, TaskError> {
    let dir = tempfile::tempdir().unwrap();
    let (w, i) = (dir.path().join("weights"), dir.path().join("input"));
    candle_core::safetensors::save(weights, &w).unwrap();
    x.save_safetensors("input", &i).unwrap();
    forward(arch, &w, &i, Precision::F32)
}

#[test]
fn what_training_left_in_a_checkpoint_changes_nothing() {
    let config = fcn::Config::new(small_backbone(), 4);
    let plain = random::tensors(|vb| Fcn::new(config.clone(), vb)).unwrap();
    let net = Fcn::new(config, VarBuilder::from_tensors(plain.clone(), DType::F32, &Device::Cpu)).unwrap();
    let x = noise([1, 3, 37, 50], 1);
    let expected = net.forward(&x, &Pool::default(), &Watch::silent()).unwrap();
    assert_eq!(expected.dims(), [1, 4, 37, 50]);

    let mut trained = plain;
    trained.insert("aux_classifier.0.weight".into(), noise([2, 2, 3, 3], 2));
    trained.insert("backbone.bn1.num_batches_tracked".into(), Tensor::new(4321i64, &Device::Cpu).unwrap());
    let parallel = trained.iter().map(|(name, t)| (format!("module.{name}"), t.clone())).collect();
    for weights in [&trained, &parallel] {
        let got = run("fcn-resnet50", weights, &x).unwrap();
        assert_eq!(got.len(), 1);
        assert!(relative(&got["output"], &expected) < 1e-6);
    }
    for other in ["fcn-resnet101", "deeplabv3-resnet50", "mobilenet-v2"] {
        let error = run(other, &trained, &x).unwrap_err().to_string();
        assert!(error.contains(other) && error.contains("fcn-resnet50"), "{error}");
    }
    assert!(matches!(run("unheard-of", &trained, &x), Err(TaskError::UnknownNet { .. })));
}

#[test]
fn classifiers_give_their_features_too() {
    let x = noise([2, 3, 70, 90], 1);
    let config = resnet::Config { classes: Some(5), ..small_backbone() };
    let weights = random::tensors(|vb| ResNet::new(config, vb)).unwrap();
    let got = run("resnet101", &weights, &x).unwrap();
    assert_eq!(got["layer4"].dims(), [2, 128, 3, 3]);
    assert_eq!(got["output"].dims(), [2, 128, 14, 14], "the grid that captioning attends to");
    assert_eq!(got["logits"].dims(), [2, 5]);

    let config = mobilenet_v2::Config { classes: Some(5), ..mobilenet_v2::Config::paper() };
    let mut weights = random::tensors(|vb| MobileNetV2::new(config, vb)).unwrap();
    let got = run("mobilenet-v2", &weights, &x).unwrap();
    assert_eq!((got["features"].dims(), got["output"].dims()), (&[2, 1280, 3, 3][..], &[2, 5][..]));
    weights.retain(|name, _| !name.starts_with("classifier"));
    let bare = run("mobilenet-v2", &weights, &x).unwrap();
    assert!(relative(&bare["output"], &got["features"]) < 1e-6);
}

#[test]
fn a_plain_picture_stays_plain() {
    let weights = TransformerNet::random(&transformer_net::Config::johnson(8)).unwrap();
    let colours = Tensor::new(&[120f32, 60.0, 200.0], &Device::Cpu).unwrap();
    let x = colours.reshape((1, 3, 1, 1)).unwrap().broadcast_as((1, 3, 40, 56)).unwrap().contiguous().unwrap();
    let y = run("transformer-net", &weights, &x).unwrap()["output"].flatten_from(2).unwrap();
    let spread = (y.max(2).unwrap() - y.min(2).unwrap()).unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    let largest = y.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(spread <= 1e-4 * largest, "{spread} of {largest}");
}

fn renamed(tensors: &HashMap<String, Tensor>, name: impl Fn(&str) -> String) -> HashMap<String, Tensor> {
    tensors.iter().map(|(old, t)| (name(old), t.clone())).collect()
}

/// A small generator as PyTorch saves it before training: its batch norms have counted nothing yet.
fn untrained() -> HashMap<String, Tensor> {
    let config = pix2pix::Config {
        channels: [3, 3],
        widths: vec![5, 7, 9, 8],
        normalisation: Normalisation::Batch,
        bias: false,
    };
    let mut tensors = random::tensors(|vb| UnetGenerator::new(config, vb)).unwrap();
    for (name, value) in [("running_mean", 0f32), ("running_var", 1.0)] {
        for tensor in tensors.iter_mut().filter(|(n, _)| n.ends_with(name)).map(|(_, t)| t) {
            *tensor = Tensor::full(value, tensor.dims(), &Device::Cpu).unwrap();
        }
    }
    let means: Vec<String> = tensors.keys().filter(|n| n.ends_with("running_mean")).cloned().collect();
    for name in means {
        tensors.insert(name.replace("running_mean", "num_batches_tracked"), Tensor::new(0i64, &Device::Cpu).unwrap());
    }
    tensors
}

#[test]
fn batch_norms_that_counted_nothing_have_statistics_of_the_picture_too() {
    let x = noise([1, 3, 32, 48], 3);
    let tensors = untrained();
    let got = run("pix2pix-unet", &tensors, &x).unwrap();
    assert!(relative(&got["output_batchstats"], &got["output"]) > 0.01, "the statistics are not the picture's own");
    // Norms that only scale and shift, as our own have, count nothing.
    let fixed = tensors.into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")).collect();
    assert_eq!(run("pix2pix-unet", &fixed, &x).unwrap().len(), 1);
}

#[test]
fn networks_are_found_behind_the_names_around_them() {
    let generator = untrained();
    let judge = random::tensors(|vb| PatchGan::new(patch_gan::Config::paper(3, 4), vb)).unwrap();
    let x = noise([1, 3, 32, 48], 4);
    let expected = &run("pix2pix-unet", &generator, &x).unwrap()["output"];
    let mut both = renamed(&generator, |name| format!("netG.{name}"));
    both.extend(renamed(&judge, |name| format!("netD.{name}")));
    let mut beside = renamed(&generator, |name| format!("net.{name}"));
    beside.insert("criterion.weight".into(), noise([1, 1, 1, 4], 1).flatten_all().unwrap());
    let mut parallel = renamed(&generator, |name| format!("netG_A.module.{name}"));
    parallel.extend(renamed(&generator, |name| format!("netG_B.module.{name}")));
    for tensors in [renamed(&generator, |name| format!("generator.{name}")), both, beside, parallel] {
        let example = tensors.keys().min().unwrap().clone();
        let got = run("pix2pix-unet", &tensors, &x).unwrap_or_else(|e| panic!("{example}: {e}"));
        assert!(relative(&got["output"], expected) < 1e-6, "{example}");
        assert_eq!(got.contains_key("output_back"), example.starts_with("netG_A"), "{example}");
    }
}

#[test]
fn a_unet_of_before_2020_is_the_same_network() {
    let config = unet::Config { grown: [64, 32, 16, 8], ..unet::Config::new(4, false, 3) };
    let tensors = random::tensors(|vb| Unet::new(config.clone(), vb)).unwrap();
    assert_eq!(unet::Config::from_tensors(&tensors).unwrap(), config);
    assert_eq!(tensors["up1.up.weight"].dims(), [64, 64, 2, 2]);
    let x = noise([1, 3, 37, 50], 5);
    let expected = &run("unet", &tensors, &x).unwrap()["output"];
    assert_eq!(expected.dims(), [1, 3, 37, 50]);
    let old = renamed(&tensors, |name| {
        let name = name.replace("maxpool_conv.1.double_conv.", "mpconv.1.conv.");
        name.replace("inc.double_conv.", "inc.conv.conv.").replace("conv.double_conv.", "conv.conv.")
    });
    assert!(old.contains_key("down1.mpconv.1.conv.0.weight") && old.contains_key("up2.conv.conv.3.weight"));
    assert_eq!(relative(&run("unet", &old, &x).unwrap()["output"], expected), 0.0);
}
