//! Programs as data: what a workflow does, in the place of the user's code.

use pawl_core::failure::{Failure, FailureKind};
use pawl_core::retry::Policy;
use pawl_core::scope::ForkRule;

/// What a program does, one after another. What fails is caught, but for `Must`.
#[derive(Debug, Clone)]
pub enum Do {
    /// A step whose attempts end like this; the last one repeats.
    Step(&'static str, Vec<Attempt>),
    /// A step with a handler that undoes it, whose attempts end like this.
    Undoable(&'static str, Vec<Attempt>, Vec<Attempt>),
    /// A step with a handler for when it was tried and never committed, and one for when it was.
    Attempted(&'static str, Vec<Attempt>, Vec<Attempt>),
    Ephemeral(&'static str, u8),
    Sleep(&'static str, i64),
    Next(&'static str, Option<i64>),
    /// A message of any name.
    Any(&'static str),
    /// Up to so many messages.
    Batch(&'static str, u32, Option<i64>),
    /// A message that is answered.
    Ask(&'static str),
    /// So many rounds of the same.
    Loop(&'static str, u32, Vec<Do>),
    Fork(&'static str, ForkRule, u32, Vec<(&'static str, Vec<Do>)>),
    /// `true`: it catches what is thrown within.
    Try(&'static str, bool, Vec<Do>),
    Version(&'static str, u32),
    Removed(&'static str, &'static str),
    /// What fails is thrown.
    Must(Box<Do>),
    /// The code itself throws.
    Throw,
    /// Undo everything, then complete.
    RollBack,
}

#[derive(Debug, Clone, Copy)]
pub enum Attempt {
    Returns(u8),
    /// Returns, having set a field of the state to a number, and having sent itself a message if there is a name.
    Writes(&'static str, u8, Option<&'static str>),
    Throws,
    ThrowsCritical,
    /// Throws, asking to be tried again after so many milliseconds.
    ThrowsFor(i64),
    Hangs,
}

pub const POLICY: Policy = Policy {
    max_retries: 2,
    backoff_base_ms: 100,
    backoff_max_ms: 30_000,
    timeout_ms: Some(1_000),
    retry_on_timeout: false,
};

impl Do {
    pub fn must(self) -> Do {
        Do::Must(Box::new(self))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Do::Step(name, _) | Do::Undoable(name, ..) | Do::Attempted(name, ..) | Do::Ephemeral(name, _) => name,
            Do::Sleep(name, _) | Do::Next(name, _) | Do::Batch(name, ..) | Do::Ask(name) | Do::Any(name) => name,
            Do::Loop(name, ..) | Do::Fork(name, ..) | Do::Try(name, ..) => name,
            Do::Version(name, _) | Do::Removed(name, _) => name,
            Do::Must(inner) => inner.name(),
            Do::Throw => "throw",
            Do::RollBack => "roll back",
        }
    }

    /// Without `Must`.
    pub fn plain(&self) -> &Do {
        match self {
            Do::Must(inner) => inner.plain(),
            other => other,
        }
    }

    pub fn throws(&self) -> bool {
        matches!(self, Do::Must(_))
    }
}

pub fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure { kind, name: "Error".into(), message: message.into(), stack: None, fields: None }
}
