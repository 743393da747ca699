//! State as it was: what a cell held after a change, and what going back over steps takes away. Pure.
//!
//! Owns no data: it reads what a store has kept of an actor, which is a snapshot and the changes after it, without a gap.
//! One law: **what a cell was after change n is the fold of what is kept up to n**, wherever it begins.

use bytes::Bytes;

use crate::actor::Actor;
use crate::codec::change::{self, ChangeRecord, Record};
use crate::codec::record::{EntryKind, EntryStatus};
use crate::ids::Ids;
use crate::input::Time;
use crate::key::{Location, Segment};
use crate::load::OpenError;
use crate::overlay::Overlay;
use crate::snapshot::{Contents, Manifest};
use crate::state::Delta;

/// What is kept of an actor: everything up to a snapshot's change, and the changes after it, or from the first one on.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub snapshot: Option<Contents>,
    pub changes: Vec<(u64, Bytes)>,
}

/// What a cell was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Was {
    /// The encoded value; none: there was no such cell.
    pub value: Option<Bytes>,
    /// The version of its shape.
    pub version: u32,
}

/// The change whose state an entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    At(u64),
    /// In this change it was undone: the one that is meant is an earlier one.
    Before(u64),
}

/// What going back to before an entry takes away.
#[derive(Debug, Clone, Default)]
pub struct Discarded {
    /// The ids of the entries, in the order in which they came into being.
    pub entry_ids: Vec<String>,
    /// Everything at and below these; of a loop that goes on, the rounds from this one on.
    pub(crate) places: Vec<(Location, Option<u32>)>,
    /// The oldest change in which one of its steps committed, of those of which that is known.
    pub(crate) oldest_commit: Option<u64>,
    /// The oldest of its entries, by birth, of which that is not known.
    pub(crate) oldest_unsure: Option<u64>,
}

/// What going back does to a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewound {
    /// No discarded step has written it: it stays as it is.
    Same,
    /// It is to be what it was after this change. `moved`: changes since then that others made to it, with their times.
    To { seq: u64, was: Was, moved: Vec<(u64, Time)> },
    /// A discarded step committed before what is kept begins, or may have: after this change.
    NotKept { oldest: u64 },
}

impl Actor {
    /// The change after which an entry had just committed; none if there is no entry of that id that has.
    pub fn committed(&self, entry_id: &str) -> Option<Committed> {
        let entries = self.entries();
        let listed = entries.iter().find(|listed| listed.recorded.entry.id == entry_id)?;
        let undone = listed.recorded.metadata.as_ref().is_some_and(|known| known.rollback_completed_at_ms.is_some());
        let commit = listed.recorded.commit;
        (listed.status() == "completed").then_some(if undone {
            Committed::Before(commit)
        } else {
            Committed::At(commit)
        })
    }

    /// What going back to before an entry, or (none) to the start, would take away; otherwise why that cannot be.
    pub fn discarded(&self, entry_id: Option<&str>) -> Result<Discarded, &'static str> {
        self.run().ok_or("it has no workflow")?.discarded(entry_id)
    }
}

impl Kept {
    /// What a cell was after change `seq`, which is none before the snapshot.
    pub fn cell_at(&self, cell: &str, seq: u64) -> Result<Was, OpenError> {
        let mut overlay = Overlay::new(Ids::new(0));
        let mut expected = 1;
        if let Some(contents) = &self.snapshot {
            let streams = contents.streams()?;
            let state = |source| OpenError::State { seq: contents.snapshot.seq, source };
            for (part, value) in streams.cells.into_iter().filter(|(part, _)| part.name == cell) {
                overlay.set_cell(cell, value, part.head, streams.manifest.state_version).map_err(state)?;
            }
            expected = contents.snapshot.seq + 1;
        }
        for (found, body) in self.changes.iter().take_while(|(found, _)| *found <= seq) {
            if *found != expected {
                return Err(OpenError::Gap { expected, found: *found });
            }
            expected += 1;
            take_up(&mut overlay, cell, *found, read(*found, body)?)?;
        }
        Ok(Was { value: overlay.cell(cell).map(|cell| cell.encode()), version: overlay.state_version() })
    }

    /// The change before `undone_in` in which an entry committed last; none if that is not kept.
    pub fn commit_before(&self, entry_id: &str, undone_in: u64) -> Result<Option<u64>, OpenError> {
        for (seq, body) in self.changes.iter().rev().filter(|(seq, _)| *seq <= undone_in) {
            let change = read(*seq, body)?;
            let undoes = change.records.iter().any(|record| matches!(record, Record::Popped { .. }));
            if !undoes && completed(&change).any(|id| id == entry_id) {
                return Ok(Some(*seq));
            }
        }
        Ok(None)
    }

    /// What going back over `discarded` does to a cell. All that is kept has to be here.
    pub fn rewind(&self, cell: &str, discarded: &Discarded) -> Result<Rewound, OpenError> {
        if let Some(contents) = &self.snapshot {
            let (oldest, births) = (contents.snapshot.seq, Manifest::read(&contents.snapshot)?.births);
            let is_covered = discarded.oldest_commit.is_none_or(|commit| commit > oldest)
                && discarded.oldest_unsure.is_none_or(|birth| birth > births);
            if !is_covered {
                return Ok(Rewound::NotKept { oldest });
            }
        }
        let writes = self.writes(cell)?;
        let is_discarded = |write: &Write| write.by.iter().any(|step| discarded.covers(step));
        let Some(first) = writes.iter().find(|write| write.counts && is_discarded(write)) else {
            return Ok(Rewound::Same);
        };
        let seq = first.seq - 1;
        let others = writes.iter().filter(|write| write.seq > seq && write.moves && !is_discarded(write));
        let moved = others.map(|write| (write.seq, write.at)).collect();
        Ok(Rewound::To { seq, was: self.cell_at(cell, seq)?, moved })
    }

    /// The changes that wrote a cell, in order.
    fn writes(&self, cell: &str) -> Result<Vec<Write>, OpenError> {
        let mut writes: Vec<Write> = Vec::new();
        for (seq, body) in &self.changes {
            let change = read(*seq, body)?;
            for record in &change.records {
                if let Record::Erased { location } = record {
                    // Steps that were gone back over before have other commits now.
                    let within = |write: &&mut Write| write.by.iter().any(|step| step.is_within(location));
                    writes.iter_mut().filter(within).for_each(|write| write.counts = false);
                }
            }
            writes.extend(written(*seq, cell, &change));
        }
        Ok(writes)
    }
}

/// A change that wrote a cell.
struct Write {
    seq: u64,
    at: Time,
    /// The steps that committed or were undone in it.
    by: Vec<Location>,
    /// Whether those steps are still there as they committed then.
    counts: bool,
    /// Whether going back over it would take away something that was meant to stay: not another going back, nor a
    /// migration, which is done again.
    moves: bool,
}

fn written(seq: u64, cell: &str, change: &ChangeRecord) -> Option<Write> {
    let records = || change.records.iter();
    let changes = records().any(|record| matches!(record, Record::Delta { cell: name, .. } if name == cell));
    if !changes && !records().any(|record| matches!(record, Record::Base { cell: name, .. } if name == cell)) {
        return None;
    }
    let done: Vec<&str> = completed(change).collect();
    let step = |record: &Record| match record {
        Record::Entry(entry) => {
            let is_done = matches!(entry.kind, EntryKind::Step { .. }) && done.contains(&&*entry.id);
            is_done.then(|| entry.location.clone())
        }
        Record::Popped { location } => Some(location.clone()),
        _ => None,
    };
    let goes_back = records().any(|record| matches!(record, Record::Recovered { .. }));
    let by = records().filter_map(step).collect();
    Some(Write { seq, at: change.at, by, counts: true, moves: changes && !goes_back })
}

/// The ids of the entries that a change says are completed.
fn completed(change: &ChangeRecord) -> impl Iterator<Item = &str> {
    change.records.iter().filter_map(|record| match record {
        Record::Metadata { entry_id, metadata } if metadata.status == EntryStatus::Completed => Some(&**entry_id),
        _ => None,
    })
}

fn take_up(overlay: &mut Overlay, cell: &str, seq: u64, change: ChangeRecord) -> Result<(), OpenError> {
    let state = |source| OpenError::State { seq, source };
    for record in change.records {
        match record {
            Record::Base { cell: name, value, version } if name == cell => {
                overlay.set_cell(cell, value, seq, version).map_err(state)?;
            }
            Record::Delta { cell: name, delta } if name == cell => {
                let delta = Delta::parse(&delta).map_err(|source| OpenError::Change { seq, source })?;
                if !overlay.load_delta(cell, &delta, seq).map_err(state)? {
                    return Err(OpenError::Inconsistent { seq, what: "changes a cell that has no value" });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn read(seq: u64, body: &Bytes) -> Result<ChangeRecord, OpenError> {
    change::read(seq, body).map_err(|source| OpenError::Change { seq, source })
}

impl Discarded {
    fn covers(&self, step: &Location) -> bool {
        self.places.iter().any(|(place, rounds)| {
            let round = step.segments().get(place.segments().len());
            step.is_within(place)
                && match (rounds, round) {
                    (None, _) => true,
                    (Some(from), Some(Segment::Iteration { iteration, .. })) => iteration >= from,
                    (Some(_), _) => false,
                }
        })
    }
}

#[cfg(test)]
mod tests;
