use proptest::prelude::*;

use super::*;

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect::<Vec<_>>().into()
}

fn value(text: &str) -> Bytes {
    unhex(text)
}

fn entry(kind: EntryKind) -> Entry {
    Entry { id: "id".to_owned(), location: Location::root().name(0), kind }
}

fn branch(status: BranchStatusType, output: Option<Bytes>) -> BranchStatus {
    BranchStatus { status, output, error: None }
}

fn branches<const N: usize>(list: [(&str, BranchStatus); N]) -> Branches {
    list.into_iter().map(|(name, branch)| (name.to_owned(), branch)).collect()
}

fn is_record_of(entry: Entry, golden: &str) {
    assert_eq!(entry.encode(), unhex(golden), "{entry:?}");
    assert_eq!(Entry::decode(&unhex(golden)).unwrap(), entry);
}

#[test]
fn steps_have_their_golden_bytes() {
    let step = |output: Option<&str>, error: Option<&str>| EntryKind::Step {
        output: output.map(value),
        error: error.map(str::to_owned),
    };
    is_record_of(entry(step(Some("626869"), None)), "010002696401000000000000010362686900");
    is_record_of(entry(step(None, None)), "0100026964010000000000000000");
    is_record_of(entry(step(None, Some("Error: x"))), "0100026964010000000000000001084572726f723a2078");
    let inner = Entry { location: Location::root().name(3).iteration(3, 5).name(4), ..entry(step(Some("01"), None)) };
    is_record_of(inner, "010002696403000300000001030000000500000000040000000001010100");
}

#[test]
fn loops_have_their_golden_bytes() {
    let counting = EntryKind::Loop { state: value("b9000165636f756e7400"), iteration: 300, output: None };
    is_record_of(entry(counting), "0100026964010000000000010ab9000165636f756e74002c01000000");
    let stateless = EntryKind::Loop { state: value("f7"), iteration: 0, output: None };
    is_record_of(entry(stateless), "01000269640100000000000101f70000000000");
}

#[test]
fn sleeps_messages_and_checkpoints_have_their_golden_bytes() {
    let sleep = EntryKind::Sleep { deadline_ms: 1_700_000_000_000, state: SleepState::Pending };
    is_record_of(entry(sleep), "0100026964010000000000020068e5cf8b01000000");
    let message = EntryKind::Message { name: "n".to_owned(), data: value("02") };
    is_record_of(entry(message), "010002696401000000000003016e0102");
    is_record_of(entry(EntryKind::RollbackCheckpoint { name: "cp".to_owned() }), "010002696401000000000004026370");
}

#[test]
fn joins_and_races_have_their_golden_bytes() {
    use BranchStatusType::{Completed, Pending};
    let join = branches([("a", branch(Pending, None)), ("b", branch(Completed, Some(value("01"))))]);
    is_record_of(entry(EntryKind::Join { branches: join }), "01000269640100000000000502016100000001620201010100");
    let race = branches([("a", branch(Completed, Some(value("6177"))))]);
    is_record_of(
        entry(EntryKind::Race { winner: Some("a".to_owned()), branches: race }),
        "010002696401000000000006010161010161020102617700",
    );
    let empty = EntryKind::Race { winner: None, branches: branches([]) };
    is_record_of(entry(empty), "0100026964010000000000060000");
}

#[test]
fn removed_entries_and_version_checks_have_their_golden_bytes() {
    let removed = EntryKind::Removed { original_type: "step".to_owned(), original_name: Some("old".to_owned()) };
    is_record_of(entry(removed), "010002696401000000000007047374657001036f6c64");
    is_record_of(entry(EntryKind::VersionCheck { resolved: 1, latest: 2 }), "0100026964010000000000080100000002000000");
}

#[test]
fn metadata_has_its_golden_bytes() {
    let completed = EntryMetadata {
        status: EntryStatus::Completed,
        error: None,
        attempts: 1,
        last_attempt_at_ms: 1,
        created_at_ms: 2,
        completed_at_ms: Some(3),
        rollback_completed_at_ms: None,
        rollback_error: None,
    };
    let exhausted = EntryMetadata {
        status: EntryStatus::Exhausted,
        error: Some("E".to_owned()),
        attempts: 4,
        completed_at_ms: None,
        rollback_completed_at_ms: Some(5),
        rollback_error: Some("r".to_owned()),
        ..completed.clone()
    };
    for (metadata, golden) in [
        (completed, "0100020001000000010000000000000002000000000000000103000000000000000000"),
        (exhausted, "010004010145040000000100000000000000020000000000000000010500000000000000010172"),
    ] {
        assert_eq!(metadata.encode(), unhex(golden));
        assert_eq!(EntryMetadata::decode(&unhex(golden)).unwrap(), metadata);
    }
}

#[test]
fn a_record_that_is_not_one_is_refused_with_what_was_found_and_where() {
    let refused = |hex: &str| Entry::decode(&unhex(hex)).unwrap_err().to_string();
    assert_eq!(refused(""), "found 0 bytes, expected 2 for a record version, at offset 0");
    assert_eq!(refused("0200026964"), "found version 2, expected record version 1, at offset 0");
    assert_eq!(
        refused("01000269640100000000000000ff"),
        "found byte 0xff, expected 0 or 1 before an optional, at offset 13"
    );
    assert_eq!(refused("010002696401000000000009"), "found tag 9, expected an entry kind (0 to 8, 52), at offset 11");
    assert_eq!(refused("01000269640102"), "found 1 bytes, expected 5 for the segments of a location, at offset 5");
    assert_eq!(
        refused("0100026964010200000000000000"),
        "found tag 2, expected a location segment (0 or 1), at offset 6"
    );
    assert_eq!(
        refused("0100026964010000000000000000aabb"),
        "found 2 more bytes, expected the end of an entry, at offset 14"
    );
    assert_eq!(refused("010001ff"), "found bytes that are not UTF-8, expected an entry id, at offset 3");
    assert!(refused("01008000").starts_with("found a length that is too long or not in its shortest form"));
    assert!(refused("0100ffffffffffffffff").starts_with("found a length that is too long"));
    assert_eq!(
        refused("01000269640100000000000502016100000001610000 00".replace(' ', "").as_str()),
        "found branch \"a\" again, expected each branch once, at offset 18"
    );
    let metadata = EntryMetadata::decode(&unhex("010005")).unwrap_err();
    assert_eq!(metadata.to_string(), "found tag 5, expected an entry status (0 to 4), at offset 2");
}

#[test]
fn a_huge_length_is_refused_before_anything_is_allocated() {
    for hex in ["0100ffffffff0f", "01000269 64ffffffff0f", "010002696401000000000005ffffffff0f"] {
        let error = Entry::decode(&unhex(&hex.replace(' ', ""))).unwrap_err();
        assert!(matches!(error, CodecError::Truncated { .. }), "{error}");
    }
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn any_location() -> impl Strategy<Value = Location> {
    let segment = prop_oneof![
        any::<u32>().prop_map(Segment::Name),
        (any::<u32>(), any::<u32>()).prop_map(|(loop_name, iteration)| Segment::Iteration { loop_name, iteration }),
    ];
    prop::collection::vec(segment, 0..6).prop_map(Location::from)
}

fn any_branches() -> impl Strategy<Value = Branches> {
    let branch = (
        any::<String>(),
        prop::sample::select(BranchStatusType::ALL),
        prop::option::of(any_bytes()),
        prop::option::of(any::<String>()),
    );
    let pair = branch.prop_map(|(name, status, output, error)| (name, BranchStatus { status, output, error }));
    prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn any_kind() -> impl Strategy<Value = EntryKind> {
    let text = any::<String>;
    let maybe_text = || prop::option::of(any::<String>());
    let maybe_bytes = || prop::option::of(any_bytes());
    prop_oneof![
        (maybe_bytes(), maybe_text()).prop_map(|(output, error)| EntryKind::Step { output, error }),
        (any_bytes(), any::<u32>(), maybe_bytes()).prop_map(|(state, iteration, output)| EntryKind::Loop {
            state,
            iteration,
            output
        }),
        (any::<u64>(), prop::sample::select(SleepState::ALL))
            .prop_map(|(deadline_ms, state)| EntryKind::Sleep { deadline_ms, state }),
        (text(), any_bytes()).prop_map(|(name, data)| EntryKind::Message { name, data }),
        text().prop_map(|name| EntryKind::RollbackCheckpoint { name }),
        any_branches().prop_map(|branches| EntryKind::Join { branches }),
        (maybe_text(), any_branches()).prop_map(|(winner, branches)| EntryKind::Race { winner, branches }),
        (text(), maybe_text())
            .prop_map(|(original_type, original_name)| EntryKind::Removed { original_type, original_name }),
        (any::<u32>(), any::<u32>()).prop_map(|(resolved, latest)| EntryKind::VersionCheck { resolved, latest }),
    ]
}

fn any_metadata() -> impl Strategy<Value = EntryMetadata> {
    (
        prop::sample::select(EntryStatus::ALL),
        prop::option::of(any::<String>()),
        any::<(u32, u64, u64)>(),
        any::<(Option<u64>, Option<u64>)>(),
        prop::option::of(any::<String>()),
    )
        .prop_map(|(status, error, (attempts, last, created), (completed, rollback), rollback_error)| {
            EntryMetadata {
                status,
                error,
                attempts,
                last_attempt_at_ms: last,
                created_at_ms: created,
                completed_at_ms: completed,
                rollback_completed_at_ms: rollback,
                rollback_error,
            }
        })
}

proptest! {
    #[test]
    fn every_entry_comes_back_from_its_record(id in any::<String>(), location in any_location(), kind in any_kind()) {
        let entry = Entry { id, location, kind };
        prop_assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
    }

    #[test]
    fn all_metadata_come_back_from_their_record(metadata in any_metadata()) {
        prop_assert_eq!(EntryMetadata::decode(&metadata.encode()).unwrap(), metadata);
    }

    #[test]
    fn a_record_cut_short_is_refused(kind in any_kind(), metadata in any_metadata(), cut in any::<prop::sample::Index>()) {
        let (record, metadata) = (entry(kind).encode(), metadata.encode());
        prop_assert!(Entry::decode(&record.slice(..cut.index(record.len()))).is_err());
        prop_assert!(EntryMetadata::decode(&metadata.slice(..cut.index(metadata.len()))).is_err());
    }

    #[test]
    fn what_is_decoded_from_garbage_encodes_to_the_same_bytes(garbage in any_bytes(), kind in any_kind(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let with_header: Bytes = [&[1, 0][..], &garbage].concat().into();
        let mut mutated = entry(kind).encode().to_vec();
        let at = at.index(mutated.len());
        mutated[at] = byte;
        for record in [garbage, with_header, mutated.into()] {
            if let Ok(entry) = Entry::decode(&record) {
                prop_assert_eq!(entry.encode(), record.clone());
            }
            if let Ok(metadata) = EntryMetadata::decode(&record) {
                prop_assert_eq!(metadata.encode(), record);
            }
        }
    }
}
