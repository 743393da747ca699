//! For tests: a store of one actor, row by row.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Contents, Kept, Plan, Retention, Snapshot, compact};
use crate::actor::Actor;
use crate::codec::change::ChangeWriter;
use crate::ids::CommitId;
use crate::load::{Loaded, OpenError};
use crate::past;

/// What a store keeps of one actor.
#[derive(Clone, Default)]
pub struct Disk {
    pub changes: BTreeMap<u64, Bytes>,
    pub snapshots: BTreeMap<u64, Snapshot>,
    pub chunks: BTreeMap<u64, Bytes>,
}

impl Disk {
    pub fn newest(&self) -> u64 {
        self.changes.keys().chain(self.snapshots.keys()).copied().max().unwrap_or(0)
    }

    pub fn append(&mut self, write: impl FnOnce(&mut ChangeWriter)) {
        let seq = self.newest() + 1;
        let mut writer = ChangeWriter::new(CommitId([seq as u8; 16]), seq as i64);
        write(&mut writer);
        self.changes.insert(seq, writer.finish(seq));
    }

    fn contents(&self, snapshot: &Snapshot, closed: bool) -> Contents {
        let numbers = snapshot.open.iter().chain(snapshot.closed.iter().filter(|_| closed));
        let chunks = numbers.map(|number| (*number, self.chunks[number].clone())).collect();
        Contents { snapshot: snapshot.clone(), chunks }
    }

    /// As a store reads what is kept up to a change; none if that is not whole.
    pub fn read(&self, up_to: u64, closed: bool) -> Option<past::Kept> {
        let newest = self.snapshots.range(..=up_to).next_back().map(|(_, snapshot)| self.contents(snapshot, closed));
        let after = newest.as_ref().map_or(0, |contents| contents.snapshot.seq);
        let changes: Vec<_> = self.changes.range(after + 1..).take_while(|(seq, _)| **seq <= up_to).collect();
        let changes: Vec<_> = changes.into_iter().map(|(seq, body)| (*seq, body.clone())).collect();
        (changes.len() as u64 == up_to.saturating_sub(after)).then_some(past::Kept { snapshot: newest, changes })
    }

    /// As a host plans: from what is open, and from all if that does not do.
    pub fn plan(&self, retention: Retention) -> Option<Plan> {
        match compact(&self.kept(false), retention) {
            Err(OpenError::NeedsAll { .. }) => compact(&self.kept(true), retention).unwrap(),
            planned => planned.unwrap(),
        }
    }

    pub fn kept(&self, closed: bool) -> Kept {
        let past = self.read(self.newest(), closed).unwrap();
        Kept {
            newest: past.snapshot,
            changes: past.changes,
            snapshots: self.snapshots.values().cloned().collect(),
            all_chunks: self.chunks.keys().copied().collect(),
            oldest_change: self.changes.keys().next().copied(),
        }
    }

    /// Does so many rows of a plan, in its order, and then dies. Returns whether that was all.
    pub fn apply(&mut self, plan: Plan, mut rows: usize) -> bool {
        let mut left = || {
            rows = rows.wrapping_sub(1);
            rows != usize::MAX
        };
        for (number, body) in plan.put_chunks {
            if !left() {
                return false;
            }
            self.chunks.insert(number, body);
        }
        if !left() {
            return false;
        }
        self.snapshots.insert(plan.snapshot.seq, plan.snapshot);
        self.snapshots = self.snapshots.split_off(&plan.drop_snapshots.unwrap_or(0));
        let (oldest, through) = plan.drop_changes.unwrap_or((1, 0));
        for seq in oldest..=through {
            if !left() {
                return false;
            }
            self.changes.remove(&seq);
        }
        for number in plan.drop_chunks {
            if !left() {
                return false;
            }
            self.chunks.remove(&number);
        }
        true
    }

    /// As an opening loads it, with what is closed or without.
    pub fn open(&self, closed: bool) -> Result<Actor, OpenError> {
        let past::Kept { snapshot, changes } = self.read(self.newest(), closed).unwrap();
        Actor::open(Loaded { snapshot, changes, ..Loaded::default() }, 1, 1)
    }
}
