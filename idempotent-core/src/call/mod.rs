//! A call of an operation, from its options to its result.
//!
//! A `builder` takes the options; `result_type` and `bounds` say what a function may return, and
//! `policy` what happens to its results. The [`Call`] (`typed`) then runs in one of these ways: its
//! body in place (`run`), surviving its caller (`detached`), in separate steps (`manual`), or in a
//! transaction of the caller's (`in_transaction`). `execution` is what the first three have in
//! common, and `body` the body that they run. `missing_feature` makes the compiler name a feature
//! that is off.

mod body;
mod bounds;
mod builder;
mod detached;
mod execution;
mod in_transaction;
mod manual;
#[cfg(not(all(feature = "axum", feature = "tonic")))]
pub(crate) mod missing_feature;
mod policy;
mod result_type;
mod run;
mod typed;

pub use self::bounds::{FromError, Memoizable};
pub use self::builder::CallBuilder;
pub use self::in_transaction::TransactionCall;
pub use self::manual::{BeginOutcome, Reservation};
pub use self::result_type::ResultType;
pub use self::run::Run;
pub use self::typed::Call;
pub use crate::codec::{BinaryResult, InvalidBytes};
pub use crate::model::CallOutcome;
