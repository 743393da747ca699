//! Which entries are in which chunk, and in which chunk a key may be.

use bytes::Bytes;

use super::chunk::Chunk;
use super::index::{Index, MOST_CHUNKS};
use super::{CHUNK_BYTES, CHUNK_ENTRIES, FEW_CHUNKS, Keyed, SPACING, Spot};

impl Keyed {
    /// The chunk that takes another entry of so many bytes behind all others.
    pub(super) fn last_chunk(&mut self, size: usize) -> u32 {
        let Some(last) = self.order.last().copied() else { return self.new_chunk(0) };
        if self.chunk(last).has_room(size) {
            return last;
        }
        self.chunks[last as usize].shrink();
        self.new_chunk(self.order.len())
    }

    pub(super) fn make_room(&mut self) {
        if self.index.as_ref().is_some_and(Index::is_full) {
            self.make_index(false);
        }
    }

    /// The chunks in which there may be entries with a key, in order, each once.
    pub(super) fn candidates(&self, key: &[u8]) -> Vec<u32> {
        let Some(index) = &self.index else { return self.order.clone() };
        let mut found: Vec<u32> = index.chunks(index.hash(key)).collect();
        if found.len() > 1 {
            found.sort_unstable_by_key(|id| self.chunk(*id).place);
            found.dedup();
        }
        found
    }

    /// An empty chunk at a position in the order.
    pub(super) fn new_chunk(&mut self, at: usize) -> u32 {
        let place = self.place_at(at);
        let chunk = Chunk::new(place);
        let id = match self.free.pop() {
            Some(id) => {
                self.chunks[id as usize] = chunk;
                id
            }
            None => {
                self.chunks.push(chunk);
                self.chunks.len() as u32 - 1
            }
        };
        assert!(id < MOST_CHUNKS, "memory holds fewer chunks than there are numbers for them");
        self.order.insert(at, id);
        id
    }

    /// A free place for a chunk at a position in the order.
    pub(super) fn place_at(&mut self, at: usize) -> u64 {
        let place = |keyed: &Keyed, at: usize| keyed.order.get(at).map(|id| keyed.chunk(*id).place);
        let before = |keyed: &Keyed| at.checked_sub(1).and_then(|at| place(keyed, at)).unwrap_or(0);
        let Some(next) = place(self, at) else { return before(self) + SPACING };
        if next - before(self) > 1 {
            return before(self) + (next - before(self)) / 2;
        }
        for (rank, id) in self.order.iter().enumerate() {
            self.chunks[*id as usize].place = (rank as u64 + 1) * SPACING;
        }
        before(self) + SPACING / 2
    }

    pub(super) fn position(&self, id: u32) -> usize {
        let place = self.chunk(id).place;
        self.order.partition_point(|other| self.chunk(*other).place < place)
    }

    /// The entry at a spot, or the first one behind it.
    pub(super) fn spot_from(&self, at: Spot) -> Option<Spot> {
        if at.rank < self.chunk(at.chunk).count {
            return Some(at);
        }
        let next = self.order.get(self.position(at.chunk) + 1)?;
        Some(Spot { chunk: *next, rank: 0, start: 0 })
    }

    /// Cuts a chunk in two if it has too much.
    pub(super) fn cut(&mut self, id: u32) {
        if !self.chunk(id).is_large() {
            return;
        }
        let behind = self.new_chunk(self.position(id) + 1);
        let middle = self.chunk(id).middle(self.has_values);
        let tail = self.chunks[id as usize].split_off(&middle);
        self.chunks[id as usize].shrink();
        self.chunks[behind as usize].fill(tail);
        let nodes = self.open.remove(&id).unwrap_or_default();
        let (kept, moved): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|(rank, _)| *rank < middle.rank);
        self.keep_open(id, kept);
        self.keep_open(behind, moved.into_iter().map(|(rank, node)| (rank - middle.rank, node)).collect());
        self.moved(behind, id);
    }

    /// Every entry of a chunk was in another one before.
    pub(super) fn moved(&mut self, id: u32, from: u32) {
        self.last = None;
        let Some(index) = &mut self.index else { return };
        let chunk = &self.chunks[id as usize];
        for span in chunk.spans(self.has_values) {
            let hash = index.hash(chunk.key(&span));
            index.remove(hash, from);
            index.add(hash, id);
        }
        if index.is_full() {
            self.make_index(false);
        }
    }

    /// Takes away a chunk without entries, or puts one with few to its neighbour. Returns where what was at `spot` is then.
    pub(super) fn tidy(&mut self, id: u32, spot: Option<Spot>) -> Option<Spot> {
        let at = self.position(id);
        if self.chunk(id).count == 0 {
            self.order.remove(at);
            self.drop_chunk(id);
        } else if self.chunk(id).len() < CHUNK_BYTES / 4 && at > 0 {
            let before = self.order[at - 1];
            if self.chunk(before).len() < CHUNK_BYTES / 2 && self.chunk(before).count < CHUNK_ENTRIES / 2 {
                return self.merge(before, at, spot);
            }
        }
        if self.index.as_ref().is_some_and(|index| index.is_wide(self.len)) {
            self.make_index(false);
        }
        spot
    }

    /// Puts the chunk at a position to the one before it.
    pub(super) fn merge(&mut self, before: u32, at: usize, spot: Option<Spot>) -> Option<Spot> {
        let id = self.order.remove(at);
        let chunk = std::mem::replace(&mut self.chunks[id as usize], Chunk::new(0));
        let (ranks, bytes) = (self.chunk(before).count, self.chunk(before).len());
        let nodes = self.open.remove(&id).unwrap_or_default();
        let moved = nodes.into_iter().map(|(rank, node)| (rank + ranks, node));
        let mut kept = self.open.remove(&before).unwrap_or_default();
        kept.extend(moved);
        self.keep_open(before, kept);
        if let Some(index) = &mut self.index {
            for span in chunk.spans(self.has_values) {
                let hash = index.hash(chunk.key(&span));
                index.remove(hash, id);
                index.add(hash, before);
            }
        }
        self.chunks[before as usize].append(&chunk);
        self.drop_chunk(id);
        self.last = None;
        spot.map(|spot| match spot.chunk == id {
            true => Spot { chunk: before, rank: spot.rank + ranks, start: spot.start + bytes },
            false => spot,
        })
    }

    pub(super) fn drop_chunk(&mut self, id: u32) {
        self.chunks[id as usize] = Chunk::new(0);
        self.free.push(id);
        self.last = None;
    }

    /// Makes the index anew, if there are enough chunks for one. A key that comes twice, if none may.
    pub(super) fn make_index(&mut self, unique: bool) -> Option<Bytes> {
        let is_grown = self.index.take().is_some();
        if self.order.len() <= FEW_CHUNKS {
            return if unique { self.twice_among_few() } else { None };
        }
        let slots = 16 + self.len + if is_grown { self.len / 2 } else { self.len / 4 };
        // Where memory is differs from process to process: nobody can choose keys by it.
        let mut index = Index::with_slots(slots, self.order.as_ptr() as u64);
        for id in &self.order {
            let chunk = self.chunk(*id);
            for span in chunk.spans(self.has_values) {
                let key = chunk.key(&span);
                let hash = index.hash(key);
                if unique && index.chunks(hash).any(|other| self.count_in(other, key) > usize::from(other == *id)) {
                    return Some(Bytes::copy_from_slice(key));
                }
                index.add(hash, *id);
            }
        }
        self.index = Some(index);
        None
    }

    pub(super) fn count_in(&self, id: u32, key: &[u8]) -> usize {
        let chunk = self.chunk(id);
        chunk.spans(self.has_values).filter(|span| chunk.key(span) == key).count()
    }

    pub(super) fn twice_among_few(&self) -> Option<Bytes> {
        let mut keys: Vec<&[u8]> = Vec::with_capacity(self.len);
        for id in &self.order {
            let chunk = self.chunk(*id);
            keys.extend(chunk.spans(self.has_values).map(|span| chunk.key(&span)));
        }
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| Bytes::copy_from_slice(pair[0]))
    }
}
