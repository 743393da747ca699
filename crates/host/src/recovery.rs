//! After a refused or unknown outcome: nothing is assumed, the actor is read back under a new epoch.

use bytes::Bytes;
use pawl_core::codec::change;
use pawl_core::ids::CommitId;
use pawl_core::inbox::{Message, MessageKey};
use pawl_core::input::{Input as ActorInput, Time};
use pawl_core::output::Output as ActorOutput;
use pawl_core::overlay::Standing;
use pawl_core::{Actor, Loaded, OpenError};
use pawl_store::{ActorId, ActorRow, Completion, InboxRow, Opened, Outcome, Past, Request, Scopes, StoreError};

use crate::batches::{Post, core_status};
use crate::compaction;
use crate::outputs::{Facts, Output, Problem, Turn};
use crate::table::{Entry, Handle};
use crate::{Host, Job};

/// How long a failed read is tried again after, at most.
const BACKOFF_MAX_MS: i64 = 5_000;
const BACKOFF_MS: i64 = 100;

/// An actor that must be read back.
pub struct Recovery {
    /// As it was, with the answers that still wait for its changes.
    actor: Box<Actor>,
    /// Changes whose outcome is not known.
    in_doubt: Vec<(u64, CommitId)>,
    /// What those send to other actors.
    posts: Vec<Post>,
    /// What other actors have sent meanwhile: it may be among what the store reads.
    pub arrived: Vec<Message>,
    /// Batches that the store has not answered yet.
    unanswered: usize,
    /// Times in a row that writing or reading has failed.
    strikes: u32,
    /// What opening said: somebody else owns it.
    taken_over: Option<StoreError>,
}

impl Recovery {
    /// How long to wait after one more failure. The first one waits for nothing: it is most likely past.
    fn backoff_ms(&self) -> i64 {
        match self.strikes.checked_sub(2) {
            None => 0,
            Some(doublings) => (BACKOFF_MS << doublings.min(16)).min(BACKOFF_MAX_MS),
        }
    }

    /// Whether it matters what is stored although somebody else owns the actor.
    pub fn asks_elsewhere(&self) -> bool {
        !self.in_doubt.is_empty()
    }

    /// How long to wait after a failed read.
    pub fn next_backoff_ms(&mut self) -> i64 {
        self.strikes += 1;
        self.backoff_ms()
    }
}

impl Host {
    /// The store has answered for the oldest batch of an actor. Returns what may leave, of what that sends to others.
    pub(crate) fn committed(
        &mut self,
        now: Time,
        handle: Handle,
        outcome: Outcome,
        posts: Vec<Post>,
        turn: &mut Turn,
    ) -> Vec<Post> {
        match (self.table.get_mut(handle), outcome) {
            (Some(Entry::Live { actor, in_flight, strikes, .. }), Outcome::Yes) => {
                *strikes = 0;
                let seq = in_flight.pop_front().and_then(|ids| ids.last().map(|(seq, _)| *seq));
                if let Some(seq) = seq {
                    actor.handle(now, ActorInput::Durable { seq });
                    self.poll(handle, turn);
                    self.consider_compaction(handle);
                }
                return posts;
            }
            (Some(Entry::Live { .. }), Outcome::No(error) | Outcome::Unknown(error)) => {
                self.lose(now, handle, 1, posts);
                turn.others.push(Output::Lost { handle, error });
            }
            (Some(Entry::Recovering(recovery)), _) => {
                recovery.posts.extend(posts);
                recovery.unanswered -= 1;
                if recovery.unanswered == 0 {
                    self.timers.call_at(now + recovery.backoff_ms(), handle);
                }
            }
            (Some(Entry::Opening { .. }) | None, Outcome::Yes) => return posts,
            // Nobody is there to ask what became of it: whoever it was for looks for itself.
            (Some(Entry::Opening { .. }) | None, Outcome::No(_) | Outcome::Unknown(_)) => {
                turn.others.extend(posts.into_iter().map(|post| Output::Wake { name: post.to.to_string() }));
            }
        }
        Vec::new()
    }

    /// Stops an actor whose memory may be ahead of the store, or behind it. `answered`: how many of its batches have been
    /// answered and are still counted.
    pub(crate) fn lose(&mut self, now: Time, handle: Handle, answered: usize, mut posts: Vec<Post>) {
        let unsent = self.batches.remove(handle);
        let Some(Entry::Live { actor, mut in_flight, strikes, .. }) =
            self.table.replace(handle, Entry::Opening { arrived: Vec::new() })
        else {
            return;
        };
        let unanswered = in_flight.len().saturating_sub(answered);
        let mut in_doubt: Vec<_> = in_flight.drain(..).flatten().collect();
        in_doubt.extend(unsent.iter().map(|change| (change.seq, change.id)));
        // What was never submitted is not in the store, and leaves never.
        posts.retain(|post| in_doubt.iter().any(|(seq, _)| *seq == post.seq));
        let recovery = Recovery {
            actor,
            in_doubt,
            posts,
            arrived: Vec::new(),
            unanswered,
            strikes: strikes + 1,
            taken_over: None,
        };
        let at = now + recovery.backoff_ms();
        self.table.replace(handle, Entry::Recovering(Box::new(recovery)));
        if unanswered == 0 {
            self.timers.call_at(at, handle);
        }
    }

    /// Somebody else owns an actor of which changes are in doubt. They are there or will never be: what is stored says.
    pub(crate) fn read_elsewhere(&mut self, handle: Handle, error: StoreError) {
        let Some(name) = self.table.name(handle).cloned() else { return };
        if let Some(Entry::Recovering(recovery)) = self.table.get_mut(handle) {
            recovery.taken_over = Some(error);
        }
        let (actor, ticket) = (ActorId::new(self.namespace.clone(), name), self.ticket(Job::Settle(handle)));
        self.store.submit(ticket, Request::Read { actor, since: u64::MAX, up_to: u64::MAX, scopes: Scopes::Open });
    }

    /// What is stored of it has been read.
    pub(crate) fn settled_elsewhere(&mut self, now: Time, handle: Handle, past: Past, turn: &mut Turn) {
        let Some(Entry::Recovering(mut recovery)) = self.table.replace(handle, Entry::Opening { arrived: Vec::new() })
        else {
            return;
        };
        let kept_after = past.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let told = recovery.in_doubt.first().is_none_or(|(seq, _)| *seq > kept_after);
        let owned = recovery.taken_over.take();
        let unknown = || StoreError::unavailable("another process has taken the actor over".to_owned()).into_unknown();
        let error = owned.filter(|_| told).unwrap_or_else(unknown);
        let stored = ids_of(&past.changes, &recovery.in_doubt);
        let posts = answer_what_happened(now, handle, *recovery, &stored, turn);
        self.table.remove(handle);
        turn.others.push(Output::OpenFailed { handle, error: error.into() });
        self.deliver(now, posts, turn);
    }

    /// The store has read an actor.
    pub(crate) fn opened(&mut self, now: Time, handle: Handle, opened: Opened, turn: &mut Turn) {
        let epoch = opened.epoch;
        let (stored, strikes) = match self.table.get(handle) {
            Some(Entry::Recovering(recovery)) => {
                let mut stored: Vec<_> = opened.read.iter().map(|(seq, change)| (*seq, change.id)).collect();
                stored.extend(ids_of(&opened.changes, &recovery.in_doubt));
                (stored, recovery.strikes)
            }
            _ => (Vec::new(), 0),
        };
        self.openings += 1;
        self.note_size(handle, &opened);
        if let Some(name) = self.table.name(handle) {
            self.waiting.remove(name);
        }
        let mut loaded = match Actor::open(loaded(opened), self.seeds.next_u64(), self.openings << 32) {
            Ok(actor) => actor,
            Err(OpenError::NeedsAll { .. }) => return self.ask_open_with(handle, Scopes::All),
            Err(error) => {
                let actor = self.table.name(handle).cloned().unwrap_or_default();
                self.table.remove(handle);
                turn.others.push(Output::OpenFailed { handle, error: Problem::Damaged { actor, error } });
                return;
            }
        };
        loaded.set_limits(self.limits);
        loaded.set_lifetimes(self.lifetimes);
        let facts = facts(&loaded);
        let live = Entry::Live {
            actor: Box::new(loaded),
            epoch,
            in_flight: Default::default(),
            strikes,
            asking: Default::default(),
        };
        let (output, arrived, posts) = match self.table.replace(handle, live) {
            Some(Entry::Recovering(mut recovery)) => {
                let arrived = std::mem::take(&mut recovery.arrived);
                let posts = answer_what_happened(now, handle, *recovery, &stored, turn);
                (Output::Reopened { handle, facts }, arrived, posts)
            }
            Some(Entry::Opening { arrived }) => (Output::Opened { handle, facts }, arrived, Vec::new()),
            Some(Entry::Live { .. }) => (Output::Opened { handle, facts }, Vec::new(), Vec::new()),
            // Closed while the store was reading.
            None => return,
        };
        turn.others.push(output);
        for message in arrived {
            self.feed(now, handle, ActorInput::Arrived { message }, turn);
        }
        self.poll(handle, turn);
        self.deliver(now, posts, turn);
        self.consider_compaction(handle);
    }

    fn note_size(&mut self, handle: Handle, opened: &Opened) {
        let Some(compactor) = &mut self.compactor else { return };
        let snapshot = compaction::contents(opened.snapshot.clone(), Vec::new());
        let open = snapshot.and_then(|contents| contents.snapshot.open_bytes().ok()).unwrap_or_default();
        compactor.opened(handle, opened.changes.iter().map(|(_, body)| body.len()), open);
    }

    /// Reads what is recorded in closed scopes of a loaded actor, if that was not read: whoever shows or controls it needs
    /// it. It waits for the store. False: it could not be read, and what is known of the actor is less than is recorded.
    #[must_use]
    pub fn read_closed_scopes(&mut self, handle: Handle) -> bool {
        let is_partial = self.actor(handle).is_some_and(Actor::is_partial);
        let (true, Some(name)) = (is_partial, self.table.name(handle).cloned()) else { return true };
        self.submit();
        let (actor, ticket) = (ActorId::new(self.namespace.clone(), name), self.next_ticket);
        self.next_ticket += 1;
        self.store.submit(ticket, Request::Read { actor, since: u64::MAX, up_to: u64::MAX, scopes: Scopes::All });
        self.store.flush();
        // What else has finished is taken up by the next call.
        self.store.drain(&mut self.completions);
        let Some(at) = self.completions.iter().position(|(answered, _)| *answered == ticket) else { return false };
        let (_, Completion::Read(past)) = self.completions.remove(at) else { return false };
        let Some(Entry::Live { actor, .. }) = self.table.get_mut(handle) else { return false };
        let snapshot = compaction::contents(past.snapshot, past.chunks);
        let (changes, inbox, standing) = (past.changes, Vec::new(), actor.standing());
        actor.complete(Loaded { snapshot, changes, inbox, standing, ..Loaded::default() }).is_ok()
    }
}

/// Answers the calls whose changes turn out to be durable. What else the old actor would say is void: its run and its
/// attempts are gone, and the actor that was read back starts from the same changes.
fn answer_what_happened(
    now: Time,
    handle: Handle,
    mut recovery: Recovery,
    stored: &[(u64, CommitId)],
    turn: &mut Turn,
) -> Vec<Post> {
    let durable = recovery.in_doubt.iter().take_while(|change| stored.contains(change)).last();
    let Some((seq, _)) = durable.copied() else { return Vec::new() };
    recovery.actor.handle(now, ActorInput::Durable { seq });
    while let Some(output) = recovery.actor.poll() {
        if let ActorOutput::Reply { .. } | ActorOutput::Sent { .. } | ActorOutput::Answered { .. } = output {
            turn.push(handle, output);
        }
    }
    recovery.posts.retain(|post| post.seq <= seq);
    recovery.posts
}

/// The ids under which these changes are stored, as far as they are.
fn ids_of(changes: &[(u64, Bytes)], in_doubt: &[(u64, CommitId)]) -> Vec<(u64, CommitId)> {
    let meant = changes.iter().filter(|(seq, _)| in_doubt.iter().any(|(meant, _)| meant == seq));
    meant.filter_map(|(seq, body)| Some((*seq, change::read(*seq, body).ok()?.id))).collect()
}

/// What a row says of a run.
pub(crate) fn standing(row: &ActorRow) -> Standing {
    Standing { status: core_status(row.status), alarm: row.alarm }
}

fn loaded(opened: Opened) -> Loaded {
    let standing = opened.row.as_ref().map(standing).unwrap_or_default();
    let snapshot = compaction::contents(opened.snapshot, opened.chunks);
    let inbox = opened.inbox.into_iter().map(message).collect();
    Loaded { snapshot, read: opened.read, changes: opened.changes, inbox, standing, floor: opened.floor }
}

pub(crate) fn message(row: InboxRow) -> (MessageKey, bytes::Bytes) {
    (MessageKey { sender: row.sender.to_string(), sender_seq: row.sender_seq }, row.body)
}

fn facts(actor: &Actor) -> Facts {
    Facts {
        exists: actor.exists(),
        destroyed: actor.is_destroyed(),
        has_run: actor.has_run(),
        outcome: actor.outcome().cloned(),
        state: actor.state(),
        seq: actor.queued(),
    }
}
