//! Pawl's own rows. Each is `version u16 = 1, content, crc32c u32`, in BARE; the checksum covers the key, too, so that a
//! row that was moved is as foreign as one that was altered. Persisted: a layout is only ever added to, under a new version.

use bytes::Bytes;
use pawl_core::codec::CodecError;
use pawl_core::codec::bare::{Reader, Writer};
use pawl_core::codec::change::{self, ChangeWriter, Record};
use pawl_core::ids::CommitId;
use pawl_store::Status;

use crate::keys;

const VERSION: u16 = 1;
/// The largest value of a row of Pawl's own.
pub const ROW_BYTES: usize = 64 << 10;
/// What of it is version, length and checksum, at most.
const ENVELOPE_BYTES: usize = 16;
/// What the version and the count of parts are before the changes of a row.
const PAGE_HEAD_BYTES: usize = 6;
const CHECKSUM_BYTES: usize = 4;
/// A row of several changes holds no more. It is written anew with each of them, and read as one: some thirty steps.
const PAGE_BYTES: usize = 2 << 10;
/// How much of something longer one row holds.
pub const PIECE_BYTES: usize = ROW_BYTES - ENVELOPE_BYTES;

/// By the bytes that stand for them: only ever added to.
const STATUSES: [Status; 9] = [
    Status::None,
    Status::Running,
    Status::Waiting,
    Status::RollingBack,
    Status::Completed,
    Status::Failed,
    Status::Cancelled,
    Status::Parked,
    Status::Quarantined,
];

/// `(9,0)`: how things stand as of the newest change. Written with every change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Rises when a compensated run is recovered.
    pub generation: u64,
    /// The number of the newest change's row.
    pub seq: u64,
    /// How many entries there are, and the sum of the hashes of their ids and records: another engine that wrote since
    /// has changed one of the two.
    pub count: u64,
    pub hash: u64,
    pub incarnation: u64,
    pub workflow: bool,
    pub state_version: u32,
    /// As the index in [`STATUSES`]; the state row says it to other engines, in fewer words.
    pub status: u8,
    pub alarm: Option<i64>,
    /// Whether the driver was to be told of the alarm after the commit: that may not have happened.
    pub alarm_due: bool,
    /// How many rows of changes are needed, and the sum of their numbers: if one is gone, that is its number.
    pub rows: u64,
    pub row_sum: u64,
    /// The changes whose calls after the commit have not all been made.
    pub pending: Vec<u64>,
    pub cells: Vec<Base>,
}

/// A cell's value as of one change; later deltas are in their changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub cell: String,
    pub version: u32,
    /// The number of the first of its chunks. Those of the base before it have lower numbers.
    pub first: u64,
    pub chunks: u64,
    pub length: u64,
    /// Every delta up to this change's is in it.
    pub as_of: u64,
}

/// What one change did that has no row of its own, and in which order it wrote its entries. `(9,1,number)` holds the change of
/// this number and small ones that follow it ([`Page`]).
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    pub id: CommitId,
    pub at: i64,
    /// Not a change, but the order of entries that another engine wrote: each stands for a change.
    pub adopted: bool,
    pub entry_ids: Vec<String>,
    pub rest: Vec<Record>,
    pub sends: Vec<Sent>,
    /// Messages that were consumed.
    pub acks: Vec<Ack>,
}

/// A message that was consumed, and what it was answered with, if it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub id: String,
    pub response: Option<Bytes>,
}

/// A message for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: String,
    pub name: String,
    pub body: Bytes,
    pub at: i64,
}

/// The value of the row at `key` with this content.
pub fn seal(key: &[u8], write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(256));
    writer.0.extend_from_slice(&VERSION.to_le_bytes());
    write(&mut writer);
    let checksum = checksum(key, &writer.0);
    writer.u32(checksum);
    writer.0.into()
}

/// Reads the value of the row at `key`.
pub fn unseal<T>(
    key: &[u8],
    value: &Bytes,
    read: impl FnOnce(&mut Reader) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let Some(end) = value.len().checked_sub(6).map(|content| content + 2) else {
        let remaining = value.len();
        return Err(CodecError::Truncated { offset: 0, expected: "a version and a checksum", needed: 6, remaining });
    };
    let content = value.slice(..end);
    let mut reader = Reader::new(&content);
    match reader.u16("a row's version")? {
        VERSION => {}
        version => return Err(CodecError::version(version, "row version 1")),
    }
    if value[end..] != checksum(key, &content).to_le_bytes() {
        let found = "a row whose checksum does not match its bytes and key";
        return Err(CodecError::unexpected(end, found, "the checksum that was written with it"));
    }
    let row = read(&mut reader)?;
    reader.end("a row")?;
    Ok(row)
}

/// The rows that hold `bytes` in pieces, each at the key that `key` gives for its number from `first` on.
pub fn pieces(bytes: &Bytes, first: u64, key: impl Fn(u64) -> Bytes) -> Vec<(Bytes, Bytes)> {
    let piece = |(index, piece): (u64, &[u8])| {
        let key = key(index);
        let value = seal(&key, |writer| writer.data(piece));
        (key, value)
    };
    (first..).zip(bytes.chunks(PIECE_BYTES)).map(piece).collect()
}

/// How many pieces so many bytes make.
pub fn count_pieces(length: usize) -> u64 {
    length.div_ceil(PIECE_BYTES) as u64
}

fn checksum(key: &[u8], content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), content)
}

impl Head {
    pub fn encode(&self) -> Bytes {
        seal(&keys::head(), |writer| {
            for number in [self.generation, self.seq, self.count, self.hash, self.incarnation] {
                writer.u64(number);
            }
            writer.u8(self.workflow.into());
            writer.u32(self.state_version);
            writer.u8(self.status);
            writer.optional(self.alarm.as_ref(), |w, alarm| w.u64(*alarm as u64));
            writer.u8(self.alarm_due.into());
            writer.u64(self.rows);
            writer.u64(self.row_sum);
            writer.count(self.pending.len());
            self.pending.iter().for_each(|number| writer.u64(*number));
            writer.count(self.cells.len());
            self.cells.iter().for_each(|base| base.write(writer));
        })
    }

    pub fn decode(value: &Bytes) -> Result<Head, CodecError> {
        unseal(&keys::head(), value, |reader| {
            Ok(Head {
                generation: reader.u64("a generation")?,
                seq: reader.u64("the number of a change")?,
                count: reader.u64("a count of entries")?,
                hash: reader.u64("a hash of entries")?,
                incarnation: reader.u64("an incarnation")?,
                workflow: reader.u8("whether there is a workflow")? == 1,
                state_version: reader.u32("a state version")?,
                status: reader.u8("a status")?,
                alarm: reader.optional("an alarm", |r| Ok(r.u64("an alarm")? as i64))?,
                alarm_due: reader.u8("whether an alarm is due")? == 1,
                rows: reader.u64("a count of rows")?,
                row_sum: reader.u64("a sum of numbers of rows")?,
                pending: many(reader, 8, "pending changes", |r| r.u64("the number of a change"))?,
                cells: many(reader, 37, "cells", Base::read)?,
            })
        })
    }

    /// How the run stood.
    pub fn status(&self) -> Status {
        STATUSES.get(usize::from(self.status)).copied().unwrap_or(Status::Running)
    }
}

/// The byte that stands for a status.
pub fn status_byte(status: Status) -> u8 {
    STATUSES.iter().position(|other| *other == status).unwrap_or(0) as u8
}

impl Base {
    fn write(&self, writer: &mut Writer) {
        writer.data(self.cell.as_bytes());
        writer.u32(self.version);
        for number in [self.first, self.chunks, self.length, self.as_of] {
            writer.u64(number);
        }
    }

    fn read(reader: &mut Reader) -> Result<Base, CodecError> {
        Ok(Base {
            cell: reader.string("a cell's name")?,
            version: reader.u32("a state version")?,
            first: reader.u64("the number of a chunk")?,
            chunks: reader.u64("a count of chunks")?,
            length: reader.u64("the length of a cell")?,
            as_of: reader.u64("the number of a change")?,
        })
    }
}

/// A row of changes that follow each other, as it is written with each of them until it is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub first: u64,
    pub last: u64,
    /// The changes' contents, each with its length before it.
    content: Vec<u8>,
}

impl Page {
    /// The row of change `number` alone.
    pub fn new(number: u64, content: &[u8]) -> Page {
        let mut writer = Writer(Vec::with_capacity(content.len() + 3));
        writer.data(content);
        Page { first: number, last: number, content: writer.0 }
    }

    /// The row of the changes `first..=last`, which has this value; none if it is full.
    pub fn read(first: u64, last: u64, value: &Bytes) -> Option<Page> {
        let content = value.get(PAGE_HEAD_BYTES..value.len().checked_sub(CHECKSUM_BYTES)?)?;
        (content.len() < PAGE_BYTES).then(|| Page { first, last, content: content.to_vec() })
    }

    /// Puts the next change into the row. False if there is no room for it.
    pub fn push(&mut self, content: &[u8]) -> bool {
        let fits = self.content.len() + content.len() <= PAGE_BYTES;
        if fits {
            let mut writer = Writer(std::mem::take(&mut self.content));
            writer.data(content);
            (self.content, self.last) = (writer.0, self.last + 1);
        }
        fits
    }

    pub fn row(&self) -> (Bytes, Bytes) {
        let key = keys::change(self.first);
        let value = seal(&key, |writer| {
            writer.u32(0);
            writer.0.extend_from_slice(&self.content);
        });
        (key, value)
    }
}

/// The rows of a change that does not fit one: its parts, and then its own.
pub fn parted(number: u64, content: &Bytes) -> Vec<(Bytes, Bytes)> {
    let mut rows = pieces(content, 0, |index| keys::part(number, index));
    let key = keys::change(number);
    let value = seal(&key, |writer| writer.u32(count_pieces(content.len()) as u32));
    rows.push((key, value));
    rows
}

impl ChangeRow {
    /// What is stored of change `number`.
    pub fn encode(&self, number: u64) -> Bytes {
        let mut content = Writer(Vec::with_capacity(96));
        self.write(number, &mut content);
        content.0.into()
    }

    fn write(&self, number: u64, writer: &mut Writer) {
        let mut rest = ChangeWriter::new(self.id, self.at);
        self.rest.iter().for_each(|record| rest.record(record));
        writer.data(&rest.finish(number));
        writer.u8(self.adopted.into());
        writer.count(self.entry_ids.len());
        self.entry_ids.iter().for_each(|id| writer.data(id.as_bytes()));
        writer.count(self.sends.len());
        for sent in &self.sends {
            writer.data(sent.id.as_bytes());
            writer.data(sent.name.as_bytes());
            writer.data(&sent.body);
            writer.u64(sent.at as u64);
        }
        writer.count(self.acks.len());
        for ack in &self.acks {
            writer.data(ack.id.as_bytes());
            writer.optional_data(ack.response.as_deref());
        }
    }

    /// Reads the content of change `number`, from its row or put together from its parts.
    pub fn decode(number: u64, content: &Bytes) -> Result<ChangeRow, CodecError> {
        let mut reader = Reader::new(content);
        let rest = change::read(number, &reader.data("the records of a change")?)?;
        let row = ChangeRow {
            id: rest.id,
            at: rest.at,
            rest: rest.records,
            adopted: reader.u8("whether entries were adopted")? == 1,
            entry_ids: many(&mut reader, 1, "entry ids", |r| r.string("an entry id"))?,
            sends: many(&mut reader, 11, "messages", Sent::read)?,
            acks: many(&mut reader, 2, "messages", |r| {
                let id = r.string("the id of a message")?;
                Ok(Ack { id, response: r.optional("a response", |r| r.data("a response"))? })
            })?,
        };
        reader.end("a change")?;
        Ok(row)
    }
}

impl Sent {
    fn read(reader: &mut Reader) -> Result<Sent, CodecError> {
        Ok(Sent {
            id: reader.string("the id of a message")?,
            name: reader.string("a message's name")?,
            body: reader.data("a message's body")?,
            at: reader.u64("a time")? as i64,
        })
    }
}

/// The content of a row of changes: how many parts its only change has, or else each of its changes.
pub fn unseal_changes(key: &[u8], value: &Bytes) -> Result<(u32, Vec<Bytes>), CodecError> {
    unseal(key, value, |reader| match reader.u32("a count of parts")? {
        0 => {
            let mut changes = vec![reader.data("a change")?];
            while !reader.is_at_end() {
                changes.push(reader.data("a change")?);
            }
            Ok((0, changes))
        }
        parts => Ok((parts, Vec::new())),
    })
}

/// The content of a row that is one piece of something longer.
pub fn unseal_piece(key: &[u8], value: &Bytes) -> Result<Bytes, CodecError> {
    unseal(key, value, |reader| reader.data("a piece"))
}

pub fn many<T>(
    reader: &mut Reader,
    item_bytes: u64,
    expected: &'static str,
    mut read: impl FnMut(&mut Reader) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = reader.count(item_bytes, expected)?;
    (0..count).map(|_| read(reader)).collect()
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
