//! Networks built from checkpoints: what they ask for has to be there, and what is there has to have its place.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error as CandleError, Result as CandleResult, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::nn::{Error, Result};

/// Parts of published checkpoints that only training or another task needs: torchvision's auxiliary head, and the
/// classifier of ImageNet over a backbone or an EfficientNet.
const LEFT_OUT: [&str; 6] =
    ["aux_classifier.", "fc.", "backbone.fc.", "encoder._conv_head.", "encoder._bn1.", "encoder._fc."];

/// Builds a network from a checkpoint's tensors, in single precision on the processor.
///
/// # Errors
/// Those of `make`; [`Error::Candle`] for weights that are whole numbers; [`Error::Shape`] naming the first weight or bias
/// that `make` did not ask for: it would be of another network, which computes something else.
pub fn built<N>(tensors: HashMap<String, Tensor>, make: impl FnOnce(VarBuilder<'static>) -> Result<N>) -> Result<N> {
    let has_place = |name: &str| LEFT_OUT.iter().any(|part| name.starts_with(part));
    let weighs = |name: &str| name.ends_with(".weight") || name.ends_with(".bias");
    let mut left: Vec<String> = tensors.keys().filter(|name| weighs(name) && !has_place(name)).cloned().collect();
    let asked = Asked::default();
    let backend = Box::new(Checkpoint { tensors, asked: asked.clone() });
    let network = make(VarBuilder::from_backend(backend, DType::F32, Device::Cpu))?;
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|name| !asked.contains(name));
    match left.iter().min() {
        Some(name) => Err(Error::Shape(format!("it also has {name}, for which there is no place"))),
        None => Ok(network),
    }
}

type Asked = Arc<Mutex<HashSet<String>>>;

struct Checkpoint {
    tensors: HashMap<String, Tensor>,
    asked: Asked,
}

impl SimpleBackend for Checkpoint {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> CandleResult<Tensor> {
        if self.tensors.get(name).is_some_and(|tensor| tensor.dtype().is_int()) {
            return Err(CandleError::Msg(format!("{name} holds whole numbers; quantised weights cannot be used")));
        }
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        SimpleBackend::get(&self.tensors, shape, name, init, dtype, device)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> CandleResult<Tensor> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        self.tensors.get_unchecked(name, dtype, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}
