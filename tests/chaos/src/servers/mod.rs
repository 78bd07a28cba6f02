//! The servers of a run, and their faults.

mod cluster;
mod sentinel;
mod single;

use std::path::Path;

use anyhow::{Result, ensure};
use idempotent_servers::Server;
use tokio::process::Command;

use self::cluster::ClusterServers;
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
}

impl Servers {
    /// Starts them, and waits until they are whole.
    pub(crate) async fn start(topology: Topology) -> Result<Self> {
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
        })
    }

    /// Where workers find them.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Single(single) => single.endpoint(),
            Self::Sentinel(watched) => watched.endpoint(),
            Self::Cluster(cluster) => cluster.endpoint(),
        }
    }

    /// A command of a program that finds them.
    pub(crate) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Single(_) | Self::Sentinel(_) => Command::new(program),
            Self::Cluster(cluster) => cluster.command(program),
        }
    }

    /// Brings a fault about.
    pub(crate) async fn begin(&self, fault: AtServer) -> Result<ActiveFault> {
        Ok(match self {
            Self::Single(single) => ActiveFault::Single(single.begin(fault).await?),
            Self::Sentinel(watched) => ActiveFault::Sentinel(watched.begin(fault).await?),
            Self::Cluster(cluster) => ActiveFault::Cluster(cluster.begin(fault).await?),
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
