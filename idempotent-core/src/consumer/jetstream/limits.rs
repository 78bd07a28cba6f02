//! [`DelayedNaks`]: bounds how many messages wait on the server for their next delivery.
//!
//! A message that was told to come again later counts as pending until then, and once `max_ack_pending` of them are,
//! the server delivers nothing else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::consumer::Needs;

/// How long a message is delayed at most while too many are.
const SHORT: Duration = Duration::from_secs(1);

/// The messages that this source has delayed. It does not know of those that other workers' sources have.
#[derive(Debug)]
pub(super) struct DelayedNaks {
    /// `None` without a limit.
    limit: Option<usize>,
    until: Mutex<BinaryHeap<Reverse<Instant>>>,
}

impl DelayedNaks {
    /// At most half of what may be pending is delayed for long.
    pub(super) fn new(max_ack_pending: i64) -> Self {
        let limit = usize::try_from(max_ack_pending).ok().filter(|limit| *limit > 0);
        let limit = limit.map(|limit| (limit / 2).max(1));
        Self { limit, until: Mutex::default() }
    }

    /// How long a message may be delayed that should be for `wanted`.
    pub(super) fn delay(&self, wanted: Duration) -> Duration {
        let Some(limit) = self.limit else { return wanted };
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        while until.peek().is_some_and(|Reverse(at)| *at <= now) {
            until.pop();
        }
        let granted = if until.len() < limit { wanted } else { wanted.min(SHORT) };
        if let Some(at) = now.checked_add(granted) {
            until.push(Reverse(at));
        }
        granted
    }
}

/// Warns of a server that delivers fewer messages at once than the consumer would handle at once. One at a time is how
/// messages are kept in order.
pub(super) fn warn_if_low(needs: &Needs, max_ack_pending: i64) {
    let most = usize::try_from(max_ack_pending).ok().filter(|most| *most > 1);
    if let Some(max_ack_pending) = most.filter(|most| *most < needs.concurrency) {
        tracing::warn!(
            consumer = needs.consumer.as_str(),
            concurrency = needs.concurrency,
            max_ack_pending,
            "the server delivers fewer messages at once than the consumer handles: raise `max_ack_pending` to at least \
             twice the concurrency of all workers, or lower the concurrency"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_half_of_what_may_be_pending_is_delayed_the_rest_comes_again_soon() {
        let (naks, minute) = (DelayedNaks::new(8), Duration::from_secs(60));
        let delays: Vec<_> = (0..6).map(|_| naks.delay(minute)).collect();
        assert_eq!(delays, [minute, minute, minute, minute, SHORT, SHORT]);
        tokio::time::advance(minute).await;
        assert_eq!(naks.delay(minute), minute);
    }

    #[test]
    fn without_a_limit_nothing_is_shortened() {
        for max_ack_pending in [-1, 0] {
            let naks = DelayedNaks::new(max_ack_pending);
            assert!((0..100).all(|_| naks.delay(Duration::MAX) == Duration::MAX));
        }
    }
}
