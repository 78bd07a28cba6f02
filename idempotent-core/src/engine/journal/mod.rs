//! What one run of a call knows of its steps.
//!
//! `run_journal` is all of it, `run_step` what it knows of one step, `arrival` what a step finds when it is asked for, and
//! `poison` why a run may not go on. Nothing here asks a store: that is up to `steps`.

mod arrival;
mod poison;
mod run_journal;
mod run_step;
#[cfg(test)]
mod tests;

pub(in crate::engine) use self::arrival::{Arrival, FirstArrival};
pub(in crate::engine) use self::poison::Poison;
pub(in crate::engine) use self::run_journal::{RunJournal, WriteContext, label, wall_clock};
