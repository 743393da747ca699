//! The times at which something wants to be called: loaded actors, and actors that sleep in the store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pawl_core::input::Time;
use rustc_hash::FxHashMap;

use crate::table::Handle;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A loaded actor.
    Call(Handle),
    /// An actor that must be loaded.
    Wake(String),
}

/// A call that was noted earlier than needed is harmless: whoever is called looks again.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Time, Due)>>,
    /// The earliest call noted for each loaded actor, so that one that is called often does not fill the heap.
    noted: FxHashMap<Handle, Time>,
}

impl Timers {
    pub fn call_at(&mut self, at: Time, handle: Handle) {
        if self.noted.get(&handle).is_none_or(|noted| at < *noted) {
            self.noted.insert(handle, at);
            self.heap.push(Reverse((at, Due::Call(handle))));
        }
    }

    pub fn wake_at(&mut self, at: Time, name: String) {
        self.heap.push(Reverse((at, Due::Wake(name))));
    }

    /// When the next call is due.
    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Everything that is due, earliest first.
    pub fn due(&mut self, now: Time) -> Vec<Due> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let Some(Reverse((at, next))) = self.heap.pop() else { break };
            if let Due::Call(handle) = next {
                match self.noted.get(&handle) {
                    Some(noted) if *noted == at => drop(self.noted.remove(&handle)),
                    // An earlier call has taken its place.
                    _ => continue,
                }
            }
            due.push(next);
        }
        due
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
}
