//! One request and its response, from acquiring the key to recording the result: what the layer and
//! the `response` flag of the attribute share.

mod acquire;
mod replay;
mod replayable;
mod response_policy;
mod run;

#[cfg(feature = "axum")]
pub(super) use self::acquire::HttpReservation;
pub(super) use self::acquire::{Acquired, HttpCall, acquire};
pub(super) use self::replay::replay;
pub(super) use self::response_policy::ResponsePolicy;
pub(super) use self::run::run;
