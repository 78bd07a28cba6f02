//! The texts of errors: one line that names the server and the cause, and no password.

use std::error::Error as _;
use std::time::Duration;

use idempotent_core::backends::{NearCache, PostgresStore, RedisSource, RedisStore, SqliteStore};
use idempotent_core::outbox::Outbox;
use idempotent_core::store::{Store, StoreError, StoreErrorKind};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Cluster, Postgres, Redis, Sentinel, Server, require};
use idempotent_tests::{Attempt, Runs, call, millis};
use sqlx::postgres::PgPoolOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TIMEOUT: Duration = Duration::from_secs(2);

fn is(error: &StoreError, text: &str) {
    // sqlx adds the line of PostgreSQL's own code.
    let shown = error.to_string();
    assert_eq!(shown.split(" at line ").next(), Some(text), "{shown}");
    let mut shown = format!("{error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}

async fn refused(store: &impl Store) -> StoreError {
    Attempt::new().reserve(store).await.unwrap_err()
}

#[tokio::test]
async fn a_redis_that_is_gone_is_named_with_the_cause() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let at = format!("redis at {}, database 3", server.address());
    let builder = RedisStore::builder(server.url()).database(3).response_timeout(TIMEOUT);
    let store = builder.clone().connect().await.unwrap();
    server.kill();
    let text = format!("{at}: the server cannot be reached: Connection refused (os error 111)");
    is(&builder.connect().await.unwrap_err(), &text);
    let error = refused(&store).await;
    assert!(
        error.to_string().starts_with(&format!("{at}: the server cannot be reached: ")),
        "{error}"
    );
    assert_eq!(error.server(), Some(at.as_str()));
    assert_eq!(store.server(), Some(at.as_str()));
    let error = refused(&NearCache::new(store.clone())).await;
    assert_eq!(error.server(), Some(at.as_str()));
    let error = store.load(&Attempt::new().id).await.unwrap_err();
    assert_eq!(error.server(), Some(at.as_str()));
}

#[tokio::test]
async fn a_call_says_in_one_line_which_server_did_not_answer() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let engine = Idempotency::builder(store).store_timeout(millis(100)).build();
    server.stop_process();
    let refused =
        call(&engine, Operation::new("shop.charge"), "k", &Runs::new()).await.unwrap_err();
    server.resume();
    let begin = format!(
        "the idempotency store is unavailable: redis at {}, database 0: the store did not answer in time (shop.charge:",
        server.address()
    );
    assert!(refused.to_string().starts_with(&begin), "{refused}");
}

#[tokio::test]
async fn a_redis_that_refuses_is_named_with_the_cause() {
    require!(Server::Redis);
    let server = Redis::builder()
        .password("secret")
        .user("guest", "on >hunter2 ~* -@all +ping +info +command +config|get");
    let server = server.start().await;
    let at = format!("redis at {}, database 0", server.address());
    let url = format!("redis://:hunter2@{}", server.address());
    let error = RedisStore::connect(url).await.unwrap_err();
    is(
        &error,
        &format!(
            "{at}: the server rejected the user name or the password: check the URL, or `username` and `password` of \
             the builder: Password authentication failed - AuthenticationFailed"
        ),
    );
    assert!(!error.is_outage(), "it answered");
    let url = format!("redis://guest:hunter2@{}", server.address());
    let store = RedisStore::connect(url).await.unwrap();
    is(
        &refused(&store).await,
        &format!(
            "{at}: the user lacks a permission that the store needs: grant it, or connect as another user: NOPERM \
             this user has no permissions to run the 'set' command"
        ),
    );
    let builder = RedisStore::builder(server.url()).database(99);
    let error = builder.connect().await.unwrap_err().to_string();
    let begin =
        format!("redis at {}, database 99: the server refused the command: ", server.address());
    assert!(error.starts_with(&begin) && error.contains("DB index is out of range"), "{error}");
}

#[tokio::test]
async fn what_is_no_redis_is_asked_whether_it_is_one() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let address = server.address();
    let error = RedisStore::connect(format!("redis://{address}")).await.unwrap_err();
    is(
        &error,
        &format!(
            "redis at {address}, database 0: the server cannot be reached: it closed the connection before it answered: \
             is it a Redis server? If it wants TLS, write rediss://"
        ),
    );

    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = web.accept().await {
            client.read_u8().await.unwrap();
            client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            // Read to the end, so that what was sent is not lost by a reset.
            tokio::io::copy(&mut client, &mut tokio::io::sink()).await.ok();
        }
    });
    let error = RedisStore::connect(format!("redis://{address}")).await.unwrap_err().to_string();
    let begin = format!(
        "redis at {address}, database 0: the answer is not one of Redis: is it a Redis server?"
    );
    assert!(error.starts_with(&begin), "{error}");
}

#[tokio::test]
async fn an_unknown_host_and_a_socket_are_named() {
    let error = RedisStore::connect("redis://:hunter2@nowhere.invalid:7").await.unwrap_err();
    let begin = "redis at nowhere.invalid:7, database 0: the server cannot be reached: ";
    assert!(error.to_string().starts_with(begin), "{error}");
    let error = RedisStore::connect("redis+unix:///nowhere/redis.sock?db=2").await.unwrap_err();
    is(
        &error,
        "redis at /nowhere/redis.sock, database 2: the server cannot be reached: No such file or directory (os error 2)",
    );
    let url = "postgres://shop:hunter2@nowhere.invalid:7/shop?sslmode=disable";
    let error = PostgresStore::connect(url).await.unwrap_err();
    let begin = "postgres at nowhere.invalid:7, database shop: the server cannot be reached: ";
    assert!(error.to_string().starts_with(begin), "{error}");
    let error =
        PostgresStore::connect("postgres:///shop?host=/nowhere&user=shop").await.unwrap_err();
    let begin = "postgres at the socket in /nowhere, port 5432, database shop: the server cannot be reached: ";
    assert!(error.to_string().starts_with(begin), "{error}");
}

#[tokio::test]
async fn a_cluster_and_a_group_are_named_by_what_the_store_was_given() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let source = RedisSource::cluster(cluster.urls());
    let store = RedisStore::builder(source).response_timeout(TIMEOUT).connect().await.unwrap();
    let group = Sentinel::start(0, 1).await;
    let source = RedisSource::sentinel(group.sentinel_urls(), group.master_name());
    let watched = RedisStore::builder(source).response_timeout(TIMEOUT).connect().await.unwrap();
    cluster.nodes().iter().for_each(Redis::kill);
    group.servers().iter().for_each(Redis::kill);
    let addresses: Vec<_> = cluster.nodes().iter().map(|node| node.address().to_string()).collect();
    let at = format!("redis cluster at {}", addresses.join(", "));
    assert_eq!(refused(&store).await.server(), Some(at.as_str()));
    let sentinel = group.sentinels()[0].address();
    let name = group.master_name();
    let at = format!("redis group {name:?} of the sentinels at {sentinel}, database 0");
    assert_eq!(refused(&watched).await.server(), Some(at.as_str()));
}

#[tokio::test]
async fn a_postgres_that_is_gone_is_told_from_a_pool_that_is_in_use() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let at = format!("postgres at {}, database postgres", server.address());
    let builder = PostgresStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = builder.clone().connect().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let on_pool = PostgresStore::builder(pool.clone()).response_timeout(TIMEOUT);
    let on_pool = on_pool.connect().await.unwrap();
    on_pool.load(&Attempt::new().id).await.unwrap();
    let taken = pool.acquire().await.unwrap();
    let error = refused(&on_pool).await;
    is(
        &error,
        &format!(
            "{at}: every connection of the pool was in use for too long: give it more, or hold them for less time"
        ),
    );
    assert!(!error.is_outage() && error.kind() == StoreErrorKind::Timeout);
    drop(taken);
    server.kill();
    let text = format!("{at}: the server cannot be reached: ");
    for error in [
        builder.connect().await.unwrap_err(),
        refused(&store).await,
        refused(&store).await,
        store.load(&Attempt::new().id).await.unwrap_err(),
    ] {
        let shown = error.to_string();
        assert!(shown.starts_with(&text) && shown.contains("refused"), "{shown}");
        assert!(error.is_outage(), "{error:?}");
    }
    let error = Outbox::of(&store).backlog().await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("{at}: ")), "{error}");
}

#[tokio::test]
async fn a_postgres_that_refuses_is_named_with_the_cause() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let address = server.address();
    let url =
        |user: &str, database: &str| format!("postgres://{user}:hunter2@{address}/{database}");
    let connect = |url: String| {
        PostgresStore::builder(url).response_timeout(idempotent_tests::SOON).connect()
    };
    let error = connect(url("nobody", "postgres")).await.unwrap_err();
    is(
        &error,
        &format!(
            "postgres at {address}, database postgres: the server refused the user name or the password: error \
             returned from database: role \"nobody\" does not exist"
        ),
    );
    assert!(!error.is_outage(), "it answered");
    let error = connect(url("postgres", "nowhere")).await.unwrap_err();
    is(
        &error,
        &format!(
            "postgres at {address}, database nowhere: there is no such database: create it, or name another one: \
             error returned from database: database \"nowhere\" does not exist"
        ),
    );
    connect(server.url()).await.unwrap();
    server.sql("CREATE ROLE guest LOGIN").await;
    let error = connect(url("guest", "postgres")).await.unwrap_err().to_string();
    let begin = format!(
        "postgres at {address}, database postgres: the user lacks a right on the tables of the store"
    );
    assert!(error.starts_with(&begin), "{error}");
}

#[tokio::test]
async fn a_file_is_named_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.db");
    std::fs::write(
        &path,
        "not a database, but longer than its header has to be: a hundred bytes".repeat(3),
    )
    .unwrap();
    let error = SqliteStore::connect(&path).await.unwrap_err();
    let text = format!("sqlite file {}: the file is not a sqlite database: ", path.display());
    assert!(error.to_string().starts_with(&text), "{error}");
    let path = folder.path().join("good.db");
    let store = SqliteStore::connect(&path).await.unwrap();
    let at = format!("sqlite file {}", path.display());
    assert_eq!(store.server(), Some(at.as_str()));
    store.close().await;
    is(
        &refused(&store).await,
        &format!(
            "{at}: the pool of connections is closed: attempted to acquire a connection on a closed pool"
        ),
    );
}
