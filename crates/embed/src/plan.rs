//! From a batch of changes to the calls that make it durable.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use pawl_core::codec::change::{self, Record};
use pawl_core::codec::record::{Entry, EntryKind};
use pawl_core::inbox::MessageKey;
use pawl_core::key::{self, Location, Segment};
use pawl_store::{Batch, Change, Code, Status, StoreError};

use crate::error;
use crate::failure;
use crate::kept::{Kept, covers, entry_hash};
use crate::keys;
use crate::life::{Life, life};
use crate::rows::{self, Base, ChangeRow, Sent, status_byte};
use crate::split::{Class, Pile};
use crate::work::{Call, Limits};

/// How many dead rows of Pawl's own are gathered before they are deleted.
const DEAD_ROWS: usize = 64;
/// A run of dead rows of this length is deleted as one range.
const DEAD_RANGE: usize = 8;
/// Room for the row of the state word, beside the head.
const WORD_BYTES: usize = 32;

/// What is to be done for a commit.
#[derive(Debug, Default)]
pub struct Plan {
    pub calls: Vec<Call>,
    /// Each with the change that asked for it; none for what is only cleaning up.
    pub after: Vec<(Option<u64>, Call)>,
    /// How many of the calls each make something durable that a reader sees.
    pub commits: usize,
    /// The number of each change's row by the change's seq.
    pub numbers: Vec<(u64, u64)>,
}

/// Messages that this opening has sent, by the key under which the core knows them: the driver's ids.
pub type SentIds = HashMap<(Arc<str>, u64), String>;

/// Plans a commit and takes it up. After an error what is kept is to be read anew.
pub fn plan(kept: &mut Kept, sent: &mut SentIds, batch: &Batch, limits: Limits) -> Result<Plan, StoreError> {
    let read = |change: &Change| change::read(change.seq, &change.body).map_err(|error| unreadable(batch, &error));
    let mut changes = Vec::with_capacity(batch.changes.len());
    for change in &batch.changes {
        changes.push((change, read(change)?));
    }
    let mut planner =
        Planner { kept, sent, batch, limits, pile: Pile::default(), drops: Vec::new(), plan: Plan::default() };
    if planner.only_creates(&changes) || planner.only_stands(&changes) {
        return Ok(planner.plan);
    }
    planner.adopt();
    for (change, record) in changes {
        planner.change(change, record)?;
    }
    planner.finish()
}

struct Planner<'a> {
    kept: &'a mut Kept,
    sent: &'a mut SentIds,
    batch: &'a Batch,
    limits: Limits,
    /// The rows of the changes that the next driver batch has.
    pile: Pile,
    drops: Vec<Drop>,
    plan: Plan,
}

/// What a change dropped.
struct Drop {
    number: u64,
    location: Location,
    iterations: Option<(u32, u32)>,
    entry_ids: Vec<String>,
    /// Where the entries were.
    stale: Vec<Location>,
}

impl Planner<'_> {
    /// A run that was only created leaves its input, as in the other engine; the rest follows with the first batch.
    fn only_creates(&mut self, changes: &[(&Change, change::ChangeRecord)]) -> bool {
        let [(change, record)] = changes else { return false };
        let [Record::Created { incarnation: 1, workflow: true, input }] = &record.records[..] else { return false };
        if self.kept.exists || !change.put.is_empty() || !change.take.is_empty() {
            return false;
        }
        (self.kept.exists, self.kept.head.incarnation, self.kept.head.workflow) = (true, 1, true);
        self.plan.calls.push(Call::Set { key: key::INPUT, value: written_input(input.as_ref()) });
        self.plan.commits = 1;
        true
    }

    /// Changes that write nothing, and of which neither the rows nor the driver's alarm would say anything new.
    fn only_stands(&self, changes: &[(&Change, change::ChangeRecord)]) -> bool {
        let Some((last, _)) = changes.last() else { return true };
        let empty = |(change, record): &(&Change, change::ChangeRecord)| {
            record.records.is_empty() && change.put.is_empty() && change.take.is_empty()
        };
        let same = status_byte(last.status) == self.kept.head.status
            && word(last.status).is_none_or(|word| self.kept.word.as_deref() == Some(word));
        let told = wanted_alarm(last.status, last.alarm).is_none_or(|wanted| self.kept.alarm == Some(wanted));
        same && told && self.kept.unlisted.is_empty() && changes.iter().all(empty)
    }

    /// Takes the entries of another engine into the order, once.
    fn adopt(&mut self) {
        if self.kept.unlisted.is_empty() {
            return;
        }
        let entry_ids = std::mem::take(&mut self.kept.unlisted);
        let number = self.next_number();
        let id = pawl_core::ids::CommitId([0; 16]);
        let (rest, sends, acks) = (Vec::new(), Vec::new(), Vec::new());
        let row = ChangeRow { id, at: 0, adopted: true, entry_ids, rest, sends, acks };
        let mut pile = Pile::default();
        let parts = put_row(&mut pile, number, &row);
        self.pile.append(pile);
        self.kept.add_row(number, parts);
        row.entry_ids.iter().for_each(|id| self.kept.list(id, number));
    }

    fn change(&mut self, change: &Change, record: change::ChangeRecord) -> Result<(), StoreError> {
        let number = self.kept.head.seq + 1;
        let names = self.register_names(&record.records)?;
        let mut pile = Pile::default();
        names.into_iter().for_each(|(index, name)| pile.put(Class::Name, key::name(index), name.into()));
        let mut row = ChangeRow {
            id: record.id,
            at: record.at,
            adopted: false,
            entry_ids: entry_ids(&record.records),
            rest: record.records.iter().filter(|record| life(record) != Life::Elsewhere).cloned().collect(),
            sends: self.sends(change, record.id)?,
            acks: Vec::new(),
        };
        row.acks =
            change.take.iter().map(|taken| self.sent.remove(taken).unwrap_or_else(|| taken.0.to_string())).collect();
        self.put_rows(&mut pile, &record.records);
        let bases = self.put_bases(&mut pile, number, &record.records);
        let parts = put_row(&mut pile, number, &row);
        let head = self.kept.written_head().encode().len() + 64 * (1 + bases.len()) + WORD_BYTES;
        if !self.pile.is_empty() && !self.pile.has_room_for(&pile, head, self.limits) {
            self.close()?;
        }
        self.pile.append(pile);
        self.next_number();
        self.plan.numbers.push((change.seq, number));
        self.kept.add_row(number, parts);
        self.take_up(number, &row, record.records, bases);
        let head = &mut self.kept.head;
        (head.status, head.state_version) = (status_byte(change.status), change.state_version);
        if let Some(wanted) = wanted_alarm(change.status, change.alarm) {
            (head.alarm, head.alarm_due) = (wanted, true);
        }
        if let Some(word) = word(change.status).filter(|word| self.kept.word.as_deref() != Some(word)) {
            self.kept.word = Some(word.to_owned());
            self.pile.put(Class::Run, key::STATE, Bytes::from_static(word.as_bytes()));
        }
        Ok(())
    }

    fn next_number(&mut self) -> u64 {
        self.kept.head.seq += 1;
        self.kept.head.seq
    }

    fn register_names(&mut self, records: &[Record]) -> Result<Vec<(u32, String)>, StoreError> {
        let mut names = Vec::new();
        for record in records {
            let Record::Name { index, name } = record else { continue };
            if *index as usize != self.kept.names.len() {
                let found = format!("name {index} ({name:?}) where {} comes next", self.kept.names.len());
                return Err(StoreError { code: Code::BadArgument, message: found, retryable: false, data: Vec::new() });
            }
            self.kept.names.push(name.clone());
            names.push((*index, name.clone()));
        }
        Ok(names)
    }

    fn sends(&mut self, change: &Change, commit: pawl_core::ids::CommitId) -> Result<Vec<Sent>, StoreError> {
        let mut sends = Vec::with_capacity(change.put.len());
        for (index, put) in change.put.iter().enumerate() {
            if *put.receiver != *self.batch.actor.name {
                return Err(error::other_actor(&self.batch.actor, &put.receiver));
            }
            let key = MessageKey { sender: put.row.sender.to_string(), sender_seq: put.row.sender_seq };
            let message = change::read_message(key, &put.row.body).map_err(|error| unreadable(self.batch, &error))?;
            let id = message_id(commit, index);
            self.sent.insert((put.row.sender.clone(), put.row.sender_seq), id.clone());
            sends.push(Sent { id, name: message.name, body: message.body, at: message.sent_at });
        }
        Ok(sends)
    }

    /// The rows that another engine sees.
    fn put_rows(&self, pile: &mut Pile, records: &[Record]) {
        let uncounted = uncounted(&self.kept.names, records);
        for record in records {
            match record {
                Record::Created { input, .. } => {
                    pile.put(Class::Run, key::INPUT, written_input(input.as_ref()));
                }
                Record::Entry(entry) => {
                    let class = if uncounted.contains(&&*entry.id) { Class::Uncounted } else { Class::Entry };
                    pile.put(class, key::history(&entry.location), entry.encode());
                }
                Record::Metadata { entry_id, metadata } => {
                    let class = if uncounted.contains(&&**entry_id) { Class::Uncounted } else { Class::Metadata };
                    pile.put(class, key::metadata(entry_id), metadata.encode());
                }
                Record::Completed { output: Some(output) } => pile.put(Class::Run, key::OUTPUT, output.clone()),
                Record::Failed(failure) => pile.put(Class::Run, key::ERROR, failure::encode(failure)),
                _ => {}
            }
        }
    }

    fn put_bases(&self, pile: &mut Pile, number: u64, records: &[Record]) -> Vec<Base> {
        let base = |record: &Record| match record {
            Record::Base { cell, value, version } => {
                let before = self.kept.cells.get(cell).and_then(|cell| cell.base.as_ref());
                Some(put_base(pile, before, cell, value, *version, number))
            }
            _ => None,
        };
        records.iter().filter_map(base).collect()
    }

    /// Takes up what the records say, in their order.
    fn take_up(&mut self, number: u64, row: &ChangeRow, records: Vec<Record>, bases: Vec<Base>) {
        for base in bases {
            let before = self.kept.put_base(base);
            self.plan.after.extend(before.and_then(|before| delete_chunks(&before)).map(|call| (None, call)));
        }
        for record in records {
            match &record {
                Record::Created { incarnation, workflow, .. } => {
                    self.kept.exists = true;
                    (self.kept.head.incarnation, self.kept.head.workflow) = (*incarnation, *workflow);
                }
                Record::Entry(entry) => {
                    let hash = entry_hash(&entry.id, &entry.encode());
                    self.kept.put_entry(&entry.id, &entry.location, number, hash);
                    self.kept.unpark();
                }
                Record::Dropped { location, iterations, entry_ids } => {
                    let stale = self.kept.drop_at(location, *iterations);
                    let (location, iterations) = (location.clone(), *iterations);
                    self.drops.push(Drop { number, location, iterations, entry_ids: entry_ids.clone(), stale });
                }
                _ => {}
            }
            self.kept.put_record(number, &record);
        }
        if !row.sends.is_empty() || !row.acks.is_empty() {
            self.kept.pend(number);
        }
        let add = |sent: &Sent| add_message(sent);
        let acks = row.acks.iter().map(|id| Call::CompleteMessage { id: id.clone(), response: None });
        let calls = row.sends.iter().map(add).chain(acks);
        self.plan.after.extend(calls.map(|call| (Some(number), call)));
    }

    /// Ends the driver batch that is being gathered.
    fn close(&mut self) -> Result<(), StoreError> {
        self.pile.put(Class::Own, keys::head(), self.kept.written_head().encode());
        let batches = std::mem::take(&mut self.pile).into_batches(self.limits);
        let batches =
            batches.map_err(|large| error::too_large(&self.batch.actor, large.what, large.found, large.limit))?;
        self.plan.calls.extend(batches);
        self.plan.commits += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Plan, StoreError> {
        let Some(last) = self.batch.changes.last() else { return Ok(self.plan) };
        let now = change::read(last.seq, &last.body).map_or(i64::MIN, |record| record.at);
        let told = self.kept.alarm.flatten().filter(|told| *told > now);
        let (mut before, mut after) = self.alarm(last.status, last.alarm, now);
        if let Some(earliest) = self.earliest_between() {
            let earliest = told.map_or(earliest, |told| earliest.min(told));
            let exact = self.kept.alarm.flatten().map_or(Call::ClearAlarm, |at| Call::SetAlarm { at });
            (before, after) = (Some(Call::SetAlarm { at: earliest }), Some(exact));
        }
        (self.kept.head.alarm, self.kept.head.alarm_due) = (self.kept.alarm.flatten(), after.is_some());
        self.close()?;
        self.plan.calls.splice(..0, before);
        let deletions = self.deletions();
        self.plan.after.splice(..0, deletions);
        self.plan.after.extend(after.map(|call| (None, call)));
        self.sweep();
        Ok(self.plan)
    }

    /// The call that lets the driver wake the run no later than before, and the one that sets the time right.
    fn alarm(&mut self, status: Status, alarm: Option<i64>, now: i64) -> (Option<Call>, Option<Call>) {
        let Some(wanted) = wanted_alarm(status, alarm) else { return (None, None) };
        let told = self.kept.alarm.replace(wanted);
        let set = wanted.map(|at| Call::SetAlarm { at });
        match (told, wanted) {
            (Some(told), wanted) if told == wanted && status != Status::Completed => (None, None),
            (_, None) => (None, Some(Call::ClearAlarm)),
            (Some(Some(old)), Some(new)) if old > now && old < new => (None, set),
            _ => (set, None),
        }
    }

    /// If the changes are written one after another: the alarm that one before the last needs, if that is earlier.
    fn earliest_between(&self) -> Option<i64> {
        let wanted = |change: &Change| wanted_alarm(change.status, change.alarm).flatten();
        let earliest = self.batch.changes.iter().filter_map(wanted).min()?;
        let last = self.kept.alarm.flatten();
        (self.plan.commits > 0 && last.is_none_or(|last| earliest < last)).then_some(earliest)
    }

    /// The calls that take away what was dropped. A place that is used again is not swept with its surroundings.
    fn deletions(&mut self) -> Vec<(Option<u64>, Call)> {
        let mut calls = Vec::new();
        for drop in std::mem::take(&mut self.drops) {
            let number = Some(drop.number);
            if self.kept.covered(&drop.location, drop.iterations).is_empty() {
                calls.extend(delete_dropped(&drop.location, drop.iterations).map(|call| (number, call)));
            } else {
                let gone = drop.stale.iter().filter(|location| !self.kept.has(location));
                calls.extend(gone.map(|location| (number, Call::Delete { key: key::history(location) })));
            }
            let metadata = drop.entry_ids.iter().filter(|id| self.kept.change_of(id).is_none());
            calls.extend(metadata.map(|id| (number, Call::Delete { key: key::metadata(id) })));
        }
        calls
    }

    fn sweep(&mut self) {
        let Some((_, first)) = self.plan.numbers.first() else { return };
        let dead = self.kept.take_dead(*first, DEAD_ROWS);
        self.plan.after.extend(sweep(&dead).into_iter().map(|call| (None, call)));
    }
}

/// When the driver is to wake a run; the outer `None`: what runs, and what has no run, leaves the alarm alone.
fn wanted_alarm(status: Status, alarm: Option<i64>) -> Option<Option<i64>> {
    match status {
        Status::None | Status::Running | Status::RollingBack => None,
        Status::Waiting | Status::Parked => Some(alarm),
        Status::Completed | Status::Failed | Status::Cancelled | Status::Quarantined => Some(None),
    }
}

/// Deletes dead change rows, each given with the number of its parts.
pub fn sweep(dead: &[(u64, u64)]) -> Vec<Call> {
    let mut calls = Vec::new();
    for run in dead.chunk_by(|a, b| a.0 + 1 == b.0) {
        if run.len() >= DEAD_RANGE {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            calls.push(Call::DeleteRange { start: keys::change(first), end: keys::change(last + 1) });
        } else {
            calls.extend(run.iter().map(|(number, _)| Call::Delete { key: keys::change(*number) }));
        }
        for (number, parts) in run.iter().filter(|(_, parts)| *parts > 0) {
            calls.push(Call::DeleteRange { start: keys::part(*number, 0), end: keys::part(*number, *parts) });
        }
    }
    calls
}

/// Puts the rows of a change; returns how many parts it has.
pub fn put_row(pile: &mut Pile, number: u64, row: &ChangeRow) -> u64 {
    let mut rows = row.encode(number);
    let own = rows.pop();
    let parts = rows.len() as u64;
    rows.into_iter().for_each(|(key, value)| pile.put(Class::Piece, key, value));
    own.into_iter().for_each(|(key, value)| pile.put(Class::Own, key, value));
    parts
}

/// Puts a cell's value, in chunks after those of the base before.
pub fn put_base(pile: &mut Pile, before: Option<&Base>, cell: &str, value: &Bytes, version: u32, as_of: u64) -> Base {
    let first = before.map_or(0, |base| base.first + base.chunks);
    let chunks = rows::pieces(value, first, |index| keys::chunk(cell, index));
    let base =
        Base { cell: cell.to_owned(), version, first, chunks: chunks.len() as u64, length: value.len() as u64, as_of };
    chunks.into_iter().for_each(|(key, chunk)| pile.put(Class::Piece, key, chunk));
    base
}

/// Deletes the chunks of a base that another one has replaced.
pub fn delete_chunks(base: &Base) -> Option<Call> {
    let (start, end) = (keys::chunk(&base.cell, base.first), keys::chunk(&base.cell, base.first + base.chunks));
    (base.chunks > 0).then_some(Call::DeleteRange { start, end })
}

pub fn add_message(sent: &Sent) -> Call {
    Call::AddMessage { id: sent.id.clone(), name: sent.name.clone(), body: sent.body.clone(), sent_at: sent.at }
}

/// The word of the state row, for a status that other engines know.
pub fn word(status: Status) -> Option<&'static str> {
    match status {
        Status::Running => Some("running"),
        Status::Waiting => Some("sleeping"),
        Status::RollingBack => Some("rolling_back"),
        Status::Completed => Some("completed"),
        Status::Failed => Some("failed"),
        Status::Cancelled => Some("cancelled"),
        Status::None | Status::Parked | Status::Quarantined => None,
    }
}

/// The name that a message row counts under (`w` of `w:3`) and its number; none for other rows.
pub fn counted_as(name: &str) -> Option<(&str, u64)> {
    let (wait, number) = name.rsplit_once(':')?;
    Some((wait, number.parse().ok()?))
}

/// The ids of message rows that only a count row of the same change lets anyone find.
fn uncounted<'a>(names: &[String], records: &'a [Record]) -> Vec<&'a str> {
    let name_of = |entry: &Entry| match entry.location.last() {
        Some(Segment::Name(index)) => names.get(index as usize).map(String::as_str),
        _ => None,
    };
    let entries = records.iter().filter_map(|record| match record {
        Record::Entry(entry) if matches!(entry.kind, EntryKind::Message { .. }) => Some(entry),
        _ => None,
    });
    let messages: Vec<(&Entry, &str)> = entries.filter_map(|entry| Some((entry, name_of(entry)?))).collect();
    let counted = |entry: &Entry, wait: &str| {
        messages.iter().any(|(other, name)| {
            name.strip_suffix(":count") == Some(wait) && other.location.parent() == entry.location.parent()
        })
    };
    let is_uncounted = |(entry, name): &&(&Entry, &str)| counted_as(name).is_some_and(|(wait, _)| counted(entry, wait));
    messages.iter().filter(is_uncounted).map(|(entry, _)| &*entry.id).collect()
}

/// Each entry that was written and is still there, once, in the order in which each was written last.
fn entry_ids(records: &[Record]) -> Vec<String> {
    let mut entries: Vec<&Entry> = Vec::new();
    for record in records {
        match record {
            Record::Entry(entry) => {
                entries.retain(|other| other.id != entry.id);
                entries.push(entry);
            }
            Record::Dropped { location, iterations, .. } => {
                entries.retain(|entry| !covers(location, *iterations, &entry.location));
            }
            _ => {}
        }
    }
    entries.into_iter().map(|entry| entry.id.clone()).collect()
}

fn delete_dropped(location: &Location, iterations: Option<(u32, u32)>) -> Option<Call> {
    match (iterations, location.last()) {
        (None, _) => Some(Call::DeletePrefix { prefix: key::history(location) }),
        (Some((from, to)), Some(Segment::Name(name))) => {
            let (start, end) = key::iterations(location, name, from, to);
            Some(Call::DeleteRange { start, end })
        }
        (Some(_), _) => None,
    }
}

fn written_input(input: Option<&Bytes>) -> Bytes {
    input.cloned().unwrap_or(Bytes::from_static(pawl_core::codec::cbor::UNDEFINED))
}

/// The same id whenever a message is added again: the commit that sent it and its place there, in the form of a UUID.
fn message_id(commit: pawl_core::ids::CommitId, index: usize) -> String {
    let mut bytes = commit.0;
    for (byte, part) in bytes[12..].iter_mut().zip((index as u32).to_be_bytes()) {
        *byte ^= part;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = keys::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn unreadable(batch: &Batch, error: &pawl_core::codec::CodecError) -> StoreError {
    let message = format!("a batch of {} was refused: {error}", batch.actor);
    StoreError { code: Code::BadArgument, message, retryable: false, data: Vec::new() }
}
