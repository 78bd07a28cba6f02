//! Servers that accept no writes: whether another connection may lead to one that does.
//!
//! After a failover the name of the primary leads to another server, while the old primary may stay up and
//! refuse writes. Connections to it must not be kept. But where every connection leads to a standby, closing
//! each of them at each refusal would be of no use, so after a while only one is tried now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often another connection is tried while all of them refuse writes.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// What is known of the server's refusals to write.
#[derive(Debug, Default)]
pub(super) struct ReadOnlyServer {
    /// Set while there are refusals to forget.
    is_suspected: AtomicBool,
    refusals: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    /// How many connections were closed since the last write.
    closed: u32,
    last_closed: Option<Instant>,
}

impl ReadOnlyServer {
    /// Whether to close a connection that refused to write, and to try another one. `connections` is how many
    /// there may be: as many may be left of an old primary.
    pub(super) fn should_reconnect(&self, connections: u32) -> bool {
        self.is_suspected.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let mut refusals = self.refusals();
        let is_probe_due =
            refusals.last_closed.is_none_or(|last| now.duration_since(last) >= PROBE_EVERY);
        let reconnects = refusals.closed <= connections || is_probe_due;
        if reconnects {
            refusals.closed = refusals.closed.saturating_add(1);
            refusals.last_closed = Some(now);
        }
        reconnects
    }

    /// The server has written.
    pub(super) fn wrote(&self) {
        if self.is_suspected.load(Ordering::Relaxed) {
            self.is_suspected.store(false, Ordering::Relaxed);
            *self.refusals() = Refusals::default();
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_connection_is_replaced_once_and_then_one_now_and_then() {
        let server = ReadOnlyServer::default();
        let reconnects = (0..10).filter(|_| server.should_reconnect(2)).count();
        assert_eq!(reconnects, 3, "two that were open, and a new one");
        tokio::time::advance(PROBE_EVERY).await;
        assert!(server.should_reconnect(2));
        assert!(!server.should_reconnect(2));
        server.wrote();
        assert!(server.should_reconnect(2), "another failover");
    }
}
