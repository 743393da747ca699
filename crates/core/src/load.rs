//! Opening: folds what the store has of an actor into memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use crate::actor::STATE;
use crate::codec::CodecError;
use crate::codec::change::{self, Record};
use crate::codec::record::EntryMetadata;
use crate::failure::{Failure, Terminal};
use crate::history::{History, NodeId};
use crate::ids::CommitId;
use crate::inbox::MessageKey;
use crate::output::{RunOutcome, Status};
use crate::overlay::{Overlay, Standing};
use crate::run::{Phase, Run};
use crate::state::{Delta, StateError};

/// What the store has of an actor.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Every change, in order, from number 1.
    pub changes: Vec<(u64, Bytes)>,
    pub inbox: Vec<(MessageKey, Bytes)>,
    /// What the newest change's row says of the run.
    pub standing: Standing,
}

/// Why an actor cannot be opened. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    #[error("change {seq} is damaged: {source}")]
    Change { seq: u64, source: CodecError },
    #[error("found change {found}, expected change {expected}")]
    Gap { expected: u64, found: u64 },
    #[error("message {seq} in the inbox is damaged: {source}")]
    Message { seq: u64, source: CodecError },
    #[error("change {seq} does not fit the state before it: {source}")]
    State { seq: u64, source: StateError },
    #[error("change {seq} {what}")]
    Inconsistent { seq: u64, what: &'static str },
}

/// The fold of an actor's changes.
#[derive(Default)]
pub(crate) struct Fold {
    pub history: History,
    pub created: bool,
    pub workflow: bool,
    pub incarnation: u64,
    pub input: Option<Bytes>,
    pub outcome: Option<RunOutcome>,
    pub parks: u32,
    pub last_commit: Option<(u64, CommitId)>,
    /// Where the entries of the change at hand are; what belongs to an entry stands in the change that writes it.
    places: BTreeMap<String, NodeId>,
}

impl Fold {
    pub fn run(loaded: Loaded, overlay: &mut Overlay) -> Result<Fold, OpenError> {
        let mut fold = Fold::default();
        let mut expected = 1;
        for (seq, body) in &loaded.changes {
            if *seq != expected {
                return Err(OpenError::Gap { expected, found: *seq });
            }
            let change = change::read(*seq, body).map_err(|source| OpenError::Change { seq: *seq, source })?;
            fold.places.clear();
            for record in change.records {
                fold.record(overlay, *seq, record)?;
            }
            fold.last_commit = Some((*seq, change.id));
            expected += 1;
        }
        let mut messages = Vec::with_capacity(loaded.inbox.len());
        for (key, body) in loaded.inbox {
            let seq = key.sender_seq;
            messages.push(change::read_message(key, &body).map_err(|source| OpenError::Message { seq, source })?);
        }
        messages.sort_by(|a, b| (a.key.sender_seq, &a.key.sender).cmp(&(b.key.sender_seq, &b.key.sender)));
        messages.into_iter().for_each(|message| overlay.inbox.put(message));
        overlay.load(expected - 1, loaded.standing);
        Ok(fold)
    }

    /// The run as it was left; none if the actor has no workflow.
    pub fn into_run(self, standing: Standing, first_scope: u64) -> Option<Run> {
        let phase = match (self.outcome, standing) {
            (Some(outcome), _) => Phase::Ended(outcome),
            (None, Standing { status: Status::Parked, alarm: Some(until) }) => Phase::Parked { until },
            (None, _) => Phase::Idle,
        };
        self.workflow.then(|| Run::new(self.history, self.input, phase, self.parks, first_scope))
    }

    fn record(&mut self, overlay: &mut Overlay, seq: u64, record: Record) -> Result<(), OpenError> {
        let inconsistent = |what| OpenError::Inconsistent { seq, what };
        match record {
            Record::Created { incarnation, workflow, input } => {
                (self.created, self.workflow) = (true, workflow);
                (self.incarnation, self.input) = (incarnation, input);
            }
            Record::Name { index, name } => {
                if !self.history.names.load(index, &name) {
                    return Err(inconsistent("registers a name twice or out of order"));
                }
            }
            Record::Entry(entry) => {
                let id = entry.id.clone();
                let Some(place) = self.history.load(entry, seq) else {
                    return Err(inconsistent("has an entry whose name is not in the registry"));
                };
                self.places.insert(id, place);
                self.parks = 0;
            }
            Record::Metadata { entry_id, metadata } => self.metadata(&entry_id, metadata),
            Record::Failure { entry_id, terminal, failure } => self.failure(&entry_id, terminal, failure),
            Record::Base { cell, value, version } => {
                let state = |source| OpenError::State { seq, source };
                overlay.set_cell(&cell, value, seq, version).map_err(state)?;
            }
            Record::Delta { cell, delta } => {
                let delta = Delta::parse(&delta).map_err(|source| OpenError::Change { seq, source })?;
                let state = |source| OpenError::State { seq, source };
                if !overlay.load_delta(&cell, &delta, seq).map_err(state)? {
                    return Err(inconsistent("changes a cell that has no value"));
                }
            }
            Record::Took(_) => {}
            Record::Completed { output } => self.outcome = Some(RunOutcome::Completed(output)),
            Record::Failed(failure) => self.outcome = Some(RunOutcome::Failed(failure)),
            Record::Parked { times, .. } => self.parks = times,
        }
        Ok(())
    }

    /// Metadata and failures of pruned entries go nowhere.
    fn metadata(&mut self, entry_id: &str, metadata: EntryMetadata) {
        let place = self.places.get(entry_id).copied();
        if let Some(recorded) = place.and_then(|place| self.history.get_mut(place))
            && recorded.entry.id == entry_id
        {
            recorded.metadata = Some(metadata);
        }
    }

    fn failure(&mut self, entry_id: &str, terminal: Option<Terminal>, failure: Failure) {
        let place = self.places.get(entry_id).copied();
        if let Some(recorded) = place.and_then(|place| self.history.get_mut(place))
            && recorded.entry.id == entry_id
        {
            recorded.failure = Some((terminal, failure));
        }
    }
}

/// The cell of an actor's state, if it has one.
pub(crate) fn state_head(overlay: &Overlay) -> Option<u64> {
    overlay.cell(STATE).map(|cell| cell.head())
}
