//! Where actors are kept: one trait with a written contract, and the stores that keep it.
//!
//! Owned here: durability, the order of an actor's changes, the fence that keeps a stale owner out, the lock that
//! keeps a second process out. Not owned here: what is inside a change. The bytes are the core's, from end to end.
//!
//! The one law: *what was answered `Yes` is there after any crash, and nothing is there in part.*
//!
//! ```
//! use std::sync::Arc;
//! use pawl_store::{ActorId, Batch, Change, Completion, OpenOptions, Outcome, Request, Scopes, Status, Store};
//!
//! let mut store = pawl_store::open("memory:", OpenOptions::new(Arc::new(|| {})))?;
//! let order = ActorId::new("default", "order/42");
//! store.submit(1, Request::Open { actor: order.clone(), scopes: Scopes::Open });
//! let change = Change::new(1, "what happened", Status::Running);
//! store.submit(2, Request::Commit(Batch { actor: order, epoch: 1, changes: vec![change] }));
//! store.flush();
//! let mut done = Vec::new();
//! store.drain(&mut done);
//! assert!(matches!(done.last(), Some((2, Completion::Committed(Outcome::Yes)))));
//! # Ok::<(), pawl_store::StoreError>(())
//! ```

pub mod check;
mod completions;
mod contract;
mod error;
pub mod fault;
mod house;
pub mod id;
mod memory;
mod record;
mod shared;
mod sqlite;
mod url;
pub mod whole;

pub use completions::{Completions, Notice};
pub use contract::{
    Asked, Completion, Due, Limits, Listed, OPENING, OpenOptions, Opened, Outcome, PROCESSES, Past, Request, Stats,
    Store, StoreInfo, Ticket, WOKEN, Wake,
};
pub use error::{Code, StoreError};
pub use record::{
    ActorId, ActorRow, Batch, Change, Compaction, Forget, InboxRow, Put, SLICE_ROWS, Scopes, Snapshot, Status,
};
pub use shared::{Answer, Call, News, Sharing};

use url::Url;

/// Looks at the store that `url` names, which another process may have: `sqlite:PATH`. It answers `Read`, `Alarms` and
/// `Actors`, and refuses the rest.
pub fn look(url: &str, options: OpenOptions) -> Result<Box<dyn Store>, StoreError> {
    match Url::parse(url)? {
        Url::Memory { .. } => Err(StoreError::bad_argument("a store in memory belongs to its process.".to_owned())),
        Url::Sqlite { path } => Ok(Box::new(sqlite::SqliteReader::open(url, &path, options))),
    }
}

/// Copies all that is committed in the store that `url` names into a new file, beside whoever writes it. Waits until it is done.
pub fn back_up(url: &str, into: &std::path::Path) -> Result<(), StoreError> {
    match Url::parse(url)? {
        Url::Memory { .. } => Err(StoreError::bad_argument("a store in memory has no file to copy.".to_owned())),
        Url::Sqlite { path } => sqlite::copy(&path, into),
    }
}

/// All that is durable in the store that `url` names, beside whoever writes it. Of a store in memory its owner has it:
/// [`Store::whole`].
pub fn source(url: &str) -> Result<Box<dyn whole::Source>, StoreError> {
    match Url::parse(url)? {
        Url::Memory { .. } => Err(StoreError::bad_argument("a store in memory belongs to its process.".to_owned())),
        Url::Sqlite { path } => Ok(Box::new(sqlite::WholeFile::open(url, &path)?)),
    }
}

/// The store that `url` names, made if there is none, to be filled with a copy. Refuses one that is not empty.
pub fn target(url: &str, options: &OpenOptions) -> Result<Box<dyn whole::Target>, StoreError> {
    match Url::parse(url)? {
        Url::Memory { name: Some(name) } => Ok(Box::new(memory::target(url, name)?)),
        Url::Memory { name: None } => Err(StoreError::bad_argument(
            "a copy into memory: would be gone at once.\n  expected  memory:NAME, sqlite:PATH or postgres://..."
                .to_owned(),
        )),
        Url::Sqlite { path } => Ok(Box::new(sqlite::EmptyFile::open(url, &path, options)?)),
    }
}

/// Opens the store that `url` names: `memory:`, `memory:NAME` or `sqlite:PATH` (relative to the working directory of
/// this moment).
///
/// Returns at once; whether the store could be opened is its first completion, under the ticket [`OPENING`]. Requests
/// may be submitted before that: they wait behind it. The only error returned here is `bad_argument`.
pub fn open(url: &str, options: OpenOptions) -> Result<Box<dyn Store>, StoreError> {
    match Url::parse(url)? {
        Url::Memory { name } => Ok(Box::new(memory::MemoryStore::open(url, name, options))),
        Url::Sqlite { path } => Ok(Box::new(sqlite::SqliteStore::open(url, &path, options)?)),
    }
}
