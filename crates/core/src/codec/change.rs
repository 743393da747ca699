//! The record of one change, as Pawl's own stores keep it: one append-only row.
//!
//! `version u16 = 1, commit id 16 bytes, time u64 ms, records, crc32c u32`, in BARE, little-endian. The checksum covers
//! the change's number and everything before the checksum, so that a row that was moved is as foreign as one that was
//! altered. Entries and metadata are embedded as the records of [`super::record`], byte for byte.
//! Persisted: a layout is never changed, only added to under a new version.

use bytes::Bytes;

use super::CodecError;
use super::bare::{Reader, Writer};
use super::record::{Entry, EntryMetadata};
use crate::failure::{Failure, FailureKind, Terminal};
use crate::ids::CommitId;
use crate::inbox::{Message, MessageKey};

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
    /// The code did not match for the `times`-th time in a row.
    Parked {
        times: u32,
        code_version: u64,
    },
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

    pub fn parked(&mut self, times: u32, code_version: u64) {
        self.0.u8(10);
        self.0.u32(times);
        self.0.u64(code_version);
    }

    /// The finished record of change number `seq`.
    pub fn finish(mut self, seq: u64) -> Bytes {
        let checksum = checksum(seq, &self.0.0);
        self.0.u32(checksum);
        self.0.0.into()
    }
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

/// Reads a record of one message in the inbox.
pub fn read_message(key: MessageKey, body: &Bytes) -> Result<Message, CodecError> {
    let record = read_inbox(&key, body)?;
    Ok(Message { key, name: record.0, sent_at: record.1, body: record.2 })
}

/// The record of one message in the inbox: name, time and body, with a checksum over those and the sender's number.
pub fn write_message(message: &Message) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(message.body.len() + message.name.len() + 32));
    writer.0.extend_from_slice(&VERSION.to_le_bytes());
    writer.data(message.name.as_bytes());
    writer.u64(message.sent_at.max(0) as u64);
    writer.data(&message.body);
    let checksum = checksum(message.key.sender_seq, &writer.0);
    writer.u32(checksum);
    writer.0.into()
}

fn read_inbox(key: &MessageKey, body: &Bytes) -> Result<(String, i64, Bytes), CodecError> {
    let mut reader = Reader::new(body);
    expect_version(&mut reader)?;
    let name = reader.string("a message's name")?;
    let sent_at = read_time(&mut reader)?;
    let value = reader.data("a message's body")?;
    let content = reader.offset();
    let stored = reader.u32("the checksum of a message")?;
    reader.end("a message")?;
    if stored != checksum(key.sender_seq, &body[..content]) {
        let found = format!("a message whose checksum does not match its bytes and number {}", key.sender_seq);
        return Err(CodecError::unexpected(content, found, "the checksum that was written with it"));
    }
    Ok((name, sent_at, value))
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
        10 => Record::Parked { times: reader.u32("a count of parks")?, code_version: reader.u64("a code version")? },
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "a record of a change (0 to 10)")),
    })
}

fn write_failure(writer: &mut Writer, failure: &Failure) {
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

fn read_failure(reader: &mut Reader) -> Result<Failure, CodecError> {
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

fn expect_version(reader: &mut Reader) -> Result<(), CodecError> {
    match reader.u16("a record version")? {
        VERSION => Ok(()),
        version => Err(CodecError::unexpected(0, format!("version {version}"), "record version 1")),
    }
}

fn read_time(reader: &mut Reader) -> Result<i64, CodecError> {
    let offset = reader.offset();
    let ms = reader.u64("a time")?;
    i64::try_from(ms)
        .map_err(|_| CodecError::unexpected(offset, format!("{ms} ms"), "a time before the year 292277026"))
}

fn checksum(seq: u64, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&seq.to_le_bytes()), content)
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
