//! A whole store, row by row: what a copy from one to another is made of.
//!
//! A [`Source`] tells what was durable at one moment, whatever is written meanwhile; a [`Target`] takes all of it or nothing.
//! Calls between processes are not copied, nobody waits for them beside the copy. Notes are, under other names: those who wrote
//! them never had the copy, so what they say of processes does not hold there.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Code, StoreError};
use crate::record::{ActorId, ActorRow, InboxRow, Snapshot};

/// A row, as every store has it. Those of one kind come in the order of their keys, the actors first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WholeRow {
    Actor(ActorId, ActorRow),
    /// The number of a change, and its body.
    Change(ActorId, u64, Bytes),
    Snapshot(ActorId, Snapshot),
    /// The number of a chunk, and its body.
    Chunk(ActorId, u64, Bytes),
    /// The actor is the receiver, which need not have a row.
    Message(ActorId, InboxRow),
    /// What the numbers of every actor that was forgotten were below; one row.
    Floor(u64),
    /// The name of a note, as the source has it, and its body; the last.
    Note(Arc<str>, Bytes),
}

impl WholeRow {
    /// About how large it is, for whoever gathers rows.
    pub fn bytes(&self) -> usize {
        100 + match self {
            Self::Actor(..) | Self::Floor(_) => 0,
            Self::Note(_, body) => body.len(),
            Self::Change(_, _, body) | Self::Chunk(_, _, body) => body.len(),
            Self::Snapshot(_, snapshot) => snapshot.body.len() + 8 * (snapshot.open.len() + snapshot.closed.len()),
            Self::Message(_, row) => row.body.len(),
        }
    }
}

/// All that is durable in a store at one moment.
pub trait Source {
    /// The store's id, which its copy keeps.
    fn id(&self) -> [u8; 16];

    /// Calls `take` with every row; ends with the first error.
    fn rows(&mut self, take: &mut dyn FnMut(WholeRow) -> Result<(), StoreError>) -> Result<(), StoreError>;
}

/// A store that is empty and nobody has open. Dropped before its end, it is as it was.
pub trait Target {
    fn put(&mut self, row: WholeRow) -> Result<(), StoreError>;

    /// Makes everything durable, under the id of the source. Whatever opens it gets epochs above `epoch`.
    fn finish(self: Box<Self>, id: [u8; 16], epoch: u64) -> Result<(), StoreError>;
}

/// Copies a store into an empty one. Returns how many actors that were.
pub fn copy(source: &mut dyn Source, mut target: Box<dyn Target>) -> Result<u64, StoreError> {
    let (mut actors, mut epoch) = (0, 0);
    source.rows(&mut |row| {
        if let WholeRow::Actor(_, row) = &row {
            actors += 1;
            epoch = epoch.max(row.epoch);
        }
        target.put(row)
    })?;
    target.finish(source.id(), epoch)?;
    Ok(actors)
}

/// What the names of notes begin with that came with a copy.
pub const COPIED: &str = "copied/";

/// The name under which a copy has a note.
pub fn copied_note(name: &str) -> Arc<str> {
    if name.starts_with(COPIED) { name.into() } else { format!("{COPIED}{name}").into() }
}

/// What a target says that is not empty.
pub fn not_empty(shown: &str, found: &str) -> StoreError {
    StoreError::new(
        Code::StoreNotEmpty,
        format!(
            "{shown} cannot take a copy: it is not empty.\n  found     {found}\n  expected  a store without actors and \
             messages, or none yet\n  effect    it was left as it is\n  do        name another file, database or schema"
        ),
    )
}
