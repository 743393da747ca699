//! One opening of the file: whose it is, how it is set, its epoch, its log.
//!
//! A file that is not Pawl's, or is of a newer format, is refused before anything is written to it. The one law: the
//! connection never moves the log into the file on its own, so that what happens to the file happens here.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error as SqlError, OpenFlags, params};

use super::{Place, rows, trouble};
use crate::contract::Stats;
use crate::error::StoreError;
use crate::record::ActorId;

/// "Pawl", as SQLite keeps it in the file's header.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Pawl");
/// The newest format that this code reads and writes; in the header, too.
const FORMAT: i32 = 1;
/// The oldest SQLite whose log cannot lose commits (the WAL-reset race), with room for its first corrections.
const SQLITE_OLDEST: i32 = 3_053_000;
const PAGE_BYTES: usize = 4096;
/// A log of so many pages that are not in the file yet is moved there between two groups: 8 MiB.
const LOG_PAGES: i64 = 2048;
/// Pages that are free are given back to the system, so many at a time (4 MiB), while they are more than that and more than this
/// part of the file: fewer are soon used again.
const SHRINK_PAGES: i64 = 1024;
const FREE_PART: i64 = 4;
/// How long SQLite itself tries for a lock, each time it is asked.
const BUSY: Duration = Duration::from_millis(100);
/// How many actors' seqs are kept; each is one lookup away in the file.
const REMEMBERED: usize = 100_000;

/// What is set on every connection: pragma, value, and what it then reads as.
const SETTINGS: [(&str, &str, &str); 11] = [
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("fullfsync", "ON", "1"),
    ("checkpoint_fullfsync", "ON", "1"),
    ("wal_autocheckpoint", "0", "0"),
    ("journal_size_limit", "67108864", "67108864"),
    ("mmap_size", "0", "0"),
    ("cell_size_check", "ON", "1"),
    ("trusted_schema", "OFF", "0"),
    ("temp_store", "MEMORY", "2"),
    ("cache_size", "-16384", "-16384"),
];

pub(super) struct File {
    db: Connection,
    id: [u8; 16],
    epoch: u64,
    place: FilePlace,
    /// The newest seq of actors, as this transaction leaves it; a cache of the table, which only this handle writes.
    seqs: HashMap<ActorId, u64>,
    /// Below so many pages the log is left alone: it was tried, and someone reads it.
    log_tolerated: i64,
}

/// Which file was opened, so that another one in its place is noticed.
struct FilePlace {
    path: PathBuf,
    shown: String,
    identity: Option<(u64, u64)>,
}

/// The state of the log: pages in it, and how many of them are in the file, too.
struct Log {
    pages: i64,
    moved: i64,
}

/// Follows the links of the place's path, and makes its folder (0700) if there is none.
pub(super) fn locate(place: &Place) -> Result<PathBuf, StoreError> {
    let refused = |error: io::Error| trouble::unreachable(&place.shown, "be reached", &error);
    match fs::canonicalize(&place.path) {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        Err(_) => {}
    }
    let (Some(folder), Some(name)) = (place.path.parent(), place.path.file_name()) else {
        return Err(refused(io::ErrorKind::IsADirectory.into()));
    };
    make_folder(folder).map_err(refused)?;
    Ok(fs::canonicalize(folder).map_err(refused)?.join(name))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    missing.iter().filter_map(|made| made.parent()).try_for_each(sync_folder)
}

/// Makes the names in a folder durable; only Unix can, and needs to.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

impl File {
    /// Opens the file, made if it is not there, under a new epoch. The caller has the lock.
    pub(super) fn open(place: &Place, busy: Duration) -> Result<Self, StoreError> {
        let made = make(&place.path).map_err(|error| trouble::unreachable(&place.shown, "be made", &error))?;
        if !made {
            peek(place)?;
        }
        let mut file = Self::attach(place, busy)?;
        // Someone may be reading; then the log stays until later.
        file.move_log("TRUNCATE")?;
        Ok(file)
    }

    /// Opens the file again after a failure. What a failed sync left in memory may look written without being so:
    /// nothing is served before all of it has been written once more, into the file, and that has been synced.
    pub(super) fn reopen(place: &Place, id: [u8; 16], busy: Duration) -> Result<Self, StoreError> {
        let mut file = Self::attach(place, busy)?;
        if file.id != id {
            return Err(trouble::replaced(&place.shown));
        }
        match file.move_log("TRUNCATE")? {
            Some(log) if log.pages == log.moved => Ok(file),
            _ => Err(trouble::unmoved(&place.shown)),
        }
    }

    fn attach(place: &Place, busy: Duration) -> Result<Self, StoreError> {
        let said = |error: SqlError| trouble::describe(&place.shown, &error);
        if rusqlite::version_number() < SQLITE_OLDEST {
            return Err(trouble::old_sqlite(&place.shown, rusqlite::version(), SQLITE_OLDEST));
        }
        let db = connect(&place.path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(said)?;
        db.busy_timeout(busy).map_err(said)?;
        if is_empty(&db, place)? {
            create(&db).map_err(said)?;
        }
        set(&db, place)?;
        for statement in rows::STATEMENTS {
            db.prepare_cached(statement).map_err(|error| trouble::unfit(&place.shown, &error))?;
        }
        let (id, epoch) = raise_epoch(&db).map_err(said)?;
        db.busy_timeout(BUSY).map_err(said)?;
        let identity = identity(&place.path);
        let place = FilePlace { path: place.path.clone(), shown: place.shown.clone(), identity };
        Ok(Self { db, id, epoch, place, seqs: HashMap::new(), log_tolerated: LOG_PAGES })
    }

    /// Moves the log into the file and closes it: what remains is the one file.
    pub(super) fn close(mut self) {
        // Nothing durable depends on any of this: the log holds what the file does not.
        drop(self.move_log("TRUNCATE"));
        drop(self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false));
        drop(self.db.close());
    }

    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    pub(super) fn id(&self) -> [u8; 16] {
        self.id
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn shown(&self) -> &str {
        &self.place.shown
    }

    pub(super) fn remembered(&self, actor: &ActorId) -> Option<u64> {
        self.seqs.get(actor).copied()
    }

    pub(super) fn remember(&mut self, actor: &ActorId, seq: u64) {
        if let Some(known) = self.seqs.get_mut(actor) {
            *known = seq;
            return;
        }
        if self.seqs.len() >= REMEMBERED {
            self.seqs.clear();
        }
        self.seqs.insert(actor.clone(), seq);
    }

    /// Undoes the transaction, if one is open; says whether that is certain.
    pub(super) fn roll_back(&mut self) -> bool {
        self.seqs.clear();
        if !self.db.is_autocommit() {
            // Whether it failed shows in what is asked next.
            drop(rows::run(&self.db, "ROLLBACK"));
        }
        self.db.is_autocommit()
    }

    /// Whether the file is still the one that was opened: a commit into one that was moved or deleted is lost to all.
    pub(super) fn check_place(&self) -> Result<(), StoreError> {
        match self.place.identity {
            Some(_) if identity(&self.place.path) != self.place.identity => Err(trouble::moved(&self.place.shown)),
            _ => Ok(()),
        }
    }

    /// Moves the log into the file if it has grown large.
    pub(super) fn checkpoint_if_large(&mut self, stats: &mut Stats) -> Result<(), StoreError> {
        match self.move_log("NOOP")? {
            Some(log) if log.pages - log.moved >= LOG_PAGES && log.pages >= self.log_tolerated => {
                self.checkpoint(stats)
            }
            _ => Ok(()),
        }
    }

    /// Moves as much of the log into the file as no reader needs.
    pub(super) fn checkpoint(&mut self, stats: &mut Stats) -> Result<(), StoreError> {
        let Some(log) = self.move_log("PASSIVE")? else { return Ok(()) };
        stats.checkpoints += 1;
        self.log_tolerated = if log.moved < log.pages { log.pages + LOG_PAGES } else { LOG_PAGES };
        Ok(())
    }

    /// Gives a slice of the free pages back, if there are many. Says whether there may be more.
    pub(super) fn shrink(&mut self) -> Result<bool, StoreError> {
        let number = |pragma: &str| self.db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let shrink = || {
            let (free, all) = (number("freelist_count")?, number("page_count")?);
            let is_much = free > SHRINK_PAGES.max(all / FREE_PART);
            if is_much {
                // Each step gives one page back.
                let mut pages = self.db.prepare(&format!("PRAGMA incremental_vacuum({SHRINK_PAGES})"))?;
                let mut pages = pages.query([])?;
                while pages.next()?.is_some() {}
            }
            Ok(is_much)
        };
        match shrink() {
            Err(error) if trouble::kind(&error) == trouble::Kind::Busy => Ok(false),
            shrunk => shrunk.map_err(|error| trouble::describe(&self.place.shown, &error)),
        }
    }

    /// `None`: someone else is at it.
    fn move_log(&mut self, how: &str) -> Result<Option<Log>, StoreError> {
        let moved = self.db.prepare_cached(&format!("PRAGMA wal_checkpoint({how})")).and_then(|mut statement| {
            statement.query_row([], |row| Ok(Log { pages: row.get(1)?, moved: row.get(2)? }))
        });
        match moved {
            Ok(log) => Ok((log.pages >= 0).then_some(log)),
            Err(error) if trouble::kind(&error) == trouble::Kind::Busy => Ok(None),
            Err(error) => Err(trouble::describe(&self.place.shown, &error)),
        }
    }
}

/// Makes an empty file that only its owner may read, unless there is one; says whether it did.
fn make(path: &Path) -> io::Result<bool> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => path.parent().map_or(Ok(()), sync_folder).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses a file by its first bytes, before SQLite sees it and puts its own files beside it. The header is enough for
/// what Pawl wrote: its marks are in the file before it has a log.
pub(super) fn peek(place: &Place) -> Result<(), StoreError> {
    let mut header = Vec::new();
    let read = fs::File::open(&place.path).and_then(|file| file.take(100).read_to_end(&mut header));
    read.map_err(|error| trouble::unreachable(&place.shown, "be read", &error))?;
    let cut_short = header.iter().all(|byte| *byte == 0) && suffixed(&place.path, "-journal").exists();
    if header.is_empty() || cut_short {
        return Ok(());
    }
    let number = |at: usize| header.get(at..at + 4).and_then(|four| four.try_into().ok()).map(i32::from_be_bytes);
    match (header.starts_with(b"SQLite format 3\0"), number(60), number(68)) {
        (true, Some(format), Some(application)) => identify(place, application, format),
        _ => Err(trouble::no_database(&place.shown)),
    }
}

fn identify(place: &Place, application: i32, format: i32) -> Result<(), StoreError> {
    if application != APPLICATION_ID {
        return Err(trouble::foreign(&place.shown, application, APPLICATION_ID));
    }
    if format > FORMAT {
        return Err(trouble::newer(&place.shown, format, FORMAT));
    }
    Ok(())
}

/// The path of a file beside the store's.
pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Device and number of the file; `None` where the system has no such thing.
fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // A file that is gone is not the one that was opened.
        fs::metadata(path).map_or(Some((0, 0)), |found| Some((found.dev(), found.ino())))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, SqlError> {
    let flags = access
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let db = Connection::open_with_flags(path, flags)?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        db.set_db_config(config, on)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 10_000),
        (Limit::SQLITE_LIMIT_COLUMN, 32),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 32),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        db.set_limit(limit, value)?;
    }
    db.set_prepared_statement_cache_capacity(40);
    Ok(db)
}

/// Whether there is nothing in the file yet; refuses one whose contents, log included, are not Pawl's.
fn is_empty(db: &Connection, place: &Place) -> Result<bool, StoreError> {
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let refused = |error: SqlError| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => trouble::no_database(&place.shown),
        _ => trouble::describe(&place.shown, &error),
    };
    if number("page_count").map_err(refused)? == 0 {
        return Ok(true);
    }
    let (application, format) = (number("application_id").map_err(refused)?, number("user_version").map_err(refused)?);
    identify(place, application, format)?;
    Ok(false)
}

/// Makes the tables, in the file itself: it has no log yet. All in one transaction, for whoever is killed amid it must leave a
/// file that is empty or whole. An immediate one would fix how the file is laid out, and by itself that setting is written at once.
fn create(db: &Connection) -> Result<(), SqlError> {
    // In seconds; not a thing of SQLite's, which has no functions of time here.
    let made_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    db.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA synchronous = EXTRA;
         BEGIN; PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};
         {}
         INSERT INTO meta VALUES ('epoch', 0), ('store_id', randomblob(16)), ('made_at', {made_at}),
                                 ('made_by', 'pawl {}');
         COMMIT",
        rows::SCHEMA,
        env!("CARGO_PKG_VERSION")
    ))
}

fn set(db: &Connection, place: &Place) -> Result<(), StoreError> {
    for (pragma, value, expected) in SETTINGS {
        let set = db.execute_batch(&format!("PRAGMA {pragma} = {value}"));
        let found = set.and_then(|()| setting(db, pragma)).map_err(|error| trouble::describe(&place.shown, &error))?;
        if found != expected {
            return Err(trouble::unset(&place.shown, pragma, &found, expected));
        }
    }
    Ok(())
}

fn setting(db: &Connection, pragma: &str) -> Result<String, SqlError> {
    db.pragma_query_value(None, pragma, |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str()?.to_owned(),
        })
    })
}

/// Makes this opening the owner; its commit also syncs whatever a killed owner left unsynced in the log.
fn raise_epoch(db: &Connection) -> Result<([u8; 16], u64), SqlError> {
    rows::run(db, "BEGIN IMMEDIATE")?;
    let epoch = rows::epoch(db)? + 1;
    db.execute("UPDATE meta SET value = ?1 WHERE key = 'epoch'", params![epoch.cast_signed()])?;
    let id = db.query_row("SELECT value FROM meta WHERE key = 'store_id'", [], |row| row.get(0))?;
    rows::run(db, "COMMIT")?;
    Ok((id, epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_those_that_the_writer_has_when_it_reads_them_back() {
        let folder = std::env::temp_dir().join(format!("pawl-settings-{}", std::process::id()));
        let place = Place { url: "sqlite:x".into(), shown: "x".to_owned(), path: folder.join("x.db") };
        let place = Place { path: locate(&place).unwrap(), ..place };
        let file = File::open(&place, BUSY).unwrap();
        let read = |pragma: &str| setting(file.db(), pragma).unwrap();
        assert_eq!(read("journal_mode"), "wal");
        assert_eq!(read("synchronous"), "2", "FULL");
        for (pragma, expected) in [
            ("page_size", "4096"),
            ("auto_vacuum", "2"),
            ("application_id", "1348564844"),
            ("user_version", "1"),
            ("wal_autocheckpoint", "0"),
            ("mmap_size", "0"),
            ("cell_size_check", "1"),
            ("trusted_schema", "0"),
            ("busy_timeout", "100"),
        ] {
            assert_eq!(read(pragma), expected, "{pragma}");
        }
        for (config, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        ] {
            assert_eq!(file.db().db_config(config).unwrap(), on, "{config:?}");
        }
        let tables = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name IN \
                      ('meta', 'actor', 'change', 'inbox') AND strict AND wr";
        assert_eq!(file.db().query_row(tables, [], |row| row.get::<_, i32>(0)).unwrap(), 4);
        file.close();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["x.db"], "a closed store is one file");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_is_made_in_one_transaction_so_that_it_is_empty_or_whole_whenever_its_maker_is_killed() {
        let folder = std::env::temp_dir().join(format!("pawl-made-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x.db");
        make(&path).unwrap();
        let db = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        create(&db).unwrap();
        let transactions = u32::from_be_bytes(fs::read(&path).unwrap()[24..28].try_into().unwrap());
        assert_eq!(transactions, 1, "the file change counter of SQLite's header");
        let vacuum: i32 = db.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
        assert_eq!(vacuum, 2, "incremental");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn sqlite_is_new_enough() {
        assert!(rusqlite::version_number() >= SQLITE_OLDEST, "{}", rusqlite::version());
    }
}
