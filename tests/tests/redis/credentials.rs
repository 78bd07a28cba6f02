//! Credentials that change, from a provider: at each connect, before they expire, and when there are none.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::backends::{Credentials, RedisSource, RedisStore, RedisStoreBuilder};
use idempotent_core::store::{Store, StoreErrorKind};
use idempotent_servers::{Cluster, Redis, Sentinel, Server, TcpProxy, require};
use idempotent_tests::{Attempt, secs, until_within};

/// What the provider hands out, and how often it was asked.
#[derive(Clone, Default)]
struct Vault {
    password: Arc<Mutex<String>>,
    valid_for: Option<Duration>,
    is_sealed: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Vault {
    fn of(password: &str) -> Self {
        let vault = Self::default();
        vault.rotate(password);
        vault
    }

    fn rotate(&self, password: &str) {
        password.clone_into(&mut self.password.lock().unwrap());
    }

    fn seal(&self, is_sealed: bool) {
        self.is_sealed.store(is_sealed, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// A store of the user `app`, who has this vault's password.
    fn builder(&self, source: impl Into<RedisSource>) -> RedisStoreBuilder {
        let vault = self.clone();
        RedisStore::builder(source).response_timeout(secs(2)).credentials(move || {
            let vault = vault.clone();
            async move {
                vault.asked.fetch_add(1, Ordering::Relaxed);
                if vault.is_sealed.load(Ordering::Relaxed) {
                    return Err("the vault is sealed".into());
                }
                let credentials = Credentials::new("app", vault.password.lock().unwrap().clone());
                Ok(match vault.valid_for {
                    Some(time) => credentials.valid_for(time),
                    None => credentials,
                })
            }
        })
    }
}

/// The user's only password is this one from now on. Connections that are open stay.
async fn set_password(server: &Redis, password: &str) {
    let password = format!(">{password}");
    let rules = ["ACL", "SETUSER", "app", "on", "resetpass", &password, "~*", "&*", "+@all"];
    assert!(!server.cli(&rules).await.is_error());
}

async fn kill_connections(server: &Redis) {
    server.cli(&["CLIENT", "KILL", "USER", "app"]).await;
}

async fn works(store: &RedisStore) {
    // Replicas may be late now and then on a loaded machine.
    until_within(secs(20), async || {
        let (attempt, owner) = Attempt::win_soon(store).await;
        attempt.complete(store, &owner, b"receipt").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_new_connection_logs_in_with_the_password_of_that_moment() {
    require!(Server::Redis);
    let server = Redis::start().await;
    set_password(&server, "one").await;
    let vault = Vault::of("one");
    let of_client = RedisSource::from(redis::Client::open(server.url()).unwrap());
    for source in [RedisSource::from(server.url()), of_client] {
        let store = vault.builder(source).connect().await.unwrap();
        works(&store).await;
        set_password(&server, "two").await;
        vault.rotate("two");
        kill_connections(&server).await;
        works(&store).await;
        set_password(&server, "one").await;
        vault.rotate("one");
    }
}

#[tokio::test]
async fn an_open_connection_logs_in_again_before_its_token_expires() {
    require!(Server::Redis);
    let server = Redis::start().await;
    set_password(&server, "one").await;
    let name = TcpProxy::start(server.address()).await;
    let vault = Vault { valid_for: Some(secs(1)), ..Vault::of("one") };
    let store = vault.builder(name.redis_url()).connect().await.unwrap();
    // No call has ended, so the first message is the greeting of a store that listens.
    Attempt::new().win(&store).await;
    name.wait_for(|counts| counts.commands_of("SPUBLISH") > 0).await;
    works(&store).await;
    let (before, asked) = (name.counts(), vault.asked());
    set_password(&server, "two").await;
    vault.rotate("two");
    name.wait_for(|counts| counts.commands_of("AUTH") >= before.commands_of("AUTH") + 3).await;
    assert!(vault.asked() > asked);
    works(&store).await;
    let after = name.counts();
    assert_eq!(after.connections(), before.connections(), "the same connections");
}

#[tokio::test]
async fn the_subscription_and_the_writer_for_replicas_log_in_too() {
    require!(Server::Redis);
    let (server, replica) = (Redis::start().await, Redis::start().await);
    let port = server.port().to_string();
    replica.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
    set_password(&server, "one").await;
    let vault = Vault::of("one");
    let builder = vault.builder(server.url()).min_replicas(1, secs(1));
    until_within(secs(10), async || builder.clone().connect().await.is_ok()).await;
    let store = builder.connect().await.unwrap();
    let subscribers = async || {
        let answer = server.cli(&["PUBSUB", "SHARDNUMSUB", "idem:wake"]).await;
        format!("{answer:?}").contains("Int(1)")
    };
    for password in ["two", "three"] {
        works(&store).await;
        let (attempt, owner) = Attempt::win_soon(&store).await;
        let waiter = idempotent_tests::waiter(&store, &attempt.id, &owner);
        until_within(secs(10), subscribers).await;
        attempt.complete(&store, &owner, b"receipt").await.ok();
        waiter.await.unwrap();
        set_password(&server, password).await;
        vault.rotate(password);
        kill_connections(&server).await;
    }
    works(&store).await;
    until_within(secs(15), subscribers).await;
}

#[tokio::test]
async fn a_provider_that_fails_is_the_error_and_is_asked_again() {
    require!(Server::Redis);
    let server = Redis::start().await;
    set_password(&server, "one").await;
    let vault = Vault::of("one");
    vault.seal(true);
    let error = vault.builder(server.url()).connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains(": the provider of credentials failed: "), "{text}");
    assert!(text.contains("the vault is sealed"), "{text}");
    vault.seal(false);
    let store = vault.builder(server.url()).connect().await.unwrap();
    works(&store).await;
    vault.seal(true);
    kill_connections(&server).await;
    until_within(secs(10), async || {
        let error = store.load(&Attempt::new().id).await.err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        text.contains(": the provider of credentials failed: ")
    })
    .await;
    vault.seal(false);
    works(&store).await;
}

#[tokio::test]
async fn a_wrong_password_says_so_and_a_connection_of_the_applications_takes_no_provider() {
    require!(Server::Redis);
    let server = Redis::start().await;
    set_password(&server, "one").await;
    let vault = Vault::of("another");
    let error = vault.builder(server.url()).connect().await.unwrap_err();
    assert!(error.to_string().contains("rejected the user name or the password"), "{error}");
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let error = vault.builder(connection).connect().await.unwrap_err();
    assert!(error.to_string().contains("as configured"), "{error}");
    assert!(error.source().unwrap().to_string().contains("needs no credentials"));
}

#[tokio::test]
async fn a_group_of_sentinel_is_logged_in_to_with_the_password_of_that_moment() {
    require!(Server::Redis);
    let group = Sentinel::start(1, 3).await;
    for server in group.servers() {
        set_password(server, "one").await;
    }
    let vault = Vault::of("one");
    let source = RedisSource::sentinel(group.sentinel_urls(), group.master_name());
    let store = vault.builder(source).connect().await.unwrap();
    works(&store).await;
    for server in group.servers() {
        set_password(server, "two").await;
    }
    vault.rotate("two");
    for server in group.servers() {
        kill_connections(server).await;
    }
    works(&store).await;
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_logged_in_to_with_the_password_of_that_moment() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    for node in cluster.nodes() {
        set_password(node, "one").await;
    }
    let vault = Vault { valid_for: Some(secs(1)), ..Vault::of("one") };
    let store = vault.builder(RedisSource::cluster(cluster.urls())).connect().await.unwrap();
    works(&store).await;
    for node in cluster.nodes() {
        set_password(node, "two").await;
    }
    vault.rotate("two");
    let asked = vault.asked();
    until_within(secs(10), async || vault.asked() > asked + 3).await;
    works(&store).await;
    for node in cluster.nodes() {
        kill_connections(node).await;
    }
    works(&store).await;
    vault.seal(true);
    let error = vault.builder(RedisSource::cluster(cluster.urls())).connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(": the provider of credentials failed: "), "{text}");
}
