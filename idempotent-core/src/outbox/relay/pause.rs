//! How a relay rests: pauses that grow while nothing works, and an end to them when it is stopped.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::backoff::Backoff;

/// A broker or a database that is back is noticed within this time.
const LONGEST: Duration = Duration::from_secs(1);

/// The pauses of a relay while the broker or the database is down as a whole.
pub(super) struct Pauses {
    backoff: Backoff,
    failures: u32,
}

impl Pauses {
    pub(super) fn new(backoff: Backoff) -> Self {
        let backoff = Backoff { longest: backoff.longest.min(LONGEST), ..backoff };
        Self { backoff, failures: 0 }
    }

    pub(super) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.pause(self.failures)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// What `future` gives, or `None` if `stop` ends before it does.
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
