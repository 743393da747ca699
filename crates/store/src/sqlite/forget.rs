//! Forgetting an actor that was destroyed: slice by slice, each a small part of some transaction.

use std::collections::HashSet;

use rusqlite::{Connection, Error as SqlError, OptionalExtension, params};

use super::rows::{self, unsigned};
use crate::check;
use crate::error::StoreError;
use crate::record::{ActorId, Forget, SLICE_ROWS, Snapshot};

const FLOOR: &str = "SELECT value FROM meta WHERE key = 'floor'";
const RAISE_FLOOR: &str = "INSERT INTO meta VALUES ('floor', ?1) \
                           ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)";
const DROP_OLDEST: &str = "DELETE FROM change WHERE namespace = ?1 AND actor = ?2 AND seq <= (SELECT max(seq) FROM \
                           (SELECT seq FROM change WHERE namespace = ?1 AND actor = ?2 AND seq <= ?3 \
                           ORDER BY seq LIMIT ?4))";
const COUNT_CHANGES: &str = "SELECT count(*) FROM change WHERE namespace = ?1 AND actor = ?2";
const DROP_ACTOR: &str = "DELETE FROM actor WHERE namespace = ?1 AND id = ?2";

/// The number that those of every actor that was forgotten were below.
pub(super) fn floor(db: &Connection) -> Result<u64, SqlError> {
    Ok(db.prepare_cached(FLOOR)?.query_row([], |row| unsigned(row, 0)).optional()?.unwrap_or(0))
}

pub(super) fn raise_floor(db: &Connection, floor: u64) -> Result<(), SqlError> {
    db.prepare_cached(RAISE_FLOOR)?.execute(params![floor.cast_signed()]).map(|_| ())
}

/// Takes a slice away, or refuses to; `seq` is the actor's newest change. Returns whether it was the last one.
pub(super) fn forget(
    db: &Connection,
    forget: &Forget,
    epoch: u64,
    seq: u64,
) -> Result<Result<bool, StoreError>, SqlError> {
    if let Err(refusal) = check::forgetting(forget, epoch, seq) {
        return Ok(Err(refusal));
    }
    let ActorId { namespace, name } = &forget.actor;
    let snapshots = super::past::snapshots(db, &forget.actor)?;
    let mut left = SLICE_ROWS;
    if let Some((newest, older)) = snapshots.split_last() {
        left -= drop_needless(db, &forget.actor, newest, older)?;
    }
    if left == 0 {
        return Ok(Ok(false));
    }
    let needed = snapshots.last().map_or(0, |newest| newest.open.len() + newest.closed.len());
    let key = params![namespace, name];
    let changes = db.prepare_cached(COUNT_CHANGES)?.query_row(key, |row| unsigned(row, 0))?;
    if let Err(refusal) = check::last_slice(forget, needed + changes as usize) {
        return Ok(Err(refusal));
    }
    db.prepare_cached(rows::DROP_CHANGES)?.execute(params![namespace, name, i64::MAX])?;
    db.prepare_cached(rows::DROP_SNAPSHOTS)?.execute(params![namespace, name, i64::MAX])?;
    for number in snapshots.iter().flat_map(|newest| newest.open.iter().chain(&newest.closed)) {
        db.prepare_cached(rows::DROP_CHUNK)?.execute(params![namespace, name, number.cast_signed()])?;
    }
    db.prepare_cached(DROP_ACTOR)?.execute(key)?;
    raise_floor(db, forget.floor)?;
    Ok(Ok(true))
}

/// Takes away what the newest snapshot makes needless, at most a slice of it. Returns how many rows that were.
fn drop_needless(db: &Connection, actor: &ActorId, newest: &Snapshot, older: &[Snapshot]) -> Result<usize, SqlError> {
    let ActorId { namespace, name } = actor;
    let slice = params![namespace, name, newest.seq.cast_signed(), SLICE_ROWS as i64];
    let mut gone = db.prepare_cached(DROP_OLDEST)?.execute(slice)?;
    if let Some(last) = older.iter().take(SLICE_ROWS - gone).last() {
        let before = params![namespace, name, (last.seq + 1).cast_signed()];
        gone += db.prepare_cached(rows::DROP_SNAPSHOTS)?.execute(before)?;
    }
    let needed: HashSet<u64> = newest.open.iter().chain(&newest.closed).copied().collect();
    let numbers = db
        .prepare_cached(rows::CHUNKS)?
        .query_map(params![namespace, name], |row| unsigned(row, 0))?
        .collect::<Result<Vec<u64>, _>>()?;
    for number in numbers.iter().filter(|number| !needed.contains(number)).take(SLICE_ROWS - gone) {
        gone += db.prepare_cached(rows::DROP_CHUNK)?.execute(params![namespace, name, number.cast_signed()])?;
    }
    Ok(gone)
}
