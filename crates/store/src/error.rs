//! What a store refuses or cannot do. Messages say what was found, what was expected, where, and what to do.

use std::fmt;

use crate::record::ActorId;

/// The stable part of an error; part of the public interface, as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The call itself is wrong: a URL, a name, a limit.
    BadArgument,
    /// Someone else has the store open.
    StoreInUse,
    /// What is there is not a store of Pawl, and was left alone.
    StoreForeign,
    /// The store is of a newer format, and was left alone.
    StoreVersion,
    /// The store cannot be reached or written just now.
    StoreUnavailable,
    /// Another process that shares the store owns the actor.
    Owned,
    /// The batch is of an owner that has been succeeded by another.
    Fenced,
    /// The batch does not follow what is there.
    Conflict,
    /// A body is larger than the limit.
    ChangeTooLarge,
    /// What is stored contradicts itself.
    RecordCorrupt,
    /// What is stored can only be read by newer code, and was left alone.
    RecordNewer,
    /// The outcome of a commit is not known.
    OutcomeUnknown,
    /// What was is no longer kept.
    StateUnavailable,
    /// A store that a copy was to fill has something in it.
    StoreNotEmpty,
}

impl Code {
    pub fn word(self) -> &'static str {
        match self {
            Self::BadArgument => "bad_argument",
            Self::StoreInUse => "store_in_use",
            Self::StoreForeign => "store_foreign",
            Self::StoreVersion => "store_version",
            Self::StoreUnavailable => "store_unavailable",
            Self::Owned => "actor_owned",
            Self::Fenced => "fenced",
            Self::Conflict => "conflict",
            Self::ChangeTooLarge => "change_too_large",
            Self::RecordCorrupt => "record_corrupt",
            Self::RecordNewer => "record_newer",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::StateUnavailable => "state_unavailable",
            Self::StoreNotEmpty => "store_not_empty",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    pub code: Code,
    /// The whole text, for people.
    pub message: String,
    /// Whether the same request may succeed later with nothing changed but the circumstances.
    pub retryable: bool,
    /// The parts of the message, by name, for programs.
    pub data: Vec<(&'static str, String)>,
}

impl StoreError {
    /// Whether it may be tried again follows from the code.
    pub fn new(code: Code, message: String) -> Self {
        let retryable = matches!(code, Code::StoreInUse | Code::StoreUnavailable | Code::Owned);
        Self { code, message, retryable, data: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.data.push((name, value.to_string()));
        self
    }

    pub fn not_retryable(mut self) -> Self {
        self.retryable = false;
        self
    }

    /// The same, of a commit that may have been written nevertheless.
    pub fn into_unknown(self) -> Self {
        let message = format!(
            "it is not known whether a commit was written: {}\n  then      open the actor again, and look whether the \
             change is there",
            self.message
        );
        Self { code: Code::OutcomeUnknown, message, retryable: false, data: self.data }.with("cause", self.code)
    }

    pub fn bad_argument(message: String) -> Self {
        Self::new(Code::BadArgument, message)
    }

    pub fn unavailable(message: String) -> Self {
        Self::new(Code::StoreUnavailable, message)
    }

    pub fn closed(url: &str) -> Self {
        Self::unavailable(format!("{url} has been closed.\n  do        open it again")).not_retryable()
    }

    pub fn fenced(actor: &ActorId, found: u64, present: u64) -> Self {
        let message = format!(
            "a batch of {actor} was refused: its owner has been succeeded.\n  found     epoch {found}\n  expected  epoch \
             {present}\n  do        open the actor again, and go on from what is stored"
        );
        Self::new(Code::Fenced, message).with("found", found).with("expected", present)
    }

    pub fn bad_compaction(actor: &ActorId, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        let message = format!(
            "a compaction of {actor} was refused: it does not fit what is stored.\n  found     {found}\n  expected  \
             {expected}\n  do        leave it; what is stored is as it was"
        );
        Self::new(Code::Conflict, message)
    }

    pub fn no_chunk(actor: &ActorId, number: u64) -> Self {
        Self::corrupt(actor, format!("no chunk {number}"), "every chunk that its snapshot refers to")
    }

    /// `oldest`: the oldest change up to which everything can still be read.
    pub fn not_kept(actor: &ActorId, up_to: u64, oldest: u64) -> Self {
        let message = format!(
            "{actor} as it was after change {up_to} is no longer kept.\n  found     what is kept begins after change \
             {oldest}\n  do        raise `retention` to keep more"
        );
        Self::new(Code::StateUnavailable, message).with("found", oldest).with("expected", up_to)
    }

    pub fn out_of_order(actor: &ActorId, found: u64, expected: u64) -> Self {
        let message = format!(
            "a batch of {actor} was refused: it does not follow the newest change.\n  found     seq {found}\n  expected  \
             seq {expected}\n  do        open the actor again, and go on from what is stored"
        );
        Self::new(Code::Conflict, message).with("found", found).with("expected", expected)
    }

    pub fn not_in_inbox(actor: &ActorId, sender: &str, seq: u64) -> Self {
        let message = format!(
            "a batch of {actor} was refused: it takes a message that is not in the inbox.\n  found     nothing from \
             {sender} with seq {seq}\n  expected  a message that was put and not yet taken\n  do        open the actor \
             again, and go on from what is stored"
        );
        Self::new(Code::Conflict, message).with("sender", sender).with("sender_seq", seq)
    }

    pub fn other_message(receiver: &str, sender: &str, seq: u64) -> Self {
        let message = format!(
            "a message from {sender} to {receiver} was refused: another one has its number.\n  found     a different \
             body with seq {seq}\n  expected  each number once per sender and receiver"
        );
        Self::new(Code::Conflict, message).with("sender", sender).with("sender_seq", seq)
    }

    pub fn corrupt(actor: &ActorId, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        let message = format!(
            "what is stored of {actor} contradicts itself; the actor is left as it is.\n  found     {found}\n  expected  \
             {expected}\n  do        keep the file, and check it: npx pawl doctor"
        );
        Self::new(Code::RecordCorrupt, message)
    }

    pub fn too_large(actor: &ActorId, what: &str, found: usize, limit: usize) -> Self {
        let message = format!(
            "{what} of {actor} is too large to be stored.\n  found     {found}\n  expected  at most {limit}\n  do        \
             store less at once, or raise the limit"
        );
        Self::new(Code::ChangeTooLarge, message).with("found", found).with("limit", limit)
    }
}
