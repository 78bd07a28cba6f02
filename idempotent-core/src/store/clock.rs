//! Time, as a store in this process reads it: a [`Clock`] that tests can control.
//!
//! Stores on a server judge leases and expiries by that server's clock and have no use for this.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

/// What [`Clock::sleep_until`] gives.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// For a moment so far away that tokio's clock cannot express it.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A monotonic clock: what an embedded store judges leases and expiries by.
///
/// Moments are durations since an origin of the clock's own choosing, and they never go back.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// use idempotent_core::store::{Clock, Sleep};
///
/// /// A clock that stands still until it is told to move, and wakes sleepers when they look again.
/// struct Seconds(AtomicU64);
///
/// impl Clock for Seconds {
///     fn now(&self) -> Duration {
///         Duration::from_secs(self.0.load(Ordering::SeqCst))
///     }
///
///     fn sleep_until(&self, at: Duration) -> Sleep<'_> {
///         Box::pin(async move {
///             while self.now() < at {
///                 tokio::task::yield_now().await;
///             }
///         })
///     }
/// }
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Duration;

    /// Ends once [`now`](Self::now) is `at` or later; at once, if it already is.
    fn sleep_until(&self, at: Duration) -> Sleep<'_>;
}

/// The clock of the tokio runtime: time as it passes, or as `tokio::time::pause()` and `advance()`
/// have it.
///
/// Reading it needs no runtime; sleeping by it does, one with its timer enabled.
///
/// ```
/// use idempotent_core::store::{Clock, TokioClock};
///
/// let clock = TokioClock::new();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Copy)]
pub struct TokioClock {
    origin: Instant,
}

impl TokioClock {
    /// A clock whose origin is the present.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Duration {
        // Saturating: another runtime's paused clock may stand before this origin.
        Instant::now().saturating_duration_since(self.origin)
    }

    fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        let clock = *self;
        Box::pin(async move {
            loop {
                let left = at.saturating_sub(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(FAR)).await;
            }
        })
    }
}

impl fmt::Debug for TokioClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioClock").finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn Clock")
    }
}
