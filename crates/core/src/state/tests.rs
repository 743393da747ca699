//! Deltas, reads and paths as bytes, and conflicts against the rule they are made from.

use bytes::Bytes;
use proptest::prelude::*;

use super::marks::{Marks, Reach};
use super::model::Choices;
use super::*;
use crate::codec::CodecError;

fn unhex(text: &str) -> Bytes {
    let text = text.replace(' ', "");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect::<Vec<_>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn deltas_have_their_golden_bytes() {
    let path = || Path::root().key("items").index(300).key("é");
    let path_bytes = "03 00056974656d73 01ac02 0002c3a9";
    for (action, bytes) in [
        (Action::Set(unhex("83010203")), format!("0101{path_bytes}0483010203")),
        (Action::Delete, format!("0102{path_bytes}")),
        (
            Action::Splice { start: 1, removed: 200, added: vec![unhex("f6"), unhex("1818")] },
            format!("0103{path_bytes}01c8010201f6021818"),
        ),
        (Action::Length(5), format!("0104{path_bytes}05")),
        (Action::Permute(vec![2, 0, 1]), format!("0105{path_bytes}03020001")),
    ] {
        let delta = Delta::new(vec![Op { path: path(), action }]).unwrap();
        assert_eq!(hex(&delta.encode()), bytes.replace(' ', ""));
        assert_eq!(Delta::parse(&unhex(&bytes)).unwrap(), delta);
        assert_eq!(delta.encoded_len() * 2, bytes.replace(' ', "").len());
    }
    let entry = || Path::root().entry(unhex("6161"), 300);
    let entry_bytes = "01 02ac02026161";
    for (path, action, bytes) in [
        (entry(), Action::Set(unhex("01")), format!("0101{entry_bytes}0101")),
        (entry(), Action::Add, format!("0106{entry_bytes}")),
        (entry(), Action::Rename(unhex("80")), format!("0107{entry_bytes}0180")),
        (Path::root(), Action::Bytes { start: 300, bytes: unhex("0102") }, "010800 ac02020102".to_owned()),
        (
            Path::root(),
            Action::Rebuild {
                start: 1,
                pieces: vec![Piece::Kept { start: 300, count: 2 }, Piece::New(vec![unhex("f6"), unhex("01")])],
            },
            "010900 0102 00ac0202 010201f60101".to_owned(),
        ),
    ] {
        let delta = Delta::new(vec![Op { path, action }]).unwrap();
        assert_eq!(hex(&delta.encode()), bytes.replace(' ', ""));
        assert_eq!(Delta::parse(&unhex(&bytes)).unwrap(), delta);
    }
    assert_eq!(hex(&Delta::new(vec![]).unwrap().encode()), "01");
    let root = Delta::new(vec![Op { path: Path::root(), action: Action::Set(unhex("f7")) }]).unwrap();
    assert_eq!(hex(&root.encode()), "01010001f7");
    let end = Delta::new(vec![Op { path: Path::root(), action: Action::End }]).unwrap();
    assert_eq!(hex(&end.encode()), "010a00");
    assert!(end.ends() && !root.ends());
}

#[test]
fn reads_have_their_golden_bytes() {
    let reads = Reads::from(vec![
        Read { kind: ReadKind::Slot, path: Path::root().key("a") },
        Read { kind: ReadKind::Shape, path: Path::root() },
        Read { kind: ReadKind::Level, path: Path::root().index(7) },
        Read { kind: ReadKind::Subtree, path: Path::root().key(b"\xed\xa0\x80") },
    ]);
    assert_eq!(hex(&reads.encode()), "0101000161 0200 03010107 04010003eda080".replace(' ', ""));
    assert_eq!(Reads::parse(&reads.encode()).unwrap(), reads);
    assert_eq!(Reads::parse(&Bytes::new()).unwrap(), Reads::default());
}

#[test]
fn malformed_deltas_are_refused_with_their_offset() {
    for (bytes, offset, words) in [
        ("", 0, "a delta's version"),
        ("02", 0, "found version 2"),
        ("010b 00", 1, "found code 11"),
        ("010a 01 0100", 1, "an end that is not of the whole"),
        ("010a 00 0101 00 01f6", 1, "an end that is not of the whole"),
        ("0106 00", 1, "the path of an entry"),
        ("0107 01 0100 0101", 1, "the path of an entry"),
        ("0101 01 0361 01f6", 3, "found tag 3"),
        ("0101 01 0200 0182 01f6", 7, "the items of a container"),
        ("0108 00 0002aa", 4, "bytes"),
        ("0109 00 0001 0200", 5, "found kind 2"),
        ("0101 01 0001ff 01f6", 3, "not WTF-8"),
        ("0101 01 01ffffffff0f 01f6", 3, "found index 4294967295"),
        ("0101 01 01ffffffff1f 01f6", 4, "over 32 bits"),
        ("0101 01 018000 01f6", 4, "shortest form"),
        ("0101 ff01", 2, "the segments of a path"),
        ("0101 00 05f6", 3, "expected 5 for a value"),
        ("0101 00 01ff", 4, "a break"),
        ("0101 00 02f6f6", 5, "found 1 more bytes"),
        ("0101 00 00", 4, "a CBOR value"),
        ("0102 00", 1, "a delete of the root"),
        ("0103 00 0000ff01", 5, "the added items"),
        ("0105 00 020001 020000", 6, "a delete of the root"),
        ("0105 00 0200 00", 3, "found index 0 again"),
        ("0105 00 020200", 3, "found index 2 again or too large"),
        ("0105 00 ffff03", 3, "the items of a permutation"),
    ] {
        let error = Delta::parse(&unhex(bytes)).unwrap_err();
        assert!(error.to_string().contains(words), "{bytes}: {error}");
        assert_eq!(error.offset(), offset, "{bytes}: {error}");
    }
    assert!(Reads::parse(&unhex("0500")).unwrap_err().to_string().contains("found kind 5"));
    assert_eq!(Reads::parse(&unhex("01")).unwrap_err().offset(), 1);
}

#[test]
fn paths_and_values_are_refused_when_too_deep() {
    let deep = (0..513).fold(Path::root(), |path, _| path.index(0));
    let error = Delta::new(vec![Op { path: deep, action: Action::Delete }]).unwrap_err();
    assert_eq!(error, CodecError::TooDeep { offset: 2, limit: 512 });
    let nested = |depth: usize| Bytes::from([vec![0x81; depth], vec![0xf6]].concat());
    let set = |depth| Delta::new(vec![Op { path: Path::root().key("a"), action: Action::Set(nested(depth)) }]);
    assert!(set(9_999).is_ok());
    assert!(matches!(set(10_000), Err(CodecError::TooDeep { limit: 10_000, .. })));
}

#[test]
fn paths_read_as_a_person_would_write_them() {
    let path = Path::root().key("items").index(3).key("odd key").key("a\"b").key("7").key("_$9").key(b"\xed\xa0\x80");
    assert_eq!(path.to_string(), ".items[3][\"odd key\"][\"a\\\"b\"][\"7\"]._$9[\"���\"]");
    assert_eq!(Path::root().to_string(), "(root)");
}

/// One write of the log, as the rule has it: change, path, what.
#[derive(Debug, Clone)]
enum Write {
    Slot(Path),
    /// The shape of the container at the path.
    Shape(Path),
    From(Path, u32),
}

fn is_at_or_above(path: &[Slot], other: &[Slot]) -> bool {
    other.starts_with(path)
}

/// Whether a look sees a write, straight from the rule.
fn sees(path: &Path, reach: Reach, write: &Write) -> bool {
    let look = path.slots();
    match write {
        Write::Slot(slot) => {
            let slot = slot.slots();
            let parent = slot.split_last().map(|(_, parent)| parent);
            is_at_or_above(slot, look)
                || match reach {
                    Reach::Slot | Reach::Shape => false,
                    Reach::Level => parent == Some(look),
                    Reach::Subtree => is_at_or_above(look, slot),
                    Reach::From(start) => {
                        let below = slot.get(look.len()).filter(|_| is_at_or_above(look, slot));
                        matches!(below, Some(Slot::Index(index)) if *index >= start)
                    }
                }
        }
        Write::Shape(container) => match reach {
            Reach::Slot => false,
            Reach::Subtree => is_at_or_above(look, container.slots()),
            Reach::From(start) if look != container.slots() => {
                let below = container.slots().get(look.len()).filter(|_| is_at_or_above(look, container.slots()));
                matches!(below, Some(Slot::Index(index)) if *index >= start)
            }
            _ => look == container.slots(),
        },
        Write::From(array, start) => {
            let moved = look.get(array.slots().len()).filter(|_| is_at_or_above(array.slots(), look));
            matches!(moved, Some(Slot::Index(index)) if index >= start)
                || sees(path, reach, &Write::Shape(array.clone()))
        }
    }
}

fn path_of(choices: &mut Choices) -> Path {
    (0..choices.below(4)).fold(Path::root(), |path, _| match choices.below(5) {
        0 => path.key("a"),
        1 => path.key("b"),
        index => path.index(index as u32),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn marks_tell_what_going_through_every_write_tells(choices in prop::collection::vec(any::<u16>(), 0..300)) {
        let mut choices = Choices(choices.iter());
        let mut marks = Marks::default();
        let mut writes: Vec<(u64, Write)> = Vec::new();
        let mut floor = 0;
        for seq in 1..=choices.below(12) as u64 {
            for _ in 0..=choices.below(3) {
                let path = path_of(&mut choices);
                match choices.below(3) {
                    0 => {
                        marks.write_slot(&path, seq);
                        writes.push((seq, Write::Slot(path)));
                    }
                    1 => {
                        let slot = path.clone().key("new");
                        marks.write_shape_around(&slot, seq);
                        writes.push((seq, Write::Shape(path)));
                    }
                    _ => {
                        let start = choices.below(4) as u32 + 1;
                        marks.write_from(&path, start, seq);
                        writes.push((seq, Write::From(path, start)));
                    }
                }
            }
            if choices.below(8) == 7 {
                floor = seq / 2;
                marks.forget(floor);
            }
        }
        for _ in 0..10 {
            let path = path_of(&mut choices);
            let reach = [Reach::Slot, Reach::Shape, Reach::Level, Reach::Subtree, Reach::From(choices.below(5) as u32)]
                [choices.below(5)];
            for pin in floor..12 {
                let seen = writes.iter().any(|(seq, write)| *seq > pin && sees(&path, reach, write));
                let found = marks.after(pin, &path, reach);
                prop_assert_eq!(found.is_some(), seen, "{} {:?} after {}: {:?}", path, reach, pin, writes);
                prop_assert!(found.is_none_or(|seq| seq > pin));
            }
        }
    }

    #[test]
    fn every_delta_comes_back_from_its_bytes(choices in prop::collection::vec(any::<u16>(), 0..200)) {
        let mut choices = Choices(choices.iter());
        let value = choices.value(3);
        let delta = Delta::new(choices.ops(&value, 5)).unwrap();
        prop_assert_eq!(Delta::parse(&delta.encode()).unwrap(), delta);
    }

    #[test]
    fn garbage_deltas_and_reads_never_panic(
        garbage in prop::collection::vec(any::<u8>(), 0..100),
        choices in prop::collection::vec(any::<u16>(), 0..200),
    ) {
        let mut choices = Choices(choices.iter());
        let value = choices.value(3);
        let mut bytes = Delta::new(choices.ops(&value, 5)).unwrap().encode().to_vec();
        let at = choices.below(bytes.len());
        bytes[at] = choices.below(256) as u8;
        let garbage = Bytes::from([&[1][..], &garbage].concat());
        let _ = Reads::parse(&garbage);
        for bytes in [garbage, bytes.into()] {
            let Ok(delta) = Delta::parse(&bytes) else { continue };
            prop_assert_eq!(&delta.encode(), &bytes);
            let mut cell = Cell::new(value.encode(), 0).unwrap().with_limit(10_000);
            if cell.apply(1, &delta).is_ok() {
                let encoded = cell.encode();
                prop_assert!(crate::codec::cbor::validate(&encoded).is_ok());
            }
            if !delta.is_empty() {
                prop_assert_eq!(cell.encode_at(0, None).unwrap(), value.encode());
            }
        }
    }
}
