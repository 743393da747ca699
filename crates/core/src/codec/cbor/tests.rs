use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::codec::CodecError;

fn unhex(text: &str) -> Bytes {
    let text = text.replace(' ', "");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect::<Vec<_>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn written(write: impl FnOnce(&mut Writer) -> &mut Writer) -> String {
    let mut writer = Writer::new();
    write(&mut writer);
    hex(&writer.finish())
}

#[test]
fn numbers_are_written_as_cbor_x_writes_them() {
    for (value, golden) in [
        (0.0, "00"),
        (23.0, "17"),
        (24.0, "1818"),
        (255.0, "18ff"),
        (256.0, "190100"),
        (65536.0, "1a00010000"),
        (4294967295.0, "1affffffff"),
        (4294967296.0, "fb41f0000000000000"),
        (-1.0, "20"),
        (-24.0, "37"),
        (-25.0, "3818"),
        (-257.0, "390100"),
        (-65537.0, "3a00010000"),
        (-2147483648.0, "3a7fffffff"),
        (-2147483649.0, "fbc1e0000000200000"),
        (1.5, "fb3ff8000000000000"),
        (1700000000000.0, "fb4278bcfe56800000"),
        (f64::NAN, "fb7ff8000000000000"),
        (-f64::NAN, "fb7ff8000000000000"),
        (f64::INFINITY, "fb7ff0000000000000"),
        (-0.0, "fb8000000000000000"),
    ] {
        let bytes = written(|w| w.number(value));
        assert_eq!(bytes, golden, "{value}");
        let read = number(&unhex(&bytes)).unwrap();
        assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan());
    }
}

#[test]
fn a_queue_message_is_composed_around_its_body_as_cbor_x_writes_it() {
    let body = unhex("b900016178820162c3a9");
    let mut writer = Writer::new();
    writer.object(6);
    writer.key(b"__rivetWorkflowQueueMessage").number(1.0);
    writer.key(b"id").text("a").key(b"name").text("n").key(b"body").raw(&body);
    writer.key(b"createdAt").number(1.7e12).key(b"completed").boolean(false);
    let message = writer.finish();
    assert_eq!(
        hex(&message),
        "b90006781b5f5f7269766574576f726b666c6f7751756575654d657373616765016269646161646e616d65616e64626f6479\
         b900016178820162c3a969637265617465644174fb4278bcfe5680000069636f6d706c65746564f4"
    );
    validate(&message).unwrap();
    assert_eq!(field(&message, "body").unwrap().unwrap(), body);
    assert_eq!(text(&field(&message, "id").unwrap().unwrap()), Some("a"));
    assert_eq!(number(&field(&message, "createdAt").unwrap().unwrap()), Some(1.7e12));
    assert_eq!(boolean(&field(&message, "completed").unwrap().unwrap()), Some(false));
    assert_eq!(field(&message, "response").unwrap(), None);
    assert_eq!(field(&unhex("83616101 02"), "a").unwrap(), None);
}

#[test]
fn heads_have_their_golden_bytes_and_lengths() {
    assert_eq!(written(|w| w.object(2)), "b90002");
    assert_eq!(written(|w| w.null_prototype().object(65536)), "d95057ba00010000");
    assert_eq!(written(|w| w.array(3)), "83");
    assert_eq!(written(|w| w.array(24)), "9818");
    assert_eq!(written(|w| w.key(b"__proto__")), format!("d9505049{}", hex(b"__proto__")));
    assert_eq!(written(|w| w.key(&[0xed, 0xa0, 0x80])), "d9505043eda080");
    assert_eq!(written(|w| w.key("é".as_bytes())), "62c3a9");
    assert_eq!(written(|w| w.uint(1 << 32)), "1b0000000100000000");
    assert_eq!(written(|w| w.bytes(&[1]).null().undefined().hole().boolean(true)), "4101f6f7d95051f7f5");
    for key in [&b"a"[..], b"__proto__", &[0xed, 0xa0, 0x80], &[b'k'; 300]] {
        assert_eq!(key_len(key) * 2, written(|w| w.key(key)).len());
    }
    assert_eq!([written(|w| w.map(1)), written(|w| w.set(24))], ["d90103a1", "d901029818"]);
    for count in [0, 23, 24, 255, 256, 65535, 65536] {
        assert_eq!(entries_head_len(count) * 2, written(|w| w.map(count)).len());
        assert_eq!(entries_head_len(count) * 2, written(|w| w.set(count)).len());
        assert_eq!(array_head_len(count) * 2, written(|w| w.array(count)).len());
        assert_eq!(object_head_len(count, false) * 2, written(|w| w.object(count)).len());
        assert_eq!(object_head_len(count, true) * 2, written(|w| w.null_prototype().object(count)).len());
    }
}

#[test]
fn every_form_of_a_number_is_read() {
    for (bytes, value) in [
        ("f93c00", 1.0),
        ("f90001", 5.960464477539063e-8),
        ("f97bff", 65504.0),
        ("f9c400", -4.0),
        ("f9fc00", f64::NEG_INFINITY),
        ("fa47c35000", 100000.0),
        ("1800", 0.0),
        ("3903e7", -1000.0),
    ] {
        assert_eq!(number(&unhex(bytes)), Some(value), "{bytes}");
    }
    assert!(number(&unhex("f97e00")).unwrap().is_nan());
    for bytes in ["1b0000000000000001", "f5", "f7", "6131", "80", ""] {
        assert_eq!(number(&unhex(bytes)), None, "{bytes}");
    }
}

#[test]
fn well_formed_values_are_measured() {
    for (bytes, depth) in [
        ("00", 0),
        ("b90000", 1),
        ("80", 1),
        ("8180", 2),
        ("9f01ff", 1),
        ("bf6161 9fffff", 2),
        ("5f41014102ff", 0),
        ("7f6161ff", 0),
        ("d90103a10181f6", 2),
        ("c11a00000000", 0),
        ("d95057b900016161d95051f7", 1),
        ("f8ff", 0),
        ("63eda080", 0),
        ("66edb080eda080", 0),
        ("e0", 0),
    ] {
        assert_eq!(validate(&unhex(bytes)).unwrap(), depth, "{bytes}");
        assert_eq!(skip(&unhex(&format!("{bytes}aa")), 0).unwrap() * 2, bytes.replace(' ', "").len(), "{bytes}");
        assert_eq!(skip_valid(&unhex(&format!("{bytes}aa")), 0).unwrap() * 2, bytes.replace(' ', "").len(), "{bytes}");
    }
}

#[test]
fn malformed_values_are_refused_with_their_offset() {
    for (bytes, offset) in [
        ("", 0),
        ("0000", 1),
        ("18", 1),
        ("1c", 0),
        ("1f", 0),
        ("ff", 0),
        ("c1ff", 1),
        ("c1", 1),
        ("8201", 1),
        ("820101ff", 3),
        ("9f01", 2),
        ("9fc1ff", 2),
        ("bf6161ff", 3),
        ("a16161", 3),
        ("a161", 1),
        ("62c3", 1),
        ("62c328", 1),
        ("5f6161ff", 1),
        ("5f5fffff", 1),
        ("7f6161", 3),
        ("7f61c3ff", 2),
        ("61ff", 1),
        ("66eda080edb080", 4),
        ("f81f", 0),
        ("9bffffffffffffffff", 9),
        ("bbffffffffffffffff", 9),
        ("5bffffffffffffffff00", 9),
        ("81f800", 1),
    ] {
        let error = validate(&unhex(bytes)).unwrap_err();
        assert_eq!(error.offset(), offset, "{bytes}: {error}");
    }
}

#[test]
fn nesting_is_bounded_without_a_call_stack() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0xf6]].concat();
    assert_eq!(validate(&nested(MAX_DEPTH)).unwrap(), MAX_DEPTH);
    let error = validate(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error, CodecError::TooDeep { offset: MAX_DEPTH, limit: MAX_DEPTH });
    assert_eq!(validate(&[vec![0x9f; MAX_DEPTH], vec![0xff; MAX_DEPTH]].concat()).unwrap(), MAX_DEPTH);
    assert_eq!(validate(&[vec![0xc1; 1_000_000], vec![0xf6]].concat()).unwrap(), 0);
    assert!(validate(&vec![0x81; 5_000_000]).is_err());
}

fn items(value: &Bytes) -> Vec<String> {
    children(value).unwrap().map(|item| hex(&item.unwrap())).collect()
}

#[test]
fn children_are_slices_of_the_container() {
    assert_eq!(items(&unhex("8301820203f7")), ["01", "820203", "f7"]);
    assert_eq!(items(&unhex("9f01 8202039fffff")), ["01", "820203", "9fff"]);
    assert_eq!(items(&unhex("b9000261610161620 2".replace(' ', "").as_str())), ["6161", "01", "6162", "02"]);
    assert_eq!(items(&unhex("bf616101ff")), ["6161", "01"]);
    assert_eq!(items(&unhex("d95057a1616101")), ["6161", "01"]);
    assert_eq!(items(&unhex("d90103a10102")), ["01", "02"]);
    assert_eq!(items(&unhex("d90103bf0102ff")), ["01", "02"]);
    assert_eq!(items(&unhex("d90102820102")), ["01", "02"]);
    assert_eq!(items(&unhex("d9010201")), Vec::<String>::new());
    assert_eq!(items(&unhex("d840820102")), Vec::<String>::new());
    let value = unhex("81820102");
    let child = children(&value).unwrap().next().unwrap().unwrap();
    assert_eq!(child.as_ptr() as usize - value.as_ptr() as usize, 1);
}

#[test]
fn a_broken_container_gives_one_error_and_then_nothing() {
    let value = unhex("8301ff02");
    let mut children = children(&value).unwrap();
    assert!(children.next().unwrap().is_ok());
    assert!(children.next().unwrap().is_err());
    assert!(children.next().is_none());
}

#[test]
fn keys_are_strings_in_any_of_their_forms() {
    let key_of = |bytes: &str| key(&unhex(bytes)).unwrap().map(|key| hex(&key));
    assert_eq!(key_of("626162"), Some("6162".into()));
    assert_eq!(key_of("7f61616162ff"), Some("6162".into()));
    assert_eq!(key_of("d9505043eda080"), Some("eda080".into()));
    assert_eq!(key_of("d950505f41614162ff"), Some("6162".into()));
    assert_eq!(key_of("63eda080"), Some("eda080".into()));
    assert_eq!(key_of("4161"), None);
    assert_eq!(key_of("d950506161"), None);
    assert_eq!(key_of("01"), None);
    for bytes in ["d9505041ff", "d9505046eda080edb080", "7f63eda08063edb080ff"] {
        assert!(key(&unhex(bytes)).is_err(), "{bytes}");
    }
}

#[test]
fn kinds_are_told_by_head_and_tag() {
    for (bytes, expected, words) in [
        ("b90000", Kind::Object { null_prototype: false }, "an object"),
        ("bfff", Kind::Object { null_prototype: false }, "an object"),
        ("d95057b90000", Kind::Object { null_prototype: true }, "an object"),
        ("80", Kind::Array, "an array"),
        ("d9505780", Kind::Leaf, "a value with a tag"),
        ("d90103a0", Kind::Map, "a Map"),
        ("d901029fff", Kind::Set, "a Set"),
        ("d9010380", Kind::Leaf, "a value with a tag"),
        ("d8404101", Kind::Leaf, "a value with a tag"),
        ("d95051f7", Kind::Leaf, "a hole"),
        ("d9505040", Kind::Leaf, "a string"),
        ("f7", Kind::Leaf, "undefined"),
        ("f6", Kind::Leaf, "null"),
        ("f4", Kind::Leaf, "a boolean"),
        ("fb0000000000000000", Kind::Leaf, "a float"),
        ("20", Kind::Leaf, "an integer"),
    ] {
        assert_eq!(kind(&unhex(bytes)).unwrap(), expected, "{bytes}");
        assert_eq!(describe(&unhex(bytes)), words);
    }
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(|value| Writer::new().number(value).clone().finish().to_vec()),
        any::<String>().prop_map(|value| Writer::new().text(&value).clone().finish().to_vec()),
        any::<u64>().prop_map(|value| Writer::new().uint(value).clone().finish().to_vec()),
        Just(vec![0xf7]),
        Just(HOLE.to_vec()),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| {
                let mut writer = Writer::new();
                writer.array(items.len()).raw(&items.concat());
                writer.finish().to_vec()
            }),
            prop::collection::vec((any::<String>(), inner.clone()), 0..5).prop_map(|pairs| {
                let mut writer = Writer::new();
                writer.object(pairs.len());
                pairs.iter().for_each(|(key, value)| {
                    writer.key(key.as_bytes()).raw(value);
                });
                writer.finish().to_vec()
            }),
            prop::collection::vec(inner, 0..5).prop_map(|items| [vec![0x9f], items.concat(), vec![0xff]].concat()),
        ]
    })
}

proptest! {
    #[test]
    fn a_written_value_is_valid_and_no_part_of_it_is(value in any_value(), cut in any::<prop::sample::Index>()) {
        validate(&value).unwrap();
        prop_assert!(validate(&value[..cut.index(value.len())]).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), at in 0usize..60) {
        let bytes = Bytes::from(bytes);
        let _ = (validate(&bytes), kind(&bytes), key(&bytes), text(&bytes), number(&bytes), boolean(&bytes));
        let _ = (describe(&bytes), field(&bytes, "a"), skip(&bytes, at.min(bytes.len())));
        if let Ok(children) = children(&bytes) {
            prop_assert!(children.len_hint() <= bytes.len());
            prop_assert!(children.count() <= bytes.len() + 1);
        }
    }

    #[test]
    fn a_mutated_value_is_skipped_within_its_bytes(value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut value = value;
        let at = at.index(value.len());
        value[at] = byte;
        if let Ok(end) = skip(&value, 0) {
            prop_assert!(end <= value.len());
            prop_assert!(validate(&value[..end]).is_ok());
        }
    }
}
