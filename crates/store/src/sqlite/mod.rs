//! The store in an SQLite file: one writer thread, one connection, one transaction for all that came meanwhile.
//!
//! `queue` is what the caller and the writer share; `writer` serves it, and reopens the file when a write has failed;
//! `file` is one opening of the file under one epoch; `group` is one transaction in it; `rows` is its SQL, `past` what it
//! does with snapshots; `lock` keeps
//! other processes out; `trouble` says what an error of SQLite means; `reader` looks at a file
//! that another process may have; `whole` is all of a file, for copies from one store to another.

mod file;
mod group;
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
use std::thread::{self, JoinHandle};

use crate::contract::{Completion, OpenOptions, Request, Stats, Store, Ticket};
use crate::error::StoreError;
use queue::{End, Queue};
use writer::Writer;

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

pub(crate) struct SqliteStore {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Starts the writer, which does everything else.
    pub(crate) fn open(url: &str, path: &Path, options: OpenOptions) -> Result<Self, StoreError> {
        let unreachable = |error| trouble::unreachable(&path.display().to_string(), "be named", &error);
        let absolute = std::path::absolute(path).map_err(unreachable)?;
        let place = Place { url: url.into(), shown: path.display().to_string(), path: absolute };
        let queue = Arc::new(Queue::new(options.wake.clone()));
        let writer = Writer::new(place, options, queue.clone());
        let thread = thread::Builder::new().name("pawl-store".to_owned()).spawn(move || writer.run());
        Ok(Self { queue, writer: Some(thread.map_err(unreachable)?) })
    }

    fn end(&mut self, end: End) {
        self.queue.end(end);
        if let Some(writer) = self.writer.take() {
            // The writer catches its own panics; an error here has been told through the queue.
            drop(writer.join());
        }
    }
}

impl Store for SqliteStore {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        self.queue.submit(ticket, request);
    }

    fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        self.queue.drain(into);
    }

    fn pending(&self) -> usize {
        self.queue.pending()
    }

    fn flush(&mut self) {
        self.queue.flush();
    }

    fn stats(&self) -> Stats {
        self.queue.stats()
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
