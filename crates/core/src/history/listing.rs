//! The history as it stands, for whoever shows or compares it.

use bytes::Bytes;

use super::divergence::kind_word;
use super::{History, NodeId, Recorded};
use crate::codec::record::{CallState, EntryKind, EntryStatus, SleepState};

/// One entry, with the names on the way to it.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// Joined by `/`; an iteration is `#3`.
    pub path: String,
    pub recorded: &'a Recorded,
}

impl Listed<'_> {
    /// The word for the entry's kind, such as `step`.
    pub fn kind(&self) -> &'static str {
        kind_word(&self.recorded.entry.kind)
    }

    /// Where it stands: `pending`, `running`, `completed`, `failed` (to be tried again), `exhausted` or `interrupted`.
    pub fn status(&self) -> &'static str {
        let metadata = self.recorded.metadata.as_ref().map(|metadata| metadata.status);
        match (&self.recorded.entry.kind, metadata) {
            (EntryKind::Sleep { state, .. }, _) => match state {
                SleepState::Pending => "pending",
                SleepState::Completed => "completed",
                SleepState::Interrupted => "interrupted",
            },
            (EntryKind::Call { state, .. }, _) => match state {
                CallState::Waiting => "pending",
                CallState::Answered => "completed",
                CallState::Failed => "exhausted",
                CallState::GivenUp => "interrupted",
            },
            (_, None) => "completed",
            (_, Some(status)) => match status {
                EntryStatus::Pending => "pending",
                EntryStatus::Running => "running",
                EntryStatus::Completed => "completed",
                EntryStatus::Failed => "failed",
                EntryStatus::Exhausted => "exhausted",
            },
        }
    }

    /// The encoded value that it ended with, or the message that was taken.
    pub fn output(&self) -> Option<&Bytes> {
        match &self.recorded.entry.kind {
            EntryKind::Step { output, .. } | EntryKind::Loop { output, .. } | EntryKind::Call { output, .. } => {
                output.as_ref()
            }
            EntryKind::Message { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Of a loop: the iteration it is in, and the encoded state that this was called with.
    pub fn iteration(&self) -> Option<(u32, &Bytes)> {
        match &self.recorded.entry.kind {
            EntryKind::Loop { state, iteration, .. } => Some((*iteration, state)),
            _ => None,
        }
    }

    /// Of a timer: when it is due, in milliseconds since the epoch.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.recorded.entry.kind {
            EntryKind::Sleep { deadline_ms, .. } => Some(*deadline_ms),
            EntryKind::Call { deadline_ms, .. } => *deadline_ms,
            _ => None,
        }
    }
}

impl History {
    /// Every entry, those of a scope after the entry whose scope it is.
    pub fn list(&self) -> Vec<Listed<'_>> {
        let mut listed = Vec::new();
        self.list_below(Self::ROOT, &mut listed);
        listed
    }

    fn list_below<'a>(&'a self, at: NodeId, listed: &mut Vec<Listed<'a>>) {
        for child in self.node(at).children.values() {
            if let Some(recorded) = self.get(*child) {
                listed.push(Listed { path: self.path(*child), recorded });
            }
            self.list_below(*child, listed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::record::Entry;
    use crate::key::Location;

    fn put(history: &mut History, at: NodeId, kind: EntryKind) {
        let location: Location = history.location(at).clone();
        let entry = Entry { id: "id".into(), location, kind };
        history.put(at, Recorded::new(entry, 1, 0));
    }

    #[test]
    fn entries_are_listed_with_their_paths_a_loop_before_what_is_in_it() {
        let mut history = History::default();
        let at = history.place(History::ROOT, "each");
        let kind = EntryKind::Loop { state: Bytes::from_static(&[7]), iteration: 2, output: None };
        put(&mut history, at, kind);
        let scope = history.iteration(at, 2);
        let place = history.place(scope, "charge");
        put(&mut history, place, EntryKind::Step { output: Some(Bytes::from_static(&[1])), error: None });
        let unused = history.place(History::ROOT, "never recorded");
        let place = history.place(unused, "nap");
        put(&mut history, place, EntryKind::Sleep { deadline_ms: 5, state: SleepState::Interrupted });

        let listed = history.list();
        let shown: Vec<_> = listed.iter().map(|entry| (&*entry.path, entry.kind(), entry.status())).collect();
        assert_eq!(
            shown,
            [
                ("each", "loop", "completed"),
                ("each/#2/charge", "step", "completed"),
                ("never recorded/nap", "sleep", "interrupted"),
            ]
        );
        assert_eq!(listed[0].iteration(), Some((2, &Bytes::from_static(&[7]))));
        assert_eq!(listed[1].output(), Some(&Bytes::from_static(&[1])));
        assert_eq!(listed[2].deadline_ms(), Some(5));
    }
}
