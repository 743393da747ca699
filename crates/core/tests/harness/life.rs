//! One life of a process that has the actor: whose turn it is, batches, bodies and the event loop.

use std::collections::VecDeque;

use bytes::Bytes;
use pawl_core::Actor;
use pawl_core::input::{Create, Input, Outcome, Start, Writes};
use pawl_core::output::{Change, FailedPart, Output, Refusal, RunOutcome, Status, UNDOES};

use pawl_core::overlay::Standing;

use super::code::Code;
use super::program::Do;
use super::world::{Lost, World, entries_of, inbox_of};

pub struct Life<'a> {
    pub world: &'a mut World,
    pub actor: Actor,
    pub code: Code,
    pub outcome: Option<RunOutcome>,
    /// What the code says next.
    calls: VecDeque<Input>,
    /// Bodies that have yet to end.
    bodies: Vec<(u64, u32, bool)>,
    /// Failures that are being reported.
    hooks: Vec<u64>,
    /// Changes that are not written yet; those up to `due` may be.
    queued: VecDeque<Change>,
    due: u64,
    dead: bool,
    turns: usize,
    dice: u64,
    /// Whether something came in since the actor was opened.
    fresh: bool,
}

enum Turn {
    Write,
    Pulse,
    Body(usize),
    Hook(usize),
}

impl<'a> Life<'a> {
    pub fn begin(world: &'a mut World, program: &[Do]) -> Life<'a> {
        let mut life = Life::load(world, program);
        if !life.actor.exists() {
            let state = Some(Bytes::from_static(b"\xb9\x00\x00"));
            life.feed(Input::Create(Create {
                call: 1,
                workflow: true,
                input: None,
                state,
                state_version: 1,
                hosted: false,
                ordered: false,
            }));
        }
        let start = Start { reports: life.world.reports, embedded: life.world.embedded, ..Start::default() };
        life.feed(Input::Start(start));
        life
    }

    /// Opens the actor, and nothing else.
    pub fn load(world: &'a mut World, program: &[Do]) -> Life<'a> {
        world.lives += 1;
        let seed = world.changes.len() as u64 + 1;
        let first_scope = u64::from(world.lives) << 32;
        let actor = world.open_actor(seed, first_scope);
        if actor.outcome().is_none() {
            world.facts.clear();
            world.results.clear();
        }
        world.told.push(Vec::new());
        let mut code = Code::new(program);
        code.eager = world.eager;
        let dice = world.seed.unwrap_or(0) ^ (u64::from(world.lives) << 40);
        Life {
            outcome: actor.outcome().cloned(),
            world,
            actor,
            code,
            calls: VecDeque::new(),
            bodies: Vec::new(),
            hooks: Vec::new(),
            queued: VecDeque::new(),
            due: 0,
            dead: false,
            turns: 0,
            dice,
            fresh: true,
        }
    }

    /// Goes on until the run has ended, is parked, or this life is over.
    pub fn finish(&mut self, messages: &[&str]) -> Option<RunOutcome> {
        let mut messages = messages.iter();
        loop {
            let stuck = self.actor.standing() == Standing { status: Status::RollingBack, alarm: None };
            if self.dead || self.outcome.is_some() || self.world.parked.is_some() || stuck {
                return self.outcome.clone();
            }
            if self.world.evicts && !std::mem::take(&mut self.fresh) {
                self.feed(Input::Suspend);
                return None;
            }
            // A message that can come, comes; otherwise time passes.
            if let Some(name) = messages.next() {
                self.send(name);
            } else if let Some(deadline) = self.actor.deadline() {
                self.world.now = self.world.now.max(deadline);
                self.feed(Input::Tick);
            } else if self.world.seed.is_some() && self.actor.standing().status == Status::Waiting {
                // Whatever it waits for, someone sends it.
                ["n0", "n1", "n2", "n3", "n4", "n5"].iter().for_each(|name| self.send(name));
            } else {
                let standing = self.actor.standing();
                panic!("nothing can happen any more; {standing:?}; facts: {:?}", self.world.facts);
            }
        }
    }

    /// Gives an operator's input, after which a run that had ended may go on.
    pub fn operate(&mut self, input: Input) {
        self.outcome = None;
        self.feed(input);
        if !self.dead {
            self.outcome = self.actor.outcome().cloned();
        }
    }

    /// What is in memory is what a load would make of the store.
    pub fn assert_folds_to_itself(&mut self) {
        let mut loaded = self.world.open_actor(1, 1 << 60);
        self.world.complete(&mut loaded);
        self.world.complete(&mut self.actor);
        assert_eq!(entries_of(&loaded), entries_of(&self.actor), "the history of a load and that in memory");
        assert_eq!(inbox_of(&loaded), inbox_of(&self.actor), "the inbox of a load and that in memory");
    }

    pub fn send(&mut self, name: &str) {
        self.feed(Input::Send {
            call: 9,
            name: name.to_owned(),
            body: Bytes::from_static(&[0xf6]),
            delay_ms: 0,
            keep: None,
        });
    }

    /// Gives the actor an input, and does everything that follows from it.
    pub fn feed(&mut self, input: Input) {
        if matches!(input, Input::Retry { .. } | Input::Replay { .. }) {
            self.world.complete(&mut self.actor);
        }
        if self.dead {
            return;
        }
        self.handle(input);
        while !self.dead {
            if self.world.kills.get(self.world.lives as usize - 1) == Some(&self.turns) {
                self.dead = true;
                return;
            }
            self.turns += 1;
            if let Some(call) = self.calls.pop_front() {
                self.handle(call);
                continue;
            }
            match self.next_turn() {
                Some(Turn::Write) => self.write(),
                Some(Turn::Pulse) => self.handle(Input::Pulse),
                Some(Turn::Body(at)) => self.end_body(at),
                Some(Turn::Hook(at)) => {
                    let outcome = Outcome::Done { output: None, writes: Writes::default() };
                    let report = self.hooks.remove(at);
                    self.handle(Input::Reported { report, outcome });
                }
                None => return,
            }
        }
    }

    fn next_turn(&mut self) -> Option<Turn> {
        let mut turns = Vec::new();
        if self.queued.front().is_some_and(|change| change.seq <= self.due) {
            turns.push(Turn::Write);
        }
        if self.actor.wants_pulse() {
            turns.push(Turn::Pulse);
        }
        turns.extend((0..self.hooks.len()).map(Turn::Hook));
        let ends = |at: &usize| self.code.ends(self.bodies[*at]);
        turns.extend((0..self.bodies.len()).filter(ends).map(Turn::Body));
        if turns.is_empty() {
            return None;
        }
        let at = if self.world.seed.is_some() { self.roll() as usize % turns.len() } else { 0 };
        Some(turns.swap_remove(at))
    }

    /// SplitMix64, as in `pawl_core::ids`.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn handle(&mut self, input: Input) {
        self.world.crossings += 1;
        self.code.now = self.world.now;
        if let Input::Step { op, begun: Some(_), .. } = &input {
            self.world.executed.push(format!("{}#1", self.code.name_of(*op)));
            self.bodies.push((*op, 1, false));
        }
        self.actor.handle(self.world.now, input);
        while let Some(output) = self.actor.poll() {
            self.world.crossings += 1;
            self.output(output);
        }
    }

    /// Writes one batch: everything up to what somebody waits for, or, when turns are drawn, only some of it.
    fn write(&mut self) {
        self.world.batches += 1;
        let lost = self.world.lose.filter(|(at, _)| *at == self.world.batches).map(|(_, how)| how);
        let mut seq = 0;
        while self.queued.front().is_some_and(|change| change.seq <= self.due) {
            let Some(change) = self.queued.pop_front() else { break };
            seq = change.seq;
            if lost != Some(Lost::BeforeWritten) {
                self.world.write(&change);
            }
            if self.world.seed.is_some() && self.roll().is_multiple_of(2) {
                break;
            }
        }
        match lost {
            Some(_) => self.dead = true,
            None => self.handle(Input::Durable { seq }),
        }
    }

    fn end_body(&mut self, at: usize) {
        let (op, attempt, undoes) = self.bodies.remove(at);
        let outcome = self.code.end_of(&self.actor, self.world, (op, attempt, undoes));
        self.handle(Input::Settle { op, attempt, outcome });
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Commit(change) => {
                if !change.lazy {
                    self.due = change.seq;
                }
                self.queued.push_back(change);
            }
            Output::Hurry => self.due = self.queued.back().map_or(self.due, |change| change.seq),
            Output::RunWorkflow { .. } => {
                self.calls.clear();
                self.calls.extend(self.code.output(self.world, output));
            }
            Output::Execute { op, attempt } => {
                assert!(!self.code.rebuilds, "a rebuild executes nothing");
                self.world.executed.push(format!("{}#{attempt}", self.code.name_of(op)));
                self.bodies.push((op, attempt, false));
            }
            Output::Undo { op, attempt, .. } => {
                assert!(self.code.has_handler(&output), "{output:?} of {}", self.code.name_of(op));
                self.world.executed.push(format!("undo {}#{}", self.code.name_of(op), attempt & !UNDOES));
                self.code.undoes(op);
                self.bodies.push((op, attempt, true));
            }
            // A dead body may still end.
            Output::Abort { op, attempt, .. } => {
                if self.world.seed.is_none() {
                    self.bodies.retain(|(body, number, _)| (*body, *number) != (op, attempt));
                }
            }
            Output::Halted { .. } => {
                self.calls.clear();
                self.code.halt();
            }
            Output::Report { report, event } => {
                let step = event.step.unwrap_or_default();
                if event.part != FailedPart::Rollback {
                    self.world.reported.push(format!("{step} {} {:?}", event.attempt, event.retry_at));
                }
                self.hooks.push(report);
            }
            Output::RunEnded(outcome) => self.outcome = Some(outcome),
            Output::Parked(divergence) => {
                self.calls.clear();
                self.code.halt();
                self.world.parked = Some(divergence);
            }
            Output::Answered { message_id, .. } => self.world.answered.push(message_id),
            Output::Reply { .. }
            | Output::Looked { .. }
            | Output::Sent { .. }
            | Output::Verdict { .. }
            | Output::Reported { .. } => {}
            Output::Refuse { reason: Refusal::RunEnded | Refusal::Nothing(_), .. } => {}
            Output::Misuse { .. } | Output::Refuse { .. } => panic!("unexpected {output:?}"),
            output => {
                let calls = self.code.output(self.world, output);
                self.calls.extend(calls);
            }
        }
    }
}
