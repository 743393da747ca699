//! Sleeps and waits for messages: does what the timer and the inbox machines say.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::entry::{Place, signed, unsigned};
use super::facts::{Fact, What};
use super::{Kind, Run, Wake};
use crate::codec::cbor;
use crate::codec::record::{EntryKind, SleepState};
use crate::history::{Mismatch, NodeId, Operation};
use crate::inbox::{Message, MessageKey, Purpose};
use crate::input::{HostMessage, NextWait, OpId, ScopeId, Until};
use crate::output::{Output, Value};
use crate::overlay::{Overlay, Writing};
use crate::timer::{Timer, TimerAction, TimerInput};
use crate::wait::{Wait, WaitAction, WaitInput};

impl Run {
    pub(super) fn sleep(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String, until: Until) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Sleep { .. });
        let Some(place) = self.enter(overlay, scope, op, ("sleep", &name), expects) else { return };
        let (place, timer) = match place {
            Place::New(place) => (place, Timer::New { deadline: deadline(overlay, until) }),
            Place::Recorded(place) => (place, self.recorded_timer(place)),
        };
        self.pend(scope, op, place, name, Kind::Sleep { timer });
        if self.is_rebuilding() && !matches!(timer, Timer::Passed | Timer::Overtaken) {
            return self.set_wake(op, Wake::Never);
        }
        self.sleep_input(overlay, op, TimerInput::Call);
    }

    fn sleep_input(&mut self, overlay: &mut Overlay, op: OpId, input: TimerInput) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let place = pending.place;
        let Kind::Sleep { timer } = &mut pending.kind else { return };
        let (next, action) = timer.on(input, overlay.now);
        *timer = next;
        match action {
            TimerAction::RecordPending { deadline } => {
                self.arm(op, deadline);
                self.set_wake(op, self.wake_at(overlay, deadline));
                let mut writing = self.begin(overlay);
                self.write_timer(overlay, &mut writing, place, deadline, SleepState::Pending);
                self.commit(overlay, writing);
                // A deadline that has passed already is taken up by the tick that follows every input.
            }
            TimerAction::Wait { deadline } => {
                self.arm(op, deadline);
                self.set_wake(op, self.wake_at(overlay, deadline));
            }
            TimerAction::RecordPassed => {
                let deadline = self.recorded_deadline(place);
                let mut writing = self.begin(overlay);
                self.write_timer(overlay, &mut writing, place, deadline, SleepState::Completed);
                self.fulfil(overlay, op, writing, Value::Nothing);
            }
            TimerAction::Resolve => self.answer_recorded(overlay, op, place, Value::Nothing),
            TimerAction::RecordOvertaken | TimerAction::Ignore => {}
        }
    }

    /// What an embedding host waits for in memory is no wait to others.
    fn wake_at(&self, overlay: &Overlay, deadline: i64) -> Wake {
        let in_memory = |patience: i64| deadline.saturating_sub(overlay.now) < patience;
        let is_short = self.start.embedded.is_some_and(|embedded| in_memory(embedded.patience_ms));
        if is_short { Wake::Now } else { Wake::At(deadline) }
    }

    pub(super) fn next(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, wait: NextWait) {
        let NextWait { name, names, timeout_ms, count, completable } = wait;
        let count_name = format!("{name}:count");
        let deadline_name = format!("{name}:deadline");
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Message { .. });
        let Some(node) = self.scopes.get(&scope).map(|scope| scope.node) else { return };
        // A recorded deadline is met before the wait itself, which may be new: it is part of the same operation.
        let recorded_timer = self.history.find(node, &deadline_name).filter(|place| self.history.get(*place).is_some());
        if let Some(place) = recorded_timer
            && self.history.use_in(place, scope)
        {
            self.visit(scope, place);
        }
        let Some(place) = self.enter(overlay, scope, op, ("message", &count_name), expects) else { return };
        let kind = |wait, timer, taken| Kind::Next { wait, names, count, completable, timer, taken };
        match (place, recorded_timer) {
            (Place::Recorded(place), _) => {
                let (messages, taken) = match self.recorded_messages(scope, node, place, &name) {
                    Ok(recorded) => recorded,
                    Err(row) => {
                        let operation = |name, status| Operation { kind: "message", name, status };
                        let (recorded, code) = (operation(row, "missing"), operation(name, ""));
                        return self.diverged(overlay, scope, Mismatch::OtherKind { recorded, code });
                    }
                };
                let wait = if messages.is_empty() { Wait::Missed } else { Wait::Taken };
                self.pend(scope, op, place, name, kind(wait, None, taken));
                self.answer_recorded(overlay, op, place, Value::Messages(messages));
            }
            (Place::New(place), Some(timer_place)) => {
                let timer = self.recorded_timer(timer_place);
                let deadline = Some(self.recorded_deadline(timer_place));
                self.pend(
                    scope,
                    op,
                    place,
                    name,
                    kind(Wait::Waiting { deadline }, Some((timer_place, timer)), Vec::new()),
                );
                self.wait_call(overlay, op);
            }
            (Place::New(place), None) => {
                let deadline = timeout_ms.map(|timeout| deadline(overlay, Until::After(timeout)));
                let timer =
                    deadline.map(|deadline| (self.history.place(node, &deadline_name), Timer::New { deadline }));
                // A host is not asked for what would come too late (engine behaviour 4.4.5).
                let state = if overlay.hosted { Wait::Waiting { deadline } } else { Wait::New };
                self.pend(scope, op, place, name, kind(state, timer, Vec::new()));
                self.wait_call(overlay, op);
            }
        }
    }

    /// Answers with what is recorded at a place.
    pub(super) fn answer_recorded(&mut self, overlay: &mut Overlay, op: OpId, place: NodeId, value: Value) {
        let (commit, at) = self.history.get(place).map_or((0, 0), |recorded| (recorded.commit, recorded.at));
        self.answer(overlay, op, Fact { what: What::Resolve(value), commit, at });
    }

    fn wait_call(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(Kind::Next { names, .. }) = self.ops.get(&op).map(|pending| &pending.kind) else { return };
        let there = overlay.inbox.holds(names);
        self.wait_input(overlay, op, WaitInput::Call { there });
    }

    fn wait_input(&mut self, overlay: &mut Overlay, op: OpId, input: WaitInput) {
        let Some(Kind::Next { wait, timer, .. }) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) else {
            return;
        };
        let (next, action) = wait.on(input, overlay.now);
        *wait = match (next, timer.as_ref()) {
            (Wait::Waiting { .. }, Some((_, Timer::New { deadline } | Timer::Pending { deadline }))) => {
                Wait::Waiting { deadline: Some(*deadline) }
            }
            (next, _) => next,
        };
        match action {
            WaitAction::Take => self.take(overlay, op),
            WaitAction::GiveUp => self.give_up(overlay, op),
            WaitAction::Wait => self.wait(overlay, op),
            WaitAction::Resolve | WaitAction::Ignore => {}
        }
    }

    /// Nothing there yet: a new deadline becomes durable, and the wait goes on.
    fn wait(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(Kind::Next { names, timer, count, .. }) = self.ops.get_mut(&op).map(|op| &mut op.kind) else { return };
        self.waiters.add(op, names);
        if overlay.hosted {
            self.asked.insert(op);
            overlay.outputs.push_back(Output::Want { op, names: names.clone(), count: *count });
        }
        let unasked = if overlay.hosted { Wake::Now } else { Wake::Never };
        let Some((place, timer)) = timer else { return self.set_wake(op, unasked) };
        let place = *place;
        let (deadline, is_new) = match *timer {
            Timer::New { deadline } => (deadline, true),
            Timer::Pending { deadline } => (deadline, false),
            Timer::Passed | Timer::Overtaken => return self.set_wake(op, unasked),
        };
        *timer = Timer::Pending { deadline };
        self.arm(op, deadline);
        self.set_wake(op, if overlay.hosted { Wake::Now } else { Wake::At(deadline) });
        if is_new {
            let mut writing = self.begin(overlay);
            self.write_timer(overlay, &mut writing, place, deadline, SleepState::Pending);
            self.commit(overlay, writing);
        }
    }

    /// An embedding host's queue was asked: what it holds is at hand until a wait takes it.
    pub(super) fn polled(&mut self, overlay: &mut Overlay, op: OpId, messages: Vec<HostMessage>) {
        for HostMessage { id, name, body, sent_at } in messages {
            if self.known_messages().insert(id.clone()) {
                let key = MessageKey::of_host(&id);
                let purpose = Purpose::Plain;
                overlay.inbox.put(Message { key, name, body, sent_at, due_at: sent_at, purpose });
            }
        }
        let asked = self.asked.remove(&op);
        if asked {
            self.set_wake(op, self.wake_of_wait(op));
        }
    }

    fn wake_of_wait(&self, op: OpId) -> Wake {
        self.ops.get(&op).and_then(|pending| pending.deadline).map_or(Wake::Never, Wake::At)
    }

    /// The ids that are recorded already: a host may offer a message again that it was not yet told is done with.
    fn known_messages(&mut self) -> &mut BTreeSet<String> {
        let history = &self.history;
        self.known_messages.get_or_insert_with(|| {
            let recorded = history.list();
            let ids = recorded.iter().filter_map(|listed| match &listed.recorded.entry.kind {
                EntryKind::Message { data, .. } => cbor::field(data, "id").ok().flatten(),
                _ => None,
            });
            ids.filter_map(|id| cbor::text(&id).map(str::to_owned)).collect()
        })
    }

    /// Takes messages: they leave the inbox in the change that records them.
    fn take(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(Kind::Next { names, count, .. }) = self.ops.get(&op).map(|pending| &pending.kind) else { return };
        let messages = overlay.inbox.take(names, *count as usize);
        self.answer_wait(overlay, op, messages, SleepState::Interrupted);
    }

    fn give_up(&mut self, overlay: &mut Overlay, op: OpId) {
        self.answer_wait(overlay, op, Vec::new(), SleepState::Completed);
    }

    /// Records the answer of a wait: its deadline, the messages, and their count.
    fn answer_wait(&mut self, overlay: &mut Overlay, op: OpId, messages: Vec<Message>, timer_state: SleepState) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let Kind::Next { names, timer, taken, completable, .. } = &mut pending.kind else { return };
        let (place, scope, label, timer, completable) =
            (pending.place, pending.scope, label(names), *timer, *completable);
        self.waiters.remove(op, names);
        taken.clone_from(&messages);
        let name = pending.name.clone();
        let Some(node) = self.scopes.get(&scope).map(|scope| scope.node) else { return };
        let rows: Vec<NodeId> = (0..messages.len()).map(|i| self.history.place(node, &format!("{name}:{i}"))).collect();
        let count = EntryKind::Message { name: format!("{label}:count"), data: count_data(messages.len()) };
        let mut writing = self.begin(overlay);
        let seq = writing.seq();
        if let Some((timer_place, Timer::New { deadline } | Timer::Pending { deadline })) = timer {
            self.write_timer(overlay, &mut writing, timer_place, deadline, timer_state);
        }
        let mut values = Vec::with_capacity(messages.len());
        for (message, row) in messages.into_iter().zip(rows) {
            let data = message_data(&message, !completable && !overlay.hosted);
            self.record(overlay, row, seq, EntryKind::Message { name: message.name, data: data.clone() });
            self.write_entry(&mut writing, row);
            self.leave_inbox(&mut writing, row, message.key, completable);
            if completable {
                self.note_open(row, &data);
            }
            values.push(data);
        }
        self.record(overlay, place, seq, count);
        self.write_entry(&mut writing, place);
        self.fulfil(overlay, op, writing, Value::Messages(values));
    }

    /// A message leaves the inbox with the change. One of an embedding host that is to be answered stays with the host until
    /// then.
    fn leave_inbox(&mut self, writing: &mut Writing, row: NodeId, key: MessageKey, completable: bool) {
        if self.start.embedded.is_none() || !completable {
            if let Some(recorded) = self.history.get_mut(row) {
                recorded.took = Some(key.clone());
            }
            writing.take(key);
        }
    }

    /// Messages have come in: those that a wait wants are taken at once.
    pub fn messages_came(&mut self, overlay: &mut Overlay) {
        while let Some(op) = self.waiters.next(&overlay.inbox) {
            self.wait_input(overlay, op, WaitInput::Message);
        }
    }

    /// A deadline has passed.
    pub(super) fn due(&mut self, overlay: &mut Overlay, op: OpId) {
        match self.ops.get(&op).map(|pending| &pending.kind) {
            Some(Kind::Step { .. }) => self.step_due(overlay, op),
            Some(Kind::Sleep { .. }) => self.sleep_input(overlay, op, TimerInput::Due),
            Some(Kind::Next { .. }) => self.wait_input(overlay, op, WaitInput::Due),
            Some(Kind::Call { .. }) => self.call_due(overlay, op),
            Some(Kind::Loop { .. } | Kind::Fork(_) | Kind::Try { .. } | Kind::Marker) | None => {}
        }
    }

    pub(super) fn fulfil(&mut self, overlay: &mut Overlay, op: OpId, writing: Writing, value: Value) {
        self.set_wake(op, Wake::Now);
        let seq = self.commit(overlay, writing);
        self.finish_after(overlay, op, seq, What::Resolve(value));
    }

    fn write_timer(
        &mut self,
        overlay: &mut Overlay,
        writing: &mut Writing,
        place: NodeId,
        deadline: i64,
        state: SleepState,
    ) {
        let kind = EntryKind::Sleep { deadline_ms: unsigned(deadline), state };
        self.record(overlay, place, writing.seq(), kind);
        self.write_entry(writing, place);
    }

    fn recorded_timer(&self, place: NodeId) -> Timer {
        match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Sleep { deadline_ms, state: SleepState::Pending }) => {
                Timer::Pending { deadline: signed(*deadline_ms) }
            }
            Some(EntryKind::Sleep { state: SleepState::Interrupted, .. }) => Timer::Overtaken,
            _ => Timer::Passed,
        }
    }

    fn recorded_deadline(&self, place: NodeId) -> i64 {
        match self.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Sleep { deadline_ms, .. }) => signed(*deadline_ms),
            _ => 0,
        }
    }

    /// The messages that a wait took, as recorded and as they were in the inbox; their rows count as visited.
    /// The name of a row that its count promises, and that is not there, is an error.
    fn recorded_messages(
        &mut self,
        scope: ScopeId,
        node: NodeId,
        count: NodeId,
        name: &str,
    ) -> Result<(Vec<Bytes>, Vec<Message>), String> {
        let count = match self.history.get(count).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Message { data, .. }) => cbor::number(data).unwrap_or(0.0) as u32,
            _ => 0,
        };
        let (mut messages, mut taken) = (Vec::new(), Vec::new());
        for row in (0..count).map(|i| format!("{name}:{i}")) {
            let Some((data, message)) = self.recorded_message(scope, node, &row) else { return Err(row) };
            messages.push(data);
            taken.extend(message);
        }
        Ok((messages, taken))
    }

    fn recorded_message(&mut self, scope: ScopeId, node: NodeId, row: &str) -> Option<(Bytes, Option<Message>)> {
        let row = self.history.find(node, row)?;
        self.history.get(row)?;
        if self.history.use_in(row, scope) {
            self.visit(scope, row);
        }
        let recorded = self.history.get(row)?;
        let EntryKind::Message { name, data } = &recorded.entry.kind else { return None };
        let (name, data, took) = (name.clone(), data.clone(), recorded.took.clone());
        self.note_open(row, &data);
        let message = took.and_then(|key| {
            let field = |name| cbor::field(&data, name).ok().flatten();
            let sent_at = cbor::number(&field("createdAt")?)? as i64;
            let due_at = field("dueAt").and_then(|due| cbor::number(&due)).map_or(sent_at, |due| due as i64);
            let purpose = if field("asked").is_some() { Purpose::Asked } else { Purpose::Plain };
            Some(Message { key, name, body: field("body")?, sent_at, due_at, purpose })
        });
        Some((data, message))
    }
}

fn deadline(overlay: &Overlay, until: Until) -> i64 {
    match until {
        Until::After(ms) => overlay.now.saturating_add(ms.max(0)),
        Until::At(at) => at.max(0),
    }
}

/// The label of a wait's count row (engine behaviour 4.4.7).
fn label(names: &[String]) -> String {
    if names.is_empty() { "*".to_owned() } else { names.join("|") }
}

fn count_data(count: usize) -> Bytes {
    let mut writer = cbor::Writer::with_capacity(5);
    writer.uint(count as u64);
    writer.finish()
}

/// The record of a message in the history (engine behaviour 4.4.7). One that nobody answers is complete when it is taken.
fn message_data(message: &Message, completed: bool) -> Bytes {
    let mut writer = cbor::Writer::with_capacity(message.body.len() + 96);
    let (asked, delayed) = (message.purpose == Purpose::Asked, message.due_at != message.sent_at);
    writer.object(6 + usize::from(asked) + usize::from(delayed)).key(b"__rivetWorkflowQueueMessage").uint(1);
    writer.key(b"id").text(&message.id()).key(b"name").text(&message.name);
    writer.key(b"body").raw(&message.body);
    writer.key(b"createdAt").number(message.sent_at as f64);
    if asked {
        writer.key(b"asked").boolean(true);
    }
    if delayed {
        writer.key(b"dueAt").number(message.due_at as f64);
    }
    writer.key(b"completed").boolean(completed);
    writer.finish()
}
