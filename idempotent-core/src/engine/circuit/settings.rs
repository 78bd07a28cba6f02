//! When a circuit opens, and when it probes. [`IdempotencyBuilder`](crate::IdempotencyBuilder) documents and sets it.

use std::time::Duration;

use crate::store::backoff::Backoff;
use crate::store::poll::jittered;

/// When a circuit opens, and when it probes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CircuitSettings {
    /// How many calls in a row had no answer when it opens; 0 if it never does.
    pub(crate) threshold: u32,
    pub(crate) pauses: Backoff,
}

impl CircuitSettings {
    /// The pause before the nth probe, from 1. Processes that lost their store together spread out.
    pub(super) fn pause(&self, probe: u32) -> Duration {
        jittered(self.pauses.ceiling(probe))
    }
}

impl Default for CircuitSettings {
    fn default() -> Self {
        let pauses =
            Backoff { first: Duration::from_millis(100), longest: Duration::from_millis(500) };
        Self { threshold: 5, pauses }
    }
}
