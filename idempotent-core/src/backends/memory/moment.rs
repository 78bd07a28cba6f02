//! A moment on the store's clock, in eight bytes because every record carries one.

use std::time::Duration;

/// Nanoseconds since the clock's origin, saturating after 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn of(since_origin: Duration) -> Self {
        Self(u64::try_from(since_origin.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(Self::of(span).0))
    }

    /// The time from `self` to `later`, or zero if `later` has passed.
    pub(super) fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }

    pub(super) const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    pub(super) const fn nanos(self) -> u64 {
        self.0
    }
}
