//! Callers' keys: which calls were made under one, and what they came to.
//!
//! One law: as long as a key is remembered, a call with the same key does nothing and gets the same reply.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::answers::Answer;
use crate::input::Time;

/// How many are remembered at most: the newest.
const KEPT: usize = 100_000;

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The encoded reply of an action; none: `undefined`.
    Value(Option<Bytes>),
    /// The message that was sent.
    Message(String),
}

/// A call that is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Milliseconds since the epoch.
    pub until: Time,
    /// The change that the reply rests on.
    pub seq: u64,
    pub reply: Reply,
    /// The answer to the message that was sent.
    pub answer: Option<Answer>,
}

#[derive(Debug, Default)]
pub struct Keys {
    by_key: BTreeMap<String, Kept>,
    by_time: BTreeSet<(Time, String)>,
    by_message: BTreeMap<String, String>,
}

impl Keys {
    /// Remembers a call, and forgets those whose time is over at `now`.
    pub fn add(&mut self, now: Time, key: String, until: Time, seq: u64, reply: Reply) {
        self.remove(&key);
        if let Reply::Message(id) = &reply {
            self.by_message.insert(id.clone(), key.clone());
        }
        self.by_time.insert((until, key.clone()));
        self.by_key.insert(key, Kept { until, seq, reply, answer: None });
        while let Some((until, oldest)) = self.by_time.first().cloned() {
            if until > now && self.by_key.len() <= KEPT {
                return;
            }
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &str) {
        let Some(kept) = self.by_key.remove(key) else { return };
        self.by_time.remove(&(kept.until, key.to_owned()));
        if let Reply::Message(id) = &kept.reply {
            self.by_message.remove(id);
        }
    }

    /// What a call under this key came to, if that is remembered at `now`.
    pub fn get(&self, now: Time, key: &str) -> Option<&Kept> {
        self.by_key.get(key).filter(|kept| kept.until > now)
    }

    /// A message was answered: whoever asks again under its key is told.
    pub fn answered(&mut self, message_id: &str, answer: &Answer) {
        if let Some(kept) = self.by_message.get(message_id).and_then(|key| self.by_key.get_mut(key)) {
            kept.answer = Some(answer.clone());
        }
    }

    /// The answer to a message that was asked under a key.
    pub fn answer(&self, message_id: &str) -> Option<&Answer> {
        self.by_key.get(self.by_message.get(message_id)?)?.answer.as_ref()
    }

    /// Those that are still remembered at a time, soonest forgotten first.
    pub fn at(&self, now: Time) -> impl Iterator<Item = (&str, &Kept)> {
        let kept = self.by_time.iter().filter(move |(until, _)| *until > now);
        kept.filter_map(|(_, key)| Some((&**key, self.by_key.get(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_until_its_time_and_with_it_the_answer_to_its_message() {
        let mut keys = Keys::default();
        keys.add(0, "a".into(), 10, 1, Reply::Message("5-0".into()));
        keys.answered("5-0", &Ok(None));
        assert_eq!(keys.get(9, "a").map(|kept| &kept.reply), Some(&Reply::Message("5-0".into())));
        assert_eq!((keys.get(10, "a"), keys.answer("5-0")), (None, Some(&Ok(None))));
        keys.add(10, "b".into(), 20, 2, Reply::Value(None));
        assert_eq!((keys.answer("5-0"), keys.at(0).count()), (None, 1), "what is over is forgotten");
    }

    #[test]
    fn the_newest_hundred_thousand_are_remembered() {
        let mut keys = Keys::default();
        (0..=KEPT as i64).for_each(|i| keys.add(0, i.to_string(), 1_000 + i, 1, Reply::Value(None)));
        assert_eq!((keys.get(0, "0"), keys.get(0, "1").is_some()), (None, true));
    }
}
