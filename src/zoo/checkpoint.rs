//! Tensors out of the containers that checkpoints come in: safetensors, the archives of `torch.save`, and the streams of
//! pickles that it wrote before PyTorch 1.6. Decided by content, for names lie: a `.pth.tar` is no tar.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::layout::{Element, MAX_RANK};
use super::pickle::Reason;
use super::state_dict::MAX_NAME;
use super::{ZooError, archive, clipped, state_dict};

/// Enough of a file to tell what it is.
const HEAD: u64 = 512;

/// Longest checkpoint that is read, in bytes.
const MAX_FILE: u64 = 4 << 30;

/// All tensors of the checkpoint at `path` by name, on the processor, in the types they were stored in; `bool` becomes
/// `u8`, and `i8` becomes `i16`, for candle has neither.
///
/// What training scripts save around the weights is left out, and so are prefixes that all names share only because
/// something wrapped the network (`module.`; `model.` where it is not the network's own). Of modules that were saved
/// whole, and of several networks in one file, names are put together with dots: `encoder.resnet.0.weight`. Nothing in
/// the file is ever run. Beside the file itself memory goes to the tensors, at most four times the file and a megabyte,
/// and while it is read to what is pickled, at most 350 MB and in practice little.
///
/// # Errors
/// [`ZooError::Read`] for a file that cannot be read, [`ZooError::Damaged`] for one that is no checkpoint,
/// or damaged, or larger than 4 GiB.
pub fn read_tensors(path: &Path) -> Result<HashMap<String, Tensor>, ZooError> {
    let unread = |source| ZooError::Read { path: path.to_owned(), source };
    let damaged = |reason| ZooError::Damaged { name: path.display().to_string(), reason };
    let (mut file, size) = opened(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut bytes).map_err(unread)?;
    let container = Container::of(&bytes, size).map_err(damaged)?; // before all of a film is read
    file.read_to_end(&mut bytes).map_err(unread)?;
    let tensors = match container {
        Container::Safetensors => from_safetensors(&bytes),
        Container::Archive => archive::archive(&bytes).and_then(|saved| state_dict::tensors(&saved, bytes.len())),
        Container::Stream => archive::stream(&bytes).and_then(|saved| state_dict::tensors(&saved, bytes.len())),
    };
    match tensors {
        Ok(tensors) if tensors.is_empty() => Err(damaged("it holds no tensors under names".into())),
        tensors => tensors.map_err(damaged),
    }
}

/// Opens the file at `path`, and tells how long it is.
///
/// # Errors
/// [`ZooError::Read`]; [`ZooError::Damaged`] for what is no file, whose opening might wait for ever, and for one larger
/// than [`MAX_FILE`].
pub(super) fn opened(path: &Path) -> Result<(File, u64), ZooError> {
    let unread = |source| ZooError::Read { path: path.to_owned(), source };
    let unusable = |reason: &str| ZooError::Damaged { name: path.display().to_string(), reason: reason.to_owned() };
    let about = path.metadata().map_err(unread)?;
    if !about.is_file() {
        return Err(unusable("it is a folder or a device, not a file"));
    }
    if about.len() > MAX_FILE {
        return Err(unusable("it is larger than 4 GiB, far more than any network that can be used here"));
    }
    Ok((File::open(path).map_err(unread)?, about.len()))
}

/// What a checkpoint comes in.
enum Container {
    Safetensors,
    Archive,
    Stream,
}

impl Container {
    /// By the `head` of a file of `size` bytes.
    fn of(head: &[u8], size: u64) -> Reason<Container> {
        let begins = |with: &[&[u8]]| with.iter().any(|with| head.starts_with(with));
        // The length of a safetensors header comes first, and may look like anything.
        let header = if head.get(8) == Some(&b'{') { head.first_chunk().map(|n| u64::from_le_bytes(*n)) } else { None };
        if header.is_some_and(|len| len <= size.saturating_sub(8)) {
            return Ok(Container::Safetensors);
        }
        let reason = match head {
            [] => "it is empty",
            [0x80, ..] => return Ok(Container::Stream),
            _ if begins(&[b"PK\x03\x04", b"PK\x05\x06"]) => return Ok(Container::Archive),
            _ if begins(&[b"version https://git-lfs"]) => {
                "it only points to the file: it was cloned without Git LFS (git lfs pull fetches it)"
            }
            _ if begins(&[b"<", b"\n<", b"\r\n<"]) => "it is a web page: what it was downloaded from is no direct link",
            _ if begins(&[b"sys_info\0"]) || head.get(257..262) == Some(b"ustar") => {
                "it is a tar archive, as PyTorch wrote before 0.1.11; load and save it with a later one"
            }
            _ if begins(&[b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd"]) => {
                "it is compressed: unpack it first"
            }
            _ if begins(&[b"\x89HDF"]) => "it is an HDF5 file, as Keras writes them",
            _ if begins(&[b"GGUF"]) => "it is a GGUF file, as language models come in",
            _ if header.is_some() => "it is cut short, or no safetensors file: the list of tensors is not all there",
            _ => "it is neither safetensors nor what torch.save writes",
        };
        Err(reason.to_owned())
    }
}

pub(super) fn from_safetensors(bytes: &[u8]) -> Reason<HashMap<String, Tensor>> {
    let damaged = |e: SafeTensorError| {
        format!("its safetensors header is damaged or cut short: {}", clipped(&e.to_string())) // it quotes the header
    };
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let tensor = |(name, view): (String, TensorView<'_>)| {
        let shown = clipped(&name);
        if name.len() > MAX_NAME {
            return Err(format!("the name of its tensor {shown:?} has {} bytes, more than {MAX_NAME}", name.len()));
        }
        if view.shape().len() > MAX_RANK {
            let rank = view.shape().len();
            return Err(format!("tensor {shown:?}: it has {rank} dimensions, more than {MAX_RANK}"));
        }
        let element = match view.dtype() {
            Dtype::BOOL => Element::Bool,
            Dtype::I8 => Element::I8,
            Dtype::U8 => Element::Native(DType::U8),
            Dtype::U32 => Element::Native(DType::U32),
            Dtype::I16 => Element::Native(DType::I16),
            Dtype::I32 => Element::Native(DType::I32),
            Dtype::I64 => Element::Native(DType::I64),
            Dtype::F16 => Element::Native(DType::F16),
            Dtype::BF16 => Element::Native(DType::BF16),
            Dtype::F32 => Element::Native(DType::F32),
            Dtype::F64 => Element::Native(DType::F64),
            Dtype::F8_E4M3 => Element::Native(DType::F8E4M3),
            dtype => return Err(format!("tensor {shown:?}: numbers of type {dtype:?} are not supported")),
        };
        let tensor =
            element.tensor(view.data(), view.shape()).map_err(|reason| format!("tensor {shown:?}: {reason}"))?;
        Ok((name, tensor))
    };
    let tensors = file.tensors().into_iter().map(tensor).collect::<Reason<_>>()?;
    Ok(state_dict::bare(tensors, false))
}
