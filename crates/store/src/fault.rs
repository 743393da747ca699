//! Crashes and refusals on demand: a store around any other, for the crash tests of whoever drives it.
//!
//! ```text
//! n := 1
//! loop: run the program with batch n lost; reopen the store; finish; compare with the model; n += 1
//! until the fault did not strike: the program has fewer than n batches
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::completions::Completions;
use crate::contract::{Completion, OPENING, Outcome, Request, Stats, Store, StoreInfo, Ticket, Wake};
use crate::error::StoreError;
use crate::record::{ActorId, Batch};
use crate::shared::Sharing;

/// What happens to the chosen batch. Everything submitted before it is finished first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before it is written.
    LoseBefore,
    /// The process dies after it is written, before that is told.
    LoseAfter,
    /// It is not written; the answer is `Unknown`, once. The store goes on under a new epoch.
    UnknownNotWritten,
    /// It is written; the answer is `Unknown`, once. The store goes on under a new epoch.
    UnknownWritten,
    /// It is not written; the answer is `No`, `store_unavailable` and retryable, once.
    Refuse,
}

impl Fault {
    pub const ALL: [Fault; 5] =
        [Self::LoseBefore, Self::LoseAfter, Self::UnknownNotWritten, Self::UnknownWritten, Self::Refuse];
}

/// What a [`FaultStore`] has seen; stays with the test when the store goes to whoever drives it.
#[derive(Clone, Default)]
pub struct Gauge {
    batches: Arc<AtomicU64>,
    struck: Arc<AtomicBool>,
}

impl Gauge {
    /// How many batches were submitted, refused ones included.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::SeqCst)
    }

    /// Whether the fault has happened. After `LoseBefore` and `LoseAfter` the store is as that of a dead process.
    pub fn struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }
}

/// A store that fails once, at the batch with a chosen number (from 1).
pub struct FaultStore {
    inner: Box<dyn Store>,
    wake: Wake,
    at: u64,
    fault: Fault,
    gauge: Gauge,
    dead: bool,
    info: Option<StoreInfo>,
    /// How far the epochs told are ahead of the inner store's: one for each `Unknown`, as if it had reopened itself.
    ahead: u64,
    completions: Completions,
}

impl FaultStore {
    /// Wraps `inner`, which was opened with the same `wake`.
    pub fn new(inner: Box<dyn Store>, wake: Wake, at: u64, fault: Fault) -> (Self, Gauge) {
        let gauge = Gauge::default();
        let store = Self {
            inner,
            wake,
            at,
            fault,
            gauge: gauge.clone(),
            dead: false,
            info: None,
            ahead: 0,
            completions: Completions::default(),
        };
        (store, gauge)
    }

    fn commit(&mut self, ticket: Ticket, mut batch: Batch) {
        let number = self.gauge.batches.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.at {
            self.gauge.struck.store(true, Ordering::SeqCst);
            return self.strike(ticket, batch);
        }
        if self.ahead > 0 {
            self.settle();
            let present = self.epoch();
            if batch.epoch != present {
                let refused = Outcome::No(StoreError::fenced(&batch.actor, batch.epoch, present));
                return self.answer(ticket, Completion::Committed(refused));
            }
            batch.epoch -= self.ahead;
        }
        self.inner.submit(ticket, Request::Commit(batch));
    }

    fn strike(&mut self, ticket: Ticket, batch: Batch) {
        self.settle();
        match self.fault {
            Fault::LoseBefore => self.die(),
            Fault::LoseAfter => {
                self.inner.submit(ticket, Request::Commit(batch));
                self.inner.flush();
                self.die();
            }
            Fault::UnknownNotWritten => self.lose(ticket),
            Fault::UnknownWritten => {
                self.inner.submit(ticket, Request::Commit(batch));
                self.inner.flush();
                let mut answers = Vec::new();
                self.inner.drain(&mut answers);
                match answers.pop() {
                    Some((_, Completion::Committed(Outcome::Yes))) => self.lose(ticket),
                    Some((_, refused)) => self.answer(ticket, refused),
                    None => {}
                }
            }
            Fault::Refuse => {
                let refused = Outcome::No(StoreError::unavailable("refused by the test, once".to_owned()));
                self.answer(ticket, Completion::Committed(refused));
            }
        }
    }

    fn die(&mut self) {
        self.inner.abandon();
        self.completions.clear();
        self.dead = true;
    }

    /// Answers `Unknown`, and goes on under a new epoch.
    fn lose(&mut self, ticket: Ticket) {
        let unknown = StoreError::unavailable("lost by the test, once".to_owned()).into_unknown();
        self.answer(ticket, Completion::Committed(Outcome::Unknown(unknown)));
        self.ahead += 1;
        if let Some(info) = self.info.clone() {
            let epoch = self.epoch();
            self.answer(OPENING, Completion::Ready(StoreInfo { epoch, ..info }));
        }
    }

    /// The epoch as it is told.
    fn epoch(&self) -> u64 {
        self.info.as_ref().map_or(0, |info| info.epoch) + self.ahead
    }

    fn answer(&mut self, ticket: Ticket, completion: Completion) {
        self.completions.push([(ticket, completion)]).call(&self.wake);
    }

    /// Waits for what was submitted, and takes over what has finished.
    fn settle(&mut self) {
        self.inner.flush();
        self.take_over();
    }

    fn take_over(&mut self) {
        let mut finished = Vec::new();
        self.inner.drain(&mut finished);
        for (_, completion) in &mut finished {
            match completion {
                Completion::Ready(info) => {
                    self.info = Some(info.clone());
                    info.epoch += self.ahead;
                }
                Completion::Opened(opened) => opened.epoch += self.ahead,
                _ => {}
            }
        }
        // The inner store has called the wake for these.
        let _ = self.completions.push(finished);
    }
}

impl Store for FaultStore {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        match request {
            _ if self.dead => {}
            Request::Commit(batch) => self.commit(ticket, batch),
            request => self.inner.submit(ticket, request),
        }
    }

    fn release(&mut self, actor: &ActorId) {
        self.inner.release(actor);
    }

    fn share(&mut self, ticket: Ticket, sharing: Sharing) {
        if !self.dead {
            self.inner.share(ticket, sharing);
        }
    }

    fn holds(&self) -> bool {
        self.inner.holds()
    }

    fn is_elsewhere(&self, actor: &ActorId) -> bool {
        self.inner.is_elsewhere(actor)
    }

    fn waiting(&self, actor: &ActorId) -> Option<usize> {
        self.inner.waiting(actor)
    }

    fn is_home(&self, actor: &ActorId) -> bool {
        self.inner.is_home(actor)
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        if !self.dead {
            self.take_over();
            self.completions.drain(into);
        }
    }

    fn pending(&self) -> usize {
        if self.dead { 0 } else { self.inner.pending() }
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn whole(&self) -> Option<Box<dyn crate::whole::Source + Send>> {
        self.inner.whole()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn close(&mut self) {
        self.inner.close();
    }

    fn abandon(&mut self) {
        self.die();
    }
}
