//! What a step costs in the host, the core and the store in memory, to be counted:
//! `valgrind --tool=callgrind target/release/examples/steps 10000` (`benches/README.md`, *Instruction counts*).
//!
//! A workflow of so many trivial steps, told to the host as the adapter tells it: a step together with the end of its body. Prints
//! what was committed, so that a count of less work is not taken for a faster one.
#![allow(clippy::unwrap_used, reason = "a program of its own, which says what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::input::{Create, Input as ActorInput, Outcome, Start, StepTraits, Writes};
use pawl_core::output::Output as ActorOutput;
use pawl_core::retry::Policy;
use pawl_host::{Host, Input, Output, Turn};
use pawl_store::OpenOptions;

const HANDLE: u64 = 1;

fn main() {
    let steps: u64 = std::env::args().nth(1).map_or(10_000, |count| count.parse().unwrap());
    let store = pawl_store::open("memory:", OpenOptions::new(Arc::new(|| {}))).unwrap();
    let mut host = Host::new(store, "default", 1);
    let mut turn = Turn::default();
    let actor = |input| Input::Actor { handle: HANDLE, input };
    let create =
        Create { call: 1, workflow: true, input: None, state: None, state_version: 1, hosted: false, ordered: false };
    host.advance_into(0, [Input::Open { handle: HANDLE, name: "bench/1".into() }], &mut turn);
    host.advance_into(0, [actor(ActorInput::Create(create))], &mut turn);
    let start = Start::default();
    host.advance_into(0, [actor(ActorInput::Start(start))], &mut turn);
    let scope = turn.others.iter().find_map(workflow).unwrap();
    for op in 1..=steps {
        let at = 1_000 + op as i64;
        let policy = Policy::PATIENT;
        let step = ActorInput::Step {
            scope,
            op,
            name: format!("step {op}"),
            policy,
            traits: StepTraits::default(),
            begun: Some(at),
        };
        let output = Some(Bytes::from_static(&[0x18, 42]));
        let outcome = Outcome::Done { output, writes: Writes::default() };
        host.advance_into(at, [actor(step), actor(ActorInput::Settle { op, attempt: 1, outcome })], &mut turn);
        assert!(turn.others.iter().any(|output| resolves(output, op)), "step {op}: {:?}", turn.others);
    }
    println!("{:?}", host.store().stats());
}

fn workflow(output: &Output) -> Option<u64> {
    match output {
        Output::Actor { output: ActorOutput::RunWorkflow { scope, .. }, .. } => Some(*scope),
        _ => None,
    }
}

fn resolves(output: &Output, step: u64) -> bool {
    matches!(output, Output::Actor { output: ActorOutput::Resolve { op, .. }, .. } if *op == step)
}
