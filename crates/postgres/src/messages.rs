//! What a group puts into inboxes and takes from them, and which of it does not fit what is there.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pawl_store::{ActorId, Batch, Put, StoreError};
use tokio_postgres::{Client, Error as PgError};

use crate::names::encode;
use crate::queue::Unit;

/// Puts that come before takes. A message that is put after it was taken begins a new exchange.
#[derive(Default)]
pub(crate) struct Exchange<'a> {
    pub(crate) put: Puts<'a>,
    pub(crate) take: Takes<'a>,
}

#[derive(Default)]
pub(crate) struct Puts<'a> {
    pub(crate) namespaces: Vec<Cow<'a, str>>,
    pub(crate) ids: Vec<Cow<'a, str>>,
    pub(crate) receivers: Vec<Cow<'a, str>>,
    pub(crate) senders: Vec<Cow<'a, str>>,
    pub(crate) seqs: Vec<i64>,
    pub(crate) bodies: Vec<&'a [u8]>,
    /// Who has the message in memory.
    pub(crate) known: Vec<Option<i64>>,
}

/// The replies that a group carries.
#[derive(Default)]
pub(crate) struct Answers<'a> {
    pub(crate) namespaces: Vec<Cow<'a, str>>,
    pub(crate) ids: Vec<Cow<'a, str>>,
    pub(crate) calls: Vec<Cow<'a, str>>,
    pub(crate) bodies: Vec<&'a [u8]>,
}

/// The actors that a process has open: whoever drives the store hands them what is sent to them.
pub(crate) struct Held<'a> {
    pub(crate) process: u64,
    pub(crate) actors: &'a HashSet<ActorId>,
}

impl Held<'_> {
    pub(crate) fn has(&self, namespace: &Arc<str>, name: &Arc<str>) -> bool {
        self.actors.contains(&ActorId { namespace: namespace.clone(), name: name.clone() })
    }
}

/// The replies of `units`.
pub(crate) fn answers<'a>(units: &[(&'a ActorId, &'a Unit)]) -> Answers<'a> {
    let mut all = Answers::default();
    for (actor, unit) in units {
        for answer in unit.batches.iter().flat_map(|batch| &batch.changes).flat_map(|change| &change.answers) {
            all.namespaces.push(encode(&actor.namespace));
            all.ids.push(encode(&actor.name));
            all.calls.push(encode(&answer.id));
            all.bodies.push(&answer.body);
        }
    }
    all
}

#[derive(Default)]
pub(crate) struct Takes<'a> {
    pub(crate) namespaces: Vec<Cow<'a, str>>,
    pub(crate) ids: Vec<Cow<'a, str>>,
    pub(crate) senders: Vec<Cow<'a, str>>,
    pub(crate) seqs: Vec<i64>,
}

/// (namespace, receiver, sender, sender's seq).
type Key<'a> = (&'a str, &'a str, &'a str, u64);

/// What `units` exchange, in their order.
pub(crate) fn exchanges<'a>(units: &[(&'a ActorId, &'a Unit)], held: &Held<'_>) -> Vec<Exchange<'a>> {
    let mut all = vec![Exchange::default()];
    let mut taken: HashSet<Key<'a>> = HashSet::new();
    for (actor, unit) in units {
        for change in unit.batches.iter().flat_map(|batch| &batch.changes) {
            for Put { receiver, row } in &change.put {
                if taken.contains(&(&actor.namespace, receiver, &row.sender, row.sender_seq)) {
                    taken.clear();
                    all.push(Exchange::default());
                }
                let Some(Exchange { put, .. }) = all.last_mut() else { continue };
                put.namespaces.push(encode(&actor.namespace));
                put.ids.push(encode(&actor.name));
                put.receivers.push(encode(receiver));
                put.senders.push(encode(&row.sender));
                put.seqs.push(row.sender_seq.cast_signed());
                put.bodies.push(&row.body);
                put.known.push(held.has(&actor.namespace, receiver).then_some(held.process.cast_signed()));
            }
            for (sender, seq) in &change.take {
                taken.insert((&actor.namespace, &actor.name, sender, *seq));
                let Some(Exchange { take, .. }) = all.last_mut() else { continue };
                take.namespaces.push(encode(&actor.namespace));
                take.ids.push(encode(&actor.name));
                take.senders.push(encode(sender));
                take.seqs.push(seq.cast_signed());
            }
        }
    }
    all
}

const STORED: &str =
    "SELECT body FROM inbox WHERE namespace = $1 AND receiver = $2 AND sender = $3 AND sender_seq = $4";

/// Which message of a refused batch does not fit what is there; none if all do by now.
pub(crate) async fn misfit(client: &Client, batch: &Batch) -> Result<Option<StoreError>, PgError> {
    let ActorId { namespace, name } = &batch.actor;
    let mut seen: HashMap<(&str, &str, u64), Option<Vec<u8>>> = HashMap::new();
    for change in &batch.changes {
        let puts = change.put.iter().map(|put| (&*put.receiver, &*put.row.sender, put.row.sender_seq, Some(&put.row)));
        let takes = change.take.iter().map(|(sender, seq)| (&**name, &**sender, *seq, None));
        for (receiver, sender, seq, put) in puts.chain(takes) {
            let stored = match seen.entry((receiver, sender, seq)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let key = (encode(namespace), encode(receiver), encode(sender), seq.cast_signed());
                    let row = client.query_opt(STORED, &[&key.0, &key.1, &key.2, &key.3]).await?;
                    unknown.insert(row.map(|row| row.get(0)))
                }
            };
            match (put, stored.as_deref()) {
                (Some(row), None) => *stored = Some(row.body.to_vec()),
                (Some(row), Some(body)) if *body == row.body[..] => {}
                (Some(_), Some(_)) => return Ok(Some(StoreError::other_message(receiver, sender, seq))),
                (None, Some(_)) => *stored = None,
                (None, None) => return Ok(Some(StoreError::not_in_inbox(&batch.actor, sender, seq))),
            }
        }
    }
    Ok(None)
}
