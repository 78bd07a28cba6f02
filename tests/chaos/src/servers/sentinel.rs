//! A master with replicas, watched by three sentinels.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use idempotent_servers::{Data, Sentinel, Server};
use tokio::time::{Instant, sleep};

use super::need;
use crate::row::ServerFault;
use crate::schedule::AtServer;
use crate::worker::Endpoint;

const SENTINELS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(crate) struct SentinelServers {
    group: Sentinel,
    replicas: u8,
}

impl SentinelServers {
    pub(super) async fn start(replicas: u8) -> Result<Self> {
        need(Server::Redis)?;
        let group = Sentinel::start(usize::from(replicas), SENTINELS).await;
        Ok(Self { group, replicas })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Sentinel {
            urls: self.group.sentinel_urls(),
            master: self.group.master_name().to_owned(),
        }
    }

    pub(super) async fn begin(&self, fault: AtServer) -> Result<usize> {
        match fault.what {
            ServerFault::KillMaster => Ok(self.group.kill_master().await),
            other => bail!("{other:?} is not for a group with sentinels"),
        }
    }

    pub(super) async fn end(&self, killed: usize) -> Result<()> {
        let elected = &self.group.servers()[self.group.wait_for_failover(killed).await];
        let returned = &self.group.servers()[killed];
        returned.restart(Data::Keep).await;
        // The sentinels tell it so themselves, some ten seconds later.
        let (host, port) = (elected.address().ip().to_string(), elected.port().to_string());
        returned.cli(&["REPLICAOF", &host, &port]).await;
        self.all_linked().await
    }

    /// Waits until all are linked to the master, whichever is that by then: on a busy machine the
    /// sentinels may find the one just elected too slow, and elect again.
    async fn all_linked(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let master = &self.group.servers()[self.group.master().await];
            let info = master.cli(&["INFO", "replication"]).await.to_string();
            if info.matches("state=online").count() == usize::from(self.replicas) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the replicas do not come back:\n{info}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
