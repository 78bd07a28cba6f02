//! A fault of a `FaultyStore`: which method, which of its calls, and what goes wrong.

use std::time::Duration;

use crate::store::StoreErrorKind;
#[cfg(doc)]
use crate::{store::Store, testing::FaultyStore};

/// The methods of a [`Store`] that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreMethod {
    /// [`Store::reserve`].
    Reserve,
    /// [`Store::renew`].
    Renew,
    /// [`Store::complete`].
    Complete,
    /// [`Store::release`].
    Release,
    /// [`Store::abandon`].
    Abandon,
    /// [`Store::wait`].
    Wait,
    /// [`Store::load`].
    Load,
    /// [`Store::purge`].
    Purge,
    /// [`Store::correct`].
    Correct,
    /// [`Store::scan`].
    Scan,
    /// [`Journal::write_step`](crate::store::Journal::write_step).
    WriteStep,
    /// [`Journal::load_steps`](crate::store::Journal::load_steps).
    LoadSteps,
    /// [`Journal::resume`](crate::store::Journal::resume).
    Resume,
    /// [`Journal::suspend`](crate::store::Journal::suspend).
    Suspend,
}

/// How many methods there are.
pub(super) const METHODS: usize = StoreMethod::Suspend as usize + 1;

/// Which calls of a method fail. The first call since the [`FaultyStore`] was made is call 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Only this call.
    Nth(usize),
    /// This call and all later ones.
    From(usize),
    /// All calls.
    Always,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call fails with [`StoreErrorKind::Unavailable`] and never reaches the store.
    Fail,
    /// The call fails with this kind and never reaches the store.
    FailAs(StoreErrorKind),
    /// The store executes the call, and the caller gets a [`StoreErrorKind::Timeout`].
    LoseAnswer,
    /// The call never returns and never reaches the store.
    Hang,
    /// The store executes the call, which never returns.
    HangAfter,
    /// The call reaches the store after this delay.
    Delay(Duration),
    /// The store executes the call, which returns after this delay.
    DelayAnswer(Duration),
    /// The store executes the call twice, and the caller gets the second answer.
    Repeat,
}

impl When {
    pub(super) const fn matches(self, occurrence: usize) -> bool {
        match self {
            Self::Nth(nth) => occurrence == nth,
            Self::From(first) => occurrence >= first,
            Self::Always => true,
        }
    }
}
