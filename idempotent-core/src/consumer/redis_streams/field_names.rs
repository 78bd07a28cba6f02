//! The fields of dead letters.

/// The field of a dead letter with the id of its message. In a message that is published it is the id, whatever else it
/// has for one.
pub const MESSAGE_ID: &str = "Idempotent-Message-Id";
/// The field of a dead letter that says [why](crate::consumer::ParkReason::as_str) it was parked.
pub const REASON: &str = "Idempotent-Parked-Reason";
/// The field of a dead letter that says what went wrong, in one line.
pub const ERROR: &str = "Idempotent-Parked-Error";
/// The field of a dead letter with the number of its attempts.
pub const ATTEMPTS: &str = "Idempotent-Parked-Attempts";
/// The field of a dead letter with the name of the consumer that parked it.
pub const CONSUMER: &str = "Idempotent-Parked-By";
/// The field of a dead letter with the stream that it was published to.
pub const STREAM: &str = "Idempotent-Parked-Stream";
/// The field of a dead letter that says where the message was: stream and id of the entry.
pub const POSITION: &str = "Idempotent-Parked-Position";

/// What every name of ours begins with.
pub(super) const PREFIX: &str = "Idempotent-";
