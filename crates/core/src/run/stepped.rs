//! Steps that the core hears of when they are over.

use bytes::Bytes;

use super::Run;
use super::entry::{Place, metadata, unsigned};
use crate::codec::record::{Entry, EntryKind, EntryStatus};
use crate::history::Recorded;
use crate::input::{OpId, ScopeId, Time};
use crate::overlay::Overlay;

impl Run {
    /// Records a step that has begun and ended, and of which the workflow knows.
    pub(super) fn stepped(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        name: &str,
        begun: Time,
        output: Option<Bytes>,
    ) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Step { .. });
        let Some(Place::New(place)) = self.enter(overlay, scope, op, ("step", name), expects) else { return };
        let (now, begun) = (overlay.now, overlay.by_own_clock(begun));
        let mut metadata = metadata(begun);
        (metadata.status, metadata.attempts) = (EntryStatus::Completed, 1);
        (metadata.last_attempt_at_ms, metadata.completed_at_ms) = (unsigned(begun), Some(unsigned(now)));
        let location = self.history.location(place).clone();
        let entry = Entry { id: overlay.ids.entry(), location, kind: EntryKind::Step { output, error: None } };
        let mut recorded = Recorded::new(entry, overlay.queued() + 1, now);
        recorded.metadata = Some(metadata);
        self.history.put(place, recorded);
        let mut writing = self.begin(overlay);
        self.write_entry(&mut writing, place);
        self.commit(overlay, writing);
    }
}
