//! The recent changes of a cell: how to take each back, and what they wrote.
//!
//! The log reaches back without gaps from the head to its floor. It is bounded; what does not fit pushes out the oldest.

use std::collections::VecDeque;

use super::StateError;
use super::edit::{Edit, Undo, Written};
use super::marks::Marks;
use super::path::Path;
use super::tree::Node;

/// The most bytes of inverse ops that are kept.
pub const MAX_BYTES: usize = 16 << 20;
/// The most slots that are kept.
pub const MAX_SLOTS: usize = 100_000;

#[derive(Debug, Clone)]
pub(super) struct Log {
    /// Oldest first.
    changes: VecDeque<Change>,
    pub marks: Marks,
    /// How many marks there are at most, and how many were left when those of forgotten changes were last removed.
    mark_count: usize,
    marks_left: usize,
    /// The newest change that is not in the log: the oldest pin that can still be served.
    floor: u64,
    bytes: usize,
    slots: usize,
}

#[derive(Debug, Clone)]
struct Change {
    seq: u64,
    /// In the order of the ops.
    undos: Vec<Undo>,
    bytes: usize,
    slots: usize,
    /// Whether the undos have memory of their own.
    is_detached: bool,
}

impl Log {
    pub fn new(floor: u64) -> Self {
        Log {
            changes: VecDeque::new(),
            marks: Marks::default(),
            mark_count: 0,
            marks_left: 0,
            floor,
            bytes: 0,
            slots: 0,
        }
    }

    /// The oldest pin that can still be served.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Appends a change that is newer than all before it.
    pub fn push<'a>(&mut self, seq: u64, edits: impl Iterator<Item = (&'a Path, Edit)>) {
        let mut change = Change { seq, undos: Vec::new(), bytes: 0, slots: 0, is_detached: false };
        for (path, edit) in edits {
            self.mark(path, edit.written, seq);
            if edit.written == Written::Renamed {
                self.mark(edit.undo.path(), Written::Slot, seq);
            }
            change.bytes += edit.removed + edit.undo.overhead();
            change.slots += edit.undo.slots();
            change.undos.push(edit.undo);
        }
        if change.bytes <= MAX_BYTES {
            change.undos.iter_mut().for_each(Undo::collapse);
        }
        self.bytes += change.bytes;
        self.slots += change.slots;
        self.changes.push_back(change);
        while self.bytes > MAX_BYTES || self.slots > MAX_SLOTS {
            self.drop_oldest();
        }
        self.forget_marks();
    }

    /// Forgets the changes that a pin at `oldest_pin` or later does not need; without any pin, all.
    pub fn keep_from(&mut self, oldest_pin: Option<u64>) {
        while self.changes.front().is_some_and(|change| oldest_pin.is_none_or(|pin| change.seq <= pin)) {
            self.drop_oldest();
        }
        self.forget_marks();
    }

    /// Takes the tree back from the head to how it was at a pin.
    pub fn rewind(&self, root: &mut Node, pin: u64) -> Result<(), StateError> {
        for change in self.changes.iter().rev().take_while(|change| change.seq > pin) {
            change.undos.iter().rev().try_for_each(|undo| undo.clone().revert(root))?;
        }
        Ok(())
    }

    /// Gives up memory that is shared with the value and with the deltas.
    pub fn detach(&mut self) {
        for change in self.changes.iter_mut().rev().take_while(|change| !change.is_detached) {
            change.undos.iter_mut().for_each(Undo::detach);
            change.is_detached = true;
        }
    }

    fn mark(&mut self, path: &Path, written: Written, seq: u64) {
        self.mark_count += 1 + path.slots().len();
        match written {
            Written::Slot => self.marks.write_slot(path, seq),
            Written::SlotAndShape | Written::Renamed => {
                self.marks.write_slot(path, seq);
                self.marks.write_shape_around(path, seq);
            }
            Written::Shape => self.marks.write_shape(path.slots(), seq),
            Written::From(start) => self.marks.write_from(path, start, seq),
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(change) = self.changes.pop_front() {
            self.floor = change.seq;
            self.bytes -= change.bytes;
            self.slots -= change.slots;
        }
    }

    /// Removes the marks of forgotten changes, once as many have been made as were left the last time.
    fn forget_marks(&mut self) {
        if self.changes.is_empty() {
            self.marks = Marks::default();
            self.mark_count = 0;
            self.marks_left = 0;
        } else if self.mark_count > 1024 + 2 * self.marks_left {
            self.marks_left = self.marks.forget(self.floor);
            self.mark_count = self.marks_left;
        }
    }
}
