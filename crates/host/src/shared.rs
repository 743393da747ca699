//! Several processes on one store: calls that travel, messages that others have sent, and whether what is ours still is.
//!
//! One law: **what rests on owning an actor leaves while the lease surely holds, or after the store has been asked.**

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pawl_core::codec::message::read_message;
use pawl_core::inbox::MessageKey;
use pawl_core::input::{Input as ActorInput, Time};
use pawl_core::output::{Change, Output as ActorOutput};
use pawl_core::{Actor, Loaded};
use pawl_store::{ActorId, Answer, Call, InboxRow, News, Past, Request, Scopes, Sharing, StoreError, WOKEN};

use crate::outputs::{Output, Turn};
use crate::recovery::standing;
use crate::table::{Entry, Handle};
use crate::{Host, Job, compaction};

/// What of a loaded actor is being asked of the store.
#[derive(Default)]
pub struct Asking {
    /// What was taken from the inbox since it was asked for: it may be among the answer. None: it is not asked for.
    taken: Option<BTreeSet<MessageKey>>,
    /// What may leave once it is known that the actor is still ours,
    unsure: Vec<ActorOutput>,
    /// and of how much of it that is being asked. What came later rests on what was read later.
    asked: usize,
}

impl Asking {
    /// Whether nothing is being asked.
    pub fn is_quiet(&self) -> bool {
        self.taken.is_none() && self.unsure.is_empty()
    }

    /// Changes have been made while the inbox is asked for.
    pub fn note(&mut self, change: &Change) {
        if let Some(taken) = &mut self.taken {
            taken.extend(change.take.iter().cloned());
        }
    }
}

impl Host {
    /// Asks the owner of an actor, whoever that is.
    pub(crate) fn ask_owner(&mut self, name: &str, id: &str, body: Bytes) {
        let call = Call { actor: self.id_of(name), id: id.into(), body };
        self.store.share(WOKEN, Sharing::Call(call));
    }

    /// Answers a call of another process with which nothing else is written.
    pub(crate) fn answer(&mut self, handle: Handle, id: &str, body: Bytes) {
        let (Some(Entry::Live { epoch, .. }), Some(name)) = (self.table.get(handle), self.table.name(handle)) else {
            // Who has it then is told of the call again.
            return;
        };
        let (actor, epoch) = (self.id_of(&name.clone()), *epoch);
        self.store.share(WOKEN, Sharing::Answer { actor, epoch, answer: Answer { id: id.into(), body } });
    }

    /// Wants to hear how the run of an actor ends that another process owns.
    pub(crate) fn watch(&mut self, name: &str) {
        let actor = self.id_of(name);
        self.store.share(WOKEN, Sharing::Watch(actor));
    }

    /// Wants to hear what an actor broadcasts, wherever it is, or not any more.
    pub(crate) fn listen(&mut self, name: &str, listens: bool) {
        let actor = self.id_of(name);
        self.store.share(WOKEN, Sharing::Listen { actor, listens });
    }

    /// Tells those elsewhere who listen.
    pub(crate) fn tell_event(&mut self, name: &str, body: Bytes) {
        let actor = self.id_of(name);
        self.store.share(WOKEN, Sharing::Event { actor, body });
    }

    pub(crate) fn id_of(&self, name: &str) -> ActorId {
        ActorId::new(self.namespace.clone(), name)
    }

    /// Somebody has sent something to an actor that is loaded here.
    pub(crate) fn reread(&mut self, handle: Handle) {
        self.submit();
        let Some(name) = self.table.name(handle).cloned() else { return };
        let Some(Entry::Live { asking, .. }) = self.table.get_mut(handle) else { return };
        if asking.taken.is_none() {
            asking.taken = Some(BTreeSet::new());
            let (actor, ticket) = (self.id_of(&name), self.ticket(Job::Inbox(handle)));
            self.store.share(ticket, Sharing::Inbox(actor));
        }
    }

    /// Keeps answers back that rest on what was read here alone, until the store says that the actor is still ours.
    pub(crate) fn keep_unsure(&mut self, handle: Handle, answers: Vec<ActorOutput>) {
        let Some(name) = self.table.name(handle).cloned() else { return };
        let Some(Entry::Live { asking, epoch, .. }) = self.table.get_mut(handle) else { return };
        asking.unsure.extend(answers);
        if asking.asked == 0 && !asking.unsure.is_empty() {
            asking.asked = asking.unsure.len();
            let (actor, epoch) = (ActorId::new(self.namespace.clone(), name), *epoch);
            let ticket = self.ticket(Job::Check(handle));
            self.store.share(ticket, Sharing::Check { actor, epoch });
        }
    }

    pub(crate) fn news(&mut self, now: Time, job: Option<Job>, news: News, turn: &mut Turn) {
        match (job, news) {
            (_, News::Called(calls)) => {
                let ours = calls.into_iter().filter(|call| *call.actor.namespace == *self.namespace);
                turn.others.extend(ours.map(|call| Output::Called {
                    name: call.actor.name.to_string(),
                    id: call.id.to_string(),
                    body: call.body,
                }));
            }
            (_, News::Replied { actor, id, reply }) => {
                turn.others.push(Output::Replied { name: actor.name.to_string(), id: id.to_string(), reply });
            }
            (_, News::Halted(actor)) => {
                let ticket = self.ticket(Job::Outcome(actor.name.clone()));
                self.store
                    .submit(ticket, Request::Read { actor, since: u64::MAX, up_to: u64::MAX, scopes: Scopes::Open });
            }
            (_, News::Taken(actors)) => {
                for actor in actors {
                    let handle = self.table.handle(&actor.name).filter(|_| *actor.namespace == *self.namespace);
                    let error = || StoreError::unavailable("another process has taken the actor over".to_owned());
                    handle.into_iter().for_each(|handle| self.unsure(now, handle, error(), turn));
                }
            }
            (_, News::Sent { receiver, row }) if *receiver.namespace == *self.namespace => {
                // One that cannot be read is told by whoever opens the actor.
                let key = MessageKey { sender: row.sender.to_string(), sender_seq: row.sender_seq };
                if let Ok(message) = read_message(key, &row.body) {
                    self.give(now, receiver.name, message, turn);
                }
            }
            (_, News::Wanted(actor))
                if *actor.namespace == *self.namespace && self.table.handle(&actor.name).is_none() =>
            {
                turn.others.push(Output::Wake { name: actor.name.to_string() });
            }
            (_, News::Left) => self.list(None),
            (_, News::Listened { actor, listens }) if *actor.namespace == *self.namespace => {
                turn.others.push(Output::Listened { name: actor.name.to_string(), listens });
            }
            (_, News::Event { actor, writer, body }) if *actor.namespace == *self.namespace => {
                turn.others.push(Output::Event { name: actor.name.to_string(), writer, body });
            }
            (_, News::Died(processes)) => turn.others.push(Output::Died(processes)),
            (_, News::Lapsed) => turn.others.push(Output::Lapsed),
            (Some(Job::Inbox(handle)), News::Arrived(rows)) => self.arrived(now, handle, rows, turn),
            (Some(Job::Check(handle)), News::Holds(true)) => self.sure(handle, turn),
            (Some(Job::Check(handle)), News::Holds(false)) => {
                let error = StoreError::unavailable("another process has taken the actor over".to_owned());
                self.unsure(now, handle, error, turn);
            }
            (Some(Job::Inbox(handle) | Job::Check(handle)), News::Failed(error)) => {
                self.unsure(now, handle, error, turn);
            }
            _ => {}
        }
    }

    fn arrived(&mut self, now: Time, handle: Handle, rows: Vec<InboxRow>, turn: &mut Turn) {
        let Some(Entry::Live { asking, .. }) = self.table.get_mut(handle) else { return };
        let taken = asking.taken.take().unwrap_or_default();
        for row in rows {
            let key = MessageKey { sender: row.sender.to_string(), sender_seq: row.sender_seq };
            if taken.contains(&key) {
                continue;
            }
            // One that cannot be read is told by whoever opens the actor.
            if let Ok(message) = read_message(key, &row.body) {
                self.feed(now, handle, ActorInput::Arrived { message }, turn);
            }
        }
    }

    fn sure(&mut self, handle: Handle, turn: &mut Turn) {
        let Some(Entry::Live { asking, .. }) = self.table.get_mut(handle) else { return };
        let asked = std::mem::take(&mut asking.asked);
        for output in asking.unsure.drain(..asked) {
            turn.push(handle, output);
        }
        self.keep_unsure(handle, Vec::new());
    }

    /// The actor may be somebody else's: it is read back, or found to be.
    fn unsure(&mut self, now: Time, handle: Handle, error: StoreError, turn: &mut Turn) {
        if let Some(Entry::Live { .. }) = self.table.get(handle) {
            self.lose(now, handle, 0, Vec::new());
            turn.others.push(Output::Lost { handle, error });
        }
    }

    /// What the run of somebody else's actor has come to; nothing if it has not ended after all.
    pub(crate) fn outcome_of(&mut self, name: &Arc<str>, past: Past, turn: &mut Turn) {
        let standing = past.row.as_ref().map(standing).unwrap_or_default();
        let snapshot = compaction::contents(past.snapshot, past.chunks);
        let loaded = Loaded { snapshot, changes: past.changes, standing, ..Loaded::default() };
        let actor = Actor::open(loaded, self.seeds.next_u64(), 0);
        let outcome = actor.ok().and_then(|actor| actor.outcome().cloned());
        turn.others.push(Output::Outcome { name: name.to_string(), outcome });
    }
}
