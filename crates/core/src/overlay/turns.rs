//! Who may commit: everyone, unless an attempt runs alone, because it conflicted too often or because it is exclusive.
//!
//! An attempt that runs alone holds the *commits*, not the bodies, of the others; they are judged after it, in the order
//! in which they came. An exclusive attempt that comes while another runs alone waits in the same line, and its body begins
//! when it is its turn.

use std::collections::{BTreeMap, VecDeque};

use crate::input::{Input, Time};
use crate::output::Attempt;

/// After so many conflicts an attempt runs alone.
pub const MAX_CONFLICTS: u32 = 3;
/// How long an action is held before it gives up, in milliseconds.
const PATIENCE_MS: i64 = 10_000;

/// An attempt that waits for its turn.
#[derive(Debug)]
pub struct Held {
    pub attempt: Attempt,
    pub since: Time,
    /// What is routed again then: how a body has ended, or [`Input::Alone`] for one that is to begin.
    pub input: Input,
}

#[derive(Debug, Default)]
pub struct Turns {
    conflicts: BTreeMap<Attempt, u32>,
    /// Of all attempts since the actor was loaded.
    conflict_count: u64,
    alone: Option<Attempt>,
    held: VecDeque<Held>,
}

impl Turns {
    /// Whether nothing runs alone, or waits for its turn.
    pub fn rests(&self) -> bool {
        self.alone.is_none() && self.held.is_empty()
    }

    pub fn must_wait(&self, attempt: Attempt) -> bool {
        self.alone.is_some_and(|alone| alone != attempt)
    }

    /// How many attempts had to run again since the actor was loaded.
    pub fn conflict_count(&self) -> u64 {
        self.conflict_count
    }

    /// Counts a conflict; tells whether the attempt runs alone from now on.
    pub fn conflicted(&mut self, attempt: Attempt) -> bool {
        self.conflict_count += 1;
        let count = self.conflicts.entry(attempt).or_default();
        *count += 1;
        if *count >= MAX_CONFLICTS && self.alone.is_none() {
            self.alone = Some(attempt);
        }
        self.alone == Some(attempt)
    }

    /// An exclusive attempt is about to begin. False: not before its turn, which [`Turns::release`] tells.
    pub fn claim(&mut self, attempt: Attempt, now: Time) -> bool {
        if !self.must_wait(attempt) {
            self.alone = Some(attempt);
            return true;
        }
        if let Attempt::Step { op, attempt: number } = attempt {
            self.held.push_back(Held { attempt, since: now, input: Input::Alone { op, attempt: number } });
        }
        false
    }

    pub fn done(&mut self, attempt: Attempt) {
        self.conflicts.remove(&attempt);
        if self.alone == Some(attempt) {
            self.alone = None;
        }
    }

    pub fn hold(&mut self, held: Held) {
        self.held.push_back(held);
    }

    pub fn release(&mut self) -> Option<Held> {
        if self.alone.is_some() {
            return None;
        }
        let held = self.held.pop_front()?;
        if matches!(held.input, Input::Alone { .. }) {
            self.alone = Some(held.attempt);
        }
        Some(held)
    }

    pub fn patience(&self) -> Option<Time> {
        self.held.iter().find(|held| is_action(held)).map(|held| held.since + PATIENCE_MS)
    }

    pub fn impatient(&mut self, now: Time) -> Vec<Held> {
        let late = |held: &Held| is_action(held) && held.since.saturating_add(PATIENCE_MS) <= now;
        let (gone, held): (VecDeque<_>, VecDeque<_>) = self.held.drain(..).partition(late);
        self.held = held;
        gone.into()
    }
}

fn is_action(held: &Held) -> bool {
    matches!(held.attempt, Attempt::Action { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Attempt = Attempt::Action { call: 1 };
    const B: Attempt = Attempt::Action { call: 2 };
    const STEP: Attempt = Attempt::Step { op: 1, attempt: 1 };

    fn held(attempt: Attempt, since: Time) -> Held {
        Held { attempt, since, input: Input::Tick }
    }

    #[test]
    fn after_three_conflicts_an_attempt_holds_the_others_until_it_has_ended() {
        let mut turns = Turns::default();
        assert_eq!([turns.conflicted(A), turns.conflicted(A)], [false, false]);
        assert!(!turns.must_wait(B));
        assert!(turns.conflicted(A));
        assert!(turns.must_wait(B) && !turns.must_wait(A));
        turns.hold(held(B, 0));
        assert!(turns.release().is_none());
        turns.done(A);
        assert_eq!(turns.release().map(|held| held.attempt), Some(B));
        assert!(!turns.must_wait(B));
    }

    #[test]
    fn a_held_action_gives_up_after_ten_seconds_and_a_held_step_does_not() {
        let mut turns = Turns::default();
        turns.hold(held(STEP, 0));
        turns.hold(held(A, 1_000));
        assert_eq!(turns.patience(), Some(11_000));
        assert!(turns.impatient(10_999).is_empty());
        let gone: Vec<_> = turns.impatient(11_000).into_iter().map(|held| held.attempt).collect();
        assert_eq!(gone, [A]);
        assert_eq!(turns.release().map(|held| held.attempt), Some(STEP));
    }

    #[test]
    fn an_exclusive_attempt_waits_in_line_behind_what_came_before_it_and_holds_what_came_after() {
        let mut turns = Turns::default();
        assert!(turns.claim(STEP, 0), "nobody else is there");
        turns.hold(held(A, 1));
        let other = Attempt::Step { op: 2, attempt: 1 };
        assert!(!turns.claim(other, 2));
        turns.hold(held(B, 3));
        assert!(turns.release().is_none());
        turns.done(STEP);
        assert_eq!(turns.release().map(|held| held.attempt), Some(A));
        assert_eq!(turns.release().map(|held| held.input), Some(Input::Alone { op: 2, attempt: 1 }));
        assert!(turns.must_wait(B) && !turns.must_wait(other));
        assert!(turns.release().is_none());
        turns.done(other);
        assert_eq!(turns.release().map(|held| held.attempt), Some(B));
    }
}
