//! What keeps a record of a change alive, and with it the change's row.

use pawl_core::codec::change::Record;

/// As long as what a record is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life<'a> {
    /// It has rows of its own, or leaves nothing behind.
    Elsewhere,
    /// Until the entry is gone or is written anew.
    Writing(&'a str),
    /// Until the entry is gone or has another one.
    Entry(&'a str),
    /// Until the cell has a newer base.
    Cell(&'a str),
    /// Until the run goes on or is parked again.
    Parked,
    /// Until the run ends in another way.
    Ended,
    /// Until the calls after the commit have been made.
    Pending,
    /// For ever: a record that this module knows nothing of.
    Forever,
}

/// A new record of the core belongs here as soon as it may be forgotten.
pub fn life(record: &Record) -> Life<'_> {
    match record {
        Record::Created { .. }
        | Record::Name { .. }
        | Record::Entry(_)
        | Record::Metadata { .. }
        | Record::Base { .. }
        | Record::Took(_)
        | Record::Completed { .. }
        | Record::Popped { .. }
        | Record::Answered { .. }
        | Record::Dealing(_)
        | Record::HostRow { .. }
        | Record::Erased { .. } => Life::Elsewhere,
        Record::Failure { entry_id, .. }
        | Record::BranchFailure { entry_id, .. }
        | Record::RetryAt { entry_id, .. } => Life::Writing(entry_id),
        Record::UndoFailed { entry_id, .. } | Record::Pushed { entry_id, .. } => Life::Entry(entry_id),
        Record::Delta { cell, .. } => Life::Cell(cell),
        Record::Parked { .. } => Life::Parked,
        Record::Failed(_) | Record::Cancelled { .. } | Record::RollingBack(_) => Life::Ended,
        Record::Dropped { .. } => Life::Pending,
        // Those of snapshots are in no change.
        Record::Placed { .. } | Record::Stacked { .. } | Record::Undoing { .. } | Record::Closed { .. } => {
            Life::Elsewhere
        }
        Record::IterationState { .. } | Record::EndedBy { .. } | Record::Recovered { .. } => Life::Forever,
    }
}
