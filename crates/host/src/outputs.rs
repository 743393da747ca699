//! What a call of the host says.

use std::sync::Arc;

use bytes::Bytes;
use pawl_core::OpenError;
use pawl_core::input::{CallId, Input as ActorInput, Time};
use pawl_core::output::{Attempt, Output as ActorOutput, Refusal, RunOutcome, Verdict};
use pawl_core::past::Was;
use pawl_store::{Listed, StoreError, StoreInfo};

use crate::past::Answer;
use crate::seeing::Seen;
use crate::table::Handle;

/// Everything that one call of the host says, in order. Verdicts first: the mirror of the state is patched before any
/// user code runs.
#[derive(Debug, Default)]
pub struct Turn {
    pub verdicts: Vec<(Handle, Attempt, Verdict)>,
    pub others: Vec<Output>,
    /// When the host next wants to be called, at the latest.
    pub next: Option<Time>,
    /// How much the store is doing.
    pub pending: usize,
    /// Whether the adapter is to call again, with `Input::Pulse`, when its event loop has come round.
    pub pulse: bool,
}

#[derive(Debug)]
pub enum Output {
    /// The store is open; or open again, under a new epoch.
    Ready(StoreInfo),
    /// The store could not be opened. Nothing else will work.
    StoreFailed(StoreError),
    /// An actor is loaded, or known not to exist.
    Opened {
        handle: Handle,
        facts: Facts,
    },
    OpenFailed {
        handle: Handle,
        error: Problem,
    },
    /// A batch of the actor was refused, or nobody knows: its run and its attempts are dead until it is `Reopened`.
    Lost {
        handle: Handle,
        error: StoreError,
    },
    /// It has been read back, and is loaded again. Calls that have not been answered by now have not happened.
    Reopened {
        handle: Handle,
        facts: Facts,
    },
    Actor {
        handle: Handle,
        output: ActorOutput,
    },
    /// What was asked of an actor's past.
    Past {
        handle: Handle,
        call: CallId,
        answer: Answer,
    },
    /// It cannot be told.
    PastFailed {
        handle: Handle,
        call: CallId,
        error: Problem,
    },
    /// Whether an actor that was to be retired is forgotten. If not, it has something to do, or to write down first.
    Retired {
        handle: Handle,
        gone: bool,
    },
    /// What was to be listed.
    Listed {
        ticket: u64,
        actors: Vec<Listed>,
    },
    /// The state as it was.
    SeenAt {
        ticket: u64,
        was: Was,
    },
    /// What was to be looked at; none: there is no such actor.
    Seen {
        ticket: u64,
        seen: Option<Box<Seen>>,
    },
    /// The notes that were asked for; none after some were written.
    Notes {
        ticket: u64,
        notes: Vec<(Arc<str>, Bytes)>,
    },
    LookFailed {
        ticket: u64,
        error: Problem,
    },
    /// This actor has work now.
    Wake {
        name: String,
    },
    /// Another process asks something of an actor of ours. It may be told again until it has been answered.
    Called {
        name: String,
        id: String,
        body: Bytes,
    },
    /// The reply to a call from here; an error: it was not made.
    Replied {
        name: String,
        id: String,
        reply: Result<Bytes, StoreError>,
    },
    /// How the run of somebody else's actor has ended; none: it is parked.
    Outcome {
        name: String,
        outcome: Option<RunOutcome>,
    },
    /// Whether somebody elsewhere listens to what an actor broadcasts.
    Listened {
        name: String,
        listens: bool,
    },
    /// What an actor of another process, or environment of this one, has broadcast.
    Event {
        name: String,
        writer: u64,
        body: Bytes,
    },
    /// Other processes, or environments of this one, that are no more.
    Died(Vec<u64>),
    /// Others may have taken this process for dead.
    Lapsed,
    /// Every actor that has work has been named.
    Resumed,
    ResumeFailed(StoreError),
}

/// What is known of an actor that has been loaded.
#[derive(Debug, Clone)]
pub struct Facts {
    pub exists: bool,
    /// Whether it was destroyed, and not made again.
    pub destroyed: bool,
    pub has_run: bool,
    /// How the run ended, if it has.
    pub outcome: Option<RunOutcome>,
    /// The version of its state's shape, and the newest change that wrote the state; none without state.
    pub state: Option<(u32, u64)>,
    /// The number of its newest change.
    pub seq: u64,
}

/// Why an actor cannot be loaded.
#[derive(Debug, Clone)]
pub enum Problem {
    Store(StoreError),
    /// What is stored of it is damaged. It is left as it is.
    Damaged {
        actor: Arc<str>,
        error: OpenError,
    },
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::Store(error)
    }
}

impl Turn {
    pub fn push(&mut self, handle: Handle, output: ActorOutput) {
        match output {
            ActorOutput::Verdict { attempt, verdict } => self.verdicts.push((handle, attempt, verdict)),
            output => self.others.push(Output::Actor { handle, output }),
        }
    }

    /// Answers what came for an actor that is not loaded just now: a call has not happened, an attempt is dead.
    pub fn refuse_lost(&mut self, handle: Handle, input: &ActorInput) {
        let mut stale = |attempt| self.verdicts.push((handle, attempt, Verdict::Stale));
        let call = match input {
            ActorInput::Settle { op, attempt, .. } => return stale(Attempt::Step { op: *op, attempt: *attempt }),
            ActorInput::Received { receipt, attempt, .. } => {
                return stale(Attempt::Receive { receipt: *receipt, attempt: *attempt });
            }
            ActorInput::Reported { report, .. } => return stale(Attempt::Report { report: *report }),
            ActorInput::Acted { call, .. } => {
                stale(Attempt::Action { call: *call });
                *call
            }
            ActorInput::Send { call, .. } | ActorInput::SendFor { call, .. } | ActorInput::Destroy { call } => *call,
            ActorInput::Create(create) => create.call,
            ActorInput::Replay { call, writes, .. } => {
                if !writes.cells.is_empty() {
                    stale(Attempt::Action { call: *call });
                }
                *call
            }
            ActorInput::Cancel { call, .. } | ActorInput::Retry { call } => *call,
            _ => return,
        };
        self.push(handle, ActorOutput::Refuse { call, reason: Refusal::Lost });
    }
}
