//! The table of loaded actors.

use std::collections::VecDeque;
use std::sync::Arc;

use pawl_core::Actor;
use pawl_core::ids::CommitId;
use pawl_core::inbox::Message;
use rustc_hash::FxHashMap;

use crate::recovery::Recovery;
use crate::shared::Asking;

/// A loaded actor, by a number that the adapter gives and never uses again.
pub type Handle = u64;

pub enum Entry {
    /// The store is reading it. What has arrived meanwhile may be among what it reads.
    Opening { arrived: Vec<Message> },
    Live {
        actor: Box<Actor>,
        epoch: u64,
        /// The batches that the store is writing, oldest first: the number and id of each change.
        in_flight: VecDeque<Vec<(u64, CommitId)>>,
        /// Times in a row that it had to be read back, without a durable batch between.
        strikes: u32,
        asking: Asking,
    },
    /// A batch was refused or its outcome is unknown: the actor is being read back.
    Recovering(Box<Recovery>),
}

#[derive(Default)]
pub struct Table {
    entries: FxHashMap<Handle, (Arc<str>, Entry)>,
    /// The newest handle of each actor.
    handles: FxHashMap<Arc<str>, Handle>,
}

impl Table {
    pub fn insert(&mut self, handle: Handle, name: String) {
        let name: Arc<str> = name.into();
        self.handles.insert(name.clone(), handle);
        self.entries.insert(handle, (name, Entry::Opening { arrived: Vec::new() }));
    }

    pub fn get(&self, handle: Handle) -> Option<&Entry> {
        self.entries.get(&handle).map(|(_, entry)| entry)
    }

    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        self.entries.get_mut(&handle).map(|(_, entry)| entry)
    }

    /// The handle of a loaded actor.
    pub fn handle(&self, name: &str) -> Option<Handle> {
        self.handles.get(name).copied()
    }

    /// The actor's `type/key`.
    pub fn name(&self, handle: Handle) -> Option<&Arc<str>> {
        self.entries.get(&handle).map(|(name, _)| name)
    }

    pub fn replace(&mut self, handle: Handle, entry: Entry) -> Option<Entry> {
        self.entries.get_mut(&handle).map(|(_, old)| std::mem::replace(old, entry))
    }

    pub fn remove(&mut self, handle: Handle) {
        let Some((name, _)) = self.entries.remove(&handle) else { return };
        if self.handles.get(&name) == Some(&handle) {
            self.handles.remove(&name);
        }
    }
}
