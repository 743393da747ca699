//! What an actor does by the clock: each schedule is a message to itself, which comes at the next time.
//!
//! Owns when such a message is sent anew: at the actor's making, and when the code says something else than it did. Its handler
//! sends the next one in the change that takes it. One law: of each schedule that the code declares there is one tick, and of
//! no other.

use super::Actor;
use crate::inbox::{Message, Purpose, SELF};
use crate::input::{Schedule, Send};
use crate::overlay::Writing;

impl Actor {
    /// Plans every schedule of an actor that is being made.
    pub(super) fn plan_all(&mut self, writing: &mut Writing) {
        for schedule in self.schedules.clone() {
            self.plan(writing, schedule);
        }
    }

    /// Takes what the code no longer says, and plans what it has not said before. A tick whose time has come counts all the
    /// same: the code of that time wanted it.
    pub(super) fn replan(&mut self) {
        if !self.created || self.overlay.hosted {
            return;
        }
        let gone: Vec<Message> =
            self.overlay.inbox.all_ticks().filter(|tick| self.is_outdated(tick)).cloned().collect();
        let is_planned = |schedule: &&Schedule| {
            let mut ticks = self.overlay.inbox.all_ticks();
            ticks.any(|tick| tick.name == schedule.name && !self.is_outdated(tick))
        };
        let missing: Vec<Schedule> = self.schedules.iter().filter(|schedule| !is_planned(schedule)).cloned().collect();
        if gone.is_empty() && missing.is_empty() {
            return;
        }
        let mut writing = self.overlay.begin();
        for tick in gone {
            writing.take(tick.key.clone());
            self.overlay.inbox.take_tick(&tick);
            self.handlers.forget(&tick.key);
        }
        for schedule in missing {
            self.plan(&mut writing, schedule);
        }
        self.commit(writing);
    }

    fn is_outdated(&self, tick: &Message) -> bool {
        match self.schedules.iter().find(|schedule| schedule.name == tick.name) {
            Some(schedule) => schedule.spec != tick.body && tick.due_at > self.overlay.now,
            None => true,
        }
    }

    fn plan(&mut self, writing: &mut Writing, Schedule { name, spec, next_at }: Schedule) {
        let send = Send { to: None, name, body: spec, delay_ms: next_at, purpose: Purpose::Tick };
        self.overlay.send(writing, SELF, send);
    }
}
