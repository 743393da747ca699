//! The thread: serves the queue over one session, and gets another when that one breaks.
//!
//! | the transaction               | its batches                   | then                      |
//! | ----------------------------- | ----------------------------- | ------------------------- |
//! | is committed                  | `Yes`; the fenced ones `No`   | the next group            |
//! | met another (40001, 40P01)    | wait                          | again, for a while        |
//! | failed on one of several      | wait                          | each alone                |
//! | failed on its only one        | `No`                          | the next group            |
//! | broke before its COMMIT       | `No`                          | a new session             |
//! | broke without an answer       | `Unknown`                     | a new session             |

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pawl_store::{
    ActorId, Batch, Call, Change, Compaction, Completion, Forget, News, OpenOptions, Outcome, Scopes, Sharing, Stats,
    Status, StoreError, StoreInfo, Ticket, check,
};
use tokio::sync::Notify;
use tokio_postgres::Error as PgError;

use crate::connect::{self, Session, connect};
use crate::group::{Transacted, transact};
use crate::lease::Lease;
use crate::messages::Held;
use crate::open::Claim;
use crate::queue::{End, Group, Last, Next, Queue, Unit};
use crate::trouble::{self, Kind};
use crate::url::Place;
use crate::{events, forget, messages, open, past, queue, schema, share};

/// Between two tries to connect: from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long the closing of a store waits for the server to hear of it.
const PARTING: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    place: Place,
    options: OpenOptions,
    queue: Arc<Queue>,
    stats: Stats,
    /// The number of this opening.
    process: u64,
    /// How many claims and transactions were numbered.
    numbered: u64,
    /// How many events have been told.
    told: u64,
    session: Option<Session>,
    /// Others may have work from us.
    tell: Arc<Notify>,
    /// Told when there is something to look for.
    look: Arc<Notify>,
    /// The actors that whoever drives the store has open, as far as the requests have come.
    held: HashSet<ActorId>,
    /// Whoever was sent something by a transaction of which nobody knows the outcome: their messages may be noted as known and
    /// are not.
    doubtful: HashSet<ActorId>,
}

type Answers = Vec<(Ticket, Completion)>;

impl Server {
    pub(crate) fn new(place: Place, options: OpenOptions, queue: Arc<Queue>) -> Server {
        let tell = Arc::default();
        Server {
            place,
            options,
            queue,
            stats: Stats::default(),
            process: 0,
            numbered: 0,
            told: 0,
            session: None,
            tell,
            look: Arc::default(),
            held: HashSet::new(),
            doubtful: HashSet::new(),
        }
    }

    /// The body of the thread.
    pub(crate) fn run(mut self) {
        let queue = self.queue.clone();
        let closed = StoreError::closed(&self.place.shown);
        let panicked = trouble::panicked(&self.place.shown);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| StoreError::unavailable(error.to_string()))?;
            runtime.block_on(self.live())
        }));
        let reason = match ended {
            Ok(Ok(())) => closed,
            Ok(Err(error)) => error,
            Err(_) => panicked,
        };
        // Whatever panics here is the caller's wake; there is nobody left to be told.
        drop(catch_unwind(AssertUnwindSafe(|| queue.shut(reason))));
    }

    async fn live(&mut self) -> Result<(), StoreError> {
        let client = connect(&self.place, None).await?;
        let identity = schema::enter(&client, &self.place).await?;
        self.process = identity.process;
        let lease = Lease::new(&self.place, self.process, &self.queue, &self.options);
        // Without its second session a process would serve for the time of a lease, and then be taken for dead.
        let second = lease.connect().await?;
        connect::check_apart(&client, &second, &self.place).await?;
        (self.tell, self.look) = (lease.tell.clone(), lease.heard.clone());
        let said = |error: PgError| trouble::describe(&self.place.shown, &error);
        lease.renew(&client).await.map_err(said)?;
        lease.sweep(&client).await.map_err(said)?;
        self.session = Some(Session::on(client, &self.place, &self.options.code).await?);
        let parting = Lease::new(&self.place, self.process, &self.queue, &self.options);
        let renewing = tokio::spawn(lease.run(second));
        let url: Arc<str> = self.place.shown.as_str().into();
        let info = StoreInfo { id: identity.id, url, epoch: self.process };
        self.queue.announce(self.process, Completion::Ready(info));
        let end = self.serve().await;
        renewing.abort();
        if end == End::Close
            && let Ok(session) = self.session().await
        {
            // What is not told is found out when the lease has run out.
            drop(tokio::time::timeout(PARTING, parting.end(&session.client)).await);
        }
        Ok(())
    }

    async fn serve(&mut self) -> End {
        loop {
            let limits = self.options.limits;
            match self.queue.clone().next(&limits).await {
                Next::End(end) => return end,
                Next::Group(group) => self.group(*group).await,
            }
        }
    }

    /// A session that works, for as long as it is worth trying.
    async fn session(&mut self) -> Result<&Session, StoreError> {
        if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
            self.session = None;
            let started = Instant::now();
            let (mut pause, longest) = PAUSES;
            let session = loop {
                match Session::begin(&self.place, &self.options.code).await {
                    Ok(session) => break session,
                    Err(error) if !error.retryable || started.elapsed() > self.options.busy_patience => {
                        return Err(error);
                    }
                    Err(error) => {
                        if self.queue.pause(pause).await.is_some() && started.elapsed() > PARTING / 5 {
                            return Err(error);
                        }
                    }
                }
                pause = longest.min(pause * 2);
            };
            self.stats.reopenings += 1;
            self.session = Some(session);
        }
        self.session.as_ref().ok_or_else(|| StoreError::unavailable(self.place.shown.clone()))
    }

    /// Serves a group, and answers it.
    async fn group(&mut self, group: Group) {
        let Group { units, shared, releases, opens, verify, last, refused } = group;
        let mut answers = refused;
        if !units.is_empty() {
            answers.extend(self.commit(&units).await);
            if units.values().flat_map(|unit| &unit.batches).any(|batch| self.concerns_others(batch)) {
                self.tell.notify_one();
            }
        }
        answers.extend(self.share(shared).await);
        if !releases.is_empty() {
            let process = self.process;
            for actor in &releases {
                self.held.remove(actor);
            }
            if let Ok(session) = self.session().await {
                // Those that this does not reach are given up with the lease.
                drop(open::release(session, process, &releases).await);
            }
        }
        if !opens.is_empty() {
            answers.extend(self.open(opens).await);
            self.tell_again().await;
        }
        if let Some(until) = verify {
            self.verify(until).await;
        }
        match last {
            None => {}
            Some((ticket, Last::List { after, limit })) => answers.push((ticket, self.list(after, limit).await)),
            Some((ticket, Last::Actors { namespace, after, limit })) => {
                answers.push((ticket, self.actors(&namespace, after.as_deref(), limit).await));
            }
            Some((ticket, Last::Read { actor, since, up_to, scopes })) => {
                answers.push((ticket, self.read(&actor, (since, up_to), scopes).await));
            }
            Some((ticket, Last::Note(puts))) => {
                answers.push((ticket, Completion::Committed(self.note(&puts).await)));
            }
            Some((ticket, Last::Notes(prefix))) => answers.push((ticket, self.notes(&prefix).await)),
            Some((ticket, Last::Compact(piece))) => {
                answers.push((ticket, Completion::Committed(self.compact(&piece).await)));
            }
            Some((ticket, Last::Forget(forget))) => answers.push((ticket, self.forget(&forget).await)),
        }
        self.queue.finish(answers, self.stats);
    }

    /// Opening an actor decides what became of its changes: what they have sent is looked for from then on.
    async fn tell_again(&mut self) {
        let (process, doubtful) = (self.process, Vec::from_iter(self.doubtful.drain()));
        if doubtful.is_empty() {
            return;
        }
        match self.patiently(async |session, _| share::forget(session, &doubtful, process).await).await {
            Ok(()) => self.look.notify_one(),
            Err(_) => self.doubtful.extend(doubtful),
        }
    }

    /// The lease holds again until `until`: finds out what of ours is not ours any more. If that cannot be found out now, the
    /// next renewal asks for it again.
    async fn verify(&mut self, until: Instant) {
        let process = self.process;
        if let Ok(ours) = self.patiently(async |session, _| open::ours(session, process).await).await {
            let taken: Vec<ActorId> = self.held.iter().filter(|actor| !ours.contains(*actor)).cloned().collect();
            self.held.retain(|actor| ours.contains(actor));
            self.queue.verified(taken, until);
            self.listen(&events::wanted(&self.queue)).await;
        }
    }

    /// Whether another process may wait for what a batch says.
    fn concerns_others(&self, batch: &Batch) -> bool {
        let ended = |change: &Change| {
            matches!(change.status, Status::Completed | Status::Failed | Status::Cancelled | Status::Parked)
        };
        let held = Held { process: self.process, actors: &self.held };
        let sent_away = |change: &Change| {
            change
                .put
                .iter()
                .any(|put| put.receiver != batch.actor.name && !held.has(&batch.actor.namespace, &put.receiver))
        };
        batch.changes.iter().any(|change| ended(change) || !change.answers.is_empty() || sent_away(change))
    }

    /// Does what concerns other processes, in its order but for the calls, which go together.
    async fn share(&mut self, shared: Vec<(Ticket, Sharing)>) -> Answers {
        let mut answers = Answers::new();
        let (mut calls, mut told, mut wanted) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (ticket, sharing) in shared {
            let done = match sharing {
                Sharing::Listen { actor, listens } => {
                    wanted.insert(actor, listens);
                    continue;
                }
                Sharing::Event { actor, body } => {
                    told.push((actor, body));
                    continue;
                }
                Sharing::Heed(process) => {
                    self.queue.hearing().heeded.insert(process);
                    continue;
                }
                Sharing::Call(call) => {
                    calls.push((ticket, call));
                    continue;
                }
                Sharing::Watch(actor) => {
                    self.queue.awaited().runs.insert(actor);
                    self.look.notify_one();
                    continue;
                }
                Sharing::Answer { actor, epoch, answer } => {
                    // One that cannot be recorded is asked for again.
                    drop(self.patiently(async |session, _| share::answer(session, &actor, epoch, &answer).await).await);
                    self.tell.notify_one();
                    continue;
                }
                Sharing::Inbox(actor) => {
                    let process = self.process;
                    let read = async |session: &Session, again| share::inbox(session, &actor, process, again).await;
                    self.patiently(read).await.map(News::Arrived)
                }
                Sharing::Check { actor, epoch } => {
                    let read = async |session: &Session, _| open::standing(session, &actor).await;
                    let standing = self.patiently(read).await;
                    standing.map(|found| News::Holds(found.is_some_and(|(present, _)| present == epoch)))
                }
            };
            answers.push((ticket, Completion::News(done.unwrap_or_else(News::Failed))));
        }
        self.listen(&wanted).await;
        self.tell_events(&told).await;
        if !calls.is_empty() {
            answers.extend(self.ask(calls).await);
        }
        answers
    }

    /// Notes who is listened to: before any call is made, so that what it causes is heard.
    async fn listen(&mut self, wanted: &BTreeMap<ActorId, bool>) {
        if wanted.is_empty() {
            return;
        }
        let (process, queue) = (self.process, self.queue.clone());
        // What cannot be noted now is heard of late, or not: a gap in the numbers.
        drop(self.patiently(async |session, _| events::listen(session, process, wanted, &queue).await).await);
        self.look.notify_one();
        self.tell.notify_one();
    }

    async fn tell_events(&mut self, told: &[(ActorId, Bytes)]) {
        if told.is_empty() {
            return;
        }
        let (process, first) = (self.process, self.told + 1);
        self.told += told.len() as u64;
        drop(self.patiently(async |session, _| events::tell(session, process, first, told).await).await);
        self.tell.notify_one();
    }

    async fn ask(&mut self, calls: Vec<(Ticket, Call)>) -> Answers {
        let asked: Vec<&Call> = calls.iter().map(|(_, call)| call).collect();
        let done = self.patiently(async |session, _| share::ask(session, &asked).await).await;
        if let Err(error) = done {
            let refused =
                |(ticket, call): &(Ticket, Call)| queue::undone(*ticket, &Sharing::Call(call.clone()), &error);
            return calls.iter().filter_map(refused).collect();
        }
        let mut awaited = self.queue.awaited();
        awaited.calls.extend(calls.into_iter().map(|(_, call)| ((call.actor, call.id), Instant::now())));
        drop(awaited);
        self.tell.notify_one();
        Answers::new()
    }

    /// Something that may be done twice, as often as it takes. It is told whether an earlier try has failed.
    async fn patiently<R>(
        &mut self,
        work: impl AsyncFn(&Session, bool) -> Result<R, PgError>,
    ) -> Result<R, StoreError> {
        let started = Instant::now();
        let mut again = false;
        loop {
            let done = work(self.session().await?, again).await;
            match done {
                Ok(done) => return Ok(done),
                Err(error) if self.may_try_again(&error, started) => again = true,
                Err(error) => return Err(trouble::describe(&self.place.shown, &error)),
            }
        }
    }

    /// Commits units, together if that can be, otherwise batch by batch.
    async fn commit(&mut self, units: &BTreeMap<ActorId, Unit>) -> Answers {
        let all: Vec<(&ActorId, &Unit)> = units.iter().collect();
        let several = units.values().map(|unit| unit.batches.len()).sum::<usize>() > 1;
        if let Some(answers) = self.transaction(&all, several).await {
            return answers;
        }
        let mut answers = Answers::new();
        for (actor, unit) in units {
            for (ticket, batch) in unit.tickets.iter().zip(&unit.batches) {
                let alone = Unit { tickets: vec![*ticket], batches: vec![batch.clone()] };
                answers.extend(self.transaction(&[(actor, &alone)], false).await.unwrap_or_default());
            }
        }
        answers
    }

    /// One transaction, as often as it takes. None: its batches are to be tried alone.
    async fn transaction(&mut self, units: &[(&ActorId, &Unit)], several: bool) -> Option<Answers> {
        let started = Instant::now();
        loop {
            let mark = self.number().cast_signed();
            if let Err(error) = self.session().await {
                return Some(refuse(units, &error));
            }
            let Some(session) = &self.session else { continue };
            let held = Held { process: self.process, actors: &self.held };
            let transacted = transact(session, units, &held, mark).await;
            let shown = self.place.shown.clone();
            let error = match transacted {
                Transacted::Done(passed) => return Some(self.done(units, &passed).await),
                Transacted::Conflict(_) if started.elapsed() < 2 * self.options.busy_patience => continue,
                Transacted::Spoiled(_) if several => return None,
                Transacted::Spoiled(error) => return Some(self.spoiled(units, &error).await),
                Transacted::Conflict(error) => trouble::describe(&shown, &error),
                Transacted::Broken(error) => {
                    self.session = None;
                    trouble::describe(&shown, &error)
                }
                Transacted::Unknown(error) => {
                    self.session = None;
                    self.doubtful.extend(receivers(units));
                    let unknown = trouble::describe(&shown, &error).into_unknown();
                    return Some(answer(units, |_| Outcome::Unknown(unknown.clone())));
                }
            };
            return Some(refuse(units, &error));
        }
    }

    /// The answers of a transaction that is durable, but for those whose fence has not held.
    async fn done(&mut self, units: &[(&ActorId, &Unit)], passed: &HashSet<ActorId>) -> Answers {
        let written = units.iter().filter(|(actor, _)| passed.contains(actor)).flat_map(|(_, unit)| &unit.batches);
        let changes: Vec<u64> = written.map(|batch| batch.changes.len() as u64).collect();
        self.stats.batches += changes.len() as u64;
        self.stats.changes += changes.iter().sum::<u64>();
        self.stats.transactions += u64::from(!changes.is_empty());
        let mut answers = Answers::new();
        for (actor, unit) in units {
            if passed.contains(actor) {
                answers.extend(answer(&[(actor, unit)], |_| Outcome::Yes));
                continue;
            }
            self.held.remove(*actor);
            let standing = match self.session().await {
                Ok(session) => open::standing(session, actor).await.ok().flatten(),
                Err(_) => None,
            };
            answers.extend(answer(&[(actor, unit)], |batch| Outcome::No(fenced(batch, standing))));
        }
        answers
    }

    /// The answer to the one batch of a transaction that was refused.
    async fn spoiled(&mut self, units: &[(&ActorId, &Unit)], error: &PgError) -> Answers {
        let mut refusal = trouble::describe(&self.place.shown, error).not_retryable();
        if let Ok(session) = self.session().await
            && let Some(batch) = units.first().and_then(|(_, unit)| unit.batches.first())
            && let Ok(Some(misfit)) = messages::misfit(&session.client, batch).await
        {
            refusal = misfit;
        }
        refuse(units, &refusal)
    }

    async fn open(&mut self, opens: Vec<(Ticket, ActorId, Scopes)>) -> Answers {
        let started = Instant::now();
        loop {
            let mut claim = |scopes| Claim { epoch: self.number(), scopes };
            let claims: BTreeMap<ActorId, Claim> =
                opens.iter().map(|(_, actor, scopes)| (actor.clone(), claim(*scopes))).collect();
            let process = self.process;
            let opened = match self.session().await {
                Ok(session) => open::open(session, process, &claims).await,
                Err(error) => return fail(&opens, &error),
            };
            match opened {
                Ok(mut opened) => {
                    let stats = &mut self.stats;
                    let held = &mut self.held;
                    let found = |(ticket, actor, _): &(Ticket, ActorId, Scopes)| {
                        let answer = opened.remove(actor)?;
                        if answer.is_ok() {
                            held.insert(actor.clone())
                        } else {
                            held.remove(actor)
                        };
                        answer.iter().for_each(|opened| stats.read(&opened.chunks, &opened.changes));
                        Some((*ticket, answer.map_or_else(Completion::Failed, Completion::Opened)))
                    };
                    return opens.iter().filter_map(found).collect();
                }
                Err(error) if self.may_try_again(&error, started) => {}
                Err(error) => return fail(&opens, &trouble::describe(&self.place.shown, &error)),
            }
        }
    }

    async fn list(&mut self, after: Option<ActorId>, limit: usize) -> Completion {
        let process = self.process;
        let listed = self.patiently(async |session, _| open::due(session, process, after.as_ref(), limit).await).await;
        listed.map_or_else(Completion::Failed, Completion::Alarms)
    }

    async fn actors(&mut self, namespace: &str, after: Option<&str>, limit: usize) -> Completion {
        let started = Instant::now();
        loop {
            let listed = match self.session().await {
                Ok(session) => past::list(&session.client, namespace, after, limit).await,
                Err(error) => return Completion::Failed(error),
            };
            match listed {
                Ok(listed) => return listed.map_or_else(Completion::Failed, Completion::Actors),
                Err(error) if self.may_try_again(&error, started) => {}
                Err(error) => return Completion::Failed(trouble::describe(&self.place.shown, &error)),
            }
        }
    }

    /// Written twice they are the same, so that an outcome of which nobody knows is tried again.
    async fn note(&mut self, puts: &[(Arc<str>, Option<Bytes>)]) -> Outcome {
        let started = Instant::now();
        loop {
            let noted = match self.session().await {
                Ok(session) => past::note(&session.client, puts).await,
                Err(error) => return Outcome::No(error),
            };
            match noted {
                Ok(()) => return Outcome::Yes,
                Err(error) if self.may_try_again(&error, started) => {}
                Err(error) => return Outcome::No(trouble::describe(&self.place.shown, &error)),
            }
        }
    }

    async fn notes(&mut self, prefix: &str) -> Completion {
        let started = Instant::now();
        loop {
            let process = self.process;
            let found = match self.session().await {
                Ok(session) if prefix == pawl_store::PROCESSES => past::processes(&session.client, process).await,
                Ok(session) => past::notes(&session.client, prefix).await,
                Err(error) => return Completion::Failed(error),
            };
            match found {
                Ok(notes) => return Completion::Notes(notes),
                Err(error) if self.may_try_again(&error, started) => {}
                Err(error) => return Completion::Failed(trouble::describe(&self.place.shown, &error)),
            }
        }
    }

    async fn read(&mut self, actor: &ActorId, range: (u64, u64), scopes: Scopes) -> Completion {
        let started = Instant::now();
        loop {
            let read = match self.session().await {
                Ok(session) => past::read(&session.client, actor, range, scopes).await,
                Err(error) => return Completion::Failed(error),
            };
            match read {
                Ok(Ok(past)) => {
                    self.stats.read(&past.chunks, &past.changes);
                    return Completion::Read(past);
                }
                Ok(Err(error)) => return Completion::Failed(error),
                Err(error) if self.may_try_again(&error, started) => {}
                Err(error) => return Completion::Failed(trouble::describe(&self.place.shown, &error)),
            }
        }
    }

    async fn forget(&mut self, of: &Forget) -> Completion {
        let started = Instant::now();
        loop {
            let mark = self.number().cast_signed();
            let forgotten = match self.session().await {
                Ok(session) => forget::forget(&session.client, of, mark).await,
                Err(error) => return Completion::Committed(Outcome::No(error)),
            };
            match forgotten {
                Ok(Ok(done)) => return Completion::Forgot { done },
                Ok(Err(refusal)) => return Completion::Committed(Outcome::No(refusal)),
                Err((false, error)) if self.may_try_again(&error, started) => {}
                Err((in_doubt, error)) => {
                    let said = trouble::describe(&self.place.shown, &error);
                    if !in_doubt || trouble::is_certain(&error) {
                        return Completion::Committed(Outcome::No(said));
                    }
                    self.session = None;
                    return Completion::Committed(Outcome::Unknown(said.into_unknown()));
                }
            }
        }
    }

    async fn compact(&mut self, piece: &Compaction) -> Outcome {
        let started = Instant::now();
        loop {
            let mark = self.number().cast_signed();
            let compacted = match self.session().await {
                Ok(session) => past::compact(&session.client, piece, mark).await,
                Err(error) => return Outcome::No(error),
            };
            let shown = self.place.shown.clone();
            match compacted {
                Ok(Ok(())) => {
                    self.stats.compacted(piece);
                    return Outcome::Yes;
                }
                Ok(Err(refusal)) => return Outcome::No(refusal),
                Err((true, error)) if !trouble::is_certain(&error) => {
                    let unknown = trouble::describe(&shown, &error).into_unknown();
                    self.session = None;
                    return Outcome::Unknown(unknown);
                }
                Err((_, error)) if self.may_try_again(&error, started) => {}
                Err((_, error)) => return Outcome::No(trouble::describe(&shown, &error)),
            }
        }
    }

    /// Whether what only reads, or claims, is worth another try; a broken session is left behind.
    fn may_try_again(&mut self, error: &PgError, started: Instant) -> bool {
        let kind = trouble::kind(error);
        if kind == Kind::Broken {
            self.session = None;
        }
        matches!(kind, Kind::Broken | Kind::Conflict) && started.elapsed() < 2 * self.options.busy_patience
    }

    /// A number that no process has used before: for a claim, or for a transaction.
    fn number(&mut self) -> u64 {
        self.numbered += 1;
        (self.process << schema::CLAIM_BITS) | self.numbered
    }
}

fn receivers(units: &[(&ActorId, &Unit)]) -> Vec<ActorId> {
    let mut receivers = Vec::new();
    for batch in units.iter().flat_map(|(_, unit)| &unit.batches) {
        let puts = batch.changes.iter().flat_map(|change| &change.put);
        receivers.extend(puts.map(|put| ActorId::new(batch.actor.namespace.clone(), put.receiver.clone())));
    }
    receivers
}

fn answer(units: &[(&ActorId, &Unit)], outcome: impl Fn(&Batch) -> Outcome) -> Answers {
    let batches = units.iter().flat_map(|(_, unit)| unit.tickets.iter().zip(&unit.batches));
    batches.map(|(ticket, batch)| (*ticket, Completion::Committed(outcome(batch)))).collect()
}

fn refuse(units: &[(&ActorId, &Unit)], error: &StoreError) -> Answers {
    answer(units, |_| Outcome::No(error.clone()))
}

fn fail(opens: &[(Ticket, ActorId, Scopes)], error: &StoreError) -> Answers {
    opens.iter().map(|(ticket, ..)| (*ticket, Completion::Failed(error.clone()))).collect()
}

/// Why a fence has not held, as far as can be told afterwards.
fn fenced(batch: &Batch, standing: Option<(u64, u64)>) -> StoreError {
    let (epoch, seq) = standing.unwrap_or((0, 0));
    check::fence(batch, epoch, seq).err().unwrap_or_else(|| StoreError::fenced(&batch.actor, batch.epoch, epoch))
}
