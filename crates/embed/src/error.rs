//! The errors of a store that is a driver.

use bytes::Bytes;
use pawl_core::codec::CodecError;
use pawl_store::{ActorId, Code, StoreError};

use crate::keys;

/// A row that cannot be read, or does not fit the others. Nothing is written over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub key: Bytes,
    pub offset: usize,
    pub what: String,
    /// Only newer code reads it.
    pub newer: bool,
}

impl Damage {
    pub fn new(key: Bytes, what: impl Into<String>) -> Damage {
        Damage { key, offset: 0, what: what.into(), newer: false }
    }

    pub fn of(key: &Bytes, error: &CodecError) -> Damage {
        let newer = matches!(error, CodecError::Newer { .. });
        Damage { key: key.clone(), offset: error.offset(), what: error.to_string(), newer }
    }

    pub fn into_error(self, actor: &ActorId) -> StoreError {
        let key = keys::hex(&self.key);
        let (code, advice) = match self.newer {
            true => (Code::RecordNewer, "open it with the version of Pawl that wrote it"),
            false => (Code::RecordCorrupt, "keep a copy of the rows, and restore that row"),
        };
        let message = format!(
            "what is stored of {actor} cannot be read; the actor is left as it is.\n  found     {}\n  where     the row \
             with key {key}, at offset {}\n  do        {advice}",
            self.what, self.offset
        );
        let data = vec![("key", key), ("offset", self.offset.to_string())];
        StoreError { code, message, retryable: false, data }
    }
}

pub fn too_large(actor: &ActorId, what: &str, found: usize, limit: usize) -> StoreError {
    let message = format!(
        "a change of {actor} is too large for one batch of the driver; nothing of it was written.\n  found     {found} \
         {what}\n  expected  at most {limit}\n  do        store less at once, or let the driver take more (`limits`, \
         `atomicBatch`)"
    );
    let data = vec![("found", found.to_string()), ("limit", limit.to_string())];
    StoreError { code: Code::ChangeTooLarge, message, retryable: false, data }
}

pub fn not_open(actor: &ActorId) -> StoreError {
    let message = format!(
        "a batch of {actor} was refused: it does not follow what is stored.\n  found     a batch of an earlier opening\n  \
         expected  the next change of the present one\n  do        open the actor again, and go on from what is stored"
    );
    StoreError { code: Code::Fenced, message, retryable: false, data: Vec::new() }
}

pub fn other_actor(actor: &ActorId, receiver: &str) -> StoreError {
    let message = format!(
        "a message of {actor} was refused: its driver reaches no other actor.\n  found     the receiver {receiver}\n  \
         expected  the actor itself"
    );
    StoreError { code: Code::BadArgument, message, retryable: false, data: Vec::new() }
}

/// An embedding host's driver keeps the other engine's rows: nothing of what was before them.
pub fn no_snapshots() -> StoreError {
    StoreError::new(Code::StateUnavailable, "a host's driver keeps no snapshots, and nothing of what was".to_owned())
}

pub fn closed() -> StoreError {
    let message = "the driver has been closed.\n  do        open it again".to_owned();
    StoreError { code: Code::StoreUnavailable, message, retryable: false, data: Vec::new() }
}

/// A commit of several batches of which one failed: those before it are there.
pub fn in_part(error: StoreError) -> StoreError {
    let message = format!(
        "it is not known how much of several changes was written: {}\n  then      open the actor again, and look which \
         changes are there",
        error.message
    );
    StoreError { code: Code::OutcomeUnknown, message, retryable: false, data: error.data }
}
