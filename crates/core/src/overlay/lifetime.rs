//! How long an actor stays that is over: its time is counted from its newest change, so whatever writes to it keeps it.

use super::{Overlay, Standing};
use crate::actor::STATE;
use crate::input::Time;
use crate::output::Status;

impl Overlay {
    /// When an actor of this status is over; none: it is not on its way to that. One with further cells has clients connected.
    pub fn over_at(&self, standing: Standing) -> Option<Time> {
        Some(self.newest.saturating_add(self.lifetime_ms(standing.status)?))
    }

    pub(super) fn lifetime_ms(&self, status: Status) -> Option<i64> {
        match status {
            Status::Completed | Status::Failed | Status::Cancelled => {
                let is_connected = || self.cells.keys().any(|name| name != STATE);
                self.lifetimes.ended_ms.filter(|_| !is_connected())
            }
            Status::None if self.is_destroyed => self.lifetimes.destroyed_ms,
            _ => None,
        }
    }
}
