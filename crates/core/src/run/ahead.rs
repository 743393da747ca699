//! Replay ahead: while one callback alone is running, what is recorded next in its scope is handed out before it is asked for.
//!
//! Only completed steps that nothing is to be undone of, in the order in which they were recorded. The adapter answers a step
//! of the same name by itself, and says how many it has used before anything else that concerns the scope: by then everything
//! is as if each had been asked for in turn. What it does not use has not been handed out.

use super::Run;
use super::steps::recorded_step;
use crate::history::{NodeId, Recorded};
use crate::input::ScopeId;
use crate::output::{Ahead, Output, Value};
use crate::overlay::Overlay;
use crate::step::Step;

/// How many are handed out at first; as many again each time that all were used.
const FIRST: usize = 8;
const MOST: usize = 256;
const MOST_BYTES: usize = 64 * 1024;

/// What was handed out of a scope.
#[derive(Debug)]
pub(super) struct HandedOut {
    places: Vec<NodeId>,
    /// How many may be handed out the next time.
    next: usize,
}

impl Default for HandedOut {
    fn default() -> HandedOut {
        HandedOut { places: Vec::new(), next: FIRST }
    }
}

impl Run {
    /// Hands out what follows a place whose outcome has just been told.
    pub(super) fn hand_out(&mut self, overlay: &mut Overlay, id: ScopeId, after: NodeId) {
        let alone = self.leaves <= 1 && !self.is_rebuilding();
        let Some(scope) = self.scopes.get_mut(&id).filter(|scope| alone && !scope.is_forked()) else { return };
        let mut handed_out = std::mem::take(&mut scope.handed_out);
        let unvisited = scope.unvisited;
        if !handed_out.places.is_empty() {
            // The code asks for something else: to look so far ahead is in vain.
            handed_out = HandedOut { places: Vec::new(), next: 1 };
        }
        let mut steps = Vec::new();
        let mut bytes = 0;
        for (place, name, recorded) in self.history.recorded_after(after).take(handed_out.next) {
            let is_free = !self.history.is_used_in(place, id) && self.history.rows_at(place) == 0;
            let Some(value) = completed(recorded).filter(|_| is_free && bytes < MOST_BYTES) else { break };
            bytes += name.len() + if let Value::Encoded(value) = &value { value.len() } else { 0 };
            handed_out.places.push(place);
            steps.push(Ahead { name: name.to_owned(), value, at: recorded.at });
        }
        if !steps.is_empty() {
            let replaying = unvisited > steps.len();
            overlay.outputs.push_back(Output::Ahead { scope: id, steps, replaying });
        }
        if let Some(scope) = self.scopes.get_mut(&id) {
            scope.handed_out = handed_out;
        }
    }

    /// The adapter has used so many of them.
    pub(super) fn took(&mut self, id: ScopeId, count: usize) {
        let Some(scope) = self.scopes.get_mut(&id) else { return };
        let HandedOut { places, next } = std::mem::take(&mut scope.handed_out);
        let all = count >= places.len();
        scope.handed_out.next = if all { (next * 2).min(MOST) } else { count.max(1) };
        for place in places.into_iter().take(count) {
            if self.history.use_in(place, id) {
                self.visit(id, place);
            }
        }
    }
}

/// What a step that has completed resolves with; none for anything else.
fn completed(recorded: &Recorded) -> Option<Value> {
    (recorded_step(recorded) == Step::Completed).then(|| super::steps::step_output(recorded))
}
