//! Where the store is, and the way there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use idempotent_core::Store;
use idempotent_core::backends::{PostgresStore, RedisSource, RedisStore, SqliteStore};
use idempotent_core::store::StoreError;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::application::{self, Application};
use crate::row::MinReplicas;

/// Longer than any fault.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long replicas have to acknowledge: with the batch before, well within a call's time.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(300);

/// How to use a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoreSettings {
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// How many replicas acknowledge a write.
    pub(crate) min_replicas: MinReplicas,
    /// How long a call of it may take.
    pub(crate) timeout: Duration,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Endpoint {
    /// One server.
    Single(String),
    /// The group of that name, by its sentinels.
    Sentinel {
        /// The sentinels.
        urls: Vec<String>,
        /// The group's name.
        master: String,
    },
    /// A cluster, by some of its nodes.
    Cluster(Vec<String>),
    /// A PostgreSQL, by its URL.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

/// Connects, also to servers that are about to be there: a worker may be started during a fault.
pub(crate) async fn connect(
    store_settings: &StoreSettings,
) -> Result<(Arc<dyn Store>, Application)> {
    let timeout = store_settings.timeout;
    let source = match &store_settings.endpoint {
        Endpoint::Single(url) => RedisSource::from(url),
        Endpoint::Sentinel { urls, master } => RedisSource::sentinel(urls.clone(), master),
        Endpoint::Cluster(urls) => RedisSource::cluster(urls.clone()),
        Endpoint::Postgres(url) => {
            let pool = application::postgres_pool(url)?;
            // Steps that leave together, as they do on connections of the store's own.
            let builder = PostgresStore::builder(pool.clone()).group_commits(true);
            let builder = builder.response_timeout(timeout);
            let store = once_there(async || builder.clone().connect().await).await?;
            return Ok((store, Application::Postgres(pool)));
        }
        Endpoint::Sqlite(path) => {
            let pool = application::sqlite_pool(path);
            let builder = SqliteStore::builder(pool.clone()).response_timeout(timeout);
            let store = once_there(async || builder.clone().connect().await).await?;
            return Ok((store, Application::Sqlite(pool)));
        }
    };
    let builder = RedisStore::builder(source).response_timeout(timeout);
    let builder = match store_settings.min_replicas {
        MinReplicas::None => builder,
        MinReplicas::Some(count) => builder.min_replicas(usize::from(count), ACKNOWLEDGED_WITHIN),
    };
    let store = once_there(async || builder.clone().connect().await).await?;
    Ok((store, Application::WithoutPool))
}

async fn once_there<S: Store + 'static>(
    connect: impl AsyncFn() -> Result<S, StoreError>,
) -> Result<Arc<dyn Store>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connect().await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
