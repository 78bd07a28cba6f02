//! Scanning real servers: what is in the way of it, and what it does not read.

use std::collections::HashSet;
use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{Scan, Store};
use idempotent_servers::{Data, Redis, Server, TcpProxy, require};
use idempotent_tests::Attempt;

async fn pages(store: &RedisStore, mut scan: Scan) -> HashSet<String> {
    let mut seen = HashSet::new();
    loop {
        let page = store.scan(&scan).await.unwrap();
        seen.extend(page.entries.iter().map(|(id, _)| id.to_string()));
        match page.next {
            Some(cursor) => scan = scan.after(cursor),
            None => return seen,
        }
    }
}

/// Every process orders its keys by a seed of its own.
#[tokio::test]
async fn a_scan_goes_on_after_a_restart_and_misses_nothing() {
    require!(Server::Redis);
    let server = Redis::builder().persistent_aof().start().await;
    // Far longer than it takes to find the server again.
    let store = RedisStore::builder(server.url()).response_timeout(Duration::from_secs(10));
    let store = store.connect().await.unwrap();
    let mut unseen = HashSet::new();
    for _ in 0..300 {
        let attempt = Attempt::new();
        attempt.win(&store).await;
        unseen.insert(attempt.id.to_string());
    }
    let first = store.scan(&Scan::all().limit(100)).await.unwrap();
    let cursor = first.next.unwrap();
    server.restart(Data::Keep).await;
    for (id, _) in &first.entries {
        unseen.remove(&id.to_string());
    }
    assert!(!unseen.is_empty(), "the first page was not the last");
    let rest = pages(&store, Scan::all().limit(100).after(cursor)).await;
    assert!(unseen.is_subset(&rest), "{} of {} missed", unseen.difference(&rest).count(), 300);
}

#[tokio::test]
async fn a_scan_passes_over_keys_that_are_not_its_own() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::builder(server.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    let attempt = Attempt::new();
    attempt.win(&store).await;
    for command in [
        &["SET", "idem:", "x"][..],
        &["SET", "idem:shop::charge:short", "x"],
        &["SET", "idem:shop::charge:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "garbage"],
        &["LPUSH", "idem:shop::charge:BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"],
        &["SET", "other:shop::charge:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"],
    ] {
        assert!(!server.cli(command).await.is_error(), "{command:?}");
    }
    let only = HashSet::from([attempt.id.to_string()]);
    assert_eq!(pages(&store, Scan::all()).await, only);
    assert_eq!(pages(&store, Scan::unfinished().operation("shop::charge")).await, only);
}

#[tokio::test]
async fn a_scan_of_the_unfinished_does_not_read_results() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let store = RedisStore::builder(proxy.redis_url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    for _ in 0..20 {
        let attempt = Attempt::new();
        let owner = attempt.win(&store).await;
        attempt.record(&store, &owner, &[7; 100_000]).await;
    }
    let running = Attempt::new();
    running.win(&store).await;
    let before = proxy.counts();
    let seen = pages(&store, Scan::unfinished()).await;
    assert_eq!(seen, HashSet::from([running.id.to_string()]));
    let read = (proxy.counts() - &before).bytes_to_client();
    assert!(read < 100_000, "{read} bytes for one reservation");
}

/// `KEYS` stops a server that has millions of them.
#[tokio::test]
async fn no_call_uses_keys() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let store = RedisStore::builder(proxy.redis_url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    let attempt = Attempt::new();
    attempt.win(&store).await;
    pages(&store, Scan::all()).await;
    store.purge(&attempt.id).await.unwrap();
    let counts = proxy.counts();
    assert!(counts.commands_of("SCAN") > 0);
    assert_eq!(counts.commands_of("KEYS"), 0);
}
