//! What can be set on a relay, its defaults, and the times that follow from them.

use std::time::Duration;

use crate::store::backoff::Backoff;

/// After this long a batch begins no further message, so that one slow key does not delay the others.
const BATCH_DURATION: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) batch: usize,
    pub(super) poll: Duration,
    pub(super) park_after: u32,
    pub(super) backoff: Backoff,
    pub(super) deadline: Duration,
    pub(super) response_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: 100,
            poll: Duration::from_millis(100),
            park_after: 10,
            backoff: Backoff {
                first: Duration::from_millis(100),
                longest: Duration::from_secs(30),
            },
            deadline: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
        }
    }
}

impl Options {
    pub(super) fn set_backoff(&mut self, first: Duration, longest: Duration) {
        self.backoff = Backoff { first: first.min(longest), longest };
    }

    pub(super) fn batch_duration(&self) -> Duration {
        BATCH_DURATION
    }

    /// How long the database keeps the keys of a relay that sends nothing: longer than publishing can take, so
    /// that a relay loses them only if it is frozen or cut off.
    pub(super) fn idle_timeout(&self) -> Duration {
        BATCH_DURATION.saturating_add(self.deadline).saturating_add(self.response_timeout)
    }
}
