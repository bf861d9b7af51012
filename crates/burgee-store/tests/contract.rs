//! The reference passes the contract, whatever luck it has in a crash.

use burgee_store::contract::{Contract, Effort};
use burgee_store::{Fault, MemoryStore};

fn fail(store: &mut MemoryStore) {
    store.fail_commit(1, Fault::Device);
}

#[test]
fn the_reference_keeps_the_contract_without_crashes() {
    Contract::new(MemoryStore::new).run().unwrap();
}

#[test]
fn the_reference_keeps_the_contract_when_crashes_lose_all_that_waits() {
    let contract = Contract::new(MemoryStore::new).crash_with(|store| store.crash(0));
    contract.fail_with(fail).run().unwrap();
}

#[test]
fn the_reference_keeps_the_contract_when_crashes_lose_some_that_waits() {
    let some = |store: &mut MemoryStore| store.crash(store.waiting() / 2);
    let contract = Contract::new(MemoryStore::new).crash_with(some).fail_with(fail);
    let effort = Effort {
        first_seed: 10_000,
        ..Effort::default()
    };
    contract.effort(effort).run().unwrap();
}

#[test]
fn the_reference_keeps_the_contract_when_crashes_lose_nothing() {
    let contract = Contract::new(MemoryStore::new).crash_with(|store| store.crash(usize::MAX));
    let effort = Effort {
        first_seed: 20_000,
        ..Effort::default()
    };
    contract.fail_with(fail).effort(effort).run().unwrap();
}
