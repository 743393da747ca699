//! One execution of a workflow: routes calls and facts to the machines and does what they say.
//!
//! Owns the scopes and pending operations of the code that is running, and the history that it replays. A pending
//! operation belongs to one scope, and a scope has at most one. What has become durable is released by the overlay.

mod ahead;
mod branches;
mod calls;
mod control;
mod ending;
mod entry;
mod facts;
mod loops;
mod markers;
mod scopes;
mod stepped;
mod steps;
mod undo;
mod waits;
mod waking;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::codec::change::{Ending, Parks, Record};
use crate::compensation::{Rollback, Stack};
use crate::failure::{Failure, FailureKind};
use crate::history::{History, NodeId};
use crate::inbox::{Message, MessageKey, SELF};
use crate::input::{Input, OpId, Outcome, ScopeId, Send, Start, StepTraits, Time};
use crate::output::{Attempt, Output, RunOutcome, Verdict};
use crate::overlay::{Held, Overlay, Standing, Writing, newest_pin};
use crate::retry::Policy;
use crate::scope::{Fork, ForkRule, LoopScope};
use crate::state::StateError;
use crate::step::Step;
use crate::timer::Timer;
use crate::wait::{Wait, Waiters};
use facts::{Fact, Facts};
use scopes::Scope;

/// The report of the workflow's own failure; operations count from 1.
const RUN_REPORT: u64 = 0;
/// A parked run is tried again after a minute, then after twice as long each time, up to an hour.
const PARK_MS: i64 = 60_000;
const PARK_MAX_MS: i64 = 3_600_000;
/// A retry that an embedding host is this early for is waited for in memory.
const EARLY_RERUN_MS: i64 = 9;
/// How many failed operations are remembered, for whoever throws their failure later on.
const FAILED_KEPT: usize = 10_000;

/// Where the run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Nobody has called the workflow's function since the actor was loaded.
    Idle,
    Running,
    /// Something has ended it, and what it did is being undone.
    RollingBack,
    /// The end is queued.
    Ending(RunOutcome),
    Ended(RunOutcome),
    Parked {
        until: Time,
    },
}

#[derive(Debug)]
struct Pending {
    scope: ScopeId,
    place: NodeId,
    name: String,
    deadline: Option<Time>,
    wake: Wake,
    /// What it tells the workflow, once that is durable and it is its turn.
    outcome: Option<Fact>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Step {
        step: Step,
        policy: Policy,
        phase: StepPhase,
        traits: StepTraits,
        /// Whether this is the handler that undoes the step.
        undoes: bool,
        /// Whether an attempt has failed since the run was loaded.
        failed_here: bool,
    },
    Sleep {
        timer: Timer,
    },
    Next {
        wait: Wait,
        names: Vec<String>,
        count: u32,
        completable: bool,
        timer: Option<(NodeId, Timer)>,
        /// What it took and has not told yet.
        taken: Vec<Message>,
    },
    Call {
        wait: Wait,
        /// The number under which it was asked.
        question: u64,
        /// The other actor.
        to: String,
    },
    Loop {
        state: LoopScope,
        /// How many past iterations stay, and after how many the others go.
        keep: (u32, u32),
        scope: Option<ScopeId>,
        /// How many iterations after the one in that scope may begin before they are asked for.
        ahead: u32,
        /// Where the next one has begun already.
        begun: Option<ScopeId>,
    },
    Fork(Box<Branches>),
    Try {
        scope: ScopeId,
    },
    /// Answered at once, or never.
    Marker,
}

/// The branches of a fork that is running.
#[derive(Debug)]
struct Branches {
    rule: ForkRule,
    state: Fork,
    concurrency: u32,
    rows: Vec<BranchRow>,
    /// The branches that run: their places among `rows`. Scopes are numbered as they open, so this is the code's order.
    scopes: BTreeMap<ScopeId, u32>,
    /// Those that have settled since the run was loaded.
    kept: BTreeSet<u32>,
    /// How many have settled since the fork was last written.
    unwritten: usize,
    next: u32,
    winner: Option<u32>,
    /// Scopes that were given up, to be told so when the decision is durable.
    cancelled: Vec<ScopeId>,
}

/// Where a branch is recorded.
#[derive(Debug, Clone, Copy)]
struct BranchRow {
    node: NodeId,
    /// Its place among the branches of the fork's entry.
    row: usize,
}

/// What the code of a step's attempt is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepPhase {
    Waiting,
    /// To run, once no other attempt runs alone.
    Queued,
    Executing,
    /// Settled; its change is not durable yet, or its failure is being reported.
    Settled,
}

/// Whether a run that waits may go on by itself when the time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asleep {
    No,
    /// Only once the adapter says so.
    Yes,
    /// The adapter has been asked.
    Asked,
}

/// When an operation can go on if nothing comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Now,
    At(Time),
    Never,
}

pub struct Run {
    pub phase: Phase,
    pub history: History,
    pub generation: u64,
    input: Option<Bytes>,
    created_at: Time,
    start: Start,
    parks: Parks,
    scopes: BTreeMap<ScopeId, Scope>,
    ops: FxHashMap<OpId, Pending>,
    deadlines: BTreeSet<(Time, OpId)>,
    /// When waiting operations can go on.
    alarms: BTreeSet<(Time, OpId)>,
    /// How many operations can go on at once, and how many callbacks are in user code.
    awake: usize,
    in_user_code: usize,
    /// How many callbacks have none of their own running.
    leaves: usize,
    waiters: Waiters,
    /// Messages that were taken and wait for an answer, by id.
    open_messages: BTreeMap<String, NodeId>,
    facts: Facts,
    /// Operations that have failed, for whoever says whose failure it was.
    failed: BTreeMap<OpId, NodeId>,
    /// Entries that changed without a change of their own: they go with the run's next one.
    noted: BTreeSet<NodeId>,
    /// Records that go with the run's next change, likewise: first those of what is to be undone.
    noted_pushes: Vec<Record>,
    noted_records: Vec<Record>,
    /// Forks whose branches have come further than is written.
    unwritten_forks: BTreeSet<OpId>,
    next_scope: ScopeId,
    stack: Stack,
    rollback: Rollback,
    /// The handler's attempt that failed last, and when, if it is to be tried again: a load goes on from there.
    undo_failed: Option<UndoFailed>,
    /// How the run ends once everything is undone.
    ending: Option<Ending>,
    /// Steps on the stack whose handler the adapter has: the operation that knows it, and its policy.
    handlers: BTreeMap<NodeId, (OpId, Policy)>,
    /// What iterations were called with that hold something on the stack.
    iteration_states: BTreeMap<(NodeId, u32), Bytes>,
    ended_by: Vec<NodeId>,
    /// The wait that was told last.
    suspended: Option<Standing>,
    asleep: Asleep,
    /// How the run had ended before an embedding host ran it again.
    ended_before: Option<RunOutcome>,
    /// Waits for which an embedding host's queue is being asked.
    asked: BTreeSet<OpId>,
    /// Ids of an embedding host's messages that are recorded or at hand.
    known_messages: Option<BTreeSet<String>>,
    /// Messages that an operation which was given up had taken and never told.
    unused: Vec<Message>,
    /// Places of calls that are not answered, as far as they are recorded.
    open_calls: BTreeSet<NodeId>,
    /// Calls that wait for their answer, by its number.
    questions: BTreeMap<u64, OpId>,
    /// Places of calls that an operation which was given up was waiting for.
    given_up: Vec<NodeId>,
    /// Messages that go with the run's next change.
    noted_sends: Vec<Send>,
    /// Who waits for the end of the run: what they sent, and whether that made the actor.
    pub watchers: BTreeMap<MessageKey, bool>,
}

/// What is known of a run when its actor is loaded.
pub struct Stored {
    pub history: History,
    pub input: Option<Bytes>,
    pub created_at: Time,
    pub phase: Phase,
    pub parks: Parks,
    pub generation: u64,
    pub stack: Stack,
    pub stuck: bool,
    pub undo_failed: Option<UndoFailed>,
    pub ending: Option<Ending>,
    pub iteration_states: BTreeMap<(NodeId, u32), Bytes>,
    pub ended_by: Vec<NodeId>,
    pub open_calls: BTreeSet<NodeId>,
    pub watchers: BTreeMap<MessageKey, bool>,
}

/// An attempt at undoing a step that has failed, and not for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoFailed {
    pub node: NodeId,
    pub attempts: u32,
    pub at: Time,
}

impl Stored {
    /// A run that is about to begin.
    pub fn new(input: Option<Bytes>, created_at: Time) -> Stored {
        Stored {
            history: History::default(),
            input,
            created_at,
            phase: Phase::Idle,
            parks: Parks::default(),
            generation: 0,
            stack: Stack::default(),
            stuck: false,
            undo_failed: None,
            ending: None,
            iteration_states: BTreeMap::new(),
            ended_by: Vec::new(),
            open_calls: BTreeSet::new(),
            watchers: BTreeMap::new(),
        }
    }
}

impl Run {
    /// Scopes are numbered from `first_scope`.
    pub fn new(stored: Stored, first_scope: ScopeId) -> Run {
        let stuck = stored.stuck && stored.ending.is_some();
        Run {
            phase: stored.phase,
            history: stored.history,
            generation: stored.generation,
            input: stored.input,
            created_at: stored.created_at,
            start: Start::default(),
            parks: stored.parks,
            scopes: BTreeMap::new(),
            ops: FxHashMap::default(),
            deadlines: BTreeSet::new(),
            alarms: BTreeSet::new(),
            awake: 0,
            in_user_code: 0,
            leaves: 0,
            waiters: Waiters::default(),
            open_messages: BTreeMap::new(),
            facts: Facts::default(),
            failed: BTreeMap::new(),
            noted: BTreeSet::new(),
            noted_pushes: Vec::new(),
            noted_records: Vec::new(),
            unwritten_forks: BTreeSet::new(),
            next_scope: first_scope,
            stack: stored.stack,
            rollback: if stuck { Rollback::Stuck } else { Rollback::Idle },
            undo_failed: stored.undo_failed,
            ending: stored.ending,
            handlers: BTreeMap::new(),
            iteration_states: stored.iteration_states,
            ended_by: stored.ended_by,
            suspended: None,
            asleep: Asleep::No,
            ended_before: None,
            asked: BTreeSet::new(),
            known_messages: None,
            unused: Vec::new(),
            open_calls: stored.open_calls,
            questions: BTreeMap::new(),
            given_up: Vec::new(),
            noted_sends: Vec::new(),
            watchers: stored.watchers,
        }
    }

    /// Whether nothing is known of the run: no input, and nothing recorded.
    pub fn is_unborn(&self) -> bool {
        self.phase == Phase::Idle && self.input.is_none() && self.history.entries_in(History::ROOT) == 0
    }

    /// Takes up what is recorded in closed scopes.
    pub fn take_up_closed(&mut self, whole: Stored) {
        let states = whole.iteration_states.iter();
        let states: Vec<_> =
            states.map(|((at, round), state)| (whole.history.location(*at).clone(), *round, state.clone())).collect();
        self.history.take_up_closed(whole.history);
        for (location, round, state) in states {
            if let Some(at) = self.history.at(&location).filter(|at| self.history.get(*at).is_some()) {
                self.iteration_states.entry((at, round)).or_insert(state);
            }
        }
    }

    pub fn set_input(&mut self, input: Option<Bytes>) {
        self.input = input;
    }

    /// Whether the run takes no more messages.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Ended(_))
    }

    /// The number of the next scope.
    pub fn next_scope(&self) -> ScopeId {
        self.next_scope
    }

    /// How the run has ended, or is about to.
    pub fn ended_as(&self) -> Option<&RunOutcome> {
        match &self.phase {
            Phase::Ending(outcome) | Phase::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The names on the way to a pending operation; an iteration is `#3`.
    pub fn path_of(&self, op: OpId) -> Option<Vec<String>> {
        let place = self.ops.get(&op)?.place;
        Some(self.history.names_of(place))
    }

    /// The names on the way to a scope, or to one for which a number is kept.
    pub fn path_of_scope(&self, scope: ScopeId) -> Option<Vec<String>> {
        let Some(open) = self.scopes.get(&scope) else {
            let (place, round) = self.kept_scope(scope)?;
            let mut path = self.history.names_of(place);
            path.push(format!("#{round}"));
            return Some(path);
        };
        Some(self.history.names_of(open.node))
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
            _ if self.asleep == Asleep::Asked => None,
            _ => self.deadlines.first().map(|(at, _)| *at),
        }
    }

    /// Whether facts wait for the adapter's event loop to come round.
    pub fn wants_pulse(&self) -> bool {
        self.facts.may_go()
    }

    /// Calls the workflow's function, unless the run has ended or is running.
    pub fn start(&mut self, overlay: &mut Overlay, start: Start) {
        self.start = start;
        overlay.hosted = self.start.embedded.is_some();
        match self.phase {
            _ if self.start.embedded.is_some_and(|embedded| embedded.controlled) => {}
            _ if !self.scopes.is_empty() => {}
            // A parked run is tried whenever it is loaded: the code may be another one.
            Phase::Idle | Phase::Parked { .. } => self.resume(overlay),
            // An embedding host runs a run that has ended again: it is answered from what is recorded.
            Phase::Ended(_) if self.runs_again() => {
                self.ended_before = self.outcome();
                self.call_workflow(overlay, false);
            }
            Phase::Ended(_) if self.start.embedded.is_some() => {
                overlay.outputs.extend(self.outcome().map(Output::RunEnded));
            }
            _ => {}
        }
    }

    fn outcome(&self) -> Option<RunOutcome> {
        match &self.phase {
            Phase::Ended(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    fn runs_again(&self) -> bool {
        self.start.embedded.is_some()
            && !self.was_undone()
            && !matches!(self.phase, Phase::Ended(RunOutcome::Cancelled(_)))
    }

    /// Goes on where the run was left.
    fn resume(&mut self, overlay: &mut Overlay) {
        match (&self.ending, self.rollback) {
            (None, _) => self.call_workflow(overlay, false),
            (Some(_), Rollback::Stuck) if self.start.embedded.is_none() => self.phase = Phase::RollingBack,
            (Some(_), _) => self.begin_rollback(overlay),
        }
    }

    /// `rebuild`: only to find handlers; nothing is decided, nothing is written.
    fn call_workflow(&mut self, overlay: &mut Overlay, rebuild: bool) {
        self.clear();
        self.phase = if rebuild { Phase::RollingBack } else { Phase::Running };
        let scope = self.open_scope(History::ROOT, None);
        let replaying = self.is_replaying(scope);
        let (input, at) = (self.input.clone(), self.created_at);
        overlay.outputs.push_back(Output::RunWorkflow { scope, input, replaying, rebuild, at });
    }

    fn is_rebuilding(&self) -> bool {
        self.rollback == Rollback::Rebuilding
    }

    fn clear(&mut self) {
        self.scopes.clear();
        self.ops.clear();
        self.deadlines.clear();
        self.alarms.clear();
        (self.awake, self.in_user_code, self.leaves) = (0, 0, 0);
        self.waiters = Waiters::default();
        self.open_messages.clear();
        self.asked.clear();
        self.facts = Facts::default();
        self.questions.clear();
        self.failed.clear();
        self.unwritten_forks.clear();
        self.suspended = None;
        self.asleep = Asleep::No;
    }

    /// After everything that an input has led to.
    pub fn settle_down(&mut self, overlay: &mut Overlay) {
        if self.is_rebuilding() {
            self.check_rebuilt(overlay);
        } else {
            if self.phase == Phase::Running && self.alarm() != Some(0) {
                overlay.hurry();
            }
            self.check_suspended(overlay);
        }
    }

    /// Routes what is the run's own.
    pub fn handle(&mut self, overlay: &mut Overlay, input: Input) {
        match input {
            Input::Step { scope, op, name, policy, traits, begun } => {
                self.step(overlay, (scope, op), name, (policy, traits), begun);
            }
            Input::Sleep { scope, op, name, until } => self.sleep(overlay, scope, op, name, until),
            Input::Next { scope, op, wait } => self.next(overlay, scope, op, wait),
            Input::Loop { scope, op, name, state, keep, every } => {
                self.enter_loop(overlay, (scope, op), name, state, (keep, every));
            }
            Input::Fork { scope, op, name, fork } => self.fork(overlay, scope, op, name, fork),
            Input::Try { scope, op, name } => self.enter_try(overlay, scope, op, name),
            Input::Version { scope, op, name, latest } => self.version(overlay, scope, op, name, latest),
            Input::Removed { scope, op, name, kind } => self.removed(overlay, scope, op, name, kind),
            Input::Checkpoint { scope, op, name } => self.checkpoint(overlay, scope, op, name),
            Input::Post { scope, op, name, body } => self.post(overlay, scope, op, name, body),
            Input::Polled { op, messages } => {
                self.go_on(overlay);
                self.polled(overlay, op, messages);
            }
            Input::Complete { op, message_id, reply } => self.complete(overlay, op, message_id, reply),
            Input::Call { scope, op, name, call } => self.call(overlay, (scope, op), name, call),
            Input::RollBack { scope, op, output } => self.roll_back(overlay, scope, op, output),
            Input::Stepped { scope, op, name, begun, ended: _, output } => {
                self.stepped(overlay, (scope, op), &name, begun, output);
            }
            Input::Begun { op, attempt } => self.begun(overlay, op, attempt),
            Input::Settle { op, attempt, outcome } => self.settle(overlay, op, attempt, outcome),
            Input::Alone { op, attempt } => self.alone(overlay, op, attempt),
            Input::Reported { report, outcome } => self.reported(overlay, report, outcome),
            Input::Iterated { scope, outcome } => self.iterated(overlay, scope, outcome),
            Input::Branched { scope, outcome } => self.branched(overlay, scope, outcome),
            Input::Left { scope, threw } => self.left(overlay, scope, threw),
            Input::Took { scope, count } => self.took(scope, count as usize),
            Input::Ended { scope, outcome } => self.ended(overlay, scope, outcome),
            Input::Tick => self.tick(overlay),
            Input::GoOn => self.go_on(overlay),
            Input::Pulse => self.pulse(overlay),
            Input::Evict => self.evict(overlay),
            Input::Suspend => self.suspend(overlay),
            Input::Cancel { call, compensate, reason } => self.cancel(overlay, call, compensate, reason),
            Input::Retry { call } => self.retry(overlay, call),
            Input::Replay { call, entry_id, writes } => self.replay(overlay, call, entry_id.as_deref(), writes),
            _ => {}
        }
    }

    /// Starts a change that holds every new name, noted entry and noted record: what is dropped comes after what keeps it
    /// from being dropped, and entries in the order in which they came into being, for a load to find them in.
    fn begin(&mut self, overlay: &mut Overlay) -> Writing {
        let mut writing = overlay.begin();
        self.history.names.record(|index, name| writing.writer.name(index, name));
        let noted = std::mem::take(&mut self.noted);
        let mut noted: Vec<(u64, NodeId)> =
            noted.into_iter().filter_map(|node| Some((self.history.get(node)?.birth, node))).collect();
        noted.sort_unstable();
        noted.into_iter().for_each(|(_, node)| self.write_entry(&mut writing, node));
        let records = std::mem::take(&mut self.noted_pushes).into_iter().chain(std::mem::take(&mut self.noted_records));
        records.for_each(|record| writing.writer.record(&record));
        for send in std::mem::take(&mut self.noted_sends) {
            overlay.send(&mut writing, SELF, send);
        }
        writing
    }

    fn commit(&mut self, overlay: &mut Overlay, writing: Writing) -> u64 {
        overlay.commit(writing, self.standing())
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
        if report != RUN_REPORT {
            self.after_report(overlay, report);
        }
    }
}

/// What became of an attempt's writes, with the verdict sent where the attempt has to run again.
pub enum Judged {
    Passed {
        wrote: bool,
    },
    Again,
    Hold,
    /// The delta does not fit the state that it was judged against: the state would be too large, or the adapter has a defect.
    Broken(Failure),
}

pub fn settle_writes(overlay: &mut Overlay, attempt: Attempt, writes: &crate::input::Writes) -> Judged {
    use crate::overlay::Settled;
    match overlay.settle(attempt, writes) {
        Ok(Settled::Passed) => {
            let sends = !writes.sends.is_empty() || !writes.rows.is_empty();
            let wrote = sends || writes.answer.is_some() || writes.cells.iter().any(|cell| cell.delta.is_some());
            Judged::Passed { wrote }
        }
        Ok(Settled::Hold) => Judged::Hold,
        Ok(Settled::Conflict { path, alone }) => {
            overlay.verdict(attempt, Verdict::Conflict { path, alone });
            Judged::Again
        }
        Err(StateError::TooLarge { size, limit, .. }) => {
            let message = format!(
                "what the attempt wrote would make the state too large.\n  found     at least {size} bytes\n  expected  at \
                 most {limit} (limits.stateBytes)\n  do        store less at once, or raise the limit"
            );
            let failure = Failure::of_pawl("value_too_large", message, "no");
            Judged::Broken(Failure { kind: FailureKind::Critical, ..failure })
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
