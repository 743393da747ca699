//! What comes in: calls of the adapter, and facts.

use bytes::Bytes;

use crate::failure::Failure;
use crate::retry::Policy;
use crate::state::{Delta, Reads};

/// An operation of the workflow: a number that the adapter gives, unique within the actor for as long as it is loaded.
pub type OpId = u64;
/// A scope of the running workflow: a number that the core gives, never used again while the process lives.
pub type ScopeId = u64;
/// A call from outside that waits for something to be durable: a number that the adapter gives.
pub type CallId = u64;
/// A failure that is being reported to the hook: the operation that failed, or 0 for the workflow itself.
pub type ReportId = u64;
/// Milliseconds since the epoch.
pub type Time = i64;

#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Make the actor. Refused if it exists.
    Create(Create),
    /// Replace the state by its migrated form, as a change of its own. Before `Start`.
    Migrate {
        state: Bytes,
        version: u32,
    },
    /// The adapter is ready: if there is a run that has not ended, call the workflow.
    Start(Start),
    /// A message from outside.
    Send {
        call: CallId,
        name: String,
        body: Bytes,
    },

    /// The workflow calls an operation in a scope.
    Step {
        scope: ScopeId,
        op: OpId,
        name: String,
        policy: Policy,
    },
    Sleep {
        scope: ScopeId,
        op: OpId,
        name: String,
        until: Until,
    },
    Next {
        scope: ScopeId,
        op: OpId,
        wait: NextWait,
    },
    Loop {
        scope: ScopeId,
        op: OpId,
        name: String,
        state: Option<Bytes>,
        keep: u32,
    },

    /// The body of a step has ended; `attempt` is the number that `Output::Execute` gave.
    Settle {
        op: OpId,
        attempt: u32,
        outcome: Outcome,
    },
    /// The body of an action has ended.
    Acted {
        call: CallId,
        outcome: Outcome,
    },
    /// The failure hook has ended.
    Reported {
        report: ReportId,
        outcome: Outcome,
    },
    /// The callback of an iteration has ended.
    Iterated {
        scope: ScopeId,
        outcome: Iterated,
    },
    /// The workflow's function has ended.
    Ended {
        scope: ScopeId,
        outcome: Ended,
    },

    /// The oldest change that an open draft of this actor is pinned to; `None`: no draft is open.
    Pins {
        oldest: Option<u64>,
    },
    /// Every change up to `seq` is durable.
    Durable {
        seq: u64,
    },
    /// Time has passed.
    Tick,
    /// Write down what the run waits for, so that the actor can be dropped.
    Suspend,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    pub call: CallId,
    /// Whether there is a workflow to run.
    pub workflow: bool,
    pub input: Option<Bytes>,
    /// The first state, as an encoded value; `None`: the actor has no state.
    pub state: Option<Bytes>,
    pub state_version: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Whether failures are to be reported to a hook.
    pub reports: bool,
    /// Names the code, for the record of a park.
    pub code_version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Milliseconds from now.
    After(i64),
    At(Time),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextWait {
    /// The wait's identity in the history.
    pub name: String,
    /// The messages that it takes; none: any.
    pub names: Vec<String>,
    pub timeout_ms: Option<i64>,
}

/// How an attempt's body ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done {
        /// The encoded output; `None`: `undefined`.
        output: Option<Bytes>,
        writes: Writes,
    },
    Threw {
        failure: Failure,
        /// The change that the attempt's draft was pinned to, if it read state: what it says may rest on it.
        pin: Option<u64>,
    },
}

/// What an attempt did: everything, or nothing, of it becomes part of one change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// One for each cell that the attempt touched.
    pub cells: Vec<CellWrites>,
    /// Messages to this actor's own inbox: name and encoded body.
    pub sends: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CellWrites {
    pub cell: String,
    /// The change that the draft was pinned to.
    pub pin: u64,
    /// `None`: it only read.
    pub delta: Option<Delta>,
    /// May be absent if the pin is still the head.
    pub reads: Option<Reads>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Iterated {
    /// On to the next iteration, with this state (`None`: `undefined`).
    Continue(Option<Bytes>),
    /// The loop ends with this value (`None`: `undefined`).
    Break(Option<Bytes>),
    /// The callback threw; the error stays in the adapter.
    Threw,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Returned(Option<Bytes>),
    Threw(Failure),
}
