//! Cutting a stream into chunks, so that what did not change gives the same chunks again.
//!
//! A cut comes after an item whose checksum says so, or when a chunk would be too large: where the stream is the same, it is
//! cut in the same places soon after any difference.

use std::collections::HashMap;

use bytes::Bytes;

use super::{CHECKSUM_BYTES, chunk};
use crate::codec::cbor;

/// The most bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// A chunk is cut at a chance only when it has so many.
pub(super) const CHUNK_LEAST: usize = 16 << 10;
/// One item of so many ends a chunk; a power of two.
const CUT_EVERY: u32 = 16;
/// A value of at most so many bytes is one item.
const ITEM_BYTES: usize = 1 << 10;

/// Where the items of an encoded value end, from `start` on: subtrees, and what is between them.
pub(super) fn items(value: &Bytes, start: usize, ends: &mut Vec<usize>) {
    let end = start + value.len();
    if value.len() > ITEM_BYTES
        && let Ok(children) = cbor::children(value)
    {
        for child in children.map_while(Result::ok) {
            let from = child.as_ptr() as usize - value.as_ptr() as usize;
            items(&child, start + from, ends);
        }
    }
    let mut last = ends.last().copied().unwrap_or(0).max(start);
    while end - last > CHUNK_BYTES {
        last += CHUNK_BYTES;
        ends.push(last);
    }
    if ends.last() != Some(&end) {
        ends.push(end);
    }
}

/// The chunks that are there already, by their content.
pub(super) struct Known<'a> {
    by_content: HashMap<&'a [u8], u64>,
    next: u64,
}

/// A stream in chunks: the number of each, and the rows of those that are new.
#[derive(Default)]
pub(super) struct Cut {
    pub numbers: Vec<u64>,
    pub new: Vec<(u64, Bytes)>,
}

impl<'a> Known<'a> {
    /// `chunks` have been read, and are sound; new ones are numbered from `next`.
    pub fn new(chunks: &'a [(u64, Bytes)], next: u64) -> Known<'a> {
        let content =
            |(number, row): &'a (u64, Bytes)| Some((row.get(2..row.len().checked_sub(CHECKSUM_BYTES)?)?, *number));
        Known { by_content: chunks.iter().filter_map(content).collect(), next }
    }

    pub fn cut(&mut self, stream: &[u8], ends: &[usize]) -> Cut {
        let mut cut = Cut::default();
        let (mut from, mut last) = (0, 0);
        for &end in ends {
            if end - from > CHUNK_BYTES && last > from {
                self.add(&stream[from..last], &mut cut);
                from = last;
            }
            let is_cut = crc32c::crc32c(&stream[last..end]).is_multiple_of(CUT_EVERY) && end - from >= CHUNK_LEAST;
            if is_cut {
                self.add(&stream[from..end], &mut cut);
                from = end;
            }
            last = end;
        }
        if last > from {
            self.add(&stream[from..last], &mut cut);
        }
        cut
    }

    fn add(&mut self, content: &[u8], cut: &mut Cut) {
        let number = self.by_content.get(content).copied().unwrap_or_else(|| {
            let number = self.next;
            self.next += 1;
            cut.new.push((number, chunk(number, content)));
            number
        });
        cut.numbers.push(number);
    }
}
