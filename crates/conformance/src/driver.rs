//! How tests drive a store: a place to open it at, and a driver that submits, waits and tells answers apart.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pawl_store::{
    ActorId, Batch, Change, Code, Completion, Due, OPENING, OpenOptions, Opened, Outcome, Request, Scopes, Status,
    Store, StoreError, StoreInfo, Ticket, WOKEN,
};

pub type Factory = dyn Fn() -> Place;
type Open = dyn Fn(&str, OpenOptions) -> Result<Box<dyn Store>, StoreError>;

/// How many may have a store open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// One opening at a time, which owns every actor under its one epoch.
    One,
    /// Many openings at once, which share the actors out: each actor has an owner, and an epoch, of its own.
    Many,
}

/// A place at which a store is made, and found again.
pub struct Place {
    pub url: String,
    pub owners: Owners,
    open: Box<Open>,
    folder: Option<Arc<Folder>>,
}

impl Place {
    /// A store that several processes share.
    pub fn shared(url: String, open: Box<Open>) -> Self {
        Self { url, owners: Owners::Many, open, folder: None }
    }

    /// A name in memory that no other test has.
    pub fn memory() -> Self {
        Self {
            url: format!("memory:{}", unique()),
            owners: Owners::One,
            open: Box::new(pawl_store::open),
            folder: None,
        }
    }

    /// A file in a folder of its own.
    pub fn sqlite() -> Self {
        let folder = Folder::new();
        let url = format!("sqlite:{}", folder.path.join("shop.db").display());
        Self { url, owners: Owners::One, open: Box::new(pawl_store::open), folder: Some(Arc::new(folder)) }
    }

    /// A file that another process, or this test, has made.
    pub fn at(path: &std::path::Path) -> Self {
        let url = format!("sqlite:{}", path.display());
        Self { url, owners: Owners::One, open: Box::new(pawl_store::open), folder: None }
    }

    /// The same place, opened in another way.
    pub fn also_opened_with(&self, open: Box<Open>) -> Self {
        Self { url: self.url.clone(), owners: self.owners, open, folder: self.folder.clone() }
    }

    pub fn opened_with(self, open: Box<Open>) -> Self {
        Self { open, ..self }
    }

    pub fn path(&self) -> PathBuf {
        self.url.strip_prefix("sqlite:").expect("a file").into()
    }

    /// The path of a file beside the store's.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path().into_os_string();
        name.push(suffix);
        name.into()
    }

    pub fn open(&self) -> Driver {
        self.open_with(|_| {})
    }

    pub fn open_with(&self, change: impl FnOnce(&mut OpenOptions)) -> Driver {
        let mut driver = self.opening_with(change);
        driver.info = Some(driver.ready());
        driver
    }

    /// Opened, with the answer to that still to come.
    pub fn opening_with(&self, change: impl FnOnce(&mut OpenOptions)) -> Driver {
        let signal = Arc::new(Signal::default());
        let heard = signal.clone();
        let mut options = OpenOptions::new(Arc::new(move || heard.call()));
        options.lock_patience = Duration::ZERO;
        change(&mut options);
        let store = (self.open)(&self.url, options).expect("a URL that is understood");
        Driver {
            store,
            signal,
            owners: self.owners,
            next: 1,
            info: None,
            epochs: HashMap::new(),
            set_aside: Vec::new(),
            _folder: self.folder.clone(),
        }
    }
}

/// A folder that goes when its test does.
pub struct Folder {
    pub path: PathBuf,
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("pawl-store-{}-{}", std::process::id(), unique()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Counts the calls of a wake, and waits for them.
#[derive(Default)]
pub struct Signal {
    calls: Mutex<usize>,
    called: Condvar,
}

impl Signal {
    pub fn call(&self) {
        *self.calls.lock().unwrap() += 1;
        self.called.notify_all();
    }

    pub fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }

    /// Waits until there were more than `before` calls.
    pub fn wait_beyond(&self, before: usize) {
        let calls = self.calls.lock().unwrap();
        let waited = self.called.wait_timeout_while(calls, Duration::from_secs(30), |calls| *calls <= before).unwrap();
        assert!(!waited.1.timed_out(), "the wake was not called within 30 s");
    }
}

/// A store with its driver.
pub struct Driver {
    pub store: Box<dyn Store>,
    pub signal: Arc<Signal>,
    owners: Owners,
    next: Ticket,
    info: Option<StoreInfo>,
    /// Of a shared store: the epochs under which actors were opened.
    epochs: HashMap<ActorId, u64>,
    /// What had finished when an actor was opened for its epoch.
    set_aside: Vec<(Ticket, Completion)>,
    /// Stays as long as the store, which goes before it.
    _folder: Option<Arc<Folder>>,
}

impl Driver {
    pub fn info(&self) -> &StoreInfo {
        self.info.as_ref().expect("an opened store")
    }

    /// Takes the next `Ready` for the present opening.
    pub fn reopened(&mut self) -> StoreInfo {
        loop {
            let before = self.signal.calls();
            let mut finished = Vec::new();
            self.store.drain(&mut finished);
            if let Some(Completion::Ready(info)) = finished.pop().map(|(_, completion)| completion) {
                self.info = Some(info.clone());
                return info;
            }
            self.signal.wait_beyond(before);
        }
    }

    pub fn epoch(&self) -> u64 {
        self.info().epoch
    }

    /// Opens `actor` again before its next batch, if opening it again means a new epoch.
    pub fn forget(&mut self, actor: &ActorId) {
        self.epochs.remove(actor);
    }

    /// The epoch that batches of `actor` must bear. A shared store gives it for opening the actor, which is done here if it
    /// has not been.
    pub fn epoch_of(&mut self, actor: &ActorId) -> u64 {
        if self.owners == Owners::One || self.epochs.contains_key(actor) {
            return self.epochs.get(actor).copied().unwrap_or_else(|| self.epoch());
        }
        let waiting = self.finish();
        self.set_aside = waiting;
        let asked = self.set_aside.len();
        let opened = Instant::now();
        loop {
            let ticket = self.submit(Request::Open { actor: actor.clone(), scopes: Scopes::Open });
            self.store.flush();
            self.store.drain(&mut self.set_aside);
            let answer = self.set_aside.drain(asked..).find(|(answered, _)| *answered == ticket);
            match answer {
                Some((_, Completion::Opened(opened))) => {
                    self.epochs.insert(actor.clone(), opened.epoch);
                    return opened.epoch;
                }
                Some((_, Completion::Failed(error))) if is_owned(&error) && opened.elapsed() < PATIENCE => yield_now(),
                // What cannot be opened is refused for another reason than its epoch.
                _ => return self.epoch(),
            }
        }
    }

    pub fn submit(&mut self, request: Request) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.store.submit(ticket, request);
        ticket
    }

    pub fn submit_batch(&mut self, batch: Batch) -> Ticket {
        self.submit(Request::Commit(batch))
    }

    /// What has finished once nothing is pending.
    pub fn finish(&mut self) -> Vec<(Ticket, Completion)> {
        self.store.flush();
        assert_eq!(self.store.pending(), 0, "a flushed store has nothing pending");
        let mut finished = std::mem::take(&mut self.set_aside);
        self.store.drain(&mut finished);
        // Those of different actors come in any order.
        finished.sort_by_key(|(ticket, _)| *ticket);
        finished.retain(|(ticket, _)| *ticket != WOKEN);
        finished
    }

    /// The answer to one request; nothing else may have been submitted.
    pub fn ask(&mut self, request: Request) -> Completion {
        let ticket = self.submit(request);
        let mut finished = self.finish();
        assert_eq!(finished.len(), 1, "one answer: {finished:?}");
        let (answered, completion) = finished.remove(0);
        assert_eq!(answered, ticket);
        completion
    }

    /// The answer to the opening.
    pub fn opening(&mut self) -> Completion {
        let mut finished = self.finish();
        assert_eq!(finished.len(), 1, "one answer: {finished:?}");
        let (ticket, completion) = finished.remove(0);
        assert_eq!(ticket, OPENING);
        completion
    }

    pub fn ready(&mut self) -> StoreInfo {
        match self.opening() {
            Completion::Ready(info) => info,
            other => panic!("not opened: {other:?}"),
        }
    }

    /// Opens an actor. One that the dead still own is waited for.
    pub fn open(&mut self, actor: &ActorId) -> Opened {
        let started = Instant::now();
        loop {
            match self.ask(Request::Open { actor: actor.clone(), scopes: Scopes::Open }) {
                Completion::Opened(opened) => {
                    self.epochs.insert(actor.clone(), opened.epoch);
                    return opened;
                }
                Completion::Failed(error) if is_owned(&error) && started.elapsed() < PATIENCE => yield_now(),
                other => panic!("not opened: {other:?}"),
            }
        }
    }

    pub fn commit(&mut self, batch: Batch) -> Outcome {
        match self.ask(Request::Commit(batch)) {
            Completion::Committed(outcome) => outcome,
            other => panic!("not the answer to a commit: {other:?}"),
        }
    }

    /// Commits changes of `actor` under the present epoch.
    pub fn write(&mut self, actor: &ActorId, changes: Vec<Change>) {
        let batch = self.batch(actor, changes);
        let outcome = self.commit(batch);
        assert!(matches!(outcome, Outcome::Yes), "{outcome:?}");
    }

    /// The same, refused with `code`.
    pub fn refused(&mut self, actor: &ActorId, changes: Vec<Change>, code: Code) -> StoreError {
        let batch = self.batch(actor, changes);
        refusal(self.commit(batch), code)
    }

    pub fn batch(&mut self, actor: &ActorId, changes: Vec<Change>) -> Batch {
        Batch { actor: actor.clone(), epoch: self.epoch_of(actor), changes }
    }

    pub fn due(&mut self, after: Option<&ActorId>, limit: usize) -> Vec<Due> {
        match self.ask(Request::Alarms { after: after.cloned(), limit }) {
            Completion::Alarms(due) => due,
            other => panic!("not a list: {other:?}"),
        }
    }
}

/// How long the dead may own an actor.
const PATIENCE: Duration = Duration::from_secs(30);

fn is_owned(error: &StoreError) -> bool {
    error.code == Code::Owned
}

/// Leaves the store's thread some time before it is asked again.
fn yield_now() {
    std::thread::sleep(Duration::from_millis(20));
}

pub fn refusal(outcome: Outcome, code: Code) -> StoreError {
    match outcome {
        Outcome::No(error) if error.code == code => error,
        other => panic!("expected No({code}), found {other:?}"),
    }
}

pub fn actor(name: &str) -> ActorId {
    ActorId::new("default", name)
}

pub fn change(seq: u64) -> Change {
    Change::new(seq, format!("change {seq}"), Status::Running)
}

pub fn bodies(opened: &Opened) -> Vec<(u64, String)> {
    opened.changes.iter().map(|(seq, body)| (*seq, String::from_utf8_lossy(body).into_owned())).collect()
}
