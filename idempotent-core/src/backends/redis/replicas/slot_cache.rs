//! Which primary has which slot, as a primary said last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::RedisResult;

use crate::backends::redis::connection::{Client, Node, SlotRange, slot_of};
use crate::backends::redis::error::unassigned_slot;

/// The slots are asked for at most this often.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);

/// Asks for the slots. The cache stays stale if that fails, or is given up halfway.
struct Question<'a> {
    is_stale: &'a AtomicBool,
    is_answered: bool,
}

impl<'a> Question<'a> {
    /// Clears the flag before the command is sent, so that a change that shows meanwhile is not overlooked.
    fn new(is_stale: &'a AtomicBool) -> Self {
        is_stale.store(false, Ordering::Relaxed);
        Self { is_stale, is_answered: false }
    }

    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.is_stale.store(true, Ordering::Relaxed);
        }
    }
}

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
        let question = Question::new(is_stale);
        match client.slot_ranges().await {
            Ok(Some(ranges)) => *self.lock() = ranges.into(),
            Ok(None) => {}
            Err(error) => {
                return self.cached_primary(key).map(|primary| (primary, false)).ok_or(error);
            }
        }
        let primary = self.cached_primary(key).ok_or_else(unassigned_slot)?;
        question.answered();
        Ok((primary, true))
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::backends::redis::RedisSource;
    use crate::backends::redis::background_tasks::BackgroundTasks;
    use crate::backends::redis::connection::{Limits, Login};

    #[tokio::test]
    async fn slots_whose_answer_nobody_waited_for_are_asked_for_again() {
        let second = Duration::from_secs(1);
        let limits = Limits { response_timeout: second, connect_timeout: second, in_flight: 1 };
        let source = RedisSource::cluster(["redis://127.0.0.1:1"]);
        let connector = source.connector(&Login::default(), None, limits).unwrap();
        let client = Client::new(connector, limits, &Arc::new(BackgroundTasks::new()));
        let (slots, is_stale) = (SlotCache::default(), AtomicBool::new(true));
        {
            let mut asking = pin!(slots.primary("key", &client, &is_stale));
            let polled = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            assert!(!is_stale.load(Ordering::Relaxed), "it was asked");
        }
        assert!(is_stale.load(Ordering::Relaxed));
    }
}
