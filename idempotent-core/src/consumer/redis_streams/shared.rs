//! [`Shared`]: what all deliveries of a source share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::dead_letter::DeadLetters;
use super::group::{Group, StartAt};

pub(super) struct Shared {
    pub(super) group: Group,
    pub(super) dead_letters: DeadLetters,
    /// The name of the consumer that reads.
    pub(super) consumer: String,
    pub(super) creates: Option<StartAt>,
    pub(super) claim_every: Duration,
    pub(super) lag: Lag,
    pub(super) is_stopped: AtomicBool,
}

/// How many messages the group has not read, as far as the server told last.
pub(super) struct Lag(AtomicI64);

impl Lag {
    const UNKNOWN: i64 = -1;

    pub(super) fn set(&self, messages: i64) {
        self.0.store(messages, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<u64> {
        u64::try_from(self.0.load(Ordering::Relaxed)).ok()
    }
}

impl Default for Lag {
    fn default() -> Self {
        Self(AtomicI64::new(Self::UNKNOWN))
    }
}
