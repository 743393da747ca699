//! What a run waits for: its alarm, deadlines, and whether it may go on by itself.

use super::ending::status_of;
use super::{Asleep, EARLY_RERUN_MS, Kind, Phase, Run, Wake};
use crate::compensation::Rollback;
use crate::input::{OpId, Time};
use crate::output::{Output, Status};
use crate::overlay::{Overlay, Standing};

impl Run {
    /// What a change says of the run: work that can go on at once is due at 0.
    pub fn standing(&self) -> Standing {
        let ended = |status| Standing { status, alarm: None };
        match &self.phase {
            Phase::Ending(outcome) | Phase::Ended(outcome) => ended(status_of(outcome)),
            Phase::Parked { until } => Standing { status: Status::Parked, alarm: Some(*until) },
            Phase::Idle if self.rollback == Rollback::Stuck => ended(Status::RollingBack),
            Phase::Idle => Standing { status: self.idle_status(), alarm: Some(0) },
            Phase::RollingBack => Standing { status: Status::RollingBack, alarm: self.alarm() },
            Phase::Running => match self.alarm() {
                Some(0) => Standing { status: Status::Running, alarm: Some(0) },
                alarm => Standing { status: Status::Waiting, alarm },
            },
        }
    }

    pub(super) fn idle_status(&self) -> Status {
        if self.ending.is_some() { Status::RollingBack } else { Status::Running }
    }

    /// When the run can go on if nothing comes in; 0: at once.
    pub(super) fn alarm(&self) -> Option<Time> {
        if self.in_user_code + self.awake > 0 { Some(0) } else { self.alarms.first().map(|(at, _)| *at) }
    }

    /// Writes down what the run waits for, if the newest change says something else.
    pub(super) fn suspend(&mut self, overlay: &mut Overlay) {
        overlay.hurry();
        let waits = !matches!(self.phase, Phase::Idle | Phase::Ending(_));
        let is_news = |run: &Run| overlay.standing() != overlay.with_own_alarm(run.standing());
        if waits && (self.note_forks() || is_news(self)) {
            let writing = self.begin(overlay);
            self.commit(overlay, writing);
        }
    }

    /// Tells an embedding host that nothing more happens before an alarm or a message, once that is written.
    pub(super) fn check_suspended(&mut self, overlay: &mut Overlay) {
        let Some(embedded) = self.start.embedded.filter(|embedded| !embedded.controlled) else { return };
        let standing = self.standing();
        let waits = matches!(standing.status, Status::Waiting) && self.facts.is_empty();
        if !waits {
            (self.suspended, self.asleep) = (None, Asleep::No);
            return;
        }
        let patience = self.patience(embedded.patience_ms);
        let soon = |at: Time| at.saturating_sub(overlay.now) < patience;
        if standing.alarm.is_some_and(soon) {
            return;
        }
        if embedded.asks && self.asleep == Asleep::No {
            self.asleep = Asleep::Yes;
        }
        if self.suspended.replace(standing) == Some(standing) {
            return;
        }
        self.suspend(overlay);
        let names = if self.waiters.is_empty() { None } else { Some(self.waiters.names()) };
        overlay.leave_after(overlay.queued(), Output::Suspended { alarm: standing.alarm, names });
    }

    /// How long the next alarm is waited for in memory: a retry only if it is all but due, and not in the run that failed.
    pub(super) fn patience(&self, patience_ms: i64) -> i64 {
        let next = self.alarms.first().and_then(|(_, op)| self.ops.get(op)).map(|pending| &pending.kind);
        match next {
            Some(Kind::Step { failed_here: true, .. }) => i64::MIN,
            Some(Kind::Step { .. }) => EARLY_RERUN_MS,
            _ => patience_ms,
        }
    }

    pub(super) fn tick(&mut self, overlay: &mut Overlay) {
        if let Phase::Parked { until } = self.phase {
            if overlay.now >= until {
                self.resume(overlay);
            }
            return;
        }
        while let Some((at, op)) = self.deadlines.first().copied() {
            if at > overlay.now || self.must_ask(overlay) {
                break;
            }
            self.disarm(op);
            self.due(overlay, op);
        }
    }

    /// Whether the adapter has the word before a run that waits goes on. Asks it once.
    pub(super) fn must_ask(&mut self, overlay: &mut Overlay) -> bool {
        if self.asleep == Asleep::Yes {
            self.asleep = Asleep::Asked;
            overlay.outputs.push_back(Output::Due);
        }
        self.asleep != Asleep::No
    }

    /// Nobody else has written: what is due may happen.
    pub(super) fn go_on(&mut self, overlay: &mut Overlay) {
        if self.asleep != Asleep::No {
            // If nothing comes of it, the run says again that it waits: the adapter has stopped waiting.
            (self.suspended, self.asleep) = (None, Asleep::No);
            self.tick(overlay);
        }
    }

    pub(super) fn arm(&mut self, op: OpId, at: Time) {
        self.disarm(op);
        if let Some(pending) = self.ops.get_mut(&op) {
            pending.deadline = Some(at);
            self.deadlines.insert((at, op));
        }
    }

    pub(super) fn disarm(&mut self, op: OpId) {
        if let Some(at) = self.ops.get_mut(&op).and_then(|pending| pending.deadline.take()) {
            self.deadlines.remove(&(at, op));
        }
    }

    /// Notes when an operation can go on.
    pub(super) fn set_wake(&mut self, op: OpId, wake: Wake) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let before = std::mem::replace(&mut pending.wake, wake);
        self.forget_wake(op, before);
        match wake {
            Wake::Now => self.awake += 1,
            Wake::At(at) => drop(self.alarms.insert((at, op))),
            Wake::Never => {}
        }
    }

    pub(super) fn forget_wake(&mut self, op: OpId, wake: Wake) {
        match wake {
            Wake::Now => self.awake -= 1,
            Wake::At(at) => drop(self.alarms.remove(&(at, op))),
            Wake::Never => {}
        }
    }
}
