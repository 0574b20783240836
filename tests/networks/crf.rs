//! The dense CRF against its authors' own code and against sums over all pairs of pixels.

use lucida::nn::{CancelToken, Crf, Error, Watch};

use crate::architectures::named_noise;
use crate::values;

/// Logits that half follow a bright disc on a darker ground, the picture, and which pixels are the disc's.
fn scene([classes, height, width]: [usize; 3]) -> (Vec<f32>, Vec<u8>, Vec<bool>) {
    let flat = |name: &str, shape: [usize; 4], size| values(&named_noise(name, shape, size));
    let mut logits: Vec<f32> = flat("logits", [1, classes, height, width], 2.0).into_iter().map(|v| v as f32).collect();
    let noise = flat("colour", [1, height, width, 3], 20.0);
    let inside = |i: usize| {
        let (y, x) = ((i / width) as f64 - (height / 2) as f64, (i % width) as f64 - (width / 3) as f64);
        y * y + x * x < ((height / 3) as f64).powi(2)
    };
    let disc: Vec<bool> = (0..height * width).map(inside).collect();
    let colour = |i: usize, n: &f64| {
        let ground = if disc[i / 3] { [200.0, 120.0, 60.0] } else { [40.0, 80.0, 100.0] };
        (ground[i % 3] + n.floor()).clamp(0.0, 255.0) as u8
    };
    let rgb = noise.iter().enumerate().map(|(i, n)| colour(i, n)).collect();
    for (logit, disc) in logits[height * width..].iter_mut().zip(&disc) {
        *logit += if *disc { 1.0 } else { 0.0 };
    }
    (logits, rgb, disc)
}

/// The share of pixels where class 1 is the likeliest just when they are the disc's.
fn agreement(of: &[f32], disc: &[bool]) -> f64 {
    let likeliest =
        |i: usize| (0..of.len() / disc.len()).max_by(|a, b| of[a * disc.len() + i].total_cmp(&of[b * disc.len() + i]));
    (0..disc.len()).filter(|i| (likeliest(*i) == Some(1)) == disc[*i]).count() as f64 / disc.len() as f64
}

/// pydensecrf2 1.1 (the authors' C++ code) over the same scenes: sixteen of the probabilities at equal distances, the
/// first and the last among them, and the mean of class 1's.
#[test]
fn refined_labels_are_its_authors() {
    let crf = |iterations, smoothness, smoothness_reach, appearance, appearance_reach, appearance_colour| Crf {
        iterations,
        smoothness,
        smoothness_reach,
        appearance,
        appearance_reach,
        appearance_colour,
    };
    let cases: [(Crf, [usize; 3], [f64; 16], f64); 3] = [
        (
            crf(3, 0.0, 3.0, 10.0, 20.0, 30.0),
            [5, 37, 52],
            [
                0.1586903,
                8.03508e-06,
                0.1253935,
                0.4559285,
                0.9998432,
                0.347274,
                0.1146513,
                0.0003378776,
                0.1185143,
                0.2775657,
                0.0004455898,
                0.03869086,
                0.02973511,
                0.0001778014,
                0.3442375,
                0.1221193,
            ],
            0.4065194,
        ),
        (
            crf(2, 6.0, 2.0, 0.0, 20.0, 30.0),
            [5, 37, 52],
            [
                0.1511551,
                0.003904077,
                0.1129667,
                0.4987842,
                0.9268677,
                0.4385243,
                0.06111573,
                0.1214438,
                0.1445625,
                0.2375532,
                0.1820418,
                0.02658236,
                0.01138164,
                0.08504882,
                0.3352637,
                0.1911652,
            ],
            0.3418748,
        ),
        (
            crf(5, 1.5, 3.0, 2.0, 15.0, 25.0),
            [3, 40, 33],
            [
                0.4286526, 0.2214821, 0.07135968, 0.3277622, 0.2495214, 0.1274725, 0.2846016, 0.5717755, 0.1131235,
                0.7276154, 0.09661002, 0.4939163, 0.3568648, 0.5591143, 0.02286326, 0.7759175,
            ],
            0.5802323,
        ),
    ];
    for (crf, shape, expected, mean) in cases {
        let (logits, rgb, disc) = scene(shape);
        let got = crf.refine(&logits, &rgb, shape, &Watch::silent()).unwrap();
        assert_eq!(got.len(), logits.len());
        let off = (0..16).map(|i| (f64::from(got[i * (got.len() - 1) / 15]) - expected[i]).abs()).fold(0.0, f64::max);
        let one = &got[disc.len()..2 * disc.len()];
        let mean = one.iter().map(|v| f64::from(*v)).sum::<f64>() / one.len() as f64 - mean;
        let (before, after) = (agreement(&logits, &disc), agreement(&got, &disc));
        println!("{shape:?}: off by {off:.1e}, in the mean {mean:.1e}; {before:.3} of the disc becomes {after:.3}");
        assert!(off < 1e-4 && mean.abs() < 1e-5, "{shape:?} is off by {off}, in the mean by {mean}");
        assert!(after > before);
        for i in 0..disc.len() {
            let sum: f32 = got.iter().skip(i).step_by(disc.len()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "the probabilities of pixel {i} add up to {sum}");
        }
    }
}

/// Mean-field inference as the paper defines it, each kernel summed over all pairs.
fn exact(crf: &Crf, logits: &[f32], rgb: &[u8], [classes, height, width]: [usize; 3]) -> Vec<f64> {
    let pixels = height * width;
    let square = |a: f64, b: f64, d: f32| ((a - b) / f64::from(d)).powi(2);
    let between = |i: usize, j: usize, reach: f32| {
        let place = |i: usize| ((i % width) as f64, (i / width) as f64);
        square(place(i).0, place(j).0, reach) + square(place(i).1, place(j).1, reach)
    };
    let colours = |i: usize, j: usize| -> f64 {
        let one = |c: usize| square(rgb[3 * i + c].into(), rgb[3 * j + c].into(), crf.appearance_colour);
        (0..3).map(one).sum()
    };
    let kernel = |distance: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        let row = |i| (0..pixels).map(|j| (-distance(i, j) / 2.0).exp()).collect::<Vec<_>>();
        let rows: Vec<Vec<f64>> = (0..pixels).map(row).collect();
        let root: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>().sqrt()).collect();
        let scaled = |(i, row): (usize, Vec<f64>)| row.iter().zip(&root).map(|(k, r)| k / r / root[i]).collect();
        rows.into_iter().enumerate().map(scaled).collect()
    };
    let near = kernel(&|i, j| between(i, j, crf.smoothness_reach));
    let alike = kernel(&|i, j| between(i, j, crf.appearance_reach) + colours(i, j));
    let softmax = |v: &[f64]| -> Vec<f64> {
        let mut out = vec![0.0; v.len()];
        for i in 0..pixels {
            let sum: f64 = (0..classes).map(|c| v[c * pixels + i].exp()).sum();
            (0..classes).for_each(|c| out[c * pixels + i] = v[c * pixels + i].exp() / sum);
        }
        out
    };
    let own: Vec<f64> = logits.iter().map(|v| f64::from(*v)).collect();
    let mut belief = softmax(&own);
    for _ in 0..crf.iterations {
        let message = |at: usize| {
            let (class, i) = (at / pixels, at % pixels);
            let sum = |k: &[Vec<f64>]| -> f64 { k[i].iter().zip(&belief[class * pixels..]).map(|(k, q)| k * q).sum() };
            own[at] + f64::from(crf.smoothness) * sum(&near) + f64::from(crf.appearance) * sum(&alike)
        };
        belief = softmax(&(0..own.len()).map(message).collect::<Vec<_>>());
    }
    belief
}

#[test]
fn the_lattice_stands_for_all_pairs_of_pixels() {
    for (shape, iterations) in [([3, 24, 31], 1), ([5, 20, 26], 3), ([2, 3, 60], 2), ([2, 1, 1], 2)] {
        let crf = Crf {
            iterations,
            smoothness: 2.0,
            appearance: 6.0,
            appearance_reach: 12.0,
            appearance_colour: 40.0,
            ..Crf::default()
        };
        let (logits, rgb, _) = scene(shape);
        let got = crf.refine(&logits, &rgb, shape, &Watch::silent()).unwrap();
        let expected = exact(&crf, &logits, &rgb, shape);
        let start = exact(&Crf { iterations: 0, ..crf }, &logits, &rgb, shape);
        let distance = |to: &[f64]| -> f64 {
            (got.iter().zip(to).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>() / got.len() as f64).sqrt()
        };
        let (off, moved) = (distance(&expected), distance(&start));
        println!("{shape:?}: root mean square {off:.1e} from the exact one, {moved:.1e} from the network's own");
        assert!(off < 0.02 && off < moved / 5.0 + 1e-6, "{shape:?}");
    }
}

#[test]
fn what_cannot_be_refined_is_refused_and_what_need_not_be_stays() {
    let shape = [3, 5, 7];
    let (logits, rgb, _) = scene(shape);
    let refine = |crf: &Crf, logits: &[f32], rgb: &[u8], shape| crf.refine(logits, rgb, shape, &Watch::silent());
    let usual = Crf::default();
    let still = Crf { iterations: 0, ..usual };
    let alone = Crf { smoothness: 0.0, appearance: 0.0, ..usual };
    let expected = exact(&still, &logits, &rgb, shape);
    for crf in [still, alone] {
        let got = refine(&crf, &logits, &rgb, shape).unwrap();
        assert!(got.iter().zip(&expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6));
    }
    for bad in [
        refine(&usual, &logits[1..], &rgb, shape),
        refine(&usual, &logits, &rgb[3..], shape),
        refine(&usual, &[], &[], [0, 0, 0]),
        refine(&usual, &[&[f32::NAN], &logits[1..]].concat(), &rgb, shape),
        refine(&Crf { appearance: -1.0, ..usual }, &logits, &rgb, shape),
        refine(&Crf { smoothness: f32::NAN, ..usual }, &logits, &rgb, shape),
        refine(&Crf { smoothness_reach: 0.0, ..usual }, &logits, &rgb, shape),
        refine(&Crf { appearance_colour: f32::INFINITY, ..usual }, &logits, &rgb, shape),
    ] {
        assert!(matches!(bad, Err(Error::Shape(_))));
    }
    let token = CancelToken::default();
    let heard = std::cell::RefCell::new(Vec::new());
    let listen = |done: f32| {
        heard.borrow_mut().push(done);
        if done > 0.25 {
            token.cancel();
        }
    };
    let stopped = usual.refine(&logits, &rgb, shape, &Watch::new(token.clone(), &listen));
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert!(heard.borrow().is_sorted() && heard.borrow().iter().all(|done| *done < 0.5), "{heard:?}");
}

/// `cargo test --test networks crf::speed -- --ignored --nocapture`.
#[test]
#[ignore = "prints times, asserts nothing"]
fn speed() {
    for shape in [[21, 342, 513], [21, 768, 1024]] {
        let (logits, rgb, _) = scene(shape);
        let began = std::time::Instant::now();
        Crf::default().refine(&logits, &rgb, shape, &Watch::silent()).unwrap();
        println!("{shape:?}: {:.2} s", began.elapsed().as_secs_f64());
    }
}
