//! The entries of an expanded Map, or the members of an expanded Set, in the order in which they were added.
//!
//! An entry is named by the bytes of its key and its rank among the entries with the same bytes: keys that are objects may be
//! equal in all but identity. The codec writes equal primitive keys with equal bytes, so that those are never twins.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::tree::Node;

/// Between the numbers of two entries that were added one after the other.
const SPACING: u64 = 1 << 20;

/// The rank of an entry that is added, whatever twins it has.
pub const NEXT: u32 = u32::MAX;

/// What a path calls an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// CBOR.
    pub key: Bytes,
    /// How many entries with these bytes stand before it; `NEXT` for one that is added after them all.
    pub twin: u32,
}

/// A Map or Set whose values are nodes. Members of a Set have no value of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    pub is_set: bool,
    /// By number, which rises in the order of the entries, with room between neighbours for one that comes back.
    slots: BTreeMap<u64, (Bytes, Node)>,
    /// Key and number of every entry.
    numbers: BTreeSet<(Bytes, u64)>,
}

/// An entry that was taken out.
#[derive(Debug, Clone)]
pub(super) struct RemovedEntry {
    pub node: Node,
    /// The entry that stood after it; none if it was the last.
    pub before: Option<EntryName>,
}

impl Entries {
    /// Entries in the order given; both maps are built in one go.
    pub fn from_pairs(is_set: bool, pairs: Vec<(Bytes, Node)>) -> Entries {
        let numbered = || (1..).map(|rank: u64| rank * SPACING);
        let mut numbers: Vec<_> =
            pairs.iter().zip(numbered()).map(|((key, _), number)| (key.clone(), number)).collect();
        numbers.sort_unstable();
        Entries { is_set, slots: numbered().zip(pairs).collect(), numbers: numbers.into_iter().collect() }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = &(Bytes, Node)> {
        self.slots.values()
    }

    /// The value of an entry; a member of a Set has none.
    pub fn get_mut(&mut self, name: &EntryName) -> Option<&mut Node> {
        let number = self.number(name).filter(|_| !self.is_set)?;
        self.slots.get_mut(&number).map(|(_, node)| node)
    }

    /// Adds an entry at the end, and returns its name; none if the name given is not the next of its key.
    pub fn push(&mut self, name: &EntryName, node: Node) -> Option<EntryName> {
        let twin = self.rank(&name.key, u64::MAX);
        if name.twin != twin && name.twin != NEXT {
            return None;
        }
        let number = self.last_number();
        self.put(number, name.key.clone(), node);
        Some(EntryName { key: name.key.clone(), twin })
    }

    pub fn remove(&mut self, name: &EntryName) -> Option<RemovedEntry> {
        let number = self.number(name)?;
        let (key, node) = self.slots.remove(&number)?;
        self.numbers.remove(&(key, number));
        let before = self.slots.range(number..).next().map(|(number, (key, _))| self.name(key, *number));
        Some(RemovedEntry { node, before })
    }

    /// Undoes an [`Entries::remove`].
    pub fn put_back(&mut self, key: Bytes, removed: RemovedEntry) {
        let number = match removed.before.and_then(|before| self.number_before(&before)) {
            Some(number) => number,
            None => self.last_number(),
        };
        self.put(number, key, removed.node);
    }

    /// Gives an entry another key in the same place. Returns its new name.
    pub fn rename(&mut self, name: &EntryName, key: &Bytes) -> Option<EntryName> {
        let number = self.number(name)?;
        let slot = self.slots.get_mut(&number)?;
        slot.0 = key.clone();
        self.numbers.remove(&(name.key.clone(), number));
        self.numbers.insert((key.clone(), number));
        Some(self.name(key, number))
    }

    fn put(&mut self, number: u64, key: Bytes, node: Node) {
        self.numbers.insert((key.clone(), number));
        self.slots.insert(number, (key, node));
    }

    fn number(&self, name: &EntryName) -> Option<u64> {
        let mut twins = self.numbers.range((name.key.clone(), 0)..).take_while(|(key, _)| *key == name.key);
        twins.nth(name.twin as usize).map(|(_, number)| *number)
    }

    fn name(&self, key: &Bytes, number: u64) -> EntryName {
        EntryName { key: key.clone(), twin: self.rank(key, number) }
    }

    /// How many entries with this key have a number below.
    fn rank(&self, key: &Bytes, number: u64) -> u32 {
        self.numbers.range((key.clone(), 0)..(key.clone(), number)).count() as u32
    }

    /// A number for a new last entry.
    fn last_number(&mut self) -> u64 {
        let next = |entries: &Entries| {
            let last = entries.slots.last_key_value().map_or(0, |(number, _)| *number);
            last.checked_add(SPACING).filter(|number| *number < u64::MAX)
        };
        next(self).unwrap_or_else(|| {
            self.renumber();
            next(self).expect("memory holds fewer entries than there are numbers")
        })
    }

    /// A free number right before that of an entry.
    fn number_before(&mut self, name: &EntryName) -> Option<u64> {
        for _ in 0..2 {
            let next = self.number(name)?;
            let previous = self.slots.range(..next).next_back().map_or(0, |(number, _)| *number);
            if next - previous > 1 {
                return Some(previous + (next - previous) / 2);
            }
            self.renumber();
        }
        None
    }

    /// Makes room between all entries.
    fn renumber(&mut self) {
        let pairs = std::mem::take(&mut self.slots).into_values().collect();
        *self = Entries::from_pairs(self.is_set, pairs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &'static str, twin: u32) -> EntryName {
        EntryName { key: Bytes::from_static(key.as_bytes()), twin }
    }

    fn entries(keys: &[&'static str]) -> Entries {
        let mut entries = Entries::default();
        for key in keys {
            let twin = entries.rank(&name(key, 0).key, u64::MAX);
            assert_eq!(entries.push(&name(key, NEXT), Node::undefined()), Some(name(key, twin)));
        }
        entries
    }

    fn keys(entries: &Entries) -> String {
        entries.iter().map(|(key, _)| std::str::from_utf8(key).unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn twins_are_told_apart_by_their_rank() {
        let mut entries = entries(&["a", "b", "a", "a"]);
        let removed = entries.remove(&name("a", 1)).unwrap();
        assert_eq!((keys(&entries).as_str(), removed.before.clone()), ("a b a", Some(name("a", 1))));
        assert_eq!(entries.push(&name("a", 3), Node::undefined()), None);
        assert!(entries.remove(&name("a", 2)).is_none());
        entries.put_back(name("a", 0).key, removed);
        assert_eq!(keys(&entries), "a b a a");
    }

    #[test]
    fn an_entry_with_a_new_key_stays_in_its_place() {
        let mut entries = entries(&["x", "b", "x"]);
        assert_eq!(entries.rename(&name("b", 0), &name("x", 0).key), Some(name("x", 1)));
        assert_eq!(keys(&entries), "x x x");
        assert_eq!(entries.rename(&name("x", 1), &name("c", 0).key), Some(name("c", 0)));
        assert_eq!(keys(&entries), "x c x");
        assert_eq!(entries.rename(&name("b", 0), &name("c", 0).key), None);
    }

    #[test]
    fn entries_come_back_between_two_neighbours_however_often() {
        let mut entries = entries(&["first", "last"]);
        for _ in 0..200 {
            let removed = RemovedEntry { node: Node::undefined(), before: Some(name("last", 0)) };
            entries.put_back(name("n", 0).key, removed);
        }
        assert_eq!(entries.len(), 202);
        assert_eq!(keys(&entries), format!("first {}last", "n ".repeat(200)));
    }
}
