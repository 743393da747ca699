//! Outputs, to the adapter.

use pawl_core::output::{
    AbortReason, Attempt, BranchValue, FailedPart, FailureEvent, Halt, Output as ActorOutput, RunOutcome, Told, Value,
    Verdict,
};
use pawl_core::past::Was;
use pawl_host::{Answer, Facts, Handle, Output, Turn};
use pawl_store::ActorRow;

use super::write_inspection::write_inspection;
use super::writer::Writer;

/// Appends everything that a turn says: the next deadline (NaN: none), how much the store is doing, whether a pulse is wanted,
/// then the records.
pub fn write_turn(turn: &Turn, out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    writer.time(turn.next.map_or(f64::NAN, |next| next as f64));
    writer.number(turn.pending as u64);
    writer.byte(turn.pulse.into());
    for (handle, attempt, verdict) in &turn.verdicts {
        writer.record(1, *handle);
        writer.verdict(*attempt, verdict);
    }
    turn.others.iter().for_each(|output| writer.output(output));
}

impl Writer<'_> {
    fn output(&mut self, output: &Output) {
        match output {
            Output::Actor { handle, output } => self.actor_output(*handle, output),
            Output::Ready(info) => {
                self.record(20, 0);
                self.0.extend_from_slice(&info.id);
                self.text(&info.url);
            }
            Output::StoreFailed(error) => self.with_error(21, 0, error),
            Output::Opened { handle, facts } => {
                self.record(22, *handle);
                self.facts(facts);
            }
            Output::OpenFailed { handle, error } => self.with_problem(23, *handle, error),
            Output::Past { handle, call, answer: Answer::State(was) } => {
                self.record(44, *handle);
                self.number(*call);
                self.was(was);
            }
            Output::Past { handle, call, answer: Answer::Replay { entry_ids, was, moved } } => {
                self.record(45, *handle);
                self.number(*call);
                self.number(entry_ids.len() as u64);
                entry_ids.iter().for_each(|id| self.text(id));
                self.optional(was.as_ref(), |w, was| w.was(was));
                self.number(moved.len() as u64);
                for (seq, at) in moved {
                    self.number(*seq);
                    self.time(*at as f64);
                }
            }
            Output::PastFailed { handle, call, error } => {
                self.record(46, *handle);
                self.number(*call);
                self.problem(error);
            }
            Output::Lost { handle, error } => self.with_error(24, *handle, error),
            Output::Listed { ticket, actors } => {
                self.record(61, *ticket);
                self.number(actors.len() as u64);
                for listed in actors {
                    self.text(&listed.name);
                    self.row(&listed.row);
                    self.optional(listed.owner.as_ref(), |w, owner| w.text(owner));
                }
            }
            Output::Seen { ticket, seen } => {
                self.record(62, *ticket);
                self.optional(seen.as_ref(), |w, seen| {
                    w.row(&seen.row);
                    let mut inspection = Vec::new();
                    write_inspection(&seen.actor, &mut inspection);
                    w.bytes(&inspection);
                    let state = seen.actor.read(pawl_core::STATE, None).ok().flatten();
                    w.optional(state.as_ref(), |w, state| w.bytes(state));
                    w.optional(seen.owner.as_ref(), |w, owner| w.text(owner));
                    w.number(seen.bytes);
                });
            }
            Output::Notes { ticket, notes } => {
                self.record(81, *ticket);
                self.number(notes.len() as u64);
                for (name, body) in notes {
                    self.text(name);
                    self.bytes(body);
                }
            }
            Output::SeenAt { ticket, was } => {
                self.record(116, *ticket);
                self.was(was);
            }
            Output::LookFailed { ticket, error } => self.with_problem(63, *ticket, error),
            Output::Reopened { handle, facts } => {
                self.record(25, *handle);
                self.facts(facts);
            }
            Output::Retired { handle, gone } => {
                self.record(60, *handle);
                self.byte((*gone).into());
            }
            Output::Wake { name } => {
                self.record(26, 0);
                self.text(name);
            }
            Output::Called { name, id, body } => {
                self.record(68, 0);
                self.text(name);
                self.text(id);
                self.bytes(body);
            }
            Output::Replied { name, id, reply } => {
                match reply {
                    Ok(_) => self.record(69, 0),
                    Err(error) => self.with_error(71, 0, error),
                }
                self.text(name);
                self.text(id);
                self.optional(reply.as_ref().ok(), |w, reply| w.bytes(reply));
            }
            Output::Outcome { name, outcome } => {
                self.record(70, 0);
                self.text(name);
                self.optional(outcome.as_ref(), |w, outcome| w.outcome(outcome));
            }
            Output::Listened { name, listens } => {
                self.record(110, 0);
                self.text(name);
                self.byte((*listens).into());
            }
            Output::Event { name, writer, body } => {
                self.record(111, *writer);
                self.text(name);
                self.bytes(body);
            }
            Output::Died(processes) => {
                self.record(94, processes.len() as u64);
                processes.iter().for_each(|process| self.number(*process));
            }
            Output::Lapsed => self.record(95, 0),
            Output::Resumed => self.record(27, 0),
            Output::ResumeFailed(error) => self.with_error(28, 0, error),
        }
    }

    fn was(&mut self, was: &Was) {
        self.number(was.version.into());
        self.optional(was.value.as_ref(), |w, value| w.bytes(value));
    }

    fn actor_output(&mut self, handle: Handle, output: &ActorOutput) {
        match output {
            // The host takes these out before they come here.
            ActorOutput::Commit(_) | ActorOutput::Hurry | ActorOutput::Looked { .. } | ActorOutput::Verdict { .. } => {}
            ActorOutput::RunWorkflow { scope, input, replaying, rebuild, at } => {
                self.record(2, handle);
                self.number(*scope);
                self.optional(input.as_ref(), |w, input| w.bytes(input));
                self.byte((*replaying).into());
                self.byte((*rebuild).into());
                self.number((*at).max(0) as u64);
            }
            ActorOutput::Execute { op, attempt } => {
                self.record(3, handle);
                self.number(*op);
                self.number((*attempt).into());
            }
            ActorOutput::Abort { op, attempt, reason } => {
                self.record(4, handle);
                self.number(*op);
                self.number((*attempt).into());
                match reason {
                    AbortReason::TimedOut { timeout_ms } => {
                        self.byte(0);
                        self.time(*timeout_ms as f64);
                    }
                    AbortReason::Cancelled => self.byte(1),
                }
            }
            ActorOutput::Iterate { op, scope, state, replaying, ahead } => {
                self.record(5, handle);
                self.number(*op);
                self.number(*scope);
                self.value(state);
                self.byte((*replaying).into());
                self.number((*ahead).into());
            }
            ActorOutput::Resolve { op, value, told } => {
                self.record(6, handle);
                self.number(*op);
                self.told(told);
                self.value(value);
            }
            ActorOutput::Reject { op, terminal, attempts, failure, told } => {
                self.record(7, handle);
                self.number(*op);
                self.told(told);
                self.terminal(*terminal);
                self.number((*attempts).into());
                self.failure(failure);
            }
            ActorOutput::Rethrow { op } => {
                self.record(8, handle);
                self.number(*op);
            }
            ActorOutput::Report { report, event } => {
                self.record(9, handle);
                self.number(*report);
                self.event(event);
            }
            ActorOutput::Reported { report } => {
                self.record(15, handle);
                self.number(*report);
            }
            ActorOutput::Reply { call } => {
                self.record(10, handle);
                self.number(*call);
            }
            ActorOutput::Refuse { call, reason } => {
                self.record(11, handle);
                self.number(*call);
                self.refusal(reason);
            }
            ActorOutput::RunEnded(outcome) => {
                self.record(12, handle);
                self.outcome(outcome);
            }
            ActorOutput::Parked(divergence) => {
                self.record(13, handle);
                self.divergence(divergence);
            }
            rest => self.control_output(handle, rest),
        }
    }

    fn control_output(&mut self, handle: Handle, output: &ActorOutput) {
        match output {
            ActorOutput::Undo { op, attempt, attempted, output } => {
                self.record(16, handle);
                self.number(*op);
                self.number((*attempt).into());
                self.byte((*attempted).into());
                self.value(output);
            }
            ActorOutput::Branch { op, scope, index, replaying } => {
                self.record(17, handle);
                self.number(*op);
                self.number(*scope);
                self.number((*index).into());
                self.byte((*replaying).into());
            }
            ActorOutput::Enter { op, scope, replaying } => {
                self.record(18, handle);
                self.number(*op);
                self.number(*scope);
                self.byte((*replaying).into());
            }
            ActorOutput::Cancelled { scope } => {
                self.record(19, handle);
                self.number(*scope);
            }
            ActorOutput::Halted { reason } => {
                self.record(29, handle);
                self.byte(match reason {
                    Halt::RollingBack => 0,
                    Halt::Cancelled => 1,
                    Halt::Restarted => 2,
                });
            }
            ActorOutput::Sent { call, message_id } => {
                self.record(30, handle);
                self.number(*call);
                self.text(message_id);
            }
            ActorOutput::Receive { receipt, attempt, id, name, body } => {
                self.record(52, handle);
                self.number(*receipt);
                self.number((*attempt).into());
                self.text(id);
                self.text(name);
                self.bytes(body);
            }
            ActorOutput::Tick { receipt, attempt, id, name, spec, due_at } => {
                self.record(80, handle);
                self.number(*receipt);
                self.number((*attempt).into());
                self.text(id);
                self.text(name);
                self.bytes(spec);
                self.time(*due_at as f64);
            }
            ActorOutput::AbortReceipt { receipt, attempt, timeout_ms } => {
                self.record(53, handle);
                self.number(*receipt);
                self.number((*attempt).into());
                self.time(*timeout_ms as f64);
            }
            ActorOutput::Received { receipt } => {
                self.record(54, handle);
                self.number(*receipt);
            }
            ActorOutput::Ordered { input } => {
                self.record(55, handle);
                self.optional(input.as_ref(), |w, input| w.bytes(input));
            }
            ActorOutput::Destroyed => self.record(56, handle),
            ActorOutput::Answered { message_id, reply } => {
                self.record(31, handle);
                self.text(message_id);
                self.answer(reply);
            }
            ActorOutput::Want { op, names, count } => {
                self.record(33, handle);
                self.number(*op);
                self.number(names.len() as u64);
                names.iter().for_each(|name| self.text(name));
                self.number((*count).into());
            }
            ActorOutput::Durable { op } => {
                self.record(34, handle);
                self.number(*op);
            }
            ActorOutput::Due => self.record(35, handle),
            ActorOutput::Ahead { scope, steps, replaying } => {
                self.record(36, handle);
                self.number(*scope);
                self.byte((*replaying).into());
                let mut packed = Vec::new();
                let mut writer = Writer(&mut packed);
                for step in steps {
                    writer.text(&step.name);
                    writer.number(step.at.max(0) as u64);
                    writer.value(&step.value);
                }
                self.bytes(&packed);
            }
            ActorOutput::Suspended { alarm, names } => {
                self.record(32, handle);
                self.optional(alarm.as_ref(), |w, alarm| w.time(*alarm as f64));
                self.optional(names.as_ref(), |w, names| {
                    w.number(names.len() as u64);
                    names.iter().for_each(|name| w.text(name));
                });
            }
            ActorOutput::Misuse { op, misuse } => {
                self.record(14, handle);
                self.optional(op.as_ref(), |w, op| w.number(*op));
                self.misuse(misuse);
            }
            _ => {}
        }
    }

    fn told(&mut self, told: &Told) {
        self.number(told.at.max(0) as u64);
        self.byte(told.replaying.into());
    }

    fn verdict(&mut self, attempt: Attempt, verdict: &Verdict) {
        match attempt {
            Attempt::Step { op, attempt } => {
                self.byte(0);
                self.number(op);
                self.number(attempt.into());
            }
            Attempt::Action { call } => {
                self.byte(1);
                self.number(call);
            }
            Attempt::Report { report } => {
                self.byte(2);
                self.number(report);
            }
            Attempt::Receive { receipt, attempt } => {
                self.byte(3);
                self.number(receipt);
                self.number(attempt.into());
            }
        }
        match verdict {
            Verdict::Queued { seq } => {
                self.byte(0);
                self.number(*seq);
            }
            Verdict::Clean => self.byte(1),
            Verdict::Conflict { path, alone } => {
                self.byte(2);
                self.text(path);
                self.byte((*alone).into());
            }
            Verdict::Stale => self.byte(3),
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Kept => self.byte(0),
            Value::Nothing => self.byte(1),
            Value::Encoded(bytes) => {
                self.byte(2);
                self.bytes(bytes);
            }
            Value::Message(bytes) => {
                self.byte(3);
                self.bytes(bytes);
            }
            Value::Messages(messages) => {
                self.byte(4);
                self.number(messages.len() as u64);
                messages.iter().for_each(|message| self.bytes(message));
            }
            Value::Branches { winner, branches } => {
                self.byte(5);
                self.optional(winner.as_ref(), |w, winner| w.number((*winner).into()));
                self.number(branches.len() as u64);
                branches.iter().for_each(|branch| self.branch(branch));
            }
        }
    }

    fn branch(&mut self, branch: &BranchValue) {
        match branch {
            BranchValue::Kept => self.byte(0),
            BranchValue::Nothing => self.byte(1),
            BranchValue::Encoded(bytes) => {
                self.byte(2);
                self.bytes(bytes);
            }
            BranchValue::Failed(failure) => {
                self.byte(3);
                self.failure(failure);
            }
            BranchValue::Cancelled => self.byte(4),
        }
    }

    fn event(&mut self, event: &FailureEvent) {
        self.byte(match event.part {
            FailedPart::Step => 0,
            FailedPart::Rollback => 1,
            FailedPart::Workflow => 2,
            FailedPart::Receive => 3,
            FailedPart::Schedule => 4,
        });
        self.optional(event.step.as_ref(), |w, step| w.text(step));
        self.number(event.attempt.into());
        self.optional(event.retry_at.as_ref(), |w, at| w.time(*at as f64));
        self.failure(&event.failure);
    }

    pub(super) fn outcome(&mut self, outcome: &RunOutcome) {
        match outcome {
            RunOutcome::Completed(output) => {
                self.byte(0);
                self.optional(output.as_ref(), |w, output| w.bytes(output));
            }
            RunOutcome::Failed(failure) => {
                self.byte(1);
                self.failure(failure);
            }
            RunOutcome::Cancelled(reason) => {
                self.byte(2);
                self.optional(reason.as_ref(), |w, reason| w.text(reason));
            }
        }
    }

    fn facts(&mut self, facts: &Facts) {
        self.byte(facts.exists.into());
        self.byte(facts.destroyed.into());
        self.byte(facts.has_run.into());
        self.optional(facts.outcome.as_ref(), |w, outcome| w.outcome(outcome));
        self.optional(facts.state.as_ref(), |w, (version, head)| {
            w.number((*version).into());
            w.number(*head);
        });
        self.number(facts.seq);
    }

    fn row(&mut self, row: &ActorRow) {
        self.text(row.status.word());
        self.time(row.alarm.map_or(f64::NAN, |alarm| alarm as f64));
        self.number(row.state_version.into());
    }
}
