//! The relay: publishes the messages of an outbox to a broker.
//!
//! [`run`] is [`Relay`], which runs one batch after the other; [`options`] is what can be set. A [`worker`]
//! delivers a [`batch`]: it takes keys in a [`transaction`], publishes the [`key_queue`] of each, and records
//! the [`failures`]. [`progress`] is how far the relay has come through all keys, [`pass`] what it did.
//! [`lost_topics`] are those without a destination. [`outage_pauses`] are for while broker or database are down, [`stop_flag`] tells a batch to stop.

mod batch;
mod failures;
mod key_queue;
mod lost_topics;
mod options;
mod outage_pauses;
mod pass;
mod progress;
mod run;
mod stop_flag;
mod transaction;
mod worker;

pub use self::pass::Pass;
pub use self::run::Relay;
