//! A run of entries as bytes: keys and values one after the other, as they stand in the encoded value.

use std::ops::Range;

use bytes::Bytes;

use crate::codec::cbor;

#[derive(Debug, Clone)]
pub struct Chunk {
    /// Rises along the chunks of a container.
    pub place: u64,
    bytes: Vec<u8>,
    pub count: u32,
}

/// Where an entry of a chunk is.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub rank: u32,
    pub start: usize,
    key_end: usize,
    end: usize,
}

impl Chunk {
    pub fn new(place: u64) -> Chunk {
        Chunk { place, bytes: Vec::new(), count: 0 }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        size_of::<Chunk>() + self.bytes.capacity()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether so many bytes may be added, if it is to have no more than `most`.
    pub fn has_room(&self, size: usize, most: usize) -> bool {
        self.count == 0 || self.bytes.len() + size <= most
    }

    /// Where its entries are, in order. Without values, only keys are there.
    pub fn spans(&self, has_values: bool) -> Spans<'_> {
        Spans { bytes: &self.bytes, has_values, at: 0, rank: 0 }
    }

    /// The entry of a rank that begins at `start`.
    pub fn span_at(&self, rank: u32, start: usize, has_values: bool) -> Span {
        let key_end = end_of(&self.bytes, start);
        Span { rank, start, key_end, end: if has_values { end_of(&self.bytes, key_end) } else { key_end } }
    }

    /// The entry before which about half of the bytes are.
    pub fn middle(&self, has_values: bool) -> Span {
        let mut spans = self.spans(has_values).skip(1);
        let half = self.bytes.len() / 2;
        let first = spans.next().expect("what is cut has two entries");
        spans.take_while(|span| span.start <= half).last().unwrap_or(first)
    }

    pub fn key(&self, span: &Span) -> &[u8] {
        &self.bytes[span.start..span.key_end]
    }

    /// Whether that is the key of an entry. Keys that are counted differ at their end.
    pub fn has_key(&self, span: &Span, key: &[u8]) -> bool {
        let held = self.key(span);
        held.len() == key.len() && held.last() == key.last() && held == key
    }

    pub fn value(&self, span: &Span) -> &[u8] {
        &self.bytes[span.key_end..span.end]
    }

    pub fn entry(&self, span: &Span) -> &[u8] {
        &self.bytes[span.start..span.end]
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    pub fn insert(&mut self, at: usize, key: &[u8], value: &[u8]) {
        if at == self.bytes.len() {
            return self.push(key, value);
        }
        self.splice(at..at, [key, value].concat().as_slice());
        self.count += 1;
    }

    pub fn remove(&mut self, span: &Span) {
        self.splice(span.start..span.end, &[]);
        self.count -= 1;
        if self.bytes.capacity() > self.bytes.len() + self.bytes.len() / 4 + 64 {
            self.shrink();
        }
    }

    pub fn rename(&mut self, span: &Span, key: &[u8]) {
        self.splice(span.start..span.key_end, key);
    }

    /// Puts another value in the place of one.
    pub fn set_value(&mut self, span: &Span, value: &[u8]) {
        self.splice(span.key_end..span.end, value);
    }

    fn splice(&mut self, range: Range<usize>, with: &[u8]) {
        if with.len() > range.len() {
            self.bytes.reserve_exact(with.len() - range.len());
        }
        drop(self.bytes.splice(range, with.iter().copied()));
    }

    /// Takes out what stands from an entry on.
    pub fn split_off(&mut self, from: &Span) -> (Vec<u8>, u32) {
        let tail = self.bytes.split_off(from.start);
        let count = self.count - from.rank;
        self.count = from.rank;
        (tail, count)
    }

    pub fn fill(&mut self, (bytes, count): (Vec<u8>, u32)) {
        self.bytes = bytes;
        self.count = count;
        self.shrink();
    }

    pub fn append(&mut self, other: &Chunk) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// Puts the same entries with other values in the place of those that are there.
    pub fn set(&mut self, bytes: Bytes) {
        self.bytes = Vec::from(bytes);
        self.shrink();
    }

    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

pub struct Spans<'a> {
    bytes: &'a [u8],
    has_values: bool,
    at: usize,
    rank: u32,
}

impl Iterator for Spans<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        let key_end = end_of(self.bytes, start);
        let end = if self.has_values { end_of(self.bytes, key_end) } else { key_end };
        self.at = end;
        self.rank += 1;
        Some(Span { rank: self.rank - 1, start, key_end, end })
    }
}

/// Where the value that starts at `at` ends.
fn end_of(bytes: &[u8], at: usize) -> usize {
    cbor::skip_valid(bytes, at).expect("it was read before")
}
