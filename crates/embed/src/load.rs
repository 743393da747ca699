//! Reading the rows of an actor. Changes nothing; a row that cannot be read is named, and nothing is written over it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use pawl_core::codec::record::{Entry, EntryKind, EntryMetadata};
use pawl_core::codec::{CodecError, cbor};
use pawl_core::failure::Failure;
use pawl_core::key::{self, Location, Segment};
use rustc_hash::FxHashMap;

use crate::error::Damage;
use crate::failure;
use crate::kept::{UNLISTED, covers, entry_hash};
use crate::keys::{self, Own};
use crate::names::{self, Sums};
use crate::rows::{Base, ChangeRow, Head, Page, unseal_changes, unseal_piece};
use crate::translate::counted_as;
use crate::work::Rows;

/// What the rows say, checked row by row.
#[derive(Debug, Default)]
pub struct Stored {
    pub names: Vec<String>,
    /// By id.
    pub entries: FxHashMap<String, StoredEntry>,
    pub word: Option<String>,
    pub output: Option<Bytes>,
    pub error: Option<Failure>,
    /// None: there is no row; the inner none: the input is `undefined`.
    pub input: Option<Option<Bytes>>,
    pub head: Option<Head>,
    pub changes: BTreeMap<u64, ChangeRow>,
    /// The rows that hold them: the first and the last change of each, and how many parts it has.
    pub rows: Vec<((u64, u64), u64)>,
    /// The newest of these, if there is room in it.
    pub page: Option<Page>,
    /// The values of the cells, as of their bases.
    pub cells: BTreeMap<String, Bytes>,
    /// Keys of what nobody reaches: left from changes that were never committed, or covered by a deletion.
    pub garbage: Vec<Bytes>,
}

#[derive(Debug, Clone)]
pub struct StoredEntry {
    pub entry: Entry,
    pub metadata: Option<EntryMetadata>,
    pub hash: u64,
    /// The change that lists it last; [`UNLISTED`] if none does.
    pub change: u64,
}

/// Rows below `(9)` that were not yet put together.
#[derive(Default)]
struct OwnRows {
    changes: BTreeMap<u64, (u32, Vec<Bytes>, Bytes)>,
    chunks: BTreeMap<(String, u64), Bytes>,
    parts: BTreeMap<(u64, u64), Bytes>,
    sums: Sums,
}

/// Reads every row.
pub fn read(rows: &Rows) -> Result<Stored, Damage> {
    let mut stored = Stored::default();
    let (mut own, mut metadata) = (OwnRows::default(), Vec::new());
    for (key, value) in in_order(rows).iter() {
        let damage = |error: CodecError| Damage::of(key, &error);
        match space(key) {
            Space::Name => stored.read_name(key, value)?,
            Space::History => stored.read_entry(key, value)?,
            Space::Metadata => metadata.push((key::parse_metadata(key).map_err(damage)?, value.clone())),
            Space::Run => stored.read_run_row(key, value)?,
            Space::Own => match keys::parse(key).map_err(damage)? {
                Own::Head => stored.head = Some(Head::decode(value).map_err(damage)?),
                Own::Change(number) => {
                    let (parts, changes) = unseal_changes(key, value).map_err(damage)?;
                    own.changes.insert(number, (parts, changes, value.clone()));
                }
                Own::Chunk(cell, index) => drop(own.chunks.insert((cell, index), value.clone())),
                Own::Part(number, index) => drop(own.parts.insert((number, index), value.clone())),
                Own::Sums(block) => {
                    drop(own.sums.insert(block, names::read_sums(key, value).map_err(damage)?));
                }
                Own::Other => {}
            },
            Space::Foreign => {}
        }
    }
    names::check(&stored.names, &own.sums)?;
    stored.put_together(own)?;
    stored.drop_unreachable();
    // Rows of entries that are gone stay unread: another engine leaves them behind.
    for (id, value) in metadata {
        if let Some(entry) = stored.entries.get_mut(&id) {
            let damage = |error: CodecError| Damage::of(&key::metadata(&id), &error);
            entry.metadata = Some(EntryMetadata::decode(&value).map_err(damage)?);
        }
    }
    Ok(stored)
}

/// In order of key, each once: not every driver's lists are.
fn in_order(rows: &Rows) -> Cow<'_, Rows> {
    if rows.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Cow::Borrowed(rows);
    }
    let sorted: BTreeMap<Bytes, Bytes> = rows.iter().cloned().collect();
    Cow::Owned(sorted.into_iter().collect())
}

enum Space {
    Name,
    History,
    Run,
    Metadata,
    Own,
    Foreign,
}

fn space(key: &[u8]) -> Space {
    match key {
        [0x15, 1, ..] => Space::Name,
        [0x15, 2, ..] => Space::History,
        [0x15, 3, ..] => Space::Run,
        [0x15, 4, ..] => Space::Metadata,
        [0x15, 9, ..] => Space::Own,
        _ => Space::Foreign,
    }
}

impl Stored {
    /// Names come in the order of their numbers.
    fn read_name(&mut self, key: &Bytes, value: &Bytes) -> Result<(), Damage> {
        let index = key::parse_name(key).map_err(|error| Damage::of(key, &error))?;
        let expected = self.names.len();
        if index as usize != expected {
            return Err(Damage::new(key::name(expected as u32), format!("no name {expected}, but a name {index}")));
        }
        self.names.push(utf8(key, value)?);
        Ok(())
    }

    fn read_entry(&mut self, key: &Bytes, value: &Bytes) -> Result<(), Damage> {
        let damage = |error: CodecError| Damage::of(key, &error);
        let entry = Entry::decode(value).map_err(damage)?;
        if !key::is_history(key, &entry.location).map_err(damage)? {
            return Err(Damage::new(key.clone(), "the entry of another location"));
        }
        // An entry's own segment is a name; those of rounds are on the way to others.
        if !matches!(entry.location.last(), Some(Segment::Name(_))) {
            return Err(Damage::new(key.clone(), "an entry without a name of its own"));
        }
        let unknown = |segment: &&Segment| match segment {
            Segment::Name(name) | Segment::Iteration { loop_name: name, .. } => *name as usize >= self.names.len(),
        };
        if entry.location.segments().iter().find(unknown).is_some() {
            return Err(Damage::new(key.clone(), "an entry whose name is not in the registry"));
        }
        let (id, hash) = (entry.id.clone(), entry_hash(&entry.id, value));
        if self.entries.insert(id, StoredEntry { entry, metadata: None, hash, change: UNLISTED }).is_some() {
            return Err(Damage::new(key.clone(), "an entry whose id another one has"));
        }
        Ok(())
    }

    fn read_run_row(&mut self, key: &Bytes, value: &Bytes) -> Result<(), Damage> {
        match key {
            _ if *key == key::STATE => self.word = Some(known_word(key, value)?),
            _ if *key == key::OUTPUT => {
                cbor::validate(value).map_err(|error| undecodable(key, "output", &error))?;
                self.output = Some(value.clone());
            }
            _ if *key == key::ERROR => {
                self.error = Some(failure::decode(value)?);
            }
            _ if *key == key::INPUT => {
                cbor::validate(value).map_err(|error| undecodable(key, "input", &error))?;
                self.input = Some((value[..] != [0xf7]).then(|| value.clone()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts what is in several rows together; pieces that no row names are garbage.
    fn put_together(&mut self, mut own: OwnRows) -> Result<(), Damage> {
        let newest = self.head.as_ref().map_or(0, |head| head.seq);
        for (first, (parts, mut contents, value)) in std::mem::take(&mut own.changes) {
            if parts > 0 {
                let part = |index| (keys::part(first, index), own.parts.remove(&(first, index)));
                contents.push(join(u64::from(parts), part)?);
            }
            self.put_changes(first, &contents, newest)?;
            let last = first + contents.len() as u64 - 1;
            self.rows.push(((first, last), parts.into()));
            if parts == 0 && last == newest {
                self.page = Page::read(first, last, &value);
            }
        }
        for base in self.head.iter().flat_map(|head| &head.cells) {
            self.cells.insert(base.cell.clone(), read_cell(base, &mut own.chunks)?);
        }
        self.garbage.extend(own.parts.keys().map(|(number, index)| keys::part(*number, *index)));
        self.garbage.extend(own.chunks.keys().map(|(cell, index)| keys::chunk(cell, *index)));
        Ok(())
    }

    /// Takes up the changes of one row.
    fn put_changes(&mut self, first: u64, contents: &[Bytes], newest: u64) -> Result<(), Damage> {
        for (number, content) in (first..).zip(contents) {
            if number > newest {
                return Err(Damage::new(keys::head(), format!("{newest} as the newest change, and a change {number}")));
            }
            let damage = |error: CodecError| Damage::of(&keys::change(first), &error);
            let row = ChangeRow::decode(number, content).map_err(damage)?;
            for id in &row.entry_ids {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.change = number;
                }
            }
            if self.changes.insert(number, row).is_some() {
                return Err(Damage::new(keys::change(first), format!("change {number}, which another row has, too")));
            }
        }
        Ok(())
    }

    /// Takes out what readers are to ignore: entries below a deletion that is still to be made, and messages that no
    /// count row counts.
    fn drop_unreachable(&mut self) {
        let mut gone: Vec<(String, Bytes)> = Vec::new();
        for number in self.head.iter().flat_map(|head| &head.pending) {
            for (location, iterations) in self.changes.get(number).into_iter().flat_map(drops) {
                let covered = self
                    .entries
                    .values()
                    .filter(|stored| covers(location, iterations, &stored.entry.location) && stored.change < *number);
                gone.extend(covered.map(|stored| (stored.entry.id.clone(), key::history(&stored.entry.location))));
            }
        }
        gone.extend(self.uncounted());
        for (id, key) in gone {
            if self.entries.remove(&id).is_some() && self.head.is_some() {
                self.garbage.extend([key, key::metadata(&id)]);
            }
        }
    }

    /// Message rows without a row that counts them: nobody, the other engine included, ever reads them.
    fn uncounted(&self) -> Vec<(String, Bytes)> {
        let messages = self.entries.values().filter(|stored| matches!(stored.entry.kind, EntryKind::Message { .. }));
        let messages: Vec<(&StoredEntry, &str)> =
            messages.filter_map(|stored| Some((stored, self.name_of(stored)?))).collect();
        let counts: HashSet<(Option<Location>, &str)> = messages
            .iter()
            .filter_map(|(stored, name)| Some((stored.entry.location.parent(), name.strip_suffix(":count")?)))
            .collect();
        let is_uncounted = |(stored, name): &&(&StoredEntry, &str)| {
            counted_as(name).is_some_and(|(wait, _)| !counts.contains(&(stored.entry.location.parent(), wait)))
        };
        let uncounted = messages.iter().filter(is_uncounted);
        uncounted.map(|(stored, _)| (stored.entry.id.clone(), key::history(&stored.entry.location))).collect()
    }

    fn name_of(&self, stored: &StoredEntry) -> Option<&str> {
        match stored.entry.location.last()? {
            Segment::Name(index) => self.names.get(index as usize).map(String::as_str),
            Segment::Iteration { .. } => None,
        }
    }
}

/// What a change dropped.
pub fn drops(row: &ChangeRow) -> impl Iterator<Item = (&Location, Option<(u32, u32)>)> {
    row.rest.iter().filter_map(|record| match record {
        pawl_core::codec::change::Record::Dropped { location, iterations, .. } => Some((location, *iterations)),
        _ => None,
    })
}

fn read_cell(base: &Base, chunks: &mut BTreeMap<(String, u64), Bytes>) -> Result<Bytes, Damage> {
    let value = join(base.chunks, |index| {
        let index = base.first + index;
        (keys::chunk(&base.cell, index), chunks.remove(&(base.cell.clone(), index)))
    })?;
    if value.len() as u64 != base.length {
        let found = format!("{} bytes of the cell {:?}, which has {}", value.len(), base.cell, base.length);
        return Err(Damage::new(keys::head(), found));
    }
    Ok(value)
}

fn join(count: u64, mut piece: impl FnMut(u64) -> (Bytes, Option<Bytes>)) -> Result<Bytes, Damage> {
    let mut whole = Vec::new();
    for index in 0..count {
        let (key, value) = piece(index);
        let Some(value) = value else { return Err(Damage::new(key, "nothing, where another row names a piece")) };
        let piece = unseal_piece(&key, &value).map_err(|error| Damage::of(&key, &error))?;
        if count == 1 {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

fn known_word(key: &Bytes, value: &Bytes) -> Result<String, Damage> {
    const WORDS: [&str; 7] = ["pending", "running", "sleeping", "failed", "completed", "cancelled", "rolling_back"];
    let word = utf8(key, value)?;
    match WORDS.contains(&&*word) {
        true => Ok(word),
        false => Err(Damage::new(key.clone(), format!("Invalid workflow state: {word}"))),
    }
}

/// A value of the run that is no CBOR, in the words of engine behaviour 1.5.
fn undecodable(key: &Bytes, of: &str, error: &CodecError) -> Damage {
    Damage { what: format!("Failed to deserialize workflow {of}: {error}"), ..Damage::of(key, error) }
}

fn utf8(key: &Bytes, value: &Bytes) -> Result<String, Damage> {
    String::from_utf8(value.to_vec()).map_err(|error| Damage {
        key: key.clone(),
        offset: error.utf8_error().valid_up_to(),
        what: "bytes that are not UTF-8".to_owned(),
        newer: false,
    })
}
