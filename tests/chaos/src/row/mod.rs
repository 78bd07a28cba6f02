//! A row of the table: a topology, what is asked of it, its faults, and what must hold.

mod table;

use std::time::Duration;

use idempotent_core::Guarantee;
use serde::{Deserialize, Serialize};

pub use self::table::rows;

/// One row.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// `faults/topology/…/guarantee`: what `--row` takes, whole or in part.
    pub name: String,
    /// The servers.
    pub topology: Topology,
    /// What a lapse means.
    pub guarantee: Guarantee,
    /// How many replicas acknowledge a write.
    pub min_replicas: MinReplicas,
    /// Faults of workers, each as often as it stands here.
    pub worker_faults: Vec<WorkerFault>,
    /// Faults of servers, one after the other in this order.
    pub server_faults: Vec<ServerFault>,
    /// What must hold beside what must always hold.
    pub promise: Promise,
    /// How long a reservation outlives its owner.
    pub lease: Duration,
    /// How long the load lasts.
    pub load: Duration,
    /// How many operations are begun, over all workers.
    pub operations: u64,
    /// How many operations each worker runs at once.
    pub tasks: usize,
    /// The longest that a body takes.
    pub longest_body: Duration,
    /// How many keys there are.
    pub keys: u32,
}

/// Servers, as one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topology {
    /// One Redis.
    Redis(Persistence),
    /// One Redis behind a proxy that delays and loses what passes.
    Proxied,
    /// One Valkey with compare-and-set commands, so that no script runs.
    Valkey(Persistence),
    /// A master and two replicas, each may become the master, and three sentinels.
    Sentinel,
    /// Three masters with so many replicas each.
    Cluster {
        /// Replicas of each master.
        replicas: u8,
        /// What a restart keeps.
        persistence: Persistence,
        /// The servers' own `cluster-replica-validity-factor`: 0 lets any replica become master,
        /// however old its data.
        validity: u8,
        /// Whether the nodes are in a network namespace of their own, where they can be parted.
        namespace: bool,
    },
    /// One PostgreSQL. Each worker's store is on the pool of its application.
    Postgres,
    /// The same, which counts the records that a transaction changes.
    PostgresInGroups,
    /// One file, opened by every worker. Each worker's store is beside the pool of its application.
    Sqlite,
}

/// What a server that restarts still knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing.
    None,
    /// Everything that it acknowledged, unless the machine itself goes down: an append-only file.
    AppendOnly,
}

/// How many replicas acknowledge a write before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinReplicas {
    /// None: replication is asynchronous.
    None,
    /// So many.
    Some(u8),
}

/// What befalls a worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerFault {
    /// `kill -9`, and another process in its place a little later.
    Kill,
    /// `kill -STOP` for longer than a lease, then `-CONT`.
    Pause,
    /// Its application begins transactions on its pool, and drops them half way.
    CancelBegins,
    /// Its application holds every connection of its pool for longer than a lease.
    ExhaustPool,
}

/// What befalls a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerFault {
    /// `kill -STOP`, then `-CONT`.
    Pause,
    /// `kill -9`, and the same server again a little later.
    Restart,
    /// `kill -9` of a master, and its return, as a replica, after another has taken over.
    KillMaster,
    /// `kill -9` of a master that returns at once, before anybody has missed it.
    RestartMaster,
    /// A master is parted from all other nodes. Its clients still reach it.
    CutMaster,
    /// A master and one of its replicas are parted from all other nodes, together.
    CutMasterWithReplica,
    /// The proxy swallows answers, and drops the connections that wait for them.
    LoseAnswers,
    /// The proxy delays everything.
    Delay,
    /// The proxy drops every connection.
    DropConnections,
    /// `SCRIPT FLUSH`.
    FlushScripts,
    /// The memory limit is below what is in use.
    FillMemory,
    /// The server stays up and accepts no writes, as one that was the primary.
    DemotePrimary,
}

/// Which second effects of a key a row allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// None.
    NoDuplicates,
    /// Of keys whose owner was killed or stopped: another ran them once their lease had lapsed.
    OwnersLost,
    /// Those, and of keys that a fault of a server fell upon. They are counted.
    FaultsOnly,
}

impl Topology {
    /// A short name.
    #[must_use]
    pub fn name(self) -> String {
        let aof = |persistence| match persistence {
            Persistence::None => "",
            Persistence::AppendOnly => "-aof",
        };
        match self {
            Self::Redis(persistence) => format!("redis{}", aof(persistence)),
            Self::Proxied => "redis-proxied".to_owned(),
            Self::Valkey(persistence) => format!("valkey{}", aof(persistence)),
            Self::Sentinel => "sentinel".to_owned(),
            Self::Cluster { replicas, persistence, validity, .. } => {
                let guarded = if validity == 0 { "" } else { "-guarded" };
                format!("cluster-3+{}{}{guarded}", 3 * replicas, aof(persistence))
            }
            Self::Postgres => "postgres".to_owned(),
            Self::PostgresInGroups => "postgres-in-groups".to_owned(),
            Self::Sqlite => "sqlite".to_owned(),
        }
    }

    /// How many replicas each master has.
    #[must_use]
    pub fn replicas(self) -> u8 {
        match self {
            Self::Sentinel => 2,
            Self::Cluster { replicas, .. } => replicas,
            _ => 0,
        }
    }
}

impl WorkerFault {
    /// Whether the worker's own application does it, while the process goes on.
    #[must_use]
    pub fn is_of_the_application(self) -> bool {
        matches!(self, Self::CancelBegins | Self::ExhaustPool)
    }
}

impl MinReplicas {
    /// The number.
    #[must_use]
    pub fn count(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Some(count) => count,
        }
    }
}

impl Promise {
    /// It in a few words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoDuplicates => "no duplicates",
            Self::OwnersLost => "only of lost owners",
            Self::FaultsOnly => "only by faults",
        }
    }
}
