//! The actors that must be looked at.

use std::collections::BTreeSet;

use pawl_store::{ActorId, Change, Completion, Due, InboxRow, Listed, Put, Request, Status};

use super::Case;
use crate::driver::{Driver, Factory, actor, change};

pub const CASES: &[Case] = &[
    ("an actor is listed while it has an alarm", alarmed),
    ("an actor is listed while a message waits for it, before it exists, too", waiting),
    ("pages in order of id leave nothing out and repeat nothing", pages),
    ("every actor is listed with its row, in pages, and none of another namespace", actors),
    ("a list starts behind an actor whether or not that one is there", behind_anyone),
];

fn set_alarm(driver: &mut Driver, id: &ActorId, seq: u64, alarm: Option<i64>) {
    driver.write(id, vec![Change { alarm, ..change(seq) }]);
}

fn send(receiver: &str, seq: u64) -> Vec<Put> {
    let row = InboxRow { sender: "order/1".into(), sender_seq: seq, body: "x".into() };
    vec![Put { receiver: receiver.into(), row }]
}

fn alarmed(factory: &Factory) {
    let mut driver = factory().open();
    let order = actor("order/1");
    assert_eq!(driver.due(None, 10), []);
    set_alarm(&mut driver, &order, 1, Some(-5));
    let listed = |alarm, parked| [Due { actor: order.clone(), alarm: Some(alarm), inbox: false, parked }];
    assert_eq!(driver.due(None, 10), listed(-5, false));
    set_alarm(&mut driver, &order, 2, Some(i64::MAX));
    assert_eq!(driver.due(None, 10)[0].alarm, Some(i64::MAX));
    set_alarm(&mut driver, &order, 3, None);
    assert_eq!(driver.due(None, 10), []);
    assert_eq!(driver.due(None, 0), []);
    driver.write(&order, vec![Change { alarm: Some(7), status: Status::Parked, ..change(4) }]);
    assert_eq!(driver.due(None, 10), listed(7, true));
}

fn waiting(factory: &Factory) {
    let mut driver = factory().open();
    let both = [send("mail/1", 1), send("mail/1", 2)].concat();
    driver.write(&actor("order/1"), vec![Change { put: both, ..change(1) }]);
    let listed = |alarm, inbox| Due { actor: actor("mail/1"), alarm, inbox, parked: false };
    assert_eq!(driver.due(None, 10), [listed(None, true)]);
    driver.write(&actor("mail/1"), vec![Change { alarm: Some(7), take: vec![("order/1".into(), 1)], ..change(1) }]);
    assert_eq!(driver.due(None, 10), [listed(Some(7), true)]);
    driver.write(&actor("mail/1"), vec![Change { alarm: Some(7), take: vec![("order/1".into(), 2)], ..change(2) }]);
    assert_eq!(driver.due(None, 10), [listed(Some(7), false)]);
}

fn actors(factory: &Factory) {
    let mut driver = factory().open();
    for n in 0..5u64 {
        driver.write(&actor(&format!("order/{n}")), vec![Change { status: Status::Waiting, ..change(1) }]);
        driver.write(&ActorId::new("elsewhere", format!("order/{n}")), vec![change(1)]);
    }
    driver.write(&actor("order/1"), vec![Change { alarm: Some(7), status: Status::Failed, ..change(2) }]);
    let mut list = |after: Option<&str>, limit| {
        let namespace = actor("x/y").namespace;
        match driver.ask(Request::Actors { namespace, after: after.map(Into::into), limit }) {
            Completion::Actors(listed) => listed,
            other => panic!("a list was asked for, and the answer is {other:?}"),
        }
    };
    let names = |listed: &[Listed]| listed.iter().map(|listed| listed.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&list(None, 10)), ["order/0", "order/1", "order/2", "order/3", "order/4"]);
    assert_eq!(names(&list(Some("order/1"), 2)), ["order/2", "order/3"]);
    assert_eq!(names(&list(Some("order/4"), 2)), Vec::<String>::new());
    let failed = &list(Some("order/0"), 1)[0].row;
    assert_eq!((failed.seq, failed.alarm, failed.status), (2, Some(7), Status::Failed));
}

fn pages(factory: &Factory) {
    let mut driver = factory().open();
    let mut expected = BTreeSet::new();
    for n in 0..40u64 {
        let id = ActorId::new(format!("tenant-{}", n % 3), format!("order/{n}"));
        let put = if n % 4 == 0 { send(&format!("mail/{n}"), 1) } else { Vec::new() };
        if n % 4 == 0 {
            expected.insert(ActorId { name: format!("mail/{n}").into(), ..id.clone() });
        }
        let alarm = (n % 2 == 0).then_some(n as i64);
        if alarm.is_some() {
            expected.insert(id.clone());
        }
        driver.write(&id, vec![Change { alarm, put, ..change(1) }]);
    }
    for limit in [1, 3, 7, 100] {
        let mut found = Vec::new();
        loop {
            let page = driver.due(found.last(), limit);
            assert!(page.len() <= limit);
            let full = page.len() == limit;
            found.extend(page.into_iter().map(|due| due.actor));
            if !full {
                break;
            }
        }
        assert_eq!(found, expected.iter().cloned().collect::<Vec<_>>(), "in pages of {limit}");
    }
}

fn behind_anyone(factory: &Factory) {
    let mut driver = factory().open();
    for name in ["a/1", "c/1"] {
        set_alarm(&mut driver, &actor(name), 1, Some(0));
    }
    let listed = |driver: &mut Driver, after: &ActorId| -> Vec<_> {
        driver.due(Some(after), 10).into_iter().map(|due| due.actor.name.to_string()).collect()
    };
    assert_eq!(listed(&mut driver, &actor("a/1")), ["c/1"]);
    assert_eq!(listed(&mut driver, &actor("b/1")), ["c/1"]);
    assert_eq!(listed(&mut driver, &actor("c/1")), [""; 0]);
    assert_eq!(listed(&mut driver, &ActorId::new("a", "z/1")), ["a/1", "c/1"]);
}
