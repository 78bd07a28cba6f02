//! The clock that a client's retries go by.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;

/// The time that pauses take and budgets count: tokio's, unless a test brings its own.
///
/// A test that moves tokio's own clock would move it on while it waits for a socket. One that brings
/// a timer leaves sockets alone, and pauses for as long as it likes:
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
///
/// use idempotent_core::client::{IdempotentRetry, Timer};
///
/// /// Pauses take no time, but count.
/// #[derive(Debug)]
/// struct Skipping(Mutex<Instant>);
///
/// #[async_trait::async_trait]
/// impl Timer for Skipping {
///     fn now(&self) -> Instant {
///         *self.0.lock().unwrap()
///     }
///
///     async fn pause(&self, pause: Duration) {
///         *self.0.lock().unwrap() += pause;
///     }
/// }
///
/// let retrying = IdempotentRetry::new().timer(Skipping(Mutex::new(Instant::now())));
/// ```
#[async_trait]
pub trait Timer: fmt::Debug + Send + Sync + 'static {
    /// What the total time is counted by.
    fn now(&self) -> Instant;

    /// Returns after a pause between two attempts.
    async fn pause(&self, pause: Duration);
}

/// Tokio's clock.
#[derive(Debug)]
pub(super) struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn pause(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}
