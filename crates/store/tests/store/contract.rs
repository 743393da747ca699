//! Every store is held to the contract; so is each of them inside a store for crash tests whose fault never strikes.

use pawl_conformance::driver::Place;
use pawl_conformance::hold_to_contract;
use pawl_store::fault::{Fault, FaultStore};
use pawl_store::{OpenOptions, Store};

#[test]
fn memory_keeps_the_contract() {
    hold_to_contract(&Place::memory);
}

#[test]
fn sqlite_keeps_the_contract() {
    hold_to_contract(&Place::sqlite);
}

#[test]
fn a_store_whose_fault_never_strikes_keeps_the_contract() {
    let wrapped = |url: &str, options: OpenOptions| {
        let inner = pawl_store::open(url, options.clone())?;
        let (store, _) = FaultStore::new(inner, options.wake, u64::MAX, Fault::LoseBefore);
        Ok(Box::new(store) as Box<dyn Store>)
    };
    hold_to_contract(&move || Place::memory().opened_with(Box::new(wrapped)));
    hold_to_contract(&move || Place::sqlite().opened_with(Box::new(wrapped)));
}
