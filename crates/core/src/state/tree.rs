//! The value tree: encoded bytes, expanded one level at a time where a write goes through.
//!
//! Keys of Maps and members of Sets stay encoded: what an attempt changed in one is written whole.

use bytes::Bytes;

use super::StateError;
use super::entries::Entries;
use super::items::{Items, take_from};
use super::memory::Memory;
use super::object::{Object, Unreadable};
use super::path::{Slot, for_people};
use crate::codec::cbor::{self, Kind, Writer};

/// A value. Expanding changes how it is held, never what it is.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// As it was encoded: a slice of whatever it came in.
    Encoded(Bytes),
    Expanded(Box<Container>),
}

/// A value that is open to be written into. Most are containers whose children are nodes. Containers nest no deeper than paths are long, so walking them may recurse.
#[derive(Debug, Clone)]
pub(super) enum Container {
    Object(Object),
    Array(Items),
    /// A Map or a Set.
    Entries(Entries),
    /// A typed array, Buffer or ArrayBuffer that is written in place.
    Memory(Memory),
}

impl Node {
    pub fn undefined() -> Node {
        Node::Encoded(Bytes::from_static(cbor::UNDEFINED))
    }

    pub fn hole() -> Node {
        Node::Encoded(Bytes::from_static(cbor::HOLE))
    }

    pub fn is_hole(&self) -> bool {
        matches!(self, Node::Encoded(bytes) if bytes == cbor::HOLE)
    }

    pub fn describe(&self) -> &'static str {
        match self {
            Node::Encoded(bytes) => cbor::describe(bytes),
            Node::Expanded(container) => container.describe(),
        }
    }

    /// The node at the end of a path; every container on the way is expanded.
    pub fn resolve(&mut self, path: &[Slot]) -> Result<&mut Node, StateError> {
        let mut node = self;
        for (depth, slot) in path.iter().enumerate() {
            let above = &path[..depth];
            let container = node.expand(above)?;
            if !container.has(slot) {
                return Err(wrong_kind(above, container.describe(), slot));
            }
            node = container.get_mut(slot).ok_or_else(|| corrupt(&path[..=depth], "nothing", "a value"))?;
        }
        Ok(node)
    }

    /// The container that this value is, expanded. `path` says where it is, for messages.
    pub fn expand(&mut self, path: &[Slot]) -> Result<&mut Container, StateError> {
        if let Node::Encoded(bytes) = self {
            *self = Node::Expanded(Box::new(Container::parse(bytes, path)?));
        }
        match self {
            Node::Expanded(container) => Ok(container),
            Node::Encoded(_) => Err(corrupt(path, self.describe(), "an object or an array")),
        }
    }

    pub fn expand_array(&mut self, path: &[Slot]) -> Result<&mut Items, StateError> {
        match self.expand(path)? {
            Container::Array(items) => Ok(items),
            other => Err(corrupt(path, other.describe(), "an array")),
        }
    }

    /// How many bytes [`Node::write`] appends.
    pub fn encoded_len(&self) -> usize {
        match self {
            Node::Encoded(bytes) => bytes.len(),
            Node::Expanded(container) => container.encoded_len(),
        }
    }

    pub fn write(&self, out: &mut Writer) {
        match self {
            Node::Encoded(bytes) => {
                out.raw(bytes);
            }
            Node::Expanded(container) => container.write(out),
        }
    }

    /// The value's bytes; a copy only if something in it is expanded.
    pub fn encode(&self) -> Bytes {
        match self {
            Node::Encoded(bytes) => bytes.clone(),
            Node::Expanded(container) => {
                let mut out = Writer::with_capacity(container.encoded_len());
                container.write(&mut out);
                out.finish()
            }
        }
    }

    /// Gives up the memory that this value shares with others, and all expansion.
    pub fn detach(&mut self) {
        let mut out = Writer::with_capacity(self.encoded_len());
        self.write(&mut out);
        *self = Node::Encoded(out.finish());
    }

    /// Gives up the memory that this value shares with others. What is large and held well stays expanded.
    pub fn compact(&mut self) {
        match self {
            Node::Expanded(container) => match &mut **container {
                Container::Array(items) => items.compact(),
                Container::Object(object) => object.compact(),
                Container::Entries(entries) => entries.compact(),
                Container::Memory(_) => self.detach(),
            },
            Node::Encoded(_) => self.detach(),
        }
    }

    /// Takes what it weighs from `left`, in bytes; false once that is too much. Costs no more than there was left.
    pub fn is_lighter(&self, left: &mut usize) -> bool {
        match self {
            Node::Encoded(bytes) => take_from(left, bytes.len()),
            Node::Expanded(container) => take_from(left, 1) && container.is_lighter(left),
        }
    }

    /// How many bytes were copied out of their buffers on the way along a path, since this was last asked.
    pub fn take_copied(&mut self, path: &[Slot]) -> usize {
        let Node::Expanded(container) = self else { return 0 };
        let copied = match &mut **container {
            Container::Array(items) => items.take_copied(),
            Container::Object(object) => object.take_copied(),
            Container::Entries(entries) => entries.take_copied(),
            Container::Memory(_) => 0,
        };
        let Some((slot, below)) = path.split_first() else { return copied };
        copied + container.open_mut(slot).map_or(0, |child| child.take_copied(below))
    }
}

impl Container {
    fn parse(value: &Bytes, path: &[Slot]) -> Result<Container, StateError> {
        match cbor::kind(value)? {
            Kind::Array => Items::parse(value).map(Container::Array),
            Kind::Object { null_prototype } => {
                let object = Object::parse(null_prototype, value);
                object.map(Container::Object).map_err(|error| match error {
                    Unreadable::Codec(error) => error,
                    Unreadable::Key => corrupt(path, "a key that is no string", "an object or an array"),
                    Unreadable::Twice(key) => twice(path, key),
                })
            }
            Kind::Map => Entries::parse(false, value).map(Container::Entries),
            Kind::Set => Entries::parse(true, value).map(Container::Entries),
            Kind::Leaf => match cbor::memory_start(value)? {
                Some(start) => Ok(Container::Memory(Memory::new(value, start))),
                None => Err(corrupt(path, cbor::describe(value), "an object or an array")),
            },
        }
    }

    /// Whether it is of the kind that has such slots.
    fn has(&self, slot: &Slot) -> bool {
        matches!(
            (self, slot),
            (Container::Object(_), Slot::Key(_))
                | (Container::Array(_), Slot::Index(_))
                | (Container::Entries(_), Slot::Entry(_))
        )
    }

    fn get_mut(&mut self, slot: &Slot) -> Option<&mut Node> {
        match (self, slot) {
            (Container::Object(object), Slot::Key(key)) => object.get_mut(key),
            (Container::Array(items), Slot::Index(index)) => items.get_mut(*index as usize),
            (Container::Entries(entries), Slot::Entry(name)) => entries.get_mut(name),
            _ => None,
        }
    }

    /// The same, if it is open; an item of an array is opened.
    fn open_mut(&mut self, slot: &Slot) -> Option<&mut Node> {
        match (self, slot) {
            (Container::Object(object), Slot::Key(key)) => object.open_mut(key),
            (Container::Array(items), Slot::Index(index)) => items.get_mut(*index as usize),
            (Container::Entries(entries), Slot::Entry(name)) => entries.open_mut(name),
            _ => None,
        }
    }

    fn is_lighter(&self, left: &mut usize) -> bool {
        match self {
            Container::Object(object) => object.is_lighter(left),
            Container::Entries(entries) => entries.is_lighter(left),
            Container::Array(items) => items.is_lighter(left),
            Container::Memory(memory) => take_from(left, memory.encoded_len()),
        }
    }

    pub fn describe(&self) -> &'static str {
        match self {
            Container::Object(_) => "an object",
            Container::Array(_) => "an array",
            Container::Entries(entries) if entries.is_set => "a Set",
            Container::Entries(_) => "a Map",
            Container::Memory(_) => "bytes",
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Container::Object(object) => object.encoded_len(),
            Container::Array(items) => cbor::array_head_len(items.len()) + items.encoded_len(),
            Container::Entries(entries) => entries.encoded_len(),
            Container::Memory(memory) => memory.encoded_len(),
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Container::Object(object) => object.write(out),
            Container::Array(items) => {
                out.array(items.len());
                items.write(out);
            }
            Container::Entries(entries) => entries.write(out),
            Container::Memory(memory) => memory.write(out),
        }
    }
}

pub(super) fn corrupt(path: &[Slot], found: impl Into<String>, expected: &'static str) -> StateError {
    StateError::Corrupt { path: for_people(path), found: found.into(), expected }
}

/// A slot of one kind in a container of the other.
pub(super) fn wrong_kind(path: &[Slot], found: &'static str, slot: &Slot) -> StateError {
    let expected = match slot {
        Slot::Key(_) => "an object",
        Slot::Index(_) => "an array",
        Slot::Entry(_) => "a Map or a Set",
    };
    corrupt(path, found, expected)
}

fn twice(path: &[Slot], key: Bytes) -> StateError {
    let slot = Slot::Key(key);
    corrupt(path, format!("the key {slot} twice"), "every key once")
}
