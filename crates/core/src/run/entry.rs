//! Coming to an operation, and writing its entry.

use bytes::Bytes;

use super::{Kind, Pending, Run};
use crate::codec::cbor;
use crate::codec::record::{Entry, EntryKind, EntryMetadata, EntryStatus};
use crate::failure::{Failure, Terminal};
use crate::history::{Mismatch, NodeId, Operation, Recorded};
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
        let pending = self.scopes.get(&scope)?.pending;
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
                self.visit(scope);
                Some(Place::Recorded(place))
            }
            Some(false) => {
                let recorded = self.history.operation(place)?;
                self.diverged(overlay, scope, Mismatch::OtherKind { recorded, code: code() });
                None
            }
            None if self.reach_frontier(scope) => Some(Place::New(place)),
            None => {
                self.diverged(overlay, scope, Mismatch::NewBeforeRecorded(code()));
                None
            }
        }
    }

    pub(super) fn pend(&mut self, scope: ScopeId, op: OpId, place: NodeId, name: String, kind: Kind) {
        if let Some(scope) = self.scopes.get_mut(&scope) {
            scope.pending = Some(op);
        }
        self.ops.insert(op, Pending { scope, place, name, deadline: None, kind });
    }

    /// The code has come to an entry that is recorded directly in a scope.
    pub(super) fn visit(&mut self, scope: ScopeId) {
        if let Some(scope) = self.scopes.get_mut(&scope)
            && !scope.at_frontier
        {
            scope.unvisited = scope.unvisited.saturating_sub(1);
        }
    }

    /// Before anything new: has the code come to everything that is recorded in the scope?
    fn reach_frontier(&mut self, scope: ScopeId) -> bool {
        let Some(scope) = self.scopes.get_mut(&scope) else { return false };
        scope.at_frontier |= scope.unvisited == 0;
        scope.at_frontier
    }

    /// Puts an entry at a place, or changes the one that is there, in memory.
    pub(super) fn record(&mut self, overlay: &mut Overlay, place: NodeId, commit: u64, kind: EntryKind) {
        match self.history.get_mut(place) {
            Some(recorded) => (recorded.entry.kind, recorded.commit) = (kind, commit),
            None => {
                let location = self.history.location(place).clone();
                let entry = Entry { id: overlay.ids.entry(), location, kind };
                self.history.put(place, Recorded { entry, metadata: None, failure: None, commit });
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
        if let Some((terminal, failure)) = &recorded.failure {
            writing.writer.failure(&recorded.entry.id, *terminal, failure);
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
    match &recorded.failure {
        Some((terminal, failure)) => (terminal.unwrap_or(Terminal::Exhausted), failure.clone()),
        None => (Terminal::Exhausted, Failure::from_text(text())),
    }
}

/// A value for a record that has no room for absence.
pub(super) fn present(value: Option<Bytes>) -> Bytes {
    value.unwrap_or(Bytes::from_static(cbor::UNDEFINED))
}
