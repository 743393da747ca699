//! What an error of SQLite or of the system means here, and how it is told.

use std::fmt::Display;
use std::io;

use rusqlite::{Error as SqlError, ErrorCode, ffi};

use super::Place;
use super::lock::Holder;
use crate::error::{Code, StoreError};

/// What an error says of the transaction in which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Someone else has a lock of the database.
    Busy,
    /// The disk, or the database, is full.
    Full,
    /// It is about what was asked for, or what is stored of it; the handle is sound.
    Spoiled,
    /// A write or a sync failed, or something as deep: the handle is final.
    Broken,
}

pub(super) fn kind(error: &SqlError) -> Kind {
    let Some(error) = error.sqlite_error() else { return Kind::Spoiled };
    match (error.code, error.extended_code) {
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Kind::Busy,
        (ErrorCode::DiskFull, _) => Kind::Full,
        (_, ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS) => Kind::Spoiled,
        (
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::NotADatabase
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::InternalMalfunction
            | ErrorCode::ApiMisuse,
            _,
        ) => Kind::Broken,
        _ => Kind::Spoiled,
    }
}

/// An error of SQLite, for people.
pub(super) fn describe(shown: &str, error: &SqlError) -> StoreError {
    let (said, number) = (error.to_string(), error.sqlite_error().map_or(0, |error| error.extended_code));
    let found = format!("{said} (SQLite's code {number})");
    let told = |what: &str, code: Code, act: &str| {
        StoreError::new(code, format!("{shown} {what}.\n  found     {found}\n  do        {act}"))
    };
    let error = match (kind(error), error.sqlite_error_code()) {
        (Kind::Busy, _) => told(
            "is locked by another program",
            Code::StoreUnavailable,
            "end the transaction that holds it; look with mode=ro",
        ),
        (Kind::Full, _) => {
            told("could not be written", Code::StoreUnavailable, "make room; nothing was written, nothing is lost")
        }
        (_, Some(ErrorCode::TooBig)) => told("cannot hold a value", Code::ChangeTooLarge, "store less at once"),
        (_, Some(ErrorCode::OutOfMemory)) => {
            told("could not be read", Code::StoreUnavailable, "give the process more memory")
        }
        (Kind::Broken, _) | (_, Some(ErrorCode::SystemIoFailure)) => {
            told("could not be read or written", Code::StoreUnavailable, "check the disk, and who may write there")
        }
        (Kind::Spoiled, _) => {
            told("contradicts itself", Code::RecordCorrupt, "keep a copy of it, and check it: npx pawl doctor")
        }
    };
    error.with("sqlite", number)
}

/// The system refuses the file, its folder or its lock.
pub(super) fn unreachable(shown: &str, what: &str, error: &io::Error) -> StoreError {
    StoreError::unavailable(format!(
        "{shown} could not {what}.\n  found     {error}\n  expected  a file, or a folder for one, that this process may write\n  do        \
         check the path and who may write there"
    ))
}

pub(super) fn in_use(place: &Place, holder: &Holder) -> StoreError {
    let shown = &place.shown;
    let who = match (&holder.command, &holder.since) {
        (Some(command), Some(since)) => {
            format!(
                " (pid {}, `{command}`, since {since})",
                holder.pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string())
            )
        }
        _ => String::new(),
    };
    let message = if holder.here {
        format!(
            "{shown} is open already in this process{who}.\n  expected  one store per file: share the runtime that has it\n  \
             do        close the other one first, or use it"
        )
    } else {
        let pid = holder.pid.map_or_else(|| "the other process".to_owned(), |pid| format!("pid {pid}"));
        format!(
            "{shown} is open in another process{who}.\n  expected  one process per SQLite file: only one may write\n  do        \
             a dev server that is restarting?  stop {pid}; this process has tried for a while\n            only want to \
             look?                npx pawl list --store {}     reads beside the running process\n            want to \
             change something?         runtime.admin in that process; npx pawl once it has ended\n            more than \
             one process?            store: \"postgres://user@host/db\"\n            seen during `next build`?         \
             call start() in your server, not at import: createRuntime() alone opens nothing",
            place.url
        )
    };
    let mut error = StoreError::new(Code::StoreInUse, message).with("here", holder.here);
    for (name, value) in [("command", &holder.command), ("since", &holder.since)] {
        error = value.iter().fold(error, |error, value| error.with(name, value));
    }
    holder.pid.iter().fold(error, |error, pid| error.with("pid", pid))
}

pub(super) fn no_database(shown: &str) -> StoreError {
    let message = format!(
        "{shown} is not a store of Pawl, and was left as it is.\n  found     a file that is no SQLite database\n  expected  \
         a file that Pawl made, or none\n  do        check the path"
    );
    StoreError::new(Code::StoreForeign, message)
}

pub(super) fn foreign(shown: &str, found: i32, expected: i32) -> StoreError {
    let message = format!(
        "{shown} is not a store of Pawl, and was left as it is.\n  found     an SQLite database of another program \
         (application_id {found})\n  expected  one that Pawl made (application_id {expected}), or no file\n  do        check the \
         path; Pawl needs a file of its own"
    );
    StoreError::new(Code::StoreForeign, message).with("found", found).with("expected", expected)
}

pub(super) fn newer(shown: &str, found: i32, expected: i32) -> StoreError {
    let message = format!(
        "{shown} was written by a newer version of Pawl, and was left as it is.\n  found     format {found}\n  expected  at \
         most format {expected}\n  do        update pawl here"
    );
    StoreError::new(Code::StoreVersion, message).with("found", found).with("expected", expected)
}

/// The marks are right, the tables are not.
pub(super) fn unfit(shown: &str, error: &SqlError) -> StoreError {
    if kind(error) == Kind::Broken {
        return describe(shown, error);
    }
    let message = format!(
        "{shown} has the marks of a store of Pawl, but not its tables.\n  found     {error}\n  do        keep a copy of it, \
         and check it: npx pawl doctor"
    );
    StoreError::new(Code::RecordCorrupt, message)
}

pub(super) fn unset(shown: &str, pragma: &str, found: &str, expected: impl Display) -> StoreError {
    let message = format!(
        "{shown} cannot be kept safely here.\n  found     {pragma} = {found}\n  expected  {expected}\n  do        put it on \
         a local disk; network file systems lack what a log needs"
    );
    StoreError::unavailable(message).not_retryable()
}

pub(super) fn old_sqlite(shown: &str, found: &str, expected: i32) -> StoreError {
    let message = format!(
        "{shown} was not opened: this build of Pawl has an SQLite that can lose commits.\n  found     {found}\n  expected  at \
         least {}.{}\n  do        install a release of pawl; do not link the system's SQLite",
        expected / 1_000_000,
        expected / 1000 % 1000
    );
    StoreError::unavailable(message).not_retryable()
}

/// The file is no longer where it was opened.
pub(super) fn moved(shown: &str) -> StoreError {
    StoreError::unavailable(format!(
        "{shown} was moved, replaced or deleted while it was open.\n  expected  the file that was opened\n  do        put it \
         back, with its -wal file; close the store before moving it"
    ))
}

pub(super) fn replaced(shown: &str) -> StoreError {
    let message = format!(
        "{shown} is another store than the one that was open.\n  expected  the file that was opened\n  do        put it back, \
         and open it again"
    );
    StoreError::new(Code::StoreForeign, message)
}

/// After a failure: the log could not be moved into the file.
pub(super) fn unmoved(shown: &str) -> StoreError {
    StoreError::unavailable(format!(
        "{shown} cannot be reopened while another program reads it, after a write had failed.\n  do        end what reads it"
    ))
}

/// The file's epoch is not this handle's.
pub(super) fn superseded(shown: &str, ours: u64, found: u64) -> StoreError {
    let message = format!(
        "{shown} has been taken over by another process, in spite of its lock.\n  found     epoch {found} in the file\n  expected  \
         epoch {ours}\n  do        run one process on it, on a local disk; leave its -lock file alone"
    );
    StoreError::new(Code::Fenced, message).with("found", found).with("expected", ours)
}

pub(super) fn panicked(shown: &str) -> StoreError {
    StoreError::unavailable(format!(
        "the writer of {shown} has panicked, which is a bug in Pawl or in its host.\n  do        open the store again, and \
         report it with the log"
    ))
    .not_retryable()
}
