//! Three masters with their replicas, in a network namespace where the row parts them.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Result, bail};
use idempotent_servers::{Cluster, Data, Namespace, Server};
use tokio::process::Command;

use super::need;
use crate::row::{Persistence, ServerFault};
use crate::schedule::AtServer;
use crate::worker::Endpoint;

const MASTERS: usize = 3;

#[derive(Debug)]
pub(crate) struct ClusterServers {
    // Before the namespace, so that nothing runs in that any more when it goes.
    cluster: Cluster,
    namespace: Option<Namespace>,
}

#[derive(Debug)]
pub(crate) enum ActiveFault {
    /// Another is to take over from this master, which then returns.
    Killed(usize),
    /// This master returns before anybody takes over.
    Down(usize),
    Parted,
}

impl ClusterServers {
    pub(super) async fn start(
        replicas: u8,
        persistence: Persistence,
        validity: u8,
        apart: bool,
    ) -> Result<Self> {
        need(Server::Redis)?;
        let namespace = if apart {
            need(Server::Namespaces)?;
            Some(Namespace::create().await)
        } else {
            None
        };
        let replicas = usize::from(replicas);
        let builder = match &namespace {
            Some(namespace) => namespace.cluster(MASTERS, replicas),
            None => Cluster::builder(MASTERS, replicas),
        };
        let builder = builder.validity_factor(u32::from(validity));
        let builder = match persistence {
            Persistence::None => builder,
            Persistence::AppendOnly => builder.persistent_aof(),
        };
        Ok(Self { cluster: builder.start().await, namespace })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Cluster(self.cluster.urls())
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        match &self.namespace {
            Some(namespace) => Command::from(namespace.command(program)),
            None => Command::new(program),
        }
    }

    pub(super) async fn begin(&self, fault: AtServer) -> Result<ActiveFault> {
        let masters = self.cluster.masters().await;
        let Some(&master) = masters.get(fault.pick as usize % masters.len().max(1)) else {
            bail!("the cluster has no master");
        };
        Ok(match fault.what {
            ServerFault::KillMaster => {
                self.cluster.node(master).kill();
                ActiveFault::Killed(master)
            }
            ServerFault::RestartMaster => {
                self.cluster.node(master).kill();
                ActiveFault::Down(master)
            }
            ServerFault::CutMaster => self.part(&[master])?,
            ServerFault::CutMasterWithReplica => {
                let replicas = self.cluster.replicas_of(master).await;
                let taken = replicas.iter().take(1).copied();
                self.part(&std::iter::once(master).chain(taken).collect::<Vec<_>>())?
            }
            other => bail!("{other:?} is not for a cluster"),
        })
    }

    /// Parts these nodes from all others. Clients reach both sides.
    fn part(&self, nodes: &[usize]) -> Result<ActiveFault> {
        let Some(namespace) = &self.namespace else { bail!("nothing can be parted here") };
        let address = |node: usize| self.cluster.node(node).address().ip();
        let (here, there): (Vec<usize>, Vec<usize>) =
            (0..self.cluster.nodes().len()).partition(|node| nodes.contains(node));
        let addresses = |nodes: Vec<usize>| nodes.into_iter().map(address).collect::<Vec<IpAddr>>();
        namespace.cut(&addresses(here), &addresses(there));
        Ok(ActiveFault::Parted)
    }

    pub(super) async fn end(&self, ongoing: ActiveFault) {
        match ongoing {
            ActiveFault::Killed(master) => {
                self.cluster.wait_for_new_master(master).await;
                self.cluster.node(master).restart(Data::Keep).await;
            }
            ActiveFault::Down(master) => self.cluster.node(master).restart(Data::Keep).await,
            ActiveFault::Parted => {
                if let Some(namespace) = &self.namespace {
                    namespace.heal();
                }
            }
        }
        self.cluster.wait_until_whole().await;
    }
}
