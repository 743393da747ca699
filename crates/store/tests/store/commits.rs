//! What the SQLite store makes of many batches, of a locked file, of a caller whose wake panics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pawl_store::{Code, Completion, Outcome, Request, Scopes};
use rusqlite::Connection;

use pawl_conformance::driver::{Driver, Place, actor, change, refusal};

/// Another program with a write transaction of its own.
fn locker(place: &Place) -> Connection {
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

fn submit_first_changes(driver: &mut Driver, count: usize) {
    for n in 0..count {
        let batch = driver.batch(&actor(&format!("order/{n}")), vec![change(1)]);
        driver.submit_batch(batch);
    }
}

/// For what nothing tells of but a counter.
fn wait_until(come: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !come() {
        assert!(Instant::now() < deadline, "it has not come within 30 s");
        std::thread::yield_now();
    }
}

fn yes(finished: &[(u64, Completion)]) -> usize {
    finished.iter().filter(|(_, completion)| matches!(completion, Completion::Committed(Outcome::Yes))).count()
}

#[test]
fn batches_that_wait_together_are_committed_together() {
    let place = Place::sqlite();
    let mut driver = place.open();
    let locker = locker(&place);
    submit_first_changes(&mut driver, 200);
    assert_eq!(driver.store.pending(), 200);
    wait_until(|| driver.store.stats().busy > 0);
    locker.execute_batch("COMMIT").unwrap();
    assert_eq!(yes(&driver.finish()), 200);
    let stats = driver.store.stats();
    assert_eq!((stats.batches, stats.changes), (200, 200));
    assert!(stats.transactions <= 2, "one for those that the writer had taken, one for the rest: {stats:?}");
}

#[test]
fn a_group_has_at_most_a_thousand_requests_and_sixteen_mebibytes() {
    let place = Place::sqlite();
    let mut driver = place.open();
    let locker = locker(&place);
    submit_first_changes(&mut driver, 2500);
    locker.execute_batch("COMMIT").unwrap();
    assert_eq!(yes(&driver.finish()), 2500);
    let transactions = driver.store.stats().transactions;
    assert!((3..=4).contains(&transactions), "{transactions}");

    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for n in 0..5 {
        let large = pawl_store::Change::new(1, vec![n; 7 << 20], pawl_store::Status::Running);
        let batch = driver.batch(&actor(&format!("large/{n}")), vec![large]);
        driver.submit_batch(batch);
    }
    locker.execute_batch("COMMIT").unwrap();
    assert_eq!(yes(&driver.finish()), 5);
    let more = driver.store.stats().transactions - transactions;
    assert!((3..=4).contains(&more), "two of 7 MiB at a time: {more}");
}

#[test]
fn reading_makes_no_transaction() {
    let mut driver = Place::sqlite().open();
    driver.write(&actor("order/1"), vec![change(1)]);
    for _ in 0..10 {
        driver.open(&actor("order/1"));
        driver.due(None, 10);
    }
    assert_eq!(driver.store.stats().transactions, 1);
}

#[test]
fn a_file_that_stays_locked_is_a_no_and_works_again_later() {
    let place = Place::sqlite();
    let mut driver = place.open_with(|options| options.busy_patience = Duration::ZERO);
    let locker = locker(&place);
    submit_first_changes(&mut driver, 3);
    for (_, completion) in driver.finish() {
        let Completion::Committed(outcome) = completion else { panic!("{completion:?}") };
        let error = refusal(outcome, Code::StoreUnavailable);
        assert!(error.retryable && error.message.contains("locked by another program"), "{error}");
    }
    let opened = driver.ask(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    assert!(matches!(opened, Completion::Failed(error) if error.retryable));
    locker.execute_batch("ROLLBACK").unwrap();
    submit_first_changes(&mut driver, 3);
    assert_eq!(yes(&driver.finish()), 3, "under the same epoch");
    assert_eq!(driver.store.stats().reopenings, 0);
}

#[test]
fn a_locked_file_does_not_keep_a_store_from_dying() {
    let place = Place::sqlite();
    let mut driver = place.open_with(|options| options.busy_patience = Duration::from_secs(3600));
    let locker = locker(&place);
    submit_first_changes(&mut driver, 3);
    wait_until(|| driver.store.stats().busy > 0);
    driver.store.abandon();
    locker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(place.open().open(&actor("order/1")).row, None);
}

#[test]
fn the_log_is_moved_into_the_file_when_it_is_large_and_does_not_grow_without_end() {
    let place = Place::sqlite();
    let mut driver = place.open();
    for seq in 1..=30 {
        driver.write(
            &actor("order/1"),
            vec![pawl_store::Change::new(seq, vec![7; 4 << 20], pawl_store::Status::Running)],
        );
    }
    assert!(driver.store.stats().checkpoints >= 9, "{:?}", driver.store.stats());
    let log = std::fs::metadata(place.beside("-wal")).unwrap().len();
    assert!(log < 32 << 20, "120 MiB were written, and the log has {log} bytes");
}

#[test]
fn the_log_is_moved_into_the_file_when_nothing_comes_for_a_while() {
    let mut driver = Place::sqlite().open();
    driver.write(&actor("order/1"), vec![change(1)]);
    wait_until(|| driver.store.stats().checkpoints > 0);
}

#[test]
fn a_wake_that_panics_ends_the_store_and_not_the_process() {
    let place = Place::sqlite();
    let mut driver = place.opening_with(|options| options.wake = Arc::new(|| panic!("by this test")));
    driver.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    let finished = driver.finish();
    assert!(matches!(finished[0].1, Completion::Ready(_)));
    let Completion::Failed(error) = &finished[1].1 else { panic!("{finished:?}") };
    assert!(error.code == Code::StoreUnavailable && error.message.contains("panicked"), "{error}");
    driver.store.close();
    place.open();
}
