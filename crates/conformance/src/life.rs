//! Opening, waking, closing, dying.

use pawl_store::{Code, Completion, OPENING, Outcome, Request, Scopes};

use super::Case;
use crate::driver::{Factory, Owners, actor, bodies, change, refusal};

pub const CASES: &[Case] = &[
    ("the first completion is that of the opening, with id, URL and epoch", first_completion),
    ("a store that is opened again has the same id, a higher epoch and the same actors", opened_again),
    ("the wake is called once for each time the queue becomes full", wake),
    ("closing finishes what was submitted, then refuses", closing),
    ("a closed store may be closed, flushed and abandoned again", closed_twice),
    ("dropping a store lets it be opened again", dropping),
    ("an abandoned store answers nothing and can be opened again", abandoning),
    ("what was answered is there after the store was abandoned", abandoned_later),
    ("requests submitted with the opening wait behind it", submitted_early),
];

/// Of a store that one process owns.
pub const ONE_OWNER: &[Case] = &[("a second opening is refused while the first one lasts", second_opening)];

fn first_completion(factory: &Factory) {
    let place = factory();
    let driver = place.open();
    let info = driver.info();
    match place.owners {
        Owners::One => assert_eq!(&*info.url, place.url),
        // A URL may hold a password; what is shown of it does not.
        Owners::Many => assert!(info.url.starts_with("postgres://"), "{}", info.url),
    }
    assert_ne!(info.id, [0; 16]);
    assert!(info.epoch > 0);
    let other = factory().open();
    assert_ne!(info.id, other.info().id, "two stores, two ids");
}

fn opened_again(factory: &Factory) {
    let place = factory();
    let mut first = place.open();
    first.write(&actor("order/1"), vec![change(1)]);
    first.store.close();
    let mut second = place.open();
    assert_eq!(second.info().id, first.info().id);
    assert!(second.epoch() > first.epoch());
    let opened = second.open(&actor("order/1"));
    assert_eq!(bodies(&opened), [(1, "change 1".to_owned())]);
    let stale_epoch = first.epoch_of(&actor("order/1"));
    assert_ne!(opened.epoch, stale_epoch);
    let stale = first.batch(&actor("order/1"), vec![change(2)]);
    refusal(second.commit(stale), Code::Fenced);
    second.write(&actor("order/1"), vec![change(2)]);
}

fn second_opening(factory: &Factory) {
    let place = factory();
    let mut first = place.open();
    let mut second = place.opening_with(|_| {});
    match second.opening() {
        Completion::Failed(error) => assert_eq!(error.code, Code::StoreInUse, "{error}"),
        other => panic!("opened twice: {other:?}"),
    }
    let refused = second.ask(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    assert!(matches!(&refused, Completion::Failed(error) if error.code == Code::StoreInUse), "{refused:?}");
    second.store.close();
    first.write(&actor("order/1"), vec![change(1)]);
    first.store.close();
    place.open();
}

fn wake(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    driver.signal.wait_beyond(0);
    if place.owners == Owners::Many {
        driver.epoch_of(&actor("order/1"));
        driver.signal.wait_beyond(1);
    }
    for seq in 1..=20 {
        let batch = driver.batch(&actor("order/1"), vec![change(seq)]);
        let before = driver.signal.calls();
        driver.submit_batch(batch);
        driver.signal.wait_beyond(before);
        let mut finished = Vec::new();
        driver.store.drain(&mut finished);
        assert_eq!(finished.len(), 1, "what woke is there to be drained");
        assert_eq!(driver.signal.calls(), before + 1);
    }
    let before = driver.signal.calls();
    for _ in 0..10 {
        driver.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    }
    driver.store.flush();
    driver.signal.wait_beyond(before);
    assert_eq!(driver.signal.calls(), before + 1, "nothing was drained meanwhile");
    assert_eq!(driver.finish().len(), 10);
}

fn closing(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    for seq in 1..=50 {
        let batch = driver.batch(&actor("order/1"), vec![change(seq)]);
        driver.submit_batch(batch);
    }
    driver.store.close();
    let finished = driver.finish();
    assert_eq!(finished.len(), 50);
    assert!(finished.iter().all(|(_, completion)| matches!(completion, Completion::Committed(Outcome::Yes))));
    let late = driver.batch(&actor("order/1"), vec![change(51)]);
    let error = refusal(driver.commit(late), Code::StoreUnavailable);
    assert!(!error.retryable);
    assert_eq!(place.open().open(&actor("order/1")).changes.len(), 50);
}

fn closed_twice(factory: &Factory) {
    let mut driver = factory().open();
    driver.store.close();
    driver.store.close();
    driver.store.flush();
    driver.store.abandon();
    driver.store.close();
    assert_eq!(driver.store.pending(), 0);
}

fn dropping(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    let batch = driver.batch(&actor("order/1"), vec![change(1)]);
    driver.submit_batch(batch);
    drop(driver);
    assert_eq!(place.open().open(&actor("order/1")).changes.len(), 1, "dropping closes");
}

fn abandoning(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    for seq in 1..=50 {
        let batch = driver.batch(&actor("order/1"), vec![change(seq)]);
        driver.submit_batch(batch);
    }
    driver.store.abandon();
    assert!(driver.finish().is_empty(), "the dead do not answer");
    let mut finished = place.open();
    finished.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    finished.store.flush();
    finished.store.abandon();
    assert!(finished.finish().is_empty(), "nor what they had finished");
    driver.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    assert!(driver.finish().is_empty());
    let survivors = place.open().open(&actor("order/1"));
    let expected: Vec<_> = (1..=survivors.changes.len() as u64).map(|seq| (seq, format!("change {seq}"))).collect();
    assert_eq!(bodies(&survivors), expected, "what is there is a prefix");
}

fn abandoned_later(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    for seq in 1..=5 {
        driver.write(&actor("order/1"), vec![change(seq)]);
    }
    driver.store.abandon();
    assert_eq!(place.open().open(&actor("order/1")).changes.len(), 5);
}

fn submitted_early(factory: &Factory) {
    let place = factory();
    let mut driver = place.opening_with(|_| {});
    let opened = driver.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    let finished = driver.finish();
    assert_eq!(finished.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [OPENING, opened]);
    assert!(matches!(finished[0].1, Completion::Ready(_)));
    assert!(matches!(finished[1].1, Completion::Opened(_)));
}
