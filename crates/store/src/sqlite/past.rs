//! Snapshots, and what is read with them: an actor as it is, and as it was.

use bytes::Bytes;
use rusqlite::{Connection, Error as SqlError, OptionalExtension, Row, params};

use super::forget;
use super::rows::{self, bytes, unsigned};
use crate::check;
use crate::contract::{Opened, Past, Stats};
use crate::error::StoreError;
use crate::record::{ActorId, ActorRow, Compaction, Scopes, Snapshot};

/// An error inside says how what is stored contradicts itself.
type Read<T> = Result<Result<T, StoreError>, SqlError>;

/// Everything of an actor that it needs to go on.
pub(super) fn open(db: &Connection, actor: &ActorId, scopes: Scopes, epoch: u64, stats: &mut Stats) -> Read<Opened> {
    let (row, newest) = match rows::actor_row(db, actor)? {
        Ok(found) => found.map_or((None, None), |(row, newest)| (Some(row), newest)),
        Err(corrupt) => return Ok(Err(corrupt)),
    };
    let snapshot = match newest {
        None => None,
        Some(seq) => match snapshot(db, actor, seq)? {
            Some(snapshot) => Some(snapshot),
            None => {
                let found = format!("no snapshot of change {seq}");
                return Ok(Err(StoreError::corrupt(actor, found, "the one that its row names")));
            }
        },
    };
    let seq = row.as_ref().map_or(0, |row: &ActorRow| row.seq);
    let contents = contents(db, actor, (snapshot.as_ref(), u64::MAX), (seq, None), scopes, stats)?;
    let inbox = rows::inbox(db, actor)?;
    let floor = forget::floor(db)?;
    Ok(contents.map(|(chunks, changes)| {
        let read = Vec::new();
        Opened { row, epoch, floor, snapshot, chunks, read, changes, inbox }
    }))
}

/// What is kept of an actor up to a change.
pub(super) fn read(
    db: &Connection,
    actor: &ActorId,
    (since, up_to): (u64, u64),
    scopes: Scopes,
    stats: &mut Stats,
) -> Read<Past> {
    let row = match rows::actor_row(db, actor)? {
        Ok(Some((row, _))) => row,
        Ok(None) => return Ok(Ok(Past::default())),
        Err(corrupt) => return Ok(Err(corrupt)),
    };
    let up_to = up_to.min(row.seq);
    let snapshots = snapshots(db, actor)?;
    let key = params![actor.namespace, actor.name];
    let oldest_change: Option<i64> = db.prepare_cached(rows::OLDEST_CHANGE)?.query_row(key, |row| row.get(0))?;
    let oldest_change = oldest_change.map(i64::cast_unsigned);
    let snapshot = check::start(&snapshots, since, up_to, oldest_change).cloned();
    let oldest = snapshots.first().map(|snapshot| snapshot.seq);
    let (chunks, changes) = match contents(db, actor, (snapshot.as_ref(), up_to), (up_to, oldest), scopes, stats)? {
        Ok(contents) => contents,
        Err(error) => return Ok(Err(error)),
    };
    let all_chunks =
        db.prepare_cached(rows::CHUNKS)?.query_map(key, |row| unsigned(row, 0))?.collect::<Result<_, _>>()?;
    let inbox = rows::inbox(db, actor)?;
    Ok(Ok(Past { row: Some(row), snapshot, chunks, changes, snapshots, all_chunks, oldest_change, inbox, owner: None }))
}

type Bodies = Vec<(u64, Bytes)>;

/// The chunks of a snapshot, and the changes after it that are there, up to `read_to`; those up to `up_to` must be.
fn contents(
    db: &Connection,
    actor: &ActorId,
    (snapshot, read_to): (Option<&Snapshot>, u64),
    (up_to, oldest): (u64, Option<u64>),
    scopes: Scopes,
    stats: &mut Stats,
) -> Read<(Bodies, Bodies)> {
    let after = snapshot.map_or(0, |snapshot| snapshot.seq);
    let range = params![actor.namespace, actor.name, after.cast_signed(), i64::try_from(read_to).unwrap_or(i64::MAX)];
    let changes = db
        .prepare_cached(rows::CHANGES)?
        .query_map(range, |row| Ok((unsigned(row, 0)?, bytes(row, 1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    if let Err(error) = check::kept(actor, after, up_to, &changes, oldest) {
        return Ok(Err(error));
    }
    if let Some((seq, _)) = changes.iter().find(|(seq, _)| *seq > up_to) {
        return Ok(Err(StoreError::corrupt(actor, format!("a change with seq {seq}"), format!("none after {up_to}"))));
    }
    let numbers = snapshot.iter().flat_map(|snapshot| snapshot.read_for(scopes));
    Ok(chunks(db, actor, numbers)?.map(|chunks| {
        stats.read(&chunks, &changes);
        (chunks, changes)
    }))
}

/// Chunks, all in one piece of memory: what is many megabytes together goes back to the system when they are put together, which
/// thousands of small pieces would not.
fn chunks<'a>(db: &Connection, actor: &ActorId, numbers: impl Iterator<Item = &'a u64>) -> Read<Bodies> {
    let mut all = Vec::new();
    let mut ends = Vec::new();
    let mut statement = db.prepare_cached(rows::CHUNK)?;
    for number in numbers {
        let key = params![actor.namespace, actor.name, number.cast_signed()];
        let read = statement.query_row(key, |row| {
            all.extend_from_slice(row.get_ref(0)?.as_blob()?);
            Ok(())
        });
        if read.optional()?.is_none() {
            return Ok(Err(StoreError::no_chunk(actor, *number)));
        }
        ends.push((*number, all.len()));
    }
    let mut rest = Bytes::from(all);
    let mut begin = 0;
    let bodies =
        ends.into_iter().map(|(number, end)| (number, rest.split_to(end - std::mem::replace(&mut begin, end))));
    Ok(Ok(bodies.collect()))
}

fn snapshot(db: &Connection, actor: &ActorId, seq: u64) -> Result<Option<Snapshot>, SqlError> {
    let key = params![actor.namespace, actor.name, seq.cast_signed()];
    db.prepare_cached(rows::SNAPSHOT)?.query_row(key, snapshot_row).optional()
}

pub(super) fn snapshots(db: &Connection, actor: &ActorId) -> Result<Vec<Snapshot>, SqlError> {
    let mut statement = db.prepare_cached(rows::SNAPSHOTS)?;
    statement.query_map(params![actor.namespace, actor.name], snapshot_row)?.collect()
}

fn snapshot_row(row: &Row<'_>) -> Result<Snapshot, SqlError> {
    let (seq, body) = (unsigned(row, 0)?, bytes(row, 1)?);
    Ok(Snapshot { seq, body, open: numbers(&bytes(row, 2)?), closed: numbers(&bytes(row, 3)?) })
}

pub(super) fn numbers(list: &[u8]) -> Vec<u64> {
    list.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect()
}

fn list(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Writes a piece of a compaction, or refuses it; `seq` is the actor's newest change.
pub(super) fn compact(db: &Connection, piece: &Compaction, epoch: u64, seq: u64, stats: &mut Stats) -> Read<()> {
    let ActorId { namespace, name } = &piece.actor;
    let ends = db.prepare_cached(rows::SNAPSHOT_ENDS)?.query_row(params![namespace, name], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?))
    })?;
    let snapshots = ends.map(|(oldest, newest)| (oldest.cast_unsigned(), newest.cast_unsigned()));
    if let Err(refusal) = check::compaction(piece, epoch, check::Stored { seq, snapshots }) {
        return Ok(Err(refusal));
    }
    for (number, body) in &piece.put_chunks {
        db.prepare_cached(rows::PUT_CHUNK)?.execute(params![namespace, name, number.cast_signed(), &body[..]])?;
    }
    if let Some(snapshot) = &piece.put_snapshot {
        put_snapshot(db, &piece.actor, snapshot)?;
    }
    if let Some(before) = piece.drop_snapshots {
        db.prepare_cached(rows::DROP_SNAPSHOTS)?.execute(params![namespace, name, before.cast_signed()])?;
    }
    if let Some(through) = piece.drop_changes {
        db.prepare_cached(rows::DROP_CHANGES)?.execute(params![namespace, name, through.cast_signed()])?;
    }
    for number in &piece.drop_chunks {
        db.prepare_cached(rows::DROP_CHUNK)?.execute(params![namespace, name, number.cast_signed()])?;
    }
    stats.compacted(piece);
    Ok(Ok(()))
}

/// Writes a snapshot that is newer than every other one of its actor.
pub(super) fn put_snapshot(db: &Connection, actor: &ActorId, snapshot: &Snapshot) -> Result<(), SqlError> {
    let ActorId { namespace, name } = actor;
    let Snapshot { seq, body, open, closed } = snapshot;
    let values = params![namespace, name, seq.cast_signed(), &body[..], list(open), list(closed)];
    db.prepare_cached(rows::PUT_SNAPSHOT)?.execute(values)?;
    db.prepare_cached(rows::SET_SNAPSHOT)?.execute(params![namespace, name, seq.cast_signed()])?;
    Ok(())
}
