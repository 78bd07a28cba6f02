//! Spans, log lines and metrics of a consumer. The page of [`consumer`](super) lists them.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::Span;
use tracing::field::{Empty, display};

use super::delivery::Delivery;
use super::error::SettleError;
use super::message::Message;
use super::outcome::DeliveryOutcome;
use super::source::Terms;
use super::verdict::Verdict;
use crate::engine::Idempotency;
use crate::error::Error;
use crate::model::RecordId;

/// What a consumer reports, under its name.
pub(super) struct Telemetry {
    consumer: &'static str,
    terms: Terms,
    /// Set once it was said that messages have no id of their own.
    has_warned_of_ids: AtomicBool,
    paused: Mutex<Paused>,
}

/// Why consumption pauses, if it does.
#[derive(Default)]
struct Paused {
    /// The store does not answer.
    is_away: bool,
    /// How many results the store does not take, although it answers.
    not_recorded: usize,
}

/// A result that the store does not take, until this is dropped.
pub(super) struct NotRecorded<'a>(&'a Telemetry);

impl Drop for NotRecorded<'_> {
    fn drop(&mut self) {
        self.0.set_paused(|paused| paused.not_recorded -= 1);
    }
}

impl Telemetry {
    pub(super) fn new(consumer: &'static str, terms: Terms) -> Self {
        let (has_warned_of_ids, paused) = (AtomicBool::new(false), Mutex::default());
        Self { consumer, terms, has_warned_of_ids, paused }
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The span of a delivery, linked to that of its publisher.
    pub(super) fn span(&self, engine: &Idempotency, message: &Message) -> Span {
        let span = tracing::info_span!(
            "consume",
            messaging.system = self.terms.system,
            messaging.operation.type = "process",
            messaging.operation.name = "process",
            messaging.destination.name = message.topic(),
            messaging.destination.subscription.name = self.terms.destination.as_str(),
            messaging.consumer.group.name = self.consumer,
            messaging.message.id = message.id(),
            messaging.message.body.size = message.payload().len(),
            delivery_count = message.delivery_count(),
            attempt = Empty,
            outcome = Empty,
            verdict = Empty,
            published_in = Empty,
        );
        if !span.is_disabled() {
            if let Some(parent) = message.header("traceparent").and_then(|text| text.parse().ok()) {
                span.record("published_in", display(parent));
                engine.link(&span, parent);
            }
        }
        span
    }

    pub(super) fn received(&self, delivery: &Delivery) {
        self.in_hand(1.0);
        #[cfg(feature = "metrics")]
        if let Some(behind) = delivery.message().behind() {
            metrics::gauge!("idempotent_consumer_lag", "consumer" => self.consumer)
                .set(behind as f64);
        }
        let _ = delivery;
    }

    /// A message has the id of its place. That is said once.
    pub(super) fn without_own_id(&self, message: &Message) {
        if self.has_warned_of_ids.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            consumer = self.consumer,
            position = message.position(),
            "a message has no id of its own, so what its producer sends a second time is another message and runs again: let \
             producers send an id, or set `key`. This is said once"
        );
    }

    /// A message runs again of which no failed attempt is known.
    pub(super) fn runs_again(&self, message: &Message) {
        tracing::debug!(
            consumer = self.consumer,
            message_id = message.id(),
            delivery_count = message.delivery_count(),
            "a message runs that was delivered before and has not failed: it had to wait, or its worker died, gave it back or \
             was cut off"
        );
    }

    /// A message is replayed in its first delivery.
    pub(super) fn replayed(&self, message: &Message) {
        if message.delivery_count() == Some(1) {
            tracing::debug!(
                consumer = self.consumer,
                message_id = message.id(),
                position = message.position(),
                "a message is replayed that was not delivered before: its producer has sent it twice, or another message or \
                 consumer has its key"
            );
        }
    }

    /// The consumer stops, and a handler that still ran is dropped.
    pub(super) fn interrupted(&self, message: &Message) {
        tracing::warn!(
            consumer = self.consumer,
            message_id = message.id(),
            "a handler is interrupted, since it did not end within `stop_within`: when its message is delivered again, it runs \
             again, or is parked, as the guarantee says"
        );
    }

    fn in_hand(&self, _change: f64) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_consumer_in_hand", "consumer" => self.consumer)
            .increment(_change);
    }

    /// The handler has run.
    pub(super) fn ran(&self, span: &Span, attempt: u32, took: Duration, outcome: DeliveryOutcome) {
        span.record("attempt", attempt);
        #[cfg(feature = "metrics")]
        {
            let outcome = outcome.as_str();
            metrics::histogram!(
                "idempotent_consumer_handler_seconds",
                "consumer" => self.consumer, "outcome" => outcome
            )
            .record(took.as_secs_f64());
            metrics::histogram!("idempotent_consumer_attempts", "consumer" => self.consumer)
                .record(f64::from(attempt));
        }
        let _ = (took, outcome);
    }

    /// A delivery has ended.
    pub(super) fn settled(
        &self,
        span: &Span,
        message: &Message,
        outcome: DeliveryOutcome,
        verdict: &Verdict,
    ) {
        self.in_hand(-1.0);
        span.record("outcome", outcome.as_str());
        span.record("verdict", verdict.as_str());
        if let Verdict::Parked { reason, error, attempts } = verdict {
            tracing::error!(
                consumer = self.consumer,
                message_id = message.id(),
                position = message.position(),
                reason = reason.as_str(),
                attempts,
                error,
                "a message is parked"
            );
            #[cfg(feature = "metrics")]
            metrics::counter!(
                "idempotent_consumer_parked_total",
                "consumer" => self.consumer, "reason" => reason.as_str()
            )
            .increment(1);
        }
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_consumer_deliveries_total",
            "consumer" => self.consumer, "outcome" => outcome.as_str()
        )
        .increment(1);
    }

    pub(super) fn failed(&self, message: &Message, attempt: u32, error: &str) {
        tracing::warn!(
            consumer = self.consumer,
            message_id = message.id(),
            attempt,
            error,
            "a message could not be handled"
        );
    }

    pub(super) fn refused(&self, message: &Message, error: &Error) {
        tracing::error!(
            consumer = self.consumer,
            message_id = message.id(),
            error = error as &dyn StdError,
            "a message cannot be handled"
        );
    }

    pub(super) fn not_confirmed(&self, message: &Message, verdict: &Verdict, error: &SettleError) {
        tracing::warn!(
            consumer = self.consumer,
            message_id = message.id(),
            verdict = verdict.as_str(),
            error = error as &dyn StdError,
            "the broker has not confirmed yet what became of a message"
        );
    }

    /// A handler has run, and the store answers but does not take its result. That is said of the first one.
    pub(super) fn not_recorded(&self, record: &RecordId) -> NotRecorded<'_> {
        let is_first = self.set_paused(|paused| {
            paused.not_recorded += 1;
            paused.not_recorded == 1
        });
        if is_first {
            tracing::warn!(
                consumer = self.consumer,
                record = %record,
                "the store answers, but does not take the results of handlers that have run, such as this one: their messages \
                 stay in hand until it does"
            );
        }
        NotRecorded(self)
    }

    /// The same, until the consumer stops.
    pub(super) fn stopped_unrecorded(&self, record: &RecordId) {
        tracing::warn!(
            consumer = self.consumer,
            record = %record,
            "the consumer stops before the store has taken the result of a handler that has run: when its message is \
             delivered again, the handler runs again, or the message is parked, as the guarantee says"
        );
    }

    /// The store does not answer, and consumption pauses.
    pub(super) fn paused(&self, error: &Error) {
        self.set_paused(|paused| paused.is_away = true);
        tracing::error!(
            consumer = self.consumer,
            error = error as &dyn StdError,
            "consumption pauses until the store answers"
        );
    }

    pub(super) fn resumed(&self) {
        self.set_paused(|paused| paused.is_away = false);
        tracing::info!(consumer = self.consumer, "the store answers, and consumption goes on");
    }

    /// The consumer has ended.
    pub(super) fn ended(&self) {
        self.set_paused(|paused| paused.is_away = false);
    }

    /// Changes why consumption pauses. The gauge is set meanwhile, so that the last change is what it shows.
    fn set_paused<T>(&self, change: impl FnOnce(&mut Paused) -> T) -> T {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut paused);
        #[cfg(feature = "metrics")]
        {
            let is_paused = paused.is_away || paused.not_recorded > 0;
            metrics::gauge!("idempotent_consumer_paused", "consumer" => self.consumer)
                .set(if is_paused { 1.0 } else { 0.0 });
        }
        changed
    }

    pub(super) fn source_failed(&self, error: &(dyn StdError + 'static), pause: Duration) {
        tracing::warn!(
            consumer = self.consumer,
            error,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the broker cannot be read"
        );
    }
}
