//! What one run of a call knows of its steps.
//!
//! `run_journal` is all of it, `run_step` what it knows of one step, and `poison` why a run may not go on. Nothing here
//! asks a store: that is up to `steps`.

mod poison;
mod run_journal;
mod run_step;

pub(in crate::engine) use self::poison::Poison;
pub(in crate::engine) use self::run_journal::{
    Arrival, FirstArrival, RunJournal, WriteContext, label,
};
