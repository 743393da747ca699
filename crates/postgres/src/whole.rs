//! A database as a whole: told row by row to a copy, or made of one. Both are one transaction, on a session of their own.

use std::future::Future;

use bytes::Bytes;
use pawl_store::whole::{Source, Target, WholeRow, copied_note, not_empty};
use pawl_store::{ActorId, Code, InboxRow, StoreError};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as PgError, Row};

use crate::connect::connect;
use crate::names::{decode, encode};
use crate::url::Place;
use crate::{past, schema, trouble};

/// What is asked of the database, and what each row of the answer is. Namespace and actor come last.
type Kind = (&'static str, fn(ActorId, &Row) -> Result<WholeRow, StoreError>);

const KINDS: [Kind; 5] = [
    (
        "SELECT epoch, seq, alarm, status, state_version, namespace, id FROM actor WHERE seq > 0 ORDER BY namespace, id",
        |actor, row| Ok(WholeRow::Actor(actor.clone(), past::stored(&actor, row)?)),
    ),
    ("SELECT seq, body, namespace, actor FROM change ORDER BY namespace, actor, seq", |actor, row| {
        let (seq, body) = past::numbered(row);
        Ok(WholeRow::Change(actor, seq, body))
    }),
    ("SELECT seq, body, open, closed, namespace, actor FROM snapshot ORDER BY namespace, actor, seq", |actor, row| {
        Ok(WholeRow::Snapshot(actor, past::snapshot(row)))
    }),
    ("SELECT number, body, namespace, actor FROM chunk ORDER BY namespace, actor, number", |actor, row| {
        let (number, body) = past::numbered(row);
        Ok(WholeRow::Chunk(actor, number, body))
    }),
    (
        "SELECT sender, sender_seq, body, namespace, receiver FROM inbox \
         ORDER BY namespace, receiver, sender, sender_seq",
        |actor, row| Ok(WholeRow::Message(actor, past::waiting_message(row))),
    ),
];
/// So many rows are fetched at once.
const PAGE: usize = 100;
/// So much is gathered before it is written.
const GATHERED_ROWS: usize = 1_000;
const GATHERED_BYTES: usize = 4 << 20;

/// A session that waits for its answers.
struct Session {
    place: Place,
    runtime: Runtime,
    client: Client,
}

impl Session {
    fn begin(place: Place) -> Result<Session, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::unavailable(error.to_string()))?;
        let client = runtime.block_on(connect(&place, None))?;
        let session = Session { place, runtime, client };
        // Whoever is at the other end may take its time.
        session.run("SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0")?;
        Ok(session)
    }

    fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.wait(self.client.batch_execute(sql))
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, PgError>>) -> Result<T, StoreError> {
        self.runtime.block_on(answer).map_err(|error| trouble::describe(&self.place.shown, &error))
    }

    fn text(&self, sql: &str) -> Result<Option<String>, StoreError> {
        self.wait(self.client.query_opt(sql, &[])).map(|row| row.map(|row| row.get(0)))
    }

    fn schema(&self) -> &str {
        &self.place.schema
    }
}

/// A database that processes may be writing.
pub(crate) struct WholeDatabase {
    session: Session,
    id: [u8; 16],
}

impl WholeDatabase {
    pub(crate) fn open(place: Place) -> Result<Self, StoreError> {
        let session = Session::begin(place)?;
        let shown = session.place.shown.clone();
        let schema = session.schema().to_owned();
        let looked = session.runtime.block_on(schema::look(&session.client, &schema));
        let id = match looked {
            Ok(schema::Found::Store(id)) => id,
            Ok(schema::Found::Newer(found)) => return Err(trouble::newer(&shown, &found, schema::FORMAT)),
            Ok(schema::Found::Foreign(found)) => return Err(trouble::foreign(&shown, &found)),
            Ok(schema::Found::Nothing) => return Err(nothing(&shown, &schema)),
            Err(error) => return Err(trouble::describe(&shown, &error)),
        };
        session.run(&format!("SET search_path TO {schema}"))?;
        Ok(Self { session, id })
    }
}

fn nothing(shown: &str, schema: &str) -> StoreError {
    StoreError::unavailable(format!(
        "{shown} has nothing to copy.\n  found     no tables in the schema {schema}\n  do        check the URL: \
         ?schema=NAME"
    ))
    .not_retryable()
}

impl Source for WholeDatabase {
    fn id(&self) -> [u8; 16] {
        self.id
    }

    fn rows(&mut self, take: &mut dyn FnMut(WholeRow) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let session = &self.session;
        session.run("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let told = KINDS.iter().try_for_each(|(sql, read)| each(session, sql, |actor, row| take(read(actor, row)?)));
        let told = told.and_then(|()| take(WholeRow::Floor(self.floor()?)));
        let told = told.and_then(|()| self.notes()?.into_iter().try_for_each(take));
        session.run("ROLLBACK")?;
        told
    }
}

impl WholeDatabase {
    fn floor(&self) -> Result<u64, StoreError> {
        let row = self.session.wait(self.session.client.query_opt(crate::open::FLOOR, &[]))?;
        Ok(row.map_or(0, |row| row.get::<_, i64>(0).cast_unsigned()))
    }

    fn notes(&self) -> Result<Vec<WholeRow>, StoreError> {
        let notes = self.session.wait(past::notes(&self.session.client, ""))?;
        Ok(notes.into_iter().map(|(name, body)| WholeRow::Note(name, body)).collect())
    }
}

fn each(
    session: &Session,
    sql: &str,
    mut take: impl FnMut(ActorId, &Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    session.run(&format!("DECLARE whole NO SCROLL CURSOR FOR {sql}"))?;
    let fetch = format!("FETCH {PAGE} FROM whole");
    loop {
        let page = session.wait(session.client.query(&fetch, &[]))?;
        for row in &page {
            let last = row.len();
            take(ActorId::new(decode(row.get(last - 2)), decode(row.get(last - 1))), row)?;
        }
        if page.len() < PAGE {
            return session.run("CLOSE whole");
        }
    }
}

/// An empty database that is filled in one transaction.
pub(crate) struct EmptyDatabase {
    session: Session,
    gathered: Vec<WholeRow>,
    bytes: usize,
}

impl EmptyDatabase {
    pub(crate) fn open(place: Place) -> Result<Self, StoreError> {
        let session = Session::begin(place)?;
        // It makes the tables, if there are none.
        session.runtime.block_on(schema::enter(&session.client, &session.place))?;
        session.run(&format!("SET search_path TO {}; BEGIN", session.schema()))?;
        let target = Self { session, gathered: Vec::new(), bytes: 0 };
        target.check()?;
        Ok(target)
    }

    /// Nobody has it open, and there is nothing in it. The row of `meta` stays locked: who opens it now waits for us.
    fn check(&self) -> Result<(), StoreError> {
        let session = &self.session;
        session.run("UPDATE meta SET value = value WHERE key = 'processes'")?;
        if let Some(name) = session.text("SELECT name FROM process WHERE expires > now() LIMIT 1")? {
            let shown = &session.place.shown;
            let message = format!(
                "{shown} cannot take a copy: it is in use.\n  found     {name}\n  expected  nobody\n  do        stop it"
            );
            return Err(StoreError::new(Code::StoreInUse, message));
        }
        let counts = "SELECT CAST((SELECT count(*) FROM actor WHERE seq > 0) AS TEXT) || ' actors, ' \
                      || CAST((SELECT count(*) FROM inbox) AS TEXT) || ' messages' \
                      WHERE EXISTS (SELECT 1 FROM actor WHERE seq > 0) OR EXISTS (SELECT 1 FROM inbox)";
        session.text(counts)?.map_or(Ok(()), |found| Err(not_empty(&session.place.shown, &found)))
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.gathered);
        self.bytes = 0;
        let (mut actors, mut changes, mut chunks, mut messages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match row {
                WholeRow::Actor(id, row) => actors.push((id, row)),
                WholeRow::Change(id, seq, body) => changes.push((id, seq, body)),
                WholeRow::Chunk(id, number, body) => chunks.push((id, number, body)),
                WholeRow::Message(id, row) => messages.push((id, row)),
                WholeRow::Note(name, body) => {
                    let puts = [(copied_note(&name), Some(body))];
                    self.session.wait(past::note(&self.session.client, &puts))?;
                }
                WholeRow::Floor(floor) => {
                    self.session.run(&format!("INSERT INTO meta (key, value) VALUES ('floor', '{floor}')"))?;
                }
                WholeRow::Snapshot(id, snapshot) => {
                    let session = &self.session;
                    session.wait(past::put_snapshot(&session.client, &id, &snapshot))?;
                }
            }
        }
        self.actors(&actors)?;
        self.bodies("change (namespace, actor, seq, body)", &changes)?;
        self.bodies("chunk (namespace, actor, number, body)", &chunks)?;
        self.messages(&messages)
    }

    fn actors(&self, rows: &[(ActorId, pawl_store::ActorRow)]) -> Result<(), StoreError> {
        let sql = "INSERT INTO actor (namespace, id, epoch, seq, alarm, status, state_version, owner, mark) \
                   SELECT v.namespace, v.id, v.epoch, v.seq, v.alarm, v.status, v.version, NULL, 0 \
                   FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[]), \
                   CAST($5 AS BIGINT[]), CAST($6 AS TEXT[]), CAST($7 AS BIGINT[])) \
                   AS v(namespace, id, epoch, seq, alarm, status, version)";
        let (namespaces, ids) = names(rows.iter().map(|(id, _)| id));
        let epochs: Vec<i64> = rows.iter().map(|(_, row)| row.epoch.cast_signed()).collect();
        let seqs: Vec<i64> = rows.iter().map(|(_, row)| row.seq.cast_signed()).collect();
        let alarms: Vec<Option<i64>> = rows.iter().map(|(_, row)| row.alarm).collect();
        let statuses: Vec<&str> = rows.iter().map(|(_, row)| row.status.word()).collect();
        let versions: Vec<i64> = rows.iter().map(|(_, row)| row.state_version.into()).collect();
        self.insert(rows.len(), sql, &[&namespaces, &ids, &epochs, &seqs, &alarms, &statuses, &versions])
    }

    fn bodies(&self, into: &str, rows: &[(ActorId, u64, Bytes)]) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO {into} SELECT * FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]), \
             CAST($4 AS BYTEA[]))"
        );
        let (namespaces, ids) = names(rows.iter().map(|(id, ..)| id));
        let numbers: Vec<i64> = rows.iter().map(|(_, number, _)| number.cast_signed()).collect();
        let bodies: Vec<&[u8]> = rows.iter().map(|(.., body)| &body[..]).collect();
        self.insert(rows.len(), &sql, &[&namespaces, &ids, &numbers, &bodies])
    }

    fn messages(&self, rows: &[(ActorId, InboxRow)]) -> Result<(), StoreError> {
        let sql = "INSERT INTO inbox (namespace, receiver, sender, sender_seq, body, known) \
                   SELECT v.namespace, v.id, v.sender, v.seq, v.body, NULL FROM unnest(CAST($1 AS TEXT[]), \
                   CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BIGINT[]), CAST($5 AS BYTEA[])) \
                   AS v(namespace, id, sender, seq, body)";
        let (namespaces, ids) = names(rows.iter().map(|(id, _)| id));
        let senders: Vec<_> = rows.iter().map(|(_, row)| encode(&row.sender)).collect();
        let seqs: Vec<i64> = rows.iter().map(|(_, row)| row.sender_seq.cast_signed()).collect();
        let bodies: Vec<&[u8]> = rows.iter().map(|(_, row)| &row.body[..]).collect();
        self.insert(rows.len(), sql, &[&namespaces, &ids, &senders, &seqs, &bodies])
    }

    fn insert(&self, rows: usize, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        self.session.wait(self.session.client.execute(sql, values)).map(|_| ())
    }
}

type Names<'a> = Vec<std::borrow::Cow<'a, str>>;

fn names<'a>(actors: impl Iterator<Item = &'a ActorId>) -> (Names<'a>, Names<'a>) {
    actors.map(|actor| (encode(&actor.namespace), encode(&actor.name))).unzip()
}

impl Target for EmptyDatabase {
    fn put(&mut self, row: WholeRow) -> Result<(), StoreError> {
        self.bytes += row.bytes();
        self.gathered.push(row);
        if self.gathered.len() < GATHERED_ROWS && self.bytes < GATHERED_BYTES {
            return Ok(());
        }
        self.write()
    }

    /// Epochs here are numbers of processes and of their claims.
    fn finish(mut self: Box<Self>, id: [u8; 16], epoch: u64) -> Result<(), StoreError> {
        self.write()?;
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let process = (epoch >> schema::CLAIM_BITS) + 1;
        self.session.run(&format!(
            "UPDATE meta SET value = '{id}' WHERE key = 'id'; \
             UPDATE meta SET value = '{process}' WHERE key = 'processes' AND CAST(value AS BIGINT) < {process}; COMMIT"
        ))
    }
}
