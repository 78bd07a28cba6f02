//! What the stores of several processes tell each other: who waits for which call, that it has ended,
//! and that a record was purged. All of it goes over one sharded channel.
//!
//! Nothing is published while nobody waits. A waiter announces what it waits for, and whoever ends that
//! call says so after the change, as a command of its own. Any message may be lost, forbidden or late:
//! then waiters find out by polling, with growing pauses. Scripts do not publish: in a cluster, or
//! without permission for the channel, they would fail after their change was made.
//!
//! [`notifier`] is what the store uses. A [`message`] goes out through the [`publisher`] and its
//! [`message_queue`]. The [`subscriber`] keeps up the [`subscription`] and passes messages to the
//! [`message_handler`]; [`remote_waiters`] are the waiters in other processes.

mod message;
mod message_handler;
mod message_queue;
mod notifier;
mod publisher;
mod remote_waiters;
mod subscriber;
mod subscription;

pub(super) use self::notifier::Notifier;
