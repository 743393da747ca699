//! Compaction: from what a store has of an actor, what it is to write and what it may drop. Pure.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::cut::{CHUNK_LEAST, Known, items};
use super::{CellPart, Contents, Manifest, Snapshot, write};
use crate::ids::Ids;
use crate::load::{Fold, Loaded, OpenError};
use crate::overlay::{Overlay, Standing};

/// How much of what was is kept. The newer bound wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Of an actor with state, what it was after each of so many newest changes (1,000);
    pub deltas: u64,
    /// or of so many bytes of them (64 MiB).
    pub delta_bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { deltas: 1_000, delta_bytes: 64 << 20 }
    }
}

/// What a store has of an actor, all of it.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The newest snapshot, with its open chunks, and the closed ones if [`compact`] has asked for them.
    pub newest: Option<Contents>,
    /// The changes after it, up to the one that the new snapshot is of.
    pub changes: Vec<(u64, Bytes)>,
    /// All snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The numbers of all chunks.
    pub all_chunks: Vec<u64>,
    pub oldest_change: Option<u64>,
}

/// What a store is to do, in this order.
#[derive(Debug, Clone)]
pub struct Plan {
    pub put_chunks: Vec<(u64, Bytes)>,
    pub snapshot: Snapshot,
    /// The bytes of its open part, and of all of it.
    pub open_bytes: u64,
    pub all_bytes: u64,
    pub drop_snapshots: Option<u64>,
    /// From the oldest that is there to the newest that may go.
    pub drop_changes: Option<(u64, u64)>,
    pub drop_chunks: Vec<u64>,
}

/// Closed chunks are put together anew when there are so many more than their bytes make necessary.
const SCATTERED: u64 = 64;

/// Plans a snapshot of the newest change that is kept; none if there is one already, or nothing to hold.
///
/// Closed chunks that were not read stay as they are, and what has closed since comes behind them: planning costs what is
/// open. Fails with `NeedsAll` where that does not do: something that was not read may be gone.
pub fn compact(kept: &Kept, retention: Retention) -> Result<Option<Plan>, OpenError> {
    let Some((seq, _)) = kept.changes.last() else { return Ok(None) };
    let mut overlay = Overlay::new(Ids::new(0));
    let standing = Standing::default();
    let loaded = Loaded {
        snapshot: kept.newest.clone(),
        read: Vec::new(),
        changes: kept.changes.clone(),
        inbox: Vec::new(),
        standing,
        floor: 0,
    };
    let fold = Fold::run(loaded, &mut overlay)?;
    let next = kept.all_chunks.last().map_or(1, |last| last + 1);
    let chunks = kept.newest.as_ref().map_or(&[][..], |newest| &newest.chunks[..]);
    let left = left(kept, &fold, *seq)?;
    let mut plan = snapshot(kept, &fold, &overlay, *seq, (Known::new(chunks, next), left))?;
    forget(kept, retention, overlay.cells().next().is_some(), &mut plan)?;
    Ok(Some(plan))
}

/// The closed chunks that were not read and stay, and their bytes.
fn left(kept: &Kept, fold: &Fold, seq: u64) -> Result<(Vec<u64>, u64), OpenError> {
    let history = &fold.stored.history;
    let Some(newest) = kept.newest.as_ref().filter(|_| history.is_partial()) else { return Ok((Vec::new(), 0)) };
    let (closed, bytes) = (&newest.snapshot.closed, Manifest::read(&newest.snapshot)?.closed_bytes);
    let is_scattered = closed.len() as u64 > SCATTERED + 2 * bytes / CHUNK_LEAST as u64;
    if history.has_lost_closed() || is_scattered {
        return Err(OpenError::NeedsAll { seq });
    }
    Ok((closed.clone(), bytes))
}

fn snapshot(
    kept: &Kept,
    fold: &Fold,
    overlay: &Overlay,
    seq: u64,
    (mut known, (left, left_bytes)): (Known, (Vec<u64>, u64)),
) -> Result<Plan, OpenError> {
    let (open, closed) = write::run(fold, overlay.newest());
    let before = kept.newest.as_ref().map(|newest| Manifest::read(&newest.snapshot)).transpose()?;
    let appended: usize = kept.changes.iter().map(|(_, body)| body.len()).sum();
    let run = known.cut(&open.bytes, &open.ends);
    let mut manifest = Manifest {
        id: fold.last_commit.map_or(crate::ids::CommitId([0; 16]), |(_, id)| id),
        created_at: fold.stored.created_at,
        at: overlay.newest(),
        births: fold.stored.history.births(),
        parks: fold.stored.parks.clone(),
        state_version: overlay.state_version(),
        changed_bytes: before.map_or(0, |before| before.changed_bytes) + appended as u64,
        open_bytes: open.bytes.len() as u64,
        closed_bytes: left_bytes + closed.bytes.len() as u64,
        run_chunks: run.numbers.len() as u32,
        cells: Vec::new(),
    };
    let (mut numbers, mut put_chunks) = (run.numbers, run.new);
    for (name, cell) in overlay.cells() {
        let value = cell.encode();
        let mut ends = Vec::new();
        items(&value, 0, &mut ends);
        let cut = known.cut(&value, &ends);
        manifest.cells.push(CellPart { name: name.to_owned(), head: cell.head(), chunks: cut.numbers.len() as u32 });
        manifest.open_bytes += value.len() as u64;
        numbers.extend(cut.numbers);
        put_chunks.extend(cut.new);
    }
    let over = known.cut(&closed.bytes, &closed.ends);
    put_chunks.extend(over.new);
    let (open_bytes, all_bytes) = (manifest.open_bytes, manifest.open_bytes + manifest.closed_bytes);
    let closed = left.into_iter().chain(over.numbers).collect();
    let snapshot = Snapshot { seq, manifest: manifest.write(seq), open: numbers, closed };
    let (drop_snapshots, drop_changes, drop_chunks) = (None, None, Vec::new());
    Ok(Plan { put_chunks, snapshot, open_bytes, all_bytes, drop_snapshots, drop_changes, drop_chunks })
}

/// Drops what nothing needs: snapshots from which nothing that is kept is read, the changes before those that are, and
/// chunks that no snapshot refers to.
fn forget(kept: &Kept, retention: Retention, has_cells: bool, plan: &mut Plan) -> Result<(), OpenError> {
    let floor = if has_cells { floor(kept, retention, &plan.snapshot)? } else { Some(plan.snapshot.seq) };
    if let Some(floor) = floor {
        plan.drop_snapshots = kept.snapshots.first().filter(|first| first.seq < floor).map(|_| floor);
        plan.drop_changes = kept.oldest_change.filter(|oldest| *oldest <= floor).map(|oldest| (oldest, floor));
    }
    let mut referred: BTreeSet<u64> = plan.snapshot.open.iter().chain(&plan.snapshot.closed).copied().collect();
    for snapshot in kept.snapshots.iter().filter(|snapshot| floor.is_none_or(|floor| snapshot.seq >= floor)) {
        referred.extend(snapshot.open.iter().chain(&snapshot.closed));
    }
    plan.drop_chunks = kept.all_chunks.iter().filter(|number| !referred.contains(number)).copied().collect();
    Ok(())
}

/// The snapshot from which on everything is kept; none if that is the beginning.
fn floor(kept: &Kept, retention: Retention, newest: &Snapshot) -> Result<Option<u64>, OpenError> {
    let all: Vec<&Snapshot> = kept.snapshots.iter().chain([newest]).collect();
    let bytes = all.iter().map(|snapshot| Ok(Manifest::read(snapshot)?.changed_bytes));
    let bytes = bytes.collect::<Result<Vec<u64>, OpenError>>()?;
    let total = bytes.last().copied().unwrap_or(0);
    let enough = all.iter().rposition(|snapshot| newest.seq - snapshot.seq >= retention.deltas);
    // From the beginning, or from the first snapshot that leaves few enough bytes.
    let few = if total <= retention.delta_bytes {
        None
    } else {
        bytes.iter().position(|before| total - before <= retention.delta_bytes)
    };
    Ok(enough.into_iter().chain(few).max().map(|at| all[at].seq))
}
