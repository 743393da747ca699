//! Small changes, and what is seen of them after an opening.

use bytes::Bytes;
use pawl_core::codec::change::{ChangeWriter, Record};
use pawl_core::codec::record::{Entry, EntryKind, EntryMetadata, EntryStatus};
use pawl_core::ids::CommitId;
use pawl_core::key::Location;
use pawl_embed::Limits;
use pawl_store::{Change, Opened, Status};

use super::{Driver, Process, is_yes};

/// A change with these records.
pub fn change(seq: u64, status: Status, write: impl FnOnce(&mut ChangeWriter)) -> Change {
    let mut writer = ChangeWriter::new(CommitId([seq as u8; 16]), 1_000);
    write(&mut writer);
    Change::new(seq, writer.finish(seq), status)
}

pub fn created(seq: u64) -> Change {
    change(seq, Status::Running, |writer| writer.created(1, true, None))
}

pub fn at(name: u32) -> Location {
    Location::root().name(name)
}

pub fn step(id: &str, location: Location, output: u8) -> Entry {
    let kind = EntryKind::Step { output: Some(Bytes::copy_from_slice(&[output])), error: None };
    Entry { id: id.into(), location, kind }
}

pub fn metadata(completed_at_ms: Option<u64>) -> EntryMetadata {
    EntryMetadata {
        status: EntryStatus::Completed,
        error: None,
        attempts: 1,
        last_attempt_at_ms: 1,
        created_at_ms: 2,
        completed_at_ms,
        rollback_completed_at_ms: None,
        rollback_error: None,
    }
}

pub fn records(opened: &Opened) -> Vec<Vec<Record>> {
    opened.read.iter().map(|(_, change)| change.records.clone()).collect()
}

/// The ids of entries, change by change.
pub fn order(opened: &Opened) -> Vec<Vec<String>> {
    let ids = |records: Vec<Record>| {
        let ids = records.into_iter().filter_map(|record| match record {
            Record::Entry(entry) => Some(entry.id),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    records(opened).into_iter().map(ids).filter(|ids| !ids.is_empty()).collect()
}

pub fn reopened(driver: &Driver) -> Opened {
    Process::new(driver.clone(), Limits::NONE).open().unwrap().unwrap()
}

/// A run with one step, and everything that is kept of one.
pub fn one_step() -> Process {
    let mut process = Process::new(Driver::default(), Limits::NONE);
    let epoch = process.open().unwrap().unwrap().epoch;
    assert!(is_yes(process.commit(epoch, vec![created(1)])));
    let first = change(2, Status::Running, |writer| {
        writer.name(0, "charge");
        writer.entry(&step("id", at(0), 1));
        writer.metadata("id", &metadata(Some(3)));
    });
    assert!(is_yes(process.commit(epoch, vec![first])));
    let done = change(3, Status::Completed, |writer| writer.completed(Some(&Bytes::from_static(&[0x18, 0x2a]))));
    assert!(is_yes(process.commit(epoch, vec![done])));
    process
}
