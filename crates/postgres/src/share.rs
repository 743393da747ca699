//! What this process does for others, and asks of them, over the session that commits.

use std::borrow::Cow;

use bytes::Bytes;
use pawl_store::{ActorId, Answer, Call, InboxRow};
use tokio_postgres::Error as PgError;

use crate::connect::Session;
use crate::names::{decode, encode};

/// A call that is there already keeps the reply that it has, or will have.
const ASK: &str = "INSERT INTO call (namespace, receiver, id, body, at) SELECT v.namespace, v.receiver, v.id, v.body, now() \
                   FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BYTEA[])) \
                   AS v(namespace, receiver, id, body) ON CONFLICT DO NOTHING";
const ANSWER: &str = "UPDATE call AS c SET reply = $4, at = now() FROM actor a WHERE c.namespace = $1 AND c.receiver = $2 \
                      AND c.id = $3 AND c.reply IS NULL AND a.namespace = c.namespace AND a.id = c.receiver AND a.epoch = $5";
const NEW: &str = "UPDATE inbox SET known = $3 WHERE namespace = $1 AND receiver = $2 AND (known IS NULL OR known <> $3) \
                   RETURNING sender, sender_seq, body";
const ALL: &str = "SELECT sender, sender_seq, body FROM inbox WHERE namespace = $1 AND receiver = $2";
const UNKNOWN: &str = "UPDATE inbox AS i SET known = NULL FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
                       AS v(namespace, receiver) WHERE i.namespace = v.namespace AND i.receiver = v.receiver \
                       AND i.known = $3";

pub(crate) const STATEMENTS: [&str; 5] = [ASK, ANSWER, NEW, ALL, UNKNOWN];

/// Puts calls where their receivers' owners find them.
pub(crate) async fn ask(session: &Session, calls: &[&Call]) -> Result<(), PgError> {
    let [ask, ..] = &session.share;
    let column = |of: fn(&Call) -> &str| calls.iter().map(|call| encode(of(call))).collect::<Vec<Cow<'_, str>>>();
    let bodies: Vec<&[u8]> = calls.iter().map(|call| &call.body[..]).collect();
    let (namespaces, receivers) = (column(|call| &call.actor.namespace), column(|call| &call.actor.name));
    session.client.execute(ask, &[&namespaces, &receivers, &column(|call| &call.id), &bodies]).await.map(|_| ())
}

/// Records a reply, if the actor still has this epoch and nobody has replied.
pub(crate) async fn answer(session: &Session, actor: &ActorId, epoch: u64, answer: &Answer) -> Result<(), PgError> {
    let [_, reply, ..] = &session.share;
    let (namespace, name, id) = (encode(&actor.namespace), encode(&actor.name), encode(&answer.id));
    session.client.execute(reply, &[&namespace, &name, &id, &&answer.body[..], &epoch.cast_signed()]).await.map(|_| ())
}

/// What waits for these actors is not taken for known any more: it is told again.
pub(crate) async fn forget(session: &Session, receivers: &[ActorId], process: u64) -> Result<(), PgError> {
    let [.., unknown] = &session.share;
    let column =
        |of: fn(&ActorId) -> &str| receivers.iter().map(|actor| encode(of(actor))).collect::<Vec<Cow<'_, str>>>();
    let (namespaces, names) = (column(|actor| &actor.namespace), column(|actor| &actor.name));
    session.client.execute(unknown, &[&namespaces, &names, &process.cast_signed()]).await.map(|_| ())
}

/// What has come into an actor's inbox that this process does not know; `again`: all that is there, for what an earlier try has
/// noted as known may not have arrived.
pub(crate) async fn inbox(
    session: &Session,
    actor: &ActorId,
    process: u64,
    again: bool,
) -> Result<Vec<InboxRow>, PgError> {
    let [_, _, new, all, _] = &session.share;
    let (namespace, name, us) = (encode(&actor.namespace), encode(&actor.name), process.cast_signed());
    let rows = match again {
        true => session.client.query(all, &[&namespace, &name]).await?,
        false => session.client.query(new, &[&namespace, &name, &us]).await?,
    };
    let row = |row: &tokio_postgres::Row| InboxRow {
        sender: decode(row.get(0)).into(),
        sender_seq: row.get::<_, i64>(1).cast_unsigned(),
        body: Bytes::copy_from_slice(row.get(2)),
    };
    let mut found: Vec<InboxRow> = rows.iter().map(row).collect();
    found.sort_by(|a, b| (&a.sender, a.sender_seq).cmp(&(&b.sender, b.sender_seq)));
    Ok(found)
}
