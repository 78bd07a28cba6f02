//! [`Attempts`]: how often a handler may fail, and how long the pauses are.

use std::time::Duration;

/// How often a handler may run for a message, and how long the pauses between its attempts are.
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::consumer::{Attempts, Backoff};
///
/// let attempts = Attempts::max(8)
///     .backoff(Backoff::exponential(Duration::from_secs(1), Duration::from_secs(300)));
/// assert_eq!(attempts.limit(), Some(8));
/// ```
///
/// What counts is that the handler ran: deliveries that found the message being handled elsewhere, or the store away,
/// count for nothing. Attempts are kept in the consumer's store, per [position](super::Message::position), so a message
/// that is published again after it was parked has all of its attempts. An attempt whose process is killed counts
/// from the second delivery on; in the first one it is not noted, since that would cost every message a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    limit: Option<u32>,
    backoff: Backoff,
}

/// The pauses between the attempts of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Attempts {
    /// At most this many, and at least one. After the last one the message is [parked](super::Verdict::Parked).
    #[must_use]
    pub const fn max(attempts: u32) -> Self {
        let limit = Some(if attempts == 0 { 1 } else { attempts });
        Self { limit, backoff: Backoff::DEFAULT }
    }

    /// For ever, with the longest pause between attempts in the end.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { limit: None, backoff: Backoff::DEFAULT }
    }

    /// Sets the pauses. Default: from 1 second to 5 minutes.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many there are; `None` if they are unlimited.
    #[must_use]
    pub const fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// The pause after the nth attempt, from 1.
    #[must_use]
    pub fn pause_after(&self, attempt: u32) -> Duration {
        self.backoff.pause(attempt)
    }

    /// Whether the nth attempt was the last one.
    pub(super) fn is_last(&self, attempt: u32) -> bool {
        self.limit.is_some_and(|limit| attempt >= limit)
    }

    pub(super) const fn longest_pause(&self) -> Duration {
        self.backoff.longest
    }
}

impl Default for Attempts {
    /// 8 attempts, with pauses from 1 second to 5 minutes.
    fn default() -> Self {
        Self::max(8)
    }
}

impl Backoff {
    const DEFAULT: Self = Self::exponential(Duration::from_secs(1), Duration::from_secs(300));

    /// Pauses that double from the first one up to the longest.
    #[must_use]
    pub const fn exponential(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Pauses of one length.
    #[must_use]
    pub const fn constant(pause: Duration) -> Self {
        Self::exponential(pause, pause)
    }

    fn pause(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_never_overflow() {
        let attempts = Attempts::default();
        let pauses = [1, 2, 3, 9, 10, 33, u32::MAX].map(|nth| attempts.pause_after(nth).as_secs());
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300, 300]);
        let endless = Backoff::exponential(Duration::MAX, Duration::MAX);
        assert_eq!(endless.pause(40), Duration::MAX);
    }

    #[test]
    fn no_attempts_are_one_attempt() {
        assert_eq!(Attempts::max(0).limit(), Some(1));
        assert!(Attempts::max(0).is_last(1));
        assert!(!Attempts::unlimited().is_last(u32::MAX));
    }
}
