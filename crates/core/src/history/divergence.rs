//! Divergence: the code and the history do not match. Says what was found, what was expected, and where.

use super::{History, NodeId};
use crate::codec::record::{CallKind, EntryKind, EntryStatus, SleepState};
use crate::input::ScopeId;
use crate::key::Segment;

/// How many entries a description lists.
const LISTED: usize = 20;

/// What a diverged scope has recorded, and what the code does there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The path of the scope; empty for the workflow's function itself.
    pub scope: String,
    /// What is recorded directly in the scope, oldest first.
    pub recorded: Vec<Operation>,
    /// Of those, what the code has done in this run.
    pub code: Vec<Operation>,
    pub mismatch: Mismatch,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The code starts something new before it has done everything that is recorded.
    NewBeforeRecorded(Operation),
    /// The code does one thing where another is recorded.
    OtherKind { recorded: Operation, code: Operation },
    /// The code leaves the scope before it has done everything that is recorded.
    EndsBeforeRecorded,
    /// The code has no handler for a step that is to be undone.
    NoHandler(Operation),
}

/// One operation, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub kind: &'static str,
    pub name: String,
    /// Where it stands, such as `waiting`; empty when it is done or not recorded.
    pub status: &'static str,
}

impl History {
    /// Describes what went wrong in a scope.
    pub fn diverged(&self, at: NodeId, scope: ScopeId, mismatch: Mismatch) -> Divergence {
        let mut entries: Vec<_> = self.recorded_in(at).filter(|(child, _)| self.is_listed(*child)).collect();
        entries.sort_by_key(|(_, recorded)| recorded.commit);
        let used = |at: NodeId| self.node(at).used_in == scope;
        // However much is recorded, what the code has not come to is shown.
        let missed = entries.iter().position(|(child, _)| !used(*child)).filter(|missed| *missed >= LISTED);
        if let Some(missed) = missed {
            entries.swap(LISTED - 1, missed);
        }
        entries.truncate(LISTED);
        let operation = |at: NodeId| self.operation(at);
        let is_culprit = |operation: &Operation| match &mismatch {
            Mismatch::OtherKind { recorded, .. } => operation.name == recorded.name,
            _ => false,
        };
        Divergence {
            scope: self.path(at),
            recorded: entries.iter().filter_map(|(child, _)| operation(*child)).collect(),
            code: entries
                .iter()
                .filter(|(child, _)| used(*child))
                .filter_map(|(child, _)| operation(*child))
                .filter(|operation| !is_culprit(operation))
                .collect(),
            mismatch,
        }
    }

    /// What is recorded at a place.
    pub fn operation(&self, at: NodeId) -> Option<Operation> {
        let recorded = self.get(at)?;
        let status = match (&recorded.entry.kind, &recorded.metadata) {
            (EntryKind::Sleep { state: SleepState::Pending, .. }, _) => "waiting",
            (EntryKind::Loop { .. }, Some(metadata)) if metadata.status != EntryStatus::Completed => "running",
            (EntryKind::Step { .. }, Some(metadata)) => match metadata.status {
                EntryStatus::Failed => "failed, to be tried again",
                EntryStatus::Exhausted => "failed",
                _ => "",
            },
            _ => "",
        };
        let name = self.name(at);
        let name = name.strip_suffix(":count").or(name.strip_suffix(":deadline")).unwrap_or(&name).to_owned();
        let kind = if self.name(at).ends_with(":deadline") { "message" } else { kind_word(&recorded.entry.kind) };
        Some(Operation { kind, name, status })
    }

    fn name(&self, at: NodeId) -> String {
        match self.location(at).last() {
            Some(Segment::Name(index)) => self.names.resolve(index).unwrap_or("?").to_owned(),
            Some(Segment::Iteration { iteration, .. }) => format!("#{iteration}"),
            None => String::new(),
        }
    }

    /// Of the rows that one wait for messages writes, one stands for all.
    fn is_listed(&self, at: NodeId) -> bool {
        let Some(recorded) = self.get(at) else { return false };
        let name = self.name(at);
        let siblings = |suffix: &str| {
            let base = name.rsplit_once(':').map_or("", |(base, _)| base);
            let index = self.names.index_of(&format!("{base}:{suffix}"));
            let sibling = index.map(Segment::Name).and_then(|segment| {
                let parent = self.node(at).parent?;
                self.node(parent).children.get(&segment).copied()
            });
            sibling.is_some_and(|sibling| self.get(sibling).is_some())
        };
        match &recorded.entry.kind {
            EntryKind::Message { .. } => name.ends_with(":count") || !siblings("count"),
            EntryKind::Sleep { .. } if name.ends_with(":deadline") => !siblings("count"),
            _ => true,
        }
    }
}

/// The word for a kind of entry.
pub fn kind_word(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::Step { .. } => "step",
        EntryKind::Loop { .. } => "loop",
        EntryKind::Sleep { .. } => "sleep",
        EntryKind::Message { .. } => "message",
        EntryKind::RollbackCheckpoint { .. } => "rollback",
        EntryKind::Join { .. } => "join",
        EntryKind::Race { .. } => "race",
        EntryKind::Removed { .. } => "removed",
        EntryKind::VersionCheck { .. } => "version_check",
        EntryKind::Call { kind: CallKind::Child, .. } => "child",
        EntryKind::Call { kind: CallKind::Ask, .. } => "ask",
    }
}
