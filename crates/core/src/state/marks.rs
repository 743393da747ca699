//! Which change wrote what last: the write sets of the logged changes as one tree.
//!
//! A conflict is found in one walk per read, however many changes are in the log. Marks made in an array name places as
//! they were then. They stay right: an op that moves slots marks each of them, with all below, and where later paths go
//! through moved slots they stay within that mark.

use std::collections::BTreeMap;

use super::path::{Path, Slot};

/// The newest writes at and below one place, by the number of their change; 0 stands for none.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    /// The slot itself was written, and with it everything below.
    slot: u64,
    /// Keys, length or order of the container here were written.
    shape: u64,
    /// The shape, or a slot directly in the container here, was written.
    level: u64,
    /// Anything was written, here or below.
    any: u64,
    /// Every array slot from an index on was written. Both numbers rise along the list.
    from: Vec<(u32, u64)>,
    children: BTreeMap<Slot, Marks>,
}

/// How far a look reaches from the end of its path. Every look sees writes of the place itself and of what it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// No further.
    Slot,
    /// Keys, length and order of the container there.
    Shape,
    /// That, and the slots of the container, without what is below them.
    Level,
    /// Everything below.
    Subtree,
    /// The shape of the array there, and every slot from an index on with all below.
    From(u32),
}

impl Marks {
    /// Change `seq` wrote the slot at a path.
    pub fn write_slot(&mut self, path: &Path, seq: u64) {
        let mut place = self;
        place.any = seq;
        if let Some((last, parent)) = path.slots().split_last() {
            place = place.enter(parent, seq);
            place.level = seq;
            place = place.children.entry(last.mark().into_owned()).or_default();
        }
        *place = Marks { slot: seq, any: seq, ..Marks::default() };
    }

    /// Change `seq` wrote the shape of the container that holds the slot at a path.
    pub fn write_shape_around(&mut self, path: &Path, seq: u64) {
        self.write_shape(path.slots().split_last().map_or(&[][..], |(_, parent)| parent), seq);
    }

    /// Change `seq` wrote keys, length or order of the container at a path.
    pub fn write_shape(&mut self, path: &[Slot], seq: u64) {
        let place = self.enter(path, seq);
        place.shape = seq;
        place.level = seq;
    }

    /// Change `seq` wrote the shape of the array at a path, and every slot from `start` on.
    pub fn write_from(&mut self, path: &Path, start: u32, seq: u64) {
        let place = self.enter(path.slots(), seq);
        place.shape = seq;
        place.level = seq;
        place.children.split_off(&Slot::Index(start));
        let older = place.from.partition_point(|(from, _)| *from < start);
        place.from.truncate(older);
        place.from.push((start, seq));
    }

    /// A change after `pin` that wrote something within reach of a look at `path`.
    pub fn after(&self, pin: u64, path: &Path, reach: Reach) -> Option<u64> {
        let newer = |seq: u64| (seq > pin).then_some(seq);
        let mut place = self;
        for slot in path.slots() {
            if place.any <= pin {
                return None;
            }
            let conflict = newer(place.slot).or_else(|| newer(place.moved(slot)));
            if conflict.is_some() {
                return conflict;
            }
            place = place.children.get(slot.mark().as_ref())?;
        }
        newer(place.slot).or_else(|| match reach {
            Reach::Slot => None,
            Reach::Shape => newer(place.shape),
            Reach::Level => newer(place.level),
            Reach::Subtree => newer(place.any),
            Reach::From(start) => newer(place.shape).or_else(|| {
                let mut moved = place.children.range(Slot::Index(start)..);
                moved.find_map(|(_, child)| newer(child.any))
            }),
        })
    }

    /// Forgets changes up to `floor`. Returns how many marks are left.
    pub fn forget(&mut self, floor: u64) -> usize {
        self.from.retain(|(_, seq)| *seq > floor);
        self.children.retain(|_, child| child.any > floor);
        let below: usize = self.children.values_mut().map(|child| child.forget(floor)).sum();
        1 + self.from.len() + below
    }

    /// The place at the end of a path; everything on the way, and the place, holds a write of `seq`.
    fn enter(&mut self, path: &[Slot], seq: u64) -> &mut Marks {
        self.any = seq;
        let mut place = self;
        for slot in path {
            place = place.children.entry(slot.mark().into_owned()).or_default();
            place.any = seq;
        }
        place
    }

    /// The newest change that moved the slot of an array.
    fn moved(&self, slot: &Slot) -> u64 {
        let Slot::Index(index) = slot else { return 0 };
        let older = self.from.partition_point(|(from, _)| from <= index);
        older.checked_sub(1).map_or(0, |last| self.from[last].1)
    }
}
