//! One server, with a proxy in front of it where the row wants one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use idempotent_servers::{Data, Flavor, Redis, Reply, TcpProxy};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::need;
use crate::row::{Persistence, ServerFault, Topology};
use crate::schedule::AtServer;
use crate::worker::Endpoint;

#[derive(Debug)]
pub(crate) struct Single {
    server: Redis,
    proxy: Option<Arc<TcpProxy>>,
}

#[derive(Debug)]
pub(crate) enum ActiveFault {
    Over,
    Paused,
    Killed,
    Full,
    Demoted,
    Losing(JoinHandle<()>),
    Delayed,
}

impl Single {
    pub(super) async fn start(topology: Topology) -> Result<Self> {
        let (flavor, persistence) = match topology {
            Topology::Valkey(persistence) => (Flavor::Valkey91, persistence),
            Topology::Redis(persistence) => (Flavor::Redis, persistence),
            _ => (Flavor::Redis, Persistence::None),
        };
        need(flavor.server())?;
        let mut builder = Redis::builder().flavor(flavor);
        if persistence == Persistence::AppendOnly {
            builder = builder.persistent_aof();
        }
        let server = builder.start().await;
        let proxy = match topology {
            Topology::Proxied => Some(Arc::new(TcpProxy::start(server.address()).await)),
            _ => None,
        };
        Ok(Self { server, proxy })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let url = match &self.proxy {
            Some(proxy) => proxy.redis_url(),
            None => self.server.url(),
        };
        Endpoint::Single(url)
    }

    pub(super) async fn begin(&self, fault: AtServer) -> Result<ActiveFault> {
        Ok(match (fault.what, &self.proxy) {
            (ServerFault::Pause, _) => {
                self.server.stop_process();
                ActiveFault::Paused
            }
            (ServerFault::Restart, _) => {
                self.server.kill();
                ActiveFault::Killed
            }
            (ServerFault::FlushScripts, _) => {
                self.ask(&["SCRIPT", "FLUSH"]).await?;
                ActiveFault::Over
            }
            (ServerFault::FillMemory, _) => {
                // Less than an empty server uses.
                self.ask(&["CONFIG", "SET", "maxmemory", "1"]).await?;
                ActiveFault::Full
            }
            (ServerFault::DemotePrimary, _) => {
                // Of a primary that nobody reaches, so that it keeps what it has.
                self.ask(&["REPLICAOF", "127.0.0.1", "1"]).await?;
                ActiveFault::Demoted
            }
            (ServerFault::LoseAnswers, Some(proxy)) => {
                ActiveFault::Losing(tokio::spawn(lose_answers(Arc::clone(proxy))))
            }
            (ServerFault::Delay, Some(proxy)) => {
                // Sometimes longer, there and back, than a call of the store may take.
                let by = Duration::from_millis(u64::from(20 + fault.pick % 580));
                proxy.delay_requests(by);
                proxy.delay_replies(by);
                ActiveFault::Delayed
            }
            (ServerFault::DropConnections, Some(proxy)) => {
                proxy.cut();
                ActiveFault::Over
            }
            (fault, _) => bail!("{fault:?} is not for one server"),
        })
    }

    pub(super) async fn end(&self, ongoing: ActiveFault) -> Result<()> {
        match ongoing {
            ActiveFault::Over => {}
            ActiveFault::Paused => self.server.resume(),
            ActiveFault::Killed => self.server.restart(Data::Keep).await,
            ActiveFault::Full => {
                self.ask(&["CONFIG", "SET", "maxmemory", "0"]).await?;
            }
            ActiveFault::Demoted => {
                self.ask(&["REPLICAOF", "NO", "ONE"]).await?;
            }
            ActiveFault::Losing(task) => {
                task.abort();
                let _ = task.await;
                self.disarmed().await;
            }
            ActiveFault::Delayed => {
                if let Some(proxy) = &self.proxy {
                    proxy.delay_requests(Duration::ZERO);
                    proxy.delay_replies(Duration::ZERO);
                }
            }
        }
        Ok(())
    }

    /// Waits for the last answer to be lost, as long as there is a load that asks for one.
    async fn disarmed(&self) {
        for _ in 0..50 {
            if !self.proxy.as_ref().is_some_and(|proxy| proxy.is_armed()) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ask(&self, command: &[&str]) -> Result<Reply> {
        let reply = self.server.cli(command).await;
        ensure!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply:?}");
        Ok(reply)
    }
}

/// The server does what it is asked, and the answer never comes: again and again.
async fn lose_answers(proxy: Arc<TcpProxy>) {
    loop {
        if !proxy.is_armed() {
            proxy.drop_next_reply();
        }
        sleep(Duration::from_millis(20)).await;
    }
}
