//! The headers of dead letters.

/// By which a stream recognizes duplicates, and what a message's id is.
pub(super) const NATS_MESSAGE_ID: &str = "Nats-Msg-Id";

/// The header of a dead letter with the id of its message, where that is not its `Nats-Msg-Id`. In a message that is
/// published it is the id, whatever its `Nats-Msg-Id`.
pub const MESSAGE_ID: &str = "Idempotent-Message-Id";
/// The header of a dead letter that says [why](crate::consumer::ParkReason::as_str) it was parked.
pub const REASON: &str = "Idempotent-Parked-Reason";
/// The header of a dead letter that says what went wrong, in one line.
pub const ERROR: &str = "Idempotent-Parked-Error";
/// The header of a dead letter with the number of its attempts.
pub const ATTEMPTS: &str = "Idempotent-Parked-Attempts";
/// The header of a dead letter with the name of the consumer that parked it.
pub const CONSUMER: &str = "Idempotent-Parked-By";
/// The header of a dead letter with the subject that it was published to.
pub const SUBJECT: &str = "Idempotent-Parked-Subject";
/// The header of a dead letter that says where the message was: stream and sequence.
pub const POSITION: &str = "Idempotent-Parked-Position";

/// What every name of ours begins with.
pub(super) const PREFIX: &str = "Idempotent-";
