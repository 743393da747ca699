//! What goes out: work for the adapter and the store, and answers that may leave.

use bytes::Bytes;

use crate::answers::Answer;
use crate::failure::{Failure, Terminal};
use crate::history::Divergence;
use crate::ids::CommitId;
use crate::inbox::{Message, MessageKey};
use crate::input::{CallId, OpId, ReportId, ScopeId, Time};

#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Make this durable, after everything before it; then say `Durable`.
    Commit(Change),
    /// Somebody waits for lazy changes: write them now.
    Hurry,
    /// What became of a settled attempt's draft. Comes before any other output of the same turn.
    Verdict { attempt: Attempt, verdict: Verdict },

    /// Call the workflow's function with this input, with a context of this scope. `rebuild`: only to find the handlers that
    /// undo what it did.
    RunWorkflow { scope: ScopeId, input: Option<Bytes>, replaying: bool, rebuild: bool, at: Time },
    /// Run the body of this step.
    Execute { op: OpId, attempt: u32 },
    /// Run the handler of this message; then say `Received`. On a conflict the adapter runs it again by itself.
    Receive { receipt: u64, attempt: u32, id: String, name: String, body: Bytes },
    /// Run this schedule, which was due at that time; then say `Received`, and send the next tick. `attempt` 0: it has failed for
    /// good, and only the next tick is to be sent.
    Tick { receipt: u64, attempt: u32, id: String, name: String, spec: Bytes, due_at: Time },
    /// The handler's attempt is dead: it has taken too long.
    AbortReceipt { receipt: u64, attempt: u32, timeout_ms: i64 },
    /// What became of the message, and what the handler did, is durable.
    Received { receipt: u64 },
    /// Another actor has ordered that this one be made, with this input: say `Create`, or `NotOrdered`.
    Ordered { input: Option<Bytes> },
    /// The actor has been destroyed, durably.
    Destroyed,
    /// Run the handler that undoes this step, with its output; `attempted`: the one for a step that never committed. `attempt`
    /// has the bit [`UNDOES`], so that what a dead attempt at the step still says is not taken for the handler's.
    Undo { op: OpId, attempt: u32, attempted: bool, output: Value },
    /// The attempt is dead: nothing that it still does counts.
    Abort { op: OpId, attempt: u32, reason: AbortReason },
    /// Run the loop's callback with a context of this scope. `ahead`: so many of the iterations after it may begin before they
    /// are asked for, in scopes of the numbers that follow.
    Iterate { op: OpId, scope: ScopeId, state: Value, replaying: bool, ahead: u32 },
    /// Run this branch's callback with a context of this scope.
    Branch { op: OpId, scope: ScopeId, index: u32, replaying: bool },
    /// Run the try block's callback with a context of this scope.
    Enter { op: OpId, scope: ScopeId, replaying: bool },
    /// A callback is given up: its branch has lost. What is pending in its scope rejects.
    Cancelled { scope: ScopeId },
    /// The workflow's function is over, whatever it still does: the run undoes what it did, or ends. Handlers are kept.
    Halted { reason: Halt },
    /// An operation has its fact.
    Resolve { op: OpId, value: Value, told: Told },
    /// What is recorded next in a scope whose code has just been told something: the adapter may answer these steps by itself, if
    /// they are what the code asks for next, in this order. `replaying`: whether more is recorded than these.
    Ahead { scope: ScopeId, steps: Vec<Ahead>, replaying: bool },
    /// A step has failed for good.
    Reject { op: OpId, terminal: Terminal, attempts: u32, failure: Failure, told: Told },
    /// The loop or try block ends with what its callback threw.
    Rethrow { op: OpId },
    /// A failure is durable: call the hook, then say `Reported`.
    Report { report: ReportId, event: FailureEvent },

    /// What the hook did is durable.
    Reported { report: ReportId },
    /// What the call asked for is durable: its answer may leave.
    Reply { call: CallId },
    /// The same of a call that wrote nothing: what it saw is durable, and its answer may leave if nobody else has taken the
    /// actor over since.
    Looked { call: CallId },
    /// The message is durable, under this id.
    Sent { call: CallId, message_id: String },
    /// The call is refused; nothing of it has happened.
    Refuse { call: CallId, reason: Refusal },
    /// The run has ended, durably.
    RunEnded(RunOutcome),
    /// The run is parked, undamaged.
    Parked(Divergence),
    /// A message was answered, durably.
    Answered { message_id: String, reply: Answer },
    /// Ask an embedding host's queue, once, for up to so many of these messages (none: any); then say `Polled`.
    Want { op: OpId, names: Vec<String>, count: u32 },
    /// What a step did whose outcome was told before it was durable is so now.
    Durable { op: OpId },
    /// The run waits, durably, for the alarm or for one of these messages (`None`: for no message; none named: for any).
    Suspended { alarm: Option<Time>, names: Option<Vec<String>> },
    /// What the run waits for is due: look whether somebody else has written meanwhile; if not, say `GoOn`.
    Due,
    /// The adapter broke its contract.
    Misuse { op: Option<OpId>, misuse: Misuse },
}

/// A step that has completed, and the outcome of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    pub name: String,
    pub value: Value,
    /// When that became a fact.
    pub at: Time,
}

/// Set in the numbers of attempts at undoing a step; the rest counts from 1.
pub const UNDOES: u32 = 1 << 31;

/// What goes with a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// When it became one, in milliseconds since the epoch; 0 for what has no time of its own.
    pub at: Time,
    /// Whether more is recorded in the operation's scope that the code has not come to.
    pub replaying: bool,
}

/// Why the workflow's function is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    RollingBack,
    Cancelled,
    Restarted,
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
    Messages(Vec<Bytes>),
    /// What became of a fork.
    Branches {
        winner: Option<u32>,
        branches: Vec<BranchValue>,
    },
}

/// What became of one branch.
#[derive(Debug, Clone, PartialEq)]
pub enum BranchValue {
    /// What the adapter itself settled the branch with.
    Kept,
    Nothing,
    Encoded(Bytes),
    Failed(Failure),
    /// It was given up, or never begun.
    Cancelled,
}

/// Whose draft a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    Step { op: OpId, attempt: u32 },
    Action { call: CallId },
    Report { report: ReportId },
    Receive { receipt: u64, attempt: u32 },
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedPart {
    Step,
    /// The handler that undoes a step.
    Rollback,
    Workflow,
    /// The handler of a message.
    Receive,
    Schedule,
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
    /// The actor has been destroyed, and not made again.
    Destroyed,
    /// Other attempts kept the actor for too long.
    Busy,
    /// The actor was being read back after a failed write: nothing has happened.
    Lost,
    /// What was asked for does not fit the state; says why.
    Broken(String),
    /// There is no run to cancel, nothing to try again, or no such entry to go back to; says which.
    Nothing(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub struct FailureEvent {
    pub part: FailedPart,
    /// The step's name; `None`: the workflow itself.
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
    Cancelled(Option<String>),
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
    /// There is no message of this id that waits for an answer.
    NotCompletable {
        message_id: String,
    },
}

/// A message on its way to an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// The receiver's `type/key`; none: the actor itself. Of a message to another actor whoever drives this one knows the
    /// sender: the key says nothing of it.
    pub receiver: Option<String>,
    pub message: Message,
}

/// The indivisible writes of one transition.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub seq: u64,
    pub id: CommitId,
    /// The record, as `codec::change` writes it.
    pub body: Bytes,
    pub put: Vec<Put>,
    pub take: Vec<MessageKey>,
    /// Replies to calls from other processes.
    pub answers: Vec<crate::input::Answer>,
    /// When the actor must be loaded again if nobody has it: work that can go on at once is due at 0.
    pub alarm: Option<Time>,
    pub status: Status,
    pub state_version: u32,
    /// Nobody waits for it: it may be written together with the next change that is not lazy.
    pub lazy: bool,
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
    RollingBack,
    Cancelled,
}
