//! The queue from which completions are drained, and the one place that calls the wake.

use crate::contract::{Completion, Ticket, Wake};

/// Completions in order. Whoever appends calls the wake that [`Completions::push`] hands out, after letting go of any
/// lock that guards the queue.
#[derive(Default)]
pub struct Completions {
    finished: Vec<(Ticket, Completion)>,
}

/// Whether the queue was empty before, so that the wake is due.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    Wake,
    Nothing,
}

impl Notice {
    pub fn call(self, wake: &Wake) {
        if self == Self::Wake {
            wake();
        }
    }
}

impl Completions {
    pub fn push(&mut self, completions: impl IntoIterator<Item = (Ticket, Completion)>) -> Notice {
        let was_empty = self.finished.is_empty();
        self.finished.extend(completions);
        if was_empty && !self.finished.is_empty() { Notice::Wake } else { Notice::Nothing }
    }

    pub fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        into.append(&mut self.finished);
    }

    pub fn clear(&mut self) {
        self.finished.clear();
    }
}
