//! Pawl's own host on a driver: what it is told, and which calls the driver sees.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod model;

use std::sync::Arc;

use bytes::Bytes;
use model::{Adapter, Driver};
use pawl_core::input::{Create, Ended, Input as ActorInput, Outcome, ScopeId, Start, Until, Writes};
use pawl_core::output::{Output as ActorOutput, RunOutcome};
use pawl_core::retry::Policy;
use pawl_embed::Limits;
use pawl_host::{Host, Input, Output};

const HANDLE: u64 = 1;

/// A host with its adapter, in one process.
struct Life {
    host: Host,
    adapter: Adapter,
    now: i64,
}

impl Life {
    fn open(driver: Driver) -> Life {
        let (store, desk) = pawl_embed::open([7; 16], Arc::new(|| {}));
        let mut life = Life {
            host: Host::new(Box::new(store), "default", 1),
            adapter: Adapter::new(desk, driver, Limits::SPLIT),
            now: 1_000,
        };
        life.all(vec![Input::Open { handle: HANDLE, name: "workflow/1".into() }]);
        life
    }

    /// Takes inputs in, and does what follows from them.
    fn all(&mut self, inputs: Vec<Input>) -> Vec<Output> {
        let mut turn = self.host.advance(self.now, inputs);
        let mut outputs = std::mem::take(&mut turn.others);
        loop {
            let worked = self.adapter.work_once().is_some();
            let due = turn.next.is_some_and(|next| next <= self.now);
            if !worked && !due {
                return outputs;
            }
            turn = self.host.advance(self.now, vec![]);
            outputs.append(&mut turn.others);
        }
    }

    fn actor(&mut self, input: ActorInput) -> Vec<Output> {
        self.all(vec![Input::Actor { handle: HANDLE, input }])
    }

    fn create(&mut self) -> Vec<Output> {
        self.actor(ActorInput::Create(Create {
            call: 1,
            workflow: true,
            input: None,
            state: None,
            state_version: 0,
            hosted: false,
            ordered: false,
        }))
    }

    fn start(&mut self) -> ScopeId {
        let started = self.actor(ActorInput::Start(Start::default()));
        let scope = started.iter().find_map(|output| match output {
            Output::Actor { output: ActorOutput::RunWorkflow { scope, .. }, .. } => Some(*scope),
            _ => None,
        });
        scope.unwrap()
    }

    fn step(&mut self, scope: ScopeId, op: u64, name: &str) {
        let policy = Policy {
            max_retries: 3,
            backoff_base_ms: 100,
            backoff_max_ms: 30_000,
            timeout_ms: Some(30_000),
            retry_on_timeout: false,
        };
        self.actor(ActorInput::Step { scope, op, name: name.into(), policy, traits: Default::default(), begun: None });
        let outcome = Outcome::Done { output: Some(Bytes::from_static(&[1])), writes: Writes::default() };
        self.actor(ActorInput::Settle { op, attempt: 1, outcome });
    }

    fn end(&mut self, scope: ScopeId) -> Vec<Output> {
        self.actor(ActorInput::Ended { scope, outcome: Ended::Returned(Some(Bytes::from_static(&[5]))) })
    }

    /// The calls since the last look, by name.
    fn calls(&mut self) -> Vec<String> {
        let log = std::mem::take(&mut self.adapter.log);
        log.iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_run_of_one_durable_step_is_two_batches() {
    let mut life = Life::open(Driver::default());
    life.create();
    let scope = life.start();
    life.step(scope, 1, "charge");
    let ended = life.end(scope);
    let is_end = |output: &Output| matches!(output, Output::Actor { output: ActorOutput::RunEnded(_), .. });
    assert!(ended.iter().any(is_end), "{ended:?}");
    assert_eq!(life.calls(), ["set", "batch", "batch", "clearAlarm"]);
}

#[test]
fn a_run_that_sleeps_is_found_asleep_and_goes_on_in_another_process() {
    let mut life = Life::open(Driver::default());
    life.create();
    let scope = life.start();
    life.actor(ActorInput::Sleep { scope, op: 1, name: "nap".into(), until: Until::After(60_000) });
    assert_eq!(life.calls(), ["set", "setAlarm", "batch"]);
    assert_eq!(life.adapter.driver.alarm, Some(61_000));
    assert_eq!(life.adapter.driver.rows[&pawl_core::key::STATE], "sleeping");
    let mut life = Life { now: 61_000, ..Life::open(life.adapter.driver.clone()) };
    let scope = life.start();
    life.actor(ActorInput::Sleep { scope, op: 1, name: "nap".into(), until: Until::After(60_000) });
    life.end(scope);
    assert_eq!(life.adapter.driver.rows[&pawl_core::key::STATE], "completed");
    let life = Life::open(life.adapter.driver.clone());
    let outcome = life.host.actor(HANDLE).unwrap().outcome().cloned();
    assert_eq!(outcome, Some(RunOutcome::Completed(Some(Bytes::from_static(&[5])))));
}

#[test]
fn a_call_whose_commit_had_no_known_outcome_is_answered_after_it_was_read_back() {
    let mut life = Life::open(Driver::default());
    life.create();
    let scope = life.start();
    life.step(scope, 1, "charge");
    life.adapter.unknown = true;
    let send =
        ActorInput::Send { call: 7, name: "m".into(), body: Bytes::from_static(&[0xf6]), delay_ms: 0, keep: None };
    life.host.advance(life.now, vec![Input::Actor { handle: HANDLE, input: send }]);
    life.adapter.work_once();
    life.adapter.unknown = false;
    let outputs = life.all(vec![]);
    let replied = |output: &Output| matches!(output, Output::Actor { output: ActorOutput::Sent { call: 7, .. }, .. });
    assert!(outputs.iter().any(replied), "{outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Reopened { .. })), "{outputs:?}");
}
