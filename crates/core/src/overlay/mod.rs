//! The overlay: everything of an actor that is not yet durable, in one place.
//!
//! Owns the cells, the inbox, the numbers of the queued and the durable change, and what waits to leave until a change is
//! durable. Values are those of the newest *queued* change; what was let in but not yet synced is told apart by numbers
//! alone, so there are no dirty flags to forget. Knows no machines.
//! One law: whatever rests on change n leaves after n is durable.

mod lifetime;
mod turns;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::codec::change::{ChangeWriter, Record};
use crate::ids::Ids;
use crate::inbox::{Inbox, Message, MessageKey, Purpose, SELF};
use crate::input::{Answer, CellWrites, Send, Time, Writes};
use crate::limits::{Lifetimes, Limits};
use crate::output::{Attempt, Change, Output, Put, Status, Verdict};
use crate::state::{Cell, Delta, StateError, Verdict as CellVerdict};
use turns::Turns;
pub use turns::{Held, MAX_CONFLICTS};

/// Where a run stands when a change is made: what the change's row says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub status: Status,
    pub alarm: Option<Time>,
}

/// Something that waits for a change to be durable.
#[derive(Debug)]
pub enum Gated {
    /// An output that may leave then.
    Leave(Box<Output>),
    /// An operation whose outcome is a fact then.
    Fact(crate::input::OpId),
    /// The run's end is a fact then.
    End,
}

/// A change that is being put together.
pub struct Writing {
    pub writer: ChangeWriter,
    seq: u64,
    id: crate::ids::CommitId,
    put: Vec<Put>,
    take: Vec<MessageKey>,
    pub answers: Vec<Answer>,
    /// Whether nobody waits for it.
    pub lazy: bool,
}

impl Writing {
    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub fn take(&mut self, key: MessageKey) {
        self.writer.took(&key);
        self.take.push(key);
    }
}

/// What became of an attempt's writes.
pub enum Settled {
    /// They are applied and belong to the change to come.
    Passed,
    Conflict {
        path: String,
        alone: bool,
    },
    /// Another attempt runs alone: to be settled again after it.
    Hold,
}

pub struct Overlay {
    pub now: Time,
    /// How far the adapter's clock has fallen behind that: the actor's own time never goes back.
    lag: Time,
    pub ids: Ids,
    pub inbox: Inbox,
    pub outputs: VecDeque<Output>,
    /// Whether an embedding host keeps the inbox: what is sent comes back through it.
    pub hosted: bool,
    pub limits: Limits,
    pub lifetimes: Lifetimes,
    /// Whether it was destroyed, and not made again.
    pub is_destroyed: bool,
    /// What the numbers of messages are ahead of the numbers of changes: those of an actor of this name that the store has forgotten
    /// are not given again.
    pub ahead: u64,
    cells: BTreeMap<String, Cell>,
    state_version: u32,
    queued: u64,
    durable: u64,
    /// The newest change that somebody waits for: what came after it is written with the next.
    eager: u64,
    /// By the change that each waits for; those of one change in the order in which they came.
    gate: VecDeque<(u64, Gated)>,
    turns: Turns,
    /// What the newest change says of the run.
    standing: Standing,
    /// When what the actor does beside its run goes on; 0: at once.
    pub errands: Option<Time>,
    /// The time of the newest change or message.
    newest: Time,
}

impl Overlay {
    pub fn new(ids: Ids) -> Overlay {
        Overlay {
            now: 0,
            lag: 0,
            ids,
            inbox: Inbox::default(),
            outputs: VecDeque::new(),
            hosted: false,
            limits: Limits::default(),
            lifetimes: Lifetimes::default(),
            is_destroyed: false,
            ahead: 0,
            cells: BTreeMap::new(),
            state_version: 0,
            queued: 0,
            durable: 0,
            eager: 0,
            gate: VecDeque::new(),
            turns: Turns::default(),
            standing: Standing::default(),
            errands: None,
            newest: 0,
        }
    }

    /// It is this time by the adapter's clock.
    pub fn tell_time(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.lag = self.now - now;
    }

    /// A time of the adapter's clock, not long ago, in the actor's own.
    pub fn by_own_clock(&self, at: Time) -> Time {
        at.saturating_add(self.lag).min(self.now)
    }

    /// The number of the newest queued change.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    pub fn durable(&self) -> u64 {
        self.durable
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    pub fn state_version(&self) -> u32 {
        self.state_version
    }

    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.get(name)
    }

    /// Whether no attempt holds others, or is held.
    pub fn rests(&self) -> bool {
        self.turns.rests()
    }

    /// The time of the newest change or message.
    pub fn newest(&self) -> Time {
        self.newest
    }

    pub fn cells(&self) -> impl Iterator<Item = (&str, &Cell)> {
        self.cells.iter().map(|(name, cell)| (&**name, cell))
    }

    fn cell_mut(&mut self, name: &str) -> Option<&mut Cell> {
        self.cells.get_mut(name)
    }

    /// Gives a cell a value as of change `seq`, whatever it was before.
    pub fn set_cell(&mut self, name: &str, value: Bytes, seq: u64, version: u32) -> Result<(), StateError> {
        let cell = Cell::new(value, seq)?.with_limit(self.limits.state_bytes);
        self.state_version = version;
        match self.cell_mut(name) {
            Some(old) => *old = cell,
            None => drop(self.cells.insert(name.to_owned(), cell)),
        }
        Ok(())
    }

    /// From now on these hold, for the cells that are there, too.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        for cell in self.cells.values_mut() {
            cell.set_limit(limits.state_bytes);
        }
    }

    /// The actor is no more, and neither are they.
    pub fn forget_cells(&mut self) {
        self.cells.clear();
        self.state_version = 0;
    }

    /// Takes up a delta of a change that is durable already.
    pub fn load_delta(&mut self, name: &str, delta: &Delta, seq: u64) -> Result<bool, StateError> {
        let Some(cell) = self.cell_mut(name) else { return Ok(false) };
        if delta.ends() {
            self.cells.remove(name);
            return Ok(true);
        }
        cell.apply(seq, delta)?;
        cell.keep_from(None);
        Ok(true)
    }

    /// Takes up the number of the newest change in the store, and what its row says.
    pub fn load(&mut self, seq: u64, standing: Standing) {
        (self.queued, self.durable, self.eager, self.standing) = (seq, seq, seq, standing);
    }

    pub fn keep_from(&mut self, oldest_pin: Option<u64>) {
        self.cells.values_mut().for_each(|cell| cell.keep_from(oldest_pin));
    }

    /// Starts the change that comes after all that are queued. It must be committed.
    pub fn begin(&mut self) -> Writing {
        let id = self.ids.commit();
        let writer = ChangeWriter::new(id, self.now);
        Writing {
            writer,
            seq: self.queued + 1,
            id,
            put: Vec::new(),
            take: Vec::new(),
            answers: Vec::new(),
            lazy: false,
        }
    }

    /// Judges what an attempt wrote, and applies it if it passes; then a change must follow at once.
    pub fn settle(&mut self, attempt: Attempt, writes: &Writes) -> Result<Settled, StateError> {
        let wrote = writes.cells.iter().any(|cell| cell.delta.is_some());
        if !wrote {
            self.turns.done(attempt);
            return Ok(Settled::Passed);
        }
        if self.turns.must_wait(attempt) {
            return Ok(Settled::Hold);
        }
        let only_read = Delta::default();
        for touched in &writes.cells {
            let Some(cell) = self.cell(&touched.cell) else {
                // Another attempt has ended it.
                let path = format!("cell {}", touched.cell);
                return Ok(Settled::Conflict { path, alone: self.turns.conflicted(attempt) });
            };
            // A cell that was only read decides, too: what was written elsewhere may rest on it.
            let delta = touched.delta.as_ref().unwrap_or(&only_read);
            let verdict = cell.check(touched.pin, Some(delta), touched.reads.as_ref());
            if let CellVerdict::Conflict { path, .. } = verdict {
                return Ok(Settled::Conflict { path, alone: self.turns.conflicted(attempt) });
            }
        }
        self.turns.done(attempt);
        self.apply(writes)?;
        Ok(Settled::Passed)
    }

    /// Applies every delta, or none. Cells that end go last.
    fn apply(&mut self, writes: &Writes) -> Result<(), StateError> {
        let seq = self.queued + 1;
        let mut applied: Vec<(&str, u64)> = Vec::new();
        for touched in &writes.cells {
            let (Some(delta), Some(cell)) = (&touched.delta, self.cell_mut(&touched.cell)) else { continue };
            if delta.ends() {
                continue;
            }
            let head = cell.head();
            if let Err(error) = cell.apply(seq, delta) {
                for (name, head) in applied {
                    if let Some(cell) = self.cell_mut(name) {
                        let limit = cell.limit();
                        *cell = Cell::new(cell.encode_at(head, None)?, head)?.with_limit(limit);
                    }
                }
                return Err(error);
            }
            applied.push((&touched.cell, head));
        }
        for touched in &writes.cells {
            if touched.delta.as_ref().is_some_and(Delta::ends) {
                self.cells.remove(&touched.cell);
            }
        }
        Ok(())
    }

    /// Notes that an attempt has ended without writing anything.
    pub fn gave_up(&mut self, attempt: Attempt) {
        self.turns.done(attempt);
    }

    /// An exclusive attempt is about to begin. False: not now; it is told when it is its turn, by [`Input::Alone`].
    ///
    /// [`Input::Alone`]: crate::input::Input::Alone
    pub fn claim(&mut self, attempt: Attempt) -> bool {
        self.turns.claim(attempt, self.now)
    }

    /// How many attempts had to run again since the actor was loaded.
    pub fn conflict_count(&self) -> u64 {
        self.turns.conflict_count()
    }

    /// What an attempt has read or written of a cell that another change has written since its pin, for people. It is not
    /// settled by this.
    pub fn overtaken(&self, touched: &CellWrites) -> Option<String> {
        let only_read = Delta::default();
        let delta = touched.delta.as_ref().unwrap_or(&only_read);
        match self.cell(&touched.cell)?.check(touched.pin, Some(delta), touched.reads.as_ref()) {
            CellVerdict::Conflict { path, .. } => Some(path),
            CellVerdict::Pass => None,
        }
    }

    /// The oldest pin of a cell whose attempt can still be told what it sees.
    pub fn floor(&self, cell: &str) -> Option<u64> {
        self.cell(cell).map(Cell::floor)
    }

    /// Keeps an input back until the attempt that runs alone has ended.
    pub fn hold(&mut self, held: Held) {
        self.turns.hold(held);
    }

    /// What need not be held any more, in the order in which it came.
    pub fn released_turn(&mut self) -> Option<Held> {
        self.turns.release()
    }

    /// Actions that have been held for too long.
    pub fn impatient(&mut self) -> Vec<Held> {
        self.turns.impatient(self.now)
    }

    /// When the next held action gives up.
    pub fn patience(&self) -> Option<Time> {
        self.turns.patience()
    }

    /// Adds what a passed attempt wrote to the change.
    pub fn write(&mut self, writing: &mut Writing, writes: Writes) {
        for touched in &writes.cells {
            if let Some(delta) = &touched.delta {
                writing.writer.delta(&touched.cell, &delta.encode());
            }
        }
        for (key, value) in writes.rows {
            writing.writer.record(&Record::HostRow { key, value });
        }
        for send in writes.sends {
            self.send(writing, SELF, send);
        }
        writing.answers.extend(writes.answer);
    }

    /// Sends a message as part of the change; `sender` is who puts it into the actor's own inbox. Returns its number, and its
    /// id there.
    pub fn send(&mut self, writing: &mut Writing, sender: &str, send: Send) -> (u64, String) {
        let Send { to: receiver, name, body, delay_ms, purpose } = send;
        let sender = match purpose {
            Purpose::Tick => MessageKey::sender_of_schedule(&name),
            _ if receiver.is_none() => sender.to_owned(),
            _ => String::new(),
        };
        let key = MessageKey { sender, sender_seq: (self.ahead + writing.seq) << 16 | writing.put.len() as u64 };
        self.sent_until(self.now);
        let sent_at = self.newest;
        let due_at = match purpose {
            Purpose::Tick => delay_ms,
            _ if delay_ms > 0 => self.now.saturating_add(delay_ms),
            _ => sent_at,
        };
        let message = Message { key, name, body, sent_at, due_at, purpose };
        let sent = (message.key.sender_seq, message.id());
        if receiver.is_none() && !self.hosted {
            self.inbox.put(message.clone());
        }
        writing.put.push(Put { receiver, message });
        sent
    }

    /// Messages have been sent up to this time: later ones are not older, whatever the clock says.
    pub fn sent_until(&mut self, at: Time) {
        self.newest = self.newest.max(at);
    }

    /// What the actor waits for beside its run: messages whose time has not come, and what it does by itself.
    fn own_alarm(&self) -> Option<Time> {
        self.inbox.next_due().into_iter().chain(self.errands).min()
    }

    /// Where the run stands, with what the actor waits for beside it.
    pub fn with_own_alarm(&self, standing: Standing) -> Standing {
        let others = self.own_alarm().into_iter().chain(self.over_at(standing));
        Standing { alarm: standing.alarm.into_iter().chain(others).min(), ..standing }
    }

    /// Puts messages back into the inbox that a change took: whoever took them has not used them.
    pub fn put_back(&mut self, writing: &mut Writing, messages: Vec<Message>) {
        writing.put.extend(messages.iter().map(|message| Put { receiver: None, message: message.clone() }));
        if !self.hosted {
            self.inbox.put_back(messages.into_iter());
        }
    }

    /// Queues the change; returns its number.
    pub fn commit(&mut self, writing: Writing, standing: Standing) -> u64 {
        let Writing { writer, seq, id, put, take, answers, lazy } = writing;
        if self.lifetime_ms(standing.status).is_some() {
            self.sent_until(self.now);
        }
        let standing = self.with_own_alarm(standing);
        (self.queued, self.standing) = (seq, standing);
        if !lazy {
            self.eager = seq;
        }
        self.outputs.push_back(Output::Commit(Change {
            seq,
            id,
            body: writer.finish(seq),
            put,
            take,
            answers,
            alarm: standing.alarm,
            status: standing.status,
            state_version: self.state_version,
            lazy,
        }));
        seq
    }

    pub fn verdict(&mut self, attempt: Attempt, verdict: Verdict) {
        self.outputs.push_back(Output::Verdict { attempt, verdict });
    }

    /// Keeps something back until change `seq` is durable.
    pub fn after(&mut self, seq: u64, gated: Gated) -> Option<Gated> {
        if seq <= self.durable {
            return Some(gated);
        }
        if seq > self.eager {
            self.hurry();
        }
        self.keep(seq, gated);
        None
    }

    fn keep(&mut self, seq: u64, gated: Gated) {
        let before = self.gate.iter().rposition(|(other, _)| *other <= seq);
        self.gate.insert(before.map_or(0, |at| at + 1), (seq, gated));
    }

    /// Somebody waits for what was to be written with the next change.
    pub fn hurry(&mut self) {
        if self.eager < self.queued {
            self.eager = self.queued;
            self.outputs.push_back(Output::Hurry);
        }
    }

    /// Keeps an output back until change `seq` is durable.
    pub fn leave_after(&mut self, seq: u64, output: Output) {
        if let Some(Gated::Leave(output)) = self.after(seq, Gated::Leave(Box::new(output))) {
            self.outputs.push_back(*output);
        }
    }

    /// The same for what nobody waits for: it hurries nothing.
    pub fn leave_whenever(&mut self, seq: u64, output: Output) {
        if seq <= self.durable {
            self.outputs.push_back(output);
        } else {
            self.keep(seq, Gated::Leave(Box::new(output)));
        }
    }

    /// Every change up to `seq` is durable.
    pub fn became_durable(&mut self, seq: u64) {
        self.durable = self.durable.max(seq);
    }

    /// The next of what may go on, in order: the change that it waited for is durable.
    pub fn released(&mut self) -> Option<Gated> {
        if self.gate.front()?.0 > self.durable {
            return None;
        }
        self.gate.pop_front().map(|(_, gated)| gated)
    }
}

/// The newest change that an attempt's answer may rest on.
pub fn newest_pin(writes: &Writes) -> u64 {
    writes.cells.iter().map(|cell| cell.pin).max().unwrap_or(0)
}
