//! The host against a store that fails once: what was acknowledged is there, and nobody is told what nobody knows.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::input::{Create, Input as ActorInput};
use pawl_core::output::{Output as ActorOutput, Refusal};
use pawl_host::{Host, Input, Output, Turn};
use pawl_store::fault::{Fault, FaultStore};
use pawl_store::{OpenOptions, Store};

const HANDLE: u64 = 1;

struct Driver {
    host: Host,
    now: i64,
}

impl Driver {
    fn open(url: &str, fault: Option<(u64, Fault)>) -> Driver {
        let options = OpenOptions::new(Arc::new(|| {}));
        let wake = options.wake.clone();
        let store = pawl_store::open(url, options).expect("a URL");
        let store: Box<dyn Store> = match fault {
            Some((at, fault)) => Box::new(FaultStore::new(store, wake, at, fault).0),
            None => store,
        };
        Driver { host: Host::new(store, "default", 1), now: 1_000 }
    }

    fn advance(&mut self, inputs: Vec<Input>) -> Turn {
        self.host.advance(self.now, inputs)
    }

    /// Takes an input in, then lets time pass until the host has nothing more to do.
    fn all(&mut self, inputs: Vec<Input>) -> Vec<Output> {
        let mut turn = self.advance(inputs);
        let mut outputs = std::mem::take(&mut turn.others);
        while let Some(next) = turn.next.filter(|next| *next < self.now + 60_000) {
            self.now = self.now.max(next);
            turn = self.advance(vec![]);
            outputs.append(&mut turn.others);
        }
        outputs
    }

    fn create(&mut self) -> Vec<Output> {
        self.all(vec![Input::Open { handle: HANDLE, name: "order/1".into() }]);
        let create = Create {
            call: 1,
            workflow: false,
            input: None,
            state: None,
            state_version: 1,
            hosted: false,
            ordered: false,
        };
        self.all(vec![Input::Actor { handle: HANDLE, input: ActorInput::Create(create) }])
    }

    fn send(&mut self, call: u64) -> Vec<Output> {
        let input =
            ActorInput::Send { call, name: "m".into(), body: Bytes::from_static(&[0xf6]), delay_ms: 0, keep: None };
        self.all(vec![Input::Actor { handle: HANDLE, input }])
    }
}

/// The outputs in a word each.
fn words(outputs: &[Output]) -> Vec<String> {
    let word = |output: &Output| match output {
        Output::Actor { output: ActorOutput::Reply { call }, .. } => format!("reply {call}"),
        Output::Actor { output: ActorOutput::Sent { call, .. }, .. } => format!("sent {call}"),
        Output::Actor { output: ActorOutput::Refuse { call, reason: Refusal::Lost }, .. } => format!("lost {call}"),
        Output::Actor { output, .. } => format!("{output:?}"),
        Output::Lost { .. } => "lost".into(),
        Output::Reopened { facts, .. } => format!("reopened, exists: {}", facts.exists),
        Output::Opened { facts, .. } => format!("opened, exists: {}", facts.exists),
        Output::Ready(info) => format!("ready {}", info.epoch),
        output => format!("{output:?}"),
    };
    outputs.iter().map(word).filter(|word| !word.starts_with("ready")).collect()
}

#[test]
fn a_batch_of_unknown_outcome_that_was_written_is_answered_after_it_was_read_back() {
    let mut driver = Driver::open("memory:", Some((2, Fault::UnknownWritten)));
    assert_eq!(words(&driver.create()), ["reply 1"]);
    assert_eq!(words(&driver.send(2)), ["lost", "sent 2", "reopened, exists: true"]);
    assert_eq!(words(&driver.send(3)), ["sent 3"]);
}

#[test]
fn a_batch_of_unknown_outcome_that_was_not_written_is_not_answered() {
    let mut driver = Driver::open("memory:", Some((2, Fault::UnknownNotWritten)));
    driver.create();
    assert_eq!(words(&driver.send(2)), ["lost", "reopened, exists: true"]);
    assert_eq!(words(&driver.send(3)), ["sent 3"]);
}

#[test]
fn a_refused_batch_leaves_the_actor_as_it_was() {
    let mut driver = Driver::open("memory:", Some((1, Fault::Refuse)));
    assert_eq!(words(&driver.create()), ["lost", "reopened, exists: false"]);
    let create =
        Create { call: 2, workflow: false, input: None, state: None, state_version: 1, hosted: false, ordered: false };
    let again = driver.all(vec![Input::Actor { handle: HANDLE, input: ActorInput::Create(create) }]);
    assert_eq!(words(&again), ["reply 2"]);
}

#[test]
fn batches_behind_a_lost_one_are_lost_with_it_and_none_is_told_it_happened() {
    let mut driver = Driver::open("memory:", Some((2, Fault::UnknownNotWritten)));
    driver.create();
    let send = |call| Input::Actor {
        handle: HANDLE,
        input: ActorInput::Send { call, name: "m".into(), body: Bytes::from_static(&[0xf6]), delay_ms: 0, keep: None },
    };
    // All in one call: one batch; and one more that comes while the actor is being read back.
    let mut turn = driver.advance(vec![send(2), send(3)]);
    turn.others.append(&mut driver.advance(vec![send(4)]).others);
    turn.others.append(&mut driver.all(vec![]));
    let words = words(&turn.others);
    assert!(words.iter().all(|word| !word.starts_with("reply")), "{words:?}");
    assert!(words.contains(&"reopened, exists: true".to_owned()), "{words:?}");
}

#[test]
fn actors_with_work_are_named_at_a_start_and_those_that_sleep_when_their_time_comes() {
    let mut driver = Driver::open("memory:host-resume", None);
    driver.all(vec![]);
    for (handle, name) in [(1, "a/1"), (2, "b/2")] {
        driver.all(vec![Input::Open { handle, name: name.into() }]);
        let create = Create {
            call: 1,
            workflow: true,
            input: None,
            state: None,
            state_version: 1,
            hosted: false,
            ordered: false,
        };
        driver.all(vec![Input::Actor { handle, input: ActorInput::Create(create) }]);
    }
    // b/2 sleeps.
    use pawl_core::input::{Start, Until};
    let start = ActorInput::Start(Start::default());
    let started = driver.all(vec![Input::Actor { handle: 2, input: start }]);
    let scope = started.iter().find_map(|output| match output {
        Output::Actor { output: ActorOutput::RunWorkflow { scope, .. }, .. } => Some(*scope),
        _ => None,
    });
    let sleep = ActorInput::Sleep { scope: scope.unwrap(), op: 1, name: "nap".into(), until: Until::After(3_600_000) };
    driver.advance(vec![Input::Actor { handle: 2, input: sleep }]);
    driver.host.store().close();
    drop(driver);

    let mut driver = Driver::open("memory:host-resume", None);
    let named = |turn: &Turn| -> Vec<String> {
        let name = |output: &Output| match output {
            Output::Wake { name } => Some(name.clone()),
            _ => None,
        };
        turn.others.iter().filter_map(name).collect()
    };
    let turn = driver.advance(vec![Input::Resume]);
    assert_eq!(named(&turn), ["a/1"]);
    driver.now = turn.next.expect("a time to wake b/2") - 1;
    assert!(named(&driver.advance(vec![])).is_empty());
    driver.now += 1;
    assert_eq!(named(&driver.advance(vec![])), ["b/2"]);
}
