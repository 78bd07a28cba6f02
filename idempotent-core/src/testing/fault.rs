//! The words of a fault script: which call, which time, what befalls it.

use std::time::Duration;

use crate::store::StoreErrorKind;
#[cfg(doc)]
use crate::{store::Store, testing::FaultyStore};

/// The methods of a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Store::reserve`].
    Reserve,
    /// [`Store::renew`].
    Renew,
    /// [`Store::complete`].
    Complete,
    /// [`Store::release`].
    Release,
    /// [`Store::wait`].
    Wait,
    /// [`Store::load`].
    Load,
    /// [`Store::purge`].
    Purge,
    /// [`Store::scan`].
    Scan,
}

/// Which calls of a method a fault befalls. Calls are counted from 1, from when the
/// [`FaultyStore`] was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// That one call.
    Nth(usize),
    /// That call and all after it.
    From(usize),
    /// All calls.
    Always,
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails as [`StoreErrorKind::Unavailable`], and the store was never asked.
    Fail,
    /// It fails so, and the store was never asked.
    FailAs(StoreErrorKind),
    /// The store does what it is asked, and the caller gets a [`StoreErrorKind::Timeout`].
    LoseAnswer,
    /// It never returns, and the store was never asked.
    Hang,
    /// The store does what it is asked, and the call never returns.
    HangAfter,
    /// The request takes so long to reach the store.
    Delay(Duration),
    /// The store does what it is asked, and the answer takes so long.
    DelayAnswer(Duration),
    /// The store is asked twice, and the caller gets the second answer.
    Repeat,
}

impl When {
    pub(super) const fn is(self, occurrence: usize) -> bool {
        match self {
            Self::Nth(nth) => occurrence == nth,
            Self::From(first) => occurrence >= first,
            Self::Always => true,
        }
    }
}
