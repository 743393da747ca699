//! Actors leave memory, and nothing that is durable changes.
//!
//! One law: an actor is forgotten in the same call in which it is seen that nothing is for it. What comes before that keeps
//! it; what comes after finds no actor, and wakes it. So a delivery and an eviction can never pass each other.

use pawl_core::input::{Input as ActorInput, Time};
use pawl_store::ActorId;

use crate::Host;
use crate::outputs::{Output, Turn};
use crate::table::{Entry, Handle};

impl Host {
    pub(crate) fn close(&mut self, handle: Handle) {
        self.batches.hurry(handle);
        self.submit();
        self.timers.forget(handle);
        self.pulsing.remove(&handle);
        if let Some(compactor) = &mut self.compactor {
            compactor.closed(handle);
        }
        // Embedding hosts wake their own actors.
        if let (Some(Entry::Live { actor, .. }), Some(name)) = (self.table.get(handle), self.table.name(handle))
            && !self.numbered
        {
            if actor.waiting() > 0 {
                self.waiting.insert(name.clone(), actor.waiting());
            }
            if let Some(alarm) = actor.standing().alarm {
                self.timers.wake_at(alarm, name.clone());
            }
        }
        if let Some(name) = self.table.name(handle) {
            self.store.release(&ActorId::new(self.namespace.clone(), name.clone()));
        }
        self.table.remove(handle);
    }

    /// Forgets an actor if it has nothing to do and all that it waits for is written down; otherwise has that written, so that
    /// it can be forgotten when it is asked for again.
    pub(crate) fn retire(&mut self, now: Time, handle: Handle, turn: &mut Turn) {
        let gone = match self.table.get(handle) {
            Some(Entry::Live { actor, in_flight, asking, .. }) => {
                let rests = actor.rests() && asking.is_quiet() && !self.pulsing.contains(&handle);
                if rests && !actor.is_written() {
                    self.feed(now, handle, ActorInput::Suspend, turn);
                    false
                } else {
                    rests && in_flight.is_empty()
                }
            }
            Some(Entry::Opening { .. } | Entry::Recovering(_)) => false,
            None => true,
        };
        if gone {
            self.close(handle);
        }
        turn.others.push(Output::Retired { handle, gone });
    }
}
