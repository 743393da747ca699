//! Joins, races and maps: does what the fork machine says.
//!
//! A fork's entry is written at its start, at suspension and at its end, never per branch. What a loser left behind goes in
//! the change that names the winner; messages that it had taken and never told go back to the inbox.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::entry::Place;
use super::{BranchRow, Branches, Kind, Run, Wake};
use crate::codec::change::Record;
use crate::codec::record::{BranchStatus, BranchStatusType, Branches as RecordedBranches, EntryKind};
use crate::failure::Failure;
use crate::history::{BranchFailure, Mismatch, NodeId, Operation};
use crate::input::{self, Ended, OpId, ScopeId};
use crate::key::Segment;
use crate::output::{BranchValue, Misuse, Output, Value};
use crate::overlay::Overlay;
use crate::scope::{Fork, ForkAction, ForkInput, ForkRule};

/// A fork is written about so many times while its branches settle one by one.
const FORK_SHARE: usize = 32;

impl Run {
    pub(super) fn fork(&mut self, overlay: &mut Overlay, scope: ScopeId, op: OpId, name: String, fork: input::Fork) {
        let races = fork.rule == ForkRule::Race;
        let word = match fork.rule {
            ForkRule::Race => "race",
            ForkRule::Join => "join",
            ForkRule::Map | ForkRule::MapSettled => "map",
        };
        let expects = |kind: &EntryKind| match kind {
            EntryKind::Race { .. } => races,
            EntryKind::Join { .. } => !races,
            _ => false,
        };
        let Some(place) = self.enter(overlay, scope, op, (word, &name), expects) else { return };
        let (place, state) = match place {
            Place::New(place) => {
                self.note_fork(overlay, place, &fork);
                (place, Fork::Open { left: fork.branches.len() as u32 })
            }
            Place::Recorded(place) if self.has_branches(place, &fork.branches) => {
                (place, self.recorded_fork(place, fork.rule))
            }
            Place::Recorded(place) => {
                return self.diverged_branches(overlay, scope, place, word, &name, &fork.branches);
            }
        };
        let rows = fork.branches.iter().map(|branch| self.branch_row(place, branch)).collect();
        let branches = Branches {
            rule: fork.rule,
            state,
            concurrency: fork.concurrency.max(1),
            rows,
            scopes: BTreeMap::new(),
            kept: BTreeSet::new(),
            unwritten: 0,
            next: 0,
            winner: None,
            cancelled: Vec::new(),
        };
        self.pend(scope, op, place, name, Kind::Fork(Box::new(branches)));
        if self.is_rebuilding() {
            self.rebuild_fork(overlay, op)
        } else {
            self.fork_input(overlay, op, ForkInput::Call)
        }
    }

    fn note_fork(&mut self, overlay: &mut Overlay, place: NodeId, fork: &input::Fork) {
        let pending = || BranchStatus { status: BranchStatusType::Pending, output: None, error: None };
        let branches = fork.branches.iter().map(|branch| (branch.clone(), pending())).collect();
        let kind = match fork.rule {
            ForkRule::Race => EntryKind::Race { winner: None, branches },
            _ => EntryKind::Join { branches },
        };
        self.record(overlay, place, overlay.queued() + 1, kind);
        self.noted.insert(place);
    }

    /// Whether the code has the branches that are recorded, in whatever order.
    fn has_branches(&self, place: NodeId, names: &[String]) -> bool {
        self.statuses(place).is_some_and(|recorded| {
            recorded.len() == names.len() && names.iter().all(|name| recorded.contains_key(name))
        })
    }

    fn diverged_branches(
        &mut self,
        overlay: &mut Overlay,
        scope: ScopeId,
        place: NodeId,
        word: &'static str,
        name: &str,
        code: &[String],
    ) {
        let listed = |names: &mut dyn Iterator<Item = &String>| {
            let names: Vec<&str> = names.take(20).map(String::as_str).collect();
            format!("{name}\" of \"{}", names.join("\", \""))
        };
        let recorded = self.statuses(place).map(|branches| listed(&mut branches.keys())).unwrap_or_default();
        let operation = |name| Operation { kind: word, name, status: "" };
        let code = operation(listed(&mut code.iter()));
        self.diverged(overlay, scope, Mismatch::OtherKind { recorded: operation(recorded), code });
    }

    fn statuses(&self, place: NodeId) -> Option<&RecordedBranches> {
        match &self.history.get(place)?.entry.kind {
            EntryKind::Join { branches } | EntryKind::Race { branches, .. } => Some(branches),
            _ => None,
        }
    }

    fn status_mut(&mut self, place: NodeId, row: usize) -> Option<&mut BranchStatus> {
        match &mut self.history.get_mut(place)?.entry.kind {
            EntryKind::Join { branches } | EntryKind::Race { branches, .. } => {
                branches.get_index_mut(row).map(|(_, status)| status)
            }
            _ => None,
        }
    }

    fn branch_row(&mut self, place: NodeId, name: &str) -> BranchRow {
        let node = self.history.place(place, name);
        let row = self.statuses(place).and_then(|branches| branches.get_index_of(name)).unwrap_or(0);
        BranchRow { node, row }
    }

    /// The machine's state of a fork that is in the history.
    fn recorded_fork(&self, place: NodeId, rule: ForkRule) -> Fork {
        let Some(branches) = self.statuses(place) else { return Fork::Settled };
        if let Some(EntryKind::Race { winner: Some(_), .. }) =
            self.history.get(place).map(|recorded| &recorded.entry.kind)
        {
            return Fork::Settled;
        }
        let of = |status| branches.values().filter(move |branch| branch.status == status).count();
        let left = of(BranchStatusType::Pending) + of(BranchStatusType::Running);
        let stopped = rule == ForkRule::Map && of(BranchStatusType::Failed) > 0;
        if left == 0 || stopped { Fork::Settled } else { Fork::Open { left: left as u32 } }
    }

    fn fork_input(&mut self, overlay: &mut Overlay, op: OpId, input: ForkInput) {
        let Some(pending) = self.ops.get_mut(&op) else { return };
        let place = pending.place;
        let Kind::Fork(branches) = &mut pending.kind else { return };
        let (next, action) = branches.state.on(input, branches.rule);
        branches.state = next;
        match action {
            ForkAction::Run => self.run_branches(overlay, op),
            ForkAction::Record => self.decide(overlay, op),
            ForkAction::Resolve => {
                let value = self.fork_value(op);
                self.answer_recorded(overlay, op, place, value);
            }
            ForkAction::Ignore => {}
        }
    }

    /// Runs branches that have not settled, as many at once as may.
    fn run_branches(&mut self, overlay: &mut Overlay, op: OpId) {
        self.set_wake(op, Wake::Never);
        loop {
            let Some(pending) = self.ops.get_mut(&op) else { return };
            let place = pending.place;
            let Kind::Fork(branches) = &mut pending.kind else { return };
            let index = branches.next;
            let Some(row) = branches.rows.get(index as usize).copied() else { return };
            if branches.scopes.len() >= branches.concurrency as usize {
                return;
            }
            branches.next += 1;
            let Some(status) = self.status_mut(place, row.row) else { return };
            if matches!(status.status, BranchStatusType::Pending | BranchStatusType::Running) {
                status.status = BranchStatusType::Running;
                self.run_branch(overlay, op, index, row.node);
            }
        }
    }

    fn run_branch(&mut self, overlay: &mut Overlay, op: OpId, index: u32, node: NodeId) {
        let scope = self.open_scope(node, Some(op));
        let replaying = self.is_replaying(scope);
        if let Some(Kind::Fork(branches)) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            branches.scopes.insert(scope, index);
        }
        overlay.outputs.push_back(Output::Branch { op, scope, index, replaying });
    }

    /// Looks for handlers in the branches that hold something to undo. What is decided is told at once.
    fn rebuild_fork(&mut self, overlay: &mut Overlay, op: OpId) {
        self.set_wake(op, Wake::Never);
        let Some(pending) = self.ops.get(&op) else { return };
        let place = pending.place;
        let Kind::Fork(branches) = &pending.kind else { return };
        let is_over = branches.state == Fork::Settled;
        // Of another engine's history only the code says what is undone.
        let any = self.start.embedded.is_some();
        let holding =
            |row: &BranchRow| self.history.rows_at(row.node) > 0 || (any && self.history.is_recorded_in(row.node));
        let inside: Vec<(u32, NodeId)> = branches
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| holding(row))
            .map(|(i, row)| (i as u32, row.node))
            .collect();
        inside.into_iter().for_each(|(index, node)| self.run_branch(overlay, op, index, node));
        if is_over {
            let value = self.fork_value(op);
            self.answer_recorded(overlay, op, place, value);
        }
    }

    /// The callback of a branch has ended.
    pub(super) fn branched(&mut self, overlay: &mut Overlay, id: ScopeId, outcome: Ended) {
        let Some(scope) = self.scopes.get(&id) else { return };
        let (node, unvisited, pending) = (scope.node, scope.unvisited, scope.pending);
        let Some(op) = scope.parent else { return };
        if self.is_rebuilding() {
            return self.close_scope(overlay, id, &mut Vec::new());
        }
        let threw = matches!(outcome, Ended::Threw { .. });
        if let (Some(pending), false) = (pending, threw) {
            let pending = self.ops.get(&pending).map(|pending| pending.name.clone()).unwrap_or_default();
            // The adapter looks before it says that a callback has returned.
            return overlay.outputs.push_back(Output::Misuse { op: None, misuse: Misuse::EntryPending { pending } });
        }
        if unvisited > 0 && self.checks_scope(threw) {
            let divergence = self.history.diverged(node, id, Mismatch::EndsBeforeRecorded);
            return self.park(overlay, divergence);
        }
        self.close_scope(overlay, id, &mut Vec::new());
        self.unused.clear();
        self.given_up.clear();
        match outcome {
            Ended::Returned(output) => self.branch_returned(overlay, op, id, output),
            Ended::Threw { failure, because } => {
                let because = because.map_or_else(Vec::new, |op| self.culprits(op));
                self.branch_threw(overlay, op, id, failure, &because);
            }
        }
    }

    fn branch_returned(&mut self, overlay: &mut Overlay, op: OpId, id: ScopeId, output: Option<Bytes>) {
        let Some((place, index, row)) = self.take_branch(op, id) else { return };
        if let Some(status) = self.status_mut(place, row.row) {
            (status.status, status.output, status.error) = (BranchStatusType::Completed, output, None);
        }
        if let Some(Kind::Fork(branches)) = self.ops.get_mut(&op).map(|pending| &mut pending.kind)
            && branches.rule == ForkRule::Race
        {
            branches.winner = Some(index);
        }
        self.unwritten_forks.insert(op);
        self.fork_input(overlay, op, ForkInput::Returned);
    }

    fn branch_threw(&mut self, overlay: &mut Overlay, op: OpId, id: ScopeId, failure: Failure, because: &[NodeId]) {
        let Some((place, _, row)) = self.take_branch(op, id) else { return };
        let name = self.statuses(place).and_then(|branches| branches.get_index(row.row)).map(|(name, _)| name.clone());
        if let Some(status) = self.status_mut(place, row.row) {
            (status.status, status.error) = (BranchStatusType::Failed, Some(failure.text()));
        }
        let because = because.iter().map(|node| self.history.location(*node).clone()).collect();
        if let (Some(recorded), Some(branch)) = (self.history.get_mut(place), name) {
            recorded.branch_failures.push(BranchFailure { branch, failure, because });
        }
        self.unwritten_forks.insert(op);
        self.fork_input(overlay, op, ForkInput::Threw);
    }

    /// The branch whose callback has ended.
    fn take_branch(&mut self, op: OpId, id: ScopeId) -> Option<(NodeId, u32, BranchRow)> {
        let pending = self.ops.get_mut(&op)?;
        let Kind::Fork(branches) = &mut pending.kind else { return None };
        let index = branches.scopes.remove(&id)?;
        branches.kept.insert(index);
        branches.unwritten += 1;
        Some((pending.place, index, branches.rows.get(index as usize).copied()?))
    }

    /// Enough branches have settled: the others are given up, and what became of all is one change.
    fn decide(&mut self, overlay: &mut Overlay, op: OpId) {
        let losers = self.give_up_branches(overlay, op);
        self.unwritten_forks.remove(&op);
        let Some(pending) = self.ops.get(&op) else { return };
        let place = pending.place;
        let winner = match &pending.kind {
            Kind::Fork(branches) => {
                branches.winner.and_then(|index| branches.rows.get(index as usize)).map(|row| row.row)
            }
            _ => None,
        };
        self.name_winner(place, winner);
        let unused = std::mem::take(&mut self.unused);
        let given_up = std::mem::take(&mut self.given_up);
        self.give_up_calls_at(overlay, given_up);
        self.drop_losers(&losers);
        let commit = overlay.queued() + 1;
        if let Some(recorded) = self.history.get_mut(place) {
            (recorded.commit, recorded.at) = (commit, overlay.now);
        }
        self.noted.insert(place);
        let value = self.fork_value(op);
        let mut writing = self.begin(overlay);
        overlay.put_back(&mut writing, unused);
        self.fulfil(overlay, op, writing, value);
    }

    fn name_winner(&mut self, place: NodeId, row: Option<usize>) {
        let name = row.and_then(|row| self.statuses(place)?.get_index(row).map(|(name, _)| name.clone()));
        if let Some(EntryKind::Race { winner, .. }) =
            self.history.get_mut(place).map(|recorded| &mut recorded.entry.kind)
        {
            *winner = name;
        }
    }

    /// Ends the branches that have not settled. Returns their places.
    fn give_up_branches(&mut self, overlay: &mut Overlay, op: OpId) -> Vec<NodeId> {
        self.unused.clear();
        self.given_up.clear();
        let Some(pending) = self.ops.get_mut(&op) else { return Vec::new() };
        let place = pending.place;
        let Kind::Fork(branches) = &mut pending.kind else { return Vec::new() };
        let (scopes, rows, winner) = (std::mem::take(&mut branches.scopes), branches.rows.clone(), branches.winner);
        let is_race = branches.rule == ForkRule::Race;
        let mut closed = Vec::new();
        scopes.keys().for_each(|scope| self.close_scope(overlay, *scope, &mut closed));
        if let Some(Kind::Fork(branches)) = self.ops.get_mut(&op).map(|pending| &mut pending.kind) {
            branches.cancelled = closed;
        }
        let mut losers = Vec::new();
        for (index, row) in rows.into_iter().enumerate() {
            let Some(status) = self.status_mut(place, row.row) else { continue };
            if matches!(status.status, BranchStatusType::Pending | BranchStatusType::Running) {
                status.status = BranchStatusType::Cancelled;
                losers.push(row.node);
            } else if is_race && winner.is_some_and(|winner| winner != index as u32) {
                losers.push(row.node);
            }
        }
        losers
    }

    /// What losers left behind can never be read again, but for what is to be undone.
    fn drop_losers(&mut self, losers: &[NodeId]) {
        for loser in losers {
            let location = self.history.location(*loser).clone();
            let held = self.history.is_recorded_in(*loser);
            let entry_ids = self.dropped_ids(|history, dropped| history.drop_below(*loser, dropped));
            if held {
                self.noted_records.push(Record::Dropped { location, iterations: None, entry_ids });
            }
        }
    }

    /// What a fork tells: every branch, in the order of the code.
    fn fork_value(&self, op: OpId) -> Value {
        let Some(pending) = self.ops.get(&op) else { return Value::Nothing };
        let Kind::Fork(branches) = &pending.kind else { return Value::Nothing };
        let recorded = self.history.get(pending.place);
        let failures = recorded.map(|recorded| recorded.branch_failures.as_slice()).unwrap_or_default();
        let statuses = self.statuses(pending.place);
        let failures: BTreeMap<&str, &Failure> =
            failures.iter().map(|failed| (failed.branch.as_str(), &failed.failure)).collect();
        let value = |(index, row): (usize, &BranchRow)| match statuses.and_then(|branches| branches.get_index(row.row))
        {
            Some((name, status)) => branch_value(name, status, branches.kept.contains(&(index as u32)), &failures),
            None => BranchValue::Cancelled,
        };
        let winner = branches.winner.or_else(|| self.recorded_winner(pending.place, &branches.rows));
        Value::Branches { winner, branches: branches.rows.iter().enumerate().map(value).collect() }
    }

    fn recorded_winner(&self, place: NodeId, rows: &[BranchRow]) -> Option<u32> {
        let EntryKind::Race { winner: Some(winner), branches } = &self.history.get(place)?.entry.kind else {
            return None;
        };
        let row = branches.get_index_of(winner)?;
        rows.iter().position(|candidate| candidate.row == row).map(|index| index as u32)
    }

    /// Forks whose branches have come further than is written go with the next change. A run that goes on in memory after it
    /// has waited, perhaps as often as there are branches, writes one when a share of them has come further. Returns whether
    /// there are any.
    pub(super) fn note_forks(&mut self) -> bool {
        let goes_on = self.start.embedded.is_some_and(|embedded| embedded.asks);
        let mut found = false;
        for op in self.unwritten_forks.iter().copied().collect::<Vec<_>>() {
            let Some(pending) = self.ops.get_mut(&op) else { continue };
            let Kind::Fork(branches) = &mut pending.kind else { continue };
            if goes_on && branches.unwritten * FORK_SHARE < branches.rows.len() {
                continue;
            }
            branches.unwritten = 0;
            self.noted.insert(pending.place);
            self.unwritten_forks.remove(&op);
            found = true;
        }
        found
    }

    /// The entries whose failure an operation's was.
    pub(super) fn culprits(&self, op: OpId) -> Vec<NodeId> {
        let Some(place) = self.failed.get(&op).copied() else { return Vec::new() };
        let mut found = vec![place];
        if let Some(recorded) = self.history.get(place) {
            let because = recorded.branch_failures.iter().flat_map(|failed| &failed.because);
            found.extend(because.filter_map(|location| self.history.at(location)));
        }
        found
    }

    /// A branch in which something was erased has not settled any more, nor has the race that it won. True if that is new.
    pub(super) fn reopen_branch(&mut self, place: NodeId, branch: NodeId) -> bool {
        let Some(Segment::Name(name)) = self.history.location(branch).last() else { return false };
        let Some(name) = self.history.names.resolve(name).map(str::to_owned) else { return false };
        let Some(recorded) = self.history.get_mut(place) else { return false };
        recorded.branch_failures.retain(|failed| failed.branch != name);
        let branches = match &mut recorded.entry.kind {
            EntryKind::Race { winner, branches } => {
                *winner = None;
                branches
            }
            EntryKind::Join { branches } => branches,
            _ => return false,
        };
        let Some(status) = branches.get_mut(&name) else { return false };
        *status = BranchStatus { status: BranchStatusType::Pending, output: None, error: None };
        true
    }

    /// Branches that failed are as if they had not been run.
    pub(super) fn reset_branches(&mut self, place: NodeId) {
        let Some(recorded) = self.history.get_mut(place) else { return };
        recorded.branch_failures.clear();
        if let EntryKind::Join { branches } | EntryKind::Race { branches, .. } = &mut recorded.entry.kind {
            for status in branches.values_mut() {
                if matches!(status.status, BranchStatusType::Failed | BranchStatusType::Cancelled) {
                    (status.status, status.error) = (BranchStatusType::Pending, None);
                }
            }
        }
    }
}

fn branch_value(name: &str, status: &BranchStatus, kept: bool, failures: &BTreeMap<&str, &Failure>) -> BranchValue {
    match status.status {
        BranchStatusType::Completed if kept => BranchValue::Kept,
        BranchStatusType::Completed => status.output.clone().map_or(BranchValue::Nothing, BranchValue::Encoded),
        BranchStatusType::Failed => {
            let text = || Failure::from_text(status.error.as_deref().unwrap_or("unknown error"));
            BranchValue::Failed(failures.get(name).map_or_else(text, |failure| (*failure).clone()))
        }
        BranchStatusType::Pending | BranchStatusType::Running | BranchStatusType::Cancelled => BranchValue::Cancelled,
    }
}
