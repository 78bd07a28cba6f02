//! Messages of brokers: worker processes consume them, while they are killed and frozen, the broker is killed, and workers
//! are cut off from it and from their store.
//!
//! [`run`] carries a run out with a [`Broker`]: it publishes messages, some of them twice, and breaks what it can; its
//! [workers](work) write to the `ledger` when a handler begins, when it has its effect, and what the broker was told. The
//! verdict is a pure function of that, of what is parked, and of what the broker still has. Packages with a broker of their own
//! bring it, and the [`Source`](idempotent_core::consumer::Source) of their workers.

mod broker;
mod faults;
mod inbox;
#[cfg(feature = "rows")]
mod jetstream;
mod plan;
mod records;
#[cfg(feature = "rows")]
mod redis_streams;
mod runner;
mod store;
mod verdict;
mod worker;

use std::process::Command;
use std::time::Duration;

use idempotent_core::Guarantee;

pub use self::broker::{Broker, Parked};
#[cfg(feature = "rows")]
pub use self::jetstream::JetStream;
#[cfg(feature = "rows")]
pub use self::redis_streams::RedisStreams;
pub use self::runner::run;
pub use self::verdict::{Fault, Verdict};
pub use self::worker::{Assignment, work};

/// What a worker's first argument is.
#[cfg(feature = "rows")]
pub(crate) const WORKER: &str = "consumers-worker";

/// What a run is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where records are, and effects if they commit with them.
    pub store: Store,
    /// What a lapse means.
    pub guarantee: Guarantee,
    /// How many messages there are. A fifth of them is published twice, and every hundredth is poison.
    pub messages: u32,
    /// For how long they are published, and faults come.
    pub load: Duration,
    /// Worker processes.
    pub workers: usize,
    /// Handlers of each.
    pub handlers: usize,
    /// After how long the broker delivers a message again of which it hears nothing. Leases last for half of it.
    pub deadline: Duration,
    /// How often a worker is killed, and another one started in its place.
    pub kills: usize,
    /// How often one is stopped, for longer than the deadline.
    pub freezes: usize,
    /// How often one is cut off from the broker, and how often from its store, for longer than the deadline.
    pub cuts: usize,
    /// How often the broker is killed.
    pub restarts: usize,
    /// How soon after the last fault every message must be settled.
    pub settled_within: Duration,
    /// Decides when each fault comes, and whom it hits.
    pub seed: u64,
}

/// Where a run's records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// In Redis.
    Redis,
    /// In PostgreSQL.
    Postgres,
    /// In PostgreSQL, and an effect commits with its record.
    Inbox,
}

impl Settings {
    /// Four workers of 64 handlers each, four kills, and each other fault once.
    #[must_use]
    pub fn new(store: Store, guarantee: Guarantee) -> Self {
        Self {
            store,
            guarantee,
            messages: 2_000,
            load: Duration::from_secs(8),
            workers: 4,
            handlers: 64,
            deadline: Duration::from_secs(4),
            kills: 4,
            freezes: 1,
            cuts: 1,
            restarts: 1,
            settled_within: Duration::from_secs(30),
            seed: 1,
        }
    }

    /// How long a reservation outlives its owner.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.deadline / 2
    }
}

/// How a worker process is started: the command, to which its assignment is given as text.
pub type Launch<'a> = &'a dyn Fn(&str) -> Command;

/// Starts the program `chaos` as a worker.
#[cfg(feature = "rows")]
pub fn launch(program: &std::path::Path) -> impl Fn(&str) -> Command + use<> {
    let program = program.to_owned();
    move |assignment| {
        let mut command = Command::new(&program);
        command.arg(WORKER).arg(assignment);
        command
    }
}

/// A worker of the program.
#[cfg(feature = "rows")]
pub(crate) fn worker_main(assignment: &str) -> anyhow::Result<()> {
    let assignment = Assignment::read(assignment)?;
    worker::block_on(async move {
        match assignment.broker() {
            jetstream::NAME => work(&assignment, jetstream::source(&assignment).await?).await,
            _ => work(&assignment, redis_streams::source(&assignment).await?).await,
        }
    })
}
