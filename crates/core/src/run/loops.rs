//! Loops: does what the scope machine says.

use bytes::Bytes;

use super::entry::{Place, metadata, present, unsigned};
use super::{Fact, Kind, Run};
use crate::codec::record::{EntryKind, EntryStatus};
use crate::history::{Mismatch, NodeId};
use crate::input::{Iterated, OpId, ScopeId};
use crate::output::{Misuse, Output, Value};
use crate::overlay::Overlay;
use crate::scope::{LoopAction, LoopInput, LoopScope};

impl Run {
    pub(super) fn enter_loop(
        &mut self,
        overlay: &mut Overlay,
        scope: ScopeId,
        op: OpId,
        name: String,
        first: Option<Bytes>,
        keep: u32,
    ) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Loop { .. });
        let Some(place) = self.enter(overlay, scope, op, ("loop", &name), expects) else { return };
        let (place, state) = match place {
            Place::New(place) => (place, LoopScope::New),
            Place::Recorded(place) => (place, self.recorded_loop(place)),
        };
        self.pend(scope, op, place, name, Kind::Loop { state, keep, scope: None, outcome: None });
        let shown = match state {
            LoopScope::New => Value::Encoded(present(first.clone())),
            _ => self.loop_value(place),
        };
        self.loop_input(overlay, op, LoopInput::Call, first, shown);
    }

    /// Feeds the machine and does what it says. `value` is the state or the output that the input brings; `shown` is what
    /// the next iteration is called with.
    fn loop_input(&mut self, overlay: &mut Overlay, op: OpId, input: LoopInput, value: Option<Bytes>, shown: Value) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let place = pending.place;
        let Kind::Loop { state, keep, .. } = &mut pending.kind else { return };
        let keep = *keep;
        let (next, action) = state.on(input);
        *state = next;
        match action {
            LoopAction::NoteAndRun(iteration) => {
                self.note_loop(overlay, place, iteration, present(value));
                if let Some(old) = iteration.checked_sub(keep.max(1)) {
                    self.history.drop_iteration(place, old);
                }
                self.iterate(overlay, op, place, iteration, shown);
            }
            LoopAction::Run(iteration) => self.iterate(overlay, op, place, iteration, shown),
            LoopAction::RecordOutput => self.complete_loop(overlay, op, place, value),
            LoopAction::Resolve => {
                let value = self.loop_output(place);
                self.finish(overlay, op, Fact::Resolve(value));
            }
            LoopAction::Reject => self.finish(overlay, op, Fact::Rethrow),
            LoopAction::Ignore => {}
        }
    }

    fn iterate(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, iteration: u32, state: Value) {
        let node = self.history.iteration(place, iteration);
        let inner = self.open_scope(node, Some(op));
        if let Some(Kind::Loop { scope, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            *scope = Some(inner);
        }
        overlay.outputs.push_back(Output::Iterate { op, scope: inner, state });
    }

    /// The callback of an iteration has ended.
    pub(super) fn iterated(&mut self, overlay: &mut Overlay, id: ScopeId, outcome: Iterated) {
        let Some(scope) = self.scopes.get(&id) else { return };
        let (Some(op), node, unvisited) = (scope.parent, scope.node, scope.unvisited) else { return };
        let threw = outcome == Iterated::Threw;
        if let (Some(pending), false) = (scope.pending, threw) {
            let pending = self.ops.get(&pending).map(|pending| pending.name.clone()).unwrap_or_default();
            overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse: Misuse::EntryPending { pending } });
            self.close_scope(overlay, id);
            return self.finish(overlay, op, Fact::Rethrow);
        }
        if unvisited > 0 {
            let divergence = self.history.diverged(node, id, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.close_scope(overlay, id);
        match outcome {
            Iterated::Continue(state) => self.loop_input(overlay, op, LoopInput::Continue, state, Value::Kept),
            Iterated::Break(output) => self.loop_input(overlay, op, LoopInput::Break, output, Value::Nothing),
            Iterated::Threw => self.loop_input(overlay, op, LoopInput::Threw, None, Value::Nothing),
        }
    }

    /// Changes the loop's entry; it becomes durable with the run's next change.
    fn note_loop(&mut self, overlay: &mut Overlay, place: NodeId, iteration: u32, state: Bytes) {
        let commit = overlay.queued() + 1;
        self.record(overlay, place, commit, EntryKind::Loop { state, iteration, output: None });
        if let Some(recorded) = self.history.get_mut(place) {
            recorded.metadata.get_or_insert_with(|| metadata(overlay.now));
        }
        self.noted.insert(place);
    }

    fn complete_loop(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, output: Option<Bytes>) {
        let now = unsigned(overlay.now);
        if let Some(recorded) = self.history.get_mut(place) {
            if let EntryKind::Loop { output: recorded, .. } = &mut recorded.entry.kind {
                *recorded = output;
            }
            let metadata = recorded.metadata.get_or_insert_with(|| metadata(overlay.now));
            (metadata.status, metadata.completed_at_ms) = (EntryStatus::Completed, Some(now));
        }
        self.noted.insert(place);
        let writing = self.begin(overlay);
        if let Some(pending) = self.ops.get_mut(&op) {
            *pending.outcome() = Some(Fact::Resolve(Value::Kept));
        }
        let seq = self.commit(overlay, writing);
        self.finish_after(overlay, op, seq, Fact::Resolve(Value::Kept));
    }

    fn recorded_loop(&self, place: NodeId) -> LoopScope {
        let Some(recorded) = self.history.get(place) else { return LoopScope::New };
        let EntryKind::Loop { iteration, output, .. } = &recorded.entry.kind else { return LoopScope::New };
        let completed = recorded.metadata.as_ref().is_some_and(|metadata| metadata.status == EntryStatus::Completed);
        if completed || output.is_some() { LoopScope::Completed } else { LoopScope::Iterating(*iteration) }
    }

    fn loop_value(&self, place: NodeId) -> Value {
        match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Loop { state, .. }) => Value::Encoded(state.clone()),
            _ => Value::Nothing,
        }
    }

    fn loop_output(&self, place: NodeId) -> Value {
        match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Loop { output: Some(output), .. }) => Value::Encoded(output.clone()),
            _ => Value::Nothing,
        }
    }
}
