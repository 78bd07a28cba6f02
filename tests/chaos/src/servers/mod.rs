//! The servers of a run, and their faults.

mod cluster;
mod postgres;
mod sentinel;
mod single;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use idempotent_servers::Server;
use tokio::process::Command;

use self::cluster::ClusterServers;
use self::postgres::PostgresServer;
use self::sentinel::SentinelServers;
use self::single::Single;
use crate::row::Topology;
use crate::schedule::AtServer;
use crate::worker::Endpoint;

/// The servers of a run. Dropping it stops them.
#[derive(Debug)]
pub(crate) enum Servers {
    /// One server.
    Single(Single),
    /// A master that sentinels watch.
    Sentinel(SentinelServers),
    /// A cluster.
    Cluster(ClusterServers),
    /// A PostgreSQL.
    Postgres(PostgresServer),
    /// None: this file.
    File(PathBuf),
}

/// A fault that has begun.
#[derive(Debug)]
pub(crate) enum ActiveFault {
    /// One of a single server.
    Single(single::ActiveFault),
    /// This server, once the master, was killed.
    Sentinel(usize),
    /// One of a cluster.
    Cluster(cluster::ActiveFault),
    /// One of a PostgreSQL.
    Postgres(postgres::ActiveFault),
}

impl Servers {
    /// Starts them, and waits until they are whole. What has no server is in `folder`.
    pub(crate) async fn start(topology: Topology, folder: &Path) -> Result<Self> {
        Ok(match topology {
            Topology::Redis(_) | Topology::Proxied | Topology::Valkey(_) => {
                Self::Single(Single::start(topology).await?)
            }
            Topology::Sentinel => {
                Self::Sentinel(SentinelServers::start(topology.replicas()).await?)
            }
            Topology::Cluster { replicas, persistence, validity, namespace } => Self::Cluster(
                ClusterServers::start(replicas, persistence, validity, namespace).await?,
            ),
            Topology::Postgres => Self::Postgres(PostgresServer::start().await?),
            Topology::PostgresInGroups => Self::Postgres(PostgresServer::start_counting().await?),
            Topology::Sqlite => Self::File(folder.join("records.db")),
        })
    }

    /// Where workers find them.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Single(single) => single.endpoint(),
            Self::Sentinel(watched) => watched.endpoint(),
            Self::Cluster(cluster) => cluster.endpoint(),
            Self::Postgres(server) => server.endpoint(),
            Self::File(path) => Endpoint::Sqlite(path.clone()),
        }
    }

    /// A command of a program that finds them.
    pub(crate) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Cluster(cluster) => cluster.command(program),
            _ => Command::new(program),
        }
    }

    /// The most records that one transaction changed, where that is counted.
    pub(crate) async fn largest_group(&self) -> Result<Option<u64>> {
        match self {
            Self::Postgres(server) => server.largest_group().await,
            _ => Ok(None),
        }
    }

    /// Brings a fault about.
    pub(crate) async fn begin(&self, fault: AtServer) -> Result<ActiveFault> {
        Ok(match self {
            Self::Single(single) => ActiveFault::Single(single.begin(fault).await?),
            Self::Sentinel(watched) => ActiveFault::Sentinel(watched.begin(fault).await?),
            Self::Cluster(cluster) => ActiveFault::Cluster(cluster.begin(fault).await?),
            Self::Postgres(server) => ActiveFault::Postgres(server.begin(fault.what).await?),
            Self::File(_) => anyhow::bail!("{:?} is a fault of servers", fault.what),
        })
    }

    /// Ends it, and returns when the servers are whole again.
    pub(crate) async fn end(&self, ongoing: ActiveFault) -> Result<()> {
        match (self, ongoing) {
            (Self::Single(single), ActiveFault::Single(ongoing)) => single.end(ongoing).await,
            (Self::Sentinel(watched), ActiveFault::Sentinel(killed)) => watched.end(killed).await,
            (Self::Cluster(cluster), ActiveFault::Cluster(ongoing)) => {
                cluster.end(ongoing).await;
                Ok(())
            }
            (Self::Postgres(server), ActiveFault::Postgres(ongoing)) => server.end(ongoing).await,
            (_, ongoing) => anyhow::bail!("{ongoing:?} is a fault of other servers"),
        }
    }
}

/// Says which server is missing, and where it may be said to be.
fn need(server: Server) -> Result<()> {
    ensure!(
        server.find().is_some(),
        "{server} is not on this machine; if it is, {} may say where",
        server.variable()
    );
    Ok(())
}
