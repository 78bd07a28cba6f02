//! Random programs: honest ones are never refused, and no renamed step has a second effect.
//!
//! `IDEMPOTENT_MODEL_PROGRAMS=100000` makes it so many programs a test. The others print the shortest
//! program that shows what a rule is for, with `-- --nocapture`.

mod honest;
mod programs;
mod renamed;
