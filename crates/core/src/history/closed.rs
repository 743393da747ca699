//! What is recorded in closed scopes and was not read: what is known of it, and taking it up when it is needed.

use std::collections::BTreeMap;

use super::{History, NodeId, Recorded};
use crate::key::{Location, Segment};

/// What stays away while only open scopes are in memory.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// Whether anything may be away.
    is_away: bool,
    /// Loops of which rounds are away, each with the first of them.
    rounds: BTreeMap<NodeId, u32>,
    /// What was dropped since, wherever it was.
    gone: Vec<Gone>,
}

/// Everything at and below a location is gone, or so many rounds of the loop there, but for those that hold something to
/// undo.
#[derive(Debug)]
struct Gone {
    location: Location,
    rounds: Option<(u32, u32)>,
    held: Vec<u32>,
}

impl History {
    /// Whether something recorded in closed scopes was not read.
    pub fn is_partial(&self) -> bool {
        self.closed.is_away
    }

    /// Whether something of what was not read may be gone since.
    pub fn has_lost_closed(&self) -> bool {
        !self.closed.gone.is_empty()
    }

    /// Notes that closed scopes were not read.
    pub fn leave_closed(&mut self) {
        self.closed.is_away = true;
    }

    /// Notes that rounds of a loop, from this one on, are recorded and not here.
    pub fn close_rounds(&mut self, at: NodeId, from: u32) {
        self.closed.rounds.insert(at, from);
    }

    /// The first round of a loop that is recorded and not here.
    pub fn first_closed(&self, at: NodeId) -> Option<u32> {
        self.closed.rounds.get(&at).copied()
    }

    pub(super) fn note_gone(&mut self, at: NodeId, rounds: Option<(u32, u32)>) {
        match (rounds, self.closed.rounds.get_mut(&at)) {
            (Some((_, to)), Some(first)) => *first = to.max(*first),
            (None, Some(_)) => drop(self.closed.rounds.remove(&at)),
            (_, None) => {}
        }
        if self.closed.is_away {
            let location = self.location(at).clone();
            let held = self.iterations_with_rows(at).into_iter().map(|(round, _)| round).collect();
            self.closed.gone.push(Gone { location, rounds, held });
        }
    }

    /// Takes up what another history, of the same run as it is stored, has recorded in closed scopes.
    pub fn take_up_closed(&mut self, whole: History) {
        let gone = std::mem::take(&mut self.closed).gone;
        for (_, at) in whole.by_birth() {
            let Some(recorded) = whole.get(at) else { continue };
            let location = whole.location(at);
            let is_gone = gone.iter().any(|gone| gone.covers(location));
            if !is_gone && self.at(location).is_none_or(|here| self.get(here).is_none()) {
                self.take_up(location, recorded.clone());
            }
        }
        self.sort_by_birth();
    }

    fn take_up(&mut self, location: &Location, recorded: Recorded) {
        let at = location.segments().iter().fold(Self::ROOT, |at, segment| self.child(at, *segment));
        self.node_mut(at).recorded = Some(Box::new(recorded));
    }

    /// Puts the places of each scope into the order in which what is recorded there came into being.
    pub fn sort_by_birth(&mut self) {
        let mut births: BTreeMap<NodeId, u64> = BTreeMap::new();
        for (birth, at) in self.by_birth() {
            let mut next = Some(at);
            while let Some(at) = next.filter(|at| !births.contains_key(at)) {
                births.insert(at, birth);
                next = self.parent(at);
            }
        }
        let birth = |at: &NodeId| births.get(at).copied().unwrap_or(u64::MAX);
        for node in &mut self.nodes {
            node.children.sort_by(|_, one, _, other| birth(one).cmp(&birth(other)));
        }
    }

    /// How many entries have come into being.
    pub fn births(&self) -> u64 {
        self.births
    }

    /// Says what a snapshot says of an entry that was just loaded.
    pub fn set_place(&mut self, at: NodeId, (commit, time): (u64, i64), birth: u64) {
        if let Some(recorded) = self.get_mut(at) {
            (recorded.commit, recorded.at, recorded.birth) = (commit, time, birth);
        }
    }

    /// Numbers the entries to come from here on.
    pub fn set_births(&mut self, births: u64) {
        self.births = births;
    }

    /// The places directly below one, with what leads there.
    pub fn children(&self, at: NodeId) -> impl Iterator<Item = (&Segment, NodeId)> {
        self.node(at).children.iter().map(|(segment, child)| (segment, *child))
    }
}

impl Gone {
    fn covers(&self, location: &Location) -> bool {
        let depth = self.location.segments().len();
        match (location.is_within(&self.location), self.rounds, location.segments().get(depth)) {
            (false, ..) => false,
            (true, None, _) => true,
            (true, Some((from, to)), Some(Segment::Iteration { iteration, .. })) => {
                (from..to).contains(iteration) && !self.held.contains(iteration)
            }
            (true, Some(_), _) => false,
        }
    }
}
