//! What of a relay can be set, its defaults, and the times that follow from them.

use std::time::Duration;

use crate::backoff::Backoff;

/// After so long a turn begins no further message, so that one slow key does not hold up the others.
const TURN: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) batch: usize,
    pub(super) poll: Duration,
    pub(super) park_after: u32,
    pub(super) backoff: Backoff,
    pub(super) deadline: Duration,
    pub(super) response: Duration,
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
            response: Duration::from_secs(5),
        }
    }
}

impl Options {
    pub(super) fn set_backoff(&mut self, first: Duration, longest: Duration) {
        self.backoff = Backoff { first: first.min(longest), longest };
    }

    pub(super) fn turn(&self) -> Duration {
        TURN
    }

    /// How long the database keeps a relay's keys for it while it publishes: longer than that can take, so
    /// that only a relay that is frozen or cut off loses them.
    pub(super) fn silence(&self) -> Duration {
        TURN.saturating_add(self.deadline).saturating_add(self.response)
    }
}
