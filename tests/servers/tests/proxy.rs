//! The proxy: what it counts, and each harm it does.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use idempotent_servers::{Redis, Reply, Server, TcpProxy, require};

const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn request(words: &[&str]) -> String {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    request
}

fn send(stream: &mut TcpStream, words: &[&str]) {
    stream.write_all(request(words).as_bytes()).unwrap();
}

fn receive(stream: &mut TcpStream, expected: &str) {
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), expected);
}

fn call(stream: &mut TcpStream, words: &[&str], expected: &str) {
    send(stream, words);
    receive(stream, expected);
}

fn is_cut(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SHORT)).unwrap();
    let read = stream.read(&mut [0; 64]);
    stream.set_read_timeout(Some(LONG)).unwrap();
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test]
async fn round_trips_commands_replies_and_bytes_are_counted() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    call(&mut client, &["PING"], "+PONG\r\n");
    let before = proxy.counts();

    call(&mut client, &["set", "k", "v"], "+OK\r\n");
    call(&mut client, &["GET", "k"], "$1\r\nv\r\n");

    let between = proxy.counts() - &before;
    assert_eq!(between.round_trips(), 2);
    assert_eq!(between.commands(), 2);
    assert_eq!((between.commands_of("SET"), between.commands_of("GET")), (1, 1));
    assert_eq!(between.commands_of("PING"), 0);
    assert_eq!(between.replies(), 2);
    assert_eq!(between.connections(), 0);
    let sent = request(&["set", "k", "v"]).len() + request(&["GET", "k"]).len();
    assert_eq!(between.bytes_to_server(), u64::try_from(sent).unwrap());
    assert_eq!(between.bytes_to_client(), 5 + 7);
}

#[tokio::test]
async fn commands_sent_in_one_piece_are_one_round_trip() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    let batch = [request(&["MULTI"]), request(&["INCR", "n"]), request(&["EXEC"])].concat();

    client.write_all(batch.as_bytes()).unwrap();
    receive(&mut client, "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");

    let counts = proxy.counts();
    assert_eq!((counts.round_trips(), counts.commands(), counts.replies()), (1, 3, 3));
    assert_eq!(counts.connections(), 1);
}

#[tokio::test]
async fn a_request_in_two_pieces_is_one_round_trip() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    let ping = request(&["PING"]);

    client.write_all(&ping.as_bytes()[..7]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    client.write_all(&ping.as_bytes()[7..]).unwrap();
    receive(&mut client, "+PONG\r\n");

    let counts = proxy.counts();
    assert_eq!((counts.round_trips(), counts.commands()), (1, 1));
}

#[tokio::test]
async fn a_dropped_reply_is_of_a_command_that_was_worked_off() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    proxy.drop_next_reply_to("incr");

    // In one piece, so that an earlier and a later command share the connection with it.
    let batch = [request(&["PING"]), request(&["INCR", "n"]), request(&["INCR", "n"])].concat();
    client.write_all(batch.as_bytes()).unwrap();

    receive(&mut client, "+PONG\r\n");
    assert!(is_cut(&mut client));
    assert!(!proxy.is_armed());
    assert_eq!(redis.cli(&["GET", "n"]).await.text(), Some("2"));
    // Once: the next connection is spared.
    call(&mut connect(proxy.address()), &["INCR", "n"], ":3\r\n");
}

#[tokio::test]
async fn a_dropped_request_never_reaches_the_server() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    proxy.drop_next_request_of("INCR");

    call(&mut client, &["PING"], "+PONG\r\n");
    send(&mut client, &["INCR", "n"]);

    assert!(is_cut(&mut client));
    assert_eq!(redis.cli(&["GET", "n"]).await, Reply::Nil);
    call(&mut connect(proxy.address()), &["INCR", "n"], ":1\r\n");
}

#[tokio::test]
async fn delays_hold_requests_and_replies_up() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());

    proxy.delay_requests(SHORT);
    let began = Instant::now();
    call(&mut client, &["PING"], "+PONG\r\n");
    assert!(began.elapsed() >= SHORT);

    proxy.delay_replies(SHORT);
    let began = Instant::now();
    call(&mut client, &["PING"], "+PONG\r\n");
    assert!(began.elapsed() >= 2 * SHORT);

    proxy.delay_requests(Duration::ZERO);
    proxy.delay_replies(Duration::ZERO);
    call(&mut client, &["PING"], "+PONG\r\n");
}

#[tokio::test]
async fn a_cut_ends_open_connections_and_no_later_ones() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut clients = [connect(proxy.address()), connect(proxy.address())];
    for client in &mut clients {
        call(client, &["PING"], "+PONG\r\n");
    }
    assert_eq!(proxy.open_connections(), 2);

    proxy.cut();

    assert_eq!(proxy.open_connections(), 0);
    for client in &mut clients {
        assert!(is_cut(client));
    }
    call(&mut connect(proxy.address()), &["PING"], "+PONG\r\n");
}

#[tokio::test]
async fn refusing_spares_open_connections_until_new_ones_are_accepted_again() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    call(&mut client, &["PING"], "+PONG\r\n");

    proxy.refuse();
    let refused = TcpStream::connect(proxy.address()).map_err(|error| error.kind());
    call(&mut client, &["PING"], "+PONG\r\n");
    proxy.accept();

    assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused));
    call(&mut connect(proxy.address()), &["PING"], "+PONG\r\n");
}

#[tokio::test]
async fn a_stall_holds_everything_until_it_ends() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());
    call(&mut client, &["PING"], "+PONG\r\n");

    proxy.stall();
    send(&mut client, &["INCR", "n"]);

    assert!(is_silent(&mut client));
    assert!(is_silent(&mut connect(proxy.address())));
    assert_eq!(redis.cli(&["GET", "n"]).await, Reply::Nil);
    proxy.resume();
    receive(&mut client, ":1\r\n");
}

#[tokio::test]
async fn stalled_replies_let_requests_through() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let mut client = connect(proxy.address());

    proxy.stall_replies();
    send(&mut client, &["INCR", "n"]);
    proxy.wait_for(|counts| counts.replies() == 1).await;

    assert!(is_silent(&mut client));
    assert_eq!(redis.cli(&["GET", "n"]).await.text(), Some("1"));
    proxy.resume();
    receive(&mut client, ":1\r\n");
}

#[tokio::test]
async fn a_server_that_is_down_is_a_cut_connection() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;

    redis.kill();

    assert!(is_cut(&mut connect(proxy.address())));
}

#[tokio::test]
async fn another_protocol_goes_through_and_loses_answers_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = TcpProxy::start(listener.local_addr().unwrap()).await;
    let mut client = connect(proxy.address());

    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut request = [0; 18];
    server.read_exact(&mut request).unwrap();
    server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    receive(&mut client, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(proxy.counts().round_trips(), 1);

    proxy.drop_next_reply();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    server.read_exact(&mut request).unwrap();
    server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    assert!(is_cut(&mut client));
    assert_eq!(proxy.counts().round_trips(), 2);
}

/// Whoever notices first that a connection is cut is back before the proxy's listener has noticed.
#[tokio::test]
async fn who_comes_back_at_once_after_a_cut_is_not_cut_too() {
    const CUTS: u64 = 200;
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = TcpProxy::start(upstream.local_addr().unwrap()).await;
    let address = proxy.address();
    let cuts = std::thread::spawn(move || {
        for _ in 0..CUTS {
            assert!(is_cut(&mut connect(address)));
        }
    });

    for cut in 1..=CUTS {
        proxy.wait_for(|counts| counts.connections() >= cut).await;
        proxy.cut();
        assert!(proxy.counts().connections() <= cut + 1, "one was cut that came after the cut");
    }

    cuts.join().unwrap();
}
