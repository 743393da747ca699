//! Scopes: the callbacks that are running, each with at most one pending operation.

use super::ahead::HandedOut;
use super::facts::fact_commit;
use super::steps::numbered;
use super::{Kind, Run, Step, StepPhase, Wake};
use crate::history::NodeId;
use crate::input::{OpId, ScopeId};
use crate::output::{AbortReason, Attempt, Output};
use crate::overlay::Overlay;

#[derive(Debug)]
pub(super) struct Scope {
    pub node: NodeId,
    /// The operation that this scope is a callback of; none for the workflow's function.
    pub parent: Option<OpId>,
    pub pending: Option<OpId>,
    /// Entries recorded directly in it that the code has not come to yet.
    pub unvisited: usize,
    /// Whether the code has gone past everything that is recorded.
    pub at_frontier: bool,
    /// Recorded steps that the adapter may answer by itself.
    pub handed_out: HandedOut,
    /// How many callbacks of its own are running.
    children: u32,
    /// Whether it runs side by side with others: then its facts have an order.
    forked: bool,
}

impl Scope {
    pub fn is_forked(&self) -> bool {
        self.forked
    }
}

impl Run {
    pub(super) fn open_scope(&mut self, node: NodeId, parent: Option<OpId>) -> ScopeId {
        let id = self.next_scope;
        self.next_scope += 1;
        self.open_scope_as(id, node, parent);
        id
    }

    /// The same, under a number that was kept for it.
    pub(super) fn open_scope_as(&mut self, id: ScopeId, node: NodeId, parent: Option<OpId>) {
        let unvisited = self.history.entries_in(node);
        let parent_op = parent.and_then(|op| self.ops.get(&op));
        let in_fork = parent_op.is_some_and(|op| matches!(op.kind, Kind::Fork(_)));
        let above = parent_op.map(|op| op.scope);
        let mut forked = in_fork;
        if let Some(above) = above.and_then(|above| self.scopes.get_mut(&above)) {
            forked |= above.forked;
            above.children += 1;
            // Its parent was a leaf until now.
            self.leaves -= usize::from(above.children == 1);
        }
        self.leaves += 1;
        self.in_user_code += 1;
        if forked && unvisited > 0 {
            self.history.recorded_in(node).filter_map(|(_, recorded)| fact_commit(recorded)).for_each(|commit| {
                self.facts.expect(commit);
            });
        }
        let handed_out = HandedOut::default();
        let scope =
            Scope { node, parent, pending: None, unvisited, at_frontier: false, handed_out, children: 0, forked };
        self.scopes.insert(id, scope);
    }

    /// Whether something is recorded in a scope that its code has not come to.
    pub(super) fn is_replaying(&self, scope: ScopeId) -> bool {
        self.scopes.get(&scope).is_some_and(|scope| scope.unvisited > 0)
    }

    /// A scope has ended: whatever is pending in it is given up. `closed` hears of it and of every scope within.
    pub(super) fn close_scope(&mut self, overlay: &mut Overlay, id: ScopeId, closed: &mut Vec<ScopeId>) {
        let Some(scope) = self.scopes.get(&id) else { return };
        let (pending, forked, node, unvisited) = (scope.pending, scope.forked, scope.node, scope.unvisited);
        if let Some(op) = pending {
            self.give_up_op(overlay, op, closed);
        }
        if forked && unvisited > 0 {
            let unused: Vec<u64> = self.history.unused_in(node, id).filter_map(fact_commit).collect();
            unused.into_iter().for_each(|commit| self.facts.forget(commit));
        }
        let Some(scope) = self.scopes.remove(&id) else { return };
        if scope.pending.is_none() {
            self.in_user_code -= 1;
        }
        let above = scope.parent.and_then(|op| self.ops.get(&op)).map(|op| op.scope);
        // Callbacks of its own may outlive it: a rebuild answers a fork whose branches it still runs.
        self.leaves -= usize::from(scope.children == 0);
        if let Some(above) = above.and_then(|above| self.scopes.get_mut(&above)) {
            above.children -= 1;
            self.leaves += usize::from(above.children == 0);
        }
        closed.push(id);
    }

    /// Gives a pending operation up, with the callbacks that it runs. Its scope keeps pointing at it: it is closed next.
    fn give_up_op(&mut self, overlay: &mut Overlay, op: OpId, closed: &mut Vec<ScopeId>) {
        let inner: Vec<ScopeId> = match self.ops.get(&op).map(|pending| &pending.kind) {
            Some(Kind::Loop { scope, .. }) => scope.iter().copied().collect(),
            Some(Kind::Try { scope }) => vec![*scope],
            Some(Kind::Fork(branches)) => branches.scopes.keys().copied().collect(),
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|scope| self.close_scope(overlay, scope, closed));
        self.disarm(op);
        self.set_wake(op, Wake::Never);
        let is_unwritten = self.unwritten_forks.remove(&op);
        let Some(pending) = self.ops.remove(&op) else { return };
        // A loser that holds something to undo is kept as far as it came.
        if is_unwritten {
            self.noted.insert(pending.place);
        }
        if let Some(fact) = &pending.outcome {
            self.facts.remove(fact.commit, op);
        }
        match pending.kind {
            Kind::Step {
                phase: StepPhase::Executing, step: Step::Running { attempts, .. }, traits, undoes, ..
            } => {
                let (attempt, reason) = (numbered(attempts, undoes), AbortReason::Cancelled);
                overlay.gave_up(Attempt::Step { op, attempt });
                overlay.outputs.push_back(Output::Abort { op, attempt, reason });
                if traits.undo_attempted && !undoes {
                    self.note_interrupted(overlay, op, pending.place, attempts);
                }
            }
            Kind::Next { names, taken, .. } => {
                self.waiters.remove(op, &names);
                self.unused.extend(taken);
            }
            Kind::Call { question, .. } => {
                self.questions.remove(&question);
                self.given_up.push(pending.place);
            }
            Kind::Fork(branches) => closed.extend(branches.cancelled),
            _ => {}
        }
    }
}
