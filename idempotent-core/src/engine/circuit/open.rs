//! [`OpenCircuit`]: why a call may not ask the store.

use std::time::Duration;

use crate::store::{StoreError, StoreErrorKind};

/// A client that is told to retry sooner than this would only meet the next refusal.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

/// Why a call may not ask the store, and when it should try again.
pub(in crate::engine) struct OpenCircuit {
    pub(in crate::engine) error: StoreError,
    pub(in crate::engine) retry_after: Duration,
}

impl OpenCircuit {
    pub(super) fn new(failures: u32, cause: &str, until_probe: Duration) -> Self {
        let message = format!(
            "not asked, since {failures} calls in a row had no answer; the last one: {cause}"
        );
        Self {
            error: StoreError::new(StoreErrorKind::CircuitOpen, message),
            retry_after: until_probe.max(SHORTEST_RETRY),
        }
    }
}
