//! The store contract: the stores that keep it, and broken ones that do not.

mod broken_stores;
mod failing_cases;
mod faulty_store;
mod flaws_found;
mod memory;
mod observed_store;
mod reference_due;
mod reference_journal;
mod reference_store;
mod wrappers;
