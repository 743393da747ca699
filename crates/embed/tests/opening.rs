//! What opening makes of rows: whole ones, damaged ones, and those of another engine.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod model;

use bytes::Bytes;
use model::changes::*;
use model::{Driver, Process, actor, bytes, code, hex, is_yes};
use pawl_core::codec::change::{Parks, Record};
use pawl_core::codec::record::{Entry, EntryKind};
use pawl_core::ids::CommitId;
use pawl_core::key::{self, Location};
use pawl_embed::{Limits, Rows, Work};
use pawl_store::{ActorId, Code, Completion, Outcome, Request, Scopes, Status, Store};

#[test]
fn a_batch_of_an_earlier_opening_and_one_that_does_not_follow_are_refused() {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let first = process.open().unwrap().unwrap().epoch;
    let epoch = process.open().unwrap().unwrap().epoch;
    assert!(epoch > first);
    assert_eq!(code(process.commit(first, vec![created(1)])), Some(Code::Fenced));
    let epoch = process.open().unwrap().unwrap().epoch;
    assert_eq!(code(process.commit(epoch, vec![created(2)])), Some(Code::Fenced));
    assert!(process.driver.rows.is_empty());
}

#[test]
fn a_loop_of_many_iterations_keeps_a_bounded_number_of_rows() {
    let mut process = Process::new(Driver::default(), Limits::SPLIT);
    let epoch = process.open().unwrap().unwrap().epoch;
    let names = change(2, Status::Running, |writer| {
        writer.name(0, "loop");
        writer.name(1, "step");
    });
    assert!(is_yes(process.commit(epoch, vec![created(1), names])));
    let mut most = 0;
    let id = |iteration: u32| format!("step of {iteration}");
    for iteration in 0..3_000 {
        let change = change(iteration as u64 + 3, Status::Running, |writer| {
            let kind = EntryKind::Loop { state: Bytes::from_static(&[0xf7]), iteration, output: None };
            writer.entry(&Entry { id: "loop".into(), location: at(0), kind });
            writer.entry(&step(&id(iteration), at(0).iteration(0, iteration).name(1), 1));
            writer.metadata(&id(iteration), &metadata(Some(3)));
            if iteration % 20 == 0 && iteration > 20 {
                let range = (iteration - 40.min(iteration), iteration - 20);
                let ids: Vec<String> = (range.0..range.1).map(id).collect();
                writer.dropped(&at(0), Some(range), &ids);
            }
        });
        assert!(is_yes(process.commit(epoch, vec![change])));
        most = most.max(process.driver.rows.len());
    }
    assert!(most < 300, "{most} rows");
    let opened = reopened(&process.driver);
    assert!(opened.read.len() < 50, "{} changes", opened.read.len());
}

#[test]
fn deletions_that_were_not_made_are_made_at_the_next_opening_and_readers_ignore_the_rows() {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    let first = change(2, Status::Running, |writer| {
        writer.name(0, "race");
        writer.name(1, "a");
        writer.entry(&step("race", at(0), 1));
        writer.entry(&step("loser", at(0).name(1), 1));
        writer.metadata("loser", &metadata(None));
    });
    assert!(is_yes(process.commit(epoch, vec![created(1), first])));
    process.failing = &["deletePrefix", "delete"];
    let second = change(3, Status::Running, |writer| {
        writer.entry(&step("race", at(0), 2));
        writer.dropped(&at(0).name(1), None, &["loser".into()]);
    });
    assert!(is_yes(process.commit(epoch, vec![second])));
    let loser = key::history(&at(0).name(1));
    assert!(process.driver.rows.contains_key(&loser));
    let mut next = Process::new(process.driver.clone(), Limits::NONE);
    let opened = next.open().unwrap().unwrap();
    assert!(!next.desk.found(&actor()).unwrap().swapped);
    assert_eq!(order(&opened), [["race"]]);
    assert!(!next.driver.rows.contains_key(&loser) && !next.driver.rows.contains_key(&key::metadata("loser")));
}

#[test]
fn a_history_of_another_engine_is_loaded_in_the_order_of_its_times() {
    let mut driver = Driver::default();
    let mut put = |key: Bytes, value: Bytes| drop(driver.rows.insert(key, value));
    for (index, name) in (0..).zip(["late", "early", "never"]) {
        put(key::name(index), name.into());
        put(key::history(&at(index)), step(name, at(index), 1).encode());
    }
    put(key::metadata("late"), metadata(Some(9)).encode());
    put(key::metadata("early"), metadata(Some(8)).encode());
    put(key::metadata("orphan"), Bytes::from_static(b"what nobody reads"));
    put(key::STATE, "sleeping".into());
    put(key::INPUT, Bytes::from_static(&[0x05]));
    let mut process = Process::new(driver, Limits::NONE);
    let opened = process.open().unwrap().unwrap();
    assert_eq!(order(&opened), [["early"], ["late"], ["never"]]);
    assert_eq!(
        records(&opened)[0][0],
        Record::Created { incarnation: 1, workflow: true, input: Some(Bytes::from_static(&[5])) }
    );
    let row = opened.row.unwrap();
    assert_eq!((row.seq, row.status, row.alarm), (3, Status::Waiting, Some(0)));
    let found = process.desk.found(&actor()).unwrap();
    assert!(!found.ours && !found.swapped);
    // What comes after stays after.
    let more = change(4, Status::Running, |writer| {
        writer.name(3, "ours");
        writer.entry(&step("ours", at(3), 1));
    });
    assert!(is_yes(process.commit(opened.epoch, vec![more])));
    assert_eq!(order(&reopened(&process.driver)), [["early"], ["late"], ["never"], ["ours"]]);
    assert!(process.driver.rows.contains_key(&key::metadata("orphan")));
}

#[test]
fn what_another_engine_wrote_since_is_found_and_comes_after_ours() {
    let process = one_step();
    let mut driver = process.driver.clone();
    driver.rows.insert(key::name(1), "theirs".into());
    driver.rows.insert(key::history(&at(1)), step("theirs", at(1), 1).encode());
    let mut next = Process::new(driver.clone(), Limits::NONE);
    assert_eq!(order(&next.open().unwrap().unwrap()), [["id"], ["theirs"]]);
    let found = next.desk.found(&actor()).unwrap();
    assert!(found.ours && found.swapped && !found.cells);
    // A record that was changed in place is found as well, and one that is gone.
    let mut altered = process.driver.clone();
    altered.rows.insert(key::history(&at(0)), step("id", at(0), 2).encode());
    let mut lost = process.driver.clone();
    lost.rows.remove(&key::history(&at(0)));
    for (driver, entries) in [(altered, 1), (lost, 0)] {
        let mut next = Process::new(driver, Limits::NONE);
        assert_eq!(order(&next.open().unwrap().unwrap()).len(), entries);
        assert!(next.desk.found(&actor()).unwrap().swapped);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_the_run_is_refused_untouched() {
    let good = one_step().driver.clone();
    for (key, value) in &good.rows {
        let text = *key == key::INPUT || *key == key::OUTPUT;
        for at in 0..value.len() {
            let mut damaged = good.clone();
            damaged.rows.insert(key.clone(), value.slice(..at));
            let mut process = Process::new(damaged.clone(), Limits::NONE);
            let Err(error) = process.open().unwrap() else {
                assert!(text, "row {} cut to {at} bytes was read", hex(key));
                continue;
            };
            assert_eq!(error.code, Code::RecordCorrupt);
            assert!(error.data.contains(&("key", hex(key))), "{error}");
            assert_eq!(process.driver, damaged);
        }
    }
    for name in [&b"chargf"[..], b"", b"charge twice"] {
        let mut renamed = good.clone();
        renamed.rows.insert(key::name(0), Bytes::copy_from_slice(name));
        refused(renamed, &key::name(0));
    }
    let mut newer = good.clone();
    newer.rows.insert(key::history(&at(0)), bytes("020002696401000000000000010362686900"));
    let error = Process::new(newer, Limits::NONE).open().unwrap().unwrap_err();
    assert_eq!(error.code, Code::RecordNewer);
    assert!(error.message.contains("version 2") && error.message.contains("150214"), "{error}");
}

/// Asserts that nothing is read of these rows, that the error names this one, and that nothing was written.
fn refused(driver: Driver, key: &Bytes) {
    let mut process = Process::new(driver.clone(), Limits::NONE);
    let error = process.open().unwrap().unwrap_err();
    assert_eq!(error.code, Code::RecordCorrupt);
    assert!(error.data.contains(&("key", hex(key))), "{error}");
    assert_eq!(process.driver, driver);
}

#[test]
fn any_name_and_any_row_of_ours_that_is_needed_and_gone_is_named() {
    let mut process = one_step();
    let opened = process.open().unwrap().unwrap();
    let next = opened.row.unwrap().seq + 1;
    let names = change(next, Status::Completed, |writer| {
        (1..70).for_each(|index| writer.name(index, &format!("name {index}")));
    });
    let base = change(next + 1, Status::Completed, |writer| writer.base("cell", &Bytes::from_static(&[0xa0]), 1));
    // Too long to share a row.
    let long = Bytes::from(vec![1; 1_300]);
    let delta = |seq| change(seq, Status::Completed, |writer| writer.delta("cell", &long));
    let changes = vec![names, base, delta(next + 2), delta(next + 3), delta(next + 4)];
    assert!(is_yes(process.commit(opened.epoch, changes)));
    let good = process.driver.clone();
    // Entries and the rows of the run may be taken away by another engine; checksums of names are only looked at.
    let own = good.rows.keys().filter(|key| key[1] == 1 || (key[1] == 9 && key.get(3) != Some(&6)));
    let whole = reopened(&good).changes;
    for key in own {
        let mut damaged = good.clone();
        damaged.rows.remove(key);
        match Process::new(damaged.clone(), Limits::NONE).open().unwrap() {
            // A row of which nothing is needed any more waits to be deleted.
            Ok(opened) => assert_eq!(opened.changes, whole, "without {}", hex(key)),
            Err(_) => refused(damaged, key),
        }
    }
}

#[test]
fn an_entry_without_a_name_of_its_own_is_refused() {
    for location in [Location::root(), at(0).iteration(0, 3)] {
        let mut driver = one_step().driver.clone();
        let key = key::history(&location);
        driver.rows.insert(key.clone(), step("other", location, 1).encode());
        refused(driver, &key);
    }
}

#[test]
fn a_commit_without_a_known_outcome_comes_back_under_the_number_that_the_core_gave_it() {
    let mut process = one_step();
    let opened = process.open().unwrap().unwrap();
    let first = opened.row.unwrap().seq + 1;
    for seq in first..first + 20 {
        let more =
            change(seq, Status::Completed, |writer| writer.parked(&Parks { times: seq as u32, by: "v1".into() }));
        assert!(is_yes(process.commit(opened.epoch, vec![more])));
    }
    // Of those before it nothing is left, so that it would have a lower number.
    process.unknown = true;
    let seq = first + 20;
    let in_doubt = change(seq, Status::Completed, |writer| writer.name(1, "more"));
    assert!(matches!(process.commit(opened.epoch, vec![in_doubt]), Some(Outcome::Unknown(_))));
    process.unknown = false;
    let again = process.open().unwrap().unwrap();
    let (_, change) = again.read.iter().find(|(other, _)| *other == seq).unwrap();
    assert_eq!(change.id, CommitId([seq as u8; 16]));
}

#[test]
fn actors_wait_for_their_own_drivers_only() {
    let (mut store, desk) = pawl_embed::open([7; 16], std::sync::Arc::new(|| {}));
    let other = ActorId::new("default", "workflow/2");
    for (ticket, actor) in [(1, actor()), (2, other), (3, actor())] {
        store.submit(ticket, Request::Open { actor, scopes: Scopes::Open });
    }
    let tickets = |work: Vec<Work>| -> Vec<u64> {
        let ticket = |work: &Work| match work {
            Work::Load { ticket, .. } | Work::Write { ticket, .. } => *ticket,
        };
        work.iter().map(ticket).collect()
    };
    assert_eq!((tickets(desk.take()), store.pending()), (vec![1, 2], 3));
    desk.loaded(2, Ok(Rows::new()), Limits::NONE);
    assert_eq!(tickets(desk.take()), Vec::<u64>::new());
    desk.loaded(1, Ok(Rows::new()), Limits::NONE);
    assert_eq!(tickets(desk.take()), [3]);
    desk.loaded(3, Ok(Rows::new()), Limits::NONE);
    let mut done = Vec::new();
    store.drain(&mut done);
    assert_eq!(done.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [0, 2, 1, 3]);
    assert_eq!(store.pending(), 0);
    store.close();
    store.submit(4, Request::Open { actor: actor(), scopes: Scopes::Open });
    store.drain(&mut done);
    assert!(matches!(done.last(), Some((4, Completion::Failed(error))) if error.code == Code::StoreUnavailable));
}

#[test]
fn a_refusal_is_passed_on_unless_changes_before_it_were_written() {
    let limits = Limits { rows: 6, bytes: 100_000, together: false };
    for (count, made, expected) in [(1, 0, Code::StoreUnavailable), (8, 2, Code::OutcomeUnknown)] {
        let mut process = Process::new(Driver::default(), limits);
        let epoch = process.open().unwrap().unwrap().epoch;
        assert!(is_yes(process.commit(epoch, vec![created(1)])));
        let changes = (2..2 + count).map(|seq| {
            let name = seq as u32 - 2;
            change(seq, Status::Running, |writer| {
                writer.name(name, &format!("step {name}"));
                writer.entry(&step(&format!("id {name}"), at(name), 1));
            })
        });
        process.refuse_after = Some(made);
        assert_eq!(code(process.commit(epoch, changes.collect())), Some(expected));
        let later = change(2 + count, Status::Running, |_| {});
        assert_eq!(code(process.commit(epoch, vec![later])), Some(Code::Fenced), "before it is read back");
        assert_eq!(order(&process.open().unwrap().unwrap()).len(), made);
    }
}

#[test]
fn cells_are_told_of_and_stay_behind_what_another_engine_wrote() {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    let value = Bytes::from_static(&[0x18, 0x2a]);
    let with_state = change(1, Status::Running, |writer| {
        writer.created(1, true, None);
        writer.name(0, "n");
        writer.base("state", &value, 3);
    });
    assert!(is_yes(process.commit(epoch, vec![with_state])));
    let mut driver = process.driver.clone();
    driver.rows.insert(key::history(&at(0)), step("theirs", at(0), 1).encode());
    let mut next = Process::new(driver.clone(), Limits::NONE);
    let opened = next.open().unwrap().unwrap();
    let found = next.desk.found(&actor()).unwrap();
    assert!(found.swapped && found.cells);
    assert!(records(&opened).concat().contains(&Record::Base { cell: "state".into(), value, version: 3 }));
    assert_eq!(next.driver, driver, "an opening alone must not hide what it found");
}
