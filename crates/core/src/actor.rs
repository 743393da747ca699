//! One loaded actor: its cells, its inbox and its run behind one door.

mod handlers;
mod lifetime;
mod orders;
mod schedules;

use bytes::Bytes;

use crate::answers::{Answer, Answers};
use crate::codec::change::Record;
use crate::codec::dealing::Dealing;
use crate::history::Listed;
use crate::ids::{CommitId, Ids};
use crate::inbox::{Message, MessageKey, OUTSIDE, Purpose};
use crate::input::{CallId, CellWrites, Create, Input, Keep, OpId, Outcome, Schedule, Send, Time, Writes};
use crate::keys::{Kept, Keys, Reply};
use crate::limits::Limits;
use crate::load::{Fold, Loaded, OpenError, state_head};
use crate::output::{Attempt, Output, Refusal, RunOutcome, Verdict};
use crate::overlay::{Gated, Held, Overlay, Standing, Writing, newest_pin};
use crate::run::{Judged, Phase, Run, Stored, settle_writes};
use crate::state::{Delta, StateError};

use handlers::Handlers;
pub use handlers::Trouble;
pub(crate) use handlers::{answer_to, trouble_record};
pub use lifetime::Over;
pub(crate) use orders::{destroyed, outcome_answer, run_ended};

/// The cell that holds an actor's state.
pub const STATE: &str = "state";

pub struct Actor {
    overlay: Overlay,
    run: Option<Run>,
    created: bool,
    incarnation: u64,
    last_commit: Option<(u64, CommitId)>,
    first_scope: u64,
    /// How many messages had come in when the waits were last told.
    arrived: u64,
    answers: Answers,
    keys: Keys,
    handlers: Handlers,
    /// What the adapter has declared.
    schedules: Vec<Schedule>,
    /// Whether the adapter has said what it has for the actor: before that, nothing is asked of it.
    is_ready: bool,
    /// The order to make the actor that the adapter has been told of.
    passed_on: Option<MessageKey>,
}

impl Actor {
    /// Opens an actor from what the store has of it; an empty `Loaded` is an actor that does not exist yet. `seed` is
    /// for ids; the scopes of its run are numbered from `first_scope`, which no other actor of the process may use.
    pub fn open(loaded: Loaded, seed: u64, first_scope: u64) -> Result<Actor, OpenError> {
        let mut overlay = Overlay::new(Ids::new(seed));
        let (standing, floor) = (loaded.standing, loaded.floor);
        let mut fold = Fold::run(loaded, &mut overlay)?;
        if fold.incarnation == 0 {
            fold.incarnation = floor;
        }
        (overlay.ahead, overlay.is_destroyed) = (fold.incarnation.saturating_sub(1), fold.is_destroyed);
        Ok(Actor {
            created: fold.created,
            incarnation: fold.incarnation,
            last_commit: fold.last_commit,
            answers: std::mem::take(&mut fold.answers),
            keys: std::mem::take(&mut fold.keys),
            handlers: Handlers::new(std::mem::take(&mut fold.troubles)),
            schedules: Vec::new(),
            is_ready: false,
            passed_on: None,
            run: fold.into_run(standing, first_scope),
            overlay,
            first_scope,
            arrived: 0,
        })
    }

    /// What is refused from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.overlay.set_limits(limits);
    }

    pub fn exists(&self) -> bool {
        self.created
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The newest change that the actor was loaded with.
    pub fn last_commit(&self) -> Option<(u64, CommitId)> {
        self.last_commit
    }

    pub fn standing(&self) -> Standing {
        let own = self.run.as_ref().map_or_else(Standing::default, Run::standing);
        self.overlay.with_own_alarm(own)
    }

    /// The number of the newest durable change.
    pub fn durable(&self) -> u64 {
        self.overlay.durable()
    }

    pub fn queued(&self) -> u64 {
        self.overlay.queued()
    }

    /// The version of the shape of the state, and the newest change that wrote it; none without state.
    pub fn state(&self) -> Option<(u32, u64)> {
        Some((self.overlay.state_version(), state_head(&self.overlay)?))
    }

    /// How the run has ended, if it has and that is durable.
    pub fn outcome(&self) -> Option<&RunOutcome> {
        match &self.run.as_ref()?.phase {
            Phase::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    pub(crate) fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    pub fn has_run(&self) -> bool {
        self.run.is_some()
    }

    /// A cell's newest queued value, or its value as an attempt sees it.
    pub fn read(&self, cell: &str, view: Option<(u64, Option<&Delta>)>) -> Result<Option<Bytes>, StateError> {
        let Some(cell) = self.overlay.cell(cell) else { return Ok(None) };
        match view {
            None => Ok(Some(cell.encode())),
            Some((pin, own)) => cell.encode_at(pin, own).map(Some),
        }
    }

    /// Whether it has nothing to do until something comes in, or until its alarm; what it waits for need not be written yet.
    pub fn rests(&self) -> bool {
        self.standing().alarm != Some(0) && !self.wants_pulse() && self.overlay.rests()
    }

    /// Whether all that it would be loaded with is durable, the newest row's status and alarm among it.
    pub fn is_written(&self) -> bool {
        self.overlay.durable() == self.overlay.queued()
            && (!(self.created || self.is_destroyed()) || self.overlay.standing() == self.standing())
    }

    /// The time of the newest change or message, in milliseconds since the epoch.
    pub fn newest(&self) -> Time {
        self.overlay.newest()
    }

    /// How often the run was recovered after it had been undone.
    pub fn generation(&self) -> u64 {
        self.run.as_ref().map_or(0, |run| run.generation)
    }

    /// Whether facts wait for the adapter's event loop to come round.
    pub fn wants_pulse(&self) -> bool {
        self.run.as_ref().is_some_and(Run::wants_pulse)
    }

    /// What whoever asked a message is told, if it was answered.
    pub fn answer(&self, message_id: &str) -> Option<&Answer> {
        self.answers.get(message_id).or_else(|| self.keys.answer(message_id))
    }

    /// What a call under a caller's key came to, if that is remembered.
    pub fn remembered(&self, now: Time, key: &str) -> Option<&Kept> {
        self.keys.get(now, key)
    }

    /// Why a message is not handled, if a handler has failed at it.
    pub fn trouble(&self, key: &MessageKey) -> Option<&Trouble> {
        self.handlers.trouble(key)
    }

    /// Whether it was destroyed, and not made again.
    pub fn is_destroyed(&self) -> bool {
        self.overlay.is_destroyed
    }

    /// The names on the way to a scope.
    pub fn path_of_scope(&self, scope: crate::input::ScopeId) -> Option<Vec<String>> {
        self.run.as_ref()?.path_of_scope(scope)
    }

    /// The path of a pending operation: what its idempotency key is made of.
    pub fn path_of(&self, op: OpId) -> Option<Vec<String>> {
        self.run.as_ref()?.path_of(op)
    }

    /// The round of a loop that a scope is; none for other scopes.
    pub fn iteration_of(&self, scope: crate::input::ScopeId) -> Option<u32> {
        self.run.as_ref()?.iteration_of(scope)
    }

    /// What the run has recorded, as of the newest queued change.
    pub fn entries(&self) -> Vec<Listed<'_>> {
        self.run.as_ref().map_or_else(Vec::new, |run| run.history.list())
    }

    /// The registry of names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.run.as_ref().map_or_else(Vec::new, |run| run.history.names.iter().collect())
    }

    /// Whether something recorded in closed scopes was not read: [`Actor::entries`] lacks it, and no control may go there.
    pub fn is_partial(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.history.is_partial())
    }

    /// Takes up what is recorded in closed scopes: `whole` is all that is stored of the actor.
    pub fn complete(&mut self, whole: Loaded) -> Result<(), OpenError> {
        let fold = Fold::run(whole, &mut Overlay::new(Ids::new(0)))?;
        if let Some(run) = self.run.as_mut().filter(|run| run.history.is_partial()) {
            run.take_up_closed(fold.stored);
        }
        Ok(())
    }

    /// How many messages wait in the inbox.
    pub fn waiting(&self) -> usize {
        self.overlay.inbox.len()
    }

    /// What waits in the inbox, oldest first.
    pub fn inbox(&self) -> Vec<&Message> {
        self.overlay.inbox.messages()
    }

    /// How many attempts had to run again, because another one came between, since the actor was loaded.
    pub fn conflicts(&self) -> u64 {
        self.overlay.conflict_count()
    }

    /// The version of the code that parked its run, if it is parked and that version has a name.
    pub fn parked_by(&self) -> Option<&str> {
        self.run.as_ref().and_then(Run::parked_by)
    }

    /// What an attempt that is still running has read or written and another change has written since its pin, for people.
    pub fn overtaken(&self, touched: &CellWrites) -> Option<String> {
        self.overlay.overtaken(touched)
    }

    /// The oldest pin of a cell whose attempt can still be told what it sees; none if there is no such cell.
    pub fn floor(&self, cell: &str) -> Option<u64> {
        self.overlay.floor(cell)
    }

    /// When the actor next wants to hear of the time.
    pub fn deadline(&self) -> Option<Time> {
        let run = self.run.as_ref().and_then(Run::deadline);
        let own = self.overlay.patience().into_iter().chain(self.overlay.inbox.next_due());
        run.into_iter().chain(own).chain(self.handlers.deadline()).min()
    }

    /// Takes an input in. Afterwards poll until there is nothing.
    pub fn handle(&mut self, now: Time, input: Input) {
        if let Input::Stepped { ended, .. } = input {
            // It leaves the code running and frees nothing that waits: there is nothing to see to.
            self.overlay.tell_time(ended);
            return self.run_handle(input);
        }
        self.overlay.tell_time(now);
        self.route(input);
        self.release_held();
        self.overlay.inbox.ripen(self.overlay.now);
        let arrived = self.overlay.inbox.arrived();
        if let Some(run) = &mut self.run {
            // A wait whose deadline has passed takes nothing.
            if run.deadline().is_some_and(|deadline| deadline <= self.overlay.now) {
                run.handle(&mut self.overlay, Input::Tick);
            }
            if std::mem::replace(&mut self.arrived, arrived) != arrived {
                run.messages_came(&mut self.overlay);
            }
            if run.deadline().is_some_and(|deadline| deadline <= self.overlay.now) {
                run.handle(&mut self.overlay, Input::Tick);
            }
        }
        // An attempt that ran alone may have been too late.
        self.release_held();
        self.deal_with_others();
        if let Some(run) = &mut self.run {
            run.settle_down(&mut self.overlay);
        }
    }

    /// What other actors have sent that is not for the run's code.
    fn deal_with_others(&mut self) {
        if self.overlay.hosted {
            return;
        }
        self.refuse_arrived();
        self.follow_orders();
        if let Some(run) = &mut self.run {
            run.answers_came(&mut self.overlay);
        }
        self.refuse_asked();
        self.handle_next();
    }

    fn release_held(&mut self) {
        while let Some(held) = self.overlay.released_turn() {
            self.route(held.input);
        }
    }

    /// The next output, in order.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.overlay.outputs.pop_front();
        if let Some(Output::Answered { message_id, reply }) = &output {
            self.keys.answered(message_id, reply);
            self.answers.add(message_id.clone(), reply.clone());
        }
        output
    }

    fn route(&mut self, input: Input) {
        match input {
            Input::Create(create) => self.create(create),
            Input::Migrate { state, version } => self.migrate(state, version),
            Input::Cell { name, value, replace } => self.set_cell(&name, value, replace),
            Input::Receives(receives) => self.receives(receives),
            Input::Schedules(schedules) => self.schedules = schedules,
            Input::Start(start) => {
                self.is_ready = true;
                self.replan();
                if let Some(run) = &mut self.run {
                    run.start(&mut self.overlay, start);
                }
            }
            Input::Send { call, name, body, delay_ms, keep } => {
                self.send(call, Send { to: None, name, body, delay_ms, purpose: Purpose::Plain }, keep, None);
            }
            Input::NotOrdered { failure } => self.not_made(failure),
            Input::Destroy { call } => self.destroy(call, None),
            Input::Received { receipt, attempt, outcome } => self.received(receipt, attempt, outcome),
            Input::Reported { report, outcome } if Self::is_of_handler(report) || self.run.is_none() => {
                self.handler_reported(report, outcome);
            }
            Input::Retry { call } if self.calm() => {
                self.overlay.leave_after(self.overlay.queued(), Output::Reply { call });
            }
            Input::Cancel { call, .. } | Input::Retry { call } | Input::Replay { call, .. } if self.run.is_none() => {
                let reason = Refusal::Nothing("it has no workflow");
                self.overlay.outputs.push_back(Output::Refuse { call, reason });
            }
            Input::SendFor { id, call, name, body, delay_ms, keep } => {
                self.send(call, Send { to: None, name, body, delay_ms, purpose: Purpose::Plain }, keep, Some(id));
            }
            Input::Arrived { message } => self.overlay.inbox.deliver(message),
            Input::Suspend => self.suspend(),
            Input::Acted { call, outcome, keep } => self.acted(call, outcome, keep),
            Input::Durable { seq } => self.durable_up_to(seq),
            Input::Pins { oldest } => self.overlay.keep_from(oldest),
            Input::Tick => {
                self.refuse_impatient();
                self.handler_due();
                self.run_handle(Input::Tick);
            }
            input => self.run_handle(input),
        }
    }

    fn run_handle(&mut self, input: Input) {
        if let Some(run) = &mut self.run {
            run.handle(&mut self.overlay, input);
        }
    }

    fn create(&mut self, create: Create) {
        let Create { call, workflow, input, state, state_version, hosted, ordered } = create;
        if self.created && hosted {
            self.take_input(input);
            return self.overlay.outputs.push_back(Output::Reply { call });
        }
        if self.created {
            return self.overlay.outputs.push_back(Output::Refuse { call, reason: Refusal::Exists });
        }
        let mut writing = self.overlay.begin();
        self.incarnation += 1;
        (self.overlay.ahead, self.overlay.is_destroyed) = (self.incarnation - 1, false);
        // The adapter has its state once this is durable, and says `Start` then.
        self.is_ready = false;
        writing.writer.created(self.incarnation, workflow, input.as_ref());
        if let Some(state) = state {
            let seq = writing.seq();
            writing.writer.base(STATE, &state, state_version);
            if let Err(error) = self.overlay.set_cell(STATE, state, seq, state_version) {
                let reason = Refusal::Broken(error.to_string());
                return self.overlay.outputs.push_back(Output::Refuse { call, reason });
            }
        }
        self.created = true;
        if workflow {
            self.run = Some(Run::new(Stored::new(input, self.overlay.now), self.first_scope));
        }
        if ordered || self.passed_on.is_some() {
            self.made_as_ordered(&mut writing);
        }
        self.plan_all(&mut writing);
        writing.lazy = hosted;
        let seq = self.commit(writing);
        if hosted {
            return self.overlay.outputs.push_back(Output::Reply { call });
        }
        self.overlay.leave_after(seq, Output::Reply { call });
    }

    /// The input of a workflow whose actor an embedding host has opened before it first ran it.
    fn take_input(&mut self, input: Option<Bytes>) {
        let incarnation = self.incarnation;
        if let Some(run) = self.run.as_mut().filter(|run| run.is_unborn()) {
            run.set_input(input.clone());
            let mut writing = self.overlay.begin();
            writing.writer.created(incarnation, true, input.as_ref());
            writing.lazy = true;
            self.commit(writing);
        }
    }

    fn migrate(&mut self, state: Bytes, version: u32) {
        let mut writing = self.overlay.begin();
        let seq = writing.seq();
        writing.writer.base(STATE, &state, version);
        if self.overlay.set_cell(STATE, state, seq, version).is_ok() {
            self.commit(writing);
        }
    }

    fn set_cell(&mut self, name: &str, value: Bytes, replace: bool) {
        if self.overlay.cell(name).is_some() && !replace {
            return;
        }
        let version = self.overlay.state_version();
        let mut writing = self.overlay.begin();
        let seq = writing.seq();
        writing.writer.base(name, &value, version.max(1));
        if self.overlay.set_cell(name, value, seq, version).is_ok() {
            self.commit(writing);
        }
    }

    /// The newest change that wrote a cell; none if there is no such cell.
    pub fn cell_head(&self, name: &str) -> Option<u64> {
        self.overlay.cell(name).map(|cell| cell.head())
    }

    /// The names of the cells beside its state, in order.
    pub fn further_cells(&self) -> impl Iterator<Item = &str> {
        self.overlay.cells().map(|(name, _)| name).filter(|name| *name != STATE)
    }

    /// Writes down what the actor waits for, if the newest change says something else.
    fn suspend(&mut self) {
        if self.run.is_some() {
            return self.run_handle(Input::Suspend);
        }
        self.overlay.hurry();
        if (self.created || self.is_destroyed()) && self.overlay.standing() != self.standing() {
            let writing = self.overlay.begin();
            self.commit(writing);
        }
    }

    /// `called`: the name of another process's call, with which its answer is recorded.
    fn send(&mut self, call: CallId, send: Send, keep: Option<Keep>, called: Option<String>) {
        if let Some(Kept { seq, reply: Reply::Message(id), .. }) =
            keep.as_ref().and_then(|keep| self.keys.get(self.overlay.now, &keep.key))
        {
            let (seq, message_id) = (*seq, id.clone());
            return self.overlay.leave_after(seq, Output::Sent { call, message_id });
        }
        let refusal = match &self.run {
            _ if !self.created && self.overlay.is_destroyed => Some(Refusal::Destroyed),
            Some(run) if run.has_ended() && !self.handlers.takes(&send.name) => Some(Refusal::RunEnded),
            _ if self.overlay.inbox.len() >= self.overlay.limits.inbox_messages => Some(Refusal::InboxFull),
            _ => None,
        };
        if let Some(reason) = refusal {
            return self.overlay.outputs.push_back(Output::Refuse { call, reason });
        }
        let mut writing = self.overlay.begin();
        let (_, message_id) = self.overlay.send(&mut writing, OUTSIDE, send);
        if let Some(keep) = keep {
            self.remember(&mut writing, keep, Reply::Message(message_id.clone()));
        }
        writing
            .answers
            .extend(called.map(|id| crate::input::Answer { id, body: Bytes::copy_from_slice(message_id.as_bytes()) }));
        let seq = self.commit(writing);
        self.overlay.leave_after(seq, Output::Sent { call, message_id });
    }

    /// The body of an action has ended: what it wrote is a change of its own, and its answer waits for that.
    fn acted(&mut self, call: CallId, outcome: Outcome, keep: Option<Keep>) {
        let attempt = Attempt::Action { call };
        if !self.created && self.overlay.is_destroyed {
            self.overlay.gave_up(attempt);
            self.overlay.verdict(attempt, Verdict::Stale);
            return self.overlay.outputs.push_back(Output::Refuse { call, reason: Refusal::Destroyed });
        }
        let (output, writes) = match outcome {
            Outcome::Threw { pin, .. } => {
                self.overlay.gave_up(attempt);
                return self.overlay.leave_after(pin.unwrap_or(0), Output::Looked { call });
            }
            Outcome::Done { output, writes } => (output, writes),
        };
        match settle_writes(&mut self.overlay, attempt, &writes) {
            Judged::Passed { wrote } if wrote || keep.as_ref().is_some_and(|keep| keep.always) => {
                self.commit_action(call, writes, keep.map(|keep| (keep, output)));
            }
            Judged::Passed { .. } => {
                self.overlay.verdict(attempt, Verdict::Clean);
                self.overlay.leave_after(newest_pin(&writes), Output::Looked { call });
            }
            Judged::Again => {}
            Judged::Hold => {
                let input = Input::Acted { call, outcome: Outcome::Done { output, writes }, keep };
                self.overlay.hold(Held { attempt, since: self.overlay.now, input });
            }
            Judged::Broken(failure) => {
                self.overlay.verdict(attempt, Verdict::Stale);
                let reason = Refusal::Broken(failure.message);
                self.overlay.outputs.push_back(Output::Refuse { call, reason });
            }
        }
    }

    /// A later call under the same key is the same call.
    fn remember(&mut self, writing: &mut Writing, keep: Keep, reply: Reply) {
        let (now, seq) = (self.overlay.now, writing.seq());
        let until = now.saturating_add(keep.keep_ms);
        let (key, kept) = (keep.key.clone(), reply.clone());
        writing.writer.record(&Record::Dealing(Dealing::Remembered { key, until, reply: kept }));
        self.keys.add(now, keep.key, until, seq, reply);
    }

    fn forget_everything(&mut self) {
        self.overlay.forget_cells();
        (self.answers, self.keys) = Default::default();
        self.handlers = Handlers::default();
        self.is_ready = false;
        self.passed_on = None;
    }

    fn commit_action(&mut self, call: CallId, writes: Writes, keep: Option<(Keep, Option<Bytes>)>) {
        let wrote_state = writes.cells.iter().any(|cell| cell.delta.is_some());
        let mut writing = self.overlay.begin();
        self.overlay.write(&mut writing, writes);
        if let Some((keep, output)) = keep {
            self.remember(&mut writing, keep, Reply::Value(output));
        }
        let seq = self.commit(writing);
        let verdict = if wrote_state { Verdict::Queued { seq } } else { Verdict::Clean };
        self.overlay.verdict(Attempt::Action { call }, verdict);
        self.overlay.leave_after(seq, Output::Reply { call });
    }

    fn refuse_impatient(&mut self) {
        for held in self.overlay.impatient() {
            self.overlay.verdict(held.attempt, Verdict::Stale);
            if let Attempt::Action { call } = held.attempt {
                self.overlay.outputs.push_back(Output::Refuse { call, reason: Refusal::Busy });
            }
        }
    }

    fn durable_up_to(&mut self, seq: u64) {
        self.overlay.became_durable(seq);
        while let Some(gated) = self.overlay.released() {
            match (gated, &mut self.run) {
                (Gated::Leave(output), _) => self.overlay.outputs.push_back(*output),
                (Gated::Fact(op), Some(run)) => run.fact(&mut self.overlay, op),
                (Gated::End, Some(run)) => run.end(&mut self.overlay),
                (Gated::Fact(_) | Gated::End, None) => {}
            }
        }
    }

    fn commit(&mut self, writing: Writing) -> u64 {
        let standing = self.run.as_ref().map_or_else(Standing::default, Run::standing);
        self.overlay.commit(writing, standing)
    }
}
