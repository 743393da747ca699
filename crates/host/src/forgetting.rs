//! Actors that were destroyed leave the store, a slice at a time, between what others write.
//!
//! One law: an actor that is forgotten has left memory, and stays ours until the last slice is gone: whoever opens it in between
//! finds it whole, and is left alone.

use pawl_core::input::Time;
use pawl_store::{ActorId, Completion, Forget, Request};

use crate::table::{Entry, Handle};
use crate::{Host, Job};

/// When what could not be forgotten is looked at again.
const AGAIN_MS: Time = 60_000;

impl Host {
    /// Begins to forget an actor that was destroyed, and for which nothing is. Returns whether it has left: not while what makes it
    /// short is still being written.
    pub(crate) fn forget(&mut self, handle: Handle) -> bool {
        if !self.is_compact(handle) {
            self.consider_compaction(handle);
            return false;
        }
        let Some(Entry::Live { actor, epoch, .. }) = self.table.get(handle) else { return false };
        let (seq, floor, epoch) = (actor.queued(), actor.numbers_below(), *epoch);
        let Some(name) = self.leave(handle) else { return false };
        let actor = ActorId::new(self.namespace.clone(), name);
        self.forget_slice(Forget { actor, epoch, seq, floor });
        true
    }

    fn forget_slice(&mut self, forget: Forget) {
        let ticket = self.ticket(Job::Forget(forget.clone()));
        self.store.submit(ticket, Request::Forget(forget));
    }

    /// A slice is gone, or could not be taken away.
    pub(crate) fn forgot(&mut self, now: Time, forget: Forget, completion: Completion) {
        let is_here = self.table.handle(&forget.actor.name).is_some();
        match completion {
            Completion::Forgot { done: false } if !is_here => return self.forget_slice(forget),
            Completion::Forgot { .. } => {}
            _ if !is_here => self.timers.wake_at(now + AGAIN_MS, forget.actor.name.clone()),
            _ => {}
        }
        if !is_here {
            self.store.release(&forget.actor);
        }
    }
}
