//! The file as a whole: told row by row to a copy, or made of one. Both are one transaction.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Error as SqlError, Row, params};

use super::file::{self, File};
use super::lock::Lock;
use super::rows::{bytes, read_row, run, unsigned};
use super::{Place, forget, past, reader, rows, trouble};
use crate::contract::OpenOptions;
use crate::error::StoreError;
use crate::record::{ActorId, InboxRow, Snapshot};
use crate::whole::{Source, Target, WholeRow, copied_note, not_empty};

type Take<'a> = &'a mut dyn FnMut(WholeRow) -> Result<(), StoreError>;
/// An error inside says how what is stored contradicts itself.
type Read = Result<Result<WholeRow, StoreError>, SqlError>;
/// What is asked of the file, and what each row of the answer is. Namespace and actor come first.
type Kind = (&'static str, fn(ActorId, &Row<'_>) -> Read);

const KINDS: [Kind; 5] = [
    (
        "SELECT namespace, id, epoch, seq, alarm, status, state_version FROM actor ORDER BY namespace, id",
        |actor, row| Ok(read_row(row, 2, &actor)?.map(|row| WholeRow::Actor(actor, row))),
    ),
    ("SELECT namespace, actor, seq, body FROM change ORDER BY namespace, actor, seq", |actor, row| {
        Ok(Ok(WholeRow::Change(actor, unsigned(row, 2)?, bytes(row, 3)?)))
    }),
    ("SELECT namespace, actor, seq, body, open, closed FROM snapshot ORDER BY namespace, actor, seq", |actor, row| {
        let (open, closed) = (past::numbers(&bytes(row, 4)?), past::numbers(&bytes(row, 5)?));
        let snapshot = Snapshot { seq: unsigned(row, 2)?, body: bytes(row, 3)?, open, closed };
        Ok(Ok(WholeRow::Snapshot(actor, snapshot)))
    }),
    ("SELECT namespace, actor, number, body FROM chunk ORDER BY namespace, actor, number", |actor, row| {
        Ok(Ok(WholeRow::Chunk(actor, unsigned(row, 2)?, bytes(row, 3)?)))
    }),
    (
        "SELECT namespace, receiver, sender, sender_seq, body FROM inbox \
         ORDER BY namespace, receiver, sender, sender_seq",
        |actor, row| {
            let message = InboxRow { sender: row.get(2)?, sender_seq: unsigned(row, 3)?, body: bytes(row, 4)? };
            Ok(Ok(WholeRow::Message(actor, message)))
        },
    ),
];

/// A file that another process may be writing.
pub(crate) struct WholeFile {
    place: Place,
    db: Connection,
    id: [u8; 16],
}

impl WholeFile {
    pub(crate) fn open(url: &str, path: &Path) -> Result<Self, StoreError> {
        let place = Place { url: url.into(), shown: path.display().to_string(), path: path.to_owned() };
        let (db, id, _) = reader::attach(&place)?;
        Ok(Self { place, db, id })
    }
}

impl Source for WholeFile {
    fn id(&self) -> [u8; 16] {
        self.id
    }

    fn rows(&mut self, take: Take<'_>) -> Result<(), StoreError> {
        let said = |error: SqlError| trouble::describe(&self.place.shown, &error);
        run(&self.db, "BEGIN").map_err(said)?;
        let told = KINDS.iter().try_for_each(|kind| each(&self.db, *kind, take).map_err(said)?);
        let floor = forget::floor(&self.db).map_err(said)?;
        let notes = rows::notes(&self.db, "").map_err(said)?;
        let told = told.and_then(|()| take(WholeRow::Floor(floor)));
        let told = told.and_then(|()| notes.into_iter().try_for_each(|(name, body)| take(WholeRow::Note(name, body))));
        run(&self.db, "ROLLBACK").map_err(said)?;
        told
    }
}

fn each(db: &Connection, (sql, read): Kind, take: Take<'_>) -> Result<Result<(), StoreError>, SqlError> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let actor = ActorId::new(row.get::<_, Arc<str>>(0)?, row.get::<_, Arc<str>>(1)?);
        if let Err(error) = read(actor, row)?.and_then(&mut *take) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// An empty file that is ours while it is filled.
pub(crate) struct EmptyFile {
    file: Option<File>,
    lock: Option<Lock>,
    shown: String,
}

impl EmptyFile {
    /// Makes the file, or takes one that has nothing in it.
    pub(crate) fn open(url: &str, path: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        let absolute = std::path::absolute(path).map_err(|error| trouble::unreachable(&shown, "be named", &error))?;
        let place = Place { url: url.into(), shown: shown.clone(), path: absolute };
        let place = Place { path: file::locate(&place)?, ..place };
        let lock = Lock::acquire(&place)?;
        let file = File::open(&place, options.busy_patience)?;
        let target = Self { file: Some(file), lock: Some(lock), shown };
        target.begin()?;
        Ok(target)
    }

    fn begin(&self) -> Result<(), StoreError> {
        let db = self.db()?;
        let said = |error: SqlError| trouble::describe(&self.shown, &error);
        let count =
            |table: &str| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
        let (actors, messages) = (count("actor").map_err(said)?, count("inbox").map_err(said)?);
        if actors + messages > 0 {
            return Err(not_empty(&self.shown, &format!("{actors} actors, {messages} messages")));
        }
        run(db, "BEGIN IMMEDIATE").map_err(said)
    }

    fn db(&self) -> Result<&Connection, StoreError> {
        self.file.as_ref().map(File::db).ok_or_else(|| StoreError::closed(&self.shown))
    }
}

impl Target for EmptyFile {
    fn put(&mut self, row: WholeRow) -> Result<(), StoreError> {
        write(self.db()?, &row).map_err(|error| trouble::describe(&self.shown, &error))
    }

    fn finish(self: Box<Self>, id: [u8; 16], epoch: u64) -> Result<(), StoreError> {
        let db = self.db()?;
        let finish = || {
            db.execute("UPDATE meta SET value = ?1 WHERE key = 'store_id'", params![id])?;
            let epoch = params![epoch.cast_signed()];
            db.execute("UPDATE meta SET value = max(value, ?1) WHERE key = 'epoch'", epoch)?;
            run(db, "COMMIT")
        };
        finish().map_err(|error| trouble::describe(&self.shown, &error))
    }
}

impl Drop for EmptyFile {
    fn drop(&mut self) {
        if let Some(mut file) = self.file.take() {
            file.roll_back();
            file.close();
        }
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
    }
}

fn write(db: &Connection, row: &WholeRow) -> Result<(), SqlError> {
    match row {
        WholeRow::Actor(ActorId { namespace, name }, row) => {
            let (epoch, seq) = (row.epoch.cast_signed(), row.seq.cast_signed());
            let values = params![namespace, name, epoch, seq, row.alarm, row.status.word(), row.state_version];
            db.prepare_cached(rows::PUT_ACTOR)?.execute(values)
        }
        WholeRow::Change(ActorId { namespace, name }, seq, body) => {
            let values = params![namespace, name, seq.cast_signed(), &body[..]];
            db.prepare_cached(rows::PUT_CHANGE)?.execute(values)
        }
        WholeRow::Snapshot(actor, snapshot) => return past::put_snapshot(db, actor, snapshot),
        WholeRow::Note(name, body) => return rows::note(db, &[(copied_note(name), Some(body.clone()))]),
        WholeRow::Floor(floor) => return forget::raise_floor(db, *floor),
        WholeRow::Chunk(ActorId { namespace, name }, number, body) => {
            let values = params![namespace, name, number.cast_signed(), &body[..]];
            db.prepare_cached(rows::PUT_CHUNK)?.execute(values)
        }
        WholeRow::Message(ActorId { namespace, name }, row) => {
            let values = params![namespace, name, row.sender, row.sender_seq.cast_signed(), &row.body[..]];
            db.prepare_cached(rows::PUT_MESSAGE)?.execute(values)
        }
    }
    .map(|_| ())
}
