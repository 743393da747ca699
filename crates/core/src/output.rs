//! What goes out: work for the adapter and the store, and answers that may leave.

use bytes::Bytes;

use crate::failure::{Failure, Terminal};
use crate::history::Divergence;
use crate::ids::CommitId;
use crate::inbox::{Message, MessageKey};
use crate::input::{CallId, OpId, ReportId, ScopeId, Time};

#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Make this durable, after everything before it; then say `Durable`.
    Commit(Change),
    /// What became of a settled attempt's draft. Comes before any other output of the same turn.
    Verdict { attempt: Attempt, verdict: Verdict },

    /// Call the workflow's function with this input, with a context of this scope.
    RunWorkflow { scope: ScopeId, input: Option<Bytes> },
    /// Run the body of this step.
    Execute { op: OpId, attempt: u32 },
    /// The attempt is dead: nothing that it still does counts.
    Abort { op: OpId, attempt: u32, reason: AbortReason },
    /// Run the loop's callback with a context of this scope.
    Iterate { op: OpId, scope: ScopeId, state: Value },
    /// An operation has its fact.
    Resolve { op: OpId, value: Value },
    /// A step has failed for good.
    Reject { op: OpId, terminal: Terminal, attempts: u32, failure: Failure },
    /// The loop ends with what its callback threw.
    Rethrow { op: OpId },
    /// A failure is durable: call the hook, then say `Reported`.
    Report { report: ReportId, event: FailureEvent },

    /// What the hook did is durable.
    Reported { report: ReportId },
    /// What the call asked for is durable: its answer may leave.
    Reply { call: CallId },
    /// The call is refused; nothing of it has happened.
    Refuse { call: CallId, reason: Refusal },
    /// The run has ended, durably.
    RunEnded(RunOutcome),
    /// The run is parked, undamaged.
    Parked(Divergence),
    /// The adapter broke its contract.
    Misuse { op: Option<OpId>, misuse: Misuse },
}

/// Why an attempt was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    TimedOut {
        timeout_ms: i64,
    },
    /// Its scope has ended without it.
    Cancelled,
}

/// The value that resolves an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// What the adapter itself settled the operation with a moment ago.
    Kept,
    /// `undefined`.
    Nothing,
    Encoded(Bytes),
    /// A message, as its encoded record.
    Message(Bytes),
}

/// Whose draft a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    Step { op: OpId, attempt: u32 },
    Action { call: CallId },
    Report { report: ReportId },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Part of change `seq`, which every later draft sees.
    Queued { seq: u64 },
    /// There was nothing to write; the draft may close.
    Clean,
    /// Another attempt's change came between: drop the draft. A step is executed again by an `Execute` of its own; an
    /// action and a report are to be run again at once. After three conflicts the rerun is `alone`.
    Conflict { path: String, alone: bool },
    /// The attempt was dead already.
    Stale,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The actor exists already.
    Exists,
    /// The run has ended and takes no more messages.
    RunEnded,
    InboxFull,
    /// Other attempts kept the actor for too long.
    Busy,
    /// The actor was being read back after a failed write: nothing has happened.
    Lost,
    /// What was asked for does not fit the state; says why.
    Broken(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct FailureEvent {
    /// `None`: the workflow itself.
    pub step: Option<String>,
    pub attempt: u32,
    /// When the next attempt is due; `None`: there is none.
    pub retry_at: Option<Time>,
    pub failure: Failure,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RunOutcome {
    Completed(Option<Bytes>),
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// The context already has a pending operation.
    EntryInProgress {
        pending: String,
    },
    /// A callback settled while its context had a pending operation.
    EntryPending {
        pending: String,
    },
    DuplicateName {
        name: String,
    },
    /// Too many operations at once.
    TooManyOperations,
}

/// The indivisible writes of one transition.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub seq: u64,
    pub id: CommitId,
    /// The record, as `codec::change` writes it.
    pub body: Bytes,
    pub put: Vec<Message>,
    pub take: Vec<MessageKey>,
    /// When the actor must be loaded again if nobody has it: work that can go on at once is due at 0.
    pub alarm: Option<Time>,
    pub status: Status,
    pub state_version: u32,
}

/// Where an actor's run stands, for people and for the next load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// The actor has no workflow.
    #[default]
    None,
    Running,
    Waiting,
    Completed,
    Failed,
    Parked,
}
