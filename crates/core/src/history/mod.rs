//! The history: what a run has recorded, by location.
//!
//! Owns entries and names as of the newest queued change; knows no machines. Entries form a tree whose edges are the
//! segments of locations, so that finding an entry costs one lookup in its scope, whatever the length of the history.

mod closed;
mod divergence;
mod listing;
mod names;

use std::hash::BuildHasherDefault;

use indexmap::IndexMap;
use rustc_hash::FxHasher;

use closed::Closed;
pub use divergence::{Divergence, Mismatch, Operation, kind_word as divergence_word};
pub use listing::Listed;
pub use names::Names;

use crate::codec::record::{Entry, EntryKind, EntryMetadata, EntryStatus};
use crate::failure::{Failure, Terminal};
use crate::inbox::MessageKey;
use crate::input::{ScopeId, Time};
use crate::key::{Location, Segment};

/// A place in the tree. Valid until the place is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// An entry with everything that is kept beside it.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub entry: Entry,
    pub metadata: Option<EntryMetadata>,
    /// The last failure, and whether it is for ever.
    pub failure: Option<Box<(Option<Terminal>, Failure)>>,
    /// When a failed step asked to be tried again.
    pub retry_at: Option<Time>,
    /// Of a message that was taken: what it was in the inbox.
    pub took: Option<MessageKey>,
    /// Of a join, race or map: the branches that failed.
    pub branch_failures: Vec<BranchFailure>,
    /// The change that wrote it last, and its time.
    pub commit: u64,
    pub at: Time,
    /// Its place in the order in which entries came into being.
    pub birth: u64,
}

impl Recorded {
    pub fn new(entry: Entry, commit: u64, at: Time) -> Recorded {
        let (metadata, failure, retry_at, took) = (None, None, None, None);
        Recorded { entry, metadata, failure, retry_at, took, branch_failures: Vec::new(), commit, at, birth: 0 }
    }
}

/// Why a branch failed.
#[derive(Debug, Clone, PartialEq)]
pub struct BranchFailure {
    pub branch: String,
    pub failure: Failure,
    /// The entries whose failure it was.
    pub because: Vec<Location>,
}

#[derive(Debug, Default)]
struct Node {
    location: Location,
    parent: Option<NodeId>,
    children: IndexMap<Segment, NodeId, BuildHasherDefault<FxHasher>>,
    recorded: Option<Box<Recorded>>,
    /// The scope in which an operation of the running workflow last used this place. 0: none.
    used_in: ScopeId,
    /// How many steps here and below are on the compensation stack.
    rows: u32,
}

#[derive(Debug)]
pub struct History {
    pub names: Names,
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    births: u64,
    closed: Closed,
}

impl Default for History {
    fn default() -> History {
        History {
            names: Names::default(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            births: 0,
            closed: Closed::default(),
        }
    }
}

impl History {
    /// The scope of the workflow's function.
    pub const ROOT: NodeId = NodeId(0);

    /// The place with this name in a scope; made if it is not there.
    pub fn place(&mut self, scope: NodeId, name: &str) -> NodeId {
        let segment = Segment::Name(self.names.intern(name));
        self.child(scope, segment)
    }

    /// The place with this name in a scope, if there is one.
    pub fn find(&self, scope: NodeId, name: &str) -> Option<NodeId> {
        let segment = Segment::Name(self.names.index_of(name)?);
        self.node(scope).children.get(&segment).copied()
    }

    /// The scope of one iteration of the loop at `at`.
    pub fn iteration(&mut self, at: NodeId, iteration: u32) -> NodeId {
        let segment = self.iteration_segment(at, iteration);
        self.child(at, segment)
    }

    pub fn location(&self, at: NodeId) -> &Location {
        &self.node(at).location
    }

    pub fn get(&self, at: NodeId) -> Option<&Recorded> {
        self.node(at).recorded.as_deref()
    }

    pub fn get_mut(&mut self, at: NodeId) -> Option<&mut Recorded> {
        self.node_mut(at).recorded.as_deref_mut()
    }

    /// Records an entry at a place that has none: the youngest of all.
    pub fn put(&mut self, at: NodeId, mut recorded: Recorded) {
        self.births += 1;
        recorded.birth = self.births;
        self.node_mut(at).recorded = Some(Box::new(recorded));
    }

    pub fn parent(&self, at: NodeId) -> Option<NodeId> {
        self.node(at).parent
    }

    /// The place at a location, if there is one.
    pub fn at(&self, location: &Location) -> Option<NodeId> {
        let mut at = Self::ROOT;
        for segment in location.segments() {
            at = *self.node(at).children.get(segment)?;
        }
        Some(at)
    }

    /// How many steps at and below a place are on the compensation stack.
    pub fn rows_at(&self, at: NodeId) -> u32 {
        self.node(at).rows
    }

    /// Notes that a step went onto the compensation stack, or left it.
    pub fn mark_row(&mut self, at: NodeId, on: bool) {
        let mut next = Some(at);
        while let Some(at) = next {
            let node = self.node_mut(at);
            node.rows = if on { node.rows + 1 } else { node.rows.saturating_sub(1) };
            next = node.parent;
        }
    }

    /// The scopes of the iterations of a loop that hold steps on the compensation stack, by number.
    pub fn iterations_with_rows(&self, at: NodeId) -> Vec<(u32, NodeId)> {
        let numbered = |(segment, child): (&Segment, &NodeId)| match segment {
            Segment::Iteration { iteration, .. } if self.rows_at(*child) > 0 => Some((*iteration, *child)),
            _ => None,
        };
        let mut found: Vec<_> = self.node(at).children.iter().filter_map(numbered).collect();
        found.sort_unstable();
        found
    }

    /// Whether a loop is in this round, and not over.
    pub fn is_in_round(&self, at: NodeId, round: u32) -> bool {
        let Some(recorded) = self.get(at) else { return false };
        let is_over = recorded.metadata.as_ref().is_some_and(|metadata| metadata.status == EntryStatus::Completed);
        matches!(&recorded.entry.kind, EntryKind::Loop { iteration, output: None, .. } if *iteration == round && !is_over)
    }

    /// Whether a loop has come to this round.
    pub fn has_begun(&self, at: NodeId, round: u32) -> bool {
        let kind = self.get(at).map(|recorded| &recorded.entry.kind);
        matches!(kind, Some(EntryKind::Loop { iteration, .. }) if *iteration >= round)
    }

    /// Notes that an operation in `scope` uses this place. False if one has already.
    #[must_use]
    pub fn use_in(&mut self, at: NodeId, scope: ScopeId) -> bool {
        std::mem::replace(&mut self.node_mut(at).used_in, scope) != scope
    }

    /// Whether an operation in `scope` has used this place.
    pub fn is_used_in(&self, at: NodeId, scope: ScopeId) -> bool {
        self.node(at).used_in == scope
    }

    /// What stands after a place in its scope, in the order in which the places came into being, up to the first that is no
    /// entry with a name of its own.
    pub fn recorded_after(&self, at: NodeId) -> impl Iterator<Item = (NodeId, &str, &Recorded)> {
        let siblings = self.node(at).parent.map(|parent| &self.node(parent).children);
        let index = self.location(at).last().and_then(|segment| siblings?.get_index_of(&segment));
        let after = index.and_then(|index| siblings?.get_range(index + 1..));
        after.into_iter().flatten().map_while(|(segment, child)| match segment {
            Segment::Name(name) => Some((*child, self.names.resolve(*name)?, self.get(*child)?)),
            Segment::Iteration { .. } => None,
        })
    }

    /// How many entries are recorded directly in a scope; a scope that has no entry of its own (a try block) counts as one
    /// if something is recorded in it.
    pub fn entries_in(&self, scope: NodeId) -> usize {
        self.node(scope).children.values().filter(|child| self.is_recorded_in(**child)).count()
    }

    /// Whether there is an entry at a place, or below one that has none.
    pub fn is_recorded_in(&self, at: NodeId) -> bool {
        let node = self.node(at);
        node.recorded.is_some() || node.children.values().any(|child| self.is_recorded_in(*child))
    }

    /// Drops everything below a place, unless something of it is on the compensation stack: a rebuild comes to that by way
    /// of what was recorded before it. `dropped` hears of every entry.
    pub fn drop_below(&mut self, at: NodeId, mut dropped: impl FnMut(&Entry)) {
        if self.node(at).rows == 0 {
            self.note_gone(at, None);
            self.drop_children(at, &|_| true, &mut dropped);
        }
    }

    /// Drops iterations `from..to` of the loop at `at`, each likewise.
    pub fn drop_iterations(&mut self, at: NodeId, from: u32, to: u32, mut dropped: impl FnMut(&Entry)) {
        let within =
            |segment: &Segment| matches!(segment, Segment::Iteration { iteration: n, .. } if (from..to).contains(n));
        self.note_gone(at, Some((from, to)));
        self.drop_children(at, &within, &mut dropped);
    }

    /// The number of the first iteration of a loop that is still there.
    pub fn first_iteration(&self, at: NodeId) -> Option<u32> {
        let number = |segment: &Segment| match segment {
            Segment::Iteration { iteration, .. } => Some(*iteration),
            Segment::Name(_) => None,
        };
        self.node(at).children.keys().filter_map(number).chain(self.first_closed(at)).min()
    }

    /// The number of the last iteration of a loop that there is a place for.
    pub fn last_iteration(&self, at: NodeId) -> Option<u32> {
        let number = |segment: &Segment| match segment {
            Segment::Iteration { iteration, .. } => Some(*iteration),
            Segment::Name(_) => None,
        };
        self.node(at).children.keys().filter_map(number).max()
    }

    fn drop_children(&mut self, at: NodeId, which: &dyn Fn(&Segment) -> bool, dropped: &mut dyn FnMut(&Entry)) {
        let children: Vec<(Segment, NodeId)> =
            self.node(at).children.iter().filter(|(segment, _)| which(segment)).map(|(s, n)| (*s, *n)).collect();
        for (segment, child) in children {
            // A scope that holds something to undo is gone through again for its handler: it keeps all that is recorded in it.
            if self.node(child).rows == 0 {
                self.node_mut(at).children.swap_remove(&segment);
                self.release(child, dropped);
            }
        }
    }

    /// Drops an entry with everything below it, stack or not.
    pub fn erase(&mut self, at: NodeId, mut dropped: impl FnMut(&Entry)) {
        let Some(parent) = self.node(at).parent else { return };
        self.note_gone(at, None);
        let rows = self.node(at).rows;
        let mut next = Some(parent);
        while let (Some(above), true) = (next, rows > 0) {
            self.node_mut(above).rows -= rows;
            next = self.node(above).parent;
        }
        let segment = self.location(at).last();
        if let Some(segment) = segment {
            // The order of the others is that of their recording: keep it.
            self.node_mut(parent).children.shift_remove(&segment);
        }
        self.release(at, &mut dropped);
    }

    /// Every place that holds an entry, oldest entry first.
    pub fn by_birth(&self) -> Vec<(u64, NodeId)> {
        let mut found = Vec::new();
        let mut open = vec![Self::ROOT];
        while let Some(at) = open.pop() {
            let node = self.node(at);
            found.extend(node.recorded.as_ref().map(|recorded| (recorded.birth, at)));
            open.extend(node.children.values());
        }
        found.sort_unstable();
        found
    }

    /// Takes up an entry from the store. None if its location uses a name that is not in the registry.
    pub fn load(&mut self, entry: Entry, commit: u64, time: Time) -> Option<NodeId> {
        let segments = entry.location.segments();
        let mut names = segments.iter().map(|segment| match segment {
            Segment::Name(name) => *name,
            Segment::Iteration { loop_name, .. } => *loop_name,
        });
        if names.any(|name| self.names.resolve(name).is_none()) {
            return None;
        }
        let at = segments.iter().fold(Self::ROOT, |at, segment| self.child(at, *segment));
        match self.get_mut(at) {
            Some(recorded) => (recorded.entry, recorded.commit, recorded.at) = (entry, commit, time),
            None => self.put(at, Recorded::new(entry, commit, time)),
        }
        Some(at)
    }

    /// The path of a place, for people: names joined by `/`.
    pub fn path(&self, at: NodeId) -> String {
        self.names_of(at).join("/")
    }

    /// The names on the way to a place; an iteration is `#3`.
    pub fn names_of(&self, at: NodeId) -> Vec<String> {
        let part = |segment: &Segment| match segment {
            Segment::Name(index) => self.names.resolve(*index).unwrap_or("?").to_owned(),
            Segment::Iteration { iteration, .. } => format!("#{iteration}"),
        };
        self.location(at).segments().iter().map(part).collect()
    }

    /// Of the entries recorded directly in a scope, those that no operation of it has used.
    pub fn unused_in(&self, node: NodeId, scope: ScopeId) -> impl Iterator<Item = &Recorded> {
        self.recorded_in(node).filter(move |(at, _)| self.node(*at).used_in != scope).map(|(_, recorded)| recorded)
    }

    /// The entries recorded directly in a scope, with the place of each.
    pub fn recorded_in(&self, scope: NodeId) -> impl Iterator<Item = (NodeId, &Recorded)> {
        self.node(scope).children.values().filter_map(|child| Some((*child, self.get(*child)?)))
    }

    fn iteration_segment(&self, at: NodeId, iteration: u32) -> Segment {
        let loop_name = match self.location(at).last() {
            Some(Segment::Name(name)) => name,
            Some(Segment::Iteration { loop_name, .. }) => loop_name,
            None => 0,
        };
        Segment::Iteration { loop_name, iteration }
    }

    fn child(&mut self, parent: NodeId, segment: Segment) -> NodeId {
        if let Some(child) = self.node(parent).children.get(&segment) {
            return *child;
        }
        let location = self.location(parent).with(segment);
        let node = Node { location, parent: Some(parent), ..Node::default() };
        let child = match self.free.pop() {
            Some(free) => {
                *self.node_mut(free) = node;
                free
            }
            None => {
                self.nodes.push(node);
                NodeId((self.nodes.len() - 1) as u32)
            }
        };
        self.node_mut(parent).children.insert(segment, child);
        child
    }

    fn release(&mut self, at: NodeId, dropped: &mut dyn FnMut(&Entry)) {
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            let node = std::mem::take(self.node_mut(at));
            if let Some(recorded) = &node.recorded {
                dropped(&recorded.entry);
            }
            open.extend(node.children.into_values());
            self.free.push(at);
        }
    }

    fn node(&self, at: NodeId) -> &Node {
        &self.nodes[at.0 as usize]
    }

    fn node_mut(&mut self, at: NodeId) -> &mut Node {
        &mut self.nodes[at.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleep(location: &Location, id: &str) -> Entry {
        let kind = EntryKind::Removed { original_type: "sleep".into(), original_name: None };
        Entry { id: id.into(), location: location.clone(), kind }
    }

    #[test]
    fn a_place_is_found_again_by_its_name_and_used_once_per_scope() {
        let mut history = History::default();
        let at = history.place(History::ROOT, "a");
        assert_eq!(history.place(History::ROOT, "a"), at);
        assert!(history.use_in(at, 1));
        assert!(!history.use_in(at, 1));
        assert!(history.use_in(at, 2));
    }

    #[test]
    fn pruned_iterations_leave_no_node_behind() {
        let mut history = History::default();
        let at = history.place(History::ROOT, "loop");
        for iteration in 0..1_000 {
            let scope = history.iteration(at, iteration);
            let place = history.place(scope, "step");
            let entry = sleep(&history.location(place).clone(), "id");
            history.put(place, Recorded::new(entry, 1, 0));
            if iteration >= 3 {
                history.drop_iterations(at, iteration - 3, iteration - 2, |_| {});
            }
        }
        assert!(history.nodes.len() < 16, "{} nodes", history.nodes.len());
    }

    #[test]
    fn an_entry_whose_name_is_unknown_is_refused() {
        let mut history = History::default();
        assert_eq!(history.load(sleep(&Location::root().name(0), "id"), 1, 0), None);
        assert!(history.names.load(0, "a"));
        assert!(history.load(sleep(&Location::root().name(0), "id"), 1, 0).is_some());
        assert_eq!(history.entries_in(History::ROOT), 1);
    }

    #[test]
    fn an_iteration_that_holds_something_to_undo_keeps_all_that_leads_to_it() {
        let mut history = History::default();
        let at = history.place(History::ROOT, "loop");
        let mut places = Vec::new();
        for iteration in 0..4 {
            let scope = history.iteration(at, iteration);
            for name in ["mail", "charge"] {
                let place = history.place(scope, name);
                let entry = sleep(&history.location(place).clone(), &format!("{name}{iteration}"));
                history.put(place, Recorded::new(entry, 1, 0));
                places.push(place);
            }
        }
        history.mark_row(places[3], true);
        let mut dropped = Vec::new();
        history.drop_iterations(at, 0, 3, |entry| dropped.push(entry.id.clone()));
        dropped.sort();
        assert_eq!(dropped, ["charge0", "charge2", "mail0", "mail2"]);
        assert_eq!(history.iterations_with_rows(at).len(), 1);
        assert_eq!(history.first_iteration(at), Some(1));
        history.mark_row(places[3], false);
        history.drop_iterations(at, 0, 3, |entry| dropped.push(entry.id.clone()));
        assert_eq!(history.first_iteration(at), Some(3));
    }

    #[test]
    fn a_scope_without_an_entry_of_its_own_counts_when_something_is_recorded_in_it() {
        let mut history = History::default();
        let block = history.place(History::ROOT, "block");
        let place = history.place(block, "nap");
        assert_eq!(history.entries_in(History::ROOT), 0);
        history.put(place, Recorded::new(sleep(&history.location(place).clone(), "id"), 1, 0));
        assert_eq!(history.entries_in(History::ROOT), 1);
    }
}
