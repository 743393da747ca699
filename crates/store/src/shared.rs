//! What processes that share a store say to each other through it. A store with one owner has nobody to say it to.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::StoreError;
use crate::record::{ActorId, InboxRow};

/// What a process asks of whoever owns an actor, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub actor: ActorId,
    /// Names the call within the actor: one that is there already is not made again, and has the reply that it has.
    pub id: Arc<str>,
    /// Opaque here.
    pub body: Bytes,
}

/// The reply to a call of an actor's own. It is recorded once, and kept for ten minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The call's.
    pub id: Arc<str>,
    /// Opaque here.
    pub body: Bytes,
}

/// Something to be done in a shared store.
#[derive(Clone, Debug)]
pub enum Sharing {
    /// Puts a call where the actor's owner finds it, and tells the reply: [`News::Replied`].
    Call(Call),
    /// Records a reply with which nothing else is written, if the actor's epoch is still this one. Not answered: a call that
    /// has no reply is told again.
    Answer { actor: ActorId, epoch: u64, answer: Answer },
    /// Tells once that the actor's run has ended or is parked: [`News::Halted`].
    Watch(ActorId),
    /// Reads what has come into the inbox of an actor of ours since it was opened, behind the actor's earlier batches; what
    /// is known already may be among it. Answered by [`News::Arrived`].
    Inbox(ActorId),
    /// Asks whether the actor still has this epoch. Answered by [`News::Holds`].
    Check { actor: ActorId, epoch: u64 },
    /// Somebody here listens to what is told of an actor, or nobody does any more. Not answered.
    Listen { actor: ActorId, on: bool },
    /// Tells those who listen to an actor of ours in other processes. Not answered: what cannot be told is lost.
    Tell { actor: ActorId, body: Bytes },
    /// Tells once that another process has died: [`News::Died`].
    Heed(u64),
}

/// What came of it, or what others have said.
#[derive(Clone, Debug)]
pub enum News {
    /// Calls of actors of ours. One that has not been answered may be told again.
    Called(Vec<Call>),
    /// The reply to a call that was made here; an error: the call was not made.
    Replied {
        actor: ActorId,
        id: Arc<str>,
        reply: Result<Bytes, StoreError>,
    },
    Halted(ActorId),
    /// Our lease had run out, and holds again: these actors have another owner by now, or none.
    Taken(Vec<ActorId>),
    Arrived(Vec<InboxRow>),
    /// What `writer`, another process, has told of an actor that is listened to here. In order, at most once.
    Told {
        actor: ActorId,
        writer: u64,
        body: Bytes,
    },
    /// Other processes that have no lease any more.
    Died(Vec<u64>),
    /// Our lease had run out: others may have taken this process for dead.
    Lapsed,
    Holds(bool),
    /// What was asked could not be done.
    Failed(StoreError),
}
