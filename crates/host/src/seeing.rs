//! Looking at actors without loading them: for people and tools.

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::limits::Lifetimes;
use pawl_core::past::{Committed, Kept, Was};
use pawl_core::{Actor, Loaded, STATE};
use pawl_store::{ActorId, ActorRow, Completion, Outcome, Past, Request, Scopes, StoreError};

use crate::outputs::{Output, Problem};
use crate::{Host, Job, compaction, recovery};

/// An actor as it is stored: read, and not at work.
pub struct Seen {
    pub row: ActorRow,
    pub actor: Actor,
    /// Of a shared store: the process that has it, in words; none if no living one has.
    pub owner: Option<String>,
    /// The bodies that make it up: its newest snapshot, the changes since, what waits in its inbox.
    pub bytes: u64,
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

    pub(crate) fn see_at(&mut self, number: u64, name: String, entry_id: String) {
        let name: Arc<str> = name.into();
        let ticket = self.ticket(Job::LookAt(number, name.clone(), entry_id));
        let actor = ActorId::new(self.namespace.clone(), name);
        self.store.submit(ticket, Request::Read { actor, since: 1, up_to: u64::MAX, scopes: Scopes::All });
    }
}

/// What the store has found for whoever looks.
pub(crate) fn seen(ticket: u64, actor: &Arc<str>, completion: Completion, lifetimes: Lifetimes) -> Output {
    match completion {
        Completion::Actors(actors) => Output::Listed { ticket, actors },
        Completion::Read(past) => match read(actor, past, lifetimes) {
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

/// The state after an entry, in what the store has kept.
pub(crate) fn seen_at(ticket: u64, name: &Arc<str>, entry_id: &str, completion: Completion) -> Output {
    let found = match completion {
        Completion::Read(past) => state_at(name, entry_id, past),
        Completion::Failed(error) => Err(error.into()),
        _ => return Output::Seen { ticket, seen: None },
    };
    match found {
        Ok(was) => Output::SeenAt { ticket, was },
        Err(error) => Output::LookFailed { ticket, error },
    }
}

fn state_at(name: &Arc<str>, entry_id: &str, past: Past) -> Result<Was, Problem> {
    let damaged = |error| Problem::Damaged { actor: name.clone(), error };
    let actor = ActorId::new("", name.clone());
    let oldest = past.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
    let snapshot = compaction::contents(past.snapshot.clone(), past.chunks.clone());
    let kept = Kept { snapshot, changes: past.changes.clone() };
    let committed = read(name, past, Lifetimes::default())?.and_then(|seen| seen.actor.committed(entry_id));
    let seq = match committed {
        Some(Committed::At(seq)) => seq,
        Some(Committed::Before(seq)) => kept.commit_before(entry_id, seq).map_err(damaged)?.unwrap_or(0),
        None => {
            let message = format!("{name} has no entry {entry_id:?} that has committed.\n  do        see its history");
            return Err(StoreError::bad_argument(message).into());
        }
    };
    match seq < oldest || seq == 0 {
        true => Err(StoreError::not_kept(&actor, seq, oldest).into()),
        false => kept.cell_at(STATE, seq).map_err(damaged),
    }
}

fn read(actor: &Arc<str>, past: Past, lifetimes: Lifetimes) -> Result<Option<Seen>, Problem> {
    let Past { row, snapshot, chunks, changes, inbox, owner, .. } = past;
    let Some(row) = row else { return Ok(None) };
    let bodies = chunks.iter().chain(&changes).map(|(_, body)| body.len());
    let bytes: usize = bodies.chain(inbox.iter().map(|message| message.body.len())).sum();
    let standing = recovery::standing(&row);
    let snapshot = compaction::contents(snapshot, chunks);
    let inbox = inbox.into_iter().map(recovery::message).collect();
    let mut opened = Actor::open(Loaded { snapshot, changes, inbox, standing, ..Loaded::default() }, 0, 0)
        .map_err(|error| Problem::Damaged { actor: actor.clone(), error })?;
    opened.set_lifetimes(lifetimes);
    Ok(Some(Seen { row, actor: opened, owner, bytes: bytes as u64 }))
}
