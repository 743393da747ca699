//! Joins core and store: feeds loaded actors, gathers their changes into batches, brings completions back.
//!
//! Owns the table of loaded actors, the tickets of what the store is doing, and the times at which actors want to be
//! called. Has no thread and no clock of its own: [`Host::advance`] is called with the time, and the store wakes whoever
//! calls it. One law: **after every input and completion the actor is polled until it has nothing to say**, so that no
//! output waits for the next call.

mod batches;
mod compaction;
mod forgetting;
mod idempotency;
mod outputs;
mod past;
mod recovery;
mod retiring;
mod seeing;
mod shared;
mod table;
mod timers;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pawl_core::Actor;
use pawl_core::inbox::Message;
use pawl_core::input::{CallId, Input as ActorInput, OpId, ScopeId, Time};
use pawl_core::limits::{Lifetimes, Limits};
use pawl_core::state::{Delta, StateError};
use pawl_store::{ActorId, Code, Completion, Due, OPENING, Request, Scopes, Store, StoreError, StoreInfo, Ticket};
use rustc_hash::FxHashMap;

pub use idempotency::key as idempotency_key;
pub use outputs::{Facts, Output, Problem, Turn};
pub use past::{Answer, Query};
pub use seeing::Seen;
pub use table::Handle;

use batches::{Batches, Post};
use compaction::Compactor;
use table::{Entry, Table};
use timers::Timers;

/// How many actors are listed at once when the host looks for work.
const PAGE: usize = 1_000;

/// So long an actor that has work is left to another environment of this process whose it is first of all.
const YIELD_MS: Time = 1_000;

#[derive(Debug)]
pub enum Input {
    /// Load an actor; it is called `handle` from now on.
    Open { handle: Handle, name: String },
    /// For a loaded actor.
    Actor { handle: Handle, input: ActorInput },
    /// Look into the past of a loaded actor.
    Look { handle: Handle, call: CallId, query: Query },
    /// Forget an actor. What it has queued is still written.
    Close { handle: Handle },
    /// Forget an actor that has nothing to do; answered by [`Output::Retired`]. Whatever is for it after that wakes it.
    Retire { handle: Handle },
    /// List the actors of the store, by name from the one behind `after`; answered by [`Output::Listed`].
    List { ticket: u64, after: Option<String>, limit: usize },
    /// Look at an actor that need not be loaded; answered by [`Output::Seen`].
    See { ticket: u64, name: String },
    /// Write notes, in place of what is there under these names; `None` takes one away. Answered by [`Output::Notes`].
    Note { ticket: u64, puts: Vec<(String, Option<Bytes>)> },
    /// The notes whose names begin so; answered by [`Output::Notes`].
    Notes { ticket: u64, prefix: String },
    /// The state of an actor after the change in which this entry committed.
    SeeAt { ticket: u64, name: String, entry_id: String },
    /// Look for actors that have work, or will have at a time.
    Resume,
    /// Ask whoever owns an actor, in whatever process; the reply comes as `Replied`.
    Call { name: String, id: String, body: Bytes },
    /// The reply to a call of another process, if no change carries it.
    Answer { handle: Handle, id: String, body: Bytes },
    /// Tell how the run of an actor ends that another process owns.
    Watch { name: String },
    /// Hear what an actor of another environment broadcasts, or not any more.
    Listen { name: String, listens: bool },
    /// Tell those elsewhere who listen to an actor of ours.
    Event { name: String, body: Bytes },
    /// Say when another process, or another environment of this one, dies.
    Heed { process: u64 },
    /// The adapter's event loop has come round: actors may release facts that wait for their turn.
    Pulse,
}

/// What the store is doing for the host.
pub(crate) enum Job {
    Open(Handle),
    /// What the batch sends to other actors leaves when it is durable.
    Commit(Handle, Vec<Post>),
    List,
    Past(past::Looking),
    /// Whoever asked knows it by the number.
    Look(u64, Arc<str>),
    /// The same, and the entry that is asked about.
    LookAt(u64, Arc<str>, String),
    /// What has come into its inbox.
    Inbox(Handle),
    /// Whether it is still ours.
    Check(Handle),
    /// How the run of somebody else's actor has ended.
    Outcome(Arc<str>),
    /// A slice of an actor that is over is taken away.
    Forget(pawl_store::Forget),
    /// Which of the changes are there that it had queued when somebody else took it over.
    Settle(Handle),
}

pub struct Host {
    store: Box<dyn Store>,
    info: Option<StoreInfo>,
    namespace: Arc<str>,
    /// Whether an actor's name begins with a number and a slash that are not part of its identity.
    numbered: bool,
    seeds: pawl_core::ids::Ids,
    table: Table,
    timers: Timers,
    batches: Batches,
    /// Actors with facts that wait for their turn.
    pulsing: BTreeSet<Handle>,
    jobs: FxHashMap<Ticket, Job>,
    /// How many messages wait for actors that are not loaded, as far as is known: of those that had some when they were
    /// closed, or have been sent some since the start.
    waiting: FxHashMap<Arc<str>, usize>,
    /// Room for what the store has finished; empty between calls.
    completions: Vec<(Ticket, Completion)>,
    next_ticket: Ticket,
    openings: u64,
    limits: Limits,
    lifetimes: Lifetimes,
    /// None: whatever is appended stays.
    compactor: Option<Compactor>,
}

impl Host {
    /// Drives a store that has just been opened. `seed` is for the ids of everything that comes into being here.
    pub fn new(store: Box<dyn Store>, namespace: impl Into<String>, seed: u64) -> Host {
        Host {
            store,
            info: None,
            namespace: namespace.into().into(),
            numbered: false,
            seeds: pawl_core::ids::Ids::new(seed),
            table: Table::default(),
            timers: Timers::default(),
            batches: Batches::default(),
            pulsing: BTreeSet::new(),
            jobs: FxHashMap::default(),
            waiting: FxHashMap::default(),
            completions: Vec::new(),
            next_ticket: OPENING + 1,
            openings: 0,
            limits: Limits::default(),
            lifetimes: Lifetimes::default(),
            compactor: None,
        }
    }

    /// The same, with what was appended put into snapshots. `wake` is called when one is planned, as a store's is.
    pub fn with_compaction(self, retention: pawl_core::snapshot::Retention, wake: pawl_store::Wake) -> Host {
        Host { compactor: Some(Compactor::new(retention, wake)), ..self }
    }

    /// The same, with other limits for each actor.
    pub fn with_limits(self, limits: Limits) -> Host {
        Host { limits, ..self }
    }

    /// The same, for actors that do not stay for good once they are over.
    pub fn with_lifetimes(self, lifetimes: Lifetimes) -> Host {
        Host { lifetimes, ..self }
    }

    /// The same, for actors whose names begin with a number and a slash: one name may be open several times, on several
    /// drivers, and is the same actor to the outside.
    pub fn with_numbered_names(self) -> Host {
        Host { numbered: true, ..self }
    }

    /// Takes everything in that has happened up to `now` (milliseconds since the epoch), and tells what is to be done.
    pub fn advance(&mut self, now: Time, inputs: impl IntoIterator<Item = Input>) -> Turn {
        let mut turn = Turn::default();
        self.advance_into(now, inputs, &mut turn);
        turn
    }

    /// The same, in the place of an earlier turn: its memory is used again.
    pub fn advance_into(&mut self, now: Time, inputs: impl IntoIterator<Item = Input>, turn: &mut Turn) {
        turn.verdicts.clear();
        turn.others.clear();
        for input in inputs {
            self.take(now, input, turn);
        }
        self.run_timers(now, turn);
        self.take_plans();
        // A store that completes at once (memory) may move actors on within the same call.
        let mut completions = std::mem::take(&mut self.completions);
        loop {
            self.submit();
            self.store.drain(&mut completions);
            if completions.is_empty() {
                break;
            }
            for (ticket, completion) in completions.drain(..) {
                self.complete(now, ticket, completion, turn);
            }
        }
        self.completions = completions;
        turn.next = self.timers.next();
        turn.pending = self.jobs.len();
        turn.pulse = !self.pulsing.is_empty();
    }

    /// A cell of a loaded actor: the newest queued, or as an attempt pinned to a change sees it with its own writes.
    pub fn read(
        &self,
        handle: Handle,
        cell: &str,
        view: Option<(u64, Option<&Delta>)>,
    ) -> Result<Option<Bytes>, StateError> {
        self.actor(handle).map_or(Ok(None), |actor| actor.read(cell, view))
    }

    /// The key under which a step's outside effects are to be known: the same for every attempt.
    pub fn step_key(&self, handle: Handle, op: OpId) -> Option<String> {
        let path = self.actor(handle)?.path_of(op)?;
        self.key_at(handle, &path)
    }

    /// The same for the step of this name in a scope, which may not have been told of yet.
    pub fn step_key_in(&self, handle: Handle, scope: ScopeId, name: &str) -> Option<String> {
        let mut path = self.actor(handle)?.path_of_scope(scope)?;
        path.push(name.to_owned());
        self.key_at(handle, &path)
    }

    fn key_at(&self, handle: Handle, path: &[String]) -> Option<String> {
        let actor = self.actor(handle)?;
        let name = self.identity(handle)?;
        let life = (actor.incarnation(), actor.generation());
        Some(idempotency::key(&self.info.as_ref()?.id, &self.namespace, name, life, path))
    }

    /// The key of what is done for a message: the same for every attempt at handling it.
    pub fn message_key(&self, handle: Handle, message_id: &str) -> Option<String> {
        let actor = self.actor(handle)?;
        let path = ["#receive".to_owned(), message_id.to_owned()];
        let name = self.identity(handle)?;
        Some(idempotency::key(&self.info.as_ref()?.id, &self.namespace, name, (actor.incarnation(), 0), &path))
    }

    /// The key of what is done for a caller's call: the same whenever it calls under the same key of its own.
    pub fn call_key(&self, handle: Handle, own: &str) -> Option<String> {
        let actor = self.actor(handle)?;
        let path = ["#call".to_owned(), own.to_owned()];
        let name = self.identity(handle)?;
        Some(idempotency::key(&self.info.as_ref()?.id, &self.namespace, name, (actor.incarnation(), 0), &path))
    }

    /// What a scope's chance is drawn from: the same on every replay, another in every scope.
    pub fn scope_seed(&self, handle: Handle, scope: ScopeId) -> Option<String> {
        let mut path = vec!["#chance".to_owned()];
        path.extend(self.actor(handle)?.path_of_scope(scope)?);
        self.key_at(handle, &path)
    }

    /// The names on the way to a scope that is running, as `both/left`; a round of a loop is `#3`.
    pub fn scope_path(&self, handle: Handle, scope: ScopeId) -> Option<String> {
        Some(self.actor(handle)?.path_of_scope(scope)?.join("/"))
    }

    /// How many messages wait in an actor's inbox, as far as is known.
    pub fn waiting(&self, name: &str) -> usize {
        match self.table.handle(name).and_then(|handle| self.actor(handle)) {
            Some(actor) => actor.waiting(),
            None => {
                let elsewhere = self.store.waiting(&self.id_of(name));
                elsewhere.unwrap_or_else(|| self.waiting.get(name).copied().unwrap_or(0))
            }
        }
    }

    fn identity(&self, handle: Handle) -> Option<&str> {
        let name = self.table.name(handle)?;
        let plain = if self.numbered { name.split_once('/').map(|(_, plain)| plain) } else { None };
        Some(plain.unwrap_or(&**name))
    }

    pub fn info(&self) -> Option<&StoreInfo> {
        self.info.as_ref()
    }

    pub fn store(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    /// A loaded actor; none while it is being read.
    pub fn actor(&self, handle: Handle) -> Option<&Actor> {
        match self.table.get(handle)? {
            Entry::Live { actor, .. } => Some(actor),
            Entry::Opening { .. } | Entry::Recovering(_) => None,
        }
    }

    fn take(&mut self, now: Time, input: Input, turn: &mut Turn) {
        match input {
            Input::Open { handle, name } => {
                self.timers.forget_wake(&name);
                self.table.insert(handle, name);
                self.ask_open(handle);
            }
            Input::Actor { handle, input } => self.feed(now, handle, input, turn),
            Input::Look { handle, call, query } => self.look(handle, call, query, turn),
            Input::Close { handle } => self.close(handle),
            Input::Retire { handle } => self.retire(now, handle, turn),
            Input::List { ticket, after, limit } => self.list_actors(ticket, after, limit),
            Input::See { ticket, name } => self.see(ticket, name),
            Input::Note { ticket, puts } => self.note(ticket, puts),
            Input::Notes { ticket, prefix } => self.notes(ticket, prefix),
            Input::SeeAt { ticket, name, entry_id } => self.see_at(ticket, name, entry_id),
            Input::Resume => self.list(None),
            Input::Call { name, id, body } => self.ask_owner(&name, &id, body),
            Input::Answer { handle, id, body } => self.answer(handle, &id, body),
            Input::Watch { name } => self.watch(&name),
            Input::Listen { name, listens } => self.listen(&name, listens),
            Input::Event { name, body } => self.tell_event(&name, body),
            Input::Heed { process } => self.store.share(pawl_store::WOKEN, pawl_store::Sharing::Heed(process)),
            Input::Pulse => {
                for handle in std::mem::take(&mut self.pulsing) {
                    self.feed(now, handle, ActorInput::Pulse, turn);
                }
            }
        }
    }

    /// Gives an actor an input and gathers what it says.
    fn feed(&mut self, now: Time, handle: Handle, input: ActorInput, turn: &mut Turn) {
        // On half of what is recorded they would take another way.
        let controls = matches!(input, ActorInput::Retry { .. } | ActorInput::Replay { .. });
        if controls && !self.read_closed_scopes(handle) {
            return turn.refuse_lost(handle, &input);
        }
        match self.table.get_mut(handle) {
            Some(Entry::Live { actor, .. }) => {
                actor.handle(now, input);
                self.poll(handle, turn);
            }
            Some(Entry::Opening { .. } | Entry::Recovering(_)) => turn.refuse_lost(handle, &input),
            None => {}
        }
    }

    fn poll(&mut self, handle: Handle, turn: &mut Turn) {
        let Some(Entry::Live { actor, asking, .. }) = self.table.get_mut(handle) else { return };
        let mut unsure = Vec::new();
        while let Some(output) = actor.poll() {
            match output {
                pawl_core::output::Output::Commit(change) => {
                    asking.note(&change);
                    self.batches.push(handle, change);
                }
                pawl_core::output::Output::Hurry => self.batches.hurry(handle),
                pawl_core::output::Output::Looked { call } => {
                    let answer = pawl_core::output::Output::Reply { call };
                    if self.store.holds() { turn.push(handle, answer) } else { unsure.push(answer) }
                }
                output => turn.push(handle, output),
            }
        }
        if actor.wants_pulse() {
            self.pulsing.insert(handle);
        }
        match actor.deadline() {
            Some(deadline) => self.timers.call_at(deadline, handle),
            None => self.timers.call_off(handle),
        }
        if !unsure.is_empty() {
            self.keep_unsure(handle, unsure);
        }
    }

    fn run_timers(&mut self, now: Time, turn: &mut Turn) {
        for due in self.timers.due(now) {
            match due {
                timers::Due::Call(handle) => self.call(now, handle, turn),
                // Whoever has it looks after it.
                timers::Due::Wake(name) if self.store.is_elsewhere(&self.id_of(&name)) => {}
                timers::Due::Wake(name) => turn.others.push(Output::Wake { name: name.to_string() }),
            }
        }
    }

    fn call(&mut self, now: Time, handle: Handle, turn: &mut Turn) {
        match self.table.get(handle) {
            Some(Entry::Live { actor, .. }) => match actor.deadline() {
                Some(deadline) if deadline <= now => self.feed(now, handle, ActorInput::Tick, turn),
                // The deadline has moved since: a later call is or will be noted.
                Some(deadline) => self.timers.call_at(deadline, handle),
                None => {}
            },
            Some(Entry::Recovering(_)) => self.ask_open(handle),
            Some(Entry::Opening { .. }) | None => {}
        }
    }

    /// Hands the gathered changes to the store: those of one actor as one batch.
    fn submit(&mut self) {
        for (handle, changes) in self.batches.take() {
            let Some(name) = self.table.name(handle).cloned() else { continue };
            let Some(Entry::Live { in_flight, epoch, .. }) = self.table.get_mut(handle) else { continue };
            let ids = changes.iter().map(|change| (change.seq, change.id)).collect();
            if let Some(compactor) = &mut self.compactor {
                changes.iter().for_each(|change| compactor.appended(handle, change.body.len()));
            }
            let posts = batches::posts(&name, &changes);
            let batch = batches::batch(ActorId::new(self.namespace.clone(), name), *epoch, changes);
            in_flight.push_back(ids);
            let ticket = self.ticket(Job::Commit(handle, posts));
            self.store.submit(ticket, Request::Commit(batch));
        }
    }

    fn ticket(&mut self, job: Job) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.jobs.insert(ticket, job);
        ticket
    }

    fn ask_open(&mut self, handle: Handle) {
        self.ask_open_with(handle, Scopes::Open);
    }

    pub(crate) fn ask_open_with(&mut self, handle: Handle, scopes: Scopes) {
        let Some(name) = self.table.name(handle) else { return };
        let actor = ActorId::new(self.namespace.clone(), name.clone());
        let ticket = self.ticket(Job::Open(handle));
        self.store.submit(ticket, Request::Open { actor, scopes });
    }

    fn list(&mut self, after: Option<ActorId>) {
        let ticket = self.ticket(Job::List);
        self.store.submit(ticket, Request::Alarms { after, limit: PAGE });
    }

    fn complete(&mut self, now: Time, ticket: Ticket, completion: Completion, turn: &mut Turn) {
        let job = self.jobs.remove(&ticket);
        let completion = match (job.is_none(), completion) {
            (false, completion) => completion,
            (true, completion) => match self.compacting(ticket, completion) {
                Some(completion) => completion,
                None => return,
            },
        };
        match (job, completion) {
            (_, Completion::Ready(info)) => {
                turn.others.push(Output::Ready(info.clone()));
                self.info = Some(info);
            }
            (None, Completion::Failed(error)) if ticket == OPENING => turn.others.push(Output::StoreFailed(error)),
            (Some(Job::Open(handle)), Completion::Opened(opened)) => self.opened(now, handle, opened, turn),
            (Some(Job::Open(handle)), Completion::Failed(error)) => self.open_failed(now, handle, error, turn),
            (Some(Job::Commit(handle, posts)), Completion::Committed(outcome)) => {
                let posts = self.committed(now, handle, outcome, posts, turn);
                self.deliver(now, posts, turn);
            }
            (Some(Job::Forget(forget)), completion) => self.forgot(now, forget, completion),
            (_, Completion::Woken(due)) => self.woken(due, turn),
            (job, Completion::News(news)) => self.news(now, job, news, turn),
            (Some(Job::Outcome(name)), Completion::Read(past)) => self.outcome_of(&name, past, turn),
            (Some(Job::Outcome(name)), Completion::Failed(_)) => self.watch(&name),
            (Some(Job::Settle(handle)), Completion::Read(past)) => self.settled_elsewhere(now, handle, past, turn),
            (Some(Job::Settle(handle)), Completion::Failed(error)) => self.open_failed(now, handle, error, turn),
            (Some(Job::List), Completion::Alarms(due)) => self.listed(now, due, turn),
            (Some(Job::Past(looking)), completion) => self.looked(looking, completion, turn),
            (Some(Job::LookAt(ticket, name, entry_id)), completion) => {
                turn.others.push(seeing::seen_at(ticket, &name, &entry_id, completion));
            }
            (Some(Job::Look(ticket, name)), completion) => {
                turn.others.push(seeing::seen(ticket, &name, completion, self.lifetimes));
            }
            (Some(Job::List), Completion::Failed(error)) => turn.others.push(Output::ResumeFailed(error)),
            _ => {}
        }
    }

    /// Actors that have no living owner any more, or never had one, and those of ours that somebody has sent something.
    fn woken(&mut self, due: Vec<Due>, turn: &mut Turn) {
        for due in due {
            if *due.actor.namespace != *self.namespace {
                continue;
            }
            match self.table.handle(&due.actor.name) {
                Some(handle) => self.reread(handle),
                None => turn.others.push(Output::Wake { name: due.actor.name.to_string() }),
            }
        }
    }

    /// Actors with work now are named at once, and those that older code could not go on with; the others when their time
    /// comes.
    fn listed(&mut self, now: Time, page: Vec<Due>, turn: &mut Turn) {
        let full = page.len() == PAGE;
        let last = page.last().map(|due| due.actor.clone());
        for due in page {
            if *due.actor.namespace != *self.namespace {
                continue;
            }
            if self.table.handle(&due.actor.name).is_some() || self.store.is_elsewhere(&due.actor) {
                continue;
            }
            // It may be that whoever is to take it up does not know its type, or is stuck.
            let patience = if self.store.is_home(&due.actor) { 0 } else { YIELD_MS };
            match due.alarm {
                Some(alarm) if alarm > now && !due.inbox && !due.parked => {
                    self.timers.wake_at(alarm + patience, due.actor.name);
                }
                _ if patience > 0 => self.timers.wake_at(now + patience, due.actor.name),
                _ => turn.others.push(Output::Wake { name: due.actor.name.to_string() }),
            }
        }
        if full { self.list(last) } else { turn.others.push(Output::Resumed) }
    }

    /// Messages that are durable come to actors that are loaded; others are named, for they have work.
    fn deliver(&mut self, now: Time, posts: Vec<Post>, turn: &mut Turn) {
        for Post { to, message, .. } in posts {
            self.give(now, to, message, turn);
        }
    }

    /// Gives an actor a message that is durable. One that another environment has is given it there.
    fn give(&mut self, now: Time, to: Arc<str>, message: Message, turn: &mut Turn) {
        let Some(handle) = self.table.handle(&to) else {
            if !self.store.is_elsewhere(&self.id_of(&to)) {
                turn.others.push(Output::Wake { name: to.to_string() });
                *self.waiting.entry(to).or_default() += 1;
            }
            return;
        };
        match self.table.get_mut(handle) {
            Some(Entry::Live { .. }) => self.feed(now, handle, ActorInput::Arrived { message }, turn),
            Some(Entry::Opening { arrived }) => arrived.push(message),
            Some(Entry::Recovering(recovery)) => recovery.arrived.push(message),
            None => {}
        }
    }

    fn open_failed(&mut self, now: Time, handle: Handle, error: StoreError, turn: &mut Turn) {
        match self.table.get_mut(handle) {
            // Who owns it now goes on with it; what of ours has reached the store is known by reading.
            Some(Entry::Recovering(recovery)) if error.code == Code::Owned && recovery.asks_elsewhere() => {
                self.read_elsewhere(handle, error);
            }
            Some(Entry::Recovering(recovery)) if error.retryable && error.code != Code::Owned => {
                let at = now + recovery.next_backoff_ms();
                self.timers.call_at(at, handle);
            }
            Some(_) => {
                self.table.remove(handle);
                turn.others.push(Output::OpenFailed { handle, error: error.into() });
            }
            None => {}
        }
    }
}
