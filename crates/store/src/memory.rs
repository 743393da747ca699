//! The store in memory: for tests, and the model that the others are compared with.
//!
//! `memory:` is a store of its own each time. `memory:NAME` names a database of the process that outlives its store, has
//! one owner at a time, and is as durable as the process.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::check;
use crate::completions::Completions;
use crate::contract::{
    Completion, Due, Limits, Listed, OPENING, OpenOptions, Opened, Outcome, Past, Request, Stats, Store, StoreInfo,
    Ticket, Wake,
};
use crate::error::{Code, StoreError};
use crate::id;
use crate::record::{ActorId, ActorRow, Batch, Change, Compaction, InboxRow, Put, Scopes, Snapshot, Status};
use crate::whole::Source;

mod forget;
mod whole;
use whole::Rows;
pub(crate) use whole::target;

static NAMED: LazyLock<Mutex<HashMap<String, Arc<Mutex<Database>>>>> = LazyLock::new(Mutex::default);

/// What would be on disk.
struct Database {
    id: [u8; 16],
    /// Of the newest opening.
    epoch: u64,
    /// What the numbers of every actor that was forgotten were below.
    floor: u64,
    owned: bool,
    actors: BTreeMap<ActorId, Actor>,
    /// By receiver. Apart from `actors`, as a message may wait for an actor that has no change yet; never empty inside.
    inboxes: BTreeMap<ActorId, BTreeMap<MessageKey, Bytes>>,
    notes: BTreeMap<Arc<str>, Bytes>,
}

/// (sender, sender's seq).
type MessageKey = (Arc<str>, u64);

/// What an inbox held under a key before it was changed.
type Undo = (ActorId, MessageKey, Option<Bytes>);

struct Actor {
    row: ActorRow,
    /// By seq; without a gap from the oldest that is kept.
    changes: BTreeMap<u64, Bytes>,
    /// By seq.
    snapshots: BTreeMap<u64, Snapshot>,
    chunks: BTreeMap<u64, Bytes>,
}

/// How a store in memory stands.
enum Phase {
    Open {
        database: Arc<Mutex<Database>>,
        epoch: u64,
    },
    /// Nothing can be asked any more: it was never opened, or is closed.
    Shut(StoreError),
    Abandoned,
}

pub(crate) struct MemoryStore {
    phase: Phase,
    url: Arc<str>,
    wake: Wake,
    limits: Limits,
    completions: Completions,
    stats: Stats,
}

impl MemoryStore {
    pub(crate) fn open(url: &str, name: Option<String>, options: OpenOptions) -> Self {
        let database = match name {
            Some(name) => locked(&NAMED).entry(name).or_insert_with(|| Arc::new(Mutex::new(Database::new()))).clone(),
            None => Arc::new(Mutex::new(Database::new())),
        };
        let taken = locked(&database).take();
        let url: Arc<str> = url.into();
        let (phase, first) = match taken {
            Ok((id, epoch)) => {
                (Phase::Open { database, epoch }, Completion::Ready(StoreInfo { id, url: url.clone(), epoch }))
            }
            Err(error) => (Phase::Shut(error.clone()), Completion::Failed(error)),
        };
        let OpenOptions { wake, limits, .. } = options;
        let mut store = Self { phase, url, wake, limits, completions: Completions::default(), stats: Stats::default() };
        store.completions.push([(OPENING, first)]).call(&store.wake);
        store
    }

    fn answer(&mut self, request: Request) -> Option<Completion> {
        match &self.phase {
            Phase::Abandoned => None,
            Phase::Shut(error) => Some(request.asked().refused(error.clone())),
            Phase::Open { database, epoch } => {
                let mut database = locked(database);
                Some(match request {
                    Request::Open { actor, scopes } => match database.open(&actor, *epoch, scopes, &mut self.stats) {
                        Ok(opened) => Completion::Opened(opened),
                        Err(error) => Completion::Failed(error),
                    },
                    Request::Read { actor, since, up_to, scopes } => {
                        match database.read(&actor, (since, up_to), scopes, &mut self.stats) {
                            Ok(past) => Completion::Read(past),
                            Err(error) => Completion::Failed(error),
                        }
                    }
                    Request::Compact(piece) => {
                        Completion::Committed(match database.compact(piece, *epoch, &mut self.stats) {
                            Ok(()) => Outcome::Yes,
                            Err(error) => Outcome::No(error),
                        })
                    }
                    Request::Forget(forget) => match database.forget(&forget, *epoch) {
                        Ok(done) => Completion::Forgot { done },
                        Err(error) => Completion::Committed(Outcome::No(error)),
                    },
                    Request::Alarms { after, limit } => Completion::Alarms(database.due(after.as_ref(), limit)),
                    Request::Actors { namespace, after, limit } => {
                        Completion::Actors(database.list(&namespace, after.as_deref(), limit))
                    }
                    Request::Note { puts } => {
                        database.note(puts);
                        Completion::Committed(Outcome::Yes)
                    }
                    Request::Notes { prefix } => Completion::Notes(database.notes(&prefix)),
                    Request::Commit(batch) => match database.commit(batch, &self.limits) {
                        Ok(changes) => {
                            self.stats.batches += 1;
                            self.stats.transactions += 1;
                            self.stats.changes += changes;
                            Completion::Committed(Outcome::Yes)
                        }
                        Err(error) => Completion::Committed(Outcome::No(error)),
                    },
                })
            }
        }
    }

    fn release(&mut self, next: Phase) {
        if let Phase::Open { database, .. } = std::mem::replace(&mut self.phase, next) {
            locked(&database).owned = false;
        }
    }
}

impl Store for MemoryStore {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        if let Some(completion) = self.answer(request) {
            self.completions.push([(ticket, completion)]).call(&self.wake);
        }
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        self.completions.drain(into);
    }

    fn pending(&self) -> usize {
        0
    }

    fn flush(&mut self) {}

    fn stats(&self) -> Stats {
        self.stats
    }

    fn whole(&self) -> Option<Box<dyn Source + Send>> {
        let Phase::Open { database, .. } = &self.phase else { return None };
        Some(Box::new(Rows::of(&locked(database))))
    }

    fn close(&mut self) {
        if matches!(self.phase, Phase::Open { .. }) {
            self.release(Phase::Shut(StoreError::closed(&self.url)));
        }
    }

    fn abandon(&mut self) {
        self.release(Phase::Abandoned);
        self.completions.clear();
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Database {
    fn new() -> Self {
        Self {
            id: id::random(),
            epoch: 0,
            floor: 0,
            owned: false,
            actors: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Makes the caller the owner, under a new epoch.
    fn take(&mut self) -> Result<([u8; 16], u64), StoreError> {
        if self.owned {
            return Err(owned());
        }
        self.owned = true;
        self.epoch += 1;
        Ok((self.id, self.epoch))
    }

    fn open(&self, actor: &ActorId, epoch: u64, scopes: Scopes, stats: &mut Stats) -> Result<Opened, StoreError> {
        let Past { row, snapshot, chunks, changes, .. } = self.read(actor, (u64::MAX, u64::MAX), scopes, stats)?;
        let inbox = self.inbox(actor);
        let floor = self.floor;
        Ok(Opened { row, epoch, floor, snapshot, chunks, read: Vec::new(), changes, inbox })
    }

    fn inbox(&self, actor: &ActorId) -> Vec<InboxRow> {
        let rows = self.inboxes.get(actor).into_iter().flatten();
        rows.map(|((sender, seq), body)| InboxRow { sender: sender.clone(), sender_seq: *seq, body: body.clone() })
            .collect()
    }

    fn read(
        &self,
        actor: &ActorId,
        (since, up_to): (u64, u64),
        scopes: Scopes,
        stats: &mut Stats,
    ) -> Result<Past, StoreError> {
        check::actor(actor)?;
        let Some(stored) = self.actors.get(actor) else { return Ok(Past::default()) };
        let up_to = up_to.min(stored.row.seq);
        let snapshots: Vec<Snapshot> = stored.snapshots.values().cloned().collect();
        let oldest_change = stored.changes.keys().next().copied();
        let snapshot = check::start(&snapshots, since, up_to, oldest_change).cloned();
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let changes: Vec<_> = stored
            .changes
            .range(after + 1..)
            .take_while(|(seq, _)| **seq <= up_to)
            .map(|(seq, body)| (*seq, body.clone()))
            .collect();
        check::kept(actor, after, up_to, &changes, stored.snapshots.keys().next().copied())?;
        let numbers = snapshot.iter().flat_map(|snapshot| snapshot.read_for(scopes));
        let chunk = |number: &u64| Some((*number, stored.chunks.get(number)?.clone()));
        let chunks = numbers.map(|number| chunk(number).ok_or_else(|| StoreError::no_chunk(actor, *number)));
        let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
        stats.read(&chunks, &changes);
        Ok(Past {
            row: Some(stored.row.clone()),
            snapshot,
            chunks,
            changes,
            snapshots,
            all_chunks: stored.chunks.keys().copied().collect(),
            oldest_change,
            inbox: self.inbox(actor),
            owner: None,
        })
    }

    fn compact(&mut self, piece: Compaction, epoch: u64, stats: &mut Stats) -> Result<(), StoreError> {
        let ends = |stored: &Actor| {
            let oldest = *stored.snapshots.keys().next()?;
            Some((oldest, *stored.snapshots.keys().next_back()?))
        };
        let stored = self.actors.get(&piece.actor);
        let seq = stored.map_or(0, |stored| stored.row.seq);
        check::compaction(&piece, epoch, check::Stored { seq, snapshots: stored.and_then(ends) })?;
        let Some(stored) = self.actors.get_mut(&piece.actor) else { return Ok(()) };
        stats.compacted(&piece);
        stored.chunks.extend(piece.put_chunks);
        stored.snapshots.extend(piece.put_snapshot.map(|snapshot| (snapshot.seq, snapshot)));
        if let Some(before) = piece.drop_snapshots {
            stored.snapshots = stored.snapshots.split_off(&before);
        }
        if let Some(through) = piece.drop_changes {
            stored.changes = stored.changes.split_off(&(through + 1));
        }
        piece.drop_chunks.iter().for_each(|number| drop(stored.chunks.remove(number)));
        Ok(())
    }

    fn due(&self, after: Option<&ActorId>, limit: usize) -> Vec<Due> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let alarmed = self.actors.range::<ActorId, _>(from).filter(|(_, actor)| actor.row.alarm.is_some());
        let parked = |actor: &Actor| actor.row.status == Status::Parked;
        let mut due: BTreeMap<&ActorId, (Option<i64>, bool)> =
            alarmed.map(|(id, actor)| (id, (actor.row.alarm, parked(actor)))).collect();
        for (id, _) in self.inboxes.range::<ActorId, _>(from) {
            due.entry(id).or_insert((None, false));
        }
        due.into_iter()
            .take(limit)
            .map(|(id, (alarm, parked))| Due { actor: id.clone(), alarm, inbox: self.inboxes.contains_key(id), parked })
            .collect()
    }

    fn list(&self, namespace: &Arc<str>, after: Option<&str>, limit: usize) -> Vec<Listed> {
        let from = Bound::Excluded(ActorId::new(namespace.clone(), after.unwrap_or("")));
        let behind = self.actors.range((from, Bound::Unbounded)).take_while(|(id, _)| id.namespace == *namespace);
        behind
            .map(|(id, actor)| Listed { name: id.name.clone(), row: actor.row.clone(), owner: None })
            .take(limit)
            .collect()
    }

    fn note(&mut self, puts: Vec<(Arc<str>, Option<Bytes>)>) {
        for (name, body) in puts {
            match body {
                Some(body) => drop(self.notes.insert(name, body)),
                None => drop(self.notes.remove(&name)),
            }
        }
    }

    fn notes(&self, prefix: &str) -> Vec<(Arc<str>, Bytes)> {
        let found = self.notes.iter().filter(|(name, _)| name.starts_with(prefix));
        found.map(|(name, body)| (name.clone(), body.clone())).collect()
    }

    /// Returns how many changes were committed.
    fn commit(&mut self, batch: Batch, limits: &Limits) -> Result<u64, StoreError> {
        check::shape(&batch, limits)?;
        check::fence(&batch, self.epoch, self.actors.get(&batch.actor).map_or(0, |actor| actor.row.seq))?;
        self.apply_messages(&batch)?;
        Ok(self.append(batch))
    }

    /// Applies what the batch puts and takes, or nothing of it.
    fn apply_messages(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut undo = Vec::new();
        let applied = batch.changes.iter().try_for_each(|change| self.exchange(&batch.actor, change, &mut undo));
        if applied.is_err() {
            for (receiver, key, before) in undo.into_iter().rev() {
                self.set_message(receiver, key, before);
            }
        }
        applied
    }

    fn exchange(&mut self, actor: &ActorId, change: &Change, undo: &mut Vec<Undo>) -> Result<(), StoreError> {
        for Put { receiver, row } in &change.put {
            let to = ActorId { namespace: actor.namespace.clone(), name: receiver.clone() };
            let key = (row.sender.clone(), row.sender_seq);
            match self.message(&to, &key) {
                Some(stored) if *stored == row.body => {}
                Some(_) => return Err(StoreError::other_message(receiver, &row.sender, row.sender_seq)),
                None => {
                    self.set_message(to.clone(), key.clone(), Some(row.body.clone()));
                    undo.push((to, key, None));
                }
            }
        }
        for key in &change.take {
            let Some(taken) = self.message(actor, key).cloned() else {
                return Err(StoreError::not_in_inbox(actor, &key.0, key.1));
            };
            self.set_message(actor.clone(), key.clone(), None);
            undo.push((actor.clone(), key.clone(), Some(taken)));
        }
        Ok(())
    }

    fn message(&self, receiver: &ActorId, key: &MessageKey) -> Option<&Bytes> {
        self.inboxes.get(receiver)?.get(key)
    }

    fn set_message(&mut self, receiver: ActorId, key: MessageKey, body: Option<Bytes>) {
        match (body, self.inboxes.entry(receiver)) {
            (Some(body), entry) => {
                entry.or_default().insert(key, body);
            }
            (None, Entry::Occupied(mut inbox)) => {
                inbox.get_mut().remove(&key);
                if inbox.get().is_empty() {
                    inbox.remove();
                }
            }
            (None, Entry::Vacant(_)) => {}
        }
    }

    fn append(&mut self, batch: Batch) -> u64 {
        let Batch { actor, epoch, changes } = batch;
        let count = changes.len() as u64;
        let Some(Change { seq, alarm, status, state_version, .. }) = changes.last() else { return 0 };
        let row = ActorRow { epoch, seq: *seq, alarm: *alarm, status: *status, state_version: *state_version };
        let bodies = changes.into_iter().map(|change| (change.seq, change.body));
        match self.actors.get_mut(&actor) {
            Some(stored) => {
                stored.row = row;
                stored.changes.extend(bodies);
            }
            None => {
                let changes = bodies.collect();
                let new = Actor { row, changes, snapshots: BTreeMap::new(), chunks: BTreeMap::new() };
                drop(self.actors.insert(actor, new));
            }
        }
        count
    }
}

fn owned() -> StoreError {
    let message = "this store in memory is open already, in this process.\n  expected  one owner at a time\n  do   \
                   \u{20}    close the other one first, or use another name";
    StoreError::new(Code::StoreInUse, message.to_owned())
}

/// Poisoning of a mutex says nothing here: no code that may panic runs between two writes that belong together.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
