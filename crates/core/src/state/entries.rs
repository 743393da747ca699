//! The entries of an expanded Map, or the members of an expanded Set, in the order in which they were added.
//!
//! An entry is named by the bytes of its key and its rank among the entries with the same bytes: keys that are objects may be
//! equal in all but identity. The codec writes equal primitive keys with equal bytes, so that those are never twins.

use bytes::Bytes;

use super::StateError;
use super::keyed::Keyed;
use super::tree::Node;
use crate::codec::cbor::{self, Writer};

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

/// A Map or Set. Members of a Set have no value of their own.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    pub is_set: bool,
    slots: Keyed,
}

/// An entry that was taken out.
#[derive(Debug, Clone)]
pub(super) struct RemovedEntry {
    pub node: Node,
    /// The entry that stood after it; none if it was the last.
    pub before: Option<EntryName>,
}

impl Entries {
    /// The entries of an encoded Map or Set.
    pub fn parse(is_set: bool, value: &Bytes) -> Result<Entries, StateError> {
        let mut slots = Keyed::new(!is_set);
        let mut children = cbor::children(value)?;
        slots.expect(if is_set { children.len_hint() } else { children.len_hint() / 2 }, value.len());
        while let Some(key) = children.next_known()? {
            let held = if is_set { None } else { children.next_known()? };
            slots.load(&value[key], value, held.unwrap_or(0..0));
        }
        slots.finish(false);
        Ok(Entries { is_set, slots })
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The value of an entry, to be written into; a member of a Set has none.
    pub fn get_mut(&mut self, name: &EntryName) -> Option<&mut Node> {
        let spot = self.slots.find(&name.key, name.twin).filter(|_| !self.is_set)?;
        Some(self.slots.value_mut(spot))
    }

    /// The same, if it is open.
    pub fn open_mut(&mut self, name: &EntryName) -> Option<&mut Node> {
        let spot = self.slots.find(&name.key, name.twin)?;
        self.slots.open_at(spot)
    }

    /// Puts another value in the place of one, which is returned; none, and the value given, if there is no such entry.
    pub fn replace(&mut self, name: &EntryName, node: Node) -> Result<Node, Node> {
        match self.slots.find(&name.key, name.twin) {
            Some(spot) => Ok(self.slots.replace(spot, node)),
            None => Err(node),
        }
    }

    /// Adds an entry at the end, and returns its name; none if the name given is not the next of its key.
    pub fn push(&mut self, name: &EntryName, node: Node) -> Option<EntryName> {
        let twin = self.slots.twins(&name.key, None);
        if name.twin != twin && name.twin != NEXT {
            return None;
        }
        self.slots.push(&name.key, node);
        Some(EntryName { key: name.key.clone(), twin })
    }

    pub fn remove(&mut self, name: &EntryName) -> Option<RemovedEntry> {
        let spot = self.slots.find(&name.key, name.twin)?;
        let (node, next) = self.slots.remove(spot);
        let before = next.map(|next| {
            let key = self.slots.key_at(next);
            let twin = self.slots.twins(&key, Some(next));
            EntryName { key, twin }
        });
        Some(RemovedEntry { node, before })
    }

    /// Undoes an [`Entries::remove`].
    pub fn put_back(&mut self, key: &Bytes, removed: RemovedEntry) {
        match removed.before.and_then(|before| self.slots.find(&before.key, before.twin)) {
            Some(before) => self.slots.insert(before, key, removed.node),
            None => self.slots.push(key, removed.node),
        }
    }

    /// Gives an entry another key in the same place. Returns its new name.
    pub fn rename(&mut self, name: &EntryName, key: &Bytes) -> Option<EntryName> {
        let spot = self.slots.find(&name.key, name.twin)?;
        let spot = self.slots.rename(spot, key);
        Some(EntryName { key: key.clone(), twin: self.slots.twins(key, Some(spot)) })
    }

    /// How many bytes [`Entries::write`] appends.
    pub fn encoded_len(&self) -> usize {
        cbor::entries_head_len(self.len()) + self.slots.encoded_len()
    }

    pub fn write(&self, out: &mut Writer) {
        if self.is_set {
            out.set(self.len());
        } else {
            out.map(self.len());
        }
        self.slots.write(out);
    }

    /// Gives up memory that is shared with others.
    pub fn compact(&mut self) {
        self.slots.compact();
    }

    /// How many bytes were copied out of what this was parsed from; asked again, none.
    pub fn take_copied(&mut self) -> usize {
        self.slots.take_copied()
    }

    /// Takes what all entries weigh from `left`; false once that is too much.
    pub fn is_lighter(&self, left: &mut usize) -> bool {
        self.slots.is_lighter(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that may have twins: a list of one text.
    fn name(key: &str, twin: u32) -> EntryName {
        let mut out = Writer::new();
        out.array(1).text(key);
        EntryName { key: out.finish(), twin }
    }

    fn entries(keys: &[&str]) -> Entries {
        let mut entries = Entries { is_set: false, slots: Keyed::new(true) };
        for key in keys {
            let twin = entries.slots.twins(&name(key, 0).key, None);
            assert_eq!(entries.push(&name(key, NEXT), Node::undefined()), Some(name(key, twin)));
        }
        entries
    }

    fn keys(entries: &Entries) -> String {
        let pairs = entries.slots.clone().into_pairs();
        pairs.iter().map(|(key, _)| cbor::text(&key[1..]).unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn twins_are_told_apart_by_their_rank() {
        let mut entries = entries(&["a", "b", "a", "a"]);
        let removed = entries.remove(&name("a", 1)).unwrap();
        assert_eq!((keys(&entries).as_str(), removed.before.clone()), ("a b a", Some(name("a", 1))));
        assert_eq!(entries.push(&name("a", 3), Node::undefined()), None);
        assert!(entries.remove(&name("a", 2)).is_none());
        entries.put_back(&name("a", 0).key, removed);
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
            entries.put_back(&name("n", 0).key, removed);
        }
        assert_eq!(entries.len(), 202);
        assert_eq!(keys(&entries), format!("first {}last", "n ".repeat(200)));
    }
}
