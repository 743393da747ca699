//! One execution of a workflow: routes calls and facts to the machines and does what they say.
//!
//! Owns the scopes and pending operations of the code that is running, and the history that it replays. A pending
//! operation belongs to one scope, and a scope has at most one. What has become durable is released by the overlay.

mod entry;
mod loops;
mod steps;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::failure::{Failure, FailureKind, Terminal};
use crate::history::{Divergence, History, Mismatch, NodeId};
use crate::inbox::Wait;
use crate::input::{Ended, Input, OpId, Outcome, ScopeId, Start, Time};
use crate::output::{AbortReason, Attempt, FailureEvent, Misuse, Output, RunOutcome, Status, Value, Verdict};
use crate::overlay::{Gated, Held, Overlay, Standing, Writing, newest_pin};
use crate::retry::Policy;
use crate::scope::LoopScope;
use crate::step::Step;
use crate::timer::Timer;

/// The report of the workflow's own failure; operations count from 1.
const RUN_REPORT: u64 = 0;
/// A parked run is tried again after a minute, then after twice as long each time, up to an hour.
const PARK_MS: i64 = 60_000;
const PARK_MAX_MS: i64 = 3_600_000;

/// Where the run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Nobody has called the workflow's function since the actor was loaded.
    Idle,
    Running,
    /// The end is queued.
    Ending(RunOutcome),
    Ended(RunOutcome),
    Parked {
        until: Time,
    },
}

#[derive(Debug)]
struct Scope {
    node: NodeId,
    /// The operation that this scope is a callback of; none for the workflow's function.
    parent: Option<OpId>,
    pending: Option<OpId>,
    /// Entries recorded directly in it that the code has not come to yet.
    unvisited: usize,
    /// Whether the code has gone past everything that is recorded.
    at_frontier: bool,
}

#[derive(Debug)]
struct Pending {
    scope: ScopeId,
    place: NodeId,
    name: String,
    deadline: Option<Time>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Step { step: Step, policy: Policy, phase: StepPhase, outcome: Option<Fact> },
    Sleep { timer: Timer, outcome: Option<Fact> },
    Next { wait: Wait, names: Vec<String>, timer: Option<(NodeId, Timer)>, outcome: Option<Fact> },
    Loop { state: LoopScope, keep: u32, scope: Option<ScopeId>, outcome: Option<Fact> },
}

/// What the code of a step's attempt is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepPhase {
    Waiting,
    Executing,
    /// Settled; its change is not durable yet, or its failure is being reported.
    Settled,
}

/// What an operation tells the workflow once it is durable.
#[derive(Debug, Clone, PartialEq)]
enum Fact {
    Resolve(Value),
    Reject {
        terminal: Terminal,
        attempts: u32,
        failure: Failure,
        /// Whether the hook has heard of this failure already.
        reported: bool,
    },
    /// Nothing yet: the step is tried again.
    Retry {
        retry_at: Time,
        failure: Failure,
        attempts: u32,
    },
    Rethrow,
}

pub struct Run {
    pub phase: Phase,
    pub history: History,
    input: Option<Bytes>,
    start: Start,
    parks: u32,
    scopes: BTreeMap<ScopeId, Scope>,
    ops: BTreeMap<OpId, Pending>,
    deadlines: BTreeSet<(Time, OpId)>,
    /// Entries that changed without a change of their own: they go with the run's next one.
    noted: BTreeSet<NodeId>,
    next_scope: ScopeId,
}

impl Run {
    /// A run that is about to begin, or one as it was loaded. Scopes are numbered from `first_scope`.
    pub fn new(history: History, input: Option<Bytes>, phase: Phase, parks: u32, first_scope: ScopeId) -> Run {
        Run {
            phase,
            history,
            input,
            start: Start { reports: false, code_version: 0 },
            parks,
            scopes: BTreeMap::new(),
            ops: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            noted: BTreeSet::new(),
            next_scope: first_scope,
        }
    }

    /// Whether the run takes no more messages.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Ended(_))
    }

    /// The names on the way to a pending operation; an iteration is `#3`.
    pub fn path_of(&self, op: OpId) -> Option<Vec<String>> {
        let place = self.ops.get(&op)?.place;
        Some(self.history.names_of(place))
    }

    /// The round of a loop that a scope is; none for other scopes.
    pub fn iteration_of(&self, scope: ScopeId) -> Option<u32> {
        match self.history.location(self.scopes.get(&scope)?.node).last()? {
            crate::key::Segment::Iteration { iteration, .. } => Some(iteration),
            crate::key::Segment::Name(_) => None,
        }
    }

    /// When the run next wants to hear of the time.
    pub fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Parked { until } => Some(until),
            _ => self.deadlines.first().map(|(at, _)| *at),
        }
    }

    /// What a change says of the run: work that can go on at once is due at 0.
    pub fn standing(&self) -> Standing {
        match &self.phase {
            Phase::Ending(outcome) | Phase::Ended(outcome) => {
                let status = match outcome {
                    RunOutcome::Completed(_) => Status::Completed,
                    RunOutcome::Failed(_) => Status::Failed,
                };
                Standing { status, alarm: None }
            }
            Phase::Parked { until } => Standing { status: Status::Parked, alarm: Some(*until) },
            Phase::Idle => Standing { status: Status::Running, alarm: Some(0) },
            Phase::Running => self.running_standing(),
        }
    }

    fn running_standing(&self) -> Standing {
        let in_user_code = self.scopes.values().any(|scope| scope.pending.is_none());
        let mut wake = if in_user_code { Wake::Now } else { Wake::Never };
        self.ops.values().for_each(|pending| wake = wake.min(pending.wake()));
        match wake {
            Wake::Now => Standing { status: Status::Running, alarm: Some(0) },
            Wake::At(at) => Standing { status: Status::Waiting, alarm: Some(at) },
            Wake::Never => Standing { status: Status::Waiting, alarm: None },
        }
    }

    /// Calls the workflow's function, unless the run has ended or is running.
    pub fn start(&mut self, overlay: &mut Overlay, start: Start) {
        self.start = start;
        match self.phase {
            // A parked run is tried whenever it is loaded: the code may be another one.
            Phase::Idle | Phase::Parked { .. } if self.scopes.is_empty() => self.call_workflow(overlay),
            _ => {}
        }
    }

    fn call_workflow(&mut self, overlay: &mut Overlay) {
        self.clear();
        self.phase = Phase::Running;
        let scope = self.open_scope(History::ROOT, None);
        overlay.outputs.push_back(Output::RunWorkflow { scope, input: self.input.clone() });
    }

    fn clear(&mut self) {
        self.scopes.clear();
        self.ops.clear();
        self.deadlines.clear();
    }

    fn open_scope(&mut self, node: NodeId, parent: Option<OpId>) -> ScopeId {
        let id = self.next_scope;
        self.next_scope += 1;
        let unvisited = self.history.entries_in(node);
        self.scopes.insert(id, Scope { node, parent, pending: None, unvisited, at_frontier: false });
        id
    }

    /// Routes what is the run's own.
    pub fn handle(&mut self, overlay: &mut Overlay, input: Input) {
        match input {
            Input::Step { scope, op, name, policy } => self.step(overlay, scope, op, name, policy),
            Input::Sleep { scope, op, name, until } => self.sleep(overlay, scope, op, name, until),
            Input::Next { scope, op, wait } => self.next(overlay, scope, op, wait),
            Input::Loop { scope, op, name, state, keep } => self.enter_loop(overlay, scope, op, name, state, keep),
            Input::Settle { op, attempt, outcome } => self.settle(overlay, op, attempt, outcome),
            Input::Reported { report, outcome } => self.reported(overlay, report, outcome),
            Input::Iterated { scope, outcome } => self.iterated(overlay, scope, outcome),
            Input::Ended { scope, outcome } => self.ended(overlay, scope, outcome),
            Input::Tick => self.tick(overlay),
            Input::Suspend => self.suspend(overlay),
            _ => {}
        }
    }

    /// Starts a change that holds every new name and noted entry.
    fn begin(&mut self, overlay: &mut Overlay) -> Writing {
        let mut writing = overlay.begin();
        self.history.names.record(|index, name| writing.writer.name(index, name));
        for node in std::mem::take(&mut self.noted) {
            self.write_entry(&mut writing, node);
        }
        writing
    }

    fn commit(&mut self, overlay: &mut Overlay, writing: Writing) -> u64 {
        overlay.commit(writing, self.standing())
    }

    /// Writes down what the run waits for, if the newest change says something else.
    fn suspend(&mut self, overlay: &mut Overlay) {
        if self.phase == Phase::Running && overlay.standing() != self.standing() {
            let writing = self.begin(overlay);
            self.commit(overlay, writing);
        }
    }

    fn tick(&mut self, overlay: &mut Overlay) {
        if let Phase::Parked { until } = self.phase {
            if overlay.now >= until {
                self.call_workflow(overlay);
            }
            return;
        }
        while let Some((at, op)) = self.deadlines.first().copied() {
            if at > overlay.now {
                break;
            }
            self.disarm(op);
            self.due(overlay, op);
        }
    }

    fn arm(&mut self, op: OpId, at: Time) {
        self.disarm(op);
        if let Some(pending) = self.ops.get_mut(&op) {
            pending.deadline = Some(at);
            self.deadlines.insert((at, op));
        }
    }

    fn disarm(&mut self, op: OpId) {
        if let Some(at) = self.ops.get_mut(&op).and_then(|pending| pending.deadline.take()) {
            self.deadlines.remove(&(at, op));
        }
    }

    /// Ends the operation and tells the workflow.
    fn finish(&mut self, overlay: &mut Overlay, op: OpId, fact: Fact) {
        self.disarm(op);
        let Some(pending) = self.ops.remove(&op) else { return };
        if let Some(scope) = self.scopes.get_mut(&pending.scope) {
            scope.pending = None;
        }
        overlay.outputs.push_back(match fact {
            Fact::Resolve(value) => Output::Resolve { op, value },
            Fact::Reject { terminal, attempts, failure, .. } => Output::Reject { op, terminal, attempts, failure },
            Fact::Rethrow | Fact::Retry { .. } => Output::Rethrow { op },
        });
    }

    /// Tells the workflow once change `seq` is durable.
    fn finish_after(&mut self, overlay: &mut Overlay, op: OpId, seq: u64, fact: Fact) {
        self.disarm(op);
        let Some(pending) = self.ops.get_mut(&op) else { return };
        *pending.outcome() = Some(fact);
        if overlay.after(seq, Gated::Fact(op)).is_some() {
            self.fact(overlay, op);
        }
    }

    /// An operation's outcome is durable.
    pub fn fact(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let Some(fact) = pending.outcome().take() else { return };
        let event = match &fact {
            Fact::Reject { attempts, failure, reported: false, .. } => Some((*attempts, None, failure.clone())),
            Fact::Retry { retry_at, failure, attempts } => Some((*attempts, Some(*retry_at), failure.clone())),
            Fact::Resolve(_) | Fact::Reject { .. } | Fact::Rethrow => None,
        };
        match event {
            Some((attempt, retry_at, failure)) if self.start.reports => {
                let event = FailureEvent { step: Some(pending.name.clone()), attempt, retry_at, failure };
                *pending.outcome() = Some(fact);
                overlay.outputs.push_back(Output::Report { report: op, event });
            }
            _ => self.after_report(overlay, op, fact),
        }
    }

    fn after_report(&mut self, overlay: &mut Overlay, op: OpId, fact: Fact) {
        match fact {
            Fact::Retry { retry_at, .. } => {
                if let Some(Kind::Step { phase, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
                    *phase = StepPhase::Waiting;
                }
                self.arm(op, retry_at);
                if retry_at <= overlay.now {
                    self.tick(overlay);
                }
            }
            fact => self.finish(overlay, op, fact),
        }
    }

    /// The hook has ended: its writes become a change of their own, then the failure takes its course.
    fn reported(&mut self, overlay: &mut Overlay, report: u64, outcome: Outcome) {
        let attempt = Attempt::Report { report };
        match outcome {
            Outcome::Threw { .. } => overlay.gave_up(attempt),
            Outcome::Done { writes, output } => {
                let input = || Input::Reported { report, outcome: Outcome::Done { writes: writes.clone(), output } };
                match settle_writes(overlay, attempt, &writes) {
                    Judged::Passed { wrote } if wrote => {
                        let mut writing = self.begin(overlay);
                        let seq = writing.seq();
                        overlay.write(&mut writing, writes);
                        self.commit(overlay, writing);
                        overlay.verdict(attempt, Verdict::Queued { seq });
                        overlay.leave_after(seq, Output::Reported { report });
                    }
                    Judged::Passed { .. } => {
                        let seq = newest_pin(&writes);
                        overlay.verdict(attempt, Verdict::Clean);
                        overlay.leave_after(seq, Output::Reported { report });
                    }
                    Judged::Again => return,
                    Judged::Broken(_) => overlay.verdict(attempt, Verdict::Stale),
                    Judged::Hold => return overlay.hold(Held { attempt, since: overlay.now, input: input() }),
                }
            }
        }
        if report != RUN_REPORT
            && let Some(fact) = self.ops.get_mut(&report).and_then(|pending| pending.outcome().take())
        {
            self.after_report(overlay, report, fact);
        }
    }

    /// A scope has ended: whatever is pending in it is given up.
    fn close_scope(&mut self, overlay: &mut Overlay, id: ScopeId) {
        let Some(scope) = self.scopes.remove(&id) else { return };
        let Some(op) = scope.pending else { return };
        self.disarm(op);
        let Some(pending) = self.ops.remove(&op) else { return };
        match pending.kind {
            Kind::Step { phase: StepPhase::Executing, step: Step::Running { attempts, .. }, .. } => {
                overlay.gave_up(Attempt::Step { op, attempt: attempts });
                let reason = AbortReason::Cancelled;
                overlay.outputs.push_back(Output::Abort { op, attempt: attempts, reason });
            }
            Kind::Loop { scope: Some(inner), .. } => self.close_scope(overlay, inner),
            _ => {}
        }
    }

    fn ended(&mut self, overlay: &mut Overlay, id: ScopeId, outcome: Ended) {
        let Some(scope) = self.scopes.get(&id) else { return };
        let (node, unvisited) = (scope.node, scope.unvisited);
        if let (Some(op), Ended::Returned(_)) = (scope.pending, &outcome) {
            let pending = self.ops.get(&op).map(|pending| pending.name.clone()).unwrap_or_default();
            overlay.outputs.push_back(Output::Misuse { op: None, misuse: Misuse::EntryPending { pending } });
            return;
        }
        // Code that throws before it has come to what is recorded is other code than that which recorded it.
        if unvisited > 0 {
            let divergence = self.history.diverged(node, id, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.close_scope(overlay, id);
        let mut writing = self.begin(overlay);
        let outcome = match outcome {
            Ended::Returned(output) => {
                writing.writer.completed(output.as_ref());
                RunOutcome::Completed(output)
            }
            Ended::Threw(failure) => {
                writing.writer.failed(&failure);
                RunOutcome::Failed(failure)
            }
        };
        self.clear();
        self.phase = Phase::Ending(outcome);
        let seq = self.commit(overlay, writing);
        if overlay.after(seq, Gated::End).is_some() {
            self.end(overlay);
        }
    }

    /// The run's end is durable.
    pub fn end(&mut self, overlay: &mut Overlay) {
        let Phase::Ending(outcome) = &self.phase else { return };
        let outcome = outcome.clone();
        self.phase = Phase::Ended(outcome.clone());
        if let (RunOutcome::Failed(failure), true) = (&outcome, self.start.reports) {
            let event = FailureEvent { step: None, attempt: 1, retry_at: None, failure: failure.clone() };
            overlay.outputs.push_back(Output::Report { report: RUN_REPORT, event });
        }
        overlay.outputs.push_back(Output::RunEnded(outcome));
    }

    /// The code does not match: leave everything as it is, and try again later or with other code.
    fn park(&mut self, overlay: &mut Overlay, divergence: Divergence) {
        let aborted: Vec<ScopeId> = self.scopes.keys().copied().collect();
        aborted.into_iter().for_each(|scope| self.close_scope(overlay, scope));
        self.clear();
        self.parks += 1;
        let wait = PARK_MS.saturating_mul(1 << self.parks.saturating_sub(1).min(16)).min(PARK_MAX_MS);
        self.phase = Phase::Parked { until: overlay.now.saturating_add(wait) };
        let mut writing = overlay.begin();
        writing.writer.parked(self.parks, self.start.code_version);
        overlay.commit(writing, self.standing());
        overlay.outputs.push_back(Output::Parked(divergence));
    }

    fn diverged(&mut self, overlay: &mut Overlay, scope: ScopeId, mismatch: Mismatch) {
        let Some(node) = self.scopes.get(&scope).map(|scope| scope.node) else { return };
        let divergence = self.history.diverged(node, scope, mismatch);
        self.park(overlay, divergence);
    }
}

impl Pending {
    fn outcome(&mut self) -> &mut Option<Fact> {
        match &mut self.kind {
            Kind::Step { outcome, .. }
            | Kind::Sleep { outcome, .. }
            | Kind::Next { outcome, .. }
            | Kind::Loop { outcome, .. } => outcome,
        }
    }

    /// When the operation can go on if nothing comes in.
    fn wake(&self) -> Wake {
        let deadline = self.deadline.map_or(Wake::Never, Wake::At);
        match &self.kind {
            Kind::Step { outcome: Some(Fact::Retry { retry_at, .. }), .. } => Wake::At(*retry_at),
            Kind::Step { phase: StepPhase::Waiting, .. } => deadline,
            Kind::Step { .. } => Wake::Now,
            Kind::Sleep { outcome, .. } | Kind::Next { outcome, .. } => {
                outcome.as_ref().map_or(deadline, |_| Wake::Now)
            }
            Kind::Loop { outcome, .. } => outcome.as_ref().map_or(Wake::Never, |_| Wake::Now),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Now,
    At(Time),
    Never,
}

/// What became of an attempt's writes, with the verdict sent where the attempt has to run again.
pub enum Judged {
    Passed {
        wrote: bool,
    },
    Again,
    Hold,
    /// The delta does not fit the state that it was judged against: a defect of the adapter.
    Broken(Failure),
}

pub fn settle_writes(overlay: &mut Overlay, attempt: Attempt, writes: &crate::input::Writes) -> Judged {
    use crate::overlay::Settled;
    match overlay.settle(attempt, writes) {
        Ok(Settled::Passed) => {
            let wrote = !writes.sends.is_empty() || writes.cells.iter().any(|cell| cell.delta.is_some());
            Judged::Passed { wrote }
        }
        Ok(Settled::Hold) => Judged::Hold,
        Ok(Settled::Conflict { path, alone }) => {
            overlay.verdict(attempt, Verdict::Conflict { path, alone });
            Judged::Again
        }
        Err(error) => Judged::Broken(Failure {
            kind: FailureKind::Critical,
            name: "PawlError".into(),
            message: format!("what the attempt wrote does not fit the state: {error}"),
            stack: None,
            fields: None,
        }),
    }
}
