//! The records of a run as it stands.

use super::history::{Parted, part};
use crate::actor::trouble_record;
use crate::answers::Answer;
use crate::codec::change::{ChangeWriter, Record};
use crate::codec::dealing::Dealing;
use crate::history::{BranchFailure, History, NodeId};
use crate::input::Time;
use crate::keys::{Kept, Reply};
use crate::load::Fold;
use crate::output::RunOutcome;

/// A stream of records, with the end of each item.
#[derive(Default)]
pub(super) struct Stream {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl Stream {
    fn item(&mut self, write: impl FnOnce(&mut ChangeWriter)) {
        let mut writer = ChangeWriter::onto(std::mem::take(&mut self.bytes));
        write(&mut writer);
        self.bytes = writer.into_bytes();
        let end = self.bytes.len();
        let mut last = self.ends.last().copied().unwrap_or(0);
        while end - last > super::cut::CHUNK_BYTES {
            last += super::cut::CHUNK_BYTES;
            self.ends.push(last);
        }
        if last < end {
            self.ends.push(end);
        }
    }

    fn record(&mut self, record: &Record) {
        self.item(|writer| writer.record(record));
    }
}

/// The open part, and what is recorded in closed scopes.
pub(super) fn run(fold: &Fold, now: Time) -> (Stream, Stream) {
    let (mut open, mut closed) = (Stream::default(), Stream::default());
    let stored = &fold.stored;
    let history = &stored.history;
    let (incarnation, workflow, input) = (fold.incarnation, fold.workflow, stored.input.clone());
    if fold.created || fold.is_destroyed {
        open.record(&Record::Created { incarnation, workflow, input });
    }
    if fold.is_destroyed {
        open.record(&Record::Dealing(Dealing::Destroyed));
    }
    if !fold.created {
        return (open, closed);
    }
    if stored.generation > 0 {
        open.record(&Record::Recovered { generation: stored.generation });
    }
    for (index, name) in (0..).zip(history.names.iter()) {
        open.item(|writer| writer.name(index, name));
    }
    let undone = |at: NodeId| {
        let metadata = history.get(at).and_then(|recorded| recorded.metadata.as_ref());
        metadata.is_some_and(|metadata| metadata.rollback_completed_at_ms.is_some())
    };
    let Parted { open: places, closed: over, rounds } = part(history, |at| undone(at) || stored.ended_by.contains(&at));
    places.iter().for_each(|at| entry(&mut open, history, *at));
    over.iter().for_each(|at| entry(&mut closed, history, *at));
    for (at, from) in rounds {
        open.record(&Record::Closed { location: history.location(at).clone(), from });
    }
    for ((at, iteration), state) in &stored.iteration_states {
        let location = history.location(*at).clone();
        let kept = Record::IterationState { location, iteration: *iteration, state: state.clone() };
        if over.contains(at) { closed.record(&kept) } else { open.record(&kept) }
    }
    standing(&mut open, fold, now);
    (open, closed)
}

fn entry(stream: &mut Stream, history: &History, at: NodeId) {
    let Some(recorded) = history.get(at) else { return };
    let entry_id = || recorded.entry.id.clone();
    stream.item(|writer| {
        writer.entry(&recorded.entry);
        if let Some(metadata) = &recorded.metadata {
            writer.metadata(&recorded.entry.id, metadata);
        }
        if let Some((terminal, failure)) = recorded.failure.as_deref() {
            writer.failure(&recorded.entry.id, *terminal, failure);
        }
        if let Some(at) = recorded.retry_at {
            writer.record(&Record::RetryAt { entry_id: entry_id(), at });
        }
        for BranchFailure { branch, failure, because } in &recorded.branch_failures {
            let (branch, failure, because) = (branch.clone(), failure.clone(), because.clone());
            writer.record(&Record::BranchFailure { entry_id: entry_id(), branch, failure, because });
        }
        if let Some(key) = &recorded.took {
            writer.took(key);
        }
        writer.record(&Record::Placed { commit: recorded.commit, at: recorded.at, birth: recorded.birth });
    });
}

/// What is known of a run beside its entries.
fn standing(open: &mut Stream, fold: &Fold, now: Time) {
    let stored = &fold.stored;
    let history = &stored.history;
    for row in stored.stack.rows() {
        open.record(&Record::Stacked { location: history.location(row.node).clone(), attempted: row.attempted });
    }
    if let Some(ending) = &stored.ending {
        open.record(&Record::RollingBack(ending.clone()));
    }
    match &fold.outcome {
        Some(RunOutcome::Completed(output)) => open.record(&Record::Completed { output: output.clone() }),
        Some(RunOutcome::Failed(failure)) => open.record(&Record::Failed(failure.clone())),
        Some(RunOutcome::Cancelled(reason)) => open.record(&Record::Cancelled { reason: reason.clone() }),
        None => {}
    }
    if !stored.ended_by.is_empty() {
        let locations = stored.ended_by.iter().map(|at| history.location(*at).clone()).collect();
        open.record(&Record::EndedBy { locations });
    }
    let failed = stored.undo_failed;
    open.record(&Record::Undoing {
        stuck: stored.stuck,
        failed: failed.map(|failed| (history.location(failed.node).clone(), failed.attempts, failed.at)),
    });
    for (key, Kept { until, reply, answer, .. }) in fold.keys.at(now) {
        let (key, until, reply) = (key.to_owned(), *until, reply.clone());
        let message_id = match &reply {
            Reply::Message(id) => Some(id.clone()),
            Reply::Value(_) => None,
        };
        open.record(&Record::Dealing(Dealing::Remembered { key, until, reply }));
        if let (Some(message_id), Some(answer)) = (message_id, answer) {
            answered(open, message_id, answer);
        }
    }
    for (message_id, answer) in fold.answers.iter() {
        answered(open, message_id.to_owned(), answer);
    }
    for (key, trouble) in &fold.troubles {
        open.record(&trouble_record(key, trouble));
    }
    for (key, made) in &stored.watchers {
        open.record(&Record::Dealing(Dealing::Watched { key: key.clone(), made: *made }));
    }
}

fn answered(open: &mut Stream, message_id: String, answer: &Answer) {
    open.record(&match answer.clone() {
        Ok(reply) => Record::Answered { message_id, reply },
        Err(failure) => Record::Dealing(Dealing::AnsweredFailed { message_id, failure }),
    });
}
