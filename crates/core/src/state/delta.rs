//! Deltas: what one attempt changed in one cell. The bytes are persisted: change them never.
//!
//! ```text
//! delta := version(u8 = 1) op*           op := code(u8) path body
//!   1 set      body: value                                    path [] replaces the root
//!   2 delete   body: none                                     object, Map, Set: removed; array: slot becomes a hole
//!   3 splice   body: varint start, varint removed, varint added, value*     path: of the array
//!   4 length   body: varint n                                 truncates, or extends with holes
//!   5 permute  body: varint n, varint old*                    new[i] = old[old_i]; of an object: the order of its keys
//!   6 add      body: none                                     path: of a member that a Set does not have yet
//!   7 rename   body: value                                    path: of an entry of a Map or member of a Set, which becomes value
//!   8 bytes    body: varint start, varint len, bytes          path: of a typed array, Buffer or ArrayBuffer
//!   9 rebuild  body: varint start, varint pieces, piece*      path: of an array, of which every slot from start is made anew
//!                    piece := 0 varint old, varint n          n slots that were at `old`; no slot twice
//!                           | 1 varint n, value*              new ones
//!  10 end      body: none                                     path []; the last op: the cell is no more
//! ```
//! Paths name places at the time of the op: each op applies to the result of those before it.

use bytes::Bytes;

use super::path::{Path, Slot};
use super::varint::{Cursor, write_bytes, write_number};
use crate::codec::{CodecError, cbor};

const VERSION: u8 = 1;

/// The ops of one attempt on one cell, in order. Parsed whole: a delta that exists is well-formed, values included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    ops: Vec<Op>,
    /// How many bytes it was parsed from.
    len: usize,
}

/// One change of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    pub path: Path,
    pub action: Action,
}

/// What an op does at its path. Values are CBOR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Set(Bytes),
    Delete,
    Splice {
        start: u32,
        removed: u32,
        added: Vec<Bytes>,
    },
    Length(u32),
    /// For each new index the old one. Of an object: for each key's new rank the old one.
    Permute(Vec<u32>),
    /// Makes the last segment of the path a member of a Set.
    Add,
    /// Gives the entry or member at the path another key, in the same place.
    Rename(Bytes),
    /// Overwrites what a typed array, Buffer or ArrayBuffer holds.
    Bytes {
        start: u32,
        bytes: Bytes,
    },
    /// Makes an array anew from a slot on, of slots that it had and of new ones. What is not kept is gone.
    Rebuild {
        start: u32,
        pieces: Vec<Piece>,
    },
    /// The cell is no more. An attempt that made it so sees `undefined`.
    End,
}

/// Some slots of a rebuilt array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Kept { start: u32, count: u32 },
    New(Vec<Bytes>),
}

impl Delta {
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether the cell is no more after it.
    pub fn ends(&self) -> bool {
        self.ops.last().is_some_and(|op| op.action == Action::End)
    }

    /// How many bytes it takes encoded.
    pub fn encoded_len(&self) -> usize {
        self.len
    }

    /// Reads and checks a whole delta. Values and keys share the memory of `bytes`.
    pub fn parse(bytes: &Bytes) -> Result<Delta, CodecError> {
        let mut cursor = Cursor::new(bytes);
        let version = cursor.byte("a delta's version")?;
        if version != VERSION {
            return Err(CodecError::version(version.into(), "delta version 1"));
        }
        let mut ops = Vec::new();
        while cursor.remaining() > 0 {
            ops.push(Op::read(&mut cursor)?);
        }
        Ok(Delta { ops, len: bytes.len() })
    }

    /// A delta of these ops; refused if parsing its bytes would refuse it.
    pub fn new(ops: Vec<Op>) -> Result<Delta, CodecError> {
        Delta::parse(&Delta { ops, len: 0 }.encode())
    }

    /// The bytes that [`Delta::parse`] reads.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        self.ops.iter().for_each(|op| op.write(&mut out));
        out.into()
    }
}

impl Op {
    fn read(cursor: &mut Cursor) -> Result<Op, CodecError> {
        let offset = cursor.offset();
        let code = cursor.byte("an op code")?;
        let path = Path::read(cursor)?;
        let action = match code {
            1 => Action::Set(read_value(cursor, &path, 0)?),
            2 if path.slots().is_empty() => {
                return Err(CodecError::unexpected(offset, "a delete of the root", "a path of a slot"));
            }
            2 => Action::Delete,
            3 => read_splice(cursor, &path)?,
            4 => Action::Length(cursor.number("an array length")?),
            5 => Action::Permute(read_permutation(cursor)?),
            6 | 7 if !matches!(path.slots().last(), Some(Slot::Entry(_))) => {
                return Err(CodecError::unexpected(offset, format!("code {code}"), "the path of an entry"));
            }
            6 => Action::Add,
            7 => Action::Rename(read_value(cursor, &path, 0)?),
            8 => Action::Bytes { start: cursor.number("a position in memory")?, bytes: cursor.bytes("bytes")? },
            9 => {
                Action::Rebuild { start: cursor.number("the start of a rebuild")?, pieces: read_pieces(cursor, &path)? }
            }
            10 if !path.slots().is_empty() || cursor.remaining() > 0 => {
                return Err(CodecError::unexpected(
                    offset,
                    "an end that is not of the whole",
                    "the root, and the last op",
                ));
            }
            10 => Action::End,
            code => return Err(CodecError::unexpected(offset, format!("code {code}"), "an op code (1 to 10)")),
        };
        Ok(Op { path, action })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.action {
            Action::Set(_) => 1,
            Action::Delete => 2,
            Action::Splice { .. } => 3,
            Action::Length(_) => 4,
            Action::Permute(_) => 5,
            Action::Add => 6,
            Action::Rename(_) => 7,
            Action::Bytes { .. } => 8,
            Action::Rebuild { .. } => 9,
            Action::End => 10,
        });
        self.path.write(out);
        match &self.action {
            Action::Set(value) | Action::Rename(value) => write_bytes(out, value),
            Action::Delete | Action::Add | Action::End => {}
            Action::Splice { start, removed, added } => {
                write_number(out, *start);
                write_number(out, *removed);
                write_count(out, added.len());
                added.iter().for_each(|value| write_bytes(out, value));
            }
            Action::Length(length) => write_number(out, *length),
            Action::Permute(order) => {
                write_count(out, order.len());
                order.iter().for_each(|old| write_number(out, *old));
            }
            Action::Bytes { start, bytes } => {
                write_number(out, *start);
                write_bytes(out, bytes);
            }
            Action::Rebuild { start, pieces } => {
                write_number(out, *start);
                write_count(out, pieces.len());
                pieces.iter().for_each(|piece| piece.write(out));
            }
        }
    }
}

impl Piece {
    /// How many slots it makes.
    pub(super) fn len(&self) -> usize {
        match self {
            Piece::Kept { count, .. } => *count as usize,
            Piece::New(values) => values.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Piece::Kept { start, count } => {
                out.push(0);
                write_number(out, *start);
                write_number(out, *count);
            }
            Piece::New(values) => {
                out.push(1);
                write_count(out, values.len());
                values.iter().for_each(|value| write_bytes(out, value));
            }
        }
    }
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    write_number(out, u32::try_from(count).expect("an array has fewer than 2^32 items"));
}

/// A value that will lie `below` containers under the place of the path.
fn read_value(cursor: &mut Cursor, path: &Path, below: usize) -> Result<Bytes, CodecError> {
    let value = cursor.bytes("a value")?;
    let offset = cursor.offset() - value.len();
    let depth = cbor::validate(&value).map_err(|error| error.shifted(offset))?;
    if path.slots().len() + below + depth > cbor::MAX_DEPTH {
        return Err(CodecError::TooDeep { offset, limit: cbor::MAX_DEPTH });
    }
    Ok(value)
}

fn read_splice(cursor: &mut Cursor, path: &Path) -> Result<Action, CodecError> {
    let start = cursor.number("the start of a splice")?;
    let removed = cursor.number("the number of removed items")?;
    Ok(Action::Splice { start, removed, added: read_items(cursor, path)? })
}

fn read_items(cursor: &mut Cursor, path: &Path) -> Result<Vec<Bytes>, CodecError> {
    let count = cursor.count(2, "the added items")?;
    (0..count).map(|_| read_value(cursor, path, 1)).collect()
}

fn read_pieces(cursor: &mut Cursor, path: &Path) -> Result<Vec<Piece>, CodecError> {
    let count = cursor.count(2, "the pieces of an array")?;
    (0..count).map(|_| read_piece(cursor, path)).collect()
}

fn read_piece(cursor: &mut Cursor, path: &Path) -> Result<Piece, CodecError> {
    let offset = cursor.offset();
    match cursor.byte("a piece of an array")? {
        0 => Ok(Piece::Kept { start: cursor.number("an old index")?, count: cursor.number("a number of kept items")? }),
        1 => Ok(Piece::New(read_items(cursor, path)?)),
        kind => Err(CodecError::unexpected(offset, format!("kind {kind}"), "a kind of piece (0 or 1)")),
    }
}

fn read_permutation(cursor: &mut Cursor) -> Result<Vec<u32>, CodecError> {
    let offset = cursor.offset();
    let count = cursor.count(1, "the items of a permutation")?;
    let mut seen = vec![false; count];
    let mut order = Vec::with_capacity(count);
    for _ in 0..count {
        let old = cursor.number("an old index")?;
        match seen.get_mut(old as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return Err(CodecError::unexpected(offset, format!("index {old} again or too large"), "a permutation"));
            }
        }
        order.push(old);
    }
    Ok(order)
}
