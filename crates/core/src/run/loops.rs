//! Loops: does what the scope machine says.

use bytes::Bytes;

use super::entry::{Place, metadata, present, unsigned};
use super::facts::What;
use super::{Kind, Run, Wake};
use crate::codec::change::Record;
use crate::codec::record::{Entry, EntryKind, EntryStatus};
use crate::history::{History, Mismatch, NodeId};
use crate::input::{Iterated, OpId, ScopeId};
use crate::output::{Misuse, Output, Value};
use crate::overlay::Overlay;
use crate::scope::{LoopAction, LoopInput, LoopScope};

/// How many iterations may begin one after another before the core is asked for the next.
const ITERATIONS_AHEAD: u32 = 128;

impl Run {
    pub(super) fn enter_loop(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        name: String,
        first: Option<Bytes>,
        keep: (u32, u32),
    ) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Loop { .. });
        let Some(place) = self.enter(overlay, scope, op, ("loop", &name), expects) else { return };
        let (place, state) = match place {
            Place::New(place) => (place, LoopScope::New),
            Place::Recorded(place) => (place, self.recorded_loop(place)),
        };
        self.pend(scope, op, place, name, Kind::Loop { state, keep, scope: None, ahead: 0, begun: None });
        if self.is_rebuilding() {
            return self.rebuild_loop(overlay, op, place, state);
        }
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
                if iteration > 0 && iteration % keep.1.max(1) == 0 {
                    self.prune(place, iteration, keep.0);
                }
                self.iterate(overlay, op, place, iteration, shown);
            }
            LoopAction::Run(iteration) => self.iterate(overlay, op, place, iteration, shown),
            LoopAction::RecordOutput => self.complete_loop(overlay, op, place, value),
            LoopAction::Resolve => {
                let value = self.loop_output(place);
                self.answer_recorded(overlay, op, place, value);
            }
            LoopAction::Reject => self.answer_now(overlay, op, What::Rethrow),
            LoopAction::Ignore => {}
        }
    }

    fn iterate(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, iteration: u32, state: Value) {
        self.set_wake(op, Wake::Never);
        let node = self.history.iteration(place, iteration);
        if let Some(Kind::Loop { scope, ahead, begun, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind)
            && let Some(begun) = begun.take()
        {
            (*scope, *ahead) = (Some(begun), *ahead - 1);
            return self.open_scope_as(begun, node, Some(op));
        }
        let inner = self.open_scope(node, Some(op));
        let replaying = self.is_replaying(inner);
        let kept = self.keep_scopes(inner, place, iteration);
        if let Some(Kind::Loop { scope, ahead, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            (*scope, *ahead) = (Some(inner), kept);
        }
        overlay.outputs.push_back(Output::Iterate { op, scope: inner, state, replaying, ahead: kept });
    }

    /// Keeps numbers for the scopes of the next iterations, if these may begin before they are asked for: nothing can come between
    /// while a single callback runs, and there is nothing to find out about iterations of which nothing is recorded.
    fn keep_scopes(&mut self, scope: ScopeId, place: NodeId, iteration: u32) -> u32 {
        let is_forked = self.scopes.get(&scope).is_none_or(|scope| scope.is_forked());
        if is_forked || self.is_rebuilding() || self.history.last_iteration(place).is_some_and(|last| last > iteration)
        {
            return 0;
        }
        self.next_scope += u64::from(ITERATIONS_AHEAD);
        ITERATIONS_AHEAD
    }

    /// The loop and the number of an iteration that is to be, by the number that is kept for its scope.
    pub(super) fn kept_scope(&self, id: ScopeId) -> Option<(NodeId, u32)> {
        self.ops.values().find_map(|pending| match &pending.kind {
            Kind::Loop { state: LoopScope::Iterating(now), scope: Some(scope), ahead, .. }
                if id > *scope && id - scope <= u64::from(*ahead) =>
            {
                Some((pending.place, now.saturating_add((id - scope) as u32)))
            }
            _ => None,
        })
    }

    /// The adapter has begun the next iteration by itself.
    fn note_begun(&mut self, op: OpId, after: ScopeId) {
        if let Some(Kind::Loop { ahead: 1.., begun, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            *begun = Some(after + 1);
        }
    }

    /// Looks for handlers in the iterations that hold something to undo, and in the one that is not over.
    fn rebuild_loop(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, state: LoopScope) {
        self.set_wake(op, Wake::Never);
        let mut iterations: Vec<u32> = self.history.iterations_with_rows(place).iter().map(|(n, _)| *n).collect();
        if let LoopScope::Iterating(current) = state
            && !iterations.contains(&current)
        {
            // The code may have left it by throwing, and gone on.
            iterations.push(current);
        }
        for iteration in iterations {
            let known = self.iteration_states.get(&(place, iteration)).cloned();
            let shown = known.map_or_else(|| self.loop_value(place), Value::Encoded);
            self.iterate(overlay, op, place, iteration, shown);
        }
        if state == LoopScope::Completed {
            let value = self.loop_output(place);
            self.answer_recorded(overlay, op, place, value);
        }
    }

    /// Drops iterations that are past, `keep` of them excepted, with the run's next change.
    fn prune(&mut self, place: NodeId, iteration: u32, keep: u32) {
        let Some(from) = self.history.first_iteration(place) else { return };
        let to = iteration.saturating_sub(keep);
        if from >= to {
            return;
        }
        let location = self.history.location(place).clone();
        let entry_ids = self.dropped_ids(|history, dropped| history.drop_iterations(place, from, to, dropped));
        self.noted_records.push(Record::Dropped { location, iterations: Some((from, to)), entry_ids });
    }

    /// Drops something, and lists what was dropped if a host keeps a row for each.
    pub(super) fn dropped_ids(&mut self, drop: impl FnOnce(&mut History, &mut dyn FnMut(&Entry))) -> Vec<String> {
        let is_embedded = self.start.embedded.is_some();
        let mut ids = Vec::new();
        drop(&mut self.history, &mut |entry: &Entry| {
            if is_embedded {
                ids.push(entry.id.clone());
            }
        });
        ids
    }

    /// The callback of an iteration has ended.
    pub(super) fn iterated(&mut self, overlay: &mut Overlay, id: ScopeId, outcome: Iterated) {
        let Some(scope) = self.scopes.get(&id) else { return };
        let (Some(op), node, unvisited) = (scope.parent, scope.node, scope.unvisited) else { return };
        let threw = outcome == Iterated::Threw;
        if let (Some(pending), false) = (scope.pending, threw) {
            let pending = self.ops.get(&pending).map(|pending| pending.name.clone()).unwrap_or_default();
            overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse: Misuse::EntryPending { pending } });
            self.close_scope(overlay, id, &mut Vec::new());
            return self.answer_now(overlay, op, What::Rethrow);
        }
        if self.is_rebuilding() {
            let round = self.iteration_of(id).zip(self.history.parent(node));
            let is_current = round.is_some_and(|(round, place)| self.history.is_in_round(place, round));
            self.close_scope(overlay, id, &mut Vec::new());
            if threw && is_current {
                self.answer_now(overlay, op, What::Rethrow);
            }
            return;
        }
        if unvisited > 0 && self.checks_scope(threw) {
            let divergence = self.history.diverged(node, id, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.close_scope(overlay, id, &mut Vec::new());
        match outcome {
            Iterated::Continue(state) => self.loop_input(overlay, op, LoopInput::Continue, state, Value::Kept),
            Iterated::Ahead(state) => {
                self.note_begun(op, id);
                self.loop_input(overlay, op, LoopInput::Continue, state, Value::Kept);
            }
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
        let iteration = self.recorded_iteration(place).saturating_add(1);
        if let Some(Kind::Loop { keep, .. }) = self.ops.get(&op).map(|pending| &pending.kind) {
            let keep = *keep;
            self.prune(place, iteration, keep.0);
        }
        let commit = overlay.queued() + 1;
        if let Some(recorded) = self.history.get_mut(place) {
            (recorded.commit, recorded.at) = (commit, overlay.now);
        }
        let writing = self.begin(overlay);
        self.fulfil(overlay, op, writing, Value::Kept);
    }

    fn recorded_iteration(&self, place: NodeId) -> u32 {
        match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Loop { iteration, .. }) => *iteration,
            _ => 0,
        }
    }

    /// Whether what is recorded in a scope must have been come to at its end. An embedding host's scopes are only checked if
    /// they went well.
    pub(super) fn checks_scope(&self, threw: bool) -> bool {
        !threw || self.start.embedded.is_none_or(|embedded| embedded.frontier)
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
