//! Forgetting large actors in a file: a killed process is gone on with, and the room is given back.

use std::path::Path;
use std::time::{Duration, Instant};

use pawl_conformance::driver::{Driver, Place, actor};
use pawl_store::{Change, Compaction, Completion, Forget, Outcome, Request, SLICE_ROWS, Snapshot, Status};

use crate::child;

const LARGE: &str = "order/large";
const KEPT: &str = "order/kept";

/// An actor of so many changes, which a snapshot makes needless, and one beside it.
fn fill(driver: &mut Driver, changes: u64, bytes: usize) {
    let (large, kept) = (actor(LARGE), actor(KEPT));
    for from in (1..=changes).step_by(1_000) {
        let written = (from..=changes.min(from + 999)).map(|seq| Change::new(seq, vec![7; bytes], Status::None));
        driver.write(&large, written.collect());
    }
    driver.write(&kept, vec![Change::new(1, "kept", Status::Running)]);
    let snapshot = Snapshot { seq: changes, body: "destroyed".into(), open: vec![1], closed: vec![] };
    let piece = Compaction { put_chunks: vec![(1, "destroyed".into())], ..Compaction::new(large, driver.epoch()) };
    let piece = Compaction { put_snapshot: Some(snapshot), ..piece };
    assert!(matches!(driver.ask(Request::Compact(piece)), Completion::Committed(Outcome::Yes)));
}

/// Takes a slice away; says whether it was the last.
fn slice(driver: &mut Driver, seq: u64) -> bool {
    let forget = Forget { actor: actor(LARGE), epoch: driver.epoch(), seq, floor: seq + 1 };
    match driver.ask(Request::Forget(forget)) {
        Completion::Forgot { done } => done,
        other => panic!("not forgotten: {other:?}"),
    }
}

#[test]
fn an_actor_of_a_hundred_thousand_changes_is_forgotten_across_kills() {
    let changes = 100_000;
    let place = Place::sqlite();
    let mut first = place.open();
    fill(&mut first, changes, 20);
    first.store.close();
    let mut kills = 0;
    loop {
        let mut forgetter = child::start("forgetting::child_that_forgets", &place.path(), |_| {});
        // A different moment each time, in the midst of whatever follows.
        let heard = (0..1 + kills * 13 % 60).map_while(|_| forgetter.hear()).last().expect("a slice");
        forgetter.process.kill().unwrap();
        forgetter.process.wait().unwrap();
        kills += 1;
        let mut driver = place.open();
        assert_eq!(driver.open(&actor(KEPT)).changes.len(), 1);
        let opened = driver.open(&actor(LARGE));
        driver.store.close();
        match opened.row {
            Some(row) => {
                assert_eq!((row.seq, opened.snapshot.map(|it| it.seq)), (changes, Some(changes)));
                assert_eq!((opened.chunks.len(), opened.changes.len(), &*heard), (1, 0, "slice"));
            }
            None => break assert_eq!(opened.floor, changes + 1),
        }
    }
    assert!(kills > 5, "killed only {kills} times");
}

#[test]
fn child_that_forgets() {
    let Some(path) = child::path() else { return };
    let mut driver = Place::at(&path).open();
    let seq = driver.open(&actor(LARGE)).row.expect("an actor that is to be forgotten").seq;
    while !slice(&mut driver, seq) {
        child::say("slice");
    }
    loop {
        child::say("done");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn between_two_slices_others_commit() {
    let mut driver = Place::sqlite().open();
    let changes = 4 * SLICE_ROWS as u64;
    fill(&mut driver, changes, 20);
    let mut seq = 1;
    while !slice(&mut driver, changes) {
        seq += 1;
        driver.write(&actor(KEPT), vec![Change::new(seq, "kept", Status::Running)]);
    }
    assert_eq!(driver.open(&actor(KEPT)).changes.len(), 5);
}

fn pages(path: &Path) -> (i64, i64) {
    let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
    (number("page_count"), number("freelist_count"))
}

#[test]
fn the_room_of_what_was_forgotten_is_given_back_slice_by_slice() {
    let place = Place::sqlite();
    let mut driver = place.open();
    let changes = 8_000;
    fill(&mut driver, changes, 3_000);
    let (full, _) = pages(&place.path());
    assert!(full > 6_000, "{full} pages");
    while !slice(&mut driver, changes) {}
    let (before, free) = pages(&place.path());
    assert!(free > 5_000 && before == full, "{free} of {before} pages are free, {full} were used");
    let started = Instant::now();
    while pages(&place.path()).0 > 2_000 {
        assert!(started.elapsed() < Duration::from_secs(60), "the file does not shrink: {:?}", pages(&place.path()));
        std::thread::park_timeout(Duration::from_millis(50));
    }
    driver.store.close();
    let bytes = std::fs::metadata(place.path()).unwrap().len();
    assert!(bytes < 2_000 * 4_096, "{bytes} bytes");
    assert_eq!(place.open().open(&actor(KEPT)).changes.len(), 1);
}
