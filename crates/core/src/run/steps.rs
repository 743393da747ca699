//! Steps, and the handlers that undo them: does what the step machine says.

use bytes::Bytes;

use super::entry::{Place, metadata, recorded_failure, signed, unsigned};
use super::facts::{Fact, What};
use super::{Judged, Kind, Run, StepPhase, Wake, settle_writes};
use crate::codec::record::{EntryKind, EntryStatus};
use crate::failure::{Failure, FailureKind, Terminal};
use crate::history::{NodeId, Recorded};
use crate::input::{Input, OpId, Outcome, ScopeId, StepTraits, Time, Writes};
use crate::output::{AbortReason, Attempt, Output, UNDOES, Value, Verdict};
use crate::overlay::{Held, Overlay};
use crate::retry::Policy;
use crate::step::{Step, StepAction, StepInput};

impl Run {
    pub(super) fn step(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        name: String,
        (policy, traits): (Policy, StepTraits),
        begun: Option<Time>,
    ) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Step { .. });
        let Some(place) = self.enter(overlay, scope, op, ("step", &name), expects) else {
            return stop_begun(overlay, op, begun);
        };
        let (place, step) = match place {
            Place::New(place) => (place, Step::New),
            Place::Recorded(place) => (place, self.history.get(place).map_or(Step::New, recorded_step)),
        };
        let phase = StepPhase::Waiting;
        self.pend(
            scope,
            op,
            place,
            name,
            Kind::Step { step, policy, phase, traits, undoes: false, failed_here: false },
        );
        if step == Step::Completed {
            self.adopt_row(place, traits);
        }
        self.find_handler(op, place, policy, traits);
        if self.is_rebuilding() && !matches!(step, Step::Completed | Step::Terminal(_)) {
            stop_begun(overlay, op, begun);
            return self.set_wake(op, Wake::Never);
        }
        match begun {
            Some(at) if step == Step::New && !traits.exclusive => self.take_begun(overlay, op, at),
            _ => {
                stop_begun(overlay, op, begun);
                self.step_input(overlay, op, StepInput::Call);
            }
        }
    }

    /// The body of a new step runs already: its first attempt has begun at this time.
    fn take_begun(&mut self, overlay: &Overlay, op: OpId, at: Time) {
        let at = overlay.by_own_clock(at);
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let Kind::Step { step, policy, phase, .. } = &mut pending.kind else { return };
        (*step, *phase) = (step.on(StepInput::Call, policy, at).0, StepPhase::Executing);
        if let Some(timeout) = policy.timeout_ms {
            self.arm(op, at.saturating_add(timeout));
        }
    }

    /// Feeds the machine, keeps its new state, and does what needs nothing but the state.
    pub(super) fn step_input(&mut self, overlay: &mut Overlay, op: OpId, input: StepInput) -> StepAction {
        let Some(pending) = self.ops.get_mut(&op) else { return StepAction::Ignore };
        let place = pending.place;
        let Kind::Step { step, policy, .. } = &mut pending.kind else { return StepAction::Ignore };
        let (next, action) = step.on(input, policy, overlay.now);
        *step = next;
        match action {
            StepAction::Execute { attempts } => self.execute(overlay, op, attempts),
            StepAction::Wait { retry_at } => {
                self.arm(op, retry_at);
                self.set_wake(op, Wake::At(retry_at));
            }
            StepAction::Resolve => {
                if let Some(fact) =
                    self.history.get(place).map(|recorded| fact_of(recorded, What::Resolve(step_output(recorded))))
                {
                    self.answer(overlay, op, fact);
                }
            }
            StepAction::Reject => self.reject_recorded(overlay, op, place),
            StepAction::RecordTerminal(terminal) if input == StepInput::Call => {
                self.exhaust_recorded(overlay, op, place, terminal);
            }
            _ => {}
        }
        action
    }

    fn execute(&mut self, overlay: &mut Overlay, op: OpId, attempts: u32) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let place = pending.place;
        let Kind::Step { policy, phase, undoes, traits, .. } = &mut pending.kind else { return };
        let (timeout, undoes) = (policy.timeout_ms, *undoes);
        if traits.exclusive && !undoes && !overlay.claim(Attempt::Step { op, attempt: attempts }) {
            *phase = StepPhase::Queued;
            self.set_wake(op, Wake::Now);
            return self.disarm(op);
        }
        *phase = StepPhase::Executing;
        overlay.outputs.push_back(if undoes {
            let (attempted, output) = self.to_undo(place);
            Output::Undo { op, attempt: attempts | UNDOES, attempted, output }
        } else {
            Output::Execute { op, attempt: attempts }
        });
        self.set_wake(op, Wake::Now);
        match timeout.filter(|_| !self.start.guarded) {
            Some(timeout) => self.arm(op, overlay.now.saturating_add(timeout)),
            None => self.disarm(op),
        }
    }

    /// The body of an attempt was kept waiting, and begins.
    pub(super) fn begun(&mut self, overlay: &Overlay, op: OpId, attempt: u32) {
        if !self.is_executing(op, attempt) {
            return;
        }
        let timeout = self.ops.get(&op).and_then(|pending| match &pending.kind {
            Kind::Step { policy, .. } => policy.timeout_ms,
            _ => None,
        });
        if let Some(timeout) = timeout {
            self.arm(op, overlay.now.saturating_add(timeout));
        }
    }

    /// It is the turn of an exclusive attempt, if there still is one.
    pub(super) fn alone(&mut self, overlay: &mut Overlay, op: OpId, attempt: u32) {
        let waits = self.ops.get(&op).is_some_and(|pending| {
            matches!(pending.kind, Kind::Step { step: Step::Running { attempts, .. }, phase: StepPhase::Queued, .. }
                if attempts == attempt)
        });
        if waits {
            if let Some(Kind::Step { step, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
                *step = Step::Running { attempts: attempt, started_at: overlay.now };
            }
            self.execute(overlay, op, attempt);
        } else {
            overlay.gave_up(Attempt::Step { op, attempt });
        }
    }

    fn reject_recorded(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId) {
        let Some(recorded) = self.history.get(place) else { return };
        let (terminal, failure) = recorded_failure(recorded);
        let attempts = recorded.metadata.as_ref().map_or(1, |metadata| metadata.attempts);
        let fact = fact_of(recorded, What::Reject { terminal, attempts, failure, reported: true });
        self.answer(overlay, op, fact);
    }

    /// A failure that was to be tried again is terminal under the policy of today.
    fn exhaust_recorded(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, terminal: Terminal) {
        let Some(recorded) = self.history.get(place) else { return };
        let failure = recorded_failure(recorded).1;
        let attempts = recorded.metadata.as_ref().map_or(1, |metadata| metadata.attempts);
        let failed = Failed { attempt: attempts, failure, retry_at: None, reported: true };
        let Some(step) = self.running(op) else { return };
        self.record_failure(overlay, op, step, failed, StepAction::RecordTerminal(terminal));
    }

    /// The body of an attempt has ended.
    pub(super) fn settle(&mut self, overlay: &mut Overlay, op: OpId, attempt: u32, outcome: Outcome) {
        let id = Attempt::Step { op, attempt };
        if !self.is_executing(op, attempt) {
            overlay.gave_up(id);
            return overlay.verdict(id, Verdict::Stale);
        }
        let (number, attempt) = (attempt, attempt & !UNDOES);
        match outcome {
            Outcome::Threw { failure, retry_at, .. } => {
                overlay.gave_up(id);
                self.failed(overlay, op, Failed { attempt, failure, retry_at, reported: false });
            }
            Outcome::Done { .. } if self.would_overflow(op) => {
                overlay.gave_up(id);
                overlay.verdict(id, Verdict::Stale);
                let failure = compensation_limit();
                self.failed(overlay, op, Failed { attempt, failure, retry_at: None, reported: false });
            }
            Outcome::Done { output, writes } => match settle_writes(overlay, id, &writes) {
                Judged::Passed { .. } => self.succeed(overlay, op, attempt, output, writes),
                Judged::Again => self.execute(overlay, op, attempt),
                Judged::Hold => {
                    self.disarm(op);
                    let input = Input::Settle { op, attempt: number, outcome: Outcome::Done { output, writes } };
                    overlay.hold(Held { attempt: id, since: overlay.now, input });
                }
                Judged::Broken(failure) => {
                    overlay.verdict(id, Verdict::Stale);
                    self.failed(overlay, op, Failed { attempt, failure, retry_at: None, reported: false });
                }
            },
        }
    }

    fn is_executing(&self, op: OpId, attempt: u32) -> bool {
        self.ops.get(&op).is_some_and(|pending| {
            matches!(pending.kind, Kind::Step { step: Step::Running { attempts, .. }, phase: StepPhase::Executing, undoes, .. }
                if numbered(attempts, undoes) == attempt)
        })
    }

    fn would_overflow(&self, op: OpId) -> bool {
        let traits = self.ops.get(&op).and_then(|pending| match &pending.kind {
            Kind::Step { traits, undoes: false, .. } => Some((pending.place, *traits)),
            _ => None,
        });
        traits.is_some_and(|(place, traits)| traits.undo && self.stack.is_full() && !self.is_on_stack(place))
    }

    fn succeed(&mut self, overlay: &mut Overlay, op: OpId, attempt: u32, output: Option<Bytes>, writes: Writes) {
        let Some(step) = self.running(op) else { return };
        let wrote = writes.cells.iter().any(|cell| cell.delta.is_some());
        self.step_input(overlay, op, StepInput::Succeeded);
        let seq = overlay.queued() + 1;
        if !step.undoes {
            let old_error = self.history.get(step.place).and_then(|recorded| match &recorded.entry.kind {
                EntryKind::Step { error, .. } => error.clone(),
                _ => None,
            });
            self.record(overlay, step.place, seq, EntryKind::Step { output, error: old_error });
            if let Some(recorded) = self.history.get_mut(step.place) {
                recorded.retry_at = None;
            }
            self.note_attempt(overlay, &step, attempt, EntryStatus::Completed, None);
        } else {
            self.note_undone(overlay, step.place);
        }
        let mut writing = self.begin(overlay);
        self.write_entry(&mut writing, step.place);
        if step.undoes {
            self.pop_row(&mut writing, step.place)
        } else {
            self.push_row(&mut writing, op, &step, false)
        }
        overlay.write(&mut writing, writes);
        // Among others that run side by side, its place in their order must be that of its commit.
        writing.lazy = step.traits.ephemeral && self.leaves <= 1;
        let (lazy, verdict_seq) = (writing.lazy, seq);
        self.settled(op);
        let seq = self.commit(overlay, writing);
        let verdict = if wrote { Verdict::Queued { seq: verdict_seq } } else { Verdict::Clean };
        overlay.verdict(Attempt::Step { op, attempt: numbered(attempt, step.undoes) }, verdict);
        let what = What::Resolve(Value::Kept);
        if lazy {
            let fact = Fact { what, commit: seq, at: overlay.now };
            self.answer(overlay, op, fact);
        } else {
            self.finish_after(overlay, op, seq, what);
        }
    }

    pub(super) fn failed(&mut self, overlay: &mut Overlay, op: OpId, failed: Failed) {
        let Some(step) = self.running(op) else { return };
        let input = StepInput::Failed { kind: failed.failure.kind, not_before: failed.retry_at };
        let action = self.step_input(overlay, op, input);
        self.record_failure(overlay, op, step, failed, action);
    }

    /// The failure record is all that a failed attempt writes.
    fn record_failure(&mut self, overlay: &mut Overlay, op: OpId, step: Running, failed: Failed, action: StepAction) {
        let Failed { attempt, failure, retry_at: asked, reported } = failed;
        let (terminal, status, what) = match action {
            StepAction::RecordFailure { retry_at } => {
                (None, EntryStatus::Failed, What::Retry { retry_at, failure: failure.clone(), attempts: attempt })
            }
            StepAction::RecordTerminal(terminal) => {
                let what = What::Reject { terminal, attempts: attempt, failure: failure.clone(), reported };
                (Some(terminal), EntryStatus::Exhausted, what)
            }
            _ => return,
        };
        let wake = match &what {
            What::Retry { retry_at, .. } => Wake::At(*retry_at),
            _ => Wake::Now,
        };
        let mut writing;
        if step.undoes {
            self.note_undo_failure(step.place, &failure, asked);
            writing = self.begin(overlay);
            self.write_entry(&mut writing, step.place);
            self.write_undo_failure(&mut writing, step.place, attempt, terminal.is_some(), failure);
        } else {
            let seq = overlay.queued() + 1;
            let text = failure.text();
            self.record(overlay, step.place, seq, EntryKind::Step { output: None, error: Some(text.clone()) });
            self.note_attempt(overlay, &step, attempt, status, Some(text));
            if let Some(recorded) = self.history.get_mut(step.place) {
                recorded.failure = Some(Box::new((terminal, failure)));
                recorded.retry_at = asked;
            }
            writing = self.begin(overlay);
            self.write_entry(&mut writing, step.place);
            self.push_row(&mut writing, op, &step, true);
        }
        self.settled(op);
        if let Some(Kind::Step { failed_here, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            *failed_here = true;
        }
        self.set_wake(op, wake);
        let seq = self.commit(overlay, writing);
        self.finish_after(overlay, op, seq, what);
    }

    fn settled(&mut self, op: OpId) {
        self.disarm(op);
        if let Some(Kind::Step { phase, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            *phase = StepPhase::Settled;
        }
    }

    /// The deadline of a step has passed: its body took too long, or its next attempt is due.
    pub(super) fn step_due(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(pending) = self.ops.get(&op) else { return };
        match &pending.kind {
            Kind::Step {
                step: Step::Running { attempts, .. }, phase: StepPhase::Executing, policy, undoes, ..
            } => {
                let (attempt, timeout_ms) = (*attempts, policy.timeout_ms.unwrap_or(0));
                let number = numbered(attempt, *undoes);
                let failure = Failure::timed_out(&pending.name, timeout_ms);
                overlay.gave_up(Attempt::Step { op, attempt: number });
                let reason = AbortReason::TimedOut { timeout_ms };
                overlay.outputs.push_back(Output::Abort { op, attempt: number, reason });
                self.failed(overlay, op, Failed { attempt, failure, retry_at: None, reported: false });
            }
            Kind::Step { phase: StepPhase::Waiting, .. } => drop(self.step_input(overlay, op, StepInput::Due)),
            _ => {}
        }
    }

    fn running(&self, op: OpId) -> Option<Running> {
        let pending = self.ops.get(&op)?;
        let Kind::Step { step, policy, traits, undoes, .. } = &pending.kind else { return None };
        let started_at = match step {
            Step::Running { started_at, .. } | Step::Failed { started_at, .. } => Some(*started_at),
            _ => None,
        };
        Some(Running { place: pending.place, started_at, traits: *traits, undoes: *undoes, policy: *policy })
    }

    fn note_attempt(
        &mut self,
        overlay: &Overlay,
        step: &Running,
        attempts: u32,
        status: EntryStatus,
        error: Option<String>,
    ) {
        let Some(recorded) = self.history.get_mut(step.place) else { return };
        let started_at = step.started_at.unwrap_or(overlay.now);
        let metadata = recorded.metadata.get_or_insert_with(|| metadata(started_at));
        (metadata.status, metadata.attempts, metadata.error) = (status, attempts, error);
        if let Some(started_at) = step.started_at {
            metadata.last_attempt_at_ms = unsigned(started_at);
        }
        if status == EntryStatus::Completed {
            metadata.completed_at_ms = Some(unsigned(overlay.now));
        }
    }
}

/// A body that should not have begun: nothing that it does counts.
fn stop_begun(overlay: &mut Overlay, op: OpId, begun: Option<Time>) {
    if begun.is_some() {
        overlay.outputs.push_back(Output::Abort { op, attempt: 1, reason: AbortReason::Cancelled });
    }
}

/// A failure that is being recorded.
pub(super) struct Failed {
    pub attempt: u32,
    pub failure: Failure,
    /// When the body asks to be tried again.
    pub retry_at: Option<Time>,
    /// Whether the hook has heard of it already.
    pub reported: bool,
}

/// A step whose attempt is being recorded.
pub(super) struct Running {
    pub place: NodeId,
    pub started_at: Option<i64>,
    pub traits: StepTraits,
    pub undoes: bool,
    pub policy: Policy,
}

/// The number by which the adapter knows an attempt.
pub(super) fn numbered(attempts: u32, undoes: bool) -> u32 {
    if undoes { attempts | UNDOES } else { attempts }
}

/// The machine's state of a step that is in the history.
pub(super) fn recorded_step(recorded: &Recorded) -> Step {
    let EntryKind::Step { output, .. } = &recorded.entry.kind else { return Step::New };
    let Some(metadata) = &recorded.metadata else {
        return if output.is_some() { Step::Completed } else { Step::New };
    };
    let (attempts, started_at) = (metadata.attempts, signed(metadata.last_attempt_at_ms));
    match metadata.status {
        EntryStatus::Completed => Step::Completed,
        _ if output.is_some() => Step::Completed,
        EntryStatus::Exhausted => Step::Terminal(recorded_failure(recorded).0),
        EntryStatus::Failed => Step::Failed { attempts, started_at, not_before: recorded.retry_at },
        EntryStatus::Running => Step::Running { attempts, started_at },
        EntryStatus::Pending => Step::New,
    }
}

fn fact_of(recorded: &Recorded, what: What) -> Fact {
    Fact { what, commit: recorded.commit, at: recorded.at }
}

fn compensation_limit() -> Failure {
    Failure {
        kind: FailureKind::Critical,
        name: "CompensationLimitError".into(),
        message: format!("the run has {} steps to undo, and may not have more", crate::compensation::STACK_LIMIT),
        stack: None,
        fields: None,
    }
}

pub(super) fn step_output(recorded: &Recorded) -> Value {
    match &recorded.entry.kind {
        EntryKind::Step { output: Some(output), .. } => Value::Encoded(output.clone()),
        _ => Value::Nothing,
    }
}
