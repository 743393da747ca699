//! What actors tell those who listen in other processes: rows that are kept for a minute.
//!
//! An event is written after the commit that it tells of, by its actor's owner, under a number of the writer's own; whoever
//! listens reads on from the last number that it has seen of each writer. One law: **an event is handed on at most once.**

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use pawl_store::{ActorId, Completion, News};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as PgError, Statement};

use crate::connect::Session;
use crate::names::{decode, encode};
use crate::queue::Queue;

/// How long an event waits for those who listen.
pub(crate) const KEPT_SECONDS: i64 = 60;
/// So many events are handed on at once.
const PAGE: i64 = 1_000;

const TELL: &str = "INSERT INTO event (namespace, actor, writer, seq, body, at) \
                    SELECT v.namespace, v.actor, $4, v.seq, v.body, now() FROM unnest(CAST($1 AS TEXT[]), \
                    CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]), CAST($5 AS BYTEA[])) AS v(namespace, actor, seq, body) \
                    ON CONFLICT DO NOTHING";
const LISTEN: &str = "INSERT INTO listener (namespace, actor, process) SELECT v.namespace, v.actor, $3 \
                      FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) AS v(namespace, actor) \
                      ON CONFLICT (namespace, actor, process) DO UPDATE SET process = excluded.process \
                      RETURNING CAST(extract(epoch FROM now()) * 1000000 AS BIGINT)";
const LEAVE: &str = "DELETE FROM listener AS l USING unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
                     AS v(namespace, actor) WHERE l.namespace = v.namespace AND l.actor = v.actor AND l.process = $3";

pub(crate) const STATEMENTS: [&str; 3] = [TELL, LISTEN, LEAVE];

/// Whoever tells of an actor now, where nobody has heard of it yet.
const OWNERS: &str = "SELECT a.namespace, a.id, a.owner FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
                      AS v(namespace, id) JOIN {s}.actor a ON a.namespace = v.namespace AND a.id = v.id \
                      WHERE a.owner IS NOT NULL AND a.owner <> $3";
const TOLD: &str = "SELECT e.namespace, e.actor, e.writer, e.seq, e.body FROM unnest(CAST($1 AS TEXT[]), \
                    CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[]), CAST($5 AS BIGINT[])) \
                    AS v(namespace, actor, writer, seq, since) JOIN {s}.event e ON e.namespace = v.namespace \
                    AND e.actor = v.actor AND e.writer = v.writer AND e.seq > v.seq \
                    AND e.at >= to_timestamp(v.since / 1000000.0) ORDER BY e.writer, e.seq LIMIT {page}";
const HEARD: &str = "SELECT DISTINCT l.namespace, l.actor FROM {s}.listener l JOIN {s}.process p ON p.id = l.process \
                     AND p.expires > now() JOIN {s}.actor a ON a.namespace = l.namespace AND a.id = l.actor \
                     WHERE a.owner = $1 AND l.process <> $1";
const DIED: &str = "SELECT v.id FROM unnest(CAST($1 AS BIGINT[])) AS v(id) LEFT JOIN {s}.process p ON p.id = v.id \
                    AND p.expires > now() WHERE p.id IS NULL";

type Column<'a> = Vec<Cow<'a, str>>;
type Param<'a> = &'a (dyn ToSql + Sync);

/// What this process hears of others, and they of it.
#[derive(Default)]
pub(crate) struct Hearing {
    /// Actors that somebody here listens to.
    listening: BTreeMap<ActorId, Listening>,
    /// Actors of ours that somebody elsewhere listens to.
    heard: HashSet<ActorId>,
    /// Processes whose end is to be told.
    pub(crate) heeded: HashSet<u64>,
}

/// How far somebody has listened to an actor.
struct Listening {
    /// By the database's clock, in microseconds: what was said before that is of no interest.
    since: i64,
    /// The last number of each that has told of it.
    seen: HashMap<i64, i64>,
}

/// Writes events, the first under the number `first`.
pub(crate) async fn tell(
    session: &Session,
    process: u64,
    first: u64,
    told: &[(ActorId, Bytes)],
) -> Result<(), PgError> {
    let [tell, ..] = &session.events;
    let (namespaces, actors) = columns(told.iter().map(|(actor, _)| actor));
    let seqs: Vec<i64> = (first.cast_signed()..).take(told.len()).collect();
    let bodies: Vec<&[u8]> = told.iter().map(|(_, body)| &body[..]).collect();
    let columns: [Param<'_>; 5] = [&namespaces, &actors, &seqs, &process.cast_signed(), &bodies];
    session.client.execute(tell, &columns).await.map(|_| ())
}

/// Notes who is listened to from here, and who is not any more.
pub(crate) async fn listen(
    session: &Session,
    process: u64,
    wanted: &BTreeMap<ActorId, bool>,
    queue: &Queue,
) -> Result<(), PgError> {
    let [_, listen, leave] = &session.events;
    let us = process.cast_signed();
    let of = |which: bool| columns(wanted.iter().filter(move |(_, on)| **on == which).map(|(actor, _)| actor));
    let (namespaces, actors) = of(true);
    if !actors.is_empty() {
        let rows = session.client.query(listen, &[&namespaces, &actors, &us]).await?;
        let since = rows.first().map_or(0, |row| row.get(0));
        let mut hearing = queue.hearing();
        for (actor, _) in wanted.iter().filter(|(_, on)| **on) {
            hearing.listening.entry(actor.clone()).or_insert_with(|| Listening { since, seen: HashMap::new() });
        }
    }
    let (namespaces, actors) = of(false);
    if !actors.is_empty() {
        queue.hearing().listening.retain(|actor, _| wanted.get(actor) != Some(&false));
        session.client.execute(leave, &[&namespaces, &actors, &us]).await?;
    }
    Ok(())
}

/// All that is listened to from here, to be noted again.
pub(crate) fn wanted(queue: &Queue) -> BTreeMap<ActorId, bool> {
    queue.hearing().listening.keys().map(|actor| (actor.clone(), true)).collect()
}

/// The statements with which one session listens.
pub(crate) struct Ears {
    process: i64,
    owners: Statement,
    told: Statement,
    heard: Statement,
    died: Statement,
}

impl Ears {
    pub(crate) async fn prepare(client: &Client, schema: &str, process: u64) -> Result<Ears, PgError> {
        let text = |sql: &str| sql.replace("{s}", schema).replace("{page}", &PAGE.to_string());
        Ok(Ears {
            process: process.cast_signed(),
            owners: client.prepare(&text(OWNERS)).await?,
            told: client.prepare(&text(TOLD)).await?,
            heard: client.prepare(&text(HEARD)).await?,
            died: client.prepare(&text(DIED)).await?,
        })
    }

    /// Hands on what others have told. Returns whether there may be more.
    pub(crate) async fn listen(&self, client: &Client, queue: &Queue) -> Result<bool, PgError> {
        let rows = client.query(&self.heard, &[&self.process]).await?;
        let heard = rows.iter().map(|row| ActorId::new(decode(row.get(0)), decode(row.get(1)))).collect();
        let before = std::mem::replace(&mut queue.hearing().heard, heard);
        let now = queue.hearing().heard.clone();
        let told =
            |actor: &ActorId, listens| queue.tell(Completion::News(News::Listened { actor: actor.clone(), listens }));
        before.difference(&now).for_each(|actor| told(actor, false));
        now.difference(&before).for_each(|actor| told(actor, true));
        self.funerals(client, queue).await?;
        if queue.hearing().listening.is_empty() {
            return Ok(false);
        }
        self.meet(client, queue).await?;
        self.hear(client, queue).await
    }

    /// Takes note of owners that have not told anything yet.
    async fn meet(&self, client: &Client, queue: &Queue) -> Result<(), PgError> {
        let actors: Vec<ActorId> = queue.hearing().listening.keys().cloned().collect();
        let (namespaces, names) = columns(actors.iter());
        let rows = client.query(&self.owners, &[&namespaces, &names, &self.process]).await?;
        let mut hearing = queue.hearing();
        for row in &rows {
            let actor = ActorId::new(decode(row.get(0)), decode(row.get(1)));
            if let Some(listening) = hearing.listening.get_mut(&actor) {
                listening.seen.entry(row.get(2)).or_insert(-1);
            }
        }
        Ok(())
    }

    async fn hear(&self, client: &Client, queue: &Queue) -> Result<bool, PgError> {
        let known: Vec<(ActorId, i64, i64, i64)> = {
            let hearing = queue.hearing();
            let of = |(actor, listening): (&ActorId, &Listening)| {
                let (actor, since) = (actor.clone(), listening.since);
                let seen: Vec<_> = listening.seen.iter().map(|(writer, seq)| (*writer, *seq)).collect();
                seen.into_iter().map(move |(writer, seq)| (actor.clone(), writer, seq, since))
            };
            hearing.listening.iter().flat_map(of).collect()
        };
        let (namespaces, actors) = columns(known.iter().map(|(actor, ..)| actor));
        let column = |of: fn(&(ActorId, i64, i64, i64)) -> i64| known.iter().map(of).collect::<Vec<i64>>();
        let (writers, seqs, since) = (column(|row| row.1), column(|row| row.2), column(|row| row.3));
        let parameters: [Param<'_>; 5] = [&namespaces, &actors, &writers, &seqs, &since];
        let rows = client.query(&self.told, &parameters).await?;
        for row in &rows {
            let actor = ActorId::new(decode(row.get(0)), decode(row.get(1)));
            let (writer, seq): (i64, i64) = (row.get(2), row.get(3));
            let is_new = match queue.hearing().listening.get_mut(&actor) {
                Some(listening) => listening.seen.insert(writer, seq).is_none_or(|before| before < seq),
                None => false,
            };
            if is_new {
                let body = Bytes::copy_from_slice(row.get(4));
                queue.tell(Completion::News(News::Event { actor, writer: writer.cast_unsigned(), body }));
            }
        }
        Ok(rows.len() as i64 == PAGE)
    }

    /// Tells of the end of processes that somebody here has to do with.
    async fn funerals(&self, client: &Client, queue: &Queue) -> Result<(), PgError> {
        let heeded: Vec<i64> = queue.hearing().heeded.iter().map(|process| process.cast_signed()).collect();
        if heeded.is_empty() {
            return Ok(());
        }
        let rows = client.query(&self.died, &[&heeded]).await?;
        let died: Vec<u64> = rows.iter().map(|row| row.get::<_, i64>(0).cast_unsigned()).collect();
        if !died.is_empty() {
            queue.hearing().heeded.retain(|process| !died.contains(process));
            queue.tell(Completion::News(News::Died(died)));
        }
        Ok(())
    }
}

/// Deletes events that are over, and what dead processes listened to.
pub(crate) async fn sweep(client: &Client, schema: &str) -> Result<(), PgError> {
    let old = format!(
        "DELETE FROM {schema}.event WHERE (namespace, actor, writer, seq) IN (SELECT namespace, actor, writer, seq \
         FROM {schema}.event WHERE at < now() - INTERVAL '{KEPT_SECONDS} s' ORDER BY at LIMIT {PAGE})"
    );
    while client.execute(&old, &[]).await? == PAGE.unsigned_abs() {}
    let dead = format!(
        "DELETE FROM {schema}.listener AS l WHERE NOT EXISTS (SELECT 1 FROM {schema}.process p WHERE p.id = l.process)"
    );
    client.execute(&dead, &[]).await.map(|_| ())
}

fn columns<'a>(actors: impl Iterator<Item = &'a ActorId>) -> (Column<'a>, Column<'a>) {
    actors.map(|actor| (encode(&actor.namespace), encode(&actor.name))).unzip()
}
