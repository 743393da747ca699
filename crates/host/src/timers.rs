//! The times at which something wants to be called: loaded actors, and actors that sleep in the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use pawl_core::input::Time;
use rustc_hash::FxHashMap;

use crate::table::Handle;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A loaded actor.
    Call(Handle),
    /// An actor that must be loaded.
    Wake(Arc<str>),
}

/// A deadline that moves on, such as that of one step after another, is looked at when it comes first, and not before.
#[derive(Default)]
pub struct Timers {
    calls: BTreeSet<(Time, Handle)>,
    noted: FxHashMap<Handle, Note>,
    wakes: BTreeSet<(Time, Arc<str>)>,
    /// When each sleeping actor is woken.
    sleeping: FxHashMap<Arc<str>, Time>,
}

/// When a loaded actor is called.
struct Note {
    /// Its place among the calls; never later than what it wants.
    at: Time,
    /// The time that it asked for last; none: it is not to be called.
    wanted: Option<Time>,
}

impl Timers {
    /// An actor is to be called then, and at no time that it asked for before.
    pub fn call_at(&mut self, at: Time, handle: Handle) {
        match self.noted.get_mut(&handle) {
            Some(note) if note.at <= at => note.wanted = Some(at),
            _ => {
                self.forget(handle);
                self.noted.insert(handle, Note { at, wanted: Some(at) });
                self.calls.insert((at, handle));
            }
        }
    }

    /// A loaded actor waits for no time.
    pub fn call_off(&mut self, handle: Handle) {
        if let Some(note) = self.noted.get_mut(&handle) {
            note.wanted = None;
        }
    }

    /// An actor is gone.
    pub fn forget(&mut self, handle: Handle) {
        if let Some(note) = self.noted.remove(&handle) {
            self.calls.remove(&(note.at, handle));
        }
    }

    /// The first call that is still wanted.
    fn first_call(&mut self) -> Option<(Time, Handle)> {
        loop {
            let (at, handle) = self.calls.first().copied()?;
            match self.noted.get(&handle).and_then(|note| note.wanted) {
                Some(wanted) if wanted == at => return Some((at, handle)),
                wanted => {
                    self.forget(handle);
                    if let Some(wanted) = wanted {
                        self.call_at(wanted, handle);
                    }
                }
            }
        }
    }

    /// An actor sleeps until then, whatever was said of it before.
    pub fn wake_at(&mut self, at: Time, name: Arc<str>) {
        self.forget_wake(&name);
        self.sleeping.insert(name.clone(), at);
        self.wakes.insert((at, name));
    }

    /// An actor does not sleep any more.
    pub fn forget_wake(&mut self, name: &str) {
        if let Some((name, at)) = self.sleeping.remove_entry(name) {
            self.wakes.remove(&(at, name));
        }
    }

    /// When the next call is due.
    pub fn next(&mut self) -> Option<Time> {
        let call = self.first_call().map(|(at, _)| at);
        let wake = self.wakes.first().map(|(at, _)| *at);
        call.into_iter().chain(wake).min()
    }

    /// Everything that is due, earliest first.
    pub fn due(&mut self, now: Time) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some((at, handle)) = self.first_call().filter(|(at, _)| *at <= now) {
            self.forget(handle);
            due.push((at, Due::Call(handle)));
        }
        while let Some((at, name)) = self.wakes.first().cloned().filter(|(at, _)| *at <= now) {
            self.forget_wake(&name);
            due.push((at, Due::Wake(name)));
        }
        due.sort();
        due.into_iter().map(|(_, due)| due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_in_the_order_of_their_times_and_not_before() {
        let mut timers = Timers::default();
        timers.call_at(20, 2);
        timers.call_at(10, 1);
        timers.wake_at(15, "order/1".into());
        assert_eq!(timers.next(), Some(10));
        assert!(timers.due(9).is_empty());
        assert_eq!(timers.due(15), [Due::Call(1), Due::Wake("order/1".into())]);
        assert_eq!(timers.due(20), [Due::Call(2)]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn an_actor_is_called_once_at_the_time_that_it_asked_for_last() {
        let mut timers = Timers::default();
        for at in [30, 20, 25] {
            timers.call_at(at, 1);
            assert_eq!(timers.next(), Some(at));
        }
        assert!(timers.due(24).is_empty());
        assert_eq!(timers.due(40), [Due::Call(1)]);
        timers.call_at(50, 1);
        assert_eq!(timers.due(50), [Due::Call(1)]);
    }

    #[test]
    fn the_timeout_of_a_step_that_has_ended_calls_nobody() {
        let mut timers = Timers::default();
        timers.call_at(30_000, 1);
        timers.call_at(40_000, 2);
        timers.call_off(1);
        assert_eq!(timers.next(), Some(40_000));
        timers.call_off(2);
        assert_eq!(timers.next(), None);
        timers.call_at(50_000, 1);
        assert_eq!(timers.next(), Some(50_000));
    }

    #[test]
    fn an_actor_that_is_gone_leaves_no_time_behind() {
        let mut timers = Timers::default();
        timers.call_at(30_000, 1);
        timers.call_at(100, 1);
        timers.forget(1);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn an_actor_that_sleeps_again_is_woken_once_and_one_that_was_loaded_not_at_all() {
        let mut timers = Timers::default();
        timers.wake_at(30, "order/1".into());
        timers.wake_at(20, "order/1".into());
        timers.wake_at(25, "order/2".into());
        timers.forget_wake("order/2");
        assert_eq!(timers.due(40), [Due::Wake("order/1".into())]);
        assert_eq!(timers.next(), None);
    }
}
