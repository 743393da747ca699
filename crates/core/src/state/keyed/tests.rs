use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Bytes {
    let mut out = Writer::new();
    out.text(text);
    out.finish()
}

/// A value of about `size` bytes.
fn value(name: u16, size: usize) -> Bytes {
    text(&format!("{name} {}", "x".repeat(size)))
}

/// The same in the simplest way.
#[derive(Default)]
struct Plain(Vec<(Bytes, Bytes)>);

impl Plain {
    fn at(&self, key: &Bytes, twin: u32) -> Option<usize> {
        let mut twins = (0..self.0.len()).filter(|at| self.0[*at].0 == *key);
        twins.nth(twin as usize)
    }

    fn twins(&self, key: &Bytes, before: usize) -> u32 {
        self.0[..before].iter().filter(|(other, _)| other == key).count() as u32
    }
}

fn pairs(keyed: &Keyed) -> Vec<(Bytes, Bytes)> {
    keyed.clone().into_pairs().into_iter().map(|(key, node)| (key, node.encode())).collect()
}

fn check(keyed: &Keyed, plain: &Plain) {
    assert_eq!(pairs(keyed), plain.0);
    let mut out = Writer::new();
    keyed.write(&mut out);
    let expected: Vec<u8> = plain.0.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()].concat()).collect();
    assert_eq!(out.finish(), expected);
    assert_eq!(keyed.encoded_len(), expected.len());
    assert_eq!(keyed.open_values, keyed.open.values().map(Vec::len).sum::<usize>());
    assert!(keyed.open.keys().all(|id| keyed.opened.contains(id)));
    assert_eq!(keyed.len, keyed.order.iter().map(|id| keyed.chunk(*id).count as usize).sum::<usize>());
}

/// What is done: a kind, a key, another number, and about how large the value is.
type Act = (u8, u16, u32, usize);

/// One after the other, mostly at keys that are few enough to meet.
fn act(keyed: &mut Keyed, plain: &mut Plain, (kind, key, other, size): Act) {
    let name = text(&format!("key {key}"));
    let twin = other % 3;
    let held = value(key, size);
    let (found, at) = (keyed.find(&name, twin), plain.at(&name, twin));
    assert_eq!(found.is_some(), at.is_some());
    match (kind, found, at) {
        (0, Some(spot), Some(at)) => {
            let (node, next) = keyed.remove(spot);
            assert_eq!(node.encode(), plain.0.remove(at).1);
            let named = next.map(|next| (keyed.key_at(next), keyed.twins(&keyed.key_at(next), Some(next))));
            assert_eq!(named, plain.0.get(at).map(|(key, _)| (key.clone(), plain.twins(key, at))));
        }
        (1, Some(spot), Some(at)) => {
            let old = keyed.replace(spot, Node::Encoded(held.clone()));
            assert_eq!(old.encode(), std::mem::replace(&mut plain.0[at].1, held));
        }
        (2, Some(spot), Some(at)) => {
            *keyed.value_mut(spot) = Node::Encoded(held.clone());
            plain.0[at].1 = held;
        }
        (3, Some(spot), Some(at)) => {
            let new = text(&format!("key {}", other % 700));
            let now = keyed.rename(spot, &new);
            plain.0[at].0 = new.clone();
            assert_eq!(keyed.twins(&new, Some(now)), plain.twins(&new, at));
        }
        (4, Some(spot), Some(at)) => {
            let new = text(&format!("new {key}"));
            keyed.insert(spot, &new, Node::Encoded(held.clone()));
            plain.0.insert(at, (new, held));
        }
        (5, ..) if other % 8 == 0 => keyed.compact(),
        _ => {
            keyed.push(&name, Node::Encoded(held.clone()));
            plain.0.push((name, held));
        }
    }
}

proptest! {
    /// However they are held, entries are those of a plain list that went through the same.
    #[test]
    fn entries_are_those_of_a_list(
        count in 0u16..600,
        acts in prop::collection::vec(
            (0u8..7, 0u16..700, any::<u32>(), prop_oneof![8 => 0usize..40, 1 => 500usize..1500, 1 => 3000usize..9000]),
            1..200,
        ),
    ) {
        let mut keyed = Keyed::new(true);
        let mut plain = Plain::default();
        for key in 0..count {
            let (name, held) = (text(&format!("key {key}")), value(key, usize::from(key) % 50));
            keyed.load(&name, held.clone());
            plain.0.push((name, held));
        }
        prop_assert_eq!(keyed.finish(true), None);
        for one in acts {
            act(&mut keyed, &mut plain, one);
        }
        check(&keyed, &plain);
        let removed: Vec<_> = plain.0.iter().step_by(2).map(|(key, _)| key.clone()).collect();
        for key in removed {
            let (spot, at) = (keyed.find(&key, 0).unwrap(), plain.at(&key, 0).unwrap());
            keyed.remove(spot);
            plain.0.remove(at);
        }
        check(&keyed, &plain);
    }
}

#[test]
fn what_is_added_before_one_entry_again_and_again_finds_room() {
    let mut keyed = Keyed::new(false);
    keyed.push(&text("first"), Node::undefined());
    keyed.push(&text("last"), Node::undefined());
    for i in 0..20_000 {
        let last = keyed.find(&text("last"), 0).unwrap();
        keyed.insert(last, &text(&format!("{i}")), Node::undefined());
    }
    let keys: Vec<Bytes> = keyed.into_pairs().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys[1..20_001], (0..20_000).map(|i| text(&format!("{i}"))).collect::<Vec<_>>());
}

#[test]
fn writes_all_over_leave_most_of_it_packed() {
    let mut keyed = Keyed::new(true);
    for i in 0..100_000u32 {
        keyed.load(&text(&format!("key {i}")), value(i as u16, 20));
    }
    keyed.finish(true);
    for i in 0..20_000 {
        let spot = keyed.find(&text(&format!("key {}", i * 7_919 % 100_000)), 0).unwrap();
        *keyed.value_mut(spot) = Node::Encoded(value(1, 22));
    }
    let room = OPEN + 1 + keyed.order.len() / OPEN_SHARE;
    assert!(keyed.open_values <= room, "{} of {room}", keyed.open_values);
    assert!(keyed.opened.len() <= 4 * keyed.open.len() + OPEN + 1);
    let held: usize = keyed.chunks.iter().map(Chunk::held).sum();
    let encoded = keyed.encoded_len();
    assert!(held + keyed.index.as_ref().map_or(0, Index::held) < encoded * 13 / 10, "{held} for {encoded}");
}
