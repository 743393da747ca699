//! The items of an expanded array: in chunks, of which those that were not written into lately are bytes.
//!
//! Owns where an item is, and which chunks are open. A write opens the chunk that it goes into; once many are open, another
//! is packed for each that is opened. One law: packing changes how items are held, never what they are.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::StateError;
use super::tree::Node;
use crate::codec::cbor::{self, Writer};

/// A chunk has no more bytes, unless they are of one item, and no more items. Allocators have a size for it.
const CHUNK_BYTES: usize = 1024;
const CHUNK_ITEMS: usize = 256;
/// So many chunks may be open, and one more for each `OPEN_SHARE` that there are.
const OPEN: usize = 64;
const OPEN_SHARE: usize = 32;
/// So many chunks are looked at for one that can be packed.
const LOOKED_AT: usize = 64;
/// A chunk with more in it is not packed: that would cost what it holds, and not what was written.
const MOST_PACKED: usize = 8 * CHUNK_BYTES;
/// The place of the first item that an array gets: there is room for as many before it.
const MIDDLE: u64 = 1 << 40;

#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    chunks: VecDeque<Chunk>,
    len: usize,
    /// How many chunks from the front know the place of their first item.
    placed: usize,
    open: usize,
    /// Where the search for a chunk to pack goes on.
    hand: usize,
    /// How many bytes were copied out of the value that this was.
    copied: usize,
}

#[derive(Debug, Clone)]
struct Chunk {
    /// The place of its first item. It rises by one from each item to the next; where it begins has no meaning.
    start: u64,
    held: Held,
}

#[derive(Debug, Clone)]
enum Held {
    /// So many items one after the other, in memory of their own.
    Packed { bytes: Bytes, count: usize },
    /// About so many bytes.
    Open { nodes: Vec<Node>, bytes: usize },
}

impl Items {
    /// The items of an encoded array, in memory of their own.
    pub fn parse(value: &Bytes) -> Result<Items, StateError> {
        let mut items = Items::default();
        let mut children = cbor::children(value)?;
        let mut held = 0..0;
        let mut count = 0;
        while let Some(span) = children.next_known()? {
            if count == CHUNK_ITEMS || (count > 0 && span.end - held.start > CHUNK_BYTES) {
                items.push_packed(&value[held.clone()], count);
                count = 0;
            }
            held = if count == 0 { span } else { held.start..span.end };
            count += 1;
        }
        if count > 0 {
            items.push_packed(&value[held], count);
        }
        items.copied = value.len();
        Ok(items)
    }

    fn push_packed(&mut self, bytes: &[u8], count: usize) {
        let held = Held::Packed { bytes: Bytes::copy_from_slice(bytes), count };
        self.chunks.push_back(Chunk { start: MIDDLE + self.len as u64, held });
        self.len += count;
        self.placed += 1;
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut Node> {
        if index >= self.len {
            return None;
        }
        let (at, offset) = self.find(index);
        self.open(at).get_mut(offset)
    }

    /// Replaces `removed` items from `start`, which must be there. Returns what they were.
    pub fn replace(&mut self, start: usize, removed: usize, added: Vec<Node>) -> Vec<Node> {
        let (chunks, offset) = self.touched(start, removed);
        let begin = self.chunks.get(chunks.start).map_or(self.end(), |chunk| chunk.start);
        let end = chunks.clone().next_back().map_or(begin, |last| self.chunks[last].end());
        let (mut nodes, mut bytes) = self.taken(chunks.clone());
        bytes += added.iter().map(weight).sum::<usize>();
        self.len = self.len - removed + added.len();
        let old = nodes.splice(offset..offset + removed, added).collect();
        let count = nodes.len() as u64;
        let groups = grouped(nodes, bytes);
        let begin = if chunks.start == 0 { end - count } else { begin };
        let is_moved = chunks.start != 0 && begin + count != end;
        self.put(chunks, begin, groups, is_moved);
        self.pack_others(usize::MAX);
        old
    }

    /// Takes out every item from `start` on.
    pub fn split_off(&mut self, start: usize) -> Vec<Node> {
        self.replace(start, self.len - start, Vec::new())
    }

    /// Adds items at the end.
    pub fn extend(&mut self, added: Vec<Node>) {
        self.replace(self.len, 0, added);
    }

    pub fn encoded_len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.held.encoded_len()).sum()
    }

    pub fn write(&self, out: &mut Writer) {
        for chunk in &self.chunks {
            match &chunk.held {
                Held::Packed { bytes, .. } => {
                    out.raw(bytes);
                }
                Held::Open { nodes, .. } => nodes.iter().for_each(|node| node.write(out)),
            }
        }
    }

    /// Gives up memory that is shared with others.
    pub fn compact(&mut self) {
        for at in 0..self.chunks.len() {
            self.pack(at);
            if let Held::Open { nodes, .. } = &mut self.chunks[at].held {
                nodes.iter_mut().for_each(Node::compact);
            }
        }
    }

    /// How many bytes were copied out of what this was parsed from; asked again, none.
    pub fn take_copied(&mut self) -> usize {
        std::mem::take(&mut self.copied)
    }

    /// Takes what all items weigh from `left`; false once that is too much.
    pub fn is_lighter(&self, left: &mut usize) -> bool {
        self.chunks.iter().all(|chunk| chunk.held.is_lighter(left))
    }

    /// The place behind the last item, of which every chunk knows its own.
    fn end(&self) -> u64 {
        self.chunks.front().map_or(MIDDLE, |first| first.start) + self.len as u64
    }

    /// The chunks that a replacement goes through, and the rank of its start in the first of them.
    fn touched(&mut self, start: usize, removed: usize) -> (Range<usize>, usize) {
        let count = self.chunks.len();
        if start < self.len {
            let (first, offset) = self.find(start);
            let last = if removed == 0 { first } else { self.find(start + removed - 1).0 };
            return (first..last + 1, offset);
        }
        match self.chunks.back().map(|chunk| &chunk.held) {
            Some(Held::Open { nodes, bytes }) if *bytes < CHUNK_BYTES && nodes.len() < CHUNK_ITEMS => {
                let offset = nodes.len();
                self.find(start - 1);
                (count - 1..count, offset)
            }
            _ => (count..count, 0),
        }
    }

    /// The chunk of an item that is there, and its rank in it.
    fn find(&mut self, index: usize) -> (usize, usize) {
        let place = self.end() - (self.len - index) as u64;
        self.placed = self.placed.max(1);
        while self.placed < self.chunks.len() {
            let end = self.chunks[self.placed - 1].end();
            if end > place {
                break;
            }
            self.chunks[self.placed].start = end;
            self.placed += 1;
        }
        let (mut low, mut high) = (0, self.placed);
        while high - low > 1 {
            let middle = low.midpoint(high);
            match self.chunks[middle].start <= place {
                true => low = middle,
                false => high = middle,
            }
        }
        (low, (place - self.chunks[low].start) as usize)
    }

    /// The items of a chunk, to be written into.
    fn open(&mut self, at: usize) -> &mut Vec<Node> {
        if let Held::Packed { bytes, count } = &self.chunks[at].held {
            self.chunks[at].held = Held::Open { nodes: unpacked(bytes, *count), bytes: bytes.len() };
            self.open += 1;
            self.pack_others(at);
        }
        match &mut self.chunks[at].held {
            Held::Open { nodes, .. } => nodes,
            Held::Packed { .. } => unreachable!("it has just been opened"),
        }
    }

    /// All items of some chunks, which are left without any, and about how many bytes they are.
    fn taken(&mut self, chunks: Range<usize>) -> (Vec<Node>, usize) {
        let mut all = Vec::new();
        let mut total = 0;
        for chunk in self.chunks.range_mut(chunks) {
            let empty = Held::Packed { bytes: Bytes::new(), count: 0 };
            let nodes = match std::mem::replace(&mut chunk.held, empty) {
                Held::Packed { bytes, count } => {
                    total += bytes.len();
                    unpacked(&bytes, count)
                }
                Held::Open { nodes, bytes } => {
                    total += bytes;
                    self.open -= 1;
                    nodes
                }
            };
            if all.is_empty() { all = nodes } else { all.extend(nodes) }
        }
        (all, total)
    }

    /// Puts others in the place of some chunks. `is_moved`: those behind do not know their place any more.
    fn put(&mut self, old: Range<usize>, start: u64, groups: Vec<Held>, is_moved: bool) {
        let mut start = start;
        let chunks: Vec<_> = groups
            .into_iter()
            .map(|held| {
                let chunk = Chunk { start, held };
                self.open += usize::from(chunk.held.is_open());
                start = chunk.end();
                chunk
            })
            .collect();
        if self.placed >= old.end && !is_moved {
            self.placed = self.placed - old.len() + chunks.len();
        } else if self.placed >= old.start {
            self.placed = old.start + chunks.len();
        }
        if old.len() == chunks.len() {
            self.chunks.range_mut(old).zip(chunks).for_each(|(slot, chunk)| *slot = chunk);
        } else if old.start == 0 {
            self.chunks.drain(old);
            chunks.into_iter().rev().for_each(|chunk| self.chunks.push_front(chunk));
        } else {
            let behind = self.chunks.split_off(old.end);
            self.chunks.truncate(old.start);
            self.chunks.extend(chunks);
            self.chunks.extend(behind);
        }
    }

    /// Packs another chunk if many are open.
    fn pack_others(&mut self, except: usize) {
        if self.open <= OPEN + self.chunks.len() / OPEN_SHARE {
            return;
        }
        for _ in 0..LOOKED_AT.min(self.chunks.len()) {
            self.hand = (self.hand + 1) % self.chunks.len();
            if self.hand != except && self.pack(self.hand) {
                return;
            }
        }
    }

    /// Makes a chunk bytes again, unless it is, or there is too much in it.
    fn pack(&mut self, at: usize) -> bool {
        let chunk = &mut self.chunks[at];
        let packed = chunk.held.packed();
        let is_packed = packed.is_some();
        if let Some(packed) = packed {
            chunk.held = packed;
            self.open -= 1;
        }
        is_packed
    }
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Held::Packed { count, .. } => *count,
            Held::Open { nodes, .. } => nodes.len(),
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Held::Packed { bytes, .. } => bytes.len(),
            Held::Open { nodes, .. } => nodes.iter().map(Node::encoded_len).sum(),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Held::Open { .. })
    }

    fn is_lighter(&self, left: &mut usize) -> bool {
        match self {
            Held::Packed { bytes, .. } => take_from(left, bytes.len()),
            Held::Open { nodes, .. } => nodes.iter().all(|node| node.is_lighter(left)),
        }
    }

    /// The same as bytes; none if it is so already, or if there is too much in it.
    fn packed(&self) -> Option<Held> {
        let Held::Open { nodes, .. } = self else { return None };
        if !self.is_lighter(&mut MOST_PACKED.clone()) {
            return None;
        }
        let mut out = Writer::with_capacity(self.encoded_len());
        nodes.iter().for_each(|node| node.write(&mut out));
        Some(Held::Packed { bytes: out.finish(), count: nodes.len() })
    }
}

/// Takes from a budget; false, and nothing is left of it, if there is not enough.
pub(super) fn take_from(left: &mut usize, weight: usize) -> bool {
    let is_enough = *left >= weight;
    *left = left.saturating_sub(weight);
    is_enough
}

/// About how many bytes it takes, without looking into it.
fn weight(node: &Node) -> usize {
    match node {
        Node::Encoded(bytes) => bytes.len(),
        Node::Expanded(_) => CHUNK_BYTES,
    }
}

fn unpacked(bytes: &Bytes, count: usize) -> Vec<Node> {
    let mut nodes = Vec::with_capacity(count);
    nodes.extend(cbor::items(bytes).map(Node::Encoded));
    nodes
}

/// Items as chunks; what are many is packed at once.
fn grouped(nodes: Vec<Node>, bytes: usize) -> Vec<Held> {
    if nodes.is_empty() {
        return Vec::new();
    }
    if nodes.len() <= CHUNK_ITEMS && bytes <= 2 * CHUNK_BYTES {
        return vec![Held::Open { nodes, bytes }];
    }
    let mut groups = Vec::new();
    let mut group = Vec::new();
    let mut held = 0;
    let mut rest = nodes.into_iter().peekable();
    while let Some(node) = rest.next() {
        held += weight(&node);
        group.push(node);
        let is_full = rest.peek().is_none_or(|next| held + weight(next) > CHUNK_BYTES);
        if is_full || group.len() == CHUNK_ITEMS {
            let open = Held::Open { nodes: std::mem::take(&mut group), bytes: std::mem::take(&mut held) };
            let packed = if rest.peek().is_some() { open.packed() } else { None };
            groups.push(packed.unwrap_or(open));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(value: u16) -> Node {
        let mut out = Writer::new();
        out.number(f64::from(value));
        Node::Encoded(out.finish())
    }

    fn values(nodes: &[Node]) -> Vec<Bytes> {
        nodes.iter().map(Node::encode).collect()
    }

    fn encoded(items: &Items) -> Vec<Bytes> {
        let mut out = Writer::new();
        items.write(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), items.encoded_len());
        cbor::items(&bytes).collect()
    }

    proptest! {
        /// However they are held, the items are those of a plain list that went through the same.
        #[test]
        fn items_are_those_of_a_list(
            count in 0usize..3000,
            steps in prop::collection::vec((0usize..4000, 0usize..400, 0usize..400, 0u16..1000, 0u8..5), 1..60),
        ) {
            let mut list: Vec<Node> = (0..count).map(|i| node(i as u16)).collect();
            let mut out = Writer::new();
            out.array(count);
            list.iter().for_each(|node| node.write(&mut out));
            let mut items = Items::parse(&out.finish()).unwrap();
            for (start, removed, added, value, kind) in steps {
                let start = if kind == 0 { 0 } else { start.min(list.len()) };
                let removed = if kind < 3 { removed.min(list.len() - start) } else { 0 };
                let added: Vec<Node> = (0..if kind == 4 { 1 } else { added }).map(|i| node(value + i as u16)).collect();
                let start = if kind == 4 { list.len() } else { start };
                let old = items.replace(start, removed, added.clone());
                prop_assert_eq!(values(&old), values(&list.splice(start..start + removed, added).collect::<Vec<_>>()));
                prop_assert_eq!(items.len(), list.len());
                let at = value as usize * 7 % (list.len() + 1);
                prop_assert_eq!(items.get_mut(at).map(|node| node.encode()), list.get(at).map(Node::encode));
                if let (Some(mine), Some(other)) = (items.get_mut(at), list.get_mut(at)) {
                    *mine = node(value);
                    *other = node(value);
                }
                if value % 16 == 0 {
                    items.compact();
                }
            }
            prop_assert_eq!(encoded(&items), values(&list));
        }
    }

    #[test]
    fn writes_all_over_a_long_array_leave_most_of_it_packed() {
        let mut out = Writer::new();
        out.array(100_000);
        for i in 0..100_000 {
            out.text(&format!("a text of some twenty bytes {i}"));
        }
        let mut items = Items::parse(&out.finish()).unwrap();
        for i in 0..20_000 {
            *items.get_mut(i * 7_919 % 100_000).unwrap() = node(i as u16);
        }
        assert_eq!(items.open, items.chunks.iter().filter(|chunk| chunk.held.is_open()).count());
        assert!(items.open <= OPEN + 1 + items.chunks.len() / OPEN_SHARE, "{} of {}", items.open, items.chunks.len());
    }
}
