//! Where the store is, and the way there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use idempotent_core::Store;
use idempotent_core::backends::{RedisSource, RedisStore, RedisStoreBuilder};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

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
}

/// Connects, also to servers that are about to be there: a worker may be started during a fault.
pub(super) async fn connect(store_settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store(store_settings).connect().await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

fn store(store_settings: &StoreSettings) -> RedisStoreBuilder {
    let builder = match &store_settings.endpoint {
        Endpoint::Single(url) => RedisStore::builder(url),
        Endpoint::Sentinel { urls, master } => {
            RedisStore::builder(RedisSource::sentinel(urls.clone(), master))
        }
        Endpoint::Cluster(urls) => RedisStore::builder(RedisSource::cluster(urls.clone())),
    };
    let builder = builder.response_timeout(store_settings.timeout);
    match store_settings.min_replicas {
        MinReplicas::None => builder,
        MinReplicas::Some(count) => builder.min_replicas(usize::from(count), ACKNOWLEDGED_WITHIN),
    }
}
