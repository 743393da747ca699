//! Sleeps and waits for messages: does what the timer and the inbox machines say.

use bytes::Bytes;

use super::entry::{Place, signed, unsigned};
use super::{Fact, Kind, Run};
use crate::codec::cbor;
use crate::codec::record::{EntryKind, SleepState};
use crate::history::{NodeId, Recorded};
use crate::inbox::{Message, Wait, WaitAction, WaitInput};
use crate::input::{NextWait, OpId, ScopeId, Until};
use crate::output::Value;
use crate::overlay::{Overlay, Writing};
use crate::timer::{Timer, TimerAction, TimerInput};

impl Run {
    pub(super) fn sleep(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String, until: Until) {
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Sleep { .. });
        let Some(place) = self.enter(overlay, scope, op, ("sleep", &name), expects) else { return };
        let (place, timer) = match place {
            Place::New(place) => (place, Timer::New { deadline: deadline(overlay, until) }),
            Place::Recorded(place) => (place, self.recorded_timer(place)),
        };
        self.pend(scope, op, place, name, Kind::Sleep { timer, outcome: None });
        self.sleep_input(overlay, op, TimerInput::Call);
    }

    fn sleep_input(&mut self, overlay: &mut Overlay, op: OpId, input: TimerInput) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let place = pending.place;
        let Kind::Sleep { timer, .. } = &mut pending.kind else { return };
        let (next, action) = timer.on(input, overlay.now);
        *timer = next;
        match action {
            TimerAction::RecordPending { deadline } => {
                self.arm(op, deadline);
                let mut writing = self.begin(overlay);
                self.write_timer(overlay, &mut writing, place, deadline, SleepState::Pending);
                self.commit(overlay, writing);
                // A deadline that has passed already is taken up by the tick that follows every input.
            }
            TimerAction::Wait { deadline } => self.arm(op, deadline),
            TimerAction::RecordPassed => {
                let deadline = self.recorded_deadline(place);
                let mut writing = self.begin(overlay);
                self.write_timer(overlay, &mut writing, place, deadline, SleepState::Completed);
                self.fulfil(overlay, op, writing, Value::Nothing);
            }
            TimerAction::Resolve => self.finish(overlay, op, Fact::Resolve(Value::Nothing)),
            TimerAction::RecordOvertaken | TimerAction::Ignore => {}
        }
    }

    pub(super) fn next(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, wait: NextWait) {
        let NextWait { name, names, timeout_ms } = wait;
        let count_name = format!("{name}:count");
        let deadline_name = format!("{name}:deadline");
        let expects = |kind: &EntryKind| matches!(kind, EntryKind::Message { .. });
        let Some(node) = self.scopes.get(&scope).map(|scope| scope.node) else { return };
        // A recorded deadline is met before the wait itself, which may be new: it is part of the same operation.
        let recorded_timer = self.history.find(node, &deadline_name).filter(|place| self.history.get(*place).is_some());
        if let Some(place) = recorded_timer
            && self.history.use_in(place, scope)
        {
            self.visit(scope);
        }
        let Some(place) = self.enter(overlay, scope, op, ("message", &count_name), expects) else { return };
        let kind = |wait, timer| Kind::Next { wait, names, timer, outcome: None };
        match (place, recorded_timer) {
            (Place::Recorded(place), _) => {
                let message = self.recorded_message(scope, node, &name);
                let wait = if message.is_some() { Wait::Taken } else { Wait::Missed };
                self.pend(scope, op, place, name, kind(wait, None));
                self.finish(overlay, op, Fact::Resolve(message.map_or(Value::Nothing, Value::Message)));
            }
            (Place::New(place), Some(timer_place)) => {
                let timer = self.recorded_timer(timer_place);
                let deadline = Some(self.recorded_deadline(timer_place));
                self.pend(scope, op, place, name, kind(Wait::Waiting { deadline }, Some((timer_place, timer))));
                self.wait_call(overlay, op);
            }
            (Place::New(place), None) => {
                let deadline = timeout_ms.map(|timeout| deadline(overlay, Until::After(timeout)));
                let timer =
                    deadline.map(|deadline| (self.history.place(node, &deadline_name), Timer::New { deadline }));
                self.pend(scope, op, place, name, kind(Wait::New, timer));
                self.wait_call(overlay, op);
            }
        }
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
        let Some(Kind::Next { timer: Some((place, timer)), .. }) = self.ops.get_mut(&op).map(|op| &mut op.kind) else {
            return;
        };
        let place = *place;
        match *timer {
            Timer::New { deadline } => {
                *timer = Timer::Pending { deadline };
                self.arm(op, deadline);
                let mut writing = self.begin(overlay);
                self.write_timer(overlay, &mut writing, place, deadline, SleepState::Pending);
                self.commit(overlay, writing);
            }
            Timer::Pending { deadline } => self.arm(op, deadline),
            Timer::Passed | Timer::Overtaken => {}
        }
    }

    /// Takes a message: it leaves the inbox in the change that records it.
    fn take(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(Kind::Next { names, .. }) = self.ops.get(&op).map(|pending| &pending.kind) else { return };
        let names = names.clone();
        let Some(message) = overlay.inbox.take(&names, 1).pop() else { return };
        let data = message_data(&message);
        let row = EntryKind::Message { name: message.name.clone(), data: data.clone() };
        self.answer(overlay, op, Some((message, row)), SleepState::Interrupted, Value::Message(data));
    }

    fn give_up(&mut self, overlay: &mut Overlay, op: OpId) {
        self.answer(overlay, op, None, SleepState::Completed, Value::Nothing);
    }

    /// Records the answer of a wait: its deadline, the message if there is one, and their count.
    fn answer(
        &mut self,
        overlay: &mut Overlay,
        op: OpId,
        message: Option<(Message, EntryKind)>,
        timer_state: SleepState,
        value: Value,
    ) {
        let Some(pending) = self.ops.get(&op) else { return };
        let Kind::Next { names, timer, .. } = &pending.kind else { return };
        let (place, label, timer) = (pending.place, label(names), *timer);
        let scope_node = self.scopes.get(&pending.scope).map(|scope| scope.node);
        let row_name = format!("{}:0", pending.name);
        let row = message.as_ref().and(scope_node).map(|node| self.history.place(node, &row_name));
        let count = EntryKind::Message { name: format!("{label}:count"), data: count_data(message.is_some()) };
        let mut writing = self.begin(overlay);
        let seq = writing.seq();
        if let Some((timer_place, Timer::New { deadline } | Timer::Pending { deadline })) = timer {
            self.write_timer(overlay, &mut writing, timer_place, deadline, timer_state);
        }
        if let (Some((message, kind)), Some(row)) = (message, row) {
            self.record(overlay, row, seq, kind);
            self.write_entry(&mut writing, row);
            writing.take(message.key);
        }
        self.record(overlay, place, seq, count);
        self.write_entry(&mut writing, place);
        self.fulfil(overlay, op, writing, value);
    }

    /// Messages have come in: those that a wait wants are taken at once.
    pub fn messages_came(&mut self, overlay: &mut Overlay) {
        let waiting = |kind: &Kind| matches!(kind, Kind::Next { wait: Wait::Waiting { .. }, .. });
        let ops: Vec<OpId> = self.ops.iter().filter(|(_, pending)| waiting(&pending.kind)).map(|(op, _)| *op).collect();
        for op in ops {
            let Some(Kind::Next { names, .. }) = self.ops.get(&op).map(|pending| &pending.kind) else { continue };
            if overlay.inbox.holds(names) {
                self.wait_input(overlay, op, WaitInput::Message);
            }
        }
    }

    /// A deadline has passed.
    pub(super) fn due(&mut self, overlay: &mut Overlay, op: OpId) {
        match self.ops.get(&op).map(|pending| &pending.kind) {
            Some(Kind::Step { .. }) => self.step_due(overlay, op),
            Some(Kind::Sleep { .. }) => self.sleep_input(overlay, op, TimerInput::Due),
            Some(Kind::Next { .. }) => self.wait_input(overlay, op, WaitInput::Due),
            Some(Kind::Loop { .. }) | None => {}
        }
    }

    fn fulfil(&mut self, overlay: &mut Overlay, op: OpId, writing: Writing, value: Value) {
        if let Some(pending) = self.ops.get_mut(&op) {
            *pending.outcome() = Some(Fact::Resolve(value.clone()));
        }
        let seq = self.commit(overlay, writing);
        self.finish_after(overlay, op, seq, Fact::Resolve(value));
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

    /// The message that a wait took, if it took one; its row counts as visited.
    fn recorded_message(&mut self, scope: ScopeId, node: NodeId, name: &str) -> Option<Bytes> {
        let row = self.history.find(node, &format!("{name}:0"))?;
        self.history.get(row)?;
        if self.history.use_in(row, scope) {
            self.visit(scope);
        }
        match self.history.get(row) {
            Some(Recorded { entry, .. }) => match &entry.kind {
                EntryKind::Message { data, .. } => Some(data.clone()),
                _ => None,
            },
            None => None,
        }
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

fn count_data(taken: bool) -> Bytes {
    Bytes::from_static(if taken { &[1] } else { &[0] })
}

/// The record of a message in the history (engine behaviour 4.4.7).
fn message_data(message: &Message) -> Bytes {
    let mut writer = cbor::Writer::with_capacity(message.body.len() + 96);
    writer.object(6).key(b"__rivetWorkflowQueueMessage").uint(1);
    writer.key(b"id").text(&message.id()).key(b"name").text(&message.name);
    writer.key(b"body").raw(&message.body);
    writer.key(b"createdAt").number(message.sent_at as f64).key(b"completed").boolean(true);
    writer.finish()
}
