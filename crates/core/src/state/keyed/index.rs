//! Which chunk the entry with a key is in: four to five bytes for each entry, and no keys.
//!
//! A table of chunk numbers, open to the next free slot, with a few bits of each key's hash: what it finds is to be looked at.
//! Hashes are seeded by the owner, so that keys chosen by somebody else cannot be made to meet.

use std::hash::{DefaultHasher, Hasher};

/// A slot: the number of a chunk, and above it bits of the hash.
const NUMBER_BITS: u32 = 26;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
/// No chunk has these numbers.
const EMPTY: u32 = u32::MAX;
const REMOVED: u32 = u32::MAX - 1;
/// The chunks of one container have numbers below.
pub const MOST_CHUNKS: u32 = NUMBER - 1;

#[derive(Debug, Clone)]
pub struct Index {
    seed: u64,
    slots: Vec<u32>,
    /// Slots that are not empty.
    used: usize,
}

impl Index {
    /// With so many slots, of which seven in eight can be used.
    pub fn with_slots(count: usize, seed: u64) -> Index {
        Index { seed, slots: vec![EMPTY; count], used: 0 }
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        4 * self.slots.capacity()
    }

    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(key);
        hasher.finish()
    }

    /// Whether it has to be made anew before another entry is added.
    pub fn is_full(&self) -> bool {
        self.used * 8 >= self.slots.len() * 7
    }

    /// Whether it has far more room than so many entries need.
    pub fn is_wide(&self, entries: usize) -> bool {
        self.slots.len() > 64 + entries * 4
    }

    pub fn add(&mut self, hash: u64, chunk: u32) {
        let mut at = self.home(hash);
        while self.slots[at] < REMOVED {
            at = self.next(at);
        }
        self.used += usize::from(self.slots[at] == EMPTY);
        self.slots[at] = tagged(hash, chunk);
    }

    /// Forgets one entry of a chunk.
    pub fn remove(&mut self, hash: u64, chunk: u32) {
        let wanted = tagged(hash, chunk);
        let mut at = self.home(hash);
        while self.slots[at] != wanted {
            if self.slots[at] == EMPTY {
                return;
            }
            at = self.next(at);
        }
        self.slots[at] = REMOVED;
    }

    /// The chunks that may hold an entry with such a hash, as often as there are entries.
    pub fn chunks(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bits = tagged(hash, 0);
        let mut at = self.home(hash);
        std::iter::from_fn(move || {
            loop {
                let slot = self.slots[at];
                if slot == EMPTY {
                    return None;
                }
                at = self.next(at);
                if slot != REMOVED && slot & !NUMBER == bits {
                    return Some(slot & NUMBER);
                }
            }
        })
    }

    fn home(&self, hash: u64) -> usize {
        (((hash & u64::from(u32::MAX)) * self.slots.len() as u64) >> 32) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }
}

fn tagged(hash: u64, chunk: u32) -> u32 {
    ((hash >> 32) as u32) << NUMBER_BITS | chunk
}
