//! What the adapter does with a driver, and what it says of it.

use bytes::Bytes;
use pawl_store::{ActorId, StoreError, Ticket};

/// Something to be done with one actor's driver. There is one piece of work at a time for each actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Read every row of the actor; answer with `Desk::loaded`.
    Load { ticket: Ticket, actor: ActorId },
    /// Make `calls`, one after another, up to the first that fails; say so with `Desk::written`. If all went well, make
    /// every call of `after`, whatever becomes of the one before it, and say with `Desk::settled` which failed.
    Write { ticket: Ticket, actor: ActorId, calls: Vec<Call>, after: Vec<Call> },
}

/// One call of a driver (engine behaviour 1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `set(key, value)`.
    Set { key: Bytes, value: Bytes },
    /// `batch(writes)`: within the limits, so atomic.
    Batch(Vec<(Bytes, Bytes)>),
    /// `delete(key)`.
    Delete { key: Bytes },
    /// `deletePrefix(prefix)`.
    DeletePrefix { prefix: Bytes },
    /// `deleteRange(start, end)`: `end` stays.
    DeleteRange { start: Bytes, end: Bytes },
    /// `setAlarm(id, at)`, in ms since 1970.
    SetAlarm { at: i64 },
    /// `clearAlarm(id)`.
    ClearAlarm,
    /// `messageDriver.addMessage`. A message that is added again has the same id.
    AddMessage { id: String, name: String, body: Bytes, sent_at: i64 },
    /// `messageDriver.completeMessage(id, response)`. May come again for a message that is completed.
    CompleteMessage { id: String, response: Option<Bytes> },
}

/// How much one `batch` call may write for the driver to write all of it or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub rows: usize,
    /// Of keys and values together.
    pub bytes: usize,
    /// Whether what follows a commit (deletions, messages, the alarm) is part of the last batch: the adapter gives the driver
    /// all calls of a change as one. Only answers to messages are told afterwards.
    pub together: bool,
}

impl Limits {
    /// What a driver takes that has no `atomicBatch` and states no limits (engine behaviour 2.5.2).
    pub const SPLIT: Limits = Limits { rows: 128, bytes: 999_424, together: false };
    /// What a driver with `atomicBatch` takes.
    pub const NONE: Limits = Limits { rows: usize::MAX, bytes: usize::MAX, together: false };

    /// Those that a host states, or else the defaults.
    pub fn of(stated: Option<Limits>, atomic_batch: bool) -> Limits {
        stated.unwrap_or(if atomic_batch { Limits::NONE } else { Limits::SPLIT })
    }
}

/// Every row of one actor: what the lists of `(1)`, `(2)`, `(4)`, `(9)` and the rows of `(3)` gave. In order of key, if each list
/// was; otherwise opening puts them in order.
pub type Rows = Vec<(Bytes, Bytes)>;

/// What became of the calls that decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Yes,
    /// A call failed, and it is certain that it did nothing.
    No(StoreError),
    /// A call failed, and may have done what it was asked for.
    Unknown(StoreError),
}

/// What opening an actor found beside its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Pawl has written here before.
    pub ours: bool,
    /// Another engine has written since: its entries come after ours.
    pub swapped: bool,
    /// There are cells. If `swapped`, they are as old as Pawl's last change.
    pub cells: bool,
}
