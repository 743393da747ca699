//! What is taken away after a commit: what a change dropped, and rows of Pawl's own that nothing needs any more.

use pawl_core::key::{self, Location, Segment};

use crate::kept::{DeadRow, Kept};
use crate::keys;
use crate::plan::Cause;
use crate::rows::Base;
use crate::work::Call;

/// A run of dead rows of this length is deleted as one range.
const DEAD_RANGE: usize = 8;

/// What a change dropped.
pub struct Drop {
    pub number: u64,
    pub location: Location,
    pub iterations: Option<(u32, u32)>,
    pub entry_ids: Vec<String>,
    /// Where the entries were.
    pub stale: Vec<Location>,
}

/// The calls that take away what was dropped. A place that is used again is not swept with its surroundings.
pub fn deletions(kept: &Kept, drops: Vec<Drop>) -> Vec<(Cause, Call)> {
    let mut calls = Vec::new();
    for drop in drops {
        let cause = Cause::Change(drop.number);
        if kept.covered(&drop.location, drop.iterations).is_empty() {
            calls.extend(delete_dropped(&drop.location, drop.iterations).map(|call| (cause, call)));
        } else {
            let gone = drop.stale.iter().filter(|location| !kept.has(location));
            calls.extend(gone.map(|location| (cause, Call::Delete { key: key::history(location) })));
        }
        let metadata = drop.entry_ids.iter().filter(|id| kept.change_of(id).is_none());
        calls.extend(metadata.map(|id| (cause, Call::Delete { key: key::metadata(id) })));
    }
    calls
}

/// Deletes dead rows of changes.
pub fn dead_rows(dead: &[DeadRow]) -> Vec<Call> {
    let mut calls = Vec::new();
    for run in dead.chunk_by(|a, b| a.last + 1 == b.first) {
        if run.len() >= DEAD_RANGE {
            let (first, last) = (run[0].first, run[run.len() - 1].last);
            calls.push(Call::DeleteRange { start: keys::change(first), end: keys::change(last + 1) });
        } else {
            calls.extend(run.iter().map(|row| Call::Delete { key: keys::change(row.first) }));
        }
        for DeadRow { first, parts, .. } in run.iter().filter(|row| row.parts > 0) {
            calls.push(Call::DeleteRange { start: keys::part(*first, 0), end: keys::part(*first, *parts) });
        }
    }
    calls
}

/// Deletes the chunks of a base that another one has replaced.
pub fn delete_chunks(base: &Base) -> Option<Call> {
    let (start, end) = (keys::chunk(&base.cell, base.first), keys::chunk(&base.cell, base.first + base.chunks));
    (base.chunks > 0).then_some(Call::DeleteRange { start, end })
}

fn delete_dropped(location: &Location, iterations: Option<(u32, u32)>) -> Option<Call> {
    match (iterations, location.last()) {
        (None, _) => Some(Call::DeletePrefix { prefix: key::history(location) }),
        (Some((from, to)), Some(Segment::Name(name))) => {
            let (start, end) = key::iterations(location, name, from, to);
            Some(Call::DeleteRange { start, end })
        }
        (Some(_), _) => None,
    }
}
