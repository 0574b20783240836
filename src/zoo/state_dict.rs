//! The tensors' names: found inside the wrappers that training scripts save around them, and freed of prefixes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use candle_core::Tensor;

use super::archive::Saved;
use super::layout::Layout;
use super::pickle::{Pickle, Reason, Value};
use super::{Task, ZooError, clipped, recognise, task_of};

/// What scripts call the weights beside epochs and optimizers, those to be preferred first: averaged weights (`ema`), as
/// in BasicSR, are the ones its results are made with.
const WRAPPERS: [&str; 13] = [
    "params_ema",
    "model_ema",
    "state_dict_ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "state",
];

/// How many wrappers may stand around the weights.
const MAX_WRAPPERS: usize = 8;
/// How many modules may stand in one another.
const MAX_DEPTH: usize = 100;
/// How many objects are looked at.
const MAX_STEPS: usize = 5_000_000;
/// How many items are compared with a name: quick steps, but a dict may be referred to often.
const MAX_COMPARED: usize = 50_000_000;
/// The bytes of a name.
pub(super) const MAX_NAME: usize = 1024;

/// Why a walk that is too long is given up.
const ENDLESS: &str = "its objects stand in one another without end";

/// What a tensor costs in memory beside its name and values.
const ENTRY: usize = 128;

/// All tensors that were saved, by name. They take at most four times `file` bytes (and a little), so that no small file
/// can ask for much.
pub(super) fn tensors(saved: &Saved<'_>, file: usize) -> Reason<HashMap<String, Tensor>> {
    let mut walk = Walk {
        pickle: &saved.pickle,
        steps: 0,
        compared: 0,
        spare: file.saturating_mul(4).saturating_add(1 << 20),
        found: Vec::new(),
    };
    let (root, lightning) = walk.unwrapped()?;
    walk.collect(root, &mut String::new(), 0)?;
    let mut spare = walk.spare;
    let (mut storages, mut known) = (HashMap::new(), HashMap::new());
    let mut tensors = HashMap::new();
    for (name, value) in walk.found {
        let wrong = |reason: String| format!("tensor {:?}: {reason}", clipped(&name));
        let Some(layout) = Layout::of(&saved.pickle, value) else { continue };
        let layout = layout.map_err(wrong)?;
        let identity = layout.identity();
        let tensor = match known.get(&identity) {
            Some(tensor) => Tensor::clone(tensor),
            None => {
                let bytes = match storages.entry(layout.storage.key) {
                    Entry::Occupied(bytes) => *bytes.get(),
                    Entry::Vacant(place) => *place.insert(saved.storages.get(layout.storage.key).map_err(wrong)?),
                };
                layout.storage.check(bytes).map_err(wrong)?;
                let cost = layout.cost().map_err(wrong)?;
                spare = spare.checked_sub(cost).ok_or_else(|| wrong("it is far larger than the file".into()))?;
                let tensor = layout.gather(bytes).map_err(wrong)?;
                known.insert(identity, tensor.clone());
                tensor
            }
        };
        tensors.insert(name, tensor);
    }
    Ok(bare(tensors, lightning))
}

/// Named as the network's own code names them: without what wrapping modules put before, anywhere for `module.`
/// (`DataParallel`) and `_orig_mod.` (`torch.compile`), and where nothing else is known also without what else stands
/// before the one network of the file that a task runs (`net.`, `netG.` beside `netD.`).
pub(super) fn bare(tensors: HashMap<String, Tensor>, lightning: bool) -> HashMap<String, Tensor> {
    let tensors = renamed(unwrapped(tensors));
    let found = freed(tensors.clone(), lightning);
    if recognise(&found).is_ok() {
        return found;
    }
    if lightning {
        let as_it_is = freed(tensors, false);
        if recognise(&as_it_is).is_ok() {
            return as_it_is;
        }
    }
    only_network(&found).unwrap_or(found)
}

/// Without `module` and `_orig_mod` in the names, and what `torch.optim.swa_utils.AveragedModel` counts; U-Nets of
/// Pytorch-UNet of before October 2019 under today's names.
fn unwrapped(tensors: HashMap<String, Tensor>) -> HashMap<String, Tensor> {
    let is_own = |part: &&str| !["module", "_orig_mod"].contains(part);
    let old_unet = tensors.keys().any(|name| name.ends_with("inc.conv.conv.0.weight"));
    let named = |name: &str| {
        let mut name = name.split('.').filter(is_own).collect::<Vec<_>>().join(".");
        if old_unet {
            name = name.replace("mpconv.1.conv.", "maxpool_conv.1.double_conv.");
            name = name.replace("inc.conv.conv.", "inc.double_conv.").replace("conv.conv.", "conv.double_conv.");
        }
        name
    };
    let counts = |name: &str| name == "n_averaged" || name.ends_with(".n_averaged");
    let short: HashMap<_, _> =
        tensors.iter().filter(|(name, _)| !counts(name)).map(|(name, t)| (named(name), t.clone())).collect();
    // Two of one name would be one network's and another's.
    if short.len() == tensors.keys().filter(|name| !counts(name)).count() { short } else { tensors }
}

/// What others than their authors call CycleGAN's generators. Which pictures their discriminators judge is not agreed upon.
const GENERATORS: [(&str, [&str; 6]); 2] = [
    ("netG_A", ["G_A", "G_AB", "G_A2B", "netG_AB", "netG_A2B", "genA2B"]),
    ("netG_B", ["G_B", "G_BA", "G_B2A", "netG_BA", "netG_B2A", "genB2A"]),
];

/// Parts of a file by the names that they go by: what scripts call the state of one (`encoder_state_dict.`), and
/// generators both ways.
fn renamed(tensors: HashMap<String, Tensor>) -> HashMap<String, Tensor> {
    let part_of = |part: &str| -> String {
        let part = ["_state_dict", "_state", "_model"].iter().find_map(|end| part.strip_suffix(end)).unwrap_or(part);
        let known = GENERATORS.iter().find(|(_, names)| names.contains(&part));
        known.map_or(part, |(name, _)| name).to_owned()
    };
    let named = |name: &String| match name.split_once('.') {
        Some((part, rest)) => format!("{}.{rest}", part_of(part)),
        None => name.clone(),
    };
    let others: HashMap<_, _> = tensors.iter().map(|(name, t)| (named(name), t.clone())).collect();
    if others.len() == tensors.len() { others } else { tensors }
}

/// Without `model.`, where a Lightning module or the like holds the network. A generator of CycleGAN and its kin names all
/// its layers so, and a number or `model.` again comes after: that is its own.
fn freed(tensors: HashMap<String, Tensor>, lightning: bool) -> HashMap<String, Tensor> {
    let own = |rest: &str| rest.starts_with("model.") || rest.starts_with(|c: char| c.is_ascii_digit());
    let wrapped = |name: &String| name.strip_prefix("model.").is_some_and(|rest| lightning || !own(rest));
    if tensors.is_empty() || !tensors.keys().all(wrapped) {
        return tensors;
    }
    tensors.into_iter().map(|(name, t)| (name.strip_prefix("model.").unwrap_or(&name).to_owned(), t)).collect()
}

/// The tensors of the only part of a checkpoint, by the first words of the names, that a task has a use for, or else, where
/// there are no others, that is of a known network at all. Of the same network twice, one averaged, that one.
fn only_network(tensors: &HashMap<String, Tensor>) -> Option<HashMap<String, Tensor>> {
    let mut parts: HashMap<&str, HashMap<String, Tensor>> = HashMap::new();
    for (name, tensor) in tensors {
        if let Some((part, rest)) = name.split_once('.') {
            parts.entry(part).or_default().insert(rest.to_owned(), tensor.clone());
        }
    }
    // What describes pictures with its encoder beside it is not to be taken for a decoder alone.
    let with_encoder = parts.keys().any(|part| part.starts_with("encoder"));
    let is_useful = |part: &HashMap<String, Tensor>| match task_of(part) {
        Ok(task) => task != Task::Caption || !with_encoder,
        Err(_) => false,
    };
    // A part of a network that is known is not another one.
    let is_unknown = matches!(recognise(tensors), Err(ZooError::Unknown { .. }));
    let alone = parts.len() == 1;
    let only = |is_useful: &dyn Fn(&HashMap<String, Tensor>) -> bool| {
        let useful: Vec<_> = parts.iter().filter(|(_, part)| is_useful(part)).collect();
        let averaged: Vec<_> = useful.iter().copied().filter(|(name, _)| name.ends_with("_ema")).collect();
        match (&*useful, &*averaged) {
            ([(_, one)], _) | (_, [(_, one)]) => Some((*one).clone()),
            _ => None,
        }
    };
    only(&is_useful).or_else(|| only(&|part| is_unknown && alone && recognise(part).is_ok()))
}

/// A walk over what a pickle holds.
struct Walk<'p, 'a> {
    pickle: &'p Pickle<'a>,
    steps: usize,
    compared: usize,
    /// Bytes that may yet be taken.
    spare: usize,
    found: Vec<(String, Value<'a>)>,
}

/// A module's attributes that matter, or a dict.
enum Parts<'p, 'a> {
    Module { tensors: [Option<Value<'a>>; 2], modules: Option<Value<'a>> },
    Dict(&'p [(Value<'a>, Value<'a>)]),
}

impl<'p, 'a> Walk<'p, 'a> {
    fn step(&mut self, depth: usize) -> Reason<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS || depth > MAX_DEPTH {
            return Err(ENDLESS.into());
        }
        Ok(())
    }

    /// What `key` stands for in a dict, all of whose items are looked at.
    fn get(&mut self, dict: Value<'a>, key: &str) -> Reason<Option<Value<'a>>> {
        self.compared += self.pickle.items(dict).map_or(0, <[_]>::len);
        if self.compared > MAX_COMPARED {
            return Err(ENDLESS.into());
        }
        Ok(self.pickle.get(dict, key))
    }

    /// `None` for what holds no weights: numbers, lists, optimizers.
    fn parts(&mut self, value: Value<'a>) -> Reason<Option<Parts<'p, 'a>>> {
        let pickle = self.pickle;
        if let Some(call) = pickle.call(value) {
            // Attributes, or those and the ones in slots
            let state = pickle.list(call.state).and_then(|pair| pair.first().copied()).unwrap_or(call.state);
            let tensors = [self.get(state, "_parameters")?, self.get(state, "_buffers")?];
            let modules = self.get(state, "_modules")?;
            if tensors[0].is_some() || modules.is_some() {
                return Ok(Some(Parts::Module { tensors, modules }));
            }
        }
        let Some(items) = pickle.items(value) else { return Ok(None) };
        let optimizer = self.get(value, "param_groups")?.is_some();
        Ok(if optimizer { None } else { Some(Parts::Dict(items)) })
    }

    fn is_tensor(&self, value: Value<'a>) -> bool {
        Layout::of(self.pickle, value).is_some()
    }

    /// Whether there is a tensor somewhere in `value`.
    fn holds(&mut self, value: Value<'a>, depth: usize) -> Reason<bool> {
        self.step(depth)?;
        let items: Vec<&'p [_]> = match self.parts(value)? {
            None => return Ok(false),
            Some(Parts::Dict(items)) => vec![items],
            Some(Parts::Module { tensors: [a, b], modules }) => {
                [a, b, modules].into_iter().flatten().filter_map(|dict| self.pickle.items(dict)).collect()
            }
        };
        for (key, value) in items.into_iter().flatten() {
            self.step(depth)?;
            if matches!(key, Value::Text(_)) && (self.is_tensor(*value) || self.holds(*value, depth + 1)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds the state dict or the module, and whether PyTorch Lightning saved it.
    fn unwrapped(&mut self) -> Reason<(Value<'a>, bool)> {
        let pickle = self.pickle;
        let (mut at, mut lightning) = (pickle.root, false);
        for _ in 0..MAX_WRAPPERS {
            let Some(Parts::Dict(items)) = self.parts(at)? else { break };
            lightning |= pickle.get(at, "pytorch-lightning_version").is_some();
            let mut inner = None;
            for wrapper in WRAPPERS {
                let Some(value) = pickle.get(at, wrapper) else { continue };
                if !self.is_tensor(value) && self.holds(value, 0)? {
                    inner = Some(value);
                    break;
                }
            }
            if inner.is_none() {
                if items.iter().any(|(_, value)| self.is_tensor(*value)) {
                    break;
                }
                let mut holding = Vec::new();
                for (key, value) in items {
                    if matches!(key, Value::Text(_)) && self.holds(*value, 0)? {
                        holding.push(*value);
                    }
                }
                if let [one] = holding[..] {
                    inner = Some(one);
                }
            }
            match inner {
                Some(inner) => at = inner,
                None => break,
            }
        }
        Ok((at, lightning))
    }

    /// Finds all tensors in `value`, whose name is `prefix`.
    fn collect(&mut self, value: Value<'a>, prefix: &mut String, depth: usize) -> Reason<()> {
        self.step(depth)?;
        match self.parts(value)? {
            None => {}
            Some(Parts::Dict(items)) => {
                for (key, value) in items {
                    self.item(*key, *value, prefix, depth)?;
                }
            }
            Some(Parts::Module { tensors, modules }) => {
                let dicts = tensors.into_iter().flatten().chain(modules).filter_map(|dict| self.pickle.items(dict));
                for (key, value) in dicts.collect::<Vec<_>>().into_iter().flatten() {
                    self.item(*key, *value, prefix, depth)?;
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, key: Value<'a>, value: Value<'a>, prefix: &mut String, depth: usize) -> Reason<()> {
        self.step(depth)?;
        let Value::Text(key) = key else { return Ok(()) };
        let (outer, is_tensor) = (prefix.len(), self.is_tensor(value));
        if !is_tensor && self.parts(value)?.is_none() {
            return Ok(());
        }
        if outer + key.len() > MAX_NAME {
            return Err("one of its tensors has a name without end".into());
        }
        prefix.push_str(&String::from_utf8_lossy(key));
        if is_tensor {
            let cost = ENTRY + prefix.len();
            self.spare = self.spare.checked_sub(cost).ok_or("the names of its tensors are far longer than the file")?;
            self.found.push((prefix.clone(), value));
        } else {
            prefix.push('.');
            self.collect(value, prefix, depth + 1)?;
        }
        prefix.truncate(outer);
        Ok(())
    }
}
