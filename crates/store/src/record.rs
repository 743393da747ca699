//! What a store keeps: actors, their changes, the messages that wait for them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::shared::Answer;

/// Who an actor is: its namespace (a tenant; the first element of every key) and `type/key`.
///
/// A type has no `/`, so the first one parts the two; the key may hold more of them. Ordered bytewise, namespace
/// first, in every store alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl ActorId {
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (namespace {})", self.name, self.namespace)
    }
}

/// What is known of an actor without reading its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorRow {
    /// The epoch under which its newest change was written.
    pub epoch: u64,
    /// The seq of its newest change; changes are numbered from 1, without a gap.
    pub seq: u64,
    /// When it must be loaded next, in ms since 1970; a time in the past means work to do now; `None`, never.
    pub alarm: Option<i64>,
    pub status: Status,
    /// The version of the state that its code declared at its newest change.
    pub state_version: u32,
}

/// How an actor's workflow stands, in the words that people see; stored as those words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The actor has no workflow.
    None,
    Running,
    Waiting,
    RollingBack,
    Completed,
    Failed,
    Cancelled,
    Parked,
    Quarantined,
}

impl Status {
    pub const ALL: [Status; 9] = [
        Self::None,
        Self::Running,
        Self::Waiting,
        Self::RollingBack,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Parked,
        Self::Quarantined,
    ];

    /// The word that is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::RollingBack => "rolling_back",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Parked => "parked",
            Self::Quarantined => "quarantined",
        }
    }

    /// The status that `word` names, if any does.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A message that waits in an actor's inbox, named within it by sender and the sender's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    pub sender: Arc<str>,
    pub sender_seq: u64,
    pub body: Bytes,
}

/// A message to put into an inbox. The receiver is named without a namespace: it has the sender's, so that one tenant
/// cannot name another's actors. It need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub receiver: Arc<str>,
    pub row: InboxRow,
}

/// The indivisible writes of one transition of one actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// One more than the actor's newest; 1 makes the actor.
    pub seq: u64,
    /// The core's record, opaque here; it carries its own checksum.
    pub body: Bytes,
    /// Messages sent. A message that is there already with the same body is left as it is.
    pub put: Vec<Put>,
    /// Messages consumed, (sender, sender's seq), from the actor's own inbox. Each must be there; one put by this same
    /// change is.
    pub take: Vec<(Arc<str>, u64)>,
    /// The replies to calls from other processes that it carries; only in a shared store. Each call must be there and have none.
    pub answers: Vec<Answer>,
    /// The actor's alarm from now on (not "unchanged").
    pub alarm: Option<i64>,
    pub status: Status,
    pub state_version: u32,
}

impl Change {
    /// A change that sends and takes nothing, sets no alarm, and has state version 1.
    pub fn new(seq: u64, body: impl Into<Bytes>, status: Status) -> Self {
        Self {
            seq,
            body: body.into(),
            put: Vec::new(),
            take: Vec::new(),
            answers: Vec::new(),
            alarm: None,
            status,
            state_version: 1,
        }
    }
}

/// Whole changes of one actor, committed together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub actor: ActorId,
    /// The epoch that opening the actor gave.
    pub epoch: u64,
    /// At least one; contiguous, the first one after the actor's newest.
    pub changes: Vec<Change>,
}

impl Batch {
    /// The bytes of all bodies, messages included: what limits and bounds are measured in.
    pub fn bytes(&self) -> usize {
        let put = |change: &Change| change.put.iter().map(|put| put.row.body.len()).sum::<usize>();
        self.changes.iter().map(|change| change.body.len() + put(change)).sum()
    }
}

/// Everything of an actor up to a change, in chunks, so that what came before need not be read.
///
/// Several may be kept: opening reads the newest, the older ones are where what was true before is read from. They share
/// chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The change up to which it holds everything.
    pub seq: u64,
    /// The core's record of what its chunks are, opaque here; it carries its own checksum.
    pub body: Bytes,
    /// The numbers of the chunks that opening reads, in order.
    pub open: Vec<u64>,
    /// The numbers of the chunks that are read only when asked for ([`Scopes::All`]), in order.
    pub closed: Vec<u64>,
}

impl Snapshot {
    /// The numbers of the chunks that are read for `scopes`, in order.
    pub fn read_for(&self, scopes: Scopes) -> impl Iterator<Item = &u64> {
        let closed = if scopes == Scopes::All { &self.closed[..] } else { &[] };
        self.open.iter().chain(closed)
    }
}

/// Which chunks of a snapshot are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// What the actor needs to go on.
    Open,
    /// What is over and still kept, too.
    All,
}

/// One transaction of the work that puts a snapshot in the place of changes. Applied in the order of its fields; every
/// field may be empty. Whoever makes it keeps each one small (1 MiB), so that commits need not wait for it: first the
/// chunks, in several; then the snapshot that refers to them; then what is no longer needed, in several. Wherever that
/// ends, what is stored is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    pub actor: ActorId,
    /// The epoch that opening the actor gave.
    pub epoch: u64,
    /// (number, body). A chunk that is there already is replaced: one that no snapshot refers to is what an earlier
    /// compaction left when it died.
    pub put_chunks: Vec<(u64, Bytes)>,
    /// Newer than every other one, and of a change that is there.
    pub put_snapshot: Option<Snapshot>,
    /// Deletes the snapshots of changes before this one; the newest must stay.
    pub drop_snapshots: Option<u64>,
    /// Deletes the changes up to this one; the oldest snapshot must hold them.
    pub drop_changes: Option<u64>,
    /// Deletes chunks that no snapshot refers to. One that is not there is no error.
    pub drop_chunks: Vec<u64>,
}

impl Compaction {
    /// One that does nothing yet.
    pub fn new(actor: ActorId, epoch: u64) -> Self {
        let (put_chunks, drop_chunks) = (Vec::new(), Vec::new());
        Self { actor, epoch, put_chunks, put_snapshot: None, drop_snapshots: None, drop_changes: None, drop_chunks }
    }

    /// The bytes that it writes.
    pub fn bytes(&self) -> usize {
        let snapshot = |snapshot: &Snapshot| snapshot.body.len() + 8 * (snapshot.open.len() + snapshot.closed.len());
        self.put_chunks.iter().map(|(_, body)| body.len()).sum::<usize>()
            + self.put_snapshot.as_ref().map_or(0, snapshot)
    }
}

/// Takes away, slice by slice, an actor of which nothing need be known any more: its newest snapshot says that it was
/// destroyed. What the snapshot makes needless goes first, so that the actor can be opened wherever that ends; then, in one
/// slice, the snapshot, what followed it, and the actor's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    pub actor: ActorId,
    /// The epoch that opening the actor gave.
    pub epoch: u64,
    /// The actor's newest change: if there is a newer one, it is used again.
    pub seq: u64,
    /// What any number that it gave to messages or to its lives was below. The store keeps the highest of all that it has
    /// forgotten, and tells whoever opens an actor that it does not know.
    pub floor: u64,
}

/// How many rows one slice of a [`Forget`] takes away.
pub const SLICE_ROWS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_again_by_its_word() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.word()), Some(status));
        }
        assert_eq!(Status::from_word("Running"), None);
    }

    #[test]
    fn ids_sort_by_the_bytes_of_namespace_then_name() {
        let mut ids = [ActorId::new("b", "a/1"), ActorId::new("a", "b/1"), ActorId::new("a", "B/1")];
        ids.sort();
        assert_eq!(ids, [ActorId::new("a", "B/1"), ActorId::new("a", "b/1"), ActorId::new("b", "a/1")]);
    }
}
