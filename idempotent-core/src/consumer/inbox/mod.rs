//! Handlers within a transaction: record, effects, outbox messages and result commit together, and then the message is
//! acknowledged.
//!
//! [`ConsumerBuilder::within`](super::ConsumerBuilder::within) takes the [`pool`] and gives an [`InboxBuilder`]. [`lent`]
//! is the transaction that the handler gets, which [`slot`] has around it; [`attempt`] is one transaction, on one of the
//! [`lanes`], [`next`] what its end means for the message, and [`process`] runs one after the other until it has ended. [`group`] is one transaction of several messages, for
//! which they wait in [`groups`], and [`undone`] why it is not committed.

mod attempt;
mod builder;
mod group;
mod groups;
mod handler;
mod lanes;
mod lent;
mod next;
mod outage;
mod pool;
mod process;
mod slot;
mod undone;

pub use self::builder::InboxBuilder;
pub use self::handler::InboxHandler;
pub use self::lent::InboxTransaction;
pub use self::pool::InboxPool;
