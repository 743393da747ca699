//! Several environments (threads) of one process that drive one store.
//!
//! Owned here: who they are, which of them has which actor, what each has not drained yet, and what they say to each other:
//! calls and replies, messages for actors that another has, ends of runs, events. It has no thread and no lock of its own.
//!
//! One law: **everything is handed on in the order in which the store finished it**, so that whoever opens an actor finds
//! a message among its rows, or is handed it after the opening, and never the first when it is taken already.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::contract::{Completion, OPENING, Outcome, Request, StoreInfo, Ticket, WOKEN, Wake};
use crate::error::{Code, StoreError};
use crate::record::{ActorId, Batch, InboxRow, Put, Status};
use crate::shared::{Answer, Call, News, Sharing};

/// One environment, by a number that is never used twice.
pub(crate) type Member = u32;

/// Who asks, and under which of its tickets; no ticket: the house itself, which wants to know whether a run has ended.
pub(crate) type Asker = (Member, Option<Ticket>);

/// How often a call is told again that has no reply yet: who was to answer it may have failed to.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a call is kept.
const KEPT: Duration = Duration::from_secs(600);

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

#[derive(Default)]
pub(crate) struct House {
    seats: Vec<Seat>,
    joined: Member,
    owners: HashMap<ActorId, Member>,
    calls: BTreeMap<ActorId, HashMap<Arc<str>, Open>>,
    watchers: HashMap<ActorId, HashSet<Member>>,
    listeners: HashMap<ActorId, HashSet<Member>>,
    /// Since the store was opened.
    info: Option<StoreInfo>,
    bells: Vec<Bell>,
}

/// Who comes and goes.
impl House {
    pub(crate) fn join(&mut self, environment: Option<ThreadId>, wake: Wake) -> Member {
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
        self.owners.retain(|_, owner| *owner != member);
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
            match self.owners.get(actor) {
                Some(owner) if *owner != member => return Err(owned(actor)),
                Some(_) => {}
                None => drop(self.owners.insert(actor.clone(), member)),
            }
        }
        if let Some(seat) = self.seat(member) {
            seat.pending += 1;
        }
        Ok(())
    }

    pub(crate) fn release(&mut self, member: Member, actor: &ActorId) {
        if self.owners.get(actor) == Some(&member) {
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
            (Request::Read { actor, .. }, Completion::Read(past)) if asker.1.is_none() => {
                if past.row.as_ref().is_some_and(|row| has_halted(row.status)) {
                    self.halt(actor, Some(asker.0));
                }
            }
            (Request::Open { actor, .. }, Completion::Failed(_)) => {
                if self.owners.get(actor) == Some(&asker.0) {
                    self.owners.remove(actor);
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

/// What members say to each other.
impl House {
    /// Returns what must be read for it, if anything must.
    pub(crate) fn share(&mut self, member: Member, ticket: Ticket, sharing: Sharing) -> Option<(Asker, Request)> {
        match sharing {
            Sharing::Call(call) => self.call(member, call),
            Sharing::Answer { actor, answer: Answer { id, body }, .. } => {
                if self.owners.get(&actor) == Some(&member) {
                    self.reply(&actor, &id, &Ok(body));
                }
            }
            Sharing::Watch(actor) => {
                self.watchers.entry(actor.clone()).or_default().insert(member);
                return Some(((member, None), Request::newest(actor)));
            }
            // All that comes for an actor is handed to whoever has it.
            Sharing::Inbox(_) => self.push(member, ticket, Completion::News(News::Arrived(Vec::new()))),
            Sharing::Check { actor, .. } => {
                let holds = self.owners.get(&actor) == Some(&member);
                self.push(member, ticket, Completion::News(News::Holds(holds)));
            }
            Sharing::Listen { actor, listens } => self.listen(member, actor, listens),
            Sharing::Event { actor, body } => {
                let hearing = self.listeners.get(&actor).into_iter().flatten().copied();
                for listener in hearing.filter(|listener| *listener != member).collect::<Vec<_>>() {
                    let news = News::Event { actor: actor.clone(), body: body.clone() };
                    self.push(listener, WOKEN, Completion::News(news));
                }
            }
        }
        None
    }

    /// Whether another member has an actor.
    pub(crate) fn is_elsewhere(&self, member: Member, actor: &ActorId) -> bool {
        self.is_shared() && self.owners.get(actor).is_some_and(|owner| *owner != member)
    }

    /// Whether it is for this member, first of all, to take up an actor that nobody has. (Rendezvous hashing: when one leaves,
    /// only what was its changes hands.)
    pub(crate) fn is_home(&self, member: Member, actor: &ActorId) -> bool {
        let weight = |seat: &Seat| {
            let mut hasher = DefaultHasher::new();
            (seat.member, actor).hash(&mut hasher);
            hasher.finish()
        };
        self.seats.len() < 2 || self.seats.iter().max_by_key(|seat| weight(seat)).is_none_or(|it| it.member == member)
    }

    /// When calls are to be told again; none: there are none.
    pub(crate) fn next_telling(&self) -> Option<Instant> {
        let calls = self.calls.values().flat_map(HashMap::values);
        calls.map(|call| call.told + AGAIN).min()
    }

    /// Tells calls again that have had no reply for a while.
    pub(crate) fn tell_again(&mut self) {
        for actor in self.calls.keys().cloned().collect::<Vec<_>>() {
            self.tell_calls(&actor, false);
            self.want(&actor);
        }
        self.calls.retain(|_, calls| {
            calls.retain(|_, call| call.since.elapsed() < KEPT);
            !calls.is_empty()
        });
    }

    fn call(&mut self, member: Member, Call { actor, id, body }: Call) {
        let now = Instant::now();
        let call = Open { body: body.clone(), callers: Vec::new(), since: now, told: now };
        let known = self.calls.entry(actor.clone()).or_default().entry(id.clone());
        let is_new = matches!(known, std::collections::hash_map::Entry::Vacant(_));
        known.or_insert(call).callers.push(member);
        match self.owners.get(&actor) {
            Some(owner) if is_new => {
                let news = News::Called(vec![Call { actor, id, body }]);
                self.push(*owner, WOKEN, Completion::News(news));
            }
            Some(_) => {}
            None => self.want(&actor),
        }
    }

    /// Tells whoever has an actor of its calls: `all`, or those that were told a while ago.
    fn tell_calls(&mut self, actor: &ActorId, all: bool) {
        let (Some(owner), Some(calls)) = (self.owners.get(actor).copied(), self.calls.get_mut(actor)) else { return };
        let due = calls.iter_mut().filter(|(_, call)| all || call.told.elapsed() >= AGAIN);
        let told = due.map(|(id, call)| {
            call.told = Instant::now();
            Call { actor: actor.clone(), id: id.clone(), body: call.body.clone() }
        });
        let told: Vec<Call> = told.collect();
        if !told.is_empty() {
            self.push(owner, WOKEN, Completion::News(News::Called(told)));
        }
    }

    /// Somebody waits for an actor that nobody has: whoever does is to take it up.
    fn want(&mut self, actor: &ActorId) {
        if self.owners.contains_key(actor) {
            return;
        }
        let Some(calls) = self.calls.get_mut(actor) else { return };
        calls.values_mut().for_each(|call| call.told = Instant::now());
        if let Some(caller) = calls.values().find_map(|call| call.callers.first()).copied() {
            self.push(caller, WOKEN, Completion::News(News::Wanted(actor.clone())));
        }
    }

    fn reply(&mut self, actor: &ActorId, id: &Arc<str>, reply: &Result<Bytes, StoreError>) {
        let Some(calls) = self.calls.get_mut(actor) else { return };
        let call = calls.remove(id);
        if calls.is_empty() {
            self.calls.remove(actor);
        }
        for caller in call.into_iter().flat_map(|call| call.callers) {
            let news = News::Replied { actor: actor.clone(), id: id.clone(), reply: reply.clone() };
            self.push(caller, WOKEN, Completion::News(news));
        }
    }

    fn concerns_others(&self) -> bool {
        self.is_shared() || !self.calls.is_empty() || !self.watchers.is_empty()
    }

    /// What a batch means for others.
    fn committed(&mut self, member: Member, batch: &Batch) {
        for change in &batch.changes {
            for Put { receiver, row } in &change.put {
                self.hand_on(member, &batch.actor, receiver, row);
            }
            for answer in &change.answers {
                self.reply(&batch.actor, &answer.id, &Ok(answer.body.clone()));
            }
        }
        if !self.watchers.is_empty() && batch.changes.last().is_some_and(|change| has_halted(change.status)) {
            self.halt(&batch.actor, None);
        }
    }

    /// A message for an actor that another member has. For one that nobody has, the sender looks.
    fn hand_on(&mut self, member: Member, sender: &ActorId, receiver: &Arc<str>, row: &InboxRow) {
        let receiver = ActorId { namespace: sender.namespace.clone(), name: receiver.clone() };
        if let Some(owner) = self.owners.get(&receiver).copied().filter(|owner| *owner != member) {
            self.push(owner, WOKEN, Completion::News(News::Sent { receiver, row: row.clone() }));
        }
    }

    /// Tells those who wait for it that a run has halted.
    fn halt(&mut self, actor: &ActorId, only: Option<Member>) {
        let Some(watchers) = self.watchers.get_mut(actor) else { return };
        let told: Vec<Member> = watchers.iter().copied().filter(|it| only.is_none_or(|only| *it == only)).collect();
        watchers.retain(|member| !told.contains(member));
        if watchers.is_empty() {
            self.watchers.remove(actor);
        }
        told.into_iter().for_each(|it| self.push(it, WOKEN, Completion::News(News::Halted(actor.clone()))));
    }

    fn listen(&mut self, member: Member, actor: ActorId, listens: bool) {
        let listeners = self.listeners.entry(actor.clone()).or_default();
        if listens {
            listeners.insert(member);
        } else {
            listeners.remove(&member);
        }
        // Each is told whether anybody but itself listens.
        let (count, only) = (listeners.len(), listeners.iter().next().copied());
        if count == 0 {
            self.listeners.remove(&actor);
        }
        for other in self.seats.iter().map(|seat| seat.member).collect::<Vec<_>>() {
            let listens = count > 1 || (count == 1 && only != Some(other));
            let news = News::Listened { actor: actor.clone(), listens };
            self.push(other, WOKEN, Completion::News(news));
        }
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
    let message = format!(
        "{actor} is owned by {by}.\n  do        ask that one, or again when it has let go"
    );
    StoreError::new(Code::Owned, message).with("owner", by)
}
