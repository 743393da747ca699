//! What a step costs in the host, the core and the store in memory, to be counted:
//! `valgrind --tool=callgrind target/release/examples/steps 10000 each` (`benches/README.md`, *Instruction counts*).
//!
//! A workflow of so many trivial steps, told to the host as the adapter tells it: `each`, a step together with the end of its body;
//! `whole`, over and many at a time; `loop`, likewise, one in each round of a loop. Prints what was committed, so that a count of
//! less work is not taken for a faster one.
#![allow(clippy::unwrap_used, reason = "a program of its own, which says what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::input::{Create, Input as ActorInput, Iterated, Outcome, Start, StepTraits, Writes};
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
    let create =
        Create { call: 1, workflow: true, input: None, state: None, state_version: 1, hosted: false, ordered: false };
    host.advance_into(0, [Input::Open { handle: HANDLE, name: "bench/1".into() }], &mut turn);
    host.advance_into(0, [actor(ActorInput::Create(create))], &mut turn);
    let start = Start::default();
    host.advance_into(0, [actor(ActorInput::Start(start))], &mut turn);
    let scope = turn.others.iter().find_map(workflow).unwrap();
    match std::env::args().nth(2).as_deref() {
        None | Some("each") => each(&mut host, &mut turn, scope, steps),
        Some("whole") => whole(&mut host, &mut turn, scope, steps),
        Some("loop") => in_loop(&mut host, &mut turn, scope, steps),
        Some(other) => panic!("found {other}, expected each, whole or loop"),
    }
    println!("{:?}", host.store().stats());
}

/// How many are told at once.
const AT_ONCE: u64 = 128;

fn actor(input: ActorInput) -> Input {
    Input::Actor { handle: HANDLE, input }
}

fn each(host: &mut Host, turn: &mut Turn, scope: u64, steps: u64) {
    for op in 1..=steps {
        let at = 1_000 + op as i64;
        let (name, policy, traits) = (format!("step {op}"), Policy::PATIENT, StepTraits::default());
        let step = ActorInput::Step { scope, op, name, policy, traits, begun: Some(at) };
        let outcome = Outcome::Done { output: Some(value()), writes: Writes::default() };
        host.advance_into(at, [actor(step), actor(ActorInput::Settle { op, attempt: 1, outcome })], turn);
        assert!(turn.others.iter().any(|output| resolves(output, op)), "step {op}: {:?}", turn.others);
    }
}

fn whole(host: &mut Host, turn: &mut Turn, scope: u64, steps: u64) {
    let told = |op| actor(stepped(scope, op, format!("step {op}")));
    for first in (1..=steps).step_by(AT_ONCE as usize) {
        host.advance_into(2_000, (first..first + AT_ONCE).map(told), turn);
        assert!(turn.others.is_empty(), "{:?}", turn.others);
    }
}

fn in_loop(host: &mut Host, turn: &mut Turn, scope: u64, steps: u64) {
    let name = "loop".to_owned();
    host.advance_into(0, [actor(ActorInput::Loop { scope, op: 1, name, state: None, keep: 10, every: 10 })], turn);
    let mut op = 1;
    while op <= steps {
        let (mut scope, ahead) = turn.others.iter().find_map(round).unwrap();
        let mut inputs = Vec::new();
        for i in 0..=ahead {
            op += 1;
            inputs.push(actor(stepped(scope, op, "step".to_owned())));
            let state = Some(value());
            let outcome = if i < ahead { Iterated::Ahead(state) } else { Iterated::Continue(state) };
            inputs.push(actor(ActorInput::Iterated { scope, outcome }));
            scope += 1;
        }
        host.advance_into(2_000, inputs, turn);
    }
}

fn stepped(scope: u64, op: u64, name: String) -> ActorInput {
    ActorInput::Stepped { scope, op, name, begun: 1_500, ended: 1_500, output: Some(value()) }
}

fn value() -> Bytes {
    Bytes::copy_from_slice(&[0x18, 42])
}

fn round(output: &Output) -> Option<(u64, u32)> {
    match output {
        Output::Actor { output: ActorOutput::Iterate { scope, ahead, .. }, .. } => Some((*scope, *ahead)),
        _ => None,
    }
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
