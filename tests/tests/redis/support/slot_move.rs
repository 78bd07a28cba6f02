//! A slot of a cluster that moves.

use idempotent_servers::{Cluster, Redis};

/// A slot on its way from one master to another.
pub(crate) struct SlotMove<'a> {
    pub(crate) from: &'a Redis,
    pub(crate) to: &'a Redis,
    slot: String,
    ids: (String, String),
}

impl<'a> SlotMove<'a> {
    /// Of the slot of a key.
    pub(crate) async fn of(cluster: &'a Cluster, key: &str) -> Self {
        let owner = cluster.master_of(key).await;
        let masters = cluster.masters().await;
        let other = *masters.iter().find(|master| **master != owner).unwrap();
        let (from, to) = (cluster.node(owner), cluster.node(other));
        let slot = from.cli(&["CLUSTER", "KEYSLOT", key]).await.to_string();
        let id = async |node: &Redis| node.cli(&["CLUSTER", "MYID"]).await.to_string();
        let ids = (id(from).await, id(to).await);
        Self { from, to, slot, ids }
    }

    /// Lets both sides know that it moves. Its keys stay where they are.
    pub(crate) async fn begin(&self) {
        self.to.cli(&["CLUSTER", "SETSLOT", &self.slot, "IMPORTING", &self.ids.0]).await;
        self.from.cli(&["CLUSTER", "SETSLOT", &self.slot, "MIGRATING", &self.ids.1]).await;
    }

    /// Moves a key.
    pub(crate) async fn carry(&self, key: &str) {
        let port = self.to.port().to_string();
        let moved = self.from.cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await;
        assert_eq!(moved.text(), Some("OK"), "{moved:?}");
    }

    /// Gives the slot to the other master.
    pub(crate) async fn end(&self) {
        for node in [self.to, self.from] {
            node.cli(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &self.ids.1]).await;
        }
    }
}
