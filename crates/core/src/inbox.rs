//! Messages that have come in.
//!
//! A message is taken in the change that uses it, so it is either in the inbox or in what was recorded, never in both and
//! never in neither.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

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

    /// The sender of the ticks of a schedule.
    pub fn sender_of_schedule(schedule: &str) -> String {
        format!("{SCHEDULE}{schedule}")
    }

    /// Whether it is a tick's.
    pub fn is_of_schedule(&self) -> bool {
        self.sender.starts_with(SCHEDULE)
    }

    /// Whether an actor sent it, and not the receiver itself or whoever calls from outside.
    pub fn is_of_actor(&self) -> bool {
        !self.is_of_host() && !self.is_of_schedule() && self.sender.contains('/')
    }

    pub fn id(&self) -> String {
        match self.sender.strip_prefix(HOST) {
            Some(id) => id.to_owned(),
            None if self.is_of_actor() || self.is_of_schedule() => {
                format!("{}:{}", self.sender, number(self.sender_seq))
            }
            None => number(self.sender_seq),
        }
    }
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// The receiver's code.
    #[default]
    Plain,
    /// The receiver's code; whoever sent it waits for an answer.
    Asked,
    /// The answer to what the receiver sent under this number. The body is an encoded value, or nothing; if it `failed`, a
    /// failure.
    Answer { to: u64, failed: bool },
    /// Makes the receiver, with the body as its input (no bytes: none). `watched`: the sender wants to hear how its run ends.
    Create { watched: bool },
    /// Ends the receiver's run. Named after the number of the order that made it, only if that did.
    Cancel,
    /// Ends the receiver itself, which has sent it.
    Destroy,
    /// One of the receiver's own schedules is due. The message has the schedule's name, and says in its body what the schedule
    /// was when it was planned.
    Tick,
}

/// A message that is in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub key: MessageKey,
    pub name: String,
    /// The body, as one encoded value.
    pub body: Bytes,
    /// Milliseconds since the epoch. Of one sender's messages none is older than the one before it.
    pub sent_at: i64,
    /// Before then nobody gets it.
    pub due_at: i64,
    pub purpose: Purpose,
}

/// The sender of messages that come from outside of any actor. No actor has this name: theirs are `type/key`.
pub const OUTSIDE: &str = "outside";
/// The sender of messages that an actor puts into its own inbox.
pub const SELF: &str = "self";
/// What the sender of a tick begins with: the schedule's name follows. No actor has such a name, for no type has a colon.
const SCHEDULE: &str = "schedule:";
/// What the sender of a host's message begins with.
const HOST: &str = "host:";

/// The host's id of a message, if its sender says that it is a host's.
pub fn host_id(sender: &str) -> Option<&str> {
    sender.strip_prefix(HOST)
}

/// The change that a message was sent with, and its place in it.
fn number(sender_seq: u64) -> String {
    format!("{}-{}", sender_seq >> 16, sender_seq & 0xffff)
}

fn place_of(message: &Message) -> (i64, u64) {
    (message.due_at, message.key.sender_seq)
}

impl Message {
    /// The id that user code sees: the change that brought the message, and its place in it.
    /// A message of an embedding host has the host's own id.
    pub fn id(&self) -> String {
        self.key.id()
    }
}

/// The messages of one actor, in the order in which they were sent. Taking one costs the number of names asked for,
/// whatever the number of messages.
#[derive(Debug, Default)]
pub struct Inbox {
    /// By name: each message with its place in the order of all. No queue is empty.
    queues: BTreeMap<String, VecDeque<(Place, Message)>>,
    /// Messages whose time has not come, in its order.
    delayed: BTreeMap<(i64, MessageKey), Message>,
    /// Answers that wait for whoever asked, by the number of the question.
    answers: BTreeMap<u64, Message>,
    /// Messages for the actor's code that nobody is given any more.
    aside: BTreeMap<MessageKey, Message>,
    /// Ticks whose time has come, by schedule: of each there is one, come or to come.
    ticks: BTreeMap<String, Message>,
    /// What is for the actor itself and not for its code.
    orders: VecDeque<Message>,
    arrived: u64,
    newest: i64,
    len: usize,
}

/// A message's place: its time, its sender's number for it, as a load would order them, and among equals the order of
/// arrival. A host's messages have no number: they come after what was there.
type Place = (i64, u64, u64);

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
        match message.purpose {
            Purpose::Plain | Purpose::Asked => {}
            Purpose::Tick if message.due_at > message.sent_at => {
                return drop(self.delayed.insert((message.due_at, message.key.clone()), message));
            }
            Purpose::Tick => return drop(self.ticks.insert(message.name.clone(), message)),
            Purpose::Answer { to, .. } => return drop(self.answers.insert(to, message)),
            Purpose::Create { .. } | Purpose::Cancel | Purpose::Destroy => return self.orders.push_back(message),
        }
        if message.due_at != message.sent_at {
            self.delayed.insert((message.due_at, message.key.clone()), message);
            self.len += 1;
            return;
        }
        if !message.key.is_of_host() {
            self.newest = self.newest.max(message.due_at);
        }
        let place = if message.key.is_of_host() { (self.newest, u64::MAX) } else { place_of(&message) };
        self.insert(place, message);
    }

    /// The same, of a message that another actor has sent: it may be there already.
    pub fn deliver(&mut self, message: Message) {
        if !self.has(&message) {
            self.put(message);
        }
    }

    fn has(&self, message: &Message) -> bool {
        let Message { key, name, due_at, purpose, .. } = message;
        match purpose {
            Purpose::Answer { to, .. } => self.answers.contains_key(to),
            Purpose::Create { .. } | Purpose::Cancel | Purpose::Destroy => {
                self.orders.iter().any(|other| other.key == *key)
            }
            Purpose::Tick => self.all_ticks().any(|other| other.key == *key),
            Purpose::Plain | Purpose::Asked => {
                let (time, number) = place_of(message);
                let is_queued = self.queues.get(name).is_some_and(|queue| {
                    let from = queue.partition_point(|((t, n, _), _)| (*t, *n) < (time, number));
                    let same = queue.range(from..).take_while(|((t, n, _), _)| (*t, *n) == (time, number));
                    same.into_iter().any(|(_, other)| other.key == *key)
                });
                is_queued || self.aside.contains_key(key) || self.delayed.contains_key(&(*due_at, key.clone()))
            }
        }
    }

    /// Puts messages back that were taken and not used: each is at its place again. A host's are the oldest.
    pub fn put_back(&mut self, messages: impl Iterator<Item = Message>) {
        for message in messages {
            let place = if message.key.is_of_host() { (i64::MIN, 0) } else { place_of(&message) };
            self.insert(place, message);
        }
    }

    fn insert(&mut self, (time, number): (i64, u64), message: Message) {
        self.arrived += 1;
        self.len += 1;
        let place = (time, number, self.arrived);
        let queue = self.queues.entry(message.name.clone()).or_default();
        let at = queue.partition_point(|(other, _)| *other < place);
        queue.insert(at, (place, message));
    }

    /// When the next of the messages comes whose time has not come.
    pub fn next_due(&self) -> Option<i64> {
        self.delayed.first_key_value().map(|((due_at, _), _)| *due_at)
    }

    /// Lets those in whose time has come.
    pub fn ripen(&mut self, now: i64) {
        while self.next_due().is_some_and(|due_at| due_at <= now) {
            let Some((_, message)) = self.delayed.pop_first() else { return };
            if message.purpose == Purpose::Tick {
                self.ticks.insert(message.name.clone(), message);
                continue;
            }
            self.len -= 1;
            self.insert(place_of(&message), message);
        }
    }

    /// The ticks whose time has come.
    pub fn ticks(&self) -> impl Iterator<Item = &Message> {
        self.ticks.values()
    }

    /// These, and those whose time has not come.
    pub fn all_ticks(&self) -> impl Iterator<Item = &Message> {
        self.ticks.values().chain(self.delayed.values().filter(|message| message.purpose == Purpose::Tick))
    }

    /// Takes a tick out, whether its time has come or not.
    pub fn take_tick(&mut self, message: &Message) -> Option<Message> {
        let delayed = self.delayed.remove(&(message.due_at, message.key.clone()));
        delayed.or_else(|| self.take_one(&message.name, &message.key))
    }

    /// Takes the answer to a question out.
    pub fn take_answer(&mut self, to: u64) -> Option<Message> {
        self.answers.remove(&to)
    }

    /// Takes every answer out that is to none of these questions.
    pub fn take_answers_but(&mut self, open: impl Fn(u64) -> bool) -> Vec<Message> {
        let gone: Vec<u64> = self.answers.keys().copied().filter(|to| !open(*to)).collect();
        gone.into_iter().filter_map(|to| self.answers.remove(&to)).collect()
    }

    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Takes the oldest message out that is for the actor itself.
    pub fn take_order(&mut self) -> Option<Message> {
        self.orders.pop_front()
    }

    pub fn first_order(&self) -> Option<&Message> {
        self.orders.front()
    }

    /// The oldest message of these names whose sender none of the others are from.
    pub fn oldest_of(&self, names: &[String], without: impl Fn(&Message) -> bool) -> Option<&Message> {
        let queues = names.iter().filter_map(|name| self.queues.get(name));
        let firsts = queues.filter_map(|queue| queue.iter().find(|(_, message)| !without(message)));
        firsts.min_by_key(|(place, _)| *place).map(|(_, message)| message)
    }

    /// Takes this message out, if it is there.
    pub fn take_one(&mut self, name: &str, key: &MessageKey) -> Option<Message> {
        if key.is_of_schedule() {
            return self.find(name, key).is_some().then(|| self.ticks.remove(name)).flatten();
        }
        let queue = self.queues.get_mut(name)?;
        let at = queue.iter().position(|(_, message)| message.key == *key)?;
        let (_, message) = queue.remove(at)?;
        self.len -= 1;
        if queue.is_empty() {
            self.queues.remove(name);
        }
        Some(message)
    }

    /// A message of this name that has come, and is not set aside.
    pub fn find(&self, name: &str, key: &MessageKey) -> Option<&Message> {
        if key.is_of_schedule() {
            return self.ticks.get(name).filter(|message| message.key == *key);
        }
        let queue = self.queues.get(name)?;
        queue.iter().map(|(_, message)| message).find(|message| message.key == *key)
    }

    /// Keeps a message from everyone.
    pub fn set_aside(&mut self, name: &str, key: &MessageKey) {
        if let Some(message) = self.take_one(name, key) {
            self.len += 1;
            self.aside.insert(key.clone(), message);
        }
    }

    /// Lets a message in again that was set aside.
    pub fn take_up(&mut self, key: &MessageKey) {
        if let Some(message) = self.aside.remove(key) {
            self.len -= 1;
            self.insert(place_of(&message), message);
        }
    }

    /// Messages that have come, whose senders wait for an answer.
    pub fn asked(&self) -> impl Iterator<Item = &Message> {
        let all = self.queues.values().flatten().map(|(_, message)| message);
        all.filter(|message| message.purpose == Purpose::Asked)
    }

    /// Whether anything is there but orders.
    pub fn has_messages(&self) -> bool {
        self.len > 0 || self.has_answers()
    }

    /// Takes everything out but orders.
    pub fn drain(&mut self) -> Vec<Message> {
        let orders = std::mem::take(&mut self.orders);
        let Inbox { queues, delayed, answers, aside, ticks, .. } = std::mem::take(self);
        self.orders = orders;
        let queued = queues.into_values().flatten().map(|(_, message)| message);
        let beside = delayed.into_values().chain(answers.into_values()).chain(aside.into_values());
        queued.chain(beside).chain(ticks.into_values()).collect()
    }

    /// The numbers that answers are there to.
    pub fn answered(&self) -> impl Iterator<Item = u64> {
        self.answers.keys().copied()
    }

    /// The names of which a message is there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// Every message for the actor's code, oldest first, then those whose time has not come, and those that were set aside.
    pub fn messages(&self) -> Vec<&Message> {
        let mut messages: Vec<_> = self.queues.values().flatten().collect();
        messages.sort_by_key(|(place, _)| *place);
        messages
            .into_iter()
            .map(|(_, message)| message)
            .chain(self.delayed.values().filter(|message| message.purpose != Purpose::Tick))
            .chain(self.aside.values())
            .collect()
    }

    /// Whether a message is there that a wait for `names` would take. No names: any message.
    pub fn holds(&self, names: &[String]) -> bool {
        if names.is_empty() { !self.queues.is_empty() } else { names.iter().any(|name| self.queues.contains_key(name)) }
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
        let first = |queue: &VecDeque<(Place, Message)>| queue.front().map_or((i64::MAX, 0, 0), |(place, _)| *place);
        if names.is_empty() {
            return self.queues.iter().min_by_key(|(_, queue)| first(queue)).map(|(name, _)| name.clone());
        }
        let queues = names.iter().filter_map(|name| self.queues.get_key_value(name));
        queues.min_by_key(|(_, queue)| first(queue)).map(|(name, _)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sender_seq: u64, name: &str) -> Message {
        let key = MessageKey { sender: String::new(), sender_seq };
        let body = Bytes::from_static(&[0xf6]);
        Message { key, name: name.into(), body, sent_at: 1, due_at: 1, purpose: Purpose::Plain }
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
    fn what_is_delayed_comes_when_its_time_has_come_and_is_counted_before() {
        let late = Message { due_at: 50, ..message(1, "a") };
        let mut inbox = Inbox::new([late, message(2, "a")]);
        assert_eq!((inbox.len(), inbox.next_due()), (2, Some(50)));
        inbox.ripen(49);
        assert_eq!(inbox.take(&[], 9).len(), 1);
        inbox.ripen(50);
        assert_eq!((inbox.take(&[], 9).len(), inbox.next_due(), inbox.len()), (1, None, 0));
    }

    #[test]
    fn what_is_delivered_twice_is_there_once() {
        let mut inbox = Inbox::new([message(1, "a")]);
        inbox.deliver(message(1, "a"));
        inbox.deliver(message(2, "a"));
        let other = MessageKey { sender: "order/1".into(), sender_seq: 1 };
        inbox.deliver(Message { key: other, ..message(1, "a") });
        assert_eq!(inbox.len(), 3);
    }
}
