//! Where the store and the adapter meet: the store leaves work, the adapter takes it and says what became of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pawl_store::{ActorId, Completion, OPENING, Request, Stats, Store, StoreError, StoreInfo, Ticket, Wake};

use crate::drivers::Drivers;
use crate::work::{Found, Limits, Rows, Work, Written};

/// A store whose actors are kept by drivers of their own. It does no IO: see [`Desk`].
pub struct DriverStore(Desk);

/// The adapter's side of a [`DriverStore`]. Cloning it gives another handle to the same desk.
#[derive(Clone)]
pub struct Desk {
    drivers: Arc<Mutex<Drivers>>,
    wake: Wake,
}

/// Opens a store without drivers. `id` names it for ever, as other stores' ids do: idempotency keys are made of it.
/// `wake` is called, from within a call of the desk, when there are completions to be drained and were none.
pub fn open(id: [u8; 16], wake: Wake) -> (DriverStore, Desk) {
    let desk = Desk { drivers: Arc::default(), wake };
    let info = StoreInfo { id, url: "driver:".into(), epoch: 1 };
    desk.with(|drivers| drivers.complete(OPENING, Completion::Ready(info)));
    (DriverStore(desk.clone()), desk)
}

impl Desk {
    /// What there is to do. Work of different actors may be done at the same time.
    pub fn take(&self) -> Vec<Work> {
        self.lock().take_work()
    }

    /// The rows of an actor, or why they cannot be read. `limits` are those of its driver from now on.
    pub fn loaded(&self, ticket: Ticket, rows: Result<Rows, StoreError>, limits: Limits) {
        self.with(|drivers| drivers.loaded(ticket, rows, limits));
    }

    /// What became of the `calls` of a piece of work.
    pub fn written(&self, ticket: Ticket, written: Written) {
        self.with(|drivers| drivers.written(ticket, written));
    }

    /// Every call of `after` has been made; those at the indices `failed` came to nothing, and are made again when the
    /// actor is opened the next time.
    pub fn settled(&self, ticket: Ticket, failed: &[usize]) {
        self.with(|drivers| drivers.settled(ticket, failed));
    }

    /// What the last opening of an actor found; none if it is not open.
    pub fn found(&self, actor: &ActorId) -> Option<Found> {
        self.lock().found(actor)
    }

    /// Forgets an actor that is closed and is not opened again, as soon as nothing is under way for it.
    pub fn forget(&self, actor: &ActorId) {
        self.lock().forget(actor);
    }

    fn with(&self, act: impl FnOnce(&mut Drivers)) {
        let due = {
            let mut drivers = self.lock();
            act(&mut drivers);
            drivers.take_notice()
        };
        if due {
            (self.wake)();
        }
    }

    /// Poisoning says nothing here: what a panic leaves half done is one actor's, which is read anew when it is opened.
    fn lock(&self) -> MutexGuard<'_, Drivers> {
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for DriverStore {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        self.0.with(|drivers| drivers.submit(ticket, request));
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        self.0.lock().drain(into);
    }

    fn pending(&self) -> usize {
        self.0.lock().pending()
    }

    /// Does nothing: only the adapter can finish what is pending.
    fn flush(&mut self) {}

    fn stats(&self) -> Stats {
        self.0.lock().stats()
    }

    fn close(&mut self) {
        self.0.lock().close();
    }

    fn abandon(&mut self) {
        self.0.lock().abandon();
    }
}
