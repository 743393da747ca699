//! From a batch of changes to the calls that make it durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use pawl_core::codec::CodecError;
use pawl_core::codec::change::{self, Ending, Record};
use pawl_core::codec::message::read_message;
use pawl_core::ids::CommitId;
use pawl_core::inbox::{MessageKey, host_id};
use pawl_core::key;
use pawl_store::{Batch, Change, Code, Status, StoreError};

use crate::alarm::{self, Alarm};
use crate::error;
use crate::failure;
use crate::kept::{Kept, entry_hash};
use crate::keys;
use crate::names::put_sums;
use crate::rows::{Ack, Base, ChangeRow, Sent, status_byte};
use crate::split::{Class, Pile};
use crate::sweep::{self, Drop};
use crate::translate::{
    add_message, answers, complete_message, entry_ids, keep_row, message_id, put_base, put_row, rest, uncounted, word,
    written_input,
};
use crate::work::{Call, Limits};

/// How many dead rows of changes are gathered before they are deleted.
const DEAD_ROWS: usize = 8;
/// Room for the row of the state word, beside the head.
const WORD_BYTES: usize = 32;

/// What is to be done for a commit.
#[derive(Debug, Default)]
pub struct Plan {
    pub calls: Vec<Call>,
    pub after: Vec<(Cause, Call)>,
    /// How many of the calls each make something durable that a reader sees.
    pub commits: usize,
    /// The number of each change's row by the change's seq.
    pub numbers: Vec<(u64, u64)>,
}

/// The driver's ids of messages that this opening has sent, by the number and sender under which the core knows them.
pub type SentIds = BTreeMap<(u64, Arc<str>), String>;

/// How many messages the inbox holds at most: of older ones the core knows no more.
const SENT_IDS: usize = 10_000;

/// Why a call is made after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The change whose row has this number asked for it.
    Change(u64),
    Alarm,
    /// Nobody will miss it.
    Cleaning,
}

/// Plans a commit and takes it up. After an error what is kept is to be read anew.
pub fn plan(kept: &mut Kept, sent: &mut SentIds, batch: &Batch, limits: Limits) -> Result<Plan, StoreError> {
    let read = |change: &Change| change::read(change.seq, &change.body).map_err(|error| unreadable(batch, &error));
    let mut changes = Vec::with_capacity(batch.changes.len());
    for change in &batch.changes {
        changes.push((change, read(change)?));
    }
    let stored_alarm = kept.head.alarm;
    let mut planner = Planner {
        kept,
        sent,
        batch,
        limits,
        pile: Pile::default(),
        drops: Vec::new(),
        plan: Plan::default(),
        stored_alarm,
        now: i64::MIN,
        answering: Vec::new(),
    };
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
    /// What the change before these needs.
    stored_alarm: Option<i64>,
    /// When the newest of them was made.
    now: i64,
    /// The rows of those of these changes that answer messages.
    answering: Vec<u64>,
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
        let told = alarm::wanted(last.status, last.alarm).is_none_or(|wanted| self.kept.alarm == Some(wanted));
        same && told && self.kept.unlisted.is_empty() && changes.iter().all(empty)
    }

    /// Takes the entries of another engine into the order, once.
    fn adopt(&mut self) {
        if self.kept.unlisted.is_empty() {
            return;
        }
        let entry_ids = std::mem::take(&mut self.kept.unlisted);
        let number = self.next_number();
        let id = CommitId([0; 16]);
        let (rest, sends, acks) = (Vec::new(), Vec::new(), Vec::new());
        let row = ChangeRow { id, at: 0, adopted: true, entry_ids, rest, sends, acks };
        let mut pile = Pile::default();
        let holder = put_row(&mut pile, self.kept, number, &row);
        self.pile.append(pile);
        keep_row(self.kept, number, holder);
        row.entry_ids.iter().for_each(|id| self.kept.list(id, number));
    }

    fn change(&mut self, change: &Change, record: change::ChangeRecord) -> Result<(), StoreError> {
        let number = self.kept.head.seq + 1;
        self.now = record.at;
        let names = self.register_names(&record.records)?;
        let mut pile = Pile::default();
        if let Some((first, _)) = names.first() {
            put_sums(&mut pile, &self.kept.names, *first as usize);
        }
        names.into_iter().for_each(|(index, name)| pile.put(Class::Name, key::name(index), name.into()));
        let mut row = ChangeRow {
            id: record.id,
            at: record.at,
            adopted: false,
            entry_ids: entry_ids(&record.records),
            rest: rest(&record.records),
            sends: self.sends(change, record.id)?,
            acks: Vec::new(),
        };
        let answers = answers(&record.records);
        let ack = |(sender, seq): &(Arc<str>, u64)| {
            let of_host = || host_id(sender).unwrap_or(sender).to_owned();
            let id = self.sent.remove(&(*seq, sender.clone())).unwrap_or_else(of_host);
            let response = answers.get(&*id).and_then(|reply| (*reply).clone());
            Ack { id, response }
        };
        row.acks = change.take.iter().map(ack).collect();
        self.put_rows(&mut pile, &record.records);
        let bases = self.put_bases(&mut pile, number, &record.records);
        let holder = put_row(&mut pile, self.kept, number, &row);
        if !self.pile.is_empty() && !self.has_room_for(&pile, bases.len()) {
            self.close()?;
        }
        self.pile.append(pile);
        self.next_number();
        self.plan.numbers.push((change.seq, number));
        keep_row(self.kept, number, holder);
        self.take_up(number, &row, record.records, bases);
        let head = &mut self.kept.head;
        (head.status, head.state_version) = (status_byte(change.status), change.state_version);
        if let Some(wanted) = alarm::wanted(change.status, change.alarm) {
            (head.alarm, head.alarm_due) = (wanted, true);
        }
        if let Some(word) = word(change.status).filter(|word| self.kept.word.as_deref() != Some(word)) {
            self.kept.word = Some(word.to_owned());
            self.pile.put(Class::Run, key::STATE, word.into());
        }
        Ok(())
    }

    /// Whether a change with so many new bases fits the batch that is being gathered, beside the head and the state word.
    fn has_room_for(&self, pile: &Pile, bases: usize) -> bool {
        let head = self.kept.written_head().encode().len() + 64 * (1 + bases) + WORD_BYTES;
        self.pile.has_room_for(pile, head, self.limits)
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

    fn sends(&mut self, change: &Change, commit: CommitId) -> Result<Vec<Sent>, StoreError> {
        let mut sends = Vec::with_capacity(change.put.len());
        for (index, put) in change.put.iter().enumerate() {
            if *put.receiver != *self.batch.actor.name {
                return Err(error::other_actor(&self.batch.actor, &put.receiver));
            }
            let key = MessageKey { sender: put.row.sender.to_string(), sender_seq: put.row.sender_seq };
            let message = read_message(key, &put.row.body).map_err(|error| unreadable(self.batch, &error))?;
            let id = message_id(commit, index);
            self.sent.insert((put.row.sender_seq, put.row.sender.clone()), id.clone());
            if self.sent.len() > SENT_IDS {
                self.sent.pop_first();
            }
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
                Record::HostRow { key, value } => pile.put(Class::Run, key.clone(), value.clone()),
                Record::Completed { output: Some(output) } => pile.put(Class::Run, key::OUTPUT, output.clone()),
                Record::Failed(failure) | Record::RollingBack(Ending::Failed(failure)) => {
                    pile.put(Class::Run, key::ERROR, failure::encode(failure));
                }
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
            self.plan
                .after
                .extend(before.and_then(|before| sweep::delete_chunks(&before)).map(|call| (Cause::Cleaning, call)));
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
                Record::Recovered { .. } => {
                    // It has not ended any more. Nobody reads these rows then; they go for those who look.
                    let ends = [key::ERROR, key::OUTPUT].map(|key| (Cause::Cleaning, Call::Delete { key }));
                    self.plan.after.extend(ends);
                }
                _ => {}
            }
            self.kept.put_record(number, &record);
        }
        if !row.sends.is_empty() || !row.acks.is_empty() {
            self.kept.pend(number);
        }
        if row.acks.iter().any(|ack| ack.response.is_some()) {
            self.answering.push(number);
        }
        let add = |sent: &Sent| add_message(sent);
        let acks = row.acks.iter().map(complete_message);
        let calls = row.sends.iter().map(add).chain(acks);
        self.plan.after.extend(calls.map(|call| (Cause::Change(number), call)));
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
        let (before, after) = self.alarm(last);
        let is_due = after.is_some() && !self.limits.together;
        (self.kept.head.alarm, self.kept.head.alarm_due) = (self.kept.alarm.flatten(), is_due);
        if self.limits.together {
            self.settle_with_the_last();
        }
        self.close()?;
        self.plan.calls.splice(..0, before);
        let deletions = sweep::deletions(self.kept, std::mem::take(&mut self.drops));
        self.plan.after.splice(..0, deletions);
        self.plan.after.extend(after.map(|call| (Cause::Alarm, call)));
        self.sweep();
        Ok(self.plan)
    }

    /// What the changes ask for is done by the batch that comes now: no opening has to repeat it.
    fn settle_with_the_last(&mut self) {
        for (_, number) in &self.plan.numbers {
            if !self.answering.contains(number) {
                self.kept.settle(*number);
            }
        }
    }

    /// The calls that let the driver wake the run no later than what is stored needs, and then set the time right.
    fn alarm(&mut self, last: &Change) -> (Option<Call>, Option<Call>) {
        let Some(wanted) = alarm::wanted(last.status, last.alarm) else { return (None, None) };
        let earlier = self.batch.changes.iter().filter_map(|change| alarm::wanted(change.status, change.alarm)?);
        let between = earlier.min().filter(|_| self.plan.commits > 0);
        let told = self.kept.alarm.replace(wanted);
        let (stored, now) = (self.stored_alarm, self.now);
        Alarm { told, stored, wanted, between, now, completes: last.status == Status::Completed }.calls()
    }

    fn sweep(&mut self) {
        let Some((_, first)) = self.plan.numbers.first() else { return };
        let dead = self.kept.take_dead(*first, DEAD_ROWS);
        self.plan.after.extend(sweep::dead_rows(&dead).into_iter().map(|call| (Cause::Cleaning, call)));
    }
}

fn unreadable(batch: &Batch, error: &CodecError) -> StoreError {
    let message = format!("a batch of {} was refused: {error}", batch.actor);
    StoreError { code: Code::BadArgument, message, retryable: false, data: Vec::new() }
}
