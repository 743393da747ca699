//! A look at an SQLite file that another process may be writing: each request sees what is committed by then.
//!
//! Takes no lock, raises no epoch, writes nothing: whoever has the file does not notice.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Error as SqlError, OpenFlags};

use super::{Place, file, past, rows, trouble};
use crate::check;
use crate::completions::Completions;
use crate::contract::{Completion, OPENING, OpenOptions, Request, Stats, Store, StoreInfo, Ticket, Wake};
use crate::error::{Code, StoreError};

/// Answers at once, on the caller's thread: it is for tools that do nothing else.
pub(crate) struct SqliteReader {
    place: Place,
    db: Option<Connection>,
    completions: Completions,
    wake: Wake,
    stats: Stats,
}

impl SqliteReader {
    pub(crate) fn open(url: &str, path: &Path, options: OpenOptions) -> Self {
        let shown = path.display().to_string();
        let place = Place { url: url.into(), shown, path: std::path::absolute(path).unwrap_or_else(|_| path.into()) };
        let mut completions = Completions::default();
        let (db, first) = match attach(&place) {
            Ok((db, id, epoch)) => (Some(db), Completion::Ready(StoreInfo { id, url: place.url.clone(), epoch })),
            Err(error) => (None, Completion::Failed(error)),
        };
        completions.push([(OPENING, first)]).call(&options.wake);
        Self { place, db, completions, wake: options.wake, stats: Stats::default() }
    }

    fn answer(&mut self, request: Request) -> Completion {
        let Some(db) = &self.db else { return request.asked().refused(closed(&self.place)) };
        let read = match request {
            Request::Read { actor, since, up_to, scopes } => match check::actor(&actor) {
                Ok(()) => in_one_look(db, || past::read(db, &actor, (since, up_to), scopes, &mut self.stats))
                    .map(|read| read.map(Completion::Read)),
                Err(error) => Ok(Err(error)),
            },
            Request::Alarms { after, limit } => {
                rows::due(db, after.as_ref(), limit).map(|due| Ok(Completion::Alarms(due)))
            }
            Request::Actors { namespace, after, limit } => {
                rows::actors(db, &namespace, after.as_deref(), limit).map(|listed| listed.map(Completion::Actors))
            }
            Request::Notes { prefix } => rows::notes(db, &prefix).map(|notes| Ok(Completion::Notes(notes))),
            request @ (Request::Open { .. }
            | Request::Commit(_)
            | Request::Compact(_)
            | Request::Forget(_)
            | Request::Note { .. }) => {
                return request.asked().refused(read_only(&self.place));
            }
        };
        match read {
            Ok(Ok(completion)) => completion,
            Ok(Err(error)) => Completion::Failed(error),
            Err(error) => Completion::Failed(trouble::describe(&self.place.shown, &error)),
        }
    }
}

pub(super) fn attach(place: &Place) -> Result<(Connection, [u8; 16], u64), StoreError> {
    file::peek(place)?;
    let said = |error: SqlError| trouble::describe(&place.shown, &error);
    // Links have been followed for whoever writes: here the path is what people gave.
    let path = std::fs::canonicalize(&place.path);
    let path = path.map_err(|error| trouble::unreachable(&place.shown, "be reached", &error))?;
    let db = file::connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(said)?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(said)?;
    let id = db.query_row("SELECT value FROM meta WHERE key = 'store_id'", [], |row| row.get(0)).map_err(said)?;
    let epoch = rows::epoch(&db).map_err(said)?;
    Ok((db, id, epoch))
}

/// Several statements that see the same commit.
fn in_one_look<T>(db: &Connection, look: impl FnOnce() -> Result<T, SqlError>) -> Result<T, SqlError> {
    rows::run(db, "BEGIN")?;
    let seen = look();
    rows::run(db, "ROLLBACK")?;
    seen
}

fn closed(place: &Place) -> StoreError {
    StoreError::new(Code::StoreUnavailable, format!("{} is not open.", place.shown))
}

fn read_only(place: &Place) -> StoreError {
    let message = format!("{} was opened to be looked at.\n  expected  nothing that changes it", place.shown);
    StoreError::new(Code::BadArgument, message)
}

impl Store for SqliteReader {
    fn submit(&mut self, ticket: Ticket, request: Request) {
        let completion = self.answer(request);
        self.completions.push([(ticket, completion)]).call(&self.wake);
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

    fn close(&mut self) {
        self.db = None;
    }

    fn abandon(&mut self) {
        self.db = None;
        self.completions.clear();
    }
}

/// Copies all that is committed in a file into a new one, beside whoever writes it.
pub(crate) fn copy(path: &Path, into: &Path) -> Result<(), StoreError> {
    let shown = path.display().to_string();
    let place = Place { url: Arc::from(shown.as_str()), shown, path: path.into() };
    if into.exists() {
        let message = format!("{} is there already.\n  expected  a name that nothing has yet", into.display());
        return Err(StoreError::new(Code::BadArgument, message));
    }
    let (db, ..) = attach(&place)?;
    let mut target = Connection::open(into).map_err(|error| trouble::describe(&into.display().to_string(), &error))?;
    let copied = rusqlite::backup::Backup::new(&db, &mut target)
        .and_then(|backup| backup.run_to_completion(4_096, std::time::Duration::from_millis(1), None));
    copied.map_err(|error| trouble::describe(&place.shown, &error))
}
