//! What the members of a house say to each other: calls and replies, messages, ends of runs, events.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Asker, House, Member, Open, Seat, has_halted};
use crate::contract::{Completion, Request, Ticket, WOKEN};
use crate::error::StoreError;
use crate::record::{ActorId, Batch, InboxRow, Put};
use crate::shared::{Answer, Call, News, Sharing};

/// How often a call is told again that has no reply yet: who was to answer it may have failed to.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a call is kept.
const KEPT: Duration = Duration::from_secs(600);

impl House {
    /// Returns what must be read for it, if anything must.
    pub(crate) fn share(&mut self, member: Member, ticket: Ticket, sharing: Sharing) -> Option<(Asker, Request)> {
        match sharing {
            Sharing::Call(call) => self.call(member, call),
            Sharing::Answer { actor, answer: Answer { id, body }, .. } => {
                if self.owner(&actor) == Some(member) {
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
                let holds = self.owner(&actor) == Some(member);
                self.push(member, ticket, Completion::News(News::Holds(holds)));
            }
            Sharing::Listen { actor, listens } => self.listen(member, actor, listens),
            Sharing::Heed(process) => {
                if !self.seats.iter().any(|seat| self.number(seat.member) == process) {
                    self.push(member, WOKEN, Completion::News(News::Died(vec![process])));
                }
            }
            Sharing::Event { actor, body } => {
                let hearing = self.listeners.get(&actor).into_iter().flatten().copied();
                let writer = self.number(member);
                for listener in hearing.filter(|listener| *listener != member).collect::<Vec<_>>() {
                    let news = News::Event { actor: actor.clone(), writer, body: body.clone() };
                    self.push(listener, WOKEN, Completion::News(news));
                }
            }
        }
        None
    }

    /// Whether another member has an actor.
    pub(crate) fn is_elsewhere(&self, member: Member, actor: &ActorId) -> bool {
        self.is_shared() && self.owner(actor).is_some_and(|owner| owner != member)
    }

    /// How many messages wait for an actor that another member has.
    pub(crate) fn waiting(&self, member: Member, actor: &ActorId) -> Option<usize> {
        self.owners.get(actor).filter(|owner| owner.member != member).map(|owner| owner.inbox)
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
        let is_new = matches!(known, Entry::Vacant(_));
        known.or_insert(call).callers.push(member);
        match self.owner(&actor) {
            Some(owner) if is_new => {
                let news = News::Called(vec![Call { actor, id, body }]);
                self.push(owner, WOKEN, Completion::News(news));
            }
            Some(_) => {}
            None => self.want(&actor),
        }
    }

    /// Tells whoever has an actor of its calls: `all`, or those that were told a while ago.
    pub(super) fn tell_calls(&mut self, actor: &ActorId, all: bool) {
        let (Some(owner), Some(calls)) = (self.owner(actor), self.calls.get_mut(actor)) else { return };
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
    pub(super) fn want(&mut self, actor: &ActorId) {
        if self.owners.contains_key(actor) {
            return;
        }
        let Some(calls) = self.calls.get_mut(actor) else { return };
        calls.values_mut().for_each(|call| call.told = Instant::now());
        if let Some(caller) = calls.values().find_map(|call| call.callers.first()).copied() {
            self.push(caller, WOKEN, Completion::News(News::Wanted(actor.clone())));
        }
    }

    pub(super) fn reply(&mut self, actor: &ActorId, id: &Arc<str>, reply: &Result<Bytes, StoreError>) {
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

    pub(super) fn concerns_others(&self) -> bool {
        self.is_shared() || !self.calls.is_empty() || !self.watchers.is_empty()
    }

    /// What a batch means for others.
    pub(super) fn committed(&mut self, member: Member, batch: &Batch) {
        if let Some(owner) = self.owners.get_mut(&batch.actor) {
            let taken: usize = batch.changes.iter().map(|change| change.take.len()).sum();
            owner.inbox = owner.inbox.saturating_sub(taken);
        }
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
        let Some(owner) = self.owners.get_mut(&receiver) else { return };
        owner.inbox += 1;
        let owner = owner.member;
        if owner != member {
            self.push(owner, WOKEN, Completion::News(News::Sent { receiver, row: row.clone() }));
        }
    }

    /// Tells those who wait for it that a run has halted.
    pub(super) fn halt(&mut self, actor: &ActorId, only: Option<Member>) {
        let Some(watchers) = self.watchers.get_mut(actor) else { return };
        let told: Vec<Member> = watchers.iter().copied().filter(|it| only.is_none_or(|only| *it == only)).collect();
        watchers.retain(|member| !told.contains(member));
        if watchers.is_empty() {
            self.watchers.remove(actor);
        }
        told.into_iter().for_each(|it| self.push(it, WOKEN, Completion::News(News::Halted(actor.clone()))));
    }

    pub(super) fn listen(&mut self, member: Member, actor: ActorId, listens: bool) {
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
}
