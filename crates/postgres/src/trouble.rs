//! What errors of PostgreSQL mean, and how they are told.

use pawl_store::{Code, StoreError};
use tokio_postgres::Error as PgError;
use tokio_postgres::error::{DbError, SqlState};

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody was in the way: the same again, at once.
    Conflict,
    /// The server or the way to it is in trouble: connect again.
    Broken,
    /// It is about what was asked: not for others, and not again.
    Spoiled,
    /// The tables are not there.
    Missing,
    /// Somebody has just made what was to be made.
    Exists,
}

pub(crate) fn kind(error: &PgError) -> Kind {
    let Some(state) = error.code() else { return Kind::Broken };
    let made =
        [SqlState::DUPLICATE_SCHEMA, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION];
    match state.code() {
        "40001" | "40P01" | "55P03" | "CR000" => Kind::Conflict,
        "3F000" | "42P01" => Kind::Missing,
        _ if made.contains(state) => Kind::Exists,
        // Read-only: the primary is elsewhere now. 08, 53, 57, 58, XX: connection, resources, operator, system, internal.
        "25006" => Kind::Broken,
        code if ["08", "53", "57", "58", "XX"].contains(&&code[..2]) => Kind::Broken,
        _ => Kind::Spoiled,
    }
}

/// Whether an answer to a COMMIT leaves no doubt that nothing was written.
pub(crate) fn is_certain(error: &PgError) -> bool {
    error.code().is_some_and(|state| ["40001", "40P01", "23505"].contains(&state.code()))
}

/// An error of the server or of the way to it, in words.
pub(crate) fn describe(shown: &str, error: &PgError) -> StoreError {
    let Some(said) = error.as_db_error() else {
        return StoreError::unavailable(format!(
            "{shown} cannot be reached.\n  found     {}\n  do        check that the server runs and that the URL names it; \
             it is tried again",
            chain(error)
        ));
    };
    let found = sentence(said);
    match said.code().code() {
        "28P01" | "28000" => StoreError::unavailable(format!(
            "{shown} does not let us in.\n  found     {found}\n  do        check user, password and pg_hba.conf"
        ))
        .not_retryable(),
        "3D000" => StoreError::unavailable(format!(
            "{shown} does not exist.\n  found     {found}\n  do        create the database, or correct the URL"
        ))
        .not_retryable(),
        "42501" => StoreError::unavailable(format!(
            "{shown} may not be used by this user.\n  found     {found}\n  do        GRANT CREATE ON DATABASE, or create the \
             schema and make this user its owner"
        ))
        .not_retryable(),
        _ => StoreError::unavailable(format!("{shown} has refused.\n  found     {found}\n  do        see the server's log")),
    }
    .with("sqlstate", said.code().code())
}

/// Without detail, hint and position: details may quote values.
fn sentence(said: &DbError) -> String {
    format!("{} {} ({})", said.severity(), said.message(), said.code().code())
}

fn chain(error: &PgError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

pub(crate) fn no_trust(shown: &str, why: &str) -> StoreError {
    StoreError::bad_argument(format!(
        "{shown} was not opened: whom to trust is not known.\n  found     {why}\n  do        set sslrootcert to a file of \
         certificates, or install the system's (ca-certificates)"
    ))
}

pub(crate) fn newer(shown: &str, found: &str, expected: u32) -> StoreError {
    let message = format!(
        "{shown} was written by a newer version of Pawl, and was left as it is.\n  found     format {found}\n  expected  at \
         most format {expected}\n  do        update pawl here"
    );
    StoreError::new(Code::StoreVersion, message).with("found", found).with("expected", expected)
}

pub(crate) fn foreign(shown: &str) -> StoreError {
    let message = format!(
        "{shown} is not a store of Pawl, and was left as it is.\n  found     a table `meta` without a format\n  expected  a \
         schema that Pawl made, or none\n  do        name another one: ?schema=..."
    );
    StoreError::new(Code::StoreForeign, message)
}

pub(crate) fn owned(actor: &pawl_store::ActorId, by: &str) -> StoreError {
    let message = format!(
        "{actor} is owned by another process.\n  found     {by}\n  do        ask that process, or again when it has let go"
    );
    StoreError::new(Code::Owned, message).with("owner", by)
}

pub(crate) fn panicked(shown: &str) -> StoreError {
    StoreError::unavailable(format!(
        "the thread that serves {shown} has panicked, which is a bug in Pawl or in its host.\n  do        open the store \
         again, and report it with the log"
    ))
    .not_retryable()
}
