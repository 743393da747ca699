//! The machine of a wait for messages, and who waits for which.
//!
//! | state    | call, message there | call, none there             | message           | due                                          |
//! |----------|---------------------|------------------------------|-------------------|----------------------------------------------|
//! | new      | taken: take         | waiting: wait                | ignored           | ignored                                      |
//! | waiting  | deadline passed: as due; else as new                | taken: take       | before its deadline: wait; else missed: give up |
//! | taken    | resolve             | resolve                      | ignored           | ignored                                      |
//! | missed   | resolve             | resolve                      | ignored           | ignored                                      |
//!
//! A wait whose deadline has passed takes nothing: what came too late stays in the inbox.

use std::collections::{BTreeMap, BTreeSet};

use crate::inbox::Inbox;
use crate::input::OpId;

/// Who waits for which messages. Serving one costs the number of names in the inbox, whatever the number of waits.
#[derive(Debug, Default)]
pub struct Waiters {
    by_name: BTreeMap<String, BTreeSet<OpId>>,
    any: BTreeSet<OpId>,
}

impl Waiters {
    /// No names: any message.
    pub fn add(&mut self, op: OpId, names: &[String]) {
        if names.is_empty() {
            self.any.insert(op);
        }
        for name in names {
            self.by_name.entry(name.clone()).or_default().insert(op);
        }
    }

    pub fn remove(&mut self, op: OpId, names: &[String]) {
        self.any.remove(&op);
        for name in names {
            if let Some(ops) = self.by_name.get_mut(name)
                && ops.remove(&op)
                && ops.is_empty()
            {
                self.by_name.remove(name);
            }
        }
    }

    /// Who has waited longest for something that is there.
    pub fn next(&self, inbox: &Inbox) -> Option<OpId> {
        let named = inbox.names().filter_map(|name| self.by_name.get(name)?.first());
        let any = if inbox.is_empty() { None } else { self.any.first() };
        named.chain(any).min().copied()
    }

    /// Every name that someone waits for, in order; none if someone waits for any.
    pub fn names(&self) -> Vec<String> {
        if self.any.is_empty() { self.by_name.keys().cloned().collect() } else { Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.by_name.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    New,
    Waiting { deadline: Option<i64> },
    Taken,
    Missed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitInput {
    /// The workflow asks; `there` tells whether the inbox holds what it wants.
    Call {
        there: bool,
    },
    /// A message that it wants has come in.
    Message,
    Due,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitAction {
    Take,
    Wait,
    GiveUp,
    Resolve,
    Ignore,
}

impl Wait {
    pub fn on(self, input: WaitInput, now: i64) -> (Wait, WaitAction) {
        let passed = |deadline: Option<i64>| deadline.is_some_and(|deadline| deadline <= now);
        match (self, input) {
            (Wait::New, WaitInput::Call { there: true }) => (Wait::Taken, WaitAction::Take),
            (Wait::New, WaitInput::Call { there: false }) => (Wait::Waiting { deadline: None }, WaitAction::Wait),
            (Wait::Waiting { deadline }, WaitInput::Call { .. } | WaitInput::Due) if passed(deadline) => {
                (Wait::Missed, WaitAction::GiveUp)
            }
            (Wait::Waiting { .. }, WaitInput::Call { there: true } | WaitInput::Message) => {
                (Wait::Taken, WaitAction::Take)
            }
            (Wait::Waiting { .. }, WaitInput::Call { there: false } | WaitInput::Due) => (self, WaitAction::Wait),
            (Wait::Taken | Wait::Missed, WaitInput::Call { .. }) => (self, WaitAction::Resolve),
            (state, _) => (state, WaitAction::Ignore),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::inbox::{Message, MessageKey, Purpose};

    fn message(sender_seq: u64, name: &str) -> Message {
        let key = MessageKey { sender: String::new(), sender_seq };
        let body = Bytes::from_static(&[0xf6]);
        Message { key, name: name.into(), body, sent_at: 1, due_at: 1, purpose: Purpose::Plain }
    }

    #[test]
    fn every_state_answers_every_input_as_the_table_says() {
        use WaitAction as Do;
        use WaitInput::*;
        let (open, until) = (Wait::Waiting { deadline: None }, Wait::Waiting { deadline: Some(100) });
        let (here, none) = (Call { there: true }, Call { there: false });
        let table = [
            (Wait::New, here, 0, Wait::Taken, Do::Take),
            (Wait::New, none, 0, open, Do::Wait),
            (Wait::New, Message, 0, Wait::New, Do::Ignore),
            (Wait::New, Due, 0, Wait::New, Do::Ignore),
            (open, here, 0, Wait::Taken, Do::Take),
            (open, none, 0, open, Do::Wait),
            (open, Message, 0, Wait::Taken, Do::Take),
            (open, Due, i64::MAX, open, Do::Wait),
            (until, here, 99, Wait::Taken, Do::Take),
            (until, here, 100, Wait::Missed, Do::GiveUp),
            (until, none, 99, until, Do::Wait),
            (until, none, 100, Wait::Missed, Do::GiveUp),
            (until, Message, 99, Wait::Taken, Do::Take),
            (until, Message, 100, Wait::Taken, Do::Take),
            (until, Due, 99, until, Do::Wait),
            (until, Due, 100, Wait::Missed, Do::GiveUp),
            (Wait::Taken, here, 0, Wait::Taken, Do::Resolve),
            (Wait::Taken, none, 0, Wait::Taken, Do::Resolve),
            (Wait::Taken, Message, 0, Wait::Taken, Do::Ignore),
            (Wait::Taken, Due, 0, Wait::Taken, Do::Ignore),
            (Wait::Missed, here, 0, Wait::Missed, Do::Resolve),
            (Wait::Missed, none, 0, Wait::Missed, Do::Resolve),
            (Wait::Missed, Message, 0, Wait::Missed, Do::Ignore),
            (Wait::Missed, Due, 0, Wait::Missed, Do::Ignore),
        ];
        for (state, input, now, next, action) in table {
            assert_eq!(state.on(input, now), (next, action), "{state:?} on {input:?} at {now}");
        }
    }

    #[test]
    fn the_longest_wait_for_what_is_there_is_served_first() {
        let mut waiters = Waiters::default();
        waiters.add(3, &["a".into()]);
        waiters.add(1, &["b".into()]);
        waiters.add(2, &[]);
        let inbox = Inbox::new(vec![message(1, "a")]);
        assert_eq!(waiters.next(&inbox), Some(2));
        assert_eq!(waiters.names(), Vec::<String>::new());
        waiters.remove(2, &[]);
        assert_eq!((waiters.next(&inbox), waiters.names()), (Some(3), vec!["a".to_owned(), "b".to_owned()]));
        waiters.remove(3, &["a".into()]);
        assert_eq!(waiters.next(&inbox), None);
    }
}
