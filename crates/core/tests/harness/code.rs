//! The adapter's side: the callbacks that are running, each at one place of its program.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pawl_core::codec::cbor;
use pawl_core::failure::{Failure, FailureKind};
use pawl_core::inbox::Purpose;
use pawl_core::input::{
    Ended, Fork, Input, Iterated, NextWait, OpId, Outcome, ScopeId, Send, StepTraits, Time, Until, Writes,
};
use pawl_core::output::{BranchValue, Output, Told, UNDOES, Value};
use pawl_core::{Actor, scope::ForkRule};

use super::program::{Attempt, Do, POLICY, failure};
use super::set;
use super::world::World;

/// A part of the program that is running: one scope.
struct Frame {
    path: String,
    program: Vec<Do>,
    at: usize,
    kind: Kind,
    /// Whether something is recorded here that it has not come to.
    replaying: bool,
    /// Whether others run side by side with it.
    forked: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Workflow,
    /// Which round this is, and of how many.
    Round(u32, u32, Looped),
    Branch(OpId, u32),
    Try(OpId, bool),
}

/// The loop of a round, and how many rounds after it may begin unasked.
#[derive(Clone, Copy)]
struct Looped {
    op: OpId,
    ahead: u32,
}

type Thrown = (Failure, Option<OpId>);

pub struct Code {
    program: Vec<Do>,
    frames: BTreeMap<ScopeId, Frame>,
    /// Every operation of this life, with its scope.
    ops: BTreeMap<OpId, (ScopeId, Do, String)>,
    next_op: OpId,
    /// What the adapter keeps of what was settled with: steps, loops and branches.
    kept: BTreeMap<(OpId, u32), Bytes>,
    /// What a loop or try block ends with.
    thrown: BTreeMap<OpId, Thrown>,
    pub rebuilds: bool,
    /// Whether what is certain to be new begins before the core says so.
    pub eager: bool,
    pub now: Time,
    /// Steps whose handler is running.
    undoing: BTreeSet<OpId>,
}

/// Of a step or a loop, where branches have numbers.
const WHOLE: u32 = u32::MAX;

impl Code {
    pub fn new(program: &[Do]) -> Code {
        Code {
            program: program.to_vec(),
            frames: BTreeMap::new(),
            ops: BTreeMap::new(),
            next_op: 1,
            kept: BTreeMap::new(),
            thrown: BTreeMap::new(),
            rebuilds: false,
            eager: false,
            now: 0,
            undoing: BTreeSet::new(),
        }
    }

    pub fn halt(&mut self) {
        self.frames.clear();
    }

    pub fn undoes(&mut self, op: OpId) {
        self.undoing.insert(op);
    }

    pub fn name_of(&self, op: OpId) -> &'static str {
        self.ops[&op].1.name()
    }

    pub fn ends(&self, (op, attempt, undoes): (OpId, u32, bool)) -> bool {
        !matches!(self.how(op, attempt, undoes), Attempt::Hangs)
    }

    pub fn has_handler(&self, undo: &Output) -> bool {
        let Output::Undo { op, attempted, .. } = undo else { return false };
        match self.ops[op].1.plain() {
            Do::Undoable(..) => !attempted,
            Do::Attempted(..) => true,
            _ => false,
        }
    }

    fn how(&self, op: OpId, attempt: u32, undoes: bool) -> Attempt {
        let attempts = match (self.ops[&op].1.plain(), undoes) {
            (Do::Step(_, attempts) | Do::Undoable(_, attempts, _) | Do::Attempted(_, attempts, _), false) => attempts,
            (Do::Undoable(_, _, handlers) | Do::Attempted(_, _, handlers), true) => handlers,
            (Do::Ephemeral(_, value), false) => return Attempt::Returns(*value),
            (other, _) => panic!("no body of {other:?}"),
        };
        attempts.get((attempt & !UNDOES) as usize - 1).or(attempts.last()).copied().expect("an attempt")
    }

    /// How a body ends.
    pub fn end_of(&mut self, actor: &Actor, world: &mut World, (op, attempt, undoes): (OpId, u32, bool)) -> Outcome {
        let threw = |kind, retry_at| Outcome::Threw { failure: failure(kind, "boom"), pin: None, retry_at };
        let (output, writes) = match self.how(op, attempt, undoes) {
            Attempt::Returns(output) => (output, Writes::default()),
            Attempt::Writes(field, value, message) => (value, writes(actor, field, value, message)),
            Attempt::Throws => return threw(FailureKind::Error, None),
            Attempt::ThrowsCritical => return threw(FailureKind::Critical, None),
            Attempt::ThrowsFor(ms) => return threw(FailureKind::Error, Some(world.now + ms)),
            Attempt::Hangs => panic!("a body that hangs has ended"),
        };
        let output = Bytes::copy_from_slice(&[output]);
        if undoes {
            world.undone.push(self.ops[&op].2.clone());
        } else {
            self.kept.insert((op, WHOLE), output.clone());
        }
        Outcome::Done { output: Some(output), writes }
    }

    /// What the code does when it is called, or told something.
    pub fn output(&mut self, world: &mut World, output: Output) -> Vec<Input> {
        match output {
            Output::RunWorkflow { scope, rebuild, replaying, .. } => {
                self.halt();
                self.rebuilds = rebuild;
                let program = self.program.clone();
                self.enter(scope, String::new(), program, Kind::Workflow, replaying)
            }
            Output::Iterate { op, scope, state, replaying, ahead } => {
                self.iterate(Looped { op, ahead }, scope, &state, replaying)
            }
            Output::Branch { op, scope, index, replaying } => {
                let Do::Fork(_, _, _, branches) = self.ops[&op].1.plain().clone() else { panic!("no fork {op}") };
                let (name, program) = branches[index as usize].clone();
                self.enter(scope, format!("{}/{name}", self.ops[&op].2), program, Kind::Branch(op, index), replaying)
            }
            Output::Enter { op, scope, replaying } => {
                let Do::Try(_, catches, program) = self.ops[&op].1.plain().clone() else { panic!("no try {op}") };
                self.enter(scope, self.ops[&op].2.clone(), program, Kind::Try(op, catches), replaying)
            }
            Output::Cancelled { scope } => {
                // Its code throws, and nobody listens any more.
                let outcome = Ended::Threw { failure: failure(FailureKind::Error, "cancelled"), because: None };
                match self.frames.remove(&scope).map(|frame| frame.kind) {
                    Some(Kind::Branch(..)) => vec![Input::Branched { scope, outcome }],
                    _ => vec![],
                }
            }
            Output::Resolve { op, .. } | Output::Reject { op, .. } if self.undoing.remove(&op) => vec![],
            Output::Resolve { op, value, told } => {
                self.hear(op, told);
                self.resolved(world, op, &value)
            }
            Output::Reject { op, terminal, attempts, failure, told } => {
                self.hear(op, told);
                let what = format!("{terminal:?} after {attempts}: {}", failure.text());
                self.told(world, op, &what, true);
                if self.ops[&op].1.throws() {
                    return self.throw(self.ops[&op].0, (failure, Some(op)));
                }
                self.go_on(op)
            }
            Output::Rethrow { op } => {
                self.told(world, op, "threw", false);
                let thrown = self.thrown.remove(&op).expect("what was thrown");
                self.throw(self.ops[&op].0, thrown)
            }
            Output::Suspended { .. } | Output::Durable { .. } | Output::Ahead { .. } => vec![],
            output => panic!("unexpected {output:?}"),
        }
    }

    fn hear(&mut self, op: OpId, told: Told) {
        if let Some(frame) = self.frames.get_mut(&self.ops[&op].0) {
            frame.replaying = told.replaying;
        }
    }

    fn enter(&mut self, scope: ScopeId, path: String, program: Vec<Do>, kind: Kind, replaying: bool) -> Vec<Input> {
        let forked = match kind {
            Kind::Workflow => false,
            Kind::Branch(..) => true,
            Kind::Round(_, _, Looped { op, .. }) | Kind::Try(op, _) => {
                self.frames.get(&self.ops[&op].0).is_none_or(|around| around.forked)
            }
        };
        self.frames.insert(scope, Frame { path, program, at: 0, kind, replaying, forked });
        self.call(scope)
    }

    /// Whether what is new in a scope may begin before the core says so.
    fn may_begin(&self, frame: &Frame) -> bool {
        self.eager && !self.rebuilds && !frame.replaying && !frame.forked
    }

    fn iterate(&mut self, looped: Looped, scope: ScopeId, state: &Value, replaying: bool) -> Vec<Input> {
        let op = looped.op;
        let Do::Loop(_, rounds, body) = self.ops[&op].1.plain().clone() else { panic!("no loop {op}") };
        let round = match state {
            Value::Encoded(bytes) => u32::from_le_bytes(bytes[..].try_into().expect("a round")),
            Value::Kept => u32::from_le_bytes(self.kept[&(op, WHOLE)][..].try_into().expect("a round")),
            other => panic!("{other:?}"),
        };
        self.enter(scope, format!("{}/#{round}", self.ops[&op].2), body, Kind::Round(round, rounds, looped), replaying)
    }

    fn go_on(&mut self, op: OpId) -> Vec<Input> {
        let scope = self.ops[&op].0;
        if self.frames.contains_key(&scope) { self.call(scope) } else { vec![] }
    }

    fn resolved(&mut self, world: &mut World, op: OpId, value: &Value) -> Vec<Input> {
        let (_, what, _) = self.ops[&op].clone();
        let shown = self.shown(op, value);
        let counts = !matches!(what.plain(), Do::Try(..) | Do::Version(..) | Do::Removed(..) | Do::Ephemeral(..));
        self.told(world, op, &shown, counts);
        match (what.plain(), value) {
            (Do::Version(..), Value::Encoded(version)) => world.versions.push(version[0]),
            (Do::Fork(_, rule, ..), Value::Branches { winner, branches }) if what.throws() => {
                let failed = branches.iter().any(|branch| matches!(branch, BranchValue::Failed(_)));
                let lost = match rule {
                    ForkRule::Race => winner.is_none(),
                    ForkRule::MapSettled => false,
                    ForkRule::Join | ForkRule::Map => failed,
                };
                if lost {
                    return self.throw(self.ops[&op].0, (failure(FailureKind::Error, "branches failed"), Some(op)));
                }
            }
            (Do::Ask(name), Value::Messages(messages)) => return self.answer(op, name, &messages[0]),
            _ => {}
        }
        self.go_on(op)
    }

    /// Answers a message, once; the code goes on when that is durable.
    fn answer(&mut self, op: OpId, name: &'static str, message: &Bytes) -> Vec<Input> {
        let field = |name| cbor::field(message, name).expect("a record").expect("a field");
        if cbor::boolean(&field("completed")) == Some(true) {
            return self.go_on(op);
        }
        let id = field("id");
        let message_id = cbor::text(&id).expect("an id").to_owned();
        let (scope, _, path) = self.ops[&op].clone();
        let answer = self.operation(scope, Do::Version(name, 0), format!("{path}!"));
        vec![Input::Complete { op: answer, message_id, reply: None }]
    }

    fn told(&self, world: &mut World, op: OpId, what: &str, counts: bool) {
        let (_, done, path) = &self.ops[&op];
        if self.rebuilds {
            return;
        }
        world.facts.push(format!("{} {what}", done.name()));
        if counts && !path.ends_with('!') {
            world.told.last_mut().expect("a life").push(path.clone());
        }
        if !path.trim_start_matches('/').contains('/') && !path.ends_with('!') {
            world.results.push(format!("{path} {what}"));
        }
    }

    fn operation(&mut self, scope: ScopeId, done: Do, path: String) -> OpId {
        let op = self.next_op;
        self.next_op += 1;
        self.ops.insert(op, (scope, done, path));
        op
    }

    /// The next call of the code of a scope.
    fn call(&mut self, scope: ScopeId) -> Vec<Input> {
        let Some(frame) = self.frames.get_mut(&scope) else { return vec![] };
        let Some(next) = frame.program.get(frame.at).cloned() else { return self.leave(scope) };
        frame.at += 1;
        let frame = &self.frames[&scope];
        let begun = self.may_begin(frame).then_some(self.now);
        if matches!(next, Do::Throw) {
            return self.throw(scope, (failure(FailureKind::Error, "thrown"), None));
        }
        let path = format!("{}/{}", frame.path, next.name());
        let op = self.operation(scope, next.clone(), path);
        let name = next.name().to_owned();
        let step = |traits| Input::Step { scope, op, name: name.clone(), policy: POLICY, traits, begun };
        let wait = |count, timeout_ms, completable| {
            let wait = NextWait { name: name.clone(), names: vec![name.clone()], timeout_ms, count, completable };
            Input::Next { scope, op, wait }
        };
        vec![match next.plain().clone() {
            Do::Step(..) => step(StepTraits::default()),
            Do::Undoable(..) => step(StepTraits { undo: true, ..StepTraits::default() }),
            Do::Attempted(..) => {
                let traits = StepTraits { undo: true, undo_attempted: true, ..StepTraits::default() };
                Input::Step { scope, op, name, policy: POLICY, traits, begun: None }
            }
            Do::Ephemeral(..) => step(StepTraits { ephemeral: true, ..StepTraits::default() }),
            Do::Sleep(_, ms) => Input::Sleep { scope, op, name, until: Until::After(ms) },
            Do::Next(_, timeout_ms) => wait(1, timeout_ms, false),
            Do::Any(_) => {
                let (name, names) = (name, Vec::new());
                let wait = NextWait { name, names, timeout_ms: None, count: 1, completable: false };
                Input::Next { scope, op, wait }
            }
            Do::Batch(_, count, timeout_ms) => wait(count, timeout_ms, false),
            Do::Ask(_) => wait(1, None, true),
            Do::Loop(..) => {
                let state = Some(Bytes::from_static(&[0; 4]));
                Input::Loop { scope, op, name, state, keep: 3, every: 3 }
            }
            Do::Fork(_, rule, concurrency, branches) => {
                let branches = branches.iter().map(|(name, _)| (*name).to_owned()).collect();
                Input::Fork { scope, op, name, fork: Fork { rule, branches, concurrency } }
            }
            Do::Try(..) => Input::Try { scope, op, name },
            Do::Version(_, latest) => Input::Version { scope, op, name, latest },
            Do::Removed(_, kind) => Input::Removed { scope, op, name, kind: kind.to_owned() },
            Do::RollBack => Input::RollBack { scope, op, output: Some(Bytes::from_static(&[8])) },
            Do::Must(_) | Do::Throw => panic!("not an operation"),
        }]
    }

    /// The code of a scope has come to its end.
    fn leave(&mut self, scope: ScopeId) -> Vec<Input> {
        let frame = self.frames.remove(&scope).expect("a frame");
        vec![match frame.kind {
            Kind::Workflow => Input::Ended { scope, outcome: Ended::Returned(Some(Bytes::from_static(&[7]))) },
            Kind::Round(round, rounds, looped) if round + 1 < rounds => {
                let state = Bytes::copy_from_slice(&(round + 1).to_le_bytes());
                self.keep(&frame.path, state.clone());
                if looped.ahead > 0 && self.may_begin(&frame) {
                    let mut said = vec![Input::Iterated { scope, outcome: Iterated::Ahead(Some(state)) }];
                    let next = Looped { ahead: looped.ahead - 1, ..looped };
                    said.extend(self.iterate(next, scope + 1, &Value::Kept, false));
                    return said;
                }
                Input::Iterated { scope, outcome: Iterated::Continue(Some(state)) }
            }
            Kind::Round(..) => {
                self.keep(&frame.path, Bytes::from_static(&[9]));
                Input::Iterated { scope, outcome: Iterated::Break(Some(Bytes::from_static(&[9]))) }
            }
            Kind::Branch(op, index) => {
                let output = Bytes::copy_from_slice(&[index as u8]);
                self.kept.insert((op, index), output.clone());
                Input::Branched { scope, outcome: Ended::Returned(Some(output)) }
            }
            Kind::Try(..) => Input::Left { scope, threw: false },
        }]
    }

    /// Keeps what the loop around an iteration goes on with.
    fn keep(&mut self, round: &str, value: Bytes) {
        let around = round.rsplit_once('/').expect("a loop").0;
        let op = self.ops.iter().rev().find(|(_, (_, _, path))| path == around).map(|(op, _)| *op).expect("a loop");
        self.kept.insert((op, WHOLE), value);
    }

    fn throw(&mut self, scope: ScopeId, (failure, because): Thrown) -> Vec<Input> {
        let Some(frame) = self.frames.remove(&scope) else { return vec![] };
        vec![match frame.kind {
            Kind::Workflow => Input::Ended { scope, outcome: Ended::Threw { failure, because } },
            Kind::Branch(..) => Input::Branched { scope, outcome: Ended::Threw { failure, because } },
            Kind::Round(..) => {
                let around = frame.path.rsplit_once('/').expect("a loop").0;
                let op = self.ops.iter().rev().find(|(_, (_, _, path))| path == around);
                self.thrown.insert(*op.expect("a loop").0, (failure, because));
                Input::Iterated { scope, outcome: Iterated::Threw }
            }
            Kind::Try(_, true) => Input::Left { scope, threw: false },
            Kind::Try(op, false) => {
                self.thrown.insert(op, (failure, because));
                Input::Left { scope, threw: true }
            }
        }]
    }

    fn shown(&self, op: OpId, value: &Value) -> String {
        let kept = |index| self.kept.get(&(op, index)).map_or("nothing".into(), |bytes| format!("{:?}", &bytes[..]));
        match value {
            Value::Kept => kept(WHOLE),
            Value::Nothing => "nothing".into(),
            Value::Encoded(bytes) => format!("{:?}", &bytes[..]),
            Value::Message(_) => "message".into(),
            Value::Messages(messages) => format!("{} messages", messages.len()),
            Value::Branches { winner, branches } => {
                let branch = |(index, branch): (usize, &BranchValue)| match branch {
                    BranchValue::Kept => kept(index as u32),
                    BranchValue::Nothing => "nothing".into(),
                    BranchValue::Encoded(bytes) => format!("{:?}", &bytes[..]),
                    BranchValue::Failed(failure) => failure.text(),
                    BranchValue::Cancelled => "cancelled".into(),
                };
                format!("{winner:?} of {}", branches.iter().enumerate().map(branch).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn writes(actor: &Actor, field: &str, value: u8, message: Option<&str>) -> Writes {
    let send = |name: &str| Send {
        to: None,
        name: name.to_owned(),
        body: Bytes::from_static(&[0xf6]),
        delay_ms: 0,
        purpose: Purpose::Plain,
    };
    let sends = message.map(send).into_iter().collect();
    Writes { cells: vec![set(actor, field, value)], sends, ..Writes::default() }
}
