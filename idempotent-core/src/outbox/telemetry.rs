//! The log lines of a relay, and with feature `metrics` its metrics. The outbox's page lists both.

use super::message_row::MessageRow;
use super::{OutboxError, PublishError, PublishErrorKind};

pub(super) struct Telemetry;

impl Telemetry {
    /// Times one attempt to publish.
    pub(super) fn attempt() -> AttemptTimer {
        AttemptTimer {
            #[cfg(feature = "metrics")]
            start: std::time::Instant::now(),
        }
    }

    /// Records delivered messages by their ages: the seconds since each was published.
    pub(super) fn delivered(_ages: &[f64]) {
        #[cfg(feature = "metrics")]
        for age in _ages {
            metrics::histogram!("idempotent_outbox_age_seconds").record(*age);
        }
    }

    /// Logs failed attempts. `is_news` says whether a topic's lack of a destination is to be logged.
    pub(super) fn failed(
        failed: &[&(MessageRow, PublishError)],
        parked: &[bool],
        mut is_news: impl FnMut(&str) -> bool,
    ) {
        let mut unavailable = failed
            .iter()
            .map(|(_, error)| error)
            .filter(|error| error.kind() == PublishErrorKind::Unavailable);
        if let Some(first) = unavailable.next() {
            tracing::warn!(
                messages = 1 + unavailable.count(),
                error = first.reason(),
                "the broker was unavailable for messages of the outbox: the relay will try again"
            );
        }
        for ((row, error), parked) in failed.iter().zip(parked) {
            let message = &row.message;
            if error.kind() == PublishErrorKind::Destination && is_news(&message.topic) {
                tracing::warn!(
                    topic = message.topic,
                    error = error.reason(),
                    "messages of the outbox have no destination at the broker: the relay will try each \
                     again, and parks it after its attempts; it does not say so again for this topic"
                );
            }
            if *parked {
                tracing::error!(
                    id = %message.id,
                    topic = message.topic,
                    attempt = message.attempt,
                    error = error.reason(),
                    "a message of the outbox is parked: the next ones of its key are delivered; retry or \
                     discard it"
                );
                #[cfg(feature = "metrics")]
                metrics::counter!("idempotent_outbox_parked_total").increment(1);
            } else if !matches!(
                error.kind(),
                PublishErrorKind::Unavailable | PublishErrorKind::Destination
            ) {
                tracing::warn!(
                    id = %message.id,
                    topic = message.topic,
                    attempt = message.attempt,
                    error = error.reason(),
                    "the broker refused a message of the outbox: the relay will try it again, and its key \
                     waits until then"
                );
            }
        }
    }

    /// Logs that the broker is down, at ever longer intervals: `times` is how often this was seen in a row.
    pub(super) fn broker_unavailable(times: u32) {
        if !times.is_power_of_two() {
            return;
        }
        tracing::warn!(
            times,
            "the broker answered to no message of the outbox: the relay pauses and tries again"
        );
    }

    pub(super) fn batch_failed(error: &OutboxError) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "a batch of the outbox's relay failed in the database: the relay will try again, and may \
             deliver twice what it has just published"
        );
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_outbox_failed_batches_total").increment(1);
    }
}

/// Measures one attempt to publish.
pub(super) struct AttemptTimer {
    #[cfg(feature = "metrics")]
    start: std::time::Instant,
}

impl AttemptTimer {
    pub(super) fn end(self, _error: Option<&PublishError>) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "idempotent_outbox_publish_seconds",
            "outcome" => match _error.map(PublishError::kind) {
                None => "delivered",
                Some(PublishErrorKind::Unavailable) => "unavailable",
                Some(PublishErrorKind::Destination) => "destination",
                Some(PublishErrorKind::Refused) => "refused",
                Some(PublishErrorKind::Poison) => "poison",
            },
        )
        .record(self.start.elapsed().as_secs_f64());
    }
}
