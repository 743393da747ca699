//! For tests: a value held naively, and random choices that become values, deltas and programs which fit it.

use bytes::Bytes;

use super::entries::NEXT;
use super::{Action, EntryName, Op, Path, Piece, Slot};
use crate::codec::cbor::{self, HOLE, Kind, Writer};

/// What a cell does, in the simplest way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Leaf(Vec<u8>),
    Object { null_prototype: bool, pairs: Vec<(Vec<u8>, Value)> },
    Array(Vec<Value>),
    Map(Vec<(Vec<u8>, Value)>),
    Set(Vec<Vec<u8>>),
}

impl Value {
    pub fn decode(bytes: &Bytes) -> Value {
        let mut children = cbor::children(bytes).unwrap().map(Result::unwrap).collect::<Vec<_>>().into_iter();
        match cbor::kind(bytes).unwrap() {
            Kind::Leaf => Value::Leaf(bytes.to_vec()),
            Kind::Array => Value::Array(children.map(|item| Value::decode(&item)).collect()),
            Kind::Set => Value::Set(children.map(|member| member.to_vec()).collect()),
            Kind::Map => {
                let mut pairs = Vec::new();
                while let (Some(key), Some(value)) = (children.next(), children.next()) {
                    pairs.push((key.to_vec(), Value::decode(&value)));
                }
                Value::Map(pairs)
            }
            Kind::Object { null_prototype } => {
                let mut object = Value::Object { null_prototype, pairs: Vec::new() };
                while let (Some(key), Some(value)) = (children.next(), children.next()) {
                    object.set(&Slot::Key(cbor::key(&key).unwrap().unwrap()), Value::decode(&value));
                }
                object
            }
        }
    }

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Value::Leaf(bytes) => {
                out.raw(bytes);
            }
            Value::Array(items) => {
                out.array(items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Value::Set(members) => {
                out.set(members.len());
                members.iter().for_each(|member| {
                    out.raw(member);
                });
            }
            Value::Map(pairs) => {
                out.map(pairs.len());
                for (key, value) in pairs {
                    out.raw(key);
                    value.write(out);
                }
            }
            Value::Object { null_prototype, pairs } => {
                if *null_prototype {
                    out.null_prototype();
                }
                out.object(pairs.len());
                for (key, value) in pairs {
                    out.key(key);
                    value.write(out);
                }
            }
        }
    }

    pub fn hole() -> Value {
        Value::Leaf(HOLE.to_vec())
    }

    pub fn is_hole(&self) -> bool {
        *self == Value::hole()
    }

    /// The child in a slot; a hole is none.
    pub fn child(&self, slot: &Slot) -> Option<&Value> {
        match (self, slot) {
            (Value::Object { pairs, .. }, Slot::Key(key)) => pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            (Value::Array(items), Slot::Index(i)) => items.get(*i as usize).filter(|item| !item.is_hole()),
            (Value::Map(pairs), Slot::Entry(name)) => {
                position(pairs.iter().map(|(key, _)| key), name).map(|at| &pairs[at].1)
            }
            _ => None,
        }
    }

    pub fn at(&self, path: &[Slot]) -> Option<&Value> {
        path.iter().try_fold(self, |value, slot| value.child(slot))
    }

    pub fn at_mut(&mut self, path: &[Slot]) -> Option<&mut Value> {
        path.iter().try_fold(self, |value, slot| match (value, slot) {
            (Value::Object { pairs, .. }, Slot::Key(key)) => pairs.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v),
            (Value::Array(items), Slot::Index(i)) => items.get_mut(*i as usize),
            (Value::Map(pairs), Slot::Entry(name)) => {
                position(pairs.iter().map(|(key, _)| key), name).map(|at| &mut pairs[at].1)
            }
            _ => None,
        })
    }

    fn set(&mut self, slot: &Slot, value: Value) {
        match (self, slot) {
            (Value::Object { pairs, .. }, Slot::Key(key)) => match pairs.iter_mut().find(|(k, _)| k == key) {
                Some((_, old)) => *old = value,
                None => {
                    let is_before = |k: &[u8]| index_of(k).is_some_and(|old| index_of(key).is_none_or(|new| old < new));
                    let at = match index_of(key) {
                        Some(_) => pairs.iter().take_while(|(k, _)| is_before(k)).count(),
                        None => pairs.len(),
                    };
                    pairs.insert(at, (key.to_vec(), value));
                }
            },
            (Value::Array(items), Slot::Index(index)) => {
                let index = *index as usize;
                while items.len() <= index {
                    items.push(Value::hole());
                }
                items[index] = value;
            }
            (Value::Map(pairs), Slot::Entry(name)) => match position(pairs.iter().map(|(key, _)| key), name) {
                Some(at) => pairs[at].1 = value,
                None => pairs.push((name.key.to_vec(), value)),
            },
            (value, slot) => panic!("{slot:?} in {value:?}"),
        }
    }

    /// Does an op that fits. None if its place is not there.
    pub fn apply(&mut self, op: &Op) -> Option<()> {
        let path = op.path.slots();
        if let Action::Set(value) = &op.action {
            let value = Value::decode(value);
            match path.split_last() {
                None => *self = value,
                Some((slot, parent)) => self.at_mut(parent)?.set(slot, value),
            }
            return Some(());
        }
        if op.action == Action::Delete {
            let (slot, parent) = path.split_last()?;
            match (self.at_mut(parent)?, slot) {
                (Value::Object { pairs, .. }, Slot::Key(key)) => pairs.retain(|(k, _)| k != key),
                (Value::Map(pairs), Slot::Entry(name)) => {
                    pairs.remove(position(pairs.iter().map(|(key, _)| key), name)?);
                }
                (Value::Set(members), Slot::Entry(name)) => {
                    members.remove(position(members.iter(), name)?);
                }
                (parent, slot) => *parent.at_mut(std::slice::from_ref(slot))? = Value::hole(),
            }
            return Some(());
        }
        if let (Action::Add | Action::Rename(_), Some((Slot::Entry(name), parent))) = (&op.action, path.split_last()) {
            match (self.at_mut(parent)?, &op.action) {
                (Value::Set(members), Action::Add) => members.push(name.key.to_vec()),
                (Value::Set(members), Action::Rename(key)) => {
                    let at = position(members.iter(), name)?;
                    members[at] = key.to_vec();
                }
                (Value::Map(pairs), Action::Rename(key)) => {
                    let at = position(pairs.iter().map(|(key, _)| key), name)?;
                    pairs[at].0 = key.to_vec();
                }
                _ => return None,
            }
            return Some(());
        }
        if let (Action::Bytes { start, bytes }, value) = (&op.action, &mut *self) {
            let Value::Leaf(leaf) = value.at_mut(path)? else { return None };
            let from = cbor::memory_start(leaf).ok()?? + *start as usize;
            leaf.get_mut(from..from + bytes.len())?.copy_from_slice(bytes);
            return Some(());
        }
        if let (Action::Permute(order), Value::Object { pairs, .. }) = (&op.action, self.at_mut(path)?) {
            *pairs = order.iter().map(|old| pairs.get(*old as usize).cloned()).collect::<Option<_>>()?;
            return Some(());
        }
        let Value::Array(items) = self.at_mut(path)? else { return None };
        match &op.action {
            Action::Rebuild { start, pieces } => {
                let old = items.split_off(*start as usize);
                for piece in pieces {
                    match piece {
                        Piece::Kept { start: first, count } => {
                            let first = (*first - *start) as usize;
                            items.extend_from_slice(old.get(first..first + *count as usize)?);
                        }
                        Piece::New(values) => items.extend(values.iter().map(Value::decode)),
                    }
                }
            }
            Action::Splice { start, removed, added } => {
                let (start, end) = (*start as usize, (*start + *removed) as usize);
                if end > items.len() {
                    return None;
                }
                items.splice(start..end, added.iter().map(Value::decode));
            }
            Action::Length(length) => items.resize(*length as usize, Value::hole()),
            Action::Permute(order) => {
                *items = order.iter().map(|old| items.get(*old as usize).cloned()).collect::<Option<_>>()?;
            }
            _ => {}
        }
        Some(())
    }

    pub fn apply_all(&mut self, ops: &[Op]) -> Option<()> {
        ops.iter().try_for_each(|op| self.apply(op))
    }
}

fn position<'a>(mut keys: impl Iterator<Item = &'a Vec<u8>>, name: &EntryName) -> Option<usize> {
    let mut twins = 0;
    keys.position(|key| {
        let is_twin = *key == name.key;
        twins += u32::from(is_twin);
        is_twin && name.twin != NEXT && twins == name.twin + 1
    })
}

/// The name of the entry at a rank; of the next entry with that key if there is none.
fn name_at(keys: &[&Vec<u8>], at: usize, key: Bytes) -> EntryName {
    let key = keys.get(at).map_or(key, |key| Bytes::copy_from_slice(key));
    let twin = keys[..at.min(keys.len())].iter().filter(|other| ***other == key).count() as u32;
    EntryName { key, twin }
}

/// As JavaScript: the number of a canonical decimal below 2^32 - 1.
fn index_of(key: &[u8]) -> Option<u32> {
    let number: u32 = std::str::from_utf8(key).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == key && number != u32::MAX).then_some(number)
}

/// A source of choices that proptest can shrink. When it runs out, everything is the first choice.
pub struct Choices<'a>(pub std::slice::Iter<'a, u16>);

impl Choices<'_> {
    pub fn is_over(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % n.max(1)
    }

    fn key(&mut self) -> Bytes {
        const KEYS: [&[u8]; 8] = [b"a", b"b", b"2", b"10", b"__proto__", &[0xed, 0xa0, 0x80], b"01", b"c"];
        Bytes::from_static(KEYS[self.below(KEYS.len())])
    }

    /// The key of an entry, as CBOR: two primitives, which come once, and two objects, which may come again.
    fn entry_key(&mut self) -> Bytes {
        const KEYS: [&[u8]; 4] = [&[0x61, 0x61], &[0x01], &[0xb9, 0, 0], &[0x80]];
        Bytes::from_static(KEYS[self.below(KEYS.len())])
    }

    /// The key of an entry to add to those that are there.
    fn new_entry(&mut self, keys: &[&Vec<u8>]) -> EntryName {
        let key = self.entry_key();
        let twins = keys.iter().filter(|other| ***other == key).count() as u32;
        let is_object = key[0] >= 0x80;
        let twin = if self.below(4) == 3 { NEXT } else { twins };
        EntryName { twin: if is_object { twin } else { 0 }, key }
    }

    pub fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 5 } else { 13 };
        match self.below(kinds) {
            0 => Value::Leaf(vec![self.below(24) as u8]),
            1 => Value::Leaf(
                Writer::new().text(["", "x", "long enough to count"][self.below(3)]).clone().finish().to_vec(),
            ),
            2 => Value::Leaf(vec![0xf7]),
            3 => Value::Leaf(vec![0xc1, 0x1a, 0, 0, 0, 1]),
            4 => Value::Leaf([&[0xd8, 0x40, 0x44][..], &[self.below(9) as u8; 4]].concat()),
            5..=7 => Value::Array((0..self.below(4)).map(|_| self.item(depth - 1)).collect()),
            8 => {
                let mut map = Value::Map(Vec::new());
                for _ in 0..self.below(4) {
                    let Value::Map(pairs) = &map else { break };
                    let name = self.new_entry(&pairs.iter().map(|(key, _)| key).collect::<Vec<_>>());
                    map.set(&Slot::Entry(name), self.value(depth - 1));
                }
                map
            }
            9 => {
                let mut members: Vec<Vec<u8>> = Vec::new();
                for _ in 0..self.below(4) {
                    let name = self.new_entry(&members.iter().collect::<Vec<_>>());
                    if position(members.iter(), &name).is_none() {
                        members.push(name.key.to_vec());
                    }
                }
                Value::Set(members)
            }
            kind => {
                let mut object = Value::Object { null_prototype: kind == 10, pairs: Vec::new() };
                for _ in 0..self.below(4) {
                    let slot = Slot::Key(self.key());
                    object.set(&slot, self.value(depth - 1));
                }
                object
            }
        }
    }

    /// An object with something under each of three keys.
    pub fn wide_value(&mut self) -> Value {
        let mut object = Value::Object { null_prototype: false, pairs: Vec::new() };
        for key in ["a", "b", "c"] {
            let items = (0..1 + self.below(3)).map(|_| self.item(2)).collect();
            let value = if self.below(2) == 0 { Value::Array(items) } else { self.value(3) };
            object.set(&Slot::Key(Bytes::from_static(key.as_bytes())), value);
        }
        object
    }

    fn item(&mut self, depth: usize) -> Value {
        if self.below(6) == 5 { Value::hole() } else { self.value(depth) }
    }

    /// A path to something in the value: more often a container than not.
    pub fn place(&mut self, value: &Value) -> Path {
        let mut path = Path::root();
        let mut value = value;
        loop {
            let slots: Vec<Slot> = match value {
                Value::Leaf(_) => return path,
                Value::Array(items) => (0..items.len() as u32).map(Slot::Index).collect(),
                Value::Object { pairs, .. } => {
                    pairs.iter().map(|(key, _)| Slot::Key(Bytes::copy_from_slice(key))).collect()
                }
                Value::Map(pairs) => {
                    let keys: Vec<_> = pairs.iter().map(|(key, _)| key).collect();
                    (0..keys.len()).map(|at| Slot::Entry(name_at(&keys, at, Bytes::new()))).collect()
                }
                Value::Set(_) => return path,
            };
            let choice = self.below(slots.len() + 1);
            let Some(slot) = slots.get(choice) else { return path };
            match value.child(slot) {
                None => return path,
                Some(child) => value = child,
            }
            path = Path::from([path.slots(), std::slice::from_ref(slot)].concat());
        }
    }

    /// An op that fits the value.
    pub fn op(&mut self, value: &Value) -> Op {
        let mut path = self.place(value);
        let mut found = value.at(path.slots()).unwrap();
        if matches!(found, Value::Leaf(_)) && !path.slots().is_empty() && self.below(3) > 0 {
            path = Path::from(path.slots().split_last().unwrap().1.to_vec());
            found = value.at(path.slots()).unwrap();
        }
        match found {
            Value::Leaf(leaf) if leaf.starts_with(&[0xd8, 0x40]) && self.below(3) > 0 => {
                let start = self.below(5);
                let bytes = vec![self.below(9) as u8; self.below(5 - start)].into();
                Op { path, action: Action::Bytes { start: start as u32, bytes } }
            }
            Value::Leaf(_) => Op { path, action: self.set() },
            Value::Map(pairs) => self.map_op(path, &pairs.iter().map(|(key, _)| key).collect::<Vec<_>>()),
            Value::Set(members) => self.set_op(path, &members.iter().collect::<Vec<_>>()),
            Value::Object { pairs, .. } if self.below(8) == 0 => {
                let indices = pairs.iter().take_while(|(key, _)| index_of(key).is_some()).count();
                let names = self.permutation(pairs.len() - indices).into_iter().map(|old| old + indices as u32);
                Op { path, action: Action::Permute((0..indices as u32).chain(names).collect()) }
            }
            Value::Object { pairs, .. } => match self.below(5) {
                0 => Op { path, action: self.set() },
                1 | 2 => Op { path: path.key(self.key()), action: self.set() },
                _ => match pairs.get(self.below(pairs.len() + 1)) {
                    Some((key, _)) => Op { path: path.key(key), action: Action::Delete },
                    None => Op { path: path.key(self.key()), action: self.set() },
                },
            },
            Value::Array(items) => self.array_op(path, items.len()),
        }
    }

    /// A slot of the container at a place, there or not; the place itself if it is a leaf.
    pub fn slot(&mut self, value: &Value, place: Path) -> Path {
        match value.at(place.slots()) {
            Some(Value::Object { .. }) => place.key(self.key()),
            Some(Value::Array(items)) => place.index(self.below(items.len() + 2) as u32),
            Some(Value::Map(_) | Value::Set(_)) => {
                let key = self.entry_key();
                place.entry(key, 0)
            }
            _ => place,
        }
    }

    fn set(&mut self) -> Action {
        Action::Set(self.value(2).encode())
    }

    fn map_op(&mut self, path: Path, keys: &[&Vec<u8>]) -> Op {
        let name = name_at(keys, self.below(keys.len() + 1), Bytes::new());
        let path_to = |name: EntryName| path.clone().entry(name.key, name.twin);
        match self.below(5) {
            _ if name.key.is_empty() => Op { path: path_to(self.new_entry(keys)), action: self.set() },
            0 => Op { path: path_to(name), action: self.set() },
            1 if name.key[0] >= 0x80 => Op { path: path_to(name), action: Action::Rename(self.object_key()) },
            2 => Op { path: path_to(self.new_entry(keys)), action: self.set() },
            3 => Op { path, action: self.set() },
            _ => Op { path: path_to(name), action: Action::Delete },
        }
    }

    fn set_op(&mut self, path: Path, keys: &[&Vec<u8>]) -> Op {
        let name = name_at(keys, self.below(keys.len() + 1), Bytes::new());
        let new = self.new_entry(keys);
        let is_new = position(keys.iter().copied(), &new).is_none();
        let path_to = |name: EntryName| path.clone().entry(name.key, name.twin);
        match self.below(5) {
            0 | 1 if is_new => Op { path: path_to(new), action: Action::Add },
            _ if name.key.is_empty() => Op { path, action: self.set() },
            2 if name.key[0] >= 0x80 => Op { path: path_to(name), action: Action::Rename(self.object_key()) },
            _ => Op { path: path_to(name), action: Action::Delete },
        }
    }

    fn object_key(&mut self) -> Bytes {
        Bytes::from_static([&[0xb9, 0, 0][..], &[0x80], &[0x81, 0x01]][self.below(3)])
    }

    fn rebuild(&mut self, len: usize) -> Action {
        let start = self.below(len + 1) as u32;
        let mut pieces = Vec::new();
        for old in self.permutation(len - start as usize) {
            match self.below(3) {
                0 => {}
                1 => pieces.push(Piece::New(vec![self.item(1).encode()])),
                _ => pieces.push(Piece::Kept { start: start + old, count: 1 }),
            }
        }
        if self.below(4) == 0 {
            pieces = vec![Piece::Kept { start, count: len as u32 - start }, Piece::New(vec![])];
        }
        Action::Rebuild { start, pieces }
    }

    fn array_op(&mut self, path: Path, len: usize) -> Op {
        match self.below(8) {
            7 => Op { path, action: self.rebuild(len) },
            0 if len > 0 => Op { path: path.index(self.below(len) as u32), action: Action::Delete },
            1 => Op { path: path.index(self.below(len + 3) as u32), action: self.set() },
            2 => Op { path, action: Action::Length(self.below(len + 3) as u32) },
            3 => Op { path, action: Action::Permute(self.permutation(len)) },
            4 => {
                let added = vec![self.value(2).encode()];
                Op { path, action: Action::Splice { start: len as u32, removed: 0, added } }
            }
            _ => {
                let start = self.below(len + 1);
                let removed = self.below(len - start + 1) as u32;
                let added = (0..self.below(3)).map(|_| self.item(1).encode()).collect();
                Op { path, action: Action::Splice { start: start as u32, removed, added } }
            }
        }
    }

    pub fn permutation(&mut self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        for i in (1..len).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// Ops that fit one after another.
    pub fn ops(&mut self, value: &Value, count: usize) -> Vec<Op> {
        let mut value = value.clone();
        let mut ops = Vec::new();
        for _ in 0..count {
            let op = self.op(&value);
            value.apply(&op).expect("the op was made to fit");
            ops.push(op);
        }
        ops
    }
}
