//! Opening: folds what the store has of an actor into memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::actor::{STATE, Trouble};
use crate::answers::{Answer, Answers};
use crate::codec::CodecError;
use crate::codec::change::{self, ChangeRecord, Parks, Record};
use crate::codec::dealing::Dealing;
use crate::codec::message::read_message;
use crate::codec::record::{CallState, EntryKind, EntryMetadata};
use crate::compensation::Row;
use crate::failure::{Failure, Terminal};
use crate::history::{BranchFailure, NodeId};
use crate::ids::CommitId;
use crate::inbox::MessageKey;
use crate::input::Time;
use crate::key::Location;
use crate::keys::Keys;
use crate::output::{RunOutcome, Status};
use crate::overlay::{Overlay, Standing};
use crate::run::{Phase, Run, Stored, UndoFailed};
use crate::snapshot::Contents;
use crate::state::{Delta, StateError};

/// A table of places that holds more is not used again.
const PLACES_KEPT: usize = 64;

/// What the store has of an actor.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// What there is in the place of older changes.
    pub snapshot: Option<Contents>,
    /// Changes that the store had to read anyway: the first of those that follow.
    pub read: Vec<(u64, ChangeRecord)>,
    /// Every change after the snapshot, or from number 1, in order.
    pub changes: Vec<(u64, Bytes)>,
    pub inbox: Vec<(MessageKey, Bytes)>,
    /// What the newest change's row says of the run.
    pub standing: Standing,
    /// What the numbers of every actor that the store has forgotten were below.
    pub floor: u64,
}

/// Why an actor cannot be opened. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    #[error("change {seq} cannot be read: {source}")]
    Change { seq: u64, source: CodecError },
    #[error("found change {found}, expected change {expected}")]
    Gap { expected: u64, found: u64 },
    #[error("message {seq} in the inbox cannot be read: {source}")]
    Message { seq: u64, source: CodecError },
    #[error("change {seq} does not fit the state before it: {source}")]
    State { seq: u64, source: StateError },
    #[error("the snapshot of change {seq} cannot be read: {source}")]
    Snapshot { seq: u64, source: CodecError },
    #[error("chunk {number} of the snapshot of change {seq} cannot be read: {source}")]
    Chunk { seq: u64, number: u64, source: CodecError },
    /// Not damage: what is recorded in closed scopes is needed, too.
    #[error("change {seq} opens scopes that were closed: they must be read, too")]
    NeedsAll { seq: u64 },
    #[error("change {seq} {what}")]
    Inconsistent { seq: u64, what: &'static str },
}

impl OpenError {
    /// Whether only newer code reads what was found.
    pub fn is_newer(&self) -> bool {
        match self {
            Self::Change { source, .. }
            | Self::Message { source, .. }
            | Self::Snapshot { source, .. }
            | Self::Chunk { source, .. } => matches!(source, CodecError::Newer { .. }),
            _ => false,
        }
    }
}

/// The fold of an actor's changes.
pub(crate) struct Fold {
    pub created: bool,
    pub workflow: bool,
    pub incarnation: u64,
    pub outcome: Option<RunOutcome>,
    pub stored: Stored,
    pub answers: Answers,
    pub keys: Keys,
    pub troubles: BTreeMap<MessageKey, Trouble>,
    /// Whether it was destroyed, and not made again.
    pub is_destroyed: bool,
    pub last_commit: Option<(u64, CommitId)>,
    /// Where the entries of the change at hand are; what belongs to an entry stands in the change that writes it.
    places: FxHashMap<String, NodeId>,
    /// The entry that was read last, if it is new: what is taken then is what it records.
    newest: Option<NodeId>,
    /// The entry that was read last.
    placed: Option<NodeId>,
}

impl Fold {
    pub fn run(loaded: Loaded, overlay: &mut Overlay) -> Result<Fold, OpenError> {
        let mut fold = Fold {
            created: false,
            workflow: false,
            incarnation: 0,
            outcome: None,
            stored: Stored::new(None, 0),
            answers: Answers::default(),
            keys: Keys::default(),
            troubles: BTreeMap::new(),
            is_destroyed: false,
            last_commit: None,
            places: FxHashMap::default(),
            newest: None,
            placed: None,
        };
        let mut expected = 1;
        if let Some(contents) = &loaded.snapshot {
            fold.restore(overlay, contents)?;
            expected = contents.snapshot.seq + 1;
        }
        for (seq, change) in loaded.read {
            fold.change(overlay, expected, seq, change)?;
            expected += 1;
        }
        for (seq, body) in &loaded.changes {
            let change = change::read(*seq, body).map_err(|source| OpenError::Change { seq: *seq, source })?;
            fold.change(overlay, expected, *seq, change)?;
            expected += 1;
        }
        let mut messages = Vec::with_capacity(loaded.inbox.len());
        for (key, body) in loaded.inbox {
            let seq = key.sender_seq;
            messages.push(read_message(key, &body).map_err(|source| OpenError::Message { seq, source })?);
        }
        messages.sort_by(|a, b| (a.key.sender_seq, &a.key.sender).cmp(&(b.key.sender_seq, &b.key.sender)));
        messages.into_iter().for_each(|message| overlay.inbox.put(message));
        for (key, trouble) in fold.troubles.iter().filter(|(_, trouble)| trouble.aside) {
            overlay.inbox.set_aside(&trouble.name, key);
        }
        overlay.load(expected - 1, loaded.standing);
        Ok(fold)
    }

    fn change(
        &mut self,
        overlay: &mut Overlay,
        expected: u64,
        seq: u64,
        change: ChangeRecord,
    ) -> Result<(), OpenError> {
        if seq != expected {
            return Err(OpenError::Gap { expected, found: seq });
        }
        overlay.sent_until(change.at);
        self.forget_places();
        for record in change.records {
            if matches!(record, Record::Recovered { .. }) && self.stored.history.is_partial() {
                return Err(OpenError::NeedsAll { seq });
            }
            self.record(overlay, (seq, change.at), record)?;
        }
        self.last_commit = Some((seq, change.id));
        Ok(())
    }

    /// Takes up what a snapshot holds.
    fn restore(&mut self, overlay: &mut Overlay, contents: &Contents) -> Result<(), OpenError> {
        let seq = contents.snapshot.seq;
        let streams = contents.streams()?;
        let manifest = streams.manifest;
        let damaged = |source| OpenError::Snapshot { seq, source };
        for record in change::read_records(&streams.run).map_err(damaged)? {
            self.record(overlay, (seq, manifest.created_at), record)?;
        }
        let is_partial = streams.closed.is_none() && !contents.snapshot.closed.is_empty();
        if let Some(closed) = &streams.closed {
            for record in change::read_records(closed).map_err(damaged)? {
                self.record(overlay, (seq, manifest.created_at), record)?;
            }
            self.stored.history.sort_by_birth();
        }
        self.stored.history.set_births(manifest.births);
        if is_partial {
            self.stored.history.leave_closed();
        }
        self.stored.parks = manifest.parks;
        overlay.sent_until(manifest.at);
        for (part, value) in streams.cells {
            let state = |source| OpenError::State { seq, source };
            overlay.set_cell(&part.name, value, part.head, manifest.state_version).map_err(state)?;
        }
        self.last_commit = Some((seq, manifest.id));
        Ok(())
    }

    /// The run as it was left; none if the actor has no workflow.
    pub fn into_run(mut self, standing: Standing, first_scope: u64) -> Option<Run> {
        if self.outcome.is_some() {
            // It has been undone.
            self.stored.ending = None;
        }
        let phase = match (self.outcome, standing) {
            (Some(outcome), _) => Phase::Ended(outcome),
            (None, Standing { status: Status::Parked, alarm: Some(until) }) => Phase::Parked { until },
            (None, _) => Phase::Idle,
        };
        self.workflow.then(|| Run::new(Stored { phase, ..self.stored }, first_scope))
    }

    fn record(&mut self, overlay: &mut Overlay, (seq, at): (u64, Time), record: Record) -> Result<(), OpenError> {
        let inconsistent = |what| OpenError::Inconsistent { seq, what };
        match record {
            Record::Created { incarnation, workflow, input } => {
                (self.created, self.workflow, self.incarnation) = (true, workflow, incarnation);
                self.is_destroyed = false;
                (self.stored.input, self.stored.created_at) = (input, at);
            }
            Record::Name { index, name } => {
                if !self.stored.history.names.load(index, &name) {
                    return Err(inconsistent("registers a name twice or out of order"));
                }
            }
            Record::Entry(entry) => {
                let id = entry.id.clone();
                let is_new =
                    self.stored.history.at(&entry.location).is_none_or(|at| self.stored.history.get(at).is_none());
                let Some(place) = self.stored.history.load(entry, seq, at) else {
                    return Err(inconsistent("has an entry whose name is not in the registry"));
                };
                self.forget_details(place);
                self.places.insert(id, place);
                self.newest = is_new.then_some(place);
                self.placed = Some(place);
                self.note_call(place);
                self.stored.parks = Parks::default();
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
            Record::Took(key) => {
                self.troubles.remove(&key);
                if let Some(recorded) = self.newest.take().and_then(|place| self.stored.history.get_mut(place)) {
                    recorded.took = Some(key);
                }
            }
            Record::Completed { output } => self.ended(RunOutcome::Completed(output)),
            Record::Failed(failure) => self.ended(RunOutcome::Failed(failure)),
            Record::Parked(parks) => self.stored.parks = parks,
            Record::Dealing(dealing) => self.dealing(overlay, seq, dealing),
            Record::UndoFailed { entry_id, attempts, terminal, .. } => {
                let node = self.places.get(&entry_id).copied().filter(|_| !terminal);
                self.stored.stuck = terminal;
                self.stored.undo_failed = node.map(|node| UndoFailed { node, attempts, at });
            }
            record => self.control_flow(record),
        }
        Ok(())
    }

    /// Who waited for the end was told in the same change.
    fn ended(&mut self, outcome: RunOutcome) {
        self.outcome = Some(outcome);
        self.stored.watchers.clear();
    }

    fn note_call(&mut self, place: NodeId) {
        match self.stored.history.get(place).map(|recorded| &recorded.entry.kind) {
            Some(EntryKind::Call { state: CallState::Waiting, .. }) => drop(self.stored.open_calls.insert(place)),
            Some(EntryKind::Call { .. }) => drop(self.stored.open_calls.remove(&place)),
            _ => {}
        }
    }

    fn answered(&mut self, message_id: String, answer: Answer) {
        self.keys.answered(&message_id, &answer);
        self.answers.add(message_id, answer);
    }

    fn dealing(&mut self, overlay: &mut Overlay, seq: u64, dealing: Dealing) {
        match dealing {
            Dealing::Troubled { key, name, attempts, started_at, not_before, aside, failure } => {
                self.troubles.insert(key, Trouble { name, attempts, started_at, not_before, aside, failure });
            }
            Dealing::Calmed { key } => drop(self.troubles.remove(&key)),
            Dealing::AnsweredFailed { message_id, failure } => self.answered(message_id, Err(failure)),
            Dealing::Remembered { key, until, reply } => self.keys.add(i64::MIN, key, until, seq, reply),
            Dealing::Watched { key, made } => drop(self.stored.watchers.insert(key, made)),
            Dealing::Destroyed => {
                (self.created, self.workflow, self.is_destroyed, self.outcome) = (false, false, true, None);
                self.stored = Stored::new(None, 0);
                (self.answers, self.keys, self.troubles) = Default::default();
                self.places.clear();
                (self.newest, self.placed) = (None, None);
                overlay.forget_cells();
            }
        }
    }

    /// To clear a table costs what it could hold: one that a large change has filled is not kept.
    fn forget_places(&mut self) {
        if self.places.capacity() > PLACES_KEPT {
            self.places = FxHashMap::default();
        }
        self.places.clear();
    }

    /// What is kept beside an entry stands in the change that writes it, every time.
    fn forget_details(&mut self, place: NodeId) {
        if let Some(recorded) = self.stored.history.get_mut(place) {
            (recorded.failure, recorded.retry_at) = (None, None);
            recorded.branch_failures.clear();
        }
    }

    fn control_flow(&mut self, record: Record) {
        let Stored { history, stack, .. } = &mut self.stored;
        match record {
            Record::BranchFailure { entry_id, branch, failure, because } => {
                if let Some(recorded) = self.places.get(&entry_id).and_then(|place| history.get_mut(*place)) {
                    recorded.branch_failures.push(BranchFailure { branch, failure, because });
                }
            }
            Record::RetryAt { entry_id, at } => {
                if let Some(recorded) = self.places.get(&entry_id).and_then(|place| history.get_mut(*place)) {
                    recorded.retry_at = Some(at);
                }
            }
            Record::Pushed { entry_id, attempted } => {
                if let Some(node) = self.places.get(&entry_id).copied() {
                    let was_there = stack.rows().iter().any(|row| row.node == node);
                    stack.push(Row { node, attempted });
                    if !was_there {
                        history.mark_row(node, true);
                    }
                }
            }
            Record::Popped { location } => {
                if let Some(node) = history.at(&location).filter(|node| stack.pop(*node)) {
                    history.mark_row(node, false);
                }
                (self.stored.stuck, self.stored.undo_failed) = (false, None);
            }
            Record::IterationState { location, iteration, state } => {
                if let Some(node) = history.at(&location) {
                    self.stored.iteration_states.insert((node, iteration), state);
                }
            }
            Record::RollingBack(ending) => (self.stored.ending, self.stored.stuck) = (Some(ending), false),
            Record::Cancelled { reason } => self.ended(RunOutcome::Cancelled(reason)),
            Record::EndedBy { locations } => {
                self.stored.ended_by = locations.iter().filter_map(|location| history.at(location)).collect();
            }
            Record::Recovered { generation } => {
                self.outcome = None;
                (self.stored.generation, self.stored.ending, self.stored.stuck) = (generation, None, false);
                self.stored.undo_failed = None;
                self.stored.ended_by.clear();
                let Stored { history, iteration_states, .. } = &mut self.stored;
                iteration_states.retain(|(place, round), _| history.has_begun(*place, *round));
            }
            Record::Dropped { location, iterations, .. } => {
                if let Some(node) = history.at(&location) {
                    match iterations {
                        Some((from, to)) => history.drop_iterations(node, from, to, |_| {}),
                        None if history.rows_at(node) == 0 => history.erase(node, |_| {}),
                        None => history.drop_below(node, |_| {}),
                    }
                }
            }
            Record::Erased { location } => self.erase(&location),
            Record::Placed { commit, at, birth } => {
                if let Some(place) = self.placed {
                    history.set_place(place, (commit, at), birth);
                }
                self.forget_places();
            }
            Record::Stacked { location, attempted } => {
                if let Some(node) = history.at(&location) {
                    stack.push(Row { node, attempted });
                    history.mark_row(node, true);
                }
            }
            Record::Undoing { stuck, failed } => {
                let place = |(location, attempts, at)| Some(UndoFailed { node: history.at(&location)?, attempts, at });
                let failed = failed.and_then(place);
                (self.stored.stuck, self.stored.undo_failed) = (stuck, failed);
            }
            Record::Closed { location, from } => {
                if let Some(node) = history.at(&location) {
                    history.close_rounds(node, from);
                }
            }
            Record::Answered { message_id, reply } => self.answered(message_id, Ok(reply)),
            _ => {}
        }
    }

    fn erase(&mut self, location: &Location) {
        let Stored { history, stack, .. } = &mut self.stored;
        let Some(node) = history.at(location) else { return };
        let rows: Vec<NodeId> = stack.rows().iter().map(|row| row.node).collect();
        for row in rows {
            if history.location(row).is_within(location) {
                stack.pop(row);
                history.mark_row(row, false);
            }
        }
        history.erase(node, |_| {});
    }

    /// Metadata and failures of pruned entries go nowhere.
    fn metadata(&mut self, entry_id: &str, metadata: EntryMetadata) {
        let place = self.places.get(entry_id).copied();
        if let Some(recorded) = place.and_then(|place| self.stored.history.get_mut(place))
            && recorded.entry.id == entry_id
        {
            recorded.metadata = Some(metadata);
        }
    }

    fn failure(&mut self, entry_id: &str, terminal: Option<Terminal>, failure: Failure) {
        let place = self.places.get(entry_id).copied();
        if let Some(recorded) = place.and_then(|place| self.stored.history.get_mut(place))
            && recorded.entry.id == entry_id
        {
            recorded.failure = Some(Box::new((terminal, failure)));
        }
    }
}

/// The cell of an actor's state, if it has one.
pub(crate) fn state_head(overlay: &Overlay) -> Option<u64> {
    overlay.cell(STATE).map(|cell| cell.head())
}
