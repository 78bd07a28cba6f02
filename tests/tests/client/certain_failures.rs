//! Failures that no retry can change: unknown hosts, and what the client itself cannot do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use idempotent_core::client::{GaveUp, GaveUpReason, IdempotentRetry};
use idempotent_tests::Log;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};

use crate::recorded_pauses::{Pauses, skipping};
use crate::server::{Server, Step, status};

/// A resolver that fails as a system's does, from the nth lookup on.
struct Resolver {
    lookups: Arc<AtomicUsize>,
    failure: &'static str,
    known: Option<std::net::SocketAddr>,
}

impl Resolve for Resolver {
    fn resolve(&self, _: Name) -> Resolving {
        let lookup = self.lookups.fetch_add(1, Ordering::SeqCst);
        let answer = match self.known {
            Some(address) if lookup == 0 => Ok(Box::new([address].into_iter()) as Addrs),
            _ => Err(std::io::Error::other(self.failure).into()),
        };
        Box::pin(std::future::ready(answer))
    }
}

const UNKNOWN: &str = "failed to lookup address information: Name or service not known";
const LOOKUP_FAILED: &str =
    "failed to lookup address information: Temporary failure in name resolution";

fn resolving(resolver: Resolver) -> (ClientWithMiddleware, Pauses) {
    let pauses = Pauses::new();
    let retrying = IdempotentRetry::new().clock(pauses.clone()).max_attempts(7);
    let client = reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(resolver));
    (ClientBuilder::new(client.build().unwrap()).with(retrying).build(), pauses)
}

#[tokio::test]
async fn an_unknown_host_is_looked_up_twice() {
    let lookups = Arc::<AtomicUsize>::default();
    let resolver = Resolver { lookups: lookups.clone(), failure: UNKNOWN, known: None };
    let (client, pauses) = resolving(resolver);

    let error = client.post("http://pay.example/").send().await.unwrap_err();

    assert_eq!((lookups.load(Ordering::SeqCst), pauses.taken().len()), (2, 1));
    assert!(GaveUp::of(&error).is_none(), "nothing was sent, so the outcome is known");
    assert!(error.is_connect());
}

#[tokio::test]
async fn a_lookup_that_failed_for_the_time_being_is_like_any_connection() {
    let lookups = Arc::<AtomicUsize>::default();
    let resolver = Resolver { lookups: lookups.clone(), failure: LOOKUP_FAILED, known: None };
    let (client, _) = resolving(resolver);

    let error = client.post("http://pay.example/").send().await.unwrap_err();

    assert_eq!(lookups.load(Ordering::SeqCst), 7);
    assert_eq!(GaveUp::of(&error).unwrap().reason(), GaveUpReason::Attempts);
}

#[tokio::test]
async fn what_an_earlier_attempt_may_have_done_is_not_forgotten() {
    let server = Server::script([Step::Close]).await;
    let known = server.url("/").trim_matches(&['h', 't', 'p', ':', '/'][..]).parse().unwrap();
    let lookups = Arc::<AtomicUsize>::default();
    let (client, _) = resolving(Resolver { lookups, failure: UNKNOWN, known: Some(known) });

    let error = client.post(format!("http://pay.example:{}/", known.port())).send().await;

    let error = error.unwrap_err();
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!((gave_up.reason(), gave_up.attempts()), (GaveUpReason::Permanent, 3));
    assert_eq!(gave_up.key().unwrap(), server.keys()[0].as_str());
    assert!(gave_up.is_connect() && gave_up.to_string().contains("may have taken effect"));
}

/// Without one of its TLS features, reqwest takes an `https` URL for a failure to connect.
#[tokio::test]
async fn a_url_that_the_client_cannot_connect_to_is_not_retried() {
    for url in ["https://127.0.0.1:9/", "gopher://127.0.0.1/", "http://127.0.0.1:70000/"] {
        let (client, pauses) = skipping(IdempotentRetry::new());
        client.post(url).send().await.unwrap_err();
        assert!(pauses.taken().is_empty(), "{url}: {:?}", pauses.taken());
    }
}

#[tokio::test]
async fn a_version_of_http_that_the_connection_lacks_is_not_retried() {
    let server = Server::script([status(200)]).await;
    let (client, pauses) = skipping(IdempotentRetry::new());
    let request = client.post(server.url("/")).version(reqwest::Version::HTTP_2);
    let error = request.send().await.unwrap_err();
    assert!(pauses.taken().is_empty(), "{error:?}");
}

/// A proxy that refuses to connect.
async fn through_a_proxy(answer: &str) -> (usize, usize) {
    let proxy = Server::script([Step::Send(format!("HTTP/1.1 {answer}\r\n\r\n"))]).await;
    let pauses = Pauses::new();
    let retrying = IdempotentRetry::new().clock(pauses.clone()).max_attempts(3);
    let client = reqwest::Client::builder().proxy(reqwest::Proxy::all(proxy.url("/")).unwrap());
    let client = ClientBuilder::new(client.build().unwrap()).with(retrying).build();
    let _ = client.post("http://pay.example/").send().await;
    (proxy.received().len(), pauses.taken().len())
}

#[tokio::test]
async fn a_proxy_that_wants_other_credentials_is_asked_once_and_one_that_is_busy_again() {
    assert_eq!(through_a_proxy("407 Proxy Authentication Required").await, (1, 0));
    assert_eq!(through_a_proxy("502 Bad Gateway").await, (3, 2));
}

/// A middleware below ours, such as one that signs requests.
struct Signing;

#[async_trait::async_trait]
impl Middleware for Signing {
    async fn handle(
        &self,
        _: reqwest::Request,
        _: &mut http::Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        Err(reqwest_middleware::Error::middleware(std::io::Error::other("no signing key")))
    }
}

#[tokio::test]
async fn a_failure_of_another_middleware_is_returned_as_it_is() {
    let (log, _listening) = Log::listen();
    let pauses = Pauses::new();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let retrying = IdempotentRetry::new().clock(pauses.clone());
    let client = ClientBuilder::new(client).with(retrying).with(Signing).build();
    let error = client.post("http://127.0.0.1:9/").send().await.unwrap_err();
    assert!(error.to_string().contains("no signing key"), "{error}");
    assert!(pauses.taken().is_empty() && log.events("not sent again").is_empty());
}
