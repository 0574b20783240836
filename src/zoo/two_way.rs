//! Checkpoints of several translation networks: generators both ways and the discriminators of what they make, each
//! named as junyanz/pytorch-CycleGAN-and-pix2pix names it, with its network's name before (`netG_A.model.1.weight`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use crate::nn::{self, Error};

/// What a checkpoint of translation networks holds, taken apart: the tensors of each, named as in a file of its own.
#[derive(Debug, Default)]
pub struct TwoWay {
    /// Whether the checkpoint names its networks.
    pub named: bool,
    /// From A to B (`netG_A.`), and from B to A (`netG_B.`).
    pub generators: [Option<HashMap<String, Tensor>>; 2],
    /// The discriminators of what those make: of B (`netD_A.`), and of A (`netD_B.`).
    pub judges: [Option<HashMap<String, Tensor>>; 2],
}

pub(super) const GENERATORS: [&str; 2] = ["netG_A.", "netG_B."];
pub(super) const JUDGES: [&str; 2] = ["netD_A.", "netD_B."];

impl TwoWay {
    /// Takes a checkpoint apart; of one that names no networks all is the generator from A to B.
    pub fn of(mut tensors: HashMap<String, Tensor>) -> TwoWay {
        if TwoWay::prefix(&tensors).is_none() {
            return TwoWay { generators: [Some(tensors), None], ..TwoWay::default() };
        }
        let mut take = |prefix: &str| {
            let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
            let taken = names.iter().filter_map(|name| {
                let tensor = tensors.remove(name)?;
                Some((name.strip_prefix(prefix)?.to_owned(), tensor))
            });
            let taken: HashMap<_, _> = taken.collect();
            if taken.is_empty() { None } else { Some(taken) }
        };
        TwoWay { named: true, generators: GENERATORS.map(&mut take), judges: JUDGES.map(&mut take) }
    }

    /// What the names of a checkpoint's first generator begin with; `None` if it names no networks.
    pub(super) fn prefix(tensors: &HashMap<String, Tensor>) -> Option<&'static str> {
        GENERATORS.into_iter().find(|prefix| tensors.keys().any(|name| name.starts_with(prefix)))
    }
}

/// Whether the name of a file that holds one generator says that it goes from B to A: `..._net_G_B.pth`.
pub fn goes_back(path: &Path) -> bool {
    renamed(path, "G_B", "G_B").is_some()
}

/// The path with the last `from` of its name as `to`; `None` where the name has none that ends a word.
pub fn renamed(path: &Path, from: &str, to: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (before, after) = name.rsplit_once(from)?;
    let ends = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ends.then(|| path.with_file_name(format!("{before}{to}{after}")))
}

/// Checks the channels of a generator's pictures, in and out.
///
/// # Errors
/// [`Error::Shape`] for pictures that are neither grey nor RGB.
pub fn check_generator([ins, outs]: [usize; 2]) -> nn::Result<()> {
    if [ins, outs].iter().all(|channels| [1, 3].contains(channels)) {
        return Ok(());
    }
    Err(Error::Shape(format!("its pictures have {ins} and {outs} channels; there are grey ones and RGB")))
}

/// Checks the channels that a discriminator `sees` against those of the generator whose pictures it is to judge, alone or
/// with those that they were made of.
///
/// # Errors
/// [`Error::Shape`] when they do not fit.
pub fn check_judge([ins, outs]: [usize; 2], sees: usize) -> nn::Result<()> {
    if sees == outs || sees == ins + outs {
        return Ok(());
    }
    let reason = format!("the discriminator sees {sees} channels; the generator's pictures have {ins} and {outs}");
    Err(Error::Shape(reason))
}
