//! How waiters learn that a call has ended, whatever the store.
//!
//! [`waiters`] are those of this process. [`poll`] asks the store on their behalf in case nothing else
//! wakes them; [`poll_pauses`] says how often. [`purge_observers`] hear of purges. [`notifier`] is all of
//! these for a store on a database. How notifications of other processes arrive is up to each backend.

mod hash;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod notifier;
mod poll;
mod poll_pauses;
mod purge_observers;
mod waiters;

pub(in crate::backends) use self::hash::Hash;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(in crate::backends) use self::notifier::Notifier;
#[cfg(feature = "redis")]
pub(in crate::backends) use self::poll::poll_until_ended;
pub(in crate::backends) use self::poll_pauses::PollPauses;
#[cfg(feature = "redis")]
pub(in crate::backends) use self::purge_observers::PurgeObservers;
#[cfg(feature = "redis")]
pub(in crate::backends) use self::waiters::{Poller, Waiters};
