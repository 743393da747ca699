//! Messages: put into one inbox, taken out of it once.

use std::sync::Arc;

use pawl_store::{ActorId, Change, Code, Completion, InboxRow, Opened, Outcome, Put};

use super::Case;
use crate::driver::{Factory, actor, change};

pub const CASES: &[Case] = &[
    ("a message waits in the inbox of its receiver, which need not exist", waits),
    ("an inbox is ordered by sender, then by the sender's seq", ordered),
    ("a message stays within the namespace of its sender", within_namespace),
    ("a message that is taken is gone, and only that one", taken),
    ("a message may be put and taken by one change", put_and_taken),
    ("taking what is not there refuses the whole batch", taking_nothing),
    ("putting the same message again changes nothing", put_again),
    (
        "putting messages again, among others of many actors at once, changes nothing and refuses none",
        put_again_among_others,
    ),
    ("another message under the same number refuses the whole batch", other_message),
    ("an actor may send to itself", to_itself),
];

pub fn put(receiver: &str, sender: &str, seq: u64, body: &str) -> Put {
    let row = InboxRow { sender: sender.into(), sender_seq: seq, body: body.to_owned().into() };
    Put { receiver: receiver.into(), row }
}

fn sends(seq: u64, put: Vec<Put>) -> Change {
    Change { put, ..change(seq) }
}

fn takes(seq: u64, take: &[(&str, u64)]) -> Change {
    Change { take: take.iter().map(|(sender, seq)| (Arc::from(*sender), *seq)).collect(), ..change(seq) }
}

fn inbox(opened: &Opened) -> Vec<(&str, u64, &str)> {
    opened.inbox.iter().map(|row| (&*row.sender, row.sender_seq, std::str::from_utf8(&row.body).unwrap())).collect()
}

fn waits(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    driver.write(&actor("order/1"), vec![sends(1, vec![put("mail/1", "order/1", 1, "hello")])]);
    driver.store.close();
    let opened = place.open().open(&actor("mail/1"));
    assert_eq!(opened.row, None);
    assert_eq!(inbox(&opened), [("order/1", 1, "hello")]);
}

fn ordered(factory: &Factory) {
    let mut driver = factory().open();
    let all = [("b/1", 2), ("b/1", 10), ("a/2", 7), ("b/1", 1), ("a/10", 3)];
    let put = all.map(|(sender, seq)| put("mail/1", sender, seq, "x"));
    driver.write(&actor("order/1"), vec![sends(1, put.into())]);
    let opened = driver.open(&actor("mail/1"));
    let found: Vec<_> = inbox(&opened).into_iter().map(|(sender, seq, _)| (sender, seq)).collect();
    assert_eq!(found, [("a/10", 3), ("a/2", 7), ("b/1", 1), ("b/1", 2), ("b/1", 10)]);
}

fn within_namespace(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&ActorId::new("one", "order/1"), vec![sends(1, vec![put("mail/1", "order/1", 1, "x")])]);
    assert_eq!(driver.open(&ActorId::new("one", "mail/1")).inbox.len(), 1);
    assert_eq!(driver.open(&ActorId::new("two", "mail/1")).inbox.len(), 0);
}

fn taken(factory: &Factory) {
    let mut driver = factory().open();
    let three = (1..=3).map(|seq| put("mail/1", "order/1", seq, "x")).collect();
    driver.write(&actor("order/1"), vec![sends(1, three)]);
    driver.write(&actor("mail/1"), vec![takes(1, &[("order/1", 2)])]);
    assert_eq!(inbox(&driver.open(&actor("mail/1"))), [("order/1", 1, "x"), ("order/1", 3, "x")]);
    driver.write(&actor("mail/1"), vec![takes(2, &[("order/1", 1)]), takes(3, &[("order/1", 3)])]);
    assert!(driver.open(&actor("mail/1")).inbox.is_empty());
}

fn put_and_taken(factory: &Factory) {
    let mut driver = factory().open();
    let both = Change { put: vec![put("mail/1", "http", 1, "x")], ..takes(1, &[("http", 1)]) };
    driver.write(&actor("mail/1"), vec![both]);
    assert!(driver.open(&actor("mail/1")).inbox.is_empty());
}

fn taking_nothing(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor("order/1"), vec![sends(1, vec![put("mail/1", "order/1", 1, "x")])]);
    let batch = vec![
        takes(1, &[("order/1", 1)]),
        sends(2, vec![put("order/1", "mail/1", 1, "y")]),
        takes(3, &[("order/1", 2)]),
    ];
    let error = driver.refused(&actor("mail/1"), batch, Code::Conflict);
    assert!(!error.retryable);
    let opened = driver.open(&actor("mail/1"));
    assert_eq!((opened.row.clone(), inbox(&opened)), (None, vec![("order/1", 1, "x")]), "nothing of it was written");
    assert!(driver.open(&actor("order/1")).inbox.is_empty());
    driver.write(&actor("mail/1"), vec![takes(1, &[("order/1", 1)])]);
    driver.refused(&actor("mail/1"), vec![takes(2, &[("order/1", 1)])], Code::Conflict);
}

fn put_again(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor("order/1"), vec![sends(1, vec![put("mail/1", "http", 1, "x"), put("mail/1", "http", 1, "x")])]);
    driver.write(&actor("order/1"), vec![sends(2, vec![put("mail/1", "http", 1, "x")])]);
    assert_eq!(inbox(&driver.open(&actor("mail/1"))), [("http", 1, "x")]);
}

fn put_again_among_others(factory: &Factory) {
    let mut driver = factory().open();
    let senders: Vec<ActorId> = (0..20).map(|n| actor(&format!("order/{n}"))).collect();
    let message = |n: usize| put("mail/1", "http", n as u64 + 1, "x");
    for seq in 1..=2 {
        let mut tickets = Vec::new();
        for (n, sender) in senders.iter().enumerate() {
            // Each puts a message of its own, and the second time that of its neighbour again.
            let again = (seq == 2).then(|| message((n + 1) % senders.len()));
            let batch = driver.batch(sender, vec![sends(seq, again.into_iter().chain([message(n)]).collect())]);
            tickets.push(driver.submit_batch(batch));
        }
        let said = driver.finish();
        let yes = said.iter().filter(|(_, said)| matches!(said, Completion::Committed(Outcome::Yes)));
        assert_eq!(yes.count(), tickets.len(), "{said:?}");
    }
    assert_eq!(inbox(&driver.open(&actor("mail/1"))).len(), senders.len());
}

fn other_message(factory: &Factory) {
    let mut driver = factory().open();
    driver.write(&actor("order/1"), vec![sends(1, vec![put("mail/1", "http", 1, "x")])]);
    let batch = vec![sends(2, vec![put("mail/2", "http", 1, "y"), put("mail/1", "http", 1, "y")])];
    driver.refused(&actor("order/1"), batch, Code::Conflict);
    assert_eq!(inbox(&driver.open(&actor("mail/1"))), [("http", 1, "x")]);
    assert!(driver.open(&actor("mail/2")).inbox.is_empty());
    assert_eq!(driver.open(&actor("order/1")).changes.len(), 1);
}

fn to_itself(factory: &Factory) {
    let mut driver = factory().open();
    driver
        .write(&actor("order/1"), vec![sends(1, vec![put("order/1", "order/1", 1, "x")]), takes(2, &[("order/1", 1)])]);
    assert!(driver.open(&actor("order/1")).inbox.is_empty());
}
