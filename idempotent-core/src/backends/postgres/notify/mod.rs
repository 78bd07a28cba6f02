//! Notifying the other processes of a table by `LISTEN` and `NOTIFY`.
//!
//! A notification takes a lock that all commits of a database share, so calls that nobody waits for send
//! none. A waiter first marks the row that it waits for; the statement that ends the call then notifies if
//! the row is marked. A waiter that misses a notification notices the end when it polls again, and near
//! caches drop their copies.
//!
//! [`notifications`] is what a store has of this, [`listener`] the connection that listens, [`message`]
//! what is sent, and [`wait`] how a store waits.

mod listener;
mod message;
mod notifications;
mod wait;

pub(super) use self::listener::Channel;
pub(super) use self::notifications::Notifications;
pub(super) use self::wait::wait;
