//! The store contract: the rules that every store must keep, one case per rule.
//!
//! Implement [`Subject`] for your store and let [`contract_tests!`](crate::contract_tests) generate a test
//! for each case. The cases need only a handle to the store and a way to let time pass, so they run
//! against a map in memory as well as against a server.
//!
//! To run them in a harness of your own, take them from [`cases`]. A case passes when it returns and
//! fails when it panics.

mod abandon;
mod assertions;
mod cancellation;
mod case;
mod cases;
mod complete;
mod correct;
mod due;
mod fencing;
mod fixture;
mod hold_up;
mod journal;
mod journal_run;
mod lapse;
mod release;
mod renew;
mod reserve;
mod scan;
mod scopes;
mod steps_in_doubt;
mod subject;
mod wait;

pub use self::case::Case;
#[doc(hidden)]
pub use self::cases::__run;
pub use self::cases::cases;
pub use self::subject::{Lapsed, Subject};
