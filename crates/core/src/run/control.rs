//! What operators and hosts ask of a run: cancel it, try again what ended it, go back to an earlier entry.

use std::collections::BTreeMap;

use super::{Judged, Phase, Run, settle_writes};
use crate::codec::change::{Ending, Parks, Record};
use crate::codec::record::{Entry, EntryKind, EntryStatus};
use crate::compensation::Rollback;
use crate::history::{History, NodeId};
use crate::input::{CallId, Input, ScopeId, Writes};
use crate::key::Segment;
use crate::output::{Attempt, Halt, Output, Refusal, RunOutcome, Status, Verdict};
use crate::overlay::{Held, Overlay, Standing, Writing};
use crate::past::Discarded;

impl Run {
    /// Ends the run between two commits.
    pub(super) fn cancel(&mut self, overlay: &mut Overlay, call: CallId, compensate: bool, reason: Option<String>) {
        match self.phase {
            Phase::Ending(RunOutcome::Cancelled(_)) | Phase::Ended(RunOutcome::Cancelled(_)) => {
                return overlay.leave_after(overlay.queued(), Output::Reply { call });
            }
            // An embedding host cancels whatever there is (engine behaviour 4.10.3).
            Phase::Ended(_) | Phase::RollingBack | Phase::Idle if overlay.hosted => {}
            Phase::Ending(_) | Phase::Ended(_) => return refuse(overlay, call, "the workflow has ended"),
            Phase::RollingBack => return refuse(overlay, call, "the workflow has ended, and is being undone"),
            Phase::Idle if self.ending.is_some() => {
                return refuse(overlay, call, "the workflow has ended, and is being undone");
            }
            Phase::Idle | Phase::Running | Phase::Parked { .. } => {}
        }
        self.close_all(overlay);
        // Whatever the code goes on with would come too late: it is told so before the end is durable.
        if self.phase == Phase::Running && !overlay.hosted && !(compensate && self.has_to_undo()) {
            overlay.outputs.push_back(Output::Halted { reason: Halt::Cancelled });
        }
        let seq = overlay.queued() + 1;
        if compensate {
            self.end_or_roll_back(overlay, Ending::Cancelled(reason), Halt::Cancelled);
        } else {
            self.finish_run(overlay, Ending::Cancelled(reason));
        }
        overlay.leave_after(seq, Output::Reply { call });
    }

    /// Forgets what is running, and nothing that is recorded.
    pub(super) fn evict(&mut self, overlay: &mut Overlay) {
        self.close_all(overlay);
        self.clear();
        self.handlers.clear();
        self.ended_before = None;
        if matches!(self.phase, Phase::Running | Phase::RollingBack | Phase::Parked { .. }) {
            self.phase = Phase::Idle;
        }
    }

    fn close_all(&mut self, overlay: &mut Overlay) {
        let open: Vec<ScopeId> = self.scopes.keys().copied().collect();
        open.into_iter().for_each(|scope| self.close_scope(overlay, scope, &mut Vec::new()));
        self.unused.clear();
        self.given_up.clear();
    }

    /// Tries again what ended the run, the handler that it is stuck at, or the code that did not match.
    pub(super) fn retry(&mut self, overlay: &mut Overlay, call: CallId) {
        match self.phase {
            Phase::Parked { .. } => {
                self.resume(overlay);
                overlay.leave_after(overlay.queued(), Output::Reply { call });
            }
            Phase::RollingBack | Phase::Idle if self.rollback == Rollback::Stuck => {
                self.phase = Phase::RollingBack;
                self.retry_rollback(overlay);
                overlay.leave_after(overlay.queued(), Output::Reply { call });
            }
            Phase::Ended(RunOutcome::Failed(_)) => self.recover(overlay, call),
            _ => refuse(overlay, call, "nothing of it has failed for good"),
        }
    }

    /// The failures that ended the run are as if they had not been, and it goes on. What was caught stays. If it was undone, it
    /// goes on from before the oldest step of that.
    fn recover(&mut self, overlay: &mut Overlay, call: CallId) {
        let undone = self.oldest_undone();
        let mut writing = self.begin(overlay);
        match undone.and_then(|oldest| self.history.get(oldest)).map(|recorded| recorded.birth) {
            Some(birth) => {
                self.generation += 1;
                self.go_back(&mut writing, birth);
            }
            None => {
                for node in std::mem::take(&mut self.ended_by) {
                    self.reset(node);
                    self.write_entry(&mut writing, node);
                }
            }
        }
        writing.writer.record(&Record::Recovered { generation: self.generation });
        self.restart(overlay, writing, call);
    }

    fn reset(&mut self, node: NodeId) {
        self.reset_branches(node);
        let Some(recorded) = self.history.get_mut(node) else { return };
        (recorded.failure, recorded.retry_at) = (None, None);
        if let Some(metadata) = &mut recorded.metadata
            && metadata.status == EntryStatus::Exhausted
        {
            (metadata.status, metadata.attempts, metadata.last_attempt_at_ms) = (EntryStatus::Pending, 0, 0);
            metadata.error = None;
        }
    }

    /// Goes back to before an entry: it and everything that came into being after it is gone. Inside loops, to before the
    /// innermost loop. Earlier waits, versions and messages stay; so does state.
    ///
    /// `writes` is what becomes of state in the same change: an attempt of the call's own, judged as every other.
    pub(super) fn replay(&mut self, overlay: &mut Overlay, call: CallId, entry_id: Option<&str>, writes: Writes) {
        let birth = match self.replays_from(entry_id) {
            Ok(birth) => birth,
            Err(why) => {
                stale(overlay, call, &writes);
                return refuse(overlay, call, why);
            }
        };
        if !self.may_write(overlay, call, entry_id, &writes) {
            return;
        }
        self.close_all(overlay);
        self.clear();
        let mut writing = self.begin(overlay);
        if !writes.cells.is_empty() {
            let seq = writing.seq();
            overlay.verdict(Attempt::Action { call }, Verdict::Queued { seq });
        }
        overlay.write(&mut writing, writes);
        self.go_back(&mut writing, birth);
        writing.writer.record(&Record::Recovered { generation: self.generation });
        overlay.outputs.push_back(Output::Halted { reason: Halt::Restarted });
        self.restart(overlay, writing, call);
    }

    /// Whether what a replay does to state is part of its change. If not, the call has been told, or comes again.
    fn may_write(&self, overlay: &mut Overlay, call: CallId, entry_id: Option<&str>, writes: &Writes) -> bool {
        if writes.cells.is_empty() {
            return true;
        }
        let attempt = Attempt::Action { call };
        match settle_writes(overlay, attempt, writes) {
            Judged::Passed { .. } => true,
            Judged::Again => false,
            Judged::Hold => {
                let entry_id = entry_id.map(str::to_owned);
                let input = Input::Replay { call, entry_id, writes: writes.clone() };
                overlay.hold(Held { attempt, since: overlay.now, input });
                false
            }
            Judged::Broken(failure) => {
                stale(overlay, call, writes);
                overlay.outputs.push_back(Output::Refuse { call, reason: Refusal::Broken(failure.message) });
                false
            }
        }
    }

    /// The birth from which on a replay takes everything away, or why it cannot be.
    fn replays_from(&self, entry_id: Option<&str>) -> Result<u64, &'static str> {
        if matches!(self.phase, Phase::RollingBack | Phase::Ending(_)) || self.ending.is_some() {
            return Err("what it did is being undone");
        }
        if self.is_executing_any() {
            return Err("a step is running");
        }
        match entry_id {
            None => Ok(0),
            Some(id) => self.boundary(id).ok_or("no step of that id is recorded"),
        }
    }

    /// What a replay from an entry takes away, or why it cannot be.
    pub(crate) fn discarded(&self, entry_id: Option<&str>) -> Result<Discarded, &'static str> {
        let (birth, loops) = self.way_back(self.replays_from(entry_id)?);
        let mut discarded = Discarded::default();
        for (born, at) in self.history.by_birth().into_iter().filter(|(born, _)| *born >= birth) {
            let Some(recorded) = self.history.get(at) else { continue };
            discarded.entry_ids.push(recorded.entry.id.clone());
            discarded.places.push((self.history.location(at).clone(), None));
            let known = recorded.metadata.as_ref();
            let is_unsure = match recorded.entry.kind {
                EntryKind::Step { .. } => known.is_some_and(|known| known.rollback_completed_at_ms.is_some()),
                // What was in past rounds and in branches that have lost may not be there any more.
                EntryKind::Loop { iteration, .. } => self.history.children(at).count() < iteration as usize,
                EntryKind::Race { .. } => true,
                _ => false,
            };
            if is_unsure {
                discarded.oldest_unsure = discarded.oldest_unsure.into_iter().chain([born]).min();
            } else if known.is_some_and(|known| known.status == EntryStatus::Completed) {
                discarded.oldest_commit = discarded.oldest_commit.into_iter().chain([recorded.commit]).min();
            }
        }
        let again = loops.into_iter().map(|(place, round)| (self.history.location(place).clone(), Some(round)));
        discarded.places.extend(again);
        Ok(discarded)
    }

    fn is_executing_any(&self) -> bool {
        self.ops
            .values()
            .any(|pending| matches!(pending.kind, super::Kind::Step { phase: super::StepPhase::Executing, .. }))
    }

    /// Where going back to a step begins: at the step, or at the innermost loop around it.
    fn boundary(&self, id: &str) -> Option<u64> {
        let is_target = |at: &NodeId| self.history.get(*at).is_some_and(|recorded| recorded.entry.id == id);
        let at = self.history.by_birth().into_iter().map(|(_, at)| at).find(is_target)?;
        if !matches!(self.history.get(at)?.entry.kind, EntryKind::Step { .. }) {
            return None;
        }
        let at = self.rounds_around(at).first().map_or(at, |(place, _)| *place);
        self.history.get(at).map(|recorded| recorded.birth)
    }

    /// Goes back to before what came into being at `birth`. Loops that have gone on since begin again where that was, with
    /// what they were called with then; where that is not known, from their start.
    fn go_back(&mut self, writing: &mut Writing, birth: u64) {
        let (birth, loops) = self.way_back(birth);
        self.erase_from(writing, birth);
        for (place, iteration) in loops {
            let Some(state) = self.iteration_states.get(&(place, iteration)).cloned() else { continue };
            if let Some(recorded) = self.history.get_mut(place) {
                recorded.entry.kind = EntryKind::Loop { state, iteration, output: None };
                if let Some(metadata) = &mut recorded.metadata {
                    (metadata.status, metadata.completed_at_ms) = (EntryStatus::Running, None);
                }
            }
            self.write_entry(writing, place);
        }
        let history = &self.history;
        self.iteration_states.retain(|(place, iteration), _| history.has_begun(*place, *iteration));
    }

    /// From which birth on everything goes, if all from `birth` on does, and the rounds in which the loops around it, which
    /// are older, begin again.
    fn way_back(&self, mut birth: u64) -> (u64, BTreeMap<NodeId, u32>) {
        let entries = self.history.by_birth();
        loop {
            let mut loops: BTreeMap<NodeId, u32> = BTreeMap::new();
            for (_, at) in entries.iter().filter(|(born, _)| *born >= birth) {
                for (place, iteration) in self.rounds_around(*at) {
                    let is_older = self.history.get(place).is_some_and(|recorded| recorded.birth < birth);
                    if is_older && !self.history.is_in_round(place, iteration) {
                        let least = loops.entry(place).or_insert(iteration);
                        *least = iteration.min(*least);
                    }
                }
            }
            let unknown =
                loops.iter().filter(|(place, round)| !self.iteration_states.contains_key(&(**place, **round)));
            let births = unknown.filter_map(|(place, _)| self.history.get(*place)).map(|recorded| recorded.birth);
            match births.min() {
                Some(earlier) => birth = earlier,
                None => return (birth, loops),
            }
        }
    }

    /// The loops around a place, each with the round that the place is in.
    fn rounds_around(&self, at: NodeId) -> Vec<(NodeId, u32)> {
        let mut rounds = Vec::new();
        let mut next = Some(at);
        while let Some(node) = next {
            next = self.history.parent(node);
            if let (Some(Segment::Iteration { iteration, .. }), Some(place)) =
                (self.history.location(node).last(), next)
            {
                rounds.push((place, iteration));
            }
        }
        rounds
    }

    /// Erases every entry that came into being at or after `birth`, and makes open again what closed around it.
    fn erase_from(&mut self, writing: &mut Writing, birth: u64) {
        let gone: Vec<NodeId> =
            self.history.by_birth().into_iter().filter(|(born, _)| *born >= birth).map(|(_, at)| at).collect();
        // Youngest first: what is inside goes before what is around it.
        for at in gone.into_iter().rev() {
            if self.history.get(at).is_none() {
                continue;
            }
            let location = self.history.location(at).clone();
            self.reopen_around(writing, at, birth);
            self.unstack_within(at);
            let mut entry_ids = Vec::new();
            let is_embedded = self.start.embedded.is_some();
            self.history.erase(at, |entry: &Entry| {
                if is_embedded {
                    entry_ids.push(entry.id.clone());
                }
            });
            writing.writer.record(&Record::Erased { location: location.clone() });
            if is_embedded {
                writing.writer.record(&Record::Dropped { location, iterations: None, entry_ids });
            }
        }
    }

    fn unstack_within(&mut self, at: NodeId) {
        let within = self.history.location(at).clone();
        let rows: Vec<NodeId> = self.stack.rows().iter().map(|row| row.node).collect();
        for node in rows {
            if self.history.location(node).is_within(&within) {
                self.stack.pop(node);
                self.history.mark_row(node, false);
                self.handlers.remove(&node);
            }
        }
    }

    /// A join or race around an erased entry, older than it, is no longer decided.
    fn reopen_around(&mut self, writing: &mut Writing, at: NodeId, birth: u64) {
        let mut next = self.history.parent(at);
        let mut branch = at;
        while let Some(around) = next {
            let older = self.history.get(around).is_some_and(|recorded| recorded.birth < birth);
            if older && around != History::ROOT && self.reopen_branch(around, branch) {
                self.write_entry(writing, around);
            }
            branch = around;
            next = self.history.parent(around);
        }
    }

    fn restart(&mut self, overlay: &mut Overlay, writing: Writing, call: CallId) {
        self.ended_by.clear();
        self.parks = Parks::default();
        self.phase = Phase::Idle;
        // An embedding host is told by its alarm to run the workflow again.
        let woken = Standing { status: Status::Waiting, alarm: Some(overlay.now) };
        let standing = if self.start.embedded.is_some() { woken } else { self.standing() };
        let seq = overlay.commit(writing, standing);
        overlay.leave_after(seq, Output::Reply { call });
        if self.start.embedded.is_none() {
            self.resume(overlay);
        }
    }
}

/// The attempt of a call that is refused is over.
fn stale(overlay: &mut Overlay, call: CallId, writes: &Writes) {
    if !writes.cells.is_empty() {
        overlay.gave_up(Attempt::Action { call });
        overlay.verdict(Attempt::Action { call }, Verdict::Stale);
    }
}

fn refuse(overlay: &mut Overlay, call: CallId, why: &'static str) {
    overlay.outputs.push_back(Output::Refuse { call, reason: Refusal::Nothing(why) });
}
