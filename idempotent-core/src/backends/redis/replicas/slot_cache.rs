//! Which primary has which slot, as a primary said last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::RedisResult;

use crate::backends::redis::connection::{Client, Node, SlotRange, slot_of};
use crate::backends::redis::error::unassigned_slot;

/// The slots are asked for at most this often.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);

/// The slots of a cluster.
#[derive(Default)]
pub(super) struct SlotCache {
    ranges: Mutex<Arc<[SlotRange]>>,
    /// When the slots were asked for last. Locked while they are asked for.
    refreshed: tokio::sync::Mutex<Option<Instant>>,
}

impl SlotCache {
    /// The primary of a key, and whether the slots were asked for again, as they are while the cache
    /// `is_stale`.
    pub(super) async fn primary(
        &self,
        key: &str,
        client: &Client,
        is_stale: &AtomicBool,
    ) -> RedisResult<(Node, bool)> {
        if !is_stale.load(Ordering::Relaxed) {
            if let Some(primary) = self.cached_primary(key) {
                return Ok((primary, false));
            }
        }
        let mut refreshed = self.refreshed.lock().await;
        let is_fresh = refreshed.is_some_and(|at| at.elapsed() < REFRESH_PAUSE);
        if is_fresh || !is_stale.load(Ordering::Relaxed) {
            if let Some(primary) = self.cached_primary(key) {
                return Ok((primary, false));
            }
        }
        if is_fresh {
            return Err(unassigned_slot());
        }
        *refreshed = Some(Instant::now());
        // Cleared before the command is sent, so that a change that shows meanwhile is not overlooked.
        is_stale.store(false, Ordering::Relaxed);
        match client.slot_ranges().await {
            Ok(Some(ranges)) => *self.lock() = ranges.into(),
            Ok(None) => {}
            Err(error) => {
                is_stale.store(true, Ordering::Relaxed);
                return self.cached_primary(key).map(|primary| (primary, false)).ok_or(error);
            }
        }
        self.cached_primary(key).map(|primary| (primary, true)).ok_or_else(|| {
            is_stale.store(true, Ordering::Relaxed);
            unassigned_slot()
        })
    }

    /// The primary of a key, as far as is known.
    pub(super) fn cached_primary(&self, key: &str) -> Option<Node> {
        let slot = slot_of(key);
        let ranges = self.lock();
        let range = ranges.iter().find(|range| range.contains(slot));
        range.map(|range| range.primary.clone())
    }

    /// Whether a node is a primary, as far as is known.
    pub(super) fn has_primary(&self, node: &Node) -> bool {
        self.lock().iter().any(|range| range.primary == *node)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<[SlotRange]>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
