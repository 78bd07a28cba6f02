//! A broker in memory for tests of consumers, and the contract suite for sources.
//!
//! * [`TestBroker`]: publishes, delivers again, loses acknowledgements, delays, reorders, and goes away.
//! * [`cases`] with [`source_contract_tests!`](crate::source_contract_tests): one test per rule, for a
//!   [`Source`](crate::consumer::Source) that you wrote.

mod contract;
mod parked_message;
mod test_broker;
mod test_queue;
mod test_source;

#[doc(hidden)]
pub use self::contract::__run;
pub use self::contract::{Case, SourceSubject, cases};
pub use self::parked_message::ParkedMessage;
pub use self::test_broker::TestBroker;
pub use self::test_source::TestSource;
pub use crate::source_contract_tests;
