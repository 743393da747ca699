use proptest::prelude::*;

use super::super::Piece;
use super::super::entries::NEXT;
use super::super::log::{MAX_BYTES, MAX_SLOTS};
use super::super::model::{Choices, Value};
use super::*;
use crate::codec::cbor::Writer;

fn unhex(text: &str) -> Bytes {
    let text = text.replace(' ', "");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect::<Vec<_>>().into()
}

/// `{a: 1, list: [10, 11, 12], b: {}}`
fn sample() -> Cell {
    Cell::new(unhex("b90003 6161 01 646c697374 83 0a0b0c 6162 b90000"), 5).unwrap()
}

fn at(path: Path, action: Action) -> Op {
    Op { path, action }
}

fn set(path: Path, value: &str) -> Op {
    at(path, Action::Set(unhex(value)))
}

fn key(key: &str) -> Path {
    Path::root().key(key)
}

fn delta(ops: impl IntoIterator<Item = Op>) -> Delta {
    Delta::new(ops.into_iter().collect()).unwrap()
}

fn splice(path: Path, start: u32, removed: u32, added: &[&str]) -> Op {
    at(path, Action::Splice { start, removed, added: added.iter().map(|value| unhex(value)).collect() })
}

#[test]
fn an_untouched_value_is_given_back_byte_for_byte_in_the_same_memory() {
    let value = unhex("bf 6162 9f01ff 6131 a0 ff");
    let cell = Cell::new(value.clone(), 0).unwrap();
    assert_eq!(cell.encode(), value);
    assert_eq!(cell.encode().as_ptr(), value.as_ptr());
}

#[test]
fn a_value_that_is_not_cbor_is_refused() {
    assert!(matches!(Cell::new(unhex("b90001"), 0), Err(StateError::Codec(_))));
}

#[test]
fn each_op_changes_its_place_and_leaves_the_rest_as_it_was() {
    let list = || key("list");
    for (op, expected) in [
        (set(key("a"), "02"), "b90003 6161 02 646c697374 83 0a0b0c 6162 b90000"),
        (set(key("c"), "02"), "b90004 6161 01 646c697374 83 0a0b0c 6162 b90000 6163 02"),
        (set(key("7"), "02"), "b90004 6137 02 6161 01 646c697374 83 0a0b0c 6162 b90000"),
        (
            set(key("b").key("__proto__"), "02"),
            "b90003 6161 01 646c697374 83 0a0b0c 6162 b90001 d95050 49 5f5f70726f746f5f5f 02",
        ),
        (set(Path::root(), "f6"), "f6"),
        (set(list().index(1), "02"), "b90003 6161 01 646c697374 83 0a020c 6162 b90000"),
        (set(list().index(4), "02"), "b90003 6161 01 646c697374 85 0a0b0c d95051f7 02 6162 b90000"),
        (at(key("a"), Action::Delete), "b90002 646c697374 83 0a0b0c 6162 b90000"),
        (at(list().index(0), Action::Delete), "b90003 6161 01 646c697374 83 d95051f7 0b0c 6162 b90000"),
        (splice(list(), 1, 1, &["f5", "f4"]), "b90003 6161 01 646c697374 84 0a f5f4 0c 6162 b90000"),
        (splice(list(), 0, 1, &[]), "b90003 6161 01 646c697374 82 0b0c 6162 b90000"),
        (splice(list(), 3, 0, &["01"]), "b90003 6161 01 646c697374 84 0a0b0c01 6162 b90000"),
        (at(list(), Action::Length(1)), "b90003 6161 01 646c697374 81 0a 6162 b90000"),
        (at(list(), Action::Length(4)), "b90003 6161 01 646c697374 84 0a0b0c d95051f7 6162 b90000"),
        (at(list(), Action::Permute(vec![2, 0, 1])), "b90003 6161 01 646c697374 83 0c0a0b 6162 b90000"),
    ] {
        let mut cell = sample();
        let before = cell.encode();
        cell.apply(6, &delta([op.clone()])).unwrap();
        assert_eq!(cell.encode(), unhex(expected), "{op:?}");
        assert_eq!(cell.encode_at(5, None).unwrap(), before, "{op:?} taken back");
        assert_eq!(cell.head(), 6);
    }
}

/// `{m: Map {"a" => 1, {} => [1], {} => 2}, s: Set {1, {}}, t: Uint8Array [1, 2, 3]}`
fn collections() -> Cell {
    Cell::new(unhex("b90003 616d d90103a3 616101 b90000 8101 b90000 02 6173 d9010282 01 b90000 6174 d84043 010203"), 5)
        .unwrap()
}

#[test]
fn maps_sets_and_bytes_are_changed_in_place() {
    let (map, set_of, bytes) = (|| key("m"), || key("s"), || key("t"));
    let object = || unhex("b90000");
    let kept = |start, count| Piece::Kept { start, count };
    for (op, before, after) in [
        (set(map().entry(unhex("6161"), 0), "09"), "616101", "616109"),
        (
            set(map().entry(unhex("6162"), 0), "09"),
            "a3 616101 b90000 8101 b90000 02",
            "a4 616101 b90000 8101 b90000 02 616209",
        ),
        (set(map().entry(object(), 1), "09"), "b90000 02", "b90000 09"),
        (set(map().entry(object(), 0).index(0), "09"), "8101", "8109"),
        (at(map().entry(object(), 0), Action::Delete), "a3 616101 b90000 8101", "a2 616101"),
        (at(map().entry(object(), 1), Action::Rename(unhex("80"))), "b90000 02", "80 02"),
        (at(set_of().entry(unhex("02"), 0), Action::Add), "82 01 b90000", "83 01 b90000 02"),
        (at(set_of().entry(object(), 1), Action::Add), "82 01 b90000", "83 01 b90000 b90000"),
        (at(set_of().entry(unhex("01"), 0), Action::Delete), "82 01", "81"),
        (at(set_of().entry(object(), 0), Action::Rename(unhex("81f6"))), "82 01 b90000", "82 01 81f6"),
        (at(bytes(), Action::Bytes { start: 1, bytes: unhex("aabb") }), "43 010203", "43 01aabb"),
        (
            at(
                map().entry(object(), 0),
                Action::Rebuild { start: 0, pieces: vec![Piece::New(vec![unhex("f6")]), kept(0, 1)] },
            ),
            "8101",
            "82f601",
        ),
    ] {
        let mut cell = collections();
        let whole = hex(&cell.encode());
        cell.apply(6, &delta([op.clone()])).unwrap_or_else(|error| panic!("{op:?}: {error}"));
        let (before, after) = (before.replace(' ', ""), after.replace(' ', ""));
        assert_eq!(hex(&cell.encode()), whole.replacen(&before, &after, 1), "{op:?}");
        assert_eq!(hex(&cell.encode_at(5, None).unwrap()), whole, "{op:?} taken back");
        cell.collect();
        assert_eq!(hex(&cell.encode_at(5, None).unwrap()), whole, "{op:?} taken back after it was packed");
    }
}

#[test]
fn what_does_not_fit_a_map_a_set_or_bytes_changes_nothing() {
    for op in [
        set(key("m").entry(unhex("6162"), 1), "01"),
        set(key("s").entry(unhex("02"), 0), "01"),
        set(key("m").key("a"), "01"),
        set(key("s").entry(unhex("01"), 0).key("a"), "01"),
        at(key("s").entry(unhex("01"), 0), Action::Add),
        at(key("m").entry(unhex("02"), 0), Action::Add),
        at(key("m").entry(unhex("02"), 0), Action::Rename(unhex("03"))),
        at(key("s").entry(unhex("02"), 0), Action::Delete),
        at(key("t"), Action::Bytes { start: 2, bytes: unhex("0102") }),
        at(key("m"), Action::Bytes { start: 0, bytes: unhex("01") }),
        at(key("m").entry(unhex("b90000"), 0), Action::Rebuild { start: 2, pieces: vec![] }),
        at(
            key("m").entry(unhex("b90000"), 0),
            Action::Rebuild {
                start: 0,
                pieces: vec![Piece::Kept { start: 0, count: 1 }, Piece::Kept { start: 0, count: 1 }],
            },
        ),
        at(
            key("m").entry(unhex("b90000"), 0),
            Action::Rebuild { start: 0, pieces: vec![Piece::Kept { start: 0, count: 2 }] },
        ),
        at(key("s"), Action::Permute(vec![1, 0])),
    ] {
        let mut cell = collections();
        let before = cell.encode();
        let error = cell.apply(6, &delta([set(key("m"), "f6"), set(Path::root(), "f6"), op.clone()])).unwrap_err();
        assert!(matches!(error, StateError::Corrupt { .. }), "{op:?}: {error}");
        let mut cell = collections();
        let error = cell.apply(6, &delta([op.clone()])).unwrap_err();
        assert!(matches!(error, StateError::Corrupt { .. }), "{op:?}: {error}");
        assert_eq!(cell.encode(), before, "{op:?}");
    }
}

#[test]
fn the_keys_of_an_object_are_put_in_another_order() {
    let mut cell = Cell::new(unhex("b90004 6131 f6 6161 01 6162 02 6163 03"), 0).unwrap();
    let error = cell.apply(1, &delta([at(Path::root(), Action::Permute(vec![1, 0, 2, 3]))])).unwrap_err();
    assert!(error.to_string().contains("an order that moves an index"), "{error}");
    cell.apply(1, &delta([at(Path::root(), Action::Permute(vec![0, 3, 1, 2]))])).unwrap();
    assert_eq!(cell.encode(), unhex("b90004 6131 f6 6163 03 6161 01 6162 02"));
    assert_eq!(cell.encode_at(0, None).unwrap(), unhex("b90004 6131 f6 6161 01 6162 02 6163 03"));
    let seen = |kind, path: Path| {
        let reads = Reads::from(vec![super::super::Read { kind, path }]);
        cell.check(0, Some(&Delta::default()), Some(&reads))
    };
    assert_eq!(seen(ReadKind::Slot, key("a")), Verdict::Pass);
    assert!(matches!(seen(ReadKind::Shape, Path::root()), Verdict::Conflict { seq: 1, .. }));
}

#[test]
fn entries_conflict_by_their_keys_and_twins_with_each_other() {
    let mut cell = collections();
    let a = || key("m").entry(unhex("6161"), 0);
    let object = |twin| key("m").entry(unhex("b90000"), twin);
    cell.apply(6, &delta([set(a(), "09"), set(object(0), "09")])).unwrap();
    let own = |op: Op| cell.check(5, Some(&delta([op])), Some(&Reads::default()));
    assert_eq!(own(set(key("m").entry(unhex("6162"), 0), "01")), Verdict::Pass);
    assert_eq!(own(set(a(), "01")), Verdict::Conflict { seq: 6, path: ".m.get(\"a\")".to_owned() });
    assert_eq!(own(set(object(1), "01")), Verdict::Conflict { seq: 6, path: ".m.get(an object)".to_owned() });
    let seen = |kind, path: Path| {
        let reads = Reads::from(vec![super::super::Read { kind, path }]);
        cell.check(5, Some(&Delta::default()), Some(&reads))
    };
    assert_eq!(seen(ReadKind::Shape, key("m")), Verdict::Pass);
    assert!(matches!(seen(ReadKind::Level, key("m")), Verdict::Conflict { .. }));
    assert!(matches!(seen(ReadKind::Slot, a()), Verdict::Conflict { .. }));
}

#[test]
fn writing_into_bytes_costs_what_is_written_and_memory_stays_bounded() {
    let len = 1 << 20;
    let value: Bytes = [&unhex("d8405a00100000")[..], &vec![7; len]].concat().into();
    let mut cell = Cell::new(value.clone(), 0).unwrap();
    for seq in 1..=1_000u64 {
        let start = (seq as u32 * 7_919) % (len as u32);
        cell.apply(seq, &delta([at(Path::root(), Action::Bytes { start, bytes: unhex("aa") })])).unwrap();
        assert!(cell.garbage <= cell.size + MIN_GARBAGE);
    }
    assert_eq!(cell.encode_at(0, None).unwrap(), value);
    assert_eq!(cell.encode().len(), value.len());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_object_without_prototype_is_changed_in_place_and_keeps_its_tag() {
    let mut cell = Cell::new(unhex("d95057 b90001 6161 d95057 b90000"), 0).unwrap();
    cell.apply(1, &delta([set(key("a").key("b"), "01")])).unwrap();
    assert_eq!(cell.encode(), unhex("d95057 b90001 6161 d95057 b90001 6162 01"));
}

#[test]
fn a_delta_that_does_not_fit_changes_nothing_and_says_where() {
    let list = || key("list");
    for (op, message) in [
        (set(key("x").key("y"), "01"), "record_corrupt: found nothing, expected a value, at .x"),
        (set(key("a").key("y"), "01"), "record_corrupt: found an integer, expected an object or an array, at .a"),
        (set(key("b").index(0), "01"), "record_corrupt: found an object, expected an array, at .b"),
        (set(list().key("0"), "01"), "record_corrupt: found an array, expected an object, at .list"),
        (
            set(list().index(1).key("x"), "01"),
            "record_corrupt: found an integer, expected an object or an array, at .list[1]",
        ),
        (at(key("x y"), Action::Delete), "record_corrupt: found nothing, expected a value to delete, at [\"x y\"]"),
        (at(list().index(3), Action::Delete), "record_corrupt: found nothing, expected a value to delete, at .list[3]"),
        (
            splice(list(), 2, 2, &[]),
            "record_corrupt: found 3 items, expected as many items as a splice goes over, at .list",
        ),
        (splice(key("b"), 0, 0, &[]), "record_corrupt: found an object, expected an array, at .b"),
        (at(key("a"), Action::Length(0)), "record_corrupt: found an integer, expected an object or an array, at .a"),
        (
            at(list(), Action::Permute(vec![0])),
            "record_corrupt: found 3 items, expected as many items as a permutation has, at .list",
        ),
    ] {
        let mut cell = sample();
        let before = cell.encode();
        let ops = [set(key("a"), "07"), at(key("b"), Action::Delete), set(key("b"), "b90000"), op];
        assert_eq!(cell.apply(6, &delta(ops.clone())).unwrap_err().to_string(), message);
        assert_eq!((cell.encode(), cell.head()), (before, 5), "{ops:?}");
        assert_eq!(cell.check(5, Some(&delta(ops)), None), Verdict::Pass);
    }
}

#[test]
fn an_object_with_odd_keys_can_be_held_but_not_written_into() {
    let mut cell = Cell::new(unhex("b90002 6161 a10102 6162 a2616101616102"), 0).unwrap();
    let error = cell.apply(1, &delta([set(key("a").key("x"), "01")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "record_corrupt: found a key that is no string, expected an object or an array, at .a"
    );
    let error = cell.apply(1, &delta([set(key("b").key("x"), "01")])).unwrap_err();
    assert_eq!(error.to_string(), "record_corrupt: found the key .a twice, expected every key once, at .b");
}

#[test]
fn growth_is_bounded_and_shrinking_is_not() {
    let mut cell = sample().with_limit(30);
    let too_large = cell.apply(6, &delta([set(key("c"), "580a00000000000000000000")])).unwrap_err();
    assert!(matches!(too_large, StateError::TooLarge { limit: 30, .. }), "{too_large}");
    assert!(matches!(
        cell.apply(6, &delta([at(key("list"), Action::Length(u32::MAX))])).unwrap_err(),
        StateError::TooLarge { .. }
    ));
    let mut unbounded = sample();
    for ops in [
        vec![at(key("list"), Action::Length((4 << 20) + 4))],
        vec![set(key("list").index(u32::MAX - 1), "01")],
        vec![
            at(key("list"), Action::Length(3 << 20)),
            at(key("list"), Action::Length(0)),
            at(key("list"), Action::Length(3 << 20)),
        ],
    ] {
        assert!(matches!(unbounded.apply(6, &delta(ops)).unwrap_err(), StateError::TooLarge { .. }));
    }
    assert_eq!(unbounded.encode(), sample().encode());
    let mut over = sample().with_limit(3);
    over.apply(6, &delta([at(key("list"), Action::Length(1))])).unwrap();
}

#[test]
fn a_change_out_of_order_is_refused_and_an_empty_one_is_no_write() {
    let mut cell = sample();
    assert_eq!(cell.apply(5, &delta([set(key("a"), "02")])), Err(StateError::OutOfOrder { seq: 5, head: 5 }));
    cell.apply(6, &Delta::default()).unwrap();
    assert_eq!(cell.head(), 5);
}

#[test]
fn what_no_pin_needs_is_forgotten_and_pins_before_it_conflict() {
    let mut cell = sample();
    for seq in 6..10 {
        cell.apply(seq, &delta([set(key("a"), "02")])).unwrap();
    }
    let own = delta([set(key("b").key("x"), "01")]);
    let reads = Reads::default();
    cell.keep_from(Some(7));
    assert_eq!(cell.encode_at(6, None), Err(StateError::PinTooOld { pin: 6, oldest: 7 }));
    assert_eq!(cell.check(6, Some(&own), Some(&reads)), Verdict::Conflict { seq: 7, path: "(root)".to_owned() });
    assert_eq!(cell.check(7, Some(&own), Some(&reads)), Verdict::Pass);
    assert!(cell.encode_at(7, Some(&own)).is_ok());
    cell.keep_from(None);
    assert!(cell.encode_at(8, None).is_err());
    assert_eq!(cell.encode_at(9, None).unwrap(), cell.encode());
    assert_eq!(cell.check(12, Some(&own), None), Verdict::Pass);
}

#[test]
fn reads_that_are_needed_and_missing_conflict_and_attempts_that_wrote_nothing_never_do() {
    let mut cell = sample();
    cell.apply(6, &delta([set(key("a"), "02")])).unwrap();
    let reads = Reads::from(vec![super::super::Read { kind: ReadKind::Slot, path: key("a") }]);
    let conflict = Verdict::Conflict { seq: 6, path: ".a".to_owned() };
    assert_eq!(cell.check(5, None, Some(&reads)), Verdict::Pass);
    assert_eq!(cell.check(5, Some(&Delta::default()), Some(&reads)), conflict);
    let elsewhere = delta([set(key("b").key("x"), "01")]);
    assert_eq!(cell.check(5, Some(&elsewhere), None), Verdict::Conflict { seq: 6, path: "(root)".to_owned() });
    assert_eq!(cell.check(5, Some(&elsewhere), Some(&Reads::default())), Verdict::Pass);
    assert_eq!(cell.check(5, Some(&elsewhere), Some(&reads)), conflict);
    assert_eq!(cell.check(5, Some(&delta([set(key("a"), "03")])), Some(&Reads::default())), conflict);
    assert_eq!(cell.check(6, Some(&elsewhere), None), Verdict::Pass);
}

#[test]
fn new_keys_beside_each_other_pass_and_pushes_to_one_array_conflict() {
    let mut cell = sample();
    cell.apply(6, &delta([set(key("b").key("x"), "01"), splice(key("list"), 3, 0, &["01"])])).unwrap();
    let none = Reads::default();
    assert_eq!(cell.check(5, Some(&delta([set(key("b").key("y"), "01")])), Some(&none)), Verdict::Pass);
    assert_eq!(cell.check(5, Some(&delta([set(key("list").index(0), "01")])), Some(&none)), Verdict::Pass);
    let push = delta([splice(key("list"), 3, 0, &["02"])]);
    assert_eq!(cell.check(5, Some(&push), Some(&none)), Verdict::Conflict { seq: 6, path: ".list".to_owned() });
}

#[test]
fn what_an_attempt_reads_and_writes_conflicts_as_the_rules_say() {
    let list = || key("list");
    let (slot, shape, level, subtree) = (ReadKind::Slot, ReadKind::Shape, ReadKind::Level, ReadKind::Subtree);
    for (queued, passing, conflicting) in [
        (
            set(key("b").key("x"), "01"),
            vec![(slot, key("b")), (slot, key("b").key("y")), (shape, Path::root()), (level, Path::root())],
            vec![(slot, key("b").key("x")), (shape, key("b")), (level, key("b")), (subtree, Path::root())],
        ),
        (
            set(key("b"), "b90000"),
            vec![(shape, Path::root()), (slot, key("a"))],
            vec![(slot, key("b")), (slot, key("b").key("x")), (shape, key("b")), (level, Path::root())],
        ),
        (at(key("a"), Action::Delete), vec![(slot, key("b"))], vec![(slot, key("a")), (shape, Path::root())]),
        (
            set(list().index(1), "02"),
            vec![(shape, list()), (slot, list().index(0)), (slot, list())],
            vec![(slot, list().index(1)), (level, list())],
        ),
        (
            splice(list(), 1, 1, &[]),
            vec![(slot, list().index(0)), (slot, list()), (level, Path::root())],
            vec![(slot, list().index(1)), (slot, list().index(7)), (shape, list()), (slot, list().index(2).key("x"))],
        ),
        (at(list().index(1), Action::Delete), vec![(slot, list().index(0))], vec![(shape, list())]),
        (at(list(), Action::Length(2)), vec![(slot, list().index(1))], vec![(slot, list().index(2)), (shape, list())]),
        (
            at(list(), Action::Permute(vec![1, 0, 2])),
            vec![(slot, list())],
            vec![(slot, list().index(2)), (shape, list())],
        ),
    ] {
        let mut cell = sample();
        cell.apply(6, &delta([queued.clone()])).unwrap();
        let seen = |(kind, path)| {
            let reads = Reads::from(vec![super::super::Read { kind, path }]);
            cell.check(5, Some(&Delta::default()), Some(&reads))
        };
        passing.into_iter().for_each(|read| assert_eq!(seen(read.clone()), Verdict::Pass, "{read:?} of {queued:?}"));
        for read in conflicting {
            let conflict = Verdict::Conflict { seq: 6, path: read.1.to_string() };
            assert_eq!(seen(read.clone()), conflict, "{read:?} of {queued:?}");
        }
    }
}

#[test]
fn filling_a_hole_changes_the_shape_of_its_array() {
    let mut cell = Cell::new(unhex("81 d95051f7"), 0).unwrap();
    cell.apply(1, &delta([set(Path::root().index(0), "01")])).unwrap();
    let reads = Reads::from(vec![super::super::Read { kind: ReadKind::Shape, path: Path::root() }]);
    assert!(matches!(cell.check(0, Some(&Delta::default()), Some(&reads)), Verdict::Conflict { seq: 1, .. }));
}

#[test]
fn what_an_attempt_replaces_or_cuts_off_conflicts_with_writes_below_it() {
    let mut cell = Cell::new(unhex("83 b90000 b90000 b90000"), 0).unwrap();
    cell.apply(1, &delta([set(Path::root().index(1).key("x"), "01")])).unwrap();
    let verdict = |op: Op| cell.check(0, Some(&delta([op])), Some(&Reads::default()));
    let root = Path::root;
    for op in [
        set(root(), "01"),
        set(root().index(1), "01"),
        at(root().index(1), Action::Delete),
        splice(root(), 1, 0, &[]),
        at(root(), Action::Length(1)),
        at(root(), Action::Permute(vec![0, 1, 2])),
    ] {
        assert!(matches!(verdict(op.clone()), Verdict::Conflict { seq: 1, .. }), "{op:?}");
    }
    for op in [set(root().index(1).key("y"), "01"), splice(root(), 2, 1, &[]), at(root(), Action::Length(2))] {
        assert_eq!(verdict(op.clone()), Verdict::Pass, "{op:?}");
    }
}

#[test]
fn the_log_is_bounded_by_slots() {
    let mut cell = Cell::new(unhex("b90001 6161 01"), 0).unwrap();
    for seq in 1..=MAX_SLOTS as u64 + 10 {
        cell.apply(seq, &delta([set(key("a"), "02")])).unwrap();
    }
    assert_eq!(cell.encode_at(9, None), Err(StateError::PinTooOld { pin: 9, oldest: 10 }));
    assert!(cell.encode_at(MAX_SLOTS as u64, None).is_ok());
}

#[test]
fn the_log_is_bounded_by_bytes() {
    let large = |seq: u64| {
        let mut writer = Writer::new();
        writer.bytes(&vec![seq as u8; MAX_BYTES / 4]);
        delta([at(key("a"), Action::Set(writer.finish()))])
    };
    let mut cell = Cell::new(unhex("b90001 6161 01"), 0).unwrap();
    for seq in 1..=8 {
        cell.apply(seq, &large(seq)).unwrap();
    }
    assert!(cell.encode_at(4, None).is_err());
    assert!(cell.encode_at(6, None).is_ok());
}

#[test]
fn memory_held_only_by_dead_bytes_is_given_back() {
    let mut cell = Cell::new(unhex("b90000"), 0).unwrap();
    for seq in 1..=10_000 {
        let padding = format!("5864{}", "00".repeat(100));
        cell.apply(seq, &delta([set(key("padding"), &padding), set(key("count"), "05")])).unwrap();
        assert!(cell.garbage <= cell.size + MIN_GARBAGE, "{} dead beside {}", cell.garbage, cell.size);
    }
    assert_eq!(cell.size(), cell.encode().len() as u64);
    assert!(cell.encode_at(5_000, None).is_ok());
}

#[test]
fn a_path_as_deep_as_paths_go_is_walked_on_the_stack_of_a_thread() {
    let depth = 512;
    let value: Bytes = [vec![0x81; depth], vec![0x01]].concat().into();
    let deep = (0..depth).fold(Path::root(), |path, _| path.index(0));
    let check = move || {
        let mut cell = Cell::new(value, 0).unwrap();
        cell.apply(1, &delta([set(deep.clone(), "02")])).unwrap();
        assert_eq!(cell.encode().last(), Some(&2));
        assert_eq!(cell.encode_at(0, None).unwrap().last(), Some(&1));
        let reads = Reads::from(vec![super::super::Read { kind: ReadKind::Subtree, path: deep.clone() }]);
        assert!(matches!(cell.check(0, Some(&delta([set(deep, "02")])), Some(&reads)), Verdict::Conflict { .. }));
        drop(cell.clone());
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).unwrap().join().unwrap();
}

#[test]
fn every_value_of_the_shared_fixture_survives_a_cell() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/values.json");
    let Ok(json) = std::fs::read_to_string(path) else { return };
    let (accepted, foreign) = (hex_in(&json, "accepted"), hex_in(&json, "foreign"));
    assert!(!accepted.is_empty() && !foreign.is_empty(), "no values in {path}");
    for value in accepted.iter().chain(&foreign) {
        let bytes = unhex(value);
        let mut cell = Cell::new(bytes.clone(), 0).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(cell.encode(), bytes);
        cell.apply(1, &delta([set(Path::root(), "b90000"), set(key("a"), value)])).unwrap();
        assert_eq!(cell.encode(), [&unhex("b900016161")[..], &bytes].concat());
        cell.apply(2, &delta([set(Path::root(), value)])).unwrap();
        assert_eq!(cell.encode(), bytes);
        cell.collect();
        assert_eq!(cell.encode(), bytes);
        let entry = || Path::root().entry(bytes.clone(), NEXT);
        cell.apply(3, &delta([set(Path::root(), "d90103a0"), set(entry(), value)])).unwrap();
        assert_eq!(cell.encode(), [&unhex("d90103a1")[..], &bytes, &bytes].concat());
        cell.apply(4, &delta([set(Path::root(), "d9010280"), at(entry(), Action::Add)])).unwrap();
        assert_eq!(cell.encode(), [&unhex("d9010281")[..], &bytes].concat());
    }
    for value in hex_in(&json, "corrupt") {
        let _ = Cell::new(unhex(&value), 0).map(|mut cell| cell.apply(1, &delta([set(key("a"), "01")])));
    }
    for value in &accepted {
        assert_eq!(Value::decode(&unhex(value)).encode(), unhex(value), "rebuilt from its parts");
    }
}

/// The `hex` fields of one list of the fixture, which has each field on a line of its own.
fn hex_in(json: &str, list: &str) -> Vec<String> {
    let heading = format!("  \"{list}\": [");
    let lines = json.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("  ]"));
    let values = lines.filter_map(|line| line.trim().strip_prefix("\"hex\": \""));
    values.map(|rest| rest.trim_end_matches([',', '"']).to_owned()).collect()
}

fn choices(len: usize) -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..len)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_cell_is_what_the_model_is_now_and_at_every_older_pin(choices in choices(300)) {
        let mut choices = Choices(choices.iter());
        let mut past = vec![choices.value(4)];
        let mut cell = Cell::new(past[0].encode(), 0).unwrap();
        while !choices.is_over() {
            let mut value = past[past.len() - 1].clone();
            let count = 1 + choices.below(4);
            let ops = choices.ops(&value, count);
            value.apply_all(&ops).unwrap();
            cell.apply(past.len() as u64, &delta(ops)).unwrap();
            past.push(value);
            prop_assert_eq!(cell.encode(), past[past.len() - 1].encode());
            if choices.below(20) == 7 {
                cell.collect();
            }
        }
        for (pin, value) in past.iter().enumerate() {
            prop_assert_eq!(cell.encode_at(pin as u64, None).unwrap(), value.encode(), "at {}", pin);
            let own = choices.ops(value, 2);
            let mut with_own = value.clone();
            with_own.apply_all(&own).unwrap();
            prop_assert_eq!(cell.encode_at(pin as u64, Some(&delta(own))).unwrap(), with_own.encode());
        }
        prop_assert_eq!(cell.root.encoded_len(), cell.encode().len());
    }

    #[test]
    fn ops_made_for_another_value_fit_whole_or_change_nothing(choices in choices(200)) {
        let mut choices = Choices(choices.iter());
        let (value, other) = (choices.value(3), choices.value(3));
        let mut cell = Cell::new(value.encode(), 0).unwrap();
        let ops = choices.ops(&other, 4);
        match cell.apply(1, &delta(ops.clone())) {
            Ok(()) => {
                let mut applied = value.clone();
                prop_assert!(applied.apply_all(&ops).is_some(), "{ops:?} on {value:?}");
                prop_assert_eq!(cell.encode(), applied.encode());
                prop_assert_eq!(cell.encode_at(0, None).unwrap(), value.encode());
            }
            Err(_) => {
                prop_assert_eq!(cell.encode(), value.encode());
                prop_assert_eq!(cell.head(), 0);
            }
        }
    }
}
