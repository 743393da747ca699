//! The history: what a run has recorded, by location.
//!
//! Owns entries and names as of the newest queued change; knows no machines. Entries form a tree whose edges are the
//! segments of locations, so that finding an entry costs one lookup in its scope, whatever the length of the history.

mod divergence;
mod listing;
mod names;

use std::hash::BuildHasherDefault;

use indexmap::IndexMap;
use rustc_hash::FxHasher;

pub use divergence::{Divergence, Mismatch, Operation};
pub use listing::Listed;
pub use names::Names;

use crate::codec::record::{Entry, EntryKind, EntryMetadata};
use crate::failure::{Failure, Terminal};
use crate::input::ScopeId;
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
    pub failure: Option<(Option<Terminal>, Failure)>,
    /// The change that wrote it last.
    pub commit: u64,
}

#[derive(Debug, Default)]
struct Node {
    location: Location,
    parent: Option<NodeId>,
    children: IndexMap<Segment, NodeId, BuildHasherDefault<FxHasher>>,
    recorded: Option<Box<Recorded>>,
    /// The scope in which an operation of the running workflow last used this place. 0: none.
    used_in: ScopeId,
}

#[derive(Debug)]
pub struct History {
    pub names: Names,
    nodes: Vec<Node>,
    free: Vec<NodeId>,
}

impl Default for History {
    fn default() -> History {
        History { names: Names::default(), nodes: vec![Node::default()], free: Vec::new() }
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

    pub fn put(&mut self, at: NodeId, recorded: Recorded) {
        self.node_mut(at).recorded = Some(Box::new(recorded));
    }

    /// Notes that an operation in `scope` uses this place. False if one has already.
    #[must_use]
    pub fn use_in(&mut self, at: NodeId, scope: ScopeId) -> bool {
        std::mem::replace(&mut self.node_mut(at).used_in, scope) != scope
    }

    /// How many entries are recorded directly in a scope.
    pub fn entries_in(&self, scope: NodeId) -> usize {
        self.recorded_in(scope).count()
    }

    /// Drops one iteration of the loop at `at` with everything below it.
    pub fn drop_iteration(&mut self, at: NodeId, iteration: u32) {
        let segment = self.iteration_segment(at, iteration);
        if let Some(child) = self.node_mut(at).children.swap_remove(&segment) {
            self.release(child);
        }
    }

    /// Drops every iteration of the loop at `at` before this one.
    pub fn drop_iterations_before(&mut self, at: NodeId, iteration: u32) {
        let earlier = |segment: &Segment| matches!(segment, Segment::Iteration { iteration: n, .. } if *n < iteration);
        let dropped: Vec<Segment> = self.node(at).children.keys().copied().filter(earlier).collect();
        for segment in dropped {
            if let Some(child) = self.node_mut(at).children.swap_remove(&segment) {
                self.release(child);
            }
        }
    }

    /// Takes up an entry from the store. None if its location uses a name that is not in the registry.
    pub fn load(&mut self, entry: Entry, commit: u64) -> Option<NodeId> {
        let segments = entry.location.segments().to_vec();
        let names = segments.iter().map(|segment| match segment {
            Segment::Name(name) => *name,
            Segment::Iteration { loop_name, .. } => *loop_name,
        });
        if names.into_iter().any(|name| self.names.resolve(name).is_none()) {
            return None;
        }
        let at = segments.into_iter().fold(Self::ROOT, |at, segment| self.child(at, segment));
        if let EntryKind::Loop { iteration, .. } = entry.kind {
            self.drop_iterations_before(at, iteration);
        }
        match self.get_mut(at) {
            Some(recorded) => (recorded.entry, recorded.commit) = (entry, commit),
            None => self.put(at, Recorded { entry, metadata: None, failure: None, commit }),
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

    /// The entries recorded directly in a scope, with the name of each, oldest first.
    fn recorded_in(&self, scope: NodeId) -> impl Iterator<Item = (NodeId, &Recorded)> {
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

    fn release(&mut self, at: NodeId) {
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            open.extend(std::mem::take(self.node_mut(at)).children.into_values());
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
            history.put(place, Recorded { entry, metadata: None, failure: None, commit: 1 });
            if iteration >= 3 {
                history.drop_iteration(at, iteration - 3);
            }
        }
        assert!(history.nodes.len() < 16, "{} nodes", history.nodes.len());
    }

    #[test]
    fn an_entry_whose_name_is_unknown_is_refused() {
        let mut history = History::default();
        assert_eq!(history.load(sleep(&Location::root().name(0), "id"), 1), None);
        assert!(history.names.load(0, "a"));
        assert!(history.load(sleep(&Location::root().name(0), "id"), 1).is_some());
        assert_eq!(history.entries_in(History::ROOT), 1);
    }

    #[test]
    fn loading_a_loop_at_a_later_iteration_drops_the_earlier_ones() {
        let mut history = History::default();
        assert!(history.names.load(0, "loop") && history.names.load(1, "step"));
        let place = Location::root().name(0);
        for iteration in 0..5 {
            assert!(history.load(sleep(&place.iteration(0, iteration).name(1), "id"), 1).is_some());
        }
        let kind = EntryKind::Loop { state: bytes::Bytes::from_static(&[0xf7]), iteration: 4, output: None };
        assert!(history.load(Entry { id: "l".into(), location: place, kind }, 2).is_some());
        let at = history.place(History::ROOT, "loop");
        assert_eq!(history.node(at).children.len(), 1);
    }
}
