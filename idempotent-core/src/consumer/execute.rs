//! Running the handler under its reservation, and what its end means.

use std::future::Future;

use futures_util::future::{Either, select};
use tokio::time::{Instant, timeout};
use tracing::Span;

use super::acquire::{Attempt, End, delivery_number};
use super::catch_panic::{CatchPanic, Panicked, unless_panics};
use super::context::{Context, Stage};
use super::failure::Failure;
use super::handler::Handler;
use super::keep_alive::Kept;
use super::message::Message;
use super::outcome::DeliveryOutcome;
use super::verdict::{ParkReason, Verdict};
use crate::call::Reservation;
use crate::engine::CurrentCall;
use crate::error::Error;
use crate::model::Guarantee;

/// How a handler ended.
enum Ran<T, E> {
    Returned(Result<T, E>),
    Panicked,
    TimedOut,
    Halted,
}

/// What is known of a handler that has failed.
pub(super) struct Failed<'a> {
    pub(super) message: &'a Message,
    pub(super) attempt: Attempt,
}

impl Context {
    /// Runs the handler, records its end, and says what the broker is told.
    pub(super) async fn execute<H, A>(
        &self,
        (handler, judge): (&H, fn(&H::Err) -> Failure),
        (message, input): (&Message, H::Input),
        (reservation, attempt): (Reservation<H::Ok, Error>, Attempt),
        (kept, span): (Option<&Kept>, &Span),
    ) -> End
    where
        H: Handler<A>,
    {
        let call = reservation.current_call();
        if let (Some(kept), Some(call)) = (kept, &call) {
            kept.while_runs(call.clone(), self.settings.max_run());
        }
        let start = Instant::now();
        let handled = async { CatchPanic::new(|| handler.call(input, message)).await };
        let ran = self.run_handler(reservation.scope(handled)).await;
        let took = start.elapsed();
        if let Some(kept) = kept {
            kept.has_ended();
        }
        let has_lost_its_lease = call.as_ref().is_some_and(CurrentCall::has_lost_its_lease);
        let failed = Failed { message, attempt };
        let end = match ran {
            Ran::Returned(Ok(value)) => self.complete(reservation, value).await,
            Ran::Returned(Err(error)) => {
                let judged = || {
                    let failure = judge(&error);
                    let error: Box<dyn std::error::Error + Send + Sync> = error.into();
                    (failure, chain(&*error))
                };
                let panicked =
                    || (Failure::Unknown, "judging the handler's error panicked".to_owned());
                let (failure, text) = unless_panics(judged).unwrap_or_else(panicked);
                self.returned_error(reservation, &failed, failure, &text).await
            }
            Ran::Panicked => {
                let text = "the handler panicked";
                reservation.abandon_because(text).await;
                (DeliveryOutcome::Panicked, self.unknown(&failed, text).await)
            }
            Ran::TimedOut => {
                reservation.hold_for_lease().await;
                (DeliveryOutcome::TimedOut, self.timed_out(&failed).await)
            }
            Ran::Halted => {
                self.telemetry.interrupted(message);
                reservation.hold_for_lease().await;
                (DeliveryOutcome::Interrupted, Verdict::Retry { after: self.lease })
            }
        };
        self.telemetry.ran(span, attempt.number, took, end.0);
        // The store was asked who has the key.
        let is_known = end.1 == Verdict::Completed || end.0 == DeliveryOutcome::Unrecorded;
        // Looked at again, since telling the store took a while.
        let has_lost_it =
            has_lost_its_lease || call.as_ref().is_some_and(CurrentCall::has_lost_its_lease);
        match has_lost_it && !is_known {
            true => (DeliveryOutcome::LeaseLost, Verdict::Left),
            false => end,
        }
    }

    async fn run_handler<T, E>(
        &self,
        handled: impl Future<Output = Result<Result<T, E>, Panicked>>,
    ) -> Ran<T, E> {
        let halted = std::pin::pin!(self.reached(Stage::Halted));
        let handled = std::pin::pin!(handled);
        match timeout(self.settings.max_run(), select(handled, halted)).await {
            Ok(Either::Left((Ok(result), _))) => Ran::Returned(result),
            Ok(Either::Left((Err(Panicked), _))) => Ran::Panicked,
            Ok(Either::Right(_)) => Ran::Halted,
            Err(_) => Ran::TimedOut,
        }
    }

    /// What a handler's error means.
    async fn returned_error<T>(
        &self,
        reservation: Reservation<T, Error>,
        failed: &Failed<'_>,
        failure: Failure,
        text: &str,
    ) -> End {
        // The handler failed because the store did not answer a call of its own: that is no attempt.
        if reservation.refused_status() == Some(503) && matches!(failure, Failure::Retry) {
            // Before the key becomes vacant: the next worker counts what is noted. The same outage may be in the way.
            let call = reservation.current_call();
            self.take_back(failed.message, failed.attempt, call.as_ref()).await;
            reservation.release().await;
            // No attempt is counted, so the pauses grow with the deliveries.
            let after = self.settings.attempts.pause_after(delivery_number(failed.message));
            return (DeliveryOutcome::Failed, Verdict::Retry { after });
        }
        let verdict = match failure {
            Failure::Retry | Failure::RetryAfter(_) => {
                let verdict = self.retry(failed, failure, text).await;
                reservation.release().await;
                verdict
            }
            Failure::Permanent => {
                reservation.release().await;
                self.park(failed, ParkReason::Permanent, text)
            }
            Failure::Unknown => {
                reservation.abandon_because("the handler does not know what it did").await;
                self.unknown(failed, text).await
            }
        };
        (DeliveryOutcome::Failed, verdict)
    }

    /// Another attempt, if one is left. This one is noted before its key becomes vacant.
    pub(super) async fn retry(&self, failed: &Failed<'_>, failure: Failure, text: &str) -> Verdict {
        let (attempts, Attempt { number, is_noted }) = (self.settings.attempts, failed.attempt);
        if !is_noted {
            if let Err(error) = self.attempts.note(failed.message, number).await {
                // There will be one attempt more.
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "an attempt could not be noted"
                );
            }
        }
        if attempts.is_last(number) {
            return self.park(failed, ParkReason::AttemptsUsedUp, text);
        }
        self.telemetry.failed(failed.message, number, text);
        let after = match failure {
            Failure::RetryAfter(after) => after,
            _ => attempts.pause_after(number),
        };
        Verdict::Retry { after }
    }

    /// Nobody knows what the handler did.
    async fn unknown(&self, failed: &Failed<'_>, text: &str) -> Verdict {
        match self.operation.guarantee {
            Guarantee::AtMostOnce => self.park(failed, ParkReason::Indeterminate, text),
            _ => self.retry(failed, Failure::Retry, text).await,
        }
    }

    /// The handler was dropped, and its work may still be going on elsewhere, so its key is held for the lease.
    async fn timed_out(&self, failed: &Failed<'_>) -> Verdict {
        if self.operation.guarantee == Guarantee::AtMostOnce {
            return Verdict::Retry { after: self.lease };
        }
        match self.retry(failed, Failure::Retry, "the handler ran for longer than `max_run`").await
        {
            Verdict::Retry { after } => Verdict::Retry { after: after.max(self.lease) },
            verdict => verdict,
        }
    }

    pub(super) fn park(&self, failed: &Failed<'_>, reason: ParkReason, text: &str) -> Verdict {
        let attempts = failed.attempt.number;
        Verdict::Parked { reason, error: text.to_owned(), attempts }
    }
}

/// An error with what caused it.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors repeat their cause.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
