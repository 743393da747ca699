//! What decides without waiting: try blocks, versions, removed entries, checkpoints, and messages of the workflow's own.

use bytes::Bytes;

use super::calls::asked_by;
use super::entry::Place;
use super::facts::What;
use super::{Kind, Pending, Run, Wake};
use crate::actor::answer_to;
use crate::codec::cbor;
use crate::codec::change::Record;
use crate::codec::record::EntryKind;
use crate::history::divergence_word;
use crate::history::{History, Mismatch, NodeId, Operation};
use crate::inbox::{MessageKey, Purpose, SELF};
use crate::input::{OpId, ScopeId, Send};
use crate::output::{Misuse, Output, Value};
use crate::overlay::Overlay;

/// Of operations that stand beside what their scope has pending.
const NO_SCOPE: ScopeId = 0;

impl Run {
    pub(super) fn enter_try(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String) {
        let Some(place) = self.enter_freely(overlay, (scope, op), &name) else { return };
        // It has no entry of its own: it is recorded if something is recorded in it.
        if self.history.get(place).is_some() {
            return self.found_instead(overlay, scope, place, "try", name);
        }
        if self.history.is_recorded_in(place) {
            self.visit(scope, place);
        }
        self.pend(scope, op, place, name, Kind::Try { scope: 0 });
        self.set_wake(op, Wake::Never);
        let inner = self.open_scope(place, Some(op));
        let replaying = self.is_replaying(inner);
        if let Some(Kind::Try { scope }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            *scope = inner;
        }
        overlay.outputs.push_back(Output::Enter { op, scope: inner, replaying });
    }

    /// The callback of a try block has ended.
    pub(super) fn left(&mut self, overlay: &mut Overlay, id: ScopeId, threw: bool) {
        let Some(scope) = self.scopes.get(&id) else { return };
        let (Some(op), node, unvisited) = (scope.parent, scope.node, scope.unvisited) else { return };
        if unvisited > 0 && self.checks_scope(threw) && !self.is_rebuilding() {
            let divergence = self.history.diverged(node, id, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.close_scope(overlay, id, &mut Vec::new());
        let what = if threw { What::Rethrow } else { What::Resolve(Value::Kept) };
        self.answer_now(overlay, op, what);
    }

    pub(super) fn version(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String, latest: u32) {
        let Some(place) = self.enter_freely(overlay, (scope, op), &name) else { return };
        let resolved = match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::VersionCheck { resolved, .. }) => {
                let resolved = *resolved;
                self.visit(scope, place);
                resolved
            }
            Some(_) => return self.found_instead(overlay, scope, place, "version_check", name),
            None if self.is_rebuilding() => return self.never(scope, op, place, name),
            None => {
                let resolved = if self.is_replaying(scope) { 1 } else { latest };
                self.mark(overlay, place, EntryKind::VersionCheck { resolved, latest });
                resolved
            }
        };
        self.pend(scope, op, place, name, Kind::Marker);
        let mut value = cbor::Writer::with_capacity(5);
        value.uint(resolved.into());
        self.answer_now(overlay, op, What::Resolve(Value::Encoded(value.finish())));
    }

    /// `kind` is the word for the entry that the code no longer has.
    pub(super) fn removed(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String, kind: String) {
        let Some(place) = self.enter_freely(overlay, (scope, op), &name) else { return };
        let Some(node) = self.scopes.get(&scope).map(|scope| scope.node) else { return };
        if kind == "message" {
            self.visit_wait(scope, node, &name);
        }
        match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(recorded) if is_called(recorded, &kind) || matches!(recorded, EntryKind::Removed { .. }) => {
                self.visit(scope, place);
            }
            Some(_) => return self.found_instead_of_removed(overlay, scope, place, &kind, name),
            // A try block has no entry: what is recorded in it is passed over.
            None if kind == "try" && self.history.is_recorded_in(place) => self.visit(scope, place),
            None if self.is_rebuilding() => {}
            None => {
                self.mark(overlay, place, EntryKind::Removed { original_type: kind, original_name: Some(name.clone()) })
            }
        }
        self.pend(scope, op, place, name, Kind::Marker);
        self.answer_now(overlay, op, What::Resolve(Value::Nothing));
    }

    /// The rows of a wait for messages count as visited.
    fn visit_wait(&mut self, scope: ScopeId, node: NodeId, name: &str) {
        let rows = ["count", "deadline"].map(str::to_owned).into_iter().chain((0..).map(|i: u32| i.to_string()));
        for (i, row) in rows.enumerate() {
            let place = self.history.find(node, &format!("{name}:{row}"));
            match place.filter(|place| self.history.get(*place).is_some()) {
                Some(place) if self.history.use_in(place, scope) => self.visit(scope, place),
                Some(_) => {}
                None if i >= 2 => return,
                None => {}
            }
        }
    }

    pub(super) fn checkpoint(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::RollbackCheckpoint { .. });
        let Some(place) = self.enter(overlay, scope, op, ("rollback", &name), expects) else { return };
        let place = match place {
            Place::New(place) => {
                self.mark(overlay, place, EntryKind::RollbackCheckpoint { name: name.clone() });
                place
            }
            Place::Recorded(place) => place,
        };
        self.pend(scope, op, place, name, Kind::Marker);
        self.answer_now(overlay, op, What::Resolve(Value::Nothing));
    }

    /// Sends a message of the workflow's own, once: it is recorded in the change that sends it.
    pub(super) fn post(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String, body: Bytes) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Message { .. });
        let Some(place) = self.enter(overlay, scope, op, ("message", &name), expects) else { return };
        match place {
            Place::Recorded(place) => {
                self.pend(scope, op, place, name, Kind::Marker);
                self.answer_recorded(overlay, op, place, Value::Nothing);
            }
            Place::New(place) => {
                let message =
                    name.strip_prefix("send:").and_then(|rest| rest.rsplit_once(':')).map_or(&*name, |(to, _)| to);
                let message = message.to_owned();
                self.pend(scope, op, place, name, Kind::Marker);
                self.record(
                    overlay,
                    place,
                    overlay.queued() + 1,
                    EntryKind::Message { name: message.clone(), data: body.clone() },
                );
                let mut writing = self.begin(overlay);
                self.write_entry(&mut writing, place);
                let purpose = Purpose::Plain;
                overlay.send(&mut writing, SELF, Send { to: None, name: message, body, delay_ms: 0, purpose });
                self.fulfil(overlay, op, writing, Value::Nothing);
            }
        }
    }

    /// Answers a message that was taken: the answer is durable with the message's row.
    pub(super) fn complete(&mut self, overlay: &mut Overlay, op: OpId, message_id: String, reply: Option<Bytes>) {
        // A rebuild answers nobody; what the code does next is not recorded, and it gets no further than that.
        if self.is_rebuilding() {
            self.pend_beside(op, History::ROOT, message_id);
            return self.answer_now(overlay, op, What::Resolve(Value::Nothing));
        }
        let open = self.open_messages.get(&message_id).copied();
        let Some((place, name, done)) = open.and_then(|place| self.completion(place, &message_id)) else {
            let misuse = Misuse::NotCompletable { message_id };
            return overlay.outputs.push_back(Output::Misuse { op: Some(op), misuse });
        };
        self.open_messages.remove(&message_id);
        self.pend_beside(op, place, message_id.clone());
        self.record(overlay, place, overlay.queued() + 1, EntryKind::Message { name, data: done });
        let mut writing = self.begin(overlay);
        self.write_entry(&mut writing, place);
        if self.start.embedded.is_some() {
            writing.take(MessageKey::of_host(&message_id));
        }
        let seq = writing.seq();
        let asked_by = self.history.get(place).and_then(|recorded| match &recorded.entry.kind {
            EntryKind::Message { data, .. } => asked_by(&message_id, data),
            _ => None,
        });
        if let Some(key) = asked_by {
            overlay.send(&mut writing, SELF, answer_to(&key, Ok(reply)));
            return self.fulfil(overlay, op, writing, Value::Nothing);
        }
        writing.writer.record(&Record::Answered { message_id: message_id.clone(), reply: reply.clone() });
        self.fulfil(overlay, op, writing, Value::Nothing);
        overlay.leave_after(seq, Output::Answered { message_id, reply: Ok(reply) });
    }

    /// The name of a message that was taken, and its record as it is once it is answered.
    fn completion(&self, place: NodeId, message_id: &str) -> Option<(NodeId, String, Bytes)> {
        let EntryKind::Message { name, data } = &self.history.get(place)?.entry.kind else { return None };
        // Its round may have been dropped, and its place be another's.
        let id = cbor::field(data, "id").ok().flatten()?;
        if cbor::text(&id) != Some(message_id) {
            return None;
        }
        Some((place, name.clone(), completed(data)?))
    }

    /// An operation beside whatever its scope has pending.
    fn pend_beside(&mut self, op: OpId, place: NodeId, name: String) {
        let (scope, kind) = (NO_SCOPE, Kind::Marker);
        let pending = Pending { scope, place, name, deadline: None, wake: Wake::Never, outcome: None, kind };
        self.ops.insert(op, pending);
        self.set_wake(op, Wake::Now);
    }

    /// Notes that a message which was taken waits for an answer.
    pub(super) fn note_open(&mut self, place: NodeId, data: &Bytes) {
        let field = |name| cbor::field(data, name).ok().flatten();
        let is_open = field("completed").is_some_and(|value| cbor::boolean(&value) == Some(false));
        if let (true, Some(id)) = (is_open, field("id")) {
            self.open_messages.extend(cbor::text(&id).map(|id| (id.to_owned(), place)));
        }
    }

    /// Notes an entry that needs no change of its own.
    fn mark(&mut self, overlay: &mut Overlay, place: NodeId, kind: EntryKind) {
        self.record(overlay, place, overlay.queued() + 1, kind);
        self.noted.insert(place);
    }

    /// An operation that a rebuild does not get past.
    pub(super) fn never(&mut self, scope: ScopeId, op: OpId, place: NodeId, name: String) {
        self.pend(scope, op, place, name, Kind::Marker);
        self.set_wake(op, Wake::Never);
    }

    fn found_instead_of_removed(
        &mut self,
        overlay: &mut Overlay,
        scope: ScopeId,
        place: NodeId,
        kind: &str,
        name: String,
    ) {
        if let Some(recorded) = self.history.operation(place) {
            let code = Operation { kind: known_word(kind), name, status: "removed" };
            self.diverged(overlay, scope, Mismatch::OtherKind { recorded, code });
        }
    }

    fn found_instead(
        &mut self,
        overlay: &mut Overlay,
        scope: ScopeId,
        place: NodeId,
        kind: &'static str,
        name: String,
    ) {
        if let Some(recorded) = self.history.operation(place) {
            let code = Operation { kind, name, status: "" };
            self.diverged(overlay, scope, Mismatch::OtherKind { recorded, code });
        }
    }
}

/// The word for a kind of entry, as the adapter says it.
fn known_word(word: &str) -> &'static str {
    const WORDS: [&str; 11] =
        ["step", "loop", "sleep", "message", "join", "race", "map", "try", "version_check", "child", "ask"];
    let of_checkpoint = || if word.starts_with("rollback") { "rollback" } else { "removed" };
    WORDS.into_iter().find(|known| *known == word).unwrap_or_else(of_checkpoint)
}

/// Whether an entry is of the kind that a word names. A map is recorded as a join.
fn is_called(kind: &EntryKind, word: &str) -> bool {
    let recorded = divergence_word(kind);
    recorded == word || (recorded, word) == ("join", "map") || (recorded, word) == ("rollback", "rollback_checkpoint")
}

/// A message's record, answered: `completed` is its last field.
fn completed(data: &Bytes) -> Option<Bytes> {
    const FALSE: u8 = 0xf4;
    const TRUE: u8 = 0xf5;
    let mut bytes = data.to_vec();
    let last = bytes.last_mut().filter(|last| **last == FALSE)?;
    *last = TRUE;
    Some(bytes.into())
}
