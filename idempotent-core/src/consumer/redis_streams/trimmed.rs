//! Messages that were trimmed away before anybody has settled them.

/// Reports one of which nothing is left but its id.
pub(super) fn report_lost(consumer: &str, stream: &str, id: &str) {
    tracing::error!(
        consumer,
        stream,
        id,
        "a message was trimmed away before it was settled, and is lost, unless the worker that has it in hand still \
         completes or parks it: let the stream keep more messages"
    );
    count(consumer);
}

/// Reports one that is in hand, and is parked instead of being delivered again.
pub(super) fn report_parked(consumer: &str, stream: &str, id: &str) {
    tracing::error!(
        consumer,
        stream,
        id,
        "a message was trimmed away before it was settled, and is parked: let the stream keep more messages"
    );
    count(consumer);
}

fn count(_consumer: &str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("idempotent_consumer_trimmed_total", "consumer" => _consumer.to_owned())
        .increment(1);
}
