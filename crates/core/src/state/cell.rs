//! One durable value with its recent past.

use bytes::Bytes;

use super::delta::{Action, Delta, Op};
use super::edit::{self, Edit};
use super::entries::EntryName;
use super::log::Log;
use super::marks::Reach;
use super::path::{Path, Slot};
use super::reads::{ReadKind, Reads};
use super::tree::Node;
use super::{StateError, path};
use crate::codec::cbor;

/// The default of [`Cell::with_limit`].
pub const MAX_SIZE: u64 = 256 << 20;

/// Below this much memory that only dead bytes hold, none is given back.
const MIN_GARBAGE: u64 = 64 << 10;

/// And none below this part of the value's size.
const GARBAGE_SHARE: u64 = 4;

/// The most bytes of holes that one delta may add: holes take no bytes in a delta, but memory here.
const MAX_HOLES: u64 = 16 << 20;

/// Whether an attempt may commit what it wrote to a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Change `seq`, queued after the attempt's pin, wrote what the attempt read or wrote at `path` (written for people).
    Conflict {
        seq: u64,
        path: String,
    },
}

/// One durable value: its head, and what is needed to see it as of older changes.
///
/// The head is the value with every queued change. A pin is the number of the newest change that an attempt has seen; the
/// numbers are the actor's, so that many of them may not have touched this cell.
#[derive(Debug, Clone)]
pub struct Cell {
    root: Node,
    head: u64,
    log: Log,
    limit: u64,
    /// Bytes of the encoded value; exact after [`Cell::collect`], close to it in between.
    size: u64,
    /// Bytes that nothing in the value shows, but that slices of the same buffers may keep in memory.
    garbage: u64,
}

impl Cell {
    /// A cell that holds a CBOR value as of change `seq`, without a past.
    pub fn new(value: Bytes, seq: u64) -> Result<Cell, StateError> {
        cbor::validate(&value)?;
        let size = value.len() as u64;
        Ok(Cell { root: Node::Encoded(value), head: seq, log: Log::new(seq), limit: MAX_SIZE, size, garbage: 0 })
    }

    /// Refuses deltas that let the value grow past `bytes`.
    pub fn with_limit(self, bytes: u64) -> Cell {
        Cell { limit: bytes, ..self }
    }

    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The newest queued change that wrote this cell.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest pin that can still be served: what was changed before it is not kept.
    pub fn floor(&self) -> u64 {
        self.log.floor()
    }

    /// About how many bytes the value has when encoded.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether an attempt that saw this cell as of `pin` may commit.
    ///
    /// `delta` is none for an attempt that wrote no state at all: it stands at its pin and never conflicts. An attempt that
    /// wrote only other cells passes an empty delta: its reads here have to hold. Reads may be none if no change after the
    /// pin wrote this cell.
    ///
    /// Of what the attempt itself wrote, each place conflicts with later writes at, above or below it, and for an array
    /// that it changed in length or order, with later changes of either. Two attempts that add different keys to one
    /// object do not conflict: in either order each gets what it would have got alone.
    pub fn check(&self, pin: u64, delta: Option<&Delta>, reads: Option<&Reads>) -> Verdict {
        let Some(delta) = delta else { return Verdict::Pass };
        if pin >= self.head {
            return Verdict::Pass;
        }
        let root = || path::for_people(&[]);
        if pin < self.log.floor() {
            return Verdict::Conflict { seq: self.log.floor(), path: root() };
        }
        let Some(reads) = reads else { return Verdict::Conflict { seq: self.head, path: root() } };
        let read = reads.entries().iter().map(|read| (&read.path, reach_of_read(read.kind)));
        let written = delta.ops().iter().map(|op| (&op.path, reach_of_write(op)));
        let mut looks = read.chain(written);
        let overtaken = looks.find_map(|(path, reach)| self.conflict(pin, path, reach));
        // An entry that gets another key is numbered among those that have it.
        let mut renamed = delta.ops().iter().filter_map(place_of_rename);
        overtaken
            .or_else(|| renamed.find_map(|path| self.conflict(pin, &path, Reach::Subtree)))
            .unwrap_or(Verdict::Pass)
    }

    fn conflict(&self, pin: u64, path: &Path, reach: Reach) -> Option<Verdict> {
        let seq = self.log.marks.after(pin, path, reach)?;
        Some(Verdict::Conflict { seq, path: path.to_string() })
    }

    /// Queues a change: all its ops, or, with an error, none. A delta without ops leaves the head where it is.
    pub fn apply(&mut self, seq: u64, delta: &Delta) -> Result<(), StateError> {
        if seq <= self.head {
            return Err(StateError::OutOfOrder { seq, head: self.head });
        }
        if delta.is_empty() {
            return Ok(());
        }
        let edits = apply_all(&mut self.root, self.size, self.limit, delta)?;
        let added: u64 = edits.iter().map(|edit| edit.added as u64).sum();
        let removed: u64 = edits.iter().map(|edit| edit.removed as u64).sum();
        self.size = (self.size + added).saturating_sub(removed);
        let dead: u64 = edits.iter().map(|edit| edit.dead as u64).sum();
        let copied: usize = delta.ops().iter().map(|op| self.root.take_copied(op.path.slots())).sum();
        self.garbage += removed + dead + copied as u64 + (delta.encoded_len() as u64).saturating_sub(added);
        self.log.push(seq, delta.ops().iter().map(|op| &op.path).zip(edits));
        self.head = seq;
        if self.garbage > self.size / GARBAGE_SHARE + MIN_GARBAGE {
            self.collect();
        }
        Ok(())
    }

    /// Says which pins are still open: changes that no pin at `oldest_pin` or later needs are forgotten; without any pin,
    /// all of them.
    pub fn keep_from(&mut self, oldest_pin: Option<u64>) {
        self.log.keep_from(oldest_pin);
    }

    /// The value at its head.
    pub fn encode(&self) -> Bytes {
        self.root.encode()
    }

    /// The value as an attempt pinned at `pin` sees it, with its own writes.
    pub fn encode_at(&self, pin: u64, own: Option<&Delta>) -> Result<Bytes, StateError> {
        let own = own.filter(|delta| !delta.is_empty());
        if pin >= self.head && own.is_none() {
            return Ok(self.encode());
        }
        if pin < self.log.floor() {
            return Err(StateError::PinTooOld { pin, oldest: self.log.floor() });
        }
        let mut root = self.root.clone();
        self.log.rewind(&mut root, pin)?;
        if let Some(delta) = own {
            apply_all(&mut root, self.size, self.limit, delta)?;
        }
        Ok(root.encode())
    }

    /// Copies what is alive and shared into memory of its own, so that the rest is freed. It costs a few times what was
    /// written since the last time at most, which makes it free per change.
    fn collect(&mut self) {
        self.root.compact();
        self.log.detach();
        self.size = self.root.encoded_len() as u64;
        self.garbage = 0;
    }
}

/// Does every op, or none. `size` is the size of the value before.
fn apply_all(root: &mut Node, size: u64, limit: u64, delta: &Delta) -> Result<Vec<Edit>, StateError> {
    let mut edits = Vec::with_capacity(delta.ops().len());
    let mut grown = size;
    let mut room = MAX_HOLES.min(limit.saturating_sub(size));
    for op in delta.ops() {
        match edit::apply(root, op, &mut room) {
            Ok(edit) => {
                grown = (grown + edit.added as u64).saturating_sub(edit.removed as u64);
                edits.push(edit);
            }
            Err(error) => return Err(take_back(root, edits, error)),
        }
    }
    if grown > limit && grown > size {
        let error = StateError::TooLarge { path: path::for_people(&[]), size: grown, limit };
        return Err(take_back(root, edits, error));
    }
    Ok(edits)
}

/// Returns why the ops were taken back.
fn take_back(root: &mut Node, edits: Vec<Edit>, why: StateError) -> StateError {
    match edits.into_iter().rev().try_for_each(|edit| edit.undo.revert(root)) {
        Ok(()) => why,
        Err(error) => error,
    }
}

/// Where an entry that is renamed will be, as conflicts know it.
fn place_of_rename(op: &Op) -> Option<Path> {
    let (Action::Rename(key), Some((_, parent))) = (&op.action, op.path.slots().split_last()) else { return None };
    Some(Path::from([parent, &[Slot::Entry(EntryName { key: key.clone(), twin: 0 })]].concat()))
}

fn reach_of_read(kind: ReadKind) -> Reach {
    match kind {
        ReadKind::Slot => Reach::Slot,
        ReadKind::Shape => Reach::Shape,
        ReadKind::Level => Reach::Level,
        ReadKind::Subtree => Reach::Subtree,
    }
}

fn reach_of_write(op: &Op) -> Reach {
    match &op.action {
        Action::Set(_) | Action::Delete | Action::Add | Action::Rename(_) | Action::Bytes { .. } | Action::End => {
            Reach::Subtree
        }
        Action::Splice { start, .. } | Action::Rebuild { start, .. } => Reach::From(*start),
        Action::Length(length) => Reach::From(*length),
        Action::Permute(_) => Reach::From(0),
    }
}

#[cfg(test)]
mod serial_tests;
#[cfg(test)]
mod tests;
