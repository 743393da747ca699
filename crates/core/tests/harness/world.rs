//! What survives a crash: a store of changes, a clock, and what tests look at.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pawl_core::codec::change::{self, Record};
use pawl_core::codec::message::write_message;
use pawl_core::codec::record::{BranchStatus, BranchStatusType, EntryKind};
use pawl_core::history::Divergence;
use pawl_core::inbox::MessageKey;
use pawl_core::input::Embedded;
use pawl_core::key::{Location, Segment};
use pawl_core::output::{Change, Put, RunOutcome};
use pawl_core::overlay::Standing;
use pawl_core::snapshot::{Contents, Kept, Retention, compact};
use pawl_core::{Actor, Loaded, OpenError};

use super::life::Life;
use super::program::Do;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    BeforeWritten,
    BeforeAcknowledged,
}

#[derive(Default, Clone)]
pub struct World {
    pub now: i64,
    pub changes: Vec<(u64, Bytes)>,
    pub inbox: BTreeMap<(u64, String), Bytes>,
    pub standing: Standing,
    /// Every attempt that ran, in all lives: `name#attempt`; `undo name#attempt` of handlers.
    pub executed: Vec<String>,
    /// Handlers that have succeeded, by the path of their step, in the order of their ends.
    pub undone: Vec<String>,
    /// How often the workflow's function was called.
    pub lives: u32,
    pub batches: usize,
    /// The batch at which the process dies.
    pub lose: Option<(usize, Lost)>,
    /// After how many turns of each life the process dies.
    pub kills: Vec<usize>,
    /// Whether bodies, batches and the event loop take their turns in an order drawn from this.
    pub seed: Option<u64>,
    /// Whether the actor is closed whenever nothing can go on.
    pub evicts: bool,
    /// Whether the code begins what is certain to be new before the core says so.
    pub eager: bool,
    pub reports: bool,
    /// Whether the run is an embedding host's.
    pub embedded: Option<Embedded>,
    pub reported: Vec<String>,
    /// What operations resolved to, in the last life.
    pub facts: Vec<String>,
    /// The same with paths and values, but only what became a fact with a commit of its own; for each life.
    pub told: Vec<Vec<String>>,
    /// What the workflow's own operations came to, in the last life.
    pub results: Vec<String>,
    pub answered: Vec<String>,
    pub versions: Vec<u8>,
    pub parked: Option<Divergence>,
    /// Inputs and outputs, and the bytes of all changes.
    pub crossings: usize,
}

impl World {
    pub fn new() -> World {
        World { now: 1_000_000, ..World::default() }
    }

    /// What the store has, read as after compactions: after some of the loads all of it is read, after others only what
    /// is open.
    pub fn open_actor(&self, seed: u64, first_scope: u64) -> Actor {
        let kept = self.compacted();
        let closed = kept.is_some() && self.changes.len().is_multiple_of(3);
        let opened = Actor::open(self.load(kept.clone(), closed), seed, first_scope);
        let opened = match opened {
            Err(OpenError::NeedsAll { .. }) => Actor::open(self.load(kept, true), seed, first_scope),
            opened => opened,
        };
        opened.expect("what was written can be read")
    }

    /// Takes up what an actor has not read.
    pub fn complete(&self, actor: &mut Actor) {
        if actor.is_partial() {
            actor.complete(self.load(self.compacted(), true)).expect("what was written can be read");
        }
    }

    /// The store after two compactions, the second on top of the first, at places that look random.
    fn compacted(&self) -> Option<Contents> {
        let mut kept = Kept::default();
        for part in [3, 2] {
            let end = self.changes.len() - self.changes.len() / part;
            let from = kept.newest.as_ref().map_or(0, |newest| newest.snapshot.seq as usize);
            kept.changes = self.changes.get(from..end).unwrap_or_default().to_vec();
            let mut open = kept.clone();
            if let Some(newest) = &mut open.newest {
                newest.chunks.truncate(newest.snapshot.open.len());
            }
            let planned = match compact(&open, Retention::default()) {
                Err(OpenError::NeedsAll { .. }) => compact(&kept, Retention::default()),
                planned => planned,
            };
            let Some(plan) = planned.expect("what was written can be read") else { continue };
            let mut rows: BTreeMap<u64, Bytes> =
                kept.newest.take().into_iter().flat_map(|newest| newest.chunks).collect();
            rows.extend(plan.put_chunks);
            let numbers = plan.snapshot.open.iter().chain(&plan.snapshot.closed);
            let chunks = numbers.map(|number| (*number, rows[number].clone())).collect();
            kept.all_chunks = rows.keys().copied().collect();
            kept.newest = Some(Contents { snapshot: plan.snapshot, chunks });
        }
        kept.newest
    }

    fn load(&self, mut snapshot: Option<Contents>, closed: bool) -> Loaded {
        let after = snapshot.as_ref().map_or(0, |contents| contents.snapshot.seq as usize);
        if let (Some(contents), false) = (&mut snapshot, closed) {
            contents.chunks.truncate(contents.snapshot.open.len());
        }
        let inbox = self.inbox.iter();
        let inbox =
            inbox.map(|((seq, sender), body)| (MessageKey { sender: sender.clone(), sender_seq: *seq }, body.clone()));
        Loaded {
            snapshot,
            read: Vec::new(),
            changes: self.changes[after..].to_vec(),
            inbox: inbox.collect(),
            standing: self.standing,
            floor: 0,
        }
    }

    /// Opens the actor as it is stored, makes it if it is not there, and starts it.
    pub fn open(&mut self, program: &[Do]) -> Life<'_> {
        Life::begin(self, program)
    }

    /// Opens the actor as it is stored, and does not start it.
    pub fn load_only(&mut self, program: &[Do]) -> Life<'_> {
        Life::load(self, program)
    }

    /// Runs to the end, through as many lives as it takes; messages are sent when nothing else can happen.
    pub fn run(&mut self, program: &[Do], messages: &[&str]) -> RunOutcome {
        self.run_until(program, messages).unwrap_or_else(|| panic!("parked: {:?}", self.parked))
    }

    /// The same; none if it is parked.
    pub fn run_until(&mut self, program: &[Do], messages: &[&str]) -> Option<RunOutcome> {
        for _ in 0..1_000 {
            let sent = self.sent();
            let mut life = self.open(program);
            let outcome = life.finish(&messages[sent.min(messages.len())..]);
            if outcome.is_some() {
                life.assert_folds_to_itself();
            }
            if outcome.is_some() || self.parked.is_some() {
                return outcome;
            }
        }
        panic!("the program does not end; facts: {:?}", self.facts);
    }

    /// How many messages from outside have become durable.
    fn sent(&self) -> usize {
        let taken = self.records().filter_map(|record| match record {
            Record::Took(key) => Some((key.sender_seq, key.sender)),
            _ => None,
        });
        let all: BTreeSet<_> = taken.chain(self.inbox.keys().cloned()).collect();
        all.iter().filter(|(_, sender)| sender == "outside").count()
    }

    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.changes.iter().flat_map(|(seq, body)| change::read(*seq, body).expect("a change").records)
    }

    pub fn bytes(&self) -> usize {
        self.changes.iter().map(|(_, body)| body.len()).sum()
    }

    pub fn write(&mut self, change: &Change) {
        self.changes.push((change.seq, change.body.clone()));
        self.standing = Standing { status: change.status, alarm: change.alarm };
        for Put { message, .. } in &change.put {
            let key = (message.key.sender_seq, message.key.sender.clone());
            self.inbox.insert(key, write_message(message));
        }
        for key in &change.take {
            let taken = self.inbox.remove(&(key.sender_seq, key.sender.clone()));
            assert!(taken.is_some(), "change {} takes a message that is not there", change.seq);
        }
    }

    /// History, state, inbox and end as a load finds them, without ids, times and attempt counts.
    pub fn picture(&self) -> Vec<String> {
        let mut actor = self.open_actor(1, 1 << 60);
        self.complete(&mut actor);
        let mut picture = entries_of(&actor);
        picture.push(format!("state {:?}", actor.read(pawl_core::STATE, None)));
        picture.extend(inbox_of(&actor));
        let end = match actor.outcome() {
            Some(RunOutcome::Failed(failure)) => format!("failed: {}", failure.text()),
            end => format!("{end:?}"),
        };
        picture.push(end);
        picture
    }

    /// Asserts that exactly the committed steps with a handler, of those named, are undone, newest commit first.
    pub fn assert_undone(&self, named: &[&str], what: &str) {
        let (mut names, mut ids, mut stack) = (Vec::new(), BTreeMap::new(), Vec::<(String, bool)>::new());
        let mut committed: Vec<String> = Vec::new();
        let mut popped: Option<Vec<String>> = None;
        let path = |names: &[String], location: &Location| {
            let part = |segment: &Segment| match segment {
                Segment::Name(index) => names[*index as usize].clone(),
                Segment::Iteration { iteration, .. } => format!("#{iteration}"),
            };
            location.segments().iter().map(part).collect::<Vec<_>>().join("/")
        };
        for record in self.records() {
            match record {
                Record::Name { name, .. } => names.push(name),
                Record::Entry(entry) => {
                    let at = path(&names, &entry.location);
                    if let EntryKind::Step { output: Some(_), .. } = entry.kind
                        && named.contains(&at.rsplit('/').next().expect("a name"))
                        && !committed.contains(&at)
                    {
                        committed.push(at.clone());
                    }
                    ids.insert(entry.id, at);
                }
                Record::Pushed { entry_id, attempted } => {
                    stack.retain(|(at, _)| *at != ids[&entry_id]);
                    stack.push((ids[&entry_id].clone(), attempted));
                }
                Record::Popped { location } => {
                    let at = path(&names, &location);
                    stack.retain(|(other, _)| *other != at);
                    if let Some(popped) = &mut popped {
                        popped.push(at);
                    }
                }
                Record::RollingBack(_) => {
                    let on: Vec<_> =
                        stack.iter().filter(|(_, attempted)| !attempted).map(|(at, _)| at.clone()).collect();
                    assert_eq!(on, committed, "{what}: the stack holds what has committed");
                    popped = Some(Vec::new());
                    committed = stack.iter().rev().map(|(at, _)| at.clone()).collect();
                }
                _ => {}
            }
        }
        if let Some(popped) = popped {
            assert_eq!(popped, committed, "{what}: undone newest first");
            let mut undone: Vec<String> = self.undone.iter().map(|at| at.trim_start_matches('/').to_owned()).collect();
            undone.dedup();
            assert_eq!(undone, committed, "{what}: what the handlers did");
        } else {
            assert_eq!(self.undone, Vec::<String>::new(), "{what}: nothing is undone");
        }
    }
}

pub fn inbox_of(actor: &Actor) -> Vec<String> {
    actor.inbox().iter().map(|message| format!("inbox {}", message.name)).collect()
}

/// Every entry, sorted by its path.
pub fn entries_of(actor: &Actor) -> Vec<String> {
    let entries = actor.entries();
    let mut entries: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {} {}", entry.path, kind(&entry.recorded.entry.kind), entry.status()))
        .collect();
    entries.sort();
    entries
}

fn kind(kind: &EntryKind) -> String {
    let branch = |(name, status): (&String, &BranchStatus)| match status.status {
        // Which is in memory only, until the actor is put away.
        BranchStatusType::Pending | BranchStatusType::Running => format!("{name} open"),
        settled => format!("{name} {settled:?} {:?}", status.output),
    };
    match kind {
        EntryKind::Sleep { .. } => "sleep".into(),
        EntryKind::Message { name, .. } => format!("message {name}"),
        EntryKind::Step { output, .. } => format!("step {output:?}"),
        EntryKind::Loop { iteration, output, .. } => format!("loop at {iteration}: {output:?}"),
        EntryKind::Join { branches } => format!("join {:?}", branches.iter().map(branch).collect::<Vec<_>>()),
        EntryKind::Race { winner, branches } => {
            format!("race {winner:?} {:?}", branches.iter().map(branch).collect::<Vec<_>>())
        }
        kind => format!("{kind:?}"),
    }
}
