//! The keys of an expanded object, in the order in which JavaScript enumerates them.

use bytes::Bytes;

use super::StateError;
use super::keyed::{Keyed, Spot};
use super::tree::Node;
use crate::codec::cbor::{self, Writer};

/// An object: its array indices ascending, then its names in the order in which they were added. Keys stand there encoded.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub null_prototype: bool,
    /// Few objects have any.
    indices: Option<Box<Keyed>>,
    names: Keyed,
}

/// A key and value that were taken out.
#[derive(Debug, Clone)]
pub(super) struct Removed {
    pub node: Node,
    /// The name that stood after a removed name; none if it was the last.
    pub before: Option<Bytes>,
}

/// Why an encoded object cannot be opened.
#[derive(Debug)]
pub(super) enum Unreadable {
    Codec(StateError),
    /// A key is no string.
    Key,
    /// This key comes twice.
    Twice(Bytes),
}

impl Object {
    pub fn parse(null_prototype: bool, value: &Bytes) -> Result<Object, Unreadable> {
        let codec = |error| Unreadable::Codec(StateError::from(error));
        let mut children = cbor::children(value).map_err(codec)?;
        let mut object = Object { null_prototype, indices: None, names: Keyed::new(true) };
        object.names.expect(children.len_hint() / 2, value.len());
        let mut indices = Vec::new();
        while let Some(span) = children.next_known().map_err(codec)? {
            let held = children.next_known().map_err(codec)?.unwrap_or(0..0);
            if is_plain_name(&value[span.clone()]) {
                object.names.load(&value[span], value, held);
                continue;
            }
            let key = cbor::key(&value.slice(span)).map_err(codec)?.ok_or(Unreadable::Key)?;
            match array_index(&key) {
                Some(index) => indices.push((index, held)),
                None => object.names.load(&encoded(&key), value, held),
            }
        }
        if !indices.is_sorted_by_key(|(index, _)| *index) {
            indices.sort_by_key(|(index, _)| *index);
        }
        for (index, held) in indices {
            object.indices().load(&encoded(index.to_string().as_bytes()), value, held);
        }
        let twice = object.parts_mut().find_map(|part| part.finish(true));
        match twice {
            Some(key) => Err(Unreadable::Twice(decoded(&key))),
            None => Ok(object),
        }
    }

    pub fn len(&self) -> usize {
        self.parts().map(Keyed::len).sum()
    }

    /// Gives up memory that is shared with others.
    pub fn compact(&mut self) {
        self.parts_mut().for_each(Keyed::compact);
    }

    /// The value of a key, to be written into.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut Node> {
        let slots = self.slots_of(key);
        let spot = slots.find(&encoded(key), 0)?;
        Some(slots.value_mut(spot))
    }

    /// The same, if it is open.
    pub fn open_mut(&mut self, key: &[u8]) -> Option<&mut Node> {
        let slots = self.slots_of(key);
        let spot = slots.find(&encoded(key), 0)?;
        slots.open_at(spot)
    }

    /// Puts a value at a key: in the old place if the key is there, otherwise where JavaScript adds it. Returns what was
    /// there.
    pub fn insert(&mut self, key: &[u8], node: Node) -> Option<Node> {
        let name = encoded(key);
        let slots = self.slots_of(key);
        if let Some(spot) = slots.find(&name, 0) {
            return Some(slots.replace(spot, node));
        }
        match self.place_of(key) {
            Some(spot) => self.indices().insert(spot, &name, node),
            None => self.slots_of(key).push(&name, node),
        }
        None
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        let slots = self.slots_of(key);
        let spot = slots.find(&encoded(key), 0)?;
        let (node, next) = slots.remove(spot);
        let before = next.map(|next| decoded(&slots.key_at(next)));
        Some(Removed { node, before: before.filter(|_| array_index(key).is_none()) })
    }

    /// Undoes an [`Object::remove`] of a key.
    pub fn put_back(&mut self, key: &[u8], removed: Removed) {
        let name = encoded(key);
        let before = removed.before.and_then(|before| self.names.find(&encoded(&before), 0));
        match (before, self.place_of(key)) {
            (_, Some(spot)) => self.indices().insert(spot, &name, removed.node),
            (Some(spot), None) => self.names.insert(spot, &name, removed.node),
            (None, None) => self.slots_of(key).push(&name, removed.node),
        }
    }

    /// Gives the keys another order: the new rank `i` is the old rank `order[i]`, indices included, which must stay first and
    /// in their order. False, and nothing changed, if they would not. `order` is a permutation of as many keys as there are.
    pub fn reorder(&mut self, order: &[u32]) -> bool {
        let indices = self.len() - self.names.len();
        if order[..indices].iter().enumerate().any(|(rank, old)| rank != *old as usize) {
            return false;
        }
        let names = std::mem::replace(&mut self.names, Keyed::new(true));
        let mut named: Vec<_> = names.into_pairs().into_iter().map(Some).collect();
        for old in &order[indices..] {
            let Some((name, node)) = named[*old as usize - indices].take() else { continue };
            self.names.push(&name, node);
        }
        true
    }

    /// How many bytes [`Object::write`] appends.
    pub fn encoded_len(&self) -> usize {
        let head = cbor::object_head_len(self.len(), self.null_prototype);
        head + self.parts().map(Keyed::encoded_len).sum::<usize>()
    }

    pub fn write(&self, out: &mut Writer) {
        if self.null_prototype {
            out.null_prototype();
        }
        out.object(self.len());
        self.parts().for_each(|part| part.write(out));
    }

    /// How many bytes were copied out of what this was parsed from; asked again, none.
    pub fn take_copied(&mut self) -> usize {
        self.parts_mut().map(Keyed::take_copied).sum()
    }

    /// Takes what all keys and values weigh from `left`; false once that is too much.
    pub fn is_lighter(&self, left: &mut usize) -> bool {
        self.parts().all(|part| part.is_lighter(left))
    }

    /// Those among which a key stands, or would.
    fn slots_of(&mut self, key: &[u8]) -> &mut Keyed {
        if array_index(key).is_some() { self.indices() } else { &mut self.names }
    }

    fn indices(&mut self) -> &mut Keyed {
        self.indices.get_or_insert_with(|| Box::new(Keyed::new(true)))
    }

    /// In their order.
    fn parts(&self) -> impl Iterator<Item = &Keyed> {
        self.indices.as_deref().into_iter().chain([&self.names])
    }

    fn parts_mut(&mut self) -> impl Iterator<Item = &mut Keyed> {
        self.indices.as_deref_mut().into_iter().chain([&mut self.names])
    }

    /// The index before which an index that is absent belongs; none if it is a name, or behind all others.
    fn place_of(&self, key: &[u8]) -> Option<Spot> {
        let index = array_index(key)?;
        self.indices.as_ref()?.search(|other| array_index(&decoded(other)).is_some_and(|other| other < index))
    }
}

/// Whether a key is encoded as [`encoded`] does it, and is no index: a short text that begins with a letter.
fn is_plain_name(key: &[u8]) -> bool {
    matches!(key, [0x61..=0x77, b'A'..=b'Z' | b'a'..=b'z', ..])
}

fn encoded(key: &[u8]) -> Bytes {
    let mut out = Writer::with_capacity(key.len() + 5);
    out.key(key);
    out.finish()
}

fn decoded(key: &[u8]) -> Bytes {
    let key = cbor::key(&Bytes::copy_from_slice(key)).ok().flatten();
    key.expect("it was encoded as a key")
}

/// The number of a key that JavaScript orders as an array index: decimal, without leading zeros, below 2^32 - 1.
fn array_index(key: &[u8]) -> Option<u32> {
    let is_canonical = match key {
        [] => false,
        [b'0', rest @ ..] => rest.is_empty(),
        digits => digits.len() <= 10 && digits.iter().all(u8::is_ascii_digit),
    };
    if !is_canonical {
        return None;
    }
    let index = key.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    u32::try_from(index).ok().filter(|index| *index != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(object: &Object) -> Vec<String> {
        let pairs = object.parts().flat_map(|part| part.clone().into_pairs());
        pairs.map(|(key, _)| String::from_utf8(decoded(&key).to_vec()).unwrap()).collect()
    }

    fn bytes_of(names: &[&str]) -> Bytes {
        let mut out = Writer::new();
        out.object(names.len());
        for name in names {
            out.key(name.as_bytes()).undefined();
        }
        out.finish()
    }

    fn object(names: &[&str]) -> Object {
        Object::parse(false, &bytes_of(names)).unwrap()
    }

    #[test]
    fn array_indices_are_canonical_decimals_below_two_to_the_32_minus_one() {
        for (key, index) in [("0", 0), ("7", 7), ("10", 10), ("4294967294", u32::MAX - 1)] {
            assert_eq!(array_index(key.as_bytes()), Some(index));
        }
        for key in ["", "00", "01", "-1", "1.0", "4294967295", "4294967296", "99999999999", "1e3", " 1"] {
            assert_eq!(array_index(key.as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn keys_are_enumerated_as_javascript_does() {
        assert_eq!(keys(&object(&["b", "10", "a", "2", "01"])), ["2", "10", "b", "a", "01"]);
    }

    #[test]
    fn a_key_set_again_stays_and_a_key_deleted_and_added_moves_to_the_end() {
        let mut object = object(&["a", "b", "1", "0"]);
        object.insert(b"a", Node::undefined());
        assert_eq!(keys(&object), ["0", "1", "a", "b"]);
        for key in ["a", "0"] {
            object.remove(key.as_bytes());
            object.insert(key.as_bytes(), Node::undefined());
        }
        assert_eq!(keys(&object), ["0", "1", "b", "a"]);
    }

    #[test]
    fn what_was_removed_goes_back_to_its_place() {
        let mut object = object(&["a", "b", "c", "5"]);
        for key in ["b", "5", "a", "c"] {
            let removed = object.remove(key.as_bytes()).unwrap();
            object.put_back(key.as_bytes(), removed);
            assert_eq!(keys(&object), ["5", "a", "b", "c"]);
        }
        assert!(object.remove(b"absent").is_none() && object.remove(b"6").is_none());
    }

    #[test]
    fn names_come_back_between_two_neighbours_however_often() {
        let mut object = object(&["first", "last"]);
        let mut expected = vec!["first", "last"];
        let names: Vec<String> = (0..200).map(|i| format!("n{i}")).collect();
        for name in &names {
            let removed = Removed { node: Node::undefined(), before: Some(Bytes::from_static(b"last")) };
            object.put_back(name.as_bytes(), removed);
            expected.insert(expected.len() - 1, name);
        }
        assert_eq!(keys(&object), expected);
        object.insert(b"new", Node::undefined());
        assert_eq!(keys(&object).last().unwrap(), "new");
    }

    #[test]
    fn a_key_that_comes_twice_is_named() {
        for key in ["a", "7"] {
            let error = Object::parse(false, &bytes_of(&[key, "8", "b", key])).unwrap_err();
            assert!(matches!(error, Unreadable::Twice(twice) if twice == key), "{key}");
        }
    }
}
