//! Finds the writer of a key.
//!
//! In a cluster that is the writer of the primary that has the key's slot, as far as is known. A server
//! that does not have the slot says so; then, or when a writer loses its primary, the slots are asked
//! for again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{RedisError, RedisResult};

use super::min_replicas::MinReplicas;
use super::node_writer::NodeWriter;
#[cfg(feature = "redis-cluster")]
use super::slot_cache::SlotCache;
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::connection::{Client, Node};
use crate::backends::redis::error::is_demoted;

/// The server that a command is sent to next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The primary of its key.
    Primary,
    /// The node that another server named. With `is_asking`, for this once (`ASK`).
    #[cfg(feature = "redis-cluster")]
    Redirect { node: Node, is_asking: bool },
}

/// The writers of a store.
pub(super) struct Router {
    client: Arc<Client>,
    tasks: Arc<BackgroundTasks>,
    min_replicas: MinReplicas,
    writers: Mutex<BTreeMap<Node, Arc<NodeWriter>>>,
    /// Whether another server may have become the primary of some key.
    is_stale: Arc<AtomicBool>,
    #[cfg(feature = "redis-cluster")]
    slots: Option<SlotCache>,
}

impl Router {
    pub(super) fn new(
        client: Arc<Client>,
        tasks: Arc<BackgroundTasks>,
        min_replicas: MinReplicas,
    ) -> Self {
        Self {
            #[cfg(feature = "redis-cluster")]
            slots: client.has_slots().then(SlotCache::default),
            client,
            tasks,
            min_replicas,
            writers: Mutex::default(),
            is_stale: Arc::default(),
        }
    }

    /// A server did not answer as a primary should.
    pub(super) fn mark_stale(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Whether the last batch to the primary of a key failed.
    pub(super) fn is_failing(&self, key: &str) -> bool {
        let Some(node) = self.cached_primary(key) else { return false };
        self.writers().get(&node).is_some_and(|writer| writer.is_failing())
    }

    /// The writer that a command is sent with.
    #[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_async))]
    pub(super) async fn writer(&self, key: &str, route: &Route) -> RedisResult<Arc<NodeWriter>> {
        let node = match route {
            #[cfg(feature = "redis-cluster")]
            Route::Redirect { node, .. } => node.clone(),
            Route::Primary => self.primary(key).await?,
        };
        let mut writers = self.writers();
        if let Some(writer) = writers.get(&node).filter(|writer| !writer.has_ended()) {
            return Ok(Arc::clone(writer));
        }
        let (client, is_stale) = (&self.client, &self.is_stale);
        let writer =
            NodeWriter::start(client, node.clone(), self.min_replicas, is_stale, &self.tasks)?;
        let writer = Arc::new(writer);
        writers.insert(node, Arc::clone(&writer));
        Ok(writer)
    }

    /// Where to send a refused command again; `None` if it would be refused there too.
    pub(super) fn route_after(&self, refusal: &RedisError) -> Option<Route> {
        #[cfg(feature = "redis-cluster")]
        if self.slots.is_some() {
            if let Some((address, _)) = refusal.redirect_node() {
                return self.redirect(refusal, address);
            }
        }
        let is_changing = is_demoted(refusal)
            || matches!(refusal.code(), Some("LOADING" | "TRYAGAIN" | "CLUSTERDOWN"));
        is_changing.then(|| {
            self.mark_stale();
            Route::Primary
        })
    }

    #[cfg(feature = "redis-cluster")]
    fn redirect(&self, refusal: &RedisError, address: &str) -> Option<Route> {
        let is_asking = refusal.code() == Some("ASK");
        if !is_asking {
            self.mark_stale();
        }
        match Node::at(address)? {
            // A server that does not know the address of the other one leaves the host out.
            Node::At { host, .. } if host.is_empty() => Some(Route::Primary),
            node => Some(Route::Redirect { node, is_asking }),
        }
    }

    #[cfg(feature = "redis-cluster")]
    async fn primary(&self, key: &str) -> RedisResult<Node> {
        let Some(slots) = &self.slots else { return Ok(Node::Only) };
        let (primary, is_new) = slots.primary(key, &self.client, &self.is_stale).await?;
        if is_new {
            // A writer to a server that is not a primary any more ends when nobody uses it.
            self.writers().retain(|node, _| slots.has_primary(node));
        }
        Ok(primary)
    }

    #[cfg(not(feature = "redis-cluster"))]
    async fn primary(&self, _: &str) -> RedisResult<Node> {
        Ok(Node::Only)
    }

    #[cfg(feature = "redis-cluster")]
    fn cached_primary(&self, key: &str) -> Option<Node> {
        self.slots.as_ref().map_or(Some(Node::Only), |slots| slots.cached_primary(key))
    }

    #[cfg(not(feature = "redis-cluster"))]
    fn cached_primary(&self, _: &str) -> Option<Node> {
        Some(Node::Only)
    }

    fn writers(&self) -> MutexGuard<'_, BTreeMap<Node, Arc<NodeWriter>>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route {
    pub(super) const fn is_asking(&self) -> bool {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Redirect { is_asking, .. } => *is_asking,
            Self::Primary => false,
        }
    }
}
