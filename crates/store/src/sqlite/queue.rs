//! The queue between those who drive the store and its writer thread.
//!
//! Owned here: what waits, what the writer has in hand, what has finished, for each of the environments that share the store
//! (`house`). The one law: every request leaves by exactly one completion, in the order of submission, unless the store was
//! abandoned.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::contract::{Asked, Completion, Request, Stats, Ticket, Wake};
use crate::error::StoreError;
use crate::house::{Asker, Bell, House, Member};
use crate::record::ActorId;
use crate::shared::Sharing;

/// At most this many requests go into one transaction,
const GROUP_REQUESTS: usize = 1_000;
/// and no further one once their bodies have this many bytes (a larger one goes alone).
const GROUP_BYTES: usize = 16 << 20;

pub(super) type Group = Vec<(Asker, Request)>;

pub(super) struct Queue {
    state: Mutex<State>,
    /// For the writer: something waits, or the end has come.
    work: Condvar,
    /// For `flush`: nothing is pending.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Asker, Request)>,
    /// So many of the waiting go one by one: they were put back as a group that failed together.
    alone: usize,
    /// What the writer has taken and not yet answered.
    in_hand: VecDeque<(Asker, Asked)>,
    house: House,
    /// Whether the opening has been answered.
    opened: bool,
    end: Option<End>,
    /// Why nothing is answered by the writer any more.
    shut: Option<StoreError>,
    stats: Stats,
}

/// How the store is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Abandon,
}

/// What the writer is to do next.
pub(super) enum Next {
    Commit(Group),
    /// Nothing came for as long as was asked.
    Idle,
    End(End),
}

/// The side of the callers.
impl Queue {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), work: Condvar::new(), idle: Condvar::new() }
    }

    /// One more caller; none: it has ended, or somebody of this environment is here already.
    pub(super) fn join(&self, environment: Option<ThreadId>, wake: Wake) -> Option<Member> {
        let mut state = self.state();
        let refused = environment.is_some_and(|environment| state.house.has(environment));
        if refused || state.end.is_some() || state.shut.is_some() {
            return None;
        }
        let member = state.house.join(environment, wake);
        self.leave(state);
        Some(member)
    }

    /// Ends the queue, if nobody else is here. What is still answered can be drained.
    pub(super) fn end_alone(&self, end: End) -> bool {
        let mut state = self.state();
        let is_alone = !state.house.is_shared();
        if is_alone {
            state.end(end);
        }
        self.work.notify_one();
        self.leave(state);
        is_alone
    }

    /// A caller goes. Returns whether it was the last one: then the queue has ended.
    pub(super) fn part(&self, member: Member, end: End) -> bool {
        let mut state = self.state();
        let bell = state.house.leave(member);
        if end == End::Abandon {
            state.waiting.retain(|((asker, _), _)| *asker != member);
        }
        let was_last = state.house.is_empty();
        if was_last {
            state.end(end);
        }
        self.work.notify_one();
        self.leave(state);
        // Not under the lock: the writer may be ringing it, and is waited for.
        bell.iter().for_each(Bell::silence);
        was_last
    }

    pub(super) fn submit(&self, member: Member, ticket: Ticket, request: Request) {
        let mut state = self.state();
        if state.end == Some(End::Abandon) {
            return;
        }
        let admitted = match state.shut.clone() {
            Some(error) => Err(error),
            None => state.house.admit(member, &request),
        };
        match admitted {
            Ok(()) => {
                state.waiting.push_back(((member, Some(ticket)), request));
                self.work.notify_one();
            }
            Err(error) => {
                state.house.refuse(member, ticket, request.asked().refused(error));
                self.leave(state);
            }
        }
    }

    pub(super) fn share(&self, member: Member, ticket: Ticket, sharing: Sharing) {
        let mut state = self.state();
        if state.shut.is_some() || state.end.is_some() {
            return;
        }
        if let Some(asked) = state.house.share(member, ticket, sharing) {
            state.waiting.push_back(asked);
        }
        // The writer keeps the time of calls.
        self.work.notify_one();
        self.leave(state);
    }

    pub(super) fn release(&self, member: Member, actor: &ActorId) {
        let mut state = self.state();
        state.house.release(member, actor);
        self.leave(state);
    }

    pub(super) fn process(&self, member: Member) -> Option<u64> {
        self.state().house.process(member)
    }

    pub(super) fn is_elsewhere(&self, member: Member, actor: &ActorId) -> bool {
        self.state().house.is_elsewhere(member, actor)
    }

    pub(super) fn waiting(&self, member: Member, actor: &ActorId) -> Option<usize> {
        self.state().house.waiting(member, actor)
    }

    pub(super) fn is_home(&self, member: Member, actor: &ActorId) -> bool {
        self.state().house.is_home(member, actor)
    }

    pub(super) fn drain(&self, member: Member, into: &mut Vec<(Ticket, Completion)>) {
        self.state().house.drain(member, into);
    }

    pub(super) fn pending(&self, member: Member) -> usize {
        self.state().house.pending(member)
    }

    pub(super) fn flush(&self, member: Member) {
        self.wait_while(|state| state.house.pending(member) > 0 || !state.opened);
    }

    /// The same, unless the store has yet to be opened.
    pub(super) fn flush_opened(&self, member: Member) {
        self.wait_while(|state| state.house.pending(member) > 0 && state.opened);
    }

    fn wait_while(&self, is_busy: impl Fn(&State) -> bool) {
        let is_busy = |state: &mut State| state.shut.is_none() && state.end != Some(End::Abandon) && is_busy(state);
        drop(self.idle.wait_while(self.state(), is_busy).unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn stats(&self) -> Stats {
        self.state().stats
    }
}

/// The side of the writer.
impl Queue {
    /// Waits for a group, for the end, or for `patience` to pass.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let left = |until: Option<Instant>| until.map(|until| until.saturating_duration_since(Instant::now()));
        let mut state = self.state();
        loop {
            if left(state.house.next_telling()) == Some(Duration::ZERO) {
                state.house.tell_again();
                self.leave(state);
                state = self.state();
            }
            match state.end {
                Some(End::Abandon) => return Next::End(End::Abandon),
                _ if !state.waiting.is_empty() => return Next::Commit(state.take_group()),
                Some(End::Close) => return Next::End(End::Close),
                None if left(deadline) == Some(Duration::ZERO) => return Next::Idle,
                None => {}
            }
            let until = deadline.into_iter().chain(state.house.next_telling()).min();
            state = match left(until) {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Waits for `time`, or less if the end comes; says how the store is to end, if it is.
    pub(super) fn pause(&self, time: Duration) -> Option<End> {
        let state = self.state();
        let waited = self.work.wait_timeout_while(state, time, |state| state.end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.end
    }

    pub(super) fn abandoned(&self) -> bool {
        self.state().end == Some(End::Abandon)
    }

    /// Answers the opening, or tells of a reopening.
    pub(super) fn announce(&self, completion: Completion) {
        let mut state = self.state();
        state.opened = true;
        if state.end != Some(End::Abandon) {
            state.house.announce(&completion);
        }
        self.leave(state);
    }

    /// Answers what is in hand, in order: `group`.
    pub(super) fn finish(&self, group: &Group, completions: Vec<Completion>, stats: Stats) {
        let mut state = self.state();
        state.stats = stats;
        if state.end != Some(End::Abandon) {
            state.in_hand.clear();
            for ((asker, request), completion) in group.iter().zip(completions) {
                state.house.finish(*asker, request, completion);
            }
        }
        self.leave(state);
    }

    /// Publishes the counters.
    pub(super) fn count(&self, stats: Stats) {
        self.state().stats = stats;
    }

    /// Takes back what is in hand, to be handed out again one by one, before anything else.
    pub(super) fn put_back(&self, group: Group) {
        let mut state = self.state();
        if state.end == Some(End::Abandon) {
            return;
        }
        state.in_hand.clear();
        state.alone = group.len();
        for entry in group.into_iter().rev() {
            state.waiting.push_front(entry);
        }
    }

    /// Refuses everything that waits.
    pub(super) fn refuse_waiting(&self, error: &StoreError) {
        let mut state = self.state();
        state.refuse_waiting(error);
        self.leave(state);
    }

    /// Ends the queue: what is in hand is lost, what waits or comes later is refused.
    pub(super) fn shut(&self, error: StoreError) {
        let mut state = self.state();
        if state.end != Some(End::Abandon) {
            if !state.opened {
                state.house.announce(&Completion::Failed(error.clone()));
            }
            for (asker, asked) in std::mem::take(&mut state.in_hand) {
                state.house.answer(asker, asked.lost(error.clone().into_unknown()));
            }
            state.refuse_waiting(&error);
        }
        state.opened = true;
        state.shut = Some(error);
        self.leave(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the state, then of whoever waits for it, and wakes those who have been told something.
    fn leave(&self, mut state: MutexGuard<'_, State>) {
        let bells = state.house.take_bells();
        drop(state);
        self.idle.notify_all();
        bells.iter().for_each(Bell::ring);
    }
}

impl State {
    /// An abandoned store stays abandoned.
    fn end(&mut self, end: End) {
        if self.end != Some(End::Abandon) {
            self.end = Some(end);
        }
        if end == End::Abandon {
            self.waiting.clear();
            self.in_hand.clear();
        }
    }

    fn take_group(&mut self) -> Group {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some((_, request)) = self.waiting.front() {
            bytes += size(request);
            let full = group.len() == GROUP_REQUESTS || (bytes > GROUP_BYTES && !group.is_empty());
            if full || (self.alone > 0 && !group.is_empty()) {
                break;
            }
            group.extend(self.waiting.pop_front());
        }
        self.alone = self.alone.saturating_sub(1);
        self.in_hand.extend(group.iter().map(|(asker, request)| (*asker, request.asked())));
        group
    }

    fn refuse_waiting(&mut self, error: &StoreError) {
        self.alone = 0;
        for (asker, request) in std::mem::take(&mut self.waiting) {
            self.house.answer(asker, request.asked().refused(error.clone()));
        }
    }
}

fn size(request: &Request) -> usize {
    match request {
        Request::Commit(batch) => batch.bytes(),
        Request::Compact(piece) => piece.bytes(),
        Request::Note { puts } => puts.iter().filter_map(|(_, body)| body.as_ref()).map(bytes::Bytes::len).sum(),
        Request::Open { .. }
        | Request::Read { .. }
        | Request::Forget(_)
        | Request::Alarms { .. }
        | Request::Actors { .. }
        | Request::Notes { .. } => 0,
    }
}
