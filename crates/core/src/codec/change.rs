//! The record of one change, as Pawl's own stores keep it: one append-only row.
//!
//! `version u16 = 1, commit id 16 bytes, time u64 ms, records, crc32c u32`, in BARE, little-endian. The checksum covers
//! the change's number and everything before the checksum, so that a row that was moved is as foreign as one that was
//! altered. Entries and metadata are embedded as the records of [`super::record`], byte for byte.
//! Persisted: a layout is never changed, only added to under a new version.

mod reader;
mod writer;

use std::sync::Arc;

use bytes::Bytes;

use super::dealing::Dealing;
use super::record::{Entry, EntryMetadata};
use crate::failure::{Failure, Terminal};
use crate::ids::CommitId;
use crate::inbox::MessageKey;
use crate::key::Location;

pub use reader::read;
pub(crate) use reader::{expect_version, read_failure, read_parks, read_records, read_time};
pub use writer::ChangeWriter;
pub(crate) use writer::{write_failure, write_parks, write_version};

const VERSION: u16 = 1;
const CHECKSUM_BYTES: usize = 4;

/// A change as it was read back.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRecord {
    pub id: CommitId,
    pub at: i64,
    pub records: Vec<Record>,
}

/// One thing that a change did. Applied in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The actor was made, with this input, and with a run if it has a workflow.
    Created {
        incarnation: u64,
        workflow: bool,
        input: Option<Bytes>,
    },
    Name {
        index: u32,
        name: String,
    },
    Entry(Entry),
    Metadata {
        entry_id: String,
        metadata: EntryMetadata,
    },
    /// What is kept of a failure beside the entry's text; `terminal` says that it is for ever.
    Failure {
        entry_id: String,
        terminal: Option<Terminal>,
        failure: Failure,
    },
    /// A cell has this value.
    Base {
        cell: String,
        value: Bytes,
        version: u32,
    },
    /// A cell changed: a delta.
    Delta {
        cell: String,
        delta: Bytes,
    },
    /// A message left the inbox.
    Took(MessageKey),
    /// The run ended well, with this output.
    Completed {
        output: Option<Bytes>,
    },
    /// The run failed for good.
    Failed(Failure),
    /// The code did not match, so often in a row.
    Parked(Parks),
    /// A branch of a join, race or map failed; `because` are the entries whose failure it was.
    BranchFailure {
        entry_id: String,
        branch: String,
        failure: Failure,
        because: Vec<Location>,
    },
    /// A step went onto the compensation stack: it has committed, or (`attempted`) its effect is unknown.
    Pushed {
        entry_id: String,
        attempted: bool,
    },
    /// A step left the compensation stack: it was undone, or there is nothing to undo any more.
    Popped {
        location: Location,
    },
    /// A handler that undoes a step failed; `terminal`: for good, until someone says that it is to be tried again.
    UndoFailed {
        entry_id: String,
        attempts: u32,
        terminal: bool,
        failure: Failure,
    },
    /// What an iteration was called with, kept because a step in it is on the compensation stack.
    IterationState {
        location: Location,
        iteration: u32,
        state: Bytes,
    },
    /// The run undoes what it did, then ends like this.
    RollingBack(Ending),
    /// The run was cancelled.
    Cancelled {
        reason: Option<String>,
    },
    /// The entries whose failure ended the run.
    EndedBy {
        locations: Vec<Location>,
    },
    /// The run goes on: what ended it is as if it had not been. The generation rises if it had been undone.
    Recovered {
        generation: u64,
    },
    /// Everything at and below a location is gone, or so many iterations of the loop there; what is on the compensation stack
    /// stays.
    /// `entry_ids` lists what is gone where a host keeps a row for each.
    Dropped {
        location: Location,
        iterations: Option<(u32, u32)>,
        entry_ids: Vec<String>,
    },
    /// When a failed step asked to be tried again.
    RetryAt {
        entry_id: String,
        at: i64,
    },
    /// A message was answered.
    Answered {
        message_id: String,
        reply: Option<Bytes>,
    },
    /// An entry itself is gone, with everything below it.
    Erased {
        location: Location,
    },
    /// A row of an embedding host's own.
    HostRow {
        key: Bytes,
        value: Bytes,
    },
    /// In a snapshot, after an entry with what is kept beside it: the change that wrote it last, its time, and its place in
    /// the order in which entries came into being.
    Placed {
        commit: u64,
        at: i64,
        birth: u64,
    },
    /// In a snapshot: a step is on the compensation stack, above those before.
    Stacked {
        location: Location,
        attempted: bool,
    },
    /// In a snapshot: how far undoing has come. `failed`: the handler's attempts that failed, and when the last one did.
    Undoing {
        stuck: bool,
        failed: Option<(Location, u32, i64)>,
    },
    /// What the actor did to, or for, another.
    Dealing(Dealing),
    /// In a snapshot: rounds of a loop are closed and kept apart, from this one on.
    Closed {
        location: Location,
        from: u32,
    },
}

/// How a run ends once everything is undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    Failed(Failure),
    Cancelled(Option<String>),
    Completed(Option<Bytes>),
}

pub(super) fn checksum(seq: u64, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&seq.to_le_bytes()), content)
}

/// How often the code has not matched since the run last went on, and which code that was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parks {
    pub times: u32,
    /// The version of the code that parked it last; empty: it has no name.
    pub by: Arc<str>,
}

#[cfg(test)]
mod tests;
