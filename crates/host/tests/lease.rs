//! What rests on owning an actor, while the lease may have run out.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::sync::{Arc, Mutex};

use pawl_core::input::{Create, Input as ActorInput, Outcome, Writes};
use pawl_core::output::Output as ActorOutput;
use pawl_host::{Host, Input, Output};
use pawl_store::{Completion, News, OpenOptions, Request, Sharing, Stats, Store, Ticket, WOKEN};

const HANDLE: u64 = 7;

/// What the test decides about the lease.
#[derive(Default)]
struct Lease {
    lapsed: bool,
    /// What was asked and not answered yet.
    asked: Vec<Ticket>,
    said: Vec<(Ticket, Completion)>,
}

/// A store whose lease is the test's.
struct Shaky {
    inner: Box<dyn Store>,
    lease: Arc<Mutex<Lease>>,
}

impl Store for Shaky {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        self.inner.submit(ticket, request);
    }

    fn share(&mut self, ticket: Ticket, sharing: Sharing) {
        assert!(matches!(sharing, Sharing::Check { .. }), "{sharing:?}");
        self.lease.lock().unwrap().asked.push(ticket);
    }

    fn holds(&self) -> bool {
        !self.lease.lock().unwrap().lapsed
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        into.append(&mut self.lease.lock().unwrap().said);
        self.inner.drain(into);
    }

    fn pending(&self) -> usize {
        self.inner.pending()
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn close(&mut self) {
        self.inner.close();
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }
}

struct World {
    host: Host,
    lease: Arc<Mutex<Lease>>,
}

impl World {
    /// With an actor that exists.
    fn new() -> World {
        let inner = pawl_store::open("memory:", OpenOptions::new(Arc::new(|| {}))).unwrap();
        let lease: Arc<Mutex<Lease>> = Arc::default();
        let mut world = World { host: Host::new(Box::new(Shaky { inner, lease: lease.clone() }), "default", 1), lease };
        world.advance(vec![Input::Open { handle: HANDLE, name: "order/1".into() }]);
        let create = Create {
            call: 1,
            workflow: false,
            input: None,
            state: None,
            state_version: 1,
            hosted: false,
            ordered: false,
        };
        assert_eq!(world.act(ActorInput::Create(create)), [1]);
        world
    }

    fn advance(&mut self, inputs: Vec<Input>) -> Vec<Output> {
        std::mem::take(&mut self.host.advance(1_000, inputs).others)
    }

    /// The calls that are answered.
    fn act(&mut self, input: ActorInput) -> Vec<u64> {
        replies(&self.advance(vec![Input::Actor { handle: HANDLE, input }]))
    }

    /// An action that only reads.
    fn read(&mut self, call: u64) -> Vec<u64> {
        self.act(ActorInput::Acted {
            call,
            outcome: Outcome::Done { output: None, writes: Writes::default() },
            keep: None,
        })
    }

    fn say(&mut self, news: News) -> Vec<Output> {
        let mut lease = self.lease.lock().unwrap();
        let ticket = lease.asked.pop().unwrap_or(WOKEN);
        lease.said.push((ticket, Completion::News(news)));
        drop(lease);
        self.advance(vec![])
    }

    fn asked(&self) -> usize {
        self.lease.lock().unwrap().asked.len()
    }
}

fn replies(outputs: &[Output]) -> Vec<u64> {
    let reply = |output: &Output| match output {
        Output::Actor { output: ActorOutput::Reply { call }, .. } => Some(*call),
        _ => None,
    };
    outputs.iter().filter_map(reply).collect()
}

#[test]
fn what_was_only_read_is_answered_at_once_while_the_lease_holds() {
    let mut world = World::new();
    assert_eq!(world.read(2), [2]);
    assert_eq!(world.asked(), 0);
}

#[test]
fn what_was_only_read_waits_for_the_store_when_the_lease_may_have_run_out() {
    let mut world = World::new();
    world.lease.lock().unwrap().lapsed = true;
    assert_eq!(world.read(2), []);
    assert_eq!((world.read(3), world.asked()), (vec![], 1));
    // What came after the question rests on what was read after it: it is a question of its own.
    assert_eq!(replies(&world.say(News::Holds(true))), [2]);
    assert_eq!(world.asked(), 1);
    assert_eq!(replies(&world.say(News::Holds(true))), [3]);
}

#[test]
fn what_was_only_read_is_never_answered_by_who_has_lost_the_actor() {
    let mut world = World::new();
    world.lease.lock().unwrap().lapsed = true;
    assert_eq!(world.read(2), []);
    let said = world.say(News::Holds(false));
    assert!(replies(&said).is_empty());
    assert!(said.iter().any(|output| matches!(output, Output::Lost { handle: HANDLE, .. })), "{said:?}");
}

#[test]
fn an_actor_that_was_taken_over_while_the_lease_had_run_out_is_read_back() {
    let mut world = World::new();
    let actor = pawl_store::ActorId::new("default", "order/1");
    let said = world.say(News::Taken(vec![actor]));
    assert!(said.iter().any(|output| matches!(output, Output::Lost { handle: HANDLE, .. })), "{said:?}");
}
