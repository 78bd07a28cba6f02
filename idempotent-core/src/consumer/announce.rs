//! What is said when a consumer starts: how it is set, and what of that may lose or double messages.

use std::time::Duration;

use super::settings::Settings;
use super::source::Terms;
use crate::model::Guarantee;

/// Says how the consumer is set, and warns of what does not go together but is allowed.
pub(super) fn announce(settings: &Settings, terms: &Terms, lease: Duration, is_judged: bool) {
    let (consumer, ttl) = (settings.operation.name, settings.ttl());
    let guarantee = settings.operation.guarantee;
    let key = if settings.is_keyed_by_id { "the id of the message" } else { "of its own" };
    tracing::info!(
        consumer,
        messaging.system = terms.system,
        messaging.destination.name = terms.destination.as_str(),
        key,
        has_scope = settings.scope.is_some(),
        guarantee = ?guarantee,
        concurrency = settings.concurrency.get(),
        ttl_secs = ttl.as_secs_f64(),
        lease_secs = lease.as_secs_f64(),
        deadline_secs = terms.deadline.map(|deadline| deadline.as_secs_f64()),
        broker_keeps_for = terms.keeps_for.map(debug),
        "a consumer starts"
    );
    if let Some(keeps_for) = terms.keeps_for.filter(|keeps_for| *keeps_for > ttl) {
        tracing::warn!(
            consumer,
            ttl_secs = ttl.as_secs(),
            broker_keeps_for_secs = keeps_for.as_secs(),
            "the broker keeps messages for longer than their records are kept: a message that is delivered again \
             after that runs again; raise `ttl`"
        );
    }
    if settings.engine.store().is_in_process() && !terms.is_in_process {
        tracing::warn!(
            consumer,
            "the broker's messages outlive this process, and the records do not: what is delivered again after a restart, or \
             to another process, runs again; use a store that all workers share"
        );
    }
    if guarantee == Guarantee::AtMostOnce && !is_judged {
        tracing::warn!(
            consumer,
            "under `AtMostOnce` an error of the handler still means that nothing happened, and has it run again: if it may fail \
             after it has taken effect, say which errors are `Failure::Unknown`, by `handler_with`"
        );
    }
}
