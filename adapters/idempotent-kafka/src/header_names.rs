//! The headers that copies of messages carry.

/// The header of a copy with its message's [id](idempotent_core::consumer::Message::id).
pub const ID: &str = "idempotent-id";
/// The header of a dead letter that says [why](idempotent_core::consumer::ParkReason::as_str) it was parked.
pub const REASON: &str = "idempotent-parked-reason";
/// The header of a dead letter that says what went wrong.
pub const ERROR: &str = "idempotent-parked-error";
/// The header of a dead letter with the number of its attempts.
pub const ATTEMPTS: &str = "idempotent-parked-attempts";
/// The header of a dead letter with the name of the consumer that parked it.
pub const CONSUMER: &str = "idempotent-parked-by";
/// The header of a dead letter with topic, partition and offset of the message.
pub const PARKED_AT: &str = "idempotent-parked-at";
/// The header of a copy on a retry topic with the topic that its message was produced to.
pub const TOPIC: &str = "idempotent-topic";
/// The header of a copy on a retry topic with the [position](idempotent_core::consumer::Message::position) of the message,
/// by which its attempts are counted.
pub const POSITION: &str = "idempotent-position";
/// The header of a copy on a retry topic that says when it is due, in milliseconds since 1970.
pub const DUE: &str = "idempotent-due";
/// The header of a message, as a handler sees it, that has no payload at all: a tombstone. Its value is `true`.
pub const TOMBSTONE: &str = "idempotent-tombstone";

const ALL: [&str; 10] =
    [ID, REASON, ERROR, ATTEMPTS, CONSUMER, PARKED_AT, TOPIC, POSITION, DUE, TOMBSTONE];

/// Whether a header is one of these. Others are the message's own, whatever they begin with.
pub(crate) fn is_ours(name: &str) -> bool {
    ALL.contains(&name)
}
