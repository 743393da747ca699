//! A driver in memory that dies after any call, and an adapter that does the desk's work with it.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

pub mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use pawl_embed::{Call, Desk, DriverStore, Limits, Work, Written};
use pawl_store::{
    ActorId, Batch, Change, Code, Completion, Opened, Outcome, Request, Scopes, Store, StoreError, Ticket,
};

/// What survives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Driver {
    pub rows: BTreeMap<Bytes, Bytes>,
    pub alarm: Option<i64>,
    pub messages: BTreeMap<String, String>,
    pub completed: BTreeSet<String>,
}

/// Does the work of a desk with one driver.
pub struct Adapter {
    pub desk: Desk,
    pub driver: Driver,
    pub limits: Limits,
    /// Every call, in words.
    pub log: Vec<String>,
    /// Calls that are still made before the process dies.
    pub calls_left: usize,
    /// Names of calls that fail, once they are after the commit.
    pub failing: &'static [&'static str],
    /// Whether the adapter does not get to know what became of its calls.
    pub unknown: bool,
    /// How many calls are made before one is refused.
    pub refuse_after: Option<usize>,
}

/// One process with one actor.
pub struct Process {
    pub store: DriverStore,
    adapter: Adapter,
    ticket: Ticket,
}

impl Deref for Process {
    type Target = Adapter;

    fn deref(&self) -> &Adapter {
        &self.adapter
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Adapter {
        &mut self.adapter
    }
}

pub fn actor() -> ActorId {
    ActorId::new("default", "workflow/1")
}

impl Process {
    pub fn new(driver: Driver, limits: Limits) -> Process {
        let (store, desk) = pawl_embed::open([7; 16], Arc::new(|| {}));
        let mut process = Process { store, adapter: Adapter::new(desk, driver, limits), ticket: 0 };
        process.drain();
        process
    }

    /// Opens the actor; none if the process died.
    pub fn open(&mut self) -> Option<Result<Opened, StoreError>> {
        let request = Request::Open { actor: actor(), scopes: Scopes::Open };
        match self.ask(request)? {
            Completion::Opened(opened) => Some(Ok(opened)),
            Completion::Failed(error) => Some(Err(error)),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Commits changes; none if the process died before it heard of them.
    pub fn commit(&mut self, epoch: u64, changes: Vec<Change>) -> Option<Outcome> {
        match self.ask(Request::Commit(Batch { actor: actor(), epoch, changes }))? {
            Completion::Committed(outcome) => Some(outcome),
            other => panic!("unexpected {other:?}"),
        }
    }

    pub fn ask(&mut self, request: Request) -> Option<Completion> {
        self.ticket += 1;
        self.store.submit(self.ticket, request);
        let mut answer = self.drain();
        while let Some(lives) = self.adapter.work_once() {
            if !lives {
                return None;
            }
            answer = self.drain().or(answer);
        }
        answer
    }

    fn drain(&mut self) -> Option<Completion> {
        let mut done = Vec::new();
        self.store.drain(&mut done);
        done.pop().map(|(_, completion)| completion)
    }
}

impl Adapter {
    pub fn new(desk: Desk, driver: Driver, limits: Limits) -> Adapter {
        let (log, failing) = (Vec::new(), &[][..]);
        Adapter { desk, driver, limits, log, calls_left: usize::MAX, failing, unknown: false, refuse_after: None }
    }

    /// Does what there is to do; says whether the process lives on. None: there was nothing.
    pub fn work_once(&mut self) -> Option<bool> {
        let work = self.desk.take();
        if work.is_empty() {
            return None;
        }
        Some(work.into_iter().all(|work| self.work(work)))
    }

    fn work(&mut self, work: Work) -> bool {
        let (ticket, calls, after) = match work {
            Work::Load { ticket, .. } => {
                self.desk.loaded(ticket, Ok(self.driver.rows.clone().into_iter().collect()), self.limits);
                return true;
            }
            Work::Write { ticket, calls, after, .. } => (ticket, calls, after),
        };
        if let Some(made) = self.refuse_after.take() {
            let message = "the disk is full".to_owned();
            let error = StoreError { code: Code::StoreUnavailable, message, retryable: true, data: Vec::new() };
            let lives = calls.into_iter().take(made).all(|call| self.call(call));
            self.desk.written(ticket, Written::No(error));
            return lives;
        }
        if !calls.into_iter().all(|call| self.call(call)) {
            return false;
        }
        if self.unknown {
            let message = "the connection was lost".to_owned();
            let error = StoreError { code: Code::OutcomeUnknown, message, retryable: false, data: Vec::new() };
            self.desk.written(ticket, Written::Unknown(error));
            return true;
        }
        self.desk.written(ticket, Written::Yes);
        if after.is_empty() {
            return true;
        }
        let mut failed = Vec::new();
        for (index, call) in after.into_iter().enumerate() {
            if self.failing.contains(&name(&call)) {
                failed.push(index);
            } else if !self.call(call) {
                return false;
            }
        }
        self.desk.settled(ticket, &failed);
        true
    }

    /// Makes a call, if the process still lives.
    fn call(&mut self, call: Call) -> bool {
        if self.calls_left == 0 {
            return false;
        }
        self.calls_left -= 1;
        self.log.push(shown(&call));
        self.driver.call(call, self.limits);
        true
    }

    pub fn batches(&self) -> usize {
        self.log.iter().filter(|call| call.starts_with("batch")).count()
    }
}

impl Driver {
    fn call(&mut self, call: Call, limits: Limits) {
        match call {
            Call::Set { key, value } => drop(self.rows.insert(key, value)),
            Call::Batch(rows) => {
                let bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
                assert!(rows.len() <= limits.rows && bytes <= limits.bytes, "{} rows, {bytes} bytes", rows.len());
                self.rows.extend(rows);
            }
            Call::Delete { key } => drop(self.rows.remove(&key)),
            Call::DeletePrefix { prefix } => self.rows.retain(|key, _| !key.starts_with(&prefix)),
            Call::DeleteRange { start, end } => self.rows.retain(|key, _| *key < start || *key >= end),
            Call::SetAlarm { at } => self.alarm = Some(at),
            Call::ClearAlarm => self.alarm = None,
            Call::AddMessage { id, name, .. } => drop(self.messages.insert(id, name)),
            Call::CompleteMessage { id, .. } => {
                self.messages.remove(&id);
                self.completed.insert(id);
            }
        }
    }
}

pub fn name(call: &Call) -> &'static str {
    match call {
        Call::Set { .. } => "set",
        Call::Batch(_) => "batch",
        Call::Delete { .. } => "delete",
        Call::DeletePrefix { .. } => "deletePrefix",
        Call::DeleteRange { .. } => "deleteRange",
        Call::SetAlarm { .. } => "setAlarm",
        Call::ClearAlarm => "clearAlarm",
        Call::AddMessage { .. } => "addMessage",
        Call::CompleteMessage { .. } => "completeMessage",
    }
}

fn shown(call: &Call) -> String {
    let detail = match call {
        Call::Set { key, .. } | Call::Delete { key } => hex(key),
        Call::Batch(rows) => rows.iter().map(|(key, _)| hex(key)).collect::<Vec<_>>().join(" "),
        Call::DeletePrefix { prefix } => hex(prefix),
        Call::DeleteRange { start, end } => format!("{} {}", hex(start), hex(end)),
        Call::SetAlarm { at } => at.to_string(),
        Call::ClearAlarm => String::new(),
        Call::AddMessage { name, .. } => name.clone(),
        Call::CompleteMessage { id, .. } => id.clone(),
    };
    format!("{} {detail}", name(call)).trim_end().to_owned()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect::<Vec<_>>().into()
}

pub fn is_yes(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Yes))
}

pub fn code(outcome: Option<Outcome>) -> Option<Code> {
    match outcome {
        Some(Outcome::No(error) | Outcome::Unknown(error)) => Some(error.code),
        Some(Outcome::Yes) | None => None,
    }
}
