//! What was: reads of an actor as it was after a change, for whoever asks for that.

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::input::{CallId, Time};
use pawl_core::output::{Output as ActorOutput, Refusal};
use pawl_core::past::{Committed, Discarded, Kept, Rewound, Was};
use pawl_core::{OpenError, STATE};
use pawl_store::{ActorId, Completion, Past, Request, Scopes, StoreError};

use crate::compaction::contents;
use crate::outputs::{Output, Problem, Turn};
use crate::table::{Entry, Handle};
use crate::{Host, Job};

/// What is asked of the past of a loaded actor.
#[derive(Debug)]
pub enum Query {
    /// The state after the change in which this entry committed.
    StateAt { entry_id: String },
    /// What going back to before this entry, or (none) to the start, would take away; and, if the state is to be taken
    /// back, too, what it was then.
    Replay { entry_id: Option<String>, rewinds: bool },
}

/// The answer.
#[derive(Debug)]
pub enum Answer {
    State(Was),
    Replay {
        /// The ids of the entries that are taken away, in the order in which they came into being.
        entry_ids: Vec<String>,
        /// What the state is to be; none: what it is.
        was: Option<Was>,
        /// The changes that others have made to it since, with their times.
        moved: Vec<(u64, Time)>,
    },
}

/// What is being read, and for whom.
pub(crate) struct Looking {
    handle: Handle,
    call: CallId,
    what: What,
}

enum What {
    At(u64),
    Before(String, u64),
    Discarded(Discarded),
}

impl Host {
    /// Looks into the past of an actor: what is queued is written first, and read with the rest.
    pub(crate) fn look(&mut self, handle: Handle, call: CallId, query: Query, turn: &mut Turn) {
        if !self.read_closed_scopes(handle) {
            return turn.push(handle, ActorOutput::Refuse { call, reason: Refusal::Lost });
        }
        let (Some(Entry::Live { actor, .. }), Some(name)) = (self.table.get(handle), self.table.name(handle).cloned())
        else {
            return turn.push(handle, ActorOutput::Refuse { call, reason: Refusal::Lost });
        };
        let refused = |why| ActorOutput::Refuse { call, reason: Refusal::Nothing(why) };
        let (what, since, up_to) = match query {
            Query::StateAt { entry_id } => match actor.committed(&entry_id) {
                Some(Committed::At(seq)) => (What::At(seq), u64::MAX, seq),
                Some(Committed::Before(seq)) => (What::Before(entry_id, seq), 1, seq),
                None => return turn.push(handle, refused("no entry of that id has committed")),
            },
            Query::Replay { entry_id, rewinds } => match actor.discarded(entry_id.as_deref()) {
                Ok(discarded) if rewinds => (What::Discarded(discarded), 1, u64::MAX),
                Ok(Discarded { entry_ids, .. }) => {
                    let answer = Answer::Replay { entry_ids, was: None, moved: Vec::new() };
                    return turn.others.push(Output::Past { handle, call, answer });
                }
                Err(why) => return turn.push(handle, refused(why)),
            },
        };
        self.batches.hurry(handle);
        self.submit();
        let ticket = self.ticket(Job::Past(Looking { handle, call, what }));
        let actor = self.actor_id(name);
        self.store.submit(ticket, Request::Read { actor, since, up_to, scopes: Scopes::Open });
    }

    /// The store has read what was asked for, or could not.
    pub(crate) fn looked(&self, looking: Looking, completion: Completion, turn: &mut Turn) {
        let Looking { handle, call, what } = looking;
        let Some(name) = self.table.name(handle).cloned() else { return };
        let answer = match completion {
            Completion::Read(past) => answer(&self.actor_id(name), what, past),
            Completion::Failed(error) => Err(Problem::Store(error)),
            _ => return,
        };
        turn.others.push(match answer {
            Ok(answer) => Output::Past { handle, call, answer },
            Err(error) => Output::PastFailed { handle, call, error },
        });
    }

    fn actor_id(&self, name: Arc<str>) -> ActorId {
        ActorId::new(self.namespace.clone(), name)
    }
}

fn answer(actor: &ActorId, what: What, past: Past) -> Result<Answer, Problem> {
    let oldest = past.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
    let kept = kept(past.snapshot, past.chunks, past.changes);
    let damaged = |error: OpenError| Problem::Damaged { actor: actor.name.clone(), error };
    let not_kept = |seq, oldest| Problem::Store(StoreError::not_kept(actor, seq, oldest));
    match what {
        What::At(seq) => Ok(Answer::State(kept.cell_at(STATE, seq).map_err(damaged)?)),
        What::Before(entry_id, seq) => {
            let seq = kept.commit_before(&entry_id, seq).map_err(damaged)?.ok_or(not_kept(seq - 1, oldest))?;
            Ok(Answer::State(kept.cell_at(STATE, seq).map_err(damaged)?))
        }
        What::Discarded(discarded) => {
            let (was, moved) = match kept.rewind(STATE, &discarded).map_err(damaged)? {
                Rewound::Same => (None, Vec::new()),
                Rewound::To { was, moved, .. } => (Some(was), moved),
                Rewound::NotKept { oldest } => return Err(not_kept(oldest - 1, oldest)),
            };
            Ok(Answer::Replay { entry_ids: discarded.entry_ids, was, moved })
        }
    }
}

fn kept(snapshot: Option<pawl_store::Snapshot>, chunks: Vec<(u64, Bytes)>, changes: Vec<(u64, Bytes)>) -> Kept {
    Kept { snapshot: contents(snapshot, chunks), changes }
}
