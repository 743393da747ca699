//! Compaction of loaded actors: one at a time, planned by a thread of its own.
//!
//! An actor is due when what was appended since its newest snapshot exceeds a constant share of that: then what is written
//! again stays in proportion to what was appended. The host reads for the planner and writes what it says in small pieces
//! between commits, under the actor's epoch. One law: giving a compaction up, wherever it is, changes nothing that is read.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use pawl_core::snapshot::{self, Contents, Kept, Plan, Retention, compact};
use pawl_core::{Actor, OpenError};
use pawl_store::{ActorId, Compaction, Completion, Outcome, Past, Request, Scopes, Ticket, Wake};
use rustc_hash::FxHashMap;

use crate::Host;
use crate::table::{Entry, Handle};

/// Less than this is not compacted.
const LEAST_BYTES: u64 = 256 << 10;
/// What a change costs beside its body.
const CHANGE_BYTES: u64 = 64;
/// Where all that is kept of an actor had to be read, it is not due again before this part of that was appended.
const SHARE_OF_ALL: u64 = 16;
/// How much one transaction writes, and how many rows it deletes.
const PIECE_BYTES: usize = 1 << 20;
const PIECE_CHANGES: u64 = 256;
const PIECE_CHUNKS: usize = 16;

type Planned = (u64, Result<Option<Plan>, OpenError>);
/// What goes to the thread that plans, and what comes back.
type Planner = (Sender<(u64, Kept)>, Receiver<Planned>);

/// Plans compactions, and says which actors are due.
pub(crate) struct Compactor {
    retention: Retention,
    wake: Wake,
    /// The thread that plans; started when it is first needed.
    planner: Option<Planner>,
    growth: FxHashMap<Handle, Growth>,
    task: Option<Task>,
    /// Counts tasks, so that what comes of one that was given up is known.
    tasks: u64,
}

/// How much an actor has grown since its newest snapshot, and how much it may.
struct Growth {
    appended: u64,
    due_at: u64,
}

struct Task {
    number: u64,
    handle: Handle,
    actor: ActorId,
    epoch: u64,
    /// The change up to which it goes.
    up_to: u64,
    /// What has been read.
    scopes: Scopes,
    /// What the store is doing for it.
    ticket: Option<Ticket>,
    pieces: VecDeque<Compaction>,
    due_at: u64,
}

impl Compactor {
    pub(crate) fn new(retention: Retention, wake: Wake) -> Compactor {
        Compactor { retention, wake, planner: None, growth: FxHashMap::default(), task: None, tasks: 0 }
    }

    /// An actor was loaded from these changes after a snapshot whose open part has so many bytes.
    pub(crate) fn opened(&mut self, handle: Handle, bodies: impl Iterator<Item = usize>, open: u64) {
        let appended = bodies.map(|bytes| bytes as u64 + CHANGE_BYTES).sum();
        self.growth.insert(handle, Growth { appended, due_at: due_at((open, 0)) });
    }

    pub(crate) fn appended(&mut self, handle: Handle, bytes: usize) {
        if let Some(growth) = self.growth.get_mut(&handle) {
            growth.appended += bytes as u64 + CHANGE_BYTES;
        }
    }

    pub(crate) fn closed(&mut self, handle: Handle) {
        self.growth.remove(&handle);
        if self.task.as_ref().is_some_and(|task| task.handle == handle) {
            self.task = None;
        }
    }

    fn is_due(&self, handle: Handle, at_once: bool) -> bool {
        let is_large = |growth: &Growth| growth.appended >= if at_once { 1 } else { growth.due_at };
        self.task.is_none() && self.growth.get(&handle).is_some_and(is_large)
    }

    fn plan(&mut self, number: u64, kept: Kept) {
        let (retention, wake) = (self.retention, self.wake.clone());
        let (to, _) = self.planner.get_or_insert_with(|| {
            let (to, jobs) = channel::<(u64, Kept)>();
            let (done, from) = channel();
            let work = move || {
                for (number, kept) in jobs {
                    // What cannot be read is told by whoever opens the actor; here it only is not compacted.
                    let planned = std::panic::catch_unwind(|| compact(&kept, retention)).unwrap_or(Ok(None));
                    if done.send((number, planned)).is_err() {
                        return;
                    }
                    wake();
                }
            };
            // Without a thread nothing is planned: the channel is closed, and the task is given up.
            drop(thread::Builder::new().name("pawl-compactor".to_owned()).spawn(work));
            (to, from)
        });
        if to.send((number, kept)).is_err() {
            self.task = None;
        }
    }
}

fn due_at((open, all): (u64, u64)) -> u64 {
    LEAST_BYTES.max(open).max(all / SHARE_OF_ALL)
}

impl Host {
    /// Whether nothing of an actor is to be compacted: its newest snapshot is all that it needs.
    pub(crate) fn is_compact(&self, handle: Handle) -> bool {
        self.compactor.as_ref().is_none_or(|compactor| {
            let is_short = compactor.growth.get(&handle).is_none_or(|growth| growth.appended == 0);
            is_short && compactor.task.as_ref().is_none_or(|task| task.handle != handle)
        })
    }

    /// Starts to compact an actor if that is due.
    pub(crate) fn consider_compaction(&mut self, handle: Handle) {
        // Of one that was destroyed nothing is needed any more.
        let is_destroyed = self.actor(handle).is_some_and(Actor::is_destroyed);
        let is_due = |compactor: &&mut Compactor| compactor.is_due(handle, is_destroyed);
        let Some(compactor) = self.compactor.as_mut().filter(is_due) else { return };
        let (Some(Entry::Live { actor, epoch, .. }), Some(name)) = (self.table.get(handle), self.table.name(handle))
        else {
            return;
        };
        let (up_to, epoch) = (actor.durable(), *epoch);
        let actor = ActorId::new(self.namespace.clone(), name.clone());
        if let Some(growth) = compactor.growth.get_mut(&handle) {
            growth.appended = 0;
        }
        compactor.tasks += 1;
        let (number, ticket) = (compactor.tasks, self.next_ticket);
        self.next_ticket += 1;
        let (pieces, due_at) = (VecDeque::new(), LEAST_BYTES);
        compactor.task = Some(Task {
            number,
            handle,
            actor,
            epoch,
            up_to,
            scopes: Scopes::Open,
            ticket: Some(ticket),
            pieces,
            due_at,
        });
        self.read_for_compaction(ticket);
    }

    fn read_for_compaction(&mut self, ticket: Ticket) {
        let Some(task) = self.compactor.as_ref().and_then(|compactor| compactor.task.as_ref()) else { return };
        let Task { actor, up_to, scopes, .. } = task;
        let read = Request::Read { actor: actor.clone(), since: u64::MAX, up_to: *up_to, scopes: *scopes };
        self.store.submit(ticket, read);
    }

    /// Takes what the store has done for a compaction; gives everything else back.
    pub(crate) fn compacting(&mut self, ticket: Ticket, completion: Completion) -> Option<Completion> {
        let task = self.compactor.as_mut().and_then(|compactor| compactor.task.as_mut());
        let Some(task) = task.filter(|task| task.ticket == Some(ticket)) else { return Some(completion) };
        task.ticket = None;
        let number = task.number;
        match completion {
            Completion::Read(past) => {
                if let Some(compactor) = &mut self.compactor {
                    compactor.plan(number, kept(past));
                }
            }
            Completion::Committed(Outcome::Yes) => self.next_piece(),
            _ => self.give_up_compaction(),
        }
        None
    }

    /// Whether an actor is being compacted.
    pub fn is_compacting(&self) -> bool {
        self.compactor.as_ref().is_some_and(|compactor| compactor.task.is_some())
    }

    /// Whether that waits for the planner, which will wake the host.
    pub fn is_planning(&self) -> bool {
        let task = self.compactor.as_ref().and_then(|compactor| compactor.task.as_ref());
        task.is_some_and(|task| task.ticket.is_none())
    }

    fn give_up_compaction(&mut self) {
        if let Some(compactor) = &mut self.compactor {
            compactor.task = None;
        }
    }

    /// Takes what the planner has planned.
    pub(crate) fn take_plans(&mut self) {
        let Some(compactor) = &mut self.compactor else { return };
        let Some((_, from)) = &compactor.planner else { return };
        let Some((number, planned)) = from.try_iter().last() else { return };
        let Some(task) = compactor.task.as_mut().filter(|task| task.number == number) else { return };
        match planned {
            Ok(Some(plan)) => {
                let all = if task.scopes == Scopes::All { plan.all_bytes } else { 0 };
                task.due_at = due_at((plan.open_bytes, all));
                task.pieces = pieces(&task.actor, task.epoch, plan);
                self.next_piece();
            }
            Err(OpenError::NeedsAll { .. }) if task.scopes == Scopes::Open => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                (task.scopes, task.ticket) = (Scopes::All, Some(ticket));
                self.read_for_compaction(ticket);
            }
            Ok(None) | Err(_) => self.give_up_compaction(),
        }
    }

    fn next_piece(&mut self) {
        let ticket = self.next_ticket;
        let Some(compactor) = &mut self.compactor else { return };
        let Some(task) = &mut compactor.task else { return };
        match task.pieces.pop_front() {
            Some(piece) => {
                self.next_ticket += 1;
                task.ticket = Some(ticket);
                self.store.submit(ticket, Request::Compact(piece));
            }
            None => {
                if let Some(growth) = compactor.growth.get_mut(&task.handle) {
                    growth.due_at = task.due_at;
                }
                compactor.task = None;
            }
        }
    }
}

/// In pieces as small as the store wants them: chunks, the snapshot, then what goes.
fn pieces(actor: &ActorId, epoch: u64, plan: Plan) -> VecDeque<Compaction> {
    let new = || Compaction::new(actor.clone(), epoch);
    let mut pieces = VecDeque::new();
    let mut piece = new();
    for chunk in plan.put_chunks {
        if piece.bytes() + chunk.1.len() > PIECE_BYTES && !piece.put_chunks.is_empty() {
            pieces.push_back(std::mem::replace(&mut piece, new()));
        }
        piece.put_chunks.push(chunk);
    }
    pieces.push_back(piece);
    let snapshot::Snapshot { seq, manifest: body, open, closed } = plan.snapshot;
    let put_snapshot = Some(pawl_store::Snapshot { seq, body, open, closed });
    pieces.push_back(Compaction { put_snapshot, drop_snapshots: plan.drop_snapshots, ..new() });
    if let Some((oldest, newest)) = plan.drop_changes {
        let mut through = oldest - 1;
        while through < newest {
            through = newest.min(through + PIECE_CHANGES);
            pieces.push_back(Compaction { drop_changes: Some(through), ..new() });
        }
    }
    for chunks in plan.drop_chunks.chunks(PIECE_CHUNKS) {
        pieces.push_back(Compaction { drop_chunks: chunks.to_vec(), ..new() });
    }
    pieces
}

pub(crate) fn contents(snapshot: Option<pawl_store::Snapshot>, chunks: Vec<(u64, bytes::Bytes)>) -> Option<Contents> {
    snapshot.map(|stored| Contents { snapshot: core_snapshot(stored), chunks })
}

fn core_snapshot(stored: pawl_store::Snapshot) -> snapshot::Snapshot {
    let pawl_store::Snapshot { seq, body: manifest, open, closed } = stored;
    snapshot::Snapshot { seq, manifest, open, closed }
}

fn kept(past: Past) -> Kept {
    let Past { snapshot, chunks, changes, snapshots, all_chunks, oldest_change, .. } = past;
    Kept {
        newest: contents(snapshot, chunks),
        changes,
        snapshots: snapshots.into_iter().map(core_snapshot).collect(),
        all_chunks,
        oldest_change,
    }
}
