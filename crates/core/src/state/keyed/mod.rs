//! Keys with their values, or keys alone, in an order: in chunks of bytes, with what was written into lately beside them.
//!
//! Owns where a key is. A value that is to be written into is opened: it becomes a node, and one byte keeps its place in the
//! chunk. Once many are open, those of another chunk are packed for each that is opened; what is large stays open. One law:
//! packing changes how values are held, never what they are.

mod chunk;
mod index;
mod layout;
mod open;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use self::chunk::Chunk;
use self::index::Index;
use self::layout::chunk_bytes;
use self::open::write_entries;
use super::items::take_from;
use super::tree::Node;
use crate::codec::cbor::{UNDEFINED, Writer};

/// A chunk is filled up to so many bytes, or more if the index wants it, unless they are of one entry, and cut in two when it
/// has twice as many.
const CHUNK_BYTES: usize = 1024;
/// Entries that are smaller than this on average have chunks of which there are few.
const SMALL_ENTRY: usize = 24;
/// Up to so many chunks are looked through, and have no index.
const FEW_CHUNKS: usize = 2;
/// So many values may be open, and one more for each `OPEN_SHARE` chunks that there are.
const OPEN: usize = 64;
const OPEN_SHARE: usize = 32;
/// So many chunks are looked at for one that can be packed.
const LOOKED_AT: usize = 16;
/// A value with more in it stays open: to pack it would cost what it holds, and not what was written.
const MOST_PACKED: usize = 4 * CHUNK_BYTES;
/// What keeps the place of a value that is open.
const PLACE: &[u8] = UNDEFINED;
/// Between the places of two chunks that were added one after the other.
const SPACING: u64 = 1 << 20;

/// Entries by key. Several may have the same one: they are told apart by their rank among themselves, as *twins*.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    has_values: bool,
    /// By number, which a chunk keeps. Numbers of chunks that are gone are in `free`.
    chunks: Vec<Chunk>,
    free: Vec<u32>,
    /// Numbers of chunks in the order of their entries, which is that of their places.
    order: Vec<u32>,
    /// What a chunk is filled up to.
    chunk_bytes: usize,
    len: usize,
    /// Whether each key is greater, byte by byte, than the one before it.
    rises: bool,
    /// None while keys rise, and for a few chunks.
    index: Option<Index>,
    /// The key that was loaded last; empty before and after.
    loaded: Vec<u8>,
    /// How many entries are to be loaded, and about how many bytes.
    expected: (usize, usize),
    /// Values that are nodes: of each chunk that has some, with their ranks in it.
    open: HashMap<u32, Vec<(u32, Node)>, FxBuildHasher>,
    /// The same chunks, those opened first in front. Some are there that are packed, and some twice.
    opened: VecDeque<u32>,
    open_values: usize,
    /// How many bytes were copied out of the value that this was.
    copied: usize,
    /// Where the key is that was looked for last, if there is one.
    last: Option<(Bytes, Option<Spot>)>,
}

/// Where an entry is, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    chunk: u32,
    rank: u32,
    /// Its first byte.
    start: usize,
}

impl Keyed {
    pub fn new(has_values: bool) -> Keyed {
        Keyed {
            has_values,
            chunks: Vec::new(),
            free: Vec::new(),
            order: Vec::new(),
            chunk_bytes: CHUNK_BYTES,
            len: 0,
            rises: true,
            index: None,
            loaded: Vec::new(),
            expected: (0, 0),
            open: HashMap::default(),
            opened: VecDeque::new(),
            open_values: 0,
            copied: 0,
            last: None,
        }
    }

    /// About so many entries, which take so many bytes, are about to be loaded.
    pub fn expect(&mut self, entries: usize, bytes: usize) {
        self.expected = (entries, bytes);
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry behind the last one; both parts are CBOR, the value is that part of `whole`. To be followed, once all are
    /// there, by [`Keyed::finish`].
    pub fn load(&mut self, key: &[u8], whole: &Bytes, value: Range<usize>) {
        if self.rises && self.loaded.as_slice() >= key {
            self.rises = false;
            self.chunk_bytes = chunk_bytes(self.expected.1, self.expected.0.max(1)).0;
        }
        self.loaded.clear();
        self.loaded.extend_from_slice(key);
        let is_large = value.len() > MOST_PACKED;
        let held = if is_large { PLACE } else { &whole[value.clone()] };
        let id = self.last_chunk(key.len() + held.len());
        let rank = self.chunk(id).count;
        self.chunks[id as usize].push(key, held);
        self.copied += key.len() + held.len();
        self.len += 1;
        if is_large {
            self.put_open(id, rank, Node::Encoded(whole.slice(value)));
        }
    }

    /// Makes what finds keys. A key that comes twice, if there is one and none may.
    pub fn finish(&mut self, unique: bool) -> Option<Bytes> {
        if let Some(last) = self.order.last() {
            self.chunks[*last as usize].shrink();
        }
        self.chunks.shrink_to_fit();
        self.order.shrink_to_fit();
        self.loaded = Vec::new();
        self.arrange(unique)
    }

    /// The spot of an entry; none if there are not so many twins.
    pub fn find(&mut self, key: &[u8], twin: u32) -> Option<Spot> {
        if let Some((_, spot)) = self.last.as_ref().filter(|(last, _)| twin == 0 && last == key) {
            return *spot;
        }
        let mut left = twin;
        for id in self.candidates(key) {
            for span in self.chunk(id).spans(self.has_values) {
                if !self.chunk(id).has_key(&span, key) {
                    continue;
                }
                if left == 0 {
                    let spot = Spot { chunk: id, rank: span.rank, start: span.start };
                    if twin == 0 {
                        self.last = Some((Bytes::copy_from_slice(key), Some(spot)));
                    }
                    return Some(spot);
                }
                left -= 1;
            }
        }
        if twin == 0 {
            self.last = Some((Bytes::copy_from_slice(key), None));
        }
        None
    }

    /// How many entries have this key; of those before a spot, if one is given.
    pub fn twins(&mut self, key: &[u8], before: Option<Spot>) -> u32 {
        if is_alone(key) {
            return if before.is_some() { 0 } else { u32::from(self.find(key, 0).is_some()) };
        }
        let mut count = 0;
        for id in self.candidates(key) {
            for span in self.chunk(id).spans(self.has_values) {
                let is_before = before.is_none_or(|spot| match spot.chunk == id {
                    true => span.rank < spot.rank,
                    false => self.chunk(id).place < self.chunk(spot.chunk).place,
                });
                count += u32::from(is_before && self.chunk(id).has_key(&span, key));
            }
        }
        count
    }

    /// Puts another value at a spot. Returns the one that was there.
    pub fn replace(&mut self, spot: Spot, node: Node) -> Node {
        if let Some(open) = self.open_at(spot) {
            return std::mem::replace(open, node);
        }
        let Node::Encoded(bytes) = &node else { return std::mem::replace(self.value_mut(spot), node) };
        if bytes.len() > MOST_PACKED {
            return std::mem::replace(self.value_mut(spot), node);
        }
        let span = self.chunk(spot.chunk).span_at(spot.rank, spot.start, self.has_values);
        let old = Bytes::copy_from_slice(self.chunk(spot.chunk).value(&span));
        self.set_value(spot, bytes);
        self.cut(spot.chunk);
        Node::Encoded(old)
    }

    fn set_value(&mut self, spot: Spot, value: &[u8]) {
        let chunk = &mut self.chunks[spot.chunk as usize];
        chunk.set_value(&chunk.span_at(spot.rank, spot.start, self.has_values), value);
        // What stands behind it begins elsewhere now.
        self.last.take_if(|(_, last)| last.is_some_and(|last| last.chunk == spot.chunk && last.start > spot.start));
    }

    /// Adds an entry behind the last one.
    pub fn push(&mut self, key: &[u8], node: Node) {
        if self.rises && !self.rises_to(key) {
            self.rises = false;
            self.arrange(false);
        } else if self.index.as_ref().is_some_and(Index::is_full) {
            self.arrange(false);
        }
        let id = self.last_chunk(key.len() + 1);
        let chunk = self.chunk(id);
        self.put(Spot { chunk: id, rank: chunk.count, start: chunk.len() }, key, node);
    }

    /// Adds an entry before the one at a spot, or behind the last one of its chunk.
    pub fn insert(&mut self, at: Spot, key: &[u8], node: Node) {
        if self.rises && !self.would_rise(at, 0, key) {
            self.rises = false;
            self.make_index(false);
        }
        self.make_room();
        self.put(at, key, node);
    }

    fn put(&mut self, at: Spot, key: &[u8], node: Node) {
        self.last = None;
        for (rank, _) in self.open.get_mut(&at.chunk).into_iter().flatten() {
            *rank += u32::from(*rank >= at.rank);
        }
        let chunk = &mut self.chunks[at.chunk as usize];
        if !self.has_values {
            chunk.insert(at.start, key, &[]);
        } else if node.is_lighter(&mut MOST_PACKED.clone()) {
            chunk.insert(at.start, key, &node.encode());
        } else {
            chunk.insert(at.start, key, PLACE);
            self.put_open(at.chunk, at.rank, node);
        }
        self.len += 1;
        match &mut self.index {
            Some(index) if !index.is_beyond(at.chunk) => index.add(index.hash(key), at.chunk),
            _ => self.index_anew(),
        }
        self.cut(at.chunk);
    }

    /// Takes an entry out. Returns its value, and the spot of what stood behind it; none if it was the last.
    pub fn remove(&mut self, at: Spot) -> (Node, Option<Spot>) {
        self.last = None;
        let span = self.chunk(at.chunk).span_at(at.rank, at.start, self.has_values);
        let key = Bytes::copy_from_slice(self.chunk(at.chunk).key(&span));
        let node = self.take_open(&at).unwrap_or_else(|| match self.has_values {
            true => Node::Encoded(Bytes::copy_from_slice(self.chunk(at.chunk).value(&span))),
            false => Node::undefined(),
        });
        self.chunks[at.chunk as usize].remove(&span);
        self.len -= 1;
        if let Some(index) = &mut self.index {
            index.remove(index.hash(&key), at.chunk);
        }
        let next = self.spot_from(at);
        (node, self.tidy(at.chunk, next))
    }

    /// Gives an entry another key in the same place. Returns its spot.
    pub fn rename(&mut self, at: Spot, key: &[u8]) -> Spot {
        self.last = None;
        if self.rises && !self.would_rise(at, 1, key) {
            self.rises = false;
            self.make_index(false);
        }
        self.make_room();
        let span = self.chunk(at.chunk).span_at(at.rank, at.start, self.has_values);
        let old = Bytes::copy_from_slice(self.chunk(at.chunk).key(&span));
        self.chunks[at.chunk as usize].rename(&span, key);
        if let Some(index) = &mut self.index {
            index.remove(index.hash(&old), at.chunk);
            index.add(index.hash(key), at.chunk);
        }
        at
    }

    /// The key at a spot.
    pub fn key_at(&self, at: Spot) -> Bytes {
        let chunk = self.chunk(at.chunk);
        Bytes::copy_from_slice(chunk.key(&chunk.span_at(at.rank, at.start, self.has_values)))
    }

    /// The spot of the first entry whose key is not before what is looked for; none if all are. The keys are in that order.
    pub fn search(&self, is_before: impl Fn(&[u8]) -> bool) -> Option<Spot> {
        let first = |id: &u32| {
            let chunk = self.chunk(*id);
            is_before(chunk.key(&chunk.span_at(0, 0, self.has_values)))
        };
        let from = self.order.partition_point(first).saturating_sub(1);
        self.order[from..].iter().take(2).find_map(|id| {
            let chunk = self.chunk(*id);
            let span = chunk.spans(self.has_values).find(|span| !is_before(chunk.key(span)))?;
            Some(Spot { chunk: *id, rank: span.rank, start: span.start })
        })
    }

    /// Every key, in order, with its value.
    pub fn into_pairs(mut self) -> Vec<(Bytes, Node)> {
        let mut pairs = Vec::with_capacity(self.len);
        for id in std::mem::take(&mut self.order) {
            let chunk = &self.chunks[id as usize];
            let mut nodes = self.open.remove(&id).unwrap_or_default().into_iter().peekable();
            for span in chunk.spans(self.has_values) {
                let node = match nodes.next_if(|(rank, _)| *rank == span.rank) {
                    Some((_, node)) => node,
                    None if self.has_values => Node::Encoded(Bytes::copy_from_slice(chunk.value(&span))),
                    None => Node::undefined(),
                };
                pairs.push((Bytes::copy_from_slice(chunk.key(&span)), node));
            }
        }
        pairs
    }

    /// How many bytes [`Keyed::write`] appends.
    pub fn encoded_len(&self) -> usize {
        let packed: usize = self.order.iter().map(|id| self.chunk(*id).len()).sum();
        let open: usize = self.open.values().flatten().map(|(_, node)| node.encoded_len()).sum();
        packed + open - self.open_values * PLACE.len()
    }

    /// How many bytes were copied out of what this was read from; asked again, none.
    pub fn take_copied(&mut self) -> usize {
        std::mem::take(&mut self.copied)
    }

    /// Keys and values in turn.
    pub fn write(&self, out: &mut Writer) {
        for id in &self.order {
            match self.open.get(id) {
                Some(nodes) => write_entries(self.chunk(*id), self.has_values, nodes, out),
                None => drop(out.raw(self.chunk(*id).bytes())),
            }
        }
    }

    /// Takes what all entries weigh from `left`; false once that is too much.
    pub fn is_lighter(&self, left: &mut usize) -> bool {
        self.order.iter().all(|id| take_from(left, self.chunk(*id).len()))
            && self.open.values().flatten().all(|(_, node)| node.is_lighter(left))
    }

    fn chunk(&self, id: u32) -> &Chunk {
        &self.chunks[id as usize]
    }
}

/// Whether a key has no twins: numbers and texts, which are equal if their bytes are.
fn is_alone(key: &[u8]) -> bool {
    matches!(key.first().map(|first| first >> 5), Some(0 | 1 | 3 | 7))
}

#[cfg(test)]
mod tests;
