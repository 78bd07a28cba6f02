//! How much of a process, and of the store, calls may use at once.
//!
//! `call_limits` are the numbers, which the `builder` of an engine sets, with a scope's share of the store in `scope_share`. A `limiter` counts what
//! runs and waits, by scope and by key (`counts`), and gives out a `seat` for each. `detached` counts bodies
//! whose callers went away, and `shares` has an `estimate` of what each scope keeps in the store.

mod builder;
mod call_limits;
mod charge;
mod counts;
mod detached;
mod estimate;
mod limiter;
mod scope_share;
mod seat;
mod shares;

pub(crate) use self::call_limits::CallLimits;
pub(super) use self::charge::Charge;
pub(super) use self::detached::DetachedBody;
pub(super) use self::estimate::refusal;
pub(crate) use self::limiter::Limiter;
pub use self::scope_share::ScopeShare;
pub(crate) use self::seat::Seat;
pub(super) use self::seat::WaiterSeat;
pub(super) use self::shares::Shares;
