//! The store in an SQLite file: one writer thread, one connection, one transaction for all that came meanwhile.
//!
//! `joint` is who of this process has which file; `queue` is what they and the writer share; `writer` serves it, and reopens
//! the file when a write has failed; `file` is one opening of the file under one epoch; `group` is one transaction in it;
//! `rows` is its SQL, `past` what it does with snapshots; `lock` keeps other processes out; `trouble` says what an error of
//! SQLite means; `reader` looks at a file that another process may have; `whole` is all of a file, for copies from one store
//! to another.

mod file;
mod forget;
mod group;
mod joint;
mod lock;
mod past;
mod queue;
mod reader;
mod rows;
mod trouble;
mod whole;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::contract::{Completion, OpenOptions, Request, Stats, Store, Ticket, Wake};
use crate::error::StoreError;
use crate::house::Member;
use crate::record::ActorId;
use crate::shared::Sharing;
use joint::Shared;
use queue::End;

/// Where a store is: what people call it, and what the system calls it.
pub(crate) struct Place {
    pub(crate) url: Arc<str>,
    /// As people wrote it, for messages.
    pub(crate) shown: String,
    /// Absolute; the writer follows its links.
    pub(crate) path: PathBuf,
}

pub(crate) use reader::{SqliteReader, copy};
pub(crate) use whole::{EmptyFile, WholeFile};

/// One environment's part in an open file.
pub(crate) struct SqliteStore {
    shared: Arc<Shared>,
    member: Member,
    wake: Wake,
    /// How it has ended, if it has,
    ended: Option<End>,
    /// and what is told all the same.
    left: Vec<(Ticket, Completion)>,
}

impl SqliteStore {
    /// Joins those of this process who have the file, or starts the writer, which does everything else.
    pub(crate) fn open(url: &str, path: &Path, options: OpenOptions) -> Result<Self, StoreError> {
        let unreachable = |error| trouble::unreachable(&path.display().to_string(), "be named", &error);
        let absolute = std::path::absolute(path).map_err(unreachable)?;
        let place = Place { url: url.into(), shown: path.display().to_string(), path: absolute };
        let wake = options.wake.clone();
        let (shared, member) = joint::join(place, options).map_err(unreachable)?;
        Ok(Self { shared, member, wake, ended: None, left: Vec::new() })
    }

    fn end(&mut self, end: End) {
        if self.ended.is_none() {
            self.ended = Some(end);
            let queue = &self.shared.queue;
            if queue.end_alone(end) {
                self.shared.wait();
            } else if end == End::Close {
                queue.flush_opened(self.member);
            }
            queue.drain(self.member, &mut self.left);
            if queue.part(self.member, end) {
                self.shared.wait();
            }
        }
        if end == End::Abandon {
            self.ended = Some(end);
            self.left.clear();
        }
    }
}

impl Store for SqliteStore {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        match self.ended {
            None => self.shared.queue.submit(self.member, ticket, request),
            Some(End::Close) => {
                self.left.push((ticket, request.asked().refused(StoreError::closed(&self.shared.shown))));
                (self.wake)();
            }
            Some(End::Abandon) => {}
        }
    }

    fn release(&mut self, actor: &ActorId) {
        self.shared.queue.release(self.member, actor);
    }

    fn share(&mut self, ticket: Ticket, sharing: Sharing) {
        if self.ended.is_none() {
            self.shared.queue.share(self.member, ticket, sharing);
        }
    }

    fn process(&self) -> Option<u64> {
        self.shared.queue.process(self.member)
    }

    fn is_elsewhere(&self, actor: &ActorId) -> bool {
        self.shared.queue.is_elsewhere(self.member, actor)
    }

    fn waiting(&self, actor: &ActorId) -> Option<usize> {
        self.shared.queue.waiting(self.member, actor)
    }

    fn is_home(&self, actor: &ActorId) -> bool {
        self.shared.queue.is_home(self.member, actor)
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        into.append(&mut self.left);
        if self.ended.is_none() {
            self.shared.queue.drain(self.member, into);
        }
    }

    fn pending(&self) -> usize {
        self.shared.queue.pending(self.member)
    }

    fn flush(&mut self) {
        if self.ended.is_none() {
            self.shared.queue.flush(self.member);
        }
    }

    fn stats(&self) -> Stats {
        self.shared.queue.stats()
    }

    fn close(&mut self) {
        self.end(End::Close);
    }

    fn abandon(&mut self) {
        self.end(End::Abandon);
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}
