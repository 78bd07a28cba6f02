//! nginx, NATS, RabbitMQ and HAProxy: started, killed and started again. And what a test does where a server is missing.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};

use idempotent_servers::{Nats, Nginx, Program, RabbitMq, Server, require};

fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn nginx_answers_as_it_is_told_and_comes_back_after_kill_9() {
    require!(Server::Nginx);
    let nginx = Nginx::start(|port| {
        format!("server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}")
    })
    .await;
    let get = "GET / HTTP/1.0\r\n\r\n";
    assert!(say(nginx.address(), get).starts_with("HTTP/1.1 204"));

    nginx.kill();

    // Its worker too, which shares the port.
    assert!(TcpStream::connect(nginx.address()).is_err());
    nginx.restart().await;
    assert!(say(nginx.address(), get).starts_with("HTTP/1.1 204"));
    assert_eq!(nginx.url(), format!("http://{}", nginx.address()));
}

#[tokio::test]
async fn nats_has_jetstream_and_comes_back_after_kill_9() {
    require!(Server::Nats);
    let nats = Nats::start().await;
    let connect = "CONNECT {\"verbose\":false}\r\nPING\r\n";
    let greeting = say(nats.address(), connect);
    assert!(greeting.contains("\"jetstream\":true"), "{greeting}");
    assert!(greeting.ends_with("PONG\r\n"), "{greeting}");

    nats.kill();

    assert!(TcpStream::connect(nats.address()).is_err());
    nats.restart().await;
    assert!(say(nats.address(), connect).ends_with("PONG\r\n"));
    assert_eq!(nats.url(), format!("nats://{}", nats.address()));
}

#[tokio::test]
async fn rabbitmq_goes_with_its_daemon_for_names_and_comes_back_after_kill_9() {
    require!(Server::RabbitMq);
    let rabbitmq = RabbitMq::start().await;
    let pid = rabbitmq.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let name = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let epmd = children.split_whitespace().find(|pid| name(pid) == "epmd\n").unwrap();

    rabbitmq.kill();
    assert!(TcpStream::connect(rabbitmq.address()).is_err());
    let status = std::fs::read_to_string(format!("/proc/{epmd}/status")).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "{status}");
    rabbitmq.restart().await;
    assert!(rabbitmq.is_running() && TcpStream::connect(rabbitmq.address()).is_ok());
    assert!(rabbitmq.url().starts_with("amqp://guest:guest@127.0.0.1:"));
}

#[tokio::test]
async fn a_program_reads_what_was_written_into_its_folder_which_goes_with_it() {
    require!(Server::Haproxy);
    let haproxy = Program::start_in(|port, folder| {
        let file = folder.join("haproxy.cfg");
        let text = format!(
            "defaults\nmode http\ntimeout client 10s\ntimeout connect 10s\ntimeout server 10s\n\
             frontend all\nbind 127.0.0.1:{port}\nhttp-request return status 204\n"
        );
        std::fs::write(&file, text).unwrap();
        vec![Server::Haproxy.find().unwrap().into(), "-db".into(), "-f".into(), file.into()]
    })
    .await;
    let folder = haproxy.folder().to_owned();
    assert!(folder.join("haproxy.cfg").exists());
    let answer = say(haproxy.address(), "GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");

    drop(haproxy);

    assert!(!folder.exists());
}

#[test]
#[ignore = "for another test to start without nginx"]
fn a_test_that_needs_nginx() {
    require!(Server::Redis, Server::Nginx);
    panic!("nginx is here");
}

fn without_nginx(ci: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_test_that_needs_nginx"])
        .env(Server::Nginx.variable(), "/nowhere/nginx")
        .env("CI", ci)
        .output()
        .unwrap()
}

#[test]
fn a_missing_server_skips_a_test_loudly_and_fails_it_in_ci() {
    require!(Server::Redis);

    let skipped = without_nginx("");
    let failed = without_nginx("true");

    let text = String::from_utf8(skipped.stderr).unwrap();
    assert!(skipped.status.success(), "{text}");
    let line =
        "!!! SKIPPED others::a_test_that_needs_nginx: nginx is missing; run tests/run servers";
    assert!(text.contains(line), "{text}");
    let text = String::from_utf8(failed.stdout).unwrap();
    assert!(!failed.status.success());
    assert!(text.contains("a_test_that_needs_nginx cannot run: nginx is missing"), "{text}");
}
