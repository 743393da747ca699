//! When the driver is to wake a run, and in which order it is told: never later than what is stored needs.

use pawl_store::Status;

use crate::work::Call;

/// When the driver is to wake a run; the outer `None`: what runs, and what has no run, leaves the alarm alone.
pub fn wanted(status: Status, alarm: Option<i64>) -> Option<Option<i64>> {
    match status {
        Status::None | Status::Running | Status::RollingBack => None,
        Status::Waiting | Status::Parked => Some(alarm),
        Status::Completed | Status::Failed | Status::Cancelled | Status::Quarantined => Some(None),
    }
}

/// What is known of an alarm when changes are written.
pub struct Alarm {
    /// What the driver has been told; the outer `None`: that is not known.
    pub told: Option<Option<i64>>,
    /// What the change that is stored needs.
    pub stored: Option<i64>,
    pub wanted: Option<i64>,
    /// The earliest that a change needs which is written before the last one.
    pub between: Option<i64>,
    pub now: i64,
    /// A run that completes clears its alarm whether there is one or not, as in the other engine.
    pub completes: bool,
}

impl Alarm {
    /// The call before the changes are written, and the one after.
    pub fn calls(&self) -> (Option<Call>, Option<Call>) {
        let coming = self.told.unwrap_or(self.stored).filter(|told| *told > self.now);
        let needed = self.between.filter(|between| self.wanted.is_none_or(|wanted| *between < wanted));
        if let Some(needed) = needed {
            let at = coming.map_or(needed, |told| told.min(needed));
            return (Some(Call::SetAlarm { at }), Some(self.exact()));
        }
        match (coming, self.wanted) {
            _ if self.told == Some(self.wanted) && !self.completes => (None, None),
            (Some(stored), _) if self.told.is_none() && self.wanted != Some(stored) => {
                let at = self.wanted.map_or(stored, |wanted| wanted.min(stored));
                (Some(Call::SetAlarm { at }), Some(self.exact()))
            }
            (_, None) => (None, Some(self.exact())),
            (Some(told), Some(wanted)) if told < wanted => (None, Some(self.exact())),
            _ => (Some(self.exact()), None),
        }
    }

    fn exact(&self) -> Call {
        self.wanted.map_or(Call::ClearAlarm, |at| Call::SetAlarm { at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_told_what_is_earlier_before_and_what_is_later_after() {
        let set = |at| Some(Call::SetAlarm { at });
        let clear = || Some(Call::ClearAlarm);
        let calls = |told, wanted, between| {
            Alarm { told, stored: Some(4_500), wanted, between, now: 1_000, completes: false }.calls()
        };
        assert_eq!(calls(Some(None), Some(5_000), None), (set(5_000), None));
        assert_eq!(calls(Some(Some(5_000)), Some(5_000), None), (None, None));
        assert_eq!(calls(Some(Some(5_000)), Some(4_000), None), (set(4_000), None));
        assert_eq!(calls(Some(Some(5_000)), Some(6_000), None), (None, set(6_000)));
        assert_eq!(calls(Some(Some(900)), Some(6_000), None), (set(6_000), None), "one that has rung");
        assert_eq!(calls(None, Some(6_000), None), (set(4_500), set(6_000)));
        assert_eq!(calls(None, Some(4_500), None), (set(4_500), None));
        assert_eq!(calls(None, None, None), (set(4_500), clear()));
        assert_eq!(calls(Some(Some(5_000)), None, None), (None, clear()));
        assert_eq!(calls(Some(None), None, None), (None, None));
        assert_eq!(calls(Some(Some(5_000)), Some(7_000), Some(6_000)), (set(5_000), set(7_000)));
        assert_eq!(calls(Some(Some(5_000)), None, Some(3_000)), (set(3_000), clear()));
        let completes = Alarm { told: Some(None), stored: None, wanted: None, between: None, now: 0, completes: true };
        assert_eq!(completes.calls(), (None, clear()));
    }
}
