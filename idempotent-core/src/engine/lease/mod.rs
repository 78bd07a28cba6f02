//! Keeps reservations alive while their calls run, whether or not their bodies are polled.
//!
//! The owner's handle (`lease_handle`) keeps one lease (`lease_state`) alive. One task per engine
//! and runtime (`renewal_task`) renews all leases, each after a third of its duration; `renewals`
//! starts these tasks. In the caller's own task, renewal would stop while a body blocks, uses up
//! the task's cooperative budget, or is not polled. `current_call` is what a body can learn about
//! the call that holds the lease, `step_scope` a step of it, `engine_ref` how a lease refers to its engine, `outer_call` what calls inside a body know of it, and
//! `label_counters` counts the keys that it derives.

mod current_call;
mod engine_ref;
mod label_counters;
mod lease_handle;
mod lease_state;
mod outer_call;
mod renewal_task;
mod renewals;
mod step_scope;

pub use self::current_call::{CurrentCall, current};
pub(crate) use self::current_call::{CurrentCallGuard, InCurrentCall};
pub(super) use self::engine_ref::EngineRef;
pub(super) use self::lease_handle::{LeaseContext, LeaseHandle};
pub(super) use self::lease_state::Lease;
pub(super) use self::outer_call::{Nesting, OuterCall};
pub(super) use self::renewal_task::RenewalTask;
pub(super) use self::renewals::Renewals;
pub(super) use self::step_scope::StepScope;
