//! Reads: what an attempt has seen of a cell, as places of its pin. The bytes are persisted: change them never.
//!
//! ```text
//! reads := entry*      entry := kind(u8) path
//!   1 slot: the last segment is the slot: its value, or its absence
//!   2 shape: path of a container: keys, length, size, order, iteration
//!   3 level: shape and every slot of that container      4 subtree: everything at and below the path
//! ```

use bytes::Bytes;

use super::path::Path;
use super::varint::Cursor;
use crate::codec::CodecError;

/// What an attempt has seen of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    entries: Vec<Read>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub kind: ReadKind,
    pub path: Path,
}

/// How much of the place was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ReadKind {
    Slot = 1,
    Shape = 2,
    Level = 3,
    Subtree = 4,
}

impl Reads {
    pub fn new(entries: Vec<Read>) -> Reads {
        Reads { entries }
    }

    pub fn entries(&self) -> &[Read] {
        &self.entries
    }

    /// Reads and checks the whole of `bytes`; keys share its memory.
    pub fn parse(bytes: &Bytes) -> Result<Reads, CodecError> {
        let mut cursor = Cursor::new(bytes);
        let mut entries = Vec::new();
        while cursor.remaining() > 0 {
            entries.push(Read { kind: ReadKind::read(&mut cursor)?, path: Path::read(&mut cursor)? });
        }
        Ok(Reads { entries })
    }

    /// The bytes that [`Reads::parse`] reads.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        for read in &self.entries {
            out.push(read.kind as u8);
            read.path.write(&mut out);
        }
        out.into()
    }
}

impl From<Vec<Read>> for Reads {
    fn from(entries: Vec<Read>) -> Self {
        Reads { entries }
    }
}

impl ReadKind {
    fn read(cursor: &mut Cursor) -> Result<Self, CodecError> {
        let offset = cursor.offset();
        match cursor.byte("a kind of read")? {
            1 => Ok(ReadKind::Slot),
            2 => Ok(ReadKind::Shape),
            3 => Ok(ReadKind::Level),
            4 => Ok(ReadKind::Subtree),
            kind => Err(CodecError::unexpected(offset, format!("kind {kind}"), "a kind of read (1 to 4)")),
        }
    }
}
