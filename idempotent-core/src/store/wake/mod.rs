//! What wakes those who wait for the end of a call, whatever the store: [`waiters`] are those of this
//! process, [`watch`] and [`looks`] the looking in case nothing else wakes them, [`observers`] who
//! hears of purges.
//!
//! How the news of other processes gets here is each store's own business.

mod looks;
mod observers;
mod waiters;
mod watch;

pub(super) use self::looks::Looks;
pub(super) use self::observers::Observers;
pub(super) use self::waiters::{Lookout, Waiters};
pub(super) use self::watch::until_ended;

/// A record's identity.
pub(super) type Hash = [u8; 32];
