//! The store in PostgreSQL, which several processes share.
//!
//! One native thread with its own event loop serves a queue over one connection; a second connection renews the lease,
//! listens for hints and looks for work. `queue` is what the caller and the thread share; `serve` is the thread; `group` is
//! one transaction; `open` makes actors ours and reads them; `lease` is what keeps them ours; `share` and `look` are what
//! processes say to each other; `events` is what actors tell those who listen; `schema` is the tables;
//! `connect` and `tls` reach the server; `trouble` says what its errors mean; `whole` is all of a database,
//! for copies from one store to another.
//!
//! The one law: **a commit is fenced by an UPDATE of the actor's row in its own transaction.** Leases say who may take an
//! actor over; they never say who may write.

mod connect;
mod events;
mod forget;
mod group;
mod lease;
mod look;
mod messages;
mod names;
mod open;
mod past;
mod queue;
mod schema;
mod serve;
mod share;
mod tls;
mod trouble;
mod url;
mod whole;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use pawl_store::whole::{Source, Target};
use pawl_store::{ActorId, Completion, OpenOptions, Request, Sharing, Stats, Store, StoreError, Ticket};
use queue::{End, Queue, Work};

/// Whether `url` names a database that this store serves.
pub fn serves(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Opens the store that `url` names: `postgres://user:password@host:port/database?schema=pawl&sslmode=verify-full`, with
/// several hosts if there are (`host1,host2`).
///
/// Returns at once; whether it could be opened is its first completion. The only error returned here is `bad_argument`.
pub fn open(url: &str, options: OpenOptions) -> Result<Box<dyn Store>, StoreError> {
    let place = url::Place::parse(url)?;
    let queue = Arc::new(Queue::new(options.wake.clone()));
    let shown = place.shown.clone();
    let server = serve::Server::new(place, options, queue.clone());
    let spawned = thread::Builder::new().name("pawl-postgres".to_owned()).spawn(move || server.run());
    let thread = spawned.map_err(|error| {
        StoreError::unavailable(format!("{shown} was not opened: no thread could be started ({error})"))
    })?;
    Ok(Box::new(PostgresStore { queue, thread: Some(thread) }))
}

/// All that is durable in the store that `url` names, beside the processes that write it.
pub fn source(url: &str) -> Result<Box<dyn Source>, StoreError> {
    Ok(Box::new(whole::WholeDatabase::open(url::Place::parse(url)?)?))
}

/// The store that `url` names, made if there is none, to be filled with a copy. Refuses one that is not empty, or in use.
pub fn target(url: &str) -> Result<Box<dyn Target>, StoreError> {
    Ok(Box::new(whole::EmptyDatabase::open(url::Place::parse(url)?)?))
}

struct PostgresStore {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl PostgresStore {
    fn end(&mut self, end: End) {
        self.queue.end(end);
        if let Some(thread) = self.thread.take() {
            // The thread catches its own panics; an error here has been told through the queue.
            drop(thread.join());
        }
    }
}

impl Store for PostgresStore {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        self.queue.submit(Work::Asked(ticket, request));
    }

    fn release(&mut self, actor: &ActorId) {
        self.queue.submit(Work::Release(actor.clone()));
    }

    fn share(&mut self, ticket: Ticket, sharing: Sharing) {
        self.queue.submit(Work::Shared(ticket, sharing));
    }

    fn holds(&self) -> bool {
        self.queue.holds()
    }

    fn process(&self) -> Option<u64> {
        self.queue.process()
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        self.queue.drain(into);
    }

    fn pending(&self) -> usize {
        self.queue.pending()
    }

    fn flush(&mut self) {
        self.queue.flush();
    }

    fn stats(&self) -> Stats {
        self.queue.stats()
    }

    fn close(&mut self) {
        self.end(End::Close);
    }

    fn abandon(&mut self) {
        self.end(End::Abandon);
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.close();
    }
}
