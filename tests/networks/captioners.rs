//! The captioning decoders against their papers' equations, written down number by number in double precision.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::{Decoder, ShowAndTell, ShowAttendTell, random, show_and_tell, show_attend_tell};
use lucida::nn::Error;

use crate::values;

type Tensors = HashMap<String, Tensor>;

const BOTH: [usize; 5] = [13, 9, 7, 11, 17]; // encoder, attention, embedding, decoder, vocabulary

fn with_attention() -> (Tensors, ShowAttendTell) {
    let [encoder_dim, attention_dim, embed_dim, decoder_dim, vocabulary] = BOTH;
    let config = show_attend_tell::Config { encoder_dim, attention_dim, embed_dim, decoder_dim, vocabulary };
    let tensors = random::tensors(|vb| ShowAttendTell::new(config, vb)).unwrap();
    let net = ShowAttendTell::new(config, VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu));
    (tensors, net.unwrap())
}

fn without_attention() -> (Tensors, ShowAndTell) {
    let [encoder_dim, _, embed_dim, decoder_dim, vocabulary] = BOTH;
    let config = show_and_tell::Config { encoder_dim, embed_dim, decoder_dim, vocabulary };
    let tensors = random::tensors(|vb| ShowAndTell::new(config, vb)).unwrap();
    let net = ShowAndTell::new(config, VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu)).unwrap();
    (tensors, net)
}

fn times(t: &Tensors, name: &str, x: &[f64]) -> Vec<f64> {
    let weight = values(&t[name]);
    assert_eq!(t[name].dims()[1], x.len(), "{name}");
    weight.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

fn plus(mut x: Vec<f64>, y: &[f64]) -> Vec<f64> {
    assert_eq!(x.len(), y.len());
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    x
}

fn linear(t: &Tensors, name: &str, x: &[f64]) -> Vec<f64> {
    plus(times(t, &format!("{name}.weight"), x), &values(&t[&format!("{name}.bias")]))
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|v| v.exp()).sum();
    x.iter().map(|v| v.exp() / sum).collect()
}

/// PyTorch's `LSTMCell`: i, f, g, o.
fn lstm(t: &Tensors, x: &[f64], [h, c]: &mut [Vec<f64>; 2]) {
    let (n, [ih, hh]) = (h.len(), ["ih", "hh"].map(|which| values(&t[&format!("decode_step.bias_{which}")])));
    let gates = plus(times(t, "decode_step.weight_ih", x), &times(t, "decode_step.weight_hh", h));
    let gates = plus(plus(gates, &ih), &hh);
    for k in 0..n {
        let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates[gate * n + k]);
        c[k] = sigmoid(f) * c[k] + sigmoid(i) * g.tanh();
        h[k] = sigmoid(o) * c[k].tanh();
    }
}

fn mean(features: &[Vec<f64>]) -> Vec<f64> {
    let sum = features.iter().fold(vec![0.0; features[0].len()], |sum, row| plus(sum, row));
    sum.into_iter().map(|v| v / features.len() as f64).collect()
}

fn word_vector(t: &Tensors, word: u32) -> Vec<f64> {
    values(&t["embedding.weight"].get(word as usize).unwrap())
}

/// The largest difference between a row of a step's answer and what it should be.
fn off(got: &Tensor, row: usize, expected: &[f64]) -> f64 {
    let got = values(&got.get(row).unwrap());
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f64::max)
}

fn picture(pixels: usize, seed: u64) -> (Tensor, Vec<Vec<f64>>) {
    let features = crate::noise([1, 1, pixels, BOTH[0]], seed).reshape((pixels, BOTH[0])).unwrap();
    let rows = (0..pixels).map(|row| values(&features.get(row).unwrap())).collect();
    (features, rows)
}

const SENTENCES: [[u32; 4]; 3] = [[15, 1, 2, 3], [15, 1, 8, 3], [15, 4, 4, 16]];

#[test]
fn show_attend_tell_is_the_papers_equations() {
    let (t, net) = with_attention();
    for (pixels, seed) in [(1, 1), (6, 2), (196, 3)] {
        let (features, rows) = picture(pixels, seed);
        let (context, state) = net.begin(&features).unwrap();
        let (mut state, mut largest) = (state.select(&[0, 0, 0]).unwrap(), 0f64);
        let first = ["init_h", "init_c"].map(|name| linear(&t, name, &mean(&rows)));
        let mut own = vec![first; SENTENCES.len()];
        for i in 0..SENTENCES[0].len() {
            let step = net.step(&SENTENCES.map(|words| words[i]), &context, &state).unwrap();
            let alphas = step.alphas.unwrap();
            for (row, own) in own.iter_mut().enumerate() {
                let asked = linear(&t, "attention.decoder_att", &own[0]);
                let score = |a: &Vec<f64>| {
                    let compared = plus(linear(&t, "attention.encoder_att", a), &asked);
                    linear(&t, "attention.full_att", &compared.into_iter().map(|v| v.max(0.0)).collect::<Vec<_>>())[0]
                };
                let alpha = softmax(&rows.iter().map(score).collect::<Vec<_>>());
                let seen = |k: usize| alpha.iter().zip(&rows).map(|(alpha, a)| alpha * a[k]).sum::<f64>();
                let gate: Vec<f64> = linear(&t, "f_beta", &own[0]).into_iter().map(sigmoid).collect();
                let mut x = word_vector(&t, SENTENCES[row][i]);
                x.extend(gate.iter().enumerate().map(|(k, gate)| gate * seen(k)));
                lstm(&t, &x, own);
                let said = linear(&t, "fc", &own[0]);
                largest = largest.max(off(&step.logits, row, &said)).max(off(&alphas, row, &alpha));
            }
            state = step.state;
        }
        println!("{pixels} pixels: off by {largest:.1e}");
        assert!(largest < 1e-5, "off by {largest}");
    }
}

#[test]
fn show_and_tell_is_the_papers_equations() {
    let (t, net) = without_attention();
    let (features, rows) = picture(196, 4);
    let (context, state) = net.begin(&features).unwrap();
    let (mut state, mut largest) = (state.select(&[0, 0, 0]).unwrap(), 0f64);
    let mut first = [vec![0.0; BOTH[3]], vec![0.0; BOTH[3]]];
    lstm(&t, &linear(&t, "image_embedding", &mean(&rows)), &mut first);
    let mut own = vec![first; SENTENCES.len()];
    for i in 0..SENTENCES[0].len() {
        let step = net.step(&SENTENCES.map(|words| words[i]), &context, &state).unwrap();
        assert!(step.alphas.is_none());
        for (row, own) in own.iter_mut().enumerate() {
            lstm(&t, &word_vector(&t, SENTENCES[row][i]), own);
            let said = linear(&t, "fc", &own[0]);
            let logs = softmax(&said).into_iter().map(f64::ln).collect::<Vec<_>>();
            largest = largest.max(off(&step.logits, row, &said));
            largest = largest.max(off(&step.log_probabilities().unwrap(), row, &logs));
        }
        state = step.state;
    }
    println!("off by {largest:.1e}");
    assert!(largest < 1e-5, "off by {largest}");
}

#[test]
fn decoders_refuse_what_does_not_fit() {
    let (t, attends) = with_attention();
    let (_, tells) = without_attention();
    let (features, _) = picture(5, 1);
    let other = features.narrow(1, 0, 3).unwrap();
    let none = Tensor::zeros((0, BOTH[0]), DType::F32, &Device::Cpu).unwrap();
    for decoder in [&attends as &dyn Decoder, &tells] {
        assert_eq!((decoder.encoder_dim(), decoder.vocabulary()), (BOTH[0], BOTH[4]));
        for features in [&other, &none, &features.unsqueeze(0).unwrap()] {
            assert!(matches!(decoder.begin(features), Err(Error::Shape(_))));
        }
        let (context, state) = decoder.begin(&features).unwrap();
        for words in [&[][..], &[1, 2], &[17], &[u32::MAX]] {
            assert!(matches!(decoder.step(words, &context, &state), Err(Error::Shape(_))), "{words:?}");
        }
        assert!(state.select(&[1]).is_err(), "there is one row");
    }
    let (_, state) = attends.begin(&features).unwrap();
    let blind = attends.step(&[1], &Default::default(), &state);
    assert!(matches!(blind, Err(Error::Shape(_))), "it was shown no picture");

    for missing in ["attention.encoder_att.weight", "embedding.weight", "decode_step.weight_hh"] {
        let mut t = t.clone();
        t.remove(missing);
        let error = show_attend_tell::Config::from_tensors(&t, "").unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
        t.insert(missing.into(), Tensor::zeros((0, 5), DType::F32, &Device::Cpu).unwrap());
        assert!(matches!(show_attend_tell::Config::from_tensors(&t, ""), Err(Error::Shape(_))));
    }
    let error = show_and_tell::Config::from_tensors(&t, "").unwrap_err();
    assert!(error.to_string().contains("image_embedding"), "{error}");
}
