//! What tests need: the contract every store is held to, a clock that moves when it is told to, and
//! store wrappers that misbehave on purpose or keep count.
//!
//! * [`contract`] with [`contract_tests!`](crate::contract_tests): one named test a rule, for the
//!   store you wrote.
//! * [`ManualClock`]: time for a [`MemoryStore`](crate::store::MemoryStore) that tests step.
//! * [`FaultyStore`]: chosen calls fail, hang, lose their answer, come late or come twice.
//! * [`Observed`]: how often a key was executed, replayed or refused.
//!
//! ```toml
//! [dev-dependencies]
//! idempotent-core = { version = "0.1", features = ["testing"] }
//! ```

mod clock;
pub mod contract;
mod fault;
mod faulty;
mod observed;

pub use self::clock::ManualClock;
pub use self::fault::{Call, Fault, When};
pub use self::faulty::FaultyStore;
pub use self::observed::{Observed, Tally};
pub use crate::contract_tests;
