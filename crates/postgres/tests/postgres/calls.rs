//! What processes say to each other: calls, replies, messages, ends of runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pawl_conformance::driver::{Driver, Place, actor, change, refusal};
use pawl_store::{Answer, Call, Change, Code, Completion, InboxRow, News, Outcome, Put, Sharing, Status, WOKEN};

use crate::contract::place;
use crate::server;

const TICKET: u64 = 1 << 40;

/// Waits until `found` takes one of the completions of `driver`; the others are dropped.
fn hear<R>(driver: &mut Driver, found: impl Fn(Completion) -> Option<R>) -> R {
    let started = Instant::now();
    loop {
        let before = driver.signal.calls();
        let mut said = Vec::new();
        driver.store.drain(&mut said);
        if let Some(found) = said.into_iter().find_map(|(_, completion)| found(completion)) {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was heard");
        driver.signal.wait_beyond(before);
    }
}

fn called(completion: Completion) -> Option<Vec<Call>> {
    if let Completion::News(News::Called(calls)) = completion { Some(calls) } else { None }
}

fn replied(completion: Completion) -> Option<Bytes> {
    match completion {
        Completion::News(News::Replied { reply, .. }) => Some(reply.unwrap()),
        _ => None,
    }
}

fn call(id: &str) -> Sharing {
    Sharing::Call(Call { actor: actor("order/1"), id: id.into(), body: Bytes::from_static(b"asked") })
}

fn answer(id: &str, body: &'static str) -> Answer {
    Answer { id: id.into(), body: Bytes::from_static(body.as_bytes()) }
}

fn answering(seq: u64, id: &str, body: &'static str) -> Change {
    Change { answers: vec![answer(id, body)], ..change(seq) }
}

/// The same store, with and without notifications.
fn places() -> [Place; 2] {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let schema = format!("silent{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let silent = server::url(&schema) + "&hints=off&lease=500";
    [place(), Place::shared(silent, Box::new(pawl_postgres::open))]
}

#[test]
fn a_call_is_answered_by_the_owners_change_and_once() {
    for place in places() {
        let (mut one, mut two) = (place.open(), place.open());
        one.write(&actor("order/1"), vec![change(1)]);
        two.store.share(WOKEN, call("c"));
        let asked = hear(&mut one, called);
        assert_eq!(asked.iter().map(|call| (&*call.id, &call.body[..])).collect::<Vec<_>>(), [("c", &b"asked"[..])]);
        one.write(&actor("order/1"), vec![answering(2, "c", "done")]);
        assert_eq!(hear(&mut two, replied), "done");
        // The same call again has the reply that it had.
        two.store.share(WOKEN, call("c"));
        assert_eq!(hear(&mut two, replied), "done");
        // A change that answers it once more is refused, whole.
        let again = one.batch(&actor("order/1"), vec![answering(3, "c", "twice")]);
        assert!(matches!(one.commit(again), Outcome::No(_)));
        one.write(&actor("order/1"), vec![change(3)]);
    }
}

#[test]
fn a_reply_without_a_change_is_recorded_under_the_present_epoch_alone() {
    let place = place();
    let (mut one, mut two) = (place.open(), place.open());
    one.write(&actor("order/1"), vec![change(1)]);
    two.store.share(WOKEN, call("c"));
    hear(&mut one, called);
    let epoch = one.open(&actor("order/1")).epoch;
    let reply = |epoch, body| Sharing::Answer { actor: actor("order/1"), epoch, answer: answer("c", body) };
    one.store.share(WOKEN, reply(epoch - 1, "stale"));
    one.store.share(WOKEN, reply(epoch, "sound"));
    one.store.share(WOKEN, reply(epoch, "late"));
    assert_eq!(hear(&mut two, replied), "sound");
}

#[test]
fn a_call_goes_to_the_next_owner_when_the_first_has_died() {
    for place in places() {
        let (mut one, mut two) = (place.open(), place.open());
        one.write(&actor("order/1"), vec![change(1)]);
        two.store.share(WOKEN, call("c"));
        hear(&mut one, called);
        one.store.abandon();
        let orphans = hear(&mut two, called);
        assert_eq!(orphans.iter().map(|call| &*call.actor.name).collect::<Vec<_>>(), ["order/1"]);
        two.open(&actor("order/1"));
        assert_eq!(hear(&mut two, called).len(), 1);
        two.write(&actor("order/1"), vec![answering(2, "c", "done")]);
        assert_eq!(hear(&mut two, replied), "done");
    }
}

#[test]
fn a_message_from_another_process_is_told_to_who_has_its_receiver() {
    for place in places() {
        let (mut one, mut two) = (place.open(), place.open());
        one.write(&actor("order/1"), vec![change(1)]);
        let row = InboxRow { sender: "mail/1".into(), sender_seq: 7, body: Bytes::from_static(b"news") };
        let put = vec![Put { receiver: "order/1".into(), row: row.clone() }];
        two.write(&actor("mail/1"), vec![Change { put, ..change(1) }]);
        let due = hear(&mut one, |completion| if let Completion::Woken(due) = completion { Some(due) } else { None });
        assert_eq!((due.len(), &*due[0].actor.name, due[0].inbox), (1, "order/1", true));
        let arrived =
            |completion| if let Completion::News(News::Arrived(rows)) = completion { Some(rows) } else { None };
        one.store.share(TICKET, Sharing::Inbox(actor("order/1")));
        assert_eq!(hear(&mut one, arrived), [row]);
        one.store.share(TICKET, Sharing::Inbox(actor("order/1")));
        assert_eq!(hear(&mut one, arrived), []);
    }
}

#[test]
fn the_end_of_a_run_is_told_to_who_watches_it() {
    for place in places() {
        let (mut one, mut two) = (place.open(), place.open());
        one.write(&actor("order/1"), vec![change(1)]);
        two.store.share(WOKEN, Sharing::Watch(actor("order/1")));
        one.write(&actor("order/1"), vec![Change { status: Status::Completed, ..change(2) }]);
        let halted =
            |completion| if let Completion::News(News::Halted(actor)) = completion { Some(actor) } else { None };
        assert_eq!(hear(&mut two, halted), actor("order/1"));
    }
}

#[test]
fn an_actor_is_found_to_be_ours_until_another_process_has_it() {
    let place = place();
    let (mut one, mut two) = (place.open(), place.open());
    one.write(&actor("order/1"), vec![change(1)]);
    let epoch = one.open(&actor("order/1")).epoch;
    let holds = |completion| if let Completion::News(News::Holds(holds)) = completion { Some(holds) } else { None };
    one.store.share(TICKET, Sharing::Check { actor: actor("order/1"), epoch });
    assert!(hear(&mut one, holds));
    one.store.release(&actor("order/1"));
    one.store.flush();
    two.open(&actor("order/1"));
    one.store.share(TICKET, Sharing::Check { actor: actor("order/1"), epoch });
    assert!(!hear(&mut one, holds));
    let stale = pawl_store::Batch { actor: actor("order/1"), epoch, changes: vec![change(2)] };
    refusal(one.commit(stale), Code::Fenced);
}
