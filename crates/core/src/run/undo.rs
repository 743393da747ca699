//! Compensation: does what its machine says. Handlers run newest commit first, each with the policy of the step that it undoes.

use bytes::Bytes;

use super::entry::{metadata, unsigned};
use super::facts::What;
use super::steps::{Running, step_output};
use super::{Kind, Pending, Phase, Run, StepPhase, Wake};
use crate::codec::change::{Ending, Record};
use crate::codec::record::{EntryKind, EntryStatus};
use crate::compensation::{Rollback, RollbackAction, RollbackInput, Row};
use crate::failure::Failure;
use crate::history::{History, Mismatch, NodeId};
use crate::input::{OpId, ScopeId, StepTraits, Time};
use crate::key::Segment;
use crate::output::{Halt, Misuse, Output, Value};
use crate::overlay::{Overlay, Writing};
use crate::retry::Policy;
use crate::step::{Step, StepInput};

impl Run {
    pub(super) fn is_on_stack(&self, place: NodeId) -> bool {
        self.history.rows_at(place) > 0 && self.stack.rows().iter().any(|row| row.node == place)
    }

    /// A step that another engine recorded, and that has a handler: it belongs on the stack.
    pub(super) fn adopt_row(&mut self, place: NodeId, traits: StepTraits) {
        let Some(recorded) = self.history.get(place) else { return };
        let done = recorded.metadata.as_ref();
        let undone = done.is_some_and(|metadata| metadata.rollback_completed_at_ms.is_some());
        if self.start.embedded.is_none() || !traits.undo || undone || self.is_on_stack(place) {
            return;
        }
        let commit = recorded.commit;
        let history = &self.history;
        let is_older = |node: NodeId| history.get(node).is_some_and(|other| other.commit < commit);
        self.stack.adopt(Row { node: place, attempted: false }, is_older);
        self.history.mark_row(place, true);
    }

    /// The code has come to a step: if it is on the stack, this may be whoever has its handler.
    pub(super) fn find_handler(&mut self, op: OpId, place: NodeId, policy: Policy, traits: StepTraits) {
        if self.history.rows_at(place) == 0 {
            return;
        }
        let Some(row) = self.stack.rows().iter().rev().find(|row| row.node == place) else { return };
        if if row.attempted { traits.undo_attempted } else { traits.undo } {
            self.handlers.insert(place, (op, policy));
        } else {
            self.handlers.remove(&place);
        }
    }

    /// Puts a step onto the stack with the change that records it, if there is a handler for how it ended.
    pub(super) fn push_row(&mut self, writing: &mut Writing, op: OpId, step: &Running, attempted: bool) {
        let StepTraits { undo, undo_attempted, .. } = step.traits;
        let (place, wanted) = (step.place, if attempted { undo_attempted } else { undo });
        if !wanted {
            return self.pop_row(writing, place);
        }
        if !self.is_on_stack(place) {
            self.history.mark_row(place, true);
        }
        self.stack.push(Row { node: place, attempted });
        self.handlers.insert(place, (op, step.policy));
        if let Some(recorded) = self.history.get(place) {
            writing.writer.record(&Record::Pushed { entry_id: recorded.entry.id.clone(), attempted });
        }
        self.keep_iteration_states(place).iter().for_each(|record| writing.writer.record(record));
    }

    /// A rebuild calls the iterations around a step with what they were called with.
    fn keep_iteration_states(&mut self, place: NodeId) -> Vec<Record> {
        let mut kept = Vec::new();
        let mut next = self.history.parent(place);
        while let Some(at) = next {
            next = self.history.parent(at);
            let (Some(Segment::Iteration { iteration, .. }), Some(around)) = (self.history.location(at).last(), next)
            else {
                continue;
            };
            if self.iteration_states.contains_key(&(around, iteration)) {
                continue;
            }
            let Some(EntryKind::Loop { state, .. }) = self.history.get(around).map(|recorded| &recorded.entry.kind)
            else {
                continue;
            };
            let (location, state) = (self.history.location(around).clone(), state.clone());
            kept.push(Record::IterationState { location, iteration, state: state.clone() });
            self.iteration_states.insert((around, iteration), state);
        }
        kept
    }

    /// Takes a step off the stack with a change, if it is there.
    pub(super) fn pop_row(&mut self, writing: &mut Writing, place: NodeId) {
        if self.history.rows_at(place) > 0 && self.stack.pop(place) {
            self.history.mark_row(place, false);
            self.handlers.remove(&place);
            writing.writer.record(&Record::Popped { location: self.history.location(place).clone() });
        }
    }

    /// An attempt was interrupted whose effect is unknown: its step is recorded as tried, with the run's next change.
    pub(super) fn note_interrupted(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, attempts: u32) {
        let commit = overlay.queued() + 1;
        let failure = Failure::interrupted();
        let text = failure.text();
        self.record(overlay, place, commit, EntryKind::Step { output: None, error: Some(text.clone()) });
        let now = overlay.now;
        let Some(recorded) = self.history.get_mut(place) else { return };
        let metadata = recorded.metadata.get_or_insert_with(|| metadata(now));
        // An interruption uses up no attempt.
        (metadata.status, metadata.attempts, metadata.error) = (EntryStatus::Running, attempts, Some(text));
        recorded.failure = Some(Box::new((None, failure)));
        let entry_id = recorded.entry.id.clone();
        self.noted.insert(place);
        if !self.is_on_stack(place) {
            self.history.mark_row(place, true);
        }
        self.stack.push(Row { node: place, attempted: true });
        self.handlers.insert(place, (op, Policy::PATIENT));
        self.noted_pushes.push(Record::Pushed { entry_id, attempted: true });
        let states = self.keep_iteration_states(place);
        self.noted_pushes.extend(states);
    }

    /// Something has ended the run: what it did is undone first, if there is anything.
    pub(super) fn end_or_roll_back(&mut self, overlay: &mut Overlay, ending: Ending, halt: Halt) {
        self.give_up_calls(overlay);
        if self.stack.is_empty() {
            return self.finish_run(overlay, ending);
        }
        self.clear();
        self.phase = Phase::RollingBack;
        self.ending = Some(ending.clone());
        let mut writing = self.begin(overlay);
        writing.writer.record(&Record::RollingBack(ending));
        overlay.commit(writing, self.undoing_standing());
        overlay.outputs.push_back(Output::Halted { reason: halt });
        self.begin_rollback(overlay);
    }

    /// Whether there is anything to undo.
    pub(super) fn has_to_undo(&self) -> bool {
        !self.stack.is_empty()
    }

    fn undoing_standing(&self) -> crate::overlay::Standing {
        crate::overlay::Standing { status: crate::output::Status::RollingBack, alarm: Some(0) }
    }

    pub(super) fn begin_rollback(&mut self, overlay: &mut Overlay) {
        self.rollback = Rollback::Idle;
        let (known, left) = (self.knows_handlers(), self.stack.len());
        // What another engine has recorded says only in code what is undone.
        let unknown = self.start.embedded.is_some() && self.handlers.is_empty();
        let (known, left) = if unknown { (false, left.max(1)) } else { (known, left) };
        self.rollback_input(overlay, RollbackInput::Begin { known, left });
    }

    /// Whether the adapter has the handler of everything on the stack.
    fn knows_handlers(&self) -> bool {
        self.handlers.len() == self.stack.len()
    }

    fn rollback_input(&mut self, overlay: &mut Overlay, input: RollbackInput) {
        let (next, action) = self.rollback.on(input);
        self.rollback = next;
        match action {
            RollbackAction::Rebuild => self.call_workflow(overlay, true),
            RollbackAction::Undo => self.undo_newest(overlay),
            RollbackAction::Park => self.park_without_handler(overlay),
            RollbackAction::End => {
                if let Some(ending) = self.ending.take() {
                    self.finish_run(overlay, ending);
                }
            }
            RollbackAction::Wait => self.wait_for_retry(overlay),
            RollbackAction::Ignore => {}
        }
    }

    /// After each input of a rebuild: has the code come as far as it goes?
    pub(super) fn check_rebuilt(&mut self, overlay: &mut Overlay) {
        let known = self.knows_handlers();
        let is_still = self.in_user_code + self.awake == 0 && self.facts.is_empty();
        if (known && self.start.embedded.is_none()) || is_still {
            let open: Vec<ScopeId> = self.scopes.keys().copied().collect();
            open.into_iter().for_each(|scope| self.close_scope(overlay, scope, &mut Vec::new()));
            self.clear();
            overlay.outputs.push_back(Output::Halted { reason: Halt::RollingBack });
            let left = self.stack.len();
            self.rollback_input(overlay, RollbackInput::Rebuilt { known, left });
        }
    }

    fn park_without_handler(&mut self, overlay: &mut Overlay) {
        let missing = self.stack.rows().iter().rev().find(|row| !self.handlers.contains_key(&row.node)).copied();
        let Some(place) = missing.map(|row| row.node) else { return };
        let Some(operation) = self.history.operation(place) else { return };
        let scope = self.history.parent(place).unwrap_or(History::ROOT);
        let divergence = self.history.diverged(scope, ScopeId::MAX, Mismatch::NoHandler(operation));
        self.park(overlay, divergence);
    }

    fn undo_newest(&mut self, overlay: &mut Overlay) {
        self.phase = Phase::RollingBack;
        let Some(row) = self.stack.newest() else { return };
        let Some((op, policy)) = self.handlers.get(&row.node).copied() else { return };
        let name = self.history.names_of(row.node).pop().unwrap_or_default();
        let (phase, traits) = (StepPhase::Waiting, StepTraits::default());
        // An embedding host runs a handler that has failed again when it runs the workflow again.
        let once = Policy { max_retries: 0, timeout_ms: None, ..policy };
        let policy = if self.start.embedded.is_some() { once } else { policy };
        let step = self.handler_left(row.node, policy);
        let kind = Kind::Step { step, policy, phase, traits, undoes: true, failed_here: false };
        let (scope, place) = (ScopeId::MAX, row.node);
        let pending = Pending { scope, place, name, deadline: None, wake: Wake::Never, outcome: None, kind };
        self.ops.insert(op, pending);
        self.set_wake(op, Wake::Now);
        self.step_input(overlay, op, StepInput::Call);
    }

    /// How far a handler had come when the run was loaded. Its next attempt is due even if its policy allows fewer by now.
    fn handler_left(&mut self, node: NodeId, policy: Policy) -> Step {
        let is_embedded = self.start.embedded.is_some();
        let failed = self.undo_failed.take().filter(|failed| failed.node == node && !is_embedded);
        let Some(failed) = failed else { return Step::New };
        let attempts = failed.attempts.min(policy.max_retries);
        let not_before = self.history.get(node).and_then(|recorded| recorded.retry_at);
        if attempts == 0 { Step::New } else { Step::Failed { attempts, started_at: failed.at, not_before } }
    }

    /// What the handler for a step is given: whether it was only attempted, and its output.
    pub(super) fn to_undo(&self, place: NodeId) -> (bool, Value) {
        let attempted = self.stack.rows().iter().rev().any(|row| row.node == place && row.attempted);
        (attempted, self.history.get(place).map_or(Value::Nothing, step_output))
    }

    pub(super) fn note_undone(&mut self, overlay: &Overlay, place: NodeId) {
        let now = overlay.now;
        if let Some(recorded) = self.history.get_mut(place) {
            let metadata = recorded.metadata.get_or_insert_with(|| metadata(now));
            (metadata.rollback_completed_at_ms, metadata.rollback_error) = (Some(unsigned(now)), None);
        }
    }

    /// `asked`: when it asked to be tried again.
    pub(super) fn note_undo_failure(&mut self, place: NodeId, failure: &Failure, asked: Option<Time>) {
        let Some(recorded) = self.history.get_mut(place) else { return };
        recorded.retry_at = asked;
        if let Some(metadata) = recorded.metadata.as_mut() {
            metadata.rollback_error = Some(failure.text());
        }
    }

    pub(super) fn write_undo_failure(
        &self,
        writing: &mut Writing,
        place: NodeId,
        attempts: u32,
        terminal: bool,
        failure: Failure,
    ) {
        if let Some(recorded) = self.history.get(place) {
            let entry_id = recorded.entry.id.clone();
            // It is on the stack still, and says so with its entry.
            let attempted = self.stack.rows().iter().any(|row| row.node == place && row.attempted);
            writing.writer.record(&Record::Pushed { entry_id: entry_id.clone(), attempted });
            writing.writer.record(&Record::UndoFailed { entry_id, attempts, terminal, failure });
        }
    }

    /// A handler's outcome is durable.
    pub(super) fn undone(&mut self, overlay: &mut Overlay, op: OpId) {
        self.set_wake(op, Wake::Never);
        self.disarm(op);
        let Some(outcome) = self.ops.remove(&op).and_then(|pending| pending.outcome) else { return };
        let told = crate::output::Told { at: outcome.at, replaying: false };
        match outcome.what {
            What::Reject { terminal, attempts, failure, .. } => {
                overlay.outputs.push_back(Output::Reject { op, terminal, attempts, failure, told });
                self.rollback_input(overlay, RollbackInput::FailedForGood);
            }
            _ => {
                overlay.outputs.push_back(Output::Resolve { op, value: Value::Nothing, told });
                let left = self.stack.len();
                self.rollback_input(overlay, RollbackInput::Undone { left });
            }
        }
    }

    /// A handler has failed for good: the run stays as it is until someone says that it is to be tried again.
    fn wait_for_retry(&mut self, overlay: &mut Overlay) {
        let writing = self.begin(overlay);
        self.commit(overlay, writing);
    }

    /// That it is to be tried again is durable before anybody is told so: a load goes on with it.
    pub(super) fn retry_rollback(&mut self, overlay: &mut Overlay) {
        if let Some(ending) = self.ending.clone() {
            let mut writing = self.begin(overlay);
            writing.writer.record(&Record::RollingBack(ending));
            overlay.commit(writing, self.undoing_standing());
        }
        if self.knows_handlers() {
            self.rollback_input(overlay, RollbackInput::Retry);
        } else {
            self.begin_rollback(overlay);
        }
    }

    /// Whether a handler of this run has run.
    pub(super) fn was_undone(&self) -> bool {
        self.oldest_undone().is_some()
    }

    /// The oldest step that a handler has undone.
    pub(super) fn oldest_undone(&self) -> Option<NodeId> {
        let undone = |at: NodeId| {
            let metadata = self.history.get(at).and_then(|recorded| recorded.metadata.as_ref());
            metadata.is_some_and(|metadata| metadata.rollback_completed_at_ms.is_some())
        };
        self.history.by_birth().into_iter().map(|(_, at)| at).find(|at| undone(*at))
    }

    /// Undoes everything, then completes: the operation that asked for it never settles.
    pub(super) fn roll_back(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, output: Option<Bytes>) {
        let Some((node, pending)) = self.scopes.get(&scope).map(|scope| (scope.node, scope.pending)) else { return };
        if let Some(pending) = pending.and_then(|pending| self.ops.get(&pending)) {
            let misuse = Misuse::EntryInProgress { pending: pending.name.clone() };
            return overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse });
        }
        if self.is_rebuilding() {
            return self.never(scope, op, node, "rollback".to_owned());
        }
        if self.is_replaying(scope) {
            let divergence = self.history.diverged(node, scope, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.pend(scope, op, node, "rollback".to_owned(), Kind::Marker);
        let open: Vec<ScopeId> = self.scopes.keys().copied().collect();
        open.into_iter().for_each(|scope| self.close_scope(overlay, scope, &mut Vec::new()));
        self.end_or_roll_back(overlay, Ending::Completed(output), Halt::RollingBack);
    }
}
