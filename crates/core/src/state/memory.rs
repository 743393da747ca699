//! The bytes of a typed array, Buffer or ArrayBuffer that was written into: in chunks, so that a write costs what it covers.

use bytes::{Bytes, BytesMut};

use crate::codec::cbor::Writer;

const CHUNK: usize = 16 << 10;

/// A byte string with whatever stands before it: its tag and its head.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    head: Bytes,
    len: usize,
    /// `CHUNK` bytes each, but for the last.
    chunks: Vec<Chunk>,
}

#[derive(Debug, Clone)]
struct Chunk {
    bytes: Bytes,
    /// Whether it has memory of its own, and not that of the value.
    is_own: bool,
}

impl Memory {
    /// The chunks share the memory of `value`, whose bytes begin after `head`.
    pub fn new(value: &Bytes, head: usize) -> Memory {
        let len = value.len() - head;
        let chunk = |start| Chunk { bytes: value.slice(start..value.len().min(start + CHUNK)), is_own: false };
        Memory { head: value.slice(..head), len, chunks: (head..value.len()).step_by(CHUNK).map(chunk).collect() }
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn encoded_len(&self) -> usize {
        self.head.len() + self.len
    }

    pub fn write(&self, out: &mut Writer) {
        out.raw(&self.head);
        self.chunks.iter().for_each(|chunk| {
            out.raw(&chunk.bytes);
        });
    }

    /// Puts `bytes` in the place of those from `start`, which must exist. Returns what was there, and how many bytes of
    /// the value's memory nothing shows any more.
    pub fn replace(&mut self, start: usize, bytes: &[u8]) -> (Bytes, usize) {
        let mut old = BytesMut::with_capacity(bytes.len());
        let mut dead = 0;
        let mut rest = bytes;
        let mut at = start;
        while !rest.is_empty() {
            let chunk = &mut self.chunks[at / CHUNK];
            let from = at % CHUNK;
            let (now, later) = rest.split_at(rest.len().min(chunk.bytes.len() - from));
            old.extend_from_slice(&chunk.bytes[from..from + now.len()]);
            let mut fresh = BytesMut::from(&chunk.bytes[..]);
            fresh[from..from + now.len()].copy_from_slice(now);
            dead += if chunk.is_own { 0 } else { fresh.len() };
            *chunk = Chunk { bytes: fresh.freeze(), is_own: true };
            at += now.len();
            rest = later;
        }
        (old.freeze(), dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_goes_over_as_many_chunks_as_it_covers_and_can_be_taken_back() {
        let value: Bytes = (0..3 * CHUNK + 100).map(|at| at as u8).collect::<Vec<_>>().into();
        let mut memory = Memory::new(&value, 7);
        assert_eq!((memory.len(), memory.encoded_len(), memory.chunks.len()), (value.len() - 7, value.len(), 4));
        let encoded = |memory: &Memory| {
            let mut out = Writer::new();
            memory.write(&mut out);
            out.finish()
        };
        for (start, len) in [(0, 1), (CHUNK - 1, 2), (5, 3 * CHUNK), (memory.len() - 1, 1), (3, 0)] {
            let bytes = vec![0xaa; len];
            let (old, _) = memory.replace(start, &bytes);
            let expected = [&value[..7 + start], &bytes, &value[7 + start + len..]].concat();
            assert_eq!((encoded(&memory), &old), (expected.into(), &value.slice(7 + start..7 + start + len)));
            memory.replace(start, &old);
            assert_eq!(encoded(&memory), value);
        }
        let mut memory = Memory::new(&value, 7);
        let dead: Vec<_> = [CHUNK - 1, CHUNK, 0, 2 * CHUNK].map(|start| memory.replace(start, &[1, 2]).1).into();
        assert_eq!(dead, [2 * CHUNK, 0, 0, CHUNK]);
    }
}
