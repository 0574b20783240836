//! Tensors out of the containers that checkpoints come in: safetensors, PyTorch's zip, and the stream of pickles that
//! `torch.save` wrote before PyTorch 1.6. Decided by content, for the names lie.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use candle_core::pickle::{Object, Stack};
use candle_core::{Device, Tensor};

use super::ZooError;

/// `torch.save`'s magic number, pickled.
const LEGACY: &[u8] = &[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// All tensors of the checkpoint at `path` by name, on the processor, in the types they were stored in.
///
/// # Errors
/// [`ZooError::Read`] for a file that cannot be read, [`ZooError::Damaged`] for one that is no checkpoint.
pub fn read_tensors(path: &Path) -> Result<HashMap<String, Tensor>, ZooError> {
    let bytes = std::fs::read(path).map_err(|source| ZooError::Read { path: path.to_owned(), source })?;
    let tensors = if bytes.starts_with(b"PK") {
        drop(bytes);
        candle_core::pickle::read_all(path).map(|all| all.into_iter().collect())
    } else if bytes.starts_with(LEGACY) {
        legacy(&bytes)
    } else {
        candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
    };
    let damaged = |reason: String| ZooError::Damaged { name: path.display().to_string(), reason };
    let tensors: HashMap<String, Tensor> = tensors.map_err(|e| damaged(e.to_string()))?;
    if tensors.is_empty() { Err(damaged("it holds no tensors under names".into())) } else { Ok(tensors) }
}

/// Magic number, protocol, system, the object, the storages' keys, then each storage: its length and its values.
fn legacy(bytes: &[u8]) -> candle_core::Result<HashMap<String, Tensor>> {
    let mut at = Cursor::new(&bytes[LEGACY.len()..]);
    let mut object = || {
        let mut stack = Stack::empty();
        stack.read_loop(&mut at)?;
        stack.finalize()
    };
    let (_protocol, _system) = (object()?, object()?);
    let (state, keys) = (object()?, object()?);
    let Object::Dict(state) = state else { candle_core::bail!("its object is not a state dict") };
    let Object::List(keys) = keys else { candle_core::bail!("it has no list of storages") };
    let mut wanted = Vec::new();
    for (name, value) in state {
        if let Some(info) = value.into_tensor_info(name, Path::new("storages"))? {
            wanted.push(info);
        }
    }
    let mut tensors = HashMap::new();
    for key in keys {
        let Object::Unicode(key) = key else { candle_core::bail!("a storage has no name") };
        let path = format!("storages/{key}");
        let mut count = [0; 8];
        at.read_exact(&mut count)?;
        let Some(first) = wanted.iter().find(|w| w.path == path) else {
            candle_core::bail!("storage {key} belongs to no tensor, so its type is unknown")
        };
        let rest = &bytes[LEGACY.len()..][at.position() as usize..];
        let len = u64::from_le_bytes(count).checked_mul(first.dtype.size_in_bytes() as u64);
        let Some(values) = len.and_then(|n| rest.get(..usize::try_from(n).ok()?)) else {
            candle_core::bail!("storage {key} is cut short")
        };
        for w in wanted.iter().filter(|w| w.path == path) {
            if !w.layout.is_contiguous() {
                candle_core::bail!("{} is not stored in order", w.name);
            }
            let from = w.layout.start_offset(); // in bytes, unlike candle's other layouts
            let mut sides = w.layout.dims().iter();
            let len = sides.try_fold(w.dtype.size_in_bytes(), |n, side| n.checked_mul(*side));
            let to = len.and_then(|len| from.checked_add(len));
            let Some(values) = to.and_then(|to| values.get(from..to)) else {
                candle_core::bail!("{} reaches beyond its storage", w.name)
            };
            let tensor = Tensor::from_raw_buffer(values, w.dtype, w.layout.dims(), &Device::Cpu)?;
            tensors.insert(w.name.clone(), tensor);
        }
        at.set_position(at.position() + values.len() as u64);
    }
    Ok(tensors)
}
