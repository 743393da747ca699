//! Which of what is recorded a run needs to go on.

use crate::codec::record::{BranchStatusType, EntryKind, EntryStatus};
use crate::history::{History, NodeId};
use crate::key::Segment;

/// The places of all entries, those of a kind in the order in which they came into being.
pub(super) struct Parted {
    pub open: Vec<NodeId>,
    pub closed: Vec<NodeId>,
    /// Loops of which rounds are closed and kept, each with the first of them.
    pub rounds: Vec<(NodeId, u32)>,
}

/// Parts the history: closed is what is recorded in rounds of a loop other than the one it is in, and in branches that
/// have settled, unless it holds something to undo. `pinned` are open wherever they are.
pub(super) fn part(history: &History, pinned: impl Fn(NodeId) -> bool) -> Parted {
    let mut parted = Parted { open: Vec::new(), closed: Vec::new(), rounds: Vec::new() };
    let mut waiting = vec![(History::ROOT, true)];
    while let Some((at, is_open)) = waiting.pop() {
        let mut first_closed = None;
        for (segment, child) in history.children(at) {
            let child_open = is_open && (history.rows_at(child) > 0 || is_entered(history, at, segment));
            if let (Segment::Iteration { iteration, .. }, false) = (segment, child_open) {
                first_closed = Some(first_closed.map_or(*iteration, |first: u32| first.min(*iteration)));
            }
            if history.get(child).is_some() {
                if child_open || pinned(child) { parted.open.push(child) } else { parted.closed.push(child) }
            }
            waiting.push((child, child_open));
        }
        let first_closed = first_closed.into_iter().chain(history.first_closed(at)).min();
        parted.rounds.extend(first_closed.filter(|_| is_open).map(|first| (at, first)));
    }
    let birth = |at: &NodeId| history.get(*at).map_or(0, |recorded| recorded.birth);
    parted.open.sort_unstable_by_key(birth);
    parted.closed.sort_unstable_by_key(birth);
    parted
}

/// Whether a replay goes into what is below a place under `segment`.
fn is_entered(history: &History, at: NodeId, segment: &Segment) -> bool {
    let Some(recorded) = history.get(at) else { return true };
    let is_over = recorded.metadata.as_ref().is_some_and(|metadata| metadata.status == EntryStatus::Completed);
    match (&recorded.entry.kind, segment) {
        (EntryKind::Loop { iteration, output, .. }, Segment::Iteration { iteration: round, .. }) => {
            round == iteration && output.is_none() && !is_over
        }
        // Whoever names the winner drops what the others have recorded, which must be there for that.
        (EntryKind::Race { winner, .. }, _) => winner.is_none(),
        (EntryKind::Join { branches }, Segment::Name(name)) => {
            let name = history.names.resolve(*name);
            name.and_then(|name| branches.get(name))
                .is_none_or(|branch| matches!(branch.status, BranchStatusType::Pending | BranchStatusType::Running))
        }
        _ => true,
    }
}
