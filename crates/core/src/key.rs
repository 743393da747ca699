//! Where rows live: locations, and the keys of the rows that another engine can read (engine behaviour 2.1).
//!
//! A key is a FoundationDB tuple. Every element is self-delimiting, so a prefix of elements never matches a sibling.

mod tuple;

use bytes::Bytes;

pub use tuple::{Tuple, TupleReader};

use crate::codec::CodecError;

const NAMES: u64 = 1;
const HISTORY: u64 = 2;
const RUN: u64 = 3;
const METADATA: u64 = 4;

/// The row of the run's state word.
pub const STATE: Bytes = Bytes::from_static(&[0x15, 3, 0x15, 1]);
/// The row of the run's output.
pub const OUTPUT: Bytes = Bytes::from_static(&[0x15, 3, 0x15, 2]);
/// The row of the run's error.
pub const ERROR: Bytes = Bytes::from_static(&[0x15, 3, 0x15, 3]);
/// The row of the run's input.
pub const INPUT: Bytes = Bytes::from_static(&[0x15, 3, 0x15, 4]);

/// One element of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// An index into the registry of names.
    Name(u32),
    /// One iteration of a loop; it follows the segment of the loop's own name.
    Iteration { loop_name: u32, iteration: u32 },
}

/// The path that names an entry. Locations order as their keys do, up to the order of names and iterations in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location(Vec<Segment>);

impl Location {
    /// The scope of the workflow function itself.
    pub fn root() -> Self {
        Location::default()
    }

    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The place of an entry or branch with this name, inside this scope.
    pub fn name(&self, name: u32) -> Self {
        self.with(Segment::Name(name))
    }

    /// The scope of one iteration of the loop at this location. `loop_name` is the loop's own name, this location's last.
    pub fn iteration(&self, loop_name: u32, iteration: u32) -> Self {
        self.with(Segment::Iteration { loop_name, iteration })
    }

    pub fn with(&self, segment: Segment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Location(segments)
    }

    pub fn last(&self) -> Option<Segment> {
        self.0.last().copied()
    }

    /// The enclosing scope; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Location(parent.to_vec()))
    }

    /// Whether `self` is `scope` or lies below it.
    pub fn is_within(&self, scope: &Location) -> bool {
        self.0.starts_with(&scope.0)
    }
}

impl From<Vec<Segment>> for Location {
    fn from(segments: Vec<Segment>) -> Self {
        Location(segments)
    }
}

impl FromIterator<Segment> for Location {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Location(segments.into_iter().collect())
    }
}

/// The key of a row of the name registry.
pub fn name(index: u32) -> Bytes {
    Tuple::new().uint(NAMES).uint(index.into()).into()
}

/// The prefix of all rows of the name registry.
pub fn names() -> Bytes {
    Tuple::new().uint(NAMES).into()
}

/// The key of the entry at a location, and the prefix of that entry and everything below it.
pub fn history(location: &Location) -> Bytes {
    location.segments().iter().fold(Tuple::new().uint(HISTORY), |tuple, segment| push_segment(tuple, *segment)).into()
}

/// The prefix of all entries.
pub fn histories() -> Bytes {
    history(&Location::root())
}

/// The key of an entry's metadata.
pub fn metadata(entry_id: &str) -> Bytes {
    Tuple::new().uint(METADATA).text(entry_id).into()
}

/// The prefix of all metadata.
pub fn metadatas() -> Bytes {
    Tuple::new().uint(METADATA).into()
}

/// The range, from the first key up to but without the second, of iterations `from..to` of the loop at `loop_location`
/// with everything below them. `loop_name` is the loop's own name.
pub fn iterations(loop_location: &Location, loop_name: u32, from: u32, to: u32) -> (Bytes, Bytes) {
    (history(&loop_location.iteration(loop_name, from)), history(&loop_location.iteration(loop_name, to)))
}

/// The first key after every key that starts with `prefix`; none if there is no such key (all bytes are `ff`).
pub fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end.into())
}

/// The index in the key of a name row.
pub fn parse_name(key: &[u8]) -> Result<u32, CodecError> {
    let mut reader = TupleReader::new(key);
    reader.expect_uint(NAMES, "1, the space of names")?;
    let index = reader.u32("a name index")?;
    reader.end("a name key")?;
    Ok(index)
}

/// The location in the key of a history row.
pub fn parse_history(key: &[u8]) -> Result<Location, CodecError> {
    let mut reader = TupleReader::new(key);
    reader.expect_uint(HISTORY, "2, the space of entries")?;
    let mut segments = Vec::new();
    while !reader.is_empty() {
        segments.push(read_segment(&mut reader)?);
    }
    Ok(Location(segments))
}

/// Whether a key is that of the history row at a location; fails as [`parse_history`] does.
pub fn is_history(key: &[u8], location: &Location) -> Result<bool, CodecError> {
    let mut reader = TupleReader::new(key);
    reader.expect_uint(HISTORY, "2, the space of entries")?;
    let mut same = true;
    let mut segments = location.segments().iter();
    while !reader.is_empty() {
        same &= segments.next() == Some(&read_segment(&mut reader)?);
    }
    Ok(same && segments.next().is_none())
}

/// The entry id in the key of a metadata row.
pub fn parse_metadata(key: &[u8]) -> Result<String, CodecError> {
    let mut reader = TupleReader::new(key);
    reader.expect_uint(METADATA, "4, the space of metadata")?;
    let id = reader.text("an entry id")?;
    reader.end("a metadata key")?;
    Ok(id)
}

/// Whether a key belongs to one of the single rows of the run: state, output, error, input.
pub fn is_run_row(key: &[u8]) -> bool {
    TupleReader::new(key).expect_uint(RUN, "3, the space of the run").is_ok()
}

fn push_segment(tuple: Tuple, segment: Segment) -> Tuple {
    match segment {
        Segment::Name(name) => tuple.uint(name.into()),
        Segment::Iteration { loop_name, iteration } => {
            tuple.nested(|inner| inner.uint(loop_name.into()).uint(iteration.into()))
        }
    }
}

fn read_segment(reader: &mut TupleReader) -> Result<Segment, CodecError> {
    if !reader.open_nested() {
        return Ok(Segment::Name(reader.u32("a name index or an iteration")?));
    }
    let loop_name = reader.u32("a loop name")?;
    let iteration = reader.u32("an iteration")?;
    reader.close_nested()?;
    Ok(Segment::Iteration { loop_name, iteration })
}

#[cfg(test)]
mod tests;
