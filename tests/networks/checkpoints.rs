//! Checkpoint files as `lucida forward` takes them.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::{Fcn, MobileNetV2, ResNet, Segmenter, fcn, mobilenet_v2, random, resnet};
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
