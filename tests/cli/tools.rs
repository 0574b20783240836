//! Wrong arguments, and the commands around the work: models, bench, forward.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use lucida::models::transformer_net::Config;
use lucida::models::{Statistics, TransformerNet};
use lucida::nn::{Precision, Watch};

use crate::*;

#[test]
fn wrong_arguments_are_told_with_what_would_be_right() {
    let dir = folder();
    for (arguments, help) in [
        ("style photo.png -o out.png --style no-such-style", WAVE),
        ("style photo.png -o out.png", "--style"),
        ("style photo.png --style hokusai-great-wave", "--output"),
        ("style photo.png -o out.png --style hokusai-great-wave --strength 1.5", "from 0"),
        ("style photo.png -o out.png --style hokusai-great-wave --strength -0.1", "from 0"),
        ("style photo.png -o out.png --style hokusai-great-wave --strength NaN", "from 0"),
        ("style photo.png -o out.png --style hokusai-great-wave --weights 1,2", "--weights"),
        ("style photo.png -o out.png --style hokusai-great-wave --weights 0", "--weights"),
        ("style photo.png -o out.png --style hokusai-great-wave --weights -1", "0 or more"),
        ("style photo.png -o out.png --style hokusai-great-wave --quality 0", "1..=100"),
        ("style photo.png -o out.png --style hokusai-great-wave --size 0", "16..=65535"),
        ("style photo.png -o out.gif --style hokusai-great-wave", ".webp"),
        ("style photo.png -o out --style hokusai-great-wave", ".png"),
        ("style photo.png -o out.png --style hokusai-great-wave --format jpeg", "JPEG"),
        ("style photo.png -o out.png --style hokusai-great-wave --sheet", "--sheet"),
        ("models show no-such-model", "style-painters"),
        ("bench no-such-net --size 64", "johnson"),
        ("forward --arch no-such-arch --weights w --input i --output o", "transformer-net"),
        ("bench johnson --size 64 --precision f16", "f32 and bf16"),
        ("bench johnson --size 64 --runs 1000000000000000000", "1..=100000"),
        ("bench johnson --size 64 --threads 3000", "1..=1024"),
        ("forward --arch transformer-net --weights w --input i --output . --force", "is a folder"),
        ("--no-such-option", "--help"),
    ] {
        let said = fail(dir.path(), arguments, 2);
        assert!(said.contains(help), "lucida {arguments} says: {said}");
    }
    for (arguments, help) in [
        ("style missing.png -o out.png --style hokusai-great-wave", "missing.png"),
        ("style missing/ -o painted --style hokusai-great-wave", "missing/"),
        ("style photo.png -o no/such/folder/out.png --style hokusai-great-wave", "no/such/folder"),
        ("forward --arch transformer-net --weights missing --input photo.png --output out.safetensors", "missing"),
    ] {
        let said = fail(dir.path(), arguments, 1);
        assert!(said.contains(help), "lucida {arguments} says: {said}");
    }
    assert_eq!(names(dir.path()), ["photo.png"]);
}

#[test]
fn models_are_listed_and_shown() {
    let dir = folder();
    let list = succeed(dir.path(), "models");
    let painters = list.lines().find(|line| line.starts_with("style-painters ")).expect("listed");
    assert!(painters.contains("style") && painters.contains("MB"), "{painters}");
    let array = json(&succeed(dir.path(), "models --json"));
    let model = &array.as_array().unwrap()[0];
    for key in ["id", "task", "architecture", "licence", "source"] {
        assert!(model[key].as_str().is_some_and(|s| !s.is_empty()), "{key}: {model}");
    }
    assert_eq!(model["task"], "style");
    assert!(model["parameters"].as_u64().unwrap() > 10_000 && model["bytes"].as_u64().unwrap() > 10_000);
    assert!(succeed(dir.path(), "models show style-painters").contains("style-painters"));
    // A network's coarser form is told with it.
    let shown = succeed(dir.path(), "models show fcn-16s-camvid");
    assert_eq!(shown, succeed(dir.path(), "models show fcn-8s-camvid"));
    assert!(list.lines().any(|line| line.starts_with("fcn-8s-camvid ") && line.contains("fcn-16s-camvid")));
}

#[test]
fn a_network_can_be_timed() {
    let dir = folder();
    let said = json(&succeed(dir.path(), "bench johnson --size 64 --threads 1 --runs 2 --json"));
    assert_eq!(said["net"], "johnson");
    assert_eq!((&said["size"], &said["threads"], &said["runs"]), (&64.into(), &1.into(), &2.into()));
    assert!(said["median_s"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(said["peak_rss_mb"].as_f64().unwrap() > 1.0);
    }
    for net in lucida::tasks::NETS {
        let said = succeed(dir.path(), &format!("bench {net} --size 32 --threads 2 --runs 1"));
        assert!(said.starts_with(&format!("{net} at 32 x 32, 2 threads")), "{said}");
    }
}

#[test]
fn bf16_is_offered_where_the_processor_has_it() {
    let dir = folder();
    let bench = "bench johnson --size 64 --threads 1 --runs 1 --precision";
    let exact = json(&succeed(dir.path(), &format!("{bench} f32 --json")));
    assert_eq!(exact.as_object().unwrap().len(), 6, "in f32 nothing is said of precision: {exact}");
    let style = format!("style photo.png --style {WAVE} --json");
    let weights = TransformerNet::random(&Config::johnson(8)).unwrap();
    candle_core::safetensors::save(&weights, dir.path().join("w.safetensors")).unwrap();
    let input = Tensor::rand(0f32, 255f32, (1, 3, 32, 32), &Device::Cpu).unwrap();
    input.save_safetensors("input", dir.path().join("in.safetensors")).unwrap();
    let forward = "forward --arch transformer-net --weights w.safetensors --input in.safetensors";
    if !Precision::Bf16.is_available() {
        eprintln!("SKIPPED: this processor has no AVX512-BF16; only the refusal is looked at");
        for command in [format!("{bench} bf16"), format!("{style} -o out.png --precision bf16")] {
            assert!(fail(dir.path(), &command, 2).contains("AVX512-BF16"));
        }
        return;
    }
    let rounded = json(&succeed(dir.path(), &format!("{bench} bf16 --json")));
    let error = rounded["error"].as_f64().unwrap();
    assert_eq!((&rounded["precision"], rounded.as_object().unwrap().len()), (&"bf16".into(), 8));
    assert!(error > 0.0 && error < 0.1, "{rounded}");
    assert!(succeed(dir.path(), &format!("{bench} bf16")).contains("bf16 off by"));

    for precision in ["f32", "bf16"] {
        succeed(dir.path(), &format!("{style} -o {precision}.png --precision {precision}"));
        succeed(dir.path(), &format!("{forward} --output {precision}.safetensors --precision {precision}"));
    }
    let pixels = |name: &str| image::open(dir.path().join(name)).unwrap().to_rgb8().into_raw();
    let (exact, rounded) = (pixels("f32.png"), pixels("bf16.png"));
    let off = exact.iter().zip(&rounded).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(off > 0 && off < 32, "the painting is off by {off} levels");
    let output =
        |name: &str| candle_core::safetensors::load(dir.path().join(name), &Device::Cpu).unwrap()["output"].clone();
    let off = (output("f32.safetensors") - output("bf16.safetensors")).unwrap().abs().unwrap().max_all().unwrap();
    assert!(off.to_scalar::<f32>().unwrap() > 0.0);
}

#[test]
fn forward_runs_a_checkpoint_on_a_bare_tensor() {
    let dir = folder();
    let weights = TransformerNet::random(&Config::johnson(8)).unwrap();
    candle_core::safetensors::save(&weights, dir.path().join("w.safetensors")).unwrap();
    let input = Tensor::rand(0f32, 255f32, (1, 3, 30, 45), &Device::Cpu).unwrap();
    input.save_safetensors("input", dir.path().join("in.safetensors")).unwrap();
    let command =
        "forward --arch transformer-net --weights w.safetensors --input in.safetensors --output out.safetensors";
    assert_eq!(succeed(dir.path(), command), "");

    let out = candle_core::safetensors::load(dir.path().join("out.safetensors"), &Device::Cpu).unwrap();
    let cfg = Config::johnson(8);
    let net = TransformerNet::new(cfg, VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu)).unwrap();
    let expected = net.forward(&input, &[1.0], Statistics::Compute, &Watch::silent()).unwrap();
    assert_eq!(out["output"].dims(), [1, 3, 32, 48], "it grows to multiples of 4");
    let difference = (&out["output"] - &expected).unwrap().abs().unwrap().max_all().unwrap();
    assert!(difference.to_scalar::<f32>().unwrap() < 1e-3);

    let piped = command.replace("in.safetensors", "-").replace("out.safetensors", "-");
    let piped = pipe(dir.path(), &piped, &std::fs::read(dir.path().join("in.safetensors")).unwrap());
    assert!(piped.status.success(), "{}", stderr(&piped));
    assert_eq!(piped.stdout, std::fs::read(dir.path().join("out.safetensors")).unwrap());

    assert!(fail(dir.path(), command, 1).contains("--force"));
    succeed(dir.path(), &format!("{command} --force"));
    let later = command.replace("transformer-net", "srgan");
    assert!(fail(dir.path(), &later, 2).contains("not yet"));
    let misnamed = command.replace("in.safetensors", "w.safetensors").replace("out.", "other.");
    assert!(fail(dir.path(), &misnamed, 1).contains("\"input\""));
}

#[test]
fn forward_tells_in_one_line_what_does_not_fit() {
    let dir = folder();
    let mut weights = TransformerNet::random(&Config::johnson(8)).unwrap();
    candle_core::safetensors::save(&weights, dir.path().join("w.safetensors")).unwrap();
    weights.remove("in2.weight").unwrap();
    candle_core::safetensors::save(&weights, dir.path().join("torn.safetensors")).unwrap();
    for (name, shape) in [("in", &[1, 3, 32, 32][..]), ("flat", &[3, 30, 45]), ("none", &[0, 3, 32, 32])] {
        let input = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        input.save_safetensors("input", dir.path().join(format!("{name}.safetensors"))).unwrap();
    }
    for (arch, weights, input, told) in [
        ("transformer-net", "w", "flat", "[3, 30, 45], not [batch, channels, height, width]"),
        ("transformer-net", "w", "none", "none.safetensors could not be used: its tensor \"input\" is empty"),
        ("transformer-net", "torn", "in", "in2.weight"),
        ("transformer-net", "torn", "in", "lucida: torn.safetensors: "),
        ("resnet101", "w", "in", "not resnet101's: they are transformer-net's"),
    ] {
        let files = format!("--weights {weights}.safetensors --input {input}.safetensors --output out.safetensors");
        let mut command = lucida(dir.path(), &format!("forward --arch {arch} {files}"));
        let output = command.env("RUST_BACKTRACE", "1").output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(told) && said.lines().count() == 1, "{said}");
    }
}
