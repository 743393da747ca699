//! Which chunk the entry with a key is in: two to three bytes for a slot, and no keys.
//!
//! A table of chunk numbers, open to the next free slot, with a few bits of each key's hash: what it finds is to be looked at.
//! Hashes are seeded by the owner, so that keys chosen by somebody else cannot be made to meet.

use std::hash::{DefaultHasher, Hasher};

/// Bits of a slot of a narrow table, and of a wide one.
const NARROW: u32 = 16;
const WIDE: u32 = 24;

/// With so many chunks, a narrow table has room for as many more, and for two bits of each hash.
pub const NARROW_CHUNKS: usize = 8_000;
/// With so many, a wide one has room for as many more, and for three bits of each hash.
pub const WIDE_CHUNKS: usize = 1_000_000;

#[derive(Debug, Clone)]
pub struct Index {
    seed: u64,
    /// Each the number of a chunk, and above it bits of the hash.
    slots: Slots,
    /// The low bits of a slot, which are the number.
    number: u32,
    /// How many of them there are.
    number_bits: u32,
    /// What a slot has that nothing was put into; one less is what it has when something was taken out. No chunk has these numbers.
    empty: u32,
    /// Slots that are not empty.
    used: usize,
}

/// Numbers that take no more bytes than they need.
#[derive(Debug, Clone)]
enum Slots {
    Narrow(Vec<u16>),
    Wide(Vec<[u8; 3]>),
}

impl Index {
    /// With so many slots, of which seven in eight can be used, for so many chunks and as many again.
    pub fn with_slots(count: usize, chunks: usize, seed: u64) -> Index {
        let (slots, bits) = match chunks <= NARROW_CHUNKS {
            true => (Slots::Narrow(vec![u16::MAX; count]), NARROW),
            false => (Slots::Wide(vec![[u8::MAX; 3]; count]), WIDE),
        };
        let number_bits = (2 * chunks + 2).ilog2() + 1;
        let empty = if bits == NARROW { u32::from(u16::MAX) } else { (1 << WIDE) - 1 };
        Index { seed, slots, number: (1 << number_bits) - 1, number_bits, empty, used: 0 }
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        match &self.slots {
            Slots::Narrow(slots) => 2 * slots.capacity(),
            Slots::Wide(slots) => 3 * slots.capacity(),
        }
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

    /// Whether there is no slot for a chunk with this number.
    pub fn is_beyond(&self, chunk: u32) -> bool {
        chunk > self.number - 2
    }

    pub fn add(&mut self, hash: u64, chunk: u32) {
        let mut at = self.home(hash);
        while self.slots.at(at) < self.empty - 1 {
            at = self.next(at);
        }
        self.used += usize::from(self.slots.at(at) == self.empty);
        let slot = self.tagged(hash, chunk);
        self.slots.put(at, slot);
    }

    /// Forgets one entry of a chunk.
    pub fn remove(&mut self, hash: u64, chunk: u32) {
        let wanted = self.tagged(hash, chunk);
        let mut at = self.home(hash);
        while self.slots.at(at) != wanted {
            if self.slots.at(at) == self.empty {
                return;
            }
            at = self.next(at);
        }
        self.slots.put(at, self.empty - 1);
    }

    /// The chunks that may hold an entry with such a hash, as often as there are entries.
    pub fn chunks(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bits = self.tagged(hash, 0);
        let mut at = self.home(hash);
        std::iter::from_fn(move || {
            loop {
                let slot = self.slots.at(at);
                if slot == self.empty {
                    return None;
                }
                at = self.next(at);
                if slot != self.empty - 1 && slot & !self.number == bits {
                    return Some(slot & self.number);
                }
            }
        })
    }

    fn tagged(&self, hash: u64, chunk: u32) -> u32 {
        (((hash >> 32) as u32) << self.number_bits | chunk) & self.empty
    }

    fn home(&self, hash: u64) -> usize {
        (((hash & u64::from(u32::MAX)) * self.slots.len() as u64) >> 32) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }
}

impl Slots {
    fn len(&self) -> usize {
        match self {
            Slots::Narrow(slots) => slots.len(),
            Slots::Wide(slots) => slots.len(),
        }
    }

    fn at(&self, at: usize) -> u32 {
        match self {
            Slots::Narrow(slots) => u32::from(slots[at]),
            Slots::Wide(slots) => u32::from_le_bytes([slots[at][0], slots[at][1], slots[at][2], 0]),
        }
    }

    fn put(&mut self, at: usize, slot: u32) {
        match self {
            Slots::Narrow(slots) => slots[at] = slot as u16,
            Slots::Wide(slots) => slots[at].copy_from_slice(&slot.to_le_bytes()[..3]),
        }
    }
}
