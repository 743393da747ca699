//! The tables. The store makes them and brings them up to date; what is newer than it knows, it leaves alone.

use std::collections::BTreeSet;

use pawl_store::{StoreError, id};
use tokio_postgres::{Client, Error as PgError};

use crate::trouble::{self, Kind};
use crate::url::Place;

/// The format of the tables that this version writes.
pub(crate) const FORMAT: u32 = 1;
/// An epoch is the number of a process, and below these bits a number of its own.
pub(crate) const CLAIM_BITS: u32 = 32;

/// Text is compared bytewise. Every commit writes the rows of its actors: room beside them keeps most of that within a page, and out of
/// the indexes. `owner` is a process; `epoch` is new for every claim; `mark` is the transaction that wrote the
/// row last, so that what follows in it finds what has passed the fence. `known` is the process that has a message or a call in
/// memory: its owner's, or it is still to be told. `code` is the version of the code that has parked a run. `call` is what one process asks of an actor that another one owns;
/// `event` what an actor tells `listener`s in other processes.
const TABLES: &str = r#"
CREATE TABLE meta (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE note (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);
CREATE TABLE process (
    id      BIGINT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    expires TIMESTAMPTZ NOT NULL
);
CREATE TABLE actor (
    namespace     TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    epoch         BIGINT NOT NULL,
    seq           BIGINT NOT NULL,
    alarm         BIGINT,
    status        TEXT NOT NULL,
    state_version BIGINT NOT NULL,
    owner         BIGINT,
    mark          BIGINT NOT NULL,
    code          TEXT,
    PRIMARY KEY (namespace, id)
) WITH (fillfactor = 50);
CREATE INDEX actor_alarm ON actor (alarm) WHERE alarm IS NOT NULL;
CREATE INDEX actor_owner ON actor (owner) WHERE owner IS NOT NULL;
CREATE INDEX actor_parked ON actor (namespace, id) WHERE status = 'parked';
CREATE TABLE change (
    namespace TEXT COLLATE "C" NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (namespace, actor, seq)
);
CREATE TABLE snapshot (
    namespace TEXT COLLATE "C" NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    body      BYTEA NOT NULL,
    open      BIGINT[] NOT NULL,
    closed    BIGINT[] NOT NULL,
    PRIMARY KEY (namespace, actor, seq)
);
CREATE TABLE chunk (
    namespace TEXT COLLATE "C" NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    number    BIGINT NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (namespace, actor, number)
);
CREATE TABLE inbox (
    namespace  TEXT COLLATE "C" NOT NULL,
    receiver   TEXT COLLATE "C" NOT NULL,
    sender     TEXT COLLATE "C" NOT NULL,
    sender_seq BIGINT NOT NULL,
    body       BYTEA NOT NULL,
    known      BIGINT,
    PRIMARY KEY (namespace, receiver, sender, sender_seq)
);
CREATE TABLE call (
    namespace TEXT COLLATE "C" NOT NULL,
    receiver  TEXT COLLATE "C" NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    body      BYTEA NOT NULL,
    reply     BYTEA,
    known     BIGINT,
    at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (namespace, receiver, id)
);
CREATE INDEX call_open ON call (namespace, receiver) WHERE reply IS NULL;
CREATE INDEX call_at ON call (at);
CREATE TABLE event (
    namespace TEXT COLLATE "C" NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    writer    BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    body      BYTEA NOT NULL,
    at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (namespace, actor, writer, seq)
);
CREATE INDEX event_at ON event (at);
CREATE TABLE listener (
    namespace TEXT COLLATE "C" NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    process   BIGINT NOT NULL,
    PRIMARY KEY (namespace, actor, process)
);
"#;

/// Which store this is, as its tables say.
pub(crate) struct Identity {
    pub(crate) id: [u8; 16],
    /// The number of this opening: higher than any before it.
    pub(crate) process: u64,
}

/// Makes the tables if there are none, and enters a new process.
pub(crate) async fn enter(client: &Client, place: &Place) -> Result<Identity, StoreError> {
    let said = |error: &PgError| trouble::describe(&place.shown, error);
    for _ in 0..20 {
        match look(client, &place.schema).await.map_err(|error| said(&error))? {
            Found::Store(id) => {
                check_columns(client, place).await?;
                return number(client, id, &place.schema).await.map_err(|error| said(&error));
            }
            Found::Newer(found) => return Err(trouble::newer(&place.shown, &found, FORMAT)),
            Found::Foreign(found) => return Err(trouble::foreign(&place.shown, &found)),
            Found::Nothing => {}
        }
        // Several processes may come to an empty database at once: one of them makes the tables.
        match make(client, &place.schema).await {
            Err(error) if !matches!(trouble::kind(&error), Kind::Exists | Kind::Conflict) => return Err(said(&error)),
            Err(_) => {
                // Whoever makes them makes all of them at once: some without `meta` are somebody else's.
                let present = columns(client, &place.schema).await.map_err(|error| said(&error))?;
                let tables: BTreeSet<&str> = present.iter().filter_map(|column| column.split('.').next()).collect();
                if let Some(table) = tables.iter().find(|table| expected().any(|(name, _)| name == **table))
                    && !tables.contains("meta")
                {
                    return Err(trouble::foreign(&place.shown, &format!("a table `{table}`, and no `meta`")));
                }
            }
            Ok(()) => {}
        }
    }
    Err(StoreError::unavailable(format!("{}: its tables could not be made", place.shown)))
}

/// What is in a schema.
pub(crate) enum Found {
    /// The tables of a store with this id.
    Store([u8; 16]),
    /// Those of a newer format.
    Newer(String),
    /// A table `meta` of somebody else's, in words.
    Foreign(String),
    Nothing,
}

/// Looks into a schema, and makes nothing.
pub(crate) async fn look(client: &Client, schema: &str) -> Result<Found, PgError> {
    match format(client, schema).await {
        Ok(Some(found)) if found.parse::<u32>().is_ok_and(|found| found <= FORMAT) => {
            store_id(client, schema).await.map(Found::Store)
        }
        Ok(Some(found)) => Ok(Found::Newer(found)),
        Ok(None) => Ok(Found::Foreign("a table `meta` without a format".to_owned())),
        // Columns that are not there, or of another type.
        Err(error) if error.code().is_some_and(|state| ["42703", "42883", "42804"].contains(&state.code())) => {
            Ok(Found::Foreign("a table `meta` with other columns".to_owned()))
        }
        Err(error) if trouble::kind(&error) == Kind::Missing => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// The columns that the tables have: table and column.
fn expected() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut table = "";
    TABLES.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix("CREATE TABLE ") {
            table = name.trim_end_matches(" (");
            return None;
        }
        let column = line.strip_prefix("    ")?.split(' ').next()?;
        (column != "PRIMARY").then_some((table, column))
    })
}

/// The columns of all tables that are there, as `table.column`.
async fn columns(client: &Client, schema: &str) -> Result<BTreeSet<String>, PgError> {
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
               WHERE table_schema = $1";
    let rows = client.query(sql, &[&schema]).await?;
    Ok(rows.iter().map(|row| format!("{}.{}", row.get::<_, &str>(0), row.get::<_, &str>(1))).collect())
}

/// Tables that somebody has changed would fail in the midst of work.
async fn check_columns(client: &Client, place: &Place) -> Result<(), StoreError> {
    let present = columns(client, &place.schema).await.map_err(|error| trouble::describe(&place.shown, &error))?;
    let all = expected().map(|(table, column)| format!("{table}.{column}"));
    let missing: Vec<String> = all.filter(|column| !present.contains(column)).collect();
    if missing.is_empty() { Ok(()) } else { Err(trouble::altered(&place.shown, &missing)) }
}

async fn store_id(client: &Client, schema: &str) -> Result<[u8; 16], PgError> {
    let sql = format!("SELECT value FROM {schema}.meta WHERE key = 'id'");
    let id: String = client.query_one(&sql, &[]).await?.get(0);
    let byte = |n: usize| u8::from_str_radix(id.get(2 * n..2 * n + 2).unwrap_or("00"), 16).unwrap_or(0);
    Ok(std::array::from_fn(byte))
}

async fn format(client: &Client, schema: &str) -> Result<Option<String>, PgError> {
    let row = client
        .query_opt(&format!("SELECT CAST(value AS TEXT) FROM {schema}.meta WHERE CAST(key AS TEXT) = 'format'"), &[])
        .await?;
    Ok(row.map(|row| row.get(0)))
}

async fn make(client: &Client, schema: &str) -> Result<(), PgError> {
    let id: String = id::random().iter().map(|byte| format!("{byte:02x}")).collect();
    let sql = format!(
        "BEGIN; CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path TO {schema}; {TABLES} \
         INSERT INTO meta (key, value) VALUES ('id', '{id}'), ('processes', '0'), ('format', '{FORMAT}'); COMMIT"
    );
    let made = client.batch_execute(&sql).await;
    if made.is_err() {
        client.batch_execute("ROLLBACK").await?;
    }
    made
}

async fn number(client: &Client, id: [u8; 16], schema: &str) -> Result<Identity, PgError> {
    let next = format!(
        "UPDATE {schema}.meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'processes' \
         RETURNING CAST(value AS BIGINT)"
    );
    let process: i64 = loop {
        match client.query_one(&next, &[]).await {
            Err(error) if trouble::kind(&error) == Kind::Conflict => {}
            other => break other?.get(0),
        }
    };
    Ok(Identity { id, process: process.cast_unsigned() })
}
