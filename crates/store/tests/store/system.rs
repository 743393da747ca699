//! What becomes of commits when the system fails: syncs and writes of the real store, in a child whose C library has
//! `system.c` before it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use pawl_store::{Code, Completion, Outcome, Request, Scopes};

use crate::child;
use pawl_conformance::driver::{Driver, Folder, Place, actor, change, refusal};

const FOLDER: &str = "PAWL_TEST_SYSTEM";

/// Runs the test `part` of this module as a child under `system.c`.
fn under_system(part: &str) {
    static LIBRARY: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = Folder::new();
        let library = folder.path.join("system.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/system.c");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
        assert!(compiled.expect("a C compiler: SQLite is built with one, too").success());
        (folder, library)
    });
    let folder = Folder::new();
    let part = format!("system::{part}");
    let second = child::start(&part, &folder.path.join("shop.db"), |command| {
        command.env("LD_PRELOAD", library).env(FOLDER, &folder.path);
    });
    second.finish();
}

/// In the child: the store, and the switches of `system.c`.
struct System {
    place: Place,
    folder: PathBuf,
}

impl System {
    fn here() -> Option<Self> {
        let place = Place::at(&child::path()?);
        Some(Self { place, folder: std::env::var_os(FOLDER)?.into() })
    }

    fn on(&self, switch: &str, text: &str) {
        fs::write(self.folder.join("new"), text).unwrap();
        fs::rename(self.folder.join("new"), self.folder.join(switch)).unwrap();
    }

    fn off(&self, switch: &str) {
        fs::remove_file(self.folder.join(switch)).unwrap();
    }

    /// How often a file whose path ends so was synced since the last call.
    fn syncs(&self, end: &str) -> usize {
        let told = fs::read_to_string(self.folder.join("synced")).unwrap_or_default();
        self.on("synced", "");
        told.lines().filter(|line| line.ends_with(end)).count()
    }
}

fn unknown(driver: &mut Driver, seq: u64) {
    let batch = driver.batch(&actor("order/1"), vec![change(seq)]);
    match driver.commit(batch) {
        Outcome::Unknown(error) if error.code == Code::OutcomeUnknown => {}
        other => panic!("{other:?}"),
    }
}

fn unavailable(driver: &mut Driver) -> bool {
    match driver.ask(Request::Open { actor: actor("order/1"), scopes: Scopes::Open }) {
        Completion::Failed(error) => {
            assert!(error.code == Code::StoreUnavailable && error.retryable, "{error:?}");
            true
        }
        _ => false,
    }
}

/// After an unknown outcome: the store comes back under a new epoch, and what it has is what it keeps.
fn comes_back(system: &System, driver: &mut Driver, stale: u64) {
    assert!(driver.reopened().epoch > stale);
    let opened = driver.open(&actor("order/1"));
    let seq = opened.changes.len() as u64;
    assert!(seq == 1 || seq == 2, "{seq}");
    let late = pawl_store::Batch { epoch: stale, ..driver.batch(&actor("order/1"), vec![change(seq + 1)]) };
    refusal(driver.commit(late), Code::Fenced);
    driver.write(&actor("order/1"), vec![change(seq + 1)]);
    driver.store.abandon();
    assert_eq!(system.place.open().open(&actor("order/1")).changes.len() as u64, seq + 1);
}

#[test]
fn child_whose_sync_fails() {
    let Some(system) = System::here() else { return };
    let mut driver = system.place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    system.on("sync", "-wal");
    let stale = driver.epoch();
    unknown(&mut driver, 2);
    assert!(unavailable(&mut driver), "no reopening succeeds while syncs fail");
    let late = driver.batch(&actor("order/2"), vec![change(1)]);
    assert!(matches!(driver.commit(late), Outcome::No(error) if error.code == Code::StoreUnavailable));
    system.off("sync");
    comes_back(&system, &mut driver, stale);
}

#[test]
fn a_failed_sync_is_an_unknown_outcome_and_ends_the_handle() {
    under_system("child_whose_sync_fails");
}

#[test]
fn child_that_is_read_when_its_sync_fails() {
    let Some(system) = System::here() else { return };
    let mut driver = system.place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    let reader = rusqlite::Connection::open(system.place.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM change").unwrap();
    system.on("sync", "-wal");
    let stale = driver.epoch();
    unknown(&mut driver, 2);
    system.off("sync");
    // It may be asked while a try from before that is still failing: then the next one answers.
    loop {
        match driver.ask(Request::Open { actor: actor("order/1"), scopes: Scopes::Open }) {
            Completion::Failed(error) if error.message.contains("while another program reads it") => break,
            Completion::Failed(error) if error.code == Code::StoreUnavailable => {}
            other => panic!("what may not be on the disk was served: {other:?}"),
        }
    }
    reader.execute_batch("COMMIT").unwrap();
    comes_back(&system, &mut driver, stale);
}

#[test]
fn after_a_failed_sync_nothing_is_served_from_a_log_that_could_not_be_moved() {
    under_system("child_that_is_read_when_its_sync_fails");
}

#[test]
fn child_whose_write_fails() {
    let Some(system) = System::here() else { return };
    let mut driver = system.place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    system.on("eio", "");
    system.on("write", "-wal");
    let stale = driver.epoch();
    unknown(&mut driver, 2);
    assert!(unavailable(&mut driver));
    system.off("write");
    comes_back(&system, &mut driver, stale);
}

#[test]
fn a_failed_write_of_a_commit_is_an_unknown_outcome_and_ends_the_handle() {
    under_system("child_whose_write_fails");
}

#[test]
fn child_whose_disk_is_full() {
    let Some(system) = System::here() else { return };
    let mut driver = system.place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    for seq in 2..5 {
        system.on("write", "-wal");
        for _ in 0..3 {
            let error = driver.refused(&actor("order/1"), vec![change(seq)], Code::StoreUnavailable);
            assert!(error.retryable && error.message.contains("make room"), "{error}");
        }
        assert_eq!(driver.open(&actor("order/1")).changes.len() as u64, seq - 1, "reading goes on");
        system.off("write");
        driver.write(&actor("order/1"), vec![change(seq)]);
    }
    assert_eq!(driver.store.stats().reopenings, 0);
    // What was refused stays refused over a crash, even if nothing was written after it.
    system.on("write", "-wal");
    driver.refused(&actor("order/1"), vec![change(5)], Code::StoreUnavailable);
    driver.store.abandon();
    system.off("write");
    assert_eq!(system.place.open().open(&actor("order/1")).changes.len(), 4);
}

#[test]
fn a_full_disk_is_a_no_and_the_store_goes_on_when_there_is_room() {
    under_system("child_whose_disk_is_full");
}

#[test]
fn child_whose_checkpoint_fails() {
    let Some(system) = System::here() else { return };
    let mut driver = system.place.open();
    system.on("sync", "shop.db");
    let stale = driver.epoch();
    let large = pawl_store::Change::new(1, vec![7; 9 << 20], pawl_store::Status::Running);
    driver.write(&actor("order/1"), vec![large]);
    assert!(unavailable(&mut driver), "the log is large and cannot be moved");
    system.off("sync");
    assert!(driver.reopened().epoch > stale);
    assert_eq!(driver.open(&actor("order/1")).changes.len(), 1, "what was answered is in the log");
}

#[test]
fn a_failed_move_of_the_log_ends_the_handle_and_loses_nothing() {
    under_system("child_whose_checkpoint_fails");
}

#[test]
fn child_that_counts_syncs() {
    let Some(system) = System::here() else { return };
    let mut driver = system.place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    system.syncs("");
    for seq in 2..=21 {
        driver.write(&actor("order/1"), vec![change(seq)]);
        assert_eq!((system.syncs("-wal"), system.syncs("")), (1, 0), "one transaction, one sync");
    }
    let before = driver.store.stats().transactions;
    for n in 0..300 {
        let batch = driver.batch(&actor(&format!("other/{n}")), vec![change(1)]);
        driver.submit_batch(batch);
    }
    driver.finish();
    let transactions = driver.store.stats().transactions - before;
    assert_eq!(system.syncs("-wal") as u64, transactions);
    driver.open(&actor("order/1"));
    driver.due(None, 10);
    assert_eq!(system.syncs(""), 0, "reading syncs nothing");
}

#[test]
fn a_transaction_costs_one_sync() {
    under_system("child_that_counts_syncs");
}
