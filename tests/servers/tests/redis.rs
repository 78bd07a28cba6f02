//! One server: started, asked, killed, frozen and started again.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use idempotent_servers::{Data, Flavor, Redis, Reply, Server, require};

fn text(text: &str) -> Reply {
    Reply::Text(text.into())
}

#[tokio::test]
async fn a_started_server_answers_at_its_url() {
    require!(Server::Redis);

    let redis = Redis::start().await;

    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}", redis.port()));
    assert_eq!(redis.cli(&["SET", "k", "v"]).await, text("OK"));
    assert_eq!(redis.cli(&["GET", "k"]).await.to_string(), "v");
    assert_eq!(redis.cli(&["GET", "none"]).await, Reply::Nil);
    assert_eq!(redis.cli(&["DEL", "k", "none"]).await, Reply::Int(1));
    assert_eq!(redis.cli(&["TIME"]).await.to_string().lines().count(), 2);
    assert!(redis.cli(&["SET", "k"]).await.is_error());
}

#[tokio::test]
async fn a_killed_server_is_gone_until_it_is_restarted_on_its_port() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let (pid, port) = (redis.pid(), redis.port());

    redis.kill();

    assert!(!redis.is_running());
    assert!(redis.try_cli(&["PING"]).await.is_err());
    redis.restart(Data::Keep).await;
    assert_eq!(redis.port(), port);
    assert_ne!(redis.pid(), pid);
    assert_eq!(redis.cli(&["PING"]).await, text("PONG"));
}

#[tokio::test]
async fn a_frozen_server_accepts_and_answers_only_when_it_goes_on() {
    require!(Server::Redis);
    let redis = Redis::start().await;

    redis.stop_process();
    let refused = redis.try_cli(&["SET", "k", "late"]).await;
    redis.resume();

    assert!(refused.is_err(), "answered while frozen: {refused:?}");
    // It had the bytes already, and works them off.
    assert_eq!(redis.cli(&["GET", "k"]).await, text("late"));
}

#[tokio::test]
async fn data_on_the_disk_outlives_kill_9_and_can_be_dropped() {
    require!(Server::Redis);
    let redis = Redis::builder().persistent_aof().start().await;
    redis.cli(&["SET", "k", "v"]).await;

    redis.restart(Data::Keep).await;
    assert_eq!(redis.cli(&["GET", "k"]).await, text("v"));

    redis.restart(Data::Drop).await;
    assert_eq!(redis.cli(&["GET", "k"]).await, Reply::Nil);
}

#[tokio::test]
async fn a_server_without_a_disk_comes_back_empty() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    redis.cli(&["SET", "k", "v"]).await;

    redis.restart(Data::Keep).await;

    assert_eq!(redis.cli(&["GET", "k"]).await, Reply::Nil);
}

#[tokio::test]
async fn settings_reach_the_server() {
    require!(Server::Redis);

    let redis = Redis::builder().arg("--maxmemory", "3mb").start().await;

    let answer = redis.cli(&["CONFIG", "GET", "maxmemory"]).await.to_string();
    assert_eq!(answer, "maxmemory\n3145728");
}

#[tokio::test]
#[should_panic(expected = "maxmammory")]
async fn a_server_that_refuses_its_settings_shows_its_log() {
    if Server::Redis.find().is_none() {
        panic!("maxmammory cannot be tried: redis-server is missing");
    }
    Redis::builder().arg("--maxmammory", "3mb").start().await;
}

#[tokio::test]
async fn valkey_9_1_can_compare_and_set() {
    require!(Server::Valkey91);
    let valkey = Redis::builder().flavor(Flavor::Valkey91).start().await;
    valkey.cli(&["SET", "k", "a"]).await;

    assert_eq!(valkey.cli(&["SET", "k", "b", "IFEQ", "a"]).await, text("OK"));
    assert_eq!(valkey.cli(&["DELIFEQ", "k", "a"]).await, Reply::Int(0));
    assert_eq!(valkey.cli(&["DELIFEQ", "k", "b"]).await, Reply::Int(1));
}

#[tokio::test]
async fn valkey_8_1_can_compare_and_set_and_not_delete() {
    require!(Server::Valkey81);
    let valkey = Redis::builder().flavor(Flavor::Valkey81).start().await;
    valkey.cli(&["SET", "k", "a"]).await;

    assert_eq!(valkey.cli(&["SET", "k", "b", "IFEQ", "a"]).await, text("OK"));
    assert!(valkey.cli(&["DELIFEQ", "k", "b"]).await.is_error());
}

#[tokio::test]
async fn a_password_and_users_guard_the_server() {
    require!(Server::Redis);
    let redis = Redis::builder()
        .password("secret")
        .user("app", "on >apple ~order:* +get +set")
        .start()
        .await;

    assert_eq!(redis.url(), format!("redis://:secret@127.0.0.1:{}", redis.port()));
    assert_eq!(redis.cli(&["AUTH", "app", "apple"]).await, text("OK"));
    assert!(redis.cli(&["AUTH", "app", "pear"]).await.is_error());
    let dry_run = redis.cli(&["ACL", "DRYRUN", "app", "GET", "other"]).await.to_string();
    assert!(dry_run.contains("no permissions"), "{dry_run}");
}

#[tokio::test]
async fn the_unix_socket_answers() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let mut socket = UnixStream::connect(redis.unix_socket()).unwrap();

    socket.write_all(b"PING\r\n").unwrap();

    let mut answer = [0; 7];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}

// With openssl as the client, so that the harness needs no TLS library.
fn tls_says(redis: &Redis, arguments: &[&str]) -> String {
    let output = Command::new("sh")
        .arg("-c")
        // It goes on after the end of its input, until the server hangs up.
        .arg("printf 'PING\\r\\nQUIT\\r\\n' | timeout 60 openssl s_client -quiet -verify_return_error \"$@\" 2>&1")
        .args(["sh", "-connect", &redis.address().to_string(), "-verify_ip", "127.0.0.1"])
        .arg("-CAfile")
        .arg(redis.tls_folder().join("ca.crt"))
        .args(arguments)
        .output()
        .expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn tls_has_a_certificate_of_the_servers_own_authority() {
    require!(Server::Redis, Server::OpenSsl);

    let redis = Redis::builder().tls().start().await;

    assert!(redis.url().starts_with("rediss://127.0.0.1:"));
    let answer = tls_says(&redis, &[]);
    assert!(answer.contains("+PONG"), "{answer}");
}

#[tokio::test]
async fn tls_can_ask_clients_for_their_certificate() {
    require!(Server::Redis, Server::OpenSsl);
    let redis = Redis::builder().tls_with_client_certificates().start().await;
    let file = |name: &str| redis.tls_folder().join(name).display().to_string();

    let without = tls_says(&redis, &[]);
    let with = tls_says(&redis, &["-cert", &file("client.crt"), "-key", &file("client.key")]);

    assert!(!without.contains("+PONG"), "{without}");
    assert!(with.contains("+PONG"), "{with}");
}
