//! Notes of whoever drives the store.

use bytes::Bytes;
use pawl_store::{Completion, Outcome, Request};

use super::Case;
use crate::driver::{Driver, Factory};

pub const CASES: &[Case] = &[
    ("notes are there by their names until they are taken away, for the next owner, too", kept),
    ("the notes whose names begin so are listed in order of name, and no others", listed),
];

fn note(driver: &mut Driver, puts: &[(&str, Option<&'static [u8]>)]) {
    let puts = puts.iter().map(|(name, body)| ((*name).into(), body.map(Bytes::from_static))).collect();
    assert!(matches!(driver.ask(Request::Note { puts }), Completion::Committed(Outcome::Yes)));
}

fn notes(driver: &mut Driver, prefix: &str) -> Vec<(String, Vec<u8>)> {
    match driver.ask(Request::Notes { prefix: prefix.into() }) {
        Completion::Notes(notes) => notes.iter().map(|(name, body)| (name.to_string(), body.to_vec())).collect(),
        other => panic!("notes, but found {other:?}"),
    }
}

fn kept(factory: &Factory) {
    let place = factory();
    let mut driver = place.open();
    assert_eq!(notes(&mut driver, ""), []);
    note(&mut driver, &[("a", Some(b"1")), ("b", Some(b"2"))]);
    note(&mut driver, &[("a", None), ("b", Some(b"3")), ("none", None)]);
    drop(driver);
    let mut next = place.open();
    assert_eq!(notes(&mut next, ""), [("b".to_owned(), b"3".to_vec())]);
}

fn listed(factory: &Factory) {
    let mut driver = factory().open();
    note(&mut driver, &[("x/%", Some(b"")), ("x/a", Some(b"1")), ("x", Some(b"2")), ("y/a", Some(b"3"))]);
    assert_eq!(notes(&mut driver, "x/"), [("x/%".to_owned(), Vec::new()), ("x/a".to_owned(), b"1".to_vec())]);
    assert_eq!(notes(&mut driver, "z"), []);
}
