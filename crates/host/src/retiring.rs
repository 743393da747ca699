//! Actors leave memory, and nothing that is durable changes.
//!
//! One law: an actor is forgotten in the same call in which it is seen that nothing is for it. What comes before that keeps
//! it; what comes after finds no actor, and wakes it. So a delivery and an eviction can never pass each other.

use std::sync::Arc;

use pawl_core::Over;
use pawl_core::input::{CallId, Input as ActorInput, Time};
use pawl_store::ActorId;

use crate::Host;
use crate::outputs::{Output, Turn};
use crate::table::{Entry, Handle};

/// The call that nobody makes: nobody is answered.
const NO_CALL: CallId = 0;

impl Host {
    pub(crate) fn close(&mut self, handle: Handle) {
        self.put_to_sleep(handle);
        if let Some(name) = self.leave(handle) {
            self.store.release(&ActorId::new(self.namespace.clone(), name));
        }
    }

    /// An actor leaves memory, and is still owned. Returns its name.
    pub(crate) fn leave(&mut self, handle: Handle) -> Option<Arc<str>> {
        self.batches.hurry(handle);
        self.submit();
        self.timers.forget(handle);
        self.pulsing.remove(&handle);
        if let Some(compactor) = &mut self.compactor {
            compactor.closed(handle);
        }
        let name = self.table.name(handle).cloned();
        self.table.remove(handle);
        name
    }

    /// Notes what is to wake an actor. Embedding hosts wake their own.
    fn put_to_sleep(&mut self, handle: Handle) {
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
    }

    /// Nothing is for an actor: one whose time is up goes on to its end, any other leaves memory. Returns whether it has left.
    fn may_leave(&mut self, now: Time, handle: Handle, turn: &mut Turn) -> bool {
        match self.actor(handle).and_then(|actor| actor.over(now)) {
            Some(Over::Ended) => {
                self.feed(now, handle, ActorInput::Destroy { call: NO_CALL }, turn);
                false
            }
            Some(Over::Destroyed) => self.forget(handle),
            None => {
                self.close(handle);
                true
            }
        }
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
        let gone = gone && self.may_leave(now, handle, turn);
        turn.others.push(Output::Retired { handle, gone });
    }
}
