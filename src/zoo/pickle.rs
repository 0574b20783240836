//! Python's pickles (protocols 1 to 5, as in CPython's `Lib/pickletools.py`), read and never run: what a pickle would call
//! becomes a record of the call. Readers at hand could not take over: candle's copies an object each time it is referred
//! to, so a small file of lists of lists fills all memory, and serde-pickle knows no persistent ids.
//!
//! Objects lie in one list and refer to each other by number, so that no file makes anything here recurse.

use std::collections::HashMap;

use super::clipped;

/// Why a file cannot be read, to follow "FILE is not a readable checkpoint: ".
pub(super) type Reason<T> = Result<T, String>;

/// Values and references a pickle may have: far more than checkpoints do, and all of them take 350 MB at most.
const MAX_VALUES: usize = 4_000_000;

/// Modules whose functions reach out of the program. They have no business in a checkpoint.
const REACHING_OUT: [&str; 20] = [
    "os",
    "posix",
    "nt",
    "sys",
    "subprocess",
    "commands",
    "shutil",
    "socket",
    "runpy",
    "importlib",
    "imp",
    "pty",
    "ctypes",
    "webbrowser",
    "code",
    "timeit",
    "pickle",
    "_pickle",
    "urllib.request",
    "requests",
];

/// As [`REACHING_OUT`], single functions of `builtins`.
const BUILTINS: [&str; 9] =
    ["eval", "exec", "execfile", "compile", "open", "input", "__import__", "globals", "breakpoint"];

/// A value on the stack or in an object. Texts point into the pickle.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// None, and floating-point numbers, which nobody here asks for.
    Nothing,
    Bool(bool),
    Int(i64),
    /// An integer that eight bytes cannot hold, little-endian.
    Long(&'a [u8]),
    /// A string or bytes.
    Text(&'a [u8]),
    /// An object, by number.
    Object(u32),
}

/// Key and value.
pub(super) type Item<'a> = (Value<'a>, Value<'a>);

/// What has parts.
#[derive(Debug)]
pub(super) enum Object<'a> {
    /// A class or function, by module and name.
    Global(&'a [u8], &'a [u8]),
    /// Tuples, lists and sets.
    List(Vec<Value<'a>>),
    Dict(Vec<Item<'a>>),
    /// What stands outside the pickle: storages.
    Persistent(Value<'a>),
    /// A call that Python would have made, which is how it makes objects of any class.
    Call(Box<Call<'a>>),
}

/// A call on record.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) function: Value<'a>,
    /// A tuple.
    pub(super) args: Value<'a>,
    /// What Python would then have set as the object's attributes.
    pub(super) state: Value<'a>,
    /// What it would have put into the object as into a dict.
    pub(super) items: Vec<Item<'a>>,
}

/// A pickle, read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    pub(super) root: Value<'a>,
    /// How many bytes it was.
    pub(super) len: usize,
    /// How many values it has, with those held beside it.
    pub(super) values: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that `bytes` begins with.
    pub(super) fn read(bytes: &'a [u8]) -> Reason<Pickle<'a>> {
        Pickle::read_beside(bytes, 0)
    }

    /// As [`Pickle::read`], while so many values of other pickles are held: together they may have [`MAX_VALUES`].
    pub(super) fn read_beside(bytes: &'a [u8], held: usize) -> Reason<Pickle<'a>> {
        let mut machine = Machine {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Vec::new(),
            values: held,
        };
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
        };
        Ok(Pickle { objects: machine.objects, root, len: machine.at, values: machine.values })
    }

    /// All objects, whether the root reaches them or not.
    pub(super) fn objects(&self) -> &[Object<'a>] {
        &self.objects
    }

    pub(super) fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        if let Value::Object(at) = value { self.objects.get(at as usize) } else { None }
    }

    /// The parts of a tuple, list or set.
    pub(super) fn list(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        if let Object::List(values) = self.object(value)? { Some(values) } else { None }
    }

    /// The parts of a dict, or of an object that is used like one.
    pub(super) fn items(&self, value: Value<'a>) -> Option<&[Item<'a>]> {
        match self.object(value)? {
            Object::Dict(items) => Some(items),
            Object::Call(call) => Some(&call.items),
            _ => None,
        }
    }

    /// What `key` stands for in a dict.
    pub(super) fn get(&self, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
        let is_it = |item: &&Item<'a>| matches!(item.0, Value::Text(text) if text == key.as_bytes());
        self.items(dict)?.iter().rfind(is_it).map(|item| item.1)
    }

    /// The module and the name of a class or function.
    pub(super) fn global(&self, value: Value<'a>) -> Option<(&'a [u8], &'a [u8])> {
        if let Object::Global(module, name) = self.object(value)? { Some((*module, *name)) } else { None }
    }

    pub(super) fn call(&self, value: Value<'a>) -> Option<&Call<'a>> {
        if let Object::Call(call) = self.object(value)? { Some(call) } else { None }
    }
}

/// The stack machine that pickles are programs for.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    objects: Vec<Object<'a>>,
    /// How many were pushed or kept so far.
    values: usize,
}

impl<'a> Machine<'a> {
    fn take(&mut self, len: u64) -> Reason<&'a [u8]> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let bytes = end.and_then(|end| self.bytes.get(self.at..end)).ok_or("its pickle is cut short")?;
        self.at += bytes.len();
        Ok(bytes)
    }

    /// An unsigned number of up to eight bytes, little-endian.
    fn number(&mut self, bytes: u64) -> Reason<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn index(&mut self, bytes: u64) -> Reason<u32> {
        Ok(self.number(bytes.min(4))? as u32)
    }

    /// Bytes after their length.
    fn counted(&mut self, bytes: u64) -> Reason<&'a [u8]> {
        let len = self.number(bytes)?;
        self.take(len)
    }

    fn line(&mut self) -> Reason<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|b| *b == b'\n').ok_or("its pickle is cut short")?;
        self.at += len + 1;
        Ok(rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len]))
    }

    fn count(&mut self) -> Reason<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(format!("its pickle has more than {MAX_VALUES} values"));
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Reason<()> {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    fn push_object(&mut self, object: Object<'a>) -> Reason<()> {
        let at = self.objects.len() as u32; // at most MAX_VALUES
        self.objects.push(object);
        self.push(Value::Object(at))
    }

    /// Values above the last mark are out of reach.
    fn pop(&mut self) -> Reason<Value<'a>> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err("its pickle is damaged: it lacks a value".into());
        }
        self.stack.pop().ok_or_else(|| "its pickle is damaged: it lacks a value".into())
    }

    fn top(&self) -> Reason<Value<'a>> {
        self.stack.last().copied().ok_or_else(|| "its pickle is damaged: it lacks a value".into())
    }

    /// The topmost `count` values.
    fn pop_many(&mut self, count: usize) -> Reason<Vec<Value<'a>>> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Reason<Vec<_>>>()?;
        values.reverse();
        Ok(values)
    }

    fn pop_to_mark(&mut self) -> Reason<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("its pickle is damaged: it lacks a mark")?;
        Ok(self.stack.drain(mark.min(self.stack.len())..).collect()) // split_off would keep the stack's capacity
    }

    fn pop_items(&mut self) -> Reason<Vec<Item<'a>>> {
        Ok(self.pop_to_mark()?.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }

    fn keep(&mut self, index: u32) -> Reason<()> {
        self.count()?;
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Reason<()> {
        let value = self.memo.get(&index).copied().ok_or("its pickle is damaged: it refers to what it has not")?;
        self.push(value)
    }

    fn top_object(&mut self) -> Reason<Option<&mut Object<'a>>> {
        let top = self.top()?;
        Ok(if let Value::Object(at) = top { self.objects.get_mut(at as usize) } else { None })
    }

    /// Adds to the list on top. What is put into other objects (as deques are filled) is let go.
    fn append(&mut self, values: Vec<Value<'a>>) -> Reason<()> {
        if let Some(Object::List(list)) = self.top_object()? {
            list.extend(values);
        }
        Ok(())
    }

    fn set(&mut self, added: Vec<Item<'a>>) -> Reason<()> {
        match self.top_object()? {
            Some(Object::Dict(items)) => items.extend(added),
            Some(Object::Call(call)) => call.items.extend(added),
            _ => return Err("its pickle is damaged: it puts items into what is no dict".into()),
        }
        Ok(())
    }

    fn push_global(&mut self, module: &'a [u8], name: &'a [u8]) -> Reason<()> {
        let is = |list: &[&str], text: &[u8]| list.iter().any(|entry| entry.as_bytes() == text);
        let builtin = is(&["builtins", "__builtin__"], module) && is(&BUILTINS, name);
        if builtin || is(&REACHING_OUT, module) {
            let [module, name] = [module, name].map(|text| clipped(&String::from_utf8_lossy(text)));
            return Err(format!(
                "loaded with Python it would call {module}.{name}, which no network needs: do not trust it (nothing was run)"
            ));
        }
        self.push_object(Object::Global(module, name))
    }

    fn push_call(&mut self, function: Value<'a>, args: Value<'a>) -> Reason<()> {
        let call = |machine: &mut Self| {
            let call = Call { function, args, state: Value::Nothing, items: Vec::new() };
            machine.push_object(Object::Call(Box::new(call)))
        };
        let Value::Object(at) = function else { return call(self) };
        match self.objects.get(at as usize) {
            Some(Object::Global(b"collections", b"OrderedDict" | b"defaultdict" | b"Counter")) => {}
            _ => return call(self),
        }
        // Python 2 passes the pairs as a list of lists.
        let list = |value: Value<'a>| match value {
            Value::Object(at) => match self.objects.get(at as usize) {
                Some(Object::List(values)) => Some(values.as_slice()),
                _ => None,
            },
            _ => None,
        };
        let pair = |value: &Value<'a>| if let Some([k, v]) = list(*value) { Some((*k, *v)) } else { None };
        let pairs = list(args).and_then(|args| list(*args.first()?)).unwrap_or_default();
        let items: Vec<_> = pairs.iter().filter_map(pair).collect();
        self.values += items.len();
        self.push_object(Object::Dict(items))
    }

    /// What a persistent id stands for: classes of modules came with their source text, and are just classes.
    fn push_persistent(&mut self, id: Value<'a>) -> Reason<()> {
        if let Value::Object(at) = id
            && let Some(Object::List(parts)) = self.objects.get(at as usize)
            && let [Value::Text(b"module"), class, ..] = parts[..]
        {
            return self.push(class);
        }
        self.push_object(Object::Persistent(id))
    }

    /// A signed integer of `bytes`, little-endian.
    fn push_long(&mut self, bytes: &'a [u8]) -> Reason<()> {
        let sign = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut low = [sign; 8];
        low.iter_mut().zip(bytes).for_each(|(low, b)| *low = *b);
        let fits = bytes.iter().skip(8).all(|b| *b == sign) && (low[7] ^ sign) & 0x80 == 0;
        self.push(if fits { Value::Int(i64::from_le_bytes(low)) } else { Value::Long(bytes) })
    }

    /// Obeys one instruction; returns the object when it was the last.
    fn step(&mut self) -> Reason<Option<Value<'a>>> {
        let op = self.number(1)? as u8;
        match op {
            b'.' => return self.pop().map(Some),
            0x80 => match self.number(1)? {
                0..=5 => {}
                protocol => return Err(format!("its pickle is of the unknown protocol {protocol}")),
            },
            0x95 => drop(self.number(8)?), // FRAME: a hint for buffering
            // The stack.
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.push(self.top()?)?,
            b'q' | b'r' => {
                let index = self.index(if op == b'q' { 1 } else { 4 })?;
                self.keep(index)?;
            }
            b'h' | b'j' => {
                let index = self.index(if op == b'h' { 1 } else { 4 })?;
                self.recall(index)?;
            }
            0x94 => self.keep(self.memo.len() as u32)?,
            // Plain values.
            b'N' => self.push(Value::Nothing)?,
            0x88 | 0x89 => self.push(Value::Bool(op == 0x88))?,
            b'K' | b'M' => {
                let n = self.number(if op == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(n as i64))?;
            }
            b'J' => {
                let bytes = self.take(4)?;
                self.push_long(bytes)?;
            }
            0x8a | 0x8b => {
                let bytes = self.counted(if op == 0x8a { 1 } else { 4 })?;
                self.push_long(bytes)?;
            }
            b'I' | b'L' => {
                let line = self.line()?;
                let digits = std::str::from_utf8(line).unwrap_or_default().trim_end_matches('L');
                let value = digits.parse().map_err(|_| "its pickle is damaged: it has a number without digits")?;
                let flag = op == b'I' && line.len() == 2 && line[0] == b'0';
                self.push(if flag { Value::Bool(value != 0) } else { Value::Int(value) })?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Nothing)?;
            }
            b'F' => {
                self.line()?;
                self.push(Value::Nothing)?;
            }
            b'U' | b'C' | 0x8c | b'T' | b'X' | b'B' | 0x8d | 0x8e | 0x96 => {
                let width = match op {
                    b'U' | b'C' | 0x8c => 1,
                    b'T' | b'X' | b'B' => 4,
                    _ => 8,
                };
                let text = self.counted(width)?;
                self.push(Value::Text(text))?;
            }
            // Containers.
            b')' | b']' | 0x8f => self.push_object(Object::List(Vec::new()))?,
            b'}' => self.push_object(Object::Dict(Vec::new()))?,
            b't' | b'l' | 0x91 => {
                let values = self.pop_to_mark()?;
                self.push_object(Object::List(values))?;
            }
            0x85..=0x87 => {
                let values = self.pop_many(usize::from(op - 0x84))?;
                self.push_object(Object::List(values))?;
            }
            b'd' => {
                let items = self.pop_items()?;
                self.push_object(Object::Dict(items))?;
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' | 0x90 => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.pop_items()?;
                self.set(items)?;
            }
            // Classes and calls.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push_global(module, name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.push_global(module, name)?,
                _ => return Err("its pickle is damaged: it has a class without a name".into()),
            },
            b'R' | 0x81 => {
                let (args, function) = (self.pop()?, self.pop()?);
                self.push_call(function, args)?;
            }
            0x92 => {
                let (_named, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push_call(class, args)?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let args = self.pop_to_mark()?;
                self.push_global(module, name)?;
                let class = self.pop()?;
                self.push_object(Object::List(args))?;
                let args = self.pop()?;
                self.push_call(class, args)?;
            }
            b'o' => {
                let mut args = self.pop_to_mark()?;
                let class = if args.is_empty() { Value::Nothing } else { args.remove(0) };
                self.push_object(Object::List(args))?;
                let args = self.pop()?;
                self.push_call(class, args)?;
            }
            b'b' => {
                let state = self.pop()?;
                if let Some(Object::Call(call)) = self.top_object()? {
                    call.state = state; // attributes of dicts, such as `_metadata`, are let go
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push_persistent(id)?;
            }
            _ => return Err(format!("its pickle is damaged: instruction {op:#04x} at byte {}", self.at - 1)),
        }
        Ok(None)
    }
}
