//! The contract of `Store`, as a suite: every store is held to it by one call of [`hold_to_contract`].

mod changes;
mod life;
mod listing;
mod messages;
mod refusals;
mod snapshots;

use crate::driver::Factory;

type Case = (&'static str, fn(&Factory));

/// Runs every case of the contract against stores that `factory` makes. A failure names its case in the output.
pub fn hold_to_contract(factory: &Factory) {
    for (sentence, case) in
        [life::CASES, changes::CASES, messages::CASES, refusals::CASES, listing::CASES, snapshots::CASES].concat()
    {
        eprintln!("contract: {sentence}");
        case(factory);
    }
}
