//! One network's bare output, for those who port models.

mod captioner;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use safetensors::SafeTensors;

use super::TaskError;
use crate::models::{
    Backbone, DeepLabV3, DeepLabV3MobileNetV2, DeepLabV3Plus, Fcn, Fcn8s, Generator, LrAspp, MobileNetV2, PatchGan,
    ResNet, ResnetGenerator, Segmenter, TransformerNet, Unet, UnetEfficientNetLite, UnetGenerator, Vgg16, mobilenet_v2,
    resnet, transformer_net, vgg,
};
use crate::nn::{self, Pass, Pool, Precision, Statistics, Watch};
use crate::zoo::{self, TwoWay, ZooError};

/// Tensors by name.
type Tensors = HashMap<String, Tensor>;
/// Runs a checkpoint's tensors over the input; returns the outputs by name.
type Run = fn(Tensors, &Tensor, &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError>;

/// Each architecture and how it runs; a new one is one entry.
const RUNS: [(&str, Run); 20] = [
    ("transformer-net", transformer_net),
    ("cyclegan-resnet", generator::<ResnetGenerator>),
    ("pix2pix-unet", generator::<UnetGenerator>),
    ("patch-gan", patch_gan),
    ("fcn-resnet50", segmenter::<Fcn>),
    ("fcn-resnet101", segmenter::<Fcn>),
    ("deeplabv3-resnet50", segmenter::<DeepLabV3>),
    ("deeplabv3-resnet101", segmenter::<DeepLabV3>),
    ("deeplabv3-mobilenet-v3-large", segmenter::<DeepLabV3>),
    ("lraspp-mobilenet-v3-large", segmenter::<LrAspp>),
    ("deeplabv3-mobilenet-v2-voc21", segmenter::<DeepLabV3MobileNetV2>),
    ("unet", segmenter::<Unet>),
    ("fcn-efficientnet-lite0", fcn8s),
    ("unet-efficientnet-lite0", segmenter::<UnetEfficientNetLite>),
    ("deeplabv3plus-efficientnet-lite0", segmenter::<DeepLabV3Plus>),
    ("resnet101", resnet),
    ("vgg16", vgg16),
    ("mobilenet-v2", mobilenet_v2),
    (zoo::SHOW_ATTEND_TELL, captioner::run),
    (zoo::SHOW_AND_TELL, captioner::run),
];

/// The architectures that [`forward`] knows.
pub const ARCHITECTURES: &[&str] = &{
    let mut names = [""; RUNS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = RUNS[i].0;
        i += 1;
    }
    names
};

/// Where the safetensors with the tensor `input` are.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// In a file.
    File(&'a Path),
    /// In bytes that came through standard input.
    Piped(&'a [u8]),
}

impl<'a> From<&'a PathBuf> for Input<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Input::File(path)
    }
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Input::Piped(bytes)
    }
}

impl Input<'_> {
    fn tensor(self) -> Result<Tensor, TaskError> {
        let missing = || self.unusable("it holds no tensor called \"input\"".to_owned());
        match self {
            Input::File(path) => zoo::read_tensors(path)?.remove("input").ok_or_else(missing),
            Input::Piped(bytes) => {
                let tensors = SafeTensors::deserialize(bytes)
                    .map_err(|e| self.unusable(format!("it is no safetensors file, or cut short: {e}")))?;
                let input = tensors.tensor("input").map_err(|_| missing())?;
                // candle multiplies the other sides unchecked.
                if input.shape().contains(&0) {
                    return Err(self.empty());
                }
                Ok(input.load(&Device::Cpu)?)
            }
        }
    }

    fn empty(self) -> TaskError {
        self.unusable("its tensor \"input\" is empty".to_owned())
    }

    fn unusable(self, reason: String) -> TaskError {
        let name = match self {
            Input::File(path) => path.display().to_string(),
            Input::Piped(_) => "standard input".to_owned(),
        };
        TaskError::Tensors { name, reason }
    }
}

/// Runs the network of `arch` with the checkpoint `weights` on the tensor `input` of the safetensors in `input`, without any
/// pre- or post-processing. Returns its outputs by name; the main one is `output`.
///
/// Sizes, and so how many layers a ResNet has, are read from the weights. A network with several styles gives the one its
/// first row holds. A generator with batch norms also gives `output_batchstats`, normalised by the picture's own
/// statistics: pix2pix's `test.py` without `--eval`. A checkpoint of generators both ways gives what the way back makes of
/// the same input, too, as `output_back`. A classifier gives its logits as `output`, and `features`; a ResNet
/// its last stage as `layer4`, that averaged to 14 x 14 as `output` (what captioning networks attend to), and `logits`
/// where it has a classifier. FCN-8s also gives what FCN-16s and FCN-32s would have said, `output_16s` and `output_32s`.
/// VGG-16 gives `relu1_2`, `relu2_2`, `relu3_3` and `relu4_3`, the last as `output` too.
///
/// A captioning decoder gets the encoder's output, `[1, height, width, encoder_dim]`; a checkpoint with an encoder may get
/// a normalised picture, `[1, 3, height, width]`, or one of 0..=255, `[3, height, width]`, instead. It gives the best
/// sentence's numbers, from the mark for the beginning to that for the end, as `greedy_seq`, `beam3_seq`, and for a beam of
/// 5 `beam5_seq` and `output`; the attention of each, `greedy_alphas` and so on, `[words, height, width]`, 1 everywhere for
/// the first; the decoder's answers to that last sentence word by word, `teacher_logits` and `teacher_alphas`; `h0`, `c0`
/// and `encoder_out`. The marks are taken to be the last two words, as they are in the tutorial's word maps.
///
/// # Errors
/// [`TaskError::UnknownNet`], [`TaskError::Zoo`] for an unreadable file and for weights of another architecture,
/// [`TaskError::Tensors`] for an `input` that is missing or of another rank, [`TaskError::Network`] when weights and input do
/// not fit.
pub fn forward<'a>(
    arch: &str,
    weights: &Path,
    input: impl Into<Input<'a>>,
    precision: Precision,
) -> Result<Tensors, TaskError> {
    let unknown = || TaskError::UnknownNet { net: arch.to_owned(), known: ARCHITECTURES.join(", ") };
    let &(wanted, run) = RUNS.iter().find(|(name, _)| *name == arch).ok_or_else(unknown)?;
    let tensors = zoo::read_tensors(weights)?;
    // Of weights that are nobody's the network will miss a tensor.
    if let Ok(found) = zoo::recognise(&tensors)
        && found != wanted
    {
        return Err(ZooError::OtherArchitecture { wanted, why: format!("they are {found}'s") }.into());
    }
    let input: Input<'_> = input.into();
    let x = input.tensor()?;
    if x.elem_count() == 0 {
        return Err(input.empty());
    }
    let describes = [zoo::SHOW_ATTEND_TELL, zoo::SHOW_AND_TELL].contains(&wanted);
    let is_bare_picture = x.rank() == 3 && describes && tensors.keys().any(|name| name.starts_with("encoder."));
    if x.rank() != 4 && !is_bare_picture {
        let shape = if describes { "[1, height, width, channels]" } else { "[batch, channels, height, width]" };
        return Err(input.unusable(format!("its tensor \"input\" has the shape {:?}, not {shape}", x.dims())));
    }
    let watch = Watch::silent().with_precision(precision);
    let outputs = run(tensors, &x.to_dtype(DType::F32)?, &watch)?;
    Ok(outputs.into_iter().map(|(name, t)| (name.to_owned(), t)).collect())
}

fn builder(tensors: Tensors) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

fn transformer_net(tensors: Tensors, x: &Tensor, watch: &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    let config = transformer_net::Config::from_tensors(&tensors)?;
    let mut mix = vec![0.0; config.styles.unwrap_or(1)];
    if let Some(first) = mix.first_mut() {
        *first = 1.0;
    }
    let net = TransformerNet::new(config, builder(tensors))?;
    Ok(vec![("output", net.forward(x, &mix, Statistics::Compute, watch)?)])
}

fn generator<N: Generator>(
    tensors: Tensors,
    x: &Tensor,
    watch: &Watch<'_>,
) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    let pool = Pool::default();
    let run = |net: &N| net.forward_with(x, Statistics::Compute, watch, &pool);
    let mut outputs = Vec::new();
    let names = [["output", "output_batchstats"], ["output_back", "output_back_batchstats"]];
    // Of a checkpoint of both ways the first one that it has is the main one.
    for (tensors, [name, own]) in TwoWay::of(tensors).generators.into_iter().flatten().zip(names) {
        let kept = N::from_tensors(tensors.clone(), false)?;
        outputs.push((name, run(&kept)?));
        if kept.has_batch_norm() {
            outputs.push((own, run(&N::from_tensors(tensors, true)?)?));
        }
    }
    Ok(outputs)
}

fn patch_gan(tensors: Tensors, x: &Tensor, watch: &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    Ok(vec![("output", PatchGan::from_tensors(tensors)?.forward(x, watch, &Pool::default())?)])
}

fn segmenter<N: Segmenter>(
    tensors: Tensors,
    x: &Tensor,
    watch: &Watch<'_>,
) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    Ok(vec![("output", N::from_tensors(tensors)?.forward(x, &Pool::default(), watch)?)])
}

fn fcn8s(tensors: Tensors, x: &Tensor, watch: &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    let net = Fcn8s::from_tensors(tensors)?;
    let pool = Pool::default();
    let mut pass = Pass::new(&pool, watch, 0.0);
    let (_, _, height, width) = x.dims4()?;
    let scores = net.scores(pass.enter(x)?, &mut pass)?;
    let grown = scores.iter().map(|scores| pass.bilinear(scores, [height, width], net.align_corners())?.into_tensor());
    Ok(["output_32s", "output_16s", "output"].into_iter().zip(grown.collect::<nn::Result<Vec<_>>>()?).collect())
}

fn vgg16(tensors: Tensors, x: &Tensor, watch: &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    let net = Vgg16::new(&vgg::Config::from_tensors(&tensors)?, builder(tensors))?;
    let features = net.forward(x, &Pool::default(), watch)?;
    let last = features.last().map(|last| ("output", last.clone()));
    Ok(vgg::TAPS.into_iter().zip(features).chain(last).collect())
}

fn resnet(tensors: Tensors, x: &Tensor, watch: &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    let net = ResNet::new(resnet::Config::from_tensors(&tensors, "")?, builder(tensors))?;
    let pool = Pool::default();
    let mut pass = Pass::new(&pool, watch, 0.0);
    let features = net.features(pass.enter(x)?, &mut pass)?;
    let mut outputs = vec![("output", pass.average_pool(&features, [14, 14])?.into_tensor()?)];
    if let Some(logits) = net.logits(&features, &mut pass)? {
        outputs.push(("logits", logits.into_tensor()?.flatten_from(1)?));
    }
    outputs.push(("layer4", features.into_tensor()?));
    Ok(outputs)
}

fn mobilenet_v2(tensors: Tensors, x: &Tensor, watch: &Watch<'_>) -> Result<Vec<(&'static str, Tensor)>, TaskError> {
    let net = MobileNetV2::new(mobilenet_v2::Config::from_tensors(&tensors, "")?, builder(tensors))?;
    let pool = Pool::default();
    let mut pass = Pass::new(&pool, watch, 0.0);
    let features = net.features(pass.enter(x)?, &mut pass)?;
    let logits = net.logits(&features, &mut pass)?;
    let features = features.into_tensor()?;
    Ok(match logits {
        Some(logits) => vec![("output", logits.into_tensor()?.flatten_from(1)?), ("features", features)],
        None => vec![("output", features)],
    })
}
