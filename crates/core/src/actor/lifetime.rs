//! Actors that are over: whose run has ended, or that were destroyed.

use super::Actor;
use crate::input::Time;
use crate::limits::Lifetimes;

/// What becomes of an actor whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It is to be destroyed.
    Ended,
    /// It is to be forgotten.
    Destroyed,
}

impl Actor {
    /// How long it stays once it is over, from now on.
    pub fn set_lifetimes(&mut self, lifetimes: Lifetimes) {
        self.overlay.lifetimes = lifetimes;
    }

    /// What is to become of it now, if its time is up and it has nothing to do.
    pub fn over(&self, now: Time) -> Option<Over> {
        let standing = self.run.as_ref().map_or_else(Default::default, crate::run::Run::standing);
        self.overlay.over_at(standing).filter(|at| *at <= now)?;
        Some(if self.is_destroyed() { Over::Destroyed } else { Over::Ended })
    }

    /// No number that it has given to its messages or its lives is as high.
    pub fn numbers_below(&self) -> u64 {
        self.overlay.queued() + self.incarnation
    }
}
