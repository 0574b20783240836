//! Where tensors lie in storages, as pickles of PyTorch tell it, and how they are taken out.

use candle_core::{DType, Device, Tensor};

use super::clipped;
use super::pickle::{Object, Pickle, Reason, Value};

/// Most dimensions of a tensor; PyTorch's own limit.
pub(super) const MAX_RANK: usize = 64;

/// The bytes of a storage's key, a number or a little more: each mention of it is looked up.
pub(super) const MAX_KEY: usize = 256;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    /// One that candle has.
    Native(DType),
    /// Becomes `i16`.
    I8,
    /// Becomes `u8`, 0 or 1.
    Bool,
}

impl Element {
    /// By the name of a storage class (`FloatStorage`) or of a dtype (`float32`).
    fn named(name: &[u8]) -> Option<Element> {
        Some(Element::Native(match name {
            b"HalfStorage" | b"float16" => DType::F16,
            b"BFloat16Storage" | b"bfloat16" => DType::BF16,
            b"FloatStorage" | b"float32" => DType::F32,
            b"DoubleStorage" | b"float64" => DType::F64,
            b"ByteStorage" | b"uint8" => DType::U8,
            b"ShortStorage" | b"int16" => DType::I16,
            b"IntStorage" | b"int32" => DType::I32,
            b"LongStorage" | b"int64" => DType::I64,
            b"uint32" => DType::U32,
            b"float8_e4m3fn" => DType::F8E4M3,
            b"CharStorage" | b"int8" => return Some(Element::I8),
            b"BoolStorage" | b"bool" => return Some(Element::Bool),
            _ => return None,
        }))
    }

    fn size(self) -> usize {
        if let Element::Native(dtype) = self { dtype.size_in_bytes() } else { 1 }
    }

    /// `bytes` as a tensor of `shape`, which they fill.
    pub(super) fn tensor(self, bytes: &[u8], shape: &[usize]) -> Reason<Tensor> {
        elements(shape)?; // candle multiplies unchecked
        let tensor = |bytes: &[u8], dtype| Tensor::from_raw_buffer(bytes, dtype, shape, &Device::Cpu);
        match self {
            Element::Native(dtype) => tensor(bytes, dtype),
            Element::I8 => {
                let wide: Vec<u8> = bytes.iter().flat_map(|b| i16::from(*b as i8).to_ne_bytes()).collect();
                tensor(&wide, DType::I16)
            }
            Element::Bool => {
                let flags: Vec<u8> = bytes.iter().map(|b| u8::from(*b != 0)).collect();
                tensor(&flags, DType::U8)
            }
        }
        .map_err(|e| e.to_string())
    }
}

/// How many elements a tensor of `shape` has.
fn elements(shape: &[usize]) -> Reason<usize> {
    // The product of the other sides too must fit, for strides are made of it.
    let fits = shape.iter().filter(|side| **side > 0).try_fold(1usize, |n, side| n.checked_mul(*side));
    fits.ok_or_else(|| format!("a tensor of shape {shape:?} cannot be"))?;
    Ok(shape.iter().product())
}

/// A storage, as its persistent id tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a [u8],
    /// `None` for bytes of no type.
    element: Option<Element>,
    class: &'a [u8],
    /// How many elements.
    len: i64,
    /// The element that its element 0 is, where it is a view, as PyTorch 0.3 had them.
    from: i64,
}

impl<'a> Storage<'a> {
    /// What a persistent id stands for: `("storage", class, key, device, length)` and perhaps a view,
    /// `(key, offset, length)`. None has a longer key than [`MAX_KEY`].
    fn of(pickle: &Pickle<'a>, id: Value<'a>) -> Option<Storage<'a>> {
        let [Value::Text(b"storage"), class, Value::Text(key), _, Value::Int(len), ref view @ ..] = *pickle.list(id)?
        else {
            return None;
        };
        if key.len() > MAX_KEY {
            return None;
        }
        let (_, class) = pickle.global(class)?;
        let from = match view.first().and_then(|view| pickle.list(*view)) {
            Some([_, Value::Int(from), _]) => *from,
            _ => 0,
        };
        Some(Storage { key, element: Element::named(class), class, len, from })
    }

    /// All that a pickle speaks of.
    pub(super) fn all(pickle: &Pickle<'a>) -> impl Iterator<Item = Storage<'a>> {
        let id = |object: &Object<'a>| if let Object::Persistent(id) = object { Some(*id) } else { None };
        pickle.objects().iter().filter_map(move |object| Storage::of(pickle, id(object)?))
    }

    /// Bytes of one element.
    pub(super) fn element_size(&self) -> Reason<usize> {
        match (self.element, self.class) {
            (Some(element), _) => Ok(element.size()),
            (None, b"UntypedStorage") => Ok(1),
            (None, b"ComplexFloatStorage") => Ok(8),
            (None, b"ComplexDoubleStorage") => Ok(16),
            (None, b"QInt8Storage" | b"QUInt8Storage") => Ok(1),
            (None, b"QInt32Storage") => Ok(4),
            (None, class) => {
                Err(format!("its numbers are of the unknown type {}", clipped(&String::from_utf8_lossy(class))))
            }
        }
    }

    /// Whether `bytes` are as many as it should have.
    pub(super) fn check(&self, bytes: &[u8]) -> Reason<()> {
        let size = self.element_size()?;
        let told = usize::try_from(self.len).ok().and_then(|len| len.checked_mul(size));
        let told = told.ok_or_else(|| format!("a storage of {} numbers cannot be", self.len))?;
        if told > bytes.len() {
            let key = clipped(&String::from_utf8_lossy(self.key));
            return Err(format!("its storage {key:?} is cut short: {} of {told} bytes are there", bytes.len()));
        }
        Ok(())
    }
}

/// Where a tensor lies. Sides, strides and the offset count elements.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) storage: Storage<'a>,
    element: Element,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// What tensors share when they are the same.
pub(super) type Identity<'a> = (&'a [u8], Element, usize, Vec<usize>, Vec<usize>);

impl<'a> Layout<'a> {
    /// The tensor that a call makes; `None` when it makes something else.
    pub(super) fn of(pickle: &Pickle<'a>, value: Value<'a>) -> Option<Reason<Layout<'a>>> {
        let call = pickle.call(value)?;
        let (mut function, mut args) = (call.function, call.args);
        for _ in 0..4 {
            // Wrappings unwrapped
            let list = pickle.list(args)?;
            let (module, name) = pickle.global(function)?;
            match (module, name, list) {
                (
                    b"torch._utils",
                    b"_rebuild_tensor" | b"_rebuild_tensor_v2",
                    [storage, offset, shape, strides, ..],
                ) => {
                    return Some(Layout::new(pickle, *storage, *offset, [*shape, *strides], None));
                }
                (b"torch._utils", b"_rebuild_tensor_v3", [storage, offset, shape, strides, _, _, dtype, ..]) => {
                    return Some(Layout::new(pickle, *storage, *offset, [*shape, *strides], Some(*dtype)));
                }
                (b"torch._tensor", b"_rebuild_from_type_v2", [inner, _, inner_args, ..]) => {
                    (function, args) = (*inner, *inner_args);
                }
                (b"torch._utils", b"_rebuild_parameter" | b"_rebuild_parameter_with_state", [inner, ..])
                | (b"torch.nn.parameter", b"Parameter" | b"Buffer", [inner, ..])
                | (b"torch.autograd.variable", b"Variable", [inner, ..]) => {
                    let call = pickle.call(*inner)?;
                    (function, args) = (call.function, call.args);
                }
                _ => return None,
            }
        }
        None
    }

    fn new(
        pickle: &Pickle<'a>,
        storage: Value<'a>,
        offset: Value<'a>,
        sides: [Value<'a>; 2],
        dtype: Option<Value<'a>>,
    ) -> Reason<Layout<'a>> {
        let id = if let Some(Object::Persistent(id)) = pickle.object(storage) { Some(*id) } else { None };
        let storage =
            id.and_then(|id| Storage::of(pickle, id)).ok_or("its storage is not told, or by an endless name")?;
        let number = |value: &Value<'a>| match value {
            Value::Int(n) => usize::try_from(*n).map_err(|_| format!("its layout has the number {n}")),
            Value::Long(_) => Err("its layout has a number of more than 64 bits".to_owned()),
            _ => Err("its layout is not of numbers".to_owned()),
        };
        let numbers = |value: Value<'a>| -> Reason<Vec<usize>> {
            let size = pickle.call(value).and_then(|size| pickle.list(size.args)?.first()); // torch.Size((2, 3))
            let list = pickle.list(*size.unwrap_or(&value)).ok_or("its layout is not of numbers")?;
            if list.len() > MAX_RANK {
                return Err(format!("it has {} dimensions", list.len()));
            }
            list.iter().map(number).collect()
        };
        let (shape, strides) = (numbers(sides[0])?, numbers(sides[1])?);
        if shape.len() != strides.len() {
            return Err(format!("its shape {shape:?} and strides {strides:?} do not fit"));
        }
        let dtype = dtype.and_then(|dtype| pickle.global(dtype)).map(|(_, name)| name);
        let element = dtype.map_or(storage.element, Element::named).ok_or_else(|| {
            let name = clipped(&String::from_utf8_lossy(dtype.unwrap_or(storage.class)));
            format!("numbers of type {name} are not supported")
        })?;
        let offset = usize::try_from(storage.from).ok().and_then(|from| number(&offset).ok()?.checked_add(from));
        let offset = offset.ok_or("its layout begins nowhere")?;
        Ok(Layout { storage, element, offset, shape, strides })
    }

    pub(super) fn identity(&self) -> Identity<'a> {
        (self.storage.key, self.element, self.offset, self.shape.clone(), self.strides.clone())
    }

    /// About how much memory the tensor will take.
    pub(super) fn cost(&self) -> Reason<usize> {
        let values = elements(&self.shape)?.checked_mul(self.element.size().max(2));
        let cost = values.and_then(|n| n.checked_add(256 + 32 * self.shape.len()));
        cost.ok_or_else(|| format!("a tensor of shape {:?} cannot be", self.shape))
    }

    /// The tensor, its elements in order, out of its storage's bytes.
    pub(super) fn gather(&self, bytes: &[u8]) -> Reason<Tensor> {
        let (size, len) = (self.element.size(), elements(&self.shape)?);
        if len == 0 {
            return self.element.tensor(&[], &self.shape);
        }
        let beyond = || format!("shape {:?} and strides {:?} reach beyond the storage", self.shape, self.strides);
        let reach = |last: usize, (side, stride): (&usize, &usize)| (side - 1).checked_mul(*stride)?.checked_add(last);
        let last = self.shape.iter().zip(&self.strides).try_fold(self.offset, reach);
        let end = last.and_then(|last| last.checked_add(1)?.checked_mul(size)).filter(|end| *end <= bytes.len());
        end.ok_or_else(beyond)?;
        let mut expected = 1;
        let in_order = self.shape.iter().zip(&self.strides).rev().all(|(side, stride)| {
            let fits = *side == 1 || *stride == expected;
            expected *= side;
            fits
        });
        if in_order {
            let values = bytes.get(self.offset * size..(self.offset + len) * size).ok_or_else(beyond)?;
            return self.element.tensor(values, &self.shape);
        }
        let mut values = Vec::with_capacity(len * size);
        let mut place = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..len {
            values.extend_from_slice(bytes.get(at * size..(at + 1) * size).ok_or_else(beyond)?);
            // The next place in order: the last side turns fastest.
            for ((place, side), stride) in place.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
                *place += 1;
                at += stride;
                if *place < *side {
                    break;
                }
                at -= stride * side;
                *place = 0;
            }
        }
        self.element.tensor(&values, &self.shape)
    }
}
