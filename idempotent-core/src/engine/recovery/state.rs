//! [`Worker`]: what the runs of a recovery share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::operations::Operations;
use crate::engine::idempotency::Idempotency;
use crate::model::RecordId;

/// How many calls are remembered that this process leaves to others.
const MAX_LEFT: usize = 10_000;

/// For how long. After that the id may have another call, or the call another record, that this process can go on with.
const LEFT_FOR: Duration = Duration::from_secs(300);

/// What a recovery is made of.
pub(super) struct Worker {
    pub(super) engine: Idempotency,
    pub(super) operations: Operations,
    pub(super) concurrency: usize,
    pub(super) max_attempts: u32,
    pub(super) poll_every: Duration,
    /// Calls that this process cannot go on with, and since when it knows.
    left: Mutex<HashMap<[u8; 32], Instant>>,
    /// Calls that could not be taken since the last look.
    failed: Mutex<Vec<[u8; 32]>>,
}

/// What has become of a call that was due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumed {
    /// It was taken, here or elsewhere.
    Taken,
    /// The store could not be asked.
    Failed,
}

impl Worker {
    pub(super) fn new(
        engine: Idempotency,
        operations: Operations,
        (concurrency, max_attempts): (usize, u32),
        poll_every: Duration,
    ) -> Self {
        let (left, failed) = (Mutex::default(), Mutex::default());
        Self { engine, operations, concurrency, max_attempts, poll_every, left, failed }
    }

    /// Leaves a call to other processes, for a while.
    pub(super) fn leave(&self, id: &RecordId) {
        let mut left = self.left();
        if left.len() >= MAX_LEFT {
            left.clear();
        }
        left.insert(*id.hash(), Instant::now());
    }

    pub(super) fn is_left(&self, id: &RecordId) -> bool {
        self.left().contains_key(id.hash())
    }

    /// The calls that are left. Those that were left long ago are tried again.
    pub(super) fn all_left(&self) -> Vec<[u8; 32]> {
        let mut left = self.left();
        left.retain(|_, since| since.elapsed() < LEFT_FOR);
        left.keys().copied().collect()
    }

    /// Leaves a call that could not be taken out of the next look.
    pub(super) fn note_failed(&self, id: &RecordId) {
        self.failed().push(*id.hash());
    }

    /// Those that could not be taken since this was asked last: no more than run at once.
    pub(super) fn take_failed(&self) -> Vec<[u8; 32]> {
        std::mem::take(&mut *self.failed())
    }

    fn failed(&self) -> MutexGuard<'_, Vec<[u8; 32]>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
