//! What is refused, whole, and without harm to others.

use pawl_store::{ActorId, Batch, Change, Code, Completion, InboxRow, Outcome, Put, Request, Scopes, Status};

use super::Case;
use crate::driver::{Factory, actor, bodies, change, refusal};

pub const CASES: &[Case] = &[
    ("a batch must follow the newest change", must_follow),
    ("a batch has at least one change, and no gap", well_formed),
    ("a batch of another epoch is refused, older or newer", other_epoch),
    ("a batch whose one change is refused is not written in part", not_in_part),
    ("a bad batch does not sink those submitted with it", one_bad_of_many),
    ("a change, a message or a batch over its limit is refused", too_large),
    ("an actor without type or key, and a name that is too long, are refused", bad_names),
    ("numbers that cannot be stored are refused", bad_numbers),
];

fn must_follow(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    driver.refused(&order, vec![change(2)], Code::Conflict);
    driver.write(&order, vec![change(1), change(2)]);
    for seq in [1, 2, 4] {
        let error = driver.refused(&order, vec![change(seq)], Code::Conflict);
        assert!(!error.retryable);
        assert!(error.data.contains(&("expected", "3".to_owned())), "{error:?}");
    }
    driver.write(&order, vec![change(3)]);
    assert_eq!(driver.open(&order).changes.len(), 3);
}

fn well_formed(factory: &Factory) {
    let mut driver = factory().open();
    driver.refused(&actor("order/1"), vec![], Code::BadArgument);
    for seqs in [[1, 3], [1, 1], [2, 1]] {
        driver.refused(&actor("order/1"), seqs.map(change).into(), Code::Conflict);
    }
    assert_eq!(driver.open(&actor("order/1")).row, None);
}

fn other_epoch(factory: &Factory) {
    let place = factory();
    place.open().store.close();
    let mut driver = place.open();
    let present = driver.epoch_of(&actor("order/1"));
    for epoch in [present - 1, present + 1, i64::MAX as u64] {
        let error =
            refusal(driver.commit(Batch { actor: actor("order/1"), epoch, changes: vec![change(1)] }), Code::Fenced);
        assert!(!error.retryable);
    }
    driver.write(&actor("order/1"), vec![change(1)]);
}

fn not_in_part(factory: &Factory) {
    let mut driver = place_with_small_limits(factory);
    let large = Change::new(3, vec![0; 1001], Status::Running);
    driver.refused(&actor("order/1"), vec![change(1), change(2), large], Code::ChangeTooLarge);
    assert_eq!(driver.open(&actor("order/1")).row, None);
    driver.write(&actor("order/1"), vec![change(1)]);
}

fn one_bad_of_many(factory: &Factory) {
    let mut driver = factory().open();
    let mut expected = Vec::new();
    for n in 0..60u64 {
        let order = actor(&format!("order/{n}"));
        let good = driver.batch(&order, vec![change(1), change(2)]);
        let taking = Change { take: vec![("nobody/1".into(), 1)], ..change(2) };
        let bad = match n % 4 {
            0 => Some(Batch { epoch: good.epoch + 1, ..good.clone() }),
            1 => Some(Batch { changes: vec![change(2)], ..good.clone() }),
            2 => Some(Batch { changes: vec![change(1), taking], ..good.clone() }),
            _ => None,
        };
        expected.extend(bad.map(|bad| (driver.submit_batch(bad), false)));
        expected.push((driver.submit_batch(good), true));
    }
    let found: Vec<_> = driver
        .finish()
        .into_iter()
        .map(|(ticket, completion)| (ticket, matches!(completion, Completion::Committed(Outcome::Yes))))
        .collect();
    assert_eq!(found, expected);
    for n in 0..60 {
        assert_eq!(bodies(&driver.open(&actor(&format!("order/{n}")))).len(), 2);
    }
}

fn place_with_small_limits(factory: &Factory) -> crate::driver::Driver {
    factory().open_with(|options| {
        options.limits.change_bytes = 1000;
        options.limits.message_bytes = 100;
        options.limits.batch_rows = 10;
    })
}

fn too_large(factory: &Factory) {
    let mut driver = place_with_small_limits(factory);
    let order = actor("order/1");
    let sends = |seq, bytes| {
        let row = InboxRow { sender: "order/1".into(), sender_seq: 1, body: vec![0; bytes].into() };
        Change { put: vec![Put { receiver: "mail/1".into(), row }], ..change(seq) }
    };
    let error = driver.refused(&order, vec![Change::new(1, vec![0; 1001], Status::Running)], Code::ChangeTooLarge);
    assert!(!error.retryable);
    assert!(error.message.contains("1001") && error.message.contains("1000"), "{error}");
    driver.refused(&order, vec![sends(1, 101)], Code::ChangeTooLarge);
    driver.refused(&order, (1..=11).map(change).collect(), Code::ChangeTooLarge);
    driver.write(&order, vec![Change::new(1, vec![0; 1000], Status::Running), sends(2, 100)]);
    driver.write(&order, (3..=12).map(change).collect());
}

fn bad_names(factory: &Factory) {
    let mut driver = factory().open();
    let long_key = format!("order/{}", "k".repeat(600));
    for name in ["", "order", "/1", "order/", "/", &long_key] {
        let failed = driver.ask(Request::Open { actor: actor(name), scopes: Scopes::Open });
        assert!(
            matches!(&failed, Completion::Failed(error) if error.code == Code::BadArgument),
            "{name:?}: {failed:?}"
        );
        driver.refused(&actor(name), vec![change(1)], Code::BadArgument);
        let row = InboxRow { sender: "order/1".into(), sender_seq: 1, body: "x".into() };
        let sends = Change { put: vec![Put { receiver: name.into(), row }], ..change(1) };
        driver.refused(&actor("order/1"), vec![sends], Code::BadArgument);
    }
    for namespace in [String::new(), "n".repeat(513)] {
        driver.refused(&ActorId::new(namespace, "order/1"), vec![change(1)], Code::BadArgument);
    }
    for sender in [String::new(), "s".repeat(1025)] {
        let row = InboxRow { sender: sender.into(), sender_seq: 1, body: "x".into() };
        let sends = Change { put: vec![Put { receiver: "mail/1".into(), row }], ..change(1) };
        driver.refused(&actor("order/1"), vec![sends], Code::BadArgument);
    }
    let longest = ActorId::new("n".repeat(512), format!("{}/{}", "t".repeat(64), "k".repeat(512)));
    driver.write(&longest, vec![change(1)]);
    assert_eq!(driver.open(&longest).changes.len(), 1);
}

fn bad_numbers(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    for seq in [0, u64::MAX, i64::MAX as u64 + 1] {
        let batch = driver.batch(&order, vec![change(seq)]);
        let outcome = driver.commit(batch);
        assert!(matches!(&outcome, Outcome::No(error) if error.code == Code::BadArgument), "{seq}: {outcome:?}");
        let row = InboxRow { sender: "order/1".into(), sender_seq: seq, body: "x".into() };
        let sends = Change { put: vec![Put { receiver: "mail/1".into(), row }], ..change(1) };
        driver.refused(&order, vec![sends], Code::BadArgument);
    }
    let zero = Batch { actor: order.clone(), epoch: 0, changes: vec![change(1)] };
    refusal(driver.commit(zero), Code::BadArgument);
    let row = InboxRow { sender: "order/1".into(), sender_seq: i64::MAX as u64, body: "x".into() };
    driver.write(&order, vec![Change { put: vec![Put { receiver: "order/1".into(), row }], ..change(1) }]);
    driver.write(&order, vec![Change { take: vec![("order/1".into(), i64::MAX as u64)], ..change(2) }]);
}
