//! Forgetting an actor that was destroyed: slice by slice, each a transaction of its own.

use pawl_store::{Forget, SLICE_ROWS, Snapshot, StoreError, check};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as PgError};

use crate::names::encode;
use crate::past;

type Param<'a> = &'a (dyn ToSql + Sync);

/// Takes a slice away, or refuses to. Returns whether it was the last one. An error with `true`: it may be gone.
pub(crate) async fn forget(
    client: &Client,
    forget: &Forget,
    mark: i64,
) -> Result<Result<bool, StoreError>, (bool, PgError)> {
    let done = async {
        client.batch_execute("BEGIN").await?;
        slice(client, forget, mark).await
    };
    match done.await {
        Ok(Ok(done)) => client.batch_execute("COMMIT").await.map(|()| Ok(done)).map_err(|error| (true, error)),
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

async fn slice(client: &Client, forget: &Forget, mark: i64) -> Result<Result<bool, StoreError>, PgError> {
    let (namespace, name) = (encode(&forget.actor.namespace), encode(&forget.actor.name));
    let key: [Param<'_>; 2] = [&namespace, &name];
    // The fence, as a commit has it.
    let fence = "UPDATE actor SET mark = $3 WHERE namespace = $1 AND id = $2 RETURNING epoch, seq";
    let row = client.query_opt(fence, &[&namespace, &name, &mark]).await?;
    let (epoch, seq) = row.map_or((0, 0), |row| (row.get::<_, i64>(0), row.get::<_, i64>(1)));
    if let Err(refusal) = check::forgetting(forget, epoch.cast_unsigned(), seq.cast_unsigned()) {
        return Ok(Err(refusal));
    }
    let newest = "SELECT seq, body, open, closed FROM snapshot WHERE namespace = $1 AND actor = $2 \
                  ORDER BY seq DESC LIMIT 1";
    let newest = client.query_opt(newest, &key).await?.as_ref().map(past::snapshot);
    if let Some(newest) = &newest
        && drop_needless(client, &key, newest).await? == SLICE_ROWS as u64
    {
        return Ok(Ok(false));
    }
    let left = "SELECT (SELECT count(*) FROM change WHERE namespace = $1 AND actor = $2) \
                + (SELECT count(*) FROM chunk WHERE namespace = $1 AND actor = $2)";
    let left: i64 = client.query_one(left, &key).await?.get(0);
    if let Err(refusal) = check::last_slice(forget, left.cast_unsigned() as usize) {
        return Ok(Err(refusal));
    }
    for table in ["change", "snapshot", "chunk"] {
        client.execute(&format!("DELETE FROM {table} WHERE namespace = $1 AND actor = $2"), &key).await?;
    }
    client.execute("DELETE FROM actor WHERE namespace = $1 AND id = $2", &key).await?;
    let raise = "INSERT INTO meta (key, value) VALUES ('floor', CAST(CAST($1 AS BIGINT) AS TEXT)) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value \
                 WHERE CAST(meta.value AS BIGINT) < CAST(excluded.value AS BIGINT)";
    client.execute(raise, &[&forget.floor.cast_signed()]).await?;
    Ok(Ok(true))
}

/// Takes away what the newest snapshot makes needless, at most a slice of it. Returns how many rows that were.
async fn drop_needless(client: &Client, key: &[Param<'_>; 2], newest: &Snapshot) -> Result<u64, PgError> {
    let [namespace, name] = *key;
    let seq = newest.seq.cast_signed();
    let changes = "DELETE FROM change WHERE namespace = $1 AND actor = $2 AND seq IN (SELECT seq FROM change \
                   WHERE namespace = $1 AND actor = $2 AND seq <= $3 ORDER BY seq LIMIT $4)";
    let mut gone = client.execute(changes, &[namespace, name, &seq, &(SLICE_ROWS as i64)]).await?;
    let left = |gone: u64| SLICE_ROWS as i64 - gone.cast_signed();
    let snapshots = "DELETE FROM snapshot WHERE namespace = $1 AND actor = $2 AND seq IN (SELECT seq FROM snapshot \
                     WHERE namespace = $1 AND actor = $2 AND seq < $3 ORDER BY seq LIMIT $4)";
    gone += client.execute(snapshots, &[namespace, name, &seq, &left(gone)]).await?;
    let needed: Vec<i64> = newest.open.iter().chain(&newest.closed).map(|number| number.cast_signed()).collect();
    let chunks = "DELETE FROM chunk WHERE namespace = $1 AND actor = $2 AND number IN (SELECT number FROM chunk \
                  WHERE namespace = $1 AND actor = $2 AND number <> ALL ($3) ORDER BY number LIMIT $4)";
    gone += client.execute(chunks, &[namespace, name, &needed, &left(gone)]).await?;
    Ok(gone)
}
