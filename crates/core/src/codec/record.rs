//! History records, schema v1 (engine behaviour 2.3): entries and their metadata.
//!
//! A record is a two-byte little-endian version, 1, and BARE. The bytes are shared with another engine: change them never.
//! User values inside are CBOR and are carried as they are; this module does not look into them.

use std::hash::{BuildHasherDefault, DefaultHasher};

use bytes::Bytes;
use indexmap::IndexMap;

use super::CodecError;
use super::bare::{Reader, Writer};
use crate::key::{Location, Segment};

const VERSION: u16 = 1;

/// Branches of a join or race by name, in the order in which they were declared.
pub type Branches = IndexMap<String, BranchStatus, BuildHasherDefault<DefaultHasher>>;

/// One record of the history, at one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names the entry's metadata row; a UUID in practice, any string here.
    pub id: String,
    pub location: Location,
    pub kind: EntryKind,
}

/// What an entry records. Values in `Bytes` are CBOR; an output that is `None` is the absent output of a void step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    Step {
        output: Option<Bytes>,
        /// Text of the last failure; it stays after a later success.
        error: Option<String>,
    },
    Loop {
        /// Always present: an undefined state is CBOR `f7`.
        state: Bytes,
        iteration: u32,
        output: Option<Bytes>,
    },
    Sleep {
        /// Milliseconds since the Unix epoch.
        deadline_ms: u64,
        state: SleepState,
    },
    Message {
        name: String,
        data: Bytes,
    },
    RollbackCheckpoint {
        name: String,
    },
    Join {
        branches: Branches,
    },
    Race {
        winner: Option<String>,
        branches: Branches,
    },
    Removed {
        original_type: String,
        original_name: Option<String>,
    },
    VersionCheck {
        resolved: u32,
        latest: u32,
    },
    /// Something that another actor answers. Not part of the schema that is shared: only Pawl's own workflows have it.
    Call {
        kind: CallKind,
        /// The other's `type/key`.
        to: String,
        /// The number under which it was sent: the answer names it.
        question: u64,
        /// When it gives up, in milliseconds since the epoch.
        deadline_ms: Option<u64>,
        state: CallState,
        output: Option<Bytes>,
    },
}

/// How far a branch of a join or race has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchStatus {
    pub status: BranchStatusType,
    pub output: Option<Bytes>,
    pub error: Option<String>,
}

/// Bookkeeping of an entry, in a row of its own. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryMetadata {
    pub status: EntryStatus,
    pub error: Option<String>,
    pub attempts: u32,
    pub last_attempt_at_ms: u64,
    pub created_at_ms: u64,
    pub completed_at_ms: Option<u64>,
    pub rollback_completed_at_ms: Option<u64>,
    pub rollback_error: Option<String>,
}

/// An enum of the schema: one byte, numbered from 0 in the order of declaration.
macro_rules! byte_enum {
    ($(#[$doc:meta])* $name:ident, $expected:literal { $($variant:ident = $byte:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($variant = $byte),* }

        impl $name {
            /// Every variant, in the order of its byte.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            fn read(reader: &mut Reader) -> Result<Self, CodecError> {
                let offset = reader.offset();
                let byte = reader.u8($expected)?;
                let found = Self::ALL.get(usize::from(byte)).copied();
                found.ok_or_else(|| CodecError::unexpected(offset, format!("tag {byte}"), $expected))
            }
        }
    };
}

byte_enum!(
    /// Where a step or loop stands.
    EntryStatus, "an entry status (0 to 4)" { Pending = 0, Running = 1, Completed = 2, Failed = 3, Exhausted = 4 }
);
byte_enum!(
    /// Whether a sleep is over, and whether something else than its deadline ended it.
    SleepState, "a sleep state (0 to 2)" { Pending = 0, Completed = 1, Interrupted = 2 }
);
byte_enum!(
    /// Where a branch stands.
    BranchStatusType, "a branch status (0 to 4)" { Pending = 0, Running = 1, Completed = 2, Failed = 3, Cancelled = 4 }
);

byte_enum!(
    /// What another actor is asked: to live and say how its run ends, or to answer a message.
    CallKind, "a kind of call (0 or 1)" { Child = 0, Ask = 1 }
);
byte_enum!(
    /// Where a call stands. Its failure, like a step's, stands beside the entry.
    CallState, "a call's state (0 to 3)" { Waiting = 0, Answered = 1, Failed = 2, GivenUp = 3 }
);

impl Entry {
    /// The record of this entry, version header included.
    pub fn encode(&self) -> Bytes {
        encoded(|writer| self.write(writer))
    }

    /// Appends the record.
    pub(super) fn write(&self, writer: &mut Writer) {
        write_header(writer);
        writer.data(self.id.as_bytes());
        write_location(writer, &self.location);
        write_kind(writer, &self.kind);
    }

    /// Reads a whole record; payloads share its memory.
    pub fn decode(record: &Bytes) -> Result<Entry, CodecError> {
        let mut reader = Reader::new(record);
        read_header(&mut reader)?;
        let id = reader.string("an entry id")?;
        let location = read_location(&mut reader)?;
        let kind = read_kind(&mut reader)?;
        reader.end("an entry")?;
        Ok(Entry { id, location, kind })
    }
}

impl EntryMetadata {
    /// The record of this metadata, version header included.
    pub fn encode(&self) -> Bytes {
        encoded(|writer| self.write(writer))
    }

    /// Appends the record.
    pub(super) fn write(&self, writer: &mut Writer) {
        write_header(writer);
        writer.u8(self.status as u8);
        write_optional_string(writer, self.error.as_deref());
        writer.u32(self.attempts);
        writer.u64(self.last_attempt_at_ms);
        writer.u64(self.created_at_ms);
        writer.optional(self.completed_at_ms.as_ref(), |w, ms| w.u64(*ms));
        writer.optional(self.rollback_completed_at_ms.as_ref(), |w, ms| w.u64(*ms));
        write_optional_string(writer, self.rollback_error.as_deref());
    }

    /// Reads a whole record.
    pub fn decode(record: &Bytes) -> Result<EntryMetadata, CodecError> {
        let mut reader = Reader::new(record);
        read_header(&mut reader)?;
        let metadata = EntryMetadata {
            status: EntryStatus::read(&mut reader)?,
            error: read_optional_string(&mut reader, "an error text")?,
            attempts: reader.u32("attempts")?,
            last_attempt_at_ms: reader.u64("the time of the last attempt")?,
            created_at_ms: reader.u64("the time of creation")?,
            completed_at_ms: reader.optional("the time of completion", |r| r.u64("the time of completion"))?,
            rollback_completed_at_ms: reader.optional("the time of rollback", |r| r.u64("the time of rollback"))?,
            rollback_error: read_optional_string(&mut reader, "a rollback error text")?,
        };
        reader.end("entry metadata")?;
        Ok(metadata)
    }
}

fn encoded(write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(64));
    write(&mut writer);
    writer.0.into()
}

fn write_header(writer: &mut Writer) {
    writer.0.extend_from_slice(&VERSION.to_le_bytes());
}

fn read_header(reader: &mut Reader) -> Result<(), CodecError> {
    match reader.u16("a record version")? {
        VERSION => Ok(()),
        version => Err(CodecError::version(version, "record version 1")),
    }
}

pub(super) fn write_location(writer: &mut Writer, location: &Location) {
    writer.count(location.segments().len());
    for segment in location.segments() {
        match *segment {
            Segment::Name(name) => {
                writer.u8(0);
                writer.u32(name);
            }
            Segment::Iteration { loop_name, iteration } => {
                writer.u8(1);
                writer.u32(loop_name);
                writer.u32(iteration);
            }
        }
    }
}

pub(super) fn read_location(reader: &mut Reader) -> Result<Location, CodecError> {
    let count = reader.count(5, "the segments of a location")?;
    (0..count).map(|_| read_segment(reader)).collect()
}

fn read_segment(reader: &mut Reader) -> Result<Segment, CodecError> {
    let offset = reader.offset();
    match reader.u8("a location segment")? {
        0 => Ok(Segment::Name(reader.u32("a name index")?)),
        1 => Ok(Segment::Iteration { loop_name: reader.u32("a loop name")?, iteration: reader.u32("an iteration")? }),
        tag => Err(CodecError::unexpected(offset, format!("tag {tag}"), "a location segment (0 or 1)")),
    }
}

fn write_kind(writer: &mut Writer, kind: &EntryKind) {
    match kind {
        EntryKind::Step { output, error } => {
            writer.u8(0);
            writer.optional_data(output.as_deref());
            write_optional_string(writer, error.as_deref());
        }
        EntryKind::Loop { state, iteration, output } => {
            writer.u8(1);
            writer.data(state);
            writer.u32(*iteration);
            writer.optional_data(output.as_deref());
        }
        EntryKind::Sleep { deadline_ms, state } => {
            writer.u8(2);
            writer.u64(*deadline_ms);
            writer.u8(*state as u8);
        }
        EntryKind::Message { name, data } => {
            writer.u8(3);
            writer.data(name.as_bytes());
            writer.data(data);
        }
        EntryKind::RollbackCheckpoint { name } => {
            writer.u8(4);
            writer.data(name.as_bytes());
        }
        EntryKind::Join { branches } => {
            writer.u8(5);
            write_branches(writer, branches);
        }
        EntryKind::Race { winner, branches } => {
            writer.u8(6);
            write_optional_string(writer, winner.as_deref());
            write_branches(writer, branches);
        }
        EntryKind::Removed { original_type, original_name } => {
            writer.u8(7);
            writer.data(original_type.as_bytes());
            write_optional_string(writer, original_name.as_deref());
        }
        EntryKind::VersionCheck { resolved, latest } => {
            writer.u8(8);
            writer.u32(*resolved);
            writer.u32(*latest);
        }
        EntryKind::Call { kind, to, question, deadline_ms, state, output } => {
            writer.u8(52);
            writer.u8(*kind as u8);
            writer.data(to.as_bytes());
            writer.u64(*question);
            writer.optional(deadline_ms.as_ref(), |writer, at| writer.u64(*at));
            writer.u8(*state as u8);
            writer.optional_data(output.as_deref());
        }
    }
}

fn read_kind(reader: &mut Reader) -> Result<EntryKind, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("an entry kind")? {
        0 => EntryKind::Step {
            output: read_optional_data(reader, "a step's output")?,
            error: read_optional_string(reader, "a step's error")?,
        },
        1 => EntryKind::Loop {
            state: reader.data("a loop's state")?,
            iteration: reader.u32("a loop's iteration")?,
            output: read_optional_data(reader, "a loop's output")?,
        },
        2 => EntryKind::Sleep { deadline_ms: reader.u64("a deadline")?, state: SleepState::read(reader)? },
        3 => EntryKind::Message { name: reader.string("a message's name")?, data: reader.data("a message's data")? },
        4 => EntryKind::RollbackCheckpoint { name: reader.string("a checkpoint's name")? },
        5 => EntryKind::Join { branches: read_branches(reader)? },
        6 => EntryKind::Race {
            winner: read_optional_string(reader, "a race's winner")?,
            branches: read_branches(reader)?,
        },
        7 => EntryKind::Removed {
            original_type: reader.string("the type of a removed entry")?,
            original_name: read_optional_string(reader, "the name of a removed entry")?,
        },
        8 => EntryKind::VersionCheck {
            resolved: reader.u32("a resolved version")?,
            latest: reader.u32("a latest version")?,
        },
        52 => EntryKind::Call {
            kind: CallKind::read(reader)?,
            to: reader.string("a call's actor")?,
            question: reader.u64("a call's number")?,
            deadline_ms: reader.optional("a deadline", |reader| reader.u64("a deadline"))?,
            state: CallState::read(reader)?,
            output: read_optional_data(reader, "a call's answer")?,
        },
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "an entry kind (0 to 8, 52)")),
    })
}

fn write_branches(writer: &mut Writer, branches: &Branches) {
    writer.count(branches.len());
    for (name, branch) in branches {
        writer.data(name.as_bytes());
        writer.u8(branch.status as u8);
        writer.optional_data(branch.output.as_deref());
        write_optional_string(writer, branch.error.as_deref());
    }
}

fn read_branches(reader: &mut Reader) -> Result<Branches, CodecError> {
    let count = reader.count(4, "branches")?;
    let mut branches = Branches::with_capacity_and_hasher(count, BuildHasherDefault::default());
    for _ in 0..count {
        let offset = reader.offset();
        let name = reader.string("a branch's name")?;
        let branch = BranchStatus {
            status: BranchStatusType::read(reader)?,
            output: read_optional_data(reader, "a branch's output")?,
            error: read_optional_string(reader, "a branch's error")?,
        };
        if branches.contains_key(&name) {
            return Err(CodecError::unexpected(offset, format!("branch {name:?} again"), "each branch once"));
        }
        branches.insert(name, branch);
    }
    Ok(branches)
}

fn write_optional_string(writer: &mut Writer, value: Option<&str>) {
    writer.optional_data(value.map(str::as_bytes));
}

fn read_optional_string(reader: &mut Reader, expected: &'static str) -> Result<Option<String>, CodecError> {
    reader.optional(expected, |r| r.string(expected))
}

fn read_optional_data(reader: &mut Reader, expected: &'static str) -> Result<Option<Bytes>, CodecError> {
    reader.optional(expected, |r| r.data(expected))
}

#[cfg(test)]
mod tests;
