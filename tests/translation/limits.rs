//! Sizes that a checkpoint may claim, so that no small file can ask for more memory than there is.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use lucida::models::{Generator, PatchGan, ResnetGenerator, UnetGenerator, cyclegan, patch_gan, pix2pix, random};
use lucida::nn::{Error, Result};

type Tensors = HashMap<String, Tensor>;

fn zeros(shapes: impl IntoIterator<Item = (String, [usize; 4])>) -> Tensors {
    let zeros = |shape: [usize; 4]| Tensor::zeros(&shape[..], DType::F32, &Device::Cpu).unwrap();
    shapes.into_iter().map(|(name, shape)| (name, zeros(shape))).collect()
}

fn refused<T>(made: Result<T>, why: &str) {
    match made {
        Err(Error::Shape(reason)) => assert!(reason.contains(why), "{reason}"),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was built"),
    }
}

/// A U-Net of one channel everywhere.
fn nested(levels: usize) -> Tensors {
    let level = |i: usize| format!("model.model.1.model{}", ".3.model".repeat(i - 1));
    let outer = ["model.model.0.weight", "model.model.3.weight"].map(str::to_owned);
    let inner = (1..levels).map(|i| format!("{}.1.weight", level(i)));
    zeros(outer.into_iter().chain(inner).map(|name| (name, [1, 1, 4, 4])))
}

/// A PatchGAN of one channel everywhere.
fn layered(layers: usize) -> Tensors {
    let at = |i: usize| if i == 0 { 0 } else { 3 * i - 1 };
    zeros((0..=layers).map(|i| (format!("model.{}.weight", at(i)), [1, 1, 4, 4])))
}

#[test]
fn a_network_of_more_than_ten_levels_is_refused() {
    assert_eq!(pix2pix::Config::from_tensors(&nested(10)).unwrap().multiple(), 1024);
    refused(pix2pix::Config::from_tensors(&nested(11)), "10 levels");
    refused(<UnetGenerator as Generator>::from_tensors(nested(16), false), "10 levels");
    assert_eq!(patch_gan::Config::from_tensors(&layered(10)).unwrap().widths, [1; 10]);
    refused(patch_gan::Config::from_tensors(&layered(11)), "10 levels");
    refused(PatchGan::from_tensors(layered(60)), "10 levels");

    let unet = |levels: usize| {
        let config = pix2pix::Config { widths: vec![1; levels], ..pix2pix::Config::paper(2) };
        UnetGenerator::new(config, random::weights())
    };
    let judge = |layers: usize| {
        let config = patch_gan::Config { widths: vec![1; layers], ..patch_gan::Config::paper(3, 1) };
        PatchGan::new(config, random::weights())
    };
    assert!(unet(10).is_ok() && judge(10).is_ok());
    refused(unet(11), "10 levels");
    refused(judge(11), "10 levels");
}

#[test]
fn a_network_takes_the_memory_of_its_widest_size() {
    let footprint = |widths: Vec<usize>| {
        let config = pix2pix::Config { widths, ..pix2pix::Config::paper(2) };
        UnetGenerator::new(config, random::weights()).unwrap().footprint()
    };
    // At a quarter of each side: what is joined, both parts of it.
    assert!(footprint(vec![1, 1 << 12, 1]) >= (4 << 12) / 16);
    assert!(footprint(vec![64, 64, 64]) < 80);
}

#[test]
fn widths_that_no_values_stand_behind_are_refused() {
    // Tensors of no values may have any shape.
    for wide in [0, (1 << 14) + 1, 1 << 57] {
        let resnet =
            [("model.1.weight", [wide, 0, 7, 7]), ("model.10.weight", [1, 0, 3, 3]), ("model.17.weight", [0; 4])];
        let resnet = zeros(resnet.map(|(name, shape)| (name.to_owned(), shape)));
        refused(cyclegan::Config::from_tensors(&resnet), "channels");
        refused(<ResnetGenerator as Generator>::from_tensors(resnet, false), "channels");
        for at in ["model.model.0.weight", "model.model.1.model.1.weight"] {
            let mut unet = nested(3);
            unet.extend(zeros([(at.to_owned(), [wide, 0, 4, 4])]));
            refused(<UnetGenerator as Generator>::from_tensors(unet, false), "channels");
        }
        for at in ["model.0.weight", "model.5.weight"] {
            let mut judge = layered(3);
            judge.extend(zeros([(at.to_owned(), [wide, 0, 4, 4])]));
            refused(PatchGan::from_tensors(judge), "channels");
        }
        let config = cyclegan::Config { width: wide, ..cyclegan::Config::paper(1) };
        refused(ResnetGenerator::new(config, random::weights()), "channels");
        let config = pix2pix::Config { channels: [3, wide], ..pix2pix::Config::paper(2) };
        refused(UnetGenerator::new(config, random::weights()), "channels");
        let config = patch_gan::Config { channels: wide, ..patch_gan::Config::paper(3, 1) };
        refused(PatchGan::new(config, random::weights()), "channels");
    }
}
