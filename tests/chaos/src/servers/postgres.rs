//! One PostgreSQL.

use anyhow::{Context as _, Result, bail};
use idempotent_core::backends::PostgresStore;
use idempotent_servers::{Postgres, Server};

use super::need;
use crate::row::ServerFault;
use crate::worker::Endpoint;

#[derive(Debug)]
pub(crate) struct PostgresServer {
    server: Postgres,
    counts: bool,
}

/// Notes how many records each statement of a transaction inserts or updates.
const COUNT: &str = "
    CREATE TABLE public.changes (transaction xid8, records bigint);
    CREATE FUNCTION public.count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.changes SELECT pg_current_xact_id(), count(*) FROM changed;
        RETURN NULL;
    END $$;
    CREATE TRIGGER inserted AFTER INSERT ON idempotent.records
        REFERENCING NEW TABLE AS changed EXECUTE FUNCTION public.count_changes();
    CREATE TRIGGER updated AFTER UPDATE ON idempotent.records
        REFERENCING NEW TABLE AS changed EXECUTE FUNCTION public.count_changes();";

const LARGEST: &str = "
    SELECT max(records) FROM (SELECT sum(records) AS records FROM public.changes GROUP BY transaction) AS t";

#[derive(Debug)]
pub(crate) enum ActiveFault {
    Killed,
    Demoted,
}

impl PostgresServer {
    pub(super) async fn start() -> Result<Self> {
        need(Server::Postgres)?;
        Ok(Self { server: Postgres::start().await, counts: false })
    }

    /// The same, with the tables of the store and [`largest_group`](Self::largest_group).
    pub(super) async fn start_counting() -> Result<Self> {
        let counting = Self { counts: true, ..Self::start().await? };
        PostgresStore::builder(counting.server.url())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await?
            .close()
            .await;
        counting.server.try_sql(COUNT).await.context("counting what transactions change")?;
        Ok(counting)
    }

    pub(super) async fn largest_group(&self) -> Result<Option<u64>> {
        if !self.counts {
            return Ok(None);
        }
        let rows = self.server.try_sql(LARGEST).await.context("the largest group")?;
        let largest = rows.into_iter().flatten().flatten().next();
        largest.map(|number| number.parse().context("the largest group")).transpose()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Postgres(self.server.url())
    }

    pub(super) async fn begin(&self, fault: ServerFault) -> Result<ActiveFault> {
        Ok(match fault {
            ServerFault::Restart => {
                self.server.kill();
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
            ActiveFault::Killed => self.server.restart().await,
            ActiveFault::Demoted => self.set_read_only("off").await?,
        }
        Ok(())
    }

    /// For sessions that are there as well as for new ones, from their next transaction on.
    async fn set_read_only(&self, value: &str) -> Result<()> {
        // Not in one text, which would be a transaction: this is refused in one.
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        for statement in [set.as_str(), "SELECT pg_reload_conf()"] {
            self.server.try_sql(statement).await.with_context(|| statement.to_owned())?;
        }
        Ok(())
    }
}
