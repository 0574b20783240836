//! Checkpoint files: every container, wrapper and layout of the field, damaged ones and malicious ones.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use common::shared;
use lucida::zoo::{ZooError, read_tensors};
use proptest::prelude::*;

type Tensors = HashMap<String, Tensor>;

/// Counts what each thread holds, and held at most.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn held(change: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: all is passed on to the system's allocator, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        held(layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        held(-(layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads a checkpoint; also how much memory that took.
fn read_counting(path: &Path) -> (Result<Tensors, ZooError>, isize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = read_tensors(path);
    (result, PEAK.get() - before)
}

/// Reads a checkpoint; it must not take more memory than a small multiple of the file, or eight megabytes.
fn read(path: &Path) -> Result<Tensors, ZooError> {
    let size = std::fs::metadata(path).unwrap().len() as isize;
    let (result, took) = read_counting(path);
    assert!(took <= 8 * size + (8 << 20), "{} of {size} bytes took {took}", path.display());
    result
}

fn read_bytes(bytes: &[u8]) -> Result<Tensors, ZooError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read(file.path())
}

/// Why a file is refused.
fn refusal(result: Result<Tensors, ZooError>) -> String {
    match result {
        Err(ZooError::Damaged { reason, .. }) => reason,
        other => panic!("should be refused as damaged, not {:?}", other.map(|t| t.into_keys().collect::<Vec<_>>())),
    }
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Shapes and bits, of numbers in candle's types.
fn assert_same(name: &str, got: &Tensor, expected: &Tensor) {
    assert_eq!((got.dtype(), got.dims()), (expected.dtype(), expected.dims()), "{name}");
    let bits = |t: &Tensor| -> Vec<u64> {
        match t.dtype() {
            DType::I64 => t.flatten_all().unwrap().to_vec1::<i64>().unwrap().into_iter().map(|v| v as u64).collect(),
            _ => {
                let t = t.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
                t.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
            }
        }
    };
    assert_eq!(bits(got), bits(expected), "{name}");
}

/// An expected file, read by the safetensors crate alone.
fn expected(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |view: &safetensors::tensor::TensorView<'_>| match view.dtype() {
        safetensors::Dtype::BOOL => Tensor::from_slice(view.data(), view.shape(), &Device::Cpu).unwrap(),
        safetensors::Dtype::I8 => {
            let wide: Vec<i16> = view.data().iter().map(|b| i16::from(*b as i8)).collect();
            Tensor::from_vec(wide, view.shape(), &Device::Cpu).unwrap()
        }
        _ => candle_core::safetensors::Load::load(view, &Device::Cpu).unwrap(),
    };
    file.tensors().iter().map(|(name, view)| (name.clone(), tensor(view))).collect()
}

#[test]
fn every_container_of_the_collection_does_what_it_must() {
    let Some(folder) = shared("oracles").map(|f| f.join("loader")) else { return };
    let manifest = json(&folder.join("manifest.json"));
    let files = manifest["files"].as_array().unwrap();
    assert!(files.len() >= 39);
    for entry in files {
        let (file, expectation) = (entry["file"].as_str().unwrap(), entry["expectation"].as_str().unwrap());
        let result = read(&folder.join(file));
        let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
        let reference = folder.join(format!("{stem}.expected.safetensors"));
        match (expectation.starts_with("loads"), &result) {
            (true, Ok(got)) if reference.exists() => {
                let expected = expected(&reference);
                let sorted = |t: &Tensors| {
                    let mut names: Vec<_> = t.keys().cloned().collect();
                    names.sort();
                    names
                };
                assert_eq!(sorted(got), sorted(&expected), "{file}");
                expected.iter().for_each(|(name, t)| assert_same(&format!("{file}: {name}"), &got[name], t));
            }
            (true, _) => assert!(result.is_ok() || expectation.contains("or clear error"), "{file}: {result:?}"),
            (false, Ok(_)) => assert!(expectation.contains("or loads"), "{file} should be refused"),
            (false, Err(_)) => {}
        }
        if result.is_err() {
            println!("{file}: {}", refusal(result));
        }
    }
}

#[test]
fn the_checkpoints_of_the_field_are_read() {
    let Some(folder) = shared("oracles") else { return };
    let index = json(&folder.join("index.json"));
    for case in index["cases"].as_array().unwrap() {
        let (case, file) = (case["case"].as_str().unwrap(), case["checkpoint"].as_str().unwrap());
        let got = read(&folder.join(file)).unwrap();
        let keys = &json(&folder.join(format!("{case}.json")))["keys"];
        let known = |part: &str| keys[part].as_array().into_iter().flatten().filter_map(|name| name.as_str());
        let names: Vec<_> = known("first").chain(known("last")).collect();
        if let Some(count) = keys["count"].as_u64() {
            let lists = u64::from(names.contains(&"mask_values")); // beside the tensors in U-Net's files
            assert_eq!(got.len() as u64 + lists, count, "{file}");
        }
        for name in names.into_iter().filter(|name| *name != "mask_values") {
            assert!(got.contains_key(name), "{file} has no {name}");
        }
    }
    // Whole modules, in both containers.
    let archive = read(&folder.join("caption_BEST_checkpoint.pth.tar")).unwrap();
    let stream = read(&folder.join("caption_BEST_checkpoint_legacy.pth.tar")).unwrap();
    assert_eq!(archive.len(), stream.len());
    archive.iter().for_each(|(name, t)| assert_same(name, &stream[name], t));
    let decoder = read(&folder.join("caption_decoder.pth")).unwrap();
    for (name, t) in decoder {
        assert_eq!(archive[&format!("decoder.{name}")].dims(), t.dims(), "{name}");
    }
    assert_eq!(archive["encoder.resnet.0.weight"].dims(), [8, 3, 7, 7]);
    assert!(archive.contains_key("encoder.resnet.1.running_mean"), "buffers too");
}

/// What the files of these tests are pickled from.
#[derive(Clone)]
enum Python {
    Int(i32),
    Text(&'static str),
    List(Vec<Python>),
    Dict(Vec<(&'static str, Python)>),
    /// Key and length of a float storage, offset, shape, strides.
    Tensor(&'static str, i32, i32, &'static [i32], &'static [i32]),
    /// An object of a class that nobody here knows, and its attributes.
    Object(Box<Python>),
    Raw(Vec<u8>),
}
use Python::{Dict, Int, List, Object, Raw, Text};

impl Python {
    fn write(&self, out: &mut Vec<u8>) {
        let text = |out: &mut Vec<u8>, text: &str| {
            out.push(b'X');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        };
        let int = |out: &mut Vec<u8>, n: i32| {
            out.push(b'J');
            out.extend(n.to_le_bytes());
        };
        match self {
            Int(n) => int(out, *n),
            Text(t) => text(out, t),
            Raw(raw) => out.extend(raw),
            List(parts) => {
                out.extend(b"](");
                parts.iter().for_each(|part| part.write(out));
                out.push(b'e');
            }
            Dict(items) => {
                out.extend(b"ccollections\nOrderedDict\n)R(");
                for (key, value) in items {
                    text(out, key);
                    value.write(out);
                }
                out.push(b'u');
            }
            Python::Tensor(key, len, offset, shape, strides) => {
                out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n");
                text(out, key);
                text(out, "cuda:3");
                int(out, *len);
                out.extend(b"tQ");
                int(out, *offset);
                for sides in [shape, strides] {
                    out.push(b'(');
                    sides.iter().for_each(|n| int(out, *n));
                    out.push(b't');
                }
                out.extend(b"\x89}tR");
            }
            Object(state) => {
                out.extend(b"cunheard.of\nThing\n)\x81");
                state.write(out);
                out.push(b'b');
            }
        }
    }

    fn pickle(&self) -> Vec<u8> {
        let mut out = vec![0x80, 2];
        self.write(&mut out);
        out.push(b'.');
        out
    }
}

fn floats(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

/// As torch writes archives: nothing compressed, and the records for large files whether or not there is need.
fn archive(root: &str, records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut list = Vec::new();
    for (name, bytes) in records {
        let (name, offset) = (format!("{root}/{name}"), out.len() as u32);
        let mut common = vec![0; 10]; // version, flags, method, time
        common.extend(rawzip::crc32(bytes).to_le_bytes());
        common.extend([(bytes.len() as u32).to_le_bytes(); 2].concat());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        list.extend([b"PK\x01\x02\0\0", &common[..], &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat());
    }
    let (at, count) = (out.len() as u64, records.len() as u64);
    out.extend(&list);
    let record = out.len() as u64;
    out.extend(b"PK\x06\x06");
    out.extend([&44u64.to_le_bytes()[..], &[0; 12]].concat()); // its size, versions, disks
    out.extend([count, count, list.len() as u64, at].map(u64::to_le_bytes).concat());
    out.extend([&b"PK\x06\x07\0\0\0\0"[..], &record.to_le_bytes(), &1u32.to_le_bytes()].concat());
    let count = (count as u16).to_le_bytes();
    out.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count].concat());
    out.extend([(list.len() as u32).to_le_bytes(), (at as u32).to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

/// The same object in both containers; its storages are called `a` and `b` and have twelve numbers each.
fn files(object: &Python) -> [Vec<u8>; 2] {
    let (pickle, numbers) = (object.pickle(), floats(12));
    let zip = archive(
        "archive",
        &[("data.pkl", &pickle), ("byteorder", b"little"), ("data/a", &numbers), ("data/b", &numbers)],
    );
    let mut keys = Vec::new();
    let mut stream = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    stream.extend(&pickle);
    for key in ["a", "b"] {
        if pickle.windows(6).any(|w| w == [&b"X\x01\0\0\0"[..], key.as_bytes()].concat()) {
            keys.push(Text(key));
        }
    }
    stream.extend(List(keys.clone()).pickle());
    for _ in &keys {
        stream.extend(12u64.to_le_bytes());
        stream.extend(&numbers);
    }
    [zip, stream]
}

/// Two tensors, one of them from the middle of its storage and with its sides swapped.
fn state_dict(names: [&'static str; 2]) -> Python {
    Dict(vec![
        (names[0], Python::Tensor("a", 12, 0, &[2, 1, 2, 3], &[6, 6, 3, 1])),
        (names[1], Python::Tensor("b", 12, 3, &[2, 3], &[1, 2])),
    ])
}

fn names(object: &Python) -> Vec<String> {
    let [zip, stream] = files(object).map(|file| {
        let mut names: Vec<_> = read_bytes(&file).unwrap().into_keys().collect();
        names.sort();
        names
    });
    assert_eq!(zip, stream);
    zip
}

#[test]
fn values_come_from_their_places() {
    for file in files(&state_dict(["conv.weight", "fc"])) {
        let got = read_bytes(&file).unwrap();
        let numbers: Vec<f32> = (0..12).map(|v| v as f32).collect();
        assert_same("conv", &got["conv.weight"], &Tensor::from_vec(numbers, (2, 1, 2, 3), &Device::Cpu).unwrap());
        assert_same("fc", &got["fc"], &Tensor::new(&[[3f32, 5.0, 7.0], [4.0, 6.0, 8.0]], &Device::Cpu).unwrap());
    }
    // The name of the first record has thirty letters.
    let (pickle, numbers) = (state_dict(["x", "y"]).pickle(), floats(12));
    let zip = archive("a_root_of_21_letters_", &[("data.pkl", &pickle), ("data/a", &numbers), ("data/b", &numbers)]);
    assert_eq!(read_bytes(&zip).unwrap().len(), 2);
}

#[test]
fn wrappers_are_taken_off() {
    let plain = ["conv.weight", "fc.weight"];
    let inner = state_dict(plain);
    let other = Python::Tensor("a", 12, 0, &[12], &[1]);
    let optimizer = Dict(vec![("state", state_dict(["0", "1"])), ("param_groups", List(vec![Int(1)]))]);
    let module = |parameters: Python, modules: Vec<(&'static str, Python)>| {
        Object(Box::new(Dict(vec![
            ("_parameters", parameters),
            ("_buffers", Dict(vec![])),
            ("_modules", Dict(modules)),
        ])))
    };
    let leaf = |key| module(Dict(vec![("weight", Python::Tensor(key, 12, 0, &[12], &[1]))]), vec![]);
    let network = module(Dict(vec![]), vec![("conv", leaf("a")), ("relu", Raw(b"N".to_vec())), ("fc", leaf("b"))]);
    let lightning = |inner: Python| Dict(vec![("pytorch-lightning_version", Text("2.0")), ("state_dict", inner)]);
    for object in [
        inner.clone(),
        state_dict(["module.conv.weight", "module.fc.weight"]),
        state_dict(["model.conv.weight", "model.fc.weight"]),
        state_dict(["_orig_mod.module.conv.weight", "_orig_mod.module.fc.weight"]),
        Dict(vec![("epoch", Int(3)), ("state_dict", inner.clone()), ("optimizer", optimizer.clone())]),
        Dict(vec![("args", Object(Box::new(Dict(vec![("lr", Int(1))])))), ("model", inner.clone())]),
        Dict(vec![("params", Dict(vec![("x", other.clone())])), ("params_ema", inner.clone())]),
        Dict(vec![("net", Dict(vec![("module", inner.clone())])), ("acc", Int(1))]),
        Dict(vec![("some_name", inner.clone()), ("losses", List(vec![Int(1)])), ("optim", optimizer)]),
        lightning(state_dict(["model.conv.weight", "model.fc.weight"])),
        network.clone(),
        Dict(vec![("epoch", Int(3)), ("model", network.clone())]),
    ] {
        assert_eq!(names(&object), plain);
    }
    // What belongs to the network stays.
    let own = ["model.1.weight", "model.10.conv_block.1.weight"];
    assert_eq!(names(&state_dict(own)), own);
    assert_eq!(
        names(&state_dict(["model.model.0.weight", "model.model.1.bias"])),
        ["model.model.0.weight", "model.model.1.bias"]
    );
    assert_eq!(
        names(&lightning(state_dict(["model.model.1.weight", "model.model.4.weight"]))),
        ["model.1.weight", "model.4.weight"]
    );
    let generator = ["model.1.weight", "model.4.weight"];
    assert_eq!(names(&lightning(state_dict(generator))), generator);
    // Wrappers stand anywhere, but two networks that share names are left alone.
    assert_eq!(names(&state_dict(["x.module.conv.weight", "fc.weight"])), ["fc.weight", "x.conv.weight"]);
    let alike = ["conv.weight", "module.conv.weight"];
    assert_eq!(names(&state_dict(alike)), alike);
    // What describes pictures is not parted from its encoder, whatever scripts call the two.
    let two = Dict(vec![("encoder_state_dict", network.clone()), ("decoder_state", Dict(vec![("x", other.clone())]))]);
    assert_eq!(names(&two), ["decoder.x", "encoder.conv.weight", "encoder.fc.weight"]);
    // Several networks keep their names.
    let two = Dict(vec![("encoder", network), ("decoder", Dict(vec![("x", other)])), ("epoch", Int(1))]);
    assert_eq!(names(&two), ["decoder.x", "encoder.conv.weight", "encoder.fc.weight"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let one = |tensor: Python| Dict(vec![("fc.weight", tensor)]);
    let raw = |raw: &[u8]| one(Raw(raw.to_vec()));
    // Each list holds the one before twice, thirty times over.
    let laughs =
        [b"]q\0K\x01a".to_vec(), (0..30u8).flat_map(|i| [b']', b'(', b'h', i, b'h', i, b'e', b'q', i + 1]).collect()]
            .concat();
    // So do modules, down to one tensor.
    let mut modules = one(Python::Tensor("a", 12, 0, &[12], &[1])).pickle()[2..].to_vec();
    modules.pop();
    modules.extend(b"q\0");
    for i in 0..30u8 {
        modules.extend([&b"}(X\x01\0\0\0lh"[..], &[i], b"X\x01\0\0\0rh", &[i], b"uq", &[i + 1]].concat());
    }
    let cases: [(Python, &str); 17] = [
        (one(Python::Tensor("a", 12, 0, &[13], &[1])), "beyond"),
        (one(Python::Tensor("a", 12, 1, &[12], &[1])), "beyond"),
        (one(Python::Tensor("a", 12, 0, &[2, 2], &[11, 1])), "beyond"),
        (one(Python::Tensor("a", 12, 0, &[2], &[i32::MAX])), "beyond"),
        (one(Python::Tensor("a", 12, 0, &[1 << 30, 1 << 30], &[0, 0])), "larger than the file"),
        (one(Python::Tensor("a", 12, 0, &[1 << 30, 1 << 30, 1 << 30], &[0, 0, 0])), "cannot be"),
        (one(Python::Tensor("a", 12, 0, &[0, 1 << 30, 1 << 30, 1 << 30], &[0, 0, 0, 0])), "cannot be"),
        (one(Python::Tensor("a", 12, 0, &[-2], &[1])), "-2"),
        (one(Python::Tensor("a", 12, -1, &[2], &[1])), "begins nowhere"),
        (one(Python::Tensor("a", -12, 0, &[2], &[1])), "cannot be"),
        (one(Python::Tensor("a", 12, 0, &[2], &[])), "do not fit"),
        (one(Python::Tensor("a", 13, 0, &[2], &[1])), "cut short"),
        (raw(b"cposix\nsystem\nX\x04\0\0\0echo\x85R"), "posix.system"),
        (raw(b"\x8c\x08builtins\x8c\x04eval\x93X\x01\0\0\x001\x85R"), "builtins.eval"),
        (Raw(laughs), "no tensors"),
        (Raw(modules), "names"),
        (Raw([b"(".repeat(50_000), b"t".repeat(50_000)].concat()), "no tensors"),
    ];
    for (i, (object, why)) in cases.iter().enumerate() {
        for file in files(object) {
            let reason = refusal(read_bytes(&file));
            assert!(reason.contains(why), "case {i}: {reason}");
        }
    }
    let good = state_dict(["a.weight", "b.weight"]).pickle();
    let with = |records: &[(&str, &[u8])]| refusal(read_bytes(&archive("r", records)));
    assert!(with(&[("data.pkl", &good), ("data/a", &floats(12))]).contains("missing"));
    assert!(with(&[("data/a", &floats(12))]).contains("data.pkl"));
    assert!(with(&[("data.pkl", &good), ("constants.pkl", b""), ("code/x.py", b"")]).contains("TorchScript"));
    assert!(with(&[("data.pkl", &good), ("byteorder", b"big")]).contains("big-endian"));
    let traversal = one(Python::Tensor("../a", 12, 0, &[12], &[1])).pickle();
    assert!(with(&[("data.pkl", &traversal), ("data/../a", &floats(12))]).contains("cannot be"));
    let mut flipped = archive("r", &[("data.pkl", &good), ("data/a", &floats(12)), ("data/b", &floats(12))]);
    let at = flipped.windows(8).position(|w| w == &floats(12)[8..16]).unwrap();
    flipped[at] ^= 1;
    assert!(refusal(read_bytes(&flipped)).contains("checksum"));
}

#[test]
fn texts_out_of_a_file_are_cut_in_messages() {
    let long = "x".repeat(50_000);
    let one = |name: &str, sides: usize| {
        let tensor = Tensor::zeros(vec![1; sides], DType::F32, &Device::Cpu).unwrap();
        safetensors::serialize(&HashMap::from([(name.to_owned(), tensor)]), None).unwrap()
    };
    let header = format!(r#"{{"fc":{{"dtype":"{long}","shape":[],"data_offsets":[0,0]}}}}"#);
    let header = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let mut cases = vec![(one(&long, 1), "50000 bytes"), (one("fc", 65), "65 dimensions"), (header, "header")];
    assert!(read_bytes(&one(&long[..1024], 6)).is_ok());

    let reaching = format!("cposix\n{long}\n").into_bytes();
    // A tensor, its storage's class or key as they come.
    let tensor = |class: &str, key: &str| {
        let key = [b"X", &(key.len() as u32).to_le_bytes()[..], key.as_bytes()].concat();
        let storage = format!("ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n{class}\n");
        [storage.as_bytes(), &key, b"X\x03\0\0\0cpuK\x0ctQK\0(K\x0ct(K\x01t\x89}tR"].concat()
    };
    for (raw, why) in
        [(reaching, "posix.xxx"), (tensor(&long, "a"), "type xxx"), (tensor("FloatStorage", &long), "endless name")]
    {
        let pickle = Dict(vec![("fc.weight", Raw(raw))]).pickle();
        cases.push((archive("r", &[("data.pkl", &pickle), ("data/a", &floats(12))]), why));
    }
    for (file, why) in cases {
        let reason = refusal(read_bytes(&file));
        assert!(reason.contains(why) && reason.len() < 500, "{why}: {} bytes", reason.len());
    }
}

#[test]
fn what_would_be_looked_at_again_and_again_is_refused() {
    // A long dict, told to be an optimizer's by its first item, that another refers to as often.
    let item = b"X\x01\0\0\0kK\x01";
    let long = [&b"}(X\x0c\0\0\0param_groupsK\x01"[..], &item.repeat(8_000), b"uq\0"].concat();
    let often = b"X\x01\0\0\0kh\0".repeat(8_000);
    let object = Raw([b"}(X\x01\0\0\0l", &long[..], &often, b"u"].concat());
    for file in files(&object) {
        assert!(refusal(read_bytes(&file)).contains("without end"));
    }

    // Two records of an archive at the same place.
    let (pickle, numbers) = (state_dict(["x", "y"]).pickle(), floats(1000));
    let mut file = archive("r", &[("data.pkl", &pickle), ("data/a", &numbers), ("data/b", b"")]);
    let listed = |(at, bytes): (usize, &[u8])| (bytes == b"PK\x01\x02").then_some(at);
    let listed: Vec<usize> = file.windows(4).enumerate().filter_map(listed).collect();
    for (from, to) in [(16, 28), (42, 46)] {
        file.copy_within(listed[1] + from..listed[1] + to, listed[2] + from); // checksum and sizes, offset
    }
    assert!(refusal(read_bytes(&file)).contains("in one another"));
}

#[test]
fn other_files_are_named() {
    for (bytes, why) in [
        (&b""[..], "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 17\n", "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "compressed"),
        (b"\x80\x03}q\0.", "not one that torch.save wrote"),
        (b"\xff\x10\0\0\0\0\0\0{\"a\":", "cut short"),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "data.pkl"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "neither"),
    ] {
        let reason = refusal(read_bytes(bytes));
        assert!(reason.contains(why), "{reason}");
    }
    assert!(matches!(read_tensors(Path::new("/nowhere/at/all")), Err(ZooError::Read { .. })));
}

#[test]
fn the_largest_pickle_takes_bounded_memory() {
    // Instructions of one byte that make an object each, and keep it.
    for code in [&b"]"[..], b")\x94", b"(t", b"}"] {
        let pickle = [b"\x80\x04", &code.repeat(9_000_000)[..9_000_000], b"."].concat();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&archive("r", &[("data.pkl", &pickle)])).unwrap();
        let (result, took) = read_counting(file.path());
        assert!(refusal(result).contains("values"));
        println!("{code:?}: {} MB", took >> 20);
        assert!(took <= 350 << 20, "{took}");
    }
}

/// One good file of each container.
fn good_files() -> Vec<Vec<u8>> {
    let tensors = HashMap::from([("x".to_owned(), Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap())]);
    let object = Dict(vec![("state_dict", state_dict(["module.a", "module.b"])), ("epoch", Int(2))]);
    let mut good = files(&object).to_vec();
    good.push(safetensors::serialize(&tensors, None).unwrap());
    good
}

#[test]
fn truncated_files_are_refused_at_every_length() {
    for file in good_files() {
        assert!(read_bytes(&file).is_ok());
        for len in 0..file.len() {
            refusal(read_bytes(&file[..len]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// [`read`] fails when memory runs away, and any panic fails.
    #[test]
    fn flipped_bytes_do_no_harm(which in 0usize..3, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut file = good_files().swap_remove(which);
        for (at, byte) in flips {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Err(error) = read_bytes(&file) {
            refusal(Err(error));
        }
    }

    /// Instructions in any order; two tensors to build on.
    #[test]
    fn any_pickle_does_no_harm(code in prop::collection::vec(prop::sample::select(&b"()].0125abdehijlqrstuQR}NKMX\x80\x81\x85\x86\x87\x88\x8c\x90\x91\x92\x93\x94\x95"[..]), 0..300)) {
        let start = [state_dict(["a", "b"]).pickle()[..].split_last().unwrap().1, &b"q\0h\0X\x05\0\0\0model"[..]].concat();
        let pickle = [start, code, b".".to_vec()].concat();
        let numbers = floats(12);
        let file = archive("r", &[("data.pkl", &pickle), ("data/a", &numbers), ("data/b", &numbers)]);
        if let Err(error) = read_bytes(&file) {
            refusal(Err(error));
        }
    }
}
