//! Messages that handlers take, and schedules that are due, without a workflow: one at a time, each with an attempt of its own.
//!
//! Owns which message is handled, how often that has failed, and what is set aside. A message is in the inbox until the change
//! of its handler takes it. One law: of one sender's messages none is handled before those that came first have left, or are
//! set aside.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Actor;
use crate::answers::Answer;
use crate::codec::change::Record;
use crate::codec::dealing::{Dealing, failure_bytes};
use crate::failure::Failure;
use crate::inbox::{Inbox, Message, MessageKey, OUTSIDE, Purpose, SELF};
use crate::input::{Input, Outcome, Receives, Send, Time, Writes};
use crate::output::{Attempt, FailedPart, FailureEvent, Output, Verdict};
use crate::overlay::{Held, Writing, newest_pin};
use crate::retry::Policy;
use crate::run::{Judged, settle_writes};
use crate::step::{Step, StepAction, StepInput};

/// Reports of failed handlers are numbered from here on; operations of runs never come so far.
const REPORTS: u64 = 1 << 50;

/// What is known of a message that a handler has failed at.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    pub name: String,
    pub attempts: u32,
    pub started_at: Time,
    /// When the handler asked to be tried again.
    pub not_before: Option<Time>,
    /// Whether that is for good.
    pub aside: bool,
    pub failure: Failure,
}

/// The message that is being handled.
#[derive(Debug)]
struct Handling {
    id: u64,
    key: MessageKey,
    name: String,
    step: Step,
    /// None: as long as it likes, or its body has ended.
    deadline: Option<Time>,
}

#[derive(Debug, Default)]
pub(super) struct Handlers {
    receives: Option<Receives>,
    current: Option<Handling>,
    next_id: u64,
    troubles: BTreeMap<MessageKey, Trouble>,
}

impl Handlers {
    pub fn new(troubles: BTreeMap<MessageKey, Trouble>) -> Handlers {
        Handlers { troubles, ..Handlers::default() }
    }

    /// Whether messages of this name have a handler.
    pub fn takes(&self, name: &str) -> bool {
        self.receives.as_ref().is_some_and(|receives| receives.names.iter().any(|known| known == name))
    }

    pub fn trouble(&self, key: &MessageKey) -> Option<&Trouble> {
        self.troubles.get(key)
    }

    /// There is no such message any more.
    pub fn forget(&mut self, key: &MessageKey) {
        self.troubles.remove(key);
    }

    /// When it next wants to hear of the time.
    pub fn deadline(&self) -> Option<Time> {
        match (&self.current, &self.receives) {
            (Some(handling), _) => handling.deadline,
            (None, Some(receives)) => self.next_retry(&receives.policy),
            (None, None) => None,
        }
    }

    /// When it can go on by itself; 0: at once.
    fn errand(&self, inbox: &Inbox) -> Option<Time> {
        let receives = self.receives.as_ref()?;
        if self.current.is_some() || self.oldest(inbox, receives).is_some() || self.tick(inbox).is_some() {
            return Some(0);
        }
        self.next_retry(&receives.policy)
    }

    fn next_retry(&self, policy: &Policy) -> Option<Time> {
        self.retries().map(|(_, trouble)| trouble.retry_at(policy)).min()
    }

    /// Messages that are to be tried again.
    fn retries(&self) -> impl Iterator<Item = (&MessageKey, &Trouble)> {
        let is_ours = |key: &MessageKey, trouble: &Trouble| key.is_of_schedule() || self.takes(&trouble.name);
        self.troubles.iter().filter(move |(key, trouble)| !trouble.aside && is_ours(key, trouble))
    }

    /// The oldest message that has not been tried, of those whose sender has none that is to be tried again.
    fn oldest<'a>(&self, inbox: &'a Inbox, receives: &Receives) -> Option<&'a Message> {
        let waits = |sender: &str| self.troubles.iter().any(|(key, trouble)| !trouble.aside && key.sender == sender);
        inbox.oldest_of(&receives.names, |message| !self.troubles.is_empty() && waits(&message.key.sender))
    }

    /// The message that is to be handled next.
    fn next(&self, inbox: &Inbox, now: Time) -> Option<(MessageKey, String, Step)> {
        let receives = self.receives.as_ref()?;
        let due = self.retries().filter(|(_, trouble)| trouble.retry_at(&receives.policy) <= now);
        if let Some((key, trouble)) = due.min_by_key(|(_, trouble)| trouble.retry_at(&receives.policy)) {
            let Trouble { attempts, started_at, not_before, .. } = *trouble;
            return Some((key.clone(), trouble.name.clone(), Step::Failed { attempts, started_at, not_before }));
        }
        // Whichever has waited longer.
        let waiting = [self.oldest(inbox, receives), self.tick(inbox)];
        let message = waiting.into_iter().flatten().min_by_key(|message| message.sent_at.max(message.due_at))?;
        Some((message.key.clone(), message.name.clone(), Step::New))
    }

    /// The oldest tick whose time has come and that has not been tried, or that has failed for good.
    fn tick<'a>(&self, inbox: &'a Inbox) -> Option<&'a Message> {
        let is_tried_again = |key| self.troubles.get(key).is_some_and(|trouble| !trouble.aside);
        let due = inbox.ticks().filter(|tick| !is_tried_again(&tick.key));
        due.min_by_key(|tick| tick.sent_at.max(tick.due_at))
    }
}

impl Trouble {
    fn retry_at(&self, policy: &Policy) -> Time {
        self.not_before.unwrap_or_else(|| self.started_at.saturating_add(policy.backoff_ms(self.attempts)))
    }
}

impl Actor {
    /// Which messages have handlers.
    pub(super) fn receives(&mut self, receives: Receives) {
        self.handlers.receives = Some(receives);
    }

    /// Begins to handle the next message, if none is being handled.
    pub(super) fn handle_next(&mut self) {
        while self.created && self.is_ready && self.handlers.current.is_none() {
            let now = self.overlay.now;
            let Some(policy) = self.handlers.receives.as_ref().map(|receives| receives.policy) else { break };
            let Some((key, name, step)) = self.handlers.next(&self.overlay.inbox, now) else { break };
            self.handlers.next_id += 1;
            let id = self.handlers.next_id;
            if self.handlers.trouble(&key).is_some_and(|trouble| trouble.aside) {
                self.pass_over(id, key, name);
                continue;
            }
            let (step, action) = step.on(StepInput::Call, &policy, now);
            let deadline = policy.timeout_ms.map(|timeout| now.saturating_add(timeout));
            self.handlers.current = Some(Handling { id, key: key.clone(), name, step, deadline });
            match action {
                StepAction::Execute { attempts } => self.execute_handler(id, attempts, &key),
                // The policy allows less than it did.
                StepAction::RecordTerminal(_) => {
                    let trouble = self.handlers.trouble(&key).cloned();
                    self.handlers.current = None;
                    if let Some(trouble) = trouble {
                        self.set_aside(key, trouble);
                    }
                }
                _ => break,
            }
        }
        self.overlay.errands = self.handlers.errand(&self.overlay.inbox);
    }

    fn execute_handler(&mut self, receipt: u64, attempt: u32, key: &MessageKey) {
        let message = self.handlers.current.as_ref().and_then(|handling| self.overlay.inbox.find(&handling.name, key));
        let Some(message) = message else { return self.handlers.current = None };
        let (id, name, body) = (message.id(), message.name.clone(), message.body.clone());
        let due_at = message.due_at;
        self.overlay.outputs.push_back(match message.purpose {
            Purpose::Tick => Output::Tick { receipt, attempt, id, name, spec: body, due_at },
            _ => Output::Receive { receipt, attempt, id, name, body },
        });
    }

    /// A schedule has failed for good at a tick: all that is left to do is to plan the next one.
    fn pass_over(&mut self, id: u64, key: MessageKey, name: String) {
        let step = Step::Running { attempts: 0, started_at: self.overlay.now };
        self.handlers.current = Some(Handling { id, key: key.clone(), name, step, deadline: None });
        self.execute_handler(id, 0, &key);
    }

    /// A handler has ended.
    pub(super) fn received(&mut self, receipt: u64, attempt: u32, outcome: Outcome) {
        let id = Attempt::Receive { receipt, attempt };
        let is_current = self.handlers.current.as_ref().is_some_and(|handling| {
            handling.id == receipt && matches!(handling.step, Step::Running { attempts, .. } if attempts == attempt)
        });
        if !is_current {
            self.overlay.gave_up(id);
            return self.overlay.verdict(id, Verdict::Stale);
        }
        match outcome {
            Outcome::Threw { failure, retry_at, .. } => {
                self.overlay.gave_up(id);
                self.handler_failed(failure, retry_at);
            }
            Outcome::Done { output, writes } => match settle_writes(&mut self.overlay, id, &writes) {
                Judged::Passed { .. } => self.handled(id, output, writes),
                // The adapter runs it again, at once.
                Judged::Again => self.arm_handler(),
                Judged::Hold => {
                    if let Some(handling) = &mut self.handlers.current {
                        handling.deadline = None;
                    }
                    let input = Input::Received { receipt, attempt, outcome: Outcome::Done { output, writes } };
                    self.overlay.hold(Held { attempt: id, since: self.overlay.now, input });
                }
                Judged::Broken(failure) => {
                    self.overlay.verdict(id, Verdict::Stale);
                    self.handler_failed(failure, None);
                }
            },
        }
    }

    fn arm_handler(&mut self) {
        let now = self.overlay.now;
        if let (Some(handling), Some(receives)) = (&mut self.handlers.current, &self.handlers.receives) {
            handling.deadline = receives.policy.timeout_ms.map(|timeout| now.saturating_add(timeout));
        }
    }

    /// The message leaves the inbox in the change of what its handler did.
    fn handled(&mut self, attempt: Attempt, output: Option<Bytes>, writes: Writes) {
        let Some(handling) = self.handlers.current.take() else { return };
        let wrote_state = writes.cells.iter().any(|cell| cell.delta.is_some());
        let mut writing = self.overlay.begin();
        let seq = writing.seq();
        self.handlers.troubles.remove(&handling.key);
        let message = self.take_message(&mut writing, &handling.name, &handling.key);
        self.overlay.write(&mut writing, writes);
        let told = message.and_then(|message| self.answer_message(&mut writing, &message, Ok(output)));
        self.overlay.errands = self.handlers.errand(&self.overlay.inbox);
        self.commit(writing);
        self.overlay.verdict(attempt, if wrote_state { Verdict::Queued { seq } } else { Verdict::Clean });
        self.overlay.leave_after(seq, Output::Received { receipt: handling.id });
        if let Some(answered) = told {
            self.overlay.leave_after(seq, answered);
        }
    }

    fn take_message(&mut self, writing: &mut Writing, name: &str, key: &MessageKey) -> Option<Message> {
        writing.take(key.clone());
        self.overlay.inbox.take_one(name, key)
    }

    /// Whoever asked is told, if somebody did: another actor by a message of the same change, a caller outside by what is
    /// returned, once that is durable.
    pub(super) fn answer_message(
        &mut self,
        writing: &mut Writing,
        message: &Message,
        answer: Answer,
    ) -> Option<Output> {
        if message.purpose == Purpose::Asked {
            self.overlay.send(writing, SELF, answer_to(&message.key, answer));
            return None;
        }
        let receives = self.handlers.receives.as_ref()?;
        let is_asked = message.key.sender == OUTSIDE && receives.answered.contains(&message.name);
        is_asked.then(|| {
            let message_id = message.id();
            writing.writer.record(&match answer.clone() {
                Ok(reply) => Record::Answered { message_id: message_id.clone(), reply },
                Err(failure) => Record::Dealing(Dealing::AnsweredFailed { message_id: message_id.clone(), failure }),
            });
            Output::Answered { message_id, reply: answer }
        })
    }

    /// The failure record is all that a failed attempt writes. What nobody tries again leaves the inbox if somebody waits for
    /// the answer, and is set aside otherwise.
    fn handler_failed(&mut self, failure: Failure, not_before: Option<Time>) {
        let Some(policy) = self.handlers.receives.as_ref().map(|receives| receives.policy) else { return };
        let Some(handling) = self.handlers.current.take() else { return };
        let Step::Running { attempts, started_at } = handling.step else { return };
        let input = StepInput::Failed { kind: failure.kind, not_before };
        let (_, action) = handling.step.on(input, &policy, self.overlay.now);
        let retry_at = match action {
            StepAction::RecordFailure { retry_at } => Some(retry_at),
            _ => None,
        };
        let (key, name) = (handling.key, handling.name);
        let event = FailureEvent {
            part: if key.is_of_schedule() { FailedPart::Schedule } else { FailedPart::Receive },
            step: Some(name.clone()),
            attempt: attempts,
            retry_at,
            failure: failure.clone(),
        };
        let trouble = Trouble { name, attempts, started_at, not_before, aside: retry_at.is_none(), failure };
        match retry_at {
            Some(_) => self.note_trouble(key, trouble),
            None => self.set_aside(key, trouble),
        }
        let seq = self.overlay.queued();
        self.overlay.leave_after(seq, Output::Received { receipt: handling.id });
        if self.handlers.receives.as_ref().is_some_and(|receives| receives.reports) {
            self.overlay.leave_after(seq, Output::Report { report: REPORTS | handling.id, event });
        }
    }

    fn note_trouble(&mut self, key: MessageKey, trouble: Trouble) {
        let mut writing = self.overlay.begin();
        writing.writer.record(&trouble_record(&key, &trouble));
        self.handlers.troubles.insert(key, trouble);
        self.overlay.errands = self.handlers.errand(&self.overlay.inbox);
        self.commit(writing);
    }

    /// A message is never handled again.
    fn set_aside(&mut self, key: MessageKey, trouble: Trouble) {
        let trouble = Trouble { aside: true, ..trouble };
        let Some(message) = self.overlay.inbox.find(&trouble.name, &key).cloned() else { return };
        let mut writing = self.overlay.begin();
        let seq = writing.seq();
        let told = self.answer_message(&mut writing, &message, Err(trouble.failure.clone()));
        if told.is_some() || message.purpose == Purpose::Asked {
            self.take_message(&mut writing, &trouble.name, &key);
            self.handlers.troubles.remove(&key);
        } else {
            writing.writer.record(&trouble_record(&key, &trouble));
            if !key.is_of_schedule() {
                self.overlay.inbox.set_aside(&trouble.name, &key);
            }
            self.handlers.troubles.insert(key, trouble);
        }
        self.overlay.errands = self.handlers.errand(&self.overlay.inbox);
        self.commit(writing);
        if let Some(answered) = told {
            self.overlay.leave_after(seq, answered);
        }
    }

    /// A handler has taken too long.
    pub(super) fn handler_due(&mut self) {
        let due = self
            .handlers
            .current
            .as_ref()
            .filter(|handling| handling.deadline.is_some_and(|deadline| deadline <= self.overlay.now));
        let Some((handling, receives)) = due.zip(self.handlers.receives.as_ref()) else { return };
        let Step::Running { attempts: attempt, .. } = handling.step else { return };
        let (receipt, timeout_ms) = (handling.id, receives.policy.timeout_ms.unwrap_or(0));
        let failure = Failure::timed_out(&handling.name, timeout_ms);
        self.overlay.gave_up(Attempt::Receive { receipt, attempt });
        self.overlay.outputs.push_back(Output::AbortReceipt { receipt, attempt, timeout_ms });
        self.handler_failed(failure, None);
    }

    /// Handles again what was set aside. False: nothing was.
    pub(super) fn calm(&mut self) -> bool {
        let aside = self.handlers.troubles.iter().filter(|(key, trouble)| trouble.aside && !key.is_of_schedule());
        let keys: Vec<MessageKey> = aside.map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return false;
        }
        let mut writing = self.overlay.begin();
        for key in keys {
            writing.writer.record(&Record::Dealing(Dealing::Calmed { key: key.clone() }));
            self.handlers.troubles.remove(&key);
            self.overlay.inbox.take_up(&key);
        }
        self.commit(writing);
        true
    }

    /// The failure hook has ended, of a failure that is none of the run's: what it wrote is a change of its own.
    pub(super) fn handler_reported(&mut self, report: u64, outcome: Outcome) {
        let attempt = Attempt::Report { report };
        let Outcome::Done { writes, output } = outcome else { return self.overlay.gave_up(attempt) };
        match settle_writes(&mut self.overlay, attempt, &writes) {
            Judged::Passed { wrote } => {
                let mut seq = newest_pin(&writes);
                let mut verdict = Verdict::Clean;
                if wrote {
                    let mut writing = self.overlay.begin();
                    self.overlay.write(&mut writing, writes);
                    seq = self.commit(writing);
                    verdict = Verdict::Queued { seq };
                }
                self.overlay.verdict(attempt, verdict);
                self.overlay.leave_after(seq, Output::Reported { report });
            }
            Judged::Again => {}
            Judged::Broken(_) => self.overlay.verdict(attempt, Verdict::Stale),
            Judged::Hold => {
                let input = Input::Reported { report, outcome: Outcome::Done { output, writes } };
                self.overlay.hold(Held { attempt, since: self.overlay.now, input });
            }
        }
    }

    /// Whether a report is about a handler.
    pub(super) fn is_of_handler(report: u64) -> bool {
        report >= REPORTS
    }
}

/// The message that answers what an actor has asked.
pub(crate) fn answer_to(asked: &MessageKey, answer: Answer) -> Send {
    let failed = answer.is_err();
    let body = match answer {
        Ok(reply) => reply.unwrap_or_default(),
        Err(failure) => failure_bytes(&failure),
    };
    let (to, purpose) = (asked.sender.clone(), Purpose::Answer { to: asked.sender_seq, failed });
    Send { to: Some(to), name: String::new(), body, delay_ms: 0, purpose }
}

pub(crate) fn trouble_record(key: &MessageKey, trouble: &Trouble) -> Record {
    let Trouble { name, attempts, started_at, not_before, aside, failure } = trouble.clone();
    Record::Dealing(Dealing::Troubled { key: key.clone(), name, attempts, started_at, not_before, aside, failure })
}
