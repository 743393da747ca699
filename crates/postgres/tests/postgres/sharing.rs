//! Several openings of one store: who owns what, and what becomes of it.

use std::time::{Duration, Instant};

use pawl_conformance::driver::{Driver, Place, actor, bodies, change, refusal};
use pawl_store::{Code, Completion, Due, OPENING, OpenOptions, Request, Scopes, StoreError, WOKEN};

use crate::contract::place;
use crate::server;

fn ask_open(driver: &mut Driver, name: &str) -> Result<u64, StoreError> {
    match driver.ask(Request::Open { actor: actor(name), scopes: Scopes::Open }) {
        Completion::Opened(opened) => Ok(opened.epoch),
        Completion::Failed(error) => Err(error),
        other => panic!("not an opening: {other:?}"),
    }
}

/// What the opening of a store says.
fn opening(url: &str) -> Result<(), StoreError> {
    let mut store = pawl_postgres::open(url, OpenOptions::new(std::sync::Arc::new(|| {})))?;
    store.flush();
    let mut said = Vec::new();
    store.drain(&mut said);
    match said.remove(0) {
        (OPENING, Completion::Ready(_)) => Ok(()),
        (OPENING, Completion::Failed(error)) => Err(error),
        other => panic!("not an opening: {other:?}"),
    }
}

/// Waits until `driver` is told of actors with work.
fn woken(driver: &mut Driver) -> Vec<Due> {
    let started = Instant::now();
    loop {
        let before = driver.signal.calls();
        let mut said = Vec::new();
        driver.store.drain(&mut said);
        let due = said.into_iter().find_map(|(ticket, completion)| match completion {
            Completion::Woken(due) if ticket == WOKEN => Some(due),
            _ => None,
        });
        if let Some(due) = due {
            return due;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "nobody was woken");
        driver.signal.wait_beyond(before);
    }
}

#[test]
fn an_actor_that_a_living_process_owns_is_refused_and_named_until_it_is_given_up() {
    let place = place();
    let (mut one, mut two) = (place.open(), place.open());
    one.write(&actor("order/1"), vec![change(1)]);
    let error = ask_open(&mut two, "order/1").unwrap_err();
    assert_eq!((error.code, error.retryable), (Code::Owned, true));
    let owner = &error.data.iter().find(|(name, _)| *name == "owner").unwrap().1;
    assert!(owner.contains(&format!("process {}", std::process::id())), "{owner}");
    two.write(&actor("order/2"), vec![change(1)]);
    one.store.release(&actor("order/1"));
    one.store.flush();
    assert_eq!(bodies(&two.open(&actor("order/1"))), [(1, "change 1".to_owned())]);
}

#[test]
fn what_a_process_that_lost_its_actor_still_writes_is_refused_and_sinks_nobody_else() {
    let place = place();
    let (mut one, mut two) = (place.open(), place.open());
    one.write(&actor("order/1"), vec![change(1)]);
    one.write(&actor("order/2"), vec![change(1)]);
    one.store.release(&actor("order/1"));
    one.store.flush();
    two.open(&actor("order/1"));
    let (stale, sound) = (one.batch(&actor("order/1"), vec![change(2)]), one.batch(&actor("order/2"), vec![change(2)]));
    let (stale, sound) = (one.submit_batch(stale), one.submit_batch(sound));
    let answers: std::collections::HashMap<_, _> = one.finish().into_iter().collect();
    let Completion::Committed(outcome) = answers[&stale].clone() else { panic!("not a commit") };
    refusal(outcome, Code::Fenced);
    assert!(matches!(&answers[&sound], Completion::Committed(pawl_store::Outcome::Yes)));
    two.write(&actor("order/1"), vec![change(2)]);
    assert_eq!(bodies(&two.open(&actor("order/1"))).len(), 2);
}

#[test]
fn the_actors_of_a_dead_process_that_have_work_are_told_to_the_living() {
    let place = place();
    let mut one = place.open();
    one.write(&actor("order/1"), vec![pawl_store::Change { alarm: Some(0), ..change(1) }]);
    one.write(&actor("order/2"), vec![change(1)]);
    let mut two = place.open();
    one.store.abandon();
    let due = woken(&mut two);
    assert_eq!(due.iter().map(|due| &*due.actor.name).collect::<Vec<_>>(), ["order/1"]);
    two.write(&actor("order/1"), vec![change(2)]);
}

#[test]
fn a_store_goes_on_after_its_server_was_killed_and_started_again() {
    let server = server::Server::start();
    let url = server.url("restart");
    let place = Place::shared(url, Box::new(pawl_postgres::open));
    let mut driver = place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    server.kill();
    server.resume();
    // Whether the first one after that fails is not said; what is there afterwards is what was answered.
    let batch = driver.batch(&actor("order/1"), vec![change(2)]);
    let written = matches!(driver.commit(batch), pawl_store::Outcome::Yes);
    let opened = driver.open(&actor("order/1"));
    assert!(opened.changes.len() == 2 || !written);
    let next = opened.changes.len() as u64 + 1;
    driver.write(&actor("order/1"), vec![change(next)]);
    driver.store.close();
    server.kill();
}

#[test]
fn a_database_that_cannot_be_had_says_why_and_never_the_password() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = opening(&format!("postgres://ann:s3cret@127.0.0.1:{nobody}/d?sslmode=disable")).unwrap_err();
    assert_eq!((unreachable.code, unreachable.retryable), (Code::StoreUnavailable, true));
    let known = server::url("bad");
    let missing = opening(&known.replace("/postgres?", "/nowhere?").replace("pawl@", "pawl:s3cret@")).unwrap_err();
    assert_eq!((missing.code, missing.retryable), (Code::StoreUnavailable, false));
    let stranger = opening(&known.replace("pawl@", "stranger:s3cret@")).unwrap_err();
    assert_eq!((stranger.code, stranger.retryable), (Code::StoreUnavailable, false));
    for error in [unreachable, missing, stranger] {
        assert!(error.message.contains("found") && !error.message.contains("s3cret"), "{error}");
    }
}

#[test]
fn tables_of_a_newer_version_and_of_another_program_are_left_alone() {
    let url = server::url("newer");
    opening(&url).unwrap();
    server::sql("UPDATE newer.meta SET value = '99' WHERE key = 'format'");
    assert_eq!(opening(&url).unwrap_err().code, Code::StoreVersion);
    server::sql("CREATE SCHEMA other; CREATE TABLE other.meta (key TEXT, value TEXT)");
    assert_eq!(opening(&server::url("other")).unwrap_err().code, Code::StoreForeign);
}
