//! Worker processes, faults from a seed, a ledger and a checker: what the stores promise, tried.
//!
//! A run is a [`Row`], which names servers, a guarantee and faults, and a seed, which says when
//! which fault comes. Several worker processes run idempotent operations against real servers; each
//! effect and each answer is written to a ledger outside of the store under test. When the faults
//! and the leases are over, every key is asked for, and the checker holds the ledger against what
//! the row promises.
//!
//! The program `chaos` calls [`main`], and tests call [`run`]. [`transfer`] is another such run, with a
//! program of its own: money in a database. [`recovery`] is a third: calls that are finished without their callers.
//! [`consumers`] is a fourth: messages of brokers. Without the feature `rows` it is all there is, for packages with a broker
//! of their own.

pub mod checker;
#[cfg(feature = "rows")]
mod cli;
pub mod consumers;
pub mod ledger;
#[cfg(feature = "rows")]
pub mod recovery;
#[cfg(feature = "rows")]
mod report;
mod resources;
mod row;
#[cfg(feature = "rows")]
mod runner;
mod schedule;
#[cfg(feature = "rows")]
mod servers;
#[cfg(feature = "rows")]
mod stalls;
mod timestamp;
#[cfg(feature = "rows")]
pub mod transfer;
#[cfg(feature = "rows")]
mod worker;

#[cfg(feature = "rows")]
pub use self::cli::main;
pub use self::row::{
    MinReplicas, Persistence, Promise, Row, ServerFault, Topology, WorkerFault, rows,
};
#[cfg(feature = "rows")]
pub use self::runner::{Outcome, Settings, run};
pub use self::schedule::{AtServer, AtWorker, Planned, Schedule};
#[cfg(feature = "rows")]
pub use self::stalls::StallWatch;
pub use self::timestamp::Timestamp;
