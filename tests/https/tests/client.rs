//! The client against real TLS: what is wrong with a certificate or a setting fails at once, and a
//! connection that breaks does not.
//!
//! The server is a Redis, which speaks TLS as well as any, and answers a request with garbage.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use idempotent_core::client::{GaveUp, IdempotentRetry};
use idempotent_servers::{Redis, Server, require};
use reqwest::{Certificate, ClientBuilder, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The most attempts of the clients here, which they make only if a failure is a passing one.
const ATTEMPTS: u32 = 4;

/// A client that trusts this authority.
fn trusting(authority: &Redis) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
    let pem = std::fs::read(authority.tls_folder().join("ca.crt")).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([Certificate::from_pem(&pem).unwrap()])
}

/// Sends a request, and says how often it was tried, and why it failed.
async fn attempts(client: ClientBuilder, url: String) -> (u32, String) {
    let counting = Arc::new(AtomicU32::new(0));
    let retrying =
        IdempotentRetry::new().max_attempts(ATTEMPTS).first_pause(Duration::from_millis(1));
    let client = reqwest_middleware::ClientBuilder::new(client.build().unwrap())
        .with(retrying)
        .with(Counting(counting.clone()))
        .build();
    let error = client.post(url).send().await.unwrap_err();
    let attempts = counting.load(Ordering::SeqCst);
    if let Some(gave_up) = GaveUp::of(&error) {
        assert_eq!(gave_up.attempts(), attempts);
    }
    (attempts, format!("{error:?}"))
}

/// Counts the attempts, as a middleware below ours.
struct Counting(Arc<AtomicU32>);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Counting {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        self.0.fetch_add(1, Ordering::SeqCst);
        next.run(request, extensions).await
    }
}

fn url(server: &Redis) -> String {
    format!("https://{}/", server.address())
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_fails_at_once() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let another = Redis::builder().tls().start().await;
    let (attempts, error) = attempts(trusting(&another), url(&server)).await;
    assert_eq!(attempts, 1, "{error}");
    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_fails_at_once() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let client = trusting(&server).resolve("pay.example", server.address());
    let port = server.address().port();
    let (attempts, error) = attempts(client, format!("https://pay.example:{port}/")).await;
    assert_eq!(attempts, 1, "{error}");
    assert!(error.contains("NotValidForName"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_has_ended_fails_at_once() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls_with(idempotent_servers::Certificate::Expired).start().await;
    let (attempts, error) = attempts(trusting(&server), url(&server)).await;
    assert_eq!(attempts, 1, "{error}");
    assert!(error.contains("Expired"), "{error}");
}

/// With TLS 1.3 the server says so only after the client's handshake has ended.
#[tokio::test]
async fn a_client_without_the_certificate_that_the_server_wants_fails_at_once() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls_with_client_certificates().start().await;
    let (attempts, error) = attempts(trusting(&server), url(&server)).await;
    assert_eq!(attempts, 1, "{error}");
    assert!(error.contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_fails_at_once() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let plain = listening(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let (attempts, error) = attempts(trusting(&server), format!("https://{plain}/")).await;
    assert_eq!(attempts, 1, "{error}");
    assert!(error.contains("InvalidContentType"), "{error}");
}

#[tokio::test]
async fn what_passes_is_tried_again_over_tls_too() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let (garbage, error) = attempts(trusting(&server), url(&server)).await;
    assert_eq!(garbage, ATTEMPTS, "{error}");

    let hanging_up = listening(b"").await;
    let (cut, error) = attempts(trusting(&server), format!("https://{hanging_up}/")).await;
    assert_eq!(cut, ATTEMPTS, "a connection that breaks during the handshake: {error}");

    server.kill();
    let (refused, error) = attempts(trusting(&server), url(&server)).await;
    assert_eq!(refused, ATTEMPTS, "{error}");
}

#[tokio::test]
async fn a_proxy_that_refuses_the_credentials_fails_at_once_and_one_that_is_busy_does_not() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    for (answer, expected) in [
        ("407 Proxy Authentication Required", 1),
        ("502 Bad Gateway", ATTEMPTS),
        ("503 Service Unavailable", ATTEMPTS),
    ] {
        let proxy = listening(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await;
        let proxy = Proxy::all(format!("http://{proxy}")).unwrap();
        let client = trusting(&server).proxy(proxy);
        let (attempts, error) = attempts(client, "https://pay.example/".to_owned()).await;
        assert_eq!(attempts, expected, "{answer}: {error}");
    }
}

/// A server that reads something from each connection, writes this, and closes it.
async fn listening(answer: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.to_vec();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    address
}
