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

/// A call that was noted earlier than needed is harmless: whoever is called looks again.
#[derive(Default)]
pub struct Timers {
    calls: BTreeSet<(Time, Handle)>,
    /// When each loaded actor is called: once, at the earliest time it asked for.
    noted: FxHashMap<Handle, Time>,
    wakes: BTreeSet<(Time, Arc<str>)>,
    /// When each sleeping actor is woken.
    sleeping: FxHashMap<Arc<str>, Time>,
}

impl Timers {
    pub fn call_at(&mut self, at: Time, handle: Handle) {
        if self.noted.get(&handle).is_none_or(|noted| at < *noted) {
            self.forget(handle);
            self.noted.insert(handle, at);
            self.calls.insert((at, handle));
        }
    }

    /// An actor is not called any more.
    pub fn forget(&mut self, handle: Handle) {
        if let Some(at) = self.noted.remove(&handle) {
            self.calls.remove(&(at, handle));
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
    pub fn next(&self) -> Option<Time> {
        let call = self.calls.first().map(|(at, _)| *at);
        let wake = self.wakes.first().map(|(at, _)| *at);
        call.into_iter().chain(wake).min()
    }

    /// Everything that is due, earliest first.
    pub fn due(&mut self, now: Time) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some((at, handle)) = self.calls.first().copied().filter(|(at, _)| *at <= now) {
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
    fn an_actor_is_called_once_at_its_earliest_time() {
        let mut timers = Timers::default();
        for at in [30, 20, 25, 20] {
            timers.call_at(at, 1);
        }
        assert_eq!(timers.due(40), [Due::Call(1)]);
        timers.call_at(50, 1);
        assert_eq!(timers.due(50), [Due::Call(1)]);
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
