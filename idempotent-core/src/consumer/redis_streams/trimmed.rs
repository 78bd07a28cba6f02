//! Messages that were trimmed away before anybody has settled them.

/// Reports one: nothing is left of it but its id.
pub(super) fn report(consumer: &str, stream: &str, id: &str) {
    tracing::error!(
        consumer,
        stream,
        id,
        "a message was trimmed away before it was settled, and is lost: let the stream keep more messages"
    );
    #[cfg(feature = "metrics")]
    metrics::counter!("idempotent_consumer_trimmed_total", "consumer" => consumer.to_owned())
        .increment(1);
}
