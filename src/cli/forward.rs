//! `lucida forward`: a checkpoint run as it is, for people who port models.

use std::path::PathBuf;

use clap::Args;

use super::console::{self, Session};
use super::{Arithmetic, Failure, asked, files};
use crate::tasks::{self, TaskError};

/// Architectures that later versions run: known by name, but not here yet.
const LATER: [&str; 1] = ["srgan"];

/// The network, its weights, and the tensors.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The architecture: transformer-net (pytorch/examples fast_neural_style; RGB 0..255 in and out), cyclegan-resnet
    /// (CycleGAN's, pix2pix's or CUT's ResNet generator; RGB -1..1 in and out), pix2pix-unet (pix2pix's U-Net generator; the
    /// same), patch-gan (the discriminator of both; the same in, scores out), unet (Pytorch-UNet's; RGB 0..1 in, logits
    /// out), deeplabv3-mobilenet-v2-voc21 (TensorFlow DeepLab's; RGB -1..1 in, logits out), fcn-efficientnet-lite0,
    /// unet-efficientnet-lite0 or deeplabv3plus-efficientnet-lite0 (Lucida's own; RGB 0..1 minus 0.498, divided by 0.502
    /// in, logits out), or torchvision's fcn-resnet50, fcn-resnet101, deeplabv3-resnet50, deeplabv3-resnet101,
    /// deeplabv3-mobilenet-v3-large, lraspp-mobilenet-v3-large, resnet101, vgg16 or mobilenet-v2 (RGB normalised with
    /// ImageNet's mean and standard deviation in; logits out, of resnet101 and vgg16 features), show-attend-tell (the decoder
    /// of "a PyTorch Tutorial to Image Captioning"; the encoder's output, [1, height, width, channels], in; the words'
    /// numbers and their attention out) or show-and-tell (the same without attention)
    #[arg(long, value_name = "ARCH")]
    arch: String,

    /// The checkpoint: safetensors, or PyTorch's .pth
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// A file with the tensor "input", [batch, 3, height, width] unless the architecture says otherwise; - is
    /// standard input
    #[arg(long, value_name = "IN.safetensors")]
    input: PathBuf,

    /// Where the tensor "output" goes; - is standard output
    #[arg(long, value_name = "OUT.safetensors")]
    output: PathBuf,

    #[command(flatten)]
    arithmetic: Arithmetic,

    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
}

/// Runs `lucida forward`.
pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let arch = arguments.arch.as_str();
    if LATER.contains(&arch) {
        return Err(Failure::later("architecture", arch, tasks::ARCHITECTURES));
    }
    let to_stdout = arguments.output.as_os_str() == "-";
    if !to_stdout {
        files::check_target(&arguments.output, arguments.force)?;
    }
    let (weights, precision) = (&arguments.weights, arguments.arithmetic.precision);
    let outputs = if arguments.input.as_os_str() == "-" {
        let piped = console::read_stdin(u64::MAX, "a safetensors file");
        session.check()?;
        tasks::forward(arch, weights, piped?.as_slice(), precision)
    } else {
        tasks::forward(arch, weights, &arguments.input, precision)
    };
    let outputs = outputs.map_err(|error| match error {
        TaskError::Tensors { .. } | TaskError::UnknownNet { .. } => error.into(),
        error => asked::unusable(weights, error),
    })?;
    let bytes = safetensors::serialize(&outputs, None)
        .map_err(|e| Failure::with("cannot write the result as safetensors", e))?;
    if to_stdout {
        session.check()?;
        return console::print_bytes(&bytes);
    }
    session.save(&arguments.output, &bytes, arguments.force)
}
