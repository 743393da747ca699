//! What comes in: calls of the adapter, and facts.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::record::CallKind;
use crate::failure::Failure;
use crate::inbox::{Message, Purpose};
use crate::retry::Policy;
use crate::scope::ForkRule;
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
    /// Gives a further cell its first value; one that is there keeps its own, unless it is to be replaced.
    Cell {
        name: String,
        value: Bytes,
        replace: bool,
    },
    /// Forget the run's execution, and nothing that is recorded.
    Evict,
    /// The adapter is ready: if there is a run that has not ended, call the workflow.
    Start(Start),
    /// Which messages have handlers. Before `Start`.
    Receives(Receives),
    /// The schedules that the actor's code declares. Before `Create`, which plans them, and before `Start`, which plans anew what
    /// has changed.
    Schedules(Vec<Schedule>),
    /// A message from outside.
    Send {
        call: CallId,
        name: String,
        body: Bytes,
        delay_ms: i64,
        keep: Option<Keep>,
    },
    /// The same, as the call of another process asks for it; its answer is the message's id.
    SendFor {
        /// The call's name.
        id: String,
        call: CallId,
        name: String,
        body: Bytes,
        delay_ms: i64,
        keep: Option<Keep>,
    },
    /// What another actor has sent, once that is durable.
    Arrived {
        message: Message,
    },

    /// The workflow calls an operation in a scope.
    Step {
        scope: ScopeId,
        op: OpId,
        name: String,
        policy: Policy,
        traits: StepTraits,
        /// When its first attempt has begun, by the adapter's clock; none: it runs once `Output::Execute` says so. Only a step
        /// that is certain to be new may begin in the call (see `Told::replaying`).
        begun: Option<Time>,
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
        /// How many past iterations stay, and after how many the others go.
        keep: u32,
        every: u32,
    },
    /// Several callbacks side by side.
    Fork {
        scope: ScopeId,
        op: OpId,
        name: String,
        fork: Fork,
    },
    /// A named scope whose failures the adapter may catch.
    Try {
        scope: ScopeId,
        op: OpId,
        name: String,
    },
    /// Which version of the code this run follows from here on.
    Version {
        scope: ScopeId,
        op: OpId,
        name: String,
        latest: u32,
    },
    /// The code no longer has an entry of this kind.
    Removed {
        scope: ScopeId,
        op: OpId,
        name: String,
        kind: String,
    },
    /// The run says whether it may undo.
    Checkpoint {
        scope: ScopeId,
        op: OpId,
        name: String,
    },
    /// A message from the workflow itself, recorded under `send:<name>:<n>`.
    Post {
        scope: ScopeId,
        op: OpId,
        name: String,
        body: Bytes,
    },
    /// A message that was taken is answered.
    Complete {
        op: OpId,
        message_id: String,
        reply: Option<Bytes>,
    },
    /// Another actor is asked something, and its answer waited for.
    Call {
        scope: ScopeId,
        op: OpId,
        name: String,
        call: OutgoingCall,
    },
    /// Undo everything, then end with this output.
    RollBack {
        scope: ScopeId,
        op: OpId,
        output: Option<Bytes>,
    },

    /// The body of a step has ended; `attempt` is the number that `Output::Execute` gave. For a handler that undoes a step,
    /// `op` is the step's.
    Settle {
        op: OpId,
        attempt: u32,
        outcome: Outcome,
    },
    /// A new step as a whole: its body has begun and ended, well, and wrote and sent nothing. The adapter, which is certain that
    /// it may begin, has told the workflow already; nothing answers this. Times are by the adapter's clock.
    Stepped {
        scope: ScopeId,
        op: OpId,
        name: String,
        begun: Time,
        ended: Time,
        output: Option<Bytes>,
    },
    /// The body of a step, or of a handler that undoes it, begins: its time counts from now. Only where [`Start::guarded`] says so.
    Begun {
        op: OpId,
        attempt: u32,
    },
    /// The handler of a message has ended.
    Received {
        receipt: u64,
        attempt: u32,
        outcome: Outcome,
    },
    /// It is the turn of an exclusive attempt, which waited for another one to end. Only the overlay says so.
    Alone {
        op: OpId,
        attempt: u32,
    },
    /// The body of an action has ended. `keep`: its output is remembered.
    Acted {
        call: CallId,
        outcome: Outcome,
        keep: Option<Keep>,
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
    /// The callback of a branch has ended.
    Branched {
        scope: ScopeId,
        outcome: Ended,
    },
    /// So many of the steps that were handed out last of a scope have been asked for, and answered. Comes before anything else
    /// that its code does.
    Took {
        scope: ScopeId,
        count: u32,
    },
    /// The callback of a try block has ended. What it gave stays in the adapter.
    Left {
        scope: ScopeId,
        threw: bool,
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
    /// What an embedding host's queue held when it was asked for an operation's messages; operation 0: it was not asked.
    Polled {
        op: OpId,
        messages: Vec<HostMessage>,
    },
    /// Every change up to `seq` is durable.
    Durable {
        seq: u64,
    },
    /// Nobody else has written while the run waited: it may go on (see `Output::Due`).
    GoOn,
    /// Time has passed.
    Tick,
    /// The adapter's event loop has come round: facts that wait for their turn may be released.
    Pulse,
    /// An actor that another one has ordered cannot be made.
    NotOrdered {
        failure: Failure,
    },
    /// End the actor, and what it has: nothing of it stays but that it was.
    Destroy {
        call: CallId,
    },
    /// End the run between two commits.
    Cancel {
        call: CallId,
        /// Whether what it did is undone first.
        compensate: bool,
        reason: Option<String>,
    },
    /// Try again what has failed for good and ended the run, or the handler that it is stuck at, or the code that did not match.
    Retry {
        call: CallId,
    },
    /// Go back to before the entry of this id, and on from there; none: from the start. `writes` becomes part of that: state
    /// as it was. If there are any, a verdict on them comes first, as on an action's.
    Replay {
        call: CallId,
        entry_id: Option<String>,
        writes: Writes,
    },
    /// Write down what the run waits for, so that the actor can be dropped.
    Suspend,
}

/// Under what a call is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    pub key: String,
    /// For how long, in milliseconds.
    pub keep_ms: i64,
    /// Whether that it changed nothing is remembered, too.
    pub always: bool,
}

/// Messages that are handled without a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receives {
    pub names: Vec<String>,
    /// Those of them whose senders may wait for an answer.
    pub answered: Vec<String>,
    pub policy: Policy,
    /// Whether failures are to be reported to a hook.
    pub reports: bool,
}

/// What a workflow asks of another actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingCall {
    pub kind: CallKind,
    /// The other's `type/key`.
    pub to: String,
    /// The message's name; of a child none.
    pub message: String,
    /// The encoded body, or input; empty: none.
    pub body: Bytes,
    pub timeout_ms: Option<i64>,
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
    /// Whether an embedding host keeps it: nobody waits for it to be durable.
    pub hosted: bool,
    /// Whether another actor has ordered it, by the oldest order in the inbox.
    pub ordered: bool,
}

/// A message of an embedding host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMessage {
    pub id: String,
    pub name: String,
    pub body: Bytes,
    /// Milliseconds since the epoch.
    pub sent_at: Time,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// Whether failures are to be reported to a hook.
    pub reports: bool,
    /// Names the code, for the record of a park; empty: it has no name.
    pub code_version: Arc<str>,
    /// Whether the adapter keeps bodies waiting, and says when each begins.
    pub guarded: bool,
    /// Whether the run is an embedding host's.
    pub embedded: Option<Embedded>,
}

/// How an embedding host runs a workflow (engine behaviour, sections 3 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// Whether new code is refused at the first new entry, or at the end of its scope.
    pub frontier: bool,
    /// A wait that is shorter than this many milliseconds is waited for in memory.
    pub patience_ms: i64,
    /// Whether it is only opened to be told something: no code is called.
    pub controlled: bool,
    /// Whether the run goes on in memory after it has waited: the adapter is asked first, for somebody else may have written.
    pub asks: bool,
}

/// Something that an actor does by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub name: String,
    /// What it is, in the adapter's words: if that changes, it is planned anew.
    pub spec: Bytes,
    /// When it is next due, as of now.
    pub next_at: Time,
}

/// What is special about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepTraits {
    /// Its result may be used before it is durable.
    pub ephemeral: bool,
    /// There is a handler that undoes it once it has committed.
    pub undo: bool,
    /// There is a handler that undoes it if it was tried and never committed.
    pub undo_attempted: bool,
    /// Its attempts run alone: none of the actor's others commits meanwhile.
    pub exclusive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    pub rule: ForkRule,
    /// The branches' names, in the order of the code; of a map, the places of its items.
    pub branches: Vec<String>,
    /// How many run at once.
    pub concurrency: u32,
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
    /// How many it takes at most.
    pub count: u32,
    /// Whether whoever takes them answers them.
    pub completable: bool,
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
        /// When the body asks to be tried again.
        retry_at: Option<Time>,
    },
}

/// What an attempt did: everything, or nothing, of it becomes part of one change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// One for each cell that the attempt touched.
    pub cells: Vec<CellWrites>,
    /// Messages, in their order.
    pub sends: Vec<Send>,
    /// Rows of an embedding host's own, key and value, that are written with the change.
    pub rows: Vec<(Bytes, Bytes)>,
    /// The reply that is recorded with it, if another process waits for one: then there is a change even if nothing was written.
    pub answer: Option<Answer>,
}

/// The reply to a call from another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The call's name.
    pub id: String,
    /// As the adapter has packed it.
    pub body: Bytes,
}

/// A message that leaves with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The receiver's `type/key`; none: this actor itself.
    pub to: Option<String>,
    pub name: String,
    /// The encoded body.
    pub body: Bytes,
    /// Of a tick: when it is due, in milliseconds since the epoch.
    pub delay_ms: i64,
    pub purpose: Purpose,
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
    /// The same, and the next iteration has begun, in the scope of the number that follows: `Output::Iterate` has allowed it.
    Ahead(Option<Bytes>),
    /// The loop ends with this value (`None`: `undefined`).
    Break(Option<Bytes>),
    /// The callback threw; the error stays in the adapter.
    Threw,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Returned(Option<Bytes>),
    Threw {
        failure: Failure,
        /// The operation whose failure this is, if it is one's.
        because: Option<OpId>,
    },
}
