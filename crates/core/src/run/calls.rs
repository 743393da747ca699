//! What a workflow asks of other actors and waits for: children, and answers to messages.
//!
//! The question leaves in the change that records it, under a number; the answer names that number, lies in the inbox, and is
//! taken in the change that records it. So whoever dies in between, it is asked once and answered once.

use bytes::Bytes;

use super::entry::{Place, recorded_failure, signed, unsigned};
use super::facts::{Fact, What};
use super::{Kind, Run, Wake};
use crate::answers::Answer;
use crate::codec::cbor;
use crate::codec::dealing::failure_of;
use crate::codec::record::{CallKind, CallState, EntryKind};
use crate::failure::{Failure, Terminal};
use crate::history::NodeId;
use crate::inbox::{Message, MessageKey, Purpose, SELF};
use crate::input::{OpId, OutgoingCall, ScopeId, Send};
use crate::output::{RunOutcome, Value};
use crate::overlay::{Overlay, Writing};
use crate::wait::{Wait, WaitAction, WaitInput};

impl Run {
    pub(super) fn call(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        name: String,
        call: OutgoingCall,
    ) {
        let word = word(call.kind);
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Call { kind, .. } if *kind == call.kind);
        match self.enter(overlay, scope, op, (word, &name), expects) {
            Some(Place::New(place)) => self.ask(overlay, (scope, op), place, name, call),
            Some(Place::Recorded(place)) => self.ask_again(overlay, (scope, op), place, name, call.to),
            None => {}
        }
    }

    fn ask(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        place: NodeId,
        name: String,
        call: OutgoingCall,
    ) {
        let OutgoingCall { kind, to, message, body, timeout_ms } = call;
        let purpose = match kind {
            CallKind::Child => Purpose::Create { watched: true },
            CallKind::Ask => Purpose::Asked,
        };
        let deadline = timeout_ms.map(|timeout| overlay.now.saturating_add(timeout.max(0)));
        let mut writing = self.begin(overlay);
        let send = Send { to: Some(to.clone()), name: message, body, delay_ms: 0, purpose };
        let (question, _) = overlay.send(&mut writing, SELF, send);
        let (state, deadline_ms) = (CallState::Waiting, deadline.map(unsigned));
        let entry = EntryKind::Call { kind, to: to.clone(), question, deadline_ms, state, output: None };
        self.record(overlay, place, writing.seq(), entry);
        self.open_calls.insert(place);
        self.write_entry(&mut writing, place);
        let wait = Wait::Waiting { deadline };
        self.pend(scope, op, place, name, Kind::Call { wait, question, to });
        self.await_answer(op, question, deadline);
        self.commit(overlay, writing);
    }

    fn ask_again(
        &mut self,
        overlay: &mut Overlay,
        (scope, op): (ScopeId, OpId),
        place: NodeId,
        name: String,
        to: String,
    ) {
        let Some(recorded) = self.history.get(place) else { return };
        let EntryKind::Call { question, deadline_ms, state, output, .. } = &recorded.entry.kind else { return };
        let (question, deadline, state) = (*question, deadline_ms.map(signed), *state);
        let what = match state {
            CallState::Answered => Some(What::Resolve(output.clone().map_or(Value::Nothing, Value::Encoded))),
            CallState::Failed => {
                let failure = recorded_failure(recorded).1;
                Some(What::Reject { terminal: Terminal::Exhausted, attempts: 0, failure, reported: true })
            }
            CallState::Waiting | CallState::GivenUp => None,
        };
        let (commit, at) = (recorded.commit, recorded.at);
        let wait = if what.is_some() { Wait::Taken } else { Wait::Waiting { deadline } };
        self.pend(scope, op, place, name, Kind::Call { wait, question, to });
        match what {
            Some(what) => self.answer(overlay, op, Fact { what, commit, at }),
            None if self.is_rebuilding() => self.set_wake(op, Wake::Never),
            None => {
                self.await_answer(op, question, deadline);
                self.answers_came(overlay);
            }
        }
    }

    fn await_answer(&mut self, op: OpId, question: u64, deadline: Option<i64>) {
        self.questions.insert(question, op);
        if let Some(deadline) = deadline {
            self.arm(op, deadline);
        }
        self.set_wake(op, deadline.map_or(Wake::Never, Wake::At));
    }

    /// Answers have come in: those that somebody waits for are taken; those that nobody will wait for go.
    pub fn answers_came(&mut self, overlay: &mut Overlay) {
        if !overlay.inbox.has_answers() {
            return;
        }
        let there: Vec<u64> = overlay.inbox.answered().collect();
        for question in &there {
            if let Some(op) = self.questions.get(question).copied() {
                self.wait_for_answer(overlay, op, WaitInput::Message);
            }
        }
        self.drop_late_answers(overlay);
    }

    fn wait_for_answer(&mut self, overlay: &mut Overlay, op: OpId, input: WaitInput) {
        let Some(Kind::Call { wait, question, to }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) else {
            return;
        };
        let (question, to) = (*question, to.clone());
        let (next, action) = wait.on(input, overlay.now);
        *wait = next;
        match action {
            WaitAction::Take => {
                if let Some(message) = overlay.inbox.take_answer(question) {
                    let answer = answer_in(&message);
                    self.answered(overlay, op, answer, Some(message.key));
                }
            }
            WaitAction::GiveUp => {
                let message = format!("{to} has not answered in time. It may still do what it was asked.");
                self.answered(overlay, op, Err(Failure::of_pawl("call_timeout", message, "unknown")), None);
            }
            WaitAction::Wait | WaitAction::Resolve | WaitAction::Ignore => {}
        }
    }

    /// The deadline of a call has passed.
    pub(super) fn call_due(&mut self, overlay: &mut Overlay, op: OpId) {
        self.wait_for_answer(overlay, op, WaitInput::Due);
    }

    /// Records the answer in the change that takes it.
    fn answered(&mut self, overlay: &mut Overlay, op: OpId, answer: Answer, taken: Option<MessageKey>) {
        let Some((place, question)) = self.ops.get(&op).and_then(|pending| match &pending.kind {
            Kind::Call { question, .. } => Some((pending.place, *question)),
            _ => None,
        }) else {
            return;
        };
        self.questions.remove(&question);
        let state = if answer.is_ok() { CallState::Answered } else { CallState::Failed };
        self.set_call(overlay, place, state, answer.as_ref().ok().cloned().flatten());
        if let (Err(failure), Some(recorded)) = (&answer, self.history.get_mut(place)) {
            recorded.failure = Some(Box::new((Some(Terminal::Exhausted), failure.clone())));
        }
        let mut writing = self.begin(overlay);
        self.write_entry(&mut writing, place);
        if let Some(key) = taken {
            writing.take(key);
        }
        let what = match answer {
            Ok(value) => What::Resolve(value.map_or(Value::Nothing, Value::Encoded)),
            Err(failure) => What::Reject { terminal: Terminal::Exhausted, attempts: 0, failure, reported: true },
        };
        self.set_wake(op, Wake::Now);
        let seq = self.commit(overlay, writing);
        self.finish_after(overlay, op, seq, what);
    }

    fn set_call(&mut self, overlay: &mut Overlay, place: NodeId, next: CallState, value: Option<Bytes>) {
        let kind = self.history.get(place).map(|recorded| recorded.entry.kind.clone());
        if let Some(EntryKind::Call { kind, to, question, deadline_ms, .. }) = kind {
            let kind = EntryKind::Call { kind, to, question, deadline_ms, state: next, output: value };
            self.open_calls.remove(&place);
            self.record(overlay, place, overlay.queued() + 1, kind);
        }
    }

    /// Answers that no recorded call waits for are taken away: whoever asked has given up.
    fn drop_late_answers(&mut self, overlay: &mut Overlay) {
        let open = self.open_calls();
        let gone = overlay.inbox.take_answers_but(|question| open.iter().any(|(_, known)| *known == question));
        if !gone.is_empty() {
            let mut writing = self.begin(overlay);
            gone.into_iter().for_each(|message| writing.take(message.key));
            self.commit(overlay, writing);
        }
    }

    /// The recorded calls that wait for an answer.
    fn open_calls(&self) -> Vec<(NodeId, u64)> {
        let waiting = |at: &NodeId| match &self.history.get(*at)?.entry.kind {
            EntryKind::Call { question, state: CallState::Waiting, .. } => Some((*at, *question)),
            _ => None,
        };
        self.open_calls.iter().filter_map(waiting).collect()
    }

    /// Gives up every call that is not answered: what the run has made is cancelled with it.
    pub(super) fn give_up_calls(&mut self, overlay: &mut Overlay) {
        let places = self.open_calls().into_iter().map(|(at, _)| at).collect();
        self.give_up_calls_at(overlay, places);
    }

    /// The same for those at these places, with the run's next change.
    pub(super) fn give_up_calls_at(&mut self, overlay: &mut Overlay, places: Vec<NodeId>) {
        for place in places {
            if let Some(cancel) = self.cancel_of_child(place) {
                self.noted_sends.push(cancel);
            }
            self.set_call(overlay, place, CallState::GivenUp, None);
            self.noted.insert(place);
        }
    }

    fn cancel_of_child(&self, place: NodeId) -> Option<Send> {
        let EntryKind::Call { kind: CallKind::Child, to, question, .. } = &self.history.get(place)?.entry.kind else {
            return None;
        };
        let (name, purpose) = (question.to_string(), Purpose::Cancel);
        Some(Send { to: Some(to.clone()), name, body: Bytes::new(), delay_ms: 0, purpose })
    }

    /// What ends the children of a run that is no more.
    pub fn cancels_of_children(&self) -> Vec<Send> {
        self.open_calls().into_iter().filter_map(|(at, _)| self.cancel_of_child(at)).collect()
    }

    /// What those are told who wait for something of the run, which is no more.
    pub fn leave(&mut self) -> Vec<(MessageKey, Answer)> {
        let gone = || Err(crate::actor::destroyed());
        let watchers = std::mem::take(&mut self.watchers).into_keys();
        let asked = self.unanswered().into_iter();
        watchers.chain(asked).map(|key| (key, gone())).collect()
    }

    /// Messages of other actors that were taken, and never answered.
    fn unanswered(&self) -> Vec<MessageKey> {
        let data = |place: NodeId| match &self.history.get(place)?.entry.kind {
            EntryKind::Message { data, .. } => Some(data.clone()),
            _ => None,
        };
        let open = self.open_messages.iter();
        open.filter_map(|(id, place)| asked_by(id, &data(*place)?)).collect()
    }

    /// Tells whoever waits for the run how it has ended.
    pub(super) fn tell_watchers(&mut self, overlay: &mut Overlay, writing: &mut Writing, outcome: &RunOutcome) {
        for key in std::mem::take(&mut self.watchers).into_keys() {
            let answer = crate::actor::outcome_answer(outcome);
            overlay.send(writing, SELF, crate::actor::answer_to(&key, answer));
        }
        for key in self.unanswered() {
            overlay.send(writing, SELF, crate::actor::answer_to(&key, Err(crate::actor::run_ended())));
        }
    }
}

/// Who waits for the answer to a message that was taken, if an actor does: its id is the sender and the number.
pub(super) fn asked_by(id: &str, data: &Bytes) -> Option<MessageKey> {
    cbor::field(data, "asked").ok().flatten()?;
    let (sender, number) = id.rsplit_once(':')?;
    let (change, place) = number.split_once('-')?;
    let sender_seq = change.parse::<u64>().ok()? << 16 | place.parse::<u64>().ok()?;
    Some(MessageKey { sender: sender.to_owned(), sender_seq })
}

fn answer_in(message: &Message) -> Answer {
    match message.purpose {
        Purpose::Answer { failed: true, .. } => {
            Err(failure_of(&message.body).unwrap_or_else(|error| Failure::from_text(&error.to_string())))
        }
        _ => Ok(Some(message.body.clone()).filter(|body| !body.is_empty())),
    }
}

fn word(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Child => "child",
        CallKind::Ask => "ask",
    }
}
