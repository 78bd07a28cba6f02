//! Requests of a client that retries: one span each, and what the metrics count.

use idempotent_core::client::{IdempotentRetry, RetryInfo};
use idempotent_tests::{Line, secs};
use metrics_util::debugging::DebugValue;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::captured::Captured;

/// Reads a whole request: what nobody has read when a connection is closed resets it.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| {
                rest.split_once("\r\n").map_or(rest, |(length, _)| length).parse().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return;
            }
        }
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "it is cut off");
    }
}

/// The URL of a server that answers one connection after the other with these statuses, and the last one for ever.
async fn server(statuses: &'static [u16]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for at in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            let status = statuses[at.min(statuses.len() - 1)];
            if status == 0 {
                // It says nothing.
                std::future::pending::<()>().await;
            }
            let text =
                format!("HTTP/1.1 {status} Any\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/")
}

fn client() -> ClientWithMiddleware {
    let inner = reqwest::Client::builder().no_proxy().build().unwrap();
    let retrying = IdempotentRetry::new().max_attempts(3).first_pause(secs(0));
    ClientBuilder::new(inner).with(retrying).build()
}

fn the_request(captured: &Captured) -> Line {
    let requests = captured.log().spans("idempotent_request");
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests[0].clone()
}

/// How requests ended, by the counter, and how many retries there were.
fn counted(captured: &Captured) -> (Vec<String>, u64) {
    let metrics = captured.metrics();
    let ends = metrics.keys().filter_map(|name| {
        name.strip_prefix("idempotent_client_requests_total{outcome=")?.strip_suffix('}')
    });
    let retries = match metrics.get("idempotent_client_retries_total{}") {
        Some(DebugValue::Counter(count)) => *count,
        _ => 0,
    };
    (ends.map(str::to_owned).collect(), retries)
}

#[tokio::test]
async fn a_requests_span_is_open_from_its_first_attempt_to_its_answer() {
    let captured = Captured::start();
    let url = server(&[503, 503, 201]).await;
    let response = client().post(url).send().await.unwrap();
    let key = RetryInfo::of(&response).unwrap().key().unwrap().to_str().unwrap().to_owned();
    let span = the_request(&captured);
    assert!(span.closed);
    let seen = ["method", "host", "attempt", "status", "outcome"].map(|name| span.field(name));
    assert_eq!(seen, ["POST", "127.0.0.1", "3", "201", "answered"]);
    assert_eq!(counted(&captured), (vec!["answered".to_owned()], 2));
    let retries = captured.log().events("sent again after a pause");
    assert_eq!(retries.iter().map(|it| it.field("attempt")).collect::<Vec<_>>(), ["1", "2"]);
    let hash = span.field("key_hash");
    assert_eq!(hash.len(), 16);
    for retry in &retries {
        assert_eq!(retry.field("key_hash"), hash);
        assert_eq!(retry.within.get("key_hash").map(String::as_str), Some(hash));
    }
    assert!(!format!("{:?}", captured.log()).contains(key.trim_matches('"')), "the key is logged");
}

#[tokio::test]
async fn a_request_without_an_outcome_says_why() {
    for (statuses, outcome) in [(&[503][..], "gave_up"), (&[0], "dropped")] {
        let captured = Captured::start();
        let url = server(statuses).await;
        let sending = client().post(url).send();
        let _ = tokio::time::timeout(secs(2), sending).await;
        let span = the_request(&captured);
        assert!(span.closed);
        assert_eq!(span.field("outcome"), outcome);
        assert_eq!(counted(&captured).0, [outcome]);
    }
    let captured = Captured::start();
    client().post("http://no host/").send().await.unwrap_err();
    assert!(captured.log().spans("idempotent_request").is_empty(), "it was never sent");
}

#[tokio::test]
async fn giving_up_is_logged_with_the_hash_of_the_key() {
    let captured = Captured::start();
    let url = server(&[503]).await;
    let request = client().post(url).header("idempotency-key", "\"order-7\"");
    request.send().await.unwrap();
    let end = &captured.log().events("its outcome is not known")[0];
    // printf %s order-7 | b3sum --length 8
    assert_eq!((end.field("key_hash"), end.field("attempt")), ("12590301377d36e0", "3"));
}
