//! One actor behind its door: what leaves when, and attempts beside each other.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use bytes::Bytes;
use harness::set;
use pawl_core::failure::{Failure, FailureKind};
use pawl_core::input::{CellWrites, Create, Input, Outcome, Start, StepTraits, Writes};
use pawl_core::output::{Attempt, Output, Refusal, Verdict};
use pawl_core::state::{Action, Delta, Op, Path, Read, ReadKind, Reads};
use pawl_core::{Actor, Loaded, STATE};

struct Driver {
    actor: Actor,
    now: i64,
    /// Changes that were handed out and are not durable yet.
    unsynced: Vec<u64>,
}

impl Driver {
    /// An actor with state `{}` that is durable.
    fn new(workflow: bool) -> Driver {
        let actor = Actor::open(Loaded::default(), 1, 1 << 32).unwrap();
        let mut driver = Driver { actor, now: 1_000, unsynced: vec![] };
        let state = Some(Bytes::from_static(b"\xb9\x00\x00"));
        driver.feed(Input::Create(Create {
            call: 1,
            workflow,
            input: None,
            state,
            state_version: 1,
            hosted: false,
            ordered: false,
        }));
        driver.sync();
        driver
    }

    /// What follows from an input, but for changes: those wait for `sync`.
    fn feed(&mut self, input: Input) -> Vec<Output> {
        self.actor.handle(self.now, input);
        let mut outputs = vec![];
        while let Some(output) = self.actor.poll() {
            match output {
                Output::Commit(change) => self.unsynced.push(change.seq),
                output => outputs.push(output),
            }
        }
        outputs
    }

    fn sync(&mut self) -> Vec<Output> {
        let seq = self.unsynced.drain(..).next_back().expect("something to sync");
        self.feed(Input::Durable { seq })
    }

    fn act(&mut self, call: u64, cells: Vec<CellWrites>) -> Vec<Output> {
        let writes = Writes { cells, ..Writes::default() };
        self.feed(Input::Acted { call, outcome: Outcome::Done { output: None, writes }, keep: None })
    }

    fn state(&self) -> Bytes {
        self.actor.read(STATE, None).unwrap().unwrap()
    }

    fn head(&self) -> u64 {
        self.actor.state().unwrap().1
    }
}

fn write(pin: u64, field: &str, value: u8, reads: &[&str]) -> CellWrites {
    let op = Op { path: Path::root().key(field), action: Action::Set(Bytes::copy_from_slice(&[value])) };
    let read = |field: &&str| Read { kind: ReadKind::Slot, path: Path::root().key(field) };
    let reads = Reads::new(reads.iter().map(read).collect());
    CellWrites { cell: STATE.into(), pin, delta: Some(Delta::new(vec![op]).unwrap()), reads: Some(reads) }
}

fn read_only(pin: u64) -> CellWrites {
    CellWrites { cell: STATE.into(), pin, delta: None, reads: None }
}

fn verdict(call: u64, verdict: Verdict) -> Output {
    Output::Verdict { attempt: Attempt::Action { call }, verdict }
}

fn conflict(outputs: &[Output]) -> Option<bool> {
    outputs.iter().find_map(|output| match output {
        Output::Verdict { verdict: Verdict::Conflict { alone, .. }, .. } => Some(*alone),
        _ => None,
    })
}

#[test]
fn p8_a_reply_leaves_when_its_change_is_durable_and_not_before() {
    let mut driver = Driver::new(false);
    let cell = set(&driver.actor, "x", 1);
    assert_eq!(driver.act(2, vec![cell]), [verdict(2, Verdict::Queued { seq: 2 })]);
    assert_eq!(driver.sync(), [Output::Reply { call: 2 }]);
}

#[test]
fn p8_what_an_action_read_must_be_durable_before_its_reply_leaves() {
    let mut driver = Driver::new(false);
    let cell = set(&driver.actor, "x", 1);
    driver.act(2, vec![cell]);
    // A reader pinned to the unsynced change waits for it; one pinned before it does not.
    assert_eq!(driver.act(3, vec![read_only(2)]), [verdict(3, Verdict::Clean)]);
    assert_eq!(driver.act(4, vec![read_only(1)]), [verdict(4, Verdict::Clean), Output::Looked { call: 4 }]);
    // So does one that threw: its error may tell what it read.
    let failure =
        Failure { kind: FailureKind::Error, name: "E".into(), message: "m".into(), stack: None, fields: None };
    let threw = Outcome::Threw { failure, pin: Some(2), retry_at: None };
    assert_eq!(driver.feed(Input::Acted { call: 5, outcome: threw, keep: None }), []);
    assert_eq!(driver.sync(), [Output::Reply { call: 2 }, Output::Looked { call: 3 }, Output::Looked { call: 5 }]);
}

#[test]
fn p8_a_step_is_told_its_result_when_it_is_durable() {
    let mut driver = Driver::new(true);
    let started = driver.feed(Input::Start(Start::default()));
    let [Output::RunWorkflow { scope, .. }] = started[..] else { panic!("{started:?}") };
    let step = Input::Step {
        scope,
        op: 1,
        name: "a".into(),
        policy: harness::POLICY,
        traits: Default::default(),
        begun: None,
    };
    assert_eq!(driver.feed(step), [Output::Execute { op: 1, attempt: 1 }]);
    let outcome = Outcome::Done { output: None, writes: Writes::default() };
    let settled = driver.feed(Input::Settle { op: 1, attempt: 1, outcome });
    assert!(!settled.iter().any(|output| matches!(output, Output::Resolve { .. })), "{settled:?}");
    assert!(matches!(driver.sync()[..], [Output::Resolve { op: 1, .. }]));
}

#[test]
fn a_step_that_is_told_as_a_whole_is_recorded_as_one_told_when_it_began_and_when_it_ended() {
    let output = Some(Bytes::from_static(b"\x01"));
    let recorded = |whole: bool| {
        let mut driver = Driver::new(true);
        let started = driver.feed(Input::Start(Start::default()));
        let [Output::RunWorkflow { scope, .. }] = started[..] else { panic!("{started:?}") };
        let mut bodies = vec![];
        for op in 1..4 {
            let (name, begun) = (format!("step {op}"), 2_000 + 10 * op as i64);
            driver.now = begun + 5;
            let inputs = if whole {
                vec![Input::Stepped { scope, op, name, begun, ended: begun + 5, output: output.clone() }]
            } else {
                let (policy, traits) = (harness::POLICY, StepTraits::default());
                let outcome = Outcome::Done { output: output.clone(), writes: Writes::default() };
                let step = Input::Step { scope, op, name, policy, traits, begun: Some(begun) };
                vec![step, Input::Settle { op, attempt: 1, outcome }]
            };
            for input in inputs {
                driver.actor.handle(driver.now, input);
                while let Some(output) = driver.actor.poll() {
                    match output {
                        Output::Commit(change) => {
                            driver.unsynced.push(change.seq);
                            bodies.push((change.seq, change.status, change.alarm, change.body));
                        }
                        output => assert!(!whole, "nothing answers it: {output:?}"),
                    }
                }
            }
            driver.sync();
        }
        bodies
    };
    assert_eq!(recorded(true), recorded(false));
}

#[test]
fn p3_a_failure_is_reported_when_its_record_is_durable() {
    let mut driver = Driver::new(true);
    let started = driver.feed(Input::Start(Start { reports: true, ..Start::default() }));
    let [Output::RunWorkflow { scope, .. }] = started[..] else { panic!("{started:?}") };
    driver.feed(Input::Step {
        scope,
        op: 1,
        name: "a".into(),
        policy: harness::POLICY,
        traits: Default::default(),
        begun: None,
    });
    let failure =
        Failure { kind: FailureKind::Critical, name: "E".into(), message: "m".into(), stack: None, fields: None };
    assert_eq!(
        driver.feed(Input::Settle {
            op: 1,
            attempt: 1,
            outcome: Outcome::Threw { failure, pin: None, retry_at: None }
        }),
        []
    );
    assert!(matches!(driver.sync()[..], [Output::Report { report: 1, .. }]));
    let done = Outcome::Done { output: None, writes: Writes::default() };
    let told = driver.feed(Input::Reported { report: 1, outcome: done });
    let [Output::Verdict { .. }, Output::Reported { report: 1 }, Output::Reject { op: 1, .. }] = told[..] else {
        panic!("{told:?}")
    };
}

#[test]
fn p4_attempts_that_touch_other_places_pass_and_both_writes_are_there() {
    let mut driver = Driver::new(false);
    let pin = driver.head();
    driver.act(2, vec![write(pin, "x", 1, &["x"])]);
    assert!(conflict(&driver.act(3, vec![write(pin, "x", 2, &["x"])])).is_some());
    let mut driver = Driver::new(false);
    let (a, b) = (set(&driver.actor, "x", 1), set(&driver.actor, "x", 2));
    driver.act(2, vec![a]);
    driver.act(3, vec![b]);
    let pin = driver.head();
    assert_eq!(conflict(&driver.act(4, vec![write(pin, "x", 3, &["x"])])), None);
}

#[test]
fn p4_an_attempt_that_read_what_another_changed_runs_again_and_at_last_alone() {
    let mut driver = Driver::new(false);
    let mut other = 10;
    let old = driver.head();
    driver.feed(Input::Pins { oldest: Some(old) });
    let cell = set(&driver.actor, "x", 0);
    driver.act(other, vec![cell]);
    for expected in [false, false, true] {
        other += 1;
        let pin = driver.head();
        driver.feed(Input::Pins { oldest: Some(old) });
        let cell = write(pin, "x", other as u8, &["x"]);
        driver.act(other, vec![cell]);
        assert_eq!(conflict(&driver.act(2, vec![write(old, "x", 9, &["x"])])), Some(expected));
    }
    // It runs alone now: the commits of others wait for it, their bodies do not.
    let pin = driver.head();
    let before = driver.state();
    assert_eq!(driver.act(50, vec![write(pin, "y", 1, &["x"])]), []);
    assert_eq!(driver.act(51, vec![read_only(pin)])[0], verdict(51, Verdict::Clean));
    assert_eq!(driver.state(), before);
    let outputs = driver.act(2, vec![write(pin, "x", 9, &["x"])]);
    let queued = |output: &&Output| {
        matches!(output, Output::Verdict { verdict: Verdict::Queued { .. }, attempt: Attempt::Action { call: 2 } })
    };
    assert_eq!(outputs.iter().filter(queued).count(), 1, "{outputs:?}");
    assert_eq!(conflict(&outputs), Some(false), "the held one is judged after it, and has read what it changed");
}

#[test]
fn an_action_that_is_held_for_ten_seconds_gives_up() {
    let mut driver = Driver::new(false);
    let old = driver.head();
    let cell = set(&driver.actor, "x", 0);
    driver.act(10, vec![cell]);
    for _ in 0..3 {
        driver.act(2, vec![write(old, "x", 1, &["x"])]);
    }
    let pin = driver.head();
    assert_eq!(driver.act(3, vec![write(pin, "x", 2, &["x"])]), []);
    assert_eq!(driver.actor.deadline(), Some(11_000));
    driver.now = 10_999;
    assert_eq!(driver.feed(Input::Tick), []);
    driver.now = 11_000;
    assert_eq!(
        driver.feed(Input::Tick),
        [verdict(3, Verdict::Stale), Output::Refuse { call: 3, reason: Refusal::Busy }]
    );
}

#[test]
fn a_full_inbox_refuses_and_keeps_what_it_has() {
    let mut driver = Driver::new(true);
    let send =
        |call| Input::Send { call, name: "m".into(), body: Bytes::from_static(&[0xf6]), delay_ms: 0, keep: None };
    for call in 0..10_000 {
        assert_eq!(driver.feed(send(call)), []);
    }
    assert_eq!(driver.feed(send(10_000)), [Output::Refuse { call: 10_000, reason: Refusal::InboxFull }]);
    assert_eq!(driver.sync().len(), 10_000);
}

#[test]
fn a_second_creation_is_refused_and_changes_nothing() {
    let mut driver = Driver::new(false);
    let create =
        Create { call: 7, workflow: true, input: None, state: None, state_version: 9, hosted: false, ordered: false };
    assert_eq!(driver.feed(Input::Create(create)), [Output::Refuse { call: 7, reason: Refusal::Exists }]);
    assert!(driver.unsynced.is_empty() && !driver.actor.has_run());
}
