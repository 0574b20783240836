//! The ResNet generator against its authors' outputs, and our kernels against double precision.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::cyclegan::{Config, Normalisation, Up};
use lucida::models::{ResnetGenerator, random};
use lucida::nn::{CancelToken, Error, Pool, Result, Statistics, Watch};

use super::{noise, relative, shared};

type Tensors = HashMap<String, Tensor>;

fn generator(config: Config, tensors: &Tensors, dtype: DType) -> ResnetGenerator {
    let vb = VarBuilder::from_tensors(tensors.clone(), dtype, &Device::Cpu);
    ResnetGenerator::new(config, vb).unwrap()
}

fn run(net: &ResnetGenerator, x: &Tensor) -> Tensor {
    net.forward(x, Statistics::Compute, &Watch::silent()).unwrap()
}

#[test]
fn agrees_with_its_authors() {
    let Some(folder) = shared("oracles") else { return };
    let plain = Config { width: 4, ..Config::paper(9) };
    let batch = Config { blocks: 6, normalisation: Normalisation::Batch, bias: false, dropout: true, ..plain.clone() };
    let cases = [
        ("cyclegan_resnet6", Config { blocks: 6, ..plain.clone() }),
        ("cyclegan_resnet9", Config { width: 5, ..plain.clone() }),
        ("cyclegan_resnet9_legacy_stats", plain.clone()),
        ("pix2pix_resnet6_batch_dropout", batch),
        ("cut_resnet9_antialias", Config { blurred: true, up: Up::Antialiased, ..plain }),
    ];
    for (name, expected) in cases {
        let tensors = lucida::zoo::read_tensors(&folder.join(format!("{name}.pth"))).unwrap();
        let io = lucida::zoo::read_tensors(&folder.join(format!("{name}.io.safetensors"))).unwrap();
        let config = Config::from_tensors(&tensors).unwrap();
        assert_eq!(config, expected, "{name}");
        let net = generator(config.clone(), &tensors, DType::F32);
        let check = |net: &ResnetGenerator, input: &str, output: &str| {
            let off = relative(&run(net, &io[input]), &io[output]);
            println!("{name} {output}: off by {off:.1e} of the largest value");
            assert!(off <= 1e-3, "{name} {output} is off by {off}");
        };
        check(&net, "input", "output");
        if io.contains_key("input_2") {
            check(&net, "input_2", "output_2");
        }
        if io.contains_key("output_batchstats") {
            let own = Config { normalisation: Normalisation::InstanceAffine, ..config };
            check(&generator(own, &tensors, DType::F32), "input", "output_batchstats");
        }
    }
}

/// Every variant there is, small.
fn variants() -> Vec<Config> {
    let mut all = Vec::new();
    for normalisation in [Normalisation::Instance, Normalisation::InstanceAffine, Normalisation::Batch] {
        for up in [Up::Transposed, Up::Antialiased, Up::Resized, Up::ResizedReflect] {
            for blurred in [false, true] {
                // Each of them with dropout and without, zeros and reflection, over the norms.
                let bias = normalisation != Normalisation::Batch;
                let dropout = blurred != (up == Up::Transposed);
                let zero_padded = dropout != (normalisation == Normalisation::Instance);
                let sizes = Config { width: 6, ..Config::paper(2) };
                all.push(Config { normalisation, bias, dropout, zero_padded, blurred, up, ..sizes });
            }
        }
    }
    // Biases before a batch norm, as nobody trains them, and other channels than a picture's.
    let odd = Config { bias: true, channels: [1, 2], ..all[16].clone() };
    let plain = Config { normalisation: Normalisation::None, bias: false, ..all[0].clone() };
    all.extend([odd, plain]);
    all
}

#[test]
fn our_kernels_agree_with_double_precision() {
    for config in variants() {
        let tensors = random::tensors(|vb| ResnetGenerator::new(config.clone(), vb)).unwrap();
        let (ours, exact) =
            (generator(config.clone(), &tensors, DType::F32), generator(config.clone(), &tensors, DType::F64));
        for (batch, h, w) in [(1, 32, 24), (2, 19, 37), (1, 5, 6), (1, 9, 130)] {
            let x = noise(&[batch, config.channels[0], h, w], 5);
            let y = run(&ours, &x);
            let grown = |n: usize| 4 * n.div_ceil(2).div_ceil(2);
            assert_eq!(y.dims(), [batch, config.channels[1], grown(h), grown(w)]);
            let off = relative(&y, &run(&exact, &x.to_dtype(DType::F64).unwrap()));
            assert!(off < 2e-4, "{config:?} at {batch} x {h} x {w} is off by {off}");
        }
    }
}

#[test]
fn a_checkpoint_tells_its_variant() {
    for config in variants().into_iter().filter(|c| !c.blurred && c.up != Up::Antialiased) {
        let mut tensors = random::tensors(|vb| ResnetGenerator::new(config.clone(), vb)).unwrap();
        assert_eq!(Config::from_tensors(&tensors).unwrap(), config);
        tensors.remove("model.1.weight");
        assert!(matches!(Config::from_tensors(&tensors), Err(Error::Shape(_))));
    }
    // A blur that is not the one built in would be another network.
    let config = Config { width: 4, blurred: true, ..Config::paper(1) };
    let mut tensors = random::tensors(|vb| ResnetGenerator::new(config.clone(), vb)).unwrap();
    let blur = |taps: &[f32], n: usize| {
        let kernel: Vec<f32> = taps.iter().flat_map(|a| taps.iter().map(move |b| a * b / 16.0)).collect();
        Tensor::from_vec(kernel, (1, 1, taps.len(), taps.len()), &Device::Cpu).unwrap().repeat((n, 1, 1, 1)).unwrap()
    };
    tensors.insert("model.7.filt".to_owned(), blur(&[1.0, 2.0, 1.0], 8));
    tensors.insert("model.11.filt".to_owned(), blur(&[1.0, 2.0, 1.0], 16));
    assert_eq!(Config::from_tensors(&tensors).unwrap(), config);
    for wrong in [blur(&[1.0, 1.0, 1.0], 16), blur(&[1.0, 3.0, 3.0, 1.0], 16), noise(&[9], 1)] {
        tensors.insert("model.11.filt".to_owned(), wrong);
        assert!(matches!(Config::from_tensors(&tensors), Err(Error::Shape(_))));
    }
}

#[test]
fn replayed_statistics_make_tiles_meet() {
    // A tile with more around it than the network can see from its middle gives the middle of the whole picture.
    let config = Config { width: 4, blocks: 1, ..Config::paper(1) };
    let tensors = random::tensors(|vb| ResnetGenerator::new(config.clone(), vb)).unwrap();
    let net = generator(config, &tensors, DType::F32);
    let pool = Pool::default();
    let x = noise(&[1, 3, 96, 160], 1);
    let mut kept = Vec::new();
    let whole = net.forward_with(&x, Statistics::Record(&mut kept), &Watch::silent(), &pool).unwrap();
    let tile = |statistics: Statistics<'_>| -> Tensor {
        let x = x.narrow(3, 40, 96).unwrap();
        let y = net.forward_with(&x, statistics, &Watch::silent(), &pool).unwrap();
        y.narrow(3, 32, 32).unwrap()
    };
    let middle = whole.narrow(3, 72, 32).unwrap();
    assert!(relative(&tile(Statistics::Replay(&kept)), &middle) < 1e-5);
    assert!(relative(&tile(Statistics::Compute), &middle) > 1e-3, "a tile's own statistics are others");
    assert!(net.forward(&x, Statistics::Replay(&kept[1..]), &Watch::silent()).is_err());
}

#[test]
fn progress_rises_and_cancelling_stops() {
    let net = ResnetGenerator::new(Config { width: 4, ..Config::paper(9) }, random::weights()).unwrap();
    let x = noise(&[1, 3, 40, 40], 1);
    let heard = std::cell::RefCell::new(Vec::new());
    let hear = |done: f32| heard.borrow_mut().push(done);
    net.forward(&x, Statistics::Compute, &Watch::new(CancelToken::default(), &hear)).unwrap();
    let heard = heard.into_inner();
    assert!(heard.len() > 20 && heard.is_sorted() && heard.last() == Some(&1.0), "{heard:?}");
    let token = CancelToken::default();
    let stop = |done: f32| {
        if done > 0.4 {
            token.cancel()
        }
    };
    let stopped = net.forward(&x, Statistics::Compute, &Watch::new(token.clone(), &stop));
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let net = ResnetGenerator::new(Config { width: 4, ..Config::paper(2) }, random::weights()).unwrap();
    let refused =
        |shape: &[usize]| -> Result<Tensor> { net.forward(&noise(shape, 1), Statistics::Compute, &Watch::silent()) };
    for shape in [[1, 3, 4, 40], [1, 3, 40, 3], [1, 1, 40, 40], [1, 3, 0, 40]] {
        assert!(matches!(refused(&shape), Err(Error::Shape(_))), "{shape:?}");
    }
    assert!(refused(&[3, 40, 40]).is_err());
}
