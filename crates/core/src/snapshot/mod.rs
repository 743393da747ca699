//! Snapshots: everything of an actor up to a change, in chunks, so that the changes before need not be read.
//!
//! Owns the form of a snapshot: a manifest, and chunks that are cut from a stream of bytes for each part. The first part is
//! the run (the records of [`crate::codec::change`], as if one change had made it), then one for each cell, its value;
//! what is recorded in closed scopes is a stream apart, read only when somebody asks for it. Persisted: versioned, each
//! row with a checksum over its number and bytes.
//! One law: folding a snapshot and the changes after it gives what folding all changes gives.

mod cut;
#[cfg(test)]
pub(crate) mod disk;
mod history;
mod plan;
mod write;

use bytes::Bytes;

use crate::codec::CodecError;
use crate::codec::bare::{Reader, Writer};
use crate::codec::change::{Parks, read_parks, write_parks};
use crate::ids::CommitId;
use crate::load::OpenError;

pub use plan::{Kept, Plan, Retention, compact};

const VERSION: u16 = 1;
const CHECKSUM_BYTES: usize = 4;

/// A snapshot as a store has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    pub seq: u64,
    pub manifest: Bytes,
    /// The numbers of its chunks, in order.
    pub open: Vec<u64>,
    pub closed: Vec<u64>,
}

impl Snapshot {
    /// The bytes of its open part.
    pub fn open_bytes(&self) -> Result<u64, OpenError> {
        Ok(Manifest::read(self)?.open_bytes)
    }
}

/// A snapshot with the chunks that were read: the open ones, then the closed ones if they were asked for.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    pub snapshot: Snapshot,
    pub chunks: Vec<(u64, Bytes)>,
}

/// What a snapshot's chunks are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// The change up to which it holds everything.
    pub id: CommitId,
    pub created_at: i64,
    /// The time of the newest change.
    pub at: i64,
    /// How many entries have come into being.
    pub births: u64,
    pub parks: Parks,
    pub state_version: u32,
    /// The bytes of the bodies of all changes up to this one, since the first.
    pub changed_bytes: u64,
    pub open_bytes: u64,
    pub closed_bytes: u64,
    /// How many chunks the run's open part has.
    pub run_chunks: u32,
    pub cells: Vec<CellPart>,
}

/// A cell of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellPart {
    pub name: String,
    /// The newest change that wrote it.
    pub head: u64,
    pub chunks: u32,
}

impl Manifest {
    pub fn write(&self, seq: u64) -> Bytes {
        let mut writer = Writer(VERSION.to_le_bytes().to_vec());
        writer.0.extend_from_slice(&self.id.0);
        writer.u64(self.created_at.max(0) as u64);
        writer.u64(self.at.max(0) as u64);
        writer.u64(self.births);
        write_parks(&mut writer, &self.parks);
        writer.u32(self.state_version);
        for bytes in [self.changed_bytes, self.open_bytes, self.closed_bytes] {
            writer.u64(bytes);
        }
        writer.u32(self.run_chunks);
        writer.count(self.cells.len());
        for CellPart { name, head, chunks } in &self.cells {
            writer.data(name.as_bytes());
            writer.u64(*head);
            writer.u32(*chunks);
        }
        sealed(seq, writer)
    }

    pub fn read(snapshot: &Snapshot) -> Result<Manifest, OpenError> {
        let damaged = |source| OpenError::Snapshot { seq: snapshot.seq, source };
        let content = unsealed(snapshot.seq, &snapshot.manifest).map_err(damaged)?;
        Manifest::read_content(&content).map_err(damaged)
    }

    fn read_content(content: &Bytes) -> Result<Manifest, CodecError> {
        let mut reader = Reader::new(content);
        expect_version(&mut reader)?;
        let mut manifest = Manifest {
            id: CommitId(reader.array("a commit id")?),
            created_at: i64::try_from(reader.u64("a time")?).unwrap_or(i64::MAX),
            at: i64::try_from(reader.u64("a time")?).unwrap_or(i64::MAX),
            births: reader.u64("a number of entries")?,
            parks: read_parks(&mut reader)?,
            state_version: reader.u32("a state version")?,
            changed_bytes: reader.u64("a number of bytes")?,
            open_bytes: reader.u64("a number of bytes")?,
            closed_bytes: reader.u64("a number of bytes")?,
            run_chunks: reader.u32("a number of chunks")?,
            cells: Vec::new(),
        };
        for _ in 0..reader.count(13, "a number of cells")? {
            let name = reader.string("a cell's name")?;
            let (head, chunks) = (reader.u64("a change")?, reader.u32("a number of chunks")?);
            manifest.cells.push(CellPart { name, head, chunks });
        }
        reader.end("a snapshot's manifest")?;
        Ok(manifest)
    }
}

/// The streams of a snapshot, put together from its chunks.
pub(crate) struct Streams {
    pub manifest: Manifest,
    pub run: Bytes,
    pub cells: Vec<(CellPart, Bytes)>,
    /// None if it was not read.
    pub closed: Option<Bytes>,
}

impl Contents {
    pub(crate) fn streams(&self) -> Result<Streams, OpenError> {
        let manifest = Manifest::read(&self.snapshot)?;
        let seq = self.snapshot.seq;
        let (open, all) = (self.snapshot.open.len(), self.snapshot.open.len() + self.snapshot.closed.len());
        let cell_chunks: u64 = manifest.cells.iter().map(|cell| u64::from(cell.chunks)).sum();
        let fits = u64::from(manifest.run_chunks) + cell_chunks == open as u64;
        let is_whole = self.chunks.len() == all;
        if !fits || !(is_whole || self.chunks.len() == open) {
            return Err(OpenError::Inconsistent {
                seq,
                what: "has a snapshot whose chunks are not those of its manifest",
            });
        }
        let mut rest = &self.chunks[..];
        let mut stream = |count: usize| {
            let (own, others) = rest.split_at(count);
            rest = others;
            joined(seq, own)
        };
        let run = stream(manifest.run_chunks as usize)?;
        let mut cells = Vec::with_capacity(manifest.cells.len());
        for cell in &manifest.cells {
            cells.push((cell.clone(), stream(cell.chunks as usize)?));
        }
        let closed = if is_whole { Some(stream(all - open)?) } else { None };
        Ok(Streams { manifest, run, cells, closed })
    }
}

fn joined(seq: u64, chunks: &[(u64, Bytes)]) -> Result<Bytes, OpenError> {
    let mut out = Vec::with_capacity(chunks.iter().map(|(_, body)| body.len()).sum());
    for (number, body) in chunks {
        let damaged = |source| OpenError::Chunk { seq, number: *number, source };
        let content = unsealed(*number, body).map_err(damaged)?;
        let mut reader = Reader::new(&content);
        expect_version(&mut reader).map_err(damaged)?;
        out.extend_from_slice(&content[reader.offset()..]);
    }
    Ok(out.into())
}

/// The row of chunk `number`.
pub(crate) fn chunk(number: u64, content: &[u8]) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(content.len() + 2 + CHECKSUM_BYTES));
    writer.0.extend_from_slice(&VERSION.to_le_bytes());
    writer.0.extend_from_slice(content);
    sealed(number, writer)
}

fn sealed(number: u64, mut writer: Writer) -> Bytes {
    let checksum = checksum(number, &writer.0);
    writer.u32(checksum);
    writer.0.into()
}

fn unsealed(number: u64, row: &Bytes) -> Result<Bytes, CodecError> {
    let Some(end) = row.len().checked_sub(CHECKSUM_BYTES) else {
        let (remaining, needed) = (row.len(), CHECKSUM_BYTES as u64);
        return Err(CodecError::Truncated { offset: 0, expected: "the checksum of a chunk", needed, remaining });
    };
    if row[end..] != checksum(number, &row[..end]).to_le_bytes() {
        let found = format!("a row whose checksum does not match its bytes and number {number}");
        return Err(CodecError::unexpected(end, found, "the checksum that was written with it"));
    }
    Ok(row.slice(..end))
}

fn checksum(number: u64, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), content)
}

fn expect_version(reader: &mut Reader) -> Result<(), CodecError> {
    match reader.u16("a snapshot's version")? {
        VERSION => Ok(()),
        version => Err(CodecError::version(version, "snapshot version 1")),
    }
}

#[cfg(test)]
mod tests;
