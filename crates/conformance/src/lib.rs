//! The contract of `Store`, as a suite: every store is held to it by one call of [`hold_to_contract`].

#![allow(clippy::unwrap_used, reason = "a suite says what went wrong by panicking")]

mod changes;
pub mod driver;
mod forgetting;
mod life;
mod listing;
mod messages;
mod notes;
mod refusals;
mod snapshots;

use crate::driver::{Factory, Owners};

type Case = (&'static str, fn(&Factory));

/// Runs every case of the contract against stores that `factory` makes. A failure names its case in the output.
pub fn hold_to_contract(factory: &Factory) {
    let by_owners = match factory().owners {
        Owners::One => life::ONE_OWNER,
        Owners::Many => &[],
    };
    let every = [
        life::CASES,
        by_owners,
        changes::CASES,
        messages::CASES,
        refusals::CASES,
        listing::CASES,
        snapshots::CASES,
        notes::CASES,
        forgetting::CASES,
    ];
    for (sentence, case) in every.concat() {
        eprintln!("contract: {sentence}");
        case(factory);
    }
}
