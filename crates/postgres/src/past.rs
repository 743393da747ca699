//! Snapshots, and an actor as it was.

use std::sync::Arc;

use bytes::Bytes;
use pawl_store::{
    ActorId, ActorRow, Compaction, InboxRow, Listed, Opened, PROCESSES, Past, Scopes, Snapshot, Status, StoreError,
    check,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as PgError, Row};

use crate::names::{decode, encode};

/// An error inside is one of what is stored, or of what was asked.
type Read<T> = Result<Result<T, StoreError>, PgError>;
type Bodies = Vec<(u64, Bytes)>;
type Param<'a> = &'a (dyn ToSql + Sync);

/// Adds the newest snapshot to an actor of which row, changes and inbox have been read.
pub(crate) async fn complete(client: &Client, actor: &ActorId, scopes: Scopes, opened: &mut Opened) -> Read<()> {
    let newest = opened.row.as_ref().map_or(0, |row| row.seq);
    let newest_snapshot = "SELECT seq, body, open, closed FROM snapshot WHERE namespace = $1 AND actor = $2 \
                           ORDER BY seq DESC LIMIT 1";
    // Snapshots are of changes: where the first change is there, there is most likely none.
    let is_plain = opened.changes.first().map_or(newest == 0, |(seq, _)| *seq == 1);
    if !is_plain {
        let row = client.query_opt(newest_snapshot, &[&encode(&actor.namespace), &encode(&actor.name)]).await?;
        opened.snapshot = row.as_ref().map(snapshot);
    }
    let after = opened.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
    if let Err(error) = whole(actor, after, newest, &opened.changes, None) {
        return Ok(Err(error));
    }
    match chunks(client, actor, opened.snapshot.as_ref(), scopes).await? {
        Ok(chunks) => opened.chunks = chunks,
        Err(error) => return Ok(Err(error)),
    }
    Ok(Ok(()))
}

/// What is kept of an actor up to a change.
pub(crate) async fn read(client: &Client, actor: &ActorId, (since, up_to): (u64, u64), scopes: Scopes) -> Read<Past> {
    let (namespace, name) = (encode(&actor.namespace), encode(&actor.name));
    let key: [Param<'_>; 2] = [&namespace, &name];
    let sql = "SELECT a.epoch, a.seq, a.alarm, a.status, a.state_version, p.name FROM actor a \
               LEFT JOIN process p ON p.id = a.owner AND p.expires > now() \
               WHERE a.namespace = $1 AND a.id = $2 AND a.seq > 0";
    let Some(found) = client.query_opt(sql, &key).await? else { return Ok(Ok(Past::default())) };
    let row = match stored(actor, &found) {
        Ok(row) => row,
        Err(corrupt) => return Ok(Err(corrupt)),
    };
    let owner: Option<String> = found.get(5);
    let up_to = up_to.min(row.seq);
    let all = "SELECT seq, body, open, closed FROM snapshot WHERE namespace = $1 AND actor = $2 ORDER BY seq";
    let snapshots: Vec<Snapshot> = client.query(all, &key).await?.iter().map(snapshot).collect();
    let oldest = "SELECT min(seq) FROM change WHERE namespace = $1 AND actor = $2";
    let oldest_change: Option<i64> = client.query_one(oldest, &key).await?.get(0);
    let oldest_change = oldest_change.map(i64::cast_unsigned);
    let snapshot = check::start(&snapshots, since, up_to, oldest_change).cloned();
    let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
    let range =
        "SELECT seq, body FROM change WHERE namespace = $1 AND actor = $2 AND seq > $3 AND seq <= $4 ORDER BY seq";
    let rows = client.query(range, &[&namespace, &name, &after.cast_signed(), &up_to.cast_signed()]).await?;
    let changes: Bodies = rows.iter().map(numbered).collect();
    if let Err(error) = whole(actor, after, up_to, &changes, snapshots.first().map(|snapshot| snapshot.seq)) {
        return Ok(Err(error));
    }
    let chunks = match chunks(client, actor, snapshot.as_ref(), scopes).await? {
        Ok(chunks) => chunks,
        Err(error) => return Ok(Err(error)),
    };
    let numbers = "SELECT number FROM chunk WHERE namespace = $1 AND actor = $2 ORDER BY number";
    let all_chunks =
        client.query(numbers, &key).await?.iter().map(|row| row.get::<_, i64>(0).cast_unsigned()).collect();
    let waiting = "SELECT sender, sender_seq, body FROM inbox WHERE namespace = $1 AND receiver = $2 \
                   ORDER BY sender, sender_seq";
    let inbox = client.query(waiting, &key).await?.iter().map(waiting_message).collect();
    Ok(Ok(Past { row: Some(row), snapshot, chunks, changes, snapshots, all_chunks, oldest_change, inbox, owner }))
}

pub(crate) fn waiting_message(row: &Row) -> InboxRow {
    let (sender_seq, body): (i64, &[u8]) = (row.get(1), row.get(2));
    let body = Bytes::copy_from_slice(body);
    InboxRow { sender: decode(row.get(0)).into(), sender_seq: sender_seq.cast_unsigned(), body }
}

/// The actors of a namespace behind `after`, in order of id.
pub(crate) async fn list(client: &Client, namespace: &str, after: Option<&str>, limit: usize) -> Read<Vec<Listed>> {
    let sql = "SELECT a.epoch, a.seq, a.alarm, a.status, a.state_version, a.id, p.name FROM actor a \
               LEFT JOIN process p ON p.id = a.owner AND p.expires > now() \
               WHERE a.namespace = $1 AND a.id > $2 AND a.seq > 0 ORDER BY a.id LIMIT $3";
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = client.query(sql, &[&encode(namespace), &encode(after.unwrap_or("")), &most]).await?;
    let listed = |row: &Row| {
        let name: Arc<str> = decode(row.get(5)).into();
        let row_of = stored(&ActorId::new(namespace, name.clone()), row);
        row_of.map(|stored| Listed { name, row: stored, owner: row.get(6) })
    };
    Ok(rows.iter().map(listed).collect())
}

/// An actor's row: its epoch, seq, alarm, status and state version come first.
pub(crate) fn stored(actor: &ActorId, row: &Row) -> Result<ActorRow, StoreError> {
    let (epoch, seq, version): (i64, i64, i64) = (row.get(0), row.get(1), row.get(4));
    let (Some(status), Ok(state_version)) = (Status::from_word(row.get(3)), u32::try_from(version)) else {
        let said = format!("the status {:?} and the state version {version}", row.get::<_, &str>(3));
        return Err(StoreError::corrupt(actor, said, "ones that Pawl knows"));
    };
    let (epoch, seq) = (epoch.cast_unsigned(), seq.cast_unsigned());
    Ok(ActorRow { epoch, seq, alarm: row.get(2), status, state_version })
}

/// Whether the changes are those after `after` up to `up_to`, and none beyond.
fn whole(actor: &ActorId, after: u64, up_to: u64, changes: &Bodies, oldest: Option<u64>) -> Result<(), StoreError> {
    check::kept(actor, after, up_to, changes, oldest)?;
    match changes.iter().find(|(seq, _)| *seq > up_to) {
        Some((seq, _)) => {
            Err(StoreError::corrupt(actor, format!("a change with seq {seq}"), format!("none after {up_to}")))
        }
        None => Ok(()),
    }
}

async fn chunks(client: &Client, actor: &ActorId, snapshot: Option<&Snapshot>, scopes: Scopes) -> Read<Bodies> {
    let Some(snapshot) = snapshot else { return Ok(Ok(Vec::new())) };
    let numbers: Vec<u64> = snapshot.read_for(scopes).copied().collect();
    let signed: Vec<i64> = numbers.iter().map(|number| number.cast_signed()).collect();
    let some = "SELECT number, body FROM chunk WHERE namespace = $1 AND actor = $2 AND number = ANY ($3)";
    let rows = client.query(some, &[&encode(&actor.namespace), &encode(&actor.name), &signed]).await?;
    let stored: std::collections::HashMap<u64, Bytes> = rows.iter().map(numbered).collect();
    let in_order = numbers.into_iter().map(|number| match stored.get(&number) {
        Some(body) => Ok((number, body.clone())),
        None => Err(StoreError::no_chunk(actor, number)),
    });
    Ok(in_order.collect())
}

pub(crate) fn numbered(row: &Row) -> (u64, Bytes) {
    (row.get::<_, i64>(0).cast_unsigned(), Bytes::copy_from_slice(row.get(1)))
}

pub(crate) fn snapshot(row: &Row) -> Snapshot {
    let numbers = |column: usize| row.get::<_, Vec<i64>>(column).into_iter().map(i64::cast_unsigned).collect();
    let (seq, body) = numbered(row);
    Snapshot { seq, body, open: numbers(2), closed: numbers(3) }
}

/// Writes a piece of a compaction in a transaction of its own, or refuses it. An error with `true`: it may be written.
pub(crate) async fn compact(
    client: &Client,
    piece: &Compaction,
    mark: i64,
) -> Result<Result<(), StoreError>, (bool, PgError)> {
    let done = async {
        client.batch_execute("BEGIN").await?;
        write(client, piece, mark).await
    };
    match done.await {
        Ok(Ok(())) => client.batch_execute("COMMIT").await.map(Ok).map_err(|error| (true, error)),
        Ok(Err(refusal)) => {
            client.batch_execute("ROLLBACK").await.map_err(|error| (false, error))?;
            Ok(Err(refusal))
        }
        Err(error) => {
            // If this fails, too, the session is of no use, which the next one who uses it will see.
            drop(client.batch_execute("ROLLBACK").await);
            Err((false, error))
        }
    }
}

async fn write(client: &Client, piece: &Compaction, mark: i64) -> Read<()> {
    let (namespace, name) = (encode(&piece.actor.namespace), encode(&piece.actor.name));
    let key: [Param<'_>; 2] = [&namespace, &name];
    // The fence, as a commit has it.
    let fence = "UPDATE actor SET mark = $3 WHERE namespace = $1 AND id = $2 RETURNING epoch, seq";
    let row = client.query_opt(fence, &[&namespace, &name, &mark]).await?;
    let (epoch, seq) = row.map_or((0, 0), |row| (row.get::<_, i64>(0), row.get::<_, i64>(1)));
    let ends = "SELECT min(seq), max(seq) FROM snapshot WHERE namespace = $1 AND actor = $2";
    let row = client.query_one(ends, &key).await?;
    let ends = row.get::<_, Option<i64>>(0).zip(row.get::<_, Option<i64>>(1));
    let snapshots = ends.map(|(oldest, newest)| (oldest.cast_unsigned(), newest.cast_unsigned()));
    let stored = check::Stored { seq: seq.cast_unsigned(), snapshots };
    if let Err(refusal) = check::compaction(piece, epoch.cast_unsigned(), stored) {
        return Ok(Err(refusal));
    }
    for (number, body) in &piece.put_chunks {
        let sql = "INSERT INTO chunk (namespace, actor, number, body) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (namespace, actor, number) DO UPDATE SET body = excluded.body";
        client.execute(sql, &[&namespace, &name, &number.cast_signed(), &&body[..]]).await?;
    }
    if let Some(snapshot) = &piece.put_snapshot {
        put_snapshot(client, &piece.actor, snapshot).await?;
    }
    let drop = async |sql: &str, bound: Option<u64>| match bound {
        Some(bound) => client.execute(sql, &[&namespace, &name, &bound.cast_signed()]).await.map(|_| ()),
        None => Ok(()),
    };
    drop("DELETE FROM snapshot WHERE namespace = $1 AND actor = $2 AND seq < $3", piece.drop_snapshots).await?;
    drop("DELETE FROM change WHERE namespace = $1 AND actor = $2 AND seq <= $3", piece.drop_changes).await?;
    let numbers: Vec<i64> = piece.drop_chunks.iter().map(|number| number.cast_signed()).collect();
    let sql = "DELETE FROM chunk WHERE namespace = $1 AND actor = $2 AND number = ANY ($3)";
    if !numbers.is_empty() {
        client.execute(sql, &[&namespace, &name, &numbers]).await?;
    }
    Ok(Ok(()))
}

/// Writes notes, and takes those away that have no body: one statement each, all or none.
pub(crate) async fn note(client: &Client, puts: &[(Arc<str>, Option<Bytes>)]) -> Result<(), PgError> {
    let (kept, gone): (Vec<_>, Vec<_>) = puts.iter().partition(|(_, body)| body.is_some());
    let names: Vec<_> = kept.iter().map(|(name, _)| encode(name)).collect();
    let bodies: Vec<&[u8]> = kept.iter().filter_map(|(_, body)| body.as_deref()).collect();
    let gone: Vec<_> = gone.iter().map(|(name, _)| encode(name)).collect();
    let sql = "WITH gone AS (DELETE FROM note WHERE name = ANY ($3)) \
               INSERT INTO note (name, body) SELECT * FROM unnest($1::TEXT[], $2::BYTEA[]) \
               ON CONFLICT (name) DO UPDATE SET body = excluded.body";
    client.execute(sql, &[&names, &bodies, &gone]).await.map(|_| ())
}

pub(crate) async fn notes(client: &Client, prefix: &str) -> Result<Vec<(Arc<str>, Bytes)>, PgError> {
    let sql = "SELECT name, body FROM note WHERE left(name, length($1)) = $1 ORDER BY name";
    let rows = client.query(sql, &[&encode(prefix)]).await?;
    rows.iter().map(|row| Ok((decode(row.get(0)).into(), Bytes::copy_from_slice(row.get(1))))).collect()
}

/// The processes whose leases hold.
pub(crate) async fn processes(client: &Client, ours: u64) -> Result<Vec<(Arc<str>, Bytes)>, PgError> {
    let rows = client.query("SELECT id FROM process WHERE expires > now() ORDER BY id", &[]).await?;
    let named = |id: u64| (format!("{PROCESSES}{id}").into(), Bytes::from_static(if id == ours { b"1" } else { b"" }));
    Ok(rows.iter().map(|row| named(row.get::<_, i64>(0).cast_unsigned())).collect())
}

pub(crate) async fn put_snapshot(client: &Client, actor: &ActorId, snapshot: &Snapshot) -> Result<(), PgError> {
    let Snapshot { seq, body, open, closed } = snapshot;
    let signed = |numbers: &[u64]| numbers.iter().map(|number| number.cast_signed()).collect::<Vec<i64>>();
    let sql = "INSERT INTO snapshot (namespace, actor, seq, body, open, closed) VALUES ($1, $2, $3, $4, $5, $6)";
    let (namespace, name, open, closed) = (encode(&actor.namespace), encode(&actor.name), signed(open), signed(closed));
    client.execute(sql, &[&namespace, &name, &seq.cast_signed(), &&body[..], &open, &closed]).await.map(|_| ())
}
