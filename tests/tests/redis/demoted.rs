//! A failover in place: the name moves to another server, and the old one stays up and refuses writes, or
//! everything.

use std::net::SocketAddr;
use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::store::{Store, StoreErrorKind};
use idempotent_servers::{Redis, Server, TcpProxy, require};
use idempotent_tests::{Attempt, secs, until_within};
use redis::Client;
use redis::aio::ConnectionManager;

/// Two servers, and the name that first leads to the one and then to the other.
struct Servers {
    old: Redis,
    new: Redis,
    name: TcpProxy,
}

/// Follows a server, or nobody.
async fn follow(server: &Redis, leader: Option<SocketAddr>) {
    let (host, port) = match leader {
        Some(leader) => (leader.ip().to_string(), leader.port().to_string()),
        None => ("NO".to_owned(), "ONE".to_owned()),
    };
    server.cli(&["REPLICAOF", &host, &port]).await;
}

impl Servers {
    async fn start() -> Self {
        Self::with(Redis::start().await).await
    }

    async fn with(old: Redis) -> Self {
        let new = Redis::start().await;
        follow(&new, Some(old.address())).await;
        let name = TcpProxy::start(old.address()).await;
        Self { old, new, name }
    }

    /// The new server is the primary, and the old one follows it.
    async fn fail_over(&self) {
        follow(&self.new, None).await;
        follow(&self.old, Some(self.new.address())).await;
        self.name.lead_to(self.new.address());
    }

    async fn store(&self, source: impl Into<RedisSource>) -> RedisStore {
        RedisStore::builder(source).response_timeout(secs(2)).connect().await.unwrap()
    }
}

/// The store works again soon, and on the new server.
async fn assert_works_again(store: &RedisStore, new: &Redis) {
    Attempt::win_soon(store).await;
    let mut owner = Attempt::new();
    // Replicas may be late now and then on a loaded machine.
    until_within(secs(20), async || {
        let (attempt, reservation) = Attempt::win_soon(store).await;
        owner = attempt.clone();
        attempt.complete(store, &reservation, b"receipt").await.is_ok()
    })
    .await;
    let there =
        RedisStore::builder(new.url()).connect_with_retry(Duration::from_secs(20)).await.unwrap();
    assert!(there.load(&owner.id).await.unwrap().is_some(), "it is on the new server");
    assert!(store.load(&owner.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_of_a_url_or_a_client_follows_the_name_when_its_server_is_demoted() {
    require!(Server::Redis);
    for of_client in [false, true] {
        let servers = Servers::start().await;
        let url = servers.name.redis_url();
        let store = if of_client {
            servers.store(Client::open(url).unwrap()).await
        } else {
            servers.store(url).await
        };
        Attempt::new().win(&store).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        servers.fail_over().await;
        assert_works_again(&store, &servers.new).await;
    }
}

#[tokio::test]
async fn a_connection_manager_is_made_to_follow_the_name_when_its_server_is_demoted() {
    require!(Server::Redis);
    let servers = Servers::start().await;
    let manager = ConnectionManager::new(Client::open(servers.name.redis_url()).unwrap());
    let manager = manager.await.unwrap();
    let store = servers.store(manager).await;
    Attempt::new().win(&store).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    servers.fail_over().await;
    assert_works_again(&store, &servers.new).await;
}

#[tokio::test]
async fn a_connection_that_cannot_follow_says_why_it_refuses() {
    require!(Server::Redis);
    let servers = Servers::start().await;
    let client = Client::open(servers.name.redis_url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let store = servers.store(connection).await;
    servers.fail_over().await;
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("READONLY"), "{source}");
}

#[tokio::test]
async fn a_store_whose_server_answers_nothing_any_more_reads_on_the_new_one() {
    require!(Server::Redis);
    let old = Redis::builder().arg("--replica-serve-stale-data", "no").start().await;
    let servers = Servers::with(old).await;
    let store = servers.store(servers.name.redis_url()).await;
    let attempt = Attempt::new();
    attempt.win(&store).await;
    follow(&servers.new, None).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    // It follows a server that is not there, and refuses reads meanwhile.
    follow(&servers.old, Some(SocketAddr::from(([127, 0, 0, 1], 1)))).await;
    servers.name.lead_to(servers.new.address());
    until_within(secs(10), async || store.load(&attempt.id).await.is_ok()).await;
    assert_works_again(&store, &servers.new).await;
}

#[tokio::test]
async fn a_store_leaves_a_primary_that_was_cut_off_from_its_replicas() {
    require!(Server::Redis);
    let old = Redis::builder().arg("--min-replicas-max-lag", "1").start().await;
    let servers = Servers::with(old).await;
    let store = servers.store(servers.name.redis_url()).await;
    Attempt::new().win(&store).await;
    follow(&servers.new, None).await;
    servers.old.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert!(error.to_string().contains("too few replicas"), "{error}");
    servers.name.lead_to(servers.new.address());
    assert_works_again(&store, &servers.new).await;
}

#[tokio::test]
async fn a_store_that_waits_for_replicas_leaves_a_primary_that_has_none_any_more() {
    require!(Server::Redis);
    let servers = Servers::start().await;
    let third = Redis::start().await;
    let store = RedisStore::builder(servers.name.redis_url())
        .response_timeout(secs(2))
        .min_replicas(1, Duration::from_millis(300));
    until_within(secs(10), async || store.clone().connect().await.is_ok()).await;
    let store = store.connect().await.unwrap();
    until_within(secs(10), async || Attempt::new().reserve(&store).await.is_ok()).await;
    follow(&servers.new, None).await;
    follow(&third, Some(servers.new.address())).await;
    assert!(Attempt::new().reserve(&store).await.is_err(), "it has no replica");
    servers.name.lead_to(servers.new.address());
    assert_works_again(&store, &servers.new).await;
}

#[tokio::test]
async fn a_subscription_follows_the_name_with_the_connections() {
    require!(Server::Redis);
    let servers = Servers::start().await;
    let store = servers.store(servers.name.redis_url()).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    let waiter = idempotent_tests::waiter(&store, &attempt.id, &reservation);
    let subscribers = async |server: &Redis| {
        let answer = server.cli(&["PUBSUB", "SHARDNUMSUB", "idem:wake"]).await;
        format!("{answer:?}").contains("Integer(1)") || format!("{answer:?}").contains("Int(1)")
    };
    until_within(secs(10), async || subscribers(&servers.old).await).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    servers.fail_over().await;
    assert_works_again(&store, &servers.new).await;
    until_within(secs(10), async || subscribers(&servers.new).await).await;
    attempt.record(&store, &reservation, b"receipt").await;
    waiter.await.unwrap();
}

#[tokio::test]
async fn a_renewal_does_not_wait_for_a_free_place_in_flight() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let name = TcpProxy::start(server.address()).await;
    let store = RedisStore::builder(name.redis_url()).in_flight(1).response_timeout(secs(20));
    let store = store.connect().await.unwrap();
    let mut running = Vec::new();
    for _ in 0..12 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        running.push((attempt, reservation));
    }
    name.stall_one(1);
    // Those whose connection is silent hold the only place for twenty seconds.
    let mut held = tokio::task::JoinSet::new();
    for (attempt, _) in &running {
        let (store, id) = (store.clone(), attempt.id.clone());
        held.spawn(async move { store.load(&id).await.map(drop) });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut renewed = 0;
    for (attempt, reservation) in &running {
        let renewal = tokio::time::timeout(secs(1), attempt.renew(&store, reservation));
        renewed += usize::from(renewal.await.is_ok_and(|renewed| renewed.is_ok()));
    }
    assert!(renewed > 0, "all waited for the loads");
}
