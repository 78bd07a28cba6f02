//! [`Records`]: the server of a run's records.

use std::net::SocketAddr;

use anyhow::Result;
use idempotent_core::backends::PostgresStore;
use idempotent_servers::{Postgres, Redis};

use super::{Store, inbox};
use crate::ledger::Effect;

/// The server of the records.
pub(super) enum Records {
    Redis(Redis),
    Postgres(Postgres),
}

impl Records {
    pub(super) async fn start(store: Store) -> Result<Self> {
        if store == Store::Redis {
            return Ok(Self::Redis(Redis::start().await));
        }
        let server = Postgres::builder().arg("max_connections", "200").start().await;
        inbox::create(&server.url()).await?;
        // Migrates once, before several do.
        drop(
            PostgresStore::builder(server.url().as_str())
                .connect_with_retry(std::time::Duration::from_secs(20))
                .await?,
        );
        Ok(Self::Postgres(server))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Redis(server) => server.address(),
            Self::Postgres(server) => server.address(),
        }
    }

    pub(super) fn url_at(&self, address: SocketAddr) -> String {
        match self {
            Self::Redis(_) => format!("redis://{address}"),
            Self::Postgres(server) => server.url_at(address),
        }
    }

    /// The effects that have committed with their records.
    pub(super) async fn effects(&self) -> Result<Vec<Effect>> {
        match self {
            Self::Redis(_) => Ok(Vec::new()),
            Self::Postgres(server) => inbox::read(&server.url()).await,
        }
    }
}
