//! The writer thread: serves the queue, and reopens the file when a write to it has failed.
//!
//! | the transaction              | its batches            | then                                          |
//! | ---------------------------- | ---------------------- | --------------------------------------------- |
//! | is committed and synced      | `Yes`, or each its `No` | the next group                               |
//! | found the file locked        | wait, then `No`        | the next group                                |
//! | failed on one of several     | wait                   | each alone                                    |
//! | failed on its only one       | `No`                   | the next group                                |
//! | found the disk full          | `No`                   | the next group                                |
//! | broke before its COMMIT      | `No`                   | the handle is final; reopen under a new epoch |
//! | broke at its COMMIT          | `Unknown`              | the handle is final; reopen under a new epoch |
//! | found a newer epoch in the file | `No`                | the end: someone else has the file            |

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::File;
use super::group::Failure;
use super::lock::Lock;
use super::queue::{End, Group, Next, Queue};
use super::{Place, trouble};
use crate::contract::{Completion, OpenOptions, Stats, StoreInfo};
use crate::error::{Code, StoreError};

/// How long nothing must come before the log is moved into the file.
const IDLE: Duration = Duration::from_millis(500);
/// Between two tries for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(25);
/// Between two tries to reopen: from the first to the longest.
const REOPEN_PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

pub(super) struct Writer {
    place: Place,
    options: OpenOptions,
    queue: Arc<Queue>,
    stats: Stats,
}

/// Why a file is no longer served.
enum Stop {
    End(End),
    /// The handle is final; the file must be opened anew.
    Lost,
}

/// What a group has left of the handle.
#[derive(PartialEq, Eq)]
enum Handle {
    Sound,
    Final,
}

impl Writer {
    pub(super) fn new(place: Place, options: OpenOptions, queue: Arc<Queue>) -> Self {
        Self { place, options, queue, stats: Stats::default() }
    }

    /// The body of the thread.
    pub(super) fn run(mut self) {
        let queue = self.queue.clone();
        let closed = StoreError::closed(&self.place.shown);
        let panicked = trouble::panicked(&self.place.shown);
        let ended = catch_unwind(AssertUnwindSafe(|| self.live()));
        let reason = match ended {
            Ok(Ok(())) => closed,
            Ok(Err(error)) => error,
            Err(_) => panicked,
        };
        // Whatever panics here is the caller's wake; there is nobody left to be told.
        drop(catch_unwind(AssertUnwindSafe(|| queue.shut(reason))));
    }

    fn live(&mut self) -> Result<(), StoreError> {
        self.place.path = super::file::locate(&self.place)?;
        let lock = self.lock()?;
        let mut file = match File::open(&self.place, self.options.busy_patience) {
            Ok(file) => file,
            Err(error) => {
                lock.release();
                return Err(error);
            }
        };
        self.queue.announce(Completion::Ready(self.info(&file)));
        loop {
            match self.serve(&mut file)? {
                Stop::End(End::Close) => {
                    file.close();
                    lock.release();
                    return Ok(());
                }
                Stop::End(End::Abandon) => return Ok(()),
                Stop::Lost => {
                    let id = file.id();
                    drop(file);
                    file = self.reopen(id)?;
                }
            }
        }
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        let started = Instant::now();
        loop {
            match Lock::acquire(&self.place) {
                Err(error) if error.code == Code::StoreInUse && started.elapsed() < self.options.lock_patience => {
                    if self.queue.pause(LOCK_PAUSE).is_some() {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    fn info(&self, file: &File) -> StoreInfo {
        StoreInfo { id: file.id(), url: self.place.url.clone(), epoch: file.epoch() }
    }

    /// Serves the queue until the end, or until the file is lost.
    fn serve(&mut self, file: &mut File) -> Result<Stop, StoreError> {
        let mut patience = Some(IDLE);
        loop {
            let checkpointed = match self.queue.next(patience) {
                Next::End(end) => return Ok(Stop::End(end)),
                Next::Commit(group) => {
                    patience = Some(IDLE);
                    if self.commit(file, group)? == Handle::Final {
                        return Ok(Stop::Lost);
                    }
                    file.checkpoint_if_large(&mut self.stats)
                }
                Next::Idle => {
                    let shrunk = file.shrink();
                    patience = matches!(shrunk, Ok(true)).then_some(IDLE);
                    shrunk.and_then(|_| file.checkpoint(&mut self.stats))
                }
            };
            self.queue.count(self.stats);
            // What was answered is in the log; only this handle is in doubt.
            if checkpointed.is_err() {
                return Ok(Stop::Lost);
            }
        }
    }

    /// Commits a group and answers it.
    fn commit(&mut self, file: &mut File, group: Group) -> Result<Handle, StoreError> {
        let started = Instant::now();
        loop {
            let queue = &self.queue;
            match file.transact(&group, &self.options.limits, || queue.abandoned()) {
                Ok(done) => {
                    self.stats.batches += done.batches;
                    self.stats.changes += done.changes;
                    self.stats.transactions += u64::from(done.batches > 0);
                    self.stats.add(done.stats);
                    self.queue.finish(&group, done.completions, self.stats);
                    return Ok(Handle::Sound);
                }
                Err(Failure::Busy(error)) => {
                    self.stats.busy += 1;
                    self.queue.count(self.stats);
                    if started.elapsed() >= self.options.busy_patience || self.queue.abandoned() {
                        return self.fail(group, Failure::Busy(error));
                    }
                }
                Err(failure) => return self.fail(group, failure),
            }
        }
    }

    /// Answers a group that has failed.
    fn fail(&self, group: Group, failure: Failure) -> Result<Handle, StoreError> {
        match failure {
            Failure::Abandoned => return Ok(Handle::Sound),
            Failure::Spoiled(_) if group.len() > 1 => self.queue.put_back(group),
            Failure::Busy(error) | Failure::Spoiled(error) | Failure::Full(error) => self.refuse(&group, &error),
            Failure::Broken(error) => {
                self.refuse(&group, &error);
                return Ok(Handle::Final);
            }
            Failure::Unknown(error) => {
                let unknown = error.into_unknown();
                let lost = group.iter().map(|(_, request)| request.asked().lost(unknown.clone())).collect();
                self.queue.finish(&group, lost, self.stats);
                return Ok(Handle::Final);
            }
            Failure::Superseded(error) => {
                self.refuse(&group, &error);
                return Err(error);
            }
        }
        Ok(Handle::Sound)
    }

    fn refuse(&self, group: &Group, error: &StoreError) {
        let refused = group.iter().map(|(_, request)| request.asked().refused(error.clone())).collect();
        self.queue.finish(group, refused, self.stats);
    }

    /// Opens the file anew, under a new epoch, for as long as it takes. The first try is made at once; each that fails
    /// answers what waits.
    fn reopen(&mut self, id: [u8; 16]) -> Result<File, StoreError> {
        let (mut pause, longest) = REOPEN_PAUSES;
        loop {
            let error = match File::reopen(&self.place, id, self.options.busy_patience) {
                Ok(file) => {
                    self.stats.reopenings += 1;
                    self.queue.announce(Completion::Ready(self.info(&file)));
                    return Ok(file);
                }
                Err(error) if !error.retryable => return Err(error),
                Err(error) => error,
            };
            self.queue.refuse_waiting(&error);
            if self.queue.pause(pause).is_some() {
                return Err(error);
            }
            pause = longest.min(pause * 2);
        }
    }
}
