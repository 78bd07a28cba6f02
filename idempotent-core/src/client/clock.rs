//! The clock of the client.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;

/// The clock for pauses and for the total timeout: tokio's, unless a test brings its own.
///
/// Tokio's paused clock would also advance while a test waits for a socket. A clock of its own leaves
/// sockets alone:
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
///
/// use idempotent_core::client::{Clock, IdempotentRetry};
///
/// /// Pauses take no time, but advance the clock.
/// #[derive(Debug)]
/// struct Skipping(Mutex<Instant>);
///
/// #[idempotent_core::async_trait]
/// impl Clock for Skipping {
///     fn now(&self) -> Instant {
///         *self.0.lock().unwrap()
///     }
///
///     async fn sleep(&self, duration: Duration) {
///         *self.0.lock().unwrap() += duration;
///     }
/// }
///
/// let retrying = IdempotentRetry::new().clock(Skipping(Mutex::new(Instant::now())));
/// ```
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Instant;

    /// Returns after this duration.
    async fn sleep(&self, duration: Duration);
}

/// Tokio's clock.
#[derive(Debug)]
pub(super) struct TokioClock;

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
