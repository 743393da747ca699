//! The store for crash tests: each fault does what it says, once.

use pawl_store::fault::{Fault, FaultStore, Gauge};
use pawl_store::{ActorId, Batch, Code, Completion, OPENING, OpenOptions, Outcome, Request, Scopes, Store};

use pawl_conformance::driver::{Driver, Factory, Place, actor, change, refusal};

const STORES: [&Factory; 2] = [&Place::memory, &Place::sqlite];

/// A store that fails at batch `at`, and a place at which it can be opened again, sound.
fn failing(place: &Place, at: u64, fault: Fault) -> (Driver, Gauge) {
    let gauge = std::sync::Arc::new(std::sync::Mutex::new(Gauge::default()));
    let kept = gauge.clone();
    let open = move |url: &str, options: OpenOptions| {
        let inner = pawl_store::open(url, options.clone())?;
        let (store, gauge) = FaultStore::new(inner, options.wake, at, fault);
        *kept.lock().unwrap() = gauge;
        Ok(Box::new(store) as Box<dyn Store>)
    };
    let driver = place.also_opened_with(Box::new(open)).open();
    let gauge = gauge.lock().unwrap().clone();
    (driver, gauge)
}

fn order() -> ActorId {
    actor("order/1")
}

fn submit(driver: &mut Driver, seq: u64) {
    let batch = driver.batch(&order(), vec![change(seq)]);
    driver.submit_batch(batch);
}

#[test]
fn a_lost_batch_is_written_or_not_and_nobody_hears_of_it() {
    for factory in STORES {
        for (fault, written) in [(Fault::LoseBefore, 4), (Fault::LoseAfter, 5)] {
            let place = factory();
            let (mut driver, gauge) = failing(&place, 5, fault);
            for seq in 1..=4 {
                driver.write(&order(), vec![change(seq)]);
            }
            assert!(!gauge.struck());
            submit(&mut driver, 5);
            assert!(gauge.struck());
            submit(&mut driver, 6);
            driver.submit(Request::Open { actor: order(), scopes: Scopes::Open });
            assert!(driver.finish().is_empty(), "the dead do not answer");
            assert_eq!(gauge.batches(), 5);
            assert_eq!(place.open().open(&order()).changes.len(), written);
        }
    }
}

#[test]
fn a_crash_loop_over_every_batch_of_a_program_keeps_what_was_acknowledged() {
    for factory in STORES {
        for fault in [Fault::LoseBefore, Fault::LoseAfter] {
            let mut at = 1;
            loop {
                let place = factory();
                let (mut driver, gauge) = failing(&place, at, fault);
                (1..=6).for_each(|seq| submit(&mut driver, seq));
                let acknowledged = driver.finish().len();
                driver.store.close();
                let stored = place.open().open(&order()).changes.len();
                if !gauge.struck() {
                    assert_eq!((stored, at), (6, 7), "the fault no longer strikes");
                    break;
                }
                assert!(acknowledged <= stored);
                assert_eq!(stored as u64, if fault == Fault::LoseBefore { at - 1 } else { at });
                at += 1;
            }
        }
    }
}

#[test]
fn an_unknown_outcome_is_followed_by_a_new_epoch() {
    for factory in STORES {
        for (fault, written) in [(Fault::UnknownNotWritten, 2), (Fault::UnknownWritten, 3)] {
            let (mut driver, gauge) = failing(&factory(), 3, fault);
            let before = driver.epoch();
            (1..=4).for_each(|seq| submit(&mut driver, seq));
            let finished = driver.finish();
            let outcomes: Vec<_> = finished
                .iter()
                .filter_map(|(_, completion)| match completion {
                    Completion::Committed(outcome) => Some(outcome.clone()),
                    _ => None,
                })
                .collect();
            assert!(gauge.struck());
            assert!(matches!(&outcomes[..2], [Outcome::Yes, Outcome::Yes]), "{outcomes:?}");
            assert!(matches!(&outcomes[2], Outcome::Unknown(error) if error.code == Code::OutcomeUnknown));
            refusal(outcomes[3].clone(), Code::Fenced);
            let told = finished.iter().find_map(|(ticket, completion)| match completion {
                Completion::Ready(info) if *ticket == OPENING => Some(info.epoch),
                _ => None,
            });
            assert_eq!(told, Some(before + 1), "the new epoch is told");

            let opened = driver.open(&order());
            assert_eq!((opened.epoch, opened.changes.len()), (before + 1, written));
            let next = |epoch| Batch { actor: order(), epoch, changes: vec![change(written as u64 + 1)] };
            refusal(driver.commit(next(before)), Code::Fenced);
            refusal(driver.commit(next(before + 2)), Code::Fenced);
            assert!(matches!(driver.commit(next(before + 1)), Outcome::Yes), "the fault strikes once");
        }
    }
}

#[test]
fn a_refused_batch_can_be_submitted_again() {
    for factory in STORES {
        let (mut driver, gauge) = failing(&factory(), 2, Fault::Refuse);
        driver.write(&order(), vec![change(1)]);
        let error = driver.refused(&order(), vec![change(2)], Code::StoreUnavailable);
        assert!(error.retryable && gauge.struck());
        driver.write(&order(), vec![change(2)]);
        assert_eq!(gauge.batches(), 3);
    }
}
