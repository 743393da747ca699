//! The tables, and the SQL that reads and writes them. Nothing here begins or ends a transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Error as SqlError, OptionalExtension, Row, params};

use crate::contract::{Due, Listed};
use crate::error::StoreError;
use crate::record::{ActorId, ActorRow, Batch, Change, InboxRow, Put, Status};

/// Format 1. A change is one row, written once; `actor.snapshot` is the change of the newest snapshot. The numbers of a
/// snapshot's chunks are 8 bytes each, little-endian.
pub(super) const SCHEMA: &str = "
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE note (
    name TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE actor (
    namespace     TEXT NOT NULL,
    id            TEXT NOT NULL,
    epoch         INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    alarm         INTEGER,
    status        TEXT NOT NULL,
    state_version INTEGER NOT NULL,
    snapshot      INTEGER,
    PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarmed ON actor (namespace, id) WHERE alarm IS NOT NULL;
CREATE TABLE change (
    namespace TEXT NOT NULL,
    actor     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (namespace, actor, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot (
    namespace TEXT NOT NULL,
    actor     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    body      BLOB NOT NULL,
    open      BLOB NOT NULL,
    closed    BLOB NOT NULL,
    PRIMARY KEY (namespace, actor, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE chunk (
    namespace TEXT NOT NULL,
    actor     TEXT NOT NULL,
    number    INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (namespace, actor, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox (
    namespace  TEXT NOT NULL,
    receiver   TEXT NOT NULL,
    sender     TEXT NOT NULL,
    sender_seq INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (namespace, receiver, sender, sender_seq)
) STRICT, WITHOUT ROWID;
";

const EPOCH: &str = "SELECT value FROM meta WHERE key = 'epoch'";
const SEQ: &str = "SELECT seq FROM actor WHERE namespace = ?1 AND id = ?2";
const ACTOR: &str =
    "SELECT epoch, seq, alarm, status, state_version, snapshot FROM actor WHERE namespace = ?1 AND id = ?2";
pub(super) const CHANGES: &str = "SELECT seq, body FROM change WHERE namespace = ?1 AND actor = ?2 \
                                  AND seq > ?3 AND seq <= ?4 ORDER BY seq";
const INBOX: &str = "SELECT sender, sender_seq, body FROM inbox WHERE namespace = ?1 AND receiver = ?2 \
                     ORDER BY sender, sender_seq";
const ALARMED: &str = "SELECT namespace, id, alarm, status = 'parked' FROM actor INDEXED BY alarmed \
                       WHERE alarm IS NOT NULL AND (namespace, id) > (?1, ?2) ORDER BY namespace, id LIMIT ?3";
const ACTORS: &str = "SELECT epoch, seq, alarm, status, state_version, id FROM actor \
                      WHERE namespace = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
/// The first actor behind another that has a message: one seek, however many messages each has.
const NEXT_INBOX: &str = "SELECT namespace, receiver FROM inbox WHERE (namespace, receiver) > (?1, ?2) \
                          ORDER BY namespace, receiver LIMIT 1";
pub(super) const PUT_ACTOR: &str = "INSERT INTO actor (namespace, id, epoch, seq, alarm, status, state_version) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (namespace, id) DO UPDATE SET \
                         epoch = ?3, seq = ?4, alarm = ?5, status = ?6, state_version = ?7";
pub(super) const PUT_CHANGE: &str = "INSERT INTO change (namespace, actor, seq, body) VALUES (?1, ?2, ?3, ?4)";
pub(super) const PUT_MESSAGE: &str = "INSERT INTO inbox (namespace, receiver, sender, sender_seq, body) \
                           VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
const SAME_MESSAGE: &str = "SELECT body = ?5 FROM inbox \
                            WHERE namespace = ?1 AND receiver = ?2 AND sender = ?3 AND sender_seq = ?4";
const TAKE_MESSAGE: &str = "DELETE FROM inbox \
                            WHERE namespace = ?1 AND receiver = ?2 AND sender = ?3 AND sender_seq = ?4";

pub(super) const SNAPSHOT: &str = "SELECT seq, body, open, closed FROM snapshot \
                                   WHERE namespace = ?1 AND actor = ?2 AND seq = ?3";
pub(super) const SNAPSHOTS: &str = "SELECT seq, body, open, closed FROM snapshot \
                                    WHERE namespace = ?1 AND actor = ?2 ORDER BY seq";
pub(super) const CHUNK: &str = "SELECT body FROM chunk WHERE namespace = ?1 AND actor = ?2 AND number = ?3";
pub(super) const CHUNKS: &str = "SELECT number FROM chunk WHERE namespace = ?1 AND actor = ?2 ORDER BY number";
pub(super) const OLDEST_CHANGE: &str = "SELECT min(seq) FROM change WHERE namespace = ?1 AND actor = ?2";
pub(super) const SNAPSHOT_ENDS: &str = "SELECT min(seq), max(seq) FROM snapshot WHERE namespace = ?1 AND actor = ?2";
pub(super) const PUT_CHUNK: &str = "INSERT INTO chunk (namespace, actor, number, body) VALUES (?1, ?2, ?3, ?4) \
                                    ON CONFLICT (namespace, actor, number) DO UPDATE SET body = ?4";
pub(super) const PUT_SNAPSHOT: &str = "INSERT INTO snapshot (namespace, actor, seq, body, open, closed) \
                                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const SET_SNAPSHOT: &str = "UPDATE actor SET snapshot = ?3 WHERE namespace = ?1 AND id = ?2";
pub(super) const DROP_SNAPSHOTS: &str = "DELETE FROM snapshot WHERE namespace = ?1 AND actor = ?2 AND seq < ?3";
pub(super) const DROP_CHANGES: &str = "DELETE FROM change WHERE namespace = ?1 AND actor = ?2 AND seq <= ?3";
pub(super) const DROP_CHUNK: &str = "DELETE FROM chunk WHERE namespace = ?1 AND actor = ?2 AND number = ?3";

const PUT_NOTE: &str = "INSERT INTO note (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = ?2";
const DROP_NOTE: &str = "DELETE FROM note WHERE name = ?1";
const NOTES: &str = "SELECT name, body FROM note WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";

/// All statements, so that an opening can see that the file has the tables they need.
pub(super) const STATEMENTS: [&str; 28] = [
    EPOCH,
    SEQ,
    ACTOR,
    CHANGES,
    INBOX,
    ALARMED,
    ACTORS,
    NEXT_INBOX,
    PUT_ACTOR,
    PUT_CHANGE,
    PUT_MESSAGE,
    SAME_MESSAGE,
    TAKE_MESSAGE,
    SNAPSHOT,
    SNAPSHOTS,
    CHUNK,
    CHUNKS,
    OLDEST_CHANGE,
    SNAPSHOT_ENDS,
    PUT_CHUNK,
    PUT_SNAPSHOT,
    SET_SNAPSHOT,
    DROP_SNAPSHOTS,
    DROP_CHANGES,
    DROP_CHUNK,
    PUT_NOTE,
    DROP_NOTE,
    NOTES,
];

/// Runs a statement that takes and gives nothing.
pub(super) fn run(db: &Connection, sql: &str) -> Result<(), SqlError> {
    db.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// The epoch of the newest opening of the file.
pub(super) fn epoch(db: &Connection) -> Result<u64, SqlError> {
    db.prepare_cached(EPOCH)?.query_row([], |row| unsigned(row, 0))
}

pub(super) fn seq(db: &Connection, actor: &ActorId) -> Result<Option<u64>, SqlError> {
    db.prepare_cached(SEQ)?.query_row(params![actor.namespace, actor.name], |row| unsigned(row, 0)).optional()
}

/// An actor's row, and the change of its newest snapshot; none for an actor that is not stored.
type Stored = Option<(ActorRow, Option<u64>)>;

pub(super) fn actor_row(db: &Connection, actor: &ActorId) -> Result<Result<Stored, StoreError>, SqlError> {
    let mut statement = db.prepare_cached(ACTOR)?;
    let stored = statement.query_row(params![actor.namespace, actor.name], |row| {
        let snapshot: Option<i64> = row.get(5)?;
        Ok(read_row(row, 0, actor)?.map(|read| (read, snapshot.map(i64::cast_unsigned))))
    });
    stored.optional().map(Option::transpose)
}

/// Epoch, seq, alarm, status and state version, from the column `at` on.
pub(super) fn read_row(row: &Row<'_>, at: usize, actor: &ActorId) -> Result<Result<ActorRow, StoreError>, SqlError> {
    let (word, version): (String, i64) = (row.get(at + 3)?, row.get(at + 4)?);
    let Some(status) = Status::from_word(&word) else {
        return Ok(Err(StoreError::corrupt(actor, format!("the status {word:?}"), "one of those that Pawl knows")));
    };
    let Ok(state_version) = u32::try_from(version) else {
        return Ok(Err(StoreError::corrupt(actor, format!("the state version {version}"), "a number of 32 bits")));
    };
    let (epoch, seq) = (unsigned(row, at)?, unsigned(row, at + 1)?);
    Ok(Ok(ActorRow { epoch, seq, alarm: row.get(at + 2)?, status, state_version }))
}

/// The actors of a namespace behind `after`, in order of id.
pub(super) fn actors(
    db: &Connection,
    namespace: &Arc<str>,
    after: Option<&str>,
    limit: usize,
) -> Result<Result<Vec<Listed>, StoreError>, SqlError> {
    let mut statement = db.prepare_cached(ACTORS)?;
    let mut rows =
        statement.query(params![namespace, after.unwrap_or(""), i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let actor = ActorId::new(namespace.clone(), row.get::<_, Arc<str>>(5)?);
        match read_row(row, 0, &actor)? {
            Ok(row) => listed.push(Listed { name: actor.name, row, owner: None }),
            Err(corrupt) => return Ok(Err(corrupt)),
        }
    }
    Ok(Ok(listed))
}

pub(super) fn inbox(db: &Connection, actor: &ActorId) -> Result<Vec<InboxRow>, SqlError> {
    let mut statement = db.prepare_cached(INBOX)?;
    let rows = statement.query_map(params![actor.namespace, actor.name], |row| {
        Ok(InboxRow { sender: row.get(0)?, sender_seq: unsigned(row, 1)?, body: bytes(row, 2)? })
    })?;
    rows.collect()
}

/// The actors behind `after` that have an alarm or a message: two walks in order of id, merged.
pub(super) fn due(db: &Connection, after: Option<&ActorId>, limit: usize) -> Result<Vec<Due>, SqlError> {
    // Nothing stored is empty, so that the empty pair is before everything.
    let start = after.cloned().unwrap_or_else(|| ActorId::new("", ""));
    let mut due = BTreeMap::new();
    let mut alarmed = db.prepare_cached(ALARMED)?;
    let mut rows = alarmed.query(params![start.namespace, start.name, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let actor = ActorId { namespace: row.get(0)?, name: row.get(1)? };
        due.insert(actor.clone(), Due { actor, alarm: row.get(2)?, inbox: false, parked: row.get(3)? });
    }
    let mut receivers = db.prepare_cached(NEXT_INBOX)?;
    let mut last = start;
    for _ in 0..limit {
        let next = receivers.query_row(params![last.namespace, last.name], |row| {
            Ok(ActorId { namespace: row.get(0)?, name: row.get(1)? })
        });
        let Some(actor) = next.optional()? else { break };
        let new = || Due { actor: actor.clone(), alarm: None, inbox: true, parked: false };
        let entry = due.entry(actor.clone()).or_insert_with(new);
        entry.inbox = true;
        last = actor;
    }
    Ok(due.into_values().take(limit).collect())
}

/// Writes a batch that has been checked. Refuses it, undone, if its messages do not fit what is in the inboxes.
pub(super) fn write(db: &Connection, batch: &Batch) -> Result<Result<(), StoreError>, SqlError> {
    let exchanges = batch.changes.iter().any(|change| !change.put.is_empty() || !change.take.is_empty());
    if exchanges {
        run(db, "SAVEPOINT batch")?;
    }
    for change in &batch.changes {
        if let Err(refusal) = write_change(db, batch, change)? {
            run(db, "ROLLBACK TO batch")?;
            run(db, "RELEASE batch")?;
            return Ok(Err(refusal));
        }
    }
    if exchanges {
        run(db, "RELEASE batch")?;
    }
    let Some(last) = batch.changes.last() else { return Ok(Ok(())) };
    db.prepare_cached(PUT_ACTOR)?.execute(params![
        batch.actor.namespace,
        batch.actor.name,
        batch.epoch.cast_signed(),
        last.seq.cast_signed(),
        last.alarm,
        last.status.word(),
        last.state_version,
    ])?;
    Ok(Ok(()))
}

fn write_change(db: &Connection, batch: &Batch, change: &Change) -> Result<Result<(), StoreError>, SqlError> {
    let ActorId { namespace, name } = &batch.actor;
    db.prepare_cached(PUT_CHANGE)?.execute(params![namespace, name, change.seq.cast_signed(), &change.body[..]])?;
    for Put { receiver, row } in &change.put {
        let values = params![namespace, receiver, row.sender, row.sender_seq.cast_signed(), &row.body[..]];
        let added = db.prepare_cached(PUT_MESSAGE)?.execute(values)?;
        if added == 0 && !db.prepare_cached(SAME_MESSAGE)?.query_row(values, |row| row.get::<_, bool>(0))? {
            return Ok(Err(StoreError::other_message(receiver, &row.sender, row.sender_seq)));
        }
    }
    for (sender, seq) in &change.take {
        let taken = db.prepare_cached(TAKE_MESSAGE)?.execute(params![namespace, name, sender, seq.cast_signed()])?;
        if taken == 0 {
            return Ok(Err(StoreError::not_in_inbox(&batch.actor, sender, *seq)));
        }
    }
    Ok(Ok(()))
}

/// Writes notes, and takes those away that have no body.
pub(super) fn note(db: &Connection, puts: &[(Arc<str>, Option<Bytes>)]) -> Result<(), SqlError> {
    for (name, body) in puts {
        match body {
            Some(body) => db.prepare_cached(PUT_NOTE)?.execute(params![name, &body[..]])?,
            None => db.prepare_cached(DROP_NOTE)?.execute(params![name])?,
        };
    }
    Ok(())
}

pub(super) fn notes(db: &Connection, prefix: &str) -> Result<Vec<(Arc<str>, Bytes)>, SqlError> {
    let mut statement = db.prepare_cached(NOTES)?;
    let found = statement.query_map(params![prefix], |row| Ok((row.get(0)?, bytes(row, 1)?)))?;
    found.collect()
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, SqlError> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| SqlError::IntegralValueOutOfRange(column, value))
}

pub(super) fn bytes(row: &Row<'_>, column: usize) -> Result<Bytes, SqlError> {
    Ok(Bytes::copy_from_slice(row.get_ref(column)?.as_blob()?))
}
