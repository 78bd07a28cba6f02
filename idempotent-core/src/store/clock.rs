//! [`Clock`]: the time of a store in this process, which tests can control.
//!
//! A store on a server judges leases and expiries by that server's clock and does not use this.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

/// The future that [`Clock::sleep_until`] returns.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The longest single sleep, because tokio's clock cannot express every distant moment.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A monotonic clock, by which an embedded store judges leases and expiries.
///
/// A moment is a duration since an origin that the clock chooses. Time never goes back.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// use idempotent_core::store::{Clock, Sleep};
///
/// /// A clock that stands still until a test moves it. Sleepers poll it.
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
    /// Returns the current moment.
    fn now(&self) -> Duration;

    /// Completes once [`now`](Self::now) has reached `at`, which may be at once.
    fn sleep_until(&self, at: Duration) -> Sleep<'_>;
}

/// The clock of the tokio runtime, which `tokio::time::pause()` and `advance()` control in tests.
///
/// Reading the time needs no runtime. Sleeping needs one with its timer enabled.
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
    /// Creates a clock whose origin is now.
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
        // Saturating: the paused clock of another runtime may be behind this origin.
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
