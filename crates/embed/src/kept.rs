//! What is known of an open actor's rows: which entries there are, and which change rows are still needed, and for what.
//!
//! Knows no calls and no bytes. One law: a change row is alive as long as something points at it; when nothing does, it
//! is dead, and is deleted after a later commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::{Discriminant, discriminant};

use pawl_core::codec::change::Record;
use pawl_core::key::{Location, Segment};

use crate::life::{Life, life};
use crate::rows::{Base, Head};

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
    entries: HashMap<String, Known>,
    places: BTreeMap<Location, String>,
    rows: BTreeMap<u64, Row>,
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
    /// How many things point at it.
    uses: usize,
    /// How many further rows it has.
    parts: u64,
}

/// The hash of an entry in the head: of its id and its record.
pub fn entry_hash(id: &str, record: &[u8]) -> u64 {
    let id = crc32c::crc32c(id.as_bytes());
    let both = u64::from(id) << 32 | u64::from(crc32c::crc32c_append(id, record));
    let mixed = (both ^ both >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
}

impl Kept {
    /// Takes up a change's row.
    pub fn add_row(&mut self, number: u64, parts: u64) {
        self.rows.insert(number, Row { uses: 0, parts });
        self.dead.insert(number);
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

    /// Takes the dead rows older than change `before` out, with the number of parts of each; none while they are few,
    /// so that a change does not cost a call for each row that it replaces.
    pub fn take_dead(&mut self, before: u64, at_least: usize) -> Vec<(u64, u64)> {
        let newer = self.dead.split_off(&before);
        let dead = std::mem::replace(&mut self.dead, newer);
        if dead.len() < at_least {
            self.dead.extend(dead);
            return Vec::new();
        }
        dead.into_iter().map(|number| (number, self.rows.remove(&number).map_or(0, |row| row.parts))).collect()
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
        if let Some(row) = self.rows.get_mut(&number) {
            if row.uses == 0 {
                self.head.rows += 1;
                self.head.row_sum = self.head.row_sum.wrapping_add(number);
            }
            row.uses += 1;
            self.dead.remove(&number);
        }
    }

    fn release(&mut self, number: u64) {
        if let Some(row) = self.rows.get_mut(&number) {
            // Nothing points at a row that is dead.
            if row.uses == 0 {
                return;
            }
            row.uses -= 1;
            if row.uses == 0 {
                self.head.rows -= 1;
                self.head.row_sum = self.head.row_sum.wrapping_sub(number);
                self.dead.insert(number);
            }
        }
    }
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
