//! What went wrong, to the adapter.

use pawl_core::failure::{Failure, FailureKind, Terminal};
use pawl_core::history::{Divergence, Mismatch, Operation};
use pawl_core::output::{Misuse, Refusal};
use pawl_host::{Handle, Problem};
use pawl_store::{Code, StoreError};

use super::writer::Writer;

impl Writer<'_> {
    pub(super) fn problem(&mut self, problem: &Problem) {
        match problem {
            Problem::Store(error) => self.store_error(error),
            Problem::Damaged { actor, error } => {
                let (code, advice) = match error.is_newer() {
                    true => (Code::RecordNewer, "open it with the version of Pawl that wrote it"),
                    false => (Code::RecordCorrupt, "keep a copy of the store, and check it: npx pawl doctor"),
                };
                let message = format!(
                    "what is stored of {actor} cannot be read; it is left as it is.\n  found     {error}\n  do        \
                     {advice}"
                );
                self.error(code.word(), &message, false, false, &[]);
            }
        }
    }

    pub(super) fn terminal(&mut self, terminal: Terminal) {
        self.byte(match terminal {
            Terminal::Exhausted => 0,
            Terminal::Critical => 1,
            Terminal::Rollback => 2,
            Terminal::Timeout => 3,
        });
    }

    pub(super) fn failure(&mut self, failure: &Failure) {
        self.byte(match failure.kind {
            FailureKind::Error => 0,
            FailureKind::Critical => 1,
            FailureKind::Rollback => 2,
            FailureKind::Timeout => 3,
        });
        self.text(&failure.name);
        self.text(&failure.message);
        self.optional(failure.stack.as_ref(), |w, stack| w.text(stack));
        self.optional(failure.fields.as_ref(), |w, fields| w.bytes(fields));
    }

    pub(super) fn divergence(&mut self, divergence: &Divergence) {
        self.text(&divergence.scope);
        self.operations(&divergence.recorded);
        self.operations(&divergence.code);
        match &divergence.mismatch {
            Mismatch::NewBeforeRecorded(code) => {
                self.byte(0);
                self.operation(code);
            }
            Mismatch::OtherKind { recorded, code } => {
                self.byte(1);
                self.operation(recorded);
                self.operation(code);
            }
            Mismatch::EndsBeforeRecorded => self.byte(2),
            Mismatch::NoHandler(operation) => {
                self.byte(3);
                self.operation(operation);
            }
        }
    }

    pub(super) fn operations(&mut self, operations: &[Operation]) {
        self.number(operations.len() as u64);
        operations.iter().for_each(|operation| self.operation(operation));
    }

    pub(super) fn operation(&mut self, operation: &Operation) {
        self.text(operation.kind);
        self.text(&operation.name);
        self.text(operation.status);
    }

    pub(super) fn with_error(&mut self, kind: u8, handle: Handle, error: &StoreError) {
        self.record(kind, handle);
        self.store_error(error);
    }

    pub(super) fn store_error(&mut self, error: &StoreError) {
        let unknown = error.code == Code::OutcomeUnknown;
        self.error(error.code.word(), &error.message, error.retryable, unknown, &error.data);
    }

    pub(super) fn with_problem(&mut self, kind: u8, handle: Handle, problem: &Problem) {
        self.record(kind, handle);
        self.problem(problem);
    }

    pub(super) fn error(
        &mut self,
        code: &str,
        message: &str,
        retryable: bool,
        unknown: bool,
        data: &[(&'static str, String)],
    ) {
        self.text(code);
        self.text(message);
        self.byte(retryable.into());
        self.byte(unknown.into());
        self.number(data.len() as u64);
        for (name, value) in data {
            self.text(name);
            self.text(value);
        }
    }

    pub(super) fn refusal(&mut self, reason: &Refusal) {
        let (kind, text) = match reason {
            Refusal::Exists => (0, ""),
            Refusal::RunEnded => (1, ""),
            Refusal::InboxFull => (2, ""),
            Refusal::Busy => (3, ""),
            Refusal::Broken(why) => (4, why.as_str()),
            Refusal::Lost => (5, ""),
            Refusal::Nothing(why) => (6, *why),
            Refusal::Destroyed => (7, ""),
        };
        self.byte(kind);
        self.text(text);
    }

    pub(super) fn misuse(&mut self, misuse: &Misuse) {
        let (kind, name) = match misuse {
            Misuse::EntryInProgress { pending } => (0, pending.as_str()),
            Misuse::EntryPending { pending } => (1, pending.as_str()),
            Misuse::DuplicateName { name } => (2, name.as_str()),
            Misuse::TooManyOperations => (3, ""),
            Misuse::NotCompletable { message_id } => (4, message_id.as_str()),
        };
        self.byte(kind);
        self.text(name);
    }
}
