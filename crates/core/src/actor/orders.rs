//! What other actors want of the actor itself: that it be made, say how its run ends, end, or be no more.
//!
//! An order is taken in a change of its own, with what follows from it; only the adapter can make the actor, and does so in
//! the change that takes the order.

use super::Actor;
use super::handlers::answer_to;
use crate::answers::Answer;
use crate::codec::change::Record;
use crate::codec::dealing::Dealing;
use crate::failure::Failure;
use crate::inbox::{Message, MessageKey, Purpose, SELF};
use crate::input::{CallId, Input};
use crate::output::{Output, RunOutcome};
use crate::overlay::Writing;

/// The call that orders make: no caller has it, so nobody is answered.
const NO_CALL: CallId = 0;

impl Actor {
    /// Follows orders, oldest first, until one waits for the adapter.
    pub(super) fn follow_orders(&mut self) {
        while let Some(order) = self.overlay.inbox.first_order() {
            let is_order_to_make = matches!(order.purpose, Purpose::Create { .. });
            if is_order_to_make && !self.created {
                return self.pass_order_on();
            }
            let Some(order) = self.overlay.inbox.take_order() else { return };
            match order.purpose {
                Purpose::Create { watched: true } => self.be_watched(order.key),
                Purpose::Cancel => self.be_cancelled(&order),
                Purpose::Destroy => self.destroy(NO_CALL, Some(order.key)),
                _ => drop(self.take_order(order.key)),
            }
        }
    }

    /// The adapter makes the actor: its state is code.
    fn pass_order_on(&mut self) {
        let Some(order) = self.overlay.inbox.first_order() else { return };
        if self.is_ready && self.passed_on.as_ref() != Some(&order.key) {
            self.passed_on = Some(order.key.clone());
            let input = Some(order.body.clone()).filter(|body| !body.is_empty());
            self.overlay.outputs.push_back(Output::Ordered { input });
        }
    }

    fn take_order(&mut self, key: MessageKey) -> u64 {
        let mut writing = self.overlay.begin();
        writing.take(key);
        self.commit(writing)
    }

    /// Whoever sent the order wants to hear how the run ends: at once, if it has.
    fn be_watched(&mut self, key: MessageKey) {
        let mut writing = self.overlay.begin();
        writing.take(key.clone());
        match self.end_of_run() {
            Some(answer) => drop(self.overlay.send(&mut writing, SELF, answer_to(&key, answer))),
            None => self.watch(&mut writing, key, false),
        }
        self.commit(writing);
    }

    fn watch(&mut self, writing: &mut Writing, key: MessageKey, made: bool) {
        writing.writer.record(&Record::Dealing(Dealing::Watched { key: key.clone(), made }));
        if let Some(run) = &mut self.run {
            run.watchers.insert(key, made);
        }
    }

    /// What a watcher is told of a run that has ended, or of an actor that has none.
    fn end_of_run(&self) -> Option<Answer> {
        match &self.run {
            None => Some(Err(no_workflow())),
            Some(run) => run.ended_as().map(outcome_answer),
        }
    }

    /// The actor is made as the oldest order says: in this change the order is taken.
    pub(super) fn made_as_ordered(&mut self, writing: &mut Writing) {
        let Some(order) = self.overlay.inbox.take_order() else { return };
        writing.take(order.key.clone());
        self.passed_on = None;
        match (order.purpose, &self.run) {
            (Purpose::Create { watched: true }, Some(_)) => self.watch(writing, order.key, true),
            (Purpose::Create { watched: true }, None) => {
                self.overlay.send(writing, SELF, answer_to(&order.key, Err(no_workflow())));
            }
            _ => {}
        }
    }

    /// The actor cannot be made. Whoever waits for it is told; an order that nobody waits for goes.
    pub(super) fn not_made(&mut self, failure: Failure) {
        let is_to_make = |order: &Message| matches!(order.purpose, Purpose::Create { .. });
        if self.created || !self.overlay.inbox.first_order().is_some_and(is_to_make) {
            return;
        }
        let Some(order) = self.overlay.inbox.take_order() else { return };
        self.passed_on = None;
        let mut writing = self.overlay.begin();
        writing.take(order.key.clone());
        if order.purpose == (Purpose::Create { watched: true }) {
            self.overlay.send(&mut writing, SELF, answer_to(&order.key, Err(failure)));
        }
        self.commit(writing);
    }

    /// A parent cancels what it has made, and nothing else; whoever holds a reference may cancel whatever is there.
    fn be_cancelled(&mut self, order: &Message) {
        self.take_order(order.key.clone());
        let by_parent = order.name.parse::<u64>().ok();
        let Some(run) = self.run.as_ref().filter(|run| run.ended_as().is_none()) else { return };
        let is_made_by_it = |made: u64| {
            let key = MessageKey { sender: order.key.sender.clone(), sender_seq: made };
            run.watchers.get(&key).copied().unwrap_or(false)
        };
        if by_parent.is_none_or(is_made_by_it) {
            let reason = by_parent.map(|_| format!("{} was, which had made it", order.key.sender));
            self.run_handle(Input::Cancel { call: NO_CALL, compensate: true, reason });
        }
    }

    /// Messages that somebody waits for the answer to, and nobody takes any more.
    pub(super) fn refuse_asked(&mut self) {
        if !self.run.as_ref().is_some_and(|run| run.has_ended()) {
            return;
        }
        let asked = self.overlay.inbox.asked();
        let lost: Vec<Message> = asked.filter(|message| !self.handlers.takes(&message.name)).cloned().collect();
        if lost.is_empty() {
            return;
        }
        let mut writing = self.overlay.begin();
        for message in lost {
            writing.take(message.key.clone());
            self.overlay.inbox.take_one(&message.name, &message.key);
            self.overlay.send(&mut writing, SELF, answer_to(&message.key, Err(run_ended())));
        }
        self.commit(writing);
    }

    /// Ends everything. What comes for the actor afterwards is refused, until it is made anew.
    pub(super) fn destroy(&mut self, call: CallId, order: Option<MessageKey>) {
        let mut writing = self.overlay.begin();
        if let Some(key) = order {
            writing.take(key);
        }
        if let Some(run) = &mut self.run {
            for (key, answer) in run.leave() {
                self.overlay.send(&mut writing, SELF, answer_to(&key, answer));
            }
            for send in run.cancels_of_children() {
                self.overlay.send(&mut writing, SELF, send);
            }
        }
        self.refuse_all(&mut writing);
        writing.writer.record(&Record::Dealing(Dealing::Destroyed));
        // Scopes are numbered once in a process.
        self.first_scope = self.run.as_ref().map_or(self.first_scope, |run| run.next_scope());
        self.run = None;
        self.created = false;
        self.overlay.is_destroyed = true;
        self.forget_everything();
        let seq = self.commit(writing);
        self.overlay.leave_after(seq, Output::Reply { call });
        self.overlay.leave_after(seq, Output::Destroyed);
    }

    /// Empties the inbox; whoever waits for an answer is told.
    pub(super) fn refuse_all(&mut self, writing: &mut Writing) {
        for message in self.overlay.inbox.drain() {
            writing.take(message.key.clone());
            if matches!(message.purpose, Purpose::Asked) {
                self.overlay.send(writing, SELF, answer_to(&message.key, Err(destroyed())));
            }
        }
    }

    /// What has come for an actor that is no more.
    pub(super) fn refuse_arrived(&mut self) {
        if self.created || !self.is_destroyed() || !self.overlay.inbox.has_messages() {
            return;
        }
        let mut writing = self.overlay.begin();
        self.refuse_all(&mut writing);
        self.commit(writing);
    }
}

/// What a watcher is told.
pub(crate) fn outcome_answer(outcome: &RunOutcome) -> Answer {
    match outcome {
        RunOutcome::Completed(output) => Ok(output.clone()),
        RunOutcome::Failed(failure) => Err(failure.clone()),
        RunOutcome::Cancelled(reason) => {
            let because = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            Err(Failure::of_pawl("cancelled", format!("the workflow was cancelled{because}"), "no"))
        }
    }
}

pub(crate) fn run_ended() -> Failure {
    Failure::of_pawl("workflow_ended", "the workflow has ended: nobody takes the message".to_owned(), "no")
}

pub(crate) fn destroyed() -> Failure {
    Failure::of_pawl("actor_destroyed", "the actor was destroyed".to_owned(), "no")
}

fn no_workflow() -> Failure {
    Failure::of_pawl("bad_argument", "the actor has no workflow, and so no result".to_owned(), "no")
}
