//! Values that are nodes: opening one to write into it, and making bytes of others.

use bytes::Bytes;

use super::chunk::Chunk;
use super::{Keyed, LOOKED_AT, MOST_PACKED, OPEN, OPEN_SHARE, PLACE, Spot};
use crate::codec::cbor::Writer;
use crate::state::tree::Node;

impl Keyed {
    /// The value at a spot, to be written into.
    pub fn value_mut(&mut self, spot: Spot) -> &mut Node {
        if self.open_at(spot).is_none() {
            let span = self.chunk(spot.chunk).span_at(spot.rank, spot.start, self.has_values);
            let value = Bytes::copy_from_slice(self.chunk(spot.chunk).value(&span));
            self.set_value(spot, PLACE);
            self.put_open(spot.chunk, spot.rank, Node::Encoded(value));
            self.pack_others(spot.chunk);
        }
        self.open_at(spot).expect("it has just been opened")
    }

    /// The value at a spot, if it is open.
    pub fn open_at(&mut self, spot: Spot) -> Option<&mut Node> {
        let nodes = self.open.get_mut(&spot.chunk)?;
        let at = nodes.binary_search_by_key(&spot.rank, |(rank, _)| *rank).ok()?;
        Some(&mut nodes[at].1)
    }

    pub(super) fn put_open(&mut self, chunk: u32, rank: u32, node: Node) {
        let nodes = self.open.entry(chunk).or_default();
        let at = nodes.partition_point(|(other, _)| *other < rank);
        nodes.insert(at, (rank, node));
        self.open_values += 1;
        self.opened.push_back(chunk);
    }

    /// Gives up memory that is shared with others: packs what can be.
    pub fn compact(&mut self) {
        let mut open: Vec<u32> = self.open.keys().copied().collect();
        open.sort_unstable();
        for id in open {
            self.pack(id);
        }
        self.open.values_mut().flatten().for_each(|(_, node)| node.compact());
        self.opened = self.open.keys().copied().collect();
    }

    pub(super) fn keep_open(&mut self, id: u32, nodes: Vec<(u32, Node)>) {
        if !nodes.is_empty() {
            self.open.insert(id, nodes);
            self.opened.push_back(id);
        }
    }

    pub(super) fn take_open(&mut self, at: &Spot) -> Option<Node> {
        let nodes = self.open.get_mut(&at.chunk)?;
        let found = nodes.iter().position(|(rank, _)| *rank == at.rank).map(|at| nodes.remove(at).1);
        for (rank, _) in nodes.iter_mut() {
            *rank -= u32::from(*rank > at.rank);
        }
        self.open_values -= usize::from(found.is_some());
        if nodes.is_empty() {
            self.open.remove(&at.chunk);
        }
        found
    }

    /// Packs those of another chunk if many are open.
    pub(super) fn pack_others(&mut self, except: u32) {
        if self.opened.len() > 4 * self.open.len() + OPEN {
            let mut open: Vec<u32> = self.open.keys().copied().collect();
            open.sort_unstable();
            self.opened = open.into();
        }
        if self.open_values <= OPEN + self.order.len() / OPEN_SHARE {
            return;
        }
        for _ in 0..LOOKED_AT.min(self.opened.len()) {
            let Some(id) = self.opened.pop_front() else { return };
            let is_packed = id != except && self.pack(id);
            if self.open.contains_key(&id) {
                self.opened.push_back(id);
            }
            if is_packed {
                return;
            }
        }
    }

    /// Makes the open values of a chunk bytes again, but for large ones. Whether there were any others.
    pub(super) fn pack(&mut self, id: u32) -> bool {
        let Some(nodes) = self.open.remove(&id) else { return false };
        let is_light = |(_, node): &(u32, Node)| node.is_lighter(&mut MOST_PACKED.clone());
        let (light, large): (Vec<_>, Vec<_>) = nodes.into_iter().partition(is_light);
        if !large.is_empty() {
            self.open.insert(id, large);
        }
        if light.is_empty() {
            return false;
        }
        self.open_values -= light.len();
        self.last = None;
        let has_values = self.has_values;
        let chunk = &mut self.chunks[id as usize];
        let mut out = Writer::with_capacity(chunk.len());
        write_entries(chunk, has_values, &light, &mut out);
        chunk.set(out.finish());
        self.cut(id);
        true
    }
}

/// The entries of a chunk, with nodes in the place of what keeps theirs.
pub(super) fn write_entries(chunk: &Chunk, has_values: bool, nodes: &[(u32, Node)], out: &mut Writer) {
    let mut nodes = nodes.iter().peekable();
    for span in chunk.spans(has_values) {
        match nodes.next_if(|(rank, _)| *rank == span.rank) {
            Some((_, node)) => {
                out.raw(chunk.key(&span));
                node.write(out);
            }
            None => {
                out.raw(chunk.entry(&span));
            }
        }
    }
}
