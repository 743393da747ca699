//! Whether a batch may join a transaction, judged before anything of it is written. Pure, and the same in every store.

use bytes::Bytes;

use crate::contract::Limits;
use crate::error::StoreError;
use crate::record::{ActorId, Batch, Compaction, Forget, SLICE_ROWS, Snapshot};

const NAMESPACE_BYTES: usize = 512;
/// A type of 64 bytes, the slash, a key of 512.
const NAME_BYTES: usize = 64 + 1 + 512;
/// A sender may be an actor, or a caller from outside under a name of the host's.
const SENDER_BYTES: usize = 1024;
/// The largest number that SQL stores keep.
const LARGEST: u64 = i64::MAX as u64;

/// Whether `actor` can be stored at all.
pub fn actor(actor: &ActorId) -> Result<(), StoreError> {
    length("a namespace", &actor.namespace, NAMESPACE_BYTES)?;
    name(&actor.name)
}

/// Whether every part of `batch` is well formed and within `limits`; says nothing of what is stored.
pub fn shape(batch: &Batch, limits: &Limits) -> Result<(), StoreError> {
    actor(&batch.actor)?;
    let Some(first) = batch.changes.first() else {
        return Err(StoreError::bad_argument(format!("a batch of {} has no change", batch.actor)));
    };
    number("an epoch", batch.epoch)?;
    number("a seq", first.seq)?;
    let mut rows = 0;
    for (expected, change) in (first.seq..).zip(&batch.changes) {
        if change.seq != expected {
            return Err(StoreError::out_of_order(&batch.actor, change.seq, expected));
        }
        if change.body.len() > limits.change_bytes {
            return Err(StoreError::too_large(&batch.actor, "a change", change.body.len(), limits.change_bytes));
        }
        for put in &change.put {
            name(&put.receiver)?;
            length("a sender", &put.row.sender, SENDER_BYTES)?;
            number("a sender's seq", put.row.sender_seq)?;
            if put.row.body.len() > limits.message_bytes {
                let found = put.row.body.len();
                return Err(StoreError::too_large(&batch.actor, "a message", found, limits.message_bytes));
            }
        }
        rows += 1 + change.put.len() + change.take.len();
    }
    if rows > limits.batch_rows {
        return Err(StoreError::too_large(&batch.actor, "the number of rows of a batch", rows, limits.batch_rows));
    }
    Ok(())
}

/// Whether `batch` is of the present `epoch` and follows `seq`, the actor's newest change (0: none).
pub fn fence(batch: &Batch, epoch: u64, seq: u64) -> Result<(), StoreError> {
    if batch.epoch != epoch {
        return Err(StoreError::fenced(&batch.actor, batch.epoch, epoch));
    }
    match batch.changes.first() {
        Some(first) if first.seq != seq + 1 => Err(StoreError::out_of_order(&batch.actor, first.seq, seq + 1)),
        _ => Ok(()),
    }
}

/// Which of the snapshots, oldest first, a reading begins with that is to give the changes from `since` on, up to `up_to`.
/// `oldest_change`: that is there.
pub fn start(snapshots: &[Snapshot], since: u64, up_to: u64, oldest_change: Option<u64>) -> Option<&Snapshot> {
    let fits = snapshots.iter().rev().find(|snapshot| snapshot.seq <= up_to && snapshot.seq < since.max(1));
    let is_whole = oldest_change == Some(1);
    fits.or_else(|| snapshots.first().filter(|first| !is_whole && first.seq <= up_to))
}

/// Whether `changes` are those after `after` up to `up_to`, without a gap. `oldest`: the oldest snapshot.
pub fn kept(
    actor: &ActorId,
    after: u64,
    up_to: u64,
    changes: &[(u64, Bytes)],
    oldest: Option<u64>,
) -> Result<(), StoreError> {
    if let Some(oldest) = oldest.filter(|oldest| up_to < *oldest) {
        let is_whole = changes.len() as u64 == up_to;
        return if is_whole { Ok(()) } else { Err(StoreError::not_kept(actor, up_to, oldest)) };
    }
    for (expected, found) in (after + 1..=up_to).zip(changes.iter().map(|(seq, _)| Some(*seq)).chain([None])) {
        if found != Some(expected) {
            let found = found
                .map_or_else(|| format!("no change with seq {expected}"), |found| format!("a change with seq {found}"));
            return Err(StoreError::corrupt(actor, found, format!("seq {expected}, and so on to {up_to}")));
        }
    }
    Ok(())
}

/// What is stored of an actor, as far as a compaction must fit it.
#[derive(Clone, Copy)]
pub struct Stored {
    /// The newest change.
    pub seq: u64,
    /// The changes of the oldest and newest snapshot.
    pub snapshots: Option<(u64, u64)>,
}

/// Whether a compaction is of the present `epoch` and fits what is stored, so that nothing is lost by it.
pub fn compaction(piece: &Compaction, epoch: u64, stored: Stored) -> Result<(), StoreError> {
    actor(&piece.actor)?;
    let refused = |found: String, expected: String| Err(StoreError::bad_compaction(&piece.actor, found, expected));
    if piece.epoch != epoch {
        return Err(StoreError::fenced(&piece.actor, piece.epoch, epoch));
    }
    let Stored { seq, mut snapshots } = stored;
    if let Some(put) = &piece.put_snapshot {
        let newest = snapshots.map_or(0, |(_, newest)| newest);
        if put.seq <= newest || put.seq > seq {
            return refused(format!("a snapshot of change {}", put.seq), format!("one of {} to {seq}", newest + 1));
        }
        snapshots = Some((snapshots.map_or(put.seq, |(oldest, _)| oldest), put.seq));
    }
    if let (Some(before), Some((oldest, newest))) = (piece.drop_snapshots, &mut snapshots) {
        if before > *newest {
            return refused(
                format!("snapshots before {before} to be dropped"),
                format!("the newest, {newest}, to stay"),
            );
        }
        *oldest = before.max(*oldest);
    }
    let held = snapshots.map_or(0, |(oldest, _)| oldest);
    match piece.drop_changes {
        Some(through) if through > held => refused(
            format!("changes up to {through} to be dropped"),
            format!("at most up to {held}, which a snapshot holds"),
        ),
        _ => Ok(()),
    }
}

/// Whether what is to be forgotten is of the present `epoch`, and its newest change is still `seq`.
pub fn forgetting(forget: &Forget, epoch: u64, seq: u64) -> Result<(), StoreError> {
    actor(&forget.actor)?;
    if forget.epoch != epoch {
        return Err(StoreError::fenced(&forget.actor, forget.epoch, epoch));
    }
    if forget.seq != seq {
        let (found, expected) = (format!("change {seq} as the newest"), format!("change {}", forget.seq));
        return Err(StoreError::bad_compaction(&forget.actor, found, expected));
    }
    Ok(())
}

/// Whether so many rows of an actor may go at once: those that its newest snapshot does not make needless.
pub fn last_slice(forget: &Forget, rows: usize) -> Result<(), StoreError> {
    if rows <= SLICE_ROWS {
        return Ok(());
    }
    let expected = format!("at most {SLICE_ROWS}, once it was compacted");
    Err(StoreError::bad_compaction(&forget.actor, format!("{rows} rows that its newest snapshot needs"), expected))
}

fn name(name: &str) -> Result<(), StoreError> {
    length("an actor's name", name, NAME_BYTES)?;
    match name.split_once('/') {
        Some((kind, key)) if !kind.is_empty() && !key.is_empty() => Ok(()),
        _ => Err(StoreError::bad_argument(format!("an actor's name is `type/key`; found {name:?}"))),
    }
}

fn length(what: &str, text: &str, limit: usize) -> Result<(), StoreError> {
    match text.len() {
        0 => Err(StoreError::bad_argument(format!("{what} is empty; expected 1 to {limit} bytes"))),
        found if found > limit => {
            Err(StoreError::bad_argument(format!("{what} has {found} bytes; expected 1 to {limit}")))
        }
        _ => Ok(()),
    }
}

fn number(what: &str, found: u64) -> Result<(), StoreError> {
    if found == 0 || found > LARGEST {
        return Err(StoreError::bad_argument(format!("{what} is {found}; expected 1 to {LARGEST}")));
    }
    Ok(())
}
