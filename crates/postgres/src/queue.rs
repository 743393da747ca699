//! The queue between whoever drives the store and the thread that serves it.
//!
//! The one law: every request leaves by exactly one completion, those of one actor in the order of submission, unless the
//! store was abandoned.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pawl_store::{
    ActorId, Asked, Batch, Call, Compaction, Completion, Completions, Forget, Limits, News, Notice, OPENING, Outcome,
    Request, Scopes, Sharing, Stats, StoreError, Ticket, WOKEN, Wake, check,
};
use tokio::sync::Notify;

use crate::events::Hearing;

/// At most this many requests go into one transaction,
const GROUP_REQUESTS: usize = 1_000;
/// and no further one once their bodies have this many bytes (a larger one goes alone).
const GROUP_BYTES: usize = 16 << 20;
/// Of events that nobody has been told of, no more than these bytes wait.
const TELL_BYTES: usize = 16 << 20;

pub(crate) enum Work {
    Asked(Ticket, Request),
    Release(ActorId),
    Shared(Ticket, Sharing),
    /// Our lease had run out and has been renewed: what is still ours is ours until then at least.
    Verify(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Close,
    Abandon,
}

/// The batches of one actor in a group: each follows the one before it.
pub(crate) struct Unit {
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) batches: Vec<Batch>,
}

/// What is served together: first the commits, then what other processes are told, then what is given up, then the openings, then
/// the list.
#[derive(Default)]
pub(crate) struct Group {
    /// In order of id.
    pub(crate) units: BTreeMap<ActorId, Unit>,
    pub(crate) shared: Vec<(Ticket, Sharing)>,
    pub(crate) verify: Option<Instant>,
    pub(crate) releases: Vec<ActorId>,
    pub(crate) opens: Vec<(Ticket, ActorId, Scopes)>,
    /// What comes last and alone.
    pub(crate) last: Option<(Ticket, Last)>,
    /// Answered without asking the database.
    pub(crate) refused: Vec<(Ticket, Completion)>,
}

pub(crate) enum Last {
    List { after: Option<ActorId>, limit: usize },
    Actors { namespace: Arc<str>, after: Option<Arc<str>>, limit: usize },
    Read { actor: ActorId, since: u64, up_to: u64, scopes: Scopes },
    Compact(Compaction),
    Forget(Forget),
    Note(Vec<(Arc<str>, Option<Bytes>)>),
    Notes(Arc<str>),
}

pub(crate) enum Next {
    Group(Box<Group>),
    End(End),
}

pub(crate) struct Queue {
    state: Mutex<State>,
    /// For the thread: something waits, or the end has come.
    work: Notify,
    /// For `flush`: nothing is pending.
    idle: Condvar,
    wake: Wake,
    awaited: Mutex<Awaited>,
    hearing: Mutex<Hearing>,
}

/// What this process waits for that others do.
#[derive(Default)]
pub(crate) struct Awaited {
    /// Calls that have no reply yet, by actor and id, and since when.
    pub(crate) calls: HashMap<(ActorId, Arc<str>), Instant>,
    /// Actors of which the run's end is to be told.
    pub(crate) runs: HashSet<ActorId>,
}

struct State {
    waiting: VecDeque<Work>,
    in_hand: HashMap<Ticket, Asked>,
    completions: Completions,
    opened: bool,
    end: Option<End>,
    shut: Option<StoreError>,
    stats: Stats,
    /// When whoever drives the store last called it.
    called: Instant,
    /// Until when our lease is sure to hold.
    holds_until: Option<Instant>,
    /// Actors that are not ours any more; whoever drives the store has not heard of it.
    taken: Vec<ActorId>,
    /// Whether our lease had run out, and whoever drives the store has not heard of it.
    lapsed: bool,
    /// Our number, once we have one.
    process: Option<u64>,
    /// How many bytes of events wait.
    telling: usize,
}

/// The side of the caller.
impl Queue {
    pub(crate) fn new(wake: Wake) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            in_hand: HashMap::new(),
            completions: Completions::default(),
            opened: false,
            end: None,
            shut: None,
            stats: Stats::default(),
            called: Instant::now(),
            holds_until: None,
            taken: Vec::new(),
            lapsed: false,
            process: None,
            telling: 0,
        };
        Self {
            state: Mutex::new(state),
            work: Notify::new(),
            idle: Condvar::new(),
            wake,
            awaited: Mutex::default(),
            hearing: Mutex::default(),
        }
    }

    pub(crate) fn submit(&self, work: Work) {
        let mut state = self.state();
        if state.end == Some(End::Abandon) {
            return;
        }
        if let Work::Shared(_, Sharing::Event { body, .. }) = &work {
            // A database that does not answer must not fill the memory with what nobody may ever hear.
            if state.telling + body.len() > TELL_BYTES {
                return;
            }
            state.telling += body.len();
        }
        match (work, state.shut.clone()) {
            (work, None) => {
                state.waiting.push_back(work);
                drop(state);
                self.work.notify_one();
            }
            (Work::Asked(ticket, request), Some(error)) => {
                let notice = state.completions.push([(ticket, request.asked().refused(error))]);
                self.leave(state, notice);
            }
            (Work::Shared(ticket, sharing), Some(error)) => {
                let notice = state.completions.push(undone(ticket, &sharing, &error));
                self.leave(state, notice);
            }
            (Work::Release(_) | Work::Verify(_), Some(_)) => {}
        }
    }

    pub(crate) fn drain(&self, into: &mut Vec<(Ticket, Completion)>) {
        let mut state = self.state();
        state.called = Instant::now();
        // First of all: nothing may rest on what is not ours any more.
        if !state.taken.is_empty() {
            into.push((WOKEN, Completion::News(News::Taken(std::mem::take(&mut state.taken)))));
        }
        state.completions.drain(into);
    }

    pub(crate) fn pending(&self) -> usize {
        self.state().pending()
    }

    pub(crate) fn flush(&self) {
        let busy = |state: &mut State| {
            state.shut.is_none() && state.end != Some(End::Abandon) && (state.pending() > 0 || !state.opened)
        };
        drop(self.idle.wait_while(self.state(), busy).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn stats(&self) -> Stats {
        self.state().stats
    }

    pub(crate) fn process(&self) -> Option<u64> {
        self.state().process
    }

    pub(crate) fn holds(&self) -> bool {
        let state = self.state();
        state.taken.is_empty() && state.holds_until.is_some_and(|until| Instant::now() < until)
    }

    /// Tells the thread to end. An abandoned store stays abandoned.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.state();
        if state.end != Some(End::Abandon) {
            state.end = Some(end);
        }
        if end == End::Abandon {
            state.waiting.clear();
            state.in_hand.clear();
            state.completions.clear();
        }
        drop(state);
        self.work.notify_one();
        self.idle.notify_all();
    }
}

/// The side of the thread.
impl Queue {
    /// Waits for a group, or for the end.
    pub(crate) async fn next(&self, limits: &Limits) -> Next {
        loop {
            if let Some(next) = self.state().next(limits) {
                return next;
            }
            self.work.notified().await;
        }
    }

    /// Waits for `time`, or less if the end comes; says how the store is to end, if it is.
    pub(crate) async fn pause(&self, time: Duration) -> Option<End> {
        let until = tokio::time::Instant::now() + time;
        while self.ending().is_none() && tokio::time::timeout_at(until, self.work.notified()).await.is_ok() {}
        // What was heard meanwhile is looked at by the next `next`.
        self.work.notify_one();
        self.ending()
    }

    pub(crate) fn ending(&self) -> Option<End> {
        self.state().end
    }

    /// How long nobody has called.
    pub(crate) fn quiet(&self) -> Duration {
        self.state().called.elapsed()
    }

    /// Calls whoever drives the store, who is to show that it is alive.
    pub(crate) fn knock(&self) {
        (self.wake)();
    }

    /// The lease has been renewed. If it had run out before that, others may have taken actors over meanwhile: then it holds
    /// once that is known.
    pub(crate) fn renewed(&self, until: Instant) {
        let mut state = self.state();
        if state.holds_until.is_some_and(|until| Instant::now() < until) {
            state.holds_until = Some(until);
            return;
        }
        state.lapsed |= state.holds_until.take().is_some();
        drop(state);
        self.submit(Work::Verify(until));
    }

    /// All that we have open is ours until then, but for `taken`.
    pub(crate) fn verified(&self, taken: Vec<ActorId>, until: Instant) {
        let mut state = self.state();
        let was_quiet = taken.is_empty();
        state.taken.extend(taken);
        state.holds_until = Some(until);
        let lapsed = std::mem::take(&mut state.lapsed);
        drop(state);
        if !was_quiet {
            (self.wake)();
        }
        if lapsed {
            self.tell(Completion::News(News::Lapsed));
        }
    }

    pub(crate) fn announce(&self, process: u64, completion: Completion) {
        let mut state = self.state();
        (state.opened, state.process) = (true, Some(process));
        let notice = state.complete([(OPENING, completion)]);
        self.leave(state, notice);
    }

    /// Notes what is awaited from other processes.
    pub(crate) fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is told from process to process.
    pub(crate) fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of what nobody has asked for.
    pub(crate) fn tell(&self, completion: Completion) {
        let mut state = self.state();
        if state.shut.is_some() || state.end.is_some() {
            return;
        }
        let notice = state.complete([(WOKEN, completion)]);
        self.leave(state, notice);
    }

    pub(crate) fn finish(&self, mut completions: Vec<(Ticket, Completion)>, stats: Stats) {
        completions.sort_by_key(|(ticket, _)| *ticket);
        let mut state = self.state();
        state.stats = stats;
        for (ticket, _) in &completions {
            state.in_hand.remove(ticket);
        }
        let notice = state.complete(completions);
        self.leave(state, notice);
    }

    /// Ends the queue: what is in hand is lost, what waits or comes later is refused.
    pub(crate) fn shut(&self, error: StoreError) {
        let mut state = self.state();
        let opening = (!state.opened).then(|| (OPENING, Completion::Failed(error.clone())));
        let unknown = error.clone().into_unknown();
        let mut lost: Vec<_> =
            state.in_hand.drain().map(|(ticket, asked)| (ticket, asked.lost(unknown.clone()))).collect();
        lost.sort_by_key(|(ticket, _)| *ticket);
        let first = state.complete(opening.into_iter().chain(lost));
        let second = state.refuse_waiting(&error);
        state.opened = true;
        state.holds_until = None;
        state.shut = Some(error);
        self.leave(state, if first == Notice::Wake { first } else { second });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the state, then of whoever waits for it.
    fn leave(&self, state: MutexGuard<'_, State>, notice: Notice) {
        let idle = state.pending() == 0;
        drop(state);
        if idle {
            self.idle.notify_all();
        }
        notice.call(&self.wake);
    }
}

impl State {
    fn pending(&self) -> usize {
        self.waiting.len() + self.in_hand.len()
    }

    fn next(&mut self, limits: &Limits) -> Option<Next> {
        match self.end {
            Some(End::Abandon) => Some(Next::End(End::Abandon)),
            _ if !self.waiting.is_empty() => Some(Next::Group(Box::new(self.gather(limits)))),
            end => end.map(Next::End),
        }
    }

    fn gather(&mut self, limits: &Limits) -> Group {
        let mut group = Group::default();
        // Actors that are given up or opened by this group: their next request is for the next one.
        let mut done = HashSet::new();
        let (mut requests, mut bytes) = (0, 0);
        while let Some(work) = self.waiting.front() {
            bytes += if let Work::Asked(_, Request::Commit(batch)) = work { batch.bytes() } else { 0 };
            let full = requests == GROUP_REQUESTS || (bytes > GROUP_BYTES && requests > 0);
            if full || group.last.is_some() || !fits(&group, &done, work) {
                break;
            }
            requests += 1;
            let Some(work) = self.waiting.pop_front() else { break };
            if let Work::Shared(_, Sharing::Event { body, .. }) = &work {
                self.telling -= body.len();
            }
            if let Work::Asked(ticket, request) = &work {
                self.in_hand.insert(*ticket, request.asked());
            }
            group.add(work, limits, &mut done);
        }
        group
    }

    fn refuse_waiting(&mut self, error: &StoreError) -> Notice {
        let waiting = std::mem::take(&mut self.waiting);
        let refused = waiting.into_iter().filter_map(|work| match work {
            Work::Asked(ticket, request) => Some((ticket, request.asked().refused(error.clone()))),
            Work::Shared(ticket, sharing) => undone(ticket, &sharing, error),
            Work::Release(_) | Work::Verify(_) => None,
        });
        self.complete(refused)
    }

    fn complete(&mut self, completions: impl IntoIterator<Item = (Ticket, Completion)>) -> Notice {
        if self.end == Some(End::Abandon) {
            return Notice::Nothing;
        }
        self.completions.push(completions)
    }
}

/// Whether `work` can be served with `group` and still find what was asked before it done.
fn fits(group: &Group, done: &HashSet<ActorId>, work: &Work) -> bool {
    match work {
        Work::Release(actor) | Work::Asked(_, Request::Open { actor, .. }) => !done.contains(actor),
        Work::Shared(
            _,
            Sharing::Call(_) | Sharing::Watch(_) | Sharing::Listen { .. } | Sharing::Event { .. } | Sharing::Heed(_),
        )
        | Work::Verify(_) => true,
        Work::Shared(_, Sharing::Answer { actor, .. } | Sharing::Inbox(actor) | Sharing::Check { actor, .. }) => {
            !done.contains(actor)
        }
        Work::Asked(
            _,
            Request::Alarms { .. }
            | Request::Actors { .. }
            | Request::Read { .. }
            | Request::Compact(_)
            | Request::Forget(_)
            | Request::Note { .. }
            | Request::Notes { .. },
        ) => true,
        Work::Asked(_, Request::Commit(batch)) => {
            let before = group.units.get(&batch.actor).and_then(|unit| unit.batches.last());
            let follows = before.is_none_or(|before| {
                let next = before.changes.last().map(|change| change.seq + 1);
                before.epoch == batch.epoch && next == batch.changes.first().map(|change| change.seq)
            });
            follows && !done.contains(&batch.actor)
        }
    }
}

/// What is said of something that was not done for other processes.
pub(crate) fn undone(ticket: Ticket, sharing: &Sharing, error: &StoreError) -> Option<(Ticket, Completion)> {
    let news = match sharing {
        Sharing::Call(Call { actor, id, .. }) => {
            News::Replied { actor: actor.clone(), id: id.clone(), reply: Err(error.clone()) }
        }
        Sharing::Inbox(_) | Sharing::Check { .. } => News::Failed(error.clone()),
        Sharing::Answer { .. }
        | Sharing::Watch(_)
        | Sharing::Listen { .. }
        | Sharing::Event { .. }
        | Sharing::Heed(_) => return None,
    };
    Some((ticket, Completion::News(news)))
}

impl Group {
    fn add(&mut self, work: Work, limits: &Limits, done: &mut HashSet<ActorId>) {
        match work {
            Work::Release(actor) => {
                done.insert(actor.clone());
                self.releases.push(actor);
            }
            Work::Shared(ticket, sharing) => self.shared.push((ticket, sharing)),
            Work::Verify(until) => self.verify = Some(until),
            Work::Asked(ticket, Request::Alarms { after, limit }) => {
                self.last = Some((ticket, Last::List { after, limit }));
            }
            Work::Asked(ticket, Request::Actors { namespace, after, limit }) => {
                self.last = Some((ticket, Last::Actors { namespace, after, limit }));
            }
            Work::Asked(ticket, Request::Read { actor, since, up_to, scopes }) => match check::actor(&actor) {
                Ok(()) => self.last = Some((ticket, Last::Read { actor, since, up_to, scopes })),
                Err(error) => self.refused.push((ticket, Completion::Failed(error))),
            },
            Work::Asked(ticket, Request::Note { puts }) => self.last = Some((ticket, Last::Note(puts))),
            Work::Asked(ticket, Request::Notes { prefix }) => self.last = Some((ticket, Last::Notes(prefix))),
            Work::Asked(ticket, Request::Forget(forget)) => self.last = Some((ticket, Last::Forget(forget))),
            Work::Asked(ticket, Request::Compact(piece)) => self.last = Some((ticket, Last::Compact(piece))),
            Work::Asked(ticket, Request::Open { actor, scopes }) => match check::actor(&actor) {
                Ok(()) => {
                    done.insert(actor.clone());
                    self.opens.push((ticket, actor, scopes));
                }
                Err(error) => self.refused.push((ticket, Completion::Failed(error))),
            },
            Work::Asked(ticket, Request::Commit(batch)) => match check::shape(&batch, limits) {
                Ok(()) => {
                    let empty = || Unit { tickets: Vec::new(), batches: Vec::new() };
                    let unit = self.units.entry(batch.actor.clone()).or_insert_with(empty);
                    unit.tickets.push(ticket);
                    unit.batches.push(batch);
                }
                Err(error) => self.refused.push((ticket, Completion::Committed(Outcome::No(error)))),
            },
        }
    }
}
