//! The store contract: the stores that keep it, and broken ones that do not.

mod broken_stores;
mod failing_cases;
mod faulty_store;
mod flaws_found;
mod held_up;
mod journal_flaws_found;
mod memory;
mod observed_store;
mod reference_due;
mod reference_journal;
mod reference_store;
mod scope_flaws_found;
mod wrappers;

#[test]
fn no_case_is_one_that_every_store_passes() {
    use std::collections::BTreeSet;

    use idempotent_core::testing::contract;

    let failed =
        [flaws_found::CASES, journal_flaws_found::CASES, scope_flaws_found::CASES].concat();
    let cases = contract::cases().iter().map(contract::Case::name).collect::<BTreeSet<_>>();
    assert_eq!(BTreeSet::from_iter(failed), cases);
}
