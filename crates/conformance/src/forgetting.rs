//! Forgetting actors that were destroyed: in slices, whole wherever that ends, and never a number twice.

use pawl_store::{ActorId, Code, Compaction, Completion, Forget, Outcome, Request, SLICE_ROWS, Scopes, Snapshot};

use super::Case;
use crate::driver::{Driver, Factory, actor, change, refusal};

pub const CASES: &[Case] = &[
    ("a forgotten actor is neither listed nor found, and its numbers are known to whoever comes after it", forgotten),
    ("forgetting takes slices, and between them the actor can be opened", in_slices),
    ("what was forgotten in part is forgotten whole by the next owner", resumed),
    ("an actor that was used again is not forgotten", used_again),
    ("an earlier owner forgets nothing", fenced),
    ("an actor that no snapshot makes short is refused, and stays", needed),
    ("a forgotten actor begins anew, and the one before it writes no more", anew),
];

/// Writes an actor of so many changes, with a snapshot of the last.
fn destroyed(driver: &mut Driver, of: &ActorId, changes: u64) {
    for from in (1..=changes).step_by(1_000) {
        driver.write(of, (from..=changes.min(from + 999)).map(change).collect());
    }
    let mut piece = Compaction::new(of.clone(), driver.epoch_of(of));
    piece.put_chunks = vec![(1, "of an older snapshot".into()), (2, "destroyed".into())];
    let snapshot = |seq, open| Some(Snapshot { seq, body: "a snapshot".into(), open, closed: vec![] });
    let older = Compaction { put_snapshot: snapshot(changes - 1, vec![1]), ..piece.clone() };
    let newest = Compaction { put_chunks: vec![], put_snapshot: snapshot(changes, vec![2]), ..piece };
    for piece in [older, newest] {
        assert!(matches!(driver.ask(Request::Compact(piece)), Completion::Committed(Outcome::Yes)));
    }
}

fn forget(driver: &mut Driver, of: &ActorId, seq: u64) -> Completion {
    let epoch = driver.epoch_of(of);
    driver.ask(Request::Forget(Forget { actor: of.clone(), epoch, seq, floor: seq + 1 }))
}

fn refused(completion: Completion, code: Code) {
    match completion {
        Completion::Committed(outcome) => drop(refusal(outcome, code)),
        other => panic!("not refused: {other:?}"),
    }
}

fn is_done(completion: &Completion) -> bool {
    match completion {
        Completion::Forgot { done } => *done,
        other => panic!("not forgotten: {other:?}"),
    }
}

fn forgotten(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    let (order, other) = (actor("order/1"), actor("order/2"));
    driver.write(&other, vec![change(1)]);
    destroyed(&mut driver, &order, 5);
    assert_eq!(driver.open(&order).floor, 0);
    assert!(is_done(&forget(&mut driver, &order, 5)));
    let list = Request::Actors { namespace: "default".into(), after: None, limit: 10 };
    match driver.ask(list) {
        Completion::Actors(listed) => {
            assert_eq!(listed.iter().map(|listed| &*listed.name).collect::<Vec<_>>(), ["order/2"]);
        }
        other => panic!("not a list: {other:?}"),
    }
    match driver.ask(Request::Read { actor: order.clone(), since: 1, up_to: u64::MAX, scopes: Scopes::All }) {
        Completion::Read(past) => assert_eq!(past, pawl_store::Past::default()),
        other => panic!("not read: {other:?}"),
    }
    drop(driver);
    let mut next = place.open();
    let opened = next.open(&order);
    assert!(opened.row.is_none() && opened.changes.is_empty() && opened.snapshot.is_none());
    assert_eq!(opened.floor, 6);
    // The highest of all, also for those that it was never of.
    destroyed(&mut next, &actor("order/3"), 3);
    assert!(is_done(&forget(&mut next, &actor("order/3"), 3)));
    assert_eq!(next.open(&actor("order/4")).floor, 6);
}

fn in_slices(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    let changes = 3 * SLICE_ROWS as u64;
    destroyed(&mut driver, &order, changes);
    let mut slices = 1;
    while !is_done(&forget(&mut driver, &order, changes)) {
        slices += 1;
        let opened = driver.open(&order);
        assert_eq!(opened.row.map(|row| row.seq), Some(changes));
        assert_eq!(opened.snapshot.map(|snapshot| snapshot.seq), Some(changes));
        assert_eq!(opened.chunks.len(), 1);
    }
    assert_eq!(slices, 4, "three of changes, and what is left");
    assert!(driver.open(&order).row.is_none());
}

fn resumed(factory: &Factory) {
    let place = factory();
    let mut first = place.open();
    let order = actor("order/1");
    let changes = 2 * SLICE_ROWS as u64;
    destroyed(&mut first, &order, changes);
    assert!(!is_done(&forget(&mut first, &order, changes)));
    first.store.abandon();
    drop(first);
    let mut second = place.open();
    assert_eq!(second.open(&order).snapshot.map(|snapshot| snapshot.seq), Some(changes));
    while !is_done(&forget(&mut second, &order, changes)) {}
    assert!(second.open(&order).row.is_none());
}

fn used_again(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    let changes = 2 * SLICE_ROWS as u64;
    destroyed(&mut driver, &order, changes);
    assert!(!is_done(&forget(&mut driver, &order, changes)));
    driver.write(&order, vec![change(changes + 1)]);
    refused(forget(&mut driver, &order, changes), Code::Conflict);
    let opened = driver.open(&order);
    assert_eq!(opened.changes.len(), 1);
    assert_eq!(opened.snapshot.map(|snapshot| snapshot.seq), Some(changes));
}

fn fenced(factory: &Factory) {
    let place = factory();
    let mut first = place.open();
    let order = actor("order/1");
    destroyed(&mut first, &order, 3);
    let epoch = first.epoch_of(&order);
    first.store.close();
    let mut second = place.open();
    second.open(&order);
    let stale = Forget { actor: order.clone(), epoch, seq: 3, floor: 4 };
    refused(second.ask(Request::Forget(stale)), Code::Fenced);
    assert!(second.open(&order).row.is_some());
}

fn needed(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    let changes = SLICE_ROWS as u64 + 1;
    driver.write(&order, (1..=changes).map(change).collect());
    refused(forget(&mut driver, &order, changes), Code::Conflict);
    assert_eq!(driver.open(&order).changes.len(), SLICE_ROWS + 1);
}

fn anew(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    destroyed(&mut driver, &order, 3);
    let stale = driver.batch(&order, vec![change(4)]);
    assert!(is_done(&forget(&mut driver, &order, 3)));
    match driver.commit(stale) {
        Outcome::No(error) => assert!([Code::Fenced, Code::Conflict].contains(&error.code), "{error}"),
        other => panic!("written by the dead: {other:?}"),
    }
    driver.forget(&order);
    driver.write(&order, vec![change(1)]);
    assert_eq!(driver.open(&order).changes.len(), 1);
}
