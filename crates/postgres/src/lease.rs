//! What keeps a process's actors its own, and how it learns of work: a connection beside the one that commits.
//!
//! The lease is renewed while whoever drives the store answers when called. It is judged by the database's clock; here only
//! a deadline is kept, counted from before the renewal was sent and cut by a fifth. Notifications are hints: everything is
//! found by looking, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pawl_store::{OpenOptions, StoreError};
use tokio::sync::Notify;
use tokio_postgres::{Client, Error as PgError};

use crate::connect::{Hint, connect};
use crate::events;
use crate::look;
use crate::look::Look;
use crate::queue::Queue;
use crate::url::Place;

/// How often it is looked for work.
const LOOK: Duration = Duration::from_secs(1);
/// Hints that come within this time go as one.
const COALESCE: Duration = Duration::from_millis(5);
/// The same when somebody is waiting for an actor that is just being taken over.
const SOON: Duration = Duration::from_millis(50);
/// How often what is over is deleted.
const SWEEP: Duration = Duration::from_secs(30);

pub(crate) struct Lease {
    pub(crate) place: Place,
    pub(crate) process: u64,
    pub(crate) queue: Arc<Queue>,
    pub(crate) lease: Duration,
    pub(crate) stall_limit: Duration,
    pub(crate) hints: bool,
    pub(crate) code: Arc<str>,
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
            code: options.code.clone(),
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
        self.queue.renewed(before + self.lease * 4 / 5);
        Ok(())
    }

    /// Forgets calls that are over, and processes that ended without a word long ago and own nothing.
    pub(crate) async fn sweep(&self, client: &Client) -> Result<(), PgError> {
        let sql = format!(
            "DELETE FROM {0}.process AS p WHERE p.expires < now() - INTERVAL '1 hour' AND NOT EXISTS \
             (SELECT 1 FROM {0}.actor a WHERE a.owner = p.id)",
            self.place.schema
        );
        client.execute(&sql, &[]).await?;
        let sql = format!(
            "DELETE FROM {0}.call WHERE (namespace, receiver, id) IN (SELECT namespace, receiver, id FROM {0}.call \
             WHERE at < now() - INTERVAL '{1} s' ORDER BY at LIMIT 1000)",
            self.place.schema,
            look::KEPT_SECONDS
        );
        client.execute(&sql, &[]).await?;
        events::sweep(client, &self.place.schema).await
    }

    /// Gives up everything that is still ours, and the lease.
    pub(crate) async fn end(&self, client: &Client) -> Result<(), PgError> {
        let (schema, process) = (&self.place.schema, self.process);
        client
            .batch_execute(&format!(
                "DELETE FROM {schema}.actor WHERE owner = {process} AND seq = 0; \
                 UPDATE {schema}.actor SET owner = NULL WHERE owner = {process}; \
                 DELETE FROM {schema}.listener WHERE process = {process}; \
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

    /// A session that hears hints, if there are any.
    pub(crate) async fn connect(&self) -> Result<Client, StoreError> {
        let hint = || Hint { heard: self.heard.clone(), own: self.process.to_string() };
        connect(&self.place, self.hints.then(hint)).await
    }

    /// Lives until it is aborted.
    pub(crate) async fn run(self, mut client: Client) {
        loop {
            // A failure is one of the connection, or will be one soon: what matters is that it is tried again.
            drop(self.serve(&client).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
            client = loop {
                match self.connect().await {
                    Ok(client) => break client,
                    Err(_) => tokio::time::sleep(self.lease / 20).await,
                }
            };
        }
    }

    async fn serve(&self, client: &Client) -> Result<(), PgError> {
        let channel = format!("pawl_{}", self.place.schema);
        if self.hints {
            // A server without notifications has processes that look.
            drop(client.batch_execute(&format!("LISTEN {channel}")).await);
        }
        let mut look = Look::prepare(client, &self.place.schema, self.process, &self.queue, self.code.clone()).await?;
        let every = self.lease * 3 / 10;
        let mut renewed = Instant::now().checked_sub(every);
        let (mut swept, mut next) = (Instant::now(), Instant::now());
        loop {
            let quiet = self.queue.quiet();
            if quiet > self.stall_limit / 4 {
                self.queue.knock();
            }
            if quiet < self.stall_limit && renewed.is_none_or(|renewed| renewed.elapsed() >= every) {
                renewed = Some(Instant::now());
                self.renew(client).await?;
            }
            if next <= Instant::now() {
                let soon = look.look(client).await?;
                next = Instant::now() + if soon { SOON } else { LOOK }.min(every);
            }
            if swept.elapsed() > SWEEP {
                swept = Instant::now();
                self.sweep(client).await?;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.heard.notified() => next = Instant::now(),
                () = self.tell.notified(), if self.hints => {
                    tokio::time::sleep(COALESCE).await;
                    client.batch_execute(&format!("NOTIFY {channel}, '{}'", self.process)).await?;
                }
            }
        }
    }
}
