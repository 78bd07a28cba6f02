//! The headers that copies of messages carry.

/// The header of a dead letter that says [why](idempotent_core::consumer::ParkReason::as_str) it was parked.
pub const REASON: &str = "idempotent-parked-reason";
/// The header of a dead letter that says what went wrong.
pub const ERROR: &str = "idempotent-parked-error";
/// The header of a dead letter with the number of its attempts.
pub const ATTEMPTS: &str = "idempotent-parked-attempts";
/// The header of a dead letter with the name of the consumer that parked it.
pub const CONSUMER: &str = "idempotent-parked-by";
/// The header of a dead letter with the queue that it was in.
pub const QUEUE: &str = "idempotent-parked-queue";
/// The header of a copy with the exchange that its message was published to.
pub const EXCHANGE: &str = "idempotent-exchange";
/// The header of a copy with the routing key that its message was published with.
pub const ROUTING_KEY: &str = "idempotent-routing-key";
/// The header of a copy that waits for its next delivery: how many deliveries there were before, if that is known.
pub const DELIVERIES: &str = "idempotent-deliveries";
/// The header of a dead letter, and of one that is replayed: how often the message was parked. Its attempts are
/// counted anew each time.
pub const GENERATION: &str = "idempotent-generation";

/// What the broker adds. It takes a message for one that goes round in circles, and drops it, if it comes back by
/// itself to a queue that `x-death` names.
const OF_THE_BROKER: [&str; 5] =
    ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"];

/// Whether the broker adds a header with this name.
pub(crate) fn is_the_brokers(name: &str) -> bool {
    OF_THE_BROKER.iter().any(|prefix| name.starts_with(prefix))
}

/// What every name of ours begins with.
pub(crate) const PREFIX: &str = "idempotent-";
/// What the name of a header begins with that is about one parking.
pub(crate) const PARKED: &str = "idempotent-parked-";
/// The value of [`DELIVERIES`] where nobody knows.
pub(crate) const UNKNOWN: &str = "unknown";
