//! The servers of a run, and their faults.

mod cluster;
mod sentinel;
mod single;

use std::path::Path;

use anyhow::{Result, ensure};
use idempotent_servers::Server;
use tokio::process::Command;

use self::cluster::Clustered;
use self::sentinel::Watched;
use self::single::Single;
use crate::row::Topology;
use crate::schedule::AtServer;
use crate::worker::Endpoint;

/// The servers of a run. Dropping it stops them.
#[derive(Debug)]
pub(crate) enum Stage {
    /// One server.
    Single(Single),
    /// A master that sentinels watch.
    Sentinel(Watched),
    /// A cluster.
    Cluster(Clustered),
}

/// A fault that has begun.
#[derive(Debug)]
pub(crate) enum Ongoing {
    /// One of a single server.
    Single(single::Ongoing),
    /// This server, once the master, was killed.
    Sentinel(usize),
    /// One of a cluster.
    Cluster(cluster::Ongoing),
}

impl Stage {
    /// Starts them, and waits until they are whole.
    pub(crate) async fn start(topology: Topology) -> Result<Self> {
        Ok(match topology {
            Topology::Redis(_) | Topology::Proxied | Topology::Valkey(_) => {
                Self::Single(Single::start(topology).await?)
            }
            Topology::Sentinel => Self::Sentinel(Watched::start(topology.replicas()).await?),
            Topology::Cluster { replicas, persistence, validity, namespace } => {
                Self::Cluster(Clustered::start(replicas, persistence, validity, namespace).await?)
            }
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
    pub(crate) async fn begin(&self, fault: AtServer) -> Result<Ongoing> {
        Ok(match self {
            Self::Single(single) => Ongoing::Single(single.begin(fault).await?),
            Self::Sentinel(watched) => Ongoing::Sentinel(watched.begin(fault).await?),
            Self::Cluster(cluster) => Ongoing::Cluster(cluster.begin(fault).await?),
        })
    }

    /// Ends it, and returns when the servers are whole again.
    pub(crate) async fn end(&self, ongoing: Ongoing) -> Result<()> {
        match (self, ongoing) {
            (Self::Single(single), Ongoing::Single(ongoing)) => single.end(ongoing).await,
            (Self::Sentinel(watched), Ongoing::Sentinel(killed)) => watched.end(killed).await,
            (Self::Cluster(cluster), Ongoing::Cluster(ongoing)) => {
                cluster.end(ongoing).await;
                Ok(())
            }
            (_, ongoing) => anyhow::bail!("{ongoing:?} is another stage's"),
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
