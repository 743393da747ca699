//! The contract between a store and whoever drives it. `tests/conformance` holds every store to it.

use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use bytes::Bytes;
use pawl_core::codec::change::ChangeRecord;

use crate::error::StoreError;
use crate::record::{ActorId, ActorRow, Batch, Compaction, Forget, InboxRow, Scopes, Snapshot};
use crate::shared::{News, Sharing};

/// A caller's name for a request; its completion bears the same. The caller keeps them unique and above [`OPENING`].
pub type Ticket = u64;

/// The ticket of the completion that says whether the store was opened: the first completion of every store, and
/// another one each time it has reopened itself.
pub const OPENING: Ticket = 0;

/// What the names begin with by which a shared store lists its living processes among notes; the body of our own is not empty.
pub const PROCESSES: &str = "process/";

/// The ticket of [`Completion::Woken`], and of [`News`] for which nobody asked.
pub const WOKEN: Ticket = Ticket::MAX;

/// Called when the queue of completions was empty and no longer is: from the store's own thread, or (memory) from within
/// `submit` on the caller's. It must only leave word: it must not call the store, nor wait for a lock that a caller of
/// the store may hold. It comes after the completions: whoever drained them meanwhile is woken for nothing.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// How to open a store.
#[derive(Clone)]
pub struct OpenOptions {
    pub wake: Wake,
    /// How long to try for the lock of a store that someone else has open (5 s).
    pub lock_patience: Duration,
    /// How long to try when another program (`sqlite3`, a backup) holds the database's own write lock (5 s).
    pub busy_patience: Duration,
    pub limits: Limits,
    /// Of a shared store: how long a process that has gone quiet owns its actors (10 s), unless its URL says so.
    pub lease: Duration,
    /// Who opens it: other environments (threads) of this process that open the same SQLite file join it, one each. None: nobody
    /// can, and it joins nobody.
    pub environment: Option<ThreadId>,
    /// Of a shared store: how long whoever drives it may leave the wake unanswered before it is taken for stuck, and its
    /// lease is no longer renewed (60 s).
    pub stall_limit: Duration,
    /// The version of the code that drives it: of a shared store, a run that one version has parked is offered to others.
    pub code: Arc<str>,
}

impl OpenOptions {
    pub fn new(wake: Wake) -> Self {
        let patience = Duration::from_secs(5);
        Self {
            wake,
            lock_patience: patience,
            busy_patience: patience,
            limits: Limits::default(),
            lease: Duration::from_secs(10),
            environment: None,
            stall_limit: Duration::from_secs(60),
            code: "".into(),
        }
    }
}

/// What is refused, for being too large, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The body of a change (256 MiB and 1 MiB of room: a whole state fits).
    pub change_bytes: usize,
    /// The body of a message (1 MiB and 64 KiB of room for what the core wraps around the user's).
    pub message_bytes: usize,
    /// Changes, messages put and messages taken of a batch, together (100,000).
    pub batch_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { change_bytes: 257 << 20, message_bytes: (1 << 20) + (64 << 10), batch_rows: 100_000 }
    }
}

/// Which store this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// 16 random bytes, made when the store was created and kept in it.
    pub id: [u8; 16],
    /// The store's name for people: the URL it was opened with.
    pub url: Arc<str>,
    /// The epoch of this opening; batches of an earlier one are refused.
    pub epoch: u64,
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches answered `Yes`.
    pub batches: u64,
    /// Changes in them.
    pub changes: u64,
    /// Transactions that made them durable: one sync each.
    pub transactions: u64,
    /// Times a transaction found the file locked by another program.
    pub busy: u64,
    /// Checkpoints that moved the log into the file.
    pub checkpoints: u64,
    /// Times the store has reopened itself after a failure.
    pub reopenings: u64,
    /// Changes and chunks read for an `Open` or a `Read`, and the bytes of their bodies.
    pub rows_read: u64,
    pub bytes_read: u64,
    /// Snapshots put, and the chunks of all compactions, with the bytes of their bodies.
    pub snapshots: u64,
    pub chunks_put: u64,
    pub chunk_bytes: u64,
}

impl Stats {
    pub fn read(&mut self, chunks: &[(u64, Bytes)], changes: &[(u64, Bytes)]) {
        for (_, body) in chunks.iter().chain(changes) {
            self.rows_read += 1;
            self.bytes_read += body.len() as u64;
        }
    }

    /// Adds what a transaction has read and compacted.
    pub fn add(&mut self, done: Stats) {
        self.rows_read += done.rows_read;
        self.bytes_read += done.bytes_read;
        self.snapshots += done.snapshots;
        self.chunks_put += done.chunks_put;
        self.chunk_bytes += done.chunk_bytes;
    }

    pub fn compacted(&mut self, piece: &Compaction) {
        self.snapshots += u64::from(piece.put_snapshot.is_some());
        self.chunks_put += piece.put_chunks.len() as u64;
        self.chunk_bytes += piece.put_chunks.iter().map(|(_, body)| body.len() as u64).sum::<u64>();
    }
}

/// What a caller asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Everything of an actor, and the epoch under which it may be written. Passes through the queue behind the actor's
    /// earlier batches. In a shared store it makes the caller the owner, under a new epoch, or fails with `actor_owned`.
    Open { actor: ActorId, scopes: Scopes },
    /// What is kept of an actor up to a change (`u64::MAX`: up to its newest), without its epoch: it may be open elsewhere.
    /// Of the changes, those from `since` on at the least; what was before them is in a snapshot. Where the changes from
    /// there on are not kept, it begins with the oldest snapshot. Fails with `state_unavailable` if what was at `up_to` is
    /// not kept.
    Read { actor: ActorId, since: u64, up_to: u64, scopes: Scopes },
    /// Makes a batch durable, if its epoch is the actor's present one and its first seq follows the actor's newest.
    Commit(Batch),
    /// Makes a piece of a compaction durable, if its epoch is the store's present one; answered as a commit is. What it
    /// says about what is stored is checked: `conflict`.
    Compact(Compaction),
    /// Takes away a slice of an actor that was destroyed, if its epoch and seq are the actor's present ones; answered by
    /// `Forgot`, or as a commit that failed. `conflict`: it has more than a slice behind its newest snapshot.
    Forget(Forget),
    /// The actors, in order of id from the one behind `after`, that have an alarm or a message waiting. A full answer
    /// (`limit` rows) may have more behind it.
    Alarms { after: Option<ActorId>, limit: usize },
    /// All actors of a namespace, in order of id from the one behind `after`, with their rows. A full answer (`limit` rows)
    /// may have more behind it.
    Actors { namespace: Arc<str>, after: Option<Arc<str>>, limit: usize },
    /// Writes notes of whoever drives the store, all or none, in place of what is there under these names; `None` takes one away.
    /// They belong to no actor, and no epoch fences them. Answered as a commit is.
    Note { puts: Vec<(Arc<str>, Option<Bytes>)> },
    /// The notes whose names begin so, in order of name. [`PROCESSES`] are no notes, but the processes that are alive now.
    Notes { prefix: Arc<str> },
}

impl Request {
    /// How an actor stands now.
    pub(crate) fn newest(actor: ActorId) -> Self {
        Self::Read { actor, since: u64::MAX, up_to: u64::MAX, scopes: Scopes::Open }
    }

    /// What must be known to answer it without looking into it.
    pub fn asked(&self) -> Asked {
        match self {
            Self::Commit(_) | Self::Compact(_) | Self::Forget(_) | Self::Note { .. } => Asked::Commit,
            Self::Open { .. } | Self::Read { .. } | Self::Alarms { .. } | Self::Actors { .. } | Self::Notes { .. } => {
                Asked::Read
            }
        }
    }
}

/// What must be known of a request to answer it without looking into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Commit,
    Read,
}

impl Asked {
    /// The answer to a request of which nothing was done.
    pub fn refused(self, error: StoreError) -> Completion {
        match self {
            Self::Commit => Completion::Committed(Outcome::No(error)),
            Self::Read => Completion::Failed(error),
        }
    }

    /// The answer to a request of which it is not known what was done. Reading does nothing, so that is known.
    pub fn lost(self, error: StoreError) -> Completion {
        match self {
            Self::Commit => Completion::Committed(Outcome::Unknown(error)),
            Self::Read => Completion::Failed(error),
        }
    }
}

/// What became of a request, or of the opening.
#[derive(Clone, Debug)]
pub enum Completion {
    /// The store is open. A second one, with a higher epoch: it has reopened itself after a failed write; batches of the
    /// earlier epoch are refused, and every actor must be opened again.
    Ready(StoreInfo),
    Opened(Opened),
    Read(Past),
    Committed(Outcome),
    /// A slice is gone, durably; `done`: it was the last one.
    Forgot {
        done: bool,
    },
    Alarms(Vec<Due>),
    Actors(Vec<Listed>),
    Notes(Vec<(Arc<str>, Bytes)>),
    /// Of a shared store, unasked: actors that have work now and no living owner, or are ours and have been sent something.
    Woken(Vec<Due>),
    /// Of a shared store: what came of [`Store::share`], or what other processes have said.
    News(News),
    /// The opening, an `Open`, a `Read` or an `Alarms` failed. Nothing happened.
    Failed(StoreError),
}

/// An actor, as far as it is durable.
#[derive(Clone, Debug)]
pub struct Opened {
    /// `None`: it has no change yet. (Messages may wait for it all the same.)
    pub row: Option<ActorRow>,
    /// The epoch that its batches must bear.
    pub epoch: u64,
    /// What the numbers of every actor that the store has forgotten were below; see [`Forget`].
    pub floor: u64,
    /// The newest one, if there is any.
    pub snapshot: Option<Snapshot>,
    /// (number, body) of the snapshot's chunks: the open ones in order, then, if asked for, the closed ones.
    pub chunks: Vec<(u64, Bytes)>,
    /// Of a store whose rows are no changes: what they come to, with their seqs, in the place of the first of `changes`.
    pub read: Vec<(u64, ChangeRecord)>,
    /// (seq, body), from the one after the snapshot (or from 1) to `row.seq`.
    pub changes: Vec<(u64, Bytes)>,
    /// In order of sender, then the sender's seq.
    pub inbox: Vec<InboxRow>,
}

/// What is kept of an actor up to a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// As it is now, whatever was asked for.
    pub row: Option<ActorRow>,
    /// The newest one before the changes that were asked for, or the oldest, if that is not beyond them; if there is any.
    pub snapshot: Option<Snapshot>,
    /// As in [`Opened`].
    pub chunks: Vec<(u64, Bytes)>,
    /// From the one after the snapshot (or from 1) to what was asked for.
    pub changes: Vec<(u64, Bytes)>,
    /// Every snapshot, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The numbers of all chunks, in order, also of those that no snapshot refers to.
    pub all_chunks: Vec<u64>,
    /// The oldest change that is still there.
    pub oldest_change: Option<u64>,
    /// What waits for it now, whatever was asked for, as in [`Opened`].
    pub inbox: Vec<InboxRow>,
    /// Of a shared store: the process that has it now, in words; none if no living one has.
    pub owner: Option<String>,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Durable.
    Yes,
    /// Not written, now or later; the error says why. Whether it may be submitted again is `error.retryable`.
    No(StoreError),
    /// Written or not: nobody knows yet. It must be read back under a new epoch (open the actor again) before anything is
    /// concluded.
    Unknown(StoreError),
}

/// An actor that must be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub actor: ActorId,
    /// Its alarm; `None` for an actor listed only for its messages.
    pub alarm: Option<i64>,
    /// Whether a message waits in its inbox.
    pub inbox: bool,
    /// Whether its run is parked: other code than the one that parked it may take it before its alarm.
    pub parked: bool,
}

/// An actor that is stored, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `type/key`.
    pub name: Arc<str>,
    pub row: ActorRow,
    /// Of a shared store: the process that has it, in words; none if no living one has.
    pub owner: Option<String>,
}

/// Where actors are kept.
///
/// Every submitted request is answered exactly once, those of one actor in the order of their submission (an `Alarms`
/// sees what was submitted before it). What a completion shows is durable when it is drained. After [`Store::close`]
/// requests fail with `store_unavailable`; after [`Store::abandon`] nothing is answered.
pub trait Store: Send {
    /// Takes a request; never waits for input or output.
    fn submit(&mut self, ticket: Ticket, request: Request);

    /// Gives up an actor, behind what was submitted for it: another process may open it. A store with one owner has nothing
    /// to give up. Not answered.
    fn release(&mut self, _actor: &ActorId) {}

    /// Does something that concerns other processes. A store with one owner does nothing.
    fn share(&mut self, _ticket: Ticket, _sharing: Sharing) {}

    /// The number by which other processes, or other environments of this one, know this one; none in a store that has nobody
    /// else, and until the store is open.
    fn process(&self) -> Option<u64> {
        None
    }

    /// Whether another environment of this process has the actor: then it is for that one.
    fn is_elsewhere(&self, _actor: &ActorId) -> bool {
        false
    }

    /// How many messages wait for an actor that another environment of this process has; none: it has none.
    fn waiting(&self, _actor: &ActorId) -> Option<usize> {
        None
    }

    /// Whether it is for this environment, first of all, to take up an actor that nobody has.
    fn is_home(&self, _actor: &ActorId) -> bool {
        true
    }

    /// Whether this process is sure to own what it has opened. A shared store is not while its lease may have run out.
    fn holds(&self) -> bool {
        true
    }

    /// Appends what has finished since, in order.
    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>);

    /// Requests submitted and not yet finished; finished and not yet drained ones do not count.
    fn pending(&self) -> usize;

    /// Waits until nothing is pending, the opening included. The completions are there to be drained.
    fn flush(&mut self);

    /// Counters of this opening.
    fn stats(&self) -> Stats;

    /// All that is durable, if nobody but this store can tell it; otherwise its URL leads there.
    fn whole(&self) -> Option<Box<dyn crate::whole::Source + Send>> {
        None
    }

    /// Finishes what was submitted, then releases the lock. What finished can still be drained.
    fn close(&mut self);

    /// Ends as a killed process would: nothing more is written, nothing more is answered (nor what had finished and was
    /// not drained), locks are released. A commit that was on its way may or may not be there. For crash tests.
    fn abandon(&mut self);
}
