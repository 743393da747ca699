//! Answers to messages, for askers who ask again: the newest thousand.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

/// How many are kept.
const KEPT: usize = 1_000;

#[derive(Debug, Default)]
pub struct Answers {
    by_id: BTreeMap<String, Option<Bytes>>,
    order: VecDeque<String>,
}

impl Answers {
    pub fn add(&mut self, message_id: String, reply: Option<Bytes>) {
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
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Option<Bytes>)> {
        self.order.iter().filter_map(|id| Some((&**id, self.by_id.get(id)?)))
    }

    /// The encoded reply to a message; `Some(None)`: it was answered with nothing.
    pub fn get(&self, message_id: &str) -> Option<&Option<Bytes>> {
        self.by_id.get(message_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_thousand_are_kept() {
        let mut answers = Answers::default();
        (0..KEPT + 2).for_each(|i| answers.add(i.to_string(), None));
        assert_eq!(answers.get("1"), None);
        assert_eq!(answers.get("2"), Some(&None));
    }
}
