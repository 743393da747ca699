//! The keys of an expanded object, in the order in which JavaScript enumerates them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::tree::Node;

/// Where a key stands among its siblings: array indices ascending, then names in the order in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Index(u32),
    /// Rises along the names, with room between neighbours for one that comes back.
    Name(u64),
}

/// Between the numbers of two names that were added one after the other.
const SPACING: u64 = 1 << 20;

/// An object whose values are nodes.
///
/// Ordered maps rather than hashed ones: removal keeps the order, and chosen keys cannot make it slow.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    pub null_prototype: bool,
    slots: BTreeMap<Order, (Bytes, Node)>,
    /// The number of every key that is a name.
    names: BTreeMap<Bytes, u64>,
}

/// A key and value that were taken out.
#[derive(Debug, Clone)]
pub(super) struct Removed {
    pub node: Node,
    /// The name that stood after a removed name; none if it was the last.
    pub before: Option<Bytes>,
}

impl Object {
    /// An object of these pairs in the order given. On a key that comes twice, that key.
    ///
    /// Both maps are built in one go, several times faster than key by key.
    pub fn from_pairs(null_prototype: bool, pairs: Vec<(Bytes, Node)>) -> Result<Object, Bytes> {
        let count = pairs.len();
        let mut names = Vec::with_capacity(count);
        let mut slots = Vec::with_capacity(count);
        for (key, node) in pairs {
            let order = match array_index(&key) {
                Some(index) => Order::Index(index),
                None => {
                    let number = (names.len() as u64 + 1) * SPACING;
                    names.push((key.clone(), number));
                    Order::Name(number)
                }
            };
            slots.push((order, (key, node)));
        }
        names.sort_unstable();
        slots.sort_by_key(|(order, _)| *order);
        let name_twice = names.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0.clone());
        let index_twice = slots.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].1.0.clone());
        match name_twice.or(index_twice) {
            Some(key) => Err(key),
            None => {
                Ok(Object { null_prototype, slots: slots.into_iter().collect(), names: names.into_iter().collect() })
            }
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Gives up memory that is shared with others.
    pub fn compact(&mut self) {
        self.names.clear();
        for (order, (key, node)) in &mut self.slots {
            *key = Bytes::copy_from_slice(key);
            node.compact();
            if let Order::Name(number) = order {
                self.names.insert(key.clone(), *number);
            }
        }
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Node)> {
        self.slots.values().map(|(key, node)| (key, node))
    }

    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut Node> {
        let order = self.order(key)?;
        self.slots.get_mut(&order).map(|(_, node)| node)
    }

    /// Puts a value at a key: in the old place if the key is there, otherwise where JavaScript adds it. Returns what was
    /// there.
    pub fn insert(&mut self, key: Bytes, node: Node) -> Option<Node> {
        let order = self.order(&key).unwrap_or_else(|| self.name_last(&key));
        self.slots.insert(order, (key, node)).map(|(_, old)| old)
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        let order = self.order(key)?;
        let (_, node) = self.slots.remove(&order)?;
        let before = self.names.remove(key).and_then(|_| self.slots.range(order..).next());
        Some(Removed { node, before: before.map(|(_, (name, _))| name.clone()) })
    }

    /// Undoes an [`Object::remove`] of a key.
    pub fn put_back(&mut self, key: Bytes, removed: Removed) {
        let order = self.order(&key).unwrap_or_else(|| match removed.before {
            Some(before) => self.name_before(&key, &before),
            None => self.name_last(&key),
        });
        self.slots.insert(order, (key, removed.node));
    }

    /// Gives the keys another order: the new rank `i` is the old rank `order[i]`, indices included, which must stay first and
    /// in their order. False, and nothing changed, if they would not. `order` is a permutation of as many keys as there are.
    pub fn reorder(&mut self, order: &[u32]) -> bool {
        let indices = self.slots.range(..Order::Name(0)).count();
        if order[..indices].iter().enumerate().any(|(rank, old)| rank != *old as usize) {
            return false;
        }
        let mut named: Vec<_> = self.slots.split_off(&Order::Name(0)).into_values().map(Some).collect();
        for (rank, old) in order[indices..].iter().enumerate() {
            let Some((key, node)) = named[*old as usize - indices].take() else { continue };
            let order = self.name(&key, (rank as u64 + 1) * SPACING);
            self.slots.insert(order, (key, node));
        }
        true
    }

    /// Where a key stands, or, for an index that is absent, where it would.
    fn order(&self, key: &[u8]) -> Option<Order> {
        match array_index(key) {
            Some(index) => Some(Order::Index(index)),
            None => self.names.get(key).map(|number| Order::Name(*number)),
        }
    }

    fn name_last(&mut self, key: &Bytes) -> Order {
        let next = |last: u64| last.checked_add(SPACING);
        let number = next(self.last_number()).or_else(|| {
            self.renumber();
            next(self.last_number())
        });
        self.name(key, number.expect("memory holds fewer names than there are numbers"))
    }

    fn name_before(&mut self, key: &Bytes, before: &Bytes) -> Order {
        for _ in 0..2 {
            let Some(next) = self.names.get(before).copied() else { break };
            let previous = self.slots.range(Order::Name(0)..Order::Name(next)).next_back();
            let previous = previous.map_or(0, |(order, _)| order.number());
            if next - previous > 1 {
                return self.name(key, previous + (next - previous) / 2);
            }
            self.renumber();
        }
        self.name_last(key)
    }

    fn name(&mut self, key: &Bytes, number: u64) -> Order {
        self.names.insert(key.clone(), number);
        Order::Name(number)
    }

    fn last_number(&self) -> u64 {
        self.slots.last_key_value().map_or(0, |(order, _)| order.number())
    }

    /// Makes room between all names.
    fn renumber(&mut self) {
        let named = self.slots.split_off(&Order::Name(0));
        for (rank, (_, (key, node))) in named.into_iter().enumerate() {
            let order = self.name(&key, (rank as u64 + 1) * SPACING);
            self.slots.insert(order, (key, node));
        }
    }
}

impl Order {
    /// The number of a name; 0, which is below all of them, for an index.
    fn number(self) -> u64 {
        match self {
            Order::Index(_) => 0,
            Order::Name(number) => number,
        }
    }
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

    fn keys(object: &Object) -> Vec<&str> {
        object.iter().map(|(key, _)| std::str::from_utf8(key).unwrap()).collect()
    }

    fn object(names: &[&'static str]) -> Object {
        let pairs = names.iter().map(|name| (Bytes::from_static(name.as_bytes()), Node::undefined()));
        Object::from_pairs(false, pairs.collect()).unwrap()
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
        object.insert(Bytes::from_static(b"a"), Node::undefined());
        assert_eq!(keys(&object), ["0", "1", "a", "b"]);
        for key in ["a", "0"] {
            object.remove(key.as_bytes());
            object.insert(Bytes::from_static(key.as_bytes()), Node::undefined());
        }
        assert_eq!(keys(&object), ["0", "1", "b", "a"]);
    }

    #[test]
    fn what_was_removed_goes_back_to_its_place() {
        let mut object = object(&["a", "b", "c", "5"]);
        for key in ["b", "5", "a", "c"] {
            let removed = object.remove(key.as_bytes()).unwrap();
            object.put_back(Bytes::from_static(key.as_bytes()), removed);
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
            object.put_back(Bytes::copy_from_slice(name.as_bytes()), removed);
            expected.insert(expected.len() - 1, name);
        }
        assert_eq!(keys(&object), expected);
        object.insert(Bytes::from_static(b"new"), Node::undefined());
        assert_eq!(keys(&object).last(), Some(&"new"));
    }

    #[test]
    fn numbers_that_run_out_are_given_anew() {
        let mut object = object(&["a", "b", "3"]);
        let (_, entry) = object.slots.pop_last().unwrap();
        let order = object.name(&entry.0, u64::MAX);
        object.slots.insert(order, entry);
        object.insert(Bytes::from_static(b"c"), Node::undefined());
        assert_eq!(keys(&object), ["3", "a", "b", "c"]);
        assert!(object.get_mut(b"b").is_some());
    }

    #[test]
    fn a_key_that_comes_twice_is_named() {
        for key in ["a", "7"] {
            let key = Bytes::from_static(key.as_bytes());
            let pairs = [&key, &Bytes::from_static(b"8"), &Bytes::from_static(b"b"), &key];
            let pairs = pairs.into_iter().map(|key| (key.clone(), Node::undefined())).collect();
            assert_eq!(Object::from_pairs(false, pairs).unwrap_err(), key);
        }
    }
}
