//! A call of an operation, from its options to its result.
//!
//! `in_scope` says whose a key is, `client_keys` what a client's must not be, and `content_key` is the key of those
//! who send none. A `builder` takes the options; `result_type` and `bounds` say what a function may return, and
//! `policy` what happens to its results. `verification` reads a result back before it is recorded, and
//! `comparisons` finds how its type can be compared. The [`Call`] (`typed`) then runs in one of these ways: its
//! body in place (`run`), surviving its caller (`detached`), in separate steps (`manual`), or in a
//! transaction of the caller's (`in_transaction`). A `step` is a part of a call (with its `step_builder`; `inline_step` is the short form, and `execution_of_step` what it does otherwise). `execution` is what the first three have in
//! common with it, and `body` the body that they run. `missing_feature` makes the compiler name a feature
//! that is off.

mod body;
mod bounds;
mod builder;
mod client_keys;
mod comparisons;
mod content_key;
mod detached;
mod ending;
mod execution;
mod execution_of_step;
mod in_scope;
mod in_transaction;
mod inline_step;
mod manual;
#[cfg(not(all(feature = "axum", feature = "tonic")))]
pub(crate) mod missing_feature;
mod policy;
mod result_type;
mod run;
mod step;
mod step_builder;
mod typed;
mod verification;

pub use self::bounds::{FromError, Memoizable, MemoizableError};
pub use self::builder::CallBuilder;
#[cfg(feature = "http")]
pub(crate) use self::client_keys::assert_owner;
#[doc(hidden)]
pub use self::comparisons::{ByEncoding, Results, WithDebug, WithEquality};
pub use self::content_key::ContentKey;
#[cfg(feature = "http")]
pub(crate) use self::ending::Ending;
pub use self::in_scope::OperationInScope;
pub use self::in_transaction::TransactionCall;
pub use self::inline_step::step;
pub use self::manual::{BeginOutcome, Reservation};
pub use self::result_type::ResultType;
pub use self::run::Run;
pub use self::step::Step;
pub use self::step_builder::StepBuilder;
pub use self::typed::Call;
pub use crate::codec::{BinaryResult, Comparison, InvalidBytes, ReplayMismatch};
pub use crate::engine::{OutcomeOf, outcome_of};
pub use crate::model::CallOutcome;
