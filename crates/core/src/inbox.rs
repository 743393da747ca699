//! Messages that have come in, and the machine of a wait for them.
//!
//! | state    | call, message there | call, none there             | message           | due                                          |
//! |----------|---------------------|------------------------------|-------------------|----------------------------------------------|
//! | new      | taken: take         | waiting: wait                | ignored           | ignored                                      |
//! | waiting  | deadline passed: as due; else as new                | taken: take       | before its deadline: wait; else missed: give up |
//! | taken    | resolve             | resolve                      | ignored           | ignored                                      |
//! | missed   | resolve             | resolve                      | ignored           | ignored                                      |
//!
//! A message is taken in the change of the wait that uses it, so it is either in the inbox or in the history, never in
//! both and never in neither. A wait whose deadline has passed takes nothing: what came too late stays in the inbox.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::input::OpId;

/// Where a message stands in its receiver's inbox: the sender, and the sender's number for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageKey {
    pub sender: String,
    pub sender_seq: u64,
}

impl MessageKey {
    /// The key of a message that an embedding host keeps: it is known by the host's id alone.
    pub fn of_host(id: &str) -> MessageKey {
        MessageKey { sender: format!("{HOST}{id}"), sender_seq: 0 }
    }

    fn is_of_host(&self) -> bool {
        self.sender.starts_with(HOST)
    }

    pub fn id(&self) -> String {
        match self.sender.strip_prefix(HOST) {
            Some(id) => id.to_owned(),
            None => format!("{}-{}", self.sender_seq >> 16, self.sender_seq & 0xffff),
        }
    }
}

/// A message that is in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub key: MessageKey,
    pub name: String,
    /// The body, as one encoded value.
    pub body: Bytes,
    /// Milliseconds since the epoch.
    pub sent_at: i64,
}

/// The sender of messages that come from outside of any actor. No actor has this name: theirs are `type/key`.
pub const OUTSIDE: &str = "outside";
/// The sender of messages that an actor puts into its own inbox.
pub const SELF: &str = "self";
/// What the sender of a host's message begins with.
const HOST: &str = "host:";

/// The host's id of a message, if its sender says that it is a host's.
pub fn host_id(sender: &str) -> Option<&str> {
    sender.strip_prefix(HOST)
}

impl Message {
    /// The id that user code sees: the change that brought the message, and its place in it.
    /// A message of an embedding host has the host's own id.
    pub fn id(&self) -> String {
        self.key.id()
    }
}

/// The messages of one actor, in the order in which they came in. Taking one costs the number of names asked for,
/// whatever the number of messages.
#[derive(Debug, Default)]
pub struct Inbox {
    /// By name: each message with its place in the order of all. No queue is empty.
    queues: BTreeMap<String, VecDeque<(Place, Message)>>,
    arrived: u64,
    newest: u64,
    len: usize,
}

/// A message's place: its sender's number for it, as a load would order them, and among equals the order of arrival. A
/// host's messages have no number: they come after what was there.
type Place = (u64, u64);

impl Inbox {
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Inbox {
        let mut inbox = Inbox::default();
        messages.into_iter().for_each(|message| inbox.put(message));
        inbox
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many messages have come in, or back, since the actor was loaded.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    pub fn put(&mut self, message: Message) {
        if !message.key.is_of_host() {
            self.newest = self.newest.max(message.key.sender_seq);
        }
        let number = if message.key.is_of_host() { self.newest } else { message.key.sender_seq };
        self.insert(number, message);
    }

    /// Puts messages back that were taken and not used: each is at its place again. A host's are the oldest.
    pub fn put_back(&mut self, messages: impl Iterator<Item = Message>) {
        for message in messages {
            let number = if message.key.is_of_host() { 0 } else { message.key.sender_seq };
            self.insert(number, message);
        }
    }

    fn insert(&mut self, number: u64, message: Message) {
        self.arrived += 1;
        self.len += 1;
        let place = (number, self.arrived);
        let queue = self.queues.entry(message.name.clone()).or_default();
        let at = queue.partition_point(|(other, _)| *other < place);
        queue.insert(at, (place, message));
    }

    /// The names of which a message is there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// Every message, oldest first.
    pub fn messages(&self) -> Vec<&Message> {
        let mut messages: Vec<_> = self.queues.values().flatten().collect();
        messages.sort_by_key(|(place, _)| *place);
        messages.into_iter().map(|(_, message)| message).collect()
    }

    /// Whether a message is there that a wait for `names` would take. No names: any message.
    pub fn holds(&self, names: &[String]) -> bool {
        if names.is_empty() { self.len > 0 } else { names.iter().any(|name| self.queues.contains_key(name)) }
    }

    /// Takes up to `count` messages of these names out, oldest first.
    pub fn take(&mut self, names: &[String], count: usize) -> Vec<Message> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some(name) = self.oldest(names) else { break };
            let Some(queue) = self.queues.get_mut(&name) else { break };
            taken.extend(queue.pop_front().map(|(_, message)| message));
            self.len -= 1;
            if queue.is_empty() {
                self.queues.remove(&name);
            }
        }
        taken
    }

    fn oldest(&self, names: &[String]) -> Option<String> {
        let first = |queue: &VecDeque<(Place, Message)>| queue.front().map_or((u64::MAX, 0), |(place, _)| *place);
        if names.is_empty() {
            return self.queues.iter().min_by_key(|(_, queue)| first(queue)).map(|(name, _)| name.clone());
        }
        let queues = names.iter().filter_map(|name| self.queues.get_key_value(name));
        queues.min_by_key(|(_, queue)| first(queue)).map(|(name, _)| name.clone())
    }
}

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
    use super::*;

    fn message(sender_seq: u64, name: &str) -> Message {
        let key = MessageKey { sender: String::new(), sender_seq };
        Message { key, name: name.into(), body: Bytes::from_static(&[0xf6]), sent_at: 1 }
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
    fn taking_by_name_leaves_the_others_in_their_order() {
        let mut inbox = Inbox::new(vec![message(1, "a"), message(2, "b"), message(3, "a"), message(4, "c")]);
        let taken = inbox.take(&["a".into(), "c".into()], 2);
        assert_eq!(taken.iter().map(|message| message.key.sender_seq).collect::<Vec<_>>(), [1, 3]);
        assert!(inbox.holds(&["c".into()]) && inbox.holds(&[]) && !inbox.holds(&["a".into()]));
        assert_eq!(inbox.take(&[], 9).iter().map(|message| message.key.sender_seq).collect::<Vec<_>>(), [2, 4]);
        assert!(inbox.is_empty());
    }

    #[test]
    fn what_is_put_back_is_at_its_place_again_whoever_took_it() {
        let mut inbox = Inbox::new(vec![message(1, "a"), message(2, "b"), message(3, "a")]);
        let mut taken = inbox.take(&["a".into()], 2);
        inbox.put(message(4, "b"));
        taken.reverse();
        inbox.put_back(taken.into_iter());
        assert_eq!(inbox.take(&[], 9).iter().map(|message| message.key.sender_seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
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
