//! One transaction: what came meanwhile, of many actors, in one flush, COMMIT included.
//!
//! The rows of all actors are locked in order of id; then one UPDATE fences them all, and marks those that pass; what
//! follows is written only for the marked ones. So an actor that has been taken over drops out alone. What must hold of
//! messages is asked of the server as a division: where it does not hold, the transaction fails, and each of its batches is
//! tried alone.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use pawl_store::{ActorId, Change};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error as PgError, Row};

use crate::connect::Session;
use crate::messages::{Answers, Exchange, Held, answers, exchanges};
use crate::names::{decode, encode};
use crate::queue::Unit;
use crate::trouble::{self, Kind};

const LOCK: &str = "SELECT 1 FROM actor a JOIN unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) AS v(namespace, id) \
                    ON a.namespace = v.namespace AND a.id = v.id ORDER BY a.namespace, a.id FOR UPDATE OF a";
const FENCE: &str = "UPDATE actor AS a SET seq = v.seq, alarm = v.alarm, status = v.status, state_version = v.version, \
                     mark = $9, code = CASE WHEN v.status = 'parked' THEN CAST($10 AS TEXT) END \
                     FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[]), CAST($5 AS BIGINT[]), CAST($6 AS BIGINT[]), CAST($7 AS TEXT[]), \
                     CAST($8 AS BIGINT[])) AS v(namespace, id, epoch, follows, seq, alarm, status, version) \
                     WHERE a.namespace = v.namespace AND a.id = v.id AND a.epoch = v.epoch AND a.seq = v.follows \
                     RETURNING a.namespace, a.id";
const CHANGES: &str = "INSERT INTO change (namespace, actor, seq, body) SELECT v.namespace, v.id, v.seq, v.body \
                       FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]), CAST($4 AS BYTEA[])) \
                       AS v(namespace, id, seq, body) JOIN actor a ON a.namespace = v.namespace AND a.id = v.id \
                       AND a.mark = $5";
/// Messages of which none is there yet, as is almost always so: where one is, the transaction fails. To ask for each whether
/// it is there (`ON CONFLICT`) would cost as much again as to write it.
const PUT_NEW: &str = "INSERT INTO inbox (namespace, receiver, sender, sender_seq, body, known) \
                       SELECT v.namespace, v.receiver, v.sender, v.seq, v.body, v.known FROM unnest(CAST($1 AS TEXT[]), \
                       CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS BIGINT[]), \
                       CAST($6 AS BYTEA[]), CAST($8 AS BIGINT[])) \
                       AS v(namespace, id, receiver, sender, seq, body, known) JOIN actor a \
                       ON a.namespace = v.namespace AND a.id = v.id AND a.mark = $7";
/// Messages that may be there already,
const PUT: &str = "INSERT INTO inbox (namespace, receiver, sender, sender_seq, body, known) \
                   SELECT v.namespace, v.receiver, v.sender, v.seq, v.body, v.known FROM unnest(CAST($1 AS TEXT[]), \
                   CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS BIGINT[]), \
                   CAST($6 AS BYTEA[]), CAST($8 AS BIGINT[])) \
                   AS v(namespace, id, receiver, sender, seq, body, known) JOIN actor a \
                   ON a.namespace = v.namespace AND a.id = v.id AND a.mark = $7 ON CONFLICT DO NOTHING";
/// and are the same then.
const SAME: &str = "SELECT 1 / (CASE WHEN EXISTS (SELECT 1 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), \
                    CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS BIGINT[]), CAST($6 AS BYTEA[])) \
                    AS v(namespace, id, receiver, sender, seq, body) JOIN actor a ON a.namespace = v.namespace \
                    AND a.id = v.id AND a.mark = $7 JOIN inbox i ON i.namespace = v.namespace \
                    AND i.receiver = v.receiver AND i.sender = v.sender AND i.sender_seq = v.seq \
                    WHERE i.body <> v.body) THEN 0 ELSE 1 END)";
const TAKE: &str = "WITH wanted AS (SELECT v.namespace, v.id, v.sender, v.seq FROM unnest(CAST($1 AS TEXT[]), \
                    CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BIGINT[])) AS v(namespace, id, sender, seq) \
                    JOIN actor a ON a.namespace = v.namespace AND a.id = v.id AND a.mark = $5), \
                    gone AS (DELETE FROM inbox i USING wanted w WHERE i.namespace = w.namespace AND i.receiver = w.id \
                    AND i.sender = w.sender AND i.sender_seq = w.seq RETURNING 1) \
                    SELECT 1 / (CASE WHEN (SELECT count(*) FROM gone) = (SELECT count(*) FROM wanted) \
                    THEN 1 ELSE 0 END)";

const ANSWER: &str = "WITH wanted AS (SELECT v.namespace, v.id, v.call, v.body FROM unnest(CAST($1 AS TEXT[]), \
                      CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BYTEA[])) AS v(namespace, id, call, body) \
                      JOIN actor a ON a.namespace = v.namespace AND a.id = v.id AND a.mark = $5), \
                      done AS (UPDATE call AS c SET reply = w.body, at = now() FROM wanted w \
                      WHERE c.namespace = w.namespace AND c.receiver = w.id AND c.id = w.call AND c.reply IS NULL \
                      RETURNING 1) SELECT 1 / (CASE WHEN (SELECT count(*) FROM done) = (SELECT count(*) FROM wanted) \
                      THEN 1 ELSE 0 END)";

pub(crate) const STATEMENTS: [&str; 8] = [LOCK, FENCE, CHANGES, PUT_NEW, PUT, SAME, TAKE, ANSWER];

/// What became of a transaction.
pub(crate) enum Transacted {
    /// Durable, for these actors; the others have been fenced off.
    Done(HashSet<ActorId>),
    /// Nothing was written; the same again may succeed at once.
    Conflict(PgError),
    /// Nothing was written; one of the batches is to blame.
    Spoiled(PgError),
    /// Nothing was written; the session is of no use any more.
    Broken(PgError),
    /// Written or not.
    Unknown(PgError),
}

type Reply<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, PgError>> + Send + 'a>>;
type Param<'a> = &'a (dyn ToSql + Sync);

/// The columns of the fence.
#[derive(Default)]
struct Fences<'a> {
    namespaces: Vec<Cow<'a, str>>,
    ids: Vec<Cow<'a, str>>,
    epochs: Vec<i64>,
    follows: Vec<i64>,
    seqs: Vec<i64>,
    alarms: Vec<Option<i64>>,
    statuses: Vec<&'static str>,
    versions: Vec<i64>,
}

/// The columns of the changes.
#[derive(Default)]
struct Bodies<'a> {
    namespaces: Vec<Cow<'a, str>>,
    ids: Vec<Cow<'a, str>>,
    seqs: Vec<i64>,
    bodies: Vec<&'a [u8]>,
}

/// Writes `units`, which are in order of id, under `mark`, a number that no transaction had before.
pub(crate) async fn transact(session: &Session, units: &[(&ActorId, &Unit)], held: &Held<'_>, mark: i64) -> Transacted {
    let (mut fences, mut bodies) = (Fences::default(), Bodies::default());
    for (actor, unit) in units {
        fences.add(actor, unit);
        bodies.add(actor, unit);
    }
    let (moves, replied) = (exchanges(units, held), answers(units));
    let [lock, fence, changes, put_new, put, same, take, answer] = &session.group;
    let is_alone = units.iter().map(|(_, unit)| unit.batches.len()).sum::<usize>() == 1;
    let code = encode(&session.code);
    let mut replies: Vec<Reply<'_>> = vec![control(session, "BEGIN")];
    let Fences { namespaces, ids, epochs, follows, seqs, alarms, statuses, versions } = &fences;
    replies.push(ask(session, lock, vec![namespaces, ids]));
    let columns: Vec<Param<'_>> =
        vec![namespaces, ids, epochs, follows, seqs, alarms, statuses, versions, &mark, &code];
    replies.push(ask(session, fence, columns));
    let Bodies { namespaces, ids, seqs, bodies } = &bodies;
    replies.push(ask(session, changes, vec![namespaces, ids, seqs, bodies, &mark]));
    for Exchange { put: p, take: t } in &moves {
        if !p.bodies.is_empty() {
            let columns: Vec<Param<'_>> =
                vec![&p.namespaces, &p.ids, &p.receivers, &p.senders, &p.seqs, &p.bodies, &mark];
            let with_known = [&columns[..], &[&p.known]].concat();
            // A group in which one is there already fails, and is tried batch by batch.
            if is_alone {
                replies.push(ask(session, put, with_known));
                replies.push(ask(session, same, columns));
            } else {
                replies.push(ask(session, put_new, with_known));
            }
        }
        if !t.seqs.is_empty() {
            replies.push(ask(session, take, vec![&t.namespaces, &t.ids, &t.senders, &t.seqs, &mark]));
        }
    }
    let Answers { namespaces, ids, calls, bodies } = &replied;
    if !calls.is_empty() {
        replies.push(ask(session, answer, vec![namespaces, ids, calls, bodies, &mark]));
    }
    replies.push(control(session, "COMMIT"));
    judge(in_order(replies).await)
}

fn control<'a>(session: &'a Session, sql: &'static str) -> Reply<'a> {
    Box::pin(async move { session.client.batch_execute(sql).await.map(|()| Vec::new()) })
}

fn ask<'a>(session: &'a Session, statement: &'a tokio_postgres::Statement, columns: Vec<Param<'a>>) -> Reply<'a> {
    Box::pin(async move { session.client.query(statement, &columns).await })
}

/// Sends all before it waits for any: they leave in one flush.
async fn in_order(mut replies: Vec<Reply<'_>>) -> Vec<Result<Vec<Row>, PgError>> {
    let mut answers: Vec<_> = replies.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (reply, answer) in replies.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = reply.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// The first error decides: what comes after it failed because of it.
fn judge(answers: Vec<Result<Vec<Row>, PgError>>) -> Transacted {
    let commit = answers.len() - 1;
    let mut passed = HashSet::new();
    for (n, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(rows) if n == 2 => {
                passed.extend(rows.iter().map(|row| ActorId::new(decode(row.get(0)), decode(row.get(1)))));
            }
            Ok(_) => {}
            // The COMMIT had left with the rest; without an answer nobody knows how far it came.
            Err(error) if error.as_db_error().is_none() => return Transacted::Unknown(error),
            Err(error) if n == commit && !trouble::is_certain(&error) => return Transacted::Unknown(error),
            Err(error) => {
                return match trouble::kind(&error) {
                    Kind::Conflict => Transacted::Conflict(error),
                    Kind::Broken => Transacted::Broken(error),
                    Kind::Spoiled | Kind::Exists | Kind::Missing => Transacted::Spoiled(error),
                };
            }
        }
    }
    Transacted::Done(passed)
}

impl<'a> Fences<'a> {
    fn add(&mut self, actor: &'a ActorId, unit: &'a Unit) {
        let changes = || unit.batches.iter().flat_map(|batch| &batch.changes);
        let (Some(batch), Some(first), Some(last)) = (unit.batches.first(), changes().next(), changes().last()) else {
            return;
        };
        let Change { seq, alarm, status, state_version, .. } = last;
        self.namespaces.push(encode(&actor.namespace));
        self.ids.push(encode(&actor.name));
        self.epochs.push(batch.epoch.cast_signed());
        self.follows.push(first.seq.cast_signed() - 1);
        self.seqs.push(seq.cast_signed());
        self.alarms.push(*alarm);
        self.statuses.push(status.word());
        self.versions.push(i64::from(*state_version));
    }
}

impl<'a> Bodies<'a> {
    fn add(&mut self, actor: &'a ActorId, unit: &'a Unit) {
        for change in unit.batches.iter().flat_map(|batch| &batch.changes) {
            self.namespaces.push(encode(&actor.namespace));
            self.ids.push(encode(&actor.name));
            self.seqs.push(change.seq.cast_signed());
            self.bodies.push(&change.body);
        }
    }
}
