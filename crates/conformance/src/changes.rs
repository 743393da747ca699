//! Changes of actors: what is written is read back, in order, whole.

use bytes::Bytes;
use pawl_store::{ActorId, ActorRow, Change, Code, Completion, Outcome, Request, Scopes, Status};

use super::Case;
use crate::driver::{Factory, actor, bodies, change};

pub const CASES: &[Case] = &[
    ("an actor that was never written opens empty", absent),
    ("a first batch makes the actor", first_batch),
    ("the row is that of the newest change of a batch", newest_row),
    ("every field of a row comes back as it was", row_fields),
    ("bodies come back byte for byte, empty and large ones too", body_bytes),
    ("names come back as they were, whatever they hold", names),
    ("actors of the same name in two namespaces are two actors", namespaces),
    ("an opening sees the batches that were submitted before it", opening_behind_batches),
    ("batches of one actor submitted together are committed in order", together),
    ("completions come in the order of submission, each request exactly once", order),
];

fn absent(factory: &Factory) {
    let mut driver = factory().open();
    let opened = driver.open(&actor("order/1"));
    assert_eq!(opened.row, None);
    assert!(opened.epoch > 0);
    assert!(opened.changes.is_empty() && opened.inbox.is_empty());
}

fn first_batch(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor("order/1"), vec![change(1)]);
    let opened = driver.open(&actor("order/1"));
    let row = ActorRow { epoch: opened.epoch, seq: 1, alarm: None, status: Status::Running, state_version: 1 };
    assert_eq!(opened.row, Some(row));
    assert_eq!(bodies(&opened), [(1, "change 1".to_owned())]);
    assert_eq!(driver.open(&actor("order/2")).row, None, "and no other");
}

fn newest_row(factory: &Factory) {
    let mut driver = factory().open();
    let with = |seq, alarm, status| Change { alarm, ..Change::new(seq, "x", status) };
    driver.write(
        &actor("order/1"),
        vec![with(1, Some(10), Status::Running), with(2, None, Status::Waiting), with(3, Some(30), Status::Failed)],
    );
    let row = driver.open(&actor("order/1")).row.unwrap();
    assert_eq!((row.seq, row.alarm, row.status), (3, Some(30), Status::Failed));
    driver.write(&actor("order/1"), vec![with(4, None, Status::Completed)]);
    let row = driver.open(&actor("order/1")).row.unwrap();
    assert_eq!((row.seq, row.alarm, row.status), (4, None, Status::Completed));
}

fn row_fields(factory: &Factory) {
    let mut driver = factory().open();
    let alarms = [None, Some(0), Some(-1), Some(i64::MIN), Some(i64::MAX), Some(1_785_024_179_123)];
    for (seq, alarm) in (1..).zip(alarms) {
        let version = [0, 1, u32::MAX][seq as usize % 3];
        driver.write(&actor("order/1"), vec![Change { alarm, state_version: version, ..change(seq) }]);
        let row = driver.open(&actor("order/1")).row.unwrap();
        assert_eq!((row.alarm, row.state_version), (alarm, version));
    }
    for (n, status) in Status::ALL.into_iter().enumerate() {
        let order = actor(&format!("order/{n}-status"));
        driver.write(&order, vec![Change::new(1, "x", status)]);
        assert_eq!(driver.open(&order).row.unwrap().status, status);
    }
}

fn body_bytes(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    let every: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let written: Vec<Bytes> = vec![Bytes::new(), every.into(), large.into(), Bytes::from_static(b"\0"), Bytes::new()];
    for (seq, body) in (1..).zip(&written) {
        driver.write(&actor("order/1"), vec![Change::new(seq, body.clone(), Status::Running)]);
    }
    driver.store.close();
    let read: Vec<_> = place.open().open(&actor("order/1")).changes.into_iter().map(|(_, body)| body).collect();
    assert!(read == written);
}

fn names(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    let names =
        ["a/b/c//", "a/\0", "a/a\0b", "a/ö", "a/'; DROP TABLE actor; --", "a/%_*", "a/\u{10ffff}", "a/A", "a/a"];
    for (n, name) in names.iter().enumerate() {
        driver.write(&ActorId::new("t'\0ö", *name), vec![Change::new(1, format!("{n}"), Status::Running)]);
    }
    driver.store.close();
    let mut driver = place.open();
    for (n, name) in names.iter().enumerate() {
        let opened = driver.open(&ActorId::new("t'\0ö", *name));
        assert_eq!(bodies(&opened), [(1, format!("{n}"))], "{name:?}");
    }
}

fn namespaces(factory: &Factory) {
    let mut driver = factory().open();
    let (one, two) = (ActorId::new("one", "order/1"), ActorId::new("two", "order/1"));
    driver.write(&one, vec![change(1), change(2)]);
    assert_eq!(driver.open(&two).row, None);
    driver.write(&two, vec![change(1)]);
    assert_eq!(driver.open(&one).changes.len(), 2);
    assert_eq!(driver.open(&two).changes.len(), 1);
}

fn opening_behind_batches(factory: &Factory) {
    let mut driver = factory().open();
    for seq in 1..=10 {
        let batch = driver.batch(&actor("order/1"), vec![change(seq)]);
        driver.submit_batch(batch);
        driver.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
        driver.forget(&actor("order/1"));
    }
    let counts: Vec<_> = driver
        .finish()
        .into_iter()
        .filter_map(|(_, completion)| match completion {
            Completion::Opened(opened) => Some(opened.changes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(counts, (1..=10).collect::<Vec<_>>());
}

fn together(factory: &Factory) {
    let mut driver = factory().open();
    for first in (1..100).step_by(3) {
        let batch = driver.batch(&actor("order/1"), vec![change(first), change(first + 1), change(first + 2)]);
        driver.submit_batch(batch);
    }
    let finished = driver.finish();
    assert!(finished.iter().all(|(_, completion)| matches!(completion, Completion::Committed(Outcome::Yes))));
    let opened = driver.open(&actor("order/1"));
    assert_eq!(bodies(&opened), (1..=99).map(|seq| (seq, format!("change {seq}"))).collect::<Vec<_>>());
    let stats = driver.store.stats();
    assert_eq!((stats.batches, stats.changes), (33, 99));
    assert!(stats.transactions <= stats.batches);
}

fn order(factory: &Factory) {
    let mut driver = factory().open();
    let mut submitted = Vec::new();
    for n in 0..300u64 {
        let order = actor(&format!("order/{}", n % 7));
        let request = match n % 3 {
            0 => Request::Open { actor: order, scopes: Scopes::Open },
            1 => Request::Commit(driver.batch(&order, vec![change(1)])),
            _ => Request::Alarms { after: None, limit: 2 },
        };
        submitted.push(driver.submit(request));
    }
    let finished: Vec<_> = driver.finish().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(finished, submitted);
    driver.forget(&actor("order/1"));
    let refused = driver.refused(&actor("order/1"), vec![change(1)], Code::Conflict);
    assert!(refused.message.contains("expected"), "{refused}");
}
