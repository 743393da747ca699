//! Which entries are in which chunk, and in which chunk a key may be.
//!
//! As long as keys rise from each entry to the next, as those of counters and clocks do, a search by halves finds them, and there
//! is no index. The first that does not rise has one made.

use bytes::Bytes;

use super::chunk::Chunk;
use super::index::{Index, NARROW_CHUNKS, WIDE_CHUNKS};
use super::{CHUNK_BYTES, FEW_CHUNKS, Keyed, SMALL_ENTRY, SPACING, Spot};

impl Keyed {
    /// The chunk that takes another entry of so many bytes behind all others.
    pub(super) fn last_chunk(&mut self, size: usize) -> u32 {
        let Some(last) = self.order.last().copied() else { return self.new_chunk(0) };
        if self.chunk(last).has_room(size, self.chunk_bytes) {
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
        let Some(index) = &self.index else {
            return if self.rises { self.chunk_around(key).into_iter().collect() } else { self.order.clone() };
        };
        let mut found: Vec<u32> = index.chunks(index.hash(key)).collect();
        if found.len() > 1 {
            found.sort_unstable_by_key(|id| self.chunk(*id).place);
            found.dedup();
        }
        found
    }

    /// Of keys that rise, the chunk in which one is, or would be; none if it is before all of them.
    fn chunk_around(&self, key: &[u8]) -> Option<u32> {
        let behind = self.order.partition_point(|id| self.first_key(*id) <= key);
        self.order[..behind].last().copied()
    }

    fn first_key(&self, id: u32) -> &[u8] {
        let chunk = self.chunk(id);
        chunk.key(&chunk.span_at(0, 0, self.has_values))
    }

    /// Whether keys still rise with this one behind all others.
    pub(super) fn rises_to(&self, key: &[u8]) -> bool {
        self.order.last().and_then(|id| self.last_key(*id)).is_none_or(|last| last < key)
    }

    /// Whether keys still rise with this one at a spot, in the place of so many that are there.
    pub(super) fn would_rise(&self, at: Spot, replaced: u32, key: &[u8]) -> bool {
        let chunk = self.chunk(at.chunk);
        let (mut before, mut behind) = (None, None);
        for span in chunk.spans(self.has_values) {
            match span.rank {
                rank if rank < at.rank => before = Some(chunk.key(&span)),
                rank if rank < at.rank + replaced => {}
                _ => {
                    behind = Some(chunk.key(&span));
                    break;
                }
            }
        }
        if before.is_none() || behind.is_none() {
            let position = self.position(at.chunk);
            before = before.or_else(|| self.last_key(*self.order.get(position.checked_sub(1)?)?));
            behind = behind.or_else(|| self.order.get(position + 1).map(|id| self.first_key(*id)));
        }
        before.is_none_or(|before| before < key) && behind.is_none_or(|behind| key < behind)
    }

    fn last_key(&self, id: u32) -> Option<&[u8]> {
        let chunk = self.chunk(id);
        chunk.spans(self.has_values).last().map(|span| chunk.key(&span))
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
        if self.chunk(id).count < 2 || self.chunk(id).len() <= 2 * self.chunk_bytes {
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
        let Some(index) = self.index.as_mut().filter(|index| !index.is_beyond(id)) else { return self.index_anew() };
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
        } else if self.chunk(id).len() < self.chunk_bytes / 4 && at > 0 {
            let before = self.order[at - 1];
            if self.chunk(before).len() < self.chunk_bytes / 2 {
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

    /// Makes an index that there has to be and is not, or that has no slots for the chunks that there are.
    pub(super) fn index_anew(&mut self) {
        if self.index.is_some() || (!self.rises && self.order.len() > FEW_CHUNKS) {
            self.make_index(false);
        }
    }

    /// As [`Keyed::make_index`], but chunks are as the index wants them: spots are others then.
    pub(super) fn arrange(&mut self, unique: bool) -> Option<Bytes> {
        if !self.rises && self.order.len() > FEW_CHUNKS {
            self.index = None;
            self.fit_chunks();
        }
        self.make_index(unique)
    }

    /// Makes the index anew, if keys do not rise and there are enough chunks for one. A key that comes twice, if none may.
    pub(super) fn make_index(&mut self, unique: bool) -> Option<Bytes> {
        self.index = None;
        if self.rises {
            return None;
        }
        if self.order.len() <= FEW_CHUNKS {
            return if unique { self.twice_among_few() } else { None };
        }
        let slots = 16 + self.len + self.len / 5;
        // Where memory is differs from process to process: nobody can choose keys by it.
        let mut index = Index::with_slots(slots, self.chunks.len(), self.order.as_ptr() as u64);
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

    /// Makes chunks as large as the index wants them: of small entries so large that their numbers are short.
    fn fit_chunks(&mut self) {
        let bytes: usize = self.order.iter().map(|id| self.chunk(*id).len()).sum();
        let (wanted, most) = chunk_bytes(bytes, self.len);
        self.chunk_bytes = wanted;
        if 3 * bytes >= 2 * self.chunk_bytes * self.order.len() && self.chunks.len() <= most {
            return;
        }
        self.last = None;
        let mut old = std::mem::take(&mut self.chunks);
        let mut nodes = std::mem::take(&mut self.open);
        self.free.clear();
        self.opened.clear();
        for from in std::mem::take(&mut self.order) {
            let chunk = std::mem::replace(&mut old[from as usize], Chunk::new(0));
            let to = self.last_chunk(chunk.len());
            let before = self.chunk(to).count;
            self.chunks[to as usize].append(&chunk);
            for (rank, node) in nodes.remove(&from).into_iter().flatten() {
                self.open.entry(to).or_default().push((before + rank, node));
            }
        }
        self.opened = self.open.keys().copied().collect();
        self.opened.make_contiguous().sort_unstable();
        if let Some(last) = self.order.last() {
            self.chunks[*last as usize].shrink();
        }
        self.chunks.shrink_to_fit();
        self.order.shrink_to_fit();
    }

    pub(super) fn count_in(&self, id: u32, key: &[u8]) -> usize {
        let chunk = self.chunk(id);
        chunk.spans(self.has_values).filter(|span| chunk.has_key(span, key)).count()
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

/// What chunks of so many entries are to be filled up to, if an index is to find them, and how many there may be.
pub(super) fn chunk_bytes(bytes: usize, entries: usize) -> (usize, usize) {
    let (least, most) = match bytes / entries < SMALL_ENTRY {
        true => (2 * CHUNK_BYTES, NARROW_CHUNKS),
        false => (CHUNK_BYTES, WIDE_CHUNKS),
    };
    (least.max(bytes / (most * 3 / 4)), most)
}
