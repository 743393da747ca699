//! From records to rows: the parts that need to know nothing but the records.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use pawl_core::codec::cbor;
use pawl_core::codec::change::Record;
use pawl_core::codec::record::{Entry, EntryKind};
use pawl_core::ids::CommitId;
use pawl_core::key::Segment;
use pawl_store::Status;

use crate::kept::{Kept, covers};
use crate::keys;
use crate::life::{Life, life};
use crate::rows::{self, Ack, Base, ChangeRow, PIECE_BYTES, Page, Sent};
use crate::split::{Class, Pile};
use crate::work::Call;

/// What holds a change.
pub enum Holder {
    /// The newest row of changes, as it is with it.
    Page(Page),
    /// A row of its own, and so many parts.
    Parts(u64),
}

/// Puts the rows of the next change.
pub fn put_row(pile: &mut Pile, kept: &Kept, number: u64, row: &ChangeRow) -> Holder {
    let content = row.encode(number);
    if content.len() <= PIECE_BYTES {
        let page = kept.next_page(number, &content);
        let (key, value) = page.row();
        pile.put(Class::Own, key, value);
        return Holder::Page(page);
    }
    let mut rows = rows::parted(number, &content);
    let own = rows.pop();
    let parts = rows.len() as u64;
    rows.into_iter().for_each(|(key, value)| pile.put(Class::Piece, key, value));
    own.into_iter().for_each(|(key, value)| pile.put(Class::Own, key, value));
    Holder::Parts(parts)
}

/// Takes up the row of change `number`.
pub fn keep_row(kept: &mut Kept, number: u64, holder: Holder) {
    match holder {
        Holder::Page(page) => kept.add_page(page),
        Holder::Parts(parts) => kept.add_row((number, number), parts),
    }
}

/// Puts a cell's value, in chunks after those of the base before.
pub fn put_base(pile: &mut Pile, before: Option<&Base>, cell: &str, value: &Bytes, version: u32, as_of: u64) -> Base {
    let first = before.map_or(0, |base| base.first + base.chunks);
    let chunks = rows::pieces(value, first, |index| keys::chunk(cell, index));
    let base =
        Base { cell: cell.to_owned(), version, first, chunks: chunks.len() as u64, length: value.len() as u64, as_of };
    chunks.into_iter().for_each(|(key, chunk)| pile.put(Class::Piece, key, chunk));
    base
}

pub fn add_message(sent: &Sent) -> Call {
    Call::AddMessage { id: sent.id.clone(), name: sent.name.clone(), body: sent.body.clone(), sent_at: sent.at }
}

/// What messages were answered with in a change, by id.
pub fn answers(records: &[Record]) -> BTreeMap<&str, &Option<Bytes>> {
    let mut answers = BTreeMap::new();
    for record in records {
        if let Record::Answered { message_id, reply } = record {
            answers.insert(message_id.as_str(), reply);
        }
    }
    answers
}

pub fn complete_message(ack: &Ack) -> Call {
    Call::CompleteMessage { id: ack.id.clone(), response: ack.response.clone() }
}

/// The word of the state row, for a status that other engines know.
pub fn word(status: Status) -> Option<&'static str> {
    match status {
        Status::Running => Some("running"),
        Status::Waiting => Some("sleeping"),
        Status::RollingBack => Some("rolling_back"),
        Status::Completed => Some("completed"),
        Status::Failed => Some("failed"),
        Status::Cancelled => Some("cancelled"),
        Status::None | Status::Parked | Status::Quarantined => None,
    }
}

/// The name that a message row counts under (`w` of `w:3`) and its number; none for other rows. What a workflow has sent
/// (`send:w:3`) stands alone.
pub fn counted_as(name: &str) -> Option<(&str, u64)> {
    if name.starts_with("send:") {
        return None;
    }
    let (wait, number) = name.rsplit_once(':')?;
    Some((wait, number.parse().ok()?))
}

/// The ids of message rows that only a count row of the same change lets anyone find.
pub fn uncounted<'a>(names: &[String], records: &'a [Record]) -> Vec<&'a str> {
    let name_of = |entry: &Entry| match entry.location.last() {
        Some(Segment::Name(index)) => names.get(index as usize).map(String::as_str),
        _ => None,
    };
    let entries = records.iter().filter_map(|record| match record {
        Record::Entry(entry) if matches!(entry.kind, EntryKind::Message { .. }) => Some(entry),
        _ => None,
    });
    let messages: Vec<(&Entry, &str)> = entries.filter_map(|entry| Some((entry, name_of(entry)?))).collect();
    if messages.is_empty() {
        return Vec::new();
    }
    let counted = |entry: &Entry, wait: &str| {
        messages.iter().any(|(other, name)| {
            name.strip_suffix(":count") == Some(wait) && other.location.parent() == entry.location.parent()
        })
    };
    let is_uncounted = |(entry, name): &&(&Entry, &str)| counted_as(name).is_some_and(|(wait, _)| counted(entry, wait));
    messages.iter().filter(is_uncounted).map(|(entry, _)| &*entry.id).collect()
}

/// The records that have no rows of their own, without what stood beside an earlier writing of the same entry.
pub fn rest(records: &[Record]) -> Vec<Record> {
    if records.iter().all(|record| life(record) == Life::Elsewhere) {
        return Vec::new();
    }
    let mut written: HashMap<&str, usize> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        if let Record::Entry(entry) = record {
            written.insert(&entry.id, place);
        }
    }
    let counts = |place: usize, record: &Record| match life(record) {
        Life::Elsewhere => false,
        Life::Writing(id) => written.get(id).is_some_and(|written| *written < place),
        _ => true,
    };
    records
        .iter()
        .enumerate()
        .filter(|(place, record)| counts(*place, record))
        .map(|(_, record)| record.clone())
        .collect()
}

/// Each entry that was written and is still there, once, in the order in which each was written last.
pub fn entry_ids(records: &[Record]) -> Vec<String> {
    let mut entries: Vec<&Entry> = Vec::new();
    for record in records {
        match record {
            Record::Entry(entry) => {
                entries.retain(|other| other.id != entry.id);
                entries.push(entry);
            }
            Record::Dropped { location, iterations, .. } => {
                entries.retain(|entry| !covers(location, *iterations, &entry.location));
            }
            _ => {}
        }
    }
    entries.into_iter().map(|entry| entry.id.clone()).collect()
}

/// The row of an input: there is always one.
pub fn written_input(input: Option<&Bytes>) -> Bytes {
    input.cloned().unwrap_or(Bytes::from_static(cbor::UNDEFINED))
}

/// The same id whenever a message is added again: the commit that sent it and its place there, in the form of a UUID.
pub fn message_id(commit: CommitId, index: usize) -> String {
    let mut bytes = commit.0;
    for (byte, part) in bytes[12..].iter_mut().zip((index as u32).to_be_bytes()) {
        *byte ^= part;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = keys::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
