//! Which primary has which slot, as some primary said last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisResult};

use crate::store::redis::link::{Link, Node, Range, slot};

/// How often servers are asked while there is doubt.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Slots {
    ranges: Mutex<Arc<[Range]>>,
    /// Held by the one that asks; when it was asked last.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

impl Slots {
    /// The primary of a key, and whether the map is a new one. While there is doubt somebody is
    /// asked, but not more often than every now and then.
    pub(super) async fn home(
        &self,
        key: &str,
        link: &Link,
        doubt: &AtomicBool,
    ) -> RedisResult<(Node, bool)> {
        if !doubt.load(Ordering::Relaxed) {
            if let Some(home) = self.known(key) {
                return Ok((home, false));
            }
        }
        let mut asked = self.asked.lock().await;
        let is_fresh = asked.is_some_and(|at| at.elapsed() < PAUSE);
        if is_fresh || !doubt.load(Ordering::Relaxed) {
            if let Some(home) = self.known(key) {
                return Ok((home, false));
            }
        }
        if is_fresh {
            return Err(NOBODY.into());
        }
        *asked = Some(Instant::now());
        // Before the question, so that a doubt that comes up meanwhile stays.
        doubt.store(false, Ordering::Relaxed);
        let learned = link.slots().await;
        match learned {
            Ok(Some(ranges)) => *self.lock() = ranges.into(),
            Ok(None) => {}
            Err(error) => {
                doubt.store(true, Ordering::Relaxed);
                return self.known(key).map(|home| (home, false)).ok_or(error);
            }
        }
        self.known(key).map(|home| (home, true)).ok_or_else(|| {
            doubt.store(true, Ordering::Relaxed);
            NOBODY.into()
        })
    }

    /// The primary of a key as it was last said.
    pub(super) fn known(&self, key: &str) -> Option<Node> {
        let slot = slot(key);
        let ranges = self.lock();
        let range = ranges.iter().find(|range| (range.first..=range.last).contains(&slot));
        range.map(|range| range.primary.clone())
    }

    /// Whether a node is a primary, as it was last said.
    pub(super) fn has(&self, node: &Node) -> bool {
        self.lock().iter().any(|range| range.primary == *node)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<[Range]>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NOBODY: (ErrorKind, &str) =
    (ErrorKind::ClusterConnectionNotFound, "no node has the slot of the key");
