//! Tools for tests: the contract suite for stores, a manual clock, store wrappers that inject faults
//! or count calls, and a check of result types.
//!
//! * [`contract`] with [`contract_tests!`](crate::contract_tests): one test per rule, for a store
//!   that you wrote.
//! * [`ManualClock`]: a clock for [`MemoryStore`](crate::backends::MemoryStore) that tests advance.
//! * [`FaultyStore`]: chosen calls fail, hang, lose their answer, are late or are repeated.
//! * [`ObservedStore`]: how often an operation was executed, replayed or refused.
//! * [`survives`]: whether a replay would return a value as it is.
//!
//! ```toml
//! [dev-dependencies]
//! idempotent-core = { version = "0.1", features = ["testing"] }
//! ```

pub mod contract;
mod fault_script;
mod faulty_store;
mod manual_clock;
mod observed_store;
mod survives;

pub use self::fault_script::{Fault, StoreMethod, When};
pub use self::faulty_store::FaultyStore;
pub use self::manual_clock::ManualClock;
pub use self::observed_store::{ObservedStore, OperationCounts};
pub use self::survives::{encoding_survives, survives};
pub use crate::contract_tests;
