//! Snapshots: what is read in the place of changes, and when changes may go.

use bytes::Bytes;
use pawl_store::{Code, Compaction, Completion, Outcome, Past, Request, Scopes, Snapshot, StoreError};

use super::Case;
use crate::driver::{Driver, Factory, actor, bodies, change, refusal};

pub const CASES: &[Case] = &[
    ("an opening reads the newest snapshot and the changes after it, and no closed chunks", opening),
    ("closed chunks come after the open ones when they are asked for", closed),
    ("chunks that no snapshot refers to are not read, and can be replaced and dropped", orphans),
    ("what was is read from the newest snapshot that is not beyond it", past),
    ("a reading begins as far back as it is asked to, or as far back as anything is kept", since),
    ("what is no longer kept is state_unavailable, and what is now is still read", dropped),
    ("nothing is dropped that no snapshot holds", uncovered),
    ("a compaction of another epoch is fenced, and one that is older than what is there is refused", refused),
    ("commits go on between the pieces of a compaction", between),
    ("a snapshot that refers to a chunk that is not there is record_corrupt", missing),
    ("snapshots are there after the store was closed", reopened),
];

const NAME: &str = "order/1";

/// Of the present epoch once it is submitted.
fn piece() -> Compaction {
    Compaction::new(actor(NAME), 0)
}

fn apply(driver: &mut Driver, piece: Compaction) -> Outcome {
    let piece = of_present(driver, piece);
    match driver.ask(Request::Compact(piece)) {
        Completion::Committed(outcome) => outcome,
        other => panic!("not the answer to a compaction: {other:?}"),
    }
}

fn of_present(driver: &mut Driver, piece: Compaction) -> Compaction {
    let epoch = if piece.epoch == 0 { driver.epoch_of(&actor(NAME)) } else { piece.epoch };
    Compaction { epoch, ..piece }
}

fn done(driver: &mut Driver, piece: Compaction) {
    let outcome = apply(driver, piece);
    assert!(matches!(outcome, Outcome::Yes), "{outcome:?}");
}

fn chunk(number: u64) -> (u64, Bytes) {
    (number, format!("chunk {number}").into())
}

fn snapshot(seq: u64, open: &[u64], closed: &[u64]) -> Snapshot {
    Snapshot { seq, body: format!("snapshot {seq}").into(), open: open.to_vec(), closed: closed.to_vec() }
}

/// Changes 1 to 10; snapshots of change 4 (chunks 1, 2 and closed 3) and of change 8 (chunks 4, 1 and closed 3, 5).
fn filled(driver: &mut Driver) {
    driver.write(&actor(NAME), (1..=6).map(change).collect());
    let first = snapshot(4, &[1, 2], &[3]);
    done(driver, Compaction { put_chunks: vec![chunk(1), chunk(2)], ..piece() });
    done(driver, Compaction { put_chunks: vec![chunk(3)], put_snapshot: Some(first), ..piece() });
    driver.write(&actor(NAME), (7..=10).map(change).collect());
    let second = snapshot(8, &[4, 1], &[3, 5]);
    done(driver, Compaction { put_chunks: vec![chunk(4), chunk(5)], put_snapshot: Some(second), ..piece() });
}

fn read(driver: &mut Driver, up_to: u64, scopes: Scopes) -> Result<Past, StoreError> {
    read_since(driver, u64::MAX, up_to, scopes)
}

fn read_since(driver: &mut Driver, since: u64, up_to: u64, scopes: Scopes) -> Result<Past, StoreError> {
    match driver.ask(Request::Read { actor: actor(NAME), since, up_to, scopes }) {
        Completion::Read(past) => Ok(past),
        Completion::Failed(error) => Err(error),
        other => panic!("not read: {other:?}"),
    }
}

fn seqs(past: &Past) -> Vec<u64> {
    past.changes.iter().map(|(seq, _)| *seq).collect()
}

fn opening(factory: &Factory) {
    let mut driver = factory().open();
    filled(&mut driver);
    let before = driver.store.stats();
    let opened = driver.open(&actor(NAME));
    assert_eq!(opened.snapshot, Some(snapshot(8, &[4, 1], &[3, 5])));
    assert_eq!(opened.chunks, [chunk(4), chunk(1)]);
    assert_eq!(bodies(&opened), [(9, "change 9".to_owned()), (10, "change 10".to_owned())]);
    let after = driver.store.stats();
    assert_eq!((after.rows_read - before.rows_read, after.bytes_read - before.bytes_read), (4, 7 + 7 + 8 + 9));
    assert_eq!((after.snapshots, after.chunks_put, after.chunk_bytes), (2, 5, 35));
}

fn closed(factory: &Factory) {
    let mut driver = factory().open();
    filled(&mut driver);
    let Completion::Opened(opened) = driver.ask(Request::Open { actor: actor(NAME), scopes: Scopes::All }) else {
        panic!("not opened");
    };
    assert_eq!(opened.chunks, [chunk(4), chunk(1), chunk(3), chunk(5)]);
    assert_eq!(read(&mut driver, u64::MAX, Scopes::All).unwrap().chunks, opened.chunks);
}

fn orphans(factory: &Factory) {
    let mut driver = factory().open();
    filled(&mut driver);
    done(&mut driver, Compaction { put_chunks: vec![chunk(6), chunk(7)], ..piece() });
    let past = read(&mut driver, u64::MAX, Scopes::Open).unwrap();
    assert_eq!(past.all_chunks, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(past.chunks, [chunk(4), chunk(1)]);
    let put_chunks = vec![(6, Bytes::from_static(b"other"))];
    let put_snapshot = Some(snapshot(9, &[6], &[]));
    done(&mut driver, Compaction { put_chunks, put_snapshot, drop_chunks: vec![7, 99], ..piece() });
    let past = read(&mut driver, u64::MAX, Scopes::Open).unwrap();
    assert_eq!(past.chunks, [(6, Bytes::from_static(b"other"))]);
    assert_eq!(past.all_chunks, [1, 2, 3, 4, 5, 6]);
}

fn past(factory: &Factory) {
    let mut driver = factory().open();
    assert_eq!(read(&mut driver, u64::MAX, Scopes::Open).unwrap(), Past::default());
    filled(&mut driver);
    let then = read(&mut driver, 3, Scopes::Open).unwrap();
    assert_eq!((then.snapshot.clone(), seqs(&then)), (None, vec![1, 2, 3]));
    let then = read(&mut driver, 4, Scopes::Open).unwrap();
    assert_eq!((then.chunks.len(), seqs(&then)), (2, vec![]));
    let then = read(&mut driver, 7, Scopes::All).unwrap();
    assert_eq!((then.chunks.clone(), seqs(&then)), (vec![chunk(1), chunk(2), chunk(3)], vec![5, 6, 7]));
    assert_eq!(then.row.map(|row| row.seq), Some(10), "the row is that of now");
    assert_eq!(then.snapshots, [snapshot(4, &[1, 2], &[3]), snapshot(8, &[4, 1], &[3, 5])]);
    assert_eq!(then.oldest_change, Some(1));
    assert_eq!(seqs(&read(&mut driver, u64::MAX, Scopes::Open).unwrap()), [9, 10]);
}

fn since(factory: &Factory) {
    let mut driver = factory().open();
    filled(&mut driver);
    let begun = |past: &Past| (past.snapshot.as_ref().map(|snapshot| snapshot.seq), seqs(past));
    let all = read_since(&mut driver, 1, u64::MAX, Scopes::Open).unwrap();
    assert_eq!(begun(&all), (None, (1..=10).collect()));
    for (since, expected) in [(4, None), (5, Some(4)), (8, Some(4)), (9, Some(8))] {
        let then = read_since(&mut driver, since, u64::MAX, Scopes::Open).unwrap();
        assert_eq!(begun(&then), (expected, (expected.unwrap_or(0) + 1..=10).collect()), "since {since}");
    }
    done(&mut driver, Compaction { drop_changes: Some(4), ..piece() });
    let rest = read_since(&mut driver, 1, 9, Scopes::Open).unwrap();
    assert_eq!((begun(&rest), rest.chunks.len()), ((Some(4), (5..=9).collect()), 2));
    let gone = read_since(&mut driver, 1, 3, Scopes::Open).unwrap_err();
    assert_eq!(gone.code, Code::StateUnavailable);
}

fn dropped(factory: &Factory) {
    let mut driver = factory().open();
    filled(&mut driver);
    let drop_changes = Some(4);
    done(&mut driver, Compaction { drop_changes, ..piece() });
    assert_eq!(read(&mut driver, 3, Scopes::Open).unwrap_err().code, Code::StateUnavailable);
    assert_eq!(seqs(&read(&mut driver, 6, Scopes::Open).unwrap()), [5, 6]);
    let (drop_snapshots, drop_changes) = (Some(8), Some(8));
    done(&mut driver, Compaction { drop_snapshots, drop_changes, drop_chunks: vec![2], ..piece() });
    let error = read(&mut driver, 7, Scopes::Open).unwrap_err();
    assert_eq!((error.code, error.retryable), (Code::StateUnavailable, false));
    let now = read(&mut driver, u64::MAX, Scopes::Open).unwrap();
    assert_eq!((seqs(&now), now.oldest_change, now.snapshots.len()), (vec![9, 10], Some(9), 1));
    assert_eq!(bodies(&driver.open(&actor(NAME))).len(), 2);
    driver.write(&actor(NAME), vec![change(11)]);
}

fn uncovered(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor(NAME), vec![change(1), change(2)]);
    let without = Compaction { drop_changes: Some(1), ..piece() };
    refusal(apply(&mut driver, without), Code::Conflict);
    driver.write(&actor(NAME), (3..=6).map(change).collect());
    done(&mut driver, Compaction { put_snapshot: Some(snapshot(2, &[], &[])), ..piece() });
    done(&mut driver, Compaction { put_snapshot: Some(snapshot(5, &[], &[])), ..piece() });
    let beyond_oldest = Compaction { drop_changes: Some(3), ..piece() };
    refusal(apply(&mut driver, beyond_oldest), Code::Conflict);
    let all_snapshots = Compaction { drop_snapshots: Some(6), ..piece() };
    refusal(apply(&mut driver, all_snapshots), Code::Conflict);
    assert_eq!(read(&mut driver, 6, Scopes::Open).unwrap().oldest_change, Some(1), "nothing of it was done");
}

fn refused(factory: &Factory) {
    let mut driver = factory().open();
    filled(&mut driver);
    let stale = Compaction { epoch: driver.epoch_of(&actor(NAME)) + 1, put_chunks: vec![chunk(9)], ..piece() };
    refusal(apply(&mut driver, stale), Code::Fenced);
    for seq in [3, 8, 11] {
        let put_snapshot = Some(snapshot(seq, &[1], &[]));
        let unfit = Compaction { put_chunks: vec![chunk(9)], put_snapshot, ..piece() };
        refusal(apply(&mut driver, unfit), Code::Conflict);
    }
    assert_eq!(read(&mut driver, u64::MAX, Scopes::Open).unwrap().all_chunks, [1, 2, 3, 4, 5]);
}

fn between(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor(NAME), vec![change(1), change(2)]);
    let first = Compaction { put_chunks: vec![chunk(1)], ..piece() };
    let second = Compaction { put_snapshot: Some(snapshot(2, &[1], &[])), drop_changes: Some(2), ..piece() };
    let first = of_present(&mut driver, first);
    driver.submit(Request::Compact(first));
    let batch = driver.batch(&actor(NAME), vec![change(3)]);
    driver.submit_batch(batch);
    let second = of_present(&mut driver, second);
    driver.submit(Request::Compact(second));
    let batch = driver.batch(&actor(NAME), vec![change(4)]);
    driver.submit_batch(batch);
    assert!(driver.finish().iter().all(|(_, done)| matches!(done, Completion::Committed(Outcome::Yes))));
    let opened = driver.open(&actor(NAME));
    assert_eq!((opened.chunks.len(), opened.changes.len(), opened.row.map(|row| row.seq)), (1, 2, Some(4)));
}

fn missing(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor(NAME), vec![change(1)]);
    done(&mut driver, Compaction { put_snapshot: Some(snapshot(1, &[77], &[])), ..piece() });
    match driver.ask(Request::Open { actor: actor(NAME), scopes: Scopes::Open }) {
        Completion::Failed(error) => {
            assert_eq!(error.code, Code::RecordCorrupt);
            assert!(error.message.contains("no chunk 77"), "{error}");
        }
        other => panic!("opened: {other:?}"),
    }
}

fn reopened(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    filled(&mut driver);
    let before = read(&mut driver, u64::MAX, Scopes::All).unwrap();
    driver.store.close();
    let mut driver = place.open();
    let after = read(&mut driver, u64::MAX, Scopes::All).unwrap();
    // Who owns it is another opening.
    assert_eq!(Past { owner: None, ..after }, Past { owner: None, ..before });
    done(&mut driver, Compaction { put_snapshot: Some(snapshot(10, &[1], &[])), ..piece() });
    assert_eq!(driver.open(&actor(NAME)).chunks, [chunk(1)]);
}
