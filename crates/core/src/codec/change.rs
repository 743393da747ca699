//! The record of one change, as Pawl's own stores keep it: one append-only row.
//!
//! `version u16 = 1, commit id 16 bytes, time u64 ms, records, crc32c u32`, in BARE, little-endian. The checksum covers
//! the change's number and everything before the checksum, so that a row that was moved is as foreign as one that was
//! altered. Entries and metadata are embedded as the records of [`super::record`], byte for byte.
//! Persisted: a layout is never changed, only added to under a new version.

use std::sync::Arc;

use bytes::Bytes;

use super::CodecError;
use super::bare::{Reader, Writer};
use super::dealing::{self, Dealing};
use super::record::{Entry, EntryMetadata, read_location, write_location};
use crate::failure::{Failure, FailureKind, Terminal};
use crate::ids::CommitId;
use crate::inbox::MessageKey;
use crate::key::Location;

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

/// Writes a change record by record.
pub struct ChangeWriter(Writer);

impl ChangeWriter {
    pub fn new(id: CommitId, at: i64) -> ChangeWriter {
        let mut writer = Writer(Vec::with_capacity(256));
        writer.0.extend_from_slice(&VERSION.to_le_bytes());
        writer.0.extend_from_slice(&id.0);
        writer.u64(at.max(0) as u64);
        ChangeWriter(writer)
    }

    pub fn created(&mut self, incarnation: u64, workflow: bool, input: Option<&Bytes>) {
        self.0.u8(0);
        self.0.u64(incarnation);
        self.0.u8(workflow.into());
        self.0.optional_data(input.map(|bytes| &bytes[..]));
    }

    pub fn name(&mut self, index: u32, name: &str) {
        self.0.u8(1);
        self.0.u32(index);
        self.0.data(name.as_bytes());
    }

    pub fn entry(&mut self, entry: &Entry) {
        self.0.u8(2);
        self.0.nested(|writer| entry.write(writer));
    }

    pub fn metadata(&mut self, entry_id: &str, metadata: &EntryMetadata) {
        self.0.u8(3);
        self.0.data(entry_id.as_bytes());
        self.0.nested(|writer| metadata.write(writer));
    }

    pub fn failure(&mut self, entry_id: &str, terminal: Option<Terminal>, failure: &Failure) {
        self.0.u8(4);
        self.0.data(entry_id.as_bytes());
        self.0.u8(terminal.map_or(0, terminal_byte));
        write_failure(&mut self.0, failure);
    }

    pub fn base(&mut self, cell: &str, value: &Bytes, version: u32) {
        self.0.u8(5);
        self.0.data(cell.as_bytes());
        self.0.data(value);
        self.0.u32(version);
    }

    pub fn delta(&mut self, cell: &str, delta: &Bytes) {
        self.0.u8(6);
        self.0.data(cell.as_bytes());
        self.0.data(delta);
    }

    pub fn took(&mut self, key: &MessageKey) {
        self.0.u8(7);
        self.0.data(key.sender.as_bytes());
        self.0.u64(key.sender_seq);
    }

    pub fn completed(&mut self, output: Option<&Bytes>) {
        self.0.u8(8);
        self.0.optional_data(output.map(|bytes| &bytes[..]));
    }

    pub fn failed(&mut self, failure: &Failure) {
        self.0.u8(9);
        write_failure(&mut self.0, failure);
    }

    pub fn parked(&mut self, parks: &Parks) {
        self.0.u8(10);
        write_parks(&mut self.0, parks);
    }

    pub fn dropped(&mut self, location: &Location, iterations: Option<(u32, u32)>, entry_ids: &[String]) {
        let (location, entry_ids) = (location.clone(), entry_ids.to_vec());
        self.record(&Record::Dropped { location, iterations, entry_ids });
    }

    /// Any record, whatever its kind.
    pub fn record(&mut self, record: &Record) {
        match record {
            Record::Created { incarnation, workflow, input } => self.created(*incarnation, *workflow, input.as_ref()),
            Record::Name { index, name } => self.name(*index, name),
            Record::Entry(entry) => self.entry(entry),
            Record::Metadata { entry_id, metadata } => self.metadata(entry_id, metadata),
            Record::Failure { entry_id, terminal, failure } => self.failure(entry_id, *terminal, failure),
            Record::Base { cell, value, version } => self.base(cell, value, *version),
            Record::Delta { cell, delta } => self.delta(cell, delta),
            Record::Took(key) => self.took(key),
            Record::Completed { output } => self.completed(output.as_ref()),
            Record::Failed(failure) => self.failed(failure),
            Record::Parked(parks) => self.parked(parks),
            Record::Dealing(dealing) => dealing.write(&mut self.0),
            rest => self.of_control_flow(rest),
        }
    }

    fn of_control_flow(&mut self, record: &Record) {
        let writer = &mut self.0;
        match record {
            Record::BranchFailure { entry_id, branch, failure, because } => {
                writer.u8(11);
                writer.data(entry_id.as_bytes());
                writer.data(branch.as_bytes());
                write_failure(writer, failure);
                write_locations(writer, because);
            }
            Record::Pushed { entry_id, attempted } => {
                writer.u8(12);
                writer.data(entry_id.as_bytes());
                writer.u8((*attempted).into());
            }
            Record::Popped { location } => {
                writer.u8(13);
                write_location(writer, location);
            }
            Record::UndoFailed { entry_id, attempts, terminal, failure } => {
                writer.u8(14);
                writer.data(entry_id.as_bytes());
                writer.u32(*attempts);
                writer.u8((*terminal).into());
                write_failure(writer, failure);
            }
            Record::IterationState { location, iteration, state } => {
                writer.u8(15);
                write_location(writer, location);
                writer.u32(*iteration);
                writer.data(state);
            }
            Record::RollingBack(ending) => {
                writer.u8(16);
                write_ending(writer, ending);
            }
            Record::Cancelled { reason } => {
                writer.u8(17);
                writer.optional_data(reason.as_deref().map(str::as_bytes));
            }
            Record::EndedBy { locations } => {
                writer.u8(18);
                write_locations(writer, locations);
            }
            Record::Recovered { generation } => {
                writer.u8(19);
                writer.u64(*generation);
            }
            Record::Dropped { location, iterations, entry_ids } => {
                writer.u8(20);
                write_location(writer, location);
                writer.u8(iterations.is_some().into());
                if let Some((from, to)) = iterations {
                    writer.u32(*from);
                    writer.u32(*to);
                }
                write_ids(writer, entry_ids);
            }
            Record::RetryAt { entry_id, at } => {
                writer.u8(21);
                writer.data(entry_id.as_bytes());
                writer.u64((*at).max(0) as u64);
            }
            Record::Answered { message_id, reply } => {
                writer.u8(22);
                writer.data(message_id.as_bytes());
                writer.optional_data(reply.as_deref());
            }
            Record::Erased { location } => {
                writer.u8(23);
                write_location(writer, location);
            }
            Record::HostRow { key, value } => {
                writer.u8(24);
                writer.data(key);
                writer.data(value);
            }
            rest => of_snapshots(writer, rest),
        }
    }

    /// Writes records behind others, of no change in particular.
    pub(crate) fn onto(bytes: Vec<u8>) -> ChangeWriter {
        ChangeWriter(Writer(bytes))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.0
    }

    /// The finished record of change number `seq`.
    pub fn finish(mut self, seq: u64) -> Bytes {
        let checksum = checksum(seq, &self.0.0);
        self.0.u32(checksum);
        self.0.0.into()
    }
}

fn of_snapshots(writer: &mut Writer, record: &Record) {
    match record {
        Record::Placed { commit, at, birth } => {
            writer.u8(25);
            writer.u64(*commit);
            writer.u64((*at).max(0) as u64);
            writer.u64(*birth);
        }
        Record::Stacked { location, attempted } => {
            writer.u8(26);
            write_location(writer, location);
            writer.u8((*attempted).into());
        }
        Record::Undoing { stuck, failed } => {
            writer.u8(27);
            writer.u8((*stuck).into());
            writer.optional(failed.as_ref(), |writer, (location, attempts, at)| {
                write_location(writer, location);
                writer.u32(*attempts);
                writer.u64((*at).max(0) as u64);
            });
        }
        Record::Closed { location, from } => {
            writer.u8(28);
            write_location(writer, location);
            writer.u32(*from);
        }
        _ => {}
    }
}

/// Reads records that are not those of a change.
pub(crate) fn read_records(content: &Bytes) -> Result<Vec<Record>, CodecError> {
    let mut reader = Reader::new(content);
    let mut records = Vec::new();
    while reader.offset() < content.len() {
        records.push(read_record(&mut reader)?);
    }
    Ok(records)
}

/// Reads change number `seq`.
pub fn read(seq: u64, body: &Bytes) -> Result<ChangeRecord, CodecError> {
    let Some(end) = body.len().checked_sub(CHECKSUM_BYTES) else {
        let (remaining, needed) = (body.len(), CHECKSUM_BYTES as u64);
        return Err(CodecError::Truncated { offset: 0, expected: "the checksum of a change", needed, remaining });
    };
    let (content, stored) = (body.slice(..end), &body[end..]);
    if stored != checksum(seq, &content).to_le_bytes() {
        let found = format!("a change whose checksum does not match its bytes and number {seq}");
        return Err(CodecError::unexpected(end, found, "the checksum that was written with it"));
    }
    read_content(&content)
}

fn read_content(content: &Bytes) -> Result<ChangeRecord, CodecError> {
    let mut reader = Reader::new(content);
    expect_version(&mut reader)?;
    let id = CommitId(reader.array("a commit id")?);
    let at = read_time(&mut reader)?;
    let mut records = Vec::new();
    while reader.offset() < content.len() {
        records.push(read_record(&mut reader)?);
    }
    Ok(ChangeRecord { id, at, records })
}

fn read_record(reader: &mut Reader) -> Result<Record, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("a record of a change")? {
        0 => Record::Created {
            incarnation: reader.u64("an incarnation")?,
            workflow: reader.u8("whether there is a workflow")? == 1,
            input: reader.optional("an input", |r| r.data("an input"))?,
        },
        1 => Record::Name { index: reader.u32("a name index")?, name: reader.string("a name")? },
        2 => Record::Entry(Entry::decode(&reader.data("an entry")?)?),
        3 => Record::Metadata {
            entry_id: reader.string("an entry id")?,
            metadata: EntryMetadata::decode(&reader.data("entry metadata")?)?,
        },
        4 => Record::Failure {
            entry_id: reader.string("an entry id")?,
            terminal: read_terminal(reader)?,
            failure: read_failure(reader)?,
        },
        5 => Record::Base {
            cell: reader.string("a cell's name")?,
            value: reader.data("a cell's value")?,
            version: reader.u32("a state version")?,
        },
        6 => Record::Delta { cell: reader.string("a cell's name")?, delta: reader.data("a delta")? },
        7 => Record::Took(MessageKey {
            sender: reader.string("a message's sender")?,
            sender_seq: reader.u64("a message's number")?,
        }),
        8 => Record::Completed { output: reader.optional("an output", |r| r.data("an output"))? },
        9 => Record::Failed(read_failure(reader)?),
        10 => Record::Parked(read_parks(reader)?),
        tag => read_control_flow(reader, tag, offset)?,
    })
}

fn read_control_flow(reader: &mut Reader, tag: u8, offset: usize) -> Result<Record, CodecError> {
    let entry_id = |reader: &mut Reader| reader.string("an entry id");
    Ok(match tag {
        11 => Record::BranchFailure {
            entry_id: entry_id(reader)?,
            branch: reader.string("a branch's name")?,
            failure: read_failure(reader)?,
            because: read_locations(reader)?,
        },
        12 => Record::Pushed {
            entry_id: entry_id(reader)?,
            attempted: reader.u8("whether a step was only attempted")? == 1,
        },
        13 => Record::Popped { location: read_location(reader)? },
        14 => Record::UndoFailed {
            entry_id: entry_id(reader)?,
            attempts: reader.u32("a count of attempts")?,
            terminal: reader.u8("whether a failure is terminal")? == 1,
            failure: read_failure(reader)?,
        },
        15 => Record::IterationState {
            location: read_location(reader)?,
            iteration: reader.u32("an iteration")?,
            state: reader.data("a loop's state")?,
        },
        16 => Record::RollingBack(read_ending(reader)?),
        17 => Record::Cancelled { reason: reader.optional("a reason", |r| r.string("a reason"))? },
        18 => Record::EndedBy { locations: read_locations(reader)? },
        19 => Record::Recovered { generation: reader.u64("a generation")? },
        20 => Record::Dropped {
            location: read_location(reader)?,
            iterations: reader
                .optional("a range of iterations", |r| Ok((r.u32("an iteration")?, r.u32("an iteration")?)))?,
            entry_ids: read_ids(reader)?,
        },
        21 => Record::RetryAt { entry_id: entry_id(reader)?, at: read_time(reader)? },
        22 => Record::Answered {
            message_id: reader.string("a message id")?,
            reply: reader.optional("a reply", |r| r.data("a reply"))?,
        },
        23 => Record::Erased { location: read_location(reader)? },
        24 => Record::HostRow { key: reader.data("a host's key")?, value: reader.data("a host's value")? },
        25 => Record::Placed {
            commit: reader.u64("a change")?,
            at: read_time(reader)?,
            birth: reader.u64("a place among entries")?,
        },
        26 => Record::Stacked { location: read_location(reader)?, attempted: reader.u8("whether it was tried")? == 1 },
        27 => Record::Undoing {
            stuck: reader.u8("whether undoing is stuck")? == 1,
            failed: reader.optional("a failed handler", |reader| {
                Ok((read_location(reader)?, reader.u32("attempts")?, read_time(reader)?))
            })?,
        },
        28 => Record::Closed { location: read_location(reader)?, from: reader.u32("an iteration")? },
        tag if dealing::TAGS.contains(&tag) => Record::Dealing(Dealing::read(reader, tag, offset)?),
        tag => {
            let expected = "a record of a change (0 to 28, 52 to 57)";
            return Err(CodecError::unexpected(offset, format!("tag {tag}"), expected));
        }
    })
}

fn write_ending(writer: &mut Writer, ending: &Ending) {
    match ending {
        Ending::Failed(failure) => {
            writer.u8(0);
            write_failure(writer, failure);
        }
        Ending::Cancelled(reason) => {
            writer.u8(1);
            writer.optional_data(reason.as_deref().map(str::as_bytes));
        }
        Ending::Completed(output) => {
            writer.u8(2);
            writer.optional_data(output.as_deref());
        }
    }
}

fn read_ending(reader: &mut Reader) -> Result<Ending, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("how a run ends")? {
        0 => Ending::Failed(read_failure(reader)?),
        1 => Ending::Cancelled(reader.optional("a reason", |r| r.string("a reason"))?),
        2 => Ending::Completed(reader.optional("an output", |r| r.data("an output"))?),
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "how a run ends (0 to 2)")),
    })
}

fn write_ids(writer: &mut Writer, ids: &[String]) {
    writer.count(ids.len());
    ids.iter().for_each(|id| writer.data(id.as_bytes()));
}

fn write_locations(writer: &mut Writer, locations: &[Location]) {
    writer.count(locations.len());
    locations.iter().for_each(|location| write_location(writer, location));
}

fn read_locations(reader: &mut Reader) -> Result<Vec<Location>, CodecError> {
    let count = reader.count(1, "locations")?;
    (0..count).map(|_| read_location(reader)).collect()
}

fn read_ids(reader: &mut Reader) -> Result<Vec<String>, CodecError> {
    let count = reader.count(1, "entry ids")?;
    (0..count).map(|_| reader.string("an entry id")).collect()
}

pub(super) fn write_failure(writer: &mut Writer, failure: &Failure) {
    writer.u8(match failure.kind {
        FailureKind::Error => 0,
        FailureKind::Critical => 1,
        FailureKind::Rollback => 2,
        FailureKind::Timeout => 3,
    });
    writer.data(failure.name.as_bytes());
    writer.data(failure.message.as_bytes());
    writer.optional_data(failure.stack.as_deref().map(str::as_bytes));
    writer.optional_data(failure.fields.as_deref());
}

pub(super) fn read_failure(reader: &mut Reader) -> Result<Failure, CodecError> {
    let offset = reader.offset();
    let kind = match reader.u8("a kind of failure")? {
        0 => FailureKind::Error,
        1 => FailureKind::Critical,
        2 => FailureKind::Rollback,
        3 => FailureKind::Timeout,
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "a kind of failure (0 to 3)")),
    };
    Ok(Failure {
        kind,
        name: reader.string("an error's name")?,
        message: reader.string("an error's message")?,
        stack: reader.optional("an error's stack", |r| r.string("an error's stack"))?,
        fields: reader.optional("an error's fields", |r| r.data("an error's fields"))?,
    })
}

fn terminal_byte(terminal: Terminal) -> u8 {
    match terminal {
        Terminal::Exhausted => 1,
        Terminal::Critical => 2,
        Terminal::Rollback => 3,
        Terminal::Timeout => 4,
    }
}

fn read_terminal(reader: &mut Reader) -> Result<Option<Terminal>, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("whether a failure is terminal")? {
        0 => None,
        1 => Some(Terminal::Exhausted),
        2 => Some(Terminal::Critical),
        3 => Some(Terminal::Rollback),
        4 => Some(Terminal::Timeout),
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "a terminal kind (0 to 4)")),
    })
}

pub(super) fn write_version(writer: &mut Writer) {
    writer.0.extend_from_slice(&VERSION.to_le_bytes());
}

pub(super) fn expect_version(reader: &mut Reader) -> Result<(), CodecError> {
    match reader.u16("a record version")? {
        VERSION => Ok(()),
        version => Err(CodecError::version(version, "record version 1")),
    }
}

pub(super) fn read_time(reader: &mut Reader) -> Result<i64, CodecError> {
    let offset = reader.offset();
    let ms = reader.u64("a time")?;
    i64::try_from(ms)
        .map_err(|_| CodecError::unexpected(offset, format!("{ms} ms"), "a time before the year 292277026"))
}

pub(super) fn checksum(seq: u64, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&seq.to_le_bytes()), content)
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;

/// How often the code has not matched since the run last went on, and which code that was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parks {
    pub times: u32,
    /// The version of the code that parked it last; empty: it has no name.
    pub by: Arc<str>,
}

/// Also in the manifest of a snapshot.
pub(crate) fn write_parks(writer: &mut Writer, parks: &Parks) {
    writer.u32(parks.times);
    writer.data(parks.by.as_bytes());
}

pub(crate) fn read_parks(reader: &mut Reader) -> Result<Parks, CodecError> {
    Ok(Parks { times: reader.u32("a count of parks")?, by: reader.string("a code version")?.into() })
}
