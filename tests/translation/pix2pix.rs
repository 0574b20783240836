//! pix2pix's U-Net generator against its authors' outputs, and our kernels against double precision.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::cyclegan::Normalisation;
use lucida::models::pix2pix::Config;
use lucida::models::{UnetGenerator, random};
use lucida::nn::{CancelToken, Error, Statistics, Watch};

use super::{noise, relative, shared};

fn generator(config: &Config, tensors: &HashMap<String, Tensor>, dtype: DType) -> UnetGenerator {
    let vb = VarBuilder::from_tensors(tensors.clone(), dtype, &Device::Cpu);
    UnetGenerator::new(config.clone(), vb).unwrap()
}

fn run(net: &UnetGenerator, x: &Tensor) -> Tensor {
    net.forward(x, Statistics::Compute, &Watch::silent()).unwrap()
}

#[test]
fn agrees_with_its_authors() {
    let Some(folder) = shared("oracles") else { return };
    let widths = |halvings: u32, width: usize| (0..halvings).map(|i| width << i.min(3)).collect();
    let batch = Config { normalisation: Normalisation::Batch, bias: false, ..Config::paper(7) };
    let cases = [
        ("pix2pix_unet128", Config { widths: widths(7, 4), ..batch.clone() }),
        ("pix2pix_unet256", Config { widths: widths(8, 3), channels: [1, 1], ..batch }),
    ];
    for (name, expected) in cases {
        let tensors = lucida::zoo::read_tensors(&folder.join(format!("{name}.pth"))).unwrap();
        assert_eq!(lucida::zoo::recognise(&tensors).unwrap(), "pix2pix-unet");
        let io = lucida::zoo::read_tensors(&folder.join(format!("{name}.io.safetensors"))).unwrap();
        let config = Config::from_tensors(&tensors).unwrap();
        assert_eq!(config, expected, "{name}");
        let own = Config { normalisation: Normalisation::InstanceAffine, ..config.clone() };
        for (config, output) in [(config, "output"), (own, "output_batchstats")] {
            let off = relative(&run(&generator(&config, &tensors, DType::F32), &io["input"]), &io[output]);
            println!("{name} {output}: off by {off:.1e} of the largest value");
            assert!(off <= 1e-3, "{name} {output} is off by {off}");
        }
    }
}

/// Every kind of norm, small, and with as few sizes as there can be.
fn variants() -> Vec<Config> {
    let mut all = Vec::new();
    let norms = [Normalisation::Instance, Normalisation::InstanceAffine, Normalisation::Batch, Normalisation::None];
    for normalisation in norms {
        for widths in [vec![5, 7, 9, 8], vec![6, 4]] {
            let bias = normalisation == Normalisation::Instance;
            all.push(Config { channels: [3, 2], widths, normalisation, bias });
        }
    }
    all
}

#[test]
fn our_kernels_agree_with_double_precision() {
    for config in variants() {
        let tensors = random::tensors(|vb| UnetGenerator::new(config.clone(), vb)).unwrap();
        let [ours, exact] = [DType::F32, DType::F64].map(|dtype| generator(&config, &tensors, dtype));
        // Not down to one pixel, whose instance norm is nothing but rounding.
        for (batch, h, w) in [(1, 32, 48), (2, 64, 32)] {
            let x = noise(&[batch, 3, h, w], 5);
            let y = run(&ours, &x);
            assert_eq!(y.dims(), [batch, 2, h, w]);
            let off = relative(&y, &run(&exact, &x.to_dtype(DType::F64).unwrap()));
            assert!(off < 2e-4, "{config:?} at {batch} x {h} x {w} is off by {off}");
        }
    }
}

#[test]
fn a_checkpoint_tells_its_variant() {
    for config in variants() {
        let mut tensors = random::tensors(|vb| UnetGenerator::new(config.clone(), vb)).unwrap();
        assert_eq!(Config::from_tensors(&tensors).unwrap(), config);
        tensors.remove("model.model.3.weight");
        assert!(matches!(Config::from_tensors(&tensors), Err(Error::Shape(_))));
    }
}

#[test]
fn sizes_that_cannot_be_halved_are_refused_and_cancelling_stops() {
    let config = variants().remove(0);
    let tensors = random::tensors(|vb| UnetGenerator::new(config.clone(), vb)).unwrap();
    let net = generator(&config, &tensors, DType::F32);
    for (h, w) in [(16, 24), (8, 16), (17, 16)] {
        let error = net.forward(&noise(&[1, 3, h, w], 1), Statistics::Compute, &Watch::silent()).unwrap_err();
        assert!(error.to_string().contains("multiples of 16"), "{error}");
    }
    let token = CancelToken::default();
    token.cancel();
    let silent = |_: f32| {};
    let stopped = net.forward(&noise(&[1, 3, 32, 32], 1), Statistics::Compute, &Watch::new(token, &silent));
    assert!(matches!(stopped, Err(Error::Cancelled)));
}
