//! [`Fault`]: a promise that a run broke.

use std::fmt;
use std::time::Duration;

use crate::checker;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// One of those that calls know, too: a second effect, an acknowledgement without its effect, a worker that did not stop
    /// or kept something.
    OfCalls(Box<checker::Fault>),
    /// A message that has had no effect and is not parked.
    Lost {
        /// Which.
        key: u32,
    },
    /// The broker still has messages when it should have none.
    Stuck {
        /// How many.
        messages: u64,
        /// How long it had.
        within: Duration,
    },
    /// A message is parked that could have been handled.
    Parked {
        /// Which.
        key: u32,
        /// Why, as its copy says.
        reason: String,
    },
    /// A message that cannot be handled had an effect.
    PoisonHandled {
        /// Which.
        key: u32,
    },
    /// A dead letter of a message that nobody has published.
    Unknown {
        /// Which.
        key: u32,
    },
    /// No handler ran when its worker was killed, so the run shows nothing.
    NothingInterrupted,
}

impl Fault {
    pub(super) fn of(fault: checker::Fault) -> Self {
        Self::OfCalls(Box::new(fault))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfCalls(fault) => fault.fmt(f),
            Self::Lost { key } => write!(f, "message {key} has had no effect and is not parked"),
            Self::Stuck { messages, within } => {
                write!(f, "the broker has {messages} messages left after {} s", within.as_secs())
            }
            Self::Parked { key, reason } => write!(f, "message {key} is parked: {reason}"),
            Self::PoisonHandled { key } => write!(f, "message {key} is poison and had an effect"),
            Self::Unknown { key } => write!(f, "message {key} is parked and was never published"),
            Self::NothingInterrupted => f.write_str("no kill has hit a handler that ran"),
        }
    }
}
