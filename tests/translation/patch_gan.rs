//! The PatchGAN discriminator against its definition in double precision by candle's own operations, and where its patches
//! lie.

use std::collections::HashMap;

use candle_core::{D, DType, Tensor};
use lucida::models::cyclegan::Normalisation;
use lucida::models::patch_gan::Config;
use lucida::models::{PatchGan, random};
use lucida::nn::{CancelToken, Error, Pool, Watch};

use super::{noise, relative};

type Tensors = HashMap<String, Tensor>;

fn tensors(config: &Config) -> Tensors {
    random::tensors(|vb| PatchGan::new(config.clone(), vb)).unwrap()
}

fn run(net: &PatchGan, x: &Tensor) -> Tensor {
    net.forward(x, &Watch::silent(), &Pool::default()).unwrap()
}

/// The layers one after another, as PyTorch would.
fn exact(config: &Config, tensors: &Tensors, x: &Tensor) -> candle_core::Result<Tensor> {
    let get = |name: String| tensors.get(&name).map(|t| t.to_dtype(DType::F64)).transpose();
    let row = |t: Tensor| t.reshape((1, (), 1, 1));
    let conv = |x: &Tensor, at: usize, stride: usize| -> candle_core::Result<Tensor> {
        let weight = get(format!("model.{at}.weight"))?.expect("a weight");
        let y = x.conv2d(&weight, 1, stride, 1, 1)?;
        match get(format!("model.{at}.bias"))? {
            Some(bias) => y.broadcast_add(&row(bias)?),
            None => Ok(y),
        }
    };
    let leaky = |x: &Tensor| x.maximum(&(x * 0.2)?);
    let mut h = leaky(&conv(&x.to_dtype(DType::F64)?, 0, 2)?)?;
    let layers = config.widths.len() - 1;
    for i in 0..layers {
        let at = 2 + 3 * i;
        h = conv(&h, at, if i + 1 < layers { 2 } else { 1 })?;
        let kept = |name: &str| get(format!("model.{}.{name}", at + 1));
        let (mean, variance) = match (kept("running_mean")?, kept("running_var")?) {
            (Some(mean), Some(variance)) => (row(mean)?, row(variance)?),
            _ => {
                let mean = h.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?;
                let square = h.broadcast_sub(&mean)?.sqr()?;
                (mean, square.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?)
            }
        };
        if config.normalisation != Normalisation::None {
            h = h.broadcast_sub(&mean)?.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
        }
        if let (Some(scale), Some(shift)) = (kept("weight")?, kept("bias")?) {
            h = h.broadcast_mul(&row(scale)?)?.broadcast_add(&row(shift)?)?;
        }
        h = leaky(&h)?;
    }
    conv(&h, 2 + 3 * layers, 1)
}

/// Every kind of norm, channels in and number of layers.
fn variants() -> Vec<Config> {
    let norms = [
        (Normalisation::Instance, true),
        (Normalisation::None, false),
        (Normalisation::InstanceAffine, true),
        (Normalisation::Batch, false),
        (Normalisation::Batch, true),
    ];
    let mut all: Vec<Config> = norms
        .into_iter()
        .zip([3, 6, 3, 6, 1])
        .map(|((normalisation, bias), channels)| Config { normalisation, bias, ..Config::paper(channels, 4) })
        .collect();
    all.push(Config { widths: vec![5, 7], ..all[0].clone() });
    all.push(Config { widths: vec![4, 6, 8, 8, 9], ..all[3].clone() });
    all
}

#[test]
fn our_kernels_agree_with_the_definition() {
    for config in variants() {
        let tensors = tensors(&config);
        assert_eq!(Config::from_tensors(&tensors).unwrap(), config);
        let net = PatchGan::from_tensors(tensors.clone()).unwrap();
        assert_eq!(net.spacing(), 1 << (config.widths.len() - 1));
        // Not down to one pixel before the last norm, whose instance norm is nothing but rounding.
        for (batch, h, w) in [(1, 80, 64), (2, 70, 131)] {
            let x = noise(&[batch, config.channels, h, w], 5);
            let y = run(&net, &x);
            let patches = |n: usize| n / net.spacing() - 2;
            assert_eq!(y.dims(), [batch, 1, patches(h), patches(w)]);
            let off = relative(&y, &exact(&config, &tensors, &x).unwrap());
            assert!(off < 2e-5, "{config:?} at {batch} x {h} x {w} is off by {off}");
        }
        let least = net.smallest();
        assert_eq!(run(&net, &noise(&[1, config.channels, least, least], 1)).dims(), [1, 1, 1, 1]);
    }
}

#[test]
fn a_patch_is_where_it_is_said_to_be() {
    // 70 x 70 pixels in the papers, the middle of patch j 8 (j + 1.5) pixels from the edge.
    let config = Config { normalisation: Normalisation::Batch, ..Config::paper(3, 4) };
    let net = PatchGan::from_tensors(tensors(&config)).unwrap();
    let width = 160;
    let x = noise(&[1, 3, 160, width], 2);
    let scores = |x: &Tensor| run(&net, x).narrow(2, 8, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let before = scores(&x);
    for column in [0, 24, 46, 47, 48, 79, 80, 159] {
        let mut values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        (0..3 * 160).for_each(|row| values[row * width + column] += 3.0);
        let after = scores(&Tensor::from_vec(values, x.dims(), x.device()).unwrap());
        for (j, (a, b)) in before.iter().zip(&after).enumerate() {
            let middle = net.spacing() as f64 * (j as f64 + 1.5);
            let inside = (column as f64 + 0.5 - middle).abs() < 35.0;
            assert_eq!(a != b, inside, "column {column}, patch {j}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_cancelling_stops() {
    let config = Config::paper(3, 4);
    let net = PatchGan::from_tensors(tensors(&config)).unwrap();
    let refused = |shape: &[usize]| net.forward(&noise(shape, 1), &Watch::silent(), &Pool::default());
    for shape in [[1, 3, 23, 64], [1, 6, 64, 64], [1, 3, 64, 0]] {
        assert!(matches!(refused(&shape), Err(Error::Shape(_))), "{shape:?}");
    }
    let token = CancelToken::default();
    token.cancel();
    let silent = |_: f32| {};
    let stopped = net.forward(&noise(&[1, 3, 64, 64], 1), &Watch::new(token, &silent), &Pool::default());
    assert!(matches!(stopped, Err(Error::Cancelled)));
    // With its second layer gone it is no PatchGAN, and the message says why.
    for missing in ["model.0.weight", "model.2.weight", "model.5.weight"] {
        let mut tensors = tensors(&config);
        tensors.remove(missing);
        let error = PatchGan::from_tensors(tensors).unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
    }
    let mut tensors = tensors(&config);
    tensors.remove("model.11.bias");
    assert!(PatchGan::from_tensors(tensors).unwrap_err().to_string().contains("model.11.bias"));
}
