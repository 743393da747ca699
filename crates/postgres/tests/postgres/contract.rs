//! PostgreSQL is held to the contract of every store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pawl_conformance::driver::Place;
use pawl_conformance::hold_to_contract;

use crate::server;

/// A schema that no other test has. The dead hold their actors for half a second.
pub fn place() -> Place {
    place_with("")
}

/// The same; `more`: further options of the URL.
fn place_with(more: &str) -> Place {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let url = server::url(&format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed))) + more;
    Place::shared(
        url,
        Box::new(|url, mut options| {
            options.lease = Duration::from_millis(500);
            pawl_postgres::open(url, options)
        }),
    )
}

#[test]
fn postgres_keeps_the_contract() {
    hold_to_contract(&place);
}

#[test]
fn postgres_keeps_the_contract_without_hints() {
    hold_to_contract(&|| place_with("&hints=off"));
}
