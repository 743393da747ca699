//! One transaction: what came meanwhile, applied in order, made durable by one sync.
//!
//! Each batch is checked before it joins, so that one bad batch does not sink its group. The one law: nothing is answered
//! from here before the COMMIT has returned.

use rusqlite::Error as SqlError;

use super::file::File;
use super::queue::Group;
use super::trouble::{self, Kind};
use super::{forget, past, rows};
use crate::check;
use crate::contract::{Completion, Limits, Outcome, Request, Stats};
use crate::error::StoreError;
use crate::record::{ActorId, Batch};

/// A group that is durable.
pub(super) struct Done {
    pub(super) completions: Vec<Completion>,
    /// Batches and changes written.
    pub(super) batches: u64,
    pub(super) changes: u64,
    /// What was read and compacted, apart from them.
    pub(super) stats: Stats,
}

/// Why a group is not. In all but `Unknown` nothing was written.
pub(super) enum Failure {
    /// Another program has the database's write lock.
    Busy(StoreError),
    /// One of the requests cannot be served, for what it is or for what is stored of its actor.
    Spoiled(StoreError),
    Full(StoreError),
    /// The handle is final.
    Broken(StoreError),
    /// The handle is final, and the COMMIT may or may not have reached the disk.
    Unknown(StoreError),
    /// The file has a newer epoch: whoever wrote that is its owner now.
    Superseded(StoreError),
    Abandoned,
}

impl File {
    /// Applies `group` in one transaction. `abandoned` is asked just before the COMMIT.
    pub(super) fn transact(
        &mut self,
        group: &Group,
        limits: &Limits,
        abandoned: impl Fn() -> bool,
    ) -> Result<Done, Failure> {
        self.check_place().map_err(Failure::Broken)?;
        let begun = rows::run(self.db(), "BEGIN IMMEDIATE");
        begun.map_err(|error| self.back_out(&error))?;
        let epoch = rows::epoch(self.db()).map_err(|error| self.back_out(&error))?;
        if epoch != self.epoch() {
            let error = trouble::superseded(self.shown(), self.epoch(), epoch);
            self.roll_back();
            return Err(Failure::Superseded(error));
        }
        let done = self.apply_all(group, limits).map_err(|error| self.back_out(&error))?;
        if abandoned() {
            self.roll_back();
            return Err(Failure::Abandoned);
        }
        match rows::run(self.db(), "COMMIT") {
            Ok(()) => Ok(done),
            Err(error) => Err(self.commit_failed(&error)),
        }
    }

    fn apply_all(&mut self, group: &Group, limits: &Limits) -> Result<Done, SqlError> {
        let mut done =
            Done { completions: Vec::with_capacity(group.len()), batches: 0, changes: 0, stats: Stats::default() };
        for (_, request) in group {
            let completion = match request {
                Request::Open { actor, scopes } => match check::actor(actor) {
                    Ok(()) => past::open(self.db(), actor, *scopes, self.epoch(), &mut done.stats)?
                        .map_or_else(Completion::Failed, Completion::Opened),
                    Err(error) => Completion::Failed(error),
                },
                Request::Read { actor, since, up_to, scopes } => match check::actor(actor) {
                    Ok(()) => past::read(self.db(), actor, (*since, *up_to), *scopes, &mut done.stats)?
                        .map_or_else(Completion::Failed, Completion::Read),
                    Err(error) => Completion::Failed(error),
                },
                Request::Compact(piece) => {
                    let seq = self.seq(&piece.actor)?;
                    match past::compact(self.db(), piece, self.epoch(), seq, &mut done.stats)? {
                        Ok(()) => Completion::Committed(Outcome::Yes),
                        Err(refusal) => Completion::Committed(Outcome::No(refusal)),
                    }
                }
                Request::Forget(forget) => {
                    let seq = self.seq(&forget.actor)?;
                    match forget::forget(self.db(), forget, self.epoch(), seq)? {
                        Ok(done) => {
                            if done {
                                self.remember(&forget.actor, 0);
                            }
                            Completion::Forgot { done }
                        }
                        Err(refusal) => Completion::Committed(Outcome::No(refusal)),
                    }
                }
                Request::Alarms { after, limit } => Completion::Alarms(rows::due(self.db(), after.as_ref(), *limit)?),
                Request::Actors { namespace, after, limit } => {
                    let listed = rows::actors(self.db(), namespace, after.as_deref(), *limit)?;
                    listed.map_or_else(Completion::Failed, Completion::Actors)
                }
                Request::Note { puts } => {
                    rows::note(self.db(), puts)?;
                    Completion::Committed(Outcome::Yes)
                }
                Request::Notes { prefix } => Completion::Notes(rows::notes(self.db(), prefix)?),
                Request::Commit(batch) => match self.apply(batch, limits)? {
                    Ok(()) => {
                        done.batches += 1;
                        done.changes += batch.changes.len() as u64;
                        Completion::Committed(Outcome::Yes)
                    }
                    Err(refusal) => Completion::Committed(Outcome::No(refusal)),
                },
            };
            done.completions.push(completion);
        }
        Ok(done)
    }

    /// Writes a batch, or refuses it and leaves the transaction as it was.
    fn apply(&mut self, batch: &Batch, limits: &Limits) -> Result<Result<(), StoreError>, SqlError> {
        let seq = self.seq(&batch.actor)?;
        if let Err(refusal) = check::shape(batch, limits).and_then(|()| check::fence(batch, self.epoch(), seq)) {
            return Ok(Err(refusal));
        }
        let written = rows::write(self.db(), batch)?;
        if let (Ok(()), Some(last)) = (&written, batch.changes.last()) {
            self.remember(&batch.actor, last.seq);
        }
        Ok(written)
    }

    /// The seq of an actor's newest change; 0 if it has none.
    fn seq(&mut self, actor: &ActorId) -> Result<u64, SqlError> {
        if let Some(seq) = self.remembered(actor) {
            return Ok(seq);
        }
        let seq = rows::seq(self.db(), actor)?.unwrap_or(0);
        self.remember(actor, seq);
        Ok(seq)
    }

    /// What an error before the COMMIT means, after rolling back.
    fn back_out(&mut self, error: &SqlError) -> Failure {
        let rolled_back = self.roll_back();
        let said = trouble::describe(self.shown(), error);
        match trouble::kind(error) {
            _ if !rolled_back => Failure::Broken(said),
            Kind::Busy => Failure::Busy(said),
            Kind::Full => Failure::Full(said),
            Kind::Spoiled => Failure::Spoiled(said),
            Kind::Broken => Failure::Broken(said),
        }
    }

    /// What an error of the COMMIT means. A full disk is told by the write of a frame before the one that commits, or of
    /// that one in part: no recovery takes it for whole. (A sync that finds the disk full is an error of input and
    /// output, as any other that a sync reports.)
    fn commit_failed(&mut self, error: &SqlError) -> Failure {
        match trouble::kind(error) {
            Kind::Busy | Kind::Full => self.back_out(error),
            Kind::Spoiled | Kind::Broken => Failure::Unknown(trouble::describe(self.shown(), error)),
        }
    }
}
