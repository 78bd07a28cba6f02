//! What the tests share: bodies that count their runs, errors, and a log that can be read.

mod body;
mod fail;
mod log;

pub use self::body::{Answer, Runs, call, call_for};
pub use self::fail::Fail;
pub use self::log::{Line, Log};

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::store::MemoryStore;

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
