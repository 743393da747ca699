use super::*;
use crate::codec::bare::Writer;
use crate::codec::message::{read_message, write_message};
use crate::codec::record::{EntryKind, EntryStatus};
use crate::failure::FailureKind;
use crate::inbox::{Message, Purpose};
use crate::key::Location;

fn everything() -> ChangeWriter {
    let mut writer = ChangeWriter::new(CommitId([7; 16]), 1_700_000_000_000);
    writer.created(3, true, Some(&Bytes::from_static(&[0x01])));
    writer.name(0, "charge");
    writer.entry(&entry());
    writer.metadata("id", &metadata());
    writer.failure("id", Some(Terminal::Critical), &failure());
    writer.base("state", &Bytes::from_static(&[0xf6]), 2);
    writer.delta("state", &Bytes::from_static(&[1]));
    writer.took(&MessageKey { sender: "order/1".into(), sender_seq: 9 });
    writer.completed(Some(&Bytes::from_static(&[0xf5])));
    writer.failed(&failure());
    writer.parked(&Parks { times: 2, by: "v7".into() });
    control_flow().iter().for_each(|record| writer.record(record));
    writer
}

fn control_flow() -> Vec<Record> {
    let location = Location::root().name(0).iteration(0, 3).name(1);
    let (message_id, reply) = ("5-0".to_owned(), Some(Bytes::from_static(&[0x01])));
    let branch = "a".to_owned();
    vec![
        Record::BranchFailure { entry_id: "id".into(), branch, failure: failure(), because: vec![location.clone()] },
        Record::Pushed { entry_id: "id".into(), attempted: true },
        Record::Popped { location: location.clone() },
        Record::UndoFailed { entry_id: "id".into(), attempts: 3, terminal: true, failure: failure() },
        Record::IterationState { location: location.clone(), iteration: 3, state: Bytes::from_static(&[0x02]) },
        Record::RollingBack(Ending::Failed(failure())),
        Record::RollingBack(Ending::Cancelled(Some("enough".into()))),
        Record::RollingBack(Ending::Completed(None)),
        Record::Cancelled { reason: None },
        Record::EndedBy { locations: vec![location.clone()] },
        Record::Recovered { generation: 1 },
        Record::Dropped { location: location.clone(), iterations: Some((0, 3)), entry_ids: vec!["id".into()] },
        Record::Dropped { location: location.clone(), iterations: None, entry_ids: vec![] },
        Record::RetryAt { entry_id: "id".into(), at: 1_700_000_000_001 },
        Record::Answered { message_id, reply },
        Record::Erased { location },
        Record::HostRow { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v") },
    ]
}

fn entry() -> Entry {
    let kind = EntryKind::Step { output: Some(Bytes::from_static(&[0x01])), error: None };
    Entry { id: "id".into(), location: Location::root().name(0), kind }
}

fn metadata() -> EntryMetadata {
    EntryMetadata {
        status: EntryStatus::Completed,
        error: None,
        attempts: 1,
        last_attempt_at_ms: 1,
        created_at_ms: 2,
        completed_at_ms: Some(3),
        rollback_completed_at_ms: None,
        rollback_error: None,
    }
}

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Critical,
        name: "CriticalError".into(),
        message: "no".into(),
        stack: Some("at x".into()),
        fields: Some(Bytes::from_static(&[0xa0])),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_change_reads_back_as_it_was_written() {
    let change = read(5, &everything().finish(5)).unwrap();
    assert_eq!((change.id, change.at), (CommitId([7; 16]), 1_700_000_000_000));
    let key = MessageKey { sender: "order/1".into(), sender_seq: 9 };
    let mut expected = vec![
        Record::Created { incarnation: 3, workflow: true, input: Some(Bytes::from_static(&[0x01])) },
        Record::Name { index: 0, name: "charge".into() },
        Record::Entry(entry()),
        Record::Metadata { entry_id: "id".into(), metadata: metadata() },
        Record::Failure { entry_id: "id".into(), terminal: Some(Terminal::Critical), failure: failure() },
        Record::Base { cell: "state".into(), value: Bytes::from_static(&[0xf6]), version: 2 },
        Record::Delta { cell: "state".into(), delta: Bytes::from_static(&[1]) },
        Record::Took(key),
        Record::Completed { output: Some(Bytes::from_static(&[0xf5])) },
        Record::Failed(failure()),
        Record::Parked(Parks { times: 2, by: "v7".into() }),
    ];
    expected.extend(control_flow());
    assert_eq!(change.records, expected);
}

#[test]
fn an_entry_of_any_length_stands_in_a_change_as_its_record() {
    for size in (0..150).chain([16_350, 16_400, 70_000]) {
        let output = Some(Bytes::from(vec![0x40; size]));
        let entry = Entry { kind: EntryKind::Step { output, error: None }, ..entry() };
        let (mut nested, mut copied) = (Writer(vec![9]), Writer(vec![9]));
        nested.nested(|writer| entry.write(writer));
        copied.data(&entry.encode());
        assert_eq!(nested.0, copied.0, "{size}");
    }
}

#[test]
fn a_change_has_these_bytes_for_ever() {
    let mut writer = ChangeWriter::new(CommitId([0xab; 16]), 1_700_000_000_000);
    writer.name(0, "charge");
    writer.entry(&entry());
    writer.completed(None);
    let golden = "0100abababababababababababababababab0068e5cf8b01000001000000000663686172676502100100026964010000000000\
                  000101010008000004fc4e";
    assert_eq!(hex(&writer.finish(1)), golden.replace(' ', ""));
}

#[test]
fn a_message_reads_back_as_it_was_written_and_only_under_its_number() {
    let key = MessageKey { sender: String::new(), sender_seq: 65_537 };
    let message = Message {
        key: key.clone(),
        name: "go".into(),
        body: Bytes::from_static(&[0x18, 0x2a]),
        sent_at: 5,
        due_at: 5,
        purpose: Purpose::Plain,
    };
    let body = write_message(&message);
    assert_eq!(read_message(key.clone(), &body).unwrap(), message);
    assert!(read_message(MessageKey { sender_seq: 65_538, ..key }, &body).is_err());
}

#[test]
fn an_altered_bit_a_lost_byte_and_a_moved_row_are_all_found() {
    let body = everything().finish(5);
    assert!(read(6, &body).is_err(), "a row under another number");
    for at in 0..body.len() {
        let mut altered = body.to_vec();
        altered[at] ^= 1;
        assert!(read(5, &altered.into()).is_err(), "bit flipped in byte {at}");
        assert!(read(5, &body.slice(..at)).is_err(), "cut to {at} bytes");
    }
}
