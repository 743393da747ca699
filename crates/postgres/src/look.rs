//! Looking for work: what other processes have left for this one, and what nobody has taken up.
//!
//! One law: **whatever is found is handed on before it is noted as known**, so that what is lost on the way is found again.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pawl_store::{ActorId, Call, Completion, Due, News};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as PgError, Row, Statement};

use crate::events::Ears;
use crate::names::{decode, encode};
use crate::queue::Queue;

/// So many actors with work, or calls, are taken up at once.
const PAGE: i64 = 200;
/// How long a call is kept, whether or not it has a reply: then it is not made any more.
pub(crate) const KEPT_SECONDS: i64 = 600;
/// How often calls are told again that have no reply yet.
const AGAIN: Duration = Duration::from_secs(2);

/// How long after a parked run was offered that is done again: first, and at most.
const OFFER_AGAIN: Duration = Duration::from_secs(2);
const OFFER_AGAIN_MOST: Duration = Duration::from_secs(600);

const ORPHAN: &str =
    "(a.owner IS NULL OR NOT EXISTS (SELECT 1 FROM {s}.process p WHERE p.id = a.owner AND p.expires > now()))";
/// Those that somebody is taking right now are left out.
const ALARMED: &str = "SELECT a.namespace, a.id, a.alarm, a.status = 'parked' FROM {s}.actor a \
                       WHERE a.alarm <= CAST(extract(epoch FROM now()) * 1000 AS BIGINT) AND {orphan} LIMIT {page} \
                       FOR UPDATE OF a SKIP LOCKED";
/// Not those that code of our own name has parked: it would park them again, and be in the way of code that would not.
const RECEIVERS: &str = "SELECT i.namespace, i.receiver, COALESCE(a.status = 'parked', FALSE), count(*) FROM {s}.inbox i \
                         LEFT JOIN {s}.actor a ON a.namespace = i.namespace AND a.id = i.receiver \
                         WHERE ({orphan} AND NOT COALESCE(a.status = 'parked' AND a.code = $2 AND a.code <> '', FALSE)) \
                         OR (a.owner = $1 AND (i.known IS NULL OR i.known <> $1)) GROUP BY 1, 2, 3 LIMIT {page}";
const CALLED: &str = "SELECT c.namespace, c.receiver, c.id, c.body, COALESCE(a.owner = $1, FALSE) FROM {s}.call c LEFT JOIN {s}.actor a \
                      ON a.namespace = c.namespace AND a.id = c.receiver WHERE c.reply IS NULL \
                      AND c.at > now() - INTERVAL '{kept} s' AND ({orphan} \
                      OR (a.owner = $1 AND ($2 OR c.known IS NULL OR c.known <> $1))) ORDER BY c.at LIMIT {page}";
const KNOWN: &str = "UPDATE {s}.call AS c SET known = $4 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), \
                     CAST($3 AS TEXT[])) AS v(namespace, receiver, id) WHERE c.namespace = v.namespace \
                     AND c.receiver = v.receiver AND c.id = v.id";
const REPLIED: &str = "SELECT c.namespace, c.receiver, c.id, c.reply FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), \
                       CAST($3 AS TEXT[])) AS v(namespace, receiver, id) JOIN {s}.call c ON c.namespace = v.namespace \
                       AND c.receiver = v.receiver AND c.id = v.id WHERE c.reply IS NOT NULL";
const HALTED: &str = "SELECT a.namespace, a.id FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) AS v(namespace, id) \
                      JOIN {s}.actor a ON a.namespace = v.namespace AND a.id = v.id \
                      WHERE a.status IN ('completed', 'failed', 'cancelled', 'parked')";

/// Processes whose leases have run out, and not long ago. Asked last: whatever was found to be without an owner is so because of one of
/// these, or of one that has been told.
const LAPSED: &str = "SELECT id FROM {s}.process WHERE expires <= now() AND expires > now() - INTERVAL '1 hour'";

/// Runs that other code has parked and nobody has, in order of id.
const PARKED: &str = "SELECT a.namespace, a.id FROM {s}.actor a WHERE a.status = 'parked' \
                      AND a.code IS DISTINCT FROM $1 AND (a.namespace, a.id) > ($2, $3) AND {orphan} \
                      ORDER BY a.namespace, a.id LIMIT {page}";

/// The statements with which one session looks.
pub(crate) struct Look<'a> {
    process: i64,
    queue: &'a Queue,
    alarmed: Statement,
    receivers: Statement,
    called: Statement,
    known: Statement,
    replied: Statement,
    halted: Statement,
    lapsed: Statement,
    /// Those of which it has been told that their leases have run out.
    told_lapsed: HashSet<i64>,
    ears: Ears,
    parked: Statement,
    offers: Offers,
    /// When every call that has no reply was told last: of a new session nobody knows what its predecessor has told.
    told: Option<Instant>,
}

impl<'a> Look<'a> {
    pub(crate) async fn prepare(
        client: &Client,
        schema: &str,
        process: u64,
        queue: &'a Queue,
        code: Arc<str>,
    ) -> Result<Look<'a>, PgError> {
        let text = |sql: &str| {
            let sql = sql.replace("{orphan}", ORPHAN).replace("{s}", schema);
            sql.replace("{page}", &PAGE.to_string()).replace("{kept}", &KEPT_SECONDS.to_string())
        };
        Ok(Look {
            process: process.cast_signed(),
            queue,
            alarmed: client.prepare(&text(ALARMED)).await?,
            receivers: client.prepare(&text(RECEIVERS)).await?,
            called: client.prepare(&text(CALLED)).await?,
            known: client.prepare(&text(KNOWN)).await?,
            replied: client.prepare(&text(REPLIED)).await?,
            halted: client.prepare(&text(HALTED)).await?,
            lapsed: client.prepare(&text(LAPSED)).await?,
            told_lapsed: HashSet::new(),
            ears: Ears::prepare(client, schema, process).await?,
            parked: client.prepare(&text(PARKED)).await?,
            offers: Offers { code, after: None, made: HashMap::new() },
            told: None,
        })
    }

    /// Tells the queue of everything that is found. Returns whether to look again soon: somebody waits for an actor that is
    /// about to be taken over.
    pub(crate) async fn look(&mut self, client: &Client) -> Result<bool, PgError> {
        let again = self.told.is_none_or(|told| told.elapsed() > AGAIN);
        if again {
            self.told = Some(Instant::now());
        }
        let us = self.process;
        let code = encode(&self.offers.code).into_owned();
        let (received, asked): ([Param<'_>; 2], [Param<'_>; 2]) = ([&us, &code], [&us, &again]);
        let (alarmed, receivers, called, lapsed) = tokio::try_join!(
            client.query(&self.alarmed, &[]),
            client.query(&self.receivers, &received),
            client.query(&self.called, &asked),
            client.query(&self.lapsed, &[]),
        )?;
        // Before anything is taken over: what the dead were at must be known by then.
        self.lapsed(&lapsed);
        let mut due: Vec<Due> = alarmed.iter().map(alarmed_actor).collect();
        let (ours, orphans): (Vec<&Row>, Vec<&Row>) = called.iter().partition(|row| row.get::<_, bool>(4));
        let receivers = receivers.iter().filter(|row| !row.get::<_, bool>(2) || self.offers.make(&id(row), row.get(3)));
        let receivers: BTreeSet<ActorId> = receivers.map(id).collect();
        due.extend(receivers.into_iter().map(|actor| Due { actor, alarm: None, inbox: true, parked: false }));
        due.extend(self.parked(client).await?);
        if !due.is_empty() {
            self.queue.tell(Completion::Woken(due));
        }
        self.hand_on(client, &ours).await?;
        if !orphans.is_empty() {
            // Whoever is the quickest takes the actor over to answer: one that is only woken, and has nothing to do, would leave again.
            self.queue.tell(Completion::News(News::Called(orphans.iter().map(|row| call(row)).collect())));
        }
        self.replies(client).await?;
        self.halts(client).await?;
        let more = self.ears.listen(client, self.queue).await?;
        Ok(more || !orphans.is_empty())
    }

    /// Tells once of processes that nobody has heard of for as long as their leases. One that comes round may be told of again.
    fn lapsed(&mut self, rows: &[Row]) {
        let lapsed: HashSet<i64> = rows.iter().map(|row| row.get(0)).filter(|id| *id != self.process).collect();
        let new: Vec<u64> = lapsed.difference(&self.told_lapsed).map(|id| id.cast_unsigned()).collect();
        self.told_lapsed = lapsed;
        if !new.is_empty() {
            self.queue.tell(Completion::News(News::Died(new)));
        }
    }

    /// Runs that this code may be able to go on with.
    async fn parked(&mut self, client: &Client) -> Result<Vec<Due>, PgError> {
        let Offers { code, after, .. } = &mut self.offers;
        let (namespace, name) = after.as_ref().map_or(("", ""), |after| (&*after.namespace, &*after.name));
        let rows = client.query(&self.parked, &[&encode(code), &encode(namespace), &encode(name)]).await?;
        *after = rows.last().filter(|_| rows.len() as i64 == PAGE).map(id);
        let new = rows.iter().map(id).filter(|actor| self.offers.make(actor, 0));
        Ok(new.map(|actor| Due { actor, alarm: None, inbox: false, parked: true }).collect())
    }

    /// Calls of actors of ours.
    async fn hand_on(&self, client: &Client, rows: &[&Row]) -> Result<(), PgError> {
        if rows.is_empty() {
            return Ok(());
        }
        let calls: Vec<Call> = rows.iter().map(|row| call(row)).collect();
        self.queue.tell(Completion::News(News::Called(calls.clone())));
        let (namespaces, receivers, ids) = columns(calls.iter().map(|call| (&call.actor, &call.id)));
        client.execute(&self.known, &[&namespaces, &receivers, &ids, &self.process]).await.map(|_| ())
    }

    /// Replies to calls from here.
    async fn replies(&self, client: &Client) -> Result<(), PgError> {
        let awaited: Vec<(ActorId, Arc<str>)> = {
            let mut awaited = self.queue.awaited();
            let kept = Duration::from_secs(KEPT_SECONDS.unsigned_abs());
            awaited.calls.retain(|_, since| since.elapsed() < kept);
            awaited.calls.keys().cloned().collect()
        };
        if awaited.is_empty() {
            return Ok(());
        }
        let (namespaces, receivers, ids) = columns(awaited.iter().map(|(actor, id)| (actor, id)));
        for row in client.query(&self.replied, &[&namespaces, &receivers, &ids]).await? {
            let (actor, call): (ActorId, Arc<str>) = (id(&row), decode(row.get(2)).into());
            if self.queue.awaited().calls.remove(&(actor.clone(), call.clone())).is_some() {
                let reply = Ok(Bytes::copy_from_slice(row.get(3)));
                self.queue.tell(Completion::News(News::Replied { actor, id: call, reply }));
            }
        }
        Ok(())
    }

    /// Runs whose end is awaited here.
    async fn halts(&self, client: &Client) -> Result<(), PgError> {
        let awaited: Vec<ActorId> = self.queue.awaited().runs.iter().cloned().collect();
        if awaited.is_empty() {
            return Ok(());
        }
        let (namespaces, ids): (Vec<_>, Vec<_>) =
            awaited.iter().map(|actor| (encode(&actor.namespace), encode(&actor.name))).unzip();
        for row in client.query(&self.halted, &[&namespaces, &ids]).await? {
            let actor = id(&row);
            if self.queue.awaited().runs.remove(&actor) {
                self.queue.tell(Completion::News(News::Halted(actor)));
            }
        }
        Ok(())
    }
}

/// Which parked runs this process has been offered.
struct Offers {
    /// The version of its code.
    code: Arc<str>,
    /// The last one of a page that was full.
    after: Option<ActorId>,
    made: HashMap<ActorId, Offer>,
}

/// One that was made. Somebody else may have been quicker, so it is made again; the code of a process stays what it is, so that is
/// not worth much.
struct Offer {
    /// How many messages were waiting.
    messages: i64,
    wait: Duration,
    again: Instant,
}

impl Offers {
    /// Whether a parked run is to be offered now: the first time, when somebody has sent it something, and now and then.
    fn make(&mut self, actor: &ActorId, messages: i64) -> bool {
        let now = Instant::now();
        let Some(made) = self.made.get_mut(actor) else {
            let again = now + some_more_than(OFFER_AGAIN);
            self.made.insert(actor.clone(), Offer { messages, wait: OFFER_AGAIN, again });
            return true;
        };
        let is_new = messages > made.messages;
        made.messages = messages.max(made.messages);
        if now >= made.again {
            made.wait = OFFER_AGAIN_MOST.min(made.wait * 2);
            made.again = now + some_more_than(made.wait);
            return true;
        }
        is_new
    }
}

/// Up to half as long again. Processes that were offered a run at the same moment, of which the wrong one was the quickest, do not
/// meet again.
fn some_more_than(wait: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0u8) % 1024;
    wait + wait.mul_f64(chance as f64 / 2048.0)
}

fn id(row: &Row) -> ActorId {
    ActorId::new(decode(row.get(0)), decode(row.get(1)))
}

fn alarmed_actor(row: &Row) -> Due {
    Due { actor: id(row), alarm: row.get(2), inbox: false, parked: row.get(3) }
}

fn call(row: &Row) -> Call {
    Call { actor: id(row), id: decode(row.get(2)).into(), body: Bytes::copy_from_slice(row.get(3)) }
}

type Param<'a> = &'a (dyn ToSql + Sync);
type Column<'a> = Vec<Cow<'a, str>>;

fn columns<'a>(calls: impl Iterator<Item = (&'a ActorId, &'a Arc<str>)>) -> (Column<'a>, Column<'a>, Column<'a>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (actor, id) in calls {
        columns.0.push(encode(&actor.namespace));
        columns.1.push(encode(&actor.name));
        columns.2.push(encode(id));
    }
    columns
}
