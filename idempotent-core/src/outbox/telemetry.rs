//! What of a relay is seen from outside: log lines, and with feature `metrics` the metrics. The outbox's
//! page lists both.

use super::row::Stored;
use super::{OutboxError, PublishError, PublishErrorKind};

pub(super) struct Telemetry;

impl Telemetry {
    /// Times one attempt to publish.
    pub(super) fn attempt() -> Watch {
        Watch {
            #[cfg(feature = "metrics")]
            start: std::time::Instant::now(),
        }
    }

    /// Messages that were delivered, each so many seconds after it was published.
    pub(super) fn delivered(_ages: &[f64]) {
        #[cfg(feature = "metrics")]
        for age in _ages {
            metrics::histogram!("idempotent_outbox_age_seconds").record(*age);
        }
    }

    pub(super) fn failed(failed: &[(Stored, PublishError)], parked: &[bool]) {
        let mut unavailable = failed
            .iter()
            .map(|(_, error)| error)
            .filter(|error| error.kind() == PublishErrorKind::Unavailable);
        if let Some(first) = unavailable.next() {
            tracing::warn!(
                messages = 1 + unavailable.count(),
                error = first.reason(),
                "the broker did not take messages of the outbox: they are tried again"
            );
        }
        for ((stored, error), parked) in failed.iter().zip(parked) {
            let message = &stored.message;
            if *parked {
                tracing::error!(
                    id = %message.id,
                    topic = message.topic,
                    attempt = message.attempt,
                    error = error.reason(),
                    "a message of the outbox is parked: its key goes on without it, until somebody \
                     retries or discards it"
                );
                #[cfg(feature = "metrics")]
                metrics::counter!("idempotent_outbox_parked_total").increment(1);
            } else if error.kind() != PublishErrorKind::Unavailable {
                tracing::warn!(
                    id = %message.id,
                    topic = message.topic,
                    attempt = message.attempt,
                    error = error.reason(),
                    "the broker refused a message of the outbox: it is tried again, and its key waits"
                );
            }
        }
    }

    pub(super) fn down() {
        tracing::warn!(
            "the broker answered to no message of the outbox: the relay rests, and tries again"
        );
    }

    pub(super) fn turn_failed(error: &OutboxError) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "a relay of the outbox could not ask its database: it tries again, and what it had just \
             published may be delivered twice"
        );
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_outbox_failed_turns_total").increment(1);
    }
}

/// A running attempt.
pub(super) struct Watch {
    #[cfg(feature = "metrics")]
    start: std::time::Instant,
}

impl Watch {
    pub(super) fn end(self, _error: Option<&PublishError>) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "idempotent_outbox_publish_seconds",
            "outcome" => match _error.map(PublishError::kind) {
                None => "delivered",
                Some(PublishErrorKind::Unavailable) => "unavailable",
                Some(PublishErrorKind::Refused) => "refused",
                Some(PublishErrorKind::Poison) => "poison",
            },
        )
        .record(self.start.elapsed().as_secs_f64());
    }
}
