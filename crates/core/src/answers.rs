//! Answers to messages, for askers who ask again: the newest thousand.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::failure::Failure;

/// What whoever asked is told: an encoded reply (none: `undefined`), or that handling the message failed for good.
pub type Answer = Result<Option<Bytes>, Failure>;

/// How many are kept.
const KEPT: usize = 1_000;

#[derive(Debug, Default)]
pub struct Answers {
    by_id: BTreeMap<String, Answer>,
    order: VecDeque<String>,
}

impl Answers {
    pub fn add(&mut self, message_id: String, reply: Answer) {
        if self.by_id.insert(message_id.clone(), reply).is_none() {
            self.order.push_back(message_id);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Answer)> {
        self.order.iter().filter_map(|id| Some((&**id, self.by_id.get(id)?)))
    }

    pub fn get(&self, message_id: &str) -> Option<&Answer> {
        self.by_id.get(message_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_thousand_are_kept() {
        let mut answers = Answers::default();
        (0..KEPT + 2).for_each(|i| answers.add(i.to_string(), Ok(None)));
        assert_eq!(answers.get("1"), None);
        assert_eq!(answers.get("2"), Some(&Ok(None)));
    }
}
