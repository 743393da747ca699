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
    let Some(said) = error.as_db_error() else { return unreachable(shown, &chain(error)) };
    let found = sentence(said);
    let (what, todo, may_pass) = match said.code().code() {
        "28P01" | "28000" => ("does not let us in", "check user, password and pg_hba.conf", false),
        "3D000" => ("does not exist", "create the database, or correct the URL", false),
        "42501" => (
            "may not be used by this user",
            "GRANT CREATE ON DATABASE, or create the schema and make this user its owner",
            false,
        ),
        "53300" => (
            "has no connection left for us",
            "raise max_connections, or the limit of the role or the database: a process needs two; it is tried again",
            true,
        ),
        "53100" => (
            "has no room left on its disk",
            "make room; what was acknowledged is there, and it goes on when there is room",
            true,
        ),
        "25006" => (
            "can only be read",
            "name the primary, or all hosts that may be it: host1,host2; check default_transaction_read_only",
            true,
        ),
        "57P01" | "57P02" | "57P03" => {
            ("is stopping, or starting", "wait, or see the server's log; it is tried again", true)
        }
        "57014" => (
            "has cancelled a statement of ours",
            "see who cancels, and what holds locks or is slow (pg_stat_activity); it can be tried again",
            true,
        ),
        "55P03" | "40001" | "40P01" => (
            "has somebody in our way",
            "see who holds locks on our tables for seconds (pg_locks, pg_stat_activity); it can be tried again",
            true,
        ),
        "26000" | "42P05" => return pooled_because(shown, &found).with("sqlstate", said.code().code()),
        "42P01" | "42703" | "42804" | "42883" | "42P10" => {
            return altered(shown, &[found]).with("sqlstate", said.code().code());
        }
        _ => ("has refused", "see the server's log", true),
    };
    let error = StoreError::unavailable(format!("{shown} {what}.\n  found     {found}\n  do        {todo}"));
    let error = if may_pass { error } else { error.not_retryable() };
    error.with("sqlstate", said.code().code())
}

/// What is wrong before anybody has answered.
fn unreachable(shown: &str, found: &str) -> StoreError {
    let refused = |what: &str, todo: &str| {
        StoreError::unavailable(format!("{shown} {what}.\n  found     {found}\n  do        {todo}"))
    };
    if found.contains("does not allow writes") {
        let todo = "name the primary, or all hosts that may be it: host1,host2; it is tried again";
        return refused("can only be read", todo);
    }
    if found.contains("does not support TLS") {
        let todo = "turn `ssl` on at the server, or set sslmode=prefer or disable where the way to it is safe";
        return refused("does not encrypt connections, and the URL asks for that", todo).not_retryable();
    }
    if found.contains("certificate") {
        let todo =
            "set sslrootcert to the authority that has signed the server's certificate, and name the host as it does";
        return refused("is not who it should be", todo).not_retryable();
    }
    refused("cannot be reached", "check that the server runs and that the URL names it; it is tried again")
}

/// Some of the tables are not as they were made.
pub(crate) fn altered(shown: &str, missing: &[String]) -> StoreError {
    let message = format!(
        "{shown} has tables that somebody has changed, and was left as it is.\n  found     missing: {}\n  expected  the tables \
         as Pawl has made them\n  do        restore them from a backup, or name another schema: ?schema=...",
        missing.join(", ")
    );
    StoreError::new(Code::StoreForeign, message)
}

/// Sessions are shared behind our back.
pub(crate) fn pooled(shown: &str, backend: i64) -> StoreError {
    pooled_because(shown, &format!("two connections that are one session of the server (backend {backend})"))
}

fn pooled_because(shown: &str, found: &str) -> StoreError {
    StoreError::unavailable(format!(
        "{shown} is behind a pool that gives each transaction another session.\n  found     {found}\n  expected  a session for \
         as long as a connection is open: it holds settings, statements and LISTEN\n  do        connect to the server itself, or \
         let the pool keep sessions (PgBouncer: pool_mode = session)"
    ))
    .not_retryable()
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

pub(crate) fn foreign(shown: &str, found: &str) -> StoreError {
    let message = format!(
        "{shown} is not a store of Pawl, and was left as it is.\n  found     {found}\n  expected  a \
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
