//! A primary with replicas, and stores that wait for them.

use std::time::{Duration, Instant};

use idempotent_core::backends::{RedisStore, RedisStoreBuilder};
use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_servers::{Flavor, Redis, Reply};

use crate::support::{self, PATIENCE};

/// How long replicas have.
pub(crate) const WITHIN: Duration = Duration::from_millis(300);

pub(crate) struct ReplicaGroup {
    pub(crate) primary: Redis,
    pub(crate) replicas: Vec<Redis>,
}

impl ReplicaGroup {
    pub(crate) async fn start(replicas: usize) -> Self {
        Self::of(Flavor::Redis, replicas).await
    }

    pub(crate) async fn of(flavor: Flavor, replicas: usize) -> Self {
        let server = || Redis::builder().flavor(flavor).arg("--repl-diskless-sync-delay", "0");
        let primary = server().start().await;
        let mut group = Self { primary, replicas: Vec::new() };
        for _ in 0..replicas {
            group.replicas.push(server().start().await);
        }
        for replica in 0..replicas {
            group.join(replica).await;
        }
        group.wait_for(replicas).await;
        group
    }

    /// Makes a server a replica again.
    pub(crate) async fn join(&self, replica: usize) {
        let port = self.primary.port().to_string();
        let joined = self.replicas[replica].cli(&["REPLICAOF", "127.0.0.1", &port]).await;
        assert_eq!(joined.text(), Some("OK"), "{joined:?}");
    }

    /// Cuts a replica off: it goes on, as a server of its own.
    pub(crate) async fn leave(&self, replica: usize) {
        let left = self.replicas[replica].cli(&["REPLICAOF", "NO", "ONE"]).await;
        assert_eq!(left.text(), Some("OK"), "{left:?}");
        let before = self.online().await;
        let begin = Instant::now();
        while self.online().await >= before.max(1) && begin.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until so many replicas are there, and have what was written since: one that is still
    /// loading is there, too, and may have the offset it began with.
    pub(crate) async fn wait_for(&self, replicas: usize) {
        let begin = Instant::now();
        for _ in ["until they are there", "until they follow"] {
            self.primary.cli(&["SET", "nothing", ""]).await;
            self.primary.cli(&["DEL", "nothing"]).await;
            while self.up_to_date().await < replicas {
                assert!(begin.elapsed() < PATIENCE, "the replicas do not come");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    async fn up_to_date(&self) -> usize {
        let info = self.primary.cli(&["INFO", "replication"]).await;
        let lines = || info.text().unwrap().lines().map(str::trim);
        let written = lines().find_map(|line| line.strip_prefix("master_repl_offset:")).unwrap();
        let has_all = format!(",state=online,offset={written},");
        lines().filter(|line| line.contains(&has_all)).count()
    }

    async fn online(&self) -> usize {
        let info = self.primary.cli(&["INFO", "replication"]).await;
        info.text().unwrap().matches("state=online").count()
    }

    /// A store that waits for so many replicas.
    pub(crate) fn store(&self, replicas: usize) -> RedisStoreBuilder {
        RedisStore::builder(self.primary.url())
            .min_replicas(replicas, WITHIN)
            .response_timeout(Duration::from_secs(5))
    }

    pub(crate) async fn connect(&self, replicas: usize) -> RedisStore {
        self.store(replicas).connect().await.unwrap()
    }

    /// A store whose replicas have far longer than they take: for calls that must succeed on a loaded machine.
    pub(crate) async fn connect_patiently(&self, replicas: usize) -> RedisStore {
        let within = Duration::from_secs(10);
        let builder = self.store(replicas).min_replicas(replicas, within);
        builder.response_timeout(within).connect().await.unwrap()
    }

    /// The only key of the primary.
    pub(crate) async fn key(&self) -> String {
        let Reply::Array(keys) = self.primary.cli(&["KEYS", "*"]).await else { panic!("no keys") };
        let [key] = keys.as_slice() else { panic!("not one key: {keys:?}") };
        key.to_string()
    }

    /// A number that `INFO` shows of a command of the primary's.
    pub(crate) async fn calls(&self, command: &str) -> usize {
        support::calls(&self.primary, command).await
    }
}

/// What a store says when too few replicas acknowledge.
pub(crate) fn assert_short(error: &StoreError, acknowledged: usize, wanted: usize) {
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    let message = format!("{acknowledged} of {wanted} replicas acknowledged within 300 ms");
    assert!(error.to_string().ends_with(&format!(": {message}")), "{error}");
}

/// Asks until the store answers; every error on the way has to be a typed one that invites another
/// try.
pub(crate) async fn in_the_end<T>(what: &str, call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let is_passing = |kind| matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Timeout);
    support::in_the_end(what, async || {
        let answer = call().await;
        answer.inspect_err(|error| assert!(is_passing(error.kind()), "{what}: {error:?}"))
    })
    .await
}
