//! Looking at actors without loading them: for people and tools.

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::{Actor, Loaded};
use pawl_store::{ActorId, ActorRow, Completion, Outcome, Past, Request, Scopes};

use crate::outputs::{Output, Problem};
use crate::{Host, Job, compaction, recovery};

/// An actor as it is stored: read, and not at work.
pub struct Seen {
    pub row: ActorRow,
    pub actor: Actor,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("row", &self.row).finish_non_exhaustive()
    }
}

impl Host {
    pub(crate) fn list_actors(&mut self, number: u64, after: Option<String>, limit: usize) {
        let ticket = self.ticket(Job::Look(number, Arc::default()));
        let (namespace, after) = (self.namespace.clone(), after.map(Into::into));
        self.store.submit(ticket, Request::Actors { namespace, after, limit });
    }

    pub(crate) fn note(&mut self, number: u64, puts: Vec<(String, Option<Bytes>)>) {
        let ticket = self.ticket(Job::Look(number, Arc::default()));
        let puts = puts.into_iter().map(|(name, body)| (name.into(), body)).collect();
        self.store.submit(ticket, Request::Note { puts });
    }

    pub(crate) fn notes(&mut self, number: u64, prefix: String) {
        let ticket = self.ticket(Job::Look(number, Arc::default()));
        self.store.submit(ticket, Request::Notes { prefix: prefix.into() });
    }

    pub(crate) fn see(&mut self, number: u64, name: String) {
        let name: Arc<str> = name.into();
        let ticket = self.ticket(Job::Look(number, name.clone()));
        let actor = ActorId::new(self.namespace.clone(), name);
        self.store.submit(ticket, Request::Read { actor, since: u64::MAX, up_to: u64::MAX, scopes: Scopes::All });
    }
}

/// What the store has found for whoever looks.
pub(crate) fn seen(ticket: u64, actor: &Arc<str>, completion: Completion) -> Output {
    match completion {
        Completion::Actors(actors) => Output::Listed { ticket, actors },
        Completion::Read(past) => match read(actor, past) {
            Ok(seen) => Output::Seen { ticket, seen: seen.map(Box::new) },
            Err(error) => Output::LookFailed { ticket, error },
        },
        Completion::Notes(notes) => Output::Notes { ticket, notes },
        Completion::Committed(Outcome::Yes) => Output::Notes { ticket, notes: Vec::new() },
        Completion::Failed(error) | Completion::Committed(Outcome::No(error) | Outcome::Unknown(error)) => {
            Output::LookFailed { ticket, error: error.into() }
        }
        _ => Output::Seen { ticket, seen: None },
    }
}

fn read(actor: &Arc<str>, past: Past) -> Result<Option<Seen>, Problem> {
    let Past { row, snapshot, chunks, changes, inbox, .. } = past;
    let Some(row) = row else { return Ok(None) };
    let standing = recovery::standing(&row);
    let snapshot = compaction::contents(snapshot, chunks);
    let inbox = inbox.into_iter().map(recovery::message).collect();
    let opened = Actor::open(Loaded { snapshot, read: Vec::new(), changes, inbox, standing }, 0, 0)
        .map_err(|error| Problem::Damaged { actor: actor.clone(), error })?;
    Ok(Some(Seen { row, actor: opened }))
}
