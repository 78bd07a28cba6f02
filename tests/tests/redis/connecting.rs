//! Setting up: the ways to a server, which servers are refused, what is warned of, and what is
//! shown.

use std::error::Error as _;
use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{Scan, Store, StoreErrorKind};
use idempotent_servers::{Flavor, Redis, Server, require};
use idempotent_tests::{Attempt, Log};

use crate::fake_server::FakeServer;

async fn works(store: &RedisStore) {
    let attempt = Attempt::at_most_once();
    let reservation = attempt.win(store).await;
    attempt.renew(store, &reservation).await.unwrap();
    attempt.record(store, &reservation, b"result").await;
    let entry = store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, reservation.completed(b"result"));
    let scan = Scan::all().limit(1000);
    assert!(!store.scan(&scan).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_unix_socket_is_a_way_to_the_server() {
    require!(Server::Redis);
    let server = Redis::start().await;
    works(&RedisStore::connect(server.unix_url()).await.unwrap()).await;
}

#[tokio::test]
async fn tls_is_a_way_to_the_server() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let authority = std::fs::read(server.tls_folder().join("ca.crt")).unwrap();
    let store = RedisStore::builder(server.url()).root_certificates(authority);
    works(&store.connect().await.unwrap()).await;
}

#[tokio::test]
async fn an_authority_that_nobody_knows_is_refused() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let error = RedisStore::connect(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    let source = error.source().unwrap().to_string();
    assert!(source.contains("certificate"), "{source}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_servers_that_want_one() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls_with_client_certificates().start().await;
    let pem = |name| std::fs::read(server.tls_folder().join(name)).unwrap();
    let builder = RedisStore::builder(server.url()).root_certificates(pem("ca.crt"));
    assert!(builder.clone().connect().await.is_err(), "it was let in without a certificate");
    let builder = builder.client_certificate(pem("client.crt"), pem("client.key"));
    works(&builder.connect().await.unwrap()).await;
}

#[tokio::test]
async fn a_client_or_a_connection_of_the_applications_is_a_way_to_the_server() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    works(&RedisStore::builder(client.clone()).connect().await.unwrap()).await;
    let multiplexed = client.get_multiplexed_async_connection().await.unwrap();
    works(&RedisStore::builder(multiplexed).connect().await.unwrap()).await;
    let manager = client.get_connection_manager().await.unwrap();
    works(&RedisStore::builder(manager).connect().await.unwrap()).await;
}

#[tokio::test]
async fn a_connection_manager_of_the_applications_finds_its_way_back() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    let store = RedisStore::builder(manager).connect().await.unwrap();
    server.restart(idempotent_servers::Data::Drop).await;
    let begin = std::time::Instant::now();
    while Attempt::new().reserve(&store).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    works(&store).await;
}

#[tokio::test]
async fn a_password_comes_from_the_url_or_from_the_builder_and_a_wrong_one_is_refused() {
    require!(Server::Redis);
    let server = Redis::builder().password("hunter2").start().await;
    works(&RedisStore::connect(server.url()).await.unwrap()).await;
    let bare = format!("redis://{}", server.address());
    works(&RedisStore::builder(&bare).password("hunter2").connect().await.unwrap()).await;
    for refused in [RedisStore::builder(&bare), RedisStore::builder(&bare).password("wr0ng")] {
        let error = refused.connect().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("password"), "{error}");
        let shown = format!("{error:?} {}", error.source().unwrap());
        assert!(!shown.contains("wr0ng"), "{shown}");
    }
}

#[tokio::test]
async fn nothing_shows_a_password() {
    require!(Server::Redis);
    let server = Redis::builder().password("hunter2").start().await;
    let builder = RedisStore::builder(server.url()).username("default").password("hunter2");
    let store = builder.clone().connect().await.unwrap();
    for shown in [format!("{builder:?}"), format!("{store:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(format!("{store:?}").contains(&server.port().to_string()), "{store:?}");
    for url in ["http://user:hunter2@nowhere", "redis://:hunter2@", "hunter2"] {
        let error = RedisStore::connect(url).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_server_older_than_redis_7_is_refused_with_its_version() {
    let old = FakeServer::start(|command| match command[0].as_str() {
        "INFO" => FakeServer::bulk("# Server\r\nredis_version:6.2.14\r\nrun_id:0\r\n"),
        "COMMAND" => "*1\r\n*-1\r\n".to_owned(),
        "CONFIG" => "*0\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    })
    .await;
    let error = RedisStore::connect(old.url()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("Redis 6.2.14"), "{error}");
    assert!(error.to_string().contains("needs Redis 7.0 or Valkey 7.2"), "{error}");
}

#[tokio::test]
async fn servers_are_taken_for_what_they_can_do() {
    require!(Server::Valkey91, Server::Valkey81, Server::Redis);
    for (flavor, able) in [
        (Flavor::Valkey91, "set: true, delete: true"),
        (Flavor::Valkey81, "set: true, delete: false"),
        (Flavor::Redis, "set: false, delete: false"),
    ] {
        let server = Redis::builder().flavor(flavor).start().await;
        let store = RedisStore::connect(server.url()).await.unwrap();
        assert!(format!("{store:?}").contains(able), "{flavor:?}: {store:?}");
        let store = RedisStore::builder(server.url()).scripts_only().connect().await.unwrap();
        assert!(
            format!("{store:?}").contains("set: false, delete: false"),
            "{flavor:?}: {store:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_may_lose_records_is_warned_of_and_refused_where_that_is_asked_for() {
    require!(Server::Redis);
    let forgets = Redis::start().await;
    let evicts = Redis::builder().persistent_aof().arg("--maxmemory-policy", "volatile-lru");
    let evicts = evicts.start().await;
    for (server, why) in [(forgets, "restart"), (evicts, "volatile-lru")] {
        let (log, _listening) = Log::listen();
        RedisStore::connect(server.url()).await.unwrap();
        let warnings = log.events("redis may lose records");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].fields["message"].contains(why), "{warnings:?}");
        let strict = RedisStore::builder(server.url()).require_durable().connect();
        let error = strict.await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_durable_server_is_nothing_to_warn_of() {
    require!(Server::Redis);
    let server = Redis::builder().persistent_aof().start().await;
    let (log, _listening) = Log::listen();
    let strict = RedisStore::builder(server.url()).require_durable().connect().await;
    works(&strict.unwrap()).await;
    let warnings = log.events("redis may lose records");
    assert_eq!(warnings.len(), 0, "{warnings:?}");
}

#[tokio::test]
async fn stores_of_different_prefixes_and_databases_do_not_see_each_other() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let builder = RedisStore::builder(server.url());
    let stores = [
        builder.clone(),
        builder.clone().prefix("idem:2:"),
        builder.clone().prefix("[i]*"),
        builder.clone().prefix(""),
        builder.clone().prefix("{one slot}:"),
        builder.clone().database(3),
    ];
    let attempt = Attempt::new();
    for builder in stores {
        let store = builder.connect().await.unwrap();
        attempt.win(&store).await;
        let page = store.scan(&Scan::all()).await.unwrap();
        assert_eq!(page.entries.len(), 1, "{store:?}");
        assert_eq!(page.entries[0].0, attempt.id);
    }
}
