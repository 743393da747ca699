//! Forgetting an actor that was destroyed, slice by slice as a store on disk does it.

use std::collections::HashSet;

use super::{Actor, Database};
use crate::check;
use crate::error::StoreError;
use crate::record::{Forget, SLICE_ROWS};

impl Database {
    /// Takes a slice away. Returns whether it was the last one.
    pub(super) fn forget(&mut self, forget: &Forget, epoch: u64) -> Result<bool, StoreError> {
        let seq = self.actors.get(&forget.actor).map_or(0, |stored| stored.row.seq);
        check::forgetting(forget, epoch, seq)?;
        let Some(stored) = self.actors.get_mut(&forget.actor) else { return Ok(true) };
        if stored.drop_needless() == SLICE_ROWS {
            return Ok(false);
        }
        check::last_slice(forget, stored.changes.len() + stored.chunks.len())?;
        self.actors.remove(&forget.actor);
        self.floor = self.floor.max(forget.floor);
        Ok(true)
    }
}

impl Actor {
    /// Takes away what the newest snapshot makes needless, at most a slice of it. Returns how many rows that were.
    fn drop_needless(&mut self) -> usize {
        let Some(newest) = self.snapshots.values().next_back() else { return 0 };
        let (seq, needed) = (newest.seq, newest.open.iter().chain(&newest.closed).copied().collect::<HashSet<u64>>());
        let needless = self.changes.range(..=seq).map(|(seq, _)| *seq);
        let changes: Vec<u64> = needless.take(SLICE_ROWS).collect();
        let older = self.snapshots.range(..seq).map(|(seq, _)| *seq);
        let snapshots: Vec<u64> = older.take(SLICE_ROWS - changes.len()).collect();
        let left = SLICE_ROWS - changes.len() - snapshots.len();
        let chunks: Vec<u64> =
            self.chunks.keys().filter(|number| !needed.contains(number)).take(left).copied().collect();
        changes.iter().for_each(|seq| drop(self.changes.remove(seq)));
        snapshots.iter().for_each(|seq| drop(self.snapshots.remove(seq)));
        chunks.iter().for_each(|number| drop(self.chunks.remove(number)));
        changes.len() + snapshots.len() + chunks.len()
    }
}
