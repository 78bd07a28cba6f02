//! `doctor`: connections that are used up or not enough, and leases that do not outlive what keeps a store from renewing them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use idempotent_core::backends::PostgresStore;
use idempotent_servers::{Cluster, Postgres, Redis, Server, require};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::doctor::{doctor, set, sound_redis};
use crate::run::{json as documents, run};

/// The codes of what is found with these options, and what is said of it.
async fn found(url: &str, options: &[&str]) -> (BTreeSet<String>, String) {
    let (found, _) = documents(url, &[&["doctor"], options].concat()).await;
    let findings = found.iter().filter(|document| document["kind"] == json!("finding"));
    let codes =
        findings.clone().map(|finding| finding["code"].as_str().expect("a text").to_owned());
    let said = findings.map(|finding| format!("{}: {}\n", finding["what"], finding["mend"]));
    (codes.collect(), said.collect())
}

/// So many connections, which do nothing.
async fn connect(url: &str, count: usize) -> Vec<PgConnection> {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(PgConnection::connect(url).await.expect("it connects"));
    }
    open
}

async fn close(open: Vec<PgConnection>) {
    for connection in open {
        connection.close().await.expect("it closes");
    }
}

#[tokio::test]
async fn a_postgres_with_hardly_a_connection_left_for_renewals_is_found() {
    require!(Server::Postgres);
    let postgres = Postgres::builder().fsync(true).arg("max_connections", "23").start().await;
    let url = postgres.url();
    PostgresStore::builder(&url)
        .connect_with_retry(Duration::from_secs(20))
        .await
        .expect("it connects")
        .close()
        .await;
    postgres
        .sql(
            "CREATE ROLE app LOGIN CONNECTION LIMIT 4; GRANT INSERT ON idempotent.records TO app; \
             CREATE ROLE reader LOGIN CONNECTION LIMIT 1",
        )
        .await;
    assert_eq!(doctor(&url).await, (set(&[]), 0, 0));

    let as_role = |role: &str| url.replace("postgres@", &format!("{role}@"));
    let open = connect(&as_role("reader"), 1).await;
    assert_eq!(doctor(&url).await, (set(&[]), 0, 0), "no store of this role writes records");
    close(open).await;
    let open = connect(&as_role("app"), 4).await;
    assert_eq!(doctor(&url).await, (set(&["connections-nearly-used"]), 8, 8));
    let (_, said) = found(&url, &[]).await;
    assert!(said.contains("4 of the 4 connections of role app are used"), "{said}");
    assert!(said.contains("ALTER ROLE \\\"app\\\" CONNECTION LIMIT 8;"), "{said}");
    close(open).await;

    let (codes, said) = found(&url, &["--pool", "3"]).await;
    assert_eq!(codes, set(&["pools-above-connections"]), "5 with those beside the pool: {said}");
    assert!(said.contains("need 5, and role app has 4"), "{said}");
    postgres.sql("ALTER ROLE app CONNECTION LIMIT -1").await;
    assert_eq!(found(&url, &["--pool", "8", "--processes", "2"]).await.0, set(&[]), "20 of 20");
    let (codes, said) = found(&url, &["--pool", "5", "--processes", "3"]).await;
    assert_eq!(codes, set(&["pools-above-connections"]));
    assert!(said.contains("need 21, and the server has 20"), "{said}");
    assert!(said.contains("ALTER SYSTEM SET max_connections = 24;"), "{said}");

    postgres.sql("ALTER DATABASE postgres CONNECTION LIMIT 10").await;
    let open = connect(&url, 10).await;
    let (codes, said) = found(&url, &[]).await;
    assert_eq!(codes, set(&["connections-nearly-used"]));
    assert!(said.contains("of the 10 connections of database postgres"), "{said}");
    postgres.sql("ALTER DATABASE postgres CONNECTION LIMIT -1").await;
    let more = connect(&url, 9).await;
    let (codes, said) = found(&url, &[]).await;
    assert_eq!(codes, set(&["connections-nearly-used"]));
    assert!(said.contains("of the 20 connections of the server are used"), "{said}");
    close(open).await;
    close(more).await;
}

async fn inline(stream: &mut TcpStream, command: &str) -> String {
    stream.write_all(format!("{command}\r\n").as_bytes()).await.expect("it is sent");
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// Once Redis has noticed that those who had connections have gone.
async fn alone(redis: &Redis) {
    let start = Instant::now();
    let is_alone = async || {
        let info = redis.cli(&["INFO", "clients"]).await;
        info.text().is_some_and(|info| info.contains("connected_clients:1\r"))
    };
    while !is_alone().await {
        assert!(start.elapsed() < Duration::from_secs(30), "somebody stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_redis_with_hardly_a_connection_left_or_that_has_refused_one_is_found() {
    require!(Server::Redis);
    let redis = sound_redis().await;
    redis.cli(&["CONFIG", "SET", "maxclients", "40"]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&[]), 0, 0));
    let mut open = Vec::new();
    for _ in 0..36 {
        open.push(TcpStream::connect(redis.address()).await.expect("it connects"));
    }
    assert_eq!(doctor(&redis.url()).await, (set(&["connections-nearly-used"]), 8, 8));
    drop(open);
    alone(&redis).await;

    let mut first = TcpStream::connect(redis.address()).await.expect("it connects");
    assert_eq!(inline(&mut first, "CONFIG SET maxclients 1").await, "+OK\r\n");
    let mut second = TcpStream::connect(redis.address()).await.expect("it connects");
    let mut refused = [0; 4];
    second.read_exact(&mut refused).await.expect("an answer");
    assert_eq!(refused, *b"-ERR");
    assert_eq!(inline(&mut first, "CONFIG SET maxclients 40").await, "+OK\r\n");
    assert_eq!(doctor(&redis.url()).await, (set(&["connections-refused"]), 8, 8));
    redis.cli(&["CONFIG", "RESETSTAT"]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&[]), 0, 0));
}

#[tokio::test]
async fn a_lease_that_leaves_no_time_for_a_second_renewal_is_found() {
    require!(Server::Redis);
    let url = sound_redis().await;
    let redis = url.url();
    for (options, expected) in [
        (&["--lease", "2900ms"][..], set(&["lease-below-timeout"])),
        (&["--lease", "3s"], set(&[])),
        (&["--lease", "3s", "--response-timeout", "1100ms"], set(&["lease-below-timeout"])),
        (&["--lease", "1s", "--response-timeout", "300ms"], set(&[])),
    ] {
        assert_eq!(found(&redis, options).await.0, expected, "{options:?}");
    }
    let pool = run(&redis, &["doctor", "--pool", "10"]).await;
    assert!(pool.code == 2 && pool.stderr.contains("PostgreSQL"), "{}", pool.stderr);
}

#[tokio::test]
async fn a_lease_that_a_failover_of_the_cluster_outlasts_is_found() {
    require!(Server::Redis);
    let cluster = Cluster::builder(3, 0).persistent_aof().start().await;
    for node in cluster.nodes() {
        node.cli(&["CONFIG", "SET", "appendfsync", "always"]).await;
        node.cli(&["CONFIG", "SET", "cluster-node-timeout", "4000"]).await;
    }
    let hosts: Vec<_> =
        cluster.urls().iter().map(|url| url["redis://".len()..].to_owned()).collect();
    let url = format!("redis+cluster://{}", hosts.join(","));
    let short = found(&url, &["--lease", "6s"]).await;
    assert!(short.0.contains("lease-below-failover"), "{short:?}");
    let long = found(&url, &["--lease", "7s"]).await;
    assert!(!long.0.contains("lease-below-failover"), "{long:?}");
}
