//! What keeps a process's actors its own, and how it learns of work: a connection beside the one that commits.
//!
//! The lease is renewed while whoever drives the store answers when called. It is judged by the database's clock; here only
//! a deadline is kept, counted from before the renewal was sent and cut by a fifth. Notifications are hints: everything is
//! found by looking, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pawl_store::{ActorId, Completion, Due, OpenOptions};
use tokio::sync::Notify;
use tokio_postgres::{Client, Error as PgError};

use crate::connect::connect;
use crate::names::decode;
use crate::queue::Queue;
use crate::url::Place;

/// How often it is looked for work.
const LOOK: Duration = Duration::from_secs(1);
/// Hints that come within this time go as one.
const COALESCE: Duration = Duration::from_millis(5);
/// So many actors with work are taken up at once.
const PAGE: i64 = 200;

pub(crate) struct Lease {
    pub(crate) place: Place,
    pub(crate) process: u64,
    pub(crate) queue: Arc<Queue>,
    pub(crate) lease: Duration,
    pub(crate) stall_limit: Duration,
    pub(crate) hints: bool,
    /// Somebody else has told us of work.
    pub(crate) heard: Arc<Notify>,
    /// We have work for others.
    pub(crate) tell: Arc<Notify>,
}

impl Lease {
    pub(crate) fn new(place: &Place, process: u64, queue: &Arc<Queue>, options: &OpenOptions) -> Lease {
        Lease {
            place: place.clone(),
            process,
            queue: queue.clone(),
            lease: place.lease.unwrap_or(options.lease),
            stall_limit: options.stall_limit,
            hints: place.hints,
            heard: Arc::default(),
            tell: Arc::default(),
        }
    }

    /// Enters or renews the lease.
    pub(crate) async fn renew(&self, client: &Client) -> Result<(), PgError> {
        let before = Instant::now();
        let sql = format!(
            "INSERT INTO {0}.process (id, name, expires) VALUES ($1, $2, now() + CAST($3 AS BIGINT) * INTERVAL '1 ms') \
             ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
            self.place.schema
        );
        let milliseconds = i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX);
        client.execute(&sql, &[&self.process.cast_signed(), &self.name(), &milliseconds]).await?;
        self.queue.hold_until(before + self.lease * 4 / 5);
        Ok(())
    }

    /// Forgets processes that ended without a word long ago and own nothing.
    pub(crate) async fn sweep(&self, client: &Client) -> Result<(), PgError> {
        let sql = format!(
            "DELETE FROM {0}.process AS p WHERE p.expires < now() - INTERVAL '1 hour' AND NOT EXISTS \
             (SELECT 1 FROM {0}.actor a WHERE a.owner = p.id)",
            self.place.schema
        );
        client.execute(&sql, &[]).await.map(|_| ())
    }

    /// Gives up everything that is still ours, and the lease.
    pub(crate) async fn end(&self, client: &Client) -> Result<(), PgError> {
        let (schema, process) = (&self.place.schema, self.process);
        client
            .batch_execute(&format!(
                "DELETE FROM {schema}.actor WHERE owner = {process} AND seq = 0; \
                 UPDATE {schema}.actor SET owner = NULL WHERE owner = {process}; \
                 DELETE FROM {schema}.process WHERE id = {process}"
            ))
            .await
    }

    /// Who we are, for people: where, and which process.
    fn name(&self) -> String {
        let host = std::fs::read_to_string("/etc/hostname").ok().or_else(|| std::env::var("COMPUTERNAME").ok());
        let host = host.as_deref().map_or("unknown host", str::trim);
        format!("process {} on {host}, opening {}", std::process::id(), self.process)
    }

    /// Lives until it is aborted.
    pub(crate) async fn run(self) {
        loop {
            let Ok(client) = connect(&self.place, self.hints.then(|| self.heard.clone())).await else {
                tokio::time::sleep(self.lease / 20).await;
                continue;
            };
            // A failure is one of the connection, or will be one soon: what matters is that it is tried again.
            drop(self.serve(&client).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn serve(&self, client: &Client) -> Result<(), PgError> {
        let channel = format!("pawl_{}", self.place.schema);
        if self.hints {
            // A server without notifications has processes that look.
            drop(client.batch_execute(&format!("LISTEN {channel}")).await);
        }
        let every = self.lease * 3 / 10;
        let mut renewed = Instant::now().checked_sub(every);
        loop {
            let quiet = self.queue.quiet();
            if quiet > self.stall_limit / 4 {
                self.queue.knock();
            }
            if quiet < self.stall_limit && renewed.is_none_or(|renewed| renewed.elapsed() >= every) {
                renewed = Some(Instant::now());
                self.renew(client).await?;
            }
            let due = self.look(client).await?;
            if !due.is_empty() {
                self.queue.tell(Completion::Woken(due));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(every)) => {}
                () = self.heard.notified() => {}
                () = self.tell.notified(), if self.hints => {
                    tokio::time::sleep(COALESCE).await;
                    client.batch_execute(&format!("NOTIFY {channel}")).await?;
                }
            }
        }
    }

    /// Actors with work whose owner is dead, or that have none; those that somebody is taking right now are left out.
    async fn look(&self, client: &Client) -> Result<Vec<Due>, PgError> {
        let schema = &self.place.schema;
        let orphan = format!(
            "a.owner IS NULL OR NOT EXISTS (SELECT 1 FROM {schema}.process p WHERE p.id = a.owner AND p.expires > now())"
        );
        let alarmed = format!(
            "SELECT a.namespace, a.id, a.alarm, a.status = 'parked' FROM {schema}.actor a \
             WHERE a.alarm <= CAST(extract(epoch FROM now()) * 1000 AS BIGINT) AND ({orphan}) LIMIT {PAGE} \
             FOR UPDATE OF a SKIP LOCKED"
        );
        let receivers = format!(
            "SELECT DISTINCT i.namespace, i.receiver FROM {schema}.inbox i LEFT JOIN {schema}.actor a \
             ON a.namespace = i.namespace AND a.id = i.receiver WHERE {orphan} LIMIT {PAGE}"
        );
        let actor = |row: &tokio_postgres::Row| ActorId::new(decode(row.get(0)), decode(row.get(1)));
        let mut due: Vec<Due> = Vec::new();
        for row in client.query(&alarmed, &[]).await? {
            due.push(Due { actor: actor(&row), alarm: row.get(2), inbox: false, parked: row.get(3) });
        }
        for row in client.query(&receivers, &[]).await? {
            due.push(Due { actor: actor(&row), alarm: None, inbox: true, parked: false });
        }
        Ok(due)
    }
}
