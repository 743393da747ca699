//! Ops on a tree, each with what takes it back.

use bytes::Bytes;

use super::StateError;
use super::delta::{Action, Op, Piece};
use super::entries::{EntryName, RemovedEntry};
use super::items::Items;
use super::object::Removed;
use super::path::{Path, Slot, for_people};
use super::rebuild::{Discarded, rebuild, restore};
use super::tree::{Container, Node, corrupt, wrong_kind};
use crate::codec::cbor;

/// What is left of a cell that has ended, to the attempt that ended it.
const UNDEFINED: u8 = 0xf7;

/// What an op did.
#[derive(Debug)]
pub(super) struct Edit {
    pub undo: Undo,
    pub written: Written,
    /// Encoded bytes that came in.
    pub added: usize,
    /// Encoded bytes that went out.
    pub removed: usize,
    /// Bytes that stay in memory beside `removed`, though nothing shows them any more.
    pub dead: usize,
}

/// What an op wrote, as conflicts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// The slot at the op's path.
    Slot,
    /// That slot, and the shape of the container it is in.
    SlotAndShape,
    /// That, and the slot that the entry has under its new key, which is where its undo goes.
    Renamed,
    /// The shape of the container at the op's path.
    Shape,
    /// That shape, and every slot from this one.
    From(u32),
}

/// Takes one op back, if whatever was done since has been taken back.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    path: Path,
    reverse: Reverse,
}

#[derive(Debug, Clone)]
enum Reverse {
    /// Puts back the value at the path.
    Value(Node),
    /// Removes the key at the end of the path.
    Absent,
    /// Puts back the key at the end of the path.
    Present(Box<Removed>),
    /// Replaces `added` items of the array at the path, from `start`, by those that were there.
    Splice { start: usize, added: usize, removed: Vec<Node> },
    /// Reorders the array, or the keys of the object, at the path.
    Permute(Vec<u32>),
    /// Puts back the entry or member at the end of the path.
    PresentEntry(Box<RemovedEntry>),
    /// Gives the entry or member at the path the key that it had.
    Rename(Bytes),
    /// Puts back what the memory at the path held from `start`.
    Bytes { start: usize, bytes: Bytes },
    /// Makes the array at the path what it was from `start` on.
    Rebuild { start: usize, old: Box<Discarded> },
}

/// Does one op. On an error nothing has changed. Holes are taken from `room`, in bytes; what else is added came with the op,
/// so that the caller can measure it afterwards.
pub(super) fn apply(root: &mut Node, op: &Op, room: &mut u64) -> Result<Edit, StateError> {
    match &op.action {
        Action::Set(value) => set(root, &op.path, value, room),
        Action::Delete => delete(root, &op.path),
        Action::Splice { start, removed, added } => splice(root, &op.path, *start, *removed, added),
        Action::Length(length) => set_length(root, &op.path, *length, room),
        Action::Permute(order) => permute(root, &op.path, order),
        Action::Add => add(root, &op.path),
        Action::Rename(key) => rename(root, &op.path, key),
        Action::Bytes { start, bytes } => overwrite(root, &op.path, *start, bytes),
        Action::Rebuild { start, pieces } => rebuild_array(root, &op.path, *start, pieces),
        Action::End => set(root, &op.path, &Bytes::from_static(&[UNDEFINED]), room),
    }
}

fn set(root: &mut Node, path: &Path, value: &Bytes, room: &mut u64) -> Result<Edit, StateError> {
    let node = Node::Encoded(value.clone());
    let added = value.len();
    let Some((slot, parent)) = path.slots().split_last() else {
        return Ok(Edit::replaced(path, added, std::mem::replace(root, node)));
    };
    match (root.resolve(parent)?.expand(parent)?, slot) {
        (Container::Object(object), Slot::Key(key)) => {
            if let Some(old) = object.insert(key, node) {
                return Ok(Edit::replaced(path, added, old));
            }
            let undo = Undo::new(path, Reverse::Absent);
            Ok(Edit { written: Written::SlotAndShape, ..Edit::new(undo, added + cbor::key_len(key), 0) })
        }
        (Container::Entries(entries), Slot::Entry(name)) if !entries.is_set => {
            let node = match entries.replace(name, node) {
                Ok(old) => return Ok(Edit::replaced(path, added, old)),
                Err(node) => node,
            };
            let now = entries.push(name, node).ok_or_else(|| no_entry(path))?;
            let undo = Undo::new(&place(parent, now), Reverse::Absent);
            Ok(Edit { written: Written::SlotAndShape, ..Edit::new(undo, added + name.key.len(), 0) })
        }
        (Container::Array(items), Slot::Index(index)) => match items.get_mut(*index as usize) {
            Some(item) => {
                let written = if item.is_hole() { Written::SlotAndShape } else { Written::Slot };
                Ok(Edit { written, ..Edit::replaced(path, added, std::mem::replace(item, node)) })
            }
            None => {
                let start = items.len();
                let mut tail = holes(path, *index as usize - start, room)?;
                tail.push(node);
                let array = Path::from(parent.to_vec());
                Ok(Edit { written: Written::SlotAndShape, ..Edit::splice(&array, items, start, 0, tail) })
            }
        },
        (container, slot) => Err(wrong_kind(parent, container.describe(), slot)),
    }
}

fn delete(root: &mut Node, path: &Path) -> Result<Edit, StateError> {
    let Some((slot, parent)) = path.slots().split_last() else {
        return Err(corrupt(&[], "a delete of the root", "a delete of a slot"));
    };
    let absent = || corrupt(path.slots(), "nothing", "a value to delete");
    match (root.resolve(parent)?.expand(parent)?, slot) {
        (Container::Object(object), Slot::Key(key)) => {
            let old = object.remove(key).ok_or_else(absent)?;
            let removed = old.node.encoded_len() + cbor::key_len(key);
            let undo = Undo::new(path, Reverse::Present(Box::new(old)));
            Ok(Edit { written: Written::SlotAndShape, ..Edit::new(undo, 0, removed) })
        }
        (Container::Entries(entries), Slot::Entry(name)) => {
            let old = entries.remove(name).ok_or_else(absent)?;
            let value = if entries.is_set { 0 } else { old.node.encoded_len() };
            let undo = Undo::new(path, Reverse::PresentEntry(Box::new(old)));
            Ok(Edit { written: Written::SlotAndShape, ..Edit::new(undo, 0, value + name.key.len()) })
        }
        (Container::Array(items), Slot::Index(index)) => {
            let item = items.get_mut(*index as usize).ok_or_else(absent)?;
            let edit = Edit::replaced(path, cbor::HOLE.len(), std::mem::replace(item, Node::hole()));
            Ok(Edit { written: Written::SlotAndShape, ..edit })
        }
        (container, slot) => Err(wrong_kind(parent, container.describe(), slot)),
    }
}

fn splice(root: &mut Node, path: &Path, start: u32, removed: u32, added: &[Bytes]) -> Result<Edit, StateError> {
    let items = array(root, path)?;
    let (start, removed) = (start as usize, removed as usize);
    if start.saturating_add(removed) > items.len() {
        let found = format!("{} items", items.len());
        return Err(corrupt(path.slots(), found, "as many items as a splice goes over"));
    }
    if items.len() - removed + added.len() > u32::MAX as usize {
        return Err(corrupt(path.slots(), "more items than an array holds", "an array"));
    }
    let added = added.iter().map(|value| Node::Encoded(value.clone())).collect();
    Ok(Edit::splice(path, items, start, removed, added))
}

fn set_length(root: &mut Node, path: &Path, length: u32, room: &mut u64) -> Result<Edit, StateError> {
    let items = array(root, path)?;
    let (old, new) = (items.len(), length as usize);
    let added = holes(path, new.saturating_sub(old), room)?;
    Ok(Edit::splice(path, items, old.min(new), old.saturating_sub(new), added))
}

fn permute(root: &mut Node, path: &Path, order: &[u32]) -> Result<Edit, StateError> {
    let count = |found| corrupt(path.slots(), format!("{found} items"), "as many items as a permutation has");
    let written = match root.resolve(path.slots())?.expand(path.slots())? {
        Container::Array(items) if items.len() != order.len() => return Err(count(items.len())),
        Container::Array(items) => {
            reorder(items, order);
            Written::From(0)
        }
        Container::Object(object) if object.len() != order.len() => return Err(count(object.len())),
        Container::Object(object) => match object.reorder(order) {
            true => Written::Shape,
            false => return Err(corrupt(path.slots(), "an order that moves an index", "an order of names")),
        },
        other => return Err(corrupt(path.slots(), other.describe(), "an array")),
    };
    let undo = Undo::new(path, Reverse::Permute(inverse(order)));
    Ok(Edit { written, ..Edit::new(undo, 0, 0) })
}

fn add(root: &mut Node, path: &Path) -> Result<Edit, StateError> {
    let (parent, name) = entry(path.slots())?;
    match root.resolve(parent)?.expand(parent)? {
        Container::Entries(entries) if entries.is_set => {
            let now = entries.push(name, Node::undefined()).ok_or_else(|| no_entry(path))?;
            let undo = Undo::new(&place(parent, now), Reverse::Absent);
            Ok(Edit { written: Written::SlotAndShape, ..Edit::new(undo, name.key.len(), 0) })
        }
        other => Err(corrupt(parent, other.describe(), "a Set")),
    }
}

fn rename(root: &mut Node, path: &Path, key: &Bytes) -> Result<Edit, StateError> {
    let (parent, name) = entry(path.slots())?;
    match root.resolve(parent)?.expand(parent)? {
        Container::Entries(entries) => {
            let now = entries.rename(name, key).ok_or_else(|| no_entry(path))?;
            let undo = Undo::new(&place(parent, now), Reverse::Rename(name.key.clone()));
            Ok(Edit { written: Written::Renamed, ..Edit::new(undo, key.len(), name.key.len()) })
        }
        other => Err(corrupt(parent, other.describe(), "a Map or a Set")),
    }
}

fn overwrite(root: &mut Node, path: &Path, start: u32, bytes: &Bytes) -> Result<Edit, StateError> {
    let memory = match root.resolve(path.slots())?.expand(path.slots())? {
        Container::Memory(memory) => memory,
        other => return Err(corrupt(path.slots(), other.describe(), "bytes")),
    };
    let start = start as usize;
    if start.saturating_add(bytes.len()) > memory.len() {
        let found = format!("{} bytes", memory.len());
        return Err(corrupt(path.slots(), found, "as many bytes as are written over"));
    }
    let (old, dead) = memory.replace(start, bytes);
    let undo = Undo::new(path, Reverse::Bytes { start, bytes: old });
    Ok(Edit { dead, ..Edit::new(undo, bytes.len(), bytes.len()) })
}

fn rebuild_array(root: &mut Node, path: &Path, start: u32, pieces: &[Piece]) -> Result<Edit, StateError> {
    let items = array(root, path)?;
    let (old, added) = rebuild(items, start as usize, pieces)
        .ok_or_else(|| corrupt(path.slots(), "slots that are not there, or one twice", "slots of the array"))?;
    let removed = old.encoded_len();
    let undo = Undo::new(path, Reverse::Rebuild { start: start as usize, old: Box::new(old) });
    Ok(Edit { written: Written::From(start), ..Edit::new(undo, added, removed) })
}

/// The path of a Map or Set, and what names an entry of it.
fn entry(path: &[Slot]) -> Result<(&[Slot], &EntryName), StateError> {
    match path.split_last() {
        Some((Slot::Entry(name), parent)) => Ok((parent, name)),
        _ => Err(corrupt(path, "no entry", "an entry of a Map or a Set")),
    }
}

fn place(parent: &[Slot], name: EntryName) -> Path {
    Path::from([parent, &[Slot::Entry(name)]].concat())
}

fn no_entry(path: &Path) -> StateError {
    corrupt(path.slots(), "another number of entries with this key", "the next of its key, or one that is there")
}

impl Edit {
    fn new(undo: Undo, added: usize, removed: usize) -> Edit {
        Edit { undo, written: Written::Slot, added, removed, dead: 0 }
    }

    /// The value at a path, not counting keys, was replaced.
    fn replaced(path: &Path, added: usize, old: Node) -> Edit {
        let removed = old.encoded_len();
        Edit::new(Undo::new(path, Reverse::Value(old)), added, removed)
    }

    /// Does a splice whose bounds have been checked.
    fn splice(path: &Path, items: &mut Items, start: usize, removed: usize, added: Vec<Node>) -> Edit {
        let count = added.len();
        let len = |nodes: &[Node]| nodes.iter().map(Node::encoded_len).sum();
        let added_len = len(&added);
        let old = items.replace(start, removed, added);
        let removed_len = len(&old);
        let undo = Undo::new(path, Reverse::Splice { start, added: count, removed: old });
        Edit { written: Written::From(start as u32), ..Edit::new(undo, added_len, removed_len) }
    }
}

impl Undo {
    /// Where it puts things back, as of after the op.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(path: &Path, reverse: Reverse) -> Undo {
        Undo { path: path.clone(), reverse }
    }

    /// How many places are kept here.
    pub fn slots(&self) -> usize {
        match &self.reverse {
            Reverse::Splice { removed, .. } => removed.len().max(1),
            Reverse::Permute(order) => order.len().max(1),
            Reverse::Rebuild { old, .. } => old.len().max(1),
            _ => 1,
        }
    }

    /// About how many bytes are kept here, apart from the values.
    pub fn overhead(&self) -> usize {
        let path: usize = self.path.slots().iter().map(Slot::memory).sum();
        let order = if let Reverse::Permute(order) = &self.reverse { 4 * order.len() } else { 0 };
        let order = order + if let Reverse::Rebuild { old, .. } = &self.reverse { 4 * old.len() } else { 0 };
        size_of::<Undo>() + path + order + self.slots() * size_of::<Node>()
    }

    /// Gives up memory shared with the values that came in.
    pub fn detach(&mut self) {
        self.path.detach();
        self.nodes().iter_mut().for_each(Node::detach);
        match &mut self.reverse {
            Reverse::Rename(key) => *key = Bytes::copy_from_slice(key),
            Reverse::Present(removed) => {
                if let Some(name) = &mut removed.before {
                    *name = Bytes::copy_from_slice(name);
                }
            }
            Reverse::PresentEntry(removed) => {
                if let Some(EntryName { key, .. }) = &mut removed.before {
                    *key = Bytes::copy_from_slice(key);
                }
            }
            _ => {}
        }
    }

    /// Gives up expansion, so that memory is close to the bytes that are counted.
    pub fn collapse(&mut self) {
        self.nodes().iter_mut().filter(|node| matches!(node, Node::Expanded(_))).for_each(Node::detach);
    }

    fn nodes(&mut self) -> &mut [Node] {
        match &mut self.reverse {
            Reverse::Value(node) => std::slice::from_mut(node),
            Reverse::Present(removed) => std::slice::from_mut(&mut removed.node),
            Reverse::PresentEntry(removed) => std::slice::from_mut(&mut removed.node),
            Reverse::Splice { removed, .. } => removed,
            Reverse::Rebuild { old, .. } => old.nodes(),
            _ => &mut [],
        }
    }

    /// Puts the tree back. An error would mean that the tree is not as the op left it.
    pub fn revert(self, root: &mut Node) -> Result<(), StateError> {
        let path = self.path.slots();
        match self.reverse {
            Reverse::Value(node) => *root.resolve(path)? = node,
            Reverse::Absent => match at(root, path)? {
                (Container::Object(object), Slot::Key(key)) => drop(object.remove(key)),
                (Container::Entries(entries), Slot::Entry(name)) => drop(entries.remove(name)),
                (container, slot) => return Err(wrong_kind(path, container.describe(), slot)),
            },
            Reverse::Present(removed) => match at(root, path)? {
                (Container::Object(object), Slot::Key(key)) => object.put_back(key, *removed),
                (container, slot) => return Err(wrong_kind(path, container.describe(), slot)),
            },
            Reverse::PresentEntry(removed) => match at(root, path)? {
                (Container::Entries(entries), Slot::Entry(name)) => entries.put_back(&name.key, *removed),
                (container, slot) => return Err(wrong_kind(path, container.describe(), slot)),
            },
            Reverse::Rename(key) => match at(root, path)? {
                (Container::Entries(entries), Slot::Entry(name)) => drop(entries.rename(name, &key)),
                (container, slot) => return Err(wrong_kind(path, container.describe(), slot)),
            },
            Reverse::Bytes { start, bytes } => match root.resolve(path)?.expand(path)? {
                Container::Memory(memory) => drop(memory.replace(start, &bytes)),
                container => return Err(corrupt(path, container.describe(), "bytes")),
            },
            Reverse::Rebuild { start, old } => restore(array(root, &self.path)?, start, *old),
            Reverse::Splice { start, added, removed } => {
                array(root, &self.path)?.replace(start, added, removed);
            }
            Reverse::Permute(order) => match root.resolve(path)?.expand(path)? {
                Container::Object(object) => drop(object.reorder(&order)),
                _ => reorder(array(root, &self.path)?, &order),
            },
        }
        Ok(())
    }
}

/// What holds the slot at a path, and the slot.
fn at<'a, 'p>(root: &'a mut Node, path: &'p [Slot]) -> Result<(&'a mut Container, &'p Slot), StateError> {
    let Some((slot, parent)) = path.split_last() else {
        return Err(corrupt(path, "the root", "a slot"));
    };
    Ok((root.resolve(parent)?.expand(parent)?, slot))
}

fn array<'a>(root: &'a mut Node, path: &Path) -> Result<&'a mut Items, StateError> {
    root.resolve(path.slots())?.expand_array(path.slots())
}

fn holes(path: &Path, count: usize, room: &mut u64) -> Result<Vec<Node>, StateError> {
    let size = count as u64 * cbor::HOLE.len() as u64;
    if size > *room {
        return Err(StateError::TooLarge { path: for_people(path.slots()), size, limit: *room });
    }
    *room -= size;
    Ok(vec![Node::hole(); count])
}

fn reorder(items: &mut Items, order: &[u32]) {
    let mut old = items.split_off(0);
    items.extend(order.iter().map(|from| std::mem::replace(&mut old[*from as usize], Node::undefined())).collect());
}

fn inverse(order: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        inverse[*old as usize] = new as u32;
    }
    inverse
}
