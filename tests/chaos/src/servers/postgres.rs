//! One PostgreSQL.

use anyhow::{Context as _, Result, bail};
use idempotent_servers::{Postgres, Server};

use super::need;
use crate::row::ServerFault;
use crate::worker::Endpoint;

#[derive(Debug)]
pub(crate) struct PostgresServer(Postgres);

#[derive(Debug)]
pub(crate) enum ActiveFault {
    Killed,
    Demoted,
}

impl PostgresServer {
    pub(super) async fn start() -> Result<Self> {
        need(Server::Postgres)?;
        Ok(Self(Postgres::start().await))
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Postgres(self.0.url())
    }

    pub(super) async fn begin(&self, fault: ServerFault) -> Result<ActiveFault> {
        Ok(match fault {
            ServerFault::Restart => {
                self.0.kill();
                ActiveFault::Killed
            }
            ServerFault::DemotePrimary => {
                self.set_read_only("on").await?;
                ActiveFault::Demoted
            }
            fault => bail!("{fault:?} is not for PostgreSQL"),
        })
    }

    pub(super) async fn end(&self, ongoing: ActiveFault) -> Result<()> {
        match ongoing {
            ActiveFault::Killed => self.0.restart().await,
            ActiveFault::Demoted => self.set_read_only("off").await?,
        }
        Ok(())
    }

    /// For sessions that are there as well as for new ones, from their next transaction on.
    async fn set_read_only(&self, value: &str) -> Result<()> {
        // Not in one text, which would be a transaction: this is refused in one.
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        for statement in [set.as_str(), "SELECT pg_reload_conf()"] {
            self.0.try_sql(statement).await.with_context(|| statement.to_owned())?;
        }
        Ok(())
    }
}
