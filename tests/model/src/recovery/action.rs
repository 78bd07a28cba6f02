//! [`Action`]: what can happen.

use std::fmt;

/// One thing that happens. The first field is the number of the worker; the client is 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// A worker finds the call in the index, and sends its claim.
    Claim(u8),
    /// The store does the claim, and the worker learns it.
    Deliver(u8),
    /// The store does the claim, and its answer is lost.
    LoseAnswer(u8),
    /// The worker gives up waiting, and its claim stays on its way.
    TimeOut(u8),
    /// The store does a claim that nobody waits for.
    DeliverLate,
    /// A worker that has the call parks it.
    Park(u8),
    /// A worker that has the call gives it back, since it does not know its steps.
    Refuse(u8),
    /// The body starts.
    Start(u8),
    /// A worker finds that its lease is over before the body.
    Stop(u8),
    /// The next step is recorded.
    Record(u8),
    /// The call is completed.
    Finish(u8),
    /// The body ends in its own error.
    Decline(u8),
    /// The body panics, or a step of it is poisoned.
    Break(u8),
    /// The run ends because the store has failed for a while.
    Outage(u8),
    /// The process dies.
    Crash(u8),
    /// A worker's own clock says that its lease is over.
    OwnLeaseEnds(u8),
    /// The lease is over by the store's clock.
    Lapse,
    /// A pause is over.
    BecomeDue,
    /// The client calls again.
    Retry,
    /// An operator says that a parked call should run.
    Resume,
}

impl Action {
    /// Whether it is a person's, and so need not happen however long one waits.
    #[must_use]
    pub const fn is_by_hand(&self) -> bool {
        matches!(self, Self::Retry | Self::Resume)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(worker) => write!(f, "worker {worker}: finds the call due, claims it"),
            Self::Deliver(worker) => write!(f, "worker {worker}: the store does the claim"),
            Self::LoseAnswer(worker) => write!(f, "worker {worker}: the claim's answer is lost"),
            Self::TimeOut(worker) => write!(f, "worker {worker}: gives the claim up"),
            Self::DeliverLate => f.write_str("the store does a claim that was given up"),
            Self::Park(worker) => write!(f, "worker {worker}: parks the call"),
            Self::Refuse(worker) => write!(f, "worker {worker}: does not know its steps"),
            Self::Start(worker) => write!(f, "worker {worker}: starts the body"),
            Self::Stop(worker) => write!(f, "worker {worker}: stops, its lease is over"),
            Self::Record(worker) => write!(f, "worker {worker}: records a step"),
            Self::Finish(worker) => write!(f, "worker {worker}: completes the call"),
            Self::Decline(worker) => write!(f, "worker {worker}: the body says no"),
            Self::Break(worker) => write!(f, "worker {worker}: the body panics"),
            Self::Outage(worker) => write!(f, "worker {worker}: the store fails"),
            Self::Crash(worker) => write!(f, "worker {worker}: dies"),
            Self::OwnLeaseEnds(worker) => {
                write!(f, "worker {worker}: its clock says that the lease is over")
            }
            Self::Lapse => f.write_str("the lease lapses"),
            Self::BecomeDue => f.write_str("the pause is over"),
            Self::Retry => f.write_str("the client retries"),
            Self::Resume => f.write_str("an operator has the call run"),
        }
    }
}
