//! [`Outage`]: how a consumer waits while its store does not answer.
//!
//! The deliveries in hand wait, and are kept alive. One of them at a time asks the store again, after a pause that
//! grows to a few seconds; once it answers, all go on. No more than the consumer's concurrency can wait so, beside as many
//! that wait for the broker alone, so nothing else is received meanwhile.

use std::future::Future;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use std::pin::pin;
use std::time::Duration;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use futures_util::future::{Either, select};
use tokio::sync::{Mutex, MutexGuard};
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
            let mut failures = self.turn().await;
            if let Some(answer) = heard(&mut failures, telemetry, ask().await, &is_stores) {
                return answer;
            }
        }
    }

    /// The same where nothing that is asked may be dropped half way: only the pauses end once `stopping` does, and with them
    /// this, with `None`.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) async fn ask_to_the_end<T, Fut>(
        &self,
        telemetry: &Telemetry,
        mut ask: impl FnMut() -> Fut,
        stopping: impl Future<Output = ()>,
    ) -> Option<Result<T, Error>>
    where
        Fut: Future<Output = Result<T, Error>>,
    {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::Store => {}
            answer => return Some(answer),
        }
        let mut stopping = pin!(stopping);
        loop {
            let turn = pin!(self.turn());
            let Either::Right((mut failures, _)) = select(stopping.as_mut(), turn).await else {
                return None;
            };
            let answer = heard(&mut failures, telemetry, ask().await, |_| true);
            if answer.is_some() {
                return answer;
            }
        }
    }

    /// Waits until it is this one's turn to ask again.
    async fn turn(&self) -> MutexGuard<'_, u32> {
        let failures = self.failures.lock().await;
        if *failures > 0 {
            sleep(pause(*failures)).await;
        }
        failures
    }
}

/// What was asked for in turn; `None` if the store has not answered.
fn heard<T>(
    failures: &mut u32,
    telemetry: &Telemetry,
    answer: Result<T, Error>,
    is_stores: impl Fn(&T) -> bool,
) -> Option<Result<T, Error>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::Store => {
            *failures = failures.saturating_add(1);
            if *failures == 1 {
                telemetry.paused(&error);
            }
            None
        }
        Ok(answer) if !is_stores(&answer) => Some(Ok(answer)),
        answer => {
            if *failures > 0 {
                telemetry.resumed();
            }
            *failures = 0;
            Some(answer)
        }
    }
}

/// The pause after that many failures in a row.
fn pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(all(test, any(feature = "postgres", feature = "sqlite")))]
mod tests {
    use std::future::ready;

    use futures_util::FutureExt as _;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::consumer::Terms;

    #[tokio::test]
    async fn what_is_asked_to_the_end_is_not_dropped_by_a_stop_and_a_pause_is() {
        let telemetry = Telemetry::new("shop.ship", Terms::new("test", "orders"));
        let (outage, gate) = (Outage::default(), Semaphore::new(0));
        let ask = |answer: fn() -> Result<u32, Error>| {
            let gate = &gate;
            move || async move {
                gate.acquire().await.unwrap().forget();
                answer()
            }
        };
        let mut answered = pin!(outage.ask_to_the_end(&telemetry, ask(|| Ok(7)), ready(())));
        let away = || Err(Error::new(ErrorKind::Store, "shop.ship"));
        let mut paused = pin!(outage.ask_to_the_end(&telemetry, ask(away), ready(())));
        assert!(answered.as_mut().now_or_never().is_none());
        assert!(paused.as_mut().now_or_never().is_none());
        gate.add_permits(2);
        assert_eq!(answered.await.unwrap().unwrap(), 7);
        assert!(paused.await.is_none());
    }
}
