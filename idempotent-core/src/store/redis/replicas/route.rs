//! Which lane a key has. In a cluster that is the lane of the primary that has its slot, as far as
//! is known: servers say when it is another one, and then, or when a lane leads nowhere, some
//! primary is asked again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{RedisError, RedisResult};

use super::Need;
use super::lane::Lane;
#[cfg(feature = "redis-cluster")]
use super::slots::Slots;
use crate::store::redis::error::is_demoted;
use crate::store::redis::link::{Link, Node};

/// Where a command goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// To the primary of its key.
    Home,
    /// To where a server sent it; for this once, if it is to ask there.
    #[cfg(feature = "redis-cluster")]
    To { node: Node, is_asking: bool },
}

/// The lanes of a store.
pub(super) struct Routes {
    link: Arc<Link>,
    need: Need,
    lanes: Mutex<BTreeMap<Node, Arc<Lane>>>,
    /// A primary may be another by now.
    doubt: Arc<AtomicBool>,
    #[cfg(feature = "redis-cluster")]
    slots: Option<Slots>,
}

impl Routes {
    pub(super) fn new(link: Arc<Link>, need: Need) -> Self {
        Self {
            #[cfg(feature = "redis-cluster")]
            slots: link.has_slots().then(Slots::default),
            link,
            need,
            lanes: Mutex::default(),
            doubt: Arc::default(),
        }
    }

    /// Servers do not answer as a primary should.
    pub(super) fn doubt(&self) {
        self.doubt.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_failing(&self, key: &str) -> bool {
        let Some(node) = self.known_home(key) else { return false };
        self.lanes().get(&node).is_some_and(|lane| lane.is_failing())
    }

    /// The lane for the next hop.
    #[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_async))]
    pub(super) async fn lane(&self, key: &str, hop: &Hop) -> RedisResult<Arc<Lane>> {
        let node = match hop {
            #[cfg(feature = "redis-cluster")]
            Hop::To { node, .. } => node.clone(),
            Hop::Home => self.home(key).await?,
        };
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.get(&node).filter(|lane| !lane.is_over()) {
            return Ok(Arc::clone(lane));
        }
        let lane = Arc::new(Lane::start(&self.link, node.clone(), self.need, &self.doubt)?);
        lanes.insert(node, Arc::clone(&lane));
        Ok(lane)
    }

    /// Where a command goes that was refused; `None` if it would be refused there too.
    pub(super) fn after(&self, refusal: &RedisError) -> Option<Hop> {
        #[cfg(feature = "redis-cluster")]
        if self.slots.is_some() {
            if let Some((address, _)) = refusal.redirect_node() {
                return self.redirected(refusal, address);
            }
        }
        let changes = is_demoted(refusal)
            || matches!(refusal.code(), Some("LOADING" | "TRYAGAIN" | "CLUSTERDOWN"));
        changes.then(|| {
            self.doubt();
            Hop::Home
        })
    }

    #[cfg(feature = "redis-cluster")]
    fn redirected(&self, refusal: &RedisError, address: &str) -> Option<Hop> {
        let is_asking = refusal.code() == Some("ASK");
        if !is_asking {
            self.doubt();
        }
        match crate::store::redis::link::node(address)? {
            // A server that does not know its peers' names leaves them out.
            Node::At { host, .. } if host.is_empty() => Some(Hop::Home),
            node => Some(Hop::To { node, is_asking }),
        }
    }

    #[cfg(feature = "redis-cluster")]
    async fn home(&self, key: &str) -> RedisResult<Node> {
        let Some(slots) = &self.slots else { return Ok(Node::Only) };
        let (home, is_new) = slots.home(key, &self.link, &self.doubt).await?;
        if is_new {
            // Lanes to servers that are no primaries any more end when nobody uses them.
            self.lanes().retain(|node, _| slots.has(node));
        }
        Ok(home)
    }

    #[cfg(not(feature = "redis-cluster"))]
    async fn home(&self, _: &str) -> RedisResult<Node> {
        Ok(Node::Only)
    }

    #[cfg(feature = "redis-cluster")]
    fn known_home(&self, key: &str) -> Option<Node> {
        self.slots.as_ref().map_or(Some(Node::Only), |slots| slots.known(key))
    }

    #[cfg(not(feature = "redis-cluster"))]
    fn known_home(&self, _: &str) -> Option<Node> {
        Some(Node::Only)
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Node, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hop {
    pub(super) const fn is_asking(&self) -> bool {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::To { is_asking, .. } => *is_asking,
            Self::Home => false,
        }
    }
}
