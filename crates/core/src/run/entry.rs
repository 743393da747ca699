//! Coming to an operation, and writing its entry.

use bytes::Bytes;

use super::facts::fact_commit;
use super::scopes::Scope;
use super::{Kind, Pending, Run, Wake};
use crate::codec::cbor;
use crate::codec::change::Record;
use crate::codec::record::{Entry, EntryKind, EntryMetadata, EntryStatus};
use crate::failure::{Failure, Terminal};
use crate::history::{BranchFailure, Mismatch, NodeId, Operation, Recorded};
use crate::input::{OpId, ScopeId, Time};
use crate::output::{Misuse, Output};
use crate::overlay::{Overlay, Writing};

/// Where an operation finds itself.
pub(super) enum Place {
    /// Something of the right kind is recorded here.
    Recorded(NodeId),
    /// Nothing is recorded here, and the code has come to everything that is.
    New(NodeId),
}

impl Run {
    /// The code starts an operation: finds its place, or says what is wrong. `expects` tells whether what is recorded
    /// there is of its kind.
    pub(super) fn enter(
        &mut self,
        overlay: &mut Overlay,
        scope: ScopeId,
        op: OpId,
        (kind, name): (&'static str, &str),
        expects: impl Fn(&EntryKind) -> bool,
    ) -> Option<Place> {
        self.facts.asked();
        let pending = self.scopes.get(&scope)?.pending;
        if self.ops.len() >= overlay.limits.pending_operations {
            overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse: Misuse::TooManyOperations });
            return None;
        }
        if let Some(pending) = pending.and_then(|pending| self.ops.get(&pending)) {
            let misuse = Misuse::EntryInProgress { pending: pending.name.clone() };
            overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse });
            return None;
        }
        let node = self.scopes.get(&scope)?.node;
        let place = self.history.place(node, name);
        if !self.history.use_in(place, scope) {
            let misuse = Misuse::DuplicateName { name: name.to_owned() };
            overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse });
            return None;
        }
        // A wait's place is that of its count; people know it by its own name.
        let shown = name.strip_suffix(":count").filter(|_| kind == "message").unwrap_or(name);
        let code = || Operation { kind, name: shown.to_owned(), status: "" };
        let expected = self.history.get(place).map(|recorded| expects(&recorded.entry.kind));
        match expected {
            Some(true) => {
                self.visit(scope, place);
                Some(Place::Recorded(place))
            }
            Some(false) => {
                let recorded = self.history.operation(place)?;
                self.diverged(overlay, scope, Mismatch::OtherKind { recorded, code: code() });
                None
            }
            None if self.is_rebuilding() => {
                self.pend(scope, op, place, name.to_owned(), Kind::Marker);
                self.set_wake(op, Wake::Never);
                None
            }
            None if self.reach_frontier(scope) => Some(Place::New(place)),
            None => {
                self.diverged(overlay, scope, Mismatch::NewBeforeRecorded(code()));
                None
            }
        }
    }

    /// Finds the place of something that is neither new nor recorded in the way of entries: what decides about versions, or
    /// opens a scope. It is used once, like all.
    pub(super) fn enter_freely(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        name: &str,
    ) -> Option<NodeId> {
        self.facts.asked();
        let Scope { node, pending, .. } = self.scopes.get(&scope)?;
        let (node, pending) = (*node, *pending);
        if let Some(pending) = pending.and_then(|pending| self.ops.get(&pending)) {
            let misuse = Misuse::EntryInProgress { pending: pending.name.clone() };
            overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse });
            return None;
        }
        let place = self.history.place(node, name);
        if self.history.use_in(place, scope) {
            return Some(place);
        }
        let misuse = Misuse::DuplicateName { name: name.to_owned() };
        overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse });
        None
    }

    pub(super) fn pend(&mut self, scope: ScopeId, op: OpId, place: NodeId, name: String, kind: Kind) {
        if let Some(scope) = self.scopes.get_mut(&scope) {
            scope.pending = Some(op);
            self.in_user_code -= 1;
        }
        let pending = Pending { scope, place, name, deadline: None, wake: Wake::Never, outcome: None, kind };
        self.ops.insert(op, pending);
        self.set_wake(op, Wake::Now);
    }

    /// The code has come to what is recorded at a place, directly in a scope.
    pub(super) fn visit(&mut self, scope: ScopeId, place: NodeId) {
        let Some(scope) = self.scopes.get_mut(&scope) else { return };
        if scope.at_frontier {
            return;
        }
        scope.unvisited = scope.unvisited.saturating_sub(1);
        if scope.is_forked()
            && let Some(commit) = self.history.get(place).and_then(fact_commit)
        {
            self.facts.forget(commit);
        }
    }

    /// Before anything new: has the code come to everything that is recorded in the scope? An embedding host is asked later.
    fn reach_frontier(&mut self, scope: ScopeId) -> bool {
        let anywhere = self.start.embedded.is_some_and(|embedded| !embedded.frontier);
        let Some(scope) = self.scopes.get_mut(&scope) else { return false };
        scope.at_frontier |= scope.unvisited == 0;
        scope.at_frontier || anywhere
    }

    /// Puts an entry at a place, or changes the one that is there, in memory.
    pub(super) fn record(&mut self, overlay: &mut Overlay, place: NodeId, commit: u64, kind: EntryKind) {
        let at = overlay.now;
        match self.history.get_mut(place) {
            Some(recorded) => (recorded.entry.kind, recorded.commit, recorded.at) = (kind, commit, at),
            None => {
                let location = self.history.location(place).clone();
                let entry = Entry { id: overlay.ids.entry(), location, kind };
                self.history.put(place, Recorded::new(entry, commit, at));
            }
        }
    }

    /// Adds the entry at a place, with its metadata and last failure, to a change.
    pub(super) fn write_entry(&self, writing: &mut Writing, place: NodeId) {
        let Some(recorded) = self.history.get(place) else { return };
        writing.writer.entry(&recorded.entry);
        if let Some(metadata) = &recorded.metadata {
            writing.writer.metadata(&recorded.entry.id, metadata);
        }
        if let Some((terminal, failure)) = recorded.failure.as_deref() {
            writing.writer.failure(&recorded.entry.id, *terminal, failure);
        }
        if let Some(at) = recorded.retry_at {
            writing.writer.record(&Record::RetryAt { entry_id: recorded.entry.id.clone(), at });
        }
        for BranchFailure { branch, failure, because } in &recorded.branch_failures {
            writing.writer.record(&Record::BranchFailure {
                entry_id: recorded.entry.id.clone(),
                branch: branch.clone(),
                failure: failure.clone(),
                because: because.clone(),
            });
        }
    }
}

/// The bookkeeping of a step or loop that starts now.
pub(super) fn metadata(now: Time) -> EntryMetadata {
    EntryMetadata {
        status: EntryStatus::Running,
        error: None,
        attempts: 0,
        last_attempt_at_ms: 0,
        created_at_ms: unsigned(now),
        completed_at_ms: None,
        rollback_completed_at_ms: None,
        rollback_error: None,
    }
}

pub(super) fn unsigned(time: Time) -> u64 {
    time.max(0) as u64
}

pub(super) fn signed(time: u64) -> Time {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The terminal failure that is recorded of a step; what another engine wrote has only a text.
pub(super) fn recorded_failure(recorded: &Recorded) -> (Terminal, Failure) {
    let text = || recorded.metadata.as_ref().and_then(|metadata| metadata.error.as_deref()).unwrap_or("unknown error");
    match recorded.failure.as_deref() {
        Some((terminal, failure)) => (terminal.unwrap_or(Terminal::Exhausted), failure.clone()),
        None => (Terminal::Exhausted, Failure::from_text(text())),
    }
}

/// A value for a record that has no room for absence.
pub(super) fn present(value: Option<Bytes>) -> Bytes {
    value.unwrap_or(Bytes::from_static(cbor::UNDEFINED))
}
