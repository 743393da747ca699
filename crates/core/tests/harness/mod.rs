//! Drives one actor the way a host and an adapter do: a store of changes, a clock that jumps to the next deadline, and a
//! program as data in the place of the user's code.

use std::collections::BTreeMap;

use bytes::Bytes;
use pawl_core::codec::change::{self, Record};
use pawl_core::codec::record::{EntryKind, EntryStatus};
use pawl_core::failure::{Failure, FailureKind};
use pawl_core::inbox::MessageKey;
use pawl_core::input::{
    CellWrites, Create, Ended, Input, Iterated, NextWait, Outcome, ScopeId, Start, StepTraits, Until, Writes,
};
use pawl_core::output::{Change, Output, RunOutcome, Value};
use pawl_core::overlay::Standing;
use pawl_core::retry::Policy;
use pawl_core::state::{Action, Cell, Delta, Op, Path};
use pawl_core::{Actor, Loaded, STATE};

/// What a program does, one after another.
#[derive(Debug, Clone)]
pub enum Do {
    /// A step whose attempts end like this; the last one repeats.
    Step(&'static str, Vec<Attempt>),
    Sleep(&'static str, i64),
    Next(&'static str, Option<i64>),
    /// So many rounds of the same.
    Loop(&'static str, u32, Vec<Do>),
}

#[derive(Debug, Clone, Copy)]
pub enum Attempt {
    Returns(u8),
    /// Returns, having set a field of the state to a number, and having sent itself a message if there is a name.
    Writes(&'static str, u8, Option<&'static str>),
    Throws,
    ThrowsCritical,
    Hangs,
}

pub const POLICY: Policy = Policy {
    max_retries: 2,
    backoff_base_ms: 100,
    backoff_max_ms: 30_000,
    timeout_ms: Some(1_000),
    retry_on_timeout: false,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    BeforeWritten,
    BeforeAcknowledged,
}

/// What survives a crash, and what tests look at.
#[derive(Default, Clone)]
pub struct World {
    pub now: i64,
    pub changes: Vec<(u64, Bytes)>,
    pub inbox: BTreeMap<(String, u64), Bytes>,
    pub standing: Standing,
    /// Every attempt that ran, in all lives: `name#attempt`.
    pub executed: Vec<String>,
    /// How often the workflow's function was called.
    pub lives: u32,
    pub batches: usize,
    pub lose: Option<(usize, Lost)>,
    pub reports: bool,
    pub reported: Vec<String>,
    /// What operations resolved to, in the last life.
    pub facts: Vec<String>,
    pub parked: Option<pawl_core::history::Divergence>,
}

struct Crash;

/// A part of the program that is running: one scope.
struct Frame {
    scope: ScopeId,
    program: Vec<Do>,
    at: usize,
    /// The rounds left, and the loop's operation, if this is one.
    rounds: Option<u32>,
}

pub struct Life<'a> {
    pub world: &'a mut World,
    pub actor: Actor,
    program: Vec<Do>,
    frames: Vec<Frame>,
    next_op: u64,
    running: BTreeMap<u64, Do>,
    pub outcome: Option<RunOutcome>,
    dead: bool,
}

impl World {
    pub fn new() -> World {
        World { now: 1_000_000, ..World::default() }
    }

    /// Opens the actor as it is stored, makes it if it is not there, and starts it.
    pub fn open(&mut self, program: &[Do]) -> Life<'_> {
        let inbox = self.inbox.iter();
        let inbox =
            inbox.map(|((sender, seq), body)| (MessageKey { sender: sender.clone(), sender_seq: *seq }, body.clone()));
        let loaded = Loaded { changes: self.changes.clone(), inbox: inbox.collect(), standing: self.standing };
        let seed = self.changes.len() as u64 + 1;
        let actor = Actor::open(loaded, seed, u64::from(self.lives + 1) << 32).expect("what was written can be read");
        self.facts.clear();
        let (program, frames) = (program.to_vec(), Vec::new());
        let mut life = Life {
            world: self,
            actor,
            program,
            frames,
            next_op: 1,
            running: BTreeMap::new(),
            outcome: None,
            dead: false,
        };
        if !life.actor.exists() {
            let state = Some(Bytes::from_static(b"\xb9\x00\x00"));
            life.feed(Input::Create(Create { call: 1, workflow: true, input: None, state, state_version: 1 }));
        }
        if !life.dead {
            life.outcome = life.actor.outcome().cloned();
            let start = Start { reports: life.world.reports, code_version: 0, embedded: None };
            life.feed(Input::Start(start));
        }
        life
    }

    /// Runs to the end, through as many lives as it takes; messages are sent when nothing else can happen.
    pub fn run(&mut self, program: &[Do], messages: &[&str]) -> RunOutcome {
        for _ in 0..1_000 {
            let sent = self.sent();
            let mut life = self.open(program);
            if let Some(outcome) = life.finish(&messages[sent.min(messages.len())..]) {
                return outcome;
            }
        }
        panic!("the program does not end; facts: {:?}", self.facts);
    }

    /// How many messages from outside have become durable.
    fn sent(&self) -> usize {
        let taken =
            self.records().filter(|record| matches!(record, Record::Took(key) if key.sender == "outside")).count();
        taken + self.inbox.keys().filter(|(sender, _)| sender == "outside").count()
    }

    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.changes.iter().flat_map(|(seq, body)| change::read(*seq, body).expect("a change").records)
    }

    fn write(&mut self, change: &Change) {
        self.changes.push((change.seq, change.body.clone()));
        self.standing = Standing { status: change.status, alarm: change.alarm };
        for message in &change.put {
            let key = (message.key.sender.clone(), message.key.sender_seq);
            self.inbox.insert(key, change::write_message(message));
        }
        for key in &change.take {
            let taken = self.inbox.remove(&(key.sender.clone(), key.sender_seq));
            assert!(taken.is_some(), "change {} takes a message that is not there", change.seq);
        }
    }

    /// History, state and end, without ids, times and attempt counts.
    pub fn picture(&self) -> Vec<String> {
        let (mut names, mut entries, mut ids) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut state: Option<Cell> = None;
        let mut end = "not ended".to_owned();
        for (index, record) in self.records().enumerate() {
            match record {
                Record::Name { name, .. } => names.push(name),
                Record::Entry(entry) => {
                    ids.insert(entry.id.clone(), entry.location.clone());
                    entries.insert(entry.location.clone(), (kind(&entry.kind), String::new()));
                }
                Record::Metadata { entry_id, metadata } => {
                    entries.get_mut(&ids[&entry_id]).expect("an entry").1 = status(metadata.status);
                }
                Record::Base { value, .. } => state = Some(Cell::new(value, index as u64).expect("a value")),
                Record::Delta { delta, .. } => {
                    let delta = Delta::parse(&delta).expect("a delta");
                    state.as_mut().expect("a state").apply(index as u64, &delta).expect("a delta that fits");
                }
                Record::Completed { output } => end = format!("completed {output:?}"),
                Record::Failed(failure) => end = format!("failed {}", failure.text()),
                _ => {}
            }
        }
        let path = |location: &pawl_core::key::Location| format!("{:?}", location.segments());
        let mut picture: Vec<String> =
            entries.iter().map(|(location, (kind, status))| format!("{} {kind} {status}", path(location))).collect();
        picture.push(format!("names {names:?}"));
        picture.push(format!("state {:?}", state.map(|cell| cell.encode())));
        picture.push(format!("inbox {}", self.inbox.len()));
        picture.push(end);
        picture
    }
}

fn kind(kind: &EntryKind) -> String {
    match kind {
        EntryKind::Sleep { state, .. } => format!("sleep {state:?}"),
        EntryKind::Message { name, .. } => format!("message {name}"),
        EntryKind::Step { output, .. } => format!("step {output:?}"),
        EntryKind::Loop { iteration, output, .. } => format!("loop at {iteration}: {output:?}"),
        kind => format!("{kind:?}"),
    }
}

fn status(status: EntryStatus) -> String {
    format!("{status:?}")
}

impl Life<'_> {
    /// Goes on until the run has ended, is parked, or this life is over.
    pub fn finish(&mut self, messages: &[&str]) -> Option<RunOutcome> {
        let mut messages = messages.iter();
        loop {
            if self.dead || self.outcome.is_some() || self.world.parked.is_some() {
                return self.outcome.clone();
            }
            // A message that can come, comes; otherwise time passes.
            if let Some(name) = messages.next() {
                self.send(name);
            } else if let Some(deadline) = self.actor.deadline() {
                self.world.now = self.world.now.max(deadline);
                self.feed(Input::Tick);
            } else {
                panic!("nothing can happen any more; facts: {:?}", self.world.facts);
            }
        }
    }

    pub fn send(&mut self, name: &str) {
        self.feed(Input::Send { call: 9, name: name.to_owned(), body: Bytes::from_static(&[0xf6]) });
    }

    /// Gives the actor an input, and does everything that follows from it.
    pub fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.actor.handle(self.world.now, input);
            while let Some(output) = self.actor.poll() {
                match self.output(output) {
                    Ok(Some(input)) => {
                        self.actor.handle(self.world.now, input);
                    }
                    Ok(None) => {}
                    Err(Crash) => {
                        self.dead = true;
                        return;
                    }
                }
            }
        }
    }

    fn output(&mut self, output: Output) -> Result<Option<Input>, Crash> {
        Ok(match output {
            Output::Commit(change) => {
                self.world.batches += 1;
                let lost = self.world.lose.filter(|(at, _)| *at == self.world.batches).map(|(_, how)| how);
                if lost != Some(Lost::BeforeWritten) {
                    self.world.write(&change);
                }
                if lost.is_some() {
                    return Err(Crash);
                }
                Some(Input::Durable { seq: change.seq })
            }
            Output::RunWorkflow { scope, .. } => {
                self.world.lives += 1;
                self.frames = vec![Frame { scope, program: self.program.clone(), at: 0, rounds: None }];
                Some(self.call())
            }
            Output::Execute { op, attempt } => self.execute(op, attempt),
            Output::Iterate { op, scope, .. } => {
                let Some(Do::Loop(_, rounds, body)) = self.running.get(&op).cloned() else { panic!("no loop {op}") };
                self.frames.push(Frame { scope, program: body, at: 0, rounds: Some(rounds) });
                Some(self.call())
            }
            Output::Resolve { op, value, .. } => {
                self.world.facts.push(format!("{} {}", self.name(op), shown(&value)));
                self.running.remove(&op);
                Some(self.call())
            }
            Output::Reject { op, terminal, attempts, failure, .. } => {
                let fact = format!("{} {terminal:?} after {attempts}: {}", self.name(op), failure.text());
                self.world.facts.push(fact);
                self.running.remove(&op);
                Some(self.call())
            }
            Output::Report { report, event } => {
                self.world.reported.push(format!(
                    "{} {} {:?}",
                    event.step.unwrap_or_default(),
                    event.attempt,
                    event.retry_at
                ));
                Some(Input::Reported { report, outcome: Outcome::Done { output: None, writes: Writes::default() } })
            }
            Output::RunEnded(outcome) => {
                self.outcome = Some(outcome);
                None
            }
            Output::Parked(divergence) => {
                self.world.parked = Some(divergence);
                None
            }
            Output::Reply { .. }
            | Output::Sent { .. }
            | Output::Durable { .. }
            | Output::Hurry
            | Output::Verdict { .. }
            | Output::Abort { .. }
            | Output::Reported { .. } => None,
            output => panic!("unexpected {output:?}"),
        })
    }

    /// The next call of the code that is running.
    fn call(&mut self) -> Input {
        let op = self.next_op;
        self.next_op += 1;
        let frame = self.frames.last_mut().expect("a frame");
        let scope = frame.scope;
        let Some(next) = frame.program.get(frame.at).cloned() else { return self.leave() };
        frame.at += 1;
        self.running.insert(op, next.clone());
        match next {
            Do::Step(name, _) => {
                Input::Step { scope, op, name: name.into(), policy: POLICY, traits: StepTraits::default() }
            }
            Do::Sleep(name, ms) => Input::Sleep { scope, op, name: name.into(), until: Until::After(ms) },
            Do::Next(name, timeout_ms) => {
                let wait =
                    NextWait { name: name.into(), names: vec![name.into()], timeout_ms, count: 1, completable: false };
                Input::Next { scope, op, wait }
            }
            Do::Loop(name, ..) => {
                let state = Some(Bytes::from_static(&[0]));
                Input::Loop { scope, op, name: name.into(), state, keep: 20 }
            }
        }
    }

    /// The code of a scope has come to its end. The loop's state is the count of its rounds.
    fn leave(&mut self) -> Input {
        let frame = self.frames.pop().expect("a frame");
        let Some(rounds) = frame.rounds else {
            return Input::Ended { scope: frame.scope, outcome: Ended::Returned(Some(Bytes::from_static(&[7]))) };
        };
        let round = self.rounds_done(frame.scope);
        let outcome = if round + 1 < rounds {
            Iterated::Continue(Some(Bytes::copy_from_slice(&[(round + 1) as u8])))
        } else {
            Iterated::Break(Some(Bytes::from_static(&[9])))
        };
        Input::Iterated { scope: frame.scope, outcome }
    }

    fn rounds_done(&self, scope: ScopeId) -> u32 {
        self.actor.iteration_of(scope).expect("a scope of a loop")
    }

    fn execute(&mut self, op: u64, attempt: u32) -> Option<Input> {
        let Some(Do::Step(name, attempts)) = self.running.get(&op).cloned() else { panic!("no step {op}") };
        self.world.executed.push(format!("{name}#{attempt}"));
        let how = attempts.get(attempt as usize - 1).or(attempts.last()).copied().expect("an attempt");
        let done = |output: u8, writes| Outcome::Done { output: Some(Bytes::copy_from_slice(&[output])), writes };
        let outcome = match how {
            Attempt::Returns(output) => done(output, Writes::default()),
            Attempt::Writes(field, value, message) => done(value, self.writes(field, value, message)),
            Attempt::Throws => threw(FailureKind::Error),
            Attempt::ThrowsCritical => threw(FailureKind::Critical),
            Attempt::Hangs => return None,
        };
        Some(Input::Settle { op, attempt, outcome })
    }

    fn writes(&self, field: &str, value: u8, message: Option<&str>) -> Writes {
        let sends = message.map(|name| (name.to_owned(), Bytes::from_static(&[0xf6]))).into_iter().collect();
        Writes { cells: vec![set(&self.actor, field, value)], sends }
    }

    fn name(&self, op: u64) -> &'static str {
        match &self.running[&op] {
            Do::Step(name, _) | Do::Sleep(name, _) | Do::Next(name, _) | Do::Loop(name, ..) => name,
        }
    }
}

/// What an attempt that sets a field of the newest state would settle with.
pub fn set(actor: &Actor, field: &str, value: u8) -> CellWrites {
    let op = Op { path: Path::root().key(field), action: Action::Set(Bytes::copy_from_slice(&[value])) };
    let delta = Delta::new(vec![op]).expect("a delta");
    let pin = actor.state().expect("a state").1;
    CellWrites { cell: STATE.into(), pin, delta: Some(delta), reads: None }
}

fn threw(kind: FailureKind) -> Outcome {
    let failure = Failure { kind, name: "Error".into(), message: "boom".into(), stack: None, fields: None };
    Outcome::Threw { failure, pin: None, retry_at: None }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Kept => "kept".into(),
        Value::Nothing => "nothing".into(),
        Value::Encoded(bytes) => format!("encoded {}", bytes.len()),
        Value::Message(_) => "message".into(),
        Value::Messages(messages) => format!("{} messages", messages.len()),
        Value::Branches { .. } => "branches".into(),
    }
}
