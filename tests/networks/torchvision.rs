//! Whole networks with trained-like statistics against torchvision's own outputs, where they are at hand.

use std::path::PathBuf;

use lucida::nn::Precision;

use crate::relative;

/// The folders named by `LUCIDA_TORCHVISION` (several separated as in PATH), each with NAME.pth and NAME.io.safetensors
/// as `torchvision_oracles.py` writes them.
fn folders() -> Vec<PathBuf> {
    match std::env::var_os("LUCIDA_TORCHVISION") {
        Some(list) => std::env::split_paths(&list).collect(),
        None => {
            eprintln!("SKIPPED: LUCIDA_TORCHVISION names no folder of torchvision's outputs");
            Vec::new()
        }
    }
}

#[test]
fn networks_agree_with_torchvision() {
    for folder in folders() {
        let mut found = 0;
        for (arch, name, outputs) in [
            ("mobilenet-v2", "mobilenet_v2", &["output", "features"][..]),
            ("resnet101", "resnet101_encoder", &["output", "layer4", "logits"]),
            ("fcn-resnet50", "fcn_resnet50", &["output"]),
            ("deeplabv3-resnet50", "deeplabv3_resnet50", &["output"]),
            ("deeplabv3-resnet101", "deeplabv3_resnet101", &["output"]),
            ("deeplabv3-mobilenet-v3-large", "deeplabv3_mobilenet_v3_large", &["output"]),
            ("lraspp-mobilenet-v3-large", "lraspp_mobilenet_v3_large", &["output"]),
            ("unet", "unet_bilinear", &["output"]),
            ("unet", "unet_transposed", &["output"]),
            ("vgg16", "vgg16_taps", &["output", "relu1_2", "relu2_2", "relu3_3", "relu4_3"]),
        ] {
            let (weights, io) = (folder.join(format!("{name}.pth")), folder.join(format!("{name}.io.safetensors")));
            if !weights.exists() {
                eprintln!("SKIPPED: no {}", weights.display());
                continue;
            }
            found += 1;
            let got = lucida::tasks::forward(arch, &weights, &io, Precision::F32).unwrap();
            let expected = lucida::zoo::read_tensors(&io).unwrap();
            for output in outputs {
                let off = relative(&got[*output], &expected[*output]);
                println!("{name} {output} {:?}: off by {off:.1e}", got[*output].dims());
                assert!(off < 1e-3, "{name} {output} is off by {off}");
            }
        }
        assert!(found > 0, "{} holds none of the networks", folder.display());
    }
}
