//! How a run ends: well, failed, cancelled, or parked because the code does not match.

use super::{PARK_MAX_MS, PARK_MS, Phase, RUN_REPORT, Run};
use crate::codec::change::{Ending, Parks, Record};
use crate::compensation::Rollback;
use crate::failure::Failure;
use crate::history::{Divergence, Mismatch, NodeId};
use crate::input::{Ended, ScopeId};
use crate::output::{FailedPart, FailureEvent, Halt, Misuse, Output, RunOutcome, Status};
use crate::overlay::{Gated, Overlay};

impl Run {
    pub(super) fn ended(&mut self, overlay: &mut Overlay, id: ScopeId, outcome: Ended) {
        let Some(scope) = self.scopes.get(&id) else { return };
        if self.is_rebuilding() {
            return self.close_scope(overlay, id, &mut Vec::new());
        }
        let (node, unvisited) = (scope.node, scope.unvisited);
        if let (Some(op), Ended::Returned(_)) = (scope.pending, &outcome) {
            let pending = self.ops.get(&op).map(|pending| pending.name.clone()).unwrap_or_default();
            overlay.outputs.push_back(Output::Misuse { op: None, misuse: Misuse::EntryPending { pending } });
            return;
        }
        // Code that throws before it has come to what is recorded is other code than that which recorded it. An embedding
        // host's is checked at the end of a scope that went well.
        let checked =
            self.start.embedded.is_none_or(|embedded| embedded.frontier) || matches!(outcome, Ended::Returned(_));
        if unvisited > 0 && checked {
            let divergence = self.history.diverged(node, id, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.close_scope(overlay, id, &mut Vec::new());
        match outcome {
            Ended::Returned(output) => self.finish_run(overlay, Ending::Completed(output)),
            Ended::Threw { failure, because } => {
                let because = because.map_or_else(Vec::new, |op| self.culprits(op));
                self.fail_run(overlay, failure, because);
            }
        }
    }

    /// The workflow has failed: what is to be undone is, then the run ends.
    pub(super) fn fail_run(&mut self, overlay: &mut Overlay, failure: Failure, because: Vec<NodeId>) {
        self.ended_by = because;
        let locations = self.ended_by.iter().map(|node| self.history.location(*node).clone()).collect::<Vec<_>>();
        if !locations.is_empty() {
            self.noted_records.push(Record::EndedBy { locations });
        }
        self.end_or_roll_back(overlay, Ending::Failed(failure), Halt::RollingBack);
    }

    /// Everything is done, or undone: the end is one change.
    pub(super) fn finish_run(&mut self, overlay: &mut Overlay, ending: Ending) {
        let outcome = match ending {
            Ending::Completed(output) => RunOutcome::Completed(output),
            Ending::Failed(failure) => RunOutcome::Failed(failure),
            Ending::Cancelled(reason) => RunOutcome::Cancelled(reason),
        };
        let again = self.ended_before.take().is_some_and(|before| is_same_end(&before, &outcome));
        if again && overlay.standing().status == status_of(&outcome) {
            // A run that an embedding host runs again ends as it did: there is nothing to write.
            self.clear();
            self.phase = Phase::Ending(outcome);
            return self.end(overlay);
        }
        self.give_up_calls(overlay);
        let mut writing = self.begin(overlay);
        self.tell_watchers(overlay, &mut writing, &outcome);
        match &outcome {
            RunOutcome::Completed(output) => writing.writer.completed(output.as_ref()),
            RunOutcome::Failed(failure) => writing.writer.failed(failure),
            RunOutcome::Cancelled(reason) => writing.writer.record(&Record::Cancelled { reason: reason.clone() }),
        }
        self.clear();
        self.ending = None;
        self.rollback = Rollback::Idle;
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
            let (part, failure) = (FailedPart::Workflow, failure.clone());
            let event = FailureEvent { part, step: None, attempt: 1, retry_at: None, failure };
            overlay.outputs.push_back(Output::Report { report: RUN_REPORT, event });
        }
        overlay.outputs.push_back(Output::RunEnded(outcome));
    }

    /// The version of the code that parked it, if it is parked and that version has a name.
    pub fn parked_by(&self) -> Option<&str> {
        let is_parked = matches!(self.phase, Phase::Parked { .. });
        Some(&*self.parks.by).filter(|by| is_parked && !by.is_empty())
    }

    /// The code does not match: leave everything as it is, and try again later or with other code.
    pub(super) fn park(&mut self, overlay: &mut Overlay, divergence: Divergence) {
        let open: Vec<ScopeId> = self.scopes.keys().copied().collect();
        open.into_iter().for_each(|scope| self.close_scope(overlay, scope, &mut Vec::new()));
        self.clear();
        if self.rollback == Rollback::Rebuilding {
            self.rollback = Rollback::Idle;
        }
        self.parks = Parks { times: self.parks.times.saturating_add(1), by: self.start.code_version.clone() };
        let doublings = self.parks.times.saturating_sub(1).min(16);
        let wait = PARK_MS.saturating_mul(1 << doublings).min(PARK_MAX_MS);
        self.phase = Phase::Parked { until: overlay.now.saturating_add(wait) };
        // An embedding host is told, and nothing is written: its rows know no such state.
        if self.start.embedded.is_none() {
            let mut writing = overlay.begin();
            writing.writer.parked(&self.parks);
            overlay.commit(writing, self.standing());
        }
        overlay.outputs.push_back(Output::Parked(divergence));
    }

    pub(super) fn diverged(&mut self, overlay: &mut Overlay, scope: ScopeId, mismatch: Mismatch) {
        // A rebuild only looks for handlers: what does not match is as far as this callback goes.
        if self.is_rebuilding() {
            return self.close_scope(overlay, scope, &mut Vec::new());
        }
        let Some(node) = self.scopes.get(&scope).map(|scope| scope.node) else { return };
        let divergence = self.history.diverged(node, scope, mismatch);
        self.park(overlay, divergence);
    }
}

pub(super) fn status_of(outcome: &RunOutcome) -> Status {
    match outcome {
        RunOutcome::Completed(_) => Status::Completed,
        RunOutcome::Failed(_) => Status::Failed,
        RunOutcome::Cancelled(_) => Status::Cancelled,
    }
}

/// Whether a run has ended as before; stacks and fields of errors do not count.
pub(super) fn is_same_end(before: &RunOutcome, now: &RunOutcome) -> bool {
    match (before, now) {
        (RunOutcome::Failed(before), RunOutcome::Failed(now)) => {
            (&before.name, &before.message) == (&now.name, &now.message)
        }
        (before, now) => before == now,
    }
}
