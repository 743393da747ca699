//! One owner per file: in this process, in another, through a link, and when the lock itself is taken away.

use crate::child;
use std::time::Duration;

use pawl_conformance::driver::{Place, actor, change, refusal};
use pawl_store::{Code, Completion, OPENING, Request, Scopes, StoreError};

fn refused(place: &Place, patience: Duration) -> StoreError {
    match place.opening_with(|options| options.lock_patience = patience).opening() {
        Completion::Failed(error) => error,
        other => panic!("opened: {other:?}"),
    }
}

#[test]
fn a_second_opening_in_this_process_is_told_so() {
    let place = Place::sqlite();
    let mut first = place.open();
    let error = refused(&place, Duration::ZERO);
    assert_eq!(error.code, Code::StoreInUse);
    assert!(error.message.contains("is open already in this process"), "{error}");
    assert!(error.data.contains(&("here", "true".to_owned())));
    first.write(&actor("order/1"), vec![change(1)]);
}

/// Holds the store until told to let go.
#[test]
fn child_that_holds() {
    let Some(path) = child::path() else { return };
    let mut driver = Place::at(&path).open();
    child::say("open");
    child::listen();
    driver.store.close();
    child::say("closed");
}

#[test]
fn an_opening_in_another_process_names_its_holder() {
    let place = Place::sqlite();
    let mut second = child::start("lock::child_that_holds", &place.path(), |_| {});
    second.expect("open");
    let error = refused(&place, Duration::ZERO);
    assert_eq!(error.code, Code::StoreInUse);
    assert!(error.retryable);
    let pid = second.process.id();
    assert!(error.message.contains(&format!("is open in another process (pid {pid}, `")), "{error}");
    assert!(error.message.contains("child_that_holds --exact"), "the command line: {error}");
    assert!(error.message.contains(" UTC)."), "since when: {error}");
    assert!(error.message.contains("npx pawl list --store sqlite:"), "what to do: {error}");
    assert!(error.data.contains(&("pid", pid.to_string())), "{error:?}");
    second.tell("close");
    second.expect("closed");
    place.open();
    second.finish();
}

#[test]
fn an_opening_waits_for_the_holder_for_as_long_as_it_may() {
    let place = Place::sqlite();
    let mut second = child::start("lock::child_that_holds", &place.path(), |_| {});
    second.expect("open");
    let mut patient = place.opening_with(|options| options.lock_patience = Duration::from_secs(60));
    let waiting = patient.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    // Others that try after it, and are told: so it has tried, too, and was not.
    for _ in 0..3 {
        assert_eq!(refused(&place, Duration::ZERO).code, Code::StoreInUse);
    }
    second.tell("close");
    second.expect("closed");
    let answered = patient.finish();
    assert!(matches!(&answered[..], [(OPENING, Completion::Ready(_)), (_, Completion::Opened(_))]), "{answered:?}");
    assert_eq!(answered[1].0, waiting);
    second.finish();
}

#[test]
fn a_killed_holder_holds_nothing() {
    let place = Place::sqlite();
    let mut second = child::start("lock::child_that_holds", &place.path(), |_| {});
    second.expect("open");
    second.process.kill().unwrap();
    second.process.wait().unwrap();
    assert!(place.beside("-lock").exists(), "it could not tidy up");
    place.open();
}

#[test]
fn closing_ends_the_wait_for_a_lock() {
    let place = Place::sqlite();
    let _first = place.open();
    let mut patient = place.opening_with(|options| options.lock_patience = Duration::from_secs(3600));
    let waiting = patient.submit(Request::Open { actor: actor("order/1"), scopes: Scopes::Open });
    patient.store.close();
    let finished = patient.finish();
    assert_eq!(finished.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [OPENING, waiting]);
    assert!(
        finished
            .iter()
            .all(|(_, completion)| matches!(completion, Completion::Failed(error) if error.code == Code::StoreInUse))
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_the_file_leads_to_the_same_lock() {
    let place = Place::sqlite();
    let mut first = place.open();
    let link = place.path().with_file_name("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert_eq!(refused(&Place::at(&link), Duration::ZERO).code, Code::StoreInUse);
    first.write(&actor("order/1"), vec![change(1)]);
    first.store.close();
    assert_eq!(Place::at(&link).open().open(&actor("order/1")).changes.len(), 1);
}

#[test]
fn a_holder_whose_lock_was_removed_is_fenced_by_its_successor() {
    let place = Place::sqlite();
    let mut first = place.open();
    first.write(&actor("order/1"), vec![change(1)]);
    std::fs::remove_file(place.beside("-lock")).unwrap();
    let mut second = place.open();
    second.write(&actor("order/1"), vec![change(2)]);
    let late = first.batch(&actor("order/1"), vec![change(2)]);
    let error = refusal(first.commit(late.clone()), Code::Fenced);
    assert!(error.message.contains("taken over by another process"), "{error}");
    refusal(first.commit(late), Code::Fenced);
    first.store.close();
    second.write(&actor("order/1"), vec![change(3)]);
}

#[test]
fn a_holder_whose_lock_was_removed_leaves_its_successors_alone() {
    let place = Place::sqlite();
    let mut first = place.open();
    std::fs::remove_file(place.beside("-lock")).unwrap();
    let mut second = place.open();
    first.store.close();
    assert_eq!(refused(&place, Duration::ZERO).code, Code::StoreInUse);
    second.write(&actor("order/1"), vec![change(1)]);
}

#[cfg(unix)]
#[test]
fn a_lock_ends_with_its_store_while_other_processes_are_being_started() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                assert!(std::process::Command::new("true").status().unwrap().success());
            }
            done.store(true, Ordering::SeqCst);
        });
        let place = Place::sqlite();
        while !done.load(Ordering::SeqCst) {
            place.open().store.close();
            place.open().store.abandon();
        }
    });
}
