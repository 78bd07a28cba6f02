//! Calls of ten steps that are finished without their callers: worker processes begin them and run a recovery, and are
//! killed and stopped, and so are the servers. Whoever began a call never asks for it again.
//!
//! [`run`] carries a run out: its `worker`s make `order`s, and write to a `ledger` outside of the store what they run and
//! what its effects are. When the faults are over, a `judge`, one more worker, waits until every call has ended, and says of
//! steps in doubt what the ledger says. The [`Verdict`] compares all that, and knows of the `incidents`.

mod deployment;
mod incidents;
mod judge;
mod launcher;
mod ledger;
mod order;
mod probe;
mod runner;
mod verdict;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

pub use self::deployment::deploy;
pub use self::runner::run;
pub use self::verdict::Verdict;
pub(crate) use self::worker::main as worker_main;
use crate::row::{MinReplicas, Persistence, ServerFault, Topology};

/// What a worker's first argument is.
pub(crate) const WORKER: &str = "recovery-worker";

/// What a run is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The executable that is a worker when it is told to be one.
    pub program: PathBuf,
    /// The servers.
    pub topology: Topology,
    /// How many replicas acknowledge a write.
    pub min_replicas: MinReplicas,
    /// Faults of servers, one after the other in this order.
    pub server_faults: Vec<ServerFault>,
    /// How often a worker is killed, and another one started in its place.
    pub kills: u32,
    /// How often a worker is stopped for longer than a lease.
    pub pauses: u32,
    /// How many calls there are.
    pub orders: u32,
    /// Worker processes.
    pub workers: u32,
    /// How long a reservation outlives its owner.
    pub lease: Duration,
    /// For how long calls are begun and faults come.
    pub load: Duration,
    /// Decides when each fault comes, and what the calls are.
    pub seed: u64,
}

/// The rows: a name, and what is run.
#[must_use]
pub fn rows(program: &std::path::Path) -> Vec<(&'static str, Settings)> {
    use ServerFault::{KillMaster, Restart};
    let settings = |topology, faults: &[ServerFault]| Settings {
        program: program.to_owned(),
        topology,
        min_replicas: MinReplicas::None,
        server_faults: faults.to_vec(),
        kills: 4,
        pauses: 1,
        orders: 64,
        workers: 4,
        lease: Duration::from_secs(2),
        load: Duration::from_secs(5),
        seed: 1,
    };
    let sentinel = Settings {
        min_replicas: MinReplicas::Some(2),
        lease: Duration::from_secs(6),
        load: Duration::from_secs(9),
        ..settings(Topology::Sentinel, &[KillMaster])
    };
    vec![
        ("recovery/postgres", settings(Topology::Postgres, &[Restart])),
        ("recovery/sqlite", settings(Topology::Sqlite, &[])),
        ("recovery/redis", settings(Topology::Redis(Persistence::AppendOnly), &[Restart])),
        ("recovery/valkey", settings(Topology::Valkey(Persistence::AppendOnly), &[Restart])),
        ("recovery/sentinel", sentinel),
    ]
}
