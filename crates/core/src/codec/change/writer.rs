//! Writing a change, record by record.

use bytes::Bytes;

use super::{Ending, Parks, Record, VERSION, checksum};
use crate::codec::bare::Writer;
use crate::codec::record::{Entry, EntryMetadata, write_location};
use crate::failure::{Failure, FailureKind, Terminal};
use crate::ids::CommitId;
use crate::inbox::MessageKey;
use crate::key::Location;

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

fn write_ids(writer: &mut Writer, ids: &[String]) {
    writer.count(ids.len());
    ids.iter().for_each(|id| writer.data(id.as_bytes()));
}

fn write_locations(writer: &mut Writer, locations: &[Location]) {
    writer.count(locations.len());
    locations.iter().for_each(|location| write_location(writer, location));
}

pub(crate) fn write_failure(writer: &mut Writer, failure: &Failure) {
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

fn terminal_byte(terminal: Terminal) -> u8 {
    match terminal {
        Terminal::Exhausted => 1,
        Terminal::Critical => 2,
        Terminal::Rollback => 3,
        Terminal::Timeout => 4,
    }
}

pub(crate) fn write_version(writer: &mut Writer) {
    writer.0.extend_from_slice(&VERSION.to_le_bytes());
}

/// Also in the manifest of a snapshot.
pub(crate) fn write_parks(writer: &mut Writer, parks: &Parks) {
    writer.u32(parks.times);
    writer.data(parks.by.as_bytes());
}
