use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Bytes {
    let mut out = Writer::new();
    out.text(text);
    out.finish()
}

/// A key that may have twins.
fn listed(text: &str) -> Bytes {
    let mut out = Writer::new();
    out.array(1).text(text);
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
    assert!(keyed.index.is_none() || !keyed.rises);
    assert!(keyed.index.is_some() || keyed.rises || keyed.order.len() <= FEW_CHUNKS);
    assert!(!keyed.rises || plain.0.is_sorted_by(|(a, _), (b, _)| a < b));
    assert_eq!(keyed.len, keyed.order.iter().map(|id| keyed.chunk(*id).count as usize).sum::<usize>());
}

/// What is done: a kind, a key, another number, and about how large the value is.
type Act = (u8, u16, u32, usize);

/// One after the other, mostly at keys that are few enough to meet.
fn act(keyed: &mut Keyed, plain: &mut Plain, (kind, key, other, size): Act) {
    let name = listed(&format!("key {key}"));
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
            let new = listed(&format!("key {}", other % 700));
            let now = keyed.rename(spot, &new);
            plain.0[at].0 = new.clone();
            assert_eq!(keyed.twins(&new, Some(now)), plain.twins(&new, at));
        }
        (4, Some(spot), Some(at)) => {
            let new = listed(&format!("new {key}"));
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
        stride in prop_oneof![Just(1u16), Just(389)],
        acts in prop::collection::vec(
            (0u8..7, 0u16..700, any::<u32>(), prop_oneof![8 => 0usize..40, 1 => 500usize..1500, 1 => 3000usize..9000]),
            1..200,
        ),
    ) {
        let mut keyed = Keyed::new(true);
        let mut plain = Plain::default();
        for key in (0..601).map(|rank| (u32::from(stride) * rank % 601) as u16).filter(|key| *key < count) {
            let (name, held) = (listed(&format!("key {key}")), value(key, usize::from(key) % 50));
            keyed.load(&name, &held, 0..held.len());
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

    /// As long as keys rise, and from the one on that does not.
    #[test]
    fn rising_keys_are_found_until_one_does_not(
        count in 1u16..400,
        acts in prop::collection::vec((0u8..5, 0u16..700, Just(0u32), 0usize..60), 0..60),
        late in 0u16..60,
    ) {
        let mut keyed = Keyed::new(true);
        let mut plain = Plain::default();
        let name = |key: u16| listed(&format!("key {key}"));
        for key in 0..count {
            keyed.push(&name(key), Node::Encoded(value(key, 20)));
            plain.0.push((name(key), value(key, 20)));
        }
        prop_assert!(keyed.rises && keyed.index.is_none());
        for (turn, one) in acts.into_iter().enumerate() {
            let one = if turn < usize::from(late) { (one.0 % 3, one.1, 0, one.3) } else { one };
            if one.0 < 3 && keyed.find(&name(one.1), 0).is_none() {
                continue;
            }
            act(&mut keyed, &mut plain, one);
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

/// Letters that are no counter's.
fn scattered(i: u32) -> Bytes {
    text(&format!("{:010x}", i.wrapping_mul(0x9e37_79b1)))
}

#[test]
fn small_entries_take_little_more_than_their_bytes_in_whatever_order() {
    for key in [scattered, |i| text(&format!("key {i}")), |i| text(&format!("{:>10}", 40_000 - i))] {
        let mut loaded = Keyed::new(false);
        let mut grown = Keyed::new(false);
        for i in 0..40_000 {
            loaded.load(&key(i), &Bytes::new(), 0..0);
            grown.push(&key(i), Node::undefined());
        }
        loaded.finish(false);
        for mut keyed in [loaded, grown] {
            for i in (0..40_000).step_by(97) {
                let spot = keyed.find(&key(i), 0).unwrap();
                assert_eq!(keyed.key_at(spot), key(i));
                keyed.remove(spot);
                keyed.push(&text(&format!("n{i}")), Node::undefined());
            }
            assert!(keyed.find(&key(97), 0).is_none() && keyed.find(&text("n97"), 0).is_some());
            let held: usize = keyed.chunks.iter().map(Chunk::held).sum();
            let encoded = keyed.encoded_len();
            let index = keyed.index.as_ref().map_or(0, Index::held);
            assert!(held + index < encoded * 13 / 10, "{held} + {index} for {encoded}");
        }
    }
}

#[test]
fn writes_all_over_leave_most_of_it_packed() {
    let mut keyed = Keyed::new(true);
    for i in 0..100_000u32 {
        let held = value(i as u16, 20);
        keyed.load(&text(&format!("key {i}")), &held, 0..held.len());
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
