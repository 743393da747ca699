//! Making actors ours, reading them, giving them up; the actors that have work.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use pawl_store::{ActorId, ActorRow, Due, InboxRow, Opened, Scopes, Status, StoreError};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error as PgError, Row};

use crate::connect::Session;
use crate::names::{decode, encode};
use crate::{past, trouble};

/// An actor may be taken that has no owner, that is ours, or whose owner's lease has run out by the database's clock.
const CLAIM: &str = "INSERT INTO actor (namespace, id, epoch, seq, alarm, status, state_version, owner, mark) \
                     SELECT v.namespace, v.id, v.epoch, 0, NULL, 'none', 1, $4, 0 FROM unnest(CAST($1 AS TEXT[]), \
                     CAST($2 AS TEXT[]), CAST($3 AS BIGINT[])) AS v(namespace, id, epoch) \
                     ON CONFLICT (namespace, id) DO UPDATE SET epoch = excluded.epoch, owner = excluded.owner \
                     WHERE actor.owner IS NULL OR actor.owner = excluded.owner OR NOT EXISTS \
                     (SELECT 1 FROM process p WHERE p.id = actor.owner AND p.expires > now()) \
                     RETURNING namespace, id, epoch, seq, alarm, status, state_version";
const CHANGES: &str = "SELECT c.namespace, c.actor, c.seq, c.body FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
                       AS v(namespace, id) JOIN change c ON c.namespace = v.namespace AND c.actor = v.id \
                       AND c.seq > COALESCE((SELECT max(s.seq) FROM snapshot s WHERE s.namespace = v.namespace \
                       AND s.actor = v.id), 0) ORDER BY c.namespace, c.actor, c.seq";
const INBOX: &str = "SELECT i.namespace, i.receiver, i.sender, i.sender_seq, i.body FROM unnest(CAST($1 AS TEXT[]), \
                     CAST($2 AS TEXT[])) AS v(namespace, id) JOIN inbox i ON i.namespace = v.namespace \
                     AND i.receiver = v.id ORDER BY i.namespace, i.receiver, i.sender, i.sender_seq";
const OWNER: &str = "SELECT a.owner, p.name FROM actor a LEFT JOIN process p ON p.id = a.owner \
                     WHERE a.namespace = $1 AND a.id = $2";
/// One that was opened and never written leaves no row.
const FORGET: &str = "DELETE FROM actor a USING unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) AS v(namespace, id) \
                      WHERE a.namespace = v.namespace AND a.id = v.id AND a.owner = $3 AND a.seq = 0";
const RELEASE: &str = "UPDATE actor AS a SET owner = NULL FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) \
                       AS v(namespace, id) WHERE a.namespace = v.namespace AND a.id = v.id AND a.owner = $3";
const ALARMED: &str = "SELECT a.namespace, a.id, a.alarm, a.status = 'parked' FROM actor a WHERE a.alarm IS NOT NULL \
                       AND (a.namespace, a.id) > ($1, $2) AND (a.owner IS NULL OR a.owner = $4 OR NOT EXISTS \
                       (SELECT 1 FROM process p WHERE p.id = a.owner AND p.expires > now())) \
                       ORDER BY a.namespace, a.id LIMIT $3";
const RECEIVERS: &str = "SELECT DISTINCT i.namespace, i.receiver FROM inbox i LEFT JOIN actor a \
                         ON a.namespace = i.namespace AND a.id = i.receiver WHERE (i.namespace, i.receiver) > ($1, $2) \
                         AND (a.owner IS NULL OR a.owner = $4 OR NOT EXISTS \
                         (SELECT 1 FROM process p WHERE p.id = a.owner AND p.expires > now())) \
                         ORDER BY i.namespace, i.receiver LIMIT $3";
const STANDING: &str = "SELECT epoch, seq FROM actor WHERE namespace = $1 AND id = $2";

/// What the numbers of every actor that was forgotten were below.
pub(crate) const FLOOR: &str = "SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'floor'";

const OURS: &str = "SELECT namespace, id FROM actor WHERE owner = $1";

pub(crate) const STATEMENTS: [&str; 11] =
    [CLAIM, CHANGES, INBOX, OWNER, FORGET, RELEASE, OURS, ALARMED, RECEIVERS, STANDING, FLOOR];

type Param<'a> = &'a (dyn ToSql + Sync);

/// Names as two columns.
fn columns<'a>(actors: impl Iterator<Item = &'a ActorId>) -> (Vec<Cow<'a, str>>, Vec<Cow<'a, str>>) {
    actors.map(|actor| (encode(&actor.namespace), encode(&actor.name))).unzip()
}

fn id(row: &Row) -> ActorId {
    ActorId::new(decode(row.get(0)), decode(row.get(1)))
}

/// What is asked of an actor that is opened.
pub(crate) struct Claim {
    pub(crate) epoch: u64,
    pub(crate) scopes: Scopes,
}

/// Makes actors ours under the epochs given, and reads them. An error inside is one actor's.
pub(crate) async fn open(
    session: &Session,
    process: u64,
    claims: &BTreeMap<ActorId, Claim>,
) -> Result<HashMap<ActorId, Result<Opened, StoreError>>, PgError> {
    let [claim, changes, inbox, owner, .., floor] = &session.open;
    let client = &session.client;
    let (namespaces, ids) = columns(claims.keys());
    let epochs: Vec<i64> = claims.values().map(|claim| claim.epoch.cast_signed()).collect();
    let us = process.cast_signed();
    // The claim is committed before what follows it is read: what an earlier owner has on its way is refused from then on.
    let (claim_of, names): ([Param<'_>; 4], [Param<'_>; 2]) = ([&namespaces, &ids, &epochs, &us], [&namespaces, &ids]);
    let (claimed, changes, inbox, floor) = tokio::join!(
        client.query(claim, &claim_of),
        client.query(changes, &names),
        client.query(inbox, &names),
        client.query_opt(floor, &[])
    );
    let floor = floor?.map_or(0, |row| row.get::<_, i64>(0).cast_unsigned());
    let mut opened: HashMap<_, _> = claimed?.iter().map(|row| (id(row), claimed_actor(row, floor))).collect();
    for row in changes? {
        if let Some(Ok(opened)) = opened.get_mut(&id(&row)) {
            let body: &[u8] = row.get(3);
            opened.changes.push((row.get::<_, i64>(2).cast_unsigned(), Bytes::copy_from_slice(body)));
        }
    }
    for row in inbox? {
        if let Some(Ok(opened)) = opened.get_mut(&id(&row)) {
            let (sender_seq, body): (i64, &[u8]) = (row.get(3), row.get(4));
            let sender = decode(row.get(2)).into();
            let body = Bytes::copy_from_slice(body);
            opened.inbox.push(InboxRow { sender, sender_seq: sender_seq.cast_unsigned(), body });
        }
    }
    for (actor, opened) in &mut opened {
        if let (Ok(whole), Some(claim)) = (&mut *opened, claims.get(actor))
            && let Err(corrupt) = past::complete(client, actor, claim.scopes, whole).await?
        {
            *opened = Err(corrupt);
        }
    }
    for actor in claims.keys() {
        if !opened.contains_key(actor) {
            let row = client.query_opt(owner, &[&encode(&actor.namespace), &encode(&actor.name)]).await?;
            let name = row.and_then(|row| row.get::<_, Option<String>>(1));
            let by = name.unwrap_or_else(|| "a process that has just let go of it".to_owned());
            opened.insert(actor.clone(), Err(trouble::owned(actor, &by)));
        }
    }
    Ok(opened)
}

fn claimed_actor(row: &Row, floor: u64) -> Result<Opened, StoreError> {
    let (epoch, seq): (i64, i64) = (row.get(2), row.get(3));
    let (epoch, seq) = (epoch.cast_unsigned(), seq.cast_unsigned());
    let (word, version): (&str, i64) = (row.get(5), row.get(6));
    let Some(status) = Status::from_word(word) else {
        let expected = "one of those that Pawl knows";
        return Err(StoreError::corrupt(&id(row), format!("the status {word:?}"), expected));
    };
    let Ok(state_version) = u32::try_from(version) else {
        return Err(StoreError::corrupt(&id(row), format!("the state version {version}"), "a number of 32 bits"));
    };
    let stored = ActorRow { epoch, seq, alarm: row.get(4), status, state_version };
    Ok(Opened {
        row: (seq > 0).then_some(stored),
        epoch,
        floor,
        snapshot: None,
        chunks: Vec::new(),
        read: Vec::new(),
        changes: Vec::new(),
        inbox: Vec::new(),
    })
}

/// Gives actors up that are ours.
pub(crate) async fn release(session: &Session, process: u64, actors: &[ActorId]) -> Result<(), PgError> {
    let [_, _, _, _, forget, release, ..] = &session.open;
    let (namespaces, ids) = columns(actors.iter());
    let us = process.cast_signed();
    session.client.execute(forget, &[&namespaces, &ids, &us]).await?;
    session.client.execute(release, &[&namespaces, &ids, &us]).await?;
    Ok(())
}

/// Every actor that is ours.
pub(crate) async fn ours(session: &Session, process: u64) -> Result<HashSet<ActorId>, PgError> {
    let [_, _, _, _, _, _, ours, ..] = &session.open;
    Ok(session.client.query(ours, &[&process.cast_signed()]).await?.iter().map(id).collect())
}

/// The epoch and the seq of an actor, as they are now.
pub(crate) async fn standing(session: &Session, actor: &ActorId) -> Result<Option<(u64, u64)>, PgError> {
    let [.., standing, _] = &session.open;
    let row = session.client.query_opt(standing, &[&encode(&actor.namespace), &encode(&actor.name)]).await?;
    Ok(row.map(|row| (row.get::<_, i64>(0).cast_unsigned(), row.get::<_, i64>(1).cast_unsigned())))
}

/// The actors behind `after` that have an alarm or a message, and no other living owner: in order of id.
pub(crate) async fn due(
    session: &Session,
    process: u64,
    after: Option<&ActorId>,
    limit: usize,
) -> Result<Vec<Due>, PgError> {
    let [.., alarmed, receivers, _, _] = &session.open;
    // Nothing stored is empty, so that the empty pair is before everything.
    let (namespace, name) =
        after.map_or((Cow::Borrowed(""), Cow::Borrowed("")), |after| (encode(&after.namespace), encode(&after.name)));
    let (most, us) = (i64::try_from(limit).unwrap_or(i64::MAX), process.cast_signed());
    let mut due = BTreeMap::new();
    for row in session.client.query(alarmed, &[&namespace, &name, &most, &us]).await? {
        let actor = id(&row);
        due.insert(actor.clone(), Due { actor, alarm: row.get(2), inbox: false, parked: row.get(3) });
    }
    for row in session.client.query(receivers, &[&namespace, &name, &most, &us]).await? {
        let actor = id(&row);
        let new = || Due { actor: actor.clone(), alarm: None, inbox: true, parked: false };
        due.entry(actor.clone()).or_insert_with(new).inbox = true;
    }
    Ok(due.into_values().take(limit).collect())
}
