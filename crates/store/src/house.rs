//! Several environments (threads) of one process that drive one store.
//!
//! Owned here: who they are, which of them has which actor, what each has not drained yet, and what they say to each other:
//! calls and replies, messages for actors that another has, ends of runs, events. It has no thread and no lock of its own.
//!
//! One law: **everything is handed on in the order in which the store finished it**, so that whoever opens an actor finds
//! a message among its rows, or is handed it after the opening, and never the first when it is taken already.

mod talk;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;

use bytes::Bytes;

use crate::contract::{Completion, OPENING, Outcome, Request, StoreInfo, Ticket, WOKEN, Wake};
use crate::error::{Code, StoreError};
use crate::record::{ActorId, Status};
use crate::shared::News;

/// One environment, by a number that is never used twice.
pub(crate) type Member = u32;

/// Who asks, and under which of its tickets; no ticket: the house itself, which wants to know whether a run has ended.
pub(crate) type Asker = (Member, Option<Ticket>);

/// What wakes a member, for as long as it is there. Rung by the thread that serves the store, taken away by the member.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Mutex<Option<Wake>>>);

impl Bell {
    fn new(wake: Wake) -> Bell {
        Bell(Arc::new(Mutex::new(Some(wake))))
    }

    /// Must not be called under the lock of the queue.
    pub(crate) fn ring(&self) {
        if let Some(wake) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// Nobody calls the wake any more when this returns, and nobody else holds it: what it is made of may go.
    pub(crate) fn silence(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

struct Seat {
    member: Member,
    /// None: nobody can join it.
    environment: Option<ThreadId>,
    bell: Bell,
    finished: Vec<(Ticket, Completion)>,
    /// Requests that have not been answered.
    pending: usize,
}

/// A call that has no reply yet.
struct Open {
    body: Bytes,
    callers: Vec<Member>,
    since: Instant,
    told: Instant,
}

/// Who has an actor, and how many messages wait for it, as far as that was counted since there is more than one member.
struct Owner {
    member: Member,
    inbox: usize,
}

#[derive(Default)]
pub(crate) struct House {
    seats: Vec<Seat>,
    joined: Member,
    owners: HashMap<ActorId, Owner>,
    calls: BTreeMap<ActorId, HashMap<Arc<str>, Open>>,
    watchers: HashMap<ActorId, HashSet<Member>>,
    listeners: HashMap<ActorId, HashSet<Member>>,
    /// The epoch of the store when it was opened first: with a member's number, nobody else has ever had it.
    first_epoch: u64,
    /// Since the store was opened.
    info: Option<StoreInfo>,
    bells: Vec<Bell>,
}

/// Who comes and goes.
impl House {
    pub(crate) fn join(&mut self, environment: Option<ThreadId>, wake: Wake) -> Member {
        if !self.is_shared() {
            // Until now nobody has counted.
            self.owners.values_mut().for_each(|owner| owner.inbox = 0);
        }
        self.joined += 1;
        let member = self.joined;
        let bell = Bell::new(wake);
        self.seats.push(Seat { member, environment, bell, finished: Vec::new(), pending: 0 });
        if let Some(info) = self.info.clone() {
            self.push(member, OPENING, Completion::Ready(info));
        }
        for actor in self.listeners.keys().cloned().collect::<Vec<_>>() {
            self.push(member, WOKEN, Completion::News(News::Listened { actor, listens: true }));
        }
        member
    }

    /// By what the others know a member, and what is stored knows it; none until the store is open.
    pub(crate) fn process(&self, member: Member) -> Option<u64> {
        self.info.as_ref().map(|_| self.number(member))
    }

    fn number(&self, member: Member) -> u64 {
        (self.first_epoch << 20) | u64::from(member)
    }

    /// Whether somebody of this environment is here already.
    pub(crate) fn has(&self, environment: ThreadId) -> bool {
        self.seats.iter().any(|seat| seat.environment == Some(environment))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.seats.len() > 1
    }

    /// A member is gone, and what it had is for the others. Returns its bell, which is to be silenced.
    pub(crate) fn leave(&mut self, member: Member) -> Option<Bell> {
        let at = self.seats.iter().position(|seat| seat.member == member)?;
        let seat = self.seats.remove(at);
        self.owners.retain(|_, owner| owner.member != member);
        self.watchers.retain(|_, watchers| !(watchers.remove(&member) && watchers.is_empty()));
        let mut wanted = Vec::new();
        self.calls.retain(|actor, calls| {
            calls.retain(|_, call| {
                call.callers.retain(|caller| *caller != member);
                !call.callers.is_empty()
            });
            let caller = calls.values().find_map(|call| call.callers.first());
            wanted.extend(caller.filter(|_| !self.owners.contains_key(actor)).map(|caller| (*caller, actor.clone())));
            !calls.is_empty()
        });
        for (caller, actor) in wanted {
            self.push(caller, WOKEN, Completion::News(News::Wanted(actor)));
        }
        let heard: Vec<ActorId> = self.listeners.keys().cloned().collect();
        heard.into_iter().for_each(|actor| self.listen(member, actor, false));
        self.tell_all(|| (WOKEN, Completion::News(News::Left)));
        let number = self.number(member);
        self.tell_all(|| (WOKEN, Completion::News(News::Died(vec![number]))));
        Some(seat.bell)
    }

    /// The members that are to be woken, now that the lock is given back.
    pub(crate) fn take_bells(&mut self) -> Vec<Bell> {
        std::mem::take(&mut self.bells)
    }
}

/// What is asked, and what becomes of it.
impl House {
    /// Notes a request; an error: it is refused.
    pub(crate) fn admit(&mut self, member: Member, request: &Request) -> Result<(), StoreError> {
        if let Request::Open { actor, .. } = request {
            match self.owner(actor) {
                Some(owner) if owner != member => return Err(owned(actor)),
                Some(_) => {}
                None => drop(self.owners.insert(actor.clone(), Owner { member, inbox: 0 })),
            }
        }
        if let Some(seat) = self.seat(member) {
            seat.pending += 1;
        }
        Ok(())
    }

    pub(crate) fn release(&mut self, member: Member, actor: &ActorId) {
        if self.owner(actor) == Some(member) {
            self.owners.remove(actor);
            self.want(actor);
        }
    }

    /// Answers a request of which nothing was done.
    pub(crate) fn refuse(&mut self, member: Member, ticket: Ticket, completion: Completion) {
        self.push(member, ticket, completion);
    }

    /// Answers a request that was admitted.
    pub(crate) fn answer(&mut self, (member, ticket): Asker, completion: Completion) {
        let Some(ticket) = ticket else { return };
        if let Some(seat) = self.seat(member) {
            seat.pending -= 1;
        }
        self.push(member, ticket, completion);
    }

    /// The same, of one that has been served, with what follows from it for others.
    pub(crate) fn finish(&mut self, asker: Asker, request: &Request, completion: Completion) {
        match (request, &completion) {
            (Request::Read { actor, .. }, Completion::Read(past))
                if asker.1.is_none() && past.row.as_ref().is_some_and(|row| has_halted(row.status)) =>
            {
                self.halt(actor, Some(asker.0));
            }
            (Request::Open { actor, .. }, Completion::Failed(_)) if self.owner(actor) == Some(asker.0) => {
                self.owners.remove(actor);
            }
            (Request::Open { actor, .. }, Completion::Opened(opened)) => {
                if let Some(owner) = self.owners.get_mut(actor) {
                    owner.inbox = opened.inbox.len();
                }
            }
            (Request::Commit(batch), Completion::Committed(Outcome::Yes)) if self.concerns_others() => {
                self.committed(asker.0, batch);
            }
            (Request::Commit(batch), Completion::Committed(Outcome::Unknown(error))) => {
                let answers = batch.changes.iter().flat_map(|change| &change.answers);
                answers.for_each(|answer| self.reply(&batch.actor, &answer.id, &Err(error.clone())));
            }
            _ => {}
        }
        let opened = matches!(completion, Completion::Opened(_)).then_some(request);
        self.answer(asker, completion);
        if let Some(Request::Open { actor, .. }) = opened {
            self.tell_calls(actor, true);
        }
    }

    /// Tells everybody of the opening, or of a reopening.
    pub(crate) fn announce(&mut self, completion: &Completion) {
        if let Completion::Ready(info) = completion {
            if self.info.is_none() {
                self.first_epoch = info.epoch;
            }
            self.info = Some(info.clone());
        }
        self.tell_all(|| (OPENING, completion.clone()));
    }

    pub(crate) fn drain(&mut self, member: Member, into: &mut Vec<(Ticket, Completion)>) {
        if let Some(seat) = self.seat(member) {
            into.append(&mut seat.finished);
        }
    }

    pub(crate) fn pending(&self, member: Member) -> usize {
        self.seats.iter().find(|seat| seat.member == member).map_or(0, |seat| seat.pending)
    }
}

/// How they are told.
impl House {
    fn owner(&self, actor: &ActorId) -> Option<Member> {
        self.owners.get(actor).map(|owner| owner.member)
    }

    fn tell_all(&mut self, what: impl Fn() -> (Ticket, Completion)) {
        for member in self.seats.iter().map(|seat| seat.member).collect::<Vec<_>>() {
            let (ticket, completion) = what();
            self.push(member, ticket, completion);
        }
    }

    fn push(&mut self, member: Member, ticket: Ticket, completion: Completion) {
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.member == member) else { return };
        if seat.finished.is_empty() {
            self.bells.push(seat.bell.clone());
        }
        seat.finished.push((ticket, completion));
    }

    fn seat(&mut self, member: Member) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.member == member)
    }
}

fn has_halted(status: Status) -> bool {
    matches!(status, Status::Completed | Status::Failed | Status::Cancelled | Status::Parked)
}

fn owned(actor: &ActorId) -> StoreError {
    let by = "another thread of this process";
    let message = format!("{actor} is owned by {by}.\n  do        ask that one, or again when it has let go");
    StoreError::new(Code::Owned, message).with("owner", by)
}
