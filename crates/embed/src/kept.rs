//! What is known of an open actor's rows: which entries there are, and which change rows are still needed, and for what.
//!
//! Knows no calls and no bytes. One law: a change row is alive as long as something points at it; when nothing does, it
//! is dead, and is deleted after a later commit.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};

use pawl_core::codec::change::Record;
use pawl_core::key::{Location, Segment};
use rustc_hash::FxHashMap;

use crate::life::{Life, life};
use crate::rows::{Base, Head, Page};

/// The number that stands for entries of another engine that no row of ours lists.
pub const UNLISTED: u64 = 0;

#[derive(Debug, Default)]
pub struct Kept {
    pub names: Vec<String>,
    /// As of the newest change; `pending` and `cells` are filled in when it is written.
    pub head: Head,
    /// The word in the state row.
    pub word: Option<String>,
    /// Whether there is anything of the actor at all.
    pub exists: bool,
    /// When the driver is to wake the run; the outer `None`: it is not known what the driver has been told.
    pub alarm: Option<Option<i64>>,
    pub cells: BTreeMap<String, Cell>,
    /// Entries of another engine, in the order in which the next change row takes them up.
    pub unlisted: Vec<String>,
    entries: FxHashMap<String, Known>,
    places: BTreeMap<Location, String>,
    /// Rows of changes, by the number of their first change.
    rows: BTreeMap<u64, Row>,
    /// The newest of them, if there is room in it.
    page: Option<Page>,
    dead: BTreeSet<u64>,
    pending: BTreeSet<u64>,
    parked: Option<u64>,
    ended: Option<u64>,
}

/// What is known of a cell's rows.
#[derive(Debug, Default)]
pub struct Cell {
    pub base: Option<Base>,
    /// Numbers of changes with deltas that are not in the base.
    deltas: Vec<u64>,
}

#[derive(Debug)]
struct Known {
    location: Location,
    /// The change that wrote it last.
    change: u64,
    hash: u64,
    /// What is kept beside it: the newest record of each kind, and the change that holds it.
    beside: Vec<(Discriminant<Record>, u64)>,
}

#[derive(Debug, Default)]
struct Row {
    last: u64,
    /// How many things point at its changes.
    uses: usize,
    /// How many further rows it has.
    parts: u64,
}

/// A row of changes that nothing needs any more.
#[derive(Debug, PartialEq, Eq)]
pub struct DeadRow {
    pub first: u64,
    pub last: u64,
    pub parts: u64,
}

/// The hash of an entry in the head: of its id and its record.
pub fn entry_hash(id: &str, record: &[u8]) -> u64 {
    let id = crc32c::crc32c(id.as_bytes());
    let both = u64::from(id) << 32 | u64::from(crc32c::crc32c_append(id, record));
    let mixed = (both ^ both >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
}

impl Kept {
    /// Takes up a row of the changes `first..=last`, which has so many parts.
    pub fn add_row(&mut self, (first, last): (u64, u64), parts: u64) {
        self.rows.insert(first, Row { last, uses: 0, parts });
        self.dead.insert(first);
        self.page = None;
    }

    /// Takes up the newest row as one in which there is room.
    pub fn add_page(&mut self, page: Page) {
        match self.rows.get_mut(&page.first) {
            Some(row) => row.last = page.last,
            None => self.add_row((page.first, page.last), 0),
        }
        self.page = Some(page);
    }

    /// The row of change `number`, the next one: that of the changes before it, if there is room.
    pub fn next_page(&self, number: u64, content: &[u8]) -> Page {
        let mut page = self.page.clone().filter(|page| page.last + 1 == number);
        match page.take_if(|page| page.push(content)) {
            Some(page) => page,
            None => Page::new(number, content),
        }
    }

    /// Takes up an entry as change `number` wrote it.
    pub fn put_entry(&mut self, id: &str, location: &Location, number: u64, hash: u64) {
        if let Some(other) = self.places.get(location).filter(|other| *other != id).cloned() {
            self.forget(&other);
        }
        let mut beside = Vec::new();
        if let Some(known) = self.entries.remove(id) {
            self.discount(&known);
            self.release(known.change);
            beside = known.beside;
        }
        self.head.count += 1;
        self.head.hash = self.head.hash.wrapping_add(hash);
        self.hold(number);
        self.places.insert(location.clone(), id.to_owned());
        self.entries.insert(id.to_owned(), Known { location: location.clone(), change: number, hash, beside });
    }

    /// Puts an entry that no row lists into the order, as of change `number`.
    pub fn list(&mut self, id: &str, number: u64) {
        if let Some(known) = self.entries.get_mut(id) {
            known.change = number;
            self.hold(number);
        }
    }

    /// Notes what a record in the row of change `number` is needed for.
    pub fn put_record(&mut self, number: u64, record: &Record) {
        match life(record) {
            Life::Elsewhere | Life::Writing(_) => {}
            Life::Entry(id) => {
                let Some(known) = self.entries.get_mut(id) else { return };
                let kind = discriminant(record);
                let before = known.beside.iter().position(|(other, _)| *other == kind);
                let before = before.map(|at| known.beside.swap_remove(at).1);
                known.beside.push((kind, number));
                self.swap(before, number);
            }
            Life::Cell(cell) => {
                self.cells.entry(cell.to_owned()).or_default().deltas.push(number);
                self.hold(number);
            }
            Life::Parked => {
                let before = self.parked.replace(number);
                self.swap(before, number);
            }
            Life::Ended => {
                let before = self.ended.replace(number);
                self.swap(before, number);
            }
            Life::Pending => self.pend(number),
            Life::Forever => self.hold(number),
        }
    }

    /// The run went on: how often it was parked before counts no more.
    pub fn unpark(&mut self) {
        if let Some(number) = self.parked.take() {
            self.release(number);
        }
    }

    /// Whether a record in the row of change `number` still counts.
    pub fn needs(&self, number: u64, record: &Record) -> bool {
        match life(record) {
            Life::Elsewhere | Life::Pending => false,
            Life::Writing(id) => self.change_of(id) == Some(number),
            Life::Entry(id) => {
                let beside = (discriminant(record), number);
                self.entries.get(id).is_some_and(|known| known.beside.contains(&beside))
            }
            Life::Cell(cell) => self.cells.get(cell).is_some_and(|cell| cell.deltas.contains(&number)),
            Life::Parked => self.parked == Some(number),
            Life::Ended => self.ended == Some(number),
            Life::Forever => true,
        }
    }

    /// Gives a cell a new base, which holds every delta up to it; returns the base before.
    pub fn put_base(&mut self, base: Base) -> Option<Base> {
        let cell = self.cells.entry(base.cell.clone()).or_default();
        let (folded, newer) = cell.deltas.iter().partition(|number| **number <= base.as_of);
        cell.deltas = newer;
        let before = cell.base.replace(base);
        let folded: Vec<u64> = folded;
        folded.into_iter().for_each(|number| self.release(number));
        before
    }

    /// Drops the entries at and below a location, or in iterations of the loop there. Returns where they were.
    pub fn drop_at(&mut self, location: &Location, iterations: Option<(u32, u32)>) -> Vec<Location> {
        let gone: Vec<(Location, String)> = self.covered(location, iterations);
        gone.iter().for_each(|(_, id)| self.forget(id));
        gone.into_iter().map(|(location, _)| location).collect()
    }

    /// Whether an entry is at a location.
    pub fn has(&self, location: &Location) -> bool {
        self.places.contains_key(location)
    }

    /// The entries at and below a location, or in iterations of the loop there.
    pub fn covered(&self, location: &Location, iterations: Option<(u32, u32)>) -> Vec<(Location, String)> {
        let from = self.places.range(location..).take_while(|(at, _)| at.is_within(location));
        let covered = from.filter(|(at, _)| covers(location, iterations, at));
        covered.map(|(at, id)| (at.clone(), id.clone())).collect()
    }

    /// The change that wrote an entry last.
    pub fn change_of(&self, id: &str) -> Option<u64> {
        self.entries.get(id).map(|known| known.change)
    }

    /// Change `number` asks for calls after its commit.
    pub fn pend(&mut self, number: u64) {
        if self.pending.insert(number) {
            self.hold(number);
        }
    }

    /// Every call that change `number` asked for was made.
    pub fn settle(&mut self, number: u64) {
        if self.pending.remove(&number) {
            self.release(number);
        }
    }

    /// Every call that any change asked for was made.
    pub fn settle_all(&mut self) {
        std::mem::take(&mut self.pending).into_iter().for_each(|number| self.release(number));
    }

    /// Takes out the dead rows in which no more is written and no change is as new as `before`; none while they are few, so that
    /// a change does not cost a call for each row that it replaces.
    pub fn take_dead(&mut self, before: u64, at_least: usize) -> Vec<DeadRow> {
        if self.dead.len() < at_least {
            return Vec::new();
        }
        let open = self.page.as_ref().map(|page| page.first);
        let is_past = |first: &u64| open != Some(*first) && self.rows.get(first).is_none_or(|row| row.last < before);
        let (past, newer): (BTreeSet<u64>, _) = std::mem::take(&mut self.dead).into_iter().partition(is_past);
        self.dead = newer;
        if past.len() < at_least {
            self.dead.extend(past);
            return Vec::new();
        }
        let take = |first| self.rows.remove(&first).map(|Row { last, parts, .. }| DeadRow { first, last, parts });
        past.into_iter().filter_map(take).collect()
    }

    /// The head as it is to be written.
    pub fn written_head(&self) -> Head {
        let pending = self.pending.iter().copied().collect();
        let cells = self.cells.values().filter_map(|cell| cell.base.clone()).collect();
        Head { pending, cells, ..self.head.clone() }
    }

    fn forget(&mut self, id: &str) {
        let Some(known) = self.entries.remove(id) else { return };
        self.discount(&known);
        self.places.remove(&known.location);
        self.release(known.change);
        known.beside.into_iter().for_each(|(_, number)| self.release(number));
    }

    fn discount(&mut self, known: &Known) {
        self.head.count -= 1;
        self.head.hash = self.head.hash.wrapping_sub(known.hash);
    }

    fn swap(&mut self, before: Option<u64>, number: u64) {
        self.hold(number);
        if let Some(before) = before {
            self.release(before);
        }
    }

    fn hold(&mut self, number: u64) {
        if let Some((first, row)) = row_of(&mut self.rows, number) {
            row.uses += 1;
            if row.uses == 1 {
                self.head.rows += 1;
                self.head.row_sum = self.head.row_sum.wrapping_add(first);
                self.dead.remove(&first);
            }
        }
    }

    fn release(&mut self, number: u64) {
        if let Some((first, row)) = row_of(&mut self.rows, number) {
            // Nothing points at a row that is dead.
            if row.uses == 0 {
                return;
            }
            row.uses -= 1;
            if row.uses == 0 {
                self.head.rows -= 1;
                self.head.row_sum = self.head.row_sum.wrapping_sub(first);
                self.dead.insert(first);
            }
        }
    }
}

/// The row that holds a change, with the number of its first one.
fn row_of(rows: &mut BTreeMap<u64, Row>, number: u64) -> Option<(u64, &mut Row)> {
    let (first, row) = rows.range_mut(..=number).next_back()?;
    (row.last >= number).then_some((*first, row))
}

/// Whether what is dropped at a location covers another one.
pub fn covers(location: &Location, iterations: Option<(u32, u32)>, other: &Location) -> bool {
    let below = other.segments().strip_prefix(location.segments());
    match (below, iterations) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(below), Some((from, to))) => {
            matches!(below.first(), Some(Segment::Iteration { iteration, .. }) if (from..to).contains(iteration))
        }
    }
}
