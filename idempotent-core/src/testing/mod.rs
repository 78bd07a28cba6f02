//! Tools for tests: an engine for each test, crashes, assertions, a manual clock, store wrappers that inject
//! faults or count calls, a check of result types, and the contract suite for stores.
//!
//! * [`engine`]: an engine in memory for one test, with the clock and both wrappers.
//! * [`crash`]: a part of a test that dies as a process does.
//! * [`crash_everywhere`]: a call of steps that dies at each of its writes, and is resumed.
//! * [`in_call`]: a call around a step that is tested by itself.
//! * [`assert_executed_once!`], [`assert_replayed!`]: what became of calls.
//! * [`contract`] with [`contract_tests!`](crate::contract_tests): one test per rule, for a store
//!   that you wrote.
//! * [`ManualClock`]: a clock for [`MemoryStore`](crate::backends::MemoryStore) that tests advance.
//! * [`FaultyStore`]: chosen calls fail, hang, lose their answer, are late or are repeated.
//! * [`ObservedStore`]: how often an operation was executed, replayed or refused.
//! * `sources`: a broker in memory for tests of consumers, and the contract suite for sources, with
//!   the feature `consumer`.
//! * [`survives`]: whether a replay would return a value as it is.
//!
//! ```toml
//! [dev-dependencies]
//! idempotent-core = { version = "0.1", features = ["testing"] }
//! ```

mod assertions;
pub mod contract;
mod crash;
#[cfg(feature = "moka")]
mod crash_everywhere;
mod fault_script;
mod faulty_store;
#[cfg(feature = "moka")]
mod in_call;
mod manual_clock;
mod observed_store;
#[cfg(feature = "consumer")]
#[cfg_attr(docsrs, doc(cfg(feature = "consumer")))]
pub mod sources;
mod survives;
#[cfg(feature = "moka")]
mod test_engine;

#[doc(hidden)]
pub use self::assertions::{
    __assert_executed_once, __assert_operation_replayed, __assert_replayed, CountsCalls,
    MarksReplays,
};
pub use self::crash::{Crash, crash};
#[cfg(feature = "moka")]
pub use self::crash_everywhere::{Crashes, Effects, crash_everywhere, crash_everywhere_on};
pub use self::fault_script::{Fault, StoreMethod, When};
pub use self::faulty_store::FaultyStore;
#[cfg(feature = "moka")]
pub use self::in_call::in_call;
pub use self::manual_clock::ManualClock;
pub use self::observed_store::{ObservedStore, OperationCounts};
pub use self::survives::{encoding_survives, survives};
#[cfg(feature = "moka")]
pub use self::test_engine::{TestEngine, TestStore, engine};
pub use crate::contract_tests;
#[doc(inline)]
pub use crate::{
    __assert_executed_once as assert_executed_once, __assert_replayed as assert_replayed,
};
