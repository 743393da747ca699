//! What is kept of a failure: enough to give user code the same error on the first run and on every replay.

use bytes::Bytes;

use crate::codec::cbor;

/// One failure of user code, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// The error's `name`, for example `TypeError`.
    pub name: String,
    pub message: String,
    pub stack: Option<String>,
    /// The error's own fields, as one encoded value that the adapter wrote and alone reads.
    pub fields: Option<Bytes>,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// An ordinary throw: tried again while attempts are left.
    Error,
    /// The body said that trying again is useless.
    Critical,
    /// The body asked for everything to be undone.
    Rollback,
    /// The body did not end in time.
    Timeout,
}

/// Why a step is never run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    Exhausted,
    Critical,
    Rollback,
    Timeout,
}

impl Failure {
    /// The text that the entry's record carries, as `String(error)` gives it: `Error: boom`.
    pub fn text(&self) -> String {
        match (self.name.is_empty(), self.message.is_empty()) {
            (true, _) => self.message.clone(),
            (false, true) => self.name.clone(),
            (false, false) => format!("{}: {}", self.name, self.message),
        }
    }

    /// The failure of an attempt that did not end within `timeout_ms`.
    pub fn timed_out(step: &str, timeout_ms: i64) -> Failure {
        Failure {
            kind: FailureKind::Timeout,
            name: "StepTimeoutError".into(),
            message: format!("Step \"{step}\" timed out after {timeout_ms}ms"),
            stack: None,
            fields: None,
        }
    }

    /// The failure of an attempt that was given up while its body ran: what it did outside is unknown.
    pub fn interrupted() -> Failure {
        Failure {
            kind: FailureKind::Error,
            name: "CancelledError".into(),
            message: "the attempt was given up while it ran".into(),
            stack: None,
            fields: None,
        }
    }

    /// An error of Pawl's own. Its fields are as the adapter writes those of a `PawlError`.
    pub fn of_pawl(code: &str, message: String, outcome: &str) -> Failure {
        let mut fields = cbor::Writer::with_capacity(64);
        fields.object(1).key(b"pawl").object(3);
        fields.key(b"code").text(code).key(b"retryable").boolean(outcome == "unknown").key(b"outcome").text(outcome);
        let (kind, name) = (FailureKind::Error, "PawlError".into());
        Failure { kind, name, message, stack: None, fields: Some(fields.finish()) }
    }

    /// What is known of a failure of which another engine kept only the text.
    pub fn from_text(text: &str) -> Failure {
        let (name, message) = text.split_once(": ").unwrap_or(("Error", text));
        Failure { kind: FailureKind::Error, name: name.into(), message: message.into(), stack: None, fields: None }
    }
}
