//! Servers that are gone, frozen or unreachable, and come back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use idempotent_core::backends::RedisStore;
use idempotent_core::store::{ReserveOutcome, State, Store, StoreErrorKind};
use idempotent_servers::{Data, Redis, Server, TcpProxy, require};
use idempotent_tests::Attempt;

use crate::fake_server::FakeServer;
use crate::support::PATIENCE;

const TIMEOUT: Duration = Duration::from_millis(300);

/// On a loaded machine. Without a timeout, calls to a frozen server would never end.
const SLACK: Duration = Duration::from_secs(10);

/// A store that connects in its own time, and whose calls have little.
async fn impatient(url: String) -> RedisStore {
    let builder = RedisStore::builder(url).response_timeout(TIMEOUT);
    builder.connect_with_retry(Duration::from_secs(20)).await.unwrap()
}

/// Tries until it works, as callers do.
async fn comes_back(store: &RedisStore) {
    let begin = Instant::now();
    while Attempt::new().reserve(store).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the store does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again_and_runs_the_scripts_it_forgot() {
    require!(Server::Redis);
    let server = Redis::builder().persistent_aof().start().await;
    // Far longer than it takes to find the server again.
    let store = RedisStore::builder(server.url()).response_timeout(Duration::from_secs(10));
    let store = store.connect().await.unwrap();
    let attempt = Attempt::at_most_once();
    let reservation = attempt.win(&store).await;
    attempt.renew(&store, &reservation).await.unwrap();
    server.restart(Data::Keep).await;
    attempt.record(&store, &reservation, b"result").await;
    let ReserveOutcome::Taken(entry) = attempt.reserve(&store).await.unwrap() else {
        panic!("the record is gone");
    };
    assert_eq!(entry.state, State::Completed);
}

#[tokio::test]
async fn a_call_to_a_server_that_is_gone_fails_in_time_and_says_why() {
    require!(Server::Redis);
    let server = Redis::start().await;
    // Long enough for a first reconnect, which is what tells why.
    let timeout = Duration::from_secs(2);
    let store = RedisStore::builder(server.url()).response_timeout(timeout);
    let store = store.connect().await.unwrap();
    server.kill();
    for _ in 0..3 {
        let begin = Instant::now();
        let error = Attempt::new().reserve(&store).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(begin.elapsed() < timeout + SLACK, "{:?}", begin.elapsed());
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("refused"), "{source}");
    }
    server.restart(Data::Keep).await;
    comes_back(&store).await;
}

#[tokio::test]
async fn a_call_to_a_frozen_server_times_out_and_the_server_is_used_again_when_it_goes_on() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = impatient(server.url()).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    server.stop_process();
    for _ in 0..4 {
        let begin = Instant::now();
        let error = Attempt::new().reserve(&store).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
        assert!(begin.elapsed() < TIMEOUT + SLACK, "{:?}", begin.elapsed());
    }
    server.resume();
    comes_back(&store).await;
    attempt.record(&store, &reservation, b"result").await;
}

#[tokio::test]
async fn every_transition_on_a_frozen_server_ends_within_what_the_store_promises() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = impatient(server.url()).await;
    let promised = store.response_timeout().unwrap();
    assert_eq!(promised, 2 * TIMEOUT);
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    server.stop_process();
    let begin = Instant::now();
    Attempt::new().reserve(&store).await.unwrap_err();
    attempt.complete(&store, &reservation, b"result").await.unwrap_err();
    attempt.release(&store, &reservation).await.unwrap_err();
    assert!(begin.elapsed() < 3 * promised + SLACK, "{:?}", begin.elapsed());
}

/// Whoever finds a reservation asks what has become of it, and tries again where it is gone.
#[tokio::test]
async fn a_key_whose_reservations_come_and_go_keeps_nobody_for_longer_than_promised() {
    let reservation = Attempt::new().request().record().as_bytes().to_vec();
    let found = [format!("${}\r\n", reservation.len()).as_bytes(), &reservation, b"\r\n"].concat();
    let server = FakeServer::start(move |command| {
        if let "SET" | "EXEC" = command[0].as_str() {
            std::thread::sleep(TIMEOUT * 2 / 3);
        }
        match command[0].as_str() {
            "INFO" => FakeServer::bulk("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n")
                .into_bytes(),
            "SET" => found.clone(),
            "GET" | "PTTL" => b"+QUEUED\r\n".to_vec(),
            "EXEC" => b"*2\r\n$-1\r\n:-2\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    })
    .await;
    let store = impatient(server.url()).await;
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
}

/// A connection over which nothing comes any more stays open for a quarter of an hour.
#[tokio::test]
async fn a_silent_connection_is_replaced() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let black_hole = TcpProxy::start(server.address()).await;
    let store = impatient(black_hole.redis_url()).await;
    Attempt::new().win(&store).await;
    let old = black_hole.counts().connections();
    black_hole.stall();
    for _ in 0..4 {
        let error = Attempt::new().reserve(&store).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
    }
    // It connects anew.
    black_hole.wait_for(|counts| counts.connections() > old).await;
    black_hole.resume();
    comes_back(&store).await;
}

/// Calls share several connections: that the others answer says nothing of one.
#[tokio::test]
async fn one_silent_connection_of_several_is_replaced() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let begin = Instant::now();
    // On a machine that was held up no call is answered in time: then another store is tried.
    let (_proxy, store, answered, silent) = loop {
        let proxy = TcpProxy::start(server.address()).await;
        let store = impatient(proxy.redis_url()).await;
        // The first ones opened are those that calls share; the subscription's comes at a time of its own.
        proxy.stall_one(2);
        // All at once, so that the silent connection has not been silent for long when each is known.
        let attempts: Vec<Attempt> = (0..40).map(|_| Attempt::new()).collect();
        let reserved = join_all(attempts.iter().map(|attempt| attempt.reserve(&store))).await;
        let (mut answered, mut silent): (Vec<_>, Vec<_>) =
            attempts.into_iter().zip(reserved).partition(|(_, answer)| answer.is_ok());
        if let (Some((answered, _)), Some((silent, _))) = (answered.pop(), silent.pop()) {
            break (proxy, store, answered, silent);
        }
        assert!(begin.elapsed() < PATIENCE, "one connection is silent, and the others answer");
    };
    let begin = Instant::now();
    while silent.reserve(&store).await.is_err() {
        answered.reserve(&store).await.ok();
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it is not replaced while others answer"
        );
    }
}

/// A slow answer is no silence: the connection is kept, however slow the server.
#[tokio::test]
async fn a_slow_server_keeps_its_connection() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let slow = TcpProxy::start(server.address()).await;
    let store = RedisStore::builder(slow.redis_url())
        .response_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    Attempt::new().win(&store).await;
    // No call has ended, so the first message is the greeting of a store that listens.
    slow.wait_for(|counts| counts.commands_of("SPUBLISH") > 0).await;
    let before = slow.counts().connections();
    slow.delay_replies(Duration::from_millis(100));
    for _ in 0..5 {
        Attempt::new().win(&store).await;
    }
    assert_eq!(slow.counts().connections(), before);
}

#[tokio::test]
async fn a_server_that_refuses_connections_for_a_while_is_found_again() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let store = impatient(proxy.redis_url()).await;
    proxy.refuse();
    proxy.cut();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    proxy.accept();
    comes_back(&store).await;
}

#[tokio::test]
async fn a_server_that_closes_every_connection_is_not_flooded() {
    let server = FakeServer::start(|command| match command[0].as_str() {
        "INFO" => FakeServer::bulk("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n"),
        "SET" => "$-1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    })
    .await;
    let store = impatient(server.url()).await;
    Attempt::new().win(&store).await;
    let before = server.entered();
    server.slam();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        Attempt::new().reserve(&store).await.unwrap_err();
    }
    // With pauses that begin at 20 ms and double; the store's subscription connects too.
    let attempts = server.entered() - before;
    assert!((3..40).contains(&attempts), "{attempts} connections in three seconds");
}

#[tokio::test]
async fn a_store_of_one_runtime_works_in_the_next() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let url = server.url();
    let store = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store =
                RedisStore::builder(url).connect_with_retry(Duration::from_secs(20)).await.unwrap();
            Attempt::new().win(&store).await;
            store
        })
    })
    .await
    .unwrap();
    // The runtime that drove the connection is gone.
    comes_back(&store).await;
    Attempt::new().win(&store).await;
}
