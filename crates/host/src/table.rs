//! The table of loaded actors.

use std::collections::VecDeque;
use std::sync::Arc;

use pawl_core::Actor;
use pawl_core::ids::CommitId;
use rustc_hash::FxHashMap;

use crate::recovery::Recovery;

/// A loaded actor, by a number that the adapter gives and never uses again.
pub type Handle = u64;

pub enum Entry {
    /// The store is reading it.
    Opening,
    Live {
        actor: Box<Actor>,
        epoch: u64,
        /// The batches that the store is writing, oldest first: the number and id of each change.
        in_flight: VecDeque<Vec<(u64, CommitId)>>,
        /// Times in a row that it had to be read back, without a durable batch between.
        strikes: u32,
    },
    /// A batch was refused or its outcome is unknown: the actor is being read back.
    Recovering(Box<Recovery>),
}

#[derive(Default)]
pub struct Table {
    entries: FxHashMap<Handle, (Arc<str>, Entry)>,
}

impl Table {
    pub fn insert(&mut self, handle: Handle, name: String) {
        self.entries.insert(handle, (name.into(), Entry::Opening));
    }

    pub fn get(&self, handle: Handle) -> Option<&Entry> {
        self.entries.get(&handle).map(|(_, entry)| entry)
    }

    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        self.entries.get_mut(&handle).map(|(_, entry)| entry)
    }

    /// The actor's `type/key`.
    pub fn name(&self, handle: Handle) -> Option<&Arc<str>> {
        self.entries.get(&handle).map(|(name, _)| name)
    }

    pub fn replace(&mut self, handle: Handle, entry: Entry) -> Option<Entry> {
        self.entries.get_mut(&handle).map(|(_, old)| std::mem::replace(old, entry))
    }

    pub fn remove(&mut self, handle: Handle) {
        self.entries.remove(&handle);
    }
}
