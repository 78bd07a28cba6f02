//! What a relay delivered, and what it failed to deliver.

use crate::outbox::PublishErrorKind;

/// What a relay did in one [pass](super::Relay::pass).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pass {
    /// Messages that the broker has accepted.
    pub delivered: u64,
    /// Attempts that the broker refused, or that had no destination there, including those after which the
    /// message was parked.
    pub refused: u64,
    /// Attempts that failed because the broker was unavailable.
    pub unavailable: u64,
    /// Messages that were parked.
    pub parked: u64,
}

impl Pass {
    pub(super) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
        self.parked += other.parked;
    }

    pub(super) fn count_failure(&mut self, kind: PublishErrorKind) {
        match kind {
            PublishErrorKind::Unavailable => self.unavailable += 1,
            PublishErrorKind::Refused
            | PublishErrorKind::Destination
            | PublishErrorKind::Poison => self.refused += 1,
        }
    }

    /// Whether the broker answered to any message.
    pub(super) fn is_answered(&self) -> bool {
        self.delivered > 0 || self.refused > 0
    }
}
