//! [`Outage`]: how a consumer waits while its store does not answer.
//!
//! The deliveries in hand wait, and are kept alive. One of them at a time asks the store again, after a pause that
//! grows to a few seconds; once it answers, all go on. No more than the consumer's concurrency can wait so, beside as many
//! that wait for the broker alone, so nothing else is received meanwhile.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::telemetry::Telemetry;
use crate::error::{Error, ErrorKind};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether the store answers, as far as one consumer knows.
#[derive(Default)]
pub(super) struct Outage {
    /// How often in a row it has not answered. Whoever asks the store because of that holds the lock.
    failures: Mutex<u32>,
}

impl Outage {
    /// The store has answered somebody else. Who asks it again at this moment finds out by itself.
    pub(super) fn is_over(&self, telemetry: &Telemetry) {
        if let Ok(mut failures) = self.failures.try_lock() {
            if *failures > 0 {
                telemetry.resumed();
            }
            *failures = 0;
        }
    }

    /// Asks the store, again and again while it does not answer.
    ///
    /// # Errors
    ///
    /// Every other error.
    pub(super) async fn ask<T, Fut>(
        &self,
        telemetry: &Telemetry,
        ask: impl FnMut() -> Fut,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Error>>,
    {
        self.ask_if(telemetry, ask, |_| true).await
    }

    /// The same, where some answers may not be the store's.
    ///
    /// # Errors
    ///
    /// Every other error.
    pub(super) async fn ask_if<T, Fut>(
        &self,
        telemetry: &Telemetry,
        mut ask: impl FnMut() -> Fut,
        is_stores: impl Fn(&T) -> bool,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Error>>,
    {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::Store => {}
            answer => return answer,
        }
        loop {
            let mut failures = self.failures.lock().await;
            if *failures > 0 {
                sleep(pause(*failures)).await;
            }
            match ask().await {
                Err(error) if error.kind() == ErrorKind::Store => {
                    *failures = failures.saturating_add(1);
                    if *failures == 1 {
                        telemetry.paused(&error);
                    }
                }
                Ok(answer) if !is_stores(&answer) => return Ok(answer),
                answer => {
                    if *failures > 0 {
                        telemetry.resumed();
                    }
                    *failures = 0;
                    return answer;
                }
            }
        }
    }
}

/// The pause after that many failures in a row.
fn pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}
