//! PostgreSQL: started, asked, killed, frozen and started again.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use std::time::Duration;

use idempotent_servers::{Postgres, PostgresVersion, Server, TcpProxy, require};

fn one(value: &str) -> Vec<Vec<Option<String>>> {
    vec![vec![Some(value.into())]]
}

#[tokio::test]
async fn a_started_server_answers_and_tells_refusals() {
    require!(Server::Postgres);

    let postgres = Postgres::start().await;

    assert_eq!(
        postgres.url(),
        format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port())
    );
    assert_eq!(postgres.sql("SELECT 6 * 7").await, one("42"));
    assert_eq!(postgres.sql("SELECT NULL").await, [[None]]);
    let refused = postgres.try_sql("SELECT * FROM nowhere").await.unwrap_err().to_string();
    assert!(refused.starts_with("42P01 "), "{refused}");
}

#[tokio::test]
async fn committed_data_outlives_kill_9_and_uncommitted_data_does_not() {
    require!(Server::Postgres);
    let postgres = Postgres::builder().fsync(true).arg("max_connections", "33").start().await;
    assert_eq!(postgres.sql("SHOW fsync").await, one("on"));
    assert_eq!(postgres.sql("SHOW max_connections").await, one("33"));
    postgres.sql("CREATE TABLE orders (id int); INSERT INTO orders VALUES (7)").await;
    let port = postgres.port();
    let half =
        postgres.try_sql("BEGIN; INSERT INTO orders VALUES (8); SELECT pg_sleep(60); COMMIT");

    let killed = async {
        while postgres
            .sql("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            .await
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        postgres.kill();
    };
    let (half, ()) = tokio::join!(half, killed);

    assert!(half.is_err());
    assert!(postgres.try_sql("SELECT 1").await.is_err());
    postgres.restart().await;
    assert_eq!(postgres.port(), port);
    assert_eq!(postgres.sql("SELECT id FROM orders").await, one("7"));
}

#[tokio::test]
async fn a_frozen_server_lets_nobody_in_until_it_goes_on() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;

    postgres.stop_process();
    let asked = postgres.sql("SELECT 1");
    let resumed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        postgres.resume();
    };
    let began = std::time::Instant::now();
    let (answer, ()) = tokio::join!(asked, resumed);

    assert_eq!(answer, one("1"));
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn version_18_runs_beside_the_distributions() {
    require!(Server::Postgres18);

    let postgres = Postgres::builder().version(PostgresVersion::V18).start().await;

    let version = postgres.sql("SHOW server_version").await[0][0].clone().unwrap();
    assert!(version.starts_with("18."), "{version}");
}

#[tokio::test]
async fn its_answers_can_be_lost_in_a_proxy() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;
    let proxy = TcpProxy::start(postgres.address()).await;
    assert!(postgres.url_at(proxy.address()).ends_with(&format!("@{}/postgres", proxy.address())));
    proxy.drop_next_reply();

    let mut client = tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    // A request for TLS, which the server answers with one byte.
    let request = [0, 0, 0, 8, 4, 210, 22, 47];
    tokio::io::AsyncWriteExt::write_all(&mut client, &request).await.unwrap();

    let read = tokio::io::AsyncReadExt::read(&mut client, &mut [0; 8]).await;
    assert!(!matches!(read, Ok(1..)), "an answer: {read:?}");
    assert_eq!(proxy.counts().round_trips(), 1);
}
