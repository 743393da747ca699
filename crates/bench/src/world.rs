//! One actor on a host in memory, and who speaks to it.

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::input::{Create, Input as ActorInput, Outcome, Start, StepTraits, Writes};
use pawl_core::output::Output as ActorOutput;
use pawl_core::retry::Policy;
use pawl_host::{Host, Input, Output, Turn};
use pawl_store::{OpenOptions, Stats};

const HANDLE: u64 = 1;
/// What is said before anything is counted.
const BEGINNING: i64 = 1_000;

pub struct World {
    host: Host,
    turn: Turn,
    /// The scope of the workflow's function.
    pub(crate) scope: u64,
    /// The number of the last operation.
    pub(crate) op: u64,
}

impl World {
    /// A run whose code has just been called.
    pub(crate) fn running() -> World {
        World::with_state(None)
    }

    /// The same, of an actor with this state.
    pub(crate) fn with_state(state: Option<Bytes>) -> World {
        let store = pawl_store::open("memory:", OpenOptions::new(Arc::new(|| {}))).unwrap();
        let host = Host::new(store, "default", 1);
        let mut world = World { host, turn: Turn::default(), scope: 0, op: 0 };
        world.host.advance_into(BEGINNING, [Input::Open { handle: HANDLE, name: "bench/1".into() }], &mut world.turn);
        let create =
            Create { call: 1, workflow: true, input: None, state, state_version: 1, hosted: false, ordered: false };
        world.tell([ActorInput::Create(create)]);
        world.start();
        world
    }

    /// Calls the workflow's code from the top.
    pub(crate) fn start(&mut self) {
        self.tell([ActorInput::Start(Start::default())]);
        self.scope = self
            .find(|output| match output {
                ActorOutput::RunWorkflow { scope, .. } => Some(*scope),
                _ => None,
            })
            .unwrap();
    }

    /// One turn of the adapter.
    pub(crate) fn tell(&mut self, inputs: impl IntoIterator<Item = ActorInput>) {
        let inputs = inputs.into_iter().map(|input| Input::Actor { handle: HANDLE, input });
        self.host.advance_into(BEGINNING, inputs, &mut self.turn);
    }

    /// The adapter's event loop has come round.
    pub(crate) fn pulse(&mut self) {
        self.host.advance_into(BEGINNING, [Input::Pulse], &mut self.turn);
    }

    /// The first of what the last turn said of the actor.
    pub(crate) fn find<R>(&self, of: impl Fn(&ActorOutput) -> Option<R>) -> Option<R> {
        self.turn.others.iter().find_map(|output| match output {
            Output::Actor { output, .. } => of(output),
            _ => None,
        })
    }

    pub(crate) fn has_resolved(&self, op: u64) -> bool {
        self.find(|output| match output {
            ActorOutput::Resolve { op: of, .. } => (*of == op).then_some(()),
            _ => None,
        })
        .is_some()
    }

    /// Ends the process if the last turn has not resolved this operation.
    pub(crate) fn expect_resolved(&self, op: u64) {
        assert!(self.has_resolved(op), "operation {op} was not resolved: {:?}", self.turn.others);
    }

    /// Ends the process if the last turn has said anything.
    pub(crate) fn expect_silence(&self) {
        assert!(self.turn.others.is_empty(), "{:?}", self.turn.others);
    }

    /// The change that the actor's next draft is pinned to.
    pub(crate) fn head(&self) -> u64 {
        self.host.actor(HANDLE).and_then(|actor| actor.state()).unwrap().1
    }

    /// What was committed: a count of less work is not a faster one.
    pub fn stats(&mut self) -> Stats {
        self.host.store().stats()
    }
}

/// A step of the workflow's function that begins in the call and ends before the next turn.
pub(crate) fn step(world: &mut World, writes: Writes) {
    world.op += 1;
    let (scope, op) = (world.scope, world.op);
    let (name, policy, traits) = (format!("step {op}"), Policy::PATIENT, StepTraits::default());
    let step = ActorInput::Step { scope, op, name, policy, traits, begun: Some(BEGINNING) };
    let outcome = Outcome::Done { output: Some(value()), writes };
    world.tell([step, ActorInput::Settle { op, attempt: 1, outcome }]);
    world.expect_resolved(op);
}

/// 42.
pub(crate) fn value() -> Bytes {
    Bytes::from_static(&[0x18, 42])
}
