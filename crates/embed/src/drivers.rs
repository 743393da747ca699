//! The actors that have drivers, and the one piece of work that each is having done.
//!
//! | job      | request         | loaded                       | written: yes       | written: no, unknown  | settled |
//! |----------|-----------------|------------------------------|--------------------|-----------------------|---------|
//! | none     | starts          | ignored                      | ignored            | ignored               | ignored |
//! | loading  | waits           | answered, or opening         | ignored            | ignored               | ignored |
//! | opening  | waits           | ignored                      | settling, answered | answered: failed      | ignored |
//! | writing  | waits           | ignored                      | answered, settling | answered; as unopened | ignored |
//! | settling | waits           | ignored                      | ignored            | ignored               | next    |

use std::collections::{BTreeMap, HashMap, VecDeque};

use pawl_store::{ActorId, Batch, Completion, Opened, Outcome, Request, Stats, StoreError, Ticket};

use crate::error;
use crate::kept::Kept;
use crate::load;
use crate::open::{self, Opening};
use crate::plan::{self, Cause, SentIds};
use crate::work::{Call, Found, Limits, Rows, Work, Written};

#[derive(Default)]
pub struct Drivers {
    actors: HashMap<ActorId, Slot>,
    /// Whose a piece of work is.
    working: HashMap<Ticket, ActorId>,
    work: Vec<Work>,
    completions: Vec<(Ticket, Completion)>,
    /// Whether completions came when there were none.
    notice: bool,
    epoch: u64,
    stats: Stats,
    phase: Phase,
}

#[derive(Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Closed,
    Abandoned,
}

#[derive(Default)]
struct Slot {
    /// None: it must be opened before anything is written.
    open: Option<Open>,
    job: Option<Job>,
    queue: VecDeque<(Ticket, Request)>,
    /// The rows of commits of which the outcome is not known, by number, with the core's numbers.
    in_doubt: BTreeMap<u64, u64>,
    /// Nobody opens it again.
    is_leaving: bool,
}

/// An actor that is open: dropped when it is opened again or a commit fails.
struct Open {
    kept: Kept,
    sent: SentIds,
    limits: Limits,
    epoch: u64,
    /// The seq of the next change.
    next: u64,
    found: Found,
}

enum Job {
    Loading(Ticket),
    /// What earlier lives left is being done; then the actor is open.
    Opening {
        ticket: Ticket,
        open: Box<Open>,
        opened: Box<Opened>,
        after: usize,
    },
    Writing {
        ticket: Ticket,
        commits: usize,
        numbers: Vec<(u64, u64)>,
        after: Vec<Cause>,
    },
    Settling {
        ticket: Ticket,
        after: Vec<Cause>,
    },
}

impl Drivers {
    pub fn complete(&mut self, ticket: Ticket, completion: Completion) {
        self.notice |= self.completions.is_empty();
        self.completions.push((ticket, completion));
    }

    pub fn take_notice(&mut self) -> bool {
        std::mem::take(&mut self.notice)
    }

    pub fn take_work(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.work)
    }

    pub fn drain(&mut self, into: &mut Vec<(Ticket, Completion)>) {
        into.append(&mut self.completions);
    }

    pub fn pending(&self) -> usize {
        let unanswered = |slot: &Slot| match slot.job {
            None | Some(Job::Settling { .. }) => 0,
            Some(Job::Loading(_) | Job::Opening { .. } | Job::Writing { .. }) => 1,
        };
        self.actors.values().map(|slot| slot.queue.len() + unanswered(slot)).sum()
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    pub fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closed;
        }
    }

    pub fn abandon(&mut self) {
        *self = Drivers { phase: Phase::Abandoned, ..Drivers::default() };
    }

    pub fn found(&self, actor: &ActorId) -> Option<Found> {
        Some(self.actors.get(actor)?.open.as_ref()?.found)
    }

    pub fn forget(&mut self, actor: &ActorId) {
        if let Some(slot) = self.actors.get_mut(actor) {
            slot.is_leaving = true;
            self.go_on(actor);
        }
    }

    pub fn submit(&mut self, ticket: Ticket, request: Request) {
        let actor = match (&self.phase, &request) {
            (Phase::Abandoned, _) => return,
            (Phase::Closed, Request::Commit(_) | Request::Compact(_) | Request::Forget(_) | Request::Note { .. }) => {
                return self.complete(ticket, Completion::Committed(Outcome::No(error::closed())));
            }
            (Phase::Closed, _) => return self.complete(ticket, Completion::Failed(error::closed())),
            // Each host knows its own actors, and wakes them by their drivers' alarms.
            (Phase::Open, Request::Alarms { .. }) => return self.complete(ticket, Completion::Alarms(Vec::new())),
            (Phase::Open, Request::Actors { .. }) => return self.complete(ticket, Completion::Actors(Vec::new())),
            // Whatever an embedding host notes, it notes itself.
            (Phase::Open, Request::Notes { .. }) => return self.complete(ticket, Completion::Notes(Vec::new())),
            (Phase::Open, Request::Note { .. }) => {
                return self.complete(ticket, Completion::Committed(Outcome::Yes));
            }
            // A host's rows are the other engine's: there are no snapshots among them, and nothing before what is there.
            (Phase::Open, Request::Compact(_) | Request::Forget(_)) => {
                return self.complete(ticket, Completion::Committed(Outcome::No(error::no_snapshots())));
            }
            (Phase::Open, Request::Read { .. }) => {
                return self.complete(ticket, Completion::Failed(error::no_snapshots()));
            }
            (Phase::Open, Request::Open { actor, .. }) => actor.clone(),
            (Phase::Open, Request::Commit(batch)) => batch.actor.clone(),
        };
        self.actors.entry(actor.clone()).or_default().queue.push_back((ticket, request));
        self.go_on(&actor);
    }

    pub fn loaded(&mut self, ticket: Ticket, rows: Result<Rows, StoreError>, limits: Limits) {
        let Some((actor, Job::Loading(_))) = self.finish(ticket, |job| matches!(job, Job::Loading(_))) else { return };
        self.epoch += 1;
        let in_doubt = self.actors.get(&actor).map(|slot| slot.in_doubt.clone()).unwrap_or_default();
        let opening = rows.and_then(|rows| {
            let opening = load::read(&rows).and_then(|stored| open::open(stored, &in_doubt, limits, self.epoch));
            opening.map_err(|damage| damage.into_error(&actor))
        });
        match opening {
            Ok(opening) => self.opening(ticket, &actor, opening, limits),
            Err(error) => self.complete(ticket, Completion::Failed(error)),
        }
        self.go_on(&actor);
    }

    pub fn written(&mut self, ticket: Ticket, written: Written) {
        let writes = |job: &Job| matches!(job, Job::Opening { .. } | Job::Writing { .. });
        match self.finish(ticket, writes) {
            Some((actor, Job::Writing { ticket, commits, numbers, after })) => {
                self.committed(ticket, &actor, written, (commits, numbers, after));
                self.go_on(&actor);
            }
            Some((actor, Job::Opening { ticket, open, opened, after })) => {
                match written {
                    Written::Yes if after > 0 => self.start(&actor, Job::Opening { ticket, open, opened, after }),
                    Written::Yes => self.opened(ticket, &actor, *open, *opened),
                    Written::No(error) | Written::Unknown(error) => self.complete(ticket, Completion::Failed(error)),
                }
                self.go_on(&actor);
            }
            _ => {}
        }
    }

    pub fn settled(&mut self, ticket: Ticket, failed: &[usize]) {
        let settles = |job: &Job| matches!(job, Job::Opening { .. } | Job::Settling { .. });
        match self.finish(ticket, settles) {
            Some((actor, Job::Settling { after, .. })) => {
                if let Some(open) = self.actors.get_mut(&actor).and_then(|slot| slot.open.as_mut()) {
                    settle(&mut open.kept, &after, failed);
                }
                self.go_on(&actor);
            }
            Some((actor, Job::Opening { ticket, mut open, opened, .. })) => {
                match failed {
                    [] => open.kept.settle_all(),
                    _ => open.kept.alarm = None,
                }
                self.opened(ticket, &actor, *open, *opened);
                self.go_on(&actor);
            }
            _ => {}
        }
    }

    /// Takes the job that bears a ticket off its actor, if it is one of those that are meant.
    fn finish(&mut self, ticket: Ticket, meant: impl Fn(&Job) -> bool) -> Option<(ActorId, Job)> {
        let actor = self.working.get(&ticket)?.clone();
        let job = self.actors.get_mut(&actor)?.job.take_if(|job| meant(job))?;
        self.working.remove(&ticket);
        Some((actor, job))
    }

    fn start(&mut self, actor: &ActorId, job: Job) {
        let (Job::Loading(ticket)
        | Job::Opening { ticket, .. }
        | Job::Writing { ticket, .. }
        | Job::Settling { ticket, .. }) = &job;
        self.working.insert(*ticket, actor.clone());
        self.actors.entry(actor.clone()).or_default().job = Some(job);
    }

    /// Starts what waits for an actor, as far as nothing else is under way there.
    fn go_on(&mut self, actor: &ActorId) {
        while let Some(slot) = self.actors.get_mut(actor).filter(|slot| slot.job.is_none()) {
            match slot.queue.pop_front() {
                Some((ticket, Request::Commit(batch))) => self.commit(ticket, &batch),
                Some((ticket, _)) => {
                    slot.open = None;
                    self.work.push(Work::Load { ticket, actor: actor.clone() });
                    self.start(actor, Job::Loading(ticket));
                }
                None if slot.is_leaving => drop(self.actors.remove(actor)),
                None => break,
            }
        }
    }

    fn opening(&mut self, ticket: Ticket, actor: &ActorId, opening: Opening, limits: Limits) {
        let Opening { kept, row, changes, found, calls, after } = opening;
        let next = changes.len() as u64 + 1;
        let (snapshot, chunks, inbox) = (None, Vec::new(), Vec::new());
        let opened =
            Opened { row, epoch: self.epoch, floor: 0, snapshot, chunks, read: changes, changes: Vec::new(), inbox };
        let open = Open { kept, sent: SentIds::default(), limits, epoch: self.epoch, next, found };
        if calls.is_empty() && after.is_empty() {
            return self.opened(ticket, actor, open, opened);
        }
        let job = Job::Opening { ticket, open: Box::new(open), opened: Box::new(opened), after: after.len() };
        self.start(actor, job);
        self.work.push(Work::Write { ticket, actor: actor.clone(), calls, after });
    }

    fn opened(&mut self, ticket: Ticket, actor: &ActorId, open: Open, opened: Opened) {
        let slot = self.actors.entry(actor.clone()).or_default();
        slot.open = Some(open);
        slot.in_doubt.clear();
        self.complete(ticket, Completion::Opened(opened));
    }

    fn commit(&mut self, ticket: Ticket, batch: &Batch) {
        match self.plan(batch) {
            Err(error) => {
                self.close_actor(&batch.actor);
                self.complete(ticket, Completion::Committed(Outcome::No(error)));
            }
            Ok(plan) => {
                let (after, calls): (Vec<Cause>, Vec<Call>) = plan.after.into_iter().unzip();
                let (commits, numbers) = (plan.commits, plan.numbers);
                if plan.calls.is_empty() && calls.is_empty() {
                    return self.complete(ticket, Completion::Committed(Outcome::Yes));
                }
                let actor = batch.actor.clone();
                self.start(&actor, Job::Writing { ticket, commits, numbers, after });
                self.work.push(Work::Write { ticket, actor, calls: plan.calls, after: calls });
            }
        }
    }

    fn plan(&mut self, batch: &Batch) -> Result<plan::Plan, StoreError> {
        let open = self.actors.get_mut(&batch.actor).and_then(|slot| slot.open.as_mut());
        let follows = |open: &&mut Open| {
            let seqs = batch.changes.iter().map(|change| change.seq);
            batch.epoch == open.epoch
                && !batch.changes.is_empty()
                && seqs.eq(open.next..open.next + batch.changes.len() as u64)
        };
        let open = open.filter(follows).ok_or_else(|| error::not_open(&batch.actor))?;
        open.next += batch.changes.len() as u64;
        self.stats.changes += batch.changes.len() as u64;
        plan::plan(&mut open.kept, &mut open.sent, batch, open.limits)
    }

    fn committed(
        &mut self,
        ticket: Ticket,
        actor: &ActorId,
        written: Written,
        (commits, numbers, after): (usize, Vec<(u64, u64)>, Vec<Cause>),
    ) {
        let outcome = match written {
            Written::Yes => {
                self.stats.batches += 1;
                self.stats.transactions += commits as u64;
                if !after.is_empty() {
                    self.start(actor, Job::Settling { ticket, after });
                }
                return self.complete(ticket, Completion::Committed(Outcome::Yes));
            }
            Written::No(error) if commits <= 1 => Outcome::No(error),
            Written::No(error) => Outcome::Unknown(error::in_part(error)),
            Written::Unknown(error) => Outcome::Unknown(error),
        };
        if let Some(slot) = self.actors.get_mut(actor) {
            slot.in_doubt = numbers.into_iter().map(|(seq, number)| (number, seq)).collect();
        }
        self.close_actor(actor);
        self.complete(ticket, Completion::Committed(outcome));
    }

    /// What is kept of an actor may be ahead of its rows: it must be opened again.
    fn close_actor(&mut self, actor: &ActorId) {
        if let Some(slot) = self.actors.get_mut(actor) {
            slot.open = None;
        }
    }
}

/// Notes which changes have had all their calls made.
fn settle(kept: &mut Kept, after: &[Cause], failed: &[usize]) {
    let failed: Vec<Cause> = failed.iter().filter_map(|index| after.get(*index).copied()).collect();
    for cause in after.iter().filter(|cause| !failed.contains(cause)) {
        if let Cause::Change(number) = cause {
            kept.settle(*number);
        }
    }
    if failed.contains(&Cause::Alarm) {
        kept.alarm = None;
    }
}
