//! Which files are opened, which are refused and left alone, what is made beside them, and what a damaged one does.

use std::fs;
use std::path::Path;

use pawl_conformance::driver::{Driver, Folder, Place, actor, bodies, change, refusal};
use pawl_store::{Code, Completion, Outcome, Request, Scopes, StoreError};
use rusqlite::Connection;

fn refused(place: &Place) -> StoreError {
    match place.opening_with(|_| {}).opening() {
        Completion::Failed(error) => error,
        other => panic!("opened: {other:?}"),
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entry = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|found| entry(found.unwrap())).collect();
    files.sort();
    files
}

fn failed(driver: &mut Driver, name: &str, code: Code) -> StoreError {
    match driver.ask(Request::Open { actor: actor(name), scopes: Scopes::Open }) {
        Completion::Failed(error) if error.code == code => error,
        other => panic!("expected {code}: {other:?}"),
    }
}

/// A closed store with three actors of three changes each.
fn filled() -> Place {
    let place = Place::sqlite();
    let mut driver = place.open();
    for name in ["order/1", "order/2", "order/3"] {
        driver.write(&actor(name), (1..=3).map(change).collect());
    }
    driver.store.close();
    place
}

/// Changes the closed store as another program would.
fn with_sql(place: &Place, sql: &str) {
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    let path = folder.path.join("notes.txt");
    for contents in ["x", "SQLite format 3", &"nothing to see here\n".repeat(1000)] {
        fs::write(&path, contents).unwrap();
        let before = files(&folder.path);
        let error = refused(&Place::at(&path));
        assert_eq!(error.code, Code::StoreForeign, "{error}");
        assert!(error.message.contains("no SQLite database"), "{error}");
        assert!(!error.retryable);
        assert_eq!(files(&folder.path), before, "nothing was changed, nothing was left beside it");
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for setup in ["PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = WAL", "PRAGMA application_id = 7"] {
        let place = Place::sqlite();
        with_sql(&place, &format!("{setup}; CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('Ada')"));
        let folder = place.path().parent().unwrap().to_owned();
        let before = files(&folder);
        let error = refused(&place);
        assert_eq!(error.code, Code::StoreForeign, "{error}");
        assert!(error.message.contains("of another program"), "{error}");
        assert_eq!(files(&folder), before, "nothing was changed, nothing was left beside it");
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let place = filled();
    with_sql(&place, "PRAGMA user_version = 2");
    let folder = place.path().parent().unwrap().to_owned();
    let before = files(&folder);
    let error = refused(&place);
    assert_eq!(error.code, Code::StoreVersion, "{error}");
    assert!(error.message.contains("format 2") && error.message.contains("format 1"), "{error}");
    assert_eq!(files(&folder), before, "byte for byte");
}

#[test]
fn a_newer_version_that_is_only_in_the_log_is_refused_and_left_alone() {
    let place = filled();
    let folder = place.path().parent().unwrap().to_owned();
    let newer = Connection::open(place.path()).unwrap();
    newer.execute_batch("PRAGMA user_version = 2; CREATE TABLE later (x)").unwrap();
    let kept = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| !name.ends_with("-shm")).collect()
    };
    let before = kept(files(&folder));
    assert!(before.iter().any(|(name, log)| name.ends_with("-wal") && !log.is_empty()), "the log holds the version");
    assert_eq!(refused(&place).code, Code::StoreVersion);
    assert_eq!(kept(files(&folder)), before, "byte for byte");
}

#[test]
fn an_empty_file_becomes_a_store() {
    let place = Place::sqlite();
    fs::write(place.path(), "").unwrap();
    place.open().write(&actor("order/1"), vec![change(1)]);
}

#[test]
fn a_creation_that_was_cut_short_is_made_up_for() {
    let place = Place::sqlite();
    // As after a power loss: the pages were not written, their journal is there, and says that there were none.
    fs::write(place.path(), [0; 8192]).unwrap();
    let mut journal = vec![0; 512];
    journal[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    journal[20..28].copy_from_slice(&[0, 0, 2, 0, 0, 0, 16, 0]);
    fs::write(place.beside("-journal"), journal).unwrap();
    place.open().write(&actor("order/1"), vec![change(1)]);
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone_and_so_are_folders_that_were_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let place = Place::at(&folder.path.join("made/by/pawl/shop.db"));
    let mut driver = place.open();
    driver.write(&actor("order/1"), vec![change(1)]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let names: Vec<_> = files(place.path().parent().unwrap()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["shop.db", "shop.db-lock", "shop.db-shm", "shop.db-wal"]);
    for name in names {
        assert_eq!(mode(&place.path().with_file_name(&name)), 0o600, "{name}");
    }
    for made in ["made", "made/by", "made/by/pawl"] {
        assert_eq!(mode(&folder.path.join(made)), 0o700, "{made}");
    }
}

#[test]
fn a_path_that_cannot_be_a_file_is_unavailable() {
    let folder = Folder::new();
    fs::write(folder.path.join("file"), "").unwrap();
    for path in [folder.path.clone(), folder.path.join("file/shop.db"), "/proc/none/shop.db".into()] {
        let error = refused(&Place::at(&path));
        assert_eq!(error.code, Code::StoreUnavailable, "{error}");
        assert!(error.message.contains("found"), "{error}");
    }
}

#[test]
fn a_closed_store_can_be_moved_and_a_running_one_can_be_read() {
    let place = filled();
    let moved = place.path().with_file_name("moved.db");
    fs::rename(place.path(), &moved).unwrap();
    let place = Place::at(&moved);
    let mut driver = place.open();
    driver.write(&actor("order/1"), vec![change(4)]);
    let reader = Connection::open_with_flags(&moved, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let count = |sql| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM change"), 10);
    assert_eq!(count("SELECT seq FROM actor WHERE id = 'order/1' AND status = 'running'"), 4);
    driver.write(&actor("order/1"), vec![change(5)]);
    assert_eq!(count("SELECT count(*) FROM change"), 11);
}

#[test]
fn a_store_that_is_deleted_while_open_takes_no_more_batches() {
    let place = filled();
    let mut driver = place.open();
    driver.write(&actor("order/1"), vec![change(4)]);
    let away = place.path().with_file_name("away.db");
    fs::rename(place.path(), &away).unwrap();
    let error = driver.refused(&actor("order/1"), vec![change(5)], Code::StoreUnavailable);
    assert!(error.retryable && error.message.contains("moved, replaced or deleted"), "{error}");
    failed(&mut driver, "order/1", Code::StoreUnavailable);
    let before = driver.epoch();
    fs::rename(&away, place.path()).unwrap();
    assert!(driver.reopened().epoch > before, "it has come back by itself");
    assert_eq!(driver.open(&actor("order/1")).changes.len(), 4);
    driver.write(&actor("order/1"), vec![change(5)]);
    assert_eq!(driver.store.stats().reopenings, 1);
}

#[test]
fn a_store_in_whose_place_there_is_another_is_not_written_again() {
    let place = filled();
    let mut driver = place.open();
    let other = filled();
    fs::rename(other.path(), place.path()).unwrap();
    driver.refused(&actor("order/1"), vec![change(4)], Code::StoreUnavailable);
    let error = failed(&mut driver, "order/1", Code::StoreForeign);
    assert!(error.message.contains("another store"), "{error}");
}

#[test]
fn a_store_without_its_tables_is_refused() {
    let place = filled();
    with_sql(&place, "DROP TABLE change");
    let error = refused(&place);
    assert_eq!(error.code, Code::RecordCorrupt, "{error}");
}

#[test]
fn an_actor_whose_rows_contradict_each_other_is_refused_alone() {
    for (sql, found) in [
        ("DELETE FROM change WHERE actor = 'order/2' AND seq = 2", "a change with seq 3"),
        ("DELETE FROM change WHERE actor = 'order/2' AND seq = 3", "no change with seq 3"),
        ("DELETE FROM actor WHERE id = 'order/2'", "a change with seq 1"),
        ("UPDATE actor SET seq = 2 WHERE id = 'order/2'", "a change with seq 3"),
        ("UPDATE actor SET seq = -2 WHERE id = 'order/2'", "out of range"),
        ("UPDATE actor SET status = 'asleep' WHERE id = 'order/2'", "\"asleep\""),
        ("UPDATE actor SET state_version = 5000000000 WHERE id = 'order/2'", "5000000000"),
    ] {
        let place = filled();
        with_sql(&place, sql);
        let mut driver = place.open();
        let asked = ["order/1", "order/2", "order/3"]
            .map(|name| driver.submit(Request::Open { actor: actor(name), scopes: Scopes::Open }));
        let finished = driver.finish();
        assert_eq!(finished.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), asked, "{sql}");
        assert!(matches!(&finished[0].1, Completion::Opened(opened) if opened.changes.len() == 3), "{sql}");
        assert!(matches!(&finished[2].1, Completion::Opened(opened) if opened.changes.len() == 3), "{sql}");
        match &finished[1].1 {
            Completion::Failed(error) if error.code == Code::RecordCorrupt => {
                assert!(error.message.contains(found), "{sql}: {error}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn a_batch_for_a_contradictory_actor_does_not_sink_its_group() {
    let place = filled();
    with_sql(&place, "UPDATE actor SET seq = 1 WHERE id = 'order/2'");
    let mut driver = place.open();
    let seqs = [("order/1", 4), ("order/2", 2), ("order/3", 4)];
    for (name, seq) in seqs {
        let batch = driver.batch(&actor(name), vec![change(seq)]);
        driver.submit_batch(batch);
    }
    let outcomes: Vec<_> = driver
        .finish()
        .into_iter()
        .map(|(_, completion)| match completion {
            Completion::Committed(outcome) => outcome,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(matches!(outcomes[0], Outcome::Yes) && matches!(outcomes[2], Outcome::Yes), "{outcomes:?}");
    refusal(outcomes[1].clone(), Code::RecordCorrupt);
    assert_eq!(bodies(&driver.open(&actor("order/3"))).len(), 4);
}

#[test]
fn damage_anywhere_in_the_file_is_told_or_harmless_and_never_fatal() {
    let place = filled();
    let sound = fs::read(place.path()).unwrap();
    let mut told = 0;
    for round in 0..150usize {
        let mut damaged = sound.clone();
        let at = (round * 7919 + round * round * 31) % damaged.len();
        let end = (at + 1 + round % 64).min(damaged.len());
        damaged[at..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        if round % 10 == 0 {
            damaged.truncate(at);
        }
        for suffix in ["-wal", "-shm", "-lock", "-journal"] {
            let _ = fs::remove_file(place.beside(suffix));
        }
        fs::write(place.path(), &damaged).unwrap();
        let mut driver = place.opening_with(|_| {});
        driver.submit(Request::Alarms { after: None, limit: 10 });
        for name in ["order/1", "order/2", "order/3"] {
            driver.submit(Request::Open { actor: actor(name), scopes: Scopes::Open });
        }
        let finished = driver.finish();
        assert_eq!(finished.len(), 5, "everything is answered");
        told += finished.iter().filter(|(_, completion)| matches!(completion, Completion::Failed(_))).count();
    }
    assert!(told > 50, "only {told} were told");
}
