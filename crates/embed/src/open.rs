//! Opening: from the rows of an actor to the changes that the core folds to the same state.
//!
//! Every entry stands in the change that wrote it last, so that order and commit order are those of the run. Changes of
//! which nothing is left are not there, so that the numbers that the core sees are dense, and lower than those of the rows.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use pawl_core::codec::change::{ChangeRecord, Ending, Record};
use pawl_core::codec::record::{EntryKind, SleepState};
use pawl_core::failure::Failure;
use pawl_core::ids::CommitId;
use pawl_core::key;
use pawl_core::state::{Cell, Delta};
use pawl_store::{ActorRow, Status};
use rustc_hash::FxHashMap;

use crate::error::Damage;
use crate::kept::{Kept, UNLISTED};
use crate::keys;
use crate::life::{Life, life};
use crate::load::{Stored, StoredEntry};
use crate::missing;
use crate::rows::{Base, ChangeRow, Head, ROW_BYTES};
use crate::split::{Class, Pile};
use crate::sweep::delete_chunks;
use crate::translate::{self, add_message, complete_message, put_base};
use crate::work::{Call, Found, Limits};

/// Deltas below this are never folded into their base.
const FOLD_BYTES: usize = 4 << 10;

/// An actor as it was read, and what is still to be done before it can be used.
#[derive(Debug)]
pub struct Opening {
    pub kept: Kept,
    pub row: Option<ActorRow>,
    pub changes: Vec<(u64, ChangeRecord)>,
    pub found: Found,
    pub calls: Vec<Call>,
    pub after: Vec<Call>,
}

/// Puts an actor together. `in_doubt` are the numbers of rows whose commit had no known outcome, with the seqs under which
/// the core knows them: they come back under these.
pub fn open(mut stored: Stored, in_doubt: &BTreeMap<u64, u64>, limits: Limits, epoch: u64) -> Result<Opening, Damage> {
    let mut kept = keep(&mut stored);
    let head = stored.head.as_ref();
    let swapped = head.is_some_and(|head| (head.count, head.hash) != (kept.head.count, kept.head.hash));
    missing::check_change_rows(&stored, &kept, swapped)?;
    let found = Found { ours: head.is_some(), swapped, cells: !stored.cells.is_empty() };
    let mut opening =
        Opening { kept: Kept::default(), row: None, changes: Vec::new(), found, calls: Vec::new(), after: Vec::new() };
    let alarm_due = repeat_calls(&stored, &kept, swapped, &mut opening.after);
    kept.alarm = match head {
        Some(head) if !swapped && alarm_due == head.alarm_due => Some(head.alarm),
        None if stored.word.is_none() => Some(None),
        _ => None,
    };
    let mut cells = stored.cells.clone();
    if !swapped && kept.unlisted.is_empty() {
        fold_cells(&stored, &mut kept, &mut cells, limits, &mut opening)?;
    }
    if kept.exists {
        let (status, alarm) = standing(&stored, swapped);
        let entries = std::mem::take(&mut stored.entries);
        let units = Units { stored: &stored, entries, kept: &kept, cells, in_doubt }.build(status);
        opening.changes = number(units, in_doubt);
        let (seq, state_version) = (opening.changes.len() as u64, kept.head.state_version);
        opening.row = Some(ActorRow { epoch, seq, alarm, status, state_version });
    }
    opening.kept = kept;
    Ok(opening)
}

fn keep(stored: &mut Stored) -> Kept {
    let exists = stored.head.is_some() || stored.input.is_some() || !stored.names.is_empty() || stored.word.is_some();
    let by_default = Head { incarnation: 1, workflow: true, state_version: 0, ..Head::default() };
    let head = stored.head.clone().unwrap_or(by_default);
    let (pending, bases) = (head.pending.clone(), head.cells.clone());
    let head = Head { count: 0, hash: 0, rows: 0, row_sum: 0, ..head };
    let mut kept = Kept::default();
    (kept.names, kept.word, kept.head, kept.exists) = (stored.names.clone(), stored.word.clone(), head, exists);
    stored.rows.iter().for_each(|(changes, parts)| kept.add_row(*changes, *parts));
    stored.page.take().into_iter().for_each(|page| kept.add_page(page));
    for (number, row) in &stored.changes {
        for id in &row.entry_ids {
            if let Some(entry) = stored.entries.get(id).filter(|entry| entry.change == *number) {
                kept.put_entry(id, &entry.entry.location, *number, entry.hash);
            }
        }
    }
    bases.into_iter().for_each(|base| drop(kept.put_base(base)));
    for (number, row) in &stored.changes {
        if !row.entry_ids.is_empty() {
            kept.unpark();
        }
        for record in &row.rest {
            if counts(&kept, *number, record) {
                kept.put_record(*number, record);
            }
        }
    }
    pending.into_iter().filter(|number| stored.changes.contains_key(number)).for_each(|number| kept.pend(number));
    kept.unlisted = foreign(stored);
    for id in kept.unlisted.clone() {
        let entry = &stored.entries[&id];
        kept.put_entry(&id, &entry.entry.location, UNLISTED, entry.hash);
    }
    kept
}

/// Deltas that are in a base, and deletions that were made, count no more.
fn counts(kept: &Kept, number: u64, record: &Record) -> bool {
    match life(record) {
        Life::Pending => false,
        Life::Cell(cell) => {
            let base = kept.cells.get(cell).and_then(|cell| cell.base.as_ref());
            base.is_some_and(|base| number > base.as_of)
        }
        _ => true,
    }
}

/// The entries that no row of ours lists, in the order of engine behaviour for facts without a number.
fn foreign(stored: &Stored) -> Vec<String> {
    let mut foreign: Vec<&StoredEntry> = stored.entries.values().filter(|stored| stored.change == UNLISTED).collect();
    foreign.sort_by_cached_key(|stored| {
        let completed =
            stored.metadata.as_ref().and_then(|metadata| metadata.completed_at_ms).or(match stored.entry.kind {
                EntryKind::Sleep { deadline_ms, state: SleepState::Completed } => Some(deadline_ms),
                _ => None,
            });
        let created = stored.metadata.as_ref().map(|metadata| metadata.created_at_ms);
        (completed.unwrap_or(u64::MAX), created.unwrap_or(u64::MAX), key::history(&stored.entry.location))
    });
    foreign.into_iter().map(|stored| stored.entry.id.clone()).collect()
}

/// Gathers the calls that an earlier life did not get to make; says whether the alarm is among them.
fn repeat_calls(stored: &Stored, kept: &Kept, swapped: bool, calls: &mut Vec<Call>) -> bool {
    calls.extend(stored.garbage.iter().map(|key| Call::Delete { key: key.clone() }));
    let Some(head) = &stored.head else { return false };
    for row in head.pending.iter().filter_map(|number| stored.changes.get(number)) {
        for record in &row.rest {
            let Record::Dropped { entry_ids, .. } = record else { continue };
            let gone = entry_ids.iter().filter(|id| kept.change_of(id).is_none());
            calls.extend(gone.map(|id| Call::Delete { key: key::metadata(id) }));
        }
        calls.extend(row.sends.iter().map(add_message));
        calls.extend(row.acks.iter().map(complete_message));
    }
    let word = translate::word(head.status());
    let due = !swapped && head.alarm_due && (word.is_none() || stored.word.as_deref() == word);
    if due {
        calls.push(head.alarm.map_or(Call::ClearAlarm, |at| Call::SetAlarm { at }));
    }
    due
}

/// Writes a new base for each cell whose deltas have outgrown it.
fn fold_cells(
    stored: &Stored,
    kept: &mut Kept,
    cells: &mut BTreeMap<String, Bytes>,
    limits: Limits,
    opening: &mut Opening,
) -> Result<(), Damage> {
    let mut pile = Pile::default();
    for (name, value) in cells.iter_mut().filter(|_| limits.bytes > 2 * ROW_BYTES) {
        let deltas = deltas(stored, kept, name);
        let bytes: usize = deltas.iter().map(|(_, delta)| delta.len()).sum();
        if bytes <= value.len().max(FOLD_BYTES) {
            continue;
        }
        *value = folded(value, &deltas)?;
        let before = kept.cells.get(name).and_then(|cell| cell.base.as_ref());
        let version = before.map_or(0, |base| base.version);
        let base = put_base(&mut pile, before, name, value, version, kept.head.seq);
        opening.after.extend(kept.put_base(base).as_ref().and_then(delete_chunks));
    }
    if !pile.is_empty() {
        pile.put(Class::Own, keys::head(), kept.written_head().encode());
        let too_large = |_| Damage::new(keys::head(), "a head that is larger than one batch of the driver");
        opening.calls = pile.into_batches(limits).map_err(too_large)?;
        // Chunks that a death left behind may have the numbers of the new ones.
        let written: HashSet<&Bytes> = opening.calls.iter().flat_map(batch_keys).collect();
        opening.after.retain(|call| !matches!(call, Call::Delete { key } if written.contains(key)));
    }
    Ok(())
}

fn batch_keys(call: &Call) -> impl Iterator<Item = &Bytes> {
    let rows = if let Call::Batch(rows) = call { &rows[..] } else { &[] };
    rows.iter().map(|(key, _)| key)
}

/// The deltas of a cell that are not in its base.
fn deltas<'a>(stored: &'a Stored, kept: &Kept, name: &str) -> Vec<(u64, &'a Bytes)> {
    let records = stored.changes.iter().flat_map(|(number, row)| row.rest.iter().map(move |record| (*number, record)));
    let of_cell = records.filter_map(|(number, record)| match record {
        Record::Delta { cell, delta } if cell == name && kept.needs(number, record) => Some((number, delta)),
        _ => None,
    });
    of_cell.collect()
}

fn folded(value: &Bytes, deltas: &[(u64, &Bytes)]) -> Result<Bytes, Damage> {
    let broken = |number, what: String| Damage::new(keys::change(number), what);
    let mut cell = Cell::new(value.clone(), 0).map_err(|error| Damage::new(keys::head(), error.to_string()))?;
    for (seq, (number, delta)) in (1..).zip(deltas) {
        let delta = Delta::parse(delta).map_err(|error| broken(*number, error.to_string()))?;
        cell.apply(seq, &delta).map_err(|error| broken(*number, error.to_string()))?;
        cell.keep_from(None);
    }
    Ok(cell.encode())
}

/// How the run stands: the state row decides, for another engine writes it, too; the head knows the alarm, and what the
/// state row has no word for.
fn standing(stored: &Stored, swapped: bool) -> (Status, Option<i64>) {
    let head = stored.head.as_ref().filter(|_| !swapped);
    let ours = head.map(Head::status);
    let alarm = head.and_then(|head| head.alarm);
    match (stored.word.as_deref(), ours) {
        (Some("completed"), _) => (Status::Completed, None),
        (Some("failed"), _) => (Status::Failed, None),
        (Some("cancelled"), _) => (Status::Cancelled, None),
        (Some("rolling_back"), _) => (Status::RollingBack, Some(0)),
        (_, Some(status @ (Status::Parked | Status::Quarantined))) => (status, alarm.or(Some(0))),
        (None, Some(Status::None)) => (Status::None, None),
        (Some("sleeping"), Some(Status::Waiting)) => (Status::Waiting, alarm),
        (Some("sleeping"), _) => (Status::Waiting, Some(0)),
        _ => (Status::Running, Some(0)),
    }
}

/// One change to be: its row's number, id, time and records.
struct Unit {
    number: u64,
    id: CommitId,
    at: i64,
    records: Vec<Record>,
}

struct Units<'a> {
    stored: &'a Stored,
    /// What was read of them; each goes into its unit.
    entries: FxHashMap<String, StoredEntry>,
    kept: &'a Kept,
    cells: BTreeMap<String, Bytes>,
    in_doubt: &'a BTreeMap<u64, u64>,
}

impl<'a> Units<'a> {
    fn build(mut self, status: Status) -> Vec<Unit> {
        let mut beside = self.beside();
        let mut units: Vec<Unit> = Vec::with_capacity(self.stored.changes.len());
        for (number, row) in &self.stored.changes {
            self.put_row(*number, row, &mut beside, &mut units);
        }
        units.extend(self.kept.unlisted.iter().map(|id| of_entry(&mut self.entries, UNLISTED, id, &mut beside)));
        for base in self.kept.cells.values().filter_map(|cell| cell.base.as_ref()) {
            self.place_base(&mut units, base);
        }
        if units.is_empty() {
            units.push(Unit { number: 0, id: CommitId([0; 16]), at: 0, records: Vec::new() });
        }
        let created = Record::Created {
            incarnation: self.kept.head.incarnation,
            workflow: self.kept.head.workflow,
            input: self.stored.input.clone().flatten(),
        };
        let names = (0..).zip(&self.stored.names).map(|(index, name)| Record::Name { index, name: name.clone() });
        units[0].records.splice(..0, std::iter::once(created).chain(names));
        if let (Some(end), Some(last)) = (self.end(status), units.last_mut()) {
            last.records.push(end);
        }
        units
    }

    /// What is kept beside an entry, which stands in the change of the entry.
    fn beside(&self) -> Beside<'a> {
        let mut beside = Beside::default();
        for (number, row) in &self.stored.changes {
            for record in row.rest.iter().filter(|record| self.kept.needs(*number, record)) {
                let (Life::Entry(id) | Life::Writing(id)) = life(record) else { continue };
                let records = beside.entry(id).or_default();
                if matches!(life(record), Life::Entry(_)) {
                    // Of several in one change the last one counts.
                    records.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(record));
                }
                records.push(record.clone());
            }
        }
        beside
    }

    fn put_row(&mut self, number: u64, row: &ChangeRow, beside: &mut Beside<'_>, units: &mut Vec<Unit>) {
        let kept = self.kept;
        let listed = row.entry_ids.iter().filter(|id| kept.change_of(id) == Some(number));
        if row.adopted {
            return units.extend(listed.map(|id| of_entry(&mut self.entries, number, id, beside)));
        }
        let mut records = Vec::new();
        listed.for_each(|id| records.append(&mut of_entry(&mut self.entries, number, id, beside).records));
        let rest = row.rest.iter().filter(|record| {
            let of_change = !matches!(life(record), Life::Entry(_) | Life::Writing(_) | Life::Ended);
            of_change && self.kept.needs(number, record)
        });
        records.extend(rest.cloned());
        let wanted = !records.is_empty() || self.in_doubt.contains_key(&number) || number == self.kept.head.seq;
        if wanted {
            units.push(Unit { number, id: row.id, at: row.at, records });
        }
    }

    /// Puts a cell's value into the newest change that it is as of, before any delta that is not in it.
    fn place_base(&self, units: &mut Vec<Unit>, base: &Base) {
        let Some(value) = self.cells.get(&base.cell).cloned() else { return };
        let record = Record::Base { cell: base.cell.clone(), value, version: base.version };
        let place = units.iter().rposition(|unit| unit.number != UNLISTED && unit.number <= base.as_of);
        match place {
            Some(at) => units[at].records.insert(0, record),
            None => match units.first_mut() {
                Some(first) if first.id == CREATION => first.records.insert(0, record),
                _ => units.insert(0, Unit { number: 0, id: CREATION, at: 0, records: vec![record] }),
            },
        }
    }

    /// How the run ended, if the state row says that it has.
    fn end(&self, status: Status) -> Option<Record> {
        match status {
            Status::Completed => Some(Record::Completed { output: self.stored.output.clone() }),
            Status::Failed => Some(Record::Failed(self.failure())),
            Status::Cancelled => Some(Record::Cancelled { reason: None }),
            Status::RollingBack if !self.is_rolling_back() => Some(Record::RollingBack(Ending::Failed(self.failure()))),
            _ => None,
        }
    }

    /// Whether a change of ours says how the run ends once it is undone.
    fn is_rolling_back(&self) -> bool {
        let rest = self.stored.changes.values().flat_map(|row| &row.rest);
        rest.into_iter().any(|record| matches!(record, Record::RollingBack(_)))
    }

    /// The failure as Pawl recorded it, unless the row that all engines see says something else.
    fn failure(&self) -> Failure {
        let rows =
            self.stored.changes.iter().flat_map(|(number, row)| row.rest.iter().map(move |record| (*number, record)));
        let ours = rows.filter_map(|(number, record)| match record {
            Record::Failed(failure) if self.kept.needs(number, record) => Some(failure),
            _ => None,
        });
        let shown = self.stored.error.clone();
        match (ours.last(), shown) {
            (Some(ours), Some(shown)) if (&ours.name, &ours.message) != (&shown.name, &shown.message) => shown,
            (Some(ours), _) => ours.clone(),
            (None, Some(shown)) => shown,
            (None, None) => Failure::from_text("Workflow failed"),
        }
    }
}

/// What is kept beside entries, by their ids.
type Beside<'a> = FxHashMap<&'a str, Vec<Record>>;

/// The unit of one entry, with all that belongs to it.
fn of_entry(entries: &mut FxHashMap<String, StoredEntry>, number: u64, id: &str, beside: &mut Beside<'_>) -> Unit {
    let mut unit = Unit { number, id: CommitId([0; 16]), at: 0, records: Vec::new() };
    let Some((id, StoredEntry { entry, metadata, .. })) = entries.remove_entry(id) else { return unit };
    unit.records = Vec::with_capacity(2);
    unit.records.push(Record::Entry(entry));
    // What took it off the stack is gone; that it has been undone is in its metadata, which every engine reads.
    let undone = metadata.as_ref().is_some_and(|metadata| metadata.rollback_completed_at_ms.is_some());
    let is_past = |record: &Record| undone && matches!(record, Record::Pushed { .. } | Record::UndoFailed { .. });
    let kept = beside.remove(&*id).unwrap_or_default();
    if let Some(metadata) = metadata {
        unit.at = i64::try_from(metadata.created_at_ms).unwrap_or_default();
        unit.records.push(Record::Metadata { entry_id: id, metadata });
    }
    unit.records.extend(kept.into_iter().filter(|record| !is_past(record)));
    unit
}

/// The id of the change that holds what has outlived its own.
const CREATION: CommitId = CommitId([0; 16]);

/// Numbers the changes from 1; those in doubt as the core knows them, after as many empty ones as that takes.
fn number(units: Vec<Unit>, in_doubt: &BTreeMap<u64, u64>) -> Vec<(u64, ChangeRecord)> {
    let mut changes: Vec<(u64, ChangeRecord)> = Vec::with_capacity(units.len());
    for Unit { number, id, at, records } in units {
        let wanted = in_doubt.get(&number).copied().unwrap_or(0);
        while (changes.len() as u64) + 1 < wanted {
            changes.push((changes.len() as u64 + 1, ChangeRecord { id: CREATION, at: 0, records: Vec::new() }));
        }
        changes.push((changes.len() as u64 + 1, ChangeRecord { id, at, records }));
    }
    changes
}
