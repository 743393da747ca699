//! Reading a change back.

use bytes::Bytes;

use super::{CHECKSUM_BYTES, ChangeRecord, Ending, Parks, Record, VERSION, checksum};
use crate::codec::CodecError;
use crate::codec::bare::Reader;
use crate::codec::dealing::{self, Dealing};
use crate::codec::record::{Entry, EntryMetadata, read_location};
use crate::failure::{Failure, FailureKind, Terminal};
use crate::ids::CommitId;
use crate::inbox::MessageKey;
use crate::key::Location;

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

fn read_ending(reader: &mut Reader) -> Result<Ending, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("how a run ends")? {
        0 => Ending::Failed(read_failure(reader)?),
        1 => Ending::Cancelled(reader.optional("a reason", |r| r.string("a reason"))?),
        2 => Ending::Completed(reader.optional("an output", |r| r.data("an output"))?),
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "how a run ends (0 to 2)")),
    })
}

fn read_locations(reader: &mut Reader) -> Result<Vec<Location>, CodecError> {
    let count = reader.count(1, "locations")?;
    (0..count).map(|_| read_location(reader)).collect()
}

fn read_ids(reader: &mut Reader) -> Result<Vec<String>, CodecError> {
    let count = reader.count(1, "entry ids")?;
    (0..count).map(|_| reader.string("an entry id")).collect()
}

pub(crate) fn read_failure(reader: &mut Reader) -> Result<Failure, CodecError> {
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

pub(crate) fn expect_version(reader: &mut Reader) -> Result<(), CodecError> {
    match reader.u16("a record version")? {
        VERSION => Ok(()),
        version => Err(CodecError::version(version, "record version 1")),
    }
}

pub(crate) fn read_time(reader: &mut Reader) -> Result<i64, CodecError> {
    let offset = reader.offset();
    let ms = reader.u64("a time")?;
    i64::try_from(ms)
        .map_err(|_| CodecError::unexpected(offset, format!("{ms} ms"), "a time before the year 292277026"))
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

pub(crate) fn read_parks(reader: &mut Reader) -> Result<Parks, CodecError> {
    Ok(Parks { times: reader.u32("a count of parks")?, by: reader.string("a code version")?.into() })
}
