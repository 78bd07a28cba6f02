//! An error type as a user would have one.

use idempotent_core::{Disposition, Error};
use serde::{Deserialize, Serialize};

/// Why a charge failed, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fail {
    /// Final.
    Declined,
    /// Nobody knows.
    TimedOut,
    /// Nothing happened.
    Invalid,
    /// By the engine, with the kind's code.
    Refused(String),
}

impl Fail {
    /// What each means for the key.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Declined => Disposition::Keep,
            Self::TimedOut => Disposition::HoldForLease,
            Self::Invalid | Self::Refused(_) => Disposition::Release,
        }
    }

    /// The refusal of a kind.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned())
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Refused(error.code().to_owned())
    }
}
