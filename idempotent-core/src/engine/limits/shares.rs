//! [`Shares`]: what each scope keeps in a store that is not in this process, as far as the engine knows.
//!
//! A call must not pay a round trip for being counted. So the engine adds up what its own calls write, and asks
//! the store in the background how much a scope really has: the sooner, the closer the scope is to its share.
//! A store that cannot tell leaves the engine with its own calls alone, which it forgets as they expire.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::charge::{Charge, Charged};
use super::estimate::Estimate;
use crate::model::ScopeId;
use crate::store::ScopeUse;

const SHARDS: usize = 16;

/// A shard with more scopes forgets those that have been idle.
const MAX_SCOPES: usize = 4096;
const IDLE: Duration = Duration::from_secs(60);

/// What the scopes of one engine keep in its store.
pub(in crate::engine) struct Shares {
    shards: [Mutex<HashMap<ScopeId, Estimate>>; SHARDS],
    hasher: RandomState,
    /// Set once the store has said that it does not count.
    store_cannot_count: AtomicBool,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            store_cannot_count: AtomicBool::new(false),
        }
    }
}

impl Shares {
    /// Charges a call to its scope, unless the scope has used up its share.
    pub(in crate::engine) fn charge(&self, charge: &Charge, now: Instant) -> Charged {
        let can_count = !self.store_cannot_count.load(Ordering::Relaxed);
        let mut shard = self.shard(&charge.scope);
        if shard.len() >= MAX_SCOPES && !shard.contains_key(&charge.scope) {
            shard.retain(|_, estimate| !estimate.is_idle(now, IDLE));
        }
        let estimate = shard.entry(charge.scope).or_insert_with(|| Estimate::new(now));
        estimate.charge(charge, can_count, now)
    }

    /// Takes back what a call was charged that wrote nothing, or whose record is gone.
    pub(in crate::engine) fn refund(&self, scope: &ScopeId) {
        self.update(scope, Estimate::refund);
    }

    /// Charges the bytes of a record that was completed.
    pub(in crate::engine) fn completed(&self, scope: &ScopeId, bytes: usize) {
        self.update(scope, |estimate| estimate.completed(bytes as u64));
    }

    /// Charges a record that has become indeterminate.
    pub(in crate::engine) fn indeterminate(&self, scope: &ScopeId) {
        self.update(scope, Estimate::indeterminate);
    }

    /// Takes the store's answer. `None` says that it does not count, an error that nobody knows.
    pub(in crate::engine) fn answered(
        &self,
        scope: &ScopeId,
        answer: Result<Option<ScopeUse>, ()>,
        took: Duration,
        now: Instant,
    ) {
        if let Ok(None) = answer {
            self.store_cannot_count.store(true, Ordering::Relaxed);
        }
        self.update(scope, |estimate| estimate.answered(answer.ok().flatten(), took, now));
    }

    fn update(&self, scope: &ScopeId, update: impl FnOnce(&mut Estimate)) {
        if let Some(estimate) = self.shard(scope).get_mut(scope) {
            update(estimate);
        }
    }

    fn shard(&self, scope: &ScopeId) -> MutexGuard<'_, HashMap<ScopeId, Estimate>> {
        let shard = self.hasher.hash_one(scope) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
