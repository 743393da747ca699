//! Changes on their way to the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use pawl_core::codec::message::write_message;
use pawl_core::inbox::Message;
use pawl_core::output::{Change, Status};
use pawl_store::{ActorId, Batch, InboxRow, Put};

use crate::table::Handle;

/// The changes of one call of the host, by actor, in the order in which the actors first made one.
#[derive(Default)]
pub struct Batches {
    gathered: Vec<(Handle, Vec<Change>)>,
    /// Changes that nobody waits for, until one comes that somebody does.
    lazy: BTreeMap<Handle, Vec<Change>>,
}

/// So many changes that nobody waits for are written all the same.
const LAZY_LIMIT: usize = 256;

impl Batches {
    pub fn push(&mut self, handle: Handle, change: Change) {
        let lazy = change.lazy && self.lazy.get(&handle).is_none_or(|lazy| lazy.len() < LAZY_LIMIT);
        if lazy && !self.gathered.iter().any(|(other, _)| *other == handle) {
            return self.lazy.entry(handle).or_default().push(change);
        }
        self.hurry(handle);
        self.gather(handle, change);
    }

    /// Somebody waits for what nobody did.
    pub fn hurry(&mut self, handle: Handle) {
        if self.lazy.is_empty() {
            return;
        }
        for change in self.lazy.remove(&handle).unwrap_or_default() {
            self.gather(handle, change);
        }
    }

    fn gather(&mut self, handle: Handle, change: Change) {
        // The actor at hand is the last one, unless several take turns within a call.
        match self.gathered.iter_mut().rev().take(8).find(|(other, _)| *other == handle) {
            Some((_, changes)) => changes.push(change),
            None => self.gathered.push((handle, vec![change])),
        }
    }

    pub fn take(&mut self) -> Vec<(Handle, Vec<Change>)> {
        std::mem::take(&mut self.gathered)
    }

    /// Drops what an actor has gathered and returns it.
    pub fn remove(&mut self, handle: Handle) -> Vec<Change> {
        let (own, others) = std::mem::take(&mut self.gathered).into_iter().partition(|(other, _)| *other == handle);
        self.gathered = others;
        let own: Vec<(Handle, Vec<Change>)> = own;
        let lazy = self.lazy.remove(&handle).unwrap_or_default();
        own.into_iter().flat_map(|(_, changes)| changes).chain(lazy).collect()
    }
}

/// The batch of an actor's changes, as the store takes it.
pub fn batch(actor: ActorId, epoch: u64, changes: Vec<Change>) -> Batch {
    let changes = changes.into_iter().map(|change| store_change(&actor.name, change)).collect();
    Batch { actor, epoch, changes }
}

/// What changes send to other actors, as it arrives there.
pub fn posts(sender: &str, changes: &[Change]) -> Vec<Post> {
    let post = |change: &Change| {
        let puts = change.put.iter().filter_map(|put| Some((put.receiver.as_ref()?, &put.message)));
        let arrives = |message: &Message| {
            let mut message = message.clone();
            message.key.sender = sender.to_owned();
            message
        };
        let seq = change.seq;
        puts.map(|(to, message)| Post { seq, to: to.as_str().into(), message: arrives(message) }).collect::<Vec<_>>()
    };
    changes.iter().flat_map(post).collect()
}

/// A message to another actor, which leaves when the change is durable that sends it.
#[derive(Debug)]
pub struct Post {
    pub seq: u64,
    pub to: Arc<str>,
    pub message: Message,
}

fn store_change(actor: &Arc<str>, change: Change) -> pawl_store::Change {
    let put = |put: &pawl_core::output::Put| {
        let message = &put.message;
        let own = || (actor.clone(), Arc::from(message.key.sender.as_str()));
        let (receiver, sender) = put.receiver.as_deref().map_or_else(own, |to| (to.into(), actor.clone()));
        let row = InboxRow { sender, sender_seq: message.key.sender_seq, body: write_message(message) };
        Put { receiver, row }
    };
    pawl_store::Change {
        seq: change.seq,
        body: change.body,
        put: change.put.iter().map(put).collect(),
        take: change.take.into_iter().map(|key| (key.sender.into(), key.sender_seq)).collect(),
        answers: change
            .answers
            .into_iter()
            .map(|answer| pawl_store::Answer { id: answer.id.into(), body: answer.body })
            .collect(),
        alarm: change.alarm,
        status: match change.status {
            Status::None => pawl_store::Status::None,
            Status::Running => pawl_store::Status::Running,
            Status::Waiting => pawl_store::Status::Waiting,
            Status::Completed => pawl_store::Status::Completed,
            Status::Failed => pawl_store::Status::Failed,
            Status::Parked => pawl_store::Status::Parked,
            Status::RollingBack => pawl_store::Status::RollingBack,
            Status::Cancelled => pawl_store::Status::Cancelled,
        },
        state_version: change.state_version,
    }
}

/// The status of a row, as the core knows it.
pub fn core_status(status: pawl_store::Status) -> Status {
    use pawl_store::Status as Stored;
    match status {
        Stored::None => Status::None,
        Stored::Waiting => Status::Waiting,
        Stored::Completed => Status::Completed,
        Stored::Failed => Status::Failed,
        Stored::Parked => Status::Parked,
        Stored::RollingBack => Status::RollingBack,
        Stored::Cancelled => Status::Cancelled,
        Stored::Running | Stored::Quarantined => Status::Running,
    }
}
