//! What processes that share a store say to each other through it, and the environments (threads) of one process. A store
//! with one owner has nobody to say it to.

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
    /// Wants to hear what the actor broadcasts, or not any more.
    Listen { actor: ActorId, listens: bool },
    /// Something that the actor broadcasts, for those who listen elsewhere. Opaque here.
    Event { actor: ActorId, body: Bytes },
    /// Tells once that another process, or environment, is no more: [`News::Died`].
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
    /// Other processes that have no lease any more, or environments of this process that are gone. Told before anything that is
    /// found without an owner because of it, whether or not somebody heeds them.
    Died(Vec<u64>),
    /// Our lease had run out: others may have taken this process for dead.
    Lapsed,
    Holds(bool),
    /// A message, now durable, for an actor that we have: another environment of this process has sent it.
    Sent {
        receiver: ActorId,
        row: InboxRow,
    },
    /// An actor that nobody has any more, and of which we have asked something.
    Wanted(ActorId),
    /// An environment of this process has ended: what it had is to be taken up by the others.
    Left,
    /// Whether somebody elsewhere listens to what the actor broadcasts.
    Listened {
        actor: ActorId,
        listens: bool,
    },
    /// What an actor of another process, or of another environment of this one, has broadcast: `writer` says which. Those of
    /// one in order, each at most once.
    Event {
        actor: ActorId,
        writer: u64,
        body: Bytes,
    },
    /// What was asked could not be done.
    Failed(StoreError),
}
