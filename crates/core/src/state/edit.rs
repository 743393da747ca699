//! Ops on a tree, each with what takes it back.

use std::collections::VecDeque;

use bytes::Bytes;

use super::StateError;
use super::delta::{Action, Op};
use super::object::{Object, Removed};
use super::path::{Path, Slot, for_people};
use super::tree::{Container, Node, corrupt, wrong_kind};
use crate::codec::cbor;

/// What an op did.
#[derive(Debug)]
pub(super) struct Edit {
    pub undo: Undo,
    pub written: Written,
    /// Encoded bytes that came in.
    pub added: usize,
    /// Encoded bytes that went out.
    pub removed: usize,
}

/// What an op wrote, as conflicts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// The slot at the op's path.
    Slot,
    /// That slot, and the shape of the container it is in.
    SlotAndShape,
    /// The shape of the container at the op's path, and every slot from this one.
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
    Present(Removed),
    /// Replaces `added` items of the array at the path, from `start`, by those that were there.
    Splice { start: usize, added: usize, removed: Vec<Node> },
    /// Reorders the array at the path.
    Permute(Vec<u32>),
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
            if let Some(old) = object.insert(key.clone(), node) {
                return Ok(Edit::replaced(path, added, old));
            }
            let undo = Undo::new(path, Reverse::Absent);
            Ok(Edit { undo, written: Written::SlotAndShape, added: added + cbor::key_len(key), removed: 0 })
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
            let undo = Undo::new(path, Reverse::Present(old));
            Ok(Edit { undo, written: Written::SlotAndShape, added: 0, removed })
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
    let items = array(root, path)?;
    if order.len() != items.len() {
        let found = format!("{} items", items.len());
        return Err(corrupt(path.slots(), found, "as many items as a permutation has"));
    }
    reorder(items, order);
    let undo = Undo::new(path, Reverse::Permute(inverse(order)));
    Ok(Edit { undo, written: Written::From(0), added: 0, removed: 0 })
}

impl Edit {
    /// The value at a path, not counting keys, was replaced.
    fn replaced(path: &Path, added: usize, old: Node) -> Edit {
        let removed = old.encoded_len();
        Edit { undo: Undo::new(path, Reverse::Value(old)), written: Written::Slot, added, removed }
    }

    /// Does a splice whose bounds have been checked.
    fn splice(path: &Path, items: &mut VecDeque<Node>, start: usize, removed: usize, added: Vec<Node>) -> Edit {
        let count = added.len();
        let len = |nodes: &[Node]| nodes.iter().map(Node::encoded_len).sum();
        let added_len = len(&added);
        let old = replace_range(items, start, removed, added);
        let removed_len = len(&old);
        let undo = Undo::new(path, Reverse::Splice { start, added: count, removed: old });
        Edit { undo, written: Written::From(start as u32), added: added_len, removed: removed_len }
    }
}

impl Undo {
    fn new(path: &Path, reverse: Reverse) -> Undo {
        Undo { path: path.clone(), reverse }
    }

    /// How many places are kept here.
    pub fn slots(&self) -> usize {
        match &self.reverse {
            Reverse::Value(_) | Reverse::Absent | Reverse::Present(_) => 1,
            Reverse::Splice { removed, .. } => removed.len().max(1),
            Reverse::Permute(order) => order.len().max(1),
        }
    }

    /// About how many bytes are kept here, apart from the values.
    pub fn overhead(&self) -> usize {
        let path: usize = self.path.slots().iter().map(Slot::memory).sum();
        let order = if let Reverse::Permute(order) = &self.reverse { 4 * order.len() } else { 0 };
        size_of::<Undo>() + path + order + self.slots() * size_of::<Node>()
    }

    /// Gives up memory shared with the values that came in.
    pub fn detach(&mut self) {
        self.path.detach();
        self.nodes().iter_mut().for_each(Node::detach);
        if let Reverse::Present(Removed { before: Some(name), .. }) = &mut self.reverse {
            *name = Bytes::copy_from_slice(name);
        }
    }

    /// Gives up expansion, so that memory is close to the bytes that are counted.
    pub fn collapse(&mut self) {
        self.nodes().iter_mut().filter(|node| matches!(node, Node::Expanded(_))).for_each(Node::detach);
    }

    fn nodes(&mut self) -> &mut [Node] {
        match &mut self.reverse {
            Reverse::Value(node) | Reverse::Present(Removed { node, .. }) => std::slice::from_mut(node),
            Reverse::Splice { removed, .. } => removed,
            Reverse::Absent | Reverse::Permute(_) => &mut [],
        }
    }

    /// Puts the tree back. An error would mean that the tree is not as the op left it.
    pub fn revert(self, root: &mut Node) -> Result<(), StateError> {
        let path = self.path.slots();
        match self.reverse {
            Reverse::Value(node) => *root.resolve(path)? = node,
            Reverse::Absent => {
                let (object, key) = object(root, path)?;
                object.remove(key);
            }
            Reverse::Present(removed) => {
                let (object, key) = object(root, path)?;
                object.put_back(key.clone(), removed);
            }
            Reverse::Splice { start, added, removed } => {
                replace_range(array(root, &self.path)?, start, added, removed);
            }
            Reverse::Permute(order) => reorder(array(root, &self.path)?, &order),
        }
        Ok(())
    }
}

/// The object that holds the slot at a path, and the slot's key.
fn object<'a, 'p>(root: &'a mut Node, path: &'p [Slot]) -> Result<(&'a mut Object, &'p Bytes), StateError> {
    let Some((Slot::Key(key), parent)) = path.split_last() else {
        return Err(corrupt(path, "no key", "a key"));
    };
    match root.resolve(parent)?.expand(parent)? {
        Container::Object(object) => Ok((object, key)),
        Container::Array(_) => Err(corrupt(parent, "an array", "an object")),
    }
}

fn array<'a>(root: &'a mut Node, path: &Path) -> Result<&'a mut VecDeque<Node>, StateError> {
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

/// Replaces `removed` items from `start`; moves only the items of the shorter side.
fn replace_range(items: &mut VecDeque<Node>, start: usize, removed: usize, added: Vec<Node>) -> Vec<Node> {
    items.rotate_left(start);
    let old = items.drain(..removed).collect();
    for node in added.into_iter().rev() {
        items.push_front(node);
    }
    items.rotate_right(start);
    old
}

fn reorder(items: &mut VecDeque<Node>, order: &[u32]) {
    let mut old: Vec<Node> = items.drain(..).collect();
    items.extend(order.iter().map(|from| std::mem::replace(&mut old[*from as usize], Node::undefined())));
}

fn inverse(order: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        inverse[*old as usize] = new as u32;
    }
    inverse
}
