//! The pauses of a relay while its broker or its database is down.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::store::backoff::Backoff;

/// A relay notices within this time that broker and database are back.
const LONGEST: Duration = Duration::from_secs(1);

/// Pauses that grow with each failure in a row.
pub(super) struct OutagePauses {
    backoff: Backoff,
    failures: u32,
}

impl OutagePauses {
    pub(super) fn new(backoff: Backoff) -> Self {
        let backoff = Backoff { longest: backoff.longest.min(LONGEST), ..backoff };
        Self { backoff, failures: 0 }
    }

    pub(super) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.pause(self.failures)
    }

    /// How many failures there were in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The output of `future`, or `None` if `stop` completes first.
pub(super) async fn unless<T>(
    mut stop: Pin<&mut impl Future<Output = ()>>,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
