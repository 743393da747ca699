//! What is written for changes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod model;

use bytes::Bytes;
use model::changes::*;
use model::{Driver, Process, actor, bytes, code, hex, is_yes};
use pawl_core::codec::change::{ChangeWriter, Record};
use pawl_core::codec::message::write_message;
use pawl_core::codec::record::{Branches, Entry, EntryKind, SleepState};
use pawl_core::failure::{Failure, FailureKind};
use pawl_core::ids::CommitId;
use pawl_core::inbox::{Message, MessageKey, Purpose};
use pawl_core::key;
use pawl_embed::Limits;
use pawl_store::{Change, Code, InboxRow, Put, Status};

#[test]
fn a_durable_step_is_the_calls_of_trace_b1() {
    let process = one_step();
    // The row of the first change has room for the second.
    let own = "150914 150915011501";
    let expected = [
        "set 15031504".to_owned(),
        format!("batch 150114 1509150614 150214 150402696400 15031501 {own}"),
        format!("batch 15031501 15031502 {own}"),
        "clearAlarm".to_owned(),
    ];
    assert_eq!(process.log, expected);
    let row = |key: &str| hex(&process.driver.rows[&bytes(key)]);
    assert_eq!(row("150114"), hex(b"charge"));
    assert_eq!(row("15031501"), hex(b"completed"));
    assert_eq!(row("15031502"), "182a");
    assert_eq!(row("15031504"), "f7");
}

#[test]
fn changes_of_one_request_are_one_batch() {
    let mut process = Process::new(Driver::default(), Limits::SPLIT);
    let epoch = process.open().unwrap().unwrap().epoch;
    let changes = (2..10).map(|seq| {
        let name = seq as u32 - 2;
        change(seq, Status::Running, |writer| {
            writer.name(name, &format!("step {name}"));
            writer.entry(&step(&format!("id {name}"), at(name), 1));
        })
    });
    assert!(is_yes(process.commit(epoch, std::iter::once(created(1)).chain(changes).collect())));
    assert_eq!((process.batches(), process.log.len()), (1, 1));
    assert_eq!(order(&reopened(&process.driver)).len(), 8);
}

#[test]
fn every_record_of_appendix_a_is_at_its_key_byte_for_byte() {
    let join = Branches::default();
    let entries = [
        (
            EntryKind::Step { output: Some(Bytes::from_static(b"\x62hi")), error: None },
            "010002696401000000000000010362686900",
        ),
        (EntryKind::Step { output: None, error: None }, "0100026964010000000000000000"),
        (
            EntryKind::Step { output: None, error: Some("Error: x".into()) },
            "0100026964010000000000000001084572726f723a2078",
        ),
        (
            EntryKind::Loop { state: bytes("b9000165636f756e7400"), iteration: 300, output: None },
            "0100026964010000000000010ab9000165636f756e74002c01000000",
        ),
        (
            EntryKind::Sleep { deadline_ms: 1_700_000_000_000, state: SleepState::Pending },
            "0100026964010000000000020068e5cf8b01000000",
        ),
        (EntryKind::RollbackCheckpoint { name: "cp".into() }, "010002696401000000000004026370"),
        (EntryKind::Race { winner: None, branches: join }, "0100026964010000000000060000"),
        (
            EntryKind::Removed { original_type: "step".into(), original_name: Some("old".into()) },
            "010002696401000000000007047374657001036f6c64",
        ),
        (EntryKind::VersionCheck { resolved: 1, latest: 2 }, "0100026964010000000000080100000002000000"),
    ];
    for (kind, expected) in entries {
        let mut process = Process::new(Driver::default(), Limits::NONE);
        let epoch = process.open().unwrap().unwrap().epoch;
        let entry = Entry { id: "id".into(), location: at(0), kind };
        let change = change(1, Status::Waiting, |writer| {
            writer.created(1, true, Some(&Bytes::from_static(&[1])));
            writer.name(0, "n");
            writer.entry(&entry);
            writer.metadata("id", &metadata(Some(3)));
        });
        assert!(is_yes(process.commit(epoch, vec![change])));
        assert_eq!(hex(&process.driver.rows[&bytes("150214")]), expected);
        let metadata = "0100020001000000010000000000000002000000000000000103000000000000000000";
        assert_eq!(hex(&process.driver.rows[&bytes("150402696400")]), metadata);
        assert_eq!(process.driver.rows[&bytes("15031501")], "sleeping");
        let [opened] = &records(&reopened(&process.driver))[..] else { panic!("one change") };
        assert!(opened.contains(&Record::Entry(entry)));
    }
}

#[test]
fn a_failure_is_shown_to_the_other_engine_and_comes_back_whole() {
    let failure = Failure {
        kind: FailureKind::Critical,
        name: "CriticalError".into(),
        message: "no".into(),
        stack: None,
        fields: None,
    };
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    let failed = change(2, Status::Failed, |writer| writer.failed(&failure));
    assert!(is_yes(process.commit(epoch, vec![created(1), failed])));
    let shown = "b90002646e616d656d437269746963616c4572726f72676d657373616765626e6f";
    assert_eq!(hex(&process.driver.rows[&key::ERROR]), shown);
    let opened = reopened(&process.driver);
    assert_eq!(opened.row.as_ref().unwrap().status, Status::Failed);
    assert_eq!(records(&opened).last().unwrap().last(), Some(&Record::Failed(failure.clone())));
    // Another engine knows no kinds.
    let theirs = process.driver.rows.clone().into_iter().filter(|(key, _)| !key.starts_with(&pawl_embed::own_rows()));
    let opened = reopened(&Driver { rows: theirs.collect(), ..Driver::default() });
    let plain = Failure { kind: FailureKind::Error, ..failure };
    assert_eq!(records(&opened).last().unwrap().last(), Some(&Record::Failed(plain)));
}

#[test]
fn the_alarm_is_never_later_than_what_is_stored_needs() {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    assert!(is_yes(process.commit(epoch, vec![created(1)])));
    let waiting = |seq, alarm, output| {
        let mut change = change(seq, Status::Waiting, |writer| {
            if seq == 2 {
                writer.name(0, "nap");
            }
            writer.entry(&step("id", at(0), output));
        });
        change.alarm = alarm;
        change
    };
    for (seq, alarm) in [(2, Some(9_000)), (3, Some(5_000)), (4, Some(7_000)), (5, None)] {
        process.log.clear();
        assert!(is_yes(process.commit(epoch, vec![waiting(seq, alarm, seq as u8)])));
        let calls: Vec<&str> = process.log.iter().map(|call| call.split(' ').next().unwrap()).collect();
        let expected: &[&str] = match seq {
            2 | 3 => &["setAlarm", "batch"],
            4 => &["batch", "setAlarm"],
            _ => &["batch", "clearAlarm"],
        };
        assert_eq!(calls, expected, "change {seq}");
        assert_eq!(process.driver.alarm, alarm);
        let row = reopened(&process.driver).row.unwrap();
        assert_eq!((row.status, row.alarm), (Status::Waiting, alarm));
    }
}

#[test]
fn an_alarm_that_could_not_be_set_is_set_when_the_actor_is_opened() {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    let mut waiting = change(2, Status::Waiting, |_| {});
    waiting.alarm = Some(5_000);
    assert!(is_yes(process.commit(epoch, vec![created(1), waiting])));
    process.failing = &["setAlarm"];
    let mut later = change(3, Status::Waiting, |writer| {
        writer.name(0, "n");
    });
    later.alarm = Some(9_000);
    assert!(is_yes(process.commit(epoch, vec![later])));
    assert_eq!(process.driver.alarm, Some(5_000));
    let mut next = Process::new(process.driver.clone(), Limits::NONE);
    next.open().unwrap().unwrap();
    assert_eq!((next.log.clone(), next.driver.alarm), (vec!["setAlarm 9000".to_owned()], Some(9_000)));
}

fn message(seq: u64, name: &str) -> Put {
    let key = MessageKey { sender: "self".into(), sender_seq: seq };
    let message = Message {
        key,
        name: name.into(),
        body: Bytes::from_static(&[1]),
        sent_at: 5,
        due_at: 5,
        purpose: Purpose::Plain,
    };
    let row = InboxRow { sender: "self".into(), sender_seq: seq, body: write_message(&message) };
    Put { receiver: actor().name, row }
}

#[test]
fn messages_are_sent_and_completed_after_the_commit_and_again_only_if_that_failed() {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    process.failing = &["completeMessage"];
    let mut sends = change(2, Status::Running, |_| {});
    sends.put = vec![message(1, "a"), message(2, "b")];
    let mut takes = change(3, Status::Running, |_| {});
    takes.take = vec![("driver id".into(), 0), ("self".into(), 2)];
    assert!(is_yes(process.commit(epoch, vec![created(1), sends])));
    assert!(is_yes(process.commit(epoch, vec![takes])));
    let sent: Vec<String> = process.driver.messages.keys().cloned().collect();
    assert_eq!(process.driver.messages.values().collect::<Vec<_>>(), ["a", "b"]);
    let mut next = Process::new(process.driver.clone(), Limits::NONE);
    let epoch = next.open().unwrap().unwrap().epoch;
    assert_eq!(next.log, ["completeMessage driver id".to_owned(), format!("completeMessage {}", sent[1])]);
    assert_eq!(next.driver.messages.values().collect::<Vec<_>>(), ["a"]);
    // Once a later change has said that it was done, it is not done again.
    let more = change(2, Status::Waiting, |_| {});
    let seq = reopened(&next.driver).row.unwrap().seq;
    let more = Change { seq: seq + 1, body: ChangeWriter::new(CommitId([9; 16]), 1).finish(seq + 1), ..more };
    assert!(is_yes(next.commit(epoch, vec![more])));
    let mut last = Process::new(next.driver.clone(), Limits::NONE);
    last.open().unwrap().unwrap();
    assert_eq!(last.log, Vec::<String>::new());
}

#[test]
fn a_change_that_does_not_fit_one_batch_has_what_readers_reach_in_its_last_one() {
    let limits = Limits { rows: 8, bytes: 100_000, together: false };
    let mut process = Process::new(Driver::default(), limits);
    let epoch = process.open().unwrap().unwrap().epoch;
    let message = |index: u32, name: &str| Entry {
        id: format!("m{index}"),
        location: at(index),
        kind: EntryKind::Message { name: name.into(), data: Bytes::from_static(&[1]) },
    };
    let change = change(1, Status::Running, |writer| {
        writer.created(1, true, None);
        for index in 0..6 {
            writer.name(index, &format!("w:{index}"));
            writer.entry(&message(index, "n"));
        }
        writer.name(6, "w:count");
        writer.entry(&message(6, "w:count"));
        writer.base("state", &Bytes::from(vec![0x40; 10]).slice(..1), 1);
    });
    assert!(is_yes(process.commit(epoch, vec![change])));
    let expected = "batch 150114 15011501 15011502 15011503 15011504 15011505 15011506 15091502027374617465 0014|\
                    batch 1509150614 150214 15021501 15021502 15021503 15021504 15021505|\
                    batch 15021506 15031501 15031504 150914 1509150115 01";
    assert_eq!(process.log.join("|").replace(' ', ""), expected.replace(' ', ""));
}

#[test]
fn a_change_of_which_the_reachable_rows_do_not_fit_is_refused_and_nothing_is_written() {
    let limits = Limits { rows: 4, bytes: 100_000, together: false };
    let mut process = Process::new(Driver::default(), limits);
    let epoch = process.open().unwrap().unwrap().epoch;
    assert!(is_yes(process.commit(epoch, vec![created(1)])));
    let rows = process.driver.rows.clone();
    let large = change(2, Status::Running, |writer| {
        for name in 0..4 {
            writer.name(name, &format!("n{name}"));
            writer.entry(&step(&format!("id{name}"), at(name), 1));
        }
    });
    assert_eq!(code(process.commit(epoch, vec![large])), Some(Code::ChangeTooLarge));
    assert_eq!(process.driver.rows, rows);
    let epoch = process.open().unwrap().unwrap().epoch;
    let small = change(2, Status::Running, |writer| writer.name(0, "n"));
    assert!(is_yes(process.commit(epoch, vec![small])));
}

#[test]
fn several_changes_that_do_not_fit_together_are_written_one_after_another() {
    let limits = Limits { rows: 6, bytes: 100_000, together: false };
    let mut process = Process::new(Driver::default(), limits);
    let epoch = process.open().unwrap().unwrap().epoch;
    let changes = (2..12).map(|seq| {
        let name = seq as u32 - 2;
        change(seq, Status::Running, |writer| {
            writer.name(name, &format!("step {name}"));
            writer.entry(&step(&format!("id {name}"), at(name), 1));
        })
    });
    assert!(is_yes(process.commit(epoch, std::iter::once(created(1)).chain(changes).collect())));
    assert!(process.batches() > 3);
    assert_eq!(order(&reopened(&process.driver)).len(), 10);
}
