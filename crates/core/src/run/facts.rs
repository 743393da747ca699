//! Facts: what operations tell the workflow, and in which order.
//!
//! A fact is released when it is durable. While one callback alone is running, at once. While several are, one per turn of
//! the adapter's event loop, lowest commit first, live and in replay alike: so code that depends on who came first takes
//! the same path again. A recorded fact with a lower number whose operation has not been asked for is waited for as long as
//! the code goes on asking.

use std::collections::{BTreeMap, BTreeSet};

use super::{FAILED_KEPT, Kind, Run, StepPhase, Wake};
use crate::codec::record::{CallState, EntryKind, EntryStatus, SleepState};
use crate::failure::{Failure, Terminal};
use crate::history::Recorded;
use crate::input::{OpId, Time};
use crate::output::{BranchValue, FailedPart, FailureEvent, Output, Told, Value};
use crate::overlay::{Gated, Overlay};

/// What an operation tells the workflow, with the change that made it so and the time of that.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact {
    pub what: What,
    pub commit: u64,
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Resolve(Value),
    Reject {
        terminal: Terminal,
        attempts: u32,
        failure: Failure,
        /// Whether the hook has heard of this failure already.
        reported: bool,
    },
    /// Nothing yet: the step is tried again.
    Retry {
        retry_at: Time,
        failure: Failure,
        attempts: u32,
    },
    Rethrow,
}

/// Facts that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Facts {
    ready: BTreeSet<(u64, OpId)>,
    /// Failures that are being reported: what has a higher commit waits for them.
    reporting: BTreeSet<(u64, OpId)>,
    /// Recorded facts of scopes that run side by side, which have not been asked for: how many by commit.
    expected: BTreeMap<u64, u32>,
    /// Whether the code has asked for something since the event loop last came round.
    asked: bool,
}

impl Facts {
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether one may go when the event loop comes round.
    pub fn may_go(&self) -> bool {
        let first = self.ready.first();
        first.is_some_and(|first| self.reporting.first().is_none_or(|reporting| reporting > first))
    }

    pub fn asked(&mut self) {
        self.asked = true;
    }

    pub fn expect(&mut self, commit: u64) {
        *self.expected.entry(commit).or_default() += 1;
    }

    /// It was asked for, or its scope is over.
    pub fn forget(&mut self, commit: u64) {
        if let Some(count) = self.expected.get_mut(&commit) {
            *count -= 1;
            if *count == 0 {
                self.expected.remove(&commit);
            }
        }
    }

    fn add(&mut self, commit: u64, op: OpId) {
        self.ready.insert((commit, op));
    }

    pub fn remove(&mut self, commit: u64, op: OpId) {
        self.ready.remove(&(commit, op));
        self.reporting.remove(&(commit, op));
    }

    fn report(&mut self, commit: u64, op: OpId) {
        self.reporting.insert((commit, op));
    }

    /// The next fact, if it is its turn.
    fn next(&mut self) -> Option<OpId> {
        let (commit, op) = *self.ready.first().filter(|_| self.may_go())?;
        let asked = std::mem::take(&mut self.asked);
        let lower = self.expected.first_key_value().is_some_and(|(expected, _)| *expected < commit);
        if lower && asked {
            return None;
        }
        self.ready.remove(&(commit, op));
        Some(op)
    }
}

impl Run {
    /// Tells the workflow once change `seq` is durable, which is being made now.
    pub(super) fn finish_after(&mut self, overlay: &mut Overlay, op: OpId, seq: u64, what: What) {
        self.disarm(op);
        let at = overlay.now;
        let Some(pending) = self.ops.get_mut(&op) else { return };
        pending.outcome = Some(Fact { what, commit: seq, at });
        if overlay.after(seq, Gated::Fact(op)).is_some() {
            self.fact(overlay, op);
        }
    }

    /// What is recorded answers the operation.
    pub(super) fn answer(&mut self, overlay: &mut Overlay, op: OpId, fact: Fact) {
        self.disarm(op);
        let Some(pending) = self.ops.get_mut(&op) else { return };
        pending.outcome = Some(fact);
        self.set_wake(op, Wake::Now);
        self.release(overlay, op);
    }

    /// Answers an operation that leaves nothing to wait for.
    pub(super) fn answer_now(&mut self, overlay: &mut Overlay, op: OpId, what: What) {
        if let Some(pending) = self.ops.get_mut(&op) {
            pending.outcome = Some(Fact { what, commit: 0, at: 0 });
        }
        self.finish(overlay, op);
    }

    /// An operation's outcome is durable.
    pub fn fact(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(pending) = self.ops.get(&op) else { return };
        // A handler has the operation of its step, whose own outcome may become durable while it runs.
        let Some(fact) = pending.outcome.as_ref().filter(|fact| fact.commit <= overlay.durable()) else { return };
        let commit = fact.commit;
        let event = match &fact.what {
            What::Reject { attempts, failure, reported: false, .. } => Some((*attempts, None, failure.clone())),
            What::Retry { retry_at, failure, attempts } => Some((*attempts, Some(*retry_at), failure.clone())),
            What::Resolve(_) | What::Reject { .. } | What::Rethrow => None,
        };
        match event {
            Some((attempt, retry_at, failure)) if self.start.reports => {
                if retry_at.is_none() {
                    self.facts.report(commit, op);
                }
                let undoes = matches!(pending.kind, Kind::Step { undoes: true, .. });
                let part = if undoes { FailedPart::Rollback } else { FailedPart::Step };
                let event = FailureEvent { part, step: Some(pending.name.clone()), attempt, retry_at, failure };
                overlay.outputs.push_back(Output::Report { report: op, event });
            }
            _ => self.after_report(overlay, op),
        }
    }

    /// The failure has been reported, or need not be.
    pub(super) fn after_report(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        if let Some(fact) = &pending.outcome {
            self.facts.remove(fact.commit, op);
        }
        let undoes = matches!(pending.kind, Kind::Step { undoes: true, .. });
        match pending.outcome.as_ref().map(|fact| &fact.what) {
            None => {}
            Some(What::Retry { retry_at, .. }) => {
                let retry_at = *retry_at;
                pending.outcome = None;
                if let Kind::Step { phase, .. } = &mut pending.kind {
                    *phase = StepPhase::Waiting;
                }
                self.arm(op, retry_at);
                self.set_wake(op, Wake::At(retry_at));
                if retry_at <= overlay.now {
                    self.handle(overlay, crate::input::Input::Tick);
                }
            }
            Some(_) if undoes => self.undone(overlay, op),
            Some(_) => self.release(overlay, op),
        }
    }

    /// Tells the workflow at once, or when it is the fact's turn.
    fn release(&mut self, overlay: &mut Overlay, op: OpId) {
        let Some(commit) = self.ops.get(&op).and_then(|pending| pending.outcome.as_ref()).map(|fact| fact.commit)
        else {
            return;
        };
        if self.leaves <= 1 && self.facts.is_empty() { self.finish(overlay, op) } else { self.facts.add(commit, op) }
    }

    /// The adapter's event loop has come round.
    pub(super) fn pulse(&mut self, overlay: &mut Overlay) {
        if let Some(op) = self.facts.next() {
            self.finish(overlay, op);
        }
    }

    /// Ends the operation and tells the workflow.
    fn finish(&mut self, overlay: &mut Overlay, op: OpId) {
        self.set_wake(op, Wake::Never);
        self.disarm(op);
        let Some(pending) = self.ops.remove(&op) else { return };
        let Some(fact) = pending.outcome else { return };
        if let Some(scope) = self.scopes.get_mut(&pending.scope) {
            scope.pending = None;
            self.in_user_code += 1;
        }
        let told = Told { at: fact.at, replaying: self.is_replaying(pending.scope) };
        let told_early = matches!(&pending.kind, Kind::Step { traits, .. } if traits.ephemeral);
        let commit = fact.commit;
        if let Kind::Fork(branches) = pending.kind {
            let cancelled = branches.cancelled.into_iter();
            overlay.outputs.extend(cancelled.map(|scope| Output::Cancelled { scope }));
        }
        if is_failure(&fact.what) {
            self.failed.insert(op, pending.place);
            if self.failed.len() > FAILED_KEPT {
                self.failed.pop_first();
            }
        }
        overlay.outputs.push_back(match fact.what {
            What::Resolve(value) => Output::Resolve { op, value, told },
            What::Reject { terminal, attempts, failure, .. } => {
                Output::Reject { op, terminal, attempts, failure, told }
            }
            What::Rethrow | What::Retry { .. } => Output::Rethrow { op },
        });
        if told.replaying {
            self.hand_out(overlay, pending.scope, pending.place);
        }
        if told_early {
            overlay.leave_whenever(commit, Output::Durable { op });
        }
    }
}

fn is_failure(what: &What) -> bool {
    match what {
        What::Reject { .. } => true,
        What::Resolve(Value::Branches { branches, .. }) => {
            branches.iter().any(|branch| matches!(branch, BranchValue::Failed(_)))
        }
        _ => false,
    }
}

/// The change that made an entry a fact; none if it is not one yet, or is answered without its turn.
pub(super) fn fact_commit(recorded: &Recorded) -> Option<u64> {
    let status = recorded.metadata.as_ref().map(|metadata| metadata.status);
    let is_fact = match &recorded.entry.kind {
        EntryKind::Step { output, .. } => {
            output.is_some() || matches!(status, Some(EntryStatus::Completed | EntryStatus::Exhausted))
        }
        EntryKind::Loop { output, .. } => output.is_some() || status == Some(EntryStatus::Completed),
        EntryKind::Sleep { state, .. } => *state != SleepState::Pending,
        EntryKind::Message { .. } => true,
        EntryKind::Call { state, .. } => matches!(state, CallState::Answered | CallState::Failed),
        EntryKind::Join { .. } | EntryKind::Race { .. } => false,
        EntryKind::RollbackCheckpoint { .. } | EntryKind::Removed { .. } | EntryKind::VersionCheck { .. } => false,
    };
    is_fact.then_some(recorded.commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_commit_goes_first_whoever_asked_first() {
        let mut facts = Facts::default();
        facts.add(7, 1);
        facts.add(5, 2);
        facts.add(6, 3);
        assert_eq!([facts.next(), facts.next(), facts.next(), facts.next()], [Some(2), Some(3), Some(1), None]);
    }

    #[test]
    fn a_failure_that_is_being_reported_holds_what_came_after_it() {
        let mut facts = Facts::default();
        facts.report(5, 1);
        facts.add(7, 2);
        assert_eq!((facts.may_go(), facts.next()), (false, None));
        facts.add(4, 3);
        assert_eq!(facts.next(), Some(3));
        facts.remove(5, 1);
        facts.add(5, 1);
        assert_eq!([facts.next(), facts.next()], [Some(1), Some(2)]);
    }

    #[test]
    fn a_lower_fact_that_nobody_asked_for_is_waited_for_while_the_code_goes_on_asking() {
        let mut facts = Facts::default();
        facts.expect(3);
        facts.add(5, 1);
        facts.asked();
        assert_eq!(facts.next(), None);
        facts.asked();
        assert_eq!(facts.next(), None, "it has asked again");
        assert_eq!(facts.next(), Some(1), "it asks for nothing any more: passed over");
        facts.forget(3);
        facts.add(9, 2);
        facts.asked();
        assert_eq!(facts.next(), Some(2));
    }
}
