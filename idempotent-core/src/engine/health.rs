//! [`Health`]: whether an engine can serve calls, for health endpoints.

use std::fmt;
use std::time::{Duration, Instant};

use super::idempotency::Idempotency;
use super::telemetry::{Telemetry, Transition};
use crate::store::{Degradation, StoreError};

/// Whether an engine can serve calls. From [`Idempotency::check`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Health {
    /// The server or the file, if the store has one.
    pub server: Option<String>,
    /// What the store was asked; empty if it did not answer.
    pub asked: String,
    /// How long that took.
    pub took: Duration,
    /// Why the store cannot serve calls, if it cannot.
    pub error: Option<StoreError>,
    /// What does not work as it should, though calls are served.
    pub degraded: Vec<Degradation>,
}

impl Health {
    /// Whether calls are served. Something may be [degraded](Self::degraded) all the same.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.error.is_none()
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.took.as_secs_f64() * 1000.0;
        match (&self.error, &self.server) {
            (Some(error), _) => write!(f, "not serving after {took:.1} ms: {error}")?,
            (None, Some(server)) => {
                write!(f, "serving: {server} answered {:?} in {took:.1} ms", self.asked)?;
            }
            (None, None) => write!(f, "serving: {:?} took {took:.1} ms", self.asked)?,
        }
        for degradation in &self.degraded {
            write!(f, "; {degradation}")?;
        }
        Ok(())
    }
}

impl Idempotency {
    /// Asks the store whether it can serve calls, and says what was asked, of whom, how long it took and what is
    /// degraded: for a health endpoint. It takes no longer than
    /// [`store_timeout`](crate::IdempotencyBuilder::store_timeout), writes no record, and asks the store even while
    /// the [circuit](crate::IdempotencyBuilder#the-circuit) is open, which its answer neither opens nor closes.
    ///
    /// A server that only answers reads, as an old primary after a failover, is an [error](Health::error).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    ///
    /// let health = Idempotency::new(MemoryStore::new()).check().await;
    /// assert!(health.is_serving() && health.degraded.is_empty());
    /// println!("{health}");
    /// # }
    /// ```
    ///
    /// In axum:
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # fn app(engine: idempotent_core::Idempotency) -> axum::Router {
    /// use axum::http::StatusCode;
    /// use axum::routing::get;
    ///
    /// let ready = get(async move || {
    ///     let health = engine.check().await;
    ///     let status = match health.is_serving() {
    ///         true => StatusCode::OK,
    ///         false => StatusCode::SERVICE_UNAVAILABLE,
    ///     };
    ///     (status, health.to_string()) // for operators: it names the server
    /// });
    /// axum::Router::new().route("/ready", ready)
    /// # }
    /// ```
    pub async fn check(&self) -> Health {
        Telemetry::build_info();
        let start = Instant::now();
        let answer = self.0.call(Transition::Check, Duration::MAX, self.store().check()).await;
        let took = start.elapsed();
        let (asked, mut degraded, error) = match answer {
            Ok(health) => (health.asked.into_owned(), health.degraded, None),
            Err(error) => (String::new(), Vec::new(), Some(error)),
        };
        if self.0.circuit.is_open() {
            degraded.push(Degradation::CircuitOpen);
        }
        let server = self.store().server().map(str::to_owned);
        Health { server, asked, took, error, degraded }
    }
}
