//! Recovery: a task that resumes interrupted calls that nobody retries.
//!
//! `builder` is [`Recovery`] with its options and `operations` what it was told to run. `running` is a recovery that was
//! started: its `worker` asks the store which calls are due, `state` is what its runs share, `take` takes one of them, `run` runs it, and `park` sets one
//! aside that nobody can finish.

mod builder;
mod operations;
mod park;
mod rotation;
mod run;
mod running;
mod state;
mod take;
mod worker;

pub use self::builder::Recovery;
pub use self::running::RunningRecovery;
