//! The queue between whoever drives the store and its writer thread.
//!
//! Owned here: what waits, what the writer has in hand, what has finished. The one law: every request leaves by exactly
//! one completion, in the order of submission, unless the store was abandoned.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::completions::{Completions, Notice};
use crate::contract::{Asked, Completion, OPENING, Request, Stats, Ticket, Wake};
use crate::error::StoreError;

/// At most this many requests go into one transaction,
const GROUP_REQUESTS: usize = 1_000;
/// and no further one once their bodies have this many bytes (a larger one goes alone).
const GROUP_BYTES: usize = 16 << 20;

pub(super) type Group = Vec<(Ticket, Request)>;

pub(super) struct Queue {
    state: Mutex<State>,
    /// For the writer: something waits, or the end has come.
    work: Condvar,
    /// For `flush`: nothing is pending.
    idle: Condvar,
    wake: Wake,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Ticket, Request)>,
    /// So many of the waiting go one by one: they were put back as a group that failed together.
    alone: usize,
    /// What the writer has taken and not yet answered.
    in_hand: VecDeque<(Ticket, Asked)>,
    completions: Completions,
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

/// The side of the caller.
impl Queue {
    pub(super) fn new(wake: Wake) -> Self {
        Self { state: Mutex::default(), work: Condvar::new(), idle: Condvar::new(), wake }
    }

    pub(super) fn submit(&self, ticket: Ticket, request: Request) {
        let mut state = self.state();
        if state.end == Some(End::Abandon) {
            return;
        }
        let Some(error) = state.shut.clone() else {
            state.waiting.push_back((ticket, request));
            self.work.notify_one();
            return;
        };
        let notice = state.completions.push([(ticket, request.asked().refused(error))]);
        self.leave(state, notice);
    }

    pub(super) fn drain(&self, into: &mut Vec<(Ticket, Completion)>) {
        self.state().completions.drain(into);
    }

    pub(super) fn pending(&self) -> usize {
        self.state().pending()
    }

    pub(super) fn flush(&self) {
        let state = self.state();
        let busy = |state: &mut State| {
            state.shut.is_none() && state.end != Some(End::Abandon) && (state.pending() > 0 || !state.opened)
        };
        drop(self.idle.wait_while(state, busy).unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn stats(&self) -> Stats {
        self.state().stats
    }

    /// Tells the writer to end. An abandoned store stays abandoned.
    pub(super) fn end(&self, end: End) {
        let mut state = self.state();
        if state.end != Some(End::Abandon) {
            state.end = Some(end);
        }
        if end == End::Abandon {
            state.waiting.clear();
            state.in_hand.clear();
            state.completions.clear();
        }
        self.work.notify_one();
        self.idle.notify_all();
    }
}

/// The side of the writer.
impl Queue {
    /// Waits for a group, for the end, or for `patience` to pass.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut state = self.state();
        loop {
            match state.end {
                Some(End::Abandon) => return Next::End(End::Abandon),
                _ if !state.waiting.is_empty() => return Next::Commit(state.take_group()),
                Some(End::Close) => return Next::End(End::Close),
                None => {}
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Next::Idle,
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
        let notice = state.complete([(OPENING, completion)]);
        self.leave(state, notice);
    }

    /// Answers what is in hand, in order.
    pub(super) fn finish(&self, completions: Vec<Completion>, stats: Stats) {
        let mut state = self.state();
        state.stats = stats;
        let count = completions.len().min(state.in_hand.len());
        let tickets: Vec<_> = state.in_hand.drain(..count).map(|(ticket, _)| ticket).collect();
        let notice = state.complete(tickets.into_iter().zip(completions));
        self.leave(state, notice);
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
        let notice = state.refuse_waiting(error);
        self.leave(state, notice);
    }

    /// Ends the queue: what is in hand is lost, what waits or comes later is refused.
    pub(super) fn shut(&self, error: StoreError) {
        let mut state = self.state();
        let opening = (!state.opened).then(|| (OPENING, Completion::Failed(error.clone())));
        let lost: Vec<_> = state.in_hand.drain(..).collect();
        let lost = lost.into_iter().map(|(ticket, asked)| (ticket, asked.lost(error.clone().into_unknown())));
        let first = state.complete(opening.into_iter().chain(lost));
        let second = state.refuse_waiting(&error);
        state.opened = true;
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
        self.in_hand.extend(group.iter().map(|(ticket, request)| (*ticket, request.asked())));
        group
    }

    fn refuse_waiting(&mut self, error: &StoreError) -> Notice {
        self.alone = 0;
        let waiting = std::mem::take(&mut self.waiting);
        self.complete(waiting.into_iter().map(|(ticket, request)| (ticket, request.asked().refused(error.clone()))))
    }

    fn complete(&mut self, completions: impl IntoIterator<Item = (Ticket, Completion)>) -> Notice {
        if self.end == Some(End::Abandon) {
            return Notice::Nothing;
        }
        self.completions.push(completions)
    }
}

fn size(request: &Request) -> usize {
    match request {
        Request::Commit(batch) => batch.bytes(),
        Request::Compact(piece) => piece.bytes(),
        Request::Note { puts } => puts.iter().filter_map(|(_, body)| body.as_ref()).map(bytes::Bytes::len).sum(),
        Request::Open { .. }
        | Request::Read { .. }
        | Request::Alarms { .. }
        | Request::Actors { .. }
        | Request::Notes { .. } => 0,
    }
}
