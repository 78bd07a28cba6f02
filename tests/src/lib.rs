//! What the tests share: bodies that count their runs, errors, a log that can be read, calls of a
//! store, waiting, a browser's tab, tenants, and real backends held to the store contract.

mod attempt;
mod body;
mod browser;
mod contract_subject;
mod fail;
mod log;
mod tenant;
mod wait;

pub use self::attempt::{Attempt, fresh_id};
pub use self::body::{Answer, Runs, call, call_for};
pub use self::browser::Tab;
pub use self::contract_subject::TwoHandles;
pub use self::fail::Fail;
pub use self::log::{Line, Log};
pub use self::tenant::Tenant;
pub use self::wait::{HOUR, SOON, until, until_within, waiter, wakes};

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;

/// Seconds.
#[must_use]
pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Milliseconds.
#[must_use]
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An engine with the defaults, on an empty store.
#[must_use]
pub fn engine() -> Idempotency {
    Idempotency::new(MemoryStore::new())
}

/// Lets every task that can run do so, without time passing.
pub async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
