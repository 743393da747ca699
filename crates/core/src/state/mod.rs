//! Cells: durable values that attempts change by paths, with the conflicts between attempts.
//!
//! Owns the tree over a value's encoded bytes, deltas, reads, and the log that gives older pins their view. Knows nothing
//! of steps, batches or disks. One law: a delta takes effect whole or not at all.

mod cell;
mod delta;
mod edit;
mod entries;
mod error;
mod items;
mod keyed;
mod log;
mod marks;
mod memory;
#[cfg(test)]
pub(crate) mod model;
mod object;
mod path;
mod reads;
mod rebuild;
mod tree;
mod varint;

pub use cell::{Cell, MAX_SIZE, Verdict};
pub use delta::{Action, Delta, Op, Piece};
pub use entries::EntryName;
pub use error::StateError;
pub use path::{Path, Slot};
pub use reads::{Read, ReadKind, Reads};

#[cfg(test)]
mod tests;
