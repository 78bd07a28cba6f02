//! [`Settled`]: what became of a delivery, for those who want to know.

use super::message::Message;
use super::verdict::Verdict;

/// What became of a delivery. See [`on_settled`](super::ConsumerBuilder::on_settled).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settled<'a> {
    /// The message.
    pub message: &'a Message,
    /// What happened.
    pub outcome: DeliveryOutcome,
    /// What the broker was told.
    pub verdict: &'a Verdict,
    /// Whether the broker has confirmed it. If not, it delivers the message again.
    pub confirmed: bool,
}

/// What happened to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// The handler ran, and its result is recorded.
    Executed,
    /// The message was handled before: nothing ran.
    Replayed,
    /// Another delivery of the message is being handled, or an earlier message of its
    /// [ordering key](super::ConsumerBuilder::ordered_by) has not ended: nothing ran.
    Busy,
    /// The message cannot be handled, or not yet: nothing ran.
    Refused,
    /// The handler returned an error.
    Failed,
    /// The handler panicked.
    Panicked,
    /// The handler ran for longer than [`max_run`](super::ConsumerBuilder::max_run), and was dropped.
    TimedOut,
    /// The lease was lost while the handler ran, or before it could start. Another delivery may be handled by now.
    LeaseLost,
    /// The handler ran, and the store has not recorded that.
    Unrecorded,
    /// The consumer stopped before the handler started.
    GivenBack,
    /// The consumer stopped, and the handler did not end [in time](super::ConsumerBuilder::stop_within).
    Interrupted,
    /// The deadline of the delivery had passed before the handler could start: nothing ran.
    Expired,
}

impl DeliveryOutcome {
    /// A stable identifier, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Replayed => "replayed",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::LeaseLost => "lease_lost",
            Self::Unrecorded => "unrecorded",
            Self::GivenBack => "given_back",
            Self::Interrupted => "interrupted",
            Self::Expired => "expired",
        }
    }
}
