//! Paths: how deltas and reads name a place in a value. The bytes are persisted: change them never.
//!
//! ```text
//! path := varint count, segment*
//! segment := 0 varint len, WTF-8             a key of an object
//!          | 1 varint index                  an index of an array
//!          | 2 varint rank, varint len, CBOR an entry of a Map, or a member of a Set: its key, and how many entries with the
//!                                            same bytes stand before it; rank 2^32 - 1: one that is added after them
//! ```

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::entries::EntryName;
use super::varint::{Cursor, write_bytes, write_number};
use crate::codec::{CodecError, cbor, wtf8};

/// The longest path that is read. What Pawl writes is at most 256 deep; this bounds the stack that walking a tree takes.
pub const MAX_SEGMENTS: usize = 512;

const KEY: u8 = 0x00;
const INDEX: u8 = 0x01;
const ENTRY: u8 = 0x02;

/// One place inside a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// A key of an object, as WTF-8.
    Key(Bytes),
    /// An index of an array.
    Index(u32),
    /// An entry of a Map, or a member of a Set.
    Entry(EntryName),
}

/// From the root of a value to a place in it; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Slot>);

impl Path {
    pub fn root() -> Self {
        Path::default()
    }

    pub fn slots(&self) -> &[Slot] {
        &self.0
    }

    /// This path and one more key.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.0.push(Slot::Key(Bytes::copy_from_slice(key.as_ref())));
        self
    }

    /// This path and one more index.
    pub fn index(mut self, index: u32) -> Self {
        self.0.push(Slot::Index(index));
        self
    }

    /// This path and one more key of a Map or member of a Set, given as CBOR.
    pub fn entry(mut self, key: Bytes, twin: u32) -> Self {
        self.0.push(Slot::Entry(EntryName { key, twin }));
        self
    }

    /// Gives up memory shared with the delta that it was read from.
    pub(super) fn detach(&mut self) {
        for slot in &mut self.0 {
            if let Slot::Key(key) | Slot::Entry(EntryName { key, .. }) = slot {
                *key = Bytes::copy_from_slice(key);
            }
        }
    }

    pub(super) fn read(cursor: &mut Cursor) -> Result<Self, CodecError> {
        let offset = cursor.offset();
        let count = cursor.count(2, "the segments of a path")?;
        if count > MAX_SEGMENTS {
            return Err(CodecError::TooDeep { offset, limit: MAX_SEGMENTS });
        }
        (0..count).map(|_| Slot::read(cursor)).collect::<Result<_, _>>().map(Path)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_number(out, u32::try_from(self.0.len()).expect("a path has far fewer than 2^32 segments"));
        for slot in &self.0 {
            match slot {
                Slot::Key(key) => {
                    out.push(KEY);
                    write_bytes(out, key);
                }
                Slot::Index(index) => {
                    out.push(INDEX);
                    write_number(out, *index);
                }
                Slot::Entry(EntryName { key, twin }) => {
                    out.push(ENTRY);
                    write_number(out, *twin);
                    write_bytes(out, key);
                }
            }
        }
    }
}

impl From<Vec<Slot>> for Path {
    fn from(slots: Vec<Slot>) -> Self {
        Path(slots)
    }
}

impl Slot {
    /// About how many bytes it takes in memory.
    pub(super) fn memory(&self) -> usize {
        let key = match self {
            Slot::Key(key) | Slot::Entry(EntryName { key, .. }) => key.len(),
            Slot::Index(_) => 0,
        };
        size_of::<Slot>() + key
    }

    /// What conflicts know it by: entries whose keys have the same bytes are one place.
    pub(super) fn mark(&self) -> Cow<'_, Slot> {
        match self {
            Slot::Entry(EntryName { key, twin: 1.. }) => {
                Cow::Owned(Slot::Entry(EntryName { key: key.clone(), twin: 0 }))
            }
            slot => Cow::Borrowed(slot),
        }
    }

    fn read(cursor: &mut Cursor) -> Result<Self, CodecError> {
        let offset = cursor.offset();
        match cursor.byte("a path segment")? {
            KEY => {
                let key = cursor.bytes("a key")?;
                match wtf8::is_valid(&key) {
                    true => Ok(Slot::Key(key)),
                    false => Err(CodecError::unexpected(offset, "bytes that are not WTF-8", "a key")),
                }
            }
            INDEX => match cursor.number("an array index")? {
                u32::MAX => Err(CodecError::unexpected(offset, "index 4294967295", "an index below 2^32 - 1")),
                index => Ok(Slot::Index(index)),
            },
            ENTRY => {
                let twin = cursor.number("the rank of an entry")?;
                let key = cursor.bytes("the key of an entry")?;
                cbor::validate(&key).map_err(|error| error.shifted(cursor.offset() - key.len()))?;
                Ok(Slot::Entry(EntryName { key, twin }))
            }
            tag => Err(CodecError::unexpected(offset, format!("tag {tag}"), "a path segment (0 to 2)")),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self {
            Slot::Index(index) => return write!(out, "[{index}]"),
            Slot::Key(key) => String::from_utf8_lossy(key),
            Slot::Entry(EntryName { key, .. }) => return write!(out, ".get({})", cbor::shown(key)),
        };
        match is_identifier(&key) {
            true => write!(out, ".{key}"),
            false => write!(out, "[{:?}]", key),
        }
    }
}

/// As a person would write it after the name of the value: `.items[3]["odd key"]`; `(root)` for the root.
pub(super) fn for_people(slots: &[Slot]) -> String {
    match slots {
        [] => "(root)".to_owned(),
        slots => slots.iter().map(Slot::to_string).collect(),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&for_people(&self.0))
    }
}

fn is_identifier(key: &str) -> bool {
    let mut chars = key.chars();
    let is_start = |c: char| c == '_' || c == '$' || c.is_ascii_alphabetic();
    chars.next().is_some_and(is_start) && chars.all(|c| is_start(c) || c.is_ascii_digit())
}
